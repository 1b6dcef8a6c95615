"""The API's rules for one event, as documented: pure, and written from that documentation alone.

Nothing of the importer's own validation is used here: each of the two is the other's check.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

# All numbers below: the API's documentation.
MAX_EVENT_BYTES = 1_048_576  # an event must be smaller than this
MAX_ENTRIES = 254  # "fewer than 255": properties, keys of an object, elements of a list
MAX_DEPTH = 3  # levels of objects in a property's value; lists are no level of their own
MAX_CONTAINER_BYTES = 8192  # one list or object property
MAX_STRING_CHARS = 255  # longer ones are cut, not refused
OLDEST_MS = 31_536_000_000  # 1971-01-01
FUTURE_MS = 3_600_000  # one hour
DAY_MS = 86_400_000

DISALLOWED_IDS = frozenset(
    (
        *("00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na"),
        *("undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}"),
    )
)
RESERVED_NAMES = ("bucket", "$bucket")
_EVENT_KEYS = {"event", "properties"}
_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")

# Compact JSON is at most five times as long as what was sent ("1e15" comes out as "1000000000000000.0"),
# so a property of an event smaller than this needs no measuring.
_SURELY_SMALL_BYTES = MAX_CONTAINER_BYTES // 5


class Failure(NamedTuple):
    """One rule that an event breaks: the field it is about and the words of the reply."""

    field: str
    message: str


class Findings(NamedTuple):
    """All failures of an event, in the order of the rules, and how many of its strings are too long."""

    failures: list[Failure]
    long_strings: int


def examine(event: Any, *, size: int, now_ms: int, max_age_ms: int | None = None) -> Findings:
    """Hold a decoded event of `size` bytes of JSON against every rule, at the time `now_ms`.

    `max_age_ms`: how much of history is taken, where that does not go back to 1971.
    """
    if type(event) is not dict:
        return Findings([Failure("", "the event is invalid: must be an object")], 0)
    found: list[Failure] = []
    if size >= MAX_EVENT_BYTES:
        _fail(found, "", "must be smaller than 1048576 bytes")
    if event.keys() != _EVENT_KEYS:
        extra = sorted(event.keys() - _EVENT_KEYS)
        found += [Failure(key[:MAX_STRING_CHARS], "the event has a key that is not allowed") for key in extra]
    name = event.get("event")
    if type(name) is not str or not name:
        _fail(found, "event", "must be a non-empty string")
    properties = event.get("properties")
    if type(properties) is not dict:
        _fail(found, "properties", "must be an object")
        return Findings(found, 0)
    _check_time(found, properties.get("time"), now_ms, max_age_ms)
    _check_distinct_id(found, properties)
    _check_insert_id(found, properties.get("$insert_id"))
    long_strings = _check_properties(found, properties, size)
    return Findings(found, long_strings + (type(name) is str and len(name) > MAX_STRING_CHARS))


def to_ms(time: float) -> int:
    """Read a time as milliseconds.

    What would lie before 1971 in milliseconds is in seconds: as seconds, that limit is the year 2969,
    so no time that the API takes can be read both ways.
    """
    return round(time) if time >= OLDEST_MS else round(time * 1000)


def identity(properties: dict[str, Any]) -> str:
    """Return the `distinct_id` of a valid event, derived as the server does where it is left out."""
    distinct_id = properties.get("distinct_id")
    if distinct_id is not None:
        return str(distinct_id)
    user = properties.get("$user_id")
    return user if type(user) is str and user else f"$device:{properties['$device_id']}"


def _fail(found: list[Failure], field: str, must: str) -> None:
    what = f"'{field}'" if field else "the event"
    found.append(Failure(field, f"{what} is invalid: {must}"))


def _check_time(found: list[Failure], time: Any, now_ms: int, max_age_ms: int | None) -> None:
    if type(time) is not int and type(time) is not float:
        _fail(found, "properties.time", "must be specified as seconds since epoch")
    elif not -1e300 < time < 1e300:  # 1e400 is read as infinity, and an int may have thousands of digits
        _fail(found, "properties.time", "must be a time that exists")
    elif (time_ms := to_ms(time)) < OLDEST_MS:
        _fail(found, "properties.time", "must not be before 1971-01-01")
    elif max_age_ms is not None and time_ms < now_ms - max_age_ms:
        _fail(found, "properties.time", f"must not be more than {max_age_ms / DAY_MS:g} days ago")
    elif time_ms > now_ms + FUTURE_MS:
        _fail(found, "properties.time", "must not be more than one hour in the future")


def _check_distinct_id(found: list[Failure], properties: dict[str, Any]) -> None:
    field = "properties.distinct_id"
    if "distinct_id" not in properties:
        others = (properties.get("$user_id"), properties.get("$device_id"))
        if not any(type(other) is str and other for other in others):
            _fail(found, field, "must be there, or else $user_id or $device_id")
        return
    distinct_id = properties["distinct_id"]
    if type(distinct_id) is not str:
        _fail(found, field, "must be a string")
    elif distinct_id in DISALLOWED_IDS:
        _fail(found, field, "must not be one of the disallowed values")


def _check_insert_id(found: list[Failure], insert_id: Any) -> None:
    field = "properties.$insert_id"
    if insert_id is None:
        _fail(found, field, "must be there")
    elif type(insert_id) is not str:
        _fail(found, field, "must be a string")
    elif insert_id in DISALLOWED_IDS:
        _fail(found, field, "must not be one of the disallowed values")
    elif not _INSERT_ID.fullmatch(insert_id):
        _fail(found, field, "must be 1 to 36 characters of A-Z, a-z, 0-9 and -")


def _check_properties(found: list[Failure], properties: dict[str, Any], size: int) -> int:
    """Check all values; return how many strings, names included, the server would cut."""
    if len(properties) > MAX_ENTRIES:
        _fail(found, "properties", "must have fewer than 255 properties")
    for name in RESERVED_NAMES:
        if name in properties:
            _fail(found, f"properties.{name}", "must not be used, the name is reserved")
    long_strings = 0
    for name, value in properties.items():
        if len(name) > MAX_STRING_CHARS:
            long_strings += 1
        kind = type(value)
        if kind is str:
            if len(value) > MAX_STRING_CHARS:
                long_strings += 1
        elif kind is dict or kind is list:
            long_strings += _check_container(found, name, value, size)
    return long_strings


def _check_container(found: list[Failure], name: str, value: Any, size: int) -> int:
    problems: dict[str, None] = {}  # each of them once, in the order of finding
    long_strings = 0
    stack = [(value, 0)]  # no recursion: lists may lie hundreds deep in each other
    while stack:
        node, depth = stack.pop()
        if type(node) is dict:
            depth += 1
            long_strings += sum(len(key) > MAX_STRING_CHARS for key in node)
            if depth > MAX_DEPTH:
                problems["a list or object property must not be nested deeper than 3 levels"] = None
            if len(node) > MAX_ENTRIES:
                problems["an object must have fewer than 255 keys"] = None
            stack.extend((child, depth) for child in node.values())
        elif type(node) is list:
            if len(node) > MAX_ENTRIES:
                problems["a list must have fewer than 255 elements"] = None
            stack.extend((child, depth) for child in node)
        elif type(node) is str and len(node) > MAX_STRING_CHARS:
            long_strings += 1
    if size > _SURELY_SMALL_BYTES and compact_bytes(value) > MAX_CONTAINER_BYTES:
        problems["a list or object property must not be larger than 8192 bytes"] = None
    field = f"properties.{name[:MAX_STRING_CHARS]}"
    found.extend(Failure(field, f"the property is invalid: {problem}") for problem in problems)
    return long_strings


def compact_bytes(value: Any) -> int:
    """Return the size of a value as compact JSON in UTF-8: what the 8 KB of a property are counted in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
