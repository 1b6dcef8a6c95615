"""The command `mpimport-sandbox`: options to a configuration, signals, one line at either end."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from mpimport.sandbox import hint
from mpimport.sandbox.config import FAULT_KINDS, SandboxConfig, is_fault_kind
from mpimport.sandbox.server import Sandbox
from mpimport.sandbox.store import FileProblem

_NAMES = {"username": "MP_USERNAME", "project_id": "MP_PROJECT_ID"}
_MAX_SECRET_BYTES = 65_536  # ours: a wrong file may be large, or endless
_MAX_SECRET_CHARS = 1000  # ours: those of Mixpanel have 32
_MAX_PORT = 65535
_SECRET_FILE = click.Path(exists=True, dir_okay=False, allow_dash=False, path_type=Path)


def _read_faults(
    _context: click.Context, _parameter: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    """Read `503:0.1`, as often as it was given."""
    faults = []
    for value in values:
        kind, _, text = value.partition(":")
        if not is_fault_kind(kind):
            kinds = ", ".join(FAULT_KINDS)
            raise click.BadParameter(f"unknown fault {kind!r}: a status from 400 to 599, or {kinds}")
        try:
            faults.append((kind, float(text)))
        except ValueError as error:
            raise click.BadParameter(f"{value!r} has no probability: such as {kind}:0.1") from error
    return tuple(faults)


class _FileProblem(click.ClickException):
    exit_code = 2


class _CannotListen(click.ClickException):
    exit_code = 2


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= _MAX_PORT):
        raise click.BadParameter(
            f"{text!r} is not a port: a whole number from 0 to {_MAX_PORT}, of which 0 takes any that is free"
        )
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a number of seconds, such as 0.5") from error


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not a whole number, such as 1000") from error


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--port", metavar="N", type=_port, default="8080", help="Port on 127.0.0.1; 0 takes any.")
@click.option(
    "--latency", "latency_s", metavar="S", type=_seconds, default=0.0, help="Seconds that each reply is late."
)
@click.option(
    "--rate-events",
    "max_events_per_window",
    metavar="N",
    type=_count,
    default=0,
    help="Events let in within --rate-window, more is 429; 0 is no limit.",
)
@click.option(
    "--rate-bytes",
    "max_bytes_per_window",
    metavar="N",
    type=_count,
    default=0,
    help="The same in bytes, uncompressed; 0 is no limit.",
)
@click.option(
    "--rate-window",
    "window_s",
    metavar="S",
    type=_seconds,
    default=60.0,
    help="Seconds of the window that both limits roll on.",
)
@click.option(
    "--fail",
    "faults",
    metavar="KIND:PROBABILITY",
    multiple=True,
    callback=_read_faults,
    help=f"Fail at random, such as 503:0.1. Kinds: a status from 400 to 599, {', '.join(FAULT_KINDS)}.",
)
@click.option("--slow", "slow_s", metavar="S", type=_seconds, default=1.0, help="Seconds that the fault 'slow' takes.")
@click.option("--seed", metavar="N", type=_count, default=0, help="Another number brings the faults in another order.")
@click.option(
    "--max-request-bytes",
    metavar="N",
    type=_count,
    default=10 * 1024 * 1024,
    help="Bytes of a request, uncompressed; more is 413.",
)
@click.option("--keep-events", metavar="N", type=_count, default=1_000_000, help="Events kept for GET /events.")
@click.option(
    "--store",
    metavar="FILE.db",
    type=click.Path(dir_okay=False, allow_dash=False, path_type=Path),
    help="Keep everything in this SQLite file, and go on from what it holds.",
)
@click.option("--project-id", metavar="ID", help="Let in only this project.")
@click.option("--username", metavar="NAME", help="Let in only this service account.")
@click.option("--secret-file", type=_SECRET_FILE, help="File with the service account's secret to let in.")
@click.option("--api-secret-file", type=_SECRET_FILE, help="File with the project secret to let in.")
@click.option("--token-file", type=_SECRET_FILE, help="File with the project token to let in.")
@click.option(
    "--check-credentials",
    is_flag=True,
    help=f"Let in only the credentials of the environment: {', '.join([*_NAMES.values(), *hint.SECRETS.values()])}.",
)
def main(port: int, *, check_credentials: bool, **options: Any) -> None:
    """Run a local stand-in of the ingestion API, on 127.0.0.1 only.

    By default it lets in any credentials. No option takes a secret's value: secrets come from files,
    or with --check-credentials from the environment. A web browser shows what arrived; so do GET /stats, /events,
    /profiles and /refused.
    """
    for name in _NAMES:
        if options[name] == "":
            raise click.UsageError(
                f"--{name.replace('_', '-')} is empty: give it a value, or leave it out to let in any"
            )
    files = {name: options.pop(f"{name}_file") for name in hint.SECRETS}
    options |= {name: _read_secret(path) for name, path in files.items() if path is not None}
    if check_credentials:
        _add_environment(options, os.environ)
    try:
        config = SandboxConfig(**options)
    except ValueError as error:
        raise click.UsageError(_by_options(str(error))) from error
    _serve(config, port, files)


def _serve(config: SandboxConfig, port: int, files: Mapping[str, Path | None]) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Sandbox(config, port) as sandbox:
            click.echo(_welcome(sandbox.url, hint.word(sandbox.url, config, files)), err=True)
            while not stop.wait(60):  # an endless wait cannot be interrupted on Windows
                pass
    except FileProblem as problem:
        raise _FileProblem(str(problem)) from problem
    except OSError as error:
        raise _CannotListen(f"cannot listen on 127.0.0.1:{port}: {error.strerror}; try --port 0") from error
    click.echo(_summary(sandbox.stats()) + _find_log(config.store), err=True)


def _read_secret(path: Path) -> str:
    try:
        with path.open("rb") as file:
            secret = file.read(_MAX_SECRET_BYTES).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read as text") from error
    if problem := _find_no_secret(secret):
        raise click.UsageError(f"{path} {problem}; it must hold the secret and nothing else, on one line")
    return secret


def _find_no_secret(text: str) -> str | None:
    """Say why a text is no secret that an importer could send: it is some other file."""
    if not text:
        return "is empty"
    if text[0] in "{[":
        return "holds JSON, as a file of events does"
    if len(text) > _MAX_SECRET_CHARS:
        return "is too long"
    if len(text.splitlines()) > 1:
        return "holds several lines"
    if re.match(r"(?:export )?MP_\w+ ?=", text):
        return "says more than the secret: remove its name and the ="
    if re.search(r"[\s\0]", text):
        return "holds a space or a NUL"
    return "holds the secret in quotes" if text[0] == text[-1] and text[0] in "'\"" else None


def _by_options(problems: str) -> str:
    """Word what is wrong with a configuration for those who gave options."""
    for option in main.params:
        problems = re.sub(rf"\b{option.name}\b", option.opts[0], problems) if "_" in str(option.name) else problems
    return problems.replace("the faults", "--fail")


def _add_environment(options: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Take the credentials from the environment where no option gives them."""
    for name, variable in (_NAMES | hint.SECRETS).items():
        if options.get(name) is None:
            options[name] = environment.get(variable) or None
    if all(options.get(name) is None for name in ("username", *hint.SECRETS)):
        raise click.UsageError(f"--check-credentials finds none of {', '.join(hint.SECRETS.values())} set")


def _welcome(url: str, command: str) -> str:
    return (
        f"mpimport-sandbox: listening on {url}; try: {command};"
        f" look: open {url} in a web browser, or curl {url}/stats; stop: Ctrl-C"
    )


def _summary(stats: Mapping[str, Any]) -> str:
    return (
        f"mpimport-sandbox: stopped after {stats['requests']} requests: {stats['stored']} events stored,"
        f" {stats['duplicates']} duplicates, {stats['refused']} refused"
    )


def _find_log(store: Path | None) -> str:
    """Say where the latest is as long as another program has the file open, which keeps its log beside it."""
    log = Path(f"{store.resolve()}-wal") if store else None
    if not log or not log.exists():
        return ""
    return f"; another program has {store} open: copy or move it with {log.name} until that has ended"
