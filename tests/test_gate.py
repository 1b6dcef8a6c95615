"""The gate that all senders share."""

from __future__ import annotations

import random
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from mpimport.backoff import Backoff
from mpimport.gate import Gate


def gate() -> Gate:
    return Gate(Backoff(jitter_min_s=0, jitter_max_s=0), random.Random(1))


def test_it_is_open_until_something_is_refused() -> None:
    one = gate()
    assert one.is_open
    assert one.hold_s(0.0) == 0.0
    assert [one.enter() for _ in range(5)] == [0] * 5


def test_one_probe_goes_before_the_crowd() -> None:
    one = gate()
    one.refused(10.0, period=0, after_s=None)
    assert one.hold_s(10.0) == 2.0
    assert one.hold_s(12.0) == 0.0
    probe = one.enter()
    assert one.hold_s(12.0) == inf
    assert one.passed(period=probe)
    assert one.hold_s(12.0) == 0.0
    one.enter()
    assert one.hold_s(12.0) == 0.0


def test_the_wait_doubles_with_each_probe_that_is_refused() -> None:
    one, now, holds = gate(), 0.0, []
    for _ in range(7):
        one.enter()
        one.refused(now, period=one.period, after_s=None)
        holds.append(one.hold_s(now))
        now += holds[-1]
    assert holds == [2, 4, 8, 16, 32, 60, 60]
    one.passed(period=one.period)
    one.refused(now, period=one.period, after_s=None)
    assert one.hold_s(now) == 2


def test_what_was_under_way_when_it_closed_neither_doubles_nor_opens() -> None:
    one = gate()
    one.refused(0.0, period=0, after_s=None)
    one.refused(0.5, period=0, after_s=None)
    assert (one.refusals, one.hold_s(0.5)) == (1, 1.5)
    assert not one.passed(period=0)
    assert not one.is_open


def test_it_stays_closed_as_long_as_anybody_was_asked_to_wait() -> None:
    one = gate()
    one.refused(0.0, period=0, after_s=30.0)
    one.refused(0.0, period=0, after_s=5.0)
    assert one.hold_s(0.0) == 30.0
    one.close_until(40.0)
    one.close_until(10.0)
    assert one.hold_s(0.0) == 40.0


def test_a_success_from_before_does_not_cut_short_what_the_server_asked_for() -> None:
    one = gate()
    before = one.enter()
    one.close_until(30.0)
    assert not one.passed(period=before)
    assert one.hold_s(0.0) == 30.0


def test_a_429_from_before_says_nothing_about_a_gate_that_has_opened_again() -> None:
    one = gate()
    before = one.enter()
    one.refused(0.0, period=before, after_s=None)
    one.passed(period=one.enter())
    one.refused(3.0, period=before, after_s=None)
    assert one.is_open


def test_a_probe_that_is_overtaken_by_a_longer_wait_leaves_the_way_free_afterwards() -> None:
    one = gate()
    before = one.enter()
    one.refused(0.0, period=before, after_s=None)
    probe = one.enter()
    one.refused(2.5, period=before, after_s=60.0)
    assert not one.passed(period=probe)
    assert one.hold_s(2.5) == 60.0
    assert one.hold_s(62.5) == 0.0


def test_a_probe_that_is_lost_makes_room_for_another() -> None:
    one = gate()
    before = one.enter()
    one.refused(0.0, period=before, after_s=None)
    probe = one.enter()
    one.lost(period=before)
    assert one.hold_s(5.0) == inf, "it was somebody else's"
    one.lost(period=probe)
    assert one.hold_s(5.0) == 0.0


@given(
    st.lists(st.tuples(st.sampled_from(["refused", "passed", "lost"]), st.booleans(), st.integers(0, 3)), max_size=60)
)
def test_there_is_always_a_way_on(steps: list[tuple[str, bool, int]]) -> None:
    """Whatever comes back, in whatever order: once nothing is under way, a finite wait leads through the gate."""
    one, now = gate(), 0.0
    under_way: list[int] = []
    for step, asks, place in steps:
        if one.hold_s(now) == 0.0:
            under_way.append(one.enter())
        if under_way:
            period = under_way.pop(place % len(under_way))
            if step == "refused":
                one.refused(now, period=period, after_s=7.0 if asks else None)
            elif step == "passed":
                one.passed(period=period)
            else:
                one.lost(period=period)
                if asks:
                    one.close_until(now + 5)
        now += 1.5
    for period in under_way:
        one.lost(period=period)
    assert one.hold_s(now) < 100
    assert one.hold_s(now + one.hold_s(now)) == 0.0
