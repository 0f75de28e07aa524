"""What hostile people name objects, write into them, and have servers say: one corpus for every place where text comes out.

Everything that is script here sets ``window.__pwned``, so one look at the page tells whether anything ran. `SAFE` says what
must not be in text for a terminal, `live` what must not be in HTML.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from html.parser import HTMLParser

_PWN = "window.__pwned=1"

TEXTS: tuple[str, ...] = (
    f"<script>{_PWN}</script>",
    f'<img src=x onerror="{_PWN}">',
    f"'\"><img src=x onerror={_PWN}>",
    f"</td></table></pre></style></title></textarea><script>{_PWN}</script>",
    f"</script><script>{_PWN}</script>",
    f"<svg onload={_PWN}><a xlink:href=javascript:{_PWN}>x</a></svg>",
    f"<iframe srcdoc='<script>parent.{_PWN}</script>'>",
    f"javascript:{_PWN}",
    f"&lt;script&gt;{_PWN}&lt;/script&gt;",  # for those who unescape
    f"&#60;img src=x onerror={_PWN}&#62;",
    f"[click](javascript:{_PWN})",
    f"{{{{ constructor.constructor('{_PWN}')() }}}}",
    f"$(alert) `{_PWN}` ${{{_PWN}}}",
    "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE x [<!ENTITY y 'z'>]>",
    "'); __import__('os').environ.update(PWNED='1'); ('",
    '"""; __import__("os").environ.update(PWNED="1"); """',
    "{__import__('os').environ.update(PWNED='1')}",
    "=HYPERLINK(\"http://evil.example\",\"click\")",
    "\x1b[2J\x1b[H\x1b[31mred\x1b[0m",  # clears the screen
    "\x1b]0;title\x07", "\x1b]52;c;cHduZWQ=\x07", "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31mC1", "\x90q\x9c", "\r\x1b[Koverwritten", "a\x08\x08b", "\x00nul", "\x7f",
    "invoice\u202efdp.exe", "\u2066isolate\u2069", "zero\u200bwidth\u200d\ufeff", "line\u2028separator\u2029", "\u061cmark",
    "tag\U000e0041\U000e0042", "lone\ud800surrogate",
    "two\nlines\r\nand\ttabs\x0bmore\x0c",
    "x" * 5000,
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a" * 20,
    "%s %d {0} {x!r} %(a)s", "{bar} {desc} {n_fmt}", "[bold red]rich[/bold red]",
    "../../etc/passwd", "/etc/passwd", "..\\..\\x", "C:\\x", "con", "trailing.", "a//b", "~root", "file:///etc/passwd",
)  # fmt: skip

# As keys they must be text that a request can carry
KEYS: tuple[str, ...] = tuple(text for text in TEXTS if "\ud800" not in text and len(text) < 900)

# As headers, and so as metadata, on one line of Latin-1
METADATA: tuple[str, ...] = tuple(text for text in TEXTS if text.isprintable() and text.isascii() and len(text) < 900)

# A server's own words in an error document
MESSAGES: tuple[str, ...] = TEXTS

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)


def raw(text: str) -> list[str]:
    """Return the characters of terminal text that a terminal would obey, or that hide; newline and tab are fine."""
    return _CONTROL.findall(text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in (
            "script",
            "iframe",
            "svg",
            "object",
            "embed",
            "link",
            "meta",
            "base",
            "form",
            "math",
            "textarea",
            "title",
        ):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            text = (value or "").strip().lower()
            if name.startswith("on") or name in ("srcdoc", "formaction", "xlink:href"):
                self.found.append(f"{tag} {name}=")
            if name in ("href", "src") and not text.startswith(("http:", "https:", "s3:", "data:image/")):
                self.found.append(f"{tag} {name}={text[:40]}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"<!--{data[:20]}")

    def handle_decl(self, decl: str) -> None:
        self.found.append(f"<!{decl[:20]}")


def live(markup: str) -> list[str]:
    """Return what of HTML could run, load or break out; characters that hide included."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.found + raw(markup)


# -- bodies ------------------------------------------------------------------------------------


def _zip(names: list[str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    return out.getvalue()


def _tar(names: list[str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.linkname = "../../" + name
            member.type = tarfile.SYMTYPE
            archive.addfile(member)
    return out.getvalue()


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """Return a PNG that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


_WRITTEN = [text for text in TEXTS if "\ud800" not in text and "\0" not in text]  # bodies that are text
_MARKUP = "\n".join(_WRITTEN)
_ROWS = [text for text in _WRITTEN if "\n" not in text and "\r" not in text]

BODIES: dict[str, bytes] = {
    "plain.txt": _MARKUP.encode(),
    "page.html": f"<!doctype html><script>{_PWN}</script>".encode(),
    "picture.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{_PWN}"><script>{_PWN}</script></svg>'.encode(),
    "not-a-picture.png": b"\x89PNG\r\n\x1a\n" + f"<script>{_PWN}</script>".encode(),
    "gif-and-script.gif": b"GIF89a/*" + f"*/={_PWN};//".encode() + b"\0" * 20,
    "document.md": f"[x](javascript:{_PWN}) <img src=x onerror={_PWN}>".encode(),
    "data.json": json.dumps({text: text for text in _ROWS}).encode(),
    "rows.jsonl": "\n".join(json.dumps({"key": text, text: 1}) for text in _ROWS[:12]).encode(),
    "rows.csv": ("name,value\n" + "\n".join('"' + text.replace('"', '""') + '",1' for text in _ROWS)).encode(),
    "notes.ipynb": json.dumps(
        {
            "cells": [
                {"cell_type": "markdown", "source": [_MARKUP]},
                {
                    "cell_type": "code", "execution_count": 1, "source": "x",
                    "outputs": [{"output_type": "display_data", "data": {"text/html": [f"<script>{_PWN}</script>"]}}],
                },
            ],
            "nbformat": 4, "nbformat_minor": 5, "metadata": {},
        }
    ).encode(),
    "members.zip": _zip([text for text in _ROWS if text][:40]),
    "members.tar": _tar([text[:90] for text in _ROWS][:12]),
    "packed.html.gz": gzip.compress(f"<script>{_PWN}</script>".encode(), mtime=0),
    "escapes.bin": bytes(range(256)) * 4,
    "model.pkl": b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.",
    "broken.parquet": b"PAR1" + b"\xff" * 60 + b"\xff\xff\xff\x7fPAR1",
    "array.npy": b"\x93NUMPY\x01\x00\x3c\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}".ljust(60) + b"x" * 30,
}  # fmt: skip
