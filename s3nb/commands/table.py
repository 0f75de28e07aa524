"""The table of verbs, and what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from s3nb.commands import deleting, here, looking, moving, parser, reading, writing
from s3nb.commands.parser import Command, Verb
from s3nb.commands.session import Here, Session

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (*looking.VERBS, *reading.VERBS, *writing.VERBS, *moving.VERBS, *deleting.VERBS, *here.VERBS)
}


def parse(words: Sequence[Any], program: str = "%s3", body: str | None = None) -> Command:
    """Read the words of a line.

    Parameters
    ----------
    words : sequence
        Words; also Python objects that stand for themselves. A list among keys stands for all its items.
    program : str
        What the line began with; one that begins with ``%`` is a notebook's.
    body : str, optional
        The body of a cell.

    Raises
    ------
    UsageError
        Naming the token and what was expected.
    HelpAsked
        With the text.
    """
    return parser.parse(words, VERBS, program, body)


def usage(program: str = "%s3") -> str:
    """Return the overview of all verbs."""
    return parser.usage(VERBS, program)


def run(command: Command, session: Session) -> Any:
    """Do what a command says, and return what the client returns.

    Raises
    ------
    UsageError
        Words that do not go together, or a question that nobody can answer.
    Declined
        The question was answered with no.
    S3Error
        As the client raises them.
    """
    return command.verb.run(Here(session, command), **command.arguments)
