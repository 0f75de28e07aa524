"""The verbs: lines become commands, commands become results; on the command line and in a notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, Results, S3Object, cli, commands
from s3nb.testing import MemoryWire

from .conftest import Server


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire(
        {"box": {"a.txt": b"alpha\n", "dir/b.txt": b"beta\n", "dir/c.txt": b"gamma\n", "esc": b"\x1b[2Jred\n"}}
    )


@pytest.fixture
def s3(wire: MemoryWire, tmp_path: Path) -> Iterator[S3]:
    with S3(tmp_path, s3root="s3://box", wire=wire) as client:
        yield client


def do(s3: S3, *words: Any) -> Any:
    return commands.run(commands.parse(words), s3)


# -- lines -----------------------------------------------------------------------------------------


def test_a_line_becomes_a_frozen_value() -> None:
    command = commands.parse(["get", "a key", "--root", "s3://box", "--no-sign-request", "-q"])
    assert (command.verb, command.arguments["key"], command.quiet) == ("get", "a key", True)
    assert dict(command.client) == {"s3root": "s3://box", "anonymous": True}
    with pytest.raises(AttributeError):
        command.verb = "put"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gett"], "did you mean 'get'"),
        (["frobnicate"], "there are ls, info"),
        (["get"], "KEY"),
        (["get", "a", "b"], "unrecognized arguments: b"),
        (["get", "a", "--offset", "x"], "--offset: invalid int value: 'x'"),
        (["ls", "--recursiv"], "--recursiv"),
        (["\x1b[2J"], r"\\x1b"),
    ],
)
def test_a_line_that_is_no_command_is_told_why(words: list[str], told: str) -> None:
    with pytest.raises(commands.UsageError, match=told) as caught:
        commands.parse(words)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("words", [[], ["help"], ["-h"], ["help", "get"], ["get", "-h"]])
def test_help_is_text(words: list[str]) -> None:
    with pytest.raises(commands.HelpAsked, match="usage: %s3"):
        commands.parse(words)


def test_every_verb_has_help_with_an_example_that_parses() -> None:
    for verb in commands.VERBS:
        with pytest.raises(commands.HelpAsked) as caught:
            commands.parse([verb, "-h"], "s3nb")
        example = str(caught.value).partition("example: s3nb ")[2].split()
        assert commands.parse(example).verb == verb


def test_python_objects_stand_for_themselves_and_lists_for_their_items(s3: S3) -> None:
    listed = s3.list_recursive(["dir"])
    assert commands.parse(["get_many", "a.txt", listed, ["x", "y"]]).arguments["keys"] == ("a.txt", *listed, "x", "y")
    assert [o.text for o in do(s3, "get_many", listed, "a.txt")] == ["beta\n", "gamma\n", "alpha\n"]


# -- results ----------------------------------------------------------------------------------------


def test_the_verbs_return_what_the_client_returns(s3: S3, wire: MemoryWire, tmp_path: Path) -> None:
    assert [o.key for o in do(s3, "ls")] == ["a.txt", "dir", "esc"]
    assert [o.key for o in do(s3, "ls", "-r", "dir")] == ["b.txt", "c.txt"]
    assert isinstance(do(s3, "info", "a.txt"), S3Object)
    assert isinstance(do(s3, "info", "a.txt", "esc"), Results)
    assert do(s3, "get", "a.txt").text == "alpha\n"
    assert do(s3, "get", "a.txt", "--offset", "1", "--length", "2").text == "lp"
    assert do(s3, "get", "a.txt", "--length", "-2").text == "a\n"
    assert do(s3, "cat", "a.txt", "dir/b.txt") == "alpha\nbeta\n"
    assert not do(s3, "get_many", "nope", "--return-missing")[0].exists


def test_get_to_a_file_or_a_folder(s3: S3, tmp_path: Path) -> None:
    assert do(s3, "get", "dir/b.txt", "--to", str(tmp_path)).path == str(tmp_path / "b.txt")
    do(s3, "get", "dir/b.txt", "--to", str(tmp_path / "other"))
    assert (tmp_path / "other").read_bytes() == b"beta\n"
    with pytest.raises(FileNotFoundError, match="no such folder"):
        do(s3, "get", "a.txt", "--to", str(tmp_path / "no" / "where"))


def test_files_and_folders_go_up(s3: S3, wire: MemoryWire, tmp_path: Path) -> None:
    (tmp_path / "up" / "sub").mkdir(parents=True)
    (tmp_path / "up" / "one").write_text("1")
    (tmp_path / "up" / "sub" / "two").write_text("2")
    (tmp_path / "three").write_text("3")
    done = do(s3, "put_many", str(tmp_path / "up"), str(tmp_path / "three"), "--to", "new")
    assert [key for key, _ in done] == ["new/one", "new/sub/two", "new/three"]
    assert wire.body("box", "new/sub/two") == b"2"
    assert do(s3, "put_many", str(tmp_path / "three"), "--to", "new", "--no-overwrite") == []
    do(s3, "get_many", "-r", "new", "--to", str(tmp_path / "back"))
    assert (tmp_path / "back" / "sub" / "two").read_text() == "2"


def test_sync_from_a_line(s3: S3, wire: MemoryWire, tmp_path: Path) -> None:
    down = tmp_path / "down"
    plan = do(s3, "sync", "s3://box/dir", str(down), "--dry-run", "--exclude", "c*")
    assert (plan.copied, plan.dry_run) == (["b.txt"], True)
    assert not down.exists()
    assert do(s3, "sync", "s3://box/dir", str(down)).copied == ["b.txt", "c.txt"]
    (down / "b.txt").unlink()
    done = do(s3, "sync", str(down), "s3://box/dir", "--delete")
    assert done.deleted == ["b.txt"]
    assert wire.body("box", "dir/b.txt") is None
    assert "deleted b.txt" in str(done)


# -- the command line -----------------------------------------------------------------------------------


@pytest.fixture
def shell(moto_server: Server, moto_bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An environment as a user's, in which plain commands find the server; returns the URL of a bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto_server.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", moto_server.region)
    monkeypatch.chdir(tmp_path)
    return f"s3://{moto_bucket}"


def test_the_command_line_round_trip(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file.txt").write_text("hello\n")
    assert cli.main(["put_many", "file.txt", "--to", f"{shell}/x"]) == 0
    assert cli.main(["ls", f"{shell}/x"]) == 0
    assert "6 B" in capsys.readouterr().out
    assert cli.main(["info", f"{shell}/x/file.txt"]) == 0
    assert "content_type" in capsys.readouterr().out
    (tmp_path / "file.txt").unlink()
    assert cli.main(["get", f"{shell}/x/file.txt"]) == 0
    assert (tmp_path / "file.txt").read_text() == "hello\n"
    assert cli.main(["get_many", f"{shell}/x/file.txt", "--to", "many"]) == 0
    assert (tmp_path / "many" / "x" / "file.txt").read_text() == "hello\n"


def test_cat_writes_bytes_as_they_are(shell: str) -> None:
    with S3() as s3:
        s3.put(f"{shell}/bin", bytes(range(256)))
    done = subprocess.run([sys.executable, "-m", "s3nb", "cat", f"{shell}/bin"], capture_output=True, check=True)
    assert done.stdout == bytes(range(256))


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["info", "ROOT/none"], 1, "NotFound"),
        (["get_many", "ROOT/none", "ROOT/neither"], 1, "2 objects of 2 failed"),
        (["ls", "s3://no-such-bucket-here"], 1, "NoSuchBucket"),
        (["ls", "not-a-url"], 1, "full URLs"),
        (["put_many", "no-such-file", "--to", "ROOT"], 1, "no-such-file"),
        (["gett"], 2, "did you mean"),
        (["get"], 2, "KEY"),
    ],
)
def test_failures_are_one_line_on_stderr_and_a_status(
    shell: str, capsys: pytest.CaptureFixture[str], words: list[str], status: int, told: str
) -> None:
    assert cli.main([w.replace("ROOT", shell) for w in words]) == status
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Traceback" not in shown.err


def test_help_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert cli.main(["get", "-h"]) == 0
    assert "example: s3nb get" in capsys.readouterr().out


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
    process.wait(20)


# -- the notebook -----------------------------------------------------------------------------------------


@pytest.fixture
def ipython(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    found = InteractiveShell(config=config)
    found.user_ns["ROOT"] = shell
    found.run_line_magic("load_ext", "s3nb")
    yield found
    found.run_line_magic("unload_ext", "s3nb")
    found.restore_sys_module_state()


def run(ipython: Any, code: str) -> Any:
    done = ipython.run_cell(code)
    done.raise_error()
    return done.result


def test_the_magic_returns_objects(ipython: Any, shell: str) -> None:
    with S3() as s3:
        s3.put_many([(f"{shell}/a b.txt", "alpha"), (f"{shell}/c.txt", "gamma")])
    assert [o.url for o in run(ipython, f"%s3 ls {shell}")] == [f"{shell}/a b.txt", f"{shell}/c.txt"]
    assert run(ipython, f'%s3 get "{shell}/a b.txt"').text == "alpha"
    assert run(ipython, f"x = %s3 get {shell}/c.txt\nx.text") == "gamma"
    run(ipython, f"keys = [{shell + '/a b.txt'!r}, {shell + '/c.txt'!r}]")
    assert [o.text for o in run(ipython, "%s3 get_many $keys")] == ["alpha", "gamma"]
    inner = "mine = keys[1:]; return get_ipython().run_line_magic('s3', 'get_many $mine')"
    assert run(ipython, f"def f(): {inner}\nf()")[0].text == "gamma"
    assert run(ipython, f"%s3 get {shell}/c.txt;") is None or ipython.user_ns["_"].text == "gamma"


def test_magic_errors_are_short(ipython: Any, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.error import UsageError

    for line, told in [
        ("gett x", "did you mean"),
        ("get $nobody", "'nobody' is not defined"),
        ('get "open', "No closing quotation"),
    ]:
        with pytest.raises(UsageError, match=told):
            ipython.run_line_magic("s3", line)
    with pytest.raises(FileNotFoundError):
        ipython.run_line_magic("s3", f"get {shell}/none")


def test_cat_in_a_notebook_lets_no_escape_through(ipython: Any, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3() as s3:
        s3.put(f"{shell}/esc", b"\x1b[2Jred\tok\nnext")
    ipython.run_line_magic("s3", f"cat {shell}/esc")
    assert capsys.readouterr().out == "\\x1b[2Jred\tok\nnext"


def test_loading_twice_changes_nothing_and_unloading_leaves_no_magic(ipython: Any) -> None:
    before = ipython.magics_manager.magics["line"]["s3"]
    ipython.run_line_magic("reload_ext", "s3nb")
    from s3nb import load_ipython_extension, unload_ipython_extension

    load_ipython_extension(ipython)
    unload_ipython_extension(ipython)
    assert "s3" not in ipython.magics_manager.magics["line"]
    load_ipython_extension(ipython)
    assert ipython.magics_manager.magics["line"]["s3"] is not before


def test_a_notebook_runs_from_top_to_bottom(shell: str, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [
        "%load_ext s3nb",
        "from pathlib import Path\nPath('data').mkdir()\nfor n in range(50):\n    Path(f'data/{n:02d}.txt').write_text(str(n))",
        f"%s3 put_many data --to {shell}/nb",
        f"listed = %s3 ls {shell}/nb\nlen(listed)",
        f"%s3 info {shell}/nb/07.txt",
        "got = %s3 get_many $listed\nsum(int(o.text) for o in got)",
        f"%s3 cat {shell}/nb/07.txt",
        f"%s3 get_many {shell}/nb/07.txt {shell}/nb/none",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    client = NotebookClient(notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    outputs = [cell.outputs for cell in notebook.cells]

    def shown(n: int) -> str:
        return "".join(str(o.get("data", {}).get("text/plain", o.get("text", ""))) for o in outputs[n])

    assert "50 objects" in shown(2)
    assert shown(3) == "50"
    assert "content_type" in shown(4)
    assert shown(5) == str(sum(range(50)))
    assert shown(6) == "7"
    assert outputs[7][-1].ename == "BulkNotFound"
    assert f"{shell}/nb/none" in outputs[7][-1].evalue
    assert [o for cell in outputs[:7] for o in cell if o.output_type == "error"] == []
    json.dumps(notebook)  # what is saved is plain data
