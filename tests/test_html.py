"""HTML: text stays text, whatever it holds, and one module writes all of it."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import s3nb
from s3nb.html import Html, el, esc, image, join, link, pre, style
from s3nb.text import visible, visible_lines

ROOT = Path(s3nb.__file__).parent


class Reader(HTMLParser):
    """What a browser makes of it: elements, and text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_text_comes_out_as_it_went_in_but_for_what_does_not_print(text: str) -> None:
    read = Reader(el("td", text, title=text))
    assert [tag for tag, _ in read.elements] == ["td"]
    assert read.text == visible(text)
    assert read.elements[0][1] == {"title": visible(text)}


@given(st.text())
def test_preformatted_text_keeps_its_lines(text: str) -> None:
    read = Reader(pre(text))
    assert [tag for tag, _ in read.elements] == ["pre"]
    lines = visible_lines(text)
    assert read.text == ("\n" + lines if lines.startswith("\n") else lines)  # a browser drops the first newline


def test_quotes_brackets_controls_and_directions_are_escaped() -> None:
    assert esc("<a href='x' title=\"y\">&") == "&lt;a href=&#x27;x&#x27; title=&quot;y&quot;&gt;&amp;"
    assert esc("a\x1b[2J\u202eb\u200bc\nd") == r"a\x1b[2J\u202eb\u200bc\nd"
    assert esc("k" * 50, 5) == "kk…kk"


def test_elements_nest_and_only_what_was_built_here_goes_in_as_it_is() -> None:
    row = el("tr", el("td", "<b>"), [el("td", str(n)) for n in range(2)], None, hidden=True, aria_label='"')
    assert row == '<tr hidden aria-label="&quot;"><td>&lt;b&gt;</td><td>0</td><td>1</td></tr>'
    assert isinstance(row, Html)


def test_finished_html_that_is_added_to_or_formatted_is_text_again() -> None:
    cell = el("td", "x")
    assert join([cell + "<script>", f"{cell}", cell.upper()]).count("<") == 0


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("script", {}),
        ("iframe", {}),
        ("style", {}),
        ("td", {"onclick": "x()"}),
        ("td", {"onclick": True}),
        ("td", {"srcdoc": "x"}),
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": "JaVaScRiPt:alert(1)"}),
        ("a", {"href": "java\nscript:alert(1)"}),
        ("a", {"href": "data:text/html,x"}),
        ("a", {"href": "//evil.example/x"}),
        ("img", {"src": "https://evil.example/x.png"}),
        ("img", {"src": "data:image/svg+xml;base64,AAAA"}),
        ("img", {"src": "data:image/png;base64,AA\"onerror='x'"}),
        ("div", {"style": "background: url(https://evil.example)"}),
        ("div", {"style": 'width: 1px" onclick="x'}),
    ],
)
def test_what_could_run_or_load_is_refused(tag: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        el(tag, **attributes)


def test_links_open_elsewhere_without_telling_where_from_and_others_are_text() -> None:
    assert link("https://example.org/?a=1&b=2") == (
        '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer" target="_blank">'
        "https://example.org/?a=1&amp;b=2</a>"
    )
    assert link("javascript:alert(1)") == "javascript:alert(1)"
    assert link("javascript:<b>", "<click>") == "&lt;click&gt;"


def test_a_picture_brings_its_bytes() -> None:
    assert image(b"\x89PNG", "image/png", alt="<k>") == '<img src="data:image/png;base64,iVBORw==" alt="&lt;k&gt;">'
    with pytest.raises(ValueError):
        image(b"<svg/>", "image/svg+xml", alt="")


def test_a_style_sheet_cannot_end_itself_or_load() -> None:
    assert style("p { color: red }") == "<style>p { color: red }</style>"
    for css in ("</style><script>", "p { background: url(x) }", "@import 'x';"):
        with pytest.raises(ValueError):
            style(css)


# -- nobody else writes HTML ------------------------------------------------------------------

_TAG = re.compile(
    r"</?(?:a|abbr|b|body|br|button|code|details|div|em|form|h[1-6]|head|hr|html|i|iframe|img|input|li|link|meta|object|ol|p"
    r"|pre|progress|script|small|span|strong|style|sub|summary|sup|svg|table|tbody|td|th|thead|tr|u|ul|video)\b[^<]*>?"
)
_MAKERS = {"HTML", "Markdown", "Javascript", "SVG", "HTMLMath"}  # of IPython.display and ipywidgets


def _docstrings(tree: ast.AST) -> set[int]:
    return {
        id(node.value)
        for parent in ast.walk(tree)
        if isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for node in parent.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def writes_html(source: str) -> list[tuple[int, str]]:
    """Return the places of a module that write HTML by hand, or hand text to what takes it for HTML."""
    tree = ast.parse(source)
    docstrings = _docstrings(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            if _TAG.search(node.value):
                found.append((node.lineno, node.value))
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _MAKERS or name == "Html":
                found.append((node.lineno, name))
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_other_module_writes_html(path: Path) -> None:
    if path.name not in ("html.py", "sandbox.py"):  # the sandbox has a key that looks like a tag, on purpose
        assert writes_html(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'x = f"<b>{key}</b>"',
        "x = '<td>' + key",
        "display(HTML(key))",
        "widgets.HTML(value=key)",
        "display.Markdown(key)",
        "x = Html(key)",
        "'<img src=%s>' % key",
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert writes_html(source)
