"""Asking: names, `info`, `ls`, `find`, `glob`; and how a filesystem is made, and shown."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fsspec.asyn import AsyncFileSystem, get_loop
from fsspec.spec import AbstractFileSystem
from fsspec.utils import stringify_path

from s3nb import fs, session
from s3nb.client import S3
from s3nb.core import Core
from s3nb.errors import NotFound
from s3nb.fs.ask import Asker, StatResult, no_such, stat_of, stat_of_directory
from s3nb.fs.look import stat_at
from s3nb.fs.tree import Entry, entries_at
from s3nb.fs.where import Spot
from s3nb.fsspec.kept import Facts, Listed, Tree
from s3nb.fsspec.made import Made
from s3nb.fsspec.secrets import revealed, with_secrets, without_secrets
from s3nb.text import Masked
from s3nb.transfer import listing
from s3nb.transfer.local import Store
from s3nb.uri import parse

_SCHEME = re.compile(r"s3(?:nb|a|n)?:(?://|:)", re.IGNORECASE)
# Arguments of other S3 filesystems that mean nothing here: there is no block size and no cache to choose.
NEEDLESS = frozenset({"default_block_size", "default_fill_cache", "default_cache_type", "default_cache_options",
                       "default_cache", "cache_regions", "max_concurrency", "fixed_upload_size", "use_ssl", "block_size",
                       "cache_type", "cache_options", "fill_cache", "size"})  # fmt: skip


class _Kind(type(AsyncFileSystem)):  # type: ignore[misc]  # fsspec is not typed
    """Tells instances with a client or session of their own apart: fsspec goes by what arguments look like."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        own = [options[name] for name in ("client", "session") if options.get(name) is not None]
        if own:
            options["identity"] = "-".join(str(id(one)) for one in own)
        return super().__call__(*args, **options)


class Looking(AsyncFileSystem, metaclass=_Kind):  # type: ignore[misc]  # fsspec is not typed
    """What it is made with, what it is called, and what it sees."""

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
        self._made = Made()
        more = with_secrets(client_kwargs or {})
        found = with_secrets(options)
        for name in NEEDLESS:
            found.pop(name, None)
        found["endpoint_url"] = endpoint_url or more.pop("endpoint_url", None)
        found["region"] = found.pop("region_name", None) or found.get("region") or more.pop("region_name", None)
        found["anonymous"] = anon or None
        if more:
            found["client_params"] = more
        if key is not None or secret is not None:
            found["session_vars"] = Masked(
                aws_access_key_id=key, aws_secret_access_key=revealed(secret), aws_session_token=revealed(token)
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
        return without_secrets(made)

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
        name = self._strip_protocol(path)
        if version_id is None and not refresh and (known := self._kept(name)) is not None:
            return dict(known[0] or {"name": name, "size": 0, "type": "directory"})
        try:
            return _info(name, stat_at(self._asker("info"), place))
        except NotFound:
            if version_id is not None or name not in self._made:
                raise
        return {"name": name, "size": 0, "type": "directory"}

    async def _info(self, path: Any, *, version_id: str | None = None, **_: Any) -> dict[str, Any]:
        place = self._spot(path, version_id)
        if not place.bucket:
            return {"name": "", "size": 0, "type": "directory"}
        name = self._strip_protocol(path)
        if version_id is None and (known := self._kept(name)) is not None:
            return dict(known[0] or {"name": name, "size": 0, "type": "directory"})
        ask = self._asker("info")
        if place.names_file:
            try:
                return _info(name, stat_of(await asyncio.wrap_future(ask.head(place)), place))
            except NotFound:
                if version_id is not None:
                    raise
        first = await asyncio.wrap_future(ask.some(place))
        if not first and place.key and name not in self._made:
            raise no_such(place)
        return _info(name, stat_of_directory(place, first[0] if first else None))

    def exists(self, path: Any, **_: Any) -> bool:
        """Say whether a file or directory is there. Where S3 refuses to say, that is an error."""
        place, name = self._spot(path), self._strip_protocol(path)
        if name in self._made or self._kept(name) is not None:
            return True
        return fs.exists(place.text, client=self._client)

    def isfile(self, path: Any) -> bool:
        """Say whether an object is there. One HEAD."""
        known = self._kept(self._strip_protocol(path))
        if known is not None:
            return known[0] is not None
        return fs.isfile(self._spot(path).text, client=self._client)

    def isdir(self, path: Any) -> bool:
        """Say whether anything is below, or `mkdir` has made it. One LIST of one key."""
        place, name = self._spot(path), self._strip_protocol(path)
        if name in self._made:
            return True
        known = self._kept(name)
        return fs.isdir(place.text, client=self._client) if known is None else known[1]

    def _kept(self, name: str) -> tuple[Facts | None, bool] | None:
        """Return what a kept listing says of a name: the facts of a file, and whether there is a directory.

        None: it says nothing. What is not in it may be there by now, and is asked for.
        """
        if not self._cache_listings:
            return None
        try:
            listed = self.dircache[self._parent(name)]
        except KeyError:
            return None
        return listed.look(name) if isinstance(listed, Listed) else None

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
        if not place.bucket or self._strip_protocol(path) in self._made:
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
                infos = Listed(entry_info(entry) for entry in entries_at(self._core, place))
            except NotADirectoryError:
                infos = [self.info(path)]
            except NotFound:
                if name not in self._made:
                    raise
                infos = []
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
        tree = Tree(_name(place)) if self._cache_listings and not prefix else None
        for found in listing.objects(self._core.scope("list"), place.bucket, place.prefix + prefix):
            if withdirs:
                *folders, _ = found.key[at:].split("/")
                for n in range(1, len(folders) + 1):
                    if folders[n - 1]:
                        name = f"{place.bucket}/{place.prefix}{'/'.join(folders[:n])}"
                        yield name, {"name": name, "size": 0, "type": "directory"}
            facts: Facts = {}
            if not found.key.endswith("/"):
                facts = entry_info(Entry("", Spot(place.bucket, found.key, ""), found))
                yield facts["name"], facts
            if tree is not None:
                tree.add(found.key[at:], dict(facts))
        if tree is not None:
            for name, listed in tree.listings():
                self.dircache[name] = listed

    def _levels(
        self, place: Spot, maxdepth: int | None, withdirs: bool, prefix: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        if maxdepth is not None and maxdepth < 1:
            raise ValueError("maxdepth must be at least 1")
        todo = [(place, 1, prefix)]
        while todo:
            where, depth, head = todo.pop()
            for facts in self._level(where, head):
                directory = facts["type"] == "directory"
                if withdirs or not directory:
                    yield facts["name"], dict(facts) if self._cache_listings else facts
                if directory and (maxdepth is None or depth < maxdepth):
                    todo.append((self._spot(facts["name"]), depth + 1, ""))

    def _level(self, where: Spot, head: str) -> Iterator[Facts]:
        """Yield what is in a directory and begins so; a listing of all that is in it is kept, if any is."""
        keeps = self._cache_listings and not head
        if keeps:
            with contextlib.suppress(KeyError):
                yield from self.dircache[_name(where)]
                return
        pages = None
        if where.bucket:
            pages = listing.begun(self._core.scope("list"), where.bucket, where.prefix + head, delimiter="/")
        noted = Listed(())
        for entry in entries_at(self._core, where, pages, whole=False):
            facts = entry_info(entry)
            if keeps:
                noted.append(facts)
            yield facts
        if noted:
            self.dircache[_name(where)] = noted

    def du(
        self, path: Any, total: bool = True, maxdepth: int | None = None, withdirs: bool = False, **options: Any
    ) -> Any:
        """Return the bytes of all files below, as a sum or as a dict. The listing tells them: one LIST per 1,000."""
        found = self.find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True, **options)
        sizes = {name: facts["size"] for name, facts in found.items()}
        if withdirs and self.isdir(path):
            sizes.setdefault(self._strip_protocol(path), 0)
        return sum(sizes.values()) if total else sizes

    async def _du(self, path: Any, total: bool = True, maxdepth: int | None = None, **options: Any) -> Any:
        return await asyncio.to_thread(self.du, path, total, maxdepth, **options)

    def sizes(self, paths: Iterable[Any]) -> list[int]:
        """Return the bytes of each of many files, asked for at once; 0 for a directory."""
        ask = self._asker("info")
        found = []
        for path in paths:
            place = self._spot(path)
            known = self._kept(self._strip_protocol(path))
            found.append((path, place, None if known or not place.names_file else ask.head(place)))
        return [
            self.info(path)["size"]
            if head is None or (told := ask.found(head)) is None
            else stat_of(told, place).st_size
            for path, place, head in found
        ]

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
            for below in [n for n in self.dircache if n == name or n.startswith(name + "/")]:
                self.dircache.pop(below, None)
            while name:
                name = self._parent(name)
                self.dircache.pop(name, None)
        super().invalidate_cache(path)


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


def entry_info(entry: Entry) -> dict[str, Any]:
    if entry.is_dir():
        return {"name": f"{entry.bucket}/{entry.key}".rstrip("/"), "size": 0, "type": "directory"}
    found = _info(f"{entry.bucket}/{entry.key}", entry.stat())
    return {**found, "type": "file"}
