"""For how long a batch has been failing, and may."""

from __future__ import annotations

from math import inf

from mpimport.patience import Patience


def test_a_batch_that_does_not_fail_has_all_the_time() -> None:
    patience = Patience(10.0)
    assert patience.left_s(1e9) == inf
    assert patience.spent_s(1e9) == 0.0


def test_it_counts_from_the_first_failure_to_what_settles_something() -> None:
    patience = Patience(10.0)
    patience.failed(100.0)
    patience.failed(104.0)
    assert (patience.failures, patience.spent_s(106.0), patience.left_s(106.0)) == (2, 6.0, 4.0)
    patience.recovered(107.0)
    assert (patience.failures, patience.left_s(500.0)) == (0, inf)
    patience.failed(500.0)
    assert patience.left_s(500.0) == 3.0, "the times are summed up"


def test_the_time_of_waiting_for_others_is_left_out() -> None:
    patience = Patience(10.0)
    patience.except_for(5.0)
    patience.failed(0.0)
    patience.except_for(60.0)
    assert patience.spent_s(62.0) == 2.0
