"""A line becomes words: quoted as in a POSIX shell, with Python values in the places of ``$name`` and ``{expression}``.

Strategy: the line is cut into words first, and values are put in afterwards, so that no value is ever cut, taken for
an option or for a pattern. A word that is one ``$name`` or ``{expression}`` and nothing else is the object itself; within a
longer word the rules are those of f-strings. ``{{``, ``}}`` and ``$$`` are the characters; single quotes, or ``--raw``, switch
all of this off.
"""

from __future__ import annotations

import builtins
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from s3nb.model import S3GetObject
from s3nb.text import visible

_NAME = re.compile(r"[A-Za-z_]\w*")
_SPACE = " \t\r\n"
_WILD = frozenset("*?[")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


class UsageError(ValueError):
    """The line is no command; the message says which token, and what was expected."""


class Word(str):
    """A word of a line.

    Attributes
    ----------
    pattern : str or None
        The word as a shell pattern in which everything quoted or filled in stands for itself; None if the word
        has no wildcard of its own.
    filled : bool
        All of it is a value that was filled in.
    """

    pattern: str | None
    filled: bool

    def __new__(cls, text: str, pattern: str | None = None, *, filled: bool = False) -> Word:
        made = super().__new__(cls, text)
        made.pattern = pattern
        made.filled = filled
        return made


class Field(NamedTuple):
    """A place for a value: ``{expression!conversion:spec}``."""

    source: str
    expression: str
    conversion: str = ""
    spec: str = ""


class Text(NamedTuple):
    """Characters that stand for themselves; unquoted ones may be wildcards."""

    text: str
    quoted: bool


@dataclass
class Token:
    """One word as it was written.

    Attributes
    ----------
    start : int
        Where it begins in the line.
    pieces : list of Text and Field
    open : str
        The quotation mark that was not closed; only where that is allowed.
    """

    start: int
    pieces: list[Text | Field] = field(default_factory=list)
    open: str = ""

    def add(self, text: str, quoted: bool) -> None:
        """Append characters."""
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, Text) and last.quoted == quoted:
            self.pieces[-1] = Text(last.text + text, quoted)
        else:
            self.pieces.append(Text(text, quoted))

    @property
    def text(self) -> str:
        """What it says, with fields as they were written."""
        return "".join(p.text if isinstance(p, Text) else p.source for p in self.pieces)


def tokens(line: str, *, raw: bool = False, unfinished: bool = False) -> list[Token]:
    """Cut a line into words.

    Parameters
    ----------
    raw : bool
        ``$``, ``{`` and ``}`` are ordinary characters.
    unfinished : bool
        The line is still being typed: an open quotation is no error.

    Raises
    ------
    UsageError
        A quotation or a brace that is not closed.
    """
    if "\0" in line:
        raise UsageError("a NUL character cannot be part of a line")
    found: list[Token] = []
    token: Token | None = None
    at, end = 0, len(line)
    while at < end:
        char = line[at]
        if char in _SPACE:
            token = None
            at += 1
            continue
        if char == "#" and token is None:
            break  # a comment; within a word it is a character of the word
        if token is None:
            token = Token(at)
            found.append(token)
        if char == "'":
            stop = line.find("'", at + 1)
            if stop == -1:
                if not unfinished:
                    raise UsageError(f"the quotation is not closed: {visible(line[at:], 60)}")
                token.open, stop = "'", end
            token.add(line[at + 1 : stop], True)
            at = stop + 1
        elif char == '"':
            at = _double_quoted(line, at + 1, token, raw, unfinished)
        elif char == "\\":
            if at + 1 == end and not unfinished:
                raise UsageError("a backslash at the end of the line quotes nothing")
            token.add(line[at + 1 : at + 2], True)
            at += 2
        elif char in "$" and not raw:
            at = _dollar(line, at, token, False)
        elif char in "{}" and not raw:
            at = _brace(line, at, token, False, unfinished)
        else:
            token.add(char, False)
            at += 1
    return found


def _double_quoted(line: str, at: int, token: Token, raw: bool, unfinished: bool) -> int:
    start = at - 1
    token.add("", True)
    while at < len(line):
        char = line[at]
        if char == '"':
            return at + 1
        if char == "\\" and line[at + 1 : at + 2] in ('"', "\\", "$", "`"):
            token.add(line[at + 1], True)
            at += 2
        elif char == "$" and not raw:
            at = _dollar(line, at, token, True)
        elif char in "{}" and not raw:
            at = _brace(line, at, token, True, unfinished)
        else:
            token.add(char, True)
            at += 1
    if not unfinished:
        raise UsageError(f"the quotation is not closed: {visible(line[start:], 60)}")
    token.open = '"'
    return at


def _dollar(line: str, at: int, token: Token, quoted: bool) -> int:
    if line.startswith("$$", at):
        token.add("$", True)
        return at + 2
    name = _NAME.match(line, at + 1)
    if name is None:
        token.add("$", quoted)
        return at + 1
    token.pieces.append(Field(f"${name[0]}", name[0]))
    return name.end()


def _brace(line: str, at: int, token: Token, quoted: bool, unfinished: bool) -> int:
    char = line[at]
    if line.startswith(char * 2, at):
        token.add(char, True)
        return at + 2
    if char == "}":
        if unfinished:
            token.add(char, quoted)
            return at + 1
        raise UsageError("a '}' without its '{': write }} for the character, or put the word into single quotes")
    stop = _closing(line, at)
    if stop == -1:
        if unfinished:
            token.add(line[at:], quoted)
            return len(line)
        raise UsageError(
            f"the brace is not closed: {visible(line[at:], 60)}: write {{{{ for the character, or put the word into "
            "single quotes"
        )
    token.pieces.append(_field(line[at : stop + 1]))
    return stop + 1


def _closing(line: str, at: int) -> int:
    """Return where the bracket at ``at`` is closed, -1 if nowhere; brackets and strings within are jumped over."""
    expected: list[str] = []
    while at < len(line):
        char = line[at]
        if char in "\"'":
            triple = char * 3 if line.startswith(char * 3, at) else char
            at += len(triple)
            while at < len(line) and not line.startswith(triple, at):
                at += 2 if line[at] == "\\" else 1
            at += len(triple)
            continue
        if char in _PAIRS:
            expected.append(_PAIRS[char])
        elif expected and char == expected[-1]:
            expected.pop()
            if not expected:
                return at
        at += 1
    return -1


def _field(source: str) -> Field:
    """Cut ``{expression!r:spec}`` at the first ``!`` or ``:`` that is outside of all brackets and strings."""
    inner = source[1:-1]
    at = 0
    while at < len(inner):
        char = inner[at]
        if char in "\"'" or char in _PAIRS:
            stop = _closing(f"({inner[at:]})", 0) if char in "\"'" else _closing(inner, at)
            at = _string_end(inner, at) if char in "\"'" else (len(inner) if stop == -1 else stop + 1)
            continue
        if char == "!" and inner[at + 1 : at + 2] != "=":
            conversion, _, spec = inner[at + 1 :].partition(":")
            if conversion not in ("r", "s", "a"):
                raise UsageError(
                    f"{visible(source, 60)}: the conversion is !r, !s or !a, not {visible('!' + conversion, 20)!r}"
                )
            return Field(source, inner[:at].strip(), conversion, spec)
        if char == ":":
            return Field(source, inner[:at].strip(), "", inner[at + 1 :])
        at += 1
    return Field(source, inner.strip())


def _string_end(text: str, at: int) -> int:
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    at += len(quote)
    while at < len(text) and not text.startswith(quote, at):
        at += 2 if text[at] == "\\" else 1
    return at + len(quote)


def words(line: str, scope: Mapping[str, Any] | None = None) -> list[Any]:
    """Return the words of a line, with the values of ``scope`` filled in.

    Parameters
    ----------
    line : str
        Behind ``%s3``. A ``;`` at its end silences the output in IPython, and is no part of a word.
    scope : mapping, optional
        Names and their values; None fills nothing in.

    Returns
    -------
    list
        `Word`, or the object that a whole word stands for.

    Raises
    ------
    UsageError
        An open quotation or brace, a name that is not defined, an expression that fails.
    """
    option = [Text("--raw", False)]
    raw = scope is None or any(t.pieces == option for t in tokens(line, raw=True, unfinished=True))
    found = tokens(line, raw=raw)
    if raw and scope is not None:
        found = [t for t in found if t.pieces != option]
    _without_semicolon(found)
    names = dict(scope or {})
    return [_filled(token, names) for token in found]


def _without_semicolon(found: list[Token]) -> None:
    last = found[-1].pieces[-1] if found and found[-1].pieces else None
    if isinstance(last, Text) and not last.quoted and last.text.endswith(";"):
        found[-1].pieces[-1] = Text(last.text[:-1], False)
        if not found[-1].text and not any(isinstance(p, Text) and p.quoted for p in found[-1].pieces):
            found.pop()


def _filled(token: Token, names: dict[str, Any]) -> Any:
    pieces = [p for p in token.pieces if not isinstance(p, Text) or p.text or len(token.pieces) == 1]
    if len(pieces) == 1 and isinstance(pieces[0], Field):
        only = pieces[0]
        value = _value(only, names)
        if only.conversion or only.spec:
            value = _formatted(only, value, names)
        return Value(value)
    text: list[str] = []
    pattern: list[str] = []
    wild = False
    for piece in pieces:
        if isinstance(piece, Field):
            shown = _formatted(piece, _value(piece, names), names)
            text.append(shown)
            pattern.append(escaped(shown))
        else:
            text.append(piece.text)
            pattern.append(escaped(piece.text) if piece.quoted else piece.text)
            wild = wild or (not piece.quoted and not _WILD.isdisjoint(piece.text))
    word = Word("".join(text), "".join(pattern) if wild else None)
    return Value(word) if pieces and isinstance(pieces[0], Field) else word


class Value(NamedTuple):
    """A value that was filled in: never an option, whatever it says."""

    value: Any


def escaped(text: str) -> str:
    """Return the pattern that matches exactly ``text``."""
    return re.sub(r"([*?\[])", r"[\1]", text)


def _value(place: Field, names: dict[str, Any]) -> Any:
    shown = visible(place.source, 80)
    if not place.expression:
        raise UsageError(f"{shown} holds no expression: write {{{{}}}} for the characters, or use single quotes")
    try:
        code = compile(place.expression, "<%s3>", "eval")
    except (SyntaxError, ValueError) as exc:
        reason = exc.msg if isinstance(exc, SyntaxError) else str(exc)
        raise UsageError(
            f"{shown} is no Python expression ({reason}): write {{{{ and }}}} for braces, or use single quotes"
        ) from None
    try:
        return eval(code, names)  # noqa: S307  # the user's own expression, in the user's own notebook
    except NameError as exc:
        name = exc.name or place.expression
        raise UsageError(f"name {name!r} is not defined{_close(name, names)}") from None
    except Exception as exc:
        raise UsageError(f"{shown}: {type(exc).__name__}: {visible(str(exc), 200)}") from exc


_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}


def _close(name: str, names: Mapping[str, Any]) -> str:
    known = [n for n in names if isinstance(n, str) and not n.startswith("__")]
    close = difflib.get_close_matches(name, known, 1, 0.7) or difflib.get_close_matches(name, dir(builtins), 1, 0.8)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _formatted(place: Field, value: Any, names: dict[str, Any]) -> str:
    if place.conversion:
        value = _CONVERSIONS[place.conversion](value)
    spec = place.spec
    if "{" in spec:
        inner = Token(0)
        at = 0
        while at < len(spec):
            if spec[at] in "{}":
                at = _brace(spec, at, inner, True, False)
            else:
                inner.add(spec[at], True)
                at += 1
        spec = "".join(p.text if isinstance(p, Text) else _formatted(p, _value(p, names), names) for p in inner.pieces)
    try:
        return format(value, spec)
    except (ValueError, TypeError) as exc:
        raise UsageError(f"{visible(place.source, 80)}: {visible(str(exc), 200)}") from None


def quoted(text: str, quote: str = "", *, closed: bool = True) -> str:
    """Return ``text`` as one word of a line, in quotes if it needs some.

    Parameters
    ----------
    quote : str
        The quotation mark that was begun with, or none.
    closed : bool
        Close the quotation; not if there is more to come.
    """
    if not quote:
        if text and not re.search(r"""[\s'"\\${}*?\[]|^#|;\Z""", text):
            return text
        quote = "'" if "'" not in text else '"'
    if quote == "'":
        inner = text.replace("'", "'\\''")
    else:
        inner = re.sub(r'(["\\])', r"\\\1", text).replace("$", "$$").replace("{", "{{").replace("}", "}}")
    return quote + inner + (quote if closed else "")


# -- bodies: a cell, or standard input ----------------------------------------------------------------


def keys_of(body: str) -> list[Any]:
    """Return the keys of a body: one a line, to the letter; or JSON lines, if the first begins with ``{`` or ``"``.

    A JSON line is a string, or an object with ``key`` (or ``url``) and perhaps ``offset``, ``length``, ``version_id``. Blank
    lines are left out.
    """
    lines = [line.rstrip("\r") for line in body.split("\n") if line.strip()]
    if not lines or lines[0].lstrip()[:1] not in ("{", '"'):
        return [Word(line) for line in lines]
    return [_key(value, number) for number, value in _json_lines(lines)]


def _key(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return Word(value)
    if isinstance(value, dict):
        key = value.get("url") or value.get("key")
        if isinstance(key, str):
            return S3GetObject(key, value.get("offset"), value.get("length"), value.get("version_id"))
    raise UsageError(
        f'line {number}: expected a JSON string or an object with "key", not {visible(json.dumps(value), 80)}'
    )


def pairs_of(body: str, field: str) -> list[tuple[str, Any]]:
    """Return ``(key, value)`` for each JSON line of a body: ``{"key": ..., field: ...}`` or ``[key, value]``."""
    found = []
    for number, value in _json_lines([line for line in body.split("\n") if line.strip()]):
        pair = (value.get("key"), value.get(field)) if isinstance(value, dict) else value
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise UsageError(
                f'line {number}: expected {{"key": ..., "{field}": ...}}, not {visible(json.dumps(value), 80)}'
            )
        found.append((pair[0], pair[1]))
    return found


def _json_lines(lines: Sequence[str]) -> list[tuple[int, Any]]:
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append((number, json.loads(line)))
        except ValueError as exc:
            raise UsageError(f"line {number} is no JSON ({exc}): {visible(line.strip(), 60)}") from None
    return found
