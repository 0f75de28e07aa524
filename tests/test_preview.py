"""Previews: what is in an object, from its first bytes; and bombs, which cost no more than anything else."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import lzma
import random
import struct
import tarfile
import time
import tracemalloc
import wave
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, ObjectNotFound
from s3nb.errors import ClientClosed, ObjectChanged
from s3nb.preview import Content, Grid, Limits, Picture, Preview, Text, Window, decode
from s3nb.preview.decode import hex_dump
from s3nb.testing import MemoryWire
from tests import hostile


def look(body: bytes, name: str = "", content_type: str = "", limits: Limits | None = None) -> Content:
    """Preview bytes as if they were an object."""
    limits = limits or Limits()
    return decode(
        Window(body[: limits.head], len(body), name, content_type, limits, lambda start, stop: body[start:stop])
    )


def text_of(content: Content) -> str:
    [block] = content.blocks
    assert isinstance(block, Text), content
    return block.text


def table_of(content: Content) -> Grid:
    [block] = content.blocks
    assert isinstance(block, Grid), content
    return block


def facts(content: Content) -> dict[str, str]:
    return dict(content.facts)


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("grüße\n".encode(), "utf-8"),
        ("grüße\n".encode("utf-8-sig"), "utf-8-sig"),
        ("grüße\n".encode("utf-16"), "utf-16"),
        ("grüße, lang genug\n".encode("utf-16-le"), "utf-16-le"),
        ("grüße\n".encode("latin-1"), "latin-1"),
    ],
)
def test_the_encoding_of_text_is_guessed_and_said(body: bytes, encoding: str) -> None:
    content = look(body, "a.txt")
    assert text_of(content).startswith("grüße")
    assert facts(content)["encoding"] == encoding


def test_an_encoding_that_the_type_names_is_tried_first() -> None:
    assert text_of(look("Привет".encode("koi8-r"), "a.txt", "text/plain; charset=koi8-r")) == "Привет"


def test_a_character_that_the_cut_went_through_spoils_nothing() -> None:
    body = b"x" + "ü".encode() * 100_000
    assert facts(look(body, "a.txt"))["encoding"] == "utf-8"


def test_many_and_long_lines_are_cut_and_that_is_said() -> None:
    content = look(("y" * 600 + "\n").encode() * 100, "a.log")
    lines = text_of(content).split("\n")
    assert (len(lines), len(lines[0]), content.notes) == (
        60,
        501,
        ("the first 60 lines", "lines are cut at 500 characters"),
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("a.md", "Markdown"), ("a.svg", "SVG source"), ("a.html", "HTML source"), ("a.xml", "XML")]
)
def test_what_a_browser_would_render_is_shown_as_source(name: str, kind: str) -> None:
    content = look(b"<svg onload='x'>", name)
    assert (content.kind, text_of(content)) == (kind, "<svg onload='x'>")


# -- JSON ------------------------------------------------------------------------------------------


def test_json_is_indented_with_its_numbers_and_its_order_as_they_are() -> None:
    content = look(
        b'{"b":1.0e5,"a":[1,2,{"x":null}],"a":"\\u00e9 {}","e":{},"n":123456789012345678901234567890}', "a.json"
    )
    assert text_of(content) == (
        '{\n  "b": 1.0e5,\n  "a": [\n    1,\n    2,\n    {\n      "x": null\n    }\n  ],\n  "a": "\\u00e9 {}",\n  "e": {},\n'
        '  "n": 123456789012345678901234567890\n}'
    )
    assert facts(content)["top level"] == "object, 4 keys"


def test_short_arrays_of_plain_values_stay_on_a_line_with_their_strings_as_they_are() -> None:
    assert text_of(look(b'{"a": [ 1,\n  "two  blanks, [kept]",null ]}', "a.json")) == (
        '{\n  "a": [1, "two  blanks, [kept]", null]\n}'
    )


def test_json_that_is_cut_off_is_shown_as_far_as_it_goes() -> None:
    body = json.dumps([{"name": f"row {n}", "values": list(range(10))} for n in range(5000)]).encode()
    content = look(body, "a.json")
    assert text_of(content).startswith('[\n  {\n    "name": "row 0",\n    "values": [0, 1, 2')
    assert len(text_of(content).split("\n")) == 60


def test_json_that_is_wrong_says_so_and_is_shown_all_the_same() -> None:
    content = look(b'{"a": [1, 2,, }', "a.json")
    assert facts(content)["JSON"].startswith("not valid: ")
    assert text_of(content).startswith("{\n")


def test_json_lines_are_a_table_with_the_columns_in_order_of_their_first_row() -> None:
    body = b'{"a": 1, "b": {"c": [2]}}\n{"b": "x", "d": null}\n{"a": 3'
    for name in ("a.jsonl", "part-0000"):
        table = table_of(look(body + b"0" * 70_000, name))
        assert table.columns == ("a", "b", "d")
        assert table.rows == (("1", '{"c": [2]}', ""), ("", "x", "null"))
        assert table.numbers[0]


# -- tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("separator", "said"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_the_separator_of_a_table_is_found(separator: str, said: str) -> None:
    rows = [["day", "town", "rain"], ["1", "Ulm", "0.5"], ["2", 'Bad "Homburg"', ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    content = look(out.getvalue().encode(), "a.csv")
    table = table_of(content)
    assert table.columns == ("day", "town", "rain")
    assert table.rows == (("1", "Ulm", "0.5"), ("2", 'Bad "Homburg"', ""))
    assert table.numbers == (True, False, True)
    assert facts(content)["separator"] == said


def test_a_table_without_a_header_numbers_its_columns() -> None:
    assert table_of(look(b"1,2\n3,4\n", "a.csv")).columns == ("1", "2")


def test_text_with_commas_is_no_table_unless_it_is_regular_or_says_so() -> None:
    assert look(b"Dear all,\nwell, yes,\nno\n", "letter.txt").kind == "text"
    assert look(b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "part-00000").kind == "CSV"
    assert look(b"a,b\n1\n", "x", "text/csv").kind == "CSV"


def test_the_row_that_the_cut_went_through_is_left_out() -> None:
    body = b"a,b\n" + b"1,2\n" * 7 + b'3,"' + b"x" * 100_000
    table = table_of(look(body, "a.csv"))
    assert table.rows == (("1", "2"),) * 7


def test_wide_tables_say_how_many_columns_are_left_out() -> None:
    table = table_of(
        look((",".join(f"c{n}" for n in range(100)) + "\n" + ",".join("1" * 100) + "\n").encode(), "a.csv")
    )
    assert (len(table.columns), table.left_out) == (24, 76)


# -- what is packed ----------------------------------------------------------------------------------


def _zstd(data: bytes) -> bytes:
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return bytes(zstd.compress(data))


@pytest.mark.parametrize(
    ("pack", "suffix", "kind"),
    [
        (gzip.compress, "gz", "gzip"),
        (bz2.compress, "bz2", "bzip2"),
        (lzma.compress, "xz", "xz"),
        (_zstd, "zst", "Zstandard"),
    ],
)
def test_compressed_objects_are_seen_through_whole_or_cut(pack: Any, suffix: str, kind: str) -> None:
    body = b"day,rain\n" + b"".join(b"%d,%f\n" % (n, random.Random(n).random()) for n in range(30_000))
    whole = look(pack(body[:9000]), f"a.csv.{suffix}")
    assert whole.kind == f"{kind}, CSV inside"
    assert table_of(whole).columns == ("day", "rain")
    cut = look(pack(body), f"a.csv.{suffix}", limits=Limits(head=20_000))
    assert table_of(cut).rows[0][0] == "0"
    assert "the first 20 rows" in cut.notes


def test_streams_one_after_the_other_are_one_text() -> None:
    assert text_of(look(gzip.compress(b"one ") + gzip.compress(b"two"), "a.txt.gz")) == "one two"


def test_what_is_broken_within_shows_what_came_before() -> None:
    body = bytearray(gzip.compress(random.Random(1).randbytes(30_000).hex().encode()))
    body[20_000:20_100] = b"\xff" * 100
    content = look(bytes(body), "a.txt.gz")
    assert content.kind == "gzip, text inside"
    assert "broken gzip behind what is shown" in content.notes


# -- archives ----------------------------------------------------------------------------------------


def test_members_of_a_zip_are_listed_by_its_end_only() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("big.bin", (2026, 1, 31, 12, 0, 0)), random.Random(1).randbytes(3 << 20))
        archive.writestr(zipfile.ZipInfo("dir/notes.txt", (2026, 1, 31, 12, 0, 2)), b"hello")
    body, seen = out.getvalue(), []

    def fetch(start: int, stop: int) -> bytes:
        seen.append((start, stop))
        return body[start:stop]

    content = decode(Window(body[:65536], len(body), "a.zip", fetch=fetch))
    assert [row[3] for row in table_of(content).rows] == ["big.bin", "dir/notes.txt"]
    assert table_of(content).rows[1][:3] == ("5 B", "1.0", "2026-01-31 12:00:02")
    assert facts(content) == {"members": "2", "unpacked": "3.0 MiB"}
    assert sum(stop - start for start, stop in seen) < 100_000


def test_members_of_a_tar_packed_or_not_are_listed_by_its_beginning() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, size in (("a.txt", 5), ("dir/b.bin", 3000), ("c", 0)):
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(b"x" * size))
    for body, name in ((out.getvalue(), "a.tar"), (gzip.compress(out.getvalue()), "a.tgz")):
        content = look(body, name)
        assert content.kind.endswith("tar archive") or content.kind == "gzip, tar archive inside"
        assert [row[2] for row in table_of(content).rows] == ["a.txt", "dir/b.bin", "c"]
        assert facts(content)["members"] == "3"


# -- columns -----------------------------------------------------------------------------------------


def _parquet(rows: int, **options: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    out = io.BytesIO()
    table = pa.table(
        {"n": list(range(rows)), "text": [f"row {n}" for n in range(rows)], "list": [[n] for n in range(rows)]}
    )
    parquet.write_table(table, out, **options)
    return out.getvalue()


def test_parquet_shows_schema_and_first_rows_of_a_file_that_is_not_fetched() -> None:
    body, seen = _parquet(400_000, row_group_size=400_000), 0

    def fetch(start: int, stop: int) -> bytes:
        nonlocal seen
        seen += stop - start
        return body[start:stop]

    content = decode(Window(body[:65536], len(body), "a.parquet", fetch=fetch))
    table = table_of(content)
    assert table.columns[0] == "n: int64"
    assert table.rows[19][0] == "19"
    assert facts(content)["rows"] == "400,000"
    assert facts(content)["columns"] == "3"
    assert seen + 65536 <= 1 << 20 < len(body)


def test_parquet_without_leave_for_its_pages_shows_its_schema() -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    out = io.BytesIO()
    blobs = [random.Random(n).randbytes(600_000) for n in range(3)]
    parquet.write_table(pa.table({"blob": blobs, "n": [1, 2, 3]}), out, use_dictionary=False, compression="none")
    content = look(out.getvalue(), "a.parquet")
    table = table_of(content)
    assert table.columns == ("column", "type")
    assert table.rows[0] == ("blob", "binary")
    assert content.notes[0].startswith("no rows are shown: a page of")


def test_parquet_whose_pages_unpack_to_far_more_shows_its_schema() -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    out = io.BytesIO()
    table = pa.table({"same": [b"\0" * (8 << 20)] * 3, "n": [1, 2, 3]})
    parquet.write_table(table, out, use_dictionary=False, compression="zstd", data_page_size=32 << 20)
    content = look(out.getvalue(), "a.parquet")
    assert content.notes[0].startswith("no rows are shown: a page that unpacks to")
    assert table_of(content).rows[0] == ("same", "binary")


def test_parquet_of_equal_values_is_no_bomb() -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    out = io.BytesIO()
    parquet.write_table(pa.table({"n": [7] * 1_000_000}), out, use_dictionary=False, compression="zstd")
    assert table_of(look(out.getvalue(), "a.parquet")).rows[19] == ("7",)


def test_parquet_that_is_cut_off_says_so() -> None:
    assert "cut off" in look(_parquet(10)[:-4], "a.parquet").notes[0]


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_arrow_files_and_streams_show_schema_and_first_rows(compression: str | None) -> None:
    import pyarrow as pa

    table = pa.table({"n": [1, 2, 3], "t": ["a", "b", None]})
    for make, kind in ((pa.ipc.new_file, "Arrow file"), (pa.ipc.new_stream, "Arrow stream")):
        out = io.BytesIO()
        with make(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)
        content = look(out.getvalue(), "a.arrow")
        assert content.kind == kind
        assert table_of(content).columns == ("n: int64", "t: string")
        assert table_of(content).rows[2] == ("3", "")


def test_arrow_that_unpacks_to_far_more_shows_its_schema() -> None:
    import pyarrow as pa

    table = pa.table({"n": pa.array([0] * 3_000_000)})
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    content = look(out.getvalue(), "a.feather")
    assert table_of(content).rows == (("n", "int64"),)
    assert content.notes == ("no rows are shown: the first batch unpacks to 22.9 MiB",)


# Found by turning bits: pyarrow 26 asks for more memory than there is, and ends the process
_FATAL = zlib.decompress(
    base64.b85decode(
        "c-s5_|Ns9L3=9kc3?RV8z{9}Cz{<b@WC1}A3y{wM<Z%E=7AVQUzy!n&K+FfkH-P#X7#LYW`X!+9K=7IoNR)v2Ajt3^3K&Fyrm!)vgUuCy+RDfT"
        "qGb@e89=(vfo<jiVs^02AYlinJjkdAKw1RK=K<OcaW@axWCmsyuz5ci5P*k44rm_>TulQIt3X|C#DEOgz;?1h?PO(Os0RWD3=oORO@PvcQ2GXx"
        "mPS&;gkcv28qxU^7$LOAR{g&T6BulnlCHJ!^9by?$MffZd0MDwG}r%t3;yT*&iS78IpclW>y+n7j}zEM-H*E+b3N*E#QCt(A;*Ib2i9*teK%|K"
        "jn!Md=6Wq=HVk26V1`=8aE1Y4tHK#pW`;vN;<5?X&rWDjTfmvYG^+tZF`QVF+5rIKM`Ow"
    )
)


def test_bytes_that_end_a_library_do_not_end_the_program() -> None:
    content = look(_FATAL, "fatal.arrow")
    assert content.kind in ("binary", "Arrow stream")
    assert content.notes


def test_a_reader_apart_is_given_up_when_it_takes_too_long() -> None:
    content = look(_parquet(10), "a.parquet", limits=Limits(seconds=0.0))
    assert content.kind == "binary"
    assert "looking took longer than 0 s" in content.notes[0]


def _npy(descr: str, shape: tuple[int, ...], data: bytes) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_numpy_arrays_show_type_shape_and_first_values() -> None:
    content = look(_npy("<f8", (2, 3), struct.pack("<6d", *range(6))), "a.npy")
    assert facts(content) == {"type": "<f8", "shape": "2 × 3", "order": "C"}
    assert text_of(content) == "0  1  2\n3  4  5"


# -- pictures, sounds, the rest -------------------------------------------------------------------------


def _jpeg(width: int, height: int) -> bytes:
    return b"\xff\xd8\xff\xe0\x00\x04JF\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + b"\0" * 20


def _webp(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size


@pytest.mark.parametrize(
    ("body", "mime"),
    [
        (hostile.png(30, 20), "image/png"),
        (_jpeg(30, 20), "image/jpeg"),
        (b"GIF89a" + struct.pack("<HH", 30, 20) + b"\0" * 10, "image/gif"),
        (_webp(30, 20), "image/webp"),
    ],
)
def test_pictures_are_recognised_by_their_bytes_whatever_name_and_type_say(body: bytes, mime: str) -> None:
    [picture] = look(body, "a.txt", "text/html").blocks
    assert isinstance(picture, Picture)
    assert (picture.mime, picture.width, picture.height, picture.data) == (mime, 30, 20, body)


def test_a_picture_of_many_bytes_is_described_only() -> None:
    content = look(hostile.png(30, 20, random.Random(1).randbytes(2 << 20)), "a.png")
    assert content.blocks == ()
    assert facts(content)["pixels"] == "30 × 20"
    assert content.notes == ("too big: more than 1,024 KiB are not fetched",)


def test_sounds_tell_channels_rate_and_duration() -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(4 * 8000 * 3))
    content = look(out.getvalue(), "a.wav")
    assert content.kind == "WAV audio"
    assert facts(content) == {"channels": "2", "sample rate": "8,000 Hz", "bits": "16", "duration": "3.0 s"}
    flac = (
        b"fLaC\0\0\0\x22" + b"\0" * 10 + (44100 << 44 | 1 << 41 | 15 << 36 | 44100 * 90).to_bytes(8, "big") + b"\0" * 20
    )
    assert facts(look(flac, "a.flac"))["duration"] == "1:30"
    opus = b"OggS" + b"\0" * 22 + b"\x01\x13" + b"OpusHead\x01\x02\0\0" + struct.pack("<I", 48000) + b"\0" * 3
    assert facts(look(opus, "a.ogg"))["codec"] == "Opus"
    mp3 = look(b"ID3\x03\0\0\0\0\0\x0a" + b"\0" * 10 + b"\xff\xfb\x90\x00" + b"\0" * 160_000, "a.mp3")
    assert facts(mp3) == {
        "channels": "2",
        "sample rate": "44,100 Hz",
        "bit rate": "128 kbit/s",
        "duration": "about 10 s",
    }


def test_everything_else_is_shown_as_bytes() -> None:
    content = look(bytes(range(256)) * 3, "a.dat")
    assert content.kind == "binary"
    assert text_of(content).split("\n")[1] == (
        "00000010  10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|"
    )
    assert len(text_of(content).split("\n")) == 16
    assert look(b"%PDF-1.7\n\xe2\xe3\xcf\xd3" + bytes(99), "a").kind == "PDF"
    assert all(len(line) <= 80 for line in hex_dump(bytes(256)).split("\n"))


def test_files_with_zeros_in_every_other_place_are_no_text(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["d"] = list(range(10))
    found = look((tmp_path / "x.h5").read_bytes(), "x.h5")
    assert found.kind == "HDF5"
    assert "h5py.File(open(url))" in found.notes[0]
    assert look(struct.pack("<1000h", *range(1000)), "x.raw").kind == "binary"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isom", "MP4 video"),
        (b"\0\0\0\x14ftypqt  ", "QuickTime video"),
        (b"\0\0\0\x20ftypM4A \0\0", "MPEG-4 audio"),
        (b"\0\0\0\x20ftypavif\0\0", "AVIF image"),
        (b"\x1aE\xdf\xa3\x01\0\0\0B\x82\x84webm", "WebM video"),
        (b"\x1aE\xdf\xa3\x01\0\0\0B\x82\x88matroska", "Matroska video"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI video"),
    ],
)
def test_videos_are_called_by_their_kind(head: bytes, kind: str) -> None:
    found = look(head + bytes(1000), "any")
    assert (found.kind, found.blocks) == (kind, ())
    assert "presign" in found.notes[0]


def test_a_pdf_tells_version_and_pages_and_shows_no_source() -> None:
    body = (
        b"%PDF-1.7\n1 0 obj<</Type/Pages/Count 12/Kids[]>>endobj\n"
        + b"x" * 200_000
        + b"<</Type/Pages/Count 345>>\n%%EOF"
    )
    found = look(body, "a.pdf")
    assert (found.kind, facts(found), found.blocks) == ("PDF", {"version": "1.7", "pages": "345"}, ())
    assert facts(look(b"%PDF-1.4 cut off")) == {"version": "1.4"}


def test_a_little_that_is_packed_well_is_no_bomb() -> None:
    found = look(gzip.compress(b"hello\n" * 5000), "a.txt.gz")
    assert not [note for note in found.notes if "times its size" in note]


def test_nothing_is_called_empty() -> None:
    assert look(b"", "a.csv").kind == "empty"


def test_notebooks_show_their_cells_and_never_their_outputs() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "source": "1 + 1",
            "outputs": [{"data": {"text/html": "<b>SECRET</b>"}}],
        },
    ]
    content = look(json.dumps({"cells": cells, "nbformat": 4, "pad": "x" * 100_000}).encode(), "a.ipynb")
    assert text_of(content) == "markdown:\n# Title\ntext\n\nIn [3]:\n1 + 1"
    assert content.notes == ("outputs are not shown",)


# -- bombs -----------------------------------------------------------------------------------------------


def _quine() -> bytes:
    """Return gzip that unpacks to gzip, and so on, further than anybody looks."""
    data = b"the innermost text\n"
    for _ in range(12):
        data = gzip.compress(data, mtime=0)
    return data


def _overlapping_zip() -> bytes:
    """Return a zip whose directory names the same bytes twenty thousand times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kernel", b"\0" * (10 << 20))
    body = out.getvalue()
    at = body.index(b"PK\x01\x02")
    end = body.index(b"PK\x05\x06")
    entry = body[at:end]
    count = 15_000
    directory = entry * count
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0)
    return body[:at] + directory + tail


BOMBS: dict[str, tuple[bytes, str]] = {
    "gz": (gzip.compress(b"\0" * (40 << 20)), "unpacks to more than 100 times its size"),
    "gz in gz": (gzip.compress(gzip.compress(b"\0" * (40 << 20))), "unpacks to more than 100 times its size"),
    "bz2": (bz2.compress(b"\0" * (20 << 20)), "unpacks to more than 100 times its size"),
    "xz": (lzma.compress(b"\0" * (20 << 20)), "unpacks to more than 100 times its size"),
    "zst": (_zstd(b"\0" * (40 << 20)), "unpacks to more than 100 times its size"),
    "quine": (_quine(), "packed more than 2 times over"),
    "zip": (_overlapping_zip(), "unpacks to more than 100 times its size"),
    "png": (hostile.png(60_000, 60_000), "too big"),
    "json": (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 50"),
    "json object": (b'{"a":' * 100_000, "nested deeper than 50"),
    "json lines": ((b'{"a":' * 60 + b"1" + b"}" * 60 + b"\n") * 100, ""),
    "numbers": (b"[" + b"9" * 60_000 + b"]", ""),
    "one line": (b"x" * (8 << 20), "lines are cut at 500 characters"),
    "quotes": (b'"' * 200_000, ""),
    "open quote": (b"a,b\n" + b'1,"' + b'""' * 100_000, ""),
    "columns": (b"," * 300_000, ""),
    "lines": (b"\n" * 300_000, ""),
    "brackets": (b'{"a" [' * 30_000, ""),
    "backslashes": (b'{"' + b"\\" * 100_000, ""),
    "tar": (b"pax/".ljust(100, b"\0") + b"\0" * 60_000, ""),
    "npy": (b"\x93NUMPY\x03\x00\xff\xff\xff\x7f" + b"(" * 70_000, "header is too long"),
    "npy nested": (_npy("<f8", (1,), b"")[:10] + b"(" * 117 + b"\n", ""),
    "npy shape": (_npy("<f8", (1 << 60, 1 << 60), b"\0" * 800), ""),
    "parquet": (b"PAR1" + b"\x15" * 1000 + struct.pack("<I", 900) + b"PAR1", ""),
    "arrow": (b"ARROW1\0\0\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 1000, ""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_no_more_than_a_preview_may(name: str) -> None:
    body, note = BOMBS[name]
    suffix = {"open quote": "csv", "columns": "csv", "quotes": "csv", "json lines": "jsonl"}.get(name, name.split()[0])
    fetched = 0

    def fetch(start: int, stop: int) -> bytes:
        nonlocal fetched
        fetched += stop - start
        return body[start:stop]

    look(b"a,b\n1,2\n", "warm.csv")  # imports are not what is measured
    tracemalloc.start()
    began = time.process_time()
    content = decode(Window(body[:65536], len(body), f"bomb.{suffix}", fetch=fetch))
    made = Preview("s3://b/bomb", len(body), fetched, content)
    shown = len(made.text()) + len(made._repr_mimebundle_()["text/html"])
    spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fetched + 65536 <= 1 << 20
    assert peak < 64 << 20
    assert shown < 200_000
    assert spent < 20  # under a tracer on a busy machine; it hangs, or it is far below
    assert note in " ".join(content.notes)


def test_every_prefix_of_everything_has_a_preview() -> None:
    for name, body in {
        **hostile.BODIES,
        "a.parquet": _parquet(50),
        "a.wav": b"RIFF....WAVEfmt ",
        "a.webp": _webp(3, 3),
    }.items():
        for cut in (1, 2, 5, 9, 13, 25, 40, len(body) // 2, len(body) - 1):
            assert look(body[:cut], name).kind


def test_noise_behind_every_magic_has_a_preview() -> None:
    rng = random.Random(7)
    starts = [
        b"PK\x03\x04", b"PK\x05\x06", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"\x93NUMPY\x01\0", b"\x1f\x8b\x08", b"fLaC",
        b"OggS", b"ID3", b"RIFF0000WAVE", b"RIFF0000WEBPVP8X", b"\xff\xd8\xff\xe0", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"BZh91AY&SY",
        b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"{", b"[", b'{"a":',
    ] * 4  # fmt: skip
    for start in starts:
        assert look(start + rng.randbytes(rng.randrange(3000)), "x.mp3").kind


# -- hostile text in every sink --------------------------------------------------------------------------


@pytest.mark.parametrize("name", hostile.BODIES)
def test_hostile_bodies_stay_text(name: str) -> None:
    body = hostile.BODIES[name]
    for called in (name, "x", *hostile.KEYS[:12]):
        preview = Preview(
            f"s3://box/{called}", len(body), len(body), look(body, called), [("metadata", body[:80].decode("latin-1"))]
        )
        assert hostile.live(preview._repr_mimebundle_()["text/html"]) == []
        assert hostile.raw(preview.text(80)) == []
        assert hostile.raw(repr(preview)) == []


def test_text_fits_eighty_columns() -> None:
    for name, body in hostile.BODIES.items():
        shown = Preview(f"s3://box/{name}", len(body), len(body), look(body, name)).text(80)
        assert max(map(len, shown.split("\n"))) <= 80


# -- over the wire ---------------------------------------------------------------------------------------


def test_a_preview_fetches_the_beginning_only_and_says_all_that_s3_says(s3: S3, bucket: str, server: Any) -> None:
    body = b"day,rain\n" + b"1,2\n" * 100_000
    client = server.boto3_client()
    client.put_object(
        Bucket=bucket, Key="a.csv", Body=body, ContentType="text/csv", CacheControl="no-store", Metadata={"author": "Ada"},
        Tagging="team=blue&note=a%20b", **({"ChecksumAlgorithm": "SHA256"} if server.name == "moto" else {}),
    )  # fmt: skip
    client.close()
    preview = s3.preview("a.csv")
    assert (preview.kind, preview.size, preview.fetched) == ("CSV", len(body), 65536)
    assert preview.head == body[:65536]
    about = dict(preview.about)
    assert about["content_type"] == "text/csv"
    assert about["cache_control"] == "no-store"
    assert about["raw_metadata"] == "author = Ada"
    assert about["storage_class"] == "STANDARD"
    assert "etag" in about
    if server.name == "moto":
        assert preview.tags == {"team": "blue", "note": "a b"}
        assert "checksum" in about
        assert "tags" in dict(preview.about_it)
    assert preview.headers["content-type"] == "text/csv"
    [listed] = s3.list_paths()
    assert listed.preview().about == preview.about


def test_the_end_of_an_object_is_read_by_ranges(s3: S3) -> None:
    body = _parquet(400_000, row_group_size=400_000)
    s3.put("a.parquet", body)
    preview = s3.preview("a.parquet")
    assert dict(preview.facts)["rows"] == "400,000"
    assert preview.fetched <= 1 << 20 < len(body)


def test_small_and_empty_objects_and_none(s3: S3) -> None:
    s3.put("empty", b"")
    s3.put("one", b"x")
    assert s3.preview("empty").kind == "empty"
    assert s3.preview("one").kind == "text"
    with pytest.raises(ObjectNotFound, match="none"):
        s3.preview("none")


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire({"box": {"k.txt": b"hello\n" * 100_000, "small.txt": b"hi"}})


def test_what_was_fetched_is_previewed_without_a_request(wire: MemoryWire, tmp_path: Path) -> None:
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        found = s3.get("small.txt")
        before = wire.requests()
        assert text_of(found.preview().content) == "hi"
        assert wire.requests() == before
        assert s3.info("small.txt").preview().kind == "text"
        assert wire.requests() == before + 3


class NoRanges(MemoryWire):
    """A server that knows no ranges: it sends everything, whatever is asked for."""

    def send(self, request: Any, sink: Any = None) -> Any:
        request.common = [(name, value) for name, value in request.headers if name != "Range"]
        return super().send(request, sink)


def test_a_server_without_ranges_is_stopped_after_the_beginning(tmp_path: Path) -> None:
    body = hostile.BODIES["members.zip"] + b"\0" * 300_000
    wire = NoRanges({"box": {"k.txt": b"hello\n" * 1_000_000, "a.zip": body}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        preview = s3.preview("k.txt")
        assert (preview.kind, preview.size, preview.fetched, len(preview.head)) == ("text", 6_000_000, 65536, 65536)
        assert s3.preview("a.zip").notes == ("the server does not give ranges of it: these are its first bytes",)


def test_a_prefix_and_what_is_missing_have_no_preview(wire: MemoryWire, tmp_path: Path) -> None:
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        s3.put("dir/k", b"x")
        prefix = s3.list_paths()[0]
        for item in (prefix, s3.get("none", return_missing=True)):
            with pytest.raises(ObjectNotFound):
                item.preview()


def test_the_portable_engine_previews_as_well(moto_server: Any, moto_bucket: str, tmp_path: Path) -> None:
    with S3(tmp_path, bucket=moto_bucket, engine="boto3", **moto_server.options()) as s3:
        s3.put("k.csv", b"a,b\n" + b"1,2\n" * 100_000)
        s3.put("empty", b"")
        assert (s3.preview("k.csv").kind, s3.preview("k.csv").fetched) == ("CSV", 65536)
        assert s3.preview("empty").kind == "empty"


def test_an_object_without_its_client_says_what_to_do(wire: MemoryWire, tmp_path: Path) -> None:
    import pickle

    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        found = s3.info("small.txt")
        with pytest.raises(ClientClosed, match=r"client\.preview"):
            pickle.loads(pickle.dumps(found)).preview()
        assert s3.preview(found).kind == "text"
    with pytest.raises(ClientClosed):
        found.preview()


@pytest.mark.parametrize(("limit", "rows"), [(0, None), (2 << 20, None), (None, 0), (None, 20_000)])
def test_limits_that_make_no_sense_are_refused(
    wire: MemoryWire, tmp_path: Path, limit: int | None, rows: int | None
) -> None:
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3, pytest.raises(ValueError, match="must be 1 to"):
        s3.preview("k.txt", limit=limit, rows=rows)


def test_limit_and_rows_do_what_they_say(wire: MemoryWire, tmp_path: Path) -> None:
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        preview = s3.preview("k.txt", limit=1000, rows=7)
        assert preview.fetched == 1000
        assert len(text_of(preview.content).split("\n")) == 7


def test_an_object_that_is_replaced_meanwhile_is_noticed(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {"a.zip": hostile.BODIES["members.zip"] + b"\0" * 200_000}})
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3:
        send, seen = wire.send, 0

        def replacing(request: Any, sink: Any = None) -> Any:
            nonlocal seen
            seen += request.operation == "GetObject"
            if seen == 2:
                wire.send = send  # type: ignore[method-assign]
                s3.put("a.zip", b"PK\x03\x04" + b"other" * 60_000)
            return send(request, sink)

        wire.send = replacing  # type: ignore[method-assign]
        with pytest.raises(ObjectChanged):
            s3.preview("a.zip")
