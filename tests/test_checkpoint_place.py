"""A checkpoint at a place that the user named: nothing that is there, or beside it, is ever harmed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from running import good_event, mpimport, start, write_ndjson

from mpimport.checkpoint import derived, find_obstacle
from mpimport.sandbox import Sandbox, SandboxConfig


@pytest.mark.parametrize("beside", [".lock", ".mpimport-new"])
def test_a_source_that_would_be_taken_for_a_file_of_ours_is_refused(tmp_path: Path, beside: str) -> None:
    source = write_ndjson(tmp_path / f"data{beside}", [good_event(1)])
    with Sandbox() as sandbox:
        options = ("--format", "ndjson", "--url", sandbox.url, "--checkpoint", "data")
        ended = mpimport(source.name, *options, cwd=tmp_path)

        assert ended.code == 2
        assert sandbox.stats()["requests"] == 0
    assert source.exists()
    assert "Nothing was sent" in ended.err


@pytest.mark.parametrize("beside", [".lock", ".mpimport-new"])
def test_what_lies_beside_it_is_left_alone(tmp_path: Path, beside: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    precious = tmp_path / f"import{beside}"
    precious.write_text("precious")
    with Sandbox() as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--checkpoint", "import", cwd=tmp_path)

    assert ended.code == 2, ended.err
    assert precious.read_text() == "precious"
    assert f"import{beside}" in ended.err


@pytest.mark.parametrize("place", [".", "/", "folder"])
def test_what_is_no_file_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--sandbox", "--checkpoint", place, cwd=tmp_path)

    assert ended.code == 2, ended.err
    assert "--checkpoint" in ended.err


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--sandbox", "--checkpoint", "pipe", cwd=tmp_path, timeout_s=30)

    assert ended.code == 2, ended.err
    assert "no regular file" in ended.err


def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path) -> None:
    lock, new = derived(tmp_path / "c")
    lock.touch()
    new.write_bytes(b'{"mpimport_checkpoint":1,"sta')
    assert find_obstacle(tmp_path / "c") is None


def test_a_glob_that_has_met_a_new_file_is_still_the_same_import(tmp_path: Path) -> None:
    """Cron jobs that overlap, while the first of them has nothing settled yet."""
    write_ndjson(tmp_path / "a.ndjson", [good_event(n) for n in range(10)])
    with Sandbox(SandboxConfig(latency_s=60)) as sandbox:
        first = start("*.ndjson", "--url", sandbox.url, cwd=tmp_path)
        deadline = time.monotonic() + 30
        while not sandbox.stats()["requests"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        write_ndjson(tmp_path / "b.ndjson", [good_event(n) for n in range(10, 20)])
        second = mpimport("*.ndjson", "--url", sandbox.url, cwd=tmp_path)
        first.kill()
        first.communicate()

    assert second.code == 7, second.err
    assert "Nothing was sent" in second.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_checkpoint_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    (tmp_path / "c").write_bytes(b'{"mpimport_checkpoint":1,"state":{}}')
    os.chown(tmp_path / "c", 54321, 54321)
    ended = mpimport("e.ndjson", "--url", "http://127.0.0.1:9", "--checkpoint", "c", cwd=tmp_path)

    assert ended.code == 2
    assert "the file c cannot be trusted: it belongs to another user" in ended.err
    assert (tmp_path / "c").exists()
