"""What earlier runs have left among the sources: rejects, summaries, reports, audits, metrics, told by their beginning.

A glob leaves them out and says so. Named one by one, a file of rejects is imported again; what holds no event is
refused. Knows neither formats nor options.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

from mpimport.sources import Source

HEAD_BYTES = 4096
_NUMBER, _TEXT = rb"\s*:\s*\d+\s*,\s*", rb'"(?:[^"\\]|\\.)*"'
_REJECTS = re.compile(rb'\{"source":' + _TEXT + rb',"line":\d+,"by":"(?:client|server)","reasons":\[')
_TOLD = re.compile(
    rb'\s*\{\s*(?:"mpimport_checkpoint":|"read"%b"imported"%b"rejected"%b"undelivered"|"events"%b"event_names")'
    rb'|<!doctype html>\s<html lang="en"><head>(?:<(?:meta|link) [^<>]*>)*<title>mpimport: '
    rb"|# HELP mpimport_" % (_NUMBER, _NUMBER, _NUMBER, _NUMBER)
)

Kind: TypeAlias = Literal["rejects", "told", "stream"]


def kind_of(head: bytes) -> Kind | None:
    """Tell by the first bytes of a file what of ours it is: rejects, or what a run tells, which holds no event."""
    if _REJECTS.match(head):
        return "rejects"
    return "told" if _TOLD.match(head) else None


def leave_out(
    sources: Sequence[Source], named: Collection[str], problems: list[str], notes: list[str], left_out: list[str]
) -> list[Source]:
    """Give the sources without what a glob found of ours; `named` are those that the user named one by one.

    Adds to `problems`, to `notes` of what to warn of, and to those of what was `left_out`, which is nothing to mend.
    """
    ours = {source.name: kind for source in sources if (kind := _look_into(source)) is not None}
    by_glob = [name for name in ours if name not in named]
    listed = ", ".join(by_glob)
    if by_glob and len(by_glob) == len(sources):
        problems.append(f"a glob matches only what mpimport itself wrote ({listed}); name other files")
    elif by_glob:
        left_out.append(f"left out {listed}, which mpimport itself wrote; name a file of rejects to import it")
    problems.extend(_refused(ours, named))
    again = [name for name, kind in ours.items() if kind == "rejects" and name in named]
    if len(sources) > 1:
        notes.extend(f"{name}: holds rejects of an earlier run; their events are imported again" for name in again)
    return [source for source in sources if source.name not in by_glob]


def _refused(ours: dict[str, Kind], named: Collection[str]) -> Iterator[str]:
    for name, kind in ours.items():
        if kind == "told" and name in named:
            yield f"{name}: is what an earlier run of mpimport tells (a summary, report or the like); leave it out"


def _look_into(source: Source) -> Kind | None:
    if source.path is None or not source.resumable:
        return None
    with suppress(OSError), source.path.open("rb", buffering=0) as file:
        return "stream" if _is_stream(file.fileno()) else kind_of(file.read(HEAD_BYTES))
    return None


def _is_stream(descriptor: int) -> bool:
    """Whether a file is where standard output or error of this run goes."""
    for number in (1, 2):
        with suppress(OSError):
            if os.path.sameopenfile(descriptor, number):
                return True
    return False
