"""The command line: ``python -m s3nb VERB ...``, ``s3nb VERB ...``.

Exit status: 0 done; 1 S3 or the disk said no, nothing was done; 2 not a command, or a question that nobody could answer; 3 some
of several objects failed, the others are done; 130 interrupted; 141 whoever read the output has left.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any

from s3nb import commands, plain
from s3nb.client import PutResult
from s3nb.commands import settings
from s3nb.commands.contents import Contents, Piece
from s3nb.commands.hints import hint, told
from s3nb.commands.near import explain
from s3nb.commands.results import as_json
from s3nb.commands.shells import answers
from s3nb.errors import BucketNotFound, BulkError, ObjectNotFound, S3Error
from s3nb.model import Results, S3Object
from s3nb.text import plural, size_text, visible, visible_lines

DONE, FAILED, USAGE, PARTLY, INTERRUPTED, READER_LEFT = 0, 1, 2, 3, 130, 141


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    words = [_typed(word) for word in (sys.argv[1:] if words is None else words)]
    _standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the locale has no characters for is written as escapes
            stream.reconfigure(errors="backslashreplace")
    asked = sys.stdin.isatty() and sys.stderr.isatty()
    session = commands.Session("s3nb", ask=_ask if asked else None, lazy=True)
    debug = "--debug" in words
    try:
        try:
            status = _run(words, session)
        finally:
            session.close()
        sys.stdout.flush()
    except commands.HelpAsked as exc:
        print(exc)
    except commands.UsageError as exc:
        print(exc, file=sys.stderr)
        return USAGE
    except commands.Declined as exc:
        print(f"s3nb: {exc}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        _no_output()
        return READER_LEFT
    except (S3Error, OSError) as exc:
        if not isinstance(exc, S3Error):
            _no_output()
        if debug:
            traceback.print_exc()
        advice = hint(exc, "s3nb")
        print(
            f"s3nb: {_told(exc, verbose='--verbose' in words or '-v' in words)}",
            *map(visible_lines, getattr(exc, "__notes__", ())),
            *([advice] if advice else []),
            sep="\n  ",
            file=sys.stderr,
        )
        return PARTLY if isinstance(exc, BulkError) and exc.ok else FAILED
    except KeyboardInterrupt as exc:
        done = getattr(exc, "s3nb_partial", None)
        print(
            "s3nb: interrupted" + ("" if done is None else f", {plural(len(done.ok), 'object')} done"), file=sys.stderr
        )
        return INTERRUPTED
    else:
        return status
    return DONE


def _standard_streams() -> None:
    """Open the streams that this was started without: nothing comes in, errors go nowhere, and writing to the output fails."""
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:  # `>&-` in a shell
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def _no_output() -> None:
    """Let what is still buffered go nowhere, where it does not raise again on the way out."""
    with suppress(OSError):  # of a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: Exception, *, verbose: bool) -> str:
    if isinstance(error, S3Error) or not isinstance(error, OSError) or not error.strerror:
        return told(error, verbose=verbose)
    where = "what was to be shown cannot be written" if error.filename is None else visible(os.fsdecode(error.filename))
    return f"{where}: {error.strerror}"


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _run(words: Sequence[str], session: commands.Session) -> int:
    if words[:1] == ["__complete"]:  # asked by the script of `s3nb completion`: shell, line, characters that end words
        print(*answers(words[1], words[2], "".join(words[3:]), commands.VERBS, session), sep="\n")
        return DONE
    if words[:1] == ["--version"]:
        from s3nb import __version__

        print(f"s3nb {__version__}")
        return DONE
    command = _with_input(commands.parse(words, "s3nb"))
    session.take(settings.read())
    try:
        _show(commands.run(command, session), command.json)
    except BulkError as exc:
        explain(exc, session, command)
        if command.json:
            _show(exc.results, True)
        elif exc.ok:
            _show(Results(exc.ok), False)  # the failures are named on the other stream
        raise
    except (ObjectNotFound, BucketNotFound) as exc:
        explain(exc, session, command)
        raise
    return DONE


def _with_input(command: commands.Command) -> commands.Command:
    """Read standard input where the line names it as ``-``."""
    name = {"keys": "keys", "pairs": "sources"}.get(command.verb.body, "")
    given = command.arguments.get(name, ())
    if not name or "-" not in given:
        return command
    rest = {**command.arguments, name: tuple(word for word in given if word != "-")}
    return dataclasses.replace(command, arguments=rest, body=_input())


def _typed(word: str) -> str:
    """Return a word as it was typed, in UTF-8 as keys are, in a locale that knows no such characters too."""
    try:
        word.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(word).decode()
        except UnicodeError:
            return word  # the name of a file may be any bytes
    return word


def _input() -> str:
    """Return standard input, which is UTF-8 whatever the locale says."""
    buffer = getattr(sys.stdin, "buffer", None)
    if buffer is None:
        return sys.stdin.read()
    try:
        return str(buffer.read().decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise commands.UsageError(
            f"s3nb: standard input is no UTF-8: byte {exc.start:,} is {exc.object[exc.start]:#04x}"
        ) from None


def _show(result: Any, as_lines: bool) -> None:
    if isinstance(result, Contents) and result.pieces is not None:
        _contents(result.pieces)
    elif as_lines:
        for line in as_json(result):
            print(json.dumps(line, ensure_ascii=True, default=str))
    elif result is None:
        return
    elif isinstance(result, S3Object):
        print(plain.facts(result))
        if result.downloaded:
            print(f"saved as {visible(result.path or '')}")
    elif isinstance(result, Results):
        print(plain.table(result))
    elif isinstance(result, PutResult):
        print(result)
        if result.skipped:
            print(f"s3nb: {visible(result)} was there already: left alone", file=sys.stderr)
    elif isinstance(result, Iterator):
        _table(result)
    else:
        print(result)


def _contents(pieces: Generator[Piece, None, None]) -> None:
    """Print objects: to a terminal what people can read, as it obeys what is in the bytes of others; to a pipe the bytes."""
    with closing(pieces):  # a bar ends before an error is told
        if sys.stdout.isatty():
            for piece in pieces:
                print(visible_lines(piece.shown()), end="", flush=True)
            return
        sys.stdout.flush()
        out = sys.stdout.buffer
        for piece in pieces:
            for chunk in piece.chunks():
                rest = memoryview(chunk)
                while rest:  # unbuffered (PYTHONUNBUFFERED), a write to a pipe may take less than all
                    rest = rest[out.write(rest) :]
        out.flush()


def _table(found: Iterable[S3Object]) -> None:
    """Print a listing as it comes, and a line that sums it up."""
    objects = prefixes = size = 0
    for item in found:
        row = plain.row(item)
        print(f"{row.state or size_text(row.size):>10}  {plain.moment(row.modified):<19}  {visible(row.name)}")
        if item.exists:
            objects += 1
            size += item.size or 0
        else:
            prefixes += 1
    words = [plural(objects, "object")]
    if prefixes:
        words.append(f"{prefixes:,} prefix" + ("" if prefixes == 1 else "es"))
    if size:
        words.append(size_text(size))
    print(", ".join(words))
