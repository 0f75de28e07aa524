"""Verbs that get objects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from s3nb import many
from s3nb.client import S3
from s3nb.commands.contents import Contents, Piece, contents
from s3nb.commands.lines import keys_of
from s3nb.commands.options import dry_run_option, no_clobber_option
from s3nb.commands.parser import Parser, Verb, whole
from s3nb.commands.results import Plan, plan, skipping
from s3nb.commands.session import Here
from s3nb.errors import UnsafeKey
from s3nb.model import Results, S3GetObject, S3Object
from s3nb.transfer.wanted import Wanted
from s3nb.uri import key_to_path

_GROUP = "read"


def _get(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL", metavar="KEY")
    parser.take("--to", "local", "local file; a folder, if there is one or with a slash at its end", metavar="FILE")
    parser.add_argument("--offset", type=whole, metavar="N", help="first byte")
    parser.add_argument("--length", type=whole, metavar="N", help="number of bytes; negative: the last ones")
    parser.add_argument("--version-id", metavar="ID", help="one version")
    parser.add_argument("--return-missing", action="store_true", help="a missing object is a result, not an error")
    no_clobber_option(parser)


def _run_get(
    here: Here, key: Any, to: Any, offset: int | None, length: int | None, version_id: str | None, return_missing: bool,
    no_overwrite: bool,
) -> S3Object | Results | Contents:  # fmt: skip
    s3, (name,) = here.at(key)
    wanted = name if offset is None and length is None else S3GetObject(name, offset, length)
    if to == "-" and here.session.lazy:
        return contents((Piece(b"", o.size or 0, item=o) for o in [s3.get(wanted, version_id=version_id)]), lazy=True)
    to = _kept(here, to)
    if to is None or return_missing:
        return s3.get(wanted, return_missing, version_id=version_id)
    if no_overwrite:
        last = many.local_name(name, s3._at).rpartition("/")[2]
        folder = os.path.isdir(to) or os.fspath(to).endswith(("/", os.sep))
        path = key_to_path(to, last) if folder else os.fspath(to)
        if os.path.lexists(path):
            return skipping(Results(verb="get"), [path])
    return s3.download_to(wanted, to, version_id=version_id)


def _kept(here: Here, to: Any) -> Any:
    """Return where files go: in a shell the current folder by default, as temporary files would go with the process."""
    return "." if to is None and here.session.lazy else to


def _get_many(parser: Parser) -> None:
    parser.take(
        "keys", "key", "a list stands for its items; - reads them from standard input", nargs="*", metavar="KEY"
    )
    parser.take("--to", "local", "keep the files there, under names made of their keys", metavar="FOLDER")
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below each KEY, taken as a folder")
    parser.add_argument("--return-missing", action="store_true", help="missing objects are results, not errors")
    no_clobber_option(parser)
    dry_run_option(parser)


def _run_get_many(
    here: Here, keys: Sequence[Any], to: Any, recursive: bool, return_missing: bool, no_overwrite: bool, dry_run: bool
) -> Results | Plan:
    s3, names = here.at(*here.keys(keys, keys_of))
    if return_missing and (to is not None or recursive):
        raise here.usage("--return-missing goes with neither --to nor -r")
    if recursive:
        return _recursive(here, s3, names, to, no_overwrite, dry_run)
    if dry_run:
        return plan("get", ((o.url, o.size) for o in s3.info_many(names, return_missing=True) if o.exists))
    to = None if return_missing else _kept(here, to)
    if to is None:
        return s3.get_many(names, return_missing)
    if no_overwrite:
        return _fresh(s3, ((s3._at.wanted(name), many.local_name(name, s3._at)) for name in names), to)
    return s3.download(names, to)


def _recursive(
    here: Here, s3: S3, names: list[Any] | None, to: Any, no_overwrite: bool, dry_run: bool
) -> Results | Plan:
    prefixes = names or [None]
    if dry_run:
        return plan("get", ((o.url, o.size) for name in prefixes for o in s3.iter_list(name)))
    to = _kept(here, to)
    if to is None:
        return s3.get_recursive(prefixes)
    if no_overwrite:
        return _fresh(s3, many.below(s3._core, [s3._at.prefix(key, slash=True) for key in prefixes]), to)
    return s3.download(prefixes, to, recursive=True)


def _fresh(s3: S3, items: Iterable[tuple[Wanted, str]], to: Any) -> Results:
    """Get objects into files below a folder, those left out whose file is there."""
    skipped: list[str] = []

    def fresh() -> Iterator[tuple[Wanted, str]]:
        for wanted, name in items:
            try:
                path = key_to_path(to, name)
            except UnsafeKey:
                path = ""  # it fails by name where the others are got
            if path and os.path.lexists(path):
                skipped.append(path)
            else:
                yield wanted, name

    return skipping(s3._land(fresh(), to), skipped)


def _get_recursive(parser: Parser) -> None:
    parser.take("keys", "prefix", "taken as a folder", nargs="*", metavar="PREFIX")
    parser.take("--to", "local", "keep the files there, under names below their prefix", metavar="FOLDER")
    no_clobber_option(parser)
    dry_run_option(parser)


def _run_get_recursive(here: Here, keys: Sequence[Any], to: Any, no_overwrite: bool, dry_run: bool) -> Results | Plan:
    s3, names = here.at(*here.keys(keys, keys_of))
    return _recursive(here, s3, names, to, no_overwrite, dry_run)


def _get_all(parser: Parser) -> None:
    parser.take("--to", "local", "keep the files there, under names below the prefix", metavar="FOLDER")
    no_clobber_option(parser)
    dry_run_option(parser)


def _run_get_all(here: Here, to: Any, no_overwrite: bool, dry_run: bool) -> Results | Plan:
    if here.root is None:
        raise here.usage(
            "all of what? Say --root s3://bucket/prefix" + ("" if here.session.lazy else ", or %s3 use first")
        )
    return _recursive(here, here.client(here.root), None, to, no_overwrite, dry_run)


VERBS = (
    Verb("get", _GROUP, "get one object", _get, _run_get,
         ("get s3://bucket/a.csv", "get s3://bucket/a.csv --to data/", "get s3://bucket/big --offset 1000 --length 200")),
    Verb("get_many", _GROUP, "get many objects at once, in order", _get_many, _run_get_many,
         ("get_many s3://bucket/a.csv s3://bucket/b.csv", "get_many s3://bucket/a s3://bucket/b --to data"), body="keys"),
    Verb("get_recursive", _GROUP, "get all objects below prefixes", _get_recursive, _run_get_recursive,
         ("get_recursive s3://bucket/logs", "get_recursive s3://bucket/logs --to logs --dry-run"), body="keys"),
    Verb("get_all", _GROUP, "get all objects below the current prefix", _get_all, _run_get_all,
         ("get_all --root s3://bucket/logs", "get_all --root s3://bucket/logs --to logs")),
)  # fmt: skip
