"""Local work that may block: read, hash, flush, rename. The wire's threads hand it over, and go on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_WAITING = 16  # chores a thread, beyond which another helps
_MOMENT = 0.001  # seconds until it looks for more


class Chores:
    """Threads for that; they start when there is something to do.

    Parameters
    ----------
    most : int
        Threads, at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._steps: deque[Callable[[], None]] = deque()
        self._helpers = 0  # threads that do them

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads."""
        pool = self._pool
        if pool is None:
            with self._lock:
                pool = self._pool
                if pool is None:
                    pool = self._pool = ThreadPoolExecutor(self._most, "s3nb-work")
        return pool

    def work(self, step: Callable[..., object], *arguments: Any) -> None:
        """Have a step done by one of the threads; at the end of the program, when they take no more, here."""
        try:
            self.pool.submit(step, *arguments)
        except RuntimeError as exc:
            if "cannot schedule" not in str(exc):
                raise
            step(*arguments)

    def add(self, step: Callable[[], None]) -> None:
        """Have a step done that is over soon as a rule, and raises nothing.

        What comes fast shares a thread, which looks for more after a moment (as drivers of network cards do), so that not each
        step has to wake one; when steps have to wait, others help.
        """
        steps = self._steps
        steps.append(step)
        helpers = self._helpers
        if not helpers or (len(steps) > _WAITING * helpers and helpers < self._most):
            with self._lock:
                self._helpers += 1
            self.work(self._do)

    def _do(self) -> None:
        steps = self._steps
        while True:
            while steps:
                try:
                    step = steps.popleft()
                except IndexError:  # another helper has it
                    break
                step()
            time.sleep(_MOMENT)
            if steps:
                continue
            with self._lock:
                self._helpers -= 1
            if not steps:  # whoever appends from now on sees that we are gone
                return
            with self._lock:
                self._helpers += 1

    def close(self) -> None:
        """Take no more; what was begun is done."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
