"""The command line in the process: options, settings, messages, exit codes. Nothing is sent anywhere."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from running import good_event, write_ndjson

from mpimport import cli
from mpimport.body import CONTENT_TYPES
from mpimport.endpoints import ENDPOINTS, REGIONS
from mpimport.formats import FORMATS


class Ended(Exception):
    """The process would have ended here."""


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_ndjson(tmp_path / "e.ndjson", [good_event(1)])


def option(name: str) -> click.Option:
    return next(p for p in cli.command.params if isinstance(p, click.Option) and f"--{name}" in p.opts)


def test_the_choices_are_the_registries() -> None:
    names = ("region", "endpoint", "format", "content-type")
    choices = {name: tuple(option(name).type.choices) for name in names}  # type: ignore[attr-defined]  # they are choices

    assert choices["region"] == tuple(REGIONS)
    assert choices["endpoint"] == tuple(ENDPOINTS)
    assert choices["format"] == ("auto", *FORMATS)
    assert choices["content-type"] == tuple(CONTENT_TYPES)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("workers", 16),
        ("batch-bytes", 10_000_000),
        ("timeout", 30),
        ("connect-timeout", 10),
        ("give-up-after", 900),
        ("backoff-base", 2),
        ("backoff-max", 60),
        ("backoff-jitter", (1, 5)),
        ("region", "us"),
        ("endpoint", "import"),
        ("format", "auto"),
        ("log-format", "text"),
    ],
)
def test_the_defaults_are_the_designed_ones(name: str, default: object) -> None:
    assert option(name).default == default


def test_every_option_has_its_variable_and_its_help() -> None:
    for parameter in cli.command.params:
        if isinstance(parameter, click.Option) and parameter.name != "version":
            name = max(parameter.opts, key=len).lstrip("-").upper().replace("-", "_")
            assert f"MPIMPORT_{name}" in (parameter.envvar or [])
            assert parameter.help


def test_no_option_takes_the_value_of_a_secret() -> None:
    names = {name for parameter in cli.command.params for name in parameter.opts}

    assert names.isdisjoint({"--secret", "--password", "--api-secret"})


def test_an_option_comes_before_its_variable(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MPIMPORT_WORKERS", "99")
    assert run(events, "--dry-run") == 2
    assert "--workers 99" in capsys.readouterr().err
    assert run(events, "--dry-run", "--workers", "3") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch-size", "2001", "--dry-run"], "takes 1 to 2,000 events"),
        (["--nonsense"], "No such option"),
        (["", "--dry-run"], "the name of a source is empty; is a variable of the shell not set?"),
        (["--region", "de"], "'de'"),
        (["--workers", "many"], "'many' is no whole number: write digits alone"),
        ([], "no credentials"),
        (["--username", "me", "--project-id", "1"], "secret is missing"),
        (["--max-rejected", "few", "--dry-run"], "--max-rejected"),
        (["--secret-file", "/nowhere", "--dry-run"], "--secret-file /nowhere"),
        (["--username", "me", "--project-id", "1", "--secret-file", "empty"], "on one line"),
        (["--endpoint", "track"], "no token: give the project's with --token TOKEN (or MP_TOKEN)"),
        (["--endpoint", "track", "--token", "t", "--batch-size", "51"], "track endpoint takes 1 to 50 events"),
        (["--endpoint", "track", "--dry-run", "--gzip-level", "6"], "--gzip-level 6: the track endpoint"),
        (["--endpoint", "track", "--dry-run", "--content-type", "ndjson"], "takes form or json"),
        (["--endpoint", "track", "--dry-run", "--no-strict"], "--no-strict: the track endpoint"),
        (["--dry-run", "--content-type", "form"], "the import endpoint takes ndjson or json"),
        (["--token", "t", "--url", "ftp://example.com"], "--url"),
        (["--token", "t", "--url", "https://me:pw@example.com"], "credentials do not belong"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(
    events: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    Path("empty").touch()

    assert run(events, *arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wrokers", "3"], "No such option"),
        (["--workers", "many"], "'many' is no whole number"),
        (["--secret", "hunter2"], "no option takes a secret's value"),
        (["--token"], "requires an argument"),
        (["--dry-run=yes"], "does not take a value"),
    ],
)
def test_what_click_refuses_is_told_to_programs_too(
    events: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(events, "--metrics", "m.prom", "--log-format", "json", *arguments) == 2
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert line["message"].startswith("nothing was sent: ")
    assert words in line["problems"][0]
    assert words in line["message"]
    assert (line["level"], line["exit_code"]) == ("error", 2)
    assert "hunter2" not in str(line)
    assert 'mpimport_last_exit_code{import="m"} 2.0' in Path("m.prom").read_text()

    Path("m.prom").unlink()
    assert run(events, "--metrics", "m.prom", *arguments) == 2
    problem, end = capsys.readouterr().err.splitlines()
    moment, program, why = problem.split(" ", 2)
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert program == "mpimport:"
    assert words in why
    assert end == "Nothing was sent."
    assert 'mpimport_last_exit_code{import="m"} 2.0' in Path("m.prom").read_text()


def test_all_problems_come_at_once(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gone.ndjson", "--workers", "0", "--max-rejected", "x", "--batch-size", "0") == 2
    told = capsys.readouterr().err

    for words in ("gone.ndjson", "--workers 0", "--max-rejected", "--batch-size 0", "no credentials"):
        assert words in told


@pytest.mark.parametrize("source", ["https://example.com/a.json", "gone.ndjson"])
def test_a_source_that_cannot_be_read_is_told_before_what_is_missing(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    assert run(source) == 2
    first, second, _ = capsys.readouterr().err.splitlines()

    assert f"mpimport: {source}: " in first
    assert "no credentials" in second


def test_without_a_source_on_a_terminal_an_example_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    assert run("--dry-run") == 2
    assert "name a file, or pipe events in" in capsys.readouterr().err


def test_a_terminal_is_asked_for_the_secret(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str, stream: Any = None) -> str:
        asked.append(prompt)
        return ""

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", ask)

    assert run(events, "--username", "me", "--project-id", "1") == 2
    assert asked == ["Secret of the service account me: "]

    assert run(events, "--username", "me", "--endpoint", "track") == 2
    assert len(asked) == 1, "an endpoint that takes a token only has no use for it"


def test_a_bug_is_told_as_one(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr("mpimport.app.import_inputs", broken)

    assert run(events, "--dry-run") == 70
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "this is a bug in mpimport" in told


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert "0.1.0" in capsys.readouterr().out


def test_a_source_that_is_also_written_to_is_refused(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(events, "--dry-run", "--rejected", events.name) == 2
    assert "rejects are written there, too" in capsys.readouterr().err


def test_a_file_that_takes_an_option_is_told_before_another_is_sent(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("two.json").write_text('{"a": [{"event": "x"}], "b": [{"event": "y"}]}')
    Path("empty.csv").write_text("event,event\n")

    assert run(events, "two.json", "empty.csv", "--dry-run") == 2
    told = capsys.readouterr().err
    assert "--json-path" in told
    assert "empty.csv" in told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.parametrize(
    ("typed", "code", "notes"),
    [
        (b"\x04", 0, ["note: stdin: empty, no event is in there"]),
        (b"\x03", 130, ["note: stdin: reading stopped before its first record; what follows is saved nowhere"]),
    ],
)
def test_a_terminal_is_said_to_be_read(tmp_path: Path, typed: bytes, code: int, notes: list[str]) -> None:
    import pty

    ours, theirs = pty.openpty()
    attach = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from mpimport.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", attach, "-", "--dry-run"],
        cwd=tmp_path, stdin=theirs, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        assert process.stderr is not None
        ready = select.select([process.stderr], [], [], 20)[0]
        os.write(ours, typed)
        said = process.stderr.read().decode()
    os.close(ours)

    assert ready
    assert process.returncode == code
    first = said.splitlines()[0]
    assert first.endswith("reading from the terminal: type or paste events, end with Ctrl-D")
    assert said.count("reading from") == 1
    assert [line for line in said.splitlines() if line.startswith("note: stdin")] == notes
