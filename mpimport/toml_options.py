"""Options as a TOML file holds them: reading it, and what says what is wrong with its names and values.

A key is an option's name without its dashes in front. Must not know which options there are. Values are never
quoted: somebody may have put a secret there.
"""

from __future__ import annotations

import codecs
import json
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mpimport.errors import UsageProblem
from mpimport.misspelt import hint
from mpimport.spelling import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_BYTES = 1_000_000  # of a file; ours: a thousand options take less than a tenth
_DESCRIPTORS = Path("/dev/fd")  # where a shell puts `<(command)`, whose other end is open already
Check = Callable[[Any], str]
"""Says what is wrong with a value; empty: nothing."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. UsageProblem: it is none, or cannot be read; where it is, the caller says."""
    try:
        return tomllib.loads(_read_text(path))
    except OSError as error:
        mend = "check the path" if isinstance(error, FileNotFoundError) else "make it readable"
        raise UsageProblem(f"cannot be read: {error.strerror or error}; {mend}") from error
    except UnicodeDecodeError as error:
        kind = "UTF-16" if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "not UTF-8"
        raise UsageProblem(f"is {kind} text at byte {error.start + 1}; save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # a TOMLDecodeError, or a number of thousands of digits
        raise UsageProblem(
            f"is no TOML: {error}; mend it there (text takes quotes, \"...\", or '...' for a path with \\)"
        ) from error


def _read_text(path: Path) -> str:
    """Read a file that is one: to open a pipe could wait for ever, and a device may have no end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not (stat.S_ISFIFO(mode) and path.is_relative_to(_DESCRIPTORS)):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "no regular file"
        raise UsageProblem(f"is {kind}; name a file, or remove it from there")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UsageProblem(f"is larger than {MAX_BYTES:,} bytes; is it the right file?")
    return content.decode("utf-8-sig")


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
            listed = listed or f"known are {', '.join(checks)}"
            told = hint(name, checks, prefix="").rstrip(".")
            yield f"unknown key {name!r}; {told[:1].lower()}{told[1:]}" if told else f"unknown key {name!r}; {listed}"
        elif words := check(value):
            yield f"{name}: {words}"


def text(value: Any) -> str:
    """Check a text."""
    fits = isinstance(value, str) and value and "\0" not in value  # which no path can hold, and nothing else needs
    return "" if fits else "must be a text" + (", in quotes" if isinstance(value, (int, float)) else "")


def flag(value: Any) -> str:
    """Check what is on or off."""
    return "" if isinstance(value, bool) else f"must be true or false{_unquoted(value)}"


def whole(value: Any) -> str:
    """Check a whole number."""
    return "" if isinstance(value, int) and not isinstance(value, bool) else f"must be a whole number{_unquoted(value)}"


def number(value: Any) -> str:
    """Check a number."""
    return (
        "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"must be a number{_unquoted(value)}"
    )


def _unquoted(value: Any) -> str:
    return ", without quotes" if isinstance(value, str) else ""


def text_or_whole(value: Any) -> str:
    """Check a text that may be written as a number, such as that of a project."""
    return "" if not text(value) or not whole(value) else "must be a text or a whole number"


def two_numbers(value: Any) -> str:
    """Check a pair of numbers."""
    fits = isinstance(value, list) and len(value) == 2 and not any(map(number, value))
    return "" if fits else "must be a list of two numbers, such as [1, 5]"


def texts(value: Any) -> str:
    """Check a text, or a list of texts."""
    values = value if isinstance(value, list) else [value]
    fits = not any(map(text, values))
    return "" if fits else 'must be a text or a list of texts, such as ["a", "b"]'


def fields(value: Any) -> str:
    """Check names of fields: a list, or a text with commas between them, as the command line has it."""
    return texts(value)


def in_full(entries: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Give checked entries with lists and tables where one text, or texts such as "a=b", stood for them."""
    return {name: _in_full(value, checks[name]) for name, value in entries.items()}


def _in_full(value: Any, check: Check) -> Any:
    if isinstance(value, str) and check is fields:
        return [field for field in value.split(",") if field]
    if isinstance(value, str) and check in {texts, table_of_texts, table}:
        value = [value]
    if isinstance(value, list) and check in {table_of_texts, table}:
        pairs = [item.partition("=") for item in value]
        return {name: json_or_text(text) if check is table else text for name, _, text in pairs}
    return value


def _are_pairs(value: Any, *, may_be_empty: bool) -> bool:
    if texts(value):
        return False
    pairs = [item.partition("=") for item in ([value] if isinstance(value, str) else value)]
    return all(name and equals and (text or may_be_empty) for name, equals, text in pairs)


def table_of_texts(value: Any) -> str:
    """Check a table that holds nothing but texts, or texts that stand for one."""
    fits = isinstance(value, dict) and all(isinstance(item, str) and item for item in value.values())
    return "" if fits or _are_pairs(value, may_be_empty=False) else 'must be a table of texts, such as { old = "new" }'


def table(value: Any) -> str:
    """Check a table that could be JSON, or texts that stand for one."""
    if not isinstance(value, dict):
        return "" if _are_pairs(value, may_be_empty=True) else "must be a table, such as { name = 1 }"
    for name, item in value.items():
        try:
            json.dumps(item, allow_nan=False)
        except (TypeError, ValueError):
            return f"{name} is no value that JSON has, as dates, nan and inf are none: write it as text, in quotes"
    return ""


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


def json_or_text(text: str) -> Any:
    """Read a value as JSON where it is some, else as text: `3` is a number, `three` a text, `"3"` a text.

    What has no exact JSON form, such as 1e400, is text.
    """
    try:
        json.dumps(json.loads(text), allow_nan=False)
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return text
