"""Install the clients of others, once, into a folder of their own: `install.py FOLDER`.

What cannot be installed (no network, no npm) leaves its reason in FOLDER/NAME.problem, is tried again the next time,
and stops nothing: the tests that need it are skipped with that reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
TIMEOUT_S = 600
BIN = "Scripts" if os.name == "nt" else "bin"


class CannotInstallError(Exception):
    """The reason that a test is skipped with."""


def run(command: Sequence[str | Path], cwd: Path) -> None:
    """Run a command, or raise its last words."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstallError(str(error)) from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise CannotInstallError(f"{Path(command[0]).name}: {words[-1][:200]}")


def install_python(folder: Path) -> None:
    """Install the two clients from PyPI into a virtual environment: they need requests and urllib3 as they like it."""
    venv.create(folder, clear=True, with_pip=True)
    quiet = ("--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20")
    run([folder / BIN / "python", "-m", "pip", "install", *quiet, "--requirement", HERE / "requirements.txt"], folder)


def install_node(folder: Path) -> None:
    """Install the client from npm."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        raise CannotInstallError("there is no npm, or no node")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(HERE / "package.json", folder)
    run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], folder)


def install(name: str, how: Callable[[Path], None], wanted: Path, root: Path) -> None:
    """Install what is not there yet in the versions that are wanted."""
    ready, problem = root / f"{name}.ready", root / f"{name}.problem"
    text = wanted.read_text(encoding="utf-8")
    if ready.exists() and ready.read_text(encoding="utf-8") == text:
        return
    ready.unlink(missing_ok=True)
    print(f"installing {wanted.relative_to(HERE.parents[1])} into {root / name}", flush=True)
    try:
        how(root / name)
    except (CannotInstallError, subprocess.CalledProcessError, OSError) as error:
        problem.write_text(f"{error}\n", encoding="utf-8")
        print(f"not installed, so its tests are skipped: {error}", flush=True)
        return
    problem.unlink(missing_ok=True)
    ready.write_text(text, encoding="utf-8")


def main() -> None:
    """Install everything."""
    root = Path(sys.argv[1]).resolve()
    root.mkdir(parents=True, exist_ok=True)
    install("python", install_python, HERE / "requirements.txt", root)
    install("node", install_node, HERE / "package.json", root)


if __name__ == "__main__":
    main()
