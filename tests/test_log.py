"""What a run leaves in a log, where nobody watches: each line whole, each cause once, one error for a failed end."""

from __future__ import annotations

import gzip
import io
import json
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from running import QUICK_BACKOFF, Ended, finish, good_event, mpimport, ndjson, start, write_ndjson

from mpimport.causes import Causes
from mpimport.ending import told_without_summary
from mpimport.errors import CannotWrite, GaveUp, Told
from mpimport.report import Lines
from mpimport.sandbox import Sandbox, SandboxConfig
from mpimport.trouble import QUIET_S, Trouble

ENDS = {
    "success": (0, ["good.ndjson", "--sandbox"], "imported both events into"),
    "empty": (0, ["empty.ndjson", "--sandbox"], "no event was read to import into"),
    "in vain": (1, ["vain.ndjson", "--sandbox"], "imported NONE of 3 events into"),
    "rejects": (1, ["bad.ndjson", "--sandbox"], "imported 1 of 8 events into"),
    "dry run": (1, ["bad.ndjson", "--dry-run"], "dry run: 1 of 8 events would be imported into"),
    "header": (2, ["semicolons.csv", "--sandbox"], "the header row has no commas, but semicolons: --delimiter ';'"),
    "path": (2, ["document.json", "--sandbox", "--json-path", "x.item"], "nothing is at --json-path x.item"),
    "encoding": (2, ["latin.csv", "--sandbox"], "the header row is not UTF-8"),
    "folder": (2, [".", "--sandbox"], "is a directory"),
    "missing": (2, ["gone.ndjson", "--sandbox"], "no such file"),
    "options": (2, ["good.ndjson", "--sandbox", "--workers", "0", "--batch-size", "0"], "--workers 0: 1 to 64"),
    "misspelt": (2, ["good.ndjson", "--sandbocks"], "No such option"),
    "max rejected": (3, ["bad.ndjson", "--sandbox", "--max-rejected", "2"], "7 events rejected, more than"),
    "refused": (4, ["good.ndjson", "--url", "REFUSES"], "the server refused the service account"),
    "gave up": (5, ["good.ndjson", "--url", "FAILS", "--give-up-after", "0.1"], "a batch kept failing"),
    "cut": (6, ["cut.ndjson.gz", "--sandbox"], "the gzip data ends in the middle"),
    "blank": (6, ["blank.ndjson", "--sandbox"], "no event was found in 2 bytes"),
}
BEFORE_READING = ("folder", "missing", "options", "misspelt")
NOTHING_READ = ("header", "path", "encoding", "cut", "blank")


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """Give the addresses of servers that take nothing."""
    refuses = SandboxConfig(secret="another", username="x", project_id="1")
    with Sandbox(refuses) as one, Sandbox(SandboxConfig(faults=(("503", 1.0),))) as other:
        yield {"REFUSES": one.url, "FAILS": other.url}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with files of all kinds."""
    good = [good_event(1), good_event(2)]
    write_ndjson(tmp_path / "good.ndjson", good)
    names = [{**good_event(number), "event": ""} for number in range(3)]
    times = [good_event(number, time=5) for number in range(3, 6)]
    write_ndjson(tmp_path / "vain.ndjson", names)
    write_ndjson(tmp_path / "bad.ndjson", [*names, *times, good_event(7, time="\x1b[31mred"), good_event(8)])
    (tmp_path / "empty.ndjson").touch()
    (tmp_path / "blank.ndjson").write_bytes(b"\n\n")
    (tmp_path / "semicolons.csv").write_bytes(b"event;time;distinct_id\nx;1718000000;u\n")
    (tmp_path / "latin.csv").write_bytes(b"event,time,distinct_id,stra\xdfe\nx,1718000000,u,\xe4\n")
    (tmp_path / "document.json").write_text(json.dumps({"data": good}))
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(ndjson(good))[:40])
    return tmp_path


def ran(folder: Path, urls: dict[str, str], arguments: list[str], *more: str) -> Ended:
    """Run the command with addresses in the place of their names, and see that no line holds a control character."""
    ended = mpimport(*(urls.get(one, one) for one in arguments), *QUICK_BACKOFF, *more, cwd=folder)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", ended.err)
    return ended


@pytest.mark.parametrize("more", [("-v",), ("-q", "--json")])
@pytest.mark.parametrize("end", ENDS)
def test_as_json_the_last_line_tells_the_end_and_is_the_only_error(
    end: str, more: tuple[str, ...], folder: Path, urls: dict[str, str]
) -> None:
    code, arguments, words = ENDS[end]
    ended = ran(folder, urls, arguments, "--log-format", "json", *more)
    lines = [json.loads(line) for line in ended.err.splitlines()]

    assert ended.code == code, ended.err
    assert all(datetime.fromisoformat(line["ts"]).tzinfo for line in lines)
    if "-q" in more and code == 0:
        assert lines == []
        return
    last = lines[-1]
    failed = code > 1 or end == "in vain"
    assert [line for line in lines if line["level"] == "error"] == [last] * failed
    assert last["level"] == ("error" if failed else {0: "info", 1: "warning"}[code])
    assert words in last["message"]
    assert last["exit_code"] == code
    assert [line for line in lines if "exit_code" in line] == [last]
    assert sum(words in line["message"] for line in lines) == 1
    assert ("summary" in last) == (end not in BEFORE_READING) == ("problems" not in last)
    if "summary" in last and "--json" in more:
        assert last["summary"] == ended.summary


@pytest.mark.parametrize("more", [(), ("-q",)])
@pytest.mark.parametrize("end", ENDS)
def test_as_text_a_cause_is_told_once(end: str, more: tuple[str, ...], folder: Path, urls: dict[str, str]) -> None:
    code, arguments, words = ENDS[end]
    ended = ran(folder, urls, arguments, *more)

    assert ended.code == code, ended.err
    assert ended.err.count(words) == (code != 0 or "-q" not in more)
    if end in NOTHING_READ:
        cause, told, *steps = ended.err.splitlines()
        assert steps == ["next: when the input is whole and right, run the same command again"] * (code == 6)
        moment, stopped, _ = cause.split(" ", 2)
        assert datetime.fromisoformat(moment).tzinfo is not None
        assert stopped == "STOPPED:"
        assert told == "No event was read, and nothing was sent."
    elif end in BEFORE_READING:
        *problems, told = ended.err.splitlines()
        for problem in problems:
            moment, program, _ = problem.split(" ", 2)
            assert datetime.fromisoformat(moment).tzinfo is not None
            assert program == "mpimport:"
        assert told == "Nothing was sent."


def test_a_line_shows_an_example_of_each_reject(folder: Path, urls: dict[str, str]) -> None:
    ended = ran(folder, urls, ["bad.ndjson", "--sandbox"], "--log-format", "json")
    last = json.loads(ended.err.splitlines()[-1])

    examples = last["reject_examples"]
    assert [(one["code"], one["count"], one["source"], one["line"]) for one in examples] == [
        ("event_empty", 3, "bad.ndjson", 1),
        ("time_too_old", 3, "bad.ndjson", 4),
        ("time_unreadable", 1, "bad.ndjson", 7),
    ]
    told = mpimport("bad.ndjson", "--sandbox", "--rejected", "r", cwd=folder).err
    for one in examples:
        assert f"{one['count']:,} {one['code']}: {one['source']}:{one['line']}: {one['message']}" in told
    assert last["next_steps"] == ["mend the events in bad.ndjson.rejected.ndjson, then import that file"]


def test_of_two_sources_that_break_both_are_told(folder: Path, urls: dict[str, str]) -> None:
    (folder / "other.ndjson.gz").write_bytes(gzip.compress(ndjson([good_event(3)]))[:50])
    arguments = ["cut.ndjson.gz", "good.ndjson", "other.ndjson.gz", "--sandbox"]
    ended = ran(folder, urls, arguments, "--log-format", "json", "--json")
    first, last = map(json.loads, ended.err.splitlines())

    assert (first["level"], last["level"]) == ("warning", "error")
    assert first["message"].startswith("cut.ndjson.gz: the gzip data ends in the middle")
    assert ended.summary["stopped"] == first["message"]
    assert ended.summary["notes"][0].startswith("other.ndjson.gz: the gzip data ends in the middle")


@pytest.mark.parametrize("as_json", [True, False])
def test_batches_that_are_given_up_for_one_reason_are_told_once(
    folder: Path, urls: dict[str, str], *, as_json: bool
) -> None:
    write_ndjson(folder / "many.ndjson", [good_event(number) for number in range(40)])
    arguments = ["many.ndjson", "--url", "FAILS", "--give-up-after", "0.1", "--batch-size", "1", "--workers", "8"]
    ended = ran(folder, urls, arguments, *(("--log-format", "json") if as_json else ()))

    assert ended.code == 5
    assert ended.err.count("the server answers 503") <= 5
    assert ended.err.count("gave up on a batch") == 0  # the summary says that it is all of them
    assert ended.err.count('"level": "error"') == as_json


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk")
@pytest.mark.parametrize("as_json", [True, False])
def test_a_summary_that_cannot_be_printed_is_one_error(folder: Path, *, as_json: bool) -> None:
    import subprocess

    from running import command, environment

    more = ("--log-format", "json") if as_json else ()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("good.ndjson", "--sandbox", "--json", *more),
            cwd=folder,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    lines = done.stderr.decode().splitlines()

    assert done.returncode == 5
    assert sum("--json: the summary cannot be written" in line for line in lines) == 1
    if as_json:
        (line,) = map(json.loads, lines)
        assert (line["level"], line["exit_code"], line["summary"]["exit_code"]) == ("error", 5, 5)
        assert line["message"].startswith("imported both events into")


def test_batches_that_are_given_up_while_others_arrive_are_told_once_in_a_while() -> None:
    out, trouble = io.StringIO(), Trouble()
    for now in (0.0, 0.1, QUIET_S - 0.1):
        trouble.gave_up("kept failing: it answers 503", now, Lines(out))
        assert out.getvalue().count("warning: gave up on a batch: it kept failing: it answers 503\n") == 1
    trouble.gave_up("kept failing: it answers 500", 1.0, Lines(out))
    trouble.gave_up("kept failing: it answers 503", QUIET_S, Lines(out))

    assert [line.split()[-1] for line in out.getvalue().splitlines()] == ["503", "500", "503"]


def test_a_limit_that_is_guessed_is_told_once_and_as_a_guess() -> None:
    out, trouble = io.StringIO(), Trouble()
    for size in (2_800, 1_400):
        trouble.too_large(size, Lines(out), guessed=True)
    trouble.too_large(1_300, Lines(out), guessed=False)

    guess, named = out.getvalue().splitlines()
    assert "names no limit; 2,800 bytes a request are tried" in guess
    assert "the server takes 1,300 bytes a request" in named


def test_an_interrupted_run_is_one_error_as_json_too(folder: Path, urls: dict[str, str]) -> None:
    process = start("good.ndjson", "--url", urls["FAILS"], "--log-format", "json", cwd=folder)
    try:
        assert process.stderr is not None
        waits = process.stderr.readline()  # the run has begun to wait: 2 s or more until it tries again
        process.send_signal(signal.SIGINT)
        ended = finish(process)
    finally:
        process.kill()
    lines = [json.loads(line) for line in ended.err.splitlines()]

    assert json.loads(waits)["level"] == "warning"
    assert [line["level"] for line in lines] == ["warning", "error"]
    assert (ended.code, lines[-1]["exit_code"]) == (130, 130)
    assert lines[-1]["message"] == "STOPPED: interrupted"
    assert lines[-1]["next_steps"][0].startswith("run the same command again")


def test_an_interrupt_before_the_run_is_a_line_of_json_too() -> None:
    out = io.StringIO()
    with pytest.raises(Told) as told, told_without_summary(out, metrics=None, as_json=True):
        raise KeyboardInterrupt
    line = json.loads(out.getvalue())

    assert told.value.exit_code == 130
    assert (line["level"], line["exit_code"]) == ("error", 130)
    assert line["message"] == "interrupted; run the same command again"


def test_a_cause_that_the_summary_does_not_name_is_told_beside_it() -> None:
    out = io.StringIO()
    causes = Causes(Lines(out))
    for error in (GaveUp("a batch kept failing"), CannotWrite("r: no space"), CannotWrite("r: no space")):
        causes.hold(error)
    assert out.getvalue() == ""

    assert str(causes.worst) == "r: no space"
    assert list(causes.beside("r: no space")) == ["a batch kept failing"]
    assert list(causes.beside("interrupted")) == ["a batch kept failing", "r: no space"]
    causes.tell()
    assert [line.split(" ", 1)[1] for line in out.getvalue().splitlines()] == [
        "warning: a batch kept failing",
        "warning: r: no space",
    ]


def test_a_batch_that_holds_nothing_to_send_is_not_told(folder: Path) -> None:
    write_ndjson(folder / "one.ndjson", [good_event(1)])
    write_ndjson(folder / "none.ndjson", [good_event(1, time=5)])
    one, none = (ran(folder, {}, [name, "--sandbox", "-v"]).err for name in ("one.ndjson", "none.ndjson"))

    assert "batch 0: 1 event, 1 imported, 0 refused, 0 undelivered, 1 request\n" in one
    assert "batch 0" not in none
