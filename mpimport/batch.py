"""The batch that is being filled: events as bytes, by count and by bytes; sealed, it is a `Batch`.

Knows neither the network nor retries. An event is bytes before it is counted, so the byte limit is exact.
"""

from __future__ import annotations

from collections import Counter

from mpimport.records import Batch, Reject, Run, Span

MAX_REJECTS = 2000  # ours: a file of bad records is settled about as often as a file of good ones
MAX_REJECT_BYTES = 4_000_000  # ours, so that the rejects that wait for their batch stay small in memory


class Draft:
    """A batch being filled. `lines` may be appended to directly, if `add_run` then tells of it."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        """Take the limits of one request: events, and uncompressed bytes as NDJSON."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self._seq = 0
        self._clear()

    def _clear(self) -> None:
        self.lines = bytearray()
        self.count = 0
        self.runs: list[Run] = []
        self.rejects: list[Reject] = []
        self.reject_bytes = 0
        self.mends: Counter[str] = Counter()

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be settled."""
        return not (self.count or self.rejects)

    @property
    def full(self) -> bool:
        """Whether the batch has to be sealed before anything is added."""
        return (
            self.count >= self.max_events or len(self.rejects) >= MAX_REJECTS or self.reject_bytes >= MAX_REJECT_BYTES
        )

    @property
    def room_for_rejects(self) -> int:
        """How many rejects more make the batch full."""
        return MAX_REJECTS - len(self.rejects)

    def fits(self, nbytes: int) -> bool:
        """Whether an event of that many bytes may still be added; a single one always may."""
        return not self.count or len(self.lines) + nbytes <= self.max_bytes

    def add_run(self, source: str, first: int, count: int) -> None:
        """Record that `count` events, numbered from `first` on, were appended to `lines`."""
        self.count += count
        if self.runs:
            last = self.runs[-1]
            if last.source == source and last.first + last.count == first:
                self.runs[-1] = Run(source, last.first, last.count + count)
                return
        self.runs.append(Run(source, first, count))

    def add_reject(self, reject: Reject) -> None:
        """Keep a reject, to be settled with the batch."""
        self.rejects.append(reject)
        self.reject_bytes += len(reject.event or reject.raw or b"")

    def seal(self, spans: tuple[Span, ...] = ()) -> Batch:
        """Hand over what was gathered from these records and start anew."""
        batch = Batch(
            seq=self._seq,
            lines=self.lines,
            count=self.count,
            runs=tuple(self.runs),
            rejects=tuple(self.rejects),
            mends=self.mends,
            spans=spans,
        )
        self._seq += 1
        self._clear()
        return batch


def number_of(batch: Batch, index: int) -> tuple[str, int]:
    """Find the source and the record number of an event of a batch by its index."""
    for run in batch.runs:
        if index < run.count:
            return run.source, run.first + index
        index -= run.count
    raise IndexError(index)
