"""From bytes to a preview: recognise by magic bytes, decode within limits, and when in doubt show the bytes themselves."""

from __future__ import annotations

from collections.abc import Callable

from s3nb.preview import archives, columnar, media, packed, words
from s3nb.preview.model import Content, Text, TooMuch, Window
from s3nb.text import visible

_DUMPED = 256  # bytes
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "PDF"), (b"SQLite format 3\0", "SQLite database"), (b"\x89HDF\r\n\x1a\n", "HDF5"), (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"), (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"), (b"Rar!\x1a\x07", "RAR archive"), (b"\x7fELF", "ELF program"),
    (b"BM", "bitmap image"), (b"II*\0", "TIFF image"), (b"MM\0*", "TIFF image"), (b"\0\0\0\x0cjP  ", "JPEG 2000 image"),
    (b"CDF\x01", "netCDF"), (b"CDF\x02", "netCDF"), (b"GRIB", "GRIB"), (b"\x04\x22\x4d\x18", "LZ4"), (b"wOFF", "font"),
    (b"\xca\xfe\xba\xbe", "Java class or Mach-O program"), (b"\0asm", "WebAssembly"), (b"TFL3", "TensorFlow Lite model"),
)  # fmt: skip
_PICKLES = frozenset({"pkl", "pickle", "pt", "pth", "joblib"})


def decode(window: Window) -> Content:
    """Return what to show of an object. Never raises for what its bytes are; `S3Error` if more cannot be fetched."""
    if window.size == 0:
        return Content("empty")
    content = _decoded(window)
    if window.failed is not None:
        raise window.failed
    return content


def _decoded(window: Window) -> Content:
    try:
        kind = packed.packing(window.head)
        if kind:
            return _inside(window, kind)
        decoder = _decoder(window)
        found = decoder(window) if decoder is not None else None
        if found is None and decoder is None and not is_known(window.head):
            found = words.of_text(window)
        if found is not None:
            return found
        why = ""
    except TooMuch as exc:
        why = f"{exc}: these are its first bytes"
    except Exception as exc:  # whatever hostile bytes make a decoder do
        why = f"not what it seems to be ({visible(str(exc) or type(exc).__name__, 120)}): these are its first bytes"
    return Content(_label(window), (Text(hex_dump(window.head[:_DUMPED])),), (), _notes(window, why))


def _decoder(window: Window) -> Callable[[Window], Content | None] | None:
    head = window.head
    if media.picture_kind(head):
        return media.of_picture
    if media.video_kind(head):
        return media.of_video
    if head.startswith(b"%PDF-"):
        return media.of_pdf
    if head.startswith((b"RIFF", b"fLaC", b"OggS", b"ID3")) or (window.suffix == "mp3" and head[:1] == b"\xff"):
        return media.of_sound
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return archives.of_zip
    if archives.is_tar(head):
        return archives.of_tar
    if head.startswith(b"PAR1"):
        return columnar.of_parquet
    if head.startswith((b"ARROW1\0\0", b"\xff\xff\xff\xff")) and len(head) > 16:
        return columnar.of_arrow
    if head.startswith(b"\x93NUMPY") and len(head) > 12:
        return columnar.of_numpy
    return None


def is_known(head: bytes) -> bool:
    """Say whether bytes begin as those of a format do that text never begins as (zeros between them may look like UTF-16)."""
    return any(head.startswith(magic) and not magic.isalnum() for magic, _ in _MAGIC)


def _inside(window: Window, kind: str) -> Content:
    """Return a preview of what is compressed."""
    if window.layer >= window.limits.layers:
        dump = Text(hex_dump(window.head[:_DUMPED]))
        return Content(
            kind, (dump,), (), (f"packed more than {window.limits.layers} times over: not unpacked further",)
        )
    found = packed.unpack(window, kind)
    inner = Window(
        found.data,
        len(found.data) if found.complete else None,
        packed.inner_name(window.name, kind),
        "" if "zip" in window.content_type or "zst" in window.content_type else window.content_type,
        window.limits,
        layer=window.layer + 1,
    )
    content = decode(inner)
    # of a part of something compressed the rows are the first anyway: it need not be said twice
    return Content(f"{kind}, {content.kind} inside", content.blocks, content.facts, (*content.notes, *found.notes))


def _label(window: Window) -> str:
    if window.suffix in _PICKLES:
        return "pickle"
    kind = packed.packing(window.head)
    return kind or next((name for magic, name in _MAGIC if window.head.startswith(magic)), "binary")


def _notes(window: Window, why: str) -> tuple[str, ...]:
    if why:
        return (why,)
    if window.suffix in _PICKLES:
        return ("a pickle can run code, so it is not opened",)
    if window.head.startswith(b"\x89HDF"):
        return ("h5py.File(open(url)), with the open of s3nb, reads it where it is; these are its first bytes",)
    return (f"the first {min(_DUMPED, len(window.head))} bytes",)


def hex_dump(data: bytes) -> str:
    """Return bytes as lines of offset, hexadecimal and ASCII."""
    rows = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        text = "".join(chr(c) if 32 <= c < 127 else "." for c in row)
        rows.append(f"{at:08x}  {left:<23}  {right:<23}  |{text}|")
    return "\n".join(rows)
