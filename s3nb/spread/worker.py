"""Where the worker is: `hello` says whether it can do the work, `work` does a chunk. What executors are given to call."""

from __future__ import annotations

import atexit
import os
import pickle
import platform
import tempfile
import threading
import weakref
from concurrent.futures import CancelledError
from typing import Any

from s3nb.errors import BulkError, CredentialsError, S3Error, UnfitWorker
from s3nb.model import S3Object
from s3nb.progress import Snapshot
from s3nb.spread import order as orders
from s3nb.spread import parcel, travel
from s3nb.spread.board import Board
from s3nb.spread.order import Order, Outcome
from s3nb.spread.signals import Line
from s3nb.text import visible


class _Stop(BaseException):
    """The one who waits for us has given up."""


class _Desk:
    """What a thread keeps from one chunk to the next."""

    def __init__(self) -> None:
        self.packed: bytes | None = None
        self.order: Any = None
        self.function: Any = None
        self.client: Any = None
        self.settings: Any = None


_mine = threading.local()
_clients: weakref.WeakSet[Any] = weakref.WeakSet()
homes: set[str] = set()  # folders of those who gave us work


def hello(version: str, packed: bytes) -> str:
    """Make sure that this worker can do the work; before any of it is done. Returns its name."""
    _desk(version, packed)
    return name()


def work(version: str, packed: bytes, items: bytes, slot: int, number: int) -> bytes:
    """Run a chunk; returns an `Outcome`, pickled. ``number`` is that of this try: no two are the same to the executor."""
    desk = _desk(version, packed)
    order: Order = desk.order
    board = Board.find(order.folder, order.nonce)
    try:
        return pickle.dumps(_work(desk, order, pickle.loads(items), board, slot, number))  # noqa: S301  # as the order
    finally:
        if board is not None:
            board.close()


def _work(desk: _Desk, order: Order, items: list[Any], board: Board | None, slot: int, number: int) -> Outcome:
    near = board is not None and order.node == platform.node()
    line = None if near else Line.open(order.nonce, number)
    client, function = desk.client, desk.function
    last: list[tuple[int, ...]] = [(0, 0, 0, 0, 0)]
    called = 0

    def count(now: Snapshot) -> None:
        # what is fetched to be handed to a function is done when that returns
        last[0] = (now.done if function is None else called, now.failed, now.skipped, now.retried, now.bytes_done)
        look()

    def look() -> None:
        counts, stopped = last[0], False
        if board is not None:
            board.write(slot, counts)
            stopped = board.stopped
        if line is not None:
            line.write(counts)
            stopped = stopped or line.stopped
        if stopped:
            raise _Stop

    def apply(found: S3Object) -> Any:
        nonlocal called
        result = function(found)
        called += 1
        last[0] = (called, *last[0][1:])
        look()
        return result

    if board is not None:
        if board.stopped:
            raise CancelledError
        board.write(slot, last[0])
    client._progress = count
    call = getattr(client, order.method)
    try:
        results = call(items, **order.options) if function is None else call(apply, items, **order.options)
    except BulkError as exc:
        results = exc.results
    except _Stop:
        raise CancelledError from None
    except S3Error as exc:
        exc.add_note(f"on worker {name()}")
        raise
    finally:
        client._progress = False
    outcome = Outcome(list(results), last[0], worker=name())
    for place, found in enumerate(outcome.results):
        if isinstance(found, S3Error):
            if not near:
                found.add_note(f"on worker {outcome.worker}")
        elif order.function is not None and not isinstance(found, S3Object):
            outcome.results[place] = travel.pickled_value(found, lambda place=place: shown(client, items[place]))  # type: ignore[misc]
    if function is not None:
        bad = sum(isinstance(found, S3Error) for found in outcome.results)
        outcome.counts = (len(items) - bad, bad, *last[0][2:])
    parcel.pack(outcome, order.folder if board is not None else None)
    return outcome


def shown(client: Any, item: Any) -> str:
    """Return the URL of what is asked for, as it is shown."""
    return visible(location(client, item)[2])


def location(client: Any, item: Any) -> tuple[str, str, str]:
    """Return bucket, key and URL of what an item of a chunk is about."""
    item = getattr(item, "place", item)  # a put
    if isinstance(item, tuple) and not hasattr(item, "_fields"):
        item = item[0]  # a copy, a download
    if hasattr(item, "url") and hasattr(item, "bucket"):
        return item.bucket, item.key, item.url
    found: tuple[str, str, str] = client._at.locate(getattr(item, "key", item))
    return found


def name() -> str:
    """Return what people may find this worker by."""
    return f"{platform.node()}:{os.getpid()}"


def _desk(version: str, packed: bytes) -> _Desk:
    """Return this thread's desk, set up for an order."""
    desk: _Desk | None = getattr(_mine, "desk", None)
    if desk is None:
        desk = _mine.desk = _Desk()
    if desk.packed != packed:
        if version != orders.VERSION:
            raise UnfitWorker(
                f"worker {name()} has s3nb {orders.VERSION}, not {version}: install the same on all of them"
            )
        order: Order = pickle.loads(packed)  # noqa: S301  # from whoever gives us work
        desk.packed = None
        _settle(desk, order)
        desk.order, desk.packed = order, packed
        homes.add(order.home)
    if desk.order.shared is not None and not os.path.exists(desk.order.shared):
        raise UnfitWorker(
            f"worker {name()} does not see the folder {visible(os.path.dirname(desk.order.shared), 200)} of the other side: "
            "download to one that all machines share"
        )
    return desk


def _settle(desk: _Desk, order: Order) -> None:
    near = _sees(order)
    if desk.settings != (order.client, near and order.home):
        make, settings = pickle.loads(order.client)  # noqa: S301
        root = order.home if near else settings["tmproot"]
        if not (os.path.isdir(root) and os.access(root, os.W_OK)):
            root = tempfile.gettempdir()  # another machine
        client = make({**settings, "tmproot": root, "progress": False})
        try:
            client._core.account.credentials()
        except CredentialsError as exc:
            raise UnfitWorker(f"worker {name()} has no credentials of its own (they do not travel): {exc}") from None
        before, desk.client, desk.settings = desk.client, client, (order.client, near and order.home)
        if before is not None:
            before.close()
        if not _clients:
            atexit.register(_close_all)
        _clients.add(client)
    desk.function = None if order.function is None else _function(order)


def _sees(order: Order) -> bool:
    board = Board.find(order.folder, order.nonce)
    if board is None:
        return False
    board.close()
    return True


def _function(order: Order) -> Any:
    if order.python is not None and order.python != orders.python():
        raise UnfitWorker(
            f"worker {name()} runs Python {orders.python()}, not {order.python}: a function travels between the two only by name, "
            "in a module that both have"
        )
    try:
        return pickle.loads(order.function)  # type: ignore[arg-type]  # noqa: S301  # to run it is the work
    except Exception as exc:
        raise UnfitWorker(f"the function does not load on worker {name()}: {type(exc).__name__}: {exc}") from exc


def _close_all() -> None:
    for client in list(_clients):
        client.close()
