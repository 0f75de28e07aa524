"""Ranges and parts: pure planning, no I/O. Ranges are half-open; only the wire is inclusive."""

from __future__ import annotations

import re
from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_SIZE = 5 * MIB
MAX_PART_SIZE = 5 * GIB
MAX_PARTS = 10_000
MAX_PUT_SIZE = 5 * GIB
MAX_COPY_SIZE = 5 * GIB


class Part(NamedTuple):
    """One piece of an object: part ``number`` (from 1, as S3 counts) is bytes ``[start, stop)``."""

    number: int
    start: int
    stop: int


def upload_part_size(size: int, part_size: int) -> int:
    """Return the smallest part size S3 will take for an object of ``size`` bytes, at least ``part_size``.

    Raises
    ------
    ValueError
        The object does not fit into 10,000 parts of 5 GiB.
    """
    needed = max(part_size, MIN_PART_SIZE, -(-size // MAX_PARTS))
    if needed > MAX_PART_SIZE:
        raise ValueError(f"{size} bytes are more than S3's {MAX_PARTS} parts of 5 GiB")
    return -(-needed // MIB) * MIB if needed < MAX_PART_SIZE else needed


def stream_part_size(number: int, part_size: int) -> int:
    """Return the size of part ``number`` of a stream whose end is not known.

    Parts double every 1,000, so that 10,000 parts reach beyond what S3 can hold while short streams keep
    small parts: with 8 MiB parts, 1,000 parts hold 8 GiB and 10,000 hold 8 TiB.
    """
    return int(min(max(part_size, MIN_PART_SIZE) << ((number - 1) // 1000), MAX_PART_SIZE))


def plan_parts(size: int, part_size: int) -> list[Part]:
    """Cut ``size`` bytes into parts of ``part_size``; the last may be shorter; one empty part for 0."""
    starts = range(0, size, part_size) or [0]
    return [Part(n, at, min(at + part_size, size)) for n, at in enumerate(starts, 1)]


def download_part_size(size: int, smallest: int, largest: int, ways: int) -> int:
    """Return the part size for a parallel download: small enough for ``ways`` connections, in whole MiB."""
    wanted = -(-size // max(ways, 1))
    return -(-min(max(wanted, smallest), largest) // MIB) * MIB


def range_header(offset: int | None, length: int | None) -> str | None:
    """Return the value of the ``Range`` header for ``offset`` and ``length``, or None for the whole object.

    ``length < 0`` asks for the last ``-length`` bytes and ignores ``offset``. A length of 0 has no
    header that would say so (RFC 9110, 14.1.1) and is the caller's to answer.

    Raises
    ------
    ValueError
        A negative offset.
    """
    if length is not None and length < 0:
        return f"bytes={length}"
    if offset is not None and offset < 0:
        raise ValueError(f"offset must not be negative: {offset} (the last n bytes are length=-n)")
    if length is None:
        return None if not offset else f"bytes={offset}-"
    start = offset or 0
    return f"bytes={start}-{start + max(length, 1) - 1}"


_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)\s*\Z")


def parse_content_range(value: str | None) -> tuple[int, int, int | None] | None:
    """Return ``(start, stop, total)`` of a ``Content-Range`` value; ``total`` is None where it says ``*``.

    None if there is no such header, it says that the range was not satisfied, or it makes no sense
    (RFC 9110, 14.4). Half-open.
    """
    found = _CONTENT_RANGE.match(value or "")
    if not found or found[1] is None:
        return None
    start, stop = int(found[1]), int(found[2]) + 1
    total = None if found[3] == "*" else int(found[3])
    if stop <= start or (total is not None and total < stop):
        return None
    return start, stop, total
