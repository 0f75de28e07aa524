"""The beginning of an object, ready to be shown: text, a picture, or bytes. One ranged GET."""

from __future__ import annotations

from typing import Any

from s3nb.client import S3
from s3nb.model import S3GetObject, S3Object
from s3nb.text import size_text

CAP = 64 * 1024
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_PICTURE_CAP = 4 * 1024 * 1024


def look(s3: S3, row: S3Object) -> tuple[dict[str, Any], list[Any]]:
    """Return what a view draws, and the bytes of a picture.

    The first bytes decide what it is, not the name nor the Content-Type. What could run (SVG, HTML) is text.
    """
    size = row.size or 0
    if not size:
        return {"kind": "note", "note": "no bytes"}, []
    head = _read(s3, row, min(size, CAP))
    note = "" if size <= CAP else f"the first {size_text(CAP)} of {size_text(size)}"
    kind = next((mime for start, mime in _PICTURES if head.startswith(start)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "image/webp"
    if kind and size <= _PICTURE_CAP:
        return {"kind": "picture", "mime": kind, "note": size_text(size)}, [
            head if size <= CAP else _read(s3, row, size)
        ]
    text = _text(head, whole=size <= CAP)
    if text is not None:
        return {"kind": "text", "text": text, "note": note}, []
    return {
        "kind": "text",
        "text": _dump(head[:256]),
        "note": f"the first {min(size, 256)} bytes of {size_text(size)}",
    }, []


def _read(s3: S3, row: S3Object, length: int) -> bytes:
    wanted = S3GetObject(row.url if s3.root is None else row.url.removeprefix(f"{s3.root}/"), 0, length)
    return s3.get(wanted).blob or b""


def _text(head: bytes, whole: bool) -> str | None:
    if b"\0" in head:
        return None
    for cut in range(1 if whole else 4):  # the end may have cut a character
        try:
            return head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
    return None


def _dump(data: bytes) -> str:
    lines = []
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        shown = "".join(chr(b) if 32 <= b < 127 else "." for b in piece)
        lines.append(f"{at:06x}  {piece.hex(' '):<47}  {shown}")
    return "\n".join(lines)
