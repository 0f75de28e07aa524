"""What a worker of Dask on another machine tells meanwhile, and how it learns that it is to stop. Nothing here imports Dask.

Counts go by the cluster's events (`Worker.log_event`, `Client.subscribe_topic`), all under one topic, as the scheduler keeps the
last ones of each. That a chunk was cancelled, the worker knows itself: its task is gone, or marked so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

_TOPIC = "s3nb"
_EVERY = 0.5  # seconds between two signs of a chunk


class Line:
    """A running task's line to its client."""

    def __init__(self, worker: Any, nonce: bytes, number: int) -> None:
        self._worker = worker
        self._nonce = nonce
        self._number = number
        self._task = getattr(getattr(sys.modules.get("distributed.worker"), "thread_state", None), "key", None)
        self._next = 0.0
        self.stopped = False

    @classmethod
    def open(cls, nonce: bytes, number: int) -> Line | None:
        """Return this thread's; None if it runs no task of Dask's."""
        distributed = sys.modules.get("distributed")
        if distributed is None:
            return None
        try:
            return cls(distributed.get_worker(), nonce, number)
        except (ValueError, AttributeError):
            return None

    def write(self, counts: tuple[int, ...]) -> None:
        """Tell how far it is, and learn whether to go on; now and then."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        self._worker.log_event(_TOPIC, (self._nonce.hex(), self._number, list(counts)))
        tasks = getattr(getattr(self._worker, "state", None), "tasks", None)
        if tasks is not None and self._task is not None:
            task = tasks.get(self._task)
            self.stopped = task is None or task.state == "cancelled"


class Ear:
    """What hears the workers of one operation; where the user is."""

    def __init__(self, executor: Any, nonce: bytes) -> None:
        self.heard: dict[int, tuple[int, ...]] = {}
        self._nonce = nonce.hex()
        self._client = dask_client(executor)
        if self._client is not None:
            _listen(self._client, self._nonce, self._take)

    def _take(self, number: int, counts: list[int]) -> None:
        self.heard[number] = tuple(counts)

    def close(self) -> None:
        if self._client is not None:
            _listeners.get(self._client.id, {}).pop(self._nonce, None)


_listeners: dict[str, dict[str, Callable[[int, list[int]], None]]] = {}  # of each of Dask's clients, by operation


def _listen(client: Any, nonce: str, take: Callable[[int, list[int]], None]) -> None:
    known = client.id in _listeners
    operations = _listeners.setdefault(client.id, {})
    operations[nonce] = take

    def heard(event: tuple[float, Any]) -> None:
        nonce, number, counts = event[1]
        found = operations.get(nonce)
        if found is not None:
            found(number, counts)

    if not known:
        client.subscribe_topic(_TOPIC, heard)


def dask_client(executor: Any) -> Any:
    """Return the client of an executor of Dask's; None if it is another."""
    client = getattr(executor, "_client", None)
    return client if hasattr(client, "subscribe_topic") and hasattr(client, "nthreads") else None


def workers(executor: Any) -> dict[str, int]:
    """Return the threads of each worker, by address."""
    client = dask_client(executor)
    return {} if client is None else dict(client.nthreads())


def each_worker(executor: Any) -> dict[str, dict[str, Any]]:
    """Return what makes ``submit`` choose each worker of an executor, by address; empty if they cannot be told apart."""
    if dask_client(executor) is None or getattr(executor, "_kwargs", {}).get("workers"):
        return {}
    return {one: {"workers": [one], "allow_other_workers": False, "pure": False} for one in workers(executor)}
