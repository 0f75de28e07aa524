"""Settings of ``%s3`` and ``s3nb`` from files: ``[tool.s3nb]`` of a ``pyproject.toml``, and a file of the user's own.

A line's own options go first, then what was said in the session (``%s3 use``, ``%config S3Magics``), then the environment, then
the project's file, then the user's. No file holds a secret: one that is found in it is an error.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from s3nb.bars import KINDS
from s3nb.commands.lines import UsageError
from s3nb.config import TransferConfig
from s3nb.errors import S3Error
from s3nb.text import visible
from s3nb.uri import split_root

_SECRET = re.compile(r"secret|password|token|access_?key|credential", re.IGNORECASE)
_SHADES: dict[str, tuple[str, ...]] = {  # what the environment says of the same, first wins
    "profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "progress": ("S3NB_PROGRESS",),
}


class Setting(NamedTuple):
    """A value, and where it was found."""

    value: Any
    source: str


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("expected a text")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("expected a whole number from 1 on")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _progress(value: Any) -> str:
    if value not in ("auto", *KINDS):
        raise ValueError(f"expected one of auto, {', '.join(KINDS)}")
    return str(value)


def _address(value: Any) -> str:
    found = urlsplit(_text(value))
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError("expected an address as https://minio.example:9000")
    if found.username or found.password:
        raise ValueError("no secrets belong into this file")
    return str(value)


def _root(value: Any) -> str:
    return split_root(_text(value))[0]


def _transfer(value: Any) -> TransferConfig:
    if not isinstance(value, dict):
        raise ValueError("expected a table of numbers, as TransferConfig takes them")
    known = [field.name for field in dataclasses.fields(TransferConfig)]
    for name in value:
        if name not in known:
            raise ValueError(f"{_unknown(name, known)}")
    try:
        return TransferConfig(**value)
    except TypeError as exc:
        raise ValueError(str(exc)) from None


_KNOWN: Mapping[str, Callable[[Any], Any]] = {
    "endpoint_url": _address, "profile": _text, "region": _text, "anonymous": _truth, "requester_pays": _truth, "default_prefix": _root,
    "workers": _number, "progress": _progress, "preview_bytes": _number, "transfer": _transfer,
}  # fmt: skip


def read(folder: Path | None = None) -> dict[str, Setting]:
    """Return the settings of the files, those of the project before those of the user; what the environment says is left out.

    Parameters
    ----------
    folder : Path, optional
        Where to begin to look for a ``pyproject.toml``; default: the current folder.

    Raises
    ------
    UsageError
        A file is no TOML, or has a name or a value in it that is none, or a secret; with file and name.
    """
    found: dict[str, Setting] = {}
    for file, table in _tables(folder or Path.cwd()):
        for name, setting in _checked(table, file).items():
            if name not in found and not any(os.environ.get(shade) for shade in _SHADES.get(name, ())):
                found[name] = setting
    return found


def of_environment(name: str) -> str:
    """Return the variable of the environment that says a setting; empty if none does."""
    return next((shade for shade in _SHADES.get(name, ()) if os.environ.get(shade)), "")


def home_file() -> Path:
    """Return where the user's own file is, if there is one: ``~/.config/s3nb/config.toml``, or where XDG_CONFIG_HOME says."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path("~/.config").expanduser()) / "s3nb" / "config.toml"


def _tables(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for project in _projects(folder):
        table = _loaded(project).get("tool", {}).get("s3nb")
        if table is not None:
            yield project, table
            break
    home = home_file()
    if home.is_file():
        yield home, _loaded(home)


def _projects(folder: Path) -> Iterator[Path]:
    """Yield the ``pyproject.toml`` of a folder and of those above; not one that somebody else has put above."""
    folder = folder.resolve()
    ours = {0, os.geteuid(), folder.stat().st_uid} if hasattr(os, "geteuid") else None
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if file.is_file() and (ours is None or place == folder or file.stat().st_uid in ours):
            yield file


def _loaded(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"s3nb: {visible(str(file), 200)} is no TOML: {visible(str(exc), 200)}") from None
    except OSError as exc:
        raise UsageError(f"s3nb: cannot read {visible(str(file), 200)}: {exc.strerror}") from None


def _checked(table: Any, file: Path) -> dict[str, Setting]:
    where = visible(str(file), 200)
    if not isinstance(table, dict):
        raise UsageError(f"s3nb: {where}: tool.s3nb is no table")
    found = {}
    for name, value in table.items():
        if _SECRET.search(name):
            raise UsageError(
                f"s3nb: {where}: {visible(name, 60)}: no secrets belong into this file; ~/.aws/credentials has them: name a profile"
            )
        if name not in _KNOWN:
            raise UsageError(f"s3nb: {where}: {_unknown(name, list(_KNOWN))}")
        try:
            found[name] = Setting(_KNOWN[name](value), where)
        except (ValueError, S3Error) as exc:
            raise UsageError(f"s3nb: {where}: {name}: {visible(str(exc), 200)}") from None
    return found


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"no setting {visible(repr(name), 60)}: " + (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    )
