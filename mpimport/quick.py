"""The quick ways for events that are right: the loop in Python, and the recogniser in C where it was built.

The loop of `Quick.swallow` is what runs for each event that the recogniser does not take: one typed decode in C, a
handful of look-ups, one append. A `Way` goes through a block with both, or with the loop alone. A record that neither
takes is given back, for `examine`. Knows neither files nor the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import chain, islice, repeat
from math import ceil
from typing import Any, NamedTuple, Protocol

import msgspec

from mpimport.accept import Names, Typed, count_colons, count_names, decode_typed, with_names, with_properties
from mpimport.batch import Draft
from mpimport.examine import ADDED, find_duplicates, one_line
from mpimport.limits import DISALLOWED_IDS, INSERT_ID, MAX_NESTED_BYTES
from mpimport.mapping import ALIASES
from mpimport.normalise import LOOKALIKES, insert_id_of
from mpimport.prepare import Prepared
from mpimport.recognise import Recogniser, Take
from mpimport.records import RawRecord
from mpimport.validate import SOUND_RULES, Limits, Rule

ROOM = MAX_NESTED_BYTES + 128  # no event that is taken here is longer, with what is spliced in

_NOT_QUICK = (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError)
_SUSPECT_IDS = DISALLOWED_IDS | LOOKALIKES
_ENDING = b"}}\n"
_ENDING_WITH_IP = b"," + ADDED["ip"] + _ENDING
_SMALL = MAX_NESTED_BYTES // 2  # surely no list or object in it is too large, however its numbers are spelt
_LACKING = {"$insert_id", *ALIASES["$insert_id"]}  # an id that is null, or may go by another name
_NO_IP = (None, "")
_MOST_PATIENCE = 1024
_IN_QUESTION = [
    [rule for bit, rule in enumerate(SOUND_RULES) if odd >> bit & 1] for odd in range(2 << len(SOUND_RULES))
]  # by what the recogniser finds odd; there is a bit more, for an `ip` that is taken out
_is_insert_id = INSERT_ID.fullmatch


class Quick:
    """What the quick ways through all blocks share. `recogniser` None: everything goes through the loop."""

    def __init__(self, recogniser: Recogniser | None) -> None:
        self.recogniser = recogniser
        self._names = Names()

    def through(self, records: Iterable[RawRecord], limits: Limits) -> Way:
        """Choose the way through the records of a block."""
        if not isinstance(records, BytesIO):
            return ByRecord(self, with_names(records), limits)
        if self.recogniser is None:
            return ByRecord(self, with_names(records), limits, tidy=b"\r" not in records.getvalue())
        return ByLine(self, records, limits, self.recogniser(limits))

    def through_prepared(self, prepared: Prepared, limits: Limits) -> Way:
        """Choose the way through records that were written just now, no name twice in any object."""
        return ByPrepared(self, prepared, limits, None if self.recogniser is None else self.recogniser(limits))

    def swallow(
        self, records: Iterator[tuple[Any, int]], draft: Draft, room: int, limits: Limits, *, tidy: bool = False
    ) -> tuple[int, Left | None]:
        """Append events that are right, at most `room`; stop at the first record that may not be.

        With each record comes the number of names in it, or more; 0 when none stands twice in an object. `tidy`:
        none of them holds a carriage return.
        A mapping is a TypeError to the decoder, and goes the slow way with everything else.
        """
        lines = draft.lines
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
                outer = 2 if event.event is not None else 1
                if (
                    not (know(properties) or self._names.learn(properties))
                    or (len(record) > _SMALL and _may_outgrow(record))
                    or (names and names - outer != len(properties) and _repeats(record, names, outer, properties))
                ):
                    return taken, Left(record)
            except _NOT_QUICK:
                return taken, Left(record)
            get = properties.get
            time, distinct_id, insert_id = get("time"), get("distinct_id"), get("$insert_id")
            if (
                time.__class__ is not int
                or not (oldest_ms <= time <= newest_ms or oldest_s <= time <= newest_s)
                or not event.event
                or distinct_id.__class__ is not str
                or distinct_id in _SUSPECT_IDS
                or (not _is_fine_id(insert_id) if insert_id is not None else not _LACKING.isdisjoint(properties))
                or (add_ip and get("ip", 0) in _NO_IP)
            ):
                return taken, Left(record, SOUND_RULES)
            ip_is_missing = add_ip and "ip" not in properties
            body = record.removesuffix(_ENDING)
            if body is not record and insert_id is not None and (tidy or b"\r" not in record):
                lines += body
                lines += _ENDING_WITH_IP if ip_is_missing else _ENDING
            else:
                text = _spelt_out(event, record, ip_is_missing, made=insert_id is None)
                if text is None:
                    return taken, Left(record, SOUND_RULES)
                lines += text
                if insert_id is None:
                    draft.mends["insert_id_made"] += 1
            taken += 1
        return taken, None


class Left(NamedTuple):
    """A record that was not taken. `in_question`: as `examine` has it, so that it need not look at all of it again."""

    record: RawRecord
    in_question: Sequence[Rule] | None = None


class Way(Protocol):
    """A way through the records of one block."""

    def take(self, draft: Draft, room: int) -> tuple[int, Left | None]:
        """Append events that are right, at most `room`; give how many, and the record behind them if it may not be.

        None is taken and no record given only where there is no room, or at the end of the block.
        """

    def next(self) -> RawRecord | None:
        """Take one record, whatever it is; None at the end of the block."""


class ByRecord:
    """The loop alone."""

    def __init__(
        self, quick: Quick, records: Iterator[tuple[RawRecord, int]], limits: Limits, *, tidy: bool = False
    ) -> None:
        self._quick = quick
        self._records = records
        self._limits = limits
        self._tidy = tidy

    def take(self, draft: Draft, room: int) -> tuple[int, Left | None]:
        """Do as `Way` says."""
        return self._quick.swallow(self._records, draft, room, self._limits, tidy=self._tidy)

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        return next(self._records, (None,))[0]


class ByLine:
    """The recogniser for as many lines as it takes, then the loop: for one line, for more as they turn out alike."""

    def __init__(self, quick: Quick, records: BytesIO, limits: Limits, recognise: Take) -> None:
        self._quick = quick
        self._records = records
        self._text = records.getvalue()
        self._limits = limits
        self._recognise = recognise
        self._patience = 1

    def take(self, draft: Draft, room: int) -> tuple[int, Left | None]:
        """Do as `Way` says."""
        start = self._records.tell()
        taken, end, odd = self._recognise(self._text, start, draft.lines, room)
        self._records.seek(end)
        if taken == room or end == len(self._text):
            return taken, None
        if odd:
            self._patience = 1
            return taken, Left(self._records.readline(), _IN_QUESTION[odd])
        lines = list(islice(self._records, 1 if taken else self._patience))
        counted = zip(lines, map(count_colons, lines), strict=True)
        more, left = self._quick.swallow(counted, draft, room - taken, self._limits)
        self._patience = 1 if left is not None else min(len(lines) * 2, _MOST_PATIENCE)
        passed = more + (left is not None)
        if passed < len(lines):
            self._records.seek(end + sum(map(len, lines[:passed])))
        return taken + more, left

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        return next(self._records, None)


class ByPrepared:
    """The recogniser for as many lines as it takes, then the loop, as `ByLine` has them; a record is what it was."""

    def __init__(self, quick: Quick, prepared: Prepared, limits: Limits, recognise: Take | None) -> None:
        self._quick = quick
        self._prepared = prepared
        self._lines = BytesIO(prepared.text)
        self._at = 0  # the index of the record that is next
        self._limits = limits
        self._recognise = recognise
        self._patience = 1

    def take(self, draft: Draft, room: int) -> tuple[int, Left | None]:
        """Do as `Way` says."""
        prepared, taken = self._prepared, 0
        while taken < room and self._at < len(prepared.records):
            count, stopped = self._take_lines(draft, room - taken)
            marks = prepared.marks[self._at : self._at + count]
            if any(marks):
                draft.mends.update(chain.from_iterable(marks))
            taken += count
            self._pass(count + stopped)
            if stopped:
                record = prepared.records[self._at - 1]
                if not self._take_again(record, draft):
                    return taken, Left(record)
                taken += 1
        return taken, None

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        if self._at == len(self._prepared.records):
            return None
        self._lines.readline()
        self._pass(1)
        return self._prepared.records[self._at - 1]

    def _take_lines(self, draft: Draft, room: int) -> tuple[int, bool]:
        """Append at most `room` lines; also says whether the one behind them may not be right, and was passed over."""
        taken = 0
        if self._recognise is not None:
            text = self._prepared.text
            taken, end, _ = self._recognise(text, self._lines.tell(), draft.lines, room)
            self._lines.seek(end)
            if taken == room or end == len(text):
                return taken, False
            self._patience = 1 if taken else min(self._patience * 2, _MOST_PATIENCE)
            room = min(room - taken, self._patience)
        more, left = self._quick.swallow(zip(self._lines, repeat(0)), draft, room, self._limits, tidy=True)
        return taken + more, left is not None

    def _take_again(self, record: RawRecord, draft: Draft) -> bool:
        if self._prepared.again is None:
            return False
        line, marks = self._prepared.again(record)
        taken, _ = self._quick.swallow(iter([(line, 0)]), draft, 1, self._limits, tidy=True)
        if taken:
            draft.mends.update(marks)
        return bool(taken)

    def _pass(self, count: int) -> None:
        self._at += count
        if self._prepared.source is not None and self._at:
            self._prepared.source.seek(self._prepared.ends[self._at - 1])


def _may_outgrow(record: bytes) -> bool:
    """Tell whether a list or object may be too large as `validate` measures it: 1e-6 as 0.000001, 4 bytes more."""
    return len(record) + 4 * (record.count(b"e") + record.count(b"E")) > MAX_NESTED_BYTES


def _is_fine_id(insert_id: Any) -> bool:
    return insert_id.__class__ is str and insert_id not in _SUSPECT_IDS and bool(_is_insert_id(insert_id))


def _repeats(record: bytes, names: int, outer: int, properties: dict[str, Any]) -> bool:
    """Tell whether a name stands twice in an object, given that the `outer` ones and those of properties are fewer."""
    counted = outer + count_names(properties)
    return counted != names and counted != count_colons(record) and bool(find_duplicates(record))


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
