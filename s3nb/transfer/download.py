"""Getting one object: memory first, a file when large, several connections when very large.

Strategy. One plain GET opens the object; its head says how large it is, and of which version (ETag). A small body
stays in memory: one request, nothing else. A larger one goes to a file of its own. A very large one is cut into parts:
the opening GET goes on from the front, part by part, and ranged GETs pinned to the same ETag take parts from the
back; where they meet, the opening GET is stopped. So no HEAD is sent and nothing is thrown away to learn a size. If the
opening GET breaks, what it had not delivered becomes one more range.
"""

from __future__ import annotations

import base64
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from functools import partial

from s3nb.checksum import CRC32, SIZE, Crc, Expected, crc, expected, of_etag, of_part, of_parts, whole
from s3nb.errors import IntegrityError, InvalidRange, LocalFileError, NotFound, ObjectChanged, S3Error
from s3nb.model import RangeInfo, S3Object
from s3nb.ranges import Part, download_part_size, parse_content_range, plan_parts, range_header
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Scope
from s3nb.transfer.journal import Journal, Subject, Sum, missing, read_back
from s3nb.transfer.local import Store, Target
from s3nb.transfer.task import Task
from s3nb.wire import Headers, Reply, Request, Sink

_USUAL = (8, 16, 5, 10, 15, 25, 32, 50, 64, 100, 128, 256, 512)  # MiB of a part
_REPAIR = 4 * 1024 * 1024  # bytes of a range that is fetched once more
_LOOK = 2.0  # seconds between looks at slow connections, and until one is judged
_SLOW = 4  # times slower than the usual one
_ENOUGH = 4  # rates to know what is usual
_RENEWALS = 3  # of one range
_STEP = 256 * 1024  # what is lost of each part under way when the process is killed
_INLINE = 64 * 1024  # bodies up to this size are hashed on the wire's thread: changing threads would take longer
_WITH_CHECKSUM = (("x-amz-checksum-mode", "ENABLED"),)


class Wanted:
    """What to get, and how the result is named: bucket, key, range, version; base and URL."""

    __slots__ = ("base", "bucket", "info", "key", "length", "missing_ok", "offset", "url", "version_id")

    def __init__(
        self,
        bucket: str,
        key: str,
        url: str,
        base: str | None = None,
        *,
        offset: int | None = None,
        length: int | None = None,
        version_id: str | None = None,
        info: bool = True,
        missing_ok: bool = False,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.url = url
        self.base = base
        self.offset = offset
        self.length = length
        self.version_id = version_id
        self.info = info
        self.missing_ok = missing_ok

    def missing(self) -> S3Object:
        """Return the result that says: there is none."""
        return S3Object(self.base, self.url, version_id=self.version_id)

    def query(self) -> tuple[tuple[str, str], ...]:
        return () if self.version_id is None else (("versionId", self.version_id),)


class GetTask(Task):
    """Get one object, or a piece of it, into memory, a temporary file, or a file of the user's."""

    __slots__ = (
        "_arrived",
        "_body",
        "_bounds",
        "_crc",
        "_doubted",
        "_fd",
        "_front",
        "_headers",
        "_held",
        "_journal",
        "_live",
        "_lock",
        "_opening",
        "_parts",
        "_path",
        "_range",
        "_rates",
        "_restarted",
        "_size",
        "_start",
        "_step",
        "_store",
        "_sums",
        "_suspects",
        "_taken_back",
        "_target",
        "_trouble",
        "_verified",
        "_want",
        "etag",
        "known_size",
        "wanted",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        wanted: Wanted,
        store: Store,
        target: Target | None = None,
        known_size: int | None = None,
    ) -> None:
        super().__init__(scope)
        self.wanted = wanted
        self.known_size = known_size
        self._store = store
        self._target = target
        self._lock = threading.Lock()
        self._restarted = False
        self._doubted: str | None = None  # the sum that the bytes had when they first did not agree
        self._reset()

    def _reset(self) -> None:
        self.etag: str | None = None
        self._headers: Headers | None = None
        self._range: RangeInfo | None = None
        self._size: int | None = None  # bytes to come
        self._start = 0  # first of them, in the object
        self._body: list[bytes] = []
        self._held = 0  # bytes of the memory budget that are ours
        self._fd = -1
        self._path: str | None = None
        self._parts: list[Part] = []
        self._front = 0  # parts before this index belong to the opening GET
        self._taken_back = 0  # parts from this index on are taken by ranges
        self._arrived = 0  # bytes of calls that have ended
        self._live: set[_RangeCall | _OpeningCall] = set()
        self._want = SIZE
        self._crc: Crc | None = None  # kept while bytes go to a file
        self._sums: list[Sum] = []  # of what has arrived
        self._suspects: list[Sum] | None = None  # yet to be fetched again
        self._bounds = 0  # bytes of each part that the object was uploaded in
        self._verified = "size"
        self._journal: Journal | None = None
        self._rates: deque[float] = deque(maxlen=64)  # bytes a second of ranges that have come
        self._step = 1 << 62  # bytes after which a running sum is noted
        self._trouble: BaseException | None = None
        self._opening: _OpeningCall | None = None

    def fail(self, error: BaseException) -> None:
        if self.wanted.missing_ok and isinstance(error, NotFound):
            self.end(self.wanted.missing())
        else:
            super().fail(error)

    def _over(self, outcome: str) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.write = _Cut.nothing  # it holds itself, and us: no collector is needed for so many small objects
        super()._over(outcome)

    def start(self) -> None:
        wanted = self.wanted
        if wanted.offset is not None and wanted.offset < 0:
            raise InvalidRange(
                f"{visible(wanted.url)}: offset must not be negative: {wanted.offset} (the last n bytes: length=-n)"
            )
        if self._target is not None and self._target.leftover is not None:
            self.engine.pool.submit(self._guarded, self._resume)
        else:
            self._open()

    def _open(self) -> None:
        self._opening = call = _OpeningCall(self)
        self._live.add(call)
        self.engine.submit(call)

    def moved(self) -> int:
        if self.finished:
            return self._arrived
        return self._arrived + sum(call.received for call in tuple(self._live))

    def expected(self) -> int | None:
        return self._size if self._size is not None else self.known_size

    # -- the head of the opening reply -----------------------------------------------------

    def opened(self, status: int, headers: Headers) -> Callable[[bytes], object]:
        """Decide from the head where the body goes; returns the function that takes it."""
        wanted = self.wanted
        self._release()
        self._headers = headers
        self.etag = headers.peek("etag")
        length = headers.peek("content-length")
        size = int(length) if length is not None and length.isdigit() else None
        asked = range_header(wanted.offset, wanted.length)
        cut = None
        if asked is None:
            total, start = size, 0
        else:
            found = parse_content_range(headers.get("content-range"))
            if found is not None:
                start, stop, total = found
                self._check_range(start, stop, total, asked)
                size = stop - start
            else:  # a 200 without Content-Range: the server ignores ranges and sends everything
                total = size
                start, size = self._own_range(total)
                cut = (start, size)
        self._start = start
        self._size = size
        if size is not None:
            self._range = RangeInfo(total if total is not None else -1, start, size)
        config = self.engine.config
        if (
            config.verify
            and asked is None
            and (headers.mentions("x-amz-checksum-") or of_etag({"etag": self.etag or ""}).value)
        ):
            self._want = expected(headers)
        opening = self._opening
        assert opening is not None
        if self._target is None and size is not None and size <= config.memory_object and self._store.hold(size):
            self._held = size
            take: Callable[[bytes], object] = self._body.append
            if cut is not None:
                return _Cut(take, *cut)
            return take
        self._open_file(size)
        if self._want is not SIZE:
            self._crc = crc(self._want.kind) or CRC32
        if cut is not None:
            return _Cut(self._append, *cut)
        if size is None or self.etag is None or size < config.split_threshold:
            return opening.write_front
        part_size = download_part_size(size, config.smallest_split, config.part_size, config.split_ways)
        self._parts = plan_parts(size, part_size)
        self._front = 1
        self._taken_back = len(self._parts)
        opening.stop = self._parts[0].stop
        if self._target is not None and config.resume:
            self._crc = self._crc or CRC32
            version = headers.get("x-amz-version-id") if self.wanted.version_id is None else self.wanted.version_id
            subject = Subject(wanted.bucket, wanted.key, version, self.etag, size, self._crc.name)
            self._journal = Journal.create(self._target.temp, subject)
        self._step = max(_STEP, size >> 10)
        for _ in range(min(config.split_ways - 1, len(self._parts) - 1)):
            self._take_from_back()
        self.engine.clock.later(_LOOK, self._look_at_slow_ones)
        return opening.write_front

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
        headers = (("If-Match", subject.etag), *(_WITH_CHECKSUM if self.engine.config.verify else ()))
        request = Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=wanted.query(), headers=headers)
        future = self.engine.request(self.scope, request, lambda reply: reply)
        future.add_done_callback(
            lambda done: self.engine.pool.submit(self._guarded, lambda: self._resumed(journal, done))
        )

    def _resumed(self, journal: Journal, done: Future[Reply]) -> None:
        """Check what is in the file, and fetch the rest by ranges."""
        subject, target = journal.subject, self._target
        assert target is not None
        error = done.exception()
        if isinstance(error, CancelledError):
            journal.close()
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
        self._range = RangeInfo(subject.size, 0, subject.size)
        self._want = expected(reply.headers) if self.engine.config.verify else SIZE
        if self._crc_of(self._want) not in (None, running):
            self._want = of_etag(reply.headers)  # the journal's sums are of another kind
        self._crc = running
        config = self.engine.config
        os.ftruncate(self._fd, subject.size)
        self._sums = read_back(self._fd, journal.sums, running.update)
        self._step = max(_STEP, subject.size >> 10)
        for start, stop in missing(subject.size, self._sums):
            for part in plan_parts(stop - start, config.part_size):
                self._parts.append(Part(len(self._parts) + 1, start + part.start, start + part.stop))
        self._taken_back = len(self._parts)
        if not self._parts:
            self._judge()
            return
        for _ in range(min(config.split_ways, len(self._parts))):
            self._take_from_back()

    def _check_range(self, start: int, stop: int, total: int | None, asked: str) -> None:
        wanted = self.wanted
        if wanted.length is not None and wanted.length < 0:
            good = total is None or (stop == total and stop - start == min(-wanted.length, total))
        else:
            good = start == (wanted.offset or 0)
            if good and wanted.length is not None:
                good = stop - start <= wanted.length and (
                    stop - start == wanted.length or total is None or stop == total
                )
        if not good:
            raise IntegrityError(
                f"{visible(wanted.url)}: asked for {asked}, got bytes {start}-{stop - 1} of {total}",
                bucket=wanted.bucket, key=wanted.key, operation="GetObject",
            )  # fmt: skip

    def _own_range(self, total: int | None) -> tuple[int, int]:
        """Return (start, size) of the range in an object of ``total`` bytes."""
        wanted = self.wanted
        offset, length = wanted.offset or 0, wanted.length
        if total is None:
            raise IntegrityError(f"{visible(wanted.url)}: the server ignores ranges and does not say how much it sends")
        if length is not None and length < 0:
            offset = max(0, total + length)
            length = None
        if offset >= total:
            raise InvalidRange(
                f"{visible(wanted.url)}: no byte at {offset}, the object has {total}",
                bucket=wanted.bucket, key=wanted.key, operation="GetObject", code="InvalidRange", status=416,
            )  # fmt: skip
        return offset, total - offset if length is None else min(length, total - offset)

    # -- the file -----------------------------------------------------------------------------

    def _open_file(self, size: int | None) -> None:
        if self._target is not None:
            self._fd = self._target.create(size)
        else:
            self._path = self._store.new_path(self.wanted.key)
            self._fd = self._store.create(self._path, size)

    def write_at(self, data: bytes, at: int) -> None:
        """Write bytes at a position of the object's range."""
        fd = self._fd
        done = os.pwrite(fd, data, at)
        while done < len(data):
            more = os.pwrite(fd, memoryview(data)[done:], at + done)
            if more == 0:
                raise OSError(28, "no space left on device")
            done += more

    def _append(self, data: bytes) -> None:
        opening = self._opening
        assert opening is not None
        self.write_at(data, opening.at)
        opening.at += len(data)

    # -- parts ----------------------------------------------------------------------------------

    def next_front(self) -> int | None:
        """Give the opening GET its next part: the end of it, or None if a range has it."""
        with self._lock:
            if self._trouble is not None or self._front >= self._taken_back:
                return None
            part = self._parts[self._front]
            self._front += 1
        return part.stop

    def _take_from_back(self) -> None:
        with self._lock:
            if self._trouble is not None or self._taken_back <= self._front:
                return
            self._taken_back -= 1
            part = self._parts[self._taken_back]
            call = _RangeCall(self, part.start, part.stop)
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

    def range_done(self, call: _RangeCall) -> None:
        """A range has all its bytes."""
        self.arrived(call.noted, call.stop, call.sum)
        with self._lock:
            self._rates.append(call.moving / max(call.age, 1e-3))
        self._take_from_back()
        self._leave(call, None)

    def opening_done(self, call: _OpeningCall, reply: Reply) -> None:
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
                    call, self._error(IntegrityError, f"{len(data)} bytes came, the head promised {self._size}")
                )
                return
            self._live.discard(call)
            self._arrived = len(data)
            if self._want is SIZE:
                self.end(self._object(data=data))
            elif len(data) <= _INLINE or self._crc_of(self._want):
                self._check_body(data)
            else:
                self.engine.pool.submit(self._guarded, lambda: self._check_body(data))
            return
        self._leave(call, None)

    def opening_broke(self, call: _OpeningCall) -> bool:
        """The opening GET broke after its head. True if ranges now get the rest."""
        if self._fd == -1 or self.etag is None or self._size is None:
            return False
        stop = call.stop if self._parts else self._size
        self.arrived(call.start, call.at, call.sum)
        call.start = call.at
        if call.at < stop:
            rest = _RangeCall(self, call.at, stop)
            with self._lock:
                self._live.add(rest)
            self.engine.submit(rest)
        # parts between this one and the ranges are taken by those, from the back
        self._leave(call, None)
        return True

    def broken(self, call: _RangeCall | _OpeningCall, error: BaseException) -> None:
        """A call has failed for good: the others stop, and then the task ends."""
        with self._lock:
            first = self._trouble is None
            if first:
                self._trouble = error
            others = [c for c in self._live if c is not call] if first else []
        for other in others:
            other.cancel()
        self._leave(call, error)

    def _leave(self, call: _RangeCall | _OpeningCall, error: BaseException | None) -> None:
        with self._lock:
            if call in self._live:
                self._live.discard(call)
                self._arrived += call.received
            if error is not None and self._trouble is None:
                self._trouble = error
            if self._live:
                return
            trouble = self._trouble
        if trouble is not None:
            self._fail_or_restart(trouble)
        else:
            self._judge()

    # -- are they the bytes that S3 holds? ------------------------------------------------------

    @staticmethod
    def _crc_of(want: Expected) -> Crc | None:
        return None if want.parts else crc(want.kind)

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
        elif self._doubted is None:
            self._again(found)
            return
        elif want.kind != "etag" or found != self._doubted:
            self._release()
            self.fail(self._wrong(found))
            return
        # else: the same bytes twice, and an ETag that looks like an MD5 and is none
        self.end(self._object(data=data))

    def _again(self, found: str) -> None:
        """Fetch the whole object once more."""
        self._release()
        doubted = found
        self._reset()
        self._doubted = doubted
        self.scope.progress.retried()
        self._open()

    def _wrong(self, found: str) -> S3Error:
        want = self._want
        return self._error(IntegrityError, f"{want.kind} of what came is {found}, S3 has {visible(want.value, 100)}")

    def _judge(self) -> None:
        """Judge a file whose bytes have all arrived."""
        want = self._want
        known = self._crc_of(want)
        if want is SIZE:
            self._finish()
        elif known is not None:
            self._compare(self._combined(known))
        elif want.parts:
            query = (*self.wanted.query(), ("partNumber", "1"))
            request = Request("HeadObject", "HEAD", self.wanted.bucket, self.wanted.key, query=query)
            future = self.engine.request(self.scope, request, lambda reply: reply)
            future.add_done_callback(lambda done: self.engine.pool.submit(self._guarded, lambda: self._measure(done)))
        else:
            self.engine.pool.submit(self._guarded, lambda: self._compare(whole(want, self._pieces(0, self._size or 0))))

    def _measure(self, done: Future[Reply]) -> None:
        """Compute the sum of the parts' sums, if the server says how long they are."""
        want, size = self._want, self._size or 0
        error = done.exception()
        length = 0 if error is not None else int(done.result().headers.get("content-length", "0"))
        if isinstance(error, CancelledError):
            raise error
        if not length or -(-size // length) != want.parts:
            # Not told, or parts of several sizes. What uploaders usually take may still agree.
            usual = dict.fromkeys((self.engine.config.part_size, *(n << 20 for n in _USUAL)))
            found = ""
            for guess in usual:
                if -(-size // guess) == want.parts and found != want.value:
                    found = self._sum_of_parts(guess)
            if found:
                self._compare(found)
            else:
                self._finish()
            return
        self._bounds = length
        self._compare(self._sum_of_parts(length))

    def _sum_of_parts(self, length: int) -> str:
        size = self._size or 0
        starts = range(0, size, length)
        return of_parts(self._want, [of_part(self._want, self._pieces(at, min(at + length, size))) for at in starts])

    def _pieces(self, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, 1 << 20):
            if self.scope.cancelled:
                raise CancelledError
            yield os.pread(self._fd, min(1 << 20, stop - at), at)

    def _compare(self, found: str) -> None:
        want = self._want
        if found == want.value:
            self._verified = want.kind
            self._finish()
            return
        if self._suspects is not None:
            self._give_up(found)
            return
        self._doubted = found
        self.scope.progress.retried()
        # Which bytes are wrong the sum of all does not tell. That of a part may, if the server says it.
        if want.parts and self._bounds:
            self._ask_for_parts()
        else:
            self._fetch_again(self._sums)

    def _give_up(self, found: str) -> None:
        if self._want.kind in ("etag", "composite") and found == self._doubted:
            self._finish()  # every byte came twice, the same both times: what was taken for a sum of them is none
        else:
            self._release()
            self.fail(self._wrong(found))

    def _ask_for_parts(self) -> None:
        """Ask for the sum of each part that the object was uploaded in."""
        wanted, waiting = self.wanted, set(range(1, self._want.parts + 1))
        heads: dict[int, Reply] = {}

        def answered(number: int, done: Future[Reply]) -> None:
            if done.exception() is None:
                heads[number] = done.result()
            with self._lock:
                waiting.discard(number)
                if waiting:
                    return
            self.engine.pool.submit(self._guarded, lambda: self._compare_parts(heads))

        for number in sorted(waiting):
            query = (*wanted.query(), ("partNumber", str(number)))
            request = Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=query, headers=_WITH_CHECKSUM)
            future = self.engine.request(self.scope, request, lambda reply: reply)
            future.add_done_callback(partial(answered, number))

    def _compare_parts(self, heads: dict[int, Reply]) -> None:
        """Fetch the parts whose own sum is off once more; all of them, if the server does not tell."""
        want, size, length = self._want, self._size or 0, self._bounds
        bad: list[Sum] = []
        for number, reply in heads.items():
            start, stop = (number - 1) * length, min(number * length, size)
            told = reply.headers.get(f"x-amz-checksum-{want.algorithm}") or ""
            mine = of_part(want, self._pieces(start, stop))
            if want.kind == "composite" and told and "-" not in told:
                good = base64.b64encode(mine).decode() == told
            else:
                tag = of_etag(reply.headers)
                if not tag.value or tag.parts:
                    continue
                good = whole(tag, self._pieces(start, stop)) == tag.value
            if not good:
                bad += [s for s in self._sums if s.start < stop and s.stop > start]
        self._fetch_again(bad or self._sums)

    def _fetch_again(self, sums: Iterable[Sum]) -> None:
        """Fetch ranges once more, several at a time, and compare them with what came before."""
        assert self._crc is not None
        groups: list[Sum] = []
        for piece in sorted(set(sums)):
            last = groups[-1] if groups else None
            if last is not None and last.stop == piece.start and piece.stop - last.start <= _REPAIR:
                value = self._crc.combine(last.value, piece.value, piece.stop - piece.start)
                groups[-1] = Sum(last.start, piece.stop, value)
            else:
                groups.append(piece)
        self._suspects = groups[::-1]
        for _ in range(min(self.engine.config.split_ways, len(groups))):
            self._next_suspect()

    def _next_suspect(self) -> None:
        with self._lock:
            if not self._suspects or self._trouble is not None:
                return
            part = self._suspects.pop()
            call = _RangeCall(self, part.start, part.stop, part)
            self._live.add(call)
        self.engine.submit(call)

    def fetched_again(self, call: _RangeCall, before: Sum) -> None:
        """A range has come a second time."""
        fresh = Sum(call.start, call.stop, call.sum)
        good = False
        if fresh != before:
            with self._lock:
                kept = [s for s in self._sums if s.stop <= fresh.start or s.start >= fresh.stop]
                self._sums = [*kept, fresh]
                self._doubted = None
            known = self._crc_of(self._want)
            good = known is not None and self._combined(known) == self._want.value
        if good:
            self._suspects = []  # that was it
        self._next_suspect()
        self._leave(call, None)

    def _combined(self, known: Crc) -> str:
        value = 0
        for part in sorted(self._sums):
            value = known.combine(value, part.value, part.stop - part.start)
        return known.text(value)

    def arrived(self, start: int, stop: int, value: int) -> None:
        """Note the sum of bytes that have all arrived."""
        if self._crc is not None and stop > start:
            piece = Sum(start, stop, value)
            self._sums.append(piece)
            if self._journal is not None:
                self._journal.add(piece)

    def _finish(self) -> None:
        """The bytes are good: give them their place."""
        if self._target is None:
            self._finish_temp()
        elif self._target.fsync:
            self.engine.pool.submit(self._publish)  # may take long
        else:
            self._publish()

    def _fail_or_restart(self, trouble: BaseException) -> None:
        self._release()
        if isinstance(trouble, ObjectChanged) and not self._restarted and not self.scope.cancelled:
            self._restarted = True
            self._reset()
            self.scope.progress.retried()
            self._open()
            return
        self.fail(trouble)

    def _check_size(self) -> bool:
        """Look at the file itself: it must hold what was promised."""
        size = os.fstat(self._fd).st_size
        promised = self._size
        if promised is None:
            assert self._opening is not None
            promised = self._opening.at
        if size == promised:
            self._size = size
            return True
        self._release()
        self.fail(self._error(IntegrityError, f"the file has {size} bytes, the object {promised}"))
        return False

    def _finish_temp(self) -> None:
        try:
            if not self._check_size():
                return
            os.close(self._fd)
            self._fd = -1
        except OSError as exc:
            self._release()
            self.fail(self._error(LocalFileError, str(exc)))
            return
        path, self._path = self._path, None
        self.end(self._object(path=path))

    def _publish(self) -> None:
        target = self._target
        assert target is not None
        try:
            if not self._check_size():
                return
            fd, self._fd = self._fd, -1
            target.publish(fd)
            if self._journal is not None:
                self._journal.discard()
        except BaseException as exc:
            self._release()
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
        )

    def _error(self, kind: type[S3Error], text: str) -> S3Error:
        wanted = self.wanted
        return kind(f"{visible(wanted.url)}: {text}", bucket=wanted.bucket, key=wanted.key, operation="GetObject")


class _Cut:
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


class _OpeningCall(Call):
    """The first GET of an object; its own sink."""

    __slots__ = ("at", "opened", "start", "stop", "sum", "task", "write")

    def __init__(self, task: GetTask) -> None:
        super().__init__(task.scope)
        self.task = task
        self.at = 0  # next byte of the object's range
        self.start = 0  # where the running sum began
        self.sum = 0
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
        return self.at if self.task._fd != -1 else sum(map(len, self.task._body))

    def make(self) -> tuple[Request, Sink | None]:
        wanted = self.task.wanted
        if wanted.length == 0:
            # No Range header asks for nothing: a HEAD says whether there is anything to have none of.
            return Request("HeadObject", "HEAD", wanted.bucket, wanted.key, query=wanted.query()), None
        asked = range_header(wanted.offset, wanted.length)
        if asked is not None:
            headers: tuple[tuple[str, str], ...] = (("Range", asked),)
        else:
            headers = _WITH_CHECKSUM if self.task.engine.config.verify else ()
        return Request("GetObject", "GET", wanted.bucket, wanted.key, query=wanted.query(), headers=headers), self

    # the sink

    def begin(self, status: int, headers: Headers) -> bool:
        self.at = self.start = self.sum = 0
        self.stop = -1
        self.write = self.task.opened(status, headers)
        self.opened = True
        return True

    def write_front(self, data: bytes) -> object:
        task = self.task
        running = task._crc
        while self.stop != -1 and self.at + len(data) >= self.stop:
            # the end of a part: take the next one, or stop where a range has begun
            room = self.stop - self.at
            part, data = data[:room], data[room:]
            if part:
                self._take(part, running)
            task.arrived(self.start, self.stop, self.sum)
            self.start, self.sum = self.stop, 0
            more = task.next_front()
            if more is None:
                return False
            self.stop = more
        if data:
            self._take(data, running)
        return None

    def _take(self, data: bytes, running: Crc | None) -> None:
        self.task.write_at(data, self.at)
        self.at += len(data)
        if running is not None:
            self.sum = running.update(data, self.sum)
            if self.at - self.start >= self.task._step:
                self.task.arrived(self.start, self.at, self.sum)
                self.start, self.sum = self.at, 0

    # the call

    def accept(self, reply: Reply) -> Reply:
        task = self.task
        if task.wanted.length == 0:
            task._headers = reply.headers
            task.etag = reply.headers.get("etag")
            total = int(reply.headers.get("content-length", "0"))
            task._size = 0
            task._range = RangeInfo(total, min(task.wanted.offset or 0, total), 0)
        elif task._fd != -1 and task._size is not None:
            promised = self.stop if task._parts else task._size
            if self.at != promised:
                raise task._error(IntegrityError, f"{self.at} bytes came where {promised} were promised")
        return reply

    def done(self, result: Reply) -> None:
        self.task.arrived(self.start, self.at, self.sum)
        self.task.opening_done(self, result)

    def interrupted(self) -> bool:
        """Say whether the rest can be had by ranges rather than by starting over."""
        return self.opened and self.task.opening_broke(self)

    def failed(self, error: BaseException) -> None:
        self.task.broken(self, error)


class _RangeCall(Call):
    """A ranged GET of bytes ``[start, stop)`` of the object's range; resumes where it was cut. Its own sink."""

    __slots__ = ("_from", "at", "before", "noted", "start", "stop", "sum", "task")

    def __init__(self, task: GetTask, start: int, stop: int, before: Sum | None = None) -> None:
        super().__init__(task.scope)
        self.task = task
        self.start = start
        self.at = start
        self.stop = stop
        self.sum = 0  # of what came since ``noted``
        self.noted = start
        self._from = start
        self.before = before  # this range was fetched before, with this sum

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
        wanted = self.task.wanted
        self._from = self.at
        first = self.task._start + self.at
        headers = [("Range", f"bytes={first}-{self.task._start + self.stop - 1}")]
        if self.task.etag:
            headers.append(("If-Match", self.task.etag))
        return Request(
            "GetObject", "GET", wanted.bucket, wanted.key, query=wanted.query(), headers=headers, bulk=True
        ), self

    def begin(self, status: int, headers: Headers) -> bool:
        found = parse_content_range(headers.get("content-range"))
        task = self.task
        if found is None or found[:2] != (task._start + self.at, task._start + self.stop):
            got = "the whole object" if found is None else f"bytes {found[0]}-{found[1] - 1}"
            raise Again(task._error(IntegrityError, f"asked for bytes {self.at}-{self.stop - 1}, got {got}"))
        etag = headers.get("etag")
        if etag is not None and etag != task.etag:
            raise task._error(ObjectChanged, "the object was replaced while it was being read")
        whole = task._range.total_size if task._range is not None else -1
        if found[2] is not None and whole >= 0 and found[2] != whole:
            raise task._error(ObjectChanged, f"the object has {found[2]} bytes; the first reply said {whole}")
        return True

    def write(self, data: bytes) -> object:
        if self.at + len(data) > self.stop:
            raise self.task._error(IntegrityError, f"more bytes came than the range {self.start}-{self.stop - 1} has")
        self.task.write_at(data, self.at)
        self.at += len(data)
        task = self.task
        if task._crc is not None:
            self.sum = task._crc.update(data, self.sum)
            if self.at - self.noted >= task._step and self.before is None:
                task.arrived(self.noted, self.at, self.sum)
                self.noted, self.sum = self.at, 0
        return None

    def accept(self, reply: Reply) -> Reply:
        if self.at != self.stop:
            raise Again(self.task._error(IntegrityError, f"the range ended at byte {self.at} of {self.stop}"))
        return reply

    def done(self, result: Reply) -> None:
        if self.before is not None:
            self.task.fetched_again(self, self.before)
        else:
            self.task.range_done(self)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, S3Error) and error.status == 412:
            error = self.task._error(ObjectChanged, "the object was replaced while it was being read")
        elif isinstance(error, CancelledError) and self.task._trouble is not None:
            error = self.task._trouble
        self.task.broken(self, error)
