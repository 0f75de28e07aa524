"""``run=``: data of a run, with the real package, and with stand-ins where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from s3nb import S3, InvalidURL
from s3nb.testing import MemoryWire

from .conftest import Server

FLOW = """
from metaflow import FlowSpec, step

class DataFlow(FlowSpec):
    @step
    def start(self):
        from s3nb import S3
        with S3(run=self) as s3:
            self.url = str(s3.put("message", "written in a run", metadata={"Step": "start"}))
        self.next(self.end)

    @step
    def end(self):
        from s3nb import S3
        with S3(run=self) as s3:
            found = s3.get("message")
            print("READ", found.text, found.url)

if __name__ == "__main__":
    DataFlow()
"""


def run_like(flow: str = "MyFlow", run: Any = "77") -> SimpleNamespace:
    return SimpleNamespace(id=run, parent=SimpleNamespace(id=flow))


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://sysroot/mf/data")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"run": run_like()}, "s3://sysroot/mf/data/MyFlow/77"),
        ({"run": run_like(run=77)}, "s3://sysroot/mf/data/MyFlow/77"),
        ({"run": "MyFlow/77"}, "s3://sysroot/mf/data/MyFlow/77"),
        ({"run": run_like(), "bucket": "other", "prefix": "/pp/"}, "s3://other/pp/MyFlow/77"),
        ({"run": run_like(), "bucket": "other"}, "s3://other/mf/data/MyFlow/77"),
        ({"run": run_like(), "prefix": "pp"}, "s3://sysroot/pp/MyFlow/77"),
        ({"bucket": "other", "prefix": "pp"}, "s3://other/pp"),
        ({"s3root": "s3://other/pp//"}, "s3://other/pp"),
    ],
)
def test_the_root_of_a_run(options: dict[str, Any], expected: str) -> None:
    assert S3(**options).root == expected


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("run", [42, object(), "MyFlow", "MyFlow/", "/77", "a/b/c", run_like(flow=None)])  # type: ignore[arg-type]
def test_what_is_no_run_is_refused(run: Any) -> None:
    with pytest.raises(InvalidURL, match="run="):
        S3(run=run)


def test_without_a_data_root_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidURL, match="METAFLOW_DATATOOLS_S3ROOT"):
        S3(run="MyFlow/77")
    assert S3.get_root_from_config() is None
    assert S3(run="MyFlow/77", bucket="box", prefix="p").root == "s3://box/p/MyFlow/77"


def test_where_the_data_root_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    (project / ".metaflow").mkdir(parents=True)
    (project / "deep").mkdir()
    home.mkdir()
    monkeypatch.setenv("METAFLOW_HOME", str(home))
    monkeypatch.chdir(project / "deep")
    (home / "config.json").write_text(json.dumps({"METAFLOW_DATASTORE_SYSROOT_S3": "s3://from-home/x/"}))
    assert S3.get_root_from_config() == "s3://from-home/x/data"
    (home / "config_prod.json").write_text(json.dumps({"METAFLOW_DATATOOLS_S3ROOT": "s3://from-profile"}))
    monkeypatch.setenv("METAFLOW_PROFILE", "prod")
    assert S3.get_root_from_config() == "s3://from-profile"
    (project / ".metaflow" / "config.json").write_text(json.dumps({"METAFLOW_DATATOOLS_S3ROOT": "s3://from-project"}))
    assert S3.get_root_from_config() == "s3://from-project"
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", "s3://from-environment")
    assert S3.get_root_from_config() == "s3://from-environment"
    monkeypatch.setenv("S3NB_ROOT", "s3://ours")
    assert S3.get_root_from_config() == "s3://ours"


def test_settings_that_are_no_json_are_an_error_that_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{oops")
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidURL, match=r"config\.json"):
        S3(run="MyFlow/77")


# -- with the real package ---------------------------------------------------------------------------


@pytest.fixture
def environment(moto_server: Server, moto_bucket: str, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "METAFLOW_DATATOOLS_S3ROOT": f"s3://{moto_bucket}/mf",
        "METAFLOW_DEFAULT_DATASTORE": "local",
        "METAFLOW_DEFAULT_METADATA": "local",
        "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(tmp_path),
        "METAFLOW_S3_ENDPOINT_URL": moto_server.endpoint_url,
        "AWS_ENDPOINT_URL": moto_server.endpoint_url,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "no-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def python(code: str, environment: dict[str, str], folder: Path, *arguments: str) -> str:
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_real_flow_finds_its_data_by_run_self_and_afterwards(environment: dict[str, str], tmp_path: Path) -> None:
    out = python(FLOW, environment, tmp_path, "--no-pylint", "run")
    assert "READ written in a run" in out
    after = """
from metaflow import Flow, namespace
from s3nb import S3
namespace(None)
run = Flow("DataFlow").latest_run
with S3(run=run) as s3:
    found = s3.get("message")
    print(found.text, found.metadata, found.url == run.data.url)
with S3(run=f"DataFlow/{run.id}") as s3:
    print(s3.get("message").text)
"""
    assert python(after, environment, tmp_path).splitlines() == [
        "written in a run {'Step': 'start'} True",
        "written in a run",
    ]


def test_metadata_crosses_over_both_ways(environment: dict[str, str], tmp_path: Path) -> None:
    code = """
import metaflow, s3nb, os
root = os.environ["METAFLOW_DATATOOLS_S3ROOT"]
facts = {"Author": "Ad\\u00e4", "tags": [1, None, {"a": "b"}]}
with s3nb.S3(s3root=root) as ours, metaflow.S3(s3root=root) as theirs:
    ours.put("by-us", "x", content_type="text/plain", metadata=facts)
    theirs.put("by-them", "x", content_type="text/plain", metadata=facts)
    a, b = theirs.get("by-us"), ours.get("by-them")
    print(a.metadata == facts == b.metadata, a.content_type, b.content_type)
    print(ours.info("by-us").metadata == facts, theirs.info("by-them").metadata == facts)
    for one, other in ((a, ours.get("by-us")), (theirs.get("by-them"), b)):
        print(one.key == other.key, one.url == other.url, one.prefix == other.prefix, one.size == other.size,
              one.text == other.text, one.last_modified == other.last_modified)
"""
    assert set(python(code, environment, tmp_path).split()) == {"True", "text/plain"}


def test_run_self_outside_a_run_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    code = """
from metaflow import FlowSpec, step
import s3nb
class Idle(FlowSpec):
    @step
    def start(self): self.next(self.end)
    @step
    def end(self): pass
try:
    s3nb.S3(run=Idle(use_cli=False))
except s3nb.InvalidURL as exc:
    print(exc)
"""
    assert "inside a running flow" in python(code, environment, tmp_path)


def test_the_names_of_the_client_it_replaces_catch_what_they_did(tmp_path: Path) -> None:
    from s3nb import metaflow as ours

    with ours.S3(tmp_path, s3root="s3://box", wire=MemoryWire({"box": {"k": b"body"}})) as s3:
        with pytest.raises(ours.MetaflowS3NotFound):
            s3.get("none")
        with pytest.raises(ours.MetaflowS3NotFound):
            s3.get_many(["k", "none"])
        with pytest.raises(ours.MetaflowS3NotFound):
            s3.put_files([("k", tmp_path / "none")])
        with pytest.raises(ours.MetaflowS3URLException):
            s3.get("s3://box/k")
        with pytest.raises(ours.MetaflowS3InvalidObject):
            s3.put("k", 5)
        with pytest.raises(ours.MetaflowS3InvalidRange):
            s3.get(ours.S3GetObject("k", 100, 1))
