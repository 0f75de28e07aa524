"""One object being written by somebody who brings its bytes: parts in parallel, bounded; one PUT when small.

Strategy. Nothing is sent before there is more than one part: a file that stays below is one PUT, at its end. Then the
upload is begun, and each part is hashed and sent by others while the next one is filled; nobody waits for the reply that
begins it but the parts. A connection may be slow, so parts are small and many; all alike, as who verifies the object later
needs to know where they end. Whoever brings bytes waits while too many are under way. The object comes into being by the
last request or not at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any

from s3nb.checksum import md5_of
from s3nb.core import Core
from s3nb.errors import ClientClosed, NotFound, ObjectChanged, ObjectExists, PreconditionFailed, S3Error, UploadNotFound
from s3nb.files.budget import MEMORY
from s3nb.progress import Progress
from s3nb.ranges import MAX_PARTS, MIB, MIN_PART_SIZE, plan_parts, stream_part_size, upload_part_size
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Scope
from s3nb.transfer.copy import From
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.send import CompleteCall, PutCall, Sender, kind_of_sum, sum_headers
from s3nb.wire import Body, Reply, Request
from s3nb.wire.xml import ErrorDocument, parse_copy, parse_initiate

PART = 6 * MIB
WAYS = 16  # parts under way at once
SURE_WAYS = 8  # of them, however large they are
UNDER_WAY = 96 * MIB  # bytes of the others
_SLICE = 0.2
_FAREWELL = 5.0  # seconds that an abort waits for parts to let go, and for S3 to hear of it
_COPY_PART = 1024 * MIB


class Parts:
    """How an upload is cut."""

    def __init__(self, part_size: int = PART, *, equal: bool = False, size_hint: int | None = None) -> None:
        self.size = part_size
        self.equal = equal
        if size_hint is not None:
            self.size = max(part_size, upload_part_size(size_hint, part_size))

    def of(self, number: int) -> int:
        """Return the size of part ``number``, which may be shorter only at the end."""
        if number > MAX_PARTS:
            raise S3Error(
                f"longer than {MAX_PARTS} parts of {self.size} bytes hold: give size_hint=, or a larger part_size="
                if self.equal
                else f"longer than {MAX_PARTS} parts hold"
            )
        return self.size if self.equal else stream_part_size(number, self.size)


class Upload(Sender):
    """One object, from the first part to the last request. For one thread at a time.

    Parameters
    ----------
    core : Core
    place : Placed
        Where to, with the object's headers and the condition.
    every : sequence of (str, str)
        Headers of every request (requester pays, customer keys).
    """

    def __init__(self, core: Core, place: Placed, every: Sequence[tuple[str, str]] = ()) -> None:
        self.core = core
        self.place = place
        self.md5s = True
        self.scope = core.scope("write")
        self._every = list(every)
        self._checksum = place.checksum_of(core.config)
        self._id = ""
        self._etags: dict[int, tuple[str, str | None]] = {}
        self._lengths: dict[int, int] = {}
        self._changed = threading.Condition()
        self._live: set[PutCall] = set()
        self._beginning: Future[str] | None = None
        self._waiting: list[PutCall] = []  # for the upload's ID
        self._under_way = self._bytes = 0
        self._held: dict[int, tuple[int, int, Callable[[], object] | None]] = {}  # length, memory, file
        self._heard = self._abandoned = False  # what became of the beginning; nobody is there to hear it
        self._trouble: BaseException | None = None
        self._result: Stored | None = None
        self._number = 0

    @property
    def started(self) -> bool:
        """Whether a multipart upload has begun, or is beginning."""
        return self._beginning is not None

    @property
    def next_number(self) -> int:
        """Number of the part that comes next."""
        return self._number + 1

    # -- parts --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a multipart upload: one request, for which nobody waits but the parts. A refusal is said at the next call."""
        headers = [*self.place.headers, *self._every]
        if self._checksum:
            headers += [("x-amz-checksum-algorithm", self._checksum.upper()), *kind_of_sum(self._checksum)]
        request = Request(
            "CreateMultipartUpload",
            "POST",
            self.place.bucket,
            self.place.key,
            query=(("uploads", ""),),
            headers=headers,
        )
        engine = self.scope.engine
        # a scope of its own: an abort must hear what became of it
        self._beginning = engine.request(Scope(engine, Progress("begin")), request, lambda r: parse_initiate(r.body))
        self._beginning.add_done_callback(self._begun)

    def _begun(self, beginning: Future[str]) -> None:
        error = beginning.exception()
        with self._changed:
            waiting, self._waiting = self._waiting, []
            self._heard = True
            late = self._abandoned and error is None
            if error is not None:
                self._trouble = self._trouble or error
            elif not late:
                self._id = beginning.result()
            self._changed.notify_all()
        if late:
            self._forget(beginning.result())
        for call in waiting:
            self._submit(call)

    def _submit(self, call: PutCall) -> None:
        """Send a part: its digests and the upload's ID are known. (On any thread; does not wait.)"""
        if self._trouble is not None:
            self.broken(call, self._trouble)
            return
        self.scope.engine.submit(call)
        if self._trouble is not None:
            call.cancel()  # type: ignore[unreachable]  # mypy does not think of other threads
        else:
            self._meanwhile(call)

    def _meanwhile(self, call: PutCall) -> None:
        try:
            self.scope.engine.chores.pool.submit(call.hash_meanwhile)
        except RuntimeError:  # the interpreter is ending; who compares makes it then
            pass

    def send(self, body: Body, after: Callable[[], object] | None = None) -> None:
        """Send a part; returns when there is room for the next. ``after`` is called when it is stored, or will not be."""
        size = 0 if after is not None else len(body)
        with self._changed:
            while self._trouble is None and (
                self._crowded(len(body)) or not MEMORY.take(size, forced=self._under_way == 0)
            ):
                self._changed.wait(_SLICE)
            if self._trouble is not None:
                if after is not None:
                    after()
                raise self._trouble
            self._number = number = self._number + 1
            self._under_way += 1
            self._bytes += len(body)
            self._held[number] = (len(body), size, after)
        try:
            self.scope.engine.work(self._launch, number, body)
        except RuntimeError as exc:  # the interpreter is ending
            self._end_part(number, ClientClosed(str(exc)))
            raise

    def _launch(self, number: int, body: Body) -> None:
        try:
            if self._trouble is not None:
                raise self._trouble
            call = PutCall(self, number, body, self._every)
            with self._changed:
                self._live.add(call)
                if not self._id and self._trouble is None:
                    self._waiting.append(call)
                    return
        except BaseException as exc:
            self._end_part(number, exc)
            return
        self._submit(call)

    def _crowded(self, size: int) -> bool:
        """Say whether so many parts are under way that the next has to wait (with the lock held)."""
        if self._under_way < SURE_WAYS:
            return False
        return self._under_way >= WAYS or self._bytes + size > UNDER_WAY

    def _end_part(self, number: int, error: BaseException | None = None) -> None:
        with self._changed:
            length, size, after = self._held.pop(number, (0, 0, None))
            self._under_way -= 1
            self._bytes -= length
            if error is not None and self._trouble is None:
                self._trouble = error
            others = list(self._live) if self._trouble is not None else []
            self._changed.notify_all()
        MEMORY.give(size)
        if after is not None:
            after()
        for call in others:
            call.cancel()

    def copy(self, source: From, size: int, etag: str) -> None:
        """Make the first parts of bytes that S3 has already: ``size`` bytes of one version of ``source``."""
        self._until(lambda: bool(self._id))
        pieces = plan_parts(size, max(_COPY_PART, -(-size // 5000)))
        if len(pieces) > 1 and pieces[-1].stop - pieces[-1].start < MIN_PART_SIZE:
            pieces = plan_parts(size, -(-size // (len(pieces) - 1)))
        futures = []
        for part in pieces:
            request = Request(
                "UploadPartCopy", "PUT", self.place.bucket, self.place.key, silence=60.0,
                query=(("partNumber", str(part.number)), ("uploadId", self._id)),
                headers=(
                    ("x-amz-copy-source", source.header()),
                    ("x-amz-copy-source-range", f"bytes={part.start}-{part.stop - 1}"),
                    ("x-amz-copy-source-if-match", etag),
                    *self._every,
                ),
            )  # fmt: skip
            futures.append(self.scope.engine.request(self.scope, request, self._read_copy))
        try:
            for part, future in zip(pieces, futures, strict=True):
                self._etags[part.number] = (self._wait(future), None)
        except PreconditionFailed as exc:
            raise self._conflict(exc) from exc
        self._number = len(pieces)

    def _read_copy(self, reply: Reply) -> str:
        outcome = parse_copy(reply.body)
        if isinstance(outcome, ErrorDocument):
            raise Again(S3Error(f"{visible(self.place.url)}: {visible(outcome.code)}", code=outcome.code))
        return outcome.etag or ""

    # -- the calls report -----------------------------------------------------------------------

    def upload_id(self) -> str:
        return self._id

    def parts(self) -> list[tuple[int, str, str | None]]:
        return [(number, *self._etags[number]) for number in sorted(self._etags)]

    def whole_sum(self) -> list[tuple[str, str]]:
        return sum_headers(self._checksum, self.parts(), self._lengths)

    def stored(self, call: PutCall, reply: Reply) -> None:
        etag = call.etag
        if call.number == 0:
            self.completed(etag, reply.headers.peek("x-amz-version-id"))
            return
        with self._changed:
            self._live.discard(call)
            self._etags[call.number] = (etag, call.checksum)
            self._lengths[call.number] = len(call.body)
        self._end_part(call.number)

    def broken(self, call: PutCall, error: BaseException) -> None:
        with self._changed:
            self._live.discard(call)
        if call.number:
            self._end_part(call.number, error)
        elif isinstance(error, PreconditionFailed):
            self.scope.engine.work(self._look_why, call, error)
        else:
            self.refused_complete(error)

    def _look_why(self, call: PutCall, error: BaseException) -> None:
        """See what is in the way of a PUT under a condition: it may be our own object, or a server's reading of it."""
        place, wire = self.place, self.scope.engine.wire
        bare = (place.match or "").strip('"')
        try:
            headers = self._ask(self._head(), lambda reply: reply.headers)
            etag = (headers.get("etag") or "").strip('"')
            if call.tries > 1 and etag == md5_of(call.body):
                # the first try was stored, and its reply lost
                self.completed(etag, headers.get("x-amz-version-id"))
                return
            if bare and bare == etag and bare != place.match and not wire.checks_uploads(place.bucket):
                # Ceph's radosgw (16.2) compares with the quotes, and never finds them
                place.match = bare
                self.scope.engine.submit(
                    PutCall(self, 0, call.body, [*place.headers, *place.conditions(), *self._every])
                )
                return
        except Exception as exc:
            error.add_note(f"and nobody can say why: {exc}")
        self.refused_complete(error)

    def completed(self, etag: str | None, version_id: str | None) -> None:
        with self._changed:
            self._id = ""
            self._result = Stored(self.place.url, (etag or "").strip('"') or None, version_id)
            self._changed.notify_all()

    def refused_complete(self, error: BaseException) -> None:
        with self._changed:
            self._trouble = self._trouble or error
            self._changed.notify_all()

    # -- the end ----------------------------------------------------------------------------------

    def finish(self, body: Body) -> Stored:
        """Send the rest, and make the object. Raises, and aborts what was begun, if it cannot be made."""
        try:
            if not self.started:
                headers = [*self.place.headers, *self.place.conditions(), *self._every]
                call = PutCall(self, 0, body, headers)
                self.scope.engine.submit(call)
                call.hash_meanwhile()
            else:
                if len(body):
                    self.send(body)
                self._until(lambda: self._under_way == 0)
                if self.place.conditions() and not self.scope.engine.wire.checks_uploads(self.place.bucket):
                    self._look_first()
                self.scope.engine.submit(CompleteCall(self))
            self._until(lambda: self._result is not None)
        except BaseException as exc:
            error = self._conflict(exc)
            self.abort(error)
            if error is exc:
                raise
            raise error from exc
        assert self._result is not None
        return self._result

    def _look_first(self) -> None:
        """Look whether the condition holds: not every server that knows it for a PUT knows it for an upload in parts."""
        place = self.place
        try:
            etag = self._ask(self._head(), lambda reply: reply.headers.get("etag"))
        except NotFound:
            etag = None
        if etag is not None if place.exclusive else (etag or "").strip('"') != (place.match or "").strip('"'):
            raise PreconditionFailed(
                f"{visible(place.url)}: the condition does not hold", bucket=place.bucket, key=place.key
            )

    def _conflict(self, error: BaseException) -> BaseException:
        """Say what a condition that did not hold means."""
        place = self.place
        fields: dict[str, Any] = {"bucket": place.bucket, "key": place.key}
        if isinstance(error, S3Error) and error.code == "ConditionalRequestConflict" and place.exclusive:
            try:
                self._ask(self._head(), lambda reply: reply)
            except Exception:
                return error
            return ObjectExists(f"{visible(place.url)}: the object was made by somebody else meanwhile", **fields)
        if isinstance(error, PreconditionFailed) and not isinstance(error, (ObjectExists, ObjectChanged)):
            if place.exclusive:
                return ObjectExists(f"{visible(place.url)}: the object exists", **fields)
            return ObjectChanged(f"{visible(place.url)}: the object is not the one that was to be replaced", **fields)
        if (
            isinstance(error, NotFound)
            and place.match is not None
            and error.status == 404
            and error.code == "NoSuchKey"
        ):
            return ObjectChanged(f"{visible(place.url)}: the object that was to be replaced is gone", **fields)
        return error

    def abort(self, error: BaseException | None = None) -> None:
        """Stop all parts, and tell S3 to forget them. What goes wrong here is noted on ``error``, and never raised."""
        with self._changed:
            self._trouble = self._trouble or error or CancelledError()
            calls = list(self._live)
        self.scope.cancel()
        for call in calls:
            call.cancel()
        with self._changed:
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            self.broken(call, self._trouble)
        until = time.monotonic() + _FAREWELL
        with self._changed:
            while (self._under_way or (self.started and not self._heard)) and time.monotonic() < until:
                self._changed.wait(_SLICE)
            upload_id, self._id = self._id, ""
            self._abandoned = True
        if not upload_id:
            return
        try:
            self._forget(upload_id).result(_FAREWELL)
        except UploadNotFound:
            pass
        except Exception as exc:
            if error is not None:
                error.add_note(
                    f"the upload {visible(upload_id)} of {visible(self.place.url)} could not be aborted: "
                    f"{exc or type(exc).__name__}"
                )

    def _forget(self, upload_id: str) -> Future[None]:
        """Tell S3 to forget the parts."""
        # a scope of its own: ours is cancelled
        scope = Scope(self.core.engine, Progress("abort"))
        request = Request(
            "AbortMultipartUpload", "DELETE", self.place.bucket, self.place.key, query=(("uploadId", upload_id),)
        )
        future = scope.engine.request(scope, request, lambda _: None)
        scope.engine.cleaning(future)
        return future

    # -- asking and waiting --------------------------------------------------------------------------

    def _head(self) -> Request:
        return Request("HeadObject", "HEAD", self.place.bucket, self.place.key, headers=self._every)

    def _ask(self, request: Request, read: Callable[[Reply], Any]) -> Any:
        return self._wait(self.scope.engine.request(self.scope, request, read))

    def _wait(self, future: Future[Any]) -> Any:
        return self.core.wait(future, self.scope)

    def _until(self, ready: Callable[[], bool]) -> None:
        with self._changed:
            while not ready():
                if self._trouble is not None:
                    raise self._trouble
                self._changed.wait(_SLICE)
            if self._trouble is not None:
                raise self._trouble
