"""Options as a TOML file holds them: reading it, and what says what is wrong with its names and values.

A key is an option's name without its dashes in front. Must not know which options there are. Values are never
quoted: somebody may have put a secret there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mpimport.errors import UsageProblem
from mpimport.spelling import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Check = Callable[[Any], str]
"""Says what is wrong with a value; empty: nothing."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. UsageProblem: it is none, or cannot be read; where it is, the caller says."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(
            f"cannot be read: {getattr(error, 'strerror', None) or error}; make it readable, as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise UsageProblem(f"is no TOML: {error}; mend it there (text takes quotes)") from error


def with_dashes(found: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Give entries under the names that options have, adding to `problems` those that stand there in both spellings."""
    entries: dict[str, Any] = {}
    for name, value in found.items():
        option = name.replace("_", "-")
        if option in entries:
            problems.append(f"{option}: stands there twice, with - and with _: keep one")
        entries[option] = value
    return entries


def find_problems(entries: Mapping[str, Any], checks: Mapping[str, Check], listed: str = "") -> Iterator[str]:
    """Tell what is wrong with entries, given the check of each that there may be, and where these are listed."""
    for name, value in entries.items():
        check = checks.get(name)
        if check is None:
            near = nearest(name, checks)
            listed = listed or f"known are {', '.join(checks)}"
            yield f"unknown key {name!r}; " + (f"did you mean {near!r}?" if near else listed)
        elif words := check(value):
            yield f"{name}: {words}"


def text(value: Any) -> str:
    """Check a text."""
    return "" if isinstance(value, str) and value else "must be a text"


def flag(value: Any) -> str:
    """Check what is on or off."""
    return "" if isinstance(value, bool) else "must be true or false"


def whole(value: Any) -> str:
    """Check a whole number."""
    return "" if isinstance(value, int) and not isinstance(value, bool) else "must be a whole number"


def number(value: Any) -> str:
    """Check a number."""
    return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else "must be a number"


def text_or_whole(value: Any) -> str:
    """Check a text that may be written as a number, such as that of a project."""
    return "" if not text(value) or not whole(value) else "must be a text or a whole number"


def two_numbers(value: Any) -> str:
    """Check a pair of numbers."""
    fits = isinstance(value, list) and len(value) == 2 and not any(map(number, value))
    return "" if fits else "must be a list of two numbers, such as [1, 5]"


def texts(value: Any) -> str:
    """Check a list of texts."""
    fits = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
    return "" if fits else 'must be a list of texts, such as ["a", "b"]'


def table_of_texts(value: Any) -> str:
    """Check a table that holds nothing but texts."""
    fits = isinstance(value, dict) and all(isinstance(item, str) and item for item in value.values())
    return "" if fits else 'must be a table of texts, such as { old = "new" }'


def table(value: Any) -> str:
    """Check a table that could be JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return "must be a table of values that JSON has"
    return "" if isinstance(value, dict) else "must be a table, such as { name = 1 }"


def one_of(*choices: str) -> Check:
    """Make the check of a choice."""

    def check(value: Any) -> str:
        if value in choices:
            return ""
        near = nearest(value, choices) if isinstance(value, str) else None
        return f"must be one of {', '.join(choices)}" + (f"; did you mean {near!r}?" if near else "")

    return check


def overlay(entries: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what was given over entries: tables are merged, everything else is replaced."""
    merged = dict(entries)
    for name, value in given.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
