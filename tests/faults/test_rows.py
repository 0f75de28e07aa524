"""The client behind a proxy that lets things go wrong, over HTTP, on real servers: bytes on disk and in the bucket are judged."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3nb import (
    S3,
    BulkError,
    CredentialsError,
    IntegrityError,
    ListError,
    ObjectChanged,
    ObjectNotFound,
    TransferConfig,
)

from ..conftest import Server
from ..test_faults import MIB, blocks, left_over
from .proxy import Proxy, Rule, in_front_of, standard, survivable

CONFIG = TransferConfig(
    backoff_base=0.005, throttle_base=0.01, stall_timeout=1.0, patience=20.0, fsync=False,
    part_size=5 * MIB, multipart_threshold=6 * MIB, split_threshold=6 * MIB, smallest_split=MIB,
)  # fmt: skip
SMALL = {f"o/{n:02d}": os.urandom(64 * 1024) for n in range(60)}
LARGE = blocks(16 * MIB + 3)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with in_front_of(server.endpoint_url) as found:
        yield found


@pytest.fixture
def s3(server: Server, bucket: str, proxy: Proxy, tmp_path: Path) -> Iterator[S3]:
    options = {**server.options(), "endpoint_url": proxy.endpoint_url}
    with S3(tmp_path, bucket=bucket, config=CONFIG, **options) as client:
        yield client


@pytest.fixture
def direct(server: Server, bucket: str) -> Any:
    return server.boto3_client()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_bad_day_loses_nothing_and_costs_little(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, seed: int, tmp_path: Path
) -> None:
    bodies = {**SMALL, "o/large": LARGE}
    proxy.set(*standard(), seed=seed)
    s3.put_many(bodies.items())
    up = proxy.requests
    assert sum(proxy.struck.values()) > 0
    for key, body in bodies.items():
        assert direct.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    proxy.set(*standard(), seed=seed)
    got = s3.download(bodies, tmp_path / "to")
    assert [Path(o.path).read_bytes() for o in got] == list(bodies.values())
    assert up <= 1.5 * (len(bodies) + 6)
    assert proxy.requests <= 1.5 * (len(bodies) + 4)


def test_a_very_bad_day_loses_nothing(s3: S3, proxy: Proxy, direct: Any, bucket: str, tmp_path: Path) -> None:
    bodies = {**dict(list(SMALL.items())[:30]), "o/large": LARGE}
    proxy.set(*survivable(), seed=4)
    s3.put_many(bodies.items())
    for key, body in bodies.items():
        assert direct.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    proxy.set(*survivable(), seed=5)
    got = s3.download(bodies, tmp_path / "to")
    assert [Path(o.path).read_bytes() for o in got] == list(bodies.values())
    assert proxy.struck["status"] > 0


@pytest.mark.parametrize("key", ["o/00", "o/large"])
@pytest.mark.parametrize("fault", ["flip", "short", "cut", "stall", "reset"])
def test_a_reply_that_goes_wrong_once_is_repaired(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, key: str, fault: str
) -> None:
    body = SMALL.get(key, LARGE)
    s3.put(key, body)
    proxy.set(Rule(fault, method="GET", times=1))
    assert s3.get(key).blob == body
    assert proxy.struck[fault] == 1


@pytest.mark.parametrize("upload", ["crc64nvme", "crc32", "parts"])
def test_a_flip_in_a_later_range_is_repaired(s3: S3, proxy: Proxy, direct: Any, bucket: str, upload: str) -> None:
    if upload == "parts":
        from boto3.s3.transfer import TransferConfig as Boto

        direct.upload_fileobj(
            io.BytesIO(LARGE), bucket, "large", Config=Boto(multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB)
        )
    else:
        extra = {} if upload == "crc32" else {"ChecksumAlgorithm": upload.upper()}
        direct.put_object(Bucket=bucket, Key="large", Body=LARGE, **extra)
    assert s3.get("large").verified != "size"
    clean = proxy.requests
    proxy.set(Rule("flip", later=True, times=1))
    assert s3.get("large").blob == LARGE
    assert proxy.requests <= clean + 12


def test_flips_in_every_reply_are_an_error_and_the_file_stays(s3: S3, proxy: Proxy, tmp_path: Path) -> None:
    s3.put_many([("small", b"x" * 1000), ("large", LARGE)])
    (tmp_path / "small").write_bytes(b"old")
    proxy.set(Rule("flip", method="GET", at=-1))
    with pytest.raises(BulkError, match="of what came is") as caught:
        s3.download(["small", "large"], tmp_path)
    assert [type(e) for e in caught.value.failed] == [IntegrityError, IntegrityError]
    assert left_over(tmp_path) == ["small"]
    assert (tmp_path / "small").read_bytes() == b"old"


def test_a_range_answered_with_everything_never_lands_in_the_file(s3: S3, proxy: Proxy, server: Server) -> None:
    if server.name != "moto":
        pytest.skip("the proxy cannot sign for a server that checks")
    s3.put("large", LARGE)
    proxy.set(Rule("whole", ranged=True, times=2))
    assert s3.get("large").blob == LARGE


@pytest.mark.parametrize("other", [LARGE[::-1], LARGE[: 7 * MIB], LARGE + LARGE])
def test_an_object_replaced_meanwhile_is_old_or_new_and_never_both(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, other: bytes
) -> None:
    for skip in (1, 2, 3):
        s3.put("large", LARGE)
        replace_it = lambda: direct.put_object(Bucket=bucket, Key="large", Body=other)  # noqa: E731
        proxy.set(Rule("do", method="GET", times=1, skip=skip, then=replace_it))
        try:
            assert s3.get("large").blob in (LARGE, other)
        except ObjectChanged:
            continue


@pytest.mark.parametrize("size", [64 * 1024, len(LARGE)], ids=["small", "large"])
@pytest.mark.parametrize("to", ["memory", "file"])
def test_a_new_body_under_an_old_etag_is_fetched_again(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, size: int, to: str, tmp_path: Path
) -> None:
    """A server that reads head and body apart, as moto does, may send the one of an old version and the other of a new."""
    old, new = LARGE[:size], LARGE[::-1][:size]
    s3.put("k", old)
    replace_it = lambda: direct.put_object(Bucket=bucket, Key="k", Body=new)  # noqa: E731
    proxy.set(Rule("late", method="GET", times=1, then=replace_it))
    found = s3.get("k") if to == "memory" else s3.download_to("k", tmp_path / "k")
    assert found.blob == new
    assert found.etag == direct.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    assert proxy.struck["late"] == 1


def test_an_object_deleted_meanwhile_is_not_found(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, tmp_path: Path
) -> None:
    s3.put("large", LARGE)
    (tmp_path / "large").write_bytes(b"old")
    proxy.set(Rule("do", method="GET", times=1, skip=1, then=lambda: direct.delete_object(Bucket=bucket, Key="large")))
    with pytest.raises(ObjectNotFound):
        s3.download(["large"], tmp_path)
    assert (tmp_path / "large").read_bytes() == b"old"


@pytest.mark.parametrize(
    "rule",
    [
        Rule("status", status=503, times=8), Rule("status", status=500, code="InternalError", times=8),
        Rule("status", status=429, code="TooManyRequests", times=2), Rule("status", status=408, code="", times=2),
        Rule("status", status=400, code="RequestTimeout", times=2), Rule("status", status=502, page=b"<html>bad gateway</html>", times=2),
        Rule("reset", times=8), Rule("cut", times=8),
    ],
    ids=lambda r: f"{r.fault}-{r.status}",
)  # fmt: skip
@pytest.mark.parametrize("key", ["o/00", "o/large"])
def test_what_passes_is_waited_for(s3: S3, proxy: Proxy, rule: Rule, key: str) -> None:
    body = SMALL.get(key, LARGE)
    s3.put(key, body)
    proxy.set(replace(rule, met=0))
    assert s3.get(key).blob == body
    assert proxy.struck[rule.fault] == rule.times


def test_one_bad_object_is_named_and_stops_no_other(s3: S3, proxy: Proxy) -> None:
    s3.put_many(SMALL.items())
    proxy.set(
        Rule("status", status=403, code="AccessDenied", key="/o/07"),
        Rule("status", status=500, code="InternalError", key="/o/08"),
    )
    with pytest.raises(BulkError) as caught:
        s3.get_many(SMALL)
    assert [e.key for e in caught.value.failed] == ["o/07", "o/08"]
    assert len(caught.value.ok) == len(SMALL) - 2


def test_an_expired_identity_ends_the_batch_at_once(s3: S3, proxy: Proxy) -> None:
    proxy.set(Rule("status", status=400, code="ExpiredToken"))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        s3.get_many(f"o/{n}" for n in range(10_000))
    assert proxy.requests <= 2 * CONFIG.start_requests


@pytest.mark.parametrize("page", [b"<html>sign in</html>", b"<ListBucketResult><Contents>", b""])
def test_a_page_that_is_no_listing_is_an_error(s3: S3, proxy: Proxy, page: bytes) -> None:
    proxy.set(Rule("status", status=200, page=page, key="list-type=2"))
    with pytest.raises(ListError):
        s3.list_recursive()


@pytest.mark.parametrize("body", [b"small" * 100, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "rule",
    [
        Rule("flip_upload", method="PUT", times=1),
        Rule("reset", method="PUT", times=2), Rule("reset", method="PUT", forward=True, times=1),
        Rule("status", method="PUT", status=503, times=3),
        Rule("status", key="uploadId", method="POST", status=200, page=b"<Error><Code>InternalError</Code></Error>", times=2),
        Rule("reset", key="uploadId", method="POST", forward=True, times=1),
    ],
    ids=lambda r: f"{r.fault}-{r.method}-{r.forward}",
)  # fmt: skip
def test_an_upload_that_goes_wrong_once_is_repaired(
    s3: S3, proxy: Proxy, direct: Any, bucket: str, rule: Rule, body: bytes
) -> None:
    proxy.set(replace(rule, met=0))
    s3.put("up", body)
    assert direct.get_object(Bucket=bucket, Key="up")["Body"].read() == body
    assert "Uploads" not in direct.list_multipart_uploads(Bucket=bucket)


def test_a_part_refused_for_good_leaves_no_upload(s3: S3, proxy: Proxy, direct: Any, bucket: str) -> None:
    refuse = Rule("status", key="partNumber=2", status=403, code="AccessDenied")
    proxy.set(refuse, Rule("status", method="DELETE", status=503, times=2))
    with pytest.raises(PermissionError):
        s3.put("up", LARGE)
    assert "Uploads" not in direct.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("key", ["o/00", "o/large"])
@pytest.mark.parametrize("fault", ["short", "flip"])
def test_a_reply_that_goes_wrong_three_times_in_a_row_is_repaired(
    s3: S3, proxy: Proxy, fault: str, key: str, tmp_path: Path
) -> None:
    body = SMALL.get(key, LARGE)
    s3.put(key, body)
    proxy.set(
        Rule(fault, method="GET", times=3, at=-1 if fault == "flip" else 0.5, ranged=None if fault == "flip" else False)
    )
    assert s3.get(key).blob == body
    assert proxy.struck[fault] == 3
    proxy.set(
        Rule(fault, method="GET", times=3, at=-1 if fault == "flip" else 0.5, ranged=None if fault == "flip" else False)
    )
    s3.download_to(key, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == body
