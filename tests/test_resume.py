"""A download goes on where a killed process stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, LocalFileError
from s3nb.testing import Fault, MemoryWire
from s3nb.transfer.journal import Journal, Subject, Sum, left_over, missing

from .test_faults import LARGE, MIB, QUICK, blocks

BODY = blocks(16 * MIB + 7)

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.test_faults import QUICK, blocks, MIB
from tests.test_resume import BODY, Counting
from s3nb import S3, LocalFileError

class Fatal(Counting):
    def _deliver(self, exchange, sink, status, headers, body):
        self.limit = len(BODY) // 2
        return super()._deliver(exchange, sink, status, headers, body)
    def took(self, size):
        super().took(size)
        if self.delivered >= self.limit:
            os.kill(os.getpid(), signal.SIGKILL)

wire = Fatal({"box": {"large": BODY}}, checksum="crc32", piece=64 * 1024)
with S3(s3root="s3://box", wire=wire, config=QUICK) as s3:
    s3.download(["large"], sys.argv[1])
"""


NOTHING_TO_COMPARE = """
import os, signal, sys, threading
from tests.test_faults import QUICK
from tests.test_resume import BODY, Opaque
from s3nb import S3
from s3nb.transfer import download
from s3nb.transfer.clock import Clock

held, later, lock = [], Clock.later, threading.Lock()
Clock.later = lambda self, delay, action: held.append(action) if delay == download._WORTH_NOTING else later(self, delay, action)
download._WORTH_NOTING = 1.5

class Fatal(Opaque):
    def took(self, size):
        with lock:
            super().took(size)
            if self.delivered >= len(BODY) // 4 and held:
                held.pop()()
            if self.delivered >= len(BODY) * 3 // 4:
                os.kill(os.getpid(), signal.SIGKILL)

with S3(s3root="s3://box", wire=Fatal({"box": {"large": BODY}}, piece=64 * 1024), config=QUICK) as s3:
    s3.download(["large"], sys.argv[1])
"""


class Counting(MemoryWire):
    """Counts the bytes that were delivered."""

    delivered = 0

    def took(self, size: int) -> None:
        self.delivered += size

    def _deliver(self, exchange: Any, sink: Any, status: int, headers: Any, body: bytes) -> bool:
        outer = self

        class Through:
            begin = sink.begin

            @property
            def write(self) -> Any:
                inner = sink.write

                def write(data: bytes) -> object:
                    result = inner(data)
                    outer.took(len(data))
                    return result

                return write

        return super()._deliver(exchange, Through(), status, headers, body)


class Opaque(Counting):
    """Has nothing of an object that could be compared."""

    def _etag(self, body: bytes, parts: tuple[int, ...] = ()) -> str:
        return f"opaque {len(body)}"


def killed(folder: Path, program: str = KILLED) -> list[str]:
    """Download half of the object in a process that is killed; return what it left."""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == -signal.SIGKILL
    left = sorted(os.listdir(folder))
    assert len(left) == 2
    assert "large" not in left
    return left


def again(folder: Path, wire: Counting) -> None:
    with S3(folder, s3root="s3://box", wire=wire, config=QUICK) as s3:
        found = s3.download(["large"], folder)[0]
        assert found.blob == wire.body("box", "large")
    assert os.listdir(folder) == ["large"]


@pytest.mark.parametrize("kind", ["crc32", "crc64nvme", ""])
def test_a_killed_download_costs_little_the_second_time(tmp_path: Path, kind: str) -> None:
    killed(tmp_path)
    wire = Counting({"box": {"large": BODY}}, checksum=kind)
    again(tmp_path, wire)
    assert wire.delivered <= 0.6 * len(BODY)


def test_without_a_sum_to_compare_what_came_at_the_start_is_lost_and_no_more(tmp_path: Path) -> None:
    """CRCs for the journal alone are kept once a download has taken a while."""
    killed(tmp_path, NOTHING_TO_COMPARE)
    wire = Opaque({"box": {"large": BODY}})
    again(tmp_path, wire)
    assert 0.5 * len(BODY) <= wire.delivered <= 0.65 * len(BODY)


def test_a_file_that_does_not_agree_with_its_journal_is_fetched_anew(tmp_path: Path) -> None:
    left = killed(tmp_path)
    (tmp_path / left[0]).write_bytes(bytes(len(BODY)))
    wire = Counting({"box": {"large": BODY}}, checksum="crc32")
    again(tmp_path, wire)
    assert wire.delivered == len(BODY)


def test_another_object_under_the_key_is_fetched_anew(tmp_path: Path) -> None:
    killed(tmp_path)
    wire = Counting({"box": {"large": BODY[::-1]}}, checksum="crc32")
    again(tmp_path, wire)


def test_a_journal_in_use_is_left_alone(tmp_path: Path) -> None:
    left = killed(tmp_path)
    held = Journal.reopen(str(tmp_path / left[0]))
    assert held is not None
    wire = Counting({"box": {"large": BODY}}, checksum="crc32")
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as s3:
        assert s3.download(["large"], tmp_path)[0].blob == BODY
    assert sorted(os.listdir(tmp_path)) == [*left, "large"]
    held.discard()


@pytest.mark.parametrize("garbage", [b"", b"{}\n", b"not json\n", b'["box", "large", null, "e", "big", "crc32"]\n'])
def test_a_broken_journal_is_cleared_away(tmp_path: Path, garbage: bytes) -> None:
    left = killed(tmp_path)
    (tmp_path / left[1]).write_bytes(garbage)
    again(tmp_path, Counting({"box": {"large": BODY}}, checksum="crc32"))


def test_what_was_left_for_more_than_a_day_is_cleared_away(tmp_path: Path) -> None:
    name = ".large.s3nb-0123456789abcdef"
    journal = Journal.create(str(tmp_path / name), Subject("box", "large", None, '"e"', 9, "crc32"))
    (tmp_path / name).write_bytes(b"")
    (tmp_path / ".small.s3nb-0123456789abcdef").write_bytes(b"")
    (tmp_path / ".mine.s3nb-not-ours").write_bytes(b"")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert left_over(tmp_path) == {}
    assert sorted(os.listdir(tmp_path)) == [name, f"{name}.journal", ".mine.s3nb-not-ours"], "in use, or not ours"
    journal.close()
    left_over(tmp_path)
    assert os.listdir(tmp_path) == [".mine.s3nb-not-ours"]


def test_gaps() -> None:
    assert missing(10, []) == [(0, 10)]
    assert missing(10, [Sum(2, 4, 0), Sum(6, 10, 0)]) == [(0, 2), (4, 6)]
    assert missing(10, [Sum(0, 10, 0)]) == []
    assert missing(10, [Sum(0, 5, 0), Sum(3, 7, 0)]) == [(7, 10)]


def test_results_in_temporary_files_keep_no_journal(tmp_path: Path) -> None:
    wire = MemoryWire({"box": {"large": LARGE}})
    with S3(tmp_path, s3root="s3://box", wire=wire, config=QUICK) as s3:
        found = s3.get("large")
        assert found.path is not None
        assert os.listdir(Path(found.path).parent) == [Path(found.path).name]


def test_an_error_before_going_on_keeps_what_is_there(tmp_path: Path) -> None:
    left = killed(tmp_path)
    wire = MemoryWire({"box": {"large": BODY}}, checksum="crc32")
    wire.faults.append(Fault("HeadObject", status=403, code="AccessDenied"))
    with S3(s3root="s3://box", wire=wire, config=QUICK) as s3:
        with pytest.raises(PermissionError):
            s3.download(["large"], tmp_path)
        assert sorted(os.listdir(tmp_path)) == left
        s3.download(["large"], tmp_path)
    assert (tmp_path / "large").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["large"]


def test_a_name_that_cannot_be_given_leaves_no_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    wire = MemoryWire({"box": {"large": BODY}})
    wire.faults.append(
        Fault("GetObject", times=1, then=lambda: (tmp_path / "to" / "large").mkdir(), after=0.9, wire="reset")
    )
    with S3(s3root="s3://box", wire=wire, config=QUICK) as s3, pytest.raises(LocalFileError, match="large"):
        s3.download_to("large", tmp_path / "to" / "large")
    assert os.listdir(tmp_path / "to") == ["large"]
