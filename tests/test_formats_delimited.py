"""CSV and TSV: rows become mappings; one bad row costs one row and says its line."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from itertools import chain, repeat
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Found, collect, cut, stream_of

from mpimport.formats import FORMATS, ReadOptions, delimited
from mpimport.records import Block, Unreadable

HEAD = b"event,time,note\n"


def read(
    data: bytes, sizes: list[int] | None = None, kind: str = "csv", most: int = 1 << 24
) -> tuple[list[Found], str]:
    return collect(FORMATS[kind].read(stream_of(cut(data, sizes or [])), ReadOptions(max_record_bytes=most)))


def codes(found: list[Found]) -> list[tuple[int, object]]:
    """Spell what was found: (line, the mapping's values) or (line, the reason's code)."""
    return [
        (number, item.reason.code if isinstance(item, Unreadable) else list(item.values())) for number, item in found
    ]


CELLS = st.text(st.sampled_from('ab",\n\r\té☃😀 '), max_size=6)


@settings(deadline=None, max_examples=200)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=20),
    sizes=st.lists(st.integers(1, 50), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    kind=st.sampled_from(["csv", "tsv"]),
    zipped=st.booleans(),
    mark=st.booleans(),
)
def test_what_csv_writes_is_read_in_any_pieces(
    rows: list[list[str]], sizes: list[int], end: str, kind: str, zipped: bool, mark: bool
) -> None:
    text = io.StringIO(newline="")
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL  # older writers quote only these two
    writer = csv.writer(text, delimiter="," if kind == "csv" else "\t", lineterminator=end, quoting=quoting)
    names = ["event", "time", "note"]
    expected, line = [], 2
    writer.writerow(names)
    for row in rows:
        before = text.tell()
        writer.writerow(row)
        expected.append((line, {name: cell for name, cell in zip(names, row, strict=True) if cell}))
        line += len(io.StringIO(text.getvalue()[before:], newline="").readlines())
    data = (b"\xef\xbb\xbf" if mark else b"") + text.getvalue().encode()
    assert read(gzip.compress(data) if zipped else data, sizes, kind) == (expected, "")


PIECES = [
    b"a,b,c",
    b"a,b",
    b'"',
    b'"x',
    b'",b,c',
    b"\n",
    b"\r\n",
    b"\r",
    b"\xff",
    b"\0",
    b'a,"b\nc",d',
    b'a,"b"b,c',
    b"\n\n",
]


@settings(deadline=None, max_examples=300)
@given(
    data=st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join),
    sizes=st.lists(st.integers(1, 40), max_size=5),
    most=st.sampled_from([30, 60, 1 << 24]),
    chunk=st.sampled_from([1, 16, 1 << 16]),
)
def test_any_bytes_read_the_same_in_any_pieces(data: bytes, sizes: list[int], most: int, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = read(HEAD + data, most=most)
        patch.setattr(delimited, "_CHUNK_BYTES", chunk)
        patch.setattr(delimited, "_ROWS", 2)
        assert read(HEAD + data, sizes, most=most) == whole
    numbers = [number for number, _ in whole[0]]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (b"", []),
        (b"x,1,n\n", [(2, ["x", "1", "n"])]),
        (b"x,1,\n,,\n", [(2, ["x", "1"]), (3, [])]),
        (b"\nx,1,n\n\n\ny,2,n", [(3, ["x", "1", "n"]), (6, ["y", "2", "n"])]),
        (b'x,1,"a\nb"\ny,2,n\n', [(2, ["x", "1", "a\nb"]), (4, ["y", "2", "n"])]),
        (b"x,1\ny,2,n,o\nz,3,n\n", [(2, "ragged_row"), (3, "ragged_row"), (4, ["z", "3", "n"])]),
        (b'x,"1"1,n\ny,2,n\n', [(2, "bad_quote"), (3, ["y", "2", "n"])]),
        (b'x,"1,n\ny,2,n\n', [(2, "unclosed_quote"), (3, ["y", "2", "n"])]),
        (b'x,"1,n\ny,2,n\nz,"3",n\n', [(2, "bad_quote"), (3, ["y", "2", "n"]), (4, ["z", "3", "n"])]),
        (b"x,\xff,n\ny,2,n\n", [(2, "invalid_utf8"), (3, ["y", "2", "n"])]),
        (b"x,\0,n\ny,2,n\n", [(2, "nul_byte"), (3, ["y", "2", "n"])]),
        (b'x,"' + b"y" * 200_000 + b'",n\n', [(2, ["x", "y" * 200_000, "n"])]),
    ],
)
def test_rows(rows: bytes, expected: list[tuple[int, object]]) -> None:
    found, problem = read(HEAD + rows)
    assert (codes(found), problem) == (expected, "")


def test_a_bad_row_says_how_to_mend_it_and_keeps_its_bytes() -> None:
    found, _ = read(HEAD + b"x,1,n,o\r\nx,\xe9,n\n")
    ragged, latin = found[0][1], found[1][1]
    assert ragged.reason.message == "line 2 has 4 cells where the header has 3: quote the cell that holds the separator"
    assert ragged.raw == b"x,1,n,o"
    assert latin.raw == b"x,\xe9,n"


def test_blocks_are_small_and_follow_each_other() -> None:
    data = HEAD + b"x,1,n\n" * 5000 + b"\n" + b"y,2,n\n" * 10
    blocks = [block for block in delimited.read_csv(stream_of([data]), ReadOptions()) if isinstance(block, Block)]
    sizes = [len(list(block.records)) for block in blocks]
    assert sum(sizes) == 5010
    assert max(sizes) <= 1000
    assert blocks[-1].first == 5003


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"event,,time, \n", "names no column 2, 4"),
        (b"event,time,event\n", "'event' in columns 1, 3"),
        (b"event;time\n", "no commas, but semicolons: convert it to commas first"),
        (b"event\ttime\n", "no commas, but tabs: --format tsv"),
        (b"event,\xff\n", "not UTF-8"),
        (b"event,a\0\n", "NUL"),
        (b'event,"time\n', "cannot be read: unexpected end of data"),
        (b'event,"time"x\n', "cannot be read: ',' expected after '\"'"),
    ],
)
def test_a_header_that_cannot_be_used(header: bytes, words: str) -> None:
    found, problem = read(header + b"x,1,y\n" * (0 if b'"time\n' in header else 1))
    assert found == []
    assert problem.startswith("UsageProblem: x: the header row ")
    assert words in problem


def test_a_tsv_that_is_a_csv() -> None:
    assert "no tabs, but commas: --format csv" in read(HEAD, kind="tsv")[1]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"event,time", b"event,time\r\n"])
def test_no_rows(data: bytes) -> None:
    assert read(data) == ([], "")


def test_the_header_may_take_several_lines() -> None:
    assert read(b'\n"event\nname",b\nx,1\n', [1]) == ([(4, {"event\nname": "x", "b": "1"})], "")


def test_a_broken_source_does_not_hand_over_half_a_row() -> None:
    found, problem = read(gzip.compress(HEAD + b"x,1,n\ny,2,12345")[:-3])
    assert codes(found) == [(2, ["x", "1", "n"])]
    assert problem.startswith("BrokenInput: x: the gzip data ends in the middle")
    assert problem.endswith("; the row that starts in line 3 is cut short and was not read")


def test_the_limit_of_the_csv_module_is_left_as_it_was() -> None:
    before = csv.field_size_limit()
    blocks = delimited.read_csv(stream_of([HEAD + b"x,1,n\n"]), ReadOptions())
    next(blocks)
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("tail", [b'"', b""])
def test_a_cell_without_end_stops_with_its_line(tail: bytes) -> None:
    tracemalloc.start()
    endless = chain([HEAD, b"x,1,n\n", b"y,2," + tail], repeat(b"n" * (1 << 16), 200))
    found, problem = collect(delimited.read_csv(stream_of(endless), ReadOptions(None, 1 << 20)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes(found) == [(2, ["x", "1", "n"])]
    assert problem.startswith("BrokenInput: x: the row that starts in line 3 (byte 22) is longer than 1048576 bytes")
    assert peak < 32 << 20
