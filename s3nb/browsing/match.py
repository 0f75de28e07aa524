"""Filters that S3 cannot apply: a piece of a name, or a shell pattern. And the search that applies them."""

from __future__ import annotations

import re
from collections.abc import Callable

from s3nb.listings import translate

MODES = ("starts", "contains", "pattern")  # the first is S3's own


def matcher(text: str, mode: str) -> Callable[[str], object]:
    """Return a function that says whether a name, relative to the level, matches.

    ``"contains"`` does not look at upper and lower case. In a ``"pattern"`` ``*`` stays within a level and ``**`` does
    not; one without a slash may match at any level below.
    """
    if mode == "contains":
        return re.compile(re.escape(text), re.IGNORECASE).search
    if mode == "pattern":
        return re.compile(translate(text if "/" in text else f"**/{text}")).fullmatch
    raise ValueError(f"filter mode must be one of {', '.join(MODES[1:])}, not {mode!r}")
