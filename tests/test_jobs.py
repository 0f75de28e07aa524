"""Work in the background: how far it is, stopped, waited for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, BulkError
from s3nb.jobs import Job, Jobs
from s3nb.testing import Fault, MemoryWire


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire({"box": {f"k{n}": b"x" * 10 for n in range(20)}})


@pytest.fixture
def s3(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, s3root="s3://box", wire=wire) as client:
        yield client


@pytest.fixture
def held(wire: MemoryWire) -> Iterator[threading.Event]:
    """While it is not set, ``k7`` is not answered."""
    event = threading.Event()
    wire.faults.append(Fault(key="k7$", hold=event, times=None))
    yield event
    event.set()


def until_done(job: Job, objects: int) -> None:
    """Wait until a job has done so many objects."""
    reached = threading.Event()
    while job.progress is None or job.progress.done < objects:
        assert not job.done()
        reached.wait(0.005)


def test_a_job_counts_while_it_runs_and_gives_its_result(s3: S3, held: threading.Event) -> None:
    job = Job(lambda: s3.get_many([f"k{n}" for n in range(20)]), "get them")
    until_done(job, 19)
    assert (job.state, job.done()) == ("running", False)
    assert "19/20 objects" in job.status()
    assert repr(job).startswith("<Job 1 get them: running")
    with pytest.raises(TimeoutError, match="job 1 is not over"):
        job.result(0.01)
    assert job.wait(0.01) is False
    held.set()
    assert len(job.result(30)) == 20
    assert (job.state, job.exception(), job.wait()) == ("done", None, True)
    assert job.progress is not None
    assert job.progress.finished
    assert job.cancel() is False


def test_a_cancelled_job_stops_and_keeps_what_is_done(s3: S3, held: threading.Event) -> None:
    job = Job(lambda: s3.get_many(f"k{n}" for n in range(20)))
    until_done(job, 19)
    assert job.cancel() is True
    with pytest.raises(CancelledError):
        job.result(30)
    assert job.state == "cancelled"
    assert len(job.partial.ok) == 19


def test_a_cancelled_job_begins_nothing_new(s3: S3, held: threading.Event, wire: MemoryWire) -> None:
    def call() -> None:
        try:
            s3.get("k7")
        finally:
            s3.put("after", "x")

    job = Job(call)
    while job.progress is None:
        pass
    job.cancel()
    job.wait(30)
    assert wire.body("box", "after") is None
    assert job.state == "cancelled"


def test_a_cancelled_upload_leaves_no_parts(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {}})
    held = threading.Event()
    started = threading.Event()
    wire.faults.append(Fault(operation="UploadPart", hold=held, times=None, then=started.set))
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        job = Job(lambda: s3.put("large", bytes(40 << 20)))
        assert started.wait(30)
        job.cancel()
        assert isinstance(job.exception(30), CancelledError)
    assert not [upload for uploads in wire.uploads.values() for upload in uploads]


def test_a_failed_job_says_why(s3: S3) -> None:
    job = Job(lambda: s3.get_many(["k1", "none"]))
    error = job.exception(30)
    assert isinstance(error, BulkError)
    assert len(error.ok) == 1
    assert job.status().startswith("failed; get: ")
    assert "1 object of 2 failed" in job.status()
    with pytest.raises(FileNotFoundError):
        job.result()


def test_a_job_can_be_awaited_and_who_waits_may_be_stopped_without_it(s3: S3, held: threading.Event) -> None:
    job = Job(lambda: s3.get("k7").blob)

    async def wait() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.ensure_future(_result(job)), 0.05)
        assert job.state == "running"
        held.set()
        return await job

    assert asyncio.run(wait()) == b"x" * 10


async def _result(job: Job) -> Any:
    return await job


def test_a_job_prints_nothing(
    tmp_path: Path, wire: MemoryWire, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3NB_PROGRESS", "bar")
    monkeypatch.setattr("s3nb.bars._PATIENT", -1.0)
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        Job(lambda: s3.get_many(f"k{n}" for n in range(20))).result(30)
        assert capfd.readouterr() == ("", "")
        s3.get_many(f"k{n}" for n in range(20))
        assert "20/20" in capfd.readouterr().err


def test_whoever_asked_is_told_of_the_end() -> None:
    told = threading.Event()
    job = Job(lambda: 1)
    job.add_done_callback(lambda j: told.set() if j is job else None)
    assert told.wait(30)


def test_jobs_have_numbers_and_end_with_their_session(s3: S3, held: threading.Event) -> None:
    jobs = Jobs()
    first = jobs.start(lambda: s3.get("k7"), "one")
    second = jobs.start(lambda: s3.get("k8"), "two")
    second.wait(30)
    assert [(j.number, j.title) for j in jobs] == [(1, "one"), (2, "two")]
    assert jobs[1] is first
    jobs.close()
    assert first.state == "cancelled"
    assert len(jobs) == 0


def test_a_job_ends_with_its_program() -> None:
    code = (
        "import tempfile, threading, atexit\n"
        "from s3nb import S3\n"
        "from s3nb.jobs import Jobs\n"
        "from s3nb.testing import Fault, MemoryWire\n"
        "wire, started = MemoryWire({'box': {}}), threading.Event()\n"
        "wire.faults.append(Fault(operation='UploadPart', hold=threading.Event(), times=None, then=started.set))\n"
        "atexit.register(lambda: print(job.state, wire.uploads))\n"  # runs after what is registered later
        "s3 = S3(tempfile.gettempdir(), s3root='s3://box', wire=wire)\n"
        "job = Jobs().start(lambda: s3.put('large', bytes(40 << 20)), 'put')\n"
        "started.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cancelled {")


def test_only_the_last_finished_jobs_are_kept() -> None:
    jobs = Jobs()
    for _ in range(40):
        jobs.start(lambda: None, "x").wait(30)
    assert len(jobs) <= 21
    jobs.close()


def test_a_hostile_title_shows_as_text() -> None:
    job = Job(lambda: None, "\x1b[2J<img src=x onerror=alert(1)>")
    job.wait(30)
    shown = job._repr_mimebundle_()
    assert "\x1b" not in repr(job) + shown["text/plain"] + shown["text/html"]
    assert "<img" not in shown["text/html"]
