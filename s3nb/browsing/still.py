"""A browser that does not move: for saved notebooks, for terminals, for logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from s3nb.browsing.session import Browsing
from s3nb.browsing.source import Source
from s3nb.browsing.tree import Row
from s3nb.client import S3
from s3nb.html import Html, el, style
from s3nb.plain import columns, moment
from s3nb.text import plural, size_text, visible

SHOWN = 50  # rows of a snapshot

_STYLE = """
.s3nb-still { font: 13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif); color: var(--jp-ui-font-color1, inherit); }
.s3nb-still table { border-collapse: collapse; margin: .4em 0; }
.s3nb-still td, .s3nb-still th { text-align: left; padding: .15em 1.2em .15em 0; white-space: pre; border: 0; background: none; }
.s3nb-still td.s3nb-num, .s3nb-still th.s3nb-num { text-align: right; font-variant-numeric: tabular-nums; }
.s3nb-still small { opacity: .75; }
"""
# In JupyterLab an output of a notebook that was opened again says that its widget is not there; below it comes this snapshot,
# which says more. While the browser lives, the snapshot is hidden: in JupyterLab and Notebook, in VS Code, in Colab.
_QUIET = """
.jp-OutputArea:has(.s3nb) .s3nb-still, .cell_container:has(.s3nb) .s3nb-still, .output_container:has(.s3nb) .s3nb-still,
.jp-OutputArea:has(.s3nb-still) .jp-OutputArea-output.jupyter-widgets:not(:has(*)) { display: none; }
"""


def as_html(browsing: Browsing, title: str = "") -> Html:
    """Return what is shown as a table without life: escaped, without links, presigned or other."""
    state = browsing.state()
    _, total, rows = browsing.rows(0, SHOWN)
    head = el("tr", el("th", "Name"), el("th", "Size", class_="s3nb-num"), el("th", "Modified (UTC)"))
    body = [
        el(
            "tr", el("td", "  " * row.depth + _name(row)), el("td", _size(row), class_="s3nb-num"),
            el("td", moment(row.time)[:16] if row.time is not None else ""),
        )
        for row in rows
    ]  # fmt: skip
    problem = state["problem"]
    table = (
        el("p", f"{problem['title']}. {problem['advice']}")
        if problem
        else el("table", el("thead", head), el("tbody", body))
    )
    return el(
        "div",
        style(_STYLE + _QUIET),
        el("strong", visible(state["path"])),
        el("small", f"  {title}") if title else None,
        table,
        el(
            "div",
            el(
                "small",
                f"{_summary(state, total)}. As it was at {moment(time.time())[:16]} UTC; run the cell again to browse.",
            ),
        ),
        class_="s3nb-still",
    )


def as_text(browsing: Browsing) -> str:
    """Return what is shown as an aligned table."""
    state = browsing.state()
    _, total, rows = browsing.rows(0, SHOWN)
    lines = [visible(state["path"])]
    if state["problem"]:
        lines += [f"{state['problem']['title']}. {state['problem']['advice']}", state["problem"]["detail"]]
    lines += table(rows)
    return "\n".join([*lines, _summary(state, total)])


def table(rows: Sequence[Row]) -> list[str]:
    """Return rows as aligned lines."""
    cells = [(_size(row) or "-", moment(row.time), "  " * row.depth + visible(_name(row), 100)) for row in rows]
    return columns(cells, (True, False, False))


def _name(row: Row) -> str:
    if row.kind in ("more", "loading"):
        return "…"
    return "nothing here" if row.kind == "empty" else row.name


def _size(row: Row) -> str:
    return (
        size_text(row.size)
        if row.size is not None
        else "bucket"
        if row.kind == "bucket"
        else "prefix"
        if row.kind == "prefix"
        else ""
    )


def _summary(state: dict[str, object], total: int) -> str:
    if state["problem"]:
        return "Nothing was listed"
    loaded = int(str(state["loaded"]))
    rows = plural(loaded, "row") if not state["searching"] else "1 match" if loaded == 1 else f"{loaded:,} matches"
    shown = f", the first {SHOWN} shown" if total > SHOWN else ""
    return f"{rows}{'' if state['complete'] else ' loaded, more in S3'}{shown}"


def print_pages(
    s3: S3,
    url: str,
    *,
    missing: str = "",
    page_size: int = 40,
    ask: Callable[[str], str] | None = None,
    write: Callable[[str], object] | None = None,
) -> None:
    """Print one level page by page; where nobody can answer, the first page.

    Parameters
    ----------
    url : str
        What to list; ``s3://`` for the buckets.
    missing : str
        What a live browser would need, for the last line.
    ask : callable, optional
        Asks for the next page, as `input` does; an answer of ``q`` ends. None: where standard input is a terminal, `input`.
    write : callable, optional
        Takes each line; None: standard output.
    """
    out = write or (lambda text: sys.stdout.write(f"{text}\n"))
    if ask is None and sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
        ask = input
    source = Source(s3)
    path, starts = source.resolve(url)
    out(visible(path))
    browsing = Browsing(s3)
    shown = 0
    thread = browsing.go(path, filter=starts)
    while True:
        if thread is not None:
            thread.join()
        state = browsing.state()
        if state["problem"]:
            browsing.close()
            out(f"{state['problem']['title']}. {state['problem']['advice']}")
            out(state["problem"]["detail"])
            return
        rows = [row for row in browsing.rows(shown, shown + page_size)[2] if row.kind not in ("more", "empty")]
        for line in table(rows):
            out(line)
        shown += len(rows)
        left = not state["complete"] or shown < state["loaded"]
        if not left or ask is None:
            break
        if ask(f"-- {shown:,} shown; Enter for more, q to end: ").strip().lower().startswith("q"):
            break
        thread = browsing.more(state["level"]) if shown >= state["loaded"] else None
    browsing.close()
    more = (
        f"{shown:,} of {state['loaded']:,}{'' if state['complete'] else ' and more'}" if left else plural(shown, "row")
    )
    out(f"{more}{f'. {missing}' if missing else ''}")
