"""The slow way: what cannot be read is explained truly, duplicates are found, bytes stay as they are."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LIMITS, NOW, anything, values

from mpimport.examine import Bad, examine, find_duplicates, may_repeat, one_line
from mpimport.undecodable import explain_undecodable, has_lone_surrogate

GOOD = b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}'


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", "not_json", "the record is empty"),
        (b'{"event":"a","prop', "not_json", "is the line cut off"),
        (b'{"event":"a",', "not_json", "is the line cut off"),
        (b'{"event":"a"', "not_json", "is the line cut off"),
        (b'{"event":{"a":1}', "not_json", "is the line cut off"),
        (b'{"event"', "not_json", "is the line cut off"),
        (b'{"event":', "not_json", "is the line cut off"),
        (b"{", "not_json", "does one event take several lines"),
        (b"{'event':'a'}", "not_json", "double quotes"),
        (b"""{"event":'a'}""", "not_json", "double quotes"),
        (b'{"event":"a",}', "not_json", "remove the comma"),
        (b'{"event":[1,]}', "not_json", "remove the comma"),
        (b'{"event":[1 , ]}', "not_json", "remove the comma"),
        (b'{"a":NaN}', "not_json", "NaN is no JSON number: use null"),
        (b'{"a":Infinity}', "not_json", "Infinity is no JSON number"),
        (b'{"a":-Infinity}', "not_json", "-Infinity is no JSON number"),
        (b'{"a":True}', "not_json", "true, false or null"),
        (b'{"a":None}', "not_json", "true, false or null"),
        (b'{"a":undefined}', "not_json", "true, false or null"),
        (b'{"a":word}', "not_json", "expecting value at character 6: mend"),
        (b'{"a":01}', "not_json", "at character 7"),
        (b'{"a" 1}', "not_json", "':' delimiter at character 6"),
        (b"word", "not_json", "is this a CSV file"),
        (b"time,event,distinct_id", "not_json", "is this a CSV file"),
        (b'"time","event"', "not_json", "is this a CSV file"),
        (b"1,2,3", "not_json", "is this a CSV file"),
        (b"{}{}", "not_json", "two records stand here as one: a comma is missing"),
        (b"{} x", "not_json", "a line of its own"),
        (b'{"a":1} {"a":2}', "not_json", "at character 9; two records stand"),
        (b'{"a":1},', "not_json", "remove the comma behind the record"),
        (b"\xef\xbb\xbf{}", "not_json", "byte order mark"),
        (b'{"a":\xef\xbb\xbf1}', "not_json", "at character 6"),
        (b"\0" * 10, "not_json", "NUL bytes"),
        (b'{"a":"\0"}', "not_json", "NUL bytes"),
        (b'{"a":"x\ty"}', "not_json", "tabs as \\t"),
        (b'{"a":"C:\\x"}', "not_json", "backslash in text twice"),
        (b'{"a":"\xff"}', "invalid_utf8", "byte 7 of the record is no UTF-8 (0xff)"),
        (b"\xff\xfe{\0}\0", "invalid_utf8", "byte 1"),
        (b'{"a":"\xed\xa0\x80"}', "invalid_utf8", "byte 7"),
        (b'{"a":"\\ud800"}', "lone_surrogate", "mend the text"),
        (b'{"a":"\\udc00\\ud800"}', "lone_surrogate", "mend the text"),
        (b'{"a":"\\uD83D\\u0061"}', "lone_surrogate", "mend the text"),
        (b'{"a":' + b"1" * 10_000 + b"}", "number_out_of_range", "4,300 digits: send it as text"),
        (b"[" * 100_000, "too_deep", "flatten"),
        (b'{"a":' * 100_000, "too_deep", "flatten"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_read_is_explained(text: bytes, code: str, words: str) -> None:
    record = examine(text or b'{"source":"","line":1,"by":"client","reasons":[],"raw":""}', LIMITS, Counter())

    assert isinstance(record, Bad)
    assert record.raw == text
    [reason] = record.reasons
    assert reason == explain_undecodable(text)
    assert reason.code == code
    assert words in reason.message
    assert len(reason.message) < 250
    assert reason.message.isascii()


@pytest.mark.parametrize(
    ("text", "lone"),
    [('"\\ud83d\\ude00"', False), ('"\\uD83D\\uDE00"', False), ('"\\\\ud800"', False), ('"\\\\\\ud800"', True),
     ('"\\ud800\\ud83d\\ude00"', True), ('"\\ud83d\\ude00\\ude00"', True), ('"ud800"', False), ('"\\"\\udfff"', True)],
)  # fmt: skip
def test_lone_surrogates(text: str, *, lone: bool) -> None:
    assert has_lone_surrogate(text) == lone
    assert any("\ud800" <= letter <= "\udfff" for letter in json.loads(text)) == lone


@settings(max_examples=200)
@given(anything)
def test_any_bytes_are_explained(text: bytes) -> None:
    reason = explain_undecodable(text)

    assert reason.message
    assert "\n" not in reason.message


@pytest.mark.parametrize("blank", [b"", b" ", b"\n", b"\r\n", b"\t \r\n", b"\x0c\x0b"])
def test_a_blank_line_is_nothing(blank: bytes) -> None:
    assert examine(blank, LIMITS, Counter()) is None


@pytest.mark.parametrize(
    ("text", "doubled"),
    [
        ("{}", []),
        ('{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', []),
        ('{"a":1,"a":1,"a":1}', ["a"]),
        ('{"a":1,"\\u0061":1}', ["a"]),
        ('{"b":{"x":1,"x":2},"a":1,"a":1}', ["x", "a"]),
        ('{"a" :1,"a":"\\":"}', ["a"]),
        ('{"a":"\\":"}', []),
    ],
)
def test_duplicates(text: str, doubled: list[str]) -> None:
    assert list(find_duplicates(text.encode())) == doubled
    if doubled:
        assert may_repeat(text.encode(), json.loads(text))


def test_line_breaks_are_taken_out() -> None:
    pretty = json.dumps(json.loads(GOOD), indent=2).replace("\n", "\r\n").encode()
    line = one_line(pretty)

    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line) == json.loads(GOOD)
    assert one_line(GOOD) is GOOD


@given(values, st.integers(0, 4))
def test_one_line_keeps_the_value(value: Any, indent: int) -> None:
    text = json.dumps(value, indent=indent).encode()

    assert json.loads(one_line(text)) == json.loads(text)


def sent(text: bytes) -> bytes:
    body = examine(text, LIMITS, Counter())
    assert isinstance(body, bytes), body
    return body


@pytest.mark.parametrize(
    "number", ["0.1", "1e5", "1E-7", "-0.0", "18446744073709551617", "1" * 30, "0." + "12" * 20, "1e-400"]
)
@pytest.mark.parametrize("mend", [b'"time":1700000000', b'"time":"1700000000"'], ids=["untouched", "written again"])
def test_numbers_keep_their_value(number: str, mend: bytes) -> None:
    text = GOOD.replace(b'"time":1700000000', mend + f',"n":{number}'.encode())
    event = json.loads(sent(text), parse_float=Decimal, parse_int=Decimal)

    assert event["properties"]["n"].compare_total(Decimal(number).normalize()) == 0 or (
        event["properties"]["n"] == Decimal(number)
        and event["properties"]["n"].is_signed() == Decimal(number).is_signed()
    )


def test_bytes_pass_untouched_where_nothing_changes() -> None:
    text = GOOD.replace(b"}}", b' , "x" : 1.00, "y":"\\u00e9" } }')

    assert sent(text) == text.replace(b" } }", b' ,"ip":0}}')


def test_an_explicit_null_id_is_replaced() -> None:
    body = sent(GOOD.replace(b'"i"', b"null"))

    assert len(json.loads(body)["properties"]["$insert_id"]) == 36
    assert body.count(b"$insert_id") == 1


def test_mends_count_only_when_the_event_is_sent() -> None:
    mends: Counter[str] = Counter()
    assert isinstance(examine(GOOD.replace(b'"a"', b'""').replace(b"1700000000", b'"1700000000"'), LIMITS, mends), Bad)
    assert mends == {}
    examine(GOOD.replace(b"1700000000", b'"1700000000"'), LIMITS, mends)
    assert mends == {"time_read": 1}


def test_a_reject_keeps_the_record_as_it_was_read() -> None:
    text = GOOD.replace(b'"a"', b'""').replace(b"1700000000", b'"1700000000"')
    bad = examine(b"  " + text + b"\r\n", LIMITS, Counter())

    assert isinstance(bad, Bad)
    assert (bad.event, bad.raw) == (text, None)


@pytest.mark.parametrize("json_text", [b"null", b"5", b"[]", b'"a"', b"[" + GOOD + b"]", b"true", b"1.5"])
def test_json_that_is_no_object(json_text: bytes) -> None:
    bad = examine(json_text, LIMITS, Counter())

    assert isinstance(bad, Bad)
    assert [reason.code for reason in bad.reasons] == ["not_an_object"]
    assert bad.event == json_text


def test_a_missing_id_is_no_reason_of_its_own() -> None:
    bad = examine({"event": "a", "time": NOW, "distinct_id": "u", "x": "\ud800"}, LIMITS, Counter())

    assert isinstance(bad, Bad)
    assert [reason.code for reason in bad.reasons] == ["lone_surrogate"]
    assert bad.event is None
    assert bad.raw is not None
    assert b"\\ud800" in bad.raw
