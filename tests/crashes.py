"""An import that is killed again and again, and what must be true when it has come to its end all the same."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import QUICK_BACKOFF, Ended, finish, good_event, start

from mpimport.sandbox import Sandbox, SandboxConfig

BAD_EACH = 33
"""Every so many records is one that the client rejects: 3 %."""
REFUSED_EACH = 29
"""Every so many is one that the server refuses, for its clock is behind; the client takes it."""
SERVER_NOW_S = 1_720_000_000
LATE_MS = 1_749_000_000_000
FAULTS = (("429", 0.02), ("503", 0.03), ("reset", 0.02), ("reset-after", 0.02), ("cut", 0.02))


@dataclass(frozen=True)
class Import:
    """Files to import together; `good` are the ids that must arrive, `bad` the places that must be rejected.

    Those of `refused` are by the server, the others by the client.
    """

    sources: tuple[str, ...]
    good: frozenset[str]
    bad: frozenset[tuple[str, int]]
    refused: frozenset[tuple[str, int]]

    @property
    def rejects(self) -> Counter[tuple[str, int, str]]:
        """What must stand in the rejected-events files: source, line, and by whom."""
        return Counter((*place, "server" if place in self.refused else "client") for place in self.bad)


@dataclass
class Survived:
    """How it went: the last run, how often it was killed before, what the server has counted."""

    ended: Ended
    kills: int
    stats: dict[str, Any]


def _records(first: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Make records; the bad ones have no time, or a late one."""
    for number in range(first, first + count):
        event = good_event(number, page=f"/{number % 7}", text="x" * (number % 50))
        if number % BAD_EACH == 0:
            del event["properties"]["time"]
        elif number % REFUSED_EACH == 0:
            event["properties"]["time"] = LATE_MS
        yield number, event


def _ndjson(events: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def _csv(events: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    names = ("event", "time", "distinct_id", "$insert_id", "page", "text")
    rows = csv.DictWriter(text, names, lineterminator="\n")
    rows.writeheader()
    for event in events:
        rows.writerow({"event": event["event"], **event["properties"]})
    return text.getvalue().encode()


WRITERS: dict[str, tuple[Callable[[list[dict[str, Any]]], bytes], int]] = {
    ".ndjson": (_ndjson, 1),
    ".ndjson.gz": (lambda events: gzip.compress(_ndjson(events)), 1),
    ".json": (lambda events: json.dumps(events).encode(), 1),
    ".csv": (_csv, 2),
}
"""How a file is written, and the number of its first record."""

SHAPES: dict[str, tuple[str, ...]] = {
    "ndjson": (".ndjson",),
    "gzip": (".ndjson.gz",),
    "json": (".json",),
    "csv": (".csv",),
    "several": (".ndjson", ".csv", ".ndjson.gz", ".json"),
}
"""The files of an import."""


def write_import(folder: Path, shape: str, count: int) -> Import:
    """Write the files of an import of about `count` events."""
    names, good, bad, refused = [], set(), set(), set()
    each = count // len(SHAPES[shape])
    for index, suffix in enumerate(SHAPES[shape]):
        name = f"{index}{suffix}"
        write, first_number = WRITERS[suffix]
        records = list(_records(index * each, each))
        (folder / name).write_bytes(write([event for _, event in records]))
        names.append(name)
        for position, (number, event) in enumerate(records):
            if number % BAD_EACH and number % REFUSED_EACH:
                good.add(event["properties"]["$insert_id"])
            else:
                bad.add((name, first_number + position))
                if number % BAD_EACH:
                    refused.add((name, first_number + position))
    return Import(tuple(names), frozenset(good), frozenset(bad), frozenset(refused))


def survive(folder: Path, job: Import, kills: int, draw: random.Random, *, batch: int, latency_s: float) -> Survived:
    """Run an import against a server with faults, kill it at random instants, and run it again until it is done."""
    config = SandboxConfig(
        faults=FAULTS,
        seed=draw.randrange(1000),
        latency_s=latency_s,
        keep_events=len(job.good) * 3,
        now=lambda: SERVER_NOW_S,
    )
    killed = 0
    with Sandbox(config) as sandbox:
        while True:
            arguments = (*job.sources, "--url", sandbox.url, "--batch-size", str(batch), "--workers", "4", "--json")
            process = start(*arguments, "--no-progress", *QUICK_BACKOFF, cwd=folder)
            if killed >= kills:
                ended = finish(process, timeout_s=600)
                break
            _wait(sandbox, draw.randrange(0, max(2, 2 * len(job.good) // (batch * kills))), process)
            time.sleep(draw.random() * 0.1)
            over = process.poll() is not None
            process.kill()
            ended = finish(process)
            if over:
                break
            killed += 1
        stats = sandbox.stats()
        stored = {event["properties"]["$insert_id"] for event in sandbox.events()}
    check(folder, job, ended, stored)
    return Survived(ended, killed, stats)


def _wait(sandbox: Sandbox, requests: int, process: Any) -> None:
    """Wait until so many more requests have come in, or the process has ended."""
    wanted = sandbox.stats()["requests"] + requests
    while sandbox.stats()["requests"] < wanted and process.poll() is None:
        time.sleep(0.005)


def rejects_in(folder: Path) -> Counter[tuple[str, int, str]]:
    """Give what stands in the rejected-events files below a folder: source, line, and by whom."""
    lines = (line for path in folder.rglob("*.rejected.ndjson") for line in path.read_bytes().splitlines())
    return Counter((reject["source"], reject["line"], reject["by"]) for reject in map(json.loads, lines))


def check(folder: Path, job: Import, ended: Ended, stored: set[str]) -> None:
    """Make sure that nothing is lost, each reject stands in its file once, and the account of all runs agrees."""
    assert ended.code == 1, ended.err
    summary = ended.summary
    assert stored == job.good
    assert rejects_in(folder) == job.rejects
    assert summary["read"] == summary["imported"] + summary["rejected"]
    assert summary["already_imported"] + summary["imported"] == len(job.good)
    assert summary["already_rejected"] + summary["rejected"] == len(job.bad)
    assert len(summary["rejected_files"]) == len(job.sources)
    assert summary["checkpoint"] is None
