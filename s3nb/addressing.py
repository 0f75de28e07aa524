"""What users name objects by, turned into bucket, key and range: one place for all the forms they may take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from s3nb.errors import InvalidObject, InvalidURL
from s3nb.model import S3Object
from s3nb.text import visible
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Location, Named, as_directory, check_key, is_s3, parse, split_root


class Prefix(NamedTuple):
    """A prefix to list: where, and what keys of the results are relative to."""

    bucket: str
    key: str
    base: str


class Addresses:
    """Resolves keys under a root, or full URLs if there is none.

    Parameters
    ----------
    root : str or None
        An ``s3://`` URL, or None.
    """

    def __init__(self, root: str | None) -> None:
        self.root: str | None = None
        self._bucket = ""
        self._prefix = ""
        if root:
            if not isinstance(root, str):
                raise TypeError(f"s3root must be a str, not {type(root).__name__}")
            self.root, self._prefix = split_root(root)
            self._bucket = parse(self.root).bucket

    def wanted(
        self, item: Any, *, info: bool = True, missing_ok: bool = False, version_id: str | None = None
    ) -> Wanted:
        """Resolve a key, URL, `S3Path`, `S3Object`, or anything with ``.key`` (and ``.offset``, ``.length``, ``.version_id``).

        Raises
        ------
        InvalidURL
            No object can have this name here.
        """
        offset = length = None
        key: Any = item
        if not isinstance(item, str) and item is not None:
            if isinstance(item, S3Object):
                location = check_key(parse(item.url))
                base = self.root if self.root is not None and item.url.startswith(self.root + "/") else None
                return Wanted(
                    location.bucket, location.key, item.url, base, info=info, missing_ok=missing_ok,
                    version_id=version_id or item._version_id,
                )  # fmt: skip
            if isinstance(item, Named):
                version_id = version_id or item.version_id
            elif not hasattr(item, "key"):
                hint = "; S3GetObject(key, offset, length) asks for a part" if isinstance(item, tuple) else ""
                raise InvalidURL(
                    f"not a key: {visible(repr(item), 100)}; expected a str or an object with a .key{hint}"
                )
            else:
                key = item.key
                offset = _whole(getattr(item, "offset", None), "offset")
                length = _whole(getattr(item, "length", None), "length")
                version_id = version_id or getattr(item, "version_id", None)
        bucket, name, url = self.locate(key)
        return Wanted(
            bucket,
            name,
            url,
            self.root,
            offset=offset,
            length=length,
            version_id=version_id,
            info=info,
            missing_ok=missing_ok,
        )

    def locate(self, key: Any) -> tuple[str, str, str]:
        """Return bucket, key and URL of an object's name."""
        if isinstance(key, Named):
            if self.root is None:
                return (*check_key(Location(key.bucket, key.key)), key.url)
            key = key.url  # refused below, as every full URL
        if key is not None and not isinstance(key, str):
            if isinstance(key, os.PathLike):
                raise InvalidURL(f"a local path is no key: {visible(repr(key), 100)}")
            raise InvalidURL(f"a key is a str, not {type(key).__name__}: {visible(repr(key), 100)}")
        if self.root is None:
            if key is None or not is_s3(key):
                shown = "no key" if key is None else f"{visible(repr(key), 200)} is no s3:// URL"
                raise InvalidURL(f"{shown}: a client without s3root, bucket or run needs full URLs (s3://bucket/key)")
            location = check_key(parse(key))
            return location.bucket, location.key, key
        if not key:
            name = self._prefix[:-1]
            return self._bucket, check_key(parse(f"s3://{self._bucket}/{name}")).key, self.root
        if is_s3(key):
            raise InvalidURL(
                f"full URLs are not taken by a client with a root: {visible(repr(key), 200)} (root: {visible(self.root)}); "
                "use a key below the root, or a client without one"
            )
        key = key.lstrip("/") if key[0] == "/" else key
        url = f"{self.root}/{key}"
        name = self._prefix + key
        if len(name) > 200 or not name.isascii() or not name:
            check_key(parse(url))
        return self._bucket, name, url

    def prefix(self, key: Any, *, slash: bool) -> Prefix:
        """Resolve a prefix to list as a directory. ``slash``: results are relative to the URL with a slash at its end."""
        if isinstance(key, Named):
            key = key.url
        if isinstance(key, S3Object):
            url = key.url
        elif key is not None and not isinstance(key, str):
            raise InvalidURL(f"a prefix is a str, not {type(key).__name__}: {visible(repr(key), 100)}")
        elif self.root is None:
            if key is None or not is_s3(key):
                raise InvalidURL("a client without s3root, bucket or run lists full URLs (s3://bucket/prefix) only")
            url = key
        elif key and is_s3(key):
            raise InvalidURL(f"full URLs are not taken by a client with a root: {visible(repr(key), 200)}")
        else:
            url = f"{self.root}/{key.lstrip('/')}" if key else self.root
        location = parse(url)
        directory = as_directory(location.key)
        base = f"s3://{location.bucket}/{directory}" if slash else url
        return Prefix(location.bucket, directory, base)


def _whole(value: Any, name: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    try:
        return int(value.__index__())  # NumPy integers
    except AttributeError:
        raise InvalidObject(f"{name} must be a whole number or None, not {visible(repr(value), 60)}") from None


def each(keys: Iterable[Any], what: str = "keys") -> Iterator[Any]:
    """Return an iterator over several keys.

    Raises
    ------
    TypeError
        One string (whose characters would be taken for keys), or nothing iterable.
    """
    if isinstance(keys, (str, bytes, S3Object)) or (hasattr(keys, "key") and not hasattr(keys, "__len__")):
        raise TypeError(f"{what} must be several, not one {type(keys).__name__}: put it into a list")
    if isinstance(keys, tuple) and hasattr(keys, "_fields"):
        raise TypeError(f"{what} must be several, not one {type(keys).__name__}: put it into a list")
    try:
        return iter(keys)
    except TypeError:
        raise TypeError(f"{what} must be iterable, not {type(keys).__name__}") from None
