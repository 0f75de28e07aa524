"""What to get, and how the result is named; what a range of it means. No I/O."""

from __future__ import annotations

from s3nb.errors import IntegrityError, InvalidRange
from s3nb.model import S3Object
from s3nb.ranges import range_header
from s3nb.text import visible


class Wanted:
    """One object or a piece of it: bucket, key, range, version; base and URL of the result."""

    __slots__ = ("base", "bucket", "info", "key", "length", "missing_ok", "offset", "url", "version_id")

    def __init__(
        self,
        bucket: str,
        key: str,
        url: str,
        base: str | None = None,
        *,
        offset: int | None = None,
        length: int | None = None,
        version_id: str | None = None,
        info: bool = True,
        missing_ok: bool = False,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.url = url
        self.base = base
        self.offset = offset
        self.length = length
        self.version_id = version_id
        self.info = info
        self.missing_ok = missing_ok

    def missing(self) -> S3Object:
        """Return the result that says: there is none."""
        return S3Object(self.base, self.url, version_id=self.version_id)

    def query(self) -> tuple[tuple[str, str], ...]:
        """Return the query that names the version."""
        return () if self.version_id is None else (("versionId", self.version_id),)

    def asked(self) -> str | None:
        """Return the value of the Range header; None for the whole object."""
        return range_header(self.offset, self.length)

    def check(self) -> None:
        """Raise `InvalidRange` if no object has such a range."""
        if self.offset is not None and self.offset < 0:
            raise InvalidRange(
                f"{visible(self.url)}: offset must not be negative: {self.offset} (the last n bytes: length=-n)"
            )

    def check_reply(self, start: int, stop: int, total: int | None) -> None:
        """Raise `IntegrityError` unless bytes ``[start, stop)`` of ``total`` are those that were asked for."""
        if self.length is not None and self.length < 0:
            good = total is None or (stop == total and stop - start == min(-self.length, total))
        else:
            good = start == (self.offset or 0)
            if good and self.length is not None:
                good = stop - start <= self.length and (stop - start == self.length or total is None or stop == total)
        if not good:
            raise IntegrityError(
                f"{visible(self.url)}: asked for {self.asked()}, got bytes {start}-{stop - 1} of {total}",
                bucket=self.bucket, key=self.key, operation="GetObject",
            )  # fmt: skip

    def within(self, total: int | None) -> tuple[int, int]:
        """Return (start, size) of the range in an object of ``total`` bytes, for servers that ignore ranges."""
        offset, length = self.offset or 0, self.length
        if total is None:
            raise IntegrityError(f"{visible(self.url)}: the server ignores ranges and does not say how much it sends")
        if length is not None and length < 0:
            offset = max(0, total + length)
            length = None
        if offset >= total:
            raise InvalidRange(
                f"{visible(self.url)}: no byte at {offset}, the object has {total}",
                bucket=self.bucket, key=self.key, operation="GetObject", code="InvalidRange", status=416,
            )  # fmt: skip
        return offset, total - offset if length is None else min(length, total - offset)
