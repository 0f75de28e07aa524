"""``%s3``: a doorman. It turns a line into a `Command`, hands it to the library, and returns a real object."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import (
    Magics,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)

from s3nb import bars, commands
from s3nb.errors import S3Error
from s3nb.text import visible

_NAME = re.compile(r"\$([A-Za-z_]\w*)\Z")


def words(line: str, scope: Mapping[str, Any]) -> list[Any]:
    """Split a line as a POSIX shell does; ``$name`` as a whole word is the object of that name.

    Raises
    ------
    UsageError
        An open quotation, or a name that nobody has defined.
    """
    line = line.rstrip()
    if line.endswith(";"):
        line = line[:-1]  # it silences the output, and is no part of a key
    # non-POSIX keeps the quotes, which is how a quoted '$name' is told from a name
    try:
        raw = shlex.split(line, posix=False)
        cooked = shlex.split(line, posix=True)
    except ValueError as exc:
        raise UsageError(f"%s3: {exc} in {visible(line, 100)!r}") from None
    found: list[Any] = []
    quoted = {word[1:-1] for word in raw if word[:1] in "'\"" and word[-1:] == word[:1]}
    for word in cooked:
        name = _NAME.match(word)
        if name is None or word in quoted:
            found.append(word)
        elif name[1] in scope:
            found.append(scope[name[1]])
        else:
            raise UsageError(f"%s3: name {name[1]!r} is not defined")
    return found


@magics_class
class S3Magics(Magics):
    """The magic ``%s3``."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._names: Mapping[str, Any] = shell.user_ns
        self.clients = commands.Clients()

    @no_var_expand
    @needs_local_scope
    @output_can_be_silenced
    @line_magic
    def s3(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Work with S3: ``%s3 help`` lists the verbs, ``%s3 get -h`` explains one."""
        scope = {**self._names, **(local_ns or {})}
        try:
            command = commands.parse(words(line, scope))
            result = commands.run(command, self.clients.client(command))
        except commands.HelpAsked as exc:
            print(exc)
            return None
        except commands.UsageError as exc:
            raise UsageError(str(exc)) from None
        except S3Error as exc:
            raise exc.with_traceback(None) from None
        if command.verb == "cat":
            print(visible_lines(result), end="")
            return None
        return result


def visible_lines(text: str) -> str:
    """Return text whose lines stay lines, and whose other control characters are made visible."""
    return "".join(visible(piece) if piece not in "\n\t" else piece for piece in re.split(r"([\n\t])", text))


def load(shell: InteractiveShell) -> None:
    """Register the magic; a second time changes nothing."""
    if "s3" in shell.magics_manager.magics["line"]:
        return
    shell.register_magics(S3Magics(shell))


def unload(shell: InteractiveShell) -> None:
    """Take the magic back, and close its clients."""
    magic = shell.magics_manager.magics["line"].pop("s3", None)
    shell.magics_manager.registry.pop("S3Magics", None)
    bars.use(None)
    if magic is not None:
        magic.__self__.clients.close()
