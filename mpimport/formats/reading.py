"""What all formats share: their options, the row that describes each, how much of a broken record is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream

KEPT_BYTES = 64 * 1024
"""How much of a record that is too long is kept as its `raw`."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read. `json_path` is in ijson's prefix syntax. No record is longer than `max_record_bytes`."""

    json_path: str | None = None
    max_record_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name for `--format`, the extensions that mean it, and its reader.

    The reader yields what it finds in order, and raises `BrokenInput` after what came before the damage.
    """

    name: str
    extensions: tuple[str, ...]
    read: Callable[[ByteStream, ReadOptions], Iterator[Block | Unreadable]]
