"""A regular file that changes while it is read: the end that comes too early, the name that means another file now.

Knows neither what the bytes mean nor who reads them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from mpimport.errors import BrokenInput

_log = logging.getLogger(__name__)


def watch(
    name: str, file: FileIO, path: Path, size: int | None, heed: Callable[[], None] = lambda: None
) -> Callable[[int], bytes]:
    """Wrap the read of a file that had `size` bytes when the run began, so that no end of it goes unnoticed.

    It raises `BrokenInput` where the file ends before that size. More bytes are read like all others: a file may
    grow. When the name belongs to another file by the end, that is logged, since nothing of that one was read.
    `heed` is called before each read, and may end it.
    """

    def read(n: int) -> bytes:
        heed()
        data = file.read(n)
        if not data and n:
            end = file.tell()
            if size is not None and end < size:
                raise BrokenInput(
                    f"{name}: ends after {end:,} bytes, and had {size:,} when the run began: it was cut short or "
                    f"replaced in the meantime; what it held was read, and something may be missing"
                )
            if _is_another(file, path):
                _log.warning("%s: was replaced by another file: the old one was read to its end, the new one not", name)
        return data

    return read


def _is_another(file: FileIO, path: Path) -> bool:
    """Tell whether the path leads to another file than the one that is open; one that is gone is none."""
    with suppress(OSError):
        there, here = path.stat(), os.fstat(file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
    return False
