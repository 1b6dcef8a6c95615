"""Blocks of records in, full batches out: the loop that every event passes through.

The first loop of `_swallow` is the only code that runs for each clean event, two hundred thousand times a
second: one typed decode in C, a handful of look-ups, one append. A record that it does not recognise goes
to `examine`. Knows neither files nor the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import islice, repeat
from math import ceil
from typing import Any

import msgspec

from mpimport.accept import Names, Typed, count_colons, count_names, decode_typed, with_names, with_properties
from mpimport.batch import Draft
from mpimport.examine import ADDED, Bad, examine, find_duplicates, one_line
from mpimport.limits import (
    ALL_HISTORY,
    DISALLOWED_IDS,
    FUTURE_S,
    INSERT_ID,
    MAX_NESTED_BYTES,
    History,
)
from mpimport.mapping import ALIASES
from mpimport.normalise import DEFAULT, LOOKALIKES, Shaping, insert_id_of
from mpimport.prepare import Preparing
from mpimport.records import Batch, Block, RawRecord, Reject, Span, Unreadable
from mpimport.validate import Limits

_NOT_QUICK = (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError)
_SUSPECT_IDS = DISALLOWED_IDS | LOOKALIKES
_ENDING = b"}}\n"
_ENDING_WITH_IP = b"," + ADDED["ip"] + _ENDING
_SMALL = MAX_NESTED_BYTES // 2  # surely no list or object in it is too large, however its numbers are spelt
_ROOM = MAX_NESTED_BYTES + 128  # no event that the quick loop takes is longer, with what is spliced in
_LACKING = {"$insert_id", *ALIASES["$insert_id"]}  # an id that is null, or may go by another name
_NO_IP = (None, "")
_is_insert_id = INSERT_ID.fullmatch


class Intake:
    """Turns blocks into batches and counts what was read. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        geolocate: bool,
        clock: Callable[[], float],
        shaping: Shaping = DEFAULT,
        history: History = ALL_HISTORY,
        sent_with: Mapping[str, int] | None = None,
    ) -> None:
        """Take the limits of one request, whether `ip` is left out, and what the user said about fields.

        `history` is how far back events are taken, `sent_with` as in `Limits`.
        """
        self.draft = Draft(max_events, max_bytes)
        self.read = 0
        self.next = 1
        self._source = 0
        self._first = 1  # of the records that are in no batch yet
        self._offset: int | None = None  # where `next` begins
        self._spans: list[Span] = []  # of sources that ended since the last batch
        self._preparing = Preparing(shaping)
        self._added = () if geolocate else tuple(ADDED)
        self._clock = clock
        self._history = history
        self._sent_with = sent_with or {}
        self._names = Names()

    def begin(self, source: int) -> None:
        """Turn to the source of that number; `next` is the number of the record that is read next of it."""
        self._spans.append(self._span())
        self._source, self._first, self.next, self._offset = source, 1, 1, None

    def feed(self, source: str, block: Block | Unreadable) -> Iterator[Batch]:
        """Check the records of a block, yielding each batch that is full. Never raises for what a record holds."""
        if isinstance(block, Unreadable):
            self.read += 1
            self.draft.add_reject(Reject(source, block.number, "client", (block.reason,), raw=block.raw))
            self.next, self._offset = block.number + 1, None
            if self.draft.full:
                yield self._seal()
            return
        limits = self._limits(self._clock())
        prepared = self._preparing.of(block)
        records = with_names(block.records) if prepared is None else zip(prepared, repeat(0))
        tidy = prepared is not None or (isinstance(block.records, BytesIO) and b"\r" not in block.records.getvalue())
        number = block.first
        while True:
            draft = self.draft
            room = min(draft.max_events - draft.count, (draft.max_bytes - len(draft.lines)) // _ROOM)
            taken, record = self._swallow(records, max(room, 0), limits, tidy=tidy)
            if taken:
                draft.add_run(source, number, taken)
                self.read += taken
                number += taken
            if draft.full:
                self._stand(number, block)
                yield self._seal()
            if record is None and taken == room > 0:
                continue
            if record is None:
                record = next(records, (None,))[0]
                if record is None:
                    self.draft.mends.update(self._preparing.mends)
                    self._preparing.mends.clear()
                    self._stand(number, block)
                    return
            if prepared is not None:
                record = self._preparing.take_back()
            yield from self._take_slowly(source, number, record, limits, block)
            number += 1

    def _limits(self, now_s: float) -> Limits:
        return Limits(
            now_s + FUTURE_S,
            self._added,
            keeps_long_text=self._preparing.shaping.texts.long_strings == "keep",
            oldest_s=self._history.oldest_s(now_s),
            too_old=self._history.too_old,
            sent_with=self._sent_with,
        )

    def flush(self) -> Iterator[Batch]:
        """Yield what waits, at the end of the input."""
        if not self.draft.empty:
            yield self._seal()

    def _stand(self, number: int, block: Block, held: RawRecord = b"") -> None:
        """Take down which record of a block is next; `held` was taken from it already."""
        self.next, self._offset = number, None
        if block.offset is not None and isinstance(block.records, BytesIO):
            self._offset = block.offset + block.records.tell() - len(held)

    def _span(self) -> Span:
        return Span(self._source, self._first, self.next, self._offset)

    def _seal(self) -> Batch:
        spans = [span for span in (*self._spans, self._span()) if span.first < span.next]
        self._spans.clear()
        self._first = self.next
        return self.draft.seal(tuple(spans))

    def _swallow(
        self, records: Iterator[tuple[Any, int]], room: int, limits: Limits, *, tidy: bool = False
    ) -> tuple[int, RawRecord | None]:
        """Append events that are right, at most `room`; stop at the first record that may not be.

        With each record comes the number of names in it, or more; 0 when none stands twice in an object. `tidy`:
        none of them holds a carriage return.
        A mapping is a TypeError to the decoder, and goes the slow way with everything else.
        """
        lines = self.draft.lines
        newest_s = int(limits.newest_s)
        newest_ms = newest_s * 1000
        oldest_s = ceil(limits.oldest_s)
        oldest_ms = oldest_s * 1000
        add_ip = bool(limits.added)
        know = self._names.know
        taken = 0
        for record, names in islice(records, room):
            try:
                event = decode_typed(record)
                properties = event.properties
                time = properties["time"]
                distinct_id = properties["distinct_id"]
                insert_id = properties.get("$insert_id")
                if (
                    not (oldest_ms <= time <= newest_ms or oldest_s <= time <= newest_s)
                    or time.__class__ is not int
                    or distinct_id.__class__ is not str
                    or distinct_id in _SUSPECT_IDS
                    or insert_id in _SUSPECT_IDS
                    or (not _is_insert_id(insert_id) if insert_id is not None else not _LACKING.isdisjoint(properties))
                    or not (know(properties) or self._names.learn(properties))
                    or (len(record) > _SMALL and _may_outgrow(record))
                    or (names and names - 2 != len(properties) and _repeats(record, names - 2, properties))
                ):
                    return taken, record
            except _NOT_QUICK:
                return taken, record
            ip_is_missing = add_ip and "ip" not in properties
            if add_ip and not ip_is_missing and properties["ip"] in _NO_IP:
                return taken, record
            body = record.removesuffix(_ENDING)
            if body is not record and insert_id is not None and (tidy or b"\r" not in record):
                lines += body
                lines += _ENDING_WITH_IP if ip_is_missing else _ENDING
            else:
                text = _spelt_out(event, record, ip_is_missing, made=insert_id is None)
                if text is None:
                    return taken, record
                lines += text
                if insert_id is None:
                    self.draft.mends["insert_id_made"] += 1
            taken += 1
        return taken, None

    def _take_slowly(
        self, source: str, number: int, record: RawRecord, limits: Limits, block: Block
    ) -> Iterator[Batch]:
        """Mend or reject one record of a block, yielding the batch that it fills or no longer fits into."""
        draft = self.draft
        mends: Counter[str] = Counter()
        text = examine(record, limits, mends, self._preparing.shaping)
        if text is None:
            return
        if isinstance(text, bytes) and not draft.fits(len(text) + 1):
            self._stand(number, block, record)
            yield self._seal()  # whoever stops here has not read this record
        self.read += 1
        if isinstance(text, Bad):
            draft.add_reject(Reject(source, number, "client", text.reasons, text.event, text.raw))
        else:
            draft.lines += text
            draft.lines += b"\n"
            draft.add_run(source, number, 1)
            draft.mends.update(mends)
        if draft.full:
            self._stand(number + 1, block)
            yield self._seal()


def _may_outgrow(record: bytes) -> bool:
    """Tell whether a list or object may be too large as `validate` measures it: 1e-6 as 0.000001, 4 bytes more."""
    return len(record) + 4 * (record.count(b"e") + record.count(b"E")) > MAX_NESTED_BYTES


def _repeats(record: bytes, names: int, properties: dict[str, Any]) -> bool:
    """Tell whether a name stands twice in an object, once the outermost ones did not account for all `names`."""
    counted = count_names(properties)
    return counted != names and counted != count_colons(record) - 2 and bool(find_duplicates(record))


def _spelt_out(event: Typed, record: bytes, ip_is_missing: bool, *, made: bool) -> bytes | None:
    """Write an event that lacks its `$insert_id`, or whose bytes end in an unusual way, as one line."""
    members = []
    if made:
        members.append(b'"$insert_id":"%b"' % insert_id_of(event.event, event.properties).encode())
    if ip_is_missing:
        members.append(ADDED["ip"])
    text: bytes | None = one_line(record.strip())
    if members and text is not None:
        text = with_properties(text, b",".join(members))
    return None if text is None else text + b"\n"
