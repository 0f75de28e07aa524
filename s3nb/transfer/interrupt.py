"""Ctrl-C, held back while the engine's books are being written.

Python raises `KeyboardInterrupt` in the main thread between any two of its steps. The main thread starts tasks, and
now and then ends one on the spot: stopped in the middle of that, a call would be counted as under way for ever, or a
temporary file stay. So the interrupt waits the microseconds until such a block is left; waiting for the network is
never inside one.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

_main = threading.main_thread().ident


def _after_fork() -> None:
    global _main
    _main = threading.get_ident()  # whichever thread forked is the main one here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Held:
    """A block that Ctrl-C does not cut in two. Nested ones, and those on other threads, cost next to nothing.

    A block of its own costs two changes of the signal's handler. Where many follow each other, ``often`` makes them once,
    and Ctrl-C between the blocks is as it was.

    >>> with held.often:
    ...     with held:
    ...         pass
    """

    def __init__(self) -> None:
        self._depth = 0  # touched on the main thread only, as is all of this
        self._armed = 0
        self._came: FrameType | bool | None = False
        self._before: Any = None
        self.often = _Often(self)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._came = frame if frame is not None else True
        else:
            self._before(number, frame)

    def arm(self) -> None:
        """Have the signal come here."""
        if not self._armed:
            before = signal.getsignal(signal.SIGINT)
            if before != self._note:  # left by an interrupt in these very lines
                self._before = before
                if callable(before):  # else the process ignores it, or dies of it: not for us to change
                    try:
                        signal.signal(signal.SIGINT, self._note)
                    except ValueError:  # not the main interpreter
                        self._before = None
        self._armed += 1

    def disarm(self) -> None:
        """Have it go where it went, unless somebody else has changed that meanwhile."""
        self._armed -= 1
        if not self._armed and callable(self._before) and signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, self._before)

    def __enter__(self) -> None:
        if threading.get_ident() != _main:
            return
        if not self._depth:
            self.arm()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() != _main:
            return
        self._depth -= 1
        if self._depth == 0:
            self.disarm()
            came, self._came = self._came, False
            if came is not False:
                self._before(signal.SIGINT, came if came is not True else None)


class _Often:
    """A stretch with many blocks in it."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def __enter__(self) -> None:
        if threading.get_ident() == _main:
            self._held.arm()

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() == _main:
            self._held.disarm()


held = Held()
