"""A user's first program, run in a clean environment: ``python smoke.py [sandbox] [notebook]``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import s3nb
from s3nb.testing import MemoryWire


def core() -> None:
    """What works with no extra: the client (on a wire in memory), the program, its help, and its exit codes."""
    assert (Path(s3nb.__file__).parent / "py.typed").exists()
    assert {"IPython", "ipywidgets", "moto", "boto3"}.isdisjoint(sys.modules)
    with s3nb.S3(s3root="s3://bucket/data", wire=MemoryWire({"bucket": {}}), progress=False) as s3:
        s3.put_many((f"{n:03d}", str(n)) for n in range(200))
        assert [o.text for o in s3.get_many([f"{n:03d}" for n in range(200)])] == [str(n) for n in range(200)]
        assert Path(s3.get("007").path).read_text() == "7"
    import pycurl

    assert pycurl.version
    for words in (["-m", "s3nb", "--help"], ["-m", "s3nb", "ls", "--help"]):
        done = subprocess.run([sys.executable, "-I", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "s3nb" in done.stdout
    program = Path(sys.executable).with_name("s3nb")
    assert subprocess.run([program, "no-such-verb"], capture_output=True, check=False).returncode == 2


def sandbox() -> None:
    """A real server over the fast wire, with bytes that come back."""
    from s3nb import S3, Sandbox

    with Sandbox() as server, S3(bucket=server.bucket, **server.client_options, progress=False) as s3:
        logs = s3.get_recursive(["logs"])
        assert len(logs) == 201
        assert all(o.verified for o in logs)
        large = s3.get("binary/large.bin")
        assert large.size == 20 * 2**20
        assert s3.get("tables/weather.parquet").blob is not None


def notebook() -> None:
    """``%s3`` in IPython."""
    from IPython.core.interactiveshell import InteractiveShell

    from s3nb import Sandbox

    shell = InteractiveShell()
    with Sandbox() as server:
        shell.run_line_magic("load_ext", "s3nb")
        import os

        os.environ.update(AWS_ACCESS_KEY_ID="sandbox", AWS_SECRET_ACCESS_KEY="no-secret")
        done = shell.run_cell(
            f"listed = %s3 ls --endpoint-url {server.endpoint_url} --region us-east-1 s3://sandbox/logs"
        )
        done.raise_error()
        assert len(shell.user_ns["listed"]) > 50
        shell.run_line_magic("unload_ext", "s3nb")


if __name__ == "__main__":
    core()
    for wanted in sys.argv[1:]:
        {"sandbox": sandbox, "notebook": notebook}[wanted]()
    print("ok")
