"""How many requests may be under way: up slowly, down quickly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpimport.concurrency import Concurrency


def send_round(one: Concurrency, took_s: float = 0.1, *, overloaded: int = 0, count: int | None = None) -> int:
    """Fill it up (or send `count`), and let all come back; gives the limit after that."""
    numbers = [one.enter() for _ in range(one.limit if count is None else count)]
    for place, number in enumerate(numbers):
        bad = place < overloaded
        one.leave(number, took_s=None if bad else took_s, overloaded=bad)
    return one.limit


def test_it_begins_at_the_top() -> None:
    one = Concurrency(16)
    assert one.limit == 16
    for _ in range(16):
        assert one.has_room
        one.enter()
    assert not one.has_room


def test_an_overload_lowers_it_once_a_round() -> None:
    one = Concurrency(16)
    assert send_round(one, overloaded=16) == 11
    assert send_round(one, overloaded=1) == 7


def test_it_goes_down_to_one_and_no_further() -> None:
    one = Concurrency(16)
    for _ in range(30):
        send_round(one, overloaded=99)
    assert one.limit == 1
    assert one.has_room


def test_it_grows_by_one_a_round_back_to_the_top() -> None:
    one = Concurrency(4)
    for _ in range(5):
        send_round(one, overloaded=1)
    limits = [send_round(one) for _ in range(5)]
    assert limits == [2, 3, 4, 4, 4]


def test_it_does_not_grow_where_it_was_not_reached() -> None:
    one = Concurrency(16)
    before = send_round(one, overloaded=16)
    for _ in range(10):
        send_round(one, count=2)
    assert one.limit == before


def test_a_latency_well_above_the_mean_lowers_it() -> None:
    one = Concurrency(16)
    for _ in range(10):
        send_round(one, 0.3)
    assert send_round(one, 0.35) == 16
    assert send_round(one, 3.0) == 11


def test_quick_replies_are_never_too_slow() -> None:
    one = Concurrency(16)
    for _ in range(10):
        send_round(one, 0.001)
    assert send_round(one, 0.2) == 16


def test_a_latency_that_stays_becomes_the_mean() -> None:
    one = Concurrency(16)
    for _ in range(5):
        send_round(one, 0.3)
    limits = [send_round(one, 1.0) for _ in range(40)]
    assert 1 < min(limits) < 11
    assert limits[-1] == 16


@given(st.integers(1, 64), st.lists(st.tuples(st.booleans(), st.floats(0, 100), st.integers(0, 8)), max_size=200))
def test_it_stays_in_its_range_whatever_happens(most: int, steps: list[tuple[bool, float, int]]) -> None:
    one, numbers = Concurrency(most), []
    for overloaded, took_s, entering in steps:
        numbers += [one.enter() for _ in range(entering) if one.has_room]
        if numbers:
            one.leave(numbers.pop(0), took_s=None if overloaded else took_s, overloaded=overloaded)
        assert 1 <= one.limit <= most
        assert one.under_way == len(numbers)
