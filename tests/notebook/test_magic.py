"""``%s3`` in a shell of this process, and in a kernel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.error import UsageError

from s3nb import S3, BulkError, Results

from .conftest import text_of

Run = Callable[[str], Any]


@pytest.fixture
def stored(shell: str) -> dict[str, str]:
    bodies = {"a b.txt": "alpha", "c.txt": "gamma", "{x}": "brace", "$x": "dollar"}
    with S3(s3root=shell) as s3:
        s3.put_many(bodies.items())
    return bodies


def test_the_magic_returns_objects(run: Run, ipython: Any, shell: str, stored: dict[str, str]) -> None:
    assert [o.key for o in run(f"%s3 ls {shell}")] == sorted(stored)
    assert run(f'%s3 get "{shell}/a b.txt"').text == "alpha"
    assert run(f"x = %s3 get {shell}/c.txt\nx.text") == "gamma"
    run(f"keys = [{shell + '/a b.txt'!r}, {shell + '/c.txt'!r}]")
    assert [o.text for o in run("%s3 get_many $keys")] == ["alpha", "gamma"]
    assert run("%s3 get {ROOT}/c.txt").text == "gamma"
    assert run("%s3 get '{ROOT}/c.txt' --root $ROOT --return-missing").exists is False
    assert run("%s3 get {ROOT}/{{x}}").text == "brace"
    assert run("%s3 get {ROOT}/$$x").text == "dollar"
    assert run(f"%s3 get {shell}/$x --raw").text == "dollar"


def test_names_come_from_the_function_that_asks(run: Run, shell: str, stored: dict[str, str]) -> None:
    code = f"def f(name):\n    found = %s3 get {shell}/{{name}}.txt\n    return found.text\nf('c')"
    assert run(code) == "gamma"
    assert run(
        "texts = []\nfor n in ['c', 'a b']:\n    o = %s3 get {ROOT}/{n}.txt\n    texts.append(o.text)\ntexts"
    ) == ["gamma", "alpha"]


def test_underscore_semicolon_and_out(
    run: Run, ipython: Any, stored: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("%s3 get {ROOT}/c.txt").text == "gamma"
    assert ipython.user_ns["_"].text == "gamma"
    assert "c.txt" in capsys.readouterr().out
    assert run("%s3 get {ROOT}/a\\ b.txt;") is None
    assert capsys.readouterr().out == ""
    assert ipython.user_ns["_s3nb_last"].text == "alpha"
    assert run("%s3 get {ROOT}/c.txt --out got") is None
    assert ipython.user_ns["got"].text == "gamma"
    run("%s3 cat {ROOT}/c.txt --out text")
    assert ipython.user_ns["text"] == "gamma"


def test_cells(run: Run, ipython: Any, shell: str, stored: dict[str, str]) -> None:
    run("%%s3 put {ROOT}/note.txt --content-type text/plain\nfirst {line}\n\n$second\n")
    assert run("%s3 get {ROOT}/note.txt").text == "first {line}\n\n$second\n"
    assert [o.text for o in run("%%s3 get_many --root $ROOT\na b.txt\n\n{x}\n")] == ["alpha", "brace"]
    with pytest.raises(UsageError, match="a cell's body is nothing to it"):
        run("%%s3 ls {ROOT}\nbody")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("gett x", "did you mean 'get'"),
        ("get $nobody", "'nobody' is not defined"),
        ('get "open', "quotation is not closed"),
    ],
)
def test_usage_errors_are_one_line(ipython: Any, line: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = ipython.run_cell(f"%s3 {line}")
    assert isinstance(done.error_in_exec, UsageError)
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


def test_errors_of_s3_are_short_and_debug_shows_them_whole(ipython: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ipython.run_cell("%s3 --debug").success
    assert "no error yet" in capsys.readouterr().out
    done = ipython.run_cell("%s3 get {ROOT}/none")
    assert isinstance(done.error_in_exec, FileNotFoundError)
    short = capsys.readouterr().out
    assert "NoSuchKey" in short
    assert "task.py" not in short
    assert len(short.splitlines()) == 1
    ipython.run_cell("%s3 --debug")
    assert "task.py" in capsys.readouterr().out
    ipython.run_cell("%s3 get {ROOT}/none --debug")
    assert "task.py" in capsys.readouterr().out
    ipython.run_cell("%config S3Magics.short_errors = False\n%s3 get {ROOT}/none")
    assert "task.py" in capsys.readouterr().out


def test_a_wrong_address_is_said_with_what_to_look_at(ipython: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ipython.run_cell("%s3 ls s3://somewhere --endpoint-url http://no-such-host.invalid")
    short = capsys.readouterr().out
    assert "is the endpoint right?" in short
    assert "Traceback" not in short


def test_what_came_is_kept_when_some_fail(
    ipython: Any, stored: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    done = ipython.run_cell("%s3 get_many {ROOT}/c.txt {ROOT}/none --out got")
    assert "1 object done; _s3nb_last has .ok, .failed and .retry()" in capsys.readouterr().out
    assert isinstance(done.error_in_exec, BulkError)
    last = ipython.user_ns["_s3nb_last"]
    assert [o.text for o in last.ok] == ["gamma"]
    assert len(last.failed) == 1
    assert ipython.user_ns["got"][0].text == "gamma"
    with S3(s3root=ipython.user_ns["ROOT"]) as s3:
        s3.put("none", "now there")
    assert [o.text for o in last.retry()] == ["gamma", "now there"]


def test_cat_lets_no_escape_through(ipython: Any, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with S3() as s3:
        s3.put(f"{shell}/esc", b"\x1b[2Jred\tok\nnext")
    ipython.run_line_magic("s3", f"cat {shell}/esc")
    assert capsys.readouterr().out == "\\x1b[2Jred\tok\nnext\n"


def test_the_current_prefix_and_settings(run: Run, ipython: Any, shell: str, stored: dict[str, str]) -> None:
    run("%s3 use $ROOT")
    assert run("%s3 get c.txt").text == "gamma"
    run("%s3 use --none")
    run(f"%config S3Magics.default_prefix = '{shell}'")
    assert run("%s3 get c.txt").text == "gamma"
    run("%config S3Magics.endpoint_url = 'http://127.0.0.1:1'\n%config S3Magics.workers = 7")
    session = ipython.magics_manager.registry["S3Magics"].session
    assert session.options["endpoint_url"] == "http://127.0.0.1:1"
    assert session.config.max_requests == 7
    assert "127.0.0.1:1" in str(run("%s3 config"))
    run("%config S3Magics.endpoint_url = ''")
    assert "endpoint_url" not in session.options


def test_a_setting_changes_nothing_but_itself(run: Run, ipython: Any) -> None:
    run("%s3 use s3://somewhere/else --region eu-west-1 --no-sign-request")
    run("%config S3Magics.workers = 7\n%config S3Magics.page_size = 10")
    session = ipython.magics_manager.registry["S3Magics"].session
    assert (session.root, session.options["region"], session.options["anonymous"]) == (
        "s3://somewhere/else",
        "eu-west-1",
        True,
    )
    run("%config S3Magics.anonymous = True\n%config S3Magics.anonymous = False")
    assert "anonymous" not in session.options


def test_settings_of_a_profile_count_from_the_start(bare: Any) -> None:
    bare.config.S3Magics.default_prefix = "s3://from/config"
    bare.config.S3Magics.confirm = False
    bare.run_line_magic("load_ext", "s3nb")
    session = bare.magics_manager.registry["S3Magics"].session
    assert (session.root, session.assume_yes) == ("s3://from/config", True)
    bare.run_line_magic("unload_ext", "s3nb")


@pytest.mark.parametrize(
    "setting", ["workers = 0", "workers = 'many'", "progress = 'loud'", "default_prefix = 'no-url'", "page_size = 5000"]
)
def test_a_bad_setting_is_refused_and_the_old_one_stays(ipython: Any, setting: str) -> None:
    magics = ipython.magics_manager.registry["S3Magics"]
    name = setting.partition(" ")[0]
    before = getattr(magics, name)
    ipython.run_cell(f"%config S3Magics.{setting}")
    assert getattr(magics, name) == before


def test_settings_say_what_they_are(ipython: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ipython.run_cell("%config S3Magics")
    shown = capsys.readouterr().out
    for name in ("workers", "region", "profile", "endpoint_url", "anonymous", "progress", "preview_bytes", "page_size",
                 "completion_timeout", "default_prefix", "short_errors", "confirm"):  # fmt: skip
        assert f"S3Magics.{name}" in shown


def test_deleting_needs_yes_where_nobody_can_answer(run: Run, ipython: Any, stored: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="Nobody can answer here: say --yes"):
        run("%s3 rm {ROOT}/c.txt")
    run("%s3 rm {ROOT}/c.txt --yes")
    run("%config S3Magics.confirm = False\n%s3 rm -r $ROOT")
    assert run("%s3 ls $ROOT") == []


def test_a_sandbox_is_a_line_away(run: Run, ipython: Any) -> None:
    run("%s3 sandbox")
    assert run("%s3 cat readme.txt --out text") is None
    assert ipython.user_ns["text"].startswith("Welcome")
    assert len(run("%s3 ls logs")) > 50
    assert run("from s3nb import open, listdir\nopen('s3://sandbox/readme.txt').read()").startswith("Welcome")
    assert "readme.txt" in run("listdir('s3://sandbox')")
    run("%s3 sandbox --stop")
    with pytest.raises(UsageError, match="is no s3:// URL"):
        run("%s3 cat readme.txt")


def test_everything_in_a_kernel_finds_the_sandbox_and_afterwards_what_there_was(
    run: Run, ipython: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "mine, too")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    run("%s3 sandbox")
    run("from s3nb import S3\nwith S3(s3root='s3://sandbox', progress=False) as s3: text = s3.get('readme.txt').text")
    assert ipython.user_ns["text"].startswith("Welcome")
    assert run("import boto3\nboto3.client('s3').get_object(Bucket='sandbox', Key='readme.txt')['ContentLength']") == 52
    run("import os\nos.environ['AWS_ENDPOINT_URL'] = 'http://new'\n%s3 sandbox --stop")
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT") or "mine" in value}
    assert kept == {
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "of mine",
        "AWS_SESSION_TOKEN": "mine, too",
        "AWS_ENDPOINT_URL": "http://new",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    }
    assert "AWS_DEFAULT_REGION" not in os.environ


def state(shell: Any) -> dict[str, Any]:
    """Everything that an extension may leave behind in a shell."""
    return {
        "line": dict(shell.magics_manager.magics["line"]),
        "cell": dict(shell.magics_manager.magics["cell"]),
        "registry": dict(shell.magics_manager.registry),
        "configurables": list(shell.configurables),
        "matchers": list(shell.Completer.custom_matchers),
        "events": {name: list(found) for name, found in shell.events.callbacks.items()},
        "formatters": {
            mime: (dict(f.type_printers), dict(f.deferred_printers), dict(f.singleton_printers))
            for mime, f in shell.display_formatter.formatters.items()
        },
        "hooks": {name: getattr(shell.hooks, name) for name in shell.hooks},
        "transformers": (list(shell.input_transformers_post), list(shell.input_transformers_cleanup), list(shell.ast_transformers)),
        "names": sorted(n for n in shell.user_ns if n != "_exit_code"),
    }  # fmt: skip


def test_unloading_leaves_no_trace_and_loading_twice_is_as_once(bare: Any) -> None:
    from s3nb import bars, load_ipython_extension, unload_ipython_extension

    bare.run_line_magic("unload_ext", "s3nb")  # IPython itself loads what this needs
    before = state(bare)
    load_ipython_extension(bare)
    once = state(bare)
    assert "s3" in once["line"]
    assert "s3" in once["cell"]
    load_ipython_extension(bare)
    assert state(bare) == once
    unload_ipython_extension(bare)
    assert state(bare) == before
    assert bars._default is None
    unload_ipython_extension(bare)
    assert state(bare) == before
    bare.run_line_magic("load_ext", "s3nb")
    bare.run_line_magic("reload_ext", "s3nb")
    bare.run_line_magic("unload_ext", "s3nb")
    assert state(bare) == before


def test_loading_says_nothing(bare: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bare.run_line_magic("load_ext", "s3nb")
    bare.run_line_magic("unload_ext", "s3nb")
    assert capsys.readouterr() == ("", "")


def test_a_notebook_runs_from_top_to_bottom(shell: str, execute: Callable[..., list[Any]]) -> None:
    outputs = execute(
        "%load_ext s3nb",
        "from pathlib import Path\nPath('data').mkdir()\nfor n in range(50):\n    Path(f'data/{n:02d}.txt').write_text(str(n))",
        f"%s3 put_many data --to {shell}/nb",
        f"listed = %s3 ls {shell}/nb\nlen(listed)",
        f"%s3 info {shell}/nb/07.txt",
        "got = %s3 get_many $listed\nsum(int(o.text) for o in got)",
        f"%s3 cat {shell}/nb/07.txt",
        f"%s3 rm -r {shell}/nb --dry-run",
        f"%s3 rm -r {shell}/nb",
        f"%s3 get_many {shell}/nb/07.txt {shell}/nb/none",
    )
    assert "50 objects" in text_of(outputs[2])
    assert text_of(outputs[3]) == "50"
    assert "content_type" in text_of(outputs[4]) or "text/plain" in text_of(outputs[4])
    assert text_of(outputs[5]) == str(sum(range(50)))
    assert text_of(outputs[6]) == "7\n"
    assert "would delete 50 objects" in text_of(outputs[7])
    assert "say --yes" in text_of(outputs[8])
    assert outputs[9][-1].ename == "BulkNotFound"
    assert f"{shell}/nb/none" in outputs[9][-1].evalue
    assert [o for cell in outputs[:8] for o in cell if o.output_type == "error"] == []
    json.dumps(outputs)  # what is saved is plain data


def test_results_are_lists(run: Run, stored: dict[str, str]) -> None:
    assert isinstance(run("%s3 ls $ROOT"), Results)


def test_settings_of_files_are_said_when_loaded_and_can_be_overruled(
    bare: Any, shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.s3nb]\nworkers = 7\ndefault_prefix = '{shell}'\n")
    bare.run_line_magic("load_ext", "s3nb")
    assert f"s3nb: workers, default_prefix from {tmp_path / 'pyproject.toml'}" in capsys.readouterr().out
    session = bare.magics_manager.registry["S3Magics"].session
    try:
        assert (session.config.max_requests, session.root) == (7, shell)
        bare.run_cell("%config S3Magics.workers = 9")
        assert session.config.max_requests == 9
        assert "9   (from %config S3Magics.workers)" in str(bare.run_cell("%s3 config").result)
        bare.run_cell("%s3 use other --root s3://box")
        assert "s3://box/other   (from %s3 use)" in str(bare.run_cell("%s3 config").result)
    finally:
        bare.run_line_magic("unload_ext", "s3nb")


def test_a_file_with_a_secret_is_refused_when_the_extension_loads(
    bare: Any, shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.s3nb]\naws_secret_access_key = 'hunter2'\n")
    assert not bare.run_cell("%load_ext s3nb").success
    said = "".join(capsys.readouterr())
    assert "no secrets belong into this file" in said
    assert "hunter2" not in said
    assert "s3" not in bare.magics_manager.magics["line"]
