"""The sandbox's POST /engage over real HTTP: operations, forms, what is refused, what is kept of profiles."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from test_sandbox import JSON, NDJSON, Answer, config, event, fetch, ndjson, post, raw
from test_sandbox_track import FORM, recent, track

from mpimport.sandbox import Sandbox
from mpimport.sandbox.profiles import Problem, Update, apply, read_update

OK = {"status": 1, "error": None}


def update(distinct_id: Any = "ann", **operations: Any) -> dict[str, Any]:
    named = {f"${name}": value for name, value in operations.items()}
    return {"$token": "abc", "$distinct_id": distinct_id, **named}


def engage(
    sandbox: Sandbox, updates: Any, path: str = "/engage?verbose=1", content_type: str = JSON, **headers: str
) -> Answer:
    body = json.dumps(updates).encode()
    if content_type == FORM:
        body = urlencode({"data": body}).encode()
    return fetch(sandbox, "POST", path, body, {"Content-Type": content_type, **headers})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.mark.parametrize(
    ("before", "operations", "after"),
    [
        (None, {"$set": {"a": 1}}, {"a": 1}),
        ({"a": 1, "b": 2}, {"$set": {"a": [3]}}, {"a": [3], "b": 2}),
        (None, {"$set_once": {"a": 1}}, {"a": 1}),
        ({"a": None}, {"$set_once": {"a": 2, "b": 2}}, {"a": None, "b": 2}),
        (None, {"$add": {"a": -1.5}}, {"a": -1.5}),
        ({"a": 1}, {"$add": {"a": 2, "b": 3}}, {"a": 3, "b": 3}),
        ({"a": "x", "b": True}, {"$add": {"a": 2, "b": 3}}, {"a": "x", "b": True}),
        ({"a": 9e299}, {"$add": {"a": 9e299}}, {"a": 9e299}),
        (None, {"$append": {"a": {"b": 1}}}, {"a": [{"b": 1}]}),
        ({"a": [1]}, {"$append": {"a": 1}}, {"a": [1, 1]}),
        ({"a": 1}, {"$append": {"a": 1}}, {"a": 1}),
        (None, {"$union": {"a": [1, 1, 2]}}, {"a": [1, 2]}),
        ({"a": [2, True]}, {"$union": {"a": [1, 2, True]}}, {"a": [2, True, 1]}),
        ({"a": "x"}, {"$union": {"a": [1]}}, {"a": "x"}),
        ({"a": [1, True, 1, "1"]}, {"$remove": {"a": 1}}, {"a": [True, "1"]}),
        ({"a": 1}, {"$remove": {"a": 1, "b": 1}}, {"a": 1}),
        (None, {"$remove": {"a": 1}}, None),
        ({"a": 1, "b": 2}, {"$unset": ["a", "c"]}, {"b": 2}),
        (None, {"$unset": ["a"]}, None),
        ({"a": 1}, {"$delete": ""}, None),
        (None, {"$delete": None}, None),
        ({"a": 1}, {"$delete": "null", "$set": {"b": 2}}, {"b": 2}),
        ({"a": 1}, {"$set": {"b": 2}, "$unset": ["a"], "$ignore_time": True, "$ip": "0"}, {"b": 2}),
    ],
)
def test_operations(before: dict[str, Any] | None, operations: dict[str, Any], after: dict[str, Any] | None) -> None:
    found = read_update({"$distinct_id": "ann", **operations})
    was = json.dumps(before)

    assert isinstance(found, Update)
    assert apply(found, before) == after
    assert json.dumps(before) == was


@pytest.mark.parametrize(
    ("record", "field", "words"),
    [
        (5, "", "must be an object"),
        ({"$set": {}}, "$distinct_id", "non-empty string"),
        ({"$distinct_id": "", "$set": {}}, "$distinct_id", "non-empty string"),
        ({"$distinct_id": True, "$set": {}}, "$distinct_id", "non-empty string"),
        ({"$distinct_id": "a"}, "", "must have an operation: $set, $set_once"),
        ({"$distinct_id": "a", "$sett": {}}, "$sett", "is no operation"),
        ({"$distinct_id": "a", "$set": {}, "plan": 1}, "plan", "is no operation"),
        ({"$distinct_id": "a", "$set": []}, "$set", "must be an object"),
        ({"$distinct_id": "a", "$add": {"a": "1"}}, "$add", "an object of numbers"),
        ({"$distinct_id": "a", "$add": {"a": True}}, "$add", "an object of numbers"),
        ({"$distinct_id": "a", "$add": {"a": float("inf")}}, "$add", "an object of numbers"),
        ({"$distinct_id": "a", "$union": {"a": 1}}, "$union", "an object of lists"),
        ({"$distinct_id": "a", "$unset": "a"}, "$unset", "a list of names"),
        ({"$distinct_id": "a", "$unset": [1]}, "$unset", "a list of names"),
    ],
)
def test_what_no_update_is(record: Any, field: str, words: str) -> None:
    found = read_update(record)

    assert isinstance(found, Problem)
    assert found.field == field
    assert words in found.message


@pytest.mark.parametrize("content_type", [JSON, FORM])
@pytest.mark.parametrize(
    "path",
    ["/engage?verbose=1", "/engage/?verbose=1", "/engage#profile-set?verbose=1", "/engage?verbose=1#profile-set"],
)
def test_profiles_are_kept_without_their_token(sandbox: Sandbox, path: str, content_type: str) -> None:
    answer = engage(sandbox, [update(set={"name": "Änn"}), update(5, set={"a": 1})], path, content_type)

    assert (answer.status, answer.json) == (200, OK)
    assert sandbox.profiles() == {"ann": {"name": "Änn"}, "5": {"a": 1}}
    shown = fetch(sandbox, "GET", "/profiles").json
    assert [(one["$distinct_id"], one["$properties"]) for one in shown] == [("5", {"a": 1}), ("ann", {"name": "Änn"})]
    assert (sandbox.stats()["profiles"], sandbox.stats()["updates"]) == (2, 2)
    assert "abc" not in json.dumps(shown)


def test_a_hash_path_arrives_as_it_is_sent(sandbox: Sandbox) -> None:
    body = json.dumps(update(set={"a": 1})).encode()
    head = f"POST /engage#profile-set HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"

    assert raw(sandbox, head.encode() + b"Connection: close\r\n\r\n" + body).endswith(b"\r\n\r\n1")
    assert sandbox.profiles() == {"ann": {"a": 1}}


def test_a_bad_update_keeps_its_whole_request_out(sandbox: Sandbox) -> None:
    answer = engage(sandbox, [update(set={"a": 1}), update(sett={"a": 1})])

    assert (answer.status, answer.json["status"]) == (200, 0)
    assert answer.json["error"].startswith("'$sett' is invalid")
    assert sandbox.profiles() == {}
    (refused,) = sandbox.refused()
    assert (refused["endpoint"], refused["index"]) == ("/engage", 1)
    assert json.loads(refused["json"]) == {"$distinct_id": "ann", "$sett": {"a": 1}}
    assert engage(sandbox, [update()], "/engage").body == b"0"


def test_strict_lists_the_bad_updates_and_applies_the_others(sandbox: Sandbox) -> None:
    answer = engage(sandbox, [update(add={"a": "x"}), update(add={"a": 1})], "/engage?strict=1")

    assert answer.status == 400
    assert answer.json["num_records_imported"] == 1
    assert [(one["index"], one["field"]) for one in answer.json["failed_records"]] == [(0, "$add")]
    assert sandbox.profiles() == {"ann": {"a": 1}}
    good = engage(sandbox, [update(add={"a": 1})], "/engage?strict=1")
    assert good.json == {"code": 200, "num_records_imported": 1, "status": "OK"}


@pytest.mark.parametrize("token", [None, "", "other"])
def test_every_update_needs_the_token(token: str | None) -> None:
    with Sandbox(config(token="abc")) as sandbox:
        assert engage(sandbox, [update(set={})]).json == OK
        answer = engage(sandbox, [{**update(set={"a": 1}), "$token": token}])

        assert answer.json["error"].startswith("token, ")
        assert sandbox.profiles() == {"ann": {}}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"", JSON, 400, "missing or empty"),
        (b"data=", FORM, 400, "missing or empty"),
        (b"[", JSON, 400, "valid JSON"),
        (b"[]", NDJSON, 415, "Content-Type"),
        (b'{"$token":"abc","$distinct_id":"a","$set":{"a":1e400}}', JSON, 200, "too large a number"),
        (b"[" * 100_000, JSON, 400, "nested too deeply"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, JSON, 200, ""),
    ],
)
def test_what_is_refused(sandbox: Sandbox, body: bytes, content_type: str, status: int, words: str) -> None:
    answer = fetch(sandbox, "POST", "/engage?verbose=1", body, {"Content-Type": content_type})

    assert answer.status in (status, 400)
    assert answer.json["status"] != 1
    assert words in answer.json["error"]
    assert sandbox.stats()["internal_errors"] == 0


def test_gzip_is_not_taken(sandbox: Sandbox) -> None:
    body = gzip.compress(json.dumps([update(set={"a": 1})]).encode())
    answer = fetch(sandbox, "POST", "/engage", body, {"Content-Type": JSON, "Content-Encoding": "gzip"})

    assert (answer.status, sandbox.profiles()) == (415, {})


def test_limits_are_shared_with_the_other_endpoints() -> None:
    with Sandbox(config(max_events_per_window=2, max_track_events=2)) as sandbox:
        many = engage(sandbox, [update(set={})] * 3)
        assert engage(sandbox, [update(set={})] * 2).status == 200
        assert track(sandbox, [recent()]).status == 429

    assert (many.status, many.json["error"]) == (400, "request exceeds max limit of 2 updates")


@pytest.mark.parametrize("path", ["/track", "/engage", "/import?project_id=1"])
def test_forms_may_be_base64_and_ask_for_words_in_their_fields(sandbox: Sandbox, path: str) -> None:
    record = update(set={"note": "~~~???>>>"}) if path == "/engage" else recent(note="~~~???>>>")
    data = base64.b64encode(json.dumps([record]).encode()).decode()
    headers = {"Content-Type": FORM, "Authorization": "Basic YTpi"}
    for body in (urlencode({"data": data, "verbose": 1, "ip": 0}), f"verbose=1&data={data}"):
        assert fetch(sandbox, "POST", path, body.encode(), headers).json == OK

    assert (sandbox.profiles() if path == "/engage" else sandbox.events()) != []


def test_a_form_to_import_is_answered_as_its_clients_expect(sandbox: Sandbox) -> None:
    headers = {"Content-Type": FORM, "Authorization": "Basic YTpi"}

    def send(events: list[Any], path: str = "/import?project_id=1&verbose=1") -> Answer:
        return fetch(sandbox, "POST", path, urlencode({"data": json.dumps(events)}).encode(), headers)

    assert send([event(), event(time=5)]).json == OK
    assert send([event(time=5)]).json == {
        "status": 0,
        "error": "'properties.time' is invalid: must not be before 1971-01-01",
    }
    assert send([event(token="abc", insert_id="b")], "/import?project_id=1").body == b"1"
    assert send([event(time=5)], "/import?project_id=1&strict=1").status == 400
    assert "token" not in json.dumps(sandbox.events())


def test_what_is_refused_is_shown_with_every_reason(sandbox: Sandbox) -> None:
    post(sandbox, ndjson([event(), event(time=5, distinct_id="null")]))
    track(sandbox, [recent(time=5)])
    post(sandbox, b"{", headers={"Content-Type": JSON})
    post(sandbox, b"", headers={"Authorization": ""})
    shown = fetch(sandbox, "GET", "/refused").json

    assert shown == sandbox.refused()
    assert [(one["endpoint"], one["index"], len(one["reasons"])) for one in shown] == [
        ("/import", None, 1),
        ("/import", None, 1),
        ("/track", 0, 1),
        ("/import", 1, 2),
    ]
    assert json.loads(shown[3]["json"]) == event(time=5, distinct_id="null")
    assert "abc" not in shown[2]["json"]
    assert sandbox.stats()["refused_requests"] == {
        "request body is not valid JSON in the object": 1,
        "Invalid credentials": 1,
    }


def test_faults_and_rate_limits_are_no_refusals() -> None:
    with Sandbox(config(faults=(("400", 0.5),), seed=1, max_events_per_window=1)) as sandbox:
        for number in range(9):
            post(sandbox, ndjson([event(insert_id=f"id-{number}")]))

        assert set(sandbox.stats()["by_status"]) == {"200", "400", "429"}
        assert sandbox.refused() == []
