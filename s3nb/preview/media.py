"""Pictures, sounds, videos, PDF: what their bytes say of them. All but MP3 are recognised by magic bytes alone."""

from __future__ import annotations

import re
import struct

from s3nb.preview.model import KIB, Content, Picture, Window
from s3nb.text import time_text

_MIMES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WebP": "image/webp"}


def picture_kind(head: bytes) -> str:
    """Return ``"PNG"``, ``"JPEG"``, ``"GIF"`` or ``"WebP"``; empty for everything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    return ""


def of_picture(window: Window) -> Content:
    """Return a picture with its facts; the picture itself only if it is small in bytes and in pixels."""
    limits = window.limits
    kind = picture_kind(window.head)
    size = {"PNG": _png, "JPEG": _jpeg, "GIF": _gif, "WebP": _webp}[kind](window.head)
    if size is None:
        return Content(f"{kind} image", notes=("its size is not in its beginning: not shown",))
    width, height = size
    facts = (("pixels", f"{width:,} × {height:,}"),)
    if not width or not height or width * height > limits.pixels:
        return Content(
            f"{kind} image",
            (),
            facts,
            (f"too big: more than {limits.pixels // 1_000_000} million pixels are not shown",),
        )
    window.whole()
    if not window.complete:
        return Content(
            f"{kind} image", (), facts, (f"too big: more than {limits.fetched // KIB:,} KiB are not fetched",)
        )
    return Content(f"{kind} image", (Picture(window.head, _MIMES[kind], width, height),), facts)


def _png(head: bytes) -> tuple[int, int] | None:
    if head[12:16] != b"IHDR" or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _gif(head: bytes) -> tuple[int, int] | None:
    if len(head) < 10:
        return None
    width, height = struct.unpack("<HH", head[6:10])
    return width, height


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in (0x01, *range(0xD0, 0xD9)):
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + max(int.from_bytes(head[at + 2 : at + 4], "big"), 2)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(head) >= 30:
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


# -- sounds ---------------------------------------------------------------------------------------


def of_sound(window: Window) -> Content | None:
    """Return the facts of WAV, FLAC, MP3 or Ogg; None for everything else."""
    head = window.head
    facts: list[tuple[str, str]] | None = None
    kind = ""
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        kind, facts = "WAV audio", _wav(head)
    elif head.startswith(b"fLaC") and len(head) >= 42:
        kind, facts = "FLAC audio", _flac(head)
    elif head.startswith(b"OggS"):
        kind, facts = "Ogg", _ogg(head)
    elif head.startswith(b"ID3") or (window.suffix == "mp3" and head[:1] == b"\xff"):
        kind, facts = "MP3 audio", _mp3(window)
    return None if facts is None else Content(kind, facts=tuple(facts), notes=("sounds are not played here",))


def _sound(channels: int, rate: int, bits: int, seconds: float | None) -> list[tuple[str, str]]:
    facts = [("channels", str(channels)), ("sample rate", f"{rate:,} Hz")]
    if bits:
        facts.append(("bits", str(bits)))
    if seconds is not None:
        facts.append(("duration", time_text(seconds)))
    return facts


def _wav(head: bytes) -> list[tuple[str, str]]:
    at, found, seconds = 12, (0, 0, 0, 0), None
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 24 <= len(head):
            _, channels, rate, a_second, _, bits = struct.unpack("<HHIIHH", head[at + 8 : at + 24])
            found = (channels, rate, bits, a_second)
        elif name == b"data":
            seconds = size / found[3] if found[3] else None
            break
        at += 8 + size + (size & 1)
    return _sound(*found[:3], seconds)


def _flac(head: bytes) -> list[tuple[str, str]]:
    bits = int.from_bytes(head[18:26], "big")
    rate, channels, depth, samples = bits >> 44, (bits >> 41 & 7) + 1, (bits >> 36 & 31) + 1, bits & (1 << 36) - 1
    return _sound(channels, rate, depth, samples / rate if rate and samples else None)


def _ogg(head: bytes) -> list[tuple[str, str]]:
    body = head[27 + head[26] :] if len(head) > 27 else b""
    if body.startswith(b"\x01vorbis") and len(body) >= 16:
        return [("codec", "Vorbis"), *_sound(body[11], int.from_bytes(body[12:16], "little"), 0, None)]
    if body.startswith(b"OpusHead") and len(body) >= 16:
        return [("codec", "Opus"), *_sound(body[9], int.from_bytes(body[12:16], "little"), 0, None)]
    return [("codec", "not known here")]


_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)  # kbit/s of MPEG-1 layer III
_HERTZ = (44100, 48000, 32000, 0)


def _mp3(window: Window) -> list[tuple[str, str]] | None:
    head, start = window.head, 0
    if head.startswith(b"ID3") and len(head) >= 10:
        start = 10 + sum(byte << 7 * (3 - n) for n, byte in enumerate(head[6:10]))
    frame = head[start : start + 4]
    if len(frame) < 4:
        return [("tag", "ID3, longer than what was fetched")] if start else None
    if frame[0] != 0xFF or frame[1] & 0xFE != 0xFA:  # MPEG-1 layer III only
        return [("tag", "ID3")] if start else None
    kbit, hertz = _RATES[frame[2] >> 4], _HERTZ[frame[2] >> 2 & 3]
    if not kbit or not hertz:
        return None
    seconds = (window.size - start) / (kbit * 125) if window.size else None
    channels = 1 if frame[3] >> 6 == 3 else 2
    return [*_sound(channels, hertz, 0, None), ("bit rate", f"{kbit} kbit/s")] + (
        [("duration", f"about {time_text(seconds)}")] if seconds else []
    )


# -- what is neither shown nor played ------------------------------------------------------------------

_BRANDS = {  # https://mp4ra.org/registered-types/brands
    b"qt  ": "QuickTime video", b"M4A ": "MPEG-4 audio", b"M4B ": "MPEG-4 audio", b"avif": "AVIF image", b"avis": "AVIF image",
    b"heic": "HEIF image", b"heix": "HEIF image", b"mif1": "HEIF image", b"crx ": "Canon raw image",
}  # fmt: skip


def video_kind(head: bytes) -> str:
    """Return what a container is that is mostly one of video; empty for everything else."""
    if head[4:8] == b"ftyp" and len(head) >= 12:
        return _BRANDS.get(head[8:12], "MP4 video")
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "WebM video" if b"webm" in head[:64] else "Matroska video"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "AVI video"
    return ""


def of_video(window: Window) -> Content:
    """Return the kind of a container, and its brand if it has one."""
    head = window.head
    brand = head[8:12].decode("latin-1").strip() if head[4:8] == b"ftyp" else ""
    return Content(
        video_kind(head),
        facts=(("brand", brand),) if brand else (),
        notes=("not shown here: presign gives a URL that a browser or player takes",),
    )


def of_pdf(window: Window) -> Content:
    """Return the version of a PDF, and how many pages it has if that stands at its beginning or at its end in the clear."""
    version = re.match(rb"%PDF-(\d\.\d)", window.head)
    facts = [("version", version[1].decode())] if version else []
    seen = window.head
    if not window.complete and window.size is not None:
        seen += window.tail(min(64 * KIB, window.size))
    pages = [int(n) for n in re.findall(rb"/Count\s+(\d{1,7})", seen)] or [
        int(n) for n in re.findall(rb"/Linearized[^>]{0,200}/N\s+(\d{1,7})", seen)
    ]
    if pages:
        facts.append(("pages", f"{max(pages):,}"))
    return Content("PDF", facts=tuple(facts), notes=("its pages are not drawn here",))
