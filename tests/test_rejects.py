"""The rejected-events file: one JSON line each, whatever the record holds, and the way back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import feed

from mpimport.records import Reason, Reject
from mpimport.rejects import digest_of, line_of, unwrap

GOOD = b'{"event":"a","properties":{"time":1700000000,"distinct_id":"u","$insert_id":"i"}}'
BAD = GOOD.replace(b'"a"', b'""')

anything = st.text(st.characters())
reasons = st.builds(Reason, st.just("code"), anything, st.none() | anything)


def reject(event: bytes | None = None, raw: bytes | None = None, *given: Reason, source: str = "s") -> Reject:
    return Reject(source, 3, "client", given or (Reason("code", "words"),), event=event, raw=raw)


def test_a_line_is_what_the_readme_says() -> None:
    line = line_of(reject(BAD, None, Reason("time_too_old", "old", "properties.time"), Reason("x", "y")))

    assert line == (
        b'{"source":"s","line":3,"by":"client","reasons":[{"code":"time_too_old","field":"properties.time",'
        b'"message":"old"},{"code":"x","message":"y"}],"event":' + BAD + b"}\n"
    )
    assert b'"raw":"a,b"' in line_of(reject(raw=b"a,b"))
    assert b'"raw_base64":"/w=="' in line_of(reject(raw=b"\xff"))


@given(
    st.binary() | anything.map(lambda text: text.encode(errors="surrogatepass")),
    st.lists(reasons, min_size=1),
    anything,
)
def test_a_raw_record_comes_back(raw: bytes, given: list[Reason], source: str) -> None:
    line = line_of(reject(None, raw, *given, source=source))

    assert line.count(b"\n") == 1
    json.loads(line)
    assert unwrap(line) == raw


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.dictionaries(st.text(), st.text()))
def test_an_event_comes_back(event: object) -> None:
    text = json.dumps(event).encode()

    assert unwrap(line_of(reject(text))) == text
    assert unwrap(line_of(reject(text)).rstrip(b"\n") + b" \r\n") == text


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'"reasons"',
        b"[" * 5000 + b'"reasons"',
        b'{"reasons":[]}',
        b'{"event":"a","properties":{"reasons":[{"code":"x"}],"source":"s","line":1,"by":"client"}}',
        b'{"source":"s","line":1,"by":"client","reasons":[{"code":"x"}]}',
        b'{"source":"s","line":1,"by":"client","reasons":[{"code":"x"}],"event":"a","time":1700000000}',
        b'{"source":"s","line":1,"by":"a person","reasons":[{"code":"x"}],"event":"a"}',
        b'{"source":"s","line":1,"by":"client","reasons":["x"],"event":"a"}',
        b'{"source":"s","line":1,"by":"client","reasons":[],"raw_base64":"?"}',
        b'{"source":"s","line":1,"by":"client","reasons":[],"raw_base64":"\\u00e9"}',
        b'{"source":"s","line":1,"by":"client","reasons":[],"event":{}',
    ],
    ids=range(12),
)
def test_what_only_looks_like_a_line_is_left_alone(text: bytes) -> None:
    assert unwrap(text) is None


def test_an_event_with_reasons_is_imported_as_it_is() -> None:
    nested = GOOD.replace(b'"time"', b'"reasons":[{"code":"x"}],"source":"s","line":1,"by":"client","time"')
    members = nested[nested.index(b'"reasons"') : nested.index(b',"time"')]
    flat = b'{"event":"a","time":1700000000,"distinct_id":"u",' + members + b"}"
    fed = feed([nested, flat])

    assert fed.rejects == []
    for line in fed.lines:
        properties = json.loads(line)["properties"]
        assert properties["reasons"] == [{"code": "x"}]
        assert properties["time"] == 1_700_000_000


def test_a_mended_line_is_imported() -> None:
    [broken] = feed([BAD]).rejects
    [cut] = feed([GOOD[:-1]]).rejects
    [foreign] = feed([GOOD.replace(b'"a"', b'"\xff"')]).rejects
    mended = [
        line_of(broken).replace(b'"event":""', b'"event":"b"'),
        line_of(cut).replace(b'\\"i\\"}"', b'\\"i\\"}}"'),
        json.dumps({**json.loads(line_of(cut)), "event": json.loads(GOOD)}).encode(),
    ]
    fed = feed([line.strip() for line in (*mended, line_of(foreign))])

    assert [json.loads(line)["event"] for line in fed.lines] == ["b", "a", "a"]
    assert fed.codes == [["invalid_utf8"]]
    assert fed.rejects[0].number == 4
    assert fed.rejects[0].raw == foreign.raw


def test_a_mended_line_may_be_spread_over_white_space() -> None:
    line = line_of(reject(GOOD)).replace(b":", b" : ").replace(b",", b" ,\t")

    assert len(feed([line.strip()]).lines) == 1


def test_a_reject_is_the_same_however_its_reason_is_worded() -> None:
    lines = [line_of(reject(GOOD, None, Reason("x", words, "f"))) for words in ("request 1", "request 2")]
    others = [
        line_of(reject(GOOD, None, Reason("y", "request 1", "f"))),
        line_of(reject(BAD, None, Reason("x", "request 1", "f"))),
        line_of(reject(GOOD, None, Reason("x", "request 1", "f"), source="t")),
        b"no reject",
    ]

    assert digest_of(lines[0]) == digest_of(lines[1].rstrip(b"\n"))
    assert len({*map(digest_of, (lines[0], *others))}) == 5
