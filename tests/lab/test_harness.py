"""The harness itself: a notebook that runs, shows, stops, changes colours, and is saved."""

from __future__ import annotations

from pathlib import Path

from tests.lab.notebook import Notebook


def test_a_cell_runs_and_its_output_is_seen(notebook: Notebook) -> None:
    area = notebook.run("print('six times seven is', 6 * 7)")
    assert area.inner_text().strip() == "six times seven is 42"


def test_a_value_comes_back_from_the_kernel(notebook: Notebook) -> None:
    notebook.run("answer = {'text': 'a \"quoted\" \\\\ line\\n', 'number': 42}")
    assert notebook.value("answer") == {"text": 'a "quoted" \\ line\n', "number": 42}


def test_stop_interrupts_a_cell(notebook: Notebook) -> None:
    area = notebook.start("import threading\nprint('waiting', flush=True)\nthreading.Event().wait()")
    area.get_by_text("waiting").wait_for()
    notebook.interrupt()
    notebook.wait()
    assert "KeyboardInterrupt" in area.inner_text()


def test_the_theme_changes_and_pictures_show_it(notebook: Notebook, tmp_path: Path) -> None:
    area = notebook.run("print('x')")
    background = "() => getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"
    seen = []
    for dark in (True, False):
        notebook.theme(dark)
        seen.append((notebook.page.evaluate(background), notebook.picture(area, tmp_path / f"{dark}.png").read_bytes()))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_what_is_saved_can_be_read(notebook: Notebook) -> None:
    notebook.run("print('kept')")
    assert notebook.save()["cells"][-1]["outputs"][0]["text"] == ["kept\n"]


def test_a_script_in_an_output_is_noticed(notebook: Notebook) -> None:
    area = notebook.run(
        "from IPython.display import HTML, display\ndisplay(HTML('<img src=x onerror=\"window.__pwned = 1\">'))"
    )
    area.locator("img").wait_for()
    notebook.page.wait_for_function("() => window.__pwned === 1")
    notebook.page.evaluate("() => { delete window.__pwned; }")
