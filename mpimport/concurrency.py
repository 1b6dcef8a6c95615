"""Owns how many requests may be under way: additive increase, multiplicative decrease. Pure.

Must not know requests, batches, or time but for the durations that it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

DECREASE = 0.7  # a compromise found by simulation: one 503 in twenty leaves enough to fill the rate limit
FLOOR_S = 0.25  # a reply that is quicker comes from no server that is buried, however its times scatter
SPREADS = 3.0  # mean deviations above the mean that are no scatter any more
WEIGHT = 0.3  # of the newest round in the running mean
SLOW_WEIGHT = 0.1  # of one that is slow: what goes on for long is how the server is


@dataclass(slots=True)
class Concurrency:
    """The limit, from 1 to `most`; a round is as many replies as were under way when it began.

    The limit grows by one after a round in which it was reached and nothing went wrong; it shrinks once a
    round when the server is overloaded, or takes much longer than it used to.
    """

    most: int
    under_way: int = 0
    entered: int = 0
    _limit: float = 0.0
    _reached: bool = False
    _decreased_at: int = -1  # the number of the last request that was let through before the last decrease
    _left: int = 0  # replies that the round still takes
    _count: int = 0
    _sum_s: float = 0.0
    _mean_s: float | None = None
    _deviation_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin at the top: the API's documentation asks to send as fast as possible until a 429."""
        self._limit = float(self.most)

    @property
    def limit(self) -> int:
        """How many requests may be under way."""
        return int(self._limit)

    @property
    def has_room(self) -> bool:
        """Whether one more may be sent."""
        return self.under_way < self.limit

    def enter(self) -> int:
        """Count a request in; gives its number, which `leave` wants."""
        self.under_way += 1
        self.entered += 1
        self._reached = self._reached or self.under_way >= self.limit
        return self.entered

    def leave(self, number: int, *, took_s: float | None, overloaded: bool) -> None:
        """Count it out. `took_s`: what a good reply took, None for every other."""
        self.under_way -= 1
        if overloaded:
            self._decrease(number)
        if took_s is not None:
            self._count += 1
            self._sum_s += took_s
        self._left -= 1
        if self._left <= 0:
            self._end_round(number)

    def _decrease(self, number: int) -> None:
        if number > self._decreased_at:  # else it was under way already when the limit was lowered
            self._limit = max(1.0, self._limit * DECREASE)
            self._decreased_at = self.entered

    def _end_round(self, number: int) -> None:
        if self._count:
            round_s = self._sum_s / self._count
            slow = self._is_slow(round_s)
            if slow:
                self._decrease(number)
            elif self._reached and number > self._decreased_at:
                self._limit = min(self._limit + 1.0, float(self.most))
            self._remember(round_s, SLOW_WEIGHT if slow else WEIGHT)
        self._left, self._count, self._sum_s, self._reached = self.under_way, 0, 0.0, False

    def _is_slow(self, round_s: float) -> bool:
        mean_s = self._mean_s
        return mean_s is not None and round_s > max(FLOOR_S, 1.5 * mean_s, mean_s + SPREADS * self._deviation_s)

    def _remember(self, round_s: float, weight: float) -> None:
        if self._mean_s is None:
            self._mean_s = round_s
        difference = round_s - self._mean_s
        self._mean_s += weight * difference
        self._deviation_s += weight * (abs(difference) - self._deviation_s)
