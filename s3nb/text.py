"""Text for people: hostile strings made visible, sizes and rates made short."""

from __future__ import annotations

import unicodedata
from typing import Any

# C0, DEL and C1 move the cursor or start escape sequences; "Cf" and "Zl"/"Zp" hold the
# bidirectional overrides, zero-width characters and line separators that make one text look
# like another. "Cs" are lone surrogates, which no terminal can print.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str, limit: int | None = None) -> str:
    """Return ``text`` with every character that does not print as itself written as an escape.

    Keys, metadata and error messages come from other people; a terminal obeys what is in them.
    Tab, newline, escape and the like become ``\\t``, ``\\n``, ``\\x1b``; bidirectional and
    zero-width characters become ``\\u202e`` and so on.

    Parameters
    ----------
    limit : int, optional
        Longest result in characters; what is longer is cut in the middle with ``…``.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_escape(c) if unicodedata.category(c) in _HIDDEN else c for c in text)
    if limit is not None and len(text) > limit:
        head = (limit - 1) // 2
        text = text[:head] + "…" + text[len(text) - (limit - 1 - head) :]
    return text


def visible_lines(text: str) -> str:
    """Return text of many lines made `visible`: newlines and tabs stay what they are."""
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
    return "\n".join("\t".join(visible(piece) for piece in line.split("\t")) for line in text.split("\n"))


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


class Masked(dict[str, Any]):
    """A dictionary that may hold secrets: it shows its names only, also in a traceback that shows local variables."""

    def __repr__(self) -> str:
        return f"<values of {', '.join(map(str, self)) or 'nothing'}>"

    __str__ = __repr__


def size_text(size: float | None) -> str:
    """Return a byte count in binary units: ``"0 B"``, ``"1.5 KiB"``, ``"20.0 MiB"``; ``"-"`` for None."""
    if size is None:
        return "-"
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} PiB"


def time_text(seconds: float | None) -> str:
    """Return a duration for a bar: ``"0.4 s"``, ``"12 s"``, ``"3:05"``, ``"2:00:01"``; ``"?"`` for None."""
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plural(count: int, word: str) -> str:
    """Return ``"1 object"``, ``"2 objects"``, ``"12,345 objects"``."""
    return f"{count:,} {word}{'' if count == 1 else 'es' if word.endswith(('s', 'x', 'ch')) else 's'}"
