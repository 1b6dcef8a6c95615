"""Owns who may send next: senders queue here, and the first goes when gate, concurrency and budget let it.

The one place where these meet the clock and threads. Must not know requests, batches, or what a reply says.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from math import inf

from mpimport.clock import Clock, SystemClock
from mpimport.concurrency import Concurrency
from mpimport.gate import Gate
from mpimport.pacing import Budget, Cost
from mpimport.records import Answer, Flow, HeldBy

MINOR = 0.3  # ours: who has spent less of the limit than this, does not wait for it to come back
QUIET = 3  # ours: requests under way, with which none waits for another


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that was let through. `paced_s`: seconds that it had to wait for the rate limit.

    `quiet`: hardly any other was under way.
    """

    cost: Cost
    number: int
    period: int
    quiet: bool
    began: float
    paced_s: float


class Admission:
    """Lets requests through one by one, in the order in which they came to ask. Safe to use from many threads.

    `halt` is set by `stop`: then nobody is let through any more, and nobody waits.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        gate: Gate | None = None,
        concurrency: Concurrency | None = None,
        budget: Budget | None = None,
    ) -> None:
        """Take the parts; those that are left out never hold anything back."""
        self.halt = threading.Event()
        self._clock = clock or SystemClock()
        self._gate = gate or Gate()
        self._concurrency = concurrency or Concurrency(1_000_000)
        self._budget = budget or Budget(0, 0)
        self._lock = threading.Lock()
        self._queue: deque[tuple[threading.Event, Cost]] = deque()

    def enter(self, cost: Cost, patience_s: float = inf) -> Ticket | None:
        """Wait until a request may be sent. None: not any more, or not within `patience_s`, pacing not counted."""
        turn = threading.Event()
        me = (turn, cost)
        began, paced_s = self._clock.now(), 0.0
        with self._lock:
            self._queue.append(me)
        try:
            while True:
                with self._lock:
                    turn.clear()
                    now = self._clock.now()
                    first = self._queue[0] is me
                    left_s = patience_s - (now - began - paced_s)
                    if self.halt.is_set() or self._gate_hold_s(now) > left_s or (left_s <= 0 and not first):
                        return None
                    held_by, hold_s = self._hold(cost, now) if first else (None, inf)
                    if held_by == "":
                        return self._let_through(cost, now, paced_s)
                    paced = self._hold(self._queue[0][1], now)[0] == "rate limit"
                self._clock.wait(hold_s if first else min(hold_s, left_s), turn)
                paced_s += self._clock.now() - now if paced else 0.0
        finally:
            with self._lock:
                self._queue.remove(me)
                self._call_next()

    def leave(self, ticket: Ticket, answer: Answer, after_s: float | None = None) -> None:
        """Tell what became of a request. `after_s`: the server asked to hold back so long."""
        with self._lock:
            now = self._clock.now()
            took_s = now - ticket.began
            self._concurrency.leave(
                ticket.number,
                took_s=took_s if answer == "taken" else None,
                overloaded=answer in ("throttled", "overloaded", "lost"),
            )
            # What was refused was not counted; of what got no reply, nobody knows.
            counted = answer not in ("throttled", "overloaded")
            self._budget.settle(ticket.cost, now, took_s, counted=counted, quiet=ticket.quiet and answer == "taken")
            if answer == "throttled":
                if self._gate.is_open and ticket.period == self._gate.period:
                    self._budget.share.throttled(self._budget.used(now), now)
                self._gate.refused(now, period=ticket.period, after_s=after_s)
            elif answer == "taken":
                if self._gate.passed(period=ticket.period):
                    self._budget.share.resume(now)
            else:
                self._gate.lost(period=ticket.period)
                if after_s is not None:
                    self._gate.close_until(now + after_s)
            self._call_next()

    def stop(self) -> None:
        """Let nobody through any more, and nobody wait."""
        self.halt.set()
        with self._lock:
            for turn, _ in self._queue:
                turn.set()

    def flow(self) -> Flow:
        """Look at how freely requests flow."""
        with self._lock:
            now = self._clock.now()
            held_by, hold_s = self._hold(self._queue[0][1], now) if self._queue else ("", 0.0)
            return Flow(
                held_by=held_by,
                hold_s=None if hold_s == inf else hold_s,
                share=self._budget.share.at(now),
                limit=self._concurrency.limit,
                under_way=self._concurrency.under_way,
                requests=self._concurrency.entered,
                pace=self._budget.pace(),
            )

    def closed_s(self) -> float:
        """Give for how long nobody is let through."""
        with self._lock:
            return self._gate_hold_s(self._clock.now())

    def _gate_hold_s(self, now: float) -> float:
        hold_s = self._gate.hold_s(now)
        return 0.0 if hold_s == inf else hold_s  # a probe: it is soon known

    def _hold(self, cost: Cost, now: float) -> tuple[HeldBy, float]:
        """Say what the first in the queue waits for, and how long."""
        hold_s = self._gate.hold_s(now)
        if hold_s:
            return ("probe" if hold_s == inf else "gate"), hold_s
        if not self._concurrency.has_room:
            return "concurrency", inf
        if self._gate.refusals == 1 or (self._gate.refusals and self._budget.used(now) < MINOR):
            return "", 0.0  # the backoff alone decides when a probe is sent: others have spent the limit
        hold_s = self._budget.wait_s(cost, now)
        return ("rate limit", hold_s) if hold_s else ("", 0.0)

    def _let_through(self, cost: Cost, now: float, paced_s: float) -> Ticket:
        self._budget.spend(cost, now)
        quiet = self._concurrency.under_way < QUIET
        return Ticket(cost, self._concurrency.enter(), self._gate.enter(), quiet, now, paced_s)

    def _call_next(self) -> None:
        if self._queue:
            self._queue[0][0].set()
