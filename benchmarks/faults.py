"""Clients on a bad day: one fault at a time between client and server, and a mixture; what arrives is judged, not what is said.

``python -m benchmarks.faults [--peers s3nb,boto3,obstore,s5cmd] [--rows word,...] [--patience 45]``

A proxy of this repository (tests/faults/proxy.py) stands before moto's server. Each cell is one client, with its defaults, in a
process of its own. ``ok``: right bytes, success said. ``failed``: an error, and no wrong bytes. ``WRONG``: wrong bytes and
success. ``bad file``: an error, and wrong bytes under the final name. ``LOST``: nothing there, and success.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from botocore.config import Config

from s3nb.sandbox import Sandbox
from tests.faults.proxy import Proxy, Rule, standard

MIB = 1 << 20
KEYS = ("AKIDEXAMPLE", "secret")
BUCKET = "faults"
_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # the disk is not what is measured
PEERS = ("s3nb", "boto3", "obstore", "s5cmd")

CLIENT = """
import json, os, sys
name, verb, url, folder, keys = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], json.loads(sys.argv[5])
bucket = "faults"
id, secret = "AKIDEXAMPLE", "secret"
failed = []
def each(function):
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(16) as pool:
        for key, future in [(k, pool.submit(function, k)) for k in keys]:
            if future.exception(): failed.append(f"{key}: {future.exception()}")
path = lambda k: os.path.join(folder, k.replace("/", "_"))
if name == "s3nb":
    import boto3
    from s3nb import S3, S3Error, BulkError
    with S3(folder, bucket=bucket, endpoint_url=url, session=boto3.Session(id, secret, region_name="us-east-1"), progress=False) as s3:
        try:
            if verb == "down":
                for found in s3.download(keys, folder + "/new"): os.replace(found.path, path(found.object_key))
            elif verb == "up": s3.put_files([(k, path(k)) for k in keys])
            else: print(json.dumps([o.key for o in s3.list_recursive()]))
        except BulkError as exc:
            for found in exc.ok:
                if verb == "down": os.replace(found.path, path(found.object_key))
            failed += [str(e) for e in exc.failed]
elif name == "boto3":
    import boto3
    s3 = boto3.Session(id, secret, region_name="us-east-1").client("s3", endpoint_url=url)
    if verb == "down": each(lambda k: s3.download_file(bucket, k, path(k)))
    elif verb == "up": each(lambda k: s3.upload_file(path(k), bucket, k))
    else: print(json.dumps([o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket) for o in p.get("Contents", [])]))
elif name == "obstore":
    from obstore.store import S3Store
    store = S3Store(bucket, access_key_id=id, secret_access_key=secret, region="us-east-1", endpoint=url,
                    virtual_hosted_style_request=False, client_options={"allow_http": True})
    def get(k):
        with open(path(k) + ".part", "wb") as file:
            for piece in store.get(k).stream(): file.write(piece)
        os.replace(path(k) + ".part", path(k))
    if verb == "down": each(get)
    elif verb == "up": each(lambda k: store.put(k, open(path(k), "rb")))
    else: print(json.dumps([o["path"] for page in store.list() for o in page]))
elif name == "s5cmd":
    import subprocess
    env = dict(os.environ, AWS_ACCESS_KEY_ID=id, AWS_SECRET_ACCESS_KEY=secret, AWS_REGION="us-east-1")
    tool = [os.path.join(os.path.dirname(sys.executable), "s5cmd"), "--endpoint-url", url, "--log", "error"]
    if verb == "list":
        done = subprocess.run([*tool, "ls", f"s3://{bucket}/*"], env=env, capture_output=True, text=True)
        print(json.dumps([line.split()[-1] for line in done.stdout.splitlines()]))
    else:
        lines = [f"cp s3://{bucket}/{k} {path(k)}" if verb == "down" else f"cp {path(k)} s3://{bucket}/{k}" for k in keys]
        done = subprocess.run([*tool, "run"], input="\\n".join(lines), env=env, capture_output=True, text=True)
    if done.returncode: failed.append(done.stderr[:500] or "failed")
if failed:
    print("\\n".join(failed), file=sys.stderr)
    sys.stderr.flush(); sys.stdout.flush(); os._exit(1)
sys.stdout.flush(); os._exit(0)
"""


class Row:
    """One line of the table: what is asked, of which keys, and what goes wrong."""

    def __init__(self, title: str, verb: str, keys: list[str], rules: Callable[[], list[Rule]]) -> None:
        self.title, self.verb, self.keys, self.rules = title, verb, keys, rules


def rows(client: Any, bodies: dict[str, bytes]) -> list[Row]:
    small = [k for k in bodies if k.startswith("o/s")]
    other = bodies["o/large"][::-1]

    def swap() -> None:
        client.put_object(Bucket=BUCKET, Key="o/large", Body=other)

    def one(*rules: Rule) -> Callable[[], list[Rule]]:
        return lambda: [Rule(**{k: v for k, v in vars(r).items() if k != "met"}) for r in rules]

    large, parts = ["o/large"], ["o/parts"]
    return [
        Row("nothing", "down", list(bodies), list),
        Row("standard, download", "down", list(bodies), standard),
        Row("standard, upload", "up", list(bodies), standard),
        Row("flip, small object", "down", small[:1], one(Rule("flip", method="GET", times=1))),
        Row("flip, later range, one PUT", "down", large, one(Rule("flip", later=True, times=1))),
        Row("flip, later range, in parts", "down", parts, one(Rule("flip", later=True, times=1))),
        Row("flip in every reply", "down", small[:1], one(Rule("flip", method="GET", at=-1))),
        Row("short body and length", "down", small[:1], one(Rule("short", method="GET", times=1))),
        Row("range answered with all", "down", large, one(Rule("whole", later=True, times=2))),
        Row("replaced between ranges", "down", large, one(Rule("do", method="GET", times=1, skip=2, then=swap))),
        Row("503 eight times", "down", small[:1], one(Rule("status", method="GET", times=8))),
        Row("broken body, eight times", "down", large, one(Rule("cut", method="GET", times=8, at=0.3))),
        Row("silence in a body", "down", large, one(Rule("stall", method="GET", times=1))),
        Row("one of many refused", "down", small, one(Rule("status", key="/o/s03", status=403, code="AccessDenied"))),
        Row(
            "listing is HTML",
            "list",
            [],
            one(Rule("status", key="list-type", status=200, page=b"<html><body>sign in</body></html>")),
        ),
        Row("flip in a PUT", "up", small[:1], one(Rule("flip_upload", method="PUT", times=1))),
        Row("flip in a part", "up", parts, one(Rule("flip_upload", method="PUT", times=1, key="partNumber"))),
        Row(
            "Complete: reply lost",
            "up",
            parts,
            one(Rule("reset", method="POST", key="uploadId", forward=True, times=1)),
        ),
    ]


def judge(
    row: Row, done: subprocess.CompletedProcess[str], folder: str, client: Any, allowed: dict[str, set[bytes]]
) -> str:
    if row.verb == "list":
        said = json.loads(done.stdout or "[]")
        return "failed" if done.returncode else ("ok" if said else "LOST")
    right = wrong = 0
    for key in row.keys:
        if row.verb == "down":
            path = os.path.join(folder, key.replace("/", "_"))
            got = open(path, "rb").read() if os.path.exists(path) else None  # noqa: SIM115
        else:
            try:
                got = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            except client.exceptions.NoSuchKey:
                got = None
        right += got in allowed[key]
        wrong += got is not None and got not in allowed[key]
    if len(row.keys) > 1:
        lost = len(row.keys) - right - wrong
        words = [
            f"{right} ok",
            f"{wrong} {'bad' if done.returncode else 'WRONG'}" if wrong else "",
            f"{lost} failed" if lost else "",
        ]
        return ", ".join(w for w in words if w)
    if wrong:
        return "bad file" if done.returncode else "WRONG"
    if right:
        return "ok" if not done.returncode else "false error"
    return "failed" if done.returncode else "LOST"


def cell(row: Row, peer: str, proxy: Proxy, client: Any, bodies: dict[str, bytes], patience: float) -> str:
    allowed = {k: {v} for k, v in bodies.items()}
    for key in row.keys:
        if row.verb == "down":
            if client.head_object(Bucket=BUCKET, Key=key)["ETag"] and row.title.startswith("replaced"):
                client.put_object(Bucket=BUCKET, Key=key, Body=bodies[key])
                allowed[key].add(bodies[key][::-1])
        else:
            client.delete_object(Bucket=BUCKET, Key=key)
    folder = tempfile.mkdtemp(prefix="s3nb-faults-", dir=_MEMORY)
    if row.verb == "up":
        for key in row.keys:
            with open(os.path.join(folder, key.replace("/", "_")), "wb") as file:
                file.write(bodies[key])
    proxy.set(*row.rules(), seed=7)
    begin = time.monotonic()
    try:
        command = [sys.executable, "-c", CLIENT, peer, row.verb, proxy.endpoint_url, folder, json.dumps(row.keys)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired:
        found = f"> {patience:.0f} s"
    else:
        found = f"{judge(row, done, folder, client, allowed)}, {time.monotonic() - begin:.1f} s"
    if proxy.rules and not proxy.struck:
        found = "not met"
    proxy.set()
    shutil.rmtree(folder, ignore_errors=True)
    restore(client, {k: bodies[k] for k in row.keys if row.title.startswith("replaced") or row.verb == "up"})
    return found


def restore(client: Any, bodies: dict[str, bytes]) -> None:
    from boto3.s3.transfer import TransferConfig

    for key, body in bodies.items():
        if key == "o/parts":
            config = TransferConfig(multipart_chunksize=8 * MIB, multipart_threshold=8 * MIB)
            client.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=config)
        else:
            client.put_object(Bucket=BUCKET, Key=key, Body=body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rows", default="", help="only rows whose title holds one of these words")
    parser.add_argument("--patience", type=float, default=45, help="seconds after which a client is killed")
    asked = parser.parse_args()
    peers = asked.peers.split(",")
    bodies = {f"o/s{n:02d}": os.urandom(256 * 1024) for n in range(60)}
    bodies["o/large"] = os.urandom(40 * MIB)
    bodies["o/parts"] = os.urandom(40 * MIB)
    with Sandbox(populate=False) as sandbox, Proxy(sandbox.endpoint_url) as proxy:
        plain = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        client = sandbox.session.client("s3", endpoint_url=sandbox.endpoint_url, config=plain)
        client.create_bucket(Bucket=BUCKET)
        restore(client, bodies)
        print(f"| fault | {' | '.join(peers)} |\n| --- |{' --- |' * len(peers)}", flush=True)
        for row in rows(client, bodies):
            if asked.rows and not any(word in row.title for word in asked.rows.split(",")):
                continue
            cells = [cell(row, peer, proxy, client, bodies, asked.patience) for peer in peers]
            print(f"| {row.title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
