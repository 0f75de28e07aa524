"""The browser where there is no JupyterLab: in Notebook 7, in marimo, and on pages such as VS Code and Colab make of an output."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from s3nb import S3
from s3nb.notebook.widget import S3Browser
from s3nb.testing import Fault, MemoryWire
from tests import hostile
from tests.conftest import Server
from tests.lab import node_modules, serious
from tests.lab.conftest import Lab
from tests.lab.host import THEMES, Host
from tests.radosgw import free_ports

OBJECTS = {
    "logs/2026-01-01/a.log": b"INFO one\n",
    "logs/2026-01-02/b.log": b"WARN two\n",
    "picture.png": bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c63f8cfc0f01f0005000201a1a0b3d10000000049454e44ae426082"
    ),
    "readme.txt": b"Welcome.\n",
    "table.csv": b"id,name\n1,Ada\n2,Grace\n",
}


class Shown:
    """A browser on a page of its own."""

    def __init__(self, browser: S3Browser, host: Host, page: Page, asked: list[str], said: list[str]) -> None:
        self.browser = browser
        self.host = host
        self.page = page
        self.asked = asked
        self.said = said

    def open(self, theme: str = "") -> Frame:
        self.page.goto(f"{self.host.url}?theme={theme}")
        frame = self.page.frames[-1]
        expect(frame.get_by_role("treegrid")).to_be_visible()
        return frame


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Shown]]:
    """Show a browser of what is in memory; no request leaves the page, and it has no complaints."""
    context = browser.new_context(viewport={"width": 900, "height": 760})
    context.set_default_timeout(20_000)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    known = ("favicon", "Clipboard API has been blocked")  # which is what a frame there says as well
    page.on(
        "console", lambda m: said.append(m.text) if m.type == "error" and not any(k in m.text for k in known) else None
    )
    page.on("pageerror", lambda error: said.append(str(error)))
    made: list[Shown] = []

    def show(objects: dict[str, bytes] | None = None, **options: bool) -> Shown:
        wire = MemoryWire({"bucket": dict(OBJECTS if objects is None else objects)})
        s3 = S3(tmp_path, wire=wire)
        widget = S3Browser("s3://bucket/", s3=s3, **options)
        host = Host(widget)
        host.__enter__()
        made.append(Shown(widget, host, page, asked, said))
        return made[-1]

    yield show
    for one in made:
        page.evaluate("() => globalThis.closeView?.()")
        one.browser.close()
        one.browser.s3.close()
        one.host.__exit__()
        own = (one.host.url, "blob:", "data:")
        assert [url for url in asked if not url.startswith(own)] == []
    assert said == []
    assert page.evaluate("() => window.__pwned === undefined")
    context.close()


def complaints(frame: Frame) -> list[tuple[str, ...]]:
    """Return what axe finds."""
    modules = node_modules()
    if modules is None:
        pytest.skip("axe-core is not installed")
    frame.evaluate((modules / "axe-core" / "axe.min.js").read_text("utf-8"))
    return serious(frame.evaluate("() => window.axe.run(document.querySelector('.s3nb'))"))


_DARK = """(node) => { const [r, g, b] = getComputedStyle(node).backgroundColor.match(/[\\d.]+/g).map(Number);
    return r + g + b < 3 * 128; }"""


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_seen_and_used_by_keyboard_in_the_colours_of_the_page(shown: Callable[..., Shown], theme: str) -> None:
    seen = shown(writable=True)
    frame = seen.open(theme)
    expect(frame.get_by_role("row", name="readme.txt")).to_be_visible()
    dark = theme.removesuffix("-light").endswith(("dark", "contrast")) and not theme.endswith("-light")
    assert frame.locator(".browser").evaluate(_DARK) == dark
    frame.get_by_role("treegrid").focus()
    seen.page.keyboard.press("ArrowRight")  # logs/
    expect(frame.get_by_role("row", name="2026-01-02/")).to_be_visible()
    seen.page.keyboard.press("End")
    expect(frame.locator(".chosen")).to_have_text("1 object (22 B) selected")
    assert seen.browser.value == "s3://bucket/table.csv"
    seen.page.keyboard.press("Enter")
    side = frame.get_by_role("complementary", name="Details")
    expect(side.get_by_role("cell", name="Grace")).to_be_visible()
    seen.page.keyboard.press("Control+c")  # a frame may not use the clipboard: the text is shown to be taken
    field = frame.get_by_role("dialog").get_by_role("textbox")
    expect(field).to_have_value("s3://bucket/table.csv")
    expect(field).to_be_focused()
    assert complaints(frame) == []
    seen.page.keyboard.press("Escape")
    expect(frame.get_by_role("treegrid")).to_be_focused()
    with seen.page.expect_download() as saved:
        frame.get_by_role("button", name="Save to your computer").click()
    assert Path(saved.value.path()).read_bytes() == OBJECTS["table.csv"]
    frame.evaluate("() => globalThis.closeView()")
    expect(frame.locator(".s3nb")).to_have_count(0)
    assert frame.evaluate("() => globalThis.listening()") == 0


def test_rows_are_chosen_by_mouse_and_one_travels_by_keys(shown: Callable[..., Shown]) -> None:
    seen = shown()
    frame = seen.open()
    chosen = frame.locator(".chosen")
    row = partial(frame.get_by_role, "row")
    row(name="picture.png").click()
    row(name="table.csv").click(modifiers=["Shift"])
    expect(chosen).to_have_text("3 objects (101 B) selected")
    row(name="readme.txt").click(modifiers=["Control"])
    expect(chosen).to_have_text("2 objects (92 B) selected")
    assert list(seen.browser.selected) == ["s3://bucket/picture.png", "s3://bucket/table.csv"]
    row(name="logs/").dblclick()
    expect(row(name="2026-01-01/")).to_be_visible()
    for key, name in (
        ("Alt+ArrowLeft", "readme.txt"),
        ("Alt+ArrowRight", "2026-01-01/"),
        ("Alt+ArrowUp", "readme.txt"),
    ):
        seen.page.keyboard.press(key)
        expect(row(name=name)).to_be_visible()
    size = frame.get_by_role("columnheader", name="Size")
    size.get_by_role("button").press("Enter")
    expect(size).to_have_attribute("aria-sort", "descending")
    expect(frame.locator(".label").nth(1)).to_have_text("picture.png")
    row(name="logs/").click()
    frame.get_by_role("button", name="Count objects and bytes").click()
    expect(frame.get_by_role("list", name="Tasks")).to_contain_text("2 objects, 18 B")
    frame.get_by_label("How names are filtered").select_option("pattern")
    frame.get_by_label("Filter names").fill("logs/*/b.log")
    expect(frame.locator(".status")).to_have_text("1 match in 2 keys")  # what is beside cannot match


def test_styles_cross_in_neither_direction(shown: Callable[..., Shown]) -> None:
    seen = shown()
    frame = seen.open()
    expect(frame.get_by_role("row", name="readme.txt")).to_be_visible()
    look = (
        "(node) => { const s = getComputedStyle(node); return [s.color, s.fontSize, s.display, s.position, s.height]; }"
    )
    label = frame.locator(".label", has_text="readme.txt")
    button = frame.get_by_role("button", name="Refresh")
    before = [node.evaluate(look) for node in (label, button)]
    frame.evaluate(
        """() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(`button, .button, .label { display: none !important; }
                * { color: red !important; font-size: 40px !important; text-transform: uppercase !important; }`);
            document.adoptedStyleSheets = [sheet];
            document.body.append(Object.assign(document.createElement('p'), {className: 'row', id: 'theirs'}));
        }"""
    )
    assert [node.evaluate(look) for node in (label, button)] == before
    assert frame.locator("#theirs").evaluate("(node) => getComputedStyle(node).position") == "static"
    assert frame.evaluate("() => document.styleSheets.length") == 0


def test_narrow_pages_and_large_letters_hide_nothing(shown: Callable[..., Shown]) -> None:
    seen = shown(writable=True)
    frame = seen.open("vscode-light")
    frame.get_by_role("row", name="readme.txt").click()
    frame.get_by_role("button", name="Details").click()
    expect(frame.get_by_role("complementary", name="Details")).to_contain_text("Welcome.")
    frame.get_by_role("button", name="Download").click()
    seen.page.set_viewport_size({"width": 320, "height": 640})  # what 1280 pixels are at 400 %
    fits = "(node) => node.scrollWidth <= node.clientWidth && node.getBoundingClientRect().right <= innerWidth"
    assert frame.locator(".browser").evaluate(fits)
    for button in frame.get_by_role("button").all():
        if button.is_visible():
            box = button.bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 320, button.inner_html()
    assert complaints(frame) == []


def test_forced_colours_and_reduced_motion_are_heeded(shown: Callable[..., Shown]) -> None:
    seen = shown()
    seen.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    frame = seen.open()
    row = frame.get_by_role("row", name="readme.txt")
    row.click()
    expect(row).to_have_attribute("aria-selected", "true")
    colour = "(node) => getComputedStyle(node).backgroundColor"
    assert row.evaluate(colour) != frame.get_by_role("row", name="table.csv").evaluate(colour)
    assert frame.locator(".twist .icon").first.evaluate("(node) => getComputedStyle(node).transitionDuration") == "0s"


def test_no_answer_is_said_and_can_be_stopped(shown: Callable[..., Shown]) -> None:
    seen = shown()
    frame = seen.open()
    expect(frame.get_by_role("row", name="readme.txt")).to_be_visible()
    wire = seen.browser.s3._alive().engine.wire
    assert isinstance(wire, MemoryWire)
    wire.faults.append(Fault("ListObjectsV2", wire="connect", times=None))
    frame.get_by_role("button", name="Refresh").click()
    expect(frame.locator(".panel")).to_contain_text("S3 cannot be reached; trying again…")
    frame.get_by_role("button", name="Stop").click()
    expect(frame.get_by_role("alert")).to_contain_text("Stopped")
    wire.faults.clear()
    frame.get_by_role("button", name="Try again").click()
    expect(frame.get_by_role("row", name="readme.txt")).to_be_visible()


def test_what_runs_is_stopped_by_keyboard(shown: Callable[..., Shown], tmp_path: Path) -> None:
    seen = shown()
    frame = seen.open()
    frame.get_by_role("row", name="readme.txt").click()
    wire = seen.browser.s3._alive().engine.wire
    assert isinstance(wire, MemoryWire)
    wire.faults.append(Fault("GetObject", hold=threading.Event()))
    frame.get_by_role("button", name="Download").click()
    frame.get_by_role("dialog").get_by_role("textbox").fill(str(tmp_path / "to"))
    seen.page.keyboard.press("Enter")
    cancel = frame.get_by_role("button", name="Cancel download")
    cancel.focus()
    heard = frame.evaluate("() => globalThis.heard")
    frame.wait_for_function("(n) => globalThis.heard > n + 3", arg=heard)  # it is drawn again and again
    expect(cancel).to_be_focused()
    seen.page.keyboard.press("Enter")
    expect(frame.get_by_role("list", name="Tasks")).to_contain_text("Stopped.")
    assert list((tmp_path / "to").iterdir()) == []


def test_hostile_bodies_and_names_are_text(shown: Callable[..., Shown]) -> None:
    names = [key for key in hostile.KEYS if "/" not in key and key]
    seen = shown({f"bodies/{name}": body for name, body in hostile.BODIES.items()} | dict.fromkeys(names, b"<b>"))
    frame = seen.open()
    expect(frame.locator(".status")).to_have_text(f"{len(names) + 1} rows")
    frame.get_by_role("treegrid").focus()
    seen.page.keyboard.press("End")
    seen.page.keyboard.press("Home")
    frame.get_by_role("button", name="Details").click()
    side = frame.get_by_role("complementary", name="Details")
    seen.browser.path = "s3://bucket/bodies/"
    for name in hostile.BODIES:
        frame.get_by_role("row", name=name).click()
        expect(side.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(side).to_contain_text("Object")
    assert frame.locator(".browser script, .browser iframe, .browser a, .browser object").count() == 0


# -- front ends that are here ------------------------------------------------------------------------------


def _fill(server: Server, bucket: str) -> None:
    client = server.boto3_client()
    client.create_bucket(Bucket=bucket)
    for key, body in OBJECTS.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)
    client.close()


def test_notebook_7(lab: Lab, moto_server: Server, tmp_path: Path) -> None:
    _fill(moto_server, "lab-seven")
    notebook = lab.open("seven.ipynb", place="notebooks")
    area = notebook.run("from s3nb import S3Browser\nb = S3Browser('s3://lab-seven/')\nb")
    _core_path(notebook.page, str(tmp_path / "here"))
    assert notebook.value("b.value") == "s3://lab-seven/readme.txt"
    assert (tmp_path / "here" / "readme.txt").read_bytes() == b"Welcome.\n"
    notebook.run("b.close()")
    expect(area.locator(".s3nb")).to_have_count(0)
    expect(area.locator(".s3nb-still")).to_contain_text("readme.txt")
    # Notebook 7.6 says this of itself, with and without a browser
    own = ("reading 'schema'", "'filebrowser:open-path' not registered")
    assert [text for text in notebook.errors if not any(known in text for known in own)] == []
    notebook.close()


_APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from s3nb import S3Browser
    return S3Browser, mo


@app.cell
def _(S3Browser, mo):
    b = S3Browser("s3://lab-marimo/")
    shown = mo.ui.anywidget(b)
    shown
    return b, shown


@app.cell
def _(b, mo, shown):
    shown.value
    mo.md(f"selected: {', '.join(b.selected)}.")
    return


if __name__ == "__main__":
    app.run()
"""


def test_marimo(browser: Browser, moto_server: Server, tmp_path: Path) -> None:
    _fill(moto_server, "lab-marimo")
    (tmp_path / "app.py").write_text(_APP)
    [port] = free_ports(1)
    env = os.environ | {
        "AWS_ENDPOINT_URL": moto_server.endpoint_url, "AWS_ACCESS_KEY_ID": moto_server.access_key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_key, "AWS_DEFAULT_REGION": moto_server.region, "HOME": str(tmp_path),
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "marimo",
        "run",
        "app.py",
        "--headless",
        "--no-token",
        f"--port={port}",
        "--host=127.0.0.1",
    ]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    context = browser.new_context(viewport={"width": 900, "height": 760})
    try:
        page = context.new_page()
        _wait_for(process, f"http://127.0.0.1:{port}/health", tmp_path / "log")
        page.goto(f"http://127.0.0.1:{port}/")
        _core_path(page, str(tmp_path / "here"))
        assert (tmp_path / "here" / "readme.txt").read_bytes() == b"Welcome.\n"
        # cells that depend on it run again when something else is selected
        expect(page.get_by_text("selected: s3://lab-marimo/readme.txt.")).to_be_visible()
    finally:
        context.close()
        process.terminate()
        process.wait(20)


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            continue
        return
    raise RuntimeError(log.read_text("utf-8", "replace"))


def _core_path(page: Page, folder: str) -> None:
    """Browse, open a level, look into an object, download it."""
    logs = page.get_by_role("row", name="logs/")
    expect(logs).to_be_visible(timeout=90_000)
    logs.locator(".twist").click()
    expect(page.get_by_role("row", name="2026-01-02/")).to_have_attribute("aria-level", "2")
    page.get_by_role("row", name="readme.txt").click()
    page.get_by_role("button", name="Details").click()
    expect(page.get_by_role("complementary", name="Details")).to_contain_text("Welcome.")
    page.get_by_role("button", name="Download").click()
    page.get_by_role("dialog").get_by_role("textbox").fill(folder)
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Tasks")).to_contain_text("1 object, 9 B, verified")
