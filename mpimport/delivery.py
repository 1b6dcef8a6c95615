"""Owns what becomes of a batch: THE retry loop. Sends, asks what the reply means, waits, cuts, gives up.

Must not know requests, files or `time`: how to send, the clock and all events are given to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from mpimport.admission import Ticket
from mpimport.body import Part, names_others
from mpimport.errors import Unbalanced
from mpimport.ledger import Ledger
from mpimport.pacing import Cost
from mpimport.patience import Patience
from mpimport.records import (
    Accepted,
    Answer,
    Batch,
    Fatal,
    Miscounted,
    Outcome,
    Partial,
    Refused,
    Retry,
    Split,
    Verdict,
    Waiting,
)
from mpimport.replies import MAX_RETRY_AFTER_S
from mpimport.route import Route
from mpimport.summary_text import followed_by

DISAGREES = "the server's count of stored events does not agree with those it names as failed"
MISNAMED = "the server's list of failed records makes no sense: it gives an event the $insert_id of another"
MAX_MISCOUNTS = 3  # in a row; then it is no accident, and the events that are not counted are looked for

Notify: TypeAlias = Callable[[Waiting], None]

_log = logging.getLogger(__name__)


def deliver(batch: Batch, route: Route, notify: Notify) -> Outcome:
    """Send a batch until every event of it is stored, refused, or undelivered for a reason; account for all."""
    delivery = _Delivery(batch, route, notify)
    delivery.run()
    return delivery.outcome()


def deliver_safely(batch: Batch, route: Route, notify: Notify) -> Outcome:
    """Deliver, and make of a bug a fatal outcome in which what was not settled is undelivered."""
    delivery = _Delivery(batch, route, notify)
    try:
        delivery.run()
        return delivery.outcome()
    except Exception as error:  # noqa: BLE001 - a thread's edge: a bug must not lose the batch
        route.admission.stop()
        _log.exception("batch %d: a bug in mpimport stops the run", batch.seq)
        delivery.fatal = f"internal error while sending batch {batch.seq}: {type(error).__name__}: {error}"
    try:
        outcome = delivery.outcome()
    except Unbalanced:
        outcome = Outcome(batch, 0, undelivered=tuple(range(batch.count)), fatal=delivery.fatal)
    return replace(outcome, bug=True)


class _Delivery:
    """One batch on its way: its ledger, and how long it has been failing."""

    def __init__(self, batch: Batch, route: Route, notify: Notify) -> None:
        self.ledger = Ledger(batch)
        self.route = route
        self.notify = notify
        self.requests = 0
        self.retries = 0
        self.fatal: str | None = None
        self.gave_up: str | None = None
        self.held = False
        self.trouble = ""  # the last failure
        self.patience = Patience(route.give_up_after_s)
        self.miscounts = 0  # in a row
        self.searching = False  # for the events that the server does not count

    def run(self) -> None:
        """Send part after part until nothing is left to do, or to hope for."""
        while self.ledger.todo and not self.route.admission.halt.is_set():
            part = self.ledger.todo[0]
            body, headers = self.route.encode(part.lines)
            ticket = self._enter(part)
            if ticket is None:
                return
            verdict = self._attempt(part, ticket, body, headers)
            if isinstance(verdict, Fatal):
                self.route.admission.stop()
                self.fatal = verdict.reason
                return
            again = self._settle(part, verdict)
            if again is None:
                self.patience.recovered(self.route.clock.now())
            elif not self._wait(again):
                return

    def outcome(self) -> Outcome:
        """Give what became of the events so far, checked. Unbalanced: an event is missing or counted twice."""
        return self.ledger.outcome(
            fatal=self.fatal, gave_up=self.gave_up, held=self.held, requests=self.requests, retries=self.retries
        )

    def _enter(self, part: Part) -> Ticket | None:
        """Wait until it may be sent; None when nothing more may be sent, or the gate opens too late."""
        admission = self.route.admission
        cost = Cost(len(part.indexes), len(part.lines))
        ticket = admission.enter(cost, self.patience.left_s(self.route.clock.now()))
        if ticket is not None:
            self.patience.except_for(ticket.paced_s)
        elif not admission.halt.is_set():
            self._give_up("is over", "nothing may be sent for another", admission.closed_s())
        return ticket

    def _attempt(self, part: Part, ticket: Ticket, body: bytes, headers: Mapping[str, str]) -> Verdict:
        self.requests += 1
        self.retries += self.patience.failures > 0
        answer: Answer = "odd"
        after_s = None
        try:
            verdict = self.route.classify(self.route.send(body, headers), len(part.indexes))
            if isinstance(verdict, Retry):
                answer, after_s = verdict.answer, verdict.after_s
            else:
                answer = "taken"
        finally:
            self.route.admission.leave(ticket, answer, after_s)
        return verdict

    def _settle(self, part: Part, verdict: Accepted | Partial | Split | Miscounted | Refused | Retry) -> Retry | None:
        """Enter the verdict into the ledger; give the reason to send again later, if there is one."""
        self.miscounts = self.miscounts + 1 if isinstance(verdict, Miscounted) else 0
        match verdict:
            case Accepted():
                self.ledger.store(part)
                self.route.brake.settled()
            case Partial(failed) if names_others(
                part.lines, {one.index: one.insert_id for one in failed if one.insert_id}
            ):
                self._cut(part, MISNAMED, None)
            case Partial(failed, resend_rest):
                self.ledger.store_but(part, failed, resend_rest=resend_rest)
                self.route.brake.settled()
                return Retry(DISAGREES) if resend_rest else None
            case Split(reason, max_bytes):
                self._cut(part, reason, max_bytes)
            case Miscounted(reason, stored):
                if not self._is_worth_cutting(part, stored):
                    return Retry(reason)
                self.searching = True
                self._cut(part, reason, None)
            case Refused(reason):
                self.ledger.refuse(part, reason)
                self._refused(reason)
            case Retry():
                return verdict
        return None

    def _is_worth_cutting(self, part: Part, stored: int) -> bool:
        """Whether it is a few events that the server leaves out, again and again, rather than the server's own trouble.

        Once they are being looked for, only a single event is given another chance.
        """
        if self.searching and len(part.indexes) > 1:
            return True
        return self.miscounts >= MAX_MISCOUNTS and (self.searching or 2 * stored >= len(part.indexes))

    def _cut(self, part: Part, reason: str, max_bytes: int | None) -> None:
        self.ledger.cut(part, reason, max_bytes)
        if len(part.indexes) == 1:
            self._refused(reason)

    def _refused(self, reason: str) -> None:
        """Stop the run when nothing but refusals comes back: then it is not about the events."""
        if self.route.brake.refused():
            self.route.admission.stop()
            self.fatal = (
                "the server refused every request of late, whatever was in it, and stored nothing: check --url and "
                f"what stands between here and the server, then run the same command again; the last time: {reason}"
            )

    def _wait(self, retry: Retry) -> bool:
        """Wait before the next attempt; False when there is to be none."""
        route, patience, now = self.route, self.patience, self.route.clock.now()
        patience.failed(now)
        self.trouble = retry.reason.rstrip(".")
        delay_s = max(route.backoff.delay(patience.failures, route.rng), retry.after_s or 0.0)
        if delay_s > patience.left_s(now):
            self._give_up("is over before the next attempt", "the server asks to wait for", retry.after_s or 0.0)
            return False
        self.notify(Waiting(self.ledger.batch.seq, patience.failures, retry.reason, delay_s, retry.answer))
        return not route.clock.wait(delay_s, route.admission.halt)

    def _give_up(self, why: str, held: str, held_s: float) -> None:
        """Say why no further attempt is made; `held` says so where it is because of `held_s` seconds to be waited."""
        now, limit = self.route.clock.now(), f"--give-up-after {self.patience.limit_s:g}"
        spent_s = self.patience.spent_s(now)
        failed = f"kept failing for {spent_s:.0f} s" if spent_s >= 0.5 else "kept failing"
        over = f"{limit} {why}"
        if held_s > self.patience.left_s(now):
            failed = failed if self.patience.failures > 1 else "failed"
            more = " or more" if held_s >= MAX_RETRY_AFTER_S else ""
            over = f"{held} {held_s:,.0f} s{more}, longer than {limit} allows: run it again then, or allow more"
        self.held = held_s > self.patience.limit_s
        self.gave_up = followed_by(f"{failed}: {self.trouble}", over)
