"""Verbs that move bytes, and those that delete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from s3nb.client import S3
from s3nb.commands.lines import Word, keys_of, pairs_of
from s3nb.commands.looking import literal_option
from s3nb.commands.parser import Parser, Verb, name_and_value, span, whole
from s3nb.commands.results import Plan, plan
from s3nb.commands.session import Here, pattern_of, relative
from s3nb.errors import (
    AccessDenied,
    BulkError,
    LocalFileError,
    LocalFileNotFound,
    ObjectNotFound,
    S3Error,
    bulk_error,
)
from s3nb.many import local_files
from s3nb.model import Results, S3GetObject, S3Object, S3PutObject
from s3nb.sync import Synced, chosen
from s3nb.text import plural, size_text, visible
from s3nb.transfer.journal import clean
from s3nb.uri import is_s3, parse

_LOOKED = 20  # keys of a line to be deleted that are looked for first
_READ, _WRITE, _BOTH = "read", "write", "move and tidy"


def _dry_run(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _yes(parser: Parser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


# -- reading ------------------------------------------------------------------------------------------


def _get(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL", metavar="KEY")
    parser.take("--to", "local", "local file; a folder, if there is one or with a slash at its end", metavar="FILE")
    parser.add_argument("--offset", type=whole, metavar="N", help="first byte")
    parser.add_argument("--length", type=whole, metavar="N", help="number of bytes; negative: the last ones")
    parser.add_argument("--version-id", metavar="ID", help="one version")
    parser.add_argument("--return-missing", action="store_true", help="a missing object is a result, not an error")


def _run_get(
    here: Here, key: Any, to: Any, offset: int | None, length: int | None, version_id: str | None, return_missing: bool
) -> S3Object:
    s3, (name,) = here.at(key)
    wanted = name if offset is None and length is None else S3GetObject(name, offset, length)
    to = _kept(here, to)
    if to is None or return_missing:
        return s3.get(wanted, return_missing, version_id=version_id)
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
    _dry_run(parser)


def _run_get_many(
    here: Here, keys: Sequence[Any], to: Any, recursive: bool, return_missing: bool, dry_run: bool
) -> Results | Plan:
    s3, names = here.at(*here.keys(keys, keys_of))
    if return_missing and (to is not None or recursive):
        raise here.usage("--return-missing goes with neither --to nor -r")
    if recursive:
        return _recursive(here, s3, names, to, dry_run)
    if dry_run:
        return plan("get", ((o.url, o.size) for o in s3.info_many(names, return_missing=True) if o.exists))
    to = None if return_missing else _kept(here, to)
    return s3.get_many(names, return_missing) if to is None else s3.download(names, to)


def _recursive(here: Here, s3: S3, names: list[Any] | None, to: Any, dry_run: bool) -> Results | Plan:
    prefixes = names or [None]
    if dry_run:
        return plan("get", ((o.url, o.size) for name in prefixes for o in s3.iter_list(name)))
    to = _kept(here, to)
    return s3.get_recursive(prefixes) if to is None else s3.download(prefixes, to, recursive=True)


def _get_recursive(parser: Parser) -> None:
    parser.take("keys", "prefix", "taken as a folder", nargs="*", metavar="PREFIX")
    parser.take("--to", "local", "keep the files there, under names below their prefix", metavar="FOLDER")
    _dry_run(parser)


def _run_get_recursive(here: Here, keys: Sequence[Any], to: Any, dry_run: bool) -> Results | Plan:
    s3, names = here.at(*here.keys(keys, keys_of))
    return _recursive(here, s3, names, to, dry_run)


def _get_all(parser: Parser) -> None:
    parser.take("--to", "local", "keep the files there, under names below the prefix", metavar="FOLDER")
    _dry_run(parser)


def _run_get_all(here: Here, to: Any, dry_run: bool) -> Results | Plan:
    if here.root is None:
        raise here.usage(
            "all of what? Say --root s3://bucket/prefix" + ("" if here.session.lazy else ", or %s3 use first")
        )
    return _recursive(here, here.client(here.root), None, to, dry_run)


# -- writing ------------------------------------------------------------------------------------------


def _put(parser: Parser) -> None:
    parser.take("key", "key", "key or s3:// URL; with a slash at its end, FILE is put below it", metavar="KEY")
    parser.take(
        "source", "local", "a local file (- is standard input); a $value is stored itself", metavar="FILE", nargs="?"
    )
    parser.add_argument("--text", metavar="TEXT", help="store these characters")
    parser.add_argument("--content-type", metavar="TYPE", help="MIME type")
    parser.add_argument(
        "--metadata", type=name_and_value, action="append", metavar="NAME=VALUE", help="may be repeated"
    )
    parser.add_argument("--storage-class", metavar="CLASS", help="e.g. STANDARD_IA")
    parser.add_argument("--encryption", metavar="NAME", help="e.g. AES256, aws:kms")
    parser.add_argument("--no-overwrite", action="store_true", help="leave alone what is there")


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
        content_type,
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
    parser.add_argument("--no-overwrite", action="store_true", help="leave alone what is there")
    _dry_run(parser)


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
    found = (pair for source in files for pair in local_files(source, below))
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


# -- cp, mv, sync ---------------------------------------------------------------------------------------


def _filters(parser: Parser) -> None:
    parser.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="only names that match; may be repeated"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="no names that match; may be repeated"
    )


def _cp(parser: Parser) -> None:
    parser.take("sources", "either", "s3:// URL or local path; patterns with * ? [ ] **", nargs="+", metavar="SOURCE")
    parser.take("target", "either", "the same; a slash at its end: a folder", metavar="TARGET")
    parser.add_argument("-r", "--recursive", action="store_true", help="all that is below each SOURCE")
    _filters(parser)
    parser.add_argument("--no-overwrite", action="store_true", help="leave alone what is there")
    literal_option(parser)
    _dry_run(parser)


class Move(NamedTuple):
    """One object on its way: where from (a URL or a path), the name it keeps below the target, its size if known."""

    source: Any
    name: str
    size: int | None


def _is_remote(item: Any) -> bool:
    return is_s3(item) or isinstance(item, S3Object) or (hasattr(item, "key") and not isinstance(item, os.PathLike))


def _run_cp(here: Here, **arguments: Any) -> Any:
    return Transfer(here, **arguments).run(remove=False)


def _run_mv(here: Here, **arguments: Any) -> Any:
    return Transfer(here, **arguments).run(remove=True)


class Transfer:
    """One ``cp`` or ``mv``: what goes where is decided first, then done by the client's many-operations."""

    def __init__(
        self, here: Here, sources: Sequence[Any], target: Any, recursive: bool, include: list[str], exclude: list[str],
        no_overwrite: bool, literal: bool, dry_run: bool,
    ) -> None:  # fmt: skip
        self._here = here
        self._sources = [source.url if isinstance(source, S3Object) else source for source in sources]
        self._target = target
        self._recursive = recursive
        self._choose = chosen(include, exclude)
        self._no_overwrite = no_overwrite
        self._literal = literal
        self._dry_run = dry_run
        self._s3 = here.client()
        remote = {_is_remote(source) for source in self._sources}
        if len(remote) == 2:
            raise here.usage("all SOURCEs are s3:// URLs, or all are local paths")
        self._from_s3 = remote == {True}
        self._to_s3 = _is_remote(target)
        if not self._from_s3 and not self._to_s3:
            raise here.usage("neither SOURCE nor TARGET is an s3:// URL")
        if self._to_s3:
            url = target.url if isinstance(target, S3Object) else str(target)
            self._into = url.endswith("/") or not parse(url).key or recursive or len(self._sources) > 1
            self._url = url
        else:
            self._into = (
                os.path.isdir(target) or os.fspath(target).endswith(("/", os.sep)) or recursive or len(sources) > 1
            )
        if not self._into and any(
            pattern_of(source) is not None and self._from_s3 and not literal for source in self._sources
        ):
            self._into = True

    def run(self, remove: bool) -> Any:
        """Do it; with ``remove``, remove each source that has arrived."""
        moves = list(self._moves())
        verb = "move" if remove else "copy"
        if self._dry_run:
            return plan(verb, ((f"{m.source} to {self._place(m)}", m.size) for m in moves))
        moves = self._without_existing(moves)
        self._check(moves, remove)
        try:
            results: Any = self._go(moves)
        except BulkError as exc:
            if remove:
                arrived = [m for m, r in zip(moves, exc.results, strict=False) if not isinstance(r, BaseException)]
                self._remove(arrived if len(exc.results) == len(moves) else [])
            raise
        if remove:
            skipped = set(getattr(results, "skipped", ()))
            self._remove([m for m in moves if self._place(m) not in skipped])
        return results

    def _moves(self) -> Iterator[Move]:
        for source in self._sources:
            yield from self._remote(source) if self._from_s3 else self._local(source)

    def _remote(self, source: Any) -> Iterator[Move]:
        if not isinstance(source, str):
            yield Move(source.key, source.key.rpartition("/")[2], None)
            return
        pattern = None if self._literal else pattern_of(source)
        found: Iterable[S3Object]
        if pattern is not None:
            found = self._here.matched(self._s3, [source], literal=False)
            if "**" not in pattern:  # as in a shell, names keep their last part only
                found = (relative(o, f"{o.url.rpartition('/')[0]}/") for o in found)
        elif self._recursive:
            found = self._s3.iter_list(source)
        else:
            name = source.rpartition("/")[2]
            if not name:
                raise self._here.usage(f"{visible(source, 200)} is a prefix: say -r for all that is below it")
            yield Move(str(source), name, None)
            return
        for item in found:
            if not item.url.endswith("/") and self._choose(item.key):
                yield Move(item.url, item.key, item.size)

    def _local(self, source: Any) -> Iterator[Move]:
        path = Path(source)
        if path.is_dir():
            if not self._recursive:
                raise self._here.usage(f"{visible(str(path), 200)} is a folder: say -r for all that is below it")
            for name, file in local_files(path, None):
                if self._choose(name):
                    yield Move(file, name, file.stat().st_size)
        else:
            yield Move(path, path.name, path.stat().st_size if path.exists() else None)

    def _place(self, move: Move) -> str:
        """Return the URL or path of what it becomes."""
        if self._to_s3:
            return f"{self._url.rstrip('/')}/{move.name}" if self._into else self._url
        return os.path.join(self._target, move.name) if self._into else os.fspath(self._target)

    def _without_existing(self, moves: list[Move]) -> list[Move]:
        if not self._no_overwrite:
            return moves
        if self._to_s3 and self._from_s3:
            raise self._here.usage("--no-overwrite goes with copies from here to S3 and back, not within S3")
        return moves if self._to_s3 else [m for m in moves if not os.path.lexists(self._place(m))]

    def _check(self, moves: list[Move], remove: bool) -> None:
        if self._from_s3 and self._to_s3:
            for move in moves:
                if move.source == self._place(move):
                    raise self._here.usage(f"{visible(str(move.source), 200)} would be copied onto itself")

    def _go(self, moves: list[Move]) -> Any:
        one = len(moves) == 1 and not self._into
        if self._from_s3 and self._to_s3:
            pairs = [(m.source, self._place(m)) for m in moves]
            return self._s3.copy(*pairs[0]) if one else self._s3.copy_many(pairs)
        if self._to_s3:
            return self._s3.put_files([(self._place(m), m.source) for m in moves], not self._no_overwrite)
        if one:
            return self._s3.download_to(moves[0].source, self._target)
        os.makedirs(self._target, exist_ok=True)
        named = [S3Object(m.source[: len(m.source) - len(m.name)], m.source) for m in moves]
        return self._s3.download(named, self._target)

    def _remove(self, moves: list[Move]) -> None:
        if self._from_s3:
            self._s3.delete_many([m.source for m in moves])
            return
        for move in moves:
            try:
                os.unlink(move.source)
            except OSError as exc:
                raise LocalFileError(
                    f"copied, but cannot delete {visible(str(move.source))}: {exc.strerror}", errno=exc.errno
                ) from exc


def _sync(parser: Parser) -> None:
    parser.take("source", "either", "local folder, or s3:// URL taken as a folder", metavar="SOURCE")
    parser.take("target", "either", "the same; one of both is in S3", metavar="TARGET")
    parser.add_argument(
        "--delete", action="store_true", help="delete from TARGET what SOURCE has not, when all is copied"
    )
    parser.add_argument("--checksum", action="store_true", help="compare bytes with ETags instead of times")
    _filters(parser)
    _dry_run(parser)
    _yes(parser)


def _run_sync(here: Here, source: Any, target: Any, delete: bool, dry_run: bool, yes: bool, **options: Any) -> Synced:
    s3 = here.client()
    if delete and not dry_run and not yes:
        gone = s3.sync(source, target, delete=True, dry_run=True, **options).deleted
        if gone:
            here.confirm(f"delete {plural(len(gone), 'object')} from {visible(str(target), 200)}", yes)
    return s3.sync(source, target, delete=delete, dry_run=dry_run, **options)


# -- deleting -------------------------------------------------------------------------------------------


def _rm(parser: Parser) -> None:
    parser.take("keys", "key", "key, URL, or pattern with * ? [ ] **", nargs="*", metavar="KEY")
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below each KEY, taken as a folder")
    parser.add_argument("-f", "--force", action="store_true", help="do not look first whether each KEY is there")
    parser.add_argument("--version-id", metavar="ID", help="one version, for good (with one KEY)")
    literal_option(parser)
    _dry_run(parser)
    _yes(parser)


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
    _yes(parser)


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
    _dry_run(parser)


def _run_clean(here: Here, folder: Any, recursive: bool, dry_run: bool) -> Plan | Results:
    if not os.path.isdir(folder):
        raise LocalFileNotFound(f"no such folder: {visible(str(folder))}")
    if dry_run:
        return plan(
            "remove", [(path, os.path.getsize(path)) for path in clean(folder, recursive=recursive, dry_run=True)]
        )
    return Results(clean(folder, recursive=recursive), verb="clean")


VERBS = (
    Verb("get", _READ, "get one object", _get, _run_get,
         ("get s3://bucket/a.csv", "get s3://bucket/a.csv --to data/", "get s3://bucket/big --offset 1000 --length 200")),
    Verb("get_many", _READ, "get many objects at once, in order", _get_many, _run_get_many,
         ("get_many s3://bucket/a.csv s3://bucket/b.csv", "get_many s3://bucket/a s3://bucket/b --to data"), body="keys"),
    Verb("get_recursive", _READ, "get all objects below prefixes", _get_recursive, _run_get_recursive,
         ("get_recursive s3://bucket/logs", "get_recursive s3://bucket/logs --to logs --dry-run"), body="keys"),
    Verb("get_all", _READ, "get all objects below the current prefix", _get_all, _run_get_all,
         ("get_all --root s3://bucket/logs", "get_all --root s3://bucket/logs --to logs")),
    Verb("put", _WRITE, "put one object: a file, a text, a value", _put, _run_put,
         ("put s3://bucket/a.csv data/a.csv", "put s3://bucket/note.txt --text hello --content-type text/plain"), body="text"),
    Verb("put_many", _WRITE, "put many: keys and values; files and folders", _put_many, _run_put_many,
         ("put_many results/ --to s3://bucket/results",), body="pairs"),
    Verb("put_files", _WRITE, "put files and folders", _put_files, _run_put_files,
         ("put_files results/ --to s3://bucket/results", "put_files a.csv b.csv --to s3://bucket/data"), body="pairs"),
    Verb("cp", _BOTH, "copy: to S3, from S3, within S3", _cp, _run_cp,
         ("cp a.csv s3://bucket/data/", "cp -r s3://bucket/logs logs", "cp s3://bucket/logs/*.gz logs/",
          "cp s3://bucket/a s3://other/b")),
    Verb("mv", _BOTH, "move: copy, then delete what has arrived", _cp, _run_mv,
         ("mv s3://bucket/a s3://bucket/b", "mv -r results s3://bucket/results")),
    Verb("sync", _BOTH, "make a prefix like a folder, the other way, or like another", _sync, _run_sync,
         ("sync results s3://bucket/results", "sync s3://bucket/results results --delete --dry-run")),
    Verb("rm", _BOTH, "delete objects", _rm, _run_rm,
         ("rm s3://bucket/a.csv", "rm -r s3://bucket/old --dry-run", "rm s3://bucket/tmp/*.part --yes"), body="keys"),
    Verb("abort_incomplete", _BOTH, "drop uploads that were begun and not ended", _abort, _run_abort,
         ("abort_incomplete s3://bucket --older-than 7d --yes",)),
    Verb("clean", _BOTH, "remove what killed downloads have left in a folder", _clean, _run_clean,
         ("clean data --dry-run", "clean -r data")),
)  # fmt: skip
