"""Settings from files: which goes first, what is refused, and who is told where a value comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3nb import cli, commands
from s3nb.commands import settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a project with a folder inside, which is the current one."""
    inside = tmp_path / "project" / "notebooks"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return inside.parent


@pytest.fixture
def home(tmp_path: Path, project: Path) -> Path:
    file = tmp_path / "config" / "s3nb" / "config.toml"
    file.parent.mkdir(parents=True)
    return file


def values() -> dict[str, Any]:
    return {name: setting.value for name, setting in settings.read().items()}


def test_without_files_there_are_none(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert settings.read() == {}


def test_the_project_goes_before_home_and_the_environment_before_both(
    project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.s3nb]\nprofile = 'theirs'\nworkers = 7\ndefault_prefix = 's3://box/data/'\ntransfer = {patience = 5}\n"
    )
    home.write_text("profile = 'mine'\nregion = 'eu-west-1'\nendpoint_url = 'https://minio.example:9000'\n")
    found = values()
    assert (found["profile"], found["workers"], found["region"]) == ("theirs", 7, "eu-west-1")
    assert (found["default_prefix"], found["transfer"].patience) == ("s3://box/data", 5)
    assert settings.read()["profile"].source == str(project / "pyproject.toml")
    monkeypatch.setenv("AWS_PROFILE", "said-here")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert {"profile", "endpoint_url"}.isdisjoint(values())


def test_the_nearest_file_that_has_the_table_counts(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.s3nb]\nworkers = 7\n")
    (project / "notebooks" / "pyproject.toml").write_text("[tool.other]\n")
    assert values() == {"workers": 7}
    (project / "notebooks" / "pyproject.toml").write_text("[tool.s3nb]\nworkers = 9\n")
    assert values() == {"workers": 9}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("aws_secret_access_key = 'hunter2'", "no secrets belong into this file"),
        ("session_token = 'hunter2'", "no secrets belong into this file"),
        ("endpoint_url = 'https://me:hunter2@minio.example'", "no secrets belong into this file"),
        ("endpoint_url = 'minio'", "endpoint_url: expected an address as https://minio.example:9000"),
        ("worker = 3", "no setting 'worker': did you mean 'workers'?"),
        ("workers = 0", "workers: expected a whole number from 1 on"),
        ("workers = true", "workers: expected a whole number from 1 on"),
        ("anonymous = 'no'", "anonymous: expected true or false"),
        ("progress = 'loud'", "progress: expected one of auto, html, bar, lines, off"),
        ("default_prefix = 'box'", "default_prefix: "),
        ("transfer = {patence = 1}", "no setting 'patence': did you mean 'patience'?"),
        ("transfer = {patience = -1}", "patience must be a positive number"),
        ("confirm = false", "no setting 'confirm'"),
        ("workers 3", "is no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_file_and_name(
    project: Path, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    file = project / "pyproject.toml"
    file.write_text(f"[tool.s3nb]\n{line}\n")
    with pytest.raises(commands.UsageError) as caught:
        settings.read()
    assert told in str(caught.value)
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert cli.main(["ls", "s3://box"]) == cli.USAGE
    assert told in capsys.readouterr().err


def test_a_file_above_that_somebody_else_has_put_there_is_passed_over(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / "pyproject.toml"
    file.write_text("[tool.s3nb]\nworkers = 7\n")
    stat = Path.stat

    class Theirs:
        st_uid = 4711

    monkeypatch.setattr(Path, "stat", lambda self, **k: Theirs() if self == file else stat(self, **k))
    monkeypatch.setattr(Path, "is_file", lambda self: stat(self) is not None if self.exists() else False)
    assert values() == {}


def test_config_says_where_each_value_comes_from(
    project: Path, home: Path, shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "pyproject.toml").write_text("[tool.s3nb]\nworkers = 7\n")
    home.write_text(f"default_prefix = '{shell}'\nregion = 'eu-west-1'\n")
    assert cli.main(["config", "--no-sign-request"]) == 0
    shown = capsys.readouterr().out
    for line in (
        f"prefix         {shell}   (from {home})", "(from AWS_ENDPOINT_URL)", "us-east-1   (from AWS_DEFAULT_REGION)",
        "none: requests are not signed", f"workers        7   (from {project / 'pyproject.toml'})", "preview_bytes  65536\n",
    ):  # fmt: skip
        assert line in shown
    assert cli.main(["config", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["workers"], found["from"]["workers"]) == (7, str(project / "pyproject.toml"))
    assert cli.main(["put", "k", "--text", "x"]) == 0  # relative to the prefix of the file
    assert capsys.readouterr().out == f"{shell}/k\n"
