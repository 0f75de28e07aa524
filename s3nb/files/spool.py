"""Files that read and write: a copy of the object in memory or in a temporary file, put back when it is closed."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, cast

from s3nb.files.reader import S3Reader
from s3nb.files.writer import Abortable, S3Writer
from s3nb.ranges import MIB
from s3nb.text import size_text, visible
from s3nb.transfer.placed import Stored

IN_MEMORY = 64 * MIB
_STEP = 8 * MIB


class S3Spool(Abortable):
    """An object in S3, opened for reading and writing. Made by `s3nb.open`.

    All of it is here, in memory up to 64 MiB, else in a temporary file. `close` puts it back, if it was changed, and
    only if the object is still the one that was opened.
    """

    def __init__(
        self, name: Any, mode: str, make_writer: Callable[[], S3Writer], *, dirty: bool, on_error: str, commit: str
    ) -> None:
        super().__init__(name, on_error=on_error, commit=commit)
        self.mode = mode
        self._make_writer = make_writer
        self._dirty = dirty  # also an empty file is to be made
        self._appends = "a" in mode
        self._file: BinaryIO = cast(BinaryIO, io.BytesIO())
        self._on_disk = False
        self._failed: BaseException | None = None

    def load(self, reader: S3Reader) -> None:
        """Fill it with an object."""
        if reader.size > IN_MEMORY:
            self._roll()
            while data := reader.read(_STEP):
                self._file.write(data)
        else:
            self._file = cast(BinaryIO, io.BytesIO(reader.read()))
        self._file.seek(0, 2 if self._appends else 0)

    def _roll(self) -> None:
        disk = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115
        at = self._file.tell()
        self._file.seek(0)
        while data := self._file.read(_STEP):
            disk.write(data)
        disk.seek(at)
        self._file, self._on_disk = disk, True

    def __repr__(self) -> str:
        state = "closed" if self._over else f"at {self._file.tell():,}"
        return f"<S3Spool {visible(str(self.name), 200)} {size_text(None if self._over else self._size())}, {state}>"

    def _size(self) -> int:
        at = self._file.tell()
        size = self._file.seek(0, 2)
        self._file.seek(at)
        return size

    def readable(self) -> bool:
        """True."""
        self._check()
        return True

    writable = seekable = readable

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all that is left."""
        with self._lock:
            self._check()
            return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        return self.read(io.DEFAULT_BUFFER_SIZE if size < 0 else size)

    def readall(self) -> bytes:
        """Read all that is left."""
        return self.read()

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer; returns the number of bytes."""
        with self._lock:
            self._check()
            return cast(io.BytesIO, self._file).readinto(buffer)

    readinto1 = readinto

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes at the position without moving."""
        with self._lock:
            self._check()
            at = self._file.tell()
            data = self._file.read(max(size, io.DEFAULT_BUFFER_SIZE))
            self._file.seek(at)
            return data

    def readline(self, limit: int | None = -1, /) -> bytes:
        """Read one line; at most ``limit`` bytes of it."""
        with self._lock:
            self._check()
            return self._file.readline(-1 if limit is None else limit)

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def write(self, data: Any, /) -> int:
        """Write bytes at the position (in mode ``a``: at the end); returns their number."""
        with self._lock:
            self._check()
            if isinstance(data, str):
                raise TypeError("a bytes-like object is required, not 'str'")
            if not memoryview(data).nbytes:
                return 0
            try:
                if self._appends:
                    self._file.seek(0, 2)
                self._dirty = True
                count = self._file.write(data)
                if not self._on_disk and self._file.tell() > IN_MEMORY:
                    self._roll()
            except (OSError, MemoryError) as exc:
                self._failed = exc  # no room: what is here is not what was meant, and must not replace what is there
                raise
            return count

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each of many byte strings."""
        self._check()
        for line in lines:
            self.write(line)

    def tell(self) -> int:
        """Return the position."""
        self._check()
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position; beyond the end is allowed."""
        with self._lock:
            self._check()
            if whence == 1:
                offset, whence = self._file.tell() + offset, 0
            elif whence == 2:
                offset, whence = self._size() + offset, 0
            if whence == 0 and offset < 0:
                raise OSError(22, os.strerror(22), self.name)
            return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Cut or extend to ``size`` bytes; default: the position."""
        with self._lock:
            self._check()
            at = self._file.tell()
            size = at if size is None else size
            self._dirty = True
            grown = size - self._size()
            if grown > 0:  # BytesIO does not extend
                self._file.seek(0, 2)
                while grown > 0:
                    grown -= self._file.write(bytes(min(grown, _STEP)))
                self._file.seek(at)
                return size
            return self._file.truncate(size)

    def flush(self) -> None:
        """Send nothing: S3 sees the file when it is closed."""
        self._check()

    def _publish(self) -> Stored | None:
        try:
            if self._failed is not None:
                raise self._failed
            if not self._dirty:
                return None
            writer = self._make_writer()
            with writer:
                self._file.seek(0)
                while data := self._file.read(_STEP):
                    writer.write(data)
            return writer.stored
        finally:
            self._file.close()

    def _discard(self, error: BaseException | None) -> None:
        self._file.close()
