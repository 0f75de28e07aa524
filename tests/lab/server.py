"""JupyterLab as a child process: its own folder, its own settings, nothing of the user's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.radosgw import free_ports

TOKEN = "e2e"

_SETTINGS = {
    # no question about news, and no notes that hide what is under them
    "@jupyterlab/apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": true}',
    # a test says when a notebook is saved
    "@jupyterlab/docmanager-extension/plugin": '{"autosave": false}',
}


class LabServer:
    """JupyterLab on loopback, with notebooks in a folder of its own.

    Parameters
    ----------
    environment : mapping
        Further variables of the server, and so of its kernels.

    Attributes
    ----------
    url : str
        Where it listens.
    folder : Path
        Its notebooks.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="s3nb-lab-"))
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = self._home / "notebooks"
        self.url = ""

    def __enter__(self) -> LabServer:
        self.folder.mkdir()
        self._log = open(self._home / "lab.log", "wb")  # the server writes to it as long as it runs
        env = os.environ | self._environment | {"JUPYTER_PLATFORM_DIRS": "1", "TMPDIR": str(self._home)}
        places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
        env |= {f"JUPYTER_{name}": str(self._home / name.lower()) for name in places}
        env |= {f"JUPYTERLAB_{name}_DIR": str(self._home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
        env["IPYTHONDIR"] = str(self._home / "ipython")
        for name, text in _SETTINGS.items():
            file = self._home / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
            "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.folder}",
            "--ServerApp.disable_check_xsrf=True", "--ServerApp.terminals_enabled=False",
            "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")
        self._process = subprocess.Popen(
            command, env=env, cwd=self.folder, stdout=self._log, stderr=self._log, start_new_session=True
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"{self.url}/api/status?token={TOKEN}", timeout=5).close()
                return
            time.sleep(0.1)
        raise RuntimeError(f"JupyterLab did not start:\n{self.log()}")

    def log(self) -> str:
        """Return what the server and its kernels have said."""
        return (self._home / "lab.log").read_text("utf-8", "replace")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is not None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                try:
                    process.wait(5)
                    break
                except subprocess.TimeoutExpired:
                    continue
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a kernel that outlived its server
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)
