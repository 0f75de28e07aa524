"""What Tab offers: what may come next, from the line, from S3, from the disk; quickly, and without a word if it cannot."""

from __future__ import annotations

import shlex
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, commands
from s3nb.commands.complete import Candidate, Completer, Remote, asks_for_a_code, expected, local, typed
from s3nb.commands.shells import answers, script
from s3nb.testing import Fault, MemoryWire


@pytest.fixture
def completer(session: commands.Session) -> Completer:
    found = Completer(session, commands.VERBS)
    found.budget = 60.0  # the machine may be busy
    return found


def texts(completer: Completer, line: str) -> list[str]:
    now = typed(line)
    return [] if now is None else [c.text for c in completer.candidates(now.before, now.word)]


# -- the line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kinds"),
    [
        ("", ("verb",)),
        ("ge", ("verb",)),
        ("help ge", ("verb",)),
        ("--profile x ge", ("verb",)),
        ("--profile ge", ()),
        ("-q get ", ("key", "option")),
        ("frobnicate x", ()),
        ("get ", ("key", "option")),
        ("get s3://b", ("key",)),
        ("get s3://b/k x", ()),
        ("get s3://b/k --to ", ("local",)),
        ("get s3://b/k --to=x", ("local",)),
        ("get --to x ", ("key", "option")),
        ("get -", ("option",)),
        ("ls s3://b ", ("prefix", "option")),
        ("put_many x", ("local",)),
        ("put_many x --to s", ("prefix",)),
        ("put k x", ("local",)),
        ("cp x", ("either",)),
        ("ls --root ", ("prefix",)),
        ("presign k --method ", ("choice",)),
        ("get k --offset ", ()),
    ],
)
def test_the_words_before_say_what_may_come(line: str, kinds: tuple[str, ...]) -> None:
    now = typed(line)
    assert now is not None
    assert expected(now.before, now.word, commands.VERBS, "%s3").kinds == kinds


@pytest.mark.parametrize(
    ("line", "word", "start", "quote"),
    [
        ("get a", "a", 4, ""),
        ("get ", "", 4, ""),
        ("get 'a b", "a b", 4, "'"),
        ('get "a b', "a b", 4, '"'),
        ("get 'a'", "a", 4, ""),
        (r"get a\ b", "a b", 4, ""),
        (r"get a\ ", "a ", 4, ""),
        ("get 'x {y", "x {y", 4, "'"),
    ],
)
def test_a_word_is_read_while_it_is_typed(line: str, word: str, start: int, quote: str) -> None:
    now = typed(line)
    assert now is not None
    assert (now.word, now.start, now.quote) == (word, start, quote)


@pytest.mark.parametrize("line", ["get # a comm", "get {na", "get x{name}y", "get {keys[0]"])
def test_in_comments_and_expressions_there_is_nothing_to_offer(line: str) -> None:
    assert typed(line) is None


def test_verbs_options_and_choices(completer: Completer) -> None:
    assert texts(completer, "get") == ["get", "get_many", "get_recursive", "get_all"]
    assert texts(completer, "ls --rec") == ["--recursive"]
    assert "--recursive" not in texts(completer, "ls -r --")
    assert "--include" in texts(completer, "sync a b --include x --")
    assert texts(completer, "presign k --method=P") == ["--method=PUT"]
    assert "completion" not in texts(completer, "")
    assert "use" in texts(completer, "")


# -- names in S3 ------------------------------------------------------------------------------------------


def test_buckets_then_keys_level_by_level(completer: Completer) -> None:
    assert texts(completer, "ls ")[:2] == ["s3://box/", "s3://other/"]
    assert texts(completer, "ls s3://b") == ["s3://box/"]
    assert texts(completer, "ls s3") == ["s3://box/", "s3://other/"]
    assert texts(completer, "get s3://box/d") == ["s3://box/dir/"]
    assert texts(completer, "get s3://box/dir/") == ["s3://box/dir/b.txt", "s3://box/dir/c.csv", "s3://box/dir/sub/"]
    assert texts(completer, "get s3://none/") == []
    assert texts(completer, "cp s3://box/a") == ["s3://box/a.txt"]
    assert texts(completer, "get --root=s3://bo") == ["--root=s3://box/"]


def test_keys_below_the_current_prefix(completer: Completer, session: commands.Session) -> None:
    session.root = "s3://box/dir"
    assert texts(completer, "get ")[:3] == ["b.txt", "c.csv", "sub/"]
    assert texts(completer, "get su") == ["sub/"]
    assert texts(completer, "get sub/") == ["sub/d.csv"]
    assert texts(completer, "get s3://box/a") == ["s3://box/a.txt"]
    assert texts(completer, "get --root s3://box a") == ["a.txt"]


class Endless(MemoryWire):
    """A bucket of a million keys, one level of a thousand prefixes; it counts what it is asked."""

    asked: list[dict[str, str]]

    def _serve(self, request: Any, sent: bytes) -> Any:
        query = dict(request.query)
        self.asked.append(query)
        prefix, most = query["prefix"], int(query["max-keys"])
        names = [f"data/{n:07d}.bin" for n in range(1_000_000) if f"data/{n:07d}.bin".startswith(prefix)][:most]
        found = "".join(f"<Contents><Key>{n}</Key><Size>1</Size><ETag>x</ETag></Contents>" for n in names)
        body = (
            f"<ListBucketResult><Name>{request.bucket}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(names)}</KeyCount>"
            f"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{found}</ListBucketResult>"
        )
        return 200, {}, body.encode()


def test_a_million_keys_are_one_request_for_one_page() -> None:
    wire = Endless({"huge": {}})
    wire.asked = []
    session = commands.Session(make=lambda folder, **options: S3(folder, wire=wire, **options))
    completer = Completer(session, commands.VERBS)
    completer.budget = 60.0
    found = texts(completer, "get s3://huge/data/00")
    assert (len(found), found[0]) == (200, "s3://huge/data/0000000.bin")
    assert texts(completer, "get s3://huge/data/00") == found
    assert [(q["max-keys"], q["delimiter"]) for q in wire.asked] == [("200", "/")]
    session.close()


def test_who_waits_gives_up_in_time_and_the_answer_is_there_the_next_time(
    completer: Completer, wire: MemoryWire
) -> None:
    hold = threading.Event()
    wire.faults.append(Fault(operation="ListObjectsV2", hold=hold))
    completer.budget = 0.01
    assert texts(completer, "get s3://box/d") == []
    assert texts(completer, "get s3://box/d") == []
    hold.set()
    completer.budget = 60.0
    assert texts(completer, "get s3://box/d") == ["s3://box/dir/"]
    assert wire.requests("ListObjectsV2") == 1


def test_answers_are_believed_for_a_minute() -> None:
    now = [0.0]
    remote = Remote(clock=lambda: now[0])
    asked: list[int] = []

    def ask() -> list[Candidate]:
        asked.append(1)
        return [Candidate("a", "key")]

    for at, count in ((0.0, 1), (59.0, 1), (61.0, 2)):
        now[0] = at
        assert remote.names(("k",), ask, 60.0) == [Candidate("a", "key")]
        assert len(asked) == count
    remote.forget()
    remote.names(("k",), ask, 60.0)
    assert len(asked) == 3


def test_whatever_goes_wrong_nobody_is_disturbed(
    completer: Completer, wire: MemoryWire, capfd: pytest.CaptureFixture[str]
) -> None:
    wire.faults.append(Fault(status=403, code="AccessDenied", times=None))
    assert texts(completer, "get s3://box/d") == []
    assert texts(completer, "ls s3") == ["s3://"]
    assert texts(completer, "get s3://!bad!/d") == []
    assert completer.candidates(["get", "--offset"], "\0") == []
    assert capfd.readouterr() == ("", "")


def test_without_a_budget_nothing_is_asked(completer: Completer, wire: MemoryWire) -> None:
    completer.budget = 0
    assert texts(completer, "get s3://box/d") == []
    assert wire.requests() == 0


def test_a_key_that_would_break_the_line_is_not_offered(completer: Completer, wire: MemoryWire) -> None:
    wire.store("box", "x\ny", b"")
    wire.store("box", "x\u202ey", b"")
    wire.store("box", "xz", b"")
    assert texts(completer, "get s3://box/x") == ["s3://box/xz"]


def test_credentials_with_a_second_factor_are_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile plain]\naws_access_key_id = a\naws_secret_access_key = b\n"
        "[profile guarded]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = plain\nmfa_serial = arn:aws:iam::1:mfa/me\n"
        "[profile behind]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = guarded\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for profile, asks in (("plain", False), ("guarded", True), ("behind", True)):
        with S3(profile=profile) as s3:
            assert asks_for_a_code(s3) is asks


# -- the disk ----------------------------------------------------------------------------------------------


def test_local_paths_where_they_belong(completer: Completer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "folder" / "inner file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert texts(completer, "put_many f") == ["file", "folder/"]
    assert [c.text for c in local("")] == ["file", "folder/"]
    assert [c.text for c in local(".h")] == [".hidden"]
    assert texts(completer, "put k folder/") == ["folder/inner file"]
    assert texts(completer, "get k --to=fo") == ["--to=folder/"]
    assert texts(completer, "cp fi") == ["file"]
    assert texts(completer, "cp ")[:3] == ["file", "folder/", "s3://"]
    assert [c.text for c in local("~/fi")] == ["~/file"]
    assert local("/no/such/folder/x") == []


# -- shells --------------------------------------------------------------------------------------------------


@pytest.fixture
def in_shell(wire: MemoryWire) -> Any:
    session = commands.Session("s3nb", make=lambda folder, **options: S3(folder, wire=wire, **options), lazy=True)
    yield lambda shell, line, breaks="": answers(shell, line, breaks, commands.VERBS, session)
    session.close()


def test_a_shell_gets_words_as_it_writes_them(in_shell: Any) -> None:
    assert in_shell("zsh", "s3nb get s3://box/odd") == [r"s3://box/odd\ \[1\]\*.txt "]
    assert in_shell("zsh", "s3nb get 's3://box/odd") == ["s3://box/odd [1]*.txt' "]
    assert in_shell("zsh", "s3nb ls s3://box/d") == ["s3://box/dir/"]
    assert in_shell("fish", "s3nb ls s3://box/d") == ["s3://box/dir/\tprefix"]
    assert in_shell("bash", "s3nb ls s3://box/d", " \t:=") == ["//box/dir/"]
    assert in_shell("bash", "s3nb get --root=s3://o", " \t:=") == ["//other/"]
    assert in_shell("bash", "s3nb comp", " \t:=") == ["completion "]
    assert in_shell("bash", "s3nb") == []


def test_bash_completes(shell: str, tmp_path: Path) -> None:
    with S3(s3root=shell) as s3:
        s3.put("some key", "x")
    line = f"s3nb get {shell}/so"
    ask = (
        f"{script('bash')}\n"
        f"PATH={shlex.quote(str(Path(__import__('sys').executable).parent))}:$PATH\n"
        f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)}; _s3nb; printf '%s|' \"${{COMPREPLY[@]}}\"\n"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{shell.removeprefix('s3:')}/some\\ key |"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_names_its_own_way_in(name: str) -> None:
    assert f"__complete {name}" in script(name)
