"""Owns what 429s teach: the part of the rate limit that is ours while somebody else spends, too. Pure.

Must not know the limit itself, requests, or how the waiting is done. The numbers are ours: found with the
scenarios of `tests/scenarios`, which hold goodput, the part of 429s, and how two importers come to share.
"""

from __future__ import annotations

from math import inf

FAIR = 0.5  # who has more than half gives way to who has less; the rest is between the others
GIVEN = 0.6  # of what is above that, the first time
MARGIN = 0.02  # below what was spent when it was too much
LONELY = 1.5  # windows without a 429, after which one is no competition yet: a request may have come a little early
HASTY = 4.0  # times the doublings, after such a one with less than a fair part spent: it says little, another more
SAME = 0.02  # of the share: two 429s so close to each other say that what was given was not taken
STEP = 0.001  # of the limit: the first step up, for who has half
EAGER = 16.0  # times that for who has nothing, and the inverse for who has everything
DOUBLINGS = 12.0  # of the step, a window
PATIENCE = 0.75  # times that, after each 429 that taught nothing new
FEWEST_DOUBLINGS = 5.0


class Share:
    """The part of the limit to assume, from 0 to 1.

    After a 429 it is what was spent then, less a margin; who had more than half gives some of that away. Then it
    grows by steps that double, slowly at first and up to everything within about a window. Where the same
    comes out again and again, the limit is simply there: less is given, and it is tried less often. After a single 429
    long before half of the limit was spent it grows faster.
    """

    def __init__(self, window_s: float) -> None:
        """Assume everything."""
        self._window_s = window_s
        self._base = 1.0
        self._since = 0.0
        self._last = -inf
        self._ceiling = 2.0  # none
        self._repeats = 0
        self._hasty = False

    def at(self, now: float) -> float:
        """Give the share."""
        if self._base < 1.0:
            doublings = max(FEWEST_DOUBLINGS, DOUBLINGS * PATIENCE**self._repeats)
            doublings *= HASTY if self._hasty else 1.0
            windows = max(0.0, now - self._since) / self._window_s
            step = STEP * EAGER ** (1.0 - 2.0 * self._base)
            grown: float = step * (2.0 ** min(doublings * windows, 60.0) - 1.0)
            if self._base + grown < 1.0:
                return self._base + grown
            self._base = 1.0
        return 1.0

    @property
    def is_whole(self) -> bool:
        """Whether everything is assumed."""
        return self._base >= 1.0

    def throttled(self, used: float, now: float) -> None:
        """Learn from the first 429 after requests that were taken: `used` is the part that was spent, without it."""
        used = min(used, 1.0)
        self._repeats = self._repeats + 1 if abs(used - self._ceiling) <= SAME * used else 0
        lonely = now - self._last > LONELY * self._window_s
        given = 0.0 if lonely else max(used - FAIR, 0.0) * GIVEN / 4.0**self._repeats
        self._hasty = lonely and used < FAIR
        self._last = now
        self._base = max(used * (1.0 - MARGIN) - given, 0.0)
        self._ceiling = used
        self._since = inf

    def resume(self, now: float) -> None:
        """Begin to grow again: the server takes requests."""
        self._since = now
