"""Bytes of objects before people: text as it is, anything else as a short dump. A pipe gets the bytes untouched."""

from __future__ import annotations

import codecs
import re
from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

from s3nb.model import S3Object
from s3nb.text import size_text

_CHUNK = 1 << 20  # bytes
_LINES = 16  # of a dump, of sixteen bytes each
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SOME = 0.1  # share of control characters that a text may have: the output of a program with colours is one


class Piece(NamedTuple):
    """What a line wants of one object.

    Attributes
    ----------
    raw : bytes
        What a pipe gets.
    size : int
        Of the object.
    lines : int
        Of a dump, at most.
    head : bytes or None
        What is dumped if ``raw`` is no text; None: itself.
    item : S3Object or None
        Has the bytes, in place of ``raw``.
    """

    raw: bytes
    size: int
    lines: int = _LINES
    head: bytes | None = None
    item: S3Object | None = None

    def whole(self) -> bytes:
        """Return the bytes."""
        return self.raw if self.item is None else self.item.blob or b""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, not more than some at a time; an object lets go of them then."""
        if self.item is None or self.size <= _CHUNK:
            yield self.whole()
        else:
            with open(self.item.path or "", "rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        if self.item is not None:
            self.item.release()

    def shown(self) -> str:
        """Return what people see."""
        from s3nb.preview.decode import hex_dump  # here, as most lines need nothing of it

        raw = self.whole()
        text = readable(raw)
        if text is not None:
            return text
        dumped = (raw if self.head is None else self.head)[: 16 * self.lines]
        first = "" if len(dumped) >= self.size else f"the first {len(dumped):,} bytes of "
        return f"{hex_dump(dumped)}\n({first}{size_text(self.size)}, no text: preview says what it is)\n"


class Contents(str):
    """What is to be shown of objects: text, or a dump.

    Attributes
    ----------
    blob : bytes or None
        The bytes, where they are no text.
    pieces : generator of Piece or None
        Where they are asked for lazily: object by object.
    """

    blob: bytes | None = None
    pieces: Generator[Piece, None, None] | None = None


def contents(pieces: Iterable[Piece], *, lazy: bool) -> Contents:
    """Return what is to be shown of objects; lazily for a shell, which may be in front of a pipe."""
    if lazy:
        made = Contents()
        made.pieces = (piece for piece in pieces)
        return made
    kept = list(pieces)
    made = Contents("".join(piece.shown() for piece in kept))
    if any(readable(piece.whole()) is None for piece in kept):
        made.blob = b"".join(piece.whole() for piece in kept)
    return made


def readable(blob: bytes) -> str | None:
    """Return bytes as the text that they are; None if they are none. A cut through a character at the end is no matter."""
    from s3nb.preview.decode import is_known
    from s3nb.preview.model import Window
    from s3nb.preview.words import decoded

    if is_known(blob):
        return None
    found = decoded(Window(blob, None))
    if found is not None:
        return found[0]
    if b"\0" in blob or len(_CONTROL.findall(blob[:8192])) > max(len(blob[:8192]) * _SOME, 2):
        return None
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(blob)
    except UnicodeError:
        return None
