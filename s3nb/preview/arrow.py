"""Parquet and Arrow, by pyarrow. Runs in a process of its own (`s3nb.preview.apart`): C++ that meets hostile bytes may end it."""

from __future__ import annotations

import struct
from typing import Any

from s3nb.preview.model import KIB, Content, Grid, TooMuch, Window, WindowFile, grid
from s3nb.text import size_text

_PAGE = 2048 * KIB  # that a page may unpack to, however small it is packed: equal values are no bomb
FOOTER = 512 * KIB  # bytes of a footer that is read


def of_parquet(window: Window) -> Content:
    """Return schema and first rows; of each column the first page, as far as there is leave."""
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(
        WindowFile(window),
        pre_buffer=False,
        buffer_size=16 * KIB,
        thrift_string_size_limit=FOOTER,
        thrift_container_size_limit=100_000,
    )
    meta, schema = file.metadata, file.schema_arrow
    facts = [
        ("rows", f"{meta.num_rows:,}"),
        ("columns", f"{len(schema):,}"),
        ("row groups", f"{meta.num_row_groups:,}"),
    ]
    if meta.created_by:
        facts.append(("written by", str(meta.created_by)))
    types = [[field.name, str(field.type)] for field in schema]
    table, notes = _first_pages(window, file) if meta.num_rows else (None, [])
    if table is None:
        return Content("Parquet", (grid(["column", "type"], types, window.limits),), tuple(facts), tuple(notes))
    named = {field.name: str(field.type) for field in schema}
    with_types = tuple(f"{name}: {named[name]}" if name in named else name for name in table.columns)
    return Content("Parquet", (Grid(with_types, *_rest(table)),), tuple(facts), tuple(notes))


def _rest(table: Grid) -> tuple[tuple[tuple[str, ...], ...], tuple[bool, ...], int]:
    return table.rows, table.numbers, table.left_out


def _first_pages(window: Window, file: Any) -> tuple[Grid | None, list[str]]:
    limits, schema = window.limits, file.schema_arrow
    group = file.metadata.row_group(0)
    names: list[str] = []
    columns: list[list[str]] = []
    notes: list[str] = []
    chunks: dict[str, list[Any]] = {}
    for n in range(group.num_columns):
        chunk = group.column(n)
        chunks.setdefault(chunk.path_in_schema.partition(".")[0], []).append(chunk)
    for field in list(schema)[: limits.columns]:
        try:
            for chunk in chunks.get(field.name, []):
                _check_chunk(window, chunk)
            batch = next(file.iter_batches(limits.rows, row_groups=[0], columns=[field.name]))
        except TooMuch as exc:
            notes.append(
                f"{field.name!a} and what follows are not shown: {exc}" if columns else f"no rows are shown: {exc}"
            )
            break
        names.append(field.name)
        columns.append([_plain(value) for value in batch.column(0).to_pylist()])
    if not columns:
        return None, notes
    rows = [list(row) for row in zip(*columns, strict=False)]
    made = grid(names, rows, limits)
    if file.metadata.num_rows > len(rows):
        notes.insert(0, f"the first {len(rows)} rows")
    return Grid(made.columns, made.rows, made.numbers, len(schema) - len(names)), notes


def _check_chunk(window: Window, chunk: Any) -> None:
    """Raise `TooMuch` if a page says that it unpacks to more than a preview may hold."""
    offsets = {chunk.data_page_offset}
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        offsets.add(chunk.dictionary_page_offset)
    for offset in sorted(offsets):
        unpacked, packed = _page_sizes(window.read(offset, offset + 64))
        if packed + 64 > window.limits.fetched - window.fetched:
            raise TooMuch(f"a page of {size_text(packed)} would be needed")
        if unpacked > window.limits.unpacked or unpacked > max(window.limits.ratio * packed, _PAGE):
            raise TooMuch(f"a page that unpacks to {size_text(unpacked)}")


def _page_sizes(header: bytes) -> tuple[int, int]:
    """Return the sizes, unpacked and packed, of a page: fields 2 and 3 of a struct in Thrift's compact protocol."""
    at, values = 0, []
    for _ in range(3):
        if header[at : at + 1] != b"\x15":  # the next field, an i32
            raise ValueError("no page header")
        at += 1
        value = shift = 0
        while True:
            byte = header[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 35:
                break
        values.append(value >> 1 ^ -(value & 1))
    if min(values[1:]) < 0:
        raise ValueError("a page of negative size")
    return values[1], values[2]


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value[:40].hex(" ") + ("…" if len(value) > 40 else "")
    return str(value)


def of_arrow(window: Window) -> Content:
    """Return schema and first rows of an Arrow file, a Feather file or an Arrow stream: all begin with the schema."""
    import pyarrow as pa

    kind = "Arrow file" if window.head.startswith(b"ARROW1") else "Arrow stream"
    start = 8 if kind == "Arrow file" else 0
    stream = pa.BufferReader(window.head[start:])
    reader = pa.ipc.MessageReader.open_stream(stream)
    schema = pa.ipc.read_schema(reader.read_next_message())
    types = [[field.name, str(field.type)] for field in schema]
    facts = (("columns", f"{len(schema):,}"),)
    try:
        window.whole()
        stream = pa.BufferReader(window.head[start:])
        for message in pa.ipc.MessageReader.open_stream(stream):
            if message.type == "record batch":
                _check_batch(window, message.metadata.to_pybytes(), message.body)
                break
            if message.type == "dictionary":
                raise TooMuch("its columns have dictionaries")
        batch = pa.ipc.open_stream(pa.BufferReader(window.head[start:])).read_next_batch()
        batch.validate(full=True)  # Arrow believes offsets, and reads where they point
        rows = [[_plain(v) for v in row.values()] for row in batch.slice(0, window.limits.rows).to_pylist()]
        table = grid([f"{field.name}: {field.type}" for field in schema], rows, window.limits)
        return Content(kind, (table,), facts, ("the first rows",))
    except TooMuch as exc:
        note = f"no rows are shown: {exc}"
    except Exception:
        note = "no rows are shown: the first batch is larger than what was fetched"
    return Content(kind, (grid(["column", "type"], types, window.limits),), facts, (note,))


def _check_batch(window: Window, message: bytes, body: Any) -> None:
    """Raise `TooMuch` if a record batch unpacks to more than a preview may hold; by Arrow's flatbuffers."""

    def field(table: int, number: int) -> int:
        vtable = table - struct.unpack_from("<l", message, table)[0]
        size = struct.unpack_from("<H", message, vtable)[0]
        at = 4 + 2 * number
        offset = struct.unpack_from("<H", message, vtable + at)[0] if at < size else 0
        return table + offset if offset else 0

    root = struct.unpack_from("<I", message)[0]
    header = field(root, 2)
    batch = header + struct.unpack_from("<I", message, header)[0]
    if not field(batch, 3):
        return  # not compressed: it is as large as it is
    buffers = field(batch, 2)
    vector = buffers + struct.unpack_from("<I", message, buffers)[0]
    total = 0
    for n in range(struct.unpack_from("<I", message, vector)[0]):
        offset, length = struct.unpack_from("<qq", message, vector + 4 + 16 * n)
        if length >= 8:
            total += max(int.from_bytes(body[offset : offset + 8].to_pybytes(), "little", signed=True), 0)
    if total > min(window.limits.unpacked, window.limits.ratio * max(body.size, KIB)):
        raise TooMuch(f"the first batch unpacks to {size_text(total)}")
