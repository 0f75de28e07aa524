"""Results as plain text: aligned tables and facts for terminals, logs and the text side of a notebook."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from s3nb.text import plural, size_text, visible

_ROWS = 40  # a longer table shows its beginning and says how much more there is
_NAME = 100  # characters of a name


def moment(seconds: float | None) -> str:
    """Return a Unix time as ``"2026-01-31 12:00:05"`` in UTC; ``"-"`` for None."""
    return "-" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def columns(rows: Iterable[Sequence[str]], right: Sequence[bool]) -> list[str]:
    """Align rows in columns two blanks apart; ``right`` says which are flush right. The last is never padded."""
    rows = list(rows)
    widths = [max((len(row[n]) for row in rows), default=0) for n in range(len(right))]
    lines = []
    for row in rows:
        cells = [cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return lines


def row(item: Any) -> tuple[str, str, str]:
    """Return size, time and name of an `S3Object`, a ``(key, url)`` pair, a URL, or an error."""
    if isinstance(item, BaseException):
        return "failed", "-", str(item).partition("\n")[0]
    if isinstance(item, tuple):
        return "stored", "-", visible(str(item[-1]), _NAME)
    if isinstance(item, str):
        return "done", "-", visible(item, _NAME)
    if not item.exists:
        prefix = item.url.endswith("/")
        return "prefix" if prefix else "missing", "-", visible(item.key, _NAME) + ("/" if prefix else "")
    return size_text(item.size), moment(item.last_modified), visible(item.key, _NAME)


def table(items: Sequence[Any], limit: int = _ROWS) -> str:
    """Return a table of results, failures first, with a line that sums up."""
    failed = [x for x in items if isinstance(x, BaseException)]
    fine = [x for x in items if not isinstance(x, BaseException)]
    shown = [row(x) for x in islice((*failed, *fine), limit)]
    lines = columns(shown, (True, False, False))
    if len(items) > limit:
        lines.append(f"... and {len(items) - limit:,} more")
    lines.append(summary(items))
    return "\n".join(lines)


def summary(items: Sequence[Any]) -> str:
    """Return one line: how many, how large, how many of them failed."""
    failed = sum(isinstance(x, BaseException) for x in items)
    sizes = [x.size for x in items if getattr(x, "size", None) is not None]
    objects = [x for x in items if not isinstance(x, BaseException)]
    prefixes = sum(1 for x in objects if getattr(x, "exists", True) is False and x.url.endswith("/"))
    words = [plural(len(items) - prefixes, "object")]
    if prefixes:
        words.append(f"{prefixes:,} prefix" + ("" if prefixes == 1 else "es"))
    if sizes:
        words.append(size_text(sum(sizes)))
    if failed:
        words.append(f"{failed:,} failed")
    return ", ".join(words)


def facts(item: Any) -> str:
    """Return all that is known of one `S3Object`, a line each."""
    rows: list[tuple[str, str]] = [("url", visible(item.url))]
    if not item.exists:
        return "\n".join(columns([*rows, ("exists", "no")], (False, False)))
    size = size_text(item.size)
    rows.append(("size", size if item.size < 1024 else f"{item.size:,} bytes ({size})"))
    for name in ("content_type", "etag", "version_id", "storage_class", "encryption"):
        value = getattr(item, name)
        if value is not None:
            rows.append((name, visible(value, _NAME)))
    if item.last_modified is not None:
        rows.append(("last_modified", f"{moment(item.last_modified)} UTC"))
    if item.range_info is not None and item.range_info.request_length != item.range_info.total_size:
        total, start, length = item.range_info
        rows.append(("range", f"{length:,} bytes from {start:,} of {total:,}"))
    rows += _mapping("metadata", item.metadata)
    if item.metadata is None:
        rows += _mapping("raw_metadata", item.raw_metadata)
    if item.downloaded:
        rows.append(("local", f"yes, verified by {item.verified}"))
    return "\n".join(columns(rows, (False, False)))


def _mapping(name: str, values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not values:
        return []
    return [
        (name if n == 0 else "", f"{visible(str(k), 60)} = {visible(str(v), _NAME)}")
        for n, (k, v) in enumerate(values.items())
    ]
