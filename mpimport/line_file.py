"""Files that get lines appended: rejected and undelivered events. Made with their first line, for their owner alone.

Others may write to them, cut, move or remove them meanwhile: nothing of theirs is touched, and what of ours is lost is
written again, or told. Knows nothing of what the lines hold.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mpimport.private_files import open_private

_COPY_BYTES = 1 << 20
_STALLED_S = 30.0  # who reads a pipe and takes nothing for so long has hung
_MAX_OPEN = 64  # some systems allow a process 256 files (macOS), and the senders need theirs
_log = logging.getLogger(__name__)


class LineFiles:
    """Line files by their path, of which only so many are open that the system bears it."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._files: dict[Path, LineFile] = {}
        self._open: dict[Path, LineFile] = {}  # the one that was used last is the last
        self._problems: dict[Path, OSError] = {}

    @property
    def written(self) -> tuple[LineFile, ...]:
        """The files that got lines."""
        return tuple(file for file in self._files.values() if file.lines)

    def watch(self, path: Path) -> None:
        """Look after a file that earlier runs have written to, as after one of this run."""
        if len(self._open) < _MAX_OPEN:
            with suppress(OSError):  # it is told when there is something to write to it
                self._take(path).watch()

    def append(self, path: Path, lines: Sequence[bytes]) -> None:
        """Append lines to the file of that path. Raises OSError."""
        self._take(path).append(lines)

    def close(self) -> dict[Path, OSError]:
        """Close all; give what went wrong with which: some systems tell only now that they did not keep something."""
        for file in self._files.values():
            self._close(file)
        self._open.clear()
        return self._problems

    def _take(self, path: Path) -> LineFile:
        file = self._open.pop(path, None) or self._files.setdefault(path, LineFile(path))
        if len(self._open) >= _MAX_OPEN:
            self._close(self._open.pop(next(iter(self._open))))
        self._open[path] = file
        return file

    def _close(self, file: LineFile) -> None:
        try:
            file.close()
        except OSError as error:
            self._problems[file.path] = error


class LineFile:
    """A file that is made when the first line comes, appended to, and readable by its owner only.

    What is removed or moved away while it is open is written again; what is lost otherwise is noticed.
    """

    def __init__(self, path: Path) -> None:
        """Remember the path; nothing is opened yet."""
        self.path = path
        self.lines = 0
        self.held = 0  # bytes that were there before
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None  # of the file that was closed
        self._began = 0  # where the first line of ours stands
        self._end = 0  # where the last one ends
        self._torn = False  # a line of ours may lack its end
        self._stalled = False  # waited for once: not again for each of the batches that are under way

    def watch(self) -> None:
        """Open it if it is there, to write it again should it be removed. Raises OSError."""
        if self._descriptor is None and self.path.is_file():
            self._descriptor = _open(self.path)
            self.held = self._began = self._end = os.fstat(self._descriptor).st_size
            self._torn = True

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines, each with its newline, and hand them to the operating system before returning.

        All of them or none: when the disk is full, what was written of them is taken away again. Raises
        OSError when the file cannot be made or written, or when lines from before are lost.
        """
        if self._descriptor is None:
            self._open_again()
        else:
            self._look_after()
        descriptor = self._descriptor
        assert descriptor is not None
        before = os.fstat(descriptor).st_size
        data = b"".join([*self._line_end(), *lines])
        written = 0
        try:
            while written < len(data):
                written += _write(descriptor, memoryview(data)[written:], 0.0 if self._stalled else _STALLED_S)
        except OSError as error:
            self._torn = True
            self._stalled = error.errno == errno.EPIPE
            with suppress(OSError):
                if os.fstat(descriptor).st_size == before + written:  # else somebody else has added to it
                    os.ftruncate(descriptor, before)
            raise
        self.lines += len(lines)
        self._stalled = False
        self._end = os.fstat(descriptor).st_size

    def _open_again(self) -> None:
        """Open it; what was written before it was closed has to stand there yet. Raises OSError."""
        descriptor = self._descriptor = _open(self.path)
        status = os.fstat(descriptor)
        self._torn = True
        if self._identity is None:
            self.held = self._began = self._end = status.st_size
            return
        lost = self._end if self._identity != (status.st_dev, status.st_ino) else self._end - status.st_size
        self._identity = None
        if lost > 0 and stat.S_ISREG(status.st_mode):
            self._began = self._end = status.st_size
            raise _lost("removed it or cut it short", lost)

    def _line_end(self) -> list[bytes]:
        """End a line that somebody was killed in, or had no room for: it must not swallow the next one."""
        if not self._torn:
            return []
        self._torn = False
        with suppress(OSError), self.path.open("rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
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
            raise _lost("cut it short", missing)
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
        """Close the file, if it was made; more may be appended. Raises OSError when what was written is not in it."""
        if self._descriptor is not None:
            try:
                self._look_after()
            finally:
                descriptor, self._descriptor = self._descriptor, None
                status = os.fstat(descriptor)
                self._identity = status.st_dev, status.st_ino
                os.close(descriptor)
        elif self._identity is not None:
            with suppress(OSError):
                found = self.path.stat()
                if (found.st_dev, found.st_ino) == self._identity and found.st_size >= self._end:
                    return
            self._identity = None  # told once
            raise _lost("removed it or cut it short", self._end - self._began)


def _lost(what: str, nbytes: int) -> OSError:
    return OSError(f"somebody {what}: {nbytes:,} bytes are lost, which importing the same anew finds")


def _open(path: Path) -> int:
    """Open a file to append to; a regular one also to read, for it may have to be written again elsewhere."""
    if path.is_fifo():
        try:
            return open_private(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise OSError(errno.ENXIO, "nobody reads this pipe") from error
            raise
    if path.is_file() or not path.exists():
        with suppress(PermissionError):
            return open_private(path, os.O_RDWR | os.O_APPEND)
    return open_private(path, os.O_WRONLY | os.O_APPEND)


def _write(descriptor: int, data: memoryview, wait_s: float) -> int:
    """Write some of the data, and say how much. Raises OSError; also when it goes into a pipe that nobody empties."""
    try:
        return os.write(descriptor, data)
    except BlockingIOError:
        if not select.select((), (descriptor,), (), wait_s)[1]:
            raise OSError(errno.EPIPE, f"who reads this pipe has taken nothing for {_STALLED_S:.0f} seconds") from None
        return 0


def _copy(source: int, start: int, target: int) -> None:
    os.lseek(source, start, os.SEEK_SET)
    while data := os.read(source, _COPY_BYTES):
        rest = memoryview(data)
        while rest:
            rest = rest[_write(target, rest, _STALLED_S) :]
