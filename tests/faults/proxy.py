"""A proxy in front of an S3 server that lets things go wrong: on loopback, by rules, the same each time.

Whether a rule strikes a request depends on the seed, the rule and what is asked for the how-manieth time, not on the order in
which requests arrive, so that concurrent clients meet the same faults in every run.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_PIECE = 64 * 1024


@dataclass
class Rule:
    """What goes wrong, with which requests, how often.

    ``fault`` is one of: ``status`` (answer ``status`` with ``code``, or ``page``), ``reset`` (RST before the reply; with
    ``forward`` after the server has done its work), ``cut`` (RST after ``at`` of the body), ``short`` (body and Content-Length
    end at ``at``), ``flip`` (one bit of the reply's body, at ``at``; if that is negative, at another place each time),
    ``flip_upload`` (one bit of the request's), ``stall`` (silence after ``at`` of the body; if that is negative, before the head),
    ``stall_upload`` (no more of the request is read after ``at`` of its body), ``drip`` (``rate`` bytes a second after ``at``),
    ``slow`` (``rate`` bytes a second each way), ``blanks`` (200 and a blank every half second for ``rate`` seconds, then the
    body), ``cap`` (503 above ``rate`` requests a second), ``whole`` (a range is answered with 200 and everything), ``do`` (calls
    ``then`` before the request is passed on), ``late`` (calls ``then`` after the head has come: the body is that of another request
    after it). ``when`` looks at the request's headers.
    """

    fault: str
    p: float = 1.0
    times: int | None = None
    skip: int = 0
    method: str = ".*"
    key: str = ""  # regular expression, searched in path and query
    ranged: bool | None = None
    later: bool = False  # only ranges that do not begin at 0
    status: int = 503
    code: str = "SlowDown"
    page: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    at: float = 0.5
    forward: bool = False
    then: Callable[[], object] | None = None
    when: Callable[[Any], bool] | None = None
    rate: float = 0.0
    met: int = 0

    def matches(self, method: str, path: str, ranges: str, headers: Any) -> bool:
        return (
            (self.when is None or self.when(headers))
            and re.fullmatch(self.method, method) is not None
            and re.search(self.key, path) is not None
            and (self.ranged is None or self.ranged == bool(ranges))
            and (not self.later or (bool(ranges) and not ranges.startswith("bytes=0-")))
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024  # with five, many connections at once wait for seconds


class Proxy:
    """Listens on a port that the system picks; ``rules`` may be changed at any time."""

    def __init__(
        self, upstream: str, rules: list[Rule] | None = None, seed: int = 1, tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream = urlsplit(upstream).netloc
        self.rules = rules or []
        self.seed = seed
        self.requests = 0
        self.sent = 0  # bytes of bodies
        self.log: list[str] = []
        self.struck: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._over = threading.Event()
        self._times: list[float] = []  # of the requests that a cap let through
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint_url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Proxy:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def set(self, *rules: Rule, seed: int = 1) -> None:
        """Replace the rules, and forget what was counted."""
        with self._lock:
            self.rules, self.seed, self.requests, self.sent = list(rules), seed, 0, 0
            self.struck.clear()
            self.log.clear()
            self._seen.clear()

    def strike(self, method: str, path: str, ranges: str, headers: Any = None) -> list[Rule]:
        """Return the rules that strike a request."""
        found = []
        with self._lock:
            self.requests += 1
            self.log.append(f"{method} {path} {ranges}".rstrip())
            identity = f"{method} {re.sub(r'(uploadId|continuation-token)=[^&]*', '', path)} {ranges}"
            self._seen[identity] += 1
            for n, rule in enumerate(self.rules):
                if not rule.matches(method, path, ranges, headers):
                    continue
                if rule.fault == "cap" and self._below(rule.rate):
                    continue
                rule.met += 1
                if rule.met <= rule.skip or (rule.times is not None and rule.met > rule.skip + rule.times):
                    continue
                draw = hashlib.sha256(f"{self.seed} {n} {identity} {self._seen[identity]}".encode()).digest()
                if int.from_bytes(draw[:4], "big") / 2**32 < rule.p:
                    found.append(rule)
                    self.struck[rule.fault] += 1
                    if rule.fault != "do":
                        break
        return found

    def _below(self, rate: float) -> bool:
        """Count a request, unless there were as many as may be in the last second."""
        now = time.monotonic()
        self._times = [t for t in self._times if now - t < 1.0]
        if len(self._times) >= rate:
            return False
        self._times.append(now)
        return True

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections, and break those that stand; listen again afterwards on the same port."""
        port = self._server.server_port
        self._server.shutdown()
        self._server.socket.close()
        with self._lock:
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._server.socket = socket.create_server(("127.0.0.1", port), backlog=1024)
            self._serve()

    def upstream(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._upstream, timeout=60)

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def wait(self, seconds: float = 300) -> None:
        """Be silent until the proxy is closed."""
        self._over.wait(seconds)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.proxy._open.add(self.connection)

    def finish(self) -> None:
        self.proxy._open.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):  # the client has left, or does not trust us
            super().handle()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _serve(self) -> None:
        ranges = self.headers.get("Range") or ""
        rules = self.proxy.strike(self.command, self.path, ranges, self.headers)
        rule = Rule("none")
        for found in rules:
            if found.fault == "do":
                assert found.then is not None
                found.then()
            else:
                rule = found
        size = int(self.headers.get("Content-Length") or 0)
        if rule.fault == "stall_upload" and size:
            self.rfile.read(int(size * rule.at))
            self.proxy.wait()
            self.close_connection = True
            return
        body = b"".join(self._paced(rule, size, self.rfile.read))
        if rule.fault == "cap":
            rule = Rule("status")
        if rule.fault == "status" and rule.forward:
            upstream = self.proxy.upstream()
            kept = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect")}
            upstream.request(self.command, self.path, body or None, kept)
            upstream.getresponse().read()
            upstream.close()
        if rule.fault == "status":
            text = f"<Error><Code>{rule.code}</Code><Message>injected</Message></Error>".encode()
            self._answer(rule.status, list(rule.headers), rule.page if rule.page is not None else text)
            return
        if rule.fault == "reset" and not rule.forward:
            self._reset()
            return
        if rule.fault == "flip_upload" and body:
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "expect")}
        if rule.fault == "whole":
            headers = {k: v for k, v in headers.items() if k.lower() != "range"}
        upstream = self.proxy.upstream()
        try:
            upstream.request(self.command, self.path, body or None, headers)
            reply = upstream.getresponse()
            data = reply.read()
            if rule.fault == "late":
                assert rule.then is not None
                rule.then()
                upstream.request(self.command, self.path, body or None, headers)
                data = upstream.getresponse().read()
        finally:
            upstream.close()
        if rule.fault == "reset":
            self._reset()
            return
        if rule.fault == "stall" and rule.at < 0:
            self.proxy.wait()
            self.close_connection = True
            return
        drop = ("transfer-encoding", "content-length", "connection", "date", "server")
        kept = [(k, v) for k, v in reply.getheaders() if k.lower() not in drop]
        length = int(reply.getheader("Content-Length") or len(data)) if self.command == "HEAD" else None
        self._answer(reply.status, kept, data, rule if reply.status < 300 else Rule("none"), length)

    def _paced(self, rule: Rule | None, size: int, take: Callable[[int], bytes]) -> Iterator[bytes]:
        """Yield ``size`` bytes in pieces, with pauses if they are to be slow."""
        for start in range(0, size, _PIECE):
            piece = take(min(_PIECE, size - start))
            if rule is not None and rule.fault == "slow":
                self.proxy.wait(len(piece) / rule.rate)
            yield piece

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _answer(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        rule: Rule | None = None,
        length: int | None = None,
    ) -> None:
        fault = rule.fault if rule is not None and body else "none"
        at = int(len(body) * (rule.at if rule is not None else 0))
        if at < 0:
            at = self.proxy.requests * 7919 % len(body)
        if fault == "flip":
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        elif fault == "short":
            body = body[:at]
        blanks = int(rule.rate * 2) if rule is not None and fault == "blanks" else 0
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(blanks + len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        for _ in range(blanks):
            self.wfile.write(b" ")
            self.proxy.wait(0.5)
        until = at if fault in ("cut", "stall", "drip") else len(body)
        at_once = iter(range(0, until, _PIECE))
        for piece in self._paced(rule, until, lambda n: body[(s := next(at_once)) : min(s + n, until)]):
            self.wfile.write(piece)
            self.proxy.sent += len(piece)
        if fault == "drip":
            assert rule is not None
            for start in range(until, len(body), max(1, int(rule.rate / 10))):
                self.wfile.write(body[start : start + max(1, int(rule.rate / 10))])
                self.proxy.wait(0.1)
        if fault == "cut":
            self.wfile.flush()
            self._reset()
        elif fault == "stall":
            self.proxy.wait()


@contextlib.contextmanager
def in_front_of(upstream: str, *rules: Rule, seed: int = 1) -> Iterator[Proxy]:
    """Run a proxy."""
    with Proxy(upstream, list(rules), seed) as proxy:
        yield proxy


def standard() -> list[Rule]:
    """Return a bad day: 5 % SlowDown; of GETs 2 % broken, 1 % cut short, 0.5 % with a flipped bit; of PUTs as many."""
    return [
        Rule("status", p=0.05),
        Rule("cut", p=0.02, method="GET", at=0.4),
        Rule("short", p=0.01, method="GET", at=0.7, key="/o/"),
        Rule("flip", p=0.005, method="GET", key="/o/"),
        Rule("reset", p=0.02, method="PUT"),
        Rule("reset", p=0.01, method="PUT", forward=True),
        Rule("flip_upload", p=0.005, method="PUT"),
    ]


def survivable() -> list[Rule]:
    """Return a day four times as bad, but for flips, which a client may not be able to notice."""
    return [
        Rule("status", p=0.20),
        Rule("cut", p=0.08, method="GET", at=0.4),
        Rule("short", p=0.04, method="GET", at=0.7, key="/o/"),
        Rule("reset", p=0.08, method="PUT"),
        Rule("reset", p=0.04, method="PUT", forward=True),
    ]
