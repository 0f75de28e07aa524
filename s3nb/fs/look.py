"""Whether something is there, and what it is: `isfile`, `isdir`, `exists`, `stat` and their kin."""

from __future__ import annotations

import os
from typing import Any

from s3nb.client import S3
from s3nb.errors import AccessDenied, NotFound
from s3nb.fs.ask import Asker, StatResult, no_such, not_a_directory, stat_of, stat_of_directory, stat_of_listed
from s3nb.fs.keeping import look
from s3nb.fs.where import Spot, core_of, in_bucket, local, spot
from s3nb.uri import StrPath

FORBIDDEN = ("raise", "missing")


def isfile(path: StrPath, *, client: S3 | None = None, on_forbidden: str = "raise") -> bool:
    """Say whether there is an object of this name. One HEAD; none if no object can have it (a slash at the end).

    Parameters
    ----------
    path : str or path
        ``s3://bucket/key``, an `S3Path`, or a local path, which goes to `os.path.isfile`.
    client : S3, optional
        In place of the one that all path functions share.
    on_forbidden : {"raise", "missing"}
        Where S3 refuses to say: raise `AccessDenied`, or say False, as `os.path` would.
    """
    place = spot(path)
    if place is None:
        return os.path.isfile(local(path))
    if not place.names_file:
        return False
    ask = Asker(core_of(client, place), "isfile")
    known = look(ask.core, place)
    if known is not None:
        return any(found is not None for found in known)
    return _allowed(on_forbidden, lambda: ask.found(ask.head(place)) is not None)


def isdir(path: StrPath, *, client: S3 | None = None, on_forbidden: str = "raise") -> bool:
    """Say whether anything is below this name, or it is a bucket. One LIST of one key, however much there is.

    Parameters as for `isfile`.
    """
    place = spot(path)
    if place is None:
        return os.path.isdir(local(path))
    if not place.bucket:
        return True
    ask = Asker(core_of(client, place), "isdir")
    known = look(ask.core, place)
    if known is not None:
        return None in known or (not place.names_file and bool(known))
    return _allowed(on_forbidden, lambda: ask.is_directory(place))


def exists(path: StrPath, *, client: S3 | None = None, on_forbidden: str = "raise") -> bool:
    """Say whether there is a file or a directory of this name. A HEAD and a LIST of one key, sent together.

    Parameters as for `isfile`.

    Raises
    ------
    AccessDenied
        S3 refuses to say. (A False would invite to write over what is there.)
    """
    place = spot(path)
    if place is None:
        return os.path.exists(local(path))
    if not place.bucket:
        return True
    ask = Asker(core_of(client, place), "exists")
    known = look(ask.core, place)
    if known is not None:
        return bool(known)
    if place.version_id is not None:
        return _allowed(on_forbidden, lambda: ask.found(ask.head(place)) is not None)
    if not place.names_file:
        return _allowed(on_forbidden, lambda: ask.is_directory(place))
    return _allowed(on_forbidden, lambda: ask.any([ask.head(place), ask.some(place)]))


path_exists = exists


def _allowed(on_forbidden: str, ask: Any) -> bool:
    if on_forbidden not in FORBIDDEN:
        raise ValueError(f"on_forbidden must be one of {', '.join(FORBIDDEN)}, not {on_forbidden!r}")
    try:
        return bool(ask())
    except AccessDenied:
        if on_forbidden == "raise":
            raise
        return False


def stat(
    path: StrPath, *, client: S3 | None = None, version_id: str | None = None, follow_symlinks: bool = True
) -> StatResult | os.stat_result:
    """Return what is known of a file or directory. One HEAD; a LIST of one key more for a directory.

    What is both is taken as the file.

    Parameters
    ----------
    version_id : str, optional
        One version.
    follow_symlinks : bool
        For local paths; S3 has none.

    Returns
    -------
    StatResult
        For local paths: `os.stat_result`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        As `os.stat`; they are `S3Error`, too.
    """
    place = spot(path, version_id)
    if place is None:
        return os.stat(local(path), follow_symlinks=follow_symlinks)
    if not place.bucket:
        return stat_of_directory(place)
    return stat_at(Asker(core_of(client, place), "stat"), place)


def stat_at(ask: Asker, place: Spot) -> StatResult:
    """Return what is known of a place in a bucket."""
    for found in sorted(look(ask.core, place) or [], key=lambda one: one is None):  # the file first
        if found is None:
            return stat_of_directory(place)
        return stat_of_listed(place, found)
    if place.names_file:
        try:
            return stat_of(ask.result(ask.head(place)), place)
        except NotFound:
            if place.version_id is not None:
                raise
    first = ask.result(ask.some(place))
    if first or not place.key:
        return stat_of_directory(place, first[0] if first else None)
    if not place.names_file and ask.found(ask.head(place, place.file_key)) is not None:
        raise not_a_directory(place)
    raise no_such(place)


def getsize(path: StrPath, *, client: S3 | None = None) -> int:
    """Return the size of a file in bytes; 0 for a directory. Requests as for `stat`."""
    return stat(path, client=client).st_size


def getmtime(path: StrPath, *, client: S3 | None = None) -> float:
    """Return the time of the last change, in seconds since 1970. Requests as for `stat`."""
    return float(stat(path, client=client).st_mtime)


def samefile(path1: StrPath, path2: StrPath, *, client: S3 | None = None) -> bool:
    """Say whether two paths name one file or directory. Both must be there: two HEADs, sent together.

    Two objects with the same bytes are two files.
    """
    one, two = spot(path1), spot(path2)
    if one is None and two is None:
        return os.path.samefile(local(path1), local(path2))
    if one is None or two is None:
        stat(path1, client=client)
        stat(path2, client=client)
        return False
    ask = Asker(core_of(client, one, two), "stat")
    first, second = _both(ask, in_bucket(one, "samefile"), in_bucket(two, "samefile"))
    return (first.st_dev, first.st_ino, first.version_id) == (second.st_dev, second.st_ino, second.version_id)


def _both(ask: Asker, one: Spot, two: Spot) -> tuple[StatResult, StatResult]:
    heads = [ask.head(place) if place.names_file else None for place in (one, two)]
    found = []
    for place, head in zip((one, two), heads, strict=True):
        known = None if head is None else ask.found(head)
        found.append(
            stat_at(ask, Spot(place.bucket, place.prefix, place.text)) if known is None else stat_of(known, place)
        )
    return found[0], found[1]
