"""What all formats share: their options, the row that describes each, how much of a broken record is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mpimport.errors import UsageProblem
from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream

if TYPE_CHECKING:
    from mpimport.formats.columns import Spoilt  # loaded for tables only

MAX_VALUES = 500_000
"""How many values one record of JSON may have: decoded, each takes up to 100 bytes, and no event of 1 MiB has more."""

KEPT_BYTES = 64 * 1024
"""How much of a record that is too long is kept as its `raw`."""

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def has_too_many_values(text: bytes | bytearray) -> bool:
    """Tell whether JSON text has more values than `MAX_VALUES`, without decoding it."""
    marks = _count_marks(text, 0, len(text))
    if marks > MAX_VALUES:
        marks -= sum(_count_marks(text, *match.span()) for match in _TEXT.finditer(text))
    return marks > MAX_VALUES


def _count_marks(text: bytes | bytearray, start: int, end: int) -> int:
    """Count what stands before values, but for the outermost one."""
    return text.count(b",", start, end) + text.count(b"[", start, end) + text.count(b"{", start, end)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read. No record is longer than `max_record_bytes`.

    `json_path` is in ijson's prefix syntax, "" is the document itself. `event_signs` are names that one
    event may have, and a document that holds events has not.
    The rest is for CSV and TSV. `types` are kinds of `value_types` by column; the other columns are
    decided from the first rows (`infer_types`), but for `ids`, which are text. A cell that does not fit
    its column makes its row a reject (`misfit="reject"`) or stays text (`"text"`); unless said, it stays
    text where the column was decided and is refused where its kind was asked for.
    `on_columns` is told the name of the source and the kind that the first rows speak for of each column, once a pass.
    `on_amounts` is told those that stay text though they are amounts as people write them, each with such a cell.
    `on_spoilt` is told those that would be numbers but for a few cells, or that may be versions.
    `decided` are the kinds that count instead: those that an earlier run has read the rows with; the rest is text.
    `on_open_end` is told, before what comes of it is handed over, which record at the end of the source may go on in
    what is added to the file: the first of them, or None when what was told so does not.
    `delimiter` is for CSV: a character, or a name that `delimiter_of` knows.
    `encoding` is that of every source, by Python's names for it; the stream does it, before the format.
    `first` is the line that a stream of NDJSON begins with, when it was opened in the middle.
    """

    json_path: str | None = None
    max_record_bytes: int = 16 * 1024 * 1024
    types: Mapping[str, str] = field(default_factory=dict)
    infer_types: bool = True
    ids: Collection[str] = ()
    misfit: Literal["text", "reject"] | None = None
    on_columns: Callable[[str, Mapping[str, str]], None] | None = None
    on_amounts: Callable[[str, Mapping[str, str]], None] | None = None
    on_spoilt: Callable[[str, Mapping[str, Spoilt]], None] | None = None
    decided: Mapping[str, str] | None = None
    on_open_end: Callable[[int | None], None] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    first: int = 1
    event_signs: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its name for `--format`, the extensions that mean it, and its reader.

    The reader yields what it finds in order, and raises `BrokenInput` after what came before the damage.
    """

    name: str
    extensions: tuple[str, ...]
    read: Callable[[ByteStream, ReadOptions], Iterator[Block | Unreadable]]


def delimiter_of(text: str) -> str:
    """Give the character that stands between cells, from itself or its name. Raises `UsageProblem`."""
    character = DELIMITERS.get(text.lower(), text)
    if len(character) != 1 or character in '"\r\n\0':
        names = ", ".join(DELIMITERS)
        raise UsageProblem(f"--delimiter {text!r}: must be one character, no quote or line break, or one of {names}")
    return character


DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "pipe": "|", "space": " "}
