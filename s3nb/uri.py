"""Addresses: ``s3://`` URLs, keys under a root, and the one way from a key to a local path.

A key is literal. Nothing is decoded, normalised or stripped: ``?``, ``#``, ``%20``, tabs,
``//`` and ``..`` are characters of the name, and what is asked for is what is named.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from s3nb.errors import InvalidURL, UnsafeKey
from s3nb.text import visible

StrPath = str | os.PathLike[str]

MAX_KEY_BYTES = 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html

# Rules for names differ between servers (and grew stricter over the years); this lets through
# whatever one of them may know, and nothing that could change a host name or a path.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z")
# An access point's ARN stands where a bucket stands, and holds slashes itself.
_ARN = re.compile(
    r"(arn:aws[a-z-]*:(?:s3|s3-outposts|s3-object-lambda):[a-z0-9-]*:[0-9]{12}:"
    r"(?:outpost[:/][a-zA-Z0-9-]{1,63}[:/])?accesspoint[:/][a-zA-Z0-9.-]{1,63})(?:/|\Z)"
)


class Location(NamedTuple):
    """A bucket and a key in it; the key may be empty, or a prefix."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Named:
    """Base of path objects that name something in S3 by bucket and literal key (`s3nb.S3Path`)."""

    __slots__ = ()

    bucket: str
    key: str
    version_id: str | None

    @property
    def url(self) -> str:
        """The ``s3://`` URL."""
        return f"s3://{self.bucket}/{self.key}"


class HasKey(Protocol):
    """What names an object by its attribute ``key``; ``offset``, ``length`` and ``version_id`` are looked at, too."""

    @property
    def key(self) -> str | None:
        """As a key that is given by itself; None is the root."""


Key = str | Named | HasKey


def is_s3(text: object) -> bool:
    """Say whether ``text`` is a string that starts like an ``s3://`` URL, in any case."""
    return isinstance(text, str) and text[:5].lower() == "s3://"


def parse(url: str) -> Location:
    """Split ``s3://bucket/key`` at the first slash after the bucket.

    The key is everything behind that slash, as it stands. ``s3://bucket`` has the empty key.

    Raises
    ------
    InvalidURL
        Another scheme, or no legal bucket name.
    """
    if not isinstance(url, str):
        raise InvalidURL(f"an s3:// URL is a str, not {type(url).__name__}: {visible(repr(url), 80)}")
    if not is_s3(url):
        raise InvalidURL(f"not an s3:// URL: {visible(repr(url), 200)}")
    rest = url[5:]
    arn = _ARN.match(rest)
    if arn:
        return Location(arn[1], rest[arn.end() :])
    bucket, _, key = rest.partition("/")
    check_bucket(bucket, url)
    return Location(bucket, key)


def check_bucket(bucket: str, shown: str = "") -> None:
    """Raise `InvalidURL` unless ``bucket`` can be the name of a bucket (or an access point's ARN)."""
    if not (_BUCKET.match(bucket) or _ARN.fullmatch(bucket)):
        where = f" in {visible(repr(shown), 200)}" if shown else ""
        raise InvalidURL(f"not a bucket name: {visible(repr(bucket), 100)}{where}", bucket=visible(bucket, 100))


def check_key(location: Location) -> Location:
    """Return ``location`` if its key can name an object.

    Raises
    ------
    InvalidURL
        The key is empty, longer than 1,024 bytes, or no Unicode text.
    """
    key = location.key
    if not key:
        raise InvalidURL(f"no key: s3://{location.bucket}/ names a bucket, not an object", bucket=location.bucket)
    if len(key) > MAX_KEY_BYTES // 4:
        try:
            length = len(key.encode())
        except UnicodeEncodeError:
            length = 0
        if length > MAX_KEY_BYTES:
            error = InvalidURL(
                f"key of {length} bytes, S3 allows {MAX_KEY_BYTES}: {visible(location.url, 200)}",
                bucket=location.bucket,
                key=key,
            )
            error.errno = errno.ENAMETOOLONG
            raise error
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise InvalidURL(f"key is not Unicode text: {visible(location.url, 200)}", bucket=location.bucket) from None
    return location


def split_root(root: str) -> tuple[str, str]:
    """Return the normal form of a root and its key part, ready to be joined.

    ``"s3://b/data//"`` gives ``("s3://b/data", "data/")``; a bare bucket ``("s3://b", "")``.
    """
    bucket, key = parse(root)
    key = key.rstrip("/")
    return (f"s3://{bucket}/{key}", f"{key}/") if key else (f"s3://{bucket}", "")


def as_directory(key: str) -> str:
    """Return the prefix that lists what is below ``key``: exactly one slash at its end, none for the top."""
    stripped = key.rstrip("/")
    return f"{stripped}/" if stripped else ""


def as_prefix(key: str) -> str:
    """Return what keys below ``key`` begin with, to the letter: a slash is added if there is none at its end."""
    return key if not key or key.endswith("/") else f"{key}/"


# Names that Windows keeps for devices, whatever their ending.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))]
)
_WINDOWS_BAD = frozenset('<>:"|?*\\')
_SEGMENT_BYTES = 255
_PATH_BYTES = 4096


def key_to_path(root: str | os.PathLike[str], key: str, *, windows: bool = os.name == "nt") -> str:
    """Return the path below ``root`` that a key is stored under. The only way from a key to a path.

    The result is always inside ``root``: a key that climbs, is absolute, or has no exact
    counterpart on the file system is refused, never mended, as two keys must not meet in one file.

    Parameters
    ----------
    root : path
        The target folder. Symbolic links below it are the caller's to refuse (see `transfer.local`).
    key : str
        The key, relative to whatever prefix is being stored.
    windows : bool, optional
        Apply the rules of Windows as well; default: if this is Windows.

    Raises
    ------
    UnsafeKey
        A segment is empty, ``.`` or ``..``, holds NUL, is longer than 255 bytes, or (Windows) is
        reserved; or the whole is longer than 4,096 bytes; or the key ends in a slash (a marker).
    """
    segments = key.split("/")
    for segment in segments:
        reason = _refusal(segment, windows)
        if reason:
            raise UnsafeKey(f"no safe local path for the key {visible(repr(key), 200)}: {reason}", key=key)
    path = os.path.join(os.fspath(root), *segments)
    if len(path) > _PATH_BYTES // 4 and len(os.fsencode(path)) > _PATH_BYTES:
        raise UnsafeKey(f"no safe local path for the key {visible(repr(key), 200)}: path too long", key=key)
    return path


def _refusal(segment: str, windows: bool) -> str:
    if segment == "":
        return "an empty part between slashes"
    if segment in (".", ".."):
        return f"a part that is {segment!r}"
    if "\0" in segment:
        return "a NUL character"
    try:
        if len(segment.encode()) > _SEGMENT_BYTES:
            return f"a part longer than {_SEGMENT_BYTES} bytes"
    except UnicodeEncodeError:
        return "a part that is not Unicode text"
    if windows:
        if not _WINDOWS_BAD.isdisjoint(segment) or any(ord(c) < 32 for c in segment):
            return "a character that Windows does not allow"
        if segment[-1] in ". ":
            return "a part that ends in a dot or space"
        if segment.split(".")[0].rstrip().lower() in _DEVICES:
            return "a name that Windows keeps for a device"
    return ""


def collisions(keys: Iterable[str], *, fold: bool = os.name == "nt" or sys.platform == "darwin") -> dict[str, str]:
    """Find keys that cannot be stored side by side, before a byte is moved.

    Two keys meet if one is a folder of the other (``a`` and ``a/b``), or their names are the
    same to the file system: equal after Unicode normalisation and, with ``fold``, case folding.

    Returns
    -------
    dict
        The later key of each pair -> the key it meets.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    met: dict[str, str] = {}
    for key in keys:
        name = unicodedata.normalize("NFC", key)
        if fold:
            name = name.casefold()
        other = files.get(name) or folders.get(name)
        at = name.find("/")
        above = []
        while other is None and at != -1:
            above.append(name[:at])
            other = files.get(name[:at])
            at = name.find("/", at + 1)
        if other is not None:
            met[key] = other
            continue
        files[name] = key
        for folder in above:
            folders.setdefault(folder, key)
    return met
