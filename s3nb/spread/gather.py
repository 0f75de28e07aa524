"""Where the user is: chunks are handed out, watched, handed out again if their worker dies, and gathered in order."""

from __future__ import annotations

import pickle
import platform
import pydoc
import secrets
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from typing import Any

from s3nb import bars
from s3nb.errors import S3Error, UnfitWorker
from s3nb.model import Results
from s3nb.progress import Progress
from s3nb.spread import order as orders
from s3nb.spread import parcel, travel
from s3nb.spread.board import Board
from s3nb.spread.order import TRIES, Order, Outcome
from s3nb.spread.pools import Pools, no_start, workers_of
from s3nb.spread.signals import Ear, each_worker
from s3nb.spread.worker import hello, location, work
from s3nb.text import visible
from s3nb.transfer.local import Store

_TICK = 0.1  # seconds
_FAREWELL = 1.5  # seconds that workers have to stop
_BUSY = 5.0  # seconds after which a worker that does not answer is taken to be at other work
_AGAIN = 5.0  # seconds between looks at how many workers there are
_HELD = 256 << 20  # bytes that chunks under way carry along, at most
_SPARED = 5  # times that a chunk which had not begun is not suspected
_KILLED = "KilledWorker"  # Dask has tried it on several that died
_LOST = (_KILLED, "CommClosedError", "FutureCancelledError", "FutureLostError")  # what Dask calls a worker that died


class _Moved:
    """Bytes that a chunk has moved, for `Progress`."""

    def __init__(self, size: int) -> None:
        self._size = size

    def moved(self) -> int:
        return self._size

    def expected(self) -> int | None:
        return self._size


class _Chunk:
    __slots__ = (
        "alone",
        "counted",
        "executor",
        "future",
        "items",
        "number",
        "outcome",
        "slot",
        "spared",
        "tries",
        "weight",
    )

    def __init__(self, items: list[Any], tries: int = 0, alone: bool = False) -> None:
        self.items = items
        self.tries = tries  # that have failed
        self.alone = alone  # it may be what kills its worker
        self.slot = self.number = self.spared = 0
        self.counted: tuple[int, ...] = (0, 0, 0, 0, 0)
        self.executor: Executor | None = None
        self.future: Future[bytes] | None = None
        self.outcome: Outcome | None = None
        self.weight = sum(map(travel.weight, items))


class Spread:
    """One many-operation over an executor.

    Parameters
    ----------
    client : S3
        Its settings travel.
    store, pools
        Where results go; its own processes.
    executor : Executor
    method, options, function
        What of a client a worker calls with a chunk: ``method([function,] items, **options)``.
    shared : str, optional
        A file that workers must see.
    """

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
        shared: str | None = None,
    ) -> None:
        self._client = client
        self._store = store
        self._pools = pools
        self._executor = executor
        self._own = pools.has(executor)
        self._workers = workers_of(executor)
        self._looked = time.monotonic()
        self._size = orders.chunk_size(method, total, self._workers)
        self._verb = verb
        self._number = 0
        self._gone: S3Error | None = None  # why nothing can be handed out any more
        make, (settings,) = client.__reduce__()
        code, python = (None, None) if function is None else travel.pickled_function(function, executor)
        made = pickle.dumps((make, settings))
        self._progress = Progress(verb, total)
        self._display = bars.display(self._progress, setting)
        self._folder = tempfile.mkdtemp(prefix="work.", dir=store.folder)
        nonce = secrets.token_bytes(16)
        self._packed = pickle.dumps(
            Order(made, method, options or {}, code, python, platform.node(), store.folder, self._folder, nonce, shared)
        )
        slots = max(256, 4 * self._workers)
        self._free = list(range(slots))
        self._board = Board.create(self._folder, nonce, slots)
        self._ear = Ear(executor, nonce)
        self._progress.on_cancel(self._board.stop)

    def run(self, items: Iterable[Any]) -> tuple[list[Any], dict[int, Any]]:
        """Run it; results in the order of ``items``, failures in their places, and the items of those by place."""
        results: list[Any] = []
        failed: dict[int, Any] = {}
        try:
            self._check()
            for chunk in self._chunks(iter(items)):
                outcome = chunk.outcome
                assert outcome is not None
                parcel.unpack(outcome, self._store)
                for item, result in zip(chunk.items, outcome.results, strict=True):
                    if isinstance(result, orders.Value):
                        result = travel.loaded_value(result, lambda item=item: self._shown(item))  # type: ignore[misc]
                    if isinstance(result, S3Error):
                        failed[len(results)] = item
                    results.append(result)
        except BaseException as exc:
            exc.s3nb_partial = Results(results, verb=self._verb)  # type: ignore[attr-defined]  # see s3nb.jobs.partial_of
            raise
        finally:
            self._progress.finish()
            self._ear.close()
            self._board.close()
            shutil.rmtree(self._folder, ignore_errors=True)  # a worker that comes late finds no place for its results
            self._display.close()  # calls the user's code
        return results, failed

    # -- before ---------------------------------------------------------------------------------

    def _check(self) -> None:
        """Ask the workers whether they can (all, if they can be told apart), before there is anything to lose."""
        try:
            self._greet()
        except BrokenExecutor as exc:  # since the last time, perhaps: an idle worker was killed
            if not self._renewed(self._executor):
                raise S3Error(f"executor= is broken: {exc}") from exc
            try:
                self._greet()
            except BrokenExecutor as broken:
                self._renewed(self._executor)
                raise S3Error(no_start()) from broken

    def _greet(self) -> None:
        if not self._own:
            # a worker that cannot load what it is to call may end, and be started again, for ever: at first something that it has
            self._ask(_versions, pydoc.locate, "s3nb.spread.order.VERSION")
        self._ask(_refusal, hello, orders.VERSION, self._packed)

    def _ask(self, judge: Callable[[Future[Any], str], BaseException | None], function: Any, *args: Any) -> None:
        """Have each worker call something, and raise what speaks against those that answer."""
        asked: dict[Future[Any], str] = {}
        try:
            for address, choice in (each_worker(self._executor) or {"": {}}).items():
                asked[self._executor.submit(function, *args, **choice)] = address
        except BrokenExecutor:
            raise
        except Exception as exc:
            raise _no_more(self._executor, exc) from exc
        try:
            since = time.monotonic()
            while True:
                done, left = wait(asked, _TICK)
                if not left or (done and time.monotonic() - since > _BUSY):
                    break
                self._display.tick()
            refusals = [error for future in done if (error := judge(future, asked[future])) is not None]
        finally:
            self._uncancelled(asked)
        if len(refusals) == 1:
            raise refusals[0]
        if refusals:
            raise UnfitWorker(
                f"{len(refusals)} of {len(asked)} workers cannot do the work: " + "; ".join(map(str, refusals[:3]))
            )

    def _renewed(self, broken: Executor | None) -> bool:
        """Put a new pool in the place of a broken one; False if it is not ours."""
        fresh = None if broken is None else self._pools.renew(broken)
        if fresh is not None and broken is self._executor:
            self._executor = fresh
        return fresh is not None

    # -- meanwhile --------------------------------------------------------------------------------

    def _chunks(self, items: Iterator[Any]) -> Iterator[_Chunk]:
        """Yield the chunks in order, as they are done."""
        line: deque[_Chunk] = deque()
        source: Iterator[list[Any]] | None = orders.chunks(items, self._size, travel.weight)
        try:
            while True:
                source = self._fill(line, source)
                if self._progress.cancelled:
                    raise CancelledError
                if not line:
                    return
                self._look(line)
                while line and line[0].outcome is not None:
                    yield line.popleft()
        finally:
            self._part(line)

    def _fill(self, line: deque[_Chunk], source: Iterator[list[Any]] | None) -> Iterator[list[Any]] | None:
        """Hand out what waits, then more, as far as workers have use for it; None if there is no more."""
        if time.monotonic() - self._looked > _AGAIN:
            self._looked = time.monotonic()
            self._workers = workers_of(self._executor)
        most = min(len(self._free), max(4, 3 * self._workers) - sum(chunk.future is not None for chunk in line))
        alone = any(chunk.alone and chunk.future is not None for chunk in line)
        for chunk in line:
            if (
                most > 0
                and chunk.future is None
                and chunk.outcome is None
                and not (self._own and chunk.alone and alone)
            ):
                most -= 1
                alone = alone or chunk.alone
                self._submit(chunk)
        held = sum(chunk.weight for chunk in line)
        while source is not None and most > 0 and len(line) < max(16, 12 * self._workers) and held < _HELD:
            if self._progress.cancelled:
                return source
            some = next(source, None)
            if some is None:
                self._progress.all_planned()
                return None
            chunk = _Chunk(some)
            held += chunk.weight
            most -= 1
            self._progress.planned(len(some))
            line.append(chunk)
            self._submit(chunk)
        return source

    def _submit(self, chunk: _Chunk) -> None:
        if self._gone is not None:
            chunk.outcome = self._failed(chunk, self._gone)
            return
        self._number += 1
        chunk.number, chunk.slot = self._number, self._free.pop()
        self._board.clear(chunk.slot)
        items = pickle.dumps(chunk.items)
        for again in (False, True):
            chunk.executor = self._pools.alone() if self._own and chunk.alone else self._executor
            try:
                chunk.future = chunk.executor.submit(
                    work, orders.VERSION, self._packed, items, chunk.slot, chunk.number
                )
                return
            except Exception as exc:
                if isinstance(exc, BrokenExecutor) and not again and self._renewed(chunk.executor):
                    continue  # it broke since we looked
                self._gone = _no_more(chunk.executor, exc)
                self._free.append(chunk.slot)
                chunk.outcome = self._failed(chunk, self._gone)
                return

    def _look(self, line: deque[_Chunk]) -> None:
        """Wait a little, and see what has come."""
        wait([chunk.future for chunk in line if chunk.future is not None], _TICK, FIRST_COMPLETED)
        for chunk in list(line):
            if chunk.future is None:
                continue
            if not chunk.future.done():
                self._count(chunk, max(self._board.read(chunk.slot), self._ear.heard.get(chunk.number, ())))
                continue
            future, chunk.future = chunk.future, None
            begun = self._board.begun(chunk.slot)
            self._free.append(chunk.slot)
            self._ear.heard.pop(chunk.number, None)
            try:
                chunk.outcome = pickle.loads(future.result())  # noqa: S301  # by whom we have given work
            except (Exception, CancelledError) as exc:
                self._lost(line, chunk, exc, begun)
            else:
                self._count(chunk, chunk.outcome.counts)
        self._display.tick()

    def _lost(self, line: deque[_Chunk], chunk: _Chunk, error: BaseException, begun: bool) -> None:
        """See to a chunk that did not come back: its worker died, or cannot do it, or nobody can."""
        self._count(chunk, (0, 0, 0, chunk.counted[3], 0))
        if self._progress.cancelled:
            return
        if isinstance(error, BrokenExecutor) and getattr(chunk.executor, "_broken", True):
            if not self._renewed(chunk.executor):
                if chunk.executor is self._executor:
                    self._gone = self._gone or _no_more(chunk.executor, error)
                    chunk.outcome = self._failed(chunk, self._gone)
                    return
            elif not begun and chunk.spared < _SPARED:
                chunk.spared += 1
                return  # it waited in the pool that another one broke
        killed = isinstance(error, BrokenExecutor) or type(error).__name__ in _LOST
        if not killed and not isinstance(error, (CancelledError, UnfitWorker)):
            raise error
        chunk.tries += 2 if type(error).__name__ == _KILLED else 1
        self._progress.retried(error)
        if isinstance(error, UnfitWorker):
            if chunk.tries >= TRIES:
                chunk.outcome = self._failed(chunk, error)
        elif killed:
            chunk.alone = True
            if chunk.tries >= 2 and len(chunk.items) > 1:
                self._cut(line, chunk)
            elif chunk.tries >= TRIES:
                text = f"a worker died at it, {chunk.tries} times: {type(error).__name__}: {visible(str(error), 200)}"
                chunk.outcome = self._failed(chunk, S3Error(text))
        elif chunk.tries >= TRIES:
            chunk.outcome = self._failed(chunk, S3Error(f"its chunk was cancelled {chunk.tries} times by the executor"))

    def _cut(self, line: deque[_Chunk], chunk: _Chunk) -> None:
        """Put pieces in the place of a chunk, to find which of its objects kills workers."""
        place = line.index(chunk)
        del line[place]
        for some in reversed(orders.pieces(chunk.items)):
            line.insert(place, _Chunk(some, chunk.tries, True))

    def _shown(self, item: Any) -> str:
        return visible(location(self._client, item)[2])

    def _failed(self, chunk: _Chunk, error: S3Error) -> Outcome:
        """Return the outcome that says the same of all objects of a chunk."""
        self._count(chunk, (0, len(chunk.items), 0, chunk.counted[3], 0))
        results = []
        for item in chunk.items:
            bucket, key, url = location(self._client, item)
            results.append(type(error)(f"{visible(url)}: {error}", bucket=bucket, key=key))
            results[-1].__cause__ = error.__cause__
        return Outcome(results)

    def _count(self, chunk: _Chunk, counts: tuple[int, ...]) -> None:
        done, failed, skipped, retried, size = (now - then for now, then in zip(counts, chunk.counted, strict=True))
        chunk.counted = counts
        if done or failed or skipped or size:
            self._progress.end(_Moved(size), done, failed, skipped)
        for _ in range(retried):
            self._progress.retried()

    # -- after ------------------------------------------------------------------------------------

    def _part(self, line: deque[_Chunk]) -> None:
        """On the way out with chunks under way: stop them; processes of ours that do not stop are ended."""
        under_way = [chunk for chunk in line if chunk.future is not None]
        if not under_way:
            return
        self._progress.cancel()
        self._board.stop()
        wait(self._uncancelled(chunk.future for chunk in under_way if chunk.future is not None), _FAREWELL)
        running = [chunk for chunk in under_way if chunk.future is not None and not chunk.future.done()]
        for executor in {chunk.executor for chunk in running if chunk.executor is not None}:
            self._pools.kill(executor)

    def _uncancelled(self, futures: Iterable[Future[Any]]) -> list[Future[Any]]:
        """Cancel futures, and return those that go on.

        Ours all do, looking at the board: if a process dies, its pool trips over those that were cancelled (CPython's
        ``terminate_broken``).
        """
        return [future for future in futures if self._own or not future.cancel()]


def _no_more(executor: Executor | None, error: BaseException) -> S3Error:
    """Return the error that says why an executor takes no work."""
    kind = type(executor).__name__
    what = "is broken" if isinstance(error, BrokenExecutor) else "takes no work"
    made = S3Error(f"executor= ({kind}) {what}: {type(error).__name__}: {visible(str(error), 300)}")
    made.__cause__ = error
    return made


def _refusal(answer: Future[Any], address: str) -> BaseException | None:
    """Return what speaks against a worker that was asked to do something."""
    try:
        error = answer.exception()
    except CancelledError as exc:
        error = exc
    if error is None or isinstance(error, (S3Error, BrokenExecutor)) or not isinstance(error, Exception):
        return error
    where = f"worker {address}" if address else "a worker"
    if isinstance(error, CancelledError) or type(error).__name__ in _LOST:
        made = S3Error(
            f"{where} was lost when it was asked whether it can do the work: {type(error).__name__}: {error}"
        )
    else:
        made = UnfitWorker(f"{where} cannot run s3nb: {type(error).__name__}: {visible(str(error), 300)}")
    made.__cause__ = error
    return made


def _versions(answer: Future[Any], address: str) -> BaseException | None:
    """The same, of one that was asked for its version."""
    error = _refusal(answer, address)
    if error is not None or answer.result() == orders.VERSION:
        return error
    where = f"worker {address}" if address else "a worker"
    theirs = "another s3nb, or none" if answer.result() is None else f"s3nb {answer.result()}"
    return UnfitWorker(f"{where} has {theirs}, not {orders.VERSION}: install the same on all of them")
