"""Putting one object: one PUT when small, parts in parallel when large, nothing left behind when it fails.

Strategy of a multipart upload: a few *ways*, each a chain of read-hash-send; when a way's part is stored it takes the
next. Parts of files are never in memory (the wire reads them from the file as it sends), parts of streams are, so the
number of ways bounds the memory. Whatever fails stops the others; when all have let go, the upload is aborted, outside
the cancelled scope, so that no part stays behind to be paid for.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from s3nb.checksum import Digests, Expected, is_md5, joined, md5_of, of_etag, pieces_of, whole
from s3nb.config import TransferConfig
from s3nb.errors import IntegrityError, ObjectExists, PreconditionFailed, S3Error, UploadNotFound, from_reply
from s3nb.progress import Progress
from s3nb.ranges import MAX_PARTS, plan_parts, stream_part_size, upload_part_size
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Scope
from s3nb.transfer.failures import no_descriptors
from s3nb.transfer.source import FileSource, Source
from s3nb.transfer.task import Task
from s3nb.transfer.uploads import parts, uploads
from s3nb.wire import Body, FileSlice, Held, Reply, Request, Sink
from s3nb.wire.xml import ErrorDocument, StoredPart, build_complete, parse_complete, parse_initiate

_INLINE = 256 * 1024  # bodies up to this size are hashed where they are: that is quicker than changing threads
# Hashing this takes no longer on the wire's thread than all else that is done there for an object. On another it would cost more
# than it takes: it lets go of the interpreter's lock, and both threads then wait for each other.
_SMALL = 64 * 1024
_WAYS = 6
_SOON, _OPENING_TRIES = 0.2, 100  # seconds until a file is opened again when this process has too many, and how often
_UNKNOWN = ("InvalidRequest", "InvalidArgument", "NotImplemented")  # what servers say of headers that they do not know
_PATIENT = 60.0  # S3 may take minutes to complete or copy, and sends blanks meanwhile


class Placed:
    """What to put where: bucket, key, URL, and the headers of the object.

    ``exclusive``: only if there is no object; ``match``: only in place of the one with this ETag. ``checksum``: S3's name for the
    one that is sent along, empty for none; None for what the configuration says.
    """

    __slots__ = ("bucket", "checksum", "exclusive", "headers", "key", "match", "url")

    def __init__(
        self,
        bucket: str,
        key: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        exclusive: bool = False,
        match: str | None = None,
        checksum: str | None = None,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.url = url
        self.headers = tuple(headers)
        self.exclusive = exclusive
        self.match = match
        self.checksum = checksum

    def checksum_of(self, config: TransferConfig) -> str:
        """Return S3's name of the checksum that is sent along; empty if there is none."""
        if self.checksum is not None:
            return self.checksum
        return "crc32" if config.upload_checksum else ""

    def conditions(self) -> list[tuple[str, str]]:
        """Return the headers of the request that makes the object."""
        if self.exclusive:
            return [("If-None-Match", "*")]
        return [("If-Match", self.match)] if self.match is not None else []


class Sender(Protocol):
    """Whom the calls of an upload report to."""

    scope: Scope
    place: Placed
    md5s: bool
    """The ETags of what is stored may be MD5s: of other encryptions than S3's own, and with some servers, they are none."""

    def upload_id(self) -> str:
        """Return the ID of the multipart upload."""
        ...

    def stored(self, call: PutCall, reply: Reply) -> None:
        """A body is in S3."""
        ...

    def broken(self, call: PutCall, error: BaseException) -> None:
        """A body could not be sent."""
        ...

    def parts(self) -> list[tuple[int, str, str | None]]:
        """Return number, ETag and checksum of all parts, in order."""
        ...

    def whole_sum(self) -> list[tuple[str, str]]:
        """Return the headers that tell the sum of all bytes, as far as it is known; see `sum_headers`."""
        ...

    def completed(self, etag: str | None, version_id: str | None) -> None:
        """S3 has made one object of the parts."""
        ...

    def refused_complete(self, error: BaseException) -> None:
        """The parts could not be made one object."""
        ...


class Stored:
    """What a put gave: URL, ETag, version; ``skipped`` if an object was there and was to be kept."""

    __slots__ = ("etag", "skipped", "url", "version_id")

    def __init__(
        self, url: str, etag: str | None = None, version_id: str | None = None, *, skipped: bool = False
    ) -> None:
        self.url = url
        self.etag = etag
        self.version_id = version_id
        self.skipped = skipped


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
        if self._of_all and isinstance(error, S3Error) and (error.status == 501 or error.code in _UNKNOWN):
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


class PutCall(Call):
    """One PUT: of the whole object (number 0) or of a part."""

    __slots__ = (
        "_compare",
        "_digested",
        "_hash",
        "_hashing",
        "_md5",
        "_sum",
        "_sums",
        "body",
        "checksum",
        "digests",
        "etag",
        "headers",
        "number",
        "task",
    )

    def __init__(self, task: Sender, number: int, body: Body, headers: Sequence[tuple[str, str]]) -> None:
        super().__init__(task.scope, 0 if isinstance(body, FileSlice) else len(body))
        self.task = task
        self.number = number
        self.body = body
        self.headers = tuple(headers)
        engine, place = task.scope.engine, task.place
        wire, bucket = engine.wire, place.bucket
        self._compare = engine.config.verify and not wire.checks_uploads(bucket)
        # Nothing that is sent depends on the MD5: of a body in memory it is made while that is on its way (`hash_meanwhile`); of a
        # small one when there is something to compare it with, as not every ETag is an MD5. Files are read once for all digests, as
        # long as no ETag was seen that is none.
        on_disk = not isinstance(body, (bytes, Held))
        self._md5: str | None = None
        self._hashing = threading.Lock()
        self._sum = place.checksum_of(engine.config)
        self.digests = Digests(
            sha256=wire.signs_payload(bucket), md5=self._compare and on_disk and task.md5s, crc32=self._sum == "crc32"
        )
        self._digested = False
        self._hash: str | None = None
        self.checksum: str | None = None
        self.etag = ""  # as the reply has it
        self._sums: tuple[tuple[str, str], ...] = ()
        if on_disk or len(body) > _SMALL:
            self._digest()

    def _digest(self) -> None:
        """Make what is sent along with the body."""
        self._digested = True
        body, digests = self.body, self.digests
        if isinstance(body, bytes):
            digests.update(body)
        elif isinstance(body, Held):
            digests.update(body.view)  # at once: every piece would wait for the interpreter's lock anew
        else:
            for piece in pieces_of(body.read_at, 0, len(body)):
                digests.update(piece)
        self._hash = digests.sha256
        self.checksum = self._checksum()
        if self.checksum is not None:
            self._sums = ((f"x-amz-checksum-{self._sum}", self.checksum),)

    def sent(self) -> int:
        return self.body.sent if isinstance(self.body, FileSlice) else 0

    def _checksum(self) -> str | None:
        name, body = self._sum, self.body
        if name == "crc32":
            return self.digests.crc32
        if not name:
            return None
        if isinstance(body, (bytes, Held)):
            return whole(Expected(name), [body if isinstance(body, bytes) else body.view])  # type: ignore[list-item]
        return whole(Expected(name), pieces_of(body.read_at, 0, len(body)))

    def hash_meanwhile(self) -> None:
        """Make the digest that the reply will be compared with; by who has submitted the call, and not on the wire's thread."""
        if self._compare and self.task.md5s and len(self.body) > _SMALL:
            self._md5_of_body()

    def _md5_of_body(self) -> str:
        if self.digests.md5 is not None:
            return self.digests.md5
        with self._hashing:
            if self._md5 is None:
                self._md5 = md5_of(self.body.view if isinstance(self.body, Held) else self.body)
            return self._md5

    def make(self) -> tuple[Request, Sink | None]:
        if not self._digested:
            self._digest()
        place = self.task.place
        body: Body = self.body if len(self.body) else b""
        bulk = len(body) >= 1 << 20
        if self.number == 0:
            return Request(
                "PutObject",
                "PUT",
                place.bucket,
                place.key,
                headers=self.headers,
                sums=self._sums,
                body=body,
                payload_hash=self._hash,
                bulk=bulk,
            ), None
        query = (("partNumber", str(self.number)), ("uploadId", self.task.upload_id()))
        return Request(
            "UploadPart", "PUT", place.bucket, place.key,
            query=query, headers=self.headers, sums=self._sums, body=body, payload_hash=self._hash, bulk=bulk,
        ), None  # fmt: skip

    def accept(self, reply: Reply) -> Reply:
        theirs = None if self.checksum is None else reply.headers.peek(f"x-amz-checksum-{self._sum}")
        if theirs is not None and theirs != self.checksum:
            raise Again(self._differ(self._sum.upper(), theirs, self.checksum or ""))
        etag = reply.headers.peek("etag")
        self.etag = etag or ""
        # The server may not compare anything itself, and repeat the checksum that it was told. Its ETag it computes.
        if self._compare:
            tag = of_etag(reply.headers) if is_md5(etag) else None
            if tag is None or not tag.value or tag.parts:
                self.task.md5s = (
                    False  # nor are those of the other parts, most likely: their MD5s are made if they are, after all
                )
            elif tag.value != (md5 := self._md5_of_body()):
                raise Again(self._differ("MD5", tag.value, md5))
        return reply

    def _differ(self, kind: str, theirs: str, ours: str) -> S3Error:
        place = self.task.place
        return IntegrityError(
            f"{visible(place.url)}: S3 has {kind} {visible(theirs, 40)}, sent was {ours}",
            bucket=place.bucket, key=place.key, operation="PutObject" if self.number == 0 else "UploadPart",
        )  # fmt: skip

    def refused(self, error: S3Error, reply: Reply) -> bool:
        if error.status == 501:
            # Swift knows no If-None-Match on PUT (we have looked by HEAD before), and some servers no checksums.
            # A checksum that was asked for is not left out.
            kept = tuple(h for h in self.headers if h[0] != "If-None-Match")
            sums = self._sums if self.task.place.checksum else ()
            if (kept, sums) != (self.headers, self._sums):
                self.headers, self._sums = kept, sums
                return True
        return False

    def done(self, result: Any) -> None:
        self.task.stored(self, result)

    def failed(self, error: BaseException) -> None:
        self.task.broken(self, error)


class CompleteCall(Call):
    """Make one object of the parts. S3 may say 200 and then, in the body, that it failed."""

    __slots__ = ("headers", "task")

    def __init__(self, task: Sender) -> None:
        super().__init__(task.scope)
        self.task = task
        self.headers = task.whole_sum()

    def make(self) -> tuple[Request, Sink | None]:
        task = self.task
        headers = [("Content-Type", "application/xml"), *task.place.conditions(), *self.headers]
        body = build_complete(task.parts(), task.place.checksum_of(task.scope.engine.config))
        payload = hashlib.sha256(body).hexdigest()
        return Request(
            "CompleteMultipartUpload", "POST", task.place.bucket, task.place.key,
            query=(("uploadId", task.upload_id()),), headers=headers, body=body, payload_hash=payload, silence=_PATIENT,
        ), None  # fmt: skip

    def accept(self, reply: Reply) -> tuple[str | None, str | None]:
        outcome = parse_complete(reply.body)
        if isinstance(outcome, ErrorDocument):
            raise Again(
                from_reply(
                    operation="CompleteMultipartUpload", bucket=self.task.place.bucket, key=self.task.place.key,
                    status=reply.status, code=outcome.code, message=outcome.message or "", request_id=outcome.request_id or "",
                )
            )  # fmt: skip
        return outcome.etag, reply.headers.get("x-amz-version-id")

    def refused(self, error: S3Error, reply: Reply) -> bool:
        if self.headers and (error.status == 501 or error.code in _UNKNOWN):
            self.headers = []
            return True
        return False

    def done(self, result: tuple[str | None, str | None]) -> None:
        etag, version_id = result
        self.task.completed(etag or combined_etag([part[1] for part in self.task.parts()]), version_id)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, UploadNotFound):
            # It may have been done, and only the reply was lost (also behind a proxy): look whether the object is ours.
            self.task.scope.engine.submit(_IsItOurs(self.task, error))
            return
        self.task.refused_complete(error)


class _IsItOurs(Call):
    """After a Complete whose reply was lost: the object is ours if its ETag is made of our parts."""

    __slots__ = ("error", "task")

    def __init__(self, task: Sender, error: S3Error) -> None:
        super().__init__(task.scope)
        self.task = task
        self.error = error

    def make(self) -> tuple[Request, Sink | None]:
        return Request("HeadObject", "HEAD", self.task.place.bucket, self.task.place.key), None

    def done(self, result: Reply) -> None:
        task = self.task
        etag = (result.headers.get("etag") or "").strip('"')
        if etag and etag == combined_etag([part[1] for part in task.parts()]):
            task.completed(etag, result.headers.get("x-amz-version-id"))
        else:
            task.refused_complete(self.error)

    def failed(self, error: BaseException) -> None:
        self.task.refused_complete(self.error if isinstance(error, S3Error) else error)


def kind_of_sum(name: str) -> list[tuple[str, str]]:
    """Return the header that asks for a sum of all bytes, not of the parts' sums: it can be compared in whatever pieces one reads.

    Of the SHAs there is none.
    """
    return [("x-amz-checksum-type", "FULL_OBJECT")] if name.startswith("crc") else []


def sum_headers(
    name: str, parts: Sequence[tuple[int, str, str | None]], lengths: Mapping[int, int]
) -> list[tuple[str, str]]:
    """Return the headers of the last request of an upload that has such a sum: S3 compares it with what it has.

    It is not known if some parts were copied within S3.
    """
    headers = kind_of_sum(name)  # said again: MinIO has versions that take silence for the other kind
    whole = joined(name, ((value, lengths.get(number, 0)) for number, _, value in parts)) if headers else None
    return headers if whole is None else [*headers, (f"x-amz-checksum-{name}", whole)]


def combined_etag(etags: Sequence[str]) -> str | None:
    """Return the ETag that S3 gives an object of these parts, or None if a part's ETag is no MD5."""
    try:
        joined = b"".join(bytes.fromhex(e.strip('"')) for e in etags)
    except ValueError:
        return None
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"
