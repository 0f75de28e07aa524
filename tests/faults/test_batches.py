"""Many objects on a bad day: one identity renewed once, one bad object among a thousand, versions that change, listings that lie."""

from __future__ import annotations

import random
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, BulkError, CredentialsError, ListError, ObjectChanged, TransferConfig
from s3nb.testing import Fault, MemoryWire

from ..conftest import Server
from ..test_faults import MIB, QUICK, blocks
from .proxy import Proxy, Rule, in_front_of

# -- one identity for all -----------------------------------------------------------------------------


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that hands out keys: each time others, as long as ``same`` is not there. Returns where it counts."""
    script = tmp_path / "keys.py"
    script.write_text(
        "import datetime, json, pathlib\n"
        "here = pathlib.Path(__file__).parent\n"
        "count = here / 'count'\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "name = 'KEY1' if (here / 'same').exists() else f'KEY{number}'\n"
        "later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)\n"
        "print(json.dumps(dict(Version=1, AccessKeyId=name, SecretAccessKey='secret', SessionToken='t',"
        " Expiration=later.isoformat())))\n"
    )
    (tmp_path / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "count"


def expired(keys: Any) -> bool:
    return "Credential=KEY1/" in keys["Authorization"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "ExpiredToken"), (403, "ExpiredToken"), (400, "TokenRefreshRequired")]
)
def test_an_expired_token_is_renewed_exactly_once_for_all_in_flight(
    moto_server: Server, moto_bucket: str, process: Path, tmp_path: Path, status: int, code: str
) -> None:
    keys = [f"k{n}" for n in range(200)]
    with S3(tmp_path, bucket=moto_bucket, **moto_server.options()) as direct:
        direct.put_many([(k, k) for k in keys])
    config = TransferConfig(start_requests=64, backoff_base=0.001)
    with (
        in_front_of(moto_server.endpoint_url, Rule("status", status=status, code=code, when=expired)) as proxy,
        S3(tmp_path, bucket=moto_bucket, endpoint_url=proxy.endpoint_url, config=config) as s3,
    ):
        assert [o.text for o in s3.get_many(keys)] == keys
        assert process.read_text() == "2", "asked once at the start, and once more"
        assert proxy.struck["status"] <= 64


def test_the_same_identity_again_ends_the_batch_at_once(
    moto_server: Server, moto_bucket: str, process: Path, tmp_path: Path
) -> None:
    (tmp_path / "same").touch()
    config = TransferConfig(start_requests=64, backoff_base=0.001)
    with (
        in_front_of(moto_server.endpoint_url, Rule("status", status=400, code="ExpiredToken", when=expired)) as proxy,
        S3(tmp_path, bucket=moto_bucket, endpoint_url=proxy.endpoint_url, config=config) as s3,
    ):
        with pytest.raises(CredentialsError, match="ExpiredToken"):
            s3.get_many(f"k{n}" for n in range(100_000))
        assert proxy.requests <= 2 * 64


# -- one of a thousand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (403, "AccessDenied")])
@pytest.mark.parametrize("verb", ["get", "info", "put", "delete"])
def test_one_of_a_thousand_is_named_and_the_others_are_done(tmp_path: Path, verb: str, status: int, code: str) -> None:
    keys = [f"k{n:04}" for n in range(1000)]
    wire = MemoryWire({"box": {k: k.encode() for k in keys}})
    wire.faults.append(Fault(".*Object", key="k0500", status=status, code=code, times=None))
    config = replace(QUICK, attempts=3)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
        if verb == "delete":
            for k in keys[:500] + keys[501:]:
                s3.delete(k)
            with pytest.raises(OSError, match=code):
                s3.delete("k0500")
            return
        do = {"get": s3.get_many, "info": s3.info_many, "put": lambda ks: s3.put_many([(k, k) for k in ks])}[verb]
        with pytest.raises(BulkError) as caught:
            do(keys)
    assert len(caught.value.ok) == 999
    (failed,) = caught.value.failed
    said = "" if (verb, status) == ("info", 500) else code  # a HEAD has no body to say it
    assert (failed.key, failed.code, failed.status, failed.request_id) == ("k0500", said, status, "INJECTED")
    assert "s3://box/k0500" in str(caught.value)
    assert wire.requests() == 1000 + (2 if status == 500 else 0)


# -- versions that change ------------------------------------------------------------------------------------


def test_two_hundred_replacements_never_mix_two_versions(tmp_path: Path) -> None:
    old = blocks(2 * MIB)
    config = replace(QUICK, split_threshold=MIB, smallest_split=256 * 1024)
    outcomes = {"old": 0, "new": 0, "changed": 0}
    for seed in range(200):
        draw = random.Random(seed)
        new = old[::-1][: draw.choice([MIB, 2 * MIB, 2 * MIB - 1])]
        wire = MemoryWire({"box": {"k": old}}, piece=64 * 1024)
        if draw.random() < 0.5:
            wire.faults.append(Fault("GetObject", wire="reset", after=draw.random()))
        count = threading.Semaphore(draw.randrange(0, 9))

        def swap(count: threading.Semaphore = count, wire: MemoryWire = wire, new: bytes = new) -> None:
            if not count.acquire(blocking=False):
                wire.store("box", "k", new)

        original = wire._serve

        def serve(request: Any, sent: bytes, original: Any = original, swap: Any = swap) -> Any:
            swap()
            return original(request, sent)

        wire._serve = serve  # type: ignore[method-assign]
        with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
            try:
                body = s3.get("k").blob
            except ObjectChanged:
                outcomes["changed"] += 1
                continue
        assert body in (old, new), f"seed {seed}: mixed"
        outcomes["old" if body == old else "new"] += 1
    assert outcomes["old"] > 20
    assert outcomes["new"] > 20
    assert outcomes["changed"] < 5, "one automatic restart"


# -- listings that lie ---------------------------------------------------------------------------------------

PAGE = (
    "<ListBucketResult><Name>{name}</Name><Prefix>{prefix}</Prefix><KeyCount>0</KeyCount><IsTruncated>{more}</IsTruncated>"
    "{token}</ListBucketResult>"
)
LIES = {
    "html": b"<html><body>sign in</body></html>",
    "cut short": b"<ListBucketResult><Name>box</Name><Prefix>p/</Prefix><Contents><Key>p/a</Key>",
    "empty": b"",
    "another bucket": PAGE.format(name="other", prefix="p/", more="false", token="").encode(),
    "another prefix": PAGE.format(name="box", prefix="", more="false", token="").encode(),
    "the same token": PAGE.format(
        name="box", prefix="p/", more="true", token="<NextContinuationToken>t</NextContinuationToken>"
    ).encode(),
    "more, without a token": PAGE.format(name="box", prefix="p/", more="true", token="").encode(),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_sync_deletes_nothing_on_the_strength_of_a_lie(tmp_path: Path, lie: str, side: str) -> None:
    (tmp_path / "here").mkdir()
    for name in ("a", "b"):
        (tmp_path / "here" / name).write_text(name)
    wire = MemoryWire({"box": {f"p/{name}": name.encode() for name in ("a", "b", "c")}})
    wire.faults.append(Fault("ListObjectsV2", body=LIES[lie], times=None))
    sides = ("s3://box/p", tmp_path / "here") if side == "source" else (tmp_path / "here", "s3://box/p")
    with S3(tmp_path, wire=wire, config=QUICK) as s3, pytest.raises(ListError):
        s3.sync(*sides, delete=True)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["a", "b"]
    assert sorted(wire.buckets["box"]) == ["p/a", "p/b", "p/c"]


# -- the end of an upload ---------------------------------------------------------------------------------------


def test_an_upload_that_was_completed_and_is_said_not_to_exist_is_a_success(
    moto_server: Server, moto_bucket: str, tmp_path: Path
) -> None:
    body = blocks(12 * MIB)
    config = TransferConfig(part_size=5 * MIB, multipart_threshold=6 * MIB, backoff_base=0.001)
    rule = Rule("status", method="POST", key="uploadId", status=404, code="NoSuchUpload", times=1, forward=True)
    options = moto_server.options()
    with (
        in_front_of(moto_server.endpoint_url, rule) as proxy,
        S3(tmp_path, bucket=moto_bucket, config=config, **{**options, "endpoint_url": proxy.endpoint_url}) as s3,
    ):
        url = s3.put("k", body)
        assert url.etag == s3.info("k").etag
        assert s3.get("k").blob == body
        assert sum(line.startswith("POST") for line in proxy.log) == 2, "begun once, completed once"


def test_an_upload_that_is_gone_and_was_not_completed_is_an_error(
    moto_server: Server, moto_bucket: str, tmp_path: Path
) -> None:
    config = TransferConfig(part_size=5 * MIB, multipart_threshold=6 * MIB, backoff_base=0.001)
    rule = Rule("status", method="POST", key="uploadId", status=404, code="NoSuchUpload", times=1)
    options = moto_server.options()
    with (
        in_front_of(moto_server.endpoint_url, rule) as proxy,
        S3(tmp_path, bucket=moto_bucket, config=config, **{**options, "endpoint_url": proxy.endpoint_url}) as s3,
    ):
        with pytest.raises(FileNotFoundError, match="NoSuchUpload"):
            s3.put("k", blocks(12 * MIB))
        assert not s3.exists("k")


def test_proxies_are_seeded() -> None:
    """The same seed strikes the same requests, whatever the order in which they come."""
    first, second = (
        Proxy("http://127.0.0.1:9", [Rule("status", p=0.3)]),
        Proxy("http://127.0.0.1:9", [Rule("status", p=0.3)]),
    )
    asked = [f"/box/k{n}" for n in range(100)]
    there = {path: bool(first.strike("GET", path, "")) for path in asked}
    back = {path: bool(second.strike("GET", path, "")) for path in reversed(asked)}
    for proxy in (first, second):
        proxy._server.server_close()
    assert there == back
    assert 10 < sum(there.values()) < 60
