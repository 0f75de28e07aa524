"""An object being read: its version, what of it is in memory, and the requests for the rest.

Strategy. What is in memory, or on its way, is a sorted map of disjoint *segments*; each is filled by one GET. A read is
planned against the map (`s3nb.files.plan`): holes become segments, and then the reader waits for the bytes it needs, not
for segments to be complete. The wire's thread only appends the pieces that come; they are copied once, when they are
read. Large reads have segments of their own that are in no map: their bytes go straight to where the reader wants them.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError

from s3nb.checksum import expected, of_etag
from s3nb.core import Core
from s3nb.files import hints, plan
from s3nb.files.budget import MEMORY
from s3nb.files.get import NEVER, Get, Opened, Segment
from s3nb.files.plan import Access, Range
from s3nb.files.proof import Proof, comparable
from s3nb.files.proving import Proving
from s3nb.files.stats import Stats
from s3nb.ranges import KIB, MIB, parse_content_range
from s3nb.transfer.attempt import Again
from s3nb.wire import Headers

_SLICE = 0.2  # seconds between looks of a waiting reader: at Ctrl-C, and at requests that do not begin
_PARTS = re.compile(r'-([1-9][0-9]{0,4})"?\Z')  # the end of an ETag that tells how many
_SEVERED = MIB  # bytes still to come that are worth a new connection
_OPENING_SEVERED = 512 * KIB


class Remote(Opened):
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
        super().__init__(core, bucket, key, version_id, etag, size, every)
        self.tail = access == "tail"
        self.access = Access("auto" if self.tail else access)
        self.pin = pin
        self.least = least
        self.error: BaseException | None = None  # why it could not be opened
        self._lock = threading.RLock()  # a finaliser may close the file in the middle of anything
        self._arrived = threading.Condition()
        self._segments: list[Segment] = []
        self._edge = 0  # end of what was asked for ahead
        self._whole = False
        self._waits = 0  # small reads elsewhere that had to wait for a round trip
        self._proving: Proving | None = None
        self._hints: hints.Columns | None = None
        self._hinted = not (self.tail and key.lower().endswith(".parquet"))
        self._uses = 0
        self.served = self.wasted = self.hits = self.misses = self.stalls = self.hedged = 0
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
        self.ready()
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
            raise self.translated(self.error)

    def head(self, get: Get, status: int, headers: Headers) -> None:
        """Take the head of the opening reply (on the wire's thread)."""
        segment = get.segment
        found = parse_content_range(headers.get("content-range")) if status == 206 else None
        if found is not None:
            start, stop, total = found
            if total is None:
                raise self.wrong("the reply does not say how large the object is")
            wanted = (max(0, total - plan.TAIL), total) if get.kind == "tail" else (0, min(segment.stop, total))
            if (start, stop) != wanted:
                raise Again(self.wrong(f"asked for bytes {wanted[0]}-{wanted[1] - 1}, got {start}-{stop - 1}"))
        elif status == 206:
            raise Again(self.wrong("a partial reply does not say which part it is"))
        else:
            length = headers.get("content-length")
            if length is None or not length.isdigit():
                raise self.wrong("the reply does not say how large the object is")
            start, total = 0, int(length)
            stop = total if total <= plan.IN_MEMORY else min(total, plan.OPENING)
            get.unranged = True
        etag = headers.get("etag")
        self.check(etag)
        if self.size is not None and self.size != total:
            raise self.changed(f"it has {total} bytes, not {self.size}")
        with self._lock:
            if self.closed:
                raise self.wrong("the file was closed while it was being opened")
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
            proof = Proof(total, told if comparable(told, total) else None, int(count[1]) if count else 0)
            self._proving = Proving(self, proof)
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

    def prepare(self, start: int, stop: int) -> None:
        """Ask S3 for the sum of all bytes, if somebody who has read all of them so far wants those up to ``stop``."""
        proving = self._proving
        if proving is not None:
            proving.prepare(start, stop)

    def prove(self, start: int, data: bytes | memoryview) -> None:
        """Take bytes at ``start`` that are about to be given out; raise if with them the object is not the one in S3."""
        proving = self._proving
        if proving is not None:
            proving.prove(start, data)

    # -- requests -----------------------------------------------------------------------------------------

    def _send(self, segment: Segment, kind: str = "", beside: Get | None = None) -> None:
        scope = self.ready()
        get = Get(self, segment, scope, kind)
        if beside is not None:
            get.share_patience(beside)
        segment.calls.append(get)
        scope.engine.submit(get)

    def _hedge(self, segment: Segment) -> None:
        """Send a request once more, beside the first, if that has not begun for longer than is usual."""
        calls, link = list(segment.calls), self._link
        if len(calls) == 1 and calls[0].silent(link.patience) and link.may_hedge():
            link.hedges += 1
            self.hedged += 1
            self._send(segment, calls[0].kind, calls[0])

    def ended(self, get: Get, error: BaseException | None) -> None:
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
        self.ready()
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
                    segment.need = NEVER
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
                raise self.translated(error)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def fill(self, targets: Sequence[tuple[memoryview, int]], *, note: bool = False) -> None:
        """Fill buffers with the bytes at their offsets, many requests at a time; what is in memory is copied from there.

        All bytes must be there in the object.
        """
        self.ready()
        direct: list[Segment] = []
        held: list[tuple[memoryview, int, int]] = []
        try:
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
            waiting = deque(direct)
            running: deque[Segment] = deque()
            while waiting and len(running) < plan.WAYS:
                running.append(waiting.popleft())
                self._send(running[-1])
            if note and targets:
                with self._lock:
                    self._edge = max(self._edge, stop)
                    self._top_up(stop)
            for into, first, _ in held:
                self.read_into(into, first, (0, b""))
            while running:
                self._wait_for(running[0])
                running = deque(s for s in running if s.at < s.stop or s.error is not None)
                for segment in running:
                    if segment.error is not None:
                        self._check_open()
                        raise self.translated(segment.error)
                while waiting and len(running) < plan.WAYS:
                    running.append(waiting.popleft())
                    self._send(running[-1])
        finally:
            for segment in direct:
                segment.let_go()
            for into, _, _ in held:
                into.release()

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
            proving, self._proving = self._proving, None
            if proving is not None:
                proving.end()
            for segment in list(self._segments):
                self._drop(segment)
        self.notify()

    def after_fork(self) -> None:
        """Go on in a child process: what is there stays, what was on its way to the parent is asked for again."""
        self._lock = threading.RLock()
        self._arrived = threading.Condition()
        self._scope = None
        proving, self._proving = self._proving, None
        if proving is not None:
            proving.end()  # the answer may be on its way to the parent
        for segment in list(self._segments):
            segment.lock = threading.Lock()
            segment.calls, segment.winner, segment.error = [], None, None
            if segment.at < segment.stop:
                MEMORY.give(segment.stop - segment.at)
                segment.stop = segment.at
                if segment.start == segment.stop:
                    self._segments.remove(segment)


def _start(segment: Segment) -> int:
    return segment.start


def _used(segment: Segment) -> int:
    return segment.used


_alive: weakref.WeakSet[Remote] = weakref.WeakSet()


def _after_fork() -> None:
    for remote in list(_alive):
        remote.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
