"""Whether files can be written where they are to be, found out before anything is sent; nothing is left there.

Must not know what is written, or when.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mpimport.errors import UsageProblem

_FULL = {errno.ENOSPC, errno.EDQUOT}  # room may come, and it is told if not


def find_unwritable(paths: Iterable[Path], *, replaced: bool = False) -> Iterator[Path]:
    """Give those of the paths that cannot be written to, or, with `replaced`, not put in the place of what is there."""
    folders: dict[Path, bool] = {}
    for path in dict.fromkeys(paths):
        if path.is_dir() or path.is_socket() or path.is_block_device():
            yield path
        elif path.exists() and not replaced:
            if not os.access(path, os.W_OK):
                yield path
        else:
            folder = Path(os.path.realpath(path)).parent
            if folder not in folders:
                folders[folder] = _takes_files(folder)
            if not folders[folder]:
                yield path


def _takes_files(folder: Path) -> bool:
    """Whether a file can be made in a folder: tried, for permissions are not all that decides it (/proc, NFS)."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    from tempfile import TemporaryFile  # noqa: PLC0415  not needed for --help

    try:
        with TemporaryFile(dir=folder):  # without a name, where the system has such files
            return True
    except OSError as error:
        return error.errno in _FULL


@contextmanager
def hold_pipes(paths: Iterable[Path]) -> Iterator[None]:
    """Keep those of the paths that are named pipes open: who reads one ends when nobody has it open to write.

    Raises UsageProblem for those that nobody reads.
    """
    with ExitStack() as stack:
        problems: list[str] = []
        for path in dict.fromkeys(paths):
            if path.is_fifo():
                try:
                    stack.callback(os.close, os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                except OSError as error:
                    why = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
                    problems.append(f"{path}: {why}; start what reads it first, or name a file")
        if problems:
            raise UsageProblem(*problems)
        yield
