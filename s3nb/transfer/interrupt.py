"""Ctrl-C, held back while the engine's books are being written.

Python raises `KeyboardInterrupt` in the main thread between any two of its steps. The main thread starts tasks, and
now and then ends one on the spot: stopped in the middle of that, a call would be counted as under way for ever, or a
temporary file stay. So the interrupt waits the microseconds until such a block is left; waiting for the network is
never inside one.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Held:
    """A block that Ctrl-C does not cut in two. Nested ones, and those on other threads, cost next to nothing.

    >>> with held:
    ...     pass
    """

    def __init__(self) -> None:
        self._depth = 0  # touched on the main thread only, as is all of this
        self._came: FrameType | bool | None = False
        self._before: Any = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = frame if frame is not None else True

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._depth += 1
        if self._depth == 1:
            self._came = False
            self._before = signal.getsignal(signal.SIGINT)
            if callable(self._before):  # else the process ignores it, or dies of it: not for us to change
                try:
                    signal.signal(signal.SIGINT, self._note)
                except ValueError:  # not the main interpreter
                    self._before = None

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        self._depth -= 1
        if self._depth == 0 and callable(self._before):
            before, self._before = self._before, None
            signal.signal(signal.SIGINT, before)
            came, self._came = self._came, False
            if came is not False:
                before(signal.SIGINT, came if came is not True else None)


held = Held()
