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
    assert not one.enter()


def test_one_probe_goes_before_the_crowd() -> None:
    one = gate()
    one.refused(10.0, period=0, after_s=None)
    assert one.hold_s(10.0) == 2.0
    assert one.hold_s(12.0) == 0.0
    assert one.enter()
    assert one.hold_s(12.0) == inf
    assert one.passed(period=one.period)
    assert one.hold_s(12.0) == 0.0
    assert not one.enter()


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


def test_a_probe_that_is_lost_makes_room_for_another() -> None:
    one = gate()
    one.refused(0.0, period=0, after_s=None)
    assert one.enter()
    one.lost(probe=False)
    assert one.hold_s(5.0) == inf, "it was somebody else's"
    one.lost(probe=True)
    assert one.hold_s(5.0) == 0.0
    assert one.enter()


@given(st.lists(st.sampled_from(["refused", "passed", "lost", "late"]), max_size=50))
def test_after_the_wait_there_is_always_a_way_on(steps: list[str]) -> None:
    """Whatever comes back, the gate is open, lets a probe through, or has one under way."""
    one, now = gate(), 0.0
    for step in steps:
        hold_s = one.hold_s(now)
        assert hold_s != inf, "every probe has come back by now"
        now += hold_s
        probe, period = one.enter(), one.period
        if step == "refused":
            one.refused(now, period=period, after_s=None)
        elif step == "passed":
            one.passed(period=period)
            assert one.is_open
        else:
            one.refused(now, period=period - 1, after_s=None) if step == "late" else None
            one.lost(probe=probe)
