"""Clients before a server that takes only so many requests a second: what they get of it, and what they ask in vain.

``python -m benchmarks.throttled [--peers s3nb,boto3,...] [--most 30,300] [--seconds 10]``

The server (benchmarks.slow) answers after 30 ms, and with 503 what is above its limit in any second. For ``seconds`` times the limit
there are objects of 4 KiB; they are fetched, and put. Each client has its defaults, and a process of its own. ``goodput``: objects a
second from the first request to the last, as a share of the limit. Bytes are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bad_day_clients import BUCKET, CLIENTS
from benchmarks.slow import Slow

_PATIENCE = 300  # seconds


def cell(peer: str, verb: str, most: int, bodies: dict[str, bytes]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="s3nb-throttled-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        with Slow(most=most, tail=0.0) as slow:
            (slow.root / BUCKET).mkdir()
            for key, body in bodies.items():
                ((slow.root / BUCKET if verb == "down" else folder) / key).write_bytes(body)
            environment = dict(os.environ, AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="b", AWS_REGION="us-east-1",
                               AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")  # fmt: skip
            command = [
                sys.executable,
                "-m",
                "benchmarks.bad_day_clients",
                peer,
                verb,
                slow.endpoint_url,
                str(folder),
                json.dumps(list(bodies)),
            ]
            try:
                subprocess.run(command, env=environment, capture_output=True, timeout=_PATIENCE, check=False)
            except subprocess.TimeoutExpired:
                return f"> {_PATIENCE} s"
            requests, refused, seconds = slow.throttled()
            if verb == "down":
                right = sum((folder / k).exists() and (folder / k).read_bytes() == b for k, b in bodies.items())
            else:
                right = sum(slow.stored(f"{BUCKET}/{k}") == b for k, b in bodies.items())
            return (
                f"{right} of {len(bodies)} right, goodput {right / seconds / most:.0%}, "
                f"{requests / len(bodies):.2f} requests an object ({refused} refused)"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="s3nb")
    parser.add_argument("--most", default="30,300")
    parser.add_argument("--seconds", type=int, default=10)
    asked = parser.parse_args()
    unknown = set(asked.peers.split(",")) - set(CLIENTS)
    if unknown:
        parser.error(f"no such client: {', '.join(unknown)}")
    for most in map(int, asked.most.split(",")):
        bodies = {f"k{n:05}": os.urandom(4096) for n in range(most * asked.seconds)}
        for verb in ("down", "up"):
            for peer in asked.peers.split(","):
                print(f"{most} a second, {verb}, {peer}: {cell(peer, verb, most, bodies)}", flush=True)


if __name__ == "__main__":
    main()
