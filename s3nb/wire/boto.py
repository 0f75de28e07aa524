"""The portable wire: botocore on a few threads. Slower, but it goes wherever botocore goes.

Used where libcurl is missing, where a bucket needs what only botocore speaks, where the caller asks, and under an
in-process mock of AWS, which intercepts botocore and nothing else. The request is turned into the parameters of the API
call by botocore's own service model; the reply is caught before it is parsed, so that body and headers arrive as sent.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from s3nb.config import TransferConfig
from s3nb.errors import S3Error
from s3nb.wire import KEPT_BODY, FileSlice, Headers, Reply, Request, Sink, Wire, WireError
from s3nb.wire.aws import Account

_PIECE = 256 * 1024


class _Exchange(Future[Reply]):
    """A future whose ``cancel`` is honoured between the pieces of a body."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = False
        self.source_error: BaseException | None = None

    def cancel(self) -> bool:
        if self.done():
            return self.cancelled()
        self.dropped = True
        return True

    def finish_cancel(self) -> None:
        if super().cancel():
            self.set_running_or_notify_cancel()


class _Dropped(Exception):
    """Raised inside a transfer to leave it."""


class _SliceFile(io.RawIOBase):
    """A `FileSlice` as the file that botocore reads, rewinds and measures."""

    def __init__(self, body: FileSlice, exchange: _Exchange) -> None:
        self._body = body
        self._exchange = exchange
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._body)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, len(self._body))[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        if self._exchange.dropped:
            raise _Dropped
        left = len(self._body) - self._at
        try:
            data = self._body.read_at(self._at, left if size is None or size < 0 else size)
        except BaseException as exc:
            self._exchange.source_error = exc  # on its way through botocore it may get lost
            raise
        self._at += len(data)
        self._body.sent = self._at
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class BotoWire(Wire):
    """S3 over botocore.

    Parameters
    ----------
    account : Account
    config : TransferConfig
    """

    def __init__(self, account: Account, config: TransferConfig) -> None:
        self.account = account
        self.config = config
        self._lock = threading.Lock()
        self._local = threading.local()
        self._clients: dict[str | None, Any] = {}  # by region
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()
        self._closed = False
        self._live: set[_Exchange] = set()

    def send(self, request: Request, sink: Sink | None = None) -> Future[Reply]:
        exchange = _Exchange()
        with self._lock:
            if self._closed:
                raise WireError("closed", "the client was closed")
            if self._pool is None or self._pid != os.getpid():
                self._start()
            assert self._pool is not None
            self._live.add(exchange)
            self._pool.submit(self._run, exchange, request, sink)
        return exchange

    def _start(self) -> None:
        self._pid = os.getpid()
        self._pool = ThreadPoolExecutor(min(self.config.max_requests, 32), "s3nb-boto")
        self._clients = {}
        self._make_client(None)

    def _client(self, bucket: str) -> Any:
        """Return the client for the region that a bucket is in."""
        region = self.account.region(bucket)
        client = self._clients.get(region)
        if client is None:
            with self._lock:
                client = self._clients.get(region) or self._make_client(region)
        return client

    def _make_client(self, region: str | None) -> Any:
        from botocore.config import Config

        timeouts = Config(connect_timeout=self.config.connect_timeout, read_timeout=self.config.stall_timeout)
        client = self.account.make_client(config=timeouts, **({"region_name": region} if region else {}))
        events = client.meta.events
        # the reply as it came, before botocore reads it; called on the thread that waits for it
        events.register_first("before-parse.s3", self._catch)
        events.register_last("before-sign.s3", self._add_headers)
        for operation in ("ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"):
            # botocore's handlers would ask for URL encoding and then undo it
            events.register_first(f"before-parameter-build.s3.{operation}", _no_encoding_of_its_own)
        self._clients[region] = client
        return client

    def _add_headers(self, request: Any, **_: Any) -> None:
        """Add the headers that botocore's model has no parameter for."""
        for name, value in getattr(self._local, "extra", ()):
            if name in request.headers:
                request.headers.replace_header(name, value)
            else:
                request.headers[name] = value

    def _catch(self, response_dict: dict[str, Any], **_: Any) -> None:
        self._local.reply = dict(response_dict)

    def _run(self, exchange: _Exchange, request: Request, sink: Sink | None) -> None:
        try:
            if exchange.dropped:
                raise _Dropped
            reply = self._exchange(exchange, request, sink)
            region = reply.headers.get("x-amz-bucket-region")
            if region and reply.status in (301, 307, 400) and self.account.move(request.bucket, region):
                reply = self._exchange(exchange, request, sink)
        except _Dropped:
            exchange.finish_cancel()
        except BaseException as exc:
            if exchange.dropped:
                exchange.finish_cancel()
            elif exchange.source_error is not None:
                error = WireError("source", str(exchange.source_error))
                error.__cause__ = exchange.source_error
                exchange.set_exception(error)
            else:
                exchange.set_exception(exc if isinstance(exc, WireError) else self._translated(exc))
        else:
            exchange.set_result(reply)
        finally:
            self._live.discard(exchange)

    def _exchange(self, exchange: _Exchange, request: Request, sink: Sink | None) -> Reply:
        from botocore.exceptions import ClientError

        self._local.reply = None
        client = self._client(request.bucket)
        parameters, self._local.extra = self._parameters(exchange, request, client)
        streaming = None
        try:
            parsed = client._make_api_call(request.operation, parameters)
            streaming = parsed.get("Body")
        except ClientError:
            if self._local.reply is None:
                raise
        caught = self._local.reply
        self._local.reply = None
        if caught is None:
            raise WireError("reset", "botocore gave no reply")
        status = caught["status_code"]
        headers = Headers(pairs={str(k): _text(v) for k, v in caught["headers"].items()})
        body = caught["body"] if isinstance(caught["body"], bytes) else b""
        stopped = False
        if streaming is not None:
            body, stopped = self._drain(exchange, streaming, status, headers, sink)
        elif sink is not None and 200 <= status < 300:
            stopped = not self._sunk(sink.begin, status, headers) or (
                bool(body) and self._sunk(sink.write, body) is False
            )
            body = b""
        return Reply(status, headers, body[:KEPT_BODY] if status >= 300 else body, stopped)

    def _drain(
        self, exchange: _Exchange, stream: Any, status: int, headers: Headers, sink: Sink | None
    ) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        take: Callable[[bytes], object] = pieces.append
        try:
            if sink is not None:
                if not self._sunk(sink.begin, status, headers):
                    return b"", True
                take = sink.write
            while True:
                if exchange.dropped:
                    raise _Dropped
                data = stream.read(_PIECE)
                if not data:
                    return b"".join(pieces), False
                if self._sunk(take, data) is False:
                    return b"", True
        finally:
            stream.close()

    @staticmethod
    def _sunk(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as exc:
            error = WireError("sink", f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
            raise error from exc

    # -- a request becomes an API call -------------------------------------------------------

    def _parameters(
        self, exchange: _Exchange, request: Request, client: Any
    ) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Return the parameters of the API call, and the headers for which it has none."""
        model = client.meta.service_model.operation_model(request.operation)
        members = model.input_shape.members if model.input_shape is not None else {}
        found: dict[str, Any] = {}
        extra: list[tuple[str, str]] = []
        if "Bucket" in members:
            found["Bucket"] = request.bucket
        if "Key" in members:
            found["Key"] = request.key
        by_place: dict[tuple[str, str], tuple[str, Any]] = {}
        metadata = None
        for name, shape in members.items():
            place = shape.serialization.get("location")
            if place == "headers":
                metadata = (name, shape.serialization["name"].lower())
            elif place in ("header", "querystring"):
                by_place[place, shape.serialization["name"].lower()] = (name, shape)
        for field, value in request.headers:
            lower = field.lower()
            if metadata is not None and lower.startswith(metadata[1]):
                found.setdefault(metadata[0], {})[field[len(metadata[1]) :]] = value
            elif ("header", lower) in by_place:
                name, shape = by_place["header", lower]
                found[name] = _typed(shape, value)
            elif lower != "content-type":
                extra.append((field, value))
        for field, value in request.query:
            if ("querystring", field.lower()) in by_place:
                name, shape = by_place["querystring", field.lower()]
                found[name] = _typed(shape, value)
        payload = model.input_shape.serialization.get("payload") if model.input_shape is not None else None
        if payload is not None and request.body is not None:
            found[payload] = self._payload(exchange, request, members[payload])
        return found, extra

    def _payload(self, exchange: _Exchange, request: Request, shape: Any) -> Any:
        body = request.body
        if shape.type_name == "blob":
            return _SliceFile(body, exchange) if isinstance(body, FileSlice) else body
        assert isinstance(body, bytes)
        from s3nb.wire import xml

        if request.operation == "DeleteObjects":
            return xml.read_delete(body)
        return xml.read_complete(body)

    # -- failures ---------------------------------------------------------------------------------

    @staticmethod
    def _translated(exc: BaseException) -> WireError:
        import botocore.exceptions as b

        kind = "reset"
        if isinstance(exc, (b.ConnectTimeoutError, b.ReadTimeoutError)):
            kind = "timeout"
        elif isinstance(exc, b.SSLError):
            kind = "tls"
        elif isinstance(exc, (b.EndpointConnectionError, b.ProxyConnectionError)):
            kind = "dns" if "resolve" in str(exc).lower() or "Name or service" in str(exc) else "connect"
        elif isinstance(exc, (b.IncompleteReadError, b.ResponseStreamingError)):
            kind = "short"
        elif isinstance(exc, OSError) and not isinstance(exc, b.BotoCoreError):
            kind = "source"
        elif isinstance(exc, (b.BotoCoreError, S3Error)) and not isinstance(exc, b.HTTPClientError):
            kind = "setup"
        error = WireError(kind, f"{type(exc).__name__}: {exc}")
        error.__cause__ = exc
        return error

    # -- the rest of the protocol -------------------------------------------------------------------

    def presign(self, request: Request, expires: int) -> str:
        methods = {
            "GetObject": "get_object",
            "HeadObject": "head_object",
            "PutObject": "put_object",
            "DeleteObject": "delete_object",
        }
        parameters = {"Bucket": request.bucket, "Key": request.key}
        for name, value in request.query:
            if name == "versionId":
                parameters["VersionId"] = value
            elif name == "x-amz-request-payer":
                parameters["RequestPayer"] = value
        if not 1 <= expires <= 604800:
            raise ValueError(f"a presigned URL lives 1 to 604800 seconds, not {expires}")
        url: str = self.account.client.generate_presigned_url(
            methods[request.operation], Params=parameters, ExpiresIn=expires
        )
        return url

    def checks_uploads(self, bucket: str) -> bool:
        return self.account.endpoint(bucket).aws

    def signs_payload(self, bucket: str) -> bool:
        return False  # botocore hashes by its own rules

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
            live = list(self._live)
        for exchange in live:
            exchange.cancel()
        if pool is not None and self._pid == os.getpid():
            pool.shutdown(wait=True, cancel_futures=False)


def _no_encoding_of_its_own(context: dict[str, Any], **_: Any) -> None:
    context["encoding_type_auto_set"] = False


def _typed(shape: Any, value: str) -> Any:
    """Return a header's or query's text as the type that botocore's model wants."""
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "boolean":
        return value.lower() == "true"
    if shape.type_name == "timestamp":
        return parsedate_to_datetime(value).astimezone(UTC)
    return value


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
