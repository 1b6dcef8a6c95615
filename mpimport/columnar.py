"""Rows of a table to the JSON text of events, a column at a time: no mapping is made of any row.

Only for tables that need nothing but their time read and names of ours for their fields. The text is what `prepare`
would write of each row if the row is right; what else a row may need shows in its text, as the quick acceptor sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mpimport.limits import IDENTITIES, MAX_PROPERTIES
from mpimport.mapping import ALIASES
from mpimport.mends import ALIAS
from mpimport.normalise import read_time
from mpimport.records import Tabular
from mpimport.rows_in_c import WriteRows
from mpimport.time_forms import TimeReader

Marks = tuple[str, ...]
"""What was done to one record: codes of `mends`."""

_encode = msgspec.json.encode
_encode_lines = msgspec.json.Encoder(decimal_format="number").encode_lines


_COLUMNS = {"string": 0, "number": 2, "boolean": 3}  # the kinds of columns in C
_TIME_COLUMN = 1
_TEXT = {"string"}
_MOST_LEFT = 16  # a row that is left is read for itself, which takes many times as long


class Layout:
    """Which columns of a table become what. `order` are the columns of the properties, in the order of their names."""

    def __init__(self, event: int, time: int, order: Sequence[int], names: Sequence[str], aliases: Marks) -> None:
        """Make the types that are written. ValueError: there is a name that they cannot have."""
        self._event = event
        self._time = time
        self._order = order
        self._aliases = aliases
        fields = [(f"c{at}", object, "") for at in range(len(names))]  # an empty cell is no property
        spelt = {f"c{at}": name for at, name in enumerate(names)}
        self._properties = msgspec.defstruct("Properties", fields, rename=spelt, omit_defaults=True, gc=False)
        self._names = names
        self._row = msgspec.defstruct("Row", [("event", object), ("properties", object)], gc=False)

    def write(self, columns: Sequence[Sequence[Any]], times: TimeReader) -> tuple[bytes, list[Marks]]:
        """Give the events, one a line, and what was done to each."""
        columns = list(columns)
        columns[self._time], marks = self._read_times(columns[self._time], times)
        rows = map(self._row, columns[self._event], map(self._properties, *(columns[at] for at in self._order)))
        return _encode_lines(list(rows)), marks

    def write_text(self, rows: Tabular, times: TimeReader, write: WriteRows) -> tuple[bytes, list[Marks]] | None:
        """Do as `write` does, from the rows' text; None when that cannot be done, or for too few of the rows.

        A row that may need more than its text shows is an empty line.
        """
        kinds, separator = rows.kinds, rows.separator
        if times.time_format is not None or not separator.isascii() or {kinds[self._event], kinds[self._time]} != _TEXT:
            return None
        columns = [
            (at, _TIME_COLUMN if at == self._time else _COLUMNS[kinds[at]], b"%b:" % _encode(name))
            for at, name in zip(self._order, self._names, strict=True)
        ]
        written = write(ord(separator), len(kinds), self._event, columns, rows.text().encode(), len(rows))
        if written is None or written[1] > len(rows) // _MOST_LEFT:
            return None
        return written[0], [(*self._aliases, "time_read")] * len(rows)

    def _read_times(self, cells: Sequence[Any], times: TimeReader) -> tuple[list[Any], list[Marks]]:
        if (quick := times.read_digits(cells)) is not None:
            return quick, [(*self._aliases, "time_read")] * len(quick)
        known: dict[str, Marks] = {"": self._aliases}
        values: list[Any] = []
        marks: list[Marks] = []
        for cell in cells:
            read = read_time(cell, times) if cell != "" else ""
            if isinstance(read, str):
                values.append(cell)
                marks.append(())
            else:
                value, mend = read
                if mend not in known:
                    known[mend] = (*self._aliases, mend)
                values.append(value)
                marks.append(known[mend])
        return values, marks


def layout_of(names: Sequence[str]) -> Layout | None:
    """Find the fields of events among the names of a table's columns; None when it has to be done row by row."""
    if "properties" in names or len(names) > MAX_PROPERTIES or not set(_IDS).isdisjoint(names):
        return None
    found: dict[str, int] = {}
    aliases = []
    for target in ("event", "time", "distinct_id"):
        name = next((name for name in (target, *ALIASES[target]) if name in names), None)
        if name is None or (name != target and target == "distinct_id" and not set(IDENTITIES).isdisjoint(names)):
            return None
        found[target] = names.index(name)
        if name != target:
            aliases.append(f"{ALIAS}{name} {target}")
    moved = [at for target, at in found.items() if names[at] != target and target != "event"]
    order = [at for at in range(len(names)) if at not in (found["event"], *moved)] + moved
    spelt = {at: target for target, at in found.items()}
    try:
        properties = [spelt.get(at, names[at]) for at in order]
        return Layout(found["event"], found["time"], order, properties, tuple(aliases))
    except ValueError:
        return None


_IDS = ALIASES["$insert_id"]  # of a row without an id, one of these may be it
