"""Questions of one request each, as futures, so that two can be on their way together."""

from __future__ import annotations

import stat as modes
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from hashlib import blake2b
from typing import Any, TypeVar

from s3nb.core import Core
from s3nb.errors import IsADirectory, NotADirectory, NotFound, ObjectNotFound, S3Error
from s3nb.fs.where import Spot
from s3nb.model import S3Object
from s3nb.text import visible
from s3nb.wire import Reply, Request
from s3nb.wire.xml import ListedObject, parse_buckets, parse_list_page

Kind = TypeVar("Kind", bound=S3Error)

_FILE = modes.S_IFREG | 0o644
_DIRECTORY = modes.S_IFDIR | 0o755


class Asker:
    """Asks about places, for one call of the user."""

    def __init__(self, core: Core, verb: str) -> None:
        self.core = core
        self.scope = core.scope(verb)

    def send(self, request: Request, read: Callable[[Reply], Any]) -> Future[Any]:
        """Send one request; the future gives ``read(reply)``."""
        return self.scope.engine.request(self.scope, request, read)

    def head(self, place: Spot, key: str | None = None) -> Future[S3Object]:
        """Ask what S3 knows of the object. One HEAD."""
        key = place.key if key is None else key
        query = () if place.version_id is None else (("versionId", place.version_id),)
        url = f"s3://{place.bucket}/{key}"

        def read(reply: Reply) -> S3Object:
            size = int(reply.headers.get("content-length", "0"))
            return S3Object(None, url, size=size, headers=reply.headers, version_id=place.version_id)

        return self.send(Request("HeadObject", "HEAD", place.bucket, key, query=query), read)

    def some(self, place: Spot, most: int = 1) -> Future[list[ListedObject]]:
        """Ask for the first few objects below a place. One LIST, however many there are."""
        prefix = place.prefix
        query = (("encoding-type", "url"), ("list-type", "2"), ("max-keys", str(most)), ("prefix", prefix))
        request = Request("ListObjectsV2", "GET", place.bucket, query=query)
        return self.send(request, lambda reply: parse_list_page(reply.body, place.bucket, prefix).objects)

    def buckets(self) -> Future[list[tuple[str, float | None]]]:
        """Ask for all buckets."""
        return self.send(Request("ListBuckets", "GET"), lambda reply: parse_buckets(reply.body))

    def result(self, future: Future[Any]) -> Any:
        """Wait for an answer. Ctrl-C stops the question."""
        return self.core.wait(future, self.scope)

    def found(self, future: Future[Any]) -> Any:
        """Wait for an answer; None if there is no such object or bucket."""
        try:
            return self.result(future)
        except NotFound:
            return None

    def any(self, futures: Sequence[Future[Any]]) -> bool:
        """Say whether any of the answers is positive, as soon as one is.

        Raises
        ------
        S3Error
            None is, and one is neither.
        """
        trouble: S3Error | None = None
        left = set(futures)
        while left:
            done = self._settled(left)
            left -= done
            for future in done:
                try:
                    if future.result():
                        return True
                except NotFound:
                    pass
                except S3Error as exc:
                    trouble = trouble or exc
        if trouble is not None:
            raise trouble
        return False

    def _settled(self, futures: set[Future[Any]]) -> set[Future[Any]]:
        try:
            while True:
                done, _ = wait(futures, 0.2, FIRST_COMPLETED)  # in slices, for Ctrl-C on Windows
                if done:
                    return done
        except KeyboardInterrupt:
            self.scope.cancel()
            raise

    def is_directory(self, place: Spot) -> bool:
        """Say whether anything is below a place. One LIST of one key; of a bucket: whether it is there."""
        first = self.found(self.some(place))
        return first is not None and (bool(first) or not place.key)


def no_such(place: Spot) -> ObjectNotFound:
    """Make the error for what is neither file nor directory."""
    return named(place, ObjectNotFound, "no such file or directory")


def is_a_directory(place: Spot, more: str = "") -> IsADirectory:
    """Make the error for a directory where a file is wanted."""
    return named(place, IsADirectory, "is a directory" + more)


def not_a_directory(place: Spot) -> NotADirectory:
    """Make the error for a file where a directory is wanted."""
    return named(place, NotADirectory, "not a directory")


def named(place: Spot, kind: type[Kind], text: str) -> Kind:
    """Make an error about a place, in the user's words."""
    error = kind(f"{text}: {visible(place.text, 300)}", bucket=place.bucket, key=place.key)
    error.filename = place.text
    return error


class StatResult(tuple[int, ...]):
    """What `os.stat_result` has, and what S3 knows on top.

    Times are seconds; S3 keeps one, of the last change. The mode is a regular file's 0644 or a directory's 0755;
    ``st_ino`` and ``st_dev`` are the same for the same key and bucket, and for no other.

    Attributes
    ----------
    st_mode, st_ino, st_dev, st_nlink, st_uid, st_gid, st_size : int
    st_atime, st_mtime, st_ctime : float
        0.0 for a directory without a marker.
    etag, version_id, storage_class : str or None
    info : S3Object or None
        All that a HEAD has told: content type, metadata, headers; None if it comes from a listing.
    """

    etag: str | None
    version_id: str | None
    storage_class: str | None
    info: S3Object | None
    _time: float

    st_mode = property(lambda self: self[0])
    st_ino = property(lambda self: self[1])
    st_dev = property(lambda self: self[2])
    st_nlink = property(lambda self: self[3])
    st_uid = property(lambda self: self[4])
    st_gid = property(lambda self: self[5])
    st_size = property(lambda self: self[6])
    st_mtime = st_atime = st_ctime = property(lambda self: self._time)
    st_mtime_ns = st_atime_ns = st_ctime_ns = property(lambda self: round(self._time * 1e9))

    def __new__(
        cls,
        bucket: str,
        key: str,
        size: int | None,
        modified: float | None = None,
        *,
        etag: str | None = None,
        version_id: str | None = None,
        storage_class: str | None = None,
        info: S3Object | None = None,
    ) -> StatResult:
        """``size`` None: a directory."""
        time = modified or 0.0
        mode = _DIRECTORY if size is None else _FILE
        second = int(time)
        fields = (mode, _number(bucket, key), _number(bucket), 1, 0, 0, size or 0, second, second, second)
        made = super().__new__(cls, fields)
        made._time = time
        made.etag = etag
        made.version_id = version_id
        made.storage_class = storage_class
        made.info = info
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (tuple(self), {**vars(self), "info": None})

    def __repr__(self) -> str:
        kind = "directory" if modes.S_ISDIR(self[0]) else f"{self[6]} bytes"
        return f"<StatResult {kind}, modified {self._time:.0f}, etag {visible(str(self.etag), 80)}>"


def _unpickled(fields: tuple[int, ...], state: dict[str, Any]) -> StatResult:
    made = tuple.__new__(StatResult, fields)
    vars(made).update(state)
    return made


def _number(*names: str) -> int:
    text = "/".join(names).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1


def stat_of(found: S3Object, place: Spot) -> StatResult:
    """Return the facts of a HEAD as a `StatResult`."""
    return StatResult(
        place.bucket, place.key, found.size or 0, found.last_modified, etag=found.etag, version_id=found.version_id,
        storage_class=found.storage_class, info=found,
    )  # fmt: skip


def stat_of_listed(place: Spot, found: ListedObject) -> StatResult:
    """Return what a listing says of a file as a `StatResult`."""
    return StatResult(
        place.bucket, found.key, found.size, found.last_modified, etag=found.etag, storage_class=found.storage_class
    )  # fmt: skip


def stat_of_directory(place: Spot, first: ListedObject | None = None) -> StatResult:
    """Return the facts of a directory; ``first``: the first object in it, which may be its marker."""
    marker = first if first is not None and first.key == place.prefix else None
    return StatResult(place.bucket, place.prefix, None, marker.last_modified if marker else None)
