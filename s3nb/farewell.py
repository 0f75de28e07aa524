"""Closing what nobody holds any more, on a thread of its own.

A finaliser runs on whatever thread the last reference goes, or the collector happens to look: perhaps inside the very lock
that closing needs. So it only leaves what is to be done here. `SimpleQueue.put` may be interrupted by itself.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import SimpleNamespace

_WAIT = 2.0  # seconds that the end of the program waits for one closing that is under way

_left: SimpleQueue[Callable[[], object]] = SimpleQueue()
_thread: threading.Thread | None = None
_lock = threading.Lock()


def ready() -> None:
    """Start the thread, if it does not run. To be called where something is made that will have to be closed."""
    global _thread
    if _thread is None:
        with _lock:
            if _thread is None:
                _thread = threading.Thread(target=_run, name="s3nb-farewell", daemon=True)
                _thread.start()


def leave(close: Callable[[], object]) -> None:
    """Have ``close`` called soon. Takes no lock, so that finalisers may call it."""
    _left.put(close)


def settled(timeout: float = 10.0) -> bool:
    """Wait until all that was left so far is closed; False if it took too long."""
    ready()
    over = threading.Event()
    leave(over.set)
    return over.wait(timeout)


def _run() -> None:
    while True:
        _close(_left.get())


def _close(close: Callable[[], object]) -> None:
    try:
        close()
    except Exception as exc:  # nobody is there to be told: as Python does with finalisers
        told = SimpleNamespace(
            exc_type=type(exc), exc_value=exc, exc_traceback=exc.__traceback__, err_msg=None, object=close
        )
        sys.unraisablehook(told)


def _last() -> None:
    """Close what is left when the program ends."""
    if _thread is not None:
        settled(_WAIT)
        return
    while True:
        try:
            close = _left.get_nowait()
        except Empty:
            return
        _close(close)


def _after_fork() -> None:
    global _left, _thread, _lock
    # what was left is the parent's to close, and the locks may be held by threads that are not here
    _left, _thread, _lock = SimpleQueue(), None, threading.Lock()


atexit.register(_last)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
