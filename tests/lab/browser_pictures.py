"""Takes the pictures of the browser for the pages: ``python -m tests.lab.browser_pictures docs/images``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from s3nb.sandbox import REGION, Sandbox
from tests.lab import chromium
from tests.lab.conftest import Lab
from tests.lab.notebook import Notebook
from tests.lab.server import LabServer


def main(folder: Path) -> None:
    """Take all of them."""
    with Sandbox() as sandbox, sync_playwright() as playwright:
        environment = {
            "AWS_ENDPOINT_URL": sandbox.endpoint_url, "AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "no-secret",
            "AWS_DEFAULT_REGION": REGION, "S3NB_PROGRESS": "",
        }  # fmt: skip
        with LabServer(environment) as server:
            browser = playwright.chromium.launch(
                executable_path=chromium(), headless=True, args=["--no-sandbox", "--disable-gpu"]
            )
            lab = Lab(server, browser)
            _tree(lab.open("tree.ipynb", width=1000), folder)
            _search(lab.open("search.ipynb", width=1000), folder)
            browser.close()


def _show(notebook: Notebook, url: str, height: int = 330) -> Page:
    notebook.run(f"from s3nb import S3Browser\nb = S3Browser({url!r}, height={height}, writable=True)\nb")
    notebook.page.locator(".row .label").first.wait_for()
    return notebook.page


def _row(page: Page, name: str) -> None:
    page.locator(".row").filter(has=page.get_by_text(name, exact=True)).click()


def _take(notebook: Notebook, folder: Path, name: str) -> None:
    for dark in (False, True):
        notebook.theme(dark)
        notebook.page.wait_for_timeout(300)  # the pointer's shadow and the like
        notebook.picture(notebook.page.locator(".s3nb"), folder / f"{name}-{'dark' if dark else 'light'}.png")
    notebook.theme(False)


def _tree(notebook: Notebook, folder: Path) -> None:
    page = _show(notebook, "s3://sandbox/")
    twist = page.locator(".row").filter(has=page.get_by_text("tables/", exact=True)).locator(".twist")
    twist.click()
    page.get_by_text("part-000.csv").wait_for()
    _row(page, "part-001.csv")
    page.get_by_role("button", name="Details").click()
    page.get_by_text("text/csv").wait_for()
    _take(notebook, folder, "browser-wide")
    page.set_viewport_size({"width": 470, "height": 900})
    _take(notebook, folder, "browser-narrow")
    notebook.close()


def _search(notebook: Notebook, folder: Path) -> None:
    page = _show(notebook, "s3://sandbox/", 250)
    page.get_by_label("How names are filtered").select_option("pattern")
    page.get_by_label("Filter names").fill("**/2026-03-*/*.log")
    page.get_by_text(re.compile(r"^\d+ matches in \d+ keys$")).wait_for()
    page.get_by_role("treegrid").focus()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Download").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("march")
    page.get_by_role("dialog").get_by_role("button", name="Download").click()
    page.get_by_text("verified").wait_for()
    _take(notebook, folder, "browser-search")
    notebook.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
