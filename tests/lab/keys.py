"""A bucket with any number of keys under one prefix, made up page by page; nothing is stored."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BUCKET = "keys"
PREFIX = "data/"


class ManyKeys:
    """``s3://keys/data/part-0000000.parquet`` and so on, up to ``count`` keys; on loopback; each page takes ``delay`` seconds.

    Attributes
    ----------
    endpoint_url : str
    pages : int
        Pages of listings that were asked for.
    gate : threading.Event
        Set; while it is cleared, listings wait.
    """

    def __init__(self, count: int, delay: float = 0.0) -> None:
        self.count = count
        self.delay = delay
        self.pages = 0
        self.gate = threading.Event()
        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ManyKeys:
        threading.Thread(target=self._server.serve_forever, name="many-keys", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def page(self, prefix: str, delimiter: str, token: str, after: str, most: int) -> str:
        """Return one page of ListObjectsV2."""
        lines: list[str] = []
        more = ""
        if PREFIX.startswith(prefix) and delimiter and prefix != PREFIX and after < PREFIX:
            lines.append(f"<CommonPrefixes><Prefix>{PREFIX}</Prefix></CommonPrefixes>")
        else:
            first, last = self._range(prefix)
            first = max(first, int(token or 0), 0 if token else self._behind(after))
            stop = min(last, first + most)
            lines += [
                f"<Contents><Key>{PREFIX}part-{n:07d}.parquet</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{n * 7919 % 1_000_003}</Size><StorageClass>STANDARD</StorageClass></Contents>"
                for n in range(first, stop)
            ]
            if stop < last:
                more = f"<NextContinuationToken>{stop}</NextContinuationToken>"
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><EncodingType>url</EncodingType>{''.join(lines)}"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}</ListBucketResult>"
        )

    def _behind(self, after: str) -> int:
        """Return the number of the first key behind another."""
        return bisect_right(range(self.count), after, key=lambda n: f"{PREFIX}part-{n:07d}.parquet")

    def _range(self, prefix: str) -> tuple[int, int]:
        """Return which of the numbered keys start with ``prefix``."""
        start = f"{PREFIX}part-"
        if start.startswith(prefix):
            return 0, self.count
        digits = prefix.removeprefix(start)
        if not prefix.startswith(start) or not digits.isdecimal() or len(digits) > 7:
            return 0, 0
        width = 10 ** (7 - len(digits))
        return min(int(digits) * width, self.count), min((int(digits) + 1) * width, self.count)


def _handler(keys: ManyKeys) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            if "list-type" not in query:
                self._send(200, b"made up\n")
                return
            keys.gate.wait(30)
            if keys.delay:
                time.sleep(keys.delay)
            keys.pages += 1
            after = query.get("start-after", "")
            most = min(int(query.get("max-keys", "1000")), 1000)
            token = query.get("continuation-token", "")
            self._send(200, keys.page(query.get("prefix", ""), query.get("delimiter", ""), token, after, most).encode())

        def do_HEAD(self) -> None:
            self._send(200, b"made up\n")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"0"')
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
