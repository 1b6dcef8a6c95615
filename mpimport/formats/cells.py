"""Rows of a table to records: mappings of the cells that are not empty, those that are more than text converted.

Knows neither lines nor streams.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mpimport.formats.columns import Column
from mpimport.formats.delimited_rows import Rows, Table, encode_lines
from mpimport.limits import show
from mpimport.records import Block, Reason, Unreadable

_CELLS = frozenset({"number", "boolean"})  # no value of these kinds can be mistaken for an empty cell


def make_blocks(table: Table, columns: Sequence[Column], found: Rows) -> Iterator[Block | Unreadable]:
    """Hand over rows as mappings, each made when it is asked for; `columns` are those that are not just text."""
    if any(column.strict for column in columns):
        yield from _convert_strictly(columns, _make_records(table.names, found.rows), found)
    elif all(column.kind in _CELLS for column in columns):
        yield Block(found.first, Cells(table, found, columns), plain=True)
    else:
        yield Block(found.first, _convert(columns, _make_records(table.names, found.rows)), plain=True)


class Cells(Sequence[dict[str, Any]]):
    """Rows whose cells stay text where they do not fit their column; each is made a mapping when it is asked for."""

    def __init__(self, table: Table, found: Rows, columns: Sequence[Column]) -> None:
        """Take rows of the right length, and the columns that are more than text."""
        self.names = table.names
        self.separator = table.separator
        self._rows = found.rows
        self._texts = found.texts
        self._columns = columns

    @property
    def kinds(self) -> tuple[str, ...]:
        """Give the kind of each column."""
        kinds = {column.name: column.kind for column in self._columns}
        return tuple(kinds.get(name, "string") for name in self.names)

    def text(self) -> str:
        """Give the rows as they were read."""
        return "".join(self._texts)

    def columns(self) -> Sequence[Sequence[Any]]:
        """Give the cells of each column."""
        cells: list[Sequence[Any]] = list(zip(*self._rows[:]))  # noqa: B905 - the lengths were compared
        for column in self._columns:
            at, convert = self.names.index(column.name), column.convert
            try:
                cells[at] = [convert(cell) if cell else cell for cell in cells[at]]
            except ValueError:
                cells[at] = [_fitted(convert, cell) for cell in cells[at]]
        return cells

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        return next(_convert(self._columns, _make_records(self.names, [self._rows[at]])))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return _convert(self._columns, _make_records(self.names, self._rows))


def _fitted(convert: Callable[[str], Any], cell: str) -> Any:
    try:
        return convert(cell) if cell else cell
    except ValueError:
        return cell


def _make_records(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if "" in row:
            yield {name: cell for name, cell in zip(names, row) if cell}  # noqa: B905 - the lengths were compared
        else:
            yield dict(zip(names, row))  # noqa: B905 - as above


def _convert(columns: Sequence[Column], records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    pairs = [(column.name, column.convert) for column in columns]
    for record in records:
        for name, convert in pairs:
            if name in record:
                try:
                    record[name] = convert(record[name])
                except ValueError:
                    continue  # it stays text
        yield record


def _convert_strictly(
    columns: Sequence[Column], records: Iterator[dict[str, Any]], found: Rows
) -> Iterator[Block | Unreadable]:
    """Convert all at once, for a row that is refused ends the block before it."""
    run: list[dict[str, Any]] = []
    for number, (record, text) in enumerate(zip(records, found.texts, strict=True), found.first):
        misfits: list[tuple[Column, str, ValueError]] = []
        for column in columns:
            cell = record.get(column.name)
            if cell is None:
                continue
            try:
                record[column.name] = column.convert(cell)
            except ValueError as error:
                if column.strict:
                    misfits.append((column, cell, error))
        if not misfits:
            run.append(record)
            continue
        if run:
            yield Block(number - len(run), run, plain=True)
            run = []
        yield Unreadable(number, _word_misfits(number, misfits), encode_lines([text]))
    if run:
        yield Block(found.first + len(found.rows) - len(run), run, plain=True)


def _word_misfits(number: int, misfits: Sequence[tuple[Column, str, ValueError]]) -> Reason:
    column, cell, error = misfits[0]
    if not misfits[-1][0].name:
        message = (
            f"line {number} has {show(misfits[-1][1])} in a column without a name: name it in the header row, or quote "
            f"the cell that holds the separator"
        )
        return Reason("ragged_row", message)
    option = shlex.quote(f"{column.name}=string")
    message = f"line {number}, column {column.name!r} ({column.kind}): {show(cell)} {error}; or --type {option}"
    if len(misfits) > 1:
        message += f"; and so for {', '.join(repr(other.name) for other, _, _ in misfits[1:])}"
    return Reason("type_mismatch", message, column.name)
