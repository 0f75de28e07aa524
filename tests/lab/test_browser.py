"""The browser as a person has it: in JupyterLab, in chromium, by mouse and by keyboard."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests import hostile
from tests.conftest import Server
from tests.faults.proxy import Proxy, Rule
from tests.lab import node_modules, serious
from tests.lab.conftest import Lab
from tests.lab.keys import ManyKeys
from tests.lab.notebook import Notebook

TREE = {
    "annotated.txt": b"metadata\n",
    "logs/2026-01-01/a.log": b"INFO one\n",
    "logs/2026-01-01/b.log": b"INFO two\n",
    "logs/2026-01-02/c.log": b"WARN three\n",
    "model.bin": b"\0\1\2\3" * 1000,
    "readme.txt": b"Welcome.\n",
    "table.csv": b"id,name\n1,Ada\n2,Grace\n",
}


@pytest.fixture(scope="module")
def tree(moto_server: Server) -> str:
    """A bucket with a few levels."""
    client = moto_server.boto3_client()
    client.create_bucket(Bucket="lab-tree")
    for key, body in TREE.items():
        client.put_object(Bucket="lab-tree", Key=key, Body=body, Metadata={"camera": "none"})
    client.close()
    return "lab-tree"


class Seen:
    """A browser on the page, and in the kernel under a name."""

    def __init__(self, notebook: Notebook, area: Locator, name: str) -> None:
        self.notebook = notebook
        self.page: Page = notebook.page
        self.area = area
        self.name = name
        self.root = area.locator(".s3nb").locator(".browser")
        self.grid = area.get_by_role("treegrid")

    def row(self, name: str) -> Locator:
        return self.grid.get_by_role("row").filter(has=self.page.get_by_text(name, exact=True))

    def names(self) -> list[str]:
        return [text for text in self.grid.locator(".label").all_inner_texts() if text]

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def value(self, expression: str) -> Any:
        """Return a value of the browser in the kernel; ``b`` in the expression is the browser."""
        return self.notebook.value(f"(lambda b: {expression})({self.name})")

    def go(self, url: str) -> None:
        """Type an address."""
        self.button("Type an address").click()
        self.root.get_by_role("textbox", name="Address: any s3:// URL").fill(url)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def status(self, text: str | re.Pattern[str]) -> None:
        expect(self.root.locator(".status")).to_have_text(text)

    def chosen(self, text: str) -> None:
        expect(self.root.locator(".chosen")).to_have_text(text)


@pytest.fixture
def browse(notebook: Notebook) -> Iterator[Callable[..., Seen]]:
    """Show browsers; they are closed afterwards, and the page has had no complaints."""
    made: list[Seen] = []
    notebook.run("from s3nb import S3Browser")

    def show(url: str, **options: Any) -> Seen:
        name = f"b{next(_numbers)}"
        words = "".join(f", {k}={v!r}" for k, v in options.items())
        area = notebook.run(f"{name} = S3Browser({url!r}{words})\n{name}")
        seen = Seen(notebook, area, name)
        made.append(seen)
        expect(seen.root).to_be_visible()
        return seen

    yield show
    for seen in made:
        notebook.run(f"{seen.name}.close()")
        expect(seen.root).to_have_count(0)
    assert notebook.errors == []
    assert notebook.page.evaluate("() => window.__pwned === undefined")


_numbers = iter(range(1000))


def test_levels_open_and_close_and_one_can_go_in_and_out(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    expect(seen.row("readme.txt")).to_be_visible()
    assert seen.names() == ["annotated.txt", "logs/", "model.bin", "readme.txt", "table.csv"]
    logs = seen.row("logs/")
    assert logs.get_attribute("aria-expanded") == "false"
    logs.locator(".twist").click()
    expect(seen.row("2026-01-01/")).to_have_attribute("aria-level", "2")
    expect(logs).to_have_attribute("aria-expanded", "true")
    logs.dblclick()
    expect(seen.row("readme.txt")).to_have_count(0)
    expect(seen.row("2026-01-02/")).to_have_attribute("aria-level", "1")
    assert seen.value("b.path") == f"s3://{tree}/logs/"
    seen.button("Back").click()
    expect(seen.row("readme.txt")).to_be_visible()
    seen.button("Up one level").click()
    expect(seen.row(f"{tree}/")).to_be_visible()
    seen.go(f"s3://{tree}/logs/2026-01-02/c.log")
    expect(seen.row("c.log")).to_be_visible()
    seen.root.get_by_role("navigation").get_by_role("button", name="logs/", exact=True).click()
    expect(seen.row("2026-01-01/")).to_be_visible()


def test_everything_by_keyboard(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    expect(seen.row("readme.txt")).to_be_visible()
    seen.grid.focus()
    seen.press("ArrowDown", "ArrowRight")  # logs/, opened
    expect(seen.row("2026-01-01/")).to_be_visible()
    seen.press("ArrowRight", "ArrowRight")
    expect(seen.row("b.log")).to_be_visible()
    seen.press("ArrowDown", "Shift+ArrowDown")
    seen.chosen("2 objects (18 B) selected")
    active = seen.page.locator(f"#{seen.grid.get_attribute('aria-activedescendant')}")
    expect(active).to_have_attribute("aria-selected", "true")
    expect(active).to_contain_text("b.log")
    seen.press("ArrowLeft", "ArrowLeft")  # to the level, and closed
    expect(seen.row("b.log")).to_have_count(0)
    seen.press("ArrowLeft", "Enter")  # to logs/, and in
    expect(seen.row("2026-01-02/")).to_have_attribute("aria-level", "1")
    seen.press("Backspace")
    expect(seen.row("readme.txt")).to_be_visible()
    seen.press("Control+a")
    seen.chosen("4 objects (3.9 KiB), 1 prefix selected")
    seen.press("Escape", "End")
    seen.chosen("1 object (22 B) selected")
    assert seen.value("b.value") == f"s3://{tree}/table.csv"
    seen.press(" ")
    seen.chosen("")
    seen.press("/")
    seen.page.keyboard.type("re")
    expect(seen.row("table.csv")).to_have_count(0)
    seen.status("1 row")
    expect(seen.row("readme.txt")).to_be_visible()
    seen.press("Enter", "Home", "Enter")  # back to the rows, and the details of the first
    expect(seen.root.get_by_role("complementary", name="Details")).to_contain_text("Welcome.")


def test_a_hundred_thousand_keys_scroll(browse: Callable[..., Seen]) -> None:
    with ManyKeys(100_000) as keys:
        seen = browse("s3://keys/data/", endpoint_url=keys.endpoint_url)
        seen.status("1,000 rows loaded, more in S3")
        seen.grid.focus()
        seen.press("End")  # the end of what is loaded loads more
        seen.status("2,000 rows loaded, more in S3")
        assert keys.pages == 2
        seen.button("Load all").click()
        seen.status("100,000 rows")
        seen.press("End")
        expect(seen.row("part-0099999.parquet")).to_be_visible()
        body = seen.root.locator(".body")
        for share in (0.5, 0.123, 0.987):
            body.evaluate("(node, share) => { node.scrollTop = node.scrollHeight * share; }", share)
            expect(seen.row(f"part-{int(100_000 * share):07d}.parquet")).to_have_count(1)
            assert seen.grid.get_by_role("row").count() < 100
        seen.press("Control+a")
        expect(seen.root.locator(".chosen")).to_contain_text("100,000 objects")
        assert seen.value("[len(b.selected), b.selected[99999]]") == [100_000, "s3://keys/data/part-0099999.parquet"]
        seen.grid.get_by_role("columnheader", name="Size").get_by_role("button").click()
        expect(seen.grid.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")


def test_a_search_counts_and_stops(browse: Callable[..., Seen]) -> None:
    with ManyKeys(50_000) as keys:
        seen = browse("s3://keys/", endpoint_url=keys.endpoint_url)
        expect(seen.row("data/")).to_be_visible()
        seen.root.get_by_role("combobox").select_option("contains")
        keys.gate.clear()
        seen.root.get_by_role("searchbox").fill("777.parquet")
        seen.status(re.compile("Searching: 0 matches in 0 keys so far"))
        seen.button("Stop").click()
        seen.status("0 matches in 0 keys, stopped")
        keys.gate.set()
        seen.button("Continue").click()
        seen.status("50 matches in 50,000 keys")
        expect(seen.row("data/part-0000777.parquet")).to_be_visible()
        seen.root.get_by_role("searchbox").fill("")
        expect(seen.row("data/")).to_be_visible()


def test_what_is_not_on_a_level_is_looked_for_below_it(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    expect(seen.row("readme.txt")).to_be_visible()
    seen.root.get_by_role("searchbox").fill("b.log")
    seen.button("Look for it in all that is below").click()
    expect(seen.row("logs/2026-01-01/b.log")).to_be_visible()
    assert seen.value("(b.mode, b.filter)") == ["contains", "b.log"]
    seen.press("Escape")  # the cursor is in the field
    expect(seen.row("readme.txt")).to_be_visible()


def test_details_show_what_an_object_is(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    seen.row("readme.txt").click()
    seen.button("Details").click()
    side = seen.root.get_by_role("complementary", name="Details")
    expect(side).to_contain_text("Welcome.")
    expect(side).to_contain_text("camera")
    seen.row("model.bin").click()
    expect(side).to_contain_text("00 01 02 03")
    seen.row("logs/").click()
    expect(side).to_contain_text("A prefix.")
    seen.button("Count objects and bytes").click()
    expect(seen.root.get_by_role("list", name="Tasks")).to_contain_text("3 objects, 29 B")


def test_a_download_to_the_kernel_and_one_to_this_computer(
    browse: Callable[..., Seen], tree: str, tmp_path: Path
) -> None:
    seen = browse(f"s3://{tree}/")
    seen.row("logs/").click()
    seen.row("readme.txt").click(modifiers=["Control"])
    seen.button("Download").click()
    dialog = seen.root.get_by_role("dialog")
    dialog.get_by_role("textbox").fill(str(tmp_path / "here"))
    dialog.get_by_role("button", name="Download").click()
    expect(seen.root.get_by_role("list", name="Tasks")).to_contain_text("4 objects, 38 B, verified")
    got = {
        p.relative_to(tmp_path / "here").as_posix(): p.read_bytes()
        for p in (tmp_path / "here").rglob("*")
        if p.is_file()
    }
    assert got == {k: v for k, v in TREE.items() if k.startswith("logs/") or k == "readme.txt"}
    seen.button("Dismiss").click()
    expect(seen.root.get_by_role("list", name="Tasks").get_by_role("listitem")).to_have_count(0)
    seen.row("table.csv").click()
    with seen.page.expect_download() as saved:
        seen.button("Save to your computer").click()
    assert saved.value.suggested_filename == "table.csv"
    assert Path(saved.value.path()).read_bytes() == TREE["table.csv"]


def test_a_download_shows_how_far_it_is_and_is_cancelled(
    browse: Callable[..., Seen], moto_server: Server, tmp_path: Path
) -> None:
    client = moto_server.boto3_client()
    client.create_bucket(Bucket="lab-slow")
    client.put_object(Bucket="lab-slow", Key="slow.bin", Body=b"x" * 4_000_000)
    client.close()
    with Proxy(moto_server.endpoint_url, [Rule("stall", method="GET", key="slow.bin")]) as proxy:
        seen = browse("s3://lab-slow/", endpoint_url=proxy.endpoint_url)
        seen.row("slow.bin").click()
        seen.button("Download").click()
        dialog = seen.root.get_by_role("dialog")
        dialog.get_by_role("textbox").fill(str(tmp_path / "here"))
        seen.press("Enter")
        bar = seen.root.get_by_role("progressbar")
        expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]"))
        seen.button("Cancel download").click()
        expect(seen.root.get_by_role("list", name="Tasks")).to_contain_text("Stopped.")
        seen.notebook.value(f"({seen.name}.wait(), 0)[1]")
        assert list((tmp_path / "here").iterdir()) == []


def test_uploads_by_picker_and_by_drop_and_a_delete_that_asks(browse: Callable[..., Seen], moto_server: Server) -> None:
    client = moto_server.boto3_client()
    client.create_bucket(Bucket="lab-write")
    seen = browse("s3://lab-write/", writable=True)
    body = bytes(range(256)) * 10_000  # pieces
    file = FilePayload(name="from here.bin", mimeType="x/y", buffer=body)
    seen.root.locator("input[type=file]").set_input_files(file)
    expect(seen.row("from here.bin")).to_be_visible()
    assert client.get_object(Bucket="lab-write", Key="from here.bin")["Body"].read() == body
    seen.root.evaluate(
        """(root) => {
            const data = new DataTransfer();
            data.items.add(new File(['dropped'], 'dropped.txt'));
            root.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(seen.row("dropped.txt")).to_be_visible()
    again = FilePayload(name="dropped.txt", mimeType="x/y", buffer=b"dropped again")
    seen.root.locator("input[type=file]").set_input_files(
        [again, FilePayload(name="new.txt", mimeType="x/y", buffer=b"n")]
    )
    question = seen.root.get_by_role("dialog", name="1 of 2 is there already")
    expect(question).to_contain_text("dropped.txt")
    question.get_by_role("button", name="Upload the other 1").click()
    expect(seen.row("new.txt")).to_be_visible()
    assert client.get_object(Bucket="lab-write", Key="dropped.txt")["Body"].read() == b"dropped"
    seen.row("from here.bin").click()
    seen.button("Delete").click()
    question = seen.root.get_by_role("dialog", name=re.compile(r"Delete 1 object \(2\.4 MiB\)\?"))
    question.get_by_role("button", name="Keep").click()
    seen.button("Delete").click()
    question.get_by_role("button", name="Delete 1 object").click()
    expect(seen.row("from here.bin")).to_have_count(0)
    assert [o["Key"] for o in client.list_objects_v2(Bucket="lab-write")["Contents"]] == ["dropped.txt", "new.txt"]
    client.close()


def test_the_magic_shows_a_browser(notebook: Notebook, tree: str) -> None:
    area = notebook.run(f"%load_ext s3nb\n%s3 browse s3://{tree}/logs")
    seen = Seen(notebook, area, "_")
    expect(seen.row("2026-01-01/")).to_be_visible()
    notebook.run("_.close()")
    expect(seen.root).to_have_count(0)
    expect(area.locator(".s3nb-still")).to_contain_text("2026-01-01/")  # what is left, and what is saved


def test_what_cannot_be_written_says_so(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    expect(seen.row("readme.txt")).to_be_visible()
    expect(seen.button("Upload")).to_be_hidden()
    expect(seen.button("Delete")).to_be_hidden()


def test_uri_code_and_links_are_copied(browse: Callable[..., Seen], tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    clipboard = "() => navigator.clipboard.readText()"
    seen.row("readme.txt").click()
    seen.button("Copy URI").click()
    expect(seen.root.get_by_role("dialog")).to_contain_text("URI: copied")
    assert seen.page.evaluate(clipboard) == f"s3://{tree}/readme.txt"
    seen.button("Copy code").click()
    expect(seen.root.get_by_role("dialog")).to_contain_text("Code: copied")
    assert f"s3.get_many(['s3://{tree}/readme.txt'])" in seen.page.evaluate(clipboard)
    seen.button("Presigned link").click()
    dialog = seen.root.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option("3600")
    dialog.get_by_role("button", name="Make link").click()
    expect(dialog).to_contain_text("Presigned link, 1 hour: copied")
    url = seen.page.evaluate(clipboard)
    assert "X-Amz-Expires=3600" in url
    assert seen.page.request.get(url).body() == TREE["readme.txt"]
    assert "X-Amz-Signature" not in json.dumps(seen.notebook.save())


def test_errors_are_said_in_place_and_trying_again_helps(
    browse: Callable[..., Seen], tree: str, moto_server: Server
) -> None:
    seen = browse("s3://no-such-bucket-here/")
    alert = seen.root.get_by_role("alert")
    expect(alert).to_contain_text("There is no such bucket")
    with Proxy(moto_server.endpoint_url, [Rule("status", status=403, code="AccessDenied")]) as proxy:
        other = browse(f"s3://{tree}/", endpoint_url=proxy.endpoint_url)
        expect(other.root.get_by_role("alert")).to_contain_text("Access denied")
        expect(other.root.get_by_role("alert")).to_contain_text("s3:ListBucket")
        proxy.rules.clear()
        other.button("Try again").click()
        expect(other.row("readme.txt")).to_be_visible()
        proxy.rules.append(Rule("reset"))
        other.button("Refresh").click()
        expect(other.root).to_contain_text("S3 cannot be reached; trying again…")
        other.button("Stop").click()
        expect(other.root.get_by_role("alert")).to_contain_text("Stopped")
        proxy.rules.clear()
        other.button("Try again").click()
        expect(other.row("readme.txt")).to_be_visible()


def test_several_browsers_and_several_views_of_one(browse: Callable[..., Seen], notebook: Notebook, tree: str) -> None:
    one, other = browse(f"s3://{tree}/"), browse(f"s3://{tree}/logs/")
    expect(one.row("readme.txt")).to_be_visible()
    expect(other.row("2026-01-01/")).to_be_visible()
    again = Seen(notebook, notebook.run(one.name), one.name)
    again.row("table.csv").click()
    one.chosen("1 object (22 B) selected")
    expect(one.row("table.csv")).to_have_attribute("aria-selected", "true")
    other.chosen("")


def test_a_busy_kernel_is_said(browse: Callable[..., Seen], notebook: Notebook, tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    expect(seen.row("readme.txt")).to_be_visible()
    kernel = notebook.value("__import__('os').getpid()")
    busy = seen.root.locator(".busy")
    os.kill(kernel, signal.SIGSTOP)  # busy beyond what a kernel's other threads could answer
    try:
        seen.button("Refresh").click()
        expect(busy).to_have_text("kernel busy…")
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(busy).to_have_text("")


def test_traits_link_to_other_widgets(browse: Callable[..., Seen], notebook: Notebook, tree: str) -> None:
    seen = browse(f"s3://{tree}/")
    area = notebook.run(
        f"import ipywidgets\nt = ipywidgets.Text()\nl = ipywidgets.jslink(({seen.name}, 'value'), (t, 'value'))\nt"
    )
    seen.row("readme.txt").click()
    expect(area.get_by_role("textbox")).to_have_value(f"s3://{tree}/readme.txt")


def test_colours_follow_the_theme_and_axe_finds_nothing_serious(
    browse: Callable[..., Seen], notebook: Notebook, tree: str
) -> None:
    modules = node_modules()
    if modules is None:
        pytest.skip("axe-core is not installed")
    seen = browse(f"s3://{tree}/", writable=True)
    seen.row("readme.txt").click()
    seen.button("Details").click()
    expect(seen.root.get_by_role("complementary", name="Details")).to_contain_text("Welcome.")
    seen.button("Download").click()
    notebook.page.evaluate((modules / "axe-core" / "axe.min.js").read_text("utf-8"))
    colours = []
    for dark in (True, False):
        notebook.theme(dark)
        colours.append(
            seen.root.evaluate("(node) => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]")
        )
        found = notebook.page.evaluate("(node) => window.axe.run(node)", seen.root.element_handle())
        assert serious(found) == []
    assert colours[0] != colours[1]
    notebook.page.set_viewport_size({"width": 520, "height": 800})
    expect(seen.root.locator(".row .time").first).to_be_hidden()
    assert seen.root.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    notebook.page.set_viewport_size({"width": 1100, "height": 800})


# keys that stay on one level, and that moto takes
HOSTILE = [key for key in hostile.KEYS if "/" not in key and key.isprintable()] + ["a\u202egnp.exe"]


def test_nothing_hostile_runs_live_reopened_or_exported(lab: Lab, moto_server: Server, tmp_path: Path) -> None:
    client = moto_server.boto3_client()
    client.create_bucket(Bucket="lab-hostile")
    for n, text in enumerate(HOSTILE):
        client.put_object(
            Bucket="lab-hostile",
            Key=text,
            Body=text.encode(),
            ContentType="text/html",
            Metadata={"m": f"<b onclick=x>{n}"},
        )
        if text.startswith("<img"):
            client.put_object(Bucket="lab-hostile", Key=f"{text}/inside", Body=b"")
    for name, body in list(hostile.BODIES.items())[:3]:
        client.put_object(Bucket="lab-hostile", Key=f"bodies/{name}", Body=body, ContentType="text/html")
    client.close()
    notebook = lab.open("hostile.ipynb")
    area = notebook.run("from s3nb import S3Browser\nb = S3Browser('s3://lab-hostile/', writable=True)\nb")
    seen = Seen(notebook, area, "b")
    seen.button("Details").click()
    side = seen.root.get_by_role("complementary", name="Details")
    seen.go("s3://lab-hostile/bodies/")
    for name in list(hostile.BODIES)[:3]:  # all of them: test_elsewhere.py
        seen.row(name).click()
        expect(side.get_by_role("heading", name=name)).to_be_visible()
        expect(side).to_contain_text("Headers")
    seen.button("Back").click()
    lure = '<img src=x onerror="window.__pwned=1">'
    search = seen.root.get_by_role("searchbox")
    search.fill("<img")
    seen.row(lure).click()
    expect(side).to_contain_text(lure)
    seen.row(f"{lure}/").locator(".twist").click()
    expect(seen.row("inside")).to_be_visible()
    search.fill("")
    seen.root.get_by_role("combobox").select_option("contains")
    search.fill("a")
    seen.status(re.compile(r"^\d+ matches in \d+ keys$"))
    seen.grid.focus()
    seen.press("End", "Home", "PageDown", "PageDown")
    search.fill("exe")
    seen.row("a\\u202egnp.exe").click()
    seen.button("Delete").click()
    expect(seen.root.get_by_role("dialog")).to_be_visible()
    notebook.value("(b._draw_still(), 0)[1]")
    notebook.page.wait_for_function("() => document.querySelector('.s3nb-still')?.textContent.includes('gnp.exe')")
    expect(area.locator(".s3nb-still")).to_be_hidden()  # the snapshot is for those who come later
    saved = notebook.save()
    assert notebook.errors == []
    assert notebook.page.evaluate("() => window.__pwned === undefined")
    assert "X-Amz-Signature" not in json.dumps(saved)

    notebook.shut_down()
    notebook.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
    notebook.open()
    still = notebook.page.locator(".s3nb-still")
    expect(still).to_contain_text("gnp.exe")
    expect(still).to_contain_text("run the cell again")
    expect(notebook.page.get_by_text("model not found")).to_be_hidden()
    assert notebook.page.evaluate("() => window.__pwned === undefined")
    notebook.page.context.close()

    exported = tmp_path / "hostile.html"
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--output", str(exported), str(notebook.path)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = lab.browser.new_context()
    page = context.new_page()
    page.goto(exported.as_uri(), wait_until="domcontentloaded")
    expect(page.locator(".s3nb-still")).to_contain_text("gnp.exe")
    assert page.evaluate("() => window.__pwned === undefined")
    context.close()


def test_a_page_that_is_loaded_again_goes_on(lab: Lab, tree: str) -> None:
    notebook = lab.open("again.ipynb")
    area = notebook.run(f"from s3nb import S3Browser\nb = S3Browser('s3://{tree}/')\nb")
    Seen(notebook, area, "b").row("logs/").dblclick()
    expect(area.get_by_role("row", name="2026-01-01/")).to_be_visible()
    notebook.save()
    notebook.open()
    expect(notebook.output(0).get_by_role("row", name="2026-01-01/")).to_be_visible(timeout=60_000)
    notebook.output(0).get_by_role("button", name="Up one level").click()
    expect(notebook.output(0).get_by_role("row", name="readme.txt")).to_be_visible()
    notebook.close()
