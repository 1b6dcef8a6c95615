"""Owns the words for records that are nearly all rejected for one reason: the option that mends them. Pure.

Must not know how records were read, or where this is shown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

import msgspec

from mpimport.account import ReasonCount, Tally
from mpimport.limits import DISALLOWED_IDS, MAX_TEXT, show
from mpimport.mapping import ALIASES
from mpimport.printable import clean

MIN_READ = 2  # ours: one bad record says nothing about the others
NEARLY_ALL = 0.9
MAX_NAMES, MAX_NAME = 12, 60

MISSING_FIELDS = {
    "event_missing": ("name", "--event-field", ("event", "action", "activity", "=name", "=type", "name", "type")),
    "time_missing": ("time", "--time-field", ("time", "date", "when", "created", "occurred")),
    "distinct_id_missing": (
        "distinct_id",
        "--distinct-id-field",
        ("distinct", "user_id", "userid", "user", "customer", "visitor", "uid", "email"),
    ),
}
"""What is missing, the option that names its field, and names that such a field has elsewhere: whole ones after `=`."""

MIN_TIME = 100_000_000  # ours: in seconds that is 1973
_match_id = re.compile(r"[\W\d_]*|\d{4}-\d\d.*|(?=.*\d)[0-9a-fA-F-]{8,}").fullmatch
_match_id_name = re.compile(r"(?:.*[_\W])?u?u?(?:id|ID|Id)s?|.*[a-z](?:Id|ID)s?").fullmatch

_CAUSES = {
    "time_in_future": "is the clock of this machine right, and --timezone or --time-format?",
    "not_json": "is the file in another format (--format)?",
    "not_an_event": "mend them in the source that the file names, and import them from there",
    "not_an_object": "--format json reads an array of events, --json-path finds it inside a document",
    "ragged_row": "is there a title above the header, or another separator (--delimiter)?",
    "invalid_utf8": "--encoding NAME says what the file is in; windows-1252 is usual for Excel",
    "server_refused": "are the project and its region (--region, --url) the right ones?",
}

_TEXT = "--deep stringify (255 characters of the text stay), or --drop NAME"
_ID = "--drop '$insert_id', and one is made, or --insert-id-from A,B"
MENDED_BY = {
    "time_unreadable": "--time-format FORMAT (strptime, or s, ms, us, ns, iso)",
    "time_in_future": "--time-format FORMAT or --timezone ZONE, if it is another unit or zone",
    "unknown_key": "--drop NAME, or --rename NAME=NAME, which moves it into 'properties'",
    "type_mismatch": "--type NAME=string",
    "reserved_property": "--rename OLD=NEW, or --drop NAME",
    "ignored_event": "--drop '$ignore', if they are to be imported",
    "too_many_properties": "--keep NAME for each that is to stay, or --drop NAME for others",
    "too_deep": "--deep flatten, --deep stringify, or --drop NAME",
    **dict.fromkeys(("object_too_wide", "list_too_long"), _TEXT),
    **dict.fromkeys(("value_too_large", "number_out_of_range"), "--drop NAME, or mend the value"),
    "string_too_long": "--long-strings truncate, --split-urls, --parse-json, --drop-long NAME",
    **dict.fromkeys(("insert_id_not_text", "insert_id_disallowed"), _ID),
}
"""The options that mend a record as it stands in the rejected-events file, by the code of what is wrong with it."""
_UNREAD = ("too_deep", "number_out_of_range")  # so much so that no option sees it, where it is kept as raw text


def common_causes(tally: Tally) -> tuple[str, ...]:
    """Say what would mend nearly everything that was read, where one reason was given for nearly all of it."""
    common = {code: reason for code, reason in tally.reasons.items() if reason.count >= NEARLY_ALL * tally.read}
    if tally.read < MIN_READ:
        common = {code: reason for code, reason in common.items() if _is_in_another_case(code, reason)}
    lines = list(_name_missing({code: common[code] for code in MISSING_FIELDS if code in common}, tally.read))
    for code, cause in {**MENDED_BY, **_CAUSES}.items():
        if code in common and not (code in _UNREAD and common[code].raw):
            many, hint = _many(common[code].count, tally.read), common[code].message.partition("; ")[2]
            has = _has(common[code]) if code == "unknown_key" else ""
            mend = hint if code == "not_json" and hint else cause
            lines.append(f"{many} records were rejected for one reason, {code}: {mend}{has}")
    return tuple(map(clean, lines))


def _is_in_another_case(code: str, reason: ReasonCount) -> bool:
    """Whether the field that is missing is there in capitals: of this even one record tells."""
    name = code.removesuffix("_missing")
    usual = {one.lower() for one in (name, *ALIASES.get(name, ()))}
    return code in MISSING_FIELDS and any(found.lower() in usual for found in _fields(reason.event))


def _name_missing(missing: dict[str, ReasonCount], read: int) -> Iterator[str]:
    if not missing:
        return
    first = next(iter(missing.values()))
    fields = _fields(first.event)
    names = list(fields)
    words = [MISSING_FIELDS[code][0] for code in missing]
    what = " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
    found = "its field is named" if len(words) == 1 else "their fields are named"
    options = " ".join(find_option(code, first.event) for code in missing)
    if options == "--distinct-id-field NAME":
        options += ", or --set distinct_id= if these have no user"
    many = f"{_many(min(reason.count for reason in missing.values()), read)} events have"
    many = many if read > 1 else "the only event has"
    if names and _is_data(names):
        yield f"{many} no {what}: is there no header row? The first row is taken for one{_has(first)}"
    else:
        yield f"{many} no {what}: say how {found}, such as with {options}{_has(first)}"


def find_option(code: str, event: bytes | None) -> str:
    """Give the option that names a field which is missing: with the one of the event's that it may be, or with NAME."""
    _, option, usual = MISSING_FIELDS[code]
    fits = _FITS[code]
    names = [name for name, value in _fields(event).items() if len(name) <= MAX_NAME and fits(name, value)]
    found = next((name for word in usual for name in names if _is_called(name.lower(), word)), "NAME")
    return f"{option} {shlex.quote(found)}"


def _is_called(name: str, word: str) -> bool:
    return name == word[1:] if word.startswith("=") else word in name


def _may_be_name(name: str, value: object) -> bool:
    """Whether it is text, and neither an id nor a number or a date: these differ from event to event."""
    return isinstance(value, str) and not (_match_id_name(name) or _match_id(value)) and len(value) <= MAX_TEXT


def _may_be_time(_: str, value: object) -> bool:
    if isinstance(value, str):
        return re.search(r"\d", value) is not None
    return isinstance(value, (int, float)) and value >= MIN_TIME


def _may_be_user(name: str, value: object) -> bool:
    if name == "distinct_id" or isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    return re.fullmatch(r"\S+", str(value)) is not None and str(value) not in DISALLOWED_IDS


_FITS: dict[str, Callable[[str, object], bool]] = {
    "event_missing": _may_be_name,
    "time_missing": _may_be_time,
    "distinct_id_missing": _may_be_user,
}
"""Whether a field can be what is missing, by its name and what the record that was looked at has there."""


def _is_data(names: Sequence[str]) -> bool:
    """Whether the names of columns look like the cells of a row: numbers, times, ids."""
    return any(re.fullmatch(r"[+-]?\d+([.,:/T -]\d+)*Z?", name) for name in names)


def _many(count: int, read: int) -> str:
    every = "both" if read == 2 else f"all {read:,}"
    return every if count >= read else f"{count:,} of {read:,}"


def _has(reason: ReasonCount) -> str:
    names = [show(name)[1:-1] for name in _fields(reason.event)]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    found = f"{', '.join(names[:MAX_NAMES])}{more}"
    return f" ({reason.source}:{reason.number} has: {found})" if names else ""


def _fields(event: bytes | None) -> dict[str, object]:
    """Give what a record has, in its order and in its properties; nothing for what is no JSON object."""
    try:
        record = msgspec.json.decode(event or b"null")
    except (msgspec.DecodeError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    properties = record.pop("properties", None)
    return {**record, **properties} if isinstance(properties, dict) else record
