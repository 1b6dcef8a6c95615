"""CSV and TSV with a header row: every row becomes a mapping of its cells that are not empty.

What the columns are is decided from the first rows, which wait until then: see `columns`.
The quick way takes a few hundred lines at a time and asks only whether they made as many rows, all of the
right length. Where they did not, the same lines are read again one row at a time.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import chain

from mpimport.errors import BrokenInput, UsageProblem
from mpimport.formats.cells import make_blocks
from mpimport.formats.columns import (
    SAMPLE_CHARACTERS,
    SAMPLE_ROWS,
    Column,
    decide,
    find_amounts,
    find_spoilt,
    find_type_problems,
    find_typed,
    keep,
)
from mpimport.formats.delimited_header import NUL, find_problems, word_unreadable
from mpimport.formats.delimited_rows import Rows, Table, is_unclosed, read_carefully, read_header, read_quickly
from mpimport.formats.reading import ReadOptions, delimiter_of
from mpimport.records import Block, Reason, Unreadable
from mpimport.sources import ByteStream

_CHUNK_BYTES = 64 * 1024
_ROWS = 500
_HEADER_BYTES = 1024 * 1024  # each name costs memory
_PASSED_OVER = 20  # rows that do not end, in one source
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONE_CR = re.compile(rb"\r(?!\n)")


def read_csv(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Read rows separated by commas, or by the delimiter that was asked for.

    Each is numbered by the line it starts on, the header's being 1. A row of the wrong length, with a
    misplaced quote, a NUL, invalid UTF-8 or a cell that does not fit its column is `Unreadable`; blank ones are
    passed over. Raises `UsageProblem` for a header or an option that cannot be used, `BrokenInput` for a row
    that is too long.
    """
    separator = "," if options.delimiter is None else delimiter_of(options.delimiter)
    return _Reader(stream, options, separator).read()


def read_tsv(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Read tab-separated rows, quoted like those of CSV, whatever the delimiter for CSV is; see `read_csv`."""
    return _Reader(stream, options, "\t").read()


_LONG_HEADER = "the header row does not end within 1 MiB: is a quote in it not closed, or is this no table?"


class _Reader:
    """Reads one stream. `_rest` is the text that no row was made of yet; it begins at a row."""

    def __init__(self, stream: ByteStream, options: ReadOptions, separator: str) -> None:
        self._stream = stream
        self._options = options
        self._most = options.max_record_bytes
        self._separator = separator
        self._table: Table | None = None
        self._rest = b""
        self._before = 0  # lines before `_rest`
        self._offset = 0  # bytes before it
        self._ended = False
        self._failure: BrokenInput | None = None
        self._passed_over = 0
        self._open_end: int | None = None

    def read(self) -> Iterator[Block | Unreadable]:
        """Read as many rows as decide the columns, then hand over these and the others."""
        items = self._read_rows()
        held: list[Rows | Unreadable] = []
        failure = self._hold(items, held)
        if self._table is not None:
            columns = self._decide(self._table.names, held)
            found = chain(held, items)
            del held  # the first rows go when they were handed over
            for item in found:
                if isinstance(item, Unreadable):
                    yield item
                else:
                    yield from make_blocks(self._table, columns, item)
        if failure is not None:
            raise failure

    def _hold(self, items: Iterator[Rows | Unreadable], held: list[Rows | Unreadable]) -> BrokenInput | None:
        """Add to `held` until it is enough to decide the columns; gives what broke before that."""
        rows = characters = 0
        try:
            for item in items:
                held.append(item)
                texts = (item.raw,) if isinstance(item, Unreadable) else item.texts
                rows += len(texts)
                characters += sum(map(len, texts))
                if not self._options.infer_types or rows >= SAMPLE_ROWS or characters >= SAMPLE_CHARACTERS:
                    break
        except BrokenInput as failure:
            return failure
        return None

    def _decide(self, names: tuple[str, ...], held: Sequence[Rows | Unreadable]) -> list[Column]:
        """Tell what the columns are, and give those that are not just text."""
        options = self._options
        rows = [row for row in _take_sample(held) if tuple(row) != names] if options.infer_types else []
        columns = decide(
            names, rows, types=options.types, infer=options.infer_types, ids=options.ids, misfit=options.misfit,
            separator=self._separator,
        )  # fmt: skip
        text = {*options.ids, *options.types, ""}
        amounts = dict(find_amounts(names, rows, columns, text))
        if options.on_amounts is not None and amounts:
            options.on_amounts(self._stream.name, amounts)
        spoilt = dict(find_spoilt(names, rows, columns, {*text, *amounts}))
        if options.on_spoilt is not None and spoilt:
            options.on_spoilt(self._stream.name, spoilt)
        if options.on_columns is not None and (rows or not held or not options.infer_types):
            kinds = {name: column.kind if column else "string" for name, column in zip(names, columns, strict=True)}
            options.on_columns(self._stream.name, {name: kind for name, kind in kinds.items() if name})
        if options.decided is not None:
            columns = keep(names, options.decided, types=options.types, misfit=options.misfit)
        return find_typed(names, columns)

    def _read_rows(self) -> Iterator[Rows | Unreadable]:
        """Read chunk by chunk, each cut at the end of a line."""
        again = False
        while again or not self._ended:
            data, final = self._fill()
            cut = len(data) if final else _find_cut(data)
            lines, clean = _split(data[:cut])
            used = 0
            if self._table is None:
                used = self._take_header(lines, final=final)
            if self._table is not None:
                clean = clean and len(data) <= self._most
                used = yield from self._take_rows(self._table, lines, used, clean=clean, final=final)
            self._rest = "".join(lines[used:]).encode(errors="surrogateescape") + data[cut:]
            self._before += used
            self._offset += len(data) - len(self._rest)
            if self._table is None and len(self._rest) > _HEADER_BYTES:
                raise UsageProblem(f"{self._stream.name}: {_LONG_HEADER}")
            if again := len(self._rest) > self._most:
                yield self._pass_over()
        if self._failure is not None:
            raise self._word_failure(self._failure) from self._failure

    def _pass_over(self) -> Unreadable:
        """Give up on a row that does not end, and go on at its second line: probably a quote is not closed.

        Raises `BrokenInput` when it has no second line, or when that happened too often: each time costs
        going over as much text as a row may have.
        """
        line = self._rest[: _find_end(self._rest)]
        self._passed_over += 1
        if self._table is None or not 0 < len(line) <= self._most or self._passed_over > _PASSED_OVER:
            raise BrokenInput(self._word_long())
        number = self._before + 1
        self._rest = self._rest[len(line) :]
        self._before, self._offset = number, self._offset + len(line)
        message = (
            f"a quote that opens in line {number} is not closed within {self._most} bytes: close it, or double a quote "
            f"that is text"
        )
        return Unreadable(number, Reason("unclosed_quote", message), line)

    def _fill(self) -> tuple[bytes, bool]:
        """Read on, as much again as is left over: a long row is not gone over again and again.

        Also says whether that is the end of a stream that is whole.
        """
        pieces = [self._rest]
        room = max(_CHUNK_BYTES, min(len(self._rest), self._most))
        try:
            while room > 0 and not self._ended:
                piece = self._stream.read(room)
                pieces.append(piece)
                room -= len(piece)
                self._ended = not piece
        except BrokenInput as failure:
            self._failure, self._ended = failure, True
        return b"".join(pieces), self._ended and self._failure is None

    def _take_header(self, lines: Sequence[str], *, final: bool) -> int:
        """Read the names, when their row is there whole; gives the number of lines used."""
        try:
            names, used = read_header(lines, self._separator)
        except csv.Error as error:
            if is_unclosed(error) and not final:
                return 0
            why = NUL if "NUL" in str(error) else word_unreadable(lines[0], error)  # NUL: Python 3.10
            raise UsageProblem(f"{self._stream.name}: {why}") from error
        if names:
            problems = list(find_problems(names, self._separator))
            problems = problems or list(find_type_problems(self._options.types, names, self._options.ids))
            if problems:
                raise UsageProblem(*(f"{self._stream.name}: {problem}" for problem in problems))
            self._table = Table(tuple(names), self._separator, self._most)
        return used

    def _take_rows(
        self, table: Table, lines: Sequence[str], at: int, *, clean: bool, final: bool
    ) -> Generator[Rows | Unreadable, None, int]:
        """Read the rows of a chunk, a batch at a time; returns the number of lines used."""
        while at < len(lines):
            batch = lines[at : at + _ROWS]
            rows = read_quickly(table, batch) if clean else None
            stop = at + len(batch)
            if rows is not None:
                items: list[Rows | Unreadable] = [Rows(self._before + at + 1, rows, batch)]
                at = stop
            else:
                items, at = read_carefully(table, lines, at, stop, before=self._before, clean=clean, final=final)
            if final:
                self._find_open_end(items, cut_short=at >= len(lines) and not lines[-1].endswith(("\n", "\r")))
            yield from items
            if at < stop:
                break
        return at

    def _find_open_end(self, items: Sequence[Rows | Unreadable], *, cut_short: bool) -> None:
        """Tell which record may go on behind the end: one without a line end, or whose quote is not closed.

        A quote that a row follows is taken for a mistake: what follows it was read, and is not to be swallowed later.
        """
        for item in items:
            if isinstance(item, Rows):
                self._open_end = None
            elif self._open_end is None and item.reason.code == "unclosed_quote":
                self._open_end = item.number
        if cut_short and items and self._open_end is None:
            last = items[-1]
            self._open_end = last.number if isinstance(last, Unreadable) else last.first + len(last.rows) - 1
        if self._options.on_open_end is not None:
            self._options.on_open_end(self._open_end)

    def _word_long(self) -> str:
        return (
            f"{self._stream.name}: the row that starts in line {self._before + 1} (byte {self._offset}) is longer than "
            f"{self._most} bytes: a quote that opens in it is probably not closed"
        )

    def _word_failure(self, failure: BrokenInput) -> BrokenInput:
        if not self._rest:
            return failure
        return BrokenInput(f"{failure}; the row that starts in line {self._before + 1} is cut short and was not read")


def _split(data: bytes) -> tuple[list[str], bool]:
    """Give the lines, ended by CR, LF or both, and whether they are UTF-8 without NULs."""
    clean = b"\0" not in data
    try:
        lines = list(map(bytes.decode, io.BytesIO(data)))
    except UnicodeDecodeError:
        lines = [line.decode(errors="surrogateescape") for line in io.BytesIO(data)]
        clean = False
    if _LONE_CR.search(data):
        lines = io.StringIO("".join(lines), newline="").readlines()
    return lines, clean


def _find_end(data: bytes) -> int:
    """Give the end of the first line; 0 when there is none."""
    found = _LINE_END.search(data)
    return found.end() if found else 0


def _find_cut(data: bytes) -> int:
    """Give the end of the last whole line; a CR at the very end may be half of a line end."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(0, len(data) - 1))) + 1


def _take_sample(held: Sequence[Rows | Unreadable]) -> list[Sequence[str]]:
    """Give the rows that decide: the same ones, however many more were read with them."""
    sample: list[Sequence[str]] = []
    taken = characters = 0
    for item in held:
        pairs = [(None, item.raw)] if isinstance(item, Unreadable) else zip(item.rows, item.texts, strict=True)
        for cells, text in pairs:
            if taken >= SAMPLE_ROWS or characters >= SAMPLE_CHARACTERS:
                return sample
            taken += 1
            characters += len(text)
            if cells is not None:
                sample.append(cells)
    return sample
