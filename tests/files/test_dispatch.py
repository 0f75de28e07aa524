"""D1 to D10: what counts as S3, and what is refused before any request. The numbers are in docs/files.md."""

from __future__ import annotations

import gc
import io
import os
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import s3nb
from s3nb import S3, IsADirectory, open
from s3nb.files import address as addresses
from s3nb.files import opening
from s3nb.testing import MemoryWire

from .conftest import Memory

Make = Callable[..., Memory]


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n", "S3", "S3A"])
def test_D1_the_three_schemes_in_any_case_are_S3(scheme: str, memory: Make) -> None:
    m = memory({"k": b"x"})
    with open(f"{scheme}://bkt/k", "rb", client=m.client) as f:
        assert f.read() == b"x"


def test_D1_everything_else_goes_to_the_builtin_with_all_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    answer = object()

    def builtin(*args: Any) -> object:
        seen.append(args)
        return answer

    monkeypatch.setattr(opening.builtins, "open", builtin)
    opener = os.open
    for name in ["a/b", "s3:/b/k", b"s3://b/k", 7, Path("x"), "http://x", "c:\\x"]:
        assert open(name, "rt", 5, "latin-1", "replace", "\n", False, opener) is answer
        assert seen[-1] == (name, "rt", 5, "latin-1", "replace", "\n", False, opener)


def test_D1_a_local_file_is_the_builtins_own(tmp_path: Path) -> None:
    with open(tmp_path / "f", "w") as f:
        assert type(f) is io.TextIOWrapper
        with pytest.raises(TypeError, match="write"):  # R5
            f.write(b"bytes")


def test_D1_what_only_objects_have_is_refused_for_local_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="version_id"):
        open(tmp_path / "f", "rb", version_id="v")
    with pytest.raises(ValueError, match="commit"):
        open(tmp_path / "f", "wb", commit="explicit")
    assert not (tmp_path / "f").exists()


def test_D2_file_urls_are_local(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("x")
    with open((tmp_path / "a b").as_uri()) as f:
        assert f.read() == "x"
    with open(f"file://localhost{tmp_path}/a%20b") as f:
        assert f.read() == "x"
    with pytest.raises(ValueError, match="elsewhere"):
        open("file://elsewhere/x")


class Pathlike:
    def __init__(self, text: str) -> None:
        self.text = text

    def __fspath__(self) -> str:
        return self.text


def test_D3_paths_whose_text_is_an_s3_url_are_S3(memory: Make) -> None:
    m = memory({"a/k": b"x"})
    for path in [Pathlike("s3://bkt/a/k"), pathlib.Path("s3://bkt/a/k"), pathlib.PurePosixPath("s3://bkt/a/k")]:
        with open(path, "rb", client=m.client) as f:
            assert f.read() == b"x"
            assert f.name == "s3://bkt/a/k"


class Own:
    """An object that opens itself, as pathlib-abc has it."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def __open_reader__(self) -> io.BytesIO:
        return io.BytesIO("grün".encode())

    def __open_writer__(self, mode: str) -> io.BytesIO:
        self.mode = mode
        return self.written


def test_D4_objects_that_open_themselves_are_asked() -> None:
    own = Own()
    assert open(own, "r").read() == "grün"
    assert open(own, "rb").read() == "grün".encode()
    with open(own, "ab") as f:
        assert f is own.written
    assert own.mode == "a"
    with pytest.raises(ValueError, match="not for both"):
        open(own, "r+")


@pytest.mark.parametrize("key", ["a%20b", "a#b", "a?b", "a+b", "a b", "a//b", "./a/../b", "ä", "a\tb", "a?versionId="])
def test_D5_keys_are_literal(key: str, memory: Make) -> None:
    m = memory()
    with m.open(key, "wb") as f:
        f.write(b"1")
    assert m.wire.body("bkt", key) == b"1"
    with m.open(key, "rb") as f:
        assert f.read() == b"1"


def test_D6_a_version_by_keyword_or_in_the_url(memory: Make) -> None:
    m = memory(versioned=True)
    first = m.wire.store("bkt", "k", b"old")
    m.wire.store("bkt", "k", b"new")
    m.wire.store("bkt", "k?versionId=zz", b"odd")
    assert m.open("k").read() == b"new"
    assert m.open("k", version_id=first.version_id).read() == b"old"
    assert m.open(f"k?versionId={first.version_id}").read() == b"old"
    assert m.open("k?versionId=zz", literal=True).read() == b"odd"
    with pytest.raises(ValueError, match="two versions"):
        m.open(f"k?versionId={first.version_id}", version_id="other")


def test_D6_a_path_that_has_bucket_and_key_is_taken_literally(memory: Make) -> None:
    path = Pathlike("s3://bkt/k?versionId=zz")
    path.bucket, path.key = "bkt", "k?versionId=zz"  # type: ignore[attr-defined]
    m = memory({"k?versionId=zz": b"odd"})
    with open(path, "rb", client=m.client) as f:
        assert f.read() == b"odd"


@pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "a", "x", "r+", "w+b"])
@pytest.mark.parametrize("url", ["s3://bkt", "s3://bkt/", "s3://bkt/dir/", "s3://bkt/a//"])
def test_D7_names_of_directories_are_refused(url: str, mode: str, memory: Make) -> None:
    m = memory({"dir/x": b"1"})
    with pytest.raises(IsADirectoryError) as caught:
        open(url, mode, client=m.client)
    assert isinstance(caught.value, IsADirectory)
    assert caught.value.filename == url
    assert not m.wire.requests("PutObject")


def test_D7_a_marker_can_be_opened_literally(memory: Make) -> None:
    m = memory({"dir/": b""})
    with m.open("dir/", "rb", literal=True) as f:
        assert f.read() == b""


def test_D7_no_bucket_at_all(memory: Make) -> None:
    with pytest.raises(ValueError, match="bucket"):
        open("s3://", "rb", client=memory().client)


def test_D7_a_slash_after_an_object_is_not_a_directory(memory: Make) -> None:
    m = memory({"file": b"1"})
    with pytest.raises(NotADirectoryError):
        m.open("file/", "rb")


def test_D8_a_prefix_is_a_directory_at_the_cost_of_one_listing(memory: Make) -> None:
    m = memory({"dir/x": b"1"})
    with pytest.raises(IsADirectoryError) as caught:
        m.open("dir", "rb")
    assert caught.value.filename == "s3://bkt/dir"
    assert [r.operation for r in m.wire.log] == ["GetObject", "ListObjectsV2"]
    assert ("max-keys", "1") in m.wire.log[1].query
    with pytest.raises(FileNotFoundError):
        m.open("di", "rb")


def test_D9_descriptors_have_no_place_here(memory: Make) -> None:
    m = memory({"k": b""})
    with pytest.raises(ValueError, match="closefd"):
        m.open("k", closefd=False)
    with pytest.raises(ValueError, match="opener"):
        m.open("k", opener=os.open)
    assert m.wire.log == []


BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    *(({"mode": mode}, ValueError) for mode in ["", "rw", "rbt", "z", "rr", "b", "+", "U", "rU", "r+w", "++r", "wbb"]),
    ({"mode": None}, TypeError),
    ({"mode": 3}, TypeError),
    ({"mode": "rb", "encoding": "utf-8"}, ValueError),
    ({"mode": "rb", "errors": "strict"}, ValueError),
    ({"mode": "rb", "newline": ""}, ValueError),
    ({"mode": "r", "buffering": 0}, ValueError),
    ({"mode": "r", "buffering": "x"}, TypeError),
    ({"mode": "r", "encoding": "no-such-thing"}, LookupError),
    ({"mode": "r", "encoding": 3}, TypeError),
    ({"mode": "r", "newline": "x"}, ValueError),
    ({"mode": "r", "newline": 3}, TypeError),
    ({"mode": "w", "version_id": "v"}, ValueError),
    ({"mode": "r", "if_match": "current"}, ValueError),
    ({"mode": "x", "if_match": "e"}, ValueError),
    ({"mode": "rb", "access": "fast"}, ValueError),
    ({"mode": "rb", "on_change": "x"}, ValueError),
    ({"mode": "wb", "on_error": "x"}, ValueError),
    ({"mode": "wb", "commit": "x"}, ValueError),
    ({"mode": "rb", "compression": "rar"}, ValueError),
    ({"mode": "r+b", "compression": "gzip"}, ValueError),
    ({"mode": "wb", "compression_level": 3}, ValueError),
    ({"mode": "wb", "decode_content": True}, ValueError),
    ({"mode": "wb", "part_size": 1}, ValueError),
    ({"mode": "wb", "metadata": {"a": "x\ny"}}, TypeError),
    ({"mode": "wb", "content_type": 3}, TypeError),
    ({"mode": "rb", "profile": "p"}, TypeError),  # client= has its own
    ({"mode": "rb", "nonsense": 1}, TypeError),
]


@pytest.mark.parametrize(("arguments", "kind"), BAD, ids=lambda v: str(v))
def test_D10_bad_arguments_are_errors_before_any_request(
    arguments: dict[str, Any], kind: type[Exception], memory: Make
) -> None:
    m = memory({"k": b""})
    with pytest.raises(kind):
        open("s3://bkt/k", client=m.client, **arguments)
    assert m.wire.log == []


def test_D10_missing_credentials_are_an_error_before_any_request() -> None:
    with S3(endpoint_url="http://127.0.0.1:9") as client:
        for mode in ["rb", "wb", "x", "a", "r+"]:
            with pytest.raises(s3nb.CredentialsError):
                open("s3://bkt/k", mode, client=client)


def test_D10_a_boto3_client_is_no_client(memory: Make) -> None:
    with pytest.raises(TypeError, match=r"s3nb\.S3"):
        open("s3://bkt/k", client=object())  # type: ignore[arg-type]


def test_key_too_long(memory: Make) -> None:
    import errno

    with pytest.raises(OSError) as caught:
        memory().open("k" * 1025, "rb")
    assert caught.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize(
    "mode", ["r", "rt", "tr", "rb", "br", "r+", "+r", "rb+", "r+b", "b+r", "w", "wt+", "x+b", "ab+"]
)
def test_modes_in_any_order(mode: str) -> None:
    found = addresses.mode_of(mode)
    assert found.kind in mode
    assert found.plus == ("+" in mode)
    assert found.binary == ("b" in mode)


@pytest.mark.parametrize("mode", ["rb", "wb", "w+b"])
def test_a_client_that_only_the_file_knows_lives_as_long_as_it(mode: str, tmp_path: Path) -> None:
    wire = MemoryWire({"bkt": {"k": bytes(3_000_000)}})
    with open("s3://bkt/k", mode, client=S3(tmp_path, wire=wire)) as f:
        gc.collect()
        if mode == "rb":
            assert len(f.read()) == 3_000_000
        else:
            f.write(b"new")
    assert wire.body("bkt", "k") == (bytes(3_000_000) if mode == "rb" else b"new")
