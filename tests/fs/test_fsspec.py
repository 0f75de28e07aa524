"""The filesystem for fsspec: its own abstract suite, and what that does not ask."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import pickle
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import fsspec.tests.abstract as abstract
import pytest
from fsspec.registry import _registry

import s3nb
from s3nb.errors import InvalidURL, IsADirectory, ObjectNotFound
from s3nb.fsspec import S3nbFileSystem, register
from s3nb.fsspec.made import Made
from s3nb.testing import Fault

from ..conftest import Server
from .conftest import TREE, Counted, Place


def options(server: Server) -> dict[str, Any]:
    return {"key": server.access_key, "secret": server.secret_key, "endpoint_url": server.endpoint_url}


@pytest.fixture(scope="module")
def abstract_bucket(moto_server: Server) -> str:
    name = f"abstract-{uuid.uuid4().hex[:8]}"
    client = moto_server.boto3_client()
    client.create_bucket(Bucket=name)
    client.close()
    return name


class Ours(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, moto_server: Server) -> S3nbFileSystem:
        return S3nbFileSystem(**options(moto_server))

    @pytest.fixture
    def fs_path(self, abstract_bucket: str) -> str:
        return f"{abstract_bucket}/{uuid.uuid4().hex}"

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self, request: pytest.FixtureRequest) -> bool:
        # those that `mkdir` has made, and not those that files have made; with directory_markers=True, all
        return "to_new_directory" in request.node.name


class TestCopy(abstract.AbstractCopyTests, Ours):
    """fsspec's own."""


class TestGet(abstract.AbstractGetTests, Ours):
    """fsspec's own."""


class TestPut(abstract.AbstractPutTests, Ours):
    """fsspec's own."""


class TestOpen(abstract.AbstractOpenTests, Ours):
    """fsspec's own."""


class TestPipe(abstract.AbstractPipeTests, Ours):
    """fsspec's own."""


@pytest.fixture
def ours(tree: Place) -> S3nbFileSystem:
    return S3nbFileSystem(client=tree.client)


@pytest.fixture
def counted(memory: Counted) -> tuple[S3nbFileSystem, Counted]:
    filesystem = S3nbFileSystem(client=memory.client, skip_instance_cache=True)
    memory.wire.log.clear()
    return filesystem, memory


def asked(memory: Counted) -> list[str]:
    found = [request.operation for request in memory.wire.log]
    memory.wire.log.clear()
    return found


def test_the_protocol_is_known_to_fsspec_and_s3_after_register(moto_server: Server, tree: Place) -> None:
    assert fsspec.get_filesystem_class("s3nb") is S3nbFileSystem
    before = dict(fsspec.registry)
    register()
    try:
        filesystem, path = fsspec.core.url_to_fs(f"s3://{tree.bucket}/a/f", client=tree.client)
        assert isinstance(filesystem, S3nbFileSystem)
        assert path == f"{tree.bucket}/a/f"
        with fsspec.open(f"s3://{tree.bucket}/a/f", client=tree.client) as file:
            assert file.read() == b"f"
    finally:
        from fsspec.registry import _registry

        _registry.clear()
        _registry.update(before)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("s3://bucket/k", "bucket/k"), ("s3nb://bucket/k/", "bucket/k"), ("S3A://bucket/k", "bucket/k"), ("/bucket/k", "bucket/k"),
        ("s3nb::bucket/k", "bucket/k"), ("bucket/a//b", "bucket/a//b"), ("s3://bucket", "bucket"), ("", ""), ("s3://", ""),
        (s3nb.S3Path("bucket", "k"), "bucket/k"), ("s3bucket/k", "s3bucket/k"),
    ],
)  # fmt: skip
def test_names_are_bucket_and_literal_key(path: Any, name: str) -> None:
    assert S3nbFileSystem._strip_protocol(path) == name


def test_info_and_ls_say_what_s3_says(ours: S3nbFileSystem, tree: Place) -> None:
    facts = ours.info(tree.at("a/f"))
    assert (facts["name"], facts["size"], facts["type"]) == (f"{tree.bucket}/a/f", 1, "file")
    assert facts["ETag"] == f'"{tree.client.info(tree.at("a/f")).etag}"'
    assert abs((datetime.now(UTC) - facts["LastModified"]).total_seconds()) < 3600
    assert ours.modified(tree.at("a/f")) == ours.created(tree.at("a/f")) == facts["LastModified"]
    assert ours.info(tree.at("a"))["type"] == "directory"
    assert ours.ls(tree.at(), detail=False) == [f"{tree.bucket}/{n}" for n in ("a", "both", "marker", "sl")]
    assert [i["name"] for i in ours.ls(tree.at("a/f"))] == [f"{tree.bucket}/a/f"]
    assert tree.bucket in ours.ls("", detail=False)
    assert ours.find(tree.at()) == [f"{tree.bucket}/{k}" for k in sorted(TREE) if not k.endswith("/")]
    assert ours.find(tree.at("a"), withdirs=True) == [f"{tree.bucket}/{k}" for k in ("a", "a/f", "a/sub", "a/sub/g")]
    assert ours.glob(tree.at("a/*")) == [f"{tree.bucket}/a/f", f"{tree.bucket}/a/sub"]
    assert [(p, sorted(d), sorted(f)) for p, d, f in ours.walk(tree.at("a"))] == [
        (f"{tree.bucket}/a", ["sub"], ["f"]),
        (f"{tree.bucket}/a/sub", [], ["g"]),
    ]
    assert ours.du(tree.at("a")) == 3
    assert ours.checksum(tree.at("a/f")) != ours.checksum(tree.at("a/sub/g"))
    for look in (ours.info, ours.ls):
        with pytest.raises(FileNotFoundError):
            look(tree.at("nothing"))


def test_bytes_and_their_slices(ours: S3nbFileSystem, tree: Place) -> None:
    url = tree.put("digits", b"0123456789")
    data = b"0123456789"
    for start, end in [
        (None, None),
        (2, 5),
        (None, 3),
        (7, None),
        (-3, None),
        (-4, -1),
        (0, -2),
        (5, 5),
        (20, 30),
        (8, 30),
        (0, 0),
    ]:
        assert ours.cat_file(url, start, end) == data[start:end], (start, end)
        assert asyncio.run(ours._cat_file(url, start, end)) == data[start:end], (start, end)
    assert ours.cat([url, tree.at("a/f")]) == {f"{tree.bucket}/digits": data, f"{tree.bucket}/a/f": b"f"}
    assert ours.cat(tree.at("a"), recursive=True) == {f"{tree.bucket}/a/f": b"f", f"{tree.bucket}/a/sub/g": b"gg"}
    assert ours.head(url, 3) + ours.tail(url, 2) == b"01289"
    assert ours.read_block(url, 3, 4) == b"3456"
    found = ours.cat_ranges([url, tree.at("nothing"), url, url], [1, 0, 5, -2], [3, 1, 9, None])
    assert (found[0], type(found[1]), found[2], found[3]) == (b"12", s3nb.ObjectNotFound, b"5678", b"89")
    assert asyncio.run(ours._cat_ranges([url] * 2, [0, 8], [2, 99])) == [b"01", b"89"]
    with pytest.raises(FileNotFoundError):
        ours.cat_ranges([tree.at("nothing")], 0, 1, on_error="raise")
    assert ours.cat([url, tree.at("nothing")], on_error="omit") == {f"{tree.bucket}/digits": data}


def test_cat_gives_the_error_in_the_place_of_whatever_cannot_be_read(ours: S3nbFileSystem, tree: Place) -> None:
    url, bucket, missing = tree.at("a/f"), tree.bucket, "no-such-bucket-of-ours"
    found = ours.cat([url, bucket, missing, "x"], on_error="return")
    assert found.pop(f"{bucket}/a/f") == b"f"
    assert {name: type(error) for name, error in found.items()} == {
        bucket: IsADirectory,
        missing: ObjectNotFound,
        "x": InvalidURL,
    }
    assert ours.cat([url, bucket, missing, "x"], on_error="omit") == {f"{bucket}/a/f": b"f"}
    with pytest.raises(IsADirectoryError):
        ours.cat([bucket])
    assert isinstance(ours.cat(bucket, on_error="return"), IsADirectoryError)
    assert isinstance(ours.cat(tree.at("nothing"), on_error="return"), FileNotFoundError)
    for on_error in ("raise", "omit"):
        with pytest.raises(FileNotFoundError):
            ours.cat(tree.at("nothing"), on_error=on_error)
    data, error = ours.cat_ranges([url, bucket], 0, 1)
    assert (data, type(error)) == (b"f", IsADirectory)
    with pytest.raises(ValueError, match="on_error"):
        ours.cat([url], on_error="ignore")


def test_slices_close_together_are_one_request(counted: tuple[S3nbFileSystem, Counted]) -> None:
    ours, memory = counted
    memory.wire.store("bucket", "big", bytes(range(256)) * 4096)
    found = ours.cat_ranges(["bucket/big"] * 3, [0, 1000, 900_000], [10, 1010, 900_010])
    assert found == [bytes((i % 256) for i in range(at, at + 10)) for at in (0, 1000, 900_000)]
    assert asked(memory) == ["GetObject", "GetObject"]
    ours.cat_ranges(["bucket/big"] * 2, [0, 1000], [10, 1010], max_gap=0)
    assert asked(memory) == ["GetObject", "GetObject"]


def test_requests_are_few(counted: tuple[S3nbFileSystem, Counted]) -> None:
    ours, memory = counted
    ours.info("bucket/a/f")
    assert asked(memory) == ["HeadObject"]
    ours.cat_file("bucket/a/f")
    assert asked(memory) == ["GetObject"]
    ours.pipe_file("bucket/new", b"1")
    assert asked(memory) == ["PutObject"]
    ours.find("bucket/a")
    assert asked(memory) == ["ListObjectsV2"]
    ours.glob("bucket/a/s*")
    assert [(r.operation, dict(r.query).get("prefix")) for r in memory.wire.log if r.operation == "ListObjectsV2"][-1] == (
        "ListObjectsV2", "a/s",
    )  # fmt: skip
    memory.wire.log.clear()
    with ours.open("bucket/a/f") as file:
        file.read()
    assert asked(memory) == ["GetObject"]
    assert (ours.du("bucket/a"), ours.du("bucket/a", total=False)) == (3, {"bucket/a/f": 1, "bucket/a/sub/g": 2})
    assert asked(memory) == ["ListObjectsV2", "ListObjectsV2"]
    ours.rm("bucket/a", recursive=True)
    assert asked(memory).count("DeleteObjects") == 1


def test_of_many_files_it_is_not_asked_of_each_whether_it_is_a_directory(
    counted: tuple[S3nbFileSystem, Counted], tmp_path: Path
) -> None:
    ours, memory = counted
    for n in range(20):
        memory.wire.store("bucket", f"many/{n:02}", b"%d" % n)
    memory.wire.store("bucket", "many/dir/x", b"x")
    ours.get("bucket/many/*", f"{tmp_path}/")
    assert sorted(os.listdir(tmp_path)) == [f"{n:02}" for n in range(20)]
    assert sorted(asked(memory)) == ["GetObject"] * 20 + ["ListObjectsV2"]
    ours.copy("bucket/many/*", "bucket/copied/")
    assert asked(memory).count("ListObjectsV2") == 1
    assert len(ours.ls("bucket/copied")) == 20
    memory.wire.log.clear()
    found = ours.cat("bucket/many", recursive=True)
    assert found == {**{f"bucket/many/{n:02}": b"%d" % n for n in range(20)}, "bucket/many/dir/x": b"x"}
    assert asked(memory).count("ListObjectsV2") < 6
    assert ours.cat("bucket/both", recursive=True) == {"bucket/both": b"file", "bucket/both/x": b"x"}


def test_listings_are_kept_only_if_asked(memory: Counted) -> None:
    plain = S3nbFileSystem(client=memory.client, skip_instance_cache=True)
    keeping = S3nbFileSystem(
        client=memory.client, use_listings_cache=True, listings_expiry_time=60, skip_instance_cache=True
    )
    for filesystem in (plain, keeping):
        assert len(filesystem.ls("bucket/a")) == 2
    memory.wire.store("bucket", "a/late", b"1")
    assert (len(plain.ls("bucket/a")), len(keeping.ls("bucket/a"))) == (3, 2)
    assert len(keeping.ls("bucket/a", refresh=True)) == 3
    keeping.pipe_file("bucket/a/mine", b"1")
    assert len(keeping.ls("bucket/a")) == 4
    keeping.rm("bucket/a/mine")
    assert len(keeping.ls("bucket/a")) == 3


def test_a_listing_that_is_kept_answers_all_that_it_tells(memory: Counted) -> None:
    plain = S3nbFileSystem(client=memory.client, skip_instance_cache=True)
    names = plain.find("bucket", withdirs=True)
    for fill in (
        lambda fs: fs.find("bucket"),
        lambda fs: fs.glob("bucket/*/*/*"),
        lambda fs: fs.find("bucket", maxdepth=9),
        lambda fs: list(fs.walk("bucket")),
    ):
        keeping = S3nbFileSystem(
            client=memory.client, use_listings_cache=True, listings_expiry_time=60, skip_instance_cache=True
        )
        fill(keeping)
        memory.wire.log.clear()
        kept = {name: keeping._kept(name) for name in names}
        for name in (name for name, told in kept.items() if told is not None):
            for ask in ("isfile", "isdir", "exists", "size"):
                answer = getattr(keeping, ask)(name)
                assert asked(memory) == []
                assert (name, ask, answer) == (name, ask, getattr(plain, ask)(name))
                memory.wire.log.clear()
            assert keeping.info(name) == asyncio.run(keeping._info(name))
            assert keeping.info(name)["ETag" if keeping.isfile(name) else "type"] == plain.info(name).get(
                "ETag", "directory"
            )
            memory.wire.log.clear()
        assert [name for name, told in kept.items() if told is None] == ["bucket/sl//x"]  # in no listing
        for name in ("bucket", "bucket/a", "bucket/a/sub", "bucket/both", "bucket/marker"):
            memory.wire.log.clear()
            found = keeping.ls(name)
            assert name == "bucket/marker" or asked(memory) == []
            assert found == plain.ls(name)
        keeping.find("bucket/a", detail=True)["bucket/a/f"]["size"] = -1
        assert keeping.size("bucket/a/f") == 1
        keeping.pipe_file("bucket/a/sub/new", b"12")
        assert keeping.size("bucket/a/sub/new") == 2
        keeping.rm("bucket/a/sub/new")
        assert not keeping.exists("bucket/a/sub/new")


def test_what_a_kept_listing_does_not_have_is_asked_for(memory: Counted) -> None:
    keeping = S3nbFileSystem(client=memory.client, use_listings_cache=True, skip_instance_cache=True)
    keeping.ls("bucket/a")
    memory.wire.store("bucket", "a/late", b"123")
    assert keeping.size("bucket/a/late") == 3
    assert keeping.exists("bucket/a/late")
    keeping.ls("bucket/a/sub")
    memory.wire.store("bucket", "a/sub/late", b"123")
    keeping.rm("bucket/a", recursive=True)
    with pytest.raises(FileNotFoundError):
        keeping.ls("bucket/a/sub")


def test_what_a_pattern_has_found_is_not_asked_for_one_by_one(
    counted: tuple[S3nbFileSystem, Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, memory = counted
    monkeypatch.setitem(_registry, "s3", S3nbFileSystem)
    found = fsspec.core.get_fs_token_paths("s3://bucket/*", storage_options={"client": memory.client})[2]
    assert (found, asked(memory)) == (
        [],
        ["ListObjectsV2"],
    )  # of what is both, and of directories, none is a file to open
    memory.wire.store("bucket", "a/sub/h", b"h")
    found = fsspec.core.get_fs_token_paths("s3://bucket/a/sub/*", storage_options={"client": memory.client})[2]
    assert (found, asked(memory)) == (["bucket/a/sub/g", "bucket/a/sub/h"], ["ListObjectsV2"])
    assert ours.glob("bucket/a/*") == ["bucket/a/f", "bucket/a/sub"]
    memory.wire.log.clear()
    assert [ours.isdir(f"bucket/a/{name}") for name in ("sub", "f")] == [True, False]
    assert asked(memory) == []
    assert ours.isdir("bucket/a/sub")  # asked again, it asks
    assert asked(memory) == ["ListObjectsV2"]
    ours.glob("bucket/a/*")
    ours.rm("bucket/a/sub", recursive=True)
    assert not ours.isdir("bucket/a/sub")


def test_sizes_are_asked_for_at_once(counted: tuple[S3nbFileSystem, Counted]) -> None:
    ours, memory = counted
    assert ours.sizes(["bucket/a/f", "bucket/a/sub/g", "bucket/a"]) == [1, 2, 0]
    assert asked(memory)[:3] == ["HeadObject"] * 3
    with pytest.raises(FileNotFoundError):
        ours.sizes(["bucket/a/f", "bucket/nothing"])


def test_a_file_that_fails_makes_no_object(ours: S3nbFileSystem, tree: Place) -> None:
    for mode, text in (("wb", b"half"), ("w", "half")):
        for compression in (None, "gzip"):
            with pytest.raises(RuntimeError), ours.open(tree.at("a/f"), mode, compression=compression) as file:  # noqa: PT012
                file.write(text)
                raise RuntimeError
    assert tree.body("a/f") == b"f"
    with ours.open(tree.at("x.gz"), "wt", compression="infer") as file:
        file.write("text")
    with ours.open(tree.at("x.gz"), "rt", compression="infer") as file:
        assert file.read() == "text"


def test_a_transaction_makes_all_objects_or_none(ours: S3nbFileSystem, tree: Place) -> None:
    with ours.transaction:
        with ours.open(tree.at("t/1"), "wb") as file:
            file.write(b"1")
        with ours.open(tree.at("t/2"), "w") as text:
            text.write("2")
        assert not ours.exists(tree.at("t/1"))
    assert (tree.body("t/1"), tree.body("t/2")) == (b"1", b"2")
    with pytest.raises(RuntimeError), ours.transaction:  # noqa: PT012
        with ours.open(tree.at("t/1"), "wb") as file:
            file.write(b"changed")
        raise RuntimeError
    assert tree.body("t/1") == b"1"
    with ours.open(tree.at("t/3"), "wb") as file:
        file.write(b"3")
    assert tree.body("t/3") == b"3"


def test_in_a_transaction_text_that_fails_is_no_object_and_none_is_cut_short(ours: S3nbFileSystem, tree: Place) -> None:
    with ours.transaction:
        for mode, half in (("w", "half"), ("wb", b"half")):
            with pytest.raises(RuntimeError), ours.open(tree.at("a/f"), mode) as file:  # noqa: PT012
                file.write(half)
                raise RuntimeError
        with pytest.raises(RuntimeError), io.TextIOWrapper(ours.open(tree.at("a/f"), "wb")) as file:  # noqa: PT012
            file.write("half")
            raise RuntimeError
        open_still = ours.open(tree.at("t/open"), "w")
        open_still.write("all of it")
        with ours.open(tree.at("t/mark"), "w", encoding="utf-16") as file:
            file.write("text")
        with ours.open(tree.at("t/packed"), "w", compression="gzip") as file:
            file.write("text")
    assert (tree.body("a/f"), tree.body("t/open")) == (b"f", b"all of it")
    assert tree.body("t/mark") == "text".encode("utf-16")
    assert gzip.decompress(tree.body("t/packed") or b"") == b"text"


def test_compressions_are_those_of_fsspec(ours: S3nbFileSystem, tree: Place) -> None:
    for compression in ("lzma", "lz4", "bz2", "zip"):
        with ours.open(tree.at("packed"), "wb", compression=compression) as file:
            file.write(b"packed\n")
            assert file.tell() == 7
        with ours.open(tree.at("packed"), "rb", compression=compression) as file:
            assert (file.readline(), file.tell(), file.seek(0), file.read()) == (b"packed\n", 7, 0, b"packed\n")
    with pytest.raises(ValueError, match="'rar'"):
        ours.open(tree.at("packed"), compression="rar")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "lzma", "zip", "ZIP", "none"])
def test_what_a_name_says_of_compression_is_what_fsspec_understands(
    suffix: str, ours: S3nbFileSystem, tree: Place
) -> None:
    name = tree.at(f"packed.{suffix}")
    with ours.open(name, "wt", compression="infer") as file:
        file.write("zipped\n")
    with fsspec.core.OpenFile(ours, name, compression=fsspec.core.get_compression(name, "infer")) as file:
        assert file.read() == b"zipped\n"
    with fsspec.core.OpenFile(ours, name, "wb", compression=fsspec.core.get_compression(name, "infer")) as file:
        file.write(b"again\n")
    with ours.open(name, "rt", compression="infer") as file:
        assert list(file) == ["again\n"]
    with pytest.raises(RuntimeError), ours.open(name, "wt", compression="infer") as file:  # noqa: PT012
        file.write("half")
        raise RuntimeError
    with ours.transaction, ours.open(tree.at(f"t.{suffix}"), "w", compression="infer") as file:
        file.write("whole")
    assert [ours.open(n, "r", compression="infer").read() for n in (name, tree.at(f"t.{suffix}"))] == [
        "again\n",
        "whole",
    ]


def test_a_file_for_blockcache_has_what_that_asks_of_it(ours: S3nbFileSystem, tree: Place) -> None:
    """fsspec's `CachingFileSystem` opens it so, and puts a cache in the place of its own."""
    ours.pipe(tree.at("digits"), b"0123456789")
    with ours._open(f"{tree.bucket}/digits", "rb", block_size=4, cache_type="none") as file:
        assert (file.blocksize, file.size, file._fetch_range(2, 5), file.read(3), file.read()) == (
            4,
            10,
            b"234",
            b"012",
            b"3456789",
        )


def test_exclusive_creation(ours: S3nbFileSystem, tree: Place) -> None:
    with pytest.raises(FileExistsError):
        ours.pipe_file(tree.at("a/f"), b"new", mode="create")
    with pytest.raises(FileExistsError):
        ours.open(tree.at("a/f"), "xb")
    ours.pipe({tree.at("n/1"): b"1", tree.at("n/2"): b"2"}, mode="create")
    assert (tree.body("n/2"), tree.body("a/f")) == (b"2", b"f")


def test_files_go_and_come_with_callbacks(ours: S3nbFileSystem, tree: Place, tmp_path: Path) -> None:
    class Count(fsspec.callbacks.Callback):  # type: ignore[misc]
        pass

    count = Count()
    ours.get(tree.at("a"), str(tmp_path / "got"), recursive=True, callback=count)
    assert (tmp_path / "got" / "sub" / "g").read_bytes() == b"gg"
    assert count.size == count.value
    one = Count()
    ours.get_file(tree.at("a/sub/g"), str(tmp_path / "one"), callback=one)
    assert (one.size, one.value) == (2, 2)
    count = Count()
    ours.put(str(tmp_path / "got"), tree.at("put"), recursive=True, callback=count)
    assert (tree.body("put/f"), count.size == count.value) == (b"f", True)
    sink = io.BytesIO()
    ours.get_file(tree.at("a/f"), sink)
    assert sink.getvalue() == b"f"
    with pytest.raises(FileNotFoundError):
        ours.get(tree.at("nothing"), str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    ours.mv(tree.at("put/f"), tree.at("put/moved"))
    assert (tree.body("put/moved"), tree.body("put/f")) == (b"f", None)


def test_a_key_that_climbs_stays_where_it_is(memory: Counted, tmp_path: Path) -> None:
    memory.wire.store("bucket", "evil/../../../escaped", b"1")
    memory.wire.store("bucket", "evil/fine", b"1")
    with pytest.raises(ValueError):
        S3nbFileSystem(client=memory.client).get("bucket/evil", str(tmp_path / "a" / "b"), recursive=True)
    assert not list(tmp_path.rglob("escaped"))


def test_two_keys_with_one_local_path_are_refused_before_either_is_lost(memory: Counted, tmp_path: Path) -> None:
    for key in ("twice/a/f", "twice/a//f", "twice/g"):
        memory.wire.store("bucket", key, key.encode())
    with pytest.raises(ValueError, match="twice/a/"):
        S3nbFileSystem(client=memory.client).get("bucket/twice", str(tmp_path / "to"), recursive=True)
    assert not list(tmp_path.rglob("g"))


def test_what_is_refused_is_raised_for_each_key(counted: tuple[S3nbFileSystem, Counted]) -> None:
    ours, memory = counted
    memory.wire.faults.append(
        Fault("DeleteObjects", body=b"<DeleteResult><Error><Key>a/f</Key><Code>AccessDenied</Code></Error>"
                                    b"<Deleted><Key>a/sub/g</Key></Deleted></DeleteResult>")
    )  # fmt: skip
    with pytest.raises(PermissionError):
        ours.rm("bucket/a", recursive=True)
    memory.wire.faults.append(Fault(status=403, code="AccessDenied", times=None))
    with pytest.raises(PermissionError):
        ours.exists("bucket/secret")


def test_removing_a_directory_needs_recursive(ours: S3nbFileSystem, tree: Place) -> None:
    with pytest.raises(IsADirectoryError):
        ours.rm(tree.at("a"))
    with pytest.raises(FileNotFoundError):
        ours.rm(tree.at("nothing"))
    ours.rm([tree.at("both"), tree.at("a/f")])
    assert tree.names() == ["a/sub/g", "both/x", "marker/", "sl//x"]


def test_directories_are_made_if_markers_are_wanted(tree: Place) -> None:
    marking = S3nbFileSystem(client=tree.client, directory_markers=True)
    marking.mkdir(tree.at("made"))
    assert marking.isdir(tree.at("made"))
    assert marking.ls(tree.at("made")) == []
    with pytest.raises(FileExistsError):
        marking.mkdir(tree.at("made"))
    marking.makedirs(tree.at("made"), exist_ok=True)
    marking.copy(tree.at("made"), tree.at("again"), recursive=True)
    assert marking.isdir(tree.at("again"))
    marking.rmdir(tree.at("made"))
    assert not marking.exists(tree.at("made"))
    with pytest.raises(FileNotFoundError):
        marking.mkdir(tree.at("no/parent"), create_parents=False)


def test_directories_are_not_made_unless_markers_are_wanted(counted: tuple[S3nbFileSystem, Counted]) -> None:
    ours, memory = counted
    ours.makedirs("bucket/new/dir", exist_ok=True)
    assert asked(memory) == []
    ours.mkdir("bucket/other")
    assert asked(memory) == ["ListObjectsV2"]
    for make in (ours.mkdir, ours.makedirs):
        with pytest.raises(FileExistsError):
            make("bucket/a")


def test_who_has_made_a_directory_finds_it_until_it_is_removed(ours: S3nbFileSystem, tree: Place) -> None:
    before, fresh = tree.names(), S3nbFileSystem(client=tree.client, skip_instance_cache=True)
    fresh.makedirs(tree.at("new/dir"))
    for name in (tree.at("new"), tree.at("new/dir/")):
        assert (fresh.isdir(name), fresh.exists(name), fresh.isfile(name)) == (True, True, False)
        assert fresh.ls(name) == []
        assert list(fresh.walk(name)) == [(name[5:].rstrip("/"), [], [])]
        assert fresh.info(name) == asyncio.run(fresh._info(name))
        assert fresh.info(name)["type"] == "directory"
        assert asyncio.run(fresh._isdir(name))
        assert asyncio.run(fresh._exists(name))
        with pytest.raises(FileExistsError):
            fresh.mkdir(name)
    assert tree.names() == before
    assert f"{tree.bucket}/new" not in fresh.ls(tree.at(), detail=False)  # S3 has none
    assert not ours.exists(tree.at("new"))
    with pytest.raises(OSError, match="not empty"):
        fresh.rmdir(tree.at("new"))
    fresh.rmdir(tree.at("new/dir"))
    assert (fresh.isdir(tree.at("new")), fresh.isdir(tree.at("new/dir"))) == (True, False)
    fresh.pipe(tree.at("new/file"), b"x")
    assert fresh.ls(tree.at("new"), detail=False) == [f"{tree.bucket}/new/file"]
    for _ in range(2):
        fresh.rm(tree.at("new"), recursive=True)
        assert not fresh.exists(tree.at("new"))
        fresh.mkdir(tree.at("new"))
    assert tree.names() == before


def test_of_ever_so_many_directories_the_oldest_are_forgotten() -> None:
    made = Made()
    for n in range(12_000):
        made.add(f"b/{n}")
    assert [name in made for name in ("b/1", "b/11999", "b")] == [False, True, False]
    assert made.inside("b")
    assert [made.forget("b/11999") for _ in range(2)] == [True, False]


SECRET, TOKEN = "wJalrXUtnFEMI-secret", "session-token-secret"


def test_no_secret_is_shown_or_written_and_json_works_in_this_process() -> None:
    ours = S3nbFileSystem(key="AKIDEXAMPLE", secret=SECRET, token=TOKEN, endpoint_url="http://127.0.0.1:1")
    shown = [
        repr(ours),
        str(ours),
        repr(ours.storage_options),
        ours.to_json(),
        str(ours.to_dict()),
        ours.fsid,
        repr(vars(ours)),
    ]
    for text in shown:
        assert SECRET not in text
        assert TOKEN not in text
    nested = S3nbFileSystem(session_vars={"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": SECRET})
    assert SECRET not in nested.to_json()
    assert fsspec.AbstractFileSystem.from_json(nested.to_json())._options == nested._options
    again = fsspec.AbstractFileSystem.from_json(ours.to_json())
    assert again._options["session_vars"] == ours._options["session_vars"]
    elsewhere = json.loads(ours.to_json())
    elsewhere["secret"] = elsewhere["secret"][:-1] + "x"
    with pytest.raises(s3nb.CredentialsError, match="another process"):
        fsspec.AbstractFileSystem.from_json(json.dumps(elsewhere))


def test_a_wrong_argument_is_an_error_at_once_and_needless_ones_are_not() -> None:
    with pytest.raises(TypeError, match="no option 'enpoint_url'"):
        S3nbFileSystem(enpoint_url="http://127.0.0.1:1")
    S3nbFileSystem(
        anon=True, default_block_size=1, default_fill_cache=False, client_kwargs={"region_name": "eu-west-1"}
    )


def test_a_file_pickles_with_its_filesystem_and_goes_on_where_it_was(moto_server: Server, abstract_bucket: str) -> None:
    ours, name = S3nbFileSystem(**options(moto_server)), f"{abstract_bucket}/{uuid.uuid4().hex}"
    ours.pipe(name, b"0123456789")
    with ours.open(name) as file:
        assert file.read(3) == b"012"
        copy = pickle.loads(pickle.dumps(file))
        assert copy.read(2) == b"34"
        again = pickle.loads(pickle.dumps(copy))  # as it may travel on
        assert again.read() == b"56789"
        again.seek(0)
        ours.pipe(name, b"another")
        with pytest.raises(s3nb.ObjectChanged):
            pickle.loads(pickle.dumps(again)).read()


def test_it_pickles_and_equal_ones_are_one(moto_server: Server) -> None:
    ours = S3nbFileSystem(**options(moto_server))
    assert S3nbFileSystem(**options(moto_server)) is ours
    assert pickle.loads(pickle.dumps(ours)) == ours


def test_filesystems_with_clients_of_their_own_are_not_mixed_up(memory: Counted, amazon: Counted) -> None:
    one, two = S3nbFileSystem(client=memory.client), S3nbFileSystem(client=amazon.client)
    assert one != two
    assert one is S3nbFileSystem(client=memory.client)
    two.pipe_file("bucket/only", b"here")
    assert two.exists("bucket/only")
    assert not one.exists("bucket/only")


def test_it_works_in_a_forked_child(server: Server, tree: Place) -> None:
    ours = S3nbFileSystem(**options(server))
    assert ours.exists(tree.at("a/f"))
    pid = os.fork()
    if pid == 0:
        os._exit(0 if ours.cat_file(tree.at("a/f")) == b"f" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_coroutines_await_the_same_core(tree: Place) -> None:
    async def use() -> None:
        ours = S3nbFileSystem(client=tree.client, asynchronous=True)
        await ours._pipe_file(tree.at("co/1"), b"one")
        await ours._pipe({tree.at("co/2"): b"two", tree.at("co/3"): b"three"})
        assert await ours._cat([tree.at("co/1"), tree.at("co/3")]) == {
            f"{tree.bucket}/co/1": b"one",
            f"{tree.bucket}/co/3": b"three",
        }
        assert (await ours._info(tree.at("co/1")))["size"] == 3
        assert await ours._exists(tree.at("co"))
        assert not await ours._exists(tree.at("no"))
        assert await ours._isdir(tree.at("co"))
        assert await ours._isfile(tree.at("co/1"))
        assert await ours._find(tree.at("co")) == [f"{tree.bucket}/co/{n}" for n in "123"]
        await ours._cp_file(tree.at("co/1"), tree.at("co/4"))
        await ours._rm_file(tree.at("co/1"))
        await ours._rm(tree.at("co/2"))
        assert [i["name"] for i in await ours._ls(tree.at("co"))] == [f"{tree.bucket}/co/{n}" for n in "34"]
        async with await ours.open_async(tree.at("co/3")) as file:
            assert await file.read(3) == b"thr"
        assert ours.cat_file(tree.at("co/3")) == b"three"  # inside a running loop
        with pytest.raises(FileNotFoundError):
            await ours._cat_file(tree.at("co/1"))

    asyncio.run(use())


def test_signed_urls_name_the_key(ours: S3nbFileSystem, tree: Place) -> None:
    assert "/a/f?" in ours.sign(tree.at("a/f"), expiration=60)
