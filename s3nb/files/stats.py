"""What reading a file has cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """What reading a file has cost so far.

    Attributes
    ----------
    requests : int
        GETs that were sent, those sent again included.
    received : int
        Bytes that came.
    served : int
        Bytes that the reader was given.
    wasted : int
        Bytes that came, were dropped, and were neither given to the reader nor lay between bytes that were.
    hits, misses : int
        Reads that found all in memory, and others.
    stalls : int
        Reads that waited for bytes that had been asked for ahead.
    resumed, hedged : int
        GETs that went on after a broken connection; that were sent beside one which did not begin.
    window : int
        Bytes kept ahead of the position now.
    held : int
        Bytes in memory, or on their way there.
    jumps : int
        Reads that did not go on where the last one had ended.
    """

    requests: int = 0
    received: int = 0
    served: int = 0
    wasted: int = 0
    hits: int = 0
    misses: int = 0
    stalls: int = 0
    resumed: int = 0
    hedged: int = 0
    window: int = 0
    held: int = 0
    jumps: int = 0
