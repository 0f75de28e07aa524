"""The binary reader: an `io.BufferedIOBase` of its own, as `io.BufferedReader` would hide how large the reads are."""

from __future__ import annotations

import errno
import io
import operator
import os
import threading
import weakref
from collections.abc import Iterable
from typing import Any

from s3nb.files import plan
from s3nb.files.kinds import BinaryFile
from s3nb.files.remote import Remote
from s3nb.files.stats import Stats
from s3nb.text import size_text, visible
from s3nb.wire import Headers


class S3Reader(BinaryFile):
    """An object in S3, opened for reading. Made by `s3nb.open`.

    Reads give the stored bytes, exactly as many as asked for unless the object ends before. Calls on one file are
    serialised; `pread`, `readinto_at` and `read_ranges` do not touch the position and run in parallel. If the object is
    replaced meanwhile, the next read that needs S3 raises `ObjectChanged`: bytes of two versions are never mixed.

    Attributes
    ----------
    name, mode : str
        As it was opened.
    size : int
        Bytes of the object.
    etag, version_id : str or None
        What is being read. The ETag without quotes.
    """

    name: Any
    mode = "rb"

    def __init__(self, remote: Remote, name: Any) -> None:
        self._remote = remote
        self.name = name
        self._lock = threading.RLock()
        self._pos = 0
        self._was = -1  # where the last read had ended, if seek() has left it
        self._block = b""  # the piece that holds the position, most of the time
        self._block_start = 0
        self._remade: tuple[Any, ...] | None = None
        _alive.add(self)

    # -- what it is ---------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes of the object as opened."""
        return self._remote.size or 0

    @property
    def etag(self) -> str | None:
        """ETag of the object as opened, without quotes: what is read is of this and no other."""
        etag = self._remote.etag
        return None if etag is None else etag.strip('"')

    @property
    def version_id(self) -> str | None:
        """Version of the object as opened; None in a bucket without versions."""
        return self._remote.version_id

    @property
    def verified(self) -> str | None:
        """By which digest all bytes were found to be S3's: ``"crc32"``, ``"etag"`` (MD5), ...; None if not, or not yet.

        Compared when an object came in one piece, and when it was read from its first byte to its last; the read that
        gives out the last ones raises `IntegrityError` if they differ.
        """
        return self._remote.verified

    @property
    def headers(self) -> Headers | None:
        """Headers of the reply that opened it (content type, metadata, ...); None for an unpickled file."""
        return self._remote.headers

    def stats(self) -> Stats:
        """Return what reading has cost so far: requests, bytes, stalls. No request is made."""
        return self._remote.stats()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"at {self._pos:,}"
        stats = self._remote.stats()
        return (
            f"<S3Reader {visible(str(self.name), 200)} {size_text(self._remote.size)}, {state}; "
            f"{stats.requests} requests, {size_text(stats.received)}>"
        )

    def __len__(self) -> int:
        raise TypeError("object of type 'S3Reader' has no len(): it has .size")

    def __bool__(self) -> bool:
        return True

    def readable(self) -> bool:
        """True."""
        self._check()
        return True

    def seekable(self) -> bool:
        """True; seeking costs no request."""
        self._check()
        return True

    def writable(self) -> bool:
        """False."""
        self._check()
        return False

    def fileno(self) -> int:
        """Raise `io.UnsupportedOperation`: there is no descriptor."""
        self._check()
        raise io.UnsupportedOperation("fileno: an object in S3 has no descriptor")

    def isatty(self) -> bool:
        """False."""
        self._check()
        return False

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file.")

    # -- position ---------------------------------------------------------------------------------

    def tell(self) -> int:
        """Return the position, in bytes."""
        self._check()
        return self._pos

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position; beyond the end is allowed. Costs no request, and keeps what is in memory."""
        with self._lock:
            self._check()
            offset = operator.index(offset)
            if whence == 0:
                target = offset
            elif whence == 1:
                target = self._pos + offset
            elif whence == 2:
                target = self.size + offset
            else:
                raise ValueError(f"invalid whence ({whence}, should be 0, 1 or 2)")
            if target < 0:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self.name)
            if target != self._pos:
                if self._was < 0:
                    self._was = self._pos
                self._pos = target
            return target

    # -- reading --------------------------------------------------------------------------------------

    def read(self, size: int | None = -1, /) -> bytes:
        """Read ``size`` bytes (fewer only at the end), or all that is left."""
        with self._lock:
            if self.closed:
                raise ValueError("I/O operation on closed file.")
            if size is None or size < 0:
                size = max(0, self.size - self._pos)
            at = self._pos - self._block_start
            if at >= 0 and at + size <= len(self._block):
                self._pos += size
                self._remote.served += size
                return self._block[at : at + size]
            return self._take(operator.index(size))

    def readall(self) -> bytes:
        """Read all that is left."""
        return self.read(-1)

    def read1(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes of what is in memory; waits only if nothing is."""
        with self._lock:
            self._check()
            if size < 0:
                size = plan.PAGE
            at = self._pos - self._block_start
            left = len(self._block) - at
            if at < 0 or left <= 0:
                if self._pos >= self.size or not size:
                    return b""
                self._load(min(self._pos + size, self.size), self._pos + 1)
                at = self._pos - self._block_start
            data = self._block[at : at + size]
            self._pos += len(data)
            self._remote.served += len(data)
            return data

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer; returns the number of bytes, fewer than it holds only at the end.

        What is not in memory goes straight into the buffer, from several connections if it is much.
        """
        with self._lock:
            self._check()
            with memoryview(buffer) as given, given.cast("B") as view:
                count = min(len(view), max(0, self.size - self._pos))
                with view[:count] as target:
                    self._fill(target)
                return count

    def readinto1(self, buffer: Any, /) -> int:
        """Fill a buffer with what is in memory; waits only if nothing is."""
        with memoryview(buffer) as given, given.cast("B") as view:
            data = self.read1(len(view))
            view[: len(data)] = data
            return len(data)

    def read_buffer(self, size: int | None = -1, /) -> bytes:
        """Read like `read`; pyarrow looks for this name to avoid a copy."""
        return self.read(size)

    def peek(self, size: int = 0, /) -> bytes:
        """Return bytes at the position without moving; at least one, unless at the end."""
        with self._lock:
            self._check()
            at = self._pos - self._block_start
            if at < 0 or at >= len(self._block):
                if self._pos >= self.size:
                    return b""
                self._load(min(self._pos + max(size, 1), self.size), self._pos + 1)
                at = self._pos - self._block_start
            return self._block[at:]

    def readline(self, limit: int | None = -1, /) -> bytes:
        """Read one line, ended by ``\\n`` or the end; at most ``limit`` bytes of it."""
        with self._lock:
            if self.closed:
                raise ValueError("I/O operation on closed file.")
            most = -1 if limit is None else operator.index(limit)
            at = self._pos - self._block_start
            if at >= 0:
                end = self._block.find(b"\n", at) + 1
                if end and (most < 0 or end - at <= most):
                    self._pos += end - at
                    self._remote.served += end - at
                    return self._block[at:end]
            if most < 0:
                most = max(0, self.size - self._pos)
            pieces: list[bytes] = []
            while most:
                data = self.peek()[:most]
                if not data:
                    break
                end = data.find(b"\n") + 1
                if end:
                    data = data[:end]
                pieces.append(data)
                self._pos += len(data)
                self._remote.served += len(data)
                most -= len(data)
                if end:
                    break
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read lines until the end, or until they have ``hint`` bytes together."""
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _take(self, size: int) -> bytes:
        """Read from more than the current piece."""
        start = self._pos
        stop = min(start + size, self.size)
        if stop <= start:
            return b""
        if stop - start >= plan.BIG_READ:
            # bytes(n) is zeroed memory that the system gives page by page; it becomes the result without a copy
            result = io.BytesIO(bytes(stop - start))
            with result.getbuffer() as view:
                self._fill(view)
            return result.getvalue()
        self._load(stop, stop)
        pieces = []
        while True:
            at = self._pos - self._block_start
            data = self._block[at : stop - self._block_start]
            pieces.append(data)
            self._pos += len(data)
            if self._pos >= stop:
                break
            self._have(*self._remote.piece(self._pos, stop))
        self._remote.served += stop - start
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _load(self, stop: int, upto: int) -> None:
        """Plan for bytes up to ``stop``, and get the piece that holds the position."""
        remote = self._remote
        self._moved()
        remote.prepare(self._pos, stop)
        remote.plan(self._pos, stop)
        self._have(*remote.piece(self._pos, upto))

    def _have(self, start: int, block: bytes) -> None:
        """Take a piece to give out."""
        self._remote.prove(start, block)
        self._block_start, self._block = start, block

    def _moved(self) -> None:
        """Tell the planner how far the last run was read."""
        self._remote.access.reached(self._pos if self._was < 0 else self._was)
        self._was = -1

    def _fill(self, view: memoryview) -> None:
        """Fill a buffer of bytes that are there, and move on."""
        size, start = len(view), self._pos
        if not size:
            return
        remote = self._remote
        at = start - self._block_start
        if at >= 0 and at + size <= len(self._block):
            view[:] = self._block[at : at + size]
        elif size >= plan.BIG_READ:
            self._moved()
            remote.prepare(start, start + size)
            remote.fill([(view, start)], note=True)
            remote.prove(start, view)
        else:
            self._load(start + size, start + size)
            last = remote.read_into(view, start, (self._block_start, self._block))
            remote.prove(start, view)
            self._have(*last)
        self._pos += size
        remote.served += size

    # -- by position ---------------------------------------------------------------------------------------

    def pread(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes at ``offset`` (fewer only at the end), without moving. Runs beside other reads."""
        self._check()
        start = _offset(offset)
        count = max(0, min(size, self.size - start))
        if not count:
            return b""
        result = io.BytesIO(bytes(count))
        with result.getbuffer() as view:
            self._fill_at(view, start)
        return result.getvalue()

    def readinto_at(self, offset: int, buffer: Any) -> int:
        """Fill a buffer with bytes at ``offset``, without moving; returns their number. Runs beside other reads."""
        self._check()
        start = _offset(offset)
        with memoryview(buffer) as given, given.cast("B") as view:
            count = max(0, min(len(view), self.size - start))
            if count:
                with view[:count] as target:
                    self._fill_at(target, start)
            return count

    def _fill_at(self, view: memoryview, start: int) -> None:
        remote = self._remote
        if len(view) >= plan.BIG_READ:
            remote.fill([(view, start)])
        else:
            remote.plan(start, start + len(view), note=False)
            remote.read_into(view, start, (0, b""))
        remote.served += len(view)

    def read_ranges(self, ranges: Iterable[tuple[int, int]], *, gap: int | None = None) -> list[bytes]:
        """Read many ranges at once, without moving.

        Parameters
        ----------
        ranges : iterable of (offset, size)
            In any order; they may overlap. What lies beyond the end is cut off.
        gap : int, optional
            Ranges so close are fetched by one request; default: the bytes that come in the time of a round trip.

        Returns
        -------
        list of bytes
            In the order of ``ranges``.
        """
        self._check()
        remote = self._remote
        wanted = []
        for offset, size in ranges:
            start = _offset(offset)
            wanted.append((start, max(start, min(start + size, self.size))))
        merged = plan.merge(wanted, remote.link().gap if gap is None else gap)
        results = [b""] * len(wanted)
        buffers = [io.BytesIO(bytes(m.stop - m.start)) for m in merged]
        views = [b.getbuffer() for b in buffers]
        try:
            remote.fill([(view, m.start) for view, m in zip(views, merged, strict=True)])
        finally:
            for view in views:
                view.release()
        for buffer, m in zip(buffers, merged, strict=True):
            data = buffer.getvalue()
            for i in m.members:
                start, stop = wanted[i]
                results[i] = data if stop - start == len(data) else data[start - m.start : stop - m.start]
                remote.served += stop - start
        return results

    # -- the rest --------------------------------------------------------------------------------------------------

    def write(self, _: Any, /) -> int:
        """Raise `io.UnsupportedOperation`."""
        self._check()
        raise io.UnsupportedOperation("write: the file is open for reading")

    def writelines(self, _: Iterable[Any], /) -> None:
        """Raise `io.UnsupportedOperation`."""
        self._check()
        raise io.UnsupportedOperation("write: the file is open for reading")

    def truncate(self, _: int | None = None, /) -> int:
        """Raise `io.UnsupportedOperation`."""
        self._check()
        raise io.UnsupportedOperation("truncate: the file is open for reading")

    def detach(self) -> Any:
        """Raise `io.UnsupportedOperation`: there is no raw file below."""
        raise io.UnsupportedOperation("detach")

    def flush(self) -> None:
        """Do nothing."""
        self._check()

    def close(self) -> None:
        """Stop what is being fetched ahead, and give memory and connections back. May be called twice."""
        if not self.closed:
            self._block = b""
            self._remote.close()
            super().close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._check()
        if self._remade is None:
            raise TypeError(
                "cannot pickle a file whose client has session= or wire=: give profile= or endpoint_url= instead"
            )
        function, arguments = self._remade
        return function, (*arguments, self.etag, self.version_id, self.size, self._pos)


def _offset(offset: int) -> int:
    offset = operator.index(offset)
    if offset < 0:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return offset


_alive: weakref.WeakSet[S3Reader] = weakref.WeakSet()


def _after_fork() -> None:
    for reader in list(_alive):
        reader._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
