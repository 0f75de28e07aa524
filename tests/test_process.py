"""Around the client: forks, the end of the interpreter, mocks, credentials, regions, servers under Nagle."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, ClientClosed, CredentialsError, TransferConfig, farewell
from s3nb.jobs import Job
from s3nb.testing import MemoryWire
from s3nb.wire.boto import BotoWire

from .conftest import Server
from .elsewhere import text_of

HEAD = """
import os, sys
from s3nb import S3
import boto3
session = boto3.Session("tests", "no-secret", region_name="us-east-1")
url, bucket = sys.argv[1:3]
s3 = S3(bucket=bucket, endpoint_url=url, session=session)
s3.put("k", "body")
"""


def python(code: str, server: Server, bucket: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HEAD + code, server.endpoint_url, bucket],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


# -- forks and ends -------------------------------------------------------------------------------


def _child(s3: S3, out: Any) -> None:
    out.send([o.text for o in s3.get_many(["k"] * 20)])
    out.close()


def test_a_client_works_on_both_sides_of_a_fork(moto_server: Server, moto_bucket: str, tmp_path: Path) -> None:
    with S3(tmp_path, bucket=moto_bucket, **moto_server.options()) as s3:
        s3.put("k", "body")
        context = multiprocessing.get_context("fork")
        for _ in range(2):
            here, there = context.Pipe()
            process = context.Process(target=_child, args=(s3, there))
            process.start()
            assert here.recv() == ["body"] * 20
            process.join(20)
            assert process.exitcode == 0
            assert s3.get("k").text == "body"


def test_a_client_pickles_into_other_processes(
    moto_server: Server, moto_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")
    with (
        S3(tmp_path, bucket=moto_bucket, endpoint_url=moto_server.endpoint_url, region="us-east-1") as s3,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        s3.put("k", "body")
        assert pool.submit(text_of, s3, "k").result(60) == "body"


@pytest.mark.parametrize(
    "code",
    [
        "print(s3.get('k').text)",  # never closed
        "jobs = [s3.submit_get('k') for _ in range(50)]; print('body')",  # work under way
        "it = s3.iter_get(['k'] * 1000); next(it); print('body')",
        "import atexit; atexit.register(lambda: print(s3.get('k').text))",
        "import threading; threading.Thread(target=lambda: print(s3.get('k').text)).start()",
        # a frame that is not cleared holds the client, as a notebook's kernel does
        "import threading; s3.get('k').path; threading.Thread(target=lambda _: threading.Event().wait(), args=(s3,), daemon=True).start();"
        "print('body')",
    ],
)
def test_the_interpreter_ends_quietly_whatever_was_left_open(
    moto_server: Server, moto_bucket: str, tmp_path: Path, code: str
) -> None:
    done = python(code, moto_server, moto_bucket, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "body"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_comes_back_at_once_and_leaves_nothing(moto_server: Server, moto_bucket: str, tmp_path: Path) -> None:
    code = """
import threading, time, signal
s3.put("large", bytes(40 << 20))
def keys():
    while True:
        yield "large"
started = threading.Event()
class Stop:
    def __call__(self, snapshot):
        if snapshot.bytes_done and not started.is_set():
            started.set()
            os.kill(os.getpid(), signal.SIGINT)
s4 = S3(bucket=bucket, endpoint_url=url, session=session, progress=Stop())
try:
    s4.download(("large" for _ in range(1)), "to")
    for _ in s4.iter_get(keys()):
        pass
except KeyboardInterrupt:
    begin = time.monotonic()
    left = [p for folder, _, names in os.walk("to") for p in names if p != "large"]
    s4.close(); s3.close()
    print("stopped", left)
"""
    done = python(code, moto_server, moto_bucket, tmp_path)
    assert done.stdout.strip() == "stopped []", done.stderr
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("s3nb.")] == []


def test_a_client_may_be_dropped_anywhere_also_inside_its_own_locks(tmp_path: Path) -> None:
    """A finaliser runs on the thread that happens to drop the last reference, or on which the collector looks."""
    over = threading.Event()

    def drop() -> None:
        s3 = S3(tmp_path, s3root="s3://box", wire=MemoryWire({"box": {"k": b"x" * 10}}))
        assert s3.get("k").path is not None
        core, store = s3._core, s3._store
        engine = core.engine
        with engine._lock, core._lock, store._lock, engine.clock._changed:
            del s3
        over.set()

    thread = threading.Thread(target=drop, daemon=True)
    thread.start()
    assert over.wait(20), "it waits for itself"
    assert farewell.settled()
    assert list(tmp_path.iterdir()) == []


def test_what_a_forked_child_closes_or_drops_stays_with_the_parent(tmp_path: Path) -> None:
    with S3(tmp_path, s3root="s3://box", wire=MemoryWire({"box": {"k": b"x", "large": bytes(2 << 20)}})) as s3:
        small, large = s3.get("k"), s3.get("large")
        paths = [small.path, large.path]
        for how in ("close", "drop"):
            with (
                s3._core.engine._lock,
                s3._core._lock,
                s3._store._lock,
            ):  # held by other threads, as far as the child can tell
                child = os.fork()
            if child == 0:
                status = 1
                try:
                    if how == "close":
                        s3.close()
                    else:
                        large.release()
                        del s3
                        gc.collect()
                        farewell.settled()
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
            assert all(path is not None and os.path.exists(path) for path in paths), how
        assert large.blob == bytes(2 << 20)


def test_an_operation_does_not_go_on_in_a_forked_child(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {f"k{n}": b"x" for n in range(3000)}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        found = s3.iter_get(f"k{n}" for n in range(3000))
        next(found)
        job = Job(lambda: threading.Event().wait(20))
        handle = s3.submit_get("k1")
        window = found.gi_yieldfrom.gi_frame.f_locals["window"]  # type: ignore[attr-defined]
        while window._running:  # there is room for more, which takes the lock
            threading.Event().wait(0.001)
        locks = (s3._core.engine._lock, job._watch._lock, window._lock)
        for lock in locks:
            lock.acquire()
        child = os.fork()
        if child:
            for lock in locks:
                lock.release()
        else:  # nobody will release them here
            status = 1
            try:
                handle.cancel()
                job.cancel()
                assert job.wait(5)
                assert "forked" in str(job.exception())
                with pytest.raises(ClientClosed, match="forked"):
                    list(found)
                found.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert sum(1 for _ in found) == 2999
        job.cancel()


def test_dropped_clients_leave_no_threads_and_no_descriptors(
    moto_server: Server, moto_bucket: str, tmp_path: Path
) -> None:
    # in a process of its own: clients that other tests share have threads too
    code = """
import gc, threading
from s3nb import farewell
s3.close()
def once():
    S3(bucket=bucket, endpoint_url=url, session=session).put("k", "body")
    gc.collect()
    assert farewell.settled()
once()
assert [t.name for t in threading.enumerate() if t.name.startswith("s3nb-")] == ["s3nb-farewell"]
before = len(os.listdir("/proc/self/fd"))
for _ in range(5):
    once()
assert len(os.listdir("/proc/self/fd")) <= before
"""
    done = python(code, moto_server, moto_bucket, tmp_path)
    assert done.returncode == 0, done.stderr


# -- engines ------------------------------------------------------------------------------------------


def test_under_a_mock_of_aws_the_automatic_engine_is_one_that_it_intercepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto import mock_aws

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="mocked-bucket")
        with S3(tmp_path, bucket="mocked-bucket") as s3:
            s3.put("k", "body", metadata={"a": 1})
            assert isinstance(s3._core.engine.wire, BotoWire)
            assert (s3.get("k").text, s3.info("k").metadata) == ("body", {"a": 1})
            assert [o.key for o in s3.list_recursive()] == ["k"]


def test_an_engine_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="engine must be one of auto, curl, boto3"):
        S3(tmp_path, engine="fast")


@pytest.mark.parametrize("engine", ["curl", "boto3"])
def test_both_engines_do_the_same(server: Server, bucket: str, tmp_path: Path, engine: str) -> None:
    with S3(tmp_path, bucket=bucket, engine=engine, **server.options()) as s3:
        s3.put_many([(f"k{n}", b"%d" % n) for n in range(30)])
        assert [o.blob for o in s3.get_many([f"k{n}" for n in range(30)])] == [b"%d" % n for n in range(30)]
        body = os.urandom(20 << 20)
        s3.put("large", body)
        assert s3.get("large").blob == body
        assert len(s3.delete_recursive([None])) == 31
        assert s3.list_recursive() == []


# -- credentials ----------------------------------------------------------------------------------------


def test_keys_come_from_a_profile(radosgw: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = radosgw.boto3_client()
    client.create_bucket(Bucket="by-profile")
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = {radosgw.access_key}\naws_secret_access_key = {radosgw.secret_key}\n"
    )
    (tmp_path / "config").write_text(f"[profile work]\nregion = us-east-1\nendpoint_url = {radosgw.endpoint_url}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with S3(tmp_path, bucket="by-profile", profile="work") as s3:
        s3.put("k", "body")
        assert s3.get("k").text == "body"


def test_keys_that_were_replaced_are_read_again_when_the_old_ones_are_refused(
    radosgw: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process hands out keys that expire: botocore renews them before their time, and so a client lives on."""
    client = radosgw.boto3_client()
    client.create_bucket(Bucket="by-process")
    script = tmp_path / "keys.py"
    script.write_text(
        "import json, datetime, pathlib\n"
        "counter = pathlib.Path(__file__).with_suffix('.count')\n"
        "counter.write_text(str(int(counter.read_text() or 0) + 1) if counter.exists() else '1')\n"
        "later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)\n"
        f"print(json.dumps(dict(Version=1, AccessKeyId={radosgw.access_key!r}, SecretAccessKey={radosgw.secret_key!r},"
        " Expiration=later.isoformat())))\n"
    )
    (tmp_path / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with S3(tmp_path, bucket="by-process", endpoint_url=radosgw.endpoint_url) as s3:
        s3.put("k", "body")
        seen = s3._core.account.credentials()
        assert seen is not None
        s3._core.account.refresh(seen)
        assert s3.get("k").text == "body"
    assert int((tmp_path / "keys.count").read_text()) >= 2


def test_a_role_can_be_assumed(
    moto_server: Server, moto_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)  # moto speaks STS as well
    with S3(tmp_path, bucket=moto_bucket, region="us-east-1", role="arn:aws:iam::123456789012:role/reader") as s3:
        s3.put("k", "body")
        assert s3.get("k").text == "body"
        keys = s3._core.account.credentials()
        assert keys is not None
        assert keys.access_key != "tests"
        assert keys.token


def test_no_secret_is_in_any_text(moto_server: Server, moto_bucket: str, tmp_path: Path) -> None:
    import boto3

    session = boto3.Session("AKIDEXAMPLE", "the-secret-itself", "the-token-itself", region_name="us-east-1")
    with S3(tmp_path, bucket=moto_bucket, endpoint_url=moto_server.endpoint_url, session=session) as s3:
        s3.put("k", "body")
        texts = [
            repr(s3),
            repr(s3._core),
            repr(s3._core.account),
            repr(s3._core.account.credentials()),
            repr(s3.info("k")),
        ]
        with pytest.raises(FileNotFoundError) as caught:
            s3.get("none")
        texts += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    for text in texts:
        assert "the-secret-itself" not in text
        assert "the-token-itself" not in text


# -- servers ----------------------------------------------------------------------------------------------


class _Regions(BaseHTTPRequestHandler):
    """An S3 that holds its bucket in eu-west-3 and says so to those who sign for another region."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []  # noqa: RUF012  # what a test looks at

    def do_GET(self) -> None:
        region = self.headers["Authorization"].split("/")[2]
        self.asked.append(region)
        body = b"here" if region == "eu-west-3" else b"<Error><Code>AuthorizationHeaderMalformed</Code></Error>"
        self.send_response(200 if region == "eu-west-3" else 400)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-bucket-region", "eu-west-3")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def regions() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Regions)
    server.daemon_threads = True
    server.block_on_close = False
    _Regions.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize("engine", ["curl", "boto3"])
def test_a_bucket_elsewhere_is_followed_once_and_remembered(regions: str, tmp_path: Path, engine: str) -> None:
    import boto3

    session = boto3.Session("tests", "no-secret", region_name="us-east-1")
    with S3(tmp_path, bucket="far-away", endpoint_url=regions, session=session, engine=engine) as s3:
        assert s3.get("k").text == "here"
        assert s3.get("k").text == "here"
    assert _Regions.asked == ["us-east-1", "eu-west-3", "eu-west-3"]


def test_a_wrong_endpoint_fails_within_seconds(tmp_path: Path) -> None:
    from s3nb import ConnectionFailed

    config = TransferConfig(patience=0.2)
    with (
        S3(tmp_path, bucket="any-bucket", endpoint_url="http://127.0.0.1:9", anonymous=True, config=config) as s3,
        pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1"),
    ):
        s3.get("k")


# -- the sandbox ---------------------------------------------------------------------------------------------


def test_the_sandbox_holds_what_it_says_and_the_same_each_time(tmp_path: Path) -> None:
    # moto keeps one store per process, which the session's server uses too: so in a process of its own
    code = (
        "import json\nfrom s3nb import S3, Sandbox\n"
        "with Sandbox() as sb, S3(bucket=sb.bucket, **sb.client_options) as s3:\n"
        "    first = {o.object_key: (o.size, o.etag) for o in s3.list_recursive()}\n"
        "    kinds = {s3.info(k).content_type for k in ('readme.txt', 'tables/weather.parquet', 'images/tile-00.png')}\n"
        "    versions = len(list(S3(bucket=sb.versioned_bucket, **sb.client_options).iter_list(versions=True)))\n"
        "with Sandbox() as sb, S3(bucket=sb.bucket, **sb.client_options) as s3:\n"
        "    second = {o.object_key: (o.size, o.etag) for o in s3.list_recursive()}\n"
        "print(json.dumps([len(first), first == second, sorted(kinds), versions]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]
    )
    count, same, kinds, versions = json.loads(done.stdout or "null") or pytest.fail(done.stderr)
    assert count >= 300
    assert same
    assert kinds == ["application/vnd.apache.parquet", "image/png", "text/plain"]
    assert versions >= 4


def test_the_demo_runs_and_says_how_to_go_on(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "s3nb.demo"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "1 object of 101 failed" in done.stdout
    assert done.stdout.rstrip().endswith("make lab")
    assert list(tmp_path.iterdir()) == []


def test_signal_handlers_are_left_alone(moto_server: Server, moto_bucket: str, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with S3(tmp_path, bucket=moto_bucket, **moto_server.options()) as s3:
        s3.put("k", "body")
    assert signal.getsignal(signal.SIGINT) is before


def test_expired_keys_that_nobody_renews_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with S3(tmp_path, bucket="any-bucket") as s3, pytest.raises(CredentialsError, match="not-there"):
        s3.get("k")
