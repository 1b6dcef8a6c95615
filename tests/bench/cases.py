"""What is run: the importer in each shape of input, the floor and the rivals, each as one command to be measured.

A case is run again and again, alternately with the others; what it says it has sent must have arrived.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import rivals
from data import data_file
from measure import Run, arrived, count_cores, measure

LATENCY_S = 0.2
LARGE = 10  # times the data of the small case of memory
_ROOT = Path(__file__).parent.parent.parent
_MAPPED = ("--rename", "plan=tier", "--drop", "utm_source", "--set", "origin=bench", "--type", "$screen_width=string")
_UNPACED = ("--max-events-per-second", "0", "--max-bytes-per-minute", "0")


@dataclass(frozen=True)
class Place:
    """Where things are: the folder of the benchmark, the URLs of a quick server and of one that is far away."""

    folder: Path
    quick: str
    slow: str
    count: int

    def data(self, shape: str) -> Path:
        """Give the file of a shape."""
        return data_file(self.folder / "data", shape, self.count)


@dataclass(frozen=True)
class Case:
    """Something to run. `rounds` bounds how often, for what is slow; `sends` is how many times the events arrive."""

    name: str
    run: Callable[[Place], Run]
    rounds: int = 99


@dataclass(frozen=True)
class Ours:
    """The importer on one shape of data; `checkout` is where its code is."""

    shape: str
    options: Sequence[str] = ()
    expected: int = 0
    repeated: int = 0
    far: bool = False
    one_core: bool = False
    checkout: Path = field(default=_ROOT)

    def __call__(self, place: Place) -> Run:
        """Import once, and make sure that everything has arrived or was rejected."""
        path, url = place.data(self.shape), place.slow if self.far else place.quick
        rejected = place.folder / f"{self.shape}.rejected.ndjson"
        rejected.unlink(missing_ok=True)
        source = ("-", "--format", "ndjson") if self.repeated else (str(path),)
        command = [sys.executable, "-m", "mpimport", *source, "--url", url, "-q", "--rejected", str(rejected)]
        command += [*_UNPACED, *self.options]
        before = arrived(url)
        run = measure(
            command, expected=self.expected, cwd=self.checkout, stdin=[path] * self.repeated, one_core=self.one_core
        )
        bad = sum(1 for _ in rejected.open("rb")) if rejected.exists() else 0
        _require(self.shape, arrived(url) - before + bad, place.count * max(self.repeated, 1))
        return run


def import_ten(place: Place) -> Run:
    """Import ten events from a file."""
    return Ours("clean")(Place(place.folder, place.quick, place.slow, 10))


def import_halves(place: Place) -> Run:
    """Import half of the events in each of two processes: CPU and memory of both, and the time until both end."""
    half = place.count // 2
    path, url = data_file(place.folder / "data", "clean", half), place.quick
    command = [sys.executable, "-m", "mpimport", str(path), "--url", url, "-q", "--no-checkpoint", *_UNPACED]
    before = arrived(url)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: measure(command, cwd=_ROOT), range(2))
    _require("halves", arrived(url) - before, 2 * half)
    return Run(one.cpu_s + other.cpu_s, max(one.wall_s, other.wall_s), one.peak_mb + other.peak_mb)


def run_other(
    make: Callable[[Path, str], list[str]], place: Place, *, environment: Mapping[str, str] | None = None
) -> Run:
    """Run another importer on the clean events, and make sure that all have arrived."""
    command = make(place.data("clean"), place.quick)
    before = arrived(place.quick)
    scratch = place.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    run = measure(command, cwd=scratch, environment={"PEER_ORIGIN": place.quick, **(environment or {})})
    _require(Path(command[0]).name, arrived(place.quick) - before, place.count)
    return run


def _require(name: str, found: int, count: int) -> None:
    if found != count:
        raise SystemExit(f"{name}: {found} events arrived or were rejected, of {count}")


def _floor(program: Path, path: Path, url: str) -> list[str]:
    return [str(program), str(path), url.rpartition(":")[2], "4", "1"]


def _python(arguments: Sequence[str], _: Place) -> Run:
    return measure([sys.executable, *arguments], cwd=_ROOT)


SHAPES: dict[str, Ours] = {
    "clean": Ours("clean"),
    "array": Ours("array"),
    "csv": Ours("rows"),
    "mapped": Ours("clean", _MAPPED),
    "bad": Ours("bad", expected=1),
}
"""The shapes in which another checkout can be measured, too."""


def our_cases() -> list[Case]:
    """List what needs nothing but Python."""
    return [
        *(Case(name, ours) for name, ours in SHAPES.items()),
        Case("nothing", partial(_python, ("-c", "pass"))),
        Case("help", partial(_python, ("-m", "mpimport", "--help"))),
        Case("ten", import_ten),
        *([Case("one core", Ours("clean", one_core=True))] if count_cores() > 1 else []),
        Case("halves", import_halves),
        Case("far", Ours("clean", ("--workers", "16"), far=True), rounds=3),
        Case("small", Ours("clean", ("--workers", "16"), repeated=1), rounds=3),
        Case("large", Ours("clean", ("--workers", "16"), repeated=LARGE), rounds=1),
    ]


def other_cases(folder: Path, floor: Path | None, wanted: set[str]) -> tuple[list[Case], dict[str, str]]:
    """List what is there to be compared with, and say of the others why they are not."""
    missing: dict[str, str] = {}
    cases: list[Case] = []
    if floor is not None:
        cases.append(Case("floor", partial(run_other, partial(_floor, floor))))
    if wanted & {"npm library", "npm command"}:
        npm, why = rivals.install_npm(folder / "npm")
        if npm is None:
            missing.update({"npm library": why, "npm command": why})
        else:
            library = partial(run_other, lambda path, _: rivals.npm_library(npm, path))
            cases.append(Case("npm library", partial(library, environment={"HIGHWATER": "16384"}), rounds=3))
            cases.append(
                Case("npm command", partial(run_other, lambda path, _: rivals.npm_command(npm, path)), rounds=1)
            )
    if "utils" in wanted:
        python, why = rivals.install_pypi(folder / "pypi")
        if python is None:
            missing["utils"] = why
        else:
            make = partial(rivals.utils_command, python)
            cases.append(Case("utils", partial(run_other, make), rounds=1))
    return cases, missing
