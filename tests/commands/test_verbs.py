"""Words become commands, commands become results."""

from __future__ import annotations

import copy
import gzip
import pickle
import shlex
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, AccessDenied, BulkError, PresignedURL, Results, S3GetObject, S3Object, TransferConfig, commands
from s3nb.commands.results import Plan, as_json
from s3nb.jobs import partial_of
from s3nb.testing import Fault, MemoryWire

Do = Callable[..., Any]


def keys(found: Any) -> list[str]:
    return [item.key for item in found]


# -- words -----------------------------------------------------------------------------------------


def test_a_line_becomes_a_frozen_value() -> None:
    command = commands.parse(["get", "a key", "--root", "s3://box", "--no-sign-request", "-q"])
    assert (command.verb.name, command.arguments["key"], command.quiet) == ("get", "a key", True)
    assert (dict(command.client), command.root) == ({"anonymous": True}, "s3://box")
    with pytest.raises(AttributeError):
        command.verb = commands.VERBS["put"]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("gett", "%s3: no verb 'gett': did you mean 'get'?"),
        ("get-many a", "did you mean 'get_many'?"),
        ("delete a", "did you mean 'rm'?"),
        ("frobnicate", "no verb 'frobnicate': %s3 help shows those there are"),
        ("--yes rm", "%s3: the verb comes first, then options such as --yes"),
        ("completion bash", "%s3 completion works in a shell only"),
        ("get", "%s3 get: KEY is missing"),
        ("get a b", "%s3 get: one word too many: 'b'"),
        ("get a --offset x", "--offset: expected a whole number, not 'x'"),
        ("ls --recursiv", "%s3 ls: no option --recursiv: did you mean --recursive?"),
        ("ls --zzz=1", "%s3 ls: no option --zzz: %s3 ls -h shows those there are"),
        ("ls --limit -1", "--limit: expected a number from 0 on, not '-1'"),
        ("find s3://b --larger big", "--larger: expected a size as 4096, 64k or 1.5MiB, not 'big'"),
        ("find s3://b --newer soon", "--newer: expected a date as 2026-01-31"),
        ("presign s3://b/k --expires never", "--expires: expected a time as 90s"),
        ("presign s3://b/k --method FETCH", "--method is one of GET, HEAD, PUT, DELETE, not 'FETCH'"),
        ("put k v --metadata x", "--metadata: expected NAME=VALUE, not 'x'"),
        ("get k --out 'a b'", "--out takes the name of a variable, not 'a b'"),
        ("get $keys", "%s3 get: KEY is one, not a list of 2"),
        ("put k $keys", "%s3 put: FILE is one, not a list of 2"),
        ("get k --to $keys", "%s3 get: --to is one, not a list of 2"),
        ("get k --length $keys", "--length: a list of 2 does not go here"),
        ("get k $keys", "one value too many: a list of 2"),
        ("config --bg", "no option --bg"),
        ("ls --json", "no option --json"),
        ("\x1b[2J", "\\x1b"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_command_is_told_why_in_one_line(line: str, told: str) -> None:
    with pytest.raises(commands.UsageError) as caught:
        commands.parse(commands.words(line, {"keys": ["a", "b"]}))
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("line", ["", "help", "-h", "help get", "get -h", "get a --to -h"])
@pytest.mark.parametrize("program", ["%s3", "s3nb"])
def test_help_is_text_that_fits_a_terminal(line: str, program: str) -> None:
    with pytest.raises(commands.HelpAsked, match=f"usage: {program}") as caught:
        commands.parse(commands.words(line), program)
    assert max(map(len, str(caught.value).splitlines())) < 80


@pytest.mark.parametrize("verb", commands.VERBS.values(), ids=lambda verb: verb.name)
def test_every_verb_has_help_with_examples_that_parse(verb: commands.Verb) -> None:
    program = "s3nb" if verb.where == "shell" else "%s3"
    if verb.name != "help":
        with pytest.raises(commands.HelpAsked) as caught:
            commands.parse([verb.name, "-h"], program)
        text = str(caught.value)
        assert max(map(len, text.splitlines())) < 80
        shown = text.partition("examples:\n")[2].rstrip().splitlines()
        assert len(shown) == len(verb.examples)
        for line in shown:
            name, _, example = line.strip().partition(" ")
            assert name == program
            words = shlex.split(example) if program == "s3nb" else commands.words(example, {})
            assert commands.parse(words, program).verb is verb


def test_examples_with_wildcards_are_written_as_they_work() -> None:
    for program, example in (("%s3", "ls s3://bucket/logs/2026-*/*.gz"), ("s3nb", "ls 's3://bucket/logs/2026-*/*.gz'")):
        with pytest.raises(commands.HelpAsked) as caught:
            commands.parse(["ls", "-h"], program)
        assert f"{program} {example}\n" in str(caught.value)


def test_every_method_that_users_know_is_a_verb_of_that_name() -> None:
    known = "get get_many get_recursive get_all list_paths list_recursive info info_many put put_many put_files"
    for name in f"{known} sync abort_incomplete presign".split():
        assert name in commands.VERBS
        assert hasattr(S3, name)


def test_python_objects_stand_for_themselves_and_lists_for_their_items(do: Do) -> None:
    listed = do("list_recursive s3://box/dir")
    command = commands.parse(commands.words("get_many a.txt $listed {['x', 'y']}", {"listed": listed}))
    assert command.arguments["keys"] == ("a.txt", *listed, "x", "y")
    got = do("get_many $listed s3://box/a.txt", listed=listed)
    assert [o.text for o in got] == ["beta\n", "1,2\n3,4\n", "d" * 2000, "alpha\n"]
    assert do("get $one", one=listed[0]).text == "beta\n"
    assert do("get_many $pieces", pieces=[S3GetObject("s3://box/a.txt", 1, 2)])[0].text == "lp"


class Column:
    """What counts of a pandas column."""

    def __iter__(self) -> Any:
        return iter(["s3://box/a.txt", "s3://box/dir/b.txt"])

    def __len__(self) -> int:
        return 2


class Table(Column):
    """What counts of a pandas table."""

    columns = ("url", "size")
    iloc = None


def test_a_column_is_a_list_and_a_table_is_asked_for_one(do: Do) -> None:
    assert len(do("info_many $column", column=Column())) == 2
    with pytest.raises(commands.UsageError, match=r"name a column.*there are url, size"):
        do("info_many $table", table=Table())


def test_numbers_and_paths_may_be_values(do: Do, tmp_path: Path) -> None:
    assert do("get s3://box/a.txt --offset $n --length {n + 1}", n=1).text == "lp"
    assert do("get s3://box/a.txt --to $to", to=tmp_path).path == str(tmp_path / "a.txt")


# -- looking -----------------------------------------------------------------------------------------


def test_listings(do: Do) -> None:
    assert keys(do("ls s3://box")) == ["a.txt", "dir", "esc", "odd [1]*.txt"]
    assert keys(do("ls -r s3://box/dir")) == ["b.txt", "c.csv", "sub/d.csv"]
    assert keys(do("ls -r s3://box --limit 2")) == ["a.txt", "dir/b.txt"]
    assert keys(do("ls s3://box/dir/*.csv")) == ["c.csv"]
    assert keys(do("ls s3://box/d*")) == ["dir"]
    assert keys(do("ls s3://box/dir/sub s3://box/esc")) == ["s3://box/dir/sub/d.csv", "s3://box/esc"]
    assert keys(do("ls dir/sub dir/*.csv --root s3://box")) == ["dir/sub/d.csv", "dir/c.csv"]
    assert keys(do("ls -r s3://box/d*")) == ["dir/b.txt", "dir/c.csv", "dir/sub/d.csv"]
    assert keys(do("ls -r s3://box/* --limit 3")) == ["a.txt", "dir/b.txt", "dir/c.csv"]
    assert keys(do("ls s3://box/**/*.csv")) == ["dir/c.csv", "dir/sub/d.csv"]
    assert keys(do("ls s3://box/a.txt")) == ["a.txt"] or keys(do("ls s3://box/a.txt")) == ["s3://box/a.txt"]
    assert [o.url for o in do("ls")] == ["s3://box/", "s3://other/"]
    assert do("ls s3://other") == []
    assert isinstance(do("ls s3://box"), Results)


@pytest.mark.parametrize(
    ("line", "told"), [("ls s3://box/nope", "neither an object nor a prefix"), ("ls s3://box/*.gz", "nothing matches")]
)
def test_what_is_not_there_is_an_error_not_an_empty_list(do: Do, line: str, told: str) -> None:
    with pytest.raises(FileNotFoundError, match=told):
        do(line)


def test_find_by_name_size_and_age(do: Do) -> None:
    assert keys(do("find s3://box --name *.csv")) == ["dir/c.csv", "dir/sub/d.csv"]
    assert keys(do("find s3://box/dir --path **/d.*")) == ["sub/d.csv"]
    assert keys(do("find s3://box --larger 1k")) == ["dir/sub/d.csv"]
    assert keys(do("find s3://box --smaller 6")) == ["dir/b.txt", "odd [1]*.txt"]
    assert do("find s3://box --older 2025-12-31") == []
    assert len(do("find s3://box --newer 2025-12-31 --limit 3")) == 3


def test_du_adds_up(do: Do) -> None:
    used = do("du s3://box/dir")
    assert (used.count, used.size, used.rows) == (3, 2013, [("s3://box/dir/", 3, 2013)])
    assert [row[0] for row in do("du -d s3://box").rows] == ["s3://box/dir/", "s3://box/"]
    assert "2.0 KiB  3 objects  s3://box/dir/" in str(used)
    assert str(do("du -d s3://box/dir")).endswith("s3://box/dir/")  # its sum is not said twice
    assert str(do("du s3://box/dir s3://box/dir")).endswith("in all")


def test_info_get_cat_head(do: Do) -> None:
    assert isinstance(do("info s3://box/a.txt"), S3Object)
    assert [o.size for o in do("info s3://box/a.txt s3://box/esc")] == [6, 8]
    assert [o.size for o in do("info s3://box/dir/*.csv")] == [8]
    assert do("get s3://box/a.txt --offset 1 --length 2").text == "lp"
    assert do("get s3://box/a.txt --length -2").text == "a\n"
    assert not do("get s3://box/none --return-missing").exists
    assert do("cat s3://box/a.txt s3://box/dir/b.txt") == "alpha\nbeta\n"
    assert do("head -n 1 s3://box/dir/c.csv") == "1,2\n"
    assert do("head -c 3 s3://box/dir/c.csv") == "1,2"
    assert not do("get_many s3://box/nope --return-missing")[0].exists
    assert not do("info_many s3://box/nope --return-missing")[0].exists


def test_head_sees_through_gzip(do: Do, wire: MemoryWire) -> None:
    wire.store("box", "log.gz", gzip.compress(b"one\ntwo\nthree\n" * 1000))
    assert do("head -n 2 s3://box/log.gz") == "one\ntwo\n"


def test_preview(do: Do, session: commands.Session) -> None:
    found = do("preview s3://box/dir/c.csv")
    assert found.kind.startswith("CSV")
    assert next(as_json(found))["url"] == "s3://box/dir/c.csv"
    session.preview_bytes = 2
    assert do("preview s3://box/dir/c.csv").head == b"1,"


def test_head_of_an_empty_object_is_empty(do: Do, wire: MemoryWire) -> None:
    wire.store("box", "empty", b"")
    assert do("head s3://box/empty") == ""


def test_a_wildcard_in_a_name_is_taken_literally_in_quotes_from_a_value_and_if_asked(do: Do) -> None:
    key = "s3://box/odd [1]*.txt"
    assert do(f"cat '{key}'") == "odd"
    assert do("cat $key", key=key) == "odd"
    assert do("info $key", key=key).size == 3
    assert do("get_many $keys", keys=[key])[0].text == "odd"
    assert commands.run(commands.parse(["info", key, "--literal"]), _session_of(do)).size == 3
    with pytest.raises(FileNotFoundError, match="nothing matches"):
        commands.run(commands.parse(["cat", key]), _session_of(do))  # a shell took the quotes away


def _session_of(do: Do) -> commands.Session:
    found = [cell.cell_contents for cell in do.__closure__ or () if isinstance(cell.cell_contents, commands.Session)]  # type: ignore[attr-defined]
    return found[0]


def test_a_presigned_url_shows_without_its_signature() -> None:
    url = PresignedURL("https://h/b/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=5ecret&X-Amz-Date=1", 900)
    for shown in (repr(url), repr([url]), repr(copy.copy(url)), repr(pickle.loads(pickle.dumps(url)))):
        assert "5ecret" not in shown
        assert "AKIA" not in shown
        assert "X-Amz-Date=1" in shown
    assert str(url).endswith("Signature=5ecret&X-Amz-Date=1")


def test_presign(do: Do) -> None:
    url = do("presign s3://box/a.txt --expires 1h")
    assert isinstance(url, PresignedURL)
    assert str(url) == "memory://box/a.txt?expires=3600"
    with pytest.raises(commands.UsageError, match="between 1s and 7d"):
        do("presign s3://box/a.txt --expires 8d")


# -- the current prefix --------------------------------------------------------------------------------


def test_keys_are_relative_to_the_current_prefix_and_full_urls_go_anywhere(do: Do, session: commands.Session) -> None:
    with pytest.raises(commands.UsageError, match=r"'a.txt' is no s3:// URL.*%s3 use s3://bucket/prefix"):
        do("get a.txt")
    do("use s3://box/dir/")
    assert session.root == "s3://box/dir"
    assert do("get b.txt").text == "beta\n"
    assert keys(do("ls")) == ["b.txt", "c.csv", "sub"]
    assert keys(do("ls *.csv")) == ["c.csv"]
    assert [o.text for o in do("get_many b.txt s3://box/a.txt")] == ["beta\n", "alpha\n"]
    assert do("get a.txt --root s3://box").text == "alpha\n"
    assert keys(do("get_all")) == ["b.txt", "c.csv", "sub/d.csv"]
    do("use sub")
    assert session.root == "s3://box/dir/sub"
    do("use ..")
    assert str(do("use")) == "prefix  s3://box/dir"
    do("use --none")
    with pytest.raises(commands.UsageError, match="all of what"):
        do("get_all")


def test_use_keeps_the_options_of_its_line(do: Do, session: commands.Session) -> None:
    do("use s3://box --no-sign-request --region eu-west-1")
    assert session.options == {"anonymous": True, "region": "eu-west-1"}


# -- putting -----------------------------------------------------------------------------------------------


def test_put_a_file_a_text_a_value_or_a_body(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"from a file")
    assert do(f"put s3://box/new {tmp_path}/f") == "s3://box/new"
    assert do(f"put s3://box/below/ {tmp_path}/f") == "s3://box/below/f"
    with pytest.raises(commands.UsageError, match="is the name of a file"):
        do("put s3://box/new $name", name=f"{tmp_path}/f")
    assert do("put s3://box/file {path}", path=tmp_path / "f") == "s3://box/file"
    do("put s3://box/name --text $name", name=f"{tmp_path}/f")
    assert do("cat s3://box/name") == f"{tmp_path}/f"
    assert wire.body("box", "new") == b"from a file"
    do("put s3://box/new --text 'some text' --content-type text/plain --metadata a=b")
    assert (do("info s3://box/new").content_type, do("info s3://box/new").metadata) == ("text/plain", {"a": "b"})
    do("put s3://box/new $value", value="a text that is no path")
    assert wire.body("box", "new") == b"a text that is no path"
    do("put s3://box/new $value", value=b"\0\1")
    assert wire.body("box", "new") == b"\0\1"
    do("put s3://box/new", "body\nof a cell\n")
    assert wire.body("box", "new") == b"body\nof a cell\n"
    assert do("put s3://box/new --text x --no-overwrite").skipped
    with pytest.raises(commands.UsageError, match="what to store is missing"):
        do("put s3://box/new")
    with pytest.raises(commands.UsageError, match="say once what to store"):
        do("put s3://box/new --text x", "body")
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        do("put s3://box/new no-such-file")


def test_files_and_folders_go_up(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "up" / "sub").mkdir(parents=True)
    (tmp_path / "up" / "one").write_text("1")
    (tmp_path / "up" / "sub" / "two").write_text("2")
    (tmp_path / "three").write_text("3")
    done = do(f"put_many {tmp_path}/up {tmp_path}/thr* --to s3://box/new")
    assert [key for key, _ in done] == ["s3://box/new/one", "s3://box/new/sub/two", "s3://box/new/three"]
    assert wire.body("box", "new/sub/two") == b"2"
    assert do(f"put_files {tmp_path}/three --to s3://box/new --no-overwrite") == []
    do(f"get_many -r s3://box/new --to {tmp_path}/back")
    assert (tmp_path / "back" / "sub" / "two").read_text() == "2"
    with pytest.raises(commands.UsageError, match="where to"):
        do(f"put_files {tmp_path}/three")
    with pytest.raises(commands.UsageError, match="no file matches"):
        do(f"put_files {tmp_path}/*.none --to s3://box/new")


def test_pairs_go_up(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("file")
    do("put_many $pairs --to s3://other/x", pairs=[("a", "1"), ("s3://other/b", b"2")])
    do("put_many $pairs --root s3://other", pairs={"c": "3"})
    do("put_files $pairs --to s3://other", pairs=[("d", tmp_path / "f")])
    do("put_many --to s3://other", '{"key": "e", "value": "5"}\n["f", "6"]')
    assert {k: wire.body("other", k) for k in wire.buckets["other"]} == {
        "x/a": b"1", "b": b"2", "c": b"3", "d": b"file", "e": b"5", "f": b"6",
    }  # fmt: skip


def test_a_body_of_keys(do: Do) -> None:
    assert [o.text for o in do("get_many --root s3://box", "a.txt\ndir/b.txt\n")] == ["alpha\n", "beta\n"]
    assert do("get_many", '{"url": "s3://box/a.txt", "offset": 1, "length": 2}')[0].text == "lp"
    with pytest.raises(
        commands.UsageError, match=r"%%s3 ls: a cell's body is nothing to it; verbs that take one: .*get_many"
    ):
        do("ls s3://box", "body")
    with pytest.raises(commands.UsageError, match="no keys"):
        do("get_many", "\n")


# -- cp, mv, sync, rm ------------------------------------------------------------------------------------


def test_cp_to_s3_from_s3_and_within(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("F")
    do(f"cp {tmp_path}/f.txt s3://other/")
    do(f"cp {tmp_path}/f.txt s3://other/g.txt")
    assert sorted(wire.buckets["other"]) == ["f.txt", "g.txt"]
    do(f"cp s3://box/dir/b.txt {tmp_path}")
    do(f"cp s3://box/dir/b.txt {tmp_path}/renamed")
    assert (tmp_path / "b.txt").read_text() == (tmp_path / "renamed").read_text() == "beta\n"
    do(f"cp -r s3://box/dir {tmp_path}/tree --exclude b*")
    assert sorted(str(p.relative_to(tmp_path / "tree")) for p in (tmp_path / "tree").rglob("*.*")) == [
        "c.csv",
        "sub/d.csv",
    ]
    do(f"cp s3://box/**/*.csv {tmp_path}/csv/")
    assert (tmp_path / "csv" / "dir" / "sub" / "d.csv").exists()
    do("cp s3://box/a.txt s3://box/dir/b.txt s3://other/in/")
    assert wire.body("other", "in/b.txt") == b"beta\n"
    do("cp s3://box/a.txt s3://other/copy")
    assert wire.body("other", "copy") == b"alpha\n"


def test_cp_leaves_alone_what_is_there_if_asked(do: Do, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("mine")
    do(f"cp -r s3://box/dir {tmp_path} --no-overwrite")
    assert (tmp_path / "b.txt").read_text() == "mine"
    assert (tmp_path / "c.csv").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("cp a b", "neither SOURCE nor TARGET is an s3:// URL"),
        ("cp a s3://box/a.txt s3://other/", "all SOURCEs are s3:// URLs, or all are local"),
        ("cp s3://box/dir/ here", "is a prefix: say -r"),
        ("cp FOLDER s3://box", "is a folder: say -r"),
        ("cp s3://box/a.txt s3://box/a.txt", "copied onto itself"),
        ("mv s3://box/a.txt s3://box", "copied onto itself"),
    ],
)
def test_cp_says_what_does_not_go_together(do: Do, tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(commands.UsageError, match=told):
        do(line.replace("FOLDER", str(tmp_path)))


def test_mv_deletes_what_has_arrived_and_nothing_else(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("F")
    do(f"mv {tmp_path}/f.txt s3://other/")
    assert wire.body("other", "f.txt") == b"F"
    assert not (tmp_path / "f.txt").exists()
    do(f"mv s3://other/f.txt {tmp_path}")
    assert (tmp_path / "f.txt").read_text() == "F"
    assert wire.body("other", "f.txt") is None
    wire.faults.append(Fault(operation="CopyObject", key="c.csv", status=403, code="AccessDenied", times=None))
    with pytest.raises(BulkError):
        do("mv -r s3://box/dir s3://other/moved")
    assert sorted(wire.buckets["other"]) == ["moved/b.txt", "moved/sub/d.csv"]
    assert sorted(k for k in wire.buckets["box"] if k.startswith("dir")) == ["dir/c.csv"]


def test_one_object_is_moved_within_s3(do: Do, wire: MemoryWire) -> None:
    assert do("mv s3://box/a.txt s3://other/b.txt") == "s3://other/b.txt"
    assert ("a.txt" in wire.buckets["box"], "b.txt" in wire.buckets["other"]) == (False, True)


def test_mv_keeps_a_source_whose_target_was_there(do: Do, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("mine")
    do(f"mv {tmp_path}/a.txt s3://box/ --no-overwrite")
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert wire.body("box", "a.txt") == b"alpha\n"


def test_sync_asks_before_it_deletes(do: Do, session: commands.Session, wire: MemoryWire, tmp_path: Path) -> None:
    down = tmp_path / "down"
    planned = do(f"sync s3://box/dir {down} --dry-run --exclude c*")
    assert (planned.copied, planned.dry_run, down.exists()) == (["b.txt", "sub/d.csv"], True, False)
    assert do(f"sync s3://box/dir {down}").copied == ["b.txt", "c.csv", "sub/d.csv"]
    (down / "b.txt").unlink()
    with pytest.raises(commands.UsageError, match=r"delete 1 object from s3://box/dir.* say --yes"):
        do(f"sync {down} s3://box/dir --delete")
    asked: list[str] = []
    session.ask = lambda question: asked.append(question) or "n"  # type: ignore[func-returns-value]
    with pytest.raises(commands.Declined):
        do(f"sync {down} s3://box/dir --delete")
    assert wire.body("box", "dir/b.txt") == b"beta\n"
    assert do(f"sync {down} s3://box/dir --delete --yes").deleted == ["b.txt"]
    assert wire.body("box", "dir/b.txt") is None
    assert do(f"sync {down} s3://box/dir --delete").deleted == []  # nothing to ask about
    assert len(asked) == 1


def test_rm_refuses_where_nobody_can_answer(do: Do, wire: MemoryWire) -> None:
    for line in ("rm s3://box/a.txt", "rm -r s3://box", "rm s3://box/*.txt", "abort_incomplete s3://box"):
        with pytest.raises(commands.UsageError, match="Nobody can answer here: say --yes"):
            do(line)
    assert len(wire.buckets["box"]) == 6


def test_rm_asks_with_what_it_would_delete(do: Do, session: commands.Session, wire: MemoryWire) -> None:
    answers = iter(["n", "", "y", "yes"])
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    session.ask = ask
    with pytest.raises(commands.Declined):
        do("rm s3://box/a.txt")
    with pytest.raises(commands.Declined):
        do("rm -r s3://box/dir")
    assert asked == [
        "%s3 rm: delete s3://box/a.txt? [y/N] ",
        "%s3 rm: delete 3 objects (2.0 KiB) below s3://box/dir? [y/N] ",
    ]
    assert do("rm s3://box/a.txt") == ["s3://box/a.txt"]
    do("rm -r s3://box/dir")
    assert sorted(wire.buckets["box"]) == ["esc", "odd [1]*.txt"]


def test_rm_with_yes_patterns_values_and_bodies(do: Do, wire: MemoryWire) -> None:
    do("rm s3://box/dir/*.csv --yes")
    assert sorted(k for k in wire.buckets["box"] if "csv" in k) == ["dir/sub/d.csv"]
    do("rm $key --yes", key="s3://box/odd [1]*.txt")
    do("rm --root s3://box --yes", "a.txt\n")
    assert sorted(wire.buckets["box"]) == ["dir/b.txt", "dir/sub/d.csv", "esc"]


def test_rm_of_one_version(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {"k": b"1"}}, versioned=True)
    second = wire.store("box", "k", b"2")
    session = commands.Session(make=lambda folder, **options: S3(folder, wire=wire, **options))
    commands.run(commands.parse(["rm", "s3://box/k", "--version-id", second.version_id, "--yes"]), session)
    assert wire.body("box", "k") == b"1"
    session.close()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rm -r s3://box/dir --dry-run", "would delete 3 objects, 2.0 KiB; nothing was done"),
        ("rm s3://box/*.txt --dry-run", "would delete 2 objects, 9 B"),
        ("get_recursive s3://box/dir --dry-run", "would get 3 objects, 2.0 KiB"),
        ("get_many s3://box/a.txt s3://box/none --dry-run", "would get 1 object, 6 B"),
        ("cp -r s3://box/dir s3://other --dry-run", "would copy s3://box/dir/b.txt to s3://other/b.txt"),
        ("mv s3://box/a.txt s3://other/ --dry-run", "would move s3://box/a.txt to s3://other/a.txt"),
        ("put_many $pairs --to s3://other --dry-run", "would put 1 object, 3 B"),
    ],
)
def test_a_dry_run_counts_and_does_nothing(do: Do, wire: MemoryWire, line: str, told: str) -> None:
    before = {bucket: dict(contents) for bucket, contents in wire.buckets.items()}
    found = do(line, pairs=[("a", "abc")])
    assert isinstance(found, Plan)
    assert told in str(found)
    assert wire.buckets == before
    assert not wire.requests("GetObject")


def test_leftovers_of_killed_downloads_are_removed(do: Do, tmp_path: Path) -> None:
    import os

    old, young = tmp_path / ".x.s3nb-0123456789abcdef", tmp_path / ".y.s3nb-0123456789abcdef"
    for path in (old, young, tmp_path / "mine"):
        path.write_text("half")
    os.utime(old, (0, 0))
    assert do(f"clean {tmp_path} --dry-run").count == 1
    assert do(f"clean {tmp_path}") == [str(old)]
    assert sorted(os.listdir(tmp_path)) == [young.name, "mine"]


# -- this session -----------------------------------------------------------------------------------------


def test_config_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    session = commands.Session("s3nb", lazy=True)
    shown = str(
        commands.run(
            commands.parse(["config", "--endpoint-url", "http://127.0.0.1:1", "--region", "eu-west-1"]), session
        )
    )
    session.close()
    assert "http://127.0.0.1:1" in shown
    assert "eu-west-1" in shown
    assert "AKIA…MPLE (from env)" in shown
    assert "wJalr" not in shown
    assert "IOSFODNN7" not in shown


def test_a_failure_of_one_names_it_and_keeps_the_rest(do: Do, wire: MemoryWire) -> None:
    wire.faults.append(Fault(key="b.txt", status=403, code="AccessDenied", times=None))
    with pytest.raises(AccessDenied) as caught:
        do("get_many s3://box/a.txt s3://box/dir/b.txt")
    assert [o.key for o in caught.value.ok] == ["s3://box/a.txt"]  # type: ignore[attr-defined]


def test_results_are_json(do: Do, wire: MemoryWire) -> None:
    lines = list(as_json(do("ls s3://box/dir")))
    assert lines[0]["url"] == "s3://box/dir/b.txt"
    assert (lines[0]["size"], lines[0]["last_modified"]) == (5, "2026-01-01T00:00:00Z")
    assert lines[2] == {"url": "s3://box/dir/sub/", "bucket": "box", "key": "dir/sub/", "prefix": True}
    assert list(as_json(do("du s3://box/dir"))) == [{"url": "s3://box/dir/", "count": 3, "size": 2013}]
    assert list(as_json(do("rm s3://box/esc --yes"))) == [{"url": "s3://box/esc"}]
    with pytest.raises(BulkError) as caught:
        do("get_many s3://box/none s3://box/neither")
    assert [line["error"] for line in as_json(caught.value.results)] == ["NoSuchKey", "NoSuchKey"]


def test_interrupted_or_cancelled_many_operations_keep_what_is_done(wire: MemoryWire, tmp_path: Path) -> None:
    hold = threading.Event()
    wire.faults.append(Fault(key="dir/c.csv", hold=hold, times=None))

    def stop(snapshot: Any) -> None:
        if snapshot.done == 2:
            raise KeyboardInterrupt

    with S3(tmp_path, s3root="s3://box", wire=wire, progress=stop) as s3:
        with pytest.raises(KeyboardInterrupt) as caught:
            s3.get_many(["dir/c.csv", "a.txt", "dir/b.txt"])
        assert sorted(o.text for o in partial_of(caught.value).ok) == ["alpha\n", "beta\n"]


def test_lines_do_not_wait_a_minute_for_an_address_that_may_be_wrong(do: Do) -> None:
    _session_of(do).set("workers", 7, "a test")
    config = _session_of(do).client()._config
    assert (config.max_requests, config.first_patience, config.patience) == (7, 3.0, TransferConfig().patience)
