"""What to fetch for which read: pure planning, no I/O, no threads. Ranges are half-open.

Strategy. Reads are told apart by where they start: near the end of the last one, they make a *run*; elsewhere, a
*jump*. What is near depends on the way to S3: waiting for bytes in between costs their transfer, asking anew costs a
round trip, so a gap counts as near up to the number of bytes that come in the time of a round trip. A run that has shown
itself opens a window of bytes ahead; each time the reader has to wait for them, the window doubles. So a fast
reader soon has many connections at work, a slow one few, and one that jumps about none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from s3nb.ranges import KIB, MIB

OPENING = MIB + 128 * KIB  # of the first request; what mountpoint-s3 uses as its first window
TAIL = 128 * KIB
PAGE = 64 * KIB
BIG_PAGE = 256 * KIB  # where a round trip is long
BEHIND = 2 * MIB  # kept behind the position
RUN = 256 * KIB  # bytes read one after the other that make a run, in two reads
SHORT_RUN, READS = 64 * KIB, 3  # or from first to last, in so many
FIRST_WINDOW, LARGEST_WINDOW = 4 * MIB, 64 * MIB
WAYS = 16  # connections for one file
SMALLEST_PART, LARGEST_PART = 512 * KIB, 8 * MIB
BIG_READ = 2 * MIB  # read over several connections at once, straight to where the bytes are to go
IN_MEMORY = 16 * MIB  # objects up to this size are kept whole once they are read here and there
JUMPS = 3
GUESSED_RATE = 16 * MIB  # bytes a second of one connection, before any was measured
SHARES = 4  # files that may hold a whole object each, of those that share the memory
SHARED = 8  # connections that are sure to bring more than one does
PAGES = 16 * MIB  # of pages kept for one file
HINTED = 8 * MIB  # fetched ahead because the file says so
KNOWN_WHOLE = 8 * MIB  # objects whose size is known are fetched whole up to this size
LARGEST_MERGED = 32 * MIB

Range = tuple[int, int]


class Link:
    """What is known of the way to an endpoint: time to the first byte, and bytes a second of one connection."""

    __slots__ = ("_first", "hedges", "rate", "requests", "ttfb")

    def __init__(self) -> None:
        self.ttfb = 0.0
        self.rate = 0.0
        self.requests = 0
        self.hedges = 0
        self._first: deque[float] = deque(maxlen=100)

    def first_byte(self, seconds: float) -> None:
        """Note the time that a request took to its first byte."""
        self._first.append(seconds)
        # not the middle: when this machine is busy, most come late, and that says nothing of the way
        self.ttfb = self._quantile(0.2)

    def moved(self, size: int, seconds: float) -> None:
        """Note ``size`` bytes that came in ``seconds``, after the first piece of a reply."""
        if size >= 256 * KIB and seconds > 0.004:  # less is what was waiting in a buffer
            rate = size / seconds
            self.rate = rate if not self.rate else 0.8 * self.rate + 0.2 * rate

    @property
    def gap(self) -> int:
        """Bytes that are not worth a request of their own."""
        if not self.ttfb or not self.rate:
            return MIB
        return int(min(max(self.ttfb * self.rate, 256 * KIB), 16 * MIB))

    def pays(self, waits: int, left: int) -> bool:
        """Say whether to fetch the ``left`` bytes of an object now that ``waits`` small reads have waited for a round trip each.

        Who has spent as much on pieces as the whole costs buys the whole: that takes at most twice as long as the best choice
        would have, whatever is read next (the ski-rental problem).
        """
        return waits >= JUMPS and waits * self.ttfb >= left / (SHARED * (self.rate or GUESSED_RATE))

    @property
    def page(self) -> int:
        """Bytes to which small reads here and there are rounded out."""
        return BIG_PAGE if self.ttfb > 0.1 else PAGE

    @property
    def patience(self) -> float:
        """Seconds after which a request without a first byte is sent again beside."""
        if not self._first:
            return 1.0
        return max(1.0, 3 * self._quantile(0.95))

    def _quantile(self, share: float) -> float:
        ordered = sorted(self._first)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def may_hedge(self) -> bool:
        """Say whether one more request would stay within a twentieth of all."""
        return self.hedges < 1 + self.requests // 20


class Access:
    """How one file is being read.

    Attributes
    ----------
    start, stop : int
        The run: from its first byte to the furthest.
    window : int
        Bytes wanted ahead of the position.
    """

    __slots__ = ("jumps", "kind", "reads", "start", "stop", "taken", "window")

    def __init__(self, kind: str = "auto") -> None:
        self.kind = kind
        self.start = self.stop = 0
        self.reads = 0  # that went on beyond what was read before
        self.taken = 0  # bytes of them
        self.jumps = 0
        self.window = FIRST_WINDOW if kind == "sequential" else 0

    def reached(self, position: int) -> None:
        """Note that the run was read on to ``position``."""
        if self.start <= position and position > self.stop:
            self.taken += position - self.stop
            self.stop = position

    def note(self, start: int, stop: int, gap: int) -> bool:
        """Note a read of ``[start, stop)``; True if it is a jump."""
        if self.stop - BEHIND <= start <= self.stop + gap and start >= self.start - BEHIND:
            self.start = min(self.start, start)
            if stop > self.stop:
                self.reads += 1
                self.taken += stop - max(start, self.stop)
                self.stop = stop
            if not self.window and self.sequential:
                self.window = FIRST_WINDOW
            return False
        self.start, self.stop, self.reads, self.taken = start, stop, 1, stop - start
        self.jumps += 1
        self.window = FIRST_WINDOW if self.kind == "sequential" else 0
        return True

    @property
    def sequential(self) -> bool:
        """Whether the run has shown itself."""
        if self.kind in ("random", "exact"):
            return False
        if self.kind == "sequential" or (self.reads >= 2 and self.taken >= RUN):
            return True
        return self.reads >= READS and self.stop - self.start >= SHORT_RUN

    def stalled(self) -> None:
        """Note that the reader had to wait for what was to be there: more must be under way."""
        if self.window:
            self.window = min(2 * self.window, LARGEST_WINDOW)

    def scarce(self) -> None:
        """Note that memory is scarce: less ahead."""
        if self.window:
            self.window = max(self.window // 2, SMALLEST_PART)

    @property
    def part(self) -> int:
        """Bytes of one request ahead: so that the window is spread over several connections."""
        return min(max(self.window // WAYS, SMALLEST_PART), LARGEST_PART)

    def extent(self, start: int, stop: int, size: int, page: int) -> Range:
        """Return what to fetch for bytes ``[start, stop)`` that are not in memory, of an object of ``size`` bytes.

        Small reads are rounded out to pages, and within a run each fetch is as long as the run so far, so that going
        on costs few requests and at most as many bytes again.
        """
        if self.kind == "exact" or stop - start >= page:
            return start, stop
        run = min(self.stop - self.start, RUN)
        first = start if run > page else start - start % (page // 8)
        return first, min(max(first + page, stop, start + run), size)


def holes(covered: Sequence[Range], start: int, stop: int) -> list[Range]:
    """Return what of ``[start, stop)`` the sorted, disjoint ranges do not cover."""
    missing = []
    for first, last in covered:
        if last <= start:
            continue
        if first >= stop:
            break
        if first > start:
            missing.append((start, first))
        start = max(start, last)
    if start < stop:
        missing.append((start, stop))
    return missing


def cut(start: int, stop: int, part: int) -> list[Range]:
    """Cut a range into pieces of ``part`` bytes; the last may be shorter."""
    return [(at, min(at + part, stop)) for at in range(start, stop, part)]


def spread(missing: Iterable[Range], ways: int = WAYS) -> list[Range]:
    """Cut the holes of one large read so that ``ways`` connections share it, in parts of 1 to 8 MiB."""
    missing = list(missing)
    whole = sum(stop - start for start, stop in missing)
    part = min(max(-(-whole // ways), MIB), LARGEST_PART)
    pieces = []
    for start, stop in missing:
        count = max(1, round((stop - start) / part))
        pieces += cut(start, stop, -(-(stop - start) // count))
    return pieces


class Merged(NamedTuple):
    """One request for several ranges that are near each other, and their indices in the caller's list."""

    start: int
    stop: int
    members: list[int]


def merge(ranges: Sequence[Range], gap: int, largest: int = LARGEST_MERGED) -> list[Merged]:
    """Put ranges together whose distance is at most ``gap``, up to ``largest`` bytes. Empty ones are left out."""
    order = sorted((i for i, (start, stop) in enumerate(ranges) if stop > start), key=lambda i: ranges[i])
    merged: list[Merged] = []
    for i in order:
        start, stop = ranges[i]
        last = merged[-1] if merged else None
        if last is not None and start - last.stop <= gap and max(stop, last.stop) - last.start <= largest:
            merged[-1] = Merged(last.start, max(stop, last.stop), [*last.members, i])
        else:
            merged.append(Merged(start, stop, [i]))
    return merged
