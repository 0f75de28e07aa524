"""Files on this machine: the client's private folder, and files that get their name when they are whole."""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import random
import re
import shutil
import stat
import tempfile
import threading
import time
import unicodedata
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from s3nb.config import TransferConfig
from s3nb.errors import LocalFileNotFound, UnsafeKey
from s3nb.text import visible
from s3nb.transfer.disk import reserve

_YOUNG = 3.0  # seconds
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Store:
    """Where a client keeps results: small ones in memory within a budget, others in one private folder.

    The folder is made when the first file is, readable by nobody else, and removed by `close` with all
    it holds. File names come from a counter and the harmless characters of the key, so no two results share one.
    """

    def __init__(self, tmproot: str | os.PathLike[str], config: TransferConfig) -> None:
        root = os.path.abspath(os.fspath(tmproot))
        if not os.path.isdir(root):
            raise LocalFileNotFound(f"tmproot is not a folder: {visible(root)}")
        self._root = root
        self.memory_object = config.memory_object  # results up to so many bytes may stay in memory
        self._budget = config.memory_budget
        self._lock = threading.Lock()
        self._folder: str | None = None
        self._count = 0
        self._held = 0
        self._freed: deque[int] = deque()  # filled by finalisers, which must not take a lock
        self.closed = False
        _stores.add(self)

    def hold(self, size: int) -> bool:
        """Take ``size`` bytes from the memory budget; False if they are not there."""
        with self._lock:
            while self._freed:
                self._held -= self._freed.popleft()
            if self._held + size > self._budget:
                return False
            self._held += size
            return True

    def free(self, size: int) -> None:
        """Give bytes back to the budget. Safe in a finaliser."""
        self._freed.append(size)

    @property
    def folder(self) -> str:
        """The private folder; made at the first look."""
        with self._lock:
            if self.closed:
                raise LocalFileNotFound("the client was closed, and its files are gone")
            if self._folder is None:
                self._folder = tempfile.mkdtemp(prefix="s3nb.", dir=self._root)
            return self._folder

    def new_path(self, key: str) -> str:
        """Return the absolute path for a new result; it keeps the end of the key, as tools go by extension."""
        folder = self.folder
        with self._lock:
            self._count += 1
            number = self._count
        name = _PLAIN.sub("_", key.rsplit("/", 1)[-1])[-80:].lstrip(".-")
        return os.path.join(folder, f"{number:06d}-{name}" if name else f"{number:06d}")

    def create(self, path: str, size: int | None) -> int:
        """Open a new file at ``path`` with room for ``size`` bytes; returns its descriptor."""
        return create(path, size)

    @property
    def used(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    def discard(self, path: str) -> None:
        """Remove one file of the store, if it is still there."""
        folder = self._folder
        if (
            folder is not None and os.path.dirname(path) == folder
        ):  # else it is that of the process that we were forked from
            with contextlib.suppress(OSError):
                os.unlink(path)

    def close(self) -> None:
        """Remove the folder and what it holds. May be called twice."""
        with self._lock:
            self.remove()

    def remove(self) -> None:
        """Do what `close` does, at the end of the interpreter: nobody gives back the lock any more."""
        self.closed = True
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def after_fork(self) -> None:
        """Leave to the parent what is the parent's: its folder, and perhaps the lock."""
        self._lock = threading.Lock()
        self._folder = None


_stores: weakref.WeakSet[Store] = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.after_fork()


def _at_exit() -> None:
    """Remove the folders of clients that are not finalised: an interpreter need not, and that of a notebook does not."""
    for store in list(_stores):
        store.remove()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def create(path: str, size: int | None, mode: int = 0o600) -> int:
    """Create a file that was not there, for writing by position, and reserve ``size`` bytes for it where that costs nothing.

    Raises
    ------
    OSError
        Also if the disk is known to be too full for all of it: better now than after an hour. Nothing is left then.
    """
    fd = os.open(path, _NEW, mode)
    try:
        if size and size >= _WORTH_RESERVING:
            reserve(fd, size)
    except BaseException:
        os.close(fd)
        os.unlink(path)
        raise
    return fd


_WORTH_RESERVING = 1 << 20  # below, the write itself is the first to know anyway


def cut_name(name: str) -> str:
    """Return what of a file's name its temporary name holds: file systems allow 255 bytes, with all that is added."""
    return name if len(name) <= 50 else os.fsencode(name)[:200].decode(errors="ignore")


class Target:
    """A file that is to appear under ``path`` whole, or not at all.

    It is written under ``.NAME.s3nb-<16 hex digits>`` in the same folder, flushed, and renamed. The new name is on the
    disk for good after `sync_folder`, once for all files of a folder.
    """

    __slots__ = ("fsync", "leftover", "mtime", "path", "temp")

    def __init__(
        self, path: str | os.PathLike[str], *, fsync: bool, leftover: str | None = None, mtime: float | None = None
    ) -> None:
        self.mtime = mtime  # Unix time that the file is to have; None: now
        self.leftover = leftover  # a temporary file that an earlier process left for the same name
        self.path = os.path.abspath(os.fspath(path))
        folder, name = os.path.split(self.path)
        # O_EXCL sees to it that nobody else has the name; it need not be a secret
        self.temp = f"{folder.rstrip(os.sep)}{os.sep}.{cut_name(name)}.s3nb-{random.getrandbits(64):016x}"
        self.fsync = fsync

    def create(self, size: int | None) -> int:
        """Open the temporary file; returns its descriptor. The mode is that of a file before, else the umask's.

        Raises
        ------
        OSError
            No folder, no permission, no room; or the target is a folder.
        """
        mode = None
        with contextlib.suppress(FileNotFoundError):
            before = os.stat(self.path)
            if stat.S_ISDIR(before.st_mode):
                raise IsADirectoryError(errno.EISDIR, "target is a folder", self.path)
            if stat.S_ISREG(before.st_mode):
                mode = before.st_mode & 0o777
        fd = create(self.temp, size, 0o666)
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(fd, mode)
        return fd

    def publish(self, fd: int) -> None:
        """Flush, and give the file its name; closes ``fd``."""
        try:
            if self.fsync:
                os.fsync(fd)
        finally:
            os.close(fd)
        if self.mtime is not None:
            os.utime(self.temp, (self.mtime, self.mtime))
        os.replace(self.temp, self.path)

    def abandon(self) -> None:
        """Remove the temporary file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.temp)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Put the names in a folder on the disk, where folders can be flushed."""
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def folding(folder: str | os.PathLike[str]) -> Callable[[str], str] | None:
    """Return what makes one of names that the file system of a folder takes for the same: of any case, or of any Unicode form.

    None: it keeps all apart, or nothing can be written there. A file is made, looked for under other names, and removed.
    """
    name = f".s3nb-{random.getrandbits(64):016x}-a\u00e9"
    path = os.path.join(folder, name)
    try:
        os.close(os.open(path, _NEW, 0o600))
    except OSError:
        return None
    try:
        case = os.path.lexists(os.path.join(folder, name.upper()))
        form = os.path.lexists(os.path.join(folder, unicodedata.normalize("NFD", name)))
    finally:
        os.unlink(path)
    if not case and not form:
        return None

    def fold(name: str) -> str:
        name = unicodedata.normalize("NFC", name) if form else name
        return name.casefold() if case else name

    return fold


def young(headers: Mapping[str, str]) -> bool:
    """Say whether an object was made so lately that another one may yet get the same time, as S3 counts seconds."""
    made, now = _time(headers.get("last-modified")), _time(headers.get("date"))
    return made is not None and (time.time() if now is None else now) - made < _YOUNG


def _time(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def make_folder(root: Path, folder: Path) -> None:
    """Make ``folder`` below ``root``, following no symbolic link that leads out.

    Raises
    ------
    UnsafeKey
        A link on the way points outside ``root``. Nothing is made there.
    OSError
        Cannot be made.
    """
    real_root = os.path.realpath(root)
    real = os.path.realpath(folder)
    if real != real_root and not real.startswith(real_root.rstrip(os.sep) + os.sep):
        raise UnsafeKey(f"a symbolic link leads out of {visible(str(root))}: {visible(str(folder))}")
    folder.mkdir(parents=True, exist_ok=True)
