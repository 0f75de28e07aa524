"""One suite for all wires: what a wire promises, on libcurl, botocore and memory, against real servers."""

from __future__ import annotations

import gc
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

from s3nb import S3
from s3nb.config import TransferConfig
from s3nb.errors import InvalidURL
from s3nb.testing import MemoryWire
from s3nb.wire import FileSlice, Headers, Reply, Request, Wire, WireError
from s3nb.wire.aws import Account
from s3nb.wire.boto import BotoWire
from s3nb.wire.curl import CurlWire
from s3nb.wire.xml import parse_error, parse_initiate, parse_list_page

from .conftest import Server

BUCKET = "wire-suite"


class Collect:
    """A sink that keeps what it gets, and may refuse or have enough."""

    def __init__(self, *, refuse: bool = False, enough: int | None = None, fail: Exception | None = None) -> None:
        self.refuse, self.enough, self.fail = refuse, enough, fail
        self.head: tuple[int, Headers] | None = None
        self.pieces: list[bytes] = []

    def begin(self, status: int, headers: Headers) -> bool:
        self.head = (status, headers)
        return not self.refuse

    def write(self, data: bytes) -> object:
        if self.fail is not None:
            raise self.fail
        self.pieces.append(data)
        return self.enough is None or sum(map(len, self.pieces)) < self.enough

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


@pytest.fixture(scope="module")
def account_on() -> Callable[[Server], Account]:
    """Accounts with the suite's bucket, one per server: making a botocore client takes longer than most tests."""
    made: dict[str, Account] = {}

    def find(server: Server) -> Account:
        if server.name not in made:
            client = server.boto3_client()
            client.create_bucket(Bucket=BUCKET)
            client.close()
            made[server.name] = Account(session=server.session(), endpoint_url=server.endpoint_url)
        return made[server.name]

    return find


@pytest.fixture(
    params=["curl-moto", "curl-radosgw", "boto-moto", "boto-radosgw", "memory"],
)
def wire(request: pytest.FixtureRequest, account_on: Callable[[Server], Account]) -> Iterator[Wire]:
    kind, _, place = request.param.partition("-")
    if kind == "memory":
        made: Wire = MemoryWire({BUCKET: {}}, piece=10_000)
    else:
        server: Server = request.getfixturevalue("moto_server" if place == "moto" else "radosgw")
        made = (CurlWire if kind == "curl" else BotoWire)(account_on(server), TransferConfig())
    yield made
    made.close()


def put(wire: Wire, key: str, body: bytes, **extra: Any) -> Reply:
    reply = wire.send(Request("PutObject", "PUT", BUCKET, key, body=body, **extra)).result(30)
    assert reply.status == 200, reply.body
    return reply


def get(wire: Wire, key: str, sink: Collect | None = None, *headers: tuple[str, str]) -> Reply:
    return wire.send(Request("GetObject", "GET", BUCKET, key, headers=headers), sink).result(30)


def test_what_was_put_is_what_is_got_into_a_sink_and_without_one(wire: Wire) -> None:
    put(wire, "a", b"hello")
    sink = Collect()
    reply = get(wire, "a", sink)
    assert (reply.status, reply.body, sink.body) == (200, b"", b"hello")
    assert sink.head is not None
    assert sink.head[1]["content-length"] == "5"
    assert get(wire, "a").body == b"hello"


def test_an_empty_object_reaches_the_sink_as_a_head_without_a_body(wire: Wire) -> None:
    put(wire, "empty", b"")
    sink = Collect()
    assert get(wire, "empty", sink).status == 200
    assert sink.head is not None
    assert sink.body == b""


def test_header_names_are_lower_case_and_values_are_text(wire: Wire) -> None:
    put(wire, "meta", b"x", headers=(("Content-Type", "text/x-test"), ("x-amz-meta-colour", "blue")))
    headers = get(wire, "meta").headers
    assert headers["content-type"] == "text/x-test"
    assert headers["x-amz-meta-colour"] == "blue"
    assert headers["etag"].strip('"') == "9dd4e461268c8034f5c8564e155c67a6"


def test_an_error_is_a_reply_whose_body_goes_past_the_sink(wire: Wire) -> None:
    sink = Collect()
    reply = get(wire, "missing", sink)
    assert reply.status == 404
    assert sink.head is None
    document = parse_error(reply.body)
    assert document is not None
    assert document.code == "NoSuchKey"


def test_a_head_request_has_headers_and_no_body(wire: Wire) -> None:
    put(wire, "head", b"12345")
    reply = wire.send(Request("HeadObject", "HEAD", BUCKET, "head")).result(30)
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "5", b"")
    missing = wire.send(Request("HeadObject", "HEAD", BUCKET, "no")).result(30)
    assert missing.status == 404


def test_a_range_is_answered_with_206_and_its_place(wire: Wire) -> None:
    put(wire, "digits", b"0123456789")
    sink = Collect()
    reply = get(wire, "digits", sink, ("Range", "bytes=2-4"))
    assert (reply.status, sink.body) == (206, b"234")
    assert reply.headers["content-range"] == "bytes 2-4/10"


def test_a_condition_that_fails_is_412(wire: Wire) -> None:
    put(wire, "cond", b"x")
    assert get(wire, "cond", None, ("If-Match", '"00000000000000000000000000000000"')).status == 412


@pytest.mark.parametrize(
    "key",
    [
        "a b",
        "q?x=1",
        "h#f",
        "p%20q",
        "plus+plus",
        "a//b",
        "../up",
        "a/../b",
        "a/./b",
        "ü/日本/🐍",
        "t~'()*!;:@&=$,",
        "x" * 1024,
    ],
)
def test_each_key_names_exactly_itself(wire: Wire, key: str) -> None:
    put(wire, key, key.encode())
    assert get(wire, key).body == key.encode()
    query = (("encoding-type", "url"), ("list-type", "2"), ("prefix", key))
    listed = wire.send(Request("ListObjectsV2", "GET", BUCKET, query=query)).result(30)
    assert key in [o.key for o in parse_list_page(listed.body, BUCKET, key).objects]
    assert wire.send(Request("DeleteObject", "DELETE", BUCKET, key)).result(30).status == 204
    assert get(wire, key).status == 404


def test_a_slice_of_a_file_is_sent_and_counted(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(os.urandom(3_000_000))
    fd = os.open(file, os.O_RDONLY)
    try:
        body = FileSlice(fd, 1_000_000, 2_500_000)
        reply = wire.send(Request("PutObject", "PUT", BUCKET, "slice", body=body, bulk=True)).result(30)
        assert (reply.status, body.sent) == (200, 1_500_000)
    finally:
        os.close(fd)
    assert get(wire, "slice").body == file.read_bytes()[1_000_000:2_500_000]


def test_a_file_that_is_shorter_than_its_slice_is_a_source_error(wire: Wire, tmp_path: Path) -> None:
    file = tmp_path / "short"
    file.write_bytes(b"x" * 100)
    fd = os.open(file, os.O_RDONLY)
    try:
        with pytest.raises(WireError) as caught:
            wire.send(Request("PutObject", "PUT", BUCKET, "short", body=FileSlice(fd, 0, 2_000_000))).result(30)
    finally:
        os.close(fd)
    assert caught.value.kind == "source"


def test_a_sink_that_refuses_ends_the_exchange_as_stopped(wire: Wire) -> None:
    put(wire, "big", bytes(3_000_000))
    sink = Collect(refuse=True)
    reply = get(wire, "big", sink)
    assert (reply.status, reply.stopped, sink.body) == (200, True, b"")


def test_a_sink_that_has_enough_ends_the_exchange_as_stopped(wire: Wire) -> None:
    put(wire, "big", bytes(3_000_000))
    sink = Collect(enough=1)
    reply = get(wire, "big", sink)
    assert reply.stopped
    assert 0 < len(sink.body) < 3_000_000


def test_what_a_sink_raises_comes_back_as_the_cause(wire: Wire) -> None:
    put(wire, "a", b"hello")
    trouble = RuntimeError("disk on fire")
    with pytest.raises(WireError) as caught:
        get(wire, "a", Collect(fail=trouble))
    assert caught.value.kind == "sink"
    assert caught.value.__cause__ is trouble


def test_bodies_of_posts_arrive_and_parts_make_an_object(wire: Wire) -> None:
    reply = wire.send(Request("CreateMultipartUpload", "POST", BUCKET, "multi", query=(("uploads", ""),))).result(30)
    assert reply.status == 200, reply.body
    upload_id = parse_initiate(reply.body)
    part = wire.send(
        Request(
            "UploadPart", "PUT", BUCKET, "multi", query=(("partNumber", "1"), ("uploadId", upload_id)), body=b"part"
        )
    ).result(30)
    assert part.status == 200
    body = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{part.headers['etag']}</ETag></Part></CompleteMultipartUpload>"
    ).encode()
    done = wire.send(
        Request("CompleteMultipartUpload", "POST", BUCKET, "multi", query=(("uploadId", upload_id),), body=body)
    ).result(30)
    assert done.status == 200, done.body
    assert get(wire, "multi").body == b"part"


def test_many_exchanges_at_once_each_get_their_own_reply(wire: Wire) -> None:
    puts = [wire.send(Request("PutObject", "PUT", BUCKET, f"n/{n}", body=str(n).encode())) for n in range(200)]
    assert all(f.result(60).status == 200 for f in puts)
    gets = [wire.send(Request("GetObject", "GET", BUCKET, f"n/{n}")) for n in range(200)]
    assert [f.result(60).body for f in gets] == [str(n).encode() for n in range(200)]


def test_a_callback_is_called_once_whenever_it_is_added(wire: Wire) -> None:
    put(wire, "a", b"hello")
    called: SimpleQueue[bytes] = SimpleQueue()
    futures = [wire.send(Request("GetObject", "GET", BUCKET, "a")) for _ in range(100)]
    for future in futures:  # some are done by now, some are not
        future.add_done_callback(lambda done: called.put(done.result().body))
    assert [called.get(timeout=30) for _ in futures] == [b"hello"] * 100
    for future in futures:
        future.add_done_callback(lambda done: called.put(done.result(0).body))
    assert [called.get(timeout=30) for _ in futures] == [b"hello"] * 100
    assert called.empty()


def test_several_threads_wait_for_one_reply_and_none_for_ever(wire: Wire) -> None:
    put(wire, "a", b"hello")
    release = threading.Event()

    class Late(Collect):
        def begin(self, status: int, headers: Headers) -> bool:
            release.wait(10)
            return super().begin(status, headers)

    future = wire.send(Request("GetObject", "GET", BUCKET, "a"), Late())
    with pytest.raises(TimeoutError):
        future.result(0.01)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(future.result, 30) for _ in range(4)]
        release.set()
        assert [w.result().status for w in waiting] == [200] * 4


def test_cancelling_ends_the_future_only_when_the_sink_is_free(wire: Wire) -> None:
    put(wire, "big", bytes(8_000_000))
    entered, release = threading.Event(), threading.Event()

    class Slow(Collect):
        def write(self, data: bytes) -> object:
            entered.set()
            release.wait(10)
            return super().write(data)

    sink = Slow()
    future = wire.send(Request("GetObject", "GET", BUCKET, "big"), sink)
    assert entered.wait(10)
    assert future.cancel()
    assert not future.cancelled()
    release.set()
    with pytest.raises(CancelledError):
        future.result(10)
    taken = len(sink.body)
    assert get(wire, "big").status == 200  # the wire works on
    assert len(sink.body) == taken


def test_a_future_cancelled_at_once_never_delivers(wire: Wire) -> None:
    put(wire, "a", b"hello")
    futures = [wire.send(Request("GetObject", "GET", BUCKET, "a"), Collect()) for _ in range(50)]
    for future in futures:
        future.cancel()
    for future in futures:
        try:
            assert future.result(10).status == 200
        except CancelledError:
            assert future.cancelled()


def test_a_closed_wire_settles_what_runs_and_refuses_what_comes(wire: Wire) -> None:
    put(wire, "big", bytes(4_000_000))
    futures = [wire.send(Request("GetObject", "GET", BUCKET, "big"), Collect()) for _ in range(8)]
    wire.close()
    wire.close()
    for future in futures:
        try:
            future.result(10)
        except (WireError, CancelledError):
            assert future.done()
    with pytest.raises(WireError) as caught:
        wire.send(Request("GetObject", "GET", BUCKET, "big")).result(10)
    assert caught.value.kind == "closed"


def test_large_requests_go_where_the_fewest_are_under_way_and_small_ones_to_the_first_lane(
    moto_server: Server,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and answers nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        wire = CurlWire(Account(session=moto_server.session(), endpoint_url=url), TransferConfig(lanes=3))
        try:
            for bulk in (False, False, True, True, True, True, True, False):
                wire.send(Request("GetObject", "GET", BUCKET, "key", bulk=bulk))
            assert [lane.busy for lane in wire._lanes if lane is not None] == [3, 2, 3]
        finally:
            wire.close()


def test_after_a_large_object_the_next_is_taken_for_large(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {key: bytes(1 << 20 if key < "c" else 10) for key in "abcd"}})
    config = TransferConfig(max_requests=1)
    with S3(tmp_path, s3root="s3://box", wire=wire, config=config) as s3:
        s3.get_many(list("abcd"))
    assert [(r.key, r.bulk) for r in wire.log] == [("a", False), ("b", True), ("c", True), ("d", False)]


# -- what botocore is asked -------------------------------------------------------------------------


def test_the_session_knows_the_services_that_botocore_knows() -> None:
    ours = Account(region="eu-west-1").session
    theirs = botocore.session.get_session()
    assert list(ours._session.get_available_services()) == theirs.get_available_services()
    assert ours.client("sts", aws_access_key_id="a", aws_secret_access_key="b").meta.region_name == "eu-west-1"
    with pytest.raises(botocore.exceptions.UnknownServiceError, match=r"'s4'.*\bs3\b"):
        ours.client("s4")


def test_a_service_of_the_users_own_models_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine" / "2026-01-01"
    folder.mkdir(parents=True)
    metadata = {"apiVersion": "2026-01-01", "endpointPrefix": "mine", "protocol": "rest-xml", "serviceId": "mine",
                "signatureVersion": "v4"}  # fmt: skip
    (folder / "service-2.json").write_text(json.dumps({"metadata": metadata, "operations": {}, "shapes": {}}))
    rules = {
        "version": "1.0",
        "parameters": {},
        "rules": [{"conditions": [], "endpoint": {"url": "http://x"}, "type": "endpoint"}],
    }
    (folder / "endpoint-rule-set-1.json").write_text(json.dumps(rules))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    assert Account(region="eu-west-1").session.client("mine", **keys).meta.service_model.service_name == "mine"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_of_garbage_is_left_as_it_was(enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(
        region="eu-west-1",
        endpoint_url="http://localhost:1",
        client_params={"aws_access_key_id": "a", "aws_secret_access_key": "b"},
    )
    (gc.enable if enabled else gc.disable)()
    try:
        assert account.endpoint("bucket").host == "localhost:1"
        with pytest.raises(InvalidURL):
            account.endpoint("no bucket")
        assert gc.isenabled() is enabled
        assert gc.get_freeze_count() == 0  # those that nobody froze are collected as ever
        gc.freeze()
        assert account.endpoint("another").host == "localhost:1"
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
