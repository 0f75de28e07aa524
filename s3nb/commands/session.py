"""What the lines of one notebook, or one command line, have in common: clients, the current prefix, jobs, and who answers."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from s3nb import bars
from s3nb import session as shared
from s3nb.client import S3
from s3nb.commands.hints import meant
from s3nb.commands.lines import UsageError, Word, escaped
from s3nb.commands.parser import Command
from s3nb.commands.settings import Setting
from s3nb.config import TransferConfig
from s3nb.errors import NotFound
from s3nb.jobs import Jobs
from s3nb.model import Results, S3GetObject, S3Object
from s3nb.text import visible
from s3nb.uri import is_s3, split_root

_FIRST = 3.0  # seconds for which somebody waits who may have mistyped the address, or has yet to start a server

PREVIEW_BYTES = 64 * 1024

# variables that would lead away from a sandbox, or tell it what it need not know
_IN_THE_WAY = ("AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_SESSION_TOKEN")

Ask = Callable[[str], str]
"""Shows a question and returns the answer."""


class Declined(Exception):
    """A question was answered with no: nothing was done."""


class Session:
    """The state behind the lines.

    Parameters
    ----------
    program : str
        What lines begin with: ``"%s3"``, or the name of a shell's command.
    ask : callable, optional
        Asks the user; None where nobody can answer.
    make : callable
        Makes a client; gets the arguments of `S3`.
    lazy : bool
        Listings are given as they come, not gathered.

    Attributes
    ----------
    root : str or None
        The current prefix (``use``): an ``s3://`` URL that relative keys are below.
    options : dict
        Arguments for clients where a line does not give its own.
    origins : dict
        Where each setting that is not the default comes from, in words.
    jobs : Jobs
        What runs in the background.
    """

    def __init__(
        self, program: str = "%s3", *, ask: Ask | None = None, make: Callable[..., S3] = S3, lazy: bool = False
    ) -> None:
        self.program = program
        self.ask = ask
        self.assume_yes = False
        self.lazy = lazy
        self.root: str | None = None
        self.options: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.transfer = TransferConfig()
        self.workers: int | None = None
        self._filed: Mapping[str, Setting] = {}
        self.progress: Any = None
        self.jobs = Jobs()
        self.facts: Callable[[], Mapping[str, Any]] = dict  # what `config` shows besides
        self.browse: Callable[..., Any] | None = None
        self.preview_bytes = PREVIEW_BYTES
        self.sandbox: Any = None
        self._environment: dict[str, str | None] = {}  # what a sandbox hides
        self._make = make
        self._lock = threading.Lock()
        self._clients: dict[tuple[tuple[str, str], ...], S3] = {}

    def take(self, settings: Mapping[str, Setting]) -> None:
        """Take what files say; what is set later goes before it."""
        self._filed = settings
        for name in settings:
            self.set(name, None)

    @property
    def filed(self) -> str:
        """Which settings come from which files, in a line; empty if none do."""
        names: dict[str, list[str]] = {}
        for name, setting in self._filed.items():
            names.setdefault(setting.source, []).append(name)
        return "; ".join(f"{', '.join(found)} from {source}" for source, found in names.items())

    def set(self, name: str, value: Any, origin: str = "") -> None:
        """Set something for all lines to come; None: as the files say, else the default."""
        if value is None and name in self._filed:
            value, origin = self._filed[name]
        if value is None:
            self.origins.pop(name, None)
        else:
            self.origins[name] = origin
        if name == "transfer":
            self.transfer = value or TransferConfig()
        elif name == "workers":
            self.workers = value
        elif name == "preview_bytes":
            self.preview_bytes = value or PREVIEW_BYTES
        elif name == "progress":
            bars.use(value)
        elif name == "default_prefix":
            self.root = value
        elif value is None:
            self.options.pop(name, None)
        else:
            self.options[name] = value

    @property
    def config(self) -> TransferConfig:
        """The numbers that steer transfers."""
        return self.transfer if self.workers is None else replace(self.transfer, max_requests=self.workers)

    def client(self, options: Mapping[str, Any] | None = None, root: str | None = None, *, quiet: bool = False) -> S3:
        """Return the client for a set of options; it lives until `close`, and so do its files."""
        progress = False if quiet else self.progress
        arguments = {**self.options, **(options or {}), "s3root": root, "progress": progress}
        given = self.config
        arguments["config"] = replace(given, first_patience=min(given.first_patience, _FIRST))
        name = tuple(sorted((k, f"{v!r}@{id(v)}" if k == "session" else repr(v)) for k, v in arguments.items()))
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._make(tempfile.gettempdir(), **arguments)
            return self._clients[name]

    def confirm(self, question: str, *, yes: bool, background: bool = False) -> None:
        """Return if the user agrees; in the background nobody is asked.

        Raises
        ------
        UsageError
            Nobody can answer.
        Declined
            The answer was no.
        """
        if yes or self.assume_yes:
            return
        if self.ask is None or background:
            raise UsageError(f"{question}? Nobody can answer here: say --yes if that is what you want")
        answer = self.ask(f"{question}? [y/N] ")
        if answer.strip().lower() not in ("y", "yes"):
            raise Declined("nothing was done")

    def close(self) -> None:
        """Cancel the jobs, close the clients, stop the sandbox."""
        self.jobs.close()
        while self._clients:
            self._clients.popitem()[1].close()
        self.leave_sandbox()

    def enter_sandbox(self, sandbox: Any) -> None:
        """Send everything of this process to a sandbox that runs: lines, files by path, and by the environment the rest."""
        self.sandbox = sandbox
        for name, value in {**sandbox.client_options, "default_prefix": f"s3://{sandbox.bucket}"}.items():
            self.set(name, value, f"{self.program} sandbox")
        shared.configure(**sandbox.client_options)
        self._environment = {name: os.environ.pop(name, None) for name in (*sandbox.environment, *_IN_THE_WAY)}
        os.environ.update(sandbox.environment)

    def leave_sandbox(self) -> bool:
        """Stop the sandbox and take back what `enter_sandbox` has set; return if there was one."""
        sandbox, self.sandbox = self.sandbox, None
        if sandbox is None:
            return False
        for name in (*sandbox.client_options, "default_prefix"):
            self.set(name, None)
        shared.configure(**dict.fromkeys(sandbox.client_options))
        for name, before in self._environment.items():
            if os.environ.get(name) == sandbox.environment.get(name):  # else the user has set it meanwhile
                os.environ.pop(name, None)
                if before is not None:
                    os.environ[name] = before
        sandbox.stop()
        return True


class Here:
    """What a verb works with: the session, seen through one command."""

    def __init__(self, session: Session, command: Command) -> None:
        self.session = session
        self.command = command
        self.name = f"{session.program} {command.verb.name}"
        self.root = command.root or session.root
        self.body = command.body

    def usage(self, message: str) -> UsageError:
        """Return an error of usage that names the verb."""
        return UsageError(f"{self.name}: {message}")

    def client(self, root: str | None = None) -> S3:
        """Return a client with the options of the line."""
        return self.session.client(self.command.client, root, quiet=self.command.quiet)

    def confirm(self, question: str, yes: bool) -> None:
        """Ask, unless the line says ``--yes``."""
        self.session.confirm(f"{self.name}: {question}", yes=yes, background=self.command.background)

    @property
    def nobody_answers(self) -> bool:
        """Whether a question would be refused: then what it needs to know need not be found out."""
        return not self.session.assume_yes and (self.session.ask is None or self.command.background)

    def at(self, *keys: Any) -> tuple[S3, list[Any]]:
        """Return a client and the keys as it takes them: relative to the current prefix, or full URLs if one of them is."""
        if self.root is None:
            for key in keys:
                if isinstance(key, str) and not is_s3(key):
                    raise self._no_root(key)
            return self.client(), list(keys)
        split_root(self.root)
        if not any(is_s3(_name(key)) for key in keys):
            return self.client(self.root), list(keys)
        return self.client(), [self._joined(key) for key in keys]

    def _joined(self, key: Any) -> Any:
        name = _name(key)
        if name is None or is_s3(name) or isinstance(key, S3Object):
            return key
        url = self.url(name)
        if isinstance(key, Word):
            return Word(url, None if key.pattern is None else f"{escaped(url[: -len(name)])}{key.pattern}")
        if isinstance(key, str):
            return url
        return S3GetObject(
            url, getattr(key, "offset", None), getattr(key, "length", None), getattr(key, "version_id", None)
        )

    def url(self, name: str) -> str:
        """Return the ``s3://`` URL of a name, which may be one."""
        if is_s3(name):
            return str(name)
        if self.root is None:
            raise self._no_root(name)
        base, _ = split_root(self.root)
        return f"{base}/{name.lstrip('/')}"

    def _no_root(self, name: str) -> UsageError:
        url = meant(name)
        asked = f"did you mean {visible(url, 200)} ? Else give one" if url else "give one"
        lasting = self.session.program + " use s3://bucket/prefix"
        return self.usage(
            f"{visible(repr(str(name)), 100)} is no s3:// URL: {asked}, or say first what keys are relative to "
            f"({'--root s3://bucket/prefix' if self.session.lazy else lasting})"
        )

    def no_url(self, target: Any) -> UsageError:
        """Return the error of a line that names no URL, where at least one of two has to be one."""
        hint = ""
        if self.root is not None and isinstance(target, str):
            hint = f": names here are local ones; did you mean {visible(self.url(target), 200)} ?"
        return self.usage(f"neither SOURCE nor TARGET is an s3:// URL{hint}")

    def matched(self, s3: S3, keys: Iterable[Any], *, literal: bool) -> Iterator[Any]:
        """Yield the keys, and in place of a pattern the objects that match it, relative to the pattern's folder.

        Raises
        ------
        NotFound
            Nothing matches.
        """
        for key in keys:
            pattern = None if literal else pattern_of(key)
            if pattern is None:
                yield key
                continue
            none = True
            for found in s3.glob(pattern):
                none = False
                yield relative(found, folder_of(s3, pattern))
            if none:
                raise NotFound(f"nothing matches {visible(repr(str(key)), 200)} (--literal takes * ? [ as characters)")

    def collect(self, found: Iterable[S3Object], verb: str = "list") -> Any:
        """Return what a listing gives: as it comes for a shell, gathered for a notebook."""
        return found if self.session.lazy else Results(found, verb=verb)

    def keys(self, keys: Iterable[Any], body_keys: Callable[[str], list[Any]]) -> list[Any]:
        """Return the keys of the line, or those of the body if there is one."""
        found = list(keys)
        if self.body is not None:
            found += body_keys(self.body)
        if not found:
            raise self.usage("no keys: name some, or give one a line in a cell's body (or - and standard input)")
        return found


def _name(key: Any) -> str | None:
    name = key if isinstance(key, str) else getattr(key, "url", None) or getattr(key, "key", None)
    return name if isinstance(name, str) else None


_WILD = frozenset("*?[")


def pattern_of(key: Any) -> str | None:
    """Return the shell pattern that a word is; None if it names one thing."""
    if isinstance(key, Word):
        return key.pattern
    if isinstance(key, str) and not _WILD.isdisjoint(key):
        return key
    return None


def folder_of(s3: S3, pattern: str) -> str:
    """Return the URL of the folder before a pattern's first wildcard, with a slash at its end."""
    wild = min((pattern.find(c) for c in _WILD if c in pattern), default=len(pattern))
    # what is escaped begins with a bracket too, and then the folder is only shorter
    before = pattern[:wild].rpartition("/")[0]
    if is_s3(pattern):
        return f"{before}/"
    base = s3.root or ""
    return f"{base}/{before}/" if before else f"{base}/"


def relative(found: S3Object, base: str | None) -> S3Object:
    """Return the object of a listing with a key relative to another URL; None: its whole URL."""
    return S3Object(
        base, found.url, size=found.size, etag=found.etag, last_modified=found.last_modified,
        storage_class=found._storage_class, version_id=found._version_id, origin=found._origin,
    )  # fmt: skip
