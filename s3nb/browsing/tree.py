"""Levels open one below the other, as the rows of one table; and which of them are selected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, overload

from s3nb.browsing.level import Level
from s3nb.text import plural, visible


class Row(NamedTuple):
    """A row as it is shown.

    ``kind`` is ``"object"``, ``"prefix"``, ``"bucket"``; or what stands at the end of a level that is not all there:
    ``"more"``, ``"loading"``, ``"error"``, ``"empty"``. ``size`` and ``time`` are None where there is none.
    """

    id: str
    depth: int
    kind: str
    name: str
    size: int | None
    time: float | None
    storage_class: str
    selected: bool
    expanded: bool


Spot = tuple[Level, int, int]  # a level, the load index of a row in it (-1: the row at its end), its depth


class Tree:
    """What a browser shows: a level, and the levels that are open below its prefixes."""

    def __init__(self, root: Level) -> None:
        self.root = root

    def __len__(self) -> int:
        """Return the number of rows that are shown."""
        return _height(self.root, top=True)

    def spots(self, start: int, stop: int) -> Iterator[Spot]:
        """Yield the places of rows ``[start, stop)``. Cost: the rows, and a look at each open level."""
        return islice(_walk(self.root, start, 0), max(0, stop - start))

    def rows(self, start: int, stop: int) -> list[Row]:
        """Return rows ``[start, stop)``, as many as there are."""
        return [_row(*spot) for spot in self.spots(start, stop)]

    def find(self, row_id: str) -> Spot | None:
        """Return the place of a row by its id; None if it is not here (any more)."""
        number, _, index = row_id.partition(":")
        for level, depth in _levels(self.root, 0):
            if str(level.number) == number and index.isdecimal() and int(index) < len(level):
                return level, int(index), depth
        return None

    def level(self, number: int) -> Level | None:
        """Return an open level by its number."""
        return next((found for found, _ in _levels(self.root, 0) if found.number == number), None)

    def position(self, wanted: Level, index: int) -> int | None:
        """Return the number of the row that shows a place (-1: the row at a level's end)."""
        return _position(self.root, wanted, index, 0, top=True)

    # -- selection -----------------------------------------------------------------------------

    def mark(self, spots: Iterable[Spot], value: bool = True) -> None:
        """Select rows, or no longer."""
        for level, index, _ in spots:
            if index >= 0:
                level.marks[index] = value

    def mark_all(self, value: bool = True) -> None:
        """Select all rows that are loaded, or none."""
        for level in self.root.family():
            level.marks[:] = (b"\1" if value else b"\0") * len(level)

    def selection(self) -> Selection:
        """Return what is selected, as it is now."""
        return Selection([(level, bytes(level.marks)) for level in _inside(self.root)])


def _tail(level: Level, top: bool) -> bool:
    """Say whether a level ends in a row that is no entry."""
    if top and not len(level):
        return False  # then the whole table says it
    return not level.complete or (not len(level))


def _height(level: Level, top: bool = False) -> int:
    return len(level) + sum(_height(child) for child in level.children.values()) + _tail(level, top)


def _walk(level: Level, skip: int, depth: int) -> Iterator[Spot]:
    order = level.order()
    at = 0
    for place, child in [*level.places(), (len(order) - 1, None)]:
        rows = place + 1 - at
        if skip < rows:
            for n in range(at + skip, place + 1):
                yield level, order[n], depth
            skip = 0
        else:
            skip -= rows
        at = place + 1
        if child is not None:
            height = _height(child)
            if skip >= height:
                skip -= height
            else:
                yield from _walk(child, skip, depth + 1)
                skip = 0
    if not skip and _tail(level, depth == 0):
        yield level, -1, depth


def _levels(level: Level, depth: int) -> Iterator[tuple[Level, int]]:
    yield level, depth
    for child in level.children.values():
        yield from _levels(child, depth + 1)


def _position(level: Level, wanted: Level, index: int, at: int, top: bool) -> int | None:
    if level is wanted and index < 0:
        return at + _height(level, top) - 1 if _tail(level, top) else None
    place = level.place_of(index) if level is wanted else None
    for opened, child in level.places():
        if place is not None:
            if opened >= place:
                break
            at += _height(child)
            continue
        inside = _position(child, wanted, index, at + opened + 1, top=False)
        if inside is not None:
            return inside
        at += _height(child)
    return None if place is None else at + place


def _row(level: Level, index: int, depth: int) -> Row:
    if index < 0:
        kind = "error" if level.problem else "empty" if level.complete else "loading" if level.loading else "more"
        text = f"{level.problem.title}. {level.problem.advice}" if level.problem else ""
        return Row(f"{level.number}:{kind}", depth, kind, text, None, None, "", False, False)
    size, time = level.sizes[index], level.times[index]
    kind = "object" if size >= 0 else "bucket" if level.buckets else "prefix"
    return Row(
        f"{level.number}:{index}", depth, kind, level.names[index], size if size >= 0 else None,
        time if time >= 0 else None, level.storage_class(index), bool(level.marks[index]), index in level.children,
    )  # fmt: skip


def _inside(level: Level) -> Iterator[Level]:
    """Yield levels in which rows count as selected by themselves: not those below a selected prefix, which is all of it."""
    yield level
    for index, child in level.children.items():
        if not level.marks[index]:
            yield from _inside(child)


class Selection(Sequence[str]):
    """The URLs that are selected, in the order in which S3 lists them; prefixes end in a slash.

    A sequence that makes its strings when they are asked for: selecting a million rows costs a byte for each.
    """

    def __init__(self, parts: Sequence[tuple[Level, bytes]] = ()) -> None:
        self._parts = [(level, marks) for level, marks in parts if b"\1" in marks]

    def __len__(self) -> int:
        return sum(marks.count(1) for _, marks in self._parts)

    def __iter__(self) -> Iterator[str]:
        return (level.row_url(index) for level, index in self.places())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return list(self)[index]
        count = len(self)
        if index < 0:
            index += count
        if not 0 <= index < count:
            raise IndexError("selection index out of range")
        return next(islice(self, index, None))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Selection) and [level for level, _ in self._parts] == [level for level, _ in other._parts]:
            # rows that came since are not selected
            pairs = zip(self._parts, other._parts, strict=True)
            return all(a.rstrip(b"\0") == b.rstrip(b"\0") for (_, a), (_, b) in pairs)
        if isinstance(other, (list, tuple, Selection)):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal to lists

    def __repr__(self) -> str:
        shown = [visible(url, 100) for url in islice(self, 3)]
        rest = len(self) - len(shown)
        return f"<{plural(len(self), 'URL')}{': ' if shown else ''}{', '.join(shown)}{f', and {rest:,} more' if rest else ''}>"

    def places(self) -> Iterator[tuple[Level, int]]:
        """Yield level and load index of each."""
        for level, marks in self._parts:
            at = marks.find(1)
            while at != -1:
                yield level, at
                at = marks.find(1, at + 1)

    def whole_levels(self) -> list[Level]:
        """Return the levels all of whose rows are selected, and complete."""
        return [level for level, marks in self._parts if level.complete and 0 not in marks and len(marks) == len(level)]

    def summary(self) -> dict[str, Any]:
        """Return how many objects and prefixes these are, and the size of the objects."""
        objects = prefixes = size = 0
        for level, marks in self._parts:
            if marks.count(1) == 1:
                sizes = [level.sizes[marks.index(1)]]
            else:
                sizes = [s for s, marked in zip(level.sizes, marks, strict=False) if marked]
            objects += sum(1 for s in sizes if s >= 0)
            prefixes += sum(1 for s in sizes if s < 0)
            size += sum(s for s in sizes if s >= 0)
        return {"objects": objects, "prefixes": prefixes, "size": size}
