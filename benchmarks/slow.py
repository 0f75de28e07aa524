"""A server as far away as S3: a time to the first byte with a tail, a limit for each connection; counts what it sends.

GET, HEAD, ranges, If-Match, PUT, multipart uploads (stored as sizes) and flat listings, for any signature. With ``most``, what is
above so many requests in any second gets a 503. One process of its own:

    with Slow({"bench/key": b"..."}) as slow:
        slow.endpoint_url; slow.take()   # requests and bytes since the last look
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import mmap
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CHUNK = 128 * 1024
_SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class Server:
    """Objects are files below a folder; what is put stays in memory."""

    def __init__(
        self, root: Path, first_byte: float, sigma: float, tail: float, slow: float, rate: float, most: float = 0.0
    ) -> None:
        self.root = root
        self.most = most
        self.taken: deque[float] = deque()  # when the requests of the last second were taken
        self.refused = 0
        self.first = self.last = 0.0  # when a request came
        self.first_byte, self.sigma, self.tail, self.slow, self.rate = first_byte, sigma, tail, slow, rate
        self.random = random.Random(1)
        self.requests = self.sent = 0
        self.files: dict[str, tuple[Any, str]] = {}
        self.put: dict[str, bytes] = {}

    def find(self, key: str) -> tuple[Any, str] | None:
        if key in self.put:
            return self.put[key], f'"of-{len(key)}-{abs(hash(key))}"'
        if key not in self.files:
            path = self.root / key
            if not path.is_file():
                return None
            with open(path, "rb") as f:
                data: Any = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
            self.files[key] = (data, f'"of-{len(key)}-{abs(hash(key))}"')
        return self.files[key]

    def takes(self, now: float) -> bool:
        """Count a request, unless there were as many as may be in the last second."""
        if not self.most:
            return True
        while self.taken and now - self.taken[0] >= 1.0:
            self.taken.popleft()
        if len(self.taken) >= self.most:
            return False
        self.taken.append(now)
        return True

    def delay(self) -> float:
        if self.random.random() < self.tail:
            return self.slow
        return self.random.lognormvariate(0, self.sigma) * self.first_byte

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
                if headers.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await self.body(reader, headers)
                if target.startswith("/__put/"):
                    data = self.put.get(target[len("/__put/") :])
                    await self.reply(writer, "GET", 200 if data is not None else 404, {}, data or b"", pace=False)
                    continue
                if target.startswith("/__"):
                    text = f"{self.requests} {self.sent} {self.refused} {self.last - self.first}".encode()
                    self.requests = self.sent = self.refused = 0
                    self.first = self.last = 0.0
                    await self.reply(writer, "GET", 200, {}, text, pace=False)
                    continue
                self.requests += 1
                self.last = asyncio.get_running_loop().time()
                self.first = self.first or self.last
                takes = self.takes(self.last)
                await asyncio.sleep(self.delay())
                if takes:
                    status, found, data = self.answer(method, target, headers, body)
                else:
                    self.refused += 1
                    status, found, data = 503, {"Content-Type": "application/xml"}, _SLOW_DOWN
                await self.reply(writer, method, status, found, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        size = int(headers.get("content-length", "0"))
        loop, started, pieces, got = asyncio.get_running_loop(), asyncio.get_running_loop().time(), [], 0
        while got < size:
            pieces.append(await reader.readexactly(min(CHUNK, size - got)))
            got += len(pieces[-1])
            ahead = started + got / self.rate - loop.time()
            if ahead > 0.002:
                await asyncio.sleep(ahead)
        data = b"".join(pieces)
        return data

    async def reply(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        status: int,
        headers: dict[str, str],
        data: Any,
        pace: bool = True,
    ) -> None:
        lines = [f"HTTP/1.1 {status} X", *(f"{k}: {v}" for k, v in headers.items())]
        if "Content-Length" not in headers:
            lines.append(f"Content-Length: {len(data)}")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if method == "HEAD":
            return
        loop, started, view = asyncio.get_running_loop(), asyncio.get_running_loop().time(), memoryview(data)
        for at in range(0, len(view), CHUNK):
            writer.write(view[at : at + CHUNK])
            if pace:
                self.sent += len(view[at : at + CHUNK])
            await writer.drain()
            ahead = started + (at + CHUNK) / self.rate - loop.time()
            if pace and ahead > 0.002 and at + CHUNK < len(view):
                await asyncio.sleep(ahead)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        key = unquote(parts.path).lstrip("/")
        if method in ("PUT", "POST"):
            return self.store(method, key, query, body)
        if key.count("/") == 0 or not key.partition("/")[2]:
            return self.listing(key.strip("/"), query)
        found = self.find(key)
        if found is None:
            return (
                404,
                {"Content-Type": "application/xml"},
                b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>",
            )
        data, etag = found
        size = len(data)
        known = {
            "ETag": etag, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Accept-Ranges": "bytes",
            "Content-Type": "binary/octet-stream",
        }  # fmt: skip
        if headers.get("if-match", etag) != etag:
            return 412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if asked is None:
            return 200, known | {"Content-Length": str(size)}, data
        if asked[1]:
            start, stop = int(asked[1]), min(int(asked[2]) + 1 if asked[2] else size, size)
        else:
            start, stop = max(0, size - int(asked[2])), size
        if start >= size:
            return 416, {"Content-Range": f"bytes */{size}"}, b"<Error><Code>InvalidRange</Code></Error>"
        known |= {"Content-Range": f"bytes {start}-{stop - 1}/{size}", "Content-Length": str(stop - start)}
        return 206, known, memoryview(data)[start:stop]

    def store(
        self, method: str, key: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        etag = {"ETag": _etag(body)}
        if "partNumber" in query:
            return 200, etag, b""
        if "uploads" in query:
            text = "<InitiateMultipartUploadResult><Bucket>bench</Bucket><Key>k</Key><UploadId>U</UploadId></InitiateMultipartUploadResult>"
            return 200, {"Content-Type": "application/xml"}, text.encode()
        if method == "POST":
            named = "<Location>x</Location><Bucket>bench</Bucket><Key>k</Key>"
            text = f'<CompleteMultipartUploadResult>{named}<ETag>"0-1"</ETag></CompleteMultipartUploadResult>'
            return 200, {"Content-Type": "application/xml"}, text.encode()
        self.put[key] = body
        return 200, etag, b""

    def listing(self, bucket: str, query: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        prefix = query.get("prefix", [""])[0]
        folder = self.root / bucket
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        lines = "".join(
            f"<Contents><Key>{n}</Key><Size>{(folder / n).stat().st_size}</Size><ETag>&quot;0&quot;</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
            for n in names if n.startswith(prefix)
        )  # fmt: skip
        text = f"<ListBucketResult><Name>{bucket}</Name><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{lines}</ListBucketResult>"
        return 200, {"Content-Type": "application/xml"}, text.encode()


class Slow:
    """The server in a process of its own, over the files of a temporary folder in memory."""

    def __init__(
        self, *, first_byte: float = 0.03, tail: float = 0.002, slow: float = 0.3, rate: float = 25e6, most: float = 0.0
    ) -> None:
        shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.root = Path(tempfile.mkdtemp(prefix="s3nb-slow-", dir=shared))
        (self.root / "bench").mkdir()
        self._arguments = [str(self.root), str(first_byte), str(tail), str(slow), str(rate), str(most)]

    def __enter__(self) -> Slow:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.slow", *self._arguments], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.endpoint_url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def take(self) -> tuple[int, int]:
        """Return requests and bytes since the last look."""
        with urllib.request.urlopen(self.endpoint_url + "/__take") as reply:
            requests, sent = reply.read().split()[:2]
        return int(requests), int(sent)

    def stored(self, key: str) -> bytes | None:
        """Return what was put under ``bucket/key``; this is a request of no kind, and not counted."""
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/__put/{key}") as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError:
            return None

    def throttled(self) -> tuple[int, int, float]:
        """Return requests and how many of them were refused since the last look, and seconds from the first to the last."""
        with urllib.request.urlopen(self.endpoint_url + "/__take") as reply:
            requests, _, refused, seconds = reply.read().split()
        return int(requests), int(refused), float(seconds)


async def run(root: str, first_byte: float, tail: float, slow: float, rate: float, most: float) -> None:
    server = Server(Path(root), first_byte, 0.25, tail, slow, rate, most)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=1 << 20, backlog=512)
    print(listening.sockets[0].getsockname()[1], flush=True)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("numbers", type=float, nargs=5)
    given = parser.parse_args()
    asyncio.run(run(given.root, *given.numbers))
