"""The client's own processes, and who is asked to do the work."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import current_process, get_context, parent_process
from typing import Any

from s3nb.errors import S3Error
from s3nb.spread import signals, worker

_ALONE = 0  # the pool of one process for chunks that may kill it
_GUESS = 8  # workers of an executor that does not tell


class _Pool(ProcessPoolExecutor):
    """Processes that leave Ctrl-C to the one that the user is in, from their first instruction on."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with _deaf():  # a new process inherits that
            return super().submit(fn, *args, **kwargs)


@contextmanager
def _deaf() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Run first in a new process: it does not hear Ctrl-C, and goes when the one that made it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a notebook's kernel that ends first kills what is in its group: and who would tidy up?
    threading.Thread(target=_end_with_parent, name="s3nb-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the process that made this one: killed, it could neither stop us nor remove its files."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        for home in worker.homes:
            shutil.rmtree(home, ignore_errors=True)
        os._exit(1)


class Pools:
    """A client's own process pools, made when first asked for; kept, as a process takes half a second to start."""

    def __init__(self) -> None:
        self._pools: dict[int, _Pool] = {}
        self._made: weakref.WeakKeyDictionary[Executor, int] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, count: int) -> ProcessPoolExecutor:
        """Return the pool of so many processes."""
        with self._lock:
            return self._get(count)

    def alone(self) -> ProcessPoolExecutor:
        """Return a pool of one process, for chunks that may kill it."""
        return self.get(_ALONE)

    def _get(self, count: int) -> _Pool:
        pool = self._pools.get(count)
        if pool is None:
            pool = self._pools[count] = _Pool(max(count, 1), get_context("spawn"), _begin)
            self._made[pool] = count
        return pool

    def has(self, executor: Executor) -> bool:
        """Say whether it is one of these."""
        return executor in self._made

    def renew(self, broken: Executor) -> Executor | None:
        """Return another pool in place of a broken one, which others may have replaced already; None if it is not ours."""
        with self._lock:
            count = self._made.get(broken)
            if count is None:
                return None
            if self._pools.get(count) is broken:
                broken.shutdown(wait=False, cancel_futures=True)
                del self._pools[count]
            return self._get(count)

    def kill(self, executor: Executor) -> None:
        """End the processes of one of these pools whatever they do: what they were asked to stop, they did not."""
        with self._lock:
            count = self._made.get(executor)
            if count is None:
                return
            if self._pools.get(count) is executor:
                del self._pools[count]
        processes = list((getattr(executor, "_processes", None) or {}).values())  # as 3.14's kill_workers
        executor.shutdown(wait=False)
        for process in processes:
            process.kill()

    def close(self) -> None:
        """Let the processes go. May be called twice."""
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def executor_of(pools: Pools, processes: int | bool | None, executor: Executor | None) -> Executor | None:
    """Return what is to run the chunks; None: this process.

    Raises
    ------
    TypeError, ValueError
        Both were given, or something that is neither.
    S3Error
        This is a process that was made for ``processes=``, and runs the program once more.
    """
    if executor is not None:
        if processes is not None:
            raise ValueError("processes= and executor= both say who does the work: give one of them")
        if not callable(getattr(executor, "submit", None)) or not callable(getattr(executor, "shutdown", None)):
            hint = ": give client.get_executor()" if type(executor).__name__ == "Client" else ""
            raise TypeError(f"executor= must be a concurrent.futures.Executor, not {type(executor).__name__}{hint}")
        return executor
    if processes is None or processes is False:
        return None
    count = (os.cpu_count() or 1) if processes is True else processes
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"processes must be a number from 1 on, or True for one a core; not {processes!r}")
    if getattr(current_process(), "_inheriting", False):  # it imports the program
        raise S3Error(f"processes= was met again while a new process imports the program: {GUARD}")
    return pools.get(count)


GUARD = "put what the program does under \"if __name__ == '__main__':\", as each process imports it"


def no_start() -> str:
    """Say why processes do not start, as far as one can see that from here."""
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    if program is not None and not os.path.isfile(program):
        return f"the worker processes do not start: each imports the program, and {os.path.basename(program)} is no file: put it into one"
    return f"the worker processes do not start. If the program has no such line yet: {GUARD}"


def workers_of(executor: Executor) -> int:
    """Return the number of workers that an executor has; a guess for kinds that do not tell."""
    for name in ("_max_workers", "num_workers"):  # the standard library's, loky's; those of mpi4py
        count = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    threads = signals.workers(executor)
    return sum(threads.values()) or _GUESS
