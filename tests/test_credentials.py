"""Where credentials come from: each kind from a file and from the environment, and a terminal that is asked."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running import command, environment, good_event, mpimport, ndjson, write_ndjson
from scripted_server import ScriptedServer

from mpimport import cli
from mpimport.credentials import MAX_SECRET_BYTES, gather

SECRET = "s3crét-of-the-test"
NOTHING = dict.fromkeys(("secret_file", "api_secret_file", "token_file", "token", "username", "project_id"))
ACCOUNT = {"MP_USERNAME": "me", "MP_PROJECT_ID": "1"}


def gathered(**given: Any) -> tuple[Any, list[str]]:
    problems: list[str] = []
    return gather({**NOTHING, "dry_run": False, "sandbox": False, **given}, problems), problems


@pytest.mark.parametrize(
    ("option", "variable", "shared", "sent"),
    [
        ("--secret-file", "MP_SECRET", ACCOUNT, f"me:{SECRET}"),
        ("--api-secret-file", "MP_API_SECRET", {}, f"{SECRET}:"),
        ("--token-file", "MP_TOKEN", {}, f"{SECRET}:"),
    ],
)
def test_each_kind_comes_from_a_file_before_the_environment(
    tmp_path: Path, option: str, variable: str, shared: dict[str, str], sent: str
) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    with ScriptedServer() as server:
        for options, text in (((option, "secret"), "another"), ((), SECRET)):
            ended = mpimport("e.ndjson", "--url", server.url, *options, cwd=tmp_path, env={**shared, variable: text})
            assert ended.code == 0, ended.err
            assert SECRET not in ended.err + ended.out

    headers = {request.headers["authorization"] for request in server.requests}
    assert [base64.b64decode(header.removeprefix("Basic ")).decode() for header in headers] == [sent]


@pytest.mark.parametrize("option", ["secret_file", "api_secret_file", "token_file"])
@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\ufeff{}\r\n", "  {}\t\n\n", "\n{}"])
def test_what_editors_put_around_a_secret_does_not_matter(tmp_path: Path, option: str, around: str) -> None:
    (tmp_path / "secret").write_text(around.format(SECRET), encoding="utf-8", newline="")
    credentials, problems = gathered(**{option: str(tmp_path / "secret")})

    assert problems == []
    assert getattr(credentials, option.removesuffix("_file")).reveal() == SECRET


@pytest.mark.parametrize("option", ["secret_file", "api_secret_file", "token_file"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: "),
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \r\n", "it is empty"),
        (f"{SECRET}\nsecond\n".encode(), "it holds 2 lines"),
        (SECRET.encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        (SECRET.encode("latin-1"), "it is not text"),
        (f"MP_SECRET={SECRET}\n".encode(), "it says MP_SECRET= before the secret"),
        (f"export MP_TOKEN={SECRET}\n".encode(), "it says export MP_TOKEN= before the secret"),
        (f"{SECRET}\n".encode() * MAX_SECRET_BYTES, "it is too long"),
    ],
)
def test_a_file_that_holds_something_else_is_told(
    tmp_path: Path, option: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    credentials, problems = gathered(**{option: str(path)})

    assert len(problems) == 1
    assert problems[0].startswith(f"--{option.replace('_', '-')} {path}: {words}")
    assert SECRET not in problems[0]
    assert getattr(credentials, option.removesuffix("_file")) is None


@pytest.mark.parametrize("place", ["variable", "file"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{SECRET}\nmore", "it holds 2 lines"),
        (f"'{SECRET}'", "the secret stands in quotes"),
        (f"secret {SECRET}", "a space stands in it"),
        (f"me:{SECRET}", "it holds a colon, as a user's name with the secret"),
        (f"x.1a2b.mp-service-account:{SECRET}", "it holds a colon"),
        (f"{SECRET}:", "it holds a colon"),
    ],
)
def test_more_than_a_secret_is_told_once_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str, text: str,
    words: str,
) -> None:  # fmt: skip
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text(f"\ufeff{text}\n", encoding="utf-8")
    Path("secret").chmod(0o600)
    if place == "variable":
        monkeypatch.setenv("MP_SECRET", f"\ufeff{text}\n")
    options = ["--secret-file", "secret"] if place == "file" else []
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "--username", "me", "--project-id", "1", *options])

    where = "--secret-file secret" if place == "file" else "MP_SECRET"
    told = capsys.readouterr().err
    assert end.value.code == 2
    first, *others = told.splitlines()
    assert first.partition(" ")[2].startswith(f"mpimport: {where}: {words}")
    assert others == ["Nothing was sent."]
    assert SECRET not in told


@pytest.mark.parametrize("text", [f"{SECRET}\n", f"\ufeff {SECRET}\r\n", "with:colon"])
def test_what_a_variable_has_around_a_secret_does_not_matter(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MP_SECRET", text)
    credentials, problems = gathered(username="me")

    assert problems == []
    assert credentials.secret.reveal() == text.strip("\ufeff \r\n")


@pytest.mark.parametrize("place", ["mpimport.toml", "config.toml", "environment", "command line"])
@pytest.mark.parametrize("option", ["secret-file", "token-file", "api-secret-file"])
@pytest.mark.parametrize("secret", ["hunter2", "hunter2/hunter2+hunter2==", "hunter2" * 100])
def test_a_secret_in_the_place_of_its_file_is_not_shown(
    tmp_path: Path, own_user_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    place: str, option: str, secret: str,
) -> None:  # fmt: skip
    from mpimport.config_file import user_file

    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    monkeypatch.chdir(tmp_path)
    if place.endswith("toml"):
        file = Path(place) if place == "mpimport.toml" else user_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'{option} = "{secret}"')
        file.chmod(0o600)
    elif place == "environment":
        monkeypatch.setenv(f"MPIMPORT_{option.upper().replace('-', '_')}", secret)
    with pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "-v", *([f"--{option}", secret] if place == "command line" else [])])

    told = capsys.readouterr().err
    assert end.value.code == 2
    assert f"--{option}: takes the path of a file, and no file has that name" in told
    assert "hunter2" not in told
    assert len(told.splitlines()) == 2


# A terminal.

needs_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")


@pytest.fixture
def terminal() -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run a command with standard error on a terminal, and type an answer there when something is asked."""
    import pty

    ours, theirs = pty.openpty()

    def run(
        arguments: list[str], cwd: Path, stdin: bytes, answer: str, *, controlling: bool = True, **env: str
    ) -> tuple[int, str, str]:
        attach = "import fcntl, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); " if controlling else ""
        code = f"{attach}from mpimport.cli import main; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        shown = bytearray()
        reader = threading.Thread(target=_converse, args=(ours, shown, answer), daemon=True)
        reader.start()
        out, _ = process.communicate(stdin, timeout=60)
        reader.join(10)
        return process.returncode, out.decode(), shown.decode()

    yield run
    os.close(ours)


def _converse(terminal: int, shown: bytearray, answer: str) -> None:
    answered = False
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody holds the other end any more
            return
        if not data:
            return
        shown += data
        if not answered and b"Secret of the service account" in shown:
            os.write(terminal, answer.encode())
            answered = True


@needs_terminals
def test_a_terminal_is_asked_while_events_come_from_a_pipe(
    tmp_path: Path, terminal: Callable[..., tuple[int, str, str]]
) -> None:
    with ScriptedServer() as server:
        arguments = ["-", "--url", server.url, "--json", "--no-progress"]
        events = ndjson([good_event(n) for n in range(10)])
        code, out, shown = terminal(arguments, tmp_path, events, f"{SECRET}\r\n", **ACCOUNT)

    assert code == 0, shown
    assert '"imported": 10' in out
    assert "Secret of the service account me: " in shown
    assert SECRET not in shown + out, "what is typed is not shown"
    header = server.requests[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(header).decode() == f"me:{SECRET}"


@needs_terminals
def test_where_nobody_can_be_asked_no_event_is_taken_for_a_secret(
    tmp_path: Path, terminal: Callable[..., tuple[int, str, str]]
) -> None:
    arguments = ["-", "--url", "http://127.0.0.1:9", "--no-progress"]
    code, _, shown = terminal(arguments, tmp_path, ndjson([good_event(1)]), "x\r\n", controlling=False, **ACCOUNT)

    assert code == 2
    assert "the service account's secret is missing" in shown
    assert "Secret of" not in shown


@needs_terminals
@pytest.mark.parametrize(
    ("options", "env", "code"),
    [
        (("--dry-run",), ACCOUNT, 0),
        (("--sandbox",), ACCOUNT, 0),
        ((), {"MP_USERNAME": "me"}, 2),
        ((), {"MP_API_SECRET": "x", "MP_PROJECT_ID": "x"}, 2),
        (("--workers", "0", "--secret-file", "nowhere"), ACCOUNT, 2),
    ],
)
def test_nobody_is_asked_in_vain(
    tmp_path: Path,
    terminal: Callable[..., tuple[int, str, str]],
    options: tuple[str, ...],
    env: dict[str, str],
    code: int,
) -> None:
    ended, _, shown = terminal(["-", *options, "--no-progress"], tmp_path, ndjson([good_event(1)]), "typed\r\n", **env)

    assert ended == code, shown
    assert "Secret of" not in shown


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        command("-", "--url", "http://127.0.0.1:9"),
        cwd=tmp_path, env=environment(ACCOUNT), input=ndjson([good_event(1)]), capture_output=True, check=False,
        timeout=60,
    )  # fmt: skip

    assert done.returncode == 2
    assert b"secret is missing" in done.stderr
