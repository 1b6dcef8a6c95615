"""Pacing through the real command against the sandbox's real limiter. What it gains in time is for the benchmark."""

from __future__ import annotations

import json
import time
from pathlib import Path

from running import assert_balanced, finish, good_event, mpimport, start, write_ndjson

from mpimport.sandbox import Sandbox, SandboxConfig

QUICK = ("--backoff-base", "0.1", "--backoff-max", "1", "--backoff-jitter", "0", "0.1")


def paced(rate: int, window_s: float) -> tuple[str, ...]:
    return ("--max-events-per-second", str(rate), "--rate-window", str(window_s), *QUICK)


def test_the_limit_is_kept_and_hardly_ever_met(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(80_000)])
    with Sandbox(SandboxConfig(max_events_per_window=20_000, window_s=1.0)) as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", *paced(20_000, 1.0), cwd=tmp_path)
        stats = sandbox.stats()

    assert ended.code == 0, ended.err
    assert stats["stored"] == ended.summary["imported"] == 80_000
    assert stats["requests"] >= 400, "batches are a hundredth of a window"
    assert stats["by_status"].get("429", 0) <= stats["requests"] // 50
    assert ended.summary["seconds"] > 2.9, "three windows had to pass"


def test_a_lower_limit_than_assumed_loses_nothing(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(40_000)])
    with Sandbox(SandboxConfig(max_bytes_per_window=2_000_000, window_s=1.0)) as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", *paced(30_000, 1.0), cwd=tmp_path)
        stats = sandbox.stats()

    assert ended.code == 0, ended.err
    assert stats["stored"] == ended.summary["imported"] == 40_000
    assert ended.summary["retries"] == stats["by_status"]["429"] > 0
    assert_balanced(ended.summary)


def test_two_importers_on_one_project_both_get_on(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_ndjson(tmp_path / f"{name}.ndjson", [good_event(n, who=name) | {"event": name} for n in range(50_000)])
    with Sandbox(SandboxConfig(max_events_per_window=10_000, window_s=1.0)) as sandbox:
        options = ("--url", sandbox.url, "--json", *paced(10_000, 1.0))
        processes = [start(f"{name}.ndjson", *options, cwd=tmp_path) for name in ("a", "b")]
        while len(before := sandbox.stats()["events_by_name"]) < 2:  # one may start much later than the other
            assert None in [process.poll() for process in processes], "one ended before the other had begun"
            time.sleep(0.02)
        first = finish(processes[0], timeout_s=100)
        together = {name: count - before[name] for name, count in sandbox.stats()["events_by_name"].items()}
        second = finish(processes[1], timeout_s=100)
        stats = sandbox.stats()

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert stats["stored"] == 100_000
    assert min(together.values()) >= sum(together.values()) / 8, "neither was kept out while the other sent"
    assert json.loads(second.out)["undelivered"] == 0


def test_batches_fit_a_small_limit_and_zero_is_off(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    with Sandbox() as sandbox:
        slow = mpimport("e.ndjson", "--url", sandbox.url, "--json", *paced(2500, 1.0), cwd=tmp_path)
    with Sandbox() as sandbox:
        off = ("--max-events-per-second", "0", "--max-bytes-per-minute", "0")
        fast = mpimport("e.ndjson", "--url", sandbox.url, "--json", *off, cwd=tmp_path)

    assert (slow.code, fast.code) == (0, 0), slow.err + fast.err
    assert slow.summary["requests"] == 3000 // 25
    assert fast.summary["requests"] == 2
