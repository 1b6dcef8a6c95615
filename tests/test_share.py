"""What 429s teach about the part of the limit that is ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.share import FAIR, MARGIN, Share


def throttled(used: float) -> Share:
    share = Share(60.0)
    share.throttled(2.0, 0.0)  # so that the next is not the only one
    share.throttled(used, 0.0)
    return share


def test_everything_is_assumed_at_first() -> None:
    assert Share(60.0).at(5.0) == 1.0
    assert Share(60.0).is_whole


def test_a_429_teaches_what_was_spent() -> None:
    assert throttled(0.4).at(0.0) == pytest.approx(0.4 * (1 - MARGIN))


def test_who_has_more_than_half_gives_way() -> None:
    assert throttled(0.9).at(0.0) < 0.7
    assert throttled(0.9).at(0.0) > FAIR


def test_a_single_429_costs_no_more_than_the_margin() -> None:
    share = Share(60.0)
    share.throttled(0.98, 0.0)
    assert share.at(0.0) == pytest.approx(0.98 * (1 - MARGIN))
    share.resume(0.0)
    share.throttled(0.97, 300.0)
    assert share.at(300.0) == pytest.approx(0.97 * (1 - MARGIN))
    share.throttled(0.95, 350.0)
    assert share.at(350.0) < 0.75


def test_a_single_429_with_little_spent_is_soon_over() -> None:
    single, second = Share(60.0), throttled(0.05)
    single.throttled(0.05, 0.0)
    assert single.at(0.0) == second.at(0.0) < 0.05
    single.resume(3.0)
    second.resume(3.0)
    assert single.at(7.0) > 0.12
    assert second.at(7.0) < 0.07


def test_what_nobody_took_is_given_no_second_time() -> None:
    share = throttled(0.8)
    first = share.at(0.0)
    for _ in range(4):
        share.throttled(0.8, 0.0)
    assert share.at(0.0) > 0.78 > first
    share.throttled(0.7, 0.0)
    assert share.at(0.0) < 0.66, "somebody took it: more is given"


def test_it_grows_only_while_the_server_takes_requests() -> None:
    share = throttled(0.3)
    assert share.at(1000.0) == share.at(0.0)
    share.resume(1000.0)
    assert share.at(1000.0) == share.at(0.0)
    grown = [share.at(now) for now in (1000.0, 1020.0, 1030.0, 1120.0)]
    assert grown == sorted(set(grown))
    assert grown[-1] == 1.0
    assert share.is_whole


def test_it_is_tried_less_often_where_the_same_comes_out() -> None:
    eager, patient = throttled(0.5), throttled(0.5)
    for _ in range(5):
        patient.throttled(0.5, 0.0)
    eager.resume(0.0)
    patient.resume(0.0)
    assert patient.at(30.0) < eager.at(30.0)
    assert patient.at(240.0) == 1.0, "but it is tried"


def test_who_has_less_grows_faster() -> None:
    small, large = throttled(0.1), throttled(0.8)
    before = small.at(0.0), large.at(0.0)
    small.resume(0.0)
    large.resume(0.0)
    assert small.at(30.0) - before[0] > 4 * (large.at(30.0) - before[1])


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1e9)), max_size=50))
def test_it_is_always_a_part(steps: list[tuple[float, float]]) -> None:
    share, now = Share(60.0), 0.0
    for used, later_s in steps:
        share.throttled(used, now)
        share.resume(now)
        now += later_s
        assert 0.0 <= share.at(now) <= 1.0
