"""Rejected-events files as earlier runs have left them: which rejects stand in them, and a line cut short.

Others may write to these files, too: the same import from elsewhere, other imports, people. So a reject is taken for
recorded only where its line, whatever its messages say, stands behind the length that this import has noted for that
very file, and nowhere when the run before ended by itself. When in doubt it is written again. Knows neither batches nor
senders.

A line that another import wrote there in the meantime may be the same to the byte. Then it holds the same name of the
source, line number, reasons and event: mended and imported, it gives the very event that ours would, with the same
`$insert_id`. So to take it for ours loses nothing but a count.
"""

from __future__ import annotations

import logging
import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from mpimport.checkpoint import RejectedFile, State, text_of
from mpimport.mark import Ranges, covers
from mpimport.private_files import find_stranger
from mpimport.rejects import digest_of, place_of

_TAIL_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """What stands in the rejected-events files of an import when a run begins.

    `files`: them all, by absolute path; `earlier`: those with rejects of earlier runs, as the user is told them;
    `lines`: the lines of rejects whose records are not settled, by `digest_of`; `whole`: all that earlier runs have
    written stands there yet.
    """

    files: dict[str, RejectedFile]
    earlier: tuple[str, ...]
    lines: Counter[bytes]
    whole: bool


def find_rejects(old: State, state: State, path_of: Callable[[str], Path], names: Sequence[str]) -> Found:
    """Look at the files of an import that goes on from `old` with `state`; `names` are those of its sources."""
    here = {text_of(path): path for path in map(path_of, names)}
    earlier = dict.fromkeys(_tell_earlier(old, here))
    settled = _settled_by_name(old, state)
    files: dict[str, RejectedFile] = {}
    lines: Counter[bytes] = Counter()
    whole = True
    for name in dict.fromkeys((*old.rejects, *here)):
        path = here.get(name, Path(name))
        before, size = old.rejects.get(name), _size_of(path)
        whole &= before is None or size >= max(before.scan_from, before.lines)
        if before is None or old.orderly or size <= before.scan_from:
            files[name] = replace(before or RejectedFile(0), scan_from=size)  # what is there is not in question
            continue
        files[name] = before
        end_last_line(path, before.scan_from, settled)
        for (source, number), line in find_recorded(path, before.scan_from):
            if source in settled and not covers(settled[source], number):
                lines[digest_of(line)] += 1
                earlier[str(here.get(name, name))] = None
    return Found(files, tuple(earlier), lines, whole)


def _settled_by_name(old: State, state: State) -> dict[str, Ranges]:
    """Give what is settled of the sources that the runs before had, by the names that they wrote them with."""
    before = {source.path for source in old.sources}
    return {source.name: source.settled for source in state.sources if source.path in before}


def _tell_earlier(old: State, here: dict[str, Path]) -> Iterator[str]:
    """Give the files that still hold rejects of earlier runs; what happened to the others is said."""
    for name, before in old.rejects.items():
        path, told = here.get(name, Path(name)), str(here.get(name, name))
        if not before.lines:
            continue
        size = _size_of(path)
        if size:
            yield told
        if not path.exists():
            _log.warning("%s: is gone; what is rejected from now on is written to a new file", told)
        elif size < before.scan_from:
            _log.warning(
                "%s: is shorter than it was (%s bytes, it had %s): rejects of earlier runs may be missing in it",
                told,
                f"{size:,}",
                f"{before.scan_from:,}",
            )


def _size_of(path: Path) -> int:
    """Give the length of a regular file; all others have none."""
    with suppress(OSError):
        status = path.stat()
        return status.st_size if stat.S_ISREG(status.st_mode) else 0
    return 0


def find_recorded(path: Path, scan_from: int) -> Iterator[tuple[tuple[str, int], bytes]]:
    """Give the place and the line of every reject that stands in a file behind its byte `scan_from`."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(scan_from)
        for line in file:
            place = place_of(line)
            if place is not None:
                yield place, line


def end_last_line(path: Path, scan_from: int, sources: Collection[str]) -> None:
    """Take away a last line that is cut short, when it begins like a reject of one of the sources: it is found again.

    Any other is somebody else's, and stays; so does one that is whole and only lacks its newline.
    """
    if find_stranger(path) is not None:
        return
    with suppress(OSError), path.open("rb+") as file:
        start = _find_last_line(file.fileno(), scan_from)
        file.seek(start)
        begun = file.read(_TAIL_BYTES)
        heads = [b'{"source":' + msgspec.json.encode(source) + b',"line":' for source in sources]
        ours = begun and any(begun.startswith(head) or head.startswith(begun) for head in heads)
        if ours and not _is_whole(begun + file.read()):
            file.truncate(start)


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


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
