"""Digests of what is sent, in one pass and bounded memory."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable


class Digests:
    """CRC32 and, if asked for, SHA-256 of a body, fed piece by piece. Releases the GIL for large pieces."""

    __slots__ = ("_crc", "_sha")

    def __init__(self, *, sha256: bool) -> None:
        self._crc = 0
        self._sha = hashlib.sha256() if sha256 else None

    def update(self, data: bytes) -> None:
        """Add ``data``."""
        self._crc = zlib.crc32(data, self._crc)
        if self._sha is not None:
            self._sha.update(data)

    @property
    def crc32(self) -> str:
        """The CRC32 as S3 writes it in ``x-amz-checksum-crc32``: base64 of the big-endian number."""
        return crc32_text(self._crc)

    @property
    def sha256(self) -> str | None:
        """The SHA-256 in hex, or None if it was not asked for."""
        return None if self._sha is None else self._sha.hexdigest()


def crc32_text(value: int) -> str:
    """Return a CRC32 the way S3 writes it."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def md5_text(data: bytes) -> str:
    """Return the value of ``Content-MD5`` (RFC 1864)."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")


def digest(pieces: Iterable[bytes], *, sha256: bool) -> Digests:
    """Return the digests of all pieces."""
    digests = Digests(sha256=sha256)
    for piece in pieces:
        digests.update(piece)
    return digests


def pieces_of(read_at: Callable[[int, int], bytes], size: int, step: int = 1 << 20) -> Iterable[bytes]:
    """Yield ``size`` bytes in steps through ``read_at(offset, size)``."""
    for at in range(0, size, step):
        yield read_at(at, min(step, size - at))
