"""What of a large download has arrived, kept beside the temporary file, so that a killed process costs little.

The journal of ``.NAME.s3nb-X`` is ``.NAME.s3nb-X.journal``: a JSON line that says what is being fetched, then one for each
piece that is in the file, with its CRC. A resumed download reads the pieces back and believes those whose CRC agrees, so the
journal need not be flushed in step with the data. Whoever writes it holds a lock on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import Any, NamedTuple

from s3nb.checksum import pieces_of

try:
    import fcntl
except ImportError:  # Windows: two processes that resume the same file are told apart by the rename at the end
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".journal"
_TEMP = re.compile(r"\.(.+)\.s3nb-[0-9a-f]{16}(\.journal)?\Z", re.DOTALL)
_STALE = 24 * 3600.0  # seconds
_YOUNG = 3600.0  # seconds
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Sum(NamedTuple):
    """The CRC of bytes ``[start, stop)`` as they arrived."""

    start: int
    stop: int
    value: int


class Subject(NamedTuple):
    """What is being fetched, and with which CRC the journal sums it up."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    crc: str


class Journal:
    """The journal of one temporary file; locked while it is open."""

    def __init__(self, temp: str, fd: int, subject: Subject, sums: list[Sum]) -> None:
        self.temp = temp
        self.subject = subject
        self.sums = sums
        self._fd = fd

    @classmethod
    def create(cls, temp: str, subject: Subject) -> Journal:
        """Begin the journal of a new temporary file."""
        fd = os.open(temp + SUFFIX, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        _lock(fd)
        os.write(fd, json.dumps(subject).encode() + b"\n")
        return cls(temp, fd, subject, [])

    @classmethod
    def reopen(cls, temp: str) -> Journal | None:
        """Open the journal of a temporary file that was left behind; None if it is in use, or no journal."""
        try:
            fd = os.open(temp + SUFFIX, _OPEN)
        except OSError:
            return None
        if not _lock(fd):
            os.close(fd)
            return None
        try:
            with open(fd, "rb", closefd=False) as file:
                lines = [json.loads(line) for line in file.read().split(b"\n")[:-1]]  # the last may be half a line
            subject, sums = Subject(*lines[0]), [Sum(*line) for line in lines[1:]]
            sound = isinstance(subject.size, int) and all(0 <= s.start < s.stop <= subject.size for s in sums)
        except (ValueError, TypeError, IndexError):
            sound = False
        if not sound:
            os.close(fd)
            remove(temp)
            return None
        return cls(temp, fd, subject, sums)

    def add(self, piece: Sum) -> None:
        """Note that a piece is in the file."""
        os.write(self._fd, json.dumps(piece).encode() + b"\n")

    def close(self) -> None:
        """Let go of the journal; it stays."""
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Remove the journal: the file is whole, or given up."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.temp + SUFFIX)
        self.close()


def is_ours(name: str) -> bool:
    """Say whether a file name is that of one of our temporary files, or of its journal."""
    return _TEMP.match(name) is not None


def missing(size: int, sums: list[Sum]) -> list[tuple[int, int]]:
    """Return the ranges ``[start, stop)`` of ``size`` bytes that no sum covers."""
    gaps, at = [], 0
    for piece in sorted(sums):
        if piece.start > at:
            gaps.append((at, piece.start))
        at = max(at, piece.stop)
    if at < size:
        gaps.append((at, size))
    return gaps


def remove(temp: str) -> None:
    """Remove a temporary file and its journal."""
    for path in (temp, temp + SUFFIX):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def left_over(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Return the temporary files in a folder that can be resumed, by the name they were to get.

    Removes those that are older than a day and that nobody writes.
    """
    found: dict[str, tuple[float, str]] = {}
    now = time.time()
    with os.scandir(folder) as entries:
        ours = [(entry, match) for entry in entries if (match := _TEMP.match(entry.name))]
    for entry, match in ours:
        try:
            changed = entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue
        temp = entry.path.removesuffix(SUFFIX)
        if match[2] and not os.path.lexists(temp):
            remove(temp)  # published, and killed before the journal went
        elif now - changed > _STALE:
            if not _in_use(temp):
                remove(temp)
        elif match[2]:
            found[match[1]] = max(found.get(match[1], (0.0, "")), (changed, temp))
    return {name: temp for name, (_, temp) in found.items()}


def clean(folder: str | os.PathLike[str], *, recursive: bool = False, dry_run: bool = False) -> list[str]:
    """Remove what killed downloads have left in a folder, and return the paths.

    What somebody writes stays: files whose journal is locked, and files without a journal that are younger than an hour.
    Then downloads of these files start from the beginning.
    """
    found = []
    for path, folders, names in os.walk(folder):
        if not recursive:
            folders.clear()
        for name in sorted(names):
            temp = os.path.join(path, name)
            if is_ours(name) and not name.endswith(SUFFIX) and not _busy(temp):
                found.append(temp)
                if not dry_run:
                    remove(temp)
    return found


def _busy(temp: str) -> bool:
    try:
        if not os.path.lexists(temp + SUFFIX):
            return time.time() - os.lstat(temp).st_mtime < _YOUNG
    except FileNotFoundError:
        return True
    return _in_use(temp)


def _in_use(temp: str) -> bool:
    try:
        fd = os.open(temp + SUFFIX, _OPEN)
    except OSError:
        return False
    try:
        return not _lock(fd)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def read_back(fd: int, sums: list[Sum], update: Any) -> list[Sum]:
    """Return those sums that what is in the file agrees with. Blocks: reads all of it."""
    good = []
    for piece in sums:
        value = 0
        for data in pieces_of(lambda at, size: os.pread(fd, size, at), piece.start, piece.stop):
            value = update(data, value)
        if value == piece.value:
            good.append(piece)
    return good
