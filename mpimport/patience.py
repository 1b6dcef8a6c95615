"""Owns for how long a batch has been failing, and how long it may. Pure. Must not know what failed, or who waits."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Patience:
    """From a failure to the next reply that settles something, summed up: at most `limit_s` seconds of it.

    Moments are a clock's monotonic seconds. `failures` are those in a row.
    """

    limit_s: float
    failures: int = 0
    _since: float | None = None
    _before_s: float = 0.0

    def failed(self, now: float) -> None:
        """Note a failure."""
        self.failures += 1
        if self._since is None:
            self._since = now

    def recovered(self, now: float) -> None:
        """Note that something was settled."""
        self._before_s = self.spent_s(now)
        self._since = None
        self.failures = 0

    def except_for(self, seconds: float) -> None:
        """Leave out a time in which it failed no longer, because others had to be waited for."""
        if self._since is not None:
            self._since += seconds

    def spent_s(self, now: float) -> float:
        """Give for how long it has been failing in all."""
        return self._before_s + (0.0 if self._since is None else now - self._since)

    def left_s(self, now: float) -> float:
        """Give how much longer it may; without end while it does not fail."""
        return inf if self._since is None else self.limit_s - self.spent_s(now)
