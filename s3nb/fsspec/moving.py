"""Bytes: reading, writing, copying, removing; what is many goes at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from glob import has_magic
from pathlib import Path
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import make_path_posix
from fsspec.utils import isfilelike, stringify_path

from s3nb import fs, many
from s3nb.core import Operation
from s3nb.errors import DirectoryNotEmpty, InvalidRange, NotFound, ObjectExists, S3Error, UnsafeKey, bulk_error
from s3nb.files.plan import merge
from s3nb.fs.ask import is_a_directory, named, no_such
from s3nb.fs.change import delete_request
from s3nb.fs.tree import entries_at
from s3nb.fs.where import Spot
from s3nb.fsspec.looking import Looking
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import Doomed
from s3nb.transfer.download import GetTask
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.source import FileSource, source_of
from s3nb.transfer.task import Settled, Task
from s3nb.transfer.upload import PutTask
from s3nb.transfer.wanted import Wanted

_FRESH = (
    5.0  # seconds for which a thread is told once more, and once only, what kind of thing its last pattern has found
)
_TOLD = 200_000  # names of which that is known
_GAP = 64 * 1024  # bytes between two ranges that are fetched with them rather than apart


class Moving(Looking):
    """What moves and removes."""

    # -- many at once ----------------------------------------------------------------------------------

    def _run(self, verb: str, items: Iterable[Any], make: Callable[[Scope, Any], Task]) -> Iterator[tuple[Any, Any]]:
        """Run a task for each item, many at once; yield item and result, or error, in order."""
        with Operation(self._core, verb, None, False) as operation:
            scope = operation.scope
            for task in operation.window(items, lambda item: make(scope, item)).ordered():
                if isinstance(task.error, CancelledError):
                    raise task.error
                yield task.item, task.error if task.error is not None else task.result

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[list[tuple[Any, ...]]]:
        """Have fsspec expand paths, and keep what it would do with each."""
        todo: list[tuple[Any, ...]] = []
        self._collected.todo = todo
        self._collected.kinds = {}
        try:
            yield todo
        finally:
            self._collected.todo = self._collected.kinds = None

    def _collect(self, *what: Any) -> bool:
        todo = getattr(self._collected, "todo", None)
        if todo is None:
            return False
        todo.append(what)
        return True

    def glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        if not has_magic(stringify_path(path)):
            return super().glob(path, maxdepth=maxdepth, **options)
        detail = options.pop("detail", False)
        found = super().glob(path, maxdepth=maxdepth, detail=True, **options)
        kinds = getattr(self._collected, "kinds", None)
        told = {name: facts["type"] for name, facts in found.items()} if len(found) <= _TOLD else {}
        if kinds is None:
            self._collected.told = time.monotonic() + _FRESH, told
        else:
            kinds.update(told)
        return found if detail else list(found)

    def isdir(self, path: Any) -> bool:
        # fsspec asks it of each path that a pattern matches, one after the other: the listing has told
        kind = (getattr(self._collected, "kinds", None) or {}).get(path)
        if kind is None:
            until, told = getattr(self._collected, "told", (0.0, None))
            kind = told.pop(path, None) if told and time.monotonic() < until else None
        return super().isdir(path) if kind is None else kind == "directory"

    def invalidate_cache(self, path: Any = None) -> None:
        self._collected.told = 0.0, None
        super().invalidate_cache(path)

    @staticmethod
    def _settle(verb: str, outcome: list[Any]) -> None:
        failed = [o for o in outcome if isinstance(o, S3Error)]
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise bulk_error(verb, outcome)

    # -- reading ---------------------------------------------------------------------------------------

    def _wanted(self, path: Any, start: int | None, end: int | None, version_id: str | None = None) -> Wanted | None:
        """Say what to get for a slice; None if it is empty."""
        place = self._spot(path, version_id)
        if not place.names_file:
            raise is_a_directory(place) if self.isdir(path) else no_such(place)
        if (start is not None and start < 0 and end is not None) or (end is not None and end < 0):
            start, end, _ = slice(start, end).indices(self.info(path, version_id=version_id)["size"])
        if end is not None and end <= (start or 0):
            return None
        offset = None if start is None or start < 0 else start
        length = start if start is not None and start < 0 else None if end is None else end - (start or 0)
        return Wanted(
            place.bucket, place.key, place.url, offset=offset, length=length, version_id=version_id, info=False
        )  # fmt: skip

    def cat_file(
        self, path: Any, start: int | None = None, end: int | None = None, *, version_id: str | None = None, **_: Any
    ) -> bytes:
        """Return the bytes ``[start, end)`` of a file; negative ones count from its end. One GET; several if it is large."""
        wanted = self._wanted(path, start, end, version_id)
        if wanted is None:
            return b""
        try:
            return _bytes(self._core.run(GetTask(self._core.scope("get", 1), wanted, self._store)))
        except InvalidRange:
            return b""

    async def _cat_file(
        self, path: Any, start: int | None = None, end: int | None = None, *, version_id: str | None = None, **_: Any
    ) -> bytes:
        negative = (start is not None and start < 0 and end is not None) or (end is not None and end < 0)
        if negative:
            start, end, _step = slice(start, end).indices((await self._info(path, version_id=version_id))["size"])
        wanted = self._wanted(path, start, end, version_id)
        if wanted is None:
            return b""
        task = GetTask(self._core.scope("get", 1), wanted, self._store)
        try:
            found = await asyncio.wrap_future(many.submit(task, self))
        except InvalidRange:
            return b""
        return _bytes(found) if found.size <= 16 << 20 else await asyncio.to_thread(_bytes, found)

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """Return the bytes of a file; of several (a list, a pattern, a directory) a dict. Many at once.

        ``on_error``: raise, return (the error in its place), or omit.
        """
        if on_error not in ("raise", "return", "omit"):
            raise ValueError(f"on_error must be 'raise', 'return' or 'omit', not {on_error!r}")
        paths = self.expand_path(path, recursive=recursive)
        single = len(paths) == 1 and not isinstance(path, list) and paths[0] == self._strip_protocol(path)
        if single and not (recursive and self.isdir(path)):
            try:
                return self.cat_file(paths[0], **options)
            except S3Error as error:
                if on_error == "return":
                    return error
                raise
        if recursive:
            paths = [p for p in paths if self._spot(p).names_file]
        found = self._cat_all([(p, None, None) for p in paths])
        if recursive:
            folders = set(self._directories([(p,) for p in paths], found))
            paths = [p for n, p in enumerate(paths) if n not in folders]
            found = [data for n, data in enumerate(found) if n not in folders]
        if on_error == "raise":
            self._settle("cat", found)
        return {
            p: data
            for p, data in zip(paths, found, strict=True)
            if on_error != "omit" or not isinstance(data, Exception)
        }

    def _cat_all(self, pieces: list[tuple[Any, int | None, int | None]]) -> list[Any]:
        """Return the bytes of many slices, errors in their places."""
        out: list[Any] = [b""] * len(pieces)
        wanted: list[tuple[int, Wanted]] = []
        for n, piece in enumerate(pieces):
            try:
                want = self._wanted(*piece)
            except S3Error as error:  # a bucket's name, say
                out[n] = error
            else:
                if want is not None:
                    wanted.append((n, want))

        def make(scope: Scope, item: tuple[int, Any]) -> Task:
            return GetTask(scope, item[1], self._store)

        for (n, _), found in self._run("get", wanted, make):
            out[n] = (
                b"" if isinstance(found, InvalidRange) else found if isinstance(found, Exception) else _bytes(found)
            )
        return out

    def cat_ranges(
        self,
        paths: list[Any],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Return many slices of files, in order. Those close together are one request; all others go at once.

        Parameters
        ----------
        max_gap : int, optional
            Bytes between two slices that are rather fetched than skipped; default 64 KiB.
        on_error : {"return", "raise"}
        """
        if not isinstance(paths, list):
            raise TypeError(f"paths must be a list, not {type(paths).__name__}")
        starts = list(starts) if isinstance(starts, Iterable) else [starts] * len(paths)
        ends = list(ends) if isinstance(ends, Iterable) else [ends] * len(paths)
        if len(starts) != len(paths) or len(ends) != len(paths):
            raise ValueError("paths, starts and ends must be of one length")
        out: list[Any] = [b""] * len(paths)
        pieces: list[tuple[Any, int | None, int | None]] = []
        parts: list[list[tuple[int, int, int | None]]] = []  # of each piece: whose, where in it, how long
        by_path: dict[str, list[tuple[int, int, int]]] = {}
        for n, (path, start, end) in enumerate(zip(paths, starts, ends, strict=True)):
            if start is None or end is None or start < 0 or end < 0:
                pieces.append((path, start, end))
                parts.append([(n, 0, None)])
            elif start < end:
                by_path.setdefault(self._strip_protocol(path), []).append((start, end, n))
        for path, slices in by_path.items():
            for run in merge([(start, end) for start, end, _ in slices], _GAP if max_gap is None else max_gap):
                pieces.append((path, run.start, run.stop))
                parts.append(
                    [(slices[m][2], slices[m][0] - run.start, slices[m][1] - slices[m][0]) for m in run.members]
                )
        for data, members in zip(self._cat_all(pieces), parts, strict=True):
            for n, at, length in members:
                out[n] = data if isinstance(data, Exception) or length is None else data[at : at + length]
        if on_error == "raise":
            self._settle("cat", out)
        return out

    async def _cat_ranges(
        self, paths: list[Any], starts: Any, ends: Any, max_gap: int | None = None, **options: Any
    ) -> Any:
        options.pop("batch_size", None)
        return await asyncio.to_thread(self.cat_ranges, paths, starts, ends, max_gap, **options)

    def get_file(self, rpath: Any, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_: Any) -> None:
        """Copy a file to this machine: whole and verified, or not at all. A directory becomes a folder."""
        if outfile is None and isfilelike(lpath):
            outfile = lpath
        if outfile is not None:
            with self.open(rpath, "rb") as file:
                callback.set_size(file.size)
                while data := file.read(1 << 22):
                    outfile.write(data)
                    callback.relative_update(len(data))
        elif not self._collect(rpath, lpath):
            self._get_all([(rpath, lpath)], callback, single=True)

    def get(
        self, rpath: Any, lpath: Any, recursive: bool = False, callback: Any = DEFAULT_CALLBACK, **options: Any
    ) -> None:
        """Copy files to this machine, many at once; paths as fsspec has them. All are tried before one's failure is raised."""
        with self._collecting() as todo:
            super().get(rpath, lpath, recursive=recursive, **options)
        if not isinstance(lpath, list):
            _refuse_unsafe(todo, len(make_path_posix(os.fspath(lpath))))
        callback.set_size(len(todo))
        self._get_all(todo, callback)

    def _get_all(self, pairs: list[tuple[Any, ...]], callback: Any, *, single: bool = False) -> None:
        def make(scope: Scope, pair: tuple[Any, ...]) -> Task:
            place = self._spot(pair[0])
            path = Path(os.fspath(pair[1]))
            if path.is_dir() or not place.names_file:
                return Settled(scope, no_such(place))  # unless it is a directory, which is looked at below
            path.parent.mkdir(parents=True, exist_ok=True)
            wanted = Wanted(place.bucket, place.key, place.url)
            return GetTask(scope, wanted, self._store, many.local_target(path, path.name, self._core.config))

        outcome: list[Any] = []
        for _, found in self._run("get", pairs, make):
            outcome.append(found)
            if single and not isinstance(found, Exception):
                callback.set_size(found.size)
                callback.relative_update(found.size)
            elif not single:
                callback.relative_update(1)
        for n in self._directories(pairs, outcome):
            os.makedirs(pairs[n][1], exist_ok=True)
        self._settle("get", outcome)

    def _directories(self, pairs: list[tuple[Any, ...]], outcome: list[Any]) -> Iterator[int]:
        """Say which of those that were not found are directories, and take their failures back.

        Most of what is copied are files, so nobody asks before; of the others all are asked about together.
        """
        ask = self._asker("list")
        places = [(n, self._spot(pairs[n][0])) for n, found in enumerate(outcome) if isinstance(found, NotFound)]
        for n, first in [(n, ask.some(place)) for n, place in places if place.bucket]:
            if ask.found(first):
                outcome[n] = None
                yield n

    async def _get_file(self, rpath: Any, lpath: Any, callback: Any = DEFAULT_CALLBACK, **options: Any) -> None:
        await asyncio.to_thread(self.get_file, rpath, lpath, callback, **options)

    # -- writing ---------------------------------------------------------------------------------------

    def _placed(self, path: Any, mode: str = "overwrite", content_type: str | None = None) -> Placed:
        place = self._spot(path)
        if not place.names_file:
            raise is_a_directory(place)
        if mode not in ("overwrite", "create"):
            raise ValueError(f"mode must be 'overwrite' or 'create', not {mode!r}")
        self.invalidate_cache(path)
        headers = [("Content-Type", content_type or "binary/octet-stream")]
        return Placed(place.bucket, place.key, place.url, headers, exclusive=mode == "create")

    def pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **options: Any) -> None:
        """Make an object of bytes. One request if small. ``mode="create"``: only if there is none, else `FileExistsError`."""
        self._put_all([(path, value)], mode, source_of, **options)

    def pipe(self, path: Any, value: Any = None, **options: Any) -> None:
        """Make an object of bytes, or many of a dict, many at once."""
        if isinstance(path, (str, os.PathLike)):
            self.pipe_file(path, value, **options)
        elif isinstance(path, dict):
            self._put_all(list(path.items()), options.pop("mode", "overwrite"), source_of, **options)
        else:
            raise ValueError("path must be str or dict")

    def _put_all(
        self,
        items: list[tuple[Any, Any]],
        mode: str,
        source: Callable[[Any], Any],
        callback: Any = None,
        **options: Any,
    ) -> None:
        outcome: list[Any] = []

        def make(scope: Scope, item: tuple[Any, Any]) -> Task:
            return PutTask(scope, self._placed(item[0], mode, **options), source(item[1]))

        for (path, _), stored in self._run("put", items, make):
            if isinstance(stored, Stored) and stored.skipped:
                stored = named(self._spot(path), ObjectExists, "file exists")
            outcome.append(stored)
            if callback is not None:
                callback.relative_update(1)
        self._settle("put", outcome)

    async def _pipe_file(self, path: Any, value: Any, mode: str = "overwrite", **options: Any) -> None:
        task = PutTask(self._core.scope("put", 1), self._placed(path, mode, **options), source_of(value))
        stored = await asyncio.wrap_future(many.submit(task, self))
        if stored.skipped:
            raise named(self._spot(path), ObjectExists, "file exists")

    def put_file(
        self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **options: Any
    ) -> None:
        """Copy a file of this machine to S3: whole, or not at all. A folder becomes a directory if it is empty."""
        if self._collect(lpath, rpath):
            return
        lpath = os.fspath(lpath)
        if os.path.isdir(lpath):
            if not os.listdir(lpath):
                self.makedirs(rpath, exist_ok=True)
            return
        callback.set_size(os.path.getsize(lpath))
        self._put_all([(rpath, lpath)], mode, FileSource, **options)
        callback.relative_update(os.path.getsize(lpath))

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        mode: str = "overwrite",
        **options: Any,
    ) -> None:
        """Copy files of this machine to S3, many at once; paths as fsspec has them."""
        with self._collecting() as todo:
            super().put(lpath, rpath, recursive=recursive, maxdepth=maxdepth)
        callback.set_size(len(todo))
        files = []
        for local, remote in todo:
            if os.path.isdir(local):
                self.put_file(local, remote)
                callback.relative_update(1)
            else:
                files.append((remote, local))
        self._put_all(files, mode, FileSource, callback, **options)

    async def _put_file(self, lpath: Any, rpath: Any, callback: Any = DEFAULT_CALLBACK, **options: Any) -> None:
        await asyncio.to_thread(self.put_file, lpath, rpath, callback, **options)

    def touch(self, path: Any, truncate: bool = True, **_: Any) -> None:
        """Make an empty file. ``truncate=False``: one that is there stays as it is."""
        if truncate:
            self.pipe_file(path, b"")
        else:
            fs.touch(self._spot(path).text, client=self._client)
            self.invalidate_cache(path)

    async def _touch(self, path: Any, truncate: bool = True, **options: Any) -> None:
        await asyncio.to_thread(self.touch, path, truncate, **options)

    # -- copying, removing -----------------------------------------------------------------------------

    def _copy_task(self, scope: Scope, pair: tuple[Any, ...]) -> Task:
        source = self._spot(pair[0])
        place = self._spot(pair[1])
        if not source.names_file:
            return Settled(scope, no_such(source))
        self.invalidate_cache(pair[1])
        return CopyTask(scope, From(source.bucket, source.key, source.url), Placed(place.bucket, place.key, place.url))

    def cp_file(self, path1: Any, path2: Any, **_: Any) -> None:
        """Copy a file inside S3; an empty directory is made anew."""
        if not self._collect(path1, path2):
            self._copy_all([(path1, path2)], "raise")

    def copy(
        self,
        path1: Any,
        path2: Any,
        recursive: bool = False,
        maxdepth: int | None = None,
        on_error: str | None = None,
        **_: Any,
    ) -> None:
        """Copy files inside S3, many at once; paths as fsspec has them. ``on_error="ignore"``: of missing ones, say nothing."""
        with self._collecting() as todo:
            super().copy(path1, path2, recursive=recursive, maxdepth=maxdepth)
        self._copy_all(todo, on_error or ("ignore" if recursive else "raise"))

    def _copy_all(self, pairs: list[tuple[Any, ...]], on_error: str) -> None:
        outcome = [found for _, found in self._run("copy", pairs, self._copy_task)]
        for n in self._directories(pairs, outcome):
            source, target = (self._spot(path) for path in pairs[n])
            if not any(True for _ in entries_at(self._core, source)):  # nothing in it will make the other
                fs.makedirs(target.text, exist_ok=True, client=self._client)
        if on_error == "ignore":
            outcome = [found for found in outcome if not isinstance(found, NotFound)]
        self._settle("copy", outcome)

    async def _cp_file(self, path1: Any, path2: Any, **_: Any) -> None:
        await asyncio.to_thread(self.cp_file, path1, path2)

    def rm_file(self, path: Any) -> None:
        """Delete a file. Raises `FileNotFoundError` if there is none."""
        fs.remove(self._spot(path).text, client=self._client)
        self.invalidate_cache(path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete files; with ``recursive`` directories with all that is below. A thousand keys a request; refusals are raised."""
        paths = self.expand_path(path, recursive=recursive and maxdepth is not None, maxdepth=maxdepth)
        single: list[Spot] = []
        for name in paths:
            place = self._spot(name)
            if recursive and maxdepth is None and place.key and self.isdir(name):
                self._rmtree(name, place)
                if not self.isfile(name):
                    continue
            single.append(place)
        if len(single) == 1:
            self.rm_file(self._strip_protocol(single[0].text))
        elif single:
            ask = self._asker("delete")
            heads = [(place, ask.head(place)) for place in single if place.names_file]
            files = [place for place, head in heads if ask.found(head) is not None]
            if not recursive and len(files) < len(single):
                fs.remove(next(p for p in single if p not in files).text, client=self._client)  # says what is wrong
            many.delete(self._core, (Doomed(p.bucket, p.key, p.url) for p in files), False)
        for name in paths:
            self.invalidate_cache(name)

    def _rmtree(self, name: str, place: Spot) -> None:
        made = self._made.forget(name)
        try:
            fs.rmtree(place.text, client=self._client)
        except NotFound:
            if not made:
                raise

    async def _rm_file(self, path: Any, **_: Any) -> None:
        place = self._spot(path)
        ask = self._asker("delete")
        await asyncio.wrap_future(ask.head(place))
        await asyncio.wrap_future(ask.send(delete_request(place, None), lambda reply: None))
        self.invalidate_cache(path)

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        await asyncio.to_thread(self.rm, path, recursive, maxdepth)

    def mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        """Make a directory: with ``directory_markers`` as `s3nb.mkdir`.

        Else nothing is made in S3, as what is written makes it. This filesystem remembers it: `isdir`, `exists`, `info` and `ls`
        of it find an empty directory, until `rmdir` or `rm`. Listings of others do not show it.

        Raises
        ------
        FileExistsError
            It is there. (One LIST of one key.)
        """
        place = self._spot(path)
        if self._markers and place.key:
            make = fs.makedirs if create_parents else fs.mkdir
            make(place.text, client=self._client)
            self.invalidate_cache(path)
        elif place.key:
            if self.isdir(path):
                raise named(place, ObjectExists, "file exists")
            self._made.add(self._strip_protocol(path))
        else:
            fs.makedirs(place.text, exist_ok=True, client=self._client)

    def makedirs(self, path: Any, exist_ok: bool = False) -> None:
        """Make a directory, wherever it is; as `mkdir`. ``exist_ok``, and no markers: no request is made."""
        place = self._spot(path)
        if self._markers and place.key:
            fs.makedirs(place.text, exist_ok=exist_ok, client=self._client)
            self.invalidate_cache(path)
        elif not exist_ok or not place.key:
            self.mkdir(path)
        else:
            self._made.add(self._strip_protocol(path))

    def rmdir(self, path: Any) -> None:
        """Delete an empty directory."""
        name, place = self._strip_protocol(path), self._spot(path)
        if name in self._made and self._made.inside(name):
            raise named(place, DirectoryNotEmpty, "directory not empty")
        try:
            fs.rmdir(place.text, client=self._client)
        except NotFound:
            if name not in self._made:
                raise
        self._made.forget(name)
        self.invalidate_cache(path)

    async def _mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        await asyncio.to_thread(self.mkdir, path, create_parents)

    async def _makedirs(self, path: Any, exist_ok: bool = False) -> None:
        await asyncio.to_thread(self.makedirs, path, exist_ok)


def _refuse_unsafe(pairs: list[tuple[Any, ...]], top: int) -> None:
    """Raise, before a byte is moved, for keys that lead out of the folder, whose path has ``top`` characters, or to one file."""
    taken: dict[str, Any] = {}
    for remote, local in pairs:
        path = os.fspath(local)
        if ".." in path[top:].split("/"):
            raise UnsafeKey(f"no safe local path for the key {visible(repr(remote), 200)}: a part that is '..'")
        other = taken.setdefault(os.path.normpath(path), remote)
        if other.rstrip("/") != remote.rstrip("/"):
            raise UnsafeKey(
                f"no safe local path for the key {visible(repr(remote), 200)}: it is that of {visible(repr(other), 200)}"
            )


def _bytes(found: Any) -> bytes:
    """Take the bytes of a result, and let go of it."""
    data: bytes = found.blob
    found.release()
    return data
