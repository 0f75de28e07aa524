"""``%s3``: a doorman. It turns a line into a `Command`, hands it to the library, and returns a real object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)
from traitlets import Bool, CFloat, CInt, Enum, TraitError, Unicode, validate

from s3nb import bars, commands
from s3nb.commands import settings
from s3nb.commands.complete import Completer
from s3nb.commands.contents import Contents
from s3nb.commands.hints import hint, told
from s3nb.commands.near import explain
from s3nb.config import TransferConfig
from s3nb.errors import BulkError, S3Error
from s3nb.jobs import Job, Watch, partial_of
from s3nb.notebook.background import Screen
from s3nb.notebook.browser import browse
from s3nb.notebook.complete import matcher
from s3nb.progress import watching
from s3nb.text import plural, visible_lines
from s3nb.uri import split_root

LAST = "_s3nb_last"
_SETTINGS = frozenset(
    {
        "anonymous",
        "requester_pays",
        "default_prefix",
        "endpoint_url",
        "preview_bytes",
        "profile",
        "progress",
        "region",
        "workers",
    }
)  # those that files may say too


@magics_class
class S3Magics(Magics):
    """The magic ``%s3``. ``%config S3Magics`` shows what can be set; what is set counts from the next line on."""

    workers = CInt(TransferConfig().max_requests, min=1, help="Requests in flight at once, at most.").tag(config=True)
    region = Unicode("", help="Region; empty: as the AWS configuration says.").tag(config=True)
    profile = Unicode("", help="Profile of the AWS config files; empty: the default one.").tag(config=True)
    endpoint_url = Unicode("", help="Another server than AWS, e.g. https://minio.example:9000.").tag(config=True)
    anonymous = Bool(False, help="Do not sign requests: for public data.").tag(config=True)
    requester_pays = Bool(False, help="Say that you pay for the requests: some buckets want that.").tag(config=True)
    progress = Enum(("auto", *bars.KINDS), "auto", help="How progress is shown: auto, html, bar, lines or off.").tag(
        config=True
    )
    preview_bytes = CInt(64 * 1024, min=1024, help="Bytes that a preview fetches, at most.").tag(config=True)
    page_size = CInt(200, min=1, max=1000, help="Keys that a completion asks for, at most.").tag(config=True)
    completion_timeout = CFloat(0.8, min=0.0, help="Seconds that a completion may take; 0: no remote names.").tag(
        config=True
    )
    default_prefix = Unicode("", help="The s3:// URL that keys are relative to, as %s3 use sets it.").tag(config=True)
    short_errors = Bool(True, help="Show errors of S3 without a traceback; %s3 --debug shows the last one whole.").tag(
        config=True
    )
    confirm = Bool(True, help="Ask before anything is deleted; False is as --yes on every line.").tag(config=True)

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell, **traits: Any) -> None:
        self.session = commands.Session(ask=None)
        self.session.take(settings.read())
        super().__init__(shell, **traits)
        self.session.facts = self._facts
        self.completer = Completer(self.session, commands.VERBS)
        self.matcher = matcher(self.completer, shell)
        self.session.browse = browse
        self.screen = Screen(shell) if getattr(shell, "kernel", None) is not None else None
        self._last_error: S3Error | None = None
        self._last_traceback: TracebackType | None = None
        for name in self.trait_names(config=True):
            if getattr(self, name) != self.trait_defaults(name):
                self._set(name)
        self.observe(lambda change: self._set(change["name"]), list(self.trait_names(config=True)))

    @validate("default_prefix")
    def _a_root(self, proposal: Any) -> str:
        value = str(proposal["value"])
        try:
            return split_root(value)[0] if value else ""
        except S3Error as exc:
            raise TraitError(str(exc)) from None

    def _set(self, name: str) -> None:
        """Let the session do as one setting says; what ``%s3 use`` has said of others stays."""
        session, value = self.session, getattr(self, name)
        if name in _SETTINGS:
            session.set(name, None if value == self.trait_defaults(name) else value, f"%config S3Magics.{name}")
        elif name == "confirm":
            session.assume_yes = not value
        elif name == "completion_timeout":
            self.completer.budget = value
        elif name == "page_size":
            self.completer.page_size = value

    def _facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in sorted(self.trait_names(config=True)) if name not in _SETTINGS}

    # -- the magic -------------------------------------------------------------------------

    @no_var_expand
    @needs_local_scope
    @output_can_be_silenced
    @line_cell_magic
    def s3(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Work with S3: ``%s3 help`` lists the verbs, ``%s3 help get`` explains one."""
        if line.strip() == "--debug":
            self._show_last()
            return None
        scope = {**self.shell.user_ns, **(local_ns or {})}
        command: commands.Command | None = None
        watch = Watch()
        try:
            command = commands.parse(commands.words(line, scope), body=cell)
            self.session.ask = self._ask()
            if command.background:
                return self._kept(command, self._background(command, line))
            with watching(watch):
                result = commands.run(command, self.session)
        except commands.HelpAsked as exc:
            print(exc)
            return None
        except commands.UsageError as exc:
            raise UsageError(str(exc)) from None
        except commands.Declined as exc:
            print(f"%s3: {exc}")
            return None
        except KeyboardInterrupt as exc:
            self._interrupted(exc, command, watch)
            raise _short(exc) from None
        except S3Error as exc:
            explain(exc, self.session, command)
            self._failed(exc, command)
            if not self.short_errors or (command is not None and command.debug):
                raise
            raise _short(exc, _left(exc), verbose=command is not None and command.verbose) from None
        if line.rstrip().endswith(";"):
            self.shell.user_ns[LAST] = result  # IPython gives None for a silenced line, and so does x = %s3 ...;
        return self._shown(command, result)

    def _shown(self, command: commands.Command, result: Any) -> Any:
        if command.out is None and isinstance(result, Contents):
            print(visible_lines(result), end="" if result.endswith("\n") or not result else "\n")
            return None
        return self._kept(command, result)

    def _kept(self, command: commands.Command, result: Any) -> Any:
        if command.out is None:
            return result
        if isinstance(result, Contents):
            result = str(result) if result.blob is None else result.blob
        self.shell.user_ns[command.out] = result
        return None

    def _ask(self) -> Callable[[str], str] | None:
        """Return what asks the user; None where nobody can answer (papermill, nbconvert, a pipe)."""
        kernel = getattr(self.shell, "kernel", None)
        if kernel is not None:
            return input if getattr(kernel, "_allow_stdin", False) else None
        return input if sys.stdin is not None and sys.stdin.isatty() else None

    # -- in the background ------------------------------------------------------------------

    def _background(self, command: commands.Command, line: str) -> Job:
        asks = command.arguments.get("yes") is False and command.arguments.get("delete", True)
        if asks and self.confirm and not command.arguments.get("dry_run", False):
            raise commands.UsageError(
                f"%s3 {command.verb.name} --bg: nobody is asked in the background: say --yes as well"
            )
        return self.session.jobs.start(lambda: commands.run(command, self.session), _title(line))

    # -- when it goes wrong ------------------------------------------------------------------

    def _failed(self, error: S3Error, command: commands.Command | None) -> None:
        """Keep what there is of a result, and the error for ``%s3 --debug``."""
        self._last_error = error
        self._last_traceback = error.__traceback__
        self._partial(error.results if isinstance(error, BulkError) else partial_of(error), command, error)

    def _partial(self, results: Any, command: commands.Command | None, error: BaseException | None = None) -> None:
        if results is None:
            return
        self.shell.user_ns[LAST] = error if isinstance(error, BulkError) else results
        if command is not None and command.out is not None:
            self.shell.user_ns[command.out] = results

    def _interrupted(self, error: KeyboardInterrupt, command: commands.Command | None, watch: Watch) -> None:
        """Say in one line how far it was, and keep what is done."""
        results = partial_of(error)
        self._partial(results, command)
        now = watch.snapshot()
        if now is None:
            return
        over = now.done + now.failed + now.skipped
        total = now.total if now.total is not None else now.so_far
        words = [f"{now.done:,} done", f"{now.failed:,} failed", f"{max(total - over, 0):,} not done"]
        where = f"; what is done is in {LAST}" if results else ""
        start = (
            "\n" if getattr(self.shell, "kernel", None) is None and sys.stderr.isatty() else ""
        )  # behind the terminal's ^C
        print(f"{start}%s3 {now.verb}: interrupted: {', '.join(words)}{where}", file=sys.stderr)

    def _show_last(self) -> None:
        error = self._last_error
        if error is None:
            print("%s3: no error yet")
        else:
            shown = error.__dict__.pop("_render_traceback_", None)
            try:
                self.shell.showtraceback((type(error), error, self._last_traceback))
            finally:
                if shown is not None:
                    error.__dict__["_render_traceback_"] = shown


def _title(line: str) -> str:
    """Return what a job is called: its line, without what says that it is one."""
    return " ".join(word for word in line.strip().rstrip(";").split() if word != "--bg")


def _left(error: S3Error) -> str:
    """Return the lines that say what to do, and where the rest is when some failed."""
    advice = hint(error, "%s3")
    advice = f"\n  {advice}" if advice else ""
    if not isinstance(error, BulkError):
        return advice
    return f"{advice}\n{plural(len(error.ok), 'object')} done; {LAST} has .ok, .failed and .retry()"


def _short(error: BaseException, more: str = "", *, verbose: bool = False) -> BaseException:
    """Return the error so that IPython shows it without a traceback; its text is safe to print."""
    said = told(error, verbose=verbose)
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    text += "".join(f"\n  {visible_lines(note)}" for note in getattr(error, "__notes__", ())) + more
    error._render_traceback_ = lambda: text.split("\n")  # type: ignore[attr-defined]
    return error


def _display(shell: InteractiveShell) -> Any:
    """Return the formatter that lets objects show themselves."""
    formatter: Any = shell.display_formatter
    return formatter.ipython_display_formatter


def load(shell: InteractiveShell) -> None:
    """Register the magic; a second time changes nothing."""
    if "s3" in shell.magics_manager.magics["line"]:
        return
    try:
        magics = S3Magics(shell, parent=shell)
    except commands.UsageError as exc:
        raise UsageError(str(exc)) from None
    if magics.session.filed:
        print(f"s3nb: {magics.session.filed}")
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.matcher)
    if magics.screen is not None:
        _display(shell).for_type(Job, magics.screen.show)


def unload(shell: InteractiveShell) -> None:
    """Take everything back: the magic, its settings, its clients and jobs."""
    magics = shell.magics_manager.registry.get("S3Magics")
    for kind in ("line", "cell"):
        found = shell.magics_manager.magics[kind].get("s3")
        if getattr(found, "__self__", None) is magics and magics is not None:
            del shell.magics_manager.magics[kind]["s3"]
    shell.magics_manager.registry.pop("S3Magics", None)
    bars.use(None)
    if magics is not None:
        if magics.matcher in shell.Completer.custom_matchers:
            shell.Completer.custom_matchers.remove(magics.matcher)
        if magics in shell.configurables:
            shell.configurables.remove(magics)
        magics.session.close()
        if magics.screen is not None:
            magics.screen.close()
            _display(shell).type_printers.pop(Job, None)
