"""Somebody's own field names become the API's: each rule in a table, aliases, and what must never happen."""

from __future__ import annotations

import copy
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.mapping import ALIASES, PLAIN, SPECIAL, Mapper, MapRules, lift
from mpimport.mends import MENDS, words_of
from mpimport.normalise import normalise
from mpimport.records import Reason

FLAT = {"event": "Paid", "time": 1, "distinct_id": "u", "$insert_id": "i", "amount": 5}


def mapped(record: dict[str, Any], **rules: Any) -> dict[str, Any]:
    return Mapper(MapRules(**rules)).apply(record, Counter())


def properties(record: dict[str, Any], **rules: Any) -> dict[str, Any]:
    found: dict[str, Any] = mapped(record, **rules)["properties"]
    return found


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"rename": (("amount", "total"),)}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "total": 5}),
        ({"rename": (("gone", "x"),)}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "amount": 5}),
        ({"rename": (("amount", "a"), ("a", "b"))}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "b": 5}),
        ({"drop": ("amount",)}, {"time": 1, "distinct_id": "u", "$insert_id": "i"}),
        ({"keep": ()}, {"time": 1, "distinct_id": "u", "$insert_id": "i"}),
        ({"keep": ("amount",)}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "amount": 5}),
        ({"set": (("a", None), ("b", [1]))}, {**dict(list(FLAT.items())[1:]), "a": None, "b": [1]}),
        ({"fields": {"distinct_id": "amount"}}, {"time": 1, "distinct_id": 5, "$insert_id": "i"}),
        ({"fields": {"time": "gone"}}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "amount": 5}),
        ({"types": (("amount", "number"),)}, {"time": 1, "distinct_id": "u", "$insert_id": "i", "amount": 5}),
    ],
)
def test_rules_over_a_flat_record(rules: dict[str, Any], expected: dict[str, Any]) -> None:
    assert properties(FLAT, **rules) == expected


def test_the_event_s_name() -> None:
    assert mapped(FLAT, event_name="All")["event"] == "All"
    assert mapped({"kind": "Paid", "x": 1}, fields={"event": "kind"}) == {"event": "Paid", "properties": {"x": 1}}
    assert mapped({"event": "a", "properties": {"kind": "b"}}, fields={"event": "kind"})["event"] == "b"


def test_dotted_names_reach_into_objects_and_an_exact_name_comes_first() -> None:
    record = {"user": {"id": "u1", "plan": {"name": "pro", "old": 1}}, "user.id": "exact", "event": "e", "time": 1}

    assert properties(record, fields={"distinct_id": "user.id"})["distinct_id"] == "exact"
    del record["user.id"]
    found = properties(record, fields={"distinct_id": "user.id"}, rename=(("user.plan.name", "plan"),))
    assert found == {"distinct_id": "u1", "plan": "pro", "user": {"plan": {"old": 1}}, "time": 1}
    assert properties(record, drop=("user.plan",))["user"] == {"id": "u1"}
    assert properties(record, keep=("user.plan.old",)) == {"time": 1, "user": {"plan": {"old": 1}}}


def test_a_record_is_never_changed_itself() -> None:
    record = {"event": "e", "properties": {"user": {"id": "u", "deep": {"a": 1}}, "x": 1}}
    before = copy.deepcopy(record)
    mapped(record, rename=(("user.deep.a", "b"),), drop=("x",), keep=("user.id",), fields={"distinct_id": "user.id"})

    assert record == before


def test_fields_at_the_top_of_an_event_are_reached() -> None:
    record = {"type": "Paid", "when": 5, "properties": {"a": 1}, "junk": 0}

    assert mapped(record, fields={"event": "type", "time": "when"}, drop=("junk",)) == {
        "event": "Paid",
        "properties": {"a": 1, "time": 5},
    }


@pytest.mark.parametrize(("target", "name"), [(target, name) for target, names in ALIASES.items() for name in names])
def test_an_alias_fills_what_is_missing_and_is_told(target: str, name: str) -> None:
    record = {key: value for key, value in FLAT.items() if key != target} | {name: "found"}
    mends: Counter[str] = Counter()
    event = PLAIN.apply(record, mends)

    assert (event if target == "event" else event["properties"])[target] == "found"
    assert name not in event["properties"]
    assert [words_of(mend, 1) for mend in mends] == [f"event had the {target} taken from {name!r}"]


@pytest.mark.parametrize("target", list(ALIASES))
def test_an_alias_never_replaces_what_is_there(target: str) -> None:
    record = {**FLAT, **{name: "other" for names in ALIASES.values() for name in names}}
    mends: Counter[str] = Counter()
    event = PLAIN.apply(record, mends)

    assert (event if target == "event" else event["properties"])[target] == FLAT[target]
    assert not mends


def test_an_option_comes_before_an_alias() -> None:
    record = {"event": "e", "timestamp": 5, "ts": 6, "user_id": "u"}

    found = properties(record, fields={"time": "ts"})
    assert (found["time"], found["timestamp"], found["distinct_id"]) == (6, 5, "u")


def test_identity_by_user_or_device_needs_no_distinct_id() -> None:
    found = PLAIN.apply({"event": "e", "time": 1, "$user_id": "u", "user_id": "v"}, Counter())["properties"]

    assert "distinct_id" not in found
    assert found["user_id"] == "v"


def test_a_value_that_does_not_fit_its_type_is_told() -> None:
    found: list[Reason] = []
    rules = MapRules(types=(("amount", "number"),))
    record = {**FLAT, "amount": "many"}

    assert Mapper(rules).apply(record, Counter(), found)["properties"]["amount"] == "many"
    assert [(reason.code, reason.field) for reason in found] == [("type_mismatch", "properties.amount")]
    assert "'many' is no number" in found[0].message
    kept: list[Reason] = []
    assert Mapper(rules, keeps_misfits=True).apply(record, Counter(), kept)["properties"]["amount"] == "many"
    assert kept == []


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (Decimal("1.50"), "1.50"), (True, "true"), (None, None), ([1], [1]), ("x", "x")]
)
def test_what_is_no_text_is_made_text_where_that_is_asked_for(value: object, text: object) -> None:
    assert properties({**FLAT, "amount": value}, types=(("amount", "string"),))["amount"] == text


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        Mapper(MapRules(types=(("a", "colour"),)))


def test_every_mend_has_its_words() -> None:
    assert all(words and not words.endswith(".") for _, words in MENDS.values())
    assert words_of("of_the_future", 2) == "of_the_future"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"a": "x" * 300, "b": "y" * 300, "$insert_id": "i"}] * 2, "4 texts cut to 255 characters"),
        ([{"a": "x" * 300, "$insert_id": "i"}], "1 text cut to 255 characters"),
        ([{"n" * 300: 1, "m" * 300: 1, "$insert_id": "i"}], "2 property names cut to"),
        ([{"distinct_id": 7, "$insert_id": 8}], "2 numbers as distinct_id or $insert_id sent as text"),
        ([{"distinct_id": "None", "$insert_id": "NULL"}], "2 ids such as None"),
        ([{}], "1 event got an $insert_id made"),
    ],
)
def test_what_may_be_there_several_times_in_one_event_is_not_told_as_events(
    rows: list[dict[str, Any]], words: str
) -> None:
    mends: Counter[str] = Counter()
    for row in rows:
        normalise({"event": "e", "properties": {"time": 1718000000, "distinct_id": "u", **row}}, mends)
    ((code, count),) = mends.items()

    assert f"{count} {words_of(code, count)}".startswith(words)


NAMES = st.sampled_from(["a", "b", "a.b", "user_id", "ts", "time", "event", "distinct_id", "$insert_id", "properties"])
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
RULES = st.builds(
    MapRules,
    event_name=st.none() | st.just("All"),
    fields=st.none() | st.dictionaries(st.sampled_from(list(ALIASES)), NAMES, max_size=3),
    rename=st.lists(st.tuples(NAMES, NAMES), max_size=3).map(tuple),
    drop=st.lists(NAMES, max_size=2).map(tuple),
    keep=st.none() | st.lists(NAMES, max_size=3).map(tuple),
    set=st.lists(st.tuples(NAMES, VALUES), max_size=2).map(tuple),
)


@given(st.dictionaries(NAMES, VALUES, max_size=6), RULES)
def test_no_record_and_no_rules_break_it(record: dict[str, Any], rules: MapRules) -> None:
    before = copy.deepcopy(record)
    event = Mapper(rules).apply(record, Counter())

    assert record == before
    assert isinstance(event, dict)
    inside = event.get("properties")
    if isinstance(inside, dict) and rules.keep is not None:
        heads = {name.split(".")[0] for name in rules.keep} | set(rules.keep)
        assert set(inside) <= heads | SPECIAL | {name for name, _ in rules.set}


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_without_rules_nothing_is_lost(record: dict[str, Any]) -> None:
    mends: Counter[str] = Counter()
    event = PLAIN.apply(record, mends)

    def flat(value: dict[str, Any]) -> list[str]:
        inside = value.get("properties")
        both = {**value, **inside} if isinstance(inside, dict) else value
        return sorted(repr(held) for name, held in both.items() if name != "properties" and held not in (None, ""))

    assert flat(event) == flat(lift(record)) or any(name in record for name in event)
    if not mends:
        assert event == lift(record)
