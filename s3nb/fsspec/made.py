"""Directories that were made here and hold nothing yet. S3 has no such thing; who has made one expects to find it."""

from __future__ import annotations

import threading
from collections import OrderedDict

_MOST = 10_000  # names; beyond them the oldest are forgotten


class Made:
    """The names of directories that `mkdir` was called for, and of those they are in, without a slash at the end. Thread-safe."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Note a directory, and all that it is in but the bucket."""
        with self._lock:
            while "/" in name:
                self._names[name] = None
                self._names.move_to_end(name)
                name = name.rpartition("/")[0]
            while len(self._names) > _MOST:
                self._names.popitem(last=False)

    def forget(self, name: str) -> bool:
        """Forget a directory, and those in it; say whether it was there."""
        if not self._names:
            return False
        with self._lock:
            was = name in self._names
            for other in [n for n in self._names if n == name or n.startswith(name + "/")]:
                del self._names[other]
            return was

    def inside(self, name: str) -> bool:
        """Say whether a directory in this one was made."""
        with self._lock:
            return any(other.startswith(name + "/") for other in self._names)
