"""Which request meets which fault: drawn from a seeded sequence, so that a run can be repeated.

A status (such as 503): that status, nothing processed. `reset`: the connection is reset, nothing processed.
`reset-after`: processed, then reset without a reply. `cut`: processed, and the reply ends in its middle.
`html`: status 200 and a web page, nothing processed. `garbage`: bytes that are no HTTP, then the connection is
closed, nothing processed. `slow`: processed, and the reply comes late.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence


class Faults:
    """Draws at most one fault for each request. Thread-safe.

    The sequence of draws is the same for the same seed; which of several concurrent requests draws
    first is not.
    """

    def __init__(self, faults: Sequence[tuple[str, float]], seed: int) -> None:
        self._faults = tuple(faults)
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        """Return the kind of fault for the next request, or None."""
        if not self._faults:
            return None
        with self._lock:
            left = self._random.random()
            for kind, probability in self._faults:
                left -= probability
                if left < 0:
                    return kind
        return None
