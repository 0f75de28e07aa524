"""A path in S3 as a name: made, shown, compared, joined, taken apart. Nothing here makes a request."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import total_ordering
from pathlib import PurePath, PurePosixPath
from typing import Any, Self, cast

from s3nb.client import S3
from s3nb.errors import InvalidURL, UnsafeKey
from s3nb.fs.globs import Rules
from s3nb.fs.tree import Entry
from s3nb.fs.where import Spot, spot
from s3nb.model import S3Object
from s3nb.text import visible
from s3nb.uri import Named, StrPath, check_bucket


@total_ordering
class PathName(Named, os.PathLike[str]):
    """What of `s3nb.S3Path` is in the name alone."""

    __slots__ = ("_entry", "bucket", "client", "key", "version_id")

    def __init__(self, *parts: StrPath | S3Object, version_id: str | None = None, client: S3 | None = None) -> None:
        if not parts:
            raise TypeError("S3Path needs an s3:// URL, or a bucket and a key")
        given: list[Any] = list(parts)
        first, rest = given[0], given[1:]
        if isinstance(first, S3Object):
            first = first.url
        place = spot(first)
        if place is not None:
            bucket, key = place.bucket, place.key
            version_id = version_id or place.version_id
        elif isinstance(first, str):
            check_bucket(first, first)
            bucket, key = first, rest.pop(0) if rest else ""
            if not isinstance(key, str):
                raise TypeError(f"a key is a str, not {type(key).__name__}")
        else:
            raise TypeError(f"no path in S3: {visible(repr(first), 200)}")
        if not bucket:
            raise InvalidURL(f"no bucket in {visible(repr(first), 100)}")
        self.bucket = bucket
        self.key = key
        self.version_id = version_id
        self.client = client if client is not None else getattr(first, "client", None)
        self._entry: Entry | None = None
        if rest:
            joined = self.joinpath(*rest)
            self.bucket, self.key, self.version_id = joined.bucket, joined.key, joined.version_id

    def with_segments(self, *parts: Any) -> Self:
        """Return a path of these parts, with the same client."""
        return type(self)(*parts, client=self.client)

    def _with_key(self, key: str) -> Self:
        made = object.__new__(type(self))  # this bucket's name was looked at before
        made.bucket = self.bucket
        made.key = key
        made.version_id = None
        made.client = self.client
        made._entry = None
        return made

    def with_version(self, version_id: str | None) -> Self:
        """Return the path of one version of this object; None: of whichever is current."""
        return type(self)(self.bucket, self.key, version_id=version_id, client=self.client)

    # -- as a value -----------------------------------------------------------------------------------

    def __str__(self) -> str:
        return self.url

    def __fspath__(self) -> str:
        """Return the URL, for code that only knows strings. It is no local path."""
        return self.url

    __vfspath__ = __fspath__

    def __repr__(self) -> str:
        version = f", version_id={self.version_id!r}" if self.version_id is not None else ""
        return f"{type(self).__name__}({self.url!r}{version})"

    def as_uri(self) -> str:
        """Return the URL, ``s3://bucket/key``, the key as it is."""
        return self.url

    as_posix = as_uri

    def __hash__(self) -> int:
        return hash((self.bucket, self.key, self.version_id))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PathName):
            return NotImplemented
        return (self.bucket, self.key, self.version_id) == (other.bucket, other.key, other.version_id)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, PathName):
            return NotImplemented
        return (self.bucket, self.key, self.version_id or "") < (other.bucket, other.key, other.version_id or "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.bucket, self.key, self.version_id, self.client)

    # -- taken apart ------------------------------------------------------------------------------------

    @property
    def drive(self) -> str:
        """``s3://bucket``."""
        return f"s3://{self.bucket}"

    @property
    def root(self) -> str:
        """A slash."""
        return "/"

    @property
    def anchor(self) -> str:
        """``s3://bucket/``."""
        return f"s3://{self.bucket}/"

    @property
    def _names(self) -> list[str]:
        """What is between the slashes of the key; one at its end is left out."""
        return self.key.removesuffix("/").split("/") if self.key else []

    @property
    def parts(self) -> tuple[str, ...]:
        """The anchor, and the names between the slashes; an empty one for each two slashes in a row."""
        return (self.anchor, *self._names)

    @property
    def name(self) -> str:
        """What is behind the last slash, but for one at the end; empty for a bucket."""
        names = self._names
        return names[-1] if names else ""

    @property
    def suffix(self) -> str:
        """The last ending of the name, with its dot."""
        at = self.name.rfind(".")
        return self.name[at:] if 0 < at < len(self.name) - 1 else ""

    @property
    def suffixes(self) -> list[str]:
        """All endings of the name."""
        name = self.name
        return [] if name.endswith(".") else [f".{part}" for part in name.lstrip(".").split(".")[1:]]

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        suffix = self.suffix
        return self.name[: -len(suffix)] if suffix else self.name

    @property
    def parent(self) -> Self:
        """The directory it is in; the bucket's is itself."""
        names = self._names
        if not names:
            return self
        above = "/".join(names[:-1])
        if len(names) > 1 and names[-2] == "":
            above += "/"  # two slashes in a row belong to the directory, or joining would lose one
        return self._with_key(above)

    @property
    def parents(self) -> Sequence[Self]:
        """All directories it is in, the nearest first, the bucket last."""
        found: list[Self] = []
        path = self
        while path.key:
            path = path.parent
            found.append(path)
        return tuple(found)

    def joinpath(self, *parts: StrPath) -> Self:
        """Join names, as ``/`` does: one slash between them where there is none.

        An ``s3://`` URL, or an `S3Path`, starts anew; nothing else does, and ``..`` goes nowhere: keys may hold both.
        """
        path = self
        for part in parts:
            place = spot(part)
            if place is not None:
                path = cast(Self, part) if isinstance(part, PathName) else type(self)(part, client=self.client)
                continue
            if isinstance(part, PurePath):
                part = part.as_posix()
            if not isinstance(part, str):
                raise TypeError(f"cannot join {type(part).__name__} to a path in S3")
            above = Spot(path.bucket, path.key, "").prefix
            path = path._with_key(above + part)
        return path

    def __truediv__(self, part: StrPath) -> Self:
        if not isinstance(part, (str, os.PathLike)):
            return NotImplemented
        return self.joinpath(part)

    def __rtruediv__(self, before: StrPath) -> Self:
        return self if isinstance(before, (str, os.PathLike)) else NotImplemented  # every path here is absolute

    def with_name(self, name: str) -> Self:
        """Return the path with another name.

        Raises
        ------
        ValueError
            It has none (a bucket), or the new one is none.
        """
        if not self.name:
            raise ValueError(f"{self!r} has an empty name")
        if not name or "/" in name:
            raise ValueError(f"Invalid name {name!r}")
        return self.parent.joinpath(name)

    def with_stem(self, stem: str) -> Self:
        """Return the path with another stem, and the same last ending."""
        if not stem and self.suffix:
            raise ValueError(f"{self!r} has a non-empty suffix")
        return self.with_name(stem + self.suffix)

    def with_suffix(self, suffix: str) -> Self:
        """Return the path with another last ending; an empty one takes it away."""
        if "/" in suffix or (suffix and not suffix.startswith(".")) or suffix == ".":
            raise ValueError(f"Invalid suffix {suffix!r}")
        return self.with_name(self.stem + suffix)

    def is_relative_to(self, other: Any, *more: Any) -> bool:
        """Say whether it is the other, or below it."""
        base = self._other(other, *more)
        below = Spot(base.bucket, base.key, "").prefix
        return self.bucket == base.bucket and (self.key.startswith(below) or self.key == base.key)

    def relative_to(self, other: Any, *more: Any) -> PurePosixPath:
        """Return what is behind the other, as a relative `pathlib` path.

        Raises
        ------
        ValueError
            It is not below the other.
        UnsafeKey
            (Also a `ValueError`.) A `pathlib` path would not be the same: ``//``, ``.``; or would climb: ``..``.
        """
        if not self.is_relative_to(other, *more):
            raise ValueError(f"{self.url!r} is not in the subpath of {str(other)!r}")
        base = self._other(other, *more)
        rest = self.key[len(Spot(base.bucket, base.key, "").prefix) :].removesuffix("/")
        path = PurePosixPath(rest)
        if (str(path) != rest and rest) or ".." in path.parts:
            raise UnsafeKey(
                f"no relative path is the same as {visible(repr(rest), 200)}", bucket=self.bucket, key=self.key
            )
        return path

    def _other(self, other: Any, *more: Any) -> Self:
        path = cast(Self, other) if isinstance(other, PathName) else type(self)(other)
        return path.joinpath(*more)

    def full_match(self, pattern: Any, *, case_sensitive: bool | None = None) -> bool:
        """Say whether the whole key matches a shell pattern (or the whole URL, if the pattern is one); ``**``: any directories."""
        text = str(pattern)
        place = spot(pattern)
        if place is not None:
            if place.bucket != self.bucket:
                return False
            text = place.key
        return self._matches(text.split("/"), self._names, case_sensitive)

    def match(self, pattern: Any, *, case_sensitive: bool | None = None) -> bool:
        """Say whether the last names match a shell pattern, one each."""
        text = str(pattern)
        if spot(pattern) is not None:
            return self.full_match(pattern, case_sensitive=case_sensitive)
        if not text:
            raise ValueError("empty pattern")
        wanted = text.removesuffix("/").split("/")
        names = self._names
        return len(names) >= len(wanted) and self._matches(wanted, names[-len(wanted) :], case_sensitive)

    @staticmethod
    def _matches(pattern: list[str], names: list[str], case_sensitive: bool | None) -> bool:
        expected = Rules(recursive=True, hidden=True).all(pattern).pattern
        flags = re.DOTALL | (re.IGNORECASE if case_sensitive is False else 0)
        return re.fullmatch(expected, "/".join(names), flags) is not None

    def is_absolute(self) -> bool:
        """Say yes."""
        return True

    def absolute(self) -> Self:
        """Return the path itself."""
        return self


def _restored(kind: type[PathName], bucket: str, key: str, version_id: str | None, client: S3 | None) -> PathName:
    return kind(bucket, key, version_id=version_id, client=client)
