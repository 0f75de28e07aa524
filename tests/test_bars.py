"""What people see of an operation: HTML, bars, lines, nothing."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios
import types
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, bars, live
from s3nb.meter import Meter, line
from s3nb.progress import Flight, Progress, Snapshot
from s3nb.testing import MemoryWire


class Moved:
    def moved(self) -> int:
        return 2048

    def expected(self) -> int | None:
        return 4096


class Named(Moved):
    def label(self) -> str:
        return "s3://box/in/large.bin"


def running(total: int | None, under_way: int = 3) -> Progress:
    progress = Progress("get", total)
    progress.planned(4)
    for _ in range(under_way):
        progress.begin(Moved())
    for outcome in ({"done": 1}, {"failed": 1}):
        over = Moved()
        progress.begin(over)
        progress.end(over, **outcome)
    progress.retried()
    return progress


def snapshot(**changes: Any) -> Snapshot:
    values = {
        "verb": "get", "done": 0, "failed": 0, "skipped": 0, "retried": 0, "total": 400, "so_far": 400, "bytes_done": 0,
        "bytes_total": None, "elapsed": 1.0, "finished": False, "cancelled": False,
    }  # fmt: skip
    return Snapshot(**values | changes)


# -- what there is to say ---------------------------------------------------------------------


def test_objects_bytes_rate_and_what_did_not_go_straight_are_said_at_once() -> None:
    view = Meter().look(
        snapshot(done=310, failed=2, skipped=3, retried=4, bytes_done=1200 << 20, bytes_total=1600 << 20, elapsed=10.0)
    )
    assert (view.objects, view.size, view.rate) == ("315/400 objects", "1.2/1.6 GiB", "120.0 MiB/s")
    assert [note.text for note in view.notes] == ["2 failed", "3 skipped", "4 retried"]
    assert (view.percent, view.clock) == ("75%", "3.3 s left")


def test_a_total_that_is_not_known_yet_says_what_has_come() -> None:
    assert Meter().look(snapshot(total=None, so_far=0)).objects == "0 objects"
    view = Meter().look(snapshot(done=310, total=None, so_far=12345, elapsed=20.0))
    assert (view.objects, view.share, view.percent, view.clock) == ("310 of 12,345+ objects", None, "", "20 s")


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = Meter()
    meter.look(snapshot(bytes_done=1000 << 20, elapsed=10.0))
    for n in range(20):
        view = meter.look(snapshot(bytes_done=(1000 << 20) + (n + 1) * (1 << 20), elapsed=11.0 + n))
    assert view.rate in ("1.0 MiB/s", "1.1 MiB/s")
    end = meter.look(snapshot(done=400, bytes_done=1020 << 20, elapsed=30.0, finished=True))
    assert (end.rate, end.clock) == ("34.0 MiB/s", "in 30 s")  # of all of it


def test_the_first_sample_is_taken_for_what_it_is() -> None:
    assert Meter().look(snapshot(bytes_done=50 << 20, elapsed=0.5)).rate == "100.0 MiB/s"


def test_a_share_never_goes_back_and_is_whole_only_at_the_end() -> None:
    meter = Meter()
    shares = [
        meter.look(s).share
        for s in (
            snapshot(done=300),
            snapshot(done=390, bytes_done=10, bytes_total=100),
            snapshot(done=399, bytes_done=99, bytes_total=100),
        )
    ]
    assert shares == [0.75, 0.75, 0.99]
    assert Meter().look(snapshot(done=400)).percent == "99%"
    assert meter.look(snapshot(done=400, finished=True)).percent == "100%"


def test_an_interrupted_operation_says_what_was_done_and_what_not() -> None:
    view = Meter().look(snapshot(done=311, failed=2, cancelled=True, finished=True))
    assert view.state == "interrupted"
    assert [note.text for note in view.notes] == ["interrupted: 311 done, 2 failed, 87 not done"]
    assert view.percent == "78%"


def test_one_object_is_named_and_not_counted() -> None:
    meter = Meter()
    flight = (Flight("s3://box/in/large.bin", 512 << 20, 1 << 30, 4.0),)
    view = meter.look(snapshot(total=1, so_far=1, bytes_done=512 << 20, bytes_total=1 << 30, slowest=flight))
    assert (view.title, view.objects, view.size, view.slow) == ("get in/large.bin", "", "512.0 MiB/1.0 GiB", ())
    end = meter.look(snapshot(total=1, so_far=1, done=1, bytes_done=1 << 30, elapsed=2.0, finished=True))
    assert line(end) == "get in/large.bin: 1.0 GiB, 512.0 MiB/s, in 2.0 s"


def test_what_is_under_way_for_long_is_named_the_oldest_first() -> None:
    flights = tuple(Flight(f"s3://box/k{n}", n << 20, (10 << 20) if n else None, 12.0 - 5 * n) for n in range(3))
    slow = Meter().look(snapshot(slowest=flights)).slow
    assert [(s.name, s.moved, s.clock) for s in slow] == [("k0", "0 B", "12 s"), ("k1", "10% of 10.0 MiB", "7.0 s")]


def test_a_snapshot_names_the_three_that_began_first() -> None:
    progress = running(10, under_way=0)
    for _ in range(5):
        progress.begin(Named())
    assert [(f.name, f.moved, f.expected) for f in progress.snapshot().slowest] == [
        ("s3://box/in/large.bin", 2048, 4096)
    ] * 3


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_where_there_is_no_room_the_least_important_goes_first(width: int) -> None:
    view = Meter().look(
        snapshot(done=310, failed=2, skipped=3, retried=4, bytes_done=1200 << 20, bytes_total=1600 << 20, elapsed=10.0)
    )
    words = view.words(width)
    assert "315/400 objects" in words
    assert "2 failed" in words
    assert len(words) <= max(width, len("315/400 objects, 2 failed"))
    assert ("retried" in words) == (width == 100)


def test_a_hostile_verb_or_name_is_made_visible() -> None:
    flight = (Flight("s3://box/\x1b[2J\u202e", 0, None, 5.0),)
    view = Meter().look(snapshot(verb="get\x1b[31m", slowest=flight))
    assert line(view).isprintable()
    assert view.slow[0].name == r"\x1b[2J\u202e"


# -- terminal and lines ------------------------------------------------------------------------


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw at every look."""
    monkeypatch.setattr(bars, "_PATIENT", -1.0)
    monkeypatch.setattr(bars, "_REDRAW", 0.0)
    monkeypatch.setattr(bars, "_LINE_EVERY", -1.0)


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
    assert "1 failed" in drawn[-1]


@pytest.mark.usefixtures("soon")
def test_an_interruption_and_a_long_name_fit_as_well() -> None:
    out = io.StringIO()
    progress = Progress("get", 1)
    progress.planned()
    progress.begin(Named())
    progress._under_way = {type("Long", (Named,), {"label": lambda _: "s3://box/" + "deep/" * 40})(): 0.0}
    bars.Bar(progress, out).tick()
    stopped = running(10)
    stopped.cancel()
    bars.Bar(stopped, out).tick()
    drawn = [line for line in out.getvalue().replace("\n", "\r").split("\r") if line.strip()]
    assert all(len(line) < 80 for line in drawn)
    assert any("2.0/4.0 KiB" in line for line in drawn)
    assert any(line.rstrip().endswith("interrupted: 1 done, 1 failed, 8 not done") for line in drawn)


@pytest.mark.usefixtures("soon")
def test_a_terminal_that_does_not_know_its_width_gets_a_bar_all_the_same() -> None:
    reader, writer = pty.openpty()  # its width is 0
    with os.fdopen(writer, "w") as terminal:
        bar = bars.Bar(running(10), terminal)
        bar.tick()
        assert b"2/10 objects" in os.read(reader, 4096)
    os.close(reader)


@pytest.mark.usefixtures("soon")
def test_a_narrow_terminal_gets_words_in_place_of_a_bar() -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 40))
    with os.fdopen(writer, "w") as terminal:
        bar = bars.Bar(running(10), terminal)
        bar.tick()
        drawn = os.read(reader, 4096).decode().strip()
    os.close(reader)
    assert drawn.startswith("get  20%  2/10 objects")
    assert len(drawn) < 40


@pytest.mark.usefixtures("soon")
def test_a_brace_in_a_name_spoils_no_bar() -> None:
    out = io.StringIO()
    bar = bars.Bar(Progress("get {0}", None), out)
    bar.tick()
    bar.close()
    assert "get {0}" in out.getvalue()


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


# -- a notebook --------------------------------------------------------------------------------


class Publisher:
    """What a kernel sends: what is shown, by display id."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, str]] = {}
        self.messages = 0

    def publish(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:
        assert update == (transient["display_id"] in self.shown)
        self.shown[transient["display_id"]] = data
        self.messages += 1


class Shell:
    """IPython's shell in a kernel, as far as progress is concerned."""

    def __init__(self, *, watched: bool = True) -> None:
        self.kernel = types.SimpleNamespace(_allow_stdin=watched)
        self.display_pub: Any = Publisher()
        self.cell = 0

    def get_parent(self) -> dict[str, Any]:
        return {"header": {"msg_id": f"{id(self)}-{self.cell}"}}


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    made = Shell()
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.delenv("S3NB_PROGRESS")
    return made


def through(progress: Progress) -> None:
    shown = bars.display(progress)
    shown.tick()
    progress.finish()
    shown.close()


@pytest.mark.usefixtures("soon")
def test_a_notebook_shows_one_output_that_is_replaced_and_whose_end_stays(shell: Shell) -> None:
    progress = running(10)
    shown = bars.display(progress)
    for _ in range(3):
        shown.tick()
    progress.finish()
    shown.close()
    [data] = shell.display_pub.shown.values()
    assert shell.display_pub.messages == 4
    assert data["text/plain"].startswith("get: 2/10 objects, 10.0 KiB, ")
    assert "1 failed" in data["text/plain"]
    assert "2/10 objects" in data["text/html"]
    assert "s3o-is-failed" in data["text/html"]
    assert "widget" not in "".join(data)


@pytest.mark.usefixtures("soon")
def test_the_operations_of_a_cell_share_an_output_and_are_counted_when_they_are_many(shell: Shell) -> None:
    for _ in range(8):
        through(running(10))
    [data] = shell.display_pub.shown.values()
    lines = data["text/plain"].splitlines()
    assert lines[0] == "3 operations before, 3 with failures"
    assert len(lines) == 6
    shell.cell += 1
    through(running(10))
    assert len(shell.display_pub.shown) == 2


@pytest.mark.usefixtures("soon")
def test_captured_output_gets_the_end_only(shell: Shell) -> None:
    class CapturingDisplayPublisher:
        outputs: list[dict[str, str]] = []  # noqa: RUF012

        def publish(self, data: dict[str, str]) -> None:
            self.outputs.append(data)

    shell.display_pub = CapturingDisplayPublisher()
    through(running(10))
    assert len(shell.display_pub.outputs) == 1


@pytest.mark.usefixtures("soon")
def test_names_and_verbs_are_escaped(shell: Shell) -> None:
    progress = Progress("<img src=x onerror=alert(1)>", 1)
    progress.planned()
    through(progress)
    [data] = shell.display_pub.shown.values()
    assert "<img" not in data["text/html"]


# -- which of them -----------------------------------------------------------------------------


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
        (True, "lines", bars.Lines),
        ("html", None, bars.Lines),  # there is no notebook
        (print, "off", bars.Callback),
    ],
)
def test_who_decides_what_is_shown(
    setting: Any, variable: str | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "notebook", lambda: None)
    monkeypatch.setattr(bars, "_default", None)
    if variable is None:
        monkeypatch.delenv("S3NB_PROGRESS")
    else:
        monkeypatch.setenv("S3NB_PROGRESS", variable)
    assert type(bars.display(Progress("get"), setting)) is kind


@pytest.mark.parametrize(
    ("watched", "setting", "default", "kind"),
    [
        (True, None, None, bars.Cell),
        (True, True, None, bars.Cell),
        (False, None, None, bars.Lines),
        (False, "html", None, bars.Cell),
        (True, None, "bar", bars.Bar),
        (True, None, "off", bars.Nothing),
        (True, "lines", "off", bars.Lines),
    ],
)
def test_a_kernel_shows_html_where_somebody_watches_and_lines_where_nobody_does(
    shell: Shell, watched: bool, setting: Any, default: str | None, kind: type
) -> None:
    shell.kernel._allow_stdin = watched
    bars.use(default)
    try:
        assert type(bars.display(Progress("get"), setting)) is kind
    finally:
        bars.use(None)


def test_a_word_that_is_no_way_to_show_progress_is_an_error_that_names_the_ways(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValueError, match="progress must be one of html, bar, lines, off, auto, not 'bars'"):
        bars.display(Progress("get"), "bars")
    monkeypatch.setenv("S3NB_PROGRESS", "loud")
    with pytest.raises(ValueError, match="S3NB_PROGRESS must be"):
        bars.display(Progress("get"))


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


def test_one_large_object_shows_its_progress_too(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    wire = MemoryWire({"box": {"k": b"x" * 1000}})
    with S3(tmp_path, s3root="s3://box", wire=wire, progress=seen.append) as s3:
        s3.get("k")
        s3.put("l", b"y" * 500)
        s3.copy("k", "m")
    assert [(s.verb, s.done, s.bytes_done) for s in seen] == [("get", 1, 1000), ("put", 1, 500), ("copy", 1, 0)]
