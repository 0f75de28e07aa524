"""What people see of an operation: bars, lines, nothing."""

from __future__ import annotations

import io
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, bars
from s3nb.progress import Progress, Snapshot
from s3nb.testing import MemoryWire


class Moved:
    def moved(self) -> int:
        return 2048

    def expected(self) -> int | None:
        return 4096


def running(total: int | None) -> Progress:
    progress = Progress("get", total)
    progress.planned(4)
    for _ in range(3):
        progress.begin(Moved())
    for outcome in ({"done": 1}, {"failed": 1}):
        over = Moved()
        progress.begin(over)
        progress.end(over, **outcome)
    progress.retried()
    return progress


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at every look."""
    monkeypatch.setattr(bars, "_PATIENT", -1.0)
    monkeypatch.setattr(bars, "_REDRAW", 0.0)
    monkeypatch.setattr(bars, "_LINE_EVERY", -1.0)


def test_a_status_says_objects_bytes_failures_and_retries() -> None:
    told = bars.status_text(running(10).snapshot())
    assert told.startswith("2/10 objects, 10.0 KiB, ")
    assert told.endswith("1 failed, 1 retried")
    assert "2 of 4+ objects" in bars.status_text(running(None).snapshot())


def test_a_cancelled_operation_says_what_was_not_done() -> None:
    progress = running(10)
    progress.cancel()
    assert "interrupted, 8 objects not done" in bars.status_text(progress.snapshot())


def test_what_is_over_at_once_shows_no_bar() -> None:
    out = io.StringIO()
    progress = Progress("get", 1)
    bar = bars.Bar(progress, out)
    bar.tick()
    progress.finish()
    bar.close()
    assert out.getvalue() == ""


@pytest.mark.usefixtures("soon")
def test_a_bar_fits_its_terminal() -> None:
    out = io.StringIO()
    progress = running(10)
    bar = bars.Bar(progress, out)
    bar.tick()
    progress.finish()
    bar.close()
    drawn = [line for line in out.getvalue().replace("\n", "\r").split("\r") if line.strip()]
    assert drawn
    assert all(len(line) < 80 for line in drawn)
    assert drawn[0].startswith("get  20% |")
    assert "2/10 objects" in drawn[-1]


@pytest.mark.usefixtures("soon")
def test_a_terminal_that_does_not_know_its_width_gets_a_bar_all_the_same() -> None:
    reader, writer = pty.openpty()  # its width is 0
    with os.fdopen(writer, "w") as terminal:
        bar = bars.Bar(running(10), terminal)
        bar.tick()
        assert b"2/10 objects" in os.read(reader, 4096)
    os.close(reader)


@pytest.mark.usefixtures("soon")
def test_a_hostile_verb_or_brace_spoils_no_bar() -> None:
    out = io.StringIO()
    progress = Progress("get", None)
    bar = bars.Bar(progress, out)
    bar.tick()
    bar.close()
    assert "objects" in out.getvalue()


@pytest.mark.usefixtures("soon")
def test_lines_where_nobody_watches() -> None:
    out = io.StringIO()
    progress = running(10)
    lines = bars.Lines(progress, out)
    lines.tick()
    progress.finish()
    lines.close()
    told = out.getvalue().splitlines()
    assert len(told) == 2
    assert told[0].startswith("get: 2/10 objects")
    assert " in " in told[1]


def test_an_operation_that_is_over_soon_writes_no_lines() -> None:
    out = io.StringIO()
    lines = bars.Lines(running(10), out)
    lines.tick()
    lines.close()
    assert out.getvalue() == ""


@pytest.mark.parametrize(
    ("setting", "variable", "kind"),
    [
        (False, None, bars.Nothing),
        ("off", "bar", bars.Nothing),
        ("bar", "off", bars.Bar),
        ("lines", None, bars.Lines),
        (None, "off", bars.Nothing),
        (None, "lines", bars.Lines),
        (None, "bar", bars.Bar),
        (True, None, bars.Bar),
        (print, "off", bars.Callback),
    ],
)
def test_who_decides_what_is_shown(
    setting: Any, variable: str | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is None:
        monkeypatch.delenv("S3NB_PROGRESS")
    else:
        monkeypatch.setenv("S3NB_PROGRESS", variable)
    assert type(bars.display(Progress("get"), setting)) is kind


def test_a_callable_gets_snapshots_on_the_calling_thread_and_the_last_one_says_so(tmp_path: Path) -> None:
    import threading

    seen: list[tuple[Snapshot, bool]] = []
    wire = MemoryWire({"box": {f"k{n}": b"x" for n in range(100)}})
    record = lambda s: seen.append((s, threading.current_thread() is threading.main_thread()))  # noqa: E731
    with S3(tmp_path, s3root="s3://box", wire=wire, progress=record) as s3:
        s3.get_many(f"k{n}" for n in range(100))
    assert all(on_main for _, on_main in seen)
    last = seen[-1][0]
    assert (last.done, last.total, last.bytes_done, last.finished) == (100, 100, 100, True)
