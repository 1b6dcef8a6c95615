"""The command as a process that is killed, stopped, and started twice: an import goes on, and what users are told."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crashes import SHAPES, survive, write_import
from running import QUICK_BACKOFF, Ended, assert_balanced, finish, good_event, mpimport, start, write_ndjson

from mpimport.find_checkpoint import state_folder
from mpimport.sandbox import Sandbox, SandboxConfig

SLOWLY = ("--batch-size", "100", "--workers", "2", "--json", *QUICK_BACKOFF)


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_again_and_again_everything_arrives_and_each_reject_stands_once(tmp_path: Path, shape: str) -> None:
    job = write_import(tmp_path, shape, 4000)
    survived = survive(tmp_path, job, 3, random.Random(shape), batch=100, latency_s=0.1)

    assert survived.kills == 3
    assert kept_files() == []


def kept_files() -> list[str]:
    return [path.name for path in state_folder().iterdir()] if state_folder().exists() else []


def interrupted(folder: Path, sandbox: Sandbox, *more: str) -> Ended:
    """Stop an import in an orderly way when some of it has arrived."""
    process = start("e.ndjson", "--url", sandbox.url, *SLOWLY, *more, cwd=folder)
    end = time.monotonic() + 30
    while sandbox.stats()["stored"] < 500 and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    return finish(process)


def test_the_summaries_of_a_stopped_and_a_resumed_run_agree(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) if n % 100 else {"event": "bad"} for n in range(5000)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        first = interrupted(tmp_path, sandbox)
        again = mpimport("e.ndjson", "--url", sandbox.url, *SLOWLY, cwd=tmp_path)
        stats = sandbox.stats()

    before, after = first.summary, again.summary
    assert (first.code, again.code) == (130, 1), again.err
    assert_balanced(before)
    assert_balanced(after)
    assert "next: run the same command again: it continues where this one stopped" in first.err
    assert str(state_folder()) in before["checkpoint"]
    assert (before["already_imported"], after["already_imported"]) == (0, before["imported"])
    assert before["imported"] + after["imported"] == stats["stored"] == stats["received"] == 4950
    assert before["rejected"] + after["rejected"] == after["already_rejected"] + after["rejected"] == 50
    assert after["checkpoint"] is None
    assert len((tmp_path / "e.ndjson.rejected.ndjson").read_bytes().splitlines()) == 50
    assert "imported the remaining" in again.err or f"of the remaining {after['read']:,}" in again.err
    assert f"earlier runs {before['imported']:>13,}  imported, {before['rejected']:,} rejected" in again.err
    assert "going on with an import" in again.err
    assert kept_files() == []


def test_restart_and_no_checkpoint_begin_anew(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        interrupted(tmp_path, sandbox)
        assert len(kept_files()) == 1
        without = mpimport("e.ndjson", "--url", sandbox.url, "--json", "--no-checkpoint", cwd=tmp_path)
        assert len(kept_files()) == 1
        anew = mpimport("e.ndjson", "--url", sandbox.url, "--json", "--restart", cwd=tmp_path)
        stored = sandbox.stats()["stored"]

    for ended in (without, anew):
        assert (ended.code, ended.summary["imported"], ended.summary["already_imported"]) == (0, 3000, 0)
    assert stored == 3000
    assert kept_files() == []


def test_a_changed_mapping_sends_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        interrupted(tmp_path, sandbox, "--checkpoint", "here.json")
        requests = sandbox.stats()["requests"]
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--checkpoint", "here.json", "--drop", "plan", cwd=tmp_path)
        assert sandbox.stats()["requests"] == requests

    assert ended.code == 2
    assert '--drop is ["plan"], and was not given' in ended.err
    assert "--restart" in ended.err
    assert "Nothing was sent." in ended.err
    assert (tmp_path / "here.json").exists()
    assert kept_files() == []


def test_a_second_run_at_the_same_time_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    write_ndjson(tmp_path / "f.ndjson", [good_event(n) for n in range(3000, 3010)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        first = start("e.ndjson", "--url", sandbox.url, *SLOWLY, cwd=tmp_path)
        end = time.monotonic() + 30
        while not sandbox.stats()["stored"] and time.monotonic() < end:
            time.sleep(0.02)
        second = mpimport("e.ndjson", "--url", sandbox.url, *SLOWLY, cwd=tmp_path)
        other = mpimport("f.ndjson", "--url", sandbox.url, *SLOWLY, cwd=tmp_path)
        first.kill()
        finish(first)
        third = mpimport("e.ndjson", "--url", sandbox.url, *SLOWLY, cwd=tmp_path)
        stored = sandbox.stats()["stored"]

    assert (second.code, second.out) == (7, "")
    assert "another run of the same import is under way" in second.err
    assert other.code == 0
    assert (third.code, stored) == (0, 3010)


def test_wrong_credentials_are_put_right_and_the_import_goes_on(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        interrupted(tmp_path, sandbox)
    with Sandbox(SandboxConfig(username="importer", secret="another")) as refusing:
        nothing = mpimport("e.ndjson", "--url", refusing.url, "--json", cwd=tmp_path)

    assert nothing.code == 4
    assert nothing.summary["checkpoint"] is None, "nothing of it is settled there"
    assert len(kept_files()) == 1


@pytest.mark.parametrize("options", [("--sandbox",), ("--dry-run",)])
def test_what_is_only_tried_keeps_no_checkpoint(tmp_path: Path, options: tuple[str, ...]) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(10)])
    ended = mpimport("e.ndjson", *options, "--json", cwd=tmp_path)

    assert ended.summary["checkpoint"] is None
    assert not state_folder().exists()


def test_standard_input_keeps_none_and_says_so_only_when_asked(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        quiet, told = (
            mpimport("-", "--url", sandbox.url, *more, cwd=tmp_path, stdin=json.dumps(good_event(1)).encode())
            for more in ((), ("-v",))
        )

    assert "checkpoint" not in quiet.err
    assert "no checkpoint is kept" in told.err


@pytest.mark.parametrize("place", ["nowhere/c", *(["/proc/c"] if Path("/proc/self").exists() else [])])
def test_where_no_checkpoint_can_be_kept_nothing_is_sent(tmp_path: Path, place: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    with Sandbox() as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--checkpoint", place, cwd=tmp_path)
        assert sandbox.stats()["requests"] == 0

    assert ended.code == 2
    assert "--no-checkpoint" in ended.err


@pytest.mark.parametrize("place", ["e.ndjson", "e.ndjson.rejected.ndjson"])
def test_a_checkpoint_is_not_written_over_something_else(tmp_path: Path, place: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--sandbox", "--checkpoint", place, "--restart", cwd=tmp_path)

    assert ended.code == 2
    assert f"--checkpoint {place}: is " in ended.err
    assert json.loads((tmp_path / "e.ndjson").read_bytes()) == good_event(1)


@pytest.mark.parametrize("module", ["click", "mpimport.options", "mpimport.app", "mpimport.report"])
def test_an_interrupt_while_modules_load_is_told_in_one_line(tmp_path: Path, module: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    code = f"""
import builtins, os, runpy, signal, sys
real = builtins.__import__
def importing(name, *more, **named):
    if name == {module!r}:
        builtins.__import__ = real
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *more, **named)
builtins.__import__ = importing
sys.argv = ["mpimport", "e.ndjson", "--sandbox"]
runpy.run_module("mpimport", run_name="__main__", alter_sys=True)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr.strip()) == (130, b"interrupted")


def test_nothing_is_done_between_the_end_of_the_checkpoint_and_that_of_the_process(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    code = """
import atexit, runpy, sys
atexit.register(print, "taken apart")
sys.argv = ["mpimport", "e.ndjson", "--sandbox", "--json"]
runpy.run_module("mpimport", run_name="__main__", alter_sys=True)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["imported"] == 1
    assert b"imported" in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_an_import_whose_summary_cannot_be_written_is_not_done_again(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    with Sandbox() as sandbox:
        for _ in range(2):
            with Path("/dev/full").open("wb") as full:
                run = start("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path, stdout=full)
                _, err = run.communicate(timeout=60)
            assert run.returncode == 5, err
        again = mpimport("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        requests = sandbox.stats()["requests"]

    assert (again.code, again.summary["read"], again.summary["already_imported"], requests) == (1, 0, 1, 1)
    assert len((tmp_path / "e.ndjson.rejected.ndjson").read_bytes().splitlines()) == 1
    assert kept_files() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_help_that_cannot_be_written_is_no_bug(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        run = start("--help", cwd=tmp_path, stdout=full)
        _, err = run.communicate(timeout=60)

    assert run.returncode == 5
    assert b"Traceback" not in err
