"""The browser over 1,000,000 keys under one prefix: in JupyterLab, in chromium, against a server on loopback.

``python -m benchmarks.browser [KEYS] [MILLISECONDS]``; the second is how long the server takes for a page.
What is timed ends with rows on the screen; each number is the median of several.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.lab import NO_CHROMIUM, chromium
from tests.lab.conftest import Lab
from tests.lab.keys import ManyKeys
from tests.lab.server import LabServer

_TURNS = 30

# resolves when every row in sight has its name
_DRAWN = """() => { const rows = [...(document.querySelector('.s3nb')?.shadowRoot.querySelectorAll('.row') ?? [])];
    return rows.length > 0 && rows.every((row) => row.dataset.kind === 'object'); }"""
# scrolls, and resolves with the milliseconds until every row in sight has its name
_TURN = """async (share) => {
    const body = document.querySelector('.s3nb').shadowRoot.querySelector('.body'), began = performance.now();
    body.scrollTop = share * (body.scrollHeight - body.clientHeight);
    await new Promise((done) => requestAnimationFrame(done));
    while (![...document.querySelector('.s3nb').shadowRoot.querySelectorAll('.row')].every((row) => row.dataset.kind === 'object'))
        await new Promise((done) => setTimeout(done, 1));
    return performance.now() - began; }"""


def main(count: int, delay: float) -> None:
    """Measure, and print."""
    program = chromium()
    if program is None:
        sys.exit(NO_CHROMIUM)
    environment = {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "S3NB_PROGRESS": "",
    }
    with ManyKeys(count, delay) as keys, sync_playwright() as playwright, LabServer(environment) as server:
        browser = playwright.chromium.launch(
            executable_path=program,
            headless=True,
            args=["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"],
        )
        notebook = Lab(server, browser).open("bench.ipynb")
        page = notebook.page
        # boto3 and the connection are not what is measured
        notebook.run(
            f"from s3nb import S3, S3Browser\ns3 = S3(endpoint_url={keys.endpoint_url!r}); s3.exists('s3://keys/data/x')"
        )
        kernel = int(notebook.value("__import__('os').getpid()"))

        began = time.perf_counter()
        notebook.start("b = S3Browser('s3://keys/data/', s3=s3)\nb")
        page.wait_for_function(_DRAWN)
        print(f"{count:,} keys under one prefix, {1000 * delay:.0f} ms for a page of 1,000")
        print(f"run the cell -> first page on screen   {1000 * (time.perf_counter() - began):8.0f} ms")
        notebook.wait()

        kernel_before, page_before = _resident(kernel), _heap(page)
        began = time.perf_counter()
        page.get_by_role("button", name="Load all").click()
        page.wait_for_function(
            "(n) => document.querySelector('.s3nb').shadowRoot.querySelector('.status').textContent === n",
            arg=f"{count:,} rows",
            timeout=600_000,
        )
        took = time.perf_counter() - began
        print(f"load all of them                       {took:8.1f} s   ({count / took:,.0f} keys a second)")
        grown = _resident(kernel) - kernel_before
        print(f"memory of the kernel, all loaded       {grown / 2**20:8.0f} MiB ({grown / count:,.0f} bytes a row)")

        turns = _each(page, lambda n: n * 0.618034 % 1)  # far apart: nothing that was seen before
        print(
            f"jump anywhere -> rows on screen        {statistics.median(turns):8.0f} ms  (slowest of {_TURNS}: {max(turns):.0f})"
        )
        turns = _each(page, lambda n: 0.25 + n * 18 / count)
        print(
            f"turn a page -> rows on screen          {statistics.median(turns):8.0f} ms  (slowest of {_TURNS}: {max(turns):.0f})"
        )
        nodes = page.evaluate("() => document.querySelector('.s3nb').shadowRoot.querySelectorAll('.row').length")
        print(
            f"memory of the page, after all that     {(_heap(page) - page_before) / 2**20:8.1f} MiB more, {nodes} nodes for rows"
        )

        began = time.perf_counter()
        page.get_by_role("treegrid").focus()
        page.keyboard.press("Control+a")
        page.wait_for_function(
            "(n) => document.querySelector('.s3nb').shadowRoot.querySelector('.chosen').textContent.startsWith(n)",
            arg=f"{count:,}",
        )
        print(f"select all                             {1000 * (time.perf_counter() - began):8.0f} ms")
        began = time.perf_counter()
        page.get_by_role("columnheader", name="Size").get_by_role("button").click()
        page.wait_for_function(
            "() => document.querySelector('.s3nb').shadowRoot.querySelector('[data-by=size]').getAttribute('aria-sort')"
        )
        page.wait_for_function(_DRAWN)
        print(f"sort by size                           {1000 * (time.perf_counter() - began):8.0f} ms")
        browser.close()


def _each(page: Page, share: Callable[[int], float]) -> list[float]:
    return [float(page.evaluate(_TURN, share(n))) for n in range(1, _TURNS + 1)]


def _resident(pid: int) -> int:
    if not os.path.exists("/proc"):
        return 0
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _heap(page: Page) -> int:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Runtime.getHeapUsage")
    session.detach()
    return int(metrics["usedSize"])


if __name__ == "__main__":
    main(int((sys.argv[1:2] or ["1000000"])[0]), float((sys.argv[2:3] or ["0"])[0]) / 1000)
