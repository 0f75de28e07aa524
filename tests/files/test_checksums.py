"""W19: `checksum=`, which S3 compares with what came, and keeps with the object."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from s3nb import IntegrityError, TransferConfig, open
from s3nb.checksum import CHECKSUMS, Expected, whole
from s3nb.testing import Fault

from ..conftest import Server
from .conftest import Memory

MIB = 1 << 20
BLOB = bytes(range(256)) * (11 * 4096)  # 11 MiB: two parts
SMALL = b"small"


@pytest.fixture(autouse=True)
def libraries() -> None:
    """Two of the CRCs come from a library."""
    pytest.importorskip("awscrt.checksums", reason="the extra crt is not installed")


def _as_kept(name: str, blob: bytes) -> str:
    """Return what S3 keeps: a CRC of all bytes, a SHA of the parts' SHAs."""
    if len(blob) <= 6 * MIB or name.startswith("crc"):
        return whole(Expected(name), [blob])
    sums = [hashlib.new(name, blob[at : at + 6 * MIB]).digest() for at in range(0, len(blob), 6 * MIB)]
    return base64.b64encode(hashlib.new(name, b"".join(sums)).digest()).decode() + f"-{len(sums)}"


@pytest.mark.parametrize("blob", [SMALL, BLOB], ids=["one PUT", "parts"])
@pytest.mark.parametrize("name", CHECKSUMS)
def test_W19_a_checksum_of_each_kind_is_sent_and_the_bytes_arrive(
    name: str, blob: bytes, server: Server, bucket: str
) -> None:
    options = {"endpoint_url": server.endpoint_url, "session": server.session()}
    with open(f"s3://{bucket}/k", "wb", checksum=name, **options) as f:
        f.write(blob)
    if server.name == "moto" and name == "crc32c":
        # without a library of its own, it keeps a CRC32 under this name, and reading finds that out
        options["config"] = TransferConfig(verify=False)
    with open(f"s3://{bucket}/k", "rb", **options) as f:
        assert f.read() == blob
        if "config" in options:
            return
    client = server.boto3_client()
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    client.close()
    told = head.get(f"Checksum{name.upper()}")
    if told is not None:  # Ceph's radosgw (16.2) keeps none
        assert told.partition("-")[0] == _as_kept(name, blob).partition("-")[0]


@pytest.mark.parametrize("blob", [SMALL, BLOB], ids=["one PUT", "parts"])
@pytest.mark.parametrize("name", [*CHECKSUMS, False])
def test_W19_what_is_sent_is_what_the_bytes_come_to(name: Any, blob: bytes, memory: Callable[..., Memory]) -> None:
    m = memory()
    with m.open("k", "wb", checksum=name) as f:
        f.write(blob)
    pieces = [blob[at : at + 6 * MIB] for at in range(0, len(blob), 6 * MIB)]
    sent = [
        {k.lower(): v for k, v in r.headers if k.lower().startswith("x-amz-checksum")}
        for r in sorted(m.wire.log, key=lambda r: r.query)
        if r.operation in ("PutObject", "UploadPart")
    ]
    assert sent == [{f"x-amz-checksum-{name}": whole(Expected(name), [p])} if name else {} for p in pieces]
    if len(pieces) > 1:
        begun = dict(next(r for r in m.wire.log if r.operation == "CreateMultipartUpload").headers)
        assert begun.get("x-amz-checksum-algorithm") == (name.upper() if name else None)
        assert begun.get("x-amz-checksum-type") == ("FULL_OBJECT" if str(name).startswith("crc") else None)
        body = next(r for r in m.wire.log if r.operation == "CompleteMultipartUpload").body
        assert isinstance(body, bytes)
        assert body.count(f"<Checksum{str(name).upper()}>".encode()) == (2 if name else 0)
    assert m.wire.body("bkt", "k") == blob


def test_W19_another_checksum_in_the_reply_is_an_error_and_nothing_is_made(memory: Callable[..., Memory]) -> None:
    m = memory({"k": b"old"})
    m.wire.faults.append(Fault(operation="UploadPart", flip=True, times=None))  # the part that arrives is another one
    with pytest.raises(IntegrityError), m.open("k", "wb", checksum="sha256") as f:
        f.write(BLOB)
    assert m.wire.body("bkt", "k") == b"old"
    assert not m.wire.uploads


def test_W19_the_spool_and_append_send_it_too(memory: Callable[..., Memory]) -> None:
    m = memory({"a": b"old"})
    with m.open("s", "w+b", checksum="sha256") as f:
        f.write(SMALL)
    with m.open("a", "ab", checksum="crc32c") as f:
        f.write(SMALL)
    names = [k for r in m.wire.log if r.operation == "PutObject" for k, _ in r.headers if "checksum" in k]
    assert names == ["x-amz-checksum-sha256", "x-amz-checksum-crc32c"]


@pytest.mark.parametrize(
    ("mode", "checksum"),
    [("rb", "sha256"), ("rb", False), ("wb", "md5"), ("wb", True), ("wb", ""), ("ab", "sha256"), ("a+b", "sha1")],
)
def test_D10_a_checksum_that_cannot_be_is_an_error_before_any_request(
    mode: str, checksum: Any, memory: Callable[..., Memory]
) -> None:
    m = memory()
    with pytest.raises(ValueError, match="checksum"):
        m.open("k", mode, checksum=checksum)
    assert not m.wire.log


def test_D10_a_local_file_has_no_checksum(tmp_path: Any) -> None:
    with pytest.raises(ValueError, match="checksum= is for s3://"):
        open(tmp_path / "x", "wb", checksum="sha256")
