"""The structure that the README's map describes is the structure that is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mpimport"
MODULES = sorted(PACKAGE.rglob("*.py"))
C_FILES = sorted((PACKAGE / "recogniser").iterdir())
KNOW_PYTHON = {"module.h", "module.c", "rules.c"}
MAX_LINES = 300

TOP_LEVEL = {
    "mpimport", "tests", "examples",
    "setup.cfg", "pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md",
}  # fmt: skip
BUILT = {"build", "dist", "mpimport.egg-info", "MANIFEST.in", "PKG-INFO"}  # the last two: of a source archive

FENCES = {
    "click": {"cli.py", "options.py", "command_line.py", "completion.py", "given.py", "manual.py", "sandbox/cli.py"},
    "requests": {"transport.py", "failures.py"},
    "urllib3": {"transport.py", "failures.py", "bounded.py"},
    "rich": {"report.py"},
    "ijson": {"formats/json_walk.py"},
    "isal": {"body.py", "gunzip.py"},
    "filelock": {"lock.py", "sandbox/claim.py"},
    "platformdirs": {"find_checkpoint.py", "config_file.py"},
    "prometheus_client": {"metrics.py"},
}
LEAVES = {
    "records.py",
    "errors.py",
    "limits.py",
    "spelling.py",
    "clock.py",
    "backoff.py",
    "patience.py",
    "brake.py",
    "concurrency.py",
    "share.py",
    "event_time.py",
    "mends.py",
    "markup.py",
    "dialling.py",
    "proxies.py",
    "trust.py",
    "standard_streams.py",
    "private_files.py",
}
"""Modules that import nothing of ours."""


def imports(path: Path) -> set[str]:
    """List the modules that a file imports anywhere, whole names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_is_used_where_it_belongs_only(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    outside = {library for library, homes in FENCES.items() if library in used and name_of(path) not in homes}

    assert outside == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_files_in_c_are_short_and_few_of_them_know_python() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in C_FILES}

    assert [name for name, text in texts.items() if len(text.splitlines()) > MAX_LINES] == []
    assert {name for name, text in texts.items() if "<Python.h>" in text or '"module.h"' in text} == KNOW_PYTHON


def test_all_files_in_c_are_built_and_go_into_the_source_archive() -> None:
    [extension] = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]

    named = sorted(extension["sources"] + extension["depends"])
    assert named == [path.relative_to(ROOT).as_posix() for path in C_FILES]


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_leaf_imports_nothing_of_ours(name: str) -> None:
    assert [used for used in imports(PACKAGE / name) if used.startswith("mpimport")] == []


def test_the_sandbox_and_the_client_know_nothing_of_each_other() -> None:
    for path in MODULES:
        inside = name_of(path).startswith("sandbox/")
        for used in imports(path):
            if inside and used.startswith("mpimport"):
                assert used.startswith("mpimport.sandbox"), path
            if not inside and name_of(path) != "destination.py":
                assert not used.startswith("mpimport.sandbox"), path


@pytest.mark.parametrize("arguments", [["-m", "mpimport", "--help"], ["-c", "import mpimport"]])
def test_help_loads_neither_what_sends_nor_what_draws(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    late = {"requests", "urllib3", "rich", "ijson", "msgspec", "isal", "filelock", "platformdirs", "mpimport.pipeline"}
    late |= {"tomllib", "tomli", "difflib", "mpimport.given"}
    late |= {"prometheus_client", "xml.etree.ElementTree"}
    assert loaded & late == set()


def test_everything_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_top_level_holds_what_was_agreed_and_no_more() -> None:
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert there - BUILT == TOP_LEVEL


def test_the_source_archive_holds_the_top_level() -> None:
    template = (ROOT / ".ci" / "MANIFEST.in").read_text().splitlines()
    named = {name for line in template if line.startswith(("include", "graft")) for name in line.split()[1:]}
    by_itself = {"mpimport", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"}

    assert named == TOP_LEVEL - by_itself | {".ci"}
