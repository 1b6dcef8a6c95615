"""The rolling budget: nothing is ever sent too early, and nothing is held back without need."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpimport.pacing import HEADROOM, PIECES, Budget, Cost, max_batch_bytes, max_batch_events
from mpimport.sandbox.limiter import RollingLimit


def test_what_is_free_goes_out_as_a_burst() -> None:
    budget, now = Budget(1_800_000, 2e9), 0.0
    for _ in range(750):
        assert budget.wait_s(Cost(2000, 1_000_000), 0.0) == 0.0
        budget.spend(Cost(2000, 1_000_000), now)


@pytest.mark.parametrize("cost", [Cost(100, 1), Cost(1, 100)])
def test_events_and_bytes_hold_both_at_once(cost: Cost) -> None:
    budget, now = Budget(1000, 1000, 60.0), 0.0
    sent = 0
    while not budget.wait_s(cost, 0.0):
        budget.spend(cost, now)
        sent += 1
    assert sent == 10, "the tenth is the one that tries the headroom"
    assert budget.wait_s(cost, 0.0) == inf, "it is all under way"
    budget.settle(cost, 1.0, 1.0, counted=True, quiet=True)
    budget.settle(cost, 1.0, 1.0, counted=True, quiet=True)
    assert budget.wait_s(cost, 1.0) == pytest.approx(59.0, abs=60 / PIECES), "a round trip less than a window"


def test_zero_is_no_limit() -> None:
    budget, now = Budget(0, 0), 0.0
    for _ in range(100):
        assert budget.wait_s(Cost(10**9, 10**12), 0.0) == 0.0
        budget.spend(Cost(10**9, 10**12), now)
    assert budget.used(0.0) == 0.0
    budget.share.throttled(0.0, 0.0)
    assert budget.wait_s(Cost(1, 1), 0.0) == 0.0


def test_what_the_server_did_not_count_is_given_back() -> None:
    budget, now = Budget(100, 0), 0.0
    budget.spend(Cost(99, 1), now)
    assert budget.wait_s(Cost(50, 1), 0.0) == inf
    budget.settle(Cost(99, 1), 1.0, 1.0, counted=False)
    assert budget.wait_s(Cost(50, 1), 1.0) == 0.0


def test_more_than_there_is_goes_alone() -> None:
    budget, now = Budget(10, 0, 60.0), 0.0
    assert budget.wait_s(Cost(50, 1), 0.0) == 0.0
    budget.spend(Cost(50, 1), now)
    assert budget.wait_s(Cost(50, 1), 1.0) == inf
    budget.settle(Cost(50, 1), 1.0, 0.0, counted=True, quiet=True)
    wait_s = budget.wait_s(Cost(50, 1), 1.0)
    assert wait_s == pytest.approx(300.0, abs=0.1), "five times as much as a window allows"
    assert budget.wait_s(Cost(50, 1), 1.0 + wait_s) == 0.0


def test_an_event_larger_than_a_window_allows_takes_several_windows() -> None:
    budget = Budget(0, 1000, 60.0)
    budget.spend(Cost(1, 5000), 0.0)
    budget.settle(Cost(1, 5000), 0.0, 0.0, counted=True)
    assert budget.wait_s(Cost(1, 100), 0.0) == pytest.approx(300, abs=0.1)


def test_the_headroom_is_tried_once_in_a_while() -> None:
    budget, now = Budget(1000, 0, 60.0), 0.0
    for _ in range(100):
        assert budget.wait_s(Cost(10, 1), now) == 0.0
        budget.spend(Cost(10, 1), now)
        budget.settle(Cost(10, 1), now, 0.0, counted=True)
    now = 61.0
    sent = 0
    while not budget.wait_s(Cost(10, 1), now):
        budget.spend(Cost(10, 1), now)
        budget.settle(Cost(10, 1), now, 0.0, counted=True)
        sent += 1
    assert sent == 99
    now = 122.0
    for _ in range(100):
        assert budget.wait_s(Cost(10, 1), now) == 0.0
        budget.spend(Cost(10, 1), now)


def test_a_million_requests_take_little_memory() -> None:
    budget = Budget(10**12, 0, 60.0)
    for number in range(100_000):
        budget.spend(Cost(1, 1), number / 2000)
        budget.settle(Cost(1, 1), number / 2000, 0.01, counted=True, quiet=True)
    assert len(budget._spent) <= PIECES + 1
    assert budget.used(50.0) == pytest.approx(1e-7)


@pytest.mark.parametrize(
    ("per_s", "window_s", "events"), [(30_000, 60, 2000), (30_000, 2, 600), (500, 60, 75), (1, 60, 1), (0, 60, 2000)]
)
def test_batches_are_a_small_part_of_what_a_window_allows(per_s: float, window_s: float, events: int) -> None:
    assert max_batch_events(per_s * window_s, window_s, 2000) == events


def test_batches_in_bytes_are_a_small_part_too() -> None:
    assert max_batch_bytes(2e9, 10_000_000) == 10_000_000
    assert max_batch_bytes(1e6, 10_000_000) == 10_000
    assert max_batch_bytes(0, 10_000_000) == 10_000_000


@settings(max_examples=200)
@given(
    requests=st.lists(
        st.tuples(st.integers(1, 400), st.floats(0, 1), st.floats(0, 2)),  # events, delay, pause before it
        max_size=80,
    ),
    way=st.floats(0, 1),
    rtt_s=st.floats(0.01, 1),
)
def test_a_server_that_counts_the_same_never_says_no(
    requests: list[tuple[int, float, float]], way: float, rtt_s: float
) -> None:
    """Whatever the delays are, a request is let through only when the server's own window has room for it.

    The first one is as quick as it gets.

    `way`: the part of the round trip after which the server counts. (Where that part varies from request to
    request the headroom has to bear the difference; the simulation shows that it does.)
    """
    budget = Budget(1000, 0, 10.0)
    now, moment = 0.0, 0.0
    server = RollingLimit(1000, 0, 10.0, lambda: moment)
    for events, delay_s, pause_s in [(1, 0.0, 0.0), *requests]:
        took_s = rtt_s + delay_s
        cost = Cost(events, 1)
        now += pause_s
        now += budget.wait_s(cost, now)
        assert budget.wait_s(cost, now) == 0.0
        budget.spend(cost, now)
        moment = now + way * took_s
        assert server.admit(events, 1)
        now += took_s
        budget.settle(cost, now, took_s, counted=True, quiet=True)


def test_at_a_steady_latency_the_limit_is_used_but_for_the_headroom() -> None:
    budget = Budget(1000, 0, 10.0)
    now, sent = 0.0, 0
    while now < 1000:
        now += budget.wait_s(Cost(10, 1), now)
        budget.spend(Cost(10, 1), now)
        sent += 10
        now += 0.05
        budget.settle(Cost(10, 1), now, 0.05, counted=True, quiet=True)
    assert sent / 100_000 > 1 - HEADROOM - 0.005
