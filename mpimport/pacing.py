"""Owns how long senders hold back: the backoff schedule and the gate they share. Pure arithmetic over seconds.

Must not know requests, batches, or how the waiting is done.
"""

from __future__ import annotations

import random
import threading
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


class Gate:
    """Closed for all senders until a moment; it opens by itself. Moments are a clock's monotonic seconds."""

    __slots__ = ("_lock", "_opens_at")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens_at = float("-inf")

    def seconds_left(self, now: float) -> float:
        """Give the seconds until the gate opens; 0.0 when it is open."""
        return max(self._opens_at - now, 0.0)

    def close_until(self, moment: float) -> None:
        """Close the gate until `moment`; it never opens earlier than somebody else asked for."""
        with self._lock:
            self._opens_at = max(self._opens_at, moment)
