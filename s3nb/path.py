"""`S3Path`: objects and directories of S3 in the manner of `pathlib`.

The names and meanings are those of `pathlib.Path` (and, where they are newer, of Python 3.14's). What differs: a key is literal, so
nothing is normalised; there is no current directory, so every path is absolute; a slash at the end stays.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Unpack, overload

from s3nb import fs
from s3nb.errors import NotFound
from s3nb.files import S3Reader, S3Spool, S3TextFile, S3Writer
from s3nb.files import open as open_file
from s3nb.files.compress import Compressed, Decompressed
from s3nb.files.kinds import Options, ReadingMode, TextMode, UpdatingMode, WritingMode
from s3nb.fs.ask import StatResult
from s3nb.fs.globs import Globber, Rules
from s3nb.fs.moving import copy_exactly
from s3nb.fs.tree import Entry
from s3nb.fs.where import Spot, client_of, spot
from s3nb.pathname import PathName
from s3nb.text import visible
from s3nb.uri import StrPath


class S3Path(PathName):
    """A path in S3: a bucket and a literal key. Making one, and taking it apart, makes no request.

    Parameters
    ----------
    *parts : str or path
        ``S3Path("s3://bucket/key")``, or a bucket and a key, ``S3Path("bucket", "key")``; further parts are joined, as by
        ``/``.
    version_id : str, optional
        Names one version of the object. Paths made from this one do not inherit it.
    client : S3, optional
        What asks and moves, for this path and all made from it. Default: the shared client (`s3nb.session`).

    Examples
    --------
    >>> path = S3Path("s3://bucket/data") / "2026" / "a.csv.gz"
    >>> path.bucket, path.key, path.name, path.stem, path.suffixes
    ('bucket', 'data/2026/a.csv.gz', 'a.csv.gz', 'a.csv', ['.csv', '.gz'])
    >>> str(path.parent)
    's3://bucket/data/2026'
    """

    __slots__ = ()

    def resolve(self, strict: bool = False) -> S3Path:
        """Return the path itself: S3 has no links, and ``..`` is a name. ``strict``: it must be there."""
        if strict:
            self.stat()
        return self

    # -- what is there ----------------------------------------------------------------------------------

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether a file or directory is there. Errors and requests as for `s3nb.exists`."""
        return fs.exists(self, client=self.client)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether an object is there. One HEAD."""
        return fs.isfile(self, client=self.client)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether anything is below it. One LIST of one key."""
        return fs.isdir(self, client=self.client)

    def is_symlink(self) -> bool:
        """Say no: S3 has no links."""
        return False

    is_junction = is_mount = is_socket = is_fifo = is_block_device = is_char_device = is_symlink

    @property
    def info(self) -> PathInfo:
        """What is known of it without asking, if it comes from a listing; else what is asked for once."""
        return PathInfo(self, self._entry)

    def stat(self, *, follow_symlinks: bool = True) -> StatResult:
        """Return size, time, ETag, ... One HEAD. As `s3nb.stat`."""
        found = fs.stat(self, client=self.client)
        assert isinstance(found, StatResult)
        return found

    lstat = stat

    def samefile(self, other: StrPath) -> bool:
        """Say whether the other names the same. Both must be there."""
        return fs.samefile(self, other, client=self.client)

    def iterdir(self) -> Iterator[S3Path]:
        """Yield what is in the directory, by key; each ``info`` answers from the listing."""
        files: list[str] = []  # that may be directories as well: further names begin as they do
        for entry in fs.scandir(self, client=self.client):
            while files and not entry.name.startswith(files[-1]):
                files.pop()
            if entry.is_file():
                files.append(entry.name)
            elif entry.name in files:
                continue
            found = self._with_key(entry.key.removesuffix("/"))
            found._entry = entry
            yield found

    def walk(
        self, top_down: bool = True, on_error: Callable[[OSError], object] | None = None, follow_symlinks: bool = False
    ) -> Iterator[tuple[S3Path, list[str], list[str]]]:
        """Walk the tree, as `s3nb.walk`: path, names of directories, names of files."""
        at = len(self.anchor)
        for path, folders, files in fs.walk(self, top_down, on_error, client=self.client):
            yield self._with_key(path[at:]), folders, files

    def glob(
        self, pattern: Any, *, case_sensitive: bool | None = None, recurse_symlinks: bool = False
    ) -> Iterator[S3Path]:
        """Yield the files and directories below that match a shell pattern, hidden ones too. Requests as for `s3nb.glob`."""
        text = str(pattern)
        if spot(pattern) is not None:
            raise ValueError(f"the pattern is relative to the path: {visible(text, 200)}")
        if not text:
            raise ValueError(f"Unacceptable pattern: {text!r}")
        base = Spot(self.bucket, Spot(self.bucket, self.key, "").prefix, self.url)
        rules = Rules(recursive=True, hidden=True, fold=case_sensitive is False)
        for found in Globber(client_of(self.client)._alive(), base, rules).matches(text):
            yield self._with_key(base.key + found.removesuffix("/"))

    def rglob(
        self, pattern: Any, *, case_sensitive: bool | None = None, recurse_symlinks: bool = False
    ) -> Iterator[S3Path]:
        """Yield what matches at any depth. One flat listing."""
        return self.glob(f"**/{pattern}", case_sensitive=case_sensitive)

    # -- bytes ------------------------------------------------------------------------------------------

    @overload
    def open(
        self, mode: TextMode = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, *, compression: str | None = None, **options: Unpack[Options],
    ) -> S3TextFile: ...  # fmt: skip
    @overload
    def open(
        self, mode: ReadingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
        *, compression: None = None, **options: Unpack[Options],
    ) -> S3Reader: ...  # fmt: skip
    @overload
    def open(
        self, mode: WritingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
        *, compression: None = None, **options: Unpack[Options],
    ) -> S3Writer: ...  # fmt: skip
    @overload
    def open(
        self, mode: UpdatingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
        *, compression: None = None, **options: Unpack[Options],
    ) -> S3Spool: ...  # fmt: skip
    @overload
    def open(
        self, mode: ReadingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
        *, compression: str, **options: Unpack[Options],
    ) -> Decompressed: ...  # fmt: skip
    @overload
    def open(
        self, mode: WritingMode, buffering: int = -1, encoding: None = None, errors: None = None, newline: None = None,
        *, compression: str, **options: Unpack[Options],
    ) -> Compressed: ...  # fmt: skip
    @overload
    def open(
        self, mode: str, buffering: int = -1, encoding: str | None = None, errors: str | None = None, newline: str | None = None,
        *, compression: str | None = None, **options: Unpack[Options],
    ) -> Any: ...  # fmt: skip
    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Any,
    ) -> Any:
        """Open the file, as `s3nb.open`, which has the options."""
        options.setdefault("client", self.client)
        return open_file(self, mode, buffering, encoding, errors, newline, version_id=self.version_id, **options)

    def read_bytes(self) -> bytes:
        """Return all bytes. One request for a small object, several in parallel for a large one."""
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        """Return all text; UTF-8 unless said otherwise."""
        with self.open("r", encoding=encoding, errors=errors, newline=newline) as file:
            return file.read()

    def write_bytes(self, data: Any) -> int:
        """Make the object of these bytes; returns their number."""
        view = memoryview(data)
        with self.open("wb") as file:
            file.write(view)
        return view.nbytes

    def write_text(
        self, data: str, encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> int:
        """Make the object of this text; UTF-8 unless said otherwise; returns the number of characters."""
        if not isinstance(data, str):
            raise TypeError(f"data must be str, not {type(data).__name__}")
        with self.open("wt", encoding=encoding, errors=errors, newline=newline) as file:
            file.write(data)
        return len(data)

    def __open_reader__(self) -> Any:
        return self.open("rb")

    def __open_writer__(self, mode: str = "w") -> Any:
        return self.open(f"{mode}b")

    def __open_rb__(self, buffering: int = -1) -> Any:
        return self.open("rb", buffering)

    def __open_wb__(self, buffering: int = -1) -> Any:
        return self.open("wb", buffering)

    # -- changes ----------------------------------------------------------------------------------------

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file unless there is one, as `s3nb.touch`."""
        fs.touch(self, mode, exist_ok, client=self.client)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory, a marker, as `s3nb.mkdir`; with ``parents`` as `s3nb.makedirs`."""
        if parents or exist_ok:
            if not parents and not fs.isdir(self.parent, client=self.client):
                fs.stat(self.parent, client=self.client)
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.parent.url)
            fs.makedirs(self, mode, exist_ok, client=self.client)
        else:
            fs.mkdir(self, mode, client=self.client)

    def rmdir(self) -> None:
        """Delete an empty directory, as `s3nb.rmdir`."""
        fs.rmdir(self, client=self.client)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the file (or this version of it), as `s3nb.remove`."""
        try:
            fs.remove(self, client=self.client)
        except NotFound:
            if not missing_ok:
                raise

    def rename(self, target: StrPath) -> S3Path:
        """Rename the file, or the directory with all below it, as `s3nb.rename`; returns the new path."""
        fs.rename(self, target, recursive=True, client=self.client)
        made: S3Path = self._other_place(target)
        return made

    replace = rename

    def copy(self, target: StrPath, *, follow_symlinks: bool = True, preserve_metadata: bool = False) -> Any:
        """Copy the file, or the directory with all below it, to this very name, in S3 or here.

        Returns
        -------
        S3Path or pathlib.Path
            The copy. Within S3 no byte comes here, and metadata are kept; to here, ``preserve_metadata`` keeps the time.
        """
        if self._is_file_to_copy():
            copied = copy_exactly(self, target, client=self.client)
        else:
            copied = fs.copytree(self, target, dirs_exist_ok=True, client=self.client)
        made = self._other_place(copied)
        if preserve_metadata and isinstance(made, Path) and made.is_file():
            time = self.stat().st_mtime
            os.utime(made, (time, time))
        return made

    def _is_file_to_copy(self) -> bool:
        return Spot(self.bucket, self.key, "").names_file and self.is_file()

    def copy_into(self, target_dir: StrPath, **options: Any) -> Any:
        """Copy it, under its name, into a directory, in S3 or here. Returns the copy."""
        return self.copy(self._in(target_dir), **options)

    def move(self, target: StrPath) -> Any:
        """Move it to this very name, in S3 or here: the source goes when the copy is there. Returns the new path."""
        if spot(target) is not None:
            return self.rename(target)
        if os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(target))
        return Path(fs.move(self, target, client=self.client))

    def move_into(self, target_dir: StrPath) -> Any:
        """Move it, under its name, into a directory, in S3 or here. Returns the new path."""
        return self.move(self._in(target_dir))

    def _in(self, target: Any) -> Any:
        if not self.name:
            raise ValueError(f"{self!r} has an empty name")
        return self._other_place(target) / self.name

    def _other_place(self, target: Any) -> Any:
        if isinstance(target, S3Path):
            return target
        return Path(target) if spot(target) is None else type(self)(target, client=self.client)


class PathInfo:
    """Whether a path is there, and what it is (Python 3.14's ``pathlib.types.PathInfo``); asks once, if at all."""

    def __init__(self, path: S3Path, entry: Entry | None) -> None:
        self._path = path
        self._entry = entry
        self._known: dict[str, bool] = {}
        if entry is not None:
            self._known = {"exists": True, "file": entry.is_file(), "dir": entry.is_dir()}

    def _ask(self, what: str, look: Callable[[], bool]) -> bool:
        if what not in self._known:
            self._known[what] = look()
        return self._known[what]

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether it is there."""
        return self._ask("exists", self._path.exists)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether it is a file."""
        return self._ask("file", self._path.is_file)

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Say whether it is a directory."""
        return self._ask("dir", self._path.is_dir)

    def is_symlink(self) -> bool:
        """Say no."""
        return False

    def stat(self) -> Any:
        """Return what the listing has told, or ask."""
        return self._entry.stat() if self._entry is not None else self._path.stat()
