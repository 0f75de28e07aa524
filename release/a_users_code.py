"""What users write, as mypy --strict must take it: results have types, mistakes are found before they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from s3nb import S3, BulkError, ObjectNotFound, S3GetObject, S3Object, Snapshot, TransferConfig


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


def main() -> None:
    config = TransferConfig(max_requests=16)
    with S3(s3root="s3://bucket/data", config=config, progress=watched) as s3:
        print(sizes(s3, ["a", "b"]), list(first_lines(s3, "logs")), read_or_none(s3, "c"), store(s3, Path()))
        link: str = s3.presign("a", expires=60)
        print(link)
        found: S3Object = s3.submit_get("a").result()
        print(found.size, found.text)
