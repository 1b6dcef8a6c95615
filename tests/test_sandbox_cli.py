"""The command `mpimport-sandbox`, run as a process: its options, its lines, its end."""

from __future__ import annotations

import ast
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_sandbox import HEADERS, IMPORT, ask, basic, ndjson, numbered

import mpimport
from mpimport.sandbox import cli

assert mpimport.__file__
ROOT = Path(mpimport.__file__).parents[1]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MP")}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


@contextmanager
def started(
    *options: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, lines: list[str] | None = None
) -> Iterator[tuple[Any, str]]:
    """Run the command; yield its process and the URL that it prints, in a line that is added to `lines`."""
    command = [sys.executable, "-m", "mpimport.sandbox", "--port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(env), cwd=cwd
    ) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            if lines is not None:
                lines.append(line)
            found = re.search(r"listening on (http://127\.0\.0\.1:\d+);", line)
            assert found, line
            yield process, found[1]
        finally:
            process.kill()


def send(url: str, credentials: str = "account:secret", *, count: int = 3) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        return ask(connection, "POST", IMPORT, ndjson(numbered(count)), {**HEADERS, **basic(credentials)}).status
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_sums_up(number: signal.Signals) -> None:
    with started() as (process, url):
        assert send(url) == 200
        assert send(url) == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=5)

    assert process.returncode == 0
    assert out == ""
    assert err == "mpimport-sandbox: stopped after 2 requests: 3 events stored, 3 duplicates, 0 refused\n"


def test_options_reach_the_sandbox(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-the-file\n")
    options = ("--secret-file", str(secret), "--username", "u", "--rate-events", "4", "--max-request-bytes", "999")
    with started(*options) as (process, url):
        statuses = [
            send(url, "u:from-the-file"),
            send(url, "u:other"),
            send(url, "u:from-the-file"),
            send(url, "u:from-the-file", count=30),
        ]
        process.terminate()
        _, err = process.communicate(timeout=5)

    assert statuses == [200, 401, 429, 413]
    assert "from-the-file" not in err


def test_faults_are_repeatable() -> None:
    def statuses() -> list[int]:
        with started("--fail", "503:0.5", "--fail", "404:0.2", "--seed", "7") as (_, url):
            return [send(url) for _ in range(30)]

    first = statuses()

    assert first == statuses()
    assert set(first) == {200, 404, 503}


@pytest.mark.parametrize(("flags", "other_status"), [((), 200), (("--check-credentials",), 401)])
def test_the_environment_restricts_only_when_asked(flags: tuple[str, ...], other_status: int) -> None:
    variables = {"MP_USERNAME": "u", "MP_SECRET": "hidden", "MP_PROJECT_ID": "1"}
    with started(*flags, env=variables) as (process, url):
        statuses = [send(url, "u:hidden"), send(url, "u:other")]
        process.terminate()
        _, err = process.communicate(timeout=5)

    assert statuses == [200, other_status]
    assert "hidden" not in err


def test_a_port_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [sys.executable, "-m", "mpimport.sandbox", "--port", str(port)],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=5,
            check=False,
        )

    assert run.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fail", "503"], "has no probability"),
        (["--fail", "503:often"], "has no probability"),
        (["--fail", "teapot:0.1"], "unknown fault"),
        (["--fail", "503:2"], "the probabilities of --fail must be from 0 to 1, and 1 at most together"),
        (["--fail", "503:nan"], "the probabilities of --fail must be from 0 to 1"),
        (["--username", ""], "--username is empty: give it a value, or leave it out to let in any"),
        (["--project-id", ""], "--project-id is empty"),
        (["--port", "65536"], "65536"),
        (["--port", "x"], "'x' is not a port: a whole number from 0 to 65535, of which 0 takes any that is free"),
        (["--latency", "-1"], "--latency must be from 0 to 86,400 seconds"),
        (["--latency", "inf"], "--latency must be from 0 to 86,400 seconds"),
        (["--slow", "nan"], "--slow must be from 0 to 86,400 seconds"),
        (["--rate-window", "inf"], "--rate-window must be from 0.001 to 86,400 seconds"),
        (["--latency", "soon"], "Invalid value for '--latency': 'soon' is not a number of seconds, such as 0.5"),
        (["--rate-bytes", "1e6"], "Invalid value for '--rate-bytes': '1e6' is not a whole number, such as 1000"),
        (["--max-request-bytes", "9" * 20], "--max-request-bytes must be from 1 to 1,000,000,000,000 bytes"),
        (["--secret-file", "nowhere"], "does not exist"),
        (["--secret-file", "empty"], "is empty"),
        (["--rate-events", "-1", "--rate-window", "0"], "--rate-events must be from 0 to"),
        (["--secret-file", "binary"], "cannot be read as text"),
        (["--token-file", "lines"], "lines holds several lines; it must hold the secret and nothing else, on one line"),
        (["--token-file", "events"], "events holds JSON, as a file of events does"),
        (["--api-secret-file", "long"], "long is too long"),
        (["--secret-file", "named"], "named says more than the secret: remove its name and the ="),
        (["--secret-file", "quoted"], "quoted holds the secret in quotes"),
        (["--secret-file", "spaced"], "spaced holds a space or a NUL"),
        (["--secret-file", "NUL"], "NUL holds a space or a NUL"),
        (["--check-credentials"], "finds none of"),
        (["--secret", "value"], "No such option"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff")
    files = {"lines": "event,time\nBuy,1\n", "events": '{"event": "x"}', "long": "x" * 1001, "NUL": "a\0b"}
    files |= {"named": "export MP_SECRET=hunter2", "quoted": "'hunter2'\n", "spaced": "hunter 2"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    for name in ("MP_SECRET", "MP_API_SECRET", "MP_TOKEN", "MP_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(cli.main, arguments)

    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "hunter" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "MP_SECRET=any mpimport FILE --url URL --project-id 1 --username any;"),
        (
            ["--username", "an importer", "--project-id", "9"],
            "MP_SECRET=any mpimport FILE --url URL --project-id 9 --username 'an importer';",
        ),
        (["--secret-file", "s"], "mpimport FILE --url URL --project-id 1 --username any --secret-file s;"),
        (["--api-secret-file", "s", "--project-id", "9"], "mpimport FILE --url URL --api-secret-file s;"),
        (["--token-file", "s"], "mpimport FILE --url URL --token-file s;"),
        (
            ["--check-credentials"],
            "mpimport FILE --url URL --project-id 7 --username u (with MP_SECRET as it is set for this sandbox);",
        ),
    ],
)
def test_the_command_to_try_works(options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("hunter2")
    (tmp_path / "events.ndjson").write_bytes(ndjson(numbered(2)))
    variables = {"MP_USERNAME": "u", "MP_SECRET": "hunter2", "MP_PROJECT_ID": "7"} if "--check" in str(options) else {}
    lines: list[str] = []
    with started(*options, env=variables, cwd=tmp_path, lines=lines) as (process, url):
        command = re.search("try: (.*?)( \\(with .*?\\))?; look", lines[0])
        assert command
        assert said in lines[0].replace(url, "URL").replace("events.ndjson", "FILE")
        run = subprocess.run(
            f"{command[1].replace('mpimport ', f'{sys.executable} -m mpimport ')} --no-checkpoint",
            shell=True,
            cwd=tmp_path,
            env=environment(variables | {"HOME": str(tmp_path)}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        process.terminate()
        process.communicate(timeout=5)

    assert run.returncode == 0, run.stderr
    assert "hunter2" not in lines[0]


def test_help_shows_every_fault() -> None:
    result = CliRunner().invoke(cli.main, ["--help"])

    assert result.exit_code == 0
    assert all(kind in result.output for kind in ("reset-after", "cut", "html", "garbage", "slow"))


def test_the_sandbox_imports_nothing_of_the_importer() -> None:
    imported: set[str] = set()
    for path in (ROOT / "mpimport" / "sandbox").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, path
                imported.add(node.module or "")

    ours = {name for name in imported if name.split(".")[0] == "mpimport"}
    assert {name for name in ours if not f"{name}.".startswith("mpimport.sandbox.")} == set()
    assert "mpimport.sandbox.rules" in ours
