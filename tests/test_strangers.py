"""Clients that others have written import into the sandbox, unchanged: what it holds is what they sent.

`make strangers` installs them into `.strangers`, away from the project's own environment. Where that could not be done,
these tests are skipped with its reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from running import ndjson

from mpimport.sandbox import Sandbox, SandboxConfig

HERE = Path(__file__).parent / "strangers"
INSTALLED = Path(__file__).parents[1] / ".strangers"
TOKEN = "0123456789abcdef0123456789abcdef"
NOW_MS = int(time.time() * 1000)
HISTORY_MS = 1_618_716_477_000
MISTAKES: Sequence[dict[str, Any]] = (
    {"distinct_id": "null"},
    {"time": 5},
    {"$insert_id": "under_score"},
    {"bucket": "x"},
    {"deep": {"a": {"b": {"c": {"d": 1}}}}},
    {"long": [0] * 255},
)


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where its client is not installed, with the reason for it."""
    problem = INSTALLED / f"{name}.problem"
    reason = problem.read_text(encoding="utf-8").strip() if problem.exists() else "`make strangers` installs it"
    return pytest.mark.skipif(not (INSTALLED / f"{name}.ready").exists(), reason=f"no client ({name}): {reason}")


needs_python, needs_node = needs("python"), needs("node")


def events(count: int, *, since_ms: int = HISTORY_MS, bad_each: int = 9) -> list[dict[str, Any]]:
    """Make events of several names, with a mistake in each so many of them."""
    made = []
    for number in range(count):
        properties = {
            "time": since_ms + number,
            "distinct_id": f"user-{number % 97}",
            "$insert_id": f"id-{number:08}",
            "note": "ä&b=c+d %20 \N{GRINNING FACE}",
            "price": number / 4,
            "tags": ["a", {"b": None}],
        }
        bad = number % bad_each == bad_each - 1
        mistake = MISTAKES[number // bad_each % len(MISTAKES)] if bad else {}
        made.append({"event": f"Event {number % 5}", "properties": properties | mistake})
    return made


def is_good(event: dict[str, Any]) -> bool:
    properties = event["properties"]
    return not any(properties.get(name) == value for mistake in MISTAKES for name, value in mistake.items())


def ids(found: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(event["properties"]["$insert_id"] for event in found)


def expect_what_was_sent(sandbox: Sandbox, sent: list[dict[str, Any]]) -> None:
    """Hold the sandbox's counts and events against what was sent to it, once."""
    good = [event for event in sent if is_good(event)]
    stats = sandbox.stats()

    assert 0 < len(good) < len(sent)
    assert stats["stored"] == stats["received"] == len(good)
    assert stats["refused"] == sum(stats["refused_reasons"].values()) == len(sent) - len(good)
    assert (stats["duplicates"], stats["internal_errors"], stats["refused_requests"]) == (0, 0, {})
    assert ids(sandbox.events()) == ids(good)
    by_id = {event["properties"]["$insert_id"]: event for event in sandbox.events()}
    for event in good:
        stored = by_id[event["properties"]["$insert_id"]]
        assert stored["event"] == event["event"]
        assert stored["properties"].items() >= event["properties"].items()


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Run a client and give what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def python(script: str, *arguments: str | Path, cwd: Path) -> str:
    interpreter = INSTALLED / "python" / ("Scripts" if os.name == "nt" else "bin") / "python"
    return run([interpreter, HERE / script, *arguments], cwd)


def sdk(how: str, records: Sequence[object], sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Send records with `mixpanel`; give how many of its requests failed."""
    file = folder / "records.ndjson"
    file.write_bytes(ndjson(records))
    answer: dict[str, Any] = json.loads(
        python("send_with_mixpanel.py", how, file, sandbox.url, cwd=folder).splitlines()[-1]
    )
    return answer


def node(kind: str, file: Path, sandbox: Sandbox, transport: str = "undici") -> dict[str, Any]:
    """Import a file with `mixpanel-import`; give what it counted."""
    program = shutil.which("node")
    assert program
    said = run(
        [program, HERE / "import_with_mixpanel_import.cjs", INSTALLED / "node", kind, file, sandbox.url, transport],
        file.parent,
    )
    counts: dict[str, Any] = json.loads(next(line for line in said.splitlines()[::-1] if line.startswith('{"total"')))
    return counts


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxConfig(username="account", secret="secret", project_id="1")) as running:
        yield running


@pytest.fixture
def token_sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxConfig(token=TOKEN)) as running:
        yield running


@needs_python
def test_mixpanel_imports(sandbox: Sandbox, tmp_path: Path) -> None:
    sent = events(3000)

    assert sdk("import", sent, sandbox, tmp_path) == {"failed_requests": 0, "first": None}
    expect_what_was_sent(sandbox, sent)
    assert sandbox.stats()["by_status"] == {"200": 60}
    assert not any("token" in event["properties"] for event in sandbox.events())


@needs_python
def test_mixpanel_imports_again_and_nothing_is_there_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    sent = [event for event in events(200) if is_good(event)]
    for _ in range(2):
        assert sdk("import", sent, sandbox, tmp_path)["failed_requests"] == 0

    stats = sandbox.stats()
    assert (stats["stored"], stats["duplicates"], stats["refused"]) == (len(sent), len(sent), 0)


@needs_python
def test_mixpanel_is_told_what_is_wrong_with_its_credentials(token_sandbox: Sandbox, tmp_path: Path) -> None:
    answer = sdk("import", events(10), token_sandbox, tmp_path)

    assert answer == {"failed_requests": 1, "first": "Mixpanel error: Invalid credentials"}
    assert token_sandbox.stats()["refused_requests"] == {"Invalid credentials": 1}


@needs_python
def test_mixpanel_tracks(token_sandbox: Sandbox, tmp_path: Path) -> None:
    good = [event for event in events(3000, since_ms=NOW_MS - 3_600_000) if is_good(event)]
    answer = sdk("track", good, token_sandbox, tmp_path)

    assert answer["failed_requests"] == 0
    assert ids(token_sandbox.events()) == ids(good)
    assert not any("token" in event["properties"] for event in token_sandbox.events())


@needs_python
def test_mixpanel_is_told_which_requests_were_not_tracked(token_sandbox: Sandbox, tmp_path: Path) -> None:
    # In batches of 50: a mistake in the first of each hundred events, so that each other request is refused.
    sent = events(2000, since_ms=NOW_MS - 3_600_000, bad_each=10_000)
    for number in range(0, len(sent), 100):
        sent[number]["properties"] |= {"distinct_id": "null"}
    answer = sdk("track", sent, token_sandbox, tmp_path)

    assert answer["failed_requests"] == 20
    assert answer["first"].endswith("'properties.distinct_id' is invalid: must not be one of the disallowed values")
    good = [event for start in range(50, len(sent), 100) for event in sent[start : start + 50]]
    assert ids(token_sandbox.events()) == ids(good)
    assert token_sandbox.stats()["refused"] == 20


@needs_python
def test_mixpanel_updates_profiles(token_sandbox: Sandbox, tmp_path: Path) -> None:
    calls: list[tuple[str, list[Any]]] = [
        ("people_set", ["ann", {"plan": "free", "name": "Änn"}]),
        ("people_set_once", ["ann", {"plan": "never", "first": 1}]),
        ("people_increment", ["ann", {"visits": 2}]),
        ("people_increment", ["ann", {"visits": -0.5}]),
        ("people_append", ["ann", {"seen": "a"}]),
        ("people_union", ["ann", {"seen": ["a", "b"]}]),
        ("people_remove", ["ann", {"seen": "a"}]),
        ("people_track_charge", ["ann", 9.5]),
        ("people_unset", ["ann", ["name"]]),
        ("people_set", ["bob", {"plan": "pro"}]),
        ("people_delete", ["bob"]),
        *[("people_set", [f"user-{number}", {"number": number}]) for number in range(500)],
    ]
    records = [{"call": call, "arguments": arguments} for call, arguments in calls]

    assert sdk("engage", records, token_sandbox, tmp_path)["failed_requests"] == 0
    profiles = token_sandbox.profiles()
    charged = {"$transactions": [{"$amount": 9.5}]}
    assert profiles.pop("ann") == {"plan": "free", "first": 1, "visits": 1.5, "seen": ["b"], **charged}
    assert profiles == {f"user-{number}": {"number": number} for number in range(500)}
    assert token_sandbox.stats()["updates"] == len(calls)


@needs_python
def test_mixpanel_utils_imports(sandbox: Sandbox, tmp_path: Path) -> None:
    sent = events(5000)
    file = tmp_path / "events.json"
    file.write_text(json.dumps(sent))
    said = python("import_with_mixpanel_utils.py", "events", file, sandbox.url, cwd=tmp_path)

    expect_what_was_sent(sandbox, sent)
    assert sandbox.stats()["by_status"] == {"400": 3}
    assert "some data points in the request failed validation" in said


@needs_python
def test_mixpanel_utils_imports_people(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    people = [{"$distinct_id": f"user-{number}", "$properties": {"number": number}} for number in range(3000)]
    file.write_text(json.dumps(people))
    with Sandbox() as open_to_all:
        said = python("import_with_mixpanel_utils.py", "people", file, open_to_all.url, cwd=tmp_path)

        assert "NOT OK" not in said
        assert open_to_all.profiles() == {one["$distinct_id"]: one["$properties"] for one in people}


@needs_node
@pytest.mark.parametrize("transport", ["undici", "got"])
def test_mixpanel_import_imports(token_sandbox: Sandbox, tmp_path: Path, transport: str) -> None:
    sent = events(5000)
    file = tmp_path / "events.jsonl"
    file.write_bytes(ndjson(sent))
    counts = node("event", file, token_sandbox, transport)

    expect_what_was_sent(token_sandbox, sent)
    stats = token_sandbox.stats()
    assert (counts["success"], counts["failed"]) == (stats["received"], stats["refused"])
    assert stats["content_encodings"] == {"gzip": 5}


@needs_node
def test_mixpanel_import_imports_profiles(token_sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    people = [{"$token": TOKEN, "$distinct_id": f"user-{n}", "$set": {"number": n}} for n in range(3000)]
    file.write_bytes(ndjson(people))
    node("user", file, token_sandbox)

    assert token_sandbox.profiles() == {one["$distinct_id"]: one["$set"] for one in people}
    assert token_sandbox.stats()["updates"] == 3000
