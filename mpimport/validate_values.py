"""The rules for one property's value: text, numbers, lists and objects, however they are nested. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mpimport.limits import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_NESTED_BYTES,
    MAX_NESTING,
    MAX_TEXT,
    is_finite,
    show,
)
from mpimport.records import Reason

_encode = msgspec.json.Encoder(decimal_format="number").encode


def is_plain(name: object, value: Any) -> bool:
    """Whether a property is right at first sight, as most are, also those of events that are rejected."""
    if type(name) is not str or len(name) > MAX_TEXT or not name.isascii():
        return False
    kind = type(value)
    if kind is str:
        return len(value) <= MAX_TEXT and (value.isascii() or is_unicode(value))
    if kind is int or kind is Decimal:
        return is_finite(value)
    return value is None or kind is bool


def value_problems(name: object, value: object) -> Iterator[Reason]:
    """Tell everything that is wrong with a property: its name, its value, and what is inside of it."""
    path = f"properties.{name}"
    yield from _name(name, "properties")
    yield from _value(value, path)
    if isinstance(value, (Mapping, list)) and _is_too_large(value):
        yield Reason(
            "value_too_large",
            f"a list or object may take {MAX_NESTED_BYTES:,} bytes of JSON: send less of it",
            path[: MAX_TEXT * 2],
        )


def _name(name: object, path: str) -> Iterator[Reason]:
    if not isinstance(name, str):
        yield Reason("name_not_text", f"a property's name must be text, not {show(name)}", path)
    elif len(name) > MAX_TEXT:
        yield Reason(
            "name_too_long",
            f"the name {show(name)} is longer than {MAX_TEXT} characters, and cut it would equal another: rename it",
            path,
        )
    elif not is_unicode(name):
        yield Reason("lone_surrogate", f"the name {show(name)} holds half a character: rename it", path)


def _value(value: object, path: str, depth: int = 0, nesting: int = 0) -> Iterator[Reason]:
    path = path[: MAX_TEXT * 2]
    if isinstance(value, str):
        yield from _text(value, path)
    elif isinstance(value, (int, float, Decimal)):
        yield from _number(value, path)
    elif isinstance(value, Mapping):
        yield from _object(value, path, depth + 1, nesting + 1)
    elif isinstance(value, list):
        yield from _list(value, path, depth, nesting + 1)
    elif value is not None:
        yield Reason("not_json", f"a value of type {type(value).__name__} has no JSON form: send it as text", path)


def _text(value: str, path: str) -> Iterator[Reason]:
    if len(value) > MAX_TEXT:
        yield Reason("string_too_long", f"the text is longer than {MAX_TEXT} characters: see --long-strings", path)
    if not is_unicode(value):
        yield Reason("lone_surrogate", "the text holds half a character (a lone surrogate): mend the text", path)


def _list(value: list[Any], path: str, depth: int, nesting: int) -> Iterator[Reason]:
    if nesting > MAX_NESTING:
        yield Reason("too_deep", f"more than {MAX_NESTING} lists within each other: flatten them", path)
        return
    if len(value) > MAX_ITEMS:
        yield Reason("list_too_long", f"{len(value)} elements; Mixpanel takes at most {MAX_ITEMS} in a list", path)
    for item in value:
        yield from _value(item, f"{path}[]", depth, nesting)


def _number(value: float | Decimal, path: str) -> Iterator[Reason]:
    if not is_finite(value):
        yield Reason(
            "number_out_of_range",
            f"JSON readers cannot hold {show(value)} as a number: send it as text, or leave it out",
            path,
        )


def _object(value: Mapping[str, Any], path: str, depth: int, nesting: int) -> Iterator[Reason]:
    if depth > MAX_DEPTH:
        yield Reason(
            "too_deep",
            f"objects are nested deeper than {MAX_DEPTH} levels: flatten or drop the inner ones",
            path,
        )
        return
    if len(value) > MAX_KEYS:
        yield Reason("object_too_wide", f"{len(value)} keys; Mixpanel takes at most {MAX_KEYS} in an object", path)
    for name, inner in value.items():
        yield from _name(name, path)
        yield from _value(inner, f"{path}.{name}", depth, nesting)


def _is_too_large(value: Mapping[str, Any] | list[Any]) -> bool:
    try:
        return len(_encode(value)) > MAX_NESTED_BYTES
    except (TypeError, ValueError, RecursionError):
        return False  # another rule names what has no JSON form


def is_unicode(text: str) -> bool:
    """Whether text can be written as UTF-8: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
