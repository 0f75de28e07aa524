"""Addresses, ranges, text, results, errors, settings: what needs no server."""

from __future__ import annotations

import errno
import os
import pickle
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import s3nb
from s3nb import errors, plain, progress, ranges, text, uri
from s3nb.config import TransferConfig
from s3nb.model import Results, S3GetObject, S3Object, S3PutObject
from s3nb.transfer.pace import Backoff, Pace
from s3nb.wire.xml import Rows

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)


# -- addresses ----------------------------------------------------------------------------------------


@given(KEYS)
def test_a_url_names_its_key_to_the_letter(key: str) -> None:
    assert uri.parse(f"s3://bucket/{key}") == ("bucket", key)


@pytest.mark.parametrize(
    "url", ["http://x/y", "s3a://b/k", "bucket/key", "", "s3:/b/k", "s3://", "s3:///key", "s3://a b/k", "s3://-x-/k"]
)
def test_what_is_no_s3_url_is_refused_by_name(url: str) -> None:
    with pytest.raises(s3nb.InvalidURL):
        uri.parse(url)


def test_the_scheme_may_be_written_in_capitals() -> None:
    assert uri.parse("S3://bucket/a") == ("bucket", "a")


def test_an_access_point_stands_where_a_bucket_stands() -> None:
    arn = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"
    assert uri.parse(f"s3://{arn}/dir/key") == (arn, "dir/key")


@pytest.mark.parametrize(
    ("key", "fine"),
    [("k" * 1024, True), ("k" * 1025, False), ("ü" * 512, True), ("ü" * 513, False), ("", False), ("\ud800", False)],
)
def test_keys_have_1_to_1024_bytes(key: str, fine: bool) -> None:
    if fine:
        assert uri.check_key(uri.Location("bucket", key)).key == key
    else:
        with pytest.raises(s3nb.InvalidURL):
            uri.check_key(uri.Location("bucket", key))


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("s3://bucket", ("s3://bucket", "")),
        ("s3://bucket/", ("s3://bucket", "")),
        ("s3://bucket/a//", ("s3://bucket/a", "a/")),
    ],
)
def test_a_root_has_one_form(root: str, expected: tuple[str, str]) -> None:
    assert uri.split_root(root) == expected


@given(KEYS)
def test_no_key_leads_out_of_its_folder(key: str) -> None:
    try:
        path = uri.key_to_path("/safe/folder", key)
    except s3nb.UnsafeKey:
        return
    assert os.path.normpath(path) == path
    assert path == f"/safe/folder/{key}"


@pytest.mark.parametrize("key", ["..", "a/../b", "/abs", "a//b", "a/", ".", "a/./b", "nul\0", "x" * 256, "a\ud800"])
def test_keys_without_an_exact_counterpart_on_disk_are_refused(key: str) -> None:
    with pytest.raises(s3nb.UnsafeKey):
        uri.key_to_path("/safe", key)


@pytest.mark.parametrize(
    "key", ["c:/x", "CON", "con.txt", "a/LPT1", "a?", "trail.", "trail ", "back\\slash", "a:b", "tab\t"]
)
def test_windows_has_more_rules(key: str) -> None:
    with pytest.raises(s3nb.UnsafeKey):
        uri.key_to_path("/safe", key, windows=True)
    uri.key_to_path("/safe", key, windows=False)


def test_keys_that_meet_on_disk_are_found_before_a_byte_moves() -> None:
    assert uri.collisions(["a", "a/b", "c"]) == {"a/b": "a"}
    assert uri.collisions(["a/b", "a"]) == {"a": "a/b"}
    assert uri.collisions(["u\u0308", "\u00fc"]) == {"\u00fc": "u\u0308"}
    assert uri.collisions(["A", "a"], fold=True) == {"a": "A"}
    assert uri.collisions(["A", "a"], fold=False) == {}


# -- ranges -------------------------------------------------------------------------------------------


@given(st.integers(0, 10**14))
def test_parts_cover_every_byte_once_and_are_few_enough(size: int) -> None:
    part_size = ranges.upload_part_size(size, 16 * ranges.MIB) if size <= 5 * ranges.GIB * 10_000 else 0
    if not part_size or size / part_size > 1000:
        assert not part_size or -(-size // part_size) <= 10_000
        return
    parts = ranges.plan_parts(size, part_size)
    assert [p.start for p in parts[1:]] == [p.stop for p in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, size)
    assert [p.number for p in parts] == list(range(1, len(parts) + 1))
    assert all(p.stop - p.start >= ranges.MIN_PART_SIZE for p in parts[:-1])


def test_an_object_beyond_what_s3_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="10000 parts"):
        ranges.upload_part_size(5 * ranges.GIB * 10_000 + 1, 1)


def test_parts_of_a_stream_grow_so_that_it_may_be_as_long_as_an_object() -> None:
    total = sum(ranges.stream_part_size(n, 16 * ranges.MIB) for n in range(1, ranges.MAX_PARTS + 1))
    assert total >= 5 * 1024 * ranges.GIB
    assert ranges.stream_part_size(1, 16 * ranges.MIB) == 16 * ranges.MIB


@pytest.mark.parametrize(
    ("offset", "length", "header"),
    [
        (None, None, None),
        (0, None, "bytes=0-"),
        (5, None, "bytes=5-"),
        (5, 3, "bytes=5-7"),
        (None, 3, "bytes=0-2"),
        (None, -3, "bytes=-3"),
        (9, -3, "bytes=-3"),
    ],
)
def test_range_headers_are_inclusive(offset: int | None, length: int | None, header: str | None) -> None:
    if (offset, length) == (0, None):
        assert ranges.range_header(offset, length) in (None, header)
    else:
        assert ranges.range_header(offset, length) == header


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("bytes 0-4/10", (0, 5, 10)),
        ("bytes 5-5/*", (5, 6, None)),
        ("bytes */10", None),
        ("lines 0-4/10", None),
        (None, None),
        ("bytes 4-0/9", None),
    ],
)
def test_content_ranges(value: str | None, parsed: Any) -> None:
    assert ranges.parse_content_range(value) == parsed


# -- text -----------------------------------------------------------------------------------------------


@given(st.text())
def test_visible_text_moves_no_cursor_and_hides_nothing(value: str) -> None:
    shown = text.visible(value)
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\n" not in shown


def test_long_text_is_cut_in_the_middle() -> None:
    assert text.visible("a" * 50 + "z", 11) == "aaaaa…aaaaz"


def test_sizes_and_times_are_short() -> None:
    assert [text.size_text(n) for n in (None, 0, 1023, 1024, 20 << 20, 5 << 40)] == [
        "-",
        "0 B",
        "1023 B",
        "1.0 KiB",
        "20.0 MiB",
        "5.0 TiB",
    ]
    assert [text.time_text(t) for t in (None, 0.44, 12, 185, 7201)] == ["?", "0.4 s", "12 s", "3:05", "2:00:01"]


# -- results ----------------------------------------------------------------------------------------------


def test_helper_objects_have_the_fields_of_the_client_they_replace() -> None:
    assert S3GetObject("k")[:3] == ("k", None, None)
    assert S3PutObject._fields == ("key", "value", "path", "content_type", "encryption", "metadata")
    assert tuple(s3nb.RangeInfo(9)) == (9, 0, -1)


def test_an_object_prints_what_it_is() -> None:
    assert repr(S3Object(None, "s3://b/k", size=0)) == "<S3Object s3://b/k (0 bytes, in S3)>"
    assert repr(S3Object(None, "s3://b/k")) == "<S3Object s3://b/k (object does not exist)>"
    assert repr(S3Object(None, "s3://b/\x1b[2J", size=1)) == "<S3Object s3://b/\\x1b[2J (1 bytes, in S3)>"


def test_bad_json_in_the_metadata_header_is_no_failure() -> None:
    found = S3Object(
        None,
        "s3://b/k",
        size=1,
        headers={"x-amz-meta-metaflow-user-attributes": "{oops", "x-amz-meta-a": "=?utf-8?q?=C3=BC?="},
    )
    assert found.metadata is None
    assert found.raw_metadata == {"metaflow-user-attributes": "{oops", "a": "ü"}


def test_a_table_shows_failures_first_and_sums_up() -> None:
    missing = errors.from_reply(
        operation="GetObject", bucket="b", key="gone", status=404, code="NoSuchKey", message="", request_id=""
    )
    items = Results(
        [S3Object("s3://b", "s3://b/k", size=2048, last_modified=0.0), missing, S3Object("s3://b/", "s3://b/dir/")]
    )
    lines = plain.table(items).splitlines()
    assert lines[0].startswith(" failed")
    assert "2.0 KiB  1970-01-01 00:00:00  k" in lines[1]
    assert lines[2].endswith("dir/")
    assert lines[3] == "2 objects, 1 prefix, 2.0 KiB, 1 failed"
    assert plain.table(list(items) * 40).splitlines()[-2] == "... and 80 more"


# -- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "kind", "builtin"),
    [
        ("NoSuchKey", 404, s3nb.ObjectNotFound, FileNotFoundError),
        ("NoSuchBucket", 404, s3nb.BucketNotFound, FileNotFoundError),
        ("AccessDenied", 403, s3nb.AccessDenied, PermissionError),
        ("InvalidAccessKeyId", 403, s3nb.CredentialsError, PermissionError),
        ("InvalidRange", 416, s3nb.InvalidRange, ValueError),
        ("SlowDown", 503, s3nb.Throttled, s3nb.ServerError),
        ("", 403, s3nb.AccessDenied, PermissionError),
        ("", 404, s3nb.NotFound, FileNotFoundError),
        ("", 500, s3nb.ServerError, s3nb.S3Error),
        ("NeverHeardOf", 418, s3nb.S3Error, Exception),
    ],
)
def test_codes_become_classes_that_are_builtins_too(code: str, status: int, kind: type, builtin: type) -> None:
    error = errors.from_reply(
        operation="GetObject", bucket="b", key="k", status=status, code=code, message="m", request_id="R"
    )
    assert isinstance(error, kind)
    assert isinstance(error, builtin)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.bucket, again.key, again.code, again.status, again.request_id) == (
        type(error), str(error), "b", "k", error.code, status, "R",
    )  # fmt: skip


def test_hostile_text_in_an_error_cannot_move_the_cursor() -> None:
    error = errors.from_reply(
        operation="GetObject",
        bucket="b",
        key="\x1b[2J",
        status=400,
        code="X\x1b",
        message="\r\n\x07",
        request_id="\x9b",
    )
    assert "\x1b" not in str(error)
    assert str(error).isprintable()


def test_a_bulk_error_names_all_kinds_and_holds_the_rest() -> None:
    def failed(code: str, n: int) -> s3nb.S3Error:
        return errors.from_reply(
            operation="GetObject", bucket="b", key=f"k{n}", status=404, code=code, message="", request_id=""
        )

    results = ["fine", *(failed("NoSuchKey", n) for n in range(5)), failed("AccessDenied", 9)]
    error = errors.bulk_error("get", results)
    assert "6 objects of 7 failed" in str(error)
    assert "and 2 more with NoSuchKey" in str(error)
    assert "k9" in str(error)
    assert error.ok == ["fine"]
    assert len(error.failed) == 6
    assert not isinstance(error, FileNotFoundError)
    assert isinstance(errors.bulk_error("get", results[:3]), s3nb.ObjectNotFound)
    assert len(pickle.loads(pickle.dumps(error)).failed) == 6


# -- settings, pace -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_requests": 0},
        {"part_size": 1},
        {"attempts": -1},
        {"stall_timeout": "20"},
        {"multipart_threshold": 6 << 30},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TransferConfig(**wrong)


def test_pace_halves_once_per_burst_and_climbs_again() -> None:
    pace = Pace(TransferConfig(max_requests=64, start_requests=32))
    for n in range(20):
        pace.throttled(100.0 + n / 1000, 30 - n)
    assert pace.limit == 16
    for n in range(10):
        pace.throttled(101.0 + n / 1000, 15)
    assert pace.limit == 8
    for n in range(5000):
        pace.success(102.0 + n / 1000)
    assert pace.limit == 64


def test_a_complaint_now_and_then_is_not_a_limit() -> None:
    pace = Pace(TransferConfig())
    for n in range(2000):
        if n % 20:
            pace.success(100.0 + n / 100)
        else:
            pace.throttled(100.0 + n / 100, 0)
        assert pace.wait(100.0 + n / 100) == 0.0
    assert pace.rate is None


def test_a_complaint_sets_the_rate_to_a_little_less_than_what_was_taken() -> None:
    pace = Pace(TransferConfig())
    assert pace.wait(100.0) == 0.0
    for n in range(30):
        pace.success(100.0 + n / 100)
    for _ in range(5):
        pace.throttled(100.3, 0)
    assert pace.wait(100.3) == pytest.approx(0.1), "it may be chance: a moment's doubt"
    assert pace.rate is None
    for _ in range(5):
        pace.throttled(100.3, 0)
    assert pace.wait(100.4) == pytest.approx(0.4)
    assert pace.wait(100.81) == 0.0
    assert pace.rate == pytest.approx(27)
    sent = 0
    now = 101.0
    while now < 102.0:
        if pace.wait(now) == 0.0:
            pace.sent(now)
            sent += 1
        now += 0.001
    assert 25 <= sent <= 31


def test_pauses_stay_below_a_doubling_ceiling_and_honour_retry_after() -> None:
    backoff = Backoff(TransferConfig(backoff_base=0.1, backoff_cap=2.0))
    for tries in range(1, 40):
        assert 0 <= backoff.pause(tries, throttled=False) <= min(2.0, 0.1 * 2 ** (tries - 1))
    assert backoff.pause(1, throttled=True, asked=7.0) >= 7.0


def test_a_snapshot_is_plain_numbers_and_pickles() -> None:
    counters = progress.Progress("get", 3)
    counters.planned(3)
    found = counters.snapshot()
    assert (found.verb, found.total, found.so_far, found.done, found.finished) == ("get", 3, 3, 0, False)
    assert pickle.loads(pickle.dumps(found)) == found


def test_cancelling_tells_each_listener_once() -> None:
    counters = progress.Progress("get")
    told: list[str] = []
    counters.on_cancel(lambda: told.append("early"))
    counters.cancel()
    counters.cancel()
    counters.on_cancel(lambda: told.append("late"))
    assert told == ["early", "late"]


def test_a_symbolic_link_below_the_target_is_not_followed_out_of_it(tmp_path: Path) -> None:
    from s3nb.transfer.local import make_folder

    (tmp_path / "to").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(s3nb.UnsafeKey, match="leads out"):
        make_folder(tmp_path / "to", tmp_path / "to" / "link" / "sub")


def test_every_error_is_an_os_error_with_errno_and_file_name() -> None:
    missing = errors.from_reply(
        operation="GetObject", bucket="b", key="k", status=404, code="NoSuchKey", message="", request_id="R"
    )
    refused = errors.from_reply(
        operation="HeadObject", bucket="b", key="k", status=403, code="", message="", request_id="R"
    )
    slow = errors.from_reply(
        operation="PutObject", bucket="b", key="k", status=503, code="SlowDown", message="", request_id=""
    )
    assert [(e.errno, e.filename) for e in (missing, refused, slow)] == [
        (errno.ENOENT, "s3://b/k"),
        (errno.EACCES, "s3://b/k"),
        (errno.EBUSY, "s3://b/k"),
    ]
    assert "missing key looks the same" in str(refused)
    assert (str(missing), missing.request_id) == ("s3://b/k: NoSuchKey [GetObject, status 404]", "R")
    again = pickle.loads(pickle.dumps(refused))
    assert (again.errno, again.filename, again.code, str(again)) == (
        errno.EACCES,
        "s3://b/k",
        "AccessDenied",
        str(refused),
    )


def test_a_key_that_is_too_long_says_so_as_a_file_name_does() -> None:
    with pytest.raises(s3nb.InvalidURL) as caught:
        uri.check_key(uri.parse("s3://bucket/" + "k" * 1025))
    assert caught.value.errno == errno.ENAMETOOLONG


def test_an_object_of_a_listing_answers_every_question_and_pickles() -> None:
    rows = Rows(["a/b", "a/c"], [5, 0], ["tag", None], [datetime.fromtimestamp(1.5, UTC), None], ["GLACIER", None])
    first, second = S3Object.listed(rows, "box", "s3://box/a/", None)
    assert (first.url, first.key, first.object_key, first.size, first.exists) == ("s3://box/a/b", "b", "a/b", 5, True)
    assert (first.etag, first.last_modified, first.storage_class, first.version_id) == ("tag", 1.5, "GLACIER", None)
    assert (first.path, first.blob, first.downloaded, first.headers, first.range_info) == (
        None,
        None,
        False,
        None,
        None,
    )
    assert (second.etag, second.last_modified, second.has_info, second.verified) == (None, None, False, None)
    for found in S3Object.listed(rows, "box", None, None):  # nobody has looked at it before
        again = pickle.loads(pickle.dumps(found))
        assert (again.url, again.etag, again.version_id) == (found.url, found.etag, found.version_id)
        assert again.last_modified == found.last_modified
        with pytest.raises(AttributeError, match="sise"):
            found.sise  # noqa: B018
