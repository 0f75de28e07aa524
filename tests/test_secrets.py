"""No secret in any text: canaries in every place that a program, a log or a traceback may show."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from s3nb import S3
from s3nb.testing import Fault, MemoryWire

from .conftest import Server

SECRET = "canary/secret+0123456789abcdef0123456789"
TOKEN = "canary-token-0123456789abcdef"
KEY_ID = "AKIACANARY0123456789"


def all_of(value: Any, depth: int = 4) -> Iterator[str]:
    """Yield how a value and what it holds show themselves."""
    yield repr(value)
    yield str(value)
    if depth:
        held = dict(getattr(value, "__dict__", {}))
        for name in getattr(type(value), "__slots__", ()):
            held[name] = getattr(value, name, None)
        for name, inner in held.items():
            if type(inner).__module__.startswith("s3nb") or isinstance(inner, (dict, list, tuple)):
                yield f"{name}={inner!r}"
                yield from all_of(inner, depth - 1)


@pytest.fixture(params=["session", "client_params", "session_vars"])
def s3(request: pytest.FixtureRequest, moto_server: Server, moto_bucket: str, tmp_path: Path) -> Iterator[S3]:
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "aws_session_token": TOKEN}
    how: dict[str, Any] = {
        "session": {"session": boto3.Session(**keys, region_name="us-east-1")},
        "client_params": {"client_params": keys, "region": "us-east-1"},
        "session_vars": {"session_vars": keys, "region": "us-east-1"},
    }[request.param]
    with S3(tmp_path, bucket=moto_bucket, endpoint_url=moto_server.endpoint_url, **how) as client:
        yield client


def test_nothing_that_can_be_printed_holds_a_secret(s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="s3nb")
    s3.put("k", "body")
    texts = [*all_of(s3), str(vars(s3)), repr(s3.get("k").headers), repr(s3.list_recursive())]
    try:
        s3.get_many(["k", "none"])
    except FileNotFoundError as exc:
        texts += traceback.format_exception(exc)
        texts += traceback.TracebackException.from_exception(exc, capture_locals=True).format()
        texts += [repr(exc), json.dumps([str(e) for e in exc.failed])]  # type: ignore[attr-defined]
        texts.append(pickle.dumps(exc).decode("latin-1"))
    job = s3.submit_get("k")
    texts += [repr(job), repr(job.result())]
    texts += [r.getMessage() for r in caplog.records if r.name.startswith("s3nb")]
    for text in texts:
        assert SECRET not in text
        assert TOKEN not in text


def test_a_client_that_holds_secrets_does_not_pickle(s3: S3) -> None:
    with pytest.raises(TypeError, match="does not pickle"):
        pickle.dumps(s3)


def test_results_pickle_without_secrets(s3: S3) -> None:
    s3.put("k", "body")
    for value in (s3.get("k"), s3.get_many(["k"])[0], s3.info("k"), s3.put("k", "x")):
        assert SECRET.encode() not in pickle.dumps(value)


def test_a_presigned_url_is_shown_only_where_it_was_asked_for(s3: S3) -> None:
    s3.put("k", "body")
    url = s3.presign("k")
    assert "Signature=" in url
    assert SECRET not in url
    signature = url.rpartition("Signature=")[2][:64]
    assert signature not in f"{url!r} {pickle.loads(pickle.dumps(url))!r}"
    assert not any("Signature=" in text for text in all_of(s3))


def test_verbose_tracebacks_of_ipython_show_no_secret(s3: S3) -> None:
    from IPython.core.ultratb import VerboseTB

    out = io.StringIO()
    try:
        s3.get("none")
    except FileNotFoundError as exc:
        VerboseTB(theme_name="nocolor", ostream=out)(type(exc), exc, exc.__traceback__)
    assert "FileNotFoundError" in out.getvalue() or "ObjectNotFound" in out.getvalue()
    assert SECRET not in out.getvalue()
    assert TOKEN not in out.getvalue()


def test_what_a_server_says_of_a_signature_is_no_traceback_of_keys(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {}})
    wire.faults.append(Fault(status=403, code="SignatureDoesNotMatch"))
    with S3(tmp_path, s3root="s3://box", wire=wire) as s3, pytest.raises(PermissionError) as caught:
        s3.get("k")
    assert "Authorization" not in str(caught.value)


DEBUGGING = """
import io, logging, os, sys, traceback
said = io.StringIO()
logging.basicConfig(stream=said, level=logging.DEBUG)
from s3nb import S3
url, bucket, engine, folder = sys.argv[1:]
def fails(do):
    try:
        do()
    except Exception as exc:
        told = traceback.TracebackException.from_exception(exc, capture_locals=True)
        said.write("".join(told.format()) + repr(exc))
    else:
        raise SystemExit("should have failed")
with S3(folder, bucket=bucket, endpoint_url=url, engine=engine) as s3:
    s3.put("k", "body")
    s3.put("large", bytes(17 << 20))
    s3.get_many(["k", "large"])
    s3.list_recursive()
    s3.presign("k")
    fails(lambda: s3.get("none"))
    fails(lambda: s3.get_many(["k", "none"]))
    fails(lambda: s3.presign("k", expires=0))
    fails(lambda: s3.put("k", "x", headers={"Cache-Control": "\\ud800"}))
    fails(lambda: s3.put("k", "x", headers={"x-amz-storage-class": "no\\nline"}))
    fails(lambda: S3(folder, s3root="s3://not-there-at-all", endpoint_url=url, engine=engine).list_recursive())
role = S3(folder, bucket=bucket, endpoint_url=url, engine=engine, role="arn:aws:iam::123456789012:role/reader")
with role:
    role.get("k")
    keys = role._core.account.credentials()
    assert keys.token and keys.token not in said.getvalue() and keys.secret_key not in said.getvalue()
    said.write(str(vars(role)) + repr(keys))
print(said.getvalue())
os._exit(0)
"""


@pytest.mark.parametrize("engine", ["curl", "boto3"])
def test_the_logs_of_everybody_at_level_debug_hold_no_secret(
    moto_server: Server, moto_bucket: str, tmp_path: Path, engine: str
) -> None:
    environment = dict(
        os.environ, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=TOKEN,
        AWS_DEFAULT_REGION="us-east-1", AWS_ENDPOINT_URL=moto_server.endpoint_url,
    )  # fmt: skip
    command = [sys.executable, "-c", DEBUGGING, moto_server.endpoint_url, moto_bucket, engine, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "botocore" in done.stdout, "the level is DEBUG"
    for canary in (SECRET, TOKEN):
        assert canary not in done.stdout + done.stderr
    assert not re.search(r"Signature['\"]?\s*[=:]\s*[0-9a-f]{64}", done.stdout + done.stderr)


def test_a_saved_notebook_holds_no_secret(moto_server: Server, moto_bucket: str, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [
        f"from s3nb import S3\ns3 = S3({str(tmp_path)!r}, bucket={moto_bucket!r}, endpoint_url={moto_server.endpoint_url!r})",
        "%xmode Verbose",
        "s3.put('k', 'body'); s3, vars(s3), s3._core, s3._core.account",
        "s3.get('none')",
        "s3.get_many(['k', 'none'])",
        "job = s3.submit_get('k'); job, job.result(), job.result().headers",
        "s3._core.engine.wire, vars(s3._core.engine.wire), vars(s3._core.account)",
        "import pickle; pickle.dumps(s3)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    environment = dict(os.environ, AWS_ACCESS_KEY_ID=KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET, AWS_SESSION_TOKEN=TOKEN)
    NotebookClient(notebook, allow_errors=True, timeout=60).execute(env=environment)
    saved = nbformat.writes(notebook)
    assert "ObjectNotFound" in saved
    assert SECRET not in saved
    assert TOKEN not in saved
