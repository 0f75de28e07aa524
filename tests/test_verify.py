"""Bytes that are called done are the bytes that S3 holds: flips on the way, both ways, on servers of all kinds."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3nb import S3, BulkError, IntegrityError, S3GetObject, TransferConfig, checksum
from s3nb.testing import Fault, MemoryWire
from s3nb.wire import FileSlice

from .conftest import Server
from .test_faults import LARGE, MIB, QUICK, blocks, left_over

KINDS = ["crc64nvme", "crc32c", "crc32", "sha256", "sha1", ""]
PARTS = (5 * MIB, len(LARGE) - 5 * MIB)


def wire_of(kind: str, etags: bool = True) -> MemoryWire:
    wire = MemoryWire(
        {"box": {"small": b"hello", "empty": b"", "middle": LARGE[: 2 * MIB], "large": LARGE}},
        checksum=kind,
        etags=etags,
    )
    wire.store("box", "parts", LARGE, parts=PARTS)
    return wire


@pytest.fixture(params=KINDS, ids=lambda k: k or "etag")
def kind(request: pytest.FixtureRequest) -> str:
    if request.param in ("crc64nvme", "crc32c") and checksum.crc(request.param) is None:
        pytest.skip("needs the extra 'crt'")
    found: str = request.param
    return found


@pytest.fixture
def wire(kind: str) -> MemoryWire:
    return wire_of(kind)


@pytest.fixture
def s3(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as client:
        yield client


@pytest.mark.parametrize("key", ["small", "empty", "middle", "large", "parts"])
def test_a_result_says_by_what_it_was_verified(s3: S3, wire: MemoryWire, kind: str, key: str, tmp_path: Path) -> None:
    want = kind or "etag"
    if key == "parts" and kind not in ("", "crc64nvme"):
        want = "composite"
    for found in (s3.get(key), s3.download([key], tmp_path / "to")[0]):
        assert (found.blob, found.verified) == (wire.body("box", key), want)


@pytest.mark.parametrize("key", ["small", "middle", "large", "parts"])
def test_a_flip_on_the_way_is_repaired(s3: S3, wire: MemoryWire, kind: str, key: str, tmp_path: Path) -> None:
    for download in (False, True):
        for later in (False, True):
            if later and key in ("small", "middle"):
                continue
            wire.faults[:] = [Fault("GetObject", key=key, flip=True, times=1)]
            if later:
                wire.faults.insert(0, Fault("GetObject", key=key, times=1))  # strikes the first GET, and does nothing
            found = s3.download([key], tmp_path / "to")[0] if download else s3.get(key)
            assert found.blob == wire.body("box", key)
            assert found.verified not in (None, "size")


def test_a_flip_in_a_late_range_costs_no_second_download_of_all(s3: S3, wire: MemoryWire) -> None:
    s3.get("large")
    clean = wire.requests("GetObject")
    wire.log.clear()
    wire.faults.append(Fault("GetObject", flip=True, times=1))
    assert s3.get("large").blob == LARGE
    assert wire.requests("GetObject") <= 2 * clean


@pytest.mark.parametrize("key", ["small", "large", "parts"])
def test_flips_in_every_reply_are_an_error_with_both_sums(s3: S3, wire: MemoryWire, key: str, tmp_path: Path) -> None:
    (tmp_path / key).write_bytes(b"old")
    flips = iter(range(10**6))
    original = wire._deliver

    def always_other(exchange, sink, status, headers, body):  # type: ignore[no-untyped-def]
        at = next(flips) % len(body)
        return original(exchange, sink, status, headers, body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :])

    wire._deliver = always_other  # type: ignore[method-assign]
    with pytest.raises(BulkError, match=r"of what came is .*, S3 has") as caught:
        s3.download([key], tmp_path)
    assert isinstance(caught.value.failed[0], IntegrityError)
    assert (tmp_path / key).read_bytes() == b"old"
    assert left_over(tmp_path) == [key]


def test_what_an_etag_speaks_against_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    """The same wrong bytes twice are what a broken disk gives: they are no proof that the ETag is no MD5."""
    wire = wire_of("", etags=False)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as s3:
        for key in ("small", "large", "parts"):
            with pytest.raises(IntegrityError, match="verify=False"):
                s3.get(key)
    wire = wire_of("", etags=False)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, verify=False)) as s3:
        for key in ("small", "large", "parts"):
            assert (s3.get(key).blob, s3.get(key).verified) == (wire.body("box", key), "size")


@pytest.mark.parametrize("checksum", ["", "crc32", "sha256"])
def test_parts_of_several_sizes_are_verified(tmp_path: Path, checksum: str) -> None:
    wire = MemoryWire({"box": {}}, checksum=checksum)
    wire.store("box", "uneven", LARGE, parts=(5 * MIB, 1 * MIB, len(LARGE) - 6 * MIB))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as s3:
        found = s3.get("uneven")
        assert (found.blob, found.verified) == (LARGE, "composite" if checksum else "etag")
        wire.faults.append(Fault("GetObject", flip=True))
        assert s3.get("uneven").blob == LARGE


def test_a_piece_is_verified_by_its_size(s3: S3) -> None:
    found = s3.get(S3GetObject("large", 5, 10))
    assert (found.blob, found.verified) == (LARGE[5:15], "size")


def test_verification_costs_no_request(s3: S3, wire: MemoryWire) -> None:
    s3.get_many(["small"] * 10)
    assert wire.requests() == 10


def test_verification_can_be_turned_off(tmp_path: Path) -> None:
    from dataclasses import replace

    wire = wire_of("crc32")
    wire.faults.append(Fault("GetObject", flip=True, times=1))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, verify=False)) as s3:
        assert (s3.get("small").blob, s3.get("small").verified) == (b"iello", "size")


@pytest.mark.parametrize("size", [10, len(LARGE)])
def test_a_flip_on_the_way_up_is_sent_again(s3: S3, wire: MemoryWire, size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(LARGE[:size])
    wire.faults.append(Fault("PutObject|UploadPart", flip=True, times=1))
    s3.put("up", LARGE[:size])
    assert wire.body("box", "up") == LARGE[:size]
    wire.faults.append(Fault("PutObject|UploadPart", flip=True, times=1))
    s3.put_files([("file", tmp_path / "file")])
    assert wire.body("box", "file") == LARGE[:size]


@pytest.mark.parametrize(("asked", "times"), [(False, 1), (True, 2)])
def test_a_file_is_read_for_its_sums_only_if_some_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, times: int
) -> None:
    read: list[int] = []
    read_at = FileSlice.read_at

    def counted(body: FileSlice, offset: int, size: int) -> bytes:
        data = read_at(body, offset, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(FileSlice, "read_at", counted)
    (tmp_path / "file").write_bytes(LARGE)
    wire = MemoryWire({"box": {}})
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, verify=False, upload_checksum=asked)) as s3:
        s3.put_files([("file", tmp_path / "file")])
    assert wire.body("box", "file") == LARGE
    assert sum(read) == times * len(LARGE)


def test_flips_in_every_upload_are_an_error_with_both_sums(s3: S3, wire: MemoryWire) -> None:
    wire.faults.append(Fault("PutObject|UploadPart", flip=True, times=None))
    for body in (b"hello", LARGE):
        with pytest.raises(IntegrityError, match=r"S3 has MD5 .*, sent was"):
            s3.put("up", body)
    assert wire.uploads == {}


def test_a_flip_is_seen_by_an_md5_though_earlier_parts_had_none(tmp_path: Path) -> None:
    """MD5s are not made in advance where ETags are none; one that comes all the same is compared."""

    class Opaque(MemoryWire):
        md5s = False

        def _etag(self, body: bytes, parts: tuple[int, ...] = ()) -> str:
            return super()._etag(body) if self.md5s and not parts else f"opaque {len(body)}"

    def from_now_on() -> None:
        wire.md5s = True

    wire = Opaque({"box": {}})
    body = blocks(39 * MIB)  # 8 parts: the last are sent when replies to the first have come
    (tmp_path / "file").write_bytes(body)
    wire.faults += [Fault("UploadPart", times=7), Fault("UploadPart", flip=True, then=from_now_on)]
    with S3(tmp_path, s3root="s3://box", wire=wire, config=replace(QUICK, upload_checksum=False)) as s3:
        s3.put_files([("up", tmp_path / "file")])
    assert (wire.body("box", "up"), wire.requests("UploadPart")) == (body, 9)


def requests_of(wire: MemoryWire, operation: str) -> list[dict[str, str]]:
    return [{k.lower(): v for k, v in r.headers} for r in wire.log if r.operation == operation]


def test_of_an_upload_in_parts_a_sum_of_all_bytes_is_kept(s3: S3, wire: MemoryWire) -> None:
    """So it can be verified in whatever pieces it is read, and by clients that know nothing of its parts."""
    s3.put("up", LARGE)
    (begun,) = requests_of(wire, "CreateMultipartUpload")
    assert (begun["x-amz-checksum-algorithm"], begun["x-amz-checksum-type"]) == ("CRC32", "FULL_OBJECT")
    (ended,) = requests_of(wire, "CompleteMultipartUpload")
    assert ended["x-amz-checksum-crc32"] == checksum.CRC32.text(zlib.crc32(LARGE))  # which the wire compares, too
    assert ended["x-amz-checksum-type"] == "FULL_OBJECT"


def test_an_object_that_is_not_what_was_sent_is_refused_at_the_end(s3: S3, wire: MemoryWire) -> None:
    def lose() -> None:
        (upload,) = wire.uploads.values()
        upload["parts"][1] = b"x" * len(upload["parts"][1])

    wire.faults.append(Fault("CompleteMultipartUpload", status=500, code="InternalError", then=lose))
    with pytest.raises(IntegrityError, match="BadDigest"):
        s3.put("up", LARGE)
    assert wire.body("box", "up") is None
    assert wire.uploads == {}


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "CompleteMultipartUpload"])
@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidRequest"), (400, "InvalidArgument"), (501, "NotImplemented")]
)
def test_servers_that_know_no_sum_of_all_bytes_get_the_sums_of_parts(
    s3: S3, wire: MemoryWire, operation: str, status: int, code: str
) -> None:
    wire.faults.append(Fault(operation, status=status, code=code))
    s3.put("up", LARGE)
    assert wire.body("box", "up") == LARGE
    assert wire.requests(operation) == 2
    assert "x-amz-checksum-type" not in requests_of(wire, operation)[1]


def test_what_is_put_in_parts_over_http_is_verified_by_the_sum_of_all_bytes(
    moto_server: Server, moto_bucket: str, tmp_path: Path
) -> None:
    with S3(tmp_path, bucket=moto_bucket, config=QUICK, **moto_server.options()) as s3:
        s3.put("k", LARGE)
        found = s3.download_to("k", tmp_path / "k")
        assert (found.verified, found.blob == LARGE) == ("crc32", True)


def test_servers_over_http_agree(server: Server, bucket: str, tmp_path: Path) -> None:
    config = TransferConfig(part_size=5 * MIB, multipart_threshold=6 * MIB, split_threshold=6 * MIB)
    client = server.boto3_client()
    client.put_object(Bucket=bucket, Key="foreign", Body=LARGE)
    with S3(tmp_path, bucket=bucket, config=config, **server.options()) as s3:
        s3.put("small", b"hello")
        s3.put("large", LARGE)
        found = s3.get_many(["small", "large", "foreign"])
        assert [o.blob for o in found] == [b"hello", LARGE, LARGE]
        assert "size" not in [o.verified for o in found]


# -- the arithmetic --------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_sums_of_pieces_combine(first: bytes, second: bytes) -> None:
    assert checksum._crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)
    for name in ("crc64nvme", "crc32c"):
        found = checksum.crc(name)
        if found is not None:
            joined = found.combine(found.update(first, 0), found.update(second, 0), len(second))
            assert joined == found.update(first + second, 0)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"etag": '"5d41402abc4b2a76b9719d911017c592"'}, "etag"),
        ({"etag": '"5d41402abc4b2a76b9719d911017c592-3"'}, "etag"),
        ({"etag": '"5d41402abc4b2a76b9719d911017c592"', "x-amz-server-side-encryption": "aws:kms"}, "size"),
        (
            {"etag": '"5d41402abc4b2a76b9719d911017c592"', "x-amz-server-side-encryption-customer-algorithm": "AES256"},
            "size",
        ),
        ({"etag": '"65f1-4000"'}, "size"),
        ({"etag": 'W/"5d41402abc4b2a76b9719d911017c592"'}, "size"),
        ({}, "size"),
        ({"x-amz-checksum-crc32": "NhCmhg=="}, "crc32"),
        ({"x-amz-checksum-crc32": "NhCmhg==-4", "x-amz-checksum-type": "COMPOSITE"}, "composite"),
        ({"x-amz-checksum-sha256": "x", "x-amz-checksum-crc32": "y"}, "crc32"),
    ],
)
def test_what_a_head_promises(headers: dict[str, str], kind: str) -> None:
    assert checksum.expected(headers).kind == kind


def test_a_published_sum() -> None:
    # "123456789" is the check value of every CRC catalogue
    assert checksum.CRC32.text(checksum.CRC32.update(b"123456789", 0)) == "y/Q5Jg=="
    assert checksum.whole(checksum.Expected("etag", "", "md5"), [b"a", b"bc"]) == hashlib.md5(b"abc").hexdigest()


def test_a_sum_of_an_object_in_parts_that_does_not_say_of_what_is_not_taken_for_one_of_all_bytes() -> None:
    """moto's HEAD gives the sum of the parts' sums without its count: going on with a download met that."""
    from s3nb.checksum import Expected, expected

    of_parts = {"etag": '"da955d2a1d0232a33c897d5dfbf83487-3"', "x-amz-checksum-crc32": "RGgVzA=="}
    assert expected(of_parts) == Expected("etag", "da955d2a1d0232a33c897d5dfbf83487", "md5", 3)
    assert expected(of_parts | {"x-amz-checksum-type": "FULL_OBJECT"}) == Expected("crc32", "RGgVzA==")
    assert expected(of_parts | {"etag": '"da955d2a1d0232a33c897d5dfbf83487"'}) == Expected("crc32", "RGgVzA==")
