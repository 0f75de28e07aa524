"""A shell in this process with the extension loaded, and notebooks run by a real kernel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An IPython shell in this process."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    found = InteractiveShell(config=config)
    yield found
    found.restore_sys_module_state()


@pytest.fixture
def ipython(bare: Any, shell: str) -> Iterator[Any]:
    """An IPython shell with the extension loaded; ``ROOT`` is the URL of a bucket."""
    bare.user_ns["ROOT"] = shell
    bare.run_line_magic("load_ext", "s3nb")
    yield bare
    bare.run_line_magic("unload_ext", "s3nb")


@pytest.fixture
def run(ipython: Any) -> Callable[[str], Any]:
    """Runs a cell and returns its result; raises what it raises."""

    def run_cell(code: str) -> Any:
        done = ipython.run_cell(code)
        done.raise_error()
        return done.result

    return run_cell


@pytest.fixture
def execute(shell: str, tmp_path: Path) -> Callable[..., list[Any]]:
    """Runs cells in a new kernel, as papermill does, and returns their outputs."""

    def run_cells(*cells: str) -> list[Any]:
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        client = NotebookClient(
            notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
        return [cell.outputs for cell in notebook.cells]

    return run_cells


def text_of(outputs: list[Any]) -> str:
    """What a cell shows, as text."""
    return "".join(str(o.get("data", {}).get("text/plain", o.get("text", ""))) for o in outputs)
