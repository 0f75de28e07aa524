"""What a preview is made from and of: limits, a window on an object's bytes, and blocks to be shown."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a preview may cost. Objects come from others: each number is a promise that none of them can break.

    Attributes
    ----------
    head : int
        Bytes of the first request.
    fetched : int
        Bytes fetched in all.
    unpacked : int
        Bytes unpacked from what is compressed.
    ratio : int
        Bytes unpacked for each byte that was packed.
    seconds : float
        Time spent on looking, without waiting for S3.
    depth : int
        Brackets within brackets.
    layers : int
        Compression within compression.
    pixels : int
        Of a picture that is shown.
    rows, columns, cell : int
        Of a table: rows, columns, characters of a cell.
    lines, line : int
        Of a text: lines, characters of a line.
    """

    head: int = 64 * KIB
    fetched: int = MIB
    unpacked: int = 16 * MIB
    ratio: int = 100
    seconds: float = 5.0
    depth: int = 50
    layers: int = 2
    pixels: int = 16_000_000
    rows: int = 20
    columns: int = 24
    cell: int = 80
    lines: int = 60
    line: int = 500


class TooMuch(Exception):
    """Looking further would cost more than a preview may; the message says what."""


class Window:
    """The bytes of an object, as far as a preview may see them.

    Parameters
    ----------
    head : bytes
        Its first bytes.
    size : int or None
        All of its bytes; None if that is not known (of something that was compressed).
    name, content_type : str
        Hints, to be believed no further than the bytes agree.
    limits : Limits
    fetch : callable, optional
        ``fetch(start, stop)`` returns bytes beyond the head; counted against ``limits.fetched``.
    layer : int
        In how many layers of compression this was found.
    """

    def __init__(
        self,
        head: bytes,
        size: int | None,
        name: str = "",
        content_type: str = "",
        limits: Limits | None = None,
        fetch: Callable[[int, int], bytes] | None = None,
        layer: int = 0,
    ) -> None:
        self.head = head
        self.size = size
        self.name = name
        self.content_type = content_type.partition(";")[0].strip().lower()
        self.charset = _charset(content_type)
        self.limits = limits or Limits()
        self.layer = layer
        self.fetched = len(head)
        self._fetch = fetch
        self.failed: BaseException | None = None  # what fetching met, whatever a library has made of it
        self._pieces: list[tuple[int, bytes]] = []
        self._until = time.monotonic() + self.limits.seconds

    @property
    def complete(self) -> bool:
        """Whether the head is all there is."""
        return self.size is not None and len(self.head) >= self.size

    @property
    def suffix(self) -> str:
        """What follows the last dot of the name, in lower case; empty if there is none."""
        last = self.name.rpartition("/")[2].lower()
        return last.rpartition(".")[2] if "." in last else ""

    def tick(self) -> None:
        """Raise `TooMuch` if the time is up."""
        if time.monotonic() > self._until:
            raise TooMuch(f"looking took longer than {self.limits.seconds:g} s")

    def read(self, start: int, stop: int) -> bytes:
        """Return bytes ``[start, stop)``, clipped to the object.

        Raises
        ------
        TooMuch
            They lie beyond the head, and there is no way, or no leave, to fetch them.
        """
        self.tick()
        if self.size is not None:
            stop = min(stop, self.size)
        start = max(start, 0)
        if start >= stop:
            return b""
        if stop <= len(self.head):
            return self.head[start:stop]
        for at, piece in self._pieces:
            if at <= start and stop <= at + len(piece):
                return piece[start - at : stop - at]
        if self._fetch is None:
            raise TooMuch("more of it would be needed than its beginning")
        if self.fetched + (stop - start) > self.limits.fetched:
            raise TooMuch(f"more than {self.limits.fetched // KIB:,} KiB of it would be needed")
        began = time.monotonic()
        try:
            data = self._fetch(start, stop)
        except TooMuch:
            raise
        except BaseException as exc:
            self.failed = exc
            raise
        self._until += time.monotonic() - began  # S3's time is not ours
        self.fetched += len(data)
        self._pieces.append((start, data))
        return data

    def tail(self, count: int) -> bytes:
        """Return the last ``count`` bytes."""
        if self.size is None:
            raise TooMuch("its end is not known")
        return self.read(self.size - count, self.size)

    def longer(self, size: int) -> bool:
        """Make the head ``size`` bytes long, or as long as there is leave; say whether it has grown."""
        stop = min(size, self.size or 0, len(self.head) + self.limits.fetched - self.fetched)
        if self._fetch is None or stop <= len(self.head):
            return False
        self.head += self.read(len(self.head), stop)
        return True

    def whole(self) -> None:
        """Make the head all there is, if it may be fetched; else leave it."""
        if self.size is not None and not self.complete and self.size <= self.limits.fetched and self._fetch is not None:
            self.head += self.read(len(self.head), self.size)


def _charset(content_type: str) -> str:
    _, found, value = content_type.lower().partition("charset=")
    return value.partition(";")[0].strip(" \"'") if found else ""


class WindowFile(io.RawIOBase):
    """A window as a file, for libraries that seek; each look beyond what is there fetches 16 KiB at least."""

    _LEAST = 16 * KIB

    def __init__(self, window: Window) -> None:
        super().__init__()
        if window.size is None:
            raise TooMuch("its end is not known")
        self._window = window
        self._size = window.size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if stop <= self._at:
            return b""
        want = stop
        room = self._window.limits.fetched - self._window.fetched
        if stop - self._at < self._LEAST and room >= self._LEAST:
            want = min(self._at + self._LEAST, self._size)
        data = self._window.read(self._at, want)[: stop - self._at]
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


# -- what is shown ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of text, raw: to be made visible, or escaped, by who shows them."""

    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: names of columns, rows of raw text, which columns are numbers; how many columns are left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[bool, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a browser may show: its bytes, its type as its bytes say, width and height in pixels."""

    data: bytes
    mime: str
    width: int
    height: int


PREFIX = "prefix"  # the kind of what is no object: the names below it are shown
Block = Text | Grid | Picture


@dataclass(frozen=True, slots=True)
class Content:
    """What was found in an object.

    Attributes
    ----------
    kind : str
        What it is, for people: ``"CSV"``, ``"gzip, CSV inside"``.
    blocks : tuple
        What to show.
    facts : tuple of (str, str)
        What is to be said of it, raw.
    notes : tuple of str
        What is not shown, and why; safe to print.
    """

    kind: str
    blocks: tuple[Block, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def grid(columns: list[str], rows: list[list[str]], limits: Limits) -> Grid:
    """Make a table of what may be ragged, cut to the limits."""
    width = min(max([len(columns), *map(len, rows)]), limits.columns)
    left_out = max([len(columns), *map(len, rows)]) - width
    names = [*columns, *(str(n + 1) for n in range(len(columns), width))][:width]
    cut = [
        tuple(_cut(cell, limits.cell) for cell in [*row, *[""] * (width - len(row))][:width])
        for row in rows[: limits.rows]
    ]
    numbers = tuple(
        any(row[n] for row in cut) and all(is_number(row[n]) for row in cut if row[n]) for n in range(width)
    )
    return Grid(tuple(_cut(name, limits.cell) for name in names), tuple(cut), numbers, left_out)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def is_number(text: str) -> bool:
    """Say whether text reads as a number."""
    if len(text) > 40:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
