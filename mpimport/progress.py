"""How far a run is, and the words for it. Pure. Must not know where it is shown, or the pipeline's inside."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mpimport.records import Flow, Outcome
from mpimport.summary_text import duration, many, megabytes

LATELY_S = 10.0  # ours: what goes by in one batch and the next evens out, and what is over is soon forgotten
APART_S = 1.0  # ours: marks that are closer say nothing more


class Mark(NamedTuple):
    """How far a run was at a moment."""

    seconds: float
    settled: int
    bytes_done: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Bytes are as they lie on disk (compressed, if they are); `total_bytes` None: unknown.

    `imported` events took `nbytes` of uncompressed JSON; in a dry run, `checks_only`, they are the valid ones.
    `bytes_skipped` of the bytes were read by an earlier run. `waiting`: the last trouble, while it lasts.
    `retries`: requests that failed and are sent again; `throttled`: those of them that were answered with 429.
    `stopping`: nothing more is begun. `stuck`: of what was sent nothing comes through. `since`: how far it was a little
    earlier, which tells the rate of late; None: take the beginning.
    """

    bytes_read: int
    total_bytes: int | None
    read: int
    imported: int
    rejected: int
    retries: int
    seconds: float
    nbytes: int = 0
    source: str = ""
    waiting: str = ""
    flow: Flow = field(default_factory=Flow)
    bytes_skipped: int = 0
    checks_only: bool = False
    stopping: bool = False
    throttled: int = 0
    stuck: bool = False
    since: Mark | None = None

    @property
    def phase(self) -> str:
        """Say what it does at present."""
        if self.stopping:
            return "stopping"
        if self.bytes_read < self.bytes_skipped:
            return "passing over what earlier runs settled"
        if self.checks_only:
            return "checking"
        begun = self.imported or self.rejected  # before that, all of it is still to be sent, and no rest
        return "sending the rest" if begun and self.total_bytes and self.bytes_read >= self.total_bytes else "importing"

    @property
    def outcome(self) -> str:
        """Say what the events are that were not rejected."""
        return "valid" if self.checks_only else "imported"

    @property
    def mark(self) -> Mark:
        """Give how far it is."""
        return Mark(self.seconds, self.imported + self.rejected, self.bytes_done)

    @property
    def rests(self) -> bool:
        """Whether nothing can arrive for a time that nobody knows."""
        return self.stuck or self.flow.held_by in ("gate", "probe")

    @property
    def rate(self) -> float:
        """Events settled a second of late: imported or rejected; no more than the time that is left takes them for."""
        settled, _, seconds = self._lately
        if self.rests or seconds <= 0:
            return 0.0
        share, left_s = self.share, self.seconds_left
        measured = settled / seconds
        if not left_s or not share or not self.mark.settled:
            return measured
        skipped = self.bytes_skipped / (self.total_bytes or 1)
        rest = self.mark.settled * (1 - share) / (share - skipped)
        return min(measured, rest / left_s) if rest else measured

    @property
    def _lately(self) -> tuple[int, float, float]:
        """Give what was settled since the mark: events, bytes of the input, in so many seconds."""
        now, then = self.mark, self.since or Mark(0.0, 0, self.bytes_skipped)
        return now.settled - then.settled, now.bytes_done - then.bytes_done, now.seconds - then.seconds

    @property
    def bytes_done(self) -> float:
        """The bytes of the input whose events are settled, about: what is only read may still come to nothing."""
        part = (self.imported + self.rejected) / self.read if self.read else 1.0
        return self.bytes_skipped + max(self.bytes_read - self.bytes_skipped, 0) * part

    @property
    def share(self) -> float | None:
        """The part of the input that is done, 0 to 1, where its size is known."""
        if not self.total_bytes:
            return None
        return min(self.bytes_done / self.total_bytes, 1.0)

    @property
    def held(self) -> str:
        """Say what sending waits for, if it does, and that less is sent after a 429, if it is."""
        for_s = f" for {duration(self.flow.hold_s)}" if self.flow.hold_s and self.flow.hold_s >= 0.05 else ""
        words = {
            "rate limit": f"waiting for the rate limit{for_s}",
            "gate": f"waiting{for_s}: the server asked to hold back",
            "probe": "trying with one request whether the server takes more",
        }
        slowed = "less is sent for now, since the server answered 429" if self.flow.share < 1 else ""
        return "; ".join(filter(None, (words.get(self.flow.held_by, self.waiting), slowed)))

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest should take at the speed of late, or as the rate limit lets it go on if that is more.

        A window's worth of events goes out at once in the beginning: the speed alone would promise too much.
        """
        share, skipped = self.share, self.bytes_skipped / self.total_bytes if self.total_bytes else 0.0
        _, done, seconds = self._lately
        paced = self.flow.held_by == "rate limit"
        if not share or share <= skipped or self.rests or not (done > 0 or paced):
            return None
        whole = (1 - skipped) / (share - skipped)  # of what this run has to do, in parts of what it has done
        least_s = self.flow.pace.least_s(self.imported * whole, self.nbytes * whole)
        held_s = self.flow.hold_s or 0.0 if paced else 0.0
        rest_s = seconds * ((self.total_bytes or 0) - self.bytes_done) / done if done > 0 else 0.0
        return max(rest_s, held_s, least_s - self.seconds if share < 1 else 0.0)

    def as_json(self) -> dict[str, Any]:
        """The fields of a progress line in JSON; its keys are promised in the guide."""
        left = self.seconds_left
        return {
            "phase": self.phase,
            "source": self.source,
            "bytes_read": self.bytes_read,
            "total_bytes": self.total_bytes,
            "share": None if self.share is None else round(self.share, 4),
            "read": self.read,
            "imported": 0 if self.checks_only else self.imported,
            "valid": self.imported if self.checks_only else 0,
            "rejected": self.rejected,
            "retries": self.retries,
            "throttled": self.throttled,
            "in_flight": self.flow.under_way,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.rate, 1),
            "seconds_left": None if left is None else round(left),
            "waiting": self.held or None,
        }


class Lately:
    """Remembers how far a run was, as often as somebody looks, so that its rate is that of late."""

    def __init__(self) -> None:
        """Begin with a run that begins."""
        self._marks: deque[Mark] = deque()
        self._rests_since: float | None = None

    def look(self, now: Progress) -> Progress:
        """Give it with the mark that its rate is counted from: where nothing could arrive for long, none before that.

        Short rests are counted: a server whose limit is lower than ours makes one after each burst.
        """
        mark = now.mark
        if not now.rests:
            self._rests_since = None
        elif self._rests_since is None:
            self._rests_since = mark.seconds
        elif mark.seconds >= self._rests_since + LATELY_S:
            self._marks = deque([mark])
        marks = self._marks or deque([Mark(0.0, 0, now.bytes_skipped)])
        if mark.settled > marks[-1].settled and mark.seconds >= marks[-1].seconds + APART_S:
            marks.append(mark)
        while len(marks) > 1 and marks[1].seconds <= marks[-1].seconds - LATELY_S:
            marks.popleft()
        self._marks = marks
        return replace(now, since=marks[0])


def outcome_line(outcome: Outcome) -> str:
    """Write what became of a batch, for a log."""
    batch = outcome.batch
    return (
        f"batch {batch.seq}: {many(batch.count, 'event')}, {outcome.imported} imported, "
        f"{len(outcome.refusals)} refused, {len(outcome.undelivered)} undelivered, {many(outcome.requests, 'request')}"
    )


def roughly(seconds: float) -> str:
    """Write an estimated duration for people: no more exact than it is."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


def progress_line(now: Progress) -> str:
    """Write how far it is as one line."""
    phase = f"{now.phase}: " if now.phase not in ("importing", "checking") else ""
    share = f"{now.share:.0%} of {megabytes(now.total_bytes or 0)}, " if now.share is not None else ""
    sending = "" if now.checks_only else f", {many(now.retries, 'failed request')}, {now.flow.under_way} in flight"
    rate = f"{now.rate:,.0f} events/s" if now.rate else ""
    left = f"{roughly(now.seconds_left)} left" if now.seconds_left is not None and now.seconds > 1 else ""
    done = f"{now.read:,} read, {now.imported:,} {now.outcome}, {now.rejected:,} rejected{sending}"
    return f"{phase}{share}{', '.join(filter(None, (done, rate, left, now.held)))}"
