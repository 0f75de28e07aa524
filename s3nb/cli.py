"""The command line: ``python -m s3nb VERB ...``, ``s3nb VERB ...``.

Exit status: 0 done; 1 S3 or the disk said no; 2 not a command; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from s3nb import commands, plain
from s3nb.errors import BulkError, S3Error
from s3nb.model import S3Object
from s3nb.sync import Synced


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    words = sys.argv[1:] if words is None else list(words)
    clients = commands.Clients()
    try:
        try:
            command = commands.parse(words, "s3nb")
            if command.verb in ("get", "get_many") and command.arguments["to"] is None:
                # what is fetched to a temporary file would be gone with the process
                command = commands.Command(
                    command.verb, {**command.arguments, "to": "."}, command.client, command.quiet
                )
            if command.verb == "cat":
                _cat(command, clients)
            else:
                _show(commands.run(command, clients.client(command)), whole=command.verb == "ls")
        except BulkError as exc:
            _show(exc.ok)  # the failures are named on the other stream
            raise
        sys.stdout.flush()
    except commands.HelpAsked as exc:
        print(exc)
    except commands.UsageError as exc:
        print(exc, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # whoever read us has seen enough; what is still buffered must not raise again on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (S3Error, OSError) as exc:
        print(f"s3nb: {exc}", *getattr(exc, "__notes__", ()), sep="\n  ", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("s3nb: interrupted", file=sys.stderr)
        return 130
    finally:
        clients.close()
    return 0


def _cat(command: commands.Command, clients: commands.Clients) -> None:
    out = sys.stdout.buffer
    for found in clients.client(command).iter_get(command.arguments["keys"]):
        out.write(found.blob or b"")
    out.flush()


def _show(result: Any, whole: bool = False) -> None:
    if isinstance(result, Synced):
        print(result)
    elif isinstance(result, S3Object):
        print(plain.facts(result))
        if result.downloaded:
            print(f"saved as {result.path}")
    else:
        print(plain.table(result, sys.maxsize) if whole else plain.table(result))
