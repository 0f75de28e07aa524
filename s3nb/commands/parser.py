"""Verbs as data, and the way from words to a frozen `Command`. Touches neither S3 nor a file."""

from __future__ import annotations

import argparse
import difflib
import glob
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NoReturn

from s3nb.commands.lines import UsageError, Value, Word
from s3nb.model import S3Object
from s3nb.plain import width_of_output
from s3nb.text import visible
from s3nb.uri import is_s3


class HelpAsked(Exception):  # no error: it carries the text that was asked for
    """``-h``: the text is the message."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the table.

    Attributes
    ----------
    name : str
    group : str
        The heading it stands under.
    what : str
        What it does, in a line.
    fill : callable
        Adds the arguments to a parser.
    run : callable
        ``run(here, **arguments)`` does it.
    examples : tuple of str
        Lines that work, without the program's name.
    body : {"", "text", "keys", "pairs"}
        What the body of a cell is to it (or standard input, named ``-``).
    where : {"", "notebook", "shell"}
        Where alone it makes sense.
    background : bool
        Whether ``--bg`` goes with it.
    """

    name: str
    group: str
    what: str
    fill: Callable[[Parser], None]
    run: Callable[..., Any]
    examples: tuple[str, ...]
    body: str = ""
    where: str = ""
    background: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """One parsed line.

    Attributes
    ----------
    verb : Verb
    arguments : mapping
        What the verb's own parser read.
    client : mapping
        Arguments for `S3` that the line gives: endpoint, profile, ...
    root : str or None
        In place of the current prefix.
    quiet, debug, verbose, json, background : bool
    out : str or None
        The name of a variable for the result.
    body : str or None
        The body of the cell.
    """

    verb: Verb
    arguments: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    root: str | None = None
    quiet: bool = False
    debug: bool = False
    verbose: bool = False
    json: bool = False
    background: bool = False
    out: str | None = None
    body: str | None = None


_PERCENT = "\N{FULLWIDTH PERCENT SIGN}"  # stands for the % of %s3, which argparse would format
_PLACEHOLDER = "\0"  # no word holds one
_ALWAYS = {
    **dict.fromkeys(
        ("-l", "--human-readable", "--summarize"), "size and time, and a line that adds up, are always shown"
    ),
    "--only-show-errors": "-q shows no progress; errors have a stream of their own",
}  # what other programs ask for by an option
_PLAIN: dict[str, Any] = {"color": False} if sys.version_info >= (3, 14) else {}


class _Format(argparse.RawDescriptionHelpFormatter):
    """At most 80 columns; fewer in a narrower terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=_width())


def _width() -> int:
    return min(width_of_output(), 80) - 1


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises instead of printing and leaving, and that takes Python values among the words.

    Attributes
    ----------
    kinds : dict
        What the values of an argument or option are, for completion: ``"key"``, ``"prefix"``, ``"local"``, ``"either"``.
    several : set
        Arguments in whose place a list stands for all its items.
    """

    def __init__(self, program: str, name: str, **settings: Any) -> None:
        self.verb = name
        self.shown = f"{program} {name}"
        super().__init__(
            prog=self.shown.replace("%", _PERCENT), allow_abbrev=False, formatter_class=_Format, **_PLAIN, **settings
        )
        self.kinds: dict[str, str] = {}
        self.several: set[str] = set()
        self.values: list[Any] = []

    # -- filling ---------------------------------------------------------------------------

    def take(
        self, name: str, kind: str, help: str = "", *, metavar: str = "", nargs: Any = None, **settings: Any
    ) -> None:
        """Add an argument whose values are keys, prefixes or local paths."""
        action = self.add_argument(name, nargs=nargs, metavar=metavar or kind.upper(), help=help, **settings)
        self.kinds[action.dest] = kind
        if nargs in ("+", "*") and not name.startswith("-"):
            self.several.add(action.dest)

    # -- reading ---------------------------------------------------------------------------

    def read(self, words: Sequence[Any]) -> dict[str, Any]:
        """Return the arguments that the words give."""
        if any(isinstance(word, str) and word in ("-h", "--help") for word in words):
            raise HelpAsked(self.format_help())
        self.values = []
        text: list[str] = []
        ended = False  # by a --, behind which nothing is an option
        for word in words:
            if isinstance(word, str) and not ended:
                if word == "--":
                    ended = True
                    continue
                if not text or not self._waits(text[-1]):
                    self._known(word)
                text.append(word)
            else:
                text.append(f"{_PLACEHOLDER}{len(self.values)}")
                self.values.append(word.value if isinstance(word, Value) else word)
        found, rest = self.parse_known_intermixed_args(text)
        for word in rest:
            self._refuse(word)
        arguments: dict[str, Any] = {}
        for name, value in vars(found).items():
            if isinstance(value, list):
                arguments[name] = tuple(self._spread(name, value))
            else:
                arguments[name] = self._single(name, value)
        return arguments

    def _waits(self, word: str) -> bool:
        """Say whether a word is an option whose value is the next one."""
        action = self._option_string_actions.get(word)
        return action is not None and action.nargs is None

    def _known(self, word: str) -> None:
        """Refuse what looks like an option and is none, before it is said that something else is missing."""
        if len(word) < 2 or not word.startswith("-") or re.fullmatch(r"-\d+", word):
            return
        known = self._option_string_actions
        if word.partition("=")[0] not in known and (word.startswith("--") or word[:2] not in known):
            self._refuse(word)

    def _refuse(self, word: str) -> NoReturn:
        if word.startswith(_PLACEHOLDER):
            value = self.values[int(word[1:])]
            self.error(f"one value too many: {_shown(value)}")
        if not word.startswith("-") or word == "-":
            self.error(f"one word too many: {visible(repr(str(word)), 80)} (a word with blanks goes into quotes)")
        option = word.partition("=")[0]
        known = [o for o in self._option_string_actions if o not in ("-h", "--help")]
        close = difflib.get_close_matches(option, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"{self.shown} -h shows those there are"
        if not word.startswith("--"):
            hint += "; a name that begins with - goes behind --"
        hint = _ALWAYS.get(option, hint)
        self.error(f"no option {visible(option, 60)}: {hint}")

    def _spread(self, name: str, values: Iterable[Any]) -> Iterable[Any]:
        for value in values:
            if isinstance(value, str) and value.startswith(_PLACEHOLDER):
                value = self.values[int(value[1:])]
                if name in self.several and is_several(value):
                    yield from self._items(value)
                    continue
                value = _filled(value)
            yield from self._local(name, _as_url(value))

    def _local(self, name: str, value: Any) -> Iterable[Any]:
        """Do with a local path what a shell would have done."""
        if (
            self.kinds.get(name) not in ("local", "either")
            or not isinstance(value, Word)
            or value.filled
            or is_s3(value)
        ):
            return [value]
        home = os.path.expanduser(value)
        if value.pattern is None or name not in self.several:
            return [Word(home)]
        found = sorted(glob.glob(os.path.expanduser(value.pattern), recursive=True))
        if not found:
            self.error(f"no file matches {visible(repr(str(value)), 100)}")
        return [Word(path) for path in found]

    def _items(self, value: Any) -> Iterable[Any]:
        if _is_table(value):  # iterating over a data frame gives its columns' names
            names = ", ".join(map(str, list(value.columns)[:8]))
            self.error(
                f"a table is no list of keys: name a column, as in {{df['column']}}; there are {visible(names, 200)}"
            )
        for item in value:
            yield Word(item, filled=True) if isinstance(item, str) else item

    def _called(self, name: str) -> str:
        """Return what an argument is called in the help."""
        for action in self._actions:
            if action.dest == name:
                return "/".join(action.option_strings) or str(action.metavar or name.upper())
        return name.upper()

    def _single(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_PLACEHOLDER):
            value = self.values[int(value[1:])]
            if name in self.kinds and is_several(value) and name not in self.several:
                self.error(f"{self._called(name)} is one, not {_shown(value)}")
            value = _filled(value)
        return next(iter(self._local(name, _as_url(value))))

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Read one word; a Python value is read by what it says, where the option has a type."""
        if arg_string.startswith(_PLACEHOLDER) and action.type is not None:
            value = self.values[int(arg_string[1:])]
            if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike, datetime)):
                name = "/".join(action.option_strings) or str(action.metavar)
                self.error(f"{name}: {_shown(value)} does not go here")
            arg_string = value.isoformat() if isinstance(value, datetime) else str(value)
        return super()._get_value(action, arg_string)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            shown = visible(str(value), 60)
            name = "/".join(action.option_strings) or str(action.metavar)
            self.error(f"{name} is one of {', '.join(map(str, action.choices))}, not {shown!r}")

    # -- saying ------------------------------------------------------------------------------

    def error(self, message: str) -> NoReturn:
        message = message.replace(_PERCENT, "%")
        missing = re.match(r"the following arguments are required: (.*)", message)
        if missing:
            message = f"{missing[1]} is missing; {self.shown} -h shows what is expected"
        message = re.sub(r"\0(\d+)", lambda m: _shown(self.values[int(m[1])]), message)
        raise UsageError(f"{self.shown}: {visible(message, 400)}")

    def format_help(self) -> str:
        return super().format_help().replace(_PERCENT, "%")

    def print_help(self, file: Any = None) -> None:
        raise HelpAsked(self.format_help())

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or f"ended with {status}")


def _filled(value: Any) -> Any:
    """Return a text that was filled in as a word that says so; one that was typed stays as it is."""
    return Word(value, filled=True) if isinstance(value, str) and not isinstance(value, Word) else value


def _as_url(value: Any) -> Any:
    """Return the URL of a path object that is one in S3."""
    if isinstance(value, os.PathLike) and is_s3(str(value)):
        return Word(str(value), filled=True)
    return value


def _is_table(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "iloc")


def is_several(value: Any) -> bool:
    """Say whether a Python value stands for its items: a list, a column, what a listing gave; no string, no object."""
    if isinstance(value, (str, bytes, bytearray, memoryview, S3Object, os.PathLike, Mapping)):
        return False
    if _is_table(value):
        return True  # also if it has a column that is called key
    return not hasattr(value, "key") and isinstance(value, Iterable)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return visible(repr(str(value)), 80)
    if is_several(value):
        count = f" of {len(value):,}" if hasattr(value, "__len__") else ""
        return f"{_article(type(value).__name__)}{count}"
    return f"{_article(type(value).__name__)} ({visible(repr(value), 60)})"


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


# -- values of options ------------------------------------------------------------------------------

_UNITS = {"": 1, "b": 1, **{u: 1024 ** (n + 1) for n, u in enumerate("kmgtp")}}
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def size(text: str) -> int:
    """Read a number of bytes: ``4096``, ``64k``, ``1.5MiB``, ``2GB`` (all in powers of 1,024)."""
    match = re.fullmatch(r"([0-9.]+)\s*([bkmgtp]?)(?:i?b)?", text.strip().lower())
    try:
        number = float(match[1] if match else "") * _UNITS[match[2] if match else ""]
        return int(number + 0.5)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a size as 4096, 64k or 1.5MiB, not {text!r}") from None


def span(text: str) -> float:
    """Read a time span: seconds, or ``90s``, ``15m``, ``24h``, ``7d``, ``2w``."""
    match = re.fullmatch(r"([0-9.]+)\s*([smhdw]?)", text.strip().lower())
    try:
        return float(match[1] if match else "") * _SPANS[match[2] or "s" if match else "s"]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time as 90s, 15m, 24h or 7d, not {text!r}") from None


def moment(text: str) -> float:
    """Read a point in time: ``2026-01-31``, ``2026-01-31T12:00``, or how long ago: ``24h``, ``7d``. Returns Unix time."""
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        pass
    try:
        return datetime.now().timestamp() - span(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected a date as 2026-01-31 or 2026-01-31T12:00, or an age as 24h or 7d, not {text!r}"
        ) from None


def name_and_value(text: str) -> tuple[str, str]:
    """Read ``name=value``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, not {text!r}")
    return name, value


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, not {text!r}") from None


def count(text: str) -> int:
    """Read a whole number that is not negative."""
    number = whole(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, not {text!r}")
    return number


# -- the whole line -----------------------------------------------------------------------------------


def _common(parser: Parser, shell: bool, background: bool) -> None:
    group = parser.add_argument_group("where and how")
    group.add_argument("--root", metavar="URL", help="s3:// URL that keys are relative to")
    group.add_argument("--endpoint-url", metavar="URL", help="another server than AWS")
    group.add_argument("--region", metavar="NAME", help="where the bucket lives")
    group.add_argument("--profile", metavar="NAME", help="of the AWS config files")
    group.add_argument("--no-sign-request", action="store_true", help="for public data: no credentials")
    group.add_argument("--requester-pays", action="store_true", help="say that you pay: some buckets want that")
    group.add_argument("-q", "--no-progress", "--quiet", dest="quiet", action="store_true", help="show no progress")
    group.add_argument("-v", "--verbose", action="store_true", help="show errors with S3's code, status and request id")
    group.add_argument("--debug", action="store_true", help="show errors with their traceback")
    parser.kinds["root"] = "prefix"
    if shell:
        group.add_argument("--json", action="store_true", help="print JSON lines, for pipes")
    else:
        group.add_argument("--out", metavar="NAME", help="put the result into a variable, and show nothing")
        if background:
            group.add_argument("--bg", action="store_true", help="do it in the background; gives a job")
        group.add_argument("--raw", action="store_true", help="take $ and { } in the line to the letter")


def parser_of(verb: Verb, program: str) -> Parser:
    """Return the parser of one verb; ``program`` is ``"%s3"`` or the name of a shell's command."""
    examples = "\n".join(f"  {program.replace('%', _PERCENT)} {_example(line, program)}" for line in verb.examples)
    parser = Parser(
        program,
        verb.name,
        description=f"{verb.what[0].upper()}{verb.what[1:]}.",
        epilog=f"examples:\n{examples}",
    )
    verb.fill(parser)
    parser.usage = " ".join([parser.prog, "[options]", *map(_argument, parser._get_positional_actions())])
    parser._positionals.title = "arguments"
    _common(parser, in_shell(program), verb.background)
    return parser


def _example(line: str, program: str) -> str:
    """Return a line as it is typed: a shell would take a wildcard for its own, ``%s3`` takes a quoted one for a character."""
    if not in_shell(program):
        return line
    return " ".join(f"'{word}'" if any(c in word for c in "*?[") else word for word in line.split())


def _argument(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)


def in_shell(program: str) -> bool:
    """Say whether lines come from a shell, not from a notebook."""
    return not program.startswith("%")


def parse(words: Sequence[Any], verbs: Mapping[str, Verb], program: str, body: str | None = None) -> Command:
    """Read the words of a line. See `s3nb.commands.parse`."""
    if not words or words[0] in ("-h", "--help") or (words[0] == "help" and len(words) < 2):
        raise HelpAsked(usage(verbs, program))
    at = leading(words, program)  # others take these before the verb
    if not {"-h", "--help"}.isdisjoint(w for w in words[:at] if isinstance(w, str)):
        raise HelpAsked(usage(verbs, program))
    if at >= len(words):
        raise UsageError(f"{program}: a verb is missing; {program} help shows those there are")
    words = [words[at], *words[:at], *words[at + 1 :]]
    first = words[0].value if isinstance(words[0], Value) else words[0]
    if first == "help":
        raise HelpAsked(parser_of(_verb(words[1], verbs, program), program).format_help())
    verb = _verb(first, verbs, program)
    if verb.where and (verb.where == "shell") != in_shell(program):
        raise UsageError(f"{program} {verb.name} works in a {verb.where} only")
    if body is not None and not verb.body:
        takers = ", ".join(v.name for v in verbs.values() if v.body and v.where != "shell")
        raise UsageError(f"%%s3 {verb.name}: a cell's body is nothing to it; verbs that take one: {takers}")
    arguments = parser_of(verb, program).read(words[1:])
    client = {
        "endpoint_url": arguments.pop("endpoint_url"),
        "region": arguments.pop("region"),
        "profile": arguments.pop("profile"),
        "anonymous": arguments.pop("no_sign_request"),
        "requester_pays": arguments.pop("requester_pays"),
    }
    arguments.pop("raw", None)
    out = arguments.pop("out", None)
    if out is not None and not str(out).isidentifier():
        raise UsageError(f"{program} {verb.name}: --out takes the name of a variable, not {visible(str(out), 60)!r}")
    return Command(
        verb,
        root=arguments.pop("root"),
        quiet=arguments.pop("quiet"),
        debug=arguments.pop("debug"),
        verbose=arguments.pop("verbose"),
        json=arguments.pop("json", False),
        background=arguments.pop("bg", False),
        out=out,
        body=body,
        client=MappingProxyType({k: v for k, v in client.items() if v}),
        arguments=MappingProxyType(arguments),
    )


def leading(words: Sequence[Any], program: str) -> int:
    """Return how many words before the verb are options that every verb has; one more if the value of the last is missing."""
    parser = Parser(program, "")
    _common(parser, in_shell(program), True)
    at = 0
    while (
        at < len(words) and isinstance(words[at], str) and words[at].partition("=")[0] in parser._option_string_actions
    ):
        at += 1 + parser._waits(words[at])
    return at


_OTHER_NAMES = {
    "delete": "rm", "del": "rm", "remove": "rm", "delete_many": "rm", "delete_recursive": "rm", "copy": "cp", "copy_many": "cp",
    "move": "mv", "rename": "mv", "list": "ls", "dir": "ls", "download": "cp", "upload": "cp", "stat": "info", "head_object": "info",
    "search": "find", "glob": "find", "more": "head", "less": "head", "open": "preview", "show": "preview", "view": "preview",
    "url": "presign", "size": "du", "cd": "use", "abort": "abort_incomplete", "pull": "cp", "push": "cp", "mirror": "sync",
    "versions": "ls -r --versions", "tree": "ls -r", "exists": "info",
}  # fmt: skip
_NOT_HERE = {
    **dict.fromkeys(
        ("mb", "rb", "make_bucket", "create_bucket"), "buckets are made and removed elsewhere: aws s3 mb, boto3"
    ),
    "mkdir": "S3 has no folders: what is put below a prefix makes it",
    "touch": "put KEY --text '' makes an empty object",
}


def _verb(name: Any, verbs: Mapping[str, Verb], program: str) -> Verb:
    name = name.value if isinstance(name, Value) else name
    if isinstance(name, str) and name in verbs:
        return verbs[name]
    shown = visible(str(name), 60)
    if str(name).startswith("-"):
        raise UsageError(f"{program}: the verb comes first, then options such as {shown}")
    dashed = str(name).replace("-", "_").lower()
    known = [n for n, v in verbs.items() if not v.where or (v.where == "shell") == in_shell(program)]
    other = _OTHER_NAMES.get(dashed, "")
    close = [dashed] if dashed in known else [other] if other.partition(" ")[0] in known else None
    close = close or difflib.get_close_matches(dashed, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"{program} help shows those there are"
    hint = _NOT_HERE.get(dashed, hint)
    raise UsageError(f"{program}: no verb {shown!r}: {hint}")


def usage(verbs: Mapping[str, Verb], program: str) -> str:
    """Return the overview of all verbs, at most 80 columns wide."""
    shown = [v for v in verbs.values() if not v.where or (v.where == "shell") == in_shell(program)]
    width = max(len(v.name) for v in shown)
    room = max(_width() - width - 4, 12)
    lines = [f"usage: {program} VERB [arguments]"]
    group = ""
    for verb in shown:
        if verb.group != group:
            group = verb.group
            lines += ["", group]
        first, *rest = textwrap.wrap(verb.what, room)
        lines += [f"  {verb.name:<{width}}  {first}", *(" " * (width + 4) + line for line in rest)]
    lines += ["", *textwrap.wrap(f"{program} help VERB explains one, with examples.", _width())]
    if not in_shell(program):
        lines += ["%s3 --debug shows the last error whole. _s3nb_last has what was done before it."]
    return "\n".join(lines)
