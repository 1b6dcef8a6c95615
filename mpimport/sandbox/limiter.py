"""The rate limit on a rolling window: pure arithmetic over a clock that is given."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class RollingLimit:
    """Admits up to so many events and bytes in any stretch of `window_s`; 0 is no limit.

    Thread-safe. A request above a whole window's allowance never passes.
    """

    def __init__(self, max_events: int, max_bytes: int, window_s: float, clock: Callable[[], float]) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._window_s = window_s
        self._clock = clock
        self._spent: deque[tuple[float, int, int]] = deque()
        self._events = 0
        self._bytes = 0
        self._lock = threading.Lock()

    def admit(self, events: int, nbytes: int) -> bool:
        """Spend the allowance for a request, or say no and spend nothing."""
        if not self._max_events and not self._max_bytes:
            return True
        with self._lock:
            return self._spend(events, nbytes)

    def _spend(self, events: int, nbytes: int) -> bool:
        now = self._clock()
        while self._spent and self._spent[0][0] <= now - self._window_s:
            _, old_events, old_bytes = self._spent.popleft()
            self._events -= old_events
            self._bytes -= old_bytes
        if self._max_events and self._events + events > self._max_events:
            return False
        if self._max_bytes and self._bytes + nbytes > self._max_bytes:
            return False
        self._spent.append((now, events, nbytes))
        self._events += events
        self._bytes += nbytes
        return True
