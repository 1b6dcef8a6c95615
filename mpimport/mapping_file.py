"""The mapping options from a file that lives in the user's repository (TOML), and both brought together.

A key is an option's name without its dashes in front. An unknown key or a value of the wrong kind is an
error that says what was probably meant.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from mpimport.errors import UsageProblem
from mpimport.settings import MapSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = {
    "event-field": "event",
    "time-field": "time",
    "distinct-id-field": "distinct_id",
    "insert-id-field": "$insert_id",
}
LONG_STRINGS = ("truncate", "reject", "drop", "keep")
DEEP = ("reject", "flatten", "stringify")


def read_mapping(path: str) -> dict[str, Any]:
    """Read a mapping file. Raises UsageProblem with everything that is wrong with it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--mapping {path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"--mapping {path}: is no TOML: {error}") from error
    entries = {name.replace("_", "-"): value for name, value in found.items()}
    problems = [f"--mapping {path}: {words}" for words in _problems(entries)]
    if problems:
        raise UsageProblem(*problems)
    return entries


def _problems(entries: Mapping[str, Any]) -> Iterator[str]:
    for name, value in entries.items():
        check = KEYS.get(name)
        if check is None:
            near = difflib.get_close_matches(name, KEYS, 1)
            yield f"unknown key {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}")
        elif words := check(value):
            yield f"{name}: {words}"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "must be a text"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _texts(value: Any) -> str:
    fits = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return "" if fits else 'must be a list of texts, such as ["a", "b"]'


def _table_of_texts(value: Any) -> str:
    fits = isinstance(value, dict) and all(isinstance(item, str) and item for item in value.values())
    return "" if fits else 'must be a table of texts, such as { old = "new" }'


def _table(value: Any) -> str:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return "must be a table of values that JSON has"
    return "" if isinstance(value, dict) else "must be a table, such as { name = 1 }"


def _one_of(*choices: str) -> Callable[[Any], str]:
    return lambda value: "" if value in choices else f"must be one of {', '.join(choices)}"


KEYS: dict[str, Callable[[Any], str]] = {
    "event-name": _text,
    **dict.fromkeys(FIELDS, _text),
    "insert-id-from": _texts,
    "time-format": _text,
    "timezone": _text,
    "rename": _table_of_texts,
    "drop": _texts,
    "keep": _texts,
    "set": _table,
    "type": _table_of_texts,
    "long-strings": _one_of(*LONG_STRINGS),
    "drop-long": _texts,
    "split-urls": _flag,
    "parse-json": _flag,
    "deep": _one_of(*DEEP),
}
"""What a mapping file may hold, each with what says what is wrong with its value; empty: nothing."""


def map_settings(entries: Mapping[str, Any]) -> MapSettings:
    """Build the settings from entries as a mapping file has them, checked."""
    keep = entries.get("keep")
    return MapSettings(
        event_name=entries.get("event-name"),
        fields={target: entries[name] for name, target in FIELDS.items() if name in entries},
        insert_id_from=tuple(entries.get("insert-id-from", ())),
        time_format=entries.get("time-format"),
        timezone=entries.get("timezone", "UTC"),
        rename=tuple(entries.get("rename", {}).items()),
        drop=tuple(entries.get("drop", ())),
        keep=None if keep is None else tuple(keep),
        set=tuple(entries.get("set", {}).items()),
        types=tuple(entries.get("type", {}).items()),
        long_strings=entries.get("long-strings", "truncate"),
        drop_long=frozenset(entries.get("drop-long", ())),
        split_urls=entries.get("split-urls", False),
        parse_json=entries.get("parse-json", False),
        deep=entries.get("deep", "reject"),
    )


def overlay(entries: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what the command line gave over a file's entries: tables are merged, everything else is replaced."""
    merged = dict(entries)
    for name, value in given.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def read_pairs(option: str, texts: Sequence[str], problems: list[str]) -> dict[str, str]:
    """Read what an option gave as NAME=VALUE, adding to `problems` what is none."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and (value or option == "set")):
            problems.append(f"--{option} {text}: write NAME=VALUE, such as --{option} {_PAIRS[option]}")
            continue
        pairs[name] = value
    return pairs


_PAIRS = {"rename": "user_plan=plan", "set": "source=backfill", "type": "zip=string"}


def json_or_text(text: str) -> Any:
    """Read a value as JSON where it is some, else as text: `3` is a number, `three` a text, `"3"` a text.

    What has no exact JSON form, such as 1e400, is text.
    """
    try:
        json.dumps(json.loads(text), allow_nan=False)
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text
