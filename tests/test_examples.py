"""The folder `examples`: its data is what its script makes and imports as its README says; its scripts run."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import CREDENTIALS, assert_balanced, environment, mpimport

from mpimport.cli import command
from mpimport.sandbox import Sandbox, SandboxConfig

EXAMPLES = Path(__file__).parents[1] / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
CLEAN = {
    "shop.ndjson": 300,
    "signups.json": 200,
    "orders.csv": 200,
    "sessions.tsv": 100,
    "pageviews.ndjson.gz": 400,
    "flat.ndjson": 100,
    "export.json": 100,
}
COMMANDS = re.findall(r"^\| \[[^|]+ \| [^|]+ \| `([^`]+)` \| exit code (\d+)", README, flags=re.MULTILINE)
MISTAKES = {
    int(line): code for line, code in re.findall(r"^\| (\d+) \| [^|]+ \| `(\w+)` \|$", README, flags=re.MULTILINE)
}

SECRET = CREDENTIALS["MP_SECRET"]
ONE_ACCOUNT = SandboxConfig(username=CREDENTIALS["MP_USERNAME"], secret=SECRET, project_id=CREDENTIALS["MP_PROJECT_ID"])


def python(
    script: Path, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script of the examples to its end."""
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=cwd,
        env=environment(env or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def rejects_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# The data


def test_the_files_are_what_the_script_makes(tmp_path: Path) -> None:
    run = python(EXAMPLES / "make_examples.py", "--check", cwd=tmp_path)

    assert (run.returncode, run.stderr) == (0, "")


def test_the_check_names_a_file_that_differs_and_the_script_mends_it(tmp_path: Path) -> None:
    for path in EXAMPLES.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    script = tmp_path / "make_examples.py"
    with (tmp_path / "orders.csv").open("a") as file:
        file.write("one more\n")
    (tmp_path / "flat.ndjson").unlink()
    (tmp_path / "pageviews.ndjson.gz").write_bytes(b"no gzip")

    broken = python(script, "--check", cwd=tmp_path)
    made = python(script, cwd=tmp_path)
    mended = python(script, "--check", cwd=tmp_path)

    names = "orders.csv, pageviews.ndjson.gz, flat.ndjson"
    assert (broken.returncode, made.returncode, mended.returncode) == (1, 0, 0)
    assert broken.stderr == f"not what make_examples.py makes: {names}; run it to make them anew\n"


def test_the_files_are_small() -> None:
    assert all(path.stat().st_size < 150_000 for path in EXAMPLES.iterdir() if path.is_file())


def test_the_readme_names_every_file() -> None:
    all_files = [path for path in EXAMPLES.rglob("*") if path.is_file()]
    files = {path.relative_to(EXAMPLES).as_posix() for path in all_files if ".rejected." not in path.name}
    deployments = {name for name in files if name.endswith((".service", ".timer", ".yaml", ".yml"))}

    there = {name for name in files if not name.startswith("guide/")} - {"README.md", "session.svg"}
    assert set(re.findall(r"^\| \[(.+?)\]\(\1\) \|", README, flags=re.MULTILINE)) == there
    assert len(COMMANDS) == len(there) - len(deployments)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(("line", "exit_code"), COMMANDS)
def test_the_readme_tells_what_to_expect(line: str, exit_code: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    functions = f'mpimport() {{ "{sys.executable}" -m mpimport "$@"; }}; python() {{ "{sys.executable}" "$@"; }}'
    run = subprocess.run(
        ["bash", "-c", f"{functions}; {line}"],
        cwd=tmp_path,
        env=environment({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == int(exit_code), run.stderr
    assert {path.name for path in tmp_path.iterdir()} - {"examples"} == set(re.findall(r"--rejected (\S+)", line))


@pytest.mark.parametrize(("name", "count"), CLEAN.items())
def test_a_clean_file_imports_whole(name: str, count: int, tmp_path: Path) -> None:
    ended = mpimport(EXAMPLES / name, "--sandbox", "--json", "--rejected", "bad.ndjson", cwd=tmp_path, env={})

    assert ended.code == 0, ended.err
    assert (ended.summary["read"], ended.summary["imported"]) == (count, count)
    assert (ended.summary["rejected"], ended.summary["undelivered"]) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_all_clean_files_import_with_one_command_as_the_demo_does(tmp_path: Path) -> None:
    files = [EXAMPLES / name for name in CLEAN]
    ended = mpimport(*files, "--sandbox", "--json", "--rejected", "bad.ndjson", cwd=tmp_path, env={})
    demo = (EXAMPLES.parent / "Makefile").read_text(encoding="utf-8")

    assert ended.code == 0, ended.err
    assert ended.summary["read"] == ended.summary["imported"] == sum(CLEAN.values())
    assert set(re.findall(r"examples/(\S+)", demo)) == set(CLEAN)


def test_what_arrives_is_whole_and_nothing_is_there_twice(tmp_path: Path) -> None:
    files = [EXAMPLES / name for name in CLEAN]
    with Sandbox() as sandbox:
        ended = mpimport(*files, "--url", sandbox.url, "--json", "--rejected", "bad.ndjson", cwd=tmp_path)
        again = mpimport(*files, "--url", sandbox.url, "--json", "--rejected", "bad.ndjson", cwd=tmp_path)
        stats, events = sandbox.stats(), sandbox.events()

    total = sum(CLEAN.values())
    assert (ended.code, again.code) == (0, 0), ended.err + again.err
    assert (stats["stored"], stats["duplicates"], stats["refused"]) == (total, total, 0)
    seconds = [t if t < 10**11 else t / 1000 for t in (event["properties"]["time"] for event in events)]
    assert 1_704_067_200 <= min(seconds) <= max(seconds) < 1_767_225_600  # 2024 and 2025
    assert len({event["properties"]["$insert_id"] for event in events}) == total
    assert any("\n" in event["properties"].get("gift_message", "") for event in events)
    assert {"Zürich", "東京"} <= {event["properties"].get("$city") for event in events}


def test_the_export_is_found_by_its_path_too(tmp_path: Path) -> None:
    path = ("--json-path", "data.events.item")
    ended = mpimport(EXAMPLES / "export.json", "--sandbox", "--json", *path, cwd=tmp_path, env={})

    assert (ended.code, ended.summary["imported"]) == (0, CLEAN["export.json"])


def test_gzip_comes_from_standard_input_too(tmp_path: Path) -> None:
    data = (EXAMPLES / "pageviews.ndjson.gz").read_bytes()
    ended = mpimport("-", "--sandbox", "--json", cwd=tmp_path, env={}, stdin=data)

    assert (ended.code, ended.summary["imported"]) == (0, CLEAN["pageviews.ndjson.gz"])


# The file that takes a mapping


def test_the_mapping_file_makes_events_of_the_warehouse(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        options = ("--delimiter", ";", "--mapping", EXAMPLES / "shop-mapping.toml", "--json", "--url", sandbox.url)
        ended, again = (mpimport(EXAMPLES / "warehouse.csv", *options, cwd=tmp_path) for _ in range(2))
        stats, events = sandbox.stats(), sandbox.events()

    first = events[0]["properties"]
    assert (ended.code, again.code) == (0, 0), ended.err
    assert (stats["stored"], stats["duplicates"], stats["refused"]) == (120, 120, 0)
    assert {event["event"] for event in events} == {"order packed", "parcel returned"}
    assert first["time"] == 1_742_438_040_000  # 20.03.2025 03:34 in Berlin
    assert (first["distinct_id"], first["order"], first["position"]) == ("001014", "10000", 1)
    assert (first["amount"], first["postcode"], first["club member"]) == (8.9, "78281", True)
    assert (first["landing page host"], first["landing page path"]) == ("shop.example.com", "/blog/cold-brew")
    assert (first["details.pick.shelf"], first["details.pick.by.station"]) == ("D-10", 4)
    assert all(event["properties"].keys().isdisjoint(("Mail", "Note", "landing page", "details")) for event in events)
    assert all(event["properties"]["postcode"].isdigit() for event in events)
    assert list(tmp_path.iterdir()) == []


def test_the_clocks_of_the_warehouse_go_forward_within_the_file(tmp_path: Path) -> None:
    options = ("--delimiter", ";", "--mapping", EXAMPLES / "shop-mapping.toml", "--dry-run", "--audit", "audit.json")
    ended = mpimport(EXAMPLES / "warehouse.csv", *options, cwd=tmp_path, env={})
    found = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    summer_time = "2025-03-30T01:00:00Z"

    assert ended.code == 0, ended.err
    assert found["first_time"] < summer_time < found["last_time"]
    assert (found["events"], found["collisions"], found["duplicates"], found["personal"]) == (120, 0, 0, [])


# The data sets


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_script_for_data_sets_is_one_and_its_commands_are_ones() -> None:
    script = EXAMPLES / "datasets.sh"
    checked = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    text = re.sub(r"\\\n", " ", script.read_text(encoding="utf-8"))
    calls = [
        shlex.split(line.split("| ")[-1]) for line in text.splitlines() if re.search(r"(?:^|\| )import [\"-]", line)
    ]

    assert (checked.returncode, checked.stderr) == (0, "")
    named = re.findall(r"^\| \w+ [\d.]+ \| `([\w.-]+)` \| [\d,]+ \|", README, flags=re.MULTILINE)
    assert [call[1].rpartition("/")[2] for call in calls] == [name if ".zip" not in name else "-" for name in named]
    for call in calls:
        assert command.make_context("mpimport", call[1:]).params


# The mistakes


def test_every_mistake_is_found_for_what_it_is(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    ended = mpimport(EXAMPLES / "mistakes.ndjson", "--sandbox", "--json", "--rejected", bad, cwd=tmp_path, env={})
    rejects = rejects_in(bad)

    assert ended.code == 1
    assert_balanced(ended.summary)
    assert (ended.summary["read"], ended.summary["imported"], ended.summary["rejected"]) == (44, 20, 24)
    assert len(set(MISTAKES.values())) >= 12
    assert {reject["line"]: [reason["code"] for reason in reject["reasons"]] for reject in rejects} == {
        line: [code] for line, code in MISTAKES.items()
    }
    assert {reject["by"] for reject in rejects} == {"client"}
    assert ended.summary["reasons"] == {
        code: list(MISTAKES.values()).count(code) for code in sorted(set(MISTAKES.values()))
    }


def test_the_rejected_mistakes_import_once_they_are_mended(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    options = ("--sandbox", "--json", "--rejected")
    mpimport(EXAMPLES / "mistakes.ndjson", *options, bad, cwd=tmp_path, env={})
    again = mpimport(bad, *options, "again.ndjson", cwd=tmp_path, env={})
    reasons = [reject["reasons"] for reject in rejects_in(bad)]
    bad.write_text("".join(json.dumps(mended(reject)) + "\n" for reject in rejects_in(bad)))
    ended = mpimport(bad, *options, "still-bad.ndjson", cwd=tmp_path, env={})

    assert (again.code, again.summary["rejected"]) == (1, len(MISTAKES))
    assert [reject["reasons"] for reject in rejects_in(tmp_path / "again.ndjson")] == reasons
    assert (ended.code, ended.summary["read"], ended.summary["imported"]) == (0, len(MISTAKES), len(MISTAKES)), (
        ended.err
    )


def mended(reject: Mapping[str, Any]) -> dict[str, Any]:
    """Mend a line of the rejected-events file in its place: the event, or the text that could not be parsed."""
    properties = {"time": 1_743_500_000 + reject["line"], "distinct_id": "customer-1001"}
    event = {"event": "order completed", "properties": properties}
    kept = {name: value for name, value in reject.items() if name not in ("event", "raw", "raw_base64")}
    return {**kept, "raw": json.dumps(event)} if "raw" in reject else {**kept, "event": event}


# The library script


def test_the_library_script_imports_into_the_sandbox(tmp_path: Path) -> None:
    run = python(EXAMPLES / "library.py", cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    assert "read 250 = imported 250 + rejected 0 + undelivered 0\n" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_library_script_imports_into_the_project_of_the_environment(tmp_path: Path) -> None:
    with Sandbox(ONE_ACCOUNT) as sandbox:
        env = {**CREDENTIALS, "MP_URL": sandbox.url}
        runs = [python(EXAMPLES / "library.py", cwd=tmp_path, env=env) for _ in range(2)]
        stats = sandbox.stats()

    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert (stats["stored"], stats["duplicates"]) == (250, 250)
    assert SECRET not in runs[0].stdout + runs[0].stderr


def test_the_library_script_says_what_is_not_set(tmp_path: Path) -> None:
    run = python(EXAMPLES / "library.py", cwd=tmp_path, env={"MP_PROJECT_ID": "12345"})

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("set MP_USERNAME, MP_SECRET too")


def test_the_library_script_that_is_asked_for_help_imports_nothing(tmp_path: Path) -> None:
    run = python(EXAMPLES / "library.py", "--help", cwd=tmp_path, env={**CREDENTIALS, "MP_URL": "http://127.0.0.1:9"})

    assert (run.returncode, run.stdout) == (2, "")
    assert "MP_PROJECT_ID" in run.stderr


# The cron script

needs_flock = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("flock")), reason="bash or flock is not installed"
)
DAY = "2025-03-14"
SUMMARY = {"read": 3, "imported": 2, "rejected": 1, "undelivered": 0, "already_imported": 0, "already_rejected": 0}


class Cron:
    """A machine on which the cron script runs: its folders, its hooks, and a program named `mpimport`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.events = root / "events"
        self.secret = root / "secret"
        self.events.mkdir()
        (root / "bin").mkdir()
        self.secret.write_text(SECRET + "\n")
        self.secret.chmod(0o600)
        self.exit_with(0)

    def install(self, commands: str) -> None:
        """Let `mpimport` be a shell script."""
        program = self.root / "bin" / "mpimport"
        program.write_text(f"#!/bin/sh\n{commands}\n")
        program.chmod(0o755)

    def exit_with(self, code: int, **counts: int) -> None:
        """Let `mpimport` end with an exit code, and a summary."""
        summary = json.dumps({**SUMMARY, **counts})
        self.install(f"echo \"$@\" >>calls; echo 'words for people' >&2; echo '{summary}'; exit {code}")

    def environment(self, day: str, **more: str) -> dict[str, str]:
        """Give what cron would have in its environment."""
        settings = {
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "MP_PROJECT_ID": CREDENTIALS["MP_PROJECT_ID"],
            "MP_USERNAME": CREDENTIALS["MP_USERNAME"],
            "SECRET_FILE": str(self.secret),
            "EVENTS_DIR": str(self.events),
            "EVENTS_SUFFIX": ".ndjson",
            "SETTLED_MINUTES": "0",
            "STATE_DIR": str(self.state),
            "ALERT": "cat >>alerts",
            "NOTIFY": "cat >>notices",
        }
        return environment({**settings, "DAY": day, **more})

    def start(self, day: str = DAY, **more: str) -> subprocess.Popen[str]:
        """Start the script without waiting for it."""
        return subprocess.Popen(
            ["bash", str(EXAMPLES / "cron.sh")],
            cwd=self.root,
            env=self.environment(day, **more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, day: str = DAY, **more: str) -> int:
        """Run the script to its end; it says nothing but to the hooks."""
        with self.start(day, **more) as process:
            try:
                assert process.communicate(timeout=60) == ("", "")
            finally:
                process.kill()
        return process.returncode

    def read(self, name: str) -> str:
        """Read a file, if it is there."""
        path = self.root / name
        return path.read_text() if path.exists() else ""

    def log(self) -> list[dict[str, Any]]:
        """Read the log."""
        return [json.loads(line) for line in self.read("state/log.ndjson").splitlines()]

    def days(self, folder: str) -> list[str]:
        """List the days that are marked."""
        return sorted(path.name for path in (self.state / folder).iterdir())


@pytest.fixture
def cron(tmp_path: Path) -> Cron:
    machine = Cron(tmp_path)
    (machine.events / f"{DAY}.ndjson").touch()
    return machine


@needs_flock
@pytest.mark.parametrize(
    ("code", "exit_code", "hook", "words"),
    [
        (0, 0, None, ""),
        (1, 0, "notices", "2 events were imported, 1 rejected; what to do about them stands below"),
        (2, 2, "alerts", "refused before anything was sent"),
        (3, 3, "alerts", "stopped with exit code 3"),
        (4, 4, "alerts", "stopped with exit code 4"),
        (5, 5, "notices", "the next run continues"),
        (6, 6, "alerts", "stopped with exit code 6"),
        (7, 7, "notices", "another run of it is under way"),
        (70, 70, "alerts", "stopped with exit code 70"),
        (130, 130, "notices", "interrupted; the next run continues"),
        (143, 143, "notices", "interrupted; the next run continues"),
    ],
)
def test_cron_tells_the_exit_codes_apart(cron: Cron, code: int, exit_code: int, hook: str | None, words: str) -> None:
    cron.exit_with(code)

    assert cron.run() == (0 if code <= 1 else exit_code)
    assert cron.log() == [{"day": DAY, "exit_code": code, "summary": SUMMARY}]
    assert cron.days("done") == ([DAY] if code <= 1 else [])
    assert cron.days("unfinished") == ([] if code <= 1 else [DAY])
    told = {name: cron.read(name) for name in ("alerts", "notices")}
    assert [name for name, text in told.items() if text] == ([hook] if hook else [])
    if hook:
        assert told[hook].startswith(f"mpimport: {DAY}: ")
        assert words in told[hook]
        assert told[hook].endswith("\nwords for people\n")


@needs_flock
def test_cron_gives_the_secret_by_its_file_and_never_by_an_argument(cron: Cron) -> None:
    assert cron.run() == 0

    file, rejected = cron.events / f"{DAY}.ndjson", cron.state / f"{DAY}.rejected.ndjson"
    page = cron.state / f"{DAY}.html"
    options = f"--json -q --no-progress --secret-file {cron.secret} --rejected {rejected} --report {page}"
    assert cron.read("calls") == f"{options} {file}\n"
    assert SECRET not in cron.read("calls") + cron.read("state/log.ndjson")


@needs_flock
def test_cron_tries_an_unfinished_day_again_and_leaves_a_finished_one_alone(cron: Cron) -> None:
    (cron.events / "2025-03-15.ndjson").touch()
    cron.exit_with(5)
    codes = [cron.run()]
    cron.exit_with(0)
    codes += [cron.run("2025-03-15"), cron.run("2025-03-15")]

    assert codes == [5, 0, 0]
    assert [(line["day"], line["exit_code"]) for line in cron.log()] == [(DAY, 5), (DAY, 0), ("2025-03-15", 0)]
    assert (cron.days("done"), cron.days("unfinished")) == ([DAY, "2025-03-15"], [])


@needs_flock
def test_cron_goes_on_to_the_next_day_when_a_file_is_at_fault_and_stops_when_the_server_is(cron: Cron) -> None:
    (cron.events / "2025-03-15.ndjson").touch()
    fine = json.dumps(SUMMARY)
    cron.install(f"case \"$*\" in *{DAY}.ndjson) exit 6 ;; esac; echo '{fine}'")
    assert cron.run() == 6
    assert cron.run("2025-03-15") == 6
    assert (cron.days("done"), cron.days("unfinished")) == (["2025-03-15"], [DAY])

    cron.exit_with(4)
    assert cron.run("2025-03-16") == 4
    assert len(cron.read("calls").splitlines()) == 1
    assert cron.days("unfinished") == [DAY, "2025-03-16"]


@needs_flock
@pytest.mark.parametrize("code", [3, 5, 6, 7, 70, 137])
def test_no_day_keeps_those_after_it_from_being_tried(cron: Cron, code: int) -> None:
    (cron.events / "2025-03-15.ndjson").touch()
    cron.install(f"case \"$*\" in *{DAY}.ndjson) exit {code} ;; esac; echo '{json.dumps(SUMMARY)}'")

    assert [cron.run(), cron.run("2025-03-15")] == [code, code]
    assert (cron.days("done"), cron.days("unfinished")) == (["2025-03-15"], [DAY])


@needs_flock
def test_cron_ends_with_the_worst_code_of_all_days(cron: Cron) -> None:
    cron.exit_with(6)
    assert cron.run() == 6
    assert cron.run("2025-03-15") == 6
    assert "there is no" in cron.read("notices")


@needs_flock
@pytest.mark.parametrize("lines", [None, "", "\n\n"])
def test_cron_has_its_own_words_for_a_file_without_events(cron: Cron, lines: str | None) -> None:
    content = b"" if lines is None else gzip.compress(lines.encode())
    (cron.events / f"{DAY}.ndjson.gz").write_bytes(content)
    cron.install(f'exec "{sys.executable}" -m mpimport "$@"')

    assert cron.run(EVENTS_SUFFIX=".ndjson.gz") == 66
    assert f"no event is in {cron.events / DAY}.ndjson.gz; put the whole file there" in cron.read("alerts")
    assert (cron.read("notices"), cron.days("unfinished")) == ("", [DAY])


@needs_flock
@pytest.mark.parametrize("code", [5, 7, 143])
def test_cron_alerts_when_a_day_is_unfinished_for_a_day(cron: Cron, code: int) -> None:
    cron.exit_with(code)
    assert cron.run() == cron.run() == code
    assert cron.read("alerts") == ""
    os.utime(cron.state / "unfinished" / DAY, times=(time.time() - 90_000,) * 2)
    assert cron.run() == cron.run() == code
    assert cron.read("alerts").count("it has not been done for more than a day now") == 2


@needs_flock
@pytest.mark.parametrize("code", [0, 1])
def test_cron_takes_no_file_without_events_for_done(cron: Cron, code: int) -> None:
    cron.exit_with(code, read=0, imported=0, rejected=0)
    assert cron.run() == 66
    assert f"no event is in {cron.events / DAY}.ndjson" in cron.read("alerts")
    assert (cron.days("done"), cron.days("unfinished")) == ([], [DAY])

    (cron.state / "done" / DAY).touch()
    assert cron.run() == 0
    assert cron.days("unfinished") == []
    assert len(cron.read("calls").splitlines()) == 1


@needs_flock
def test_cron_takes_a_day_for_done_of_which_earlier_runs_imported_all(cron: Cron) -> None:
    cron.exit_with(0, read=0, imported=0, rejected=0, already_imported=5)

    assert cron.run() == 0
    assert cron.days("done") == [DAY]


@needs_flock
def test_cron_alerts_once_when_all_was_rejected(cron: Cron) -> None:
    cron.exit_with(1, imported=0, rejected=3000)

    assert [cron.run(), cron.run()] == [1, 0]
    assert f"{DAY}: 0 events were imported, 3000 rejected" in cron.read("alerts")
    assert cron.read("notices") == ""
    assert cron.days("done") == [DAY]


@needs_flock
def test_cron_leaves_a_file_that_is_being_written_to_the_next_run(cron: Cron) -> None:
    file = cron.events / f"{DAY}.ndjson"
    assert cron.run(SETTLED_MINUTES="10") == 75
    assert (cron.read("calls"), cron.read("alerts"), cron.days("unfinished")) == ("", "", [DAY])
    assert "was written to in the last 10 minutes; it is left to the next run" in cron.read("notices")

    os.utime(file, times=(time.time() - 660,) * 2)
    assert cron.run(SETTLED_MINUTES="10") == 0
    assert cron.days("done") == [DAY]


@needs_flock
def test_cron_makes_up_for_days_on_which_it_did_not_run(cron: Cron) -> None:
    for day in ("2025-02-27", "2025-02-28", "2025-03-01", "2025-03-03"):
        (cron.events / f"{day}.ndjson").touch()

    assert [cron.run("2025-02-27"), cron.run("2025-03-03")] == [0, 66]
    assert cron.days("done") == ["2025-02-27", "2025-02-28", "2025-03-01", "2025-03-03"]
    assert cron.days("unfinished") == ["2025-03-02"]
    assert "2025-03-02: there is no" in cron.read("notices")
    assert cron.run("2025-02-28", BACK_DAYS="7") == 66
    assert "2025-02-26" not in cron.read("alerts")


@needs_flock
def test_cron_tells_of_days_that_it_cannot_make_up_for(cron: Cron) -> None:
    assert cron.run() == 0
    assert cron.run("2025-03-20", BACK_DAYS="2") == 66
    assert f"no run has looked at the days after {DAY}; 2 before 2025-03-20 are made up for" in cron.read("alerts")
    assert cron.days("unfinished") == ["2025-03-18", "2025-03-19", "2025-03-20"]


@needs_flock
def test_cron_alerts_when_there_is_no_file_for_a_day(cron: Cron) -> None:
    file, step = cron.events / "2025-03-15.ndjson", f"touch {cron.state / 'done' / '2025-03-15'}"
    assert cron.run("2025-03-15") == 66
    words = f"mpimport: 2025-03-15: there is no {file}; put it there, or if that day has none: {step}\n"
    assert (cron.read("notices"), cron.read("alerts")) == (words, "")
    assert cron.days("unfinished") == ["2025-03-15"]

    os.utime(cron.state / "unfinished" / "2025-03-15", times=(time.time() - 90_000,) * 2)
    assert cron.run("2025-03-15") == 66
    assert cron.read("notices") == words
    assert f"there is no {file} (it has not been done for more than a day now); put" in cron.read("alerts")


@needs_flock
def test_cron_takes_yesterday_when_no_day_is_given(cron: Cron) -> None:
    before = time.time()
    assert cron.run("") == 66
    days = {time.strftime("%Y-%m-%d", time.gmtime(moment - 86_400)) for moment in (before, time.time())}

    assert set(cron.days("unfinished")) <= days


@needs_flock
def test_cron_leaves_it_to_a_run_that_is_not_done_yet(cron: Cron) -> None:
    cron.state.mkdir()
    with (cron.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cron.run() == 0

    assert "not done yet" in cron.read("notices")
    assert cron.read("calls") == ""
    assert cron.run() == 0
    assert len(cron.read("calls").splitlines()) == 1


@needs_flock
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MP_USERNAME": ""}, "MP_USERNAME is not set"),
        ({"EVENTS_DIR": ""}, "EVENTS_DIR is not set"),
        ({"SECRET_FILE": "/nowhere/secret"}, "/nowhere/secret cannot be read"),
        ({"DAY": "../../etc"}, "not a day such as"),
        ({"DAY": "yesterday"}, "not a day such as"),
        ({"BACK_DAYS": "a week"}, "BACK_DAYS is 'a week', not a number"),
    ],
)
def test_cron_says_what_is_not_set_up(cron: Cron, settings: Mapping[str, str], words: str) -> None:
    more = dict(settings)

    assert cron.run(more.pop("DAY", DAY), **more) == 2
    assert words in cron.read("alerts")
    assert cron.read("calls") == ""


@needs_flock
def test_cron_refuses_a_secret_that_others_can_read(cron: Cron) -> None:
    cron.secret.chmod(0o640)

    assert cron.run() == 2
    assert "can be read by others: chmod 600 it" in cron.read("alerts")
    assert cron.read("calls") == ""


@needs_flock
def test_cron_prints_its_alerts_to_standard_error_without_a_hook(cron: Cron) -> None:
    cron.exit_with(4)
    with cron.start(ALERT="") as process:
        _, err = process.communicate(timeout=60)

    assert process.returncode == 4
    assert err == f"mpimport: {DAY}: stopped with exit code 4\nwords for people\n"


@needs_flock
@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "TERM"), (signal.SIGINT, "INT")])
def test_cron_passes_a_signal_on_and_waits_for_the_end(cron: Cron, number: signal.Signals, name: str) -> None:
    # Python, because a shell cannot trap what it inherits as ignored, and SIGINT is that in the background of another.
    cron.install(f"""exec "{sys.executable}" -c '
import signal, sys, time
def end(number, frame):
    time.sleep(0.3)
    print(chr(123) + chr(125))
    sys.exit(128 + number)
signal.signal(signal.SIG{name}, end)
open("started", "w").close()
time.sleep(30)
'""")
    with cron.start() as process:
        deadline = time.monotonic() + 30
        while not cron.root.joinpath("started").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", "")

    assert process.returncode == 128 + number
    assert cron.log() == [{"day": DAY, "exit_code": 128 + number, "summary": {}}]
    assert cron.days("unfinished") == [DAY]


def test_the_recorded_session_is_what_the_commands_say(tmp_path: Path) -> None:
    run = python(EXAMPLES / "record_session.py", cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    said, shown = (re.findall(r"<text[^>]*>(.*?)</text>", svg) for svg in (run.stdout, read("session.svg")))
    assert said == shown, "run examples/record_session.py to record it anew"


@needs_flock
def test_cron_imports_for_real(cron: Cron) -> None:
    cron.install(f'exec "{sys.executable}" -m mpimport "$@"')
    days = {"2025-03-13": "shop.ndjson", DAY: "mistakes.ndjson", "2025-03-15": "flat.ndjson"}
    for day, name in days.items():
        shutil.copy(EXAMPLES / name, cron.events / f"{day}.ndjson")
    with Sandbox(replace(ONE_ACCOUNT, faults=(("503", 1.0),))) as sandbox:
        codes = [cron.run("2025-03-13", MP_URL=sandbox.url, MPIMPORT_GIVE_UP_AFTER="0")]
    with Sandbox(ONE_ACCOUNT) as sandbox:
        codes += [cron.run(day, MP_URL=sandbox.url) for day in (DAY, "2025-03-15")]
        stats = sandbox.stats()
        (cron.events / "2025-03-16.ndjson").touch()
        codes.append(cron.run("2025-03-16", MP_URL=sandbox.url))
        cron.secret.write_text("another")
        shutil.copy(EXAMPLES / "flat.ndjson", cron.events / "2025-03-16.ndjson")
        codes.append(cron.run("2025-03-16", MP_URL=sandbox.url))

    assert codes == [5, 0, 0, 66, 4], cron.read("alerts") + cron.read("notices")
    assert [(line["exit_code"], line["summary"]["imported"]) for line in cron.log()] == [
        (5, 0),
        (0, 300),
        (1, 20),
        (0, 100),
        (0, 0),
        (4, 0),
    ]
    assert stats["stored"] == 420
    assert len(rejects_in(cron.state / f"{DAY}.rejected.ndjson")) == len(MISTAKES)
    assert "stopped with exit code 4" in cron.read("alerts")
    written = b"".join(path.read_bytes() for path in cron.state.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert all(path.stat().st_mode & 0o077 == 0 for path in cron.state.iterdir())
