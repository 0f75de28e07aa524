"""One measurement in a process of its own: ``python -m benchmarks.peers PEER TASK`` with a JSON setting on stdin.

Prints a JSON line: seconds on the wall, seconds of CPU (children included), peak memory in MiB above the start, requests. Imports,
clients and their first few requests come before the clock.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import resource
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.server import LISTED

Keys = list[str]
TASKS = (
    "get",
    "files",
    "get30",
    "head",
    "put",
    "mixed",
    "get1",
    "put1",
    "get1slow",
    "list",
    "list30",
    "open30",
    "first",
)
# the same over the port with a network's delays
SLOW = {"get30": "get", "get1slow": "get1", "list30": "list", "open30": "open"}
READ = 64 * 1024  # bytes of a read, where a large object is read through a file
BUCKET = "bench"
KEYS = ("AKIDEXAMPLE", "secret")
RCLONE = os.path.join(os.path.dirname(sys.executable), "rclone")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in spent)


class Peer:
    """What every peer does; ``warm`` is called before the clock."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.url: str = setting["url"]
        self.keys: Keys = setting["keys"]
        self.small: Keys = setting["small"]
        self.body = bytes(setting["size"])
        self.large: str = setting["large"]
        self.ways: int = setting["ways"]  # requests at once: what most clients are at their best with
        self.folder: str = setting["folder"]
        self.kept: list[Any] = []  # what was got into memory: all peers keep it, as those who ask for it do

    def warm(self) -> None: ...
    def get(self, keys: Keys) -> None: ...
    def files(self, keys: Keys) -> None: ...
    def head(self, keys: Keys) -> None: ...
    def put(self, keys: Keys) -> None: ...
    def get1(self, _: Keys) -> None: ...
    def put1(self, _: Keys) -> None: ...
    def list(self, _: Keys) -> None: ...
    def open(self, _: Keys) -> None: ...

    def read(self, file: Any) -> None:
        """Read the large object to its end."""
        count = 0
        while data := file.read(READ):
            count += len(data)
        assert count == os.path.getsize(self.large), count

    def mixed(self, keys: Keys) -> None:
        """Get objects of 1 and of 16 MiB into files."""
        self.files(keys)

    def file(self, key: str) -> str:
        return f"{self.folder}/{key.replace('/', '_')}"


class S3nb(Peer):
    def config(self) -> Any:
        from s3nb import TransferConfig

        return TransferConfig(max_requests=max(128, self.ways))

    def warm(self) -> None:
        import boto3

        from s3nb import S3

        self.s3 = S3(
            self.folder,
            config=self.config(),
            bucket=BUCKET,
            endpoint_url=self.url,
            session=boto3.Session(*KEYS, region_name="us-east-1"),
            progress=False,
        )
        self.s3.get_many(self.small)

    def get(self, keys: Keys) -> None:
        self.kept = self.s3.get_many(keys)
        assert sum(o.size for o in self.kept) == len(self.body) * len(keys)

    def files(self, keys: Keys) -> None:
        self.s3.download(keys, self.folder)

    def head(self, keys: Keys) -> None:
        self.kept = [(o.size, o.etag, o.last_modified) for o in self.s3.info_many(keys)]

    def put(self, keys: Keys) -> None:
        self.s3.put_many([(k, self.body) for k in keys])

    def get1(self, _: Keys) -> None:
        self.s3.download_to("large", f"{self.folder}/got")

    def put1(self, _: Keys) -> None:
        self.s3.put_files([("put-large", self.large)])

    def list(self, _: Keys) -> None:
        import boto3

        from s3nb import S3

        with S3(self.folder, bucket="list", endpoint_url=self.url, session=boto3.Session(*KEYS, region_name="us-east-1"),
                progress=False) as s3:  # fmt: skip
            count = sum(1 for o in s3.iter_list("data") if o.size)
        assert count == LISTED, count

    def open(self, _: Keys) -> None:
        import s3nb

        os.environ.update(AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1], AWS_DEFAULT_REGION="us-east-1")
        with s3nb.open(f"s3://{BUCKET}/large", "rb", endpoint_url=self.url) as file:
            self.read(file)


class Plain(S3nb):
    """s3nb without what the peers leave out: flushing files, CRC32 and payload signature of uploads."""

    def config(self) -> Any:
        from s3nb import TransferConfig

        return TransferConfig(fsync=False, upload_checksum=False, sign_payload=False)


class Boto3(Peer):
    def warm(self) -> None:
        import boto3
        from botocore.config import Config

        self.pool = ThreadPoolExecutor(min(32, self.ways))
        config = Config(
            max_pool_connections=32,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        self.client = boto3.Session(*KEYS, region_name="us-east-1").client("s3", endpoint_url=self.url, config=config)
        self.get(self.small)

    def _all(self, function: Callable[[str], Any], keys: Keys) -> None:
        for _ in self.pool.map(function, keys):
            pass

    def get(self, keys: Keys) -> None:
        self.kept = [*self.pool.map(lambda k: self.client.get_object(Bucket=BUCKET, Key=k)["Body"].read(), keys)]

    def files(self, keys: Keys) -> None:
        self._all(lambda k: self.client.download_file(BUCKET, k, self.file(k)), keys)

    def head(self, keys: Keys) -> None:
        self._all(lambda k: self.client.head_object(Bucket=BUCKET, Key=k), keys)

    def put(self, keys: Keys) -> None:
        self._all(lambda k: self.client.put_object(Bucket=BUCKET, Key=k, Body=self.body), keys)

    def get1(self, _: Keys) -> None:
        self.client.download_file(BUCKET, "large", f"{self.folder}/got")

    def put1(self, _: Keys) -> None:
        self.client.upload_file(self.large, BUCKET, "put-large")

    def list(self, _: Keys) -> None:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="list", Prefix="data/")
        assert sum(1 for page in pages for o in page["Contents"] if o["Size"]) == LISTED

    def open(self, _: Keys) -> None:
        self.read(self.client.get_object(Bucket=BUCKET, Key="large")["Body"])


class Obstore(Peer):
    def warm(self) -> None:
        self.store = self._store(BUCKET)
        self.get(self.small)

    def _store(self, bucket: str) -> Any:
        from obstore.store import S3Store

        return S3Store(
            bucket, access_key_id=KEYS[0], secret_access_key=KEYS[1], region="us-east-1", endpoint=self.url,
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip

    def _all(self, function: Callable[[str], Any], keys: Keys) -> None:
        async def work(left: Any) -> None:
            for key in left:
                await function(key)

        async def everything() -> None:
            left = iter(keys)
            await asyncio.gather(*(work(left) for _ in range(self.ways)))

        asyncio.run(everything())

    def get(self, keys: Keys) -> None:
        async def one(key: str) -> None:
            self.kept.append(await (await self.store.get_async(key)).bytes_async())

        self._all(one, keys)

    def files(self, keys: Keys) -> None:
        async def one(key: str) -> None:
            data = await (await self.store.get_async(key)).bytes_async()
            with open(self.file(key), "wb") as file:
                file.write(data)

        self._all(one, keys)

    def head(self, keys: Keys) -> None:
        self._all(self.store.head_async, keys)

    def put(self, keys: Keys) -> None:
        self._all(lambda key: self.store.put_async(key, self.body), keys)

    def get1(self, _: Keys) -> None:
        with open(f"{self.folder}/got", "wb") as file:
            for piece in self.store.get("large").stream(8 << 20):
                file.write(piece)

    def put1(self, _: Keys) -> None:
        with open(self.large, "rb") as file:
            self.store.put("put-large", file, chunk_size=16 << 20, max_concurrency=6)

    def list(self, _: Keys) -> None:
        store = self._store("list")
        assert sum(1 for page in store.list("data") for o in page if o["size"]) == LISTED

    def open(self, _: Keys) -> None:
        import obstore

        self.read(obstore.open_reader(self.store, "large", buffer_size=8 << 20))


class ObstoreThreads(Obstore):
    """The same from threads, which some of its users prefer."""

    def _map(self, function: Callable[[str], Any], keys: Keys) -> None:
        with ThreadPoolExecutor(self.ways) as pool:
            self.kept = [*pool.map(function, keys)]

    def get(self, keys: Keys) -> None:
        self._map(lambda k: self.store.get(k).bytes(), keys)

    def files(self, keys: Keys) -> None:
        def one(key: str) -> None:
            with open(self.file(key), "wb") as file:
                file.write(self.store.get(key).bytes())

        self._map(one, keys)

    def head(self, keys: Keys) -> None:
        self._map(self.store.head, keys)

    def put(self, keys: Keys) -> None:
        self._map(lambda key: self.store.put(key, self.body), keys)


class Opendal(Peer):
    def warm(self) -> None:
        self.store = self._operator(BUCKET)
        self.get(self.small)

    def _operator(self, bucket: str) -> Any:
        import opendal

        return opendal.Operator(
            "s3", bucket=bucket, endpoint=self.url, region="us-east-1", access_key_id=KEYS[0], secret_access_key=KEYS[1],
            disable_config_load="true", disable_ec2_metadata="true",
        )  # fmt: skip

    def _map(self, function: Callable[[str], Any], keys: Keys) -> None:
        with ThreadPoolExecutor(self.ways) as pool:
            self.kept = [*pool.map(function, keys)]

    def get(self, keys: Keys) -> None:
        self._map(self.store.read, keys)

    def files(self, keys: Keys) -> None:
        def one(key: str) -> None:
            with open(self.file(key), "wb") as file:
                file.write(self.store.read(key))

        self._map(one, keys)

    def head(self, keys: Keys) -> None:
        self._map(self.store.stat, keys)
        self.kept = [(m.content_length, m.etag, m.last_modified) for m in self.kept]

    def put(self, keys: Keys) -> None:
        self._map(lambda key: self.store.write(key, self.body), keys)

    def list(self, _: Keys) -> None:
        assert sum(1 for o in self._operator("list").scan("data/") if o.path) == LISTED

    def open(self, _: Keys) -> None:
        with self._operator(BUCKET).open("large", "rb") as file:
            self.read(file)


class OpendalAsync(Opendal):
    """The same as coroutines."""

    def warm(self) -> None:
        import opendal

        self.store = opendal.AsyncOperator(
            "s3", bucket=BUCKET, endpoint=self.url, region="us-east-1", access_key_id=KEYS[0], secret_access_key=KEYS[1],
            disable_config_load="true", disable_ec2_metadata="true",
        )  # fmt: skip
        self.get(self.small)

    def _map(self, function: Callable[[str], Any], keys: Keys) -> None:
        async def work(left: Any) -> None:
            for key in left:
                self.kept.append(await function(key))

        async def everything() -> None:
            left = iter(keys)
            await asyncio.gather(*(work(left) for _ in range(self.ways)))

        asyncio.run(everything())

    def files(self, keys: Keys) -> None:
        async def one(key: str) -> None:
            data = await self.store.read(key)
            with open(self.file(key), "wb") as file:
                file.write(data)

        self._map(one, keys)


class Pyarrow(Peer):
    def warm(self) -> None:
        from pyarrow import fs

        self.fs = fs.S3FileSystem(
            access_key=KEYS[0], secret_key=KEYS[1], region="us-east-1", scheme="http",
            endpoint_override=self.url.removeprefix("http://"), force_virtual_addressing=False,
        )  # fmt: skip
        self.pool = ThreadPoolExecutor(self.ways)
        self.get(self.small)

    def _read(self, key: str) -> bytes:
        with self.fs.open_input_stream(f"{BUCKET}/{key}") as file:
            return bytes(file.read())

    def get(self, keys: Keys) -> None:
        self.kept = [*self.pool.map(self._read, keys)]

    def files(self, keys: Keys) -> None:
        def one(key: str) -> None:
            with open(self.file(key), "wb") as file:
                file.write(self._read(key))

        for _ in self.pool.map(one, keys):
            pass

    def list(self, _: Keys) -> None:
        from pyarrow import fs

        found = self.fs.get_file_info(fs.FileSelector("list/data", recursive=True))
        assert sum(1 for f in found if f.size) == LISTED

    def open(self, _: Keys) -> None:
        with self.fs.open_input_stream(f"{BUCKET}/large") as file:
            self.read(file)


class S3fs(Peer):
    def warm(self) -> None:
        import s3fs

        self.fs = s3fs.S3FileSystem(
            key=KEYS[0], secret=KEYS[1], client_kwargs={"endpoint_url": self.url, "region_name": "us-east-1"},
            use_listings_cache=False,
        )  # fmt: skip
        self.get(self.small)

    def get(self, keys: Keys) -> None:
        self.kept = [self.fs.cat([f"{BUCKET}/{k}" for k in keys], batch_size=64)]

    def files(self, keys: Keys) -> None:
        self.fs.get([f"{BUCKET}/{k}" for k in keys], [self.file(k) for k in keys])

    def list(self, _: Keys) -> None:
        assert sum(1 for o in self.fs.find("list/data", detail=True).values() if o["size"]) == LISTED

    def open(self, _: Keys) -> None:
        with self.fs.open(f"{BUCKET}/large", "rb") as file:
            self.read(file)


class Metaflow(Peer):
    def warm(self) -> None:
        os.environ.update(
            METAFLOW_S3_ENDPOINT_URL=self.url, AWS_ACCESS_KEY_ID=KEYS[0], AWS_SECRET_ACCESS_KEY=KEYS[1],
            AWS_DEFAULT_REGION="us-east-1", METAFLOW_USER="bench",
        )  # fmt: skip
        from metaflow import S3

        self.s3 = S3(s3root=f"s3://{BUCKET}", tmproot=self.folder)

    def get(self, keys: Keys) -> None:
        self.kept = [o.blob for o in self.s3.get_many(keys)]
        assert len(self.kept) == len(keys)


class Curl(Peer):
    """libcurl and nothing else: a multi handle, no signatures, no checks. The limit of what a client over it can do."""

    def get(self, keys: Keys) -> None:
        import pycurl

        multi = pycurl.CurlMulti()
        left = iter(keys)
        bodies: list[Any] = []
        running = 0

        def start(easy: Any) -> int:
            key = next(left, None)
            if key is None:
                return 0
            pieces: Keys = []
            bodies.append(pieces)
            easy.setopt(pycurl.URL, f"{self.url}/{BUCKET}/{key}")
            easy.setopt(pycurl.WRITEFUNCTION, pieces.append)
            multi.add_handle(easy)
            return 1

        for _ in range(self.ways):
            running += start(pycurl.Curl())
        while running:
            multi.perform()
            while True:
                queued, good, bad = multi.info_read()
                for easy in good:
                    multi.remove_handle(easy)
                    running += start(easy) - 1
                assert not bad, bad
                if not queued:
                    break
            if running:
                multi.select(0.1)
        assert sum(len(p) for pieces in bodies for p in pieces) == len(self.body) * len(keys)


class Wrk(Peer):
    """The server's own limit: requests without anybody who wants the bytes."""

    def get(self, keys: Keys) -> None:
        script = f"{self.folder}/next.lua"
        with open(script, "w") as file:
            file.write(
                f"n = 0; request = function() n = n + 1; return wrk.format('GET', string.format('/{BUCKET}/o/%06d', n % {len(keys)})) end"
            )
        done = subprocess.run(
            ["wrk", "-t1", f"-c{self.ways}", "-d2s", "-s", script, self.url], capture_output=True, text=True, check=True
        )
        rate = float(done.stdout.split("Requests/sec:")[1].split()[0])
        self.wall = len(keys) / rate


class Rclone(Peer):
    def warm(self) -> None:
        self.environment = {
            **os.environ, "RCLONE_CONFIG": os.devnull, "RCLONE_S3_PROVIDER": "Other", "RCLONE_S3_ENDPOINT": self.url,
            "RCLONE_S3_ACCESS_KEY_ID": KEYS[0], "RCLONE_S3_SECRET_ACCESS_KEY": KEYS[1], "RCLONE_S3_REGION": "us-east-1",
        }  # fmt: skip
        self.environment.pop(
            "AWS_CA_BUNDLE", None
        )  # it cannot load one into the client it has made, and needs none here

    def _run(self, *words: str) -> None:
        subprocess.run([RCLONE, "-q", *words], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def files(self, keys: Keys) -> None:
        names = f"{self.folder}/names"
        with open(names, "w") as file:
            file.write("\n".join(keys))
        self._run("copy", "--files-from-raw", names, "--no-traverse", "--transfers", "32", f":s3:{BUCKET}", self.folder)

    def get1(self, _: Keys) -> None:
        self._run("copyto", f":s3:{BUCKET}/large", f"{self.folder}/got", "--multi-thread-streams", "8")

    def list(self, _: Keys) -> None:
        self._run("lsf", "-R", "--fast-list", ":s3:list/data")


class Awscrt(Peer):
    def warm(self) -> None:
        from awscrt import auth, io, s3

        self.module = s3
        bootstrap = io.ClientBootstrap(io.EventLoopGroup(2), io.DefaultHostResolver(io.EventLoopGroup(1)))
        credentials = auth.AwsCredentialsProvider.new_static(*KEYS)
        signing = s3.create_default_s3_signing_config(region="us-east-1", credential_provider=credentials)
        self.client = s3.S3Client(
            bootstrap=bootstrap, region="us-east-1", signing_config=signing, tls_mode=s3.S3RequestTlsMode.DISABLED,
            part_size=16 << 20, throughput_target_gbps=10,
        )  # fmt: skip
        self.host = self.url.removeprefix("http://")
        self.window = threading.Semaphore(2 * self.ways)
        self.get(self.small)

    def _request(self, method: str, key: str, kind: Any, *, body: Any = None, length: int = 0, **options: Any) -> Any:
        from awscrt import http

        headers = http.HttpHeaders([("Host", self.host)])
        if method == "PUT":
            headers.add("Content-Length", str(length))
        request = http.HttpRequest(method, f"/{BUCKET}/{key}", headers, body_stream=body)
        if kind == self.module.S3RequestType.DEFAULT:
            options["operation_name"] = "HeadObject"
        return self.client.make_request(type=kind, request=request, **options).finished_future

    def _all(self, function: Callable[[str], Any], keys: Keys) -> None:
        futures = []
        for key in keys:
            self.window.acquire()
            future = function(key)
            future.add_done_callback(lambda _: self.window.release())
            futures.append(future)
        for future in futures:
            future.result()

    def get(self, keys: Keys) -> None:
        kind = self.module.S3RequestType.GET_OBJECT
        bodies: dict[str, list[bytes]] = {key: [] for key in keys}
        self._all(
            lambda k: self._request(
                "GET", k, kind, on_body=lambda chunk, offset, into=bodies[k], **_: into.append(chunk)
            ),
            keys,
        )
        assert sum(len(p) for pieces in bodies.values() for p in pieces) == len(self.body) * len(keys)

    def files(self, keys: Keys) -> None:
        kind = self.module.S3RequestType.GET_OBJECT
        self._all(lambda k: self._request("GET", k, kind, recv_filepath=self.file(k)), keys)

    def head(self, keys: Keys) -> None:
        self._all(lambda k: self._request("HEAD", k, self.module.S3RequestType.DEFAULT), keys)

    def put(self, keys: Keys) -> None:
        kind = self.module.S3RequestType.PUT_OBJECT
        self._all(lambda k: self._request("PUT", k, kind, body=io.BytesIO(self.body), length=len(self.body)), keys)

    def get1(self, _: Keys) -> None:
        self._request("GET", "large", self.module.S3RequestType.GET_OBJECT, recv_filepath=f"{self.folder}/got").result()

    def put1(self, _: Keys) -> None:
        kind = self.module.S3RequestType.PUT_OBJECT
        size = os.path.getsize(self.large)
        self._request("PUT", "put-large", kind, length=size, send_filepath=self.large).result()


class S5cmd(Peer):
    def warm(self) -> None:
        self.command = [
            os.path.join(os.path.dirname(sys.executable), "s5cmd"),
            "--endpoint-url",
            self.url,
            "--log",
            "error",
        ]
        self.environment = {
            **os.environ, "AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_REGION": "us-east-1",
        }  # fmt: skip
        os.makedirs(f"{self.folder}/source", exist_ok=True)
        with open(f"{self.folder}/source/body", "wb") as file:
            file.write(self.body)

    def _run(self, lines: Keys) -> None:
        text = "\n".join(lines)
        subprocess.run(
            [*self.command, "run"], input=text.encode(), env=self.environment, check=True, stdout=subprocess.DEVNULL
        )

    def files(self, keys: Keys) -> None:
        self._run([f"cp s3://{BUCKET}/{k} {self.file(k)}" for k in keys])

    def put(self, keys: Keys) -> None:
        self._run([f"cp {self.folder}/source/body s3://{BUCKET}/{k}" for k in keys])

    def get1(self, _: Keys) -> None:
        self._run([f"cp s3://{BUCKET}/large {self.folder}/got"])

    def put1(self, _: Keys) -> None:
        self._run([f"cp {self.large} s3://{BUCKET}/put-large"])

    def list(self, _: Keys) -> None:
        self._run(["ls s3://list/data/*"])


PEERS: dict[str, type[Peer]] = {
    "s3nb": S3nb,
    "s3nb*": Plain,
    "boto3": Boto3,
    "obstore": Obstore,
    "obstore-t": ObstoreThreads,
    "opendal": OpendalAsync,
    "opendal-t": Opendal,
    "awscrt": Awscrt,
    "pyarrow": Pyarrow,
    "s3fs": S3fs,
    "metaflow": Metaflow,
    "s5cmd": S5cmd,
    "rclone": Rclone,
    "curl": Curl,
    "wrk": Wrk,
}
LIMITS = ("curl", "wrk")  # no clients of S3
NO_PEERS = ("s3nb", "s3nb*", *LIMITS)
_SMALL = ("get", "files", "get30", "head", "put", "mixed")
CAN = {  # the other rows are as without the star; or the same with and without threads
    "s3nb*": ("files", "put", "mixed", "get1", "put1"),
    "obstore-t": _SMALL,
    "opendal": _SMALL,
}
# minutes each, and not the fastest: page after page at 30 ms, or 5,000 small objects in one process each
CANNOT = {
    "list": ("s3fs",),
    "list30": ("s3fs", "s5cmd", "rclone"),
    "get30": ("metaflow", "s3fs"),
}
FIRST = {  # a fresh process: import, client, one small GET
    "s3nb": "import s3nb; s3 = s3nb.S3('/tmp', bucket='bench', endpoint_url=url, progress=False); s3.get(key).blob",
    "boto3": "import boto3; boto3.client('s3', endpoint_url=url).get_object(Bucket='bench', Key=key)['Body'].read()",
    "obstore": "from obstore.store import S3Store; "
    "S3Store('bench', endpoint=url, client_options={'allow_http': True}).get(key).bytes()",
    "s3fs": "import s3fs; s3fs.S3FileSystem(client_kwargs={'endpoint_url': url}).cat('bench/' + key)",
}


def can(peer: str, task: str) -> bool:
    """Say whether a peer does a task."""
    if task == "first":
        return peer in FIRST
    if (peer in CAN and task not in CAN[peer]) or peer in CANNOT.get(task, ()):
        return False
    kind = PEERS[peer]
    task = SLOW.get(task, task)
    return getattr(kind, "files" if task == "mixed" else task) is not getattr(
        Peer, "files" if task == "mixed" else task
    )


def first(peer: str, setting: dict[str, Any]) -> dict[str, float]:
    """Measure a process from its start to its end."""
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }  # fmt: skip
    code = f"url, key = {setting['url']!r}, {setting['keys'][0]!r}; {FIRST[peer]}"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is measured is not the compiler
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    wall, spent = time.perf_counter(), cpu()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return {"wall": time.perf_counter() - wall, "cpu": cpu() - spent, "mib": 0.0, "requests": 1}


def main() -> None:
    name, task = sys.argv[1:3]
    setting = json.load(sys.stdin)
    if task == "first":
        print(json.dumps(first(name, setting)), flush=True)
        return
    peer = PEERS[name](setting)
    peer.warm()
    peer.kept = []
    before = peak_mib()
    asked = requests_of(setting)
    wall, spent = time.perf_counter(), cpu()
    keys = [f"new/{k}" for k in peer.keys] if task == "put" else peer.keys
    getattr(peer, SLOW.get(task, task))(keys)
    took = {"wall": time.perf_counter() - wall, "cpu": cpu() - spent, "mib": peak_mib() - before}
    if hasattr(peer, "wall"):
        took |= {"wall": peer.wall, "cpu": 0.0, "mib": 0.0}
    took["requests"] = requests_of(setting) - asked - 1
    print(json.dumps(took), flush=True)
    # some peers crash or wait in their finalisers, which is not what is measured
    os._exit(0)


def requests_of(setting: dict[str, Any]) -> int:
    """Return the number of requests that the server has had; asking is one."""
    with urllib.request.urlopen(setting["status"], timeout=5) as reply:
        return int(reply.read().split()[9])


def numbered(count: int) -> Keys:
    return [f"o/{n:06d}" for n in itertools.islice(itertools.count(), count)]


if __name__ == "__main__":
    main()
