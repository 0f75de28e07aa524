"""The core against its peers: many small objects, one large one, memory, import time.

``python -m benchmarks.core [--count 5000] [--rounds 3] [--large 2048] [--peers s3nb,boto3,...] [--tasks get,put,...]``

nginx on loopback serves a folder in memory. Every figure is the median of some rounds in which the peers take turns, each
in a process of its own; CPU is the client's alone. Ratios are to s3nb: above 1, s3nb is better. s3nb flushes files to the
disk, and sends a CRC32 and (over plain http) a signed hash of what it puts; "s3nb*" does not, as most peers do not.

A peer whose turn took longer than 4 s gets no second one, and no round begins when those of its workload have taken 90 s: all
of it takes some twenty minutes. The last table has s3nb beside the best of the peers, and what was aimed at.
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

from benchmarks.peers import BUCKET, NO_PEERS, PEERS, SLOW, TASKS, can, numbered
from benchmarks.server import LISTED, Nginx, install

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
    "open30": "{h:,} MiB in reads of 64 KiB through a file, 30 ms to the first byte and 90 MB/s a connection",
    "first": "a fresh process: import, client, one GET",
}
AT_MOST = {  # of the best peer's wall and CPU
    "get": (0.75, 0.5),
    "files": (0.5, 0.5),
    "get30": (0.9, 0.75),
    "head": (0.75, 0.5),
    "put": (0.75, 0.5),
    "mixed": (1.0, None),
    "get1": (1.0, None),
    "put1": (1.0, None),
    "get1slow": (0.9, None),
    "list": (0.8, None),
    "list30": (1 / 8, None),
    "open30": (1 / 3, None),
    "first": (1.0, None),
}
LONG_TURN = 4.0  # seconds on the wall, after which a peer gets no second turn
LONG_ROW = 90.0  # seconds, after which no round of a workload begins
PATIENCE = 150  # seconds for a turn
WAYS = {
    "get30": (128, 256, 512)
}  # requests at once; each client is tried with all, and measured with what suits it best
HALF_GIB = ("get1slow", "open30")  # of the large object, at 90 MB/s a connection


def measure(peer: str, task: str, setting: dict[str, Any]) -> dict[str, float] | str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers", peer, task],
            input=json.dumps(setting), capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done in {PATIENCE} s"
    if done.returncode or not done.stdout.strip():
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:70]
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(peer: str, task: str, setting: dict[str, Any]) -> dict[str, float] | str:
    """Give a peer one turn, with a folder of its own."""
    folder = tempfile.mkdtemp(prefix="s3nb-bench-to-", dir=os.path.dirname(setting["large"]))
    try:
        return measure(peer, task, {**setting, "folder": folder})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table(task: str, peers: list[str], rounds: int, setting: dict[str, Any]) -> dict[str, Any]:
    """Measure a task in turns and print a table; returns all figures."""
    count = len(setting["keys"])
    many = task in MANY
    peers = [peer for peer in peers if can(peer, task)]
    found: dict[str, list[dict[str, float]]] = {}
    failed: dict[str, str] = {}
    ways: dict[str, int] = {}
    if task in WAYS:
        for peer in peers:
            tried = {n: measured(peer, task, {**setting, "ways": n}) for n in WAYS[task]}
            walls = {n: took["wall"] for n, took in tried.items() if not isinstance(took, str)}
            if walls:
                ways[peer] = min(walls, key=lambda n: walls[n])
    began = time.monotonic()
    for turn in range(rounds if peers else 0):
        if turn and time.monotonic() - began > LONG_ROW:
            break
        order = peers[turn % len(peers) :] + peers[: turn % len(peers)]
        for peer in order:
            if peer in failed or (peer in found and peer != "s3nb" and found[peer][0]["wall"] > LONG_TURN):
                continue
            took = measured(peer, task, {**setting, "ways": ways.get(peer, setting["ways"])})
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
            f"  {peer:9} {wall:7.2f} s {wall / base[0]:6.2f} {shown} {ratio} {mib:5.0f} MiB {requests:9,.0f}"
            f"{f'  ({ways[peer]} at once)' if peer in ways else ''}",
            flush=True,
        )
    return {"rounds": found, "failed": failed}


def reach(kept: dict[str, Any], titles: dict[str, str]) -> None:
    """Print s3nb beside the best of the peers: the one that was quickest, and the one that took least CPU."""
    print("\n| workload | s3nb | quickest peer | wall, of its | aimed at | CPU, of the least | aimed at |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for task, title in titles.items():
        rounds = kept[task]["rounds"]
        middle = {
            peer: tuple(statistics.median(t[name] for t in took) for name in ("wall", "cpu"))
            for peer, took in rounds.items()
        }
        peers = {peer: figures for peer, figures in middle.items() if peer not in NO_PEERS}
        if task == "first":  # whoever needs no botocore for credentials and endpoints is another kind
            peers = {peer: figures for peer, figures in peers.items() if peer == "boto3"}
        if "s3nb" not in middle or not peers:
            continue
        wall, spent = middle["s3nb"]
        quickest = min(peers, key=lambda peer: peers[peer][0])
        least = min(peers, key=lambda peer: peers[peer][1])
        at_most = [f"{limit:.2f}" if limit else "" for limit in AT_MOST[task]]
        cpu = f"{spent / peers[least][1]:.2f} ({least})" if peers[least][1] else ""
        print(
            f"| {title} | {wall:.2f} s | {quickest} {peers[quickest][0]:.2f} s | {wall / peers[quickest][0]:.2f} | {at_most[0]}"
            f" | {cpu} | {at_most[1]} |"
        )


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
    parser.add_argument(
        "--large", type=int, default=2048, help="MiB of the large object; half of it is put, a quarter read slowly"
    )
    parser.add_argument("--memory", type=int, default=200_000, help="keys of the memory measurement; 0: none")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped then, too
    peers, tasks = asked.peers.split(","), asked.tasks.split(",")
    for given, known, kind in ((peers, list(PEERS), "peer"), (tasks, list(TASKS), "task")):
        unknown = [name for name in given if name not in known]
        if unknown:
            parser.error(f"no such {kind}: {', '.join(map(repr, unknown))}; there are {', '.join(known)}")
    if "wrk" in peers and "get" in tasks and shutil.which("wrk") is None:
        why = install("wrk")
        if why:
            print(f"without wrk ({why})")
            peers.remove("wrk")
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
        titles: dict[str, str] = {}
        began = time.monotonic()
        for task in tasks:
            sizes = {"put1": asked.large // 2 or 1, **dict.fromkeys(HALF_GIB, min(asked.large, 512))}
            titles[task] = TITLES[task].format(
                n=asked.count, m=sizes.get(task, asked.large), h=sizes["open30"], listed=LISTED, k=asked.count // 10,
                l=asked.count // 250,
            )  # fmt: skip
            print(f"\n{titles[task]}")
            if task in sizes:
                fill(folder, "large", sizes[task], block)
            setting = {
                "url": server.slow_url if task in SLOW else server.endpoint_url, "status": server.status_url,
                "keys": mixed if task == "mixed" else keys, "small": keys[:50],
                "ways": 256 if task in SLOW else 32, "size": SIZE, "large": str(folder / "large"),
            }  # fmt: skip
            kept[task] = table(task, peers, asked.rounds, setting)
            if task in sizes:
                fill(folder, "large", asked.large, block)
        if asked.memory:
            done = subprocess.run(
                [sys.executable, "-c", MEMORY, server.endpoint_url, str(asked.count), str(asked.memory)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            print(f"\niter_get over {asked.memory:,} keys, results dropped: grows by {done.stdout.strip()} MiB")
        print(f"\nin {(time.monotonic() - began) / 60:.0f} minutes")
        reach(kept, titles)
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
