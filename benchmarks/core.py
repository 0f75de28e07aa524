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
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import BUCKET, LIMITS, PEERS, SLOW, TASKS, can, numbered
from benchmarks.server import LISTED, Nginx

SIZE = 16 * 1024
MANY = ("get", "files", "get30", "head", "put")  # figures an object
TITLES = {
    "get": "{n:,} GETs of 16 KiB into memory",
    "files": "{n:,} GETs of 16 KiB into files",
    "get30": "{n:,} GETs of 16 KiB into memory, 30 ms to the first byte",
    "head": "{n:,} HEADs",
    "put": "{n:,} PUTs of 16 KiB",
    "mixed": "{k:,} GETs of 1 MiB and {l:,} of 16 MiB into files",
    "get1": "one GET of {m:,} MiB into a file",
    "put1": "one multipart PUT of {m:,} MiB from a file",
    "get1slow": "one GET of {h:,} MiB into a file, 30 ms to the first byte and 90 MB/s a connection",
    "list": "{listed:,} keys listed",
    "list30": "{listed:,} keys listed, 30 ms to the first byte",
    "first": "a fresh process: import, client, one GET",
}


def measure(peer: str, task: str, setting: dict[str, Any]) -> dict[str, float] | str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers", peer, task],
            input=json.dumps(setting), capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "not done in 300 s"
    if done.returncode or not done.stdout.strip():
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:70]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(task: str, peers: list[str], rounds: int, setting: dict[str, Any]) -> dict[str, Any]:
    """Measure a task in turns and print a table; returns all figures."""
    count = len(setting["keys"])
    many = task in MANY
    peers = [peer for peer in peers if can(peer, task)]
    found: dict[str, list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    for turn in range(rounds):
        order = peers[turn % len(peers) :] + peers[: turn % len(peers)]
        for peer in order:
            if peer in failed:
                continue
            folder = tempfile.mkdtemp(prefix="s3nb-bench-to-", dir=os.path.dirname(setting["large"]))
            took = measure(peer, task, {**setting, "folder": folder})
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(took, str):
                failed[peer] = took
            else:
                found.setdefault(peer, []).append(took)
    unit = "CPU/object" if many else "CPU"
    print(f"  {'':9} {'wall':>9} {'ratio':>6} {unit:>11} {'ratio':>6} {'memory':>9} {'requests':>9}")
    base: tuple[float, float] | None = None
    for peer in peers:
        if peer not in found:
            print(f"  {peer:9} failed: {failed[peer]}")
            continue
        wall, spent, mib, requests = (
            statistics.median(t[name] for t in found[peer]) for name in ("wall", "cpu", "mib", "requests")
        )
        base = base or (wall, spent)
        shown = f"{spent / count * 1e6:8.0f} µs" if many else f"{spent:9.2f} s"
        ratio = f"{spent / base[1]:6.2f}" if spent else "     -"
        print(
            f"  {peer:9} {wall:7.2f} s {wall / base[0]:6.2f} {shown} {ratio} {mib:5.0f} MiB {requests:9,.0f}",
            flush=True,
        )
    return {"rounds": found, "failed": failed}


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


def fill(folder: Path, path: str, mib: int, block: bytes) -> None:
    with open(folder / path, "wb") as file:
        for _ in range(mib):
            file.write(block)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000, help="small objects")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large object")
    parser.add_argument("--memory", type=int, default=200_000, help="keys of the memory measurement; 0: none")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped then, too
    peers = [peer for peer in asked.peers.split(",") if peer not in LIMITS or shutil.which(peer) or peer == "curl"]
    tasks = asked.tasks.split(",")
    kept: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "asked": vars(asked),
    }
    with Nginx() as server:
        folder = server.root / BUCKET
        (folder / "o").mkdir(parents=True)
        keys = numbered(asked.count)
        for n, key in enumerate(keys):
            (folder / key).write_bytes(n.to_bytes(8, "big") * (SIZE // 8))
        block = os.urandom(1 << 20)
        fill(folder, "large", asked.large, block)
        mixed = []
        if "mixed" in tasks:
            mixed = [f"m1-{n}" for n in range(asked.count // 10)] + [f"m16-{n}" for n in range(asked.count // 250)]
            for key in mixed:
                fill(folder, key, 1 if key.startswith("m1-") else 16, block)
        print(
            f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {asked.rounds} rounds"
        )
        for task in tasks:
            print("\n" + TITLES[task].format(
                n=asked.count, m=asked.large, h=min(asked.large, 512), listed=LISTED, k=asked.count // 10, l=asked.count // 250
            ))  # fmt: skip
            if task == "get1slow" and asked.large > 512:
                fill(folder, "large", 512, block)
            setting = {
                "url": server.slow_url if task in SLOW else server.endpoint_url, "status": server.status_url,
                "keys": mixed if task == "mixed" else keys, "small": keys[:50],
                "ways": 256 if task in SLOW else 32, "size": SIZE, "large": str(folder / "large"),
            }  # fmt: skip
            kept[task] = table(task, peers, asked.rounds, setting)
            if task == "get1slow" and asked.large > 512:
                fill(folder, "large", asked.large, block)
        if asked.memory:
            done = subprocess.run(
                [sys.executable, "-c", MEMORY, server.endpoint_url, str(asked.count), str(asked.memory)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print(f"\niter_get over {asked.memory:,} keys, results dropped: grows by {done.stdout.strip()} MiB")
    times = []
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(8):
        code = "import time; a = time.perf_counter(); import s3nb; print(time.perf_counter() - a)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=compiled
        )  # fmt: skip
        times.append(float(done.stdout))
    del times[0]  # it may have compiled
    print(f"import s3nb: {statistics.median(times) * 1000:.0f} ms")
    kept["import"] = times
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    path = results / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(kept))
    print(f"all figures: {path}")


if __name__ == "__main__":
    main()
