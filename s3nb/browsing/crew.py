"""The threads of a browser: daemons, so that the end of the interpreter waits for none; known, so that `close` does."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Crew:
    """Threads that do one thing each.

    Parameters
    ----------
    name : str
        What they are called.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self, work: Callable[[], object]) -> threading.Thread:
        """Do something on a thread of its own."""

        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        with self._lock:
            self._threads.add(thread)
            thread.start()  # nobody can wait for one that has not begun
        return thread

    def wait(self) -> None:
        """Wait until none runs, those that begin meanwhile included."""
        while others := self._others():
            for thread in others:
                thread.join()

    def join(self, seconds: float) -> None:
        """Wait for those that run now, so long for each at most."""
        for thread in self._others():
            thread.join(seconds)

    def _others(self) -> list[threading.Thread]:
        with self._lock:
            return [thread for thread in self._threads if thread is not threading.current_thread()]
