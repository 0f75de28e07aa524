"""`S3Browser` in this process: traits, messages, what is shown and what is left behind. No browser, no kernel."""

from __future__ import annotations

import gc
import json
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from s3nb import S3
from s3nb.notebook import browser as door
from s3nb.notebook import widget
from s3nb.notebook.widget import S3Browser
from s3nb.testing import Fault, MemoryWire
from tests import hostile
from tests.conftest import Server

HERE = Path(widget.__file__).parent


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire(
        {"bucket": {"readme.txt": b"hello", "a/one.csv": b"1,2\n", "a/two.csv": b"22", "b.png": b"\x89PNG\r\n\x1a\n..", "raw": b"\0\1\2"}},
        versioned=True,
    )  # fmt: skip


@pytest.fixture
def s3(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, wire=wire) as client:
        yield client


class Talk:
    """The other side of a browser: what a view sends, and what it hears."""

    def __init__(self, browser: S3Browser, monkeypatch: pytest.MonkeyPatch) -> None:
        self.browser = browser
        self.heard: list[tuple[dict[str, Any], Any]] = []
        monkeypatch.setattr(browser, "send", lambda content, buffers=None: self.heard.append((content, buffers)))

    def ask(self, kind: str, buffers: list[Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Send a request as a view does, and return the answer."""
        # what goes over the wire is JSON, and comes from the other side
        message = json.loads(json.dumps({"kind": kind, "id": "1", **fields}))
        before = len(self.heard)
        self.browser._handle_custom_msg(message, buffers or [])
        self.browser.wait()
        [(answer, got)] = [(m, b) for m, b in self.heard[before:] if m.get("id") == "1"]
        assert json.loads(json.dumps(answer)) is not None
        return {**answer, "buffers": got}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [m for m, _ in self.heard if m["kind"] == kind]

    def row(self, name: str) -> str:
        rows = self.ask("rows", start=0, stop=1000)["rows"]
        return str(next(row[0] for row in rows if row[3] == name))

    def choose(self, *names: str) -> None:
        rows = self.ask("rows", start=0, stop=1000)["rows"]
        for n, row in enumerate(rows):
            if row[3] in names:
                self.ask("select", start=n, stop=n + 1, how="add")


@pytest.fixture
def talk(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Talk]]:
    made: list[S3Browser] = []

    def make(url: str = "s3://bucket/", **options: Any) -> Talk:
        browser = S3Browser(url, s3=s3, **options).wait()
        made.append(browser)
        return Talk(browser, monkeypatch)

    yield make
    for browser in made:
        browser.close()


def test_a_view_says_hello_and_gets_all_it_needs(talk: Callable[..., Talk]) -> None:
    answer = talk().ask("hello")
    assert answer["state"]["path"] == "s3://bucket/"
    assert answer["state"]["total"] == 4
    assert answer["writable"] is False


def test_rows_go_as_plain_lists(talk: Callable[..., Talk]) -> None:
    answer = talk().ask("rows", start=0, stop=2)
    assert [row[2:5] for row in answer["rows"]] == [["prefix", "a/", ""], ["object", "b.png", "10 B"]]
    assert type(answer["rows"][0]) is list  # some serializers refuse other kinds of sequence


def test_no_listing_is_in_a_trait(talk: Callable[..., Talk]) -> None:
    browser = talk().browser
    state = browser.get_state()
    text = repr({k: v for k, v in state.items() if k not in ("_esm", "_css")})
    assert "readme.txt" not in text
    assert "selected" not in state


def test_path_goes_both_ways(talk: Callable[..., Talk]) -> None:
    browser = talk().browser
    seen: list[str] = []
    browser.observe(lambda change: seen.append(change["new"]), "path")
    browser.path = "s3://bucket/a"
    browser.wait()
    assert browser.path == "s3://bucket/a/"
    assert seen[-1] == "s3://bucket/a/"


def test_selection_goes_both_ways(talk: Callable[..., Talk]) -> None:
    talking = talk()
    browser = talking.browser
    seen: list[list[str]] = []
    browser.observe(lambda change: seen.append(list(change["new"])), "selected")
    talking.choose("readme.txt")
    assert browser.selected == ["s3://bucket/readme.txt"]
    assert browser.value == "s3://bucket/readme.txt"
    browser.selected = ["s3://bucket/a/", "s3://bucket/raw"]
    assert browser.selected == ["s3://bucket/a/", "s3://bucket/raw"]
    assert browser.value == ""
    assert seen[0] == ["s3://bucket/readme.txt"]
    assert seen[-1] == ["s3://bucket/a/", "s3://bucket/raw"]
    with pytest.raises(ValueError, match="not among the rows"):
        browser.selected = ["s3://bucket/nowhere"]


def test_order_and_filter_are_traits(talk: Callable[..., Talk]) -> None:
    browser = talk().browser
    browser.sort = "-name"
    assert [row.name for row in browser._browsing.rows(0, 9)[2]] == ["readme.txt", "raw", "b.png", "a/"]
    browser.filter = "r"
    browser.wait()
    assert [row.name for row in browser._browsing.rows(0, 9)[2]] == ["readme.txt", "raw"]


def test_what_is_selected_can_be_had_as_objects(talk: Callable[..., Talk]) -> None:
    talking = talk()
    talking.choose("a/", "readme.txt")
    browser = talking.browser
    assert [o.key for o in browser.objects()] == ["a/one.csv", "a/two.csv", "readme.txt"]
    assert [o.text for o in browser.get_many()] == ["1,2\n", "22", "hello"]
    assert "s3.get_recursive(['s3://bucket/a/'])" in browser.code()


def test_a_preview_is_of_what_the_bytes_are(talk: Callable[..., Talk], wire: MemoryWire) -> None:
    wire.store("bucket", "b.png", hostile.png(2, 2, b"\0" * 14))
    talking = talk()
    assert talking.ask("describe", row=talking.row("readme.txt"))["preview"]["blocks"] == [
        {"kind": "text", "text": "hello"}
    ]
    picture = talking.ask("describe", row=talking.row("b.png"))
    assert picture["preview"]["blocks"][0]["mime"] == "image/png"
    assert bytes(picture["buffers"][0]).startswith(b"\x89PNG")
    assert "00 01 02" in talking.ask("describe", row=talking.row("raw"))["preview"]["blocks"][0]["text"]


def test_details_and_versions(talk: Callable[..., Talk], wire: MemoryWire) -> None:
    wire.store("bucket", "readme.txt", b"hello again", {"x-amz-meta-camera": "none", "content-type": "text/plain"})
    talking = talk()
    sections = dict(talking.ask("describe", row=talking.row("readme.txt"))["preview"]["sections"])
    assert ["type", "text/plain"] in sections["Object"]
    assert ["metadata", "camera = none"] in sections["Object"]


@pytest.mark.parametrize("name", sorted(hostile.BODIES))
def test_hostile_bodies_are_told_as_json(talk: Callable[..., Talk], wire: MemoryWire, name: str) -> None:
    wire.store("bucket", name, hostile.BODIES[name])
    talking = talk()
    answer = talking.ask("describe", row=talking.row(name))
    assert answer["kind"] == "answer"
    assert all(block["kind"] in ("text", "table", "picture") for block in answer["preview"]["blocks"])


def test_a_link_has_the_lifetime_asked_for_and_is_nowhere_else(talk: Callable[..., Talk]) -> None:
    talking = talk()
    browser = talking.browser
    answer = talking.ask("link", row=talking.row("readme.txt"), seconds=3600)
    assert answer["url"].endswith("expires=3600")
    assert "expires=" not in repr(browser.get_state())
    assert "expires=" not in browser.snapshot()
    assert [m for m in talking.events("state") if "expires=" in repr(m)] == []
    assert talking.ask("link", row=talking.row("readme.txt"), seconds=10**9)["kind"] == "failed"


def test_small_objects_go_through_the_kernel_and_large_ones_by_link(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    talking = talk()
    answer = talking.ask("save", row=talking.row("readme.txt"))
    assert (answer["name"], [bytes(b) for b in answer["buffers"]]) == ("readme.txt", [b"hello"])
    monkeypatch.setattr(widget, "SMALL", 3)
    answer = talking.ask("save", row=talking.row("readme.txt"))
    assert answer["url"].endswith("expires=900")


def test_errors_are_answers(talk: Callable[..., Talk], wire: MemoryWire) -> None:
    talking = talk()
    row = talking.row("readme.txt")
    wire.faults.append(Fault("(Head|Get)Object", status=403, times=None))
    answer = talking.ask("describe", row=row)
    assert answer["kind"] == "failed"
    assert answer["problem"]["title"] == "Access denied"
    assert talking.ask("no_such_thing")["kind"] == "failed"
    assert talking.ask("rows", start="x", stop=1)["kind"] == "failed"
    assert talking.ask("upload", name="x", size=1)["problem"]["title"] == "Access denied"
    assert talking.ask("delete")["kind"] == "failed"


def test_a_delete_asks_first(talk: Callable[..., Talk], wire: MemoryWire) -> None:
    talking = talk(writable=True)
    talking.choose("a/")
    talking.ask("delete")
    [(number, question)] = [(t["number"], t["question"]) for t in talking.events("tasks")[-1]["tasks"] if t["question"]]
    assert question["choices"] == [["delete", "Delete 2 objects"]]
    assert question["names"] == ["s3://bucket/a/one.csv", "s3://bucket/a/two.csv"]
    assert wire.body("bucket", "a/one.csv") is not None
    talking.ask("answer", task=number, answer="delete")
    assert wire.body("bucket", "a/one.csv") is None


def test_an_upload_by_pieces(talk: Callable[..., Talk], wire: MemoryWire) -> None:
    talking = talk(writable=True)
    handle = talking.ask("upload", name="new.txt", size=4)["handle"]
    assert talking.ask("upload_piece", [memoryview(b"abcd")], handle=handle)["received"] == 4
    talking.ask("upload_end", handle=handle)
    assert wire.body("bucket", "new.txt") == b"abcd"
    assert talking.events("tasks")[-1]["tasks"][0]["state"] == "done"


def test_close_leaves_nothing(s3: S3) -> None:
    browser = S3Browser("s3://bucket/", s3=s3).wait()
    model_id = browser.model_id
    browser.close()
    browser.close()
    assert model_id is not None
    assert browser.comm is None
    assert repr(browser) == "<S3Browser s3://bucket/ (closed)>"
    assert s3.exists("s3://bucket/readme.txt")  # the client is not the browser's
    gone = weakref.ref(browser)
    del browser
    gc.collect()
    assert gone() is None
    assert not [t for t in threading.enumerate() if t.name.startswith("s3nb-browser")]


def test_its_own_client_is_closed_with_it(wire: MemoryWire) -> None:
    browser = S3Browser("s3://bucket/", wire=wire).wait()
    client = browser.s3
    browser.close()
    assert "closed" in repr(client)


def test_a_client_and_options_for_one_do_not_go_together(s3: S3) -> None:
    with pytest.raises(TypeError, match="s3= is a client that is made already: it takes no region="):
        S3Browser("s3://bucket/", s3=s3, region="x")


def test_what_is_shown_has_a_text_and_a_snapshot(talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr(widget.ipython, "display", lambda data, **_: shown.append(data))
    talk().browser._ipython_display_()
    live, still = shown
    assert "application/vnd.jupyter.widget-view+json" in live
    assert live["text/plain"] == "<S3Browser s3://bucket/>"
    assert "readme.txt" in still["text/html"]


# -- where there is no front end ---------------------------------------------------------------------


def test_without_a_notebook_a_listing_is_printed(s3: S3, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.browse(s3, "s3://bucket/") is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "s3://bucket/"
    assert lines[-1].startswith("4 rows. A live browser needs a notebook")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.importlib.util, "find_spec", lambda _: None)
    assert "anywidget" in door.what_is_missing()


def test_where_nobody_looks_a_notebook_keeps_what_there_was(moto_server: Server, moto_bucket: str) -> None:
    client = moto_server.boto3_client()
    client.put_object(Bucket=moto_bucket, Key="kept.txt", Body=b"x")
    client.close()
    options = f"endpoint_url={moto_server.endpoint_url!r}, region='us-east-1', anonymous=True"
    cells = [
        f"from s3nb import S3Browser\nS3Browser('s3://{moto_bucket}/', {options}).wait()",
        f"%load_ext s3nb\n%s3 browse s3://{moto_bucket}/ --no-sign-request --endpoint-url {moto_server.endpoint_url}",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=60).execute()
    live, still = notebook.cells[0].outputs
    assert live["data"]["text/plain"] == f"<S3Browser s3://{moto_bucket}/>"
    assert "kept.txt" in still["data"]["text/html"]
    printed = "".join(output.get("text", "") for output in notebook.cells[1].outputs)
    assert "kept.txt" in printed
    assert "A live browser needs somebody who looks at the notebook while it runs" in printed


# -- the module for the page ---------------------------------------------------------------------------


def test_no_way_from_data_to_markup_in_the_page() -> None:
    text = (HERE / "browser.js").read_text("utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "srcdoc",
        "import(",
        "setHTML",
    ):
        assert word not in text, word
    assert not re.search(r"^\s*import\b", text, re.MULTILINE)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text.replace("^https?:", ""))
    css = (HERE / "browser.css").read_text("utf-8")
    assert "url(" not in css
    assert "@import" not in css


def test_the_height_of_a_row_is_one_number() -> None:
    height = re.search(r"const ROW = (\d+);", (HERE / "browser.js").read_text("utf-8"))
    assert height is not None
    assert re.search(rf"\.row {{[^}}]*height: {height[1]}px", (HERE / "browser.css").read_text("utf-8"))
