"""The quick acceptor: its schema at the boundaries, and the splice that leaves every byte where it was."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import NOW, Pairs, exact, near_events, spell, values

from mpimport.accept import Names, count_colons, count_names, decode_typed, names_by_line, with_properties
from mpimport.limits import IGNORE, RESERVED


def text_of(value: str) -> bytes:
    return f'{{"event":"a","properties":{{"time":{NOW},"v":{value}}}}}'.encode()


def objects(levels: int) -> str:
    return '{"k":' * levels + "1" + "}" * levels


FITTING = [
    *("1", "1.5", "true", "null", '"x"', "[]", "{}", f'"{"x" * 255}"', f'"{"😀" * 255}"'),
    *(objects(3), f"[{objects(3)}]", "[[1]]", f"[{','.join('1' * 254)}]"),
    "{" + ",".join(f'"{n}":1' for n in range(254)) + "}",
    '{"' + "x" * 255 + '":1}',
]
OTHER = [
    *(f'"{"x" * 256}"', objects(4), f"[{objects(4)}]", "[[[1]]]", f"[{','.join('1' * 255)}]"),
    *("NaN", "1e400", '"\\ud800"'),
    "{" + ",".join(f'"{n}":1' for n in range(255)) + "}",
    '{"' + "x" * 256 + '":1}',
]  # fmt: skip


@pytest.mark.parametrize("value", FITTING, ids=range(len(FITTING)))
def test_what_fits_is_decoded(value: str) -> None:
    event = decode_typed(text_of(value))

    assert event.event == "a"
    assert event.properties["v"] == json.loads(value)


@pytest.mark.parametrize("value", OTHER, ids=range(len(OTHER)))
def test_what_may_not_fit_is_left_to_the_slow_way(value: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_typed(text_of(value))


@pytest.mark.parametrize(
    "text",
    ['{"event":5,"properties":{}}', f'{{"event":"{"x" * 256}","properties":{{}}}}', '{"event":"a"}', "{}", "[]",
     '{"event":"a","properties":{},"x":1}', '{"event":"a","properties":{}}{}', '{"event":"a","properties":[]}'],
)  # fmt: skip
def test_the_event_itself_is_checked(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_typed(text.encode())


@pytest.mark.parametrize(
    ("text", "spliced"),
    [
        ('{"event":"a","properties":{"x":1}}', '{"event":"a","properties":{"x":1,"ip":0}}'),
        ('{"event":"a","properties":{"x":1} } ', '{"event":"a","properties":{"x":1,"ip":0}}'),
        ('{"event":"a","properties":{"x":{"y":{}}}}', '{"event":"a","properties":{"x":{"y":{}},"ip":0}}'),
        ('{"event":"a","properties":{"x":"}}"}}', '{"event":"a","properties":{"x":"}}","ip":0}}'),
        ('{"properties":{"x":1},"event":"a"}', '{"properties":{"ip":0,"x":1},"event":"a"}'),
        (' { "properties" : { "x":1},"event":"}}"} ', ' { "properties" : {"ip":0,"x":1},"event":"}}"}'),
        ('{"properties":{"x":{}} ,"event":"a"}', '{"properties":{"ip":0,"x":{}} ,"event":"a"}'),
        ('{"pr\\u006fperties":{"x":1},"event":"a"}', None),
        ('{"event":"a","properties":{"x":1}' + " " * 70 + "}", None),
    ],
)
def test_members_are_spliced_in(text: str, spliced: str | None) -> None:
    assert with_properties(text.encode(), b'"ip":0') == (spliced.encode() if spliced else None)


@settings(max_examples=300)
@given(near_events(odd=0.2), st.integers())
def test_a_splice_adds_what_it_should_and_nothing_else(value: Pairs, seed: int) -> None:
    text = spell(value, Random(seed)).encode()
    try:
        event = exact(text)
        decode_typed(text)
    except (AssertionError, ValueError):
        return
    if not event["properties"] or "new" in event["properties"]:
        return
    spliced = with_properties(text, b'"new":[1]')

    if spliced is not None:
        event["properties"]["new"] = [exact(b"1")]
        assert exact(spliced) == event


@given(values, st.integers())
def test_names_are_never_more_than_the_colons_behind_quotes(value: Any, seed: int) -> None:
    text = spell(Pairs((("a", value),)), Random(seed)).encode()
    decoded = json.loads(text)

    assert count_names(decoded) <= count_colons(text)


@given(st.lists(st.tuples(values, st.integers()), max_size=5), st.sampled_from((b"", b"\n", b"\r\n")))
def test_counted_by_line_there_are_never_fewer_names_either(drawn: list[tuple[Any, int]], ending: bytes) -> None:
    texts = [spell(Pairs((("a", value), ("https", "s"))), Random(seed)).encode() for value, seed in drawn]
    counted = names_by_line(b"\n".join(texts) + ending)

    assert len(counted) == max(len(texts), 1) + bool(ending)
    for text, count in zip(texts, counted, strict=False):
        assert count_colons(text) <= count
        assert _count_members(json.loads(text, object_pairs_hook=lambda pairs: [pairs])) <= count


def _count_members(value: Any) -> int:
    """Count names, those that stand twice, too; an object is a list of one list of pairs here."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        pairs = [pair for pair in value[0] if isinstance(pair, tuple)]
        return len(pairs) + sum(_count_members(inner) for _, inner in pairs)
    return sum(map(_count_members, value)) if isinstance(value, list) else 0


def test_a_url_is_no_name() -> None:
    text = b'{"event":"a","properties":{"u":"https://a.b/c?d=e:f","v":["http://a", "ftps://b"],"w" : "is: so"}}'

    assert names_by_line(text) == [count_names(json.loads(text))]


@pytest.mark.parametrize("name", ["x" * 256, "\u00e9" * 256, *RESERVED, IGNORE])
def test_a_name_that_is_not_right_is_never_known(name: str) -> None:
    names = Names()

    for _ in range(2):
        assert not names.know({"a": 1, name: 1})
        assert not names.learn({"a": 1, name: 1})
    assert names.learn({"a": 1})
    assert names.know({"a": 1})
    assert not names.know({name: 1})


def test_names_that_never_come_again_take_no_room() -> None:
    names = Names()
    for number in range(20_000):
        assert names.learn({f"{number}{'x' * 200}": 1, f"n{number}": 1})

    assert len(names._known) <= 4096 + 1
    assert max(map(len, names._known)) <= 64
    assert names.learn({"x" * 255: 1})
    assert not names.know({"x" * 255: 1})
