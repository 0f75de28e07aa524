"""Processes that are killed, interrupted and started again, on both sides: real ones, with real signals."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, TransferConfig

from ..conftest import Server
from ..test_faults import MIB, blocks, left_over
from .proxy import Proxy, Rule, in_front_of, standard

CLIENT = """
import json, sys
import boto3
from s3nb import S3, TransferConfig
MIB = 1 << 20
config = TransferConfig(
    backoff_base=0.005, throttle_base=0.01, fsync=False,
    part_size=5 * MIB, multipart_threshold=6 * MIB, split_threshold=6 * MIB, smallest_split=MIB,
)
verb, url, bucket, key, secret, folder, keys = sys.argv[1:]
session = boto3.Session(key, secret, region_name="us-east-1")
with S3(bucket=bucket, endpoint_url=url, session=session, progress=False, config=config) as s3:
    if verb == "down":
        s3.download(json.loads(keys), folder)
    else:
        s3.put_files([(k, f"{folder}/{k}") for k in json.loads(keys)], resume=verb == "resume")
print("done")
"""
SMALL = {f"s{n:02}": os.urandom(48 * 1024) for n in range(30)}
LARGE = blocks(16 * MIB + 3)
BODIES = {**SMALL, "large": LARGE}


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with in_front_of(server.endpoint_url) as found:
        yield found


class Client:
    """Starts the client as a process, and ends it."""

    def __init__(self, server: Server, proxy: Proxy, bucket: str, folder: Path) -> None:
        self.server, self.proxy, self.bucket, self.folder = server, proxy, bucket, folder

    def start(self, verb: str, keys: list[str]) -> subprocess.Popen[str]:
        arguments = [
            verb, self.proxy.endpoint_url, self.bucket, self.server.access_key, self.server.secret_key, str(self.folder),
            json.dumps(keys),
        ]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def when(self, process: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
        """Wait for something to be so, or for the process to end."""
        while not ready():
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            return


@pytest.fixture
def client(server: Server, proxy: Proxy, bucket: str, tmp_path: Path) -> Client:
    (tmp_path / "to").mkdir()
    return Client(server, proxy, bucket, tmp_path / "to")


def test_a_download_that_is_killed_again_and_again_gets_there_on_a_bad_day(client: Client, proxy: Proxy) -> None:
    direct = client.server.boto3_client()
    for key, body in BODIES.items():
        direct.put_object(Bucket=client.bucket, Key=key, Body=body)
    for turn in range(3):
        proxy.set(*standard(), seed=turn)
        process = client.start("down", list(BODIES))
        client.when(process, lambda: proxy.sent > len(LARGE) * 0.3)
        process.kill()
        process.communicate()
        for path in client.folder.iterdir():
            if not path.name.startswith("."):
                assert path.read_bytes() == BODIES[path.name], "what has its name is whole"
    proxy.set(*standard(), seed=9)
    process = client.start("down", list(BODIES))
    said, errors = process.communicate(timeout=60)
    assert (said.strip(), process.returncode) == ("done", 0), errors
    assert {p.name: p.read_bytes() for p in client.folder.iterdir() if not p.name.startswith(".")} == BODIES
    assert not any(p.name.endswith(".journal") for p in client.folder.iterdir())


def test_an_upload_that_is_killed_again_and_again_gets_there_on_a_bad_day(client: Client, proxy: Proxy) -> None:
    direct = client.server.boto3_client()
    for key, body in BODIES.items():
        (client.folder / key).write_bytes(body)
    for turn in range(2):
        proxy.set(*standard(), Rule("slow", method="PUT", rate=4 * MIB), seed=turn)
        process = client.start("resume", list(BODIES))
        client.when(process, lambda: sum("partNumber" in line for line in proxy.log) >= 2)
        process.kill()
        process.communicate()
    proxy.set(*standard(), seed=9)
    process = client.start("resume", list(BODIES))
    said, errors = process.communicate(timeout=60)
    assert (said.strip(), process.returncode) == ("done", 0), errors
    for key, body in BODIES.items():
        assert direct.get_object(Bucket=client.bucket, Key=key)["Body"].read() == body


@pytest.mark.parametrize(("verb", "times"), [("down", 1), ("up", 1), ("up", 2)])
def test_ctrl_c_leaves_no_half_file_and_no_half_upload(client: Client, proxy: Proxy, verb: str, times: int) -> None:
    direct = client.server.boto3_client()
    if verb == "down":
        direct.put_object(Bucket=client.bucket, Key="large", Body=LARGE)
    else:
        (client.folder / "large").write_bytes(LARGE)
    proxy.set(Rule("slow", rate=MIB / 2))
    process = client.start(verb, ["large"])
    client.when(process, lambda: proxy.sent > 0 or any("partNumber" in line for line in proxy.log))
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=20)
    assert "done" not in said
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert left_over(client.folder) == ([] if verb == "down" else ["large"])
    if times == 1:  # who asks twice does not wait for what is cleaned up
        assert "Uploads" not in direct.list_multipart_uploads(Bucket=client.bucket)


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    radosgw: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    direct = radosgw.boto3_client()
    direct.create_bucket(Bucket="comes-and-goes")
    bodies = {**SMALL, "large": LARGE}
    config = TransferConfig(fsync=False, split_threshold=6 * MIB, smallest_split=MIB, backoff_base=0.01)
    with in_front_of(radosgw.endpoint_url, Rule("slow", rate=2 * MIB)) as proxy:
        options = {**radosgw.options(), "endpoint_url": proxy.endpoint_url}
        with S3(tmp_path, bucket="comes-and-goes", config=config, **options) as s3:
            s3.put_many(bodies.items())
            gone = threading.Event()

            def restart() -> None:
                radosgw.process.kill_gateway()
                gone.set()
                radosgw.process.start_gateway()

            again = threading.Thread(target=restart)

            def keys() -> Iterator[str]:
                yield from list(bodies)[:10]
                again.start()
                gone.wait(30)
                yield from list(bodies)[10:]

            try:
                assert [o.blob for o in s3.iter_get(keys())] == list(bodies.values())
            finally:
                again.join(60)


def test_a_cell_that_is_interrupted_comes_back_and_the_next_one_works(tmp_path: Path) -> None:
    from jupyter_client.manager import start_new_kernel

    manager, kernel = start_new_kernel(kernel_name="python3", startup_timeout=60, cwd=str(tmp_path))
    outputs: queue.Queue[Any] = queue.Queue()

    def run(code: str, on_output: Callable[[dict[str, Any]], object] = lambda _: None) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def hook(message: dict[str, Any]) -> None:
            outputs.put(message)
            if message["msg_type"] in ("stream", "error", "execute_result"):
                found[message["msg_type"]] = message["content"]
            on_output(message)

        kernel.execute_interactive(code, timeout=60, output_hook=hook)
        return found

    try:
        run(
            "import threading\nfrom s3nb import S3\nfrom s3nb.testing import Fault, MemoryWire\n"
            "wire = MemoryWire({'box': {f'k{n}': b'x' for n in range(500)}})\n"
            "s3 = S3(s3root='s3://box', wire=wire)\n"
            "wire.faults.append(Fault(hold=threading.Event(), times=None))"
        )
        stopped = run(
            "print('go', flush=True)\ns3.download([f'k{n}' for n in range(500)], 'to')",
            lambda message: manager.interrupt_kernel() if message["content"].get("text", "").startswith("go") else None,
        )
        assert stopped["error"]["ename"] == "KeyboardInterrupt"
        after = run("wire.faults.clear()\ns3.get('k1').text")
        assert after["execute_result"]["data"]["text/plain"] == "'x'"
        assert left_over(tmp_path / "to") == []
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
