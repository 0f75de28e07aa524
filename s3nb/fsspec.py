"""A filesystem for fsspec, and so for pandas, dask, zarr, xarray, pyarrow, polars, duckdb: ``s3nb://bucket/key``.

After `register`, it serves ``s3://`` too. Synchronous calls run on s3nb's own core, without an event loop: they work in a
forked child, in threads, and inside a running loop. The coroutines (``_cat_file``, ``_info``, ...) await the same core's futures.

>>> import s3nb.fsspec, pandas
>>> s3nb.fsspec.register()
>>> pandas.read_parquet("s3://bucket/table.parquet", storage_options={"endpoint_url": "http://127.0.0.1:9000"})
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import register_implementation
from fsspec.asyn import AsyncFileSystem, get_loop
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem
from fsspec.utils import isfilelike, stringify_path

from s3nb import fs, many, session
from s3nb.client import S3
from s3nb.core import Core, Operation
from s3nb.errors import CredentialsError, InvalidRange, NotFound, ObjectExists, S3Error, UnsafeKey, bulk_error
from s3nb.files import S3Writer
from s3nb.files import open as open_file
from s3nb.files.plan import merge
from s3nb.fs.ask import Asker, StatResult, is_a_directory, named, no_such, stat_of, stat_of_directory
from s3nb.fs.change import delete_request
from s3nb.fs.look import stat_at
from s3nb.fs.tree import Entry, entries_at
from s3nb.fs.where import Spot
from s3nb.text import Masked, visible
from s3nb.transfer import listing
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import Doomed
from s3nb.transfer.download import GetTask
from s3nb.transfer.local import Store
from s3nb.transfer.source import FileSource, source_of
from s3nb.transfer.task import Settled, Task
from s3nb.transfer.upload import Placed, PutTask, Stored
from s3nb.transfer.wanted import Wanted
from s3nb.uri import parse

_SCHEME = re.compile(r"s3(?:nb|a|n)?:(?://|:)", re.IGNORECASE)
# Arguments of other S3 filesystems that mean nothing here: there is no block size and no cache to choose.
_NEEDLESS = frozenset({"default_block_size", "default_fill_cache", "default_cache_type", "default_cache_options", "cache_regions",
                       "max_concurrency", "fixed_upload_size", "use_ssl", "block_size", "cache_type", "cache_options", "fill_cache",
                       "size"})  # fmt: skip
_SECRET = ("secret", "token", "session_vars", "client_params")
_GAP = 64 * 1024  # bytes between two ranges that are fetched with them rather than apart
_COMPRESSIONS = {None: None, "infer": "infer", "gzip": "gzip", "bz2": "bz2", "xz": "xz", "zstd": "zstd"}


class _Kind(type(AsyncFileSystem)):  # type: ignore[misc]  # fsspec is not typed
    """Tells instances with a client or session of their own apart: fsspec goes by what arguments look like."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        own = [options[name] for name in ("client", "session") if options.get(name) is not None]
        if own:
            options["identity"] = "-".join(str(id(one)) for one in own)
        return super().__call__(*args, **options)


class S3nbFileSystem(AsyncFileSystem, metaclass=_Kind):  # type: ignore[misc]  # fsspec is not typed
    """Objects in S3, for whoever speaks fsspec.

    Parameters
    ----------
    key, secret, token : str, optional
        Credentials; default: the environment's, as boto3 finds them.
    anon : bool
        Do not sign.
    endpoint_url, profile, region, role, session, engine, config
        As for `s3nb.S3`.
    client_kwargs : dict, optional
        ``endpoint_url``, ``region_name``, and further arguments for ``boto3.Session.client``.
    client : S3, optional
        In place of all these.
    directory_markers : bool
        ``mkdir`` and ``makedirs`` make markers, so that empty directories can be there. Off by default, as the libraries that
        call them write files there next, and some that read take a marker for a file.
    use_listings_cache : bool
        Keep listings; off by default, as S3 answers with what is there now.
    listings_expiry_time : float, optional
        Seconds for which they are kept.

    Notes
    -----
    Arguments of s3fs about blocks and caches are taken and not needed. An unknown argument is an error.
    """

    protocol = ("s3nb", "s3", "s3a")
    root_marker = ""
    mirror_sync_methods = False  # the synchronous ones are no wrappers

    def __init__(
        self,
        *,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        anon: bool = False,
        endpoint_url: str | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
        client: S3 | None = None,
        directory_markers: bool = False,
        use_listings_cache: bool = False,
        listings_expiry_time: float | None = None,
        max_paths: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        batch_size: int | None = None,
        identity: str = "",
        **options: Any,
    ) -> None:
        if self._cached:
            return
        AbstractFileSystem.__init__(
            self,
            use_listings_cache=use_listings_cache,
            listings_expiry_time=listings_expiry_time,
            max_paths=max_paths,
        )
        self.asynchronous = asynchronous
        self.batch_size = batch_size
        self._given_loop = loop
        self._markers = directory_markers
        self._cache_listings = use_listings_cache
        self._given = client
        self._collected = threading.local()
        more = Masked(client_kwargs or {})
        found = Masked(options)
        for name in _NEEDLESS:
            found.pop(name, None)
        found["endpoint_url"] = endpoint_url or more.pop("endpoint_url", None)
        found["region"] = found.pop("region_name", None) or found.get("region") or more.pop("region_name", None)
        found["anonymous"] = anon or None
        if more:
            found["client_params"] = more
        if key is not None or secret is not None:
            found["session_vars"] = Masked(
                aws_access_key_id=key, aws_secret_access_key=_revealed(secret), aws_session_token=_revealed(token)
            )
        self._options = Masked({name: value for name, value in found.items() if value is not None})
        if client is None:
            session.client(**self._options)  # a wrong argument is an error now; makes no request
        self._store = Store(tempfile.gettempdir(), replace(self._client._config, memory_object=16 << 20))

    @property
    def _client(self) -> S3:
        return self._given if self._given is not None else session.client(**self._options)

    @property
    def _core(self) -> Core:
        return self._client._alive()

    @property
    def loop(self) -> Any:
        """The event loop that fsspec's own coroutines would run on; made when somebody asks."""
        return self._given_loop or get_loop()

    # -- as a value ------------------------------------------------------------------------------------

    @property
    def storage_options(self) -> Any:
        """The arguments it was made with. Shows no values."""
        return self._made_with

    @storage_options.setter
    def storage_options(self, options: dict[str, Any]) -> None:
        self._made_with = Masked(options)

    @property
    def fsid(self) -> str:
        """A name for the server and whoever asks it."""
        return f"s3nb_{self._options.get('endpoint_url') or 'aws'}"

    def __repr__(self) -> str:
        where = self._options.get("endpoint_url") or "AWS"
        return f"<S3nbFileSystem {where}>"

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return what `from_dict` makes it from again. Secrets stay in this process: a word stands for each."""
        made: dict[str, Any] = super().to_dict(include_password=include_password)
        for name in _SECRET:
            if isinstance(made.get(name), str):
                made[name] = _hidden(made[name])
        return made

    # -- names -----------------------------------------------------------------------------------------

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(p) for p in path]
        path = stringify_path(path)
        scheme = _SCHEME.match(path)
        return (path if scheme is None else path[scheme.end() :]).strip("/")

    def _spot(self, path: Any, version_id: str | None = None) -> Spot:
        path = self._strip_protocol(path)
        if not path:
            return Spot("", "", "s3://")
        bucket, key = parse(f"s3://{path}")
        return Spot(bucket, key, f"s3://{path}", version_id)

    def _asker(self, verb: str) -> Asker:
        return Asker(self._core, verb)

    # -- looking ---------------------------------------------------------------------------------------

    def info(self, path: Any, *, version_id: str | None = None, refresh: bool = False, **_: Any) -> dict[str, Any]:
        """Return name, size and type of a file or directory, and LastModified, ETag, StorageClass, VersionId, ContentType.

        One HEAD; for a directory one LIST of one key more. What is both is taken as the file.
        """
        place = self._spot(path, version_id)
        if not place.bucket:
            return {"name": "", "size": 0, "type": "directory"}
        if self._cache_listings and not refresh and version_id is None:
            known = self._ls_from_cache(self._strip_protocol(path))
            if known is not None and len(known) == 1 and known[0]["name"] == self._strip_protocol(path):
                return dict(known[0])
        return _info(self._strip_protocol(path), stat_at(self._asker("info"), place))

    async def _info(self, path: Any, *, version_id: str | None = None, **_: Any) -> dict[str, Any]:
        place = self._spot(path, version_id)
        if not place.bucket:
            return {"name": "", "size": 0, "type": "directory"}
        name = self._strip_protocol(path)
        ask = self._asker("info")
        if place.names_file:
            try:
                return _info(name, stat_of(await asyncio.wrap_future(ask.head(place)), place))
            except NotFound:
                if version_id is not None:
                    raise
        first = await asyncio.wrap_future(ask.some(place))
        if not first and place.key:
            raise no_such(place)
        return _info(name, stat_of_directory(place, first[0] if first else None))

    def exists(self, path: Any, **_: Any) -> bool:
        """Say whether a file or directory is there. Where S3 refuses to say, that is an error."""
        place = self._spot(path)
        return fs.exists(place.text, client=self._client)

    def isfile(self, path: Any) -> bool:
        """Say whether an object is there. One HEAD."""
        return fs.isfile(self._spot(path).text, client=self._client)

    def isdir(self, path: Any) -> bool:
        """Say whether anything is below. One LIST of one key."""
        return fs.isdir(self._spot(path).text, client=self._client)

    async def _exists(self, path: Any, **_: Any) -> bool:
        try:
            await self._info(path)
        except NotFound:
            return False
        return True

    async def _isfile(self, path: Any) -> bool:
        place = self._spot(path)
        if not place.names_file:
            return False
        try:
            await asyncio.wrap_future(self._asker("info").head(place))
        except NotFound:
            return False
        return True

    async def _isdir(self, path: Any) -> bool:
        place = self._spot(path)
        if not place.bucket:
            return True
        try:
            first = await asyncio.wrap_future(self._asker("info").some(place))
        except NotFound:
            return False
        return bool(first) or not place.key

    def ls(self, path: Any, detail: bool = True, refresh: bool = False, **_: Any) -> list[Any]:
        """Return what is in a directory, by key; of a file, the file itself. One LIST per 1,000."""
        name = self._strip_protocol(path)
        infos = None
        if self._cache_listings and not refresh:
            with contextlib.suppress(KeyError):
                infos = self.dircache[name]
        if infos is None:
            place = self._spot(path)
            try:
                infos = [_entry_info(entry) for entry in entries_at(self._core, place)]
            except NotADirectoryError:
                infos = [self.info(path)]
            else:
                if self._cache_listings:
                    self.dircache[name] = infos
        return [dict(i) for i in infos] if detail else list(dict.fromkeys(i["name"] for i in infos))

    async def _ls(self, path: Any, detail: bool = True, **options: Any) -> list[Any]:
        return await asyncio.to_thread(self.ls, path, detail, **options)

    def find(
        self,
        path: Any,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        prefix: str = "",
        **options: Any,
    ) -> Any:
        """Return all files below, however deep: one flat listing. With ``maxdepth`` level by level.

        Parameters
        ----------
        prefix : str
            Only what begins so in the directory; S3 leaves out the rest.
        """
        place = self._spot(path)
        if maxdepth is not None or not place.bucket:
            found = dict(self._levels(place, maxdepth, withdirs, prefix))
        else:
            found = dict(self._flat(place, withdirs, prefix))
        if not found and not prefix and place.names_file:
            with contextlib.suppress(NotFound):
                one = self.info(path)
                found = {one["name"]: one} if one["type"] == "file" or withdirs else {}
        elif withdirs and place.key and found:
            top = _name(place)
            found[top] = {"name": top, "size": 0, "type": "directory"}
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    async def _find(self, path: Any, maxdepth: int | None = None, withdirs: bool = False, **options: Any) -> Any:
        return await asyncio.to_thread(self.find, path, maxdepth, withdirs, **options)

    def _flat(self, place: Spot, withdirs: bool, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        at = len(place.prefix)
        for found in listing.objects(self._core.scope("list"), place.bucket, place.prefix + prefix):
            if withdirs:
                *folders, _ = found.key[at:].split("/")
                for n in range(1, len(folders) + 1):
                    if folders[n - 1]:
                        name = f"{place.bucket}/{place.prefix}{'/'.join(folders[:n])}"
                        yield name, {"name": name, "size": 0, "type": "directory"}
            if not found.key.endswith("/"):
                entry = Entry("", Spot(place.bucket, found.key, ""), found)
                yield f"{place.bucket}/{found.key}", _entry_info(entry)

    def _levels(
        self, place: Spot, maxdepth: int | None, withdirs: bool, prefix: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        todo = [(place, 1, prefix)]
        while todo:
            where, depth, head = todo.pop()
            pages = None
            if where.bucket:
                pages = listing.begun(self._core.scope("list"), where.bucket, where.prefix + head, delimiter="/")
            for entry in entries_at(self._core, where, pages, whole=False):
                facts = _entry_info(entry)
                if entry.is_file() or withdirs:
                    yield facts["name"], facts
                if entry.is_dir() and (maxdepth is None or depth < maxdepth):
                    todo.append((Spot(entry.bucket, entry.key, entry.path), depth + 1, ""))

    def glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        """Return what matches a pattern, by fsspec's rules. What stands before the first wildcard narrows the listing."""
        name = stringify_path(path)
        head = name[: min((at for at in (name.find(c) for c in "*?[") if at >= 0), default=0)]
        if head and "prefix" not in options:
            options["prefix"] = self._strip_protocol(head + "x")[:-1].rpartition("/")[2]
        if not head:
            options.pop("prefix", None)
        return super().glob(path, maxdepth=maxdepth, **options)

    async def _glob(self, path: Any, maxdepth: int | None = None, **options: Any) -> Any:
        return await asyncio.to_thread(self.glob, path, maxdepth, **options)

    def modified(self, path: Any) -> datetime:
        """Return the time of the last change, in UTC."""
        found = self.info(path).get("LastModified")
        if found is None:
            raise IsADirectoryError(f"a directory has no time: {self._spot(path).text}")
        return found  # type: ignore[no-any-return]

    created = modified  # every write makes an object anew

    def checksum(self, path: Any) -> int:
        """Return a number that changes when the object does, from its ETag."""
        facts = self.info(path)
        return int.from_bytes(str((facts.get("ETag"), facts["size"])).encode(), "big") % (1 << 61)

    def sign(self, path: Any, expiration: int = 900, **options: Any) -> str:
        """Return a URL that lets its bearer read the file for ``expiration`` seconds. No request is made."""
        return self._client.presign(self._path(path), expires=expiration, **options)

    def url(self, path: Any, expires: int = 900, **options: Any) -> str:
        """Return what `sign` returns."""
        return self.sign(path, expires, **options)

    def _path(self, path: Any, version_id: str | None = None) -> Any:
        from s3nb.path import S3Path

        place = self._spot(path, version_id)
        return S3Path(place.bucket, place.key, version_id=version_id)

    def invalidate_cache(self, path: Any = None) -> None:
        """Forget listings: all, or those of a path and of the directories it is in."""
        if path is None:
            self.dircache.clear()
        else:
            name = self._strip_protocol(path)
            self.dircache.pop(name, None)
            while name:
                name = self._parent(name)
                self.dircache.pop(name, None)
        super().invalidate_cache(path)

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
        try:
            yield todo
        finally:
            self._collected.todo = None

    def _collect(self, *what: Any) -> bool:
        todo = getattr(self._collected, "todo", None)
        if todo is None:
            return False
        todo.append(what)
        return True

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
        paths = self.expand_path(path, recursive=recursive)
        if recursive:
            paths = [p for p in paths if not self.isdir(p)]
        if len(paths) == 1 and not isinstance(path, list) and paths[0] == self._strip_protocol(path):
            return self.cat_file(paths[0], **options)
        found = self._cat_all([(p, None, None) for p in paths])
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
        wanted = [(n, self._wanted(*piece)) for n, piece in enumerate(pieces)]

        def make(scope: Scope, item: tuple[int, Any]) -> Task:
            return GetTask(scope, item[1], self._store)

        for (n, _), found in self._run("get", (w for w in wanted if w[1] is not None), make):
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
            for remote, local in todo:
                if ".." in os.fspath(local)[len(os.fspath(lpath)) :].split("/"):
                    raise UnsafeKey(f"no safe local path for the key {visible(repr(remote), 200)}: a part that is '..'")
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
                fs.rmtree(place.text, client=self._client)
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

    async def _rm_file(self, path: Any, **_: Any) -> None:
        place = self._spot(path)
        ask = self._asker("delete")
        await asyncio.wrap_future(ask.head(place))
        await asyncio.wrap_future(ask.send(delete_request(place, None), lambda reply: None))
        self.invalidate_cache(path)

    async def _rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None, **_: Any) -> None:
        await asyncio.to_thread(self.rm, path, recursive, maxdepth)

    def mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        """Make a directory: with ``directory_markers`` as `s3nb.mkdir`. Else nothing is made, as what is written makes it.

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

    def rmdir(self, path: Any) -> None:
        """Delete an empty directory."""
        fs.rmdir(self._spot(path).text, client=self._client)
        self.invalidate_cache(path)

    async def _mkdir(self, path: Any, create_parents: bool = True, **_: Any) -> None:
        await asyncio.to_thread(self.mkdir, path, create_parents)

    async def _makedirs(self, path: Any, exist_ok: bool = False) -> None:
        await asyncio.to_thread(self.makedirs, path, exist_ok)

    # -- files -----------------------------------------------------------------------------------------

    def open(
        self,
        path: Any,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file, as `s3nb.open` does; block size and cache options are not needed.

        Text, and compression, are layers that know of failures: a ``with`` block that fails makes no object. Inside a
        ``transaction``, files that are written become objects when it ends.
        """
        for name in _NEEDLESS:
            options.pop(name, None)
        autocommit = options.pop("autocommit", not self._intrans)
        if compression not in _COMPRESSIONS:
            return super().open(path, mode, compression=compression, autocommit=autocommit, **options)
        options["compression"] = _COMPRESSIONS[compression]
        writes = any(c in mode for c in "wxa+")
        if writes:
            self.invalidate_cache(path)
        target = self._path(path, options.pop("version_id", None))
        if autocommit or not writes:
            return open_file(target, mode, client=self._client, version_id=target.version_id, **options)
        text = {name: options.pop(name, None) for name in ("encoding", "errors", "newline")}
        below = open_file(
            target, mode.replace("t", "").rstrip("b") + "b", client=self._client, commit="explicit", **options
        )
        deferred = _Deferred(below)
        self.transaction.files.append(deferred)
        if "b" in mode:
            return deferred
        return io.TextIOWrapper(deferred, text["encoding"] or "utf-8", text["errors"], text["newline"] or "\n")

    def _open(self, path: Any, mode: str = "rb", **options: Any) -> Any:
        return self.open(path, mode, **options)

    async def open_async(self, path: Any, mode: str = "rb", **options: Any) -> Any:
        """Open a file for reading by ``await file.read(n)``."""
        if mode != "rb" or options.get("compression"):
            raise ValueError("open_async reads bytes: mode 'rb', no compression")
        return _AsyncFile(await asyncio.to_thread(self.open, path, "rb"))


class _Deferred(io.BufferedIOBase):
    """A file of a transaction: `close` ends the writing, `commit` makes the object, `discard` does not."""

    def __init__(self, file: S3Writer) -> None:
        self._file = file
        self._done = False
        self.name = file.name
        self.mode = file.mode

    @property
    def closed(self) -> bool:
        return self._done

    def close(self) -> None:
        self._done = True

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def commit(self) -> None:
        """Make the object."""
        if not self._file.closed:
            self._file.commit()

    def discard(self) -> None:
        """Make no object."""
        self._file.abort()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any, /) -> int:
        if self._done:
            raise ValueError("I/O operation on closed file.")
        return self._file.write(data)


class _AsyncFile:
    """A reader whose calls are awaited."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = file.size

    async def read(self, size: int = -1) -> bytes:
        data: bytes = await asyncio.to_thread(self._file.read, size)
        return data

    async def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    async def tell(self) -> int:
        return int(self._file.tell())

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)

    async def __aenter__(self) -> _AsyncFile:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _name(place: Spot) -> str:
    return f"{place.bucket}/{place.key}".rstrip("/")


def _info(name: str, facts: StatResult) -> dict[str, Any]:
    directory = facts.info is None and facts.etag is None
    found: dict[str, Any] = {"name": name, "size": facts.st_size, "type": "directory" if directory else "file"}
    if facts.st_mtime:
        found["LastModified"] = datetime.fromtimestamp(facts.st_mtime, UTC)
        found["mtime"] = facts.st_mtime
    if facts.etag is not None:
        found["ETag"] = f'"{facts.etag}"'
    if facts.storage_class is not None:
        found["StorageClass"] = facts.storage_class
    if facts.version_id is not None:
        found["VersionId"] = facts.version_id
    if facts.info is not None and facts.info.content_type is not None:
        found["ContentType"] = facts.info.content_type
    return found


def _entry_info(entry: Entry) -> dict[str, Any]:
    if entry.is_dir():
        return {"name": f"{entry.bucket}/{entry.key}".rstrip("/"), "size": 0, "type": "directory"}
    found = _info(f"{entry.bucket}/{entry.key}", entry.stat())
    return {**found, "type": "file"}


def _bytes(found: Any) -> bytes:
    """Take the bytes of a result, and let go of it."""
    data: bytes = found.blob
    found.release()
    return data


# -- secrets: in JSON, a word stands for each ------------------------------------------------------------

_kept: dict[str, str] = {}
_words: dict[str, str] = {}


def _hidden(secret: str) -> str:
    if secret in _kept:
        return secret
    word = _words.get(secret)
    if word is None:
        word = _words[secret] = f"kept-in-process-{secrets.token_hex(8)}"
        _kept[word] = secret
    return word


def _revealed(secret: str | None) -> str | None:
    if secret is None or not secret.startswith("kept-in-process-"):
        return secret
    if secret not in _kept:
        raise CredentialsError(
            "this filesystem comes from JSON of another process, and secrets are not written there: give secret= (and token=) again"
        )
    return _kept[secret]


def register(*protocols: str) -> None:
    """Have fsspec use this filesystem for ``s3nb://``, and for ``s3://`` and ``s3a://`` (or for the protocols given).

    In place of any other; until the process ends.
    """
    for protocol in protocols or ("s3", "s3a"):
        register_implementation(protocol, S3nbFileSystem, clobber=True)
    register_implementation("s3nb", S3nbFileSystem, clobber=True)
