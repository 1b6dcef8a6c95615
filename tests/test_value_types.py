"""Texts read as a kind: exactly, or refused with words that say how to mend it."""

from __future__ import annotations

import math
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.value_types import KINDS, converter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", " 007 ", " 007 "),
        ("number", "0", 0),
        ("number", "-12", -12),
        ("number", "007", 7),
        ("number", " 12 ", 12),
        ("number", "12345678901234567890123", 12345678901234567890123),
        ("number", "1.50", Decimal("1.50")),
        ("number", "3.", Decimal(3)),
        ("number", ".5", Decimal("0.5")),
        ("number", "1e5", Decimal("1E+5")),
        ("number", "0.1234567890123456789", Decimal("0.1234567890123456789")),
        ("boolean", "TRUE", True),
        ("boolean", "yes", True),
        ("boolean", "T", True),
        ("boolean", "1", True),
        ("boolean", "False", False),
        ("boolean", " no", False),
        ("boolean", "f", False),
        ("boolean", "0", False),
        ("json", '{"a":[1.10,9007199254740993,null]}', {"a": [Decimal("1.10"), 9007199254740993, None]}),
        ("json", "true", True),
        ("list", "a, b ,,c", ["a", "b", "c"]),
        ("list", "1", ["1"]),
        ("list", " , ", []),
        ("list", ' ["a, b", 1.5]', ["a, b", Decimal("1.5")]),
    ],
)
def test_what_fits(kind: str, text: str, value: object) -> None:
    read = converter(kind)(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("number", "", "is no number: write digits"),
        ("number", "abc", "is no number: write digits"),
        ("number", "+49", "leave out the plus"),
        ("number", "1,234.50", "without thousands separators"),
        ("number", "3,5", "with a point before the fraction"),
        ("number", "1 234", "without thousands separators"),
        ("number", "NaN", "is no number"),
        ("number", "Infinity", "is no number"),
        ("number", "0x1F", "is no number"),
        ("number", "1_000", "is no number"),
        ("number", "١٢", "is no number"),
        ("number", "12\n3", "is no number"),
        ("number", "1e400", "larger or smaller than any number"),
        ("number", "-1e-400", "larger or smaller than any number"),
        ("number", "9" * 5000, "more digits than a number may have"),
        ("boolean", "", "is no boolean: write true or false"),
        ("boolean", "maybe", "is no boolean"),
        ("boolean", "2", "is no boolean"),
        ("time", "", "is no time: write it like 2024-01-31T09:30:00Z"),
        ("json", "{'a': 1}", "is no JSON (JSON is malformed"),
        ("json", "", "is no JSON"),
        ("json", "NaN", "is no JSON"),
        ("json", '"\ud800"', "is no JSON"),
        ("json", "[" * 100_000, "is no JSON (nested too deeply)"),
        ("json", '[{"a":1,"b":2,"a":3}]', "has the name 'a' twice in one object: keep one"),
        ("list", "[1", "is no JSON"),
    ],
)
def test_what_does_not_fit(kind: str, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) ") as caught:
        converter(kind)(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31",
        "2024-01-31 09:30:00.123",
        "2024-01-31T09:30:00,5+01:00",
        "2024-01-31T09:30Z",
        "20240131T093000Z",
        "31.01.2024 9:30",
        "1/31/24, 9:30 PM",
        "Wed, 31 Jan 2024 09:30:00 +0000",
        "31-Jan-2024",
        "January 31, 2024 9:30 am",
        "2024-01-31 09:30:00 UTC",
        "2024-01-31 09:30:00 CET [Europe/Berlin]",
        " 1706693400 ",
        "1706693400.25",
        "-3600",
    ],
)
def test_times_stay_the_text_they_are(text: str) -> None:
    assert converter("time")(text) == text


@pytest.mark.parametrize("text", ["soon", "2024", "2024-01", "2024-01/31", "12 monkeys", "1e9", "2024-01-31T", "10:30"])
def test_what_is_no_time(text: str) -> None:
    if text == "2024":
        assert converter("time")(text) == text  # digits are seconds: who reads the time says more
        return
    with pytest.raises(ValueError, match="is no time"):
        converter("time")(text)


@given(
    st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
)
def test_a_number_survives(value: int | Decimal) -> None:
    try:
        read = converter("number")(str(value))
    except ValueError:
        assert value != 0
        assert math.isclose(float(value), 0.0)
        return
    assert read == value
    assert not isinstance(read, float)


@given(JSON)
def test_json_survives(value: Any) -> None:
    text = msgspec.json.encode(value).decode()
    assert converter("json")(text) == value
    if isinstance(value, list):
        assert converter("list")(text) == value


@given(st.text(max_size=20), st.sampled_from(KINDS))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    value: object = None
    with suppress(ValueError):
        value = converter(kind)(text)
    assert not isinstance(value, float)  # numbers are exact, or not read
