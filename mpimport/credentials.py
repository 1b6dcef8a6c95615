"""Owns where credentials come from: options, files, the environment, and a terminal that is asked.

Must not know click, or how credentials are used. A secret is never quoted.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mpimport.endpoints import ENDPOINTS
from mpimport.settings import Credentials, Secret

MAX_SECRET_BYTES = 65_536  # of a file that is read for a secret: a wrong file may be large, or endless
MAX_SECRET_CHARS = 1000  # ours: those of Mixpanel have 32
VARIABLES = {"--secret-file": "MP_SECRET", "--api-secret-file": "MP_API_SECRET", "--token-file": "MP_TOKEN"}
NOTHING_ELSE = "it must hold the secret and nothing else, on one line"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def gather(
    given: Mapping[str, Any], problems: list[str], *, ignored: Collection[str] = (), doubted: Collection[str] = ()
) -> Credentials:
    """Gather what proves who sends: files come before the environment, and a terminal is asked last.

    `ignored` are variables that count as not set; `doubted` are options whose path, where it leads nowhere, may be the
    secret itself.
    """
    username, project_id = given["username"], given["project_id"]
    found: list[str] = []

    def read(option: str, variable: str) -> Secret | None:
        path = given[option.replace("-", "_")]
        if path is not None:
            return _from_file(f"--{option}", path, username, found, doubted=option in doubted)
        return None if variable in ignored else _from_variable(variable, username, found)

    secret, api_secret = read("secret-file", "MP_SECRET"), read("api-secret-file", "MP_API_SECRET")
    token = Secret(given["token"]) if given["token"] else None
    if given["token_file"]:
        token = read("token-file", "")
    problems.extend(found)
    # Without the project the run is refused anyway, and nobody likes to type in vain.
    needed = username and project_id and not secret and not given["secret_file"] and not problems
    if needed and not _needless(given) and _can_ask():
        with suppress(EOFError):
            secret = Secret(getpass.getpass(f"Secret of the service account {username}: ", stream=sys.stderr).strip())
    return Credentials(
        project_id=project_id,
        username=username,
        secret=secret,
        api_secret=api_secret,
        token=token,
        secret_file=given["secret_file"],
        unusable=bool(found),
    )


def _needless(given: Mapping[str, Any]) -> bool:
    return bool(given["dry_run"] or given["sandbox"] or ENDPOINTS[given["endpoint"]].token_in_events)


def _can_ask() -> bool:
    """Whether there is somebody to ask, and an answer would not be taken from the events on standard input."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    if os.name == "nt" or (sys.stdin is not None and sys.stdin.isatty()):
        return True  # on Windows the console is asked, whatever standard input is
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:  # getpass would read a line of standard input instead
        return False
    return True


def _from_variable(variable: str, username: str | None, found: list[str]) -> Secret | None:
    text = os.environ.get(variable, "")
    if not text.strip():
        return None
    try:
        return Secret(_only_line(text, username))
    except ValueError as error:
        found.append(f"{variable}: {error}; {NOTHING_ELSE}")
    return None


def _from_file(option: str, path: str, username: str | None, found: list[str], *, doubted: bool) -> Secret | None:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES)
    except (OSError, ValueError) as error:  # a ValueError: no path can hold that
        if doubted and not _is_there(path):
            why = "no file has that name, which is not shown, for it may be the secret itself"
            found.append(f"{option}: takes the path of a file, and {why}; put that into one{_or_variable(option)}")
        else:
            why = getattr(error, "strerror", None) or "no path can hold that"
            found.append(f"{option} {path}: cannot be read: {why}; check the path")
        return None
    try:
        return Secret(_only_line(_text(content), username))
    except ValueError as error:
        found.append(f"{option} {path}: {error}; {NOTHING_ELSE}")
    return None


def _is_there(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


def _or_variable(option: str) -> str:
    variable = VARIABLES.get(option)
    return f", or set {variable}" if variable else ""


def _text(content: bytes) -> str:
    """Give the text of a file. ValueError: it holds something else, or more than a secret."""
    if content.startswith(UTF16_MARKS):  # as the shell of Windows writes with `>`
        raise ValueError("it is UTF-16 text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if b"\0" in content:
        raise ValueError("it is not text")
    if len(content) == MAX_SECRET_BYTES:
        raise ValueError("it is too long")
    return text


def _only_line(text: str, username: str | None) -> str:
    """Give a text without what editors put around it. ValueError: it holds more than a secret."""
    lines = text.removeprefix("\ufeff").strip().splitlines()
    if not lines:
        raise ValueError("it is empty")
    if len(lines) > 1:
        raise ValueError(f"it holds {len(lines)} lines")
    if wrapping := _find_wrapping(lines[0], username):
        raise ValueError(wrapping)
    return lines[0]


def _find_wrapping(line: str, username: str | None) -> str | None:
    """Tell of what stands around a secret, as copied from a shell's or a container's settings."""
    try:
        line.encode()
    except UnicodeEncodeError:  # of a variable that is no UTF-8
        return "it is not UTF-8 text"
    name, equals, _ = line.partition("=")
    if equals and name.strip().removeprefix("export ") in {"MP_SECRET", "MP_API_SECRET", "MP_TOKEN"}:
        return f"it says {name.strip()}= before the secret"
    if line[0] in "{[":
        return "it holds JSON, as a file of events does"
    if len(line) > MAX_SECRET_CHARS:
        return "it is too long"
    if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"":
        return "the secret stands in quotes"
    user, colon, rest = line.partition(":")
    if colon and (user == username or not username or not rest or user.endswith(".mp-service-account")):
        return "it holds a colon, as a user's name with the secret for curl -u does"
    if re.search(r"\s", line):
        return "a space stands in it"
    return None
