"""S3's XML: what comes in is validated, what goes out is complete.

Nothing is taken on trust: a page of a listing must be one, of the bucket and prefix that were asked for, to its last
byte. A proxy's HTML page, half a document or a document type declaration (which could define entities) is a
`MalformedReply`, never an empty result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from s3nb.text import visible

_NAMESPACE = re.compile(rb'\sxmlns="[^"<>]*"')
# XML 1.0, 2.2: the characters a document can hold. Everything else cannot even be written as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class MalformedReply(ValueError):
    """The body is not the document that S3 sends here."""


class ListedObject(NamedTuple):
    """One object of a listing; ``last_modified`` is Unix time, ``etag`` has no quotes."""

    key: str
    size: int
    etag: str | None = None
    last_modified: float | None = None
    storage_class: str | None = None
    version_id: str | None = None
    is_latest: bool = True
    is_delete_marker: bool = False


class ListPage(NamedTuple):
    """One page: objects and common prefixes, each ascending by UTF-8 bytes; the token of the next page, if any."""

    objects: list[ListedObject]
    prefixes: list[str]
    next_token: str | None


class VersionsPage(NamedTuple):
    """One page of versions and delete markers; markers of the next page, if any."""

    versions: list[ListedObject]
    prefixes: list[str]
    next_key: str | None
    next_version: str | None


class ErrorDocument(NamedTuple):
    """What S3 says of an error."""

    code: str
    message: str = ""
    request_id: str = ""
    region: str = ""


class Etagged(NamedTuple):
    """The result of Complete or Copy: the ETag without quotes, and checksums by element name."""

    etag: str
    checksums: dict[str, str]


class DeleteFailure(NamedTuple):
    """One key that was not deleted."""

    key: str
    version_id: str | None
    code: str
    message: str


class DeleteResult(NamedTuple):
    """What became of a batch; with ``quiet`` only failures are listed."""

    deleted: list[str]
    errors: list[DeleteFailure]


class Upload(NamedTuple):
    """A multipart upload that is neither completed nor aborted; ``initiated`` in Unix time."""

    key: str
    upload_id: str
    initiated: float | None


class StoredPart(NamedTuple):
    """A part that S3 holds."""

    number: int
    size: int
    etag: str


def _root(body: bytes, *names: str) -> ElementTree.Element:
    """Parse, and return the root if its name is one of ``names`` (any namespace)."""
    text = body.lstrip()
    if b"<!DOCTYPE" in text[:4096] or b"<!ENTITY" in text[:65536]:
        raise MalformedReply(f"a document type declaration has no place here: {_excerpt(body)}")
    # S3 declares one default namespace, on the root: without it all names are plain
    end = text.find(b">", text.find(b"<", 1) if text.startswith(b"<?") else 0)
    head, rest = text[: end + 1], text[end + 1 :]
    try:
        root = ElementTree.fromstring(_NAMESPACE.sub(b"", head) + rest)
    except ElementTree.ParseError as exc:
        raise MalformedReply(f"not well-formed XML ({exc}): {_excerpt(body)}") from None
    if "}" in root.tag:
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    if names and root.tag not in names:
        raise MalformedReply(f"expected {names[0]}, got {visible(root.tag, 40)}: {_excerpt(body)}")
    return root


def _excerpt(body: bytes) -> str:
    return visible(repr(body[:60].decode("utf-8", "replace")), 80)


def _time(text: str | None) -> float | None:
    """Return Unix time of an ISO 8601 time stamp."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise MalformedReply(f"not a time: {visible(repr(text), 60)}") from None


def _number(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise MalformedReply(f"not a number: {visible(repr(text), 60)}") from None


def _check_echo(root: ElementTree.Element, bucket: str, prefix: str, encoded: bool) -> None:
    name = root.findtext("Name")
    # An access point answers with the name of the bucket behind it.
    if name and name != bucket and not bucket.startswith("arn:"):
        raise MalformedReply(f"asked to list bucket {visible(bucket, 80)!r}, got {visible(name, 80)!r}")
    echoed = root.findtext("Prefix")
    if echoed is not None:
        echoed = unquote_plus(echoed) if encoded else echoed
        # white space at an end gets lost in some servers' documents
        if echoed.strip() != prefix.strip():
            raise MalformedReply(f"asked to list prefix {visible(prefix, 80)!r}, got {visible(echoed, 80)!r}")


def _truncated(root: ElementTree.Element) -> bool:
    text = (root.findtext("IsTruncated") or "").strip().lower()
    if text not in ("true", "false"):
        raise MalformedReply(f"a listing that does not say whether it ends: {visible(text, 40)!r}")
    return text == "true"


def parse_list_page(body: bytes, bucket: str, prefix: str) -> ListPage:
    """Read one page of ListObjectsV2, asked for with ``encoding-type=url``.

    Raises
    ------
    MalformedReply
        No listing; of another bucket or prefix; keys outside the prefix; a page that goes on without saying where.
    """
    root = _root(body, "ListBucketResult")
    encoded = root.findtext("EncodingType") == "url"
    _check_echo(root, bucket, prefix, encoded)
    objects: list[ListedObject] = []
    prefixes: list[str] = []
    for element in root:
        tag = element.tag
        if tag == "Contents":
            fields = {e.tag: e.text for e in element}
            key = fields.get("Key") or ""
            if encoded and ("%" in key or "+" in key):
                key = unquote_plus(key)
            if not key.startswith(prefix) or not key:
                raise MalformedReply(f"listed key {visible(key, 80)!r} is not under prefix {visible(prefix, 80)!r}")
            etag = fields.get("ETag")
            objects.append(
                ListedObject(
                    key,
                    _number(fields.get("Size")),
                    etag.strip('"') if etag else None,
                    _time(fields.get("LastModified")),
                    fields.get("StorageClass"),
                )
            )
        elif tag == "CommonPrefixes":
            for child in element:
                if child.tag == "Prefix":
                    text = child.text or ""
                    prefixes.append(unquote_plus(text) if encoded else text)
    token = None
    if _truncated(root):
        token = root.findtext("NextContinuationToken")
        if not token:
            raise MalformedReply("the listing goes on, but does not say where")
    return ListPage(objects, prefixes, token)


def parse_versions_page(body: bytes, bucket: str, prefix: str) -> VersionsPage:
    """Read one page of ListObjectVersions, asked for with ``encoding-type=url``; newest first within a key."""
    root = _root(body, "ListVersionsResult")
    encoded = root.findtext("EncodingType") == "url"
    _check_echo(root, bucket, prefix, encoded)
    versions: list[ListedObject] = []
    prefixes: list[str] = []
    for element in root:
        if element.tag in ("Version", "DeleteMarker"):
            fields = {e.tag: e.text for e in element}
            key = fields.get("Key") or ""
            marker = element.tag == "DeleteMarker"
            versions.append(
                ListedObject(
                    unquote_plus(key) if encoded else key,
                    0 if marker else _number(fields.get("Size")),
                    (fields.get("ETag") or "").strip('"') or None,
                    _time(fields.get("LastModified")),
                    fields.get("StorageClass"),
                    fields.get("VersionId"),
                    (fields.get("IsLatest") or "").lower() == "true",
                    marker,
                )
            )
        elif element.tag == "CommonPrefixes":
            text = element.findtext("Prefix") or ""
            prefixes.append(unquote_plus(text) if encoded else text)
    if not _truncated(root):
        return VersionsPage(versions, prefixes, None, None)
    key_marker = root.findtext("NextKeyMarker")
    if key_marker is None:
        raise MalformedReply("the listing goes on, but does not say where")
    return VersionsPage(
        versions, prefixes, unquote_plus(key_marker) if encoded else key_marker, root.findtext("NextVersionIdMarker")
    )


def parse_error(body: bytes) -> ErrorDocument | None:
    """Read an error document; None if the body is something else (empty, HTML, JSON)."""
    try:
        root = _root(body)
    except MalformedReply:
        return None
    if root.tag == "ErrorResponse":  # older services wrap it
        root = root.find("Error") if root.find("Error") is not None else root  # type: ignore[assignment]
    if root.tag != "Error":
        return None
    return ErrorDocument(
        (root.findtext("Code") or "").strip(),
        (root.findtext("Message") or "").strip(),
        (root.findtext("RequestId") or "").strip(),
        (root.findtext("Region") or "").strip(),
    )


def parse_initiate(body: bytes) -> str:
    """Return the upload id of CreateMultipartUpload; the root's name differs between servers."""
    upload_id = _root(body).findtext("UploadId")
    if not upload_id:
        raise MalformedReply(f"no upload id: {_excerpt(body)}")
    return upload_id


def _parse_etagged(body: bytes, *names: str) -> Etagged | ErrorDocument:
    error = parse_error(body)
    if error is not None:
        return error
    root = _root(body, *names)
    etag = (root.findtext("ETag") or "").strip().strip('"')
    if not etag:
        raise MalformedReply(f"no ETag, so nothing was stored: {_excerpt(body)}")
    return Etagged(etag, {e.tag: e.text or "" for e in root if e.tag.startswith("Checksum")})


def parse_complete(body: bytes) -> Etagged | ErrorDocument:
    """Read the reply of CompleteMultipartUpload, which may be an error in spite of its status 200."""
    return _parse_etagged(body, "CompleteMultipartUploadResult")


def parse_copy(body: bytes) -> Etagged | ErrorDocument:
    """Read the reply of CopyObject or UploadPartCopy, which may be an error in spite of its status 200."""
    return _parse_etagged(body, "CopyObjectResult", "CopyPartResult")


def parse_delete_result(body: bytes) -> DeleteResult:
    """Read the reply of DeleteObjects."""
    root = _root(body, "DeleteResult")
    deleted = [e.findtext("Key") or "" for e in root if e.tag == "Deleted"]
    errors = [
        DeleteFailure(
            e.findtext("Key") or "",
            e.findtext("VersionId") or None,
            (e.findtext("Code") or "").strip(),
            (e.findtext("Message") or "").strip(),
        )
        for e in root
        if e.tag == "Error"
    ]
    return DeleteResult(deleted, errors)


def parse_buckets(body: bytes) -> list[tuple[str, float | None]]:
    """Return name and creation time of each bucket of ListBuckets."""
    root = _root(body, "ListAllMyBucketsResult")
    found = root.find("Buckets")
    return [] if found is None else [(e.findtext("Name") or "", _time(e.findtext("CreationDate"))) for e in found]


def parse_uploads_page(body: bytes) -> tuple[list[Upload], str | None, str | None]:
    """Read one page of ListMultipartUploads: uploads, and the markers of the next page, if any."""
    root = _root(body, "ListMultipartUploadsResult")
    encoded = root.findtext("EncodingType") == "url"

    def plain(text: str | None) -> str:
        return unquote_plus(text or "") if encoded else text or ""

    uploads = [
        Upload(plain(e.findtext("Key")), e.findtext("UploadId") or "", _time(e.findtext("Initiated")))
        for e in root
        if e.tag == "Upload"
    ]
    if not _truncated(root):
        return uploads, None, None
    return uploads, plain(root.findtext("NextKeyMarker")), root.findtext("NextUploadIdMarker")


def parse_parts_page(body: bytes) -> tuple[list[StoredPart], int | None]:
    """Read one page of ListParts: parts, and the marker of the next page, if any."""
    root = _root(body, "ListPartsResult")
    parts = [
        StoredPart(_number(e.findtext("PartNumber")), _number(e.findtext("Size")), (e.findtext("ETag") or "").strip('"'))
        for e in root
        if e.tag == "Part"
    ]
    return parts, _number(root.findtext("NextPartNumberMarker")) if _truncated(root) else None


def xml_can_carry(text: str) -> bool:
    """Say whether ``text`` can stand in an XML 1.0 document."""
    return text.isascii() and text.isprintable() or not _NOT_XML.search(text)


def _escaped(text: str) -> str:
    # a bare CR is read as LF (XML 1.0, 2.11), and white space at the ends is lost in some servers
    return escape(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def build_complete(parts: Sequence[tuple[int, str, str | None]]) -> bytes:
    """Return the body of CompleteMultipartUpload for ``(number, etag, crc32 or None)`` in ascending order."""
    lines = []
    for number, etag, crc32 in parts:
        quoted = etag if etag.startswith('"') else f'"{etag}"'
        checksum = f"<ChecksumCRC32>{_escaped(crc32)}</ChecksumCRC32>" if crc32 else ""
        lines.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{_escaped(quoted)}</ETag>{checksum}</Part>")
    inner = "".join(lines)
    return (
        '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + inner + "</CompleteMultipartUpload>"
    ).encode()


def build_delete(items: Iterable[tuple[str, str | None]], *, quiet: bool) -> bytes:
    """Return the body of DeleteObjects for ``(key, version_id or None)``.

    Raises
    ------
    ValueError
        A key that XML cannot carry; such are deleted one by one.
    """
    lines = []
    for key, version in items:
        if not xml_can_carry(key):
            raise ValueError(f"XML cannot carry the key {visible(repr(key), 100)}")
        tail = f"<VersionId>{_escaped(version)}</VersionId>" if version else ""
        lines.append(f"<Object><Key>{_escaped(key)}</Key>{tail}</Object>")
    head = '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' + ("<Quiet>true</Quiet>" if quiet else "")
    return (head + "".join(lines) + "</Delete>").encode()


def read_delete(body: bytes) -> dict[str, object]:
    """Return the body of DeleteObjects as the parameters of the API call."""
    root = _root(body, "Delete")
    objects = []
    for element in root:
        if element.tag == "Object":
            version = element.findtext("VersionId")
            objects.append({"Key": element.findtext("Key") or ""} | ({"VersionId": version} if version else {}))
    return {"Objects": objects, "Quiet": root.findtext("Quiet") == "true"}


def read_complete(body: bytes) -> dict[str, object]:
    """Return the body of CompleteMultipartUpload as the parameters of the API call."""
    parts = []
    for element in _root(body, "CompleteMultipartUpload"):
        part: dict[str, object] = {"PartNumber": _number(element.findtext("PartNumber")), "ETag": element.findtext("ETag") or ""}
        crc32 = element.findtext("ChecksumCRC32")
        parts.append(part | ({"ChecksumCRC32": crc32} if crc32 else {}))
    return {"Parts": parts}
