"""The seam between policy and the network: one request out, one reply in, as a future.

A wire knows how to reach a bucket and how to sign. It makes one HTTP exchange and reports what
happened: no retry, no policy, no S3 errors. Three wires speak this protocol: libcurl
(`s3nb.wire.curl`), botocore (`s3nb.wire.boto`), and memory (`s3nb.testing`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
KEPT_BODY = 256 * 1024  # bytes of an error's body that are kept


class FileSlice:
    """Bytes ``[start, stop)`` of an open file, as the body of a request.

    Read by position (`os.pread`), so that many slices of one descriptor can be sent at once.
    Whoever opened the descriptor closes it, after the futures have settled.

    Attributes
    ----------
    sent : int
        Bytes that the wire has taken so far, in the current exchange.
    """

    __slots__ = ("fd", "sent", "start", "stop")

    def __init__(self, fd: int, start: int, stop: int) -> None:
        self.fd = fd
        self.start = start
        self.stop = stop
        self.sent = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def read_at(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes at ``offset`` of the slice; short only at its end.

        Raises
        ------
        OSError
            The file ends before the slice does: it was cut while being sent.
        """
        size = min(size, len(self) - offset)
        if size <= 0:
            return b""
        data = os.pread(self.fd, size, self.start + offset)
        while len(data) < size:
            more = os.pread(self.fd, size - len(data), self.start + offset + len(data))
            if not more:
                raise OSError(f"file is shorter than the {self.stop} bytes that were to be sent from it")
            data += more
        return data


class Held(FileSlice):
    """Bytes in memory as the body of a request, without a copy of their own. Nobody may change them."""

    __slots__ = ("view",)

    def __init__(self, view: memoryview) -> None:
        super().__init__(-1, 0, len(view))
        self.view = view

    def read_at(self, offset: int, size: int) -> bytes:
        return bytes(self.view[offset : offset + size])


Body = bytes | FileSlice


class Request:
    """One HTTP exchange with S3, in S3's terms; the wire adds host, path and signature.

    Attributes
    ----------
    operation : str
        S3's name for it, e.g. ``"GetObject"``.
    method : str
        HTTP method.
    bucket, key : str
        Literal; an empty key means the bucket, an empty bucket the service.
    query : sequence of (str, str)
        Not encoded; a sub-resource is a pair with an empty value.
    headers : sequence of (str, str)
        Without those that the wire adds (Host, Content-Length, Authorization, ...): ``common`` and ``sums``.
    common : sequence of (str, str)
        Headers that other requests have as well: if it is a tuple, the wire prepares them once.
    sums : sequence of (str, str)
        ``x-amz-checksum-...`` of the body.
    body : bytes, FileSlice or None
    payload_hash : str or None
        Hex SHA-256 of the body to be signed; None leaves the payload unsigned.
    bulk : bool
        Many bytes are expected: the wire may keep such requests apart from small ones.
    silence : float
        Seconds without a byte after which the wire gives up; 0 for the wire's default.
    """

    __slots__ = (
        "body", "bucket", "bulk", "common", "key", "method", "operation", "payload_hash", "query", "silence", "sums",
    )  # fmt: skip

    def __init__(
        self,
        operation: str,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Sequence[tuple[str, str]] = (),
        sums: Sequence[tuple[str, str]] = (),
        body: Body | None = None,
        payload_hash: str | None = None,
        bulk: bool = False,
        silence: float = 0.0,
    ) -> None:
        self.operation = operation
        self.method = method
        self.bucket = bucket
        self.key = key
        self.query = query
        self.common = headers
        self.sums = sums
        self.body = body
        self.payload_hash = payload_hash
        self.bulk = bulk
        self.silence = silence

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        return (*self.common, *self.sums) if self.sums else self.common

    def __repr__(self) -> str:
        return f"<{self.method} {self.operation} s3://{self.bucket}/{self.key}>"


class Headers(Mapping[str, str]):
    """Reply headers by lower-case name, parsed at the first look. Repeated ones are joined by ``", "``.

    ``raw`` is the head as it came, status line and all.
    Bytes are read as UTF-8 where they are UTF-8, else as Latin-1 (RFC 9110, 5.5 leaves it open).
    """

    __slots__ = ("_low", "_parsed", "_raw")

    def __init__(self, raw: bytes = b"", pairs: Mapping[str, str] | None = None) -> None:
        self._raw = raw
        self._low = b""  # in lower case, once somebody has looked for a name
        self._parsed: dict[str, str] | None = None if pairs is None else {k.lower(): v for k, v in pairs.items()}

    def _parse(self) -> dict[str, str]:
        parsed: dict[str, str] = {}
        raw = self._raw
        if raw.isascii():
            lines = raw.decode("ascii").split("\r\n")
        else:
            lines = [_text(line) for line in raw.split(b"\r\n")]
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or line.startswith("HTTP/"):
                continue
            name = name.lower()
            value = value.strip()
            parsed[name] = f"{parsed[name]}, {value}" if name in parsed else value
        self._raw = self._low = b""
        self._parsed = parsed
        return parsed

    def mentions(self, text: str) -> bool:
        """Say whether a header's name may begin so, without parsing."""
        if self._parsed is not None:
            return any(name.startswith(text) for name in self._parsed)
        return _pattern(text) in self._lower()

    def _lower(self) -> bytes:
        if not self._low:
            self._low = self._raw.lower()
        return self._low

    def peek(self, name: str) -> str | None:
        """Return one value, of a header that does not come twice, without parsing the others."""
        if self._parsed is not None:
            return self._parsed.get(name)
        raw = self._raw
        at = self._lower().find(_pattern(name + ":"))
        if at == -1:
            return None
        return _text(raw[at + len(name) + 2 : raw.find(b"\n", at + 1)]).strip()

    def __getitem__(self, name: str) -> str:
        parsed = self._parsed
        return (self._parse() if parsed is None else parsed)[name]

    def get(self, name: str, default: Any = None) -> Any:
        parsed = self._parsed
        return (self._parse() if parsed is None else parsed).get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parse() if self._parsed is None else self._parsed)

    def __len__(self) -> int:
        return len(self._parse() if self._parsed is None else self._parsed)

    def __reduce__(self) -> tuple[Any, ...]:
        return Headers, (None, dict(self))

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


@lru_cache(256)
def _pattern(name: str) -> bytes:
    return b"\n" + name.encode()


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


class Reply:
    """What came back.

    Attributes
    ----------
    status : int
    headers : Headers
    body : bytes
        The body, if no sink took it; of an error at most `KEPT_BODY` bytes.
    stopped : bool
        The sink had enough and the rest was not read.
    """

    __slots__ = ("body", "headers", "status", "stopped")

    def __init__(self, status: int, headers: Headers, body: bytes = b"", stopped: bool = False) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.stopped = stopped

    def __repr__(self) -> str:
        return f"<Reply {self.status}, {len(self.body)} bytes>"


class Sink(Protocol):
    """Where the body of a successful reply goes.

    `begin` is called once with the head of a 2xx reply; if it says False, the body is not wanted and the
    exchange ends as ``stopped``. Then ``write`` is looked up once and called with each piece, in order,
    on the wire's thread; False means enough. Whatever either raises ends the exchange and comes back as
    the cause of a `WireError` of kind ``"sink"``.
    """

    @property
    def write(self) -> Callable[[bytes], object]: ...

    def begin(self, status: int, headers: Headers) -> bool: ...


class WireError(Exception):
    """The exchange did not come to its end.

    Attributes
    ----------
    kind : str
        ``"connect"`` (refused, no route), ``"dns"``, ``"tls"``, ``"timeout"`` (silence), ``"reset"`` (broken while under
        way), ``"short"`` (body ended early), ``"sink"`` or ``"source"`` (local; see ``__cause__``),
        ``"setup"`` (address, credentials: ``__cause__`` is the S3Error), ``"closed"`` (the wire is shut).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        return WireError, (self.kind, str(self))


class Pending(Protocol):
    """An exchange under way, with the manners of a `concurrent.futures.Future` (which is one)."""

    def done(self) -> bool: ...
    def cancel(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def result(self, timeout: float | None = None) -> Reply: ...
    def add_done_callback(self, fn: Callable[[Any], object], /) -> None: ...


class Wire(Protocol):
    """One HTTP exchange at a time, many at once."""

    def send(self, request: Request, sink: Sink | None = None) -> Pending:
        """Start an exchange; never blocks on the network.

        Its callbacks run on a thread of the wire and must be quick. ``cancel()`` is honoured while
        the exchange runs: it then ends as cancelled only when the wire has let go of body and sink.
        It fails with `WireError` when there is no reply; any status is a success here.
        """
        ...

    def presign(self, request: Request, expires: int) -> str:
        """Return a URL that makes this request without credentials for ``expires`` seconds. No request is made."""
        ...

    def signs_payload(self, bucket: str) -> bool:
        """Say whether bodies sent to this bucket should have their SHA-256 under the signature."""
        ...

    def checks_uploads(self, bucket: str) -> bool:
        """Say whether the server is known to compare the checksums that it is sent with the bytes."""
        ...

    def close(self) -> None:
        """Cancel what runs and free sockets and threads. May be called twice."""
        ...
