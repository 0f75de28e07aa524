"""What travels: an order, the same for all chunks; keys; an outcome. And how work is cut. No I/O."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 3  # of what travels; another one is another s3nb
VERSION = f"{sys.modules['s3nb'].__version__}/{PROTOCOL}"  # what both sides must have in common
TRIES = 3  # of a chunk whose worker died
# keys of a chunk, at most: enough to keep a worker's connections busy, few enough that one lost is no loss
_CHUNK = {"delete_many": 5000, "info_many": 1000, "map": 250}
_USUAL_CHUNK = 500
_SHARES = 8  # chunks that a worker should get of a whole, so that all end at about the same time
_WEIGHT = 32 << 20  # bytes that a chunk carries along, at most, unless one object is more
_ONE_BY_ONE = 128  # objects of a chunk that kills its workers, from which on it is cut into pieces, not objects
_PIECES = 16


@dataclass(frozen=True)
class Order:
    """What a worker needs to know.

    Attributes
    ----------
    client : bytes
        What makes a client, and its settings; pickled.
    method, options
        What of it to call, and how.
    function : bytes or None
        The user's, pickled; by value if ``python`` says of what version.
    node : str
        The machine that gives the order.
    home, folder, nonce
        The folder of its client, and in it that of this operation, with a board that begins with ``nonce``.
    shared : str or None
        A file in the folder that results are to appear in, which workers must see.
    """

    client: bytes
    method: str
    options: dict[str, Any]
    function: bytes | None
    python: str | None
    node: str
    home: str
    folder: str
    nonce: bytes
    shared: str | None


@dataclass
class Outcome:
    """What became of a chunk."""

    results: list[Any]
    counts: tuple[int, ...] = (0, 0, 0, 0, 0)
    parcel: str | None = None
    places: list[tuple[int, int, int]] = field(default_factory=list)  # place in results, offset, size
    files: list[tuple[int, str]] = field(default_factory=list)
    worker: str = ""


@dataclass(frozen=True)
class Value:
    """What a user's function returned, pickled by itself: so that one that does not load spoils no other."""

    data: bytes


def python() -> str:
    """Return the version of Python, as far as code depends on it."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def chunk_size(method: str, total: int | None, workers: int) -> int:
    """Return the number of keys in a chunk."""
    most = _CHUNK.get(method, _USUAL_CHUNK)
    return most if total is None else max(1, min(most, -(-total // (workers * _SHARES))))


def chunks(items: Iterator[Any], size: int, weight: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Cut an input into lists of ``size`` items, or fewer if they are heavy. Lazy."""
    some: list[Any] = []
    heavy = 0
    for item in items:
        more = weight(item)
        if some and (len(some) == size or heavy + more > _WEIGHT):
            yield some
            some, heavy = [], 0
        some.append(item)
        heavy += more
    if some:
        yield some


def pieces(items: Sequence[Any]) -> list[list[Any]]:
    """Cut a chunk that kills its workers, to find out which of its objects does it."""
    size = 1 if len(items) <= _ONE_BY_ONE else -(-len(items) // _PIECES)
    return [list(items[at : at + size]) for at in range(0, len(items), size)]
