"""How a run went over time: a report that passes everything on, and keeps counts and warnings for the run's report.

Memory is bounded: at most `MAX_BUCKETS` buckets, which double their width, and `MAX_MESSAGES` messages. Must not know
the pipeline's inside: it is given a `Progress`, a few times a bucket.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mpimport.account import Summary
from mpimport.progress import Progress
from mpimport.report import Report

MAX_BUCKETS = 240  # about one for two pixels of a picture; ten hours make 141 of 256 s
FIRST_WIDTH_S = 0.125
SAMPLES = 2  # a bucket
MAX_MESSAGES = 200


@dataclass(slots=True)
class Bucket:
    """What happened in a stretch of time; `imported` counts what would be, in a dry run.

    `failed` requests are repeated; `throttled` are those of them that were answered with 429. Waiting is in seconds.
    """

    imported: int = 0
    rejected: int = 0
    failed: int = 0
    throttled: int = 0
    rate_limit_s: float = 0.0
    back_off_s: float = 0.0

    def add(self, other: Bucket) -> None:
        """Take in what happened in another stretch."""
        self.imported += other.imported
        self.rejected += other.rejected
        self.failed += other.failed
        self.throttled += other.throttled
        self.rate_limit_s += other.rate_limit_s
        self.back_off_s += other.back_off_s


@dataclass(frozen=True, slots=True)
class Message:
    """A warning or an error, with the seconds since the run began."""

    seconds: float
    level: str
    message: str


class Timeline:
    """Counts by time. The sum over all buckets is what the last sample said, whatever their width."""

    def __init__(self, max_buckets: int = MAX_BUCKETS, width_s: float = FIRST_WIDTH_S) -> None:
        """Begin at second 0."""
        self.width_s = width_s
        self.buckets: list[Bucket] = []
        self.seconds = 0.0
        self._max_buckets = max_buckets
        self._sampled = Bucket()

    def sample(self, now: Progress) -> None:
        """Enter what has come since the sample before, spread over that time; so is what was waited for."""
        at_s, before = max(now.seconds, self.seconds), self._sampled
        last = self._make_room(at_s)
        first, width_s = int(self.seconds / self.width_s), self.width_s
        edges = [self.seconds, *(number * width_s for number in range(first + 1, last + 1)), at_s]
        paced, backs_off = now.flow.held_by == "rate limit", now.flow.held_by in ("gate", "probe") or bool(now.waiting)
        whole_s = at_s - self.seconds
        for number, (begin_s, end_s) in enumerate(pairwise(edges), first):
            part = (end_s - self.seconds) / whole_s if number < last else 1.0
            until = Bucket(*(was + int((new - was) * part) for was, new in zip(_counts(before), _of(now), strict=True)))
            came = [new - was for was, new in zip(_counts(self._sampled), _counts(until), strict=True)]
            waited = ((end_s - begin_s) * paced, (end_s - begin_s) * backs_off)
            self.buckets[number].add(Bucket(came[0], came[1], came[2], came[3], *waited))
            self._sampled = until
        self.seconds = at_s

    def _make_room(self, at_s: float) -> int:
        """Give the number of the bucket of a time, which is there then."""
        while at_s >= self.width_s * self._max_buckets:
            for one, other in zip(self.buckets[::2], self.buckets[1::2], strict=False):
                one.add(other)
            self.buckets = self.buckets[::2]
            self.width_s *= 2
        number = int(at_s / self.width_s)
        self.buckets.extend(Bucket() for _ in range(len(self.buckets), number + 1))
        return number


def _counts(bucket: Bucket) -> tuple[int, int, int, int]:
    return bucket.imported, bucket.rejected, bucket.failed, bucket.throttled


def _of(now: Progress) -> tuple[int, int, int, int]:
    return now.imported, now.rejected, now.retries, now.throttled


class History:
    """A `Report` that passes everything on to another one, and remembers."""

    def __init__(
        self, report: Report, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        """Begin now. `clock` is for the distance of samples, `wall` for the date."""
        self.timeline = Timeline()
        self.messages: list[Message] = []
        self.messages_left_out = 0
        self.started = wall()
        self._report = report
        self._clock = clock
        self._began = self._due = clock()
        self._last: Progress | None = None

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Take a sample, if it is time to."""
        self._report.tick(progress)
        if self._clock() < self._due:
            return
        self._due = self._clock() + self.timeline.width_s / SAMPLES
        self._last = progress()
        self._began = self._clock() - self._last.seconds  # as the run counts them
        self.timeline.sample(self._last)

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Pass it on, and remember it."""
        self._report.say(level, message, **fields)
        self.remember(level, message)

    def ends(self, message: str) -> None:
        """Pass it on, and remember it."""
        self._report.ends(message)
        self.remember(logging.ERROR, message)

    def remember(self, level: int, message: str) -> None:
        """Remember a warning or an error: the first ones, and how many more there were."""
        if level < logging.WARNING:
            return
        if len(self.messages) == MAX_MESSAGES:
            self.messages_left_out += 1
            return
        seconds = round(self._clock() - self._began, 3)
        self.messages.append(Message(seconds, logging.getLevelName(level).lower(), message))

    def close(self) -> None:
        """End the display."""
        self._report.close()

    def end(self, summary: Summary) -> None:
        """Take what was settled since the last sample."""
        tally, last = summary.tally, self._last
        self.timeline.sample(
            Progress(
                bytes_read=0,
                total_bytes=None,
                read=tally.read,
                imported=tally.imported + tally.valid,
                rejected=tally.rejected,
                retries=last.retries if last else 0,
                seconds=summary.seconds,
                throttled=last.throttled if last else 0,
            )
        )
