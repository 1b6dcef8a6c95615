"""The sandbox's POST /track over real HTTP: forms, tokens, history, and replies that name no event."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from test_sandbox import JSON, NDJSON, NOW_S, Answer, config, event, fetch, ndjson, post

from mpimport.sandbox import Sandbox

FORM = "application/x-www-form-urlencoded"
NOW_MS = int(NOW_S * 1000)
OLDEST_MS = NOW_MS - 5 * 86_400_000
STORED = {"status": 1, "error": None}


def recent(number: int = 0, /, token: Any = "abc", **properties: Any) -> dict[str, Any]:
    """Make a valid event for /track; None leaves a property out."""
    return event(**{"time": NOW_MS - 1000, "insert_id": f"id-{number}", "token": token, **properties})


def stored_form(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "properties": {name: value for name, value in one["properties"].items() if name != "token"}}


def track(sandbox: Sandbox, events: Any, *, verbose: bool = True, content_type: str = FORM, **headers: str) -> Answer:
    text = events if isinstance(events, str) else json.dumps(events)
    body = urlencode({"data": text}) if content_type == FORM else text
    path = "/track?verbose=1" if verbose else "/track"
    names = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return fetch(sandbox, "POST", path, body.encode(), names)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.mark.parametrize("content_type", [FORM, JSON, f"{FORM}; charset=utf-8"])
def test_events_arrive_and_are_kept_without_their_token(sandbox: Sandbox, content_type: str) -> None:
    events = [recent(n, note="ä&b=c+d %20 \N{GRINNING FACE}") for n in range(3)]
    text = json.dumps(events, ensure_ascii=False)
    body = f"data={quote(text)}" if content_type.startswith(FORM) else text
    answer = fetch(sandbox, "POST", "/track?verbose=1", body.encode(), {"Content-Type": content_type})

    assert (answer.status, answer.json) == (200, STORED)
    assert answer.body == b'{"status":1,"error":null}'
    assert sandbox.events() == [stored_form(one) for one in events]
    stats = sandbox.stats()
    assert (stats["requests"], stats["received"], stats["stored"], stats["refused"]) == (1, 3, 3, 0)
    assert stats["content_types"] == {content_type.partition(";")[0]: 1}


def test_one_event_is_taken_too_and_the_spelling_of_numbers_is_kept(sandbox: Sandbox) -> None:
    text = json.dumps(recent())[:-2] + ', "n": 0.10, "m": 12345678901234567890123}}'

    assert track(sandbox, text).json == STORED
    assert b'"n":0.10,"m":12345678901234567890123' in fetch(sandbox, "GET", "/events").body


def test_without_verbose_the_reply_is_a_number(sandbox: Sandbox) -> None:
    assert track(sandbox, [recent()], verbose=False).body == b"1"
    assert track(sandbox, [recent(time=5)], verbose=False).body == b"0"
    assert track(sandbox, [recent(token=None)], verbose=False).body == b"0"
    malformed = track(sandbox, "[", verbose=False)
    assert (malformed.status, malformed.body) == (400, b"0")


def test_a_bad_event_keeps_its_whole_request_out(sandbox: Sandbox) -> None:
    answer = track(sandbox, [recent(1), recent(2, distinct_id="null"), recent(3, **{"$ignore": True})])

    assert answer.status == 200
    assert answer.json == {
        "status": 0,
        "error": "'properties.distinct_id' is invalid: must not be one of the disallowed values",
    }
    stats = sandbox.stats()
    assert (stats["stored"], stats["received"], stats["refused"], stats["ignored"]) == (0, 0, 1, 0)


@pytest.mark.parametrize(
    ("time", "error"),
    [
        (OLDEST_MS, None),
        (OLDEST_MS // 1000, None),
        (NOW_MS + 3_600_000, None),
        (OLDEST_MS - 1, "must not be more than 5 days ago"),
        (OLDEST_MS // 1000 - 1, "must not be more than 5 days ago"),
        (5, "must not be before 1971-01-01"),
        (NOW_MS + 3_600_001, "must not be more than one hour in the future"),
    ],
)
def test_five_days_of_history_are_taken(sandbox: Sandbox, time: int, error: str | None) -> None:
    answer = track(sandbox, [recent(time=time)]).json

    assert answer["status"] == (error is None)
    assert (answer["error"] is None) if error is None else answer["error"].endswith(error)


@pytest.mark.parametrize("token", [None, "", 5, True, ["abc"]])
def test_every_event_needs_a_token(sandbox: Sandbox, token: Any) -> None:
    answer = track(sandbox, [recent(1), recent(2, token=token)])

    assert (answer.status, answer.json["status"]) == (200, 0)
    assert answer.json["error"].startswith("token, ")
    assert sandbox.stats()["stored"] == 0


@pytest.mark.parametrize(
    ("restriction", "allowed"),
    [
        ({}, {"abc", "\ud800"}),
        ({"token": "abc"}, {"abc"}),
        ({"token": "abc", "api_secret": "k"}, {"abc"}),
        ({"api_secret": "abc"}, set()),
        ({"username": "abc", "secret": "abc"}, set()),
        ({"project_id": "7"}, {"abc", "\ud800"}),
    ],
)
def test_restricted_credentials(restriction: dict[str, str], allowed: set[str]) -> None:
    with Sandbox(config(**restriction)) as sandbox:
        found = {token for token in ("abc", "ABC", "\ud800") if track(sandbox, [recent(token=token)]).json["status"]}

    assert found - {"ABC"} == allowed
    assert ("ABC" in found) == ("token" not in restriction and bool(allowed))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "data, missing or empty"),
        (b"data=", "data, missing or empty"),
        (b"date=%5B%5D", "data, missing or empty"),
        (b"data=%5B", "valid JSON"),
        (b"data=%FF", "UTF-8"),
        (b"data=[{}]\xff", "not a form"),
        (b"a=1&" * 1000 + b"data=[]", "not a form"),
        (b"data=W10", "not a JSON array"),
    ],
)
def test_what_is_no_form_is_refused_as_a_whole(sandbox: Sandbox, body: bytes, words: str) -> None:
    answer = fetch(sandbox, "POST", "/track?verbose=1", body, {"Content-Type": FORM})

    assert answer.status == 400
    assert answer.json["status"] == 0
    assert words in answer.json["error"]


@pytest.mark.parametrize("events", [[], [[]], ["x"], [{}], [{"event": "a", "properties": 5}]])
def test_oddities_do_no_harm(sandbox: Sandbox, events: Any) -> None:
    assert track(sandbox, events).json["status"] == (not events)
    assert sandbox.stats()["internal_errors"] == 0


def test_half_a_surrogate_pair_in_a_name_does_no_harm(sandbox: Sandbox) -> None:
    assert track(sandbox, [recent(**{"\ud800": 1})]).json == STORED
    assert sandbox.events() == [stored_form(recent(**{"\ud800": 1}))]


@pytest.mark.parametrize(("content_type", "encoding"), [(NDJSON, ""), ("text/plain", ""), ("", ""), (FORM, "br")])
def test_other_types_and_encodings_are_refused(sandbox: Sandbox, content_type: str, encoding: str) -> None:
    answer = track(sandbox, [recent()], content_type=content_type, Content_Encoding=encoding)

    assert answer.status == 415


def test_gzip_is_taken(sandbox: Sandbox) -> None:
    body = gzip.compress(urlencode({"data": json.dumps([recent()])}).encode())
    headers = {"Content-Type": FORM, "Content-Encoding": "gzip"}

    assert fetch(sandbox, "POST", "/track?verbose=1", body, headers).json == STORED
    assert sandbox.stats()["content_encodings"] == {"gzip": 1}


def test_a_request_has_its_limits() -> None:
    with Sandbox(config(max_track_events=2, max_request_bytes=2000)) as sandbox:
        assert track(sandbox, [recent(1), recent(2)]).json == STORED
        many = track(sandbox, [recent(n) for n in range(3)])
        large = track(sandbox, [recent(pad="x" * 2000)])

    assert (many.status, many.json["error"]) == (400, "request exceeds max limit of 2 events")
    assert (large.status, large.json["error"]) == (413, "request exceeds max limit of 2000 bytes")


def test_the_rate_limit_is_shared_with_import() -> None:
    with Sandbox(config(max_events_per_window=3)) as sandbox:
        assert post(sandbox, ndjson([event(), event()])).status == 200
        assert track(sandbox, [recent(1)]).status == 200
        assert track(sandbox, [recent(2)]).status == 429
        assert post(sandbox, ndjson([event()])).status == 429


@pytest.mark.parametrize(
    ("fault", "status", "kept"), [("503", 503, 0), ("429", 429, 0), ("html", 200, 0), ("slow", 200, 1)]
)
def test_faults_apply(fault: str, status: int, kept: int) -> None:
    with Sandbox(config(faults=((fault, 1.0),), slow_s=0.01)) as sandbox:
        assert track(sandbox, [recent()]).status == status
        assert sandbox.stats()["stored"] == kept


def test_an_event_is_a_duplicate_whichever_way_it_came(sandbox: Sandbox) -> None:
    post(sandbox, ndjson([stored_form(recent())]))
    track(sandbox, [recent(), recent(token="other")])

    stats = sandbox.stats()
    assert (stats["stored"], stats["duplicates"]) == (1, 2)


def test_only_post_is_taken(sandbox: Sandbox) -> None:
    answer = fetch(sandbox, "GET", "/track")

    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert b"/track" in fetch(sandbox, "GET", "/").body
