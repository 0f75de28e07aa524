"""Counters of a running operation, a snapshot of them, and the flag that stops it. No drawing.

The wire never writes here. What is finished is added under a lock, once per object; what is under
way is summed from the transfers themselves when somebody looks. So counting costs nothing per byte.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

_SLOWEST = 3  # transfers under way that a snapshot names


class Moving(Protocol):
    """A transfer under way, as far as progress is concerned. ``label() -> str`` is its name, if it has one."""

    def moved(self) -> int:
        """Return the bytes of it that have moved so far."""
        ...

    def expected(self) -> int | None:
        """Return the bytes it will have moved at its end, if known."""
        ...


class Flight(NamedTuple):
    """One transfer under way: whose, bytes moved, bytes in all (None: not known), seconds since it began."""

    name: str
    moved: int
    expected: int | None
    seconds: float


_watcher: ContextVar[tuple[Callable[[Progress], object], bool] | None] = ContextVar("s3nb_watcher", default=None)


@contextmanager
def watching(watcher: Callable[[Progress], object], *, quiet: bool = False) -> Iterator[None]:
    """Hand every operation that begins on this thread within the block to ``watcher``.

    Parameters
    ----------
    quiet : bool
        Nothing is drawn by itself: whoever watches shows it, or nobody does.
    """
    token = _watcher.set((watcher, quiet))
    try:
        yield
    finally:
        _watcher.reset(token)


def drawn_elsewhere() -> bool:
    """Say whether operations that begin here are not to be drawn by themselves."""
    watcher = _watcher.get()
    return watcher is not None and watcher[1]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far an operation is; plain numbers, safe to keep.

    Attributes
    ----------
    verb : str
        What is being done, e.g. ``"get"``.
    done, failed, skipped, retried : int
        Objects finished, failed, left alone; requests sent again.
    total : int or None
        Objects in all; None while the input is still being read, ``so_far`` then counts what came.
    so_far : int
        Objects taken from the input.
    bytes_done : int
        Bytes moved, of finished objects and of those under way.
    bytes_total : int or None
        Bytes in all; None while that is not known.
    elapsed : float
        Seconds since the start.
    finished, cancelled : bool
        Whether it is over, and whether it was stopped.
    slowest : tuple of Flight
        The three transfers under way that began first, as far as they have a name.
    """

    verb: str
    done: int
    failed: int
    skipped: int
    retried: int
    total: int | None
    so_far: int
    bytes_done: int
    bytes_total: int | None
    elapsed: float
    finished: bool
    cancelled: bool
    slowest: tuple[Flight, ...] = ()


class Progress:
    """The counters of one operation. Thread-safe.

    Parameters
    ----------
    verb : str
        What is being done.
    total : int, optional
        Objects in all, if known.

    Attributes
    ----------
    trouble : BaseException or None
        Why a request was sent again last.
    quiet : bool
        Nothing of that is to be logged: who watches says it.
    """

    def __init__(self, verb: str, total: int | None = None) -> None:
        self.verb = verb
        self._lock = threading.Lock()
        self._total = total
        self._so_far = 0
        self._done = 0
        self._failed = 0
        self._skipped = 0
        self._retried = 0
        self.trouble: BaseException | None = None
        self.quiet = False
        self._bytes = 0
        self._under_way: dict[Moving, float] = {}  # when each began; the oldest first
        self._started = time.monotonic()
        self._ended: float | None = None
        self._cancelled = False
        self._on_cancel: list[Callable[[], object]] = []
        watcher = _watcher.get()
        if watcher is not None:
            watcher[0](self)

    def planned(self, objects: int = 1) -> None:
        """Count ``objects`` more that were taken from the input, and that no `begin` counts."""
        with self._lock:
            self._so_far += objects

    def all_planned(self) -> None:
        """Note that the input has ended: what came so far is the total."""
        with self._lock:
            self._total = self._so_far

    def begin(self, transfer: Moving, objects: int = 1) -> None:
        """Watch a transfer that starts; it is about so many objects more that were taken from the input."""
        now = time.monotonic()
        with self._lock:
            self._so_far += objects
            self._under_way[transfer] = now

    def end(self, transfer: Moving, done: int = 0, failed: int = 0, skipped: int = 0) -> None:
        """Count the objects of a transfer that is over."""
        moved = transfer.moved()
        with self._lock:
            self._under_way.pop(transfer, None)
            self._bytes += moved
            self._done += done
            self._failed += failed
            self._skipped += skipped

    def retried(self, why: BaseException | None = None) -> None:
        """Count a request that is sent again, and note why."""
        with self._lock:
            self._retried += 1
            self.trouble = why or self.trouble

    def finish(self) -> None:
        """Stop the clock."""
        with self._lock:
            if self._ended is None:
                self._ended = time.monotonic()

    def cancel(self) -> None:
        """Stop the operation: nothing new starts, what is under way is dropped. Safe from any thread."""
        with self._lock:
            if self._cancelled or self._ended is not None:
                return
            self._cancelled = True
            listeners = list(self._on_cancel)
        for listener in listeners:
            listener()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def on_cancel(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` when the operation is cancelled (now, if it is)."""
        with self._lock:
            if not self._cancelled:
                self._on_cancel.append(listener)
                return
        listener()

    def snapshot(self) -> Snapshot:
        """Return the numbers as they are now. Cost: one look at each transfer under way."""
        with self._lock:
            under_way = list(self._under_way)
            oldest = list(islice(self._under_way.items(), 0 if self._ended is not None else _SLOWEST))
            base = self._bytes
            ended = self._ended
            values = (self._done, self._failed, self._skipped, self._retried, self._total, self._so_far)
        moved = sum(t.moved() for t in under_way)
        expected: int | None = base
        if values[4] is None or values[0] + values[1] + values[2] + len(under_way) < values[4]:
            expected = None  # sizes of what has not started are not known
        for transfer in under_way:
            size = transfer.expected()
            expected = None if expected is None or size is None else expected + size
        done, failed, skipped, retried, total, so_far = values
        look = time.monotonic()
        return Snapshot(
            verb=self.verb,
            done=done,
            failed=failed,
            skipped=skipped,
            retried=retried,
            total=total,
            so_far=so_far,
            bytes_done=base + moved,
            bytes_total=expected,
            elapsed=(ended if ended is not None else look) - self._started,
            finished=ended is not None,
            cancelled=self._cancelled,
            slowest=tuple(
                Flight(name, t.moved(), t.expected(), look - began) for t, began in oldest if (name := _label(t))
            ),
        )


def _label(transfer: Moving) -> str:
    label = getattr(transfer, "label", None)
    return "" if label is None else str(label())
