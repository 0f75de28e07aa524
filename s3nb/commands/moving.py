"""Verbs that copy and move: to S3, from S3, within S3."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from s3nb.commands.looking import cat
from s3nb.commands.options import dry_run_option, literal_option, no_clobber_option, yes_option
from s3nb.commands.parser import Parser, Verb
from s3nb.commands.results import plan, skipping
from s3nb.commands.session import Here, pattern_of, relative
from s3nb.errors import (
    BulkError,
    LocalFileError,
)
from s3nb.many import local_files, typed
from s3nb.mime import type_of
from s3nb.model import Results, S3Object
from s3nb.sync import Synced, chosen
from s3nb.text import plural, visible
from s3nb.uri import is_s3, parse

_GROUP = "move and tidy"


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
    no_clobber_option(parser)
    literal_option(parser)
    dry_run_option(parser)


class Move(NamedTuple):
    """One object on its way: where from (a URL or a path), the name it keeps below the target, its size if known."""

    source: Any
    name: str
    size: int | None


def _is_remote(item: Any) -> bool:
    return is_s3(item) or isinstance(item, S3Object) or (hasattr(item, "key") and not isinstance(item, os.PathLike))


def _run_cp(here: Here, **arguments: Any) -> Any:
    if here.session.lazy and "-" in (arguments["target"], *arguments["sources"]):
        return _piped(here, **arguments)
    return Transfer(here, **arguments).run(remove=False)


def _piped(here: Here, sources: Sequence[Any], target: Any, literal: bool, no_overwrite: bool, **others: Any) -> Any:
    """Copy standard input to an object, or objects to standard output: in a shell both are called ``-``."""
    if any(others.values()):
        raise here.usage("- goes with --literal and -n only")
    if target == "-" and all(map(_is_remote, sources)):
        return cat(here, sources, literal)
    if list(sources) == ["-"] and _is_remote(target) and not target.endswith("/"):
        return here.client().put(target, sys.stdin.buffer, not no_overwrite, type_of(target))
    raise here.usage("- is standard input as the only SOURCE of an s3:// URL, or standard output as TARGET of some")


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
            raise here.no_url(target)
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
        moves, left = self._without_existing(moves)
        self._check(moves, remove)
        if left and not moves:
            return skipping(Results(verb=verb), left)
        try:
            results: Any = self._go(moves)
        except BulkError as exc:
            if remove:
                arrived = [m for m, r in zip(moves, exc.results, strict=False) if not isinstance(r, BaseException)]
                self._remove(arrived if len(exc.results) == len(moves) else [])
            raise
        if remove:
            skipped = set(results.skipped) if isinstance(results, Results) else set()
            self._remove([m for m in moves if self._place(m) not in skipped])
        return skipping(results, left) if left else results

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

    def _without_existing(self, moves: list[Move]) -> tuple[list[Move], list[str]]:
        """Return what is to be moved, and the targets that are there already; what is put is asked for when it is put."""
        if not self._no_overwrite or (self._to_s3 and not self._from_s3):
            return moves, []
        places = [self._place(move) for move in moves]
        if self._to_s3:
            there = [found.exists for found in self._s3.info_many(places, return_missing=True)]
        else:
            there = [os.path.lexists(place) for place in places]
        skipped = [place for place, is_there in zip(places, there, strict=True) if is_there]
        return [move for move, is_there in zip(moves, there, strict=True) if not is_there], skipped

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
            return self._s3.put_files(list(typed((self._place(m), m.source) for m in moves)), not self._no_overwrite)
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
    dry_run_option(parser)
    yes_option(parser)


def _run_sync(here: Here, source: Any, target: Any, delete: bool, dry_run: bool, yes: bool, **options: Any) -> Synced:
    if not (_is_remote(source) or _is_remote(target)):
        raise here.no_url(target)
    s3 = here.client()
    if delete and not dry_run and not yes:
        gone = s3.sync(source, target, delete=True, dry_run=True, **options).deleted
        if gone:
            here.confirm(f"delete {plural(len(gone), 'object')} from {visible(str(target), 200)}", yes)
    return s3.sync(source, target, delete=delete, dry_run=dry_run, **options)


VERBS = (
    Verb("cp", _GROUP, "copy: to S3, from S3, within S3", _cp, _run_cp,
         ("cp a.csv s3://bucket/data/", "cp -r s3://bucket/logs logs", "cp s3://bucket/logs/*.gz logs/",
          "cp s3://bucket/a s3://other/b")),
    Verb("mv", _GROUP, "move: copy, then delete what has arrived", _cp, _run_mv,
         ("mv s3://bucket/a s3://bucket/b", "mv -r results s3://bucket/results")),
    Verb("sync", _GROUP, "make a prefix like a folder, the other way, or like another", _sync, _run_sync,
         ("sync results s3://bucket/results", "sync s3://bucket/results results --delete --dry-run")),
)  # fmt: skip
