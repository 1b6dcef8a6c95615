"""The mapping options from a file that lives in the user's repository (TOML), and as the command line writes them.

A key is an option's name without its dashes in front. An unknown key or a value of the wrong kind is an
error that says what was probably meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpimport import toml_options
from mpimport.errors import UsageProblem
from mpimport.settings import MapSettings
from mpimport.toml_options import Check

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
    problems: list[str] = []
    entries: dict[str, Any] = {}
    try:
        entries = toml_options.with_dashes(toml_options.read_toml(Path(path)), problems)
    except UsageProblem as usage:
        problems.extend(usage.problems)
    problems.extend(toml_options.find_problems(entries, KEYS))
    if problems:
        raise UsageProblem(*(f"--mapping {path}: {words}" for words in problems))
    return toml_options.in_full(entries, KEYS)


KEYS: dict[str, Check] = {
    "event-name": toml_options.text,
    **dict.fromkeys(FIELDS, toml_options.text),
    "insert-id-from": toml_options.fields,
    "time-format": toml_options.text,
    "timezone": toml_options.text,
    "rename": toml_options.table_of_texts,
    "drop": toml_options.texts,
    "keep": toml_options.texts,
    "set": toml_options.table,
    "type": toml_options.table_of_texts,
    "long-strings": toml_options.one_of(*LONG_STRINGS),
    "drop-long": toml_options.texts,
    "split-urls": toml_options.flag,
    "parse-json": toml_options.flag,
    "deep": toml_options.one_of(*DEEP),
}
"""What a mapping file may hold, each with its check."""


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


def read_pairs(option: str, texts: Sequence[str], problems: list[str]) -> dict[str, str]:
    """Read what an option gave as NAME=VALUE, adding to `problems` what is none."""
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and (value or option == "set")):
            problems.append(f"--{option} {text}: write {_FORMS[option]}, such as --{option} {_PAIRS[option]}")
            continue
        if name.endswith(" ") and value.startswith(" "):
            problems.append(
                f"--{option} {text}: a space on each side would be part of it: write {name.rstrip()}={value.lstrip()}"
            )
            continue
        pairs[name] = value
    return pairs


_FORMS = {"rename": "OLD=NEW", "set": "NAME=VALUE", "type": "NAME=KIND"}
_PAIRS = {"rename": "user_plan=plan", "set": "source=backfill", "type": "zip=string"}
