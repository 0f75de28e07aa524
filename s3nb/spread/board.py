"""Numbers that several processes of one machine see: a file mapped by all. One writer a slot."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from typing import Any

_SLOT = struct.Struct("<6Q")  # done, failed, skipped, retried, bytes; whether the chunk has begun
_HEAD = 32  # bytes before the slots: a nonce, and in the last whether to stop
NAME = "board"


class Board:
    """See the module. Made by who gives the order, found by who works."""

    def __init__(self, file: Any) -> None:
        self._map = mmap.mmap(file.fileno(), 0)

    @classmethod
    def create(cls, folder: str, nonce: bytes, slots: int) -> Board:
        with open(os.path.join(folder, NAME), "xb+") as file:
            file.write(nonce.ljust(_HEAD, b"\0") + bytes(slots * _SLOT.size))
            file.flush()
            return cls(file)

    @classmethod
    def find(cls, folder: str, nonce: bytes) -> Board | None:
        """Return the board, if its folder is seen from here."""
        try:
            with open(os.path.join(folder, NAME), "rb+") as file:
                if file.read(len(nonce)) == nonce:
                    return cls(file)
        except OSError:
            pass
        return None

    def clear(self, slot: int) -> None:
        """Get a slot ready for a chunk."""
        self._put(slot, (0, 0, 0, 0, 0), 0)

    def write(self, slot: int, counts: Sequence[int]) -> None:
        """Say how far a chunk is; that says that it has begun."""
        self._put(slot, counts, 1)

    def _put(self, slot: int, counts: Sequence[int], begun: int) -> None:
        _SLOT.pack_into(self._map, _HEAD + slot * _SLOT.size, *counts, begun)

    def read(self, slot: int) -> tuple[int, ...]:
        return _SLOT.unpack_from(self._map, _HEAD + slot * _SLOT.size)[:5]

    def begun(self, slot: int) -> bool:
        return bool(_SLOT.unpack_from(self._map, _HEAD + slot * _SLOT.size)[5])

    @property
    def stopped(self) -> bool:
        return self._map[_HEAD - 1] != 0

    def stop(self) -> None:
        if not self._map.closed:
            self._map[_HEAD - 1] = 1

    def close(self) -> None:
        self._map.close()
