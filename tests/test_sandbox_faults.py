"""The sandbox's rate limit and its faults, over real HTTP with an injected clock and a seed."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from test_sandbox import HEADERS, IMPORT, Answer, ask, config, connect, event, fetch, ndjson, numbered, post

from mpimport.sandbox import Sandbox, SandboxConfig
from mpimport.sandbox.faults import Faults
from mpimport.sandbox.limiter import RollingLimit

RATE_LIMITED = {
    "code": 429,
    "error": "Project exceeded rate limits. Please retry the request with exponential backoff.",
    "status": "Too Many Requests",
}


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time that it stands at."""
        return self.now


def test_the_window_rolls_on_events() -> None:
    clock = Clock()
    options = config(max_events_per_window=5, window_s=60, monotonic=clock)
    with Sandbox(options) as sandbox:

        def send(count: int, *, after: float = 0) -> int:
            clock.now += after
            return post(sandbox, ndjson(numbered(count))).status

        statuses = [send(3), send(2, after=30), send(1), send(3, after=29.9), send(3, after=0.1), send(1)]

        assert statuses == [200, 200, 429, 429, 200, 429]
        assert sandbox.stats()["by_status"] == {"200": 3, "429": 3}
        assert post(sandbox, ndjson([event()])).json == RATE_LIMITED
        assert sandbox.stats()["received"] == 8


def test_the_window_rolls_on_uncompressed_bytes() -> None:
    clock = Clock()
    body = ndjson([event()])
    with Sandbox(config(max_bytes_per_window=len(body) * 2, monotonic=clock)) as sandbox:
        statuses = [post(sandbox, body).status for _ in range(3)]
        clock.now += 60
        statuses.append(post(sandbox, body).status)

    assert statuses == [200, 200, 429, 200]


def test_refused_events_count_toward_the_limit() -> None:
    with Sandbox(config(max_events_per_window=1, monotonic=Clock())) as sandbox:
        statuses = [post(sandbox, ndjson([event("")])).status, post(sandbox, ndjson([event()])).status]

    assert statuses == [400, 429]


def test_without_a_limit_the_clock_is_not_asked() -> None:
    def never() -> float:
        raise AssertionError

    assert RollingLimit(0, 0, 60, never).admit(10**9, 10**12)


@pytest.mark.parametrize("status", ["400", "403", "404", "429", "500", "502", "503", "599"])
def test_a_status_stores_nothing_and_keeps_the_connection(status: str) -> None:
    with Sandbox(config(faults=((status, 1.0),))) as sandbox:
        connection = connect(sandbox)
        answers = [ask(connection, "POST", IMPORT, ndjson([event()]), HEADERS) for _ in range(2)]
        connection.close()

        assert [answer.status for answer in answers] == [int(status)] * 2
        assert answers[0].json["code"] == int(status)
        stats = sandbox.stats()
        assert (stats["stored"], stats["faults"], stats["by_status"]) == (0, {status: 2}, {status: 2})
        assert stats["connections"] == 1


def test_documented_statuses_have_their_documented_bodies() -> None:
    bodies = {}
    for status in ("401", "413", "429"):
        with Sandbox(config(faults=((status, 1.0),))) as sandbox:
            bodies[status] = post(sandbox, ndjson([event()])).json

    assert bodies["401"]["error"] == "Invalid credentials"
    assert bodies["413"]["error"] == "request exceeds max limit of 10485760 bytes"
    assert bodies["429"] == RATE_LIMITED


@pytest.mark.parametrize(("kind", "stored"), [("reset", 0), ("reset-after", 1)])
def test_resets(kind: str, stored: int) -> None:
    with Sandbox(config(faults=((kind, 1.0),))) as sandbox:
        with pytest.raises(ConnectionResetError):
            post(sandbox, ndjson([event()]))

        assert fetch(sandbox, "GET", "/stats").json["stored"] == stored
        assert sandbox.stats()["faults"] == {kind: 1}
        assert sandbox.stats()["by_status"] == {}


def test_a_cut_reply_ends_in_its_middle() -> None:
    with Sandbox(config(faults=(("cut", 1.0),))) as sandbox:
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(sandbox, ndjson([event()]))

        assert caught.value.partial.startswith(b'{"code":200')
        assert sandbox.stats()["stored"] == 1


def test_a_page_instead_of_the_api() -> None:
    with Sandbox(config(faults=(("html", 1.0),))) as sandbox:
        answer = post(sandbox, ndjson([event()]))

        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert sandbox.stats()["stored"] == 0


def test_bytes_that_are_no_http() -> None:
    with Sandbox(config(faults=(("garbage", 1.0),))) as sandbox:
        with pytest.raises(http.client.BadStatusLine) as caught:
            post(sandbox, ndjson([event()]))

        assert not isinstance(caught.value, http.client.RemoteDisconnected)
        assert sandbox.stats()["stored"] == 0
        assert (sandbox.stats()["faults"], sandbox.stats()["by_status"]) == ({"garbage": 1}, {})


@pytest.mark.parametrize("options", [{"faults": (("slow", 1.0),), "slow_s": 0.1}, {"latency_s": 0.1}])
def test_late_replies(options: dict[str, Any]) -> None:
    with Sandbox(config(**options)) as sandbox:
        begun = time.monotonic()
        answer = post(sandbox, ndjson([event()]))

        assert answer.status == 200
        assert time.monotonic() - begun >= 0.1
        begun = time.monotonic()
        fetch(sandbox, "GET", "/stats")
        assert time.monotonic() - begun < 0.1


def test_the_end_does_not_wait_for_late_replies() -> None:
    failures: list[BaseException] = []

    def send(sandbox: Sandbox) -> None:
        try:
            post(sandbox, ndjson([event()]))
        except (ConnectionError, http.client.HTTPException) as error:
            failures.append(error)

    with Sandbox(config(latency_s=60)) as sandbox:
        thread = threading.Thread(target=send, args=(sandbox,))
        thread.start()
        wait_until(lambda: sandbox.stats()["stored"] == 1)
        begun = time.monotonic()
    thread.join()

    assert time.monotonic() - begun < 1
    assert len(failures) == 1


def test_requests_in_flight_are_counted() -> None:
    with Sandbox(config(latency_s=0.1)) as sandbox:
        answers: list[Answer] = []
        threads = [threading.Thread(target=lambda: answers.append(post(sandbox, ndjson([event()])))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [answer.status for answer in answers] == [200] * 4
        assert sandbox.stats()["max_in_flight"] == 4


def test_a_bug_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> float:
        raise ZeroDivisionError

    with Sandbox(config(now=broken)) as sandbox:
        with pytest.raises(http.client.RemoteDisconnected):
            post(sandbox, ndjson([event()]))
        wait_until(lambda: sandbox.stats()["internal_errors"] == 1)

    assert "ZeroDivisionError" in caplog.text
    assert "Authorization" not in caplog.text


def test_faults_repeat_with_their_seed_and_come_as_often_as_asked() -> None:
    faults = (("503", 0.1), ("reset", 0.2))

    def drawn(seed: int) -> list[str | None]:
        source = Faults(faults, seed)
        return [source.draw() for _ in range(2000)]

    first = drawn(1)
    assert first == drawn(1) != drawn(2)
    assert 150 < first.count("503") < 250
    assert 340 < first.count("reset") < 460


@pytest.mark.parametrize(
    "options",
    [
        {"faults": (("nonsense", 0.1),)},
        {"faults": (("200", 0.1),)},
        {"faults": (("600", 0.1),)},
        {"faults": (("503", 1.1),)},
        {"faults": (("503", -0.1),)},
        {"faults": (("503", float("nan")),)},
        {"faults": (("503", 0.6), ("500", 0.6))},
        {"max_request_bytes": 0},
        {"max_events": 0},
        {"max_events_per_window": -1},
        {"window_s": 0},
        {"latency_s": -1},
        {"keep_events": -1},
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|unknown"):
        SandboxConfig(**options)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
