"""B17: an object that is read from its first byte to its last is compared with what S3 knows of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from s3nb import S3, IntegrityError, open
from s3nb.checksum import crc
from s3nb.files import plan
from s3nb.files.budget import MEMORY
from s3nb.testing import Fault, MemoryWire

from .conftest import QUICK, Memory

Make = Callable[..., Memory]
MIB = 1 << 20
BLOB = b"".join(b"%05d " % n + random.Random(n).randbytes(10_000).hex().encode() + b"\n" for n in range(450))


def in_pieces(f: Any) -> bytes:
    return b"".join(iter(lambda: f.read(65_536), b""))


def by_line(f: Any) -> bytes:
    return b"".join(f)


def into(f: Any) -> bytes:
    buffer, found = bytearray(700_001), b""
    while count := f.readinto(buffer):
        found += buffer[:count]
    return found


def into_one(f: Any) -> bytes:
    buffer = bytearray(f.size)
    assert f.readinto(buffer) == len(buffer)
    return bytes(buffer)


def mixed(f: Any) -> bytes:
    return bytes(f.readline() + f.peek(1)[:0] + f.read1(100) + f.read(3 * MIB) + f.read(10) + f.read())


def again(f: Any) -> bytes:
    f.read(100_000)
    f.seek(0)
    return bytes(f.read(2 * MIB) + f.read())


WAYS = [lambda f: f.read(), in_pieces, by_line, into, into_one, mixed, again]
NAMES = ["read", "pieces", "lines", "readinto", "one readinto", "mixed", "again"]


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as large is."""
    monkeypatch.setattr(plan, "IN_MEMORY", 2 * MIB)


def spoil(m: Memory, at: int) -> None:
    """Have one byte of the object arrive as another."""
    serve = m.wire._GetObject

    def spoiled(request: Any, *arguments: Any) -> Any:
        status, found, body = serve(request, *arguments)
        start = int(found.get("content-range", "bytes 0-").split()[1].split("-")[0])
        if request.method == "GET" and start <= at < start + len(body):
            changed = bytearray(body)
            changed[at - start] ^= 1
            body = bytes(changed)
        return status, found, body

    m.wire._GetObject = spoiled  # type: ignore[method-assign]


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_it_is_verified_with_one_more_request(way: Any, memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32", piece=99_991)
    with m.open("k") as f:
        assert f.verified is None
        assert way(f) == BLOB
        assert f.verified == "crc32"
        assert f.read(1) == b""
        assert f.stats().requests == len(m.wire.log)
    assert m.wire.requests("HeadObject") == 1


@pytest.mark.parametrize("at", [0, 1_500_000, len(BLOB) - 1])
@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_a_wrong_byte_is_an_error_at_the_latest_at_the_last_read(way: Any, at: int, memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32", piece=99_991)
    spoil(m, at)
    with m.open("k") as f:
        with pytest.raises(IntegrityError, match=r"s3://bkt/k: crc32 of what was read is .*==, S3 has .*=="):
            way(f)
        assert f.verified is None
        with pytest.raises(IntegrityError):  # and there is no way round it
            f.read()


@pytest.mark.parametrize("mode", ["r", "rt"])
def test_text_too(mode: str, memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32")
    with m.open("k", mode) as f:
        assert "".join(f) == BLOB.decode()
        assert f.buffer.verified == "crc32"
    spoil(m, 4_000_000)
    with m.open("k", mode) as f, pytest.raises(IntegrityError):
        for _ in f:
            pass


def test_up_to_a_size_the_etag_needs_no_request(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "IN_MEMORY", 16 * MIB)
    m = memory({"k": BLOB}, checksum="crc32")
    with m.open("k") as f:
        assert in_pieces(f) == BLOB
        assert f.verified == "etag"
    assert {r.operation for r in m.wire.log} == {"GetObject"}
    spoil(m, 8_000_000)
    with m.open("k") as f, pytest.raises(IntegrityError, match="no MD5s"):
        in_pieces(f)


@pytest.mark.parametrize("checksum", ["crc32c", "crc64nvme"])
def test_other_crcs_if_they_are_quick_here(checksum: str, memory: Make) -> None:
    if crc(checksum) is None:
        pytest.skip("the extra crt is not installed")
    m = memory({"k": BLOB}, checksum=checksum)
    with m.open("k") as f:
        assert in_pieces(f) == BLOB
        assert f.verified == checksum
    spoil(m, 8_000_000)
    with m.open("k") as f, pytest.raises(IntegrityError):
        f.read()


def left_out(f: Any) -> None:
    f.read(MIB)
    f.seek(2 * MIB)
    f.read()


def backwards(f: Any) -> None:
    f.seek(MIB)
    f.read()
    f.seek(0)
    f.read(MIB)


def by_position(f: Any) -> None:
    for at in range(0, f.size, MIB):
        f.pread(at, MIB)


@pytest.mark.parametrize("way", [left_out, backwards, by_position])
def test_who_leaves_bytes_out_is_told_of_no_verdict(way: Any, memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32")
    spoil(m, 8_000_000)
    with m.open("k") as f:
        way(f)
        assert f.verified is None


def test_who_reads_little_asks_for_nothing(memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32")
    with m.open("k") as f:
        f.read(MIB)
    assert m.wire.requests("HeadObject") == 0


def unverified(m: Memory) -> None:
    with m.open("k") as f:
        assert in_pieces(f) == BLOB
        assert f.verified is None


def test_what_S3_does_not_tell_is_not_verified(memory: Make) -> None:
    unverified(memory({"k": BLOB}))
    refused = memory({"k": BLOB}, checksum="crc32")
    refused.wire.faults.append(Fault(operation="HeadObject", status=403, code="AccessDenied", times=None))
    unverified(refused)
    for checksum in ("", "crc32"):
        composite = memory({}, checksum=checksum)
        composite.wire.store("bkt", "k", BLOB, parts=PARTS)
        answer = composite.wire._HeadObject
        composite.wire._HeadObject = lambda r, q, *more, answer=answer: answer(r, {}, *more)  # type: ignore[assignment, misc]
        unverified(composite)  # as with a server that knows no partNumber


PARTS = (5 * MIB, len(BLOB) - 5 * MIB)


@pytest.mark.parametrize("checksum", ["", "crc32", "crc64nvme", "sha1", "sha256"])
@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_an_object_in_parts_is_compared_by_the_sums_of_its_parts(way: Any, checksum: str, memory: Make) -> None:
    if checksum == "crc64nvme" and crc(checksum) is None:
        pytest.importorskip("awscrt.checksums", reason="the extra crt is not installed")
    m = memory({}, checksum=checksum, piece=99_991)
    m.wire.store("bkt", "k", BLOB, parts=PARTS)
    held = MEMORY.held
    with m.open("k") as f:
        assert way(f) == BLOB
        assert f.verified == {"": "etag", "crc64nvme": "crc64nvme"}.get(checksum, "composite")
        assert f.stats().requests == len(m.wire.log)
    assert m.wire.requests("HeadObject") == 2
    assert MEMORY.held == held
    spoil(m, len(BLOB) - 1)
    with m.open("k") as f:
        with pytest.raises(IntegrityError, match="of what was read is"):
            way(f)
        assert f.verified is None
    assert MEMORY.held == held


def test_parts_of_several_sizes_are_no_verdict_and_no_false_alarm(memory: Make) -> None:
    m = memory({}, checksum="crc32")
    m.wire.store("bkt", "k", BLOB, parts=(4 * MIB, 3 * MIB, len(BLOB) - 7 * MIB))
    unverified(m)
    spoil(m, 0)
    with m.open("k") as f:
        assert in_pieces(f) != BLOB  # what core transfers do to find this out is to read all again
        assert f.verified is None


def test_what_is_given_out_before_the_answer_is_kept_only_if_there_is_room(
    memory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = memory({}, checksum="crc32")
    m.wire.store("bkt", "k", BLOB, parts=PARTS)
    monkeypatch.setattr(MEMORY, "limit", 3 * MIB)
    unverified(m)


def test_who_reads_the_beginning_of_an_object_in_parts_asks_for_nothing(memory: Make) -> None:
    m = memory({}, checksum="crc32")
    m.wire.store("bkt", "k", BLOB * 8, parts=(8 * MIB,) * 8 + (len(BLOB) * 8 - 64 * MIB,))
    with m.open("k") as f:
        for _ in range(60):
            f.read(65_536)
    assert m.wire.requests("HeadObject") == 0


def test_another_version_that_HEAD_sees_is_no_verdict(memory: Make) -> None:
    m = memory({"k": BLOB}, checksum="crc32")
    serve = m.wire._HeadObject

    def other(*arguments: Any) -> Any:
        status, found, body = serve(*arguments)
        return status, {**found, "etag": '"0"', "x-amz-checksum-crc32": "AAAAAA=="}, body

    m.wire._HeadObject = other  # type: ignore[method-assign]
    unverified(m)


@pytest.fixture
def trusting() -> Iterator[Any]:
    wire = MemoryWire({"bkt": {"k": BLOB}}, checksum="crc32")
    with S3(wire=wire, config=replace(QUICK, verify=False)) as client:
        yield client, wire


def test_it_can_be_turned_off(trusting: Any) -> None:
    client, wire = trusting
    with open("s3://bkt/k", "rb", client=client) as f:
        assert in_pieces(f) == BLOB
        assert f.verified is None
    assert {r.operation for r in wire.log} == {"GetObject"}
