"""How far a run is, and the words for it. Pure. Must not know where it is shown, or the pipeline's inside."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mpimport.summary_text import duration, megabytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Bytes are as they lie on disk (compressed, if they are); `total_bytes` None: unknown.

    `held_by`: what the next request waits for, for `hold_s` seconds (None: a reply). `limit_share`: the part of
    the rate limit that is assumed to be ours. `waiting`: the last trouble, while it lasts. `bytes_skipped` of the
    bytes were read by an earlier run. `throttled`: how many of the `retries` were answered with 429.
    """

    bytes_read: int
    total_bytes: int | None
    read: int
    imported: int
    rejected: int
    retries: int
    in_flight: int
    seconds: float
    source: str = ""
    waiting: str = ""
    held_by: str = ""
    hold_s: float | None = None
    limit_share: float = 1.0
    bytes_skipped: int = 0
    throttled: int = 0

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
        for_s = f" for {duration(self.hold_s)}" if self.hold_s else ""
        words = {
            "rate limit": f"waiting for the rate limit{for_s}",
            "gate": f"waiting{for_s}: the server asked to hold back",
            "probe": "trying with one request whether the server takes more",
        }
        shared = f"by its 429s {self.limit_share:.0%} of the rate limit is ours" if self.limit_share < 1 else ""
        return ", ".join(filter(None, (words.get(self.held_by, self.waiting), shared)))

    @property
    def seconds_left(self) -> float | None:
        """The time that the rest should take at the speed so far."""
        share, skipped = self.share, self.bytes_skipped / self.total_bytes if self.total_bytes else 0.0
        return self.seconds * (1 - share) / (share - skipped) if share and share > skipped else None


def progress_line(now: Progress) -> str:
    """Write how far it is as one line."""
    share = f"{now.share:.0%} of {megabytes(now.total_bytes or 0)}, " if now.share is not None else ""
    left = f", {duration(now.seconds_left)} left" if now.seconds_left is not None and now.seconds > 1 else ""
    held = f", {now.held}" if now.held else ""
    return (
        f"{share}{now.read:,} read, {now.imported:,} imported, {now.rejected:,} rejected, {now.retries:,} retries, "
        f"{now.in_flight} in flight, {now.rate:,.0f} events/s{left}{held}"
    )


def progress_fields(now: Progress) -> dict[str, Any]:
    """Give how far it is as the fields of a log line; the names are promised in the README."""
    left = now.seconds_left
    return {
        **asdict(now),
        "rate": round(now.rate, 1),
        "share": None if now.share is None else round(now.share, 4),
        "seconds_left": None if left is None else round(left, 1),
    }
