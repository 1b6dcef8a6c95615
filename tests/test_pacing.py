"""The backoff schedule, the shared gate, the clock."""

from __future__ import annotations

import random
import threading

import pytest

from mpimport.clock import SystemClock
from mpimport.pacing import Backoff, Gate


@pytest.mark.parametrize(
    ("attempt", "doubled_s"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 60), (7, 60), (10_000, 60)]
)
def test_the_documented_schedule_with_its_jitter(attempt: int, doubled_s: float) -> None:
    rng = random.Random(attempt)
    delays = [Backoff().delay(attempt, rng) for _ in range(200)]
    assert min(delays) >= doubled_s + 1
    assert max(delays) <= doubled_s + 5
    assert max(delays) - min(delays) > 2, "the jitter spreads the senders"


def test_the_schedule_is_the_users() -> None:
    backoff = Backoff(base_s=0.5, max_s=3, jitter_min_s=0, jitter_max_s=0)
    assert [backoff.delay(attempt, random.Random(1)) for attempt in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_a_gate_is_open_until_it_is_closed_and_opens_by_itself() -> None:
    gate = Gate()
    assert gate.seconds_left(0.0) == 0.0
    gate.close_until(10.0)
    assert gate.seconds_left(4.0) == 6.0
    assert gate.seconds_left(10.0) == 0.0
    assert gate.seconds_left(11.0) == 0.0


def test_a_gate_never_opens_earlier_than_somebody_asked_for() -> None:
    gate = Gate()
    gate.close_until(10.0)
    gate.close_until(5.0)
    assert gate.seconds_left(0.0) == 10.0


def test_the_system_clock_waits_on_the_event() -> None:
    clock, stop = SystemClock(), threading.Event()
    before = clock.now()
    assert not clock.wait(0.02, stop)
    assert clock.now() - before >= 0.015
    assert not clock.wait(-1, stop)
    stop.set()
    assert clock.wait(1e12, stop)
