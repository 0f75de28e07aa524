"""One opening: the object as it is there, and the binary file that reads it, replaces it, or puts more to it."""

from __future__ import annotations

import hashlib
import uuid
import warnings
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlencode

from s3nb import session
from s3nb.client import S3
from s3nb.core import Core
from s3nb.errors import (
    BucketNotFound,
    IsADirectory,
    NotADirectory,
    NotFound,
    ObjectChanged,
    ObjectExists,
    PreconditionFailed,
    S3Error,
)
from s3nb.files.address import Address, Mode
from s3nb.files.reader import S3Reader
from s3nb.files.remote import Remote
from s3nb.files.spool import S3Spool
from s3nb.files.upload import Parts, Upload
from s3nb.files.writer import S3Writer
from s3nb.mime import type_of
from s3nb.ranges import MIN_PART_SIZE
from s3nb.text import visible
from s3nb.transfer.attempt import Engine
from s3nb.transfer.copy import From
from s3nb.transfer.placed import Placed, Stored
from s3nb.uri import MAX_KEY_BYTES
from s3nb.wire import Headers, Request
from s3nb.wire.xml import parse_list_page, parse_tagging

_CARRIED = frozenset({"content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires",
            "x-amz-storage-class", "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-website-redirect-location"})  # fmt: skip
_NO_OBJECT = '"00000000000000000000000000000000"'


class ConditionsIgnoredWarning(UserWarning):
    """The server ignores conditions: an exclusive or guarded write was not protected from another at the same time."""


class Ask:
    """What is to be opened, and how; makes the binary file."""

    def __init__(
        self, core: Core, where: Address, mode: Mode, every: Any, own: Any, parts: Parts, on_error: str, commit: str,
        checksum: str | None = None,
    ) -> None:  # fmt: skip
        self.core = core
        self.where = where
        self.mode = mode
        self.every = every
        self.own = own
        self.parts = parts
        self.checksum = checksum
        self.how = {"on_error": on_error, "commit": commit}

    def refuse_directories(self) -> None:
        """Raise if the name can only be a directory's."""
        where = self.where
        if where.key and (where.literal or not where.key.endswith("/")):
            return
        fields: dict[str, Any] = {"bucket": where.bucket, "key": where.key}
        stripped = where.key.rstrip("/")
        if stripped:
            try:
                found = self._head(stripped)
            except S3Error:
                found = None
            if found is not None:
                raise self._named(NotADirectory(f"{visible(where.name)}: an object, and no directory", **fields))
        raise self._named(IsADirectory(f"{visible(where.name)}: a directory, and no object", **fields))

    def _named(self, error: S3Error) -> S3Error:
        error.filename = self.where.name
        return error

    def remote(self, access: str, **options: Any) -> Remote:
        """Return the object for reading; nothing is sent yet."""
        where = self.where
        return Remote(
            self.core, where.bucket, where.key, access=access, version_id=where.version_id, every=self.every, **options
        )

    def reader(self, remote: Remote, options: Mapping[str, Any] | None, client: S3) -> S3Reader:
        """Wait until the object is open."""
        try:
            remote.wait_open()
        except NotFound as error:
            self._perhaps_a_directory(error)
        except BaseException:
            remote.close()
            raise
        made = S3Reader(remote, self.where.name)
        if client._portable:
            made._remade = (reopened, (self.where, None if options is not None else client, dict(options or {})))
        return made

    def _perhaps_a_directory(self, error: NotFound) -> NoReturn:
        where = self.where
        if not isinstance(error, BucketNotFound) and where.version_id is None:
            prefix = where.key + "/"
            query = (("encoding-type", "url"), ("list-type", "2"), ("max-keys", "1"), ("prefix", prefix))
            request = Request("ListObjectsV2", "GET", where.bucket, query=query, headers=self.every)
            scope = self.core.scope("open")
            try:
                page = self.core.wait(
                    self.core.engine.request(scope, request, lambda r: parse_list_page(r.body, where.bucket, prefix)),
                    scope,
                )
            except S3Error:
                page = None  # who may not list is told what GET said
            if page is not None and (page.objects or page.prefixes):
                raise self._named(
                    IsADirectory(
                        f"{visible(where.name)}: a directory, and no object", bucket=where.bucket, key=where.key
                    )
                ) from error
        raise error

    def _head(self, key: str | None = None, more: tuple[tuple[str, str], ...] = ()) -> Headers | None:
        """Ask about the object; None if there is none."""
        where = self.where
        scope = self.core.scope("open")
        request = Request("HeadObject", "HEAD", where.bucket, key or where.key, headers=(*self.every, *more))
        try:
            headers: Headers = self.core.wait(self.core.engine.request(scope, request, lambda r: r.headers), scope)
        except BucketNotFound:
            raise
        except NotFound:
            return None
        return headers

    # -- writing

    def writable(self, if_match: str | None) -> S3Writer | S3Spool:
        """Return the file for a mode that writes."""
        mode = self.mode
        before: Headers | None = None
        exclusive, match = False, if_match
        if mode.kind in ("x", "a") or if_match == '"current"':
            before = self._head()
            if before is not None and mode.kind == "x":
                where = self.where
                raise self._named(
                    ObjectExists(f"{visible(where.name)}: the object exists", bucket=where.bucket, key=where.key)
                )
            exclusive = before is None
            etag = before.get("etag") if before is not None else None
            if if_match not in (None, '"current"', etag):
                raise self._named(ObjectChanged(f"{visible(self.where.name)}: the object is another one"))
            match = None if exclusive else etag
        if mode.plus:
            return self._spool(before, exclusive, match)
        if mode.kind == "a" and before is not None:
            return self._append(before, match or "")
        return self._writer(exclusive, match)

    def _writer(self, exclusive: bool, match: str | None, carried: Any = (), **options: Any) -> S3Writer:
        where = self.where
        named = {name.lower() for name, _ in self.own}
        default = () if "content-type" in named | {n for n, _ in carried} else (("Content-Type", type_of(where.key)),)
        lines = (*self.own, *((n, v) for n, v in carried if n not in named), *default)
        place = Placed(
            where.bucket, where.key, where.name, lines, exclusive=exclusive, match=match, checksum=self.checksum
        )
        return S3Writer(
            Upload(self.core, place, self.every), where.name, parts=self.parts, mode=self.mode.below,
            written=partial(self._look_at_conditions, place) if place.conditions() else None, **(self.how | options),
        )  # fmt: skip

    def _carried(self, before: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the headers that new content inherits. Tags are asked for, if there are any."""
        found = [(n, v) for n, v in before.items() if n in _CARRIED or n.startswith("x-amz-meta-")]
        if before.get("x-amz-tagging-count", "0") != "0" and not any(n == "x-amz-tagging" for n, _ in self.own):
            where = self.where
            scope = self.core.scope("open")
            request = Request(
                "GetObjectTagging", "GET", where.bucket, where.key, query=(("tagging", ""),), headers=self.every
            )
            tags = self.core.wait(self.core.engine.request(scope, request, lambda r: parse_tagging(r.body)), scope)
            found.append(("x-amz-tagging", urlencode(tags)))
        return found

    def _append(self, before: Headers, etag: str) -> S3Writer:
        size = int(before.get("content-length", "0"))
        carried = self._carried(before)
        where = self.where

        def old_bytes(writer: S3Writer) -> None:
            if size >= MIN_PART_SIZE:
                writer._upload.begin()
                writer._upload.copy(From(where.bucket, where.key, where.name), size, etag)
                writer.renumber()
            elif size:
                remote = self.remote("sequential", etag=etag, size=size)
                remote.begin()
                remote.wait_open()
                with S3Reader(remote, where.name) as reader:
                    writer.prepend(reader.read())

        return self._writer(False, etag, carried, prepare=old_bytes, position=size, needed=False)

    def _spool(self, before: Headers | None, exclusive: bool, match: str | None) -> S3Spool:
        mode = self.mode
        carried: list[tuple[str, str]] = []
        state = {"match": match}

        def make() -> S3Writer:
            return self._writer(exclusive, state["match"], carried, on_error="abort", commit="close")

        loads = mode.kind == "r" or (mode.kind == "a" and before is not None)
        spool = S3Spool(self.where.name, mode.below, make, dirty=not loads, **self.how)
        if loads:
            try:
                remote = self.remote("sequential", etag=match)
                remote.begin()
                with self.reader(remote, {}, _NOBODY) as reader:
                    spool.load(reader)
                    state["match"] = remote.etag
                    carried += self._carried(remote.headers or {})
            except BaseException as exc:
                spool.abort(exc)
                raise
        return spool

    def _look_at_conditions(self, place: Placed, _: Stored) -> None:
        """Warn if the server ignores conditions; it is asked once for each kind."""
        engine = self.core.engine
        if engine.wire.checks_uploads(self.where.bucket):
            return
        known = _ignoring.setdefault(engine, {})
        kind = "If-None-Match" if place.exclusive else "If-Match"
        if kind not in known:
            ignores = self._heeds_no_head() if place.exclusive else self._heeds_no_put()
            if ignores is None:
                return  # no news
            known[kind] = ignores
        if known[kind]:
            warnings.warn(
                f"{visible(self.where.name, 200)} was written under a condition, but the server ignores conditions",
                ConditionsIgnoredWarning,
                stacklevel=4,
            )

    def _heeds_no_head(self) -> bool | None:
        """Say whether a HEAD under a condition that does not hold succeeds. Of a PUT that is to make an object, nothing harmless tells."""
        try:
            self._head(more=(("If-Match", _NO_OBJECT),))
        except PreconditionFailed:
            return False
        except S3Error:
            return None
        return True

    def _heeds_no_put(self) -> bool | None:
        """Say whether a PUT in place of an object that there is not succeeds.

        There are servers that know conditions of GET and not of PUT, and only a PUT finds that out. It is of no bytes, and to a
        name beside, that is nobody's: who heeds conditions refuses it; from one who does not it is removed again.
        """
        where, engine = self.where, self.core.engine
        folder, slash, _ = where.key.rpartition("/")
        key = f"{folder}{slash}.s3nb-probe-{uuid.uuid4().hex}"
        if len(key.encode()) > MAX_KEY_BYTES:
            return None
        request = Request(
            "PutObject", "PUT", where.bucket, key, headers=(("If-Match", _NO_OBJECT), *self.every), body=b"",
            payload_hash=hashlib.sha256(b"").hexdigest(),
        )  # fmt: skip
        scope = self.core.scope("open")
        try:
            made: Headers = self.core.wait(engine.request(scope, request, lambda r: r.headers), scope)
        except (PreconditionFailed, NotFound):
            return False
        except S3Error:
            return None
        version = made.get("x-amz-version-id")
        query = () if version in (None, "null") else (("versionId", str(version)),)
        request = Request("DeleteObject", "DELETE", where.bucket, key, query=query, headers=self.every)
        try:
            self.core.wait(engine.request(scope, request, lambda _: None), scope)
        except S3Error as exc:  # what was to be written is written all the same
            warnings.warn(
                f"{visible(f's3://{where.bucket}/{key}', 300)}, of no bytes, was to find out whether the server ignores conditions, "
                f"and could not be removed: {exc}", ConditionsIgnoredWarning, stacklevel=5,
            )  # fmt: skip
        return True


class _Nobody:
    _portable = False


_NOBODY: Any = _Nobody()
_ignoring: weakref.WeakKeyDictionary[Engine, dict[str, bool]] = weakref.WeakKeyDictionary()


def reopened(
    where: Address,
    client: S3 | None,
    options: dict[str, Any],
    etag: str | None,
    version_id: str | None,
    size: int,
    at: int,
) -> S3Reader:
    """Make a reader of what another process was reading; sends nothing until it is read."""
    client = client or session.client(**options)
    remote = Remote(client._alive(), where.bucket, where.key, etag=quoted(etag), version_id=where.version_id, size=size)
    remote.known_version(version_id)
    reader = S3Reader(remote, where.name)
    reader._remade = (reopened, (where, None if options or client is None else client, options))
    reader.seek(at)
    return reader


def quoted(etag: str | None) -> str | None:
    return None if etag is None else '"' + etag.strip('"') + '"'
