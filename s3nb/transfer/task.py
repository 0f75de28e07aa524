"""One object's job within an operation, and the window that keeps many of them under way.

Strategy of the window: tasks run by completions, on the wire's threads. The calling thread only tops up: it takes
input, starts tasks, and sleeps until half of the window has ended (or it is time to draw). So a million keys are
never a million futures, the caller's iterator runs on the caller's thread, and nobody wakes up per object.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

from s3nb.errors import ClientClosed, S3Error
from s3nb.text import visible
from s3nb.transfer.attempt import Engine, Scope
from s3nb.transfer.interrupt import held

_SLICE = 0.1  # seconds between looks of a waiting thread: Ctrl-C on Windows, and the drawing of bars
_FAREWELL = 2.0  # seconds a cancelled operation is given to let go of its files

Item = TypeVar("Item")


class Task:
    """One object's job. Ends exactly once, with ``result`` or ``error``.

    Subclasses start calls in `start` and call `end` or `fail` on whatever thread their last call ends.
    """

    __slots__ = ("error", "finished", "item", "on_end", "result", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.result: Any = None
        self.error: BaseException | None = None
        self.finished = False
        self.item: Any = None  # what of the input it was made for
        self.on_end: Callable[[Task], object] | None = None

    @property
    def engine(self) -> Engine:
        return self.scope.engine

    def start(self) -> None:
        """Begin. Must not block, nor raise for what S3 may do."""
        raise TypeError(f"{type(self).__name__} does not say how it starts")

    def moved(self) -> int:
        """Return the bytes that have moved so far."""
        return 0

    def expected(self) -> int | None:
        """Return the bytes that will have moved, if known."""
        return 0

    def label(self) -> str:
        """Return what people know it by; empty if that says nothing."""
        return ""

    def objects(self) -> int:
        """Return the number of objects it is about."""
        return 1

    def count(self, outcome: str) -> None:
        """Tell the progress how it ended: ``"done"``, ``"failed"``, ``"skipped"`` or ``"cancelled"``, which counts as none."""
        progress = self.scope.progress
        if outcome == "done":
            progress.end(self, 1)
        else:
            progress.end(self, 0, outcome == "failed", outcome == "skipped")

    def begin(self) -> None:
        """Count the task, and start it."""
        with held:
            self.begin_held()

    def begin_held(self) -> None:
        """The same, where Ctrl-C is held back already."""
        self.scope.progress.begin(self, self.objects())
        try:
            self.start()
        except Exception as exc:
            self.fail(exc)

    def end(self, result: Any, outcome: str = "done") -> None:
        """Note success."""
        if not self.finished:
            self.result = result
            self._over(outcome)

    def fail(self, error: BaseException) -> None:
        """Note failure."""
        if not self.finished:
            if not isinstance(error, (S3Error, CancelledError)):
                wrapped = S3Error(f"{type(error).__name__}: {visible(str(error), 300)}")
                wrapped.__cause__ = error
                error = wrapped
            self.error = error
            self._over("cancelled" if isinstance(error, CancelledError) else "failed")

    def _over(self, outcome: str) -> None:
        self.finished = True
        self.count(outcome)
        on_end, self.on_end = self.on_end, None  # holds the window, which holds us
        if on_end is not None:
            on_end(self)


class Settled(Task):
    """A task whose outcome is known before it starts."""

    __slots__ = ("_outcome",)

    def __init__(self, scope: Scope, outcome: Any) -> None:
        super().__init__(scope)
        self._outcome = outcome

    def start(self) -> None:
        if isinstance(self._outcome, BaseException):
            self.fail(self._outcome)
        else:
            self.end(self._outcome, "skipped")


class Window(Generic[Item]):
    """Runs a task per item of a lazy input, a bounded number at once.

    Parameters
    ----------
    scope : Scope
    items : iterable
        Read on the calling thread, as there is room.
    make : callable
        ``make(item)`` gives the task.
    size : int
        Tasks under way at once.
    tick : callable, optional
        Called on the calling thread about every 0.1 s: draws.
    """

    def __init__(
        self,
        scope: Scope,
        items: Iterable[Item],
        make: Callable[[Item], Task],
        size: int,
        tick: Callable[[], object] | None = None,
    ) -> None:
        self._scope = scope
        self._items = iter(items)
        self._make = make
        self._size = size
        self._tick = tick
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._ended: deque[Task] = deque()
        self._running = 0
        self._wake_below = 0
        self._exhausted = False
        self._line: deque[Task] = deque()

    @property
    def finished(self) -> list[Task]:
        """The tasks that are over and were not yielded by `ordered`, in input order: what is left when it was stopped."""
        return [task for task in self._line if task.finished]

    def ordered(self, ahead: int | None = None) -> Iterator[Task]:
        """Yield the finished tasks in input order.

        At most ``ahead`` tasks (default: four windows) wait for a slow one in front of them.
        """
        ahead = ahead or 4 * self._size
        line = self._line
        try:
            while True:
                self._fill(line, ahead)
                if not line:
                    return
                while line and line[0].finished:
                    yield line.popleft()
                if line and (self._running >= self._size or self._exhausted or len(line) >= ahead):
                    self._sleep(line)
        finally:
            self._farewell()

    def completed(self) -> Iterator[Task]:
        """Yield the tasks as they finish."""
        line: deque[Task] = deque()
        try:
            while True:
                self._fill(line, self._size)
                line.clear()
                while self._ended:
                    yield self._ended.popleft()
                if self._running == 0 and self._exhausted and not self._ended:
                    return
                if self._running >= self._size or self._exhausted:
                    self._sleep(None)
        finally:
            self._farewell()

    def _check_process(self) -> None:
        """Refuse to go on in a child of the process where this began: before a lock is taken, which may have been held there."""
        if self._scope.engine.forked:
            raise ClientClosed(
                "this operation belongs to the process that this one was forked from: begin another here"
            )

    def _fill(self, line: deque[Task], ahead: int) -> None:
        self._check_process()
        with held.often:
            self._start_some(line, ahead)

    def _start_some(self, line: deque[Task], ahead: int) -> None:
        progress = self._scope.progress
        while not self._exhausted and self._running < self._size and len(line) < ahead:
            if self._scope.cancelled:
                self._exhausted = True
                return
            try:
                item = next(self._items)
            except StopIteration:
                self._exhausted = True
                progress.all_planned()
                return
            task = self._make(item)
            task.item = item
            task.on_end = self._on_end
            line.append(task)
            with held:
                with self._lock:
                    self._running += 1
                task.begin_held()
            if self._tick is not None and self._running == self._size:
                self._tick()

    def _on_end(self, task: Task) -> None:
        with self._lock:
            self._running -= 1
            self._ended.append(task)
            wake = self._running <= self._wake_below
        if wake:
            self._event.set()

    def _sleep(self, line: deque[Task] | None) -> None:
        """Wait until half of the window has ended; look now and then all the same."""
        self._check_process()
        with self._lock:
            self._wake_below = 0 if self._exhausted else self._size - self._size // 4
            if self._running <= self._wake_below:
                return
            self._event.clear()
        if line is not None:
            self._ended.clear()
        if self._event.wait(_SLICE if self._exhausted or line is None else _SLICE / 4):
            return
        if self._tick is not None:
            self._tick()

    def _farewell(self) -> None:
        """On the way out with tasks under way (an error, Ctrl-C, a generator closed early): stop them all."""
        if self._running == 0 or self._scope.engine.forked:
            return
        self._scope.progress.cancel()
        until = time.monotonic() + _FAREWELL
        self._wake_below = 0
        while self._running and time.monotonic() < until:
            self._event.clear()
            if self._running:
                self._event.wait(0.05)


def run_one(task: Task, tick: Callable[[], object] | None = None) -> Any:
    """Run one task and wait for it; return its result or raise its error. Ctrl-C stops it."""
    event = threading.Event()
    task.on_end = lambda _: event.set()
    task.begin()
    task.scope.progress.all_planned()
    try:
        while not event.wait(_SLICE):
            if tick is not None:
                tick()
    except BaseException:
        task.scope.progress.cancel()
        event.wait(_FAREWELL)
        raise
    finally:
        task.scope.progress.finish()
    if task.error is not None:
        raise task.error
    return task.result
