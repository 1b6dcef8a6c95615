"""The recogniser in C: it takes nothing that the loop in Python would not take, and writes the same bytes."""

from __future__ import annotations

import shutil
import sysconfig
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LIMITS, NOW, anything, broken_texts, event_texts

from mpimport import edits, recognise
from mpimport.accept import with_names
from mpimport.batch import Draft, number_of
from mpimport.edits import NO_EDITS
from mpimport.examine import Bad, examine
from mpimport.intake import Intake
from mpimport.limits import FUTURE_S
from mpimport.normalise import Shaping
from mpimport.prepare import Preparing
from mpimport.quick import Quick
from mpimport.recognise import Take, load
from mpimport.records import Batch, Block
from mpimport.validate import Limits, Rule
from mpimport.ways import ByLine, Way, Ways

GOOD = b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}'
NO_IP_ADDED = Limits(LIMITS.newest_s)
ENDINGS = (b"\n", b"\r\n", b" \t\n", b"")
RECOGNISER = load()
if recognise.IN_C:
    from mpimport import _recognise
in_c = pytest.mark.skipif(RECOGNISER is None, reason="there was no C compiler to build the recogniser with")


def take_of(limits: Limits) -> Take:
    assert RECOGNISER is not None
    return RECOGNISER(NO_EDITS)(limits)


def way_through(text: bytes, limits: Limits) -> Way:
    return Ways(Preparing(Shaping()), RECOGNISER).through(Block(1, BytesIO(text)), limits)


def in_python(record: bytes, limits: Limits) -> bytes | bool:
    """Give what the loop in Python makes of a record; when it leaves it to the slow way, whether it is sound."""
    draft = Draft(2, 10_000_000)
    taken, left = Quick().swallow(with_names(BytesIO(record)), draft, 1, limits)
    assert bool(taken) == (left is None)
    return bytes(draft.lines) if left is None else left.in_question is not None


def agrees(found: bytes | bool, record: bytes, limits: Limits = LIMITS) -> bool:
    """Tell whether the loop makes the same of a record as was found; it does not see that what is too deep is sound."""
    if found is False:
        return True
    of_loop = in_python(record, limits)
    return found == of_loop or (found is True and of_loop is False)


def recognised(record: bytes, limits: Limits = LIMITS) -> bytes | bool:
    """Give what the recogniser makes of a record; when it leaves it, whether it is surely sound."""
    lines = bytearray()
    taken, end, odds = take_of(limits)(record, 0, lines, 1, 1)
    assert (taken, end) == (not odds and end > 0, len(record) if odds or taken else 0)
    assert bool(lines) == bool(taken)
    assert take_of(limits)(record, 0, bytearray(), 1, 0) == (taken, 0 if odds else end, [])
    if odds:
        assert [(after, line) for after, line, _ in odds] == [(0, record)]
        _, (left,) = way_through(record, limits).take(Draft(2, 10_000_000), 1)
        assert (left.record, left.after) == (record, 0)
        assert left.in_question is not None
        assert examined(record, limits, left.in_question) == examined(record, limits)
    return bytes(lines) if taken else bool(odds)


def examined(
    record: bytes, limits: Limits, in_question: Sequence[Rule] | None = None
) -> tuple[bytes | Bad | None, Counter[str]]:
    mends: Counter[str] = Counter()
    return examine(record, limits, mends, in_question=in_question), mends


def with_property(text: str) -> bytes:
    return GOOD.replace(b'"$insert_id"', text.encode() + b',"$insert_id"')


def test_where_it_can_be_built_it_is() -> None:
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if shutil.which("cc") is not None and header.exists():
        assert recognise.IN_C, "mpimport was installed without it: `make clean`, then read what the install says"


def test_where_it_was_not_built_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "IN_C", False)

    assert load() is None


@in_c
@settings(max_examples=600)
@given(
    st.one_of(event_texts, broken_texts(), anything),
    st.sampled_from(ENDINGS),
    st.sampled_from((LIMITS, NO_IP_ADDED)),
)
def test_what_it_takes_the_loop_takes_too_and_writes_the_same(text: bytes, ending: bytes, limits: Limits) -> None:
    record = text + ending

    assert agrees(recognised(record, limits), record, limits)


TOKENS = (
    *(b'"', b"\\", b"\\u00e9", b"\\ud800", b"\\ud83d\\ude00", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r"),
    *(b"null", b"true", b"0", b"-", b".5", b"1e99", b"1e400", b"1" * 18, b"1" * 19, b"[[[1]]]", b'{"a":{"b":{}}}'),
    *(b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\0", b"\x1f", b"\x7f"),
    *(b'"ip":null,', b'"ip":"",', b'"ip":1,', b'"$ignore":1,', b'"bucket":1,', b'"time":1,', b'"i":{"bucket":1},'),
    *(b"x" * 256, "é".encode() * 255, "é".encode() * 256, b'"nil"', b'"NaN"', b'"\\u0069p":1,', b" " * 70),
)
SEEDS = (
    GOOD,
    b'{"properties":{"time":1700000000000,"distinct_id":"","$insert_id":"A-1","ip":0},"event":"\\u00e9"}',
    b'{ "event" : "a" , "properties" : { "time" : 1700000000 , "distinct_id" : "x" , "$insert_id" : "i" } } ',
    '{"event":"é😀","properties":{"n":[[1,-2.5e-7],{"a":{"b":{"c":"\\ud83d\\ude00"}}}],"time":1700000000,'
    '"distinct_id":"ü","$insert_id":"i","o":{"x":1,"日本":true},"p":null,"q":false}}'.encode(),
)  # fmt: skip


@in_c
def test_damaged_events_are_taken_by_both_or_left() -> None:
    random = Random(7)
    taken = sound = 0
    for _ in range(40_000):
        record = bytearray(random.choice(SEEDS))
        for _ in range(random.choice((1, 1, 2))):
            at = random.choice([random.randrange(len(record)), record.find(b'"', random.randrange(len(record)))])
            piece = random.choice((random.choice(TOKENS), random.randbytes(1)))
            at += len(record) if at < 0 else 0
            record[at : at + random.choice((0, 0, 1, 4))] = piece.replace(b"\n", b"")
        text = bytes(record) + random.choice(ENDINGS)
        limits = random.choice((LIMITS, NO_IP_ADDED))
        found = bool(text) and recognised(text, limits)
        if found is not False:
            taken, sound = taken + (found is not True), sound + (found is True)
            assert agrees(found, text, limits), text
    assert taken > 1000
    assert sound > 1000


def count(number: int, of: str = "{}") -> str:
    return ",".join(of.format(n) for n in range(number))


def nested(levels: int) -> str:
    return '{"k":' * levels + "1" + "}" * levels


KEY = '"{}":1'
LONG = f'"{"e" * 250}"'
ESCAPED = r"\u00e9"
TAKEN = {
    "as short as can be": GOOD,
    "turned round": b'{"properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"},"event":"a"}',
    "spaces": GOOD.replace(b":", b" :\t").replace(b",", b" , "),
    "escapes": with_property(r'"v":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"'),
    "a text of 255": with_property(f'"v":"{"😀" * 255}","w":"{ESCAPED * 255}"'),
    "a name of 255": with_property(f'"{"é" * 255}":1'),
    "251 properties": with_property(count(248, '"p{}":1')),
    "254 keys": with_property(f'"o":{{{count(254, KEY)}}}'),
    "254 items": with_property(f'"l":[{count(254)}]'),
    "3 levels": with_property(f'"o":{nested(3)},"l":[[{nested(3)}]]'),
    "the first millisecond": GOOD.replace(b"1700000000", b"31536000000"),
    "the last second": GOOD.replace(b"1700000000", b"%d" % (NOW + FUTURE_S)),
    "numbers": with_property('"n":[0,-0,0.0,-1.5,1e5,1E-7,2.5e+3,999999999999999999,0.30000000000000004]'),
    "words": with_property('"n":[true,false,null]'),
    "no user": GOOD.replace(b'"u"', b'""'),
    "an ip": with_property('"ip":"1.2.3.4"'),
    "delete": with_property('"v":"\x7f"'),
    "reserved within": with_property('"o":{"bucket":1,"time":"x","ip":null}'),
}
LEFT = {
    "no brace": GOOD[:-1],
    "one brace more": GOOD + b"}",
    "another one": GOOD + GOOD,
    "a mark before": b"\xef\xbb\xbf" + GOOD,
    "a control character": with_property('"v":"\x1f"'),
    "NUL": GOOD + b"\0",
    "NUL in text": with_property('"v":"\0"'),
    "half a character": with_property(r'"v":"\ud83d"'),
    "the other half": with_property(r'"v":"\ude00"'),
    "two first halves": with_property(r'"v":"\ud83d\ud83d"'),
    "no such escape": with_property(r'"v":"\x41"'),
    "no UTF-8": with_property('"v":"?"').replace(b"?", b"\xff"),
    "overlong": with_property('"v":"?"').replace(b"?", b"\xe0\x80\x80"),
    "a surrogate in UTF-8": with_property('"v":"?"').replace(b"?", b"\xed\xa0\x80"),
    "beyond Unicode": with_property('"v":"?"').replace(b"?", b"\xf4\x90\x80\x80"),
    "a text of 256": with_property(f'"v":"{"x" * 256}"'),
    "a name of 256": with_property(f'"{"x" * 256}":1'),
    "a long event": GOOD.replace(b'"a"', b'"%b"' % (b"x" * 256)),
    "no event": GOOD.replace(b'"a"', b'""'),
    "252 properties": with_property(count(249, '"p{}":1')),
    "255 keys": with_property(f'"o":{{{count(255, KEY)}}}'),
    "255 items": with_property(f'"l":[{count(255)}]'),
    "4 levels": with_property(f'"o":{nested(4)}'),
    "4 levels in a list": with_property(f'"o":[{nested(4)}]'),
    "7 levels": with_property(f'"o":{nested(7)}'),
    "8 levels": with_property(f'"o":{nested(8)}'),
    "twice too deep": with_property(f'"o":{nested(4)}'.replace("1", '{"a":1,"a":1}')),
    "no JSON too deep": with_property(f'"o":{nested(4)}'.replace("1", "01")),
    "a long text too deep": with_property(f'"o":{nested(4)}'.replace("1", f'"{"x" * 256}"')),
    "twice": with_property('"a":1,"a":1'),
    "twice within": with_property('"o":{"a":1,"b":[{"c":1,"c":2}]}'),
    "an escape in a name": with_property(r'"\u0061":1'),
    "a third key": GOOD[:-1] + b',"x":1}',
    "two events": GOOD[:-1] + b',"event":"a"}',
    "reserved": with_property('"$bucket":1'),
    "ignored": with_property('"$ignore":false'),
    "too early": GOOD.replace(b"1700000000", b"31535999"),
    "too late": GOOD.replace(b"1700000000", b"%d" % (NOW + FUTURE_S + 1)),
    "a fraction of a second": GOOD.replace(b"1700000000", b"1700000000.0"),
    "an exponent": GOOD.replace(b"1700000000", b"17e8"),
    "a long time": GOOD.replace(b"1700000000", b"1" * 30),
    "no time": GOOD.replace(b'"time"', b'"tome"'),
    "an id that is refused": GOOD.replace(b'"u"', b'"undefined"'),
    "an id like none": GOOD.replace(b'"u"', b'"NaN"'),
    "no id": GOOD.replace(b'"u"', b"null"),
    "an insert id that is refused": GOOD.replace(b'"i"', b'"00000000-0000-0000-0000-000000000000"'),
    "a long insert id": GOOD.replace(b'"i"', b'"%b"' % (b"x" * 37)),
    "an odd insert id": GOOD.replace(b'"i"', b'"a_b"'),
    "no insert id": GOOD.replace(b"$insert_id", b"$insert_ip"),
    "no event at all": b'{"properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}',
    "a time in words": GOOD.replace(b"1700000000", rb'"so\u006fn"'),
    "before 1970": GOOD.replace(b"1700000000", b"-5"),
    "no id at all": GOOD.replace(b'"distinct_id"', b'"id"').replace(b"$insert_id", b"$insert_ip"),
    "an id with an escape": GOOD.replace(b'"u"', rb'"\u006eil"'),
    "nothing": b'{"event":"a","properties":{}}',
    "no ip": with_property('"ip":null'),
    "an empty ip": with_property('"ip":""'),
    "a leading zero": with_property('"v":01'),
    "no digit": with_property('"v":-'),
    "a point": with_property('"v":1.'),
    "not finite": with_property('"v":1e400'),
    "not a number": with_property('"v":NaN'),
    "a comma more": with_property('"v":[1,]'),
    "too large a list": with_property(f'"v":[{count(33, LONG)}]'),
    "too large if spelt out": with_property(f'"v":[{count(254, "1e-6")}],"w":[{count(13, LONG)}]'),
}  # fmt: skip


TOO_DEEP = ("4 levels", "4 levels in a list", "7 levels")  # the loop sees no more than that they are not right
SOUND = (
    *("no event", "no event at all", "too early", "too late", "a fraction of a second", "an exponent", "no time"),
    *("a time in words", "before 1970", "an id that is refused", "an id like none", "no id", "no id at all", "no ip"),
    *("an insert id that is refused", "a long insert id", "an odd insert id", "an empty ip", "nothing"),
)


@in_c
@pytest.mark.parametrize("name", TAKEN)
def test_what_is_right_is_taken(name: str) -> None:
    for ending in ENDINGS:
        for limits in (LIMITS, NO_IP_ADDED):
            record = TAKEN[name] + ending
            assert isinstance(recognised(record, limits), bytes)
            assert recognised(record, limits) == in_python(record, limits)


@in_c
@pytest.mark.parametrize("name", LEFT)
def test_what_may_not_be_right_is_left(name: str) -> None:
    for ending in ENDINGS:
        found = recognised(LEFT[name] + ending)
        assert agrees(found, LEFT[name] + ending)
        assert found is False or name in (*SOUND, *TOO_DEEP)


@in_c
@pytest.mark.parametrize("name", [*SOUND, *TOO_DEEP])
def test_what_is_odd_and_nothing_else_is_sound(name: str) -> None:
    assert recognised(LEFT[name] + b"\n") is True


@in_c
def test_what_is_left_does_not_make_it_look_further_ahead() -> None:
    way = way_through((LEFT["reserved"] + b"\n") * 100, LIMITS)
    assert isinstance(way, ByLine)

    for _ in range(100):
        assert way.take(Draft(2000, 10_000_000), 100)[1]
        assert way._patience == 1


@in_c
@pytest.mark.parametrize(("room", "taken"), [(0, 0), (1, 1), (2, 2), (9, 2)])
def test_it_takes_as_many_as_there_is_room_for_up_to_the_first_that_is_odd(room: int, taken: int) -> None:
    text = b"?\n" + GOOD + b"\n" + GOOD + b"\r\n" + b"\n" + GOOD
    lines = bytearray(b"before\n")
    found, end, _ = take_of(NO_IP_ADDED)(text, 2, lines, room, 0)

    assert (found, end) == (taken, 2 + taken * len(GOOD + b"\n") + (taken == 2))
    assert lines == b"before\n" + (GOOD + b"\n") * taken


@in_c
def test_it_refuses_a_place_that_is_not_there() -> None:
    for start in (-1, len(GOOD) + 1):
        with pytest.raises(ValueError, match="no such place"):
            take_of(LIMITS)(GOOD, start, bytearray(), 1, 0)


def in_order(batch: Batch) -> tuple[Batch, list[tuple[tuple[str, int], bytes]]]:
    """Give a batch without its events, and these by their numbers: what was mended may stand behind what was right."""
    lines = bytes(batch.lines).splitlines(keepends=True)
    assert len(lines) == batch.count == sum(run.count for run in batch.runs)
    return replace(batch, lines=b"", runs=()), sorted((number_of(batch, at), line) for at, line in enumerate(lines))


def read(blocks: list[bytes], *, quickly: bool, most: int, max_bytes: int) -> tuple[Any, int, Counter[str]]:
    intake = Intake(
        max_events=most,
        max_bytes=max_bytes,
        geolocate=False,
        clock=lambda: NOW,
        recogniser=RECOGNISER if quickly else None,
    )
    batches: list[Batch] = []
    number, offset = 1, 0
    for block in blocks:
        batches += intake.feed("source", Block(number, BytesIO(block), offset=offset))
        number, offset = number + block.count(b"\n"), offset + len(block)
    batches += intake.flush()
    mends: Counter[str] = Counter()
    for batch in batches:
        mends.update(batch.mends)
    return [*map(in_order, batches)], intake.read, mends


LINES = (GOOD, GOOD, GOOD, GOOD.replace(b"$insert_id", b"x"), b"", b"nonsense", GOOD.replace(b'"u"', b"5"), GOOD + b" ")


@settings(max_examples=150)
@given(
    st.lists(st.lists(st.one_of(st.sampled_from(LINES), event_texts), max_size=30), max_size=3),
    st.sampled_from((b"\n", b"\r\n")),
    st.integers(1, 12),
    st.sampled_from((300, 10_000, 1_000_000)),
)
def test_with_it_and_without_it_all_batches_are_the_same(
    blocks: list[list[bytes]], ending: bytes, most: int, max_bytes: int
) -> None:
    texts = [b"".join(line + ending for line in lines) for lines in blocks]

    with_it = read(texts, quickly=True, most=most, max_bytes=max_bytes)
    assert with_it == read(texts, quickly=False, most=most, max_bytes=max_bytes)


@in_c
def test_what_it_is_handed_is_checked() -> None:
    words = ((b"a", 0, edits.KEEP, b"a"),)
    limits, plain = (255, 250, 250, 250, 3, 4, 36, 8192), (edits.KEEP, b"", b"")
    rules = _recognise.new_rules(words, (), limits, plain)
    wrong: list[tuple[Any, ...]] = [
        ([*words], (), limits, plain),
        (((b"a", 9, edits.KEEP, b"a"),), (), limits, plain),
        (((b"a", 0, -1, b"a"),), (), limits, plain),
        (words, (), (255, 250, 250, 250, 9, 4, 36, 8192), plain),
        (words, (), (255, 600, 250, 250, 3, 4, 36, 8192), plain),
        (words, (), (255, -1, 250, 250, 3, 4, 36, 8192), plain),
        (words, (), limits, (edits.AS_STRING, b"", b"")),
        (words, (), limits, (edits.KEEP, b"", b"x" * 8193)),
        (words * 129, (), limits, plain),
    ]
    for given_rules in wrong:
        with pytest.raises((ValueError, TypeError)):
            _recognise.new_rules(*given_rules)
    for text in (bytearray(GOOD), memoryview(GOOD), GOOD.decode()):  # nothing but bytes is surely followed by a NUL
        with pytest.raises(TypeError):
            _recognise.take(rules, 0, NOW, False, text, 0, bytearray(), 1, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no such time"):
        _recognise.take(rules, 0, 2**60, False, GOOD, 0, bytearray(), 1, 0)


@in_c
def test_tables_are_handed_in_as_they_are() -> None:
    columns = [(1, 0, b'"a":')]
    assert _recognise.write_rows(44, 2, 0, columns, b"e,x\n", 1) == (b'{"event":"e","properties":{"a":"x"}}\n', 0)
    assert _recognise.write_rows(44, 2, 0, columns, b"e,x\n", 2**62) is None
    assert not _recognise.are_rows(0xE9, 2, b"e\xe9x\n", 1)
    for width, event, named in ((2, 2, columns), (1, 0, columns), (2, 1, columns), (2, 0, [(1, 4, b"")]), (257, 0, [])):
        with pytest.raises(ValueError, match="no such column"):
            _recognise.write_rows(44, width, event, named, b"e,x\n", 1)


@in_c
def test_a_value_that_is_looked_at_twice_leaves_no_names_open() -> None:
    inner = "none"  # so it is odd, and what is odd is looked at again
    for _ in range(3):
        inner = f'{{{count(253, KEY)},"z":{inner}}}'

    assert recognised(with_property(f'{count(247, KEY)},"ip":{inner}')) is False  # gcc's sanitizers see more of it
