"""A browser without a screen: levels, order, selection, searching, tasks; on an S3 in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3
from s3nb.browsing import source, still, words
from s3nb.browsing.advice import problem_of
from s3nb.browsing.level import Level, Rows
from s3nb.browsing.look import version_rows
from s3nb.browsing.match import matcher
from s3nb.browsing.program import program
from s3nb.browsing.session import Browsing
from s3nb.browsing.source import Source, parent_of
from s3nb.browsing.tasks import Tasks
from s3nb.browsing.tree import Selection, Tree
from s3nb.errors import AccessDenied, BucketNotFound, ConnectionFailed, CredentialsError, LocalFileError
from s3nb.progress import Progress
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import listing
from tests.conftest import Server

OBJECTS = {
    "readme.txt": b"hello",
    "a/one.csv": b"1",
    "a/two.csv": b"22",
    "a/deep/three.csv": b"333",
    "b//odd": b"x",
    "c/../up": b"x",
    "zero.bin": b"",
    **{f"many/{n:05d}": b"." * (n % 7) for n in range(2500)},
}


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire({"bucket": dict(OBJECTS), "empty": {}})


@pytest.fixture
def browsing(wire: MemoryWire, tmp_path: Path) -> Iterator[Browsing]:
    with S3(tmp_path, wire=wire) as s3:
        made = Browsing(s3)
        yield made
        made.close()


def at(browsing: Browsing, url: str) -> Browsing:
    browsing.go(url)
    browsing.wait()
    return browsing


def names(browsing: Browsing, start: int = 0, stop: int = 50) -> list[str]:
    return [f"{'  ' * row.depth}{row.name or row.kind}" for row in browsing.rows(start, stop)[2]]


def row_id(browsing: Browsing, name: str) -> str:
    return next(row.id for row in browsing.rows(0, 5000)[2] if row.name == name)


def pick(browsing: Browsing, *wanted: str) -> Selection:
    browsing.select_urls([browsing.path + name for name in wanted])
    return browsing.selection


# -- levels ------------------------------------------------------------------------------------


def test_a_level_lists_prefixes_and_objects_in_s3s_order(browsing: Browsing) -> None:
    assert names(at(browsing, "s3://bucket/")) == ["a/", "b/", "c/", "many/", "readme.txt", "zero.bin"]


def test_keys_are_literal_on_the_way_down_and_up(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/b//")
    assert names(browsing) == ["odd"]
    browsing.up()
    browsing.wait()
    assert browsing.path == "s3://bucket/b/"
    assert names(browsing) == ["/"]
    assert names(at(browsing, "s3://bucket/c/../")) == ["up"]


@pytest.mark.parametrize(
    ("url", "above"),
    [("s3://bkt/a/c/", "s3://bkt/a/"), ("s3://bkt/a/", "s3://bkt/"), ("s3://bkt/a//", "s3://bkt/a/"), ("s3://bkt/", "s3://"), ("s3://", "s3://")],
)  # fmt: skip
def test_the_level_above(url: str, above: str) -> None:
    assert parent_of(url) == above


def test_an_address_without_a_slash_is_an_object_or_else_a_prefix(browsing: Browsing) -> None:
    assert at(browsing, "s3://bucket/a/two.csv").path == "s3://bucket/a/"
    assert browsing.filter == "two.csv"
    assert names(browsing) == ["two.csv"]
    assert at(browsing, "s3://bucket/a").path == "s3://bucket/a/"
    assert at(browsing, "s3://bucket").path == "s3://bucket/"


def test_a_level_loads_page_by_page(browsing: Browsing, wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/many/")
    assert browsing.state()["loaded"] == 1000
    assert browsing.rows(999, 1002)[2][-1].kind == "more"
    browsing.near(browsing.rows(0, 1000)[2])
    browsing.wait()
    assert browsing.state()["loaded"] == 1000
    browsing.near(browsing.rows(950, 1002)[2])  # the end of what is loaded
    browsing.wait()
    assert browsing.state()["loaded"] == 2000
    assert wire.requests("ListObjectsV2") == 2
    browsing.load_all()
    browsing.wait()
    state = browsing.state()
    assert (state["loaded"], state["complete"], state["total"]) == (2500, True, 2500)
    assert names(browsing, 2499, 2600) == ["02499"]


def test_levels_open_below_prefixes_and_close_again(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    browsing.toggle(row_id(browsing, "a/"))
    browsing.wait()
    browsing.toggle(row_id(browsing, "deep/"))
    browsing.wait()
    assert names(browsing, 0, 6) == ["a/", "  deep/", "    three.csv", "  one.csv", "  two.csv", "b/"]
    assert names(browsing, 2, 4) == ["    three.csv", "  one.csv"]
    browsing.toggle(row_id(browsing, "a/"))
    assert names(browsing, 0, 2) == ["a/", "b/"]


def test_an_open_level_that_is_not_all_there_ends_in_a_row_that_loads_more(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    browsing.toggle(row_id(browsing, "many/"))
    browsing.wait()
    rows = browsing.rows(1000, 1010)[2]
    end = next(row for row in rows if row.kind == "more")
    assert rows[rows.index(end) + 1].name == "readme.txt"
    browsing.more(int(end.id.partition(":")[0]))
    browsing.wait()
    assert browsing.state()["total"] == 6 + 2000 + 1


def test_every_window_of_rows_is_a_piece_of_all_rows(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    for name in ("many/", "a/", "deep/", "b/"):
        browsing.toggle(row_id(browsing, name))
        browsing.wait()
    for order in ("name", "-name", "size", "-time"):
        browsing.sort_by(order)
        _, total, everything = browsing.rows(0, 10**6)
        assert len(everything) == total
        assert len({row.id for row in everything}) == total
        for start in (0, 1, 3, 5, 6, 1000, 1005, 1010, total - 1):
            assert browsing.rows(start, start + 4)[2] == everything[start : start + 4]
        for place, row in enumerate(everything[:12]):
            spot = browsing.tree.find(row.id)
            if spot is not None:
                assert browsing.tree.position(spot[0], spot[1]) == place


def test_order_is_of_what_is_loaded_with_prefixes_first(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/a/")
    browsing.sort_by("-size")
    assert names(browsing) == ["deep/", "two.csv", "one.csv"]
    browsing.sort_by("size")
    assert names(browsing) == ["deep/", "one.csv", "two.csv"]
    browsing.sort_by("-name")
    assert names(browsing) == ["two.csv", "one.csv", "deep/"]
    with pytest.raises(ValueError, match="sort must be one of"):
        browsing.sort_by("colour")


def test_rows_that_come_later_take_their_place_in_the_order(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/many/")
    browsing.sort_by("-size")
    browsing.rows(0, 10)
    browsing.load_all()
    browsing.wait()
    sizes = [row.size for row in browsing.rows(0, 2500)[2]]
    assert sizes == sorted(sizes, key=lambda size: -(size or 0))
    assert len(sizes) == 2500


def test_a_million_rows_cost_about_a_hundred_bytes_each() -> None:
    import tracemalloc

    tracemalloc.start()
    level = Level("s3://b/")
    for page in range(100):
        found = [f"{n:010d}.parquet" for n in range(page * 1000, page * 1000 + 1000)]
        level.add(Rows(found, [1] * 1000, [0.0] * 1000, [""] * 1000, "more", False))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(level) < 130


# -- filters -----------------------------------------------------------------------------------


def test_all_of_a_level_is_listed_in_parallel_and_in_order(
    server: Server, bucket: str, rootless: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 10)
    keys = [f"{n:03d}{tail}" for n in range(80) for tail in ("", "/a", "/b")]
    rootless.put_many([(f"s3://{bucket}/{key}", b"x") for key in keys])
    level = Level(f"s3://{bucket}/")
    for rows in Source(rootless).rest(level, Progress("list")):
        level.add(rows)
    assert level.complete
    assert level.names == sorted(name for n in range(80) for name in (f"{n:03d}", f"{n:03d}/"))


def test_the_rest_of_a_level_begins_behind_what_is_there(tmp_path: Path) -> None:
    keys = {f"{n:04d}{tail}": b"" for n in range(3000) for tail in ("", "/a", "/b")}
    wire = MemoryWire({"bucket": keys})
    with S3(tmp_path, wire=wire) as s3:
        browsing = at(Browsing(s3), "s3://bucket/")
        browsing.load_all()
        browsing.wait()
        state = browsing.state()
        assert (state["loaded"], state["complete"], state["problem"]) == (6000, True, None)
        assert names(browsing, 0, 6000) == sorted(name for n in range(3000) for name in (f"{n:04d}", f"{n:04d}/"))
        begun = [request for request in wire.log if "start-after" in dict(request.query)]
        assert begun  # in several places at the same time, if pages have to be waited for
        browsing.close()


def test_what_names_start_with_is_asked_of_s3(browsing: Browsing, wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/many/")
    browsing.filter_by("0249")
    browsing.wait()
    assert browsing.state()["loaded"] == 10
    assert dict(wire.log[-1].query)["prefix"] == "many/0249"


def test_a_search_looks_at_all_that_is_below_and_counts(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    browsing.filter_by("ThRee", "contains")
    browsing.wait()
    assert names(browsing) == ["a/deep/three.csv"]
    browsing.filter_by("*99", "pattern")
    browsing.wait()
    state = browsing.state()
    assert state["loaded"] == 25
    assert (state["scanned"], state["complete"], state["sweeping"]) == (len(OBJECTS), True, False)


def test_a_search_stops_when_asked_and_goes_on_when_asked(browsing: Browsing, wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/")
    hold = threading.Event()
    # the second page of the search waits
    wire.faults.append(Fault("ListObjectsV2", hold=hold, times=1))
    browsing.filter_by("9", "contains")
    assert browsing.sweeping
    browsing.stop()
    browsing.wait()
    state = browsing.state()
    assert (state["complete"], state["sweeping"], state["problem"]) == (False, False, None)
    hold.set()
    browsing.load_all()
    browsing.wait()
    assert browsing.state()["complete"]
    assert browsing.state()["loaded"] == sum("9" in key for key in OBJECTS)


@pytest.mark.parametrize(
    ("text", "mode", "name", "found"),
    [
        ("B", "contains", "a/b", True),
        ("*.csv", "pattern", "x/y/z.csv", True),
        ("x/*.csv", "pattern", "x/y/z.csv", False),
        ("x/**/*.csv", "pattern", "x/y/z.csv", True),
        ("a.c", "contains", "abc", False),
    ],
)  # fmt: skip
def test_what_a_filter_finds(text: str, mode: str, name: str, found: bool) -> None:
    assert bool(matcher(text, mode)(name)) == found


def test_stale_answers_are_dropped(browsing: Browsing, wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/")
    hold = threading.Event()
    wire.faults.append(Fault("ListObjectsV2", hold=hold, times=1))
    browsing.go("s3://bucket/many/")  # waits
    thread = browsing.go("s3://bucket/a/")
    assert thread is not None
    thread.join()
    hold.set()
    browsing.wait()
    assert browsing.path == "s3://bucket/a/"
    assert names(browsing) == ["deep/", "one.csv", "two.csv"]


def test_back_and_forward_remember_filters(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    assert browsing.can == {"back": False, "forward": False, "up": True}
    at(browsing, "s3://bucket/many/")
    browsing.filter_by("0249")
    browsing.wait()
    at(browsing, "s3://bucket/a/")
    browsing.back()
    browsing.wait()
    assert (browsing.path, browsing.filter, browsing.state()["loaded"]) == ("s3://bucket/many/", "0249", 10)
    browsing.forward()
    browsing.wait()
    assert browsing.path == "s3://bucket/a/"
    assert browsing.filter == ""


# -- selection ---------------------------------------------------------------------------------


def test_selection_is_a_sequence_of_urls(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    browsing.select(0, 2)
    browsing.select(4, 5, "add")
    assert browsing.selection == ["s3://bucket/a/", "s3://bucket/b/", "s3://bucket/readme.txt"]
    browsing.select(1, 2, "flip")
    assert list(browsing.selection) == ["s3://bucket/a/", "s3://bucket/readme.txt"]
    assert browsing.selection[-1] == "s3://bucket/readme.txt"
    assert browsing.state()["selected"] == {"objects": 1, "prefixes": 1, "size": 5}
    before = browsing.selection
    browsing.select_all(False)
    assert len(browsing.selection) == 0
    assert len(before) == 2


def test_what_is_below_a_selected_prefix_counts_once(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    browsing.toggle(row_id(browsing, "a/"))
    browsing.wait()
    browsing.select(0, 4)  # a/ and what is open below it
    assert browsing.selection == ["s3://bucket/a/"]
    assert [o.object_key for o in browsing.objects()] == ["a/deep/three.csv", "a/one.csv", "a/two.csv"]
    assert [o.key for o in browsing.objects()] == ["a/deep/three.csv", "a/one.csv", "a/two.csv"]


def test_only_loaded_rows_are_selected_by_url(browsing: Browsing) -> None:
    at(browsing, "s3://bucket/")
    with pytest.raises(ValueError, match="not among the rows that are loaded: 's3://bucket/nowhere'"):
        browsing.select_urls(["s3://bucket/a/", "s3://bucket/nowhere"])
    assert len(browsing.selection) == 0


def test_the_program_makes_the_same_selection(browsing: Browsing, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3nb

    monkeypatch.setattr(s3nb, "S3", lambda **options: S3(wire=MemoryWire({"bucket": dict(OBJECTS)}), **options))

    def run() -> list[str]:
        scope: dict[str, Any] = {}
        text = (
            program(browsing, browsing.selection).rstrip()
            + "\n    got = [o.url for o in [*objects, *globals().get('more', [])]]\n"
        )
        exec(compile(text, "program", "exec"), scope)
        return [str(url) for url in scope["got"]]

    at(browsing, "s3://bucket/")
    browsing.select(4, 6)
    assert run() == ["s3://bucket/readme.txt", "s3://bucket/zero.bin"]
    browsing.select(0, 1, "add")
    assert sorted(run()) == sorted(o.url for o in browsing.objects())
    for text, mode in (("9", "contains"), ("*.csv", "pattern")):
        browsing.filter_by(text, mode)
        browsing.wait()
        browsing.select_all()
        assert "s3.iter_list(" in program(browsing, browsing.selection)
        assert run() == [o.url for o in browsing.objects()]


def test_the_program_holds_names_as_literals_and_no_secrets(wire: MemoryWire) -> None:
    key = "x')\nimport os  # {evil}"
    wire.store("bucket", key, b"")
    with S3(wire=wire, profile="mine", session_vars={"aws_secret_access_key": "hunter2"}) as s3:
        browsing = at(Browsing(s3), "s3://bucket/")
        pick(browsing, key)
        text = program(browsing, browsing.selection)
        browsing.close()
    assert repr(f"s3://bucket/{key}") in text
    assert "profile='mine'" in text
    assert "hunter2" not in text
    assert "\nimport os" not in text


# -- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "url", "title", "advice"),
    [
        (AccessDenied("no", code="AccessDenied"), "s3://b/x/", "Access denied", "s3:ListBucket"),
        (AccessDenied("no", code="AccessDenied"), "s3://", "You may not list the buckets", "type s3://bucket/"),
        (BucketNotFound("no"), "s3://b/", "There is no such bucket", "endpoint"),
        (CredentialsError("none"), "s3://b/", "No credentials were found", "anonymous=True"),
        (CredentialsError("old", code="ExpiredToken"), "s3://b/", "Your credentials have expired", "need not restart"),
        (CredentialsError("bad", code="InvalidAccessKeyId"), "s3://b/", "S3 does not accept", "profile"),
        (ConnectionFailed("down"), "s3://b/", "S3 cannot be reached", "endpoint_url"),
        (RuntimeError("\x1b[31mboom"), "s3://b/", "That did not work", "Try again"),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(error: Exception, url: str, title: str, advice: str) -> None:
    problem = problem_of(error, url)
    assert problem.title.startswith(title)
    assert advice in problem.advice
    assert "\x1b" not in problem.detail


def test_an_error_is_a_state_and_trying_again_helps(browsing: Browsing, wire: MemoryWire) -> None:
    wire.faults.append(Fault("ListObjectsV2", status=403, code="AccessDenied"))
    at(browsing, "s3://bucket/a/")
    assert browsing.state()["problem"]["title"] == "Access denied"
    browsing.refresh()
    browsing.wait()
    assert browsing.state()["problem"] is None
    assert at(browsing, "s3://no-such-bucket/").state()["problem"]["title"] == "There is no such bucket"
    assert at(browsing, "s3://a b/").state()["problem"]["title"] == "Not an address in S3"


def test_an_address_that_does_not_answer_is_given_up_and_said_before(
    browsing: Browsing, wire: MemoryWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PATIENCE", 0.5)
    wire.faults.append(Fault("ListObjectsV2", wire="connect", times=None))
    browsing.go("s3://bucket/readme.txt")
    told = ""
    while browsing.state()["loading"]:
        told = browsing.trouble or told
    assert told.startswith("S3 cannot be reached; trying again…")
    browsing.wait()
    state = browsing.state()
    assert (state["problem"]["title"], state["path"]) == ("S3 cannot be reached", "s3://bucket/readme.txt")
    wire.faults.clear()
    browsing.refresh()
    browsing.wait()
    assert (browsing.path, names(browsing)) == ("s3://bucket/", ["readme.txt"])
    wire.faults.append(Fault("ListObjectsV2", wire="connect", times=None))
    browsing.go("s3://bucket/a/")
    browsing.stop()
    browsing.wait()
    assert browsing.state()["problem"]["title"] == "Stopped"
    wire.faults.clear()
    browsing.more(browsing.state()["level"])
    browsing.wait()
    assert browsing.state()["loaded"] == 3


def test_an_error_on_a_later_page_keeps_the_rows(browsing: Browsing, wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/many/")
    wire.faults.append(Fault("ListObjectsV2", status=403, code="AccessDenied"))
    browsing.more(browsing.state()["level"])
    browsing.wait()
    assert browsing.rows(999, 1002)[2][-1].kind == "error"
    browsing.more(browsing.state()["level"])
    browsing.wait()
    assert browsing.state()["loaded"] == 2000


def test_versions_are_of_the_one_object(server: Server, bucket: str, rootless: S3) -> None:
    client = server.boto3_client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"22"):
        client.put_object(Bucket=bucket, Key="a", Body=body)
    client.put_object(Bucket=bucket, Key="a.b", Body=b"other")
    client.delete_object(Bucket=bucket, Key="a")
    client.put_object(Bucket=bucket, Key="a", Body=b"4444")
    client.close()
    found = version_rows(Source(rootless).versions(f"s3://{bucket}/a"))
    # moto's times are whole seconds: what is not the latest has no order there
    sizes = [size for size, _ in found]
    assert (sizes[0], sorted(sizes)) == ("4 B", ["1 B", "2 B", "4 B", "deleted"])
    assert len({version for _, version in found}) == 4


def test_buckets_are_the_first_level(server: Server, bucket: str, rootless: S3) -> None:
    browsing = at(Browsing(rootless), "s3://")
    row = next(row for row in browsing.rows(0, 1000)[2] if row.name == f"{bucket}/")
    assert row.kind == "bucket"
    assert browsing.can["up"] is False
    browsing.close()


# -- words -----------------------------------------------------------------------------------------


def test_a_path_is_the_levels_that_lead_to_it_to_the_letter() -> None:
    assert words.crumbs("s3://") == [("s3://", "s3://")]
    assert [url for _, url in words.crumbs("s3://b/a//c/")] == [
        "s3://",
        "s3://b/",
        "s3://b/a/",
        "s3://b/a//",
        "s3://b/a//c/",
    ]
    assert [label for label, _ in words.crumbs("s3://b/a\u202e//x")] == ["s3://", "b/", "a\\u202e/", "/", "x"]


def test_the_line_below_the_rows_is_honest_about_what_is_loaded() -> None:
    state = {
        "loaded": 3000, "complete": False, "loading": False, "path": "s3://b/", "sort": "-size", "searching": False,
        "sweeping": False, "full": False, "scanned": 0, "problem": None, "filter": "", "mode": "starts",
    }  # fmt: skip
    assert words.status(state) == "3,000 rows loaded, more in S3, sorted among the 3,000 loaded"
    assert words.status({**state, "complete": True}) == "3,000 rows"
    searching = {**state, "searching": True, "scanned": 120000, "loaded": 7}
    assert words.status({**searching, "sweeping": True}) == "Searching: 7 matches in 120,000 keys so far"
    assert words.status({**searching, "scanned": 1, "loaded": 1}) == "1 match in 1 key, stopped"
    assert "narrow it down" in words.status({**state, "full": True})
    assert words.chosen({"objects": 2, "prefixes": 1, "size": 2048}) == "2 objects (2.0 KiB), 1 prefix selected"
    assert words.chosen({"objects": 0, "prefixes": 0, "size": 0}) == ""
    assert words.nothing({**state, "filter": "x\x1b", "mode": "contains"}) == "No name here contains “x\\x1b”."


def test_rows_are_told_as_texts_that_print(browsing: Browsing, wire: MemoryWire) -> None:
    wire.store("bucket", "d/a\u202egnp.exe", b"..")
    [row] = at(browsing, "s3://bucket/d/").rows(0, 9)[2]
    assert words.row(row)[2:5] == ["object", "a\\u202egnp.exe", "2 B"]


# -- tasks ---------------------------------------------------------------------------------------


def asked(doing: Tasks) -> tuple[int, dict[str, Any]]:
    """Return the question that is open, and its number."""
    [(number, question)] = [(row["number"], row["question"]) for row in doing.rows() if row["question"]]
    return number, question


@pytest.fixture
def tasks(browsing: Browsing) -> Iterator[Callable[..., Tasks]]:
    made: list[Tasks] = []

    def make(writable: bool = False) -> Tasks:
        made.append(Tasks(browsing, writable, lambda _: None))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_download_keeps_names_below_the_path(browsing: Browsing, tasks: Callable[..., Tasks], tmp_path: Path) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks()
    task = doing.download(pick(browsing, "a/", "readme.txt"), str(tmp_path / "to"))
    doing.wait()
    assert task.state == "done", task.text
    assert task.text == "4 objects, 11 B, verified"
    found = {
        p.relative_to(tmp_path / "to").as_posix(): p.read_bytes() for p in (tmp_path / "to").rglob("*") if p.is_file()
    }
    assert found == {k: OBJECTS[k] for k in ("a/one.csv", "a/two.csv", "a/deep/three.csv", "readme.txt")}


def test_a_download_is_stopped_and_leaves_no_half_file(
    browsing: Browsing, tasks: Callable[..., Tasks], tmp_path: Path, wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/")
    reached = threading.Event()
    wire.faults.append(Fault("GetObject", hold=threading.Event(), then=reached.set))
    doing = tasks()
    task = doing.download(pick(browsing, "readme.txt"), str(tmp_path / "to"))
    assert reached.wait(10)
    doing.stop(task.number)
    doing.wait()
    assert task.state == "cancelled"
    assert list((tmp_path / "to").iterdir()) == []


def test_a_download_that_fails_names_the_object(
    browsing: Browsing, tasks: Callable[..., Tasks], tmp_path: Path, wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/c/../")
    wire.faults.append(Fault("GetObject", key="up", status=403, code="AccessDenied", times=None))
    doing = tasks()
    task = doing.download(pick(browsing, "up"), str(tmp_path / "to"))
    doing.wait()
    assert task.state == "failed"
    assert "s3://bucket/c/../up" in task.text


def test_counting_counts_all_levels(browsing: Browsing, tasks: Callable[..., Tasks]) -> None:
    doing = tasks()
    task = doing.count("s3://bucket/many/")
    doing.wait()
    assert task.text == f"2,500 objects, {sum(n % 7 for n in range(2500)) / 1024:.1f} KiB"


def test_a_download_over_files_asks_first(browsing: Browsing, tasks: Callable[..., Tasks], tmp_path: Path) -> None:
    at(browsing, "s3://bucket/")
    mine = tmp_path / "to" / "a" / "one.csv"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    doing = tasks()
    doing.download(pick(browsing, "a/"), str(tmp_path / "to"))
    doing.wait()
    number, question = asked(doing)
    assert (question["title"], question["names"]) == ("1 of 3 files is there already", ["a/one.csv"])
    assert question["choices"] == [["replace", "Replace 1 file"], ["keep", "Get the other 2"]]
    assert doing.rows()[0]["state"] == "asking"
    doing.answer(number, "keep")
    doing.wait()
    assert (mine.read_bytes(), (tmp_path / "to/a/two.csv").read_bytes()) == (b"mine", b"22")
    doing.download(pick(browsing, "a/"), str(tmp_path / "to"))
    doing.wait()
    number, question = asked(doing)
    assert question["title"] == "3 of 3 files are there already"
    assert question["choices"] == [["replace", "Replace 3 files"]]
    doing.answer(number, "")
    assert doing.answer(number, "replace") is None  # an answer is good for once
    assert mine.read_bytes() == b"mine"
    doing.download(pick(browsing, "a/"), str(tmp_path / "to"))
    doing.wait()
    doing.answer(asked(doing)[0], "replace")
    doing.wait()
    assert mine.read_bytes() == b"1"


def test_delete_deletes_what_was_counted_and_nothing_else(
    browsing: Browsing, tasks: Callable[..., Tasks], wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks(writable=True)
    doing.delete(pick(browsing, "a/", "zero.bin"))
    doing.wait()
    number, question = asked(doing)
    assert question["title"] == "Delete 4 objects (6 B) in and below 1 prefix?"
    wire.store("bucket", "a/later.csv", b"came after the question")
    task = doing.answer(number, "delete")
    doing.wait()
    assert task is not None
    assert task.text == "4 objects deleted"
    assert sorted(wire.buckets["bucket"]) == sorted(
        {*OBJECTS, "a/later.csv"} - {"a/one.csv", "a/two.csv", "a/deep/three.csv", "zero.bin"}
    )
    assert doing.answer(number, "delete") is None  # a confirmation is good for once


def test_a_question_that_was_refused_deletes_nothing(
    browsing: Browsing, tasks: Callable[..., Tasks], wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks(writable=True)
    doing.delete(pick(browsing, "readme.txt"))
    doing.wait()
    number, _ = asked(doing)
    doing.answer(number, "no")
    assert doing.answer(number, "delete") is None
    assert "readme.txt" in wire.buckets["bucket"]


def test_without_writable_nothing_is_changed(browsing: Browsing, tasks: Callable[..., Tasks]) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks()
    with pytest.raises(AccessDenied, match="writable=True"):
        doing.delete(pick(browsing, "readme.txt"))
    with pytest.raises(AccessDenied, match="writable=True"):
        doing.taken(["x"])
    with pytest.raises(AccessDenied, match="writable=True"):
        doing.upload_begin("x", 1)


def test_an_upload_comes_in_pieces_and_is_stored_whole(
    browsing: Browsing, tasks: Callable[..., Tasks], wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/a/")
    doing = tasks(writable=True)
    handle = doing.upload_begin("new file.txt", 6)
    assert doing.upload_piece(handle, b"abc") == 3
    assert doing.upload_piece(handle, memoryview(b"def")) == 6
    task = doing.upload_end(handle)
    doing.wait()
    assert task is not None
    assert (task.state, task.text) == ("done", "6 B stored")
    assert wire.buckets["bucket"]["a/new file.txt"][-1].body == b"abcdef"
    browsing.wait()
    assert "new file.txt" in names(browsing)


def test_an_upload_replaces_only_when_told(browsing: Browsing, tasks: Callable[..., Tasks], wire: MemoryWire) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks(writable=True)
    assert doing.taken(["new.txt", "readme.txt", "a"]) == ["readme.txt"]
    for overwrite, state, body in ((False, "failed", b"hello"), (True, "done", b"new")):
        handle = doing.upload_begin("readme.txt", 3, overwrite)
        doing.upload_piece(handle, b"new")
        task = doing.upload_end(handle)
        doing.wait()
        assert task is not None
        assert task.state == state, task.text
        assert wire.buckets["bucket"]["readme.txt"][-1].body == body


def test_an_upload_that_is_cut_stores_nothing(
    browsing: Browsing, tasks: Callable[..., Tasks], wire: MemoryWire
) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks(writable=True)
    handle = doing.upload_begin("cut.txt", 6)
    doing.upload_piece(handle, b"abc")
    assert doing.upload_end(handle) is None
    other = doing.upload_begin("stopped.txt", 6)
    doing.stop(int(other))
    assert doing.upload_piece(other, b"abc") is None
    assert [row["state"] for row in doing.rows()] == ["cancelled", "failed"]
    assert not {"cut.txt", "stopped.txt"} & wire.buckets["bucket"].keys()


def test_closing_leaves_no_thread_and_no_file(
    browsing: Browsing, wire: MemoryWire, tasks: Callable[..., Tasks]
) -> None:
    at(browsing, "s3://bucket/")
    doing = tasks(writable=True)
    handle = doing.upload_begin("left.txt", 6)
    doing.upload_piece(handle, b"abc")
    folder = doing._folder
    assert folder is not None
    wire.faults.append(Fault("ListObjectsV2", hold=threading.Event(), times=1))
    doing.count("s3://bucket/")
    doing.close()
    browsing.close()
    assert not Path(folder).exists()
    assert not [t for t in threading.enumerate() if t.name.startswith(("s3nb-browser", "s3nb-job"))]


# -- without a screen ------------------------------------------------------------------------------


def test_a_snapshot_is_escaped_and_has_no_links(browsing: Browsing, wire: MemoryWire) -> None:
    wire.store("bucket", "h/<img src=x onerror=alert(1)>", b"")
    wire.store("bucket", "h/a\u202eb", b"")
    html = still.as_html(at(browsing, "s3://bucket/h/"))
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "\u202e" not in html
    assert "href" not in html
    assert "\u202e" not in still.as_text(browsing)


def test_a_listing_without_front_end_is_printed_page_by_page(browsing: Browsing) -> None:
    lines: list[str] = []
    answers = iter(["", "", "q"])
    s3 = browsing.source.s3
    still.print_pages(
        s3, "s3://bucket/many", page_size=600, ask=lambda _: next(answers), write=lines.append, missing="Sorry"
    )
    assert lines[0] == "s3://bucket/many/"
    assert len(lines) == 1 + 600 + 400 + 600 + 1
    assert lines[-1] == "1,600 of 2,000 and more. Sorry"
    lines.clear()
    still.print_pages(s3, "s3://bucket/a/", write=lines.append)
    assert [line.split()[-1] for line in lines] == ["s3://bucket/a/", "deep/", "one.csv", "two.csv", "rows"]
    lines.clear()
    still.print_pages(s3, "s3://no-such-bucket/", write=lines.append)
    assert "There is no such bucket" in lines[1]


def test_trees_of_nothing() -> None:
    level = Level("s3://b/")
    level.complete = True
    assert len(Tree(level)) == 0
    assert Tree(level).rows(0, 10) == []
    assert repr(Selection()) == "<0 URLs>"


def test_a_disk_that_is_full_is_told_as_one() -> None:
    for error in (
        LocalFileError("s3://b/k: No space left on device", errno=28),
        OSError(28, "No space left on device"),
    ):
        assert problem_of(error).title == "A file on the kernel's machine"
