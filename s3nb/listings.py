"""Listings as users see them: prefixes taken as directories, results as `S3Object`, filters, patterns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from s3nb.addressing import Addresses, Prefix
from s3nb.core import Core
from s3nb.errors import InvalidURL
from s3nb.model import S3Object
from s3nb.transfer import listing
from s3nb.transfer.listing import Skip
from s3nb.uri import Location, is_s3, parse
from s3nb.wire.xml import ListedObject

_FEW = 200  # objects made at a time: of more, the collector of garbage would take a look at each
_BEHIND = "/\U0010ffff"  # behind a folder's name: the last key that can be in it


def objects(
    core: Core, prefix: Prefix, *, start_after: str = "", skip: Skip | None = None, limit: int | None = None
) -> Iterator[ListedObject]:
    """Yield all objects below a prefix, by key, lazily; a long listing is fetched in parallel. See `transfer.listing.objects`.

    What du, find, delete, sync, glob and search read. ``start_after`` is a whole key; `skipper` makes a ``skip`` of a pattern.
    """
    return listing.objects(
        core.scope("list"), prefix.bucket, prefix.key, start_after=start_after, skip=skip, limit=limit
    )


def _object(core: Core, prefix: Prefix, found: ListedObject) -> S3Object:
    bucket, _, base = prefix
    key, size, etag, modified, storage_class, version_id, _, is_marker = found
    return S3Object(
        base or None,
        f"s3://{bucket}/{key}",
        size=None if is_marker else size,
        etag=etag,
        last_modified=modified,
        storage_class=storage_class,
        version_id=version_id,
        origin=core,
    )


def recursive(core: Core, prefix: Prefix, start_after: str = "", limit: int | None = None) -> Iterator[S3Object]:
    """Yield all objects below a prefix, by key."""
    bucket, key, base = prefix
    for page in listing.pages_ahead(core.scope("list"), bucket, key, start_after=start_after, limit=limit):
        for at in range(0, len(page), _FEW):
            yield from S3Object.listed(page[at : at + _FEW], bucket, base or None, core)


def first(core: Core, where: Location, limit: int) -> tuple[list[S3Object], bool]:
    """Return the first page of one level, of what begins with a key, and whether there is more. One request."""
    scope = core.scope("list")
    page = core.wait(listing.page(scope, where.bucket, where.key, delimiter="/", page_size=limit), scope).page()
    base = f"s3://{where.bucket}/{where.key[: where.key.rfind('/') + 1]}"
    prefix = Prefix(where.bucket, where.key, base)
    found = [_object(core, prefix, o) for o in page.objects]
    found += [S3Object(base, f"s3://{where.bucket}/{p}") for p in page.prefixes]
    found.sort(key=lambda o: o.url.encode("utf-8", "surrogatepass"))
    return found, page.next_token is not None


def matching(core: Core, prefix: Prefix, pattern: str, start_after: str = "") -> Iterator[S3Object]:
    """Yield the objects below a prefix whose key behind it matches a shell pattern.

    What stands before the first wildcard narrows the listing; folders that cannot match are passed over where that saves a page.
    """
    narrow, skip = narrowed(prefix, [pattern])
    expected = re.compile(translate(pattern)).fullmatch
    at = len(prefix.key)
    for found in objects(core, narrow, start_after=start_after, skip=skip):
        if expected(found.key, at):
            yield _object(core, prefix, found)


def narrowed(prefix: Prefix, patterns: Sequence[str]) -> tuple[Prefix, Skip | None]:
    """Return what is to be listed to find all below a prefix that matches one of several patterns, and what tells keys to pass over."""
    literal = [pattern[: wild.start()] if (wild := re.search(r"[*?\[]", pattern)) else pattern for pattern in patterns]
    narrow = prefix._replace(key=prefix.key + os.path.commonprefix(literal))  # noqa: RUF071  # of characters
    skips = [skipper(prefix.key, pattern) for pattern in patterns]
    if len(skips) == 1:
        return narrow, skips[0]

    def skip(key: str) -> str | None:
        """Return the first key that one of the patterns may match."""
        ends = [None if one is None else one(key) for one in skips]
        return min((end for end in ends if end is not None), key=_bytes) if None not in ends else None

    return narrow, skip if skips and None not in skips else None


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def skipper(base: str, pattern: str) -> Skip | None:
    """Return what tells a listing which keys it need not fetch, as they cannot match ``pattern`` behind ``base``; None if nothing can."""
    if re.search(r"\[[^]]*/", pattern):
        return None  # a class that goes across levels
    parts = pattern.split("/")
    deep = next((n for n, part in enumerate(parts) if "**" in part), None)
    levels = [re.compile(translate(part)).fullmatch for part in parts[:-1][:deep]]
    if deep == 0:
        return None

    def skip(key: str) -> str | None:
        names = key[len(base) :].split("/")
        for n, (level, name) in enumerate(zip(levels, names[:-1], strict=False)):
            if not level(name):
                return base + "/".join(names[: n + 1]) + _BEHIND
        if deep is None and len(names) > len(parts):
            return base + "/".join(names[: len(parts)]) + _BEHIND
        return None

    return skip


def level(core: Core, prefix: Prefix, start_after: str = "") -> Iterator[S3Object]:
    """Yield one level, by URL, lazily: objects, and common prefixes as objects that do not exist. A long one is fetched in parallel."""
    for page in listing.Listing(core.scope("list"), prefix.bucket, prefix.key, start_after, delimiter="/").pages():
        for found in page:
            if found.size < 0:
                yield S3Object(prefix.base, f"s3://{prefix.bucket}/{found.key}")
            else:
                yield _object(core, prefix, found)


def versions(core: Core, prefix: Prefix, limit: int | None = None) -> Iterator[S3Object]:
    """Yield all versions and delete markers below a prefix, newest first within a key; a long listing is fetched in parallel."""
    for page in listing.Listing(core.scope("list"), prefix.bucket, prefix.key, limit=limit, versions=True).pages():
        for found in page:
            yield _object(core, prefix, found)


def iterate(
    core: Core,
    prefix: Prefix,
    *,
    deep: bool,
    match: str | None,
    start_after: str,
    limit: int | None,
    all_versions: bool,
) -> Iterator[S3Object]:
    """Return an iterator over a listing, lazy, filtered and cut."""
    if all_versions and (not deep or start_after):
        raise ValueError(
            "versions=True lists all levels from the start: it goes with neither recursive=False nor start_after="
        )
    after = prefix.key + start_after if start_after else ""
    if limit is not None and limit < 0:
        raise ValueError(f"limit must not be negative, but is {limit!r}")
    if all_versions:
        found = versions(core, prefix, None if match is not None else limit)
    elif deep and match is not None:
        found, match = matching(core, prefix, match, after), None
    elif deep:
        found = recursive(core, prefix, after, limit)
    else:
        found = level(core, prefix, after)
    if match is not None:
        pattern = re.compile(translate(match))
        at = len(f"s3://{prefix.bucket}/{prefix.key}")
        found = (item for item in found if pattern.fullmatch(item.url[at:]))
    return found if limit is None else islice(found, limit)


def glob(core: Core, at: Addresses, pattern: str) -> Iterator[S3Object]:
    """Return an iterator over the objects that match a pattern under the root, or one that is a full URL."""
    if not isinstance(pattern, str) or not pattern:
        raise InvalidURL("a pattern is a str that is not empty")
    if at.root is None and not is_s3(pattern):
        raise InvalidURL("a client without s3root, bucket or run globs full URLs (s3://bucket/pattern) only")
    if at.root is None:
        bucket, key = parse(pattern)
        root_key, base = "", None
    else:
        bucket, root_key = parse(f"{at.root}/")
        key, base = root_key + pattern.lstrip("/"), at.root
    # a root is literal, whatever characters it has
    return matching(core, Prefix(bucket, root_key, base or ""), key[len(root_key) :])


def translate(pattern: str) -> str:
    """Return the regular expression of a shell pattern in which ``*`` stays within a level and ``**`` does not."""
    out = []
    i, n = 0, len(pattern)
    while i < n:
        char = pattern[i]
        i += 1
        if char == "*":
            if pattern.startswith("*/", i) and (i == 1 or pattern[i - 2] == "/"):
                out.append("(?:[^/]*/)*")  # **/ : any number of levels, none included
                i += 2
            elif pattern.startswith("*", i):
                out.append(".*")
                i += 1
            else:
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            end = pattern.find("]", i + 1 if pattern[i : i + 1] not in "!^" else i + 2)
            if end == -1:
                out.append(r"\[")
                continue
            inner = pattern[i:end]
            negated = inner[:1] in ("!", "^")
            chars = _class(inner[1:] if negated else inner)
            out.append(f"[^/{chars}]" if negated else f"[{chars}]" if chars else "(?!)")
            i = end + 1
        else:
            out.append(re.escape(char))
    return "(?s:" + "".join(out) + ")"


def _class(inner: str) -> str:
    """Return characters and ranges of a class as a regular expression has them; a range that runs backwards holds nothing."""
    out = []
    i = 0
    while i < len(inner):
        if inner[i + 1 : i + 2] == "-" and i + 2 < len(inner):
            if inner[i] <= inner[i + 2]:
                out.append(f"{re.escape(inner[i])}-{re.escape(inner[i + 2])}")
            i += 3
        else:
            out.append(re.escape(inner[i]))
            i += 1
    return "".join(out)
