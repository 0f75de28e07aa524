"""How much memory all open files of this process may hold together. A limit per file alone adds up without one."""

from __future__ import annotations

import os
import threading
from collections import deque

from s3nb.ranges import MIB

_MOST = 256 * MIB
_SHARE = 8


class Budget:
    """A number of bytes that many share. Thread-safe.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._held = 0
        self._given: deque[int] = (
            deque()
        )  # back, and not yet counted: a finaliser may give at any moment, and must not wait
        self.peak = 0

    @property
    def held(self) -> int:
        """Bytes that are taken."""
        while True:
            try:
                return self._held - sum(self._given)
            except RuntimeError:  # a finaliser has given while they were counted
                continue

    @property
    def tight(self) -> bool:
        """Whether more than three quarters are taken."""
        return self.held > self.limit - self.limit // 4

    def take(self, size: int, *, forced: bool = False) -> bool:
        """Take ``size`` bytes; False if there is no room. What is ``forced`` is always given: somebody waits for it."""
        with self._lock:
            while self._given:
                self._held -= self._given.popleft()
            if not forced and self._held + size > self.limit:
                return False
            self._held += size
            self.peak = max(self.peak, self._held)
            return True

    def give(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self._given.append(size)

    def after_fork(self) -> None:
        """Take a new lock; the old one may be held by a thread that is not here."""
        self._lock = threading.Lock()


def _memory() -> int:
    """Return the bytes of memory that this process may use: the machine's, or the control group's."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        pass
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path) as file:
                text = file.read().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found, default=8 * _MOST)


def _limit() -> int:
    asked = os.environ.get("S3NB_FILE_MEMORY", "")
    return int(asked) if asked.isdigit() and int(asked) else min(_MOST, _memory() // _SHARE)


MEMORY = Budget(_limit())

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MEMORY.after_fork)
