"""The text layer: `io.TextIOWrapper`, with the abort of the file below it, and bytes where code has always written them."""

from __future__ import annotations

import io
import warnings
from typing import Any, cast

from s3nb.files.writer import Abortable

_CHUNK = 32 * 1024  # bytes decoded at once; the default of 8 KiB costs four times as many calls


class BytesInTextModeWarning(UserWarning):
    """Bytes were written to a file opened as text: they went through unchanged. Mode ``"wb"`` says what is meant."""


class S3TextFile(io.TextIOWrapper):
    """A text file in S3. Made by `s3nb.open`; as builtin's, but that a failed ``with`` block writes nothing.

    Attributes
    ----------
    mode : str
        The text mode; ``buffer.mode`` is the binary one.
    """

    _finalizing = False  # CPython sets it before the close() of a finaliser

    def __init__(
        self, buffer: Any, encoding: str, errors: str | None, newline: str | None, line: bool, mode: str, lenient: bool
    ) -> None:
        # Asked now, and only now: CPython writes a byte order mark only where it could look whether this is the beginning.
        pretend = isinstance(buffer, Abortable) and not buffer.seekable()
        if pretend:
            buffer.pretend_seekable = True
        try:
            super().__init__(buffer, encoding, errors, newline, line)
        finally:
            if pretend:
                buffer.pretend_seekable = False
        self.mode = mode  # type: ignore[misc]  # builtin sets it as well
        self._lenient = lenient
        self._writes = isinstance(buffer, Abortable)
        self._CHUNK_SIZE = _CHUNK
        self._seeks = buffer.seekable()

    def __repr__(self) -> str:
        return f"<S3TextFile mode={self.mode!r} encoding={self.encoding!r} {self.buffer!r}>"

    def write(self, text: Any, /) -> int:
        """Write a str. Bytes go through unchanged, with one `BytesInTextModeWarning`, if the mode was a bare ``w``."""
        if isinstance(text, str) or not self._lenient or not isinstance(text, (bytes, bytearray, memoryview)):
            return super().write(text)
        if self._lenient is True:
            self._lenient = cast(bool, 1)  # once for each file
            warnings.warn(
                f"bytes written to {self.name!r}, opened as text with mode {self.mode!r}: open it with {self.mode + 'b'!r}",
                BytesInTextModeWarning,
                stacklevel=2,
            )
        self.flush()
        return int(cast(Any, self.buffer).write(text))

    def tell(self) -> int:
        """Return an opaque number for `seek`; of a file that only writes, its size in bytes."""
        if self._writes and not self._seeks:
            self.flush()
            return int(cast(Any, self.buffer).tell())
        return super().tell()

    @property
    def etag(self) -> str | None:
        """The ETag of what is read, or was written."""
        found: str | None = getattr(self.buffer, "etag", None)
        return found

    @property
    def version_id(self) -> str | None:
        """The version of what is read, or was written."""
        found: str | None = getattr(self.buffer, "version_id", None)
        return found

    def stats(self) -> Any:
        """Return what reading has cost so far."""
        return self.buffer.stats()  # type: ignore[attr-defined]

    def commit(self) -> None:
        """Make the object of what was written, and close."""
        self.flush()
        self.buffer.commit()  # type: ignore[attr-defined]

    def abort(self, error: BaseException | None = None) -> None:
        """Close without making the object: what was there stays."""
        if self._writes:
            cast(Abortable, self.buffer).abort(error)  # what this layer holds back finds its file closed
        self.close()

    def close(self) -> None:
        """Make the object of what was written. May be called twice."""
        if self._finalizing and self._writes:
            buffer = cast(Abortable, self.buffer)
            if not buffer.closed:
                buffer._forgotten()
        super().close()

    def __exit__(self, kind: Any, error: Any, _: Any) -> None:
        if self._writes and kind is not None and cast(Abortable, self.buffer)._on_error != "commit":
            self.abort(error)
        else:
            self.close()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")
