"""A raw mapping -> an event in the API's shape. Pure: no I/O, no position, and normalising twice changes nothing.

What cannot be mended is left as it is: `validate` names it. Numbers with a fraction may be `Decimal`, so
that their value survives being written again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mpimport.event_time import milliseconds_of_text, whole_number
from mpimport.limits import MAX_INSERT_ID, MAX_TEXT, is_finite

_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_decode = msgspec.json.Decoder().decode

LOOKALIKES = frozenset({"None", "NULL", "NaN", "Null", "Undefined", "N/A", "nan", "TRUE", "FALSE"})
"""Ids that the API takes, though they are almost surely a missing value: warned about, not refused."""

MENDS = {
    "insert_id_made": "got an $insert_id made from their content",
    "string_cut": f"had text cut to {MAX_TEXT} characters, as Mixpanel would",
    "name_cut": f"had a property name cut to {MAX_TEXT} characters, as Mixpanel would",
    "time_read": "had their time read from text",
    "time_rounded": "had a time with a fraction turned into whole milliseconds",
    "id_to_text": "had a numeric distinct_id or $insert_id sent as text",
    "id_lookalike": "have an id such as None, NULL or NaN: probably a missing value",
}
"""What may be done to an event, or noticed about it, each with its words for the summary."""

NOTICES = frozenset({"id_lookalike"})
"""The ones that only notice something: the event stays as it is."""


def normalise(record: Mapping[str, Any], mends: Counter[str] | None = None) -> dict[str, Any]:
    """Bring a record into the API's shape, as far as it can be; count in `mends` what was changed."""
    mends = Counter() if mends is None else mends
    event = lift(record)
    properties = event.get("properties")
    if not isinstance(properties, Mapping):
        return event
    properties = dict(properties)
    _mend_time(properties, mends)
    _mend_ids(properties, mends)
    properties = dict(_cut_items(properties, mends))
    event = {name: properties if name == "properties" else _cut_text(value, mends) for name, value in event.items()}
    if properties.get("$insert_id") is None:
        _make_insert_id(event, properties, mends)
    return event


def lift(record: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a flat record into an event: everything but `event` becomes a property."""
    if "properties" in record:
        return dict(record)
    properties = dict(record)
    if "event" not in properties:
        return {"properties": properties}
    return {"event": properties.pop("event"), "properties": properties}


def insert_id_of(event: object, properties: Mapping[str, Any]) -> str:
    """Hash what an event holds to an `$insert_id`: the first 36 characters of a SHA-256, in hexadecimal.

    The same content gives the same id in every run and on every machine, whatever the order of the
    properties, `$insert_id` left aside. 36 hexadecimal digits are never one of the disallowed values.
    Values must be plain JSON values (a number with a fraction as `float`).
    """
    content = {name: value for name, value in properties.items() if name != "$insert_id"}
    return hashlib.sha256(_encode_sorted([event, content])).hexdigest()[:MAX_INSERT_ID]


def _make_insert_id(event: dict[str, Any], properties: dict[str, Any], mends: Counter[str]) -> None:
    try:
        plain = _decode(_encode_sorted([event.get("event"), properties]))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return  # what has no JSON form is not sent: `validate` says so
    properties["$insert_id"] = insert_id_of(plain[0], plain[1])
    mends["insert_id_made"] += 1


def _mend_time(properties: dict[str, Any], mends: Counter[str]) -> None:
    value = properties.get("time")
    if isinstance(value, str):
        read, mend = milliseconds_of_text(value), "time_read"
    elif isinstance(value, (float, Decimal)):
        read, mend = whole_number(value), "time_rounded"
    else:
        return
    if read is not None:
        properties["time"] = read
        mends[mend] += 1


def _mend_ids(properties: dict[str, Any], mends: Counter[str]) -> None:
    for name in ("distinct_id", "$insert_id"):
        value = properties.get(name)
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            if is_finite(value):
                properties[name] = _encode_sorted(value).decode()
                mends["id_to_text"] += 1
        elif isinstance(value, str) and value in LOOKALIKES:
            mends["id_lookalike"] += 1


def _cut_value(value: Any, mends: Counter[str]) -> Any:
    if isinstance(value, Mapping):
        return dict(_cut_items(value, mends))
    if isinstance(value, (list, tuple)):
        return [_cut_value(item, mends) for item in value]
    return _cut_text(value, mends)


def _cut_text(value: Any, mends: Counter[str]) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        mends["string_cut"] += 1
        return value[:MAX_TEXT]
    return value


def _cut_items(value: Mapping[Any, Any], mends: Counter[str]) -> Iterator[tuple[Any, Any]]:
    taken: set[str] = set()
    for name, inner in value.items():
        short = name
        if isinstance(name, str) and len(name) > MAX_TEXT:
            cut = name[:MAX_TEXT]
            if cut not in value and cut not in taken:  # else two would become one: the rule refuses it
                taken.add(cut)
                short = cut
                mends["name_cut"] += 1
        yield short, _cut_value(inner, mends)
