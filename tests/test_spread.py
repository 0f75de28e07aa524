"""Work shared among processes and machines: the same results as here, in the same order, whatever becomes of a worker."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, spread
from s3nb.errors import BulkError, ObjectNotFound
from s3nb.progress import Snapshot
from s3nb.spread import Unfit

from . import workers
from .conftest import Server

KEYS = [f"k/{n:02d}" for n in range(40)]


@pytest.fixture(scope="module")
def credentials() -> Iterator[None]:
    """The workers' own: in the environment that they inherit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "tests")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield


@pytest.fixture(scope="module")
def shared_bucket(moto_server: Server) -> str:
    client = moto_server.boto3_client()
    client.create_bucket(Bucket="spread")
    for key in KEYS:
        client.put_object(Bucket="spread", Key=key, Body=key.encode() * 3)
    client.put_object(Bucket="spread", Key="large", Body=bytes(1 << 20) + b"end")
    client.close()
    return "spread"


@pytest.fixture(scope="module")
def client(
    moto_server: Server, shared_bucket: str, credentials: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3]:
    """One client for all tests, as its processes take a while to start."""
    with S3(tmp_path_factory.mktemp("spread"), bucket=shared_bucket, endpoint_url=moto_server.endpoint_url) as s3:
        yield s3


@pytest.fixture(scope="module")
def cluster(credentials: None) -> Iterator[Any]:
    """Three worker processes of Dask."""
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.admin.tick.interval": "10s", "logging.distributed": "critical"}),
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", silence_logs=60,
            host="127.0.0.1", worker_dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as dask_client,
    ):  # fmt: skip
        yield dask_client


@pytest.fixture(params=["processes", "dask"])
def where(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Who does the work, as arguments of a many-operation."""
    if request.param == "processes":
        return {"processes": 2}
    return {"executor": request.getfixturevalue("cluster").get_executor()}


def test_many_operations_give_elsewhere_what_they_give_here(client: S3, where: dict[str, Any], tmp_path: Path) -> None:
    asked = [*KEYS, "none", KEYS[0]]
    here = client.get_many(asked, return_missing=True)
    there = client.get_many(asked, return_missing=True, **where)
    assert [(o.url, o.exists, o.blob, o.etag, o.verified) for o in there] == [
        (o.url, o.exists, o.blob, o.etag, o.verified) for o in here
    ]
    assert Path(there[0].path).read_bytes() == here[0].blob
    assert [o.size for o in client.info_many(KEYS, **where)] == [o.size for o in client.info_many(KEYS)]
    files = [(f"new/{n}", tmp_path / f"{n}") for n in range(9)]
    for key, path in files:
        path.write_text(key)
    assert client.put_files(files, **where) == [(key, f"{client.root}/{key}") for key, _ in files]
    assert client.put_many([("new/0", "other"), ("new/9", "9")], overwrite=False, **where).skipped == ["new/0"]
    copied = client.copy_many([(key, f"copy/{key}") for key, _ in files], **where)
    assert copied == [f"{client.root}/copy/{key}" for key, _ in files]
    landed = client.download([f"copy/{key}" for key, _ in files], tmp_path / "to", **where)
    assert [Path(o.path).read_text() for o in landed] == [key for key, _ in files]
    assert Path(landed[3].path) == tmp_path / "to/copy/new/3"
    gone = [*[key for key, _ in files], *[f"copy/{key}" for key, _ in files], "new/9"]
    assert client.delete_many(gone, **where) == [f"{client.root}/{key}" for key in gone]
    assert client.list_recursive(["new", "copy"]) == []


def test_what_is_below_a_prefix_is_got_and_deleted_elsewhere_as_here(client: S3, where: dict[str, Any]) -> None:
    here, there = client.get_recursive(["k"], True), client.get_recursive(["k"], True, **where)
    assert [(o.key, o.url, o.blob, o.range_info) for o in there] == [(o.key, o.url, o.blob, o.range_info) for o in here]
    assert [o.key for o in there] == [key[2:] for key in KEYS]
    client.put_many([(f"gone/{n}", b"x") for n in range(30)])
    urls = [o.url for o in client.list_recursive(["gone"])]
    assert client.delete_recursive(["gone"], **where) == urls
    assert client.list_recursive(["gone"]) == []


def test_large_results_come_back_too(client: S3, where: dict[str, Any]) -> None:
    found = client.get_many(["large", KEYS[1]], **where)
    assert found[0].blob == bytes(1 << 20) + b"end"
    assert Path(found[0].path).stat().st_size == (1 << 20) + 3
    assert found[1].blob == KEYS[1].encode() * 3


def test_a_function_is_run_where_the_bytes_are(client: S3, where: dict[str, Any]) -> None:
    assert client.map(workers.doubled, KEYS, **where) == [key.encode() * 6 for key in KEYS]
    assert os.getpid() not in client.map(workers.pid, KEYS[:4], **where)
    assert client.map(workers.doubled, KEYS[:2]) == [key.encode() * 6 for key in KEYS[:2]]


def test_failures_are_named_as_here_and_stop_no_other(client: S3, where: dict[str, Any]) -> None:
    with pytest.raises(ObjectNotFound) as missing:
        client.get_many(["k/00", "none", "k/01"], **where)
    assert isinstance(missing.value, BulkError)
    assert [getattr(r, "blob", None) for r in missing.value.results] == [b"k/00" * 3, None, b"k/01" * 3]
    assert missing.value.failed[0].key == "none"
    with pytest.raises(BulkError, match="not this one") as picky:
        client.map(workers.picky, KEYS[:5], **where)
    assert [r if isinstance(r, int) else "failed" for r in picky.value.results] == [12, 12, 12, "failed", 12]
    assert "picky" in picky.value.failed[0].__notes__[0]
    with pytest.raises(BulkError):
        picky.value.retry()


def test_a_worker_that_is_killed_costs_nothing(client: S3, where: dict[str, Any], tmp_path: Path) -> None:
    function = workers.DiesOnce(str(tmp_path / "killed"), "k/07")
    assert client.map(function, KEYS, **where) == [k if k != "k/07" else "after all" for k in KEYS]
    assert (tmp_path / "killed").exists()


def test_a_chunk_that_kills_its_workers_is_given_up(client: S3) -> None:
    with pytest.raises(BulkError, match="a worker died 3 times"):
        client.map(workers.deadly, KEYS[:2], processes=1)
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]


def test_workers_that_were_killed_while_idle_are_replaced(client: S3) -> None:
    pool = client._pools.get(1)
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]
    for process in list(pool._processes.values()):
        process.kill()
        process.join()
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]


def test_a_pool_that_breaks_while_work_is_handed_to_it_is_replaced(client: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    client.map(workers.doubled, KEYS[:1], processes=1)
    pool = client._pools.get(1)
    submit = pool.submit

    def breaks(fn: Any, *args: Any, **options: Any) -> Any:
        if fn is spread.work:
            raise BrokenExecutor("just now")
        return submit(fn, *args, **options)

    monkeypatch.setattr(pool, "submit", breaks)
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]


def test_two_that_find_a_pool_broken_get_the_same_new_one() -> None:
    pools = spread.Pools()
    broken = pools.get(1)
    fresh = pools.renew(broken)
    assert fresh is not broken
    assert pools.renew(broken) is fresh
    assert pools.renew(ThreadPoolExecutor(1)) is None


def test_progress_comes_back(moto_server: Server, shared_bucket: str, credentials: None, tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    with S3(tmp_path, bucket=shared_bucket, endpoint_url=moto_server.endpoint_url, progress=seen.append) as s3:
        s3.get_many([*KEYS, "none"], return_missing=True, processes=1)
    assert (seen[-1].total, seen[-1].done, seen[-1].failed) == (41, 41, 0)
    assert seen[-1].bytes_done == sum(3 * len(key) for key in KEYS)
    assert seen[-1].finished


def test_cancel_reaches_the_workers(moto_server: Server, shared_bucket: str, credentials: None, tmp_path: Path) -> None:
    began = threading.Event()

    def stop(_: Snapshot) -> None:
        if began.is_set():
            raise KeyboardInterrupt
        began.set()

    with S3(tmp_path, bucket=shared_bucket, endpoint_url=moto_server.endpoint_url, progress=stop) as s3:
        with pytest.raises(KeyboardInterrupt):
            s3.map(workers.slow, KEYS, processes=1)
        assert not list(Path(s3._store.folder).glob("board-*"))


def test_an_executor_of_threads_will_do(client: S3) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert client.map(workers.doubled, KEYS, executor=pool) == [key.encode() * 6 for key in KEYS]
        assert [o.blob for o in client.get_many(iter(KEYS[:3]), executor=pool)] == [k.encode() * 3 for k in KEYS[:3]]


def test_what_cannot_work_is_said_before_anything_is_done(
    client: S3, moto_server: Server, shared_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot be sent to other processes"):
        client.map(lambda found: lock, KEYS, processes=2)
    with pytest.raises(ValueError, match="give one of them"), ThreadPoolExecutor(1) as pool:
        client.get_many(KEYS, processes=2, executor=pool)
    with pytest.raises(TypeError, match=r"concurrent\.futures\.Executor, not str"):
        client.get_many(KEYS, executor="dask")  # type: ignore[arg-type]
    for wrong in (0, -1, "two"):
        with pytest.raises(ValueError, match="processes"):
            client.get_many(KEYS, processes=wrong)  # type: ignore[arg-type]
    with (
        S3(tmp_path, bucket=shared_bucket, **moto_server.options()) as given,
        pytest.raises(TypeError, match="does not pickle"),
    ):
        given.get_many(KEYS, processes=2)


class Elsewhere(Executor):
    """Runs what it is given at once, on a machine that is not set up."""

    def __init__(self, patch: pytest.MonkeyPatch, what: str) -> None:
        self.patch = patch
        self.what = what

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        with self.patch.context() as patch, ThreadPoolExecutor(1) as pool:
            if self.what == "version":
                patch.setattr(spread, "_version", lambda: "9.9")
            else:
                patch.delenv("AWS_ACCESS_KEY_ID")
                patch.delenv("AWS_SECRET_ACCESS_KEY")
            future = pool.submit(fn, *args, **options)
            future.exception()
        return future


@pytest.mark.parametrize(
    ("what", "message"), [("version", "has s3nb 9.9, not"), ("credentials", "has no credentials of its own")]
)
def test_a_worker_that_is_not_fit_is_named(
    client: S3, credentials: None, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    with pytest.raises(Unfit, match=f"{os.getpid()} {message}"):
        client.delete_many(KEYS, executor=Elsewhere(monkeypatch, what))
    assert client.exists(KEYS[0])


def test_credentials_do_not_travel(client: S3) -> None:
    import pickle

    assert b"no-secret" not in pickle.dumps(client)


def test_a_cancelled_operation_ends_as_cancelled(client: S3) -> None:
    class Never(Executor):
        def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
            if fn is spread.hello:
                done: Any = ThreadPoolExecutor(1)
                return done.submit(fn, *args)
            work._progress.cancel()
            from concurrent.futures import Future

            return Future()

    work = spread.Spread(client, client._store, spread.Pools(), Never(), "get_many", verb="get", total=2)
    with pytest.raises(CancelledError):
        work.run(KEYS[:2], lambda some: client.get_many(some))
