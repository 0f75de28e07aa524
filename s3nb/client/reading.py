"""The part of the client that gets objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3nb import listings, many
from s3nb.addressing import each
from s3nb.client.base import Base, Directory, count_of
from s3nb.errors import InvalidURL, S3Error
from s3nb.model import Results, S3Object
from s3nb.transfer.attempt import Scope
from s3nb.transfer.download import GetTask
from s3nb.transfer.local import sync_folder
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Key, collisions

if TYPE_CHECKING:
    from concurrent.futures import Executor


class Reading(Base):
    """Getting objects: into memory, into files, through a function."""

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
            total=count_of(keys),
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
            many.iterate(core, "get", each(keys), make, self._progress, total=count_of(keys), ordered=ordered)
        )

    def _getter(self, missing_ok: bool, info: bool) -> many.Maker:
        at, store = self._at, self._store

        def make(scope: Scope, item: Any) -> GetTask:
            wanted = item if isinstance(item, Wanted) else at.wanted(item, info=info, missing_ok=missing_ok)
            return GetTask(scope, wanted, store)

        return make

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
            total=count_of(keys), value=lambda found: many.applied(function, found),
        )  # fmt: skip

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
