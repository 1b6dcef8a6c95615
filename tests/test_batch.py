"""The batch that is being filled: limits, runs, and the way back from an event to its record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.batch import MAX_REJECT_BYTES, MAX_REJECTS, Draft, number_of
from mpimport.records import Batch, Reason, Reject, Run

REASONS = (Reason("code", "words"),)


def test_a_new_draft_is_empty() -> None:
    draft = Draft(2, 10)

    assert draft.empty
    assert not draft.full
    assert draft.fits(10**9), "a single event always fits"


def test_runs_that_follow_each_other_are_one() -> None:
    draft = Draft(100, 100)
    for run in (("a", 1, 2), ("a", 3, 1), ("a", 5, 1), ("b", 6, 1), ("b", 7, 3), ("a", 10, 1)):
        draft.add_run(*run)
    batch = draft.seal()

    assert batch.runs == (Run("a", 1, 3), Run("a", 5, 1), Run("b", 6, 4), Run("a", 10, 1))
    assert batch.count == 9


def test_it_is_full_by_events_and_by_bytes() -> None:
    draft = Draft(2, 10)
    draft.lines += b"12345\n"
    draft.add_run("s", 1, 1)
    assert draft.fits(4)
    assert not draft.fits(5)
    assert not draft.full
    draft.add_run("s", 2, 1)
    assert draft.full


@pytest.mark.parametrize(("size", "count"), [(1, MAX_REJECTS), (MAX_REJECT_BYTES, 1), (MAX_REJECT_BYTES // 2, 2)])
@pytest.mark.parametrize("kind", ["event", "raw"])
def test_it_is_full_by_rejects(kind: str, size: int, count: int) -> None:
    draft = Draft(2, 10)
    text = b"x" * size
    for number in range(count):
        assert not draft.full
        event, raw = (text, None) if kind == "event" else (None, text)
        draft.add_reject(Reject("s", number, "client", REASONS, event=event, raw=raw))
    assert draft.full
    assert not draft.empty


def test_sealing_hands_over_everything_and_starts_anew() -> None:
    draft = Draft(2, 10)
    for seq in range(3):
        draft.lines += b"{}\n"
        draft.add_run("s", seq, 1)
        draft.add_reject(Reject("s", 9, "client", REASONS, raw=b"x"))
        draft.mends["string_cut"] += seq
        batch = draft.seal()
        assert (batch.seq, batch.lines, batch.count, len(batch.rejects)) == (seq, b"{}\n", 1, 1)
        assert batch.mends["string_cut"] == seq
        assert draft.empty
        assert draft.reject_bytes == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.integers(1, 5))))
def test_every_event_is_found_again(runs: list[tuple[str, int, int]]) -> None:
    draft = Draft(1000, 1000)
    for run in runs:
        draft.add_run(*run)
    batch = draft.seal()

    expected = [(source, first + index) for source, first, count in runs for index in range(count)]
    assert [number_of(batch, index) for index in range(batch.count)] == expected


@pytest.mark.parametrize("index", [2, 3, 99])
def test_an_index_beyond_the_batch_is_an_error(index: int) -> None:
    with pytest.raises(IndexError):
        number_of(Batch(0, b"", 2, (Run("s", 1, 2),)), index)
