"""Our signatures are botocore's, and those that AWS has published; nothing shows a secret."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any
from unittest import mock

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3nb.errors import InvalidURL
from s3nb.wire.signing import (
    EMPTY_SHA256,
    MAX_EXPIRES,
    UNSIGNED_PAYLOAD,
    Keys,
    Signer,
    _derive,
    encode_key,
    encode_query,
)

from .conftest import Server

# The identity of all examples in AWS's documentation.
AWS_KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
AWS_HOST = "examplebucket.s3.amazonaws.com"
AWS_TIME = datetime(2013, 5, 24, tzinfo=UTC)

# -- what AWS published ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "key", "query", "headers", "body", "names", "signature"),
    [
        pytest.param(
            "GET", "test.txt", [], [("Range", "bytes=0-9")], b"",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="GetObject",
        ),
        pytest.param(
            "PUT", "test$file.text", [],
            [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            b"Welcome to Amazon S3.",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            id="PutObject",
        ),
        pytest.param(
            "GET", "", [("lifecycle", "")], [], b"",
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            id="GetBucketLifecycle",
        ),
        pytest.param(
            "GET", "", [("prefix", "J"), ("max-keys", "2")], [], b"",
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            id="ListObjects",
        ),
    ],
)  # fmt: skip
def test_signatures_are_those_of_the_api_reference(
    method: str,
    key: str,
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes,
    names: str,
    signature: str,
) -> None:
    # "Using the Authorization header", section "Examples: Signature calculations"
    payload = sha256(body).hexdigest()
    added = Signer("us-east-1").headers(
        method, AWS_HOST, "/" + encode_key(key), encode_query(query), headers, payload, AWS_KEYS, AWS_TIME
    )
    assert added == [
        ("x-amz-content-sha256", payload),
        ("x-amz-date", "20130524T000000Z"),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            f"SignedHeaders={names}, Signature={signature}",
        ),
    ]


def test_the_presigned_url_is_that_of_the_api_reference() -> None:
    # "Using query parameters", section "An example"
    url = Signer("us-east-1").presign("GET", "https", AWS_HOST, "/test.txt", "", 86400, AWS_KEYS, AWS_TIME)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


# -- what botocore does --------------------------------------------------------------------------


@contextmanager
def botocores_clock(now: datetime) -> Iterator[None]:
    """Stop botocore's clock, which shows UTC without saying so."""
    shown = now.astimezone(UTC).replace(tzinfo=None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=shown):
        yield


def botocores_headers(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
    keys: Keys,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Sign with botocore; ``body`` None means an unsigned payload."""
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    sign_payload = {"payload_signing_enabled": body is not None}
    request.context["client_config"] = SimpleNamespace(s3=sign_payload)
    with botocores_clock(now):
        S3SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.token), service, region).add_auth(request)
    wanted = {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
    return {name.lower(): value for name, value in request.headers.items() if name.lower() in wanted}


AWKWARD = " /.+%~!'()*&=?#$@:,;\"<>[]{}|\\^`\t\r\n\x00\x7f\x80\xa0ÿäß€漢字😀\u202e\ufeff\uffff"
unicode_text = st.characters(exclude_categories=["Cs"])
keys_of_objects = st.one_of(
    st.lists(
        st.sampled_from(["/", "//", "..", ".", "a", "~", " ", "+", "%2F", "%", "ä", "?x=1", "#f"]), max_size=8
    ).map("".join),
    st.text(st.sampled_from(AWKWARD), max_size=12),
    st.text(unicode_text, max_size=20),
    st.text(st.characters(max_codepoint=0x7F), max_size=20),
)
query_pairs = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(["prefix", "uploads", "uploadId", "versionId", "list-type", "max-keys", "a", "a-b", "a b"]),
            st.text(st.one_of(st.sampled_from(AWKWARD), unicode_text), min_size=1, max_size=6),
        ),
        st.text(st.one_of(st.sampled_from(AWKWARD), unicode_text), max_size=8),
    ),
    max_size=5,
)
header_names = st.one_of(
    st.sampled_from(
        ["Range", "If-Match", "if-none-match", "Content-MD5", "Content-Type", "Content-Length", "x-amz-acl", "Expect",
         "x-amz-meta-a", "X-Amz-Meta-A", "x-amz-meta-b_c", "User-Agent", "Connection", "Transfer-Encoding", "TE",
         "x-amzn-trace-id", "traceparent", "Keep-Alive", "x-amz-copy-source", "x-amz-checksum-crc32"]
    ),
    st.text("abcXYZ019-_", min_size=1, max_size=10).map("x-amz-meta-{}".format),
)  # fmt: skip
# without control characters, which we refuse, and without white space beyond ASCII, which is none to servers (below)
header_values = st.one_of(
    st.text("ab \t", max_size=12),
    st.text("aé \t漢😀", max_size=8),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30),
    st.sampled_from(["", "bytes=0-9", '"d41d8cd98f00b204e9800998ecf8427e"', "*", "/b/k%20ey?versionId=x"]),
)
identities = st.builds(
    Keys,
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20),
    st.text("abcXYZ019+/=", min_size=1, max_size=40),
    st.none() | st.text("abcXYZ019+/=", min_size=1, max_size=80),
)
times = st.datetimes(datetime(1990, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
hosts = st.sampled_from([AWS_HOST, "localhost:9000", "s3.eu-west-1.amazonaws.com", "127.0.0.1:8080", "[::1]:9000"])
regions = st.sampled_from(["us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1", "auto", "x"])
services = st.sampled_from(["s3", "s3-outposts", "s3-object-lambda"])
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"])
schemes = st.sampled_from(["http", "https"])


@settings(max_examples=2500, deadline=None)
@given(
    methods, schemes, hosts, keys_of_objects, query_pairs, st.lists(st.tuples(header_names, header_values), max_size=6),
    st.none() | st.binary(max_size=20), identities, times, regions, services,
)  # fmt: skip
@example(
    "GET", "http", "localhost:9000", "a//../b/./c", [("a", "1"), ("a-b", "1"), ("a", "")],
    [("X-Amz-Meta-A", "  a   b "), ("x-amz-meta-a", "")], b"", AWS_KEYS, AWS_TIME, "us-east-1", "s3",
)  # fmt: skip
def test_header_signatures_are_botocores(
    method: str,
    scheme: str,
    host: str,
    key: str,
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes | None,
    keys: Keys,
    now: datetime,
    region: str,
    service: str,
) -> None:
    path, encoded = "/" + encode_key(key), encode_query(query)
    payload = UNSIGNED_PAYLOAD if body is None else sha256(body).hexdigest()
    ours = Signer(region, service).headers(method, host, path, encoded, headers, payload, keys, now)
    # A path that starts with two slashes is a host to urllib: botocore gets it in a full URL, as it is sent.
    theirs = botocores_headers(method, f"{scheme}://{host}{path}?{encoded}", headers, body, keys, region, service, now)
    assert {name.lower(): value for name, value in ours} == theirs


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(header_names.filter(lambda name: "checksum" not in name), header_values), max_size=4),
    st.lists(st.tuples(keys_of_objects, st.binary(max_size=20), st.text("abcXYZ019+/=%", min_size=8, max_size=12)), min_size=1, max_size=4),
    st.lists(st.sampled_from(["x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-crc64nvme"]), unique=True, max_size=2),
    identities, times,
)  # fmt: skip
def test_what_is_prepared_once_signs_many_bodies(
    headers: list[tuple[str, str]],
    sent: list[tuple[str, bytes, str]],
    names: list[str],
    keys: Keys,
    now: datetime,
) -> None:
    signer = Signer("us-east-1")
    prepared = signer.prepare(AWS_HOST, headers, keys, now, names)
    for key, body, value in sent:
        path, payload = "/" + encode_key(key), sha256(body).hexdigest()
        sums = [(name, value) for name in names]
        own = signer.headers("PUT", AWS_HOST, path, "", [*headers, *sums], payload, keys, now)
        authorization = prepared.credential + prepared.signature("PUT", path, "", payload, sums)
        assert authorization == dict(own)["Authorization"]


@settings(max_examples=1500, deadline=None)
@given(
    methods, schemes, hosts, keys_of_objects, query_pairs, st.lists(st.tuples(header_names, header_values), max_size=4),
    st.integers(1, MAX_EXPIRES), identities, times, regions, services,
)  # fmt: skip
def test_presigned_urls_are_botocores(
    method: str,
    scheme: str,
    host: str,
    key: str,
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    expires: int,
    keys: Keys,
    now: datetime,
    region: str,
    service: str,
) -> None:
    query = list(dict(query).items())  # botocore keeps one value of each name
    path, encoded = "/" + encode_key(key), encode_query(query)
    ours = Signer(region, service).presign(method, scheme, host, path, encoded, expires, keys, now, headers)
    request = AWSRequest(method=method, url=f"{scheme}://{host}{path}{'?' * bool(encoded)}{encoded}")
    for name, value in headers:
        request.headers.add_header(name, value)
    with botocores_clock(now):
        credentials = Credentials(keys.access_key, keys.secret_key, keys.token)
        S3SigV4QueryAuth(credentials, service, region, expires).add_auth(request)
    assert ours == request.url


def test_one_signer_serves_many_days_and_identities() -> None:
    signer = Signer("us-east-1")
    other = Keys("AKIDOTHER", "another-secret", "token")
    for now in (AWS_TIME, AWS_TIME + timedelta(days=1), AWS_TIME + timedelta(seconds=1), AWS_TIME):
        for keys in (AWS_KEYS, other, AWS_KEYS, Keys(AWS_KEYS.access_key, "rotated")):
            fresh = Signer("us-east-1")
            args: Any = ("GET", AWS_HOST, "/k", "", [("Range", "bytes=0-9")], EMPTY_SHA256, keys, now)
            assert signer.headers(*args) == fresh.headers(*args)


def test_threads_may_share_a_signer() -> None:
    signer = Signer("us-east-1")
    identities = [Keys(f"AKID{n}", f"secret{n}") for n in range(3)]
    cases: list[Any] = [
        ("GET", AWS_HOST, f"/{n}", "", [], EMPTY_SHA256, identities[n % 3], AWS_TIME + timedelta(days=n % 2))
        for n in range(6)
    ]
    expected = [Signer("us-east-1").headers(*case) for case in cases]
    wrong: list[Any] = []

    def sign_all() -> None:
        for _ in range(300):
            wrong.extend(case for case, right in zip(cases, expected, strict=True) if signer.headers(*case) != right)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=sign_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


@pytest.mark.parametrize(
    "now", [AWS_TIME.replace(tzinfo=None), AWS_TIME.astimezone(timezone(timedelta(hours=9, minutes=30)))]
)
def test_any_time_zone_signs_the_same_and_none_is_utc(now: datetime) -> None:
    def signed(at: datetime) -> list[tuple[str, str]]:
        return Signer("us-east-1").headers("GET", AWS_HOST, "/k", "", [], EMPTY_SHA256, AWS_KEYS, at)

    assert signed(now) == signed(AWS_TIME)


def test_the_clock_is_read_if_no_time_is_given() -> None:
    before = datetime.now(UTC)
    added = dict(Signer("us-east-1").headers("GET", AWS_HOST, "/k", "", [], EMPTY_SHA256, AWS_KEYS))
    signed = datetime.strptime(added["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert before.replace(microsecond=0) <= signed <= datetime.now(UTC)


# -- encoding --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("", ""),
        ("a/b-c_d.e~f", "a/b-c_d.e~f"),
        ("//a/../b/./", "//a/../b/./"),
        ("a b+c", "a%20b%2Bc"),
        ("100%25", "100%2525"),
        ("?#&=", "%3F%23%26%3D"),
        ("é😀", "%C3%A9%F0%9F%98%80"),
        ("\x00\r\n\x7f", "%00%0D%0A%7F"),
    ],
)
def test_a_key_is_encoded_once_and_never_normalised(key: str, path: str) -> None:
    assert encode_key(key) == path


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        ([], ""),
        ([("uploads", "")], "uploads="),
        ([("b", "2"), ("a-b", "1"), ("a", "/ +~"), ("a", "%")], "a=%25&a=%2F%20%2B~&a-b=1&b=2"),
    ],
)
def test_a_query_is_encoded_and_sorted(pairs: list[tuple[str, str]], query: str) -> None:
    assert encode_query(pairs) == query


def test_text_that_is_no_unicode_is_refused_by_name() -> None:
    with pytest.raises(InvalidURL, match=r"a\\ud800") as caught:
        encode_key("a\ud800")
    assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidURL, match=r"\\udcff"):
        encode_query([("prefix", "\udcff")])


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("expires", [0, -1, MAX_EXPIRES + 1, 1.5, float("nan"), float("inf")])
def test_a_presigned_url_lives_one_second_to_seven_days(expires: Any) -> None:
    with pytest.raises(ValueError, match="604800"):
        Signer("us-east-1").presign("GET", "https", AWS_HOST, "/k", "", expires, AWS_KEYS, AWS_TIME)


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\n", "\0", "\ud800", "é\r", "\x7f", "\x1c"])
def test_a_header_that_http_cannot_carry_is_refused(value: str) -> None:
    signer = Signer("us-east-1")
    with pytest.raises(ValueError, match="x-amz-meta-a"):
        signer.headers("PUT", AWS_HOST, "/k", "", [("x-amz-meta-a", value)], EMPTY_SHA256, AWS_KEYS, AWS_TIME)
    with pytest.raises(ValueError, match="x-amz-meta-a"):
        signer.presign("PUT", "https", AWS_HOST, "/k", "", 60, AWS_KEYS, AWS_TIME, [("x-amz-meta-a", value)])


# -- secrets ------------------------------------------------------------------------------------------

SECRET, TOKEN = "the-secret-of-this-test", "the-token-of-this-test"


@pytest.mark.parametrize("access_key", ["AKIAIOSFODNN7EXAMPLE", "short", ""])
def test_keys_show_nothing(access_key: str) -> None:
    keys = Keys(access_key, SECRET, TOKEN)
    shown = f"{keys} {keys!r} {[keys]}"
    assert SECRET not in shown
    assert TOKEN not in shown
    assert not access_key or access_key not in shown
    assert "MPLE" in repr(AWS_KEYS)  # but one identity can be told from another


@pytest.mark.parametrize("escape", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_keys_do_not_travel(escape: Any) -> None:
    with pytest.raises(TypeError):
        escape(Keys("AKIAIOSFODNN7EXAMPLE", SECRET, TOKEN))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_used_signer_does_not_travel_with_its_keys(protocol: int) -> None:
    signer = Signer("us-east-1")
    signer.headers("GET", AWS_HOST, "/k", "", [], EMPTY_SHA256, Keys("AKIAIOSFODNN7EXAMPLE", SECRET, TOKEN), AWS_TIME)
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(signer, protocol)


def test_keys_are_values() -> None:
    keys = Keys("a", "b", "c")
    assert keys == Keys("a", "b", "c")
    assert len({keys, Keys("a", "b", "c"), Keys("a", "b")}) == 2
    with pytest.raises(AttributeError):
        keys.secret_key = "other"  # type: ignore[misc]


def test_a_signer_shows_nothing_even_in_a_traceback_with_locals() -> None:
    signer = Signer("us-east-1")
    keys = Keys("AKIAIOSFODNN7EXAMPLE", SECRET, TOKEN)
    signer.headers("GET", AWS_HOST, "/k", "", [], EMPTY_SHA256, keys, AWS_TIME)
    day = signer._day
    assert day is not None
    shown = [repr(signer), repr(day), str(day)]
    for value in ("line\nbreak", "\ud800"):
        try:
            signer.headers("GET", AWS_HOST, "/k", "", [("x-amz-meta-a", value)], EMPTY_SHA256, keys, AWS_TIME)
        except ValueError as exc:
            shown.append("".join(traceback.TracebackException.from_exception(exc, capture_locals=True).format()))
    assert len(shown) == 5
    for text in shown:
        assert SECRET not in text
        assert TOKEN not in text
        key = _derive(keys, day.scope)
        assert repr(key) not in text
        assert key.hex() not in text


@pytest.mark.parametrize("value", ["é", "a\xa0\xa0b", "\u2003a\u2003", "a  b", " a ", ""])
def test_a_strict_server_folds_white_space_as_we_do(radosgw: Server, value: str) -> None:
    host = radosgw.endpoint_url.partition("//")[2]
    bucket = f"/test-{uuid.uuid4().hex}"
    keys = Keys(radosgw.access_key, radosgw.secret_key)
    for method, path in (("PUT", bucket), ("PUT", f"{bucket}/k"), ("DELETE", f"{bucket}/k"), ("DELETE", bucket)):
        headers = [("x-amz-meta-a", value)]
        headers += Signer(radosgw.region).headers(method, host, path, "", headers, EMPTY_SHA256, keys)
        connection = HTTPConnection(host, timeout=30)
        connection.request(method, path, headers={name: text.encode() for name, text in headers})
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        assert reply.status in (200, 204), content


def test_a_secret_of_any_bytes_signs() -> None:
    # as `os.environ` gives it
    keys = Keys("AKID", b"secret\xff".decode("utf-8", "surrogateescape"))
    added = dict(Signer("us-east-1").headers("GET", AWS_HOST, "/k", "", [], EMPTY_SHA256, keys, AWS_TIME))
    assert len(added["Authorization"].rpartition("=")[2]) == 64
