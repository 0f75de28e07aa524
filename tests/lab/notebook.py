"""One notebook open in the browser: run cells, look at what comes out, take pictures."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import ConsoleMessage, Locator, Page

from tests.lab.server import TOKEN, LabServer

_WIDGET = "window.jupyterapp.shell.currentWidget"


class Notebook:
    """A notebook in JupyterLab, or in Notebook 7.

    Parameters
    ----------
    page : Page
        A page of its own.
    server : LabServer
    name : str
        File name; the notebook is made here unless there is one.
    place : str
        What stands before the name in the URL: ``"doc/tree"`` is JupyterLab, ``"notebooks"`` Notebook 7.

    Attributes
    ----------
    errors : list of str
        What the page's console complained of.
    """

    def __init__(self, page: Page, server: LabServer, name: str, place: str = "doc/tree") -> None:
        self.page = page
        self.server = server
        self.path = server.folder / name
        self.place = place
        self.errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        if not self.path.exists():
            fresh = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
            nbformat.write(fresh, self.path)
        self.open()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "favicon" not in message.text:
            self.errors.append(message.text)

    def open(self) -> None:
        """Load the page, and wait for the notebook. (It has no kernel yet if it was saved, closed and shut down.)"""
        # one document without side bars: nothing but the notebook is on the pictures
        url = f"{self.server.url}/{self.place}/{self.path.name}?token={TOKEN}&reset"
        self.page.goto(url, wait_until="domcontentloaded", timeout=90_000)
        self.page.wait_for_function("() => !!window.jupyterapp", timeout=90_000)
        self.page.locator(".jp-Notebook").wait_for(timeout=60_000)
        self._ready = False

    def _wait_for_kernel(self) -> None:
        # only before the first cell: later the status follows a widget's messages as well
        self.page.wait_for_function(
            f"""() => {{ const kernel = {_WIDGET}?.sessionContext?.session?.kernel;
            return kernel && kernel.connectionStatus === 'connected' && kernel.status === 'idle'; }}""",
            timeout=90_000,
        )
        self._ready = True

    def command(self, name: str, **arguments: Any) -> Any:
        """Execute a command of JupyterLab, and wait for its end."""
        return self.page.evaluate(
            "([n, a]) => window.jupyterapp.commands.execute(n, a).then(() => {})", [name, arguments]
        )

    def start(self, code: str) -> Locator:
        """Run code in a new cell at the end; return the cell's output area, without waiting for the cell."""
        if not self._ready:
            self._wait_for_kernel()
        index: int = self.page.evaluate(
            f"""(code) => {{
                const notebook = {_WIDGET}.content, cells = notebook.model.sharedModel;
                const last = cells.cells.length - 1;
                const at = last >= 0 && !cells.cells[last].source ? last : last + 1;
                if (at > last) cells.insertCell(at, {{cell_type: 'code', source: code}});
                else cells.cells[at].setSource(code);
                notebook.activeCellIndex = at;
                notebook.deselectAll();
                window.cellDone = window.jupyterapp.commands.execute('notebook:run-cell').then(() => {{}});
                notebook.node.focus();
                return at;
            }}""",
            code,
        )
        return self.output(index)

    def wait(self) -> None:
        """Wait for the end of the cell that was started last."""
        self.page.evaluate("() => window.cellDone")

    def run(self, code: str) -> Locator:
        """Run code in a new cell at the end; return its output area when the cell is done."""
        area = self.start(code)
        self.wait()
        return area

    def output(self, index: int) -> Locator:
        """Return the output area of a cell (never its source, which may hold the same words)."""
        return self.page.locator(f".jp-Cell[data-windowed-list-index='{index}'] .jp-Cell-outputArea")

    def value(self, expression: str) -> Any:
        """Return the value of a Python expression in the kernel, by way of JSON and without a cell."""
        if not self._ready:
            self._wait_for_kernel()
        answer = self.page.evaluate(
            f"""async (expression) => {{
                const kernel = {_WIDGET}.sessionContext.session.kernel;
                const wrapped = `__import__('json').dumps(${{expression}})`;
                const reply = await kernel.requestExecute({{
                    code: '', silent: true, store_history: false, user_expressions: {{value: wrapped}}}}).done;
                return reply.content.user_expressions.value;
            }}""",
            expression,
        )
        assert answer["status"] == "ok", answer
        # the repr of a str that is JSON
        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def interrupt(self) -> None:
        """Press the Stop button."""
        self.command("notebook:interrupt-kernel")

    def theme(self, dark: bool) -> None:
        """Change the theme, and wait for the page to be seen again."""
        self.command("apputils:change-theme", theme=f"JupyterLab {'Dark' if dark else 'Light'}")
        wanted = "false" if dark else "true"
        self.page.locator(f"body[data-jp-theme-light='{wanted}']").wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def save(self) -> dict[str, Any]:
        """Save, and return what is in the file."""
        self.command("docmanager:save")
        saved: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return saved

    def shut_down(self) -> None:
        """Shut the kernel down, so that the next `open` shows a notebook without one."""
        self.page.evaluate(f"() => {_WIDGET}.sessionContext.shutdown()")
        self._ready = False

    def picture(self, where: Locator, path: Path) -> Path:
        """Take a picture of a part of the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        where.screenshot(path=path, animations="disabled")
        return path

    def close(self) -> None:
        """Shut the kernel down, and close the page."""
        self.shut_down()
        self.page.context.close()
