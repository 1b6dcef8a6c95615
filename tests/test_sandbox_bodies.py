"""What a body may be to the sandbox: both content types, gzip, the limits of a request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from test_sandbox import (
    HEADERS,
    IMPORT,
    JSON,
    NDJSON,
    Answer,
    ask,
    config,
    connect,
    event,
    fetch,
    ndjson,
    numbered,
    post,
)

from mpimport.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(numbered(2)).encode(),
        json.dumps(numbered(2), indent=2).encode() + b"\r\n\t ",
        b" [ " + b" , ".join(json.dumps(one).encode() for one in numbered(2)) + b" ] ",
    ],
)
def test_a_json_array_is_taken(sandbox: Sandbox, body: bytes) -> None:
    answer = post(sandbox, body, headers={"Content-Type": "application/json; charset=utf-8"})

    assert answer.json["num_records_imported"] == 2
    assert sandbox.events() == numbered(2)
    assert sandbox.stats()["content_types"] == {JSON: 1}


def test_a_single_object_and_an_empty_array_are_taken(sandbox: Sandbox) -> None:
    one = post(sandbox, json.dumps(event()).encode(), headers={"Content-Type": JSON})
    none = post(sandbox, b" [ ] ", headers={"Content-Type": JSON})

    assert [one.json["num_records_imported"], none.json["num_records_imported"]] == [1, 0]


def test_ndjson_counts_events_and_not_lines(sandbox: Sandbox) -> None:
    lines = [json.dumps(event(insert_id="a")), "", " \t", json.dumps({"event": "bad"}), json.dumps(event())]
    answer = post(sandbox, "\r\n".join(lines).encode())

    assert [record["index"] for record in answer.json["failed_records"]] == [1]
    assert answer.json["num_records_imported"] == 2


def test_events_keep_their_bytes_and_their_oddities(sandbox: Sandbox) -> None:
    line = (
        '{"event":"\\ud800","properties":{"time":1618716477,"distinct_id":"a","$insert_id":"b","ip":0,'
        '"big":123456789012345678901234567890,"huge":1e400,"zero":-0.0,"text":"ü\\u2028\\/"}}'
    ).encode()
    assert post(sandbox, line).status == 200
    answer = fetch(sandbox, "GET", "/events?format=ndjson")

    assert answer.body == line + b"\n"
    assert sandbox.events()[0]["properties"]["big"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NDJSON, b'{"event":"a"\n'),
        (NDJSON, b'{"event":"a"} {"event":"b"}\n'),
        (NDJSON, ndjson([event()]) + b"\xff\n"),
        (NDJSON, b""),
        (NDJSON, b" \n"),
        (NDJSON, ndjson([event()]).replace(b'"ip": 0', b'"ip": NaN')),
        (NDJSON, ndjson([event()]).replace(b'"ip": 0', b'"ip": -Infinity')),
        (NDJSON, b"[" * 100_000),
        (NDJSON, b'{"event":' * 100_000),
        (NDJSON, b'{"event":"a","properties":{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}}"),
        (NDJSON, b"\xef\xbb\xbf" + ndjson([event()])),
        (JSON, b""),
        (JSON, b"1"),
        (JSON, b"[1"),
        (JSON, b"[1,]"),
        (JSON, b"[,1]"),
        (JSON, b"[1 2]"),
        (JSON, b"[1] 2"),
        (JSON, b"[] 2"),
        (JSON, b"{} 2"),
        (JSON, b'[{"a":Infinity}]'),
        (JSON, b'["\xff"]'),
        (JSON, b"[" * 100_000),
    ],
)
def test_malformed_bodies_are_refused_whole(sandbox: Sandbox, content_type: str, body: bytes) -> None:
    answer = post(sandbox, body, headers={"Content-Type": content_type})

    assert answer.status == 400
    assert answer.json.keys() == {"code", "error", "status"}
    assert sandbox.stats()["stored"] == sandbox.stats()["internal_errors"] == 0


def test_deep_lists_end_in_an_answer(sandbox: Sandbox) -> None:
    answers = []
    for depth in (100, 300, 600, 900, 980, 990, 1000):
        value = b"[" * depth + b"]" * depth
        line = ndjson([event(insert_id=f"d-{depth}", deep=[])]).replace(b"[]", value)
        answers.append(post(sandbox, line).status)

    assert answers[:2] == [200, 200]
    assert set(answers) <= {200, 400}
    assert sandbox.stats()["internal_errors"] == 0


def test_gzip(sandbox: Sandbox) -> None:
    body = ndjson(numbered(50))
    members = gzip.compress(body[:100], mtime=0) + gzip.compress(body[100:], mtime=0)
    answers = [
        post(sandbox, wire, headers={"Content-Encoding": "gzip"}) for wire in (gzip.compress(body, mtime=0), members)
    ]

    assert [answer.json["num_records_imported"] for answer in answers] == [50, 50]
    stats = sandbox.stats()
    assert stats["bytes_raw"] == 2 * len(body)
    assert stats["bytes_wire"] == len(gzip.compress(body, mtime=0)) + len(members)
    assert stats["content_encodings"] == {"gzip": 2}


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"{}",
        gzip.compress(b"{}", mtime=0)[:-1],
        gzip.compress(b"{}", mtime=0)[:5],
        gzip.compress(b"{}", mtime=0) + b"x",
    ],
    ids=["empty", "plain", "no end", "no beginning", "garbage behind"],
)
def test_bad_gzip_is_refused(sandbox: Sandbox, wire: bytes) -> None:
    answer = post(sandbox, wire, headers={"Content-Encoding": "gzip"})

    assert answer.status == 400
    assert "failed_records" not in answer.json


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_size_limit_is_on_uncompressed_bytes(encoding: str) -> None:
    body = ndjson([event()])
    with Sandbox(config(max_request_bytes=len(body))) as sandbox:

        def send(raw: bytes) -> Answer:
            wire = gzip.compress(raw, mtime=0) if encoding == "gzip" else raw
            return post(sandbox, wire, headers={"Content-Encoding": encoding})

        assert send(body).status == 200
        refused = send(body + b"\n")
        assert refused.status == 413
        assert refused.json == {
            "code": 413,
            "error": f"request exceeds max limit of {len(body)} bytes",
            "status": "Request Entity Too Large",
        }


def test_a_gzip_bomb_is_refused_without_inflating_it(sandbox: Sandbox) -> None:
    bomb = gzip.compress(bytes(200_000_000), 1, mtime=0)
    answer = post(sandbox, bomb, headers={"Content-Encoding": "gzip"})

    assert answer.status == 413
    assert "10485760" in answer.json["error"]
    assert sandbox.stats()["bytes_raw"] == 0


def test_a_body_above_the_limit_is_answered_on_a_connection_that_goes_on() -> None:
    with Sandbox(config(max_request_bytes=1000)) as sandbox:
        connection = connect(sandbox)
        too_large = ask(connection, "POST", IMPORT, bytes(3_000_000), HEADERS)
        chunked = ask(connection, "POST", IMPORT, iter([bytes(1000)] * 50), HEADERS)
        good = ask(connection, "POST", IMPORT, ndjson([event()]), HEADERS)
        connection.close()

        assert [too_large.status, chunked.status, good.status] == [413, 413, 200]
        assert sandbox.stats()["connections"] == 1


def test_a_request_above_the_event_limit_is_refused_whole() -> None:
    with Sandbox(config(max_events=3)) as sandbox:
        assert post(sandbox, ndjson(numbered(3))).status == 200
        answer = post(sandbox, ndjson(numbered(4)))

        assert answer.status == 400
        assert answer.json["error"] == "request exceeds max limit of 3 events"
