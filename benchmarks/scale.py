"""A hundred workers, by calculation and by simulation; the numbers that go in are measured on this machine.

``python -m benchmarks.scale [--objects 1000000] [--size 65536] [--prefixes 1] [--requests 64]``

Measured: seconds of CPU an object, and objects a second of one and of two worker processes, over the port with a network's delays
(30 ms to the first byte, lognormal). Simulated: workers that take chunks as `s3nb.spread` hands them out, each with so many requests in
flight, one core and a network card, against S3's limit of requests a second and prefix; one worker dies halfway.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

from benchmarks.peers import BUCKET
from benchmarks.server import FIRST_BYTE, SPREAD, Nginx

PER_PREFIX = 5500  # GETs a second and prefix (AWS, "Best practices design patterns: optimizing Amazon S3 performance")
CARD = 1.25e9  # bytes a second: 10 Gbit/s
CHUNK = 500  # keys, as `s3nb.spread`
GET_PRICE = 0.0004 / 1000  # dollars, us-east-1
CORE_HOUR = 0.04  # dollars

MEASURE = """
import json, resource, sys, time
from s3nb import S3, TransferConfig
def main():
    url, keys, workers, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    names = [f"o/{n:06d}" for n in range(keys)]
    config = TransferConfig(max_requests=requests, start_requests=requests)
    with S3("/tmp", bucket="bench", endpoint_url=url, progress=False, config=config) as s3:
        s3.info_many(names[: 8 * workers], processes=workers)
        began = time.perf_counter()
        s3.map(len_of, names, processes=workers)
        print(json.dumps(time.perf_counter() - began))
def len_of(found):
    return len(found.blob)
if __name__ == "__main__":
    main()
"""


def measured(url: str, keys: int, workers: int, requests: int, folder: str) -> tuple[float, float]:
    """Return objects a second, and seconds of CPU an object, of real worker processes."""
    script = os.path.join(folder, "measure.py")
    with open(script, "w") as file:
        file.write(MEASURE)
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, script, url, str(keys), str(workers), str(requests)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return keys / json.loads(done.stdout), spent / keys


def calculated(objects: int, size: int, workers: int, requests: int, prefixes: int, cpu: float) -> float:
    """Return the seconds that nothing but the narrowest of four limits allows."""
    mean = FIRST_BYTE * 2.718281828 ** (SPREAD**2 / 2)
    rate = min(workers * requests / mean, workers / cpu, workers * CARD / size, prefixes * PER_PREFIX)
    return objects / rate


def simulated(
    objects: int, size: int, workers: int, requests: int, prefixes: int, cpu: float, dies: bool = True
) -> tuple[float, int]:
    """Return the seconds until the last chunk is done, and the chunks that were run twice."""
    source = random.Random(1)
    chunk = max(1, min(CHUNK, -(-objects // (workers * 8))))
    waiting = [chunk] * (objects // chunk) + ([objects % chunk] if objects % chunk else [])
    waiting.reverse()
    free: list[tuple[float, int]] = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    gate = 0.0  # when S3 takes the next request
    again = 0
    end = 0.0
    dead = workers // 2 if dies and workers > 1 else -1
    half = calculated(objects, size, workers, requests, prefixes, cpu) / 2
    while waiting:
        now, worker = heapq.heappop(free)
        count = waiting.pop()
        # a chunk: its requests pass S3's gate, then overlap up to the number in flight; the core and the card may be narrower
        gate = max(gate, now) + count / (prefixes * PER_PREFIX)
        lanes = [0.0] * min(requests, count)
        for _ in range(count):
            heapq.heapreplace(lanes, lanes[0] + source.lognormvariate(0, SPREAD) * FIRST_BYTE)
        took = max(max(lanes), count * cpu, count * size / CARD)
        done = max(now + took, gate)
        if worker == dead and done > half:
            waiting.append(count)
            again += 1
            dead = -1
            continue
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    return end, again


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=64 * 1024, help="bytes of an object")
    parser.add_argument("--prefixes", type=int, default=1, help="that S3 has split the keys into")
    parser.add_argument("--requests", type=int, default=64, help="in flight, of a worker")
    parser.add_argument(
        "--keys", type=int, default=3000, help="objects of the measurement; 0: take 150 µs of CPU an object"
    )
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped then, too
    cpu = 150e-6
    if asked.keys:
        with Nginx(listed=10) as server:
            folder = server.root / BUCKET / "o"
            folder.mkdir(parents=True)
            for n in range(asked.keys):
                (folder / f"{n:06d}").write_bytes(bytes(asked.size))
            base, _ = 0.0, 0
            for workers in (1, 2):
                rate, spent = measured(server.slow_url, asked.keys, workers, asked.requests, str(server.root))
                base = base or rate
                print(f"measured: {workers} worker{'s' * (workers > 1)}: {rate:,.0f} objects/s ({rate / base:.2f}), "
                      f"{spent * 1e6:.0f} µs of CPU an object, starting included")  # fmt: skip
    print(f"\n{asked.objects:,} objects of {asked.size // 1024:,} KiB, {asked.requests} requests in flight a worker, "
          f"{asked.prefixes} prefix{'es' * (asked.prefixes > 1)}, {cpu * 1e6:.0f} µs of CPU an object")  # fmt: skip
    print(
        f"  {'workers':>7} {'calculated':>11} {'simulated':>11} {'objects/s':>10} {'twice':>6} {'requests $':>11} {'cores $':>8}"
    )
    for workers in (1, 2, 4, 10, 25, 50, 100):
        least = calculated(asked.objects, asked.size, workers, asked.requests, asked.prefixes, cpu)
        took, again = simulated(asked.objects, asked.size, workers, asked.requests, asked.prefixes, cpu)
        price = asked.objects * GET_PRICE
        print(f"  {workers:7} {least:9.0f} s {took:9.0f} s {asked.objects / took:10,.0f} {again:6} {price:11.2f} "
              f"{workers * took / 3600 * CORE_HOUR:8.3f}")  # fmt: skip


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"in {time.perf_counter() - began:.0f} s")
