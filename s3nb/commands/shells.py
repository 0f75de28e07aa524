"""Completion in a shell: the script that a shell is given, and the answers to its questions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from s3nb.commands.complete import Candidate, Completer, typed
from s3nb.commands.parser import Verb
from s3nb.commands.session import Session

_BUDGET = 5.0  # seconds that S3 may take to answer: a process that has just begun knows nothing yet

_SCRIPTS = {
    "bash": """\
# eval "$(s3nb completion bash)"   in ~/.bashrc
_s3nb() {
    local IFS=$'\\n'
    COMPREPLY=($(s3nb __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null))
}
complete -o nospace -o nosort -F _s3nb s3nb 2>/dev/null || complete -o nospace -F _s3nb s3nb
""",
    "zsh": """\
# eval "$(s3nb completion zsh)"   in ~/.zshrc, behind compinit
_s3nb() {
    local -a found
    found=("${(@f)$(s3nb __complete zsh "${BUFFER[1,CURSOR]}" 2>/dev/null)}")
    [[ -n "$found" ]] && compadd -Q -U -V s3nb -S '' -- "${found[@]}"
}
compdef _s3nb s3nb
""",
    "fish": """\
# s3nb completion fish | source   in ~/.config/fish/config.fish
complete -c s3nb -f -k -a '(s3nb __complete fish (commandline -cp) 2>/dev/null)'
""",
}


def script(shell: str) -> str:
    """Return what makes a shell ask s3nb."""
    return _SCRIPTS[shell].rstrip("\n")


def answers(shell: str, line: str, breaks: str, verbs: Mapping[str, Verb], session: Session) -> list[str]:
    """Return what may stand in place of the last word of a line, as the shell wants it written.

    Parameters
    ----------
    line : str
        Up to the cursor, with the name of the program.
    breaks : str
        Characters at which bash, other than everybody else, begins another word.
    """
    now = typed(line, raw=True)
    if now is None or not now.before:
        return []
    completer = Completer(session, verbs)
    completer.budget = _BUDGET
    found = completer.candidates(now.before[1:], now.word)
    if shell == "fish":  # quotes by itself, and shows what is behind the tab
        return [f"{c.text}\t{c.kind}" for c in found]
    cut = 0
    if shell == "bash" and not now.quote:
        raw = line[now.start :]
        cut = max((raw.rfind(c) + 1 for c in breaks if c in ":="), default=0)
    return [_written(c, now.quote)[cut:] for c in found]


def _written(candidate: Candidate, quote: str) -> str:
    end = "" if candidate.more else f"{quote} "
    if quote:
        inner = candidate.text.replace("'", "'\\''") if quote == "'" else re.sub(r'(["\\$`])', r"\\\1", candidate.text)
        return inner + end
    return re.sub(r"""([\s'"\\$`*?\[\](){}<>|&;!#~])""", r"\\\1", candidate.text) + end
