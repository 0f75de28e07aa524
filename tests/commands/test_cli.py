"""The command line: output for people and for pipes, and an exit status."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from s3nb import S3, cli
from s3nb.commands.contents import Piece
from s3nb.commands.session import Session


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert cli.main(list(words)) == status
    return capsys.readouterr().out


def test_the_command_line_round_trip(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.txt").write_text("hello\n")
    assert cli.main(["put_many", "file.txt", "--to", f"{shell}/x"]) == 0
    assert "       6 B  " in said(capsys, "ls", f"{shell}/x")
    assert "content_type" in said(capsys, "info", f"{shell}/x/file.txt")
    (tmp_path / "file.txt").unlink()
    assert cli.main(["get", f"{shell}/x/file.txt"]) == 0
    assert (tmp_path / "file.txt").read_text() == "hello\n"
    assert cli.main(["get_many", f"{shell}/x/file.txt", "--to", "many"]) == 0
    assert (tmp_path / "many" / "x" / "file.txt").read_text() == "hello\n"
    assert cli.main(["get", f"{shell}/x/file.txt", "--to", "new/folder/"]) == 0
    assert (tmp_path / "new" / "folder" / "file.txt").read_text() == "hello\n"
    assert cli.main(["cp", "file.txt", f"{shell}/y/"]) == 0
    assert cli.main(["rm", "-r", f"{shell}/y", "--yes"]) == 0
    assert "1 object, 6 B" in said(capsys, "ls", "-r", shell)
    assert shell.removeprefix("s3://") in said(capsys, "ls")


def test_json_lines_go_from_one_command_to_the_next(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with S3(s3root=shell) as s3:
        s3.put_many([("a b", "1"), ("\u202eumläut", "22"), ("c", "333")])
    listed = said(capsys, "find", shell, "--larger", "1", "--json")
    assert [json.loads(line)["key"] for line in listed.splitlines()] == ["c", "\u202eumläut"]
    monkeypatch.setattr(sys, "stdin", io.StringIO(listed))
    facts = [json.loads(line) for line in said(capsys, "info_many", "-", "--json").splitlines()]
    assert [(f["url"], f["size"]) for f in facts] == [(f"{shell}/c", 3), (f"{shell}/\u202eumläut", 2)]
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{shell}/c\n{shell}/none\n"))
    lines = [json.loads(line) for line in said(capsys, "info_many", "-", "--json", status=cli.PARTLY).splitlines()]
    assert (lines[0]["size"], lines[1]["error"]) == (3, "NotFound")


def test_standard_input_is_stored_and_bytes_come_out_as_they_are(shell: str) -> None:
    run = [sys.executable, "-m", "s3nb"]
    subprocess.run([*run, "put", f"{shell}/bin", "-"], input=bytes(range(256)), check=True, capture_output=True)
    done = subprocess.run([*run, "cat", f"{shell}/bin"], capture_output=True, check=True)
    assert done.stdout == bytes(range(256))
    done = subprocess.run([*run, "head", "-c", "3", f"{shell}/bin"], capture_output=True, check=True)
    assert done.stdout == b"\0\1\2"


def test_large_objects_are_shown_some_at_a_time_and_let_go(session: Session) -> None:
    with session.client() as s3:
        s3.put_many([("s3://other/a", b"a" * 3_000_000), ("s3://other/b", b"b")])
        found = s3.get_many(["s3://other/a", "s3://other/b"])
        pieces = [Piece(b"", o.size or 0, item=o) for o in found]
        assert [[len(chunk) for chunk in piece.chunks()] for piece in pieces] == [[1 << 20, 1 << 20, 902848], [1]]
        assert [o.downloaded for o in found] == [False, False]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_all_bytes_go_through_a_slow_pipe(shell: str, unbuffered: str) -> None:
    body = bytes(range(256)) * 4096
    with S3(s3root=shell) as s3:
        s3.put("large", body)
    process = subprocess.Popen(
        [sys.executable, "-m", "s3nb", "cat", f"{shell}/large"],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.read() == body


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["info", "ROOT/none"], 1, "NotFound"),
        (["get_many", "ROOT/none", "ROOT/neither"], 1, "2 objects of 2 failed"),
        (["cp", "ROOT/none", "ROOT/none"], 2, "would be copied onto itself"),
        (["ls", "s3://no-such-bucket-here"], 1, "NoSuchBucket"),
        (["ls", "s3://no-such-bucket-here"], 1, "s3nb config shows what is in force"),
        (["put_many", "no-such-file", "--to", "ROOT"], 1, "no-such-file"),
        (
            ["ls", "not-a-url.txt"],
            2,
            "'not-a-url.txt' is no s3:// URL: give one, or say first what keys are relative to (--root",
        ),
        (["ls", "a-bucket/x"], 2, "did you mean s3://a-bucket/x ?"),
        (["ls", "s3:/a-bucket"], 2, "did you mean s3://a-bucket ?"),
        (["cat", "https://a-bucket.s3.eu-west-1.amazonaws.com/d/k.txt"], 2, "did you mean s3://a-bucket/d/k.txt ?"),
        (["put_files", "x", "--to", "a-bucket/x"], 2, "did you mean s3://a-bucket/x ?"),
        (["ls", "-l"], 2, "are always shown"),
        (
            ["cat", "-dash"],
            2,
            "no option -dash: s3nb cat -h shows those there are; a name that begins with - goes behind --",
        ),
        (["versions"], 2, "did you mean 'ls -r --versions'?"),
        (["mb", "s3://x"], 2, "buckets are made and removed elsewhere"),
        (
            ["ls", "--endpoint-url", "localhost:9000"],
            1,
            "localhost:9000\n  an endpoint begins with http:// or https://",
        ),
        (["--profile", "x"], 2, "a verb is missing"),
        (["--frob", "ls"], 2, "the verb comes first, then options such as --frob"),
        (["gett"], 2, "did you mean 'get'"),
        (["get"], 2, "KEY"),
        (["use", "s3://b"], 2, "s3nb use works in a notebook only"),
        (["rm", "ROOT/x"], 2, "Nobody can answer here: say --yes"),
    ],
)
def test_failures_are_told_on_stderr_and_by_a_status(
    shell: str, capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str
) -> None:
    assert cli.main([w.replace("ROOT", shell) for w in words]) == status
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_a_name_that_is_not_there_is_told_short_with_what_may_have_been_meant(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with S3(s3root=shell) as s3:
        s3.put("data/a.csv", "1")
    assert cli.main(["get", f"{shell}/data"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"s3nb: {shell}/data: NoSuchKey (The specified key does not exist.)",
        "  a prefix of that name has objects: a.csv",
        f"  did you mean s3nb get_recursive {shell}/data/ ?",
    ]
    assert cli.main(["ls", f"{shell[:-1]}/"]) == 1
    assert f"  did you mean {shell} ?\n" in capsys.readouterr().err
    assert cli.main(["get", f"{shell}/zzz", "--verbose"]) == 1
    assert "  GetObject, code NoSuchKey, status 404, request " in capsys.readouterr().err


def test_some_of_many_failed_has_a_status_of_its_own(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put("there", "1")
    assert cli.main(["get_many", f"{shell}/there", f"{shell}/none", "--to", "x"]) == cli.PARTLY == 3
    shown = capsys.readouterr()
    assert "1 object, 1 B" in shown.out
    assert "1 object of 2 failed" in shown.err


def test_what_is_here_is_left_alone_if_asked(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "a"
    with S3(s3root=shell) as s3:
        s3.put_many([("a", "theirs"), ("b", "2"), ("c/a", "3")])
        for words in (
            ["get", f"{shell}/a"], ["get", f"{shell}/a", "--to", "a"], ["get", f"{shell}/a", "--to", f"{tmp_path}/"],
            ["get_many", "a", "b", "--root", shell, "--to", "."], ["get_recursive", shell, "--to", "."],
            ["get_all", "--root", shell, "--to", "."], ["cp", f"{shell}/a", "a"], ["cp", "-r", shell, "."],
            ["mv", f"{shell}/a", "a"],
        ):  # fmt: skip
            mine.write_text("mine")
            assert "skipped" in said(capsys, *words, "-n")
            assert mine.read_text() == "mine"
            assert s3.exists("a")
        assert (tmp_path / "c" / "a").read_text() == "3"
        assert "skipped" in said(capsys, "cp", f"{shell}/b", f"{shell}/a", "--no-clobber")
        assert s3.get("a").text == "theirs"
        assert cli.main(["put", f"{shell}/a", "a", "--no-overwrite"]) == 0
        assert f"{shell}/a was there already: left alone" in capsys.readouterr().err
        assert cli.main(["get", f"{shell}/a"]) == 0  # as cp does, if nobody says otherwise
        assert mine.read_text() == "theirs"


def test_what_is_put_from_files_has_the_type_that_its_name_says(shell: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("page.html", "d/data.csv.gz", "d/odd"):
        (tmp_path / name).write_text("x")
    for line in (
        ["put", f"{shell}/put/", "page.html"], ["put", f"{shell}/note.txt", "--text", "x"],
        ["put", f"{shell}/said.html", "page.html", "--content-type", "text/plain"], ["cp", "page.html", f"{shell}/cp/"],
        ["put_files", "d", "--to", f"{shell}/files"], ["sync", "d", f"{shell}/sync"],
    ):  # fmt: skip
        assert cli.main(line) == 0
    with S3(s3root=shell) as s3:
        s3.upload(tmp_path / "d", "up")
        types = {o.object_key: o.content_type for o in s3.info_many(s3.iter_list())}
    packed = {f"{way}/data.csv.gz": "application/gzip" for way in ("files", "sync", "up")}
    unknown = {f"{way}/odd": "binary/octet-stream" for way in ("files", "sync", "up")}
    html = {"put/page.html": "text/html", "cp/page.html": "text/html"}
    assert types == {**packed, **unknown, **html, "note.txt": "text/plain", "said.html": "text/plain"}


def test_options_of_every_verb_may_come_before_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put_many([("a", "1"), ("-b", "2")])
    assert said(capsys, "--root", shell, "--region=us-east-1", "-q", "cat", "a") == "1"
    assert said(capsys, "cat", "--root", shell, "--", "-b") == "2"
    assert said(capsys, "-q", "-h").startswith("usage: s3nb VERB")


def test_an_empty_part_of_a_key_is_listed_as_one(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put_many([("a//x", ""), ("a/y", "")])
    assert [line.split()[-1] for line in said(capsys, "ls", f"{shell}/a").splitlines()[:2]] == ["/", "y"]


def test_buckets_are_called_buckets(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "ls").splitlines()
    assert any(line.split()[0] == "bucket" and shell in line for line in lines[:-1])
    assert said(capsys, "ls", "s3://").splitlines() == lines
    assert "bucket" in lines[-1]


def test_lines_of_json_have_these_fields(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put_many([("d/a", "1")])
        s3.put("e", "2", metadata={"m": "v"}, content_type="text/x")

    def fields(*words: str, status: int = 0) -> list[list[str]]:
        return [sorted(json.loads(line)) for line in said(capsys, *words, "--json", status=status).splitlines()]

    listed = ["bucket", "etag", "key", "last_modified", "size", "storage_class", "url"]
    assert fields("ls", shell) == [["bucket", "key", "prefix", "url"], listed]
    assert fields("ls", "-r", f"{shell}/d") == [listed]
    known = [*listed, "content_type", "metadata", "raw_metadata"]
    assert set(known) <= set(fields("info", f"{shell}/e")[0]) <= {*known, "encryption", "version_id"}
    assert set(fields("get", f"{shell}/e")[0]) >= {"path", "verified", "url", "size"}
    assert fields("info_many", f"{shell}/no", "--root", shell, "--return-missing") == [
        ["bucket", "key", "missing", "url"]
    ]
    assert fields("get_many", f"{shell}/no", status=1) == [["error", "message", "url"]]
    assert fields("du", shell) == [["count", "size", "url"]]
    assert fields("rm", f"{shell}/e", "--dry-run") == [["name", "size", "would"], ["count", "size", "would"]]
    assert fields("rm", f"{shell}/e", "--yes") == [["url"]]
    assert fields("presign", f"{shell}/e") == [["url"]]
    assert set(fields("preview", f"{shell}/d/a")[0]) == {"about", "facts", "kind", "size", "tags", "url"}
    Path("folder").mkdir()
    Path("folder/f").write_text("x")
    assert fields("put", f"{shell}/e", "folder/f") == [["url"]]
    assert fields("put_files", "folder", "--to", shell) == [["key", "url"]]
    assert fields("sync", "folder", f"{shell}/s") == [["copied"], ["dry_run", "same", "size"]]


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_a_terminal_without_unicode_gets_escapes(shell: str, locale: dict[str, str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put("größer-日本.csv", "ä\n")
    for words in (["ls"], ["info_many", "-"], ["find", "--name", "größer*"]):
        done = subprocess.run(
            [sys.executable, "-m", "s3nb", words[0], *([] if "-" in words else [shell]), *words[1:]],
            env={**os.environ, **locale}, input=f"{shell}/größer-日本.csv\n".encode(), capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"-\\u65e5\\u672c.csv" in done.stdout or "größer-日本.csv".encode() in done.stdout


def test_a_dash_is_standard_input_and_output(shell: str) -> None:
    script = f"""
        printf hello | "$0" -m s3nb cp - {shell}/page.html -q && "$0" -m s3nb cp {shell}/page.html - &&
        "$0" -m s3nb get {shell}/page.html --to - --offset 1 --length 2 && "$0" -m s3nb cp x - 2>&1 || ls
    """
    done = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=True)
    lines = [
        f"{shell}/page.html",
        "helloels3nb cp: - is standard input as the only SOURCE of an s3:// URL, or standard output as TARGET of some",
    ]
    assert (done.stdout.splitlines(), done.stderr) == (lines, "")  # and no file is called so
    with S3(s3root=shell) as s3:
        assert s3.info("page.html").content_type == "text/html"


def test_standard_input_that_is_no_text_is_said(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "s3nb", "info_many", "-"], input=b"a\n\xff\n", capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, b"s3nb: standard input is no UTF-8: byte 2 is 0xff\n")


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("ls ROOT >&-", 1, "s3nb: what was to be shown cannot be written: Bad file descriptor\n"),
        ("cat ROOT/k > /dev/full", 1, "s3nb: what was to be shown cannot be written: No space left on device\n"),
        (
            "get_many - <&-",
            2,
            "s3nb get_many: no keys: name some, or give one a line in a cell's body (or - and standard input)\n",
        ),
        ("lss 2>&-", 2, ""),
    ],
)
def test_streams_that_are_closed_or_full_are_no_traceback(shell: str, line: str, status: int, told: str) -> None:
    with S3(s3root=shell) as s3:
        s3.put("k", "x" * 100_000)
    script = f'exec "$0" -m s3nb {line.replace("ROOT", shell)}'
    done = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, told)


def test_help_is_as_narrow_as_the_terminal(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    termios.tcsetwinsize(theirs, (24, 40))
    lines: list[str] = []
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with (
        subprocess.Popen([sys.executable, "-m", "s3nb", "help"], stdout=theirs, env=env),
        open(ours, closefd=False) as shown,
    ):
        os.close(theirs)
        with suppress(OSError):  # Linux: when nobody has the other end any more
            lines += shown
    assert len(lines) > 40
    assert max(len(line.rstrip()) for line in lines) < 40


def test_a_listing_into_head_is_silent(shell: str) -> None:
    with S3(s3root=shell) as s3:
        s3.put_many((f"k{n:05}-{'x' * 200}", "") for n in range(400))
    done = subprocess.run(
        ["sh", "-c", '"$0" -m s3nb ls "$1" | head -1', sys.executable, shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stderr, len(done.stdout.splitlines())) == ("", 1)


def test_debug_shows_the_traceback(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", f"{shell}/none", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_help_and_version_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert "usage: s3nb VERB" in said(capsys)
    assert "s3nb get s3://bucket/a.csv" in said(capsys, "get", "-h")
    assert said(capsys, "--version").startswith("s3nb ")


def test_names_of_others_do_not_reach_the_terminal_as_they_are(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3(s3root=shell) as s3:
        s3.put("\x1b]0;title\x07", "x")
    lines = (["ls"], ["ls", "--json"], ["du", "-d"], ["rm", "-r", "--dry-run"], ["rm", "-r", "--yes"])
    for verb, *options in lines:
        assert "\x1b" not in said(capsys, verb, shell, *options)


def test_a_reader_that_leaves_early_is_no_traceback(shell: str) -> None:
    with S3() as s3:
        s3.put(f"{shell}/large", bytes(1 << 20))
    process = subprocess.Popen(
        [sys.executable, "-m", "s3nb", "cat", f"{shell}/large"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == cli.READER_LEFT


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)


def test_a_terminal_is_asked_and_its_answer_counts(shell: str, terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    with S3(s3root=shell) as s3:
        s3.put("a", "1")
        process = subprocess.Popen(
            [sys.executable, "-m", "s3nb", "rm", f"{shell}/a"], stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(ours, 1000)
        assert f"s3nb rm: delete {shell}/a?".encode() in seen
        os.write(ours, b"n\n")
        assert process.wait(20) == cli.FAILED
        assert s3.exists("a")


@pytest.mark.parametrize("verb", ["cat", "head"])
def test_bytes_of_others_do_not_reach_a_terminal_as_they_are(shell: str, terminal: tuple[int, int], verb: str) -> None:
    ours, theirs = terminal
    with S3(s3root=shell) as s3:
        s3.put("esc", b"\x1b]0;title\x07red\tok\nnext\n")
    command = [sys.executable, "-m", "s3nb", verb, f"{shell}/esc", "-q"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    seen = b""
    while b"next" not in seen:
        seen += os.read(ours, 1000)
    assert process.wait(20) == cli.DONE
    assert seen.startswith(b"\\x1b]0;title\\x07red\tok\r\nnext")


def test_an_interrupt_ends_it_with_130_and_leaves_nothing(shell: str, tmp_path: Path) -> None:
    code = (
        "import sys, os, signal, threading\n"
        "from s3nb import S3, cli, commands\n"
        "from s3nb.testing import Fault, MemoryWire\n"
        "wire = MemoryWire({'box': {f'k{n}': b'x' * 100 for n in range(50)}})\n"
        "wire.faults.append(Fault(key='k30', hold=threading.Event(), times=None, then=lambda: os.kill(os.getpid(), signal.SIGINT)))\n"
        "make = lambda folder, **options: S3(folder, wire=wire, **options)\n"
        "cli.commands.Session = lambda *a, **k: commands.session.Session(*a, make=make, **k)\n"
        "sys.exit(cli.main(['get_recursive', 's3://box', '--to', 'out']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == cli.INTERRUPTED == 128 + signal.SIGINT
    assert done.stderr.startswith("s3nb: interrupted")
    assert "Traceback" not in done.stderr
    assert not [p for p in (tmp_path / "out").rglob("*") if "s3nb" in p.name]
