"""Measures the command as a whole process, in each shape of input, against a floor in C and against its rivals.

    python tests/bench/bench.py [--quick] [--only csv,bad] [--against CHECKOUT] [--json FILE]
    python tests/bench/bench.py --compare OLD.json [NEW.json]

What is measured has arrived: the server, a process of its own, counts it. All cases are run alternately, several
times, and medians are taken. Figures are only comparable within one call: quote the ratios. To compare two versions
of the code, measure both in one call: `--against` runs the shapes from another checkout, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cases import SHAPES, Case, Place, other_cases, our_cases
from figures import FIGURES, Figure, table
from measure import Run, median
from native import build, server

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".bench"
QUICK_EVENTS, FULL_EVENTS = 100_000, 1_000_000
QUICK_RUNS, FULL_RUNS = 5, 7
OLD = " (against)"


def main() -> None:
    """Measure and print, or compare what was measured."""
    given = _arguments()
    if given.compare:
        old, new = (json.loads(Path(path).read_text()) for path in (given.compare[0], _second(given.compare)))
        print("\n".join(compare(old, new)))
        return
    figures = [figure for figure in FIGURES if not given.only or figure.key in given.only]
    result = run(figures, given)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(report(result)))
    print(f"\nwritten to {given.json}")


def _second(paths: Sequence[str]) -> str:
    return paths[1] if len(paths) > 1 else str(FOLDER / "result.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EVENTS:,} events, without 'large' and the rivals")
    parser.add_argument("--events", type=int)
    parser.add_argument("--runs", type=int)
    keys = ",".join(figure.key for figure in FIGURES)
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"of the rows: {keys}")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="run the shapes from there, too, alternately")
    parser.add_argument("--json", type=Path, default=FOLDER / "result.json", metavar="FILE")
    parser.add_argument("--compare", nargs="+", metavar="JSON")
    given = parser.parse_args()
    if given.only and (unknown := set(given.only) - {figure.key for figure in FIGURES}):
        parser.error(f"there is no row {', '.join(sorted(unknown))}; there are {keys}")
    given.events = given.events or (QUICK_EVENTS if given.quick else FULL_EVENTS)
    given.runs = given.runs or (QUICK_RUNS if given.quick else FULL_RUNS)
    if given.quick and not given.only:
        given.only = [f.key for f in FIGURES if not {"large", "npm library", "npm command", "utils"} & set(f.cases)]
    return given


def run(figures: Sequence[Figure], given: argparse.Namespace) -> dict[str, Any]:
    """Run the cases that the figures need, in turn, as often as asked."""
    wanted = {name for figure in figures for name in figure.cases}
    os.environ["XDG_STATE_HOME"] = str(FOLDER / "state")  # no checkpoint of a user's is in the way
    sink, no_sink = build("sink", FOLDER)
    floor, no_floor = build("floor", FOLDER) if "floor" in wanted else (None, "")
    others, missing = other_cases(FOLDER, floor, wanted)
    missing |= {"sink": f"{no_sink}; the sandbox takes its place"} if no_sink else {}
    missing |= {"floor": no_floor} if no_floor else {}
    cases = [case for case in [*our_cases(), *others] if case.name in wanted]
    if given.against:
        there = given.against.resolve()
        cases += [Case(n + OLD, replace(o, checkout=there)) for n, o in SHAPES.items() if n in wanted]
    results: dict[str, list[Run]] = {case.name: [] for case in cases}
    with server(sink) as quick, server(sink, 0.2) as slow:
        place = Place(FOLDER, quick, slow, given.events)
        for turn in range(given.runs):
            for case in cases:
                if turn < case.rounds:
                    _tell(f"{turn + 1}/{given.runs} {case.name}")
                    results[case.name].append(case.run(place))
    _tell("")
    medians = {name: median(runs) for name, runs in results.items()}
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "in_c": _is_in_c(),
        "events": given.events,
        "runs": given.runs,
        "missing": missing,
        "medians": {name: asdict(run) for name, run in medians.items()},
        "rows": table(figures, medians, given.events),
    }


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:40}\r", end="", file=sys.stderr, flush=True)


def _is_in_c() -> bool:
    """Whether the checkout that is measured has its recogniser in C."""
    asked = [sys.executable, "-c", "from mpimport.recognise import IN_C; print(IN_C)"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)  # noqa: PLW1510
    return done.stdout.strip()


def report(result: dict[str, Any]) -> list[str]:
    """Word what was measured: every case, then the table."""
    count = result["events"]
    lines = [f"{count:,} events, medians of {result['runs']} runs; CPU: user and system time of the process alone"]
    lines += ["events are recognised in C" if result["in_c"] else "events are checked in Python alone", ""]
    lines.append(f"{'':24}{'CPU s':>9}{'us/event':>10}{'wall s':>9}{'peak MB':>9}{'to the other':>14}")
    for name, run in result["medians"].items():
        old = result["medians"].get(name + OLD)
        ratio = f"{run['cpu_s'] / old['cpu_s']:14.3f}" if old else ""
        per_event = (
            f"{run['cpu_s'] / count * 1e6:10.2f}" if name not in ("nothing", "help", "ten", "large") else " " * 10
        )
        lines.append(f"{name:24}{run['cpu_s']:9.3f}{per_event}{run['wall_s']:9.3f}{run['peak_mb']:9.1f}{ratio}")
    lines += ["", f"{'':58}{'value':>8}{'target':>9}  holds"]
    for row in result["rows"]:
        value = "-" if row["value"] is None else f"{row['value']:.3g}"
        holds = {None: "not measured", True: "yes", False: "NO"}[row["holds"]]
        lines.append(f"{row['text']:58}{value:>8}{row['target']:>9}  {holds}")
    lines += [f"not measured: {name}: {why}" for name, why in result["missing"].items()]
    return lines


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Put two results beside each other. What one machine measured at two times differs by more than the code does."""
    lines = [f"{'':58}{old['commit'][-9:]:>10}{new['commit'][-9:]:>10}{'new/old':>9}"]
    before = {row["key"]: row["value"] for row in old["rows"]}
    for row in new["rows"]:
        pair = before.get(row["key"]), row["value"]
        shown = "".join("         -" if value is None else f"{value:10.3g}" for value in pair)
        lines.append(f"{row['text']:58}{shown}{_ratio(*pair)}")
    for name, run in new["medians"].items():
        if name in old["medians"]:
            was = old["medians"][name]["cpu_s"] / old["events"] * 1e6
            now = run["cpu_s"] / new["events"] * 1e6
            lines.append(f"{name + ': CPU us/event':58}{was:10.3g}{now:10.3g}{_ratio(was, now)}")
    return lines


def _ratio(old: float | None, new: float | None) -> str:
    return f"{new / old:9.3f}" if old and new else ""


if __name__ == "__main__":
    main()
