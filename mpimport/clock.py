"""Owns the time that delivery and pacing see: a monotonic clock and waiting that can be cut short.

Must not know who waits, or why.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

MAX_WAIT_S = threading.TIMEOUT_MAX


class Clock(Protocol):
    """Seconds that only go forward, and waiting on an event."""

    def now(self) -> float:
        """Give monotonic seconds; only differences mean anything."""
        ...

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait `seconds`, or until `stop` is set; True when it is set."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Give monotonic seconds."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait `seconds`, or until `stop` is set; True when it is set."""
        return stop.wait(min(max(seconds, 0.0), MAX_WAIT_S))
