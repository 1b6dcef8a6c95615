"""The backoff schedule."""

from __future__ import annotations

import random

import pytest

from mpimport.backoff import Backoff


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
