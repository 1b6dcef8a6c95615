"""What replies of /track mean: a table of literal replies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes import reply, stored
from hypothesis import given
from hypothesis import strategies as st

from mpimport.records import Accepted, Fatal, Refused, Response, Retry, Split, Verdict
from mpimport.replies import TOO_LARGE
from mpimport.replies_track import MENDING, classify_track

HTML = b"<html><head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>"


def answers(status: int, words: str) -> str:
    return f"the server answers {status}: {words}"


def undocumented(words: str) -> Retry:
    return Retry(f"not the documented reply to /track: the server answers 200{words and ': '}{words}")


def said(status: object, error: object = None) -> dict[str, object]:
    return {"status": status, "error": error}


TABLE: dict[str, tuple[Response, Verdict]] = {
    "stored": (reply(200, b'{"status":1,"error":null}'), Accepted()),
    "stored, empty error": (reply(200, said(1, "")), Accepted()),
    "stored, no error": (reply(200, b'{"status": 1}'), Accepted()),
    "1": (reply(200, b"1"), Accepted()),
    "1, a line": (reply(200, b" 1\r\n"), Accepted()),
    "1, as text/html": (reply(200, b"1", content_type="text/html"), Accepted()),
    "bad": (reply(200, said(0, "bad time")), Split(answers(200, "bad time"))),
    "bad, no words": (reply(200, b'{"status":0}'), Split(answers(200, '{"status":0}'))),
    "1 and 0": (reply(200, b'{"status":0,"status":1}'), undocumented('{"status":0,"status":1}')),
    "0": (reply(200, b"0\n"), Split(answers(200, "0"))),
    "no token": (
        reply(200, said(0, "token, missing or empty")),
        Fatal(f"{MENDING} ({answers(200, 'token, missing or empty')})"),
    ),
    "Token": (reply(400, said(0, "Invalid Token")), Fatal(f"{MENDING} ({answers(400, 'Invalid Token')})")),
    "token of a parser": (
        reply(400, said(0, "Unexpected token < in JSON")),
        Split(answers(400, "Unexpected token < in JSON")),
    ),
    "tokens are something else": (reply(200, said(0, "tokenized")), Split(answers(200, "tokenized"))),
    "error is no text": (reply(200, said(0, ["token"])), Split(answers(200, '{"status": 0, "error": ["token"]}'))),
    "400, bad": (reply(400, said(0, "data, missing or empty")), Split(answers(400, "data, missing or empty"))),
    "400, 0": (reply(400, b"0"), Split(answers(400, "0"))),
    "400, HTML": (reply(400, HTML), Refused(answers(400, "502 Bad Gateway nginx"))),
    "400, 1": (reply(400, b"1"), Refused(answers(400, "1"))),
    "400, empty": (reply(400), Refused("the server answers 400")),
    "stored, and an error": (reply(200, said(1, "but")), undocumented("but")),
    "true is no 1": (reply(200, b"true"), undocumented("true")),
    "1.0 is no 1": (reply(200, b"1.0"), undocumented("1.0")),
    "an event that speaks of a token": (
        reply(200, said(0, "event 'Token Refreshed': property 'x' is invalid")),
        Split(answers(200, "event 'Token Refreshed': property 'x' is invalid")),
    ),
    "status true": (reply(200, b'{"status":true}'), undocumented('{"status":true}')),
    "status as text": (reply(200, b'{"status":"1"}'), undocumented('{"status":"1"}')),
    "2": (reply(200, b"2"), undocumented("2")),
    "a list": (reply(200, b"[1]"), undocumented("[1]")),
    "200 of /import": (stored(5), undocumented('{"code": 200, "num_records_imported": 5, "status": "OK"}')),
    "200, HTML": (reply(200, HTML), undocumented("502 Bad Gateway nginx")),
    "200, cut": (reply(200, b'{"status":1,'), undocumented('{"status":1,')),
    "200, empty": (reply(200), undocumented("")),
    "401": (reply(401, said(0, "no")), Fatal(f"{MENDING} ({answers(401, 'no')})")),
    "403": (reply(403), Fatal(f"{MENDING} (the server answers 403)")),
    "413, limit named": (
        reply(413, {"error": "request exceeds max limit of 1048576 bytes"}),
        Split(answers(413, "request exceeds max limit of 1048576 bytes"), 1_048_576),
    ),
    "413": (reply(413), Split("the server answers 413", TOO_LARGE)),
    "429": (reply(429, retry_after="7"), Retry("the server answers 429", 7.0, answer="throttled")),
    "202": (reply(202, b"1"), Retry(answers(202, "1"))),
    "502": (reply(502, HTML), Retry(answers(502, "502 Bad Gateway nginx"), answer="overloaded")),
    "503": (reply(503, b"1"), Retry(answers(503, "1"), answer="overloaded")),
    "no reply": (Response(0, error="connection refused"), Retry("connection refused", answer="lost")),
}


@pytest.mark.parametrize(("response", "verdict"), TABLE.values(), ids=TABLE)
@pytest.mark.parametrize("count", [1, 50])
def test_each_reply_has_its_verdict(response: Response, verdict: Verdict, count: int) -> None:
    assert classify_track(response, count) == verdict


@pytest.mark.parametrize("status", [301, 302, 307, 402, 404, 405, 407, 410, 418])
def test_what_no_repeating_mends_stops_the_run(status: int) -> None:
    assert isinstance(classify_track(reply(status, b"1"), 3), Fatal)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b"\xff\xfe", b'"\\ud800"'])
def test_no_body_breaks_it(body: bytes) -> None:
    assert isinstance(classify_track(reply(200, body), 1), Retry)
    assert isinstance(classify_track(reply(400, body), 1), Refused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.floats() | st.sampled_from(["", "1", "token", "bad"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["status", "error"]), inner),
    max_leaves=6,
)


@given(status=st.integers(-1, 599), document=JSON, count=st.integers(1, 5))
def test_only_a_documented_1_counts_as_stored(status: int, document: Any, count: int) -> None:
    verdict = classify_track(Response(status, {}, json.dumps(document).encode()), count)
    if isinstance(verdict, Accepted):
        assert status == 200
        said_status = document["status"] if isinstance(document, dict) else document
        assert type(said_status) is int
        assert said_status == 1
