"""What is said about a browser's state: the lines below its rows, and what stands where there are none. Pure."""

from __future__ import annotations

from typing import Any

from s3nb.browsing.tree import Row
from s3nb.plain import moment
from s3nb.text import plural, size_text, visible

_MODES = {"starts": "starts with", "contains": "contains", "pattern": "matches"}


def status(state: dict[str, Any]) -> str:
    """Return how much is listed, honest about what is not; empty where there is a problem."""
    if state["problem"]:
        return ""
    loaded = state["loaded"]
    if state["searching"]:
        found = f"{plural(loaded, 'match')} in {plural(state['scanned'], 'key')}"
        if state["full"]:
            return f"{found}, and that is enough for one list: narrow it down"
        if state["sweeping"]:
            return f"Searching: {found} so far"
        return found if state["complete"] else f"{found}, stopped"
    rows = plural(loaded, "bucket" if state["path"] == "s3://" else "row")
    if state["complete"]:
        return rows
    if state["loading"] and not loaded:
        return "Loading…"
    if state["full"]:
        more = "and that is enough for one list: narrow it down"
    else:
        more = "loading more" if state["loading"] else "more in S3"
    order = "" if state["sort"] == "name" else f", sorted among the {loaded:,} loaded"
    return f"{rows} loaded, {more}{order}"


def chosen(selected: dict[str, int]) -> str:
    """Return what is selected, in numbers; empty for nothing."""
    objects, prefixes = selected["objects"], selected["prefixes"]
    parts = [f"{plural(objects, 'object')} ({size_text(selected['size'])})"] if objects else []
    parts += [plural(prefixes, "prefix")] if prefixes else []
    return f"{', '.join(parts)} selected" if parts else ""


def nothing(state: dict[str, Any]) -> str:
    """Return what stands in place of rows when there is none."""
    if not state["filter"]:
        return "No buckets." if state["path"] == "s3://" else "Nothing here."
    hint = " * stays within a level, ** does not." if state["mode"] == "pattern" else ""
    return f"No name here {_MODES[state['mode']]} “{visible(state['filter'], 200)}”.{hint}"


def crumbs(path: str) -> list[tuple[str, str]]:
    """Return the levels that lead to a path, the buckets first: what each is called, and its URL."""
    found = [("s3://", "s3://")]
    at = 5
    while at < len(path):
        end = path.find("/", at) + 1 or len(path)
        found.append((visible(path[at:end]), path[:end]))
        at = end
    return found


def row(row: Row) -> list[Any]:
    """Return a row as a view draws it: texts, with nothing in them that does not print."""
    label = {"more": "Load more", "loading": "…", "empty": "nothing here"}.get(row.kind, visible(row.name))
    if row.kind == "error":
        label += " Press Enter to try again."
    return [
        row.id, row.depth, row.kind, label, "" if row.size is None else size_text(row.size),
        "" if row.time is None else moment(row.time)[:16], visible(row.storage_class).lower().replace("_", " "),
        row.selected, row.expanded,
    ]  # fmt: skip
