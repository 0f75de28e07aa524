"""What is run on workers in tests: it must be importable there."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from s3nb.model import S3Object


def doubled(found: S3Object) -> bytes:
    return (found.blob or b"") * 2


def picky(found: S3Object) -> int:
    if found.key.endswith("3"):
        raise ValueError("not this one")
    return found.size or 0


def awkward(found: S3Object) -> Any:
    """What does not go back, what does not load when it is there, and what only looks like a failure."""
    if found.key.endswith("1"):
        return threading.Lock()
    if found.key.endswith("2"):
        return Unloadable()
    return KeyError(found.key)


class Unloadable:
    def __reduce__(self) -> Any:
        return int, ("none",)


def deadly_seven(found: S3Object) -> str:
    if found.key.endswith("7"):
        os.kill(os.getpid(), signal.SIGKILL)
    return found.key


class Endless:
    """Says that it has begun, and does not end."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, _: S3Object) -> None:
        with open(self.path, "a"):
            threading.Event().wait(60)


def slow(found: S3Object) -> int:
    time.sleep(0.3)  # work, as far as we care
    return os.getpid()


class DiesOnce:
    """Kills its process at one object, the first time."""

    def __init__(self, marker: str, key: str) -> None:
        self.marker = marker
        self.key = key

    def __call__(self, found: S3Object) -> Any:
        if found.key == self.key:
            try:
                os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return "after all"
            os.kill(os.getpid(), signal.SIGKILL)
        return found.key


def deadly(found: S3Object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def pid(_: S3Object) -> int:
    return os.getpid()


class Notes:
    """Writes down every call, and takes its time."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, _: S3Object) -> None:
        with open(self.path, "a") as file:
            file.write("x")
        time.sleep(0.2)  # work, as far as we care


def without_credentials() -> dict[str, str]:
    """Take them from this process; returns what it had."""
    before = dict(os.environ)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    return before


def with_environment(before: dict[str, str]) -> None:
    os.environ.update(before)
