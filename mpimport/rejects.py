"""The rejected-events file: NDJSON, one line a reject, appended to, and read again by `unwrap`.

Made only when something is rejected, readable by its owner alone, because it holds people's data. Knows
nothing of why an event was rejected.
"""

from __future__ import annotations

import base64
import logging
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from mpimport.private_files import open_private
from mpimport.records import Reject


class _Reason(Struct, omit_defaults=True):
    code: str
    field: str | None = None
    message: str = ""


class _Envelope(Struct, forbid_unknown_fields=True):
    """One line of the file. `event`, `raw` or `raw_base64` is there, as the README describes.

    No other name is, so that a flat event which happens to hold these is still an event.
    """

    source: str
    line: int
    by: Literal["client", "server"]
    reasons: list[_Reason]
    event: Raw | UnsetType = UNSET
    raw: str | UnsetType = UNSET
    raw_base64: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Envelope).decode
_MARK = b'"reasons"'
_COPY_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def line_of(reject: Reject) -> bytes:
    """Write a reject as one line of the file, with its newline."""
    reasons = [_Reason(reason.code, reason.field, reason.message) for reason in reject.reasons]
    envelope = _Envelope(reject.source, reject.number, reject.by, reasons)
    if reject.event is not None:
        envelope.event = Raw(reject.event)
    elif reject.raw is not None:
        try:
            envelope.raw = reject.raw.decode()
        except UnicodeDecodeError:
            envelope.raw_base64 = base64.b64encode(reject.raw).decode()
    try:
        return _encode(envelope) + b"\n"
    except UnicodeEncodeError:  # half a character, from a name or a value: "?" takes its place
        envelope.source = _encodable(envelope.source)
        for reason in envelope.reasons:
            reason.field, reason.message = reason.field and _encodable(reason.field), _encodable(reason.message)
        return _encode(envelope) + b"\n"


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def unwrap(text: bytes) -> bytes | None:
    """Take the record out of a line of a rejected-events file; None when the text is no such line.

    A record that could not be parsed comes back as it stood, or as the user has mended it.
    """
    if _MARK not in text:
        return None
    try:
        envelope = _decode(text)
        if isinstance(envelope.event, Raw):
            return bytes(envelope.event)
        if isinstance(envelope.raw, str):
            return envelope.raw.encode()
        if isinstance(envelope.raw_base64, str):
            return base64.b64decode(envelope.raw_base64, validate=True)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None


def place_of(line: bytes) -> tuple[str, int] | None:
    """Give the source and the record number that a line of the file is about; None when it is no such line."""
    try:
        envelope = _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return envelope.source, envelope.line


class LineFile:
    """A file that is made when the first line comes, appended to, and readable by its owner only.

    What is removed or moved away in the meantime is written again; what is cut short is noticed.
    """

    def __init__(self, path: Path) -> None:
        """Remember the path; nothing is opened yet."""
        self.path = path
        self.lines = 0
        self._descriptor: int | None = None
        self._began = 0  # where the first line of ours stands
        self._end = 0  # where the last one ends

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines, each with its newline, and hand them to the operating system before returning.

        All of them or none: when the disk is full, what was written of them is taken away again. Raises
        OSError when the file cannot be made or written.
        """
        if self._descriptor is None:
            self._descriptor = _open(self.path)
            self._began = self._end = os.fstat(self._descriptor).st_size
            lines = [*self._line_end(), *lines]
        else:
            self._look_after()
        before = os.fstat(self._descriptor).st_size
        rest = memoryview(b"".join(lines))
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise
        self.lines += sum(line != b"\n" for line in lines)
        self._end = os.fstat(self._descriptor).st_size

    def _line_end(self) -> list[bytes]:
        """End a line that a run before this one was killed in: it must not swallow the next one."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return [] if file.read(1) == b"\n" else [b"\n"]
        return []

    def _look_after(self) -> None:
        """Make sure that what was written still stands in the file of that name. Raises OSError when it is lost."""
        descriptor = self._descriptor
        assert descriptor is not None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        if status.st_size < self._end:
            missing = self._end - status.st_size
            self._end = status.st_size  # told once
            raise OSError(f"somebody cut it short: {missing:,} bytes are lost, which importing the same anew finds")
        with suppress(OSError):
            if os.path.samestat(self.path.stat(), status):
                return
        self._descriptor = _open(self.path)
        removed, start = status.st_nlink == 0, os.fstat(self._descriptor).st_size
        _log.warning(
            "the rejected-events file %s was %s; it is written again", self.path, "removed" if removed else "moved"
        )
        try:
            _copy(descriptor, 0 if removed else self._began, self._descriptor)
        finally:
            os.close(descriptor)
        self._began, self._end = start, os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Close the file, if it was made. Raises OSError when what was written is not in it."""
        if self._descriptor is not None:
            try:
                self._look_after()
            finally:
                descriptor, self._descriptor = self._descriptor, None
                os.close(descriptor)


def _open(path: Path) -> int:
    """Open a file to append to; a regular one also to read, for it may have to be written again elsewhere."""
    if path.is_file() or not path.exists():
        with suppress(PermissionError):
            return open_private(path, os.O_RDWR | os.O_APPEND)
    return open_private(path, os.O_WRONLY | os.O_APPEND)


def _copy(source: int, start: int, target: int) -> None:
    os.lseek(source, start, os.SEEK_SET)
    while data := os.read(source, _COPY_BYTES):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(target, rest) :]
