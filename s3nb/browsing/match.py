"""Filters that S3 cannot apply: a piece of a name, or a shell pattern."""

from __future__ import annotations

import re
from collections.abc import Callable

from s3nb.listings import skipper, translate
from s3nb.transfer.listing import Skip

MODES = ("starts", "contains", "pattern")  # the first is S3's own


def matcher(text: str, mode: str) -> Callable[[str], object]:
    """Return a function that says whether a name, relative to the level, matches.

    ``"contains"`` does not look at upper and lower case. In a ``"pattern"`` ``*`` stays within a level and ``**`` does
    not; one without a slash may match at any level below.
    """
    if mode == "contains":
        return re.compile(re.escape(text), re.IGNORECASE).search
    if mode == "pattern":
        return re.compile(translate(_anchored(text))).fullmatch
    raise ValueError(f"filter mode must be one of {', '.join(MODES[1:])}, not {mode!r}")


def narrowed(text: str, mode: str, base: str) -> tuple[str, Skip | None]:
    """Return what names that match begin with, and what tells a listing below ``base`` which keys cannot match."""
    if mode != "pattern":
        return "", None
    text = _anchored(text)
    return re.split(r"[*?\[]", text, maxsplit=1)[0], skipper(base, text)


def _anchored(text: str) -> str:
    return text if "/" in text else f"**/{text}"
