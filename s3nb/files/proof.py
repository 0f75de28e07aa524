"""Is it what S3 holds? Sums of an object that is read from its first byte to its last; compared before the last are given out.

Strategy. A CRC runs along in the reader's thread as pieces are handed out, each byte once. As a range's reply tells no sum of
the whole object, one HEAD asks for it, beside the reading, of whoever has read an eighth; until it has answered, every CRC that
is quick here runs. An object that is not large and whose ETag is its MD5 needs no HEAD. Bytes that are left out end it.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future
from typing import Any

from s3nb.checksum import Crc, Expected, crc
from s3nb.errors import IntegrityError
from s3nb.files import plan

_CRCS = ("crc32", "crc32c", "crc64nvme")


def comparable(want: Expected, size: int) -> bool:
    """Say whether a sum of all bytes can be compared as they are read, at little cost."""
    if want.parts:
        return False
    return crc(want.kind) is not None or (want.kind == "etag" and size <= plan.IN_MEMORY)


class Proof:
    """The running sums of one object.

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

    __slots__ = ("_crcs", "_md5", "asked", "at", "error", "size", "want")

    def __init__(self, size: int, want: Expected | None) -> None:
        self.size = size
        self.at = 0
        self.want: Expected | None = None
        self.asked: Future[Expected] | None = None
        self.error: IntegrityError | None = None
        self._crcs: list[tuple[Crc, int]] = [(known, 0) for known in map(crc, _CRCS if want is None else ()) if known]
        self._md5: Any = None
        if want is not None:
            self.know(want)

    def know(self, want: Expected) -> None:
        """Take note of what S3 says; sums of other kinds end here."""
        self.want = want
        if not self.at:
            known = crc(want.kind)
            self._crcs = [] if known is None else [(known, 0)]
            self._md5 = hashlib.md5(usedforsecurity=False) if want.kind == "etag" else None
        self._crcs = [(known, value) for known, value in self._crcs if known.name == want.kind]

    @property
    def able(self) -> bool:
        """Whether there is a sum to compare, or may be one."""
        return bool(self._crcs) or self._md5 is not None

    def due(self, stop: int) -> bool:
        """Say whether to ask S3 for its sum, now that the reader wants bytes up to ``stop``."""
        return self.want is None and self.asked is None and stop > max(plan.OPENING, self.size // 8)

    def add(self, start: int, data: bytes | memoryview) -> bool:
        """Take bytes that are about to be given out; False if some before them were not."""
        if start > self.at:
            return False
        stop = start + len(data)
        if stop <= self.at:
            return True
        if self.asked is not None and self.want is None and self.asked.done():
            self.know(self.asked.result())
        with memoryview(data) as whole, whole[self.at - start :] as fresh:
            self._crcs = [(known, known.update(fresh, value)) for known, value in self._crcs]  # type: ignore[arg-type]
            if self._md5 is not None:
                self._md5.update(fresh)
        self.at = stop
        return True

    def found(self) -> str:
        """Return the sum of all bytes, as S3 writes it."""
        if self._md5 is not None:
            return str(self._md5.hexdigest())
        known, value = self._crcs[0]
        return known.text(value)
