"""The retry loop: whatever the server does, every event is in exactly one place."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from fakes import FakeClock, ScriptedSend, Step, batch_of, event_indexes, failed, plain, reply, stored
from hypothesis import given, settings
from hypothesis import strategies as st

from mpimport.admission import Admission
from mpimport.backoff import Backoff
from mpimport.brake import MAX_REFUSALS
from mpimport.delivery import deliver, deliver_safely
from mpimport.errors import Unbalanced, UsageProblem
from mpimport.gate import Gate
from mpimport.ledger import Ledger
from mpimport.pacing import Budget
from mpimport.records import Batch, Failed, Outcome, Partial, Reason, Response, Verdict, Waiting
from mpimport.replies import classify
from mpimport.route import Route
from mpimport.senders import InlineSenders, Senders

EVEN = Backoff(jitter_min_s=0, jitter_max_s=0)


def route_of(send: Callable[[bytes, Mapping[str, str]], Response], clock: FakeClock, **more: Any) -> Route:
    options: dict[str, Any] = {"backoff": EVEN, "rng": random.Random(1), "classify": classify, "encode": plain}
    options["admission"] = Admission(clock, gate=more.pop("gate", None) or Gate(EVEN))
    return Route(send=send, clock=clock, **options | more)


def run(script: Iterable[Step], count: int = 4, **more: Any) -> tuple[Outcome, ScriptedSend, FakeClock, list[Waiting]]:
    """Deliver a batch against a script; give what came of it, what was sent, the clock, what was told."""
    clock: FakeClock = more.pop("clock", None) or FakeClock()
    send = ScriptedSend(script, clock=clock, takes_s=more.pop("takes_s", 0.0))
    told: list[Waiting] = []
    outcome = deliver(batch_of(count), route_of(send, clock, **more), told.append)
    check(outcome)
    return outcome, send, clock, told


def check(outcome: Outcome) -> None:
    indexes = [*outcome.undelivered, *(refusal.index for refusal in outcome.refusals)]
    assert outcome.imported + len(indexes) == outcome.batch.count
    assert len(set(indexes)) == len(indexes)
    assert list(outcome.undelivered) == sorted(outcome.undelivered)
    lines = bytes(outcome.batch.lines).splitlines()
    assert all(refusal.event == lines[refusal.index] for refusal in outcome.refusals)
    imported = set(range(outcome.batch.count)) - set(indexes)
    assert outcome.nbytes == sum(len(lines[index]) + 1 for index in imported)


def test_all_stored_at_once() -> None:
    outcome, send, clock, told = run([])
    assert (outcome.imported, outcome.requests, outcome.retries) == (4, 1, 0)
    assert outcome.nbytes == len(outcome.batch.lines) == len(send.bodies[0])
    assert not clock.waits
    assert not told


def test_a_batch_without_events_is_settled_without_a_request() -> None:
    outcome, send, _, _ = run([], count=0)
    assert (outcome.imported, outcome.requests, send.bodies) == (0, 0, [])


def test_the_named_events_are_refused_with_the_servers_words() -> None:
    outcome, _, _, _ = run([failed([1, 3], 2)])
    reason = Reason("server_invalid", "'properties.time' is invalid", "properties.time")
    assert [(refusal.index, refusal.reason) for refusal in outcome.refusals] == [(1, reason), (3, reason)]
    assert outcome.imported == 2
    assert outcome.requests == 1


def test_the_rest_is_sent_again_when_the_servers_count_does_not_agree() -> None:
    outcome, send, clock, told = run([failed([1], 4)])
    assert [refusal.index for refusal in outcome.refusals] == [1]
    assert [event_indexes(body) for body in send.bodies] == [[0, 1, 2, 3], [0, 2, 3]]
    assert outcome.imported == 3
    assert clock.waits == [2.0]
    assert "does not agree" in told[0].reason


def test_the_indexes_of_a_part_are_turned_into_those_of_the_batch() -> None:
    outcome, send, _, _ = run([reply(413), stored(2), failed([1], 1)])
    assert [event_indexes(body) for body in send.bodies] == [[0, 1, 2, 3], [0, 1], [2, 3]]
    assert [refusal.index for refusal in outcome.refusals] == [3]
    assert event_indexes(outcome.refusals[0].event) == [3]


def test_a_refused_request_refuses_every_event_and_is_not_repeated() -> None:
    outcome, _, clock, _ = run([reply(400, {"error": "some\x07thing"})])
    assert {refusal.reason for refusal in outcome.refusals} == {
        Reason("server_refused", "the server answers 400: some thing")
    }
    assert (len(outcome.refusals), outcome.requests, clock.waits) == (4, 1, [])


def test_a_limit_that_the_server_names_is_cut_to_and_learnt() -> None:
    size = len(batch_of(4).lines)
    limit = size * 3 // 4
    outcome, send, _, _ = run([reply(413, {"error": f"request exceeds max limit of {limit} bytes"})])
    assert [event_indexes(body) for body in send.bodies] == [[0, 1, 2, 3], [0, 1, 2], [3]]
    assert (outcome.max_bytes, outcome.max_bytes_guessed) == (limit, False)


def test_without_a_named_limit_half_of_what_was_sent_is_learnt() -> None:
    outcome, send, _, _ = run([reply(413)])
    assert (outcome.max_bytes, outcome.max_bytes_guessed) == (len(send.bodies[0]) // 2, True)
    assert outcome.imported == 4


def test_a_named_limit_that_explains_nothing_is_not_believed() -> None:
    outcome, send, _, _ = run([reply(413, b"max limit of 99999999 bytes")])
    assert outcome.max_bytes == len(send.bodies[0]) // 2
    assert outcome.imported == 4


def test_nothing_is_learnt_about_size_from_a_list_that_makes_no_sense() -> None:
    outcome, _, _, _ = run([failed([99], 0)])
    assert outcome.max_bytes is None
    assert outcome.imported == 4


def test_one_event_that_is_too_large_is_found_and_refused() -> None:
    def limited(body: bytes) -> Response:
        return reply(413, {"error": "too large"}) if b'"e5"' in body else stored(body.count(b"\n"))

    outcome, send, clock, _ = run([limited] * 50, count=8)
    assert [(refusal.index, refusal.reason.message) for refusal in outcome.refusals] == [
        (5, "the server answers 413: too large")
    ]
    assert (outcome.imported, clock.waits) == (7, [])
    assert len(send.bodies) == 7
    assert outcome.max_bytes == len(batch_of(2).lines) // 2, "the limit that the last pair taught"


def test_a_server_that_finds_everything_too_large_refuses_everything() -> None:
    outcome, send, _, _ = run([reply(413)] * 50, count=8)
    assert len(outcome.refusals) == 8
    assert len(send.bodies) == 15


def test_the_backoff_doubles_and_is_told() -> None:
    outcome, send, clock, told = run([reply(503)] * 7)
    assert clock.waits == [2, 4, 8, 16, 32, 60, 60]
    assert [(waiting.attempt, waiting.delay_s) for waiting in told] == list(enumerate(clock.waits, 1))
    assert told[0] == Waiting(seq=1, attempt=1, reason="the server answers 503", delay_s=2, answer="overloaded")
    assert (outcome.imported, outcome.requests, outcome.retries) == (4, 8, 7)
    assert len(set(send.bodies)) == 1


def test_the_backoff_starts_anew_after_something_was_settled() -> None:
    _, _, clock, _ = run([reply(503), reply(503), reply(413), reply(503), stored(2), reply(500)])
    assert clock.waits == [2, 4, 2, 2]


def test_retry_after_is_a_least_wait() -> None:
    _, _, clock, _ = run([reply(503, retry_after="30"), reply(503, retry_after="1")])
    assert clock.waits == [30, 4]


@pytest.mark.parametrize(
    ("answer", "closed_s"),
    [
        (reply(503), 0),
        (reply(503, retry_after="30"), 30),
        (Response(0, error="timed out"), 0),
        (reply(429), 2),
        (reply(429, retry_after="20"), 20),
    ],
)
def test_a_429_and_retry_after_close_the_gate_for_all(answer: Response, closed_s: float) -> None:
    clock, gate = FakeClock(), Gate(EVEN)
    held: list[float] = []
    route = route_of(ScriptedSend([answer]), clock, gate=gate)
    outcome = deliver(batch_of(2), route, lambda _: held.append(gate.hold_s(clock.now())))
    assert outcome.imported == 2
    assert held == [closed_s]
    assert gate.is_open or answer.status != 429, "what was taken afterwards has opened it"


def test_a_batch_that_was_not_yet_tried_waits_at_the_gate_however_long() -> None:
    clock, gate = FakeClock(), Gate(EVEN)
    gate.close_until(clock.now() + 3000)
    outcome = deliver(batch_of(2), route_of(ScriptedSend(), clock, gate=gate, give_up_after_s=10.0), lambda _: None)
    assert outcome.imported == 2
    assert clock.waits == [3000]


def test_a_batch_that_failed_gives_up_at_a_gate_that_opens_too_late() -> None:
    clock, gate = FakeClock(), Gate(EVEN)
    clock.on_wait = lambda: gate.close_until(clock.now() + 500)
    outcome, send, _, _ = run([reply(503)], clock=clock, gate=gate, give_up_after_s=100.0)
    assert len(send.bodies) == 1
    assert outcome.undelivered == (0, 1, 2, 3)
    assert (outcome.gave_up or "").startswith("failed: the server answers 503; nothing may be sent for another 500 s, ")


def test_a_wait_that_is_longer_than_it_may_fail_is_told_as_that() -> None:
    outcome, send, _, _ = run([reply(429, {"error": "slow"}, retry_after="2099")], give_up_after_s=900.0)
    assert len(send.bodies) == 1
    assert outcome.gave_up == (
        "failed: the server answers 429: slow; the server asks to wait for 2,099 s, longer than --give-up-after 900 "
        "allows: run it again then, or allow more"
    )


def test_time_that_pacing_takes_is_no_time_of_failing() -> None:
    clock = FakeClock()
    budget = Budget(4, 0, 1000.0)
    admission = Admission(clock, gate=Gate(EVEN), budget=budget)
    send = ScriptedSend([stored(4), reply(503), reply(503), stored(4)], clock=clock)
    route = replace(route_of(send, clock, give_up_after_s=10.0), admission=admission)
    deliver(batch_of(4), route, lambda _: None)
    outcome = deliver(batch_of(4), route, lambda _: None)
    assert outcome.imported == 4
    assert max(clock.waits) > 900, "it was paced"
    outcome = deliver(batch_of(4), route, lambda _: None)
    assert outcome.imported == 4


def test_it_gives_up_when_the_next_wait_would_pass_the_time() -> None:
    outcome, send, clock, told = run([reply(500)] * 99, give_up_after_s=61.0, takes_s=0.25)
    assert sum(clock.waits) + 0.25 * (len(send.bodies) - 1) <= 61.0
    assert clock.waits == [2, 4, 8, 16]
    assert len(told) == 4
    assert outcome.undelivered == (0, 1, 2, 3)
    over = "--give-up-after 61 is over before the next attempt"
    assert outcome.gave_up == f"kept failing for 31 s: the server answers 500; {over}"
    assert outcome.fatal is None


def test_with_no_patience_the_first_failure_is_the_last() -> None:
    outcome, _, clock, _ = run([reply(500)] * 9, give_up_after_s=0.0)
    assert (outcome.requests, clock.waits) == (1, [])
    assert (outcome.gave_up or "").startswith("kept failing: the server answers 500; --give-up-after 0")


def test_a_full_stop_of_the_servers_does_not_meet_our_semicolon() -> None:
    outcome, *_ = run([reply(429, {"error": "Too many. Retry with backoff."})] * 9, give_up_after_s=0.0)
    assert "backoff; --give-up-after 0 is over" in (outcome.gave_up or "")


def test_failing_time_is_summed_up_over_the_parts() -> None:
    """Otherwise a batch in 2000 parts could keep failing for 2000 times the time that the user allowed."""
    script: list[Step] = [reply(413)]
    for _ in range(20):
        script += [reply(500)] * 3 + [stored(1)]
    outcome, _, clock, _ = run(script, count=2, give_up_after_s=15.0)
    assert clock.waits == [2, 4, 8]
    assert outcome.imported == 1
    assert (outcome.gave_up or "").startswith("kept failing for 14 s: the server answers 500")


def test_a_fatal_reply_stops_everybody_before_the_next_request() -> None:
    clock = FakeClock()
    send = ScriptedSend([reply(413), stored(2), reply(401)])
    route = route_of(send, clock)
    outcome = deliver(batch_of(4), route, lambda _: None)
    check(outcome)
    assert route.admission.halt.is_set()
    assert outcome.fatal is not None
    assert "credentials" in outcome.fatal
    assert (outcome.imported, outcome.undelivered) == (2, (2, 3))
    later = deliver(batch_of(4), route, lambda _: None)
    assert (later.requests, later.undelivered, later.fatal) == (0, (0, 1, 2, 3), None)


def test_stopping_ends_a_wait_and_leaves_the_rest_undelivered() -> None:
    clock = FakeClock()
    send = ScriptedSend([reply(503)])
    route = route_of(send, clock)
    clock.on_wait = route.admission.stop
    outcome = deliver(batch_of(4), route, lambda _: None)
    check(outcome)
    assert len(send.bodies) == 1
    assert (outcome.undelivered, outcome.gave_up, outcome.fatal) == ((0, 1, 2, 3), None, None)


def test_a_request_that_is_under_way_is_finished_when_it_stops() -> None:
    def stopped_meanwhile(body: bytes) -> Response:
        route.admission.stop()
        return stored(body.count(b"\n"))

    send = ScriptedSend([reply(413), stopped_meanwhile])
    route = route_of(send, FakeClock())
    outcome = deliver(batch_of(4), route, lambda _: None)
    check(outcome)
    assert (outcome.imported, outcome.undelivered) == (2, (2, 3))
    assert len(send.bodies) == 2


def test_stopping_ends_the_wait_at_the_gate() -> None:
    clock, gate = FakeClock(), Gate(EVEN)
    route = route_of(ScriptedSend(), clock, gate=gate)
    clock.on_wait = route.admission.stop
    gate.close_until(clock.now() + 50)
    outcome = deliver(batch_of(2), route, lambda _: None)
    assert (outcome.requests, outcome.undelivered) == (0, (0, 1))


def broken(*_: object) -> Any:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("part", ["send", "encode", "classify"])
def test_a_bug_loses_no_event_and_is_told_as_one(part: str, caplog: pytest.LogCaptureFixture) -> None:
    parts: dict[str, Any] = {"send": ScriptedSend(), "clock": FakeClock(), part: broken}
    route = route_of(**parts)
    with pytest.raises(ZeroDivisionError):
        deliver(batch_of(3), route, lambda _: None)
    outcome = deliver_safely(batch_of(3), route, lambda _: None)
    check(outcome)
    assert outcome.undelivered == (0, 1, 2)
    assert outcome.fatal == "internal error while sending batch 1: ZeroDivisionError: a bug"
    assert outcome.bug
    assert route.admission.halt.is_set()
    assert "Traceback" in caplog.text


def test_a_bug_after_a_part_was_stored_leaves_that_part_stored(caplog: pytest.LogCaptureFixture) -> None:
    def absurd(response: Response, count: int) -> Verdict:
        return Partial((Failed(999, None, "out of range"),)) if count == 3 else classify(response, count)

    route = route_of(ScriptedSend([reply(413)]), FakeClock(), classify=absurd)
    outcome = deliver_safely(batch_of(5), route, lambda _: None)
    check(outcome)
    assert (outcome.imported, outcome.undelivered) == (2, (2, 3, 4))
    assert "IndexError" in (outcome.fatal or "")


def test_an_account_that_does_not_balance_counts_nothing_as_imported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forgetful(self: Ledger, part: object) -> None:
        self.todo.popleft()

    monkeypatch.setattr(Ledger, "store", forgetful)
    route = route_of(ScriptedSend(), FakeClock())
    with pytest.raises(Unbalanced, match="3 events went in, 0 came out"):
        deliver(batch_of(3), route, lambda _: None)
    route.admission.halt.clear()
    outcome = deliver_safely(batch_of(3), route, lambda _: None)
    check(outcome)
    assert outcome.undelivered == (0, 1, 2)


def uncounted(*lost: int) -> Callable[[bytes], Response]:
    """Give a step that answers 200 and never counts these events."""
    return lambda body: stored(sum(index not in lost for index in event_indexes(body)))


def test_events_that_the_server_never_counts_are_found_by_halving() -> None:
    outcome, send, clock, _ = run([uncounted(5)] * 99, count=8)
    assert [(refusal.index, refusal.reason) for refusal in outcome.refusals] == [
        (5, Reason("server_refused", "the server says it stored 0 of 1"))
    ]
    assert outcome.imported == 7
    sent = [event_indexes(body) for body in send.bodies]
    assert sent == [[*range(8)]] * 3 + [[0, 1, 2, 3], [4, 5, 6, 7], [4, 5], [4]] + [[5]] * 3 + [[6, 7]]
    assert clock.waits == [2, 4, 2, 4], "only the whole batch and the single event get another chance"


@given(
    count=st.integers(2, 40),
    lost=st.sets(st.integers(0, 39), max_size=8),
    troubles=st.lists(st.sampled_from(["lost", "lost", "503", "429", "reset"]), max_size=60),
)
def test_only_the_events_that_are_never_counted_are_refused(count: int, lost: set[int], troubles: list[str]) -> None:
    lost = {index for index in lost if index < count}
    steps: dict[str, Step] = {"lost": uncounted(*lost), "503": reply(503), "429": reply(429), "reset": Response(0)}
    script = itertools.chain((steps[name] for name in troubles), itertools.repeat(uncounted(*lost)))
    outcome, _, _, _ = run(script, count=count, give_up_after_s=20_000.0)
    if 2 * len(lost) <= count:
        assert {refusal.index for refusal in outcome.refusals} == lost
        assert outcome.imported == count - len(lost)
    else:
        assert len(outcome.undelivered) == count


def test_a_miscount_that_passes_costs_no_event() -> None:
    outcome, send, clock, told = run([stored(3), stored(2)])
    assert (outcome.imported, len(send.bodies), clock.waits) == (4, 3, [2, 4])
    assert told[0].reason == "the server says it stored 3 of 4"


def test_miscounts_are_counted_in_a_row() -> None:
    outcome, send, _, _ = run([stored(3), stored(3), reply(503), stored(3), stored(3)])
    assert (outcome.imported, len(send.bodies)) == (4, 6)


@pytest.mark.parametrize("count", [1, 4])
def test_a_server_that_counts_nothing_is_not_about_the_events(count: int) -> None:
    outcome, send, _, _ = run([stored(0)] * 99, count=count, give_up_after_s=61.0)
    assert (outcome.imported, outcome.refusals, len(outcome.undelivered)) == (0, (), count)
    assert len(send.bodies) == 5
    assert f": the server says it stored 0 of {count}; " in (outcome.gave_up or "")


@pytest.mark.parametrize("answer", [reply(413), failed([9999], 0), reply(400, b"<html>"), reply(400, {"error": "no"})])
def test_a_server_that_refuses_everything_stops_the_run(answer: Response) -> None:
    send = ScriptedSend(itertools.repeat(answer))
    route = route_of(send, FakeClock())
    outcomes = [deliver(batch_of(200, seq=seq), route, lambda _: None) for seq in range(100)]
    for outcome in outcomes:
        check(outcome)
    assert route.admission.halt.is_set()
    assert len(send.bodies) <= 2 * MAX_REFUSALS + 8, "eight halvings make one event of 200"
    (fatal,) = [outcome.fatal for outcome in outcomes if outcome.fatal]
    assert fatal.startswith("the server refused every request of late")
    assert fatal.endswith(outcomes[0].refusals[0].reason.message)
    assert sum(len(outcome.undelivered) for outcome in outcomes) >= 200 * 49


@pytest.mark.parametrize("good", [stored(1), failed([0], 0)])
def test_a_server_that_takes_some_or_names_what_it_refuses_is_not_stopped(good: Response) -> None:
    route = route_of(ScriptedSend(([reply(400, {"error": "no"})] * (MAX_REFUSALS - 1) + [good]) * 4), FakeClock())
    outcomes = [deliver(batch_of(1, seq=seq), route, lambda _: None) for seq in range(4 * MAX_REFUSALS)]
    assert not route.admission.halt.is_set()
    assert [outcome.fatal for outcome in outcomes if outcome.fatal] == []


KINDS = [
    *["accept"] * 6,
    *["accept", "partial", "partial_lie", "nonsense", "fewer", "split", "split_named", "split_lie", "refuse"],
    *["more", "less_than_none", "uncounted", "contradiction", "named_and_counted", "page_400", "claim_400"],
    *["429", "503", "timeout", "garbage", "html", "fatal", "bug"],
]


class StormySend:
    """A server that is moody in ways that hypothesis draws; it remembers what it truly stored."""

    def __init__(self, draw: Callable[[Any], Any], clock: FakeClock) -> None:
        self.draw = draw
        self.clock = clock
        self.accepted: set[int] = set()
        self.refused: set[int] = set()

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Answer in a mood that is drawn."""
        self.clock.advance(self.draw(st.sampled_from([0.0, 0.1, 30.0])))
        indexes = event_indexes(body)
        return self.answer(self.draw(st.sampled_from(KINDS)), indexes, len(body))

    def answer(self, kind: str, indexes: list[int], size: int) -> Response:
        """Give the reply of a kind, and remember what it did."""
        count = len(indexes)
        match kind:
            case "accept":
                self.accepted.update(indexes)
                return stored(count)
            case "partial" | "partial_lie":
                bad = self.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=count * 2))
                self.refused.update(indexes[position] for position in bad)
                if kind == "partial_lie":
                    return failed(bad, self.draw(st.none() | st.integers(count - len(set(bad)) + 1, count + 9)))
                self.accepted.update(set(indexes) - {indexes[position] for position in bad})
                return failed(bad, count - len(set(bad)))
            case "named_and_counted":
                self.refused.add(indexes[0])
                return reply(200, {"num_records_imported": count, "failed_records": [{"index": 0}]})
            case "refuse":
                self.refused.update(indexes)
                return reply(400, {"error": "no"})
            case "bug":
                raise RuntimeError("a bug")
        return (
            self.cutting(kind, indexes, size)
            or {
                "429": reply(429, retry_after=self.draw(st.sampled_from(["", "3", "-1", "1e9", "500"]))),
                "503": reply(503),
                "timeout": Response(0, error="timed out"),
                "garbage": reply(200, b'{"code":200,'),
                "html": reply(200, b"<html>hello</html>"),
                "more": stored(count + 1),
                "less_than_none": stored(-count),
                "contradiction": reply(200, {"code": 500, "num_records_imported": count}),
                "fatal": reply(401),
            }[kind]
        )

    def cutting(self, kind: str, indexes: list[int], size: int) -> Response | None:
        """Give a reply after which a batch may be cut: what is alone in its request may be refused."""
        count = len(indexes)
        answers: dict[str, Callable[[], Response]] = {
            "nonsense": lambda: failed([0, self.draw(st.sampled_from([count, -1, None, True, "0", 0.0]))], 0),
            "fewer": lambda: stored(self.draw(st.integers(0, count - 1))),
            "uncounted": lambda: stored(count - 1),
            "page_400": lambda: reply(400, b"<html>"),
            "claim_400": lambda: reply(400, {"num_records_imported": count}),
            "split": lambda: reply(413),
            "split_named": lambda: reply(413, {"error": f"request exceeds max limit of {size - 1} bytes"}),
            "split_lie": lambda: reply(413, {"error": f"request exceeds max limit of {size * 2} bytes"}),
        }
        if kind not in answers:
            return None
        self.refused.update(indexes if count == 1 else [])
        return answers[kind]()


@settings(max_examples=400)
@given(data=st.data(), count=st.integers(0, 12), patience_s=st.sampled_from([0.0, 10.0, 100.0, 900.0]))
def test_whatever_the_server_does_every_event_is_in_exactly_one_place(
    data: st.DataObject, count: int, patience_s: float
) -> None:
    """And what counts as imported was truly in a request that the server said it stored."""
    clock = FakeClock()
    send = StormySend(data.draw, clock)
    route = route_of(send, clock, give_up_after_s=patience_s, backoff=Backoff())
    told: list[Waiting] = []
    outcome = deliver_safely(batch_of(count), route, told.append)
    check(outcome)
    refused = {refusal.index for refusal in outcome.refusals}
    imported = set(range(count)) - refused - set(outcome.undelivered)
    assert imported <= send.accepted
    assert refused <= send.refused
    if outcome.undelivered:
        assert outcome.gave_up or outcome.fatal
    if outcome.fatal:
        assert route.admission.halt.is_set()
    assert len(told) >= outcome.retries
    assert all(wait_s <= max(patience_s, 65.0) for wait_s in clock.waits)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_senders_bring_an_outcome_for_each_batch(workers: int) -> None:
    clock = FakeClock()
    send = ScriptedSend([reply(503), failed([0], 2)])
    route = route_of(send, clock)
    senders = Senders(route, workers) if workers else InlineSenders(route)
    for seq in range(20):
        senders.submit(batch_of(3, seq=seq))
    assert senders.close(5.0)
    results = [senders.results.get(timeout=1) for _ in range(senders.results.qsize())]
    outcomes = [result for result in results if isinstance(result, Outcome)]
    assert sorted(outcome.batch.seq for outcome in outcomes) == list(range(20))
    assert sum(outcome.imported for outcome in outcomes) == 59
    assert sum(isinstance(result, Waiting) for result in results) == 1


@pytest.mark.parametrize("workers", [1, 4])
def test_a_wrong_password_costs_at_most_one_request_a_sender(workers: int) -> None:
    send = ScriptedSend([reply(401)] * 99)
    route = route_of(send, FakeClock())
    senders = Senders(route, workers)
    for seq in range(50):
        senders.submit(batch_of(3, seq=seq))
    assert senders.close(5.0)
    assert 1 <= len(send.bodies) <= workers
    assert senders.results.qsize() == 50


def test_threads_that_cannot_be_started_are_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    start, left = threading.Thread.start, [3]

    def refused(thread: threading.Thread) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(UsageProblem, match="--workers 8: this machine lets start 3 threads only; give fewer"):
        Senders(route_of(ScriptedSend(), FakeClock()), 8)
    assert threading.active_count() == before


def test_stopping_the_senders_gives_back_what_waits() -> None:
    route = route_of(ScriptedSend([reply(503)] * 99), FakeClock())
    senders = Senders(route, 2)
    senders.stop()
    assert senders.alive() == 2
    for seq in range(5):
        senders.submit(batch_of(3, seq=seq))
    assert senders.close(5.0)
    assert senders.alive() == 0
    outcomes = [senders.results.get(timeout=1) for _ in range(5)]
    assert all(isinstance(outcome, Outcome) and len(outcome.undelivered) == 3 for outcome in outcomes)


def test_a_close_that_takes_too_long_says_so() -> None:
    go = threading.Event()

    def slow(body: bytes) -> Response:
        go.wait(5)
        return stored(body.count(b"\n"))

    senders = Senders(route_of(ScriptedSend([slow]), FakeClock()), 1)
    senders.submit(batch_of(1))
    assert not senders.close(0.02)
    go.set()
    assert isinstance(senders.results.get(timeout=2), Outcome)


def test_a_waiting_sender_holds_no_batch() -> None:
    class Marked(bytearray):
        """A buffer that a weak reference can point at."""

    import weakref

    senders = Senders(route_of(ScriptedSend(), FakeClock()), 1)
    lines = Marked(batch_of(2).lines)
    held = weakref.ref(lines)
    senders.submit(Batch(1, lines, 2, ()))
    del lines
    outcome = senders.results.get(timeout=2)
    assert isinstance(outcome, Outcome)
    del outcome
    deadline = time.monotonic() + 1
    while held() is not None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert held() is None
    assert senders.close(2.0)
