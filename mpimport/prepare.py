"""Records that are not in the API's shape, made ready for the quick acceptor: mapped and written as JSON text.

A record that is right after that is taken as quickly as one that was right before. Every other one is given
back as it was read, and goes the slow way from there. Used for CSV rows, and for every record when the user
maps fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mpimport.accept import count_names, with_names
from mpimport.examine import UNENCODABLE, may_repeat
from mpimport.normalise import Shaping, shape
from mpimport.records import Block, RawRecord, Reason

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_NOT_READY = b""  # no JSON text: the quick acceptor passes it over


class Preparing:
    """Prepares the records of blocks. `mends` counts what was done to those that were taken."""

    def __init__(self, shaping: Shaping) -> None:
        """Take what the user said about fields."""
        self.shaping = shaping
        self.mends: Counter[str] = Counter()
        self._record: RawRecord = b""
        self._found: Counter[str] = Counter()

    def of(self, block: Block) -> Iterator[bytes] | None:
        """Prepare a block; None when its records are to be looked at as they are."""
        if self.shaping.is_default and not block.plain:
            return None
        return self._prepare(block)

    def take_back(self) -> RawRecord:
        """Give the record that was prepared last as it was read; what was done to it does not count."""
        self._found.clear()
        return self._record

    def _prepare(self, block: Block) -> Iterator[bytes]:
        for record, names in with_names(block.records):
            self._record = record
            yield self._written(record, names)
            if self._found:
                for name, count in self._found.items():  # update() of a Counter takes five times as long
                    self.mends[name] += count
                self._found.clear()

    def _written(self, record: RawRecord, names: int) -> bytes:
        wrong: list[Reason] = []
        try:
            event = shape(_value(record, names), self._found, self.shaping, wrong)
            return _NOT_READY if wrong else _encode(event) + b"\n"
        except UNENCODABLE:
            return _NOT_READY


def _value(record: RawRecord, names: int) -> Mapping[str, Any]:
    """Decode a record with at most so many names. Raises ValueError for one that has to be looked at more closely."""
    if isinstance(record, Mapping):
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
