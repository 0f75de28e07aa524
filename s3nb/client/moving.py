"""The part of the client that deletes, copies, moves, and signs URLs for others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from s3nb import listings, many
from s3nb.addressing import Addresses, each
from s3nb.client.base import Base, Directory, count_of
from s3nb.client.writing import PutResult
from s3nb.errors import InvalidObject, InvalidURL
from s3nb.model import METADATA_HEADER, Results
from s3nb.text import visible
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import DeleteTask, Doomed
from s3nb.transfer.placed import Placed
from s3nb.transfer.wanted import Wanted
from s3nb.uri import Key, Named, is_s3
from s3nb.wire import Request

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from s3nb.presigned import PresignedURL


class Moving(Base):
    """Deleting, copying and moving objects; URLs for others."""

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
            core, "copy", each(pairs, "pairs"), self._copy_task, self._progress, total=count_of(pairs), value=PutResult
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
