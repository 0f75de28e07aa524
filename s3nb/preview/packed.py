"""What is compressed: gzip, bzip2, xz and Zstandard, unpacked as far as the first bytes and the limits go."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from typing import Any, NamedTuple

from s3nb.preview.model import KIB, TooMuch, Window

_ENOUGH = 256 * KIB  # nothing that is shown needs more
_STEP = 16 * KIB
_BLOCK = 512 * KIB  # that are fetched when the first block needs them
_MEMORY = 64 * 1024 * KIB  # that an xz stream may ask for
_WINDOW = 23  # two to the power of it: bytes that a Zstandard stream may look back

NAMES = {
    "gzip": ("gz", "tgz"),
    "bzip2": ("bz2", "tbz2"),
    "xz": ("xz", "txz", "lzma"),
    "Zstandard": ("zst", "tzst", "zstd"),
}


class Unpacked(NamedTuple):
    """The first bytes of what was packed, whether they are all, and what is to be said of it."""

    data: bytes
    complete: bool
    notes: tuple[str, ...]


def _allowed(window: Window) -> int:
    """Return how many bytes may come out of a head: of a small one a little, however well it is packed."""
    return max(window.limits.ratio * len(window.head), 64 * KIB)


def packing(head: bytes) -> str:
    """Return the name of the compression, by the first bytes; empty if there is none."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gzip"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bzip2"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return "Zstandard"
    return ""


def unpack(window: Window, kind: str) -> Unpacked:
    """Unpack the head, until there is enough to show or a limit is met. Never more memory than that.

    Raises
    ------
    TooMuch
        It asks for more memory than a preview has; or the library for it is not installed.
    ValueError
        It is not what it says.
    """
    limits = window.limits
    out = _Out(min(_ENOUGH, limits.unpacked), min(_allowed(window), limits.unpacked))
    ended = False
    try:
        ended = _stepwise(window, kind, out)
    except TooMuch:
        raise
    except Exception as exc:  # each library has its own
        if not out.kept:
            raise ValueError(f"broken {kind}: {exc}") from exc
        return Unpacked(bytes(out.kept), False, (f"broken {kind} behind what is shown",))
    if not out.kept and not ended:
        if window.layer == 0 and window.longer(_BLOCK):  # bzip2 and Zstandard give nothing before a block is whole
            return unpack(window, kind)
        raise TooMuch("its first block is longer than what was fetched")
    notes = []
    if out.total > len(out.kept):
        notes.append(f"the first {len(out.kept) // KIB} KiB of what is unpacked")
    if out.total > _allowed(window):
        notes.append(f"unpacks to more than {limits.ratio} times its size")
    return Unpacked(bytes(out.kept), ended and out.total == len(out.kept), tuple(notes))


class _Out:
    """Takes what is unpacked: keeps the beginning, and counts on until there is no doubt of what it is."""

    def __init__(self, most: int, counted: int) -> None:
        self.kept = bytearray()
        self.total = 0
        self._most = most
        self._counted = max(most, counted)

    def take(self, piece: bytes) -> bool:
        """Take a piece; say whether more is of interest."""
        self.kept += piece[: self._most - len(self.kept)]
        self.total += len(piece)
        return self.total <= self._counted


def _decompressor(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind == "xz":
        return lzma.LZMADecompressor(memlimit=_MEMORY)
    zstd = _zstandard()
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})


def _stepwise(window: Window, kind: str, out: _Out) -> bool:
    """Unpack into ``out``; say whether all of the object's bytes were used and their streams ended."""
    data: bytes = window.head
    while data:
        state = _decompressor(kind)
        while True:
            window.tick()
            piece = state.decompress(data, _STEP)
            if not out.take(piece):
                return False
            if state.eof:
                data = state.unused_data
                break
            data = getattr(state, "unconsumed_tail", b"")
            if not piece and not data:
                return False  # the head ends within the stream
    return window.complete


def _zstandard() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise TooMuch("to see into Zstandard, install backports.zstd (the extra s3nb[preview])")


def inner_name(name: str, kind: str) -> str:
    """Return the name of what is inside: ``a.csv`` of ``a.csv.gz``, ``a.tar`` of ``a.tgz``."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix.lower() not in NAMES[kind]:
        return name
    return f"{stem}.tar" if suffix.lower().startswith("t") else stem
