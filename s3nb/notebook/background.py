"""Jobs in a notebook: drawn where they were shown, until they are over; with a button that stops them.

What is drawn is HTML that is replaced by ``display_id``; the last of it is static, and is what a saved notebook has. Only the
button is a widget: it works whenever the kernel is idle, which it is while a job runs, and it goes with its job.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from s3nb import live, styled
from s3nb.jobs import Job
from s3nb.text import visible

_REDRAW = 0.25  # seconds


def data_of(job: Job) -> dict[str, str]:
    """Return how far a job is, as text and as HTML."""
    title = f"job {job.number}: {visible(job.title, 120)}"
    view = job.look()
    error = job.exception() if job.state == "failed" else None
    lines = [title, job.status()]
    says = f"{title} · {job.state}"
    if error is not None:
        says += f" · {visible(str(error).partition(chr(10))[0], 300)}"
    return styled.bundle("\n".join(lines), styled.progress([view] if view is not None else [], says))


class Watched:
    """One place in a notebook where a job is shown."""

    def __init__(self, shell: InteractiveShell, job: Job) -> None:
        self._shell = shell
        self.job = job
        self._id = f"s3nb-{os.urandom(8).hex()}"
        self._button: Any = None
        self._publish(self._id, data_of(job))
        if not job.done() and live.watched(shell) and importlib.util.find_spec("ipywidgets") is not None:
            self._show_button()

    def _publish(self, where: str, data: dict[str, Any], update: bool = False) -> None:
        self._shell.display_pub.publish(data, transient={"display_id": where}, update=update)

    def _show_button(self) -> None:
        from ipywidgets import Button  # type: ignore[import-untyped]

        self._button = Button(description="Cancel", tooltip=f"Stop job {self.job.number}", icon="stop")
        self._button.on_click(self._clicked)
        shown = self._button._repr_mimebundle_()
        data = shown[0] if isinstance(shown, tuple) else shown
        self._publish(f"{self._id}-button", {**data, "text/plain": "(a button that stops it)"})

    def _clicked(self, button: Any) -> None:
        button.disabled = True
        button.description = "Stopping"
        self.job.cancel()

    def draw(self) -> bool:
        """Show how far it is; return whether it is over."""
        over = self.job.done()
        self._publish(self._id, data_of(self.job), update=True)
        if over:
            self._no_button()
        return over

    def _no_button(self) -> None:
        button, self._button = self._button, None
        if button is not None:
            # what is saved must not ask for a widget that is gone
            self._publish(f"{self._id}-button", {"text/plain": "", "text/html": ""}, update=True)
            button.close()


class Screen:
    """All places where jobs are shown, and the thread that draws them while one of them runs. Thread-safe."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._shown: list[Watched] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._closed = False

    def show(self, job: Job) -> None:
        """Show a job in the output of the cell that runs."""
        watched = Watched(self._shell, job)
        if job.done():
            return
        with self._lock:
            self._shown.append(watched)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._draw, name="s3nb-jobs", daemon=True)
                self._thread.start()
        job.add_done_callback(lambda _: self._wake.set())

    def _draw(self) -> None:
        while True:
            self._wake.wait(_REDRAW)
            self._wake.clear()
            with self._lock:
                shown = list(self._shown)
            over = [w for w in shown if w.draw()]
            with self._lock:
                self._shown = [w for w in self._shown if w not in over]
                if not self._shown or self._closed:
                    self._thread = None
                    return

    def close(self) -> None:
        """Draw what is shown for the last time. The jobs are to be over."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._wake.set()
        if thread is not None:
            with contextlib.suppress(RuntimeError):  # it is ourselves
                thread.join(2.0)
