"""A raw record -> an event in the API's shape. Pure: no I/O, no position, and normalising twice changes nothing.

What cannot be mended is left as it is: `validate` names it, unless more can be said here. Numbers with a
fraction may be `Decimal`, so that their value survives being written again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import msgspec

from mpimport import long_text
from mpimport.event_time import MILLISECONDS_END, SECONDS_END, Read
from mpimport.limits import DISALLOWED_IDS, INSERT_ID, MAX_DIGITS, MAX_INSERT_ID, MAX_TEXT, is_finite
from mpimport.long_text import TextRules
from mpimport.mapping import PLAIN, Mapper, find
from mpimport.records import Reason
from mpimport.time_forms import TimeReader

_encode_sorted = msgspec.json.Encoder(decimal_format="number", order="sorted").encode
_decode = msgspec.json.Decoder().decode
_is_insert_id = INSERT_ID.fullmatch
_UNENCODABLE = (TypeError, ValueError, RecursionError, msgspec.MsgspecError)

LOOKALIKES = frozenset({"None", "NULL", "NaN", "Null", "Undefined", "N/A", "nan", "TRUE", "FALSE"})
"""Ids that the API takes, though they are almost surely a missing value: warned about, not refused."""


@dataclass(frozen=True, slots=True)
class Shaping:
    """All that the user said about how records become events; the default mends what is plainly meant."""

    mapper: Mapper = PLAIN
    times: TimeReader = field(default_factory=TimeReader)
    texts: TextRules = field(default_factory=TextRules)
    insert_id_from: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether an event that is right already passes through as it is."""
        return self.mapper.is_default and self.texts.is_default and not self.insert_id_from

    def of_sent(self) -> Shaping:
        """Give what is done to an event that was sent, all this done, and was refused: nothing for what was read.

        What takes away, adds and renames stays, for it may be what mends the event.
        """
        return replace(self, mapper=self.mapper.of_sent(), times=self.times.of_sent())


DEFAULT = Shaping()


def normalise(
    record: Mapping[str, Any],
    mends: Counter[str] | None = None,
    shaping: Shaping = DEFAULT,
    found: list[Reason] | None = None,
    *,
    sound: bool = False,
) -> dict[str, Any]:
    """Bring a record into the API's shape, as far as it can be.

    Counts in `mends` what was changed, and adds to `found` what is wrong and cannot be seen in the event.
    `sound`: no text in it is too long.
    """
    mends = Counter() if mends is None else mends
    found = [] if found is None else found
    event = shape(record, mends, shaping, found)
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return event
    if shaping.texts.is_default and not sound:
        properties = event["properties"] = long_text.apply(properties, shaping.texts, mends)
    name = event.get("event")
    if isinstance(name, str) and len(name) > MAX_TEXT:
        event["event"] = long_text.cut_text(name)
        mends["string_cut"] += 1
    if properties.get("$insert_id") is None and not shaping.insert_id_from:
        _make_insert_id(event, properties, mends)
    return event


def shape(record: Mapping[str, Any], mends: Counter[str], shaping: Shaping, found: list[Reason]) -> dict[str, Any]:
    """Do the part that a record needs before the quick acceptor can take it: map, read the time, mend the ids."""
    event = shaping.mapper.apply(record, mends, found)
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return event
    get = properties.get
    if type(get("time")) is not int or shaping.times.time_format or properties["time"] >= MILLISECONDS_END:
        _mend_time(properties, shaping.times, mends, found)
    user, own = get("distinct_id"), get("$insert_id")
    if type(user) is not str or type(own) is not str or user in LOOKALIKES or not _is_insert_id(own):
        _mend_ids(properties, mends)
        user = get("distinct_id")
    if "ip" in properties and properties["ip"] in (None, ""):
        del properties["ip"]
        mends["ip_empty"] += 1
    if type(user) is str and len(user) > MAX_TEXT:
        message = f"distinct_id is longer than {MAX_TEXT} characters; cut, it could be somebody else's: shorten it"
        found.append(Reason("distinct_id_too_long", message, "properties.distinct_id"))
    if not shaping.texts.is_default:
        properties = event["properties"] = long_text.apply(properties, shaping.texts, mends)
    if shaping.insert_id_from:
        _insert_id_from(shaping.insert_id_from, event, mends, found)
    return event


def insert_id_of(event: object, properties: Mapping[str, Any]) -> str:
    """Hash what an event holds to an `$insert_id`: the first 36 characters of a SHA-256, in hexadecimal.

    The same content gives the same id in every run and on every machine, whatever the order of the
    properties and the unit of the time, `$insert_id` left aside. 36 hexadecimal digits are never one of the
    disallowed values.
    Values must be plain JSON values (a number with a fraction as `float`).
    """
    content = {name: value for name, value in properties.items() if name != "$insert_id"}
    time = content.get("time")
    if isinstance(time, int) and time < SECONDS_END:
        content["time"] = time * 1000
    return _digest([event, content])


def _digest(content: object) -> str:
    return hashlib.sha256(_encode_sorted(content)).hexdigest()[:MAX_INSERT_ID]


def _with_floats(value: Any) -> Any:
    """Give a value as a plain reading of its text would: 0.00E2 is 0.0, while `Decimal` writes it as 0."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: _with_floats(inner) for name, inner in value.items()}
    return list(map(_with_floats, value)) if isinstance(value, list) else value


def _make_insert_id(event: dict[str, Any], properties: dict[str, Any], mends: Counter[str]) -> None:
    try:
        plain = _decode(_encode_sorted(_with_floats([event.get("event"), properties])))
    except _UNENCODABLE:
        return  # what has no JSON form is not sent: `validate` says so
    properties["$insert_id"] = insert_id_of(plain[0], plain[1])
    mends["insert_id_made"] += 1


def _insert_id_from(names: tuple[str, ...], event: dict[str, Any], mends: Counter[str], found: list[Reason]) -> None:
    """Make the id of the fields that the user named; without one of them two events could not be told apart."""
    properties = event["properties"]
    values = [[name, event.get("event") if name == "event" else find(properties, name)] for name in names]
    missing = [name for name, value in values if value is None]
    for name in missing:
        message = f"--insert-id-from names {name!r}, which the event does not have: add it, or name another"
        found.append(Reason("insert_id_source_missing", message, f"properties.{name}"))
    if missing:
        return
    try:
        properties["$insert_id"] = _digest(values)
        mends["insert_id_made"] += 1
    except _UNENCODABLE:
        return


def _mend_time(properties: dict[str, Any], times: TimeReader, mends: Counter[str], found: list[Reason]) -> None:
    value = properties.get("time")
    if value is None:
        return
    read = read_time(value, times)
    if isinstance(read, str):
        found.append(Reason("time_unreadable", read, "properties.time"))
    else:
        properties["time"], mend = read
        if mend:
            mends[mend] += 1


def read_time(value: object, times: TimeReader) -> Read | str:
    """Turn a value into a number that the API takes and the mend that this is, if it is one; or say why it is none."""
    read = times.read(value)
    if isinstance(read, str) or read[1] or isinstance(value, int):
        return read
    return read[0], "time_rounded"  # 1.7e9: the value is right, and is written as the whole number that it is


def _can_be_spelt_out(value: float | Decimal) -> bool:
    """Tell whether a number is finite, and not 1e-999999999, which would have a billion digits."""
    if not is_finite(value):
        return False
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return isinstance(exponent, int) and abs(exponent) <= MAX_DIGITS


def _mend_ids(properties: dict[str, Any], mends: Counter[str]) -> None:
    for name in ("distinct_id", "$insert_id"):
        value = properties.get(name)
        if isinstance(value, str):
            if value in LOOKALIKES:
                mends["id_lookalike"] += 1
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and _can_be_spelt_out(value):
            properties[name] = format(Decimal(str(value)), "f")  # 1e3 is 1000, not 1E+3
            mends["id_to_text"] += 1
    own = properties.get("$insert_id")
    if isinstance(own, str) and not INSERT_ID.fullmatch(own) and own not in DISALLOWED_IDS:
        if not own:
            del properties["$insert_id"]
            return
        properties["$insert_id"] = hashlib.sha256(own.encode(errors="surrogatepass")).hexdigest()[:MAX_INSERT_ID]
        mends["insert_id_hashed"] += 1
