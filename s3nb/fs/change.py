"""What changes something: `remove`, `rmtree`, `mkdir`, `touch`, ... Copying and renaming are in `moving`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from s3nb import many
from s3nb.client import S3
from s3nb.core import Core, mocked
from s3nb.errors import (
    BulkError,
    DirectoryNotEmpty,
    InvalidURL,
    NotFound,
    ObjectChanged,
    ObjectExists,
    PreconditionFailed,
)
from s3nb.fs.ask import Asker, is_a_directory, named, no_such, not_a_directory
from s3nb.fs.keeping import changes
from s3nb.fs.tree import missing
from s3nb.fs.where import Spot, core_of, fspath, in_bucket, local, spot
from s3nb.text import visible
from s3nb.transfer import listing
from s3nb.transfer.delete import Doomed
from s3nb.transfer.placed import Placed, Stored
from s3nb.transfer.source import source_of
from s3nb.transfer.upload import PutTask
from s3nb.uri import StrPath
from s3nb.wire import Request

MARKER_TYPE = "application/x-directory"


def join(path: StrPath, *more: str) -> str:
    """Join names to a path. Makes no request.

    One slash is put between them where there is none. An ``s3://`` URL among ``more`` starts anew; nothing else does, as a
    key may begin with a slash. Local paths go to `os.path.join`.

    Examples
    --------
    >>> join("s3://bucket/dir", "sub", "file.txt")
    's3://bucket/dir/sub/file.txt'
    """
    place = spot(path)
    if place is None:
        if more and spot(more[0]) is not None:
            return join(*more)
        return str(os.path.join(local(fspath(path)), *more))
    text = place.text
    for name in more:
        if spot(name) is not None:
            text = name
        else:
            text += fspath(name) if text.endswith("/") else f"/{fspath(name)}"
    return text


# -- removing -------------------------------------------------------------------------------------------


def remove(path: StrPath, *, client: S3 | None = None, version_id: str | None = None) -> None:
    """Delete a file. One request at Amazon, which refuses if there is none; elsewhere a HEAD first.

    Parameters
    ----------
    version_id : str, optional
        Delete this version for good. Without it, in a versioned bucket, older versions stay.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    IsADirectoryError
        A directory is: `rmdir`, `rmtree`.
    """
    place = spot(path, version_id)
    if place is None:
        os.remove(local(path))
        return
    in_bucket(place, "remove")
    ask = Asker(core_of(client, place), "delete")
    if not place.names_file:
        raise is_a_directory(place) if ask.is_directory(place) else missing(ask, place)
    if not _removed(ask, place):
        raise is_a_directory(place) if ask.is_directory(place) else no_such(place)


unlink = remove


@changes
def _removed(ask: Asker, place: Spot) -> bool:
    """Delete an object; False if there is none."""
    if place.version_id is None and keeps_conditions(ask.core, place.bucket):
        try:
            _delete(ask, place, "*")
        except (PreconditionFailed, NotFound):
            return False
        return True
    if ask.found(ask.head(place)) is None:
        return False
    _delete(ask, place)
    return True


def keeps_conditions(core: Core, bucket: str) -> bool:
    """Say whether the server is known to keep a condition on a DELETE. Others ignore it, or refuse the request."""
    return core.engine.wire.checks_uploads(bucket) and not mocked()  # Amazon's own


def delete_request(place: Spot, etag: str | None) -> Request:
    """Return the request that deletes an object, if it has this ETag (``*``: if there is one); None: whatever it is."""
    query = () if place.version_id is None else (("versionId", place.version_id),)
    headers = () if etag is None else (("If-Match", etag if etag == "*" else f'"{etag}"'),)
    return Request("DeleteObject", "DELETE", place.bucket, place.key, query=query, headers=headers)


def _delete(ask: Asker, place: Spot, etag: str | None = None) -> None:
    ask.result(ask.send(delete_request(place, etag), lambda _: None))


@changes
def delete_unchanged(ask: Asker, place: Spot, etag: str | None) -> None:
    """Delete an object that was copied, unless somebody has replaced it meanwhile (where the server can tell)."""
    try:
        _delete(ask, place, etag if keeps_conditions(ask.core, place.bucket) else None)
    except NotFound:
        return  # somebody else was quicker
    except PreconditionFailed as exc:
        raise replaced(place) from exc


def replaced(place: Spot) -> ObjectChanged:
    """Make the error for an object that is not the one that was copied."""
    return named(place, ObjectChanged, "copied, but not deleted, as it was replaced meanwhile")


def rmtree(
    path: StrPath,
    ignore_errors: bool = False,
    onerror: Callable[..., object] | None = None,
    *,
    onexc: Callable[..., object] | None = None,
    client: S3 | None = None,
) -> None:
    """Delete a directory with all that is below it: one listing, and a request per 1,000 keys.

    Parameters
    ----------
    ignore_errors : bool
        Say nothing of what could not be deleted.
    onerror, onexc : callable, optional
        Called for each that could not be deleted, as by `shutil.rmtree`: function, path, and exception (``onerror``: as
        `sys.exc_info` gives it).

    Raises
    ------
    BulkError
        Some were refused; all others are deleted. ``.failed`` names each.
    FileNotFoundError, NotADirectoryError
    InvalidURL
        A whole bucket: `S3.delete_recursive` empties one.
    """
    place = spot(path)
    if place is None:
        handler: dict[str, Any] = {} if onerror is None else {"onerror": onerror}
        if onexc is not None:
            handler = {"onexc": onexc} if _PY312 else {"onerror": lambda f, p, info: onexc(f, p, info[1])}
        shutil.rmtree(local(path), ignore_errors, **handler)
        return
    try:
        _rmtree(core_of(client, place), place)
    except OSError as exc:
        if ignore_errors:
            return
        failed = exc.failed if isinstance(exc, BulkError) else [exc]
        if onexc is None and onerror is None:
            raise
        for error in failed:
            where = error.filename or place.text
            if onexc is not None:
                onexc(rmtree, where, error)
            elif onerror is not None:
                onerror(rmtree, where, (type(error), error, error.__traceback__))


_PY312 = hasattr(Path, "walk")


@changes
def _rmtree(core: Core, place: Spot) -> None:
    in_bucket(place, "rmtree")
    if not place.key:
        raise InvalidURL(f"rmtree: {visible(place.text, 100)} is a whole bucket; S3.delete_recursive empties one")
    found = 0

    def doomed() -> Iterator[Doomed]:
        nonlocal found
        for listed in listing.objects(core.scope("list"), place.bucket, place.prefix):
            found += 1
            yield Doomed(place.bucket, listed.key, f"s3://{place.bucket}/{listed.key}")

    many.delete(core, doomed(), False)
    if not found:
        raise missing(Asker(core, "list"), place)


@changes
def rmdir(path: StrPath, *, client: S3 | None = None) -> None:
    """Delete an empty directory, which is a marker. One LIST of two keys, one DELETE.

    Raises
    ------
    DirectoryNotEmpty
        Something is in it (``errno.ENOTEMPTY``).
    FileNotFoundError, NotADirectoryError
    """
    place = spot(path)
    if place is None:
        os.rmdir(local(path))
        return
    in_bucket(place, "rmdir")
    if not place.key:
        raise InvalidURL(f"rmdir: {visible(place.text, 100)} is a bucket, and buckets are not deleted here")
    ask = Asker(core_of(client, place), "rmdir")
    first = ask.result(ask.some(place, 2))
    if not first:
        raise missing(ask, place)
    if [o.key for o in first] != [place.prefix]:
        raise named(place, DirectoryNotEmpty, "directory not empty")
    _delete(ask, Spot(place.bucket, place.prefix, place.text))


# -- making ---------------------------------------------------------------------------------------------


def mkdir(path: StrPath, mode: int = 0o777, *, client: S3 | None = None) -> None:
    """Make a directory: an empty object whose key ends in a slash. Three questions sent together, one PUT.

    Raises
    ------
    FileExistsError
        A file or directory of this name is there.
    FileNotFoundError
        The directory that it would be in is not there: `makedirs`.
    """
    place = spot(path)
    if place is None:
        os.mkdir(local(path), mode)
        return
    in_bucket(place, "mkdir")
    ask = Asker(core_of(client, place), "mkdir")
    above = place.file_key.rpartition("/")[0]
    parent = ask.some(Spot(place.bucket, above, place.text)) if above else None
    _refuse_existing(ask, place)
    if parent is not None and not ask.result(parent):
        head = place.text[: len(place.text) - len(place.key)]
        upper = Spot(place.bucket, above, head + above)
        raise not_a_directory(upper) if ask.found(ask.head(upper)) is not None else no_such(upper)
    _mark(ask, place)


def makedirs(name: StrPath, mode: int = 0o777, exist_ok: bool = False, *, client: S3 | None = None) -> None:
    """Make a directory, as `mkdir`, wherever it is: directories above it are there by its being there.

    Parameters
    ----------
    mode : int
        For local paths.
    exist_ok : bool
        A directory that is there is no error; nothing is sent then but one LIST and one HEAD.
    """
    place = spot(name)
    if place is None:
        os.makedirs(local(name), mode, exist_ok)
        return
    in_bucket(place, "makedirs")
    ask = Asker(core_of(client, place), "mkdir")
    if not _refuse_existing(ask, place, exist_ok):
        _mark(ask, place)


def _refuse_existing(ask: Asker, place: Spot, exist_ok: bool = False) -> bool:
    """Raise if a file or directory is there; True if a directory is, and may be."""
    below = ask.some(place)
    file = ask.head(place, place.file_key) if place.file_key else None
    directory = bool(ask.result(below)) or not place.key  # a bucket that is not there is an error
    if directory and exist_ok:
        return True
    if directory or (file is not None and ask.found(file) is not None):
        raise named(place, ObjectExists, "file exists")
    return False


@changes
def _mark(ask: Asker, place: Spot) -> None:
    key = place.prefix
    placed = Placed(place.bucket, key, f"s3://{place.bucket}/{key}", [("Content-Type", MARKER_TYPE)])
    ask.core.run(PutTask(ask.core.scope("mkdir", 1), placed, source_of(b"")))


@changes
def touch(path: StrPath, mode: int = 0o666, exist_ok: bool = True, *, client: S3 | None = None) -> None:
    """Make an empty file, unless there is one: that stays as it is, its time too, as S3 can change none.

    One HEAD; one PUT, which gives way to a file that has come in between (``If-None-Match``).

    Raises
    ------
    FileExistsError
        There is one, and ``exist_ok`` is false.
    IsADirectoryError
        The name ends in a slash.
    """
    place = spot(path)
    if place is None:
        Path(local(path)).touch(mode, exist_ok)
        return
    if not in_bucket(place, "touch").names_file:
        raise is_a_directory(place)
    core = core_of(client, place)
    headers = [("Content-Type", "binary/octet-stream")]
    placed = Placed(place.bucket, place.key, place.url, headers, exclusive=True)
    stored: Stored = core.run(PutTask(core.scope("touch", 1), placed, source_of(b"")))
    if stored.skipped and not exist_ok:
        raise named(place, ObjectExists, "file exists")
