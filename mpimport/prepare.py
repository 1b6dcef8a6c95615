"""Records that are not in the API's shape, made ready for the quick acceptor: mapped and written as JSON text.

A record that is right after that is taken as quickly as one that was right before. Every other one is given
back as it was read, and goes the slow way from there. Used for CSV rows, and for every record when the user
maps fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from io import BytesIO
from itertools import accumulate
from typing import Any, cast

import msgspec

from mpimport.accept import count_names, with_names
from mpimport.columnar import Layout, Marks, layout_of
from mpimport.examine import UNENCODABLE, may_repeat
from mpimport.normalise import Shaping, shape
from mpimport.records import Block, RawRecord, Reason, Tabular
from mpimport.rows_in_c import WriteRows


def _exactly(number: str) -> Decimal:
    """Read a number as it is. Raises ValueError for what `Decimal` would write as an integer, such as 1.5E1.

    An `$insert_id` that is made of 15 is another than of 15.0, which a plain reading of the text gives.
    """
    exact = Decimal(number)
    if ("E" in number or "e" in number) and not exact.as_tuple().exponent:
        raise ValueError(number)
    return exact


_decode = msgspec.json.Decoder(float_hook=_exactly).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_NOT_READY = b"\n"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The records of a block, written: `text` holds a line for each, which is no JSON where it was not ready.

    `marks` are codes of `mends`: what was done to each. `again` writes a record in another way, should its line
    not be right. `source` is where lines were read from, and their `ends` in it.
    """

    records: Sequence[RawRecord]
    text: bytes
    marks: Sequence[Marks]
    again: Callable[[RawRecord], tuple[bytes, Marks]] | None = None
    source: BytesIO | None = None
    ends: Sequence[int] = ()


class Preparing:
    """Prepares the records of blocks."""

    def __init__(self, shaping: Shaping, write_rows: WriteRows | None = None) -> None:
        """Take what the user said about fields, and what writes rows in C, if it was built."""
        self._write_rows = write_rows
        self.shaping = shaping
        self._names: tuple[str, ...] | None = None
        self._layout: Layout | None = None
        self._found: Counter[str] = Counter()  # to make one for each record takes longer than to clear it

    def of(self, block: Block) -> Prepared | None:
        """Prepare a block; None when its records are to be looked at as they are."""
        if not self.shaping.is_default:
            return self.prepare(block.records)
        if isinstance(block.records, Tabular):
            return self._prepare_rows(block.records)
        return self.prepare(block.records) if block.plain else None

    def _prepare_rows(self, rows: Tabular) -> Prepared:
        if rows.names != self._names:
            self._names, self._layout = rows.names, layout_of(rows.names)
        if self._layout is None:
            return self.prepare(rows)
        try:
            text, marks = self._lay_out(self._layout, rows)
        except UNENCODABLE:  # one of the rows
            return self.prepare(rows)
        return Prepared(cast("Sequence[RawRecord]", rows), text, marks, again=partial(self._write, names=0))

    def _lay_out(self, layout: Layout, rows: Tabular) -> tuple[bytes, Sequence[Marks]]:
        times = self.shaping.times
        found = None if self._write_rows is None else layout.write_text(rows, times, self._write_rows)
        return found or layout.write(rows.columns(), times)

    def prepare(self, records: Iterable[RawRecord]) -> Prepared:
        """Prepare records, whatever they are."""
        kept, lines, marks = [], [], []
        for record, names in with_names(records):
            line, done = self._write(record, names)
            kept.append(record)
            lines.append(line)
            marks.append(done)
        text = b"".join(lines)
        if not isinstance(records, BytesIO):
            return Prepared(kept, text, marks)
        return Prepared(kept, text, marks, source=records, ends=list(accumulate(map(len, kept))))

    def _write(self, record: RawRecord, names: int) -> tuple[bytes, Marks]:
        """Write a record as a line; `names` as in `with_names`."""
        wrong: list[Reason] = []
        found = self._found
        found.clear()
        try:
            event = shape(_value(record, names), found, self.shaping, wrong)
            if not wrong:
                return _encode(event) + b"\n", tuple(found.elements()) if found else ()
        except UNENCODABLE:
            pass
        return _NOT_READY, ()


def _value(record: RawRecord, names: int) -> Mapping[str, Any]:
    """Decode a record with at most so many names. Raises ValueError for one that has to be looked at more closely."""
    if not isinstance(record, bytes):
        return record
    value = _decode(record)
    if not isinstance(value, dict) or "reasons" in value or _repeats(record, names, value):
        raise ValueError("no object, a line of a rejected-events file, or one with a name that may stand twice")
    return value


def _repeats(record: bytes, names: int, value: dict[str, Any]) -> bool:
    """Tell whether a name may stand twice in an object, given that there are at most `names` in all."""
    properties = value.get("properties")
    outer = len(value) + (len(properties) if isinstance(properties, dict) else 0)
    return names != outer and names != count_names(value) and may_repeat(record, value)
