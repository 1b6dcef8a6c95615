"""200,000 events through a storm: one request in five meets one of nine faults. All arrive, the account balances."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from running import QUICK_BACKOFF, assert_balanced, mpimport

from mpimport.sandbox import Sandbox, SandboxConfig

EVENTS = 200_000
BATCH_SIZE = 250
UNPACED = ("--max-events-per-second", "0", "--max-bytes-per-minute", "0")
SENDING = ("--batch-size", str(BATCH_SIZE), "--timeout", "20", *UNPACED, *QUICK_BACKOFF)
UNPROCESSED = ("429", "500", "502", "503", "reset", "garbage")
PROCESSED = ("reset-after", "cut")
STORM = (*((kind, 0.022) for kind in (*UNPROCESSED, *PROCESSED)), ("slow", 0.024))  # 20 % together
BAD = {7: b'{"event":"","properties":{}}\n', 33: b"{cut\n", 66: b'{"event":"x","properties":{"time":5}}\n'}
"""What stands in every hundredth line, from these on, in place of an event: 3 % of them."""


def line(number: int) -> bytes:
    properties = b'{"time":%d,"distinct_id":"user-%d","$insert_id":"id-%08d","page":"/a/%d"}'
    values = (1_718_000_000_000 + number, number % 997, number, number % 13)
    return b'{"event":"Page View","properties":%b}\n' % (properties % values)


@pytest.fixture(scope="module")
def events() -> bytes:
    return b"".join(map(line, range(EVENTS)))


def through_the_storm(path: Path, seed: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Import a file; give the summary, what the server counted, and the ids of what it holds."""
    config = SandboxConfig(faults=STORM, seed=seed, slow_s=0.05, project_id="12345")
    with Sandbox(config) as sandbox:
        ended = mpimport(path.name, "--url", sandbox.url, "--json", *SENDING, cwd=path.parent)
    summary = ended.summary
    assert ended.code == summary["exit_code"] == (1 if summary["rejected"] else 0), ended.err
    assert_balanced(summary)
    assert summary["undelivered"] == 0
    ids = [event["properties"]["$insert_id"] for event in sandbox.events()]
    return summary, sandbox.stats(), ids


def assert_consistent(summary: Mapping[str, Any], stats: Mapping[str, Any]) -> None:
    """Check what the client counted against what the server did."""
    failed = {kind: count for kind, count in stats["faults"].items() if kind != "slow"}
    assert set(failed) == {*UNPROCESSED, *PROCESSED}, "every kind of fault has happened"
    assert sum(failed.values()) > stats["requests"] * 0.12
    batches = -(-summary["imported"] // BATCH_SIZE)
    assert stats["requests"] == batches + sum(failed.values()), "each batch ends with the one request that goes well"
    assert summary["requests"] == batches + summary["retries"]
    # A reset on a kept-alive connection may be a stale one's: it is replaced at once, inside of one request.
    replaced = stats["requests"] - summary["requests"]
    assert 0 <= replaced <= failed["reset"] + failed["reset-after"]
    assert stats["by_status"].get("400", 0) == stats["internal_errors"] == stats["refused"] == 0
    assert summary["imported"] == stats["stored"] == stats["received"] - stats["duplicates"]
    assert stats["duplicates"] > 0, "what was processed and not confirmed came again"


@pytest.mark.parametrize(("seed", "name"), [(1, "events.ndjson"), (2, "events.ndjson"), (3, "events.ndjson.gz")])
def test_every_event_is_stored_and_none_twice(events: bytes, tmp_path: Path, seed: int, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(events, 1, mtime=0) if name.endswith(".gz") else events)

    summary, stats, ids = through_the_storm(tmp_path / name, seed)

    assert (summary["read"], summary["imported"], summary["rejected"]) == (EVENTS, EVENTS, 0)
    assert sorted(ids) == [f"id-{number:08}" for number in range(EVENTS)]
    assert_consistent(summary, stats)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bad_rows_are_rejected_once_each_meanwhile(events: bytes, tmp_path: Path) -> None:
    lines = events.splitlines(keepends=True)
    for first, bad in BAD.items():
        lines[first::100] = [bad] * (EVENTS // 100)
    (tmp_path / "events.ndjson").write_bytes(b"".join(lines))

    summary, stats, ids = through_the_storm(tmp_path / "events.ndjson", 4)

    bad_numbers = [number for number in range(EVENTS) if number % 100 in BAD]
    assert (summary["read"], summary["rejected"]) == (EVENTS, len(bad_numbers))
    assert sorted(ids) == [f"id-{number:08}" for number in range(EVENTS) if number % 100 not in BAD]
    assert_consistent(summary, stats)
    rejects = [json.loads(text) for text in (tmp_path / "events.ndjson.rejected.ndjson").read_bytes().splitlines()]
    assert sorted(reject["line"] - 1 for reject in rejects) == bad_numbers
    assert {reject["by"] for reject in rejects} == {"client"}
    assert summary["reasons"]["not_json"] == summary["reasons"]["event_empty"] == EVENTS // 100
