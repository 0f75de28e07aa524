"""B1 to B17 and V1 to V5: the binary reader, and objects that change while they are read."""

from __future__ import annotations

import errno
import gc
import io
import json
import os
import pickle
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import s3nb
from s3nb import ObjectChanged, open
from s3nb.files import plan, remote
from s3nb.files.budget import MEMORY
from s3nb.testing import Fault

from .conftest import Bucket, Memory

Make = Callable[..., Memory]
MIB = 1 << 20
BLOB = random.Random(1).randbytes(9 * MIB)


def test_B1_it_is_a_buffered_file_of_its_own(memory: Make) -> None:
    with memory({"k": b""}).open("k") as f:
        assert isinstance(f, io.BufferedIOBase)
        assert not isinstance(f, io.BufferedReader)


def test_B1_lines_of_a_large_file_take_few_requests(memory: Make) -> None:
    m = memory({"k": b"a line of text\n" * 600_000})
    with m.open("k", "r") as f:
        assert sum(1 for _ in f) == 600_000
    assert len(m.wire.log) < 20


@pytest.mark.parametrize("size", [1, 1000, 65536, 700_000, 3 * MIB])
def test_B2_reads_are_never_short_in_the_middle(size: int, memory: Make) -> None:
    m = memory({"k": BLOB}, piece=100_001)
    with m.open("k") as f:
        at = 0
        while at + size <= min(len(BLOB), 64 * size):
            assert f.read(size) == BLOB[at : at + size]
            at += size


CALLS = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, 3 * MIB)),
    st.tuples(st.just("read1"), st.integers(1, 300_000)),
    st.tuples(st.just("readinto"), st.integers(0, 3 * MIB)),
    st.tuples(st.just("readline"), st.integers(-1, 1000)),
    st.tuples(st.just("seek"), st.integers(0, 10 * MIB)),
    st.tuples(st.just("seek1"), st.integers(-MIB, MIB)),
    st.tuples(st.just("peek"), st.integers(0, 10)),
    st.tuples(st.just("pread"), st.integers(0, 10 * MIB)),
    st.tuples(st.just("lines"), st.integers(1, 5000)),
)


@pytest.fixture(scope="module")
def nine(request: pytest.FixtureRequest) -> Any:
    from s3nb import S3
    from s3nb.testing import MemoryWire

    with S3(wire=MemoryWire({"bkt": {"k": BLOB}}, piece=77_777)) as client:
        yield client


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(calls=st.lists(CALLS, max_size=12), access=st.sampled_from(["auto", "sequential", "random", "tail"]))
def test_B3_it_agrees_with_BytesIO(calls: list[tuple[str, int]], access: str, nine: Any) -> None:
    theirs = io.BytesIO(BLOB)
    with open("s3://bkt/k", "rb", client=nine, access=access) as ours:
        for name, n in calls:
            if name == "seek1":
                to = max(-theirs.tell(), n)
                assert ours.seek(to, 1) == theirs.seek(to, 1)
            elif name == "read1":
                data = ours.read1(n)
                assert theirs.read(len(data)) == data
                assert data or theirs.tell() >= len(BLOB)
            elif name == "readinto":
                mine, his = bytearray(n), bytearray(n)
                assert ours.readinto(mine) == theirs.readinto(his)
                assert mine == his
            elif name == "peek":
                data = ours.peek(n)
                assert BLOB[ours.tell() :].startswith(data)
                assert data or ours.tell() >= len(BLOB)
            elif name == "pread":
                assert ours.pread(n, 100_000) == BLOB[n : n + 100_000]
            elif name == "lines":
                assert ours.readlines(n) == theirs.readlines(n)
            else:
                assert getattr(ours, name)(n) == getattr(theirs, name)(n)
            assert ours.tell() == theirs.tell()


def test_B3_all_ways_to_read_everything(memory: Make) -> None:
    m = memory({"k": BLOB})
    for read in ("read()", "read(-1)", "read(None)", "readall()"):
        with m.open("k") as f:
            assert eval(f"f.{read}") == BLOB
    with m.open("k") as f:
        assert b"".join(f) == BLOB
    with m.open("k") as f:
        assert list(f) == BLOB.splitlines(keepends=True) or b"".join(f.readlines()) == b""


def test_B4_bytes_are_bytes(memory: Make) -> None:
    with memory({"k": BLOB}).open("k") as f:
        for data in (f.read(1), f.read(3 * MIB), f.read1(10), f.peek(1), f.readline(), f.pread(0, 10), f.read()):
            assert type(data) is bytes


def test_B5_a_large_readinto_goes_straight_into_the_buffer(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k") as f:
        buffer = bytearray(len(BLOB))
        assert f.readinto(buffer) == len(BLOB)
        assert buffer == BLOB
        assert f.stats().held <= plan.OPENING  # nothing of the rest passed through the map
        f.seek(5)
        view = memoryview(bytearray(16)).cast("i")
        assert f.readinto(view) == 16
        assert bytes(view.cast("B")) == BLOB[5:21]
    assert len(m.wire.log) >= 8  # over several connections


def test_B6_read_buffer_is_what_pyarrow_looks_for(memory: Make) -> None:
    with memory({"k": b"abc"}).open("k") as f:
        assert bytes(f.read_buffer(2)) == b"ab"


def test_B7_seeking_is_free_and_goes_beyond_the_end(memory: Make) -> None:
    m = memory({"k": b"abc"})
    with m.open("k") as f:
        assert f.seek(100) == 100
        assert f.read(5) == b""
        assert f.seek(-2, 2) == 1
        assert f.read() == b"bc"
        with pytest.raises(OSError) as caught:
            f.seek(-1)
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(ValueError, match="whence"):
            f.seek(0, 9)
        with pytest.raises(TypeError):
            f.seek(1.5)
        assert f.tell() == 3
    assert len(m.wire.log) == 1


def test_B8_seeking_keeps_what_is_in_memory(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k", access="random") as f:
        f.read(MIB)
        sent = len(m.wire.log)
        for _ in range(20):
            at = random.randrange(0, MIB - 5000)
            f.seek(at)
            assert f.read(5000) == BLOB[at : at + 5000]
            f.seek(f.tell())
        assert len(m.wire.log) == sent


def test_B9_what_a_reader_does_not_do(memory: Make) -> None:
    with memory({"k": b"abc"}).open("k") as f:
        for call in (f.fileno, f.truncate, lambda: f.write(b"x"), lambda: f.writelines([b"x"]), f.detach):
            with pytest.raises(io.UnsupportedOperation):
                call()
        assert (f.readable(), f.seekable(), f.writable(), f.isatty()) == (True, True, False, False)


def test_B10_a_closed_file_says_so(memory: Make) -> None:
    f = memory({"k": b"abc"}).open("k")
    f.close()
    f.close()
    assert f.closed
    for name, *arguments in [
        ("read",), ("read", 1), ("read1",), ("readinto", bytearray(1)), ("readline",), ("readlines",), ("peek",), ("seek", 0),
        ("tell",), ("readable",), ("seekable",), ("writable",), ("fileno",), ("isatty",), ("flush",), ("pread", 0, 1),
        ("read_ranges", [(0, 1)]), ("readinto_at", 0, bytearray(1)), ("write", b""), ("truncate",), ("__enter__",), ("readall",),
        ("readinto1", bytearray(1)), ("read_buffer",),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=r"closed|I/O"):
            getattr(f, name)(*arguments)
    assert "closed" in repr(f)


def test_B10_closing_stops_what_is_fetched_ahead(memory: Make) -> None:
    m = memory({"k": bytes(40 * MIB)})
    hold = threading.Event()
    f = m.open("k")
    f.read(MIB)
    m.wire.faults.append(Fault(operation="GetObject", hold=hold, times=None))
    f.read(1000)
    assert f.stats().requests > 1
    f.close()
    for _ in range(1000):
        if not m.wire._live:
            break
        threading.Event().wait(0.01)
    assert not m.wire._live
    hold.set()


def test_B11_reads_by_position_run_beside_others(memory: Make) -> None:
    m = memory({"k": BLOB})
    failures: list[BaseException] = []
    with m.open("k") as f:

        def work(seed: int) -> None:
            rng = random.Random(seed)
            try:
                for _ in range(15):
                    at, n = rng.randrange(len(BLOB)), rng.randrange(1, 100_000)
                    assert f.pread(at, n) == BLOB[at : at + n]
                    buffer = bytearray(n)
                    assert f.readinto_at(at, buffer) == len(BLOB[at : at + n])
                    wanted = [(rng.randrange(len(BLOB)), 5000) for _ in range(4)]
                    assert f.read_ranges(wanted) == [BLOB[a : a + k] for a, k in wanted]
            except BaseException as exc:
                failures.append(exc)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for t in threads:
            t.start()
        got = b"".join(iter(lambda: f.read(50_000), b""))
        for t in threads:
            t.join()
        assert not failures
        assert got == BLOB


def test_B11_ranges_near_each_other_are_one_request(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k", access="random") as f:
        before = len(m.wire.log)
        wanted = [
            (4 * MIB + 2000, 100),
            (4 * MIB, 1000),
            (8 * MIB, 5),
            (4 * MIB + 500, 10),
            (9 * MIB - 1, 50),
            (20 * MIB, 1),
        ]
        assert f.read_ranges(wanted, gap=4096) == [BLOB[a : a + n] for a, n in wanted]
        assert len(m.wire.log) - before == 3
        assert f.tell() == 0
        with pytest.raises(OSError):
            f.read_ranges([(-1, 5)])


def test_B12_a_reader_pickles_and_goes_on_where_it_was(at: str, inside: Bucket) -> None:
    inside.put("k", BLOB)
    with open(at + "k", "rb") as f:
        f.seek(1234)
        copy = pickle.loads(pickle.dumps(f))
    assert copy.stats().requests == 0
    assert copy.tell() == 1234
    assert copy.read(100) == BLOB[1234:1334]
    again = pickle.loads(pickle.dumps(copy))
    inside.put("k", BLOB[::-1])
    with pytest.raises(ObjectChanged):
        again.read(10)
    copy.close()
    again.close()


def test_B12_others_do_not_pickle(memory: Make) -> None:
    m = memory({"k": b"x"})
    for f in (m.open("k"), m.open("k", "r"), m.open("new", "wb"), m.open("new", "w"), m.open("k", "r+b")):
        with pytest.raises(TypeError):
            pickle.dumps(f)
        getattr(f, "abort", f.close)()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_B13_a_file_goes_on_in_a_forked_child(at: str, inside: Bucket) -> None:
    inside.put("k", BLOB)
    with open(at + "k", "rb") as f:
        f.read(MIB)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            answer = "?"
            try:
                answer = json.dumps(
                    [f.read(3 * MIB) == BLOB[MIB : 4 * MIB], f.pread(8 * MIB, 10) == BLOB[8 * MIB :][:10]]
                )
            finally:
                os.write(write, answer.encode())
                os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with io.open(read, "rb") as pipe:  # noqa: UP020
            assert json.loads(pipe.read()) == [True, True]
        assert f.read() == BLOB[MIB:]


def test_B14_with_closes_and_swallows_nothing(memory: Make) -> None:
    with pytest.raises(ZeroDivisionError), memory({"k": b"x"}).open("k") as f:
        _ = 1 / 0
    assert f.closed


def test_B15_an_empty_object_is_one_request(server_bucket: tuple[str, Any]) -> None:
    url, client = server_bucket
    client.put("empty", b"")
    client.put("empty.parquet", b"")
    client.put("tiny.parquet", b"abc")
    for name, body in [("empty", b""), ("empty.parquet", b""), ("tiny.parquet", b"abc")]:
        with open(f"{url}/{name}", "rb", client=client) as f:
            assert f.read() == body
            assert f.size == len(body)
            assert f.stats().requests == 1 or name != "empty"
            assert f.seek(0, 2) == len(body)


@pytest.fixture
def server_bucket(server: Any, bucket: str, tmp_path: Any) -> Any:
    """The bucket of each server, with a rootless client."""
    from s3nb import S3

    with S3(tmproot=tmp_path, **server.options()) as client:
        put = client.put
        client.put = lambda key, body: put(f"s3://{bucket}/{key}", body)  # type: ignore[method-assign, assignment]
        yield f"s3://{bucket}", client


def whole(m: Memory) -> None:
    """Make the server ignore ranges."""
    serve = m.wire._GetObject

    def ignoring(request: Any, query: Any, headers: Any, sent: bytes) -> Any:
        return serve(request, query, {k: v for k, v in headers.items() if k != "range"}, sent)

    m.wire._GetObject = ignoring  # type: ignore[method-assign]


@pytest.mark.parametrize("key", ["k", "k.zip"])
def test_B16_a_server_that_ignores_ranges(key: str, memory: Make) -> None:
    m = memory({key: BLOB * 2, "small": b"abc"})
    whole(m)
    with m.open(key) as f:
        f.seek(17 * MIB)
        assert f.read(1000) == (BLOB * 2)[17 * MIB : 17 * MIB + 1000]
        f.seek(10)
        assert f.read() == (BLOB * 2)[10:]
    with m.open("small") as f:
        assert f.read() == b"abc"


def test_B16_another_range_than_was_asked_for_is_an_error(memory: Make) -> None:
    m = memory({"k": BLOB})
    serve = m.wire._GetObject

    def shifted(request: Any, query: Any, headers: Any, sent: bytes) -> Any:
        status, found, body = serve(request, query, headers, sent)
        if headers.get("range", "").startswith("bytes=0-"):
            return status, found, body
        first, last = headers["range"][6:].split("-")
        headers = {**headers, "range": f"bytes={int(first) - 1}-{int(last) - 1}"}
        return serve(request, query, headers, sent)

    m.wire._GetObject = shifted  # type: ignore[method-assign]
    with m.open("k") as f, pytest.raises(s3nb.IntegrityError, match="asked for"):
        f.seek(5 * MIB)
        f.read(10)


def test_B17_a_checksum_of_the_whole_object_on_a_range_disturbs_nothing(memory: Make) -> None:
    m = memory({"k": BLOB})
    serve = m.wire._GetObject

    def echoing(*arguments: Any) -> Any:
        status, found, body = serve(*arguments)
        return status, {**found, "x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT"}, body

    m.wire._GetObject = echoing  # type: ignore[method-assign]
    with m.open("k") as f:
        f.seek(MIB)
        assert f.read(3 * MIB) == BLOB[MIB : 4 * MIB]


# -- objects that change


def test_V1_the_first_reply_pins_the_version(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k") as f:
        f.read(2 * MIB)
    etag = m.wire._current("bkt", "k").etag  # type: ignore[union-attr]
    assert "If-Match" not in dict(m.wire.log[0].headers)
    assert len(m.wire.log) > 1
    assert all(dict(r.headers)["If-Match"] == f'"{etag}"' for r in m.wire.log[1:])


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize("size", [len(BLOB), len(BLOB) - 5, 10])
def test_V1_V2_bytes_of_two_versions_are_never_mixed(honest: bool, size: int, memory: Make) -> None:
    m = memory({"k": BLOB})
    if not honest:  # the server ignores If-Match
        serve = m.wire._GetObject
        m.wire._GetObject = lambda r, q, h, b: serve(r, q, {k: v for k, v in h.items() if k != "if-match"}, b)  # type: ignore[method-assign]
    with m.open("k") as f:
        assert f.read(1000) == BLOB[:1000]
        m.wire.store("bkt", "k", BLOB[::-1][:size])
        f.seek(5 * MIB)
        with pytest.raises((ObjectChanged, OSError)) as caught:
            f.read(1000)
        if honest or size > 6 * MIB:
            assert isinstance(caught.value, ObjectChanged)
            assert caught.value.errno == errno.ESTALE
        f.seek(0)
        assert f.read(1000) == BLOB[:1000]  # what is in memory is of the first version


def test_V1_a_server_that_knows_no_conditions_is_served_without(memory: Make) -> None:
    m = memory({"k": BLOB})
    serve = m.wire._GetObject

    def refusing(request: Any, query: Any, headers: Any, sent: bytes) -> Any:
        if "if-match" in headers:
            return 501, {}, b"<Error><Code>NotImplemented</Code></Error>"
        return serve(request, query, headers, sent)

    m.wire._GetObject = refusing  # type: ignore[method-assign]
    with m.open("k") as f:
        assert f.read() == BLOB
        m.wire.store("bkt", "k", BLOB[::-1])
        f.seek(5 * MIB)
        with pytest.raises(ObjectChanged):
            f.read(10)


def test_V3_pin_goes_on_with_the_version_that_was_opened(memory: Make) -> None:
    m = memory({"k": BLOB}, versioned=True)
    with m.open("k", on_change="pin") as f:
        f.read(10)
        m.wire.store("bkt", "k", b"new")
        f.seek(0)
        assert f.read() == BLOB
        assert f.version_id == "v1"


def test_V4_deleted_meanwhile(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k") as f:
        m.wire._delete("bkt", "k", None)
        f.seek(5 * MIB)
        with pytest.raises(FileNotFoundError):
            f.read(10)


def test_V5_a_version_is_read_as_long_as_it_is_there(memory: Make) -> None:
    m = memory(versioned=True)
    old = m.wire.store("bkt", "k", BLOB)
    m.wire.store("bkt", "k", b"new")
    with m.open("k", version_id=old.version_id) as f:
        assert f.read() == BLOB
        assert f.version_id == old.version_id
    with pytest.raises(FileNotFoundError):
        m.open("k", version_id="none")


def test_reading_under_an_etag(memory: Make) -> None:
    m = memory({"k": b"abc"})
    etag = m.open("k").etag
    assert m.open("k", if_match=etag).read() == b"abc"
    with pytest.raises(ObjectChanged):
        m.open("k", if_match="0" * 32)


# -- under fire


def test_a_body_that_is_cut_goes_on_from_where_it_was(memory: Make) -> None:
    m = memory({"k": BLOB}, piece=100_000)
    m.wire.faults.append(Fault(operation="GetObject", wire="reset", after=0.5, times=3))
    with m.open("k") as f:
        assert f.read() == BLOB
        assert f.stats().resumed >= 1
    sent = [dict(r.headers) for r in m.wire.log]
    assert all("If-Match" in h for h in sent if not h["Range"].startswith("bytes=0-"))


def test_a_small_object_is_compared_with_its_digest_before_its_end_is_given_out(memory: Make) -> None:
    m = memory({"k": BLOB[:MIB]}, piece=100_000)
    m.wire.faults.append(Fault(operation="GetObject", flip=True, times=1))
    with m.open("k") as f:
        assert f.read() == BLOB[:MIB]
        assert f.verified == "etag"
        assert f.stats().requests == 2
    m.wire.faults[:] = [Fault(operation="GetObject", flip=True, times=None)]
    with m.open("k") as f, pytest.raises(s3nb.IntegrityError, match="etag"):
        f.read()


def test_a_body_that_is_cut_again_and_again_is_an_error(memory: Make) -> None:
    m = memory({"k": BLOB})
    with m.open("k") as f:
        m.wire.faults.append(Fault(operation="GetObject", wire="reset", times=None))
        f.seek(5 * MIB)
        with pytest.raises(OSError):
            f.read(10)
        m.wire.faults.clear()
        assert f.read(10) == BLOB[5 * MIB :][:10]  # the file is as good as before


def test_a_request_that_does_not_begin_is_sent_again_beside(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.Link, "patience", 0.01)
    m = memory({"k": BLOB})
    hold = threading.Event()
    with m.open("k") as f:
        m.wire.faults.append(Fault(operation="GetObject", hold=hold))
        f.seek(5 * MIB)
        assert f.read(10) == BLOB[5 * MIB :][:10]
        assert f.stats().hedged == 1
    hold.set()


def test_a_buffer_is_let_go_as_soon_as_it_is_filled_or_nothing_comes(memory: Make) -> None:
    gc.disable()  # CPython 3.12.1 has died of what the collector found of this
    try:
        m = memory({"k": BLOB})
        with m.open("k") as f:
            f.read(100)
            for fill in (f.readinto, lambda buffer: f.readinto_at(1000, buffer)):
                buffer = bytearray(5 * MIB)
                assert fill(buffer) == 5 * MIB
                buffer.append(0)  # a BufferError while somebody holds it
            m.wire.faults.append(Fault(operation="GetObject", status=403, code="AccessDenied", times=None))
            buffer = bytearray(4 * MIB)
            with pytest.raises(PermissionError):
                f.readinto_at(len(BLOB) - 4 * MIB, buffer)
            buffer.append(0)
    finally:
        gc.enable()


def test_what_is_sent_beside_prolongs_no_patience(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan.Link, "patience", 0.0)
    monkeypatch.setattr(plan.Link, "may_hedge", lambda _: True)
    monkeypatch.setattr(remote, "_SLICE", 0.001)
    m = memory({"k": b"there in the end"})
    m.wire.faults.append(Fault(wire="timeout", times=40))  # a request has four tries
    with pytest.raises(TimeoutError):
        m.open("k")
    assert len(m.wire.log) <= 4 + 3 + 2 + 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "number"),
    [
        (404, "NoSuchKey", FileNotFoundError, errno.ENOENT),
        (404, "NoSuchBucket", FileNotFoundError, errno.ENOENT),
        (403, "AccessDenied", PermissionError, errno.EACCES),
        (403, "InvalidAccessKeyId", PermissionError, errno.EACCES),
        (403, "SignatureDoesNotMatch", PermissionError, errno.EACCES),
        (403, "InvalidObjectState", PermissionError, errno.EACCES),
        (503, "SlowDown", OSError, errno.EBUSY),
        (500, "InternalError", OSError, errno.EIO),
    ],
)
def test_errors_of_open_are_those_of_files(status: int, code: str, kind: Any, number: int, memory: Make) -> None:
    m = memory({"k": b""})
    m.wire.faults.append(Fault(operation="GetObject", status=status, code=code, times=None))
    with pytest.raises(kind) as caught:
        m.open("k")
    error = caught.value
    assert isinstance(error, s3nb.S3Error)
    assert (error.errno, error.filename, error.code, error.status) == (number, "s3://bkt/k", code, status)
    assert error.request_id == "INJECTED"
    if code == "AccessDenied":
        assert "missing key" in str(error)
    if code == "InvalidObjectState":
        assert "restore" in str(error)


@pytest.mark.parametrize(("wire", "kind"), [("timeout", TimeoutError), ("connect", ConnectionError)])
def test_errors_of_the_network(wire: str, kind: Any, memory: Make) -> None:
    m = memory({"k": b""})
    m.wire.faults.append(Fault(operation="GetObject", wire=wire, times=None))
    with pytest.raises(kind):
        m.open("k")


def test_columns_of_parquet_are_fetched_ahead_and_nothing_else(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "IN_MEMORY", MIB)
    monkeypatch.setattr(plan.Link, "gap", 1000)  # or the chunks would be near each other
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rng, blob = random.Random(5), io.BytesIO()
    table = pyarrow.table({f"c{n}": [rng.random() for _ in range(80_000)] for n in range(6)})
    parquet.write_table(table, blob, row_group_size=10_000, compression="none", use_dictionary=False)
    m = memory({"k.parquet": blob.getvalue(), "cut.parquet": blob.getvalue()[:-9] + b"xxxxxPAR1"})
    with m.open("k.parquet") as f:
        chunks = [parquet.read_metadata(io.BytesIO(blob.getvalue())).row_group(g).column(3) for g in range(8)]
        for n, chunk in enumerate(chunks):
            f.seek(chunk.data_page_offset)
            assert (
                f.read(chunk.total_compressed_size)
                == blob.getvalue()[f.tell() - chunk.total_compressed_size : f.tell()]
            )
            if n == 1:
                sent = len(m.wire.log)
        assert len(m.wire.log) == sent  # all of them were asked for when the second was read
        assert f.stats().received <= plan.TAIL + sum(c.total_compressed_size for c in chunks)
    with m.open("cut.parquet") as f:  # a footer that is none is no business of ours
        f.seek(10)
        assert f.read(10) == blob.getvalue()[10:20]


def _here_and_there(f: Any, count: int) -> None:
    rng = random.Random(3)
    for _ in range(count):
        at = rng.randrange(len(BLOB) - 4096)
        f.seek(at)
        assert f.read(4096) == BLOB[at : at + 4096]


def test_so_many_reads_here_and_there_and_the_rest_is_fetched_at_once(
    memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "IN_MEMORY", MIB)  # BLOB is of middle size
    monkeypatch.setattr(plan.Link, "pays", lambda _, waits, left: waits >= 5)
    m = memory({"k": BLOB})
    with m.open("k") as f:
        _here_and_there(f, 200)
        assert f.stats().requests < 25
        assert f.stats().received <= len(BLOB) + MIB  # each byte once; of the opening request, some may come twice
        sent = m.wire.requests()
        _here_and_there(f, 200)
        assert m.wire.requests() == sent


@pytest.mark.parametrize("how", ["exact", "no room"])
def test_it_is_not_when_that_is_not_wanted_or_there_is_no_room(
    how: str, memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan.Link, "pays", lambda _, waits, left: waits >= 5)
    if how == "no room":
        monkeypatch.setattr(plan, "IN_MEMORY", MIB)
        monkeypatch.setattr(MEMORY, "limit", 32 * MIB)  # a fourth is less than BLOB
    with memory({"k": BLOB}).open("k", buffering=0 if how == "exact" else -1) as f:
        _here_and_there(f, 40)
        assert f.stats().requests > 30
        assert f.stats().received < 5 * MIB
