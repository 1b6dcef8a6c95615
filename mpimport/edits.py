"""Mapping options as edits of an event's text, for the recogniser: pure; `mapping` is what they are held to.

Only for options that say by a property's name alone what becomes of it, and change no more than names, quotes and
whole members. The recogniser leaves each event for which that may not be all: one that lacks what an alias might
fill, that has both names of a property that is renamed, whose value has to be read more closely. So no edit is a mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mpimport.accept import REFUSED, Names, decode_typed
from mpimport.limits import MAX_NESTED_BYTES, MAX_TEXT
from mpimport.mapping import SPECIAL, MapRules
from mpimport.normalise import Shaping

KEEP, DROP, AS_STRING, AS_NUMBER, AS_BOOLEAN, NO_STRING, NOT_EMPTY = range(7)  # as in C

_ACTIONS = {"string": AS_STRING, "number": AS_NUMBER, "boolean": AS_BOOLEAN}  # text of other kinds is left to Python
_HELD = frozenset({"time", "distinct_id", "$insert_id", "ip", "event", "properties"})  # have rules of their own
_MOST_NAMES = 64
_MOST_GROWTH = MAX_NESTED_BYTES // 2  # an event that is longer with it than a value may be is not recognised
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class Edits:
    """What is done to the text of each event.

    `names` says of a property by its name what is done to it, and the name that it is sent by; `others` is what is
    done to all others. `event_name` is the text, as JSON has it, that takes the place of each name of an event; empty
    for none. `added` are members, a comma before each, of which there are `added_count`.
    """

    names: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    others: int = KEEP
    event_name: bytes = b""
    added: bytes = b""
    added_count: int = 0

    @property
    def growth(self) -> int:
        """By how many bytes an event becomes longer at most."""
        renamed = (max(len(sent.encode()) - len(name.encode()), 0) for name, (_, sent) in self.names.items())
        quoted = sum(2 for action, _ in self.names.values() if action == AS_STRING)
        return len(self.event_name) + len(self.added) + sum(renamed) + quoted


NO_EDITS = Edits()


def edits_of(shaping: Shaping) -> Edits | None:
    """Tell what was asked for as edits; None when that cannot be done."""
    if not shaping.texts.is_default or shaping.insert_id_from or shaping.times.time_format:
        return None
    rules = shaping.mapper.rules
    fields = {name: target for target, name in (rules.fields or {}).items() if name != target}
    renamed, gone = dict(rules.rename), {*rules.drop, *dict(rules.set)}
    named = [*fields, *renamed, *renamed.values(), *gone]
    types = _types(rules)
    if (
        types is None
        or len({*named, *fields.values()}) < len(named) + len(fields)  # the order of options would tell
        or len(renamed) < len(rules.rename)
        or len({*(rules.fields or {}).values()}) < len(rules.fields or ())
        or "event" in fields.values()
        or not _HELD.isdisjoint(named)
        or any("." in name for name in (*named, *types, *(rules.keep or ())))
        or not (rules.keep is None or {*rules.keep}.issuperset(renamed.values()))
    ):
        return None
    moved = fields | renamed
    seen = {*types, *moved.values(), *(rules.keep or ()), *SPECIAL, *(REFUSED if rules.keep is None else ())} - gone
    if rules.keep is not None:
        seen &= {*rules.keep, *SPECIAL}
    names = {name: (types.get(name, KEEP), name) for name in seen}
    names |= {old: (types.get(new, KEEP), new) for old, new in moved.items()}
    names |= {"ip": (NOT_EMPTY, "ip")} | {name: (DROP, name) for name in gone}
    return _checked(names, rules)


def _types(rules: MapRules) -> dict[str, int] | None:
    """Give what is done to the properties that are to be of a kind; None when the text does not show that."""
    types: dict[str, int] = {}
    for name, kind in rules.types:
        if name == "ip" or name in types or name in dict(rules.set):
            return None
        if name in _HELD:  # only texts are recognised as ids, and only numbers as times
            if (kind == "string") == (name == "time"):
                return None
        else:
            types[name] = _ACTIONS.get(kind, NO_STRING)
    return types


def _checked(names: Mapping[str, tuple[int, str]], rules: MapRules) -> Edits | None:
    """Put edits together whose own names and values are right; None when they are not."""
    added = dict(rules.set)
    sent = {sent: None for _, sent in names.values()}
    try:
        text, event_name = _encode(added)[1:-1], _encode(rules.event_name or "")[1:-1]
        if not (_are_right(rules.event_name or "-", added) and all(map(_is_plain, (*names, *sent)))):
            return None
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return None
    others = KEEP if rules.keep is None else DROP
    edits = Edits(names, others, event_name, b"," + text if added else b"", len(added))
    too_many = len(names) > _MOST_NAMES or edits.growth > _MOST_GROWTH or (rules.event_name == "")
    return None if too_many else edits


def _are_right(event_name: str, properties: dict[str, Any]) -> bool:
    event = decode_typed(_encode({"event": event_name, "properties": properties}))
    return not event.properties or Names().learn(event.properties)


def _is_plain(name: str) -> bool:
    """Tell whether a name is the same in JSON, and not too long to be sent."""
    return len(name) <= MAX_TEXT and _encode(name) == b'"%b"' % name.encode()
