"""The sandbox over real HTTP: bodies, authentication, deduplication, what can be looked at, its end."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from mpimport.sandbox import Sandbox, SandboxConfig

NOW_S = 1_700_000_000.0
JSON, NDJSON = "application/json", "application/x-ndjson"
TIMEOUT_S = 5


def config(**options: Any) -> SandboxConfig:
    return SandboxConfig(**{"now": lambda: NOW_S, **options})


def event(name: str = "Signed Up", /, **properties: Any) -> dict[str, Any]:
    """Make a valid event; a property given as None is left out, `insert_id` stands for `$insert_id`."""
    base = {"time": 1_618_716_477_000, "distinct_id": "user", "$insert_id": "id", "ip": 0}
    if "insert_id" in properties:
        properties["$insert_id"] = properties.pop("insert_id")
    merged = {key: value for key, value in (base | properties).items() if value is not None}
    return {"event": name, "properties": merged}


def numbered(count: int) -> list[dict[str, Any]]:
    return [event(insert_id=f"id-{number}") for number in range(count)]


def ndjson(events: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


def basic(credentials: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


HEADERS = {**basic("account:secret"), "Content-Type": NDJSON}
IMPORT = "/import?strict=1&project_id=1"


@dataclass
class Answer:
    """A reply, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def connect(sandbox: Sandbox) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=TIMEOUT_S)


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    connection.request(method, path, body, dict(headers or {}))
    with connection.getresponse() as response:
        return Answer(response.status, dict(response.headers), response.read())


def fetch(sandbox: Sandbox, method: str, path: str, *rest: Any, **options: Any) -> Answer:
    connection = connect(sandbox)
    try:
        return ask(connection, method, path, *rest, **options)
    finally:
        connection.close()


def post(sandbox: Sandbox, body: bytes, path: str = IMPORT, headers: Mapping[str, str] | None = None) -> Answer:
    return fetch(sandbox, "POST", path, body, {**HEADERS, **(headers or {})})


def address(sandbox: Sandbox) -> tuple[str, int]:
    url = urlsplit(sandbox.url)
    assert url.hostname
    assert url.port
    return url.hostname, url.port


def raw(sandbox: Sandbox, request: bytes) -> bytes:
    """Send bytes as they are and read until the server closes."""
    with socket.create_connection(address(sandbox), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(config()) as running:
        yield running


def test_good_events_are_stored_and_counted(sandbox: Sandbox) -> None:
    answer = post(sandbox, ndjson(numbered(3)))

    assert answer.status == 200
    assert answer.json == {"code": 200, "num_records_imported": 3, "status": "OK"}
    assert sandbox.events() == numbered(3)
    stats = sandbox.stats()
    expected = {"requests": 1, "received": 3, "stored": 3, "duplicates": 0, "refused": 0, "kept": 3}
    assert {key: stats[key] for key in expected} == expected
    assert stats["by_status"] == {"200": 1}
    assert stats["events_by_name"] == {"Signed Up": 3}
    assert stats["bytes_raw"] == stats["bytes_wire"] == len(ndjson(numbered(3)))


def test_duplicates_are_kept_once_and_count_as_imported(sandbox: Sandbox) -> None:
    same = [event(time=1_618_716_477_000), event(time=1_618_716_477), event(time=1_618_716_477.0, x="other")]
    different = [
        event(time=1_618_716_477_001),
        event(insert_id="ID"),
        event(distinct_id=""),
        event("Signed up"),
        event(distinct_id=None, **{"$user_id": "other"}),
        event(distinct_id=None, **{"$device_id": "other"}),
    ]
    first = post(sandbox, ndjson(same + different))
    again = post(sandbox, ndjson(same + different))

    assert first.json["num_records_imported"] == again.json["num_records_imported"] == 9
    stats = sandbox.stats()
    assert (stats["received"], stats["stored"], stats["duplicates"]) == (18, 7, 11)
    assert sandbox.events() == [same[0], *different]


def test_events_can_be_paged(sandbox: Sandbox) -> None:
    events = [*numbered(2000), event("Last")]
    for start in (0, 1500):
        post(sandbox, ndjson(events[start : start + 1500]))

    assert fetch(sandbox, "GET", "/events").json == events[:100]
    assert fetch(sandbox, "GET", "/events?limit=5000").json == events
    assert fetch(sandbox, "GET", "/events?limit=2&offset=1999").json == events[1999:]
    assert fetch(sandbox, "GET", "/events?limit=0").json == []
    assert fetch(sandbox, "GET", "/events?offset=9999").json == []
    lines = fetch(sandbox, "GET", "/events?format=ndjson&limit=1500").body.splitlines()
    assert [json.loads(line) for line in lines] == events[:1500]
    assert fetch(sandbox, "GET", "/events?format=ndjson&limit=0").body == b""


def test_counting_goes_on_when_no_more_events_are_kept() -> None:
    with Sandbox(config(keep_events=2)) as sandbox:
        post(sandbox, ndjson(numbered(5)))
        post(sandbox, ndjson(numbered(5)))

        stats = sandbox.stats()
        assert (stats["kept"], stats["stored"], stats["duplicates"]) == (2, 5, 5)
        assert len(sandbox.events()) == 2


def test_stats_are_served_and_looking_is_no_request(sandbox: Sandbox) -> None:
    post(sandbox, ndjson([event()]))
    served = fetch(sandbox, "GET", "/stats").json
    guide = fetch(sandbox, "GET", "/")

    assert guide.status == 200
    assert b"/events" in guide.body
    assert served | {"connections": 0} == sandbox.stats() | {"connections": 0}
    assert served["requests"] == 1


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:9",
        "mixpanel.localhost:9",
        "127.0.0.1",
        "127.0.0.1:9",
        "[::1]",
        "[::1]:9",
        "10.1.2.3:80",
    ],
)
def test_what_arrived_is_shown_to_this_machine_by_any_name_of_its_own(sandbox: Sandbox, host: str) -> None:
    assert fetch(sandbox, "GET", "/events", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "[evil", "a:b:c", ""]
)
def test_a_web_page_whose_name_leads_here_reads_nothing(sandbox: Sandbox, host: str) -> None:
    assert post(sandbox, ndjson(numbered(1)), headers={"Host": host}).status == 200  # clients may be led here by name
    for path in ("/", "/stats", "/events", "/events?format=ndjson", "/profiles", "/refused", "/latest"):
        answer = fetch(sandbox, "GET", path, headers={"Host": host})
        assert answer.status == 421
        assert "send Host: localhost" in answer.json["error"]
        assert b"Signed" not in answer.body


def test_a_name_in_the_path_counts_as_well_as_no_name(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET http://evil.example/stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 421 Misdirected Request")
        connection.sendall(b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 421")
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2])), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /stats HTTP/1.0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
