"""What users write, as mypy --strict must take it: results have types, mistakes are found before they run."""

from __future__ import annotations

import array
import csv
import gzip
import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, TextIO, assert_type

from s3nb import (
    S3,
    BulkError,
    ObjectNotFound,
    S3GetObject,
    S3Object,
    S3Path,
    S3PutObject,
    Snapshot,
    TransferConfig,
    isdir,
    join,
    listdir,
    open,
    open_many,
    path_exists,
)

if TYPE_CHECKING:
    from s3nb.files import S3Reader, S3Spool, S3TextFile, S3Writer
    from s3nb.files.compress import Compressed, Decompressed


def sizes(s3: S3, keys: list[str]) -> dict[str, int]:
    return {obj.key: obj.size or 0 for obj in s3.get_many(keys)}


def first_lines(s3: S3, prefix: str) -> Iterator[str]:
    for obj in s3.iter_list(prefix):
        text: str | None = s3.get(S3GetObject(obj.key, 0, 100)).text
        yield (text or "").partition("\n")[0]


def read_or_none(s3: S3, key: str) -> bytes | None:
    try:
        found: S3Object = s3.get(key)
    except ObjectNotFound as exc:
        assert exc.status == 404
        return None
    return found.blob


def store(s3: S3, folder: Path) -> list[str]:
    pairs = [(path.name, path) for path in folder.iterdir()]
    try:
        return [str(url) for url in s3.put_files(pairs)]
    except BulkError as exc:
        for failure in exc.failed:
            print(failure.key, failure.code)
        raise


def watched(snapshot: Snapshot) -> None:
    print(snapshot)


def lines_below(folder: str) -> Iterator[str]:
    for name in listdir(folder):
        if path_exists(join(folder, name)) and not isdir(join(folder, name)):
            with open(join(folder, name)) as file:
                yield from file


def takes_files(binary: BinaryIO, text: TextIO, either: IO[bytes]) -> int:
    return len(binary.read()) + len(text.read()) + either.tell()


def files(url: str, path: S3Path) -> int:
    with open(url, "w", encoding="utf-8", metadata={"made": "by hand"}) as written:
        written.write("text")
        json.dump([1], written)
        csv.writer(written).writerow(["a"])
    tag: str | None = written.etag
    with (
        open(url, "wb", checksum="sha256", on_error="commit") as binary,
        gzip.GzipFile(fileobj=binary, mode="wb") as packed,
    ):
        packed.write(b"bytes")
    with open(url, "rb", profile="work") as file, tarfile.open(fileobj=file) as tar:
        print(tar.getnames(), file.size, file.stats().requests, file.pread(0, 4), tag)
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        print(archive.namelist(), file.read_ranges([(0, 4)]))
    with path.open("r+b") as both:
        both.truncate(3)
    with open(url, "rt", compression="gzip") as text, open(path, "rb", compression="gzip") as unpacked:
        total = sum(len(line) for line in text) + len(unpacked.read())
    for each in open_many([url, path], ahead=4):
        total += each.size
    mode: str = "rb"
    anything = open(url, mode)
    anything.close()
    with path.open() as text, path.open("rb") as file:
        return total + takes_files(file, text, file)


def which_file_a_mode_gives(url: str, path: S3Path, mode: str) -> None:
    assert_type(open(url), S3TextFile)
    assert_type(open(url, "wt", encoding="utf-8"), S3TextFile)
    assert_type(open(path, "+a"), S3TextFile)
    assert_type(open(url, "rb"), S3Reader)
    assert_type(open(path, "br", version_id="1"), S3Reader)
    assert_type(open(url, "wb"), S3Writer)
    assert_type(open(url, "xb", if_match=None), S3Writer)
    assert_type(open(url, "ab"), S3Writer)
    assert_type(open(url, "r+b"), S3Spool)
    assert_type(open(url, "rb", compression="infer"), Decompressed)
    assert_type(open(url, "wb", compression="zstd", compression_level=3), Compressed)
    assert_type(open(url, mode), Any)
    assert_type(path.open(), S3TextFile)
    assert_type(path.open("rb"), S3Reader)
    assert_type(path.open("wb"), S3Writer)
    assert_type(path.open("w+b"), S3Spool)
    assert_type(path.open("rb", compression="gzip"), Decompressed)
    assert_type(path.open("wb", compression="gzip"), Compressed)
    assert_type((path / "a").parent.with_suffix(".b"), S3Path)
    assert_type(open(url, "rb").read(), bytes)
    assert_type(open(url).read(), str)
    with open(url) as text, path.open("rb") as binary:
        assert_type(text.readline(), str)
        assert_type(next(binary), bytes)
    assert_type([file.read() for file in open_many([url])], list[bytes])
    assert_type([file.read() for file in open_many([url], "r")], list[str])


def names_and_data(s3: S3, path: S3Path, found: list[S3Object], row: tuple[str, Path]) -> None:
    s3.get_many([path, "key", S3GetObject("key", 0, 100), *found])
    s3.get_many(found)
    s3.put(path, b"bytes")
    for data in (io.BytesIO(b"x"), Path("file"), memoryview(b"x"), array.array("i", [1]), "text"):
        s3.put("key", data)
    with Path("file").open("rb") as local, open(path, "rb") as remote, gzip.GzipFile("x.gz") as packed:
        for file in (local, remote, packed):
            s3.put("key", file)
    s3.put_many([("a", b"1"), ("b", "2"), S3PutObject("c", value=b"3")])
    s3.put_many({"a": b"1"})
    s3.put_files([row])
    s3.put_files({"a": Path("file")})
    s3.copy_many([(path, "b"), ("c", found[0])])
    s3.delete_many(obj for obj in s3.iter_list("logs"))
    s3.sync(Path("folder"), path)


def mistakes(url: str) -> None:
    """What a checker finds (an ignore that ignores nothing is an error, too)."""
    open(url, "wb").pread(0, 1)  # type: ignore[attr-defined]
    open(url, "rb", metadat={})  # type: ignore[call-overload]
    open(3.5)  # type: ignore[call-overload]
    with S3() as s3:
        s3.get(3)  # type: ignore[arg-type]
        s3.get_many([b"key"])  # type: ignore[list-item]
        s3.put("key", {"a": 1})  # type: ignore[arg-type]
        s3.put("key", sys.stdin)  # type: ignore[arg-type]


def main() -> None:
    config = TransferConfig(max_requests=16)
    with S3(s3root="s3://bucket/data", config=config, progress=watched) as s3:
        print(sizes(s3, ["a", "b"]), list(first_lines(s3, "logs")), read_or_none(s3, "c"), store(s3, Path()))
        link: str = s3.presign("a", expires=60)
        print(link)
        found: S3Object = s3.submit_get("a").result()
        print(found.size, found.text)
