"""Owns where credentials come from: options, files, the environment, and a terminal that is asked.

Must not know click, or how credentials are used. A secret is never quoted.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mpimport.endpoints import ENDPOINTS
from mpimport.settings import Credentials, Secret

MAX_SECRET_BYTES = 65_536  # of a file that is read for a secret: a wrong file may be large, or endless
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def gather(given: Mapping[str, Any], problems: list[str]) -> Credentials:
    """Gather what proves who sends: files come before the environment, and a terminal is asked last."""
    secret = _secret("--secret-file", given["secret_file"], "MP_SECRET", problems)
    api_secret = _secret("--api-secret-file", given["api_secret_file"], "MP_API_SECRET", problems)
    token = Secret(given["token"]) if given["token"] else None
    if given["token_file"]:
        token = _secret("--token-file", given["token_file"], "", problems)
    username, project_id = given["username"], given["project_id"]
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


def _secret(option: str, path: str | None, variable: str, problems: list[str]) -> Secret | None:
    if path is None:
        lines = os.environ.get(variable, "").strip().splitlines()
        if len(lines) > 1:
            problems.append(f"{variable}: it holds {len(lines)} lines; it must hold the secret and nothing else")
        elif lines and (wrapping := _find_wrapping(lines[0])):
            problems.append(f"{variable}: {wrapping}; it must hold the secret and nothing else")
        return Secret(lines[0]) if len(lines) == 1 else None
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES)
        return Secret(_only_line(content))
    except OSError as error:
        if re.fullmatch(r"[A-Za-z0-9]{32}", path):  # the shape of secrets and tokens: not to be shown
            problems.append(f"{option}: takes the path of a file that holds the secret; is that the secret itself?")
        else:
            problems.append(f"{option} {path}: cannot be read: {error.strerror}; check the path")
    except ValueError as error:
        problems.append(f"{option} {path}: {error}; it must hold the secret and nothing else, on one line")
    return None


def _only_line(content: bytes) -> str:
    """Give the text of a file without what editors put around it. ValueError: there is not exactly one line."""
    if content.startswith(UTF16_MARKS):  # as the shell of Windows writes with `>`
        raise ValueError("it is UTF-16 text; save it as UTF-8")
    try:
        lines = content.decode("utf-8-sig").strip().splitlines()
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if b"\0" in content:
        raise ValueError("it is not text")
    if not lines:
        raise ValueError("it is empty")
    if len(lines) > 1:
        raise ValueError(f"it holds {len(lines)} lines" if len(content) < MAX_SECRET_BYTES else "it is too long")
    if wrapping := _find_wrapping(lines[0]):
        raise ValueError(wrapping)
    return lines[0]


def _find_wrapping(line: str) -> str | None:
    """Tell of what stands around a secret, as copied from a shell's or a container's settings."""
    name, equals, _ = line.partition("=")
    if equals and name.strip().removeprefix("export ") in {"MP_SECRET", "MP_API_SECRET", "MP_TOKEN"}:
        return f"it says {name.strip()}= before the secret"
    if len(line) > 1 and line[0] == line[-1] and line[0] in "'\"":
        return "the secret stands in quotes"
    return None
