"""The client, against real servers: what a user sees."""

from __future__ import annotations

import io
import os
import pickle
import urllib.request
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3nb import (
    S3,
    AccessDenied,
    BucketNotFound,
    BulkError,
    ClientClosed,
    InvalidObject,
    InvalidRange,
    InvalidURL,
    LocalFileError,
    LocalFileNotFound,
    ObjectNotFound,
    RangeInfo,
    S3GetObject,
    S3Object,
    S3Path,
    S3PutObject,
    TransferConfig,
)
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import copy
from s3nb.transfer.placed import Placed

from .conftest import Server

DIGITS = b"0123456789"
AWKWARD = [
    "with space", "q?x=1", "h#f", "p%20q", "plus+plus", "a//b", "a/../b", "a/./b", "../up", "ü/日本/🐍", "quote'\"<b>",
    "t~'()*!;:@&=$,", "back\\slash", "a/trailing/", "x" * 1000,
]  # fmt: skip


# -- who asks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["curl", "boto3"])
def test_requester_pays_is_said_with_each_request_and_in_links(
    server: Server, bucket: str, tmp_path: Path, engine: str
) -> None:
    with S3(tmp_path, s3root=f"s3://{bucket}", requester_pays=True, engine=engine, **server.options()) as s3:
        s3.put_many([("a", b"1"), ("b", b"2")])
        assert [o.blob for o in s3.get_many(["a", "b"])] == [b"1", b"2"]
        assert s3.sync(tmp_path, f"s3://{bucket}/x", dry_run=True).copied == []
        link = s3.presign("a")
        assert "x-amz-request-payer=requester" in link
        if engine == "curl":  # botocore's way with it is Amazon's only
            with urllib.request.urlopen(link) as reply:
                assert reply.read() == b"1"
        s3.delete_many(["a", "b"])


def test_requester_pays_reaches_every_request(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {"a": b"1"}})
    payer = ("x-amz-request-payer", "requester")
    seen = []
    send = wire.send
    wire.send = lambda request, sink=None: (
        seen.append((request.operation, payer in request.headers)),
        send(request, sink),
    )[1]  # type: ignore[method-assign]
    wire.faults.append(Fault(status=503, code="SlowDown", times=1))
    config = TransferConfig(throttle_base=0.001)
    with S3(tmp_path, s3root="s3://box", wire=wire, requester_pays=True, config=config) as s3:
        s3.get_many(["a"])
        s3.info("a")
        s3.list_recursive()
        s3.put("b", b"2", metadata={"m": 1})
        s3.copy("b", "c")
        s3.delete("c")
        s3.buckets()
    assert {name for name, said in seen if not said} == {"ListBuckets"}
    assert len(seen) >= 8
    with pytest.raises(ValueError, match="requester_pays"):
        S3(tmp_path, anonymous=True, requester_pays=True)


# -- get and put -------------------------------------------------------------------------------


def test_put_returns_the_url_and_get_returns_the_bytes(s3: S3, bucket: str) -> None:
    url = s3.put("greeting.txt", "héllo", content_type="text/plain", metadata={"Author": "Ada", "n": [1, 2]})
    assert url == f"s3://{bucket}/greeting.txt"
    assert not url.skipped
    found = s3.get("greeting.txt")
    assert (found.blob, found.text, found.size) == ("héllo".encode(), "héllo", 6)
    assert (found.url, found.key, found.prefix) == (url, "greeting.txt", f"s3://{bucket}")
    assert found.exists
    assert found.downloaded
    assert found.has_info
    assert found.content_type == "text/plain"
    assert found.metadata == {"Author": "Ada", "n": [1, 2]}
    assert found.range_info == RangeInfo(6, 0, 6)
    assert found.etag == url.etag
    assert isinstance(found.last_modified, float)
    assert found.path is not None
    assert Path(found.path).read_bytes() == "héllo".encode()
    assert found.path == found.path
    assert os.path.isabs(found.path)


def test_without_info_nothing_but_the_bytes_is_known(s3: S3) -> None:
    s3.put("a", b"x", metadata={"k": 1})
    found = s3.get("a", return_info=False)
    assert found.blob == b"x"
    assert not found.has_info
    assert (found.content_type, found.metadata, found.range_info, found.last_modified) == (None, None, None, None)


def test_a_missing_object_is_an_error_that_names_it_or_a_result(s3: S3, bucket: str) -> None:
    with pytest.raises(ObjectNotFound) as caught:
        s3.get("nope")
    error = caught.value
    assert isinstance(error, FileNotFoundError)
    assert (error.bucket, error.key, error.operation, error.status) == (bucket, "nope", "GetObject", 404)
    assert f"s3://{bucket}/nope" in str(error)
    found = s3.get("nope", return_missing=True)
    assert (found.exists, found.downloaded, found.size, found.blob, found.path) == (False, False, None, None, None)
    assert "does not exist" in repr(found)


def test_a_missing_bucket_is_named(rootless: S3) -> None:
    with pytest.raises(BucketNotFound, match="no-such-bucket-here"):
        rootless.get("s3://no-such-bucket-here/k")
    with pytest.raises(BulkError, match="NoSuchBucket"):
        rootless.put_many([("s3://no-such-bucket-here/k", b"x")])


def test_an_empty_object_is_an_object(s3: S3) -> None:
    s3.put("empty", b"")
    found = s3.get("empty")
    assert (found.exists, found.size, found.blob, found.text, found.range_info) == (
        True,
        0,
        b"",
        "",
        RangeInfo(0, 0, 0),
    )
    assert "does not exist" not in repr(s3.info("empty"))


@pytest.mark.parametrize("key", AWKWARD)
def test_each_key_names_exactly_that_object(s3: S3, rootless: S3, bucket: str, key: str) -> None:
    s3.put(key, key)
    assert s3.get(key).text == key
    assert rootless.get(f"s3://{bucket}/{key}").text == key
    assert s3.info(key).size == len(key.encode())
    listed = s3.list_recursive()
    assert [o.url for o in listed] == [f"s3://{bucket}/{key}"]
    assert s3.get_many(listed)[0].text == key
    assert s3.copy(key, "copied") == f"s3://{bucket}/copied"
    s3.delete_many([key])
    assert not s3.exists(key)
    assert s3.get("copied").text == key


@pytest.mark.parametrize("key", ["tab\there", "new\nline", "/leading", "//two", "bell\x07", "cr\rhere"])
def test_keys_that_only_a_full_url_can_name_and_moto_cannot_hold(radosgw: Server, tmp_path: Path, key: str) -> None:
    client = radosgw.boto3_client()
    client.create_bucket(Bucket="strict-keys")
    client.close()
    with S3(tmproot=tmp_path, **radosgw.options()) as s3:
        url = f"s3://strict-keys/{key}"
        s3.put(url, key)
        assert s3.get(url).text == key
        listed = s3.list_recursive(["s3://strict-keys"])
        assert [o.url for o in listed] == [url]
        assert s3.get_many(listed)[0].text == key
        s3.delete_many(listed)
        assert s3.list_recursive(["s3://strict-keys"]) == []


@pytest.mark.parametrize(
    ("offset", "length", "expected", "info"),
    [
        (None, None, DIGITS, (10, 0, 10)),
        (0, 4, b"0123", (10, 0, 4)),
        (2, None, b"23456789", (10, 2, 8)),
        (None, 3, b"012", (10, 0, 3)),
        (None, -3, b"789", (10, 7, 3)),
        (4, -3, b"789", (10, 7, 3)),
        (2, 100, b"23456789", (10, 2, 8)),
        (None, -100, DIGITS, (10, 0, 10)),
        (5, 0, b"", (10, 5, 0)),
    ],
)
def test_ranges(s3: S3, offset: int | None, length: int | None, expected: bytes, info: tuple[int, int, int]) -> None:
    s3.put("digits", DIGITS)
    for found in (
        s3.get(S3GetObject("digits", offset, length)),
        s3.get_many([S3GetObject("digits", offset, length)])[0],
    ):
        assert (found.blob, found.size, found.range_info) == (expected, len(expected), RangeInfo(*info))


def test_a_range_the_object_does_not_have_is_an_error_at_once(s3: S3) -> None:
    s3.put("digits", DIGITS)
    s3.put("empty", b"")
    for key, offset, length in [("digits", 10, 1), ("digits", 20, None), ("empty", 0, 1)]:
        with pytest.raises(InvalidRange):
            s3.get(S3GetObject(key, offset, length))
        with pytest.raises(InvalidRange) as caught:
            s3.get_many([S3GetObject(key, offset, length)])
        assert isinstance(caught.value, BulkError)
    with pytest.raises(InvalidRange, match="negative"):
        s3.get(S3GetObject("digits", -5, None))


def test_the_same_key_with_two_ranges_gives_two_results(s3: S3) -> None:
    s3.put("digits", DIGITS)
    found = s3.get_many([S3GetObject("digits", 0, 2), S3GetObject("digits", 5, 2), "digits"])
    assert [f.blob for f in found] == [b"01", b"56", DIGITS]
    assert len({f.path for f in found}) == 3


def test_a_later_get_does_not_change_an_earlier_result(s3: S3) -> None:
    s3.put("k", b"old")
    before = s3.get("k")
    path = before.path
    s3.put("k", b"newer")
    after = s3.get("k")
    assert (before.blob, after.blob) == (b"old", b"newer")
    assert path is not None
    assert Path(path).read_bytes() == b"old"


@pytest.mark.parametrize(
    "value",
    [
        "text", b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), memoryview(b"abcdef")[::2],
    ],
)  # fmt: skip
def test_values_of_many_types_can_be_put(s3: S3, value: Any) -> None:
    s3.put("v", value)
    assert s3.get("v").blob == (value.encode() if isinstance(value, str) else bytes(value))


def test_a_file_is_sent_whole_from_its_start_and_stays_open(s3: S3, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(DIGITS)
    with path.open("rb") as file:
        file.read(4)
        s3.put("one", file)
        file.read(4)
        s3.put_many([("two", file)])
        assert not file.closed
    stream = io.BytesIO(DIGITS)
    stream.read(3)
    s3.put("three", stream)
    s3.put("four", path)
    assert [o.blob for o in s3.get_many(["one", "two", "three", "four"])] == [DIGITS] * 4


def test_a_stream_that_cannot_seek_is_sent_from_where_it_stands(s3: S3) -> None:
    read, write = os.pipe()
    os.write(write, DIGITS)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        s3.put("piped", pipe)
    assert s3.get("piped").blob == DIGITS


def test_what_was_meant_is_said_where_others_have_other_ways(moto_s3: S3, moto_bucket: str) -> None:
    class Table:
        def to_parquet(self) -> bytes:
            return b""

    moto_s3.put("k", b"x")
    with pytest.raises(InvalidObject, match=r"cannot upload Table.*to_parquet.*makes bytes"):
        moto_s3.put("v", Table())
    with pytest.raises(InvalidObject, match=r"cannot upload S3Object.*copy\(\) copies within S3"):
        moto_s3.put("v", moto_s3.get("k"))
    with pytest.raises(InvalidURL, match=r"S3GetObject\(key, offset, length\)"):
        moto_s3.get_many([("k", 0, 1)])
    with pytest.raises(InvalidURL, match=r"S3\(s3root='s3://box'\)"):
        S3("s3://box")


def test_roots_may_be_paths_in_s3_and_many_values_a_dict(server: Server, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"3")
    with S3(tmp_path, s3root=S3Path(f"s3://{bucket}") / "below", **server.options()) as s3:
        assert s3.put_many({"a": "1", "b": "2"}) == [("a", f"s3://{bucket}/below/a"), ("b", f"s3://{bucket}/below/b")]
        s3.put_files({"c": tmp_path / "f"})
        assert [o.text for o in s3.get_many(["a", "b", "c"])] == ["1", "2", "3"]


@pytest.mark.parametrize("value", [None, 7, object(), io.StringIO("x"), {"a": 1}])
def test_what_has_no_bytes_is_refused_before_anything_is_sent(s3: S3, value: Any) -> None:
    with pytest.raises(InvalidObject):
        s3.put("v", value)
    with pytest.raises(InvalidObject):
        s3.put_many([("good", b"x"), ("bad", value)])
    assert s3.list_recursive() == []


def test_overwrite_false_keeps_what_is_there_and_says_so(s3: S3) -> None:
    first = s3.put("k", b"first", overwrite=False)
    second = s3.put("k", b"second", overwrite=False)
    assert (first.skipped, second.skipped, first == second) == (False, True, True)
    assert s3.get("k").blob == b"first"
    done = s3.put_many([("k", b"x"), ("new", b"y")], overwrite=False)
    assert [key for key, _ in done] == ["new"]
    assert done.skipped == ["k"]
    assert s3.put_many([("k", b"x")], overwrite=False) == []


def test_files_are_put_by_path(s3: S3, tmp_path: Path, bucket: str) -> None:
    (tmp_path / "a").write_bytes(b"A")
    (tmp_path / "b").write_bytes(b"B")
    done = s3.put_files(
        [
            ("ka", tmp_path / "a"),
            S3PutObject(key="kb", path=str(tmp_path / "b"), content_type="text/b", metadata={"m": 1}),
        ]
    )
    assert done == [("ka", f"s3://{bucket}/ka"), ("kb", f"s3://{bucket}/kb")]
    found = s3.get("kb")
    assert (found.blob, found.content_type, found.metadata) == (b"B", "text/b", {"m": 1})
    with pytest.raises(LocalFileNotFound):
        s3.put_files([("ok", tmp_path / "a"), ("gone", tmp_path / "gone")])
    assert not s3.exists("ok")
    with pytest.raises(LocalFileError, match="folder"):
        s3.put_files([("dir", tmp_path)])


def test_a_put_object_carries_its_type_and_metadata_also_as_a_key_of_put(s3: S3) -> None:
    s3.put(S3PutObject("one", content_type="text/one", metadata={"n": 1}), b"1")
    s3.put_many([S3PutObject("two", b"2", content_type="text/two")])
    s3.put_many([SimpleNamespace(key="three", value=b"3", content_type="text/three", metadata=None)])
    pair = namedtuple("pair", "key value content_type")
    s3.put_many([pair("four", b"4", "text/four")])
    assert [s3.info(k).content_type for k in ("one", "two", "three", "four")] == [
        "text/one", "text/two", "text/three", "text/four",
    ]  # fmt: skip
    assert s3.info("one").metadata == {"n": 1}


def test_metadata_of_other_tools_is_visible(s3: S3, server: Server, bucket: str) -> None:
    client = server.boto3_client()
    client.put_object(Bucket=bucket, Key="foreign", Body=b"x", Metadata={"colour": "blue"})
    client.close()
    found = s3.info("foreign")
    assert found.metadata is None
    assert found.raw_metadata == {"colour": "blue"}
    assert found.headers is not None
    assert found.headers["x-amz-meta-colour"] == "blue"


def test_a_header_cannot_be_smuggled_in(s3: S3) -> None:
    with pytest.raises(InvalidObject, match="one line"):
        s3.put("k", b"x", content_type="text/plain\r\nx-amz-acl: public-read")
    with pytest.raises(InvalidObject, match="one line"):
        s3.put("k", b"x", headers={"Cache-Control": "a\nb"})


def test_a_checksum_of_the_users_own_is_sent_alone(s3: S3) -> None:
    """S3 takes one, and refuses a wrong one."""
    good = "LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564="  # SHA-256 of b"foo"
    s3.put("summed", b"foo", headers={"x-amz-checksum-sha256": good})
    assert s3.get("summed").blob == b"foo"
    wire = MemoryWire({"box": {}})
    with S3(s3root="s3://box", wire=wire) as client:
        client.put("summed", b"foo", headers={"X-Amz-Checksum-SHA256": good})
    assert [name for name, _ in wire.log[-1].headers if "checksum" in name.lower()] == ["X-Amz-Checksum-SHA256"]


# -- large objects ------------------------------------------------------------------------------


def blocks(size: int) -> bytes:
    return b"".join(b"%015d\n" % at for at in range(0, size, 16))


SMALL_PARTS = TransferConfig(
    part_size=5 << 20, multipart_threshold=6 << 20, split_threshold=4 << 20, smallest_split=1 << 20
)


@pytest.fixture
def parted(server: Server, bucket: str, tmp_path: Path) -> Any:
    with S3(tmproot=tmp_path, bucket=bucket, config=SMALL_PARTS, **server.options()) as client:
        yield client


def test_a_large_object_goes_up_in_parts_and_comes_down_in_ranges(parted: S3, tmp_path: Path) -> None:
    body = blocks(12 << 20)
    (tmp_path / "large").write_bytes(body)
    url = parted.put("from-bytes", body, metadata={"m": 1})
    assert url.etag is not None
    assert url.etag.endswith("-3")
    parted.put_files([("from-file", tmp_path / "large")])
    with (tmp_path / "large").open("rb") as file:
        parted.put("from-stream", file)
    for key in ("from-bytes", "from-file", "from-stream"):
        found = parted.get(key)
        assert found.size == len(body)
        assert found.blob == body
    assert parted.info("from-bytes").metadata == {"m": 1}
    piece = parted.get(S3GetObject("from-file", 1_000_000, 7_000_001))
    assert piece.blob == body[1_000_000:8_000_001]
    assert piece.range_info == RangeInfo(len(body), 1_000_000, 7_000_001)


def test_a_stream_of_unknown_length_goes_up_in_parts(parted: S3) -> None:
    body = blocks(11 << 20)

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.rest = io.BytesIO(body)

        def readable(self) -> bool:
            return True

        def read(self, size: int | None = -1) -> bytes:
            return self.rest.read(min(size or 1, 100_000) if size is None or size > 0 else size)

    parted.put("stream", Pipe())
    assert parted.get("stream").blob == body


def test_overwrite_false_holds_for_parts_too(parted: S3) -> None:
    parted.put("k", b"first")
    assert parted.put("k", blocks(7 << 20), overwrite=False).skipped
    assert parted.get("k").blob == b"first"


# -- many ----------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_request_with_duplicates(s3: S3) -> None:
    s3.put_many((f"n/{n}", str(n)) for n in range(120))
    order = [f"n/{n * 7 % 120}" for n in range(120)] + ["n/3", "n/3"]
    assert [o.key for o in s3.get_many(order)] == order
    assert [o.text for o in s3.get_many(iter(order))] == [k[2:] for k in order]
    assert [o.key for o in s3.info_many(order)] == order
    assert s3.get_many([]) == []
    assert s3.put_many([]) == []


def test_one_failure_stops_no_other_and_every_failure_is_named(s3: S3) -> None:
    s3.put_many([(f"n/{n}", str(n)) for n in range(20)])
    keys = [f"n/{n}" for n in range(20)]
    keys[3:3] = ["gone/1"]
    keys.append("gone/2")
    with pytest.raises(ObjectNotFound) as caught:
        s3.get_many(keys)
    error = caught.value
    assert isinstance(error, BulkError)
    assert [e.key for e in error.failed] == ["gone/1", "gone/2"]
    assert [o.text for o in error.ok] == [str(n) for n in range(20)]
    assert "gone/1" in str(error)
    assert "gone/2" in str(error)
    assert "2 objects of 22" in str(error)
    s3.put_many([("gone/1", b"back"), ("gone/2", b"again")])
    complete = error.retry()
    assert [o.key for o in complete] == keys
    assert complete[3].blob == b"back"
    with pytest.raises(ObjectNotFound, match="never"):
        s3.info_many(["never"])
    assert [o.exists for o in s3.get_many(["n/1", "never"], return_missing=True)] == [True, False]
    assert [o.exists for o in s3.info_many(["never", "n/1"], return_missing=True)] == [False, True]


def test_a_string_where_keys_are_meant_is_an_error(s3: S3) -> None:
    for method in (s3.get_many, s3.info_many, s3.list_paths, s3.list_recursive, s3.get_recursive, s3.delete_many):
        with pytest.raises(TypeError, match="list"):
            method("abc")


def test_a_bad_key_in_a_list_is_found_before_the_first_request(s3: S3) -> None:
    with pytest.raises(InvalidURL):
        s3.get_many(["fine", 7])
    with pytest.raises(InvalidURL, match="root"):
        s3.get_many(["s3://other/key"])


def test_lazy_gets_come_one_by_one(s3: S3) -> None:
    s3.put_many([(f"n/{n}", str(n)) for n in range(40)])
    assert [o.text for o in s3.iter_get(f"n/{n}" for n in range(40))] == [str(n) for n in range(40)]
    assert {o.text for o in s3.iter_get((f"n/{n}" for n in range(40)), ordered=False)} == {str(n) for n in range(40)}
    half = s3.iter_get(f"n/{n % 40}" for n in range(10_000))
    assert next(half).text == "0"
    half.close()
    assert s3.get("n/1").text == "1"


def test_a_submitted_get_is_a_future(s3: S3) -> None:
    s3.put("k", b"v")
    assert s3.submit_get("k").result(30).blob == b"v"
    assert s3.submit_put("k2", b"v2").result(30).url.endswith("/k2")
    with pytest.raises(ObjectNotFound):
        s3.submit_get("nope").result(30)


# -- listing ---------------------------------------------------------------------------------------


@pytest.fixture
def tree(s3: S3) -> S3:
    s3.put_many([(k, k) for k in ["a", "a/0.txt", "a/b/1.txt", "a/b/2.txt", "ab/5.txt", "top.txt", "z/deep/er/9"]])
    return s3


def test_one_level_has_objects_and_prefixes_by_url(tree: S3, bucket: str) -> None:
    found = tree.list_paths()
    assert [(o.key, o.exists) for o in found] == [
        ("a", True), ("a", False), ("ab", False), ("top.txt", True), ("z", False),
    ]  # fmt: skip
    assert found[1].url == f"s3://{bucket}/a/"
    assert found[0].size == 1
    assert found[0].etag is not None
    assert found[0].last_modified is not None
    assert not found[0].has_info
    below = tree.list_paths(["a"])
    assert [(o.key, o.prefix, o.exists) for o in below] == [
        ("0.txt", f"s3://{bucket}/a/", True), ("b", f"s3://{bucket}/a/", False),
    ]  # fmt: skip
    assert tree.list_paths(["top.txt"]) == []
    assert tree.list_paths(["none"]) == []
    assert tree.list_paths([]) == []


def test_a_recursive_listing_takes_a_prefix_as_a_directory(tree: S3, bucket: str) -> None:
    assert [o.key for o in tree.list_recursive(["a"])] == ["0.txt", "b/1.txt", "b/2.txt"]
    assert [o.key for o in tree.list_recursive(["a/b", "ab"])] == ["1.txt", "2.txt", "5.txt"]
    assert len(tree.list_recursive()) == 7
    for found in tree.list_recursive(["a"]):
        assert found.url.endswith(found.key)
        assert found.prefix is not None
        assert found.url.startswith(found.prefix)


def test_get_recursive_brings_what_list_recursive_lists(tree: S3) -> None:
    assert [(o.key, o.text) for o in tree.get_recursive(["a"])] == [
        ("0.txt", "a/0.txt"), ("b/1.txt", "a/b/1.txt"), ("b/2.txt", "a/b/2.txt"),
    ]  # fmt: skip
    assert [o.key for o in tree.get_recursive(["a"], return_info=True)] == ["0.txt", "b/1.txt", "b/2.txt"]
    assert len(tree.get_all()) == 7
    assert tree.get_recursive(["none"]) == []


def test_a_client_with_a_deeper_root_sees_nothing_else(tree: S3, server: Server, bucket: str, tmp_path: Path) -> None:
    with S3(tmproot=tmp_path, s3root=f"s3://{bucket}/a/", **server.options()) as inner:
        assert [o.key for o in inner.get_all()] == ["0.txt", "b/1.txt", "b/2.txt"]
        assert inner.get("b/1.txt").key == "b/1.txt"
        assert inner.get(None).text == "a"
        assert inner.get("/0.txt").text == "a/0.txt"


def test_lazy_listing_filters_and_stops(tree: S3) -> None:
    assert [o.key for o in tree.iter_list(match="**/*.txt")] == [
        "a/0.txt",
        "a/b/1.txt",
        "a/b/2.txt",
        "ab/5.txt",
        "top.txt",
    ]
    assert [o.key for o in tree.iter_list(match="*.txt")] == ["top.txt"]
    assert [o.key for o in tree.iter_list("a", limit=2)] == ["0.txt", "b/1.txt"]
    assert [o.key for o in tree.iter_list("a", start_after="0.txt")] == ["b/1.txt", "b/2.txt"]
    assert [o.key for o in tree.iter_list(recursive=False, limit=1)] == ["a"]


def test_glob(tree: S3, rootless: S3, bucket: str) -> None:
    assert [o.key for o in tree.glob("a/b/?.txt")] == ["a/b/1.txt", "a/b/2.txt"]
    assert [o.key for o in tree.glob("a*/[05].txt")] == ["a/0.txt", "ab/5.txt"]
    assert [o.key for o in tree.glob("**/[!15].txt")] == ["a/0.txt", "a/b/2.txt"]
    assert [o.key for o in tree.glob("top.txt")] == ["top.txt"]
    assert [o.url for o in rootless.glob(f"s3://{bucket}/z/**")] == [f"s3://{bucket}/z/deep/er/9"]


def test_a_listing_longer_than_a_page(s3: S3) -> None:
    keys = sorted(f"many/{n:05d}" for n in range(1100))
    s3.put_many((k, b"") for k in keys)
    assert [f"many/{o.key}" for o in s3.list_recursive(["many"])] == keys
    assert len(s3.delete_recursive(["many"])) == 1100
    assert s3.list_recursive(["many"]) == []


def test_listing_a_missing_bucket_is_an_error(rootless: S3) -> None:
    with pytest.raises(BucketNotFound):
        rootless.list_paths(["s3://no-such-bucket-here"])


# -- versions, copying, deleting -----------------------------------------------------------------------


def test_versions_can_be_listed_got_and_deleted(s3: S3, server: Server, bucket: str) -> None:
    client = server.boto3_client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    first, second = s3.put("k", b"one"), s3.put("k", b"two")
    assert first.version_id != second.version_id
    assert s3.get("k", version_id=first.version_id).blob == b"one"
    assert s3.get(S3GetObject("k", version_id=first.version_id)).blob == b"one"
    s3.delete("k")
    assert not s3.exists("k")
    versions = list(s3.iter_list(versions=True))
    assert [(v.exists, v.key) for v in versions] == [(False, "k"), (True, "k"), (True, "k")]
    assert s3.get(versions[1]).blob == b"two"
    s3.delete_many(versions)
    assert list(s3.iter_list(versions=True)) == []
    with pytest.raises(ObjectNotFound):
        s3.get("k", version_id=first.version_id)


def test_copies_keep_bytes_type_and_metadata(s3: S3) -> None:
    s3.put("a b?", b"x", content_type="text/x", metadata={"m": 1})
    s3.copy("a b?", "copy")
    found = s3.get("copy")
    assert (found.blob, found.content_type, found.metadata) == (b"x", "text/x", {"m": 1})
    s3.copy("a b?", "other", metadata={"m": 2})
    assert (s3.info("other").metadata, s3.info("other").content_type) == ({"m": 2}, "text/x")
    assert [str(u)[-2:] for u in s3.copy_many([("copy", "c1"), ("copy", "c2")])] == ["c1", "c2"]
    s3.move("c1", "moved")
    assert not s3.exists("c1")
    assert s3.get("moved").blob == b"x"
    with pytest.raises(ObjectNotFound, match="/none: NoSuchKey") as caught:
        s3.copy("none", "x")
    assert caught.value.url == s3.root + "/none"  # the source is not there, not the target
    with pytest.raises(InvalidURL, match="same"):
        s3.move("moved", "moved")


def test_what_is_too_large_for_one_copy_request_is_copied_in_parts(
    s3: S3, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_COPY_PART", 5 << 20)

    class Large(copy.CopyTask):
        """Begins as after a refusal of the plain request, which takes an object of 5 GiB."""

        def start(self) -> None:
            self.begin_parts(len(body), (("content-type", "text/x"),))

    body = blocks(12 << 20)
    s3.put("large", body, content_type="text/x")
    source = copy.From(bucket, "large", f"s3://{bucket}/large")
    s3._core.run(Large(s3._core.scope("copy", 1), source, Placed(bucket, "copied", f"s3://{bucket}/copied")))
    found = s3.get("copied")
    assert (found.blob, found.content_type) == (body, "text/x")


def test_deleting_is_idempotent(s3: S3) -> None:
    s3.put_many([("a", b""), ("b", b"")])
    assert len(s3.delete_many(["a", "b", "never"])) == 3
    s3.delete("a")
    assert s3.list_recursive() == []


# -- folders ------------------------------------------------------------------------------------------


def test_a_folder_goes_up_and_comes_back(s3: S3, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("A")
    (source / "sub" / "b.txt").write_text("B")
    s3.upload(source, "up")
    assert [o.key for o in s3.list_recursive(["up"])] == ["a.txt", "sub/b.txt"]
    done = s3.download(["up"], tmp_path / "down", recursive=True)
    assert [o.path for o in done] == [str(tmp_path / "down" / "a.txt"), str(tmp_path / "down" / "sub" / "b.txt")]
    assert (tmp_path / "down" / "sub" / "b.txt").read_text() == "B"
    s3.download(["up/a.txt"], tmp_path / "again")
    assert (tmp_path / "again" / "up" / "a.txt").read_text() == "A"
    assert not list(tmp_path.rglob(".*s3nb-*"))


def test_no_key_leaves_the_folder_and_every_refused_key_is_named(s3: S3, tmp_path: Path) -> None:
    s3.put_many([(k, b"x") for k in ["up/../../escape", "up/ok", "up/a//b", "up/c", "up/c/d"]])
    target = tmp_path / "t" / "inner"
    with pytest.raises(BulkError) as caught:
        s3.download(["up"], target, recursive=True)
    assert sorted(e.key for e in caught.value.failed) == ["up/../../escape", "up/a//b", "up/c/d"]
    assert sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "t").rglob("*") if p.is_file()) == [
        "t/inner/c",
        "t/inner/ok",
    ]


# -- addresses, life, errors ---------------------------------------------------------------------------


def test_without_a_root_keys_are_full_urls(rootless: S3) -> None:
    for key in ["k", None, "", "http://x/y", "s3a://b/k", "s3://bucket", "s3://bucket/", "s3://b?d/k", b"s3://b/k"]:
        with pytest.raises(InvalidURL):
            rootless.get(key)
    with pytest.raises(InvalidURL):
        rootless.get_all()
    with pytest.raises(InvalidURL):
        rootless.list_paths()


def test_contradictory_roots_and_unknown_keywords_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidURL):
        S3(tmp_path, run="Flow/1", s3root="s3://b")
    with pytest.raises(InvalidURL):
        S3(tmp_path, prefix="p")
    with pytest.raises(InvalidURL):
        S3(tmp_path, s3root="http://b")
    with pytest.raises(TypeError):
        S3(tmp_path, s3_root="s3://b")  # type: ignore[call-arg]
    with pytest.raises(LocalFileNotFound):
        S3(tmp_path / "missing")


def test_after_closing_nothing_works_and_no_file_is_left(server: Server, bucket: str, tmp_path: Path) -> None:
    with S3(tmproot=tmp_path, bucket=bucket, **server.options()) as s3:
        s3.put("k", b"v")
        found = s3.get("k")
        path = found.path
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []
    assert (found.path, found.size, found.downloaded) == (path, 1, True)
    with pytest.raises(FileNotFoundError):
        _ = found.blob
    with pytest.raises(ClientClosed):
        s3.get("k")
    s3.close()


def test_a_client_that_never_needs_a_file_makes_no_folder(s3: S3, tmp_path: Path) -> None:
    s3.put("k", b"v")
    assert s3.get("k").blob == b"v"
    s3.list_paths()
    assert list(tmp_path.iterdir()) == []


def test_results_survive_a_change_of_folder(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("k", bytes(2 << 20))
    found = s3.get_many(["k"])[0]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert found.blob == bytes(2 << 20)


def test_results_and_errors_pickle(s3: S3) -> None:
    s3.put("k", b"v", metadata={"m": 1})
    found = pickle.loads(pickle.dumps(s3.get("k")))
    assert isinstance(found, S3Object)
    assert (found.key, found.blob, found.metadata, found.size) == ("k", b"v", {"m": 1}, 1)
    with pytest.raises(ObjectNotFound) as caught:
        s3.get("nope")
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), str(error), error.key, error.status) == (ObjectNotFound, str(caught.value), "nope", 404)


def test_a_presigned_url_works_without_credentials(s3: S3) -> None:
    s3.put("a b+c", b"shared")
    with urllib.request.urlopen(s3.presign("a b+c", expires=60)) as reply:
        assert reply.read() == b"shared"
    with pytest.raises(ValueError, match="604800"):
        s3.presign("k", expires=0)


def test_a_wrong_secret_is_an_error_that_stops_the_batch(radosgw: Server, tmp_path: Path) -> None:
    import boto3

    session = boto3.Session(
        aws_access_key_id=radosgw.access_key, aws_secret_access_key="wrong", region_name="us-east-1"
    )
    with S3(tmproot=tmp_path, bucket="any-bucket", endpoint_url=radosgw.endpoint_url, session=session) as s3:
        with pytest.raises(AccessDenied, match="SignatureDoesNotMatch"):
            s3.get("k")
        with pytest.raises(AccessDenied):
            s3.get_many(f"k{n}" for n in range(100_000))


def test_no_credentials_is_an_error_before_any_request_that_says_what_was_looked_for(tmp_path: Path) -> None:
    looked_for = r"AWS_ACCESS_KEY_ID.*profile 'default'.*anonymous=True"
    s3 = S3(tmproot=tmp_path, bucket="some-bucket", endpoint_url="http://127.0.0.1:9")
    with s3, pytest.raises(AccessDenied, match=looked_for):
        s3.get("k")
    s3 = S3(tmproot=tmp_path, bucket="some-bucket", profile="nobody")
    with s3, pytest.raises(AccessDenied, match="nobody"):
        s3.get("k")


def test_anonymous_access_to_what_is_public(radosgw: Server, tmp_path: Path) -> None:
    client = radosgw.boto3_client()
    client.create_bucket(Bucket="public-things", ACL="public-read")
    client.put_object(Bucket="public-things", Key="open", Body=b"for all", ACL="public-read")
    client.put_object(Bucket="public-things", Key="closed", Body=b"for me")
    client.close()
    with S3(tmproot=tmp_path, bucket="public-things", endpoint_url=radosgw.endpoint_url, anonymous=True) as s3:
        assert s3.get("open").blob == b"for all"
        assert [o.key for o in s3.list_paths()] == ["closed", "open"]
        with pytest.raises(AccessDenied):
            s3.get("closed")


def test_names_in_a_listing_of_a_whole_bucket_are_relative_to_the_root_as_given(s3: S3) -> None:
    s3.put_many([("a", "x"), ("dir/", "")])
    assert [(o.prefix, o.key) for o in s3.list_recursive()] == [(s3.root, "a"), (s3.root, "dir")]
    marker = s3.list_recursive(["dir"])[0]
    assert (marker.prefix, marker.key) == (None, marker.url)
