"""The requests that a download is made of: the opening GET, and ranged GETs pinned to its version. Each is its own sink.

Strategy: libcurl hands over 16 KiB at a time, whatever its buffer. What goes to a file is gathered, and written by one system call
for many: with each, lanes compete for the interpreter's lock, and for the file's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Protocol

from s3nb.checksum import Crc
from s3nb.errors import IntegrityError, ObjectChanged, S3Error
from s3nb.ranges import parse_content_range
from s3nb.transfer.attempt import Again, Call, Scope
from s3nb.transfer.failures import local_error
from s3nb.transfer.journal import Sum
from s3nb.transfer.wanted import Wanted
from s3nb.wire import Headers, Reply, Request, Sink

WITH_CHECKSUM = (("x-amz-checksum-mode", "ENABLED"),)
_LARGE = 256 * 1024  # bytes of objects that are spread over all lanes
_GATHER = 256 * 1024  # bytes of a request that are held until they are written


class Misled(IntegrityError):
    """The head of the first reply was wrong: what was begun by it is worth nothing."""


class Download(Protocol):
    """What the requests need of the download that they are part of."""

    scope: Scope
    wanted: Wanted
    etag: str | None
    crc: Crc | None  # kept while bytes go to a file
    first: int  # in the object, of the bytes to come
    step: int  # bytes after which a running sum is noted
    trouble: BaseException | None

    @property
    def in_file(self) -> bool: ...
    @property
    def total(self) -> int: ...
    def opened(self, status: int, headers: Headers) -> Callable[[bytes], object]: ...
    def nothing_of(self, headers: Headers) -> None: ...
    def promised(self, call: OpeningCall) -> int | None: ...
    def held(self) -> int: ...
    def write_at(self, pieces: Sequence[bytes], at: int) -> None: ...
    def next_front(self) -> int | None: ...
    def arrived(self, start: int, stop: int, value: int) -> None: ...
    def opening_done(self, call: OpeningCall, reply: Reply) -> None: ...
    def opening_broke(self, call: OpeningCall) -> bool: ...
    def range_done(self, call: RangeCall) -> None: ...
    def fetched_again(self, call: RangeCall, before: Sum) -> None: ...
    def broken(self, call: OpeningCall | RangeCall, error: BaseException) -> None: ...
    def error_about(self, kind: type[S3Error], text: str) -> S3Error: ...


class Cut:
    """Takes a whole body and passes on the bytes of a range: for servers that ignore ranges."""

    def __init__(self, take: Callable[[bytes], object], skip: int, size: int) -> None:
        self._take = take
        self._skip = skip
        self._left = size

    @staticmethod
    def nothing(_: bytes) -> object:
        """Take nothing."""
        return False

    def __call__(self, data: bytes) -> object:
        if self._skip:
            cut = min(self._skip, len(data))
            self._skip -= cut
            data = data[cut:]
        if data:
            self._take(data[: self._left])
            self._left -= min(self._left, len(data))
        return self._left > 0


class FileCall(Call):
    """A GET whose body may go to a file."""

    __slots__ = ("_gathered", "_pieces", "at", "before", "noted", "sum", "task")

    def __init__(self, task: Download, at: int = 0, before: Sum | None = None) -> None:
        super().__init__(task.scope)
        self.task = task
        self.before = before  # these bytes were fetched before, with this sum
        self._expect(at)

    def _expect(self, at: int) -> None:
        self.at = at  # next byte of the object's range
        self.noted = at
        self.sum = 0  # of what was written since ``noted``
        self._pieces: list[bytes] = []
        self._gathered = 0  # bytes of them: the last before ``at``

    def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self._pieces.append(data)
        self._gathered += len(data)
        self.at += len(data)
        if self._gathered >= _GATHER:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered, and add it to the sum if one is kept.

        Raises
        ------
        LocalFileError
        """
        pieces = self._pieces
        if not pieces:
            return
        task, running = self.task, self.task.crc
        if running is not None and len(pieces) > 1:
            pieces = [b"".join(pieces)]  # a copy is quicker than to give the lock away for each
        try:
            task.write_at(pieces, self.at - self._gathered)
        except OSError as exc:
            raise local_error(exc, self._request) from exc
        self._pieces = []
        self._gathered = 0
        if running is None:
            self.noted = self.at
            return
        self.sum = running.update(pieces[0], self.sum)
        if self.at - self.noted >= task.step and self.before is None:
            self.note()

    def note(self) -> None:
        """Have the task note the sum of what was written, and begin another."""
        self.task.arrived(self.noted, self.at, self.sum)
        self.noted, self.sum = self.at, 0


class OpeningCall(FileCall):
    """The first GET of an object."""

    __slots__ = ("opened", "stop", "write")

    def __init__(self, task: Download) -> None:
        super().__init__(task)
        self.stop = -1  # end of the part being received; -1: receive everything
        self.opened = False
        self.write: Callable[[bytes], object] = self.write_front

    @property
    def moving(self) -> int:
        """Bytes that the exchange under way has brought."""
        return self.at

    @property
    def left(self) -> int:
        """Bytes that it still owes."""
        return max(0, self.stop - self.at)

    @property
    def received(self) -> int:
        return self.at if self.task.in_file else self.task.held()

    def make(self) -> tuple[Request, Sink | None]:
        wanted = self.task.wanted
        if wanted.length == 0:
            # No Range header asks for nothing: a HEAD says whether there is anything to have none of.
            return Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=wanted.query()), None
        asked = wanted.asked()
        if asked is not None:
            headers: tuple[tuple[str, str], ...] = (("Range", asked),)
        else:
            headers = WITH_CHECKSUM if self.task.scope.engine.config.verify else ()
        return Request(
            "GetObject", "GET", wanted.bucket, wanted.key,
            query=wanted.query(), headers=headers, bulk=self.scope.usual >= _LARGE,
        ), self  # fmt: skip

    # the sink

    def begin(self, status: int, headers: Headers) -> bool:
        self._expect(0)
        self.stop = -1
        self.write = self.task.opened(status, headers)
        self.opened = True
        return True

    def write_front(self, data: bytes) -> object:
        task = self.task
        while self.stop != -1 and self.at + len(data) >= self.stop:
            # the end of a part: take the next one, or stop where a range has begun
            room = self.stop - self.at
            part, data = data[:room], data[room:]
            if part:
                self.take(part)
            self.flush()
            self.note()
            more = task.next_front()
            if more is None:
                return False
            self.stop = more
        if data:
            self.take(data)
        return None

    # the call

    def accept(self, reply: Reply) -> Reply:
        task = self.task
        if task.wanted.length == 0:
            task.nothing_of(reply.headers)
        elif task.in_file:
            self.flush()
            promised = task.promised(self)
            if promised is not None and self.at != promised:
                raise task.error_about(IntegrityError, f"{self.at} bytes came where {promised} were promised")
        return reply

    def done(self, result: Reply) -> None:
        self.note()
        self.task.opening_done(self, result)

    def interrupted(self) -> bool:
        """Say whether the rest can be had by ranges rather than by starting over."""
        try:
            self.flush()
        except S3Error as exc:
            self.task.broken(self, exc)
            return True
        return self.opened and self.task.opening_broke(self)

    def failed(self, error: BaseException) -> None:
        self.task.broken(self, error)


class RangeCall(FileCall):
    """A ranged GET of bytes ``[start, stop)`` of the object's range; resumes where it was cut."""

    __slots__ = ("_from", "start", "stop")

    def __init__(self, task: Download, start: int, stop: int, before: Sum | None = None) -> None:
        super().__init__(task, start, before)
        self.start = start
        self.stop = stop
        self._from = start

    @property
    def received(self) -> int:
        return self.at - self.start

    @property
    def moving(self) -> int:
        """Bytes that the exchange under way has brought."""
        return self.at - self._from

    @property
    def left(self) -> int:
        """Bytes that it still owes."""
        return self.stop - self.at

    def make(self) -> tuple[Request, Sink | None]:
        self.flush()  # what the try before has brought
        wanted = self.task.wanted
        self._from = self.at
        first = self.task.first + self.at
        headers = [("Range", f"bytes={first}-{self.task.first + self.stop - 1}")]
        if self.task.etag:
            headers.append(("If-Match", self.task.etag))
        return Request(
            "GetObject", "GET", wanted.bucket, wanted.key, query=wanted.query(), headers=headers, bulk=True
        ), self

    def begin(self, status: int, headers: Headers) -> bool:
        found = parse_content_range(headers.get("content-range"))
        task = self.task
        if found is None or found[:2] != (task.first + self.at, task.first + self.stop):
            got = "the whole object" if found is None else f"bytes {found[0]}-{found[1] - 1}"
            raise Again(task.error_about(IntegrityError, f"asked for bytes {self.at}-{self.stop - 1}, got {got}"))
        etag = headers.get("etag")
        if etag is not None and etag != task.etag:
            raise task.error_about(ObjectChanged, "the object was replaced while it was being read")
        if found[2] is not None and 0 <= task.total != found[2]:
            kind = ObjectChanged if etag is None else Misled
            raise task.error_about(kind, f"the object has {found[2]} bytes; the first reply said {task.total}")
        return True

    def write(self, data: bytes) -> object:
        task = self.task
        if self.at + len(data) > self.stop:
            raise task.error_about(IntegrityError, f"more bytes came than the range {self.start}-{self.stop - 1} has")
        self.take(data)
        return None

    def accept(self, reply: Reply) -> Reply:
        if self.at != self.stop:
            raise Again(self.task.error_about(IntegrityError, f"the range ended at byte {self.at} of {self.stop}"))
        self.flush()
        return reply

    def done(self, result: Reply) -> None:
        if self.before is not None:
            self.task.fetched_again(self, self.before)
        else:
            self.task.range_done(self)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, S3Error) and error.status == 412:
            error = self.task.error_about(ObjectChanged, "the object was replaced while it was being read")
        elif isinstance(error, CancelledError) and self.task.trouble is not None:
            error = self.task.trouble
        self.task.broken(self, error)
