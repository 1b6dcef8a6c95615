"""Owns the gate that all senders share: closed by a 429, tried by one probe, opened by what the server takes.

Pure arithmetic over a clock's monotonic seconds. Must not know requests, budgets, or how the waiting is done.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import inf

from mpimport.backoff import Backoff


@dataclass(slots=True)
class Gate:
    """Open, closed until a moment, or tried by one request while all others wait for what becomes of it.

    `period` counts the closings. A request belongs to the period in which it was let through: of those that
    were under way when the gate closed, a success does not open it, and a refusal does not double the wait.
    """

    backoff: Backoff = field(default_factory=Backoff)
    rng: random.Random = field(default_factory=random.Random)
    period: int = 0
    refusals: int = 0  # in a row
    _opens_at: float | None = None
    _probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nothing was refused since the server took the last request."""
        return self._opens_at is None

    def hold_s(self, now: float) -> float:
        """Give the seconds until a request may pass; 0.0 now, infinite while a probe is under way."""
        if self._opens_at is None:
            return 0.0
        return max(self._opens_at - now, inf if self._probing and self._opens_at <= now else 0.0)

    def enter(self) -> int:
        """Let a request through, as the probe unless the gate is open; gives its period."""
        self._probing = self._opens_at is not None
        return self.period

    def refused(self, now: float, *, period: int, after_s: float | None) -> None:
        """Close after a 429, for as long as the server asked (`after_s`) or the backoff says, if that is longer."""
        wait_s = after_s or 0.0
        if period == self.period:
            self.refusals += 1
            wait_s = max(wait_s, self.backoff.delay(self.refusals, self.rng))
        if wait_s:
            self.close_until(now + wait_s)

    def close_until(self, moment: float) -> None:
        """Close until `moment`; it never opens earlier than somebody else asked for."""
        if self._opens_at is None or moment > self._opens_at:
            self._opens_at = moment
            self._probing = False
            self.period += 1

    def passed(self, *, period: int) -> bool:
        """Open, when the server took a request that was let through since the gate closed; True if it was not open."""
        if self._opens_at is None or period != self.period:
            return False
        self._opens_at = None
        self._probing = False
        self.refusals = 0
        return True

    def lost(self, *, period: int) -> None:
        """Let another probe try, when the one under way failed for another reason."""
        self._probing = self._probing and period != self.period
