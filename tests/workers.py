"""What is run on workers in tests: it must be importable there."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from s3nb.model import S3Object


def doubled(found: S3Object) -> bytes:
    return (found.blob or b"") * 2


def picky(found: S3Object) -> int:
    if found.key.endswith("3"):
        raise ValueError("not this one")
    return found.size or 0


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
