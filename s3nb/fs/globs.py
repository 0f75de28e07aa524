"""Patterns, as the module `glob` has them. What stands before the first wildcard is asked of S3, not compared here."""

from __future__ import annotations

import glob as _glob
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from s3nb.client import S3
from s3nb.core import Core
from s3nb.fs.ask import Asker
from s3nb.fs.tree import Entry, entries_at
from s3nb.fs.where import Spot, core_of, in_bucket, local, spot
from s3nb.listings import translate
from s3nb.transfer import listing
from s3nb.uri import StrPath

_LITERAL = re.compile(r"(?:[^*?\[]|\[[*?\[]\])*")  # what has no wildcards, but for escaped ones
_ESCAPED = re.compile(r"\[([*?\[])\]")
_AHEAD = 8  # questions under way at once

Item = TypeVar("Item")
Asked = TypeVar("Asked")


def glob(
    pathname: Any,
    *,
    root_dir: StrPath | None = None,
    recursive: bool = True,
    include_hidden: bool = False,
    client: S3 | None = None,
) -> list[str]:
    """Return the paths of files and directories that match a shell pattern, by key.

    ``*``, ``?`` and ``[...]`` stay within a name, and pass over names that begin with a dot; ``**`` is any number of
    directories; a slash at the end: directories only. `glob.escape` makes wildcards literal.

    Requests: with ``**``, one flat listing of what begins as the pattern does before its first wildcard; without, one
    LIST for each directory that the pattern leads to, several at once.

    Parameters
    ----------
    root_dir : path, optional
        The pattern is relative to it, and so are the results.
    recursive : bool
        What ``**`` means; False: the same as ``*``. (The module `glob` has False by default.)
    include_hidden : bool
        Wildcards match names that begin with a dot, too.

    Returns
    -------
    list of str
        Empty if nothing matches.
    """
    return list(
        iglob(pathname, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden, client=client)
    )  # fmt: skip


def iglob(
    pathname: Any,
    *,
    root_dir: StrPath | None = None,
    recursive: bool = True,
    include_hidden: bool = False,
    client: S3 | None = None,
) -> Iterator[str]:
    """Yield what `glob` returns, lazily."""
    place = spot(pathname)
    root = None if root_dir is None else spot(root_dir)
    if place is None and root is None:
        where = local(pathname)
        return _glob.iglob(where, root_dir=root_dir, recursive=recursive, include_hidden=include_hidden)
    core = core_of(client, place, root)
    rules = Rules(recursive, include_hidden)
    if place is not None:
        in_bucket(place, "glob")
        head = place.text[: len(place.text) - len(place.key)]
        pattern, base = place.key, Spot(place.bucket, "", head)
    else:
        assert root is not None
        pattern, base, head = str(pathname), in_bucket(root, "glob"), ""
        base = Spot(base.bucket, base.prefix, base.text)
    return (head + found for found in Globber(core, base, rules).matches(pattern))


class Rules:
    """What the wildcards mean."""

    def __init__(self, recursive: bool, hidden: bool, *, fold: bool = False) -> None:
        self.recursive = recursive
        self._fold = fold
        self.flags = re.DOTALL | (re.IGNORECASE if fold else 0)
        name_start = r"(?!\.{1,2}(?:/|\Z))" if hidden else r"(?!\.)"
        self._start = name_start + r"(?=[^/])"
        self._name = self._start + "[^/]+"

    def deep(self, segment: str) -> bool:
        return self.recursive and segment == "**"

    def literal(self, segment: str) -> str | None:
        """Return the one name that a pattern matches; None if it matches several."""
        if not _LITERAL.fullmatch(segment) or (self._fold and segment.lower() != segment.upper()):
            return None
        return _ESCAPED.sub(r"\1", segment)

    def head(self, segment: str) -> str:
        """Return what all names begin with that a pattern matches."""
        found = _LITERAL.match(segment)
        return "" if found is None or self._fold else _ESCAPED.sub(r"\1", found[0])

    def leading(self, segments: list[str]) -> tuple[str, list[str]]:
        """Split off the names that are literal; they come back joined, with a slash at their end."""
        names: list[str] = []
        for n, segment in enumerate(segments):
            name = self.literal(segment)
            if name is None:
                return "".join(names), segments[n:]
            names.append(f"{name}/" if segment or n < len(segments) - 1 else "")
        return "".join(names), []

    def one(self, segment: str) -> str:
        """Return the regular expression of a name."""
        literal = self.literal(segment)
        if literal is not None:
            return re.escape(literal)
        start = r"(?=[^/])" if segment.startswith(".") else self._start
        return start + translate(re.sub(r"\*+", "*", segment))

    def all(self, segments: list[str]) -> re.Pattern[str]:
        """Return the regular expression of a path of names."""
        out = ""
        for n, segment in enumerate(segments):
            last = n == len(segments) - 1
            if self.deep(segment):
                out += f"(?:{self._name}(?:/{self._name})*)?" if last else f"(?:{self._name}/)*"
            else:
                out += self.one(segment) + ("" if last else "/")
        return re.compile(out, self.flags)


class Globber:
    """Finds what matches below a literal directory; yields paths relative to it."""

    def __init__(self, core: Core, base: Spot, rules: Rules) -> None:
        self._core = core
        self._base = base
        self._rules = rules

    def matches(self, pattern: str) -> Iterator[str]:
        """Yield the paths that match."""
        segments = pattern.split("/")
        if not any(self._rules.deep(s) for s in segments):
            yield from self._below("", segments)
            return
        literal = []
        while (name := self._rules.literal(segments[0])) is not None:
            literal.append(name + "/")
            segments.pop(0)
        yield from self._flat("".join(literal), segments)

    def _flat(self, at: str, segments: list[str]) -> Iterator[str]:
        """Match all keys below ``at``, and the directories that they make."""
        only_folders = segments[-1] == ""
        if only_folders:
            segments = segments[:-1]
        expected = self._rules.all(segments)
        head = self._rules.literal(segments[0]) if len(segments) > 1 else None
        head = head if head is not None else self._rules.head(segments[0])
        prefix = self._base.prefix + at
        line: list[str] = []  # the directories that the last key was in
        files: list[str] = []  # that matched, and may be directories as well: further keys begin as they do
        nothing = True
        for found in listing.objects(self._core.scope("glob"), self._base.bucket, prefix + head):
            *folders, name = found.key[len(prefix) :].split("/")
            if nothing and expected.fullmatch("") and at:
                yield at  # "dir/**" begins with the directory itself
            nothing = False
            key = "/".join([*folders, name])
            while files and not key.startswith(files[-1]):
                files.pop()
            for depth in range(1, len(folders) + 1):
                if folders[:depth] != line[:depth]:
                    path = "/".join(folders[:depth])
                    if expected.fullmatch(path):
                        if path not in files:
                            yield f"{at}{path}/" if only_folders else f"{at}{path}"
                    elif not only_folders and expected.fullmatch(path + "/"):
                        yield f"{at}{path}/"  # a ** at the end that stands for nothing
            line = folders
            if name and not only_folders and expected.fullmatch(key):
                files.append(key)
                yield f"{at}{key}"

    def _below(self, at: str, segments: list[str]) -> Iterator[str]:
        """Match level by level, without ``**``."""
        literal, rest = self._rules.leading(segments)
        at += literal
        if rest:
            yield from self._level(at, rest, self._asked(at, rest))
        else:
            path = at.removesuffix("/") if segments[-1] != "" else at
            ask = Asker(self._core, "glob")
            if ask.any(self._probe(ask, path)):
                yield path

    def _probe(self, ask: Asker, path: str) -> list[Future[Any]]:
        place = Spot(self._base.bucket, self._base.prefix + path, path)
        return [ask.head(place), ask.some(place)] if place.names_file else [ask.some(place)]

    def _asked(self, at: str, segments: list[str]) -> Iterator[Entry]:
        """Ask for the names in ``at`` that begin as the next one does."""
        prefix = self._base.prefix + at
        head = self._rules.head(segments[0])
        pages = listing.begun(self._core.scope("glob"), self._base.bucket, prefix + head, delimiter="/")
        return entries_at(self._core, Spot(self._base.bucket, prefix, prefix), pages, whole=False)

    def _level(self, at: str, segments: list[str], entries: Iterator[Entry]) -> Iterator[str]:
        expected = re.compile(self._rules.one(segments[0]), self._rules.flags)
        rest = segments[1:]
        matching = (e for e in entries if expected.fullmatch(e.name))
        if not rest:
            yield from dict.fromkeys(at + e.name for e in matching)
            return
        folders = (f"{at}{e.name}/" for e in matching if e.is_dir())
        if rest == [""]:
            yield from folders
            return
        literal, behind = self._rules.leading(rest)
        if behind:
            for folder, found in ahead(folders, lambda f: self._asked(f + literal, behind)):
                yield from self._level(folder + literal, behind, found)
            return
        ask = Asker(self._core, "glob")
        tail = literal if rest[-1] == "" else literal.removesuffix("/")
        for folder, asked in ahead(folders, lambda f: self._probe(ask, f + tail)):
            if ask.any(asked):
                yield folder + tail


def ahead(items: Iterable[Item], start: Callable[[Item], Asked]) -> Iterator[tuple[Item, Asked]]:
    """Yield each item with what ``start`` gave for it, in order; a few are started before it is their turn."""
    line: deque[tuple[Item, Asked]] = deque()
    for item in items:
        line.append((item, start(item)))
        if len(line) > _AHEAD:
            yield line.popleft()
    yield from line
