"""Verbs that put objects."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from s3nb.commands.lines import Word, pairs_of
from s3nb.commands.options import dry_run_option, no_clobber_option
from s3nb.commands.parser import Parser, Verb, name_and_value
from s3nb.commands.results import Plan, plan
from s3nb.commands.session import Here
from s3nb.many import local_files, typed
from s3nb.mime import type_of
from s3nb.model import Results, S3PutObject
from s3nb.text import visible
from s3nb.uri import is_s3

_GROUP = "write"


def _put(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL; with a slash at its end, FILE is put below it", metavar="KEY")
    parser.take(
        "source", "local", "a local file (- is standard input); a $value is stored itself", metavar="FILE", nargs="?"
    )
    parser.add_argument("--text", metavar="TEXT", help="store these characters")
    parser.add_argument("--content-type", metavar="TYPE", help="MIME type; default: what KEY's ending says")
    parser.add_argument(
        "--metadata", type=name_and_value, action="append", metavar="NAME=VALUE", help="may be repeated"
    )
    parser.add_argument("--storage-class", metavar="CLASS", help="e.g. STANDARD_IA")
    parser.add_argument("--encryption", metavar="NAME", help="e.g. AES256, aws:kms")
    no_clobber_option(parser)


def _run_put(
    here: Here, key: Any, source: Any, text: str | None, content_type: str | None, metadata: list[tuple[str, str]] | None,
    storage_class: str | None, encryption: str | None, no_overwrite: bool,
) -> Any:  # fmt: skip
    given = [what for what in (source, text, here.body) if what is not None]
    if len(given) != 1:
        raise here.usage(
            "what to store is missing: FILE, a $value, --text, or a cell's body"
            if not given
            else "say once what to store"
        )
    s3, (name,) = here.at(key)
    headers = {"x-amz-storage-class": storage_class} if storage_class else None
    value = _stored(here, given[0]) if source is not None else given[0]
    if isinstance(value, Path) and isinstance(name, str) and name.endswith("/"):
        name += value.name  # below it, as cp does
    return s3.put(
        name,
        value,
        not no_overwrite,
        content_type or type_of(getattr(name, "key", name) or ""),
        dict(metadata) if metadata else None,
        encryption=encryption,
        headers=headers,
    )


def _stored(here: Here, source: Any) -> Any:
    """Return what a word or a value stands for: a word names a file, a value is what is stored."""
    if not isinstance(source, str):
        return source
    if isinstance(source, Word) and source.filled:
        if len(source) < 4096 and "\0" not in source and os.path.isfile(source):
            raise here.usage(
                f"{visible(repr(str(source)), 100)} is the name of a file: store the file with {{Path(...)}}, or these characters "
                "with --text"
            )
        return str(source)
    return sys.stdin.buffer if source == "-" else Path(source)


def _put_files(parser: Parser) -> None:
    parser.take(
        "sources",
        "local",
        "local file or folder; a list of (key, path) says the keys as well",
        nargs="*",
        metavar="FILE",
    )
    _uploads(parser)


def _put_many(parser: Parser) -> None:
    parser.take(
        "sources", "local", "local file or folder; or a list or dict of keys and values", nargs="*", metavar="FILE"
    )
    _uploads(parser)


def _uploads(parser: Parser) -> None:
    parser.take("--to", "prefix", "prefix below which they are stored; default: the current one", metavar="PREFIX")
    no_clobber_option(parser)
    dry_run_option(parser)


def _run_put_files(here: Here, sources: Sequence[Any], to: Any, no_overwrite: bool, dry_run: bool) -> Results | Plan:
    return _run_uploads(here, sources, to, no_overwrite, dry_run, "path")


def _run_put_many(here: Here, sources: Sequence[Any], to: Any, no_overwrite: bool, dry_run: bool) -> Results | Plan:
    return _run_uploads(here, sources, to, no_overwrite, dry_run, "value")


def _run_uploads(
    here: Here, sources: Sequence[Any], to: Any, no_overwrite: bool, dry_run: bool, field: str
) -> Results | Plan:
    pairs: list[Any] = []
    files: list[Any] = []
    for source in sources:
        if isinstance(source, Mapping):
            pairs += source.items()
        elif isinstance(source, (str, os.PathLike)):
            files.append(source)
        else:
            pairs.append(source)
    if here.body is not None:
        pairs += pairs_of(here.body, field)
    if not pairs and not files:
        raise here.usage("nothing to put: name files or folders, or give (key, value) pairs")
    if files and to is None and here.root is None:
        raise here.usage("where to? Say --to s3://bucket/prefix")
    items = [_placed(here, pair, to, field) for pair in pairs]
    below = here.url(to or "") if to is not None or here.root is not None else None
    if dry_run:
        return plan("put", _sizes([*items, *(p for f in files for p in local_files(f, below))]))
    s3 = here.client()
    if not files:
        return s3.put_files(items, not no_overwrite) if field == "path" else s3.put_many(items, not no_overwrite)
    if field == "value" and items:
        raise here.usage("files and values do not go into one line")
    found = typed(pair for source in files for pair in local_files(source, below))
    return s3.put_files([*items, *found] if items else found, not no_overwrite)


def _placed(here: Here, pair: Any, to: Any, field: str) -> Any:
    """Return a pair with a full URL in place of its key."""
    if hasattr(pair, "key"):
        spec = S3PutObject(
            pair.key, getattr(pair, "value", None), getattr(pair, "path", None), getattr(pair, "content_type", None),
            getattr(pair, "encryption", None), getattr(pair, "metadata", None),
        )  # fmt: skip
        return spec._replace(key=_target(here, pair.key, to))
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise here.usage(f"expected (key, {field}) pairs, not {visible(repr(pair), 80)}")
    return _target(here, pair[0], to), pair[1]


def _target(here: Here, key: Any, to: Any) -> str:
    if not isinstance(key, str):
        raise here.usage(f"a key is a str, not {type(key).__name__}: {visible(repr(key), 60)}")
    if is_s3(key) or to is None:
        return here.url(key)
    return f"{here.url(to).rstrip('/')}/{key.lstrip('/')}"


def _sizes(pairs: Iterable[Any]) -> Iterator[tuple[str, int | None]]:
    for pair in pairs:
        key, value = (pair.key, pair.path or pair.value) if hasattr(pair, "key") else pair
        if isinstance(value, os.PathLike):
            yield key, os.path.getsize(value)
        else:
            yield key, len(value) if isinstance(value, (str, bytes, bytearray)) else None


VERBS = (
    Verb("put", _GROUP, "put one object: a file, a text, a value", _put, _run_put,
         ("put s3://bucket/a.csv data/a.csv", "put s3://bucket/note.txt --text hello --content-type text/plain"), body="text"),
    Verb("put_many", _GROUP, "put many: keys and values; files and folders", _put_many, _run_put_many,
         ("put_many results/ --to s3://bucket/results",), body="pairs"),
    Verb("put_files", _GROUP, "put files and folders", _put_files, _run_put_files,
         ("put_files results/ --to s3://bucket/results", "put_files a.csv b.csv --to s3://bucket/data"), body="pairs"),
)  # fmt: skip
