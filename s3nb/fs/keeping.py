"""Listings kept for a while, for those who ask for it: nothing here is remembered otherwise."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from s3nb.core import Core
from s3nb.fs.where import Spot
from s3nb.wire.xml import ListedObject

Given = ParamSpec("Given")
Result = TypeVar("Result")

Names = list[tuple[str, ListedObject | None]]  # None: a directory


class Kept:
    """What was listed, directory by directory, each for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[tuple[int, str, str], tuple[float, Core, Names]] = {}

    def listing(self, core: Core, bucket: str, prefix: str) -> Names | None:
        """Return what is in a directory, if it was listed not too long ago."""
        found = self._known.get((id(core), bucket, prefix))
        if found is None or time.monotonic() - found[0] > self._seconds:
            return None
        return found[2]

    def note(self, core: Core, bucket: str, prefix: str, names: Names) -> None:
        """Keep a complete listing."""
        self._known[id(core), bucket, prefix] = (time.monotonic(), core, names)

    def look(self, core: Core, place: Spot) -> list[ListedObject | None] | None:
        """Return what has this name in the directory it is in: a file, a directory, both; None if that was not listed."""
        key = place.file_key
        if not key or place.version_id is not None:
            return None
        above, _, name = key.rpartition("/")
        names = self.listing(core, place.bucket, f"{above}/" if above else "")
        if names is None or name in ("", ".", ".."):
            return None
        return [found for known, found in names if known == name and (found is None or place.names_file)]

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


_active: ContextVar[Kept | None] = ContextVar("s3nb_listings", default=None)


@contextmanager
def cached(seconds: float) -> Iterator[None]:
    """Keep listings for ``seconds``, in this ``with`` block and thread: what was listed is not asked for again.

    `listdir`, `scandir`, `walk` and `glob` answer from the listings of directories, and so do `isfile`, `isdir`, `exists`
    and `stat` for what is in them. What the functions of `s3nb.fs` change makes all be asked again; what others change, or
    files that `open` has written, shows when the time is over.

    Examples
    --------
    >>> with cached(30):
    ...     folders = [name for name in listdir(top) if isdir(join(top, name))]  # one request, whatever the number of names
    """
    if seconds <= 0:
        raise ValueError(f"seconds must be positive, not {seconds!r}")
    token = _active.set(Kept(seconds))
    try:
        yield
    finally:
        _active.reset(token)


def kept() -> Kept | None:
    """Return what is kept in this block; None outside of any."""
    return _active.get()


def look(core: Core, place: Spot) -> list[ListedObject | None] | None:
    """Return what a kept listing says of a place; None if it says nothing."""
    known = _active.get()
    return None if known is None else known.look(core, place)


def changes(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Have a function that changes something make all listings be asked for again, whether it succeeds or not."""

    @functools.wraps(function)
    def changing(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        finally:
            known = _active.get()
            if known is not None:
                known.clear()

    return changing
