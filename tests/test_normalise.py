"""What is mended, what is left for the rules, and the `$insert_id` that is made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal, InvalidOperation
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import NOW, Pairs, Spelt, feed, near_events, spell

from mpimport.examine import _decode
from mpimport.limits import DISALLOWED_IDS
from mpimport.mapping import lift
from mpimport.mends import MENDS, NOTICES
from mpimport.normalise import LOOKALIKES, insert_id_of, normalise

PROPERTIES = {"time": NOW, "distinct_id": "u", "$insert_id": "i"}


def mended(**properties: Any) -> tuple[dict[str, Any], dict[str, int]]:
    mends: Counter[str] = Counter()
    event = normalise({"event": "a", "properties": {**PROPERTIES, **properties}}, mends)
    changed = {name: value for name, value in event["properties"].items() if PROPERTIES.get(name) != value}
    return changed, dict(mends)


@pytest.mark.parametrize(
    ("record", "event"),
    [
        ({"event": "a", "x": 1}, {"event": "a", "properties": {"x": 1}}),
        ({"x": 1}, {"properties": {"x": 1}}),
        ({}, {"properties": {}}),
        ({"event": "a", "properties": {"x": 1}}, {"event": "a", "properties": {"x": 1}}),
        ({"event": "a", "properties": {}, "x": 1}, {"event": "a", "properties": {}, "x": 1}),
        ({"event": "a", "properties": None}, {"event": "a", "properties": None}),
    ],
)
def test_flat_records_are_lifted(record: dict[str, Any], event: dict[str, Any]) -> None:
    assert lift(record) == event


@pytest.mark.parametrize(
    ("properties", "changed", "mends"),
    [
        ({}, {}, {}),
        ({"time": "2021-04-18T03:27:57Z"}, {"time": 1_618_716_477_000}, {"time_read": 1}),
        ({"time": "1618716477"}, {"time": 1_618_716_477}, {"time_read": 1}),
        ({"time": "1970-01-20"}, {"time": 1_641_600}, {"time_zone_assumed": 1}),
        ({"time": Decimal("1618716477.5")}, {"time": 1_618_716_477_500}, {"time_rounded": 1}),
        ({"time": 1.5e12}, {"time": 1_500_000_000_000}, {"time_rounded": 1}),
        ({"time": "soon"}, {"time": "soon"}, {}),
        ({"time": Decimal("1e1000000")}, {"time": Decimal("1e1000000")}, {}),
        ({"time": True}, {"time": True}, {}),
        ({"distinct_id": 5}, {"distinct_id": "5"}, {"id_to_text": 1}),
        ({"distinct_id": Decimal("1e3")}, {"distinct_id": "1000"}, {"id_to_text": 1}),
        ({"ip": None}, {}, {"ip_empty": 1}),
        ({"ip": ""}, {}, {"ip_empty": 1}),
        ({"ip": 0}, {"ip": 0}, {}),
        ({"distinct_id": Decimal("1.50")}, {"distinct_id": "1.50"}, {"id_to_text": 1}),
        ({"distinct_id": 10**30}, {"distinct_id": f"{10**30}"}, {"id_to_text": 1}),
        ({"$insert_id": 7}, {"$insert_id": "7"}, {"id_to_text": 1}),
        ({"distinct_id": -1}, {"distinct_id": "-1"}, {"id_to_text": 1}),
        ({"distinct_id": True}, {"distinct_id": True}, {}),
        ({"distinct_id": Decimal("Infinity")}, {"distinct_id": Decimal("Infinity")}, {}),
        *(({"distinct_id": name}, {"distinct_id": name}, {"id_lookalike": 1}) for name in sorted(LOOKALIKES)),
        ({"a": "x" * 256}, {"a": "x" * 255}, {"string_cut": 1}),
        ({"a": "😀" * 256}, {"a": "😀" * 63}, {"string_cut": 1}),
        ({"a": ["x" * 256, {"b": "y" * 999}]}, {"a": ["x" * 255, {"b": "y" * 255}]}, {"string_cut": 2}),
        ({"x" * 256: 1}, {"x" * 255: 1}, {"name_cut": 1}),
        ({"a": {"x" * 256: 1}}, {"a": {"x" * 255: 1}}, {"name_cut": 1}),
        ({"x" * 256: 1, "x" * 255: 2}, {"x" * 256: 1, "x" * 255: 2}, {}),
        ({"x" * 256: 1, "x" * 257: 2}, {"x" * 255: 1, "x" * 257: 2}, {"name_cut": 1}),
        ({"time": "2021-04-18T03:27:57" + " " * 300}, {"time": 1_618_716_477_000}, {"time_zone_assumed": 1}),
        ({"time": " " * 240 + "2021-04-18T03:27:57+05:00"}, {"time": 1_618_698_477_000}, {"time_read": 1}),
    ],
)
def test_what_is_mended(properties: dict[str, Any], changed: dict[str, Any], mends: dict[str, int]) -> None:
    assert mended(**properties) == (changed, mends)


def test_the_name_of_an_event_is_cut() -> None:
    assert normalise({"event": "x" * 300, "properties": {}})["event"] == "x" * 255


def test_the_record_itself_is_left_alone() -> None:
    record = {"event": "x" * 300, "properties": {"time": "1618716477", "a": ["y" * 300]}}
    normalise(record)

    assert record == {"event": "x" * 300, "properties": {"time": "1618716477", "a": ["y" * 300]}}


def test_every_mend_has_its_words() -> None:
    assert MENDS.keys() >= NOTICES


@given(near_events(), st.integers())
def test_twice_is_once(value: Any, seed: int) -> None:
    try:
        record = _decode(spell(value, Random(seed)).encode())
    except (ValueError, InvalidOperation):
        return
    once = normalise(record)
    mends: Counter[str] = Counter()

    assert normalise(once, mends) == once
    assert mends.keys() <= NOTICES


def id_of(text: str) -> str:
    [line] = feed([text.encode()]).lines
    found = re.search(rb'"\$insert_id":"([^"]*)"', line)
    assert found
    return found[1].decode()


def without_id(*members: tuple[str, Any]) -> Pairs:
    known = Pairs((("time", Spelt(str(NOW))), ("distinct_id", "u"), *members))
    return Pairs((("event", "a"), ("properties", known)))


def test_the_made_id_never_changes() -> None:
    made = id_of(spell(without_id(), Random(0), plain=True))

    assert made == "bda26e1007ebfa6521c2b791c912e71b974f", "what was imported once would be imported twice"


@given(
    st.lists(
        st.tuples(
            st.text("abcé", min_size=1, max_size=3),
            st.sampled_from(
                ["x", "é", True, None, Spelt("1"), Spelt("0.1"), Spelt("1e5"), Spelt("1" * 30), [], Pairs(())]
            ),
        ),
        max_size=4,
        unique_by=lambda member: member[0],
    ),
    st.randoms(use_true_random=False),
)
@example([("a", Pairs((("b", "x"), ("c", "y"))))], Random(3))
def test_the_made_id_depends_on_the_content_only(members: list[tuple[str, Any]], random: Random) -> None:
    whole = without_id(*members)
    plain = id_of(spell(whole, random, plain=True))
    properties = list(whole[1][1])
    random.shuffle(properties)
    turned = Pairs((("properties", Pairs(properties)), whole[0]))
    slow = Pairs((("event", "a"), ("properties", Pairs((*properties, ("$insert_id", None))))))
    flat = Pairs((whole[0], *properties))

    assert {id_of(spell(same, random)) for same in (whole, turned, slow, flat)} == {plain}
    assert re.fullmatch("[0-9a-f]{36}", plain)
    assert plain not in DISALLOWED_IDS


def test_different_content_gives_different_ids() -> None:
    values = [Spelt("1"), Spelt("1.0"), True, "1", None, [Spelt("1")], Pairs((("1", "1"),)), "", [], Pairs(()), "true"]
    texts = [spell(without_id(("a", value)), Random(0), plain=True) for value in values]
    texts += [
        spell(without_id(*members), Random(0), plain=True) for members in ([], [("b", "1")], [("a", "1"), ("b", "1")])
    ]
    texts.append(texts[0].replace('"a"', '"other"', 1))
    texts.append(texts[0].replace('"u"', '"v"'))
    texts.append(texts[0].replace(str(NOW), str(NOW + 1)))

    assert id_of(texts[0].replace(str(NOW), str(NOW * 1000))) == id_of(texts[0])  # the same moment
    assert len({id_of(text) for text in texts}) == len(texts)


def test_the_id_is_made_after_mending() -> None:
    text = spell(without_id(), Random(0), plain=True)

    assert id_of(text) == id_of(text.replace(str(NOW), f'"{NOW}"')) == id_of(text.replace(str(NOW), f"{NOW}.0"))


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_the_id_is_the_same_in_every_process(seed: str) -> None:
    code = """from mpimport.normalise import normalise
print(normalise({"event": "a", "b": 1, "a": {"y": 1.5, "x": "\\xe9"}})["properties"]["$insert_id"])"""
    env = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == insert_id_of("a", {"a": {"x": "é", "y": 1.5}, "b": 1})


def test_an_id_that_is_given_is_kept() -> None:
    assert insert_id_of("a", {"$insert_id": "x", "b": 1}) == insert_id_of("a", {"b": 1})
    assert normalise({"event": "a", "$insert_id": "x"})["properties"]["$insert_id"] == "x"


def test_what_has_no_json_form_gets_no_id() -> None:
    assert "$insert_id" not in normalise({"event": "a", "x": "\ud800"})["properties"]
    assert "$insert_id" not in normalise({"event": "a", "x": object()})["properties"]


@pytest.mark.parametrize(
    "number", ["1e-999999999999999999", "0e-999999999999999999", "0e999999999999999999", "1e-4301"]
)
def test_an_id_is_not_spelt_out_in_a_billion_digits(number: str) -> None:
    found = normalise({"event": "x", "properties": {"distinct_id": Decimal(number), "time": 1_700_000_000}})

    assert found["properties"]["distinct_id"] == Decimal(number)
