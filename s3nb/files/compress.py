"""A codec between the user and the file: gzip, bz2, xz, zstd, lz4, each by the library that does it best."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable
from typing import Any

from s3nb.files.kinds import BinaryFile
from s3nb.files.writer import Abortable

Codec = str | Callable[..., Any]  # one of ours; or what makes, of a file and "r" or "w", the file that unpacks or packs
SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}
_NAMES = {
    "gzip": "gzip",
    "gz": "gzip",
    "bz2": "bz2",
    "xz": "xz",
    "lzma": "xz",
    "zstd": "zstd",
    "zst": "zstd",
    "lz4": "lz4",
}


def codec_for(asked: Codec | None, name: str) -> Codec | None:
    """Return the codec meant by ``compression=``, or None.

    Raises
    ------
    ValueError
        No codec has this name.
    ImportError
        It has no library here; says which extra has it.
    """
    if asked is None or callable(asked):
        return asked
    if asked == "infer":
        found = next((codec for suffix, codec in SUFFIXES.items() if name.lower().endswith(suffix)), None)
    elif asked in _NAMES:
        found = _NAMES[asked]
    else:
        raise ValueError(
            f"compression must be 'infer', None or one of {', '.join(sorted(set(_NAMES.values())))}, not {asked!r}"
        )
    if found in ("zstd", "lz4"):
        _library(found)
    return found


def _library(codec: str) -> Any:
    names = ("compression.zstd", "backports.zstd") if codec == "zstd" else ("lz4.frame",)
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError(f"{codec} needs a library: install the extra 'compression' (pip install -e '.[compression]')")


def _open(codec: Codec, file: Any, mode: str, level: int | None) -> Any:
    """Return a binary file that reads from, or writes to, ``file`` through a codec."""
    if callable(codec):
        return codec(file, mode=mode[0])
    make: Any
    if codec == "gzip":
        import gzip

        make, option = gzip.GzipFile, "compresslevel"
        if mode == "wb":
            return make(None, mode, fileobj=file, **({} if level is None else {option: level}))
        return make(None, mode, fileobj=file)
    if codec == "bz2":
        import bz2

        make, option = bz2.BZ2File, "compresslevel"
    elif codec == "xz":
        import lzma

        make, option = lzma.LZMAFile, "preset"
    elif codec == "zstd":
        make, option = _library(codec).ZstdFile, "level"
    else:
        make, option = _library(codec).LZ4FrameFile, "compression_level"
    return make(file, mode, **({} if level is None else {option: level}))


class _Gate:
    """The file as the codec sees it: once shut, what a codec still writes (a trailer, in its finaliser) goes nowhere."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.open = True

    def write(self, data: Any) -> int:
        return self.file.write(data) if self.open else len(data)

    def flush(self) -> None:
        """Send nothing."""

    def tell(self) -> int:
        return self.file.tell() if self.open else 0


class Decompressed(BinaryFile):
    """A compressed object, read as what it was before. Seeking backwards begins anew."""

    name: Any
    mode = "rb"

    def __init__(self, codec: Codec, file: Any) -> None:
        self._below = file
        self._codec = _open(codec, file, "rb", None)
        self.name = file.name

    def __repr__(self) -> str:
        return f"<Decompressed {self._below!r}>"

    @property
    def etag(self) -> str | None:
        """The ETag of the stored object."""
        found: str | None = self._below.etag
        return found

    @property
    def version_id(self) -> str | None:
        """The version of the stored object."""
        found: str | None = self._below.version_id
        return found

    def stats(self) -> Any:
        """Return what reading has cost so far."""
        return self._below.stats()

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    def readable(self) -> bool:
        """True."""
        self._check()
        return True

    def seekable(self) -> bool:
        """True; backwards means from the beginning."""
        self._check()
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes, or all that is left.

        Raises
        ------
        EOFError
            The stored object ends in the middle of the compressed stream.
        """
        self._check()
        return bytes(self._codec.read(-1 if size is None else size))

    def read1(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        self._check()
        read = getattr(self._codec, "read1", self._codec.read)
        return bytes(read(io.DEFAULT_BUFFER_SIZE if size < 0 else size))

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer; returns the number of bytes."""
        with memoryview(buffer) as given, given.cast("B") as view:
            data = self.read(len(view))
            view[: len(data)] = data
            return len(data)

    def readline(self, limit: int | None = -1, /) -> bytes:
        """Read one line; at most ``limit`` bytes of it."""
        self._check()
        return bytes(self._codec.readline(-1 if limit is None else limit))

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes at the position without moving."""
        self._check()
        return bytes(self._codec.peek(max(size, 1)))

    def tell(self) -> int:
        """Return the position in what comes out."""
        self._check()
        return int(self._codec.tell())

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position."""
        self._check()
        return int(self._codec.seek(offset, whence))

    def close(self) -> None:
        """Close both."""
        if not self.closed:
            try:
                self._codec.close()
            finally:
                self._below.close()
                super().close()


class Compressed(Abortable):
    """An object that is compressed while it is written. An abort writes nothing, not even a trailer."""

    def __init__(self, codec: Codec, file: Abortable, level: int | None) -> None:
        self._gate = _Gate(file)
        self._codec = _open(codec, self._gate, "wb", level)  # raises for a level that it has not
        super().__init__(file.name, on_error=file._on_error, commit="explicit" if file._explicit else "close")
        self.mode = file.mode
        self._below = file
        file._layered = True
        self._position = 0

    def __repr__(self) -> str:
        return f"<Compressed {self._below!r}>"

    def readable(self) -> bool:
        """False."""
        self._check()
        return False

    def writable(self) -> bool:
        """True."""
        self._check()
        return True

    def write(self, data: Any, /) -> int:
        """Write bytes; returns their number."""
        with self._lock:
            self._check()
            if isinstance(data, str):
                raise TypeError("a bytes-like object is required, not 'str'")
            with memoryview(data) as given:
                self._codec.write(given)
                self._position += given.nbytes
                return given.nbytes

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each of many byte strings."""
        self._check()
        for line in lines:
            self.write(line)

    def tell(self) -> int:
        """Return the number of bytes that went in."""
        self._check()
        return self._position

    def flush(self) -> None:
        """Send nothing."""
        self._check()

    def _publish(self) -> Any:
        try:
            self._codec.close()
        except BaseException as exc:
            self._discard(exc)
            raise
        self._below.commit()
        return self._below.stored

    def _discard(self, error: BaseException | None) -> None:
        self._gate.open = False
        self._below.abort(error)
        self._codec.close()
