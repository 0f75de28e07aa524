"""JupyterLab and the browser, once for the whole run."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import Server
from tests.lab import NO_CHROMIUM, chromium
from tests.lab.notebook import Notebook
from tests.lab.server import LabServer


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    program = chromium()
    if program is None:
        if os.environ.get("S3NB_REQUIRE_CHROMIUM"):
            pytest.fail(NO_CHROMIUM)
        pytest.skip(NO_CHROMIUM)
    expect.set_options(timeout=20_000)  # machines are slow now and then; what is there is not waited for
    with sync_playwright() as playwright:
        # root has no sandbox, containers have little shared memory
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        running = playwright.chromium.launch(executable_path=program, headless=True, args=arguments)
        yield running
        running.close()


class Lab:
    """JupyterLab and a browser: opens notebooks."""

    def __init__(self, server: LabServer, browser: Browser) -> None:
        self.server = server
        self.browser = browser
        self._names = (f"test-{n}.ipynb" for n in itertools.count())

    def open(
        self, name: str | None = None, *, width: int = 1100, height: int = 800, place: str = "doc/tree"
    ) -> Notebook:
        """Open a notebook (a new one, if there is none of the name) in a page of its own; see `Notebook` for ``place``.

        Close it with ``close()``; what is open at the end of the run is closed with the browser.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        )
        context.set_default_timeout(20_000)
        return Notebook(context.new_page(), self.server, name or next(self._names), place)


@pytest.fixture(scope="session")
def lab(browser: Browser, moto_server: Server) -> Iterator[Lab]:
    """JupyterLab; its kernels find moto, and credentials for it, in their environment."""
    environment = {
        "AWS_ENDPOINT_URL": moto_server.endpoint_url,
        "AWS_ACCESS_KEY_ID": moto_server.access_key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_key,
        "AWS_DEFAULT_REGION": moto_server.region,
        "S3NB_PROGRESS": "",
    }
    with LabServer(environment) as server:
        yield Lab(server, browser)


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    """A notebook for all tests of a module: each runs cells of its own at the end. A kernel takes seconds to start."""
    opened = lab.open()
    yield opened
    opened.close()
