"""Results as plain text: aligned tables and facts for terminals, logs and the text side of a notebook.

What there is to say of a result is gathered here, as rows and facts of raw strings; `s3nb.styled` shows the same as HTML.
"""

from __future__ import annotations

import reprlib
import shutil
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from s3nb.text import plural, size_text, visible

ROWS = 40  # a longer table shows its beginning and says how much more there is
_NAME = 100  # characters of a name
_TYPE = 24  # characters of a type
_COLUMNS = 80
_OUTCOMES = {"put": "stored", "copy": "copied", "delete": "deleted", "move": "moved"}


class Row(NamedTuple):
    """One result. Its strings are as they came: to be made `visible`, or escaped, by who shows them.

    Attributes
    ----------
    state : str
        ``""`` for an object; ``"prefix"``, ``"bucket"``, ``"missing"``, ``"failed"``, ``"skipped"``, or what was done: ``"stored"``,
        ``"copied"``, ``"deleted"``, ``"done"``.
    name : str
        The key, or whatever names it.
    size : int or None
    modified : float or None
        Unix time.
    type : str
        Content type; empty if not known.
    note : str
        Why it failed.
    """

    state: str
    name: str
    size: int | None = None
    modified: float | None = None
    type: str = ""
    note: str = ""


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


def row(item: Any, outcome: str = "done") -> Row:
    """Return the row of an `S3Object`, a ``(key, url)`` pair, a URL, or an error."""
    if isinstance(item, BaseException):
        url = getattr(item, "url", "")
        note = str(item).partition("\n")[0].removeprefix(f"{visible(url)}: ")
        note = note.partition(f" [{getattr(item, 'operation', '')}, status ")[0]  # for S3's operators, not for a table
        return Row("failed", getattr(item, "key", "") or url, note=note)
    if isinstance(item, tuple):
        return Row("stored", str(item[-1]))
    if isinstance(item, str):
        return Row(outcome, item)
    if not item.exists:
        if item.url.endswith("/"):
            return Row("prefix" if item.url.count("/") > 3 else "bucket", _below(item))
        return Row("missing" if item.version_id is None else "deleted", item.key, modified=item.last_modified)
    return Row("", item.key, item.size, item.last_modified, item.content_type or "")


def _below(item: Any) -> str:
    """Return the name of a prefix below what was listed, with its slash; that of ``a//`` below ``a/`` is a slash alone."""
    base = item._base or ""
    base += "" if base.endswith("/") else "/"
    if item.url.startswith(base) and item.url != base:
        return str(item.url[len(base) :])
    return str(item.key).rstrip("/") + "/"


def rows(items: Sequence[Any], limit: int) -> list[Row]:
    """Return the rows of the first ``limit`` results, failures first, what was left alone last."""
    outcome = _OUTCOMES.get(verb_of(items), "done")
    failed = [x for x in items if isinstance(x, BaseException)]
    fine = (x for x in items if not isinstance(x, BaseException))
    found = (row(x, outcome) for group in (failed, fine) for x in group)
    left = (Row("skipped", str(getattr(x, "url", x))) for x in getattr(items, "skipped", ()))
    return list(islice(chain(found, left), limit))


def count(items: Any) -> int:
    """Return how many rows results have in all: those that were left alone have one, too."""
    return len(items) + len(getattr(items, "skipped", ()))


def verb_of(items: Any) -> str:
    """Return which operation gave these results: a `Results`, or what a `BulkError` holds; empty if that is not known."""
    return str(getattr(items, "_verb", ""))


def are_values(items: Any) -> bool:
    """Say whether results are what a function of the user's has made of objects (`S3.map`): anything, not objects."""
    return verb_of(items) == "map"


def values(items: Sequence[Any], limit: int) -> list[tuple[int, str]]:
    """Return the place and the ``repr`` of the first ``limit`` values, failures first; raw."""
    found: list[tuple[int, str]] = []
    for failures in (True, False):
        for n, item in enumerate(items):
            if len(found) == limit:
                return found
            if isinstance(item, BaseException) == failures:
                found.append((n, f"failed: {_why(row(item), None)}" if failures else _repr(item)))
    return found


def _repr(item: Any) -> str:
    # of anything at all: some are long, and some fail
    try:
        return reprlib.repr(item) if isinstance(item, (list, tuple, dict, set, str, bytes)) else repr(item)
    except Exception as exc:
        return f"<{type(item).__name__}, whose repr fails: {type(exc).__name__}>"


def width_of_output() -> int:
    """Return the columns of the terminal this runs in; 80 in a notebook and wherever there is none."""
    out = sys.__stdout__
    if out is None or out is not sys.stdout or out.closed or not out.isatty():
        return _COLUMNS
    return max(shutil.get_terminal_size().columns, 40)


def pretty(printer: Any, item: object, text: str) -> None:
    """Write ``text`` for IPython's printer; inside a list or dict, only the ``repr`` of the item."""
    printer.text(text if len(getattr(printer, "stack", ())) <= 1 else repr(item))


def table(items: Sequence[Any], limit: int = ROWS, width: int | None = None) -> str:
    """Return a table of results, failures first, with a line that sums up.

    Parameters
    ----------
    limit : int
        Rows shown; what is left out is counted.
    width : int, optional
        Characters of a line: longer names are cut in the middle. None: names are cut at 100 characters only.
    """
    if are_values(items):
        lines = columns(
            ((str(n), visible(text, width and width - 8)) for n, text in values(items, limit)), (True, False)
        )
        left = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
        return "\n".join([*lines, *left, summary(items)])
    return grid(rows(items, limit), count(items), summary(items), width)


def grid(shown: Sequence[Row], count: int, total: str, width: int | None = None) -> str:
    """Return rows as a table, how many more there are of ``count``, and the line ``total``."""
    failed = [r for r in shown if r.state == "failed"]
    fine = [r for r in shown if r.state != "failed"]
    before = [[r.state or size_text(r.size) for r in fine]]
    if any(r.modified is not None for r in fine):
        before.append([moment(r.modified) for r in fine])
    if any(r.type for r in fine):
        before.append([visible(r.type or "-", _TYPE) for r in fine])
    names = [visible(r.name, _NAME) for r in fine]
    if width is not None and fine:
        room = width - sum(max(map(len, column)) + 2 for column in before)
        if max(map(len, names)) > room and len(before) == 3:
            room += max(map(len, before.pop())) + 2  # the key says more than the type
        names = [visible(name, max(room, 20)) for name in names]
    first = max([*map(len, before[0]), len("failed") if failed else 0], default=0)
    before[0] = [cell.rjust(first) for cell in before[0]]
    lines = [f"{'failed'.rjust(first)}  {_why(r, None if width is None else width - first - 2)}" for r in failed]
    lines += columns(zip(*before, names, strict=True), (True, *([False] * len(before))))
    if count > len(shown):
        lines.append(f"... and {count - len(shown):,} more")
    return "\n".join([*lines, total])


def _why(r: Row, width: int | None) -> str:
    """Return what failed, and why: the reason whole, if there is room for both at all."""
    name = visible(r.name, _NAME)
    if width is not None and name and r.note:
        name = visible(name, max(width - len(r.note) - 2, 20))
    text = f"{name}: {r.note}" if name and r.note else name or r.note
    return text if width is None else visible(text, max(width, 20))


def summary(items: Sequence[Any]) -> str:
    """Return one line: how many, how large, how many of them failed."""
    failed = prefixes = buckets = sized = size = 0
    if are_values(items):
        failed = sum(isinstance(item, BaseException) for item in items)
        return plural(len(items) - failed, "value") + (f", {failed:,} failed" if failed else "")
    for item in items:
        if isinstance(item, BaseException):
            failed += 1
        elif (of_item := getattr(item, "size", None)) is not None:
            sized += 1
            size += of_item
        elif getattr(item, "exists", True) is False and item.url.endswith("/"):
            prefixes += 1
            buckets += item.url.count("/") == 3
    words = [plural(len(items) - prefixes, "object")] if len(items) > prefixes or not prefixes else []
    if buckets:
        words.append(plural(buckets, "bucket"))
    prefixes -= buckets
    if prefixes:
        words.append(f"{prefixes:,} prefix" + ("" if prefixes == 1 else "es"))
    if sized:
        words.append(size_text(size))
    if failed:
        words.append(f"{failed:,} failed")
    skipped = len(getattr(items, "skipped", ()))
    if skipped:
        words.append(f"{skipped:,} skipped")
    return ", ".join(words)


def pairs(item: Any) -> list[tuple[str, str]]:
    """Return all that is known of one `S3Object`: names and raw values; an empty name goes on with the one before."""
    found: list[tuple[str, str]] = [("url", item.url)]
    if not item.exists:
        prefix = item.url.endswith("/")
        return [*found, ("is", "a prefix: ask for what is below it")] if prefix else [*found, ("exists", "no")]
    size = size_text(item.size)
    found.append(("size", size if item.size < 1024 else f"{item.size:,} bytes ({size})"))
    for name in ("content_type", "etag", "version_id", "storage_class", "encryption"):
        value = getattr(item, name)
        if value is not None:
            found.append((name, value))
    if item.last_modified is not None:
        found.append(("last_modified", f"{moment(item.last_modified)} UTC"))
    if item.range_info is not None and item.range_info.request_length != item.range_info.total_size:
        total, start, length = item.range_info
        found.append(("range", f"{length:,} bytes from {start:,} of {total:,}"))
    found += _mapping("metadata", item.metadata)
    if item.metadata is None:
        found += _mapping("raw_metadata", item.raw_metadata)
    if item.downloaded:
        found.append(("local", f"yes, verified by {item.verified}"))
    return found


def facts(item: Any) -> str:
    """Return all that is known of one `S3Object`, a line each."""
    return fact_lines(pairs(item))


def fact_lines(found: Iterable[tuple[str, str]], limit: int = 2 * _NAME) -> str:
    """Return names and raw values as aligned lines; a value that is cut is cut at ``limit`` characters."""
    return "\n".join(columns(((n, visible(v, limit)) for n, v in found), (False, False)))


def _mapping(name: str, values: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not values:
        return []
    return [(name if n == 0 else "", f"{k} = {v}") for n, (k, v) in enumerate(values.items())]
