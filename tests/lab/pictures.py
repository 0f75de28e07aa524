"""Take the pictures of docs/images in a real JupyterLab: ``python -m tests.lab.pictures``; all, elsewhere: ``... FOLDER [NAME ...]``.

Everything on them is drawn by the code that users run, on the sandbox's samples; only the progress pictures hold a
transfer still, so that they are the same each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from s3nb.sandbox import Sandbox
from tests.lab import chromium
from tests.lab.conftest import Lab
from tests.lab.notebook import Notebook
from tests.lab.server import LabServer

FOLDER = Path(__file__).parents[2] / "docs" / "images"

_PROGRESS = """
from s3nb import bars
from s3nb.progress import Progress

class Moving:
    def __init__(self, name, moved, expected): self.name, self.now, self.all = name, moved, expected
    def label(self): return f"s3://samples/{self.name}"
    def moved(self): return self.now
    def expected(self): return self.all

def still(total, done, failed=0, skipped=0, retried=0, large=0, ago=12.0, flights=(), verb="get", end=""):
    progress = Progress(verb, total)
    progress._started -= ago
    progress.planned(total or done + 4321)
    moved = Moving("", large, large)
    progress.begin(moved)
    progress.end(moved, done, failed, skipped)
    for _ in range(retried): progress.retried()
    for n, flight in enumerate(flights):
        progress.begin(Moving(*flight))
        progress._under_way = {t: progress._started + 3 * k for k, t in enumerate(progress._under_way)}
    shown = bars.display(progress)
    shown._next = 0
    shown.tick()
    if end == "cancel": progress.cancel()
    if end:
        progress.finish()
        shown.close()
    return shown
"""

_IN_DOCS = {"progress", "progress-ends", "table-failures", "preview-table"}

# name: code; each is taken in both themes
PICTURES = {
    "progress": """
flights = [("tables/year=2026/part-0007.parquet", 210 << 20, 512 << 20), ("logs/archive-2026-03.log.gz", 3 << 20, 64 << 20),
           ("raw/sensor-data-without-a-size.bin", 17 << 20, None)]
kept = still(400, 308, 2, 3, 1, large=1180 << 20, flights=flights)
""",
    "progress-ends": """
still(400, 400, large=1600 << 20, end="done")
still(None, 8400, large=120 << 20, verb="list", ago=4.0)
still(1200, 1180, 2, 18, 3, large=900 << 20, ago=31.0, verb="put", end="done")
still(400, 311, 2, large=700 << 20, end="cancel");
""",
    "table": "s3.list_paths(['text', 'json', 'awkward'])",
    "table-failures": """
from s3nb import BulkError
try:
    s3.get_many(["text/greeting.txt", "no/such/key.csv", "json/events.jsonl", "neither/this <b>one</b>.csv", "tables/weather.parquet"])
except BulkError as error:
    result = error
result
""",
    "preview-table": "s3.preview('tables/weather.parquet', rows=8)",
    "preview-json": "s3.preview('json/item-001.json')",
    "preview-picture": "s3.preview('images/tile-07.png')",
    "preview-packed": "s3.preview('logs/archive.log.gz', rows=6)",
    "preview-bytes": "s3.preview('binary/block-03.bin')",
    "preview-text": "s3.preview('awkward/umläut-日本-🐍.txt')",
    "object": "s3.put('notes.txt', 'hello', content_type='text/plain', metadata={'author': 'Ada', 'tags': [1, 2]})\ns3.get('notes.txt')",
}


def take(notebook: Notebook, folder: Path, only: set[str]) -> None:
    """Run the cells, and take a picture of each in both themes."""
    notebook.run(_PROGRESS)
    notebook.run("import os\nfrom s3nb import S3\ns3 = S3(bucket=os.environ['SAMPLES'])")
    outputs = {name: notebook.run(code.strip()) for name, code in PICTURES.items() if not only or name in only}
    for dark in (False, True):
        notebook.theme(dark)
        for name, output in outputs.items():
            output.scroll_into_view_if_needed()
            print(notebook.picture(output, folder / f"{name}-{'dark' if dark else 'light'}.png"))


def main() -> None:
    """Take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    only = set(sys.argv[2:]) if len(sys.argv) > 1 else _IN_DOCS
    with Sandbox() as sandbox, sync_playwright() as playwright:
        environment = {
            "AWS_ENDPOINT_URL": sandbox.endpoint_url,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "no-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "S3NB_PROGRESS": "",
            "SAMPLES": sandbox.bucket,
        }
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        with LabServer(environment) as server:
            notebook = Lab(server, browser).open(width=900, height=1600)
            take(notebook, folder, only)
            notebook.close()
        browser.close()


if __name__ == "__main__":
    main()
