"""One exchange over libcurl: the future that whoever sent the request holds, and the easy handle that makes it.

Strategy: headers arrive one call per line: they are collected as bytes, and parsed when somebody looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any, Protocol

import pycurl

from s3nb.wire import KEPT_BODY, FileSlice, Headers, Reply, Request, Sink

_PENDING, _FINISHED, _CANCELLED = "pending", "finished", "cancelled"
_log = logging.getLogger(__name__)
_first_waiter = threading.Lock()


class Lane(Protocol):
    """Whoever makes exchanges."""

    def post(self, exchange: Exchange) -> None:
        """Hand over an exchange to be started, or one that was marked as dropped."""


class Exchange:
    """What `CurlWire.send` returns, and all the lane needs to make one exchange.

    It has the manners of a `concurrent.futures.Future`, without a condition, a lock and two lists of its own: one is made for
    every small object, and nobody waits for it but tests. Strategy: the state is set before callbacks and waiters are
    looked for, and these look at the state after they have put themselves down; so one of the two always sees the other.

    ``cancel`` only asks: the lane lets go of body and sink first, and then it is cancelled.
    """

    __slots__ = (
        "_callbacks",
        "_error",
        "_reply",
        "_state",
        "_waiting",
        "dropped",
        "lane",
        "redirected",
        "request",
        "sink",
        "slot",
    )

    def __init__(self, lane: Lane, request: Request, sink: Sink | None) -> None:
        self.lane = lane
        self.request = request
        self.sink = sink
        self.slot: Slot | None = None
        self.dropped = False
        self.redirected = False
        self._state = _PENDING
        self._reply: Reply | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] = []
        self._waiting: threading.Event | None = None

    def done(self) -> bool:
        return self._state is not _PENDING

    def cancelled(self) -> bool:
        return self._state is _CANCELLED

    def cancel(self) -> bool:
        if self._state is not _PENDING:
            return self._state is _CANCELLED
        self.dropped = True
        self.lane.post(self)
        return True

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if self._state is _PENDING:
            self._wait(timeout)
        if self._state is _CANCELLED:
            raise CancelledError
        return self._error

    def result(self, timeout: float | None = None) -> Reply:
        error = self.exception(timeout)
        if error is not None:
            raise error
        assert self._reply is not None
        return self._reply

    def _wait(self, timeout: float | None) -> None:
        with _first_waiter:
            if self._waiting is None:
                self._waiting = threading.Event()
        if self._state is _PENDING and not self._waiting.wait(timeout):
            raise TimeoutError

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        self._callbacks.append(callback)
        if self._state is not _PENDING:
            self._settle()

    # -- the lane's side ------------------------------------------------------------------

    def set_result(self, reply: Reply) -> None:
        self._reply = reply
        self._state = _FINISHED
        self._settle()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._state = _FINISHED
        self._settle()

    def finish_cancel(self) -> None:
        if self._state is _PENDING:
            self._state = _CANCELLED
            self._settle()

    def _settle(self) -> None:
        callbacks = self._callbacks
        while callbacks:  # each is taken out by one thread
            try:
                callback = callbacks.pop(0)
            except IndexError:
                break
            try:
                callback(self)
            except Exception:
                _log.exception("a callback of a request failed")
        if self._waiting is not None:
            self._waiting.set()


class Slot:
    """An easy handle of one shape, and the state of the exchange it is making."""

    __slots__ = (
        "easy", "error", "exchange", "fault", "head", "heard", "lines", "offset", "pieces", "shape", "silence", "size", "stopped",
        "write",
    )  # fmt: skip

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self.easy = pycurl.Curl()
        self.easy.slot = self
        self.silence = 0.0  # seconds that this one may be silent, if not the usual
        self.heard = 0.0  # when it was not
        self.exchange: Exchange | None = None
        self.lines: list[bytes] = []
        self.pieces: list[bytes] = []
        self.write: Callable[[bytes], object] | None = None
        self.head: tuple[int, Headers] | None = None
        self.error: BaseException | None = None
        self.fault = "sink"
        self.stopped = False
        self.offset = 0
        self.size = 0

    # Callbacks from libcurl. An exception in one of them would be printed and lost: it is kept instead.

    def on_body(self, data: bytes) -> int | None:
        write = self.write
        try:
            if self.exchange.dropped:  # type: ignore[union-attr]
                return 0
            if write is None:
                write = self.write = self._open_body()
            if write(data) is not False:
                return None
            self.stopped = True
        except BaseException as exc:
            self.error = exc
        return 0  # fewer bytes than were given: libcurl ends the transfer

    def _open_body(self) -> Callable[[bytes], object]:
        assert self.exchange is not None
        sink = self.exchange.sink
        status, headers = self.head = self.read_head()  # getinfo is not allowed here
        if not 200 <= status < 300:
            return self._keep_some
        if sink is None:
            return self._hear if self.silence else self.pieces.append
        if not sink.begin(status, headers):
            return _refuse
        return sink.write

    def _hear(self, data: bytes) -> None:
        self.pieces.append(data)
        self.heard = time.monotonic()

    def _keep_some(self, data: bytes) -> None:
        if self.size < KEPT_BODY:
            self.pieces.append(data[: KEPT_BODY - self.size])
            self.size += len(data)

    def read_head(self) -> tuple[int, Headers]:
        """Return status and headers of the last head: a 100 Continue or a proxy's reply may have come before, trailers after."""
        lines = self.lines
        raw = b"".join(lines)
        if raw.find(b"\r\n\r\n") < len(raw) - 4:
            heads = [at for at, line in enumerate(lines) if line.startswith(b"HTTP/")]
            lines = lines[heads[-1] :] if heads else lines
            raw = b"".join(lines)
        status = int(lines[0].split(None, 2)[1]) if lines else 0  # libcurl has checked the line
        return status, Headers(raw)

    def on_read(self, size: int) -> Any:
        assert self.exchange is not None
        body = self.exchange.request.body
        assert isinstance(body, FileSlice)
        try:
            data = body.read_at(self.offset, size)
        except BaseException as exc:
            self.error = exc
            self.fault = "source"
            return pycurl.READFUNC_ABORT
        self.offset += len(data)
        body.sent = self.offset
        return data

    def on_seek(self, offset: int, origin: int) -> Any:
        if origin != 0:
            return pycurl.SEEKFUNC_FAIL
        self.offset = offset
        return pycurl.SEEKFUNC_OK


def _refuse(_: bytes) -> bool:
    return False
