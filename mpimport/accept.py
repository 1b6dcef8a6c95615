"""The quick acceptor: one typed decode in C recognises an event that is already right.

`Typed` is the schema, `Names` looks at the names of properties, `names_by_line` and `count_names` tell whether one may
stand twice, `with_properties` is the splice that adds properties to bytes without writing them again. Whatever is not
recognised here goes to `examine`, which mends it or explains what is wrong; nothing is rejected here.

An event is sound when its values, names, depths and counts are within the rules, and no name stands twice: all that is
left to look at are its own name and the few properties that have rules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Annotated, Any, Union, cast

import msgspec
from msgspec import Meta, Struct

from mpimport.limits import IGNORE, MAX_DEPTH, MAX_ITEMS, MAX_KEYS, MAX_PROPERTIES, MAX_TEXT, RESERVED
from mpimport.records import RawRecord

MAX_ADDED = 3  # `$insert_id`, `ip` and `token` may be put in after the typed decode has counted
LIST_NESTING = 2  # lists within lists that the schema knows; deeper ones are legal and take the slow way

REFUSED = frozenset({*RESERVED, IGNORE})
_MOST_KNOWN = 4096
_LONGEST_KNOWN = 64
_NO_MARKS = bytes(set(range(256)) - set(b'":ps\n'))

_Text = Annotated[str, Meta(max_length=MAX_TEXT)]


def _value_type(depth: int, lists: int) -> Any:
    """Build the type of a value that may hold `depth` levels of objects and `lists` of lists."""
    members: list[Any] = [_Text, int, float, bool, None]
    if depth:
        members.append(_limited(dict.__class_getitem__((_Text, _value_type(depth - 1, LIST_NESTING))), MAX_KEYS))
    if lists:
        members.append(_limited(list.__class_getitem__(_value_type(depth, lists - 1)), MAX_ITEMS))
    return Union[tuple(members)]  # noqa: UP007  made at run time, out of a list


def _limited(kind: Any, max_length: int) -> Any:
    return Annotated[kind, Meta(max_length=max_length)]


def _event_type() -> type[Typed]:
    properties = dict.__class_getitem__((str, _value_type(MAX_DEPTH, LIST_NESTING)))  # names: see `Names`
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        ("event", Union[_Text, None], None),  # noqa: UP007  evaluated on Python 3.10
        ("properties", _limited(properties, MAX_PROPERTIES - MAX_ADDED)),
    ]
    kind = msgspec.defstruct("Typed", fields, bases=(Typed,), forbid_unknown_fields=True, kw_only=True, gc=False)
    return cast("type[Typed]", kind)


class Typed(Struct):
    """What the typed decode returns: an event whose values, depths and counts are within the rules.

    `event` is None where there is none, or null.
    """

    event: str | None
    properties: dict[str, Any]


decode_typed = msgspec.json.Decoder(_event_type()).decode


class Names:
    """Remembers the names of properties that were found to be right, so that they are looked at once.

    msgspec keeps short names of type `str` from one decode to the next, but makes each one anew when the type
    limits it. So the schema leaves the names of properties to this.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self.know = self._known.issuperset
        """Whether all names of the properties are right, as far as they are known."""

    def learn(self, properties: dict[str, Any]) -> bool:
        """Look at the names themselves: none too long, reserved, or one that makes the API drop the event."""
        if not REFUSED.isdisjoint(properties) or max(map(len, properties)) > MAX_TEXT:
            return False
        if len(self._known) > _MOST_KNOWN:  # names made of data, which do not come again
            self._known.clear()
        self._known.update(name for name in properties if len(name) <= _LONGEST_KNOWN)
        return True


def names_by_line(text: bytes) -> list[int]:
    """Count for each line, as `count_colons` does or higher, the names in it: at once, for a block of lines.

    Of each line only quotes, colons and two letters are left, which keep the quote and the colon of "https:" apart.
    With all else goes the white space that may stand before a colon, so no name is missed.
    """
    return [marks.count(b'":') for marks in text.translate(None, _NO_MARKS).split(b"\n")]


def with_names(records: Iterable[RawRecord]) -> Iterator[tuple[RawRecord, int]]:
    """Give with each record the number of names in it, or more; what is not text counts as 1."""
    if isinstance(records, BytesIO):
        return zip(records, names_by_line(records.getvalue()))  # noqa: B905 - a line end makes one more
    return ((record, count_colons(record) if isinstance(record, bytes) else 1) for record in records)


def count_colons(text: bytes) -> int:
    """Count `":` in JSON text, with or without white space between: one stands behind each name, some in strings."""
    return text.translate(None, b" \t\r\n").count(b'":')


def count_names(value: dict[str, Any]) -> int:
    """Count the names in an object and in all objects inside it."""
    count = len(value)
    for inner in value.values():
        kind = type(inner)
        if kind is dict:
            count += count_names(inner)
        elif kind is list:
            count += _count_names_in_list(inner)
    return count


def _count_names_in_list(items: list[Any]) -> int:
    count = 0
    for item in items:
        kind = type(item)
        if kind is dict:
            count += count_names(item)
        elif kind is list:
            count += _count_names_in_list(item)
    return count


_LAST = re.compile(rb"\}\s*\}\s*\Z")
_FIRST = re.compile(rb'\s*\{\s*"properties"\s*:\s*\{')


def with_properties(event: bytes, members: bytes) -> bytes | None:
    """Splice members such as `"ip":0` into the JSON text of an event that has a property already.

    An event has two keys, and only `properties` is an object: when the text ends with two closing
    braces, the properties come last. Otherwise they come first. None when the text is neither, which
    takes a name spelt with escapes: such an event is written again instead.
    """
    last = _LAST.search(event, max(0, len(event) - 64))
    if last:
        return b"%b,%b}}" % (event[: last.start()], members)
    first = _FIRST.match(event)
    if first:
        return b"%b%b,%b" % (event[: first.end()], members, event[first.end() :].strip())
    return None
