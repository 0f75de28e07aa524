"""Results and progress as HTML: what `s3nb.plain` and `s3nb.meter` say, for a notebook. Nothing here asks S3.

Colours are those of the page: text inherits, lines are a translucent grey, accents come from the theme's variables. So one
style sheet is right in light and dark JupyterLab, in VS Code, in Colab and in an exported page; where a sanitiser drops it (a
notebook that is not trusted, GitHub), the elements alone still read well. Its names begin with ``s3o``: those of the browser's
style sheet, which is for the whole page too, with ``s3nb``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3nb import plain
from s3nb.html import Html, el, style
from s3nb.meter import View
from s3nb.text import size_text, visible

ROWS = 50  # of a table; what is left out is counted
_NAME = 160  # characters of a name
_VALUE = 400

_CSS = style("""
.s3o{--s3nb-line:rgba(128,128,128,.22);--s3nb-bad:var(--jp-error-color1,var(--vscode-errorForeground,#d33));
--s3nb-go:var(--jp-brand-color1,var(--vscode-progressBar-background,#1976d2));
--s3nb-good:var(--jp-success-color1,var(--vscode-testing-iconPassed,#388e3c));
--s3nb-mono:var(--jp-code-font-family,var(--vscode-editor-font-family,ui-monospace,monospace));
font-size:13px;line-height:1.5;margin:2px 0;font-variant-numeric:tabular-nums}
.s3o.s3o .s3o-dim{opacity:.66}.s3o.s3o .s3o-bad{color:var(--s3nb-bad);opacity:1}
.s3o.s3o .s3o-mono,.s3o.s3o .s3o-key{font-family:var(--s3nb-mono);font-size:12px}
.s3o.s3o .s3o-op{margin:0 0 6px;min-height:40px}
.s3o.s3o .s3o-top{display:flex;align-items:center;gap:10px;height:20px}
.s3o.s3o .s3o-title{flex:0 1 auto;min-width:5.5em;max-width:45%;overflow:hidden;text-overflow:ellipsis;
white-space:nowrap;font-weight:600}
.s3o.s3o .s3o-track{flex:1 1 0;max-width:420px;height:8px;border-radius:4px;overflow:hidden;
background:var(--s3nb-line)}
.s3o.s3o .s3o-fill{height:100%;border-radius:4px;background:var(--s3nb-go)}
.s3o.s3o .s3o-none .s3o-fill{width:100%;opacity:.35;
background:repeating-linear-gradient(135deg,var(--s3nb-go) 0 6px,transparent 6px 12px)}
.s3o.s3o .s3o-is-done .s3o-fill{background:var(--s3nb-good)}
.s3o.s3o .s3o-is-failed .s3o-fill,.s3o.s3o .s3o-is-interrupted .s3o-fill{background:var(--s3nb-bad)}
.s3o.s3o .s3o-percent{flex:none;width:4em;white-space:nowrap}
.s3o.s3o .s3o-facts{height:20px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis}
.s3o.s3o .s3o-fact{display:inline-block;margin-right:1.6em}
.s3o.s3o .s3o-is-running .s3o-num{min-width:6.2em}
.s3o.s3o .s3o-slow{height:20px;overflow:hidden;white-space:nowrap;font-size:12px;display:grid;
grid-template-columns:5em 11em minmax(0,1fr);
gap:12px}
.s3o.s3o .s3o-slow span{overflow:hidden;text-overflow:ellipsis}
.s3o.s3o .s3o-table{border-collapse:collapse;border:none;margin:0;table-layout:auto;width:auto;font-size:13px;
color:inherit}
.s3o.s3o .s3o-table tr,.s3o.s3o .s3o-table tbody tr:nth-child(odd),.s3o.s3o .s3o-table tbody tr:nth-child(even){background:none}
.s3o.s3o .s3o-table tbody tr:hover{background:rgba(128,128,128,.09)}
.s3o.s3o .s3o-table th,.s3o.s3o .s3o-table td{text-align:left;vertical-align:baseline;padding:3px 18px 3px 0;
border:none;
border-bottom:1px solid var(--s3nb-line);max-width:none;line-height:1.45;white-space:nowrap}
.s3o.s3o .s3o-table th{font-weight:600;opacity:.66}
.s3o.s3o .s3o-table .s3o-num{text-align:right}
.s3o.s3o .s3o-table .s3o-key,.s3o.s3o .s3o-table .s3o-wrap{white-space:pre-wrap;overflow-wrap:anywhere;
min-width:14em}
.s3o.s3o .s3o-table .s3o-first{padding-left:8px;border-left:2px solid transparent}
.s3o.s3o .s3o-table .s3o-failed .s3o-first{border-left-color:var(--s3nb-bad)}
.s3o.s3o .s3o-pairs td{border:none;padding:1px 18px 1px 0}
.s3o.s3o .s3o-after{margin-left:1.2em}
.s3o.s3o .s3o-sides{display:flex;flex-wrap:wrap;gap:8px 32px;align-items:flex-start;margin-top:8px}
.s3o.s3o .s3o-content{flex:0 1 max-content;min-width:0;max-width:100%}
.s3o.s3o .s3o-about{flex:0 1 max-content;max-width:100%}
.s3o.s3o .s3o-about .s3o-table .s3o-first{padding-left:0;border-left:none}
.s3o.s3o .s3o-text{margin:0;padding:8px 10px;max-height:360px;overflow:auto;border:1px solid var(--s3nb-line);
border-radius:4px;
background:rgba(128,128,128,.06);color:inherit;font-family:var(--s3nb-mono);font-size:12px;line-height:1.45;
white-space:pre}
.s3o.s3o .s3o-scroll{overflow:auto;max-height:520px;max-width:100%}
.s3o.s3o .s3o-cells td{font-family:var(--s3nb-mono);font-size:12px;padding:2px 18px 2px 0;max-width:28em;
overflow:hidden;
text-overflow:ellipsis;white-space:pre}
.s3o.s3o .s3o-type{font-weight:400;font-size:11px}
.s3o.s3o .s3o-picture{max-width:100%;max-height:400px;border:1px solid var(--s3nb-line);border-radius:4px}
.s3o.s3o .s3o-small{image-rendering:pixelated;min-width:96px}
.s3o.s3o .s3o-sum{margin:4px 0 0 10px}
""")


def page(*children: Html | None) -> Html:
    """Return elements inside the one box that the style sheet is for."""
    return el("div", _CSS, *children, class_="s3o")


# -- progress ---------------------------------------------------------------------------------


def progress(views: Sequence[View], before: str = "") -> Html:
    """Return operations, one below the other, each of a height that stays; above them a line on those before."""
    first = el("div", before, class_="s3o-dim") if before else None
    return page(first, *(operation(view) for view in views))


def operation(view: View) -> Html:
    """Return one operation: title, bar, share; below it the facts, and what is slow."""
    share = view.share
    fill = el("div", class_="s3o-fill", style=None if share is None else f"width:{share * 100:.1f}%")
    track = el(
        "div", fill, class_="s3o-track" + (" s3o-none" if share is None and view.state == "running" else ""),
        role="progressbar", aria_label=view.title, aria_valuemin=0, aria_valuemax=100,
        aria_valuenow=None if share is None else int(share * 100),
    )  # fmt: skip
    top = el(
        "div",
        el("span", view.title, class_="s3o-title", title=view.title),
        track,
        el("span", view.percent, class_="s3o-percent s3o-dim"),
        class_="s3o-top",
    )
    facts = [
        el("span", text, class_="s3o-fact s3o-num") for text in (view.objects, view.size, view.rate, view.clock) if text
    ]
    bad = ("failed", "interrupted")
    notes = [el("span", n.text, class_="s3o-fact" + (" s3o-bad" if n.kind in bad else "")) for n in view.notes]
    slow = [
        el(
            "div",
            el("span", s.clock),
            el("span", s.moved),
            el("span", s.name, class_="s3o-mono"),
            class_="s3o-slow s3o-dim",
        )
        for s in view.slow
    ]
    # what has no style sheet shows the spans in a row: a blank keeps them apart
    spaced = [part for fact in (*facts, *notes) for part in (fact, " ")]
    return el("div", top, el("div", spaced, class_="s3o-facts"), *slow, class_=f"s3o-op s3o-is-{view.state}")


# -- results ----------------------------------------------------------------------------------


def table(items: Sequence[Any], limit: int = ROWS) -> Html:
    """Return a table of results: key, size, modified, type; failures first; what is left out is counted."""
    if plain.are_values(items):
        shown = [(str(n), text) for n, text in plain.values(items, limit)]
        return cells((("", True), ("value", False)), shown, len(items), plain.summary(items))
    return grid(plain.rows(items, limit), plain.count(items), plain.summary(items))


def grid(shown: Sequence[plain.Row], count: int, total: str) -> Html:
    """Return rows as a table, how many more there are of ``count``, and the line ``total``."""
    columns = [
        ("size", any(r.size is not None or r.state for r in shown)),
        ("modified", any(r.modified is not None for r in shown)),
        ("type", any(r.type for r in shown)),
    ]
    names = [name for name, there in columns if there]
    titles = {} if any(r.size is not None for r in shown) else {"size": "what"}  # copied, prefix, ...
    head = el(
        "tr",
        el("th", "key", class_="s3o-first", scope="col"),
        *(el("th", titles.get(n, n), class_="s3o-num" if n == "size" else None, scope="col") for n in names),
    )
    left = count - len(shown)
    return page(
        el("table", el("thead", head), el("tbody", (_row(r, names) for r in shown)), class_="s3o-table")
        if shown
        else None,
        el("div", f"… and {left:,} more — {total}" if left else total, class_="s3o-sum s3o-dim"),
    )


def cells(columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], count: int, total: str) -> Html:
    """Return raw text in columns, each with its heading and whether it is of numbers; the last is the widest."""
    last = len(columns) - 1

    def classes(n: int, *more: str) -> str | None:
        found = [*(["s3o-first"] if n == 0 else []), *(["s3o-num"] if columns[n][1] else []), *more]
        return " ".join(found) or None

    head = el("tr", (el("th", name, class_=classes(n), scope="col") for n, (name, _) in enumerate(columns)))
    body = (
        el(
            "tr",
            (el("td", visible(t, _VALUE), class_=classes(n, *["s3o-key"] * (n == last))) for n, t in enumerate(row)),
        )
        for row in rows
    )
    left = count - len(rows)
    return page(
        el("table", el("thead", head), el("tbody", body), class_="s3o-table") if rows else None,
        el("div", f"… and {left:,} more — {total}" if left else total, class_="s3o-sum s3o-dim"),
    )


def _row(r: plain.Row, names: Sequence[str]) -> Html:
    key = el("td", visible(r.name, _NAME), class_="s3o-first s3o-key")
    if r.state == "failed":
        note = el("td", r.note, class_="s3o-bad s3o-wrap", colspan=len(names))
        return el("tr", key, note, class_="s3o-failed")
    cells = {
        "size": el("td", r.state or size_text(r.size), class_="s3o-num" + (" s3o-dim" if r.state else "")),
        "modified": el("td", plain.moment(r.modified) if r.modified is not None else "", class_="s3o-dim"),
        "type": el("td", visible(r.type, 60), class_="s3o-dim"),
    }
    return el("tr", key, *(cells[n] for n in names))


def facts(found: Sequence[tuple[str, str]]) -> Html:
    """Return names and values, a row each, as `s3nb.plain.pairs` gives them."""
    return page(fact_table(found))


def fact_table(found: Sequence[tuple[str, str]]) -> Html:
    """Return the bare table of `facts`, to be put into a `page`."""
    body = (
        el("tr", el("td", n, class_="s3o-first s3o-dim"), el("td", visible(v, _VALUE), class_="s3o-mono s3o-wrap"))
        for n, v in found
    )
    return el("table", el("tbody", body), class_="s3o-table s3o-pairs")


def bundle(text: str, markup: Html) -> dict[str, str]:
    """Return what ``_repr_mimebundle_`` gives: the same twice."""
    return {"text/plain": text, "text/html": str(markup)}
