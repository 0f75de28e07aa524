"""What requests have in common, made once: headers as libcurl takes them, and what is to sign them."""

from __future__ import annotations

from datetime import datetime

from s3nb.wire import Request
from s3nb.wire.aws import Endpoint
from s3nb.wire.signing import Keys, Signer


class Form:
    """The headers of a request, but for the signature, as libcurl takes them; and what is to sign it."""

    __slots__ = ("_start", "lines", "signed")

    def __init__(
        self, request: Request, payload: str, endpoint: Endpoint, keys: Keys | None, signer: Signer, now: datetime
    ) -> None:
        headers = request.headers
        self.lines: list[str | bytes] = []
        if request.method not in ("GET", "HEAD"):
            self.lines = ["Expect:"]
            if not any(name.lower() == "content-type" for name, _ in headers):
                self.lines.append("Content-Type:")  # else libcurl calls it a form
        self.lines += [_line(name, value) for name, value in headers]
        self.signed = None if keys is None else signer.prepare(endpoint.host, headers, payload, keys, now)
        if self.signed is not None:
            self.lines += [_line(name, value) for name, value in self.signed.added]
            self._start = _line("Authorization", self.signed.credential)

    def authorization(self, method: str, path: str, query: str) -> str | bytes:
        """Return the header that holds the signature."""
        assert self.signed is not None
        signature = self.signed.signature(method, path, query)
        start = self._start
        return start + signature if isinstance(start, str) else start + signature.encode()


def _line(name: str, value: str) -> str | bytes:
    """Return a header for libcurl, to which an empty value is written ``name;``.

    Raises
    ------
    ValueError
        The value would end the line, and begin another.
    """
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"a line break or NUL in the value of the header {name}")
    line = f"{name}: {value}" if value.strip() else f"{name};"
    return line if line.isascii() else line.encode()
