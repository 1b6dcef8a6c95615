"""Counts the events that arrived by name and by the day of their own time, batch by batch, for the run's report.

Memory is bounded: `MAX_NAMES` names, and a day is one number. Must not know how events were read or sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from mpimport.body import event_lines
from mpimport.event_time import SECONDS_END
from mpimport.records import Batch
from mpimport.sketches import EPOCH, Names

MAX_NAMES = 5000  # Mixpanel's default limit on event names; others are counted together
_DAY_S = 86_400
_DAY_MS = 86_400_000


class _Properties(msgspec.Struct, gc=False):
    time: int | float


class _Event(msgspec.Struct, gc=False):
    event: str
    properties: _Properties


_decode_lines = msgspec.json.Decoder(_Event).decode_lines


class Census:
    """The events of all batches that it was shown; `unread` are those of batches that could not be read: none."""

    def __init__(self) -> None:
        """Begin with none."""
        self.names = Names(MAX_NAMES)
        self.unread = 0
        self._days: Counter[int] = Counter()

    def add(self, batch: Batch, without: Iterable[int] = ()) -> None:
        """Count the events of a batch, but for those at some indexes."""
        lines: bytes | bytearray = batch.lines
        left_out = set(without)
        if left_out:
            lines = b"\n".join(line for index, line in enumerate(event_lines(lines)) if index not in left_out)
        try:
            events = _decode_lines(lines)
        except msgspec.MsgspecError:  # a report must not harm the run
            self.unread += batch.count - len(left_out)
            return
        self.names.add(Counter([event.event for event in events]))
        times = [event.properties.time for event in events]
        self._days.update([int(t // _DAY_S if t < SECONDS_END else t // _DAY_MS) for t in times])

    @property
    def by_name(self) -> dict[str, int]:
        """Events by name, most frequent first."""
        return dict(sorted(self.names.counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def days(self) -> Mapping[int, int]:
        """Events by day since 1970 (UTC)."""
        return self._days

    @property
    def by_day(self) -> dict[str, int]:
        """Events by date (UTC), the oldest first."""
        return {f"{EPOCH + timedelta(days=day)}": self._days[day] for day in sorted(self._days)}
