"""``--bg``, ``%s3 jobs``, the stop button and what it leaves: in this process and in a kernel."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from s3nb import S3
from s3nb.jobs import Job
from s3nb.testing import Fault, MemoryWire

from .conftest import text_of


@pytest.fixture
def wire(ipython: Any) -> MemoryWire:
    """An S3 in memory behind ``%s3``."""
    found = MemoryWire({"box": {f"k{n}": b"x" * 10 for n in range(20)}})
    session = ipython.magics_manager.registry["S3Magics"].session
    session._make = lambda folder, **options: S3(folder, wire=found, **options)
    return found


@pytest.fixture
def held(wire: MemoryWire) -> Iterator[threading.Event]:
    """While it is not set, ``k7`` is not answered."""
    event = threading.Event()
    wire.faults.append(Fault(key="k7$", hold=event, times=None))
    yield event
    event.set()


def test_a_line_in_the_background_gives_a_job(
    run: Callable[[str], Any], ipython: Any, held: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    run("job = %s3 get_recursive s3://box --bg")
    job = ipython.user_ns["job"]
    assert isinstance(job, Job)
    assert job.title == "get_recursive s3://box"
    assert run("%s3 jobs")[0] is job
    assert run("%s3 jobs 1") is job
    assert "running" in capsys.readouterr().out
    held.set()
    assert len(run("job.result()")) == 20
    run("%s3 get s3://box/k1 --bg --out other")
    assert ipython.user_ns["other"].result(30).text == "x" * 10
    with pytest.raises(UsageError, match="no job 9"):
        run("%s3 jobs 9")


def test_a_job_is_cancelled_by_its_number_and_by_unloading(
    run: Callable[[str], Any], ipython: Any, held: threading.Event
) -> None:
    run("a = %s3 get s3://box/k7 --bg\nb = %s3 get s3://box/k7 --bg")
    a, b = ipython.user_ns["a"], ipython.user_ns["b"]
    run("%s3 jobs 1 --cancel;")
    a.wait(30)
    assert (a.state, b.state) == ("cancelled", "running")
    ipython.run_line_magic("unload_ext", "s3nb")
    assert b.state == "cancelled"


def test_nobody_is_asked_in_the_background(run: Callable[[str], Any], wire: MemoryWire) -> None:
    with pytest.raises(UsageError, match="say --yes as well"):
        run("%s3 rm -r s3://box --bg")
    run("job = %s3 rm -r s3://box --bg --yes\njob.result()")
    assert not wire.buckets["box"]


def press_stop() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def interrupting(wire: MemoryWire, **where: Any) -> Fault:
    """A request that is never answered, and with which the stop button is pressed."""
    fault = Fault(hold=threading.Event(), then=press_stop, **where)
    wire.faults.append(fault)
    return fault


def test_the_stop_button_comes_back_with_what_is_done(
    ipython: Any, wire: MemoryWire, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupting(wire, key="k7$")
    done = ipython.run_cell("%s3 get_recursive s3://box --to out --out got")
    assert isinstance(done.error_in_exec, KeyboardInterrupt)
    last = ipython.user_ns["_s3nb_last"]
    assert ipython.user_ns["got"] is last
    assert "k7" not in [o.key for o in last.ok]
    shown = capsys.readouterr()
    said = shown.err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("%s3 download: interrupted: ")
    assert "what is done is in _s3nb_last" in said[0]
    assert "Traceback" not in shown.out
    files = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert "k7" not in files
    assert all(name.startswith("k") for name in files)


def test_the_stop_button_leaves_no_parts_of_an_upload(ipython: Any, wire: MemoryWire) -> None:
    interrupting(wire, operation="UploadPart")
    ipython.user_ns["body"] = bytes(40 << 20)
    done = ipython.run_cell("%s3 put s3://box/large $body")
    assert isinstance(done.error_in_exec, KeyboardInterrupt)
    ipython.run_line_magic("unload_ext", "s3nb")  # waits for what is tidied up in the background
    assert wire.body("box", "large") is None
    assert not [upload for uploads in wire.uploads.values() for upload in uploads]


class Stubborn(MemoryWire):
    """One of its exchanges does not end when it is cancelled: the stop button is pressed once more."""

    again = 0

    def send(self, request: Any, sink: Any = None) -> Any:
        exchange = super().send(request, sink)
        if request.key == "k7":
            exchange.cancel = self._cancel  # type: ignore[method-assign]
        return exchange

    def _cancel(self) -> bool:
        self.again += 1
        if self.again == 1:
            threading.Thread(target=press_stop, daemon=True).start()
        return True


def test_the_stop_button_pressed_twice_waits_for_nothing(ipython: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3nb.transfer.task._FAREWELL", 3600.0)
    wire = Stubborn({"box": {f"k{n}": b"x" for n in range(10)}})
    session = ipython.magics_manager.registry["S3Magics"].session
    session._make = lambda folder, **options: S3(folder, wire=wire, **options)
    fault = interrupting(wire, key="k7$")
    done = ipython.run_cell("%s3 get_recursive s3://box")
    assert isinstance(done.error_in_exec, KeyboardInterrupt)
    assert wire.again >= 1
    assert "k7" not in [o.key for o in ipython.user_ns["_s3nb_last"]]
    assert fault.hold is not None
    fault.hold.set()


_SETUP = """
import threading, os, signal
from s3nb import S3
from s3nb.testing import Fault, MemoryWire
%load_ext s3nb
wire = MemoryWire({'box': {f'k{n}': b'x' * 10 for n in range(20)}})
held = threading.Event()
fault = Fault(key='k7$', hold=held, times=None)
wire.faults.append(fault)
session = get_ipython().magics_manager.registry['S3Magics'].session
session._make = lambda folder, **options: S3(folder, wire=wire, **options)
"""


def test_jobs_in_a_kernel(execute: Callable[..., list[Any]]) -> None:
    outputs = execute(
        _SETUP,
        "%s3 get_recursive s3://box --bg",
        "held.set()\njob = session.jobs[1]\nlen(await job)",
        "%s3 jobs",
        "fault.hold = threading.Event()\nfault.then = lambda: os.kill(os.getpid(), signal.SIGINT)\nfault._met.clear()\n%s3 get_recursive s3://box",
        "len(_s3nb_last)",
        "before = dict(get_ipython().display_formatter.ipython_display_formatter.type_printers)\n%unload_ext s3nb\n"
        "len(before) - len(get_ipython().display_formatter.ipython_display_formatter.type_printers)",
    )
    shown = outputs[1]
    assert [o.output_type for o in shown] == ["display_data"]
    html = shown[0]["data"]["text/html"]
    assert "job 1: get_recursive s3://box" in html
    assert "done" in html  # drawn again after the cell was over
    assert "20/20 objects" in html or "20 objects" in html
    assert text_of(outputs[2]) == "20"
    assert "get_recursive s3://box: done" in text_of(outputs[3])
    assert outputs[4][-1].ename == "KeyboardInterrupt"
    assert "interrupted" in text_of(outputs[4])
    assert 1 <= int(text_of(outputs[5])) <= 19  # those that had come by then; not the one that never does
    assert text_of(outputs[6]) == "1"


def test_a_button_stops_a_job_and_goes_with_it(execute: Callable[..., list[Any]]) -> None:
    outputs = execute(
        _SETUP,
        "from s3nb.notebook.background import Watched\nget_ipython().kernel._allow_stdin = True  # as a front end says\n"
        "job = %s3 get s3://box/k7 --bg\nplace = Watched(get_ipython(), job)",
        "place._button.click()\njob.wait(30), job.state, place.draw(), place._button",
    )
    assert text_of(outputs[2]) == "(True, 'cancelled', True, None)"
    assert [sorted(o["data"]) for o in outputs[1]] == [["text/html", "text/plain"], ["text/html", "text/plain"]]
    assert outputs[1][1]["data"]["text/plain"] == ""
    assert "cancelled" in outputs[1][0]["data"]["text/plain"]
