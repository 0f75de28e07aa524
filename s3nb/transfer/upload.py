"""Putting one object: one PUT when small, parts in parallel when large, nothing left behind when it fails.

Strategy of a multipart upload: a few *ways*, each a chain of read-hash-send; when a way's part is stored it takes the
next. Parts of files are never in memory (the wire reads them from the file as it sends), parts of streams are, so the
number of ways bounds the memory. Whatever fails stops the others; when all have let go, the upload is aborted, outside
the cancelled scope, so that no part stays behind to be paid for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from s3nb.checksum import Digests, pieces_of
from s3nb.errors import ObjectExists, PreconditionFailed, S3Error, UploadNotFound
from s3nb.progress import Progress
from s3nb.ranges import MAX_PARTS, plan_parts, stream_part_size, upload_part_size
from s3nb.text import visible
from s3nb.transfer.attempt import Call, Scope
from s3nb.transfer.failures import no_descriptors
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.send import UNKNOWN, CompleteCall, PutCall, kind_of_sum, sum_headers
from s3nb.transfer.source import FileSource, Source
from s3nb.transfer.task import Task
from s3nb.transfer.uploads import parts, uploads
from s3nb.wire import Body, FileSlice, Reply, Request, Sink
from s3nb.wire.xml import StoredPart, parse_initiate

_INLINE = 256 * 1024  # bodies up to this size are hashed where they are: that is quicker than changing threads
_WAYS = 6
_SOON, _OPENING_TRIES = 0.2, 100  # seconds until a file is opened again when this process has too many, and how often


class PutTask(Task):
    """Put one object from a source."""

    __slots__ = (
        "_checksum", "_ended", "_etags", "_head", "_lengths", "_live", "_lock", "_next", "_number", "_of_all", "_opened",
        "_opening_tries", "_part_size", "_reading", "_resume", "_sent", "_source", "_stored", "_trouble", "_upload_id", "_ways", "md5s",
        "place",
    )  # fmt: skip

    def __init__(self, scope: Scope, place: Placed, source: Source, *, resume: bool = False) -> None:
        super().__init__(scope)
        self.place = place
        self.md5s = True
        self._source = source
        self._resume = resume and isinstance(source, FileSource)  # what it sent before can be compared
        self._stored: dict[int, StoredPart] = {}  # parts that an earlier process has sent
        self._opened = False
        self._opening_tries = 0
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._live: set[PutCall] = set()
        self._ways = 0  # chains that have not ended
        self._sent = 0
        self._head: Body | None = None  # what was read of a stream to learn that it is long
        self._next = 0  # first byte that nobody has taken
        self._number = 0
        self._ended = False  # every byte is taken
        self._part_size = 0
        self._etags: dict[int, tuple[str, str | None]] = {}
        self._lengths: dict[int, int] = {}
        self._checksum = place.checksum_of(scope.engine.config)
        self._of_all = bool(kind_of_sum(self._checksum))  # S3 is to keep a sum of all bytes
        self._upload_id = ""
        self._trouble: BaseException | None = None

    def label(self) -> str:
        return self.place.url

    def moved(self) -> int:
        return self._sent + sum(call.sent() for call in tuple(self._live))

    def expected(self) -> int | None:
        return self._source.size

    def start(self) -> None:
        if self.place.exclusive:
            # Not every server knows If-None-Match on a PUT, and one that does not would overwrite: look first.
            self.engine.submit(_LookCall(self))
        else:
            self.go()

    def go(self) -> None:
        """Begin to send."""
        source = self._source
        if source.quick and source.size is not None and source.size <= _INLINE:
            self._first()
        else:
            self.engine.work(self._guarded, self._first)

    def _later(self) -> None:
        self.engine.work(self._guarded, self._first)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as exc:
            self._wind_up(exc)

    def _first(self) -> None:
        source, config = self._source, self.engine.config
        self._opened = True
        try:
            source.open()
        except OSError as exc:
            if not no_descriptors(exc) or self._opening_tries >= _OPENING_TRIES or self.scope.cancelled:
                raise
            self._opening_tries += 1
            self.engine.clock.later(_SOON, self._later)
            return
        if source.size is not None:
            if source.size < config.multipart_threshold:
                self._put_whole(source.body(0, source.size))
                return
            self._part_size = upload_part_size(source.size, config.part_size)
            if self._resume and self._find():
                self._begin()
                return
        else:
            head = source.body(0, config.part_size)
            if len(head) < config.part_size:
                self._put_whole(head)
                return
            self._head = head
        self._initiate()

    def _put_whole(self, body: Body) -> None:
        place = self.place
        call = PutCall(self, 0, body, (*place.headers, *place.conditions()))
        self._live.add(call)
        self.engine.submit(call)
        call.hash_meanwhile()

    # -- parts --------------------------------------------------------------------------

    def _initiate(self) -> None:
        place = self.place
        headers = list(place.headers)
        if self._checksum:
            headers.append(("x-amz-checksum-algorithm", self._checksum.upper()))
            if self._of_all:
                headers += kind_of_sum(self._checksum)
        request = Request(
            "CreateMultipartUpload", "POST", place.bucket, place.key, query=(("uploads", ""),), headers=headers
        )
        future = self.engine.request(self.scope, request, lambda reply: parse_initiate(reply.body))
        future.add_done_callback(self._initiated)

    def _initiated(self, done: Future[str]) -> None:
        error = done.exception()
        if self._of_all and isinstance(error, S3Error) and (error.status == 501 or error.code in UNKNOWN):
            self._of_all = False  # a server from before 2025: it keeps a sum of the parts' sums
            self._guarded(self._initiate)
            return
        if error is not None:
            self._wind_up(error)
            return
        self._upload_id = done.result()
        self._begin()

    def _find(self) -> bool:
        """Look for an upload of this object that was begun; True if its parts are cut as ours would be."""
        place, size = self.place, self._source.size or 0
        begun = [u for u in uploads(self.scope, place.bucket, place.key) if u.key == place.key]
        for upload in sorted(begun, key=lambda u: u.initiated or 0.0, reverse=True):
            stored = {p.number: p for p in parts(self.scope, place.bucket, place.key, upload.upload_id)}
            cut = plan_parts(size, self._part_size)
            if all(n <= len(cut) and p.size == cut[n - 1].stop - cut[n - 1].start for n, p in stored.items()):
                self._upload_id, self._stored = upload.upload_id, stored
                self._of_all = False  # or it is: who began it has said so
                return True
        return False

    def _is_stored(self, number: int, body: Body) -> bool:
        """Say whether S3 has this part already, to the byte; notes it if so."""
        stored = self._stored.get(number)
        if stored is None or not isinstance(body, FileSlice):
            return False
        digests = Digests(sha256=False, md5=True)
        for piece in pieces_of(body.read_at, 0, len(body)):
            digests.update(piece)
        if stored.etag != digests.md5:
            return False
        checksum = digests.crc32 if self._checksum == "crc32" else None
        with self._lock:
            self._etags[number] = (stored.etag, checksum)
            self._lengths[number] = len(body)
        return True

    def _begin(self) -> None:
        self._ways = _WAYS
        for _ in range(_WAYS):
            self.engine.work(self._way)

    def _way(self) -> None:
        """Read, hash and send one part; when it is stored, the way goes on with the next."""
        try:
            call = None if self._trouble is not None else self._next_part()
        except BaseException as exc:
            self._trouble_with(exc)
            call = None
        if call is None:
            self._end_way()
            return
        with self._lock:
            self._live.add(call)
        self.engine.submit(call)
        if self._trouble is not None:
            call.cancel()
        call.hash_meanwhile()

    def _next_part(self) -> PutCall | None:
        with self._reading:
            number, body = self._cut()
            while len(body) and self._is_stored(number, body):
                number, body = self._cut()
        return PutCall(self, number, body, ()) if len(body) else None

    def _cut(self) -> tuple[int, Body]:
        """Take the next part of the source; an empty one when all is taken."""
        source = self._source
        if self._ended:
            return 0, b""
        number, start = self._number + 1, self._next
        if number > MAX_PARTS:
            raise S3Error(f"{visible(self.place.url)}: the stream is longer than {MAX_PARTS} parts hold")
        if source.size is None:
            stop = start + stream_part_size(number, self.engine.config.part_size)
        else:
            stop = min(start + self._part_size, source.size)
        if self._head is not None:
            body, self._head = self._head, None
        else:
            body = source.body(start, stop)
        self._number, self._next = number, start + len(body)
        if self._next < stop or self._next == source.size:
            self._ended = True
        return number, body

    def _end_way(self) -> None:
        with self._lock:
            self._ways -= 1
            if self._ways:
                return
        if self._trouble is not None:
            self._wind_up(self._trouble)
        else:
            self._complete()

    def _trouble_with(self, error: BaseException) -> None:
        """Note the first failure, and stop the parts under way."""
        with self._lock:
            if self._trouble is not None:
                return
            self._trouble = error
            others = list(self._live)
        for call in others:
            call.cancel()

    def upload_id(self) -> str:
        return self._upload_id

    def stored(self, call: PutCall, reply: Reply) -> None:
        """A body is in S3."""
        etag = call.etag
        if call.number == 0:
            try:
                self._source.check()
            except BaseException as exc:
                self._live.discard(call)
                self._wind_up(exc)
                return
            self._live.discard(call)
            self._sent += len(call.body)
            self._close()
            self.end(Stored(self.place.url, etag.strip('"'), reply.headers.peek("x-amz-version-id")))
            return
        with self._lock:
            self._live.discard(call)
            self._etags[call.number] = (etag, call.checksum)
            self._lengths[call.number] = len(call.body)
            self._sent += len(call.body)
        self.engine.work(self._way)

    def _complete(self) -> None:
        try:
            self._source.check()
        except BaseException as exc:
            self._wind_up(exc)
            return
        self.engine.submit(CompleteCall(self))

    def parts(self) -> list[tuple[int, str, str | None]]:
        return [(number, *self._etags[number]) for number in sorted(self._etags)]

    def whole_sum(self) -> list[tuple[str, str]]:
        return sum_headers(self._checksum, self.parts(), self._lengths) if self._of_all else []

    def completed(self, etag: str | None, version_id: str | None) -> None:
        """S3 has made one object of the parts."""
        self._upload_id = ""
        self._close()
        self.end(Stored(self.place.url, (etag or "").strip('"') or None, version_id))

    # -- the unhappy end ------------------------------------------------------------------

    def skipped(self) -> None:
        """An object was there, and was to be kept."""
        self._close()
        self.end(Stored(self.place.url, skipped=True), "skipped")

    def broken(self, call: PutCall, error: BaseException) -> None:
        """A call has failed for good."""
        with self._lock:
            self._live.discard(call)
        if call.number:
            self._trouble_with(error)
            self._end_way()
        elif isinstance(error, PreconditionFailed) and self.place.exclusive:
            self.skipped()
        else:
            self._wind_up(error)

    def refused_complete(self, error: BaseException) -> None:
        """The parts could not be made one object."""
        if isinstance(error, PreconditionFailed) and self.place.exclusive:
            error = ObjectExists(
                f"{visible(self.place.url)}: object exists", bucket=self.place.bucket, key=self.place.key
            )
        self._wind_up(error)

    def _wind_up(self, error: BaseException) -> None:
        if not self._upload_id:
            self._finish_failed(error)
            return
        if self._resume:
            error.add_note(
                f"{visible(self.place.url)}: what was sent is kept; resume=True goes on, abort_incomplete() ends it"
            )
            self._finish_failed(error)
            return
        upload_id, self._upload_id = self._upload_id, ""
        place = self.place
        # a scope of its own: the operation's may be cancelled, which must not cancel the cleaning up
        scope = Scope(self.engine, Progress("abort"))
        request = Request("AbortMultipartUpload", "DELETE", place.bucket, place.key, query=(("uploadId", upload_id),))
        future = self.engine.request(scope, request, lambda _: None)
        self.engine.cleaning(future)

        def aborted(done: Future[None]) -> None:
            failure = done.exception()
            if failure is not None and not isinstance(failure, UploadNotFound):
                error.add_note(
                    f"the upload {visible(upload_id)} of {visible(place.url)} could not be aborted: {failure}"
                )
            self._finish_failed(error)

        future.add_done_callback(aborted)

    def _finish_failed(self, error: BaseException) -> None:
        self._close()
        if isinstance(error, ObjectExists) and self.place.exclusive:
            self.end(Stored(self.place.url, skipped=True), "skipped")
        else:
            self.fail(error)

    def _close(self) -> None:
        if self._opened:
            self._opened = False
            self._source.close()


class _LookCall(Call):
    """Is there an object already?"""

    __slots__ = ("task",)

    def __init__(self, task: PutTask) -> None:
        super().__init__(task.scope)
        self.task = task

    def make(self) -> tuple[Request, Sink | None]:
        return Request("HeadObject", "HEAD", self.task.place.bucket, self.task.place.key), None

    def done(self, result: Any) -> None:
        self.task.skipped()

    def failed(self, error: BaseException) -> None:
        # A HEAD says 404 for a missing bucket as well: the PUT that follows then says so by name.
        if isinstance(error, S3Error) and error.status == 404:
            self.task._guarded(self.task.go)
        else:
            self.task.fail(error)
