"""Progress in a notebook: HTML that is replaced in place, by ``display_id``; no widget.

What is drawn last stays, and is what the saved notebook shows, with text beside it for whoever shows no HTML. All
operations of a cell share one output: a loop of a hundred transfers is no hundred bars.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from s3nb import styled
from s3nb.meter import View, count_text, line

_KEPT = 5  # finished operations of a cell that are shown one by one


def notebook() -> Any | None:
    """Return IPython's shell if it runs in a kernel; None everywhere else. Imports nothing."""
    ipython = sys.modules.get("IPython")
    get = getattr(ipython, "get_ipython", None)
    shell = get() if get is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def watched(shell: Any) -> bool:
    """Say whether somebody looks at the kernel's output now: a front end that could answer a question.

    nbclient, nbconvert and papermill say that they cannot.
    """
    return bool(getattr(shell.kernel, "_allow_stdin", False))


class Board:
    """The operations of one cell, drawn as one output. Thread-safe.

    Parameters
    ----------
    shell : InteractiveShell
        Its ``display_pub`` takes what is drawn.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._id = f"s3nb-{os.urandom(8).hex()}"
        self._shown = False
        self._running: dict[object, View] = {}
        self._over: list[View] = []
        self._before = 0  # finished operations that are counted only
        self._failed_before = 0

    def draw(self, operation: object, view: View, *, last: bool = False) -> None:
        """Show how far an operation is; the last time, for good."""
        with self._lock:
            if last:
                self._running.pop(operation, None)
                self._over.append(view)
                if len(self._over) > _KEPT:
                    oldest = self._over.pop(0)
                    self._before += 1
                    self._failed_before += oldest.state != "done"
            else:
                self._running[operation] = view
            before = count_text(self._before, self._failed_before) if self._before else ""
            views = [*self._over, *self._running.values()]
            data = {
                "text/html": styled.progress(views, before),
                "text/plain": "\n".join([*([before] if before else []), *(line(v) for v in views)]),
            }
            self._publish(data, last)

    def _publish(self, data: dict[str, str], last: bool) -> None:
        publisher = self._shell.display_pub
        if type(publisher).__name__ == "CapturingDisplayPublisher":
            if last:  # %%capture keeps every message: it gets one
                publisher.publish(data)
            return
        publisher.publish(data, transient={"display_id": self._id}, update=self._shown)
        self._shown = True


_boards: dict[str, Board] = {}  # the one of the cell that runs, by the message that started it
_boards_lock = threading.Lock()


def board(shell: Any) -> Board:
    """Return the board of the cell that runs now."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = str(parent.get("header", {}).get("msg_id", "")) or str(shell.execution_count)
    with _boards_lock:
        found = _boards.get(cell)
        if found is None:
            _boards.clear()
            found = _boards[cell] = Board(shell)
        return found
