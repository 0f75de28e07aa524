"""A name that is not there: said in a short line, with what may have been meant; prefixes are looked into; rm says what it can know."""

from __future__ import annotations

from typing import Any

import pytest

from s3nb import BulkError, ObjectNotFound, commands
from s3nb.commands.hints import told
from s3nb.commands.near import explain
from s3nb.testing import Fault, MemoryWire

from .test_verbs import Do


def notes(session: commands.Session, line: str) -> list[str]:
    command = commands.parse(commands.words(line, {}))
    with pytest.raises(OSError) as caught:
        commands.run(command, session)
    explain(caught.value, session, command)
    return list(getattr(caught.value, "__notes__", []))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("get s3://box/dir", ["a prefix of that name has objects: b.txt, c.csv, sub/", "%s3 get_recursive s3://box/dir/"]),
        ("head s3://box/dir/", ["that is a prefix with objects: b.txt, c.csv, sub/", "%s3 ls s3://box/dir/"]),
        ("cat s3://box/dir", ["a prefix of that name has", "%s3 ls s3://box/dir/"]),
        ("rm s3://box/dir --yes", ["a prefix of that name has", "%s3 rm -r s3://box/dir/"]),
        ("cp s3://box/dir x", ["a prefix of that name has", "%s3 cp -r s3://box/dir/"]),
        ("get s3://box/a.tx", ["did you mean s3://box/a.txt ?"]),
        ("info s3://box/dir/B.txt", ["did you mean s3://box/dir/b.txt ?"]),
        ("get_many s3://box/a.txt s3://box/dirr/b.txt", []),
        ("get_many s3://box/a.txt s3://box/a.tx", ["did you mean s3://box/a.txt ?"]),
        ("get s3://box/entirely-else", []),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_with_what_is_near(session: commands.Session, line: str, said: list[str]) -> None:
    found = notes(session, line)
    assert len(found) == len(said)
    for note, part in zip(found, said, strict=True):
        assert part in note


def test_whoever_may_not_list_is_told_what_s3_says_and_no_more(session: commands.Session, wire: MemoryWire) -> None:
    wire.faults.append(Fault(operation="ListObjectsV2", status=403, code="AccessDenied", times=None))
    assert notes(session, "get s3://box/dir") == []


def test_names_near_by_are_hostile_text_too(session: commands.Session, wire: MemoryWire) -> None:
    wire.store("box", "\x1b[2Jred.csv", b"x")
    for note in notes(session, "get s3://box/\x1b[2Jred.cs"):
        assert note.isprintable()


def test_the_details_of_an_error_are_shown_when_asked_for(do: Do) -> None:
    with pytest.raises(ObjectNotFound) as caught:
        do("get s3://box/none")
    short, long = told(caught.value), told(caught.value, verbose=True)
    assert short.startswith("s3://box/none: NoSuchKey")
    assert "status" not in short
    assert "GetObject, code NoSuchKey, status 404" in long
    with pytest.raises(BulkError) as many:
        do("get_many s3://box/none s3://box/neither")
    assert "status" not in told(many.value)
    assert told(many.value, verbose=True).count("status 404") == 2


# -- prefixes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["s3://box/dir/", "s3://box/dir", "dir --root s3://box"])
def test_a_preview_of_a_prefix_shows_what_is_below(do: Do, line: str) -> None:
    found = do(f"preview {line}")
    assert (found.kind, found.url, found.title) == ("prefix", "s3://box/dir/", "prefix")
    assert [row[:2] for row in found.blocks[0].rows] == [("b.txt", "5 B"), ("c.csv", "8 B"), ("sub/", "prefix")]
    assert "c.csv" in str(found)
    assert ">sub/<" in found._repr_mimebundle_()["text/html"]
    assert "the first of more" in str(do(f"preview {line} --rows 2"))


def test_a_preview_of_a_bucket_is_one_of_a_prefix_and_of_a_marker_with_nothing_below_one_of_an_object(
    do: Do, wire: MemoryWire
) -> None:
    assert do("preview s3://box").kind == "prefix"
    wire.store("box", "marker/", b"")
    assert do("preview s3://box/marker/").kind == "empty"
    with pytest.raises(ObjectNotFound):
        do("preview s3://box/nothing/")


@pytest.mark.parametrize("verb", ["cp", "sync"])
def test_a_line_that_names_nothing_in_s3_says_what_may_have_been_meant(do: Do, verb: str) -> None:
    with pytest.raises(commands.UsageError, match=r"neither SOURCE nor TARGET .*did you mean s3://box/dir/copies \?"):
        do(f"{verb} here copies --root s3://box/dir")


# -- bytes that are no text ----------------------------------------------------------------------------


BINARY = bytes(range(256)) * 20


def test_head_and_cat_of_what_is_no_text_show_a_dump(do: Do, wire: MemoryWire) -> None:
    wire.store("box", "bin", BINARY)
    lines = do("head -n 2 s3://box/bin").splitlines()
    assert lines[0].startswith("00000000  00 01 02 03")
    assert lines[1].startswith("00000010  10 11")
    assert lines[2] == "(the first 32 bytes of 5.0 KiB, no text: preview says what it is)"
    assert len(do("head -c 64 s3://box/bin").splitlines()) == 5
    assert len(do("cat s3://box/bin").splitlines()) == 17
    assert do("cat s3://box/bin").blob == BINARY
    assert do("cat s3://box/a.txt").blob is None


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "latin-1"])
def test_head_reads_the_encodings_that_preview_reads(do: Do, wire: MemoryWire, codec: str) -> None:
    wire.store("box", "text", "größer\nnext\n".encode(codec))
    assert do("cat s3://box/text") == "größer\nnext\n"


# -- rm --------------------------------------------------------------------------------------------------


def test_rm_of_what_is_not_there_says_so_and_deletes_the_rest(do: Do, wire: MemoryWire) -> None:
    with pytest.raises(ObjectNotFound, match="s3://box/none: no such object, nothing was deleted"):
        do("rm s3://box/none --yes")
    with pytest.raises(BulkError) as caught:
        do("rm s3://box/a.txt s3://box/none --yes")
    assert caught.value.ok == ["s3://box/a.txt"]
    assert [e.key for e in caught.value.failed] == ["none"]
    assert wire.body("box", "a.txt") is None
    with pytest.raises(ObjectNotFound):
        do("rm s3://box/a.txt --dry-run")


def test_rm_with_force_or_without_leave_to_look_says_what_s3_says(do: Do, wire: MemoryWire) -> None:
    assert do("rm s3://box/none --yes --force") == ["s3://box/none"]
    assert wire.requests("HeadObject") == 0
    wire.faults.append(Fault(operation="HeadObject", status=403, code="AccessDenied", times=None))
    assert do("rm s3://box/a.txt --yes") == ["s3://box/a.txt"]
    assert wire.body("box", "a.txt") is None


def test_rm_of_many_keys_asks_nothing_of_each(do: Do, wire: MemoryWire) -> None:
    keys: list[Any] = [f"k{n}" for n in range(30)]
    assert len(do("rm $keys --root s3://box --yes", keys=keys)) == 30
    assert wire.requests("HeadObject") == 0


def test_a_table_with_a_column_called_key_is_told_to_name_it(do: Do) -> None:
    import pandas as pd

    frame = pd.DataFrame({"key": ["a.txt", "esc"], "n": [1, 2]})
    with pytest.raises(commands.UsageError, match="a table is no list of keys: name a column"):
        do("get_many $frame --root s3://box", frame=frame)
    assert [o.key for o in do("get_many {frame['key']} --root s3://box", frame=frame)] == ["a.txt", "esc"]
