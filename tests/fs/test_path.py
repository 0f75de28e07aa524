"""`S3Path`: taken apart as `pathlib` does, key for key; and used as one."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import s3nb
from s3nb import S3, S3Path, fs
from s3nb.testing import MemoryWire

from .conftest import Counted, Place

NAMES = st.lists(
    st.text("ab.-é x", min_size=1, max_size=6).filter(lambda n: n not in (".", "..")), min_size=1, max_size=4
)


# -- pure -----------------------------------------------------------------------------------------------


@given(NAMES)
def test_usual_names_are_taken_apart_as_pathlib_does(names: list[str]) -> None:
    ours, theirs = S3Path("bucket", "/".join(names)), PurePosixPath("/", *names)
    assert ours.name == theirs.name
    assert (ours.suffixes, ours.parts[1:]) == (theirs.suffixes, theirs.parts[1:])
    if not ours.name.endswith("."):  # Python 3.14 has changed its mind about those
        assert (ours.stem, ours.suffix) == (theirs.stem, theirs.suffix)
    assert [p.key for p in ours.parents] == [str(p)[1:] for p in theirs.parents]
    assert ours.with_name("new").key == str(theirs.with_name("new"))[1:]
    assert (ours / "x").key == str(theirs / "x")[1:]
    assert ours.relative_to("s3://bucket") == theirs.relative_to("/")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_keys_are_literal_and_joining_undoes_taking_apart(key: str) -> None:
    path = S3Path("bucket", key)
    assert (path.key, str(path), os.fspath(path)) == (key, f"s3://bucket/{key}", f"s3://bucket/{key}")
    if path.name and not key.endswith("/"):
        assert path.parent / path.name == path
    assert pickle.loads(pickle.dumps(path)) == path
    assert S3Path(f"s3://bucket/{key}") == path


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (S3Path("s3://bucket/a") / "b" / "c", "a/b/c"),
        (S3Path("s3://bucket", "a", "b"), "a/b"),
        (S3Path("bucket", "a", "b"), "a/b"),
        (S3Path("S3N://bucket/a"), "a"),
        (S3Path("s3://bucket/a/") / "b", "a/b"),
        (S3Path("s3://bucket/a") / "../b", "a/../b"),
        (S3Path("s3://bucket/a") / "/b", "a//b"),
        (S3Path("s3://bucket/a").joinpath("b", PurePath("c/d")), "a/b/c/d"),
        (S3Path("s3://other/a") / "s3://bucket/z", "z"),
        (S3Path("s3://other/a") / S3Path("s3://bucket/z"), "z"),
        ("anything" / S3Path("s3://bucket/z"), "z"),
        (S3Path(PurePath("s3://bucket/z/y")), "z/y"),
        (S3Path("bucket"), ""),
        (S3Path("s3://bucket/k?versionId=zz"), "k?versionId=zz"),
        (S3Path("s3://bucket/a.tar.gz").with_suffix(".zip"), "a.tar.zip"),
        (S3Path("s3://bucket/a.tar.gz").with_suffix(""), "a.tar"),
        (S3Path("s3://bucket/d/a.gz").with_stem("b"), "d/b.gz"),
        (S3Path("s3://bucket/d/").with_name("e"), "e"),
        (S3Path("s3://bucket/a//b").parent, "a//"),
    ],
)
def test_paths_are_joined_and_changed_to_the_letter(made: S3Path, key: str) -> None:
    assert (made.bucket, made.key) == ("bucket", key)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: S3Path(), TypeError),
        (lambda: S3Path("local/file"), s3nb.InvalidURL),
        (lambda: S3Path(Path("local")), TypeError),
        (lambda: S3Path("s3://"), s3nb.InvalidURL),
        (lambda: S3Path("bucket", 7), TypeError),
        (lambda: S3Path("bucket", "a") / 7, TypeError),
        (lambda: S3Path("bucket", "k" * 1025).open("rb"), s3nb.InvalidURL),
        (lambda: S3Path("bucket", "a").with_name("b/c"), ValueError),
        (lambda: S3Path("bucket").with_name("b"), ValueError),
        (lambda: S3Path("bucket", "a").with_suffix("b"), ValueError),
        (lambda: S3Path("bucket", "a").relative_to("s3://bucket/b"), ValueError),
        (lambda: S3Path("bucket", "a/../b").relative_to("s3://bucket"), s3nb.UnsafeKey),
        (lambda: S3Path("bucket", "a//b").relative_to("s3://bucket"), s3nb.UnsafeKey),
        (lambda: list(S3Path("bucket", "a").glob("")), ValueError),
        (lambda: S3Path("bucket", "a").match(""), ValueError),
    ],
)
def test_what_is_no_path_is_refused_before_any_request(make: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        make()


def test_paths_are_values() -> None:
    one, two = S3Path("bucket", "a"), S3Path("s3://bucket/a")
    assert one == two
    assert len({one, two, one.with_version("v")}) == 2
    assert sorted([S3Path("b2", "a"), S3Path("bucket", "b"), one]) == [S3Path("b2", "a"), one, S3Path("bucket", "b")]
    assert one != "s3://bucket/a"
    assert repr(one.with_version("v")) == "S3Path('s3://bucket/a', version_id='v')"
    assert repr(S3Path("bucket", "\x1b[31m")) == r"S3Path('s3://bucket/\x1b[31m')"
    assert (one.drive, one.root, one.anchor, one.as_uri()) == ("s3://bucket", "/", "s3://bucket/", "s3://bucket/a")


@pytest.mark.parametrize(
    ("key", "pattern", "last", "whole"),
    [
        ("a/b.py", "*.py", True, False),
        ("a/b.py", "a/*.py", True, True),
        ("x/a/b.py", "a/*.py", True, False),
        ("x/a/b.py", "**/*.py", True, True),
        ("a/.b.py", "*/*.py", True, True),
        ("a/b.py", "s3://bucket/a/*", True, True),
        ("a/b.py", "s3://other/a/*", False, False),
        ("a/b.PY", "*.py", False, False),
    ],
)
def test_match_and_full_match(key: str, pattern: str, last: bool, whole: bool) -> None:
    path = S3Path("bucket", key)
    assert (path.match(pattern), path.full_match(pattern)) == (last, whole)
    assert not key.endswith("PY") or path.match(pattern, case_sensitive=False)


# -- used -----------------------------------------------------------------------------------------------


@pytest.fixture
def top(tree: Place) -> S3Path:
    return S3Path(tree.at(), client=tree.client)


def test_files_are_read_and_written(top: S3Path) -> None:
    path = top / "new" / "file.txt"
    assert path.write_text("grün\n") == 5
    assert path.read_text() == "grün\n"
    assert path.write_bytes(memoryview(b"12345678").cast("i")) == 8
    assert path.read_bytes() == b"12345678"
    with path.open("w", encoding="latin-1") as file:
        file.write("ü")
    assert path.read_bytes() == b"\xfc"
    assert path.__open_reader__().read() == b"\xfc"
    with s3nb.open(path) as file:  # by itself: with the client of the path
        assert isinstance(file, io.TextIOWrapper)
    with pytest.raises(FileNotFoundError):
        (top / "nothing").read_bytes()
    with pytest.raises(IsADirectoryError):
        (top / "a").read_bytes()


def test_the_tree_is_looked_at(top: S3Path) -> None:
    assert [p.key for p in top.iterdir()] == ["a", "both", "marker", "sl"]
    assert (top / "a").is_dir()
    assert (top / "a" / "f").is_file()
    assert not (top / "nothing").exists()
    assert (top / "a" / "f").stat().st_size == 1
    assert [p.key for p in top.glob("a/*")] == ["a/f", "a/sub"]
    assert [p.key for p in top.rglob("[fgx]")] == ["a/f", "a/sub/g", "both/x"]
    assert [(p.key, d, f) for p, d, f in (top / "a").walk()] == [("a", ["sub"], ["f"]), ("a/sub", [], ["g"])]
    assert [p.key for p in top.glob("B*", case_sensitive=False)] == ["both"]
    assert (top / "a").samefile(top / "a/")


def test_paths_of_a_listing_know_what_they_are(memory: Counted) -> None:
    found = list(S3Path(memory.at("a"), client=memory.client).iterdir())
    memory.wire.log.clear()
    assert [(p.name, p.info.is_file(), p.info.is_dir(), p.info.exists()) for p in found] == [
        ("f", True, False, True),
        ("sub", False, True, True),
    ]
    assert memory.wire.log == []


def test_the_tree_is_changed(top: S3Path) -> None:
    (top / "d").mkdir()
    with pytest.raises(FileExistsError):
        (top / "d").mkdir()
    (top / "d").mkdir(exist_ok=True)
    (top / "x" / "y").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        (top / "no" / "parent").mkdir(exist_ok=True)
    (top / "d").rmdir()
    (top / "t").touch()
    with pytest.raises(FileExistsError):
        (top / "t").touch(exist_ok=False)
    assert (top / "t").rename(top / "u") == top / "u"
    (top / "u").unlink()
    (top / "u").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (top / "u").unlink()
    assert (top / "a").rename(top / "z") == top / "z"
    assert (top / "z" / "sub" / "g").read_bytes() == b"gg"


def test_copies_and_moves_go_to_the_very_name(top: S3Path, tmp_path: Path) -> None:
    file = top / "a" / "f"
    assert file.copy(top / "c") == top / "c"
    assert file.copy_into(top / "marker") == top / "marker" / "f"
    with pytest.raises(IsADirectoryError):
        file.copy(top / "marker")
    assert file.copy(tmp_path / "f", preserve_metadata=True) == tmp_path / "f"
    assert (tmp_path / "f").stat().st_mtime == file.stat().st_mtime
    with pytest.raises(IsADirectoryError):
        file.copy(tmp_path)
    assert (top / "a").copy(tmp_path / "tree") == tmp_path / "tree"
    assert (tmp_path / "tree" / "sub" / "g").read_bytes() == b"gg"
    assert (top / "a").copy(top / "b") == top / "b"
    assert (top / "b" / "sub").move_into(tmp_path) == tmp_path / "sub"
    assert not (top / "b" / "sub").exists()
    assert (top / "c").move(top / "e") == top / "e"
    assert (top / "e").move_into(top / "marker").read_bytes() == b"f"
    with pytest.raises(IsADirectoryError):
        file.move(tmp_path)


def test_a_version_is_named_by_the_path(tmp_path: Path) -> None:
    wire = MemoryWire({"bucket": {}}, versioned=True)
    with S3(tmproot=tmp_path, wire=wire) as client:
        old = wire.store("bucket", "k", b"old").version_id
        wire.store("bucket", "k", b"new")
        path = S3Path("bucket", "k", version_id=old, client=client)
        assert path.read_bytes() == b"old"
        assert path.stat().st_size == 3
        assert (path.parent / "k").read_bytes() == b"new"
        path.copy(path.with_version(None))
        assert S3Path("s3://bucket/k", client=client).read_bytes() == b"old"
        path.unlink()
        assert not path.exists()
        assert client.get(S3Path("bucket", "k")).blob == b"old"


def test_paths_are_taken_wherever_a_key_or_path_is(tree: Place, tmp_path: Path) -> None:
    top, client = S3Path(tree.at()), tree.client
    assert client.put(top / "p?versionId=x", b"1") == str(top / "p?versionId=x")
    assert client.get(top / "p?versionId=x").blob == b"1"
    assert [o.blob for o in client.get_many([top / "a/f", tree.at("both")])] == [b"f", b"file"]
    client.put_many([(top / "q", b"2")])
    client.copy(top / "q", top / "r")
    assert [o.object_key for o in client.list_paths([top / "a"])] == ["a/f", "a/sub/"]
    assert client.info(top / "r").size == 1
    client.delete(top / "r")
    assert not client.exists(top / "r")
    rooted = S3(tmproot=tmp_path, wire=MemoryWire({"bucket": {}}), s3root="s3://bucket/root")
    with rooted, pytest.raises(s3nb.InvalidURL, match="with a root"):
        rooted.get(S3Path("bucket", "root/k"))
    assert fs.listdir(S3Path(tree.at("a"), client=client)) == ["f", "sub"]
    assert fs.join(top, "x") == tree.at("x")
