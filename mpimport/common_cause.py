"""Owns the words for records that are nearly all rejected for one reason: the option that mends them. Pure.

Must not know how records were read, or where this is shown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

import msgspec

from mpimport.account import ReasonCount, Tally
from mpimport.limits import show
from mpimport.summary_text import clean

MIN_READ = 2  # ours: one bad record says nothing about the others
NEARLY_ALL = 0.9
MAX_NAMES, MAX_NAME = 12, 60

_FIELDS = {
    "event_missing": ("name", "--event-field", ("event", "action", "activity", "name", "type")),
    "time_missing": ("time", "--time-field", ("time", "date", "when", "created", "occurred")),
    "distinct_id_missing": ("distinct_id", "--distinct-id-field", ("user", "customer", "visitor", "uid", "email")),
}
"""What is missing, the option that names its field, and names that such a field has elsewhere."""

_CAUSES = {
    "time_in_future": "is the clock of this machine right, and --timezone or --time-format?",
    "not_json": "is the file in another format (--format)?",
    "not_an_object": "--format json reads an array of events, --json-path finds it inside a document",
    "ragged_row": "is there a title above the header, or another separator (--delimiter)?",
    "invalid_utf8": "--encoding NAME says what the file is in; windows-1252 is usual for Excel",
    "server_refused": "are the project and its region (--region, --url) the right ones?",
    "unknown_key": "--drop NAME leaves a key out, --rename NAME=NAME moves it into 'properties'",
}


def common_causes(tally: Tally) -> tuple[str, ...]:
    """Say what would mend nearly everything that was read, where one reason was given for nearly all of it."""
    if tally.read < MIN_READ:
        return ()
    common = {code: reason for code, reason in tally.reasons.items() if reason.count >= NEARLY_ALL * tally.read}
    lines = list(_missing_fields({code: common[code] for code in _FIELDS if code in common}, tally.read))
    for code, cause in _CAUSES.items():
        if code in common:
            many, hint = _many(common[code].count, tally.read), common[code].message.partition("; ")[2]
            has = _has(common[code]) if code == "unknown_key" else ""
            mend = hint if code == "not_json" and hint else cause
            lines.append(f"{many} records were rejected for one reason, {code}: {mend}{has}")
    return tuple(map(clean, lines))


def _missing_fields(missing: dict[str, ReasonCount], read: int) -> Iterator[str]:
    if not missing:
        return
    first = next(iter(missing.values()))
    names = field_names(first.event)
    words = [_FIELDS[code][0] for code in missing]
    what = " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
    found = "its field is named" if len(words) == 1 else "their fields are named"
    options = " ".join(_option(code, names) for code in missing)
    many = _many(min(reason.count for reason in missing.values()), read)
    if names and _is_data(names):
        yield f"{many} events have no {what}: is there no header row? The first row is taken for one{_has(first)}"
    else:
        yield f"{many} events have no {what}: say how {found}, such as with {options}{_has(first)}"


def _option(code: str, names: Sequence[str]) -> str:
    _, option, usual = _FIELDS[code]
    found = next((name for word in usual for name in names if word in name.lower() and len(name) <= MAX_NAME), "NAME")
    return f"{option} {shlex.quote(found)}"


def _is_data(names: Sequence[str]) -> bool:
    """Whether the names of columns look like the cells of a row: numbers, times, ids."""
    return any(re.fullmatch(r"[+-]?\d+([.,:/T -]\d+)*Z?", name) for name in names)


def _many(count: int, read: int) -> str:
    return f"all {read:,}" if count >= read else f"{count:,} of {read:,}"


def _has(reason: ReasonCount) -> str:
    names = [show(name)[1:-1] for name in field_names(reason.event)]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    found = f"{', '.join(names[:MAX_NAMES])}{more}"
    return f" ({reason.source}:{reason.number} has: {found})" if names else ""


def field_names(event: bytes | None) -> list[str]:
    """Name what a record has, in its order and in its properties; nothing for what is no JSON object."""
    try:
        record = msgspec.json.decode(event or b"null")
    except (msgspec.DecodeError, RecursionError):
        return []
    if not isinstance(record, dict):
        return []
    properties = record.get("properties")
    return [*(name for name in record if name != "properties"), *(properties if isinstance(properties, dict) else ())]
