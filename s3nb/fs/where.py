"""What a path names: a place in S3, or something on this machine. Everything else here asks this first."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from s3nb import session
from s3nb.client import S3
from s3nb.core import Core
from s3nb.errors import InvalidURL
from s3nb.files.address import Address, address
from s3nb.text import visible
from s3nb.uri import Location, Named, as_prefix, check_key

_SERVICE = ("s3://", "s3a://", "s3n://")


class Spot(NamedTuple):
    """A bucket and a literal key; ``text`` is how the user named it."""

    bucket: str
    key: str
    text: str
    version_id: str | None = None
    client: S3 | None = None  # that the path itself brings along

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
        """Return the place of what is called ``name`` in this directory; in the service, a bucket."""
        if not self.bucket:
            return Spot(name, "", self.child(name))
        return Spot(self.bucket, self.prefix + name, self.child(name))

    def child(self, name: str) -> str:
        """Return the path of ``name`` in this directory, in the user's words."""
        return f"{self.text}{name}" if self.text.endswith("/") else f"{self.text}/{name}"


def spot(path: Any, version_id: str | None = None) -> Spot | None:
    """Return the place in S3 that a path names; None if it is on this machine.

    What is in S3 is decided as for `s3nb.open`. The key is literal, to the last character: a name that comes from a listing
    cannot turn into something else, so ``?versionId=`` is part of it here.
    """
    if isinstance(path, Named):
        if path.key:
            check_key(Location(path.bucket, path.key))
        return Spot(path.bucket, path.key, fspath(path), version_id or path.version_id, getattr(path, "client", None))
    if isinstance(path, str) and path.lower() in _SERVICE:
        return Spot("", "", path)
    where = address(path, literal=True, version_id=version_id)
    return Spot(where.bucket, where.key, where.name, where.version_id) if isinstance(where, Address) else None


def local(path: Any) -> Any:
    """Return a path of this machine as `os` takes it: ``file:`` URLs are read, all else is as it was.

    Raises
    ------
    ValueError
        A ``file:`` URL of another machine.
    """
    where = address(path)
    return where if isinstance(where, str) else path


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


def client_of(client: S3 | None, *places: Spot | None) -> S3:
    """Return ``client``; or the one that a path brings along; or the client that everything by path shares."""
    if client is not None:
        return client
    brought = (place.client for place in places if place is not None and place.client is not None)
    return next(brought, None) or session.client()


def core_of(client: S3 | None, *places: Spot | None) -> Core:
    """Return what runs the requests of that client."""
    return client_of(client, *places)._alive()
