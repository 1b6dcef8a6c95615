"""Rows of a table as text, checked and written in C (`recogniser/rows.c`) where that was built: no cell is an object.

`formats.delimited_rows` and `columnar` are its references, and do its work where it is missing. Knows neither streams
nor rules for events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

try:
    from mpimport import _recognise
except ImportError:  # no C compiler was there when mpimport was installed
    IN_C = False
else:
    IN_C = True

WriteRows = Callable[[int, int, int, "list[tuple[int, int, bytes]]", bytes, int], "tuple[bytes, int] | None"]
"""(separator, width, event, columns, text, rows) -> the events, one a line, and how many lines were left empty because
a cell may be something else than its column. Of each column of the properties the index, the kind and the name is told.
None when the text does not have so many rows of that width, each ended by a newline."""


def row_writer() -> WriteRows | None:
    """Give what writes the rows of a table as events; None where it was not built."""
    return _recognise.write_rows if IN_C else None


def are_rows(lines: Sequence[str], separator: str, width: int) -> bool:
    """Tell whether each line is surely a row of that width, more than one, as the csv module reads it strictly."""
    if not IN_C or width < 2 or not separator.isascii():  # a blank line is no row with an empty cell
        return False
    return _recognise.are_rows(ord(separator), width, "".join(lines).encode(), len(lines))
