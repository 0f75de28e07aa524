"""The requests that an upload is made of: a PUT of everything or of a part, the one that makes one object of the parts; and their sums."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from s3nb.checksum import Digests, Expected, is_md5, joined, md5_of, of_etag, pieces_of, whole
from s3nb.errors import IntegrityError, S3Error, UploadNotFound, from_reply
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Scope
from s3nb.transfer.placed import Placed
from s3nb.wire import Body, FileSlice, Held, Reply, Request, Sink
from s3nb.wire.xml import ErrorDocument, build_complete, parse_complete

# Hashing this takes no longer on the wire's thread than all else that is done there for an object. On another it would cost more
# than it takes: it lets go of the interpreter's lock, and both threads then wait for each other.
_SMALL = 64 * 1024
UNKNOWN = ("InvalidRequest", "InvalidArgument", "NotImplemented")  # what servers say of headers that they do not know
_PATIENT = 60.0  # S3 may take minutes to complete or copy, and sends blanks meanwhile


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
        elif digests.asked:
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
        if self.headers and (error.status == 501 or error.code in UNKNOWN):
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
