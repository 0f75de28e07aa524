"""The verbs of ``%s3`` and of ``python -m s3nb``: tokens -> a frozen `Command` -> a result.

`parse` touches neither S3 nor a file; `run` hands the command to a client and returns what the client returns.
Who shows the result, and how, is somebody else's business.
"""

from __future__ import annotations

import argparse
import difflib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NoReturn

from s3nb.client import S3
from s3nb.errors import InvalidURL
from s3nb.many import local_files
from s3nb.model import Results, S3GetObject, S3Object
from s3nb.sync import Synced
from s3nb.text import visible


class UsageError(ValueError):
    """The line is no command; the message says which token, and what was expected."""


class HelpAsked(Exception):  # no error: it carries the text that was asked for
    """``-h``: the text is the message."""


@dataclass(frozen=True, slots=True)
class Command:
    """One parsed line.

    Attributes
    ----------
    verb : str
    arguments : mapping
        What the verb's own parser read.
    client : mapping
        Arguments for `S3`: endpoint, profile, root, ...
    quiet : bool
        No bars.
    """

    verb: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    quiet: bool = False


_PERCENT = "\N{FULLWIDTH PERCENT SIGN}"  # stands for the % of %s3, which argparse would format


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises instead of printing and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.replace(_PERCENT, '%')}: {visible(message, 300)}")

    def format_help(self) -> str:
        return super().format_help().replace(_PERCENT, "%")

    def print_help(self, file: Any = None) -> None:
        raise HelpAsked(self.format_help())

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or f"ended with {status}")


_PLACEHOLDER = "\0"  # cannot come from a command line, nor from a notebook's source


def _options() -> argparse.ArgumentParser:
    """Options that every verb has."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("where and how")
    group.add_argument(
        "--root", metavar="URL", help="s3:// URL that keys are relative to; without it keys are full URLs"
    )
    group.add_argument("--endpoint-url", metavar="URL", help="another server than AWS")
    group.add_argument("--region", metavar="NAME")
    group.add_argument("--profile", metavar="NAME", help="of the AWS config files")
    group.add_argument("--no-sign-request", action="store_true", help="for public data: no credentials")
    group.add_argument("-q", "--quiet", action="store_true", help="no bars")
    return parser


def _ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="*", metavar="PREFIX", help="taken as a folder; default: the root")
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below, not one level")


def _info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY")
    parser.add_argument("--version-id", metavar="ID", help="one version (with one key)")


def _get(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY")
    parser.add_argument("--to", metavar="FILE", help="local file, or a folder that exists")
    parser.add_argument("--offset", type=int, metavar="N", help="first byte")
    parser.add_argument("--length", type=int, metavar="N", help="number of bytes; negative: the last ones")
    parser.add_argument("--version-id", metavar="ID", help="one version")


def _get_many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY")
    parser.add_argument("--to", metavar="FOLDER", help="keep the files there, under names made of their keys")
    parser.add_argument("-r", "--recursive", action="store_true", help="all objects below each KEY, taken as a folder")
    parser.add_argument("--return-missing", action="store_true", help="missing objects are results, not errors")


def _put_many(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", nargs="+", metavar="FILE", help="local file or folder")
    parser.add_argument("--to", metavar="PREFIX", help="prefix below which they are stored; default: the root")
    parser.add_argument("--no-overwrite", action="store_true", help="leave alone what is there")


def _cat(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY")


def _sync(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="local folder, or s3:// URL taken as a folder")
    parser.add_argument("target", metavar="TARGET", help="the same; one of both is in S3")
    parser.add_argument(
        "--delete", action="store_true", help="delete from TARGET what SOURCE has not, when all is copied"
    )
    parser.add_argument("--checksum", action="store_true", help="compare bytes with ETags instead of times")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="only names that match; may be repeated"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB", help="no names that match; may be repeated"
    )


_VERBS: dict[str, tuple[Callable[[argparse.ArgumentParser], None], str, str]] = {
    "ls": (_ls, "list what is below a prefix", "ls s3://bucket/logs/"),
    "info": (_info, "show size, type, metadata of objects; no bytes are fetched", "info s3://bucket/a.csv"),
    "get": (_get, "get one object", "get s3://bucket/a.csv --to data/"),
    "get_many": (_get_many, "get many objects at once", "get_many s3://bucket/a.csv s3://bucket/b.csv --to data"),
    "put_many": (_put_many, "put files and folders", "put_many results/ --to s3://bucket/results"),
    "cat": (_cat, "show objects as text", "cat s3://bucket/readme.txt"),
    "sync": (
        _sync,
        "make a prefix like a folder, or the other way, or like another",
        "sync results s3://bucket/results",
    ),
}

VERBS = tuple(_VERBS)


def usage(program: str = "%s3") -> str:
    """Return the overview of all verbs."""
    width = max(map(len, VERBS))
    lines = [f"usage: {program} VERB [arguments]", ""]
    lines += [f"  {verb:<{width}}  {what}" for verb, (_, what, _) in _VERBS.items()]
    lines += ["", f"{program} VERB -h shows the arguments of a verb."]
    return "\n".join(lines)


def _parser(verb: str, program: str) -> _Parser:
    fill, what, example = _VERBS[verb]
    name = program.replace("%", _PERCENT)
    parser = _Parser(
        prog=f"{name} {verb}",
        description=what[0].upper() + what[1:] + ".",
        epilog=f"example: {name} {example}",
        parents=[_options()],
        allow_abbrev=False,
    )
    fill(parser)
    return parser


def parse(tokens: Sequence[Any], program: str = "%s3") -> Command:
    """Read the words of a line.

    Parameters
    ----------
    tokens : sequence
        Words; also Python objects that stand for themselves. A list among the keys stands for all its items.

    Raises
    ------
    UsageError
        Naming the token and what was expected.
    HelpAsked
        With the text.
    """
    if not tokens or tokens[0] in ("-h", "--help", "help"):
        if len(tokens) > 1 and tokens[1] in _VERBS:
            raise HelpAsked(_parser(tokens[1], program).format_help())
        raise HelpAsked(usage(program))
    verb = tokens[0]
    if not isinstance(verb, str) or verb not in _VERBS:
        close = difflib.get_close_matches(str(verb), VERBS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(VERBS)}"
        raise UsageError(f"{program}: no verb {visible(str(verb), 60)!r}: {hint}")
    objects: list[Any] = []
    words = []
    for token in tokens[1:]:
        if isinstance(token, str):
            words.append(token)
        else:
            words.append(f"{_PLACEHOLDER}{len(objects)}")
            objects.append(token)
    found = vars(_parser(verb, program).parse_intermixed_args(words))

    def restored(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_PLACEHOLDER):
            return objects[int(value[1:])]
        return value

    arguments: dict[str, Any] = {}
    for name, value in found.items():
        arguments[name] = _flat(map(restored, value)) if isinstance(value, list) else restored(value)
    client = {
        "s3root": arguments.pop("root"),
        "endpoint_url": arguments.pop("endpoint_url"),
        "region": arguments.pop("region"),
        "profile": arguments.pop("profile"),
        "anonymous": arguments.pop("no_sign_request"),
    }
    quiet = bool(arguments.pop("quiet"))
    return Command(verb, MappingProxyType(arguments), MappingProxyType({k: v for k, v in client.items() if v}), quiet)


def _flat(items: Iterable[Any]) -> tuple[Any, ...]:
    flat: list[Any] = []
    for item in items:
        if isinstance(item, (str, S3Object, os.PathLike)) or hasattr(item, "key") or not isinstance(item, Iterable):
            flat.append(item)
        else:
            flat.extend(item)
    return tuple(flat)


def run(command: Command, s3: S3) -> Any:
    """Do what a command says, and return what the client returns.

    Returns
    -------
    S3Object, Results of S3Object, Results of (key, url), str (``cat``), or Synced
    """
    return _RUN[command.verb](s3, **command.arguments)


def _run_ls(s3: S3, keys: Sequence[Any], recursive: bool) -> Results:
    listed = s3.list_recursive if recursive else s3.list_paths
    return Results(listed(keys or None), verb="list")


def _run_info(s3: S3, keys: Sequence[Any], version_id: str | None) -> S3Object | Results:
    if len(keys) == 1:
        return s3.info(keys[0], version_id=version_id)
    if version_id is not None:
        raise UsageError("info: --version-id goes with one KEY")
    return s3.info_many(keys)


def _run_get(
    s3: S3, key: Any, to: str | None, offset: int | None, length: int | None, version_id: str | None
) -> S3Object:
    wanted = key if offset is None and length is None else S3GetObject(key, offset, length)
    if to is None:
        return s3.get(wanted, version_id=version_id)
    return s3.download_to(wanted, to, version_id=version_id)


def _run_get_many(s3: S3, keys: Sequence[Any], to: str | None, recursive: bool, return_missing: bool) -> Results:
    if to is not None:
        if return_missing:
            raise UsageError("get_many: --return-missing does not go with --to")
        return s3.download(keys, to, recursive=recursive)
    return s3.get_recursive(keys) if recursive else s3.get_many(keys, return_missing)


def _run_put_many(s3: S3, sources: Sequence[Any], to: str | None, no_overwrite: bool) -> Results:
    if to is None and s3.root is None:
        raise InvalidURL("put_many needs --to s3://bucket/prefix (or --root)")
    pairs = [pair for source in sources for pair in local_files(source, to)]
    return s3.put_files(pairs, overwrite=not no_overwrite)


def _run_cat(s3: S3, keys: Sequence[Any]) -> str:
    return "".join(found.text or "" for found in s3.iter_get(keys))


def _run_sync(s3: S3, source: Any, target: Any, **options: Any) -> Synced:
    return s3.sync(source, target, **options)


_RUN: dict[str, Callable[..., Any]] = {
    "ls": _run_ls,
    "info": _run_info,
    "get": _run_get,
    "get_many": _run_get_many,
    "put_many": _run_put_many,
    "cat": _run_cat,
    "sync": _run_sync,
}


class Clients:
    """The clients of a session, one for each set of options; they live until `close`, and so do their files."""

    def __init__(self) -> None:
        self._made: dict[tuple[tuple[str, Any], ...], S3] = {}

    def client(self, command: Command) -> S3:
        """Return the client for a command."""
        options = {**command.client, "progress": False if command.quiet else None}
        name = tuple(sorted(options.items(), key=lambda pair: pair[0]))
        if name not in self._made:
            self._made[name] = S3(tempfile.gettempdir(), **options)
        return self._made[name]

    def close(self) -> None:
        """Close all of them."""
        while self._made:
            self._made.popitem()[1].close()
