"""Ceph's radosgw on loopback, one node, in memory: the strict S3 server of the tests.

It checks signatures, payload hashes and Content-MD5, and keeps connections open. One monitor, one OSD on
memstore, one gateway; no manager, no authentication between them, one copy of everything.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw", "radosgw-admin")
PACKAGES = "ceph-mon ceph-osd radosgw ceph-common"
ACCESS_KEY = "radosaccesskey"
SECRET_KEY = "radossecretkey0123456789"


def missing() -> list[str]:
    """Return the programs that are not there."""
    return [p for p in PROGRAMS if shutil.which(p, path=_path()) is None]


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def free_ports(count: int) -> list[int]:
    """Return ports that the system says are free."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


CONF = """
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon_port}/0
auth cluster required = none
auth service required = none
auth client required = none
# the gateway wants an encrypted monitor link by default, which goes with authentication only
ms mon client mode = crc
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
keyring = {dir}/keyring
run dir = {dir}
admin socket = {dir}/$name.asok
pid file =
log file = {dir}/$name.log
log to stderr = false
err to stderr = true
crash dir = {dir}/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000

[mon]
mon data = {dir}/mon
mon data avail warn = 0
mon data avail crit = 0
# nobody to agree with: answer at once
paxos propose interval = 0.02
paxos min wait = 0.01

[osd]
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object name len = 2048
osd class update on start = false

[client]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay={nodelay}
rgw dns name = localhost
rgw thread pool size = 64
rgw gc obj min wait = 30
rgw gc processor period = 30
rgw crypt require ssl = false
"""


class Radosgw:
    """The three processes; a context manager."""

    def __init__(self, *, nodelay: bool = True) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rgw."))  # short: there are unix sockets below it
        mon_port, self.port = free_ports(2)
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._conf = self._folder / "ceph.conf"
        self._fsid = str(uuid.uuid4())
        self._mon_port = mon_port
        self._conf.write_text(
            CONF.format(fsid=self._fsid, mon_port=mon_port, port=self.port, dir=self._folder, nodelay=int(nodelay))
        )

    def __enter__(self) -> Radosgw:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, *command: str) -> str:
        environment = {**os.environ, "PATH": _path()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{command[0]}.out").open("wb") as out:
            process = subprocess.Popen(
                command, env={**os.environ, "PATH": _path()}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def _until(self, process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not ready():
            name = Path(str(process.args[0])).name  # type: ignore[index]
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended: {(self._folder / f'{name}.out').read_text()[-2000:]}")
            if time.monotonic() > end:
                raise RuntimeError(f"{name} was not ready in {seconds:.0f} s")
            time.sleep(0.05)

    def _start(self) -> None:
        folder, conf = self._folder, str(self._conf)
        for name in ("mon", "osd", "crash"):
            (folder / name).mkdir()
        keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        address = f"[v2:127.0.0.1:{self._mon_port}]"
        self._run("monmaptool", "--create", "--fsid", self._fsid, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--conf", conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        monitor = self._spawn("ceph-mon", "--conf", conf, "-i", "a", "-f")
        self._until(monitor, lambda: self._answers("mon", "stat") is not None, 30)
        osd_id = str(uuid.uuid4())
        self._run("ceph", "--conf", conf, "osd", "new", osd_id)
        self._run("ceph-osd", "--conf", conf, "-i", "0", "--mkfs", "--osd-uuid", osd_id)
        osd = self._spawn("ceph-osd", "--conf", conf, "-i", "0", "-f")
        self._until(osd, self._osd_is_up, 60)
        self._run(
            "radosgw-admin", "--conf", conf, "user", "create", "--uid", "tests", "--display-name", "tests",
            "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY,
        )  # fmt: skip
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start the gateway; what is stored does not live in it."""
        gateway = self._spawn("radosgw", "--conf", str(self._conf), "-n", "client.rgw", "-f")
        self._until(gateway, self._gateway_answers, 60)

    def kill_gateway(self) -> None:
        """Kill the gateway, in the middle of whatever it does."""
        gateway = self._processes.pop()
        os.killpg(gateway.pid, signal.SIGKILL)
        gateway.wait(10)

    def _answers(self, *command: str) -> str | None:
        try:
            return self._run("ceph", "--conf", str(self._conf), "--connect-timeout", "5", *command)
        except RuntimeError:
            return None

    def _osd_is_up(self) -> bool:
        answer = self._answers("osd", "stat", "-f", "json")
        return answer is not None and json.loads(answer).get("num_up_osds") == 1

    def _gateway_answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as sock:
                sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return sock.recv(4) == b"HTTP"
        except OSError:
            return False

    def stop(self) -> None:
        """End the processes; what is in memory needs no good-bye."""
        for process in reversed(self._processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self._processes.clear()
        shutil.rmtree(self._folder, ignore_errors=True)
