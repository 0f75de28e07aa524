"""A real JupyterLab in a real browser: what a person who opens a notebook sees."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

NO_CHROMIUM = "chromium is not installed (Debian: apt-get install chromium fonts-dejavu-core)"
NO_NODE = "node's packages are not installed (Debian: apt-get install nodejs npm; then: make test)"


def chromium() -> str | None:
    """Return the path of the browser, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def node_modules() -> Path | None:
    """Return where npm has put what browser.js is checked with, if it has."""
    place = Path(__file__).parent.parent.parent / "node_modules"
    return place if (place / "typescript").is_dir() and (place / "axe-core").is_dir() and shutil.which("node") else None


def serious(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return what is serious of what axe has found."""
    return [
        (v["id"], v["help"], *(n["html"][:200] + n["failureSummary"] for n in v["nodes"]))
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]
