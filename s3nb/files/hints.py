"""What the end of a file says of the reads to come: where Parquet keeps the chunks of a column.

A reader of some columns jumps from chunk to chunk, and to it each is a round trip. The footer, which was read first, says
where the next ones are: when a column has been read in two row groups, its chunks in the following ones are fetched ahead.
The footer is read by pyarrow, and only if the program that reads the file has loaded pyarrow itself.
"""

from __future__ import annotations

import io
import sys
from typing import Any

Range = tuple[int, int]
MOST = 200_000  # chunks; the footer of more takes longer to read than it saves


class Columns:
    """The chunks of a Parquet file, by the byte that each begins with."""

    def __init__(self, columns: list[list[Range]]) -> None:
        self._columns = columns
        self._places = {chunk[0]: (c, g) for c, chunks in enumerate(columns) for g, chunk in enumerate(chunks)}
        self._read: set[tuple[int, int]] = set()

    def after(self, start: int, most: int) -> list[Range]:
        """Note that the chunk at ``start`` is read; return those that will be, up to ``most`` bytes of them."""
        place = self._places.get(start)
        if place is None:
            return []
        self._read.add(place)
        column, group = place
        if (column, group - 1) not in self._read:
            return []
        following = []
        for chunk in self._columns[column][group + 1 :]:
            most -= chunk[1] - chunk[0]
            if most < 0:
                break
            following.append(chunk)
        return following


def columns(tail: bytes) -> Columns | None:
    """Return the chunks that a file's last bytes tell of; None if they tell of none."""
    pyarrow = sys.modules.get("pyarrow.parquet")
    if pyarrow is None or len(tail) < 12 or tail[-4:] != b"PAR1":
        return None
    length = int.from_bytes(tail[-8:-4], "little") + 8
    if length + 4 > len(tail):
        return None
    try:
        found = pyarrow.read_metadata(io.BytesIO(b"PAR1" + tail[-length:]))
        groups, count = found.num_row_groups, found.num_columns
        if groups * count > MOST or groups < 3:
            return None
        return Columns([[_chunk(found.row_group(g).column(c)) for g in range(groups)] for c in range(count)])
    except Exception:  # a hint and no more: what is wrong with the file, its reader will say
        return None


def _chunk(column: Any) -> Range:
    start = min(column.dictionary_page_offset or column.data_page_offset, column.data_page_offset)
    return start, start + column.total_compressed_size
