"""W1 to W19: writers, failures, aborts."""

from __future__ import annotations

import array
import gc
import gzip
import io
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import s3nb
from s3nb import open
from s3nb.errors import BucketNotFound
from s3nb.files import upload, writer
from s3nb.files.budget import MEMORY
from s3nb.testing import Fault

from .conftest import Bucket, Memory

Make = Callable[..., Memory]
MIB = 1 << 20
MODES: list[tuple[str, dict[str, Any]]] = [
    ("wb", {}),
    ("w", {}),
    ("wt", {}),
    ("wb", {"compression": "gzip"}),
    ("wt", {"compression": "gzip"}),
    ("ab", {}),
    ("a", {}),
    ("r+", {}),
    ("r+b", {}),
    ("w+", {}),
    ("w+b", {}),
    ("a+", {}),
    ("a+b", {}),
    ("wb", {"if_match": "current"}),
]
NEW: list[tuple[str, dict[str, Any]]] = [
    ("x", {}),
    ("xb", {}),
    ("x+", {}),
    ("x+b", {}),
    ("xt", {"compression": "gzip"}),
]


def fill(f: Any, size: int) -> None:
    text = isinstance(f, io.TextIOBase)
    for _ in range(max(1, size // 100_000)):
        f.write("y" * min(size, 100_000) if text else os.urandom(min(size, 100_000)))


@pytest.mark.parametrize("size", [1, 17 * MIB], ids=["small", "in parts"])
@pytest.mark.parametrize(("mode", "options"), MODES, ids=lambda v: str(v))
def test_W1_W2_W3_W4_an_exception_in_with_changes_nothing(
    mode: str, options: dict[str, Any], size: int, memory: Make
) -> None:
    m = memory({"k": b"old"})
    with pytest.raises(ZeroDivisionError), m.open("k", mode, **options) as f:
        fill(f, size)
        _ = 1 / 0
    assert f.closed
    assert m.wire.body("bkt", "k") == b"old"
    assert m.wire.uploads == {}
    assert not m.wire.requests("PutObject")
    f.close()
    assert m.wire.body("bkt", "k") == b"old"


@pytest.mark.parametrize("size", [1, 17 * MIB], ids=["small", "in parts"])
@pytest.mark.parametrize(("mode", "options"), NEW, ids=lambda v: str(v))
def test_W1_nor_does_it_make_a_new_object(mode: str, options: dict[str, Any], size: int, memory: Make) -> None:
    m = memory()
    with pytest.raises(ZeroDivisionError), m.open("k", mode, **options) as f:
        fill(f, size)
        _ = 1 / 0
    assert m.wire.body("bkt", "k") is None
    assert m.wire.uploads == {}


@pytest.mark.parametrize("mode", ["wb", "w", "ab"])
def test_W4_over_http_with_parts_under_way(mode: str, at: str, inside: Bucket) -> None:
    inside.put("k", b"old")
    with pytest.raises(ZeroDivisionError), open(at + "k", mode) as f:
        fill(f, 12 * MIB)
        assert f.tell() > 12_000_000
        _ = 1 / 0
    assert inside.get("k") == b"old"
    assert inside.uploads() == []


@pytest.mark.parametrize(("mode", "options"), [*MODES, *NEW], ids=lambda v: str(v))
def test_W5_a_writer_that_nobody_closes_aborts_and_says_so(
    mode: str, options: dict[str, Any], memory: Make, caplog: pytest.LogCaptureFixture
) -> None:
    key = "new" if "x" in mode else "k"
    m = memory({"k": b"old"})
    f = m.open(key, mode, **options)
    fill(f, 9 * MIB)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del f
        gc.collect()
    assert [w.category for w in caught if "unclosed" in str(w.message)][:1] == [ResourceWarning]
    said = f"s3://bkt/{key}: nothing was written, as the file was never closed: use a with block, or close()"
    assert caplog.messages == [said]  # a ResourceWarning is shown to those who ask for it
    for _ in range(1000):
        if not m.wire.uploads:
            break
        threading.Event().wait(0.01)  # the abort is sent by another thread
    assert m.wire.body("bkt", "k") == b"old"
    assert m.wire.body("bkt", "new") is None
    assert m.wire.uploads == {}


@pytest.mark.parametrize("mode", ["wb", "w", "a", "w+b", "wt gzip"])
@pytest.mark.parametrize("holder", ["kept", "local"])
def test_W6_the_end_of_the_interpreter_aborts(mode: str, holder: str, at: str, inside: Bucket) -> None:
    mode, _, compression = mode.partition(" ")
    inside.put("k", b"old")
    code = (
        "import s3nb, sys\n"
        f"f = s3nb.open({at + 'k'!r}, {mode!r}, compression={compression or None!r})\n"
        f"for n in range(20): f.write({'b' if 'b' in mode else ''}'x' * 1_000_000)\n"
        + ("sys.kept = f\n" if holder == "kept" else "")
        + "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    said = f"{at}k: nothing was written, as the file was never closed: use a with block, or close()\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", said)
    assert inside.get("k") == b"old"
    assert inside.uploads() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_W7_whatever_leaves_the_block_aborts(kind: type[BaseException], memory: Make) -> None:
    m = memory({"k": b"old"})
    with pytest.raises(kind), m.open("k", "wb") as f:
        f.write(b"new")
        raise kind
    assert m.wire.body("bkt", "k") == b"old"


@pytest.mark.parametrize("mode", ["w", "wb", "w+b"])
def test_W7_unless_what_was_written_is_to_be_kept(mode: str, memory: Make) -> None:
    m = memory()
    with pytest.raises(ZeroDivisionError), m.open("k", mode, on_error="commit") as f:
        f.write("part" if mode == "w" else b"part")
        _ = 1 / 0
    assert m.wire.body("bkt", "k") == b"part"


def test_W8_commit_and_abort_for_those_who_wrap(memory: Make) -> None:
    m = memory({"k": b"old"})
    f = m.open("k", "wb", commit="explicit")
    with gzip.GzipFile(fileobj=f, mode="wb") as z:
        z.write(b"x")
    f.close()
    assert m.wire.body("bkt", "k") == b"old"
    f = m.open("k", "wb", commit="explicit")
    f.write(b"new")
    f.commit()
    f.close()
    assert m.wire.body("bkt", "k") == b"new"
    f = m.open("k", "w")
    f.write("newer")
    f.abort()
    assert f.closed
    assert m.wire.body("bkt", "k") == b"new"
    f = m.open("k", "w")
    f.write("newest")
    f.commit()
    assert m.wire.body("bkt", "k") == b"newest"
    with pytest.raises(ValueError, match="closed"):
        f.commit()


def test_W9_an_abort_that_fails_does_not_hide_the_users_exception(memory: Make) -> None:
    m = memory()
    m.wire.faults.append(Fault(operation="AbortMultipartUpload", status=403, code="AccessDenied", times=None))
    with pytest.raises(ZeroDivisionError) as caught, m.open("k", "wb") as f:
        fill(f, 9 * MIB)
        _ = 1 / 0
    assert "could not be aborted" in caught.value.__notes__[0]
    assert "s3://bkt/k" in caught.value.__notes__[0]


@pytest.mark.parametrize("size", [1, 17 * MIB])
@pytest.mark.parametrize("mode", ["wb", "w", "w+b"])
def test_W10_a_close_that_fails_raises_and_leaves_nothing(mode: str, size: int, memory: Make) -> None:
    m = memory({"k": b"old"})
    m.wire.faults.append(
        Fault(operation="PutObject|CompleteMultipartUpload", status=403, code="AccessDenied", times=None)
    )
    f = m.open("k", mode)
    fill(f, size)
    with pytest.raises(PermissionError):
        f.close()
    assert f.closed
    f.close()
    assert m.wire.body("bkt", "k") == b"old"
    assert m.wire.uploads == {}


@pytest.mark.parametrize("size", [0, 1, upload.PART])
def test_W11_up_to_one_part_is_one_request(size: int, memory: Make) -> None:
    m = memory()
    with m.open("k", "wb") as f:
        f.write(bytes(size))
    assert [r.operation for r in m.wire.log] == ["PutObject"]
    assert m.wire.body("bkt", "k") == bytes(size)
    with m.open("k", "wb") as f:
        f.write(bytes(size))
        f.write(b"x" * (upload.PART - size + 1))
    assert [r.operation for r in m.wire.log[1:]] == [
        "CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload",
    ]  # fmt: skip


def test_W12_a_missing_bucket_is_heard_of_before_the_end(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LOOK_AFTER", 0.0)
    m = memory()
    m.wire._HeadBucket = lambda request, *_: (404, {}, b"")  # type: ignore[method-assign]
    f = m.open("k", "wb")
    for _ in range(1000):
        if f._bucket is not None and f._bucket.done():
            break
        threading.Event().wait(0.005)
    with pytest.raises(BucketNotFound):
        f.write(b"x")
    f.abort()


def test_W12_or_at_the_first_full_part_or_at_close(at: str) -> None:
    with pytest.raises(FileNotFoundError), open("s3://no-such-bucket/k", "wb") as f:
        while f.tell() < 9 * MIB:
            f.write(bytes(MIB))
    f = open("s3://no-such-bucket/k", "wb")
    f.write(b"x")
    with pytest.raises(FileNotFoundError):
        f.close()


def test_W13_parts_are_sent_at_once_and_memory_is_bounded(memory: Make) -> None:
    m = memory()
    hold = threading.Event()
    m.wire.faults.append(Fault(operation="UploadPart", hold=hold, times=None))
    f = m.open("k", "wb", part_size=5 * MIB)
    written = []

    def write() -> None:
        for n in range(20):
            f.write(bytes([n]) * 5 * MIB)
            written.append(n)
        f.close()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(2000):
        if m.wire.requests("UploadPart") == upload.WAYS and len(written) >= upload.WAYS:
            break
        threading.Event().wait(0.005)
    assert m.wire.requests("UploadPart") == upload.WAYS
    assert len(written) in (upload.WAYS, upload.WAYS + 1)
    hold.set()
    thread.join()
    assert m.wire.body("bkt", "k") == b"".join(bytes([n]) * 5 * MIB for n in range(20))


def test_W13_large_parts_are_fewer(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "SURE_WAYS", 2)
    monkeypatch.setattr(upload, "UNDER_WAY", 15 * MIB)
    m = memory()
    hold = threading.Event()
    m.wire.faults.append(Fault(operation="UploadPart", hold=hold, times=None))
    f = m.open("k", "wb", part_size=5 * MIB)

    def write() -> None:
        for n in range(7):
            f.write(bytes([n]) * 5 * MIB)
        f.close()

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(2000):
        if m.wire.requests("UploadPart") == 3 and f.tell() >= 20 * MIB:
            break
        threading.Event().wait(0.005)
    assert (m.wire.requests("UploadPart"), f.tell()) == (3, 20 * MIB)
    hold.set()
    thread.join()
    assert m.wire.body("bkt", "k") == b"".join(bytes([n]) * 5 * MIB for n in range(7))


def test_W13_nobody_waits_for_the_reply_that_begins_it(memory: Make) -> None:
    m = memory()
    hold = threading.Event()
    m.wire.faults.append(Fault(operation="CreateMultipartUpload", hold=hold))
    blob = os.urandom(30 * MIB)
    with m.open("k", "wb") as f:
        for at in range(0, len(blob), 700_001):
            f.write(blob[at : at + 700_001])
        assert m.wire.requests("UploadPart") == 0
        hold.set()
    assert m.wire.body("bkt", "k") == blob


@pytest.mark.parametrize("farewell", [5.0, 0.0], ids=["heard of", "too late"])
def test_W4_an_upload_that_is_only_beginning_is_forgotten(
    farewell: float, memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_FAREWELL", farewell)
    m = memory({"k": b"old"})
    hold = threading.Event()
    m.wire.faults.append(Fault(operation="CreateMultipartUpload", hold=hold))
    f = m.open("k", "wb")
    f.write(bytes(20 * MIB))
    for _ in range(1000):
        if m.wire.requests("CreateMultipartUpload"):
            break
        threading.Event().wait(0.005)
    if farewell:
        threading.Timer(0.05, hold.set).start()
    f.abort()
    hold.set()
    for _ in range(1000):
        if m.wire.requests("AbortMultipartUpload") and not m.wire.uploads:
            break
        threading.Event().wait(0.005)
    assert m.wire.requests("AbortMultipartUpload") == 1
    assert m.wire.uploads == {}
    assert m.wire.requests("UploadPart") == 0
    assert m.wire.body("bkt", "k") == b"old"


def test_W13_a_refusal_to_begin_is_an_error_of_the_writer(memory: Make) -> None:
    m = memory()
    m.wire.faults.append(Fault(operation="CreateMultipartUpload", status=403, code="AccessDenied", times=None))
    f = m.open("k", "wb")
    with pytest.raises(PermissionError):
        for _ in range(300):
            f.write(bytes(MIB))
    with pytest.raises(PermissionError):
        f.close()
    assert m.wire.requests("UploadPart") == 0
    assert m.wire.body("bkt", "k") is None


def test_W14_the_sum_of_parts_is_one_of_all_bytes(memory: Make) -> None:
    m = memory()
    with m.open("k", "wb") as f:
        f.write(bytes(9 * MIB))
    told = {r.operation: dict(r.headers).get("x-amz-checksum-type") for r in m.wire.log}
    assert told == {
        "CreateMultipartUpload": "FULL_OBJECT",
        "UploadPart": None,
        "CompleteMultipartUpload": "FULL_OBJECT",
    }


def test_W14_parts_grow(memory: Make) -> None:
    parts = upload.Parts()
    assert [parts.of(n) // MIB for n in (1, 1000, 1001, 2001, 9001)] == [6, 6, 12, 24, 3072]
    assert sum(parts.of(n) for n in range(1, 10_001)) > 5 << 40
    with pytest.raises(s3nb.S3Error, match="10000 parts"):
        parts.of(10_001)
    equal = upload.Parts(equal=True)
    assert {equal.of(n) for n in (1, 5000, 10_000)} == {6 * MIB}
    hinted = upload.Parts(size_hint=1 << 40)
    assert hinted.of(1) * 10_000 >= 1 << 40


def test_W14_large_parts_are_filled_on_disk(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SPOOLED", MIB)
    m = memory()
    blob = os.urandom(13 * MIB)
    with m.open("k", "wb", part_size=5 * MIB) as f:
        for at in range(0, len(blob), 700_001):
            f.write(blob[at : at + 700_001])
    assert m.wire.body("bkt", "k") == blob
    with pytest.raises(ZeroDivisionError), m.open("k", "wb", part_size=5 * MIB) as f:
        f.write(blob)
        _ = 1 / 0
    assert m.wire.body("bkt", "k") == blob


def test_W15_any_buffer_is_written(memory: Make) -> None:
    m = memory()
    with m.open("k", "wb") as f:
        assert f.write(memoryview(array.array("i", [1, 2]))) == 8
        assert f.write(bytearray(b"abc")) == 3
        assert f.write(memoryview(b"")) == 0
        assert f.tell() == 11
        f.writelines([b"x", b"y"])
        with pytest.raises(TypeError, match="bytes-like"):
            f.write("str")
        with pytest.raises(BufferError):
            f.write(memoryview(b"abcdef")[::2])
    assert m.wire.body("bkt", "k") == array.array("i", [1, 2]).tobytes() + b"abcxy"


def test_W15_a_buffer_may_be_changed_after_the_call(memory: Make) -> None:
    m = memory()
    block = bytearray(9 * MIB)
    with m.open("k", "wb") as f:
        for n in range(3):
            block[:] = bytes([n]) * len(block)
            f.write(block)
    assert m.wire.body("bkt", "k") == b"".join(bytes([n]) * len(block) for n in range(3))


def test_W15_immutable_bytes_are_not_copied(memory: Make) -> None:
    m = memory()
    blob = bytes(40 * MIB)
    hold = threading.Event()
    m.wire.faults.append(Fault(operation="UploadPart", hold=hold, times=None))
    with m.open("k", "wb") as f:
        tracemalloc.start()
        try:
            f.write(blob)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            hold.set()
    assert peak < 20 * MIB  # the last part waits in a buffer of its own
    assert m.wire.body("bkt", "k") == blob


def test_W16_W17_what_a_writer_does_not_do(memory: Make) -> None:
    m = memory()
    f = m.open("k", "wb")
    f.write(b"abc")
    assert (f.seekable(), f.readable(), f.writable(), f.tell(), f.isatty()) == (False, False, True, 3, False)
    for call in (
        lambda: f.seek(0), lambda: f.seek(3), lambda: f.truncate(0), f.read, f.readline, lambda: f.readinto(bytearray(1)),
        f.fileno, lambda: next(f), f.read1, f.detach,
    ):  # fmt: skip
        with pytest.raises(io.UnsupportedOperation):
            call()
    f.flush()
    assert m.wire.log == []
    f.close()
    for call in (f.flush, lambda: f.write(b""), f.tell, f.seekable, f.writable, f.readable, f.fileno):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_W18_a_complete_whose_reply_was_lost_is_no_failure(memory: Make) -> None:
    m = memory()
    m.wire.faults.append(Fault(operation="CompleteMultipartUpload", wire="reset", after=1))
    with m.open("k", "wb") as f:
        f.write(bytes(9 * MIB))
    assert m.wire.body("bkt", "k") == bytes(9 * MIB)
    assert f.etag == m.wire._current("bkt", "k").etag  # type: ignore[union-attr]


def test_W18_a_complete_that_says_200_and_error_is_a_failure(memory: Make) -> None:
    m = memory({"k": b"old"})
    error = b"<Error><Code>InternalError</Code><Message>x</Message></Error>"
    m.wire.faults.append(Fault(operation="CompleteMultipartUpload", body=error, times=1))
    m.wire.faults.append(Fault(operation="CompleteMultipartUpload", status=404, code="NoSuchUpload", times=None))
    f = m.open("k", "wb")
    f.write(bytes(9 * MIB))
    # what the fault hides was done: so the object is ours after all
    f.close()
    assert m.wire.body("bkt", "k") == bytes(9 * MIB)
    other = memory({"k": b"old"})
    other.wire.faults.append(Fault(operation="CompleteMultipartUpload", status=404, code="NoSuchUpload", times=None))
    f = other.open("k", "wb")
    f.write(bytes(9 * MIB))
    with pytest.raises(s3nb.S3Error):
        f.close()
    assert other.wire.body("bkt", "k") == b"old"


def test_W18_a_put_whose_reply_was_lost_is_no_failure_under_a_condition_either(memory: Make) -> None:
    m = memory()
    m.wire.faults.append(Fault(operation="PutObject", wire="reset", after=1))
    with m.open("k", "xb") as f:
        f.write(b"new")
    assert m.wire.body("bkt", "k") == b"new"


def test_W19_what_an_object_is_told(at: str, inside: Bucket) -> None:
    with open(
        at + "a.csv", "w", metadata={"who": "me"}, tags={"a b": "c+d"}, storage_class="STANDARD_IA", encryption="AES256",
        headers={"Cache-Control": "no-cache"},
    ) as f:  # fmt: skip
        f.write("x")
    head = inside.head("a.csv")
    assert head["ContentType"] == "text/csv"
    assert (head["Metadata"], head["StorageClass"], head["ServerSideEncryption"], head["CacheControl"]) == (
        {"who": "me"}, "STANDARD_IA", "AES256", "no-cache",
    )  # fmt: skip
    tags = inside.boto.get_object_tagging(Bucket=inside.name, Key="a.csv")["TagSet"]
    assert tags == [{"Key": "a b", "Value": "c+d"}]
    assert f.etag == head["ETag"].strip('"')
    for key, kind in [
        ("x.tar.gz", "application/gzip"),
        ("x.parquet", None),
        ("x.json", "application/json"),
        ("x", None),
    ]:
        with open(at + key, "wb") as f:
            f.write(b"x")
        assert inside.head(key)["ContentType"] == kind or kind is None
    with open(at + "x.json", "wb", content_type="text/plain") as f:
        f.write(b"x" * 9 * MIB)
    assert inside.head("x.json")["ContentType"] == "text/plain"


def test_W19_the_version_that_was_written(memory: Make) -> None:
    m = memory(versioned=True)
    with m.open("k", "wb") as f:
        assert (f.etag, f.version_id) == (None, None)
    assert f.version_id == "v1"


def test_a_part_that_fails_is_heard_of_at_the_next_write(memory: Make) -> None:
    m = memory()
    m.wire.faults.append(Fault(operation="UploadPart", status=403, code="AccessDenied", times=None))
    with pytest.raises(PermissionError), m.open("k", "wb") as f:
        while f.tell() < 100 * MIB:
            f.write(bytes(MIB))
    assert m.wire.uploads == {}


def test_parts_that_fail_now_and_then_are_sent_again(memory: Make) -> None:
    m = memory()
    # four tries each: all faults may strike the same part
    m.wire.faults.append(Fault(operation="UploadPart", wire="reset", times=2))
    m.wire.faults.append(Fault(operation="UploadPart", status=500, code="InternalError", times=1))
    blob = os.urandom(30 * MIB)
    with m.open("k", "wb") as f:
        f.write(blob)
    assert m.wire.body("bkt", "k") == blob


def test_memory_is_given_back(memory: Make) -> None:
    gc.collect()
    before = MEMORY.held
    m = memory({"k": bytes(20 * MIB)})
    with m.open("k", "wb") as f:
        f.write(bytes(30 * MIB))
    with m.open("k") as f:
        f.read(MIB)
        f.seek(15 * MIB)
        f.read(100)
    with m.open("k") as f:
        for _ in iter(lambda: f.read(100_000), b""):
            pass
        assert MEMORY.held > before
    assert MEMORY.held == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_leaves_the_parents_writer_alone(at: str, inside: Bucket) -> None:
    with open(at + "k", "wb") as f:
        f.write(bytes(9 * MIB))
        child = os.fork()
        if not child:
            code = 1
            try:
                f.write(b"x")
            except ValueError:
                code = 0
            finally:
                f.close()
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        f.write(b"end")
    assert inside.get("k") == bytes(9 * MIB) + b"end"


@pytest.mark.parametrize("fate", ["found by nobody", "behind one that does not abort"])
def test_W19_a_file_that_outlives_everything_does_not_hold_up_the_end(fate: str) -> None:
    """CPython 3.11 waits for ever for a thread that is started once the interpreter is ending."""
    code = f"""
import tempfile
from s3nb import S3, open
from s3nb.files import writer
from s3nb.testing import MemoryWire

wire = MemoryWire({{"bkt": {{}}}})
client = S3(tempfile.mkdtemp(), wire=wire)
f = open("s3://bkt/k", "wb", client=client)
f.write(b"x")
writer._alive.clear()
if {fate!r} != "found by nobody":
    class Broken(writer.Abortable):
        def _discard(self, error):
            print("broken")
            raise ValueError("broken")

    broken = Broken("s3://bkt/broken")
    writer._alive = [broken, f]
    import atexit
    atexit.unregister(writer.abort_at_exit)
    atexit.register(lambda: print(f.closed))
    atexit.register(writer.abort_at_exit)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ([] if fate == "found by nobody" else ["broken", "True"])
