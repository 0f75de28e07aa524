"""The main job in a minute, against the sandbox: ``python -m s3nb.demo`` (or ``make demo``)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from s3nb import S3, BulkError, ObjectNotFound, S3GetObject, S3PutObject, plain
from s3nb.sandbox import Sandbox
from s3nb.text import plural, size_text

_COUNT = 400


def _step(title: str) -> None:
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}", flush=True)


def _bodies() -> list[tuple[str, bytes]]:
    """Return a few hundred objects of 1 to 64 KiB, the same ones each time."""
    return [(f"in/{n % 8}/object-{n:03d}.bin", bytes([n % 256]) * (1024 * (1 + n % 64))) for n in range(_COUNT)]


def main() -> int:
    """Run the demo; return 0 if every byte came back as it went."""
    print("starting an S3 server in this process ...", flush=True)
    with Sandbox() as sandbox, tempfile.TemporaryDirectory(prefix="s3nb-demo-") as folder:
        print(f"{sandbox!r} with sample data in s3://{sandbox.bucket} and s3://{sandbox.versioned_bucket}")
        options: dict[str, Any] = {**sandbox.client_options, "tmproot": folder, "progress": "bar"}
        with S3(s3root=f"s3://{sandbox.bucket}/demo", **options) as s3:
            _transfer(s3, sandbox.url("binary/large.bin"), Path(folder))
            _tidy(s3)
        with S3(bucket=sandbox.versioned_bucket, **options) as s3:
            _versions(s3)
    print("\nevery byte came back as it went. In JupyterLab: make lab")
    return 0


def _transfer(s3: S3, sample: str, folder: Path) -> None:
    bodies = _bodies()
    _step(f"put_many: {plural(len(bodies), 'object')}, {size_text(sum(len(b) for _, b in bodies))}")
    stored = s3.put_many(bodies)
    assert [key for key, _ in stored] == [key for key, _ in bodies]
    s3.put_many(
        [S3PutObject("in/notes.txt", "hello\n", content_type="text/plain", metadata={"author": "Ada", "tags": [1, 2]})]
    )

    _step("list_recursive, list_paths")
    listed = s3.list_recursive(["in"])
    print(plain.table(s3.list_paths(["in"])))
    assert len(listed) == len(bodies) + 1

    _step("get_many, into memory: in the order asked for")
    wanted = dict(bodies)
    for found in s3.get_many(list(wanted)):
        assert found.blob == wanted[found.key]
    print(f"first: {s3.get(bodies[0][0])!r}")

    _step("download, into files")
    files = s3.download(["in"], folder / "files", recursive=True)
    print(plain.summary(files), f"below {folder / 'files'}")

    _step("get ranges: the first 16 bytes, the last 16 bytes")
    s3.copy(sample, "large.bin")
    for piece in s3.get_many([S3GetObject("large.bin", 0, 16), S3GetObject("large.bin", None, -16)]):
        print(f"{piece.blob!r} of {piece.range_info.total_size if piece.range_info else 0:,} bytes")
    whole = s3.get("large.bin")
    print(f"whole, in parallel ranges: {size_text(whole.size)} at {whole.path}")

    _step("info_many: type and metadata without a byte of the body")
    print(plain.facts(s3.info_many(["in/notes.txt"])[0]))

    _step("one key is missing: the others come all the same")
    try:
        s3.get_many([*list(wanted)[:99], "in/no-such-object", "in/notes.txt"])
    except BulkError as exc:
        print(f"{type(exc).__name__}: {exc}")
        print(f"there: {plural(len(exc.ok), 'object')}; failed: {[e.key for e in exc.failed]}")
    else:
        raise AssertionError("a missing key must not go unnoticed")
    print(s3.get("in/no-such-object", return_missing=True))


def _tidy(s3: S3) -> None:
    _step("copy_many, inside S3")
    keys = [key for key, _ in _bodies()]
    copies = s3.copy_many([(key, f"copies/{key}") for key in keys])
    print(plural(len(copies), "object"))

    _step("delete_recursive")
    gone = s3.delete_recursive(["in", "copies"])
    print(f"{plural(len(gone), 'object')} deleted, {len(s3.list_recursive(['in']))} left")


def _versions(s3: S3) -> None:
    _step("versions: old bytes stay within reach")
    found = [v for v in s3.iter_list(versions=True) if v.key == "notes.txt" and v.exists]
    for version in found:
        print(f"{(version.version_id or '')[:8]}  {s3.get('notes.txt', version_id=version.version_id).text!r}")
    try:
        s3.get("removed.txt")
    except ObjectNotFound as exc:
        print(exc)


if __name__ == "__main__":
    sys.exit(main())
