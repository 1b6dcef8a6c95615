"""The kinds that a text may be read as, each exactly or not at all. Pure; knows neither columns nor events.

| kind      | takes                                                         | gives                       |
|-----------|---------------------------------------------------------------|-----------------------------|
| `string`  | everything                                                    | the text                    |
| `number`  | `12`, `-3.50`, `007`, `1e5`; no `+`, no separators, no NaN    | int, or Decimal, never float|
| `boolean` | `true false yes no t f 1 0`, in any case                      | bool                        |
| `time`    | digits, ISO 8601, dates with `/ . -` or the name of a month   | the text, for who reads it  |
| `json`    | one JSON value without names that stand twice in an object    | the value, numbers exactly  |
| `list`    | a JSON array, or texts between commas, trimmed, none empty    | a list                      |

Spaces around a number, a boolean or a time are no part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from mpimport.limits import is_finite

KINDS = ("string", "number", "boolean", "time", "json", "list")
_CALLED = {
    "string": "str text varchar char",
    "number": "int integer long bigint float double decimal numeric real",
    "boolean": "bool",
    "time": "date datetime timestamp",
    "json": "object map dict struct",
    "list": "array",
}
"""What others call a kind."""

_INTEGER = re.compile(r"-?\d+", re.ASCII)
_DECIMAL = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)
_GROUPED = re.compile(r"-?\d{1,3}(?:[,' ]\d{3})+(?:\.\d*)?|-?\d+,\d+", re.ASCII)
_BOOLEANS = {word: word in ("true", "yes", "t", "1") for word in ("true", "false", "yes", "no", "t", "f", "1", "0")}

_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_ZONE = r" ?(?:Z|z|[+-]\d\d:?(?:\d\d)?|[A-Z]{2,5})(?: ?[\[(][\w/ +-]+[\])])?"
_DAY = (
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}"
    r"|(?:[A-Za-z]{3,9},? +)?(?:\d{1,2}[ -][A-Za-z]{3,9}\.?[ ,-]+\d{2,4}|[A-Za-z]{3,9}\.? +\d{1,2},? +\d{4})"
)
_TIME = re.compile(
    rf"-?\d{{1,20}}(?:\.\d{{1,12}})?|\d{{8}}[Tt]\d{{4,6}}(?:[.,]\d+)?(?:{_ZONE})?"
    rf"|(?:{_DAY})(?:(?:[Tt]|,? +){_CLOCK}(?:{_ZONE})?)?",
    re.ASCII,
)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def converter(kind: str) -> Callable[[str], Any]:
    """Give the function that reads a text as a kind.

    It raises `ValueError` for a text that does not fit; the words say why and how to mend it, and follow
    on the text: "is no number: ...".
    """
    return _CONVERTERS[kind]


def _read_string(text: str) -> str:
    return text


def _read_number(text: str) -> int | Decimal:
    text = text.strip()
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        value = Decimal(text) if _DECIMAL.fullmatch(text) else None
    except (ValueError, InvalidOperation) as error:  # Python reads no integer of more than 4,300 digits
        raise ValueError("has more digits than a number may have: keep it as text") from error
    if value is None:
        raise ValueError(f"is no number: {_mend_number(text)}")
    if not is_finite(value) or (value and not float(value)):
        raise ValueError("is larger or smaller than any number that can be stored: keep it as text")
    return value


def _mend_number(text: str) -> str:
    if text.startswith("+"):
        return "leave out the plus"
    if _GROUPED.fullmatch(text):
        return "write it without thousands separators, and with a point before the fraction"
    return "write digits, with a point before the fraction"


def _read_boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise ValueError("is no boolean: write true or false, yes or no, t or f, 1 or 0")
    return value


def _read_time(text: str) -> str:
    if not _TIME.fullmatch(text.strip()):
        raise ValueError("is no time: write it like 2024-01-31T09:30:00Z, or as seconds since 1970")
    return text


def _read_json(text: str) -> Any:
    try:
        value = _decode(text)
        if "{" in text:
            json.loads(text, object_pairs_hook=_refuse_doubles, parse_int=str, parse_float=str)
    except _DoubledName:
        raise
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidOperation) as error:
        raise ValueError(f"is no JSON ({_first_line(error)}): write it like {{'a': 1}} with double quotes") from error
    return value


def _read_list(text: str) -> list[Any]:
    if text.lstrip().startswith("{"):
        raise ValueError("is a JSON object and no list: --type NAME=json reads it")
    if text.lstrip().startswith("["):
        return list(_read_json(text))
    return [part for part in map(str.strip, text.split(",")) if part]


class _DoubledName(ValueError):
    """One of two values would be lost."""


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise _DoubledName(f"has the name {doubled!r} twice in one object: keep one")


def _first_line(error: Exception) -> str:
    known = {RecursionError: "nested too deeply", InvalidOperation: "a number is out of range"}
    return known.get(type(error)) or str(error).splitlines()[0]


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "string": _read_string,
    "number": _read_number,
    "boolean": _read_boolean,
    "time": _read_time,
    "json": _read_json,
    "list": _read_list,
}


def meant_kind(kind: str) -> str | None:
    """Give the kind that was probably meant by a name that is none."""
    plain = kind.strip().lower()
    return next((one for one, others in _CALLED.items() if plain == one or plain in others.split()), None)
