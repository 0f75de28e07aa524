"""What verbs return that the client has no type for; and results as JSON, for pipes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from s3nb import styled
from s3nb.errors import S3Error, cause_of
from s3nb.model import Results, S3Object
from s3nb.plain import columns, fact_lines, pretty
from s3nb.sync import Synced
from s3nb.text import plural, size_text, visible

_NAMED = 20  # names of a plan that are shown


@dataclass(frozen=True)
class Plan:
    """What a line would do, said by ``--dry-run``.

    Attributes
    ----------
    verb : str
        E.g. ``"delete"``.
    names : list of str
        The first thousand of what it would be done to.
    sizes : list of int or None
        Bytes of each of these, as far as they are known.
    count : int
        How many in all.
    size : int or None
        Bytes in all; None if that is not known.
    """

    verb: str
    names: list[str] = field(default_factory=list)
    count: int = 0
    size: int | None = None
    sizes: list[int | None] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"would {self.verb} {visible(name, 200)}" for name in self.names[:_NAMED]]
        if self.count > len(lines):
            lines.append(f"... and {self.count - len(lines):,} more")
        return "\n".join([*lines, self._total()])

    def _total(self) -> str:
        return f"would {self.verb} {self.total}; nothing was done"

    @property
    def total(self) -> str:
        """``"12 objects, 3.4 MiB"``."""
        return plural(self.count, "object") + ("" if self.size is None else f", {size_text(self.size)}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show what would be done, in IPython."""
        first = list(zip(self.names, self.sizes or [None] * len(self.names), strict=True))[: styled.ROWS]
        known = any(size is not None for _, size in first)
        heads = [("size", True)] * known + [(f"would {self.verb}", False)]
        shown = [[size_text(size)] * known + [name] for name, size in first]
        return styled.bundle(str(self), styled.cells(heads, shown, self.count, self._total()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        pretty(printer, self, str(self))

    def as_json(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each name that is kept, and one for all."""
        for name, size in zip(self.names, self.sizes or [None] * len(self.names), strict=True):
            yield {"would": self.verb, "name": name, "size": size}
        yield {"would": self.verb, "count": self.count, "size": self.size}


KEPT = 1000  # names that a plan keeps


def plan(verb: str, items: Iterable[tuple[str, int | None]]) -> Plan:
    """Count names and sizes; memory does not grow with them."""
    names: list[str] = []
    sizes: list[int | None] = []
    count, size, known = 0, 0, True
    for name, length in items:
        if count < KEPT:
            names.append(name)
            sizes.append(length)
        count += 1
        if length is None:
            known = False
        else:
            size += length
    return Plan(verb, names, count, size if known else None, sizes)


def skipping(results: Results, skipped: Iterable[str]) -> Results:
    """Return results that know what was left alone."""
    results.skipped = [*results.skipped, *skipped]
    return results


@dataclass
class Usage:
    """Objects and bytes below prefixes.

    Attributes
    ----------
    rows : list of (str, int, int)
        URL, objects, bytes; for each prefix that was asked for, below it those of its first level if they were asked for.
    count, size : int
        In all.
    """

    rows: list[tuple[str, int, int]] = field(default_factory=list)
    count: int = 0
    size: int = 0

    def __str__(self) -> str:
        rows = [(size_text(size), plural(count, "object"), visible(url, 100)) for url, count, size in self.rows]
        if self._wants_a_total:
            rows.append((size_text(self.size), plural(self.count, "object"), "in all"))
        return "\n".join(columns(rows, (True, True, False)))

    @property
    def _wants_a_total(self) -> bool:
        return not self.rows or self.rows[-1][1:] != (self.count, self.size)  # a single prefix says it itself

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show sizes and counts, in IPython."""
        shown = [(size_text(size), f"{count:,}", url) for url, count, size in self.rows[: styled.ROWS]]
        heads = (("size", True), ("objects", True), ("prefix", False))
        total = f"{plural(self.count, 'object')}, {size_text(self.size)}"
        return styled.bundle(str(self), styled.cells(heads, shown, len(self.rows), total))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        pretty(printer, self, str(self))

    def as_json(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each prefix."""
        for url, count, size in self.rows:
            yield {"url": url, "count": count, "size": size}


class Facts(dict[str, Any]):
    """Names and values that show as aligned lines; ``origins`` says where some of them come from."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.origins: dict[str, str] = {}

    def __str__(self) -> str:
        return fact_lines(self._pairs())

    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (name, f"{value}   (from {self.origins[name]})" if name in self.origins else str(value))
            for name, value in self.items()
        ]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return styled.bundle(str(self), styled.facts(self._pairs()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def as_json(self) -> Iterator[dict[str, Any]]:
        """Yield itself; where things come from under ``from``."""
        yield dict(self) | ({"from": self.origins} if self.origins else {})


def as_json(item: Any) -> Iterator[dict[str, Any]]:
    """Yield JSON-encodable dictionaries for a result: one for each line of output."""
    from s3nb.preview import Preview  # here, as most lines need nothing of it

    if hasattr(item, "as_json"):
        yield from item.as_json()
    elif isinstance(item, S3Object):
        yield _object(item)
    elif isinstance(item, Preview):
        yield {
            "url": item.url,
            "size": item.size,
            "kind": item.kind,
            "facts": item.facts,
            "about": item.about,
            "tags": item.tags,
        }
    elif isinstance(item, Synced):
        yield from ({"copied": name} for name in item.copied)
        yield from ({"deleted": name} for name in item.deleted)
        yield {"same": item.same, "size": item.size, "dry_run": item.dry_run}
    elif isinstance(item, S3Error):
        yield {"url": item.url or None, "error": cause_of(item), "message": str(item)}
    elif isinstance(item, str):
        yield {"url": str(item)}
    elif isinstance(item, tuple):
        yield {"key": str(item[0]), "url": str(item[-1])}
    elif isinstance(item, Mapping):
        yield dict(item)
    elif isinstance(item, Iterable):
        for one in item:
            yield from as_json(one)
    elif item is not None:
        yield {"value": str(item)}


def _object(item: S3Object) -> dict[str, Any]:
    bucket, _, key = item.url.removeprefix("s3://").partition("/")
    found: dict[str, Any] = {"url": item.url, "bucket": bucket, "key": key}
    if not item.exists:
        found["prefix" if item.url.endswith("/") else "missing"] = True
        return found
    found["size"] = item.size
    if item.last_modified is not None:
        found["last_modified"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(item.last_modified))
    for name in (
        "etag",
        "version_id",
        "storage_class",
        "content_type",
        "encryption",
        "metadata",
        "raw_metadata",
        "verified",
    ):
        value = getattr(item, name)
        if value:
            found[name] = value
    if item.downloaded:
        found["path"] = item.path
    return found
