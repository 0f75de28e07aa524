"""What S3 knows of one object, as sections of names and values; plain text, made visible by whoever shows it."""

from __future__ import annotations

from collections.abc import Sequence

from s3nb.model import S3Object
from s3nb.plain import moment
from s3nb.text import size_text

Section = tuple[str, list[tuple[str, str]]]

_SHOWN_ABOVE = frozenset({
    "content-length", "content-type", "etag", "last-modified", "x-amz-version-id", "x-amz-storage-class",
    "x-amz-server-side-encryption",
})  # fmt: skip


def sections(found: S3Object) -> list[Section]:
    """Return what is known of an object from `S3.info`."""
    size = found.size
    facts = [
        ("URL", found.url),
        ("Size", "" if size is None else size_text(size) if size < 1024 else f"{size_text(size)} ({size:,} bytes)"),
        ("Modified", "" if found.last_modified is None else f"{moment(found.last_modified)} UTC"),
        ("Type", found.content_type or ""),
        ("ETag", found.etag or ""),
        ("Version", found.version_id or ""),
        ("Storage class", found.storage_class or ""),
        ("Encryption", found.encryption or ""),
    ]
    metadata = sorted((found.raw_metadata or {}).items())
    headers = [
        (name, value)
        for name, value in sorted((found.headers or {}).items())
        if name not in _SHOWN_ABOVE and not name.startswith("x-amz-meta-")
    ]
    named: list[Section] = [("Object", [(n, v) for n, v in facts if v]), ("Metadata", metadata), ("Headers", headers)]
    return [(title, rows) for title, rows in named if rows]


def version_rows(found: Sequence[S3Object]) -> list[dict[str, object]]:
    """Return versions as they are shown, newest first."""
    return [
        {
            "version": v.version_id or "null",
            "deleted": not v.exists,
            "size": v.size,
            "time": v.last_modified,
        }
        for v in found
    ]
