"""Which mode gives which file, as type checkers read it; the arguments of `open` by name."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

from s3nb.client import S3
from s3nb.config import TransferConfig
from s3nb.uri import StrPath

TextMode = Literal[
    "r", "rt", "tr", "w", "wt", "tw", "x", "xt", "tx", "a", "at", "ta",
    "r+", "+r", "rt+", "r+t", "+rt", "tr+", "t+r", "+tr", "w+", "+w", "wt+", "w+t", "+wt", "tw+", "t+w", "+tw",
    "x+", "+x", "xt+", "x+t", "+xt", "tx+", "t+x", "+tx", "a+", "+a", "at+", "a+t", "+at", "ta+", "t+a", "+ta",
]  # fmt: skip
ReadingMode = Literal["rb", "br"]
WritingMode = Literal["wb", "bw", "xb", "bx", "ab", "ba"]
UpdatingMode = Literal[
    "rb+", "r+b", "+rb", "br+", "b+r", "+br", "wb+", "w+b", "+wb", "bw+", "b+w", "+bw",
    "xb+", "x+b", "+xb", "bx+", "b+x", "+bx", "ab+", "a+b", "+ab", "ba+", "b+a", "+ba",
]  # fmt: skip


class OpensForReading(Protocol):
    """What opens itself (pathlib-abc)."""

    def __open_reader__(self) -> Any:
        """Return a binary file."""


class OpensForWriting(Protocol):
    """What opens itself (pathlib-abc)."""

    def __open_writer__(self, mode: Any) -> Any:
        """Return a binary file."""


Openable = StrPath | bytes | int | os.PathLike[bytes] | OpensForReading | OpensForWriting


class Account(TypedDict, total=False):
    """Who asks, and where."""

    client: S3 | None
    profile: str | None
    region: str | None
    endpoint_url: str | None
    anonymous: bool
    requester_pays: bool
    role: str | None
    session: Any
    engine: str
    config: TransferConfig | None
    client_params: Mapping[str, Any] | None
    session_vars: Mapping[str, Any] | None


class Options(Account, total=False):
    """What `open` takes by name beyond builtin's arguments, but for ``compression``."""

    version_id: str | None
    literal: bool
    strict: bool | None
    compression_level: int | None
    decode_content: bool
    access: Literal["auto", "sequential", "random", "tail"]
    size: int | None
    on_change: Literal["raise", "pin"]
    if_match: str | None
    on_error: Literal["abort", "commit"]
    commit: Literal["close", "explicit"]
    metadata: Mapping[str, str] | None
    content_type: str | None
    tags: Mapping[str, str] | None
    storage_class: str | None
    encryption: str | None
    kms_key: str | None
    acl: str | None
    headers: Mapping[str, str] | None
    checksum: Literal["crc32", "crc32c", "crc64nvme", "sha1", "sha256", False] | None
    part_size: int
    size_hint: int | None
    equal_parts: bool


if TYPE_CHECKING:
    from typing import BinaryIO, Self

    class BinaryFile(io.BufferedIOBase, BinaryIO):
        """To type checkers, a file is what other libraries say that they take."""

        def __enter__(self) -> Self: ...
else:
    BinaryFile = io.BufferedIOBase
