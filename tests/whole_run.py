"""A whole run in this process: bytes in a file or a pipe, through formats, intake and settling; then all is checked.

The sender is fed with what is sent, and says by itself what became of it. Shared by the tests and the fuzzer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mpimport.account import Summary
from mpimport.app import shaping_of
from mpimport.errors import UsageProblem
from mpimport.formats import ReadOptions
from mpimport.inputs import FileInput, find_problems
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.mappings import MappingsInput
from mpimport.normalise import Shaping
from mpimport.pipeline import run
from mpimport.plan import Input, Plan
from mpimport.progress import Progress
from mpimport.recognise import load
from mpimport.records import Batch, Flow, Outcome, Reason, Refusal, Waiting
from mpimport.rejects import unwrap
from mpimport.settings import MapSettings
from mpimport.settle import Settler, rejected_paths, undelivered_path
from mpimport.sources import STDIN, Source, expand

NOW_S = 1_750_000_000.0
MAPPINGS = (
    MapSettings(),
    MapSettings(event_name="x", fields={"time": "a", "distinct_id": "b"}, long_strings="reject"),
    MapSettings(fields={"event": "a.b", "$insert_id": "c"}, keep=("a", "b", "time"), deep="flatten"),
    MapSettings(rename=(("a", "b"),), drop=("c",), set=(("d", 1),), deep="stringify", split_urls=True),
    MapSettings(types=(("a", "number"), ("b", "json"), ("c", "list"), ("time", "time")), parse_json=True),
    MapSettings(types=(("a", "string"), ("b", "boolean")), insert_id_from=("a", "b"), long_strings="drop"),
)
SHAPINGS = tuple(map(shaping_of, MAPPINGS))


class Silent:
    """A report that nobody looks at; progress is made all the same."""

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Make it."""
        progress()

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Say nothing."""

    def ends(self, message: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Taker:
    """Senders that take events at once: of each batch, by its number, all, some, or none; the lines must be events."""

    fates: bytes = b""
    results: SimpleQueue[Outcome | Waiting] = field(default_factory=SimpleQueue)

    def submit(self, batch: Batch) -> None:
        """Look at the events, and say what became of them."""
        lines = bytes(batch.lines).split(b"\n")
        assert lines.pop() == b""
        assert len(lines) == batch.count
        for line in lines:
            assert isinstance(json.loads(line)["properties"], dict)
        fate = self.fates[batch.seq % len(self.fates)] % 4 if self.fates else 0
        refused = range(0, batch.count if fate & 1 else 0, 2)
        undelivered = tuple(range(1, batch.count if fate & 2 else 0, 2))
        reason = Reason("server_invalid", "\x1b no", "properties.time")
        self.results.put(
            Outcome(
                batch,
                batch.count - len(refused) - len(undelivered),
                tuple(Refusal(index, lines[index], reason) for index in refused),
                undelivered,
                gave_up="failed" if undelivered else None,
                requests=1,
            )
        )

    def stop(self) -> None:
        """Nothing is under way."""

    def alive(self) -> int:
        """Always one."""
        return 1

    def flow(self) -> Flow:
        """Never hindered."""
        return Flow()

    def close(self, timeout_s: float) -> bool:
        """Nothing to end."""
        return True


def check_import(
    data: bytes,
    folder: Path,
    *,
    format_name: str = "auto",
    as_pipe: bool = False,
    options: ReadOptions | None = None,
    shaping: Shaping = SHAPINGS[0],
    fates: bytes = b"",
) -> Summary | None:
    """Import the bytes and check what must always hold; None when they are refused before anything is sent."""
    options, interrupt = options or ReadOptions(), Interrupt()
    path = folder / "source"
    if as_pipe:
        given = FileInput(Source(STDIN, None, None, resumable=False), format_name, options, interrupt, BytesIO(data))
    else:
        path.write_bytes(data)
        try:
            sources, _ = expand([str(path)], encoding=options.encoding)
        except UsageProblem:
            return None
        given = FileInput(sources[0], format_name, options, interrupt)
    if list(find_problems([given])):
        return None
    summary = _run(given, folder, interrupt, shaping, fates)
    if not as_pipe:
        _import_rejects_again(folder, summary)
    return summary


def import_mappings(
    records: Iterable[Mapping[str, Any]], folder: Path, *, shaping: Shaping = SHAPINGS[0], fates: bytes = b""
) -> Summary:
    """Import what a program gives, and check what must always hold."""
    interrupt = Interrupt()
    return _run(MappingsInput(records, interrupt), folder, interrupt, shaping, fates)


def _run(given: Input, folder: Path, interrupt: Interrupt, shaping: Shaping, fates: bytes) -> Summary:
    rejected = folder / "r.ndjson"
    for left in (rejected, undelivered_path(rejected)):
        left.unlink(missing_ok=True)
    summary = run(
        Plan(
            inputs=[given],
            intake=Intake(
                max_events=7,
                max_bytes=4000,
                geolocate=False,
                clock=lambda: NOW_S,
                shaping=shaping,
                recogniser=load(),
            ),
            settler=Settler(rejected_paths(str(rejected)), lambda _: not given.resumable),
            senders=Taker(fates),
            workers=1,
            report=Silent(),
            interrupt=interrupt,
            destination="nowhere",
        )
    )
    assert summary.tally.balances
    assert summary.exit_code in {0, 1, 2, 5, 6}, summary.stopped
    assert (summary.exit_code == 0) == (summary.imported == summary.read and not summary.stopped)
    lines = _lines(rejected)
    assert len(lines) == summary.rejected
    for line in lines:
        assert unwrap(line) is not None
        assert json.loads(line)["reasons"]
    if not given.resumable:
        assert len(_lines(undelivered_path(rejected))) == summary.undelivered
    return summary


def _lines(path: Path) -> list[bytes]:
    content = path.read_bytes() if path.exists() else b""
    assert not content or content.endswith(b"\n")
    return content.split(b"\n")[:-1]


def _import_rejects_again(folder: Path, summary: Summary) -> None:
    """The file of rejects is itself a source of as many records."""
    rejects = folder / "r.ndjson"
    if not rejects.exists():
        return
    interrupt = Interrupt()
    again = rejects.rename(folder / "again.ndjson")
    sources, _ = expand([str(again)])
    found = _run(FileInput(sources[0], "ndjson", ReadOptions(), interrupt), folder, interrupt, SHAPINGS[0], b"")
    assert found.read == summary.rejected
