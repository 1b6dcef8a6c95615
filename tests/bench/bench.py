"""Measures the command as a whole process: CPU and wall time an event, and peak memory, in each shape of input.

    python tests/bench/bench.py [--events N] [--runs N]

What is measured has arrived: the server, a sandbox in a process of its own, counts it. Figures are medians of
alternating runs, and are only comparable within one call: quote the ratios.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BAD_SHARE = 0.05


@dataclass(frozen=True)
class Run:
    """One run of a process: CPU and wall seconds, peak resident memory in KiB."""

    cpu_s: float
    wall_s: float
    peak_kib: int


def events(count: int) -> Iterator[dict[str, Any]]:
    """Make events of about 500 bytes, the same at every call."""
    draw = random.Random(1)
    for number in range(count):
        properties: dict[str, Any] = {
            "time": 1_714_521_600_000 + draw.randrange(90 * 86_400_000),
            "distinct_id": f"{draw.getrandbits(64):016x}",
            "$insert_id": f"{draw.getrandbits(128):032x}",
            "$browser": draw.choice(["Chrome", "Safari", "Firefox", "Edge"]),
            "$current_url": f"https://www.example.com/{draw.getrandbits(32):08x}?ref={draw.getrandbits(32):08x}",
            "page title": draw.choice(["Home", "Café & Crème", 'How to "ship"', "Sale 🎉"]),
            "session": f"{draw.getrandbits(64):016x}",
            "note": "lorem ipsum dolor sit amet " * draw.randrange(1, 6),
            "price": round(draw.random() * 500, 2),
            "quantity": draw.randrange(1, 5),
            "is mobile": draw.random() < 0.4,
            "plan": draw.choice(["free", "pro", None]),
        }
        if number % 5 == 0:
            properties["items"] = [{"sku": f"SKU-{draw.getrandbits(16)}", "tags": ["red", "blue"]}]
        yield {"event": draw.choice(["Page View", "Search", "Order Completed"]), "properties": properties}


def spoilt(count: int) -> Iterator[dict[str, Any]]:
    """Make the same events, every twentieth of them without its time."""
    for number, event in enumerate(events(count)):
        if number % round(1 / BAD_SHARE) == 0:
            del event["properties"]["time"]
        yield event


def write_ndjson(path: Path, made: Iterator[dict[str, Any]]) -> None:
    """Write events one a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n" for event in made)


def write_json(path: Path, made: Iterator[dict[str, Any]]) -> None:
    """Write events as one array."""
    with path.open("w", encoding="utf-8") as file:
        for number, event in enumerate(made):
            file.write("[" if number == 0 else ",\n")
            file.write(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
        file.write("]\n")


def write_csv(path: Path, made: Iterator[dict[str, Any]]) -> None:
    """Write events as rows, without what is nested."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for number, event in enumerate(made):
            flat = {"event": event["event"], **event["properties"]}
            flat.pop("items", None)
            if number == 0:
                rows.writerow(flat)
            rows.writerow(flat.values())


SHAPES: dict[str, tuple[str, Callable[[int], Iterator[dict[str, Any]]], Callable[[Path, Any], None], int]] = {
    "NDJSON, clean": ("clean.ndjson", events, write_ndjson, 0),
    "NDJSON, 5 % bad": ("bad.ndjson", spoilt, write_ndjson, 1),
    "JSON array": ("array.json", events, write_json, 0),
    "CSV": ("rows.csv", events, write_csv, 0),
}
"""Name -> file, events, writer, exit code that the import has to end with."""


@contextmanager
def server() -> Iterator[str]:
    """Run a sandbox in a process of its own, and give its URL."""
    arguments = [sys.executable, "-m", "mpimport.sandbox", "--port", "0", "--keep-events", "0"]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            process.terminate()


def arrived(url: str) -> int:
    """Ask the server how many events have arrived."""
    with urllib.request.urlopen(f"{url}/stats") as reply:
        return int(json.load(reply)["received"])


def measure(arguments: list[str], expected: int) -> Run:
    """Run a process to its end and measure it from outside."""
    script = (
        "import os, resource, subprocess, sys, time\n"
        "began = time.perf_counter()\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "wall = time.perf_counter() - began\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(code, used.ru_utime + used.ru_stime, wall, used.ru_maxrss)"
    )
    environment = {**os.environ, "MP_USERNAME": "bench", "MP_SECRET": "bench", "MP_PROJECT_ID": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    code, cpu_s, wall_s, peak_kib = done.stdout.split()
    if int(code) != expected:
        raise SystemExit(f"{arguments} ended with {code}, not {expected}:\n{done.stderr}")
    return Run(float(cpu_s), float(wall_s), int(peak_kib))


def import_once(path: Path, url: str, count: int, expected: int) -> Run:
    """Import a file, and check with the server that everything good has arrived."""
    before = arrived(url)
    rejected = path.with_suffix(".rejected")
    rejected.unlink(missing_ok=True)
    run = measure(
        [sys.executable, "-m", "mpimport", str(path), "--url", url, "-q", "--rejected", str(rejected)], expected
    )
    bad = len(rejected.read_bytes().splitlines()) if rejected.exists() else 0
    if arrived(url) - before + bad != count:
        raise SystemExit(f"{path.name}: {arrived(url) - before} arrived and {bad} were rejected, of {count}")
    return run


def median(runs: list[Run]) -> Run:
    """Take the median of each figure."""
    return Run(
        statistics.median(run.cpu_s for run in runs),
        statistics.median(run.wall_s for run in runs),
        round(statistics.median(run.peak_kib for run in runs)),
    )


def main() -> None:
    """Generate the data, run every shape in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    results: dict[str, list[Run]] = {name: [] for name in SHAPES}
    with tempfile.TemporaryDirectory(prefix="mpimport-bench-") as folder, server() as url:
        os.environ["XDG_STATE_HOME"] = folder  # no checkpoint of a user's is in the way
        for file, make, write, _ in SHAPES.values():
            write(Path(folder) / file, make(given.events))
        for _ in range(given.runs):
            for name, (file, _, _, expected) in SHAPES.items():
                results[name].append(import_once(Path(folder) / file, url, given.events, expected))
        nothing = median([measure([sys.executable, "-c", "pass"], 0) for _ in range(5)])
        help_page = median([measure([sys.executable, "-m", "mpimport", "--help"], 0) for _ in range(5)])
    base = median(results["NDJSON, clean"]).cpu_s
    print(f"{given.events:,} events, medians of {given.runs} runs; CPU is user and system time of the importer alone")
    print(f"{'':18}{'CPU us/event':>14}{'to NDJSON':>11}{'events/s wall':>15}{'peak MB':>9}")
    for name, runs in results.items():
        run = median(runs)
        print(
            f"{name:18}{run.cpu_s / given.events * 1e6:14.2f}{run.cpu_s / base:11.2f}"
            f"{given.events / run.wall_s:15,.0f}{run.peak_kib / 1024:9.0f}"
        )
    print(f"mpimport --help: {help_page.cpu_s / nothing.cpu_s:.1f} times the CPU of python -c pass")


if __name__ == "__main__":
    main()
