"""CSV and TSV: rows become mappings; one bad row costs one row and says its line."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from decimal import Decimal
from itertools import chain, repeat
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Found, collect, cut, stream_of

from mpimport.errors import UsageProblem
from mpimport.formats import FORMATS, ReadOptions, delimited, delimited_rows, delimiter_of
from mpimport.formats.delimited_rows import Table, read_quickly
from mpimport.records import Block, Unreadable

HEAD = b"event,time,note\n"


def read(
    data: bytes, sizes: list[int] | None = None, kind: str = "csv", most: int = 1 << 24, **options: Any
) -> tuple[list[Found], str]:
    given = ReadOptions(max_record_bytes=most, **options)
    return collect(FORMATS[kind].read(stream_of(cut(data, sizes or [])), given))


def codes(found: list[Found]) -> list[tuple[int, object]]:
    """Spell what was found: (line, the mapping's values) or (line, the reason's code)."""
    return [
        (number, item.reason.code if isinstance(item, Unreadable) else list(item.values())) for number, item in found
    ]


CELLS = st.text(st.sampled_from('ab",\n\r\té☃😀 '), max_size=6)


@settings(max_examples=200)
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


@settings(max_examples=300)
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


@pytest.mark.parametrize("first", [b"sep=,\n", b"SEP=;\n", b'"sep=,"\n', b"sep=\t\r\n"])
def test_the_note_on_the_separator_that_excel_wants_is_no_header(first: bytes) -> None:
    found, problem = read(first + b"event,time\nBuy,1\n")
    assert found == []
    assert (
        problem == "UsageProblem: x: the first line is a note to Excel, and no header row: remove it (tail -n +2 FILE)"
    )


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"event,,time, \n", "names no column 2: name it, or remove it"),
        (b",event,time\n", "names no column 1: if pandas or R wrote row numbers there, index=False or row.names=FALSE"),
        (b", ,\n", "names no column 1, 2, 3: name it"),
        (b"event,time,event\n", "'event' in columns 1, 3"),
        (b"event;time\n", "no commas, but semicolons: --delimiter ';'"),
        (b"event\ttime\n", "no commas, but tabs: --format tsv"),
        (b"event,\xff\n", "not UTF-8: if Excel on Windows wrote the file, --encoding windows-1252 reads it"),
        (b"event,a\0\n", "NUL bytes: if the file is UTF-16, --encoding utf-16-le reads it"),
        ("event,a".encode("utf-16-be") + b"\0\n", "NUL bytes: if the file is UTF-16, --encoding utf-16-be reads it"),
        (b'event,"time\n', "cannot be read: unexpected end of data"),
        (b'event,"time"x\n', "cannot be read: ',' expected after '\"'"),
    ],
)
def test_a_header_that_cannot_be_used(header: bytes, words: str) -> None:
    found, problem = read(header + b"x,1,y\n" * (0 if b'"time\n' in header else 1))
    assert found == []
    assert problem.startswith("UsageProblem: x: the header row ")
    assert words in problem


@pytest.mark.parametrize("options", [{}, {"infer_types": False}, {"misfit": "text"}, {"decided": {"n": "number"}}])
def test_columns_without_a_name_at_the_end_hold_nothing(options: dict[str, Any]) -> None:
    data = b'event,n,, \nx,1,,\ny,2,"",\nz,3,4,\n' + b"v,4,,5\nw,5,,\nu,6\nt,7,,,\n"
    number = (lambda text: text) if "infer_types" in options else int
    told = kinds_of(data, **options)
    found, problem = read(data, **options)

    assert problem == ""
    assert [(n, item) for n, item in found if isinstance(item, dict)] == [
        (line, {"event": event, "n": number(n)}) for line, event, n in ((2, "x", "1"), (3, "y", "2"), (6, "w", "5"))
    ]
    refused = {n: item.reason for n, item in found if isinstance(item, Unreadable)}
    assert {n: reason.code for n, reason in refused.items()} == dict.fromkeys((4, 5, 7, 8), "ragged_row")
    assert "line 4 has '4' in a column without a name: name it in the header row" in refused[4].message
    assert "remove the separator at the end of the header row" in refused[7].message
    assert told.keys() == {"event", "n"}


@pytest.mark.parametrize(
    ("header", "kind", "delimiter", "words"),
    [
        (b"a,b", "tsv", None, "no tabs, but commas: --format csv"),
        (b"a;b", "tsv", None, "no tabs, but semicolons: --format csv --delimiter ';'"),
        (b"a|b", "csv", None, "no commas, but bars: --delimiter '|'"),
        (b"a,b", "csv", ";", "no semicolons, but commas: --delimiter ','"),
        (b"a\tb", "csv", "^", "no '^', but tabs: --format tsv"),
    ],
)
def test_the_wrong_separator(header: bytes, kind: str, delimiter: str | None, words: str) -> None:
    assert words in read(header + b"\nx\n", kind=kind, delimiter=delimiter)[1]


@pytest.mark.parametrize(
    ("delimiter", "character"),
    [(";", ";"), ("|", "|"), ("\t", "\t"), ("\\t", "\t"), ("tab", "\t"), ("Semicolon", ";"), ("pipe", "|"), ("§", "§")],
)
def test_delimiters(delimiter: str, character: str) -> None:
    assert delimiter_of(delimiter) == character
    data = f'a{character}b\n"x{character}"{character}y,1\n'.encode()
    assert read(data, delimiter=delimiter) == ([(2, {"a": f"x{character}", "b": "y,1"})], "")


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r", "\0", "tabs"])
def test_what_is_no_delimiter(delimiter: str) -> None:
    with pytest.raises(UsageProblem, match="must be one character, no quote or line break, or one of tab"):
        delimited.read_csv(stream_of([b""]), ReadOptions(delimiter=delimiter))


def test_a_tsv_has_tabs_whatever_the_delimiter_of_csv() -> None:
    assert read(b"a\tb\nx\ty\n", kind="tsv", delimiter=";") == ([(2, {"a": "x", "b": "y"})], "")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"event,time", b"event,time\r\n"])
def test_no_rows(data: bytes) -> None:
    assert read(data) == ([], "")


def test_the_header_may_take_several_lines() -> None:
    assert read(b'\n"event\nname",b\nx,y\n', [1]) == ([(4, {"event\nname": "x", "b": "y"})], "")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1,2\n", None),
        ("1,2\n3,4", 3),
        ("1,2\r\n3\r", None),
        ('1,2\n3,"4\n', 3),
        ('1,2\n3,"4\n5\n6', 3),
        ('1,"2\n3,4\n5,6', 4),
        ('1,"2\n3,4\n', None),
        ('1,"2\n3,4\n5,"6\n', 4),
        ('1,"2\n' + "3,4\n" * 30_000, None),
    ],
)
def test_what_may_go_on_behind_the_end_is_told(rows: str, expected: int | None) -> None:
    told: list[int | None] = [None]
    read(f"a,b\n{rows}".encode(), on_open_end=told.append)

    assert told[-1] == expected


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


TABLE = HEAD.replace(b"note", b"price,ok,zip,note")
ROW = {"event": "x", "time": "1", "price": Decimal("9.90"), "ok": True, "zip": "01234", "note": "n"}


def kinds_of(data: bytes, **options: Any) -> dict[str, str]:
    told: dict[str, str] = {}
    read(data, on_columns=lambda _, kinds: told.update(kinds), **options)
    return told


def test_columns_are_typed_and_told() -> None:
    told: list[tuple[str, object]] = []
    data = TABLE + b"x,1,9.90,TRUE,01234,n\nx,1,7,false,,\n"
    found, problem = read(data, on_columns=lambda name, kinds: told.append((name, kinds)))
    assert (found[0], problem) == ((2, ROW), "")
    assert found[1] == (3, {"event": "x", "time": "1", "price": 7, "ok": False})
    text = dict.fromkeys(ROW, "string")
    assert told == [("x", {**text, "price": "number", "ok": "boolean"})]
    assert kinds_of(TABLE) == text
    assert kinds_of(b"") == {}
    plain, _ = read(data, infer_types=False)
    assert plain[0] == (2, {**ROW, "price": "9.90", "ok": "TRUE"})
    assert kinds_of(data, infer_types=False) == text
    assert kinds_of(data, infer_types=False, types={"ok": "boolean"}) == {**text, "ok": "boolean"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 16])
def test_the_first_thousand_rows_decide(end: bytes, chunk: int) -> None:
    def table(rows: int, *tail: bytes) -> bytes:
        return end.join((b"event,n", *[b"x,1"] * rows, *tail)) + end

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_CHUNK_BYTES", chunk)
        found, _ = read(table(999, b"x,007", b"x,2"))
        assert codes(found)[-3:] == [(1000, ["x", "1"]), (1001, ["x", "007"]), (1002, ["x", "2"])]
        found, _ = read(table(1000, b"x,007", b"x,2"))
        assert codes(found)[-3:] == [(1001, ["x", 1]), (1002, ["x", "007"]), (1003, ["x", 2])]
        found, _ = read(table(998, b"x,1,ragged", b"", b"x,007", b"x,2"))
        assert codes(found)[-3:] == [(1000, "ragged_row"), (1002, ["x", "007"]), (1003, ["x", "2"])]
        found, _ = read(table(1000, b"x,007", b"x,2"), misfit="reject")
        assert codes(found)[-3:] == [(1001, ["x", 1]), (1002, "type_mismatch"), (1003, ["x", 2])]


def test_much_text_decides_after_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "SAMPLE_CHARACTERS", 12)
    found, _ = read(b"event,n\nxxxx,1\nxxxx,2\nxxxx,a\n", [3])
    assert codes(found) == [(2, ["xxxx", 1]), (3, ["xxxx", 2]), (4, ["xxxx", "a"])]


def test_a_misfit_is_a_reject_with_its_line_its_cell_and_the_option() -> None:
    data = b'event,unit price,ok\nx,9.90,yes\nx,"1,50",no\r\n\nx,7,1\nx,a,b\n'
    found, problem = read(data, types={"unit price": "number", "ok": "boolean"})
    assert problem == ""
    assert codes(found) == [
        (2, ["x", Decimal("9.90"), True]),
        (3, "type_mismatch"),
        (5, ["x", 7, True]),
        (6, "type_mismatch"),
    ]
    first, both = found[1][1], found[3][1]
    assert first.reason.field == "unit price"
    assert first.reason.message == (
        "line 3, column 'unit price' (number): '1,50' is no number: write it without thousands separators, "
        "and with a point before the fraction; or --type 'unit price=string'"
    )
    assert first.raw == b'x,"1,50",no'
    assert both.reason.message.endswith("; or --type 'unit price=string'; and so for 'ok'")
    assert codes(read(data, types={"unit price": "number", "ok": "boolean"}, misfit="text")[0])[1:] == [
        (3, ["x", "1,50", False]),
        (5, ["x", 7, True]),
        (6, ["x", "a", "b"]),
    ]


def test_what_was_decided_stays_text_beside_what_was_asked_for() -> None:
    data = b"event,a,b\n" + b"x,1,1\n" * 1000 + b"x,07,2\nx,2,y\n"
    found, _ = read(data, types={"b": "number"})
    assert codes(found)[-2:] == [(1002, ["x", "07", 2]), (1003, "type_mismatch")]


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"price": "int"}, "--type price=int: there is no such type; it is one of string, number, boolean, time"),
        ({"event": "json"}, "--type event=json: this column is always text"),
        ({"zip": "number"}, "--type zip=number: this column is always text"),
    ],
)
def test_a_type_that_cannot_be(types: dict[str, str], words: str) -> None:
    found, problem = read(TABLE + b"x,1,9.90,TRUE,01234,n\n", types=types, ids=["zip"])
    assert found == []
    assert problem.startswith("UsageProblem: ")
    assert words in problem


def test_a_broken_source_gives_the_rows_before_the_damage_with_their_types() -> None:
    found, problem = read(gzip.compress(b"event,n\nx,1\nx,2\nx,3")[:-3])
    assert codes(found) == [(2, ["x", 1]), (3, ["x", 2])]
    assert problem.startswith("BrokenInput: x: the gzip data ends in the middle")


PARTS = [b"x,1", b"x,07", b"x,", b"x,1,2", b'"x', b'",3', b"x,\xff", b"", b"y,2.50", b"y,9"]


@settings(max_examples=200)
@given(
    rows=st.lists(st.sampled_from(PARTS), max_size=25),
    sizes=st.lists(st.integers(1, 40), max_size=5),
    chunk=st.sampled_from([1, 16, 1 << 16]),
    sample=st.integers(1, 8),
    misfit=st.sampled_from([None, "text", "reject"]),
    types=st.sampled_from([{}, {"n": "number"}]),
)
def test_types_are_the_same_in_any_pieces(
    rows: list[bytes], sizes: list[int], chunk: int, sample: int, misfit: str | None, types: dict[str, str]
) -> None:
    data = b"event,n\n" + b"\n".join(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "SAMPLE_ROWS", sample)
        whole = read(data, misfit=misfit, types=types)
        patch.setattr(delimited, "_CHUNK_BYTES", chunk)
        patch.setattr(delimited, "_ROWS", 2)
        assert read(data, sizes, misfit=misfit, types=types) == whole
    numbers = [number for number, _ in whole[0]]
    assert numbers == sorted(set(numbers))


def test_a_stray_quote_costs_its_line_however_long_the_file_is() -> None:
    rows = [b"x,%d,n\n" % n for n in range(3000)]
    rows[5] = b'x,5,"n\n'
    found, problem = read(HEAD + b"".join(rows), most=4096)

    assert problem == ""
    assert [item for item in codes(found) if isinstance(item[1], str)] == [(7, "unclosed_quote")]
    assert len(found) == 3000


def test_rows_that_do_not_end_are_not_gone_over_for_ever() -> None:
    found, problem = read(HEAD + b'x,1,"n\n\n' + b"x" * 9000 + b"\n", most=4096)

    assert problem.startswith("BrokenInput")
    assert codes(found) == [(2, "unclosed_quote")]


LINES = st.lists(
    st.tuples(st.text('aé☃ ;,""\t\x0b\u2028', max_size=9), st.sampled_from(["\n", "\n", "\r\n"])).map("".join),
    min_size=1,
)


@settings(max_examples=400)
@given(LINES, st.integers(1, 4), st.sampled_from(",;\t"))
def test_rows_that_are_split_are_what_csv_reads(lines: list[str], width: int, separator: str) -> None:
    table = Table(("name",) * width, separator, 1 << 24)
    quick, found = read_quickly(table, lines), delimited_rows._split(table, lines)

    assert quick is None or list(quick) == found
    if found is not None:
        assert found == list(csv.reader(lines, delimiter=separator, strict=True))
        assert set(map(len, found)) == {width}
    elif not any('"' in line for line in lines):
        assert quick is None
        assert any(len(row) != width for row in csv.reader(lines, delimiter=separator, strict=True))


def test_a_header_row_that_comes_again_does_not_decide() -> None:
    assert kinds_of(TABLE + b"x,1,9.90,TRUE,01234,n\n" + TABLE + b"x,1,7,false,,\n")["price"] == "number"
