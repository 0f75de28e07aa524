"""``python -m s3nb``."""

import sys

from s3nb.cli import main

if __name__ == "__main__":
    sys.exit(main())
