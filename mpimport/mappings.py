"""Mappings of a program as an input that the pipeline can read. What is not JSON by nature is made so, or told.

Must not import numpy or pandas: their values are known by what they can do. Knows neither events nor the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from mpimport.formats.reading import KEPT_BYTES
from mpimport.interrupt import Interrupt
from mpimport.records import Block, Reason, Unreadable

BLOCK_RECORDS = 1000


class MappingsInput:
    """Mappings that a program hands over. What is not JSON by nature (dates, UUIDs, tuples) is made so."""

    name = "events"
    resumable = False
    size = None
    columns = None
    open_end = None
    consumed = 0
    is_void = True  # where no record came
    continued = False
    skipped = 0

    def __init__(self, records: Iterable[Mapping[str, Any]], interrupt: Interrupt) -> None:
        """Take nothing yet; take no more once the run stops."""
        self._records = records
        self._interrupt = interrupt

    @contextmanager
    def open(self) -> Iterator[Iterator[Block | Unreadable]]:
        """Take the mappings in blocks, numbered from 1."""
        yield self._blocks()

    def _blocks(self) -> Iterator[Block | Unreadable]:
        first = 1
        taken: list[Mapping[str, Any]] = []
        try:
            for record in self._records:
                taken.append(record)
                if len(taken) == BLOCK_RECORDS:
                    yield from _plain_blocks(first, taken)
                    first, taken = first + len(taken), []
                    if self._interrupt.enough:
                        return
        except Exception:  # the program's own: what it has given before is not lost
            yield from _plain_blocks(first, taken)
            raise
        yield from _plain_blocks(first, taken)


def _plain_blocks(first: int, records: list[Mapping[str, Any]]) -> Iterator[Block | Unreadable]:
    for number, record in enumerate(records, first):
        plain = _plain(record)
        if isinstance(plain, Reason):
            yield Unreadable(number, plain, _as_text(record).encode(errors="replace")[:KEPT_BYTES])
        else:
            yield Block(number, [plain])


def _as_text(record: object) -> str:
    try:
        return repr(record)
    except Exception as error:  # noqa: BLE001  the program's own: one value must not end the run
        return f"a {type(record).__name__} that cannot be shown ({type(error).__name__})"


def _plain(record: object) -> Mapping[str, Any] | Reason:
    try:
        plain = _encode(record)
    except _NO_FORM as error:
        return Reason("not_json", f"the record has no JSON form: {error}", _find_field(record))
    if not isinstance(plain, dict):
        return Reason("not_an_object", "the record is no mapping: give a dict")
    for before, after in ((record, plain), (_properties_of(record), _properties_of(plain))):
        if isinstance(before, Mapping) and isinstance(after, dict) and len(after) < len(before):
            return Reason("duplicate_key", "two keys have the same name as text, such as 1 and '1': keep one")
    return plain


def _properties_of(record: object) -> object:
    return record.get("properties") if isinstance(record, Mapping) else None


_NO_FORM = (TypeError, ValueError, RecursionError, msgspec.MsgspecError)


def _encode(value: object) -> object:
    return msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True, enc_hook=_known, order="deterministic")


def _find_field(record: object) -> str | None:
    """Give the first field that has no JSON form, as the rules name fields."""
    for name, value in record.items() if isinstance(record, Mapping) else ():
        try:
            _encode(value)
        except _NO_FORM:
            inner = _find_field(value) if name == "properties" else None
            return f"{name}.{inner}" if inner else str(name)
    return None


def _known(value: Any) -> object:
    """Give a value that msgspec does not know as one that it does: it asks here for nothing else."""
    if isinstance(value, Mapping):
        return dict(value)
    kind = type(value).__name__
    if kind in _MISSING:
        raise TypeError(f"{_MISSING[kind]} is a missing value: leave it out, or give None")
    for base, to_base in _PLAIN.items():
        if isinstance(value, base):
            return to_base(value)
    plain = _unboxed(value)
    if plain is None:
        raise TypeError(f"a value of type {kind} has no JSON form: give it as text, or leave it out")
    return plain


_MISSING = {"NaTType": "NaT", "NAType": "NA"}  # of pandas; NaT is a datetime that has no year


def _date(it: date) -> date:
    return date(it.year, it.month, it.day)


def _moment(it: datetime) -> datetime | str:
    """Give a datetime; as text where it has nanoseconds, which a datetime cannot hold."""
    return it.isoformat() if getattr(it, "nanosecond", 0) else datetime.combine(_date(it), _time(it))


def _time(it: datetime | time) -> time:
    return time(it.hour, it.minute, it.second, it.microsecond, it.tzinfo, fold=it.fold)


_PLAIN: Mapping[type, Callable[[Any], object]] = {
    str: str.__str__,
    int: int.__index__,
    float: float.__float__,
    Decimal: Decimal,
    datetime: _moment,
    date: _date,
    time: _time,
    timedelta: lambda it: timedelta(it.days, it.seconds, it.microseconds),
}
"""What makes a value of a subclass one of the class itself; a datetime is a date, too, and comes first."""


def _unboxed(value: Any) -> object:
    """Give what is in a number, text or array of numpy, or in a column of pandas; None: it is none, or has no form."""
    if not hasattr(value, "dtype") or not hasattr(value, "item"):
        return None
    if getattr(value, "shape", ()):
        return list(value)
    if str(value) == "NaT":
        raise TypeError("NaT is a missing value: leave it out, or give None")
    if value.dtype.kind == "M":  # its item() may be a bare number of nanoseconds
        return str(value)
    plain = value.item()
    is_bare = value.dtype.kind == "m" and isinstance(plain, int)
    return None if is_bare or type(plain) is type(value) else plain
