"""Planning: what to fetch for which read; and the memory that all files share."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3nb import TransferConfig, session
from s3nb.files import plan
from s3nb.files.budget import Budget
from s3nb.files.plan import Access, Link

KIB, MIB = 1 << 10, 1 << 20
GAP = MIB
RANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=12)


def disjoint(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, size in sorted(pairs):
        start = max(start, found[-1][1] if found else 0)
        if size:
            found.append((start, start + size))
    return found


@given(pairs=RANGES, start=st.integers(0, 200), size=st.integers(0, 100))
def test_holes_are_what_is_not_covered(pairs: list[tuple[int, int]], start: int, size: int) -> None:
    covered = disjoint(pairs)
    wanted = set(range(start, start + size))
    there = {n for a, b in covered for n in range(a, b)}
    missing = plan.holes(covered, start, start + size)
    assert {n for a, b in missing for n in range(a, b)} == wanted - there
    assert all(a < b for a, b in missing)
    assert missing == sorted(missing)


@given(pairs=st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 1 << 28)), max_size=5))
def test_a_large_read_is_spread_without_gap_or_overlap(pairs: list[tuple[int, int]]) -> None:
    missing = disjoint(pairs)
    pieces = plan.spread(missing)
    assert plan.holes(pieces, 0, 1 << 33) == plan.holes(missing, 0, 1 << 33)
    assert all(b - a <= 2 * plan.LARGEST_PART for a, b in pieces)
    if sum(b - a for a, b in missing) >= 16 * MIB and len(missing) == 1:
        assert len(pieces) >= 15


@given(ranges=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), max_size=15), gap=st.integers(0, 100))
def test_ranges_that_are_near_are_merged(ranges: list[tuple[int, int]], gap: int) -> None:
    wanted = [(start, start + size) for start, size in ranges]
    merged = plan.merge(wanted, gap, 400)
    assert sorted(i for m in merged for i in m.members) == [i for i, (a, b) in enumerate(wanted) if b > a]
    for m in merged:
        assert all(m.start <= wanted[i][0] <= wanted[i][1] <= m.stop for i in m.members)
        assert m.stop - m.start <= max(400, 50)
    for one, other in itertools.pairwise(merged):
        assert other.start - one.stop > gap or other.stop - one.start > 400


def reads(access: Access, *pairs: tuple[int, int]) -> list[bool]:
    return [access.note(start, start + size, GAP) for start, size in pairs]


def test_a_window_opens_for_a_run_and_not_for_a_glance() -> None:
    access = Access()
    assert reads(access, (0, 1000)) == [False]
    assert access.window == 0
    reads(access, *((n * 64 * KIB, 64 * KIB) for n in range(4)))
    assert access.window == plan.FIRST_WINDOW


def test_headers_150_KB_apart_are_a_run_and_a_gigabyte_apart_are_jumps() -> None:
    near, far = Access(), Access()
    assert not any(reads(near, *((n * 150_000, 512) for n in range(5))))
    assert near.window
    assert reads(far, *((n << 30, 512) for n in range(5))) == [False, True, True, True, True]
    assert (far.window, far.jumps) == (0, 4)


def test_a_small_member_after_a_jump_opens_no_window() -> None:
    access = Access()
    reads(access, (50 * MIB, 30), (50 * MIB + 30, 12), (50 * MIB + 42, 30_000))
    assert access.window == 0


def test_a_stall_doubles_the_window_up_to_its_limit() -> None:
    access = Access("sequential")
    seen = []
    for _ in range(7):
        seen.append(access.window // MIB)
        access.stalled()
    assert seen == [4, 8, 16, 32, 64, 64, 64]
    assert access.part == 4 * MIB
    access.scarce()
    assert access.window == 32 * MIB


def test_backward_a_little_is_the_same_run() -> None:
    access = Access()
    reads(access, (0, 4 * MIB))
    assert reads(access, (3 * MIB, 10)) == [False]
    assert reads(access, (MIB, 10)) == [True]


def test_small_reads_are_rounded_out_and_runs_grow() -> None:
    access, size, page = Access(), 1 << 30, 64 * KIB
    access.note(5_000_000, 5_000_010, GAP)
    first, last = access.extent(5_000_000, 5_000_010, size, page)
    assert first <= 5_000_000 < 5_000_010 <= last
    assert last - first == page
    access.note(5_000_000, 5_000_000 + 100_000, GAP)
    assert access.extent(5_100_000, 5_100_010, size, page) == (5_100_000, 5_200_000)
    assert access.extent(7_000_000, 7_000_000 + page, size, page) == (7_000_000, 7_000_000 + page)
    assert access.extent(size - 10, size, size, page)[1] == size
    exact = Access("exact")
    assert exact.extent(5, 6, size, page) == (5, 6)


def test_what_is_near_follows_the_link() -> None:
    link = Link()
    assert link.gap == MIB
    for _ in range(50):
        link.first_byte(0.05)
        link.moved(100_000_000, 1.0)
    assert abs(link.gap - 5_000_000) < 1000
    assert link.page == plan.PAGE
    for _ in range(100):
        link.first_byte(30.0)
    assert link.gap == 16 * MIB
    assert link.patience == 90.0
    assert link.may_hedge()
    link.hedges = 1
    assert not link.may_hedge()
    link.requests = 40
    assert link.may_hedge()


@pytest.fixture(autouse=True)
def gap() -> None:
    """The real one here."""


def test_the_whole_is_bought_when_as_much_was_spent_on_pieces_and_not_before() -> None:
    link = plan.Link()
    assert not link.pays(1000, 1)  # nothing is known of the way
    for _ in range(10):
        link.first_byte(0.030)
    link.moved(8 * MIB, 8 * MIB / 25e6)
    whole = 64 * MIB / (plan.SHARED * 25e6)  # seconds
    enough = next(n for n in range(1000) if link.pays(n, 64 * MIB))
    assert whole <= enough * 0.030 < whole + 0.030
    assert not link.pays(enough, 640 * MIB)
    assert not link.pays(plan.JUMPS - 1, 1)  # however small it is
    near = plan.Link()
    near.first_byte(0.0001)
    assert not near.pays(enough, 64 * MIB)  # where a round trip costs nothing, nothing else pays


def test_a_budget_is_given_to_who_waits_and_to_others_while_it_lasts() -> None:
    budget = Budget(100)
    assert budget.take(60)
    assert not budget.take(41)
    assert budget.take(80, forced=True)
    assert budget.tight
    assert (budget.held, budget.peak) == (140, 140)
    budget.give(140)
    assert not budget.tight
    assert budget.take(100)


# -- the shared client


def test_the_same_account_is_the_same_client(monkeypatch: pytest.MonkeyPatch) -> None:
    one = session.client(endpoint_url="http://127.0.0.1:9", anonymous=True)
    assert session.client(anonymous=True, endpoint_url="http://127.0.0.1:9") is one
    assert session.client(endpoint_url="http://127.0.0.1:9") is not one
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    other = session.client(endpoint_url="http://127.0.0.1:9", anonymous=True)
    assert other is not one
    other.close()
    assert session.client(endpoint_url="http://127.0.0.1:9", anonymous=True) is not other  # a closed one is made anew


def test_defaults_are_set_and_taken_back() -> None:
    session.configure(endpoint_url="http://127.0.0.1:8", anonymous=True)
    try:
        assert session.client() is session.client(endpoint_url="http://127.0.0.1:8")
        assert session.client(endpoint_url="http://127.0.0.1:9") is not session.client()
    finally:
        session.configure(endpoint_url=None, anonymous=None)
    with pytest.raises(TypeError, match="nonsense"):
        session.configure(nonsense=1)
    with pytest.raises(TypeError, match="nonsense"):
        session.client(nonsense=1)


def test_who_opens_files_waits_five_seconds_for_a_first_answer_unless_told_otherwise() -> None:
    assert session.client(endpoint_url="http://127.0.0.1:9")._config == TransferConfig(first_patience=5.0)
    patient = TransferConfig(first_patience=40.0)
    assert session.client(endpoint_url="http://127.0.0.1:9", config=patient)._config is patient
    session.configure(config=patient)
    try:
        assert session.client(endpoint_url="http://127.0.0.1:9")._config is patient
    finally:
        session.configure(config=None)


def test_no_secret_is_in_the_keys_of_the_cache() -> None:
    session.client(client_params={"aws_secret_access_key": "hunter2"})
    assert "hunter2" not in repr(session._clients)
