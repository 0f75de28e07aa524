"""One level of a browser: the rows of one listing, in columns, so that a million of them cost about 100 bytes each."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from s3nb.browsing.advice import Problem
from s3nb.progress import Progress

_numbers = itertools.count(1)

SORTS = ("name", "-name", "size", "-size", "time", "-time")


class Rows(NamedTuple):
    """What one page of a listing adds, in S3's order: names relative to the level; -1 for an unknown size or time."""

    names: Sequence[str]
    sizes: Sequence[int]  # -1: a prefix
    times: Sequence[float]
    classes: Sequence[str]  # storage classes; "" is the standard one
    token: str | None = None  # of the next page; None: it begins behind the last name
    complete: bool = True  # there is no next page
    last: str = ""  # what was listed (or looked at) last; empty: nothing


class Level:
    """The rows below one prefix (or the buckets), as far as they are loaded.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix`` that the names are relative to; ``s3://`` for the buckets.
    starts : str
        What the names start with: the part of a filter that S3 applies.

    Attributes
    ----------
    names, sizes, times : sequence
        The columns, by load index: 0 is what S3 listed first. Prefixes have names that end in a slash, and size -1.
    marks : bytearray
        1 where a row is selected.
    children : dict
        Load index of a prefix -> the level that is open below it.
    complete : bool
        All rows are loaded. Otherwise the listing goes on at `token`, or if that is None, behind `last`.
    last : str
        The last name that was listed, for a prefix what stands behind all that is in it; of a search, that was looked at.
    """

    def __init__(self, url: str, starts: str = "") -> None:
        self.url = url
        self.starts = starts
        self.number = next(_numbers)
        self.names: list[str] = []
        self.sizes = array("q")
        self.times = array("d")
        self.marks = bytearray()
        self.children: dict[int, Level] = {}
        self.token: str | None = None
        self.last = ""
        self.complete = False
        self.loading: Progress | None = None  # the listing that is under way: cancelling it stops it
        self.problem: Problem | None = None
        self._classes = bytearray()
        self._class_names = [""]
        self._sort = "name"
        self._order: array[int] | None = None  # load indexes as they are shown; None: as they came
        self._places: list[tuple[int, Level]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def buckets(self) -> bool:
        """Whether the rows are buckets."""
        return self.url == "s3://"

    def add(self, rows: Rows) -> None:
        """Take one page more."""
        self.names.extend(rows.names)
        self.sizes.extend(rows.sizes)
        self.times.extend(rows.times)
        for name in rows.classes:
            if name not in self._class_names:
                if len(self._class_names) == 255:  # there are a dozen; a hostile server may make up more
                    name = self._class_names[-1]
                else:
                    self._class_names.append(name)
            self._classes.append(self._class_names.index(name))
        self.marks.extend(bytes(len(rows.names)))
        self.last = rows.last or self.last
        self.token = rows.token
        self.complete = rows.complete
        self._places = None

    def storage_class(self, index: int) -> str:
        """Return the storage class of a row; empty for the standard one."""
        return self._class_names[self._classes[index]]

    def is_prefix(self, index: int) -> bool:
        """Say whether a row is a prefix (or a bucket), and no object."""
        return self.sizes[index] < 0

    def row_url(self, index: int) -> str:
        """Return the URL of a row; a prefix ends in a slash."""
        return self.url + self.names[index]

    # -- order -------------------------------------------------------------------------------

    def sort(self, by: str) -> None:
        """Show rows by ``"name"``, ``"size"`` or ``"time"``, with ``-`` from the end. Prefixes come before objects, but by name."""
        if by not in SORTS:
            raise ValueError(f"sort must be one of {', '.join(SORTS)}, not {by!r}")
        self._sort = by
        self._order = None
        self._places = None
        for child in self.children.values():
            child.sort(by)

    def order(self) -> Sequence[int]:
        """Return load indexes in the order in which they are shown. Sorts what came since the last look."""
        count = len(self.names)
        if self._sort == "name":
            return range(count)
        if self._sort == "-name":
            return range(count - 1, -1, -1)
        if self._order is None or len(self._order) != count:
            known = self._order or array("q")
            column = self.sizes if self._sort.endswith("size") else self.times
            down = self._sort[0] == "-"
            # what was sorted stays a sorted run, which makes adding a page to many cheap
            both = [*known, *range(len(known), count)]
            prefixes = [i for i in both if self.sizes[i] < 0]
            objects = [i for i in both if self.sizes[i] >= 0]
            objects.sort(key=column.__getitem__, reverse=down)
            if column is self.times:
                prefixes.sort(key=column.__getitem__, reverse=down)
            self._order = array("q", [*prefixes, *objects])
            self._places = None
        return self._order

    def place_of(self, index: int) -> int:
        """Return where a row is shown among the rows of this level."""
        order = self.order()
        if isinstance(order, array):
            return order.index(index)
        return index if isinstance(order, range) and order.step > 0 else len(self.names) - 1 - index

    def places(self) -> list[tuple[int, Level]]:
        """Return the open levels, and where the prefixes are that they are below, in the order in which they are shown."""
        self.order()
        if self._places is None:
            self._places = sorted(((self.place_of(i), child) for i, child in self.children.items()), key=lambda p: p[0])
        return self._places

    def open(self, index: int, child: Level) -> None:
        """Put a level below a prefix."""
        self.children[index] = child
        child.sort(self._sort)
        self._places = None

    def close(self, index: int) -> None:
        """Take away what is open below a prefix."""
        self.children.pop(index, None)
        self._places = None

    # -- all of it -----------------------------------------------------------------------------

    def family(self) -> Iterator[Level]:
        """Yield this level, and all that are open below it."""
        yield self
        for child in self.children.values():
            yield from child.family()
