"""`--endpoint track` as a process against real servers on loopback: what a user sees, and what goes out."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from running import (
    CREDENTIALS,
    QUICK_BACKOFF,
    assert_balanced,
    finish,
    good_event,
    mpimport,
    ndjson,
    start,
    write_ndjson,
)
from scripted_server import Answer, Received, ScriptedServer

from mpimport import import_events
from mpimport.endpoints import ENDPOINTS
from mpimport.sandbox import Sandbox, SandboxConfig

TOKEN = "c0ffee-token-of-the-test"
ENVIRONMENT = {"MP_TOKEN": TOKEN}
STORED = b'{"status":1,"error":null}'
PACKAGE = Path(__file__).parents[1] / "mpimport"


def recent(number: int, **properties: Any) -> dict[str, Any]:
    """Give an event of the last minutes; each number gives another one."""
    return good_event(number, time=int(time.time()) - 60, **properties)


def events_of(request: Received) -> list[Any]:
    fields = parse_qs(request.body.decode("ascii"), strict_parsing=True)
    assert list(fields) == ["data"]
    found: list[Any] = json.loads(fields["data"][0])
    return found


def everything_in(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*") if path.is_file())


def test_without_credentials_the_sandbox_takes_it(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(n) for n in range(120)])
    ended = mpimport("e.ndjson", "--endpoint", "track", "--sandbox", "--json", cwd=tmp_path, env={})

    assert ended.code == 0, ended.err
    assert (ended.summary["imported"], ended.summary["requests"]) == (120, 3)
    assert re.fullmatch(r"the sandbox \(http://127\.0\.0\.1:\d+/track\)", ended.summary["destination"])


def test_a_request_is_what_the_documentation_asks_for(tmp_path: Path) -> None:
    events = [recent(n, price=0.1, note="ä&=+% \N{GRINNING FACE}") for n in range(51)]
    events[0]["properties"]["token"] = {"somebody": "else's"}
    write_ndjson(tmp_path / "e.ndjson", events)
    answer = Answer(200, STORED)
    with ScriptedServer([answer] * 2) as server:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--url", server.url, "-v", cwd=tmp_path,
                         env=CREDENTIALS | ENVIRONMENT)  # fmt: skip

    assert ended.code == 0, ended.err
    assert sorted(len(events_of(request)) for request in server.requests) == [1, 50]
    for request in server.requests:
        assert (request.method, request.path) == ("POST", "/track?verbose=1")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert {"authorization", "content-encoding", "cookie"}.isdisjoint(request.headers)
    sent = {event["properties"].pop("$insert_id"): event for request in server.requests for event in events_of(request)}
    for event in events:
        wanted = {**event["properties"], "token": TOKEN, "ip": 0}
        assert sent[wanted.pop("$insert_id")] == {"event": event["event"], "properties": wanted}
    assert "the project token's project at" in ended.err
    assert TOKEN not in ended.err + everything_in(tmp_path)


def test_old_events_are_rejected_before_anything_is_sent_and_import_takes_them(tmp_path: Path) -> None:
    week_ago = int(time.time()) - 7 * 86_400
    write_ndjson(tmp_path / "e.ndjson", [recent(1), good_event(2), recent(3), good_event(4, time=week_ago)])
    with Sandbox(SandboxConfig(token=TOKEN)) as sandbox:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--url", sandbox.url, "--json", cwd=tmp_path,
                         env=ENVIRONMENT)  # fmt: skip
        stats = sandbox.stats()

    assert ended.code == 1
    assert_balanced(ended.summary)
    assert (ended.summary["imported"], ended.summary["reasons"]) == (2, {"time_too_old": 2})
    assert (stats["stored"], stats["refused"], stats["requests"]) == (2, 0, 1)
    assert "older than 5 days, which /track does not take; --endpoint import takes older ones" in ended.err
    assert TOKEN not in ended.out + ended.err + everything_in(tmp_path)

    again = mpimport("e.ndjson.rejected.ndjson", "--sandbox", "--json", cwd=tmp_path)
    assert (again.code, again.summary["imported"]) == (0, 2)


def test_bad_events_are_found_by_halving_and_the_others_arrive(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(n) for n in range(100)])
    names = {"id-00000007", "id-00000093"}

    def judge(request: Received) -> Answer:
        bad = {event["properties"]["$insert_id"] for event in events_of(request)} & names
        words = f"no such plan, says {TOKEN}"
        return Answer(200, json.dumps({"status": 0, "error": words}).encode() if bad else STORED)

    with ScriptedServer([judge] * 100) as server:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--url", server.url, "--json", cwd=tmp_path,
                         env=ENVIRONMENT)  # fmt: skip

    assert ended.code == 1, ended.err
    assert_balanced(ended.summary)
    assert (ended.summary["imported"], ended.summary["rejected"]) == (98, 2)
    assert ended.summary["reasons"] == {"server_refused": 2}
    envelopes = [json.loads(line) for line in (tmp_path / "e.ndjson.rejected.ndjson").read_bytes().splitlines()]
    assert {envelope["line"] for envelope in envelopes} == {8, 94}
    assert all(envelope["reasons"][0]["message"].endswith("no such plan, says ***") for envelope in envelopes)
    assert all("token" not in envelope["event"]["properties"] for envelope in envelopes)
    assert TOKEN not in ended.out + ended.err + everything_in(tmp_path)


def test_the_sandbox_and_faults_lose_nothing(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(n) for n in range(1000)])
    faults = (("503", 0.1), ("reset", 0.1), ("reset-after", 0.1), ("cut", 0.1), ("html", 0.1), ("429", 0.1))
    with Sandbox(SandboxConfig(token=TOKEN, faults=faults)) as sandbox:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--url", sandbox.url, "--json", *QUICK_BACKOFF,
                         cwd=tmp_path, env=ENVIRONMENT)  # fmt: skip
        stored = {event["properties"]["$insert_id"] for event in sandbox.events()}

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == len(stored) == 1000
    assert ended.summary["retries"] > 0


def test_events_too_large_together_are_sent_in_parts(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(n, pad="ä" * 200) for n in range(50)])
    with Sandbox(SandboxConfig(max_request_bytes=20_000)) as sandbox:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--url", sandbox.url, "--json", cwd=tmp_path,
                         env=ENVIRONMENT)  # fmt: skip
        stats = sandbox.stats()

    assert (ended.code, stats["stored"]) == (0, 50), ended.err
    assert stats["by_status"]["413"] >= 1


@pytest.mark.parametrize("config", [SandboxConfig(token="another"), SandboxConfig(username="u", secret="s")])
def test_a_wrong_token_stops_the_run_at_once(tmp_path: Path, config: SandboxConfig) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(n) for n in range(2000)])
    with Sandbox(config) as sandbox:
        ended = mpimport("e.ndjson", "--endpoint", "track", "--workers", "4", "--url", sandbox.url, "--json",
                         cwd=tmp_path, env=ENVIRONMENT)  # fmt: skip
        stats = sandbox.stats()

    assert ended.code == 4, ended.err
    assert_balanced(ended.summary)
    assert (ended.summary["imported"], stats["stored"]) == (0, 0)
    assert stats["requests"] <= 4
    assert "check --token (or MP_TOKEN)" in ended.err
    assert TOKEN not in ended.out + ended.err + everything_in(tmp_path)


def test_undelivered_events_are_saved_without_the_token(tmp_path: Path) -> None:
    down = Answer(503, b"0")
    with ScriptedServer([down] * 1000) as server:
        process = start("-", "--format", "ndjson", "--endpoint", "track", "--token", TOKEN, "--url", server.url,
                        "--json", "--give-up-after", "0", *QUICK_BACKOFF, cwd=tmp_path, stdin=-1)  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(ndjson([recent(n) for n in range(60)]))
        process.stdin.close()
        process.stdin = None
        ended = finish(process)

    saved = tmp_path / "stdin.rejected.ndjson.undelivered.ndjson"
    assert ended.code == 5, ended.err
    assert len(saved.read_bytes().splitlines()) == 60
    assert TOKEN not in ended.out + ended.err + everything_in(tmp_path)


def test_a_dry_run_needs_no_token_and_names_the_destination(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [recent(1), good_event(2)])
    ended = mpimport("e.ndjson", "--endpoint", "track", "--region", "eu", "--dry-run", "--json", cwd=tmp_path, env={})

    assert ended.code == 1
    assert (ended.summary["valid"], ended.summary["reasons"]) == (1, {"time_too_old": 1})
    assert ended.summary["destination"] == (
        "a project that is not named, region EU (https://api-eu.mixpanel.com/track)"
    )
    assert "--endpoint import" in ended.err


def test_the_library_sends_to_track_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(SandboxConfig(token=TOKEN)) as sandbox:
        summary = import_events((recent(n) for n in range(60)), endpoint="track", token=TOKEN, url=sandbox.url)

    assert (summary.imported, summary.tally.requests, summary.exit_code) == (60, 2, 0)


def test_nothing_else_asks_which_endpoint_it_is() -> None:
    """The names stand in the table, in the choices, and as a default; nothing compares with them.

    In metrics and pictures the same words stand for other things: a label, a style.
    """
    named = re.compile(rf"""["']({"|".join(ENDPOINTS)})["']""")
    found: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if named.search(line)]
        if lines and path.name not in {"endpoints.py", "options.py", "metrics.py", "report_pictures.py"}:
            found[path.name] = lines

    assert found == {"api.py": ['    endpoint: str = "import",'], "settings.py": ['    endpoint: str = "import"']}
