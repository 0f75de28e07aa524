"""Progress for people: HTML in a notebook, a tqdm bar in a terminal, sparse lines where nobody watches, or nothing.

All four draw the same `View`. Drawing happens on the thread that waits for the operation, at most eight times a second; the
wire never draws.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from s3nb import live
from s3nb.meter import Meter, View, line
from s3nb.progress import Progress, Snapshot, drawn_elsewhere
from s3nb.text import visible

_REDRAW = 0.125  # seconds between drawings
_PATIENT = 0.4  # what is over sooner shows no bar
_LINE_EVERY = 10.0  # seconds between lines
_WORTH_A_LINE = 2.0  # what takes longer has a line at its end
_COLUMNS = 80
_BAR_WIDE, _BAR_NARROW = 24, 8  # characters

KINDS = ("html", "bar", "lines", "off")


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


class _Drawn:
    """What is drawn in one place again and again: at first after a while, for the last time always."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._meter = Meter()
        self._begun = False
        self._next = time.monotonic() + _PATIENT

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REDRAW
            self._begun = True
            self._draw(self._meter.look(self._progress.snapshot()), False)

    def close(self) -> None:
        now = self._progress.snapshot()
        if self._begun or now.cancelled or now.elapsed >= _PATIENT:
            self._draw(self._meter.look(now), True)

    def _draw(self, view: View, last: bool) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it draws")


class Cell(_Drawn):
    """HTML in the output of a notebook's cell."""

    def __init__(self, progress: Progress, shell: Any) -> None:
        super().__init__(progress)
        self._shell = shell
        self._board: live.Board | None = None

    def _draw(self, view: View, last: bool) -> None:
        if self._board is None:
            self._board = live.board(self._shell)
        self._board.draw(self, view, last=last)


class Bar(_Drawn):
    """A tqdm bar on standard error."""

    def __init__(self, progress: Progress, stream: TextIO | None = None) -> None:
        super().__init__(progress)
        self._stream = stream or sys.stderr
        self._bar: Any = None

    def _draw(self, view: View, last: bool) -> None:
        if self._bar is None:
            from tqdm import tqdm

            # delay: no bar before ours
            self._bar = tqdm(file=self._stream, total=1.0, mininterval=0, miniters=0, delay=1)
            self._bar.delay = 0
        bar = self._bar
        width = columns(self._stream)
        bar.ncols = width - 1  # a full line would wrap in some terminals
        title = visible(view.title, max(width * 3 // 8, 12))
        size = _BAR_WIDE if width >= 100 else _BAR_NARROW if width >= 60 else 0  # then words say more
        room = width - 1 - len(title) - (2 if view.share is None else size + 9 if size else 7)
        words = _safe(view.words(room))
        if view.share is None:
            bar.bar_format = f"{_safe(title)}  {words}"
        elif not size:
            bar.bar_format = f"{_safe(title)} {view.percent:>4}  {words}"
        else:
            bar.bar_format = f"{_safe(title)} {view.percent:>4} |{{bar:{size}}}| {words}"
            bar.n = view.share
        if view.state in ("failed", "interrupted") and self._stream.isatty() and not os.environ.get("NO_COLOR"):
            bar.colour = "red"
        bar.refresh()
        if last:
            bar.close()


def _safe(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


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
        self._meter = Meter()
        # what runs in a kernel has no other place for what it says; elsewhere standard output is for data
        self._stream = stream or (sys.stderr if live.notebook() is None else sys.stdout)
        self._next = time.monotonic() + _LINE_EVERY
        self._said = False

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY
            self._say(self._progress.snapshot())

    def _say(self, now: Snapshot) -> None:
        self._said = True
        view = self._meter.look(now)
        text = line(view)
        if view.slow:
            slowest = view.slow[0]
            text += f"; slowest: {slowest.name}, {slowest.moved} after {slowest.clock}"
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        now = self._progress.snapshot()
        worth = _LINE_EVERY if now.total == 1 else _WORTH_A_LINE  # one object is one of a loop, as like as not
        if self._said or now.cancelled or now.elapsed >= worth:
            self._say(now)


_default: str | None = None


def use(kind: str | None) -> None:
    """Set what shows progress where neither the call nor ``S3NB_PROGRESS`` says it: one of `KINDS`, or None to choose.

    Raises
    ------
    ValueError
        Not one of them.
    """
    global _default
    _default = _checked(kind, "progress")


def chosen() -> str | None:
    """Return what `use` has set."""
    return _default


def _checked(kind: str | None, where: str) -> str | None:
    if kind in (None, "", "auto"):
        return None
    if kind.lower() in ("0", "no", "false"):
        return "off"
    if kind.lower() not in KINDS:
        raise ValueError(f"{where} must be one of {', '.join(KINDS)}, auto, not {kind!r}")
    return kind.lower()


def display(progress: Progress, setting: Any = None) -> Display:
    """Return what shows ``progress``.

    Parameters
    ----------
    setting : bool, str, callable or None
        False or ``"off"``: nothing. ``"html"``, ``"bar"``, ``"lines"``: that. A callable gets snapshots. None or True:
        what ``S3NB_PROGRESS`` says (one of these words), else what was set by `use`; else a bar in a terminal (True:
        always), HTML in a notebook that somebody watches, and lines elsewhere.

    Raises
    ------
    ValueError
        A word that is none of these.
    """
    if callable(setting):
        return Callback(progress, setting)
    if drawn_elsewhere():
        return Nothing()
    if setting is False:
        return Nothing()
    kind = _checked(setting, "progress") if isinstance(setting, str) else None
    kind = kind or _checked(os.environ.get("S3NB_PROGRESS"), "S3NB_PROGRESS") or _default
    shell = live.notebook()
    if kind is None:
        if shell is not None:
            kind = "html" if live.watched(shell) else "lines"
        else:
            kind = "bar" if setting is True or sys.stderr.isatty() else "lines"
    if kind == "html" and shell is not None:
        return Cell(progress, shell)
    if kind == "bar":
        return Bar(progress)
    return Nothing() if kind == "off" else Lines(progress)
