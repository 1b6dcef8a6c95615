"""The two programs in C: the sink that events are sent to, and the floor that any importer is measured against.

Where they cannot be built, the sandbox takes the sink's place; the floor has no substitute.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HERE = Path(__file__).parent


def build(name: str, folder: Path) -> tuple[Path | None, str]:
    """Compile a program, unless that was done; gives where it is, or None and why it could not be."""
    source, program = _HERE / f"{name}.c", folder / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program, ""
    compiler = shutil.which("cc")
    if compiler is None:
        return None, "no C compiler (cc)"
    folder.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-O2", "-pthread", "-o", str(program), str(source), "-ldeflate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        found = re.search(r"error: (.*)|(cannot find .*)", done.stderr)
        why = found[0] if found else done.stderr[-200:]
        return (
            None,
            f"it does not compile ({why}): Debian's libdeflate-dev, Fedora's libdeflate-devel has what it takes",
        )
    return program, ""


@contextmanager
def server(sink: Path | None, latency_s: float = 0.0) -> Iterator[str]:
    """Run the sink, or a sandbox, in a process of its own, and give its URL."""
    if sink is not None:
        command = [str(sink), "0", str(round(latency_s * 1000))]
    else:
        command = [sys.executable, "-m", "mpimport.sandbox", "--port", "0", "--keep-events", "0"]
        command += ["--latency", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None, command
        try:
            yield found[0]
        finally:
            process.terminate()
