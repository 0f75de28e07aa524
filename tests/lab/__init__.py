"""A real JupyterLab in a real browser: what a person who opens a notebook sees."""

from __future__ import annotations

import shutil

NO_CHROMIUM = "chromium is not installed (Debian: apt-get install chromium fonts-dejavu-core)"


def chromium() -> str | None:
    """Return the path of the browser, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
