"""What may have been meant by a name that is not there: a prefix of that name, or the one that is spelled nearly so.

Asked only when something was not found: one or two requests more, and whatever goes wrong with them is nobody's concern.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable

from s3nb.client import S3
from s3nb.commands.lines import quoted
from s3nb.commands.parser import Command, in_shell
from s3nb.commands.session import Session
from s3nb.errors import BucketNotFound, BulkError, ObjectNotFound, S3Error
from s3nb.text import visible

_NAMED = 3  # of what is below a prefix
_LIKE = 0.75  # how alike two names are that one may have been mistyped for the other
_BELOW = {
    "get": "get_recursive", "get_many": "get_recursive", "cp": "cp -r", "mv": "mv -r", "rm": "rm -r",
}  # fmt: skip  # what does to all below a prefix what a verb does to one object


def explain(error: BaseException, session: Session, command: Command | None) -> None:
    """Add to an error that names what is not there a note of what may have been meant. Raises nothing."""
    one = _only(error)
    if command is None or one is None or getattr(error, "__notes__", None):
        return
    try:
        notes = _notes(one, session, command)
    except (S3Error, ValueError):
        return  # who may not list has no neighbours to be told of
    for note in notes:
        error.add_note(note)


def _only(error: BaseException) -> ObjectNotFound | BucketNotFound | None:
    if isinstance(error, BulkError):
        if len(error.failed) != 1:
            return None
        error = error.failed[0]
    return error if isinstance(error, (ObjectNotFound, BucketNotFound)) else None


def _notes(error: ObjectNotFound | BucketNotFound, session: Session, command: Command) -> list[str]:
    s3 = session.client(command.client, quiet=True)
    if isinstance(error, BucketNotFound):
        names = [name for name, _ in s3.buckets()]
        return _did_you_mean((f"s3://{name}" for name in _alike(error.bucket, names)), session)
    if not error.key or error.code == "NoSuchVersion":
        return []
    prefix = f"s3://{error.bucket}/{error.key.rstrip('/')}/"
    inside, more = below(s3, prefix, _NAMED)
    if inside:
        held = ", ".join(visible(name, 40) for name in inside) + (", ..." if more else "")
        verb = _BELOW.get(command.verb.name, "ls")
        said = "that is a prefix with objects" if error.key.endswith("/") else "a prefix of that name has objects"
        return [f"{said}: {held}", f"did you mean {session.program} {verb} {_word(prefix, session)} ?"]
    folder, _, name = error.key.rpartition("/")
    base = f"s3://{error.bucket}/{folder}/" if folder else f"s3://{error.bucket}/"
    found, _ = s3.first(base, limit=1000)
    names = [item.url[len(base) :].rstrip("/") for item in found]
    return _did_you_mean((base + like for like in _alike(name, names)), session)


def below(s3: S3, prefix: str, count: int) -> tuple[list[str], bool]:
    """Return the first names below a prefix, one level, and whether there are more. One request."""
    found, more = s3.first(prefix, limit=count + 2)
    names = [item.url[len(prefix) :] for item in found if item.url != prefix]
    return names[:count], more or len(names) > count


def _alike(name: str, names: Iterable[str]) -> list[str]:
    folded = {other.lower(): other for other in names}
    return [folded[like] for like in difflib.get_close_matches(name.lower(), folded, 1, _LIKE)]


def _did_you_mean(urls: Iterable[str], session: Session) -> list[str]:
    return [f"did you mean {_word(url, session)} ?" for url in urls]


def _word(url: str, session: Session) -> str:
    """Return a URL as it is typed."""
    if not url.isprintable():
        return visible(url, 200)
    return shlex.quote(url) if in_shell(session.program) else quoted(url)
