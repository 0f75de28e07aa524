"""Clients on a bad day: what goes wrong is put between client and server; what arrives is judged, not what is said.

``python -m benchmarks.faults [--server moto,radosgw] [--peers s3nb,boto3,...] [--rows regex,...] [--seeds 1,2,3] [--patience 60]``

A proxy of this repository (tests/faults/proxy.py) stands before moto's server, or radosgw. Each cell is one client, with its
defaults, in a process of its own (benchmarks/bad_day_clients.py). ``ok``: right bytes, success said. ``failed``: an error, and
nothing wrong under the final name. ``WRONG``: wrong bytes, and success. ``bad file``: an error, and wrong bytes under the final
name. ``LOST``: nothing there, and success. ``false error``: the right bytes, and an error. The peers need the extra ``faults``, in
an environment of its own, as one of them wants an older botocore than the others: ``make faults``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.bad_day_clients import BUCKET, CLIENTS, MIB
from tests.faults.proxy import Proxy, Rule, standard, survivable

_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the disk is not what is measured
_SECONDS = 1.0  # after the first request, until a process is interrupted or killed


@dataclass
class Row:
    """One line of the table: what is asked, of which keys, and what goes wrong."""

    title: str
    verb: str
    keys: Sequence[str]
    rules: Callable[[], list[Rule]] = list
    during: str = ""  # "refuse 2", "interrupt", "kill": what happens while it runs
    seeds: bool = False  # once for every seed
    servers: tuple[str, ...] = ("moto", "radosgw")
    swap: bool = False  # the object is replaced by its mirror image: either is right


def one(*rules: Rule) -> Callable[[], list[Rule]]:
    return lambda: [Rule(**{k: v for k, v in vars(r).items() if k != "met"}) for r in rules]


@dataclass
class Bench:
    """A server, what is in it, and the proxy before it."""

    client: Any
    proxy: Proxy
    keys: tuple[str, str]
    bodies: dict[str, bytes] = field(default_factory=dict)

    def fill(self, bodies: dict[str, bytes]) -> None:
        from boto3.s3.transfer import TransferConfig

        self.bodies.update(bodies)
        for key, body in bodies.items():
            if key == "o/parts":
                config = TransferConfig(multipart_chunksize=8 * MIB, multipart_threshold=8 * MIB)
                self.client.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=config)
            else:
                self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def orphans(self) -> int:
        found = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        for upload in found:
            self.client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        return len(found)


def rows(bench: Bench) -> list[Row]:
    bodies = bench.bodies
    everything = [k for k in bodies if k != "o/parts" and k != "o/large"]
    small = [k for k in bodies if k.startswith("o/s")]
    sixty, large, parts = small[:60], ["o/large"], ["o/parts"]

    def swap() -> None:
        bench.client.put_object(Bucket=BUCKET, Key="o/large", Body=bodies["o/large"][::-1])

    return [
        Row("nothing, down", "down", everything),
        Row("nothing, up", "up", everything),
        Row("bad day, down", "down", everything, standard, seeds=True),
        Row("bad day, up", "up", everything, standard, seeds=True),
        Row("very bad day, down", "down", everything, survivable, seeds=True),
        Row("very bad day, up", "up", everything, survivable, seeds=True),
        Row("flip, small object", "down", small[:1], one(Rule("flip", method="GET", times=1))),
        Row("flip, later range, one PUT", "down", large, one(Rule("flip", later=True, times=1))),
        Row("flip, later range, in parts", "down", parts, one(Rule("flip", later=True, times=1))),
        Row("flip in every reply", "down", small[:1], one(Rule("flip", method="GET", at=-1))),
        Row("short body and length", "down", small[:1], one(Rule("short", method="GET", times=1))),
        Row("range answered with all", "down", large, one(Rule("whole", later=True, times=2)), servers=("moto",)),
        Row("replaced between ranges", "down", large, one(Rule("do", method="GET", times=1, skip=2, then=swap)), swap=True),
        Row("503 eight times", "down", small[:1], one(Rule("status", method="GET", times=8))),
        Row("500 eight times", "down", small[:1], one(Rule("status", method="GET", status=500, code="InternalError", times=8))),
        Row("reset eight times", "down", small[:1], one(Rule("reset", method="GET", times=8))),
        Row("broken body eight times", "down", large, one(Rule("cut", method="GET", times=8, at=0.3))),
        Row("silence in a body", "down", large, one(Rule("stall", method="GET", times=1))),
        Row("silence before a head", "down", large, one(Rule("stall", method="GET", times=1, at=-1))),
        Row("silence in an upload", "up", small[:1], one(Rule("stall_upload", method="PUT", key="/o/", times=1))),
        Row("one range at 100 B/s", "down", parts, one(Rule("drip", later=True, times=1, rate=100, at=0.1))),
        Row("refused for 2 s", "down", sixty, one(Rule("slow", method="GET", rate=2 * MIB)), "refuse 2"),
        Row("refused for 10 s", "down", sixty, one(Rule("slow", method="GET", rate=2 * MIB)), "refuse 10"),
        Row("30 requests a second", "down", everything[:-1], one(Rule("cap", rate=30))),
        Row("one of many always 500", "down", sixty, one(Rule("status", key="/o/s003", status=500, code="InternalError"))),
        Row("one of many refused", "down", sixty, one(Rule("status", key="/o/s003", status=403, code="AccessDenied"))),
        Row("listing is HTML", "list", [],
            one(Rule("status", key=r"\?.*(list-type|prefix|delimiter)=", status=200, page=b"<html><body>hi</body></html>"))),
        Row("flip in a PUT", "up", small[:1], one(Rule("flip_upload", method="PUT", times=1))),
        Row("flip in a part", "up", parts, one(Rule("flip_upload", method="PUT", times=1, key="partNumber"))),
        Row("Complete: 200 and an error", "up", parts,
            one(Rule("status", method="POST", key="uploadId", status=200, page=b"<Error><Code>InternalError</Code></Error>", times=2))),
        Row("Complete: 40 s of blanks", "up", parts, one(Rule("blanks", method="POST", key="uploadId", times=1, rate=40))),
        Row("Complete: reply lost", "up", parts, one(Rule("reset", method="POST", key="uploadId", forward=True, times=1))),
        Row("a part refused for good", "up", parts, one(Rule("status", key="partNumber=2", status=403, code="AccessDenied"))),
        Row("Ctrl-C, down", "down", parts, one(Rule("slow", rate=MIB / 2)), "interrupt"),
        Row("Ctrl-C, up", "up", parts, one(Rule("slow", rate=MIB / 2)), "interrupt"),
        Row("killed at half, down", "down", large, one(Rule("slow", rate=3 * MIB)), "kill"),
    ]  # fmt: skip


def judge(row: Row, status: int, said: str, folder: str, bench: Bench) -> str:
    """Say in a word what has become of the objects."""
    if row.verb == "list":
        return "failed" if status else ("ok" if json.loads(said or "[]") else "LOST")
    right = wrong = 0
    for key in row.keys:
        allowed = {bench.bodies[key], bench.bodies[key][::-1]} if row.swap else {bench.bodies[key]}
        path = Path(folder, key)
        got = bench.get(key) if row.verb == "up" else path.read_bytes() if path.exists() else None
        right += got in allowed
        wrong += got is not None and got not in allowed
    if len(row.keys) > 1:
        lost = len(row.keys) - right - wrong
        words = [
            f"{right} ok",
            f"{wrong} {'bad' if status else 'WRONG'}" if wrong else "",
            f"{lost} {'failed' if status else 'LOST'}" if lost else "",
            "false error" if status and right == len(row.keys) else "",
        ]
        return ", ".join(w for w in words if w)
    if wrong:
        return "bad file" if status else "WRONG"
    if right:
        return "ok" if not status else "false error"
    return "failed" if status else "LOST"


class Run:
    """One client at one row."""

    def __init__(self, row: Row, peer: str, bench: Bench, patience: float) -> None:
        self.row, self.peer, self.bench, self.patience = row, peer, bench, patience
        self.folder = tempfile.mkdtemp(prefix="s3nb-faults-", dir=_MEMORY)

    def prepare(self) -> None:
        row, bench = self.row, self.bench
        if row.swap:
            bench.fill({k: bench.bodies[k] for k in row.keys})
        if row.verb == "up":
            for key in row.keys:
                bench.client.delete_object(Bucket=BUCKET, Key=key)
                path = Path(self.folder, key)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(bench.bodies[key])

    def clean(self) -> None:
        row, bench = self.row, self.bench
        bench.proxy.set()
        shutil.rmtree(self.folder, ignore_errors=True)
        bench.orphans()
        if row.swap or row.verb == "up":
            bench.fill({k: bench.bodies[k] for k in row.keys})

    def start(self) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "benchmarks.bad_day_clients", self.peer, self.row.verb, self.bench.proxy.endpoint_url, self.folder,
            json.dumps(list(self.row.keys)),
        ]  # fmt: skip
        environment = dict(
            os.environ, AWS_ACCESS_KEY_ID=self.bench.keys[0], AWS_SECRET_ACCESS_KEY=self.bench.keys[1],
            AWS_DEFAULT_REGION="us-east-1", AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
        )  # fmt: skip
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def end(self, process: subprocess.Popen[str], patience: float) -> tuple[int, str]:
        """Wait for the client, and no longer than patience lasts."""
        try:
            said, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        if errors.strip():
            print(f"{self.row.title}, {self.peer}: {errors.strip()[:2000]}", file=sys.stderr)
        return process.returncode, said

    def after_first_request(self, seconds: float, process: subprocess.Popen[str]) -> None:
        while self.bench.proxy.requests == 0 and process.poll() is None:
            time.sleep(0.02)
        time.sleep(seconds)

    def plain(self) -> str:
        begin = time.monotonic()
        process = self.start()
        if self.row.during.startswith("refuse"):
            threading.Thread(target=self.refuse, args=(process, float(self.row.during.split()[1])), daemon=True).start()
        status, said = self.end(process, self.patience)
        found = judge(self.row, status, said, self.folder, self.bench)
        orphans = self.bench.orphans() if self.row.verb == "up" else 0
        proxy = self.bench.proxy
        if proxy.rules and not proxy.struck:
            return "not met"
        many = f", {proxy.requests} requests" if len(self.row.keys) > 1 else ""
        return f"{found}, {time.monotonic() - begin:.1f} s{many}{f', {orphans} orphans' if orphans else ''}"

    def refuse(self, process: subprocess.Popen[str], seconds: float) -> None:
        self.after_first_request(0.2, process)
        with self.bench.proxy.refusing():
            time.sleep(seconds)

    def interrupted(self) -> str:
        """Ctrl-C: how long until it ends, and what it leaves."""
        process = self.start()
        self.after_first_request(_SECONDS, process)
        begin = time.monotonic()
        if process.poll() is not None:
            return "ended before"
        os.killpg(process.pid, signal.SIGINT)
        self.end(process, self.patience)
        seconds = time.monotonic() - begin
        self.bench.proxy.set()
        time.sleep(3.0)
        orphans = self.bench.orphans()
        left = [p.name for p in Path(self.folder).rglob("*") if p.is_file()]
        if self.row.verb == "up":
            left = [name for name in left if name not in {k.rpartition("/")[2] for k in self.row.keys}]
        words = [f"{seconds:.1f} s", f"{len(left)} files left" if left else "", f"{orphans} orphans" if orphans else ""]
        return ", ".join(w for w in words if w)

    def killed(self) -> str:
        """SIGKILL at about half, then once more: how much the second time fetches."""
        process = self.start()
        size = len(self.bench.bodies[self.row.keys[0]])
        while self.bench.proxy.sent < size / 2 and process.poll() is None:
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        final = Path(self.folder, self.row.keys[0])
        bad = final.exists() and final.read_bytes() != self.bench.bodies[self.row.keys[0]]
        self.bench.proxy.set()
        status, said = self.end(self.start(), self.patience)
        found = judge(self.row, status, said, self.folder, self.bench)
        left = [p for p in Path(self.folder).rglob("*") if p.is_file() and p != final]
        share = f"{self.bench.proxy.sent / size:.0%} again"
        words = [found, share, "half a file meanwhile" if bad else "", f"{len(left)} files left" if left else ""]
        return ", ".join(w for w in words if w)

    def cell(self, seed: int) -> str:
        self.prepare()
        self.bench.proxy.set(*self.row.rules(), seed=seed)
        try:
            if self.row.during == "interrupt":
                return self.interrupted()
            if self.row.during == "kill":
                return self.killed()
            return self.plain()
        except subprocess.TimeoutExpired:
            return f"> {self.patience:.0f} s"
        finally:
            self.clean()


@contextlib.contextmanager
def server(name: str) -> Iterator[tuple[str, str, str]]:
    """Run a server; yields its address and keys."""
    if name == "moto":
        from s3nb.sandbox import Sandbox

        with Sandbox(populate=False) as sandbox:
            yield sandbox.endpoint_url, "AKIDEXAMPLE", "secret"
    else:
        from tests.radosgw import ACCESS_KEY, SECRET_KEY, Radosgw

        with Radosgw() as running:
            yield running.endpoint_url, ACCESS_KEY, SECRET_KEY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="moto,radosgw")
    parser.add_argument("--peers", default=",".join(CLIENTS))
    parser.add_argument("--rows", default="", help="only rows whose title one of these regular expressions finds")
    parser.add_argument("--seeds", default="1,2,3", help="of the bad days")
    parser.add_argument("--patience", type=float, default=60, help="seconds after which a client is killed")
    asked = parser.parse_args()
    peers = asked.peers.split(",")
    bodies = {f"o/s{n:03d}": os.urandom(256 * 1024) for n in range(200)}
    bodies |= {"o/huge": os.urandom(64 * MIB), "o/large": os.urandom(40 * MIB), "o/parts": os.urandom(40 * MIB)}
    for name in asked.server.split(","):
        with server(name) as (url, key, secret), Proxy(url) as proxy:
            # as boto3 uploads today: with a CRC32, but for the strict server, which does not understand it
            how = "when_supported" if name == "moto" else "when_required"
            config = Config(request_checksum_calculation=how, response_checksum_validation="when_required")
            session = boto3.Session(key, secret, region_name="us-east-1")
            bench = Bench(session.client("s3", endpoint_url=url, config=config), proxy, (key, secret))
            bench.client.create_bucket(Bucket=BUCKET)
            bench.fill(bodies)
            print(f"\n| {name} | {' | '.join(peers)} |\n| --- |{' --- |' * len(peers)}", flush=True)
            for row in rows(bench):
                if name not in row.servers or (
                    asked.rows and not any(re.search(w, row.title) for w in asked.rows.split(","))
                ):
                    continue
                for seed in [int(s) for s in asked.seeds.split(",")] if row.seeds else [7]:
                    cells = [Run(row, peer, bench, asked.patience).cell(seed) for peer in peers]
                    title = f"{row.title}, seed {seed}" if row.seeds else row.title
                    print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
