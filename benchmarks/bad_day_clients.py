"""One client, in a process of its own: ``python -m benchmarks.bad_day_clients NAME VERB URL FOLDER KEYS``.

Every client with its defaults, but for parts of 8 MiB where its own are so large that the objects here would have one.
Exit status 1 if the client says that something failed; what it says goes to stderr.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

BUCKET = "faults"
MIB = 1 << 20


class Job:
    """What is asked: which keys, from where, to where."""

    def __init__(self, verb: str, url: str, folder: str, keys: Sequence[str]) -> None:
        self.verb, self.url, self.folder, self.keys = verb, url, folder, keys
        self.id, self.secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        self.failed: list[str] = []

    def path(self, key: str) -> str:
        path = os.path.join(self.folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def each(self, function: Callable[[str], object]) -> None:
        """Call a function for every key, 16 at once, as people do who have a client for one object."""
        with ThreadPoolExecutor(16) as pool:
            for key, future in [(k, pool.submit(function, k)) for k in self.keys]:
                if future.exception():
                    self.failed.append(f"{key}: {future.exception()}")

    def run(self, *command: str, **more: object) -> str:
        """Run a program; what it says if it fails is noted."""
        tool = os.path.join(os.path.dirname(sys.executable), command[0])
        done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
        if done.returncode:
            self.failed.append(done.stderr[-500:] or f"exit status {done.returncode}")
        return str(done.stdout)

    def listed(self, keys: Sequence[str]) -> None:
        print(json.dumps(list(keys)))


def s3nb(job: Job) -> None:
    from s3nb import S3, BulkError

    with S3(job.folder, bucket=BUCKET, endpoint_url=job.url, progress=False) as s3:
        try:
            if job.verb == "down":
                s3.download(job.keys, job.folder)
            elif job.verb == "up":
                s3.put_files([(k, job.path(k)) for k in job.keys])
            else:
                job.listed([o.key for o in s3.list_recursive()])
        except BulkError as exc:
            job.failed += [str(e) for e in exc.failed]


def boto3(job: Job) -> None:
    import boto3

    s3 = boto3.client("s3", endpoint_url=job.url)
    if job.verb == "down":
        job.each(lambda k: s3.download_file(BUCKET, k, job.path(k)))
    elif job.verb == "up":
        job.each(lambda k: s3.upload_file(job.path(k), BUCKET, k))
    else:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        job.listed([o["Key"] for page in pages for o in page.get("Contents", [])])


def crt(job: Job) -> None:
    import botocore.session
    from s3transfer.crt import (
        BotocoreCRTCredentialsWrapper,
        BotocoreCRTRequestSerializer,
        CRTTransferManager,
        create_s3_crt_client,
    )  # fmt: skip

    if job.verb == "list":
        boto3(job)
        return
    session = botocore.session.get_session()
    keys = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    client = create_s3_crt_client(
        "us-east-1", crt_credentials_provider=keys, use_ssl=False
    )  # boto3 itself insists on TLS
    serializer = BotocoreCRTRequestSerializer(session, {"region_name": "us-east-1", "endpoint_url": job.url})
    with CRTTransferManager(client, serializer) as manager:
        start = {
            "down": lambda k: manager.download(BUCKET, k, job.path(k)),
            "up": lambda k: manager.upload(job.path(k), BUCKET, k),
        }[job.verb]
        for key, future in [(k, start(k)) for k in job.keys]:
            try:
                future.result()
            except Exception as exc:
                job.failed.append(f"{key}: {exc}")


def obstore(job: Job) -> None:
    from obstore.store import S3Store

    store = S3Store(
        BUCKET, access_key_id=job.id, secret_access_key=job.secret, region="us-east-1", endpoint=job.url,
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip

    def get(key: str) -> None:
        with open(job.path(key) + ".part", "wb") as file:
            for piece in store.get(key).stream():
                file.write(piece)
        os.replace(job.path(key) + ".part", job.path(key))

    def put(key: str) -> None:
        with open(job.path(key), "rb") as file:
            store.put(key, file)

    if job.verb == "list":
        job.listed([o["path"] for page in store.list() for o in page])
    else:
        job.each(get if job.verb == "down" else put)


def s5cmd(job: Job) -> None:
    flags = ["--endpoint-url", job.url, "--log", "error"]
    if job.verb == "list":
        job.listed([line.split()[-1] for line in job.run("s5cmd", *flags, "ls", f"s3://{BUCKET}/*").splitlines()])
        return
    copy = "cp --part-size 8 --concurrency 8"
    lines = [
        f"{copy} s3://{BUCKET}/{k} {job.path(k)}" if job.verb == "down" else f"{copy} {job.path(k)} s3://{BUCKET}/{k}"
        for k in job.keys
    ]
    job.run("s5cmd", *flags, "run", input="\n".join(lines))


def rclone(job: Job) -> None:
    environment = dict(
        os.environ, RCLONE_S3_PROVIDER="Other", RCLONE_S3_ENDPOINT=job.url, RCLONE_S3_ENV_AUTH="true",
        RCLONE_S3_REGION="us-east-1", RCLONE_CONFIG="/dev/null",
    )  # fmt: skip
    remote = f":s3:{BUCKET}"
    if job.verb == "list":
        job.listed(job.run("rclone", "lsf", "-R", "--files-only", remote, env=environment).splitlines())
        return
    sides = (remote, job.folder) if job.verb == "down" else (job.folder, remote)
    job.run(
        "rclone", "copy", *sides, "--files-from", "-", "--no-traverse", "--s3-upload-cutoff", "8M", "--s3-chunk-size", "8M",
        "--multi-thread-cutoff", "8M", "--multi-thread-chunk-size", "8M", env=environment, input="\n".join(job.keys),
    )  # fmt: skip


def s3fs(job: Job) -> None:
    import s3fs

    fs = s3fs.S3FileSystem(key=job.id, secret=job.secret, client_kwargs={"endpoint_url": job.url})
    there, here = [f"{BUCKET}/{k}" for k in job.keys], [job.path(k) for k in job.keys]
    if job.verb == "list":
        job.listed([path.partition("/")[2] for path in fs.find(BUCKET)])
    elif job.verb == "down":
        fs.get(there, here)
    else:
        fs.put(here, there, chunksize=8 * MIB)


def metaflow(job: Job) -> None:
    os.environ.update(METAFLOW_S3_ENDPOINT_URL=job.url, METAFLOW_USER="bench", METAFLOW_HOME="/nonexistent")
    from metaflow import S3

    with S3(tmproot=job.folder, s3root=f"s3://{BUCKET}") as s3:
        if job.verb == "down":
            for found in s3.get_many(job.keys):
                os.replace(found.path, job.path(found.key))
        elif job.verb == "up":
            s3.put_files([(k, job.path(k)) for k in job.keys])
        else:
            job.listed([o.key for o in s3.list_recursive()])


CLIENTS = {f.__name__: f for f in (s3nb, boto3, crt, s5cmd, rclone, s3fs, obstore, metaflow)}


def main() -> None:
    name, verb, url, folder = sys.argv[1:5]
    job = Job(verb, url, folder, json.loads(sys.argv[5]))
    try:
        CLIENTS[name](job)
    except Exception as exc:
        job.failed.append(f"{type(exc).__name__}: {exc}")
    print("\n".join(job.failed), file=sys.stderr)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(1 if job.failed else 0)  # some clients do not end by themselves


if __name__ == "__main__":
    main()
