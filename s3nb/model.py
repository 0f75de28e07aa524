"""What goes in and what comes back: `S3GetObject`, `S3PutObject`, `RangeInfo`, `S3Object`, results of many."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import parsedate_to_datetime
from itertools import repeat
from typing import Any, NamedTuple, Protocol, SupportsIndex, overload

from s3nb import plain, styled
from s3nb.errors import ClientClosed, LocalFileNotFound, ObjectNotFound, S3Error, bulk_error
from s3nb.text import visible

# The peer client keeps the user's dictionary as one JSON text in this header; so do we, so that each reads the
# other's. Header names lose their case and values their non-ASCII on the way; JSON keeps both.
METADATA_HEADER = "metaflow-user-attributes"
_META = "x-amz-meta-"


class S3GetObject(NamedTuple):
    """A piece of an object to get: ``length`` bytes from ``offset``.

    Attributes
    ----------
    key : str
        As for ``get``.
    offset : int, optional
        First byte.
    length : int, optional
        Number of bytes; negative: the last ``-length`` bytes, whatever ``offset`` says.
    version_id : str, optional
        One version of a versioned object.
    """

    key: str | None = None
    offset: int | None = None
    length: int | None = None
    version_id: str | None = None


class S3PutObject(NamedTuple):
    """An object to put, with what belongs to it.

    Attributes
    ----------
    key : str
        As for ``put``.
    value : str, bytes or binary file, optional
        What to store (``put_many``).
    path : path, optional
        The local file to store (``put_files``).
    content_type : str, optional
        MIME type.
    encryption : str, optional
        Server-side encryption of this object, e.g. ``"AES256"``, ``"aws:kms"``.
    metadata : dict, optional
        JSON-encodable.
    """

    key: str | None = None
    value: Any = None
    path: str | os.PathLike[str] | None = None
    content_type: str | None = None
    encryption: str | None = None
    metadata: Mapping[str, Any] | None = None


class RangeInfo(NamedTuple):
    """What the server sent of an object.

    Attributes
    ----------
    total_size : int
        Bytes of the whole object.
    request_offset : int
        First byte sent.
    request_length : int
        Number of bytes sent.
    """

    total_size: int
    request_offset: int = 0
    request_length: int = -1


class ResultStore(Protocol):
    """Where results live, as far as they know (see `s3nb.transfer.local.Store`)."""

    closed: bool

    def new_path(self, key: str) -> str: ...
    def create(self, path: str, size: int | None) -> int: ...
    def discard(self, path: str) -> None: ...
    def free(self, size: int) -> None: ...


class Columns(Protocol):
    """A page of a listing, a list for each thing that it says (see `s3nb.wire.xml.Rows`)."""

    keys: list[str]
    sizes: list[int]
    etags: list[str | None]
    stamps: list[datetime | None]
    kinds: list[str | None]


class S3Object:
    """One object of S3, or one prefix, or the fact that there is none. Made by `S3`, not by users.

    The bytes, if fetched, are in memory while small, else in a file; ``path`` always names a real file, made the
    first time somebody asks, and kept until the client is closed.
    """

    __slots__ = (
        "__weakref__", "_base", "_data", "_etag", "_given", "_headers", "_modified", "_origin", "_path", "_range", "_size",
        "_storage_class", "_store", "_url", "_verified", "_version_id",
    )  # fmt: skip

    def __init__(
        self,
        base: str | None,
        url: str,
        *,
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
        range_info: RangeInfo | bool | None = None,
        data: bytes | None = None,
        path: str | None = None,
        given: bool = False,
        store: ResultStore | None = None,
        etag: str | None = None,
        last_modified: float | datetime | None = None,
        storage_class: str | None = None,
        version_id: str | None = None,
        verified: str | None = None,
        origin: Any = None,
    ) -> None:
        self._verified = verified
        self._origin = origin  # the core it came from
        self._base = base
        self._url = url
        self._size = size
        self._headers = headers
        self._range = range_info  # True: all of it
        self._data = data
        self._path = path
        self._given = given  # somebody else may use the file: it is not ours to remove early
        self._store = store
        self._etag = etag
        self._modified = last_modified
        self._storage_class = storage_class
        self._version_id = version_id

    @classmethod
    def listed(cls, rows: Columns, bucket: str, base: str | None, origin: Any) -> list[S3Object]:
        """Return the objects of a page of a listing, without a call of `__init__` for each, which takes twice as long."""
        start = f"s3://{bucket}/"
        found = [*map(cls.__new__, repeat(cls, len(rows.keys)))]
        columns = zip(found, rows.keys, rows.sizes, rows.etags, rows.stamps, rows.kinds, strict=True)
        for one, key, size, etag, modified, kind in columns:
            one._url = start + key
            one._size = size
            one._etag = etag
            one._modified = modified
            one._storage_class = kind
            one._base = base
            one._origin = origin
            one._store = one._data = one._path = one._headers = one._range = one._verified = one._version_id = None
            one._given = False
        return found

    def __del__(self) -> None:
        store = self._store
        if store is not None and not store.closed:
            if self._data is not None:
                store.free(len(self._data))
            if self._path is not None and not self._given:
                store.discard(self._path)

    # -- where and whether --------------------------------------------------------------

    @property
    def url(self) -> str:
        """The full ``s3://`` URL, as built from the request."""
        return self._url

    @property
    def prefix(self) -> str | None:
        """What ``key`` is relative to: the root, or the prefix that was listed; None if it is a full URL."""
        return None if self._base is None or self._url.rstrip("/") == self._base.rstrip("/") else self._base

    @property
    def key(self) -> str:
        """The URL behind ``prefix``, without slashes at its end; the full URL if there is no prefix."""
        base = self._base
        url = self._url
        if base is None or url.rstrip("/") == base.rstrip("/"):
            return url
        rest = url[len(base) :]
        if not base.endswith("/"):
            rest = rest.removeprefix("/")
        return rest.rstrip("/") or url

    @property
    def object_key(self) -> str:
        """The key in the bucket, to the letter; for use with other S3 tools."""
        return self._url[5:].partition("/")[2]

    @property
    def exists(self) -> bool:
        """Whether there is an object (False for prefixes of a listing)."""
        return self._size is not None

    @property
    def downloaded(self) -> bool:
        """Whether the bytes were fetched."""
        return self._data is not None or self._path is not None

    @property
    def size(self) -> int | None:
        """Bytes fetched; or, if none were, bytes in S3; None if there is no object."""
        return self._size

    # -- bytes --------------------------------------------------------------------------

    @property
    def path(self) -> str | None:
        """Absolute path of a local file with the bytes; None if they were not fetched.

        The same at every look. The file goes when the client is closed; copy or move it to keep it.
        """
        if self._path is None and self._data is not None:
            store = self._need_store()
            path = store.new_path(self.object_key)
            fd = store.create(path, None)
            try:
                view = memoryview(self._data)
                while view:
                    view = view[os.write(fd, view) :]
            finally:
                os.close(fd)
            self._path = path
        if self._path is not None:
            self._given = True
        return self._path

    @property
    def blob(self) -> bytes | None:
        """The bytes; None if they were not fetched. Read from the file each time unless in memory."""
        if self._data is not None:
            self._need_store()
            return self._data
        if self._path is None:
            return None
        with open(self._path, "rb") as file:
            return file.read()

    @property
    def text(self) -> str | None:
        """The bytes as UTF-8, with U+FFFD for what is not; None if they were not fetched."""
        blob = self.blob
        return None if blob is None else blob.decode("utf-8", "replace")

    @property
    def verified(self) -> str | None:
        """By what the bytes were found to be those that S3 holds; None if none were fetched.

        ``"crc64nvme"``, ``"crc32c"``, ``"crc32"``, ``"sha256"``, ``"sha1"``: a checksum of all of them; ``"composite"``: of the
        parts that they were uploaded in; ``"etag"``: an MD5; ``"size"``: their number only, as there was nothing better.
        """
        return self._verified

    def release(self) -> None:
        """Give up the bytes now: memory and file. For loops that run longer than the disk is large."""
        store = self._store
        if store is not None and not store.closed:
            if self._data is not None:
                store.free(len(self._data))
            if self._path is not None:
                store.discard(self._path)
        self._data = None
        self._path = None

    def preview(self, limit: int | None = None, rows: int | None = None) -> Any:
        """Look into the object without fetching it: its first bytes decoded, and all that S3 says of it.

        If its bytes were fetched, nobody is asked. Otherwise two requests at once, a GET of at most ``limit`` bytes and a
        HEAD; one more for tags; and up to 1 MiB in all for formats whose facts are at their end.

        Parameters
        ----------
        limit : int, optional
            Bytes of the first request; default 64 KiB.
        rows : int, optional
            Rows (of tables) and lines (of text) shown; default 20 and 60.

        Returns
        -------
        s3nb.preview.Preview

        Raises
        ------
        ObjectNotFound
            This is a prefix, or the fact that there is no object; or it is gone.
        ClientClosed
            The client it came from is closed, or it came without one (by pickle): `S3.preview` takes it too.
        """
        if not self.exists:
            what = "a prefix: there is nothing to look into" if self._url.endswith("/") else "there is no object"
            raise ObjectNotFound(f"{visible(self._url)}: {what}")
        if self._origin is None:
            raise ClientClosed(f"{visible(self._url)}: this came without its client: client.preview(it) asks for it")
        return self._origin.preview(self, limit, rows)

    def _need_store(self) -> ResultStore:
        store = self._store
        if store is None or store.closed:
            raise LocalFileNotFound(f"{visible(self._url)}: the client was closed, and its files are gone")
        return store

    # -- what S3 said ---------------------------------------------------------------------

    def _header(self, name: str) -> str | None:
        return None if self._headers is None else self._headers.get(name)

    @property
    def has_info(self) -> bool:
        """Whether content type, metadata, range or encryption are known."""
        return any(x is not None for x in (self.content_type, self.metadata, self.range_info, self.encryption))

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The dictionary that was stored with the object by this client, or the one it replaces.

        None if there is none, or nobody asked. Metadata of other tools: ``raw_metadata``.
        """
        raw = self._header(_META + METADATA_HEADER)
        if raw is None:
            return None
        try:
            value = json.loads(raw)
        except ValueError:
            return None  # written by something else; raw_metadata shows it
        return value if isinstance(value, dict) else None

    @property
    def raw_metadata(self) -> dict[str, str] | None:
        """All ``x-amz-meta-*`` headers, by lower-case name without that prefix; None without info."""
        if self._headers is None:
            return None
        return {k[len(_META) :]: _decoded(v) for k, v in self._headers.items() if k.startswith(_META)}

    @property
    def headers(self) -> dict[str, str] | None:
        """All headers of the reply, by lower-case name; None without info."""
        return None if self._headers is None else dict(self._headers)

    @property
    def content_type(self) -> str | None:
        """The ``Content-Type``; None without info."""
        return self._header("content-type")

    @property
    def encryption(self) -> str | None:
        """Server-side encryption, e.g. ``"AES256"``; None if the server says nothing."""
        return self._header("x-amz-server-side-encryption")

    @property
    def range_info(self) -> RangeInfo | None:
        """Which bytes were sent, of how many; None without info, or if nothing was fetched."""
        if self._range is True:
            size = self._size or 0
            return RangeInfo(size, 0, size)
        return self._range or None

    @property
    def last_modified(self) -> float | None:
        """Unix time; None if not known."""
        known = self._modified
        if known is None:
            value = self._header("last-modified")
            if value is None:
                return None
            try:
                known = parsedate_to_datetime(value)
            except ValueError:
                return None
        if isinstance(known, datetime):  # what takes longer than the rest of a listing is done when somebody looks
            known = self._modified = known.timestamp()
        return known

    @property
    def etag(self) -> str | None:
        """The entity tag, without quotes; opaque: it changes when the object does."""
        if self._etag is not None:
            return self._etag
        value = self._header("etag")
        return None if value is None else value.strip('"')

    @property
    def version_id(self) -> str | None:
        """The version, in a versioned bucket."""
        return self._version_id if self._version_id is not None else self._header("x-amz-version-id")

    @property
    def storage_class(self) -> str | None:
        """The storage class; ``"STANDARD"`` where S3 leaves it out of a reply; None if not known."""
        if self._storage_class is not None:
            return self._storage_class
        value = self._header("x-amz-storage-class")
        return value if value is not None or self._headers is None else "STANDARD"

    # -- as a value -----------------------------------------------------------------------

    def __repr__(self) -> str:
        url = visible(self._url)
        if not self.exists:
            return f"<S3Object {url} ({'prefix' if url.endswith('/') else 'object does not exist'})>"
        return f"<S3Object {url} ({self._size} bytes, {'local' if self.downloaded else 'in S3'})>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show what is known, in IPython; nobody is asked."""
        return styled.bundle(plain.facts(self), styled.facts(plain.pairs(self)))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(printer, self, plain.facts(self))

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: getattr(self, name) for name in _PICKLED}
        state["_headers"] = None if self._headers is None else dict(self._headers)
        state["_modified"] = self.last_modified
        if self._data is None:
            state["_path"] = self.path  # the file is shared from now on
        return _restore, (state,)


_PICKLED = (
    "_base", "_data", "_etag", "_headers", "_modified", "_path", "_range", "_size", "_storage_class", "_url", "_verified", "_version_id",
)  # fmt: skip


class _Elsewhere:
    """The store of an unpickled object: it reads what it was given, and makes no files."""

    closed = False

    def new_path(self, key: str) -> str:
        raise LocalFileNotFound("an unpickled object has no folder for a file: write .blob where you want it")

    def create(self, path: str, size: int | None) -> int:
        raise LocalFileNotFound("an unpickled object makes no files")

    def discard(self, path: str) -> None:
        """Leave the file to the client that made it."""

    def free(self, size: int) -> None:
        """There is no budget."""


def _restore(state: dict[str, Any]) -> S3Object:
    found = S3Object(state["_base"], state["_url"], store=_Elsewhere(), given=True)
    for name, value in state.items():
        setattr(found, name, value)
    return found


def _decoded(value: str) -> str:
    """Decode RFC 2047 words, which is how S3 returns metadata that is not ASCII."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, UnicodeDecodeError, ValueError):
        return value


class Results(list[Any]):
    """The results of a many-operation, in the order of the request: a list that can say what failed.

    Methods of `S3` that meet failures raise a `BulkError`, whose ``results`` this is then: results and errors in the order of the
    request.

    Attributes
    ----------
    skipped : list
        What was left alone, as it was there and was to be kept.
    """

    def __init__(
        self, items: Iterable[Any] = (), *, verb: str = "", retry: Callable[[Results], Any] | None = None
    ) -> None:
        super().__init__(items)
        self._verb = verb
        self._retry = retry
        self.skipped: list[Any] = []  # keys left alone, as there was an object and it was to be kept

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Results: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return Results(found, verb=self._verb) if isinstance(index, slice) else found  # a piece is shown like the whole

    @property
    def ok(self) -> Results:
        """Results that are no failures."""
        return Results((r for r in self if not isinstance(r, BaseException)), verb=self._verb)

    @property
    def failed(self) -> list[S3Error]:
        """The failures, as exceptions."""
        return [r for r in self if isinstance(r, S3Error)]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show a table, in IPython; nobody is asked."""
        return styled.bundle(self._table(), styled.table(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(printer, list(self), self._table())

    def _table(self) -> str:
        return plain.table(self, width=plain.width_of_output())

    def retry(self) -> Any:
        """Do what failed once more; the new list has all results in the old order."""
        if self._retry is None or not self.failed:
            return self
        return self._retry(self)

    def raise_failed(self) -> None:
        """Raise a `BulkError` if anything failed."""
        if self.failed:
            raise bulk_error(self._verb, self, (lambda: self.retry()) if self._retry else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return Results, (list(self),)
