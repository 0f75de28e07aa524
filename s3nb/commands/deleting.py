"""Verbs that delete, in S3 and here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from s3nb.client import S3
from s3nb.commands.lines import keys_of
from s3nb.commands.options import dry_run_option, literal_option, yes_option
from s3nb.commands.parser import Parser, Verb, span
from s3nb.commands.results import Plan, plan
from s3nb.commands.session import Here
from s3nb.errors import (
    AccessDenied,
    LocalFileNotFound,
    ObjectNotFound,
    S3Error,
    bulk_error,
)
from s3nb.model import Results, S3GetObject, S3Object
from s3nb.text import plural, size_text, visible
from s3nb.transfer.journal import clean
from s3nb.uri import parse

_GROUP = "move and tidy"
_LOOKED = 20  # keys of a line to be deleted that are looked for first


def _rm(parser: Parser) -> None:
    parser.take("keys", "key", "key, URL, or pattern with * ? [ ] **", nargs="*", metavar="KEY")
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below each KEY, taken as a folder")
    parser.add_argument("-f", "--force", action="store_true", help="do not look first whether each KEY is there")
    parser.add_argument("--version-id", metavar="ID", help="one version, for good (with one KEY)")
    literal_option(parser)
    dry_run_option(parser)
    yes_option(parser)


def _run_rm(
    here: Here, keys: Sequence[Any], recursive: bool, force: bool, version_id: str | None, literal: bool, dry_run: bool,
    yes: bool,
) -> Any:  # fmt: skip
    s3, names = here.at(*here.keys(keys, keys_of))
    if version_id is not None:
        if len(names) != 1 or recursive:
            raise here.usage("--version-id goes with one KEY, and not with -r")
        names = [S3GetObject(getattr(names[0], "key", names[0]), version_id=version_id)]
        literal = force = True
    if recursive:
        return _remove_below(here, s3, names, dry_run, yes)
    found = list(here.matched(s3, names, literal=literal))
    if not force and len(names) <= _LOOKED and (yes or dry_run or not here.nobody_answers):
        found = _looked_for(s3, found)
    absent = [f for f in found if isinstance(f, S3Error)]
    there = [f for f in found if not isinstance(f, S3Error)]
    if there or not absent:
        shown = [f if isinstance(f, str) else getattr(f, "url", None) or f.key for f in there]
        if dry_run:
            return plan("delete", ((url, getattr(f, "size", None)) for url, f in zip(shown, there, strict=True)))
        what = visible(str(shown[0]), 200) if len(there) == 1 else plural(len(there), "object")
        here.confirm(f"delete {what}" + (f", version {visible(version_id, 60)}, for good" if version_id else ""), yes)
        done = s3.delete_many(there)
        if not absent:
            return done
        rest = iter(done)
        raise bulk_error("delete", Results((f if isinstance(f, S3Error) else next(rest) for f in found), verb="delete"))
    raise absent[0] if len(absent) == 1 else bulk_error("delete", Results(absent, verb="delete"))


def _looked_for(s3: S3, found: list[Any]) -> list[Any]:
    """Return what S3 has of each key that was named, an error in place of one that it has not. A HEAD each.

    S3 answers the deletion of a key that is not there as that of one that was; only a question before it tells.
    """
    named = [f for f in found if not (isinstance(f, S3Object) and f.exists)]
    try:
        facts = iter(s3.info_many(named, return_missing=True))
    except AccessDenied:
        return found  # who may delete need not be allowed to look
    looked = []
    for item in found:
        if isinstance(item, S3Object) and item.exists:
            looked.append(item)
            continue
        fact = next(facts)
        if not fact.exists:
            where = parse(fact.url)
            fact = ObjectNotFound(
                f"{visible(fact.url, 300)}: no such object, nothing was deleted",
                bucket=where.bucket, key=where.key, operation="HeadObject", code="NoSuchKey", status=404,
            )  # fmt: skip
        looked.append(fact)
    return looked


def _remove_below(here: Here, s3: S3, names: list[Any], dry_run: bool, yes: bool) -> Any:
    if dry_run:
        return plan("delete", ((o.url, o.size) for name in names for o in s3.iter_list(name)))
    if not yes:
        if here.nobody_answers:
            here.confirm(
                "delete all objects below " + ", ".join(visible(str(getattr(n, "url", n)), 100) for n in names), yes
            )
        seen = plan("delete", ((o.url, o.size) for name in names for o in s3.iter_list(name)))
        if seen.count:
            below = ", ".join(visible(str(getattr(n, "url", n)), 100) for n in names[:3])
            here.confirm(f"delete {plural(seen.count, 'object')} ({size_text(seen.size)}) below {below}", yes)
    return s3.delete_recursive(names)


def _abort(parser: Parser) -> None:
    parser.take("key", "prefix", "taken as a folder; default: the current prefix", nargs="?", metavar="PREFIX")
    parser.add_argument(
        "--older-than", type=span, default=86400.0, metavar="TIME", help="begun longer ago than this: 24h (default)"
    )
    yes_option(parser)


def _run_abort(here: Here, key: Any, older_than: float, yes: bool) -> Results:
    if key is None and here.root is None:
        raise here.usage("PREFIX is missing: an s3:// URL")
    s3, (name,) = here.at(key)
    where = visible(here.url(name or ""), 200)
    here.confirm(f"abort uploads below {where} that are not finished", yes)
    return Results(s3.abort_incomplete(name, older_than=older_than), verb="abort")


def _clean(parser: Parser) -> None:
    parser.take("folder", "local", "default: the current folder", nargs="?", default=".", metavar="FOLDER")
    parser.add_argument("-r", "--recursive", action="store_true", help="and all folders below it")
    dry_run_option(parser)


def _run_clean(here: Here, folder: Any, recursive: bool, dry_run: bool) -> Plan | Results:
    if not os.path.isdir(folder):
        raise LocalFileNotFound(f"no such folder: {visible(str(folder))}")
    if dry_run:
        return plan(
            "remove", [(path, os.path.getsize(path)) for path in clean(folder, recursive=recursive, dry_run=True)]
        )
    return Results(clean(folder, recursive=recursive), verb="clean")


VERBS = (
    Verb("rm", _GROUP, "delete objects", _rm, _run_rm,
         ("rm s3://bucket/a.csv", "rm -r s3://bucket/old --dry-run", "rm s3://bucket/tmp/*.part --yes"), body="keys"),
    Verb("abort_incomplete", _GROUP, "drop uploads that were begun and not ended", _abort, _run_abort,
         ("abort_incomplete s3://bucket --older-than 7d --yes",)),
    Verb("clean", _GROUP, "remove what killed downloads have left in a folder", _clean, _run_clean,
         ("clean data --dry-run", "clean -r data")),
)  # fmt: skip
