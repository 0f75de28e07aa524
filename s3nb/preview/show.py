"""A preview as people see it: `Preview`, as text of a terminal's width and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from s3nb import plain, styled
from s3nb.html import Html, el, image, pre
from s3nb.preview.model import PREFIX, Block, Content, Grid, Picture, Text
from s3nb.text import size_text, visible, visible_lines

_CELL = 28  # characters of a cell in text


@dataclass(frozen=True)
class Preview:
    """What an object holds, as far as its first bytes and its headers tell. Shown by a notebook and by ``print``.

    Attributes
    ----------
    url : str
        Of the object.
    size : int
        Bytes of the object.
    fetched : int
        Bytes of it that were fetched for this.
    kind : str
        What it is: ``"CSV"``, ``"gzip, JSON lines inside"``, ``"PNG image"``, ``"binary"``, ...
    blocks : tuple of Text, Grid, Picture
        What is shown, raw.
    facts : list of (str, str)
        What the bytes say of themselves: rows, encoding, pixels, ... Raw.
    notes : tuple of str
        What is not shown, and why.
    about : list of (str, str)
        What S3 says: content type, version, storage class, encryption, checksum, metadata. Raw.
    tags : dict or None
        The object's tags; None if S3 did not tell.
    headers : dict
        Of the reply, by lower-case name.
    head : bytes
        The first bytes as they came.
    """

    url: str
    size: int
    fetched: int
    content: Content
    about: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    head: bytes = b""

    @property
    def kind(self) -> str:
        return self.content.kind

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.content.blocks

    @property
    def facts(self) -> list[tuple[str, str]]:
        return list(self.content.facts)

    @property
    def notes(self) -> tuple[str, ...]:
        return self.content.notes

    @property
    def title(self) -> str:
        """What it is and how large, on a line."""
        if self.kind == PREFIX:
            return PREFIX
        part = f", {size_text(self.fetched)} of it fetched" if self.fetched < self.size else ""
        return f"{self.kind}, {size_text(self.size)}{part}"

    @property
    def about_it(self) -> list[tuple[str, str]]:
        """Everything that is to be said beside the content, raw."""
        tags = [("tags" if n == 0 else "", f"{k} = {v}") for n, (k, v) in enumerate((self.tags or {}).items())]
        return [*self.facts, *self.about, *tags]

    def text(self, width: int | None = None) -> str:
        """Return the preview as text; lines are cut at ``width`` characters, if one is given."""
        parts = [f"{visible(self.url)}\n{visible(self.title)}"]
        parts += [_text_of(block, width) for block in self.blocks]
        if self.notes:
            parts.append("\n".join(f"({visible(note)})" for note in self.notes))
        if self.about_it:
            parts.append(plain.fact_lines(self.about_it))
        lines = "\n\n".join(part for part in parts if part).split("\n")
        return "\n".join(line if width is None or len(line) <= width else line[: width - 1] + "…" for line in lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Preview {visible(self.url)} ({visible(self.title)})>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(printer, self, self.text(plain.width_of_output()))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show the preview, in IPython."""
        return styled.bundle(self.text(plain.width_of_output()), markup(self))


def _text_of(block: Block, width: int | None) -> str:
    if isinstance(block, Text):
        return visible_lines(block.text)
    if isinstance(block, Picture):
        return ""
    return _grid_text(block, width)


def _grid_text(table: Grid, width: int | None) -> str:
    named = any(not name.isdigit() for name in table.columns)
    rows = [[visible(cell, _CELL) for cell in row] for row in ((table.columns, *table.rows) if named else table.rows)]
    if not rows:
        return ""
    count, used = 0, 0
    for n in range(len(table.columns)):
        used += max(len(row[n]) for row in rows) + 2
        if width is not None and used - 2 > width and count:
            break
        count += 1
    right = [*table.numbers, *[False] * len(table.columns)][:count]
    lines = plain.columns([row[:count] for row in rows], right)
    if named:
        lines.insert(1, "-" * max(map(len, lines)))
    left_out = table.left_out + len(table.columns) - count
    if left_out:
        lines.append(f"... and {left_out:,} more column{'s' if left_out > 1 else ''}")
    return "\n".join(lines)


# -- HTML ---------------------------------------------------------------------------------------


def markup(preview: Preview) -> Html:
    """Return a preview as HTML: what it is, the content, and beside it all that is said of it."""
    body = [_html_of(block, preview.url) for block in preview.blocks]
    notes = [el("div", f"({visible(note)})", class_="s3o-dim") for note in preview.notes]
    return styled.page(
        el(
            "div",
            el("span", visible(preview.url, 200), class_="s3o-mono"),
            el("span", preview.title, class_="s3o-dim s3o-after"),
        ),
        el(
            "div",
            el("div", body, notes, class_="s3o-content"),
            el("div", styled.fact_table(preview.about_it), class_="s3o-about"),
            class_="s3o-sides",
        ),
    )


def _html_of(block: Block, url: str) -> Html:
    if isinstance(block, Text):
        return pre(block.text, class_="s3o-text", tabindex=0)
    if isinstance(block, Picture):
        small = block.width <= 64 and block.height <= 64
        return image(
            block.data, block.mime, alt=visible(url, 200), class_="s3o-picture" + (" s3o-small" if small else "")
        )
    return _grid_html(block)


def _grid_html(table: Grid) -> Html:
    number = [*table.numbers, *[False] * len(table.columns)]
    named = any(not name.isdigit() for name in table.columns)

    def cells(tag: str, row: Sequence[str]) -> list[Html]:
        return [el(tag, visible(cell), class_="s3o-num" if number[n] else None) for n, cell in enumerate(row)]

    head = el("thead", el("tr", (_heading(name, number[n]) for n, name in enumerate(table.columns)))) if named else None
    rows = el("tbody", (el("tr", cells("td", row)) for row in table.rows))
    more = f"… and {table.left_out:,} more columns" if table.left_out else None
    return el(
        "div",
        el("table", head, rows, class_="s3o-table s3o-cells"),
        el("div", more, class_="s3o-dim") if more else None,
        class_="s3o-scroll",
        tabindex=0,
    )


def _heading(name: str, number: bool) -> Html:
    name, _, kind = name.partition(": ")
    return el(
        "th", visible(name), el("div", visible(kind), class_="s3o-dim s3o-type") if kind else None,
        class_="s3o-num" if number else None, scope="col",
    )  # fmt: skip
