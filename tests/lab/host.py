"""A page that shows a browser without Jupyter, as VS Code and Colab do: the widget's module, and a model that talks to its object.

The object is in this process, what goes to and fro is what goes to and fro there: traits and custom messages as JSON, and bytes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from s3nb.notebook.widget import S3Browser

# what the front ends have on their pages; the colours are those of their own themes
_VSCODE = {
    "vscode-light": ("#ffffff", "#3b3b3b", "#005fb8", ""),
    "vscode-dark": ("#1f1f1f", "#cccccc", "#0078d4", ""),
    "vscode-high-contrast": ("#000000", "#ffffff", "#f38518", "#6fc3df"),
    "vscode-high-contrast-light": ("#ffffff", "#292929", "#006bbd", "#0f4a85"),
}
THEMES = (*_VSCODE, "colab-light", "colab-dark")

_MODULE = """
import widget from "/browser.js";
const state = await (await fetch("/state")).json();
const listeners = new Map();
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const text = (data) => btoa(Array.from(new Uint8Array(data), (b) => String.fromCharCode(b)).join(""));
const model = {
  get: (name) => state[name], set() {}, save_changes() {},
  on: (name, listener) => listeners.set(name, [...(listeners.get(name) ?? []), listener]),
  off: (name, listener) => listeners.set(name, (listeners.get(name) ?? []).filter((l) => l !== listener)),
  send: (content, _, buffers = []) => fetch("/send", { method: "POST", body: JSON.stringify([content, buffers.map(text)]) }),
};
globalThis.closeView = widget.render({ model, el: document.getElementById("out") });
globalThis.heard = 0;
globalThis.listening = () => [...listeners.values()].flat().length;
for (;;) {
  const answer = await fetch("/receive").catch(() => null);
  if (!answer?.ok) break;
  for (const [content, buffers] of await answer.json()) {
    for (const listener of listeners.get("msg:custom") ?? []) listener(content, buffers.map(bytes));
    globalThis.heard += 1;
  }
}
"""


class Host:
    """A server of such pages on loopback.

    Parameters
    ----------
    browser : S3Browser
        Its messages go to the page from now on.

    Attributes
    ----------
    url : str
        Of the page; ``?theme=`` is one of `THEMES`, ``&style=`` rules of a style sheet that the page has.
    """

    def __init__(self, browser: S3Browser) -> None:
        self.browser = browser
        self.sent: queue.SimpleQueue[tuple[Any, list[str]]] = queue.SimpleQueue()
        browser.send = self._send
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.over = False

    def _send(self, content: Any, buffers: Any = None) -> None:
        self.sent.put((content, [base64.b64encode(b).decode() for b in buffers or ()]))

    def __enter__(self) -> Host:
        threading.Thread(target=self._server.serve_forever, name="host", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self._server.shutdown()
        self._server.server_close()

    def page(self, theme: str) -> str:
        """Return the page as a front end has it: its classes, attributes and variables."""
        head, html, body = "", "", ""
        if theme in _VSCODE:
            back, text, focus, border = _VSCODE[theme]
            lines = f"--vscode-contrastBorder: {border};" if border else ""
            head = (
                f"<style>html {{ --vscode-editor-background: {back}; --vscode-foreground: {text};"
                f" --vscode-focusBorder: {focus}; --vscode-font-family: sans-serif; {lines} }}"
                f" body {{ background: {back} }}</style>"
            )
            body = f' class="{theme}" data-vscode-theme-kind="{theme}"'
        elif theme.startswith("colab"):
            html = f' theme="{theme.removeprefix("colab-")}"'
            head = "<style>html[theme=dark] { background: #383838; color: #fff }</style>" if "dark" in theme else ""
        return f"<html{html}><head>{head}</head><body{body}>"


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            theme = query.partition("=")[2]
            if path == "/" and theme.startswith("colab"):  # an output there is a frame that may do little
                frame = f'<iframe sandbox="allow-scripts allow-downloads" src="/frame?theme={theme}"'
                self._answer("text/html", f'{frame} style="border:0;width:100%;height:700px" title="output"></iframe>')
            elif path in ("/", "/frame"):
                page = f'{host.page(theme)}<main id="out"></main><script type="module">{_MODULE}</script></body></html>'
                self._answer("text/html", f"<!doctype html>{page}")
            elif path == "/browser.js":
                self._answer("text/javascript", host.browser._esm)
            elif path == "/state":
                state = {k: v for k, v in host.browser.get_state().items() if k != "_esm"}
                self._answer("application/json", json.dumps(state, default=repr))
            elif path == "/receive":
                self._answer("application/json", json.dumps(self._messages()))
            else:
                self.send_error(404)

        def _messages(self) -> list[Any]:
            while not host.over:
                try:
                    found = [host.sent.get(timeout=0.2)]
                except queue.Empty:
                    continue
                while not host.sent.empty():
                    found.append(host.sent.get())
                return found
            return []

        def do_POST(self) -> None:
            content, buffers = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer("text/plain", "")
            host.browser._handle_custom_msg(content, [memoryview(base64.b64decode(b)) for b in buffers])

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header(
                "Content-Security-Policy",
                f"default-src 'none'; script-src {host.url} 'unsafe-inline'; style-src 'unsafe-inline';"
                f" connect-src {host.url}; frame-src {host.url}; img-src blob: data:",
            )
            with contextlib.suppress(ConnectionError):  # the page is gone
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
