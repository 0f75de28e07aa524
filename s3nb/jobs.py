"""Work in the background: a thread that runs a call, and a handle that says how far it is and stops it.

A job prints nothing and draws nothing: whatever operations its call makes are counted, and whoever wants to show them
comes and looks.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import Any

from s3nb import styled
from s3nb.errors import ClientClosed
from s3nb.meter import Meter, View, line
from s3nb.plain import pretty
from s3nb.progress import Progress, Snapshot, watching
from s3nb.text import time_text, visible

_FAREWELL = 2.0  # seconds that the end of a session waits for jobs to stop
_ASIDE = frozenset({"list", "abort", "glob"})  # operations that only prepare others
_KEPT = 20  # finished jobs that are remembered, and with them their results


class Watch:
    """Gathers the operations that a call makes, so that somebody else can count and stop them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: weakref.WeakSet[Progress] = weakref.WeakSet()
        self._main: Progress | None = None
        self.cancelled = False

    def __call__(self, progress: Progress) -> None:
        """Take an operation that begins."""
        with self._lock:
            self._live.add(progress)
            if self._main is None or progress.verb not in _ASIDE or self._main.verb in _ASIDE:
                self._main = progress
            cancelled = self.cancelled
        if cancelled:
            progress.cancel()

    def cancel(self) -> None:
        """Stop all of it, and whatever it begins from now on."""
        with self._lock:
            self.cancelled = True
            live = list(self._live)
        for progress in live:
            progress.cancel()

    @property
    def main(self) -> Progress | None:
        """The latest operation that is no listing; None before the first."""
        with self._lock:
            return self._main

    def snapshot(self) -> Snapshot | None:
        """Return the counters of the latest operation that is no listing; None before the first."""
        main = self.main
        return None if main is None else main.snapshot()


class Job:
    """A call that runs in the background.

    Parameters
    ----------
    call : callable
        What to do; its result is the job's.
    title : str
        What it is called; any text.
    number : int
        Its number among its kind.

    Notes
    -----
    ``await job`` waits for it, in a cell too, and gives its result. Who waits may be interrupted; the job goes on.
    """

    def __init__(self, call: Callable[[], Any], title: str = "job", number: int = 1) -> None:
        self.title = title
        self.number = number
        self.partial: Any = None
        self._call: Callable[[], Any] | None = call
        self._watch = Watch()
        self._future: Future[Any] = Future()
        self._meters = threading.Lock()
        self._meter: tuple[Progress | None, Meter] = (None, Meter())
        self._began = time.monotonic()
        self._ended: float | None = None
        self._over = False
        self._thread = threading.Thread(target=self._run, name=f"s3nb-job-{number}", daemon=True)
        self._future.set_running_or_notify_cancel()
        _end_with_the_program(self)
        self._thread.start()

    def _run(self) -> None:
        call, self._call = self._call, None
        assert call is not None
        try:
            with watching(self._watch, quiet=True):
                result = call()
        except BaseException as exc:
            self.partial = partial_of(exc)
            self._ended = time.monotonic()
            self._future.set_exception(exc)
        else:
            self._ended = time.monotonic()
            self._future.set_result(result)
        self._over = True

    def after_fork(self) -> None:
        """Say in a child of the process that it does not run here: its thread is the parent's, and so may be who holds its locks."""
        if self._over:
            return
        self._watch, self._meters, self._future = Watch(), threading.Lock(), Future()
        self._future.set_exception(ClientClosed("this job runs in the process that this one was forked from"))
        self._over = True

    # -- asking ----------------------------------------------------------------------------

    @property
    def progress(self) -> Snapshot | None:
        """The counters of what it does now (or did last); None before its first operation."""
        return self._watch.snapshot()

    @property
    def state(self) -> str:
        """``"running"``, ``"stopping"``, ``"done"``, ``"failed"`` or ``"cancelled"``."""
        if not self._future.done():
            return "stopping" if self._watch.cancelled else "running"
        error = self._future.exception()
        if error is None:
            return "done"
        return "cancelled" if self._watch.cancelled and isinstance(error, CancelledError) else "failed"

    @property
    def elapsed(self) -> float:
        """Seconds that it runs, or ran."""
        return (self._ended if self._ended is not None else time.monotonic()) - self._began

    def done(self) -> bool:
        """Say whether it is over, in whatever way."""
        return self._future.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for its end, ``timeout`` seconds at most, and return the error it ended with; None if there was none."""
        return self._waited(timeout).exception()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for its end, and return its result.

        Raises
        ------
        TimeoutError
            It is not over after ``timeout`` seconds. It goes on.
        CancelledError
            It was cancelled; what was done until then is in ``partial``.
        S3Error, ...
            What the call has raised; a `BulkError` holds what is done.
        """
        return self._waited(timeout).result()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end, ``timeout`` seconds at most; return whether it is over. Raises nothing of the job's."""
        try:
            self._waited(timeout)
        except TimeoutError:
            return False
        return True

    def _waited(self, timeout: float | None) -> Future[Any]:
        until = None if timeout is None else time.monotonic() + timeout
        while not self._future.done():
            left = 0.2 if until is None else min(0.2, until - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"job {self.number} is not over after {timeout:g} s")
            # in slices: a bare wait cannot be interrupted on Windows
            self._thread.join(left)
            if not self._thread.is_alive():
                break
        return self._future

    def __await__(self) -> Generator[Any, None, Any]:
        # shielded: who waits may be stopped without stopping the job, as with result()
        return asyncio.shield(asyncio.wrap_future(self._future)).__await__()

    def add_done_callback(self, function: Callable[[Job], object]) -> None:
        """Call ``function`` with the job when it is over (now, if it is), on whatever thread it ends."""
        self._future.add_done_callback(lambda _: function(self))

    # -- stopping --------------------------------------------------------------------------

    def cancel(self) -> bool:
        """Stop it: nothing new begins, what is under way is dropped, half files and half uploads go. Returns at once.

        Returns
        -------
        bool
            False if it was over already.
        """
        if self._future.done():
            return False
        self._watch.cancel()
        return True

    def __repr__(self) -> str:
        return f"<Job {self.number} {visible(self.title, 200)}: {self.status()}>"

    def status(self) -> str:
        """Return how far it is, or how it ended, in words."""
        state, view = self.state, self.look()
        if view is not None:
            words = [state, line(view)]  # which says how long it took
        else:
            words = [state if state in ("running", "stopping") else f"{state} in {time_text(self.elapsed)}"]
        if state == "failed":
            words.append(str(self._future.exception()).partition("\n")[0])
        return "; ".join(words)

    def look(self) -> View | None:
        """Return what there is to show of its operation; None before the first."""
        now = self.progress
        if now is None:
            return None
        with self._meters:
            if self._meter[0] is not self._watch.main:  # another operation has begun
                self._meter = (self._watch.main, Meter())
            return self._meter[1].look(now)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show how far it is now, in IPython."""
        text = f"job {self.number}: {visible(self.title, 200)}\n{self.status()}"
        facts = [("job", f"{self.number}: {self.title}"), ("state", self.status())]
        return styled.bundle(text, styled.facts(facts))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        pretty(printer, self, f"job {self.number}: {visible(self.title, 200)}\n{self.status()}")


def partial_of(error: BaseException) -> Any:
    """Return what a many-operation had done when ``error`` stopped it; None if it is none."""
    seen: BaseException | None = error
    while seen is not None:  # a second interrupt may have come while the first was dealt with
        found = getattr(seen, "s3nb_partial", None)
        if found is not None:
            return found
        seen = seen.__context__
    return None


_live: weakref.WeakSet[Job] = weakref.WeakSet()  # one that runs is kept alive by its thread
_registered = False


def _end_with_the_program(job: Job) -> None:
    global _registered
    _live.add(job)
    if not _registered:
        _registered = True
        # private, but there is no other way to be there before the interpreter waits for the threads of pools, which may
        # be busy for a job
        getattr(threading, "_register_atexit", atexit.register)(lambda: _end(list(_live)))


def _after_fork() -> None:
    for job in list(_live):
        job.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _end(jobs: list[Job]) -> None:
    """Cancel jobs, and wait a moment for them to stop."""
    running = [job for job in jobs if not job.done()]
    for job in running:
        job.cancel()
    until = time.monotonic() + _FAREWELL
    for job in running:
        job.wait(max(0.0, until - time.monotonic()))


class Jobs:
    """The jobs of a session, by number."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()

    def start(self, call: Callable[[], Any], title: str) -> Job:
        """Begin a job."""
        with self._lock:
            job = Job(call, title, next(self._numbers))
            self._jobs[job.number] = job
            over = [n for n, j in self._jobs.items() if j.done()]
            for number in over[: max(0, len(over) - _KEPT)]:
                del self._jobs[number]
        return job

    def __iter__(self) -> Any:
        with self._lock:
            return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def __getitem__(self, number: int) -> Job:
        return self._jobs[number]

    def close(self) -> None:
        """Cancel all, and wait a moment for them to stop."""
        _end(list(self))
        with self._lock:
            self._jobs.clear()
