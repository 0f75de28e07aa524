"""Z1 to Z5: codecs between the user and the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from typing import Any

import pytest

from s3nb import open_many
from s3nb.files import compress, writer

from .conftest import Memory

Make = Callable[..., Memory]
TEXT = "zeile ä\n" * 5000
CODECS = ["gzip", "bz2", "xz", "zstd", "lz4"]
ENDINGS = {"gzip": "gz", "bz2": "bz2", "xz": "xz", "zstd": "zst", "lz4": "lz4"}


def test_Z1_the_default_is_what_is_stored(memory: Make) -> None:
    blob = gzip.compress(b"x")
    m = memory({"k.gz": blob})
    assert m.open("k.gz").read() == blob
    with m.open("w.gz", "wb") as f:
        f.write(b"plain")
    assert m.wire.body("bkt", "w.gz") == b"plain"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("how", ["infer", "name"])
def test_Z1_by_name_or_ending_in_text_and_binary(codec: str, how: str, memory: Make) -> None:
    m = memory()
    key = f"k.{ENDINGS[codec].upper()}"
    asked = "infer" if how == "infer" else codec
    with m.open(key, "wt", compression=asked, compression_level=1) as f:
        f.write(TEXT)
        assert f.tell() == len(TEXT.encode())
    stored = m.wire.body("bkt", key)
    assert stored is not None
    assert len(stored) < 5000
    with m.open(key, "rt", compression=asked) as f:
        assert f.read() == TEXT
        assert f.stats().requests == 1
    with m.open(key, "rb", compression=asked) as f:
        assert f.readline() == "zeile ä\n".encode()
        assert f.tell() == 9
        f.seek(18)
        assert f.peek(1)[:5] == b"zeile"
        assert f.read1(5) == b"zeile"
        buffer = bytearray(3)
        f.seek(0)
        assert f.readinto(buffer) == 3
        assert f.read() == TEXT.encode()[3:]
    with m.open(key, "ab", compression=asked) as f:
        f.write(b"more")
    assert m.open(key, "rt", compression=asked).read() == TEXT + "more"  # Z2: two members


def test_Z1_infer_leaves_other_names_alone(memory: Make) -> None:
    assert memory({"k.txt": b"abc"}).open("k.txt", compression="infer").read() == b"abc"


@pytest.mark.parametrize(("module", "codec"), [(gzip, "gzip"), (bz2, "bz2"), (lzma, "xz")])
def test_Z2_members_read_through_and_a_truncated_stream_is_an_error(module: Any, codec: str, memory: Make) -> None:
    blob = module.compress(b"one") + module.compress(TEXT.encode())
    m = memory({"k": blob, "cut": blob[:-5]})
    assert m.open("k", compression=codec).read() == b"one" + TEXT.encode()
    with pytest.raises(EOFError):
        m.open("cut", compression=codec).read()


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_Z2_the_same_for_the_others(codec: str, memory: Make) -> None:
    m = memory()
    with m.open("k", "wb", compression=codec) as f:
        f.write(TEXT.encode())
    blob = m.wire.body("bkt", "k")
    assert blob is not None
    m.wire.store("bkt", "two", blob + blob)
    m.wire.store("bkt", "cut", blob[:-9])
    assert m.open("two", compression=codec).read() == 2 * TEXT.encode()
    with pytest.raises(EOFError):
        m.open("cut", compression=codec).read()


@pytest.mark.parametrize("codec", CODECS)
def test_Z3_an_abort_writes_nothing_not_even_a_trailer(codec: str, memory: Make) -> None:
    m = memory({"k": b"old"})
    with pytest.raises(ZeroDivisionError), m.open("k", "wt", compression=codec) as f:
        f.write(TEXT)
        _ = 1 / 0
    assert m.wire.body("bkt", "k") == b"old"
    assert m.wire.log == []


def test_Z4_a_missing_library_names_the_extra(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(compress.importlib, "import_module", missing)
    m = memory({"k.zst": b""})
    with pytest.raises(ImportError, match=r"\[compression\]"):
        m.open("k.zst", compression="infer")
    assert m.wire.log == []


def test_Z5_content_encoding_is_undone_only_when_asked(memory: Make) -> None:
    m = memory({"plain": b"x"})
    blob = gzip.compress(TEXT.encode())
    m.wire.store("bkt", "k", blob, {"content-encoding": "gzip"})
    assert m.open("k").read() == blob
    assert m.open("k", decode_content=True).read() == TEXT.encode()
    assert m.open("k", "r", decode_content=True).read() == TEXT
    assert m.open("plain", decode_content=True).read() == b"x"


def test_plus_modes_do_not_compress(memory: Make) -> None:
    with pytest.raises(ValueError, match="both"):
        memory().open("k", "w+b", compression="gzip")


# -- many


def test_many_small_objects_are_opened_ahead(memory: Make) -> None:
    m = memory({f"k{n}": b"%d" % n for n in range(50)})
    urls = (f"s3://bkt/k{n}" for n in range(50))
    files = open_many(urls, ahead=8, client=m.client)
    with next(files) as first:
        assert first.read() == b"0"
        assert len(m.wire.log) == 8
    assert [f.read() for f in files] == [b"%d" % n for n in range(1, 50)]
    assert len(m.wire.log) == 50


def test_many_in_text_and_what_goes_wrong(memory: Make) -> None:
    m = memory({"a": "ä\n".encode(), "c": b"x"})
    files = open_many(["s3://bkt/a", "s3://bkt/b", "s3://bkt/c"], "r", client=m.client)
    assert list(next(files)) == ["ä\n"]
    with pytest.raises(FileNotFoundError):
        next(files)
    for bad, kind in [("s3://bkt/a", TypeError), (["local"], ValueError)]:
        with pytest.raises(kind):
            list(open_many(bad, client=m.client))
    with pytest.raises(ValueError, match="writes"):
        open_many([], "wb")


@pytest.mark.parametrize("level", [99, "high"])
def test_a_level_that_no_codec_has_leaves_no_file_open(level: Any, memory: Make) -> None:
    m = memory({"k": b"before"})
    with pytest.raises((ValueError, TypeError)) as caught:
        m.open("k", "wb", compression="gzip", compression_level=level)
    assert caught.tb is not None  # and with it all that is not closed
    assert [f for f in list(writer._alive) if not f.closed and f.name == "s3://bkt/k"] == []
    assert m.wire.body("bkt", "k") == b"before"
