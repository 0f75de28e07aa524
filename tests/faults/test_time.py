"""What takes too long: silence, drips, blanks, a server that is gone for a while, or that takes no more requests."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from s3nb import S3, RequestTimeout, TransferConfig
from s3nb.transfer import download, send
from s3nb.transfer.pace import Backoff, Pace

from ..conftest import Server
from ..test_faults import MIB, blocks, left_over
from .proxy import Proxy, Rule, in_front_of

CONFIG = TransferConfig(
    backoff_base=0.005, throttle_base=0.01, stall_timeout=1.0, patience=20.0, fsync=False,
    part_size=5 * MIB, multipart_threshold=6 * MIB, split_threshold=6 * MIB, smallest_split=MIB,
)  # fmt: skip
LARGE = blocks(12 * MIB + 3)


@pytest.fixture(scope="module")
def proxy(moto_server: Server) -> Iterator[Proxy]:
    with in_front_of(moto_server.endpoint_url) as found:
        yield found


@pytest.fixture
def s3(moto_server: Server, moto_bucket: str, proxy: Proxy, tmp_path: Path) -> Iterator[S3]:
    options = {**moto_server.options(), "endpoint_url": proxy.endpoint_url}
    proxy.set()
    with S3(tmp_path, bucket=moto_bucket, config=CONFIG, **options) as client:
        client.put_many([("small", b"small" * 100), ("large", LARGE)])
        yield client
    proxy.set()


@pytest.mark.parametrize("key", ["small", "large"])
@pytest.mark.parametrize("at", [-1, 0.0, 0.5])
def test_a_reply_that_falls_silent_is_asked_for_again(s3: S3, proxy: Proxy, key: str, at: float) -> None:
    proxy.set(Rule("stall", method="GET", times=1, at=at))
    assert s3.get(key).blob == (LARGE if key == "large" else b"small" * 100)
    assert proxy.struck["stall"] == 1


def test_an_upload_that_nobody_reads_is_sent_again(s3: S3, proxy: Proxy) -> None:
    proxy.set(Rule("stall_upload", method="PUT", times=1))
    s3.put("up", LARGE)
    assert proxy.struck["stall_upload"] == 1
    assert s3.get("up").blob == LARGE


def test_silence_for_good_is_a_timeout_that_says_so(s3: S3, proxy: Proxy, tmp_path: Path) -> None:
    few = TransferConfig(stall_timeout=1.0, attempts=2, backoff_base=0.001)
    proxy.set(Rule("stall", at=-1))
    options = {"endpoint_url": proxy.endpoint_url, "anonymous": True}
    bucket = s3.root.removeprefix("s3://") if s3.root else ""
    with S3(tmp_path, bucket=bucket, config=few, **options) as impatient, pytest.raises(RequestTimeout) as caught:
        impatient.download_to("small", tmp_path / "small")
    assert isinstance(caught.value, TimeoutError)
    assert any("given up after 2 tries" in note for note in caught.value.__notes__)
    assert left_over(tmp_path) == []


def test_a_clock_that_is_off_is_set_by_the_servers(s3: S3, proxy: Proxy) -> None:
    ahead = formatdate(time.time() + 900, usegmt=True)
    proxy.set(Rule("status", status=403, code="RequestTimeTooSkewed", headers=(("Date", ahead),), times=1))
    assert s3.get("large").blob == LARGE
    assert proxy.struck["status"] == 1


def test_one_connection_that_drips_does_not_hold_up_the_rest(
    s3: S3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_LOOK", 0.2)
    proxy.set(Rule("drip", later=True, times=1, rate=100, at=0.1))
    assert s3.get("large").blob == LARGE
    assert proxy.struck["drip"] == 1


def test_blanks_before_the_end_of_an_upload_are_waited_for(
    s3: S3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_PATIENT", 1.5)
    proxy.set(Rule("blanks", method="POST", key="uploadId", times=1, rate=3))
    s3.put("up", LARGE)
    assert proxy.struck["blanks"] == 1
    assert sum("uploadId" in r for r in proxy.log if r.startswith("POST")) == 1, "completed once"


def test_silence_at_the_end_of_an_upload_is_not_waited_for_for_ever(
    s3: S3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_PATIENT", 0.5)
    proxy.set(Rule("stall", method="POST", key="uploadId", times=1, at=-1))
    s3.put("up", LARGE)
    assert s3.get("up").blob == LARGE


def test_a_server_that_is_gone_for_a_while_is_waited_for(s3: S3, proxy: Proxy) -> None:
    keys = [f"k{n}" for n in range(20)]
    s3.put_many([(k, k) for k in keys])
    back = threading.Timer(0.7, lambda: None)
    refused = proxy.refusing()
    refused.__enter__()
    back.function = lambda: refused.__exit__(None, None, None)
    back.start()
    assert [o.text for o in s3.get_many(keys)] == keys
    back.join()


@pytest.mark.parametrize("most", [30, 300])
def test_the_pace_of_a_server_that_takes_only_so_much_is_found(most: int) -> None:
    """A model of a server, on a clock of its own: sends as the pace allows, refuses what is above its limit."""
    pace, backoff, source = Pace(TransferConfig()), Backoff(TransferConfig(), random.Random(1)), random.Random(2)
    goal, now, done, sent = 16 * most, 0.0, 0, 0
    taken: list[float] = []
    waiting: list[tuple[float, int]] = [(0.0, 1)] * goal  # when it may be tried, and how often it will have been
    flying: list[tuple[float, int, bool]] = []
    while done < goal:
        now += 0.004
        for end, tries, good in [f for f in flying if f[0] <= now]:
            flying.remove((end, tries, good))
            if good:
                done += 1
                pace.success(now)
            else:
                pace.throttled(now, len(flying))
                waiting.append((now + backoff.pause(tries, throttled=True), tries + 1))
        due = [w for w in waiting if w[0] <= now][:4]
        for entry in due:
            if len(flying) >= pace.limit or pace.wait(now) > 0:
                break
            pace.sent(now)
            waiting.remove(entry)
            sent += 1
            taken = [t for t in taken if now - t < 1.0]
            good = len(taken) < most
            if good:
                taken.append(now)
            flying.append((now + source.uniform(0.005, 0.03), entry[1], good))
    assert sent <= 1.3 * goal
    assert done / now >= 0.75 * most


def test_complaints_now_and_then_are_no_limit_that_was_run_into() -> None:
    """One in twenty, at once, before a server that takes 86 a second and lets the others queue: as on a bad day."""
    slowed = 0
    for seed in range(20):
        pace, backoff, source = (
            Pace(TransferConfig()),
            Backoff(TransferConfig(), random.Random(seed)),
            random.Random(-seed),
        )
        now, done, free = 0.0, 0, 0.0
        waiting = [(0.0, 1)] * 206
        flying: list[tuple[float, int, bool]] = []
        while done < 206:
            now += 0.004
            for end, tries, good in [f for f in flying if f[0] <= now]:
                flying.remove((end, tries, good))
                if good:
                    done += 1
                    pace.success(now)
                else:
                    pace.throttled(now, len(flying))
                    waiting.append((now + backoff.pause(tries, throttled=True), tries + 1))
            for entry in [w for w in waiting if w[0] <= now]:
                if len(flying) >= pace.limit or pace.wait(now) > 0:
                    break
                pace.sent(now)
                waiting.remove(entry)
                good = source.random() >= 0.05
                free = max(free, now) + 1 / 86 if good else free
                flying.append((free if good else now + 0.005, entry[1], good))
        slowed += pace.limited
    assert slowed <= 1


def test_a_server_that_takes_only_so_much_a_second_is_not_asked_in_vain(
    s3: S3, proxy: Proxy, moto_server: Server, tmp_path: Path
) -> None:
    keys = [f"k{n}" for n in range(200)]
    s3.put_many([(k, k) for k in keys])
    proxy.set(Rule("cap", rate=50))
    options = {**moto_server.options(), "endpoint_url": proxy.endpoint_url}
    with S3(tmp_path, s3root=s3.root, **options) as usual:
        assert [o.text for o in usual.get_many(keys)] == keys
    assert proxy.struck["cap"] > 0
    assert proxy.requests <= 3 * len(keys), "the models above say how many exactly; here the machine has a say"


def test_eight_complaints_in_a_row_are_waited_out_in_less_than_a_minute() -> None:
    backoff = Backoff(TransferConfig(), random.Random(1))
    longest = [max(backoff.pause(tries, throttled=True) for _ in range(200)) for tries in range(1, 9)]
    assert sum(longest) <= 45


def test_a_retry_after_is_honoured(s3: S3, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    pause = Backoff.pause

    def noted(self: Backoff, tries: int, **more: Any) -> float:
        asked.append(more["asked"])
        return pause(self, tries, **{**more, "asked": None})

    monkeypatch.setattr(Backoff, "pause", noted)
    proxy.set(Rule("status", times=1, headers=(("Retry-After", "7"),)))
    s3.get("small")
    assert asked == [7.0]
