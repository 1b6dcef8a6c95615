"""Mapping options as edits: what the recogniser makes of an event with them is what `mapping` makes of it."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LIMITS, NOW, broken_texts, event_texts, exact
from test_recognise import RECOGNISER, in_c

from mpimport.edits import edits_of
from mpimport.examine import examine
from mpimport.intake import Intake
from mpimport.long_text import TextRules
from mpimport.mapping import Mapper, MapRules
from mpimport.normalise import Shaping
from mpimport.records import Block
from mpimport.time_forms import TimeReader
from mpimport.validate import Limits
from mpimport.value_types import KINDS

NO_IP_ADDED = Limits(LIMITS.newest_s)


def shaping_of(**rules: Any) -> Shaping:
    return Shaping(Mapper(MapRules(**rules)))


def edited(text: bytes, shaping: Shaping, limits: Limits = LIMITS) -> bytes | None:
    """Give what the recogniser makes of an event; None when it leaves it, or the rules are no edits."""
    edits = edits_of(shaping)
    if RECOGNISER is None or edits is None:
        return None
    lines = bytearray()
    taken, _, _ = RECOGNISER(edits)(limits)(text, 0, lines, 1, 0)
    return bytes(lines) if taken else None


def mapped(text: bytes, shaping: Shaping, limits: Limits = LIMITS) -> tuple[Any, Counter[str]]:
    mends: Counter[str] = Counter()
    return examine(text, limits, mends, shaping), mends


NAMES = st.sampled_from(
    ["a", "b", "c", "d", "time", "distinct_id", "$insert_id", "ip", "$user_id", "bucket", "a.b", "\u00e9"]
)
PLAIN_NAMES = st.sampled_from(["a", "b", "c", "d", "e", "when"])
VALUES = st.sampled_from([
    "0", "-0", "12", "-7", "1.50", "-0.0", "0.000001", "0.0000001", "1e5", "1E-7", "123456789012345678", "1e999",
    "true", "false", "null", '""', '"1"', '"-0"', '"1.5"', '"01"', '" 1"', '"1e5"', '"true"', '"TRUE"', '"t"', '"x"',
    '"\\u0031"', '"[1]"', '"2024-05-01"', '[1,"a"]', '{"a":{"b":1}}', '{"a":1,"a":2}', '"%s"' % ("x" * 256),
])  # fmt: skip
SETS = st.sampled_from([1, "x", 'say "\u00e9"', None, [1, 2], {"a": 1}, True, "y" * 256, 1.5])


@st.composite
def rules(draw: st.DrawFn) -> MapRules:
    """Make rules for a few names, which therefore meet."""
    some = draw(st.sampled_from([NAMES, PLAIN_NAMES, PLAIN_NAMES]))
    pairs = st.lists(st.tuples(some, some), max_size=2)
    return MapRules(
        event_name=draw(st.sampled_from([None, None, "All", '\u00e9"', "", "z" * 256])),
        fields=draw(st.none() | st.dictionaries(st.sampled_from(["event", "time", "distinct_id"]), some, max_size=1)),
        rename=tuple(draw(pairs)),
        drop=tuple(draw(st.lists(some, max_size=2))),
        keep=draw(st.none() | st.lists(some, max_size=3).map(tuple)),
        set=tuple(draw(st.lists(st.tuples(some, SETS), max_size=2))),
        types=tuple(draw(st.lists(st.tuples(some, st.sampled_from(KINDS)), max_size=3))),
    )


@st.composite
def properties(draw: st.DrawFn) -> bytes:
    """Make an event that is right but for the properties that it has beside the special ones."""
    own = [("time", "1700000000"), ("distinct_id", '"u"'), ("$insert_id", '"i"')]
    own[0] = draw(st.sampled_from([own[0], own[0], ("when", "1700000000"), ("time", '"2023-11-14"')]))
    others = draw(st.lists(st.tuples(st.one_of(NAMES, PLAIN_NAMES, PLAIN_NAMES), VALUES), max_size=5))
    members = draw(st.permutations(own + others))
    space = draw(st.sampled_from(["", "", " "]))
    text = f",{space}".join(f'"{name}":{space}{value}' for name, value in members)
    halves = ['"event":"a"', f'"properties":{{{space}{text}{space}}}']
    return f"{{{space}{','.join(halves[:: draw(st.sampled_from((1, -1)))])}}}".encode()


@in_c
@settings(max_examples=1500)
@given(
    st.one_of(properties(), properties(), event_texts, broken_texts()), rules(), st.sampled_from((LIMITS, NO_IP_ADDED))
)
def test_what_is_edited_is_what_mapping_makes_of_it(text: bytes, given_rules: MapRules, limits: Limits) -> None:
    shaping = Shaping(Mapper(given_rules))
    quick = edited(text, shaping, limits)
    if quick is None:
        return
    slow, mends = mapped(text, shaping, limits)

    assert isinstance(slow, bytes), slow
    assert exact(quick) == exact(slow)
    assert not mends


WELL = b'{"event":"a","properties":{"time":1700000000,%b"distinct_id":"u","$insert_id":"i"}}'
EDITED: dict[str, tuple[dict[str, Any], bytes, bytes]] = {
    "renamed": ({"rename": (("a", "b"),)}, b'"a":1,', b'"b":1,'),
    "dropped": ({"drop": ("a", "c")}, b'"a":{"x":[1]},"b":1,"c":2,', b'"b":1,'),
    "kept": ({"keep": ("b",)}, b'"a":1,"b":1,"bucket":2,"ip":"x",', b'"b":1,"ip":"x",'),
    "reserved and dropped": ({"drop": ("bucket",)}, b'"bucket":1,', b""),
    "to text": ({"types": (("a", "string"), ("b", "string"))}, b'"a":1.50,"b":true,', b'"a":"1.50","b":"true",'),
    "to numbers": ({"types": (("a", "number"), ("b", "number"))}, b'"a":"1.50","b":2,', b'"a":1.50,"b":2,'),
    "to booleans": ({"types": (("a", "boolean"),)}, b'"a":"false",', b'"a":false,'),
    "no list to read": ({"types": (("a", "list"),)}, b'"a":["b"],', b'"a":["b"],'),
    "renamed, then typed": ({"rename": (("a", "b"),), "types": (("b", "string"),)}, b'"a":1,', b'"b":"1",'),
    "kept by its new name": ({"rename": (("a", "b"),), "keep": ("b",)}, b'"a":1,"c":2,', b'"b":1,'),
}
LEFT: dict[str, tuple[dict[str, Any], bytes]] = {
    "both names": ({"rename": (("a", "b"),)}, b'"a":1,"b":1,'),
    "twice, and dropped": ({"drop": ("a",)}, b'"a":1,"a":1,'),
    "a name with an escape": ({"drop": ("a",)}, b'"\\u0061":1,'),
    "a number that is spelt anew": ({"types": (("a", "string"),)}, b'"a":1e5,'),
    "minus nothing": ({"types": (("a", "string"),)}, b'"a":-0,'),
    "a text to be read": ({"types": (("a", "number"),)}, b'"a":"007",'),
    "a list to be read": ({"types": (("a", "list"),)}, b'"a":"b",'),
    "an ip that is taken out": ({"drop": ("a",)}, b'"ip":"",'),
}
NO_EDITS = (
    shaping_of(rename=(("a.b", "c"),)),
    shaping_of(rename=(("a", "b"), ("b", "c"))),
    shaping_of(rename=(("a", "b"),), drop=("b",)),
    shaping_of(rename=(("a", "b"),), keep=("a",)),
    shaping_of(rename=(("a", "time"),)),
    shaping_of(drop=("ip",)),
    shaping_of(fields={"event": "name"}),
    shaping_of(set=(("time", 1),)),
    shaping_of(set=(("a", "x" * 256),)),
    shaping_of(set=(("$bucket", 1),)),
    shaping_of(set=(('"', 1),), rename=(("a", '"'),)),
    shaping_of(types=(("time", "string"),)),
    shaping_of(types=(("distinct_id", "number"),)),
    shaping_of(types=(("a", "string"), ("a", "number"))),
    shaping_of(event_name="x" * 256),
    shaping_of(event_name=""),
    shaping_of(drop=tuple(f"p{number}" for number in range(100))),
    Shaping(Mapper(MapRules(drop=("a",))), insert_id_from=("time",)),
    Shaping(Mapper(MapRules(drop=("a",))), texts=TextRules(split_urls=True)),
    Shaping(Mapper(MapRules(drop=("a",))), times=TimeReader("ms")),
)


@in_c
@pytest.mark.parametrize("name", EDITED)
def test_what_is_plain_is_edited(name: str) -> None:
    options, before, after = EDITED[name]
    ending = b"}}" if b'"ip"' in after else b',"ip":0}}'

    assert edited(WELL % before, shaping_of(**options), NO_IP_ADDED) == WELL % after + b"\n"
    assert edited(WELL % before, shaping_of(**options)) == (WELL % after).removesuffix(b"}}") + ending + b"\n"


@in_c
def test_members_at_both_ends_are_dropped_and_others_added() -> None:
    ids = b'"distinct_id":"u","$insert_id":"i"'
    text = b'{ "properties": { "a": 1 , "time":1700000000,%b , "a2": 1, "b": 2 }, "event":"e" }' % ids
    shaping = shaping_of(event_name="\u00e9", drop=("a", "a2", "b"), set=(("s", "t"), ("n", None)))

    properties = b'"ip":0,"time":1700000000,%b,"s":"t","n":null' % ids
    assert edited(text, shaping) == b'{ "properties": {%b}, "event":"\xc3\xa9" }\n' % properties


@in_c
def test_a_field_is_taken_for_the_time() -> None:
    text = WELL.replace(b'"time"', b'"when"') % b""

    assert edited(text, shaping_of(fields={"time": "when"}), NO_IP_ADDED) == WELL % b"" + b"\n"
    assert edited(text.replace(b"1700000000", b'"2023-11-14"'), shaping_of(fields={"time": "when"})) is None
    assert edited(WELL % b'"when":1700000000,', shaping_of(fields={"time": "when"})) is None


@in_c
@pytest.mark.parametrize("name", LEFT)
def test_what_has_to_be_looked_at_is_left(name: str) -> None:
    options, properties = LEFT[name]
    assert edited(WELL % properties, shaping_of(**options)) is None


@pytest.mark.parametrize("shaping", NO_EDITS)
def test_what_a_name_alone_does_not_say_is_no_edit(shaping: Shaping) -> None:
    assert edits_of(shaping) is None


@in_c
def test_an_event_with_what_is_added_is_no_larger_than_others() -> None:
    long = b'"a":"%b",' % (b"x" * 200)
    text = WELL % b"".join(long.replace(b"a", b"a%d" % number, 1) for number in range(36))
    added = [(f"s{number}", "y" * 200) for number in range(5)]

    assert edited(text, shaping_of(drop=("b",)))
    assert edited(text, shaping_of(set=tuple(added))) is None


def fed(lines: list[bytes], shaping: Shaping, most: int, *, in_c: bool) -> tuple[list[Any], list[Any], list[Any]]:
    load = RECOGNISER if in_c else None
    intake = Intake(
        max_events=most, max_bytes=10**6, geolocate=False, clock=lambda: NOW, shaping=shaping, recogniser=load
    )
    block = Block(1, BytesIO(b"".join(line + b"\n" for line in lines)), offset=7)
    batches = [*intake.feed("x", block), *intake.flush()]
    told = [(batch.runs, batch.rejects, batch.mends, batch.spans) for batch in batches]
    return [exact(line) for batch in batches for line in bytes(batch.lines).split(b"\n")[:-1]], told, [intake.read]


@settings(max_examples=250)
@given(st.lists(st.one_of(properties(), event_texts, st.just(b"")), max_size=20), rules(), st.integers(1, 9))
def test_with_it_and_without_it_all_is_the_same(lines: list[bytes], given_rules: MapRules, most: int) -> None:
    shaping = Shaping(Mapper(given_rules))

    assert fed(lines, shaping, most, in_c=True) == fed(lines, shaping, most, in_c=False)
