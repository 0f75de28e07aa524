"""Work shared among processes and machines: the same results as here, in the same order, whatever becomes of a worker."""

from __future__ import annotations

import io
import os
import pickle
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, spread
from s3nb.errors import (
    BulkError,
    InvalidObject,
    InvalidURL,
    LocalFileNotFound,
    ObjectNotFound,
    S3Error,
    UnfitWorker,
    UnsafeKey,
)
from s3nb.model import S3GetObject, S3PutObject
from s3nb.progress import Snapshot
from s3nb.spread import gather, order, worker

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
    with pytest.raises(BulkError, match="spread/k/00: a worker died at it, 3 times"):
        client.map(workers.deadly, KEYS[:2], processes=1)
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]


def test_an_object_that_kills_its_workers_costs_itself_only(client: S3) -> None:
    with pytest.raises(BulkError) as failed:
        client.map(workers.deadly_seven, KEYS[:16], processes=2)
    assert [r if isinstance(r, str) else r.key for r in failed.value.results] == KEYS[:16]  # type: ignore[attr-defined]
    assert [(e.bucket, e.key) for e in failed.value.failed] == [("spread", "k/07")]


def test_an_executor_that_breaks_for_good_loses_nothing_of_what_was_done(client: S3) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        with pytest.raises(BulkError, match="is broken") as broken:
            client.map(workers.deadly_seven, [*KEYS[:7] * 40, *KEYS[:8]], executor=pool)
        assert broken.value.ok[:7] == KEYS[:7]
        assert broken.value.failed[-1].key == "k/07"
        with pytest.raises(S3Error, match=r"executor= .*is broken"):
            client.get_many(KEYS, executor=pool)


def test_what_a_function_returns_fails_alone_if_it_does_not_travel(client: S3, where: dict[str, Any]) -> None:
    with pytest.raises(BulkError) as failed:
        client.map(workers.awkward, KEYS[:4], **where)
    zero, one, two, three = failed.value.results
    assert isinstance(zero, KeyError)
    assert isinstance(three, KeyError)
    assert "k/01: what the function returned (lock) cannot be sent back" in str(one)
    assert "k/02: what the function returned does not load here" in str(two)


def test_what_failed_can_be_tried_until_it_succeeds(client: S3) -> None:
    with pytest.raises(BulkError) as first:
        client.get_many(["late", *KEYS[:2]], processes=1)
    with pytest.raises(BulkError) as second:
        first.value.retry()
    client.put("late", b"now")
    assert [o.blob for o in second.value.retry()] == [b"now", KEYS[0].encode() * 3, KEYS[1].encode() * 3]
    client.delete("late")


def test_what_was_skipped_is_told_from_what_failed(client: S3, tmp_path: Path) -> None:
    there, late = tmp_path / "there", tmp_path / "late"
    there.write_text("1")
    puts = [("new/1", there), ("k/00", there), ("new/2", late), ("new/3", there)]
    url = f"{client.root}/new"
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(BulkError) as refused:
            client.put_files(puts, overwrite=False, executor=pool)
        assert [r for r in refused.value.results if isinstance(r, tuple)] == [
            ("new/1", f"{url}/1"), ("new/3", f"{url}/3"),
        ]  # fmt: skip
        assert [(e.bucket, e.key) for e in refused.value.failed] == [("spread", "new/2")]
        late.write_text("2")
        done = refused.value.retry()
    assert done == [("new/1", f"{url}/1"), ("new/2", f"{url}/2"), ("new/3", f"{url}/3")]
    assert done.skipped == ["k/00"]
    client.delete_recursive(["new"])


def test_whatever_can_be_put_here_can_be_put_elsewhere(
    client: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(b"of a path")
    stream = io.BytesIO(b"of a stream")
    stream.seek(5)
    values = ["of text", bytearray(b"of a bytearray"), memoryview(b"of a view"), stream, Path("file")]
    keys = [S3PutObject(f"new/{n}", value, content_type="text/x") for n, value in enumerate(values)]
    done = client.put_many(keys, processes=1)
    assert client.put_files([("new/5", "file")], processes=1) == [("new/5", f"{client.root}/new/5")]
    assert [o.text for o in client.get_many([key for key, _ in done])] == [
        "of text", "of a bytearray", "of a view", "of a stream", "of a path",
    ]  # fmt: skip
    assert client.info("new/3").content_type == "text/x"
    client.delete_recursive(["new"])
    with pytest.raises(InvalidObject, match="int"):
        client.put_many([("new/0", b"x"), ("new/1", 1)], processes=1)
    with pytest.raises(LocalFileNotFound):
        client.put_files([("new/0", "file"), ("new/1", "none")], processes=1)
    assert not client.list_paths(["new"])


def test_keys_of_any_kind_travel(client: S3) -> None:
    class Mine:  # of no module that a worker has
        key, offset, length = "k/01", 1, 3

    asked = [Mine(), S3GetObject("k/02", 2, 2), client.info("k/03")]
    here = [o.blob for o in client.get_many(asked)]
    assert [o.blob for o in client.get_many(asked, processes=1)] == here == [b"/01", b"02", b"k/03" * 3]
    assert [o.size for o in client.info_many(asked[1:], processes=1)] == [12, 12]
    client.copy_many([(client.info("k/04"), "new/4")], processes=1)
    assert client.delete_many([client.info("new/4")], processes=1) == [f"{client.root}/new/4"]


def test_two_objects_with_one_name_are_refused_as_here(client: S3, tmp_path: Path) -> None:
    for options in ({}, {"processes": 1}):
        with pytest.raises(BulkError) as refused:
            client.download([KEYS[0], KEYS[1], KEYS[0]] * 8, tmp_path, **options)  # type: ignore[arg-type]
        assert [isinstance(r, UnsafeKey) for r in refused.value.results[:4]] == [False, False, True, True]
        assert len(refused.value.ok) == 2


def test_workers_that_were_killed_while_idle_are_replaced(client: S3) -> None:
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]
    pool = client._pools.get(1)
    for process in list(pool._processes.values()):
        process.kill()
        process.join()
    assert client.map(workers.doubled, KEYS[:1], processes=1) == [b"k/00" * 6]


def test_a_pool_that_breaks_while_work_is_handed_to_it_is_replaced(client: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    client.map(workers.doubled, KEYS[:1], processes=1)
    pool = client._pools.get(1)
    submit = pool.submit

    def breaks(fn: Any, *args: Any, **options: Any) -> Any:
        if fn is worker.work:
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
        assert not list(Path(s3._store.folder).glob("work.*"))


def test_processes_that_do_not_stop_are_ended(
    moto_server: Server, shared_bucket: str, credentials: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "_FAREWELL", 0.2)

    def stop(_: Snapshot) -> None:
        if begun.exists():
            raise KeyboardInterrupt

    begun = tmp_path / "begun"
    with S3(tmp_path, bucket=shared_bucket, endpoint_url=moto_server.endpoint_url, progress=False) as s3:
        s3.info_many(KEYS[:1], processes=1)
        assert s3._pools is not None
        (pid,) = s3._pools.get(1)._processes  # type: ignore[attr-defined]
        watched = select.poll()
        fd = os.pidfd_open(pid)
        watched.register(fd, select.POLLIN)
        s3._progress = stop
        with pytest.raises(KeyboardInterrupt):
            s3.map(workers.Endless(str(begun)), KEYS, processes=1)
        assert watched.poll(10_000)
        os.close(fd)
        assert not list(tmp_path.glob("*/work.*"))


@pytest.fixture
def far(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Executor:
    """Dask's workers, as if they were on other machines: they do not see the client's folder."""
    nowhere = {"folder": "/nowhere", "home": "/nowhere", "node": "another"}
    monkeypatch.setattr(gather, "Order", lambda *fields: replace(order.Order(*fields), **nowhere))
    executor: Executor = cluster.get_executor()
    return executor


def test_results_come_from_machines_that_share_no_folder(client: S3, far: Executor) -> None:
    found = client.get_many(["large", *KEYS], executor=far)
    assert [o.blob for o in found] == [bytes(1 << 20) + b"end", *[key.encode() * 3 for key in KEYS]]
    assert Path(found[0].path).stat().st_size == (1 << 20) + 3
    with pytest.raises(ObjectNotFound) as missing:
        client.get_many(["none"], executor=far)
    assert missing.value.failed[0].__notes__[0].startswith("on worker ")


def test_a_worker_elsewhere_tells_meanwhile_how_far_it_is(
    client: S3, far: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Snapshot] = []
    monkeypatch.setattr(client, "_progress", seen.append)
    client.map(workers.Notes(str(tmp_path / "calls")), iter(KEYS[:12]), executor=far)  # one chunk
    assert any(0 < now.done < 12 for now in seen)
    assert (seen[-1].done, seen[-1].total) == (12, 12)


def test_cancel_reaches_a_worker_elsewhere(
    client: S3, cluster: Any, far: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(now: Snapshot) -> None:
        if now.done:
            raise KeyboardInterrupt

    monkeypatch.setattr(client, "_progress", stop)
    with pytest.raises(KeyboardInterrupt):
        client.map(workers.Notes(str(tmp_path / "calls")), iter(KEYS), executor=far)  # one chunk
    for address in cluster.nthreads():  # each has one thread
        cluster.submit(os.getpid, workers=[address], pure=False).result()
    assert 0 < (tmp_path / "calls").stat().st_size < len(KEYS)


def test_a_folder_that_a_worker_does_not_see_is_no_place_for_downloads(
    client: S3, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "Order", lambda *fields: replace(order.Order(*fields), shared="/nowhere/mark"))
    with pytest.raises(UnfitWorker, match="does not see the folder /nowhere of the other side"):
        client.download(KEYS, tmp_path, executor=cluster.get_executor())
    assert not list(tmp_path.iterdir())


def test_one_of_several_workers_that_is_not_fit_is_found_before_anything_is_done(
    moto_server: Server, shared_bucket: str, cluster: Any, tmp_path: Path
) -> None:
    first = next(iter(cluster.nthreads()))
    kept = cluster.run(workers.without_credentials, workers=[first])[first]
    try:
        with (
            S3(tmp_path, bucket=shared_bucket, endpoint_url=moto_server.endpoint_url, region="eu-north-1") as s3,
            pytest.raises(UnfitWorker, match="has no credentials of its own"),
        ):
            s3.delete_many(KEYS, executor=cluster.get_executor())
    finally:
        cluster.run(workers.with_environment, kept, workers=[first])


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


class Once:
    """Tells its length, and can be read once, as a bar around a generator."""

    def __init__(self, items: list[Any]) -> None:
        self._items = iter(items)
        self._count = len(items)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        return self._items


def test_a_bad_value_is_found_before_anything_is_put_however_they_are_given(client: S3) -> None:
    given: list[Any] = [*((f"once/{n}", b"x") for n in range(40)), ("once/bad", 1)]
    with ThreadPoolExecutor(1) as pool:
        for values in (given, Once(given)):
            with pytest.raises(InvalidObject, match="int"):
                client.put_many(values, processes=1)
            with pytest.raises(InvalidURL):
                client.put_many(Once([*given[:40], ("s3://elsewhere/key", b"x")]), executor=pool)
    assert list(client.iter_list("once")) == []


class Twice(Executor):
    """Runs all twice, once later than it says, as one may that has lost sight of a worker."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        first = self.pool.submit(fn, *args, **options)
        self.pool.submit(fn, *args, **options)
        return first


def test_what_is_run_twice_is_done_once(client: S3) -> None:
    twice = Twice()
    with twice.pool:
        puts = [(f"twice/{n}", str(n)) for n in range(20)]
        assert len(client.put_many(puts, executor=twice)) == 20
        found = client.get_many([key for key, _ in puts], executor=twice)
        assert [o.text for o in found] == [value for _, value in puts]
        assert len(client.delete_recursive(["twice"], executor=twice)) == 20
    assert not list(Path(client._store.folder).glob("work.*"))


def test_an_executor_that_takes_no_work_is_named(client: S3) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(S3Error, match=r"\(ThreadPoolExecutor\) takes no work: .* after shutdown"):
        client.get_many(KEYS, executor=pool)


class Cancels(Executor):
    """Drops every chunk."""

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        future: Future[Any] = Future()
        if fn is worker.work:
            future.cancel()
        else:
            future.set_result(fn(*args, **options))
        return future


def test_chunks_that_an_executor_drops_are_failures_by_name(client: S3) -> None:
    with pytest.raises(BulkError, match="s3://spread/k/00: its chunk was cancelled 3 times by the executor"):
        client.get_many(KEYS[:2], executor=Cancels())


PROGRAM = """
import sys
from s3nb import S3
from tests import workers
s3 = S3(sys.argv[1], bucket="spread", endpoint_url=sys.argv[2], progress=False)
"""


def program(folder: Path, server: Server, text: str) -> subprocess.Popen[str]:
    script = folder / "program.py"
    script.write_text(PROGRAM + text)
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    return subprocess.Popen(
        [sys.executable, str(script), str(temporary), server.endpoint_url],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def test_a_program_without_a_guard_is_told_so(
    moto_server: Server, shared_bucket: str, credentials: None, tmp_path: Path
) -> None:
    with program(tmp_path, moto_server, "print('main', flush=True)\ns3.get_many(['k/00'], processes=1)\n") as running:
        out, err = running.communicate(timeout=60)
    assert out.count("main") < 5
    assert err.strip().splitlines()[-1] == (
        "s3nb.errors.S3Error: the worker processes do not start. If the program has no such line yet: put what the program does "
        "under \"if __name__ == '__main__':\", as each process imports it"
    )


def test_workers_go_with_a_program_that_is_killed_and_with_them_its_files(
    moto_server: Server, shared_bucket: str, credentials: None, tmp_path: Path
) -> None:
    text = """
if __name__ == "__main__":
    print(s3.map(workers.pid, ["k/00"], processes=1)[0], flush=True)
    s3.map(workers.Endless("/dev/null"), ["k/00"], processes=1)
"""
    with program(tmp_path, moto_server, text) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        watched = select.poll()
        fd = os.pidfd_open(pid)
        watched.register(fd, select.POLLIN)
        assert list((tmp_path / "temporary").iterdir())
        running.kill()
        assert watched.poll(20_000)
        os.close(fd)
    assert not list((tmp_path / "temporary").iterdir())


class Elsewhere(Executor):
    """Runs what it is given at once, on a machine that is not set up."""

    def __init__(self, patch: pytest.MonkeyPatch, what: str) -> None:
        self.patch = patch
        self.what = what

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        with self.patch.context() as patch, ThreadPoolExecutor(1) as pool:
            if self.what == "version":
                patch.setattr(order, "VERSION", "none of ours")
            else:
                patch.delenv("AWS_ACCESS_KEY_ID")
                patch.delenv("AWS_SECRET_ACCESS_KEY")
            future = pool.submit(fn, *args, **options)
            future.exception()
        return future


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("version", "a worker has s3nb none of ours, not"),
        ("credentials", rf"worker .*:{os.getpid()} has no credentials of its own"),
    ],
    ids=["version", "credentials"],  # and no number of a process: the processes that run the tests compare names
)
def test_a_worker_that_is_not_fit_is_named(
    client: S3, credentials: None, monkeypatch: pytest.MonkeyPatch, what: str, message: str
) -> None:
    with pytest.raises(UnfitWorker, match=message):
        client.delete_many(KEYS, executor=Elsewhere(monkeypatch, what))
    assert client.exists(KEYS[0])


class Watched(Executor):
    """Keeps what goes out and what comes back, as bytes."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.seen: list[bytes] = []

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        self.seen.append(pickle.dumps((fn, args, options)))
        future = self.pool.submit(fn, *args, **options)
        self.seen.append(pickle.dumps(future.exception() or future.result()))
        return future


def test_credentials_do_not_travel(client: S3, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    watched = Watched()
    with watched.pool:
        client.map(workers.doubled, KEYS, executor=watched)
        client.get_many(KEYS, executor=watched)
        with pytest.raises(BulkError) as missing:
            client.get_many(["none"], executor=watched)
    assert any(b"k/07" in some for some in watched.seen)
    assert b"no-secret" not in b"".join(watched.seen) + pickle.dumps((client, missing.value))
    assert "no-secret" not in caplog.text


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"client_params": {"region_name": "eu-north-1", "verify": False}}, ""),
        ({"session_vars": {"profile_name": "default"}}, ""),
        ({"session_vars": {"aws_secret_access_key": "x"}}, "aws_secret_access_key in session_vars="),
        ({"client_params": {"config": object()}}, "config in client_params="),
    ],
)
def test_of_further_arguments_those_travel_that_only_name_something(
    tmp_path: Path, options: dict[str, Any], refused: str
) -> None:
    s3 = S3(tmp_path, **options)
    if refused:
        with pytest.raises(TypeError, match=refused):
            pickle.dumps(s3)
    else:
        assert isinstance(pickle.loads(pickle.dumps(s3)), S3)


def test_a_cancelled_operation_ends_as_cancelled(client: S3) -> None:
    class Never(Executor):
        def submit(self, fn: Any, /, *args: Any, **options: Any) -> Any:
            if fn is not worker.work:
                done: Any = ThreadPoolExecutor(1)
                return done.submit(fn, *args)
            work._progress.cancel()
            from concurrent.futures import Future

            return Future()

    work = spread.Spread(client, client._store, spread.Pools(), Never(), "get_many", verb="get", total=2)
    with pytest.raises(CancelledError):
        work.run(KEYS[:2])
