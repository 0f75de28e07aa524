"""What a path names: a place in S3, or something on this machine. Everything else here asks this first."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from s3nb import session
from s3nb.client import S3
from s3nb.core import Core
from s3nb.errors import InvalidURL
from s3nb.text import visible
from s3nb.uri import Named, as_prefix, check_key, parse

_SCHEMES = ("s3://", "s3a://", "s3n://")


class Spot(NamedTuple):
    """A bucket and a literal key; ``text`` is how the user named it."""

    bucket: str
    key: str
    text: str
    version_id: str | None = None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def prefix(self) -> str:
        """What keys below it begin with: the key and a slash; nothing for the bucket itself."""
        return as_prefix(self.key)

    @property
    def file_key(self) -> str:
        """The key of the file that has this name but for a slash at its end."""
        return self.key.removesuffix("/")

    @property
    def names_file(self) -> bool:
        """Whether a file can have this name: it has a key, without a slash at its end."""
        return bool(self.key) and not self.key.endswith("/")

    def below(self, name: str) -> Spot:
        """Return the place of what is called ``name`` in this directory."""
        return Spot(self.bucket, self.prefix + name, self.child(name))

    def child(self, name: str) -> str:
        """Return the path of ``name`` in this directory, in the user's words."""
        return f"{self.text}{name}" if self.text.endswith("/") else f"{self.text}/{name}"


def spot(path: Any, version_id: str | None = None) -> Spot | None:
    """Return the place in S3 that a path names; None if it is on this machine.

    In S3 are: strings that begin with ``s3://``, ``s3a://`` or ``s3n://`` (any case), `S3Path`, other path objects that say so
    of themselves, and a `pathlib` path made of an ``s3://`` URL, although that has eaten one of its slashes. The key
    is literal: nothing of it is decoded or left out.
    """
    if isinstance(path, Named):
        return Spot(path.bucket, path.key, path.url, version_id or path.version_id)
    if isinstance(path, PurePath):
        text = path.as_posix()
        if text[:4].lower() == "s3:/" and text[4:5] not in ("", "/"):
            return _parsed(f"s3://{text[4:]}", version_id)
        return None
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if isinstance(path, str) and path[:6].lower().startswith(_SCHEMES):
        return _parsed(path, version_id)
    return None


def _parsed(text: str, version_id: str | None) -> Spot:
    rest = text.partition("://")[2]
    if not rest:
        return Spot("", "", text)
    bucket, key = parse(f"s3://{rest}")
    if key:
        check_key(parse(f"s3://{rest}"))
    return Spot(bucket, key, text, version_id)


def local(path: Any) -> Any:
    """Return a path of this machine as `os` takes it: ``file:`` URLs are read, all else is as it was.

    Raises
    ------
    ValueError
        A ``file:`` URL of another machine.
    """
    if not isinstance(path, str) or path[:5].lower() != "file:":
        return path
    if os.path.lexists(path) or path[5:6] != "/":
        return path
    parts = urlsplit(path)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"a file on another machine: {visible(repr(path), 200)}")
    # urlsplit would cut the path at a ? or #, which are characters of file names
    rest = path[5:]
    if rest.startswith("//"):
        rest = rest[2:].removeprefix(parts.netloc)
    return unquote(rest)


def fspath(path: Any) -> Any:
    """Return a path object as text; everything else as it is."""
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def in_bucket(place: Spot, what: str) -> Spot:
    """Return ``place`` if it is in a bucket.

    Raises
    ------
    InvalidURL
        It is the service itself, ``s3://``.
    """
    if not place.bucket:
        raise InvalidURL(f"{what}: {visible(repr(place.text), 60)} names no bucket")
    return place


def client_of(client: S3 | None) -> S3:
    """Return ``client``, or the client that everything by path shares."""
    return session.client() if client is None else client


def core_of(client: S3 | None) -> Core:
    """Return what runs the requests of a client."""
    return client_of(client)._alive()
