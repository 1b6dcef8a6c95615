"""The quick way for events that are right, in Python: one typed decode in C, a handful of look-ups, one append.

This is the reference of the recogniser, does the work of it where it was not built, and takes what is right of what the
recogniser leaves. A record that it does not take is given back, for `examine`. Knows neither files nor the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil
from typing import Any, NamedTuple

import msgspec

from mpimport.accept import Names, Typed, count_colons, count_names, decode_typed, with_properties
from mpimport.batch import Draft
from mpimport.examine import ADDED, find_duplicates, one_line
from mpimport.limits import DISALLOWED_IDS, INSERT_ID, MAX_DIGITS, MAX_NESTED_BYTES
from mpimport.mapping import ALIASES
from mpimport.normalise import LOOKALIKES, insert_id_of
from mpimport.records import RawRecord
from mpimport.validate import SOUND_RULES, Limits, Rule

ROOM = MAX_NESTED_BYTES + 2 * MAX_DIGITS + 128
"""No event that is taken quickly is longer, with what is spliced in; nor one that was odd, its ids written out."""

_NOT_QUICK = (msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError)
_SUSPECT_IDS = DISALLOWED_IDS | LOOKALIKES
_ENDING = b"}}\n"
_ENDING_WITH_IP = b"," + ADDED["ip"] + _ENDING
_SMALL = MAX_NESTED_BYTES // 2  # surely no list or object in it is too large, however its numbers are spelt
_LACKING = {"$insert_id", *ALIASES["$insert_id"]}  # an id that is null, or may go by another name
_NO_IP = (None, "")
_is_insert_id = INSERT_ID.fullmatch


class Quick:
    """The loop, and the names that it has seen."""

    def __init__(self) -> None:
        self._names = Names()

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
                    return taken, Left(record, None, taken)
            except _NOT_QUICK:
                return taken, Left(record, None, taken)
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
                return taken, Left(record, SOUND_RULES, taken)
            ip_is_missing = add_ip and "ip" not in properties
            body = record.removesuffix(_ENDING)
            if body is not record and insert_id is not None and (tidy or b"\r" not in record):
                lines += body
                lines += _ENDING_WITH_IP if ip_is_missing else _ENDING
            else:
                text = _spelt_out(event, record, ip_is_missing, made=insert_id is None)
                if text is None:
                    return taken, Left(record, SOUND_RULES, taken)
                lines += text
                if insert_id is None:
                    draft.mends["insert_id_made"] += 1
            taken += 1
        return taken, None


class Left(NamedTuple):
    """A record that was not taken, behind `after` that were.

    `in_question`: as `examine` has it, so that it need not look at all of it again.
    """

    record: RawRecord
    in_question: Sequence[Rule] | None = None
    after: int = 0


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
