"""Where the bytes of an upload come from, cut into bodies for the wire."""

from __future__ import annotations

import io
import os
import stat
import threading
from typing import Any, Protocol

from s3nb.errors import InvalidObject, LocalFileError, LocalFileNotFound
from s3nb.model import S3Object
from s3nb.text import visible
from s3nb.wire import Body, FileSlice


class Buffer(Protocol):
    """Bytes in memory: ``bytes``, ``memoryview``, an array of whatever kind (PEP 688)."""

    def __buffer__(self, flags: int, /) -> memoryview:
        """Return a view; to type checkers only, before Python 3.12."""


class Readable(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int = ..., /) -> bytes:
        """Return the next bytes, at most ``size``; none at the end."""


class Array(Protocol):
    """An array of NumPy's, which to type checkers is no buffer before Python 3.12."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Where its bytes are."""


Data = str | Buffer | Array | Readable | os.PathLike[str]


class Source:
    """Bytes to be sent.

    Attributes
    ----------
    size : int or None
        Bytes in all; None if only the end will tell.
    quick : bool
        `body` does not block: it may be called on the wire's thread.
    """

    __slots__ = ()

    size: int | None
    quick = True

    def open(self) -> None:
        """Get ready; called once before the first `body`, in the pool unless ``quick``."""

    def body(self, start: int, stop: int) -> Body:
        """Return bytes ``[start, stop)``; fewer only at the end of a source of unknown size."""
        raise TypeError(f"{type(self).__name__} gives no bytes")

    def check(self) -> None:
        """Raise if the source has changed since `open`."""

    def close(self) -> None:
        """Free what `open` took."""


class BytesSource(Source):
    """Bytes in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        if isinstance(data, memoryview):
            data = data.cast("B") if data.c_contiguous and data.nbytes else data.tobytes()
        self._data = data
        self.size = len(data)

    def body(self, start: int, stop: int) -> bytes:
        data = self._data
        if type(data) is bytes and start == 0 and stop >= len(data):
            return data
        return bytes(memoryview(data)[start:stop])


class FileSource(Source):
    """A regular file, by path; read by position, never copied into memory."""

    __slots__ = ("_fd", "_seen", "path", "size")

    quick = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._fd = -1
        found = self._stat()
        self.size = found.st_size
        self._seen = (found.st_size, found.st_mtime_ns, found.st_ino)

    def _stat(self) -> os.stat_result:
        shown = visible(str(self.path))
        try:
            found = os.stat(self.path)
        except FileNotFoundError as exc:
            raise LocalFileNotFound(f"local file not found: {shown}") from exc
        except OSError as exc:
            raise LocalFileError(f"local file cannot be read: {shown}: {exc.strerror}", errno=exc.errno) from exc
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise LocalFileError(f"not a file that can be uploaded: {shown} is {kind}", errno=21)
        return found

    def open(self) -> None:
        try:
            self._fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as exc:
            raise LocalFileNotFound(f"local file not found: {visible(str(self.path))}") from exc
        except OSError as exc:
            raise LocalFileError(
                f"local file cannot be read: {visible(str(self.path))}: {exc.strerror}", errno=exc.errno
            ) from exc
        self.check()

    def body(self, start: int, stop: int) -> FileSlice:
        return FileSlice(self._fd, start, stop)

    def check(self) -> None:
        found = os.fstat(self._fd)
        if (found.st_size, found.st_mtime_ns, found.st_ino) != self._seen:
            raise LocalFileError(f"file changed while it was being uploaded: {visible(str(self.path))}", errno=None)

    def close(self) -> None:
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1


class StreamSource(Source):
    """A binary file object: sent whole from its start if it can seek, else from where it stands. Not closed."""

    __slots__ = ("_lock", "_stream", "seekable", "size")

    quick = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.size = None
        self.seekable = bool(getattr(stream, "seekable", lambda: False)())
        if self.seekable:
            stream.seek(0, io.SEEK_END)
            self.size = stream.tell()
            stream.seek(0)

    def body(self, start: int, stop: int) -> bytes:
        with self._lock:
            if self.seekable:
                self._stream.seek(start)
            pieces = []
            left = stop - start
            while left:
                piece = self._stream.read(left)
                if not isinstance(piece, (bytes, bytearray, memoryview)):
                    raise InvalidObject(
                        f"file to upload gives {type(piece).__name__}, not bytes: open it in binary mode"
                    )
                if not piece:
                    break
                pieces.append(bytes(piece))
                left -= len(piece)
        if left and self.size is not None:
            raise LocalFileError(f"file ended {left} bytes early while it was being uploaded", errno=None)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def source_of(value: Any) -> Source:
    """Return the source for a value of the user's: str, buffers, binary files, paths.

    Raises
    ------
    InvalidObject
        Nothing that has bytes.
    LocalFileNotFound, LocalFileError
        A path that cannot be read.
    """
    if isinstance(value, str):
        return BytesSource(value.encode())
    if isinstance(value, (bytes, bytearray, memoryview)):
        return BytesSource(value)
    if isinstance(value, os.PathLike):
        return FileSource(value)
    if isinstance(value, io.BytesIO):
        return BytesSource(value.getvalue())
    if isinstance(value, io.TextIOBase):
        raise InvalidObject("a text file cannot be uploaded: open it in binary mode ('rb')")
    read = getattr(value, "read", None)
    if callable(read):
        readable = getattr(value, "readable", None)
        if callable(readable) and not readable():
            raise InvalidObject(f"file to upload is not readable: {visible(repr(value), 100)}")
        return StreamSource(value)
    try:
        return BytesSource(memoryview(value))
    except TypeError:
        pass
    hint = "for other values choose an encoding, such as json.dumps or pickle.dumps"
    if isinstance(value, S3Object):
        hint = "copy() copies within S3, .blob and .path are what was fetched"
    elif hasattr(value, "to_parquet"):
        hint = "of a table, .to_parquet() makes bytes and .to_csv() a str"
    raise InvalidObject(
        f"cannot upload {type(value).__name__}: expected str, bytes, a buffer, a binary file or a path; {hint}"
    )
