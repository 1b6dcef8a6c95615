"""The words for a file that cannot be read, and what was probably meant. Knows nothing of what is in files."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

_ELSEWHERE = {
    "http": "curl -fsS {} | mpimport -",
    "https": "curl -fsS {} | mpimport -",
    "ftp": "curl -fsS {} | mpimport -",
    "s3": "aws s3 cp {} - | mpimport -",
    "gs": "gsutil cat {} | mpimport -",
}
"""What gives to standard input what is at an address, by its scheme."""
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_NEAR = 0.75  # of difflib's ratio: `evnts.ndjson` is near to `events.ndjson`, `users.csv` is not
_COMMANDS = re.compile("import|upload|send|load")  # of other tools
_EXTENSIONS = (".ndjson", ".jsonl", ".json", ".csv", ".tsv")


def word_elsewhere(name: str) -> str | None:
    """Say what to do for what is no file: an empty name, or an address, of which what may be secret is not repeated."""
    if not name:
        return "'': the name of a source is empty; is a variable of the shell not set? (- is standard input)"
    address = _ADDRESS.match(name)
    if address is None or os.path.lexists(name):
        return None
    shown = re.sub(r"//[^/@]*@", "//", re.split("[?#]", name)[0])
    if (scheme := address[1].lower()) == "file":
        return f"{shown}: only files of this machine are read, by their path: name {shown[len('file://') :]}"
    way = _ELSEWHERE.get(scheme, "COMMAND | mpimport -").format("URL" if shown != name else shlex.quote(name))
    return f"{shown}: only files of this machine are read; run {way}, or fetch it first (so that an import can go on)"


def word_unreadable(name: str, error: Exception) -> str:
    """Say why a file that somebody named cannot be read, and what to do."""
    if isinstance(error, FileNotFoundError):
        return f"{name}: no such file; {_mend_name(name)}"
    if isinstance(error, PermissionError):
        return f"{name}: permission denied; make it readable for this user"
    if isinstance(error, IsADirectoryError):
        return f"{name}: is a directory; name its files: '{Path(name) / _usual_pattern(name)}'"
    return f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}; check the file"


def word_gone(name: str, error: Exception) -> str:
    """Say why a file cannot be read that could be when the run began: its name was the right one."""
    if isinstance(error, FileNotFoundError):
        return f"{name}: was there when the run began, and is gone; put it back, and run the same command again"
    return word_unreadable(name, error)


def _mend_name(name: str) -> str:
    path = Path(name)
    if name.isdecimal():
        return f"if it is the project's number, give --project-id {name}"
    if _COMMANDS.fullmatch(name):
        return "there are no commands, only files to import: leave it out"
    if advice := _unlike_a_path(name):
        return advice
    if near := get_close_matches(path.name, _names(path.parent), n=1, cutoff=_NEAR):
        return f"did you mean {path.parent / near[0]}?"
    return "check the name and the working directory"


def _unlike_a_path(name: str) -> str:
    """Say what to do about what a shell, or a path of another system, has made of names."""
    if name.startswith("~"):
        return "within quotes ~ is not the name of your folder: leave the quotes out"
    if re.search(r"\$\w|\$\{|%\w+%", name):
        return "within '...' the name of a variable stays as it is: leave the quotes out, or take \"...\""
    if os.sep == "/" and "\\" in name:
        return "names of folders are parted by / here, not by \\: check the path"
    for mark in (",", " "):
        parts = [part for part in name.split(mark) if part]
        if len(parts) > 1 and all(map(os.path.exists, parts)):
            return f"name each file by itself: {' '.join(map(shlex.quote, parts))}"
    if name.lower() in {"us", "eu", "in"}:
        return f"if it is the region, give --region {name.lower()}"
    return ""


def _usual_pattern(folder: str) -> str:
    """Give a glob for the most frequent kind of files in a folder that events are read from."""
    suffixes = Counter(Path(name.removesuffix(".gz")).suffix for name in _names(Path(folder)))
    known = [suffix for suffix, _ in suffixes.most_common() if suffix in _EXTENSIONS]
    return f"*{known[0] if known else '.ndjson'}"


def _names(folder: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone
    return []
