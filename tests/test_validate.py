"""Every documented rule of an event, at its boundaries; and the table of all reason codes."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import LIMITS, NOW

import mpimport
from mpimport.limits import DISALLOWED_IDS, FUTURE_S, IDENTITIES, RESERVED
from mpimport.records import Reason
from mpimport.validate import problems
from mpimport.validate_values import is_plain, value_problems

CODES = {
    "not_an_object", "not_json", "invalid_utf8", "duplicate_key", "too_deep", "lone_surrogate", "event_too_large",
    "unknown_key", "event_missing", "event_not_text", "event_empty", "properties_not_an_object",
    "too_many_properties", "time_missing", "time_unreadable", "time_too_old", "time_in_future",
    "distinct_id_missing", "distinct_id_not_text", "distinct_id_disallowed",
    "insert_id_missing", "insert_id_not_text", "insert_id_disallowed", "insert_id_invalid",
    "reserved_property", "ignored_event", "name_not_text", "name_too_long", "string_too_long",
    "type_mismatch", "insert_id_source_missing", "distinct_id_too_long",
    "number_out_of_range", "list_too_long", "object_too_wide", "value_too_large",
    "not_an_event", "header_again", "empty_record",
}  # fmt: skip
"""All codes that the checks give. They are promised to users: one may be added, none renamed."""

CHECKS = (
    "mapping",
    "validate",
    "validate_values",
    "examine",
    "undecodable",
    "normalise",
    "accept",
    "intake",
    "rejects",
    "batch",
)


def test_the_table_of_codes_is_whole() -> None:
    folder = Path(mpimport.__file__).parent
    found = set()
    for module in CHECKS:
        for node in ast.walk(ast.parse((folder / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Reason":
                code = node.args[0]
                assert isinstance(code, ast.Constant), ast.dump(node)
                found.add(code.value)

    assert found == CODES
    assert all(
        code.isascii() and code.islower() and code.replace("_", "").isalpha() for code in CODES - {"invalid_utf8"}
    )


def event(**properties: Any) -> dict[str, Any]:
    return {"event": "a", "properties": {"time": NOW, "distinct_id": "u", "$insert_id": "i", **properties}}


def without(name: str) -> dict[str, Any]:
    whole = event()
    del whole["properties"][name]
    return whole


def codes(value: object) -> list[str]:
    return [reason.code for reason in problems(value, LIMITS)]


def test_an_event_that_is_right() -> None:
    assert codes(event(a=[1, None, True, "x", 1.5, Decimal("0.1"), {"b": {}}])) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "a list"), ("a", "text"), (1, "a number"), (1.5, "a number"), (Decimal(1), "a number"), (True, "true"),
        (None, "null"), (b"", "bytes"),
    ],
)  # fmt: skip
def test_what_is_no_object(value: object, words: str) -> None:
    [reason] = problems(value, LIMITS)

    assert reason.code == "not_an_object"
    assert words in reason.message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"event": None}, ["event_missing"]),
        ({"event": 5}, ["event_not_text"]),
        ({"event": ""}, ["event_empty"]),
        ({"event": " "}, []),
        ({"event": "x" * 255}, []),
        ({"event": "😀" * 255}, []),
        ({"event": "x" * 256}, ["string_too_long"]),
        ({"event": "\ud800"}, ["lone_surrogate"]),
        ({"x": 1}, ["unknown_key"]),
        ({"x": 1, "y": 2}, ["unknown_key", "unknown_key"]),
        ({"properties": None}, ["properties_not_an_object"]),
        ({"properties": []}, ["properties_not_an_object"]),
        ({"properties": {}}, ["time_missing", "distinct_id_missing", "insert_id_missing"]),
    ],
)
def test_the_event_itself(change: dict[str, Any], expected: list[str]) -> None:
    assert codes({**event(), **change}) == expected


def test_what_is_missing() -> None:
    assert codes({}) == ["event_missing", "properties_not_an_object"]
    assert codes(without("time")) == ["time_missing"]
    assert codes(without("distinct_id")) == ["distinct_id_missing"]
    assert codes(without("$insert_id")) == ["insert_id_missing"]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (31_535_999, "time_too_old"), (31_536_000, ""), (31_535_999.5, "time_too_old"), (31_536_000.5, ""),
        (31_535_999_000, "time_in_future"), (31_535_999_999, "time_in_future"), (31_536_000_000, ""),
        (99_999_999_999, ""), (10**11, ""),
        (NOW + FUTURE_S, ""), (NOW + FUTURE_S + 1, "time_in_future"), (Decimal(NOW + FUTURE_S) + 1, "time_in_future"),
        ((NOW + FUTURE_S) * 1000, ""), ((NOW + FUTURE_S) * 1000 + 1, "time_in_future"),
        (NOW * 10**6, "time_in_future"), (NOW * 10**9, "time_in_future"), (10**300, "time_in_future"),
        (10**400, "time_in_future"), (0, "time_too_old"), (-0.0, "time_too_old"), (-(10**300), "time_too_old"),
        (True, "time_unreadable"), (False, "time_unreadable"), ("1618716477", "time_unreadable"),
        ([], "time_unreadable"), ({}, "time_unreadable"), (None, "time_missing"),
    ],
)  # fmt: skip
def test_time(time: Any, expected: str) -> None:
    assert codes(event(time=time)) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "time", [float("nan"), float("inf"), Decimal("sNaN"), Decimal("1e1000000"), pytest.param(10**5000, id="digits")]
)
def test_a_time_that_is_no_number(time: Any) -> None:
    assert codes(event(time=time)) == ["time_unreadable", "number_out_of_range"]


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (NOW * 10**6, "divide by 1,000"),
        (NOW * 10**9, "divide by 1,000,000"),
        (NOW * 10, "milliseconds"),
        (NOW * 2, "(2077-"),
        (86_400, "1970-01-02"),
    ],
)
def test_the_message_about_a_time_helps(time: int, words: str) -> None:
    [reason] = problems(event(time=time), LIMITS)

    assert words in reason.message


def test_no_unit_is_guessed_for_a_number_that_is_none() -> None:
    [reason] = problems(event(time=10**300), LIMITS)

    assert "seconds" not in reason.message
    assert len(reason.message) < 200


@pytest.mark.parametrize("bad", sorted(DISALLOWED_IDS))
def test_a_disallowed_id_is_refused_as_spelt(bad: str) -> None:
    assert codes(event(distinct_id=bad)) == ["distinct_id_disallowed"]
    assert codes(event(**{"$insert_id": bad})) == ["insert_id_disallowed"]
    assert codes(event(distinct_id=bad.upper() + "x")) == []


def test_all_documented_ids_are_there() -> None:
    assert len(DISALLOWED_IDS) == 17


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", []), ("None", []), ("NULL", []), (None, ["distinct_id_missing"]), (5, ["distinct_id_not_text"]),
     (True, ["distinct_id_not_text"]), (["u"], ["distinct_id_not_text"]), ("x" * 255, []),
     ("x" * 256, ["string_too_long"])],
)  # fmt: skip
def test_distinct_id(value: Any, expected: list[str]) -> None:
    assert codes(event(distinct_id=value)) == expected


@pytest.mark.parametrize("name", IDENTITIES)
def test_identity_without_distinct_id(name: str) -> None:
    lone = without("distinct_id")
    for value, expected in (("u", []), ("", ["distinct_id_missing"]), (None, ["distinct_id_missing"])):
        lone["properties"][name] = value
        assert codes(lone) == expected
    lone["properties"].update({name: "u", "distinct_id": None})
    assert codes(lone) == ["distinct_id_missing"], "the server refuses null, whoever else is named"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a" * 36, []), ("a" * 37, ["insert_id_invalid"]), ("-", []), ("aZ09-", []), (5, ["insert_id_not_text"]),
     (None, ["insert_id_missing"]),
     *((bad, ["insert_id_invalid"]) for bad in ("", "a_b", "a b", "é", "a\n", "a.b", "\u0661", "\uff41"))],
)  # fmt: skip
def test_insert_id(value: Any, expected: list[str]) -> None:
    assert codes(event(**{"$insert_id": value})) == expected


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("value", [None, "", 1])
def test_reserved_names(name: str, value: Any) -> None:
    assert codes(event(**{name: value})) == ["reserved_property"]
    assert codes(event(a={name: value})) == []


@pytest.mark.parametrize(
    ("value", "ignored"), [(True, True), (1, True), ("", True), ("x", True), (0, True), (False, False), (None, False)]
)
def test_an_event_that_would_be_dropped(value: Any, *, ignored: bool) -> None:
    assert codes(event(**{"$ignore": value})) == (["ignored_event"] if ignored else [])


def numbered(count: int) -> dict[str, int]:
    return {f"p{n}": n for n in range(count)}


@pytest.mark.parametrize(("count", "fits"), [(253, True), (254, False)])
def test_properties_are_counted_with_the_ip_that_is_added(count: int, *, fits: bool) -> None:
    [*reasons] = problems(event(**numbered(count - 3)), LIMITS)

    assert [reason.code for reason in reasons] == ([] if fits else ["too_many_properties"])
    assert all("255 properties (with ip, which mpimport adds)" in reason.message for reason in reasons)


@pytest.mark.parametrize(("count", "fits"), [(254, True), (255, False)])
def test_properties_are_counted(count: int, *, fits: bool) -> None:
    assert codes(event(ip=0, **numbered(count - 4))) == ([] if fits else ["too_many_properties"])


def nested(levels: int) -> Any:
    return 1 if not levels else {"k": nested(levels - 1)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (nested(3), []), (nested(4), ["too_deep"]), ([nested(3)], []), ([[nested(3)]], []), ([nested(4)], ["too_deep"]),
        ({"k": [{"k": [{"k": [1]}]}]}, []), ({"k": [{"k": [{"k": [{}]}]}]}, ["too_deep"]), (nested(200), ["too_deep"]),
        (numbered(254), []), (numbered(255), ["object_too_wide"]), ([numbered(255)], ["object_too_wide"]),
        ([0] * 254, []), ([0] * 255, ["list_too_long"]), ([[0] * 255], ["list_too_long"]),
        ({"k": [0] * 255, "l": numbered(255)}, ["list_too_long", "object_too_wide"]),
        ("x" * 255, []), ("x" * 256, ["string_too_long"]), (["x" * 256, "x" * 256], ["string_too_long"] * 2),
        ("\ud800", ["lone_surrogate"]), ({"\udfff": 1}, ["lone_surrogate"]), ({"x" * 256: 1}, ["name_too_long"]),
        ({"x" * 255: 1}, []), ({5: 1}, ["name_not_text"]), ({1, 2}, ["not_json"]), (b"x", ["not_json"]),
        (float("nan"), ["number_out_of_range"]), (Decimal("1e400"), ["number_out_of_range"]), (1e308, []),
        (Decimal("sNaN"), ["number_out_of_range"]), pytest.param(10**4300, ["number_out_of_range"], id="4301 digits"),
        pytest.param(10**4300 - 1, [], id="4300 digits"),
    ],
)  # fmt: skip
def test_values(value: Any, expected: list[str]) -> None:
    assert codes(event(a=value)) == expected


@pytest.mark.parametrize(("size", "fits"), [(8192, True), (8193, False)])
@pytest.mark.parametrize("kind", ["list", "object", "two-byte letters"])
def test_the_size_of_a_list_or_object(kind: str, size: int, *, fits: bool) -> None:
    items = ["x" * 253] * 31  # 256 bytes each with quotes and comma: 7937 with the brackets
    value: Any = [*items, "x" * (size - 7937 - 3)]
    if kind == "object":
        value = {"k": value}
        value["k"][-1] = value["k"][-1][6:]
    if kind == "two-byte letters":
        value[0] = "é" * 126 + "x"

    assert codes(event(a=value)) == ([] if fits else ["value_too_large"])


def test_names_of_properties() -> None:
    assert codes(event(**{"x" * 255: 1, "": 2})) == []
    assert codes(event(**{"x" * 256: 1})) == ["name_too_long"]
    assert codes(event(**{"\ud800": 1})) == ["lone_surrogate"]


def test_all_problems_are_told_at_once() -> None:
    bad = {
        "event": "",
        "x": 1,
        "properties": {
            "time": 5,
            "distinct_id": "null",
            "$insert_id": "?",
            "bucket": 1,
            "$bucket": 1,
            "$ignore": True,
            "a": {"b": [nested(4), [0] * 255, "x" * 256]},
            **numbered(300),
        },
    }
    assert codes(bad) == [
        "unknown_key", "event_empty", "too_many_properties", "time_too_old", "distinct_id_disallowed",
        "insert_id_invalid", "reserved_property", "reserved_property", "ignored_event",
        "too_deep", "list_too_long", "string_too_long",
    ]  # fmt: skip


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner),
    max_leaves=10,
)


def check_reason(reason: Reason) -> None:
    assert reason.code in CODES
    assert reason.message
    assert "\n" not in reason.message


@given(anything, st.dictionaries(st.sampled_from(("time", "distinct_id", "$insert_id", "$ignore", "ip")), anything))
def test_no_value_raises(value: Any, properties: dict[str, Any]) -> None:
    for whole in (value, {"event": value, "properties": {**event()["properties"], **properties}}):
        for reason in problems(whole, LIMITS):
            check_reason(reason)


@given(
    st.text(st.characters(), max_size=3) | st.sampled_from(("x" * 255, "x" * 256, "é" * 256, "\ud800")) | st.integers(),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(), max_size=3)
        | st.sampled_from(("x" * 255, "x" * 256, "\udfff", Decimal("NaN"), object()))
        | st.sampled_from((-1, 1)).map(lambda sign: sign * 10**5000),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=4,
    ),
)
def test_what_is_plain_has_no_problem(name: object, value: object) -> None:
    assert not is_plain(name, value) or list(value_problems(name, value)) == []
