"""Rejected-events files as a run that was killed has left them: which rejects stand in them, and a line cut short.

Knows nothing of what is settled.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from mpimport.rejects import place_of

_TAIL_BYTES = 64 * 1024


def find_recorded(path: Path, scan_from: int) -> Iterator[tuple[str, int]]:
    """Give source and number of every reject that stands in a file behind its byte `scan_from`."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(scan_from)
        for line in file:
            place = place_of(line)
            if place is not None:
                yield place


def end_last_line(path: Path, scan_from: int, sources: Collection[str]) -> None:
    """Take away a last line that is cut short, when it begins like a reject of one of the sources: it is found again.

    Any other is somebody else's, and stays.
    """
    with suppress(OSError), path.open("rb+") as file:
        start = _find_last_line(file.fileno(), scan_from)
        file.seek(start)
        begun = file.read(_TAIL_BYTES)
        heads = [b'{"source":' + msgspec.json.encode(source) + b',"line":' for source in sources]
        if begun and any(begun.startswith(head) or head.startswith(begun) for head in heads):
            file.truncate(start)


def _find_last_line(descriptor: int, scan_from: int) -> int:
    """Give where the text behind the last line break of a file begins, at the earliest `scan_from`."""
    end = os.fstat(descriptor).st_size
    while end > scan_from:
        start = max(scan_from, end - _TAIL_BYTES)
        os.lseek(descriptor, start, os.SEEK_SET)
        found = os.read(descriptor, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return max(end, scan_from)
