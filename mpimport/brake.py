"""Owns when refusals are no longer about the events: so many in a row, and nothing stored in between.

Must not know requests, batches, or what is done about it.
"""

from __future__ import annotations

import threading

MAX_REFUSALS = 50  # what a server that refuses everything may cost, in requests, beside those that cut


class Brake:
    """Counts the requests that were refused for good, as a whole, since the last that was not. Thread-safe.

    Cutting a refused batch down to the event that is at fault costs two requests an event where all are
    refused, for millions of events: all senders share one brake, and it ends that.
    """

    __slots__ = ("_in_a_row", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_a_row = 0

    def refused(self) -> bool:
        """Count a refused request; say whether it is one too many."""
        with self._lock:
            self._in_a_row += 1
            return self._in_a_row >= MAX_REFUSALS

    def settled(self) -> None:
        """Note that the server stored something, or named the events that it does not want."""
        with self._lock:
            self._in_a_row = 0
