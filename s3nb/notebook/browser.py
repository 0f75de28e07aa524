"""``browse``: a live browser where there is a notebook, else a listing page by page that says what is missing."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from s3nb.browsing.still import print_pages
from s3nb.client import S3

if TYPE_CHECKING:
    from s3nb.notebook.widget import S3Browser


def browse(s3: S3, url: str | None = None, *, writable: bool = False, height: int = 420) -> S3Browser | None:
    """Browse S3 from ``url`` on.

    Parameters
    ----------
    s3 : S3
        Whose account to use; it stays open.
    url : str, optional
        A bucket, a prefix, an object, or ``s3://`` for the buckets. Default: the client's root.
    writable : bool
        Whether the browser may upload and delete.
    height : int
        Pixels.

    Returns
    -------
    S3Browser or None
        The browser, not shown yet: a cell shows its last value. None where there is no front end for it: then a listing
        was printed.
    """
    missing = what_is_missing()
    if not missing:
        from s3nb.notebook.widget import S3Browser

        return S3Browser(url, s3=s3, writable=writable, height=height)
    print_pages(s3, url or s3.root or "s3://", missing=missing)
    return None


def what_is_missing() -> str:
    """Return what a live browser lacks here, as a sentence; empty if nothing."""
    if importlib.util.find_spec("anywidget") is None:
        return "A live browser needs anywidget: install the extra 'notebook'"
    if "marimo" in sys.modules and sys.modules["marimo"].running_in_notebook():
        return ""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "A live browser needs a notebook: JupyterLab, Notebook 7, VS Code, Colab or marimo"
    if getattr(kernel, "_allow_stdin", True) is False:  # nbclient, nbconvert, papermill: nobody could click
        return "A live browser needs somebody who looks at the notebook while it runs"
    return ""
