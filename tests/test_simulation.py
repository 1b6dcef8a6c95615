"""Pacing, gate and concurrency together, against a simulated API: each scenario holds its figures to a range."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from simulation import simulate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.toml"))


def load(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


CASES = [(path, seed) for path in SCENARIOS for seed in ((1, 2) if path.stem.startswith("two") else (1,))]


@pytest.mark.parametrize(("path", "seed"), CASES, ids=lambda value: getattr(value, "stem", value))
def test_a_scenario_stays_in_its_ranges(path: Path, seed: int) -> None:
    scenario = load(path)
    figures = simulate(scenario | {"seed": seed})
    outside = {
        name: figures[name]
        for name, (low, high) in scenario["expected"].items()
        if not low - 1e-9 <= round(figures[name], 4) <= high + 1e-9
    }

    assert outside == {}, figures


def test_a_simulation_always_ends_alike() -> None:
    scenario = load(SCENARIOS[0]) | {"seconds": 90}
    assert simulate(scenario) == simulate(scenario)
