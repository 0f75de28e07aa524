"""The fast wire: libcurl's multi interface, driven by a selector, one thread a lane.

Strategy: `socket_action` under a `selectors` loop, so nothing is scanned per event and nothing limits
descriptors to 1,024. A lane sleeps in `select`; whoever has work for it appends to a deque and, only if the
lane is asleep, writes one byte to a socket pair. Easy handles are kept by shape (GET, HEAD, PUT of bytes, ...),
as most options then never change.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import threading
import time
import weakref
from collections import deque
from datetime import datetime
from typing import Any

import pycurl

from s3nb.config import TransferConfig
from s3nb.wire import UNSIGNED_PAYLOAD, FileSlice, Headers, Pending, Reply, Request, Sink, Wire, WireError
from s3nb.wire.aws import Account, Endpoint
from s3nb.wire.exchange import Exchange, Slot
from s3nb.wire.forms import Form
from s3nb.wire.poll import Poll
from s3nb.wire.signing import EMPTY_SHA256, Keys, Signer, encode_key, encode_query

# Since 8.7 all exchanges of a lane share one; before, each connection had its own (https://curl.se/libcurl/c/CURLOPT_BUFFERSIZE.html)
_RECEIVE_BUFFER = 4 * 1024 * 1024 if pycurl.version_info()[2] >= 0x080700 else 512 * 1024
_SEND_BUFFER = 512 * 1024
_KEPT_CONNECTIONS = 512
_FORMS = 64  # kept of a second: many requests of a kind, few kinds

# https://curl.se/libcurl/c/libcurl-errors.html
_KINDS = {
    pycurl.E_COULDNT_RESOLVE_PROXY: "dns",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "connect",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_PARTIAL_FILE: "short",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CERTPROBLEM: "tls",
    pycurl.E_SSL_CIPHER: "tls",
    pycurl.E_SSL_ISSUER_ERROR: "tls",
}

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


def _whole(seconds: float) -> int:
    """Return whole seconds, as libcurl counts silence; none would mean: for ever."""
    return max(1, round(seconds))


class _Lane:
    """One thread, one multi handle, any number of exchanges."""

    def __init__(self, wire: CurlWire, number: int) -> None:
        self._wire = wire
        self._inbox: deque[Exchange] = deque()
        self._closing = False
        self._asleep = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._live: set[Exchange] = set()
        self._patient: set[Slot] = set()
        self._idle: dict[str, list[Slot]] = {}
        self._forms: dict[tuple[object, ...], Form] = {}  # of this second
        self._second: datetime | None = None
        self._keys: Keys | None = None
        self._due: float | None = None
        self._watched: set[int] = set()
        self._sockets: dict[int, socket.socket | None] = {}  # by number, which libcurl uses again and again
        self._poll = Poll()
        self._bell = self._reader.fileno()
        self._poll.set(self._bell, True, False, False)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, _KEPT_CONNECTIONS)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self.thread = threading.Thread(target=self._run, name=f"s3nb-lane-{number}", daemon=True)
        self.thread.start()

    # -- called from any thread -----------------------------------------------------------

    def post(self, exchange: Exchange) -> None:
        """Hand over an exchange to be started, or one that was marked as dropped."""
        self._live.add(exchange)
        self._inbox.append(exchange)
        if self._asleep:
            self._asleep = False
            self._wake()

    @property
    def busy(self) -> int:
        """Exchanges that are under way, or will be."""
        return len(self._live)

    def close(self) -> None:
        self._closing = True
        self._asleep = False
        self._wake()
        if threading.current_thread() is not self.thread:
            self.thread.join(5)

    def _wake(self) -> None:
        # BlockingIOError: the pair is full of wake-ups already. OSError: the lane is gone.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    # -- the loop -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                self._turn()
        finally:
            self._shut()

    def _turn(self) -> None:
        self._take()
        multi = self._multi
        timeout = None
        if self._due is not None:
            timeout = self._due - time.monotonic()
            if timeout <= 0:
                # also how exchanges that were just added get going, all at once
                self._due = None
                multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
                self._collect()
                timeout = 0.0 if self._due is None else max(0.0, self._due - time.monotonic())
        if self._patient:
            self._end_the_silent()
            timeout = min(1.0, 1.0 if timeout is None else timeout)
        self._asleep = True
        if self._inbox or self._closing:
            self._asleep = False
            timeout = 0.0
        events = self._poll.wait(timeout)
        self._asleep = False
        watched = self._watched
        for fd, readable, writable in events:
            if fd == self._bell:
                self._drain()
                continue
            if fd not in watched:
                continue  # an event before it in this very list has ended its exchange
            multi.socket_action(fd, (pycurl.CSELECT_IN if readable else 0) | (pycurl.CSELECT_OUT if writable else 0))
            if readable and fd in watched:
                # More is to come, and Linux may delay the ACK. A server that writes head and body apart under Nagle's
                # algorithm then waits 40 ms for it, at every small object. The mode ends by itself: set it each time.
                sock = self._sockets[fd]
                if sock is not None:
                    with contextlib.suppress(OSError):  # libcurl has closed it
                        sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK or 0, 1)
        self._collect()

    def _end_the_silent(self) -> None:
        """Give up exchanges that were to be waited for, but not for ever. To libcurl a blank now and then is silence."""
        now = time.monotonic()
        for slot in [s for s in self._patient if now - s.heard > s.silence]:
            exchange = slot.exchange
            assert exchange is not None
            self._let_go(exchange)
            exchange.set_exception(WireError("timeout", f"nothing came for {slot.silence:.0f} s"))

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while len(self._reader.recv(4096)) == 4096:
                pass

    def _take(self) -> None:
        inbox = self._inbox
        for _ in range(len(inbox)):
            exchange = inbox.popleft()
            if exchange.dropped:
                self._drop(exchange)
            elif exchange.done():
                self._live.discard(exchange)
            else:
                self._start(exchange)

    def _drop(self, exchange: Exchange) -> None:
        self._let_go(exchange)
        exchange.finish_cancel()

    def _let_go(self, exchange: Exchange) -> None:
        slot = exchange.slot
        if slot is not None:
            self._patient.discard(slot)
            self._multi.remove_handle(slot.easy)
            slot.easy.close()  # and its connection, in the middle of something, with it
            exchange.slot = None
        self._live.discard(exchange)

    def _start(self, exchange: Exchange) -> None:
        try:
            slot = self._prepare(exchange)
        except BaseException as exc:
            error = WireError("setup", str(exc))
            error.__cause__ = exc
            self._live.discard(exchange)
            exchange.set_exception(error)
            return
        exchange.slot = slot
        self._multi.add_handle(slot.easy)

    def _collect(self) -> None:
        while True:
            queued, good, bad = self._multi.info_read()
            for easy in good:
                self._finish(easy.slot, 0, "")
            for easy, code, text in bad:
                self._finish(easy.slot, code, text)
            if not queued:
                return

    def _finish(self, slot: Slot, code: int, text: str) -> None:
        exchange = slot.exchange
        assert exchange is not None
        self._multi.remove_handle(slot.easy)
        if slot.silence:
            self._patient.discard(slot)
        exchange.slot = None
        self._live.discard(exchange)
        if exchange.dropped:
            self._release(slot)
            exchange.finish_cancel()
            return
        error = slot.error
        if error is None and (code == 0 or slot.stopped):
            status, headers = slot.head or slot.read_head()
            if not slot.pieces:
                body = b""
            else:
                body = slot.pieces[0] if len(slot.pieces) == 1 else b"".join(slot.pieces)
            try:
                if slot.write is None and exchange.sink is not None and 200 <= status < 300:
                    exchange.sink.begin(status, headers)  # an empty body never reached on_body
            except BaseException as exc:
                error = exc
        if error is not None:
            failure = WireError(slot.fault, f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            self._release(slot)
            exchange.set_exception(failure)
            return
        if code and not slot.stopped:
            kind = _KINDS.get(code, "reset")
            self._release(slot)
            exchange.set_exception(WireError(kind, f"{text or 'transfer failed'} (libcurl {code})"))
            return
        stopped = slot.stopped
        self._release(slot)
        if not exchange.redirected and status in (301, 307, 400) and self._moved(exchange, headers):
            exchange.redirected = True
            self._live.add(exchange)
            self._start(exchange)
            return
        exchange.set_result(Reply(status, headers, body, stopped))

    def _moved(self, exchange: Exchange, headers: Headers) -> bool:
        """Say whether the reply names another region for the bucket, which is then remembered."""
        region = headers.get("x-amz-bucket-region")
        bucket = exchange.request.bucket
        return bool(region and bucket and self._wire.account.move(bucket, region))

    def _release(self, slot: Slot) -> None:
        slot.exchange = None
        slot.write = None
        slot.error = None
        slot.fault = "sink"
        slot.stopped = False
        slot.pieces = []
        slot.lines.clear()
        slot.head = None
        slot.size = 0
        slot.offset = 0
        if slot.shape == "send":
            slot.easy.setopt(pycurl.POSTFIELDS, b"")  # libcurl's copy of the pointer keeps the body alive
        self._idle.setdefault(slot.shape, []).append(slot)

    # -- libcurl's callbacks for the loop ----------------------------------------------------

    def _on_socket(self, event: int, fd: int, _multi: object, _data: object) -> None:
        watched = self._watched
        if event == pycurl.POLL_REMOVE:
            if fd in watched:
                watched.discard(fd)
                self._poll.drop(fd)
            return
        self._poll.set(fd, bool(event & pycurl.POLL_IN), bool(event & pycurl.POLL_OUT), fd in watched)
        watched.add(fd)
        if fd not in self._sockets:
            sock = None
            if _QUICKACK is not None:
                # libcurl also watches descriptors that are no sockets: its resolver's threads report through one
                with contextlib.suppress(OSError):
                    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd)
            self._sockets[fd] = sock

    def _on_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    # -- a request becomes options -------------------------------------------------------------

    def _prepare(self, exchange: Exchange) -> Slot:
        request = exchange.request
        wire = self._wire
        endpoint = wire.account.endpoint(request.bucket)
        body = request.body
        method = request.method
        if method == "GET":
            shape = "get"
        elif method == "HEAD":
            shape = "head"
        elif isinstance(body, FileSlice):
            shape = "file"
        else:
            shape = "send" if body is not None or method in ("PUT", "POST") else "bare"
        path = endpoint.base + "/" + encode_key(request.key)
        query = encode_query(request.query) if request.query else ""
        payload = request.payload_hash or (UNSIGNED_PAYLOAD if body else EMPTY_SHA256)
        sent = self._form(endpoint, request).headers(request, path, query, payload)
        idle = self._idle.get(shape)  # from here on nothing fails
        slot = idle.pop() if idle else self._make(shape)
        easy = slot.easy
        url = f"{endpoint.scheme}://{endpoint.host}{path}"
        easy.setopt(pycurl.URL, f"{url}?{query}" if query else url)
        easy.setopt(pycurl.HTTPHEADER, sent)
        if shape == "send":
            easy.setopt(pycurl.CUSTOMREQUEST, method)
            easy.setopt(pycurl.POSTFIELDS, body or b"")
        elif shape == "file":
            assert isinstance(body, FileSlice)
            body.sent = 0
            easy.setopt(pycurl.INFILESIZE_LARGE, len(body))
            easy.setopt(pycurl.CUSTOMREQUEST, method)
        elif shape == "bare":
            easy.setopt(pycurl.CUSTOMREQUEST, method)
        if request.silence != slot.silence:
            easy.setopt(pycurl.LOW_SPEED_TIME, 0 if request.silence else _whole(wire.config.stall_timeout))
            slot.silence = request.silence
        if request.silence:
            slot.heard = time.monotonic()
            self._patient.add(slot)
        slot.exchange = exchange
        return slot

    def _form(self, endpoint: Endpoint, request: Request) -> Form:
        """Return what this request has in common with others of the same second."""
        account = self._wire.account
        keys = account.credentials()
        now = account.now()
        second = now.replace(microsecond=0)
        if second != self._second or keys is not self._keys:
            self._second, self._keys = second, keys
            self._forms.clear()
        shared = type(request.common) is tuple
        sums = [name for name, _ in request.sums] if request.sums else ()
        own = (request.common, *sums, request.method, endpoint.host, endpoint.region)
        form = self._forms.get(own) if shared else None
        if form is None:
            form = Form(request, endpoint, keys, self._wire.signer(endpoint), now)
            if shared and len(self._forms) < _FORMS:
                self._forms[own] = form
        return form

    def _make(self, shape: str) -> Slot:
        slot = Slot(shape)
        easy = slot.easy
        self._wire.configure(easy)
        easy.setopt(pycurl.WRITEFUNCTION, slot.on_body)
        easy.setopt(pycurl.HEADERFUNCTION, slot.lines.append)
        if shape == "get":
            easy.setopt(pycurl.HTTPGET, 1)
        elif shape == "head":
            easy.setopt(pycurl.NOBODY, 1)
        elif shape == "file":
            easy.setopt(pycurl.UPLOAD, 1)
            easy.setopt(pycurl.READFUNCTION, slot.on_read)
            easy.setopt(pycurl.SEEKFUNCTION, slot.on_seek)
            easy.setopt(pycurl.UPLOAD_BUFFERSIZE, _SEND_BUFFER)
        return slot

    # -- the end --------------------------------------------------------------------------------

    def _shut(self) -> None:
        self._inbox.clear()
        for exchange in list(self._live):
            if exchange.slot is not None:
                self._multi.remove_handle(exchange.slot.easy)
                exchange.slot.easy.close()
                exchange.slot = None
            if exchange.dropped:
                exchange.finish_cancel()
            elif not exchange.done():
                exchange.set_exception(WireError("closed", "the client was closed"))
        self._live.clear()
        for slots in self._idle.values():
            for slot in slots:
                slot.easy.close()
        self._idle.clear()
        self._multi.close()
        for sock in self._sockets.values():
            if sock is not None:
                sock.detach()  # the descriptor is libcurl's to close
        self._sockets.clear()
        self._poll.close()
        self._reader.close()
        self._writer.close()


class CurlWire(Wire):
    """S3 over libcurl. Lanes start at the first request and end with `close`.

    Parameters
    ----------
    account : Account
        Credentials, endpoints, trust.
    config : TransferConfig
        Number of lanes and timeouts.
    """

    def __init__(self, account: Account, config: TransferConfig) -> None:
        self.account = account
        self.config = config
        self._lock = threading.Lock()
        self._lanes: list[_Lane | None] = [None] * config.lanes
        self._closed = False
        self._pid = os.getpid()
        self._signers: dict[tuple[str, str], Signer] = {}
        self._trust: list[tuple[int, Any]] | None = None
        _alive.add(self)

    def send(self, request: Request, sink: Sink | None = None) -> Pending:
        number = self._idlest() if request.bulk else 0
        lane = self._lanes[number]
        if lane is None or self._pid != os.getpid():
            lane = self._lane(number)
        exchange = Exchange(lane, request, sink)
        lane.post(exchange)
        if self._closed and not exchange.done():
            # close() may have missed it: whoever of us two comes second settles it
            exchange.dropped = True
            exchange.finish_cancel()
        return exchange

    def _idlest(self) -> int:
        """Return the lane with the fewest exchanges; of several the last, as the first has the small objects."""
        busy = [0 if lane is None else lane.busy for lane in self._lanes]
        return len(busy) - 1 - busy[::-1].index(min(busy))

    def _lane(self, number: int) -> _Lane:
        with self._lock:
            if self._closed:
                raise WireError("closed", "the client was closed")
            if self._pid != os.getpid():
                self.after_fork()
            lane = self._lanes[number]
            if lane is None:
                lane = self._lanes[number] = _Lane(self, number)
            return lane

    def after_fork(self) -> None:
        """Leave the parent's lanes alone: their threads are not here, their sockets are the parent's.

        They are not freed either: closing a TLS connection would say good-bye on the parent's behalf.
        """
        _left_to_the_parent.append(self._lanes)
        self._lanes = [None] * len(self._lanes)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.account.after_fork()

    def signer(self, endpoint: Endpoint) -> Signer:
        """Return the signer of an endpoint's region; kept, as it holds the day's key."""
        scope = (endpoint.region, endpoint.service)
        signer = self._signers.get(scope)
        if signer is None:
            signer = self._signers[scope] = Signer(endpoint.region, endpoint.service)
        return signer

    def configure(self, easy: Any) -> None:
        """Set what never changes on a new easy handle."""
        config = self.config
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.PATH_AS_IS, 1)
        easy.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        easy.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        easy.setopt(pycurl.FOLLOWLOCATION, 0)
        easy.setopt(pycurl.CONNECTTIMEOUT_MS, int(config.connect_timeout * 1000))
        easy.setopt(pycurl.LOW_SPEED_LIMIT, int(config.stall_bytes))
        easy.setopt(pycurl.LOW_SPEED_TIME, _whole(config.stall_timeout))
        easy.setopt(pycurl.BUFFERSIZE, _RECEIVE_BUFFER)
        easy.setopt(pycurl.TCP_NODELAY, 1)
        easy.setopt(pycurl.TCP_KEEPALIVE, 1)
        easy.setopt(pycurl.USERAGENT, "s3nb")
        for option, value in self._trusted():
            easy.setopt(option, value)

    def _trusted(self) -> list[tuple[int, Any]]:
        if self._trust is None:
            from botocore.httpsession import get_cert_path

            options: list[tuple[int, Any]] = []
            verify = self.account.verify
            if verify is False:
                options += [(pycurl.SSL_VERIFYPEER, 0), (pycurl.SSL_VERIFYHOST, 0)]
            else:
                bundle = str(get_cert_path(verify))  # type: ignore[arg-type]  # the stubs know no path
                options.append((pycurl.CAPATH if os.path.isdir(bundle) else pycurl.CAINFO, bundle))
            cert = self.account.client_cert
            if cert:
                options += (
                    [(pycurl.SSLCERT, cert)]
                    if isinstance(cert, str)
                    else [
                        (pycurl.SSLCERT, cert[0]),
                        (pycurl.SSLKEY, cert[1]),
                    ]
                )
            options += self._proxy()
            self._trust = options
        return self._trust

    def _proxy(self) -> list[tuple[int, Any]]:
        """Return the options for a proxy, by botocore's rules. Those of the environment are libcurl's to find, but for one."""
        scheme = self.account.scheme
        proxy = self.account.proxies.get(scheme)
        if proxy:
            return [(pycurl.PROXY, proxy), (pycurl.NOPROXY, "")]
        environment = os.environ
        if scheme == "http" and "http_proxy" not in environment and "REQUEST_METHOD" not in environment:
            # libcurl takes it for a header of some request to a CGI program, and wants small letters
            proxy = environment.get("HTTP_PROXY")
            if proxy:
                return [(pycurl.PROXY, proxy)]
        return []

    def presign(self, request: Request, expires: int) -> str:
        endpoint = self.account.endpoint(request.bucket)
        path = endpoint.base + "/" + encode_key(request.key)
        query = encode_query(request.query)
        keys = self.account.credentials()
        if keys is None:
            url = f"{endpoint.scheme}://{endpoint.host}{path}"
            return f"{url}?{query}" if query else url
        return self.signer(endpoint).presign(
            request.method,
            endpoint.scheme,
            endpoint.host,
            path,
            query,
            expires,
            keys,
            self.account.now(),
            request.headers,
        )

    def checks_uploads(self, bucket: str) -> bool:
        return self.account.endpoint(bucket).aws

    def signs_payload(self, bucket: str) -> bool:
        if self.config.sign_payload is not None:
            return self.config.sign_payload
        return not self.account.anonymous and self.account.endpoint(bucket).scheme == "http"

    def close(self) -> None:
        with self._lock:
            self._closed = True
            lanes, self._lanes = self._lanes, [None] * len(self._lanes)
        if self._pid == os.getpid():
            for lane in lanes:
                if lane is not None:
                    lane.close()
        _alive.discard(self)


_alive: weakref.WeakSet[CurlWire] = weakref.WeakSet()
_left_to_the_parent: list[object] = []


def _close_all() -> None:
    for wire in list(_alive):
        wire.close()


def _after_fork() -> None:
    for wire in list(_alive):
        wire.after_fork()


# Lanes must end before the interpreter does: a thread that comes back from libcurl into a finalised interpreter
# is stopped in the middle of C code. At this point all threads of the program have ended, only daemons run.
atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
