"""Sync both ways and between prefixes; uploads that go on, and those that are cleared away."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3nb import S3, BulkError, InvalidURL, ListError, LocalFileNotFound, TransferConfig, sync
from s3nb.listings import translate
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import listing
from s3nb.transfer.local import folding
from s3nb.transfer.source import FileSource
from s3nb.wire import Request

from .conftest import Server
from .test_faults import MIB, QUICK, blocks


def tree(folder: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (time.time() - 1000, time.time() - 1000))
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


FILES = {"a.txt": b"alpha", "b/c.txt": b"gamma", "b/d/e f.txt": b"e", "b.txt": b"beta", "empty": b"", "ü.txt": b"u"}


def test_there_and_back(s3: S3, bucket: str, tmp_path: Path) -> None:
    up, down = tree(tmp_path / "up", FILES), tmp_path / "down"
    url = f"s3://{bucket}/mirror"
    done = s3.sync(up, url)
    assert (sorted(done.copied), done.same, done.size) == (sorted(FILES), 0, sum(map(len, FILES.values())))
    assert s3.sync(up, url).copied == []
    assert s3.sync(up, url, checksum=True).same == len(FILES)

    assert sorted(s3.sync(url, down).copied) == sorted(FILES)
    assert read(down) == FILES
    again = s3.sync(url, down)
    assert (again.copied, again.same) == ([], len(FILES))

    other = f"s3://{bucket}/other"
    assert len(s3.sync(url, other).copied) == len(FILES)
    assert s3.sync(url, other).copied == []
    assert {o.key: o.blob for o in s3.get_recursive(["other"])} == FILES


def test_what_changed_is_copied_and_what_is_too_much_deleted(s3: S3, bucket: str, tmp_path: Path) -> None:
    up = tree(tmp_path / "up", FILES)
    url = f"s3://{bucket}/mirror"
    s3.sync(up, url)
    (up / "a.txt").write_bytes(b"longer than before")
    (up / "b" / "c.txt").unlink()
    s3.put("mirror/extra", b"x")

    plan = s3.sync(up, url, delete=True, dry_run=True)
    assert (plan.copied, plan.deleted, plan.dry_run) == (["a.txt"], ["b/c.txt", "extra"], True)
    assert "would copy a.txt" in str(plan)
    assert s3.exists("mirror/extra")

    assert s3.sync(up, url).deleted == []
    assert s3.exists("mirror/extra")
    done = s3.sync(up, url, delete=True)
    assert (done.copied, done.deleted) == ([], ["b/c.txt", "extra"])
    assert {o.key: o.blob for o in s3.get_recursive(["mirror"])} == read(up)


def test_the_other_way_deletes_local_files(s3: S3, bucket: str, tmp_path: Path) -> None:
    s3.put_many([("m/a", b"1"), ("m/b", b"2")])
    down = tree(tmp_path / "down", {"a": b"1", "old/file": b"x", "keep.log": b"y"})
    done = s3.sync(f"s3://{bucket}/m", down, delete=True, exclude="*.log")
    assert (sorted(done.copied), done.deleted) == (["a", "b"], ["old/file"])
    assert read(down) == {"a": b"1", "b": b"2", "keep.log": b"y"}


def test_globs_choose(s3: S3, bucket: str, tmp_path: Path) -> None:
    up = tree(tmp_path / "up", {"a.csv": b"", "a.txt": b"", "d/b.csv": b"", "d/tmp/c.csv": b""})
    done = s3.sync(up, f"s3://{bucket}/g", include="**/*.csv", exclude=["**/tmp/**"])
    assert done.copied == ["a.csv", "d/b.csv"]


def test_checksums_see_what_times_do_not(s3: S3, bucket: str, tmp_path: Path) -> None:
    up = tree(tmp_path / "up", {"a": b"same size"})
    s3.sync(up, f"s3://{bucket}/c")
    (up / "a").write_bytes(b"size same")
    os.utime(up / "a", (1, 1))
    assert s3.sync(up, f"s3://{bucket}/c").copied == []
    assert s3.sync(up, f"s3://{bucket}/c", checksum=True).copied == ["a"]


def test_what_is_changed_right_after_a_sync_is_copied_by_the_next(s3: S3, bucket: str, tmp_path: Path) -> None:
    """S3 counts times in whole seconds: within one, bytes are compared."""
    up, down, url, other = tmp_path / "up", tmp_path / "down", f"s3://{bucket}/q", f"s3://{bucket}/q2"
    up.mkdir()
    for body in (b"one", b"two", b"six"):
        (up / "a").write_bytes(body)
        for stored in s3.iter_list("q"):  # as exact as the server tells it: some know milliseconds
            assert stored.last_modified is not None
            os.utime(up / "a", (stored.last_modified + 0.9, stored.last_modified + 0.9))
        assert s3.sync(up, url).copied == ["a"]
        assert s3.sync(up, url).copied == [], "what was just stored is not stored again"
        assert s3.sync(url, other).copied == ["a"]
    s3.sync(url, down)
    (down / "a").write_bytes(b"old")
    newest = s3.list_recursive(["q"])[0].last_modified
    assert newest is not None
    os.utime(down / "a", (newest - 1, newest - 1))
    assert s3.sync(url, down).copied == ["a"], "the object is newer by a second"
    assert s3.sync(url, down).copied == []


def test_an_object_replaced_by_one_of_the_same_size_in_the_same_second_is_fetched(
    s3: S3, bucket: str, tmp_path: Path
) -> None:
    """S3 tells times in seconds: what is fetched in the second in which it was made may not be what is there at its end."""
    url, here = f"s3://{bucket}/mirror", tmp_path / "here"
    for turn in range(3):
        s3.put("mirror/k", b"old%d" % turn)
        s3.sync(url, here)
        s3.put("mirror/k", b"new%d" % turn)
        assert s3.sync(url, here).copied == ["k"]
        assert read(here) == {"k": b"new%d" % turn}
        assert s3.sync(url, here).copied == []


def test_an_old_objects_file_has_its_time_and_a_doubtful_one_gets_it(
    memory: S3, wire: MemoryWire, tmp_path: Path
) -> None:
    wire.store("box", "p/k", b"body")
    memory.sync("s3://box/p", tmp_path / "here")
    made = memory.info("s3://box/p/k").last_modified
    assert made is not None
    file = tmp_path / "here" / "k"
    assert file.stat().st_mtime == made
    os.utime(file, (made - 0.5, made - 0.5))
    assert memory.sync("s3://box/p", tmp_path / "here", dry_run=True).same == 1
    assert file.stat().st_mtime == made - 0.5
    assert memory.sync("s3://box/p", tmp_path / "here").same == 1
    assert file.stat().st_mtime == made
    file.write_bytes(b"BODY")
    os.utime(file, (made - 0.5, made - 0.5))
    assert memory.sync("s3://box/p", tmp_path / "here").copied == ["k"]
    assert file.read_bytes() == b"body"


def test_names_that_a_file_system_takes_for_the_same_are_told_apart(
    memory: S3, wire: MemoryWire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is copied, the other refused by name; and what is here under another spelling is not deleted."""
    monkeypatch.setattr(sync, "folding", lambda folder: str.casefold)
    for name in ("p/CASE", "p/Case", "p/other"):
        wire.store("box", name, name.encode())
    here = tree(tmp_path / "here", {"OTHER": b"p/other", "extra": b"x"})
    with pytest.raises(BulkError, match="same as CASE") as caught:
        memory.sync("s3://box/p", here, delete=True)
    assert [e.key for e in caught.value.failed] == ["p/Case"]
    assert set(read(here)) == {"CASE", "OTHER", "extra", "other"}
    done = memory.sync("s3://box/p", here, delete=True, exclude="Case")
    assert done.deleted == ["extra"]
    assert set(read(here)) == {"CASE", "OTHER", "other"}


def test_a_file_system_is_asked_what_it_takes_for_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folding(tmp_path / "none") is None
    found = {"none": folding(tmp_path)}
    for kind in ("case", "form"):
        lexists = os.path.lexists

        def here(path: str, kind: str = kind, lexists: Callable[[str], bool] = lexists) -> bool:
            name = os.path.basename(path)
            fold = str.casefold if kind == "case" else lambda n: unicodedata.normalize("NFC", n)
            return any(fold(n) == fold(name) for n in os.listdir(tmp_path)) or lexists(path)

        with monkeypatch.context() as patch:
            patch.setattr(os.path, "lexists", here)
            found[kind] = folding(tmp_path)
    assert found["none"] is None
    assert found["case"] is not None
    assert found["form"] is not None
    assert (found["case"]("Aé"), found["form"]("Ae\u0301")) == ("aé", "Aé")
    assert list(tmp_path.iterdir()) == []


def test_a_side_in_the_other_is_refused_unless_it_is_excluded(memory: S3, wire: MemoryWire) -> None:
    with pytest.raises(InvalidURL, match="both sides"):
        memory.sync("s3://box", "s3://box/backup")
    with pytest.raises(InvalidURL, match="both sides"):
        memory.sync("s3://box/m", "s3://box", delete=True)
    assert sorted(wire.buckets["box"]) == [f"m/{n}" for n in range(5)]
    for _ in range(2):
        memory.sync("s3://box", "s3://box/backup", exclude="backup/**")
    assert sorted(wire.buckets["box"]) == sorted(f"{top}m/{n}" for top in ("", "backup/") for n in range(5))
    memory.sync("s3://box/m", "s3://box")
    assert "0" in wire.buckets["box"]


def test_a_file_that_goes_meanwhile_stops_no_other(
    memory: S3, wire: MemoryWire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = tree(tmp_path / "up", {"a": b"1", "b": b"2", "c": b"3"})

    def source(path: str) -> FileSource:
        if path.endswith("b"):
            os.unlink(path)
        return FileSource(path)

    monkeypatch.setattr(sync, "FileSource", source)
    with pytest.raises(BulkError, match="not found"):
        memory.sync(up, "s3://box/m", delete=True)
    assert {"m/a", "m/c", "m/4"} <= set(wire.buckets["box"])


def test_bad_sides_are_refused_at_once(s3: S3, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidURL, match="neither side"):
        s3.sync(tmp_path, tmp_path / "x")
    with pytest.raises(LocalFileNotFound, match="no such folder"):
        s3.sync(tmp_path / "none", f"s3://{bucket}/x", delete=True)


# -- what must not be deleted ----------------------------------------------------------------------------


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire({"box": {f"m/{n}": b"x" for n in range(5)}, "empty": {}})


@pytest.fixture
def memory(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, wire=wire, config=QUICK) as client:
        yield client


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"", b"<ListBucketResult/>"])
def test_a_listing_that_is_none_deletes_nothing(memory: S3, wire: MemoryWire, tmp_path: Path, page: bytes) -> None:
    down = tree(tmp_path / "down", {"precious": b"x"})
    wire.faults.append(Fault("ListObjectsV2", body=page, times=None))
    with pytest.raises(ListError):
        memory.sync("s3://box/m", down, delete=True)
    assert read(down) == {"precious": b"x"}


def test_a_failed_copy_deletes_nothing(memory: S3, wire: MemoryWire, tmp_path: Path) -> None:
    down = tree(tmp_path / "down", {"precious": b"x"})
    wire.faults.append(Fault("GetObject", key="m/3", status=403, code="AccessDenied", times=None))
    with pytest.raises(BulkError, match="m/3"):
        memory.sync("s3://box/m", down, delete=True)
    assert read(down) == {"precious": b"x", **{str(n): b"x" for n in (0, 1, 2, 4)}}


def test_a_missing_bucket_deletes_nothing(memory: S3, tmp_path: Path) -> None:
    down = tree(tmp_path / "down", {"precious": b"x"})
    with pytest.raises(FileNotFoundError):
        memory.sync("s3://no-such-bucket/m", down, delete=True)
    assert read(down) == {"precious": b"x"}


# -- uploads that were begun -------------------------------------------------------------------------------

SMALL = TransferConfig(part_size=5 * MIB, multipart_threshold=6 * MIB)


def test_an_upload_goes_on_with_what_s3_has(server: Server, bucket: str, tmp_path: Path) -> None:
    body = blocks(21 * MIB)
    (tmp_path / "file").write_bytes(body)
    client = server.boto3_client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
    for number in (1, 2, 4):
        part = body[(number - 1) * 5 * MIB : number * 5 * MIB]
        part = bytes(5 * MIB) if number == 2 else part  # the file has changed since
        client.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=number, Body=part)
    with S3(tmp_path, bucket=bucket, config=SMALL, **server.options()) as s3:
        sent = []
        send = s3._core.engine.wire.send

        def note(request: Request, sink: object = None) -> object:
            sent.append(dict(request.query).get("partNumber"))
            return send(request, sink)  # type: ignore[arg-type]

        s3._core.engine.wire.send = note  # type: ignore[method-assign, assignment]
        s3.put_files([("large", tmp_path / "file")], resume=True)
        assert sorted(n for n in sent if n) == ["2", "3", "5"]
        assert s3.get("large").blob == body
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_failed_upload_is_kept_only_when_asked(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {}})
    (tmp_path / "file").write_bytes(blocks(21 * MIB))
    wire.faults.append(Fault("UploadPart", status=403, code="AccessDenied", times=None))
    with S3(tmp_path, s3root="s3://box", wire=wire, config=SMALL) as s3:
        with pytest.raises(BulkError):
            s3.put_files([("large", tmp_path / "file")])
        assert wire.uploads == {}


def test_uploads_that_nobody_ends_can_be_aborted(server: Server, bucket: str, tmp_path: Path) -> None:
    client = server.boto3_client()
    for key in ("a/1", "a/2", "b/1"):
        client.create_multipart_upload(Bucket=bucket, Key=key)
    with S3(tmp_path, bucket=bucket, **server.options()) as s3:
        if server.name != "moto":  # says of every upload that it was begun in 2010
            assert s3.abort_incomplete("a") == [], "somebody may be at them"
        assert sorted(s3.abort_incomplete("a", older_than=-60)) == [f"s3://{bucket}/a/1", f"s3://{bucket}/a/2"]
    assert [u["Key"] for u in client.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["b/1"]


@pytest.mark.parametrize("include", ["3/*.csv", ["3/1.csv", "3/2*"], ["7/1.csv", "31/**"]])
def test_what_is_not_included_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, include: str | list[str]
) -> None:
    monkeypatch.setattr(listing, "PAGE", 20)
    wire = MemoryWire({"box": {f"m/{a}/{b}.csv": b"x" for a in range(40) for b in range(100)}})
    with S3(tmp_path, wire=wire, progress=False) as s3:
        found = s3.sync("s3://box/m", tmp_path / "to", include=include, dry_run=True).copied
        narrow = wire.requests("ListObjectsV2")
        everything = s3.sync("s3://box/m", tmp_path / "to", dry_run=True).copied
        wide = wire.requests("ListObjectsV2") - narrow
    patterns = [include] if isinstance(include, str) else include
    expected = [re.compile(translate(pattern)) for pattern in patterns]
    assert found == [name for name in everything if any(pattern.fullmatch(name) for pattern in expected)]
    assert narrow < wide / 2
