"""Little room: a full disk, folders nobody may write to, few descriptors. In processes of their own, as limits are a process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Server

ROOT = Path(__file__).parents[2]


def run(code: str, *arguments: str, wrapper: tuple[str, ...] = ()) -> Any:
    """Run a program; return the JSON that it prints."""
    command = [*wrapper, sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


FEW = """
import json, resource, sys
from pathlib import Path
import boto3
from s3nb import S3
url, bucket, key, secret, folder = sys.argv[1:]
session = boto3.Session(key, secret, region_name="us-east-1")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
keys = [f"k{n}" for n in range(500)]
source = Path(folder, "source"); source.mkdir()
for k in keys: (source / k).write_bytes(k.encode() * 50)
(source / "large").write_bytes(bytes(range(256)) * (1 << 17))
with S3(folder, bucket=bucket, endpoint_url=url, session=session) as s3:
    s3.put_files([(k, source / k) for k in [*keys, "large"]])
    got = s3.get_many(keys)
    kept = s3.download([*keys, "large"], Path(folder, "to"))
    print(json.dumps([
        [o.blob == k.encode() * 50 for o, k in zip(got, keys)].count(True),
        [(source / o.key).read_bytes() == Path(o.path).read_bytes() for o in kept].count(True),
    ]))
"""


def test_sixty_four_descriptors_are_enough_for_any_number_of_objects(
    moto_server: Server, moto_bucket: str, tmp_path: Path
) -> None:
    # the server has descriptors of its own: it lives in this process
    found = run(
        FEW, moto_server.endpoint_url, moto_bucket, moto_server.access_key, moto_server.secret_key, str(tmp_path)
    )
    assert found == [500, 501]


FULL = """
import json, os, subprocess, sys
from pathlib import Path
from s3nb import S3, BulkError, S3Error
from s3nb.testing import MemoryWire
folder = Path(sys.argv[1])
def mount(*options):
    subprocess.run(["mount", *options, str(folder)], check=True)
def names(): return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
mount("-t", "tmpfs", "-o", "size=10m", "none")
body = os.urandom(8 << 20)
bodies = {"large": body + body, "small": b"x" * 500_000, **{f"k{n:02}": os.urandom(700_000) for n in range(40)}}
said = {}
def client(*where):
    global wire
    wire = MemoryWire({"box": bodies})
    return S3(*where, s3root="s3://box", wire=wire)
def attempt(name, do):
    before = len(wire.log)
    try: do(); said[name] = None
    except BulkError as exc: said[name] = [type(exc.failed[0]).__name__, exc.failed[0].errno, str(exc.failed[0])]
    except S3Error as exc: said[name] = [type(exc).__name__, exc.errno, str(exc)]
    said[name + " requests"], said[name + " left"] = len(wire.log) - before, names()
with client() as s3:
    (folder / "large").write_text("old")
    attempt("large", lambda: s3.download(["large"], folder))
    said["old"] = (folder / "large").read_text()
    attempt("many", lambda: s3.download([f"k{n:02}" for n in range(40)], folder / "many"))
    said["whole"] = all((folder / n).stat().st_size == 700_000 for n in names() if n.startswith("many/"))
    for n in names(): (folder / n).unlink()
with client(folder) as s3:  # results that are no files of the user's
    attempt("temporary", lambda: s3.get("large"))
mount("-o", "remount,ro")
with client() as s3:
    attempt("read-only", lambda: s3.download(["small"], folder))
    attempt("read-only one", lambda: s3.download_to("small", folder / "name"))
print(json.dumps(said))
"""


def own_mounts() -> tuple[str, ...] | None:
    """Return the command that gives a process mounts of its own, if we may."""
    wrapper = ("unshare", "--mount", "--map-root-user") if os.geteuid() else ("unshare", "--mount")
    try:
        done = subprocess.run([*wrapper, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return wrapper if done.returncode == 0 else None


def test_a_disk_without_room_is_one_clear_error_and_nothing_is_left(tmp_path: Path) -> None:
    wrapper = own_mounts()
    if wrapper is None:
        pytest.skip("no right to mount a small disk here (unshare --mount)")
    said = run(FULL, str(tmp_path), wrapper=wrapper)
    kind, errno, text = said["large"]
    assert (kind, errno) == ("LocalFileError", 28)
    assert "No space left" in text
    assert "s3://box/large" in text
    assert said["large requests"] == 1, "found when the file is made, not when it is full"
    assert (said["large left"], said["old"]) == (["large"], "old")
    assert said["many"][:2] == ["LocalFileError", 28]
    assert said["whole"], "every file under its name is whole"
    assert not any("s3nb" in name for name in said["many left"])
    assert said["temporary"][:2] == ["LocalFileError", 28]
    assert said["temporary left"] == []
    for name in ("read-only", "read-only one"):
        kind, errno, text = said[name]
        assert (kind, errno) == ("LocalFileError", 30)
        assert "Read-only" in text
        assert "s3://box/small" in text
        assert said[f"{name} requests"] <= 1
        assert said[f"{name} left"] == []


def test_a_folder_as_the_target_is_an_error_that_names_it(moto_s3: Any, tmp_path: Path) -> None:
    moto_s3.put("k", "body")
    (tmp_path / "to" / "k").mkdir(parents=True)
    with pytest.raises(OSError, match="folder") as caught:
        moto_s3.download(["k"], tmp_path / "to")
    assert caught.value.failed[0].errno == 21
    assert "to/k" in str(caught.value)
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["k"]


def test_a_folder_that_is_a_file_is_an_error_that_names_it(moto_s3: Any, tmp_path: Path) -> None:
    moto_s3.put("a/k", "body")
    (tmp_path / "a").write_text("in the way")
    with pytest.raises(OSError, match="folder") as caught:
        moto_s3.download(["a/k"], tmp_path)
    assert caught.value.failed[0].key == "a/k"
    assert (tmp_path / "a").read_text() == "in the way"
