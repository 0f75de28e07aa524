"""Directory functions, line by line (L1 to L9 of the specification), with the requests that they make."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat as modes
import threading
from pathlib import Path
from typing import Any

import pytest

import s3nb
from s3nb import S3, BulkError, ObjectChanged, fs
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer import listing
from s3nb.wire import Request

from .conftest import Counted, Place

# -- L1 -------------------------------------------------------------------------------------------------


def test_L1_listdir_gives_bare_names_by_key_over_all_pages(memory: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_WAITS", ((2, 1e9),))  # not cut, however busy this machine is
    names = [f"{n:05d}" for n in range(2500)]
    for name in names:
        memory.wire.store("bucket", f"many/{name}", b"")
    memory.wire.store("bucket", "many/", b"")
    memory.wire.store("bucket", "many/sub/x", b"")
    assert memory.asked(fs.listdir, memory.at("many/")) == ["ListObjectsV2"] * 3
    assert fs.listdir(memory.at("many"), client=memory.client) == [*names, "sub"]


def test_L1_the_example_of_the_old_library_works_with_a_slash_at_the_end(tree: Place) -> None:
    seen = []

    def recursive(dirname: str) -> None:
        for filename in fs.listdir(dirname, client=tree.client):
            path = dirname + filename
            if fs.isdir(path, client=tree.client):
                recursive(path + "/")
            else:
                seen.append(path)

    assert fs.path_exists(tree.at("a/"), client=tree.client)
    recursive(tree.at("a/"))
    assert seen == [tree.at("a/f"), tree.at("a/sub/g")]


def test_L1_listdir_of_the_service_names_the_buckets(tree: Place) -> None:
    assert tree.bucket in fs.listdir("s3://", client=tree.client)
    assert fs.isdir("s3://", client=tree.client)


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("s3://b", "x"), "s3://b/x"),
        (("s3://b/", "x"), "s3://b/x"),
        (("s3://b/d", "x", "y.txt"), "s3://b/d/x/y.txt"),
        (("s3://b/d/", "x"), "s3://b/d/x"),
        (("s3://b/d", ""), "s3://b/d/"),
        (("s3://b/d", "/x"), "s3://b/d//x"),
        (("s3://b/d", "../x"), "s3://b/d/../x"),
        (("s3://b/d", "s3://bucket/e", "x"), "s3://bucket/e/x"),
        (("local", "x"), os.path.join("local", "x")),
        (("local", "s3://b/d", "x"), "s3://b/d/x"),
        (("local", "/x"), "/x"),
    ],
)
def test_L1_join_puts_a_slash_where_there_is_none(parts: tuple[str, ...], joined: str) -> None:
    parts = tuple(p.replace("s3://b/", "s3://bucket/") if p != "s3://b" else "s3://bucket" for p in parts)
    joined = joined.replace("s3://b/", "s3://bucket/")
    assert fs.join(*parts) == joined


# -- L2, L3 -----------------------------------------------------------------------------------------------


def test_L2_isdir_asks_for_one_key(memory: Counted) -> None:
    assert memory.asked(fs.isdir, memory.at("a")) == ["ListObjectsV2"]
    assert (memory.query()["max-keys"], memory.query()["prefix"]) == ("1", "a/")


def test_L3_isfile_is_one_head_and_none_for_a_name_that_no_file_has(memory: Counted) -> None:
    assert memory.asked(fs.isfile, memory.at("a/f")) == ["HeadObject"]
    assert memory.asked(fs.isfile, memory.at("a/")) == []
    assert memory.asked(fs.isfile, memory.at()) == []


def test_L3_exists_sends_head_and_list_together(memory: Counted) -> None:
    memory.wire.gate = threading.Event()
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(fs.exists(memory.at("a"), client=memory.client)))
    asking.start()
    while len(memory.wire.log) < 2:  # both are on their way before either is answered
        assert asking.is_alive()
    memory.wire.gate.set()
    asking.join(5)
    assert answers == [True]
    assert sorted(r.operation for r in memory.wire.log) == ["HeadObject", "ListObjectsV2"]


def test_L3_exists_takes_the_first_positive_answer(memory: Counted) -> None:
    never = threading.Event()
    memory.wire.faults.append(Fault(operation="ListObjectsV2", hold=never))
    assert fs.exists(memory.at("a/f"), client=memory.client)
    never.set()


def test_L3_exists_needs_no_head_for_a_directory_name(memory: Counted) -> None:
    assert memory.asked(fs.exists, memory.at("a/")) == ["ListObjectsV2"]


# -- L4 ---------------------------------------------------------------------------------------------------


def test_L4_scandir_entries_answer_without_requests(memory: Counted) -> None:
    entries = list(fs.scandir(memory.at("a"), client=memory.client))
    memory.wire.log.clear()
    file, folder = entries
    assert (file.name, file.path, os.fspath(file)) == ("f", memory.at("a/f"), memory.at("a/f"))
    assert file.is_file()
    assert not file.is_dir()
    assert not file.is_symlink()
    assert folder.is_dir()
    assert not folder.is_file()
    facts = file.stat()
    assert (facts.st_size, facts.st_mtime) == (1, 1_767_225_600.0)
    assert modes.S_ISREG(facts.st_mode)
    assert modes.S_IMODE(facts.st_mode) == 0o644
    assert modes.S_ISDIR(folder.stat().st_mode)
    assert modes.S_IMODE(folder.stat().st_mode) == 0o755
    assert facts.etag
    assert facts.storage_class == "STANDARD"
    assert file.inode() != folder.inode()
    assert memory.wire.log == []


def test_L4_stat_has_the_fields_of_os_stat_result(tree: Place) -> None:
    facts = fs.stat(tree.at("a/f"), client=tree.client)
    same = os.stat(__file__)
    for name in ("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size", "st_atime", "st_mtime",
                 "st_ctime", "st_mtime_ns"):  # fmt: skip
        assert isinstance(getattr(facts, name), type(getattr(same, name))), name
    assert facts[modes.ST_SIZE] == facts.st_size == 1
    assert len(facts) == 10
    assert facts.etag == tree.client.info(tree.at("a/f")).etag
    assert os.path.samestat(facts, fs.stat(tree.at("a/f"), client=tree.client))
    assert not os.path.samestat(facts, fs.stat(tree.at("a/sub/g"), client=tree.client))


def test_L4_stat_asks_once_for_a_file_and_once_more_for_a_directory(memory: Counted) -> None:
    assert memory.asked(fs.stat, memory.at("a/f")) == ["HeadObject"]
    assert memory.asked(fs.stat, memory.at("a")) == ["HeadObject", "ListObjectsV2"]
    assert memory.asked(fs.stat, memory.at("a/")) == ["ListObjectsV2"]
    with pytest.raises(FileNotFoundError):
        fs.stat(memory.at("nothing"), client=memory.client)


def test_L4_a_version_is_a_file_of_its_own(tmp_path: Path) -> None:
    wire = MemoryWire({"bucket": {}}, versioned=True)
    with S3(tmproot=tmp_path, wire=wire) as client:
        old = wire.store("bucket", "k", b"1").version_id
        wire.store("bucket", "k", b"22")
        assert fs.stat("s3://bucket/k", client=client).st_size == 2
        assert fs.stat("s3://bucket/k", client=client, version_id=old).st_size == 1
        fs.copy("s3://bucket/k", "s3://bucket/old", client=client, version_id=old)
        assert client.get("s3://bucket/old").blob == b"1"
        with pytest.raises(FileNotFoundError):
            fs.stat("s3://bucket/k", client=client, version_id="v99")


def test_L4_scandir_closes_as_that_of_os_does(memory: Counted) -> None:
    for n in range(3000):
        memory.wire.store("bucket", f"many/{n:04d}", b"")
    memory.wire.log.clear()
    with fs.scandir(memory.at("many"), client=memory.client) as entries:
        next(entries)
    assert list(entries) == []
    assert len(memory.wire.log) <= 2  # the page that was used, and the one under way


# -- L5 ---------------------------------------------------------------------------------------------------


def test_L5_walk_agrees_with_os_walk(tree: Place, tmp_path: Path) -> None:
    local = tmp_path / "copy"
    fs.copytree(tree.at("a"), local, client=tree.client)
    for topdown in (True, False):
        there = [
            (d.removeprefix(tree.at("a")), sorted(s), sorted(f))
            for d, s, f in fs.walk(tree.at("a"), topdown, client=tree.client)
        ]
        here = [(d.removeprefix(str(local)), sorted(s), sorted(f)) for d, s, f in fs.walk(local, topdown)]
        assert there == here


def test_L5_walk_goes_where_the_names_say(memory: Counted) -> None:
    for key in ("t/skip/x", "t/keep/y", "t/keep/deep/z", "t/top"):
        memory.put(key)
    seen = []
    for path, folders, files in fs.walk(memory.at("t"), client=memory.client):
        seen.append((path, list(folders), files))
        if "skip" in folders:
            folders.remove("skip")
    assert seen == [
        (memory.at("t"), ["keep", "skip"], ["top"]),
        (memory.at("t/keep"), ["deep"], ["y"]),
        (memory.at("t/keep/deep"), [], ["z"]),
    ]
    assert not any(dict(r.query).get("prefix") == "t/skip/" for r in memory.wire.log)


def test_L5_walk_of_what_is_no_directory_is_empty_and_onerror_hears_of_it(tree: Place) -> None:
    for topdown in (True, False):
        for name in ("nothing", "a/f"):
            assert list(fs.walk(tree.at(name), topdown, client=tree.client)) == []
            heard: list[OSError] = []
            assert list(fs.walk(tree.at(name), topdown, heard.append, client=tree.client)) == []
            assert len(heard) == 1


def test_L5_walk_does_not_leave_out_what_it_may_not_see(memory: Counted) -> None:
    memory.put("t/open/x")
    memory.put("t/secret/y")
    memory.wire.faults.append(Fault(operation="ListObjectsV2", status=403, code="AccessDenied", times=None))
    with pytest.raises(PermissionError):
        list(fs.walk(memory.at("t"), client=memory.client))


def test_L5_walking_up_and_find_are_one_flat_listing(memory: Counted) -> None:
    for n in range(30):
        memory.put(f"t/{n % 5}/{n % 3}/{n}")
    assert memory.asked(fs.walk, memory.at("t"), False) == ["ListObjectsV2"]
    assert memory.asked(fs.find, memory.at("t")) == ["ListObjectsV2"]
    assert "delimiter" not in memory.query()


def test_L5_find_gives_files_with_facts_and_a_file_gives_itself(tree: Place) -> None:
    assert list(fs.find(tree.at("a"), client=tree.client)) == [tree.at("a/f"), tree.at("a/sub/g")]
    assert list(fs.find(tree.at("a/f"), client=tree.client)) == [tree.at("a/f")]
    found = {e.name: e.stat().st_size for e in fs.find(tree.at("a"), client=tree.client, detail=True)}
    assert found == {"f": 1, "sub/g": 2}
    with pytest.raises(FileNotFoundError):
        list(fs.find(tree.at("nothing"), client=tree.client))


GLOB_KEYS = ["d/1.csv", "d/2.csv", "d/2.txt", "d/.hidden", "d/.h/x.csv", "d/s/3.csv", "d/s/t/4.csv", "d/s/t/u/5.csv", "d/[x].csv",
             "e/meta", "f/meta", "f/other", "g/meta/deep", "top", "both", "both/x"]  # fmt: skip
PATTERNS = ["*", "*/", "d/*", "d/*.csv", "d/?.csv", "d/[12].csv", "d/[!1].csv", "d/**", "d/**/", "d/**/*.csv", "**/*.csv", "**", "*/meta",
            "*/meta/", "*/*/*", "d/s/*/4.csv", "d/.*", "d/.h/*", "d", "d/", "top", "top/", "nothing", "d/[[]x].csv", "d/**/t/**", "**/t/*",
            "d/s/**/5.csv", "*/**/3.csv", "x*/y", "both*", "**/x", "d/**/s", "g/*/deep"]  # fmt: skip


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_L5_glob_agrees_with_the_module_glob(memory: Counted, tmp_path: Path, pattern: str, hidden: bool) -> None:
    for key in GLOB_KEYS:
        memory.wire.store("globs", key, b"")
        path = tmp_path / "g" / key
        if key == "both":
            continue  # a file system cannot
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    here = sorted(fs.glob(pattern, root_dir=tmp_path / "g", include_hidden=hidden))
    there = fs.glob(f"s3://globs/{pattern}", include_hidden=hidden, client=memory.client)
    assert sorted(u.removeprefix("s3://globs/") for u in there) == [h for h in here if h]
    rooted = fs.glob(pattern, root_dir="s3://globs", include_hidden=hidden, client=memory.client)
    assert [u.removeprefix("s3://globs/") for u in there] == rooted


def test_L5_what_stands_before_the_first_wildcard_is_the_prefix_of_the_listing(memory: Counted) -> None:
    assert memory.asked(fs.glob, memory.at("a/su*")) == ["ListObjectsV2"]
    assert (memory.query()["prefix"], memory.query()["delimiter"]) == ("a/su", "/")
    assert memory.asked(fs.glob, memory.at("a/**/g")) == ["ListObjectsV2"]
    assert (memory.query()["prefix"], "delimiter" in memory.query()) == ("a/", False)
    assert sorted(memory.asked(fs.glob, memory.at("a/f"))) == ["HeadObject", "ListObjectsV2"]


def test_L5_glob_names_results_as_the_pattern_was_written(memory: Counted) -> None:
    assert fs.glob("S3A://bucket/a/*", client=memory.client) == ["S3A://bucket/a/f", "S3A://bucket/a/sub"]
    assert fs.glob("s3://bucket/a/**", recursive=False, client=memory.client) == [memory.at("a/f"), memory.at("a/sub")]


# -- L6 ---------------------------------------------------------------------------------------------------


def test_L6_remove_is_one_request_where_conditions_are_kept(amazon: Counted) -> None:
    assert amazon.asked(fs.remove, amazon.at("a/f")) == ["DeleteObject"]
    assert amazon.headers()["if-match"] == "*"
    with pytest.raises(FileNotFoundError):
        fs.remove(amazon.at("a/f"), client=amazon.client)
    with pytest.raises(IsADirectoryError):
        fs.remove(amazon.at("a"), client=amazon.client)


def test_L6_remove_looks_first_where_conditions_are_ignored(memory: Counted) -> None:
    assert memory.asked(fs.remove, memory.at("a/f")) == ["HeadObject", "DeleteObject"]
    assert "if-match" not in memory.headers(1)  # some servers refuse what they do not know
    assert memory.wire.body("bucket", "a/f") is None


def test_L6_rmtree_deletes_a_thousand_a_request(memory: Counted) -> None:
    for n in range(2100):
        memory.wire.store("bucket", f"many/{n:04d}", b"")
    memory.wire.store("bucket", "many-more", b"")
    made = memory.asked(fs.rmtree, memory.at("many"))
    lists = made.count("ListObjectsV2")  # three pages; long listings are cut where keys are thought to be
    assert (made.count("DeleteObjects"), len(made)) == (3, 3 + lists)
    assert lists <= 5
    assert memory.names() == sorted([*("a/f", "a/sub/g", "both", "both/x", "many-more", "marker/", "sl//x")])


def refused(memory: Counted, key: str) -> None:
    body = f"<DeleteResult><Deleted><Key>a/f</Key></Deleted><Error><Key>{key}</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    memory.wire.faults.append(Fault(operation="DeleteObjects", body=body.encode(), times=None))


def test_L6_rmtree_raises_what_was_refused_for_each_key(memory: Counted) -> None:
    refused(memory, "a/sub/g")
    with pytest.raises(BulkError) as caught:
        fs.rmtree(memory.at("a"), client=memory.client)
    assert isinstance(caught.value, PermissionError)
    assert [(e.key, e.code, e.filename) for e in caught.value.failed] == [
        ("a/sub/g", "AccessDenied", memory.at("a/sub/g"))
    ]


def test_L6_rmtree_tells_a_handler_as_shutil_does(memory: Counted) -> None:
    refused(memory, "a/sub/g")
    told: list[Any] = []
    fs.rmtree(
        memory.at("a"), onexc=lambda f, path, exc: told.append((f, path, type(exc).__name__)), client=memory.client
    )
    assert told == [(fs.rmtree, memory.at("a/sub/g"), "AccessDenied")]
    fs.rmtree(memory.at("a"), ignore_errors=True, client=memory.client)


def test_L6_rmtree_of_a_file_of_nothing_and_of_a_bucket(tree: Place) -> None:
    with pytest.raises(NotADirectoryError):
        fs.rmtree(tree.at("a/f"), client=tree.client)
    with pytest.raises(FileNotFoundError):
        fs.rmtree(tree.at("nothing"), client=tree.client)
    with pytest.raises(s3nb.InvalidURL):
        fs.rmtree(tree.at(), client=tree.client)
    fs.rmtree(tree.at("a"), client=tree.client)
    assert not fs.exists(tree.at("a"), client=tree.client)
    assert tree.body("both/x") == b"x"


# -- L7 ---------------------------------------------------------------------------------------------------


def test_L7_rename_copies_inside_s3_and_deletes_what_was_copied(amazon: Counted) -> None:
    etag = amazon.client.info(amazon.at("a/f")).etag
    made = amazon.asked(fs.rename, amazon.at("a/f"), amazon.at("b/f"))
    assert (sorted(made[:2]), made[2:]) == (["HeadObject", "ListObjectsV2"], ["CopyObject", "DeleteObject"])
    assert amazon.headers(2)["x-amz-copy-source-if-match"] == f'"{etag}"'
    assert amazon.headers(3)["if-match"] == f'"{etag}"'
    assert (amazon.body("b/f"), amazon.body("a/f")) == (b"f", None)


def test_L7_a_source_that_is_replaced_before_the_copy_is_neither_copied_nor_deleted(memory: Counted) -> None:
    memory.wire.faults.append(Fault("CopyObject", then=lambda: memory.wire.store("bucket", "a/f", b"newer")))
    with pytest.raises(ObjectChanged):
        fs.rename(memory.at("a/f"), memory.at("b"), client=memory.client)
    assert (memory.body("a/f"), memory.body("b")) == (b"newer", None)


def test_L7_a_source_that_is_replaced_after_the_copy_is_not_deleted(amazon: Counted) -> None:
    amazon.wire.faults.append(Fault("DeleteObject", then=lambda: amazon.wire.store("bucket", "a/f", b"newer")))
    with pytest.raises(ObjectChanged) as caught:
        fs.rename(amazon.at("a/f"), amazon.at("b"), client=amazon.client)
    assert caught.value.errno == errno.ESTALE
    assert (amazon.body("a/f"), amazon.body("b")) == (b"newer", b"f")


def test_L7_if_the_copy_fails_the_source_stays(memory: Counted) -> None:
    memory.wire.faults.append(Fault(operation="CopyObject", status=403, code="AccessDenied", times=None))
    with pytest.raises(PermissionError):
        fs.rename(memory.at("a/f"), memory.at("b"), client=memory.client)
    with pytest.raises(BulkError) as caught:
        fs.rename(memory.at("a"), memory.at("b"), recursive=True, client=memory.client)
    assert "nothing of" in caught.value.__notes__[0]
    assert memory.body("a/f") == b"f"
    assert memory.wire.requests("DeleteObject") + memory.wire.requests("DeleteObjects") == 0


def test_L7_directories_are_renamed_only_if_asked(tree: Place) -> None:
    with pytest.raises(IsADirectoryError, match="recursive=True"):
        fs.rename(tree.at("a"), tree.at("z"), client=tree.client)
    fs.rename(tree.at("a"), tree.at("z"), recursive=True, client=tree.client)
    assert tree.names() == ["both", "both/x", "marker/", "sl//x", "z/f", "z/sub/g"]
    assert tree.body("z/sub/g") == b"gg"


def test_L7_a_directory_that_changes_while_it_is_renamed_loses_nothing(amazon: Counted) -> None:
    amazon.wire.faults.append(
        Fault("DeleteObject", key="a/f", then=lambda: amazon.wire.store("bucket", "a/f", b"newer"))
    )
    with pytest.raises(BulkError) as caught:
        fs.rename(amazon.at("a"), amazon.at("z"), recursive=True, client=amazon.client)
    assert [type(e) for e in caught.value.failed] == [ObjectChanged]
    assert (amazon.body("a/f"), amazon.body("z/f"), amazon.body("a/sub/g")) == (b"newer", b"f", None)


def test_L7_rename_agrees_with_os_on_what_is_in_the_way(tree: Place) -> None:
    for source, target, kind in [
        ("nothing", "z", FileNotFoundError),
        ("a/f", "marker", IsADirectoryError),
        ("a/f", "marker/", IsADirectoryError),
        ("a/f/", "z", NotADirectoryError),
    ]:
        with pytest.raises(kind):
            fs.rename(tree.at(source), tree.at(target), client=tree.client)
    with pytest.raises(OSError) as caught:
        fs.rename(tree.at("a"), tree.at("both"), recursive=True, client=tree.client)
    assert caught.value.errno == errno.ENOTEMPTY
    with pytest.raises(s3nb.InvalidURL, match="into itself"):
        fs.rename(tree.at("a"), tree.at("a/inside"), recursive=True, client=tree.client)
    with pytest.raises(NotADirectoryError):
        fs.rename(tree.at("marker"), tree.at("a/f"), recursive=True, client=tree.client)
    with pytest.raises(OSError) as crossing:
        fs.rename(tree.at("a/f"), "here", client=tree.client)
    assert crossing.value.errno == errno.EXDEV
    fs.rename(tree.at("a/f"), tree.at("a/f"), client=tree.client)
    fs.rename(tree.at("both"), tree.at("a/f"), client=tree.client)
    assert (tree.body("a/f"), tree.body("both/x")) == (b"file", b"x")


def test_L7_a_name_that_is_taken_by_a_file_is_replaced(tree: Place) -> None:
    fs.replace(tree.at("a/f"), tree.at("a/sub/g"), client=tree.client)
    assert tree.body("a/sub/g") == b"f"


# -- L8 ---------------------------------------------------------------------------------------------------


def test_L8_makedirs_and_mkdir(tree: Place) -> None:
    fs.makedirs(tree.at("x/y/z"), client=tree.client)
    assert fs.isdir(tree.at("x/y"), client=tree.client)
    assert "x/y/z/" in tree.names()
    with pytest.raises(FileExistsError):
        fs.makedirs(tree.at("x/y"), client=tree.client)
    fs.makedirs(tree.at("x/y"), exist_ok=True, client=tree.client)
    assert "x/y/" not in tree.names()
    for name in ("a", "a/f", "marker/", ""):
        with pytest.raises(FileExistsError):
            fs.mkdir(tree.at(name), client=tree.client)
    for make in (fs.mkdir, lambda p, **k: fs.makedirs(p, exist_ok=True, **k)):
        with pytest.raises(FileExistsError):
            make(tree.at("a/f"), client=tree.client)
    with pytest.raises(FileNotFoundError) as caught:
        fs.mkdir(tree.at("no/such/parent"), client=tree.client)
    assert caught.value.filename == tree.at("no/such")
    with pytest.raises(NotADirectoryError):
        fs.mkdir(tree.at("a/f/new"), client=tree.client)


def test_L8_rmdir_takes_an_empty_directory_only(tree: Place) -> None:
    with pytest.raises(OSError) as caught:
        fs.rmdir(tree.at("a"), client=tree.client)
    assert caught.value.errno == errno.ENOTEMPTY
    with pytest.raises(NotADirectoryError):
        fs.rmdir(tree.at("a/f"), client=tree.client)
    with pytest.raises(FileNotFoundError):
        fs.rmdir(tree.at("nothing"), client=tree.client)
    fs.rmdir(tree.at("marker"), client=tree.client)
    assert not fs.exists(tree.at("marker"), client=tree.client)


def test_L8_a_directory_without_marker_goes_with_its_last_object(tree: Place) -> None:
    fs.remove(tree.at("a/sub/g"), client=tree.client)
    assert not fs.isdir(tree.at("a/sub"), client=tree.client)


def test_L8_touch_makes_an_empty_file_and_leaves_one_that_is_there(tree: Place) -> None:
    fs.touch(tree.at("new"), client=tree.client)
    assert tree.body("new") == b""
    fs.touch(tree.at("a/f"), client=tree.client)
    assert tree.body("a/f") == b"f"
    with pytest.raises(FileExistsError):
        fs.touch(tree.at("a/f"), exist_ok=False, client=tree.client)
    with pytest.raises(IsADirectoryError):
        fs.touch(tree.at("dir/"), client=tree.client)


def test_L8_getsize_getmtime_samefile(tree: Place) -> None:
    assert fs.getsize(tree.at("a/sub/g"), client=tree.client) == 2
    assert fs.getmtime(tree.at("a/f"), client=tree.client) == tree.client.info(tree.at("a/f")).last_modified
    assert fs.samefile(tree.at("a/f"), tree.at("a/f").replace("s3://", "S3N://"), client=tree.client)
    assert not fs.samefile(tree.at("a/f"), tree.at("a/sub/g"), client=tree.client)
    assert fs.samefile(tree.at("a"), tree.at("a/"), client=tree.client)
    assert not fs.samefile(tree.at("a/f"), __file__, client=tree.client)
    with pytest.raises(FileNotFoundError):
        fs.samefile(tree.at("a/f"), tree.at("nothing"), client=tree.client)


def test_L8_copy_goes_everywhere(tree: Place, tmp_path: Path) -> None:
    assert fs.copy(tree.at("a/f"), tree.at("c"), client=tree.client) == tree.at("c")
    assert fs.copy(tree.at("a/f"), tree.at("marker"), client=tree.client) == tree.at("marker/f")
    assert fs.copy(tree.at("a/f"), tree.at("new/"), client=tree.client) == tree.at("new/f")
    assert {tree.body(k) for k in ("c", "marker/f", "new/f")} == {b"f"}
    assert fs.copy(tree.at("a/f"), tmp_path, client=tree.client) == str(tmp_path / "f")
    assert fs.copy(tree.at("a/sub/g"), tmp_path / "h", client=tree.client) == str(tmp_path / "h")
    assert (tmp_path / "h").read_bytes() == b"gg"
    assert fs.copy(tmp_path / "h", tree.at("up/"), client=tree.client) == tree.at("up/h")
    assert fs.copy(str(tmp_path / "h"), tree.at("page.html"), client=tree.client) == tree.at("page.html")
    assert tree.client.info(tree.at("page.html")).content_type == "text/html"
    assert fs.copy(tmp_path / "h", tmp_path / "i") == str(tmp_path / "i")
    for source, kind in [("nothing", FileNotFoundError), ("a", IsADirectoryError), ("a/", IsADirectoryError)]:
        for target in (tree.at("z"), tmp_path / "z"):
            with pytest.raises(kind):
                fs.copy(tree.at(source), target, client=tree.client)
    assert not (tmp_path / "z").exists()
    with pytest.raises(shutil.SameFileError):
        fs.copy(tree.at("a/f"), tree.at("a/f"), client=tree.client)
    with pytest.raises(IsADirectoryError):
        fs.copy(tmp_path, tree.at("z"), client=tree.client)


def test_L8_copytree_goes_everywhere_with_empty_directories(tree: Place, tmp_path: Path) -> None:
    fs.makedirs(tree.at("a/void"), client=tree.client)
    assert fs.copytree(tree.at("a"), tree.at("b"), client=tree.client) == tree.at("b")
    assert [k for k in tree.names() if k.startswith("b/")] == ["b/f", "b/sub/g", "b/void/"]
    local = tmp_path / "local"
    fs.copytree(tree.at("a"), local, client=tree.client)
    assert sorted(p.relative_to(local).as_posix() for p in local.rglob("*")) == ["f", "sub", "sub/g", "void"]
    fs.copytree(local, tree.at("c"), client=tree.client)
    assert [k for k in tree.names() if k.startswith("c/")] == ["c/f", "c/sub/g", "c/void/"]
    for target in (tree.at("b"), local):
        with pytest.raises(FileExistsError):
            fs.copytree(tree.at("a"), target, client=tree.client)
        fs.copytree(tree.at("a"), target, dirs_exist_ok=True, client=tree.client)
    with pytest.raises(s3nb.InvalidURL, match="into itself"):
        fs.copytree(tree.at("a"), tree.at("a/in"), client=tree.client)
    with pytest.raises(FileNotFoundError):
        fs.copytree(tree.at("nothing"), tmp_path / "none", client=tree.client)
    assert not (tmp_path / "none").exists()


def test_L8_copytree_leaves_out_what_it_is_told_to(tree: Place, tmp_path: Path) -> None:
    for key in ("t/keep.txt", "t/drop.pyc", "t/cache/x", "t/sub/y.txt", "t/sub/z.pyc"):
        tree.put(key)
    ignore = shutil.ignore_patterns("*.pyc", "cache")
    fs.copytree(tree.at("t"), tree.at("u"), ignore=ignore, client=tree.client)
    fs.copytree(tree.at("t"), tmp_path / "u", ignore=ignore, client=tree.client)
    fs.copytree(tmp_path / "u", tree.at("v"), ignore=shutil.ignore_patterns("sub"), client=tree.client)
    assert [k for k in tree.names() if k[:2] in ("u/", "v/")] == ["u/keep.txt", "u/sub/y.txt", "v/keep.txt"]
    assert sorted(p.name for p in (tmp_path / "u").rglob("*.*")) == ["keep.txt", "y.txt"]


def test_L8_no_key_leaves_the_folder_that_it_is_copied_into(memory: Counted, tmp_path: Path) -> None:
    memory.put("evil/../../escaped")
    memory.put("evil/fine")
    with pytest.raises(BulkError) as caught:
        fs.copytree(memory.at("evil"), tmp_path / "in" / "here", client=memory.client)
    assert [type(e) for e in caught.value.failed] == [s3nb.UnsafeKey]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["fine"]


def test_L8_move_between_s3_and_here_deletes_what_has_arrived(tree: Place, tmp_path: Path) -> None:
    assert fs.move(tree.at("a/f"), tmp_path, client=tree.client) == str(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"f"
    assert tree.body("a/f") is None
    assert fs.move(tmp_path / "f", tree.at("back/"), client=tree.client) == tree.at("back/f")
    assert not (tmp_path / "f").exists()
    assert tree.body("back/f") == b"f"
    assert fs.move(tree.at("both"), tree.at("moved"), client=tree.client) == tree.at("moved")
    assert fs.move(tree.at("back"), tmp_path / "dir", client=tree.client) == str(tmp_path / "dir")
    assert (tmp_path / "dir" / "f").read_bytes() == b"f"
    assert not fs.exists(tree.at("back"), client=tree.client)
    assert fs.move(tmp_path / "dir", tree.at("again"), client=tree.client) == tree.at("again")
    assert not (tmp_path / "dir").exists()
    assert tree.body("again/f") == b"f"
    assert fs.move(tree.at("again"), tree.at("marker"), client=tree.client) == tree.at("marker/again")
    assert tree.body("marker/again/f") == b"f"


# -- L9 ---------------------------------------------------------------------------------------------------


def test_L9_nothing_is_remembered(memory: Counted) -> None:
    assert not fs.exists(memory.at("late"), client=memory.client)
    before = fs.listdir(memory.at("a"), client=memory.client)
    memory.wire.store("bucket", "late", b"1")  # by somebody else
    memory.wire.store("bucket", "a/late", b"1")
    assert fs.exists(memory.at("late"), client=memory.client)
    assert fs.listdir(memory.at("a"), client=memory.client) == [before[0], "late", *before[1:]]


def test_L9_listings_are_kept_for_a_while_only_in_a_block_that_says_so(
    memory: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("s3nb.fs.keeping.time.monotonic", lambda: now)
    client = memory.client
    with fs.cached(30):
        memory.wire.log.clear()
        for _ in range(2):
            names = fs.listdir(memory.at(), client=client)
            assert [fs.isdir(memory.at(n), client=client) for n in names] == [True] * 4
            assert [fs.isfile(memory.at(n), client=client) for n in names] == [False, True, False, False]
            assert fs.stat(memory.at("both"), client=client).st_size == 4
            assert fs.exists(memory.at("both/"), client=client)
            assert not fs.isfile(memory.at("both/"), client=client)
            assert not fs.exists(memory.at("nothing"), client=client)
        assert [r.operation for r in memory.wire.log] == ["ListObjectsV2"]
        assert list(fs.walk(memory.at("a"), client=client)) == list(fs.walk(memory.at("a"), client=client))
        assert len(memory.wire.log) == 3

        memory.wire.store("bucket", "late", b"1")  # by somebody else
        assert not fs.exists(memory.at("late"), client=client)
        now += 31
        assert fs.exists(memory.at("late"), client=client)
        assert "late" in fs.listdir(memory.at(), client=client)

        fs.remove(memory.at("late"), client=client)  # by ourselves
        assert not fs.exists(memory.at("late"), client=client)
        assert "late" not in fs.listdir(memory.at(), client=client)
        fs.rename(memory.at("a/f"), memory.at("new"), client=client)
        assert "new" in fs.listdir(memory.at(), client=client)
    memory.wire.store("bucket", "later", b"1")
    assert "later" in fs.listdir(memory.at(), client=client)
    with pytest.raises(ValueError), fs.cached(0):
        pass


# -- above 5 GiB, with the sizes made small ---------------------------------------------------------------


@pytest.fixture
def huge(memory: Counted, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """An object that one request does not copy."""
    body = bytes(range(256)) * (12 << 12)  # 12 MiB
    memory.wire.store("bucket", "huge", body, {"content-type": "text/x"})
    monkeypatch.setattr("s3nb.transfer.copy.MAX_COPY_SIZE", 1 << 20)
    monkeypatch.setattr("s3nb.transfer.copy._COPY_PART", 5 << 20)
    memory.wire.faults.append(Fault("CopyObject", status=400, code="InvalidRequest", times=None))
    return body


def test_L7_a_huge_file_is_renamed_in_parallel_parts_of_one_version(memory: Counted, huge: bytes) -> None:
    fs.rename(memory.at("huge"), memory.at("renamed"), client=memory.client)
    assert (memory.body("renamed"), memory.body("huge")) == (huge, None)
    parts = [r for r in memory.wire.log if r.operation == "UploadPartCopy"]
    assert len(parts) == 3
    assert {dict(r.headers)["x-amz-copy-source-if-match"] for r in parts} == {f'"{hashlib.md5(huge).hexdigest()}"'}
    assert memory.client.info(memory.at("renamed")).content_type == "text/x"


def test_L7_if_a_part_fails_the_source_stays_and_no_upload_is_left(memory: Counted, huge: bytes) -> None:
    memory.wire.faults.append(Fault("UploadPartCopy", status=403, code="AccessDenied"))
    with pytest.raises(PermissionError):
        fs.rename(memory.at("huge"), memory.at("renamed"), client=memory.client)
    assert (memory.body("renamed"), memory.body("huge")) == (None, huge)
    assert memory.wire.uploads == {}


def test_L5_walking_the_service_goes_through_the_buckets(tmp_path: Path) -> None:
    wire = Service({"one": {"a/f": b""}, "two": {"g": b""}})
    with S3(tmproot=tmp_path, wire=wire) as client:
        assert list(fs.walk("s3://", client=client)) == [
            ("s3://", ["one", "two"], []),
            ("s3://one", ["a"], []),
            ("s3://one/a", [], ["f"]),
            ("s3://two", [], ["g"]),
        ]


class Service(MemoryWire):
    """A server that names its buckets."""

    def _serve(self, request: Request, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        if request.operation != "ListBuckets":
            return super()._serve(request, sent)
        names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in self.buckets)
        return 200, {}, f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode()


def test_L6_a_mock_of_amazon_is_not_trusted_to_keep_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from moto import mock_aws

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mock")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mock")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(), S3(tmproot=tmp_path) as client:
        boto3.client("s3").create_bucket(Bucket="mocked")
        with pytest.raises(FileNotFoundError):
            fs.remove("s3://mocked/nothing", client=client)
        client.put("s3://mocked/k", b"1")
        fs.remove("s3://mocked/k", client=client)
        assert not fs.exists("s3://mocked/k", client=client)
