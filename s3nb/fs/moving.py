"""Copying and renaming: inside S3 without the bytes coming here, and between S3 and this machine."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from s3nb import many
from s3nb.client import S3
from s3nb.errors import (
    BulkError,
    DirectoryNotEmpty,
    InvalidURL,
    NotFound,
    ObjectChanged,
    ObjectExists,
    PreconditionFailed,
    S3Error,
)
from s3nb.fs.ask import Asker, is_a_directory, named, no_such, not_a_directory
from s3nb.fs.change import MARKER_TYPE, delete_request, delete_unchanged, keeps_conditions, replaced
from s3nb.fs.keeping import changes
from s3nb.fs.tree import entries_at, missing
from s3nb.fs.where import Spot, client_of, core_of, in_bucket, local, spot
from s3nb.mime import type_of
from s3nb.model import S3Object
from s3nb.text import visible
from s3nb.transfer import listing
from s3nb.transfer.attempt import Scope
from s3nb.transfer.copy import CopyTask, From
from s3nb.transfer.delete import Doomed
from s3nb.transfer.download import GetTask
from s3nb.transfer.local import make_folder
from s3nb.transfer.placed import Placed
from s3nb.transfer.source import FileSource, source_of
from s3nb.transfer.task import Task
from s3nb.transfer.upload import PutTask
from s3nb.transfer.wanted import Wanted
from s3nb.uri import StrPath, check_key, key_to_path, parse

Ignore = Callable[[str, list[str]], Iterable[str]]


def copy(source: StrPath, target: StrPath, *, client: S3 | None = None, version_id: str | None = None) -> str:
    """Copy a file: within S3 (its bytes do not come here; over 5 GiB in parallel parts), from S3, to S3, or locally.

    The new file is whole or not there. Within S3 it keeps the metadata, and it is a copy of the object that was there when
    the copying began, or none.

    Parameters
    ----------
    source : str or path
        A file.
    target : str or path
        Its new name; or a directory (one that is there, or a name with a slash at its end), to be put into.
    version_id : str, optional
        Copy this version.

    Returns
    -------
    str
        The path of the copy.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        The source is nothing, or a directory: `copytree`.
    shutil.SameFileError
        Both are one file.
    """
    here, there = spot(source, version_id), spot(target)
    if here is None and there is None:
        return str(shutil.copy(local(source), local(target)))
    if there is not None:
        name = os.path.basename(os.fspath(local(source))) if here is None else here.key.rpartition("/")[2]
        there = _into(client_of(client, here, there), there, name)
    return _copy_to(client_of(client, here, there), source, here, there, target)


def copy_exactly(source: StrPath, target: StrPath, *, client: S3 | None = None) -> str:
    """Copy a file to this very name; a directory that is there is in the way.

    Raises
    ------
    IsADirectoryError
        The target is a directory.
    """
    here, there = spot(source), spot(target)
    at = client_of(client, here, there)
    if there is None:
        if os.path.isdir(local(target)):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(local(target)))
    elif _into(at, there, "x") is not there:
        raise is_a_directory(there)
    return _copy_to(at, source, here, there, target)


def _copy_to(at: S3, source: Any, here: Spot | None, there: Spot | None, target: Any) -> str:
    if here is None:
        assert there is not None
        return _upload(at, Path(local(source)), there)
    in_bucket(here, "copy")
    if there is None:
        return _download(at, here, Path(local(target)), here.key.rpartition("/")[2])
    if (here.bucket, here.key) == (there.bucket, there.key) and here.version_id is None:
        raise shutil.SameFileError(f"source and target are the same file: {visible(here.text, 300)}")
    _copy(at, here, there, None)
    return there.text


def _into(client: S3, target: Spot, name: str) -> Spot:
    """Return where a file called ``name`` goes, if the target may be a directory. At most one LIST."""
    in_bucket(target, "copy")
    if not target.names_file or (name and Asker(client._alive(), "copy").is_directory(target)):
        return target.below(name)
    return target


def _source_trouble(ask: Asker, place: Spot) -> S3Error:
    """Say why there is no such file to be copied."""
    return is_a_directory(place) if ask.is_directory(place) else no_such(place)


@changes
def _copy(client: S3, source: Spot, target: Spot, etag: str | None) -> None:
    core = client._alive()
    if not source.names_file:
        ask = Asker(core, "copy")
        raise is_a_directory(source) if ask.is_directory(source) else missing(ask, source)
    try:
        core.run(_copy_task(core.scope("copy", 1), source, target, etag))
    except PreconditionFailed as exc:
        raise named(source, ObjectChanged, "replaced while it was being copied") from exc
    except NotFound as exc:
        if source.version_id is not None or exc.code == "NoSuchBucket":
            raise
        raise _source_trouble(Asker(core, "copy"), source) from exc


def _copy_task(scope: Scope, source: Spot, target: Spot, etag: str | None) -> CopyTask:
    check_key(parse(target.url))
    origin = From(source.bucket, source.key, source.url, source.version_id, etag)
    return CopyTask(scope, origin, Placed(target.bucket, target.key, target.url))


def _download(client: S3, source: Spot, target: Path, name: str) -> str:
    core = client._alive()
    if not source.names_file:
        ask = Asker(core, "copy")
        raise is_a_directory(source) if ask.is_directory(source) else missing(ask, source)
    wanted = Wanted(source.bucket, source.key, source.url, version_id=source.version_id)
    landing = many.local_target(target, name, core.config)
    try:
        found: S3Object = core.run(GetTask(core.scope("copy", 1), wanted, client._store, landing))
    except NotFound as exc:
        if source.version_id is not None or exc.code == "NoSuchBucket":
            raise
        raise _source_trouble(Asker(core, "copy"), source) from exc
    return str(found.path)


@changes
def _upload(client: S3, source: Path, target: Spot) -> str:
    core = client._alive()
    if source.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(source))
    core.run(PutTask(core.scope("copy", 1), _placed(target), FileSource(source)))
    return target.text


def _placed(target: Spot) -> Placed:
    check_key(parse(target.url))
    content_type = MARKER_TYPE if target.key.endswith("/") else type_of(target.key)
    return Placed(target.bucket, target.key, target.url, [("Content-Type", content_type)])


# -- trees ----------------------------------------------------------------------------------------------


class _Leaf(NamedTuple):
    """What is copied of a tree: the path below its top (a marker's ends in a slash), and what is known of it."""

    name: str
    etag: str | None = None
    size: int = 0
    path: Path | None = None  # of a local file


def copytree(
    source: StrPath,
    target: StrPath,
    symlinks: bool = False,
    ignore: Ignore | None = None,
    *,
    dirs_exist_ok: bool = False,
    client: S3 | None = None,
    **options: Any,
) -> str:
    """Copy a directory with all that is below it: within S3, from it, to it, or locally.

    One flat listing, then the files, many at once. To S3, symbolic links to files are followed, those to directories not.

    Parameters
    ----------
    ignore : callable, optional
        As for `shutil.copytree`, e.g. from `shutil.ignore_patterns`: takes a directory and the names in it, returns those to
        leave out. The listing then goes directory by directory.
    dirs_exist_ok : bool
        The target may be there: what it has stays, or is written over.
    symlinks, **options
        For local paths, as `shutil.copytree` has them.

    Returns
    -------
    str
        The target.

    Raises
    ------
    BulkError
        Some could not be copied; all others are. ``.failed`` names each.
    FileExistsError, FileNotFoundError, NotADirectoryError
    InvalidURL
        The target is in the source.
    """
    here, there = spot(source), spot(target)
    if here is None and there is None:
        return str(
            shutil.copytree(local(source), local(target), symlinks, ignore, dirs_exist_ok=dirs_exist_ok, **options)
        )
    if options or symlinks:
        given = sorted([*options, *(["symlinks"] if symlinks else [])])
        raise TypeError(f"copytree: {', '.join(given)} is for local trees")
    at = client_of(client, here, there)
    if there is None:
        assert here is not None
        _tree_down(at, in_bucket(here, "copytree"), Path(local(target)), ignore, dirs_exist_ok)
        return str(local(target))
    _refuse_target(at, in_bucket(there, "copytree"), dirs_exist_ok)
    if here is None:
        _tree_up(at, Path(local(source)), there, ignore)
    else:
        _copy_leaves(at, in_bucket(here, "copytree"), there, _leaves(at, here, ignore))
    return there.text


def _refuse_target(client: S3, target: Spot, exists_ok: bool) -> None:
    ask = Asker(client._alive(), "copy")
    file = ask.head(target, target.file_key) if target.file_key else None
    if target.key and not exists_ok and ask.is_directory(target):
        raise named(target, ObjectExists, "file exists")
    if file is not None and ask.found(file) is not None:
        raise named(target, ObjectExists, "file exists") if not exists_ok else not_a_directory(target)


def _refuse_inside(source: Spot, target: Spot) -> None:
    if source.bucket == target.bucket and target.prefix.startswith(source.prefix):
        raise InvalidURL(
            f"a directory cannot go into itself: {visible(source.text, 300)} to {visible(target.text, 300)}"
        )


@changes
def _copy_leaves(client: S3, source: Spot, target: Spot, leaves: Iterable[_Leaf]) -> None:
    _refuse_inside(source, target)

    def task(scope: Scope, leaf: _Leaf) -> Task:
        return _copy_task(scope, _leaf_at(source, leaf), _leaf_at(target, leaf), leaf.etag)

    many.run(client._alive(), "copy", leaves, task, False)


def _leaf_at(top: Spot, leaf: _Leaf) -> Spot:
    return Spot(top.bucket, top.prefix + leaf.name, top.child(leaf.name))


def _leaves(client: S3, top: Spot, ignore: Ignore | None) -> Iterator[_Leaf]:
    """Yield what is below a directory in S3, its own marker too."""
    core = client._alive()
    if ignore is not None:
        yield from _chosen(client, top, top, ignore)
        return
    at = len(top.prefix)
    empty = bool(top.key)
    for found in listing.objects(core.scope("list"), top.bucket, top.prefix):
        empty = False
        yield _Leaf(found.key[at:], found.etag, found.size)
    if empty:
        raise missing(Asker(core, "list"), top)


def _chosen(client: S3, top: Spot, place: Spot, ignore: Ignore) -> Iterator[_Leaf]:
    entries = list(entries_at(client._alive(), place))
    left_out = set(ignore(place.text, list(dict.fromkeys(e.name for e in entries))))
    path = place.prefix[len(top.prefix) :]
    kept = [e for e in entries if e.name not in left_out]
    if not kept:
        yield _Leaf(path)  # stays a directory
    for entry in kept:
        if entry.is_dir():
            yield from _chosen(client, top, place.below(entry.name), ignore)
        else:
            facts = entry.stat()
            yield _Leaf(path + entry.name, facts.etag, facts.st_size)


def _local_leaves(top: Path, ignore: Ignore | None) -> Iterator[_Leaf]:
    """Yield the files below a local directory, and directories in which none are."""
    if not top.is_dir():
        os.stat(top)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(top))
    for folder, folders, files in os.walk(top, onerror=many.raise_local):
        left_out = set(ignore(folder, [*folders, *files])) if ignore is not None else set()
        folders[:] = sorted(name for name in folders if name not in left_out)
        kept = sorted(name for name in files if name not in left_out)
        path = Path(folder).relative_to(top).as_posix()
        prefix = "" if path == "." else f"{path}/"
        if not kept and not folders:
            yield _Leaf(prefix)
        for name in kept:
            yield _Leaf(prefix + name, path=Path(folder, name))


def _tree_down(client: S3, source: Spot, target: Path, ignore: Ignore | None, exists_ok: bool) -> list[_Leaf]:
    """Copy a tree to this machine; return what was copied."""
    core = client._alive()
    leaves = list(_leaves(client, source, ignore))  # nothing there: an error before a folder is made
    os.makedirs(target, exist_ok=exists_ok)
    # markers are folders, but for those that hold something: they have no local name, and fail by their own
    files = [leaf for leaf in leaves if leaf.size or (leaf.name and not leaf.name.endswith("/"))]
    base = f"s3://{source.bucket}/{source.prefix}"

    def wanted(leaf: _Leaf) -> tuple[Wanted, str]:
        place = _leaf_at(source, leaf)
        return Wanted(place.bucket, place.key, place.url, base), leaf.name

    many.download(core, map(wanted, files), target, client._store, False)
    for leaf in leaves:
        if leaf.name.endswith("/") and not leaf.size:
            make_folder(target, Path(key_to_path(target, leaf.name.removesuffix("/"))))
    return leaves


@changes
def _tree_up(client: S3, source: Path, target: Spot, ignore: Ignore | None) -> list[_Leaf]:
    """Copy a tree from this machine; return what was copied."""
    leaves = list(_local_leaves(source, ignore))

    def outgoing(leaf: _Leaf) -> many.Outgoing:
        place = _leaf_at(target, leaf)
        return many.Outgoing(place.url, _placed(place), source_of(b"") if leaf.path is None else FileSource(leaf.path))

    many.put(client._alive(), "copy", [outgoing(leaf) for leaf in leaves], False, total=len(leaves))
    return leaves


# -- renaming -------------------------------------------------------------------------------------------


def rename(source: StrPath, target: StrPath, *, recursive: bool = False, client: S3 | None = None) -> None:
    """Give a file another name, within S3 or within this machine; one that has it is replaced.

    S3 has no renaming: this is a copy inside S3, and then a delete. It is not atomic: for a moment both are there, and if it is
    interrupted, both may stay; never is neither. A source that is replaced meanwhile is neither copied in part nor (where
    the server keeps conditions, as Amazon does) deleted. Requests: HEAD and LIST together, copy, DELETE.

    Parameters
    ----------
    recursive : bool
        Directories, too: all that is below is copied, and deleted when all copies are there.

    Raises
    ------
    FileNotFoundError
    IsADirectoryError
        The source is a directory, and ``recursive`` false; or the target is one.
    OSError
        One of them is in S3 and the other not (``errno.EXDEV``): `move`.
    """
    here, there = spot(source), spot(target)
    if here is None and there is None:
        os.replace(local(source), local(target)) if os.name == "nt" else os.rename(local(source), local(target))
        return
    if here is None or there is None:
        raise OSError(
            errno.EXDEV, "one of them is in S3, the other is not: move() does that", str(source), None, str(target)
        )
    at = client_of(client, here, there)
    in_bucket(here, "rename")
    in_bucket(there, "rename")
    if not here.key or not there.key:
        raise InvalidURL(f"a bucket cannot be renamed: {visible(here.text, 200)} to {visible(there.text, 200)}")
    ask = Asker(at._alive(), "rename")
    below = ask.some(there)
    found = ask.found(ask.head(here)) if here.names_file else None
    occupied = ask.result(below)
    if found is None:
        if not ask.is_directory(here):
            raise missing(ask, here)
        if not recursive:
            raise is_a_directory(here, " (recursive=True renames it, object by object)")
        _rename_tree(at, here, there, [o.key for o in occupied])
        return
    if occupied or not there.names_file:
        raise is_a_directory(there)
    if (here.bucket, here.key) != (there.bucket, there.key):
        _copy(at, here, there, found.etag)
        delete_unchanged(ask, here, found.etag)


replace = rename


def _rename_tree(client: S3, source: Spot, target: Spot, occupied: list[str]) -> None:
    if (source.bucket, source.prefix) == (target.bucket, target.prefix):
        return
    ask = Asker(client._alive(), "rename")
    if occupied and occupied != [target.prefix]:
        raise named(target, DirectoryNotEmpty, "directory not empty")
    if target.names_file and ask.found(ask.head(target)) is not None:
        raise not_a_directory(target)
    leaves = list(_leaves(client, source, None))
    try:
        _copy_leaves(client, source, target, leaves)
    except BulkError as exc:
        exc.add_note(
            f"nothing of {visible(source.text, 200)} was deleted; what was copied is in {visible(target.text, 200)}"
        )
        raise
    _delete_leaves(client, source, leaves)


@changes
def _delete_leaves(client: S3, source: Spot, leaves: list[_Leaf]) -> None:
    """Delete what was copied, and nothing that has come since."""
    core = client._alive()
    if keeps_conditions(core, source.bucket):
        many.run(
            core, "rename", leaves, lambda scope, leaf: _DeleteLeaf(scope, _leaf_at(source, leaf), leaf.etag), False
        )
    else:
        places = (_leaf_at(source, leaf) for leaf in leaves)
        many.delete(core, (Doomed(p.bucket, p.key, p.url) for p in places), False)


class _DeleteLeaf(Task):
    """Delete one object, unless it was replaced since it was copied."""

    __slots__ = ("_etag", "_place")

    def __init__(self, scope: Scope, place: Spot, etag: str | None) -> None:
        super().__init__(scope)
        self._place = place
        self._etag = etag

    def start(self) -> None:
        request = delete_request(self._place, self._etag)
        self.engine.request(self.scope, request, lambda _: None).add_done_callback(self._done)

    def _done(self, done: Future[None]) -> None:
        error = done.exception()
        if error is None or isinstance(error, NotFound):
            self.end(None)
        elif isinstance(error, PreconditionFailed):
            self.fail(replaced(self._place))
        else:
            self.fail(error)


def move(source: StrPath, target: StrPath, *, client: S3 | None = None) -> str:
    """Move a file or directory, as `shutil.move`: within S3 as `rename` does, else copied, and deleted when the copy is there.

    A target that is a directory, or ends in a slash, is moved into. What comes into a directory while it is being moved is not
    deleted.

    Returns
    -------
    str
        The new path.
    """
    here, there = spot(source), spot(target)
    if here is None and there is None:
        return str(shutil.move(local(source), local(target)))
    at = client_of(client, here, there)
    if here is None:
        assert there is not None
        return _move_up(at, Path(local(source)), _into(at, there, Path(local(source)).name))
    in_bucket(here, "move")
    name = here.file_key.rpartition("/")[2]
    if there is not None:
        there = _into(at, there, name)
        rename(source, there.text, recursive=True, client=at)
        return there.text
    ask = Asker(core_of(at), "move")
    found = ask.found(ask.head(here)) if here.names_file else None
    if found is not None:
        moved = copy(source, target, client=at)
        delete_unchanged(ask, here, found.etag)
        return moved
    path = Path(local(target))
    path = Path(key_to_path(path, name)) if path.is_dir() and name else path
    _delete_leaves(at, here, _tree_down(at, here, path, None, False))
    return str(path)


def _move_up(client: S3, source: Path, target: Spot) -> str:
    if not source.is_dir():
        moved = _upload(client, source, target)
        source.unlink()
        return moved
    _refuse_target(client, target, False)
    for leaf in _tree_up(client, source, target, None):
        if leaf.path is not None:
            leaf.path.unlink()
    for folder, _, _ in os.walk(source, topdown=False):
        os.rmdir(folder)  # refuses where something has come since
    return target.text
