"""A shared client that speaks to moto by environment alone, as a notebook's does; and S3 in memory, for faults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3nb import S3
from s3nb.config import TransferConfig
from s3nb.files import plan
from s3nb.testing import MemoryWire

from ..conftest import Server

QUICK = TransferConfig(backoff_base=0.001, throttle_base=0.001, attempts=4, patience=0.2)


@pytest.fixture(autouse=True)
def gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is near does not depend on how quick the loopback is today."""
    monkeypatch.setattr(plan.Link, "gap", 1 << 20)


@pytest.fixture(scope="session")
def boto(moto_server: Server) -> Iterator[Any]:
    """A boto3 client for moto."""
    client = moto_server.boto3_client()
    yield client
    client.close()


@pytest.fixture
def at(moto_server: Server, moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """``s3://bucket/`` of a fresh bucket; `open` finds the server through the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto_server.region)
    return f"s3://{moto_bucket}/"


class Bucket:
    """What is in the fresh bucket, seen by somebody else."""

    def __init__(self, boto: Any, name: str) -> None:
        self.boto = boto
        self.name = name

    def put(self, key: str, body: bytes, **more: Any) -> Any:
        return self.boto.put_object(Bucket=self.name, Key=key, Body=body, **more)

    def get(self, key: str, **more: Any) -> bytes:
        return bytes(self.boto.get_object(Bucket=self.name, Key=key, **more)["Body"].read())

    def head(self, key: str) -> Any:
        return self.boto.head_object(Bucket=self.name, Key=key)

    def keys(self) -> list[str]:
        return [o["Key"] for o in self.boto.list_objects_v2(Bucket=self.name).get("Contents", [])]

    def uploads(self) -> list[Any]:
        return list(self.boto.list_multipart_uploads(Bucket=self.name).get("Uploads", []))


@pytest.fixture
def inside(boto: Any, at: str) -> Bucket:
    """The fresh bucket, through boto3."""
    return Bucket(boto, at[5:-1])


class Memory:
    """S3 in memory: a wire, a client, and the options that make `open` use it."""

    def __init__(self, wire: MemoryWire) -> None:
        self.wire = wire
        self.client = S3(tmproot=tempfile.gettempdir(), wire=wire, config=QUICK)

    def open(self, key: str, mode: str = "rb", **more: Any) -> Any:
        from s3nb import open

        return open(f"s3://bkt/{key}", mode, client=self.client, **more)

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def memory() -> Iterator[Callable[..., Memory]]:
    """Make an S3 in memory: ``memory({"key": b"..."})``."""
    made: list[Memory] = []

    def make(contents: dict[str, bytes] | None = None, **options: Any) -> Memory:
        made.append(Memory(MemoryWire({"bkt": contents or {}}, **options)))
        return made[-1]

    yield make
    for one in made:
        one.close()
