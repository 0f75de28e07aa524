"""What to show of a running operation: a snapshot in, words and a share out. Pure; every display draws from this.

Strategy: rates are smoothed over the last seconds, as people want to know how fast it goes, not how fast it went; a
share never goes back, also where objects turn out to be larger than those before them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from s3nb.progress import Flight, Snapshot
from s3nb.text import plural, size_text, time_text, visible

_SMOOTH = 3.0  # seconds over which a rate is averaged
_ETA_AFTER = 1.0  # seconds before anything is foretold
_SLOW = 3.0  # seconds under way from which on an object is worth naming
_SMALL = 32 * 1024  # bytes of an object on average, below which it is objects that take the time
_NAME = 60  # characters of a name


class Note(NamedTuple):
    """Something that did not go straight: its kind (``"failed"``, ``"skipped"``, ``"retried"``, ``"interrupted"``), in words."""

    kind: str
    text: str


class Slow(NamedTuple):
    """An object that takes long: its name, how far it is, and for how long it has been under way."""

    name: str
    moved: str
    clock: str


@dataclass(frozen=True, slots=True)
class View:
    """What to show of an operation; all of it text that is safe to print.

    Attributes
    ----------
    verb, subject : str
        What is being done, and to what, if it is one object.
    state : str
        ``"running"``, ``"done"``, ``"failed"`` (over, with failures) or ``"interrupted"``.
    share : float or None
        How much is done, 0 to 1; None while the total is not known.
    objects, size, rate, clock : str
        ``"310/400 objects"``, ``"1.2/1.6 GiB"``, ``"96.0 MiB/s"``, ``"4.1 s left"`` or ``"in 17 s"``; empty if there is
        nothing to say.
    notes : tuple of Note
        The worst first.
    slow : tuple of Slow
        At most three, the oldest first.
    """

    verb: str
    subject: str
    state: str
    share: float | None
    objects: str
    size: str
    rate: str
    clock: str
    notes: tuple[Note, ...]
    slow: tuple[Slow, ...]

    @property
    def percent(self) -> str:
        """The share as ``"76%"``; never 100% before the end."""
        if self.share is None:
            return ""
        return f"{min(math.floor(self.share * 100 + 1e-9), 100 if self.state != 'running' else 99)}%"

    def words(self, width: int | None = None) -> str:
        """Return the facts on one line, the least important left out until it has ``width`` characters at most."""
        # (what goes first when there is no room, what it says), in the order of the line
        # a note of an interruption counts the objects again, and better
        facts = [
            (3 if self.state == "interrupted" else 0, self.objects),
            (2, self.size),
            (3, self.rate),
            (1, self.clock),
        ]
        facts += [(0 if note.kind in ("failed", "interrupted") else 4, note.text) for note in self.notes]
        facts = [fact for fact in facts if fact[1]]
        while True:
            line = ", ".join(text for _, text in facts)
            most = max((rank for rank, _ in facts), default=0)
            if width is None or len(line) <= width or most == 0:
                return line
            last = max(n for n, (rank, _) in enumerate(facts) if rank == most)
            del facts[last]

    @property
    def title(self) -> str:
        """The verb, and the object if there is one only."""
        return f"{self.verb} {self.subject}" if self.subject else self.verb


class Meter:
    """Makes views of the snapshots of one operation, which come one after the other."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._bytes = _Rate()
        self._objects = _Rate()
        self._share = 0.0
        self._subject = ""

    def look(self, now: Snapshot) -> View:
        """Return what to show of ``now``."""
        over = now.done + now.failed + now.skipped
        last = self._last
        if last is None:
            self._bytes.add(now.bytes_done, now.elapsed)
            self._objects.add(over, now.elapsed)
        else:
            self._bytes.add(now.bytes_done - last.bytes_done, now.elapsed - last.elapsed)
            self._objects.add(over - (last.done + last.failed + last.skipped), now.elapsed - last.elapsed)
        self._last = now
        if now.total == 1 and now.slowest:
            self._subject = short(now.slowest[0].name)
        return View(
            verb=visible(now.verb, 40),
            subject=self._subject if now.total == 1 else "",
            state=_state(now),
            share=self._shared(now, over),
            objects="" if now.total == 1 and self._subject and not now.failed else _objects(now, over),
            size=_size(now),
            rate=self._rate(now, over),
            clock=self._clock(now, over),
            notes=tuple(_notes(now, over)),
            slow=tuple(_slow(flight) for flight in now.slowest if flight.seconds >= _SLOW)
            if not now.finished and now.total != 1
            else (),
        )

    def _shared(self, now: Snapshot, over: int) -> float | None:
        if now.finished and not now.cancelled and now.total is not None and over >= now.total:
            return 1.0
        if now.bytes_total:
            share = now.bytes_done / now.bytes_total
        elif now.total:
            share = over / now.total
        else:
            return None
        self._share = min(max(self._share, share), 1.0)
        return self._share

    def _rate(self, now: Snapshot, over: int) -> str:
        small = over > 1 and now.bytes_done < over * _SMALL
        if now.bytes_done and not small:
            rate = now.bytes_done / now.elapsed if now.finished and now.elapsed > 0 else self._bytes.value
            return "" if rate is None else f"{size_text(rate)}/s"
        rate = over / now.elapsed if now.finished and now.elapsed > 0 else self._objects.value
        if not rate or over < 2:
            return ""
        return (f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}") + (" objects/s" if now.bytes_done else "/s")

    def _clock(self, now: Snapshot, over: int) -> str:
        if now.finished:
            return f"in {time_text(now.elapsed)}"
        if now.elapsed < _ETA_AFTER:
            return ""
        if now.bytes_total and now.bytes_done:
            left, rate = now.bytes_total - now.bytes_done, self._bytes.value
        elif now.total and over:
            left, rate = now.total - over, self._objects.value
        else:
            return time_text(now.elapsed)
        return f"{time_text(left / rate)} left" if rate else time_text(now.elapsed)


class _Rate:
    """An exponentially weighted rate, right from the first sample on."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._weight = 0.0

    def add(self, amount: float, seconds: float) -> None:
        if seconds <= 0:
            return
        new = 1 - math.exp(-seconds / _SMOOTH)
        self._sum += new * (amount / seconds - self._sum)
        self._weight += new * (1 - self._weight)

    @property
    def value(self) -> float | None:
        return self._sum / self._weight if self._weight else None


def short(url: str) -> str:
    """Return a URL as a name that fits: its end says most, so the middle goes."""
    name = url.removeprefix("s3://").partition("/")[2] or url
    return visible(name, _NAME)


def _state(now: Snapshot) -> str:
    if now.cancelled:
        return "interrupted"
    if not now.finished:
        return "running"
    return "failed" if now.failed else "done"


def _objects(now: Snapshot, over: int) -> str:
    if now.total is None:
        return f"{over:,} of {now.so_far:,}+ objects" if now.so_far else "0 objects"
    return f"{over:,}/{now.total:,} object" + ("" if now.total == 1 else "s")


def _size(now: Snapshot) -> str:
    if not now.bytes_done and not now.bytes_total:
        return ""
    done = size_text(now.bytes_done)
    if not now.bytes_total or now.finished:
        return done
    total = size_text(now.bytes_total)
    number, _, unit = done.partition(" ")
    return f"{number if total.endswith(' ' + unit) else done}/{total}"


def _notes(now: Snapshot, over: int) -> list[Note]:
    notes = []
    if now.cancelled:
        rest = max((now.total or now.so_far) - over, 0)
        text = f"interrupted: {now.done:,} done, {f'{now.failed:,} failed, ' if now.failed else ''}{rest:,} not done"
        notes.append(Note("interrupted", text))
    elif now.failed:
        notes.append(Note("failed", f"{now.failed:,} failed"))
    if now.skipped:
        notes.append(Note("skipped", f"{now.skipped:,} skipped"))
    if now.retried:
        notes.append(Note("retried", f"{now.retried:,} retried"))
    return notes


def _slow(flight: Flight) -> Slow:
    if flight.expected:
        moved = f"{min(flight.moved * 100 // flight.expected, 99)}% of {size_text(flight.expected)}"
    else:
        moved = size_text(flight.moved)
    return Slow(short(flight.name), moved, time_text(flight.seconds))


def line(view: View, width: int | None = None) -> str:
    """Return a view as a line of a log: ``"get: 310/400 objects, 1.2 GiB, 96.0 MiB/s, 4.1 s left"``."""
    share = f" {view.percent}" if view.percent and view.state == "running" and view.subject else ""
    return f"{view.title}:{share} {view.words(width)}"


def count_text(objects: int, failed: int) -> str:
    """Return ``"3 operations before"``, and how many of them had failures."""
    return f"{plural(objects, 'operation')} before" + (f", {failed:,} with failures" if failed else "")
