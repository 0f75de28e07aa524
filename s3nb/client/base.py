"""What all parts of the client stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from s3nb import farewell, many
from s3nb.addressing import Addresses, each
from s3nb.config import TransferConfig
from s3nb.core import Core
from s3nb.errors import ClientClosed
from s3nb.model import Results, S3Object
from s3nb.progress import Snapshot
from s3nb.transfer.local import Store
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Named

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from s3nb.spread import Pools

Directory = str | Named | S3Object  # a prefix, taken as a directory
Progress = bool | str | Callable[[Snapshot], object] | None


class Base:
    """What all parts of the client stand on: where its names point, what it runs on, how work is shared."""

    _at: Addresses
    _config: TransferConfig
    _store: Store
    _pools: Pools | None
    _encryption: str | None
    _progress: Progress
    _core: Core

    def _alive(self) -> Core:
        if self._core.closed:
            raise ClientClosed("this client was closed: make a new one, or stay inside its 'with' block")
        return self._core

    def _check_all(self, keys: Iterable[Any]) -> None:
        """Find a bad key before the first request, where the keys can be read twice."""
        if isinstance(keys, (list, tuple)) and not hasattr(keys, "_fields"):
            for key in keys:
                if isinstance(key, str):
                    self._at.locate(key)
                elif not isinstance(key, Wanted):
                    self._at.wanted(key)

    def _kept(self, found: Iterator[S3Object]) -> Iterator[S3Object]:
        """Pass on what a lazy operation yields, and stay alive meanwhile: nobody else may hold the client."""
        yield from found

    def _workers(self, processes: int | bool | None, executor: Executor | None) -> Executor | None:
        """Return what shares the work; None: it is done here."""
        if processes is None and executor is None:
            return None
        from s3nb import spread

        if self._pools is None:
            farewell.ready()
            self._pools = spread.Pools()
        return spread.executor_of(self._pools, processes, executor)

    def _shared(
        self,
        method: str,
        verb: str,
        items: Iterable[Any],
        options: dict[str, Any],
        processes: int | bool | None,
        executor: Executor | None,
        function: Any = None,
        *,
        ready: Callable[[Any], Any] | None = None,
        settle: Callable[[list[Any], dict[int, Any], many.Do], Results] | None = None,
        shared: str | None = None,
    ) -> Results | None:
        """Do a many-operation in other processes, or elsewhere; None if it is to be done here.

        ``ready`` makes of an item what travels, ``settle`` of what came what is returned; ``shared``: a file that workers must see.
        """
        if self._workers(processes, executor) is None:
            return None
        from s3nb import spread

        self._alive()

        def do(some: Iterable[Any], total: int | None) -> tuple[list[Any], dict[int, Any]]:
            chosen = self._workers(processes, executor)
            assert chosen is not None
            assert self._pools is not None
            work = spread.Spread(
                self, self._store, self._pools, chosen, method, verb=verb, options=options, function=function, total=total,
                setting=self._progress, shared=shared,
            )  # fmt: skip
            return work.run(some)

        def again(some: list[Any]) -> tuple[list[Any], dict[int, Any]]:
            return do(some, len(some))

        iterator = each(items)
        results, failed = do(iterator if ready is None else map(ready, iterator), count_of(items))
        return many.settled(verb, results, failed, again) if settle is None else settle(results, failed, again)

    def _sendable(self, key: Any, *, info: bool = True, missing_ok: bool = False) -> Any:
        """Return a key in a form that travels, whatever it is."""
        if isinstance(key, str):
            return str.__str__(key)
        return key if isinstance(key, Wanted) else self._at.wanted(key, info=info, missing_ok=missing_ok)


def count_of(items: Any) -> int | None:
    """Return the number of items, if it is known."""
    try:
        return len(items)
    except TypeError:
        return None
