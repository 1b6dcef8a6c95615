"""The requests of a run that are to be repeated: how many, what they wait for, and when that is told.

Must not know who repeats them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import inf

from mpimport.records import Outcome, Waiting
from mpimport.report import Report
from mpimport.summary_text import followed_by

QUIET_S = 10.0  # ours: the same trouble is told once in so many seconds
STUCK_S = 2.0  # ours: a request that failed among others that did not stops nothing


@dataclass(slots=True)
class Trouble:
    """What has failed so far. Moments are a clock's monotonic seconds."""

    failed: int = 0
    throttled: int = 0  # those of them that were answered with 429
    _waiting: tuple[str, float] = ("", 0.0)
    _failed_at: float = -inf
    _settled_at: float = -inf
    _guesses: int = 0
    _told: dict[str, float] = field(default_factory=dict)

    def note(self, waiting: Waiting, now: float, report: Report) -> None:
        """Take down that a request failed, and tell of it unless that was told just now."""
        self.failed += 1
        self._failed_at = now
        self.throttled += waiting.answer == "throttled"
        reason = waiting.reason.rstrip(".")
        self._waiting = (f"waiting: {reason}", now + waiting.delay_s)
        if self._is_news(waiting.reason, now):
            report.say(
                logging.WARNING,
                followed_by(reason, f"attempt {waiting.attempt} failed, trying again in {waiting.delay_s:.1f} s"),
            )

    def gave_up(self, reason: str, now: float, report: Report) -> None:
        """Tell of a batch that is given up, which the summary counts, unless the same was told just now."""
        if self._is_news(f"gave up: {reason}", now):
            report.say(logging.WARNING, f"gave up on a batch: it {reason}")

    def too_large(self, max_bytes: int, report: Report, *, guessed: bool) -> None:
        """Tell of the limit that the server named; of guesses once, for each is followed by others."""
        self._guesses += guessed
        if not guessed:
            report.say(logging.INFO, f"the server takes {max_bytes:,} bytes a request; batches are smaller from now on")
        elif self._guesses == 1:
            report.say(
                logging.INFO,
                "the server finds a request too large (413), and names no limit; "
                f"{max_bytes:,} bytes a request are tried from now on, and fewer if it must be",
            )

    def _is_news(self, words: str, now: float) -> bool:
        if now - self._told.get(words, -QUIET_S) < QUIET_S:
            return False
        self._told[words] = now
        return True

    def settled(self, outcome: Outcome, now: float) -> None:
        """Take down that the server has dealt with events, if it has."""
        if outcome.imported or outcome.refusals:
            self._settled_at = now

    def stuck(self, now: float) -> bool:
        """Whether nothing has come through for a while, and what was tried last has failed."""
        return self._failed_at > self._settled_at and now - self._settled_at >= STUCK_S

    def over(self) -> None:
        """Take down that nothing is waited for any more."""
        self._waiting = ("", 0.0)
        self._failed_at = -inf

    def waiting(self, now: float) -> str:
        """Say what is waited for, if anything is."""
        return self._waiting[0] if now < self._waiting[1] else ""
