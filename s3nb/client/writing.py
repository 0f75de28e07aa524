"""The part of the client that puts objects."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3nb import many, plain
from s3nb.addressing import Addresses, Prefix, each
from s3nb.client.base import Base, Directory, count_of
from s3nb.errors import InvalidObject, InvalidURL
from s3nb.model import METADATA_HEADER, Results, S3PutObject
from s3nb.sync import Sync, Synced
from s3nb.text import visible
from s3nb.transfer import uploads
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.source import Data, FileSource, Source, source_of
from s3nb.transfer.upload import PutTask
from s3nb.uri import Key, Named, StrPath, is_s3

if TYPE_CHECKING:
    from concurrent.futures import Executor


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


class Writing(Base):
    """Putting objects: from memory, from files, whole folders."""

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
            return many.put(core, verb, outgoing, self._progress, total=count_of(items), resume=resume)

        from s3nb.spread.travel import portable

        keys: list[Any] = []

        def ready(item: Any) -> many.Outgoing:
            spec, place, value = placed(item)
            keys.append(spec.key)
            return many.Outgoing(None, place, portable(value if field == "value" else Path(value)))

        def settle(results: list[Any], failed: dict[int, Any], do: many.Do) -> Results:
            return many.settled_put(verb, keys, results, failed, do)

        if whole:
            listed = list(iterator)
            iterator = iter(listed)
            for item in listed:
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
        summed = any(field.lower().startswith("x-amz-checksum-") for field, _ in lines)  # S3 takes one
        return Placed(bucket, name, url, lines, exclusive=not overwrite, checksum="" if summed else None)


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
