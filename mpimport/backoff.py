"""Owns the documented schedule of waits after failures. Pure. Must not know who waits, or why it failed."""

from __future__ import annotations

import random
from dataclasses import dataclass

MAX_DOUBLINGS = 60  # beyond it 2 ** n says nothing, and a float would overflow in the end


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter, all in seconds. The defaults are the API documentation's."""

    base_s: float = 2.0
    max_s: float = 60.0
    jitter_min_s: float = 1.0
    jitter_max_s: float = 5.0

    def delay(self, attempt: int, rng: random.Random) -> float:
        """Give the seconds to wait after failure number `attempt` (from 1): doubled, capped, then jittered."""
        doubled = self.base_s * 2.0 ** min(max(attempt - 1, 0), MAX_DOUBLINGS)
        return min(doubled, self.max_s) + rng.uniform(self.jitter_min_s, self.jitter_max_s)
