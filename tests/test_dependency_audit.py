"""`.ci/audit.py` tells a vulnerability from a service that gave no answer. A stand-in takes the place of pip-audit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / ".ci" / "audit.py"
PINS = "{line.partition('==')[0]: line.strip().partition('==')[2] for line in open(sys.argv[2])}"
CLEAN = f"print(json.dumps({{'dependencies': [{{'name': n, 'version': v, 'vulns': []}} for n, v in {PINS}.items()]}}))"
SKIPPED = CLEAN.replace("'vulns': []", "'skip_reason': 'not found on PyPI'")
BAD = CLEAN.replace("[]", "[{'id': 'CVE-1', 'fix_versions': ['9']}] if n == 'requests' else []", 1)


@pytest.mark.parametrize(
    ("says", "strict", "lenient", "words"),
    [
        (CLEAN, 0, 0, "nothing is known against the"),
        (BAD, 1, 1, "CVE-1, fixed in: 9"),
        (SKIPPED, 2, 0, "NOT DONE"),
        ("sys.exit('no route to pypi.org')", 2, 0, "no route to pypi.org"),
    ],
)
def test_the_audit(tmp_path: Path, says: str, strict: int, lenient: int, words: str) -> None:
    for options, code in (([], strict), (["--lenient"], lenient)):
        done = _run(tmp_path, says, *options)
        assert done.returncode == code, done.stdout + done.stderr
        assert words in done.stdout


def test_the_dependencies_of_dependencies_are_asked_about(tmp_path: Path) -> None:
    done = _run(tmp_path, "sys.exit(' '.join(line.strip() for line in open(sys.argv[2])))")
    asked = {word.partition("==")[0].strip("(") for word in done.stdout.split() if "==" in word}
    assert {"requests", "certifi", "idna", "rich", "pygments"} <= asked
    assert "pytest" not in asked


def _run(folder: Path, says: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "pip_audit.py").write_text(f"import json, sys\n{says}\n")
    words = [sys.executable, str(SCRIPT), *options]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
