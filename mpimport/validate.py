"""The rules for one event, as the API documents them: a pure function from an event to its problems.

One rule is one small function in `RULES`; each yields what is wrong and how to mend it. Knows neither how
an event was read nor HTTP. The quick acceptor (`accept`) takes over most of this work for events that
are right; a property test holds both to the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from mpimport.event_time import SECONDS_END
from mpimport.limits import (
    ALL_HISTORY,
    DISALLOWED_IDS,
    IDENTITIES,
    IGNORE,
    INSERT_ID,
    MAX_INSERT_ID,
    MAX_PROPERTIES,
    MAX_TEXT,
    OLDEST_S,
    RESERVED,
    is_finite,
    show,
)
from mpimport.records import Reason
from mpimport.validate_values import is_plain, is_unicode, value_problems


@dataclass(frozen=True, slots=True)
class Limits:
    """What the rules need to know beyond the event: the legal times and how much will be added.

    `newest_s`, `oldest_s`: seconds since the epoch; `too_old` says what an older time is. `added`: names of
    properties that will be spliced in after the check and count towards the number of properties when the event
    lacks them. `sent_with` counts so, too: name -> bytes of what is put in when the event is sent.
    `keeps_long_text`: the user wants text that is too long sent as it is, and leaves the cutting to the server.
    """

    newest_s: float
    added: tuple[str, ...] = ()
    keeps_long_text: bool = False
    oldest_s: float = OLDEST_S
    too_old: str = ALL_HISTORY.too_old
    sent_with: Mapping[str, int] = field(default_factory=dict)


Rule = Callable[[Mapping[str, Any], Limits], Iterator[Reason]]


def problems(event: object, limits: Limits, rules: Sequence[Rule] | None = None) -> tuple[Reason, ...]:
    """Tell everything that is wrong with an event; nothing when it may be sent. Never raises."""
    if not isinstance(event, Mapping):
        kind = type(event).__name__
        hint = "; --format json reads an array of events" if kind == "list" else ""
        return (Reason("not_an_object", f"an event is a JSON object, this is {_KINDS.get(kind, kind)}{hint}"),)
    found: list[Reason] = []
    for rule in RULES if rules is None else rules:
        found += rule(event, limits)
    return tuple(found)


_NAMED = 3  # ours: keys in one message
_KINDS = {
    "list": "a list",
    "str": "text",
    "int": "a number",
    "float": "a number",
    "Decimal": "a number",
    "bool": "true or false",
    "NoneType": "null",
}


def _only_known_keys(event: Mapping[str, Any], _: Limits) -> Iterator[Reason]:
    names = [name for name in event if name not in ("event", "properties")]
    told = ", ".join(map(show, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
    for name in names:
        yield Reason(
            "unknown_key",
            f"an event holds 'event' and 'properties' only; move {told} into 'properties'",
            str(name)[:MAX_TEXT],
        )


def _event_name(event: Mapping[str, Any], _: Limits) -> Iterator[Reason]:
    name = event.get("event")
    if name is None:
        yield Reason("event_missing", "the event has no name: add 'event', or name its field: --event-field", "event")
    elif not isinstance(name, str):
        yield Reason("event_not_text", f"the event's name must be text, not {show(name)}", "event")
    elif not name:
        yield Reason("event_empty", "the event's name is empty: give it one", "event")
    elif len(name) > MAX_TEXT:
        yield Reason("string_too_long", f"the event's name is longer than {MAX_TEXT} characters: cut it", "event")
    elif not is_unicode(name):
        yield Reason("lone_surrogate", "the event's name holds half a character (a lone surrogate): mend it", "event")


def _properties_object(event: Mapping[str, Any], limits: Limits) -> Iterator[Reason]:
    properties = event.get("properties")
    if not isinstance(properties, Mapping):
        what = "missing" if properties is None else f"{show(properties)}"
        yield Reason("properties_not_an_object", f"'properties' must be a JSON object, it is {what}", "properties")
        return
    added = [name for name in (*limits.added, *limits.sent_with) if name not in properties]
    count = len(properties) + len(added)
    if count > MAX_PROPERTIES:
        also = f" (with {' and '.join(added)}, which mpimport adds)" if added else ""
        yield Reason(
            "too_many_properties",
            f"{count} properties{also}; Mixpanel takes at most {MAX_PROPERTIES}: drop some",
            "properties",
        )


def _time(event: Mapping[str, Any], limits: Limits) -> Iterator[Reason]:
    properties = _properties(event)
    field = "properties.time"
    value = properties.get("time")
    if value is None:
        if isinstance(event.get("properties"), Mapping):
            yield Reason("time_missing", "the event has no time: add 'time', or name its field: --time-field", field)
    elif isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        yield Reason(
            "time_unreadable",
            f"{show(value)} is not a time: use seconds or milliseconds since 1970, or ISO 8601 text",
            field,
        )
    elif not is_finite(value):
        yield Reason("time_unreadable", f"{show(value)} is not a time: use seconds or milliseconds since 1970", field)
    elif value < OLDEST_S:
        yield Reason("time_too_old", f"{_moment(value)} is {ALL_HISTORY.too_old}{_day_hint(value)}", field)
    elif value < (limits.oldest_s if value < SECONDS_END else limits.oldest_s * 1000):
        yield Reason("time_too_old", f"{_moment(value)} is {limits.too_old}", field)
    elif value > (limits.newest_s if value < SECONDS_END else limits.newest_s * 1000):
        yield Reason(
            "time_in_future",
            f"{_moment(value)} is more than an hour in the future{_unit_hint(value)}",
            field,
        )


def _moment(value: float | Decimal) -> str:
    try:
        seconds = float(value) if value < SECONDS_END else float(value) / 1000
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        return f"time {show(value)}"
    return f"time {show(value)} ({moment:%Y-%m-%d %H:%M:%S} UTC)"


def _unit_hint(value: float | Decimal) -> str:
    if 10**17 <= value < 10**20:
        return "; it looks like nanoseconds: divide by 1,000,000"
    if 10**14 <= value < 10**17:
        return "; it looks like microseconds: divide by 1,000"
    if 10**10 <= value < SECONDS_END:
        return " (or, if these are milliseconds, before 1971-01-01, the oldest time that Mixpanel takes)"
    return ": mend the time"


def _day_hint(value: float | Decimal) -> str:
    """Tell days since 1900, as spreadsheets count: those of 1982 to 2064."""
    if 30_000 <= value < 60_000:
        return "; is it a date of a spreadsheet? Save it as text like 2024-01-31T09:30:00Z"
    return ""


def _distinct_id(event: Mapping[str, Any], _: Limits) -> Iterator[Reason]:
    properties = _properties(event)
    field = "properties.distinct_id"
    value = properties.get("distinct_id")
    if value is None:
        known = any(isinstance(v := properties.get(n), str) and v for n in IDENTITIES)
        if "distinct_id" in properties or (not known and isinstance(event.get("properties"), Mapping)):
            yield Reason(
                "distinct_id_missing",
                "the event has no distinct_id: name its field (--distinct-id-field), or use empty text for 'no user'",
                field,
            )
    elif not isinstance(value, str):
        yield Reason("distinct_id_not_text", f"distinct_id must be text, not {show(value)}", field)
    elif value in DISALLOWED_IDS:
        yield Reason(
            "distinct_id_disallowed",
            f"Mixpanel refuses {show(value)} as a distinct_id: use the real id, or an empty text for 'no user'",
            field,
        )


def _insert_id(event: Mapping[str, Any], _: Limits) -> Iterator[Reason]:
    properties = _properties(event)
    field = "properties.$insert_id"
    value = properties.get("$insert_id")
    if value is None:
        if isinstance(event.get("properties"), Mapping):
            yield Reason("insert_id_missing", "the event has no $insert_id: add one", field)
    elif not isinstance(value, str):
        yield Reason("insert_id_not_text", f"$insert_id must be text, not {show(value)}", field)
    elif value in DISALLOWED_IDS:
        yield Reason(
            "insert_id_disallowed",
            f"Mixpanel refuses {show(value)} as an $insert_id: leave it out, and one is made",
            field,
        )
    elif not INSERT_ID.fullmatch(value):
        yield Reason(
            "insert_id_invalid",
            f"{show(value)} is no $insert_id: 1 to {MAX_INSERT_ID} of A-Z a-z 0-9 -; or leave it out, and one is made",
            field,
        )


def _reserved(event: Mapping[str, Any], _: Limits) -> Iterator[Reason]:
    properties = _properties(event)
    for name in RESERVED:
        if name in properties:
            yield Reason(
                "reserved_property",
                f"'{name}' is reserved by Mixpanel: rename or drop it",
                f"properties.{name}",
            )
    ignore = properties.get(IGNORE)
    if ignore is not None and ignore is not False:
        yield Reason(
            "ignored_event",
            f"Mixpanel silently drops an event with '{IGNORE}': remove the property to import it",
            f"properties.{IGNORE}",
        )


def values(event: Mapping[str, Any], limits: Limits) -> Iterator[Reason]:
    """Tell what is wrong with the names and values of properties, whatever they are."""
    for name, value in _properties(event).items():
        if is_plain(name, value):
            continue
        for reason in value_problems(name, value):
            if not (limits.keeps_long_text and reason.code == "string_too_long"):
                yield reason


def _properties(event: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = event.get("properties")
    return properties if type(properties) is dict or isinstance(properties, Mapping) else {}


RULES: tuple[Rule, ...] = (
    _only_known_keys,
    _event_name,
    _properties_object,
    _time,
    _distinct_id,
    _insert_id,
    _reserved,
    values,
)

SOUND_RULES: tuple[Rule, ...] = (_event_name, _time, _distinct_id, _insert_id)
"""What is left to look at in an event that was found sound (`accept`)."""
