"""C1 to C4: exclusive, guarded and appending writes; and modes that read and write."""

from __future__ import annotations

import errno
import io
import os
import random
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3nb import S3, ConditionsIgnoredWarning, ObjectChanged, open
from s3nb.files import spool
from s3nb.testing import Fault, MemoryWire

from .conftest import Bucket, Memory

Make = Callable[..., Memory]
MIB = 1 << 20


def size_of(blob: bytes | None) -> str:
    return "none" if blob is None else str(len(blob))


@pytest.mark.parametrize("mode", ["x", "xb", "xt", "x+b", "x+"])
def test_C1_exclusive_is_refused_at_open(mode: str, memory: Make) -> None:
    m = memory({"k": b"old"})
    with pytest.raises(FileExistsError) as caught:
        m.open("k", mode)
    assert caught.value.errno == errno.EEXIST
    assert caught.value.filename == "s3://bkt/k"
    assert [r.operation for r in m.wire.log] == ["HeadObject"]


@pytest.mark.parametrize("size", [0, 5, 9 * MIB])
@pytest.mark.parametrize("mode", ["xb", "x+b"])
def test_C1_and_again_at_the_end_if_somebody_was_quicker(mode: str, size: int, memory: Make) -> None:
    m = memory()
    f = m.open("k", mode)
    f.write(bytes(size))
    m.wire.store("bkt", "k", b"quicker")
    with pytest.raises(FileExistsError):
        f.close()
    assert f.closed
    assert m.wire.body("bkt", "k") == b"quicker"
    assert m.wire.uploads == {}
    with m.open("new", mode) as f:
        f.write(bytes(size))
    assert m.wire.body("bkt", "new") == bytes(size)


def test_C1_a_conflict_is_a_lost_race_if_there_is_an_object_now(memory: Make) -> None:
    m = memory()
    f = m.open("k", "xb")
    m.wire.faults.append(
        Fault(
            operation="PutObject", status=409, code="ConditionalRequestConflict", times=None,
            then=lambda: m.wire.store("bkt", "k", b"theirs"),
        )
    )  # fmt: skip
    with pytest.raises(FileExistsError):
        f.close()
    m.wire._delete("bkt", "k", None)
    m.wire.faults[:] = [Fault(operation="PutObject", status=409, code="ConditionalRequestConflict", times=1)]
    m.open("k", "xb").close()
    assert m.wire.body("bkt", "k") == b""


def test_C1_on_real_servers(server: Any, bucket: str) -> None:
    with S3(**server.options()) as client:
        url = f"s3://{bucket}/k"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConditionsIgnoredWarning)
            first, second = open(url, "xb", client=client), open(url, "xb", client=client)
            first.write(b"first")
            first.close()
            second.write(bytes(9 * MIB))
            with pytest.raises(FileExistsError):
                second.close()
        assert open(url, "rb", client=client).read() == b"first"
        boto = server.boto3_client()
        assert not boto.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("size", [1, 9 * MIB])
@pytest.mark.parametrize("if_match", ["current", "etag"])
def test_C2_compare_and_swap(if_match: str, size: int, memory: Make) -> None:
    m = memory({"k": b"old"})
    asked = m.wire._current("bkt", "k").etag if if_match == "etag" else "current"  # type: ignore[union-attr]
    with m.open("k", "wb", if_match=asked) as f:
        f.write(bytes(size))
    assert m.wire.body("bkt", "k") == bytes(size)
    f = m.open("k", "wb", if_match="current")
    f.write(b"x" * size)
    m.wire.store("bkt", "k", b"theirs")
    with pytest.raises(ObjectChanged) as caught:
        f.close()
    assert caught.value.errno == errno.ESTALE
    assert m.wire.body("bkt", "k") == b"theirs"
    assert m.wire.uploads == {}


def test_C2_current_of_nothing_is_exclusive(memory: Make) -> None:
    m = memory()
    f = m.open("k", "wb", if_match="current")
    m.wire.store("bkt", "k", b"theirs")
    with pytest.raises(FileExistsError):
        f.close()


def test_C2_replacing_what_is_gone(memory: Make) -> None:
    m = memory({"k": b"old"})
    f = m.open("k", "wb", if_match="current")
    m.wire._delete("bkt", "k", None)
    with pytest.raises(ObjectChanged):
        f.close()


def test_C2_on_real_servers(server: Any, bucket: str) -> None:
    with S3(**server.options()) as client:
        url = f"s3://{bucket}/k"
        open(url, "wb", client=client).close()
        for n in range(2):
            with open(url, "wb", client=client, if_match="current") as f:
                f.write(b"%d" % n)
        stale = open(url, "wb", client=client, if_match="current")
        with open(url, "wb", client=client) as f:
            f.write(b"theirs")
        stale.write(b"mine")
        with pytest.raises(ObjectChanged):
            stale.close()
        assert open(url, "rb", client=client).read() == b"theirs"


@pytest.mark.parametrize(
    "old", [None, b"", b"old", bytes(4 * MIB), os.urandom(5 * MIB + 3), os.urandom(20 * MIB)], ids=size_of
)
@pytest.mark.parametrize("new", [b"", b"new", os.urandom(9 * MIB)], ids=size_of)
def test_C3_append(old: bytes | None, new: bytes, memory: Make) -> None:
    m = memory()
    if old is not None:
        m.wire.store(
            "bkt", "k", old, {"content-type": "a/b", "x-amz-meta-who": "me", "x-amz-storage-class": "STANDARD_IA"}
        )
    with m.open("k", "ab") as f:
        assert f.tell() == len(old or b"")
        f.write(new)
        assert f.tell() == len(old or b"") + len(new)
    assert m.wire.body("bkt", "k") == (old or b"") + new
    if old is not None:
        kept = m.wire._current("bkt", "k").headers  # type: ignore[union-attr]
        assert (kept["content-type"], kept["x-amz-meta-who"], kept["x-amz-storage-class"]) == (
            "a/b",
            "me",
            "STANDARD_IA",
        )
    if old is not None and not new:
        assert [r.operation for r in m.wire.log] == ["HeadObject"]
    if old and len(old) > 5 * MIB and new:
        assert not m.wire.requests("GetObject")  # the old bytes never came here


@pytest.mark.parametrize("old", [b"old", os.urandom(6 * MIB)], ids=size_of)
@pytest.mark.parametrize("when", ["before the first byte", "before the end"])
def test_C3_of_two_appenders_one_is_told(when: str, old: bytes, memory: Make) -> None:
    m = memory({"k": old})
    f = m.open("k", "ab")
    if when == "before the end":
        f.write(b"mine")
    with m.open("k", "ab") as g:
        g.write(b"theirs")
    with pytest.raises(ObjectChanged):
        f.write(b"more")
        f.close()
    f.abort()
    assert m.wire.body("bkt", "k") == old + b"theirs"
    assert m.wire.uploads == {}


def test_C3_an_append_that_makes_the_object_is_exclusive(memory: Make) -> None:
    m = memory()
    f = m.open("k", "a")
    m.wire.store("bkt", "k", b"theirs")
    f.write("mine")
    with pytest.raises(FileExistsError):
        f.close()
    assert m.wire.body("bkt", "k") == b"theirs"


@pytest.mark.parametrize("mode", ["ab", "r+b", "a+b"])
@pytest.mark.parametrize("size", [3, 6 * MIB])
def test_C3_tags_are_carried_over_unless_others_are_given(mode: str, size: int, at: str, inside: Bucket) -> None:
    inside.put("k", bytes(size), Tagging="a+b=c%2Bd&empty=")

    def tags() -> dict[str, str]:
        found = inside.boto.get_object_tagging(Bucket=inside.name, Key="k")["TagSet"]
        return {t["Key"]: t["Value"] for t in found}

    with open(at + "k", mode) as f:
        f.write(b"x")
    assert tags() == {"a b": "c+d", "empty": ""}
    with open(at + "k", mode, tags={"other": "1"}) as f:
        f.write(b"x")
    assert tags() == {"other": "1"}


def test_C3_over_http(at: str, inside: Bucket) -> None:
    blob = os.urandom(6 * MIB)
    inside.put("k", blob, ContentType="a/b", Metadata={"who": "me"})
    with open(at + "k", "ab") as f:
        f.write(b"tail")
    assert inside.get("k") == blob + b"tail"
    assert (inside.head("k")["ContentType"], inside.head("k")["Metadata"]) == ("a/b", {"who": "me"})
    with open(at + "log", "a") as f:
        f.write("one\n")
    with open(at + "log", "a") as f:
        f.write("two\n")
    assert inside.get("log") == b"one\ntwo\n"


def ignoring() -> MemoryWire:
    """Return a server that ignores all conditions, as some do."""
    wire = MemoryWire({"bkt": {"old": b"old"}})
    serve = wire._serve
    wire._serve = lambda request, sent: serve(  # type: ignore[method-assign]
        type(request)(request.operation, request.method, request.bucket, request.key, query=request.query, body=request.body,
                      headers=[h for h in request.headers if h[0].lower() not in ("if-match", "if-none-match")]), sent,
    )  # fmt: skip
    return wire


def test_C4_a_server_that_ignores_conditions_is_found_out_once() -> None:
    with S3(wire=ignoring()) as client:
        with pytest.warns(ConditionsIgnoredWarning, match="s3://bkt/k"):
            open("s3://bkt/k", "xb", client=client).close()
        with pytest.warns(ConditionsIgnoredWarning), open("s3://bkt/old", "wb", client=client, if_match="current") as f:
            f.write(b"xx")
        with pytest.warns(ConditionsIgnoredWarning), open("s3://bkt/old", "ab", client=client) as f:
            f.write(b"y")
        wire: Any = client._core.engine.wire
        # x: before, and asked; the others: before; and one question of another kind, of which nothing is left
        assert [wire.requests(n) for n in ("HeadObject", "PutObject", "DeleteObject")] == [4, 4, 1]
        assert sorted(wire.buckets["bkt"]) == ["k", "old"]
        assert wire.body("bkt", "old") == b"xxy"


class OfReadsOnly(MemoryWire):
    """A server that knows conditions of GET and HEAD, and ignores those of PUT."""

    def _condition(self, *_: Any) -> None:
        return None


@pytest.mark.parametrize("versioned", [False, True])
def test_C4_one_that_knows_conditions_of_reads_only_is_found_out_as_well(versioned: bool) -> None:
    wire = OfReadsOnly({"bkt": {"in/old": b"old"}}, versioned=versioned)
    with S3(wire=wire) as client:
        for _ in range(2):
            with (
                pytest.warns(ConditionsIgnoredWarning, match="s3://bkt/in/old"),
                open("s3://bkt/in/old", "wb", client=client, if_match="current") as f,
            ):
                f.write(b"new")
        assert wire.requests("DeleteObject") == 1
        assert [k for k, held in wire.buckets["bkt"].items() if held] == [
            "in/old"
        ]  # no version of a probe, and no marker


def test_C4_a_question_that_cannot_be_taken_back_is_named() -> None:
    wire = OfReadsOnly({"bkt": {"old": b"old"}})
    wire.faults.append(Fault(operation="DeleteObject", status=403, code="AccessDenied", times=None))
    with (
        S3(wire=wire) as client,
        pytest.warns(ConditionsIgnoredWarning, match="the server ignores"),
        pytest.warns(ConditionsIgnoredWarning, match=r"s3nb-probe-\w{32}, of no bytes.*not be removed"),
        open("s3://bkt/old", "wb", client=client, if_match="current") as f,
    ):
        f.write(b"new")
    assert wire.body("bkt", "old") == b"new"


@pytest.mark.parametrize("status", [403, 501])
def test_C4_who_may_not_ask_is_told_nothing(status: int, memory: Make) -> None:
    m = memory({"k": b"old"})
    m.wire.faults.append(Fault(operation="PutObject", key="probe", status=status, code="AccessDenied", times=None))
    with m.open("k", "wb", if_match="current") as f:
        f.write(b"new")
    assert m.wire.body("bkt", "k") == b"new"


def test_C4_one_that_heeds_them_keeps_nothing_of_the_question(memory: Make) -> None:
    m = memory({"k": b"old"})
    for _ in range(3):
        with m.open("k", "wb", if_match="current") as f:
            f.write(b"new")
    assert m.wire.requests("PutObject") == 4
    assert list(m.wire.buckets["bkt"]) == ["k"]


def test_C4_parts_are_not_made_an_object_if_the_condition_does_not_hold() -> None:
    wire = ignoring()
    with S3(wire=wire) as client:
        f = open("s3://bkt/k", "xb", client=client)
        f.write(bytes(9 * MIB))
        wire.store("bkt", "k", b"theirs")
        with pytest.raises(FileExistsError):
            f.close()
        assert wire.body("bkt", "k") == b"theirs"


def test_C4_others_are_not_suspected(memory: Make) -> None:
    memory().open("k", "xb").close()  # warnings are errors here


# -- reading and writing


STEPS = st.one_of(
    st.tuples(st.just("write"), st.binary(max_size=50)),
    st.tuples(st.just("read"), st.integers(-1, 40)),
    st.tuples(st.just("seek"), st.integers(0, 120)),
    st.tuples(st.just("seek2"), st.integers(-10, 10)),
    st.tuples(st.just("truncate"), st.integers(0, 120)),
    st.tuples(st.just("readline"), st.integers(-1, 40)),
    st.tuples(st.just("tell"), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=12), mode=st.sampled_from(["r+b", "w+b", "a+b"]))
def test_plus_modes_do_what_a_local_file_does(steps: list[Any], mode: str, tmp_path: Any, held: Any) -> None:
    old = b"line one\nline two\n" * 3
    path = tmp_path / "f"
    path.write_bytes(old)
    client, wire = held
    wire.store("bkt", "k", old)
    with open("s3://bkt/k", mode, client=client) as ours, open(path, mode) as theirs:
        for name, value in steps:
            if name == "tell":
                assert ours.tell() == theirs.tell()
            elif name == "seek2":
                to = max(-theirs.seek(0, 2), value)
                assert ours.seek(to, 2) == theirs.seek(to, 2)
            else:
                assert getattr(ours, name)(value) == getattr(theirs, name)(value), (name, value)
                if name == "write" and value and mode == "a+b":
                    theirs.seek(0, 2)  # where it has written, but CPython's tell() does not know
    assert wire.body("bkt", "k") == path.read_bytes()


@pytest.fixture(scope="module")
def held() -> Any:
    wire = MemoryWire({"bkt": {}})
    with S3(wire=wire) as client:
        yield client, wire


@pytest.mark.parametrize("mode", ["r+", "w+", "a+", "x+"])
def test_plus_modes_in_text(mode: str, memory: Make, tmp_path: Any) -> None:
    m = memory({} if mode == "x+" else {"k": "äb\r\nc".encode()})
    if mode != "x+":
        (tmp_path / "f").write_bytes("äb\r\nc".encode())
    with m.open("k", mode) as ours, io.open(tmp_path / "f", mode, encoding="utf-8") as theirs:  # noqa: UP020
        for f in (ours, theirs):
            f.write("neu\n")
            f.seek(0)
        assert ours.read() == theirs.read()
    assert m.wire.body("bkt", "k") == (tmp_path / "f").read_bytes()


def test_a_clean_close_of_r_plus_sends_nothing(memory: Make) -> None:
    m = memory({"k": b"old"})
    with m.open("k", "r+b") as f:
        assert f.read() == b"old"
    assert [r.operation for r in m.wire.log] == ["GetObject"]


def test_r_plus_of_nothing_and_what_others_do(memory: Make) -> None:
    m = memory()
    with pytest.raises(FileNotFoundError):
        m.open("k", "r+b")
    m.open("a", "a+b").close()
    m.open("w", "w+b").close()
    assert (m.wire.body("bkt", "a"), m.wire.body("bkt", "w")) == (b"", b"")


def test_r_plus_replaces_only_what_it_has_read(memory: Make) -> None:
    m = memory({"k": b"old"})
    f = m.open("k", "r+b")
    f.write(b"mine")
    m.wire.store("bkt", "k", b"theirs")
    with pytest.raises(ObjectChanged):
        f.close()
    assert m.wire.body("bkt", "k") == b"theirs"


def test_r_plus_keeps_type_and_metadata(memory: Make) -> None:
    m = memory()
    m.wire.store("bkt", "k", b"old", {"content-type": "a/b", "x-amz-meta-who": "me"})
    with m.open("k", "r+b") as f:
        f.write(b"new")
    kept = m.wire._current("bkt", "k").headers  # type: ignore[union-attr]
    assert (kept["content-type"], kept["x-amz-meta-who"]) == ("a/b", "me")


def test_a_large_file_is_worked_on_on_disk(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", MIB)
    blob = random.Random(2).randbytes(20 * MIB)
    m = memory({"k": blob})
    with m.open("k", "r+b") as f:
        assert f._on_disk
        f.seek(10 * MIB)
        f.write(b"middle")
        f.seek(0, 2)
        f.write(b"end")
    assert m.wire.body("bkt", "k") == blob[: 10 * MIB] + b"middle" + blob[10 * MIB + 6 :] + b"end"
    with m.open("w", "w+b") as f:
        f.write(blob[: 2 * MIB])
        assert f._on_disk
        f.seek(5)
        assert f.read(10) == blob[5:15]
    assert m.wire.body("bkt", "w") == blob[: 2 * MIB]


def test_zipfile_in_mode_a_does_not_truncate_the_archive(at: str, inside: Bucket) -> None:
    with open(at + "a.zip", "wb") as f, zipfile.ZipFile(f, "w") as z:
        z.writestr("one", b"1" * 1000)
    with open(at + "a.zip", "r+b") as f, zipfile.ZipFile(f, "a") as z:
        z.writestr("two", b"2" * 1000)
    with open(at + "a.zip", "rb") as f, zipfile.ZipFile(f) as z:
        assert z.namelist() == ["one", "two"]
        assert z.testzip() is None


def test_what_plus_modes_have(memory: Make) -> None:
    m = memory({"k": b"abc\ndef"})
    f = m.open("k", "r+b")
    assert (f.name, f.mode, f.readable(), f.writable(), f.seekable()) == ("s3://bkt/k", "rb+", True, True, True)
    buffer = bytearray(2)
    assert f.readinto(buffer) == 2
    assert (f.peek(1)[:1], f.read1(1), f.readlines()) == (b"c", b"c", [b"\n", b"def"])
    with pytest.raises(io.UnsupportedOperation):
        f.fileno()
    with pytest.raises(OSError):
        f.seek(-1)
    f.abort()
    with pytest.raises(ValueError, match="closed"):
        f.read()


def test_a_copy_that_the_disk_has_no_room_for_does_not_replace_the_object(
    memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = memory({"k": b"before"})
    monkeypatch.setattr(spool, "IN_MEMORY", 10)

    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(spool.tempfile, "TemporaryFile", Full)
    for mode, text in (("r+b", bytes(20)), ("w+", "x" * 20)):
        f = m.open("k", mode)
        with pytest.raises(OSError, match="no space"):
            f.write(text)
            f.flush()
        with pytest.raises(OSError, match="no space"):
            f.close()
    assert m.wire.body("bkt", "k") == b"before"
