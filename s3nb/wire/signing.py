"""SigV4 for S3: headers and presigned URLs. No I/O.

Source: "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference, pages "Using the Authorization
header" and "Using query parameters". S3 differs from other services: the path is encoded once and never
normalised, and every request carries ``x-amz-content-sha256``.

Strategy for speed: what is the same for all requests of a day (scope, signing key) and of a second (time stamp) is
kept; the rest is one SHA-256 and one HMAC of short text. For secrecy: neither the secret nor what is derived from it
is a local variable here or has a telling repr, as tracebacks that show locals end up in logs and notebooks.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from s3nb.errors import InvalidURL
from s3nb.text import visible

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_sha256 = hashlib.sha256
MAX_EXPIRES = 7 * 24 * 3600  # seconds; "Using query parameters", X-Amz-Expires

_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
# Changed, added or dropped on the way (RFC 9110, 7.6.1; user agents; tracing), so never under the signature.
# The AWS SDKs leave out the same ones.
_NEVER_SIGNED = frozenset(
    {
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    }
)  # fmt: skip

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """Credentials of one identity. Shows no secret, and does not pickle, so that none travels."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        # the last letters are enough to tell identities apart; a short name would be shown whole
        return f"<Keys ****{self.access_key[-4:] if len(self.access_key) >= 16 else ''}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("credentials do not pickle: the process that needs them finds its own")


@dataclass(frozen=True, slots=True, repr=False)
class _Day:
    """What all signatures of one identity share on one day."""

    keys: Keys
    date: str  # YYYYMMDD
    scope: str
    mac: hmac.HMAC  # keyed; copied for each signature, which takes a third of starting anew

    def __repr__(self) -> str:
        return f"<signing key of {self.date}>"


def encode_key(key: str) -> str:
    """Return a key as S3's path wants it: UTF-8, percent-encoded once, slashes and ``A-Za-z0-9-._~`` kept.

    Raises
    ------
    InvalidURL
        The key is not Unicode text (lone surrogates).
    """
    if _SAFE.issuperset(key):
        return key
    try:
        return quote(key, safe="/")
    except UnicodeEncodeError:
        raise InvalidURL(f"key is not Unicode text: {visible(key, 200)}", key=key) from None


def encode_query(pairs: Pairs) -> str:
    """Return the query string as it is signed and sent: encoded, then sorted; empty values as ``name=``.

    Raises
    ------
    InvalidURL
        A name or value is not Unicode text (lone surrogates).
    """
    if not pairs:
        return ""
    return "&".join(sorted([f"{_encode(name)}={_encode(value)}" for name, value in pairs], key=_by_name))


def _encode(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidURL(f"query is not Unicode text: {visible(text, 200)}") from None


def _by_name(pair: str) -> tuple[str, str]:
    # not by the whole pair: "=" sorts after "-", and "a=1" comes before "a-b=1"
    name, _, value = pair.partition("=")
    return name, value


class Prepared:
    """All of a signature but method, path, query, and what depends on the body.

    Attributes
    ----------
    added : list of (str, str)
        Headers to add, but for ``x-amz-content-sha256`` and ``Authorization``.
    credential : str
        The value of ``Authorization`` up to the signature, which ends it.
    """

    __slots__ = ("_mac", "_request", "_start", "added", "credential")

    def __init__(
        self, signed: dict[str, str | None], stamp: str, day: _Day, keys: Keys, added: list[tuple[str, str]]
    ) -> None:
        """Headers whose value is None are left open, for `of` to fill in by the order of their names."""
        items = sorted(signed.items())
        names = ";".join([name for name, _ in items]).replace("%", "%%")
        lines = [f"{name}:{value}".replace("%", "%%") if value is not None else f"{name}:%s" for name, value in items]
        self._request = "\n".join(["%s\n%s\n%s", *lines, "", names, "%s"])
        self._start = f"AWS4-HMAC-SHA256\n{stamp}\n{day.scope}\n"
        self._mac = day.mac
        self.added = added
        self.credential = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{day.scope}, SignedHeaders={names}, Signature="
        )

    def __repr__(self) -> str:
        return "<prepared signature>"

    def signature(self, method: str, path: str, query: str, payload_hash: str, sums: Pairs = ()) -> str:
        """Return the signature of one request; ``path`` and ``query`` are encoded, as they are sent."""
        values = [value for _, value in sorted(sums)] if sums else ()
        return self.of(method, path, query, *values, payload_hash, payload_hash)

    def of(self, *values: str) -> str:
        """Return the signature of method, path, query, the values that were left open, and the payload's hash."""
        mac = self._mac.copy()
        mac.update(f"{self._start}{_sha256((self._request % values).encode()).hexdigest()}".encode())
        return mac.hexdigest()


class Signer:
    """Signs for one region and service. Thread-safe; keeps one day's signing key.

    Parameters
    ----------
    region, service : str
        The scope of the signature.
    """

    __slots__ = ("_day", "_second", "region", "service")

    def __init__(self, region: str, service: str = "s3") -> None:
        self.region = region
        self.service = service
        # each is replaced as a whole, so that threads need no lock
        self._day: _Day | None = None
        self._second: tuple[int, str] = (-1, "")

    def __repr__(self) -> str:
        return f"<Signer {self.region}/{self.service}>"

    def headers(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Pairs,
        payload_hash: str,
        keys: Keys,
        now: datetime | None = None,
    ) -> list[tuple[str, str]]:
        """Return the headers to add to a request.

        Parameters
        ----------
        host : str
            As it is sent: with a port unless it is the scheme's own.
        path, query : str
            Encoded, as they are sent; see `encode_key` and `encode_query`.
        headers : pairs
            Those that are sent anyway; all but hop-by-hop ones come under the signature, which is made over
            UTF-8. Not those that are returned here.
        payload_hash : str
            Hex SHA-256 of the body, or ``UNSIGNED-PAYLOAD``.
        now : datetime, optional
            Of any time zone, none means UTC; default: the clock.

        Returns
        -------
        list of (str, str)
            ``x-amz-content-sha256``, ``x-amz-date``, ``x-amz-security-token`` if there is one, ``Authorization``.

        Raises
        ------
        ValueError
            A header that HTTP cannot carry: control characters, lone surrogates.
        """
        prepared = self.prepare(host, headers, keys, now)
        signature = prepared.signature(method, path, query, payload_hash)
        return [
            ("x-amz-content-sha256", payload_hash),
            *prepared.added,
            ("Authorization", prepared.credential + signature),
        ]

    def prepare(
        self, host: str, headers: Pairs, keys: Keys, now: datetime | None = None, sums: Sequence[str] = ()
    ) -> Prepared:
        """Return what signs requests of these headers, whatever their method, path, query and body, as of this second.

        ``sums``: names of the ``x-amz-checksum-`` headers that each of them has.
        """
        stamp = self._stamp(now or datetime.now(UTC))
        day = self._today(keys, stamp[:8])
        signed: dict[str, str | None] = {**_canonical(headers), "host": host, "x-amz-date": stamp}
        added = [("x-amz-date", stamp)]
        if keys.token:
            signed["x-amz-security-token"] = keys.token
            added.append(("x-amz-security-token", keys.token))
        signed |= dict.fromkeys([*sums, "x-amz-content-sha256"])  # left open; in this order by name, too
        return Prepared(signed, stamp, day, keys, added)

    def presign(
        self,
        method: str,
        scheme: str,
        host: str,
        path: str,
        query: str,
        expires: int,
        keys: Keys,
        now: datetime | None = None,
        headers: Pairs = (),
    ) -> str:
        """Return a URL that carries its signature; whoever has it may make this one request for ``expires`` seconds.

        ``headers`` come under the signature and must then be sent with it.

        Raises
        ------
        ValueError
            ``expires`` is not between 1 second and 7 days, or a header that HTTP cannot carry.
        """
        if not 1 <= expires <= MAX_EXPIRES or expires != int(expires):
            raise ValueError(f"a presigned URL lives 1 to {MAX_EXPIRES} whole seconds, not {expires}")
        stamp = self._stamp(now or datetime.now(UTC))
        day = self._today(keys, stamp[:8])
        signed = _canonical(headers)
        signed["host"] = host
        auth = [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            f"X-Amz-Credential={quote(f'{keys.access_key}/{day.scope}', safe='')}",
            f"X-Amz-Date={stamp}",
            f"X-Amz-Expires={int(expires)}",
            f"X-Amz-SignedHeaders={quote(';'.join(sorted(signed)), safe='')}",
        ]
        if keys.token:
            auth.append(f"X-Amz-Security-Token={quote(keys.token, safe='')}")
        own = query.split("&") if query else []
        payload_hash = signed.get("x-amz-content-sha256", UNSIGNED_PAYLOAD)
        canonical_query = "&".join(sorted(own + auth, key=_by_name))
        signature = Prepared(dict(signed), stamp, day, keys, []).of(method, path, canonical_query, payload_hash)
        return f"{scheme}://{host}{path}?{'&'.join(own + auth)}&X-Amz-Signature={signature}"

    def _stamp(self, now: datetime) -> str:
        """Return the ISO 8601 basic form; one call of strftime a second."""
        if now.tzinfo is None:
            now = now.replace(tzinfo=UTC)
        second = int(now.timestamp())
        kept = self._second
        if kept[0] != second:
            kept = self._second = (second, now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"))
        return kept[1]

    def _today(self, keys: Keys, date: str) -> _Day:
        day = self._day
        if day is None or day.date != date or (day.keys is not keys and day.keys != keys):
            scope = f"{date}/{self.region}/{self.service}/aws4_request"
            day = self._day = _Day(keys, date, scope, hmac.new(_derive(keys, scope), digestmod="sha256"))
        return day


def _derive(keys: Keys, scope: str) -> bytes:
    """Return the signing key: HMAC with each step of the scope in turn ("Deriving the signing key")."""
    date, region, service, end = scope.encode().split(b"/")
    # surrogates stand for bytes of the environment that are no UTF-8 (PEP 383)
    return _hmac(
        _hmac(_hmac(_hmac(b"AWS4" + keys.secret_key.encode("utf-8", "surrogateescape"), date), region), service), end
    )


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _canonical(headers: Pairs) -> dict[str, str]:
    """Return values by lower-case name, white space folded; those of one name joined with a comma."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in _NEVER_SIGNED:
            continue
        if " " in value or not (value.isascii() and value.isprintable()):
            value = _folded(name, value)
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _folded(name: str, value: str) -> str:
    # RFC 9110, 5.5: no control characters but the tab; a line break would start another header
    if any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise ValueError(f"header {visible(name, 80)} cannot hold control characters: {visible(value, 80)}")
    try:
        # As bytes, which is what servers see: to `str.split`, a no-break space is white space, too.
        return b" ".join(value.encode().split()).decode()
    except UnicodeEncodeError:
        raise ValueError(f"header {visible(name, 80)} is not Unicode text: {visible(value, 80)}") from None
