"""Is it what S3 holds? Sums of an object that is read from its first byte to its last; compared before the last are given out.

Strategy. A CRC runs along in the reader's thread as pieces are handed out, each byte once. As a range's reply tells no sum of
the whole object, one HEAD asks for it, beside the reading, of whoever has read an eighth; until it has answered, every CRC that
is quick here runs. An object that is not large and whose ETag is its MD5 needs no HEAD. Bytes that are left out end it.

An object that was uploaded in parts may have sums of its parts alone. They need to be cut where the parts end, and a second HEAD
tells where that is. Both are sent soon, before the first part can end (S3 has none below 5 MiB); what is given out until they are
answered is kept, from the memory of all files, or not, and then nothing is proved.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from s3nb.checksum import SIZE, Crc, Expected, crc, of_parts
from s3nb.errors import IntegrityError
from s3nb.files import plan
from s3nb.files.budget import MEMORY
from s3nb.ranges import MIB

_SOON = 4 * MIB  # bytes that somebody has read who is asked for parts
_KEPT = 8 * MIB  # bytes given out beyond which the next read waits for the answer
ANSWER = 10.0  # seconds that a read waits for it
Told = tuple[Expected, int]  # what S3 says, and the length of its parts; 0 if there are none, or it does not say
_CRCS = ("crc32", "crc32c", "crc64nvme")


def comparable(want: Expected, size: int) -> bool:
    """Say whether a sum of all bytes can be compared as they are read, at little cost."""
    if want.parts:
        return False
    return crc(want.kind) is not None or (want.kind == "etag" and size <= plan.IN_MEMORY)


def summable(want: Expected) -> bool:
    """Say whether a sum of parts' sums can be compared."""
    return bool(want.parts) and (crc(want.algorithm) is not None or want.algorithm in ("md5", "sha1", "sha256"))


class _Parts:
    """The sums of an object's parts, of ``length`` bytes each but the last."""

    def __init__(self, want: Expected, length: int) -> None:
        self._want = want
        self.length = length
        self._known = crc(want.algorithm)
        self._sums: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._at = self._value = 0
        self._digest: Any = None if self._known else hashlib.new(self._want.algorithm, usedforsecurity=False)

    def update(self, data: memoryview) -> None:
        while data:
            piece = data[: self.length - self._at]
            data = data[len(piece) :]
            if self._known is not None:
                self._value = self._known.update(piece, self._value)  # type: ignore[arg-type]
            else:
                self._digest.update(piece)
            self._at += len(piece)
            if self._at == self.length:
                self._end()

    def _end(self) -> None:
        known = self._known
        self._sums.append(self._value.to_bytes(known.width, "big") if known is not None else self._digest.digest())
        self._begin()

    def found(self) -> str:
        if self._at:
            self._end()
        return of_parts(self._want, self._sums)


class Proof:
    """The running sums of one object, that was uploaded in ``count`` parts (0: in one piece).

    Attributes
    ----------
    at : int
        Bytes that have been read, without a gap.
    want : Expected or None
        What they should come to; None if that is not known yet.
    asked : Future or None
        The answer, if S3 was asked.
    error : IntegrityError or None
        The verdict, if it was bad.
    """

    __slots__ = ("_crcs", "_held", "_kept", "_md5", "_parts", "asked", "at", "count", "error", "size", "want")

    def __init__(self, size: int, want: Expected | None, count: int = 0) -> None:
        self.size = size
        self.count = count
        self.at = 0
        self.want: Expected | None = None
        self.asked: Future[Told] | None = None
        self.error: IntegrityError | None = None
        self._crcs: list[tuple[Crc, int]] = [(known, 0) for known in map(crc, _CRCS if want is None else ()) if known]
        self._md5: Any = None
        self._parts: _Parts | None = None
        self._kept: list[bytes] | None = [] if count else None
        self._held = 0  # bytes of them
        if want is not None:
            self.know(want)

    def know(self, want: Expected, length: int = 0) -> None:
        """Take note of what S3 says; sums of other kinds end here. ``length``: of the parts that the sum is of."""
        self.want = want
        if want.parts:
            self._crcs = []
            if self._kept is not None and length and -(-self.size // length) == want.parts:
                self._parts = _Parts(want, length)
                for piece in self._kept:
                    self._parts.update(memoryview(piece))
            self.release()
            return
        self.release()
        if not self.at:
            known = crc(want.kind)
            self._crcs = [] if known is None else [(known, 0)]
            self._md5 = hashlib.md5(usedforsecurity=False) if want.kind == "etag" else None
        self._crcs = [(known, value) for known, value in self._crcs if known.name == want.kind]

    @property
    def able(self) -> bool:
        """Whether there is a sum to compare, or may be one."""
        return bool(self._crcs) or self._md5 is not None or self._parts is not None or self._kept is not None

    def release(self) -> None:
        """Give back what is kept."""
        held, self._held, self._kept = self._held, 0, None
        MEMORY.give(held)

    def due(self, stop: int) -> bool:
        """Say whether to ask S3 for its sum, now that the reader wants bytes up to ``stop``."""
        share = self.size // 8
        return (
            self.want is None
            and self.asked is None
            and stop > max(plan.OPENING, min(share, _SOON) if self.count else share)
        )

    def hear(self, wait: bool) -> None:
        """Take the answer, if there is one; ``wait`` for it."""
        if self.asked is None or self.want is not None:
            return
        try:
            self.know(*self.asked.result(ANSWER if wait else 0))
        except (TimeoutError, NotYet):
            if wait:
                self.know(SIZE)  # not verified, as `verified` says

    def add(self, start: int, data: bytes | memoryview) -> bool:
        """Take bytes that are about to be given out; False if some before them were not."""
        if start > self.at:
            return False
        stop = start + len(data)
        if stop <= self.at:
            return True
        # a buffer is the reader's, and may be another in a moment: it is not kept
        self.hear(wait=self._kept is not None and (stop > _KEPT or not isinstance(data, bytes)))
        with memoryview(data) as whole, whole[self.at - start :] as fresh:
            if self._parts is not None:
                self._parts.update(fresh)
            elif self._kept is not None:
                self._keep(fresh, stop)
            self._crcs = [(known, known.update(fresh, value)) for known, value in self._crcs]  # type: ignore[arg-type]
            if self._md5 is not None:
                self._md5.update(fresh)
        self.at = stop
        return True

    def _keep(self, fresh: memoryview, stop: int) -> None:
        if stop > 2 * _KEPT or not MEMORY.take(len(fresh)):
            self.release()
            return
        assert self._kept is not None
        self._kept.append(bytes(fresh))
        self._held += len(fresh)

    @property
    def length(self) -> int:
        """Bytes of a part, of all but the last, if the sum is one of parts' sums; else 0."""
        return 0 if self._parts is None else self._parts.length

    def found(self) -> str:
        """Return the sum of all bytes, as S3 writes it."""
        if self._parts is not None:
            return self._parts.found()
        if self._md5 is not None:
            return str(self._md5.hexdigest())
        known, value = self._crcs[0]
        return known.text(value)
