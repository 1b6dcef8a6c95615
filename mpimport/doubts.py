"""Owns what is doubtful in a source: names in the mapping that it does not have, columns that stay text. Told once.

Looks at the first records of a source as they pass by. Must not know how sources are read.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from mpimport.limits import show
from mpimport.mapping import lift
from mpimport.missing_columns import Missing, find_missing, names_in
from mpimport.records import Block, RawRecord, Unreadable
from mpimport.rejects import unwrap
from mpimport.settings import MapSettings

if TYPE_CHECKING:
    from mpimport.formats.columns import Spoilt  # loaded for tables only

SAMPLE_RECORDS = 1000
SAMPLE_BYTES = 8 * 1024 * 1024
MAX_NAMES = 10_000  # ours: who has more would not see what is meant

_log = logging.getLogger(__name__)
_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


class Doubts:
    """What is told of the sources of a run; `told` is all of it, in words.

    `sources` says how many there are: a name is missing only where none of them has it.
    """

    def __init__(self, mapping: MapSettings, sources: int = 1) -> None:
        """Take the names that the sources are to have."""
        self.told: list[str] = []
        self._sources = sources
        self._mapping = mapping
        self._names = names_in(mapping)
        self._missing: dict[str, Missing] | None = None  # in all sources so far, by option
        self._seen: set[str] = set()
        self._amounts: set[str] = set()

    def of_columns(self, source: str, kinds: Mapping[str, str]) -> None:
        """Take note of names that the header of a table lacks, and warn of those with blanks around them."""
        typed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items() if kind != "string")
        _log.debug("%s: columns that are no text: %s", source, typed or "none")
        padded = [name for name in kinds if name != name.strip() and name not in self._amounts]
        self._amounts.update(padded)
        if padded:
            self._warn(
                f"{source}: blanks around names in the header row are part of them, as they are of cells: "
                f"{_some([repr(name) for name in padded])}; remove the blanks beside the separators"
            )
        self._note(source, find_missing(self._mapping, kinds))

    def of_end(self, source: str) -> None:
        """Take note that no more comes of a source, which may have had nothing to look at."""
        self._note(source, None)

    def of_amounts(self, source: str, amounts: Mapping[str, str]) -> None:
        """Warn of columns of amounts that stay text, each name once, however many files have it."""
        found = {name: cell for name, cell in amounts.items() if name not in self._amounts and name == name.strip()}
        self._amounts.update(found)
        if new := [f"{name!r} ({show(cell)})" for name, cell in found.items() if cell == cell.strip()]:
            self._warn(
                f"{source}: amounts that are sent as text, which cannot be added up: {_some(new)}; write "
                f"them like 1234.50, or say with --type NAME=string that they are text"
            )
        if padded := [f"{name!r} ({show(cell)})" for name, cell in found.items() if cell != cell.strip()]:
            self._warn(
                f"{source}: amounts that are sent as text for the blanks around them: {_some(padded)}; remove the "
                f"blanks, or say with --type NAME=string that they are text"
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
        missing = find_missing(self._mapping, sample.names, records=sample.count) if sample.count else None
        self._note(source, missing)
        yield from blocks

    def _note(self, source: str, missing: Iterable[Missing] | None) -> None:
        """Keep what is missing in every source, and tell of it at the last; None: nothing is known of this one."""
        if source in self._seen:
            return
        self._seen.add(source)
        if missing is not None:
            found = {one.option: one for one in missing}
            self._missing = found if self._missing is None else _in_both(self._missing, found)
        if len(self._seen) == self._sources:
            for one in (self._missing or {}).values():
                place = (
                    f"{source}: {one.option}: {one.lacks}" if self._sources == 1 else f"{one.option}: no source has it"
                )
                self._warn(f"{place}; {one.advice}", level=logging.WARNING if one.is_likely else logging.DEBUG)

    def _warn(self, words: str, level: int = logging.WARNING) -> None:
        self.told.append(words)
        _log.log(level, "%s", words)


def _some(found: list[str]) -> str:
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _in_both(before: Mapping[str, Missing], now: Mapping[str, Missing]) -> dict[str, Missing]:
    """Give what is missing in all sources, with what was probably meant, if one of them has that."""
    return {name: one if one.is_likely else now[name] for name, one in before.items() if name in now}


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
    """Give what a record has by name; None for what is no object, or a reject: it may be one for what it lacks."""
    try:
        if isinstance(record, bytes):
            if unwrap(record) is not None:
                return None
            record = _decode(record)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(record, Mapping):
        return None
    event = lift(record)
    properties = event.pop("properties")
    return {**event, **properties} if isinstance(properties, Mapping) else event
