"""Options that several verbs have."""

from __future__ import annotations

from s3nb.commands.parser import Parser

NO_CLOBBER = ("-n", "--no-clobber", "--no-overwrite")  # cp's word in a shell, and the client's


def dry_run_option(parser: Parser) -> None:
    """Add ``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def yes_option(parser: Parser) -> None:
    """Add ``--yes``."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def no_clobber_option(parser: Parser) -> None:
    """Add ``--no-clobber``, by its other names too."""
    parser.add_argument(
        *NO_CLOBBER, dest="no_overwrite", action="store_true", help="leave alone what is there, and count it as skipped"
    )


def literal_option(parser: Parser) -> None:
    """Add ``--literal``."""
    parser.add_argument("--literal", action="store_true", help="* ? [ in a name are characters, no wildcards")
