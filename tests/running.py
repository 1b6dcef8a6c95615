"""Running the command as users do: a process of its own, its output, its JSON summary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CREDENTIALS = {"MP_PROJECT_ID": "12345", "MP_USERNAME": "importer", "MP_SECRET": "s3cr3t-of-the-test"}
QUICK_BACKOFF = ("--backoff-base", "0.01", "--backoff-max", "0.05", "--backoff-jitter", "0", "0.01")


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code, standard output and error, and the JSON summary if there was one."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The object that --json printed: the last line."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give this process's environment (which a fixture has cleaned) with what is to be added."""
    return {**os.environ, "PYTHONWARNINGS": "error", **(CREDENTIALS if extra is None else extra)}


def command(*arguments: str | Path) -> list[str]:
    """Give the command line that runs mpimport with this interpreter."""
    return [sys.executable, "-m", "mpimport", *map(str, arguments)]


def mpimport(
    *arguments: str | Path,
    cwd: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> Ended:
    """Run the command to its end in the folder `cwd`."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd,
        input=stdin,
        env=environment(env),
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


def start(*arguments: str | Path, cwd: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Start the command without waiting for it."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command(*arguments), cwd=cwd, env=environment(), **pipes)


def finish(process: subprocess.Popen[bytes], timeout_s: float = 60) -> Ended:
    """Wait for a command that was started."""
    out, err = process.communicate(timeout=timeout_s)
    return Ended(process.returncode, out.decode(), err.decode())


def good_event(number: int, **properties: Any) -> dict[str, Any]:
    """Give an event that keeps all rules; each number gives another one."""
    return {
        "event": "Page View",
        "properties": {
            "time": 1_718_000_000_000 + number,
            "distinct_id": f"user-{number % 97}",
            "$insert_id": f"id-{number:08}",
            **properties,
        },
    }


def ndjson(events: Sequence[object]) -> bytes:
    """Write events as NDJSON."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def write_ndjson(path: Path, events: Sequence[object]) -> Path:
    """Write events to a file as NDJSON."""
    path.write_bytes(ndjson(events))
    return path


def assert_balanced(summary: Mapping[str, Any]) -> None:
    """Check the account of a run."""
    done = summary["imported"] + summary["rejected"] + summary["undelivered"] + summary.get("valid", 0)
    assert summary["read"] == done
