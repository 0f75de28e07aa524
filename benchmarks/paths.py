"""Directories and fsspec, beside s3fs: seconds and requests over a link with 20 ms to the first byte.

    python -m benchmarks.paths

The server is moto's, behind a proxy that waits and counts; each call has a fresh instance, with its defaults. Loopback and a
shared machine: read ratios, not seconds.
"""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from s3nb import S3, fs
from s3nb.fsspec import S3nbFileSystem
from s3nb.sandbox import Sandbox

WAIT = 0.02  # seconds to the first byte
KEYS = ("AKIDEXAMPLE", "no-secret")


class Link(ThreadingHTTPServer):
    """Passes requests on, after a while, and counts them."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.host = urlsplit(target).netloc
        self.count = 0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Pass(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Link

    def _pass(self) -> None:
        with self.server.lock:
            self.server.count += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(WAIT)
        behind = http.client.HTTPConnection(self.server.host)
        behind.request(self.command, self.path, body, dict(self.headers.items()))
        reply = behind.getresponse()
        data = reply.read()
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = reply.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)
        behind.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def link() -> Iterator[Link]:
    """Run server and link, with 3,000 small objects in 30 directories and one of 8 MiB."""
    with Sandbox(populate=False) as sandbox:
        server = Link(sandbox.endpoint_url)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ.update(AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1], AWS_DEFAULT_REGION="us-east-1")
        import boto3

        boto3.client("s3", endpoint_url=sandbox.endpoint_url).create_bucket(Bucket="bench")
        with S3(endpoint_url=sandbox.endpoint_url, progress=False) as s3:
            s3.put_many(
                (f"s3://bench/data/{d:02d}/{n:03d}.bin", bytes([n]) * 1024) for d in range(30) for n in range(100)
            )
            s3.put("s3://bench/large.bin", bytes(range(256)) * (8 << 12))
        yield server
        server.shutdown()
        server.server_close()


RANGES = [(at * 40_000, at * 40_000 + 8_000) for at in range(200)]
SMALL = [f"bench/data/{d:02d}/{n:03d}.bin" for d in range(3) for n in range(100)]


def theirs(url: str) -> Any:
    """Return a fresh s3fs."""
    import s3fs

    return s3fs.S3FileSystem(
        key=KEYS[0], secret=KEYS[1], client_kwargs={"endpoint_url": url}, skip_instance_cache=True
    )  # fmt: skip


def workloads(client: S3, url: str) -> list[tuple[str, Callable[[], Any], Callable[[Any], Any]]]:
    """Return name, our call, and s3fs's."""
    ours = S3nbFileSystem(client=client)
    top = "s3://bench/data"

    def each_isdir() -> list[bool]:
        return [fs.isdir(fs.join(top, name), client=client) for name in fs.listdir(top, client=client)]

    def kept_isdir() -> list[bool]:
        with fs.cached(30):
            return each_isdir()

    return [
        ("isdir, 3,000 keys below", lambda: fs.isdir(top, client=client), lambda f: f.isdir("bench/data")),
        (
            "exists, a missing key",
            lambda: fs.exists(top + "/none", client=client),
            lambda f: f.exists("bench/data/none"),
        ),
        ("listdir, isdir of each (30)", each_isdir, lambda f: [f.isdir(p) for p in f.ls("bench/data", detail=False)]),
        ("  the same, in fs.cached(30)", kept_isdir, lambda f: None),
        ("walk, 31 directories", lambda: list(fs.walk(top, client=client)), lambda f: list(f.walk("bench/data"))),
        (
            "glob data/*/005.bin",
            lambda: fs.glob(top + "/*/005.bin", client=client),
            lambda f: f.glob("bench/data/*/005.bin"),
        ),
        ("find, 3,000 keys", lambda: list(fs.find(top, client=client)), lambda f: f.find("bench/data")),
        ("cat of 300 small objects", lambda: ours.cat(SMALL), lambda f: f.cat(SMALL)),
        (
            "cat_ranges, 200 in one object",
            lambda: ours.cat_ranges(["bench/large.bin"] * 200, *zip(*RANGES, strict=True)),
            lambda f: f.cat_ranges(["bench/large.bin"] * 200, *map(list, zip(*RANGES, strict=True))),
        ),
        (
            "copy of 100 objects",
            lambda: ours.copy("bench/data/00/", "bench/ours/", recursive=True),
            lambda f: f.copy("bench/data/00/", "bench/theirs/", recursive=True),
        ),
        (
            "rm of 100 objects",
            lambda: ours.rm("bench/ours", recursive=True),
            lambda f: f.rm("bench/theirs", recursive=True),
        ),
    ]


def measured(server: Link, call: Callable[[], Any]) -> tuple[float, int]:
    """Return seconds and requests."""
    before, began = server.count, time.perf_counter()
    call()
    return time.perf_counter() - began, server.count - before


def main() -> None:
    """Measure and print."""
    with link() as server, S3(endpoint_url=server.url, progress=False) as client:
        client.exists("s3://bench/warm")
        peer = theirs(server.url)
        peer.exists("bench/warm")
        print(f"{'':32}{'s3nb':>16}{'s3fs':>18}{'times':>8}")
        for name, call, other in workloads(client, server.url):
            seconds, requests = measured(server, call)
            fresh = theirs(server.url)
            fresh.exists("bench/warm")  # its session and connection are made
            fresh.invalidate_cache()
            if name.startswith("  "):
                print(f"{name:32}{seconds:9.2f} s {requests:4d}")
                continue
            peer_seconds, peer_requests = measured(server, lambda other=other, fresh=fresh: other(fresh))  # type: ignore[misc]
            print(
                f"{name:32}{seconds:9.2f} s {requests:4d}{peer_seconds:11.2f} s {peer_requests:4d}{peer_seconds / seconds:8.1f}"
            )


if __name__ == "__main__":
    main()
