"""What requests have in common, made once: headers as libcurl takes them, and what is to sign them.

Most requests of a kind differ in nothing but the key; those that send something, in the sums of their bodies as well.
"""

from __future__ import annotations

from datetime import datetime

from s3nb.wire import Request
from s3nb.wire.aws import Endpoint
from s3nb.wire.signing import Keys, Signer


class Form:
    """The headers of requests of one kind, as libcurl takes them, but for sums and signature; and what is to sign them."""

    __slots__ = ("_lines", "_signed", "_start")

    def __init__(self, request: Request, endpoint: Endpoint, keys: Keys | None, signer: Signer, now: datetime) -> None:
        headers = request.common
        lines: list[str | bytes] = []
        if request.method not in ("GET", "HEAD"):
            lines = ["Expect:"]
            if not any(name.lower() == "content-type" for name, _ in headers):
                lines.append("Content-Type:")  # else libcurl calls it a form
        lines += [_line(name, value) for name, value in headers]
        self._signed = None
        if keys is not None:
            signed = self._signed = signer.prepare(
                endpoint.host, headers, keys, now, [name for name, _ in request.sums]
            )
            lines += [_line(name, value) for name, value in signed.added]
            self._start = _line("Authorization", signed.credential)
        self._lines = lines

    def headers(self, request: Request, path: str, query: str, payload: str) -> list[str | bytes]:
        """Return all headers of a request; path and query are encoded, ``payload`` is the hash that is signed for the body."""
        lines = self._lines.copy()
        sums = request.sums
        if sums:
            lines += [_line(name, value) for name, value in sums]
        signed = self._signed
        if signed is not None:
            signature = signed.signature(request.method, path, query, payload, sums)
            start = self._start
            lines.append(f"x-amz-content-sha256: {payload}")
            lines.append(start + signature if isinstance(start, str) else start + signature.encode())
        return lines


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
