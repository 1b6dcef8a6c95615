"""The checkpoint as a value, and its file: versioned, replaced as a whole, readable by its owner only.

A reader finds either the file before or the file after, whatever happens in between. Knows neither batches nor
what the values are compared with.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from mpimport.fingerprint import Fingerprint
from mpimport.mark import Ranges
from mpimport.private_files import NEW, find_meddler, write_whole

VERSION = 1
_MARK = b'{"mpimport_checkpoint":'  # how each of our files begins, of whatever version
LOCK = ".lock"  # added to the name of the file for that of its lock


class SourceState(Struct, frozen=True):
    """One source: what it looked like, and which of its records are settled.

    `ended`: the bytes it had when it was read to its end, and the number after its last record; None before that.
    `columns`: the kinds of a table's columns that are not just text, as decided from the first rows that there were.
    `open_end`: the bytes up to its end, and the first record there that may go on in what is added to the file;
    `open_rejected`: how many rejects from there on are settled, `open_rejects`: the first of them, by their digests.
    """

    path: str
    name: str
    fingerprint: Fingerprint
    settled: Ranges = ()
    ended: tuple[int, int] | None = None
    columns: Mapping[str, str] | None = None
    open_end: tuple[int, int] | None = None
    open_rejected: int = 0
    open_rejects: tuple[str, ...] = ()


class RejectedFile(Struct, frozen=True):
    """A rejected-events file: rejects of records that are not settled can only stand from `scan_from` on."""

    scan_from: int
    lines: int = 0


class State(Struct, frozen=True):
    """All that the next run has to know. `imported` and `rejected` are of settled batches only.

    `account` tells projects apart whose number is not known; it is a digest. `rejects`: the rejected-events
    files by their absolute path. `reopened`: rejects that stand there, by their digests, of records that were settled
    and are read again, for their source has grown. `orderly`: the run ended by itself, so nothing else stands there
    that is not settled.
    """

    destination: str
    account: str
    settings: dict[str, str]
    sources: tuple[SourceState, ...]
    imported: int = 0
    rejected: int = 0
    rejects: dict[str, RejectedFile] = {}
    reopened: tuple[str, ...] = ()
    orderly: bool = False


class _File(Struct, frozen=True):
    mpimport_checkpoint: int
    state: State


class _AnyVersion(Struct):
    mpimport_checkpoint: int


class Unusable(Exception):
    """The file is there, and is no checkpoint that can be used; the message says why. `ours`: mpimport wrote it."""

    def __init__(self, message: str, *, ours: bool) -> None:
        super().__init__(message)
        self.ours = ours


def name_of(destination: str, account: str, sources: tuple[str, ...]) -> str:
    """Name the file of an import by where to and where from (absolute paths, in any order)."""
    text = "\0".join((destination, account, *sorted(sources)))
    return f"{sha256(text.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def text_of(path: Path) -> str:
    """Write a path for the checkpoint: absolute, and text whatever bytes it has."""
    name = os.path.abspath(path)  # noqa: PTH100 - a symbolic link is kept: what it leads to may be another day's
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def derived(path: Path) -> tuple[Path, Path]:
    """Give the names beside a checkpoint that are used with it: of the lock, and of the file that is being written."""
    return path.with_name(path.name + LOCK), path.with_name(path.name + NEW)


def find_obstacle(path: Path) -> str | None:
    """Say why a checkpoint cannot be kept at a place that the user named: something else is there, or beside it."""
    try:
        if not path.name:
            return "is no name of a file"
        if path.exists() and not path.is_file():
            return "is no regular file"
        lock, new = derived(path)
        if lock.exists() and (not lock.is_file() or lock.stat().st_size):
            return f"cannot be kept: {lock} would be its lock, and holds something else"
        if new.exists() and not (new.is_file() and _is_ours(new)):
            return f"cannot be kept: {new} would be written on the way, and holds something else"
    except OSError as error:
        return f"cannot be kept: {error.strerror or error}"
    return None


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) in (b"", _MARK)


def load(path: Path) -> State | None:
    """Read a checkpoint; None when there is none yet. Raises Unusable."""
    try:
        if meddler := find_meddler(path):
            raise Unusable(f"cannot be trusted: {meddler}", ours=False)
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"cannot be read: {error.strerror or error}", ours=False) from error
    if not data:  # a disk that lost power; to begin anew without a word would write rejects twice
        raise Unusable("is empty: how far an import came is not written in it", ours=True)
    ours = data.startswith(_MARK)
    try:
        version = msgspec.json.decode(data, type=_AnyVersion).mpimport_checkpoint
        if version == VERSION:
            return msgspec.json.decode(data, type=_File).state
    except msgspec.MsgspecError as error:
        raise Unusable("is damaged" if ours else "is no checkpoint", ours=ours) from error
    raise Unusable(f"was written by another version of mpimport (form {version}, not {VERSION})", ours=ours)


def save(path: Path, state: State) -> None:
    """Write a checkpoint in the place of what is there, and make sure that it survives a power cut. Raises OSError."""
    write_whole(path, msgspec.json.encode(_File(VERSION, state)))
    sync(path.parent)


def sync(path: Path) -> None:
    """Make sure that a file, or what is in a folder, survives a power cut, where the system can do that."""
    with suppress(OSError):  # no folder can be opened on Windows; what is gone needs none
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Take a checkpoint away, and what a run that was killed left of the next one. Raises OSError."""
    for one in (path, path.with_name(path.name + NEW)):
        one.unlink(missing_ok=True)
