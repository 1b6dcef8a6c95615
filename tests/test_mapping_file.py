"""The mapping file: what it may hold, what is told about what it may not, and how options lie over it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mpimport.cli import command
from mpimport.errors import UsageProblem
from mpimport.mapping_file import KEYS, map_settings, read_mapping
from mpimport.settings import MapSettings
from mpimport.toml_options import json_or_text, overlay

WHOLE = """
event-field = "kind"
time_field = "when"
insert-id-from = ["order", "line"]
timezone = "Europe/Berlin"
time-format = "%d.%m.%Y"
drop = ["junk"]
keep = ["a", "b.c"]
long-strings = "drop"
drop-long = ["note"]
split-urls = true
parse-json = true
deep = "flatten"
[rename]
"old name" = "new name"
[set]
source = "backfill"
version = 3
[type]
zip = "string"
"""


def write(folder: Path, text: str) -> str:
    path = folder / "mapping.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_whole_file(tmp_path: Path) -> None:
    assert map_settings(read_mapping(write(tmp_path, WHOLE))) == MapSettings(
        fields={"event": "kind", "time": "when"},
        insert_id_from=("order", "line"),
        time_format="%d.%m.%Y",
        timezone="Europe/Berlin",
        rename=(("old name", "new name"),),
        drop=("junk",),
        keep=("a", "b.c"),
        set=(("source", "backfill"), ("version", 3)),
        types=(("zip", "string"),),
        long_strings="drop",
        drop_long=frozenset({"note"}),
        split_urls=True,
        parse_json=True,
        deep="flatten",
    )


def test_nothing_given_is_the_default() -> None:
    assert map_settings({}) == MapSettings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time-feild = 'ts'", "did you mean 'time-field'"),
        ("nonsense = 1", "known are event-name"),
        ("event-name = 3", "event-name: must be a text"),
        ("drop = 1", "drop: must be a text or a list of texts"),
        ("rename = ['a']", "rename: must be a table of texts"),
        ("[set]\na = 2024-05-01", "set: a is no value that JSON has"),
        ("set = 3", "set: must be a table"),
        ("[set]\na = nan", "set: a is no value that JSON has"),
        ("split-urls = 'yes'", "split-urls: must be true or false"),
        ("long-strings = 'cut'", "must be one of truncate, reject, drop, keep"),
        ("deep = 'yes'", "must be one of reject, flatten, stringify"),
        ("deep = 'flaten'", "did you mean 'flatten'"),
        ("time_field = 'a'\ntime-field = 'b'", "time-field: stands there twice"),
        ("= 3", "is no TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageProblem, match="--mapping") as problem:
        read_mapping(write(tmp_path, text))

    assert words in str(problem.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as problem:
        read_mapping(write(tmp_path, "drop = 1\nkeep = 2\nx = 3"))

    assert len(problem.value.problems) == 3


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="cannot be read"):
        read_mapping(str(tmp_path / "gone.toml"))


def test_options_lie_over_the_file() -> None:
    file: dict[str, Any] = {"event-name": "a", "set": {"x": 1, "y": 2}, "drop": ["p"]}

    assert overlay(file, {"event-name": "b", "set": {"y": 3}, "drop": ["q"]}) == {
        "event-name": "b",
        "set": {"x": 1, "y": 3},
        "drop": ["q"],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("three", "three"),
        ('"3"', "3"),
        ("[1, 2]", [1, 2]),
        ("true", True),
        ("", ""),
        ("NaN", "NaN"),
        ("1e400", "1e400"),
        ("[1e999]", "[1e999]"),
        ("0.1", Decimal("0.1")),
    ],
)
def test_a_value_is_json_where_it_is_some(text: str, value: object) -> None:
    assert json_or_text(text) == value


def test_every_key_is_an_option() -> None:
    options = {name for parameter in command.params for name in parameter.opts}

    assert {f"--{key}" for key in KEYS} <= options
