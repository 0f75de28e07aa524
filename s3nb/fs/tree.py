"""What is in a directory, and below it: `listdir`, `scandir`, `walk`, `find`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from s3nb.client import S3
from s3nb.core import Core
from s3nb.errors import NotADirectory, NotFound
from s3nb.fs import keeping
from s3nb.fs.ask import Asker, StatResult, no_such, not_a_directory, stat_of_directory, stat_of_listed
from s3nb.fs.where import Spot, core_of, in_bucket, local, spot
from s3nb.text import visible
from s3nb.transfer import listing
from s3nb.uri import Named, StrPath
from s3nb.wire.xml import ListedObject

# What is never listed by name: no file system has such names, and code that joins them to a local path would climb.
# The objects are there for those who name them, and in `find`.
_NO_NAMES = frozenset(("", ".", ".."))


class Entry(Named):
    """One entry of `scandir`, as `os.DirEntry`: name, path, and answers from the listing, without requests.

    Attributes
    ----------
    name : str
        Without slashes.
    path : str
        The directory as it was named, a slash, and the name.
    bucket, key : str
        Where it is, to the letter. An entry is taken wherever a path is.
    """

    __slots__ = ("_object", "bucket", "key", "name", "path", "version_id")

    def __init__(self, name: str, place: Spot, found: ListedObject | None) -> None:
        self.name = name
        self.path = place.text
        self.bucket = place.bucket
        self.key = place.key
        self.version_id = None
        self._object = found

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether it is a directory."""
        return self._object is None

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether it is a file."""
        return self._object is not None

    def is_symlink(self) -> bool:
        """Say no: S3 has no links."""
        return False

    def is_junction(self) -> bool:
        """Say no."""
        return False

    def inode(self) -> int:
        """Return a number that no other key has."""
        return int(self.stat().st_ino)

    def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        """Return what the listing says of it."""
        place = Spot(self.bucket, self.key, self.path)
        return stat_of_directory(place) if self._object is None else stat_of_listed(place, self._object)

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<Entry {visible(repr(self.name), 200)}>"


class Scan(Iterator[Any]):
    """An iterator over the entries of a directory; also a context manager, as `os.scandir` gives it."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def close(self) -> None:
        """Ask for no further pages."""
        self._entries.close()  # type: ignore[attr-defined]  # a generator

    def __enter__(self) -> Scan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def listdir(path: StrPath = ".", *, client: S3 | None = None) -> list[str]:
    """Return the names in a directory, bare, in the order of their keys. One request per 1,000.

    What is both a file and a directory is named once. A directory's own marker, and keys whose name would be empty,
    ``.`` or ``..``, are left out; `find` has them. ``s3://`` lists the buckets.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    NotADirectoryError
        A file is.
    """
    place = spot(path)
    if place is None:
        return os.listdir(local(path))
    return list(dict.fromkeys(entry.name for entry in entries_at(core_of(client, place), place)))


def scandir(path: StrPath = ".", *, client: S3 | None = None) -> Any:
    """Iterate over the entries of a directory, lazily; the next page is fetched while this one is used.

    Entries answer ``is_file``, ``is_dir`` and ``stat`` from the listing, without requests. What is both a file and a
    directory comes as two entries. Errors as for `listdir`, before the first entry.

    Returns
    -------
    iterator of Entry
        A context manager, as that of `os.scandir`, which local paths go to.
    """
    place = spot(path)
    if place is None:
        return os.scandir(local(path))
    found = entries_at(core_of(client, place), place)
    first = next(found, None)  # errors now, as with os.scandir
    return Scan(_after(first, found))


def _after(first: Entry | None, rest: Iterator[Entry]) -> Iterator[Entry]:
    if first is not None:
        yield first
        yield from rest


def entries_at(
    core: Core, place: Spot, pages: Iterator[Sequence[ListedObject]] | None = None, *, whole: bool = True
) -> Iterator[Entry]:
    """Yield the entries of a directory, by key.

    ``pages``: of its listing, if that is under way; not ``whole``: of a part of it, which may be empty.
    """
    if not place.bucket:
        ask = Asker(core, "list")
        for name, _ in ask.result(ask.buckets()):
            yield Entry(name, Spot(name, "", place.child(name)), None)
        return
    prefix = place.prefix
    kept = keeping.kept() if whole else None
    names = kept.listing(core, place.bucket, prefix) if kept is not None else None
    if names is None:
        noted: keeping.Names = []
        for name, listed in _listed(core, place, pages, whole):
            if kept is not None:
                noted.append((name, listed))
            yield _entry(place, name, listed)
        if kept is not None:
            kept.note(core, place.bucket, prefix, noted)
    else:
        for name, listed in names:
            yield _entry(place, name, listed)


def _entry(place: Spot, name: str, listed: ListedObject | None) -> Entry:
    key = listed.key if listed is not None else f"{place.prefix}{name}/"
    return Entry(name, Spot(place.bucket, key, place.child(name)), listed)


def _listed(
    core: Core, place: Spot, pages: Iterator[Sequence[ListedObject]] | None, whole: bool
) -> Iterator[tuple[str, ListedObject | None]]:
    prefix = place.prefix
    at = len(prefix)
    empty = bool(place.key) and whole  # a bucket may be empty; what else is empty is not there
    if pages is None:
        pages = listing.begun(core.scope("list"), place.bucket, prefix, delimiter="/")
    for page in pages:
        empty = False
        for found in page:
            listed = None if found.size < 0 else found
            name = found.key[at:] if listed is not None else found.key[at:-1]
            if name not in _NO_NAMES:
                yield name, listed
    if empty:
        raise missing(Asker(core, "list"), place)


def missing(ask: Asker, place: Spot) -> NotFound | NotADirectory:
    """Make the error for a place below which nothing is. One HEAD: a file may be there."""
    if place.file_key and ask.found(ask.head(place, place.file_key)) is not None:
        return not_a_directory(place)
    return no_such(place)


def walk(
    top: StrPath,
    topdown: bool = True,
    onerror: Callable[[OSError], object] | None = None,
    followlinks: bool = False,
    *,
    client: S3 | None = None,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a tree, as `os.walk`: yield directory, names of directories in it, names of files in it.

    Parameters
    ----------
    topdown : bool
        Directories before what is in them; the list of names may be changed to say which are visited, in which order. One
        LIST per directory (and per 1,000 entries), those of the next directories under way meanwhile. False: what is in them
        first, from one flat listing.
    onerror : callable, optional
        Takes an error. Without it, a ``top`` that is no directory gives nothing, as with `os.walk`; any other error is
        raised, which is where S3 differs: what is left out for it would look like what is not there.
    """
    place = spot(top)
    if place is None:
        return os.walk(local(top), topdown, onerror, followlinks)
    core = core_of(client, place)
    if topdown or not place.bucket:
        return _down(core, place, onerror)
    return _up(core, place, onerror)


_AHEAD = 8  # directories whose first page is asked for before it is their turn


def _down(
    core: Core, top: Spot, onerror: Callable[[OSError], object] | None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk down.

    Strategy: once a directory was yielded, its names are final; then the first pages of the next few directories are asked
    for, so that a wide tree is not one round trip after another.
    """
    todo = [top]  # the next at the end
    asked: dict[str, Iterator[Entry]] = {}
    while todo:
        for place in todo[-_AHEAD:]:
            if place.text not in asked:
                asked[place.text] = begun(core, place)
        place = todo.pop()
        folders: list[str] = []
        files: list[str] = []
        try:
            for entry in asked.pop(place.text):
                (folders if entry.is_dir() else files).append(entry.name)
        except OSError as exc:
            if onerror is not None:
                onerror(exc)
            elif place is not top or not isinstance(exc, (NotFound, NotADirectory)):
                raise
            continue
        yield place.text, folders, files
        todo += [place.below(name) for name in reversed(folders)]


def begun(core: Core, place: Spot) -> Iterator[Entry]:
    """Return the entries of a directory; their first page is asked for at once."""
    kept = keeping.kept()
    if not place.bucket or (kept is not None and kept.listing(core, place.bucket, place.prefix) is not None):
        return entries_at(core, place)
    return entries_at(core, place, listing.begun(core.scope("list"), place.bucket, place.prefix, delimiter="/"))


def _up(
    core: Core, top: Spot, onerror: Callable[[OSError], object] | None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk up, from one flat listing: what is below a directory comes together, so it is complete when a key beside it comes."""
    line: list[_Open] = [_Open(top.text)]
    at = len(top.prefix)
    empty = bool(top.key)
    try:
        for found in listing.objects(core.scope("list"), top.bucket, top.prefix):
            empty = False
            *folders, name = found.key[at:].split("/")
            hidden = next((n for n, folder in enumerate(folders) if folder in _NO_NAMES), None)
            if hidden is not None:
                folders, name = folders[:hidden], ""
            same = 0
            while same < len(folders) and same + 1 < len(line) and line[same + 1].name == folders[same]:
                same += 1
            while len(line) > same + 1:
                yield line.pop().row()
            for folder in folders[same:]:
                line[-1].folders.append(folder)
                text = line[-1].text
                line.append(_Open(f"{text}{folder}" if text.endswith("/") else f"{text}/{folder}", folder))
            if name not in _NO_NAMES:
                line[-1].files.append(name)
        if empty:
            raise missing(Asker(core, "list"), top)
    except OSError as exc:
        if onerror is not None:
            onerror(exc)
        elif not empty or not isinstance(exc, (NotFound, NotADirectory)):
            raise
        return
    while line:
        yield line.pop().row()


class _Open:
    """A directory of which more may come."""

    __slots__ = ("files", "folders", "name", "text")

    def __init__(self, text: str, name: str = "") -> None:
        self.text = text
        self.name = name
        self.folders: list[str] = []
        self.files: list[str] = []

    def row(self) -> tuple[str, list[str], list[str]]:
        return self.text, self.folders, self.files


def find(path: StrPath, *, client: S3 | None = None, detail: bool = False) -> Iterator[Any]:
    """Yield all files below a directory, however deep, by key. One request per 1,000; lazily, in bounded memory.

    A file gives itself. Markers (keys with a slash at their end) are directories, and left out; all other keys are here,
    those too that have no name for `listdir` (``a//b``, ``a/../b``).

    Parameters
    ----------
    detail : bool
        Yield entries as `scandir` does, with ``stat()``; ``name`` is then the path below the directory.

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    """
    place = spot(path)
    if place is None:
        return _find_local(os.fspath(local(path)), detail)
    return (entry if detail else entry.path for entry in files_below(core_of(client, place), in_bucket(place, "find")))


def files_below(core: Core, place: Spot) -> Iterator[Entry]:
    """Yield the files below a directory; or the file, if it is one."""
    at = len(place.prefix)
    empty = bool(place.key)
    for found in listing.objects(core.scope("list"), place.bucket, place.prefix):
        empty = False
        if not found.key.endswith("/"):
            name = found.key[at:]
            yield Entry(name, Spot(place.bucket, found.key, place.child(name)), found)
    if empty:
        ask = Asker(core, "list")
        one = ask.found(ask.head(place)) if place.names_file else None
        if one is None:
            raise missing(ask, place)
        listed = ListedObject(place.key, one.size or 0, one.etag, one.last_modified, one.storage_class)
        yield Entry(place.key.rpartition("/")[2], place, listed)


class _LocalEntry:
    """A file of this machine, as `find` gives it."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path

    def is_file(self) -> bool:
        return True

    def is_dir(self) -> bool:
        return False

    def stat(self) -> os.stat_result:
        return os.stat(self.path)

    def __fspath__(self) -> str:
        return self.path


def _find_local(top: str, detail: bool) -> Iterator[Any]:
    if not os.path.isdir(top):
        os.stat(top)
        yield _LocalEntry(os.path.basename(top), top) if detail else top
        return
    for folder, folders, files in os.walk(top, onerror=_raise):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            yield _LocalEntry(os.path.relpath(path, top), path) if detail else path


def _raise(error: OSError) -> None:
    raise error
