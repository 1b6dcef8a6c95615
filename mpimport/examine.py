"""The slow way for a record that the quick acceptor did not take: mend it, or say everything that is wrong.

A record comes in as bytes (NDJSON, JSON) or as a mapping (CSV, library) and leaves as the bytes that are
sent or as a `Bad`. Pure: knows neither where the record came from nor how it travels on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from mpimport.accept import count_colons, count_names, with_properties
from mpimport.limits import MAX_EVENT_BYTES, show
from mpimport.mends import NOTICES
from mpimport.normalise import DEFAULT, Shaping, normalise
from mpimport.records import RawRecord, Reason
from mpimport.rejects import row_of, stands_as_sent, unwrap
from mpimport.undecodable import TOO_DEEP, explain_undecodable
from mpimport.validate import RULES, Limits, Rule, problems

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError, InvalidOperation)  # the last: an exponent of 19 digits
UNENCODABLE = (TypeError, *UNDECODABLE)
ADDED = {"ip": b'"ip":0'}  # 0 skips geolocation, which would place every user where the importer runs

_HEADER = Reason("header_again", "the header row once more, as where files were put together: remove it, or leave it")
_EMPTY = Reason("empty_record", "there is nothing in it, such as in a row of separators only: remove it, or leave it")


class Bad(NamedTuple):
    """A record that is not sent: why, and the record as JSON text (`event`) or as it stood (`raw`)."""

    reasons: tuple[Reason, ...]
    event: bytes | None = None
    raw: bytes | None = None


def examine(
    record: RawRecord,
    limits: Limits,
    mends: Counter[str],
    shaping: Shaping = DEFAULT,
    *,
    in_question: Sequence[Rule] | None = None,
) -> bytes | Bad | None:
    """Turn a record into the JSON text that is sent, counting in `mends` what was changed; or say why not.

    `in_question`: of a record that is known to be sound, as `accept` has it, the only rules that it may break.
    The outcome is the same, only sooner.
    `mends` is empty before, and with a `Bad` behind it: to make one for each record takes longer than to clear it.
    None for a blank line. Never raises, whatever the record holds.
    """
    if not isinstance(record, bytes):
        return _examine_value(dict(record), None, (), limits, mends, shaping)
    text = record.strip()
    if in_question is not None:
        return _examine_value(_decoded(text), one_line(text), (), limits, mends, shaping, in_question)
    return _examine_text(text, limits, mends, shaping) if text else None


def _examine_text(text: bytes, limits: Limits, mends: Counter[str], shaping: Shaping) -> bytes | Bad:
    inner = unwrap(text)
    if inner is not None:
        line, text = text, inner.strip()
        if not text.startswith(b"{") and (row := row_of(line)) is not None:
            message = f"the text kept of {row[0]}:{row[1]} is no event, but a row or an element: mend it in the source"
            return Bad((Reason("not_an_event", message),), raw=text)
        if stands_as_sent(line):
            shaping = shaping.of_sent()
    try:
        value = _decoded(text)
        text = one_line(text)
        doubled = find_duplicates(text) if may_repeat(text, value) else {}
    except UNDECODABLE:
        return Bad((explain_undecodable(text),), raw=text)
    known = [
        Reason("duplicate_key", f"the name {show(name)} stands twice in one object: keep one", name) for name in doubled
    ]
    return _examine_value(value, text, known, limits, mends, shaping)


def _decoded(text: bytes) -> Any:
    try:
        return _decode(text)
    except InvalidOperation:  # an exponent of 19 digits: more than `Decimal` takes, and zero or infinite to all readers
        return _decode_any(text)


def _exact_or_not(number: str) -> Decimal | float:
    try:
        return Decimal(number)
    except InvalidOperation:
        return float(number)


_decode_any = msgspec.json.Decoder(float_hook=_exact_or_not).decode


def _examine_value(
    value: Any,
    text: bytes | None,
    known: Sequence[Reason],
    limits: Limits,
    mends: Counter[str],
    shaping: Shaping,
    in_question: Sequence[Rule] | None = None,
) -> bytes | Bad:
    """Mend and check a decoded record; `known` is what is wrong with it already."""
    try:
        event, wrong = value, list(known)
        if type(value) is dict or isinstance(value, Mapping):
            event = normalise(value, mends, shaping, wrong, sound=in_question is not None)
        reasons = problems(event, limits, RULES if in_question is None else in_question)
        if wrong:
            said = {reason.field for reason in wrong if reason.code == "time_unreadable"}
            reasons = (*wrong, *(reason for reason in reasons if reason.field not in said))
        if not reasons:
            body = _body(event, value, text if shaping.is_default else None, mends, limits)
            size = len(body) + sum(limits.sent_with.values())
            if size < MAX_EVENT_BYTES:
                return body
            message = f"{size:,} bytes; an event must be under {MAX_EVENT_BYTES:,}: send less"
            reasons = (Reason("event_too_large", message),)
    except RecursionError:
        reasons = (*known, TOO_DEEP)
    # an $insert_id is made of whatever has a JSON form: beside another reason, its lack tells nothing
    if len(reasons) > 1:
        reasons = tuple(reason for reason in reasons if reason.code != "insert_id_missing") or reasons
    if text is None and isinstance(value, Mapping) and all(_is_name(name, cell) for name, cell in value.items()):
        reasons = (_HEADER if value else _EMPTY,)  # of a table: no option would make an event of it
    mends.clear()
    return Bad(reasons, text) if text is not None else Bad(reasons, *_written(value))


def _is_name(name: object, cell: object) -> bool:
    return isinstance(cell, str) and cell.removeprefix("\ufeff") == name


def _body(
    event: dict[str, Any], value: Mapping[str, Any], text: bytes | None, mends: Counter[str], limits: Limits
) -> bytes:
    """Write the event: its `text` as it came when nothing changed, with properties spliced in where that is all.

    `text` is None where there is none, or where fields were mapped.
    """
    properties = event["properties"]
    members = [ADDED[name] for name in limits.added if name not in properties]
    changes = mends.keys() - NOTICES
    if changes == {"insert_id_made"} and "$insert_id" not in value.get("properties", {}):
        members.insert(0, b'"$insert_id":"%b"' % properties["$insert_id"].encode())
        changes = set()
    if text is not None and "properties" in value and not changes:
        spliced = with_properties(text, b",".join(members)) if members else text
        if spliced is not None:
            return spliced
    for name in limits.added:
        properties.setdefault(name, 0)
    return _encode(event)


def one_line(text: bytes) -> bytes:
    """Take the line breaks out of JSON text; between its tokens is the only place where they may stand."""
    if b"\n" in text or b"\r" in text:
        return msgspec.json.format(text, indent=-1)
    return text


def may_repeat(text: bytes, value: object) -> bool:
    """Tell whether a name may stand twice in an object of the JSON text, given the text's decoded value.

    `":` stands behind every name, white space aside; inside of strings it may stand too. So equal counts
    prove that no name was lost, and only other texts have to be read again.
    """
    return isinstance(value, dict) and count_colons(text) != count_names(value)


def find_duplicates(text: bytes) -> dict[str, None]:
    """Read JSON text to find the names that stand twice in one object, in the order of finding."""
    doubled: dict[str, None] = {}

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                doubled[name] = None
            seen.add(name)

    json.loads(text, object_pairs_hook=pairs, parse_int=str, parse_float=str)
    return doubled


def _written(value: object) -> tuple[bytes | None, bytes | None]:
    """Write a record that came as a mapping for the rejected-events file: as JSON (`event`), or the like (`raw`)."""
    try:
        json.dumps(value, allow_nan=False, default=_require_finite)
        return _encode(value), None
    except UNENCODABLE:
        pass
    try:
        return None, json.dumps(value, default=str, skipkeys=True).encode()
    except UNENCODABLE:
        return None, show(value).encode()


def _require_finite(value: object) -> None:
    """Let the encoder pass over what JSON has a form for, though the standard library's does not know it."""
    if not isinstance(value, Decimal):
        raise TypeError
    if not value.is_finite():
        raise ValueError
