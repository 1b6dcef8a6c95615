"""Lines of delimited text to rows: many at once where all is well, one at a time where something is not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from mpimport.records import Reason, Unreadable
from mpimport.rows_in_c import are_rows

_NO_LIMIT = 2**31 - 1  # a C long of 32 bits is the most that every platform takes
_END_IN_QUOTES = "unexpected end of data"  # csv's words; the same from Python 3.10 to 3.14


@dataclass(frozen=True, slots=True)
class Table:
    """What all rows of a source share. No row has more than `most` bytes."""

    names: tuple[str, ...]
    separator: str
    most: int


class Rows(NamedTuple):
    """Rows of the right length, numbered from `first` without a gap, and the text that each was read from."""

    first: int
    rows: Sequence[list[str]]
    texts: Sequence[str]


class Lines(Sequence[list[str]]):
    """Rows that stand in a line each, and are made when one of them is asked for."""

    def __init__(self, table: Table, lines: Sequence[str]) -> None:
        """Take lines that are known to be rows of the right length."""
        self._table = table
        self._lines = lines
        self._rows: list[list[str]] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, at: Any) -> Any:
        if self._rows is None:
            self._rows = _split(self._table, self._lines)
            assert self._rows is not None
        return self._rows[at]


def read_quickly(table: Table, lines: Sequence[str]) -> Sequence[list[str]] | None:
    """Make a row of each line; None when one of them is not a row of its own of the right length."""
    if are_rows(lines, table.separator, len(table.names)):
        return Lines(table, lines)
    return _split(table, lines)


def _split(table: Table, lines: Sequence[str]) -> list[list[str]] | None:
    """Do it now. A line without a quote needs no parser: its cells are what is between the separators."""
    separator, width = table.separator, len(table.names)
    quoted = [line for line in lines if '"' in line or width == 1]  # a blank line is no row with an empty cell
    parsed = _parse_each(quoted, separator)
    if parsed is None:
        return None
    if len(quoted) == len(lines):
        rows = parsed
    else:
        others = iter(parsed)
        rows = [next(others) if '"' in line else line.rstrip("\r\n").split(separator) for line in lines]
    return rows if set(map(len, rows)) == {width} else None


def _parse_each(lines: Sequence[str], separator: str) -> list[list[str]] | None:
    with _big_fields():
        try:
            rows = list(csv.reader(lines, delimiter=separator, strict=True))
        except csv.Error:
            return None
    return rows if len(rows) == len(lines) else None


def read_carefully(
    table: Table, lines: Sequence[str], at: int, stop: int, *, before: int, clean: bool, final: bool
) -> tuple[list[Rows | Unreadable], int]:
    """Read the rows that begin at `lines[at:stop]`; gives what they are and the index of the next row.

    That is less than `stop` when the row there does not end in `lines` or is too long. `before` is how many
    lines came before. Not `clean`: there may be bytes in it that are no UTF-8, NULs, or rows that are too long.
    After a quote that is not closed or not followed by a separator, reading goes on at the next line.
    """
    found = _Found(table, before)
    with _big_fields():
        while at < stop:
            start = at
            reader = csv.reader(map(lines.__getitem__, range(at, len(lines))), delimiter=table.separator, strict=True)
            try:
                for cells in reader:
                    end = start + reader.line_num
                    if not clean and _count_bytes(lines, at, end) > table.most:
                        return found.finish(), at
                    found.add(at, cells, lines[at:end], clean=clean)
                    at = end
                    if at >= stop:
                        break
            except csv.Error as error:
                unclosed = str(error) == _END_IN_QUOTES
                if (unclosed and not final) or _count_bytes(lines, at, start + reader.line_num) > table.most:
                    return found.finish(), at
                found.add_error(at, lines[at], unclosed=unclosed)
                at += 1
    return found.finish(), at


def read_header(lines: Sequence[str], separator: str) -> tuple[list[str], int]:
    """Give the first row that is not blank, white space for no name, and how many lines it and the blank ones take.

    No names when there is none yet. Raises `csv.Error` for one that is broken.
    """
    with _big_fields():
        reader = csv.reader(lines, delimiter=separator, strict=True)
        for cells in reader:
            if cells:
                return [name if name.strip() else "" for name in cells], reader.line_num
    return [], len(lines)


def is_unclosed(error: csv.Error) -> bool:
    """Say whether the text ended within quotes, so that more of it may mend that."""
    return str(error) == _END_IN_QUOTES


class _Found:
    """Gathers what the careful way finds, good rows that follow each other in one block."""

    def __init__(self, table: Table, before: int) -> None:
        self._table = table
        self._before = before
        self._items: list[Rows | Unreadable] = []
        self._run: list[list[str]] = []
        self._texts: list[str] = []
        self._first = 0
        self._next = 0

    def add(self, at: int, cells: list[str], lines: Sequence[str], *, clean: bool) -> None:
        number = self._before + at + 1
        reason = self._find_fault(number, cells, lines, clean=clean) if cells else None
        if reason is not None:
            self._flush()
            self._items.append(Unreadable(number, reason, encode_lines(lines)))
        elif cells:
            if number != self._next:
                self._flush()
                self._first = number
            self._run.append(cells)
            self._texts.append("".join(lines))
            self._next = number + 1

    def add_error(self, at: int, line: str, *, unclosed: bool) -> None:
        self._flush()
        number = self._before + at + 1
        if "\0" in line:
            reason = _word_nul(number)
        elif unclosed:
            reason = Reason(
                "unclosed_quote",
                f"a quote that opens in line {number} is never closed: close it, or double a quote that is text",
            )
        else:
            reason = Reason(
                "bad_quote",
                f"a quoted cell of line {number} is followed by something that is no separator: "
                f"double the quotes that are text",
            )
        self._items.append(Unreadable(number, reason, encode_lines([line])))

    def finish(self) -> list[Rows | Unreadable]:
        self._flush()
        return self._items

    def _flush(self) -> None:
        if self._run:
            self._items.append(Rows(self._first, self._run, self._texts))
            self._run, self._texts = [], []
        self._next = 0

    def _find_fault(self, number: int, cells: Sequence[str], lines: Sequence[str], *, clean: bool) -> Reason | None:
        width = len(self._table.names)
        if not clean and not _is_utf8(lines):
            return Reason("invalid_utf8", _word_utf8(number))
        if not clean and any("\0" in line for line in lines):
            return _word_nul(number)
        if len(cells) > width:
            mend = "quote the cell that holds the separator"
            if width == 1:
                mend = "remove a title above the header, or name the separator (--delimiter)"
        elif len(cells) < width:
            mend = "is it cut short, or is a line break in a cell without quotes?"
            if not self._table.names[-1]:
                mend = "remove the separator at the end of the header row"
        else:
            return None
        return Reason("ragged_row", f"line {number} has {len(cells)} cells where the header has {width}: {mend}")


def _word_utf8(number: int) -> str:
    return f"line {number} is not UTF-8: if Excel on Windows wrote the file, --encoding windows-1252 reads it"


def _word_nul(number: int) -> Reason:
    return Reason("nul_byte", f"line {number} holds a NUL byte: is the file damaged, or UTF-16 (--encoding utf-16-le)?")


def encode_lines(lines: Sequence[str]) -> bytes:
    """Give lines as the bytes that they were read from, without the last line end."""
    return "".join(lines).rstrip("\r\n").encode(errors="surrogateescape")


def _is_utf8(lines: Sequence[str]) -> bool:
    try:
        "".join(lines).encode()
    except UnicodeEncodeError:
        return False
    return True


def _count_bytes(lines: Sequence[str], start: int, end: int) -> int:
    return sum(len(line.encode(errors="surrogateescape")) for line in lines[start:end])


@contextmanager
def _big_fields() -> Iterator[None]:
    """Lift the limit that the csv module keeps for the whole process, for as long as it takes to parse."""
    limit = csv.field_size_limit(_NO_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(limit)
