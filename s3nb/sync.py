"""Making one side like the other: a folder and a prefix, or two prefixes.

Both sides are read in the order in which S3 lists keys and compared as they come, so memory does not grow with what is equal.
Nothing is deleted before both have been read to the end, without an error, and everything that was to be copied is.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from s3nb import listings, many, plain, styled
from s3nb.addressing import Prefix
from s3nb.checksum import Expected, of_etag, of_part, of_parts
from s3nb.core import Core
from s3nb.errors import InvalidURL, LocalFileError, LocalFileNotFound, S3Error, UnsafeKey
from s3nb.listings import translate
from s3nb.mime import type_of
from s3nb.model import Results
from s3nb.text import size_text, visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import Doomed
from s3nb.transfer.journal import is_ours
from s3nb.transfer.local import Store, folding
from s3nb.transfer.placed import Placed
from s3nb.transfer.source import FileSource
from s3nb.transfer.task import Settled, Task
from s3nb.transfer.upload import PutTask
from s3nb.transfer.wanted import Wanted
from s3nb.uri import key_to_path

_EXACT = 1e-6  # seconds: what is lost when a time is kept as a float
_OLD = 3600.0  # seconds after which nobody makes another object of the same second, whatever clocks say
_DOUBT = 1.0  # seconds within which times tell nothing: S3 counts whole ones, and so do some file systems


class Entry(NamedTuple):
    """A file or an object: its name relative to its side, size in bytes, Unix time, and where it is."""

    name: str
    size: int
    modified: float
    where: str
    etag: str = ""


@dataclass(frozen=True)
class Synced:
    """What a `S3.sync` did, or with ``dry_run`` would do.

    Attributes
    ----------
    copied, deleted : list of str
        Names relative to both sides.
    same : int
        Files that were left alone.
    size : int
        Bytes copied.
    dry_run : bool
        Nothing was done.
    """

    copied: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    same: int = 0
    size: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        return "\n".join([*(f"{r.state} {visible(r.name)}" for r in self._rows(None)), self._total()])

    def _count(self) -> int:
        return len(self.copied) + len(self.deleted)

    def _rows(self, limit: int | None) -> list[plain.Row]:
        did, gone = ("would copy", "would delete") if self.dry_run else ("copied", "deleted")
        both = ((word, name) for word, names in ((did, self.copied), (gone, self.deleted)) for name in names)
        return [plain.Row(word, name) for word, name in islice(both, limit)]

    def _total(self) -> str:
        if self.dry_run:
            return f"would copy {len(self.copied):,} and delete {len(self.deleted):,}; {self.same:,} are the same"
        size = f" ({size_text(self.size)})" if self.size else ""
        return f"{len(self.copied):,} copied{size}, {len(self.deleted):,} deleted, {self.same:,} were the same"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show what was done, in IPython."""
        return styled.bundle(self._table(), styled.grid(self._rows(styled.ROWS), self._count(), self._total()))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(printer, self, self._table())

    def _table(self) -> str:
        return plain.grid(self._rows(plain.ROWS), self._count(), self._total(), plain.width_of_output())


def local_entries(folder: str) -> Iterator[Entry]:
    """Yield the files below a folder as S3 would order their keys. Links to files are followed, to folders not."""

    def below(path: str, name: str) -> Iterator[Entry]:
        try:
            found = sorted(os.scandir(path), key=lambda e: os.fsencode(e.name) + (b"/" if _is_folder(e) else b""))
        except OSError as exc:
            many.raise_local(exc)
        for entry in found:
            if _is_folder(entry):
                yield from below(entry.path, f"{name}{entry.name}/")
            elif not is_ours(entry.name):
                try:
                    facts = entry.stat()
                except FileNotFoundError:
                    continue  # gone meanwhile, or a link to nowhere
                if stat.S_ISREG(facts.st_mode):
                    yield Entry(name + entry.name, facts.st_size, facts.st_mtime, entry.path)

    return below(folder, "")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def object_entries(core: Core, prefix: Prefix, include: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield the objects below a prefix, without the markers of folders; what no pattern of ``include`` matches may be left out."""
    narrow, skip = listings.narrowed(prefix, include) if include else (prefix, None)
    for found in listings.objects(core, narrow, skip=skip):
        if not found.key.endswith("/"):
            name = found.key[len(prefix.key) :]
            yield Entry(name, found.size, found.last_modified or 0.0, found.key, found.etag or "")


def chosen(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Return the test whether a name is to be looked at: matches ``include``, if given, and no ``exclude``."""
    wanted = [re.compile(translate(p)) for p in include]
    unwanted = [re.compile(translate(p)) for p in exclude]

    def choose(name: str) -> bool:
        return (not wanted or any(p.fullmatch(name) for p in wanted)) and not any(p.fullmatch(name) for p in unwanted)

    return choose


def merged(ours: Iterable[Entry], theirs: Iterable[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Pair the entries of two sides by name, in order; None where a side has none."""
    left, right = iter(ours), iter(theirs)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and _order(a) < _order(b)):
            yield a, None
            a = next(left, None)
        elif a is None or _order(b) < _order(a):
            yield None, b
            b = next(right, None)
        else:
            yield a, b
            a, b = next(left, None), next(right, None)


def _order(entry: Entry) -> bytes:
    return entry.name.encode("utf-8", "surrogateescape")


def same_bytes(path: str, etag: str, part_size: int) -> bool:
    """Say whether a file has the bytes that an ETag stands for; False if the ETag does not tell. Reads the file."""
    want = of_etag({"etag": etag})
    if not want.value:
        return False
    size = os.path.getsize(path)
    length = part_size if want.parts else max(size, 1)
    if want.parts and -(-size // length) != want.parts:
        return False
    with open(path, "rb") as file:
        if not want.parts:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == want.value
        whole = Expected("etag", "", "md5", want.parts)
        return of_parts(whole, [of_part(whole, [file.read(length)]) for _ in range(want.parts)]) == want.value


class Sync:
    """One run: ``source`` and ``target`` are a local folder (str) or a `Prefix`, not both folders."""

    def __init__(
        self,
        core: Core,
        source: str | Prefix,
        target: str | Prefix,
        store: Store,
        *,
        checksum: bool,
        include: Sequence[str],
        exclude: Sequence[str],
        encryption: str | None,
    ) -> None:
        self._core = core
        self._source = source
        self._target = target
        self._store = store
        self._checksum = checksum
        self._include = include
        self._choose = chosen(include, exclude)
        self._headers: tuple[tuple[str, str], ...] = (
            (("x-amz-server-side-encryption", encryption),) if encryption else ()
        )
        self._copied: list[str] = []
        self._extra: list[Entry] = []
        self._same = 0
        self._size = 0
        self._deletes = self._dry = False
        self._fold: Callable[[str], str] | None = None  # if the target takes several names for the same
        self._names: dict[str, str] = {}  # of the source, by what it takes them for

    def run(self, setting: Any, *, delete: bool, dry_run: bool) -> Synced:
        """Copy what differs, then delete what is too much."""
        self._deletes, self._dry = delete, dry_run
        if isinstance(self._source, str) and not os.path.isdir(self._source):
            raise LocalFileNotFound(f"no such folder: {visible(self._source)}")
        self._refuse_overlap()
        if dry_run:
            for _ in self._different():
                pass
        else:
            self._copy(setting)
        fold = self._fold
        if fold is not None:  # what was written, or is the same, under another spelling is no other file
            self._extra = [e for e in self._extra if fold(e.name) not in self._names]
        gone = [e.name for e in self._extra] if delete else []
        if delete and not dry_run:
            self._delete(setting)
        return Synced(self._copied, gone, self._same, self._size, dry_run)

    def _entries(self, side: str | Prefix) -> Iterator[Entry]:
        if isinstance(side, Prefix):
            found = object_entries(self._core, side, self._include)
        else:
            found = local_entries(side) if os.path.isdir(side) else iter(())
        return (entry for entry in found if self._choose(entry.name))

    def _different(self) -> Iterator[Entry]:
        for ours, theirs in merged(self._entries(self._source), self._entries(self._target)):
            if ours is None:
                assert theirs is not None
                self._refuse(theirs, self._target, self._source)
                self._extra.append(theirs)
                continue
            self._refuse(ours, self._source, self._target)
            if self._fold is not None and self._names.setdefault(self._fold(ours.name), ours.name) != ours.name:
                yield ours  # under a name that another one has: a failure of its own
                continue
            if theirs is not None and self._equal(ours, theirs):
                self._same += 1
            else:
                self._copied.append(ours.name)
                self._size += ours.size
                yield ours

    def _refuse(self, entry: Entry, side: str | Prefix, other: str | Prefix) -> None:
        """Raise for an object of both sides: it would be copied below itself without end, or deleted though it is wanted."""
        if isinstance(side, str) or isinstance(other, str) or side == other or side.bucket != other.bucket:
            return
        inside = other.key.startswith(side.key) and entry.where.startswith(other.key)
        if inside and (side is self._source or self._deletes):
            raise InvalidURL(
                f"{visible(f's3://{side.bucket}/{entry.where}', 300)} is on both sides of this sync: exclude it",
                bucket=side.bucket, key=entry.where,
            )  # fmt: skip

    def _refuse_overlap(self) -> None:
        """Raise, before anything is done, if a side lies in the other and is not excluded."""
        source, target = self._source, self._target
        if isinstance(source, Prefix) and isinstance(target, Prefix):
            for side, other in ((source, target), (target, source)):
                name = other.key[len(side.key) :] + "x"
                if other.key.startswith(side.key) and self._choose(name):
                    self._refuse(Entry(name, 0, 0.0, other.key), side, other)

    def _equal(self, ours: Entry, theirs: Entry) -> bool:
        if ours.size != theirs.size:
            return False
        if ours.etag and theirs.etag:
            return ours.etag == theirs.etag or (not self._checksum and ours.modified < theirs.modified)
        newer = ours.modified - theirs.modified
        if not self._checksum and not _EXACT < newer <= _DOUBT:
            return newer <= _EXACT
        path, etag = (ours.where, theirs.etag) if theirs.etag else (theirs.where, ours.etag)
        same = same_bytes(path, etag, self._core.config.part_size)
        if same and ours.etag and not self._dry and 0 < newer <= _DOUBT and time.time() - ours.modified > _OLD:
            os.utime(path, (ours.modified, ours.modified))  # of so old an object the time tells all
        return same

    def _copy(self, setting: Any) -> None:
        source, target = self._source, self._target
        landing = None if isinstance(target, Prefix) else many.Landing(Path(target), self._core.config)
        if landing is not None:
            os.makedirs(str(target), exist_ok=True)
            self._fold = folding(str(target))

        def make(scope: Scope, entry: Entry) -> Task:
            if isinstance(source, str):
                assert isinstance(target, Prefix)
                try:
                    return PutTask(scope, self._place(target, entry.name), FileSource(entry.where))
                except S3Error as exc:  # gone meanwhile: its own failure, and not that of all others
                    return Settled(scope, exc)
            if isinstance(target, Prefix):
                origin = From(source.bucket, entry.where, f"s3://{source.bucket}/{entry.where}")
                return CopyTask(scope, origin, self._place(target, entry.name))
            assert landing is not None
            if self._fold is not None and (first := self._names[self._fold(entry.name)]) != entry.name:
                return Settled(scope, self._met(source, entry, first))
            wanted = Wanted(source.bucket, entry.where, f"s3://{source.bucket}/{entry.where}", source.base)
            return landing.task(scope, wanted, entry.name, self._store, entry.modified)

        try:
            many.run(self._core, "sync", self._different(), make, setting, value=lambda _: None)
        finally:
            if landing is not None:
                landing.close()

    def _met(self, source: Prefix, entry: Entry, first: str) -> UnsafeKey:
        text = f"s3://{source.bucket}/{entry.where}: to the file system here its name is the same as {first}"
        return UnsafeKey(visible(text, 500), bucket=source.bucket, key=entry.where)

    def _place(self, target: Prefix, name: str) -> Placed:
        key = target.key + name
        headers = self._headers
        if isinstance(self._source, str):  # a copy has the type of what is copied
            headers = (("Content-Type", type_of(key)), *headers)
        return Placed(target.bucket, key, f"s3://{target.bucket}/{key}", headers)

    def _delete(self, setting: Any) -> Results | None:
        target = self._target
        if isinstance(target, Prefix):
            doomed = (Doomed(target.bucket, e.where, f"s3://{target.bucket}/{e.where}") for e in self._extra)
            return many.delete(self._core, doomed, setting)
        for entry in self._extra:
            path = key_to_path(target, entry.name)
            try:
                os.unlink(path)
            except OSError as exc:
                raise LocalFileError(f"cannot delete {visible(path)}: {exc.strerror}", errno=exc.errno) from exc
        return None
