"""What to put where, and what it gave."""

from __future__ import annotations

from collections.abc import Sequence

from s3nb.config import TransferConfig


class Placed:
    """What to put where: bucket, key, URL, and the headers of the object.

    ``exclusive``: only if there is no object; ``match``: only in place of the one with this ETag. ``checksum``: S3's name for the
    one that is sent along, empty for none; None for what the configuration says.
    """

    __slots__ = ("bucket", "checksum", "exclusive", "headers", "key", "match", "url")

    def __init__(
        self,
        bucket: str,
        key: str,
        url: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        exclusive: bool = False,
        match: str | None = None,
        checksum: str | None = None,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.url = url
        self.headers = tuple(headers)
        self.exclusive = exclusive
        self.match = match
        self.checksum = checksum

    def checksum_of(self, config: TransferConfig) -> str:
        """Return S3's name of the checksum that is sent along; empty if there is none."""
        if self.checksum is not None:
            return self.checksum
        return "crc32" if config.upload_checksum else ""

    def conditions(self) -> list[tuple[str, str]]:
        """Return the headers of the request that makes the object."""
        if self.exclusive:
            return [("If-None-Match", "*")]
        return [("If-Match", self.match)] if self.match is not None else []


class Stored:
    """What a put gave: URL, ETag, version; ``skipped`` if an object was there and was to be kept."""

    __slots__ = ("etag", "skipped", "url", "version_id")

    def __init__(
        self, url: str, etag: str | None = None, version_id: str | None = None, *, skipped: bool = False
    ) -> None:
        self.url = url
        self.etag = etag
        self.version_id = version_id
        self.skipped = skipped
