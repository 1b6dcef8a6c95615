"""How far a run is, and the words for it. Pure. Must not know where it is shown, or the pipeline's inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpimport.records import Flow
from mpimport.summary_text import duration, many, megabytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Bytes are as they lie on disk (compressed, if they are); `total_bytes` None: unknown.

    `imported` events took `nbytes` of uncompressed JSON; in a dry run, `checks_only`, they are the valid ones.
    `bytes_skipped` of the bytes were read by an earlier run. `waiting`: the last trouble, while it lasts.
    `retries`: requests that failed and are sent again; `throttled`: those of them that were answered with 429.
    `stopping`: nothing more is begun.
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
    def rate(self) -> float:
        """Events settled a second, on average: imported or rejected."""
        return (self.imported + self.rejected) / self.seconds if self.seconds > 0 else 0.0

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
        """Say what sending waits for, if it does, and that the rate limit is shared, if it is."""
        for_s = f" for {duration(self.flow.hold_s)}" if self.flow.hold_s and self.flow.hold_s >= 0.05 else ""
        words = {
            "rate limit": f"waiting for the rate limit{for_s}",
            "gate": f"waiting{for_s}: the server asked to hold back",
            "probe": "trying with one request whether the server takes more",
        }
        part = f"{self.flow.share:.0%}" if self.flow.share >= 0.01 else "less than 1%"
        shared = f"by its 429s {part} of the rate limit is ours" if self.flow.share < 1 else ""
        return "; ".join(filter(None, (words.get(self.flow.held_by, self.waiting), shared)))

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest should take at the speed so far, or as the rate limit lets it go on if that is more.

        A window's worth of events goes out at once in the beginning: the speed so far alone would promise too much.
        """
        share, skipped = self.share, self.bytes_skipped / self.total_bytes if self.total_bytes else 0.0
        if not share or share <= skipped:
            return None
        whole = (1 - skipped) / (share - skipped)  # of what this run has to do, in parts of what it has done
        least_s = self.flow.pace.least_s(self.imported * whole, self.nbytes * whole)
        held_s = self.flow.hold_s or 0.0 if self.flow.held_by == "rate limit" else 0.0
        return max(self.seconds * (whole - 1), held_s, least_s - self.seconds if share < 1 else 0.0)

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


def roughly(seconds: float) -> str:
    """Write an estimated duration for people: no more exact than it is."""
    return f"{seconds:.0f} s" if seconds < 59.5 else duration(seconds)


def progress_line(now: Progress) -> str:
    """Write how far it is as one line."""
    phase = f"{now.phase}: " if now.phase not in ("importing", "checking") else ""
    share = f"{now.share:.0%} of {megabytes(now.total_bytes or 0)}, " if now.share is not None else ""
    left = f", {roughly(now.seconds_left)} left" if now.seconds_left is not None and now.seconds > 1 else ""
    held = f", {now.held}" if now.held else ""
    sending = "" if now.checks_only else f"{many(now.retries, 'failed request')}, {now.flow.under_way} in flight, "
    return (
        f"{phase}{share}{now.read:,} read, {now.imported:,} {now.outcome}, {now.rejected:,} rejected, "
        f"{sending}{now.rate:,.0f} events/s{left}{held}"
    )
