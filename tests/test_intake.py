"""The whole middle: whatever comes in, every record is in a batch or a reject, and what is sent may be sent."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from io import BytesIO
from math import floor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import LIMITS, NOW, anything, event_texts, exact, feed

from mpimport.accept import names_by_line, with_names
from mpimport.batch import Draft, number_of
from mpimport.endpoints import ENDPOINTS
from mpimport.examine import examine
from mpimport.intake import Intake
from mpimport.limits import DISALLOWED_IDS, FUTURE_S, INSERT_ID, MAX_TEXT
from mpimport.long_text import cut_text
from mpimport.quick import Quick
from mpimport.records import Block, Reason, Unreadable
from mpimport.rejects import line_of, unwrap
from mpimport.validate import Limits, problems

LIMITS_WITHOUT_IP = Limits(newest_s=LIMITS.newest_s)
GOOD = b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}'


def swallow(record: bytes, limits: Limits = LIMITS) -> tuple[bytes | None, Counter[str]]:
    """Give what the quick loop makes of a record, None when it leaves it to the slow way; and the mends."""
    draft = Draft(2, 10_000_000)
    [names, *_] = names_by_line(record.replace(b"\n", b" "))
    taken, _ = Quick().swallow(iter([(record, names)]), draft, 1, limits)
    return (bytes(draft.lines) if taken else None), draft.mends


def with_property(text: str) -> bytes:
    return GOOD.replace(b'"$insert_id"', text.encode() + b',"$insert_id"')


def listed(items: Iterable[str]) -> str:
    return f'"a":[{",".join(items)}]'


@settings(max_examples=400)
@given(event_texts, st.sampled_from((b"\n", b"\r\n", b"", b" \n", b"\t")))
@example(b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","a":0.00E2,"b":[1.00e2,{"c":1.5e1}]}}', b"")
@example(b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","a":1e23,"b":123456789012345678901.5}}', b"")
def test_the_quick_loop_and_the_slow_way_agree(text: bytes, ending: bytes) -> None:
    quick, mends = swallow(text + ending)
    if quick is None:
        return
    slow_mends: Counter[str] = Counter()
    slow = examine(text + ending, LIMITS, slow_mends)

    assert isinstance(slow, bytes), slow
    assert quick.endswith(b"\n")
    assert quick.count(b"\n") == 1
    assert b"\r" not in quick
    assert exact(quick) == exact(slow)
    assert mends == slow_mends


@settings(max_examples=400)
@given(event_texts, st.sampled_from((b"\n", b"\r\n", b"", b" \n")), st.sampled_from((LIMITS, LIMITS_WITHOUT_IP)))
@example(b'{"properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}', b"\n", LIMITS)
@example(b'{"event":"","properties":{"time":"soon","distinct_id":1e400,"$insert_id":0.10,"n":1.10}}', b"\n", LIMITS)
@example(b'{"event":"a","properties":{"ts":"1700000000","ip":"","n":1.10}}', b"\n", LIMITS)
@example(b'{"event":null,"properties":{"eventName":["a"],"userId":{},"messageId":1e300,"time":-5.50}}', b"\n", LIMITS)
def test_what_is_known_to_be_sound_gets_the_same_verdict(text: bytes, ending: bytes, limits: Limits) -> None:
    draft = Draft(2, 10_000_000)
    _, left = Quick().swallow(with_names(BytesIO(text + ending)), draft, 1, limits)
    if left is None or left.in_question is None:
        return
    mends: Counter[str] = Counter()
    slow_mends: Counter[str] = Counter()

    assert examine(left.record, limits, mends, in_question=left.in_question) == examine(left.record, limits, slow_mends)
    assert mends == slow_mends


FIVE_DAYS = ENDPOINTS["track"].history
OLDEST = NOW - 5 * 86_400


@settings(max_examples=300)
@given(
    st.integers(-2000, 2000),
    st.sampled_from((1, 1000)),
    st.sampled_from((0.0, 0.25, 0.999)),
    st.sampled_from((b"%d", b"%d.5", b'"%d"')),
)
def test_the_quick_loop_and_the_slow_way_agree_on_how_old_is_too_old(
    offset: int, unit: int, fraction: float, form: bytes
) -> None:
    now = NOW + fraction
    text = GOOD.replace(b"1700000000", form % (OLDEST * unit + offset))
    limits = Limits(now + FUTURE_S, ("ip",), oldest_s=FIVE_DAYS.oldest_s(now), too_old=FIVE_DAYS.too_old)
    quick, _ = swallow(text + b"\n", limits)
    slow = examine(text, limits, Counter())
    time = exact(text)["properties"]["time"]
    seconds = Decimal(time if isinstance(time, str) else time[1]) / unit

    is_old = floor(seconds * 1000) / 1000 < now - 5 * 86_400
    assert isinstance(slow, bytes) != is_old
    assert quick is None or not is_old
    assert quick is not None or is_old or fraction or form != b"%d"


def test_an_event_that_is_too_old_for_the_endpoint_says_where_it_may_go() -> None:
    times = [OLDEST, OLDEST * 1000, OLDEST - 1, OLDEST * 1000 - 1, 5, "2023-11-01", NOW, NOW + FUTURE_S + 1]
    records = [{"event": "a", "time": time, "distinct_id": "u"} for time in times]
    fed = feed(records, history=FIVE_DAYS)

    assert len(fed.lines) == 3
    assert fed.codes == [["time_too_old"]] * 4 + [["time_in_future"]]
    words = "is older than 5 days, which /track does not take; --endpoint import takes older ones"
    assert [reject.reasons[0].message.endswith(words) for reject in fed.rejects] == [True, True, False, True, False]
    assert fed.rejects[2].reasons[0].message.endswith("is before 1971-01-01, the oldest time that Mixpanel takes")


@pytest.mark.parametrize(("count", "fits"), [(252, True), (253, False)])
@pytest.mark.parametrize("own", [True, False])
def test_what_is_put_in_later_counts_as_a_property(*, count: int, fits: bool, own: bool) -> None:
    """With `ip` and `token` there are at most 254."""
    names = ["time", "distinct_id", "$insert_id", *(["token"] if own else [])]
    filler = [f'"p{n}":{n}' for n in range(count - len(names) + own)]
    text = with_property(",".join([*filler, *(['"token":"x"'] if own else [])]))
    fed = feed([text], sent_with={"token": 18})

    assert len(fed.lines) == fits
    assert fed.codes == ([] if fits else [["too_many_properties"]])
    if not fits:
        names_added = "ip" if own else "ip and token"
        assert f"(with {names_added}, which mpimport adds)" in fed.rejects[0].reasons[0].message


@pytest.mark.parametrize(("size", "count"), [(1_048_575, 1), (1_048_576, 0)])
def test_what_is_put_in_later_counts_in_the_size(size: int, count: int) -> None:
    filler = b"".join(b',"p%03d":"%b"' % (n, b"\\u0061" * 255) for n in range(249))
    start = GOOD[:-2] + b',"ip":0'
    text = start + b" " * (size - 18 - len(start) - len(filler) - 2) + filler + b"}}"
    fed = feed([text], sent_with={"token": 18})

    assert len(text) == size - 18
    assert len(fed.lines) == count


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + b"\r",
        b" " + GOOD + b" ",
        GOOD.replace(b":", b" : "),
        GOOD.replace(b":", b"\t\t:\r"),
        GOOD.replace(b'"event"', b'"\\u0065vent"'),
        GOOD.replace(b',"$insert_id":"i"', b""),
        b'{"properties":{"time":1700000000,"distinct_id":"u"},"event":"a"}',
        with_property('"a":{"b":{"c":{"d":1}}}'),
        with_property('"a":"x\\":y","b":"\\" :"'),
        with_property('"a":18446744073709551617,"b":1e5,"c":-0.0,"d":0.1234567890123456789012345678901234567890'),
        with_property('"reasons":[{"code":"x"}]'),
    ],
)
def test_what_is_right_is_taken_quickly_and_keeps_its_value(text: bytes) -> None:
    quick, _ = swallow(text + b"\n")

    assert quick is not None
    sent, read = exact(quick), exact(text)
    made = {"ip": sent["properties"].pop("ip"), "$insert_id": sent["properties"].pop("$insert_id")}
    read["properties"].pop("$insert_id", None)
    assert sent == read
    assert made["ip"] == ("number", 0)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"a":1,"a":1', "a"),
        ('"a":1,"a" :1', "a"),
        ('"a"  :1,"a":1', "a"),
        ('"a"\r:1,"a":1', "a"),
        ('"a"\t\r :1,"a":1', "a"),
        ('"a":1,"\\u0061":1', "a"),
        ('"b":{"a":1,"a":1}', "a"),
        ('"b":[{"c":{"a":1,"a" :1}}]', "a"),
        ('"b":[[{"a":1,"\\u0061":1}]]', "a"),
        ('"a":1,"a":"x\\":y"', "a"),
        ('"time":1700000000', "time"),
        ('"$insert_id":"j"', "$insert_id"),
        ('"":1,"":1', ""),
    ],
)
@pytest.mark.parametrize("as_block", [True, False], ids=["lines", "elements"])
def test_a_name_that_stands_twice_is_found(text: str, name: str, *, as_block: bool) -> None:
    record = with_property(text)
    intake = Intake(max_events=9, max_bytes=10**6, geolocate=False, clock=lambda: NOW)
    records: Any = BytesIO(record + b"\n") if as_block else map(bytes, [record])
    [batch] = [*intake.feed("s", Block(1, records)), *intake.flush()]

    [reject] = batch.rejects
    assert [(reason.code, reason.field) for reason in reject.reasons] == [("duplicate_key", name)]


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"a","event":"a","properties":{"time":1700000000,"distinct_id":"u"}}',
        '{"event" :"a","\\u0065vent":"b","properties":{"time":1700000000,"distinct_id":"u"}}',
        '{"event":"a","properties":{"time":1700000000,"distinct_id":"u"},"properties":{"time":1,"distinct_id":"u"}}',
        '{"event":"a","properties":null,"properties":{"time":1700000000,"distinct_id":"u"}}',
    ],
)
def test_a_key_of_the_event_that_stands_twice_is_found(text: str) -> None:
    assert "duplicate_key" in feed([text.encode()]).codes[0]


LINES = (
    (GOOD, True),
    (GOOD + b"\r", True),
    (GOOD.replace(b'"u"', b'"u\\r"'), True),
    (GOOD.replace(b":", b" :"), True),
    (b"", None),
    (b" \t", None),
    (b"{", False),
    (with_property('"u":"https://a:b/ s: \\":"'), True),
    (with_property('"a" :1,"a":1'), False),
    (with_property('"b":[{"a":"s:","\\u0061" :1}]'), False),
    (with_property('"ip":"1.2.3.4"'), True),
    (with_property('"\\u0069p":"1.2.3.4"'), True),
    (with_property('"\\u0069p":1,"ip":2'), False),
    (with_property('"buc\\u006bet":1'), False),
    (with_property('"$bucket":1'), False),
    (with_property('"$ignore":1'), False),
    (with_property(f'"{"x" * 255}":1'), True),
    (with_property(f'"{"x" * 256}":1'), True),
    (with_property(f'"a":{{"{"x" * 256}":1}}'), True),
    (GOOD[:-1] + b" }", True),
    (GOOD.replace(b',"$insert_id":"i"', b""), True),
)
"""Lines, and whether they are events that may be sent, perhaps mended; None: no record at all."""


@settings(max_examples=200)
@given(st.lists(st.sampled_from(LINES), max_size=30), st.booleans(), st.integers(1, 4), st.booleans())
def test_a_line_is_judged_for_itself_whatever_stands_around_it(
    lines: list[tuple[bytes, bool | None]], ends: bool, most: int, geolocate: bool
) -> None:
    text = b"\n".join(line for line, _ in lines) + (b"\n" if ends else b"")
    intake = Intake(max_events=most, max_bytes=10**6, geolocate=geolocate, clock=lambda: NOW)
    batches = [*intake.feed("s", Block(1, BytesIO(text))), *intake.flush()]

    sent = [(number_of(batch, index)[1], line) for batch in batches
            for index, line in enumerate(bytes(batch.lines).split(b"\n")[:-1])]  # fmt: skip
    assert [number for number, _ in sent] == [number for number, (_, good) in enumerate(lines, 1) if good]
    assert sorted(reject.number for batch in batches for reject in batch.rejects) == [
        number for number, (_, good) in enumerate(lines, 1) if good is False
    ]
    for number, line in sent:
        alone = examine(lines[number - 1][0], Limits(NOW + FUTURE_S, () if geolocate else ("ip",)), Counter())
        assert isinstance(alone, bytes)
        assert exact(line) == exact(alone)


def test_a_duplicate_does_not_hide_other_problems() -> None:
    assert feed([b'{"event":"","properties":{"a":1,"a":2,"bucket":1}}']).codes == [
        ["duplicate_key", "event_empty", "time_missing", "distinct_id_missing", "reserved_property"]
    ]


@settings(max_examples=250)
@given(st.lists(anything, max_size=8), st.integers(1, 4), st.integers(1, 700) | st.just(100_000), st.booleans())
@example([GOOD] * 5, 2, 90, False)
def test_every_record_is_accounted_for(records: list[bytes], max_events: int, max_bytes: int, geolocate: bool) -> None:
    fed = feed(records, max_events=max_events, max_bytes=max_bytes, geolocate=geolocate)

    places = []
    for seq, batch in enumerate(fed.batches):
        lines = bytes(batch.lines).split(b"\n")[:-1]
        assert batch.seq == seq
        assert batch.count == len(lines) <= max_events
        assert batch.count == sum(run.count for run in batch.runs)
        assert len(batch.lines) <= max_bytes or batch.count == 1
        assert batch.count or batch.rejects
        sent = [number_of(batch, index) for index in range(batch.count)]
        assert sent == sorted(sent)
        places += [number for _, number in sent] + [reject.number for reject in batch.rejects]
    filled = [number for number, record in enumerate(records, 1) if record.strip()]
    assert sorted(places) == filled
    assert fed.read == len(filled) == len(fed.lines) + len(fed.rejects)
    for line in fed.lines:
        _check_sendable(line, geolocate=geolocate)
    for reject in fed.rejects:
        assert reject.reasons
        assert (reject.event is None) != (reject.raw is None)
        written = line_of(reject)
        assert written.count(b"\n") == 1
        json.loads(written)


def _check_sendable(line: bytes, *, geolocate: bool) -> None:
    event = json.loads(line)
    assert problems(event, Limits(newest_s=NOW + FUTURE_S)) == ()
    assert geolocate or "ip" in event["properties"]
    insert_id = event["properties"]["$insert_id"]
    assert INSERT_ID.fullmatch(insert_id)
    assert insert_id not in DISALLOWED_IDS
    assert b"\r" not in line


@settings(max_examples=250)
@given(event_texts)
def test_what_is_sent_has_the_value_that_was_read(text: bytes) -> None:
    for line in feed([text]).lines:
        read, sent = exact(text), exact(line)
        if "properties" not in read:
            read = {"event": read.pop("event"), "properties": read}
        for name in ("$insert_id", "ip"):
            if read["properties"].get(name) is None:
                read["properties"].setdefault(name, None)
                read["properties"][name] = sent["properties"].get(name)
        for name in ("time", "distinct_id", "$insert_id"):  # mended: test_normalise
            was, now = read["properties"].pop(name, None), sent["properties"].pop(name, None)
            assert was == now or was.__class__ is not now.__class__ or name != "distinct_id" or len(was) > MAX_TEXT
        assert sent == _cut(read)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return cut_text(value)
    if isinstance(value, dict):
        return {cut_text(name): _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner) for inner in value]
    return value


@settings(max_examples=120)
@given(st.lists(anything, max_size=6))
def test_the_rejected_file_fed_again_gives_the_same_rejects(records: list[bytes]) -> None:
    rejects = feed(records).rejects
    again = feed([line_of(reject)[:-1] for reject in rejects])

    assert again.read == len(rejects)
    assert again.lines == []
    assert [reject.reasons for reject in again.rejects] == [reject.reasons for reject in rejects]
    assert [(r.event, r.raw) for r in again.rejects] == [(r.event, r.raw) for r in rejects]


@given(
    st.lists(
        st.dictionaries(
            st.text(st.characters(), max_size=3) | st.sampled_from(("event", "time", "distinct_id", "properties")),
            st.recursive(
                st.none()
                | st.floats()
                | st.decimals()
                | st.integers()
                | st.text(st.characters(), max_size=3)
                | st.sampled_from((NOW, 10**300, float("nan"), "x" * 300)),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(), max_size=2), inner),
                max_leaves=5,
            ),
        ),
        max_size=4,
    )
)
def test_any_mapping_is_accounted_for(records: list[dict[str, Any]]) -> None:
    flat = {"event": "a", "time": NOW, "distinct_id": "u"}
    fed = feed([*records, *({**flat, **record} for record in records)])

    assert fed.read == 2 * len(records) == len(fed.lines) + len(fed.rejects)
    for line in fed.lines:
        _check_sendable(line, geolocate=False)
    for reject in fed.rejects:
        json.loads(line_of(reject), parse_constant=pytest.fail)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("-inf"), 10**5000, "a\ud800", deep(300), deep(5000), {"a\udfff": 1}],
    ids=["nan", "inf", "digits", "surrogate", "deep", "deeper", "name"],
)
@pytest.mark.parametrize("name", ["event", "time", "distinct_id", "$insert_id", "x", "properties"])
def test_a_mapping_with_what_json_cannot_hold_is_a_reject(name: str, value: Any) -> None:
    fed = feed([{"event": "a", "time": NOW, "distinct_id": "u", "$insert_id": "i", name: value}])

    if name == "$insert_id" and isinstance(value, str):
        assert len(fed.lines) == 1  # an id that Mixpanel would refuse is hashed
        return
    [reject] = fed.rejects
    assert fed.read == 1
    assert reject.reasons
    json.loads(line_of(reject), parse_constant=pytest.fail)
    assert unwrap(line_of(reject)) == reject.event or unwrap(line_of(reject)) == reject.raw


def test_a_rejected_mapping_with_nan_does_not_become_null() -> None:
    [reject] = feed([{"event": "a", "time": NOW, "distinct_id": "u", "v": float("nan")}]).rejects

    assert reject.event is None
    assert feed([line_of(reject)[:-1]]).codes == [["not_json"]]


def test_a_circular_mapping_is_a_reject() -> None:
    circle: dict[str, Any] = {"event": "a", "time": NOW, "distinct_id": "u"}
    circle["self"] = circle

    assert feed([circle]).codes == [["too_deep"]]


def test_an_unreadable_record_is_read_and_rejected() -> None:
    intake = Intake(max_events=1, max_bytes=1, geolocate=False, clock=lambda: NOW)
    assert list(intake.feed("s", Unreadable(7, Reason("ragged_row", "…"), b"a,b"))) == []
    [batch] = intake.flush()

    assert intake.read == 1
    assert [(reject.number, reject.raw) for reject in batch.rejects] == [(7, b"a,b")]
    assert list(intake.flush()) == []


def test_many_rejects_are_settled_before_the_end() -> None:
    fed = feed([b"x"] * 5000)

    assert [len(batch.rejects) for batch in fed.batches] == [2000, 2000, 1000]
    assert len(feed([b'"' + b"x" * 1_000_000 + b'"'] * 9).batches) == 3


def test_numbers_count_blank_lines_and_go_on_from_block_to_block() -> None:
    intake = Intake(max_events=100, max_bytes=10**6, geolocate=False, clock=lambda: NOW)
    for first in (1, 5):
        assert list(intake.feed("s", Block(first, BytesIO(GOOD + b"\n\n" + GOOD + b"\nx\n")))) == []
    assert list(intake.feed("t", Block(1, BytesIO(GOOD)))) == []
    [batch] = intake.flush()

    assert [number_of(batch, i) for i in range(5)] == [("s", 1), ("s", 3), ("s", 5), ("s", 7), ("t", 1)]
    assert [reject.number for reject in batch.rejects] == [4, 8]
    assert intake.read == 7
    with pytest.raises(IndexError):
        number_of(batch, 5)


@pytest.mark.parametrize(("geolocate", "ip"), [(False, b',"ip":0'), (True, b"")])
def test_clean_bytes_pass_untouched_but_for_ip(*, geolocate: bool, ip: bytes) -> None:
    spaced = GOOD.replace(b":", b": ")
    assert feed([GOOD, spaced], geolocate=geolocate).lines == [
        GOOD[:-2] + ip + b"}}",
        spaced[:-2] + ip + b"}}",
    ]
    own = with_property('"ip":"1.2.3.4"')
    assert feed([own], geolocate=geolocate).lines == [own]


def test_the_clock_is_asked_anew_for_each_block() -> None:
    now = [NOW - FUTURE_S - 1]
    intake = Intake(max_events=9, max_bytes=10**6, geolocate=False, clock=lambda: now[0])
    for _ in range(2):
        assert list(intake.feed("s", Block(1, BytesIO(GOOD)))) == []
        now[0] = NOW
    [batch] = intake.flush()

    assert batch.count == 1
    assert [reason.code for reason in batch.rejects[0].reasons] == ["time_in_future"]


@pytest.mark.parametrize(("size", "count"), [(1_048_575, 1), (1_048_576, 0)])
@pytest.mark.parametrize("added", [True, False])
def test_an_event_is_smaller_than_a_megabyte_with_what_is_added(size: int, count: int, *, added: bool) -> None:
    start = GOOD[:-2] + (b"" if added else b',"ip":0')
    here = size - (len(b',"ip":0') if added else 0)
    filler = b"".join(b',"p%03d":"%b"' % (n, b"\\u0061" * 255) for n in range(250))
    rest = here - len(start) - len(filler) - 2
    text = start + b" " * rest + filler + b"}}"
    fed = feed([text])

    assert len(text) == here
    assert len(fed.lines) == count
    assert fed.codes == ([] if count else [["event_too_large"]])
    assert all(len(line) == size for line in fed.lines)


def test_a_single_event_may_be_larger_than_a_batch() -> None:
    big = with_property(listed(['"' + "x" * 255 + '"'] * 20))
    fed = feed([GOOD, big, GOOD], max_bytes=200)

    assert [batch.count for batch in fed.batches] == [1, 1, 1]
    assert len(fed.batches[1].lines) > 5000


HUGE = {
    "long text": with_property('"a":"%s"' % ("x" * 2_000_000)),
    "long name": with_property('"%s":1' % ("x" * 2_000_000)),
    "many brackets": with_property('"a":%s' % ("[" * 1_000_000)),
    "many names": with_property(",".join(f'"{n}":{n}' for n in range(150_000))),
    "one name": with_property(",".join(['"a":1'] * 300_000)),
    "many items": with_property(listed("1" * 200_000)),
    "escapes": with_property('"a":"%s"' % ("\\u0061" * 300_000)),
    "backslashes": with_property('"a":"%s"' % ("\\\\" * 1_000_000)),
    "surrogates": with_property('"a":"%s"' % ("\\ud800" * 300_000)),
    "numbers": with_property(listed([*["1" * 4300] * 400, '"\\ud800"'])),
    "digits": with_property(f'"a":{"1" * 2_000_000}'),
    "fraction": with_property(f'"a":0.{"1" * 2_000_000}'),
    "spaces": with_property(" " * 2_000_000 + '"a":1'),
    "spaces at the end": GOOD[:-2] + b" " * 2_000_000 + b"}}",
    "braces": b'{"a":' * 300_000,
    "long time": GOOD.replace(b"1700000000", b'"' + b" " * 2_000_000 + b'1700000000"'),
    "time of digits": GOOD.replace(b"1700000000", b'"' + b"1" * 2_000_000 + b'"'),
    "quotes": b'"' * 2_000_001,
    "commas": b"," * 2_000_000,
    "long names, all alike": with_property(",".join(f'"{"x" * 300}{n}":1' for n in range(6000))),
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_records_take_no_quadratic_time(name: str) -> None:
    fed = feed([HUGE[name]] * 2)  # were anything quadratic, one would take minutes

    assert fed.read == 2 == len(fed.lines) + len(fed.rejects)


@pytest.mark.parametrize("levels", [3, 60, 65, 300, 900, 1500, 5000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_deep_nesting_is_named_as_such(opening: str, closing: str, levels: int) -> None:
    fed = feed([with_property(f'"a":{opening * levels}1{closing * levels}')])
    fits = levels == 3 or (opening == "[" and levels == 60)

    assert fed.codes == ([] if fits else [["too_deep"]])


@pytest.mark.parametrize(("count", "fits"), [(250, True), (900, True), (1000, False), (1500, False)])
def test_a_list_is_measured_alike_both_ways(count: int, *, fits: bool) -> None:
    lists = [f"[{','.join(['1e-6'] * 50)}]"] * (count // 50)  # 5 bytes each here, 9 when they are written again
    text = with_property(listed(lists))

    assert len(text) < 8192
    assert feed([text]).codes == ([] if fits else [["value_too_large"]])
    assert len(feed([text.replace(b'"time":1700000000', b'"time":"1700000000"')]).lines) == fits


def test_250_objects_in_a_list() -> None:
    assert len(feed([with_property(listed(['{"b":{"c":1}}'] * 250))]).lines) == 1


def test_reason_messages_are_one_line() -> None:
    fed = feed([b'{"event":"a","properties":{"time":"a\\nb","distinct_id":["\\n"],"$insert_id":"\\u2028"},"x\\ny":1}'])

    [reject] = fed.rejects
    assert [reason.code for reason in reject.reasons] == [
        *("time_unreadable", "unknown_key", "distinct_id_not_text"),
    ]
    assert not any(re.search(r"[\n\r\u2028]", reason.message) for reason in reject.reasons)
