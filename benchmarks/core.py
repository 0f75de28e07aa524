"""The core against its peers: many small objects, one large one, memory, import time.

``python -m benchmarks.core [--count 5000] [--rounds 3] [--large 1024] [--peers s3nb,boto3,...] [--tasks get,put,...]``

nginx on loopback serves a folder in memory. Every figure is the median of some rounds in which the peers take turns, each
in a process of its own; CPU is the client's alone. Ratios are to s3nb: above 1, s3nb is better. s3nb flushes files to the
disk, and sends a CRC32 and (over plain http) a signed hash of what it puts; "s3nb*" does not, as most peers do not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.peers import BUCKET, CANNOT, PEERS, TASKS, numbered
from benchmarks.server import Nginx

SIZE = 16 * 1024
TITLES = {
    "get": "{n:,} GETs of 16 KiB into memory",
    "files": "{n:,} GETs of 16 KiB into files",
    "head": "{n:,} HEADs",
    "put": "{n:,} PUTs of 16 KiB",
    "get1": "one GET of {m:,} MiB into a file",
    "put1": "one multipart PUT of {m:,} MiB from a file",
}


def measure(peer: str, task: str, setting: dict[str, Any]) -> dict[str, float] | str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", peer, task],
        input=json.dumps(setting), capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:70]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(task: str, peers: list[str], rounds: int, setting: dict[str, Any], large: int) -> None:
    count = len(setting["keys"])
    many = task not in ("get1", "put1")
    print(f"\n{TITLES[task].format(n=count, m=large)}")
    found: dict[str, list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    for turn in range(rounds):
        order = peers[turn % len(peers) :] + peers[: turn % len(peers)]
        for peer in order:
            if (peer, task) in CANNOT or peer in failed:
                continue
            folder = tempfile.mkdtemp(prefix="s3nb-bench-to-", dir=os.path.dirname(setting["large"]))
            took = measure(peer, task, {**setting, "folder": folder})
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(took, str):
                failed[peer] = took
            else:
                found.setdefault(peer, []).append(took)
    unit = "CPU/object" if many else "CPU"
    print(f"  {'':8} {'wall':>9} {'ratio':>6} {unit:>11} {'ratio':>6} {'memory':>9}")
    base: tuple[float, float] | None = None
    for peer in peers:
        if peer not in found:
            if peer in failed:
                print(f"  {peer:8} failed: {failed[peer]}")
            continue
        wall, spent, mib = (statistics.median(t[name] for t in found[peer]) for name in ("wall", "cpu", "mib"))
        base = base or (wall, spent)
        shown = f"{spent / count * 1e6:8.0f} µs" if many else f"{spent:9.2f} s"
        print(f"  {peer:8} {wall:7.2f} s {wall / base[0]:6.2f} {shown} {spent / base[1]:6.2f} {mib:5.0f} MiB")


MEMORY = """
import itertools, resource, sys
import boto3
from s3nb import S3
url, keys, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s3 = S3("/tmp", bucket="bench", endpoint_url=url, session=boto3.Session("a", "b", region_name="us-east-1"), progress=False)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
for _ in s3.iter_get(f"o/{n % keys:06d}" for n in range(2000)): pass
before = peak()
for _ in s3.iter_get(f"o/{n % keys:06d}" for n in range(count)): pass
print(f"{peak() - before:.0f}")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="small objects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large object")
    parser.add_argument("--memory", type=int, default=200_000, help="keys of the memory measurement; 0: none")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    asked = parser.parse_args()
    peers = asked.peers.split(",")
    with Nginx() as server:
        folder = server.root / BUCKET
        (folder / "o").mkdir(parents=True)
        keys = numbered(asked.count)
        for n, key in enumerate(keys):
            (folder / key).write_bytes(n.to_bytes(8, "big") * (SIZE // 8))
        block = os.urandom(1 << 20)
        with open(folder / "large", "wb") as file:
            for _ in range(asked.large):
                file.write(block)
        setting = {"url": server.endpoint_url, "keys": keys, "size": SIZE, "large": str(folder / "large")}
        print(
            f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {asked.rounds} rounds"
        )
        for task in asked.tasks.split(","):
            table(task, peers, asked.rounds, setting, asked.large)
        if asked.memory:
            done = subprocess.run(
                [sys.executable, "-c", MEMORY, server.endpoint_url, str(asked.count), str(asked.memory)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print(f"\niter_get over {asked.memory:,} keys, results dropped: grows by {done.stdout.strip()} MiB")
    times = []
    for _ in range(7):
        code = "import time; a = time.perf_counter(); import s3nb; print(time.perf_counter() - a)"
        times.append(
            float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        )
    print(f"import s3nb: {statistics.median(times) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
