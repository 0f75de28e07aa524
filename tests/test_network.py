"""The way to the server: TLS and whom it trusts, proxies and who names them, over both engines."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from s3nb import S3, ConnectionFailed, TransferConfig

from .conftest import Server
from .faults.proxy import Proxy

BODY = b"over the wire" * 100_000
ENGINES = pytest.mark.parametrize("engine", ["curl", "boto3"])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that nobody has signed, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture(scope="session")
def secure(moto_server: Server, certificate: Path) -> Iterator[str]:
    """The address of an S3 server that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Proxy(moto_server.endpoint_url, tls=context) as proxy:
        yield proxy.endpoint_url


class _Forward(BaseHTTPRequestHandler):
    """A proxy: tunnels, and passes on plain requests."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []  # noqa: RUF012  # what a test looks at

    def do_CONNECT(self) -> None:
        self.seen.append(f"CONNECT {self.path}")
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response_only(200)
            self.end_headers()

            def pump(source: socket.socket, sink: socket.socket) -> None:
                with contextlib.suppress(OSError):
                    while data := source.recv(65536):
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)

            back = threading.Thread(target=pump, args=(there, self.connection), daemon=True)
            back.start()
            pump(self.connection, there)
            back.join(10)
        self.close_connection = True

    def _pass_on(self) -> None:
        self.seen.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        there = http.client.HTTPConnection(parts.netloc)
        there.request(self.command, parts.path, body, dict(self.headers))
        reply = there.getresponse()
        data = reply.read()
        there.close()
        self.send_response_only(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = _pass_on

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def forward() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forward)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def there_and_back(
    server: Server, bucket: str, folder: Path, endpoint_url: str, engine: str, **params: Any
) -> list[str]:
    """Put and get an object; return what the proxy saw of it."""
    _Forward.seen = []
    with S3(
        folder, bucket=bucket, endpoint_url=endpoint_url, session=server.session(), engine=engine, client_params=params,
        config=TransferConfig(patience=1),
    ) as s3:  # fmt: skip
        s3.put("k", BODY)
        assert s3.get("k").blob == BODY
    return _Forward.seen


@ENGINES
def test_a_certificate_that_nobody_trusts_is_refused_at_once(
    secure: str, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str
) -> None:
    with pytest.raises(ConnectionFailed, match="self-signed"):
        there_and_back(moto_server, moto_bucket, tmp_path, secure, engine)


@ENGINES
@pytest.mark.parametrize("how", ["verify", "AWS_CA_BUNDLE"])
def test_a_bundle_that_holds_it_is_trusted(
    secure: str, certificate: Path, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str, how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    params: dict[str, Any] = {}
    if how == "verify":
        params["verify"] = str(certificate)
    else:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    there_and_back(moto_server, moto_bucket, tmp_path, secure, engine, **params)


@ENGINES
def test_without_verification_it_works_and_says_so(
    secure: str, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str
) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there_and_back(moto_server, moto_bucket, tmp_path, secure, engine, verify=False)
    assert any("TLS certificates are not verified" in str(w.message) for w in said)


@ENGINES
@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY"])
def test_tls_goes_through_the_tunnel_that_the_environment_names(
    secure: str, forward: str, certificate: Path, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, forward)
    seen = there_and_back(moto_server, moto_bucket, tmp_path, secure, engine, verify=str(certificate))
    assert set(seen) == {f"CONNECT {urlsplit(secure).netloc}"}


@ENGINES
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_plain_requests_go_through_the_proxy_that_the_environment_names(
    forward: str, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(name, forward)
    url = moto_server.endpoint_url
    seen = there_and_back(moto_server, moto_bucket, tmp_path, url, engine)
    assert seen == [f"PUT {url}/{moto_bucket}/k", f"GET {url}/{moto_bucket}/k"]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert there_and_back(moto_server, moto_bucket, tmp_path, url, engine) == []


@ENGINES
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_the_config_goes_before_the_environment(
    secure: str, forward: str, certificate: Path, moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str, scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = secure if scheme == "https" else moto_server.endpoint_url
    config = Config(proxies={scheme: forward})
    seen = there_and_back(moto_server, moto_bucket, tmp_path, url, engine, verify=str(certificate), config=config)
    assert seen
