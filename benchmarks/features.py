"""What clients can do, shown by doing it: the table of features in the README.

    python -m benchmarks.features [--clients NAME ...]     (extras: bench, fsspec, sandbox)

Every cell that is not in italics is what came out here, against the sandbox behind a proxy (tests/faults/proxy.py) that counts requests
and flips bits: ✓ is what the row says, or that the right bytes were fetched again; "an error" that the wrong ones were noticed; – that they
were handed out. Cells in italics say that the documentation of the client, as linked below the table, has nothing of the kind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import importlib.metadata
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from s3nb import Sandbox
from tests.faults.proxy import Proxy, Rule

BUCKET = "sandbox"
SMALL = "readme.txt"
LARGE = "features/large"  # put by boto3 in parts, as most large objects are
LARGE_SIZE = 120 * 2**20  # more than the largest read-ahead of a peer
REGION = "us-east-1"
KEYS = ["tables/part-007.csv", "readme.txt", "tables/part-003.csv"]
GONE = ["gone/1", "gone/2"]


class Lacking(Exception):
    """The client has nothing of the kind, as far as its documentation says."""


class Client:
    """What is asked of a client; what it has not is not overridden, and says so by `Lacking`."""

    docs = ""
    package = ""
    says: dict[str, str] = {}  # noqa: RUF012  # cells by title that are short words rather than outcomes

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def many(self, keys: Sequence[str]) -> list[bytes] | dict[str, bytes]:
        raise Lacking

    def failing(self, keys: Sequence[str]) -> tuple[list[bytes], list[str]]:
        """Return what was fetched, and the keys that were named as missing."""
        raise Lacking

    def read(self, key: str) -> bytes:
        raise Lacking

    def open(self, key: str, mode: str) -> Any:
        raise Lacking

    def listdir(self, prefix: str) -> list[str]:
        raise Lacking

    def glob(self, pattern: str) -> list[str]:
        raise Lacking

    def filesystem(self) -> Any:
        """Return an fsspec filesystem."""
        raise Lacking

    def progress(self, key: str, seen: Callable[[Any], None]) -> None:
        raise Lacking

    async def awaited(self, key: str) -> bytes:
        raise Lacking

    def presign(self, key: str) -> str:
        raise Lacking

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        raise Lacking

    def clouds(self) -> list[str]:
        raise Lacking


class S3nb(Client):
    package = "s3nb"
    docs = "docs/"
    says = {"asyncio": "by fsspec", "progress": "drawn"}  # noqa: RUF012

    def _client(self, **more: Any) -> Any:
        from s3nb import S3

        return S3(
            bucket=BUCKET, endpoint_url=self.url, region=REGION, tmproot=self.folder, **{"progress": False, **more}
        )

    def many(self, keys: Sequence[str]) -> list[bytes]:
        with self._client() as s3:
            return [found.blob for found in s3.get_many(keys)]

    def failing(self, keys: Sequence[str]) -> tuple[list[bytes], list[str]]:
        from s3nb import BulkError

        with self._client() as s3:
            try:
                s3.get_many(keys)
            except BulkError as error:
                return [found.blob for found in error.ok], [e.key for e in error.failed]
        raise AssertionError("nothing failed")

    def read(self, key: str) -> bytes:
        with self._client() as s3:
            return bytes(s3.get(key).blob)

    def open(self, key: str, mode: str) -> Any:
        import s3nb

        return s3nb.open(f"s3://{BUCKET}/{key}", mode, endpoint_url=self.url, region=REGION)

    def listdir(self, prefix: str) -> list[str]:
        import s3nb

        with self._client() as s3:
            return s3nb.listdir(f"s3://{BUCKET}/{prefix}", client=s3)

    def glob(self, pattern: str) -> list[str]:
        import s3nb

        with self._client() as s3:
            return s3nb.glob(f"s3://{BUCKET}/{pattern}", client=s3)

    def filesystem(self) -> Any:
        import s3nb.fsspec

        return s3nb.fsspec.S3nbFileSystem(endpoint_url=self.url, region=REGION, skip_instance_cache=True)

    def progress(self, key: str, seen: Callable[[Any], None]) -> None:
        with self._client(progress=seen) as s3:
            s3.get(key)

    async def awaited(self, key: str) -> bytes:
        fs = self.filesystem()
        return bytes(await fs._cat_file(f"{BUCKET}/{key}"))

    def presign(self, key: str) -> str:
        with self._client() as s3:
            return str(s3.presign(key))

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        import s3nb

        with s3nb.open(f"s3://{bucket}/{key}", "rb", version_id=version_id, endpoint_url=self.url) as file:
            return bytes(file.read())


class Boto3(Client):
    package = "boto3"
    docs = "https://boto3.amazonaws.com/v1/documentation/api/latest/reference/services/s3.html"
    says = {"progress": "callback"}  # noqa: RUF012

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        import boto3

        self.s3 = boto3.client("s3", endpoint_url=url, region_name=REGION)

    def read(self, key: str) -> bytes:
        path = self.folder / "boto3"
        self.s3.download_file(BUCKET, key, str(path))
        return path.read_bytes()

    def progress(self, key: str, seen: Callable[[Any], None]) -> None:
        self.s3.download_file(BUCKET, key, str(self.folder / "boto3"), Callback=seen)

    def presign(self, key: str) -> str:
        return str(self.s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": key}))

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"].read())


class S3fs(Client):
    package = "s3fs"
    docs = "https://s3fs.readthedocs.io/en/latest/api.html"
    says = {"progress": "callback", "other clouds": "by fsspec"}  # noqa: RUF012

    def filesystem(self, **more: Any) -> Any:
        import s3fs

        return s3fs.S3FileSystem(
            endpoint_url=self.url, client_kwargs={"region_name": REGION}, skip_instance_cache=True, **more
        )

    def many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = self.filesystem().cat([f"{BUCKET}/{k}" for k in keys])
        return {name.removeprefix(f"{BUCKET}/"): body for name, body in found.items()}

    def failing(self, keys: Sequence[str]) -> tuple[list[bytes], list[str]]:
        found = self.filesystem().cat([f"{BUCKET}/{k}" for k in keys], on_error="return")
        bad = {k: v for k, v in found.items() if isinstance(v, Exception)}
        return [v for k, v in found.items() if k not in bad], [k.removeprefix(f"{BUCKET}/") for k in bad]

    def read(self, key: str) -> bytes:
        return bytes(self.filesystem().cat_file(f"{BUCKET}/{key}"))

    def open(self, key: str, mode: str) -> Any:
        return self.filesystem().open(f"{BUCKET}/{key}", mode)

    def listdir(self, prefix: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.filesystem().ls(f"{BUCKET}/{prefix}", detail=False)]

    def glob(self, pattern: str) -> list[str]:
        return list(self.filesystem().glob(f"{BUCKET}/{pattern}"))

    def progress(self, key: str, seen: Callable[[Any], None]) -> None:
        from fsspec.callbacks import Callback

        class Seen(Callback):  # type: ignore[misc]
            def call(self, *_: Any, **__: Any) -> None:
                seen(self.value)

        self.filesystem().get_file(f"{BUCKET}/{key}", str(self.folder / "s3fs"), callback=Seen())

    async def awaited(self, key: str) -> bytes:
        fs = self.filesystem(asynchronous=True)
        session = await fs.set_session()
        try:
            return bytes(await fs._cat_file(f"{BUCKET}/{key}"))
        finally:
            await session.close()

    def presign(self, key: str) -> str:
        return str(self.filesystem().sign(f"{BUCKET}/{key}"))

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        fs = self.filesystem(version_aware=True)
        return bytes(fs.cat_file(f"{bucket}/{key}", version_id=version_id))


class SmartOpen(Client):
    package = "smart_open"
    docs = "https://github.com/piskvorky/smart_open"
    says = {"many objects": "by prefix"}  # noqa: RUF012

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder)
        import boto3

        self.s3 = boto3.client("s3", endpoint_url=url, region_name=REGION)

    def open(self, key: str, mode: str, bucket: str = BUCKET, **more: Any) -> Any:
        import smart_open

        return smart_open.open(f"s3://{bucket}/{key}", mode, transport_params={"client": self.s3, **more})

    def read(self, key: str) -> bytes:
        with self.open(key, "rb") as file:
            return bytes(file.read())

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        with self.open(key, "rb", bucket, version_id=version_id) as file:
            return bytes(file.read())

    def clouds(self) -> list[str]:
        return [n for n in ("azure", "gcs", "http") if importlib.util.find_spec(f"smart_open.{n}")]


class Cloudpathlib(Client):
    package = "cloudpathlib"
    docs = "https://cloudpathlib.drivendata.org/stable/"
    says = {"many objects": "folders"}  # noqa: RUF012

    def _path(self, key: str) -> Any:
        import boto3
        from cloudpathlib import S3Client

        client = S3Client(
            boto3_session=boto3.Session(region_name=REGION), endpoint_url=self.url,
            local_cache_dir=tempfile.mkdtemp(dir=self.folder),
        )  # fmt: skip
        return client.CloudPath(f"s3://{BUCKET}/{key}")

    def read(self, key: str) -> bytes:
        return bytes(self._path(key).read_bytes())

    def open(self, key: str, mode: str) -> Any:
        return self._path(key).open(mode)

    def listdir(self, prefix: str) -> list[str]:
        return [path.name for path in self._path(prefix).iterdir()]

    def glob(self, pattern: str) -> list[str]:
        folder, _, name = pattern.rpartition("/")
        return [str(path) for path in self._path(folder + "/").glob(name)]

    def presign(self, key: str) -> str:
        return str(self._path(key).as_url(presign=True))

    def clouds(self) -> list[str]:
        import cloudpathlib

        return [n for n in ("AzureBlobPath", "GSPath", "HttpPath") if hasattr(cloudpathlib, n)]


class Pyarrow(Client):
    package = "pyarrow"
    docs = "https://arrow.apache.org/docs/python/filesystems.html"
    says = {"many objects": "folders"}  # noqa: RUF012

    def _fs(self) -> Any:
        from pyarrow import fs

        return fs.S3FileSystem(
            access_key="sandbox", secret_key="no-secret", region=REGION, endpoint_override=self.url, scheme="http"
        )

    def read(self, key: str) -> bytes:
        with self._fs().open_input_file(f"{BUCKET}/{key}") as file:
            return bytes(file.readall())

    def open(self, key: str, mode: str) -> Any:
        fs = self._fs()
        return fs.open_output_stream(f"{BUCKET}/{key}") if mode == "wb" else fs.open_input_stream(f"{BUCKET}/{key}")

    def listdir(self, prefix: str) -> list[str]:
        from pyarrow.fs import FileSelector

        return [info.base_name for info in self._fs().get_file_info(FileSelector(f"{BUCKET}/{prefix}"))]

    def filesystem(self) -> Any:
        from fsspec.implementations.arrow import ArrowFSWrapper

        return ArrowFSWrapper(self._fs())

    def clouds(self) -> list[str]:
        from pyarrow import fs

        return [n for n in ("AzureFileSystem", "GcsFileSystem") if hasattr(fs, n)]


class Obstore(Client):
    package = "obstore"
    docs = "https://developmentseed.org/obstore/latest/"

    def _store(self, bucket: str = BUCKET) -> Any:
        from obstore.store import S3Store

        return S3Store(
            bucket, access_key_id="sandbox", secret_access_key="no-secret", region=REGION, endpoint=self.url,
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip

    def read(self, key: str) -> bytes:
        import obstore

        return bytes(obstore.get(self._store(), key).bytes())

    def open(self, key: str, mode: str) -> Any:
        import obstore

        if mode == "wb":
            return obstore.open_writer(self._store(), key)
        return contextlib.nullcontext(obstore.open_reader(self._store(), key))

    def listdir(self, prefix: str) -> list[str]:
        import obstore

        found = obstore.list_with_delimiter(self._store(), prefix)
        return [str(entry["path"]).rpartition("/")[2] for entry in found["objects"]]

    def glob(self, pattern: str) -> list[str]:
        return list(self.filesystem().glob(f"{BUCKET}/{pattern}"))

    def filesystem(self) -> Any:
        from obstore.fsspec import FsspecStore

        return FsspecStore(
            "s3", config={"access_key_id": "sandbox", "secret_access_key": "no-secret", "region": REGION,
                          "endpoint": self.url, "virtual_hosted_style_request": False},
            client_options={"allow_http": True}, skip_instance_cache=True,
        )  # fmt: skip

    async def awaited(self, key: str) -> bytes:
        import obstore

        return bytes(await (await obstore.get_async(self._store(), key)).bytes_async())

    def presign(self, key: str) -> str:
        from datetime import timedelta

        import obstore

        return str(obstore.sign(self._store(), "GET", key, timedelta(minutes=5)))

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        import obstore

        return bytes(obstore.get(self._store(bucket), key, options={"version": version_id}).bytes())

    def clouds(self) -> list[str]:
        from obstore import store

        return [n for n in ("AzureStore", "GCSStore", "HTTPStore") if hasattr(store, n)]


class Metaflow(Client):
    package = "metaflow"
    docs = "https://docs.metaflow.org/api/S3"

    def _client(self) -> Any:
        from metaflow import S3

        return S3(
            s3root=f"s3://{BUCKET}",
            tmproot=str(self.folder),
            client_params={"endpoint_url": self.url, "region_name": REGION},
        )

    def many(self, keys: Sequence[str]) -> list[bytes]:
        with self._client() as s3:
            return [found.blob for found in s3.get_many(list(keys))]

    def failing(self, keys: Sequence[str]) -> tuple[list[bytes], list[str]]:
        with self._client() as s3:
            try:
                s3.get_many(list(keys))
            except Exception as error:
                return [], [key for key in keys if key in str(error)]
        raise AssertionError("nothing failed")

    def read(self, key: str) -> bytes:
        with self._client() as s3:
            return bytes(s3.get(key).blob)

    def listdir(self, prefix: str) -> list[str]:
        with self._client() as s3:
            return [found.key.rpartition("/")[2] for found in s3.list_paths([prefix])]


class S5cmd(Client):
    package = "s5cmd"
    docs = "https://github.com/peak/s5cmd"

    def _run(self, *words: str, lines: str = "") -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("s5cmd")
        return subprocess.run(
            [str(program), "--endpoint-url", self.url, *words], input=lines, capture_output=True, text=True,
            cwd=self.folder, timeout=120, check=False,
        )  # fmt: skip

    def _files(self, keys: Sequence[str]) -> tuple[Path, str]:
        target = Path(tempfile.mkdtemp(dir=self.folder))
        done = self._run("run", lines="".join(f"cp s3://{BUCKET}/{k} {target}/{n}\n" for n, k in enumerate(keys)))
        return target, done.stdout + done.stderr

    def many(self, keys: Sequence[str]) -> list[bytes]:
        target, _ = self._files(keys)
        return [(target / str(n)).read_bytes() for n in range(len(keys))]

    def failing(self, keys: Sequence[str]) -> tuple[list[bytes], list[str]]:
        target, said = self._files(keys)
        return [path.read_bytes() for path in sorted(target.iterdir())], [
            k for k in keys if f"{BUCKET}/{k}" in said and k in GONE
        ]

    def read(self, key: str) -> bytes:
        return self._files([key])[0].joinpath("0").read_bytes()

    def listdir(self, prefix: str) -> list[str]:
        return [line.split()[-1] for line in self._run("ls", f"s3://{BUCKET}/{prefix}/").stdout.splitlines()]

    def glob(self, pattern: str) -> list[str]:
        return self._run("ls", f"s3://{BUCKET}/{pattern}").stdout.splitlines()

    def presign(self, key: str) -> str:
        return self._run("presign", f"s3://{BUCKET}/{key}").stdout.strip()

    def version(self, bucket: str, key: str, version_id: str) -> bytes:
        return self._run("cat", "--version-id", version_id, f"s3://{bucket}/{key}").stdout.encode()


CLIENTS: dict[str, type[Client]] = {
    "s3nb": S3nb, "boto3": Boto3, "s3fs": S3fs, "smart_open": SmartOpen, "cloudpathlib": Cloudpathlib, "pyarrow": Pyarrow,
    "obstore": Obstore, "Metaflow's S3": Metaflow, "s5cmd": S5cmd,
}  # fmt: skip


# -- the rows ---------------------------------------------------------------------------------------


class Bench:
    """A sandbox behind a proxy, and what is known to be in it."""

    def __init__(self, sandbox: Sandbox, proxy: Proxy) -> None:
        self.proxy = proxy
        self.s3 = sandbox.session.client("s3", endpoint_url=sandbox.endpoint_url)
        self.direct = sandbox.endpoint_url
        self.versioned = sandbox.versioned_bucket
        self.large = b"".join(n.to_bytes(8, "big") for n in range(LARGE_SIZE // 8))
        self.s3.upload_fileobj(io.BytesIO(self.large), BUCKET, LARGE)
        self.s3.put_object(Bucket=BUCKET, Key=SMALL, Body=self.body(SMALL))  # now with a checksum beside it

    def body(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def many(client: Client, bench: Bench) -> str:
    found, right = client.many(KEYS), {k: bench.body(k) for k in KEYS}
    if isinstance(found, dict):
        assert found == right
        return "a dict"
    assert found == list(right.values())
    return "✓" if client.package != "s5cmd" else "into files"


def failures(client: Client, bench: Bench) -> str:
    kept, named = client.failing([KEYS[0], GONE[0], KEYS[1], GONE[1]])
    if named == GONE and sorted(kept) == sorted(bench.body(k) for k in KEYS[:2]):
        return "✓"
    return "the first" if named == GONE[:1] else "–"


def _flipped(client: Client, bench: Bench, key: str, *rules: Rule) -> str:
    bench.proxy.set(*rules)
    right = bench.large if key == LARGE else bench.body(key)
    try:
        try:
            found = client.read(key)
        except (Lacking, NotImplementedError):  # the second one is a client's own
            raise
        except Exception:
            found = None
        assert bench.proxy.struck
    finally:
        bench.proxy.set()
    return "✓" if found == right else "an error" if found is None else "–"


def small_flip(client: Client, bench: Bench) -> str:
    return _flipped(client, bench, SMALL, Rule("flip", method="GET", key=SMALL, times=1))


def large_flip(client: Client, bench: Bench) -> str:
    # in a later range where the client asks for ranges, else in the one stream
    rules = (Rule("flip", method="GET", key=LARGE, later=True, times=1), Rule("flip", method="GET", key=LARGE, times=1))
    return _flipped(client, bench, LARGE, *rules)


def read_ahead(client: Client, bench: Bench) -> str:
    now = most = met = 0
    lock = threading.Lock()

    def wait() -> None:
        nonlocal now, most, met
        with lock:
            met += 1
            now += 1
            most = max(most, now)
        if met < 20:
            time.sleep(0.1)  # so that two that are asked for at once meet here
        with lock:
            now -= 1

    bench.proxy.set(Rule("do", method="GET", key=LARGE, then=wait))
    total, at_first = 0, 0
    try:
        with client.open(LARGE, "rb") as file:
            while data := file.read(2**20):
                at_first = at_first or bench.proxy.sent
                total += len(data)
    finally:
        bench.proxy.set()
    assert total == LARGE_SIZE
    if at_first > LARGE_SIZE - 2**20:
        return "all of it first"
    return "✓" if most > 1 else "–"


def failed_block(client: Client, bench: Bench) -> str:
    bench.s3.put_object(Bucket=BUCKET, Key="features/old", Body=b"old")
    client.url, stopped = bench.direct, False  # the proxy knows no chunked uploads
    try:
        with client.open("features/old", "wb") as file:
            file.write(b"half")
            raise KeyError("the block fails")
    except KeyError:
        stopped = True
    finally:
        client.url = bench.proxy.endpoint_url
    assert stopped
    return "✓" if bench.body("features/old") == b"old" else "–"


def directories(client: Client, bench: Bench) -> str:
    names = client.listdir("json")
    assert {"item-001.json", "item-002.json"} <= set(names), names
    try:
        found = client.glob("json/item-00*.json")
    except (Lacking, NotImplementedError):  # the second one is a client's own
        return "no glob"
    assert len(found) == 10, found
    return "✓"


def fsspec_(client: Client, bench: Bench) -> str:
    fs = client.filesystem()
    assert fs.cat_file(f"{BUCKET}/{SMALL}") == bench.body(SMALL)
    assert fs.exists(f"{BUCKET}/json")
    return "✓"


def progress(client: Client, bench: Bench) -> str:
    seen: list[Any] = []
    client.progress(SMALL, seen.append)
    assert seen
    return client.says.get("progress", "callback")


def asyncio_(client: Client, bench: Bench) -> str:
    assert asyncio.run(client.awaited(SMALL)) == bench.body(SMALL)
    return client.says.get("asyncio", "✓")


def presigned(client: Client, bench: Bench) -> str:
    with urllib.request.urlopen(client.presign(SMALL)) as reply:
        assert reply.read() == bench.body(SMALL)
    return "✓"


def versions(client: Client, bench: Bench) -> str:
    listed = bench.s3.list_object_versions(Bucket=bench.versioned, Prefix="notes.txt")["Versions"]
    (old,) = [v["VersionId"] for v in listed if not v["IsLatest"]]
    assert client.version(bench.versioned, "notes.txt", old) == b"first thoughts\n"
    return "✓"


def clouds(client: Client, bench: Bench) -> str:
    return "✓" if len(client.clouds()) > 1 else "–"


# title in the table, key of `Client.says`, what shows it
ROWS: tuple[tuple[str, str, Callable[[Client, Bench], str]], ...] = (
    ("many objects in one call, by name, in order", "many objects", many),
    ("every failure of many is named, the rest kept", "failures", failures),
    ("a bit flipped on the way down", "flip", small_flip),
    ("the same, in a large object", "large", large_flip),
    ("`open()` reads ahead over several connections", "read ahead", read_ahead),
    ('a failed `with open(..., "wb")` leaves the old object', "failed", failed_block),
    ("directories: list, glob", "directories", directories),
    ("a filesystem for fsspec", "fsspec", fsspec_),
    ("progress", "progress", progress),
    ("versions of an object", "versions", versions),
    ("presigned links", "presign", presigned),
    ("asyncio", "asyncio", asyncio_),
    ("Azure, Google's own API, HTTP", "other clouds", clouds),
)


def cell(client: Client, bench: Bench, key: str, probe: Callable[[Client, Bench], str]) -> str:
    try:
        return probe(client, bench)
    except (Lacking, NotImplementedError):  # the second one is a client's own
        said = client.says.get(key, "–")
        return f"*{said}*"
    except Exception as error:
        print(f"{client.package}, {key}: {type(error).__name__}: {error}", file=sys.stderr)
        return "?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", nargs="*", choices=CLIENTS, default=list(CLIENTS))
    options = parser.parse_args()
    os.environ.update(
        AWS_ACCESS_KEY_ID="sandbox",
        AWS_SECRET_ACCESS_KEY="no-secret",
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
    )
    out = io.StringIO()
    with Sandbox() as sandbox, Proxy(sandbox.endpoint_url) as proxy, tempfile.TemporaryDirectory() as name:
        bench = Bench(sandbox, proxy)
        clients = [CLIENTS[n](proxy.endpoint_url, Path(name)) for n in options.clients]
        print(f"| | {' | '.join(options.clients)} |", file=out)
        print(f"| --- |{' :-: |' * len(clients)}", file=out)
        for title, key, probe in ROWS:
            print(f"| {title} | {' | '.join(cell(client, bench, key, probe) for client in clients)} |", file=out)
    print(out.getvalue())
    for client in clients:
        print(f"{client.package} {importlib.metadata.version(client.package)}: {client.docs}")


if __name__ == "__main__":
    main()
