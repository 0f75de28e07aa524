"""Tab behind ``%s3``: the candidates of `s3nb.commands.complete` as IPython's completer wants them."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from s3nb.commands.complete import Candidate, Completer, typed
from s3nb.commands.lines import UsageError, quoted

# at the beginning of a line, or behind an assignment to anything
_LINE = re.compile(r"\s*(?:[^=%#'\"]+=\s*)?%{1,2}s3(?:\s(?P<rest>.*))\Z", re.S)


def matcher(completer: Completer, shell: InteractiveShell) -> Any:
    """Return the matcher that a shell's completer takes: lines of ``%s3`` are its own, others it leaves alone."""

    @context_matcher(identifier="s3nb", priority=200)  # type: ignore[untyped-decorator]
    def s3nb(context: CompletionContext) -> Any:
        line = _LINE.match(context.text_until_cursor)
        return _nothing() if line is None else _matched(completer, shell, line["rest"])

    return s3nb


def _nothing() -> dict[str, Any]:
    return {"completions": []}  # a new one each time: IPython writes into it


def _matched(completer: Completer, shell: InteractiveShell, rest: str) -> Any:
    try:
        now = typed(rest)
    except UsageError:
        return _nothing()
    if now is None:
        return _nothing()
    if now.value or now.word == "$":
        mine = (n for n in shell.user_ns if n.startswith(now.value) and not n.startswith("_"))
        names = sorted(n for n in mine if now.value or n not in shell.user_ns_hidden)
        found = [SimpleCompletion(f"${name}", type="instance") for name in names]
    else:
        found = [
            SimpleCompletion(_written(c, now.quote), type=c.kind) for c in completer.candidates(now.before, now.word)
        ]
    return {"completions": found, "matched_fragment": rest[now.start :], "suppress": True, "ordered": True}


def _written(candidate: Candidate, quote: str) -> str:
    return quoted(candidate.text, quote, closed=not candidate.more)
