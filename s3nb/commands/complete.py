"""What may follow: candidates for the word that is being typed, for a notebook and for a shell.

Strategy: the words before the cursor say which argument comes next, and the argument says what it takes. Only one thing
asks S3: names that begin as the word does, one page of one level, one request. It is asked on a thread of its own; who waits
gives up after its budget, and the answer is there for the next time. Completion never raises, and never asks the user.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from s3nb.client import S3
from s3nb.commands.lines import Field, Text, tokens
from s3nb.commands.parser import Parser, Verb, in_shell, leading, parser_of
from s3nb.commands.session import Session
from s3nb.uri import is_s3, split_root

_FRESH = 60.0  # seconds for which an answer of S3 is believed
_REMEMBERED = 256  # answers


class Candidate(NamedTuple):
    """A word that may stand where the cursor is.

    Attributes
    ----------
    text : str
        The whole word, to the letter.
    kind : str
        ``"verb"``, ``"option"``, ``"choice"``, ``"bucket"``, ``"prefix"``, ``"key"``, ``"file"``, ``"folder"``.
    more : bool
        The word goes on: nothing ends it yet.
    """

    text: str
    kind: str
    more: bool = False


class Expected(NamedTuple):
    """What the word at the cursor may be.

    Attributes
    ----------
    kinds : tuple of str
        ``"verb"``, ``"option"``, ``"key"``, ``"prefix"``, ``"local"``, ``"either"``, ``"choice"``.
    word : str
        What is typed of it, without quotation marks.
    choices : tuple of str
    options : mapping
        Client options of the line, by the parser's names.
    """

    kinds: tuple[str, ...]
    word: str
    choices: tuple[str, ...] = ()
    options: Mapping[str, str] = {}


def expected(before: list[str], word: str, verbs: Mapping[str, Verb], program: str) -> Expected:
    """Return what may come, from the words before the cursor and what is typed of the last. Pure."""
    at = leading(before, program)
    if at > len(before):
        return Expected((), word)  # the value of an option before the verb
    if at == len(before) and not word.startswith("-"):
        return Expected(("verb",), word)
    before = [*before[at : at + 1], *before[:at], *before[at + 1 :]]
    if before[:1] == ["help"]:
        return Expected(("verb",), word)
    verb = verbs.get(before[0]) if before else None
    if verb is None:
        return Expected((), word)
    parser = parser_of(verb, program)
    known = parser._option_string_actions
    options = _given(before, known)
    last = known.get(before[-1])
    if last is not None and last.nargs is None:
        return _of(parser, last, word, options)
    if word.startswith("-") and "=" in word and word.partition("=")[0] in known:
        return _of(parser, known[word.partition("=")[0]], word, options)
    if word.startswith("-") and "--" not in before:
        return Expected(("option",), word, tuple(_options(parser, before, every=len(word) > 2)))
    action = _positional(parser, before[1:], known)
    found = _of(parser, action, word, options) if action is not None else Expected((), word, (), options)
    return found._replace(kinds=(*found.kinds, "option")) if not word else found


def _of(parser: Parser, action: argparse.Action, word: str, options: Mapping[str, str]) -> Expected:
    if action.choices is not None:
        return Expected(("choice",), word, tuple(map(str, action.choices)), options)
    kind = parser.kinds.get(action.dest, "")
    return Expected((kind,) if kind else (), word, (), options)


def _options(parser: Parser, before: Iterable[str], every: bool) -> list[str]:
    """Return the options that were not given yet, each by its long name; or by all of them."""
    given = {parser._option_string_actions[w].dest for w in before if w in parser._option_string_actions}
    again = {a.dest for a in parser._actions if isinstance(a, argparse._AppendAction)}
    wanted = [a for a in parser._actions if a.option_strings and (a.dest not in given or a.dest in again)]
    return sorted(
        name
        for a in wanted
        for name in (([n for n in a.option_strings if n.startswith("--")] if every else []) or a.option_strings[-1:])
    )


def _given(words: list[str], known: Mapping[str, argparse.Action]) -> dict[str, str]:
    """Return the options of a line that say where to look."""
    found = {}
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        action = known.get(name)
        if action is None or action.dest not in (
            "root",
            "endpoint_url",
            "region",
            "profile",
            "no_sign_request",
            "requester_pays",
        ):
            continue
        if action.nargs == 0:
            found[action.dest] = "1"
        elif equals:
            found[action.dest] = value
        elif at + 1 < len(words):
            found[action.dest] = words[at + 1]
    return found


def _positional(parser: Parser, words: list[str], known: Mapping[str, argparse.Action]) -> argparse.Action | None:
    """Return the argument that the next word is for."""
    count, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word in known:
            skip = known[word].nargs is None
        elif not word.startswith("-") or word == "-":
            count += 1
    actions = parser._get_positional_actions()
    for action in actions:
        if action.nargs in ("*", "+"):
            return action
        if count == 0:
            return action
        count -= 1
    return None


# -- names in S3 ----------------------------------------------------------------------------------------

Names = list[Candidate]


class Remote:
    """Names in S3 that begin with something: asked for once, remembered for a minute. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, ...], tuple[float, Names]] = OrderedDict()
        self._asking: dict[tuple[str, ...], threading.Event] = {}

    def names(self, key: tuple[str, ...], ask: Callable[[], Names], budget: float) -> Names:
        """Return what ``ask`` gives, from memory if it is fresh; nothing if it takes longer than ``budget`` seconds, or fails."""
        with self._lock:
            found = self._known.get(key)
            if found is not None and self._clock() - found[0] < _FRESH:
                self._known.move_to_end(key)
                return found[1]
            event = self._asking.get(key)
            if event is None:
                event = self._asking[key] = threading.Event()
                threading.Thread(target=self._ask, args=(key, ask, event), name="s3nb-complete", daemon=True).start()
        event.wait(budget)
        with self._lock:
            found = self._known.get(key)
        return found[1] if found is not None else []

    def _ask(self, key: tuple[str, ...], ask: Callable[[], Names], event: threading.Event) -> None:
        try:
            found = ask()
        except Exception:
            # whatever it is: whoever types is not to be disturbed; running the line will say it
            found = []
        with self._lock:
            self._known[key] = (self._clock(), found)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            del self._asking[key]
        event.set()

    def forget(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._known.clear()


class Completer:
    """Candidates for a word, from a session's point of view.

    Parameters
    ----------
    session : Session
    verbs : mapping
    """

    def __init__(self, session: Session, verbs: Mapping[str, Verb]) -> None:
        self.session = session
        self.verbs = verbs
        self.budget = 0.8
        self.page_size = 200
        self.remote = Remote()

    def candidates(self, before: list[str], word: str) -> list[Candidate]:
        """Return what the word may become, in order. Never raises."""
        try:
            want = expected(before, word, self.verbs, self.session.program)
            found: list[Candidate] = []
            for kind in want.kinds:
                found += self._of(kind, want)
            return found
        except Exception:
            # a half-typed line may be anything; completion has nothing to say then
            return []

    def _of(self, kind: str, want: Expected) -> list[Candidate]:
        word = want.word
        if kind == "verb":
            shell = in_shell(self.session.program)
            names = [n for n, v in self.verbs.items() if not v.where or (v.where == "shell") == shell]
            return [Candidate(n, "verb") for n in names if n.startswith(word)]
        if kind == "option":
            return [Candidate(n, "option") for n in want.choices if n.startswith(word)]
        before, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if kind == "choice":
            found = [Candidate(n, "choice") for n in want.choices if n.startswith(value)]
        elif kind == "local":
            found = local(value)
        elif kind in ("key", "prefix"):
            found = self._remote(value, want.options, absolute=before == "--root")
        elif is_s3(value):
            found = self._remote(value, want.options)
        else:
            found = local(value) + ([Candidate("s3://", "prefix", more=True)] if "s3://".startswith(value) else [])
        return [c._replace(text=f"{before}{equals}{c.text}") for c in found] if equals else found

    def _remote(self, word: str, options: Mapping[str, str], *, absolute: bool = False) -> list[Candidate]:
        client = {name: options[name] for name in ("endpoint_url", "region", "profile") if name in options}
        if "no_sign_request" in options:
            client["anonymous"] = options["no_sign_request"]
        if "requester_pays" in options:
            client["requester_pays"] = options["requester_pays"]
        root = None if absolute else options.get("root") or self.session.root
        if is_s3(word):
            return self._known(word, None, client)
        if root is not None:
            return self._known(word, root, client)
        if not "s3://".startswith(word):
            return []
        return self._known("s3://", None, client) or [Candidate("s3://", "prefix", more=True)]

    def _known(self, word: str, root: str | None, client: dict[str, str]) -> list[Candidate]:
        if self.budget <= 0:
            return []
        scope = (repr(sorted((k, str(v)) for k, v in {**self.session.options, **client}.items())),)

        def ask_buckets() -> Names:
            return [Candidate(f"s3://{name}/", "bucket", more=True) for name, _ in self._client(client).buckets()]

        if is_s3(word) and "/" not in word[5:]:
            found = self.remote.names((*scope, "buckets"), ask_buckets, self.budget)
            return [c for c in found if c.text.startswith(word)]
        base = "" if is_s3(word) else f"{split_root(root or '')[0]}/"
        url = base + (word if is_s3(word) else word.lstrip("/"))

        def ask_keys() -> Names:
            listed, _ = self._client(client).first(url, limit=self.page_size)
            return [
                Candidate(item.url, "key" if item.exists else "prefix", more=not item.exists)
                for item in listed
                if item.url.isprintable()
            ]

        found = self.remote.names((*scope, url), ask_keys, self.budget)
        return [c._replace(text=c.text[len(base) :]) for c in found if c.text != base]

    def _client(self, options: dict[str, str]) -> S3:
        client = self.session.client(options, quiet=True)
        if asks_for_a_code(client):
            raise PermissionError("credentials that ask for a code are not fetched for a completion")
        return client


def asks_for_a_code(client: S3) -> bool:
    """Say whether the credentials of a client would be asked for at the terminal (a profile with a second factor)."""
    account = client._core.account
    if account.anonymous or account._keys is not None:
        return False
    profiles = account.session._session.full_config.get("profiles", {})
    name = account.session.profile_name
    seen: set[str] = set()
    while name and name not in seen:
        seen.add(name)
        found = profiles.get(name, {})
        if "mfa_serial" in found:
            return True
        name = found.get("source_profile", "")
    return False


def local(word: str) -> list[Candidate]:
    """Return files and folders that begin with ``word``; hidden ones only if it says so."""
    folder, name = os.path.split(word)
    found = []
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            for entry in entries:
                if (
                    entry.name.startswith(name)
                    and (name or not entry.name.startswith("."))
                    and entry.name.isprintable()
                ):
                    text = os.path.join(folder, entry.name)
                    inside = entry.is_dir()
                    found.append(
                        Candidate(text + os.sep if inside else text, "folder" if inside else "file", more=inside)
                    )
    except OSError:
        return []
    return sorted(found)


_MARK = "\x01"  # stands where the cursor is


class Typed(NamedTuple):
    """A line that is being typed: the words before, what there is of the last, where it begins, and its open quotation."""

    before: list[str]
    word: str
    start: int
    quote: str
    value: str = ""  # the beginning of a name behind $


def typed(line: str, *, raw: bool = False) -> Typed | None:
    """Cut a line at its end, which is where the cursor is.

    Returns
    -------
    Typed, or None
        None: in a comment, or within an expression.
    """
    found = tokens(line + _MARK, raw=raw, unfinished=True)
    if not found or not found[-1].text.endswith(_MARK):
        return None
    last = found.pop()
    before = [token.text for token in found]
    if any(isinstance(piece, Field) for piece in last.pieces):
        name = last.text[1:-1]
        whole = last.text.startswith("$") and name.isidentifier()
        return Typed(before, "", last.start, "", name) if whole else None
    word = last.text[:-1]
    loose = last.open == '"' or any(isinstance(p, Text) and not p.quoted and "{" in p.text for p in last.pieces)
    return None if not raw and loose and "{" in word else Typed(before, word, last.start, last.open)
