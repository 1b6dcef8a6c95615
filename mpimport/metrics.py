"""Metrics of runs as a file for the textfile collector of Prometheus's node exporter; the only user of its client.

A process that ends cannot be asked, so the file is its memory: counters go on from what it held, and the times of the
last success and the last start stay. All have the label `import`, the file's name, by which the files of several
imports are told apart. Must not know how a run goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from mpimport.account import Summary
from mpimport.errors import AlreadyRunning
from mpimport.private_files import replace_file

_BEGINNING = b"# HELP mpimport_"
_MODE = 0o644  # the collector reads it as another user; it holds numbers only
_MAX_BYTES = 1_000_000  # of a file of ours; what is larger is none
_COUNTERS = {
    "mpimport_runs": ("Runs that ended, by exit code.", ("exit_code",)),
    "mpimport_events": ("Events of the runs that ended, by what became of them in each.", ("outcome",)),
    "mpimport_requests": ("Requests that were sent.", ()),
    "mpimport_retries": ("Requests that repeated a failed one.", ()),
    "mpimport_imported_bytes": ("Uncompressed bytes of the imported events.", ()),
}
_GAUGES = {
    "mpimport_last_start_timestamp_seconds": ("When the last run began; later than the last end while it runs.", ()),
    "mpimport_last_end_timestamp_seconds": ("When the last run ended.", ()),
    "mpimport_last_success_timestamp_seconds": ("When a run last came to its end, not with rejects alone.", ()),
    "mpimport_last_duration_seconds": ("How long the last run took.", ()),
    "mpimport_last_exit_code": ("The exit code of the last run.", ()),
    "mpimport_last_events": ("Events of the last run, by what became of them.", ("outcome",)),
    "mpimport_unfinished": ("1 where the last run left work: run the same command again.", ()),
}

_Key: TypeAlias = "tuple[str, str]"
_Values: TypeAlias = "dict[_Key, float]"
"""By a metric's name without `_total`, and the value of its label beside `import`, or nothing."""


def is_ours(path: Path) -> bool:
    """Whether there is nothing yet, or what an earlier run has written. Raises OSError."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) in (b"", _BEGINNING)


def begin(path: Path) -> None:
    """Write that a run has begun. Raises OSError."""
    values = _read(path)
    values["mpimport_last_start_timestamp_seconds", ""] = time.time()
    _write(path, values)


def end(path: Path, summary: Summary) -> None:
    """Write how a run ended. Raises OSError."""
    tally, values = summary.tally, _read(path)
    events = {"imported": tally.imported, "rejected": tally.rejected, "undelivered": tally.undelivered}
    for outcome, count in events.items():
        values["mpimport_last_events", outcome] = count
        _count(values, "mpimport_events", count, outcome)
    _count(values, "mpimport_requests", tally.requests)
    _count(values, "mpimport_retries", tally.retries)
    _count(values, "mpimport_imported_bytes", tally.nbytes)
    values["mpimport_unfinished", ""] = bool(summary.checkpoint or tally.undelivered)
    _end(values, summary.exit_code, summary.seconds, succeeded=summary.exit_code in (0, 1) and not summary.in_vain)
    _write(path, values)


def fail(path: Path, exit_code: int) -> None:
    """Write that a run ended before it read anything. Raises OSError.

    Where another run of the import is under way, the file is that one's, and only the end of this one is counted.
    """
    if not is_ours(path):  # the run may have ended because it must not be written over
        return
    values = _read(path)
    if exit_code == AlreadyRunning.exit_code:
        _count(values, "mpimport_runs", 1, str(exit_code))
    else:
        for outcome in ("imported", "rejected", "undelivered"):
            values["mpimport_last_events", outcome] = 0
        _end(values, exit_code, 0.0, succeeded=False)
    _write(path, values)


def _end(values: _Values, exit_code: int, seconds: float, *, succeeded: bool) -> None:
    now = time.time()
    _count(values, "mpimport_runs", 1, str(exit_code))
    values["mpimport_last_end_timestamp_seconds", ""] = now
    values["mpimport_last_duration_seconds", ""] = seconds
    values["mpimport_last_exit_code", ""] = exit_code
    if succeeded:
        values["mpimport_last_success_timestamp_seconds", ""] = now


def _count(values: _Values, name: str, count: float, label: str = "") -> None:
    values[name, label] = values.get((name, label), 0) + count


def _read(path: Path) -> _Values:
    """Read what an earlier run has written; a file that is none of ours counts for nothing."""
    values: _Values = {}
    try:
        if path.stat().st_size > _MAX_BYTES:
            return values
        text = path.read_text(encoding="utf-8")
        for family in text_string_to_metric_families(text):
            labels = _labels(family.name)
            for sample in family.samples if labels is not None else ():
                values[family.name, sample.labels.get(labels[0], "") if labels else ""] = sample.value
    except (OSError, ValueError):
        return {}
    return values


def _labels(name: str) -> tuple[str, ...] | None:
    found = _COUNTERS.get(name) or _GAUGES.get(name)
    return None if found is None else found[1]


def _write(path: Path, values: Mapping[_Key, float]) -> None:
    replace_file(path, generate_latest(_Families(path.stem.encode(errors="replace").decode(), values)), _MODE)


class _Families(Collector):
    """What the client's writer asks for the metrics."""

    def __init__(self, name: str, values: Mapping[_Key, float]) -> None:
        self._name = name
        self._values = values

    def collect(self) -> Iterator[Metric]:
        for name, (words, labels) in _COUNTERS.items():
            yield self._filled(CounterMetricFamily(name, words, labels=("import", *labels)), name)
        for name, (words, labels) in _GAUGES.items():
            yield self._filled(GaugeMetricFamily(name, words, labels=("import", *labels)), name)

    def _filled(self, family: CounterMetricFamily | GaugeMetricFamily, name: str) -> Metric:
        for (of, label), value in self._values.items():
            if of == name:
                family.add_metric((self._name, label) if label else (self._name,), value)
        return family
