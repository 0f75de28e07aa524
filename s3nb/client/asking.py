"""The part of the client that tells what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from s3nb import listings, many
from s3nb.addressing import each
from s3nb.client.base import Base, Directory, count_of
from s3nb.model import Results, S3Object
from s3nb.transfer.attempt import Scope
from s3nb.transfer.head import HeadTask
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Key, parse
from s3nb.wire import Request
from s3nb.wire.xml import parse_buckets

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from s3nb.preview import Preview


class Asking(Base):
    """What is there: facts of objects, listings, previews."""

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

        return many.run(self._alive(), "info", each(keys), make, self._progress, total=count_of(keys))

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
