"""HTTP of the sandbox: framing, kept-alive connections, concurrency, start and end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from test_sandbox import (
    HEADERS,
    IMPORT,
    TIMEOUT_S,
    address,
    ask,
    config,
    connect,
    event,
    fetch,
    ndjson,
    numbered,
    post,
    raw,
)

from mpimport.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/nowhere", {}, 404),
        ("GET", "/import/", {}, 404),
        ("GET", "/import", {}, 405),
        ("PUT", "/import", {}, 405),
        ("POST", "/events", {}, 405),
        ("DELETE", "/stats", {}, 405),
        ("HEAD", "/stats", {}, 405),
        ("BREW", "/import", {}, 501),
        ("POST", IMPORT, {"Content-Type": "text/csv"}, 415),
        ("POST", IMPORT, {"Content-Type": ""}, 415),
        ("POST", IMPORT, {"Content-Encoding": "br"}, 415),
        ("GET", "/events?limit=-1", {}, 400),
        ("GET", "/events?offset=x", {}, 400),
        ("GET", "/events?format=csv", {}, 400),
    ],
)
def test_what_is_not_served(sandbox: Sandbox, method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = fetch(sandbox, method, path, ndjson([event()]), {**HEADERS, **headers})

    assert answer.status == status
    assert method == "HEAD" or answer.json["code"] == status


def test_a_connection_is_kept_alive_over_everything(sandbox: Sandbox) -> None:
    connection = connect(sandbox)
    statuses = [
        ask(connection, "POST", IMPORT, ndjson([event()]), HEADERS).status,
        ask(connection, "POST", "/import", ndjson([event()]), HEADERS).status,
        ask(connection, "POST", IMPORT, b"{", HEADERS).status,
        ask(connection, "POST", "/nowhere", b"body", HEADERS).status,
        ask(connection, "GET", "/events").status,
        ask(connection, "GET", "/stats").status,
        ask(connection, "POST", IMPORT, ndjson([event()]), HEADERS).status,
    ]
    connection.close()

    assert statuses == [200, 401, 400, 404, 200, 200, 200]
    assert sandbox.stats()["connections"] == 1


def head_of(**headers: str) -> bytes:
    lines = [f"POST {IMPORT} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in ({**HEADERS} | headers).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_chunked_bodies(sandbox: Sandbox) -> None:
    body = ndjson(numbered(5))
    connection = connect(sandbox)
    answers = [ask(connection, "POST", IMPORT, iter([body[:7], body[7:]]), HEADERS) for _ in range(2)]
    connection.close()
    extended = b"%x;name=value\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body)
    extended_answer = raw(sandbox, head_of(Transfer_Encoding="chunked", Connection="close") + extended)

    assert [answer.json["num_records_imported"] for answer in answers] == [5, 5]
    assert b'"num_records_imported":5' in extended_answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        head_of(Transfer_Encoding="chunked") + b"zz\r\n",
        head_of(Transfer_Encoding="chunked") + b"1\r\n{}\r\n0\r\n\r\n",
        head_of(Transfer_Encoding="chunked") + b"0\r\n" + b"a: b\r\n" * 200,
        head_of(Transfer_Encoding="chunked", Content_Length="5") + b"0\r\n\r\n",
        head_of(Transfer_Encoding="gzip") + b"x",
        head_of(Content_Length="-1"),
        head_of(Content_Length="+1"),
        head_of(Content_Length="1, 1"),
        b"nonsense\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"POST /import HTTP/7.7\r\n\r\n",
    ],
)
def test_bad_framing_is_refused_and_the_connection_closed(sandbox: Sandbox, request_bytes: bytes) -> None:
    answer = raw(sandbox, request_bytes)

    assert b'"code":' in answer
    assert b'"status":' in answer
    assert sandbox.stats()["internal_errors"] == 0


def test_half_a_request_is_not_processed(sandbox: Sandbox) -> None:
    body = ndjson([event()])
    with socket.create_connection(address(sandbox), timeout=TIMEOUT_S) as connection:
        connection.sendall(head_of(Content_Length=str(len(body) + 1)) + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""

    stats = sandbox.stats()
    assert (stats["requests"], stats["stored"], stats["by_status"], stats["internal_errors"]) == (1, 0, {}, 0)


def test_expect_100_continue(sandbox: Sandbox) -> None:
    body = ndjson([event()])
    with socket.create_connection(address(sandbox), timeout=TIMEOUT_S) as connection:
        connection.sendall(head_of(Content_Length=str(len(body)), Expect="100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(12) == b"HTTP/1.1 200"

    refused = raw(sandbox, head_of(Content_Length="50", Expect="100-continue", Authorization="no"))
    assert refused.startswith(b"HTTP/1.1 401")
    assert b"Connection: close" in refused


def test_http_1_0_is_answered_and_closed(sandbox: Sandbox) -> None:
    post(sandbox, ndjson([event()]))
    answer = raw(sandbox, b"GET /events HTTP/1.0\r\n\r\n")

    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == [event()]


def test_concurrent_clients(sandbox: Sandbox) -> None:
    def run(number: int) -> None:
        connection = connect(sandbox)
        for _ in range(5):
            events = [event(insert_id=f"{number}-{index}") for index in range(100)]
            assert ask(connection, "POST", IMPORT, ndjson(events), HEADERS).status == 200
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stats = sandbox.stats()
    assert (stats["received"], stats["stored"], stats["duplicates"]) == (8000, 1600, 6400)
    assert stats["connections"] == 16
    assert 1 <= stats["max_in_flight"] <= 16


def test_the_end_does_not_wait_for_kept_alive_connections() -> None:
    with Sandbox(config()) as sandbox:
        idle = [connect(sandbox) for _ in range(20)]
        for connection in idle:
            ask(connection, "GET", "/")
        begun = time.monotonic()

    assert time.monotonic() - begun < 1
    for connection in idle:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        fetch(sandbox, "GET", "/")
    assert sandbox.events() == []


def test_it_listens_on_loopback_only_and_one_at_a_time(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    _, port = address(sandbox)
    with pytest.raises(OSError, match="in use"), Sandbox(port=port):
        pass


def test_a_port_can_be_used_again_at_once() -> None:
    with Sandbox() as first:
        fetch(first, "GET", "/")
        _, port = address(first)
    with Sandbox(port=port) as second:
        assert fetch(second, "GET", "/").status == 200
