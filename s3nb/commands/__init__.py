"""The verbs of ``%s3`` and of ``python -m s3nb``: words -> a frozen `Command` -> a result.

`words` and `parse` touch neither S3 nor a file; `run` hands the command to a client and returns what the client
returns. Who shows the result, and how, is somebody else's business.
"""

from __future__ import annotations

from s3nb.commands.lines import UsageError, Word, words
from s3nb.commands.parser import Command, HelpAsked, Verb
from s3nb.commands.session import Declined, Session
from s3nb.commands.table import VERBS, parse, run, usage

__all__ = [
    "VERBS",
    "Command",
    "Declined",
    "HelpAsked",
    "Session",
    "UsageError",
    "Verb",
    "Word",
    "parse",
    "run",
    "usage",
    "words",
]
