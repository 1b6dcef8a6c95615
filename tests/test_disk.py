"""Disks and files as they are: full, read-only, changed while they are read, named oddly, owned by somebody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import (
    QUICK_BACKOFF,
    Ended,
    assert_balanced,
    finish,
    good_event,
    mpimport,
    ndjson,
    start,
    write_ndjson,
)
from scripted_server import Answer, ScriptedServer
from small_disks import can_mount, on_small_disk, with_quota

from mpimport.rejects import unwrap
from mpimport.sandbox import Sandbox, SandboxConfig

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has neither quotas, such names, nor owners of this kind")
mounting = pytest.mark.skipif(not can_mount(), reason="this system does not let us mount a file system of our own")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can lay out files of other users"
)
STRANGER = 54_321


def _half_bad(count: int) -> list[object]:
    return [good_event(n) if n % 2 else {"event": "", "properties": {"n": n}} for n in range(count)]


def _whole_lines(path: Path) -> list[Any]:
    content = path.read_bytes()
    assert content.endswith(b"\n"), "a line that is written in part"
    return [json.loads(line) for line in content.splitlines()]


@posix
def test_a_quota_that_is_used_up_stops_the_run_with_nothing_lost(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", _half_bad(6000))
    with Sandbox() as sandbox:
        options = ("e.ndjson", "--url", sandbox.url, "--json", "--batch-size", "100")
        stopped = with_quota(*options, max_file_bytes=100_000, cwd=tmp_path)
        rejects = _whole_lines(tmp_path / "e.ndjson.rejected.ndjson")
        _check_full(stopped, rejects, "File too large")

        again = mpimport(*options, "--no-progress", cwd=tmp_path)

        assert again.code == 1, again.err
        assert sandbox.stats()["stored"] == 3000
        assert again.summary["already_imported"] > 0
        _check_rejects(tmp_path / "e.ndjson.rejected.ndjson")


def _check_rejects(path: Path) -> None:
    """Each bad record stands in the file once, whatever happened on the way."""
    assert sorted(reject["line"] for reject in _whole_lines(path)) == list(range(1, 6000, 2))


@mounting
def test_a_full_disk_stops_the_run_with_nothing_lost(tmp_path: Path) -> None:
    source = write_ndjson(tmp_path / "e.ndjson", _half_bad(6000))
    folder = tmp_path / "folder"
    folder.mkdir()
    options = ("--rejected", "r.ndjson", "--sandbox", "--json", "--batch-size", "100")
    stopped = on_small_disk(source, *options, folder=folder)

    _check_full(stopped, _whole_lines(folder / "r.ndjson"), "No space left")


def _check_full(ended: Ended, rejects: list[Any], words: str) -> None:
    assert ended.code == 5, ended.err
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert_balanced(ended.summary)
    assert 0 < len(rejects) == ended.summary["rejected"] < 3000
    assert ended.summary["undelivered"] > 0
    assert len({reject["line"] for reject in rejects}) == len(rejects)


@posix
def test_what_standard_input_gave_and_no_file_takes_is_counted_and_said(tmp_path: Path) -> None:
    with ScriptedServer([Answer(500)] * 1000) as server:
        ended = with_quota(
            "-", "--format", "ndjson", "--url", server.url, "--json", "--batch-size", "100", *QUICK_BACKOFF,
            "--give-up-after", "0.1", "--workers", "1", max_file_bytes=50_000, cwd=tmp_path,
            stdin=ndjson([good_event(n) for n in range(3000)]),
        )  # fmt: skip

    kept = _whole_lines(tmp_path / "stdin.rejected.ndjson.undelivered.ndjson")
    assert ended.code == 5, ended.err
    assert_balanced(ended.summary)
    lost = ended.summary["undelivered"] - len(kept)
    assert 0 < len(kept) < ended.summary["undelivered"]
    assert f"{lost:,} undelivered events could be saved nowhere" in ended.err
    assert "File too large" in ended.err
    (step,) = _steps(ended.err)
    assert step.startswith("send the whole input again, for a part was not read or is saved nowhere; events that")


def test_rejects_of_standard_input_that_no_file_takes_are_given_again(tmp_path: Path) -> None:
    bad = ndjson([{"event": "", "properties": {"time": 1718000000, "distinct_id": "u"}}] * 3000)
    ended = with_quota("-", "--dry-run", "--json", max_file_bytes=50_000, cwd=tmp_path, stdin=bad)

    assert ended.code == 5, ended.err
    assert_balanced(ended.summary)
    assert f"{ended.summary['undelivered']:,} undelivered events could be saved nowhere" in ended.err
    assert "File too large; mend that and give the same input again" in ended.err
    assert "send the whole input again, for a part was not read or is saved nowhere" in _steps(ended.err)
    assert "the same command" not in ended.err


def _steps(err: str) -> list[str]:
    return [line.removeprefix("next: ") for line in err.splitlines() if line.startswith("next: ")]


@mounting
def test_the_audit_on_a_full_disk_is_said(tmp_path: Path) -> None:
    source = write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(10)])
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "ballast").write_bytes(b"x" * 64 * 1024)
    ended = on_small_disk(source, "--dry-run", "--audit", "audit.json", "--json", folder=folder)

    assert ended.code == 5, ended.err
    assert "audit.json: cannot be written: No space left" in ended.err
    assert ended.summary["valid"] == 10


@mounting
def test_a_read_only_folder_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_ndjson(folder / "e.ndjson", [good_event(1)])
    with Sandbox() as sandbox:
        refused = on_small_disk("e.ndjson", "--url", sandbox.url, folder=folder, read_only=True)
        other = on_small_disk(
            "e.ndjson", "--url", sandbox.url, "--rejected", tmp_path / "r.ndjson", folder=folder, read_only=True
        )
        requests = sandbox.stats()["requests"]

    assert refused.code == 2, refused.err
    assert "--rejected" in refused.err
    assert other.code == 0, other.err
    assert requests == 1


@pytest.mark.parametrize("name", ["stdin.rejected.ndjson", "stdin.rejected.ndjson.undelivered.ndjson"])
def test_files_that_standard_input_needs_are_looked_at_before_it_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    ended = mpimport("-", "--format", "ndjson", "--sandbox", cwd=tmp_path, stdin=ndjson([good_event(1)]))
    dry = mpimport("-", "--format", "ndjson", "--dry-run", cwd=tmp_path, stdin=ndjson([good_event(1)]))

    assert ended.code == 2
    assert "--rejected" in ended.err
    assert dry.code == (2 if "undelivered" not in name else 0)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("/dev/null", 0, "/dev/null: empty, no event is in there"),
        ("empty.ndjson", 0, "empty.ndjson: empty, no event is in there"),
        ("folder", 2, "is a directory; name its files: 'folder/*.ndjson'"),
        ("missing.ndjson", 2, "no such file"),
        ("folder/../empty.ndjson/x", 2, "cannot be read: Not a directory"),
        ("x" * 300, 2, "File name too long"),
    ],
)
@posix
def test_what_is_no_file_of_events_has_a_defined_end(tmp_path: Path, name: str, code: int, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.ndjson").touch()
    ended = mpimport(name, "--sandbox", "--rejected", "r.ndjson", cwd=tmp_path)

    assert ended.code == code, ended.err
    assert words in ended.err


# A source that changes. The server takes a second for each batch, so the file is far from read when it changes.


def _change_while_reading(
    folder: Path, change: Callable[[Path], object], *, events: int = 40_000, **more: Any
) -> tuple[Ended, int]:
    """Give how the run ended, and how many events the server holds."""
    source = write_ndjson(folder / "e.ndjson", [good_event(n) for n in range(events)])
    with Sandbox(SandboxConfig(latency_s=0.2)) as sandbox:
        process = start("e.ndjson", "--url", sandbox.url, "--workers", "1", "--json", cwd=folder, **more)
        end = time.monotonic() + 30
        while not sandbox.stats()["requests"] and time.monotonic() < end:
            time.sleep(0.01)
        change(source)
        ended = finish(process)
        return ended, sandbox.stats()["stored"]


def test_a_source_that_is_cut_short_while_it_is_read_is_told(tmp_path: Path) -> None:
    ended, stored = _change_while_reading(tmp_path, lambda source: os.truncate(source, 1_500_000))

    assert ended.code == 6, ended.err
    assert "had 4,675,870 when the run began" in ended.err
    assert "something may be missing" in ended.err
    assert_balanced(ended.summary)
    assert stored == ended.summary["imported"] < 40_000


@posix
def test_a_source_that_is_replaced_while_it_is_read_is_read_to_its_end_and_told(tmp_path: Path) -> None:
    other = write_ndjson(tmp_path / "other.ndjson", [good_event(n) for n in range(90_000, 90_010)])
    ended, stored = _change_while_reading(tmp_path, other.replace, events=20_000)

    assert ended.code == 0, ended.err
    assert "e.ndjson: was replaced by another file" in ended.err
    assert stored == 20_000


def test_what_is_appended_while_a_source_is_read_is_read_too(tmp_path: Path) -> None:
    def append(source: Path) -> None:
        with source.open("ab") as file:
            file.write(ndjson([good_event(n) for n in range(20_000, 20_100)]))

    ended, stored = _change_while_reading(tmp_path, append, events=20_000)

    assert ended.code == 0, ended.err
    assert stored == 20_100


@pytest.mark.parametrize("change", ["cut", "gone", "smaller"])
def test_a_source_that_changes_before_its_turn_is_told(tmp_path: Path, change: str) -> None:
    second = write_ndjson(tmp_path / "second.ndjson", [good_event(n) for n in range(50_000, 50_100)])
    sources = [tmp_path / "e.ndjson", second]

    def alter(_: Path) -> None:
        if change == "cut":
            os.truncate(second, 1000)
        else:
            second.unlink()
        if change == "smaller":
            write_ndjson(second, [good_event(50_000)])

    write_ndjson(sources[0], [good_event(n) for n in range(8000)])
    with Sandbox(SandboxConfig(latency_s=0.2)) as sandbox:
        process = start(
            *sources, "--url", sandbox.url, "--workers", "1", "--batch-size", "1000", "--json", cwd=tmp_path
        )
        while not sandbox.stats()["requests"]:
            time.sleep(0.01)
        alter(second)
        ended = finish(process)

    assert ended.code == 6, ended.err
    assert ("was there when the run began, and is gone" if change == "gone" else "had 1") in ended.err
    assert "second.ndjson" in ended.err
    assert_balanced(ended.summary)
    assert ended.summary["imported"] >= 8000


# Names.

ODD_NAMES = [
    b"line\nbreak.ndjson",
    b"red\x1b[31m\x1b]0;title\x07.ndjson",
    pytest.param(
        b"raw\xff\xfe.ndjson",
        marks=pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes no file names that are not UTF-8"),
    ),
    b" .ndjson",
    "e\u202e\u0301.ndjson".encode(),
]


@posix
@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_shown_clean_and_has_its_rejects_beside_it(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/" + name))
    write_ndjson(path, [good_event(1), {"event": ""}])
    ended = mpimport(os.fsdecode(name), "--sandbox", "--json", "-v", cwd=tmp_path)

    assert ended.code == 1, ended.err
    assert all(c.isprintable() or c == "\n" for c in ended.err + ended.out), ended.err
    rejected = Path(f"{path}.rejected.ndjson")
    line = rejected.read_bytes().splitlines()[0]
    assert json.loads(line.decode())["source"].endswith(".ndjson")
    assert ended.summary["rejected_file"] == os.fsdecode(name) + ".rejected.ndjson"
    assert unwrap(line) == b'{"event": ""}'

    again = mpimport(rejected, "--sandbox", "--json", cwd=tmp_path)
    assert (again.code, again.summary["read"]) == (1, 1)


@posix
def test_a_name_that_the_shell_made_an_option_of_is_shown_clean(tmp_path: Path) -> None:
    ended = mpimport("--\x1b[2Jgone.ndjson", cwd=tmp_path)

    assert ended.code == 2
    assert "\\x1b[2Jgone" in ended.err
    assert "\x1b" not in ended.err


@posix
@pytest.mark.parametrize("option", ["--checkpoint", "--rejected", "--report"])
def test_a_name_that_is_too_long_is_told_before_anything_is_sent(tmp_path: Path, option: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--sandbox", option, f"{'x' * 300}.html", cwd=tmp_path)

    assert ended.code == 2
    assert f"xxx.html: File name too long; name another file with {option}" in ended.err


@posix
def test_a_source_whose_name_leaves_no_room_for_that_of_its_rejects_is_told(tmp_path: Path) -> None:
    name = f"{'x' * 245}.ndjson"
    write_ndjson(tmp_path / name, [good_event(1)])

    assert "name another file with --rejected" in mpimport(name, "--sandbox", cwd=tmp_path).err
    assert mpimport(name, "--sandbox", "--rejected", "r", cwd=tmp_path).code == 0


# Other people.


def test_all_files_with_data_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    with ScriptedServer([Answer(500)] * 100) as server:
        mpimport(
            "-", "--format", "ndjson", "--url", server.url, *QUICK_BACKOFF, "--give-up-after", "0.05", cwd=tmp_path,
            stdin=ndjson([good_event(1), {"event": ""}]),
        )  # fmt: skip
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    mpimport("e.ndjson", "--dry-run", "--audit", "audit.json", cwd=tmp_path)

    made = {path for path in tmp_path.iterdir() if path.name != "e.ndjson"}
    assert {path.name for path in made} == {
        "stdin.rejected.ndjson", "stdin.rejected.ndjson.undelivered.ndjson", "audit.json"
    }  # fmt: skip
    if os.name == "posix":
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@as_root
@pytest.mark.parametrize("as_link", [True, False])
@pytest.mark.parametrize("written", ["e.ndjson.rejected.ndjson", "audit.json"])
def test_a_file_that_somebody_else_laid_out_is_not_written_to(tmp_path: Path, written: str, *, as_link: bool) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    # as audits begin: others are refused before
    mine, theirs = b'{"events": 1, "event_names": 1}', b'{"events": 2, "event_names": 2}'
    precious = tmp_path / "precious"
    precious.write_bytes(mine)
    bait = tmp_path / written
    if as_link:
        bait.symlink_to(precious)
    else:
        bait.write_bytes(theirs)
        bait.chmod(0o666)
    os.chown(bait, STRANGER, STRANGER, follow_symlinks=False)
    ended = mpimport("e.ndjson", "--dry-run", "--audit", "audit.json", cwd=tmp_path)

    assert ended.code == (2 if "rejected" in written else 5), ended.err
    assert f"another user (number {STRANGER})" in ended.err
    assert precious.read_bytes() == mine
    assert bait.read_bytes() == (mine if as_link else theirs)


@posix
def test_links_of_ones_own_and_devices_are_followed(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    there = tmp_path / "elsewhere"
    there.mkdir()
    link = tmp_path / "e.ndjson.rejected.ndjson"
    link.symlink_to(there / "r.ndjson")
    for _ in range(2):
        assert mpimport("e.ndjson", "--sandbox", cwd=tmp_path).code == 1
    assert mpimport("e.ndjson", "--sandbox", "--rejected", "/dev/null", cwd=tmp_path).code == 1

    assert link.is_symlink()
    assert len(_whole_lines(there / "r.ndjson")) == 2


@as_root
def test_the_owner_of_a_folder_may_lay_out_files_in_it(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [{"event": ""}])
    rejected = tmp_path / "e.ndjson.rejected.ndjson"
    rejected.touch()
    for path in (tmp_path, rejected):
        os.chown(path, STRANGER, STRANGER)

    assert mpimport("e.ndjson", "--sandbox", cwd=tmp_path).code == 1
    assert len(_whole_lines(rejected)) == 1


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="only Linux shows the limits of a process")
def test_no_core_file_can_hold_secrets(tmp_path: Path) -> None:
    process = start("-", "--sandbox", cwd=tmp_path, stdin=subprocess.PIPE)
    limits = ""
    end = time.monotonic() + 20
    while "Max core file size        0 " not in limits and time.monotonic() < end:
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        time.sleep(0.05)
    assert finish(process).code == 0
    assert "Max core file size        0 " in limits


@posix
def test_a_fifo_whose_writer_is_gone_in_the_middle_of_a_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = ndjson([good_event(1), good_event(2)])[:-30]
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(text))
    writer.start()
    ended = mpimport("pipe", "--sandbox", "--json", cwd=tmp_path)
    writer.join()

    assert ended.code == 1, ended.err
    assert (ended.summary["imported"], ended.summary["rejected"]) == (1, 1)
    assert json.loads((tmp_path / "pipe.rejected.ndjson").read_bytes())["raw"] == text.splitlines()[1].strip().decode()
