"""R1 to R6 and T1 to T7: text, and bytes in text."""

from __future__ import annotations

import codecs
import io
import locale
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from s3nb import BytesInTextModeWarning
from s3nb.files import plan

from .conftest import Memory

Make = Callable[..., Memory]


def test_R1_the_default_mode_gives_lines_of_str(memory: Make) -> None:
    m = memory({"k": b"a\nb\n"})
    with m.open("k", "r") as f:
        assert list(f) == ["a\n", "b\n"]


def test_R2_mode_w_is_a_text_file(memory: Make) -> None:
    m = memory()
    with m.open("k", "w") as f:
        assert isinstance(f, io.TextIOBase)
        assert f.encoding == "utf-8"
        assert f.write("ä") == 1
    assert m.wire.body("bkt", "k") == "ä".encode()


@pytest.mark.parametrize("mode", ["w", "x", "a"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_R3_R6_a_bare_text_mode_takes_bytes_in_order_and_warns_once(mode: str, kind: Any, memory: Make) -> None:
    m = memory()
    with m.open("k", mode) as f:
        f.write("a")
        with pytest.warns(BytesInTextModeWarning, match="wb|xb|ab"):
            f.write(kind(b"b"))
        f.write("c")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            f.write(kind(b"d"))
    assert m.wire.body("bkt", "k") == b"abcd"


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "wt"},
        {"mode": "w", "encoding": "utf-8"},
        {"mode": "w", "errors": "strict"},
        {"mode": "w", "newline": ""},
        {"mode": "w", "strict": True},
        {"mode": "w+"},
    ],
)
def test_R4_whoever_is_explicit_gets_the_builtins_error(options: Any, memory: Make) -> None:
    m = memory()
    with pytest.raises(TypeError) as ours, m.open("k", **options) as f:
        f.write(b"x")
    with pytest.raises(TypeError) as theirs:
        io.TextIOWrapper(io.BytesIO()).write(b"x")  # type: ignore[arg-type]
    assert str(ours.value) == str(theirs.value)
    assert m.wire.body("bkt", "k") is None


def test_R4_by_environment(memory: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3NB_STRICT_TEXT", "1")
    with pytest.raises(TypeError), memory().open("k", "w") as f:
        f.write(b"x")


def test_T1_text_is_utf8_and_the_locale_by_name(memory: Make) -> None:
    m = memory({"k": "ä€".encode()})
    assert m.open("k", "r").read() == "ä€"
    assert m.open("k", "r").encoding == "utf-8"
    assert m.open("k", "r", encoding="locale").encoding.lower() == locale.getencoding().lower()


def test_T1_the_encoding_warning_points_at_the_caller() -> None:
    code = (
        "import s3nb.files, warnings\n"
        "from s3nb import S3\nfrom s3nb.testing import MemoryWire\n"
        "c = S3(wire=MemoryWire({'bkt': {'k': b'x'}}))\n"
        "with warnings.catch_warnings(record=True) as w:\n"
        "    warnings.simplefilter('always')\n"
        "    s3nb.open('s3://bkt/k', client=c).close()\n"
        "    s3nb.open('s3://bkt/k', 'rb', client=c).close()\n"
        "print([(x.category.__name__, x.filename) for x in w])\nc.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[('EncodingWarning', '<string>')]"


def test_T2_errors_means_what_it_means(memory: Make) -> None:
    m = memory({"k": b"a\xffb"})
    with pytest.raises(UnicodeDecodeError):
        m.open("k", "r").read()
    assert m.open("k", "r", errors="replace").read() == "a\ufffdb"


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_T3_newlines_are_read_as_by_the_builtin(newline: str | None, memory: Make) -> None:
    blob = b"one\r\ntwo\rthree\nfour" * 3
    m = memory({"k": blob}, piece=4)  # \r\n straddles what comes at once
    theirs = io.TextIOWrapper(io.BytesIO(blob), "utf-8", newline=newline)
    with m.open("k", "r", newline=newline) as f:
        assert list(f) == list(theirs)
        assert f.newlines == theirs.newlines


def test_T3_a_newline_that_straddles_two_requests(memory: Make) -> None:
    blob = b"x" * (plan.OPENING - 1) + b"\r\n" + b"y"
    with memory({"k": blob}).open("k", "r") as f:
        assert len(f.readline()) == plan.OPENING
        assert f.readline() == "y"


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_T4_newlines_are_written_as_on_posix(newline: str | None, memory: Make) -> None:
    m = memory()
    with m.open("k", "w", newline=newline) as f:
        f.write("a\nb\r\n")
    end = newline or "\n"
    assert m.wire.body("bkt", "k") == "a\nb\r\n".replace("\n", end).encode()


def test_T5_a_cookie_leads_back(memory: Make) -> None:
    m = memory({"k": "äö\nüß\nend".encode("utf-16")})
    with m.open("k", "r", encoding="utf-16") as f:
        assert f.readline() == "äö\n"
        cookie = f.tell()
        rest = f.read()
        f.seek(cookie)
        assert f.read() == rest == "üß\nend"
        f.seek(0)
        next(f)
        with pytest.raises(OSError, match="telling position disabled"):
            f.tell()


def test_T6_what_a_text_file_has(memory: Make) -> None:
    m = memory({"k": b"a\nb\n"})
    f = m.open("k", "rt", encoding="latin-1", errors="replace")
    assert (f.name, f.mode, f.buffer.mode) == ("s3://bkt/k", "rt", "rb")
    assert (f.encoding, f.errors, f.line_buffering, f.newlines) == ("latin-1", "replace", False, None)
    f.reconfigure(encoding="utf-8")
    assert f.encoding == "utf-8"
    buffer = f.detach()
    assert buffer.read() == b"a\nb\n"
    buffer.close()


def test_T6_line_buffering(memory: Make) -> None:
    with memory().open("k", "w", buffering=1) as f:
        assert f.line_buffering
        f.write("x\n")
        assert f.buffer.tell() == 2


def test_T7_buffering_zero_reads_exactly_what_is_asked_for(memory: Make) -> None:
    m = memory({"k": bytes(range(256)) * 1024})
    with m.open("k", "rb", buffering=0) as f:
        f.seek(1000)
        assert len(f.read(10)) == 10
        f.seek(100_000)
        assert len(f.read(3)) == 3
    ranges = [dict(r.headers)["Range"] for r in m.wire.log]
    assert ranges == ["bytes=0-0", "bytes=1000-1009", "bytes=100000-100002"]


def test_T7_buffering_one_in_binary_warns_as_the_builtin(memory: Make) -> None:
    with pytest.warns(RuntimeWarning, match="line buffering"):
        memory({"k": b""}).open("k", "rb", buffering=1).close()


def test_T7_buffering_is_the_least_that_is_read(memory: Make) -> None:
    m = memory({"k": bytes(8 << 20)})
    with m.open("k", "rb", buffering=500_000) as f:
        f.seek(5 << 20)
        f.read(1)
    first, last = dict(m.wire.log[-1].headers)["Range"][6:].split("-")
    assert int(last) - int(first) + 1 == 500_000


def test_text_that_only_writes_tells_its_size(memory: Make) -> None:
    with memory().open("k", "w") as f:
        f.write("äb")
        assert f.tell() == 3


def test_an_append_writes_no_second_byte_order_mark(memory: Make) -> None:
    m = memory()
    for _ in range(2):
        with m.open("k", "a", encoding="utf-16") as f:
            f.write("x")
    body = m.wire.body("bkt", "k")
    assert body is not None
    assert body.decode("utf-16") == "xx"
    assert len(body) == 6


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_T2_a_byte_order_mark_is_written_once_and_where_builtin_writes_it(
    encoding: str, compression: str | None, memory: Make
) -> None:
    m = memory()
    with m.open("key", "w", encoding=encoding, compression=compression) as f:
        f.write("a")
        f.write("ä")
    with m.open("key", "rb", compression=compression) as f:
        assert f.read() == "aä".encode(encoding)
    if compression is None:
        with m.open("key", "a", encoding=encoding) as f:
            f.write("b")
        assert m.wire.body("bkt", "key") == "aäb".encode(encoding)


def test_T2_a_codec_that_only_decodes_is_enough_to_read(memory: Make) -> None:
    def find(name: str) -> codecs.CodecInfo | None:
        latin = codecs.lookup("latin-1")
        if name != "only_decodes":
            return None
        return codecs.CodecInfo(latin.encode, latin.decode, None, None, None, latin.incrementaldecoder, name)  # type: ignore[arg-type]

    codecs.register(find)
    try:
        with memory({"key": b"\xe4"}).open("key", "r", encoding="only_decodes") as f:
            assert f.read() == "ä"
    finally:
        codecs.unregister(find)
