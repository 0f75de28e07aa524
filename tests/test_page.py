"""`browser.js` by itself: its pure functions under node, its types under TypeScript's checker."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab import NO_NODE, node_modules

ROOT = Path(__file__).parent.parent


def run(*command: str) -> None:
    if node_modules() is None:
        if os.environ.get("S3NB_REQUIRE_NODE"):
            pytest.fail(NO_NODE)
        pytest.skip(NO_NODE)
    program = shutil.which(command[0])
    assert program is not None
    done = subprocess.run([program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pure_functions() -> None:
    run("node", "--test", "tests/js/browser.test.js")


def test_the_types() -> None:
    run("node", "node_modules/typescript/bin/tsc", "-p", "tests/js")


def test_the_lint() -> None:
    """No HTML and no code is made of strings; no name is left over."""
    run("node", "node_modules/eslint/bin/eslint.js", "--config", "tests/js/eslint.config.js", "s3nb/notebook")
