"""What the file system is like that a file is on: is it memory, is there room."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from functools import lru_cache

_MOUNTS = "/proc/self/mountinfo"
_MEMORY = frozenset({"tmpfs", "ramfs"})
# Where room is kept by a note of it. Elsewhere glibc may write into every block of the file, and memory is filled page by page.
_RESERVES = frozenset({"ext4", "xfs", "btrfs", "f2fs", "overlay"})
_NO_FALLOCATE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_PIECES = min(os.sysconf("SC_IOV_MAX"), 256) if hasattr(os, "pwritev") and "SC_IOV_MAX" in os.sysconf_names else 1


@lru_cache(64)
def kind(device: int) -> str:
    """Return what the kernel calls the file system with this number (``st_dev``); empty where it does not tell."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
            for line in mounts:  # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
                mount, _, system = line.partition(" - ")
                if mount.split(" ", 3)[2] == number:
                    return system.split(" ", 1)[0]
    except OSError:
        pass
    return ""


def in_memory(device: int) -> bool:
    """Say whether flushing a file there is no work."""
    return kind(device) in _MEMORY


def reserve(fd: int, size: int) -> None:
    """See to it that there is room for ``size`` bytes, where that can be had for nothing.

    Raises
    ------
    OSError
        There is not.
    """
    system = kind(os.fstat(fd).st_dev)
    if system in _RESERVES:
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as exc:
            if exc.errno not in _NO_FALLOCATE:
                raise
    elif system in _MEMORY:
        found = os.fstatvfs(fd)
        if found.f_blocks and found.f_bfree * found.f_frsize < size:  # no blocks: without a limit
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write(fd: int, pieces: Sequence[bytes], at: int) -> None:
    """Write all bytes of the pieces at a position."""
    if 1 < len(pieces) <= _PIECES:
        done = os.pwritev(fd, pieces, at)
        if done == sum(map(len, pieces)):
            return
        pieces, at = [b"".join(pieces)[done:]], at + done
    data = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    while data:
        done = os.pwrite(fd, data, at)
        if not done:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data, at = data[done:], at + done
