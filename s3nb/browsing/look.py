"""A preview as a view draws it: blocks and sections of plain text, and the bytes of pictures apart from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from s3nb.model import S3Object
from s3nb.plain import moment
from s3nb.preview import Grid, Picture, Preview, Text
from s3nb.text import size_text, visible, visible_lines

_ABOVE = frozenset({
    "content-length", "content-range", "content-type", "etag", "last-modified", "x-amz-version-id", "x-amz-storage-class",
    "x-amz-server-side-encryption",
})  # fmt: skip
_WORDS = {"content_type": "type", "etag": "ETag", "raw_metadata": "metadata", "last_modified": "modified"}


def drawn(preview: Preview) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a view draws: text with nothing in it that does not print; and the bytes of pictures, in order."""
    blocks: list[dict[str, Any]] = []
    pictures: list[bytes] = []
    for block in preview.blocks:
        if isinstance(block, Text):
            blocks.append({"kind": "text", "text": visible_lines(block.text)})
        elif isinstance(block, Grid):
            more = f"and {block.left_out:,} more columns" if block.left_out else ""
            named = any(not name.isdigit() for name in block.columns)
            blocks.append({
                "kind": "table", "columns": _visible(block.columns) if named else [], "rows": list(map(_visible, block.rows)),
                "numbers": list(block.numbers), "more": more,
            })  # fmt: skip
        elif isinstance(block, Picture):
            small = block.width <= 64 and block.height <= 64
            blocks.append({"kind": "picture", "mime": block.mime, "buffer": len(pictures), "small": small})
            pictures.append(block.data)
    headers = [
        (name, value)
        for name, value in sorted(preview.headers.items())
        if name not in _ABOVE and not name.startswith("x-amz-meta-")
    ]
    known = [
        ("Content", preview.facts),
        ("Object", [("URL", preview.url), *_worded(preview.about)]),
        ("Tags", list((preview.tags or {}).items())),
        ("Headers", headers),
    ]
    sections = [[title, list(map(_visible, rows))] for title, rows in known if rows]
    title, notes = visible(preview.title), _visible(preview.notes)
    return {"title": title, "blocks": blocks, "notes": notes, "sections": sections}, pictures


def _visible(texts: Iterable[str]) -> list[str]:
    return [visible_lines(text) for text in texts]


def _worded(about: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_WORDS.get(name, name.replace("_", " ")), value) for name, value in about]


def version_rows(found: Sequence[S3Object]) -> list[list[str]]:
    """Return versions as names and values, newest first: size (or that it is deleted), time and id."""
    return [
        [
            size_text(v.size) if v.exists else "deleted",
            f"{moment(v.last_modified)[:16]}  {visible(v.version_id or 'null')}",
        ]
        for v in found
    ]
