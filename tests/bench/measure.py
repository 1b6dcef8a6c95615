"""Runs a command to its end and measures it from outside; and asks a server what has arrived.

CPU is user and system time of the process alone (and of children that it has waited for), as the kernel counts it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {"MP_USERNAME": "bench", "MP_SECRET": "bench", "MP_PROJECT_ID": "1"}
_NOT_AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE"}  # what pip installs is compiled, and not at each start
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """One run of a process: CPU and wall seconds, peak resident memory in MB."""

    cpu_s: float
    wall_s: float
    peak_mb: float


def measure(
    command: Sequence[str],
    *,
    expected: int = 0,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: Sequence[Path] = (),
    one_core: bool = False,
) -> Run:
    """Run a command; `stdin` are files that it is given one after the other. Stops the benchmark where it fails."""
    own = {name: value for name, value in os.environ.items() if name not in _NOT_AS_INSTALLED}
    with tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        with on_one_core() if one_core else nullcontext():
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**own, **ENVIRONMENT, **(environment or {})},
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
            )
        if process.stdin is not None:
            _pour(stdin, process.stdin.fileno())
            process.stdin.close()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}, not {expected}:\n{said}")
    return Run(used.ru_utime + used.ru_stime, wall_s, used.ru_maxrss * _RSS_UNIT / 1e6)


def count_cores() -> int:
    """Count the cores that may be used, where it can be said which of them a process uses; else 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@contextmanager
def on_one_core() -> Iterator[None]:
    """Let what is started inside have one core only."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _pour(files: Sequence[Path], descriptor: int) -> None:
    for path in files:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(1 << 16):
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]


def arrived(url: str) -> int:
    """Ask the server how many events have arrived."""
    with urllib.request.urlopen(f"{url}/stats") as reply:
        return int(json.load(reply)["received"])


def median(runs: Sequence[Run]) -> Run:
    """Take the median of each figure."""
    return Run(
        statistics.median(run.cpu_s for run in runs),
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.peak_mb for run in runs),
    )
