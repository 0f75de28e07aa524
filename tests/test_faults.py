"""What goes wrong between here and S3, made to order in memory: what users then see."""

from __future__ import annotations

import _thread
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3nb import (
    S3,
    AccessDenied,
    BucketNotFound,
    BulkError,
    ClientClosed,
    ConnectionFailed,
    CredentialsError,
    IntegrityError,
    ListError,
    LocalFileError,
    ObjectChanged,
    ObjectNotFound,
    RequestTimeout,
    S3Error,
    S3GetObject,
    ServerError,
    Throttled,
    TransferConfig,
)
from s3nb.jobs import partial_of
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import attempt
from s3nb.transfer.interrupt import held
from s3nb.transfer.task import Task, Window
from s3nb.wire import Request

from .conftest import Server

MIB = 1 << 20
QUICK = TransferConfig(
    backoff_base=0.001, throttle_base=0.001, attempts=4, patience=0.05, fsync=False,
    part_size=5 * MIB, multipart_threshold=6 * MIB, split_threshold=3 * MIB, smallest_split=MIB, split_ways=4,
)  # fmt: skip


def blocks(size: int) -> bytes:
    """Return bytes in which every 16 say where they are."""
    return b"".join(b"%015d\n" % at for at in range(0, size, 16))[:size]


LARGE = blocks(9 * MIB + 5)


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire(
        {"box": {"small": b"hello", "large": LARGE, "empty": b"", **{f"k{n}": b"%d" % n for n in range(300)}}}
    )


@pytest.fixture
def s3(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as client:
        yield client


def left_over(folder: Path) -> list[str]:
    """Return the files that a failed operation left behind."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]


# -- passing faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, code="InternalError", times=2),
        Fault(status=503, code="SlowDown", times=3),
        Fault(status=503, times=2),
        Fault(status=429, code="TooManyRequests", times=2),
        Fault(status=502, times=2),
        Fault(status=400, code="RequestTimeout", times=1),
        Fault(wire="reset", times=2),
        Fault(wire="timeout", times=2),
        Fault(wire="short", after=0.5, times=1),
        Fault(wire="tls", times=1),
        Fault(wire="dns", times=2),
    ],
    ids=lambda f: f"{f.status or f.wire}-{f.code}",
)
@pytest.mark.parametrize("key", ["small", "large"])
def test_a_passing_fault_is_not_seen_by_the_user(s3: S3, wire: MemoryWire, fault: Fault, key: str) -> None:
    fault._met.clear()
    wire.faults.append(fault)
    assert s3.get(key).blob == wire.body("box", key)
    assert wire.requests() > 1


def test_a_cut_range_goes_on_where_it_was_cut(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("GetObject", wire="reset", after=0.5, times=4))
    assert s3.get("large").blob == LARGE
    asked = [dict(r.headers).get("Range", "") for r in wire.log]
    assert len(asked) == len(set(asked)), "no byte is asked for twice from the start of its range"


def test_the_same_fault_again_and_again_is_an_error_that_says_how_often(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("GetObject", status=500, code="InternalError", times=None))
    with pytest.raises(ServerError, match="InternalError") as caught:
        s3.get("small")
    assert wire.requests() == QUICK.attempts
    assert any("4 tries" in note for note in caught.value.__notes__)
    assert (caught.value.bucket, caught.value.key, caught.value.status) == ("box", "small", 500)
    assert caught.value.request_id == "INJECTED"


def test_throttling_beyond_patience_is_throttled(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault(status=503, code="SlowDown", times=None))
    with pytest.raises(Throttled):
        s3.get("small")


@pytest.mark.parametrize(
    ("kind", "error"), [("reset", ConnectionFailed), ("timeout", RequestTimeout), ("connect", ConnectionFailed)]
)
def test_no_answer_is_a_connection_error(wire: MemoryWire, tmp_path: Path, kind: str, error: type[S3Error]) -> None:
    wire.faults.append(Fault(wire=kind, times=None))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as s3, pytest.raises(error) as caught:
        s3.get("small")
    assert isinstance(caught.value, ConnectionError)


def test_an_address_where_nothing_ever_answered_is_given_up_early_and_named(wire: MemoryWire, tmp_path: Path) -> None:
    refusing = Fault(wire="connect", times=None)
    config = replace(QUICK, patience=60.0, first_patience=0.01)
    wire.faults.append(refusing)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
        with pytest.raises(ConnectionFailed) as caught:
            s3.get("small")
        assert "is the endpoint right?" in caught.value.__notes__[-1]
        wire.faults.clear()
        assert s3.get("small").blob == b"hello"
        wire.faults.append(Fault(wire="connect", times=12))  # an outage is waited out
        assert s3.get("small").blob == b"hello"


def test_who_comes_after_somebody_has_waited_in_vain_waits_no_more(
    wire: MemoryWire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_IN_VAIN", 0.0)
    wire.faults.append(Fault(wire="connect", times=None))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, first_patience=0.02)) as s3:
        for tries in (None, 1, 1):
            wire.log.clear()
            with pytest.raises(ConnectionFailed):
                s3.get("small")
            assert tries is None or len(wire.log) == tries
        wire.faults.clear()
        assert s3.get("small").blob == b"hello"


def test_where_nobody_has_ever_answered_silence_is_not_borne_ten_times(wire: MemoryWire, tmp_path: Path) -> None:
    wire.faults.append(Fault(wire="timeout", times=None))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, attempts=10, first_patience=1e-9)) as s3:
        with pytest.raises(RequestTimeout) as caught:
            s3.get("small")
        assert len(wire.log) == 3
        assert "is the endpoint right?" in caught.value.__notes__[-1]


def test_an_endpoint_that_speaks_http_where_https_is_asked_for_is_said_to(moto_server: Server, tmp_path: Path) -> None:
    options = {**moto_server.options(), "endpoint_url": moto_server.endpoint_url.replace("http://", "https://")}
    with S3(tmp_path, s3root="s3://box", **options) as s3, pytest.raises(ConnectionFailed) as caught:
        s3.get("small")
    assert "does not speak https" in caught.value.__notes__[-1]


def test_throttled_operations_send_fewer_at_once(s3: S3, wire: MemoryWire) -> None:
    before = s3._core.engine.pace.limit
    wire.faults.append(Fault("GetObject", status=503, code="SlowDown", times=1, per_key=True, key="k[0-9]$"))
    assert [o.blob for o in s3.get_many([f"k{n}" for n in range(10)])] == [b"%d" % n for n in range(10)]
    assert s3._core.engine.pace.limit < before


# -- final faults ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", AccessDenied),
        (403, "SignatureDoesNotMatch", CredentialsError),
        (404, "NoSuchKey", ObjectNotFound),
        (404, "NoSuchBucket", BucketNotFound),
        (400, "InvalidArgument", S3Error),
        (405, "MethodNotAllowed", S3Error),
        (403, "InvalidObjectState", S3Error),
    ],
)
def test_what_no_retry_can_mend_is_tried_once(
    s3: S3, wire: MemoryWire, status: int, code: str, error: type[S3Error]
) -> None:
    wire.faults.append(Fault("GetObject", status=status, code=code, times=None))
    with pytest.raises(error, match=code):
        s3.get("small")
    assert wire.requests() == 1


def test_refused_credentials_end_a_batch_at_once(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault(status=403, code="InvalidAccessKeyId", times=None))
    with pytest.raises(CredentialsError):
        s3.get_many(f"k{n % 300}" for n in range(1_000_000))
    assert wire.requests() < 2000


def test_an_expired_token_is_renewed_once_for_all(s3: S3, wire: MemoryWire, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = []
    engine = s3._core.engine
    monkeypatch.setattr(engine, "_renew", lambda: renewed.append(1) or True)
    together = threading.Event()
    wire.gate = together  # all requests are in flight when the first is refused
    wire.faults.append(Fault(status=400, code="ExpiredToken", times=1, per_key=True))
    threading.Timer(0.05, together.set).start()
    assert len(s3.get_many([f"k{n}" for n in range(40)])) == 40
    assert renewed == [1]


def test_an_expired_token_that_nobody_can_renew_is_an_error_at_once(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault(status=400, code="ExpiredToken", times=None))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        s3.get_many([f"k{n}" for n in range(40)])
    assert wire.requests() <= 40


# -- a server that lies ----------------------------------------------------------------------------


def test_a_range_answered_with_the_whole_object_is_cut_or_refused(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("GetObject", key="small", body=b"hello", times=None))
    assert s3.get(S3GetObject("small", 1, 3)).blob == b"ell"
    assert s3.get(S3GetObject("small", 0, -2)).blob == b"lo"


def test_an_object_replaced_while_it_is_read_is_read_anew_and_never_mixed(s3: S3, wire: MemoryWire) -> None:
    fresh = bytes(reversed(LARGE))
    replaced = threading.Event()

    def replace() -> None:
        if not replaced.is_set():
            replaced.set()
            wire.store("box", "large", fresh)

    wire.faults.append(Fault("GetObject", wire="reset", after=0.02, times=1, then=replace))
    assert s3.get("large").blob == fresh


def test_an_object_replaced_again_and_again_is_an_error(s3: S3, wire: MemoryWire) -> None:
    count = iter(range(1000))
    wire.faults.append(
        Fault("GetObject", times=None, then=lambda: wire.store("box", "large", LARGE + b"%d" % next(count)))
    )
    with pytest.raises(ObjectChanged):
        s3.get("large")


@pytest.mark.parametrize(
    "page", [b"<html>login</html>", b"", b"<ListBucketResult></ListBucketResult>", b"<!DOCTYPE x>"]
)
def test_a_listing_that_is_none_is_an_error_and_no_empty_result(s3: S3, wire: MemoryWire, page: bytes) -> None:
    wire.faults.append(Fault("ListObjectsV2", body=page, times=None))
    with pytest.raises(ListError):
        s3.list_recursive()


def test_a_complete_that_says_200_and_fails_in_its_body_is_tried_again(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("CompleteMultipartUpload", body=b"<Error><Code>InternalError</Code></Error>", times=0))
    failing = Fault("CompleteMultipartUpload", status=200, code="InternalError", times=2)
    wire.faults.append(failing)
    s3.put("up", LARGE)
    assert wire.body("box", "up") == LARGE


def test_a_lost_reply_of_complete_is_no_failure(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("CompleteMultipartUpload", wire="reset", after=1, times=1))
    url = s3.put("up", LARGE)
    assert wire.body("box", "up") == LARGE
    assert url.etag is not None
    assert url.etag.endswith("-2")
    assert wire.uploads == {}


# -- uploads that fail leave nothing ------------------------------------------------------------------


def test_a_failed_part_aborts_the_upload(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("UploadPart", status=403, code="AccessDenied", times=None))
    with pytest.raises(AccessDenied):
        s3.put("up", LARGE)
    assert wire.uploads == {}
    assert wire.body("box", "up") is None


def test_an_abort_that_fails_is_said(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("UploadPart|AbortMultipartUpload", status=403, code="AccessDenied", times=None))
    with pytest.raises(AccessDenied) as caught:
        s3.put("up", LARGE)
    assert any("could not be aborted" in note for note in caught.value.__notes__)


def test_a_file_cut_while_it_is_sent_is_no_success(s3: S3, wire: MemoryWire, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(LARGE)
    wire.faults.append(Fault("UploadPart", times=1, wire="reset", then=lambda: os.truncate(path, 100)))
    with pytest.raises(S3Error):
        s3.put_files([("up", path)])
    assert wire.body("box", "up") is None
    assert wire.uploads == {}


def test_a_source_that_raises_is_a_named_failure_and_the_others_are_stored(s3: S3, wire: MemoryWire) -> None:
    class Broken:
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "sensor unplugged")

    with pytest.raises(BulkError, match="sensor unplugged") as caught:
        s3.put_many([("one", b"1"), ("two", Broken()), ("three", b"3")])
    assert [pair[0] for pair in caught.value.ok] == ["one", "three"]
    assert wire.body("box", "three") == b"3"


def test_a_failed_put_many_can_be_retried(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("PutObject", key="two", status=403, code="AccessDenied", times=1))
    with pytest.raises(BulkError) as caught:
        s3.put_many([("one", b"1"), ("two", b"2"), ("three", b"3")])
    assert caught.value.retry() == [("one", "s3://box/one"), ("two", "s3://box/two"), ("three", "s3://box/three")]
    assert wire.requests("PutObject") == 4


# -- downloads that fail leave nothing -----------------------------------------------------------------


@pytest.mark.parametrize("key", ["small", "large"])
def test_a_failed_download_leaves_no_file(s3: S3, wire: MemoryWire, tmp_path: Path, key: str) -> None:
    wire.faults.append(Fault("GetObject", wire="reset", after=0.5, times=None))
    with pytest.raises(BulkError):
        s3.download([key], tmp_path / "to")
    assert left_over(tmp_path) == []


def test_a_failed_download_leaves_the_file_that_was_there(s3: S3, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"old")
    wire.faults.append(Fault("GetObject", wire="reset", after=0.5, times=None))
    with pytest.raises(BulkError):
        s3.download(["large"], tmp_path)
    assert (tmp_path / "large").read_bytes() == b"old"
    assert left_over(tmp_path) == ["large"]


def test_a_full_disk_stops_the_operation_and_leaves_nothing(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(LocalFileError, match="No space left"):
        s3.download((f"k{n}" for n in range(300)), tmp_path / "to")
    assert left_over(tmp_path) == []


# -- stop means stop ---------------------------------------------------------------------------------------


def interrupting(after: int) -> Iterator[str]:
    """Yield keys, then what the Stop button raises."""
    for n in range(after):
        yield f"k{n}"
    raise KeyboardInterrupt


def test_ctrl_c_stops_a_batch_and_drops_what_is_in_flight(s3: S3, wire: MemoryWire) -> None:
    wire.gate = threading.Event()  # nothing answers
    with pytest.raises(KeyboardInterrupt):
        s3.get_many(interrupting(100))
    assert wire._live == set()


def test_ctrl_c_waits_until_the_start_of_a_task_is_whole(s3: S3) -> None:
    done: list[str] = []

    class Started(Task):
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            done.append("file made")
            with held:
                done.append("file noted")
            self.end(None)

    before = signal.getsignal(signal.SIGINT)
    window = Window(s3._core.scope("get"), range(2), lambda _: Started(s3._core.scope("get")), 4)
    with pytest.raises(KeyboardInterrupt):
        list(window.ordered())
    assert done == ["file made", "file noted"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_the_callers_iterator_runs_is_not_held_back(s3: S3) -> None:
    where: list[str] = []

    def keys() -> Iterator[str]:
        yield "a"
        try:
            os.kill(os.getpid(), signal.SIGINT)
            where.append("went on")
        except KeyboardInterrupt:
            where.append("interrupted")
            raise
        yield "b"

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        s3.get_many(keys())
    assert where == ["interrupted"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_the_callers_iterator_sets_stays(s3: S3, wire: MemoryWire) -> None:
    def mine(*_: object) -> None:
        """Do nothing."""

    def keys() -> Iterator[str]:
        signal.signal(signal.SIGINT, mine)
        yield "large"

    before = signal.getsignal(signal.SIGINT)
    try:
        assert len(s3.get_many(keys())) == 1
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_a_multipart_put_aborts_the_upload(s3: S3, wire: MemoryWire) -> None:
    pressed = threading.Event()

    def stop() -> None:
        if not pressed.is_set():
            pressed.set()
            _thread.interrupt_main()  # what the Stop button does

    wire.faults.append(Fault("UploadPart", times=None, then=stop, hold=threading.Event()))
    with pytest.raises(KeyboardInterrupt):
        s3.put("up", LARGE * 4)
    s3.close()  # waits for the abort
    assert wire.uploads == {}
    assert wire.body("box", "up") is None


def test_a_submitted_job_can_be_cancelled_while_it_runs(s3: S3, wire: MemoryWire) -> None:
    wire.gate = threading.Event()
    job = s3.submit_get("large")
    assert job.cancel()
    with pytest.raises(CancelledError):
        job.result(5)


def test_a_lazy_get_left_early_stops_the_rest(s3: S3, wire: MemoryWire) -> None:
    got = s3.iter_get(f"k{n % 300}" for n in range(1_000_000))
    assert next(got).blob == b"0"
    got.close()
    assert wire._live == set()
    assert wire.requests() < 3000


def test_closing_the_client_ends_what_waits(wire: MemoryWire, tmp_path: Path) -> None:
    wire.gate = threading.Event()
    s3 = S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK)
    jobs = [s3.submit_get(f"k{n}") for n in range(300)]
    s3.close()
    for job in jobs:
        assert isinstance(job.exception(5) if not job.cancelled() else CancelledError(), (S3Error, CancelledError))


# -- laziness and limits ---------------------------------------------------------------------------------------


def test_an_iterator_of_keys_is_not_read_ahead_without_bound(s3: S3, wire: MemoryWire) -> None:
    taken = 0

    def keys() -> Iterator[str]:
        nonlocal taken
        while True:
            yield f"k{taken % 300}"
            taken += 1

    got = s3.iter_get(keys())
    for _ in range(10):
        next(got)
    got.close()
    assert taken < 10 * QUICK.max_requests


def test_no_more_requests_are_in_flight_than_allowed(tmp_path: Path) -> None:
    most = 0

    class Counting(MemoryWire):
        def send(self, request: Any, sink: Any = None) -> Any:
            nonlocal most
            future = super().send(request, sink)
            most = max(most, len(self._live))
            return future

    wire = Counting({"box": {f"k{n}": b"x" for n in range(300)}})
    config = TransferConfig(max_requests=7, start_requests=3)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
        assert len(s3.get_many([f"k{n}" for n in range(300)])) == 300
    assert most <= 7


def test_small_results_beyond_the_memory_budget_become_files(wire: MemoryWire, tmp_path: Path) -> None:
    wire.store("box", "k0", b"x" * 1000)
    config = TransferConfig(memory_budget=1500)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
        kept = s3.get_many(["k0", "k0", "k0"])
        assert {o.blob for o in kept} == {b"x" * 1000}
        assert len(left_over(tmp_path)) == 2
        del kept
        assert s3.get("k0").blob == b"x" * 1000


def test_the_same_input_again_after_retry(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("GetObject", key="k7$", status=403, code="AccessDenied", times=1))
    with pytest.raises(BulkError) as caught:
        s3.get_many([f"k{n}" for n in range(10)])
    assert [e.key for e in caught.value.failed] == ["k7"]
    assert [o.blob for o in caught.value.retry()] == [b"%d" % n for n in range(10)]
    assert wire.requests() == 11


def test_a_delete_that_is_stopped_says_what_is_done_and_one_that_is_retried_says_all(s3: S3, wire: MemoryWire) -> None:
    keys = [f"k{n:04}" for n in range(2500)]
    wire.faults.append(Fault("DeleteObjects", status=403, code="AccessDenied"))
    with pytest.raises(BulkError) as caught:
        s3.delete_many(keys)
    assert len(caught.value.failed) in (500, 1000)
    assert caught.value.retry() == [f"s3://box/{key}" for key in keys]

    class OfTheLast(Fault):
        def strikes(self, request: Request) -> bool:
            return b"k2000" in request.body  # type: ignore[operator]

    wire.faults.append(OfTheLast(status=403, code="InvalidAccessKeyId", times=None))
    with pytest.raises(CredentialsError) as ended:
        s3.delete_many(keys)
    assert partial_of(ended.value) == [f"s3://box/{key}" for key in keys[:2000]]


def test_local_work_is_done_though_the_program_ends(s3: S3) -> None:
    """At the end of a program pools take nothing more; what comes back then must not be lost, nor waited for."""
    s3.get("small")
    engine = s3._core.engine
    engine.chores.pool.shutdown()
    done: list[int] = []
    engine.work(done.append, 1)
    assert done == [1]
    s3.put("large", bytes(12 << 20))
    assert s3.get("large").size == 12 << 20


@pytest.mark.parametrize(("kind", "first", "left"), [("connect", 30.0, "30"), ("timeout", 1e-9, "0")])
def test_it_is_said_that_nothing_answers(
    wire: MemoryWire, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    kind: str, first: float, left: str,
) -> None:  # fmt: skip
    """In silence another try is as long as those before: so long it is waited for."""
    monkeypatch.setattr(attempt, "_SILENT", 0.0)
    wire.faults.append(Fault(wire=kind, times=2))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, patience=30.0, first_patience=first)) as s3:
        s3.get("small")
    (said,) = caplog.messages
    assert f"trying for another {left} s" in said
    assert "is the endpoint right?" in said


def test_deletes_count_only_what_the_reply_names(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("DeleteObjects", body=b"<DeleteResult></DeleteResult>", times=1))
    assert len(s3.delete_many(["k1", "k2"])) == 2
    assert wire.requests("DeleteObject") == 2


def test_a_refused_delete_is_named(s3: S3, wire: MemoryWire) -> None:
    reply = b"<DeleteResult><Deleted><Key>k1</Key></Deleted><Error><Key>k2</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    wire.faults.append(Fault("DeleteObjects", body=reply, times=1))
    with pytest.raises(BulkError, match="k2: AccessDenied") as caught:
        s3.delete_many(["k1", "k2"])
    assert caught.value.ok == ["s3://box/k1"]


def test_progress_counts_what_happened(wire: MemoryWire, tmp_path: Path) -> None:
    seen: list[Any] = []
    record: Callable[[Any], object] = seen.append
    wire.faults.append(Fault("GetObject", key="k3$", status=500, code="InternalError", times=1))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK, progress=record) as s3:
        with pytest.raises(BulkError):
            s3.get_many([f"k{n}" for n in range(10)] + ["missing"])
        s3.delete_many(["k1", "k2"])
    got = next(s for s in reversed(seen) if s.verb == "get")
    assert (got.done, got.failed, got.retried, got.total, got.bytes_done, got.finished) == (10, 1, 1, 11, 10, True)
    assert (seen[-1].verb, seen[-1].done) == ("delete", 2)


def test_an_integrity_error_is_not_hidden(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("GetObject", key="large", body=LARGE[: 4 * MIB], times=None))
    with pytest.raises((IntegrityError, S3Error)):
        s3.get("large")


def test_a_connection_far_slower_than_the_others_is_given_up(
    s3: S3, wire: MemoryWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3nb.transfer import download

    monkeypatch.setattr(download, "_LOOK", 0.05)
    monkeypatch.setattr(download, "_ENOUGH", 3)
    wire.faults.append(Fault("GetObject", times=1))  # the first GET, and nothing happens to it
    wire.faults.append(Fault("GetObject", hold=threading.Event(), times=1))
    assert s3.get("large").blob == LARGE


def test_a_clock_that_is_off_is_set_by_the_servers(s3: S3, wire: MemoryWire) -> None:
    skew = Fault(
        "GetObject", status=403, code="RequestTimeTooSkewed", headers={"date": "Wed, 01 Jan 2098 00:00:00 GMT"}
    )
    wire.faults.append(skew)
    assert s3.get("small").blob == b"hello"
    assert s3._core.account.now().year in (2097, 2098)
    skew.times = None
    with pytest.raises(CredentialsError, match="RequestTimeTooSkewed"):
        s3.get("small")
    assert wire.requests() == 4


def test_few_descriptors_mean_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    from s3nb import core

    monkeypatch.setattr(core.resource, "getrlimit", lambda _: (64, 64))
    assert core.within_limits(TransferConfig()).max_requests == 16
    monkeypatch.setattr(core.resource, "getrlimit", lambda _: (1 << 20, 1 << 20))
    assert core.within_limits(TransferConfig()).max_requests == TransferConfig().max_requests


def test_tries_again_stay_a_fraction_of_all_requests() -> None:
    from s3nb.transfer.pace import RetryBudget

    budget = RetryBudget()
    now = 100.0
    assert [budget.spend(now) for _ in range(500)] == [0.0] * 500
    assert budget.spend(now) > 0
    for _ in range(1000):
        budget.earn()
    assert sum(budget.spend(now) == 0 for _ in range(1000)) <= 200


def test_a_listing_that_goes_round_in_circles_is_an_error(s3: S3, wire: MemoryWire) -> None:
    page = (
        b"<ListBucketResult><Name>box</Name><Prefix></Prefix><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>%s</NextContinuationToken></ListBucketResult>"
    )
    wire.faults += [Fault("ListObjectsV2", body=page % token) for token in (b"a", b"b", b"a", b"b", b"a")]
    with pytest.raises(ListError, match="repeats its continuation token"):
        s3.list_recursive()
    assert wire.requests() <= 4


def test_thousands_that_wait_when_the_wire_ends_all_fail_by_name(tmp_path: Path) -> None:
    """As at the end of the interpreter: each makes room for the next, which fails at once as well."""
    wire = MemoryWire({"box": {}})
    wire.faults.append(Fault(hold=threading.Event(), times=None))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, start_requests=2, max_requests=2)) as s3:
        jobs = [s3.submit_get(f"k{n}") for n in range(3000)]
        wire.close()
        wait(jobs, 30)
    errors = [job.exception(0) for job in jobs if not job.cancelled()]
    assert len(errors) >= 2990
    assert {type(e) for e in errors} == {ClientClosed}


def test_who_stops_waiting_for_a_request_breaks_nothing(wire: MemoryWire, tmp_path: Path) -> None:
    """As asyncio does: what it was waiting for is told to cancel."""
    wire.gate = threading.Event()
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        engine = s3._core.engine
        for settle in (wire.gate.set, None):
            scope = s3._core.scope("head")
            future = engine.request(scope, Request("HeadObject", "HEAD", "box", "small"), lambda reply: reply.status)
            future.cancel()
            if settle is None:
                scope.cancel()
            else:
                settle()
                assert future.result(5) == 200
            wire.gate.clear()
