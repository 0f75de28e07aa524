"""Servers, buckets and a clean environment for all tests."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Before anything reads them: no test may see the user's AWS or Metaflow settings, or the network's.
for _name in list(os.environ):
    if _name.startswith(("AWS_", "METAFLOW_", "S3NB_")) and not _name.startswith("S3NB_REQUIRE_"):
        del os.environ[_name]
_nothing = tempfile.NamedTemporaryFile(prefix="s3nb-tests-", suffix=".ini")  # noqa: SIM115  # lives as long as the run
os.environ.update(
    AWS_CONFIG_FILE=_nothing.name,
    AWS_SHARED_CREDENTIALS_FILE=_nothing.name,
    AWS_EC2_METADATA_DISABLED="true",
    METAFLOW_HOME=f"{_nothing.name}.none",
    METAFLOW_USER="tests",
    S3NB_PROGRESS="off",
    XDG_CONFIG_HOME=f"{_nothing.name}.none",
)
for _name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(_name, None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that runs the tests in the background, say
    signal.signal(signal.SIGINT, signal.default_int_handler)

from s3nb import S3  # noqa: E402
from s3nb.sandbox import Sandbox  # noqa: E402

from . import lab  # noqa: E402
from . import radosgw as rgw  # noqa: E402

_NO_RADOSGW = f"radosgw is not installed (Debian: apt-get install {rgw.PACKAGES})"
_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """An S3 server to test against."""

    name: str
    endpoint_url: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    process: Any = None

    def session(self) -> Any:
        import boto3

        return boto3.Session(
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key, region_name=self.region
        )

    def options(self) -> dict[str, Any]:
        """Return arguments for `S3`."""
        return {"endpoint_url": self.endpoint_url, "session": self.session()}

    def boto3_client(self) -> Any:
        from botocore.config import Config

        # the strict server knows no checksum trailers
        config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        return self.session().client("s3", endpoint_url=self.endpoint_url, config=config)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if rgw.missing():
        terminalreporter.write_line(f"not run: tests against the strict server: {_NO_RADOSGW}")
    if lab.chromium() is None:
        terminalreporter.write_line(f"not run: tests in JupyterLab: {lab.NO_CHROMIUM}")
    if lab.node_modules() is None:
        terminalreporter.write_line(f"not run: tests of browser.js by itself: {lab.NO_NODE}")


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    with Sandbox(populate=False) as sandbox:
        yield Server("moto", sandbox.endpoint_url, "tests", "no-secret")


@pytest.fixture(scope="session")
def radosgw() -> Iterator[Server]:
    if rgw.missing():
        if os.environ.get("S3NB_REQUIRE_RADOSGW"):
            pytest.fail(_NO_RADOSGW)
        pytest.skip(_NO_RADOSGW)
    with rgw.Radosgw() as running:
        yield Server("radosgw", running.endpoint_url, rgw.ACCESS_KEY, rgw.SECRET_KEY, process=running)


@pytest.fixture(params=["moto", "radosgw"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue("moto_server" if request.param == "moto" else "radosgw")
    return found


def _new_bucket(server: Server) -> Iterator[str]:
    client = server.boto3_client()
    name = f"test-{next(_numbers)}-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    yield name
    with contextlib.suppress(Exception):  # a test may have removed it; the server ends with the run anyway
        pages = client.get_paginator("list_object_versions").paginate(Bucket=name)
        for page in pages:
            for found in page.get("Versions", []) + page.get("DeleteMarkers", []):
                client.delete_object(Bucket=name, Key=found["Key"], VersionId=found["VersionId"])
        client.delete_bucket(Bucket=name)
    client.close()


@pytest.fixture
def bucket(server: Server) -> Iterator[str]:
    """A fresh bucket on `server`."""
    yield from _new_bucket(server)


@pytest.fixture
def moto_bucket(moto_server: Server) -> Iterator[str]:
    """A fresh bucket on moto, for what needs no strict server."""
    yield from _new_bucket(moto_server)


@pytest.fixture
def s3(server: Server, bucket: str, tmp_path: Path) -> Iterator[S3]:
    """A client with the fresh bucket as its root."""
    with S3(tmproot=tmp_path, bucket=bucket, **server.options()) as client:
        yield client


@pytest.fixture
def rootless(server: Server, tmp_path: Path) -> Iterator[S3]:
    """A client without a root."""
    with S3(tmproot=tmp_path, **server.options()) as client:
        yield client


@pytest.fixture
def moto_s3(moto_server: Server, moto_bucket: str, tmp_path: Path) -> Iterator[S3]:
    """A client with a fresh bucket of moto as its root."""
    with S3(tmproot=tmp_path, bucket=moto_bucket, **moto_server.options()) as client:
        yield client


@pytest.fixture
def shell(moto_server: Server, moto_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An environment as a user's, in which plain commands find the server; returns the URL of a bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto_server.region)
    monkeypatch.chdir(tmp_path)
    return f"s3://{moto_bucket}"
