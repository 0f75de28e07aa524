"""A preview as a view draws it: blocks and sections of plain text, and the bytes of pictures apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3nb.model import S3Object
from s3nb.preview import Grid, Picture, Preview, Text

_ABOVE = frozenset({
    "content-length", "content-range", "content-type", "etag", "last-modified", "x-amz-version-id", "x-amz-storage-class",
    "x-amz-server-side-encryption",
})  # fmt: skip
_WORDS = {"content_type": "type", "etag": "ETag", "raw_metadata": "metadata", "last_modified": "modified"}


def drawn(preview: Preview) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a view draws: raw text, which it makes visible; and the bytes of pictures, in order."""
    blocks: list[dict[str, Any]] = []
    pictures: list[bytes] = []
    for block in preview.blocks:
        if isinstance(block, Text):
            blocks.append({"kind": "text", "text": block.text})
        elif isinstance(block, Grid):
            more = f"and {block.left_out:,} more columns" if block.left_out else ""
            named = any(not name.isdigit() for name in block.columns)
            blocks.append({
                "kind": "table", "columns": list(block.columns) if named else [], "rows": [list(row) for row in block.rows],
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
    sections = [[title, [list(pair) for pair in rows]] for title, rows in known if rows]
    return {"title": preview.title, "blocks": blocks, "notes": list(preview.notes), "sections": sections}, pictures


def _worded(about: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_WORDS.get(name, name.replace("_", " ")), value) for name, value in about]


def version_rows(found: Sequence[S3Object]) -> list[dict[str, Any]]:
    """Return versions as they are shown, newest first."""
    return [
        {"version": v.version_id or "null", "deleted": not v.exists, "size": v.size, "time": v.last_modified}
        for v in found
    ]
