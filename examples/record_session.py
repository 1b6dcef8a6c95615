"""Records `session.svg`, the terminal session that the README shows, by running its commands on a terminal of its own.

    python examples/record_session.py > examples/session.svg

Takes rich, which mpimport brings, and a system with pseudo terminals (Linux, macOS).
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from termios import TIOCSWINSZ

from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 80, 40
HERE = Path(__file__).parent
SESSION = (
    "mpimport orders.csv --sandbox",
    "mpimport mistakes.ndjson --sandbox --rejected mistakes.rejected.ndjson",
    "head -1 mistakes.rejected.ndjson",
)


def main() -> None:
    """Run the session in a folder with the examples, and print the picture."""
    print(picture(record(SESSION)))


def record(commands: tuple[str, ...]) -> str:
    """Run the commands one after the other; gives what the terminal was sent, with a prompt before each."""
    with tempfile.TemporaryDirectory() as folder:
        for file in HERE.iterdir():
            (Path(folder) / file.name).symlink_to(file)
        return "\n".join(f"\x1b[1m$ {command}\x1b[0m\n{_run(command, folder)}" for command in commands)


def _run(command: str, folder: str) -> str:
    """Run a command on a pseudo terminal, and give what it wrote there."""
    ours, its = pty.openpty()
    ioctl(its, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "TERM": "xterm-256color", "PATH": path}
    environment |= {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    environment.pop("NO_COLOR", None)
    program, *arguments = shlex.split(command)
    found = shutil.which(program, path=path) or program
    with subprocess.Popen(  # noqa: S603  SESSION's
        [found, *arguments], cwd=folder, env=environment, stdin=its, stdout=its, stderr=its
    ):
        os.close(its)
        written = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the last writer is gone
        return b""


def picture(session: str) -> str:
    """Draw a session. Ports and times, which differ each time, are made the same."""
    session = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:40000", session)
    session = re.sub(r"\d+\.\d s, [\d,]+ events/s", "0.1 s, 20,000 events/s", session)
    console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True, highlight=False)
    console.print(Text.from_ansi(session))
    return console.export_svg(title="mpimport", unique_id="session")


if __name__ == "__main__":
    main()
