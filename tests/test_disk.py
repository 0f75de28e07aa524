"""Files on file systems of several kinds: room, flushing, and writing many pieces at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3nb import S3, LocalFileError
from s3nb.testing import MemoryWire
from s3nb.transfer import disk, download

from .test_faults import LARGE, QUICK


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the kernel call every file system so."""
    monkeypatch.setattr(disk, "kind", lambda device: request.param)
    return str(request.param)


def test_the_kernel_says_what_a_folder_is_on(tmp_path: Path) -> None:
    assert disk.kind(1 << 40) == "", "no such device"
    if os.path.exists("/proc/self/mountinfo"):
        assert disk.kind(os.stat("/proc").st_dev) == "proc"
        assert not disk.in_memory(os.stat("/proc").st_dev)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "nfs4", ""], indirect=True)
def test_a_file_is_flushed_before_it_gets_its_name(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        flushed.append((tmp_path / "small").exists())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    wire = MemoryWire({"box": {"small": b"hello"}})
    with S3(s3root="s3://box", wire=wire, config=replace(QUICK, fsync=True)) as s3:
        assert s3.download(["small"], tmp_path)[0].blob == b"hello"
    assert flushed == [False, True], "the file without its name, then the folder"


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"], indirect=True)
def test_a_disk_without_room_is_an_error_before_it_is_full(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        if kind == "tmpfs":
            return SimpleNamespace(f_blocks=1000, f_bfree=10, f_frsize=4096)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fstatvfs" if kind == "tmpfs" else "posix_fallocate", full)
    written: list[int] = []
    monkeypatch.setattr(download, "write", lambda fd, pieces, at: written.append(at))
    wire = MemoryWire({"box": {"large": LARGE}})
    with (
        S3(s3root="s3://box", wire=wire, config=QUICK) as s3,
        pytest.raises(LocalFileError, match="No space left") as caught,
    ):
        s3.download_to("large", tmp_path / "large")
    assert caught.value.errno == errno.ENOSPC
    assert written == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["tmpfs"], indirect=True)
def test_memory_without_a_limit_has_room(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fstatvfs", lambda fd: SimpleNamespace(f_blocks=0, f_bfree=0, f_frsize=4096))
    with S3(s3root="s3://box", wire=MemoryWire({"box": {"large": LARGE}}), config=QUICK) as s3:
        assert s3.download_to("large", tmp_path / "large").blob == LARGE


@pytest.mark.parametrize("kind", ["nfs4", ""], indirect=True)
def test_where_room_would_have_to_be_written_none_is_reserved(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("every block would be written")

    monkeypatch.setattr(os, "posix_fallocate", never, raising=False)
    with S3(s3root="s3://box", wire=MemoryWire({"box": {"large": LARGE}}), config=QUICK) as s3:
        assert s3.download_to("large", tmp_path / "large").blob == LARGE


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"bc", b"defg"], [b"%d," % n for n in range(2000)]], ids=len)
@pytest.mark.parametrize("most", [1 << 20, 3])
def test_pieces_are_written_whole_though_the_kernel_takes_fewer_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], most: int
) -> None:
    pwrite = os.pwrite

    def some_at_once(fd: int, given: Sequence[bytes], at: int) -> int:
        assert len(given) <= 1024, "more are refused"
        return pwrite(fd, b"".join(given)[:most], at)

    monkeypatch.setattr(os, "pwritev", some_at_once, raising=False)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:most], at))
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        disk.write(fd, pieces, 5)
    finally:
        os.close(fd)
    assert (tmp_path / "file").read_bytes() == bytes(5) + b"".join(pieces)


def test_a_disk_that_fills_up_is_an_error_with_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("pwrite", "pwritev"):
        monkeypatch.setattr(os, name, full, raising=False)
    wire = MemoryWire({"box": {"large": LARGE}})
    with (
        S3(s3root="s3://box", wire=wire, config=QUICK) as s3,
        pytest.raises(LocalFileError, match="No space left") as caught,
    ):
        s3.download_to("large", tmp_path / "large")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []
