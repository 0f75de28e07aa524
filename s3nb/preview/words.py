"""Text: which encoding, JSON, JSON lines, CSV, notebooks; all of it tolerant of being cut off anywhere."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from s3nb.preview.model import Content, Limits, Text, Window, grid, is_number

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SOURCES = {
    "md": "Markdown", "html": "HTML source", "htm": "HTML source", "xml": "XML", "svg": "SVG source", "yaml": "YAML", "yml": "YAML",
    "py": "Python", "sql": "SQL", "log": "log", "toml": "TOML", "ini": "INI", "sh": "shell script", "js": "JavaScript",
}  # fmt: skip
_SEPARATED = {"csv": ",;|\t", "tsv": "\t", "tab": "\t", "psv": "|"}


def decoded(window: Window) -> tuple[str, str] | None:
    """Return the head as text, and the encoding; None if it is no text."""
    head = window.head
    for bom, name in _BOMS:
        if head.startswith(bom):
            return _decode(head, name, "replace"), name
    sample = head[:8192]
    if b"\0" in sample:
        for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
            if len(sample) >= 4 and zeros.count(0) > 0.9 * len(zeros):
                text = _decode(head, name, "replace")
                start = text[:2000]
                if sum(c.isprintable() or c in "\r\n\t" for c in start) > 0.97 * len(start):  # numbers have zeros, too
                    return text, name
        return None
    if len(_CONTROL.findall(sample)) > len(sample) / 100:
        return None
    names = ["utf-8"]
    if window.charset and window.charset not in ("utf-8", "utf8"):
        names.insert(0, window.charset)
    for name in names:
        try:
            return _decode(head, name, "strict"), name
        except (UnicodeError, LookupError):
            continue
    text = head.decode("latin-1")
    odd = sum("\x80" <= c <= "\x9f" for c in text[:8192])
    return (text, "latin-1") if odd <= len(sample) / 100 else None


def _decode(data: bytes, name: str, errors: str) -> str:
    # a character that the cut went through is no error
    return codecs.getincrementaldecoder(name)(errors).decode(data)


def of_text(window: Window) -> Content | None:
    """Return what text there is, as what its name and its first characters say; None if it is no text."""
    found = decoded(window)
    if found is None:
        return None
    text, encoding = found
    text = text.replace("\r\n", "\n")
    window.tick()
    facts: tuple[tuple[str, str], ...] = (("encoding", encoding),)
    special = _special(text, window)
    if special is not None:
        return Content(special.kind, special.blocks, (*special.facts, *facts), special.notes)
    kind = _SOURCES.get(window.suffix, "text")
    if window.complete:
        facts = (("lines", f"{text.count(chr(10)) + (not text.endswith(chr(10)) and bool(text)):,}"), *facts)
    shown, notes = lines(text, window.limits)
    return Content(kind, (shown,), facts, notes)


def lines(text: str, limits: Limits) -> tuple[Text, tuple[str, ...]]:
    """Return the first lines of a text, long ones cut, and what was cut."""
    notes = []
    kept = text[: limits.lines * (limits.line + 1) * 2].split("\n", limits.lines)
    rest = kept.pop() if len(kept) > limits.lines else ""
    if rest:
        notes.append(f"the first {limits.lines} lines")
    if any(len(line) > limits.line for line in kept):
        notes.append(f"lines are cut at {limits.line} characters")
    return Text("\n".join(line if len(line) <= limits.line else line[: limits.line] + "…" for line in kept)), tuple(
        notes
    )


def _special(text: str, window: Window) -> Content | None:
    """Return the text as JSON or a table, if it is that."""
    suffix, content_type = window.suffix, window.content_type
    start = text.lstrip()[:1]
    if suffix == "ipynb" and start == "{":
        window.whole()
        found = decoded(window)
        cells = notebook(found[0] if found else text, window)
        if cells is not None:
            return cells
    if start in ("{", "["):
        many = suffix in ("jsonl", "ndjson") or content_type in ("application/x-ndjson", "application/jsonl")
        if many or (suffix != "json" and _is_lines(text)):
            return json_lines(text, window)
        if suffix == "json" or "json" in content_type or suffix in ("geojson", "") or _is_json(text, window):
            return json_text(text, window)
    wanted = _SEPARATED.get(suffix) or (
        ",;\t|" if content_type == "text/csv" else "\t" if content_type == "text/tab-separated-values" else ""
    )
    if wanted or suffix in ("", "txt", "data"):
        return separated(text, window, wanted)
    return None


# -- JSON ---------------------------------------------------------------------------------------

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_FLAT = re.compile(r'\[(?:[^\[\]{}"]|"(?:[^"\\]|\\.)*+")*+\]', re.DOTALL)


def depth(text: str, most: int) -> int:
    """Return how deep brackets are nested outside of strings; stops at ``most + 1``."""
    deepest = now = 0
    for token in _TOKEN.finditer(text):
        char = text[token.start()]
        if char in "[{":
            now += 1
            if now > deepest:
                deepest = now
                if deepest > most:
                    return deepest
        elif char in "]}":
            now -= 1
    return deepest


def _is_json(text: str, window: Window) -> bool:
    if not window.complete or depth(text, window.limits.depth) > window.limits.depth:
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def json_text(text: str, window: Window) -> Content:
    """Return JSON with its lines indented; it is not parsed for that, so it may be cut off, or wrong, anywhere."""
    limits = window.limits
    if depth(text, limits.depth) > limits.depth:
        shown, notes = lines(text, limits)
        return Content("JSON", (shown,), (), (f"nested deeper than {limits.depth}: as it is", *notes))
    facts = []
    if window.complete:
        try:
            value = json.loads(text)
        except ValueError as exc:
            facts.append(("JSON", f"not valid: {exc}"))
        else:
            facts.append(("top level", _described(value)))
    shown, notes = lines("\n".join(_indented(text, limits)), limits)
    return Content("JSON", (shown,), tuple(facts), notes)


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"object, {len(value):,} keys"
    if isinstance(value, list):
        return f"array, {len(value):,} items"
    return type(value).__name__


def _indented(text: str, limits: Limits) -> Iterator[str]:
    """Yield lines of JSON, two blanks a level; short arrays of plain values stay on one line."""
    level, count, line = 0, 0, ""
    at = 0
    while count <= limits.lines:
        token = _TOKEN.search(text, at)
        if token is None:
            break
        at = token.end()
        word = token[0]
        if word == "[":
            flat = _FLAT.match(text, token.start(), token.start() + 200)
            if flat is not None and flat.end() - flat.start() <= 100:
                words = _TOKEN.findall(flat[0])
                line += "".join(", " if w == "," else w for w in words)
                at = flat.end()
                continue
        if word in "[{":
            following = _TOKEN.search(text, at)
            if following is not None and following[0] in "]}":
                line += word + following[0]
                at = following.end()
                continue
            yield line + word
            count += 1
            level += 1
            line = "  " * level
        elif word in "]}":
            if line.strip():
                yield line
                count += 1
            level = max(level - 1, 0)
            line = "  " * level + word
        elif word == ",":
            yield line + ","
            count += 1
            line = "  " * level
        elif word == ":":
            line += ": "
        else:
            line += word
    if line.strip():
        yield line


def _is_lines(text: str) -> bool:
    first, newline, rest = text.strip().partition("\n")
    return bool(newline) and first[-1:] in ("}", "]") and rest.lstrip()[:1] == first[:1] and _loads(first) is not None


def _loads(line: str) -> Any:
    try:
        return json.loads(line) if depth(line, 50) <= 50 else None
    except ValueError:
        return None


def json_lines(text: str, window: Window) -> Content:
    """Return JSON lines as a table, if they are objects, else as they are."""
    limits = window.limits
    every = text.split("\n", limits.rows + 1)
    whole = every if window.complete and len(every) <= limits.rows + 1 else every[:-1]  # the last may be cut off
    values = [_loads(line) for line in whole if line.strip()][: limits.rows]
    if not values or not all(isinstance(value, dict) for value in values):
        shown, notes = lines(text, limits)
        return Content("JSON lines", (shown,), (), notes)
    names = list(dict.fromkeys(name for value in values for name in value))
    rows = [[_cell(value[name]) if name in value else "" for name in names] for value in values]
    facts = (("lines", f"{sum(1 for line in text.split(chr(10)) if line.strip()):,}"),) if window.complete else ()
    return Content(
        "JSON lines", (grid(names, rows, limits),), facts, _first_rows(len(rows), window, len(every) > len(rows) + 1)
    )


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _first_rows(count: int, window: Window, more: bool) -> tuple[str, ...]:
    return (f"the first {count} rows",) if more or not window.complete else ()


# -- tables -------------------------------------------------------------------------------------


def separated(text: str, window: Window, wanted: str) -> Content | None:
    """Return text with separators as a table; None if no separator cuts all its lines alike."""
    limits = window.limits
    lines_of_it = text.split("\n", limits.rows + 2)
    whole = lines_of_it if window.complete and len(lines_of_it) <= limits.rows + 2 else lines_of_it[:-1]
    sample = "\n".join(whole)
    best: tuple[float, str, list[list[str]]] | None = None
    for delimiter in wanted or ",\t;|":
        window.tick()
        rows = _parsed(sample, delimiter)
        widths = [len(row) for row in rows]
        if not rows or max(widths) < 2:
            continue
        usual = max(set(widths), key=widths.count)
        share = widths.count(usual) / len(widths)
        score = share * min(usual, 10)
        # a file that says nothing of itself must be very regular to be taken for a table
        regular = share == 1 and usual >= 3 and len(rows) >= 4
        if (wanted or regular) and usual >= 2 and (best is None or score > best[0]):
            best = (score, delimiter, rows)
    if best is None:
        if not wanted:
            return None
        best = (0, wanted[0], _parsed(sample, wanted[0]))
    _, delimiter, rows = best
    if not rows:
        return None
    head, body = (rows[0], rows[1:]) if _is_header(rows) else ([], rows)
    table = grid([*head], body, limits)
    facts = [("separator", {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}[delimiter])]
    facts.append(("columns", f"{len(table.columns) + table.left_out:,}"))
    if window.complete:
        facts.insert(0, ("lines", f"{text.count(chr(10)) + (not text.endswith(chr(10))):,}"))
    kind = "TSV" if delimiter == "\t" else "CSV"
    return Content(
        kind, (table,), tuple(facts), _first_rows(len(table.rows), window, len(lines_of_it) > limits.rows + 1)
    )


def _parsed(sample: str, delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row]
    except csv.Error:
        return []


def _is_header(rows: list[list[str]]) -> bool:
    first = rows[0]
    return len(rows) > 1 and all(first) and len(set(first)) == len(first) and not any(map(is_number, first))


# -- notebooks ----------------------------------------------------------------------------------


def notebook(text: str, window: Window) -> Content | None:
    """Return a notebook's cells as text; its outputs are never shown."""
    if depth(text, window.limits.depth) > window.limits.depth:
        return None
    try:
        cells = json.loads(text)["cells"]
        blocks: list[str] = []
        for cell in cells:
            source = cell["source"]
            source = source if isinstance(source, str) else "".join(source)
            number = cell.get("execution_count")
            mark = (
                f"In [{number if isinstance(number, int) else ' '}]:"
                if cell["cell_type"] == "code"
                else f"{cell['cell_type']}:"
            )
            blocks.append(f"{mark}\n{source}")
    except (ValueError, LookupError, TypeError):
        return None
    shown, notes = lines("\n\n".join(blocks), window.limits)
    return Content("notebook", (shown,), (("cells", f"{len(blocks):,}"),), ("outputs are not shown", *notes))
