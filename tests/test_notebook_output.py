"""Progress and results where nobody watches, and in what is saved: nbclient, papermill, nbconvert."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests import hostile

_SETUP = """
from s3nb import S3, BulkError, bars
from s3nb.testing import MemoryWire
bars._PATIENT, bars._REDRAW, bars._LINE_EVERY = -1.0, 0.0, -1.0  # draw at every look
wire = MemoryWire({"box": {f"k{n}": b"x" * 1000 for n in range(2000)}})
s3 = S3(s3root="s3://box", wire=wire)
"""
_GET = "found = s3.get_many(f'k{n}' for n in range(2000))"
_FAILS = """
try:
    s3.get_many(["k1", "<img src=x onerror=window.__pwned=1>"])
except BulkError as error:
    result = error
result
"""


def notebook(*cells: str) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.delenv("S3NB_PROGRESS")
    return tmp_path


def text_of(outputs: Any) -> str:
    return "".join(str(o.get("text", "")) for o in outputs)


def no_widget(saved: Any) -> None:
    assert "widgets" not in saved.metadata
    for cell in saved.cells:
        for output in cell.outputs:
            assert not any("widget" in kind for kind in output.get("data", {}))


def test_papermill_logs_lines_and_the_last_says_the_end(environment: Path) -> None:
    import papermill

    nbformat.write(notebook(_SETUP, _GET), environment / "in.ipynb")
    saved = papermill.execute_notebook(
        environment / "in.ipynb", environment / "out.ipynb", cwd=environment, progress_bar=False, start_timeout=60
    )
    lines = text_of(saved.cells[1].outputs).splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("get: ") for line in lines)
    assert lines[-1].startswith("get: 2,000/2,000 objects, 1.9 MiB, ")
    assert " in " in lines[-1]
    assert {output["name"] for output in saved.cells[1].outputs} == {"stdout"}
    no_widget(saved)


def test_a_saved_notebook_keeps_the_end_and_its_export_is_harmless(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    monkeypatch.setenv("S3NB_PROGRESS", "html")
    saved = notebook(
        _SETUP, _GET, _FAILS, "s3.put('page.html', '<script>window.__pwned=1</script>'); s3.preview('page.html')"
    )
    NotebookClient(saved, timeout=60, resources={"metadata": {"path": str(environment)}}).execute(env=dict(os.environ))
    no_widget(saved)
    [output] = saved.cells[1].outputs  # drawn many times, kept once
    assert output["data"]["text/plain"].startswith("get: 2,000/2,000 objects, 1.9 MiB, ")
    assert "s3o-is-done" in output["data"]["text/html"]
    for cell in saved.cells:
        for output in cell.outputs:
            assert hostile.live(output.get("data", {}).get("text/html", "")) == []
    page, _ = HTMLExporter().from_notebook_node(saved)
    assert "2,000/2,000 objects" in page
    assert "<img src=x" not in page
    assert "<script>window.__pwned" not in page
    assert "&lt;script&gt;window.__pwned=1&lt;/script&gt;" in page
