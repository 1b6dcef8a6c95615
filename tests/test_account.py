"""The account: what is counted from an outcome, what the summary says, and which exit code wins."""

from __future__ import annotations

import json

import pytest
from fakes import batch_of

from mpimport.account import Summary, Tally, exit_code, rejects_of, top_reasons
from mpimport.errors import BrokenInput, GaveUp, MpimportError, ServerRefused, TooManyRejected, UsageProblem
from mpimport.records import Batch, Outcome, Reason, Refusal, Reject, Run


def reject(number: int, *codes: str) -> Reject:
    return Reject("e.ndjson", number, "client", tuple(Reason(code, f"why {code}") for code in codes), event=b"{}")


def test_an_outcome_is_counted_whole() -> None:
    tally = Tally(read=6)
    batch = Batch(0, b"{}\n" * 4, 4, (Run("e.ndjson", 1, 4),), rejects=(reject(9, "a"),), mends={"string_cut": 2})
    outcome = Outcome(batch, 1, (Refusal(1, b"{}", Reason("b", "no")),), (2, 3), requests=5, retries=3, nbytes=77)
    tally.add(outcome, rejects_of(outcome))

    assert (tally.imported, tally.rejected, tally.undelivered) == (1, 2, 2)
    assert (tally.requests, tally.retries, tally.nbytes, tally.mends["string_cut"]) == (5, 3, 77, 2)
    assert not tally.balances
    tally.read = 5
    assert tally.balances


def test_a_refused_event_is_found_by_its_place_in_the_batch() -> None:
    runs = (Run("a.ndjson", 10, 2), Run("a.ndjson", 15, 1), Run("b.csv", 2, 2))
    batch = Batch(0, b"{}\n" * 5, 5, runs)
    refusals = tuple(Refusal(index, b"{}", Reason("x", "no")) for index in range(5))

    places = [(found.source, found.number, found.by) for found in rejects_of(Outcome(batch, 0, refusals))]

    assert places == [
        ("a.ndjson", 10, "server"),
        ("a.ndjson", 11, "server"),
        ("a.ndjson", 15, "server"),
        ("b.csv", 2, "server"),
        ("b.csv", 3, "server"),
    ]


def test_reasons_are_counted_once_an_event_with_the_first_as_the_example() -> None:
    tally = Tally()
    batch = batch_of(0)
    rejects = (reject(3, "b", "a", "b"), reject(4, "a"))
    tally.add_valid(batch, rejects)

    assert [(code, found.count, found.number) for code, found in top_reasons(tally)] == [("a", 2, 3), ("b", 1, 3)]


def test_the_example_of_a_reason_is_the_first_one_whatever_is_settled_first() -> None:
    tally = Tally()
    for number in (4000, 84, 900):
        tally.add_valid(batch_of(0), (reject(number, "a"),))

    assert [(found.count, found.number) for _, found in top_reasons(tally)] == [(3, 84)]


@pytest.mark.parametrize(
    ("tally", "worst", "signal_number", "expected"),
    [
        (Tally(), None, None, 0),
        (Tally(rejected=1), None, None, 1),
        (Tally(), UsageProblem("x"), None, 2),
        (Tally(), TooManyRejected("x"), None, 3),
        (Tally(), ServerRefused("x"), None, 4),
        (Tally(rejected=1), GaveUp("x"), None, 5),
        (Tally(), BrokenInput("x"), None, 6),
        (Tally(rejected=1), GaveUp("x"), 2, 130),
        (Tally(), None, 15, 143),
        (Tally(), MpimportError("a bug"), 15, 70),
    ],
)
def test_the_worst_wins(tally: Tally, worst: MpimportError | None, signal_number: int | None, expected: int) -> None:
    assert exit_code(tally, worst, signal_number) == expected


def test_the_json_carries_what_is_promised() -> None:
    counts = {"read", "imported", "rejected", "undelivered", "already_imported", "requests", "retries", "bytes"}
    promised = counts | {"seconds", "exit_code", "rejected_file", "dry_run", "reasons"}
    summary = Summary(Tally(), 0, 1.23456, dry_run=False, destination="project 1")

    assert promised <= set(summary.as_json())
    assert "valid" in Summary(Tally(valid=3), 0, 1.0, dry_run=True, destination="").as_json()
    assert json.loads(json.dumps(summary.as_json()))["seconds"] == 1.235
