"""Getting one object: memory first, a file when large, several connections when very large.

Strategy. One plain GET opens the object; its head says how large it is, and of which version (ETag). A small body
stays in memory: one request, nothing else. A larger one goes to a file of its own. A very large one is cut into parts:
the opening GET goes on from the front, part by part, and ranged GETs pinned to the same ETag take parts from the
back; where they meet, the opening GET is stopped. So no HEAD is sent and nothing is thrown away to learn a size. If the
opening GET breaks, what it had not delivered becomes one more range.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future

from s3nb.checksum import CRC32, SIZE, Crc, crc, expected, is_md5, of_etag, of_part, of_parts, pieces_of, whole
from s3nb.errors import IntegrityError, LocalFileError, NotFound, ObjectChanged, PreconditionFailed, S3Error
from s3nb.model import RangeInfo, S3Object
from s3nb.ranges import Part, download_part_size, parse_content_range, plan_parts
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.audit import ROUNDS, Audit, crc_of, wrong
from s3nb.transfer.disk import in_memory, write
from s3nb.transfer.fetch import WITH_CHECKSUM, Cut, Misled, OpeningCall, RangeCall
from s3nb.transfer.journal import Journal, Subject, Sum, missing, read_back
from s3nb.transfer.local import Store, Target, young
from s3nb.transfer.task import Task
from s3nb.transfer.wanted import Wanted
from s3nb.wire import Headers, Reply, Request

_LOOK = 2.0  # seconds between looks at slow connections, and until one is judged
_SLOW = 4  # times slower than the usual one
_ENOUGH = 4  # rates to know what is usual
_RENEWALS = 3  # of one range
_STEP = 256 * 1024  # what is lost of each part under way when the process is killed
_WORTH_NOTING = 5.0  # seconds of a download that may be lost altogether: who keeps sums for nothing else begins then
_DOUBTFUL = (
    0.5  # seconds before an object's time: that a file has which may have to be compared by its bytes (`s3nb.sync`)
)
_INLINE = 64 * 1024  # bodies up to this size are hashed on the wire's thread: changing threads would take longer


class GetTask(Task):
    """Get one object, or a piece of it, into memory, a temporary file, or a file of the user's."""

    __slots__ = (
        "_arrived", "_audit", "_body", "_doubts", "_fd", "_front", "_headers", "_held", "_journal", "_live", "_lock",
        "_opening", "_parts", "_path", "_range", "_rates", "_restarts", "_size", "_store", "_suspects", "_taken_back", "_target",
        "_verified", "_want", "crc", "etag", "first", "step", "trouble", "wanted",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        wanted: Wanted,
        store: Store,
        target: Target | None = None,
    ) -> None:
        super().__init__(scope)
        self.wanted = wanted
        self._store = store
        self._target = target
        self._lock = threading.Lock()
        self._restarts = 0
        self._doubts = 0  # bodies in memory that did not agree
        self._reset()

    def _reset(self) -> None:
        self.etag: str | None = None
        self._headers: Headers | None = None
        self._range: RangeInfo | bool | None = None  # True: the whole object
        self._size: int | None = None  # bytes to come
        self.first = 0  # first of them, in the object
        self._body: list[bytes] = []  # a small one; the other lists are made when there is something to put in
        self._held = 0  # bytes of the memory budget that are ours
        self._fd = -1
        self._path: str | None = None
        self._parts: Sequence[Part] = ()
        self._front = 0  # parts before this index belong to the opening GET
        self._taken_back = 0  # parts from this index on are taken by ranges
        self._arrived = 0  # bytes of calls that have ended
        self._live: set[RangeCall | OpeningCall] = set()
        self._want = SIZE
        self.crc: Crc | None = None  # kept while bytes go to a file
        self._audit: Audit | None = None  # of a file
        self._suspects: Sequence[Sum] = ()  # yet to be fetched again
        self._verified = "size"
        self._journal: Journal | None = None
        self._rates: Sequence[float] = ()  # bytes a second of the last ranges that have come
        self.step = 1 << 62  # bytes after which a running sum is noted
        self.trouble: BaseException | None = None
        self._opening: OpeningCall | None = None

    def fail(self, error: BaseException) -> None:
        if self.wanted.missing_ok and isinstance(error, NotFound):
            self.end(self.wanted.missing())
        else:
            super().fail(error)

    def _over(self, outcome: str) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.write = Cut.nothing  # it holds itself, and us: no collector is needed for so many small objects
        self._audit = None  # likewise
        super()._over(outcome)

    def start(self) -> None:
        self.wanted.check()
        if self._target is not None and self._target.leftover is not None:
            self.engine.work(self._guarded, self._resume)
        else:
            self._open()

    def _open(self) -> None:
        self._opening = call = OpeningCall(self)
        self._live.add(call)
        self.engine.submit(call)

    def label(self) -> str:
        return self.wanted.url

    def moved(self) -> int:
        if self.finished:
            return self._arrived
        return self._arrived + sum(call.received for call in tuple(self._live))

    def expected(self) -> int | None:
        return self._size

    # -- the head of the opening reply -----------------------------------------------------

    def opened(self, status: int, headers: Headers) -> Callable[[bytes], object]:
        """Decide from the head where the body goes; returns the function that takes it."""
        wanted = self.wanted
        self._release()
        self._headers = headers
        self.etag = headers.peek("etag")
        length = headers.peek("content-length")
        size = int(length) if length is not None and length.isdigit() else None
        asked = wanted.asked()
        cut = None
        if asked is None:
            total, start = size, 0
        else:
            found = parse_content_range(headers.get("content-range"))
            if found is not None:
                start, stop, total = found
                wanted.check_reply(start, stop, total)
                size = stop - start
            else:  # a 200 without Content-Range: the server ignores ranges and sends everything
                total = size
                start, size = wanted.within(total)
                cut = (start, size)
        self.first = start
        self._size = size
        if size is not None:
            self.scope.usual = size
            self._range = (
                True if start == 0 and size == total else RangeInfo(-1 if total is None else total, start, size)
            )
        config = self.engine.config
        if config.verify and asked is None and (is_md5(self.etag) or headers.mentions("x-amz-checksum-")):
            self._want = expected(headers)
        opening = self._opening
        assert opening is not None
        if self._target is None and size is not None and size <= self._store.memory_object and self._store.hold(size):
            self._held = size
            take: Callable[[bytes], object] = self._body.append
            if cut is not None:
                return Cut(take, *cut)
            return take
        self._open_file(size)
        if self._want is not SIZE:
            self.crc = crc(self._want.kind) or CRC32
            self._audit = Audit(self, self._want, self.crc)
        if cut is not None:
            return Cut(opening.take, *cut)
        if size is None or self.etag is None or size < config.split_threshold:
            return opening.write_front
        part_size = download_part_size(size, config.smallest_split, config.part_size, config.split_ways)
        self._parts = plan_parts(size, part_size)
        self._front = 1
        self._taken_back = len(self._parts)
        opening.stop = self._parts[0].stop
        if self._target is not None and config.resume:
            running = self.crc or CRC32
            version = headers.get("x-amz-version-id") if self.wanted.version_id is None else self.wanted.version_id
            subject = Subject(wanted.bucket, wanted.key, version, self.etag, size, running.name)
            self._journal = journal = Journal.create(self._target.temp, subject)
            if self.crc is None:
                self.engine.clock.later(_WORTH_NOTING, lambda: self._begin_to_note(journal))
        self.step = max(_STEP, size >> 10)
        for _ in range(min(config.split_ways - 1, len(self._parts) - 1)):
            self._take_from_back()
        self.engine.clock.later(_LOOK, self._look_at_slow_ones)
        return opening.write_front

    def _begin_to_note(self, journal: Journal) -> None:
        """Keep sums for the journal's sake, of what comes from now on: S3 has none to compare them with."""
        if self._journal is journal and not self.finished:
            self._audit = Audit(self, SIZE, CRC32)
            self.crc = CRC32

    # -- going on where another process was stopped -------------------------------------------------

    def _resume(self) -> None:
        """Ask whether the object is still the one that was left half fetched."""
        target, wanted = self._target, self.wanted
        assert target is not None
        assert target.leftover is not None
        journal = Journal.reopen(target.leftover)
        target.leftover = None
        if journal is None:
            self._open()
            return
        subject = journal.subject
        if (
            (subject.bucket, subject.key) != (wanted.bucket, wanted.key)
            or wanted.offset is not None
            or wanted.length is not None
        ):
            journal.close()  # another object's, on its way to the same name
            self._open()
            return
        headers = (("If-Match", subject.etag), *(WITH_CHECKSUM if self.engine.config.verify else ()))
        request = Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=wanted.query(), headers=headers)
        future = self.engine.request(self.scope, request, lambda reply: reply)
        future.add_done_callback(lambda done: self.engine.work(self._guarded, lambda: self._resumed(journal, done)))

    def _resumed(self, journal: Journal, done: Future[Reply]) -> None:
        """Check what is in the file, and fetch the rest by ranges."""
        subject, target = journal.subject, self._target
        assert target is not None
        error = done.exception()
        if error is not None and not isinstance(error, (NotFound, PreconditionFailed)):
            journal.close()  # what is there may still be good another time
            raise error
        running = crc(subject.crc)
        reply = None if error is not None else done.result()
        if reply is None or running is None or reply.headers.get("etag") != subject.etag:
            target.temp, kept = journal.temp, target.temp
            target.abandon()
            target.temp = kept
            journal.discard()
            self._open()
            return
        target.temp = journal.temp
        self._journal = journal
        self._fd = os.open(target.temp, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
        self._headers = reply.headers
        self.etag, self._size = subject.etag, subject.size
        self._range = True
        want = expected(reply.headers) if self.engine.config.verify else SIZE
        if crc_of(want) not in (None, running):
            want = of_etag(reply.headers)  # the journal's sums are of another kind
        self.crc = running
        config = self.engine.config
        os.ftruncate(self._fd, subject.size)
        self._audit = Audit(self, want, running)
        self._audit.sums = intact = read_back(self._fd, journal.sums, running.update)
        self.step = max(_STEP, subject.size >> 10)
        cut: list[Part] = []
        for start, stop in missing(subject.size, intact):
            for part in plan_parts(stop - start, config.part_size):
                cut.append(Part(len(cut) + 1, start + part.start, start + part.stop))
        self._parts = cut
        self._taken_back = len(cut)
        if not self._parts:
            self._judge()
            return
        for _ in range(min(config.split_ways, len(self._parts))):
            self._take_from_back()

    # -- the file -----------------------------------------------------------------------------

    def _open_file(self, size: int | None) -> None:
        if self._target is not None:
            self._fd = self._target.create(size)
        else:
            self._path = self._store.new_path(self.wanted.key)
            self._fd = self._store.create(self._path, size)

    def write_at(self, pieces: Sequence[bytes], at: int) -> None:
        """Write bytes at a position of the object's range."""
        write(self._fd, pieces, at)

    # what the requests look at

    @property
    def in_file(self) -> bool:
        return self._fd != -1

    @property
    def total(self) -> int:
        """Bytes of the whole object; -1: not known."""
        return self._range.total_size if isinstance(self._range, RangeInfo) else self._size or 0 if self._range else -1

    def held(self) -> int:
        """Return the bytes in memory."""
        return sum(map(len, self._body))

    def promised(self, call: OpeningCall) -> int | None:
        """Return where the opening GET is to end."""
        return call.stop if self._parts else self._size

    def nothing_of(self, headers: Headers) -> None:
        """Take the head of an object of which no byte was asked for."""
        self._headers = headers
        self.etag = headers.get("etag")
        total = int(headers.get("content-length", "0"))
        self._size = 0
        self._range = RangeInfo(total, min(self.wanted.offset or 0, total), 0)

    # -- parts ----------------------------------------------------------------------------------

    def next_front(self) -> int | None:
        """Give the opening GET its next part: the end of it, or None if a range has it."""
        with self._lock:
            if self.trouble is not None or self._front >= self._taken_back:
                return None
            part = self._parts[self._front]
            self._front += 1
        return part.stop

    def _take_from_back(self) -> None:
        with self._lock:
            if self.trouble is not None or self._taken_back <= self._front:
                return
            self._taken_back -= 1
            part = self._parts[self._taken_back]
            call = RangeCall(self, part.start, part.stop)
            self._live.add(call)
        self.engine.submit(call)

    def _look_at_slow_ones(self) -> None:
        """Give up connections that are far slower than the others, and get what they owe over new ones."""
        if self.finished or self.scope.cancelled:
            return
        with self._lock:
            live = [c for c in self._live if c.age > _LOOK and not c.renewing]
            rates = sorted([*self._rates, *(c.moving / c.age for c in live)])
        if len(rates) >= _ENOUGH:
            usual = rates[len(rates) // 2]
            for call in live:
                if call.tries <= _RENEWALS and call.moving / call.age < usual / _SLOW and call.left:
                    call.renew()
        self.engine.clock.later(_LOOK, self._look_at_slow_ones)

    def range_done(self, call: RangeCall) -> None:
        """A range has all its bytes."""
        call.note()
        with self._lock:
            self._rates = [*self._rates[-63:], call.moving / max(call.age, 1e-3)]
        self._take_from_back()
        self._leave(call, None)

    def opening_done(self, call: OpeningCall, reply: Reply) -> None:
        """The opening GET has come to its end, or was stopped where the ranges begin."""
        if self._headers is None:
            self._headers = reply.headers
        if self._fd == -1:
            body = self._body
            data = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
            if self._size is not None and len(data) != self._size:
                self._release()
                self._leave(
                    call, self.error_about(IntegrityError, f"{len(data)} bytes came, the head promised {self._size}")
                )
                return
            self._live.discard(call)
            self._arrived = len(data)
            if self._want is SIZE:
                self.end(self._object(data=data))
            elif len(data) <= _INLINE or crc_of(self._want):
                self._check_body(data)
            else:
                self.engine.work(self._guarded, lambda: self._check_body(data))
            return
        if self._size is None:  # the head did not say
            self._size = call.at
            self._range = True
        self._leave(call, None)

    def opening_broke(self, call: OpeningCall) -> bool:
        """The opening GET broke after its head. True if ranges now get the rest."""
        if self._fd == -1 or self.etag is None or self._size is None:
            return False
        stop = self.promised(call)
        call.note()
        if stop is not None and call.at < stop:
            rest = RangeCall(self, call.at, stop)
            with self._lock:
                self._live.add(rest)
            self.engine.submit(rest)
        # parts between this one and the ranges are taken by those, from the back
        self._leave(call, None)
        return True

    def broken(self, call: RangeCall | OpeningCall, error: BaseException) -> None:
        """A call has failed for good: the others stop, and then the task ends."""
        with self._lock:
            first = self.trouble is None
            if first:
                self.trouble = error
            others = [c for c in self._live if c is not call] if first else []
        for other in others:
            other.cancel()
        self._leave(call, error)

    def _leave(self, call: RangeCall | OpeningCall, error: BaseException | None) -> None:
        with self._lock:
            if call in self._live:
                self._live.discard(call)
                self._arrived += call.received
            if error is not None and self.trouble is None:
                self.trouble = error
            if self._live:
                return
            trouble = self.trouble
        if trouble is not None:
            self._fail_or_restart(trouble)
        else:
            self._judge()

    # -- are they the bytes that S3 holds? ------------------------------------------------------

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as exc:
            self._release()
            self.fail(exc)

    def _check_body(self, data: bytes) -> None:
        """Judge a body in memory."""
        want = self._want
        if want.parts > 1:
            self.end(self._object(data=data))  # no object this small has several parts that S3 would have taken
            return
        found = of_parts(want, [of_part(want, [data])]) if want.parts else whole(want, [data])
        if found == want.value:
            self._verified = want.kind
        elif self._doubts < ROUNDS:
            self._again()
            return
        else:
            self._release()
            self.fail(wrong(want, found, self.wanted))
            return
        self.end(self._object(data=data))

    def _again(self) -> None:
        """Fetch the whole object once more."""
        self._release()
        self._reset()
        self._doubts += 1
        self.scope.progress.retried()
        self._open()

    def _judge(self) -> None:
        """Judge a file whose bytes have all arrived."""
        if self._audit is None:
            self._finish()
        else:
            self._audit.judge()

    # what the audit asks for

    @property
    def size(self) -> int:
        return self._size or 0

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        for piece in pieces_of(lambda at, size: os.pread(self._fd, size, at), start, stop):
            if self.scope.cancelled:
                raise CancelledError
            yield piece

    def in_pool(self, step: Callable[[], None]) -> None:
        self.engine.work(self._guarded, step)

    def accepted(self, by: str) -> None:
        self._verified = by
        self._finish()

    def rejected(self, error: BaseException) -> None:
        self._release()
        self.fail(error)

    def fetch_again(self, pieces: list[Sum]) -> None:
        self._suspects = pieces[::-1]
        for _ in range(min(self.engine.config.split_ways, len(pieces))):
            self._next_suspect()

    def _next_suspect(self) -> None:
        with self._lock:
            if not self._suspects or self.trouble is not None:
                return
            *self._suspects, part = self._suspects
            call = RangeCall(self, part.start, part.stop, part)
            self._live.add(call)
        self.engine.submit(call)

    def fetched_again(self, call: RangeCall, before: Sum) -> None:
        """A range has come a second time."""
        assert self._audit is not None
        if self._audit.replaced(before, Sum(call.start, call.stop, call.sum)):
            self._suspects = ()  # that was it
        self._next_suspect()
        self._leave(call, None)

    def arrived(self, start: int, stop: int, value: int) -> None:
        """Note the sum of bytes that have all arrived."""
        if self._audit is not None and stop > start:
            piece = Sum(start, stop, value)
            self._audit.sums.append(piece)
            if self._journal is not None:
                self._journal.add(piece)

    def _finish(self) -> None:
        """The bytes are good: look at the file itself, which must hold what was promised, and give it its place."""
        try:
            found = os.fstat(self._fd)
            if found.st_size != self._size:
                self._release()
                self.fail(
                    self.error_about(IntegrityError, f"the file has {found.st_size} bytes, the object {self._size}")
                )
            elif self._target is None:
                os.close(self._fd)
                self._fd = -1
                path, self._path = self._path, None
                self.end(self._object(path=path))
            elif self._target.fsync and not in_memory(found.st_dev):
                self.engine.chores.add(self._publish)  # flushing may take long
            else:
                self._publish()
        except OSError as exc:
            self._release()
            self.fail(self.error_about(LocalFileError, str(exc)))

    def _fail_or_restart(self, trouble: BaseException) -> None:
        self._release()
        restarts = ROUNDS if isinstance(trouble, Misled) else 1 if isinstance(trouble, ObjectChanged) else 0
        if self._restarts < restarts and not self.scope.cancelled:
            self._restarts += 1
            self._reset()
            self.scope.progress.retried()
            self._open()
            return
        self.fail(trouble)

    def _publish(self) -> None:
        target = self._target
        assert target is not None
        try:
            fd, self._fd = self._fd, -1
            if target.mtime is not None and self._headers is not None and young(self._headers):
                target.mtime -= _DOUBTFUL
            target.publish(fd)
            if self._journal is not None:
                self._journal.discard()
        except BaseException as exc:
            self._release()
            target.abandon()
            if self._journal is not None:
                self._journal.discard()
            error = LocalFileError(f"{visible(target.path)}: {exc}", errno=getattr(exc, "errno", None))
            error.__cause__ = exc
            self.fail(error)
            return
        self.end(self._object(path=target.path, given=True))

    def _release(self) -> None:
        """Give back whatever an unfinished try holds."""
        if self._held:
            self._store.free(self._held)
            self._held = 0
        self._body = []
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1
            if self._target is not None:
                self._target.abandon()
            if self._journal is not None:
                self._journal.discard()
        if self._path is not None:
            self._store.discard(self._path)
            self._path = None

    # -- the result ---------------------------------------------------------------------------------

    def _object(self, *, data: bytes | None = None, path: str | None = None, given: bool = False) -> S3Object:
        wanted = self.wanted
        self._held = 0  # the object's now
        return S3Object(
            wanted.base,
            wanted.url,
            size=self._size if data is None else len(data),
            headers=self._headers if wanted.info else None,
            range_info=self._range if wanted.info else None,
            data=data,
            path=path,
            given=given,
            verified=self._verified,
            store=self._store,
            etag=self.etag.strip('"') if self.etag and not wanted.info else None,
            version_id=wanted.version_id,
            origin=self.engine.owner,
        )

    def error_about(self, kind: type[S3Error], text: str) -> S3Error:
        wanted = self.wanted
        return kind(f"{visible(wanted.url)}: {text}", bucket=wanted.bucket, key=wanted.key, operation="GetObject")
