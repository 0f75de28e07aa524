"""Verbs that look: nothing is changed, neither in S3 nor here."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3nb.client import S3
from s3nb.commands.contents import Contents, Piece, contents
from s3nb.commands.lines import keys_of
from s3nb.commands.options import literal_option
from s3nb.commands.parser import Parser, Verb, count, moment, size, span
from s3nb.commands.results import Usage
from s3nb.commands.session import Here, folder_of, pattern_of, relative
from s3nb.errors import InvalidRange, NotFound, ObjectNotFound
from s3nb.listings import translate
from s3nb.model import Results, S3GetObject, S3Object
from s3nb.plain import moment as when_text
from s3nb.presigned import PresignedURL
from s3nb.text import size_text, visible
from s3nb.uri import is_s3, parse

if TYPE_CHECKING:
    from s3nb.preview import Preview

_GROUP = "look"
_WILD = re.compile(r"[*?\[]")
_GZIP = b"\x1f\x8b"
_UNPACKED = 1 << 20  # bytes that head unpacks at most
_HEAD = 64 * 1024  # bytes in which head finds its lines


# -- listings ---------------------------------------------------------------------------------------


def _ls(parser: Parser) -> None:
    parser.take(
        "keys", "prefix", "taken as a folder; or a pattern with * ? [ ] **; default: the current prefix, else the buckets",
        metavar="PREFIX", nargs="*",
    )  # fmt: skip
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below, not one level")
    parser.add_argument("--limit", type=count, metavar="N", help="the first N of each")
    parser.add_argument("--versions", action="store_true", help="all versions and delete markers (with -r)")
    literal_option(parser)


def _run_ls(here: Here, keys: Sequence[Any], recursive: bool, limit: int | None, versions: bool, literal: bool) -> Any:
    if [str(key) for key in keys] == ["s3://"] or (not keys and here.root is None):
        made = here.client()
        return Results(
            [S3Object(None, f"s3://{name}/", last_modified=when) for name, when in made.buckets()], verb="list"
        )
    if versions and not recursive:
        raise here.usage("--versions lists all levels: say -r as well")
    s3, names = here.at(*keys)
    found = _listed(s3, names or [None], recursive, limit, versions, literal)
    # names below several prefixes would not say which
    return here.collect(found if len(names) < 2 else (relative(item, s3.root) for item in found))


def _listed(
    s3: S3, keys: Sequence[Any], recursive: bool, limit: int | None, versions: bool, literal: bool
) -> Iterator[S3Object]:
    for key in keys:
        pattern = None if literal else pattern_of(key)
        if pattern is not None:
            yield from _level_matching(s3, pattern, recursive, limit)
            continue
        none = True
        for found in s3.iter_list(key, recursive=recursive, limit=limit, versions=versions):
            none = False
            yield found
        if none and limit != 0:
            yield from _itself(s3, key)


def _level_matching(s3: S3, pattern: str, recursive: bool, limit: int | None) -> Iterator[S3Object]:
    """Yield what a pattern names, prefixes too, as ``ls`` in a shell does with folders."""
    folder, slash, last = pattern.rpartition("/")
    if _WILD.search(folder) or "**" in last or (is_s3(pattern) and not parse(pattern).key):
        yield from _matching(s3, pattern, limit)
        return
    expected = re.compile(translate(last))
    number = 0
    for found in s3.iter_list(folder + slash or None, recursive=False):
        if not expected.fullmatch(found.url.removesuffix("/").rpartition("/")[2]):
            continue
        inside = s3.iter_list(found) if recursive and not found.exists else [found]
        for item in inside:
            if number == limit:
                return
            number += 1
            yield relative(item, folder_of(s3, pattern))
    if number == 0:
        raise NotFound(f"nothing matches {visible(repr(pattern), 200)} (--literal takes * ? [ as characters)")


def _matching(s3: S3, pattern: str, limit: int | None) -> Iterator[S3Object]:
    number = 0
    for found in s3.glob(pattern):
        if number == limit:
            return
        number += 1
        yield relative(found, folder_of(s3, pattern))
    if number == 0:
        raise NotFound(f"nothing matches {visible(repr(pattern), 200)} (--literal takes * ? [ as characters)")


def _itself(s3: S3, key: Any) -> Iterator[S3Object]:
    """Yield the object of that name where there is nothing below it, as ``ls`` does with a file."""
    name = key.url if isinstance(key, S3Object) else key
    if not name or name.endswith("/") or (s3.root is None and not parse(name).key):
        return  # an empty bucket, or a prefix that was named as one
    found = s3.info(key, return_missing=True)
    if not found.exists:
        raise NotFound(f"{visible(found.url, 300)}: neither an object nor a prefix")
    yield found


def _find(parser: Parser) -> None:
    parser.take(
        "key", "prefix", "where to look, or a pattern; default: the current prefix", metavar="PREFIX", nargs="?"
    )
    parser.add_argument("--name", metavar="GLOB", help="the last part of the key matches, e.g. '*.csv'")
    parser.add_argument("--path", metavar="GLOB", help="the key below PREFIX matches; ** crosses slashes")
    parser.add_argument("--larger", type=size, metavar="SIZE", help="more bytes than this: 4096, 64k, 1.5MiB")
    parser.add_argument("--smaller", type=size, metavar="SIZE", help="fewer bytes than this")
    parser.add_argument("--newer", type=moment, metavar="WHEN", help="changed after: 2026-01-31, or 24h, 7d ago")
    parser.add_argument("--older", type=moment, metavar="WHEN", help="changed before")
    parser.add_argument("--limit", type=count, metavar="N", help="the first N")
    literal_option(parser)


def _run_find(
    here: Here, key: Any, name: str | None, path: str | None, larger: int | None, smaller: int | None,
    newer: float | None, older: float | None, limit: int | None, literal: bool,
) -> Any:  # fmt: skip
    if key is None and here.root is None:
        raise here.usage("PREFIX is missing: an s3:// URL")
    s3, (where,) = here.at(key)
    last = None if name is None else re.compile(translate(name))

    def found() -> Iterator[S3Object]:
        pattern = None if literal else pattern_of(where)
        number = 0
        listed = _matching(s3, pattern, None) if pattern is not None else s3.iter_list(where, match=path)
        for item in listed:
            if number == limit:
                return
            length, when = item.size or 0, item.last_modified or 0.0
            if (
                (last is None or last.fullmatch(item.object_key.rpartition("/")[2]))
                and (larger is None or length > larger)
                and (smaller is None or length < smaller)
                and (newer is None or when > newer)
                and (older is None or when < older)
            ):
                number += 1
                yield item

    return here.collect(found(), "find")


def _prefixes(parser: Parser) -> None:
    parser.take("keys", "prefix", "taken as a folder; default: the current prefix", metavar="PREFIX", nargs="*")


def _run_list_paths(here: Here, keys: Sequence[Any]) -> Any:
    s3, names = _asked(here, keys)
    return Results(s3.list_paths(names), verb="list")


def _run_list_recursive(here: Here, keys: Sequence[Any]) -> Any:
    s3, names = _asked(here, keys)
    return here.collect(found for name in names or [None] for found in s3.iter_list(name))


def _asked(here: Here, keys: Sequence[Any]) -> tuple[S3, list[Any] | None]:
    if here.body is not None or here.root is None:
        keys = here.keys(keys, keys_of)
    s3, names = here.at(*keys)
    return s3, names or None


def _du(parser: Parser) -> None:
    _prefixes(parser)
    parser.add_argument("-d", "--by-prefix", action="store_true", help="one level of prefixes below each, too")


def _run_du(here: Here, keys: Sequence[Any], by_prefix: bool) -> Usage:
    s3, names = _asked(here, keys)
    found = Usage()
    for name in names or [None]:
        base = here.url(name.url if isinstance(name, S3Object) else name or "").rstrip("/") + "/"
        below: dict[str, list[int]] = {}
        number = total = 0
        for item in s3.iter_list(name):
            number += 1
            total += item.size or 0
            if by_prefix:
                level, slash, _ = item.url[len(base) :].partition("/")
                row = below.setdefault(level + slash if slash else "", [0, 0])
                row[0] += 1
                row[1] += item.size or 0
        for level in sorted(below):
            if level:
                found.rows.append((base + level, below[level][0], below[level][1]))
        found.rows.append((base, number, total))
        found.count += number
        found.size += total
    return found


# -- facts --------------------------------------------------------------------------------------------


def _info(parser: Parser) -> None:
    parser.take("keys", "key", "key or s3:// URL; a list stands for its items", nargs="+", metavar="KEY")
    parser.add_argument("--version-id", metavar="ID", help="one version (with one key)")
    literal_option(parser)


def _run_info(here: Here, keys: Sequence[Any], version_id: str | None, literal: bool) -> S3Object | Results:
    s3, names = here.at(*keys)
    if len(names) == 1 and (literal or pattern_of(names[0]) is None):
        return s3.info(names[0], version_id=version_id)
    if version_id is not None:
        raise here.usage("--version-id goes with one KEY")
    return s3.info_many(here.matched(s3, names, literal=literal))


def _info_many(parser: Parser) -> None:
    parser.take(
        "keys", "key", "a list stands for its items; - reads them from standard input", nargs="*", metavar="KEY"
    )
    parser.add_argument("--return-missing", action="store_true", help="missing objects are results, not errors")


def _run_info_many(here: Here, keys: Sequence[Any], return_missing: bool) -> Results:
    s3, names = here.at(*here.keys(keys, keys_of))
    return s3.info_many(names, return_missing)


def _presign(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL", metavar="KEY")
    parser.add_argument(
        "--expires", type=span, default=900.0, metavar="TIME", help="how long it works: 15m (default), 24h, 7d"
    )
    parser.add_argument(
        "--method", choices=("GET", "HEAD", "PUT", "DELETE"), default="GET", help="what it allows: GET (default)"
    )
    parser.add_argument("--version-id", metavar="ID", help="one version")


def _run_presign(here: Here, key: Any, expires: float, method: str, version_id: str | None) -> PresignedURL:
    if not 1 <= expires <= 7 * 86400:
        raise here.usage("--expires is between 1s and 7d: S3 allows no more")
    s3, (name,) = here.at(key)
    return s3.presign(name, expires=int(expires), method=method, version_id=version_id)


# -- bytes to look at --------------------------------------------------------------------------------


def _cat(parser: Parser) -> None:
    parser.take("keys", "key", "key or s3:// URL; a list stands for its items", nargs="+", metavar="KEY")
    literal_option(parser)


def cat(here: Here, keys: Sequence[Any], literal: bool) -> Contents:
    """Return objects as they are shown, one behind the other."""
    s3, names = here.at(*keys)
    found = s3.iter_get(here.matched(s3, names, literal=literal))
    return contents((Piece(b"", item.size or 0, item=item) for item in found), lazy=here.session.lazy)


def _head(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL", metavar="KEY")
    parser.add_argument("-n", "--lines", type=count, default=10, metavar="N", help="so many lines: 10 (default)")
    parser.add_argument("-c", "--bytes", type=size, metavar="SIZE", help="so many bytes instead: 512, 4k")


def _run_head(here: Here, key: Any, lines: int, bytes: int | None) -> Contents:
    s3, (name,) = here.at(key)
    want = _HEAD if bytes is None else bytes
    if isinstance(name, S3Object):
        name = S3GetObject(name.url, None, None, name._version_id)
        s3 = here.client()
    part = S3GetObject(getattr(name, "key", name), 0, max(want, 1), getattr(name, "version_id", None))
    try:
        found = s3.get(part)
        blob, size = found.blob or b"", (found.range_info.total_size if found.range_info else found.size) or 0
    except InvalidRange:
        blob, size = b"", 0  # an empty object has no first byte
    if bytes is not None:
        piece = Piece(blob[:bytes], size, -(-bytes // 16))
    else:
        if blob[:2] == _GZIP:
            blob = zlib.decompressobj(31).decompress(blob, _UNPACKED)
        piece = Piece(b"".join(blob.splitlines(keepends=True)[:lines]), size, lines, blob)
    return contents([piece], lazy=here.session.lazy)


def _preview(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL", metavar="KEY")
    parser.add_argument("--rows", type=count, metavar="N", help="rows of tables and lines of text: 20 and 60 (default)")
    parser.add_argument(
        "--bytes", type=size, metavar="SIZE", help="fetch so many bytes at first: 64k (default), up to 1MiB"
    )
    parser.add_argument("--version-id", metavar="ID", help="one version")


def _run_preview(here: Here, key: Any, rows: int | None, bytes: int | None, version_id: str | None) -> Any:
    s3, (name,) = here.at(key)
    limit = here.session.preview_bytes if bytes is None else bytes
    url = here.url(getattr(name, "url", name) or "")
    if version_id is None and (url.endswith("/") or not parse(url).key):
        inside = _inside(here.client(), url, rows)
        if inside is not None:
            return inside
    try:
        return s3.preview(name, limit=min(max(limit, 1), 1 << 20), rows=rows or None, version_id=version_id)
    except ObjectNotFound:
        inside = None if version_id is not None else _inside(here.client(), url, rows)
        if inside is None:
            raise
        return inside


def _inside(s3: S3, url: str, rows: int | None) -> Preview | None:
    """Return a preview of a prefix: what is below it, one level; None if there is nothing. One request."""
    from s3nb.preview import Content, Limits, Preview  # here, as most lines need nothing of it
    from s3nb.preview.model import PREFIX, grid

    base = url.rstrip("/") + "/"
    limits = Limits(rows=rows or 20)
    found, more = s3.first(base, limit=min(limits.rows + 1, 1000))
    items = [item for item in found if item.url != base]
    if not items:
        return None
    shown = items[: limits.rows]
    cells = [
        [item.url[len(base) :], size_text(item.size) if item.exists else "prefix", when_text(item.last_modified)]
        for item in shown
    ]
    notes = ("the first of more: ls lists all",) if more or len(items) > len(shown) else ()
    table = replace(grid(["key", "size", "modified"], cells, limits), numbers=(False, True, False))
    return Preview(base, 0, 0, Content(PREFIX, (table,), (), notes))


VERBS = (
    Verb("ls", _GROUP, "list what is below a prefix; the buckets", _ls, _run_ls,
         ("ls s3://bucket/logs", "ls -r s3://bucket/logs", "ls s3://bucket/logs/2026-*/*.gz", "ls")),
    Verb("find", _GROUP, "list objects by name, size and age", _find, _run_find,
         ("find s3://bucket --name *.csv --larger 10MiB", "find s3://bucket/logs --newer 24h --limit 20")),
    Verb("du", _GROUP, "add up objects and bytes below prefixes", _du, _run_du,
         ("du s3://bucket/logs", "du -d s3://bucket"), body="keys"),
    Verb("info", _GROUP, "size, type, metadata of objects; no bytes are fetched", _info, _run_info,
         ("info s3://bucket/a.csv", "info s3://bucket/a.csv s3://bucket/b.csv")),
    Verb("preview", _GROUP, "look into an object: table, text, picture, archive, facts", _preview, _run_preview,
         ("preview s3://bucket/a.parquet", "preview s3://bucket/log.gz --rows 5")),
    Verb("head", _GROUP, "the first lines of an object", _head, _run_head,
         ("head s3://bucket/a.csv", "head -n 3 s3://bucket/a.csv", "head -c 4k s3://bucket/a.bin")),
    Verb("cat", _GROUP, "objects as text, whole", _cat, cat,
         ("cat s3://bucket/readme.txt",)),
    Verb("presign", _GROUP, "a URL that works without credentials for a while", _presign, _run_presign,
         ("presign s3://bucket/a.csv", "presign s3://bucket/a.csv --expires 24h", "presign s3://bucket/new.csv --method PUT")),
    Verb("list_paths", _GROUP, "one level below prefixes", _prefixes, _run_list_paths,
         ("list_paths s3://bucket/logs",), body="keys"),
    Verb("list_recursive", _GROUP, "all objects below prefixes", _prefixes, _run_list_recursive,
         ("list_recursive s3://bucket/logs",), body="keys"),
    Verb("info_many", _GROUP, "facts of many objects at once, in order", _info_many, _run_info_many,
         ("info_many s3://bucket/a.csv s3://bucket/b.csv", "info_many s3://bucket/a s3://bucket/b --return-missing"), body="keys"),
)  # fmt: skip
