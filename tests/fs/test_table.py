"""The truth table of `docs/paths.md`: what a file system and S3 do not agree on, and what is answered; on both servers."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from s3nb import AccessDenied, S3Error, fs
from s3nb.testing import Fault

from .conftest import Counted, Place


def test_what_is_file_and_directory_is_both(tree: Place) -> None:
    both = tree.at("both")
    assert fs.isfile(both, client=tree.client)
    assert fs.isdir(both, client=tree.client)
    assert fs.stat(both, client=tree.client).st_size == 4
    assert fs.listdir(both, client=tree.client) == ["x"]


def test_a_slash_after_a_file_names_no_file(tree: Place) -> None:
    slashed = tree.at("a/f/")
    assert not fs.isfile(slashed, client=tree.client)
    assert not fs.isdir(slashed, client=tree.client)
    assert not fs.exists(slashed, client=tree.client)
    for ask in (fs.stat, fs.listdir):
        with pytest.raises(NotADirectoryError):
            ask(slashed, client=tree.client)


def test_a_marker_is_an_empty_directory(tree: Place) -> None:
    for name in ("marker", "marker/"):
        assert fs.isdir(tree.at(name), client=tree.client)
        assert fs.exists(tree.at(name), client=tree.client)
        assert not fs.isfile(tree.at(name), client=tree.client)
        assert fs.listdir(tree.at(name), client=tree.client) == []


def test_listdir_of_a_file_and_of_nothing(tree: Place) -> None:
    with pytest.raises(NotADirectoryError) as caught:
        fs.listdir(tree.at("a/f"), client=tree.client)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOTDIR, tree.at("a/f"))
    for listing in (fs.listdir, fs.scandir):
        with pytest.raises(FileNotFoundError) as missing:
            listing(tree.at("nothing"), client=tree.client)
        assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, tree.at("nothing"))
        assert isinstance(missing.value, S3Error)


def test_a_bucket_is_a_directory_and_a_missing_one_is_nothing(tree: Place) -> None:
    assert fs.isdir(tree.at(), client=tree.client)
    assert fs.isdir(tree.at().removesuffix("/"), client=tree.client)
    assert not fs.isdir("s3://no-such-bucket-here", client=tree.client)
    assert not fs.exists("s3://no-such-bucket-here/k", client=tree.client)
    with pytest.raises(FileNotFoundError) as caught:
        fs.listdir("s3://no-such-bucket-here", client=tree.client)
    assert caught.value.code == "NoSuchBucket"  # type: ignore[attr-defined]


def test_mkdir_makes_what_isdir_finds(tree: Place) -> None:
    fs.mkdir(tree.at("new"), client=tree.client)
    assert fs.isdir(tree.at("new"), client=tree.client)
    assert fs.listdir(tree.at("new"), client=tree.client) == []
    info = tree.client.info(tree.at("new/"))
    assert (info.size, info.content_type) == (0, "application/x-directory")


def test_a_missing_key_cannot_be_removed(tree: Place) -> None:
    with pytest.raises(FileNotFoundError):
        fs.remove(tree.at("nothing"), client=tree.client)


def test_a_directory_is_not_removed_as_a_file(tree: Place) -> None:
    for name in ("a", "a/", "marker/"):
        with pytest.raises(IsADirectoryError):
            fs.remove(tree.at(name), client=tree.client)
    assert tree.body("a/f") == b"f"


def test_the_root_names_each_once_and_scandir_tells_file_and_directory_apart(tree: Place) -> None:
    assert fs.listdir(tree.at(), client=tree.client) == ["a", "both", "marker", "sl"]
    with fs.scandir(tree.at(), client=tree.client) as entries:
        seen = [(e.name, e.is_dir(), e.is_file()) for e in entries]
    assert seen == [
        ("a", True, False), ("both", False, True), ("both", True, False), ("marker", True, False), ("sl", True, False),
    ]  # fmt: skip


def test_a_key_with_an_empty_name_is_hidden_from_listdir_and_reached_by_itself(tree: Place) -> None:
    assert fs.listdir(tree.at("sl"), client=tree.client) == []
    assert fs.isfile(tree.at("sl//x"), client=tree.client)
    assert tree.at("sl//x") in list(fs.find(tree.at("sl"), client=tree.client))
    assert fs.listdir(tree.at("sl//"), client=tree.client) == ["x"]


@pytest.mark.parametrize("name", ["..", "."])
def test_names_that_would_climb_are_hidden_from_listdir_and_reached_by_themselves(memory: Counted, name: str) -> None:
    memory.put(f"up/{name}/secret", b"s")
    memory.put("up/fine")
    assert fs.listdir(memory.at("up"), client=memory.client) == ["fine"]
    assert list(fs.walk(memory.at("up"), client=memory.client)) == [(memory.at("up"), [], ["fine"])]
    assert list(fs.walk(memory.at("up"), False, client=memory.client)) == [(memory.at("up"), [], ["fine"])]
    assert memory.at(f"up/{name}/secret") in list(fs.find(memory.at("up"), client=memory.client))


KEYS = [
    "sp ace",
    "pct%20",
    "q?mark=1",
    "hash#x",
    "plus+",
    "umläut-日本",
    "a\\b",
    "[x]*",
    "t\tab",
    "?versionId=zz",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_literal(tree: Place, key: str) -> None:
    url = tree.put(f"lit/{key}", b"1")
    assert fs.isfile(url, client=tree.client)
    assert fs.listdir(tree.at("lit"), client=tree.client) == [key]
    fs.rename(url, url + "2", client=tree.client)
    assert fs.listdir(tree.at("lit"), client=tree.client) == [key + "2"]
    fs.remove(url + "2", client=tree.client)
    assert not fs.exists(tree.at("lit"), client=tree.client)


@pytest.mark.parametrize("ask", [fs.isfile, fs.isdir, fs.exists])
def test_where_s3_refuses_to_say_nobody_is_told_that_nothing_is_there(memory: Counted, ask: Any) -> None:
    memory.wire.faults.append(Fault(status=403, code="AccessDenied", times=None))
    with pytest.raises(AccessDenied) as caught:
        ask(memory.at("secret"), client=memory.client)
    assert (caught.value.errno, caught.value.status, caught.value.code) == (errno.EACCES, 403, "AccessDenied")
    assert caught.value.request_id == "INJECTED"
    assert not ask(memory.at("secret"), client=memory.client, on_forbidden="missing")
    with pytest.raises(ValueError, match="on_forbidden"):
        ask(memory.at("secret"), client=memory.client, on_forbidden="maybe")


def test_exists_believes_the_half_that_it_may_see(memory: Counted) -> None:
    memory.wire.faults.append(Fault(operation="HeadObject", status=403, code="AccessDenied", times=None))
    assert fs.exists(memory.at("a"), client=memory.client)
    with pytest.raises(AccessDenied):
        fs.exists(memory.at("a/f"), client=memory.client)
