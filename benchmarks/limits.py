"""A million keys in little memory; forks and exits in the middle of transfers, thirty times each.

``python -m benchmarks.limits [--keys 1000000] [--objects 100000] [--times 30]``
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MIB = 1 << 20
_ENTRY = (
    "<Contents><Key>data/part-{:09d}.bin</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"d41d8cd98f00b204e9800998ecf8427e"</ETag><Size>16</Size><StorageClass>STANDARD</StorageClass></Contents>'
)


class _Stub(BaseHTTPRequestHandler):
    """Lists as many keys as it is told to, and has 16 bytes under each."""

    protocol_version = "HTTP/1.1"
    keys = 0

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        body = self.page(query) if "list-type" in query else b"sixteen bytes ok"
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"an-etag"')
        self.end_headers()
        self.wfile.write(body)

    def page(self, query: dict[str, list[str]]) -> bytes:
        start = int(query.get("continuation-token", ["0"])[0])
        stop = min(start + 1000, self.keys)
        more = (
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>{stop}</NextContinuationToken>"
            if stop < self.keys
            else "<IsTruncated>false</IsTruncated>"
        )
        entries = "".join(map(_ENTRY.format, range(start, stop)))
        return (
            f"<ListBucketResult><Name>box</Name><Prefix>data/</Prefix><KeyCount>{stop - start}</KeyCount>{more}{entries}"
            "</ListBucketResult>"
        ).encode()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def serve(keys: int) -> None:
    """Be the server: says its port, and serves until it is killed."""
    _Stub.keys = keys
    server = _Server(("127.0.0.1", 0), _Stub)
    print(server.server_port, flush=True)
    server.serve_forever()


def grown(since: int) -> str:
    """Return how much the most memory that this process ever had has grown."""
    return f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - since) / 1024:.0f} MiB"


def memory(url: str, keys: int, objects: int) -> None:
    from s3nb import S3

    draws: list[float] = []
    with S3(s3root="s3://box", endpoint_url=url, anonymous=True, progress=False) as s3:
        s3.get_many([f"data/{n}" for n in range(2000)])  # what every process needs
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.monotonic()
        count = sum(1 for _ in s3.iter_list("data"))
        print(f"| {count:,} keys listed | {grown(before)} | {time.monotonic() - begin:.0f} s | |", flush=True)
        with S3(
            s3root="s3://box", endpoint_url=url, anonymous=True, progress=lambda _: draws.append(time.monotonic())
        ) as watched:
            begin = time.monotonic()
            size = sum(o.size or 0 for o in watched.iter_get(f"data/{n}" for n in range(objects)))
            seconds = time.monotonic() - begin
        rate = f"{len(draws) / seconds:.1f} draws a second"
        print(f"| {objects:,} objects got, {size:,} bytes | {grown(before)} | {seconds:.0f} s | {rate} |", flush=True)


FORK = """
import os, sys, threading
from s3nb import S3
s3 = S3(s3root="s3://box", endpoint_url=sys.argv[1], anonymous=True, progress=False)
def work(): assert [o.blob for o in s3.get_many([f"data/{n}" for n in range(200)])] == [b"sixteen bytes ok"] * 200
before = threading.Thread(target=work); before.start()
s3.get("data/0")
child = os.fork()
if child == 0:
    work(); s3.close(); os._exit(7)
work(); before.join(); s3.close()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
raise SystemExit(7)
"""
EXIT = """
import sys, threading
from s3nb import S3
s3 = S3(s3root="s3://box", endpoint_url=sys.argv[1], anonymous=True, progress=False)
jobs = [s3.submit_get(f"data/{n}") for n in range(500)]
def endless():
    try:
        for _ in s3.iter_get(f"data/{n}" for n in range(10**7)): pass
    except Exception: pass  # the end of the interpreter is the end of it
threading.Thread(target=endless, daemon=True).start()
jobs[0].result()
raise SystemExit(7)
"""


def processes(url: str, times: int) -> None:
    for name, code in (
        ("fork in the middle of transfers, both sides go on", FORK),
        ("exit in the middle of transfers", EXIT),
    ):
        hung = wrong = 0
        begin = time.monotonic()
        for _ in range(times):
            try:
                done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, timeout=60, check=False)
            except subprocess.TimeoutExpired:
                hung += 1
            else:
                wrong += done.returncode != 7 or bool(done.stderr)
                if done.stderr:
                    print(done.stderr.decode()[-1000:], file=sys.stderr)
        seconds = time.monotonic() - begin
        print(
            f"| {name}, {times} times | {hung} hung | {wrong} ended otherwise | {seconds / times:.1f} s each |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.keys)
        return
    command = [sys.executable, "-m", "benchmarks.limits", "--serve", "--keys", str(asked.keys)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        print(
            "| what | memory grown by, or hung | time, or not as it should | |\n| --- | --- | --- | --- |", flush=True
        )
        memory(url, asked.keys, asked.objects)
        processes(url, asked.times)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
