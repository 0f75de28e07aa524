"""The client: class `S3`. What users call; it resolves names, plans, and leaves the moving to `s3nb.transfer`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3nb import farewell, listings, many, plain
from s3nb.addressing import Addresses, Prefix, each
from s3nb.config import TransferConfig
from s3nb.core import Core
from s3nb.errors import ClientClosed, InvalidObject, InvalidURL, S3Error
from s3nb.model import METADATA_HEADER, Results, S3Object, S3PutObject
from s3nb.progress import Snapshot
from s3nb.run import root_from_config, run_root
from s3nb.sync import Sync, Synced
from s3nb.text import Masked, visible
from s3nb.transfer import uploads
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import DeleteTask, Doomed
from s3nb.transfer.download import GetTask
from s3nb.transfer.head import HeadTask
from s3nb.transfer.local import Store, sync_folder
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.source import Data, FileSource, Source, source_of
from s3nb.transfer.upload import PutTask
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Key, Named, StrPath, check_bucket, collisions, is_s3, parse
from s3nb.wire import Request, Wire
from s3nb.wire.aws import Account
from s3nb.wire.xml import parse_buckets

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from s3nb.presigned import PresignedURL
    from s3nb.preview import Preview
    from s3nb.spread import Pools

Directory = str | Named | S3Object  # a prefix, taken as a directory
# of boto3.Session.client and boto3.Session, what names something and tells nothing
_NO_SECRET = frozenset({"api_version", "profile_name", "region_name", "use_ssl", "verify"})

Progress = bool | str | Callable[[Snapshot], object] | None
_PLAIN = (("Content-Type", "binary/octet-stream"),)  # headers of what is put without others


class PutResult(str):
    """The URL of what was put; with it ``etag``, ``version_id``, and ``skipped``: nothing was written as there was one."""

    etag: str | None
    version_id: str | None
    skipped: bool

    def __new__(cls, stored: Stored) -> PutResult:
        made = super().__new__(cls, stored.url)
        made.etag = stored.etag
        made.version_id = stored.version_id
        made.skipped = stored.skipped
        return made

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        plain.pretty(
            printer, str(self), f"{str(self)!r}" + (" (was there already: left alone)" if self.skipped else "")
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return PutResult, (Stored(str(self), self.etag, self.version_id, skipped=self.skipped),)


class S3:
    """Objects in S3, many at a time.

    Parameters
    ----------
    tmproot : path
        Folder in which the client makes its private temporary folder, when the first file is needed.
    bucket, prefix : str, optional
        A root, ``s3://bucket/prefix``; with ``run``, in place of the configured ones.
    run : object, optional
        Keep to the data of a run: a running flow (``run=self``), an object with ``.id`` and ``.parent.id``, or
        ``"Flow/RunID"``. See `s3nb.run`.
    s3root : str or S3Path, optional
        A root as an ``s3://`` URL. Keys are then relative to it; without any root, keys are full URLs.
    encryption : str, optional
        Server-side encryption of everything put, e.g. ``"AES256"``, ``"aws:kms"``.
    endpoint_url, region, profile : str, optional
        As in boto3; default: whatever the environment and the AWS config files say.
    anonymous : bool
        Do not sign: for public data.
    requester_pays : bool
        Say with each request that you pay for it: buckets that want this refuse others.
    session : boto3.Session, optional
        Where credentials and settings come from.
    engine : {"auto", "curl", "boto3"}
        What moves the bytes. ``"auto"``: libcurl; botocore where that is missing, or an in-process mock is active.
    config : TransferConfig
        Sizes, limits, patience.
    progress : bool, str or callable, optional
        False or ``"off"``: show none. ``"html"``, ``"bar"``, ``"lines"``: show it so. A callable gets a `Snapshot` eight times
        a second. None: HTML in a notebook, a bar in a terminal, sparse lines where nobody watches; ``S3NB_PROGRESS=off`` silences.
    role : str, optional
        ARN of a role to assume.
    client_params, session_vars : dict, optional
        Further arguments for ``boto3.Session.client`` and ``boto3.Session``.
    wire : Wire, optional
        Replaces the network, e.g. by `s3nb.testing.MemoryWire`.

    Raises
    ------
    InvalidURL
        ``run`` and ``s3root`` contradict each other, or the root is no ``s3://`` URL.
    LocalFileNotFound
        ``tmproot`` is no folder.
    """

    TYPE = "s3"

    def __init__(
        self,
        tmproot: str | os.PathLike[str] = ".",
        bucket: str | None = None,
        prefix: str | None = None,
        run: Any = None,
        s3root: str | Named | None = None,
        encryption: str | None = None,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        anonymous: bool = False,
        requester_pays: bool = False,
        session: Any = None,
        engine: str = "auto",
        config: TransferConfig | None = None,
        progress: Progress = None,
        role: str | None = None,
        client_params: Mapping[str, Any] | None = None,
        session_vars: Mapping[str, Any] | None = None,
        wire: Wire | None = None,
    ) -> None:
        client_params, session_vars = Masked(client_params or {}), Masked(session_vars or {})
        if is_s3(tmproot) or isinstance(tmproot, Named):
            raise InvalidURL(
                f"the first argument is a folder for temporary files: S3(s3root={visible(repr(str(tmproot)), 200)})"
            )
        if isinstance(s3root, Named):
            s3root = s3root.url
        if run and s3root:
            raise InvalidURL("run= and s3root= name two roots: give one of them")
        if s3root and (bucket or prefix):
            raise InvalidURL("s3root= and bucket=/prefix= name two roots: give one of them")
        if prefix and not bucket and not run:
            raise InvalidURL("prefix= needs bucket= (or run=)")
        if run:
            s3root = run_root(run, bucket, prefix)
        elif bucket:
            check_bucket(bucket)
            s3root = f"s3://{bucket}/{(prefix or '').strip('/')}"
        self._at = Addresses(s3root)
        self._config = config or TransferConfig()
        self._store = Store(tmproot, self._config)
        self._pools: Pools | None = None
        self._encryption = encryption
        self._progress = progress
        self._made = {
            "tmproot": os.path.abspath(os.fspath(tmproot)), "s3root": self._at.root, "encryption": encryption,
            "endpoint_url": endpoint_url, "region": region, "profile": profile, "anonymous": anonymous, "engine": engine,
            "requester_pays": requester_pays,
            "config": self._config, "role": role, "client_params": client_params, "session_vars": session_vars,
        }  # fmt: skip
        self._portable = session is None and wire is None
        account = Account(
            session=session,
            profile=profile,
            region=region,
            endpoint_url=endpoint_url,
            anonymous=anonymous,
            role=role,
            client_params=client_params,
            session_vars=session_vars,
            max_pool_connections=self._config.max_requests,
        )
        if requester_pays and anonymous:
            raise ValueError("requester_pays=True needs an account that pays: anonymous=True has none")
        self._core = Core(account, engine, self._config, wire, pays=requester_pays)
        self._core.look = _look

    # -- life -----------------------------------------------------------------------------

    def __enter__(self) -> S3:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs, and remove the temporary files. Results keep their facts, not their bytes. May be called twice."""
        _close(self._pools, self._core, self._store)

    def __del__(self) -> None:
        if not hasattr(self, "_core") or (self._core.closed and self._store.closed):  # or the constructor has raised
            return
        if sys.is_finalizing():
            self._store.remove()  # threads have stopped wherever they were, with the locks that they held
        elif self._core.used or self._pools is not None or self._store.used:
            farewell.leave(partial(_close, self._pools, self._core, self._store))

    def __repr__(self) -> str:
        where = visible(self._at.root) if self._at.root else "full URLs"
        return f"<S3 {where}{' (closed)' if self._core.closed else ''}>"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._portable:
            raise TypeError(
                "a client with session= or wire= does not pickle: give profile=, region= or endpoint_url= instead"
            )
        for name in ("client_params", "session_vars"):
            given: Any = self._made[name]
            for key, value in given.items():
                if key not in _NO_SECRET or not isinstance(value, (str, bool)):
                    raise TypeError(f"a client with {visible(key, 60)} in {name}= does not pickle: it may be a secret")
        return _remade, (self._made,)

    @property
    def root(self) -> str | None:
        """The ``s3://`` URL that keys are relative to; None if keys are full URLs."""
        return self._at.root

    @classmethod
    def get_root_from_config(cls, echo: Any = None, create_on_absent: bool = True) -> str | None:
        """Return the configured data root for ``run=``, or None. The arguments are those of the client it replaces."""
        return root_from_config()

    def _alive(self) -> Core:
        if self._core.closed:
            raise ClientClosed("this client was closed: make a new one, or stay inside its 'with' block")
        return self._core

    # -- reading --------------------------------------------------------------------------

    def get(
        self,
        key: Key | None = None,
        return_missing: bool = False,
        return_info: bool = True,
        *,
        version_id: str | None = None,
    ) -> S3Object:
        """Get one object. One request; several, in parallel, from 16 MiB on.

        Parameters
        ----------
        key : str, S3GetObject, S3Object or object with ``.key``
            Relative to the root, or a full URL if there is none; None is the root itself. ``.offset`` and ``.length``
            ask for a piece; a negative length for the last bytes.
        return_missing : bool
            A missing object is a result with ``exists == False``, not an error.
        return_info : bool
            Keep content type, metadata and the like with the result.
        version_id : str, optional
            One version.

        Raises
        ------
        ObjectNotFound, AccessDenied, InvalidRange, InvalidURL, ...
            See `s3nb.errors`.
        """
        core = self._alive()
        wanted = self._at.wanted(key, info=return_info, missing_ok=return_missing, version_id=version_id)
        found: S3Object = core.run(GetTask(core.scope("get", 1), wanted, self._store), self._progress)
        return found

    def get_many(
        self,
        keys: Iterable[Key],
        return_missing: bool = False,
        return_info: bool = True,
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Get many objects at once.

        Parameters
        ----------
        keys : iterable
            Keys as for `get`; read lazily, as there is room.
        return_missing, return_info : bool
            As for `get`.
        processes : int or True, optional
            Share the work among so many processes (True: one a core), which the client keeps for the next time. For scripts: as
            they are imported by each process, their main part stands under ``if __name__ == "__main__":``.
        executor : concurrent.futures.Executor, optional
            Share the work among its workers, e.g. those of Dask: ``dask_client.get_executor()``. They find credentials of their own.

        Returns
        -------
        Results
            A list of `S3Object` in the order of ``keys``, duplicates included.

        Raises
        ------
        BulkError
            Some failed; all others are done. ``.failed`` names each, ``.ok`` holds the rest, ``.retry()`` tries again.
        """
        self._check_all(keys)
        options = {"return_missing": return_missing, "return_info": return_info}
        ready = partial(self._sendable, info=return_info, missing_ok=return_missing)
        if (shared := self._shared("get_many", "get", keys, options, processes, executor, ready=ready)) is not None:
            return shared
        return many.run(
            self._alive(),
            "get",
            each(keys),
            self._getter(return_missing, return_info),
            self._progress,
            total=_count(keys),
        )

    def iter_get(
        self, keys: Iterable[Key], return_missing: bool = False, return_info: bool = True, *, ordered: bool = True
    ) -> Iterator[S3Object]:
        """Get many objects, lazily: yields each as it is needed, in bounded memory whatever the number of keys.

        Parameters
        ----------
        keys, return_missing, return_info
            As for `get_many`.
        ordered : bool
            In the order of ``keys``; False: as they come.

        Yields
        ------
        S3Object

        Raises
        ------
        S3Error
            At the first object that fails; those under way are stopped.
        """
        make = self._getter(return_missing, return_info)
        core = self._alive()
        return self._kept(
            many.iterate(core, "get", each(keys), make, self._progress, total=_count(keys), ordered=ordered)
        )

    def _kept(self, found: Iterator[S3Object]) -> Iterator[S3Object]:
        """Pass on what a lazy operation yields, and stay alive meanwhile: nobody else may hold the client."""
        yield from found

    def _getter(self, missing_ok: bool, info: bool) -> many.Maker:
        at, store = self._at, self._store

        def make(scope: Scope, item: Any) -> GetTask:
            wanted = item if isinstance(item, Wanted) else at.wanted(item, info=info, missing_ok=missing_ok)
            return GetTask(scope, wanted, store)

        return make

    def _check_all(self, keys: Iterable[Any]) -> None:
        """Find a bad key before the first request, where the keys can be read twice."""
        if isinstance(keys, (list, tuple)) and not hasattr(keys, "_fields"):
            for key in keys:
                if isinstance(key, str):
                    self._at.locate(key)
                elif not isinstance(key, Wanted):
                    self._at.wanted(key)

    def get_recursive(
        self,
        keys: Iterable[Directory | None],
        return_info: bool = False,
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Get all objects below the given prefixes, each taken as a directory. Listed here, shared as in `get_many`.

        Parameters
        ----------
        keys : iterable of str
            Prefixes, relative to the root, or full URLs if there is none; None among them is the root itself.
        return_info : bool
            Keep content type, metadata and the like with the results.
        processes, executor
            As for `get_many`.

        Returns
        -------
        Results
            `S3Object` by prefix in the order given, by key within; keys are relative to the prefix asked for.
        """
        core = self._alive()
        prefixes = [self._at.prefix(key, slash=False) for key in each(keys)]

        def wanted() -> Iterator[Wanted]:
            for prefix in prefixes:
                for found in listings.objects(core, prefix):
                    yield Wanted(
                        prefix.bucket, found.key, f"s3://{prefix.bucket}/{found.key}", prefix.base, info=return_info
                    )

        options = {"return_info": return_info}
        if (shared := self._shared("get_many", "get", wanted(), options, processes, executor)) is not None:
            return shared
        return many.run(core, "get", wanted(), self._getter(False, return_info), self._progress)

    def get_all(self, return_info: bool = False) -> Results:
        """Get all objects below the root, as `get_recursive` does. Raises `InvalidURL` without one."""
        if self._at.root is None:
            raise InvalidURL("get_all needs a client with s3root, bucket or run")
        return self.get_recursive([None], return_info)

    def submit_get(
        self, key: Key | None = None, *, return_missing: bool = False, version_id: str | None = None
    ) -> Future[S3Object]:
        """Start to get one object; returns at once, a future of what `get` returns. ``cancel()`` stops it. Arguments as for `get`."""
        core = self._alive()
        wanted = self._at.wanted(key, missing_ok=return_missing, version_id=version_id)
        return many.submit(GetTask(core.scope("get", 1), wanted, self._store), self)

    def download(
        self,
        keys: Iterable[Key],
        to: str | os.PathLike[str],
        *,
        recursive: bool = False,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Get objects into files of a folder, under names made of their keys. Parts of the folder are made as needed.

        A file appears whole or not at all; one that is there under its name is replaced then.

        A key that has no safe name below ``to`` (it climbs, is absolute,
        ends in a slash, ...) is a failure by name, and stops no other; two keys that meet in one name are found before
        the first byte.

        Parameters
        ----------
        keys : iterable
            As for `get_many`; with ``recursive``, prefixes as for `get_recursive`. `S3Object` of a listing are stored
            under their ``key``.
        to : path
            The folder.

        Returns
        -------
        Results
            `S3Object` in order; ``path`` names the file, which is yours.
        """
        core = self._alive()
        if recursive:
            items = many.below(core, [self._at.prefix(key, slash=True) for key in each(keys)])
        else:
            items = ((self._at.wanted(key), many.local_name(key, self._at)) for key in each(keys))
        chosen = self._workers(processes, executor)
        if chosen is None:
            return self._land(items, to)
        listed = list(items)
        landing = many.Landing(Path(to), core.config, collisions(name for _, name in listed))
        named = [(wanted, landing.refused(wanted, name) or name) for wanted, name in listed]
        options = {"to": os.path.abspath(os.fspath(to))}
        with self._meeting_place(to, executor) as shared:
            done = self._shared("_land_chunk", "download", named, options, processes, executor, shared=shared)
        assert done is not None
        return done

    @contextmanager
    def _meeting_place(self, folder: str | os.PathLike[str], executor: Executor | None) -> Iterator[str | None]:
        """Give the name of a file that workers must see, if they may be on other machines."""
        if executor is None:
            yield None
            return
        path = os.path.join(os.path.abspath(os.fspath(folder)), f".s3nb-{os.urandom(8).hex()}")
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except OSError as exc:
            many.raise_local(exc)
        try:
            yield path
        finally:
            with suppress(OSError):
                os.unlink(path)

    def _land(self, items: Iterable[tuple[Wanted, str]], to: str | os.PathLike[str]) -> Results:
        """Get objects into files of the given names."""
        return many.download(self._alive(), items, Path(to), self._store, self._progress)

    def _land_chunk(self, items: Sequence[tuple[Wanted, str | S3Error]], to: str) -> Results:
        """The same, where names were compared already; a chunk of `download`."""
        core = self._alive()
        return many.land(core, items, many.Landing(Path(to), core.config), self._store, self._progress)

    def map(
        self,
        function: Callable[[S3Object], Any],
        keys: Iterable[Key],
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Return what a function makes of each object, called where the object's bytes are.

        With ``processes`` or ``executor`` objects are fetched and the function is called on the workers, and only what it returns
        comes back.

        Parameters
        ----------
        function : callable
            Takes an `S3Object` (``.blob``, ``.text``, ``.path``, ``.key``), whose bytes are let go when it returns. It travels by
            name if it is in a module, else by value, with cloudpickle. What it returns is pickled. Called again for an object if
            a worker dies; one object after the other in each process (each thread of an executor).
        keys : iterable
            As for `get_many`; read lazily.
        processes, executor
            As for `get_many`.

        Returns
        -------
        Results
            In the order of ``keys``.

        Raises
        ------
        BulkError
            Some objects could not be fetched, or the function raised for them; all others are done.
        TypeError
            The function cannot travel.
        UnfitWorker
            A worker has no credentials, another s3nb, or cannot load the function; before anything is done.
        """
        if not callable(function):
            raise TypeError(f"map() takes a function first, then keys; not {type(function).__name__}")
        self._check_all(keys)
        shared = self._shared("map", "map", keys, {}, processes, executor, function, ready=self._sendable)
        if shared is not None:
            return shared
        return many.run(
            self._alive(), "map", each(keys), self._getter(False, True), self._progress,
            total=_count(keys), value=lambda found: many.applied(function, found),
        )  # fmt: skip

    def _workers(self, processes: int | bool | None, executor: Executor | None) -> Executor | None:
        """Return what shares the work; None: it is done here."""
        if processes is None and executor is None:
            return None
        from s3nb import spread

        if self._pools is None:
            farewell.ready()
            self._pools = spread.Pools()
        return spread.executor_of(self._pools, processes, executor)

    def _shared(
        self,
        method: str,
        verb: str,
        items: Iterable[Any],
        options: dict[str, Any],
        processes: int | bool | None,
        executor: Executor | None,
        function: Any = None,
        *,
        ready: Callable[[Any], Any] | None = None,
        settle: Callable[[list[Any], dict[int, Any], many.Do], Results] | None = None,
        shared: str | None = None,
    ) -> Results | None:
        """Do a many-operation in other processes, or elsewhere; None if it is to be done here.

        ``ready`` makes of an item what travels, ``settle`` of what came what is returned; ``shared``: a file that workers must see.
        """
        if self._workers(processes, executor) is None:
            return None
        from s3nb import spread

        self._alive()

        def do(some: Iterable[Any], total: int | None) -> tuple[list[Any], dict[int, Any]]:
            chosen = self._workers(processes, executor)
            assert chosen is not None
            assert self._pools is not None
            work = spread.Spread(
                self, self._store, self._pools, chosen, method, verb=verb, options=options, function=function, total=total,
                setting=self._progress, shared=shared,
            )  # fmt: skip
            return work.run(some)

        def again(some: list[Any]) -> tuple[list[Any], dict[int, Any]]:
            return do(some, len(some))

        iterator = each(items)
        results, failed = do(iterator if ready is None else map(ready, iterator), _count(items))
        return many.settled(verb, results, failed, again) if settle is None else settle(results, failed, again)

    def _sendable(self, key: Any, *, info: bool = True, missing_ok: bool = False) -> Any:
        """Return a key in a form that travels, whatever it is."""
        if isinstance(key, str):
            return str.__str__(key)
        return key if isinstance(key, Wanted) else self._at.wanted(key, info=info, missing_ok=missing_ok)

    def download_to(self, key: Key, path: str | os.PathLike[str], *, version_id: str | None = None) -> S3Object:
        """Get one object (or a piece) into a file of the given name; into a folder, if ``path`` is one or ends in a slash.

        The file appears whole or not at all; one that is there is replaced then (its mode stays, a link is not followed). ``key`` and
        ``version_id`` are as for `get`.
        """
        core = self._alive()
        wanted = self._at.wanted(key, version_id=version_id)
        target = many.local_target(path, many.local_name(key, self._at), core.config)
        found: S3Object = core.run(GetTask(core.scope("download", 1), wanted, self._store, target), self._progress)
        if core.config.fsync:
            sync_folder(os.path.dirname(target.path))
        return found

    # -- asking -----------------------------------------------------------------------------

    def info(self, key: Key | None = None, return_missing: bool = False, *, version_id: str | None = None) -> S3Object:
        """Ask about one object: size, type, metadata, ... One HEAD.

        Parameters
        ----------
        key, return_missing, version_id
            As for `get`.

        Raises
        ------
        ObjectNotFound, AccessDenied, ...
            A HEAD has no body: S3's code is then just ``NotFound`` or ``Forbidden``.
        """
        core = self._alive()
        wanted = self._at.wanted(key, missing_ok=return_missing, version_id=version_id)
        found: S3Object = core.run(HeadTask(core.scope("info", 1), wanted))
        return found

    def preview(
        self,
        key: Key | None = None,
        *,
        limit: int | None = None,
        rows: int | None = None,
        version_id: str | None = None,
    ) -> Preview:
        """Look into an object without fetching it: its first bytes decoded, and all that S3 says of it.

        Text, JSON and JSON lines, CSV, Parquet, Arrow, NumPy, pictures, sounds, archives, notebooks; compressed ones are seen
        through; everything else as bytes. Recognised by what the bytes are, not by name or type.

        Two requests at once: a GET of at most ``limit`` bytes, and a HEAD. One more for tags, if there are any; and up to 1 MiB in
        all for formats whose facts are at their end (Parquet, zip), and for small pictures.

        Parameters
        ----------
        key : str, S3Object, ...
            As for `get`. A range is not looked at.
        limit : int, optional
            Bytes of the first request, up to 1 MiB; default 64 KiB.
        rows : int, optional
            Rows of tables and lines of text shown; default 20 and 60.
        version_id : str, optional
            One version.

        Returns
        -------
        Preview
            Shown by a notebook, and by ``print``. ``.kind``, ``.blocks``, ``.about``, ``.tags``, ``.headers``, ``.head``.

        Raises
        ------
        ObjectNotFound, AccessDenied, ...
            As for `get`.
        """
        from s3nb.preview import fetch

        core = self._alive()
        return fetch.preview(core, self._at.wanted(key, version_id=version_id), fetch.limited(limit, rows))

    def info_many(
        self,
        keys: Iterable[Key],
        return_missing: bool = False,
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Ask about many objects; `S3Object` in the order of ``keys``. One HEAD each. All arguments are as for `get_many`."""
        self._check_all(keys)
        options = {"return_missing": return_missing}
        ready = partial(self._sendable, missing_ok=return_missing)
        if (shared := self._shared("info_many", "info", keys, options, processes, executor, ready=ready)) is not None:
            return shared

        def make(scope: Scope, key: Any) -> HeadTask:
            wanted = key if isinstance(key, Wanted) else self._at.wanted(key, missing_ok=return_missing)
            return HeadTask(scope, wanted)

        return many.run(self._alive(), "info", each(keys), make, self._progress, total=_count(keys))

    def exists(self, key: Key | None = None, *, version_id: str | None = None) -> bool:
        """Say whether there is an object (a prefix is none). One HEAD. Raises `AccessDenied` where S3 does not say.

        ``key`` and ``version_id`` are as for `get`.
        """
        return self.info(key, return_missing=True, version_id=version_id).exists

    def buckets(self) -> list[tuple[str, float | None]]:
        """Return name and creation time (Unix time, or None) of each bucket of the account. One request.

        Many may not ask this, and may use their buckets all the same: `AccessDenied`.
        """
        core = self._alive()
        scope = core.scope("list")
        request = Request("ListBuckets", "GET", "")
        found: list[tuple[str, float | None]] = core.wait(
            scope.engine.request(scope, request, lambda reply: parse_buckets(reply.body)), scope
        )
        return found

    def first(self, prefix: str, *, limit: int = 200) -> tuple[list[S3Object], bool]:
        """List what begins with ``prefix``, one level, the first page only: exactly one request, whatever there is.

        Parameters
        ----------
        prefix : str
            A full URL, or relative to the root. Not taken as a directory: ``"logs/2026-"`` finds ``logs/2026-01/``.
        limit : int
            At most so many, up to 1,000.

        Returns
        -------
        list of S3Object, bool
            By URL; common prefixes do not exist. And whether there is more.
        """
        core = self._alive()
        url = prefix if self._at.root is None else f"{self._at.root}/{prefix.lstrip('/')}"
        return listings.first(core, parse(url), limit)

    def list_paths(self, keys: Iterable[Directory | None] | None = None) -> Results:
        """List one level below each prefix: objects, and prefixes (``exists == False``), by URL.

        Parameters
        ----------
        keys : iterable, optional
            Prefixes, each taken as a directory; None: the root.
        """
        core = self._alive()
        prefixes = [self._at.prefix(key, slash=True) for key in ([None] if keys is None else each(keys))]
        return Results((found for prefix in prefixes for found in listings.level(core, prefix)), verb="list")

    def list_recursive(self, keys: Iterable[Directory | None] | None = None) -> Results:
        """List all objects below each prefix, by key. One request per 1,000.

        Parameters
        ----------
        keys : iterable, optional
            Prefixes, each taken as a directory; None: the root.
        """
        core = self._alive()
        prefixes = [self._at.prefix(key, slash=False) for key in ([None] if keys is None else each(keys))]
        return Results((found for prefix in prefixes for found in listings.recursive(core, prefix)), verb="list")

    def iter_list(
        self,
        prefix: Directory | None = None,
        *,
        recursive: bool = True,
        match: str | None = None,
        start_after: str = "",
        limit: int | None = None,
        versions: bool = False,
    ) -> Iterator[S3Object]:
        """List lazily: the next page is fetched while this one is used; memory does not grow.

        Parameters
        ----------
        prefix : str, optional
            Taken as a directory; None: the root.
        recursive : bool
            All levels; False: one, with common prefixes.
        match : str, optional
            Shell pattern for the key below the prefix (``*`` does not cross slashes, ``**`` does).
        start_after : str
            Begin behind this key (relative to the prefix).
        limit : int, optional
            Stop after so many.
        versions : bool
            All versions and delete markers, newest first within a key. (``exists`` is False for markers.)
        """
        found = listings.iterate(
            self._alive(), self._at.prefix(prefix, slash=True),
            deep=recursive, match=match, start_after=start_after, limit=limit, all_versions=versions,
        )  # fmt: skip
        return self._kept(found)

    def glob(self, pattern: str) -> Iterator[S3Object]:
        """Yield the objects whose key matches a shell pattern, e.g. ``"logs/2026-*/**/*.gz"``.

        What stands before the first wildcard is listed, the rest is compared here. ``*``, ``?`` and ``[...]`` stay within
        a level; ``**`` is any number of levels. A literal ``[`` is ``[[]``.
        """
        return self._kept(listings.glob(self._alive(), self._at, pattern))

    # -- writing ----------------------------------------------------------------------------

    def put(
        self,
        key: Key,
        obj: Data,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        encryption: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PutResult:
        """Put one object. One request; parts, in parallel, from 16 MiB on.

        Parameters
        ----------
        key : str or S3PutObject
        obj : str, bytes-like, binary file or path
            A file that can seek is sent whole from its start; it is not closed.
        overwrite : bool
            False: an object that is there stays (``skipped`` of the result says so).
        content_type : str, optional
        metadata : dict, optional
            JSON-encodable; kept as one header.
        encryption : str, optional
            In place of the client's.
        headers : dict, optional
            Further request headers: ``Cache-Control``, ``x-amz-storage-class``, ``x-amz-meta-...``

        Returns
        -------
        PutResult
            The URL, a str, with ``etag``, ``version_id`` and ``skipped``.
        """
        core = self._alive()
        place = self._place(key, overwrite, content_type, metadata, encryption, headers)
        task = PutTask(core.scope("put", 1), place, source_of(obj))
        return PutResult(core.run(task, self._progress))

    def submit_put(self, key: Key, obj: Data, **options: Any) -> Future[Stored]:
        """Start to put one object; returns at once. Options as for `put`. ``cancel()`` stops it."""
        core = self._alive()
        settings = {"overwrite": True, "content_type": None, "metadata": None, "encryption": None, "headers": None}
        unknown = set(options) - set(settings)
        if unknown:
            raise TypeError(f"submit_put() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        place = self._place(key, *(settings | options).values())
        return many.submit(PutTask(core.scope("put", 1), place, source_of(obj)), self)

    def put_many(
        self,
        key_objs: Iterable[tuple[Key, Data] | S3PutObject] | Mapping[str, Data],
        overwrite: bool = True,
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Put many objects at once.

        Parameters
        ----------
        key_objs : iterable of (key, obj) or S3PutObject, or dict
            Or anything with ``.key`` and ``.value``. A sequence is checked before anything is sent.
        overwrite : bool
            False: objects that are there stay.
        processes, executor
            As for `get_many`.

        Returns
        -------
        Results
            ``(key, url)`` in input order; with ``overwrite=False`` without those that were there (in ``.skipped``).

        Raises
        ------
        BulkError
            Some failed; all others are stored.
        """
        return self._put_all("put", key_objs, "value", source_of, overwrite, processes=processes, executor=executor)

    def put_files(
        self,
        key_paths: Iterable[tuple[Key, StrPath] | S3PutObject] | Mapping[str, StrPath],
        overwrite: bool = True,
        *,
        resume: bool = False,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        """Put many local files at once. Otherwise as `put_many`.

        Parameters
        ----------
        key_paths : iterable of (key, path) or S3PutObject, or dict
            The content type is what an `S3PutObject` says; `upload` takes that of the name.
        overwrite, processes, executor
            As for `put_many`.
        resume : bool
            Go on with uploads in parts that were begun and not ended: parts that S3 has, to the byte, are not sent again. And
            keep what is sent if this one fails, too; `abort_incomplete` removes such parts, for which S3 asks money.
        """
        return self._put_all(
            "put", key_paths, "path", _file_source, overwrite, resume, processes=processes, executor=executor
        )

    def upload(
        self, source: str | os.PathLike[str], prefix: str | None = None, *, overwrite: bool = True, resume: bool = False
    ) -> Results:
        """Put a folder with all below it (or one file) under a prefix; keys are made of the relative paths, content types of their
        endings.

        Symbolic links to files are followed, to folders they are not.

        Parameters
        ----------
        source : path
        prefix : str, optional
            Relative to the root, or a full URL if there is none; None: the root.
        overwrite, resume : bool
            As for `put_files`.
        """
        return self.put_files(many.typed(many.local_files(source, prefix)), overwrite, resume=resume)

    def sync(
        self,
        source: StrPath,
        target: StrPath,
        *,
        delete: bool = False,
        checksum: bool = False,
        dry_run: bool = False,
        include: str | Sequence[str] = (),
        exclude: str | Sequence[str] = (),
    ) -> Synced:
        """Make a prefix like a folder, a folder like a prefix, or a prefix like another.

        What differs in size, or is newer in the source, is copied, in place of what is there: also of a file that was changed here
        before the object was. What is newer in the target stays. Files that come from S3 get the object's time; half a second less,
        if the object was made within the last seconds: another of the same size may yet follow within the second that S3 tells, and
        so bytes are compared the next time. Names that the file system here takes for the same are told apart: the first is copied,
        the others are failures, and nothing is deleted because of its spelling.

        Parameters
        ----------
        source, target : str or path
            A full ``s3://`` URL, taken as a directory; everything else is a local folder. Not both local.
        delete : bool
            Delete from the target what the source has not: after both were read to the end, and all is copied.
        checksum : bool
            Compare bytes with ETags instead of times. Reads local files of equal size.
        dry_run : bool
            Change nothing; say what would be done.
        include, exclude : str or sequence of str
            Shell patterns for the relative names (``*`` does not cross slashes, ``**`` does). What is left out is neither
            copied nor deleted.

        Returns
        -------
        Synced
            ``copied``, ``deleted`` (names), ``same``, ``size``.

        Raises
        ------
        BulkError
            Some could not be copied; then nothing is deleted.
        ListError
            A listing that is none. Nothing is deleted.
        """
        core = self._alive()
        sides = [
            Addresses(None).prefix(side, slash=True) if is_s3(side) else os.path.abspath(os.fspath(side))
            for side in (source, target)
        ]
        if not any(isinstance(side, Prefix) for side in sides):
            raise InvalidURL("neither side of this sync is an s3:// URL")
        only, never = ([p] if isinstance(p, str) else list(p) for p in (include, exclude))
        run = Sync(
            core, sides[0], sides[1], self._store,
            checksum=checksum, include=only, exclude=never, encryption=self._encryption,
        )  # fmt: skip
        return run.run(self._progress, delete=delete, dry_run=dry_run)

    def abort_incomplete(self, prefix: Directory | None = None, *, older_than: float = 24 * 3600.0) -> list[str]:
        """Abort uploads in parts that were begun and not ended, below a prefix.

        Parameters
        ----------
        prefix : str, optional
            Taken as a directory; None: the root.
        older_than : float
            Seconds since they were begun; younger ones are left alone, as somebody may be at them.

        Returns
        -------
        list of str
            URLs of the objects they were for.
        """
        core = self._alive()
        where = self._at.prefix(prefix, slash=True)
        scope = core.scope("abort")
        before = time.time() - older_than
        aborted = []
        for upload in list(uploads.uploads(scope, where.bucket, where.key)):
            if upload.initiated is not None and upload.initiated <= before:
                uploads.abort(scope, where.bucket, upload.key, upload.upload_id)
                aborted.append(f"s3://{where.bucket}/{upload.key}")
        return aborted

    def _put_all(
        self,
        verb: str,
        items: Iterable[Any] | Mapping[str, Any],
        field: str,
        source: Callable[[Any], Source],
        overwrite: bool,
        resume: bool = False,
        *,
        processes: int | bool | None = None,
        executor: Executor | None = None,
    ) -> Results:
        core = self._alive()
        if isinstance(items, Mapping):
            items = items.items()

        def placed(item: Any) -> tuple[S3PutObject, Placed, Any]:
            spec = _put_spec(item, field)
            place = self._place(spec.key, overwrite, spec.content_type, spec.metadata, spec.encryption, None)
            return spec, place, spec.value if field == "value" else spec.path

        def prepared(item: Any) -> many.Outgoing:
            spec, place, value = placed(item)
            return many.Outgoing(spec.key, place, source(value))

        iterator = each(items, "key_objs" if field == "value" else "key_paths")
        whole = isinstance(items, (list, tuple)) or hasattr(items, "__len__")
        if self._workers(processes, executor) is None:
            outgoing: Iterable[many.Outgoing] = map(prepared, iterator)
            if whole:
                outgoing = list(outgoing)  # one bad value, and nothing is sent
            return many.put(core, verb, outgoing, self._progress, total=_count(items), resume=resume)

        from s3nb.spread.travel import portable

        keys: list[Any] = []

        def ready(item: Any) -> many.Outgoing:
            spec, place, value = placed(item)
            keys.append(spec.key)
            return many.Outgoing(None, place, portable(value if field == "value" else Path(value)))

        def settle(results: list[Any], failed: dict[int, Any], do: many.Do) -> Results:
            return many.settled_put(verb, keys, results, failed, do)

        if whole:
            iterator = iter(list(iterator))
            for item in items:
                if executor is None:
                    prepared(item)
                else:  # files may be where the workers are only
                    placed(item)
        try:
            done = self._shared(
                "_put_each", verb, iterator, {"resume": resume}, processes, executor, ready=ready, settle=settle
            )  # fmt: skip
        except BaseException as exc:
            part = getattr(exc, "s3nb_partial", None)
            if part is not None:
                part[:] = [(k, r.url) if isinstance(r, Stored) else r for k, r in zip(keys, part, strict=False)]
            raise
        assert done is not None
        return done

    def _put_each(self, items: list[many.Outgoing], resume: bool) -> Results:
        """Put what is given; a chunk of `put_many`."""
        return many.put_each(self._alive(), items, self._progress, resume=resume)

    def _place(
        self,
        key: Any,
        overwrite: Any,
        content_type: Any,
        metadata: Any,
        encryption: Any,
        headers: Any,
    ) -> Placed:
        if not isinstance(key, (str, Named)) and key is not None and hasattr(key, "key"):
            content_type = content_type or getattr(key, "content_type", None)
            metadata = metadata or getattr(key, "metadata", None)
            encryption = encryption or getattr(key, "encryption", None)
            key = key.key
        bucket, name, url = self._at.locate(key)
        encryption = encryption or self._encryption
        if not (content_type or metadata or encryption or headers):
            return Placed(bucket, name, url, _PLAIN, exclusive=not overwrite)
        lines = [("Content-Type", content_type or "binary/octet-stream")]
        if metadata:
            lines.append((f"x-amz-meta-{METADATA_HEADER}", json.dumps(metadata)))
        if encryption:
            lines.append(("x-amz-server-side-encryption", encryption))
        lines += list((headers or {}).items())
        for field, value in lines:
            if not isinstance(value, str) or "\r" in value or "\n" in value or "\0" in value:
                raise InvalidObject(
                    f"header {visible(field, 60)} must be a str on one line, not {visible(repr(value), 100)}"
                )
        alone = len(lines) == 1  # the same for many: prepared once
        return Placed(bucket, name, url, tuple(lines) if alone else lines, exclusive=not overwrite)

    # -- deleting, copying --------------------------------------------------------------------

    def delete(self, key: Key | None = None, *, version_id: str | None = None) -> None:
        """Delete one object (in a versioned bucket: put a delete marker), or with ``version_id`` one version for good.

        A key that is not there is no error: S3 does not tell.
        """
        core = self._alive()
        if key is None:
            raise InvalidURL("delete needs a key")
        wanted = self._at.wanted(key, version_id=version_id)
        outcome = core.run(
            DeleteTask(core.scope("delete", 1), [Doomed(wanted.bucket, wanted.key, wanted.url, wanted.version_id)])
        )
        if outcome[0] is not None:
            raise outcome[0]

    def delete_many(
        self, keys: Iterable[Key], *, processes: int | bool | None = None, executor: Executor | None = None
    ) -> Results:
        """Delete many objects, a thousand a request. Returns their URLs in order. All arguments are as for `get_many`.

        Raises
        ------
        BulkError
            Some were refused; all others are deleted.
        """
        self._check_all(keys)
        shared = self._shared("delete_many", "delete", keys, {}, processes, executor, ready=self._sendable)
        if shared is not None:
            return shared
        core = self._alive()
        wanted = (k if isinstance(k, Wanted) else self._at.wanted(k) for k in each(keys))
        doomed = (Doomed(w.bucket, w.key, w.url, w.version_id) for w in wanted)
        return many.delete(core, doomed, self._progress)

    def delete_recursive(
        self, keys: Iterable[Directory | None], *, processes: int | bool | None = None, executor: Executor | None = None
    ) -> Results:
        """Delete all objects below the given prefixes, each taken as a directory. Listed here, shared as in `get_many`.

        Returns their URLs. ``keys``, ``processes`` and ``executor`` are as for `get_recursive`.
        """
        core = self._alive()
        prefixes = [self._at.prefix(key, slash=False) for key in each(keys)]
        found = (item for prefix in prefixes for item in listings.recursive(core, prefix))
        shared = self._shared("delete_many", "delete", found, {}, processes, executor, ready=self._sendable)
        if shared is not None:
            return shared
        doomed = (
            Doomed(p.bucket, o.key, f"s3://{p.bucket}/{o.key}") for p in prefixes for o in listings.objects(core, p)
        )
        return many.delete(core, doomed, self._progress)

    def copy(
        self,
        source: Key,
        target: Key,
        *,
        source_version_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> PutResult:
        """Copy one object within S3; its bytes do not come here. Over 5 GiB: in parts.

        Parameters
        ----------
        source, target : str
            Keys. A full URL is taken too, even under a root: copies often cross buckets.
        source_version_id : str, optional
            One version of the source.
        metadata : dict, optional
            In place of the source's.
        """
        core = self._alive()
        task = self._copy_task(core.scope("copy", 1), (source, target), source_version_id, metadata)
        return PutResult(core.run(task, self._progress))

    def copy_many(
        self, pairs: Iterable[tuple[Key, Key]], *, processes: int | bool | None = None, executor: Executor | None = None
    ) -> Results:
        """Copy many objects within S3; ``(source, target)`` as for `copy`. Returns `PutResult` in order. Shared as in `get_many`."""
        shared = self._shared("copy_many", "copy", pairs, {}, processes, executor, ready=self._sendable_pair)
        if shared is not None:
            return shared
        core = self._alive()
        results = many.run(
            core, "copy", each(pairs, "pairs"), self._copy_task, self._progress, total=_count(pairs), value=PutResult
        )
        return results

    def move(self, source: Key, target: Key) -> PutResult:
        """Copy one object, and delete the source when the copy is there."""
        if self._any_url(source)[:2] == self._any_url(target)[:2]:
            raise InvalidURL(
                f"source and target of a move are the same object: {visible(self._any_url(source)[2], 200)}"
            )
        result = self.copy(source, target)
        bucket, key, url = self._any_url(source)
        core = self._alive()
        outcome = core.run(DeleteTask(core.scope("delete", 1), [Doomed(bucket, key, url)]))
        if outcome[0] is not None:
            raise outcome[0]
        return result

    def _copy_task(
        self, scope: Scope, pair: Any, version_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> CopyTask:
        self._check_pair(pair)
        bucket, key, url = self._any_url(pair[0])
        version_id = version_id or getattr(pair[0], "version_id", None)
        target_bucket, target_key, target_url = self._any_url(pair[1])
        headers = [(f"x-amz-meta-{METADATA_HEADER}", json.dumps(metadata))] if metadata is not None else []
        if self._encryption:
            headers.append(("x-amz-server-side-encryption", self._encryption))
        return CopyTask(
            scope, From(bucket, key, url, version_id), Placed(target_bucket, target_key, target_url, headers)
        )

    def _check_pair(self, pair: Any) -> None:
        if isinstance(pair, str) or len(pair) != 2:
            raise InvalidObject(f"a copy is a pair (source, target), not {visible(repr(pair), 100)}")

    def _sendable_pair(self, pair: Any) -> tuple[Wanted, Wanted]:
        """Return the two sides of a copy in a form that travels."""
        self._check_pair(pair)
        source, target = (Wanted(*self._any_url(name), version_id=getattr(name, "version_id", None)) for name in pair)
        return source, target

    def _any_url(self, name: Any) -> tuple[str, str, str]:
        """Resolve a key of this client, or a full URL."""
        if isinstance(name, Wanted):
            return name.bucket, name.key, name.url
        if isinstance(name, Named) or is_s3(name):
            return Addresses(None).locate(name)
        wanted = self._at.wanted(name)
        return wanted.bucket, wanted.key, wanted.url

    def presign(
        self, key: Key | None = None, *, expires: int = 900, method: str = "GET", version_id: str | None = None
    ) -> PresignedURL:
        """Return a URL that lets its bearer make one request without credentials. No request is made.

        It is a str, and whoever has it may do that: its ``repr``, and a notebook that shows it, leave out the signature.

        Parameters
        ----------
        key, version_id
            As for `get`.
        expires : int
            Seconds, 1 to 604,800; not longer than the credentials that sign it live.
        method : {"GET", "HEAD", "PUT", "DELETE"}
        """
        operations = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
        if method not in operations:
            raise ValueError(f"method must be one of {', '.join(operations)}, not {method!r}")
        wanted = self._at.wanted(key, version_id=version_id)
        request = Request(operations[method], method, wanted.bucket, wanted.key, query=wanted.query())
        from s3nb.presigned import PresignedURL

        return PresignedURL(self._alive().engine.wire.presign(request, expires), expires)


def _look(core: Core, item: S3Object, limit: int | None, rows: int | None) -> Preview:
    """Preview a result: from its bytes, if they were fetched, else by asking S3."""
    from s3nb.preview import fetch  # knows many formats, and few programs look at them

    limits = fetch.limited(limit, rows)
    part = item.range_info
    if item.downloaded and (part is None or part.request_length == part.total_size):
        return fetch.local(item, limits)
    bucket, key = parse(item.url)
    return fetch.preview(core, Wanted(bucket, key, item.url, version_id=item.version_id), limits)


def _close(pools: Pools | None, core: Core, store: Store) -> None:
    if pools is not None:
        pools.close()
    core.close()
    store.close()


def _remade(settings: dict[str, Any]) -> S3:
    return S3(**settings)


def _count(items: Any) -> int | None:
    try:
        return len(items)
    except TypeError:
        return None


def _file_source(path: Any) -> FileSource:
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidObject(f"a local path is a str or a path, not {type(path).__name__}")
    return FileSource(path)


def _put_spec(item: Any, field: str) -> S3PutObject:
    """Read a pair, an `S3PutObject`, or anything with the attributes of one."""
    if isinstance(item, S3PutObject):
        return item
    if hasattr(item, "key") and not isinstance(item, dict):
        value = getattr(item, field, None)
    elif isinstance(item, (tuple, list)) and len(item) >= 2:
        value = item[1]
    else:
        raise InvalidObject(f"expected (key, {field}) or an S3PutObject, not {visible(repr(item), 100)}")
    return S3PutObject(
        key=item.key if hasattr(item, "key") else item[0],
        value=value if field == "value" else None,
        path=value if field == "path" else None,
        content_type=getattr(item, "content_type", None),
        encryption=getattr(item, "encryption", None),
        metadata=getattr(item, "metadata", None),
    )
