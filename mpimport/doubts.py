"""Owns what is doubtful in a source: names in the mapping that it does not have, columns that stay text. Told once.

Looks at the first records of a source as they pass by. Must not know how sources are read.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from mpimport.limits import show
from mpimport.mapping import lift
from mpimport.missing_columns import find_missing, names_in
from mpimport.records import Block, RawRecord, Unreadable
from mpimport.rejects import stands_as_sent, unwrap
from mpimport.settings import MapSettings

if TYPE_CHECKING:
    from mpimport.formats.columns import Spoilt  # loaded for tables only

SAMPLE_RECORDS = 1000
SAMPLE_BYTES = 8 * 1024 * 1024
MAX_NAMES = 10_000  # ours: who has more would not see what is meant

_log = logging.getLogger(__name__)
_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


class Doubts:
    """What is told of the sources of a run; `told` are the warnings."""

    def __init__(self, mapping: MapSettings) -> None:
        """Take the names that the sources are to have."""
        self.told: list[str] = []
        self._mapping = mapping
        self._names = names_in(mapping)
        self._missing: set[str] = set()
        self._amounts: set[str] = set()

    def of_columns(self, source: str, kinds: Mapping[str, str]) -> None:
        """Warn of names that the header of a table lacks."""
        typed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items() if kind != "string")
        _log.debug("%s: columns that are no text: %s", source, typed or "none")
        for problem in find_missing(self._mapping, kinds):
            self._warn(f"{source}: {problem}")

    def of_amounts(self, source: str, amounts: Mapping[str, str]) -> None:
        """Warn of columns of amounts that stay text, each name once, however many files have it."""
        new = [f"{name!r} ({show(cell)})" for name, cell in amounts.items() if name not in self._amounts]
        self._amounts.update(amounts)
        if new:
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            self._warn(
                f"{source}: amounts that are sent as text, which cannot be added up: {', '.join(new[:3])}{more}; write "
                f"them like 1234.50, or say with --type NAME=string that they are text"
            )

    def of_spoilt(self, source: str, spoilt: Mapping[str, Spoilt]) -> None:
        """Warn of columns that would be numbers but for a few cells, or that may be versions, each name once."""
        for name, (cell, odd, cells) in spoilt.items():
            if name not in self._amounts:
                self._amounts.add(name)
                typed = shlex.quote(f"{name}=number")
                if not odd:
                    self._warn(
                        f"{source}: {name!r} is sent as text because of {show(cell)}, whose last zero counts in a "
                        f"version and not in an amount: --type {typed} if these are amounts, else --type NAME=string"
                    )
                    continue
                few = f"because of {show(cell)} ({odd:,} of the first {cells:,} cells)"
                mend = (
                    f"empty such cells, or --type {typed}: their rows are rejected, or with --misfit text sent as text"
                )
                self._warn(f"{source}: {name!r} is sent as text {few}; {mend}")

    def of_records(self, source: str, blocks: Iterator[Block | Unreadable]) -> Iterator[Block | Unreadable]:
        """Hand over the blocks of a source, looking into the first ones for names that the mapping has."""
        if not self._names:
            return blocks
        return self._look_into(source, blocks)

    def _look_into(self, source: str, blocks: Iterator[Block | Unreadable]) -> Iterator[Block | Unreadable]:
        sample = _Sample(max(name.count(".") for name in self._names))
        for item in blocks:
            block = item
            if isinstance(block, Block):
                if not isinstance(block.records, BytesIO):
                    block = replace(block, records=list(block.records))
                sample.take(block)
            yield block
            if sample.is_enough:
                break
        for problem in find_missing(self._mapping, sample.names, records=sample.count) if sample.count else ():
            if problem not in self._missing:
                self._missing.add(problem)
                self._warn(f"{source}: {problem}")
        yield from blocks

    def _warn(self, words: str) -> None:
        self.told.append(words)
        _log.warning("%s", words)


class _Sample:
    """The names that the first records have, those inside of objects down to a depth, too."""

    def __init__(self, depth: int) -> None:
        self.names: dict[str, None] = {}
        self.count = 0
        self._looked_at = 0
        self._nbytes = 0
        self._depth = depth

    @property
    def is_enough(self) -> bool:
        return self._looked_at >= SAMPLE_RECORDS or self._nbytes >= SAMPLE_BYTES or len(self.names) >= MAX_NAMES

    def take(self, block: Block) -> None:
        """Look at as many records of a block as are wanted."""
        records = block.records.getvalue().splitlines() if isinstance(block.records, BytesIO) else block.records
        for record in islice(records, SAMPLE_RECORDS - self._looked_at):
            self._looked_at += 1
            self._nbytes += len(record)
            event = _event_in(record)
            if event is not None:
                self.count += 1
                self._add(event, "", self._depth)
            if self.is_enough:
                return

    def _add(self, value: Mapping[str, Any], before: str, depth: int) -> None:
        for name, inner in value.items():
            self.names[before + name] = None
            if depth and isinstance(inner, Mapping):
                self._add(inner, f"{before}{name}.", depth - 1)


def _event_in(record: RawRecord) -> Mapping[str, Any] | None:
    """Give what a record has by name; None for what is no object, or was sent before."""
    try:
        if isinstance(record, bytes):
            inner = unwrap(record)
            if inner is not None and stands_as_sent(record):
                return None
            record = _decode(record if inner is None else inner)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(record, Mapping):
        return None
    event = lift(record)
    properties = event.pop("properties")
    return {**event, **properties} if isinstance(properties, Mapping) else event
