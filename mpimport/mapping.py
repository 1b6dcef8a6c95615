"""Somebody's own field names -> the API's: pure, over one record, before anything is mended or checked.

The order is fixed and part of the promise: fields are taken, aliases fill what is still missing, then
rename, drop, keep, set, type. Knows neither files nor how a record was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec

from mpimport.limits import IDENTITIES, is_finite, show
from mpimport.mends import ALIAS
from mpimport.records import Reason
from mpimport.value_types import KINDS, converter, meant_kind

ALIASES: dict[str, tuple[str, ...]] = {
    "event": ("event_name", "eventName", "event_type", "eventType"),
    "time": ("timestamp", "ts", "event_time", "eventTime", "occurred_at", "occurredAt"),
    "distinct_id": ("distinctId", "user_id", "userId", "anonymous_id", "anonymousId"),
    "$insert_id": ("insert_id", "insertId", "messageId"),
}
"""What is taken for a missing field when no option names one: the first of these that the record has, moved.

Only names that hardly mean anything else: `name` may be a person's, `event_id` a kind of event, and
`created_at` the day on which somebody signed up."""

_ALL_ALIASES = frozenset().union(*ALIASES.values())

SPECIAL = frozenset({"time", "distinct_id", "$insert_id", "$user_id", "$device_id", "ip"})
"""What `keep` never takes away: without it an event would not be one, or be another's."""

_SOUGHT = ("time", "distinct_id", "$insert_id")  # with `event` all that has aliases
_MISSING = object()


@dataclass(frozen=True, slots=True)
class MapRules:
    """How a record becomes an event. Names may be dotted to reach into objects; an exact name comes first.

    `event_name` is the name of every event; `fields` says which field is taken for `event`, `time`,
    `distinct_id` or `$insert_id`; `rename` is applied in its order; `keep` None keeps everything;
    `set` holds JSON values; `types` names a kind of `value_types` for a property.
    """

    event_name: str | None = None
    fields: Mapping[str, str] | None = None
    rename: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None
    set: tuple[tuple[str, Any], ...] = ()
    types: tuple[tuple[str, str], ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether no rule is given; aliases are still looked for where something is missing."""
        return self == MapRules()


class Mapper:
    """The compiled rules."""

    def __init__(self, rules: MapRules, *, keeps_misfits: bool = False) -> None:
        """Look up the converters. `keeps_misfits`: a value that does not fit stays. ValueError: an unknown kind."""
        self._keeps_misfits = keeps_misfits
        for name, kind in rules.types:
            if kind not in KINDS:
                meant = f"; did you mean {name.strip()}={near}?" if (near := meant_kind(kind)) else ""
                raise ValueError(f"{name}={kind}: the kinds are {', '.join(KINDS)}{meant}")
        self.rules = rules
        self.is_default = rules.is_default
        self._converters: tuple[tuple[str, str, Callable[[str], Any]], ...] = tuple(
            (name, kind, converter(kind)) for name, kind in rules.types
        )

    def of_sent(self) -> Mapper:
        """Give the rules for an event that these have made: fields are taken, and names that are swapped stay so."""
        rules = self.rules
        made = {new for _, new in rules.rename}
        is_chain = any(old in made for old, _ in rules.rename)
        rules = replace(rules, fields=None, rename=() if is_chain else rules.rename)
        return Mapper(rules, keeps_misfits=self._keeps_misfits)

    def apply(
        self, record: Mapping[str, Any], mends: Counter[str], found: list[Reason] | None = None
    ) -> dict[str, Any]:
        """Give the event that a record becomes; `found` is told of values that do not fit their type."""
        event = lift(record)
        properties = event.get("properties")
        if not isinstance(properties, dict):
            return event
        rules = self.rules
        if rules.event_name is not None:
            event["event"] = rules.event_name
        for target, field in (rules.fields or {}).items():
            _move(event, properties, field, target, mends)
        if not (event.get("event") and all(map(properties.get, _SOUGHT))):
            _fill_by_alias(event, properties, rules, mends)
        if not self.is_default:
            self._rearrange(event, properties, mends)
            self._convert(properties, [] if found is None else found)
        return event

    def _rearrange(self, event: dict[str, Any], properties: dict[str, Any], mends: Counter[str]) -> None:
        rules = self.rules
        for old, new in rules.rename:
            _move(event, properties, old, new, mends)
        for name in rules.drop:
            if _pop(properties, name) is _MISSING and name not in ("event", "properties"):
                event.pop(name, None)
        if rules.keep is not None:
            _keep(properties, rules.keep)
            for name in event.keys() - {"event", "properties", *rules.keep}:
                del event[name]
        properties.update(rules.set)

    def _convert(self, properties: dict[str, Any], found: list[Reason]) -> None:
        for name, kind, convert in self._converters:
            value = find(properties, name)
            if isinstance(value, str):
                if kind == "string":
                    continue  # it is one
                try:
                    _place(properties, name, convert(value))
                except ValueError as error:
                    if not self._keeps_misfits:
                        found.append(Reason("type_mismatch", f"{show(value)} {error}", f"properties.{name}"))
            elif kind == "string" and isinstance(value, (int, float, Decimal)) and is_finite(value):
                _place(properties, name, _encode(value).decode())


_encode = msgspec.json.Encoder(decimal_format="number").encode


def lift(record: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a flat record into an event: everything but `event` becomes a property. Both may be changed then."""
    if "properties" in record:
        event = dict(record)
        properties = event["properties"]
        if type(properties) is dict or isinstance(properties, Mapping):
            event["properties"] = dict(properties)
        return event
    properties = dict(record)
    if "event" not in properties:
        return {"properties": properties}
    return {"event": properties.pop("event"), "properties": properties}


def _fill_by_alias(event: dict[str, Any], properties: dict[str, Any], rules: MapRules, mends: Counter[str]) -> None:
    if _ALL_ALIASES.isdisjoint(properties) and _ALL_ALIASES.isdisjoint(event):
        return
    for target, names in ALIASES.items():
        holder = event if target == "event" else properties
        value = holder.get(target)
        if value is not None and (value != "" or target == "distinct_id"):  # an empty distinct_id means "no user"
            continue
        if rules.fields and target in rules.fields:
            continue
        if target == "distinct_id" and any(properties.get(name) for name in IDENTITIES):
            continue
        for name in names:
            source = event if name in event and name != "event" else properties
            if source.get(name) is not None:
                holder[target] = source.pop(name)
                mends[f"{ALIAS}{name} {target}"] += 1
                break


def _move(event: dict[str, Any], properties: dict[str, Any], old: str, new: str, mends: Counter[str]) -> None:
    value = _pop(properties, old)
    if value is _MISSING and old not in ("event", "properties"):
        value = event.pop(old, _MISSING)
    if value is _MISSING and old == "event":
        value = event.pop("event", _MISSING)
    if value is not _MISSING:
        holder = event if new == "event" else properties
        if holder.get(new, value) not in (None, value):
            mends["property_replaced"] += 1
        holder[new] = value


def _pop(properties: dict[str, Any], name: str) -> Any:
    """Take a value out by its name, or by its dotted path; objects on the way are copied, not changed."""
    if name in properties or "." not in name:
        return properties.pop(name, _MISSING)
    for head, rest in _splits(name):
        inner = properties.get(head)
        if isinstance(inner, Mapping):
            copy = dict(inner)
            value = _pop(copy, rest)
            if value is not _MISSING:
                properties[head] = copy
                return value
    return _MISSING


def _keep(properties: dict[str, Any], names: tuple[str, ...]) -> None:
    """Leave only what is named, whole properties or parts of objects, and what an event cannot do without."""
    kept: dict[str, Any] = {}
    for name in names:
        _keep_one(properties, name, kept)
    for name in [name for name in properties if name not in kept and name not in SPECIAL]:
        del properties[name]
    properties.update(kept)


def _keep_one(properties: Mapping[str, Any], name: str, kept: dict[str, Any]) -> bool:
    """Copy what a name leads to into `kept`; False when it leads nowhere."""
    if name in properties:
        kept[name] = properties[name]
        return True
    for head, rest in _splits(name):
        inner = properties.get(head)
        if isinstance(inner, Mapping):
            before = kept.get(head)
            part = dict(before) if isinstance(before, dict) else {}
            if _keep_one(inner, rest, part):
                kept[head] = part
                return True
    return False


def find(properties: Mapping[str, Any], name: str) -> Any:
    """Give the value at a name or a dotted path; None when there is none."""
    if name in properties or "." not in name:
        return properties.get(name)
    for head, rest in _splits(name):
        inner = properties.get(head)
        if isinstance(inner, Mapping) and (value := find(inner, rest)) is not None:
            return value
    return None


def _place(properties: dict[str, Any], name: str, value: Any) -> None:
    """Put a value where `find` found one; objects on the way are copied."""
    if name in properties:
        properties[name] = value
        return
    for head, rest in _splits(name):
        inner = properties.get(head)
        if isinstance(inner, Mapping) and find(inner, rest) is not None:
            properties[head] = copy = dict(inner)
            _place(copy, rest, value)
            return


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Split a dotted name at each of its dots, the first one first."""
    at = name.find(".")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.find(".", at + 1)


PLAIN = Mapper(MapRules())
