"""The command as a process against real servers on loopback: what a user sees, and that the account balances."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import gzip
import json
import os
import signal
import stat
import subprocess
import termios
import threading
import time
from array import array
from pathlib import Path
from typing import IO, Any

import pytest
from running import (
    CREDENTIALS,
    QUICK_BACKOFF,
    assert_balanced,
    command,
    environment,
    finish,
    good_event,
    mpimport,
    ndjson,
    start,
    write_ndjson,
)
from scripted_server import Answer, Received, ScriptedServer

from mpimport.sandbox import Sandbox, SandboxConfig


def test_a_file_goes_in_and_everything_arrives(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "events.ndjson", [good_event(n) for n in range(5000)])
    with Sandbox(SandboxConfig(username="importer", secret=CREDENTIALS["MP_SECRET"], project_id="12345")) as sandbox:
        ended = mpimport("events.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        stats, events = sandbox.stats(), sandbox.events()

    assert ended.code == 0, ended.err
    assert (ended.summary["read"], ended.summary["imported"]) == (5000, 5000)
    assert {event["properties"]["$insert_id"] for event in events} == {f"id-{n:08}" for n in range(5000)}
    assert stats["truncated_strings"] == stats["geolocated"] == stats["duplicate_keys"] == 0
    assert "imported all 5,000 events into project 12345" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["events.ndjson"]


def test_every_reject_has_its_line_and_reason_and_the_mended_file_imports(tmp_path: Path) -> None:
    lines = [json.dumps(good_event(n)).encode() for n in range(10)]
    lines[3] = lines[3].replace(b"1718000000003", b"5")
    lines[6] = b"{broken"
    (tmp_path / "events.ndjson").write_bytes(b"\n".join(lines) + b"\n")

    ended = mpimport("events.ndjson", "--sandbox", "--json", cwd=tmp_path)
    rejected = tmp_path / "events.ndjson.rejected.ndjson"
    envelopes = [json.loads(line) for line in rejected.read_bytes().splitlines()]

    assert ended.code == 1
    assert_balanced(ended.summary)
    assert ended.summary["reasons"] == {"time_too_old": 1, "not_json": 1}
    assert ended.summary["rejected_file"] == "events.ndjson.rejected.ndjson"
    assert [(e["source"], e["line"], e["by"]) for e in envelopes] == [
        ("events.ndjson", 4, "client"),
        ("events.ndjson", 7, "client"),
    ]
    assert envelopes[0]["event"]["properties"]["time"] == 5
    assert envelopes[1]["raw"] == "{broken"
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600

    envelopes[0]["event"]["properties"]["time"] = 1_718_000_000
    envelopes[1]["raw"] = json.dumps(good_event(6))
    write_ndjson(rejected, envelopes)
    again = mpimport(rejected.name, "--sandbox", "--json", cwd=tmp_path)

    assert again.code == 0, again.err
    assert again.summary["imported"] == 2


def test_what_the_server_refuses_is_rejected_with_its_words(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(4)])
    document = {
        "code": 400,
        "error": "some data points in the request failed validation",
        "failed_records": [{"index": 2, "insert_id": "x", "field": "properties.plan", "message": "no such plan"}],
        "num_records_imported": 3,
        "status": "Bad Request",
    }
    with ScriptedServer([Answer(400, json.dumps(document).encode())]) as server:
        ended = mpimport("e.ndjson", "--url", server.url, "--json", cwd=tmp_path)

    envelope = json.loads((tmp_path / "e.ndjson.rejected.ndjson").read_bytes())
    assert ended.code == 1
    assert (ended.summary["imported"], ended.summary["rejected"], ended.summary["requests"]) == (3, 1, 1)
    assert (envelope["by"], envelope["line"]) == ("server", 3)
    assert envelope["reasons"][0]["message"].endswith("no such plan")
    assert envelope["event"]["properties"]["$insert_id"] == "id-00000002"


def test_a_server_that_answers_only_500_gives_exit_5_and_loses_nothing(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(3000)])
    with Sandbox(SandboxConfig(faults=(("500", 1.0),))) as sandbox:
        ended = mpimport(
            "e.ndjson", "--url", sandbox.url, "--json", "--give-up-after", "0.3", *QUICK_BACKOFF, cwd=tmp_path
        )

    assert ended.code == 5, ended.err
    assert ended.summary["undelivered"] == ended.summary["read"] == 3000
    assert ended.summary["imported"] == 0
    assert ended.summary["retries"] > 0
    assert "run the same command again" in ended.err


def test_undelivered_events_of_standard_input_are_saved_whole(tmp_path: Path) -> None:
    events = [good_event(n) for n in range(5000)]
    with Sandbox(SandboxConfig(faults=(("503", 1.0),))) as sandbox:
        ended = mpimport(
            "-", "--batch-size", "100", "--workers", "2", "--url", sandbox.url, "--json", "--give-up-after", "0.2",
            *QUICK_BACKOFF, cwd=tmp_path, stdin=ndjson(events),
        )  # fmt: skip
    saved = tmp_path / "stdin.rejected.ndjson.undelivered.ndjson"

    assert ended.code == 5, ended.err
    assert ended.summary["read"] == ended.summary["undelivered"] == 5000
    assert ended.summary["undelivered_files"] == [saved.name]
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600

    again = mpimport(saved.name, "--sandbox", "--json", cwd=tmp_path)

    assert again.code == 0, again.err
    assert again.summary["imported"] == 5000


def test_wrong_credentials_stop_at_once(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(100_000)])
    with Sandbox(SandboxConfig(username="importer", secret="another")) as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        requests = sandbox.stats()["requests"]

    assert ended.code == 4
    assert 1 <= requests <= 16
    assert_balanced(ended.summary)
    assert ended.summary["imported"] == 0
    assert "credentials" in ended.err
    assert CREDENTIALS["MP_SECRET"] not in ended.err + ended.out


def test_faults_at_a_fifth_of_the_requests_lose_and_double_nothing(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(20_000)])
    faults = (("429", 0.03), ("500", 0.03), ("503", 0.04), ("reset", 0.03), ("reset-after", 0.03), ("cut", 0.04))
    with Sandbox(SandboxConfig(faults=faults, seed=7)) as sandbox:
        ended = mpimport(
            "e.ndjson", "--batch-size", "100", "--url", sandbox.url, "--json", *QUICK_BACKOFF, cwd=tmp_path
        )
        stats = sandbox.stats()

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == stats["stored"] == 20_000
    assert ended.summary["retries"] > 0


def test_mixed_sources_and_formats_in_one_run(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "a.ndjson", [good_event(n) for n in range(10)])
    (tmp_path / "b.json").write_text(json.dumps([good_event(n) for n in range(10, 20)], indent=2))
    (tmp_path / "c.json").write_text(json.dumps({"meta": {"n": 1}, "rows": [good_event(n) for n in range(20, 30)]}))
    rows = "\n".join(f"Paid,{1_718_000_000 + n},user-{n},1.50" for n in range(10))
    (tmp_path / "d.csv").write_text(f"event,time,distinct_id,amount\n{rows}\n")
    (tmp_path / "e.log").write_bytes(gzip.compress(ndjson([good_event(n) for n in range(30, 40)])))

    ended = mpimport("*.ndjson", "b.json", "c.json", "d.csv", "e.log", "-", "--sandbox", "--json", cwd=tmp_path,
                     stdin=ndjson([good_event(n) for n in range(40, 50)]))  # fmt: skip

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == 60
    assert "held 60 different events" in ended.err


def test_a_413_halves_the_batch_and_is_learnt(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n, text="x" * 200) for n in range(4000)])
    with Sandbox(SandboxConfig(max_request_bytes=100_000)) as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", "--workers", "1", cwd=tmp_path)
        stats = sandbox.stats()

    assert ended.code == 0, ended.err
    assert stats["stored"] == ended.summary["imported"] == 4000
    assert stats["by_status"]["413"] <= 3
    assert "takes 100,000 bytes a request" in ended.err


def test_a_dry_run_sends_nothing_and_needs_no_credentials(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), good_event(2), {"event": ""}])

    ended = mpimport("e.ndjson", "--dry-run", "--json", cwd=tmp_path, env={})

    assert ended.code == 1
    assert (ended.summary["valid"], ended.summary["rejected"], ended.summary["imported"]) == (2, 1, 0)
    assert ended.summary["requests"] == 0
    assert ended.summary["dry_run"] is True
    assert_balanced(ended.summary)


@pytest.mark.parametrize(("limit", "code"), [("0", 3), ("9", 3), ("10", 1), ("9.9%", 3), ("10%", 1)])
def test_too_many_rejects_stop_the_run(tmp_path: Path, limit: str, code: int) -> None:
    events: list[Any] = [good_event(n) for n in range(90)] + [{"event": "no time"}] * 10
    write_ndjson(tmp_path / "e.ndjson", events)

    ended = mpimport("e.ndjson", "--sandbox", "--json", "--max-rejected", limit, cwd=tmp_path)

    assert ended.code == code, ended.err
    assert_balanced(ended.summary)


def test_all_missing_sources_are_named_before_anything_is_sent(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "there.ndjson", [good_event(1)])
    with ScriptedServer() as server:
        ended = mpimport("there.ndjson", "gone.ndjson", "*.nothing", tmp_path, "--url", server.url, cwd=tmp_path)

    assert ended.code == 2
    assert server.requests == []
    for name in ("gone.ndjson", "*.nothing", str(tmp_path)):
        assert name in ended.err
    assert "Nothing was sent" in ended.err


def test_a_truncated_gzip_imports_what_came_before_and_exits_6(tmp_path: Path) -> None:
    whole = gzip.compress(ndjson([good_event(n) for n in range(20_000)]))
    (tmp_path / "e.ndjson.gz").write_bytes(whole[: len(whole) // 2])

    ended = mpimport("e.ndjson.gz", "--sandbox", "--json", cwd=tmp_path)

    assert ended.code == 6, ended.err
    assert 5000 < ended.summary["imported"] < 20_000
    assert_balanced(ended.summary)
    assert "e.ndjson.gz" in ended.err


@pytest.mark.parametrize("content", [b"\n\n\n", b"[]", b"time,event,distinct_id\n"])
def test_input_without_an_event_is_no_success(tmp_path: Path, content: bytes) -> None:
    name = {b"[": "e.json", b"t": "e.csv"}.get(content[:1], "e.ndjson")
    (tmp_path / name).write_bytes(content)

    ended = mpimport(name, "--sandbox", cwd=tmp_path)

    assert ended.code == 6
    assert "no event was found" in ended.err


@pytest.mark.parametrize("name", ["e.ndjson", "e.ndjson.gz", "e.csv.gz", "e.json.gz"])
def test_an_empty_file_is_nothing_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")

    ended = mpimport(name, "--sandbox", "--json", cwd=tmp_path)

    assert ended.code == 0
    assert ended.summary["read"] == 0
    assert "empty, no event is in there" in ended.err


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("e.csv.gz", b"event,time,distinct_id\n"),
        ("e.json", b"[]"),
        ("e.json", b'{"events":[]}'),
        ("e.json", b'{"status":"ok","total":0,"data":{"events":[]}}\n'),
        ("e.json", b'{"results":[],"next":null}'),
    ],
)
def test_an_input_without_an_event_is_no_success(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    ended = mpimport(name, "--sandbox", "--json", cwd=tmp_path)

    assert ended.code == 6
    assert ended.summary["read"] == 0
    assert "no event was found" in ended.err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", signal.SIGINT), 129)]
)
def test_a_signal_lets_what_is_under_way_finish(tmp_path: Path, number: signal.Signals, code: int) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(30_000)])
    with Sandbox(SandboxConfig(latency_s=0.1)) as sandbox:
        process = start(
            "e.ndjson", "--batch-size", "100", "--workers", "2", "--url", sandbox.url, "--json", cwd=tmp_path
        )
        _wait_for(lambda: sandbox.stats()["stored"] > 300)
        process.send_signal(number)
        ended = finish(process)
        stored = sandbox.stats()["stored"]

    assert ended.code == code, ended.err
    assert_balanced(ended.summary)
    assert ended.summary["imported"] == stored
    assert 300 < stored < 30_000
    assert ended.summary["undelivered"] > 0


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(1000)])
    with ScriptedServer([Answer(500), *[Answer(delay_s=30)] * 10]) as server:
        process = start("e.ndjson", "--url", server.url, "--json", *QUICK_BACKOFF, cwd=tmp_path)
        _wait_for(lambda: len(server.requests) == 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        ended = finish(process, timeout_s=10)

    assert ended.code == 130
    assert ended.summary["undelivered"] == 1000
    assert (ended.summary["requests"], ended.summary["retries"]) == (2, 1)


def test_a_signal_ends_the_wait_for_a_silent_pipe(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        process = start("-", "--url", sandbox.url, "--json", "--format", "ndjson", cwd=tmp_path, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(ndjson([good_event(1)]))
        process.stdin.flush()
        wait_until_taken(process.stdin)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        ended = finish(process)

    assert_balanced(ended.summary)


def test_a_signal_ends_a_long_backoff(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    with Sandbox(SandboxConfig(faults=(("503", 1.0),))) as sandbox:
        process = start("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        _wait_for(lambda: sandbox.stats()["requests"] > 0)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        ended = finish(process, timeout_s=10)

    assert ended.code == 130
    assert ended.summary["undelivered"] == 1


def test_no_secret_is_in_the_process_list_the_logs_or_a_file(tmp_path: Path) -> None:
    secret = CREDENTIALS["MP_SECRET"]
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    (tmp_path / "elsewhere").mkdir()
    secret_file = tmp_path / "elsewhere" / "secret"
    secret_file.write_text(secret + "\n")
    with ScriptedServer([Answer(503), Answer(500), Answer(400, b'{"error":"no"}', delay_s=0.5)]) as server:
        process = subprocess.Popen(
            command("e.ndjson", "-v", "--secret-file", secret_file, "--url", server.url, *QUICK_BACKOFF),
            cwd=tmp_path, env=environment({"MP_PROJECT_ID": "1", "MP_USERNAME": "me"}),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        _wait_for(lambda: len(server.requests) >= 2)
        arguments = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(process.pid)], capture_output=True, check=False
        )
        ended = finish(process)

    assert ended.code == 1, ended.err
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    for place in (arguments.stdout, ended.err.encode(), ended.out.encode(), written):
        assert secret.encode() not in place
        assert b"Basic " not in place


def test_output_to_a_file_has_no_control_characters(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [{"event": "\x1b[31mred\x07", "properties": {"time": "\x1b[2J"}}])

    ended = mpimport("e.ndjson", "--sandbox", cwd=tmp_path)

    assert ended.code == 1
    assert not [c for c in ended.err if not c.isprintable() and c != "\n"]


def test_quiet_is_silent_on_success_and_loud_on_trouble(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "good.ndjson", [good_event(1)])
    write_ndjson(tmp_path / "bad.ndjson", [{"event": ""}])

    good = mpimport("good.ndjson", "--sandbox", "-q", cwd=tmp_path)
    bad = mpimport("bad.ndjson", "--sandbox", "-q", cwd=tmp_path)

    assert (good.code, good.err, good.out) == (0, "", "")
    assert bad.code == 1
    assert "event_empty" in bad.err


def test_peak_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    few = write_ndjson(tmp_path / "few.ndjson", [good_event(n, text="x" * 300) for n in range(6000)])
    with (tmp_path / "many.ndjson").open("wb") as many:
        for _ in range(6):
            many.write(few.read_bytes())
    with Sandbox() as sandbox:
        peaks = [_peak_kib(tmp_path, name, sandbox.url) for name in ("few.ndjson", "many.ndjson")]

    assert peaks[1] < peaks[0] * 1.15


def _peak_kib(cwd: Path, name: str, url: str) -> int:
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    arguments = command(name, "--url", url, "--workers", "2", "--batch-size", "500", "-q")
    done = subprocess.run(
        [arguments[0], "-c", script, *arguments], cwd=cwd, env=environment(), capture_output=True, check=True
    )
    code, peak = map(int, done.stdout.split())
    assert code == 0, done.stderr
    return peak


def _wait_for(condition: Any, timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "what the test waits for did not come"
        time.sleep(0.02)


def test_a_fifo_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    events = ndjson([good_event(n) for n in range(100)])
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(events))
    writer.start()

    ended = mpimport("pipe", "--sandbox", "--json", cwd=tmp_path)
    writer.join()

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == 100


def test_nobody_reads_standard_output(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = start("e.ndjson", "--dry-run", "--json", cwd=tmp_path, stdout=write_end)
    os.close(write_end)

    _, said = process.communicate(timeout=30)

    assert process.returncode == 5, said
    assert b"--json: the summary cannot be written to standard output" in said
    assert b"Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_summary_for_a_program_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    with Path("/dev/full").open("wb") as full:
        process = start("e.ndjson", "--sandbox", "--json", "-q", cwd=tmp_path, stdout=full.fileno())
        _, said = process.communicate(timeout=30)

    assert process.returncode == 5
    assert b"--json: the summary cannot be written to standard output" in said


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("stdin.rejected.ndjson", ()),
        ("stdin.rejected.ndjson.undelivered.ndjson", ()),
        ("s.json", ("--report", "s.json", "--rejected", "r.ndjson")),
    ],
)
def test_standard_input_from_a_file_that_is_written_to_is_refused(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    before = write_ndjson(tmp_path / name, [good_event(1), {"event": ""}]).read_bytes()
    with (tmp_path / name).open("rb") as source:
        process = start("-", "--sandbox", *options, cwd=tmp_path, stdin=source.fileno())
        _, said = process.communicate(timeout=30)

    assert process.returncode == 2
    assert f"{name}: is standard input, and would be written to; name the file instead" in said.decode()
    assert (tmp_path / name).read_bytes() == before


def test_what_was_not_read_of_standard_input_is_told(tmp_path: Path) -> None:
    events = ndjson([good_event(n) for n in range(40_000)])
    with Sandbox(SandboxConfig(faults=(("401", 1.0),))) as sandbox:
        ended = mpimport("-", "--url", sandbox.url, "--json", cwd=tmp_path, stdin=events)

    assert ended.code == 4
    assert ended.summary["read"] < 40_000
    assert f"note: stdin: reading stopped after record {ended.summary['read']:,}; what follows is saved" in ended.err
    assert "next: send the whole input again" in ended.err
    assert "next: import" not in ended.err


def test_without_strict_a_silent_drop_is_found_and_told(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n, plan="bad" if n == 37 else "good") for n in range(100)])

    def drop(received: Any) -> Answer:
        stored = received.events - received.body.count(b'"bad"')
        return Answer(body=json.dumps({"code": 200, "num_records_imported": stored, "status": "OK"}).encode())

    with ScriptedServer([drop] * 50) as server:
        ended = mpimport("e.ndjson", "--url", server.url, "--json", "--no-strict", cwd=tmp_path)

    assert ended.code == 1, ended.err
    assert (ended.summary["imported"], ended.summary["rejected"]) == (99, 1)
    assert "strict" not in server.requests[0].path
    assert json.loads((tmp_path / "e.ndjson.rejected.ndjson").read_bytes())["line"] == 38


def test_closed_streams_do_no_harm(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command("e.ndjson", "--sandbox", "--json")],
        cwd=tmp_path,
        env=environment(),
        timeout=60,
        check=False,
    )

    assert done.returncode == 5, "the summary that was asked for could not be written"
    assert len((tmp_path / "e.ndjson.rejected.ndjson").read_bytes().splitlines()) == 1


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_a_script_whose_variable_is_not_set_is_no_success_under_cron(tmp_path: Path, more: tuple[str, ...]) -> None:
    ended = finish(start("--sandbox", *more, cwd=tmp_path))
    meant = finish(start("-", "--sandbox", *more, cwd=tmp_path))
    piped = mpimport("--sandbox", *more, cwd=tmp_path)

    assert (ended.code, meant.code, piped.code) == (2, 0, 0)
    assert f"no SOURCE is named, and standard input is {os.devnull}; name a file, or - to" in ended.err


@pytest.mark.parametrize(("source", "words"), [("", b"nothing to import"), ("-", b"-: standard input is closed")])
def test_a_standard_input_that_is_closed_is_not_empty(tmp_path: Path, source: str, words: bytes) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {source} --dry-run <&-', "sh", *command()],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert words in done.stderr


def test_a_summary_for_a_standard_output_that_is_closed_is_no_success(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command("e.ndjson", "--sandbox", "--json")],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )

    assert done.returncode == 5
    assert b"imported the one event into" in done.stderr
    assert b"--json: the summary cannot be written to standard output; see that it is open" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_rejects_that_cannot_be_written_are_no_silent_loss(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1), {"event": ""}])
    ended = mpimport("e.ndjson", "--sandbox", "--json", "--rejected", "/dev/full", cwd=tmp_path)

    assert ended.code == 5, ended.err
    assert (ended.summary["imported"], ended.summary["undelivered"]) == (1, 1)
    assert "No space left" in ended.err
    assert "Traceback" not in ended.err


def test_a_server_that_echoes_the_request_gets_no_secret_written(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])

    def echo(received: Any) -> Answer:
        told = received.headers["authorization"]
        decoded = base64.b64decode(told.split()[1]).decode()
        return Answer(400, json.dumps({"error": f"{told} {decoded}"}).encode())

    with ScriptedServer([echo]) as server:
        ended = mpimport("e.ndjson", "-v", "--url", server.url, cwd=tmp_path)

    assert ended.code == 1
    everything = ended.err + (tmp_path / "e.ndjson.rejected.ndjson").read_text()
    assert "***" in everything
    assert CREDENTIALS["MP_SECRET"] not in everything
    assert base64.b64encode(f"importer:{CREDENTIALS['MP_SECRET']}".encode()).decode() not in everything


def wait_until_taken(pipe: IO[bytes]) -> None:
    """Wait until the process has read everything that was written to its pipe."""
    deadline = time.monotonic() + 30
    unread = array("i", [1])
    while unread[0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, unread)


@pytest.mark.parametrize("options", [(), ("--format", "ndjson")])
def test_what_was_taken_from_a_pipe_is_saved_when_a_signal_comes(tmp_path: Path, options: tuple[str, ...]) -> None:
    with Sandbox(SandboxConfig(latency_s=0.2)) as sandbox:
        process = start("-", *options, "--url", sandbox.url, "--json", cwd=tmp_path, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(ndjson([good_event(n) for n in range(300)]))
        process.stdin.flush()
        wait_until_taken(process.stdin)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        ended = finish(process)
        stored = sandbox.stats()["stored"]

    saved = tmp_path / "stdin.rejected.ndjson.undelivered.ndjson"
    kept = len(saved.read_bytes().splitlines()) if saved.exists() else 0
    assert_balanced(ended.summary)
    assert ended.summary["read"] == stored + kept == 300


def test_a_line_that_is_half_read_when_a_signal_comes_is_read_to_its_end(tmp_path: Path) -> None:
    """A pipe is read in pieces that end anywhere; half an event could neither be sent nor saved."""
    with Sandbox() as sandbox:
        process = start(
            "-", "--format", "ndjson", "--url", sandbox.url, "--json", "--max-events-per-second", "20",
            "--rate-window", "5", cwd=tmp_path, stdin=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        writer = threading.Thread(target=_write_all, args=(process.stdin, ndjson([good_event(n) for n in range(9000)])))
        writer.start()
        _wait_for(lambda: sandbox.stats()["stored"] >= 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        writer.join(10)
        ended = finish(process)
        stored = sandbox.stats()["stored"]

    saved = (tmp_path / "stdin.rejected.ndjson.undelivered.ndjson").read_bytes()
    assert_balanced(ended.summary)
    assert ended.summary["rejected"] == 0
    assert ended.summary["read"] == stored + len(saved.splitlines())
    assert all(json.loads(line)["event"] == "Page View" for line in saved.splitlines())


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody reads to the end
        pipe.write(data)
        pipe.flush()


def test_a_refusal_is_noticed_while_a_pipe_is_silent_and_nothing_is_lost(tmp_path: Path) -> None:
    with Sandbox(SandboxConfig(username="importer", secret="another")) as sandbox:
        process = start(
            "-", "--format", "ndjson", "--batch-size", "100", "--url", sandbox.url, "--json", cwd=tmp_path,
            stdin=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(ndjson([good_event(n) for n in range(300)]))
        process.stdin.flush()
        assert process.wait(timeout=20) == 4
        ended = finish(process)

    saved = tmp_path / "stdin.rejected.ndjson.undelivered.ndjson"
    assert ended.summary["read"] == len(saved.read_bytes().splitlines()) == 300


def test_too_many_rejects_on_a_pipe_save_what_was_taken(tmp_path: Path) -> None:
    lines = [b"nonsense\n"] * 3000 + [json.dumps(good_event(n)).encode() + b"\n" for n in range(1000)]
    ended = mpimport("-", "--format", "ndjson", "--sandbox", "--json", "--max-rejected", "10", cwd=tmp_path,
                     stdin=b"".join(lines))  # fmt: skip

    assert ended.code == 3
    assert_balanced(ended.summary)
    assert ended.summary["undelivered"] > 0
    saved = tmp_path / "stdin.rejected.ndjson.undelivered.ndjson"
    assert len(saved.read_bytes().splitlines()) == ended.summary["undelivered"]


def test_a_place_where_rejects_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    for place in ("nowhere/r.ndjson", "."):
        ended = mpimport("e.ndjson", "--sandbox", "--rejected", place, cwd=tmp_path)

        assert ended.code == 2
        assert "--rejected" in ended.err


def test_standard_error_that_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(5000)])
    read_end, write_end = os.pipe()
    os.close(read_end)
    with Sandbox() as sandbox:
        process = start("e.ndjson", "-v", "--batch-size", "100", "--url", sandbox.url, "--json", cwd=tmp_path,
                        stderr=write_end)  # fmt: skip
        os.close(write_end)
        out, _ = process.communicate(timeout=60)
        stored = sandbox.stats()["stored"]

    assert process.returncode == 0
    assert json.loads(out)["imported"] == stored == 5000


@pytest.mark.skipif(os.name != "posix", reason="pipes are waited for in another way")
@pytest.mark.parametrize("stuck", ["stdout", "stderr"])
def test_what_nobody_reads_does_not_keep_a_run_that_is_asked_twice(tmp_path: Path, stuck: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 512)
    os.set_blocking(write_end, True)
    taken = threading.Event()

    def answer(_: Received) -> Answer:
        taken.set()
        return Answer()

    with ScriptedServer([answer]) as server:
        process = start("e.ndjson", "--url", server.url, "--json", cwd=tmp_path, **{stuck: write_end})
        assert taken.wait(30)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        try:
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            os.close(read_end)
            os.close(write_end)

    if stuck == "stdout":
        assert process.returncode in {5, 130, 143}
    else:
        assert_balanced(json.loads(out))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_that_was_given_up_before_it_held_anything_is_not_called_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    process = start("pipe", "--format", "ndjson", "--sandbox", "--json", cwd=tmp_path)
    with (tmp_path / "pipe").open("wb"):  # opened: the run has come to read
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=30)

    assert json.loads(out)["notes"][0] == "pipe: reading stopped before its first record; what follows is saved nowhere"
    assert process.returncode == 143
    assert b"empty" not in said
