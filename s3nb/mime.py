"""The content type that a name says."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mimetypes import MimeTypes

UNKNOWN = "binary/octet-stream"  # S3's own word
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


@lru_cache(1)
def _types() -> MimeTypes:
    from mimetypes import MimeTypes

    return MimeTypes()  # without the system's tables: the same everywhere


def type_of(key: str) -> str:
    """Return the content type of a key by the ending of its last part; of what is packed, that of the packing."""
    kind, encoding = _types().guess_type(key.rpartition("/")[2])
    if encoding:
        return _PACKED.get(encoding, "application/octet-stream")
    return kind or UNKNOWN
