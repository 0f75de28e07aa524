"""Sessions over an S3 in memory, and the environment of a user's shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3nb import S3, commands
from s3nb.testing import MemoryWire


@pytest.fixture
def wire() -> MemoryWire:
    return MemoryWire(
        {
            "box": {
                "a.txt": b"alpha\n",
                "dir/b.txt": b"beta\n",
                "dir/c.csv": b"1,2\n3,4\n",
                "dir/sub/d.csv": b"d" * 2000,
                "esc": b"\x1b[2Jred\n",
                "odd [1]*.txt": b"odd",
            },
            "other": {},
        }
    )


@pytest.fixture
def session(wire: MemoryWire) -> Iterator[commands.Session]:
    """A notebook's session in which nobody can answer."""
    found = commands.Session(make=lambda folder, **options: S3(folder, wire=wire, **options))
    yield found
    found.close()


@pytest.fixture
def do(session: commands.Session) -> Callable[..., Any]:
    """Runs a line, as in a notebook, and returns what it returns."""

    def run(line: str, cell: str | None = None, **names: Any) -> Any:
        return commands.run(commands.parse(commands.words(line, names), body=cell), session)

    return run
