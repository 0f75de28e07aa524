"""A tree of keys that brings out the differences between S3 and a file system, on both servers and in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3
from s3nb.testing import MemoryWire

from ..conftest import Server

# file, directories, both at once, a marker, an empty name
TREE = {"a/f": b"f", "a/sub/g": b"gg", "both": b"file", "both/x": b"x", "marker/": b"", "sl//x": b"empty name"}


class Amazon(MemoryWire):
    """A server that is known to keep conditions, as Amazon's does."""

    def checks_uploads(self, bucket: str) -> bool:
        return True


class Place:
    """A tree, and the client to see it with: ``at("a/f")`` is its URL."""

    def __init__(self, bucket: str, client: S3) -> None:
        self.bucket = bucket
        self.client = client

    def at(self, key: str = "") -> str:
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes = b"") -> str:
        self.client.put(self.at(key), body)
        return self.at(key)

    def names(self) -> list[str]:
        return [o.object_key for o in self.client.list_recursive([self.at()])]

    def body(self, key: str) -> bytes | None:
        return self.client.get(self.at(key), return_missing=True).blob


class Hosts:
    """A boto3 client and an `S3` for each server that was used; a fresh bucket costs one request."""

    def __init__(self, tmproot: Path) -> None:
        self._tmproot = tmproot
        self._made: dict[str, tuple[Any, S3]] = {}

    def place(self, server: Server, objects: Mapping[str, bytes]) -> Place:
        """Return a bucket of its own with these objects."""
        if server.name not in self._made:
            self._made[server.name] = server.boto3_client(), S3(tmproot=self._tmproot, **server.options())
        boto, client = self._made[server.name]
        bucket = f"fs-{uuid.uuid4().hex[:12]}"
        boto.create_bucket(Bucket=bucket)
        client.put_many([(f"s3://{bucket}/{key}", body) for key, body in objects.items()])
        return Place(bucket, client)

    def close(self) -> None:
        for boto, client in self._made.values():
            boto.close()
            client.close()


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    made = Hosts(tmp_path_factory.mktemp("fs"))
    yield made
    made.close()


@pytest.fixture
def tree(server: Server, hosts: Hosts) -> Place:
    """The tree, in a bucket of its own on a server."""
    return hosts.place(server, TREE)


class Counted(Place):
    """The tree in memory; ``asked(f, ...)`` says which requests a call has made."""

    def __init__(self, wire: MemoryWire, client: S3) -> None:
        super().__init__("bucket", client)
        self.wire = wire

    def asked(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[str]:
        self.wire.log.clear()
        found = function(*args, client=self.client, **kwargs)
        if isinstance(found, Iterator):
            list(found)
        return [request.operation for request in self.wire.log]

    def query(self, n: int = 0) -> dict[str, str]:
        return dict(self.wire.log[n].query)

    def headers(self, n: int = 0) -> dict[str, str]:
        return {k.lower(): v for k, v in self.wire.log[n].headers}


def _counted(wire: MemoryWire, tmp_path: Path) -> Iterator[Counted]:
    with S3(tmproot=tmp_path, wire=wire) as client:
        yield Counted(wire, client)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Counted]:
    """The tree on a server that ignores conditions."""
    yield from _counted(MemoryWire({"bucket": TREE}), tmp_path)


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[Counted]:
    """The tree on a server that keeps conditions."""
    yield from _counted(Amazon({"bucket": TREE}), tmp_path)
