"""The requests of a preview: the beginning of an object, what S3 says of it, and whatever else its format needs.

Two requests at the same time: a GET of the first bytes, and a HEAD, which alone has the checksum. Then, if the object has
tags, one for them; and for formats that keep their facts at their end, ranged GETs, pinned to the version of the first.
No more bytes than asked for are taken, also from servers that ignore ranges.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from s3nb import plain
from s3nb.core import Core
from s3nb.errors import AccessDenied, IntegrityError, InvalidRange, ObjectChanged, PreconditionFailed, S3Error
from s3nb.model import S3Object
from s3nb.preview.decode import decode
from s3nb.preview.model import Limits, TooMuch, Window
from s3nb.preview.show import Preview
from s3nb.ranges import parse_content_range
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Scope
from s3nb.transfer.wanted import Wanted
from s3nb.wire import Headers, Reply, Request, Sink


def preview(core: Core, wanted: Wanted, limits: Limits) -> Preview:
    """Preview one object.

    Raises
    ------
    ObjectNotFound, AccessDenied, ...
        As for `S3.get`.
    ObjectChanged
        It was replaced while this looked at it.
    """
    scope = core.scope("preview", 1)
    head = _Peek(scope, wanted, 0, limits.head)
    engine = core.engine
    engine.submit(head)
    asked: Future[Any] = engine.request(scope, _head_request(wanted), lambda reply: reply.headers)
    try:
        _, data, total, headers = core.wait(head.future, scope)
    except InvalidRange:  # an empty object has no first byte
        headers = core.wait(asked, scope)
        data, total = b"", 0
    try:
        said = core.wait(asked, scope)
    except S3Error:
        said = headers  # it was there a moment ago; what the GET has said must do
    etag = headers.get("etag")

    def more(start: int, stop: int) -> bytes:
        call = _Peek(scope, wanted, start, stop, etag)
        engine.submit(call)
        at, piece, _, _ = core.wait(call.future, scope)
        if at != start or len(piece) != stop - start:
            raise TooMuch("the server does not give ranges of it")
        return bytes(piece)

    window = Window(data, total, wanted.key, headers.get("content-type", ""), limits, more)
    content = decode(window)
    every = {**said, **headers} if said.get("etag") == etag else dict(headers)
    tags = _tags(core, scope, wanted) if _has_tags(every) else ({} if "x-amz-tagging-count" in every else None)
    return Preview(wanted.url, total, window.fetched, content, about(every, wanted.url), tags, every, data)


def local(item: S3Object, limits: Limits) -> Preview:
    """Preview an object that was fetched, without asking anybody."""
    data = item.blob or b""
    headers = item.headers or {}

    def more(start: int, stop: int) -> bytes:
        return data[start:stop]

    window = Window(data[: limits.head], len(data), item.object_key, headers.get("content-type", ""), limits, more)
    content = decode(window)
    return Preview(item.url, len(data), window.fetched, content, about(headers, item.url), None, headers, window.head)


def about(headers: dict[str, str], url: str) -> list[tuple[str, str]]:
    """Return what the headers of an object say, in the order of a person's interest; raw."""
    item = S3Object(None, url, size=0, headers=headers)
    skip = ("url", "size", "range")
    found = [pair for pair in plain.pairs(item) if pair[0] not in skip]
    names = [("cache-control", "cache_control"), ("content-encoding", "content_encoding"), ("content-language", "content_language"),
             ("content-disposition", "content_disposition"), ("expires", "expires"),
             ("x-amz-expiration", "expiration"), ("x-amz-restore", "restore"), ("x-amz-replication-status", "replication"),
             ("x-amz-object-lock-mode", "object_lock"), ("x-amz-server-side-encryption-aws-kms-key-id", "kms_key"),
             ("x-amz-website-redirect-location", "redirect")]  # fmt: skip
    found += [(name, headers[header]) for header, name in names if headers.get(header)]
    sums = [(k.removeprefix("x-amz-checksum-"), v) for k, v in headers.items() if k.startswith("x-amz-checksum-")]
    kind = dict(sums).get("type", "").lower().replace("_", " ")
    found += [
        ("checksum", f"{name} {value}" + (f" ({kind})" if kind else "")) for name, value in sums if name != "type"
    ]
    return found


def _has_tags(headers: dict[str, str]) -> bool:
    return headers.get("x-amz-tagging-count", "0") != "0"


def _tags(core: Core, scope: Scope, wanted: Wanted) -> dict[str, str] | None:
    request = Request("GetObjectTagging", "GET", wanted.bucket, wanted.key, query=(*wanted.query(), ("tagging", "")))
    try:
        found: dict[str, str] = core.wait(core.engine.request(scope, request, _parse_tags), scope)
    except AccessDenied:
        return None
    return found


def _parse_tags(reply: Reply) -> dict[str, str]:
    if b"<!" in reply.body or len(reply.body) > 64 * 1024:  # no document types, and ten tags are short
        return {}
    try:
        root = ElementTree.fromstring(reply.body)
    except ElementTree.ParseError:
        return {}
    names = [(node.tag.rpartition("}")[2], node.text or "") for node in root.iter()]
    keys = [text for name, text in names if name == "Key"]
    values = [text for name, text in names if name == "Value"]
    return dict(zip(keys, values, strict=False))


def _head_request(wanted: Wanted) -> Request:
    return Request(
        "HeadObject",
        "HEAD",
        wanted.bucket,
        wanted.key,
        query=wanted.query(),
        headers=(("x-amz-checksum-mode", "ENABLED"),),
    )


class _Peek(Call):
    """A GET of bytes ``[start, stop)`` that takes no more than those. The future gives (start, bytes, total, headers)."""

    __slots__ = ("etag", "future", "sink", "start", "stop", "wanted")

    def __init__(self, scope: Scope, wanted: Wanted, start: int, stop: int, etag: str | None = None) -> None:
        super().__init__(scope)
        self.wanted = wanted
        self.start = start
        self.stop = stop
        self.etag = etag
        self.future: Future[tuple[int, bytes, int, Headers]] = Future()
        self.sink: _Few | None = None

    def make(self) -> tuple[Request, Sink | None]:
        wanted = self.wanted
        headers: Sequence[tuple[str, str]] = (("Range", f"bytes={self.start}-{self.stop - 1}"),)
        if self.etag:
            headers = (*headers, ("If-Match", self.etag))
        self.sink = _Few(self.stop - self.start)
        request = Request("GetObject", "GET", wanted.bucket, wanted.key, query=wanted.query(), headers=headers)
        return request, self.sink

    def accept(self, reply: Reply) -> tuple[int, bytes, int, Headers]:
        assert self.sink is not None
        data = bytes(self.sink.data)
        found = parse_content_range(reply.headers.get("content-range"))
        if found is not None:
            start, stop, total = found
        else:
            length = reply.headers.get("content-length")
            if length is None and not reply.stopped:
                length = str(len(data))
            start, stop, total = 0, int(length or 0), int(length or 0)
        if self.etag and reply.headers.get("etag") != self.etag:
            raise self._changed()
        whole = min(stop, start + self.stop - self.start) - start
        if total is None or len(data) < whole:
            raise Again(IntegrityError(f"{visible(self.wanted.url)}: {len(data)} bytes came in place of {whole}"))
        return start, data[:whole], total, reply.headers

    def _changed(self) -> S3Error:
        wanted = self.wanted
        return ObjectChanged(f"{visible(wanted.url)}: it was replaced meanwhile", bucket=wanted.bucket, key=wanted.key)

    def done(self, result: Any) -> None:
        self.future.set_result(result)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, PreconditionFailed) and self.etag:
            error = self._changed()
        self.future.set_exception(error)


class _Few:
    """A sink that has enough after so many bytes."""

    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self._most = most

    def begin(self, status: int, headers: Headers) -> bool:
        return True

    @property
    def write(self) -> Callable[[bytes], object]:
        return self._take

    def _take(self, piece: bytes) -> object:
        room = self._most - len(self.data)
        self.data += piece[:room]
        return len(piece) <= room  # a body that ends there leaves a connection that can be used again


def limited(head: int | None, rows: int | None) -> Limits:
    """Return limits with what the caller asked for.

    Raises
    ------
    ValueError
        More bytes or rows than a preview may have, or none.
    """
    found = Limits()
    if head is not None:
        if not 1 <= head <= found.fetched:
            raise ValueError(f"limit must be 1 to {found.fetched:,} bytes, not {head!r}")
        found = replace(found, head=head)
    if rows is not None:
        if not 1 <= rows <= 10_000:
            raise ValueError(f"rows must be 1 to 10,000, not {rows!r}")
        found = replace(found, rows=rows, lines=max(rows, 1))
    return found
