"""Is a file being closed because a ``with`` block above it is left by an exception? Its `close` is not told; the stack shows.

A layer that others have put on top (`io.TextIOWrapper`, pandas, pyarrow, ``fsspec.open``) closes its file, in its own
``__exit__``, alike after success and after a failure. While a ``with`` statement is left by an exception, the frame that it
stands in is at the instruction WITH_EXCEPT_START; in an ``except`` or a ``finally`` it is not. So the answer is yes only if

- an exception is being handled in this thread, and another one (or none) was when the file was opened, and
- the ``close`` comes from such a frame, with nothing in between but layers that have no reason to keep a half: those written in C,
  and those of the packages below. Somebody's own ``__exit__`` may mean to keep what was written, and does.

Where there is no such instruction the answer is no, and a half is kept, as every other library does.
"""

from __future__ import annotations

import dis
import sys
from types import FrameType

_LEAVES = dis.opmap.get("WITH_EXCEPT_START", -1)
_LAYERS = frozenset({"codecs", "contextlib", "fsspec", "pandas", "pyarrow", "s3nb"})  # by their top-level package


def handled() -> int:
    """Return what tells the exception that is being handled now from others, and keeps nothing of it alive; 0 for none."""
    error = sys.exc_info()[1]
    return 0 if error is None else id(error)


def failure_that_closes(before: int) -> BaseException | None:
    """Return the exception by which a ``with`` block of a layer above is being left, if that is why a file is closed now.

    Parameters
    ----------
    before : int
        What `handled` returned when the file was opened.
    """
    error = sys.exc_info()[1]
    if error is None or id(error) == before:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _LEAVES:
            return error
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] not in _LAYERS:
            return None
        frame = frame.f_back
    return None
