"""Who may send next, with real threads: in order, one probe before the crowd, and nobody waits when it stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from fakes import FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st

from mpimport.admission import Admission, Ticket
from mpimport.backoff import Backoff
from mpimport.concurrency import Concurrency
from mpimport.gate import Gate
from mpimport.pacing import Budget, Cost

ONE = Cost(1, 10)
QUICK = Backoff(0.02, 0.1, 0, 0)


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def entering(admission: Admission, count: int, got: list[Any]) -> list[threading.Thread]:
    """Let so many threads ask, one after the other; each appends its number and its ticket."""
    threads = []
    for number in range(count):
        thread = threading.Thread(target=lambda n=number: got.append((n, admission.enter(ONE))), daemon=True)
        thread.start()
        until(lambda n=number: len(admission._queue) + len(got) > n)  # type: ignore[misc]
        threads.append(thread)
    return threads


def ticket_of(admission: Admission) -> Ticket:
    ticket = admission.enter(ONE)
    assert ticket is not None
    return ticket


def test_they_go_in_the_order_in_which_they_came() -> None:
    admission = Admission(concurrency=Concurrency(1))
    first, got = ticket_of(admission), []  # type: ignore[var-annotated]
    threads = entering(admission, 5, got)
    assert not got
    admission.leave(first, "taken")
    for number in range(5):
        until(lambda n=number: len(got) > n)  # type: ignore[misc]
        assert got[-1][0] == number
        admission.leave(got[-1][1], "taken")
    for thread in threads:
        thread.join(5)


def test_no_more_are_under_way_than_may_be() -> None:
    admission, got = Admission(concurrency=Concurrency(3)), []  # type: ignore[var-annotated]
    entering(admission, 8, got)
    time.sleep(0.05)
    assert len(got) == 3
    assert admission.flow().under_way == 3
    assert admission.flow().held_by == "concurrency"
    admission.stop()


def test_after_a_429_one_probe_goes_before_the_crowd() -> None:
    admission = Admission(gate=Gate(QUICK))
    admission.leave(ticket_of(admission), "throttled")
    assert admission.flow().held_by == ""
    got: list[Any] = []
    threads = entering(admission, 6, got)
    until(lambda: got)
    time.sleep(0.05)
    assert len(got) == 1
    assert (admission.flow().held_by, admission.flow().hold_s) == ("probe", None)
    admission.leave(got[0][1], "taken")
    until(lambda: len(got) == 6)
    for thread in threads:
        thread.join(5)


def test_a_probe_without_an_answer_is_followed_by_another() -> None:
    admission = Admission(gate=Gate(QUICK))
    admission.leave(ticket_of(admission), "throttled")
    admission.leave(ticket_of(admission), "lost")
    admission.leave(ticket_of(admission), "taken")
    assert admission.enter(ONE)
    assert admission.enter(ONE)


def test_stopping_wakes_everybody_at_once() -> None:
    gate = Gate(QUICK)
    gate.close_until(time.monotonic() + 1000)
    admission, got = Admission(gate=gate), []  # type: ignore[var-annotated]
    threads = entering(admission, 5, got)
    admission.stop()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert [ticket for _, ticket in got] == [None] * 5
    assert admission.enter(ONE) is None


def test_who_has_no_patience_does_not_wait_for_the_gate() -> None:
    clock = FakeClock()
    gate = Gate(QUICK)
    gate.close_until(clock.now() + 50)
    admission = Admission(clock, gate=gate)
    assert admission.enter(ONE, patience_s=49) is None
    assert admission.enter(ONE, patience_s=51) is not None


def test_the_time_of_pacing_is_told_and_that_of_the_gate_is_not() -> None:
    clock = FakeClock()
    admission = Admission(clock, gate=Gate(QUICK), budget=Budget(2, 0, 60.0))
    for _ in range(2):
        admission.leave(ticket_of(admission), "taken")
    paced = ticket_of(admission)
    assert paced.paced_s == pytest.approx(60, abs=0.1)
    admission.leave(paced, "throttled", after_s=30.0)
    assert ticket_of(admission).paced_s == 0


def test_only_the_first_429_of_several_teaches_about_the_limit() -> None:
    clock = FakeClock()
    budget = Budget(100, 0, 60.0)
    admission = Admission(clock, gate=Gate(QUICK), budget=budget)
    tickets = [ticket_of(admission) for _ in range(40)]
    admission.leave(tickets[0], "throttled")
    share = budget.share.at(clock.now())
    assert share == pytest.approx(0.39 * 0.98)
    for ticket in tickets[1:]:
        admission.leave(ticket, "throttled")
    assert budget.share.at(clock.now()) == share
    assert admission.flow().share == share


def test_who_has_failed_for_too_long_does_not_wait_for_those_before_it() -> None:
    admission = Admission(concurrency=Concurrency(1))
    assert admission.enter(ONE) is not None
    waiting = entering(admission, 1, [])

    assert admission.enter(ONE, patience_s=0.05) is None

    admission.stop()
    waiting[0].join(5)
    assert not waiting[0].is_alive()


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from(["taken", "throttled", "overloaded", "lost", "odd"]), min_size=1, max_size=60),
    st.integers(1, 6),
)
def test_whatever_is_answered_everybody_gets_through(answers: list[Any], threads: int) -> None:
    """No wake-up is ever lost: with any answers, every thread ends."""
    admission = Admission(
        gate=Gate(Backoff(0.0005, 0.001, 0, 0)), concurrency=Concurrency(2), budget=Budget(20, 0, 0.01)
    )
    left = list(answers)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not left:
                    return
                answer = left.pop()
            ticket = admission.enter(ONE, inf)
            assert ticket is not None
            admission.leave(ticket, answer)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()
    assert admission.flow().under_way == 0
