"""Progress for people: a tqdm bar in a terminal, sparse lines where nobody watches, nothing if not wanted.

Drawing happens on the thread that waits for the operation, at most ten times a second; the wire never draws.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from s3nb.progress import Progress, Snapshot
from s3nb.text import plural, size_text, time_text

_REDRAW = 0.1  # seconds between drawings of a bar
_PATIENT = 0.4  # what is over sooner shows no bar
_LINE_EVERY = 10.0  # seconds between lines
_COLUMNS = 80
_BAR_WIDE, _BAR_NARROW = 24, 8  # characters


class Display(Protocol):
    """Shows one operation."""

    def tick(self) -> None:
        """Have a look, and draw if it is time. Called about every 0.1 s."""
        ...

    def close(self) -> None:
        """Draw the end."""
        ...


class Nothing:
    """Shows nothing."""

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Callback:
    """Hands snapshots to a function of the user's."""

    def __init__(self, progress: Progress, function: Callable[[Snapshot], object]) -> None:
        self._progress = progress
        self._function = function
        self._next = 0.0

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REDRAW
            self._function(self._progress.snapshot())

    def close(self) -> None:
        self._function(self._progress.snapshot())


class Bar:
    """A tqdm bar on standard error: objects and bytes at once."""

    def __init__(self, progress: Progress, stream: TextIO | None = None) -> None:
        self._progress = progress
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._next = time.monotonic() + _PATIENT

    def tick(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _REDRAW
        self._draw(self._progress.snapshot())

    def _draw(self, now: Snapshot) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                file=self._stream, total=now.total, mininterval=0, miniters=0, delay=1
            )  # no bar before ours
            self._bar.delay = 0
        width = columns(self._stream)
        bar = self._bar
        bar.ncols = width - 1  # a full line would wrap in some terminals
        text = status_text(now).replace("{", "{{").replace("}", "}}")
        if now.total is None:
            bar.total = None
            bar.bar_format = f"{now.verb} {text}"
        else:
            bar.total = now.total
            bar.bar_format = (
                f"{now.verb} {{percentage:3.0f}}% |{{bar:{_BAR_WIDE if width >= 100 else _BAR_NARROW}}}| {text}"
            )
        bar.n = now.done + now.failed + now.skipped
        bar.refresh()

    def close(self) -> None:
        now = self._progress.snapshot()
        if self._bar is None and (now.failed == 0 and not now.cancelled) and now.elapsed < _PATIENT:
            return
        self._draw(now)
        self._bar.close()


def columns(stream: TextIO) -> int:
    """Return the width of what ``stream`` writes to, in characters; 80 for what has none, or says 0."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError, AttributeError):
        return _COLUMNS


class Lines:
    """A line now and then, and one at the end of what took long: for logs."""

    def __init__(self, progress: Progress, stream: TextIO | None = None) -> None:
        self._progress = progress
        self._stream = stream or sys.stderr
        self._next = time.monotonic() + _LINE_EVERY
        self._said = False

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY
            self._say()

    def _say(self) -> None:
        self._said = True
        now = self._progress.snapshot()
        print(f"{now.verb}: {status_text(now)}", file=self._stream, flush=True)

    def close(self) -> None:
        if self._said:
            self._say()


def status_text(now: Snapshot) -> str:
    """Return a snapshot in words: ``"310/400 objects, 1.2 GiB, 96.0 MiB/s, 4.1 s left, 2 failed"``."""
    over = now.done + now.failed + now.skipped
    if now.total is not None:
        words = [f"{over:,}/{now.total:,} object" + ("" if now.total == 1 else "s")]
    else:
        words = [f"{over:,} of {now.so_far:,}+ objects"]
    if now.bytes_done:
        of = f"/{size_text(now.bytes_total)}" if now.bytes_total and not now.finished else ""
        words.append(size_text(now.bytes_done) + of)
        if now.elapsed > 0:
            words.append(f"{size_text(now.bytes_done / now.elapsed)}/s")
    if now.finished:
        words.append(f"in {time_text(now.elapsed)}")
    else:
        left = _left(now, over)
        if left is not None:
            words.append(f"{time_text(left)} left")
    for count, word in ((now.failed, "failed"), (now.skipped, "skipped"), (now.retried, "retried")):
        if count:
            words.append(f"{count:,} {word}")
    if now.cancelled:
        words.append(f"interrupted, {plural(max((now.total or now.so_far) - over, 0), 'object')} not done")
    return ", ".join(words)


def _left(now: Snapshot, over: int) -> float | None:
    """Return the seconds that remain: by bytes where all sizes are known, else by objects."""
    if now.elapsed < 1:
        return None
    if now.bytes_total and now.bytes_done:
        return now.elapsed * (now.bytes_total - now.bytes_done) / now.bytes_done
    if now.total and over:
        return now.elapsed * (now.total - over) / over
    return None


Factory = Callable[[Progress], Display]
_factory: Factory | None = None


def use(factory: Factory | None) -> None:
    """Set what shows progress by default (a notebook does); None for the terminal's ways."""
    global _factory
    _factory = factory


def display(progress: Progress, setting: Any = None) -> Display:
    """Return what shows ``progress``.

    Parameters
    ----------
    setting : bool, str, callable or None
        False or ``"off"``: nothing. ``"bar"``, ``"lines"``: that. True: a bar at least. A callable gets
        snapshots. None: ``S3NB_PROGRESS`` (``off``, ``bar``, ``lines``) if set, else a bar in a terminal, else lines.
    """
    if callable(setting):
        return Callback(progress, setting)
    if setting is None or setting is True:
        asked = os.environ.get("S3NB_PROGRESS", "").lower()
        setting = asked or setting
    if setting is False or setting in ("off", "0", "no", "false"):
        return Nothing()
    if setting == "lines":
        return Lines(progress)
    if setting == "bar":
        return Bar(progress)
    if _factory is not None:
        return _factory(progress)
    if setting is True or sys.stderr.isatty():
        return Bar(progress)
    return Lines(progress)
