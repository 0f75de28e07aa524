"""Run every notebook of notebooks/ in a real JupyterLab and take pictures of it: ``python -m tests.lab.tour FOLDER [NAME ...]``.

``overview`` as NAME takes the picture of the README instead.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.lab import chromium
from tests.lab.conftest import Lab
from tests.lab.notebook import Notebook
from tests.lab.server import LabServer

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_PATIENCE = 400_000  # ms for all cells of one notebook, on a machine that does something else as well

OVERVIEW = (
    "%load_ext s3nb\n%s3 sandbox",
    "logs = %s3 get_recursive logs\nlogs[7].text[:39], logs[7].verified",
    "%s3 get_many readme.txt no/such/key.csv json/events.jsonl",
    "%s3 browse",
)


def run_all(notebook: Notebook) -> None:
    """Run all cells, and wait until the kernel has nothing to do."""
    notebook._wait_for_kernel()
    notebook.page.evaluate("() => { window.allDone = window.jupyterapp.commands.execute('notebook:run-all-cells') }")
    notebook.page.wait_for_function(
        "() => { const n = window.jupyterapp.shell.currentWidget; const c = n.content.model.sharedModel.cells;"
        " const code = Array.from(c).filter(x => x.cell_type === 'code' && x.source);"
        " const k = n.sessionContext.session.kernel;"
        " return code.every(x => x.execution_count) && k.status === 'idle'; }",
        timeout=_PATIENCE,
    )


def pictures(notebook: Notebook, folder: Path, name: str) -> None:
    """Take pictures from top to bottom, a window's height each."""
    scroller = notebook.page.locator(".jp-WindowedPanel-outer").first
    height = int(scroller.evaluate("e => e.clientHeight"))
    for n in range(12):
        scroller.evaluate(f"e => e.scrollTo(0, {n * (height - 40)})")
        time.sleep(0.7)  # the notebook draws what comes into sight
        notebook.page.screenshot(path=folder / f"{name}-{n:02d}.png", animations="disabled")
        if scroller.evaluate("e => e.scrollTop + e.clientHeight >= e.scrollHeight - 4"):
            break


def overview(lab: Lab, folder: Path) -> None:
    """Take the picture of the README, in both themes."""
    notebook = lab.open("overview.ipynb", width=880, height=1095)
    for cell in OVERVIEW:
        notebook.run(cell)
    notebook.page.locator(".jp-OutputArea").last.get_by_role("row").nth(3).wait_for()
    for dark in (False, True):
        notebook.theme(dark)
        notebook.page.locator(".jp-WindowedPanel-outer").first.evaluate("e => e.scrollTo(0, 0)")
        time.sleep(1)
        target = folder / f"overview-{'dark' if dark else 'light'}.png"
        notebook.picture(notebook.page.locator(".jp-Notebook").first, target)
        print(target)
    notebook.close()


def main() -> None:
    """Take the pictures, and say which cells failed."""
    folder, only = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, LabServer({"S3NB_PROGRESS": ""}) as server:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        lab = Lab(server, browser)
        if only == ["overview"]:
            overview(lab, folder)
        else:
            for path in sorted(NOTEBOOKS.glob("*.ipynb")):
                if not only or path.stem in only:
                    shutil.copy(path, server.folder / path.name)
                    notebook = lab.open(path.name, width=1000, height=1400)
                    run_all(notebook)
                    for dark in (False, True):
                        notebook.theme(dark)
                        pictures(notebook, folder, f"{path.stem}-{'dark' if dark else 'light'}")
                    notebook.theme(False)
                    saved = notebook.save()
                    failed = [
                        "".join(cell["source"])
                        for cell in saved["cells"]
                        for output in cell.get("outputs", ())
                        if output["output_type"] == "error"
                    ]
                    print(
                        f"{path.stem}: {len(failed)} cells failed, the page complained of {notebook.errors}",
                        *failed,
                        sep="\n",
                    )
                    notebook.close()
        browser.close()


if __name__ == "__main__":
    main()
