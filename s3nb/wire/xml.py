"""S3's XML: what comes in is validated, what goes out is complete.

Nothing is taken on trust: a page of a listing must be one, of the bucket and prefix that were asked for, to its last
byte. A proxy's HTML page, half a document or a document type declaration (which could define entities) is a
`MalformedReply`, never an empty result.

Keys in listings come URL-encoded, as we ask for ``encoding-type=url``: XML 1.0 cannot carry all of Unicode. It is the
encoding of forms, where ``+`` is a space (AWS writes a space as ``+`` and a plus sign as ``%2B``; radosgw and moto
write a space as ``%20``). Tokens and version ids are not encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import compress, repeat
from typing import NamedTuple, overload
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

from s3nb.text import visible

_NAMESPACE = re.compile(rb'\sxmlns="[^"<>]*"')
# XML 1.0, 2.2: the characters a document can hold. Everything else cannot even be written as a reference.
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # compiled when first needed, which takes 3 ms


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


class Rows(Sequence[ListedObject]):
    """Objects of a page, in columns: an object is made when it is asked for.

    Strategy: of a long listing a hundred pages are held, and the collector of garbage looks at each tuple of them again and again, but
    only once at a list of text or numbers. Time stamps become Unix time when somebody looks, which takes longer than to read them.
    """

    __slots__ = ("etags", "keys", "kinds", "sizes", "stamps")

    def __init__(
        self,
        keys: list[str],
        sizes: list[int],
        etags: list[str | None],
        stamps: list[datetime | None],
        kinds: list[str | None],
    ) -> None:
        self.keys = keys
        self.sizes = sizes
        self.etags = etags
        self.stamps = stamps
        self.kinds = kinds

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[ListedObject]:
        times = map(datetime.timestamp, self.stamps) if all(self.stamps) else map(unix_time, self.stamps)  # type: ignore[arg-type]
        rows = zip(self.keys, self.sizes, self.etags, times, self.kinds, repeat(None), repeat(True), repeat(False))
        return map(tuple.__new__, repeat(ListedObject), rows)

    @overload
    def __getitem__(self, index: int) -> ListedObject: ...

    @overload
    def __getitem__(self, index: slice) -> Rows: ...

    def __getitem__(self, index: int | slice) -> ListedObject | Rows:
        if isinstance(index, slice):
            return Rows(
                self.keys[index], self.sizes[index], self.etags[index], self.stamps[index], self.kinds[index]
            )  # fmt: skip
        return ListedObject(
            self.keys[index], self.sizes[index], self.etags[index], unix_time(self.stamps[index]), self.kinds[index]
        )  # fmt: skip

    def behind(self, key: str) -> Rows:
        """Return those behind a key, if they come in no order."""
        wanted = [other > key for other in self.keys]
        columns = (self.keys, self.sizes, self.etags, self.stamps, self.kinds)
        return Rows(*[[*compress(column, wanted)] for column in columns])  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (list, Rows)) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


def unix_time(stamp: datetime | None) -> float | None:
    """Return what a listing's time stamp is as Unix time."""
    return None if stamp is None else stamp.timestamp()


class ListPage(NamedTuple):
    """One page: objects and common prefixes, each ascending by UTF-8 bytes; the token of the next page, if any."""

    objects: Rows
    prefixes: list[str]
    next_token: str | None


class VersionsPage(NamedTuple):
    """One page of versions and delete markers; markers of the next page, if any."""

    versions: list[ListedObject]
    prefixes: list[str]
    next_key: str | None
    next_version: str | None

    @property
    def next_token(self) -> tuple[str, str | None] | None:
        """Both markers."""
        return None if self.next_key is None else (self.next_key, self.next_version)

    @property
    def last(self) -> str:
        """The greatest key."""
        return max([v.key for v in self.versions], default="")


class ErrorDocument(NamedTuple):
    """What S3 says of an error.

    Nothing else is kept of the document: ``Token-0`` and ``CanonicalRequest`` hold the session token.
    """

    code: str
    message: str = ""
    request_id: str = ""
    region: str = ""
    host_id: str = ""


class Etagged(NamedTuple):
    """The result of a copy: the ETag without quotes, and checksums by element name."""

    etag: str
    checksums: dict[str, str]


class Completed(NamedTuple):
    """The result of a multipart upload; ``etag`` is None if the server does not tell (radosgw leaves it empty)."""

    etag: str | None
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
    """Parse, and return the root if its name is one of ``names``; tags of any namespace become plain names.

    Strategy: S3 declares one default namespace, on the root. Taken out before parsing, all tags are plain at once, and
    a long page takes a sixth less time. Wherever another one is declared, tags are renamed after parsing.
    """
    text = body.lstrip()
    # The encoding is fixed below, whatever the document declares, so these bytes cannot come in disguise.
    if b"<!DOCTYPE" in text:
        raise MalformedReply(f"a document type declaration has no place here: {_excerpt(body)}")
    end = text.find(b">", text.find(b"<", 1) if text.startswith(b"<?") else 0) + 1
    head, rest = _NAMESPACE.sub(b"", text[:end]), text[end:]
    parser = ElementTree.XMLParser(encoding="utf-8")
    try:
        parser.feed(head)
        parser.feed(rest)
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as exc:
        raise MalformedReply(f"not well-formed XML ({visible(str(exc), 80)}): {_excerpt(body)}") from None
    if b"xmlns" in head or b"xmlns" in rest:
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
    if names and root.tag not in names:
        raise MalformedReply(f"expected {names[0]}, got {visible(root.tag, 40)}: {_excerpt(body)}")
    return root


def _excerpt(body: bytes) -> str:
    return visible(repr(body[:60].decode("utf-8", "replace")), 80)


def _stamp(text: str | None) -> datetime | None:
    """Read an ISO 8601 time stamp; UTC unless it says otherwise."""
    if not text:
        return None
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        raise MalformedReply(f"not a time: {visible(repr(text), 60)}") from None
    return stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)


def _time(text: str | None) -> float | None:
    """Return Unix time of such a time stamp."""
    return unix_time(_stamp(text))


def _number(text: str | None) -> int:
    # int() alone also takes signs, underscores, and digits of any script
    digits = (text or "").strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise MalformedReply(f"not a number: {visible(repr(text), 60)}")
    return int(digits)


def _unquote(text: str) -> str:
    """Undo ``encoding-type=url``."""
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise MalformedReply(f"not URL-encoded UTF-8: {visible(repr(text), 80)}") from None


def _as_is(text: str) -> str:
    return text


def _decoder(root: ElementTree.Element) -> Callable[[str], str]:
    # asked for is not done: some servers ignore encoding-type, and then do not echo it
    return _unquote if (root.findtext("EncodingType") or "").strip().lower() == "url" else _as_is


def _unquoted(etag: str | None) -> str | None:
    """Return an ETag without its quotation marks, which some servers leave out anyway."""
    return (etag.strip().strip('"') or None) if etag else None


def _check_echo(root: ElementTree.Element, bucket: str, prefix: str, decode: Callable[[str], str]) -> None:
    name = root.findtext("Name")
    # An access point (by ARN or alias) answers with the name of the bucket behind it; in radosgw a name
    # may have its tenant in front ("tenant:bucket").
    if (
        name
        and name not in (bucket, bucket.rpartition(":")[2])
        and not bucket.startswith("arn:")
        and not bucket.endswith(("-s3alias", "--ol-s3"))
    ):
        raise MalformedReply(f"asked to list bucket {visible(bucket, 80)!r}, got {visible(name, 80)!r}")
    echoed = root.findtext("Prefix")
    # radosgw encodes keys but not this
    if echoed is not None and _blurred(prefix) not in (_blurred(echoed), _blurred(decode(echoed))):
        raise MalformedReply(f"asked to list prefix {visible(prefix, 80)!r}, got {visible(echoed, 80)!r}")


def _blurred(text: str) -> str:
    """Leave out what gets lost in documents: white space at the ends, and the kinds of line breaks (XML 1.0, 2.11)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _key(text: str | None, prefix: str, decode: Callable[[str], str]) -> str:
    key = decode(text or "")
    if not key or not key.startswith(prefix):
        raise MalformedReply(f"listed key {visible(key, 80)!r} is not under prefix {visible(prefix, 80)!r}")
    return key


def _truncated(root: ElementTree.Element) -> bool:
    text = (root.findtext("IsTruncated") or "").strip().lower()
    if text not in ("true", "false"):
        raise MalformedReply(f"a listing that does not say whether it ends: {visible(text, 40)!r}")
    return text == "true"


# An object as AWS, radosgw, moto and most others write it. Anything but "<" stands for text that is looked at later: no other class is
# matched as fast.
_ROW = re.compile(
    r"<Contents><Key>([^<]++)</Key><LastModified>([^<]++)</LastModified><ETag>([^<]++)</ETag>"
    r"(?:<ChecksumAlgorithm>[^<&]*+</ChecksumAlgorithm>|<ChecksumType>[^<&]*+</ChecksumType>)*+"
    r"<Size>([^<]{1,20}+)</Size>(?:<StorageClass>([^<]++)</StorageClass>)?+"
    r"(?:<Owner>(?:<ID>[^<&]*+</ID>|<DisplayName>[^<&]*+</DisplayName>)*+</Owner>)?+(?:<Type>[^<&]*+</Type>)?+</Contents>\s*+"
)
_FIELDS = _ROW.groups + 1  # of `split`: what stands before a row, and its groups
_QUOTES = ("&quot;", "&#34;", '"', "")


def _rows(raw: bytes) -> Rows | None:
    """Read rows that are all of the usual form, keys as they stand; None if they are not.

    Strategy: a regular expression cuts them into columns, and a column is looked at as a whole, as one text: nothing is done
    a key that could be done a page. It takes all or nothing: one row that is different, anything between two, or text
    that XML may read as another, and the whole page goes to the parser of XML.
    """
    try:
        text = raw.decode()
        fields = _ROW.split(text)
        if any(fields[::_FIELDS]) or "]" in text:  # "]]>" has no place in text
            return None
        keys, stamps, quoted, digits, kinds = (fields[n::_FIELDS] for n in range(1, _FIELDS))
        quote = next(quote for quote in _QUOTES if quoted[0].startswith(quote))
        etags = _between(quoted, quote)
        numbers = "".join(digits)
        if (
            etags is None
            or not (numbers.isascii() and numbers.isdigit())
            or not _says_what_it_says("".join(keys))
            or not _says_what_it_says("".join({*kinds} - {None}))
            # what `fromisoformat` would take for a time, too: any character for the T, and no zone
            or not (text := "".join(stamps)).count("T") == text.count("Z") == len(stamps)
        ):
            return None
        return Rows(keys, [*map(int, digits)], [*etags], [*map(datetime.fromisoformat, stamps)], kinds)
    except ValueError:  # no UTF-8, no time
        return None


def _between(quoted: list[str], quote: str) -> list[str] | None:
    """Return texts without the quotation marks around each; None if one has others, blanks, or nothing between them."""
    text = "\n".join(quoted)
    cut = len(quote)
    found = text[cut : len(text) - cut].split(f"{quote}\n{quote}")
    inner = "".join(found)
    if not (text.endswith(quote) and len(found) == len(quoted) and all(found)):
        return None
    plain = inner.isprintable() and " " not in inner and '"' not in inner and "&" not in inner
    return found if plain else None


def _says_what_it_says(text: str) -> bool:
    """Say whether a parser of XML returns a text as it stands."""
    return "&" not in text and ">" not in text and "\r" not in text and xml_can_carry(text)


class Unread:
    """A page of ListObjectsV2 of which all is read but its rows, if they look as usual.

    Attributes
    ----------
    next_token : str or None
        Of the next page.
    """

    __slots__ = ("_body", "_bucket", "_decode", "_page", "_prefix", "_prefixes", "_rows", "next_token")

    def __init__(self, body: bytes, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._body = body
        self._page: ListPage | None = None
        begin, end = body.find(b"<Contents>"), body.rfind(b"</Contents>") + 11
        rest = body[:begin] + body[end:]
        if begin == -1 or end <= begin or b"<!" in rest or b"<Contents" in rest:  # a comment may go around rows
            self._page = _parse_list_page(body, bucket, prefix)
            self.next_token = self._page.next_token
        else:
            self._rows = (begin, end)
            root, self._decode = _list_root(rest, bucket, prefix)
            self._prefixes = [*_prefixes(root, prefix, self._decode)]
            self.next_token = _token(root)

    @property
    def last(self) -> str:
        """The last key or common prefix."""
        if self._page is None:
            body = self._body
            begin, end = self._rows
            text = body[body.rfind(b"<Key>", begin, end) + 5 : body.rfind(b"</Key>", begin, end)]
            if b"<" not in text and b"&" not in text:
                with suppress(ValueError):
                    return max(self._decode(text.decode()), self._prefixes[-1] if self._prefixes else "")
        page = self.page()
        return max([*page.objects.keys[-1:], *page.prefixes[-1:]], default="")

    def page(self) -> ListPage:
        """Read the rows, once.

        Raises
        ------
        MalformedReply
            They are none, or have keys outside the prefix.
        """
        if self._page is None:
            rows = _rows(self._body[slice(*self._rows)])
            if rows is None:
                self._page = _parse_list_page(self._body, self._bucket, self._prefix)
            else:
                if self._decode is not _as_is:
                    rows.keys = _unquote_all(rows.keys)
                _check_keys(rows.keys, self._prefix)
                self._page = ListPage(rows, self._prefixes, self.next_token)
            self._body = b""
        return self._page


def peek_list_page(body: bytes, bucket: str, prefix: str) -> Unread:
    """Read a page of ListObjectsV2, asked for with ``encoding-type=url``, but for its rows: 0.03 µs a key.

    Raises
    ------
    MalformedReply
        No listing; of another bucket or prefix; a page that goes on without saying where.
    """
    return Unread(body, bucket, prefix)


def parse_list_page(body: bytes, bucket: str, prefix: str) -> ListPage:
    """Read one page of ListObjectsV2, asked for with ``encoding-type=url``. Takes about 0.7 µs a key in the usual form, else 5.

    Raises
    ------
    MalformedReply
        No listing; of another bucket or prefix; keys outside the prefix; a page that goes on without saying where.
    """
    return Unread(body, bucket, prefix).page()


def _parse_list_page(body: bytes, bucket: str, prefix: str) -> ListPage:
    root, decode = _list_root(body, bucket, prefix)
    rows = Rows([], [], [], [], [])
    for element in root.iterfind("Contents"):
        get = {e.tag: e.text for e in element}.get
        rows.keys.append(_key(get("Key"), prefix, decode))
        rows.sizes.append(_number(get("Size")))
        rows.etags.append(_unquoted(get("ETag")))
        rows.stamps.append(_stamp(get("LastModified")))
        rows.kinds.append(get("StorageClass"))
    return ListPage(rows, [*_prefixes(root, prefix, decode)], _token(root))


def _list_root(body: bytes, bucket: str, prefix: str) -> tuple[ElementTree.Element, Callable[[str], str]]:
    root = _root(body, "ListBucketResult")
    decode = _decoder(root)
    _check_echo(root, bucket, prefix, decode)
    return root, decode


def _prefixes(root: ElementTree.Element, prefix: str, decode: Callable[[str], str]) -> Iterator[str]:
    for element in root.iterfind("CommonPrefixes"):
        yield from [_key(e.text, prefix, decode) for e in element if e.tag == "Prefix"]


def _token(root: ElementTree.Element) -> str | None:
    if not _truncated(root):
        return None
    token = root.findtext("NextContinuationToken")
    if not token:
        raise MalformedReply("the listing goes on, but does not say where")
    return token


def _unquote_all(keys: list[str]) -> list[str]:
    """Undo ``encoding-type=url`` for many keys at once."""
    text = "\n".join(keys)
    if "%" not in text and "+" not in text:
        return keys
    try:
        # what most of them have (``year=2026/``) is quicker to replace than to take apart
        found = unquote_to_bytes(text.replace("+", " ").replace("%3D", "=")).decode().split("\n")
    except UnicodeDecodeError:
        found = []
    return found if len(found) == len(keys) else [_unquote(key) for key in keys]


def _check_keys(keys: list[str], prefix: str) -> None:
    # of what is in order, first and last will do
    ends = (keys[0], keys[-1]) if sorted(keys) == keys else keys
    if not all(key.startswith(prefix) for key in ends):
        for key in keys:
            _key(key, prefix, _as_is)


def parse_versions_page(body: bytes, bucket: str, prefix: str) -> VersionsPage:
    """Read one page of ListObjectVersions, asked for with ``encoding-type=url``, in the order of the document.

    Raises
    ------
    MalformedReply
        As for `parse_list_page`.
    """
    root = _root(body, "ListVersionsResult")
    decode = _decoder(root)
    _check_echo(root, bucket, prefix, decode)
    versions: list[ListedObject] = []
    prefixes = [*_prefixes(root, prefix, decode)]
    for element in root:
        if element.tag in ("Version", "DeleteMarker"):
            get = {e.tag: e.text for e in element}.get
            marker = element.tag == "DeleteMarker"
            versions.append(
                ListedObject(
                    _key(get("Key"), prefix, decode),
                    0 if marker else _number(get("Size")),
                    _unquoted(get("ETag")),
                    _time(get("LastModified")),
                    get("StorageClass"),
                    get("VersionId"),
                    (get("IsLatest") or "").strip().lower() == "true",
                    marker,
                )
            )
    if not _truncated(root):
        return VersionsPage(versions, prefixes, None, None)
    next_key = _marker(root, "NextKeyMarker")
    # radosgw encodes the keys of the page but not this; it names the last key of the page, in one form or the other
    if not versions or next_key != versions[-1].key:
        next_key = decode(next_key)
    return VersionsPage(versions, prefixes, next_key, root.findtext("NextVersionIdMarker"))


def _marker(root: ElementTree.Element, name: str) -> str:
    text = root.findtext(name)
    if not text:
        raise MalformedReply("the listing goes on, but does not say where")
    return text


def parse_error(body: bytes) -> ErrorDocument | None:
    """Read an error document; None if the body is something else (empty, HTML, JSON)."""
    try:
        root = _root(body)
    except MalformedReply:
        return None
    error = root.find("Error") if root.tag == "ErrorResponse" else root  # older services wrap it
    if error is None or error.tag != "Error":
        return None
    names = ("Code", "Message", "RequestId", "Region", "HostId")
    return ErrorDocument(*[(error.findtext(name) or "").strip() for name in names])


def parse_initiate(body: bytes) -> str:
    """Return the upload id of CreateMultipartUpload; the root's name differs between servers."""
    upload_id = _root(body).findtext("UploadId")
    if not upload_id:
        raise MalformedReply(f"no upload id: {_excerpt(body)}")
    return upload_id


def _result(body: bytes, *names: str) -> ErrorDocument | tuple[str | None, dict[str, str]]:
    error = parse_error(body)
    if error is not None:
        return error
    root = _root(body, *names)
    return _unquoted(root.findtext("ETag")), {e.tag: e.text or "" for e in root if e.tag.startswith("Checksum")}


def parse_complete(body: bytes) -> Completed | ErrorDocument:
    """Read the reply of CompleteMultipartUpload, which may be an error in spite of its status 200."""
    result = _result(body, "CompleteMultipartUploadResult")
    return result if isinstance(result, ErrorDocument) else Completed(*result)


def parse_copy(body: bytes) -> Etagged | ErrorDocument:
    """Read the reply of CopyObject or UploadPartCopy, which may be an error in spite of its status 200.

    Raises
    ------
    MalformedReply
        Also if there is no ETag: some servers say 200 and have stored nothing.
    """
    result = _result(body, "CopyObjectResult", "CopyPartResult")
    if isinstance(result, ErrorDocument):
        return result
    etag, checksums = result
    if etag is None:
        raise MalformedReply(f"no ETag, so nothing was stored: {_excerpt(body)}")
    return Etagged(etag, checksums)


def parse_tagging(body: bytes) -> list[tuple[str, str]]:
    """Read the reply of GetObjectTagging: names and values."""
    return [(_text(e, "Key"), e.findtext("Value") or "") for e in _root(body, "Tagging").iterfind("TagSet/Tag")]


def parse_delete_result(body: bytes) -> DeleteResult:
    """Read the reply of DeleteObjects."""
    root = _root(body, "DeleteResult")
    deleted = [_text(e, "Key") for e in root.iterfind("Deleted")]
    errors = [
        DeleteFailure(
            _text(e, "Key"),
            e.findtext("VersionId") or None,
            (e.findtext("Code") or "").strip(),
            (e.findtext("Message") or "").strip(),
        )
        for e in root.iterfind("Error")
    ]
    return DeleteResult(deleted, errors)


def parse_buckets(body: bytes) -> list[tuple[str, float | None]]:
    """Return name and creation time of each bucket of ListBuckets."""
    root = _root(body, "ListAllMyBucketsResult")
    return [(_text(e, "Name"), _time(e.findtext("CreationDate"))) for e in root.iterfind("Buckets/Bucket")]


def parse_uploads_page(body: bytes) -> tuple[list[Upload], str | None, str | None]:
    """Read one page of ListMultipartUploads: uploads, and the markers of the next page, if any.

    Asked for without ``encoding-type``: radosgw would encode the keys, but neither the marker nor say so.
    """
    root = _root(body, "ListMultipartUploadsResult")
    decode = _decoder(root)
    uploads = [
        Upload(decode(_text(e, "Key")), _text(e, "UploadId"), _time(e.findtext("Initiated")))
        for e in root.iterfind("Upload")
    ]
    if not _truncated(root):
        return uploads, None, None
    return uploads, decode(_marker(root, "NextKeyMarker")), root.findtext("NextUploadIdMarker")


def parse_parts_page(body: bytes) -> tuple[list[StoredPart], int | None]:
    """Read one page of ListParts: parts, and the marker of the next page, if any."""
    root = _root(body, "ListPartsResult", "ListPartsResponse")  # moto calls it so
    parts = [
        StoredPart(_number(e.findtext("PartNumber")), _number(e.findtext("Size")), _unquoted(e.findtext("ETag")) or "")
        for e in root.iterfind("Part")
    ]
    return parts, _number(root.findtext("NextPartNumberMarker")) if _truncated(root) else None


def _text(element: ElementTree.Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise MalformedReply(f"{visible(element.tag, 40)} without {name}")
    return text


def xml_can_carry(text: str) -> bool:
    """Say whether ``text`` can stand in an XML 1.0 document."""
    return (text.isascii() and text.isprintable()) or not re.search(_NOT_XML, text)


# a bare CR is read as LF (XML 1.0, 2.11), and white space at the ends is lost in some servers
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def build_complete(parts: Sequence[tuple[int, str, str | None]], algorithm: str = "crc32") -> bytes:
    """Return the body of CompleteMultipartUpload for ``(number, etag, checksum or None)`` in ascending order."""
    lines, name = [], f"Checksum{algorithm.upper()}"
    for number, etag, value in parts:
        quoted = etag if etag.startswith('"') else f'"{etag}"'
        checksum = f"<{name}>{_escaped(value)}</{name}>" if value else ""
        lines.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{_escaped(quoted)}</ETag>{checksum}</Part>")
    inner = "".join(lines)
    return (
        '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        + inner
        + "</CompleteMultipartUpload>"
    ).encode()


def build_delete(items: Iterable[tuple[str, str | None]], *, quiet: bool = False) -> bytes:
    """Return the body of DeleteObjects for ``(key, version_id or None)``; ``quiet``: the reply names failures only.

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
        part: dict[str, object] = {
            "PartNumber": _number(element.findtext("PartNumber")),
            "ETag": element.findtext("ETag") or "",
        }
        crc32 = element.findtext("ChecksumCRC32")
        parts.append(part | ({"ChecksumCRC32": crc32} if crc32 else {}))
    return {"Parts": parts}
