"""An object being read: its version, what of it is in memory, and the requests for the rest.

Strategy. What is in memory, or on its way, is a sorted map of disjoint *segments*; each is filled by one GET. A read is
planned against the map (`s3nb.files.plan`): holes become segments, and then the reader waits for the bytes it needs, not
for segments to be complete. The wire's thread only appends the pieces that come; they are copied once, when they are
read. Large reads have segments of their own that are in no map: their bytes go straight to where the reader wants them.

The first reply pins the version: every later request carries its ETag, and every reply is compared with it here as
well, as some servers ignore the condition.
"""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial

from s3nb.checksum import SIZE, expected, of_etag, whole
from s3nb.core import Core
from s3nb.errors import ClientClosed, IntegrityError, ObjectChanged, PreconditionFailed, S3Error
from s3nb.files import hints, plan
from s3nb.files.budget import MEMORY
from s3nb.files.plan import Access, Link, Range
from s3nb.files.proof import Proof, Told, comparable, summable
from s3nb.ranges import KIB, MIB, parse_content_range
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Engine, Scope
from s3nb.transfer.fetch import WITH_CHECKSUM
from s3nb.wire import Headers, Reply, Request, Sink

_SLICE = 0.2  # seconds between looks of a waiting reader: at Ctrl-C, and at requests that do not begin
_NEVER = 1 << 62
_NO_MD5 = " (if the ETags of this server are no MD5s: TransferConfig(verify=False))"
_PARTS_ASKED = 100  # parts whose length is asked for before bytes are said to be wrong
_PARTS = re.compile(r'-([1-9][0-9]{0,4})"?\Z')  # the end of an ETag that tells how many
_DOUBTS = 3  # times that an object is fetched if its bytes are not those of its digest
_SEVERED = MIB  # bytes still to come that are worth a new connection
_OPENING_SEVERED = 512 * KIB

_links: weakref.WeakKeyDictionary[Engine, Link] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Stats:
    """What reading a file has cost so far.

    Attributes
    ----------
    requests : int
        GETs that were sent, those sent again included.
    received : int
        Bytes that came.
    served : int
        Bytes that the reader was given.
    wasted : int
        Bytes that came, were dropped, and were neither given to the reader nor lay between bytes that were.
    hits, misses : int
        Reads that found all in memory, and others.
    stalls : int
        Reads that waited for bytes that had been asked for ahead.
    resumed, hedged : int
        GETs that went on after a broken connection; that were sent beside one which did not begin.
    window : int
        Bytes kept ahead of the position now.
    held : int
        Bytes in memory, or on their way there.
    jumps : int
        Reads that did not go on where the last one had ended.
    """

    requests: int = 0
    received: int = 0
    served: int = 0
    wasted: int = 0
    hits: int = 0
    misses: int = 0
    stalls: int = 0
    resumed: int = 0
    hedged: int = 0
    window: int = 0
    held: int = 0
    jumps: int = 0


class Segment:
    """Bytes ``[start, stop)`` of the object, of which those before ``at`` are there.

    ``into`` is where they go instead of ``pieces``; its first byte is the segment's.
    """

    __slots__ = ("ahead", "at", "calls", "ends", "error", "into", "lock", "need", "origin", "pieces", "reached", "stalled", "start",
                 "stop", "used", "winner")  # fmt: skip

    def __init__(self, start: int, stop: int, *, ahead: bool = False, into: memoryview | None = None) -> None:
        self.start = self.at = self.origin = start
        self.stop = stop
        self.ahead = ahead  # nobody waited for it when it was asked for
        self.into = into
        self.pieces: list[bytes] = []
        self.ends: list[int] = []
        self.error: BaseException | None = None
        self.calls: list[_Get] = []
        self.winner: _Get | None = None
        self.need = _NEVER  # position that a reader waits for
        self.reached = start  # furthest position that was read
        self.stalled = False
        self.used = 0
        self.lock = threading.Lock()


class Remote:
    """One object, opened for reading by any number of threads.

    Parameters
    ----------
    core : Core
    bucket, key : str
    access : {"auto", "sequential", "random", "tail", "exact"}
    version_id : str, optional
    etag : str, optional
        Read this version or none.
    size : int, optional
        If it is known.
    pin : bool
        Go on with the version that was opened when the object is replaced (in versioned buckets).
    least : int
        Bytes of the smallest request.
    every : sequence of (str, str)
        Headers of every request.
    """

    def __init__(
        self,
        core: Core,
        bucket: str,
        key: str,
        *,
        access: str = "auto",
        version_id: str | None = None,
        etag: str | None = None,
        size: int | None = None,
        pin: bool = False,
        least: int = 0,
        every: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.core = core
        self.bucket = bucket
        self.key = key
        self.tail = access == "tail"
        self.access = Access("auto" if self.tail else access)
        self.size = size
        self.etag = etag
        self.version_id = version_id
        self.pinned: str | None = version_id
        self.pin = pin
        self.headers: Headers | None = None
        self.least = least
        self.every = every
        self.guarded = True  # the server takes If-Match
        self.closed = False
        self.error: BaseException | None = None  # why it could not be opened
        self.opened = threading.Event()
        self._lock = threading.RLock()  # a finaliser may close the file in the middle of anything
        self._arrived = threading.Condition()
        self._segments: list[Segment] = []
        self._edge = 0  # end of what was asked for ahead
        self._whole = False
        self._waits = 0  # small reads elsewhere that had to wait for a round trip
        self.verified: str | None = None  # by which digest the whole object was found to be right
        self._doubts = 0
        self._proof: Proof | None = None
        self._hints: hints.Columns | None = None
        self._hinted = not (self.tail and key.lower().endswith(".parquet"))
        self._uses = 0
        self._scope: Scope | None = None
        self._link: Link = Link()
        self.requests = self.received = self.served = self.wasted = 0
        self.hits = self.misses = self.stalls = self.resumed = self.hedged = 0
        _alive.add(self)

    # -- opening ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Send the opening request; does not wait. Missing credentials are an error here, before it."""
        if self.access.kind == "exact":
            kind, stop = "head", 1
        elif self.size is not None and self.size <= plan.KNOWN_WHOLE:
            kind, stop = "head", max(self.size, 1)
        elif self.tail:
            kind, stop = "tail", plan.TAIL
        else:
            kind, stop = "head", plan.OPENING
            if MEMORY.held + stop > MEMORY.limit:
                stop = plan.TAIL
        self._ready()
        segment = Segment(0, stop)
        MEMORY.take(stop, forced=True)
        self._segments.append(segment)
        self._send(segment, kind)

    def known_version(self, version_id: str | None) -> None:
        """Be open without a request: size and version are known, and compared with at the first read."""
        self.version_id = version_id
        self.opened.set()

    def wait_open(self) -> None:
        """Wait until the head of the opening reply is there; raise if there is none."""
        while not self.opened.wait(_SLICE):
            for segment in self._segments[:1]:
                self._hedge(segment)
        if self.error is not None:
            self.close()
            raise self._translated(self.error)

    def head(self, get: _Get, status: int, headers: Headers) -> None:
        """Take the head of the opening reply (on the wire's thread)."""
        segment = get.segment
        found = parse_content_range(headers.get("content-range")) if status == 206 else None
        if found is not None:
            start, stop, total = found
            if total is None:
                raise self._wrong("the reply does not say how large the object is")
            wanted = (max(0, total - plan.TAIL), total) if get.kind == "tail" else (0, min(segment.stop, total))
            if (start, stop) != wanted:
                raise Again(self._wrong(f"asked for bytes {wanted[0]}-{wanted[1] - 1}, got {start}-{stop - 1}"))
        elif status == 206:
            raise Again(self._wrong("a partial reply does not say which part it is"))
        else:
            length = headers.get("content-length")
            if length is None or not length.isdigit():
                raise self._wrong("the reply does not say how large the object is")
            start, total = 0, int(length)
            stop = total if total <= plan.IN_MEMORY else min(total, plan.OPENING)
            get.unranged = True
        etag = headers.get("etag")
        self.check(etag)
        if self.size is not None and self.size != total:
            raise self._changed(f"it has {total} bytes, not {self.size}")
        with self._lock:
            if self.closed:
                raise self._wrong("the file was closed while it was being opened")
            MEMORY.take(stop - start - (segment.stop - segment.start), forced=True)
            segment.start = segment.at = segment.origin = segment.reached = start
            segment.stop = stop
            self.etag = etag or self.etag
            self.size = total
            self.headers = headers
            version = headers.get("x-amz-version-id")
            if version not in (None, "null"):
                self.version_id = version
                if self.pin:
                    self.pinned = version
            self._edge = stop if start == 0 else 0
        if start == 0 and stop < total and self.access.kind in ("auto", "sequential") and self.core.config.verify:
            told = expected(headers)
            if status == 206 and told.kind != "etag" and headers.get("x-amz-checksum-type") != "FULL_OBJECT":
                told = of_etag(headers)  # it may be the sum of the range
            count = _PARTS.search(etag or "")
            self._proof = Proof(total, told if comparable(told, total) else None, int(count[1]) if count else 0)
        self.opened.set()

    def empty(self, headers: Headers) -> None:
        """Note that the object has no bytes (S3 answers every range of it with 416)."""
        self.size = 0
        self.headers = headers
        with self._lock:
            self._drop(self._segments[0])
        self.opened.set()

    def refused(self, error: BaseException) -> None:
        """Note that the object could not be opened."""
        self.error = error
        self.opened.set()

    def check(self, etag: str | None) -> None:
        """Compare a reply's ETag with the pinned one."""
        if self.etag is not None and etag is not None and etag != self.etag:
            raise self._changed("another version answers")

    def _changed(self, text: str) -> ObjectChanged:
        return ObjectChanged(
            f"{self._where}: the object was replaced while it was being read: {text}",
            bucket=self.bucket, key=self.key, operation="GetObject",
        )  # fmt: skip

    def _wrong(self, text: str) -> IntegrityError:
        return IntegrityError(f"{self._where}: {text}", bucket=self.bucket, key=self.key, operation="GetObject")

    def verify(self, segment: Segment, last: bytes) -> None:
        """Compare a whole object with its digest, before the last piece of it is there for a reader.

        If it is not the same, all is fetched once more, unless some of it was given to a reader already.
        """
        if self.headers is None or not self.core.config.verify:
            return
        want = expected(self.headers)
        if want is SIZE or want.parts:
            return
        found = whole(want, [*segment.pieces, last])
        if found == want.value:
            self.verified = want.kind
            return
        error = self._wrong(f"the bytes that came have {want.kind} {found}, S3 says {visible(want.value, 80)}"
                            + (_NO_MD5 if want.kind == "etag" else ""))  # fmt: skip
        self._doubts += 1
        if segment.reached > segment.start or self._doubts >= _DOUBTS:
            raise error
        segment.pieces.clear()
        segment.ends.clear()
        segment.at = segment.start
        raise Again(error)

    def prepare(self, start: int, stop: int) -> None:
        """Ask S3 for the sum of all bytes, if somebody who has read all of them so far wants those up to ``stop``."""
        proof = self._proof
        if proof is None or start > proof.at or not proof.due(stop):
            return
        scope = self._ready()
        pinned = () if self.pinned is None else (("versionId", self.pinned),)
        told: Future[Told] = Future()
        proof.asked = told
        heads: dict[str, Headers] = {}
        waiting = ["whole", "part"] if proof.count else ["whole"]

        def answered(which: str, done: Future[Headers]) -> None:
            if done.exception() is None and done.result().get("etag") == self.etag:
                heads[which] = done.result()
            with self._arrived:
                waiting.remove(which)
                if waiting:
                    return
            told.set_result(_told(heads))

        for which in tuple(waiting):
            self.requests += 1
            query = (*pinned, ("partNumber", "1")) if which == "part" else pinned
            headers = (*WITH_CHECKSUM, *self.every) if which == "whole" else self.every
            request = Request("HeadObject", "HEAD", self.bucket, self.key, query=query, headers=headers)
            asked = scope.engine.request(scope, request, lambda reply: reply.headers)
            asked.add_done_callback(partial(answered, which))

    def prove(self, start: int, data: bytes | memoryview) -> None:
        """Take bytes at ``start`` that are about to be given out; raise if with them the object is not the one in S3."""
        proof = self._proof
        if proof is None:
            return
        if proof.error is not None:
            raise proof.error
        if not proof.add(start, data) or not proof.able:
            self._unproved()
        elif proof.at == proof.size:
            self._judge(proof)

    def _judge(self, proof: Proof) -> None:
        proof.hear(wait=True)
        want = proof.want
        if want is None or not proof.able:
            self._unproved()
            return
        found = proof.found()
        if found != want.value:
            if proof.length and not self._alike(want.parts, proof.length):
                self._unproved()  # cut elsewhere than the parts were
                return
            proof.error = self._wrong(
                f"{want.kind} of what was read is {found}, S3 has {visible(want.value, 80)}: what was read before is not to be "
                "trusted either" + (_NO_MD5 if want.kind == "etag" else "")
            )
            raise proof.error
        self.verified = want.kind
        self._unproved()

    def _alike(self, count: int, length: int) -> bool:
        """Ask S3 whether the parts of the object, but for the last, all have this length."""
        scope = self._ready()
        for number in range(2, min(count, _PARTS_ASKED)):
            query = (("partNumber", str(number)), *(() if self.pinned is None else (("versionId", self.pinned),)))
            request = Request("HeadObject", "HEAD", self.bucket, self.key, query=query, headers=self.every)
            self.requests += 1
            try:
                headers = self.core.wait(scope.engine.request(scope, request, lambda reply: reply.headers), scope)
            except S3Error:
                continue
            if headers.get("content-length") != str(length):
                return False
        return True

    def _unproved(self) -> None:
        """Compare no more."""
        proof, self._proof = self._proof, None
        if proof is not None:
            proof.release()

    @property
    def _where(self) -> str:
        return visible(f"s3://{self.bucket}/{self.key}")

    # -- requests -----------------------------------------------------------------------------------------

    def _ready(self) -> Scope:
        """Return the scope to send requests in; made anew after a fork. Says so if the client was closed."""
        engine = self.core.engine
        scope = self._scope
        if scope is None or scope.engine is not engine:
            scope = self._scope = self.core.scope("read")
            link = _links.get(engine)
            if link is None:
                link = _links[engine] = Link()
            self._link = link
        return scope

    def _send(self, segment: Segment, kind: str = "") -> None:
        scope = self._ready()
        get = _Get(self, segment, scope, kind)
        segment.calls.append(get)
        scope.engine.submit(get)

    def _hedge(self, segment: Segment) -> None:
        """Send a request once more, beside the first, if that has not begun for longer than is usual."""
        calls, link = segment.calls, self._link
        if len(calls) != 1 or calls[0].began or not calls[0].tries or calls[0].age < link.patience:
            return
        if link.may_hedge():
            link.hedges += 1
            self.hedged += 1
            self._send(segment, calls[0].kind)

    def ended(self, get: _Get, error: BaseException | None) -> None:
        """Note the end of a request (on the wire's thread)."""
        segment = get.segment
        if get in segment.calls:
            segment.calls.remove(get)
        if error is not None and not segment.calls:
            segment.error = error
        with self._arrived:
            self._arrived.notify_all()

    def notify(self) -> None:
        """Wake readers: what one of them waits for has come."""
        with self._arrived:
            self._arrived.notify_all()

    def link(self) -> Link:
        """Return what is known of the way to this endpoint."""
        return self._link

    # -- the map (all with the lock held) --------------------------------------------------------------------

    def _find(self, position: int) -> Segment | None:
        segments = self._segments
        at = bisect_right(segments, position, key=_start) - 1
        if at >= 0 and position < segments[at].stop:
            return segments[at]
        return None

    def _holes(self, start: int, stop: int) -> list[Range]:
        segments = self._segments
        first = max(0, bisect_right(segments, start, key=_start) - 1)
        covered = []
        for segment in segments[first:]:
            if segment.start >= stop:
                break
            covered.append((segment.start, segment.stop))
        return plan.holes(covered, start, stop)

    def _add(self, start: int, stop: int, *, ahead: bool = False) -> None:
        segment = Segment(start, stop, ahead=ahead)
        segment.used = self._uses
        self._segments.insert(bisect_right(self._segments, start, key=_start), segment)
        self._send(segment)

    def _drop(self, segment: Segment) -> None:
        """Forget a segment, and stop what fills it."""
        self._cut_short(segment)
        if segment in self._segments:
            self._segments.remove(segment)
        MEMORY.give(segment.stop - segment.start)
        used, run = max(segment.reached, segment.start), self.access
        if run.start <= segment.at and run.stop > used:
            used = min(segment.at, run.stop)  # the run has passed over the rest
        self.wasted += segment.at - used

    def _cut_short(self, segment: Segment) -> None:
        """Stop what fills a segment; what came of it stays."""
        with segment.lock:
            winner, segment.winner = segment.winner, None
            calls, segment.calls = segment.calls, []
            if segment.at < segment.stop:
                MEMORY.give(segment.stop - segment.at)
                segment.stop = segment.at
        if winner is not None:
            winner.measure()
        for call in calls:
            call.cancel()
        if winner is not None and winner not in calls:
            winner.cancel()

    def _jumped(self) -> None:
        """The reader is elsewhere: what was asked for ahead is not wanted any more."""
        self._edge = 0
        if self._whole:
            return  # nothing was asked for but what will be kept
        large = (self.size or 0) > plan.IN_MEMORY
        for segment in list(self._segments):
            if segment.at < segment.stop and large and segment.start == 0:
                if segment.stop - segment.at >= _OPENING_SEVERED:
                    self._cut_short(segment)
            elif segment.at < segment.stop and segment.ahead:
                if segment.at == segment.start:
                    self._drop(segment)
                elif segment.stop - segment.at >= _SEVERED:
                    self._cut_short(segment)

    def _retire(self, position: int) -> None:
        """Give back what lies behind: of a run all but the last bytes, of pages those that were used longest ago."""
        tight = MEMORY.tight
        if self._whole and not tight:
            return
        limit = position - (0 if tight else plan.BEHIND)
        pages = 0
        for segment in list(self._segments):
            if segment.start >= position:
                break
            if segment.start < limit and (self.access.window or tight) and (segment.ahead or segment.start == 0):
                self._shorten(segment, limit)
        for segment in self._segments:
            if not segment.ahead and segment.at == segment.stop:
                pages += segment.stop - segment.start
        most = plan.PAGES if not tight else MIB
        while pages > most:
            old = min(
                (s for s in self._segments if s.at == s.stop and not s.ahead and not s.start <= position < s.stop),
                key=_used, default=None,
            )  # fmt: skip
            if old is None:
                return
            pages -= old.stop - old.start
            self._drop(old)

    def _shorten(self, segment: Segment, limit: int) -> None:
        """Drop the pieces of a segment that end before ``limit``."""
        gone = bisect_right(segment.ends, limit)
        if not gone:
            return
        end = segment.ends[gone - 1]
        if end == segment.stop:
            self._drop(segment)
            return
        with segment.lock:
            del segment.pieces[:gone], segment.ends[:gone]
            MEMORY.give(end - segment.start)
            segment.start = end

    def _top_up(self, position: int) -> None:
        """Ask for bytes ahead, as far as the window goes and memory allows."""
        access, size = self.access, self.size or 0
        if not access.window:
            return
        limit = min(size, position + access.window)
        edge = max(self._edge, position)
        while edge < limit:
            found = self._find(edge)
            if found is not None:
                edge = found.stop
                continue
            part = access.part
            stop = min(edge + part, size)
            if size - stop < part // 2:
                stop = size
            missing = self._holes(edge, stop)[0]
            stop = missing[1]
            if stop - position > access.window and stop < size and stop - edge == part:
                break  # not before a whole part fits
            if not MEMORY.take(stop - edge):
                access.scarce()
                break
            self._add(edge, stop, ahead=True)
            edge = stop
        self._edge = edge

    # -- reading ------------------------------------------------------------------------------------------------

    def plan(self, start: int, stop: int, *, note: bool = True) -> None:
        """See to it that bytes ``[start, stop)`` are in memory or on their way, and others that will be wanted.

        ``note``: the read is one of the file's position, and tells how the file is read.
        """
        access, size = self.access, self.size or 0
        self._ready()
        with self._lock:
            missing = self._holes(start, stop)
            if note:
                jumped = access.note(start, stop, self._link.gap)
                if jumped:
                    self._jumped()
                    if not missing:
                        access.jumps -= 1
                self._retire(start)
                if jumped and missing and stop - start <= plan.PAGE:
                    self._waits += 1
                if missing and self._worth_whole(size):
                    self._take_whole()
                    missing = self._holes(start, stop)
            if missing:
                self.misses += 1
                page = max(self._link.page, self.least)
                for first, last in missing:
                    if note and access.window:
                        last = min(max(last, first + access.part), size)
                        wanted = [(first, last)]
                    else:
                        wanted = [access.extent(first, last, size, page)]
                    for first, last in wanted:
                        for hole in self._holes(first, last):
                            for a, b in plan.cut(*hole, plan.LARGEST_PART):
                                MEMORY.take(b - a, forced=True)
                                self._add(a, b, ahead=bool(note and access.window))
            else:
                self.hits += 1
            if note and stop >= access.stop:
                self._top_up(start)
            if note and not access.window:
                self._follow(start)

    def _follow(self, start: int) -> None:
        """Ask for what the end of the file says will be read next."""
        if not self._hinted:
            last = self._segments[-1] if self._segments else None
            if last is None or last.at != self.size or start >= last.start:
                return
            self._hinted = True
            self._hints = hints.columns(b"".join(last.pieces))
        if self._hints is None:
            return
        for first, last_byte in self._hints.after(start, plan.HINTED):
            for a, b in self._holes(first, last_byte):
                if not MEMORY.take(b - a):
                    return
                self._add(a, b)

    def _worth_whole(self, size: int) -> bool:
        """Say whether to fetch all that is missing: the object is read here and there, and small, or not worth so many round trips."""
        if self._whole or self.access.kind == "exact":
            return False
        if size <= plan.IN_MEMORY:
            return self.access.jumps >= plan.JUMPS
        if size > MEMORY.limit // plan.SHARES:
            return False
        return self._link.pays(self._waits, sum(stop - start for start, stop in self._holes(0, size)))

    def _take_whole(self) -> None:
        missing = self._holes(0, self.size or 0)
        if MEMORY.take(sum(stop - start for start, stop in missing)):
            self._whole = True
            for start, stop in plan.spread(missing):
                self._add(start, stop, ahead=True)

    def piece(self, position: int, stop: int) -> tuple[int, bytes]:
        """Return a piece that holds ``position``, and where it begins; waits for bytes up to ``stop`` of one segment."""
        while True:
            with self._lock:
                segment = self._find(position)
                if segment is not None:
                    with segment.lock:  # `verify` takes back what nobody was given
                        if segment.at > position and self._ready_for(segment, stop):
                            at = bisect_right(segment.ends, position)
                            data, end = segment.pieces[at], segment.ends[at]
                            segment.used = self._uses = self._uses + 1
                            segment.reached = max(segment.reached, min(end, stop))
                            return end - len(data), data
            if segment is None:
                self.plan(position, stop, note=False)
            else:
                self._wait(segment, position, min(stop, segment.stop))

    def _ready_for(self, segment: Segment, stop: int) -> bool:
        """Say whether to give out what has come: of an object that will be compared as a whole, all that is asked for, at once."""
        if segment.start > 0 or segment.stop != self.size or segment.error is not None:
            return True
        return segment.at >= min(stop, segment.stop)

    def _wait(self, segment: Segment, position: int, upto: int) -> None:
        if segment.ahead and not segment.stalled and segment.at < upto:
            segment.stalled = True
            self.stalls += 1
            with self._lock:
                self.access.stalled()
                self._top_up(position)
        while True:
            with self._arrived:
                segment.need = upto if segment.need <= segment.at else min(segment.need, upto)
                if segment.at >= min(upto, segment.stop) or segment.error is not None:
                    segment.need = _NEVER
                    break
                self._arrived.wait(_SLICE)
            if segment.at < upto and segment.error is None:
                self._hedge(segment)
            self._check_open()
        if segment.at <= position and segment.error is not None:
            error = segment.error
            with self._lock:
                self._cut_short(segment)
                if segment.start == segment.stop and segment in self._segments:
                    self._segments.remove(segment)
            if not isinstance(error, CancelledError):  # else by a jump of another thread: it is asked for again
                raise self._translated(error)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _translated(self, error: BaseException) -> BaseException:
        """Return what a reader is told of a request's failure."""
        if isinstance(error, PreconditionFailed) and not isinstance(error, ObjectChanged):
            changed = self._changed("it has another ETag")
            changed.__cause__ = error
            return changed
        if isinstance(error, CancelledError):
            return ClientClosed(f"{self._where}: the request was cancelled", bucket=self.bucket, key=self.key)
        return error

    def fill(self, targets: Sequence[tuple[memoryview, int]], *, note: bool = False) -> None:
        """Fill buffers with the bytes at their offsets, many requests at a time; what is in memory is copied from there.

        All bytes must be there in the object.
        """
        self._ready()
        direct: deque[Segment] = deque()
        held: list[tuple[memoryview, int, int]] = []
        for buffer, start in targets:
            stop = start + len(buffer)
            with self._lock:
                if note:
                    if self.access.note(start, stop, self._link.gap):
                        self._jumped()
                    self._retire(start)
                missing = self._holes(start, stop)
            if missing:
                self.misses += 1
            else:
                self.hits += 1
            ways = plan.WAYS if len(targets) == 1 else 1
            for first, last in plan.spread(missing, ways):
                direct.append(Segment(first, last, into=buffer[first - start : last - start]))
            held += [(buffer[a - start : b - start], a, b) for a, b in plan.holes(missing, start, stop)]
        running: list[Segment] = []
        try:
            while direct and len(running) < plan.WAYS:
                running.append(direct.popleft())
                self._send(running[-1])
            if note and targets:
                with self._lock:
                    self._edge = max(self._edge, stop)
                    self._top_up(stop)
            for into, first, last in held:
                self._copy(into, first, last)
            while running:
                first_one = running[0]
                self._wait_for(first_one)
                running = [s for s in running if s.at < s.stop or s.error is not None]
                for segment in running:
                    if segment.error is not None:
                        self._check_open()
                        raise self._translated(segment.error)
                while direct and len(running) < plan.WAYS:
                    running.append(direct.popleft())
                    self._send(running[-1])
        finally:
            for segment in running:
                with segment.lock:
                    segment.into = None  # nothing is written any more
                    segment.winner = None
                for call in list(segment.calls):
                    call.cancel()

    def _wait_for(self, segment: Segment) -> None:
        """Wait for a segment that is in no map."""
        while True:
            with self._arrived:
                segment.need = segment.stop
                if segment.at >= segment.stop or segment.error is not None:
                    return
                self._arrived.wait(_SLICE)
            self._hedge(segment)
            self._check_open()

    def _copy(self, into: memoryview, start: int, stop: int) -> None:
        self.read_into(into[: stop - start], start, (0, b""))

    def read_into(self, view: memoryview, start: int, known: tuple[int, bytes]) -> tuple[int, bytes]:
        """Fill a buffer from pieces, of which one is ``known``; return the last one."""
        at, stop = start, start + len(view)
        first, data = known
        while True:
            if not first <= at < first + len(data):
                first, data = self.piece(at, stop)
            part = data[at - first : stop - first] if first < at or first + len(data) > stop else data
            view[at - start : at - start + len(part)] = part
            at += len(part)
            if at >= stop:
                return first, data

    # -- the end ----------------------------------------------------------------------------------------------------

    def stats(self) -> Stats:
        """Return the counters."""
        with self._lock:
            held = sum(s.stop - s.start for s in self._segments)
        return Stats(
            self.requests, self.received, self.served, self.wasted, self.hits, self.misses, self.stalls, self.resumed,
            self.hedged, self.access.window, held, self.access.jumps,
        )  # fmt: skip

    def close(self) -> None:
        """Stop what runs and forget what is there. May be called twice."""
        with self._lock:
            self.closed = True
            self._unproved()
            for segment in list(self._segments):
                self._drop(segment)
        self.notify()

    def after_fork(self) -> None:
        """Go on in a child process: what is there stays, what was on its way to the parent is asked for again."""
        self._lock = threading.RLock()
        self._arrived = threading.Condition()
        self._scope = None
        self._unproved()  # the answer may be on its way to the parent
        for segment in list(self._segments):
            segment.lock = threading.Lock()
            segment.calls, segment.winner, segment.error = [], None, None
            if segment.at < segment.stop:
                MEMORY.give(segment.stop - segment.at)
                segment.stop = segment.at
                if segment.start == segment.stop:
                    self._segments.remove(segment)


def _told(heads: Mapping[str, Headers]) -> Told:
    """Return what the heads of an object, and of its first part, say that can be compared."""
    want = SIZE if "whole" not in heads else expected(heads["whole"])
    if summable(want):
        length = heads["part"].get("content-length") or "" if "part" in heads else ""
        return want, int(length) if length.isdigit() else 0
    return (want if comparable(want, 0) and want.kind != "etag" else SIZE), 0


def _start(segment: Segment) -> int:
    return segment.start


def _used(segment: Segment) -> int:
    return segment.used


class _Get(Call):
    """One GET for one segment; goes on from where it was cut. Its own sink.

    ``kind`` is ``"head"`` or ``"tail"`` for the opening request, before its reply has come.
    """

    __slots__ = ("_first", "_second", "began", "guarding", "kind", "remote", "segment", "skip", "unranged")

    def __init__(self, remote: Remote, segment: Segment, scope: Scope, kind: str) -> None:
        super().__init__(scope)
        self.remote = remote
        self.segment = segment
        self.kind = kind
        self.began = False
        self.unranged = False  # the server sends everything, whatever it is asked for
        self.skip = 0
        self.guarding = False
        self._first = 0.0  # when the first piece came
        self._second = -1  # where the second begins

    @property
    def _opening(self) -> bool:
        return bool(self.kind) and not self.remote.opened.is_set()

    def make(self) -> tuple[Request, Sink | None]:
        remote, segment = self.remote, self.segment
        remote.requests += 1
        remote.link().requests += 1
        if self.tries > 1 and segment.at > segment.origin:
            remote.resumed += 1
        self._second = -1
        if self._opening and self.kind == "tail":
            asked = f"bytes=-{plan.TAIL}"
        else:
            asked = f"bytes={segment.at}-{segment.stop - 1}"
        headers = [("Range", asked), *remote.every]
        self.guarding = remote.pinned is None and remote.etag is not None and remote.guarded
        if self.guarding and remote.etag is not None:
            headers.append(("If-Match", remote.etag))
        query = () if remote.pinned is None else (("versionId", remote.pinned),)
        bulk = segment.stop - segment.at >= 256 * KIB and not self._opening
        return Request("GetObject", "GET", remote.bucket, remote.key, query=query, headers=headers, bulk=bulk), self

    # the sink

    def begin(self, status: int, headers: Headers) -> bool:
        segment, remote = self.segment, self.remote
        self._first = time.monotonic()
        remote.link().first_byte(self._first - self._sent_at)
        with segment.lock:
            if segment.winner not in (None, self) or remote.closed:
                return False
            segment.winner = self
        self.began = True
        self.skip = 0
        if self._opening:
            remote.head(self, status, headers)
        else:
            remote.check(headers.get("etag"))
            found = parse_content_range(headers.get("content-range"))
            if status == 206:
                if found is None or found[:2] != (segment.at, segment.stop):
                    got = "another part" if found is None else f"bytes {found[0]}-{found[1] - 1}"
                    raise Again(remote._wrong(f"asked for bytes {segment.at}-{segment.stop - 1}, got {got}"))
                if found[2] is not None and found[2] != remote.size:
                    raise remote._changed(f"it has {found[2]} bytes, not {remote.size}")
            else:
                self.unranged = True
                self.skip = segment.at
        for other in list(segment.calls):
            if other is not self:
                other.cancel()
        return True

    def write(self, data: bytes) -> object:
        segment = self.segment
        if self.skip:
            dropped = min(self.skip, len(data))
            self.skip -= dropped
            data = data[dropped:]
            if not data:
                return None
        with segment.lock:
            if segment.winner is not self:
                return False
            room = segment.stop - segment.at
            if len(data) > room:
                if not self.unranged:
                    raise self.remote._wrong(f"more came than the bytes {segment.start}-{segment.stop - 1}")
                data = data[:room]
            end = segment.at + len(data)
            if end == segment.stop and segment.start == 0 and end == self.remote.size and segment.into is None:
                self.remote.verify(segment, data)
            if segment.into is not None:
                segment.into[segment.at - segment.origin : end - segment.origin] = data
            else:
                segment.pieces.append(data)
                segment.ends.append(end)
            segment.at = end
        if self._second < 0:
            self._second, self._first = end, time.monotonic()  # of the first piece, no time is known
        self.remote.received += len(data)
        if end >= segment.need or end == segment.stop:
            self.remote.notify()
        return None if end < segment.stop or not self.unranged else False

    # the call

    def accept(self, reply: Reply) -> Reply:
        segment, remote = self.segment, self.remote
        if segment.winner is self:
            if self._opening and remote.size is None:
                raise remote._wrong("the reply has no head")
            if segment.at < segment.stop:
                raise Again(remote._wrong(f"the reply ended at byte {segment.at} of {segment.stop}"))
            self.measure()
        return reply

    def measure(self) -> None:
        """Tell the link how fast bytes came."""
        if self._second >= 0:
            self.remote.link().moved(self.segment.at - self._second, time.monotonic() - self._first)
            self._second = self.segment.at  # not twice

    def refused(self, error: S3Error, reply: Reply) -> bool:
        if self._opening and self.kind == "tail" and error.status in (400, 405, 416, 501):
            # the object is shorter than that, or the server knows no such ranges (rclone; Ceph of old)
            self.kind = "head"
            self.segment.stop = plan.TAIL
            return True
        if self._opening and error.status == 416:
            self.remote.empty(reply.headers)
        if error.status in (400, 501) and error.code == "NotImplemented" and self.guarding:
            self.remote.guarded = False  # every ETag is compared here in any case
            return True
        return False

    def done(self, result: Reply) -> None:
        self.remote.ended(self, None)

    def failed(self, error: BaseException) -> None:
        if self._opening and not [c for c in self.segment.calls if c is not self]:
            self.remote.refused(error)
        self.remote.ended(self, error)


_alive: weakref.WeakSet[Remote] = weakref.WeakSet()


def _after_fork() -> None:
    for remote in list(_alive):
        remote.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
