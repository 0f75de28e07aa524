"""An embedded S3 with sample data: for demos, notebooks and tests, without an account or a network.

moto's server runs in this process, on loopback, on a port that the system picks. What it is not: it checks no signatures
and compares no checksums.
"""

from __future__ import annotations

import atexit
import gzip
import io
import json
import random
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

REGION = "us-east-1"


class Sample(NamedTuple):
    """One object of the sandbox."""

    key: str
    body: bytes
    content_type: str = "binary/octet-stream"
    metadata: dict[str, str] | None = None


class Sandbox:
    """A throw-away S3 server in this process.

    Parameters
    ----------
    populate : bool
        Load the samples: a few hundred objects of many kinds, always the same.

    Attributes
    ----------
    bucket, versioned_bucket : str
        The buckets it has.
    endpoint_url : str
        Where it listens.

    Examples
    --------
    >>> with Sandbox() as sb, S3(bucket=sb.bucket, **sb.client_options) as s3:
    ...     s3.list_paths()

    Notes
    -----
    moto keeps its buckets per process: two sandboxes at the same time see the same ones. Stopping the last one clears them.
    """

    _running = 0
    _count_lock = threading.Lock()

    def __init__(self, populate: bool = True) -> None:
        self.bucket = "sandbox"
        self.versioned_bucket = "sandbox-versions"
        self._populate = populate
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self.endpoint_url = ""

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox {self.endpoint_url or 'stopped'}>"

    def start(self) -> Sandbox:
        """Start the server and load the samples; does nothing if it runs."""
        if self._server is not None:
            return self
        try:
            from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
            from moto.server import ThreadedMotoServer  # noqa: F401  # says early that the extra is there
            from werkzeug.serving import WSGIRequestHandler, make_server
        except ImportError as exc:
            raise ImportError(
                "the sandbox needs moto: install the extra 'sandbox' (pip install -e '.[sandbox]')"
            ) from exc

        class Handler(WSGIRequestHandler):
            """Says nothing, and keeps connections open as S3 does."""

            protocol_version = "HTTP/1.1"

            def log(self, *_: Any) -> None:
                """Say nothing."""

            def setup(self) -> None:
                # head and body of a reply are written apart: without this the body waits for our ACK
                super().setup()
                import socket

                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        _sum_up_alone()
        self._server = make_server(
            "127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True, request_handler=Handler
        )
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.endpoint_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="s3nb-sandbox", daemon=True)
        self._thread.start()
        with Sandbox._count_lock:
            Sandbox._running += 1
            atexit.register(self.stop)
            self._load()
        return self

    def stop(self) -> None:
        """Stop the server; what it held is gone with the last sandbox. Does nothing if it is stopped."""
        server, self._server = self._server, None
        if server is None:
            return
        atexit.unregister(self.stop)
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join(5)
        self.endpoint_url = ""
        with Sandbox._count_lock:
            Sandbox._running -= 1
            if Sandbox._running == 0:
                from moto.s3.models import s3_backends

                s3_backends.reset()

    @property
    def session(self) -> Any:
        """A boto3 session with made-up credentials, which reads nothing of the user's."""
        import boto3

        return boto3.Session(
            aws_access_key_id="sandbox",
            aws_secret_access_key="no-secret",
            region_name=REGION,
        )

    @property
    def client_options(self) -> dict[str, Any]:
        """Arguments for `s3nb.S3`."""
        return {"endpoint_url": self.endpoint_url, "region": REGION, "session": self.session}

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which other programs find this server: `S3` without arguments, boto3, the AWS command line."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "no-secret",
        }

    def url(self, key: str = "") -> str:
        """Return the ``s3://`` URL of a sample."""
        return f"s3://{self.bucket}/{key}"

    def _load(self) -> None:
        # Straight into moto's own store: over HTTP it takes some 150 requests a second.
        from moto.core.models import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for bucket in (self.bucket, self.versioned_bucket):
            if bucket not in backend.buckets:
                backend.create_bucket(bucket, REGION)
        # another sandbox of this process may have loaded them; a mock of AWS that came and went has emptied the store
        if not self._populate or "readme.txt" in backend.buckets[self.bucket].keys:
            return
        for sample in samples():
            stored = backend.put_object(self.bucket, sample.key, sample.body)
            stored.set_metadata({"Content-Type": sample.content_type, **_headers(sample.metadata)}, replace=True)
        backend.put_bucket_versioning(self.versioned_bucket, "Enabled")
        for key, versions in VERSIONS.items():
            for body in versions:
                if body is None:
                    backend.delete_object(self.versioned_bucket, key)
                else:
                    backend.put_object(self.versioned_bucket, key, body)


def _sum_up_alone() -> None:
    """Have moto compute ETags under the lock that its readers take.

    It does so when somebody first asks, reading the object's file from where it stands, and keeps what it finds: if another request
    reads that file at the same time, a wrong ETag stays with the object, or wrong bytes go out.
    """
    from moto.s3 import models

    key: Any = models.FakeKey
    plain = key.etag.fget
    if getattr(plain, "alone", False):
        return

    def etag(self: Any) -> str:
        with self.lock:
            return str(plain(self))

    etag.alone = True  # type: ignore[attr-defined]
    key.etag = property(etag)


def _headers(metadata: dict[str, str] | None) -> dict[str, str]:
    return {f"x-amz-meta-{k}": v for k, v in (metadata or {}).items()}


VERSIONS: dict[str, list[bytes | None]] = {
    "model/weights.json": [b'{"epoch": 1}', b'{"epoch": 2}', b'{"epoch": 3}'],
    "notes.txt": [b"first thoughts\n", b"second thoughts\n"],
    "removed.txt": [b"was here\n", None],
}

LARGE = 20 * 1024 * 1024


def samples() -> Iterator[Sample]:
    """Yield the objects of the sandbox, the same ones each time."""
    rng = random.Random(20260101)
    yield Sample(
        "readme.txt", b"Welcome to the sandbox.\nEverything here is made up.\n", "text/plain", {"origin": "sandbox"}
    )
    yield Sample(
        "annotated.txt",
        b"metadata written by this client and by others\n",
        "text/plain",
        {"metaflow-user-attributes": json.dumps({"Author": "Ada", "tags": ["a", "b"]}), "camera": "none"},
    )
    yield Sample("empty.bin", b"")
    for n in range(200):
        day = f"2026-{n % 12 + 1:02d}-{n % 28 + 1:02d}"
        lines = "".join(
            f"{day}T{h:02d}:00:00Z {rng.choice(('INFO', 'WARN'))} request {rng.randrange(10**6)}\n" for h in range(24)
        )
        yield Sample(f"logs/{day}/{n:04d}.log", lines.encode(), "text/plain")
    for n in range(40):
        rows = "".join(f"{i},{rng.gauss(0, 1):.4f},{rng.choice('abc')}\n" for i in range(50))
        yield Sample(f"tables/part-{n:03d}.csv", ("id,value,group\n" + rows).encode(), "text/csv")
    for n in range(20):
        document = {
            "id": n,
            "name": f"item {n}",
            "values": [rng.randrange(100) for _ in range(10)],
            "nested": {"ok": n % 2 == 0},
        }
        yield Sample(f"json/item-{n:03d}.json", json.dumps(document, indent=1).encode(), "application/json")
    events = "".join(json.dumps({"t": i, "v": rng.random()}) + "\n" for i in range(500))
    yield Sample("json/events.jsonl", events.encode(), "application/x-ndjson")
    yield Sample("logs/archive.log.gz", gzip.compress(events.encode(), mtime=0), "application/gzip")
    for n in range(12):
        yield Sample(f"images/tile-{n:02d}.png", _png(24, 24, n), "image/png")
    for n in range(12):
        yield Sample(f"binary/block-{n:02d}.bin", rng.randbytes(1024 * (1 + n * n)))
    yield Sample("binary/large.bin", _blocks(LARGE))
    parquet = _parquet()
    if parquet is not None:
        yield Sample("tables/weather.parquet", parquet, "application/vnd.apache.parquet")
    for key in AWKWARD:
        yield Sample(key, f"the key is {key!r}\n".encode(), "text/plain; charset=utf-8")


# names that tools trip over, as far as moto takes them
AWKWARD = (
    "awkward/space in name.txt",
    "awkward/question?mark=1&x#fragment.txt",
    "awkward/percent%20sign+plus.txt",
    "awkward/double//slash.txt",
    "awkward/../climbing.txt",
    "awkward/./dot.txt",
    "awkward/umläut-日本-🐍.txt",
    "awkward/quote'\"<b>bold</b>.txt",
    "awkward/tilde~star*(paren)!.txt",
    "awkward/trailing-slash/",
)


def _png(width: int, height: int, seed: int) -> bytes:
    """Return a small PNG, written by hand: no imaging library is needed for that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + b"".join(bytes(((x * 10 + seed * 20) % 256, (y * 10) % 256, (seed * 40) % 256)) for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _blocks(size: int) -> bytes:
    """Return bytes in which every 16 say where they are, so that a misplaced part shows."""
    return b"".join(b"%015d\n" % at for at in range(0, size, 16))


def _parquet() -> bytes | None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return None
    table = pa.table(
        {"day": list(range(365)), "rain": [d % 7 * 1.5 for d in range(365)], "town": ["Ulm", "Bonn"] * 182 + ["Ulm"]}
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def main() -> None:
    """Run in the foreground, and say how to reach it."""
    with Sandbox() as sandbox:
        print(f"sandbox at {sandbox.endpoint_url}, buckets {sandbox.bucket} and {sandbox.versioned_bucket}")
        words = [f"{name}={value}" for name, value in sandbox.environment.items()]
        print("paste these two lines into another terminal:")
        print(f"export {' '.join(words[:2])}\nexport {' '.join(words[2:])}")
        print("Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
