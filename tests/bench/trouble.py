"""What importers say when a server is in trouble, beside what had arrived: ours, and two others as published.

    python tests/bench/trouble.py [--only 500,429] [--timeout S]

Each imports the same file into a sandbox of its own, which fails in a way that the API's documentation names. Only
the host is replaced. An importer that has not ended in time is stopped, and the table says so. What each printed is
kept in `.bench/trouble`, so that the table can be checked against the words.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rivals
from data import data_file
from measure import ENVIRONMENT

from mpimport.sandbox import Sandbox, SandboxConfig

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".bench"
SAID = FOLDER / "trouble"
EVENTS = 20_000
TIMEOUT_S = 180.0

TROUBLES: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("no trouble", {}),
    "503": ("three requests in ten are answered 503", {"faults": (("503", 0.3),)}),
    "reset": ("three connections in ten are cut behind the events", {"faults": (("reset-after", 0.3),)}),
    "limit": ("the rate limit is half of the file a minute", {"max_events_per_window": EVENTS // 2}),
    "500": ("every request is answered 500", {"faults": (("500", 1.0),)}),
    "429": ("every request is answered 429", {"faults": (("429", 1.0),)}),
    "401": ("every request is answered 401", {"faults": (("401", 1.0),)}),
    "bad": ("5 % of the rows break a rule", {}),
}
"""Each with the words for it and what the sandbox does."""


@dataclass(frozen=True)
class Ended:
    """How an importer ended: its exit code (None: stopped after the time limit), the seconds, what it printed."""

    code: int | None
    seconds: float
    said: str


def main() -> None:
    """Run each importer in each trouble, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"of the troubles: {','.join(TROUBLES)}")
    given = parser.parse_args()
    if given.only and (unknown := set(given.only) - set(TROUBLES)):
        parser.error(f"there is no trouble {', '.join(sorted(unknown))}; there are {', '.join(TROUBLES)}")
    shutil.rmtree(SAID, ignore_errors=True)
    SAID.mkdir(parents=True)
    print("| trouble | importer | exit code | stored | requests | seconds |\n|---|---|---|---|---|---|")
    for name, (words, settings) in TROUBLES.items():
        if given.only and name not in given.only:
            continue
        file = data_file(FOLDER / "data", "bad" if name == "bad" else "clean", EVENTS)
        for importer, command in _importers(file):
            with Sandbox(SandboxConfig(**settings)) as sandbox:
                ended = run(command, sandbox.url, given.timeout)
                stats = sandbox.stats()
            (SAID / f"{name}-{importer.replace(' ', '-')}.txt").write_text(ended.said, encoding="utf-8")
            code = "none, stopped" if ended.code is None else ended.code
            row = f"| {words} | {importer} | {code} | {stats['stored']:,} of {EVENTS:,} | {stats['requests']:,} |"
            print(f"{row} {ended.seconds:.0f} |", flush=True)
    print(f"\nwhat they printed is in {SAID.relative_to(ROOT)}")


Making = Callable[[str], list[str]]


def _importers(file: Path) -> Iterator[tuple[str, Making]]:
    """Give each importer that is there, with what makes its command from the server's URL."""
    yield "mpimport", lambda url: [sys.executable, "-m", "mpimport", str(file), "--url", url, *_OURS]
    npm, why = rivals.install_npm(FOLDER / "npm")
    if npm is None:
        print(f"npm mixpanel-import is left out: {why}", file=sys.stderr)
    else:
        yield "npm mixpanel-import", lambda _: rivals.npm_command(npm, file)
    python, why = rivals.install_pypi(FOLDER / "pypi")
    if python is None:
        print(f"PyPI mixpanel-utils is left out: {why}", file=sys.stderr)
    else:
        yield "PyPI mixpanel-utils", lambda url: rivals.utils_command(python, file, url)


_OURS = ("--rejected", str(SAID / "rejected.ndjson"), "--no-checkpoint", "--give-up-after", "120")


def run(command: Making, url: str, timeout_s: float) -> Ended:
    """Run an importer in an empty folder, until it ends or its time is over."""
    scratch = FOLDER / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    began = time.monotonic()
    process = subprocess.Popen(
        command(url),
        cwd=scratch,
        env={**os.environ, **ENVIRONMENT, "PEER_ORIGIN": url, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    code: int | None
    try:
        said, _ = process.communicate(timeout=timeout_s)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        code = None
    return Ended(code, time.monotonic() - began, said.decode(errors="replace"))


if __name__ == "__main__":
    main()
