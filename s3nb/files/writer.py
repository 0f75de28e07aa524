"""The binary writer: nothing is seen of it in S3 until it is closed, and nothing at all if it fails."""

from __future__ import annotations

import atexit
import io
import logging
import os
import sys
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, BinaryIO

from s3nb.errors import BucketNotFound
from s3nb.files.kinds import BinaryFile
from s3nb.files.leaving import failure_that_closes, handled
from s3nb.files.upload import Parts, Upload
from s3nb.ranges import KIB, MIB
from s3nb.text import size_text, visible
from s3nb.transfer.placed import Stored
from s3nb.wire import Body, FileSlice, Held, Request

_log = logging.getLogger("s3nb")
SPOOLED = 64 * MIB  # parts larger than this are filled on disk
_SMALL = 256 * KIB
LOOK_AFTER = 2.0  # seconds after which a file that has sent nothing asks whether its bucket is there

Look = Callable[[Stored], object]


class Abortable(BinaryFile):
    """What all files that write have: closing commits, failing aborts.

    Leaving a ``with`` block by an exception aborts, also one of a layer on top (see `leaving`), and so does a file that
    nobody closed when it is collected: its content may be half of what was meant. ``on_error="commit"`` keeps what was
    written in a ``with`` block that fails; ``commit="explicit"`` makes `commit` the only way.
    """

    _finalizing = False  # CPython sets it before the close() of a finaliser (Modules/_io/iobase.c)
    _pid = 0
    _over = True  # until it is made
    _layered = False  # it is below another of these, which has a say in what becomes of it
    name: Any = ""
    mode = "wb"
    stored: Stored | None = None
    pretend_seekable = False  # while a text layer asks whether there is content before

    def __init__(self, name: Any, *, on_error: str = "abort", commit: str = "close") -> None:
        self.name = name
        self._on_error = on_error
        self._explicit = commit == "explicit"
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._handled = handled()
        self._over = False
        _alive.add(self)

    # -- for subclasses

    def _publish(self) -> Stored | None:
        """Make the object; raise, and leave nothing behind, if it cannot be made."""
        raise TypeError(f"{type(self).__name__} does not say how it publishes")

    def _discard(self, error: BaseException | None) -> None:
        """Leave nothing behind. Must not raise."""

    # -- for users

    @property
    def closed(self) -> bool:
        return self._over

    @property
    def etag(self) -> str | None:
        """The ETag of what was written, without quotes; None before it is."""
        return None if self.stored is None else self.stored.etag

    @property
    def version_id(self) -> str | None:
        """The version of what was written, in a versioned bucket; None before it is."""
        return None if self.stored is None else self.stored.version_id

    def commit(self) -> None:
        """Make the object of what was written, and close."""
        with self._lock:
            self._check()
            self._over = True
            self.stored = self._publish()

    def abort(self, error: BaseException | None = None) -> None:
        """Close without making the object: what was there stays. What goes wrong is noted on ``error``."""
        with self._lock:
            if self._over:
                return
            self._over = True
            if self._pid == os.getpid():  # else the parent process goes on with it
                self._discard(error)

    def close(self) -> None:
        """Make the object of what was written; not while a ``with`` block of a layer on top fails. May be called twice."""
        if self._over:
            return
        if self._finalizing:
            self._forgotten()
        elif self._explicit or self._pid != os.getpid():
            self.abort()
        elif self._on_error == "abort" and (failure := failure_that_closes(self._handled)) is not None:
            self.abort(failure)
        else:
            self.commit()

    def _forgotten(self) -> None:
        """Nobody has closed the file: what it holds may be half of what was meant."""
        if self._pid == os.getpid():
            warnings.warn(f"unclosed file {self!r}: nothing was written", ResourceWarning, source=self, stacklevel=3)
        if self._over:
            return
        self._say_unclosed()
        self._over = True
        # At the very end no thread starts any more (CPython 3.11 waits for it for ever), and no reply would come.
        if self._pid == os.getpid() and not sys.is_finalizing():
            # Elsewhere, as this may be the collector, at work in a thread that holds the very locks that an abort needs.
            try:
                threading.Thread(target=self._discard, args=(None,), name="s3nb-abort", daemon=True).start()
            except RuntimeError:  # the interpreter is ending
                self._discard(None)

    def _say_unclosed(self) -> None:
        """Say that nothing is written, where a local file would have been: a `ResourceWarning` is not shown unless asked for."""
        if self._pid == os.getpid() and not self._explicit and not self._layered:
            _log.warning(
                "%s: nothing was written, as the file was never closed: use a with block, or close()",
                visible(str(self.name), 200),
            )

    def __exit__(self, kind: Any, error: Any, _: Any) -> None:
        if kind is None or (self._on_error == "commit" and not self._over):
            self.close()
        else:
            self.abort(error)

    def _check(self) -> None:
        if self._over:
            raise ValueError("I/O operation on closed file.")
        if self._pid != os.getpid():
            raise ValueError(f"{visible(str(self.name), 200)} is being written by the parent process")

    def seekable(self) -> bool:
        """False: parts that were sent cannot be changed. Mode ``w+b`` seeks."""
        self._check()
        return self.pretend_seekable

    def fileno(self) -> int:
        """Raise `io.UnsupportedOperation`: there is no descriptor."""
        self._check()
        raise io.UnsupportedOperation("fileno: an object in S3 has no descriptor")

    def isatty(self) -> bool:
        """False."""
        self._check()
        return False

    def detach(self) -> Any:
        """Raise `io.UnsupportedOperation`: there is no raw file below."""
        raise io.UnsupportedOperation("detach")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object: it is open for writing")


class S3Writer(Abortable):
    """An object in S3, opened for writing. Made by `s3nb.open`.

    What is written goes to S3 in parts, several at once, while writing goes on; at most some 100 MiB are in memory. An
    object of no more than one part (6 MiB) is one request, at the end. The new content is there, all at once,
    when `close` returns.

    Attributes
    ----------
    name, mode : str
        As it was opened.
    etag, version_id : str or None
        Of the object, once it is written.
    """

    def __init__(
        self,
        upload: Upload,
        name: Any,
        *,
        parts: Parts | None = None,
        prepare: Callable[[S3Writer], None] | None = None,
        position: int = 0,
        needed: bool = True,
        written: Look | None = None,
        mode: str = "wb",
        on_error: str = "abort",
        commit: str = "close",
    ) -> None:
        super().__init__(name, on_error=on_error, commit=commit)
        self.mode = mode
        self._upload = upload
        self._parts = parts or Parts()
        self._prepare = prepare  # what is to be there before the first byte: the old content of an append
        self._position = position
        self._needed = needed  # an object is made even if nothing is written
        self._touched = False
        self._failed: BaseException | None = None
        self._written = written
        self._filling: _Memory | _Disk | None = None
        self._room = self._parts.of(1)
        self._bucket: Future[BaseException | None] | None = None
        known = weakref.ref(self)

        def look() -> None:
            writer = known()
            if writer is not None:
                writer._look_at_bucket()

        upload.scope.engine.clock.later(LOOK_AFTER, look)

    def __repr__(self) -> str:
        state = "closed" if self._over else f"at {self._position:,}"
        return f"<S3Writer {visible(str(self.name), 200)} {size_text(self._position)}, {state}>"

    def readable(self) -> bool:
        """False."""
        self._check()
        return False

    def writable(self) -> bool:
        """True."""
        self._check()
        return True

    def tell(self) -> int:
        """Return the position: the size of the object so far."""
        self._check()
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Raise `io.UnsupportedOperation`: zipfile and others try it, to learn whether the file seeks."""
        self._check()
        raise io.UnsupportedOperation("seek: the file is open for writing only; mode 'w+b' seeks")

    def truncate(self, size: int | None = None) -> int:
        """Raise `io.UnsupportedOperation`, unless it is to where the file is."""
        self._check()
        if size is None or size == self._position:
            return self._position
        raise io.UnsupportedOperation("truncate: the file is open for writing only; mode 'w+b' truncates")

    def read(self, _: int | None = -1, /) -> bytes:
        """Raise `io.UnsupportedOperation`."""
        self._check()
        raise io.UnsupportedOperation("read: the file is open for writing")

    def read1(self, _: int = -1, /) -> bytes:
        """Raise `io.UnsupportedOperation`."""
        return self.read()

    def readinto(self, _: Any, /) -> int:
        """Raise `io.UnsupportedOperation`."""
        self.read()
        return 0

    readinto1 = readinto

    def readline(self, _: int | None = -1, /) -> bytes:
        """Raise `io.UnsupportedOperation`."""
        return self.read()

    def __next__(self) -> bytes:
        return self.read()

    def flush(self) -> None:
        """Send nothing: S3 takes no part below 5 MiB, and shows no object before it is complete."""
        self._check()

    def write(self, data: Any, /) -> int:
        """Write bytes; returns their number. Waits while too many parts are on their way.

        Raises
        ------
        S3Error
            A part could not be stored, or there is no such bucket: nothing will be written.
        """
        with self._lock:
            self._check()
            if isinstance(data, str):
                raise TypeError("a bytes-like object is required, not 'str'")
            with memoryview(data) as given:
                size = given.nbytes
                if not given.c_contiguous:
                    raise BufferError("memoryview: underlying buffer is not C-contiguous")
                if size:
                    with given.cast("B") as view:
                        self._add(view, type(data) is bytes)
            self._position += size
            return size

    def _add(self, view: memoryview, immutable: bool) -> None:
        try:
            self._ready()
            self._take(view, immutable)
        except BaseException as exc:
            self._failed = exc  # what was taken of the bytes is not known: nothing may be made of them
            raise

    def writelines(self, lines: Iterable[Any], /) -> None:
        """Write each of many byte strings."""
        self._check()
        for line in lines:
            self.write(line)

    def _ready(self) -> None:
        if self._failed is not None:
            raise self._failed
        self._touched = True
        prepare, self._prepare = self._prepare, None
        if prepare is not None:
            prepare(self)
        if self._bucket is not None and self._bucket.done():
            error = self._bucket.result()
            if error is not None:
                raise error

    def prepend(self, data: bytes) -> None:
        """Put bytes in front, before anything is written."""
        with memoryview(data) as view:
            self._take(view, True)

    def renumber(self) -> None:
        """Look again how large the next part is to be."""
        self._room = self._parts.of(self._upload.next_number)

    def _take(self, view: memoryview, immutable: bool) -> None:
        at, size = 0, len(view)
        while True:
            filling = self._filling
            held = 0 if filling is None else filling.size
            if held + size - at <= self._room:  # a full part waits: it may be all there is, and then is no part
                if filling is None:
                    filling = self._filling = _Memory() if self._room <= SPOOLED else _Disk()
                filling.add(view[at:])
                return
            if not self._upload.started:
                self._upload.begin()
            if not held and immutable and self._room <= SPOOLED:
                # a view of its own: the caller's ends with the call
                self._upload.send(Held(memoryview(view.obj).cast("B")[at : at + self._room]))
                at += self._room
            else:
                if filling is None:
                    filling = _Memory() if self._room <= SPOOLED else _Disk()
                taken = self._room - held
                filling.add(view[at : at + taken])
                at += taken
                self._filling = None
                body, after = filling.body()
                self._upload.send(body, after)
            self._room = self._parts.of(self._upload.next_number)

    def _publish(self) -> Stored | None:
        try:
            if not self._needed and not self._touched:
                return None  # an append of nothing
            self._ready()
            filling, self._filling = self._filling, None
            if filling is None:
                stored = self._upload.finish(b"")
            else:
                body, after = filling.body()
                try:
                    stored = self._upload.finish(body)
                finally:
                    if after is not None:
                        after()
        except BaseException as exc:
            self._discard(exc)
            raise
        if self._written is not None:
            self._written(stored)
        return stored

    def _discard(self, error: BaseException | None) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            _, after = filling.body()
            if after is not None:
                after()
        self._upload.abort(error)

    def _look_at_bucket(self) -> None:
        """Ask whether there is such a bucket, if nothing was sent that would tell."""
        if self._over or self._upload.started or self._bucket is not None:
            return
        place = self._upload.place
        request = Request("HeadBucket", "HEAD", place.bucket)
        future: Future[BaseException | None] = Future()
        self._bucket = future
        asked = self._upload.scope.engine.request(self._upload.scope, request, lambda _: None)

        def answered(done: Future[None]) -> None:
            error = done.exception()
            # who may write is not always who may look: only a bucket that is not there is an answer
            future.set_result(error if isinstance(error, BucketNotFound) else None)

        asked.add_done_callback(answered)


class _Memory:
    """A part that is being filled in memory."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.size = 0

    def add(self, view: memoryview) -> None:
        self._data += view
        self.size = len(self._data)

    def body(self) -> tuple[Body, Callable[[], object] | None]:
        return bytes(self._data) if self.size <= _SMALL else Held(memoryview(self._data)), None


class _Disk:
    """A part that is being filled in a temporary file: it is too large for memory."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.size = 0

    def add(self, view: memoryview) -> None:
        at = 0
        while at < len(view):
            at += self._file.write(view[at:])
        self.size += len(view)

    def body(self) -> tuple[Body, Callable[[], object] | None]:
        return FileSlice(self._file.fileno(), 0, self.size), self._file.close


_alive: weakref.WeakSet[Abortable] = weakref.WeakSet()


def abort_at_exit() -> None:
    """Abort the files that are still open for writing when the interpreter ends, while requests can still be made."""
    errors = []
    for file in list(_alive):
        if not file.closed:
            file._say_unclosed()
            try:
                file.abort()
            except Exception as exc:  # the others are aborted all the same
                errors.append(exc)
    if errors:
        raise errors[0]


def _after_fork() -> None:
    for file in list(_alive):
        file._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
_registered = False


def register() -> None:
    """See to it that open writers are aborted at exit. Called once there is an engine: what it has registered runs later."""
    global _registered
    if not _registered:
        _registered = True
        atexit.register(abort_at_exit)
