"""One sandbox for a file: a lock beside it that dies with its process. Knows nothing of what is in the file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from mpimport.sandbox.store import FileProblem


class Claim:
    """The lock of one file, held until `release`."""

    def __init__(self, path: Path) -> None:
        """Take it at once. FileProblem: another sandbox has it; FileProblem or OSError: there can be none."""
        path = path.resolve()  # by whatever name or link it is called
        path.parent.stat()  # filelock would make the folder
        self._place = path.with_name(f"{path.name}.lock")
        if self._place.exists() and (not self._place.is_file() or self._place.stat().st_size):
            raise FileProblem(f"{path} cannot be used: {self._place} would be its lock, and holds something else")
        self._lock = FileLock(self._place, timeout=0, mode=0o600, thread_local=False)  # let go by any thread
        try:
            self._lock.acquire()
        except Timeout:
            os.close(os.open(self._place, os.O_WRONLY | os.O_CREAT, 0o600))  # filelock says so where none can be, too
            raise FileProblem(
                f"{path} is in use: another mpimport-sandbox keeps what arrives in it (it holds {self._place});"
                " stop that one, or name another file"
            ) from None
        except NotImplementedError as error:
            raise FileProblem(f"{self._place} cannot be locked: {error}; keep the file on a local disk") from error

    def release(self) -> None:
        """Let another sandbox have the file."""
        if os.name == "posix":
            with suppress(OSError):
                self._place.unlink()  # before the release: who does not wait cannot have it then
        self._lock.release()
