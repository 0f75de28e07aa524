"""Copying inside S3: one request up to 5 GiB, parts beyond. The bytes never come here."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from s3nb.errors import S3Error, from_reply
from s3nb.progress import Progress
from s3nb.ranges import GIB, MAX_COPY_SIZE, MIB, Part, plan_parts, upload_part_size
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Scope
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.send import combined_etag
from s3nb.transfer.task import Task
from s3nb.wire import Reply, Request
from s3nb.wire.signing import encode_key
from s3nb.wire.xml import ErrorDocument, build_complete, parse_complete, parse_copy, parse_initiate

_PATIENT = 60.0
_COPY_PART = 256 * MIB
# kept of the source's headers when the copy is made of parts, which carries nothing over by itself
_CARRIED = ("content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires")
_WAYS = 16


class From(NamedTuple):
    """What is copied; with ``etag``, only while it has that."""

    bucket: str
    key: str
    url: str
    version_id: str | None = None
    etag: str | None = None

    def header(self) -> str:
        """Return the value of ``x-amz-copy-source``: URL-encoded, as the API page asks."""
        text = f"{self.bucket}/{encode_key(self.key)}"
        return f"{text}?versionId={self.version_id}" if self.version_id else text


class CopyTask(Task):
    """Copy one object within S3. ``headers`` of the place replace the source's metadata, if there are any."""

    __slots__ = (
        "_done",
        "_etags",
        "_lock",
        "_next",
        "_parts",
        "_source_etag",
        "_source_headers",
        "_trouble",
        "_under_way",
        "_upload_id",
        "place",
        "source",
    )

    def __init__(self, scope: Scope, source: From, place: Placed, *, size: int | None = None) -> None:
        super().__init__(scope)
        self.source = source
        self.place = place
        self._lock = threading.Lock()
        self._upload_id = ""
        self._parts: list[Part] = []
        self._etags: dict[int, tuple[str, str | None]] = {}
        self._source_etag: str | None = None  # all parts come from this one version
        self._under_way = 0
        self._next = 0  # index of the part that nobody copies yet
        self._done = 0
        self._trouble: BaseException | None = None
        self._source_headers: Sequence[tuple[str, str]] = ()

    def label(self) -> str:
        return self.place.url

    def moved(self) -> int:
        return self._done

    def start(self) -> None:
        if any(n.lower().startswith("x-amz-meta-") for n, _ in self.place.headers):
            # replacing the metadata drops the source's content type and the like as well, unless they are said again
            self._ask(self._look(), lambda reply: reply, self._described)
        else:
            self._copy(())

    def _look(self) -> Request:
        query = () if self.source.version_id is None else (("versionId", self.source.version_id),)
        return Request("HeadObject", "HEAD", self.source.bucket, self.source.key, query=query)

    def _described(self, done: Future[Reply]) -> None:
        error = done.exception()
        if error is not None:
            self.fail(error)
            return
        named = {n.lower() for n, _ in self.place.headers}
        carried = [(k, v) for k, v in done.result().headers.items() if k in _CARRIED and k not in named]
        self._copy((("x-amz-metadata-directive", "REPLACE"), *carried))

    def _copy(self, more: Sequence[tuple[str, str]]) -> None:
        headers = [("x-amz-copy-source", self.source.header()), *self.place.headers, *more]
        if self.source.etag is not None:
            headers.append(("x-amz-copy-source-if-match", f'"{self.source.etag}"'))
        request = Request("CopyObject", "PUT", self.place.bucket, self.place.key, headers=headers, silence=_PATIENT)
        self._ask(request, self._read_copy, self._copied)

    def _ask(self, request: Request, read: Any, then: Any) -> None:
        self.engine.request(self.scope, request, read).add_done_callback(then)

    def _read_copy(self, reply: Reply) -> tuple[str, str | None]:
        outcome = parse_copy(reply.body)
        if isinstance(outcome, ErrorDocument):
            raise Again(
                from_reply(
                    operation="CopyObject", bucket=self.place.bucket, key=self.place.key, status=reply.status,
                    code=outcome.code, message=outcome.message or "", request_id=outcome.request_id or "",
                )
            )  # fmt: skip
        return outcome.etag, reply.headers.get("x-amz-version-id")

    def _copied(self, done: Future[tuple[str, str | None]]) -> None:
        error = done.exception()
        if error is None:
            etag, version = done.result()
            self.end(Stored(self.place.url, etag, version))
        elif isinstance(error, S3Error) and error.code in ("InvalidRequest", "EntityTooLarge") and error.status == 400:
            # perhaps over 5 GiB, which one request does not copy: ask how large it is
            self._ask(self._look(), lambda reply: reply, lambda head: self._sized(head, error))
        else:
            self.fail(self._about(error))

    def _about(self, error: BaseException) -> BaseException:
        """Return an error that names the source where S3, asked to write the target, misses the source."""
        if not isinstance(error, S3Error) or error.code not in ("NoSuchKey", "NoSuchVersion"):
            return error
        return from_reply(
            operation=error.operation, bucket=self.source.bucket, key=self.source.key, status=error.status,
            code=error.code, message="", request_id=error.request_id,
        )  # fmt: skip

    def _sized(self, done: Future[Reply], first: BaseException) -> None:
        error = done.exception()
        if error is not None:
            self.fail(error)
            return
        headers = done.result().headers
        size = int(headers.get("content-length", "0"))
        self._source_etag = headers.get("etag") if self.source.etag is None else f'"{self.source.etag}"'
        if size <= MAX_COPY_SIZE:
            self.fail(first)
            return
        self.begin_parts(size, [(k, v) for k, v in headers.items() if k in _CARRIED or k.startswith("x-amz-meta-")])

    def begin_parts(self, size: int, source_headers: Sequence[tuple[str, str]]) -> None:
        """Copy in parts of 256 MiB or more."""
        self._parts = plan_parts(size, min(upload_part_size(size, _COPY_PART), 5 * GIB))
        named = {n.lower() for n, _ in self.place.headers}
        headers = [*self.place.headers, *((n, v) for n, v in source_headers if n not in named)]
        request = Request(
            "CreateMultipartUpload",
            "POST",
            self.place.bucket,
            self.place.key,
            query=(("uploads", ""),),
            headers=headers,
        )
        self._ask(request, lambda reply: parse_initiate(reply.body), self._initiated)

    def _initiated(self, done: Future[str]) -> None:
        error = done.exception()
        if error is not None:
            self.fail(error)
            return
        self._upload_id = done.result()
        with self._lock:
            self._under_way = first = min(_WAYS, len(self._parts))
            todo = self._parts[:first]
        self._next = first
        for part in todo:
            self._copy_part(part)

    def _copy_part(self, part: Part) -> None:
        request = Request(
            "UploadPartCopy", "PUT", self.place.bucket, self.place.key, silence=_PATIENT,
            query=(("partNumber", str(part.number)), ("uploadId", self._upload_id)),
            headers=(
                ("x-amz-copy-source", self.source.header()),
                ("x-amz-copy-source-range", f"bytes={part.start}-{part.stop - 1}"),
                *((("x-amz-copy-source-if-match", self._source_etag),) if self._source_etag else ()),
            ),
        )  # fmt: skip
        self._ask(request, self._read_copy, lambda done: self._part_copied(done, part))

    def _part_copied(self, done: Future[tuple[str, str | None]], part: Part) -> None:
        error = done.exception()
        following = None
        with self._lock:
            if error is not None:
                self._trouble = self._trouble or error
            else:
                self._etags[part.number] = (done.result()[0], None)
                self._done += part.stop - part.start
            if self._trouble is None and self._next < len(self._parts):
                following = self._parts[self._next]
                self._next += 1
            else:
                self._under_way -= 1
                if self._under_way:
                    return
        if following is not None:
            self._copy_part(following)
        elif self._trouble is not None:
            self._abort(self._trouble)
        else:
            self._complete()

    def _complete(self) -> None:
        body = build_complete([(n, *self._etags[n]) for n in sorted(self._etags)])
        request = Request(
            "CompleteMultipartUpload", "POST", self.place.bucket, self.place.key, query=(("uploadId", self._upload_id),),
            headers=(("Content-Type", "application/xml"),), body=body, payload_hash=hashlib.sha256(body).hexdigest(),
            silence=_PATIENT,
        )  # fmt: skip
        self._ask(request, self._read_complete, self._completed)

    def _read_complete(self, reply: Reply) -> tuple[str | None, str | None]:
        outcome = parse_complete(reply.body)
        if isinstance(outcome, ErrorDocument):
            raise Again(
                from_reply(
                    operation="CompleteMultipartUpload", bucket=self.place.bucket, key=self.place.key, status=reply.status,
                    code=outcome.code, message=outcome.message or "", request_id=outcome.request_id or "",
                )
            )  # fmt: skip
        return outcome.etag, reply.headers.get("x-amz-version-id")

    def _completed(self, done: Future[tuple[str | None, str | None]]) -> None:
        error = done.exception()
        if error is not None:
            self._abort(error)
        else:
            etag, version = done.result()
            etag = etag or combined_etag([self._etags[number][0] for number in sorted(self._etags)])
            self.end(Stored(self.place.url, etag, version))

    def _abort(self, error: BaseException) -> None:
        scope = Scope(self.engine, Progress("abort"))  # survives the cancelling of ours
        request = Request(
            "AbortMultipartUpload", "DELETE", self.place.bucket, self.place.key, query=(("uploadId", self._upload_id),)
        )
        future = self.engine.request(scope, request, lambda _: None)
        self.engine.cleaning(future)

        def aborted(done: Future[None]) -> None:
            failure = done.exception()
            if failure is not None:
                error.add_note(f"the upload of {visible(self.place.url)} could not be aborted: {failure}")
            self.fail(error)

        future.add_done_callback(aborted)
