"""The table: each row is a ratio or a quantity made of measured medians, with its target. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cases import LARGE, LATENCY_S
from measure import Run

LIMIT_EVENTS_PER_S = 30_000  # the API's, for one project
WORKERS, BATCH = 16, 2000

Medians = Mapping[str, Run]


@dataclass(frozen=True)
class Figure:
    """One row. `key` selects it; `value` is made of the medians of the `cases`; `target` holds as `bound` says."""

    key: str
    text: str
    cases: tuple[str, ...]
    value: Callable[[Medians, int], float]
    bound: str
    target: float

    def holds(self, value: float) -> bool:
        """Whether a value meets the target."""
        return value <= self.target if self.bound == "<=" else value >= self.target


def _cpu(name: str, base: str) -> tuple[tuple[str, ...], Callable[[Medians, int], float]]:
    return (name, base), lambda medians, _: medians[name].cpu_s / medians[base].cpu_s


def _wall(name: str, base: str) -> tuple[tuple[str, ...], Callable[[Medians, int], float]]:
    return (name, base), lambda medians, _: medians[name].wall_s / medians[base].wall_s


def _peak(name: str, base: str) -> tuple[tuple[str, ...], Callable[[Medians, int], float]]:
    return (name, base), lambda medians, _: medians[name].peak_mb / medians[base].peak_mb


def _far(medians: Medians, count: int) -> float:
    """Throughput against what latency allows, or against what the CPU allows where that is less."""
    allowed = min(WORKERS * BATCH / LATENCY_S, count / medians["clean"].wall_s)
    return count / medians["far"].wall_s / allowed


FIGURES: tuple[Figure, ...] = (
    Figure("floor", "NDJSON, clean: CPU to that of the floor in C", *_cpu("clean", "floor"), "<=", 2.0),
    Figure("rival", "quickest rival (npm library): its wall time to ours", *_wall("npm library", "clean"), ">=", 4),
    Figure("rival-cpu", "our CPU to that rival's", *_cpu("clean", "npm library"), "<=", 0.2),
    Figure("published", "npm command as published: its wall time to ours", *_wall("npm command", "clean"), ">=", 30),
    Figure("utils", "mixpanel-utils: its wall time to ours", *_wall("utils", "clean"), ">=", 10),
    Figure("utils-memory", "our peak memory to that of mixpanel-utils", *_peak("clean", "utils"), "<=", 0.04),
    Figure("array", "JSON array: CPU to NDJSON", *_cpu("array", "clean"), "<=", 2.5),
    Figure("csv", "CSV: CPU to NDJSON", *_cpu("csv", "clean"), "<=", 2.5),
    Figure("mapped", "mapping options in use: CPU to NDJSON", *_cpu("mapped", "clean"), "<=", 2.5),
    Figure("bad", "5 % of the rows bad: CPU to NDJSON", *_cpu("bad", "clean"), "<=", 1.5),
    Figure("memory", "peak memory, 16 workers, MB", ("clean",), lambda m, _: m["clean"].peak_mb, "<=", 100),
    Figure("large", f"peak memory with {LARGE} times the data", *_peak("large", "small"), "<=", 1.05),
    Figure("far", f"server {LATENCY_S * 1000:.0f} ms away: of what is possible", ("clean", "far"), _far, ">=", 0.9),
    Figure("two cores", "NDJSON: wall time on one core to that on all", *_wall("one core", "clean"), ">=", 1.6),
    Figure(
        "two processes", "NDJSON: wall time of one process to two of half each", *_wall("clean", "halves"), ">=", 1.6
    ),
    Figure("help", "mpimport --help: CPU to python -c pass", *_cpu("help", "nothing"), "<=", 4),
    Figure("ten", "ten events: CPU to python -c pass", *_cpu("ten", "nothing"), "<=", 12),
    Figure(
        "limit",
        "share of a core at 30,000 events/s",
        ("clean",),
        lambda medians, count: medians["clean"].cpu_s / count * LIMIT_EVENTS_PER_S,
        "<=",
        0.15,
    ),
)


def table(figures: Iterable[Figure], medians: Medians, count: int) -> list[dict[str, Any]]:
    """Work out the rows; `value` is None where a case was not run."""
    rows = []
    for figure in figures:
        measured = all(name in medians for name in figure.cases)
        value = figure.value(medians, count) if measured else None
        row = {"key": figure.key, "text": figure.text, "value": value, "target": f"{figure.bound} {figure.target:g}"}
        rows.append({**row, "holds": None if value is None else figure.holds(value)})
    return rows
