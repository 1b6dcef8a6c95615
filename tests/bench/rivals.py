"""Other importers of the same events, installed into a folder of their own; each is left out where that fails.

Only the host that they send to is replaced: what reads, batches, packs and counts runs as it was published.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

NPM = "mixpanel-import@3.1.43"
PYPI = "mixpanel-utils==2.2.7"
_HERE = Path(__file__).parent / "rivals"


def install_npm(folder: Path) -> tuple[Path | None, str]:
    """Give the folder in which npm's importer is, or None and why there is none."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None, "no Node.js"
    if not (folder / "node_modules" / "mixpanel-import").exists():
        folder.mkdir(parents=True, exist_ok=True)
        if problem := _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), NPM]):
            return None, f"npm cannot install {NPM}: {problem}"
    return folder, ""


def install_pypi(folder: Path) -> tuple[Path | None, str]:
    """Give the Python that has PyPI's importer, or None and why there is none."""
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        problem = _run([sys.executable, "-m", "venv", str(folder)])
        problem = problem or _run([str(python), "-m", "pip", "install", "--quiet", "--no-input", PYPI])
        if problem:
            return None, f"pip cannot install {PYPI}: {problem}"
        (folder / ".ready").touch()
    return python, ""


def _run(command: list[str]) -> str:
    """Run a command; gives the end of what it complains of, or nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr or done.stdout).strip()[-200:] or "it failed" if done.returncode else ""


def npm_library(folder: Path, file: Path) -> list[str]:
    """Give the command that imports a file with npm's importer as a library."""
    return ["node", "-r", str(_HERE / "npm_host.cjs"), str(_HERE / "npm_library.cjs"), str(folder), str(file)]


def npm_command(folder: Path, file: Path) -> list[str]:
    """Give npm's importer's own command line.

    `--compress` has to be asked for, and `--bytes` has to be a number: the default, text, ends its own limit.
    """
    script = folder / "node_modules" / "mixpanel-import" / "index.js"
    options = ["--token", "0" * 32, "--format", "jsonl", "--compress", "--batch", "2000", "--bytes", "10276045"]
    options += ["--workers", "20", "--transport", "undici", "--logs", "false", "--abridged"]
    return ["node", "-r", str(_HERE / "npm_host.cjs"), str(script), str(file), *options]


def utils_command(python: Path, file: Path, url: str) -> list[str]:
    """Give the command that imports a file with PyPI's importer."""
    return [str(python), str(_HERE / "utils_import.py"), str(file), url]
