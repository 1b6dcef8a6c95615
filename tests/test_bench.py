"""The benchmark runs, and its table says what it should; how quick anything is, is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent / "bench" / "bench.py"


def run_bench(*arguments: str) -> str:
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_measures_what_has_arrived_and_compares(tmp_path: Path) -> None:
    report = tmp_path / "new.json"
    printed = run_bench("--events", "40", "--runs", "1", "--only", "bad,csv", "--json", str(report))
    result = json.loads(report.read_text())

    assert result["medians"].keys() == {"clean", "bad", "csv"}
    assert [row["key"] for row in result["rows"]] == ["csv", "bad"]
    assert all(row["value"] > 0 for row in result["rows"])
    assert "5 % of the rows bad: CPU to NDJSON" in printed
    assert "1.000" in run_bench("--compare", str(report), str(report))
