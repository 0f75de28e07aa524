"""``%s3`` in a real JupyterLab: Tab, the stop button, jobs and their own button, light and dark."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.lab.notebook import Notebook

_SETUP = """
%load_ext s3nb
import threading
from s3nb import S3
from s3nb.testing import Fault, MemoryWire
wire = MemoryWire({'box': {f'logs/k{n}': b'x' * 1000 for n in range(40)}})
fault = Fault(key='k7$', hold=threading.Event(), times=None)
wire.faults.append(fault)
session = get_ipython().magics_manager.registry['S3Magics'].session
session._make = lambda folder, **options: S3(folder, wire=wire, **options)
"""


def test_a_job_is_stopped_by_its_button_and_leaves_no_widget(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run(_SETUP)
    area = notebook.run("%s3 get_recursive s3://box/logs --bg")
    expect(area.get_by_text("39/40 objects").first).to_be_visible()
    button = area.get_by_role("button", name="Cancel")
    for dark in (True, False):
        notebook.theme(dark)
        assert notebook.picture(area, tmp_path / f"{dark}.png").stat().st_size > 0
    button.click()
    expect(area.get_by_text("cancelled").first).to_be_visible()
    expect(button).to_have_count(0)
    assert notebook.value("session.jobs[1].state") == "cancelled"
    saved = notebook.save()["cells"][-1]["outputs"]
    assert not [o for o in saved if "application/vnd.jupyter.widget-view+json" in o["data"]]
    assert "cancelled" in str(saved)


def test_the_stop_button_ends_a_line_and_keeps_what_is_done(notebook: Notebook) -> None:
    notebook.run(_SETUP)
    area = notebook.start("%s3 get_recursive s3://box/logs")
    area.get_by_text("39/40 objects").first.wait_for()
    notebook.interrupt()
    notebook.wait()
    assert "%s3 get: interrupted: 39 done, 0 failed, 1 not done; what is done is in _s3nb_last" in area.inner_text()
    assert "Traceback" not in area.inner_text()
    assert notebook.value("len(_s3nb_last)") == 39
