"""Values that are taken apart, and values that are written as text: tables, and what holds for every value."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.flatten import MAX_PARAMETERS, MAX_URL, flatten, is_legal, parse, split_url, stringify
from mpimport.validate_values import value_problems

TOO = {"too_deep", "object_too_wide", "list_too_long"}

DEEP = {"b": {"c": {"d": 1}}}  # one level of objects around it is too much


def lists(depth: int, inner: Any = 1) -> Any:
    value = inner
    for _ in range(depth):
        value = [value]
    return value


def objects(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"k": value}
    return value


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.decimals(-9, 9, places=1))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("ab.", max_size=2), inner, max_size=3),
        st.integers(253, 256).flatmap(lambda n: inner.map(lambda value: [*range(n - 1), value])),
        st.integers(253, 256).map(lambda n: {str(k): k for k in range(n)}),
        st.integers(1, 70).map(lists),
        st.integers(1, 5).map(objects),
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("value", "ends"),
    [
        ({"a": DEEP}, {".a": DEEP}),
        ({"a": DEEP, "x": 1}, {".a": DEEP, ".x": 1}),
        ({"a": {"a": DEEP, "x": {"y": 1}}}, {".a.a": DEEP, ".a.x": {"y": 1}}),
        ([{"a": DEEP}, 2], {".0.a": DEEP, ".1": 2}),
        ({"a": {"b": [{"c": {"d": 1}}]}}, {".a": {"b": [{"c": {"d": 1}}]}}),
        ({"a": [{"b": {"c": {"d": 1}}}]}, {".a": [{"b": {"c": {"d": 1}}}]}),
        ({"a": {"w": list(range(255))}}, None),
        ({"a": {str(k): 1 for k in range(255)}}, None),
        ({1: DEEP}, None),
        (objects(10), {".k" * 7: objects(3)}),
        (objects(100_000), None),
        (lists(66), {".0.0": lists(64)}),
    ],
)
def test_flatten(value: Any, ends: dict[str, Any] | None) -> None:
    pieces = flatten(value, 254)

    assert (pieces if pieces is None else dict(pieces)) == ends


def test_flatten_needs_room() -> None:
    value = {"a": DEEP, "x": 1, "y": 2}

    assert flatten(value, 2) is None
    assert flatten(value, 3) == [(".a", DEEP), (".x", 1), (".y", 2)]


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"a": DEEP}, ({"a": {"b": {"c": '{"d":1}'}}}, 1)),
        ({"a": DEEP, "x": 1}, ({"a": {"b": {"c": '{"d":1}'}}, "x": 1}, 1)),
        ([{"a": DEEP}], ([{"a": {"b": {"c": '{"d":1}'}}}], 1)),
        ({"a": {"b": {"c": {}, "d": {"e": Decimal("0.10")}}}}, ({"a": {"b": {"c": "{}", "d": '{"e":0.10}'}}}, 2)),
        (["x"] * 255, (json.dumps(["x"] * 255, separators=(",", ":")), 1)),
        ({"a": [0] * 255}, ({"a": json.dumps([0] * 255, separators=(",", ":"))}, 1)),
        (lists(66), (lists(64, "[[1]]"), 1)),
        ({"a": {"b": {"c": {"d": float("nan")}}}}, None),
        ({"a": {"b": {"c": {"d": Decimal("inf")}}}}, None),
        ({"a": {"b": {"c": {1: 1}}}}, None),
        ({"a": {"b": {"c": {"d": "\ud800"}}}}, None),
        ({"a": {"b": {"c": {"d": object()}}}}, None),
        ({"a": {"b": {"c": {"d": b"bytes"}}}}, None),
        ({"a": {"b": {"c": objects(100_000)}}}, None),
    ],
)
def test_stringify(value: Any, result: tuple[Any, int] | None) -> None:
    assert stringify(value) == result


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ('{"a":1,"b":{"c":"x"}}', {".a": 1, ".b.c": "x"}),
        ('{"a":[1,{"b":2}],"c":null}', {".a": [1, {"b": 2}], ".c": None}),
        ('{"a":{},"b":[]}', {".a": {}, ".b": []}),
        (" \n[1,2]\t", {"": [1, 2]}),
        ("{ }", {"": {}}),
        ('{"n":0.10,"e":1e5}', {".n": Decimal("0.10"), ".e": Decimal("1e5")}),
        (f'{{"i":{10**30}}}', {".i": 10**30}),
        ('{"a":1,"a":1}', None),
        ('[{"a":1,"a":2}]', None),
        ('[{"a":{"b":{"c":{"d":1}}}}]', None),
        (json.dumps([0] * 255), None),
        (json.dumps(["x" * 100] * 100), None),
        ('{"a":1e999}', None),
        ('{"a":NaN}', None),
        ('{"a":"\\ud800"}', None),
        ('{"\ud800":1}', None),
        ('{"a":1', None),
        ('"text"', None),
        ("12", None),
        ("[" * 100_000, None),
        ('{"a":' * 100_000, None),
    ],
)
def test_parse(text: str, ends: dict[str, Any] | None) -> None:
    pieces = parse(text, 254)

    assert (pieces if pieces is None else dict(pieces)) == ends


def test_parse_needs_room() -> None:
    assert parse('{"a":1,"b":{"c":2,"d":3}}', 2) is None
    assert parse('{"a":1,"b":{"c":2,"d":3}}', 3) == [(".a", 1), (".b.c", 2), (".b.d", 3)]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("https://shop.example/a/b", {" host": "shop.example", " path": "/a/b"}),
        ("HTTP://shop.example", {" host": "shop.example", " path": "/"}),
        ("http://h:8080?q=a+b%21", {" host": "h:8080", " path": "/", " q": "a b!"}),
        ("http://u:secret@h/x", {" host": "h", " path": "/x"}),
        ("http://h/%41", {" host": "h", " path": "/%41"}),
        ("http://h/?a=1&b=2&a=3", {" host": "h", " path": "/", " a": "1, 3", " b": "2"}),
        ("http://h/?a&&b==&=x", {" host": "h", " path": "/", " a": "", " b": "=", " query rest": "=x"}),
        ("http://h/?a=%ff&%C3%A9=%C3%A9", {" host": "h", " path": "/", " a": "%ff", " é": "é"}),
        ("http://h/p#top?x=1", {" host": "h", " path": "/p", " fragment": "top?x=1"}),
        ("http://h?#", {" host": "h", " path": "/"}),
        ("http://[::1]:80/x", {" host": "[::1]:80", " path": "/x"}),
        ("http://münchen.example/ü", {" host": "münchen.example", " path": "/ü"}),
        ("http:///path", None),
        ("http://u@/path", None),
        ("ftp://h/x", None),
        ("//h/x", None),
        ("/x?y=1", None),
        ("http://h/a b", None),
        ("see http://h/x", None),
        ("http://h/x\n", None),
        ("http://h/" + "x" * MAX_URL, None),
    ],
)
def test_split_url(text: str, ends: dict[str, str] | None) -> None:
    pieces = split_url(text)

    assert (pieces if pieces is None else dict(pieces)) == ends


def test_the_parameters_of_a_url_are_bounded() -> None:
    pieces = split_url("http://h/?" + "&".join(f"p{n}=%2{n % 10}" for n in range(100)) + "&p0=again")
    assert pieces is not None

    assert len(pieces) == 2 + MAX_PARAMETERS + 1
    assert dict(pieces)[" p0"] == " , again"
    assert dict(pieces)[" query rest"].startswith("p20=%20&p21=%21&")


@pytest.mark.parametrize("part", ["@", "a@", "/", "?", "&", "#", "%", "%2", "a:", "http://"])
def test_no_url_takes_long(part: str) -> None:
    started = time.perf_counter()
    for end in ("", " "):
        split_url("http://" + (part * MAX_URL)[: MAX_URL - 8] + end)

    assert time.perf_counter() - started < 1


@given(values)
def test_legal_is_what_the_rules_take(value: Any) -> None:
    assert is_legal(value) == TOO.isdisjoint(problem.code for problem in value_problems("x", value))


@given(values)
def test_what_is_flattened_is_legal_and_whole(value: Any) -> None:
    pieces = flatten(value, 254)

    assert pieces is None or all(is_legal(inner) for _, inner in pieces)
    assert pieces is not None or not is_legal(value)
    if is_legal(value):
        assert pieces == [("", value)]


@given(values)
def test_what_is_written_is_legal(value: Any) -> None:
    texts = stringify(value)
    assert texts is not None

    assert is_legal(texts[0])
    assert (texts[0] == value) == (texts[1] == 0) == is_legal(value)


@given(st.one_of(st.text('{}[]":,ab1\\ ', max_size=12), values.map(lambda value: json.dumps(value, default=str))))
def test_parse_never_raises(text: str) -> None:
    pieces = parse(text, 254)

    assert pieces is None or (text.strip()[0] in "{[" and len(pieces) <= 254)


@given(st.text(), st.sampled_from(["http://", "https://h", "http://h?", "http://h/?a="]))
def test_split_url_never_raises(text: str, start: str) -> None:
    pieces = split_url(start + text)

    assert pieces is None or len(pieces) <= MAX_PARAMETERS + 4
