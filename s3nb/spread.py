"""Many-operations over several processes or machines: chunks of keys go out, results come back in order.

Strategy: a chunk is an ordinary many-operation, run by an ordinary client where the worker is. What travels is the client's settings
(never credentials: the worker finds its own), the name of a method, and keys; what comes back is results and failures. A chunk
may be run twice, as all that is done with it can be: so one whose worker died is sent out again. Workers on this machine
count into a file that both map (the board), and read there that they are to stop; from elsewhere the counts come with the chunk.
Bodies come back through a file of the client's folder if it is on the same machine, else with the results.
"""

from __future__ import annotations

import atexit
import mmap
import os
import pickle
import platform
import secrets
import signal
import struct
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import Any

from s3nb import bars
from s3nb.errors import BulkError, CredentialsError, S3Error
from s3nb.model import Results, S3Object
from s3nb.progress import Progress, Snapshot
from s3nb.text import visible
from s3nb.transfer.local import Store

PROTOCOL = 2  # of what travels; another one is another s3nb
_TRIES = 3  # of a chunk whose worker died
_SLOTS = 256  # chunks under way at once, at most
_SLOT = struct.Struct("<6Q")  # done, failed, skipped, retried, bytes, alive
_HEAD = 32  # bytes of the board before the slots: a nonce, and whether to stop
_TICK = 0.1  # seconds
_FAREWELL = 2.0  # seconds that workers have to stop
_INLINE = 64 << 20  # bytes of an object that are sent back with the results
_LOST = (
    "KilledWorker",
    "CommClosedError",
    "FutureCancelledError",
    "FutureLostError",
)  # what Dask calls a worker that died
# keys of a chunk, at most: enough to keep a worker's connections busy, few enough that one lost is no loss
_CHUNK = {"delete_many": 5000, "info_many": 500, "map": 100}
_USUAL_CHUNK = 250
_SHARES = 8  # chunks that a worker should get of a whole, so that all end at about the same time


class Unfit(S3Error):
    """A worker that cannot do the work: another s3nb, no credentials, a function that does not load."""


@dataclass(frozen=True)
class Order:
    """What a worker needs to know, the same for all chunks."""

    client: bytes
    method: str
    options: dict[str, Any]
    function: bytes | None
    version: str
    board: str
    nonce: bytes
    folder: str | None


@dataclass
class Outcome:
    """What became of a chunk."""

    results: list[Any]
    skipped: list[Any] = field(default_factory=list)
    counts: tuple[int, ...] = (0, 0, 0, 0, 0)
    parcel: str | None = None
    places: list[tuple[int, int, int]] = field(default_factory=list)  # place in results, offset, size
    files: list[tuple[int, str]] = field(default_factory=list)
    worker: str = ""


# -- where the worker is -----------------------------------------------------------------------------


class _Stop(BaseException):
    """The one who waits for us has given up."""


_mine = threading.local()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_clients):
        client.close()


def _client(order: Order) -> Any:
    """Return this thread's client for an order; kept for its next chunks."""
    if getattr(_mine, "settings", None) != order.client:
        if order.version != _version():
            raise Unfit(f"worker {_name()} has s3nb {_version()}, not {order.version}: install the same on all of them")
        client = pickle.loads(order.client)  # noqa: S301  # from whoever gives us work
        try:
            client._core.account.credentials()
        except CredentialsError as exc:
            raise Unfit(f"worker {_name()} has no credentials of its own (they do not travel): {exc}") from None
        before = getattr(_mine, "client", None)
        if before is not None:
            before.close()
        _mine.client, _mine.settings = client, order.client
        if not _clients:
            atexit.register(_close_all)
        _clients.add(client)
    return _mine.client


def _version() -> str:
    return f"{sys.modules['s3nb'].__version__}/{PROTOCOL}"


def _name() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _function(order: Order) -> Any:
    if order.function is None:
        return None
    if getattr(_mine, "source", None) != order.function:
        try:
            _mine.function = pickle.loads(order.function)  # noqa: S301  # to run it is the work
        except Exception as exc:
            raise Unfit(f"the function does not load on worker {_name()}: {type(exc).__name__}: {exc}") from exc
        _mine.source = order.function
    return _mine.function


def hello(order: Order) -> str:
    """Make sure that a worker can do the work; before any of it is done."""
    _client(order)
    _function(order)
    return _name()


def work(order: Order, items: list[Any], slot: int) -> Outcome:
    """Run a chunk. Called by the executor, on the worker."""
    client = _client(order)
    function = _function(order)
    board = _Board.find(order.board, order.nonce)
    last: list[Snapshot] = []

    def count(now: Snapshot) -> None:
        last[:] = [now]
        if board is not None:
            board.write(slot, (now.done, now.failed, now.skipped, now.retried, now.bytes_done))
            if board.stopped:
                raise _Stop

    if board is not None and board.stopped:
        raise CancelledError
    client._progress = count
    call = getattr(client, order.method)
    try:
        if function is not None:
            results = call(function, items, **order.options)
        else:
            results = call(items, **order.options)
    except BulkError as exc:
        results = Results(exc.results)
        results.skipped = list(getattr(exc, "skipped", []))
    except _Stop:
        raise CancelledError from None
    finally:
        client._progress = False
    outcome = Outcome(list(results), list(results.skipped), worker=_name())
    if last:
        now = last[0]
        outcome.counts = (now.done, now.failed, now.skipped, now.retried, now.bytes_done)
    _pack(outcome, order.folder if board is not None else None)
    if board is not None:
        board.close()
    return outcome


def _pack(outcome: Outcome, folder: str | None) -> None:
    """Put the bodies of results where the other side finds them: into one file of its folder, or into what is sent back."""
    parcel: Any = None
    offset = 0
    for place, found in enumerate(outcome.results):
        if isinstance(found, BaseException) and not isinstance(found, S3Error):
            outcome.results[place] = S3Error(f"{type(found).__name__}: {found}")
        if not isinstance(found, S3Object) or found._store is None or not found.downloaded:
            continue
        if found._data is None and found._given:
            continue  # a file of the user's: it stays where it is
        if folder is None:
            if found._data is None and (found.size or 0) > _INLINE:
                error = S3Error(f"{visible(found.url)}: {found.size} bytes are too many to be sent back: use download() to a folder "
                                "that both machines see, or map()")  # fmt: skip
                outcome.results[place] = error
                found.release()
            elif found._path is not None:
                found._data, path, found._path = found.blob, found._path, None
                found._store.discard(path)
                found._store = None
        elif found._data is not None:
            if parcel is None:
                outcome.parcel = os.path.join(folder, f"parcel-{secrets.token_hex(8)}")
                parcel = open(outcome.parcel, "xb", buffering=1 << 20)  # noqa: SIM115  # closed below
            size = len(found._data)
            parcel.write(found._data)
            outcome.places.append((place, offset, size))
            offset += size
            found.release()
        elif found._path is not None and not found._given:
            path = os.path.join(folder, f"{secrets.token_hex(8)}-{os.path.basename(found._path)}")
            os.replace(found._path, path)
            found._path, found._given = None, True
            outcome.files.append((place, path))
    if parcel is not None:
        parcel.close()


# -- where the user is --------------------------------------------------------------------------------


class _Board:
    """Numbers that several processes see: a file mapped by all. One writer a slot."""

    def __init__(self, file: Any) -> None:
        self._map = mmap.mmap(file.fileno(), _HEAD + _SLOTS * _SLOT.size)

    @classmethod
    def create(cls, path: str, nonce: bytes) -> _Board:
        with open(path, "xb+") as file:
            file.write(nonce.ljust(_HEAD, b"\0") + bytes(_SLOTS * _SLOT.size))
            file.flush()
            return cls(file)

    @classmethod
    def find(cls, path: str, nonce: bytes) -> _Board | None:
        """Return the board, if this is the machine where it is."""
        try:
            with open(path, "rb+") as file:
                if file.read(len(nonce)) == nonce:
                    return cls(file)
        except OSError:
            pass
        return None

    def write(self, slot: int, counts: Sequence[int]) -> None:
        _SLOT.pack_into(self._map, _HEAD + slot * _SLOT.size, *counts, 1)

    def read(self, slot: int) -> tuple[int, ...]:
        return _SLOT.unpack_from(self._map, _HEAD + slot * _SLOT.size)[:5]

    @property
    def stopped(self) -> bool:
        return self._map[_HEAD - 1] != 0

    def stop(self) -> None:
        self._map[_HEAD - 1] = 1

    def close(self) -> None:
        self._map.close()


class _Moved:
    """Bytes that a chunk has moved, for `Progress`."""

    def __init__(self, size: int) -> None:
        self._size = size

    def moved(self) -> int:
        return self._size

    def expected(self) -> int | None:
        return self._size


class _Chunk:
    __slots__ = ("counted", "future", "items", "outcome", "slot", "tries")

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.tries = 0
        self.slot = 0
        self.counted: tuple[int, ...] = (0, 0, 0, 0, 0)
        self.future: Future[Outcome] | None = None
        self.outcome: Outcome | None = None


class Pools:
    """A client's own process pools, made when first asked for; kept, as a process takes half a second to start."""

    def __init__(self) -> None:
        self._pools: dict[int, ProcessPoolExecutor] = {}
        self._made: weakref.WeakKeyDictionary[Executor, int] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, count: int) -> ProcessPoolExecutor:
        with self._lock:
            return self._get(count)

    def _get(self, count: int) -> ProcessPoolExecutor:
        pool = self._pools.get(count)
        if pool is None:
            pool = self._pools[count] = ProcessPoolExecutor(count, get_context("spawn"), _quiet)
            self._made[pool] = count
        return pool

    def renew(self, broken: Executor) -> Executor | None:
        """Return another pool in place of a broken one, which others may have replaced already; None if it is not ours."""
        with self._lock:
            count = self._made.get(broken)
            if count is None:
                return None
            if self._pools.get(count) is broken:
                broken.shutdown(wait=False, cancel_futures=True)
                del self._pools[count]
            return self._get(count)

    def close(self) -> None:
        with self._lock:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _quiet() -> None:
    """Leave Ctrl-C to the one process that the user is in."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def executor_of(pools: Pools, processes: int | bool | None, executor: Executor | None) -> Executor | None:
    """Return what is to run the chunks; None: this process.

    Raises
    ------
    TypeError, ValueError
        Both were given, or something that is neither.
    """
    if executor is not None:
        if processes is not None:
            raise ValueError("processes= and executor= both say who does the work: give one of them")
        if not callable(getattr(executor, "submit", None)) or not callable(getattr(executor, "shutdown", None)):
            hint = ": give client.get_executor()" if type(executor).__name__ == "Client" else ""
            raise TypeError(f"executor= must be a concurrent.futures.Executor, not {type(executor).__name__}{hint}")
        return executor
    if processes is None or processes is False:
        return None
    count = (os.cpu_count() or 1) if processes is True else processes
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"processes must be a number from 1 on, or True for one a core; not {processes!r}")
    return pools.get(count)


def pickled_function(function: Any) -> bytes:
    """Return a function as bytes, by cloudpickle where there is one, as that also takes what is defined in a notebook.

    Raises
    ------
    TypeError
        It cannot travel.
    """
    if not callable(function):
        raise TypeError(f"expected a function of one object, not {type(function).__name__}")
    try:
        import cloudpickle  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        name = getattr(function, "__qualname__", repr(function))
        if getattr(function, "__module__", None) == "__main__":
            raise TypeError(
                f"{name} is defined in __main__, which other processes do not have: put it into a module, or install cloudpickle"
            ) from None
        try:
            return pickle.dumps(function)
        except Exception as exc:
            raise TypeError(
                f"{name} cannot be sent to other processes ({exc}): put it into a module, or install cloudpickle"
            ) from exc
    try:
        data: bytes = cloudpickle.dumps(function)
        return data
    except Exception as exc:
        raise TypeError(
            f"{getattr(function, '__qualname__', function)} cannot be sent to other processes: {exc}"
        ) from exc


def workers_of(executor: Executor) -> int:
    """Return the number of workers that an executor has; a guess for kinds that do not tell."""
    count = getattr(executor, "_max_workers", None)  # those of the standard library
    if isinstance(count, int):
        return count
    client = getattr(executor, "_client", None)  # Dask's
    if client is not None and hasattr(client, "nthreads"):
        return max(1, int(sum(client.nthreads().values())))
    return 8


class Spread:
    """One many-operation over an executor."""

    def __init__(
        self,
        client: Any,
        store: Store,
        pools: Pools,
        executor: Executor,
        method: str,
        *,
        verb: str,
        options: dict[str, Any] | None = None,
        function: Any = None,
        total: int | None = None,
        setting: Any = None,
    ) -> None:
        self._store = store
        self._pools = pools
        self._executor = executor
        self._workers = workers_of(executor)
        self._most = _CHUNK.get(method, _USUAL_CHUNK)
        self._size = self._most if total is None else max(1, min(self._most, -(-total // (self._workers * _SHARES))))
        self._verb = verb
        self._nonce = secrets.token_bytes(16)
        self._free = list(range(_SLOTS))
        self._progress = Progress(verb, total)
        self._display = bars.display(self._progress, setting)
        folder = store.folder
        self._order = Order(
            pickle.dumps(client), method, options or {}, None if function is None else pickled_function(function),
            _version(), os.path.join(folder, f"board-{self._nonce.hex()}"), self._nonce, folder,
        )  # fmt: skip
        self._board = _Board.create(self._order.board, self._nonce)
        self._progress.on_cancel(self._board.stop)

    def run(self, items: Iterable[Any], again: Callable[[list[Any]], Results]) -> Results:
        """Run it; results in the order of ``items``. ``again`` does some of them once more, for ``retry()``."""
        results = Results(verb=self._verb)
        failed: list[tuple[int, Any]] = []
        kept: list[Any] = []
        try:
            self._check()
            for chunk in self._chunks(iter(items)):
                outcome = chunk.outcome
                assert outcome is not None
                self._unpack(outcome)
                results.skipped += outcome.skipped
                if len(outcome.results) == len(chunk.items):
                    for item, result in zip(chunk.items, outcome.results, strict=True):
                        if isinstance(result, S3Error):
                            failed.append((len(results), item))
                        results.append(result)
                else:  # without what was skipped
                    results.extend(outcome.results)
                    kept += chunk.items
        except BaseException as exc:
            exc.s3nb_partial = results  # type: ignore[attr-defined]  # see s3nb.jobs.partial_of
            raise
        finally:
            self._progress.finish()
            self._board.close()
            self._store.discard(self._order.board)
            self._display.close()  # calls the user's code

        def retry(before: Results) -> Results:
            try:
                fresh: list[Any] = again([item for _, item in failed])
            except BulkError as exc:
                fresh = exc.results
            for (place, _), result in zip(failed, fresh, strict=True):
                before[place] = result
            before._retry = None
            before.raise_failed()
            return before

        if failed and not kept:
            results._retry = retry
        results.raise_failed()
        return results

    def _check(self) -> None:
        """Ask one worker whether it can, before there is anything to lose."""
        try:
            try:
                self._greet()
            except BrokenExecutor as exc:  # since the last time, perhaps: an idle worker was killed
                if not self._renewed(exc):
                    raise S3Error(f"the executor is broken: {exc}") from exc
                self._greet()
        except BrokenExecutor as exc:
            self._renewed(exc)
            raise S3Error(
                "the worker processes do not start: a script that uses processes= needs its main part under "
                "\"if __name__ == '__main__':\", as each process imports it"
            ) from exc
        except ImportError as exc:
            raise Unfit(f"a worker cannot import s3nb: {exc}") from exc

    def _greet(self) -> None:
        try:
            greeting = self._executor.submit(hello, self._order)
        except TypeError as exc:
            raise TypeError(f"{type(self._executor).__name__} cannot send s3nb's work: {exc}") from exc
        try:
            while not wait([greeting], _TICK)[0]:
                self._display.tick()
            greeting.result()
        except BaseException:
            greeting.cancel()
            raise

    def _renewed(self, _: BaseException) -> bool:
        fresh = self._pools.renew(self._executor)
        if fresh is None:
            return False
        self._executor = fresh
        return True

    def _chunks(self, items: Iterator[Any]) -> Iterator[_Chunk]:
        """Yield the chunks in order, as they are done."""
        line: deque[_Chunk] = deque()
        ahead = min(_SLOTS, max(4, 4 * self._workers))
        exhausted = False
        try:
            while True:
                while not exhausted and len(line) < ahead and not self._progress.cancelled:
                    some = list(islice(items, self._size))
                    if not some:
                        exhausted = True
                        self._progress.all_planned()
                        break
                    chunk = _Chunk(some)
                    self._progress.planned(len(some))
                    line.append(chunk)
                    self._submit(chunk)
                if not line or self._progress.cancelled:
                    if self._progress.cancelled:
                        raise CancelledError
                    return
                self._look(line)
                while line and line[0].outcome is not None:
                    yield line.popleft()
        finally:
            self._part(line)

    def _submit(self, chunk: _Chunk) -> None:
        chunk.tries += 1
        chunk.slot = self._free.pop()
        self._board.write(chunk.slot, (0, 0, 0, 0, 0))
        try:
            chunk.future = self._executor.submit(work, self._order, chunk.items, chunk.slot)
        except BrokenExecutor as exc:  # since we looked
            if not self._renewed(exc):
                raise S3Error(f"the executor is broken: {exc}") from exc
            chunk.future = self._executor.submit(work, self._order, chunk.items, chunk.slot)

    def _look(self, line: deque[_Chunk]) -> None:
        """Wait a little, and see what has come."""
        under_way = [chunk.future for chunk in line if chunk.future is not None]
        wait([line[0].future] if line[0].future is not None else under_way, _TICK)
        for chunk in line:
            if chunk.future is None:
                continue
            if not chunk.future.done():
                self._count(chunk, self._board.read(chunk.slot))
                continue
            future, chunk.future = chunk.future, None
            self._free.append(chunk.slot)
            try:
                chunk.outcome = future.result()
            except (Exception, CancelledError) as exc:
                self._lost(chunk, exc)
            else:
                self._count(chunk, chunk.outcome.counts)
        self._display.tick()

    def _lost(self, chunk: _Chunk, error: BaseException) -> None:
        """Send a chunk out again whose worker died; what else went wrong is the failure of its objects, or of all."""
        self._count(chunk, (0, 0, 0, chunk.counted[3], 0))
        if self._progress.cancelled:
            return
        died = isinstance(error, (BrokenExecutor, CancelledError)) or type(error).__name__ in _LOST
        if not died:
            if isinstance(error, Unfit):
                chunk.outcome = self._failed(chunk, error)
                return
            raise error
        if isinstance(error, BrokenExecutor) and not self._usable() and not self._renewed(error):
            raise S3Error(f"the executor is broken: {error}") from error
        if chunk.tries >= _TRIES:
            names = f"{visible(str(chunk.items[0]), 80)} to {visible(str(chunk.items[-1]), 80)}"
            gone = S3Error(
                f"a worker died {chunk.tries} times at the {len(chunk.items)} objects {names}: {type(error).__name__}: {error}"
            )
            chunk.outcome = self._failed(chunk, gone)
            return
        self._progress.retried()
        self._submit(chunk)

    def _usable(self) -> bool:
        return not getattr(self._executor, "_broken", False)

    def _failed(self, chunk: _Chunk, error: S3Error) -> Outcome:
        self._count(chunk, (0, len(chunk.items), 0, chunk.counted[3], 0))
        return Outcome([error] * len(chunk.items))

    def _count(self, chunk: _Chunk, counts: tuple[int, ...]) -> None:
        done, failed, skipped, retried, size = (now - then for now, then in zip(counts, chunk.counted, strict=True))
        chunk.counted = counts
        if done or failed or skipped or size:
            self._progress.end(_Moved(size), done, failed, skipped)
        for _ in range(retried):
            self._progress.retried()

    def _unpack(self, outcome: Outcome) -> None:
        """Take in the bodies that a worker of this machine has left in our folder, or sent along."""
        store = self._store
        fd = -1 if outcome.parcel is None else os.open(outcome.parcel, os.O_RDONLY)
        try:
            for place, offset, size in outcome.places:
                found = outcome.results[place]
                data = os.pread(fd, size, offset)
                if len(data) != size:
                    raise S3Error(f"{visible(found.url)}: a worker's result is short")
                self._house(found, data)
        finally:
            if outcome.parcel is not None:
                os.close(fd)
                store.discard(outcome.parcel)
        for place, path in outcome.files:
            found = outcome.results[place]
            mine = store.new_path(found.object_key)
            os.replace(path, mine)
            found._path, found._store, found._given = mine, store, False
        for found in outcome.results:
            if isinstance(found, S3Object) and found._data is not None and found._store is not store:
                self._house(found, found._data)

    def _house(self, found: S3Object, data: bytes) -> None:
        """Give a body its place with us: in memory if there is room, else in a file."""
        found._store, found._given = self._store, False
        if self._store.hold(len(data)):
            found._data = data
            return
        path = self._store.new_path(found.object_key)
        fd = self._store.create(path, len(data))
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        found._data, found._path = None, path

    def _part(self, line: deque[_Chunk]) -> None:
        """On the way out with chunks under way: stop them."""
        futures = [chunk.future for chunk in line if chunk.future is not None]
        if not futures:
            return
        self._progress.cancel()
        self._board.stop()
        running = [future for future in futures if not future.cancel()]
        until = time.monotonic() + _FAREWELL
        while running and time.monotonic() < until:
            running = [future for future in running if not future.done()]
            time.sleep(_TICK / 4)
