"""Results as a notebook and a terminal show them: tables, facts; nobody is asked for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import s3nb
from s3nb import S3, BulkError, PresignedURL, Results, S3Object, errors, styled
from s3nb.commands.results import Usage, plan
from s3nb.sync import Synced
from s3nb.testing import MemoryWire


@pytest.fixture(scope="module")
def formatter() -> Any:
    """IPython's own, as it asks objects how they look."""
    shell = InteractiveShell()
    yield shell.display_formatter
    InteractiveShell.clear_instance()


@pytest.fixture
def s3(tmp_path: Path) -> Any:
    wire = MemoryWire({"box": {"a.csv": b"x" * 2048, "b/c.txt": b"hello", "empty": b""}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as client:
        yield client


def shown(formatter: Any, item: Any) -> dict[str, str]:
    data, _ = formatter.format(item)
    return dict(data)


def missing(key: str) -> errors.S3Error:
    return errors.from_reply(
        operation="GetObject",
        bucket="box",
        key=key,
        status=404,
        code="NoSuchKey",
        message="No such key.",
        request_id="77",
    )


def test_a_listing_is_a_table_in_html_and_in_text(s3: S3, formatter: Any) -> None:
    data = shown(formatter, s3.list_paths())
    lines = data["text/plain"].splitlines()
    assert [line.split()[-1] for line in lines[:-1]] == ["a.csv", "b/", "empty"]
    assert lines[-1] == "2 objects, 1 prefix, 2.0 KiB"
    for word in ("key", "size", "modified", "a.csv", "2.0 KiB", "b/", "2 objects, 1 prefix, 2.0 KiB"):
        assert f">{word}<" in data["text/html"]


def test_failures_come_first_and_say_why_without_what_only_operators_need(formatter: Any) -> None:
    items = [S3Object("s3://box", "s3://box/fine", size=1), missing("gone/<b>.csv")]
    error = errors.bulk_error("get", items)
    assert isinstance(error, BulkError)
    for item in (error, Results(items)):
        data = shown(formatter, item)
        assert data["text/plain"].splitlines()[0] == "failed  gone/<b>.csv: NoSuchKey (No such key.)"
        assert data["text/html"].index("gone/&lt;b&gt;.csv") < data["text/html"].index("fine")
        assert "77" not in data["text/html"]


def test_a_long_list_is_cut_with_a_count(formatter: Any) -> None:
    many = Results(S3Object("s3://box", f"s3://box/k{n}", size=1024) for n in range(12_345))
    data = shown(formatter, many)
    assert data["text/plain"].splitlines()[-2:] == ["... and 12,305 more", "12,345 objects, 12.1 MiB"]
    assert "… and 12,295 more — 12,345 objects, 12.1 MiB" in data["text/html"]
    assert len(data["text/html"]) < 20_000


def test_text_fits_eighty_columns_with_the_end_of_long_keys(formatter: Any) -> None:
    key = "year=2026/" * 20 + "part-0001.parquet"
    headers = {"content-type": "application/vnd.openxmlformats-officedocument"}
    items = Results([S3Object("s3://box", f"s3://box/{key}", size=1, last_modified=0.0, headers=headers)])
    text = shown(formatter, items)["text/plain"]
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "part-0001.parquet" in text


def test_the_reason_of_a_failure_is_whole_where_there_is_room(formatter: Any) -> None:
    items = Results([S3Object("s3://box", "s3://box/k", size=1, last_modified=0.0), missing("deep/" * 15 + "gone.csv")])
    lines = shown(formatter, items)["text/plain"].splitlines()
    assert len(lines[0]) <= 80
    assert lines[0].startswith("failed  deep/")
    assert lines[0].endswith("gone.csv: NoSuchKey (No such key.)")
    assert lines[1] == "   1 B  1970-01-01 00:00:00  k"


def test_a_piece_of_the_results_and_the_good_ones_are_shown_alike(s3: S3, formatter: Any) -> None:
    found = s3.list_recursive()
    for piece in (found[:2], found.ok):
        assert "text/html" in shown(formatter, piece)


def test_one_object_shows_its_facts_and_inside_a_list_one_line(s3: S3, formatter: Any) -> None:
    found = s3.get("b/c.txt")
    data = shown(formatter, found)
    assert data["text/plain"].splitlines()[:2] == ["url            s3://box/b/c.txt", "size           5 B"]
    assert ">s3://box/b/c.txt<" in data["text/html"]
    assert shown(formatter, [found])["text/plain"] == f"[{found!r}]"


def test_a_sync_shows_what_it_did(formatter: Any) -> None:
    data = shown(formatter, Synced(copied=["a<b>"], deleted=["old"], same=3, size=2048))
    assert data["text/plain"].splitlines() == [
        " copied  a<b>",
        "deleted  old",
        "1 copied (2.0 KiB), 1 deleted, 3 were the same",
    ]
    assert "a&lt;b&gt;" in data["text/html"]


def test_what_was_left_alone_is_named_last(formatter: Any) -> None:
    items = Results([S3Object("s3://box", "s3://box/new", size=1)])
    items.skipped = ["a<b>"] + [f"k{n}" for n in range(100)]
    data = shown(formatter, items)
    lines = data["text/plain"].splitlines()
    assert [line.strip() for line in lines[:2]] == ["1 B  new", "skipped  a<b>"]
    assert lines[-2:] == ["... and 62 more", "1 object, 1 B, 101 skipped"]
    assert ">a&lt;b&gt;<" in data["text/html"]
    assert "and 52 more" in data["text/html"]


def test_a_repr_asks_nobody(tmp_path: Path, formatter: Any) -> None:
    wire = MemoryWire({"box": {"k": b"x"}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        results = [s3.list_paths(), s3.get("k"), s3.info_many(["k"])]
        before = wire.requests()
        for item in results:
            repr(item)
            shown(formatter, item)
        assert wire.requests() == before
    for item in results:  # nor does a closed client matter
        shown(formatter, item)


def test_the_browser_and_results_on_one_page_do_not_style_each_other() -> None:
    sheet = (Path(s3nb.__file__).parent / "notebook" / "browser.css").read_text()
    ours = str(styled.page())
    names = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
    assert ":host" in sheet  # of a shadow root, which nothing leaves
    assert "browser" in names.findall(sheet)
    assert not set(names.findall(sheet)) & set(names.findall(ours))


def test_what_a_function_made_of_objects_is_shown_as_values(s3: S3, formatter: Any) -> None:
    pairs = s3.map(lambda found: (found.key, "<b>", found.size), ["a.csv", "empty"])
    data = shown(formatter, pairs)
    assert data["text/plain"].splitlines() == ["0  ('a.csv', '<b>', 2048)", "1  ('empty', '<b>', 0)", "2 values"]
    assert "stored" not in data["text/html"]
    assert "&#x27;&lt;b&gt;&#x27;" in data["text/html"]
    with pytest.raises(BulkError) as caught:
        s3.map(lambda found: found.size, ["none", "empty"])
    lines = shown(formatter, caught.value)["text/plain"].splitlines()
    assert lines[0].startswith("0  failed: none: ")
    assert lines[1:] == ["1  0", "1 value, 1 failed"]
    long = s3.map(lambda found: "x" * 1000, ["a.csv"])
    assert all(len(line) <= 80 for line in shown(formatter, long)["text/plain"].splitlines())


class Rude:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_a_value_whose_repr_fails_is_shown_too(s3: S3, formatter: Any) -> None:
    data = shown(formatter, s3.map(lambda found: Rude(), ["a.csv"]))
    assert data["text/plain"].splitlines()[0] == "0  <Rude, whose repr fails: ValueError>"


def test_what_du_and_a_dry_run_say_is_a_table_in_a_notebook_too(formatter: Any) -> None:
    usage = Usage([("s3://box/<b>/", 12_345, 2048), ("s3://box/", 12_346, 2049)], 12_346, 2049)
    data = shown(formatter, usage)
    assert data["text/plain"].splitlines() == [
        "2.0 KiB  12,345 objects  s3://box/<b>/",
        "2.0 KiB  12,346 objects  s3://box/",
    ]
    for word in ("size", "objects", "prefix", "2.0 KiB", "12,345", "s3://box/&lt;b&gt;/", "12,346 objects, 2.0 KiB"):
        assert f">{word}<" in data["text/html"]
    would = plan("delete", [("s3://box/<b>", 10), ("s3://box/c", 20)])
    data = shown(formatter, would)
    assert data["text/plain"].splitlines()[-1] == "would delete 2 objects, 30 B; nothing was done"
    for word in ("would delete", "10 B", "s3://box/&lt;b&gt;", "would delete 2 objects, 30 B; nothing was done"):
        assert f">{word}<" in data["text/html"]
    unknown = shown(formatter, plan("put", ((f"k{n}", None) for n in range(200))))["text/html"]
    assert "… and 150 more — would put 200 objects; nothing was done" in unknown
    assert ">size<" not in unknown


def test_a_presigned_url_is_shown_without_what_makes_it_work(formatter: Any) -> None:
    url = PresignedURL("https://box.example/k?X-Amz-Credential=AKIA&X-Amz-Signature=5ec7e7", 60)
    data = shown(formatter, url)
    for text in data.values():
        assert "https://box.example/k" in text
        assert "5ec7e7" not in text
        assert "AKIA" not in text
    assert "5ec7e7" in str(url)


def test_everything_that_users_get_can_be_named_in_an_annotation() -> None:
    for name in ("Job", "Plan", "Preview", "PresignedURL", "PutResult", "Results", "Synced", "Usage"):
        assert isinstance(getattr(s3nb, name), type)
        assert name in dir(s3nb)
