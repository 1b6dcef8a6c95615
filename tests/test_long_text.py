"""Long text and deep objects: each remedy before and after, and what holds for every property under every rule."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpimport.flatten import is_legal
from mpimport.limits import MAX_PROPERTIES, MAX_TEXT
from mpimport.long_text import PROTECTED, Deep, LongStrings, TextRules, apply, cut_text
from mpimport.mends import MENDS

DEFAULT = TextRules()
SPLIT = TextRules(split_urls=True)
PARSE = TextRules(parse_json=True)
DROP_NOTE = TextRules(drop_long=frozenset({"note"}))
REJECT = TextRules(long_strings="reject")
DROP = TextRules(long_strings="drop")
KEEP = TextRules(long_strings="keep")
FLATTEN = TextRules(deep="flatten")
STRINGIFY = TextRules(deep="stringify")
ALL_RULES = [
    TextRules(split_urls=urls, parse_json=parsed, drop_long=frozenset(names), long_strings=long_strings, deep=deep)
    for urls, parsed, names, long_strings, deep in product(
        (False, True), (False, True), ((), ("a", "a.b", "time")), get_args(LongStrings), get_args(Deep)
    )
]

LONG = "x" * 256
CUT = "x" * 255
TEXT = "I like it. " * 30
URL = f"https://shop.example/cart?ref=mail&item=a+b&item=c%26d&pad={CUT}#top"
URL_SPLIT = {
    "page host": "shop.example",
    "page path": "/cart",
    "page ref": "mail",
    "page item": "a b, c&d",
    "page pad": CUT,
    "page fragment": "top",
}
JSON = json.dumps({"plan": "pro", "price": 9.5, "user": {"age": 7, "tags": ["a", "b"]}, "pad": CUT})
JSON_PARSED = {
    "data.plan": "pro",
    "data.price": Decimal("9.5"),
    "data.user.age": 7,
    "data.user.tags": ["a", "b"],
    "data.pad": CUT,
}
DEEP = {"a": {"b": {"c": {"d": 1}}}}


def applied(properties: Mapping[str, Any], rules: TextRules = DEFAULT) -> tuple[dict[str, Any], dict[str, int]]:
    mends: Counter[str] = Counter()
    return apply(properties, rules, mends), dict(mends)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner)


@pytest.mark.parametrize(
    ("rules", "before", "after", "mends"),
    [
        (DEFAULT, {"note": TEXT}, {"note": TEXT[:255]}, {"string_cut": 1}),
        (DEFAULT, {"a": [LONG, {"b": LONG}]}, {"a": [CUT, {"b": CUT}]}, {"string_cut": 2}),
        (DEFAULT, {LONG: 1, "a": {LONG: 1}}, {CUT: 1, "a": {CUT: 1}}, {"name_cut": 2}),
        (DEFAULT, {LONG: 1, CUT: 2}, {LONG: 1, CUT: 2}, {}),
        (DEFAULT, {LONG: 1, LONG + "x": 2}, {CUT: 1, LONG + "x": 2}, {"name_cut": 1}),
        (DEFAULT, {"a": (LONG, 1)}, {"a": [CUT, 1]}, {"string_cut": 1}),
        (DEFAULT, {"a": (1,), 7: LONG}, {"a": [1], 7: CUT}, {"string_cut": 1}),
        (DEFAULT, {"page": URL, "data": JSON}, {"page": URL[:255], "data": JSON[:255]}, {"string_cut": 2}),
        (DEFAULT, {"x": DEEP}, {"x": DEEP}, {}),
        (DEFAULT, {"distinct_id": LONG}, {"distinct_id": CUT}, {"string_cut": 1}),
        (SPLIT, {"page": URL}, URL_SPLIT, {"url_split": 1}),
        (SPLIT, {"page": "http://h/?a=1"}, {"page": "http://h/?a=1"}, {}),
        (SPLIT, {"page": TEXT, "list": [URL]}, {"page": TEXT[:255], "list": [URL[:255]]}, {"string_cut": 2}),
        (SPLIT, {"distinct_id": URL}, {"distinct_id": URL[:255]}, {"string_cut": 1}),
        (
            SPLIT,
            {"u": f"http://h/?host=x&host+(url)=y&pad={CUT}", "u path": 1},
            {
                "u host": "h",
                "u path (url)": "/",
                "u host (url)": "x",
                "u host (url) (url)": "y",
                "u pad": CUT,
                "u path": 1,
            },
            {"url_split": 1},
        ),
        (
            SPLIT,
            {"u": f"http://h/?to=http%3A%2F%2Fg%2Fp%3Fx%3D{LONG}"},
            {"u host": "h", "u path": "/", "u to host": "g", "u to path": "/p", "u to x": CUT},
            {"url_split": 2, "string_cut": 1},
        ),
        (
            SPLIT,
            {CUT: f"http://h/?pad={CUT}"},
            {f"{'x' * 250} host": "h", f"{'x' * 250} path": "/", f"{'x' * 251} pad": CUT},
            {"url_split": 1, "name_cut": 3},
        ),
        (PARSE, {"data": JSON}, JSON_PARSED, {"json_parsed": 1}),
        (PARSE, {"data": '{"a":1}'}, {"data": '{"a":1}'}, {}),
        (PARSE, {"data": "[1,2]" + " " * 255}, {"data": [1, 2]}, {"json_parsed": 1}),
        (PARSE, {"data": f'["{LONG}"]'}, {"data": [CUT]}, {"json_parsed": 1, "string_cut": 1}),
        (PARSE, {"data": f'{{"a":1,"a":"{LONG}"}}'}, {"data": f'{{"a":1,"a":"{"x" * 243}'}, {"string_cut": 1}),
        (PARSE, {"data": JSON[:-1]}, {"data": JSON[:255]}, {"string_cut": 1}),
        (PARSE, {"data": json.dumps(dict.fromkeys(range(254)))}, {"data": ...}, {"string_cut": 1}),
        (
            PARSE,
            {"d": f'{{"a.b":1,"a":{{"b":2}},"c":"{CUT}"}}', "d.c": 3},
            {"d.a.b": 1, "d.a.b (json)": 2, "d.c (json)": CUT, "d.c": 3},
            {"json_parsed": 1},
        ),
        (
            PARSE,
            {"d": json.dumps({"e": JSON})},
            {name.replace("data", "d.e"): value for name, value in JSON_PARSED.items()},
            {"json_parsed": 2},
        ),
        (DROP_NOTE, {"note": TEXT, "other": TEXT}, {"other": TEXT[:255]}, {"string_dropped": 1, "string_cut": 1}),
        (DROP_NOTE, {"note": "short"}, {"note": "short"}, {}),
        (DROP_NOTE, {"note": [TEXT]}, {"note": [TEXT[:255]]}, {"string_cut": 1}),
        (
            TextRules(split_urls=True, drop_long=frozenset({"page", "time"})),
            {"page": URL, "time": LONG},
            {"time": CUT},
            {"string_dropped": 1, "string_cut": 1},
        ),
        (REJECT, {"note": TEXT, "a": [TEXT]}, {"note": TEXT, "a": [TEXT]}, {}),
        (KEEP, {"note": TEXT, "a": [TEXT], LONG: 1}, {"note": TEXT, "a": [TEXT], CUT: 1}, {"name_cut": 1}),
        (DROP, {"note": TEXT, "a": [1, TEXT, {"b": TEXT}]}, {"a": [1, {}]}, {"string_dropped": 3}),
        (DROP, dict.fromkeys(PROTECTED, LONG), dict.fromkeys(PROTECTED, LONG), {}),
        (FLATTEN, {"x": DEEP, "y": 1}, {"x.a": {"b": {"c": {"d": 1}}}, "y": 1}, {"deep_flattened": 1}),
        (FLATTEN, {"x": DEEP, "x.a": 1}, {"x.a (flat)": DEEP["a"], "x.a": 1}, {"deep_flattened": 1}),
        (FLATTEN, {"x": [{"k": DEEP}, 2]}, {"x.0.k.a": ..., "x.1": 2}, {"deep_flattened": 1}),
        (FLATTEN, {"x": [0] * 255, "time": DEEP}, {"x": [0] * 255, "time": DEEP}, {}),
        (FLATTEN, {"x": {"a": {**DEEP, "t": TEXT}}}, {"x.a.a": ..., "x.a.t": TEXT[:255]}, ...),
        (STRINGIFY, {"x": DEEP}, {"x": {"a": {"b": {"c": '{"d":1}'}}}}, {"deep_text": 1}),
        (STRINGIFY, {"x": [0] * 255}, {"x": "[" + "0," * 127}, {"deep_text": 1, "string_cut": 1}),
        (STRINGIFY, {"x": {"a": {"b": {"c": {"d": float("nan")}}}}}, {"x": ...}, {}),
    ],
)
def test_before_and_after(rules: TextRules, before: Any, after: dict[str, Any], mends: Any) -> None:
    result, counted = applied(before, rules)

    assert list(result) == list(after)
    assert {name: ... if after[name] is ... else value for name, value in result.items()} == after
    assert mends in (..., counted)
    assert counted.keys() <= MENDS.keys()


def test_the_default_rules_are_known() -> None:
    assert DEFAULT.is_default
    assert [rules for rules in ALL_RULES if rules.is_default] == [DEFAULT]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (CUT, CUT),
        (LONG, CUT),
        ("é" * 255, "é" * 255),  # 510 bytes, but 255 characters: as documented
        ("é" * 256, "é" * 127),
        ("€" * 256, "€" * 85),
        ("😀" * 256, "😀" * 63),
        ("x" * 254 + "é" + "x", "x" * 254),
        ("x" * 253 + "é" + "xx", "x" * 253 + "é"),
        ("x" * 254 + "e\u0301", "x" * 254),
        ("x" * 249 + "👩\u200d👧" + "x" * 9, "x" * 249),
        ("x" * 244 + "👩\u200d👧" + "x" * 9, "x" * 244 + "👩\u200d👧"),
        ("x" * 250 + "\u2764\ufe0f" + "x" * 9, "x" * 250 + "\u2764\ufe0f"[:0]),
        ("x" * 250 + "👍🏽" + "x" * 9, "x" * 250),
        ("x" * 244 + "🇩🇪🇫🇷" + "x" * 9, "x" * 244 + "🇩🇪"),
        ("x" * 240 + "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f" + "x" * 9, "x" * 240),
        ("x" * 250 + "\u1112\u1161\u11ab" + "x" * 9, "x" * 250),
        ("x" * 250 + "\ud83d\ude00" + "x" * 9, "x" * 250),
        ("e" + "\u0301" * 300, "e" + "\u0301" * 127),
        ("\u200d" * 300, "\u200d" * 85),
        ("e" * 3 + "\u200d" * 300, "eee"),
    ],
)
def test_the_cut(text: str, cut: str) -> None:
    assert cut_text(text) == cut


@given(st.text(st.sampled_from("xé€😀\u0301\u200d\ufe0f🇩🏽\ud83d\ude00\u1161"), min_size=40, max_size=400))
def test_the_cut_fits_both_readings(text: str) -> None:
    cut = cut_text(text)

    assert text.startswith(cut)
    assert cut_text(cut) == cut
    if len(text) <= MAX_TEXT:
        assert cut == text
    else:
        assert 0 < len(cut.encode("utf-8", "surrogatepass")) <= MAX_TEXT


@pytest.mark.parametrize("added", [{}, {"$insert_id": "i"}, {"$insert_id": "i", "ip": 0}])
def test_there_is_room_for_what_is_added_later(added: dict[str, Any]) -> None:
    others = {f"p{n}": n for n in range(200)}
    room = MAX_PROPERTIES - 200 - 2
    for rules, make in ((PARSE, json_of), (FLATTEN, deep_of)):
        fits, _ = applied({**others, **added, "x": make(room)}, rules)
        kept, _ = applied({**others, **added, "x": make(room + 1)}, rules)

        assert len(fits.keys() | {"$insert_id", "ip"}) == MAX_PROPERTIES
        assert "x" in kept


def json_of(count: int) -> str:
    return json.dumps({f"{n:09}": n for n in range(count)})


def deep_of(count: int) -> dict[str, Any]:
    return {"a": {"deep": {"b": {"c": {"d": 1}}}, **{str(n): n for n in range(count - 1)}}}


def test_room_that_is_made_is_used() -> None:
    rules = TextRules(parse_json=True, drop_long=frozenset({"note"}), long_strings="keep")
    others = {f"p{n}": n for n in range(249)}
    result, mends = applied({"x": f'{{"a":1,"b":"{CUT}"}}', **others, "$insert_id": "i", "ip": 0, "note": LONG}, rules)

    assert {"x.a", "x.b"} <= result.keys()
    assert mends == {"json_parsed": 1, "string_dropped": 1}


def test_what_never_ends_is_left_to_the_rules() -> None:
    loop: list[Any] = [LONG]
    loop += [loop, loop]
    for rules in ALL_RULES:
        assert applied({"x": loop, "y": 1}, rules)[0]["x"] is loop


def test_the_properties_themselves_are_left_alone() -> None:
    before = {"page": URL, "data": JSON, "x": DEEP, "l": [LONG], LONG: 1}
    copy = json.loads(json.dumps(before))
    for rules in ALL_RULES:
        apply(before, rules, Counter())

    assert before == copy


urls = st.builds(
    lambda end, pad: f"http://h{end}{'x' * pad}",
    st.text("/?&=ab#%2@", max_size=12),
    st.integers(240, 260),
)
texts = st.one_of(
    st.text("ab", max_size=2),
    st.sampled_from(["x" * 255, "x" * 256, "é" * 255, "é" * 256, URL, JSON, json.dumps([JSON, URL]), "[" * 300]),
    urls,
    urls.map(lambda url: f"https://g/?a={url.replace('&', '%26')}"),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.decimals(), st.floats(), texts)
names = st.one_of(
    st.sampled_from(["a", "b", "a.b", "a host", "a.a", "a (flat)", LONG, LONG + "x", CUT, "é" * 256, *PROTECTED]),
    st.text(max_size=2),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(names, inner, max_size=3),
        inner.map(lambda value: {"k": {"l": {"m": {"n": value}}}}),
        inner.map(lambda value: [*range(254), value]),
        inner.map(lambda value: json.dumps({"a": value, "pad": CUT}, default=str)),
    ),
    max_leaves=5,
)
crowds = st.sampled_from([0, 0, 0, 245, 249, 252, 260]).map(lambda n: {f"p{k}": k for k in range(n)})
records = st.builds(
    lambda crowd, some: {**crowd, **some},
    crowds,
    st.dictionaries(st.one_of(names, st.sampled_from("abcdef")), values, max_size=6),
)


@settings(max_examples=500)
@given(records, st.integers(0, len(ALL_RULES) - 1).map(lambda index: ALL_RULES[index]))
@example({"a": json.dumps({"b": LONG}), "x": json.dumps({"c": 1, "pad": CUT})}, ALL_RULES[-1])
def test_every_record_under_every_rule(record: dict[str, Any], rules: TextRules) -> None:
    once, mends = applied(record, rules)
    twice, again = applied(once, rules)
    if "nan" not in repr(once).lower():
        assert twice == once, "twice is not once"
    assert again == {}
    assert list(twice) == list(once)

    lost = [name for name in record if name not in once]
    ways = ("name_cut", "url_split", "json_parsed", "string_dropped", "deep_flattened")
    assert len(lost) <= sum(mends.get(way, 0) for way in ways)
    assert not [name for name in lost if name in PROTECTED]
    assert mends.keys() <= MENDS.keys()
    if len(record) <= MAX_PROPERTIES - 2:
        assert len(once) <= MAX_PROPERTIES
    for name, value in once.items():
        if rules.long_strings == "truncate" or (rules.long_strings == "drop" and name not in PROTECTED):
            assert all(len(text) <= MAX_TEXT for text in strings(value))
        if rules.deep == "stringify" and name in record and is_legal(record[name]):
            assert is_legal(value)


def cut_by_the_book(value: Any) -> Any:
    """What the first version did, but for text that is not ASCII: this one is cut to 255 bytes too."""
    if isinstance(value, str):
        return cut_text(value)
    if isinstance(value, list):
        return [cut_by_the_book(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    cuts: set[str] = set()
    for name, inner in value.items():
        cut = cut_text(name)
        short = cut if cut not in value and cut not in cuts else name
        cuts.update({cut} - {name})
        result[short] = cut_by_the_book(inner)
    return result


@given(records)
def test_the_default_rules_cut_and_nothing_else(record: dict[str, Any]) -> None:
    once, _ = applied(record)

    assert repr(once) == repr(cut_by_the_book(record))


@pytest.mark.parametrize("rules", [TextRules(True, True, deep=deep, long_strings="keep") for deep in get_args(Deep)])
def test_urls_within_urls_come_to_an_end(rules: TextRules) -> None:
    text = "http://h/?u=" * 5000 + LONG
    result, mends = applied({"a": text}, rules)

    assert len(result) == 1 + 2 * 125
    assert mends["url_split"] == 125
