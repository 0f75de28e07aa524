"""Progress, tables and previews in a real notebook: they stay where they are, and are still there when it is opened again."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.lab.conftest import Lab

_SETUP = """
import threading
from s3nb import S3, BulkError
from s3nb.testing import MemoryWire

class Stopping(MemoryWire):
    "Answers three hundred requests, and then no more."
    sent = 0
    def send(self, request, sink=None):
        self.sent += 1
        if self.sent == 300:
            self.gate = threading.Event()
        return super().send(request, sink)

def objects(n): return {"box": {f"data/{k:04d}.bin": b"x" * 10_000 for k in range(n)}}
stuck = S3(s3root="s3://box", wire=Stopping(objects(1000)))
s3 = S3(s3root="s3://box", wire=MemoryWire(objects(3)))
"""
_HEIGHT = "() => document.querySelector('.s3o-op').getBoundingClientRect().height"
_FRAMES = """() => new Promise(done => {
    const heights = [], texts = new Set();
    function look() {
        const shown = document.querySelector('.s3o-op');
        heights.push(shown ? shown.getBoundingClientRect().height : 0);
        texts.add(shown && shown.innerText);
        if (texts.size < 6) requestAnimationFrame(look); else done(heights);
    }
    look();
})"""
_HOSTILE = """
s3.put("<img src=x onerror=window.__pwned=1>", "<script>window.__pwned=1</script>")
try:
    s3.get_many(["data/0001.bin", "<script>window.__pwned=1</script>"])
except BulkError as error:
    result = error
display(result, s3.list_recursive(), s3.preview("<img src=x onerror=window.__pwned=1>"))
"""


def test_progress_keeps_its_height_stops_and_stays(lab: Lab) -> None:
    notebook = lab.open()
    try:
        notebook.run(_SETUP)
        area = notebook.start("stuck.get_many([f'data/{k:04d}.bin' for k in range(1000)])")
        shown = area.locator(".s3o-op")
        shown.wait_for()
        # every frame that the browser paints, while it is drawn again and again
        heights = notebook.page.evaluate(_FRAMES)
        assert len(set(heights)) == 1
        expect(shown).to_have_count(1)
        assert shown.get_by_role("progressbar").get_attribute("aria-valuenow") is not None
        notebook.interrupt()
        notebook.wait()
        expect(shown).to_contain_text(re.compile(r"interrupted: \d+ done, \d+ not done"))
        end = shown.inner_text()
        assert notebook.page.evaluate(_HEIGHT) == heights[0]
        assert "KeyboardInterrupt" in area.inner_text()

        hostile = notebook.run(_HOSTILE)
        expect(hostile.get_by_text("NoSuchKey")).to_be_visible()
        expect(hostile.locator("pre.s3o-text")).to_have_text("<script>window.__pwned=1</script>")
        saved = notebook.save()
        assert "widgets" not in saved["metadata"]
        notebook.shut_down()
        notebook.open()  # without a kernel
        again = notebook.page.locator(".s3o-op")
        again.wait_for()
        assert again.inner_text() == end
        assert notebook.page.evaluate(_HEIGHT) == heights[0]
        expect(notebook.page.locator("pre.s3o-text")).to_have_text("<script>window.__pwned=1</script>")
        assert notebook.page.evaluate("() => window.__pwned") is None
    finally:
        notebook.page.context.close()
