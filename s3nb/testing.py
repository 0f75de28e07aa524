"""An S3 in memory behind the wire protocol, with faults on demand: for s3nb's tests, and for yours.

>>> from s3nb import S3
>>> from s3nb.testing import Fault, MemoryWire
>>> wire = MemoryWire({"bucket": {"a.txt": b"hello"}})
>>> wire.faults.append(Fault(operation="GetObject", status=503, code="SlowDown", times=2))
>>> with S3(s3root="s3://bucket", wire=wire) as s3:
...     s3.get("a.txt").text
'hello'
"""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, quote_plus, unquote
from xml.sax.saxutils import escape

from s3nb.checksum import Expected, of_part, of_parts, whole
from s3nb.wire import FileSlice, Headers, Reply, Request, Sink, Wire, WireError
from s3nb.wire import xml as s3xml

_CLOCK = 1_767_225_600.0  # 2026-01-01: time stands still here


@dataclass
class Fault:
    """What goes wrong, with which requests, how often.

    Attributes
    ----------
    operation : str
        Regular expression for the whole name of the operation; default: any.
    key : str
        Regular expression found in the key; default: any.
    times : int or None
        How many matching requests it meets; None: all.
    per_key : bool
        Count ``times`` for each key apart.
    status, code : int, str
        Answer with this error instead.
    wire : str
        Fail with a `WireError` of this kind instead.
    after : float or None
        With ``wire``: deliver this part of the body first (0..1). A request that changes something takes effect if 1.
    flip : bool
        One bit is turned over on the way: of the body that is delivered, or of the one that is sent.
    body : bytes or None
        Deliver this in place of the reply's body, with status 200.
    then : callable or None
        Called when the fault strikes, e.g. to replace an object.
    hold : Event or None
        Do not answer before it is set; an exchange that is cancelled ends all the same.
    """

    operation: str = ".*"
    key: str = ""
    times: int | None = 1
    per_key: bool = False
    status: int = 0
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    wire: str = ""
    after: float | None = None
    flip: bool = False
    body: bytes | None = None
    then: Callable[[], object] | None = None
    hold: threading.Event | None = None
    _met: dict[str, int] = field(default_factory=dict)

    def strikes(self, request: Request) -> bool:
        """Say whether the request is met, and count it."""
        if not re.fullmatch(self.operation, request.operation) or not re.search(self.key, request.key):
            return False
        place = request.key if self.per_key else ""
        met = self._met.get(place, 0)
        if self.times is not None and met >= self.times:
            return False
        self._met[place] = met + 1
        return True


@dataclass
class Held:
    """One version of an object."""

    body: bytes
    headers: dict[str, str]
    etag: str
    version_id: str
    deleted: bool = False
    parts: tuple[int, ...] = ()  # sizes, if it was uploaded in parts


class _Exchange(Future[Reply]):
    def __init__(self) -> None:
        super().__init__()
        self.dropped = threading.Event()

    def cancel(self) -> bool:
        if self.done():
            return self.cancelled()
        self.dropped.set()
        return True

    def finish_cancel(self) -> None:
        if super().cancel():
            self.set_running_or_notify_cancel()


class _Dropped(Exception):
    pass


class MemoryWire(Wire):
    """Buckets in memory.

    Parameters
    ----------
    buckets : mapping
        Bucket -> key -> bytes.
    versioned : bool
        Keep all versions.
    piece : int
        Bytes delivered at once.
    checksum : str
        What the server keeps with each object: ``"crc64nvme"``, ``"crc32c"``, ``"crc32"``, ``"sha256"``, ``"sha1"``; ``""``:
        nothing, as old servers do. Of an object in parts it is composite, but for ``"crc64nvme"``.
    etags : bool
        ETags are MD5s; False: they only look so.

    Attributes
    ----------
    faults : list of Fault
        What goes wrong; the first that matches strikes.
    log : list of Request
        Every request that was made, in order.
    """

    def __init__(
        self,
        buckets: Mapping[str, Mapping[str, bytes]] | None = None,
        *,
        versioned: bool = False,
        piece: int = 256 * 1024,
        checksum: str = "",
        etags: bool = True,
    ) -> None:
        self._checksum = checksum
        self._etags = etags
        self.faults: list[Fault] = []
        self.log: list[Request] = []
        self.gate: threading.Event | None = None  # if set, requests wait for it before they are answered
        self._versioned = versioned
        self._piece = piece
        self._lock = threading.RLock()
        self._count = itertools.count(1)
        self._pool = ThreadPoolExecutor(8, "s3nb-memory")
        self._live: set[_Exchange] = set()
        self._closed = False
        self.buckets: dict[str, dict[str, list[Held]]] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        for bucket, contents in (buckets or {}).items():
            self.buckets[bucket] = {}
            for key, body in contents.items():
                self.store(bucket, key, body)

    # -- for tests -------------------------------------------------------------------------

    def store(
        self, bucket: str, key: str, body: bytes, headers: Mapping[str, str] | None = None, parts: tuple[int, ...] = ()
    ) -> Held:
        """Put an object directly; ``parts``: the sizes of the parts it came in."""
        with self._lock:
            held = Held(
                bytes(body),
                {k.lower(): v for k, v in (headers or {}).items()},
                self._etag(body, parts),
                f"v{next(self._count)}" if self._versioned else "null",
                parts=parts,
            )
            versions = self.buckets.setdefault(bucket, {}).setdefault(key, [])
            if not self._versioned:
                versions.clear()
            versions.append(held)
            return held

    def _etag(self, body: bytes, parts: tuple[int, ...] = ()) -> str:
        if not self._etags:
            body = b"salt" + body
        if not parts:
            return hashlib.md5(body, usedforsecurity=False).hexdigest()
        want = Expected("etag", "", "md5", len(parts))
        return f"{of_parts(want, _sums(want, body, parts))}-{len(parts)}"

    def _sum(self, held: Held) -> dict[str, str]:
        """Return the headers that tell an object's checksum."""
        name = self._checksum
        if not name:
            return {}
        if not held.parts or name == "crc64nvme":
            value, kind = whole(Expected(name), [held.body]), "FULL_OBJECT"
        else:
            want = Expected("composite", "", name, len(held.parts))
            value, kind = f"{of_parts(want, _sums(want, held.body, held.parts))}-{len(held.parts)}", "COMPOSITE"
        return {f"x-amz-checksum-{name}": value, "x-amz-checksum-type": kind}

    def body(self, bucket: str, key: str) -> bytes | None:
        """Return an object's bytes, or None."""
        held = self._current(bucket, key)
        return None if held is None else held.body

    def requests(self, operation: str = "") -> int:
        """Count the requests made, of one operation or all."""
        return sum(1 for r in self.log if not operation or r.operation == operation)

    # -- the protocol -----------------------------------------------------------------------

    def send(self, request: Request, sink: Sink | None = None) -> Future[Reply]:
        exchange = _Exchange()
        with self._lock:
            if self._closed:
                raise WireError("closed", "the client was closed")
            self.log.append(request)
            fault = next((f for f in self.faults if f.strikes(request)), None)
            self._live.add(exchange)
            self._pool.submit(self._run, exchange, request, sink, fault)
        return exchange

    def _run(self, exchange: _Exchange, request: Request, sink: Sink | None, fault: Fault | None) -> None:
        try:
            self._hold(exchange, self.gate)
            reply = self._answer(exchange, request, sink, fault)
        except BaseException as exc:
            self._live.discard(exchange)  # before anybody hears of its end
            if exchange.dropped.is_set():
                exchange.finish_cancel()
            else:
                exchange.set_exception(exc)
        else:
            self._live.discard(exchange)
            exchange.set_result(reply)

    def _hold(self, exchange: _Exchange, gate: threading.Event | None) -> None:
        while gate is not None and not gate.wait(0.02):
            if exchange.dropped.is_set():
                raise _Dropped

    def _answer(self, exchange: _Exchange, request: Request, sink: Sink | None, fault: Fault | None) -> Reply:
        if fault is not None and fault.then is not None and fault.after is None:
            fault.then()
        self._hold(exchange, fault.hold if fault is not None else None)
        if fault is not None and fault.status:
            text = f"<Error><Code>{fault.code or 'Injected'}</Code><Message>injected</Message></Error>"
            injected = Headers(pairs={"x-amz-request-id": "INJECTED", **fault.headers})
            return Reply(fault.status, injected, b"" if request.method == "HEAD" else text.encode())
        if fault is not None and fault.wire and fault.after is None:
            raise WireError(fault.wire, "injected")
        sent = self._read(exchange, request)
        if fault is not None and fault.flip and sent:
            sent = bytes([sent[0] ^ 1]) + sent[1:]
        with self._lock:
            status, headers, body = self._serve(request, sent)
        if fault is not None and fault.body is not None:
            status, body = 200, fault.body
            headers = {k: v for k, v in headers.items() if k not in ("content-range", "content-length")}
        if fault is not None and fault.flip and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        whole = len(body)
        if fault is not None and fault.wire and fault.after is not None:
            body = body[: int(whole * fault.after)]
        headers.setdefault("content-length", str(whole))
        headers.setdefault("x-amz-request-id", f"R{len(self.log)}")
        head = Headers(pairs=headers)
        stopped = False
        if request.method == "HEAD":
            body = b""
        if sink is not None and 200 <= status < 300:
            stopped = self._deliver(exchange, sink, status, head, body)
            body = b""
        if fault is not None and fault.after is not None:
            if fault.then is not None:
                fault.then()
            if fault.wire:
                raise WireError(fault.wire, "injected")
        return Reply(status, head, body, stopped)

    def _deliver(self, exchange: _Exchange, sink: Sink, status: int, headers: Headers, body: bytes) -> bool:
        try:
            if not sink.begin(status, headers):
                return True
            write = sink.write
            for at in range(0, len(body), self._piece):
                if exchange.dropped.is_set():
                    raise _Dropped
                if write(body[at : at + self._piece]) is False:
                    return True
        except _Dropped:
            raise
        except Exception as exc:
            error = WireError("sink", f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
            raise error from exc
        return False

    def _read(self, exchange: _Exchange, request: Request) -> bytes:
        body = request.body
        if body is None or isinstance(body, bytes):
            return body or b""
        assert isinstance(body, FileSlice)
        pieces = []
        for at in range(0, len(body), self._piece):
            if exchange.dropped.is_set():
                raise _Dropped
            try:
                pieces.append(body.read_at(at, self._piece))
            except OSError as exc:
                error = WireError("source", str(exc))
                error.__cause__ = exc
                raise error from exc
            body.sent = at + len(pieces[-1])
        return b"".join(pieces)

    def presign(self, request: Request, expires: int) -> str:
        return f"memory://{request.bucket}/{quote_plus(request.key)}?expires={expires}"

    def checks_uploads(self, bucket: str) -> bool:
        return False

    def signs_payload(self, bucket: str) -> bool:
        return False

    def close(self) -> None:
        with self._lock:
            self._closed = True
            live = list(self._live)
        for exchange in live:
            exchange.cancel()
        self._pool.shutdown(wait=threading.current_thread() not in self._pool._threads)

    # -- the server ---------------------------------------------------------------------------

    def _current(self, bucket: str, key: str, version: str | None = None) -> Held | None:
        versions = self.buckets.get(bucket, {}).get(key, [])
        if version is not None:
            return next((h for h in versions if h.version_id == version), None)
        return versions[-1] if versions and not versions[-1].deleted else None

    def _serve(self, request: Request, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        if request.operation == "ListBuckets":
            names = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>" for name in sorted(self.buckets))
            return 200, {}, f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode()
        if request.bucket not in self.buckets:
            return _error(404, "NoSuchBucket", request)
        handler: Callable[..., tuple[int, dict[str, str], bytes]] | None = getattr(self, f"_{request.operation}", None)
        if handler is None:
            return _error(501, "NotImplemented", request)
        return handler(request, dict(request.query), {k.lower(): v for k, v in request.headers}, sent)

    def _GetObject(self, request: Request, query: Any, headers: Any, _: bytes) -> tuple[int, dict[str, str], bytes]:
        held = self._current(request.bucket, request.key, query.get("versionId"))
        if held is None or held.deleted:
            return _error(404, "NoSuchVersion" if "versionId" in query else "NoSuchKey", request)
        if headers.get("if-match", "").strip('"') not in ("", held.etag):
            return _error(412, "PreconditionFailed", request)
        found = {**held.headers, "etag": f'"{held.etag}"', "last-modified": formatdate(_CLOCK, usegmt=True)}
        if self._versioned:
            found["x-amz-version-id"] = held.version_id
        if "partNumber" in query and held.parts:
            found["x-amz-mp-parts-count"] = str(len(held.parts))
            return 206, {**found, "content-length": str(held.parts[int(query["partNumber"]) - 1])}, b""
        if headers.get("x-amz-checksum-mode") == "ENABLED" and "range" not in headers:
            found.update(self._sum(held))
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if asked is None or request.method == "HEAD":
            return 200, {**found, "content-length": str(len(held.body))}, held.body
        size = len(held.body)
        if asked[1]:
            start, stop = int(asked[1]), min(int(asked[2] or size) + 1, size) if asked[2] else size
        else:
            start, stop = max(0, size - int(asked[2])), size
        if start >= size:
            return _error(416, "InvalidRange", request)
        found["content-range"] = f"bytes {start}-{stop - 1}/{size}"
        return 206, found, held.body[start:stop]

    _HeadObject = _GetObject

    def _PutObject(self, request: Request, _: Any, headers: Any, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        refusal = self._condition(request, headers)
        if refusal is not None:
            return refusal
        held = self.store(request.bucket, request.key, sent, _kept(headers))
        return (
            200,
            {"etag": f'"{held.etag}"', **({"x-amz-version-id": held.version_id} if self._versioned else {})},
            b"",
        )

    def _condition(self, request: Request, headers: Any) -> tuple[int, dict[str, str], bytes] | None:
        """Return the refusal of a write whose condition does not hold."""
        held = self._current(request.bucket, request.key)
        match = headers.get("if-match")
        if match is not None and held is None:
            return _error(404, "NoSuchKey", request)
        if (headers.get("if-none-match") == "*" and held is not None) or (
            match is not None and held is not None and match.strip('"') != held.etag
        ):
            return _error(412, "PreconditionFailed", request)
        return None

    def _HeadBucket(self, *_: Any) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b""

    def _UploadPartCopy(
        self, request: Request, query: Any, headers: Any, __: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        bucket, _, key = unquote(headers["x-amz-copy-source"]).partition("/")
        held = self._current(bucket, key)
        if held is None:
            return _error(404, "NoSuchKey", request)
        if headers.get("x-amz-copy-source-if-match", f'"{held.etag}"').strip('"') != held.etag:
            return _error(412, "PreconditionFailed", request)
        asked = re.fullmatch(
            r"bytes=(\d+)-(\d+)", headers.get("x-amz-copy-source-range", f"bytes=0-{len(held.body) - 1}")
        )
        assert asked is not None
        part = held.body[int(asked[1]) : int(asked[2]) + 1]
        self._UploadPart(request, query, headers, part)
        return 200, {}, f'<CopyPartResult><ETag>"{self._etag(part)}"</ETag></CopyPartResult>'.encode()

    def _DeleteObject(self, request: Request, query: Any, headers: Any, _: bytes) -> tuple[int, dict[str, str], bytes]:
        if "if-match" in headers:
            held = self._current(request.bucket, request.key)
            if held is None:
                return _error(404, "NoSuchKey", request)
            if headers["if-match"].strip('"') not in ("*", held.etag):
                return _error(412, "PreconditionFailed", request)
        self._delete(request.bucket, request.key, query.get("versionId"))
        return 204, {}, b""

    def _delete(self, bucket: str, key: str, version: str | None) -> None:
        versions = self.buckets[bucket].get(key, [])
        if version is not None:
            versions[:] = [h for h in versions if h.version_id != version]
        elif self._versioned and versions:
            versions.append(Held(b"", {}, "", f"v{next(self._count)}", deleted=True))
        else:
            self.buckets[bucket].pop(key, None)

    def _DeleteObjects(self, request: Request, _: Any, __: Any, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        lines = []
        for item in s3xml.read_delete(sent)["Objects"]:  # type: ignore[attr-defined]
            self._delete(request.bucket, item["Key"], item.get("VersionId"))
            lines.append(f"<Deleted><Key>{escape(item['Key'])}</Key></Deleted>")
        return 200, {}, f"<DeleteResult>{''.join(lines)}</DeleteResult>".encode()

    def _CopyObject(self, request: Request, _: Any, headers: Any, __: bytes) -> tuple[int, dict[str, str], bytes]:
        source, _, tail = headers["x-amz-copy-source"].partition("?versionId=")
        bucket, _, key = unquote(source).partition("/")
        held = self._current(bucket, key, tail or None)
        if held is None:
            return _error(404, "NoSuchKey", request)
        if headers.get("x-amz-copy-source-if-match", "").strip('"') not in ("", held.etag):
            return _error(412, "PreconditionFailed", request)
        own = _kept(headers) if headers.get("x-amz-metadata-directive") == "REPLACE" else held.headers
        made = self.store(request.bucket, request.key, held.body, own)
        return 200, {}, f'<CopyObjectResult><ETag>"{made.etag}"</ETag></CopyObjectResult>'.encode()

    def _CreateMultipartUpload(
        self, request: Request, _: Any, headers: Any, __: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        upload_id = f"U{next(self._count)}"
        self.uploads[upload_id] = {"key": request.key, "bucket": request.bucket, "headers": _kept(headers), "parts": {}}
        text = f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
        return 200, {}, text.encode()

    def _UploadPart(self, request: Request, query: Any, _: Any, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        upload = self.uploads.get(query["uploadId"])
        if upload is None:
            return _error(404, "NoSuchUpload", request)
        upload["parts"][int(query["partNumber"])] = sent
        return 200, {"etag": f'"{self._etag(sent)}"'}, b""

    def _CompleteMultipartUpload(
        self, request: Request, query: Any, headers: Any, sent: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        upload = self.uploads.get(query["uploadId"])
        if upload is None:
            return _error(404, "NoSuchUpload", request)
        refusal = self._condition(request, headers)
        if refusal is not None:
            return refusal
        named = [p["PartNumber"] for p in s3xml.read_complete(sent)["Parts"]]  # type: ignore[attr-defined]
        if named != sorted(upload["parts"]):
            return _error(400, "InvalidPart", request)
        parts = [upload["parts"][n] for n in named]
        if any(len(p) < 5 * 1024 * 1024 for p in parts[:-1]):
            return _error(400, "EntityTooSmall", request)
        told = headers.get("x-amz-checksum-crc32")
        if told is not None and told != whole(Expected("crc32"), parts):
            return _error(400, "BadDigest", request)
        del self.uploads[query["uploadId"]]
        made = self.store(request.bucket, request.key, b"".join(parts), upload["headers"], tuple(map(len, parts)))
        text = f'<CompleteMultipartUploadResult><ETag>"{made.etag}"</ETag></CompleteMultipartUploadResult>'
        return 200, {}, text.encode()

    def _AbortMultipartUpload(self, request: Request, query: Any, *_: Any) -> tuple[int, dict[str, str], bytes]:
        if self.uploads.pop(query["uploadId"], None) is None:
            return _error(404, "NoSuchUpload", request)
        return 204, {}, b""

    def _ListObjectsV2(self, request: Request, query: Any, *_: Any) -> tuple[int, dict[str, str], bytes]:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = min(int(query.get("max-keys", "1000")), 1000)
        token = query.get("continuation-token")
        after = query.get("start-after", "") if token is None else unquote(token)
        entries = list(self._entries(request.bucket, prefix, delimiter, after))
        page, more = entries[:limit], len(entries) > limit
        lines = [
            f"<Name>{escape(request.bucket)}</Name><Prefix>{quote_plus(prefix, safe='/')}</Prefix><EncodingType>url</EncodingType>"
        ]
        for key, held in page:
            encoded = quote_plus(key, safe="/")
            if held is None:
                lines.append(f"<CommonPrefixes><Prefix>{encoded}</Prefix></CommonPrefixes>")
            else:
                lines.append(
                    f"<Contents><Key>{encoded}</Key><Size>{len(held.body)}</Size><ETag>&quot;{held.etag}&quot;</ETag>"
                    "<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
                )
        lines.append(f"<IsTruncated>{str(more).lower()}</IsTruncated>")
        if more:
            token = quote(page[-1][0])  # a key may have what XML cannot carry
            lines.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        )
        return 200, {"content-type": "application/xml"}, (head + "".join(lines) + "</ListBucketResult>").encode()

    def _ListObjectVersions(self, request: Request, query: Any, *_: Any) -> tuple[int, dict[str, str], bytes]:
        prefix, limit = query.get("prefix", ""), min(int(query.get("max-keys", "1000")), 1000)
        after, version = query.get("key-marker", ""), query.get("version-id-marker", "")
        kept = self.buckets[request.bucket]
        rows = [
            (key, held, held is kept[key][-1])
            for key in sorted(kept, key=lambda k: k.encode("utf-8", "surrogatepass"))
            if key.startswith(prefix) and (key.encode() > after.encode() or (version and key == after))
            for held in reversed(kept[key])
        ]
        if version:
            at = next((n for n, (key, held, _) in enumerate(rows) if (key, held.version_id) == (after, version)), -1)
            rows = rows[at + 1 :]
        more = len(rows) > limit
        lines = [f"<Name>{escape(request.bucket)}</Name><Prefix>{quote_plus(prefix, safe='/')}</Prefix>"]
        lines.append(f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>")
        for key, held, latest in rows[:limit]:
            tag = "DeleteMarker" if held.deleted else "Version"
            facts = "" if held.deleted else f"<Size>{len(held.body)}</Size><ETag>&quot;{held.etag}&quot;</ETag>"
            lines.append(
                f"<{tag}><Key>{quote_plus(key, safe='/')}</Key><VersionId>{held.version_id}</VersionId>"
                f"<IsLatest>{str(latest).lower()}</IsLatest><LastModified>2026-01-01T00:00:00.000Z</LastModified>{facts}</{tag}>"
            )
        if more:
            key, held = rows[limit - 1][:2]
            lines.append(f"<NextKeyMarker>{quote_plus(key, safe='/')}</NextKeyMarker>")
            lines.append(f"<NextVersionIdMarker>{held.version_id}</NextVersionIdMarker>")
        text = f"<ListVersionsResult>{''.join(lines)}</ListVersionsResult>"
        return 200, {"content-type": "application/xml"}, text.encode()

    def _entries(self, bucket: str, prefix: str, delimiter: str, after: str) -> Iterator[tuple[str, Held | None]]:
        seen = ""
        for key in sorted(self.buckets[bucket], key=lambda k: k.encode("utf-8", "surrogatepass")):
            held = self._current(bucket, key)
            if held is None or not key.startswith(prefix):
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            entry = key if at == -1 else key[: at + len(delimiter)]
            if entry.encode() <= after.encode() or (at != -1 and entry == seen):
                continue
            if at != -1:
                seen = entry
            yield entry, held if at == -1 else None


def _sums(want: Expected, body: bytes, parts: tuple[int, ...]) -> list[bytes]:
    ends = list(itertools.accumulate(parts))
    return [of_part(want, [body[end - size : end]]) for end, size in zip(ends, parts, strict=True)]


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    kept = ("content-type", "content-encoding", "cache-control", "x-amz-server-side-encryption", "x-amz-storage-class")
    return {k: v for k, v in headers.items() if k in kept or k.startswith("x-amz-meta-")}


def _error(status: int, code: str, request: Request) -> tuple[int, dict[str, str], bytes]:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message><Key>{escape(request.key)}</Key></Error>"
    return status, {"content-type": "application/xml"}, b"" if request.method == "HEAD" else text.encode()
