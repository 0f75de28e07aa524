"""Data in columns: Parquet by its footer and first pages, Arrow by its schema and first batch, NumPy by its header."""

from __future__ import annotations

import ast
import importlib.util
import struct

from s3nb.preview import apart
from s3nb.preview.arrow import FOOTER
from s3nb.preview.model import KIB, Content, Text, Window
from s3nb.text import size_text

_INSTALL = "to see schema and rows, install pyarrow (the extra s3nb[preview])"
_TAIL = 32 * KIB


def of_parquet(window: Window) -> Content:
    """Return schema and first rows: the footer, then the first page of each column as far as there is leave."""
    end = window.tail(_TAIL)
    if end[-4:] not in (b"PAR1", b"PARE"):
        return Content("Parquet", notes=("cut off: it has no footer at its end",))
    footer = int.from_bytes(end[-8:-4], "little")
    facts = [("footer", size_text(footer))]
    if end[-4:] == b"PARE":
        return Content("Parquet", (), tuple(facts), ("its footer is encrypted",))
    if footer > min(FOOTER, (window.size or 0) - 12):
        return Content("Parquet", (), tuple(facts), (f"its footer is larger than {FOOTER // KIB} KiB: not read",))
    if footer + 8 > len(end):
        window.tail(footer + 8)
    if importlib.util.find_spec("pyarrow") is None:
        return Content("Parquet", (), tuple(facts), (_INSTALL,))
    found = apart.run("parquet", window)
    return Content(found.kind, found.blocks, (*found.facts, *facts), found.notes)


def of_arrow(window: Window) -> Content:
    """Return schema and first rows of what begins as an Arrow file or an Arrow stream."""
    if importlib.util.find_spec("pyarrow") is None:
        return Content("Arrow", notes=(_INSTALL,))
    return apart.run("arrow", window)


# -- NumPy ----------------------------------------------------------------------------------------

_FORMATS = {
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "b1": "?",
}


def of_numpy(window: Window) -> Content:
    """Return what the header of an ``.npy`` says, and the first values of plain numbers. Pickles stay shut."""
    head, limits = window.head, window.limits
    width = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    start = 8 + width + length
    if length > 10 * KIB or start > len(head):
        raise ValueError("its header is too long")
    header = ast.literal_eval(head[8 + width : start].decode("utf-8" if head[6] >= 3 else "latin-1").strip())
    dtype, shape, fortran = header["descr"], header["shape"], header["fortran_order"]
    facts = [
        ("type", str(dtype)),
        ("shape", " × ".join(f"{n:,}" for n in shape) or "scalar"),
        ("order", "Fortran" if fortran else "C"),
    ]
    if not isinstance(dtype, str) or "O" in dtype:
        notes = ("Python objects, pickled: a pickle can run code, so it is not opened",) if "O" in str(dtype) else ()
        return Content("NumPy array", (), tuple(facts), notes)
    code = _FORMATS.get(dtype[1:])
    if code is None:
        return Content("NumPy array", (), tuple(facts))
    order, size = (">" if dtype[0] == ">" else "<"), struct.calcsize("=" + code)
    across = min(shape[-1] if len(shape) > 1 and not fortran else 8, limits.columns) or 1
    step = shape[-1] if len(shape) > 1 and not fortran else across
    count = min((len(head) - start) // size, _product(shape))
    rows: list[str] = []
    for at in range(0, count, max(step, 1)):
        if len(rows) >= min(limits.rows, 10):
            break
        many = min(across, count - at)
        values = struct.unpack_from(f"{order}{many}{code}", head, start + at * size)
        rows.append(
            "  ".join(f"{v:.6g}" if isinstance(v, float) else str(v) for v in values) + (" …" if step > across else "")
        )
    return Content("NumPy array", (Text("\n".join(rows)),), tuple(facts), ("the first values",) if rows else ())


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for n in shape:
        found *= n
    return found
