"""Digests of what is sent and fetched: in one pass, in bounded memory, and combined from those of pieces.

S3 keeps one of several digests with an object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple


class Crc(NamedTuple):
    """A CRC that is quick here: ``update(data, crc)``, and ``combine(first, second, length of the second)``."""

    name: str
    width: int  # bytes
    update: Callable[[bytes, int], int]
    combine: Callable[[int, int, int], int]

    def text(self, value: int) -> str:
        """Return a sum as S3 writes it: base64 of the big-endian number."""
        return base64.b64encode(value.to_bytes(self.width, "big")).decode("ascii")


def _crc32_combine(first: int, second: int, length: int) -> int:
    """Return the CRC32 of two pieces put together: that of the first, moved up by ``length`` bytes, and the second's.

    Moving up is multiplying by x to the 8 * length, modulo the polynomial (zlib's crc32_combine does it so).
    """
    return _product(_power(length), first) ^ second


def _product(a: int, b: int) -> int:
    mask, product = 1 << 31, 0
    while a:
        if a & mask:
            product ^= b
            a ^= mask
        mask >>= 1
        b = (b >> 1) ^ 0xEDB88320 if b & 1 else b >> 1
    return product


@lru_cache(64)  # parts are of one length, but for the last
def _power(length: int) -> int:
    power, factor = 1 << 31, 1 << 30  # x to the 0, x to the 1; bits are reflected
    for _ in range(3):
        factor = _product(factor, factor)  # x to the 8
    while length:
        if length & 1:
            power = _product(factor, power)
        factor = _product(factor, factor)
        length >>= 1
    return power


CRC32 = Crc("crc32", 4, zlib.crc32, _crc32_combine)


def crc(name: str) -> Crc | None:
    """Return a CRC by S3's name for it, or None if it would be slow here (the extra ``crt`` has the others)."""
    if name == "crc32":
        return CRC32
    if name not in ("crc32c", "crc64nvme"):
        return None
    if "awscrt.checksums" not in sys.modules:
        try:
            importlib.import_module("awscrt.checksums")
        except ImportError:
            return None
    module: Any = sys.modules["awscrt.checksums"]
    return Crc(name, 8 if name == "crc64nvme" else 4, getattr(module, name), getattr(module, f"combine_{name}"))


def joined(name: str, parts: Iterable[tuple[str | None, int]]) -> str | None:
    """Return a CRC of pieces put together, from ``(CRC as S3 writes it, length)`` of each; None if one is not known."""
    kind, value = crc(name), 0
    if kind is None:
        return None
    for text, length in parts:
        if text is None:
            return None
        value = kind.combine(value, int.from_bytes(base64.b64decode(text), "big"), length)
    return kind.text(value)


class Expected(NamedTuple):
    """What the head of a reply says about the bytes of the whole object.

    Attributes
    ----------
    kind : str
        ``"crc64nvme"``, ``"crc32c"``, ``"crc32"``, ``"sha256"``, ``"sha1"``: of all bytes. ``"composite"``: of the sums of the
        parts that it was uploaded in. ``"etag"``: MD5, of all bytes or of the parts' MD5s. ``"size"``: nothing but that.
    value : str
        The sum as S3 writes it.
    algorithm : str
        Of the parts, for a composite.
    parts : int
        Their number; 0 if the sum is of all bytes.
    """

    kind: str
    value: str = ""
    algorithm: str = ""
    parts: int = 0


SIZE = Expected("size")
_ETAG = re.compile(r'"?([0-9a-f]{32})(?:-([1-9][0-9]{0,4}))?"?\Z')
CHECKSUMS = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")  # the strongest first, of those that are quick


def expected(headers: Mapping[str, str]) -> Expected:
    """Return the strongest thing a head says that can be compared here."""
    # a sum of all bytes of an object in parts came with the header that says so; moto's HEAD gives the parts' without its -N
    tag = _ETAG.match(headers.get("etag") or "")
    assumed = "" if tag is not None and tag[2] else "FULL_OBJECT"
    for name in CHECKSUMS:
        value = headers.get(f"x-amz-checksum-{name}")
        if value is None or (name.startswith("crc") and crc(name) is None):
            continue
        digest, dash, count = value.partition("-")
        if dash:
            if count.isdigit():
                return Expected("composite", digest, name, int(count))
        elif headers.get("x-amz-checksum-type", assumed) == "FULL_OBJECT":
            return Expected(name, value)
    return of_etag(headers)


def is_md5(etag: str | None) -> bool:
    """Say whether an ETag looks like an MD5, of all bytes or of the parts'."""
    return etag is not None and _ETAG.match(etag) is not None


def of_etag(headers: Mapping[str, str]) -> Expected:
    """Return what the ETag promises: an MD5, unless the object is encrypted with keys that are not S3's own."""
    found = _ETAG.match(headers.get("etag") or "")
    kms = (headers.get("x-amz-server-side-encryption") or "").startswith("aws:kms")
    if not found or kms or "x-amz-server-side-encryption-customer-algorithm" in headers:
        return SIZE
    return Expected("etag", found[1], "md5", int(found[2] or 0))


def whole(want: Expected, pieces: Iterable[bytes]) -> str:
    """Return the sum of all bytes, for an `Expected` without parts."""
    found = crc(want.kind)
    if found is not None:
        value = 0
        for piece in pieces:
            value = found.update(piece, value)
        return found.text(value)
    digest = hashlib.new(want.algorithm or want.kind, usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest() if want.kind == "etag" else base64.b64encode(digest.digest()).decode("ascii")


def of_part(want: Expected, pieces: Iterable[bytes]) -> bytes:
    """Return the raw sum of one part, for an `Expected` with parts."""
    found = crc(want.algorithm)
    if found is not None:
        value = 0
        for piece in pieces:
            value = found.update(piece, value)
        return value.to_bytes(found.width, "big")
    digest = hashlib.new(want.algorithm, usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def of_parts(want: Expected, sums: Sequence[bytes]) -> str:
    """Return the sum of the parts' sums."""
    joined = of_part(want, [b"".join(sums)])
    return joined.hex() if want.kind == "etag" else base64.b64encode(joined).decode("ascii")


class Digests:
    """CRC32, SHA-256 and MD5 of a body, as far as they are asked for, fed piece by piece. Releases the GIL for large pieces."""

    __slots__ = ("_crc", "_md5", "_sha")

    def __init__(self, *, sha256: bool, md5: bool = False, crc32: bool = True) -> None:
        self._crc: int | None = 0 if crc32 else None
        self._sha = hashlib.sha256() if sha256 else None
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    @property
    def asked(self) -> bool:
        """Whether any of them is asked for."""
        return self._crc is not None or self._sha is not None or self._md5 is not None

    def update(self, data: bytes | memoryview) -> None:
        """Add ``data``."""
        if self._crc is not None:
            self._crc = zlib.crc32(data, self._crc)
        if self._sha is not None:
            self._sha.update(data)
        if self._md5 is not None:
            self._md5.update(data)

    @property
    def crc32(self) -> str | None:
        """The CRC32 as S3 writes it in ``x-amz-checksum-crc32``, or None if it was not asked for."""
        return None if self._crc is None else CRC32.text(self._crc)

    @property
    def sha256(self) -> str | None:
        """The SHA-256 in hex, or None if it was not asked for."""
        return None if self._sha is None else self._sha.hexdigest()

    @property
    def md5(self) -> str | None:
        """The MD5 in hex, which is the ETag of a plain PUT; None if it was not asked for."""
        return None if self._md5 is None else self._md5.hexdigest()


def md5_text(data: bytes) -> str:
    """Return the value of ``Content-MD5`` (RFC 1864)."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode("ascii")


def md5_of(body: Any) -> str:
    """Return the MD5 of a body in hex, which is the ETag of a plain PUT."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in [body] if isinstance(body, (bytes, memoryview)) else pieces_of(body.read_at, 0, len(body)):
        digest.update(piece)
    return digest.hexdigest()


def pieces_of(read_at: Callable[[int, int], bytes], start: int, stop: int, step: int = 1 << 18) -> Iterable[bytes]:
    """Yield bytes ``[start, stop)`` in steps through ``read_at(offset, size)``; a step stays in the processor's own cache."""
    for at in range(start, stop, step):
        yield read_at(at, min(step, stop - at))
