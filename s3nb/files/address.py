"""What `open` is asked for: is it in S3, where, how; and is it possible. No request is made here."""

from __future__ import annotations

import io
import operator
import os
import pathlib
import re
import warnings
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from s3nb.errors import InvalidURL
from s3nb.text import visible
from s3nb.uri import Location, Named, check_key, parse

_SCHEME = re.compile(r"s3[an]?://", re.IGNORECASE)
_EATEN = re.compile(r"s3[an]?:/(?!/)", re.IGNORECASE)  # what pathlib leaves of it
_VERSION = re.compile(r"\?versionId=([^?&/]+)\Z")


class Address(NamedTuple):
    """An object as `open` was asked for it. ``name`` is the text that was passed."""

    name: str
    bucket: str
    key: str
    version_id: str | None
    literal: bool


def address(file: Any, *, literal: bool = False, version_id: str | None = None) -> Address | str | None:
    """Say where ``file`` is: an `Address` in S3; a local path, of a ``file:`` URL; or None, it is builtin's business.

    Raises
    ------
    InvalidURL
        An ``s3://`` URL that can name no object.
    ValueError
        A ``file:`` URL of another machine; two different versions.
    """
    text = file
    if not isinstance(file, str):
        if not isinstance(file, os.PathLike):
            return None
        text = os.fspath(file)
        if not isinstance(text, str):
            return None
        if isinstance(file, Named):
            if file.key:
                check_key(Location(file.bucket, file.key))
            return Address(text, file.bucket, file.key, version_id or file.version_id, True)
        if isinstance(getattr(file, "bucket", None), str) and isinstance(getattr(file, "key", None), str):
            literal = True  # it has parsed its URL itself
        if isinstance(file, pathlib.PurePath) and _EATEN.match(text):
            text = text.replace(":/", "://", 1)
    if text[:5].lower() == "file:":
        return _local(text)
    found = _SCHEME.match(text)
    if found is None:
        return None
    rest = text[found.end() :]
    if not literal:
        asked = _VERSION.search(rest)
        if asked is not None:
            if version_id not in (None, asked[1]):
                raise ValueError(f"two versions are named: {visible(text, 200)} and version_id={version_id!r}")
            version_id, rest = asked[1], rest[: asked.start()]
    location = parse(f"s3://{rest}")
    if location.key:
        check_key(location)
    return Address(str(text), location.bucket, location.key, version_id, literal)


def _local(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"not a file of this machine: {visible(url, 200)}")
    return url2pathname(parts.path)


class Mode(NamedTuple):
    """A mode taken apart: ``kind`` is one of ``r w x a``."""

    text: str  # as it was given
    kind: str
    plus: bool
    binary: bool

    @property
    def below(self) -> str:
        """The mode of the binary file below a text layer."""
        return f"{self.kind}b{'+' if self.plus else ''}"

    @property
    def writes(self) -> bool:
        return self.kind != "r" or self.plus


def mode_of(mode: Any) -> Mode:
    """Take a mode apart, as builtin does.

    Raises
    ------
    TypeError, ValueError
        As builtin.
    """
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    chars = set(mode)
    if chars - set("rwxabt+") or len(mode) > len(chars):
        raise ValueError(f"invalid mode: {mode!r}")
    if "t" in chars and "b" in chars:
        raise ValueError("can't have text and binary mode at once")
    kinds = [c for c in "rwxa" if c in chars]
    if len(kinds) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    return Mode(mode, kinds[0], "+" in chars, "b" in chars)


def check_layers(mode: Mode, buffering: Any, encoding: Any, errors: Any, newline: Any) -> int:
    """Check what is asked of buffers and text; returns ``buffering`` as a whole number.

    Raises
    ------
    TypeError, ValueError, LookupError
        As builtin.
    """
    size = operator.index(buffering)
    if mode.binary:
        for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"binary mode doesn't take {'an' if name[0] == 'e' else 'a'} {name} argument")
        if size == 1:
            warnings.warn(
                "line buffering (buffering=1) isn't supported in binary mode, the default buffer size will be used",
                RuntimeWarning,
                stacklevel=3,
            )
            size = -1
        return size
    if size == 0:
        raise ValueError("can't have unbuffered text I/O")
    io.TextIOWrapper(_Probe(mode), encoding or "utf-8", errors, newline).detach()  # raises what builtin would
    return size


class _Probe(io.BytesIO):
    """A file that reads or writes as the mode says: not every codec does both."""

    def __init__(self, mode: Mode) -> None:
        super().__init__()
        self._mode = mode

    def readable(self) -> bool:
        return self._mode.kind == "r" or self._mode.plus

    def writable(self) -> bool:
        return self._mode.writes


def one_of(name: str, value: Any, *allowed: Any) -> None:
    """Raise `ValueError` unless a keyword argument has one of its values."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


def no_bucket_alone(where: Address) -> None:
    """Raise for a name that is no object's whatever there is."""
    if not where.bucket:
        raise InvalidURL(f"no bucket in {visible(where.name)}")
