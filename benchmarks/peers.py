"""One measurement in a process of its own: ``python -m benchmarks.peers PEER TASK`` with a JSON setting on stdin.

Prints a JSON line: seconds on the wall, seconds of CPU (children included), peak memory in MiB above the start. Imports,
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

TASKS = ("get", "files", "head", "put", "get1", "put1")
BUCKET = "bench"
KEYS = ("AKIDEXAMPLE", "secret")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in spent)


class Peer:
    """What every peer does; ``warm`` is called before the clock."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self.url: str = setting["url"]
        self.keys: list[str] = setting["keys"]
        self.body = bytes(setting["size"])
        self.large: str = setting["large"]
        self.folder: str = setting["folder"]

    def warm(self) -> None: ...
    def get(self, keys: list[str]) -> None: ...
    def files(self, keys: list[str]) -> None: ...
    def head(self, keys: list[str]) -> None: ...
    def put(self, keys: list[str]) -> None: ...
    def get1(self, _: list[str]) -> None: ...
    def put1(self, _: list[str]) -> None: ...

    def file(self, key: str) -> str:
        return f"{self.folder}/{key.replace('/', '_')}"


class S3nb(Peer):
    def config(self) -> Any:
        from s3nb import TransferConfig

        return TransferConfig()

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
        self.s3.get_many(self.keys[:50])

    def get(self, keys: list[str]) -> None:
        found = self.s3.get_many(keys)
        assert sum(o.size for o in found) == len(self.body) * len(keys)

    def files(self, keys: list[str]) -> None:
        self.s3.download(keys, self.folder)

    def head(self, keys: list[str]) -> None:
        self.s3.info_many(keys)

    def put(self, keys: list[str]) -> None:
        self.s3.put_many([(k, self.body) for k in keys])

    def get1(self, _: list[str]) -> None:
        self.s3.download_to("large", f"{self.folder}/got")

    def put1(self, _: list[str]) -> None:
        self.s3.put_files([("put-large", self.large)])


class Plain(S3nb):
    """s3nb without what the peers leave out: flushing files, CRC32 and payload signature of uploads."""

    def config(self) -> Any:
        from s3nb import TransferConfig

        return TransferConfig(fsync=False, upload_checksum=False, sign_payload=False)


class Boto3(Peer):
    def warm(self) -> None:
        import boto3
        from botocore.config import Config

        self.pool = ThreadPoolExecutor(16)
        config = Config(
            max_pool_connections=16,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        self.client = boto3.Session(*KEYS, region_name="us-east-1").client("s3", endpoint_url=self.url, config=config)
        self.get(self.keys[:50])

    def _all(self, function: Callable[[str], Any], keys: list[str]) -> None:
        for _ in self.pool.map(function, keys):
            pass

    def get(self, keys: list[str]) -> None:
        self._all(lambda k: self.client.get_object(Bucket=BUCKET, Key=k)["Body"].read(), keys)

    def files(self, keys: list[str]) -> None:
        self._all(lambda k: self.client.download_file(BUCKET, k, self.file(k)), keys)

    def head(self, keys: list[str]) -> None:
        self._all(lambda k: self.client.head_object(Bucket=BUCKET, Key=k), keys)

    def put(self, keys: list[str]) -> None:
        self._all(lambda k: self.client.put_object(Bucket=BUCKET, Key=k, Body=self.body), keys)

    def get1(self, _: list[str]) -> None:
        self.client.download_file(BUCKET, "large", f"{self.folder}/got")

    def put1(self, _: list[str]) -> None:
        self.client.upload_file(self.large, BUCKET, "put-large")


class Obstore(Peer):
    def warm(self) -> None:
        from obstore.store import S3Store

        self.store = S3Store(
            BUCKET, access_key_id=KEYS[0], secret_access_key=KEYS[1], region="us-east-1", endpoint=self.url,
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip
        self.get(self.keys[:50])

    def _all(self, function: Callable[[str], Any], keys: list[str]) -> None:
        async def work(left: Any) -> None:
            for key in left:
                await function(key)

        async def everything() -> None:
            left = iter(keys)
            await asyncio.gather(*(work(left) for _ in range(64)))

        asyncio.run(everything())

    def get(self, keys: list[str]) -> None:
        async def one(key: str) -> int:
            return len(await (await self.store.get_async(key)).bytes_async())

        self._all(one, keys)

    def files(self, keys: list[str]) -> None:
        async def one(key: str) -> None:
            data = await (await self.store.get_async(key)).bytes_async()
            with open(self.file(key), "wb") as file:
                file.write(data)

        self._all(one, keys)

    def head(self, keys: list[str]) -> None:
        self._all(self.store.head_async, keys)

    def put(self, keys: list[str]) -> None:
        self._all(lambda key: self.store.put_async(key, self.body), keys)

    def get1(self, _: list[str]) -> None:
        with open(f"{self.folder}/got", "wb") as file:
            for piece in self.store.get("large").stream(8 << 20):
                file.write(piece)

    def put1(self, _: list[str]) -> None:
        with open(self.large, "rb") as file:
            self.store.put("put-large", file, chunk_size=16 << 20, max_concurrency=6)


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
        self.window = threading.Semaphore(128)
        self.get(self.keys[:50])

    def _request(self, method: str, key: str, kind: Any, *, body: Any = None, length: int = 0, **options: Any) -> Any:
        from awscrt import http

        headers = http.HttpHeaders([("Host", self.host)])
        if method == "PUT":
            headers.add("Content-Length", str(length))
        request = http.HttpRequest(method, f"/{BUCKET}/{key}", headers, body_stream=body)
        if kind == self.module.S3RequestType.DEFAULT:
            options["operation_name"] = "HeadObject"
        return self.client.make_request(type=kind, request=request, **options).finished_future

    def _all(self, function: Callable[[str], Any], keys: list[str]) -> None:
        futures = []
        for key in keys:
            self.window.acquire()
            future = function(key)
            future.add_done_callback(lambda _: self.window.release())
            futures.append(future)
        for future in futures:
            future.result()

    def get(self, keys: list[str]) -> None:
        kind = self.module.S3RequestType.GET_OBJECT
        bodies: dict[str, list[bytes]] = {key: [] for key in keys}
        self._all(
            lambda k: self._request(
                "GET", k, kind, on_body=lambda chunk, offset, into=bodies[k], **_: into.append(chunk)
            ),
            keys,
        )
        assert sum(len(p) for pieces in bodies.values() for p in pieces) == len(self.body) * len(keys)

    def files(self, keys: list[str]) -> None:
        kind = self.module.S3RequestType.GET_OBJECT
        self._all(lambda k: self._request("GET", k, kind, recv_filepath=self.file(k)), keys)

    def head(self, keys: list[str]) -> None:
        self._all(lambda k: self._request("HEAD", k, self.module.S3RequestType.DEFAULT), keys)

    def put(self, keys: list[str]) -> None:
        kind = self.module.S3RequestType.PUT_OBJECT
        self._all(lambda k: self._request("PUT", k, kind, body=io.BytesIO(self.body), length=len(self.body)), keys)

    def get1(self, _: list[str]) -> None:
        self._request("GET", "large", self.module.S3RequestType.GET_OBJECT, recv_filepath=f"{self.folder}/got").result()

    def put1(self, _: list[str]) -> None:
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

    def _run(self, lines: list[str]) -> None:
        text = "\n".join(lines)
        subprocess.run(
            [*self.command, "run"], input=text.encode(), env=self.environment, check=True, stdout=subprocess.DEVNULL
        )

    def files(self, keys: list[str]) -> None:
        self._run([f"cp s3://{BUCKET}/{k} {self.file(k)}" for k in keys])

    def put(self, keys: list[str]) -> None:
        self._run([f"cp {self.folder}/source/body s3://{BUCKET}/{k}" for k in keys])

    def get1(self, _: list[str]) -> None:
        self._run([f"cp s3://{BUCKET}/large {self.folder}/got"])

    def put1(self, _: list[str]) -> None:
        self._run([f"cp {self.large} s3://{BUCKET}/put-large"])


PEERS: dict[str, type[Peer]] = {
    "s3nb": S3nb,
    "s3nb*": Plain,
    "boto3": Boto3,
    "obstore": Obstore,
    "awscrt": Awscrt,
    "s5cmd": S5cmd,
}
CANNOT = {
    ("s5cmd", "get"), ("s5cmd", "head"),  # it moves files, and lists
    ("s3nb*", "get"), ("s3nb*", "head"),  # as without the star
}  # fmt: skip


def main() -> None:
    name, task = sys.argv[1:3]
    setting = json.load(sys.stdin)
    peer = PEERS[name](setting)
    peer.warm()
    before = peak_mib()
    wall, spent = time.perf_counter(), cpu()
    keys = [f"new/{k}" for k in peer.keys] if task == "put" else peer.keys
    getattr(peer, task)(keys)
    took = {"wall": time.perf_counter() - wall, "cpu": cpu() - spent, "mib": peak_mib() - before}
    print(json.dumps(took), flush=True)
    # some peers crash or wait in their finalisers, which is not what is measured
    os._exit(0)


def numbered(count: int) -> list[str]:
    return [f"o/{n:06d}" for n in itertools.islice(itertools.count(), count)]


if __name__ == "__main__":
    main()
