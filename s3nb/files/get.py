"""One GET of an object that is read: the segment that it fills, and the version that its reply must be of.

The first reply pins the version: every later request carries its ETag, and every reply is compared with it here as
well, as some servers ignore the condition.
"""

from __future__ import annotations

import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future

from s3nb.checksum import SIZE, expected, whole
from s3nb.core import Core
from s3nb.errors import ClientClosed, IntegrityError, ObjectChanged, PreconditionFailed, S3Error
from s3nb.files import plan
from s3nb.files.plan import Link
from s3nb.ranges import KIB, parse_content_range
from s3nb.text import visible
from s3nb.transfer.attempt import Again, Call, Engine, Scope
from s3nb.wire import Headers, Reply, Request, Sink

NEVER = 1 << 62
NO_MD5 = " (if the ETags of this server are no MD5s: TransferConfig(verify=False))"
_DOUBTS = 3  # times that an object is fetched if its bytes are not those of its digest

_links: weakref.WeakKeyDictionary[Engine, Link] = weakref.WeakKeyDictionary()


class Segment:
    """Bytes ``[start, stop)`` of the object, of which those before ``at`` are there.

    ``into`` is where they go instead of ``pieces``; its first byte is the segment's.
    """

    __slots__ = ("ahead", "at", "calls", "ends", "error", "into", "lock", "need", "origin", "pieces", "reached", "stalled", "start",
                 "stop", "used", "winner")  # fmt: skip

    def __init__(self, start: int, stop: int, *, ahead: bool = False, into: memoryview | None = None) -> None:
        self.start = self.at = self.origin = start
        self.stop = stop
        self.ahead = ahead  # nobody waited for it when it was asked for
        self.into = into
        self.pieces: list[bytes] = []
        self.ends: list[int] = []
        self.error: BaseException | None = None
        self.calls: list[Get] = []
        self.winner: Get | None = None
        self.need = NEVER  # position that a reader waits for
        self.reached = start  # furthest position that was read
        self.stalled = False
        self.used = 0
        self.lock = threading.Lock()

    def let_go(self) -> None:
        """Let go of where its bytes went, and stop what still fills it.

        At once, and not when the collector comes by: CPython 3.12.1 takes a buffer of `io.BytesIO` apart in the wrong order
        then, and dies of it (gh-111049).
        """
        with self.lock:
            into, self.into = self.into, None
            whole = self.at >= self.stop
            if not whole:
                self.winner = None
        if not whole:  # else the reply is about to end, and its connection will be wanted
            for call in list(self.calls):
                call.cancel()
        if into is not None:
            into.release()


class Opened(ABC):
    """An object that is read: which version of it, and what its requests share. What is done with their bytes is told below.

    Attributes
    ----------
    etag : str or None
        The version that every reply must be of.
    pinned : str or None
        The version's identifier, if it is asked for by that.
    guarded : bool
        The server takes If-Match.
    verified : str or None
        By which digest the whole object was found to be right.
    """

    def __init__(
        self, core: Core, bucket: str, key: str, version_id: str | None, etag: str | None, size: int | None,
        every: Sequence[tuple[str, str]],
    ) -> None:  # fmt: skip
        self.core = core
        self.bucket = bucket
        self.key = key
        self.version_id = version_id
        self.pinned: str | None = version_id
        self.etag = etag
        self.size = size
        self.every = every
        self.headers: Headers | None = None
        self.guarded = True
        self.verified: str | None = None
        self.opened = threading.Event()
        self.closed = False
        self.requests = self.received = self.resumed = 0
        self._doubts = 0
        self._scope: Scope | None = None
        self._link: Link = Link()

    # -- what requests tell, on the wire's thread ---------------------------------------------------------------

    @abstractmethod
    def head(self, get: Get, status: int, headers: Headers) -> None:
        """Take the head of the opening reply."""

    @abstractmethod
    def empty(self, headers: Headers) -> None:
        """Note that the object has no bytes (S3 answers every range of it with 416)."""

    @abstractmethod
    def refused(self, error: BaseException) -> None:
        """Note that the object could not be opened."""

    @abstractmethod
    def ended(self, get: Get, error: BaseException | None) -> None:
        """Note the end of a request."""

    @abstractmethod
    def notify(self) -> None:
        """Wake readers: what one of them waits for has come."""

    # -- is it the same version, and whole ----------------------------------------------------------------------

    def check(self, etag: str | None) -> None:
        """Compare a reply's ETag with the pinned one."""
        if self.etag is not None and etag is not None and etag != self.etag:
            raise self.changed("another version answers")

    def changed(self, text: str) -> ObjectChanged:
        """Return the error that says so."""
        return ObjectChanged(
            f"{self.where}: the object was replaced while it was being read: {text}",
            bucket=self.bucket, key=self.key, operation="GetObject",
        )  # fmt: skip

    def wrong(self, text: str) -> IntegrityError:
        """Return the error for a reply that is not as it must be."""
        return IntegrityError(f"{self.where}: {text}", bucket=self.bucket, key=self.key, operation="GetObject")

    def verify(self, segment: Segment, last: bytes) -> None:
        """Compare a whole object with its digest, before the last piece of it is there for a reader.

        If it is not the same, all is fetched once more, unless some of it was given to a reader already.
        """
        if self.headers is None or not self.core.config.verify:
            return
        want = expected(self.headers)
        if want is SIZE or want.parts:
            return
        found = whole(want, [*segment.pieces, last])
        if found == want.value:
            self.verified = want.kind
            return
        error = self.wrong(f"the bytes that came have {want.kind} {found}, S3 says {visible(want.value, 80)}"
                            + (NO_MD5 if want.kind == "etag" else ""))  # fmt: skip
        self._doubts += 1
        if segment.reached > segment.start or self._doubts >= _DOUBTS:
            raise error
        segment.pieces.clear()
        segment.ends.clear()
        segment.at = segment.start
        raise Again(error)

    def translated(self, error: BaseException) -> BaseException:
        """Return what a reader is told of a request's failure."""
        if isinstance(error, PreconditionFailed) and not isinstance(error, ObjectChanged):
            changed = self.changed("it has another ETag")
            changed.__cause__ = error
            return changed
        if isinstance(error, CancelledError):
            return ClientClosed(f"{self.where}: the request was cancelled", bucket=self.bucket, key=self.key)
        return error

    @property
    def where(self) -> str:
        """The object's address, to be shown."""
        return visible(f"s3://{self.bucket}/{self.key}")

    # -- requests ------------------------------------------------------------------------------------------------

    def ready(self) -> Scope:
        """Return the scope to send requests in; made anew after a fork. Says so if the client was closed."""
        engine = self.core.engine
        scope = self._scope
        if scope is None or scope.engine is not engine:
            scope = self._scope = self.core.scope("read")
            link = _links.get(engine)
            if link is None:
                link = _links[engine] = Link()
            self._link = link
        return scope

    def ask(self, *query: tuple[str, str], headers: Sequence[tuple[str, str]] = ()) -> Future[Headers]:
        """Send a HEAD for the version that is read."""
        scope = self.ready()
        if self.pinned is not None:
            query = (("versionId", self.pinned), *query)
        self.requests += 1
        headers = (*headers, *self.every)
        request = Request("HeadObject", "HEAD", self.bucket, self.key, query=query, headers=headers)
        return scope.engine.request(scope, request, lambda reply: reply.headers)

    def link(self) -> Link:
        """Return what is known of the way to this endpoint."""
        return self._link


class Get(Call):
    """One GET for one segment; goes on from where it was cut. Its own sink.

    ``kind`` is ``"head"`` or ``"tail"`` for the opening request, before its reply has come.
    """

    __slots__ = ("_first", "_second", "began", "guarding", "kind", "remote", "segment", "skip", "unranged")

    def __init__(self, remote: Opened, segment: Segment, scope: Scope, kind: str) -> None:
        super().__init__(scope)
        self.remote = remote
        self.segment = segment
        self.kind = kind
        self.began = False
        self.unranged = False  # the server sends everything, whatever it is asked for
        self.skip = 0
        self.guarding = False
        self._first = 0.0  # when the first piece came
        self._second = -1  # where the second begins

    @property
    def _opening(self) -> bool:
        return bool(self.kind) and not self.remote.opened.is_set()

    def silent(self, seconds: float) -> bool:
        """Say whether it is under way for so long, and no reply has begun. What waits for another try is not slow, but refused."""
        return self._exchange is not None and not self.began and self.age >= seconds

    def share_patience(self, other: Get) -> None:
        """Give up when the other does: what is sent beside it is no reason to wait longer."""
        self._began, self.tries = other._began, other.tries

    def make(self) -> tuple[Request, Sink | None]:
        remote, segment = self.remote, self.segment
        remote.requests += 1
        remote.link().requests += 1
        if self.tries > 1 and segment.at > segment.origin:
            remote.resumed += 1
        self._second = -1
        if self._opening and self.kind == "tail":
            asked = f"bytes=-{plan.TAIL}"
        else:
            asked = f"bytes={segment.at}-{segment.stop - 1}"
        headers = [("Range", asked), *remote.every]
        self.guarding = remote.pinned is None and remote.etag is not None and remote.guarded
        if self.guarding and remote.etag is not None:
            headers.append(("If-Match", remote.etag))
        query = () if remote.pinned is None else (("versionId", remote.pinned),)
        bulk = segment.stop - segment.at >= 256 * KIB and not self._opening
        return Request("GetObject", "GET", remote.bucket, remote.key, query=query, headers=headers, bulk=bulk), self

    # the sink

    def begin(self, status: int, headers: Headers) -> bool:
        segment, remote = self.segment, self.remote
        self._first = time.monotonic()
        remote.link().first_byte(self._first - self._sent_at)
        with segment.lock:
            if segment.winner not in (None, self) or remote.closed:
                return False
            segment.winner = self
        self.began = True
        self.skip = 0
        if self._opening:
            remote.head(self, status, headers)
        else:
            remote.check(headers.get("etag"))
            found = parse_content_range(headers.get("content-range"))
            if status == 206:
                if found is None or found[:2] != (segment.at, segment.stop):
                    got = "another part" if found is None else f"bytes {found[0]}-{found[1] - 1}"
                    raise Again(remote.wrong(f"asked for bytes {segment.at}-{segment.stop - 1}, got {got}"))
                if found[2] is not None and found[2] != remote.size:
                    raise remote.changed(f"it has {found[2]} bytes, not {remote.size}")
            else:
                self.unranged = True
                self.skip = segment.at
        for other in list(segment.calls):
            if other is not self:
                other.cancel()
        return True

    def write(self, data: bytes) -> object:
        segment = self.segment
        if self.skip:
            dropped = min(self.skip, len(data))
            self.skip -= dropped
            data = data[dropped:]
            if not data:
                return None
        with segment.lock:
            if segment.winner is not self:
                return False
            room = segment.stop - segment.at
            if len(data) > room:
                if not self.unranged:
                    raise self.remote.wrong(f"more came than the bytes {segment.start}-{segment.stop - 1}")
                data = data[:room]
            end = segment.at + len(data)
            if end == segment.stop and segment.start == 0 and end == self.remote.size and segment.into is None:
                self.remote.verify(segment, data)
            if segment.into is not None:
                segment.into[segment.at - segment.origin : end - segment.origin] = data
            else:
                segment.pieces.append(data)
                segment.ends.append(end)
            segment.at = end
        if self._second < 0:
            self._second, self._first = end, time.monotonic()  # of the first piece, no time is known
        self.remote.received += len(data)
        if end >= segment.need or end == segment.stop:
            self.remote.notify()
        return None if end < segment.stop or not self.unranged else False

    # the call

    def accept(self, reply: Reply) -> Reply:
        segment, remote = self.segment, self.remote
        if segment.winner is self:
            if self._opening and remote.size is None:
                raise remote.wrong("the reply has no head")
            if segment.at < segment.stop:
                raise Again(remote.wrong(f"the reply ended at byte {segment.at} of {segment.stop}"))
            self.measure()
        return reply

    def measure(self) -> None:
        """Tell the link how fast bytes came."""
        if self._second >= 0:
            self.remote.link().moved(self.segment.at - self._second, time.monotonic() - self._first)
            self._second = self.segment.at  # not twice

    def refused(self, error: S3Error, reply: Reply) -> bool:
        if self._opening and self.kind == "tail" and error.status in (400, 405, 416, 501):
            # the object is shorter than that, or the server knows no such ranges (rclone; Ceph of old)
            self.kind = "head"
            self.segment.stop = plan.TAIL
            return True
        if self._opening and error.status == 416:
            self.remote.empty(reply.headers)
        if error.status in (400, 501) and error.code == "NotImplemented" and self.guarding:
            self.remote.guarded = False  # every ETag is compared here in any case
            return True
        return False

    def done(self, result: Reply) -> None:
        self.remote.ended(self, None)

    def failed(self, error: BaseException) -> None:
        if self._opening and not [c for c in self.segment.calls if c is not self]:
            self.remote.refused(error)
        self.remote.ended(self, error)
