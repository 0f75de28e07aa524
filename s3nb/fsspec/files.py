"""What `open` gives beside s3nb's own files: those of a transaction, and those whose calls are awaited."""

from __future__ import annotations

import asyncio
import io
from typing import Any

from fsspec.spec import AbstractBufferedFile

from s3nb.files import S3Reader, S3Writer
from s3nb.files.address import Address
from s3nb.files.asking import reopened
from s3nb.files.leaving import failure_that_closes, handled


def resumed(
    filesystem: Any, where: Address, etag: str | None, version_id: str | None, size: int, at: int
) -> S3Reader:  # fmt: skip
    """Make a reader of what another process was reading through a filesystem, which travels with its secrets, as fsspec's do."""
    return travels_with(filesystem, reopened(where, filesystem._client, {}, etag, version_id, size, at), where)


def travels_with(filesystem: Any, file: S3Reader, where: Address) -> S3Reader:
    """Have a file pickle by way of its filesystem: a client with keys of its own does not."""
    file._remade = (resumed, (filesystem, where))
    return file


class Blocks(AbstractBufferedFile):  # type: ignore[misc]  # fsspec is not typed
    """A file for fsspec's ``blockcache::``, which puts a cache of its own into it."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.cat_file(self.path, start, end)
        return data


class Deferred(io.BufferedIOBase):
    """A file of a transaction: `close` ends the writing, `commit` makes the object, `discard` does not."""

    pretend_seekable = False  # while a text layer asks whether there is content before

    def __init__(self, file: S3Writer) -> None:
        self._file = file
        self._done = False
        self._handled = handled()
        self.name = file.name
        self.mode = file.mode

    @property
    def closed(self) -> bool:
        return self._done

    def close(self) -> None:
        if not self._done and failure_that_closes(self._handled) is not None:
            self.discard()
        self._done = True

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def commit(self) -> None:
        """Make the object, and close."""
        self._done = True
        if not self._file.closed:
            self._file.commit()

    def discard(self) -> None:
        """Make no object, and close."""
        self._done = True
        self._file.abort()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.pretend_seekable

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any, /) -> int:
        if self._done:
            raise ValueError("I/O operation on closed file.")
        return self._file.write(data)


class DeferredText(io.TextIOWrapper):
    """A text file of a transaction: a ``with`` block that fails makes no object, and `commit` leaves out nothing held back here."""

    def __init__(self, file: Deferred, encoding: str | None, errors: str | None, newline: str | None) -> None:
        file.pretend_seekable = True  # as `S3TextFile` does: else there is no byte order mark
        try:
            super().__init__(file, encoding or "utf-8", errors, newline or "\n")
        finally:
            file.pretend_seekable = False
        self._deferred = file

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def commit(self) -> None:
        """Make the object, of all that was written."""
        if not self.closed:
            self.flush()
        self._deferred.commit()

    def discard(self) -> None:
        """Make no object, and close."""
        self._deferred.discard()


class AsyncFile:
    """A reader whose calls are awaited."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = file.size

    async def read(self, size: int = -1) -> bytes:
        data: bytes = await asyncio.to_thread(self._file.read, size)
        return data

    async def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    async def tell(self) -> int:
        return int(self._file.tell())

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)

    async def __aenter__(self) -> AsyncFile:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
