"""Records made ready for the quick acceptor end exactly as on the slow way: same values, mends and rejects."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import anything

from mpimport import intake, rows_in_c
from mpimport.columnar import Layout
from mpimport.examine import Bad, examine
from mpimport.formats.cells import Cells, make_blocks
from mpimport.formats.columns import keep
from mpimport.formats.delimited_rows import Lines, Rows, Table, read_quickly
from mpimport.intake import Intake
from mpimport.limits import FUTURE_S
from mpimport.long_text import TextRules
from mpimport.mapping import Mapper, MapRules
from mpimport.normalise import Shaping
from mpimport.prepare import Preparing
from mpimport.recognise import load
from mpimport.records import Batch, Block, RawRecord
from mpimport.rows_in_c import row_writer
from mpimport.time_forms import TimeReader
from mpimport.validate import Limits

NOW_S = 1_750_000_000.0
SHAPINGS = [
    Shaping(Mapper(MapRules(event_name="All"))),
    Shaping(Mapper(MapRules(fields={"time": "when", "distinct_id": "who.id"}, rename=(("a", "b"),), drop=("x",)))),
    Shaping(Mapper(MapRules(keep=("a",), set=(("z", [1]),), types=(("a", "number"),)))),
    Shaping(texts=TextRules(split_urls=True, parse_json=True, long_strings="drop", deep="flatten")),
    Shaping(texts=TextRules(long_strings="keep", deep="stringify")),
    Shaping(insert_id_from=("distinct_id", "time"), times=TimeReader(timezone="Europe/Berlin")),
]


Ended = tuple[list[bytes], list[Any], Counter[str]]


def fed(records: Iterable[RawRecord], shaping: Shaping, *, plain: bool = False) -> Ended:
    return fed_block(Block(1, records, plain=plain), shaping)


def fed_block(block: Block, shaping: Shaping, *, in_c: bool = False) -> Ended:
    taking = Intake(
        max_events=7,
        max_bytes=10**6,
        geolocate=False,
        clock=lambda: NOW_S,
        shaping=shaping,
        recogniser=load() if in_c else None,
    )
    batches: list[Batch] = [*taking.feed("x", block), *taking.flush()]
    lines = [line for batch in batches for line in bytes(batch.lines).split(b"\n")[:-1]]
    rejects = [(r.number, r.reasons, r.event, r.raw) for batch in batches for r in batch.rejects]
    mends: Counter[str] = sum((Counter(batch.mends) for batch in batches), Counter())
    assert taking.read == len(lines) + len(rejects)
    return lines, rejects, mends


def slowly(records: list[RawRecord], shaping: Shaping) -> Ended:
    limits = Limits(NOW_S + FUTURE_S, ("ip",), keeps_long_text=shaping.texts.long_strings == "keep")
    lines, rejects, mends = [], [], Counter[str]()
    for number, record in enumerate(records, 1):
        own = Counter[str]()
        text = examine(record, limits, own, shaping)
        mends.update(own)
        if isinstance(text, Bad):
            rejects.append((number, text.reasons, text.event, text.raw))
        elif text is not None:
            lines.append(text)
    return lines, rejects, mends


def exact(line: bytes) -> Any:
    return json.loads(line, parse_float=Decimal)


@settings(max_examples=150)
@given(st.lists(anything, max_size=12), st.sampled_from(SHAPINGS))
def test_bytes(records: list[bytes], shaping: Shaping) -> None:
    quick, slow = fed(list(records), shaping), slowly(list(records), shaping)

    assert [exact(line) for line in quick[0]] == [exact(line) for line in slow[0]]
    assert quick[1:] == slow[1:]
    lines = b"".join(record + b"\n" for record in records)
    assert fed(BytesIO(lines), shaping) == quick
    edited = fed_block(Block(1, BytesIO(lines)), shaping, in_c=True)
    assert [exact(line) for line in edited[0]] == [exact(line) for line in slow[0]]  # spelt as they came
    assert edited[1:] == slow[1:]


@pytest.mark.parametrize("number", ["1.5E1", "-1.0e1", "0.00E2", "-0.000000E6", "-0E0", "1E1", "10.0", "-0.0"])
@pytest.mark.parametrize("in_c", [False, True])
def test_the_id_that_is_made_is_that_of_the_number_as_it_is_read(number: str, *, in_c: bool) -> None:
    event = f'{{"time":1700000000,"distinct_id":"u1","a":[{number}]}}'.encode()
    lines, _, _ = fed_block(Block(1, BytesIO(event)), SHAPINGS[0], in_c=in_c)
    [want], _, _ = slowly([event], SHAPINGS[0])

    assert [exact(line)["properties"]["$insert_id"] for line in lines] == [exact(want)["properties"]["$insert_id"]]


@pytest.mark.parametrize(
    "text",
    [
        b'{"event":"a","properties":{"time":1714557600,"distinct_id":"u","a":1,"a" :2}}',
        b'{"event":"a","event":"a","properties":{"time":1714557600,"distinct_id":"u"}}',
        b'{"a":1,"a":1,"a":1,"a":2,"properties":"abc"}',
        b'{"event":"a","time":1714557600,"distinct_id":"u","o":[{"a":1,"\\u0061":2}]}',
        b'{"event":"a","time":1714557600,"distinct_id":"u","o":"http://a/","o":1}',
    ],
)
def test_a_name_that_stands_twice_is_found(text: bytes) -> None:
    for records in ([text], BytesIO(text), BytesIO(text + b"\n")):
        _, [(_, reasons, _, _)], _ = fed(records, SHAPINGS[0])

        assert "duplicate_key" in [reason.code for reason in reasons]


CELLS = st.sampled_from(
    [
        "",
        "1",
        "-5",
        "1.50",
        "-0",
        "0.0000001",
        "007",
        "True",
        'say "a", \\b',
        "a\tb",
        "\u00e9",
        "x",
        "u1",
        "1714557600",
        "2024-05-01T12:00:00",
        "null",
        "y" * 300,
    ]
)
ROWS = st.dictionaries(
    st.sampled_from(
        ["event", "time", "ts", "distinct_id", "who", "a", "x", "$insert_id", "ip", "bucket", "properties"]
    ),
    CELLS | st.decimals(-10, 10, places=2) | st.booleans() | st.lists(CELLS, max_size=2),
    max_size=8,
)


@settings(max_examples=150)
@given(st.lists(ROWS, max_size=12), st.sampled_from([Shaping(), *SHAPINGS]))
def test_rows_of_a_table(rows: list[dict[str, Any]], shaping: Shaping) -> None:
    quick, slow = fed(list(rows), shaping, plain=True), slowly(list(rows), shaping)

    assert [exact(line) for line in quick[0]] == [exact(line) for line in slow[0]]
    assert quick[1:] == slow[1:]


HEADER = ["event", "event_type", "time", "ts", "timestamp", "distinct_id", "user_id", "$user_id", "$insert_id"]
HEADER += ["insert_id", "ip", "a", "b", "bucket", "properties", "a\\b", "\u00e9"]
MOST_CELLS = {"event": "a", "time": "1714557600", "ts": "1714557600000", "distinct_id": "u", "$insert_id": "i-1"}


def _written(row: list[str], ending: str, quoting: Any) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=ending, quoting=quoting).writerow(row)
    return text.getvalue()


@st.composite
def tables(draw: st.DrawFn) -> Block:
    """Make the rows of a table, most of whose cells are right, as the format hands them over."""
    names = draw(st.lists(st.sampled_from(HEADER), unique=True, min_size=1))
    if draw(st.booleans()):
        names = list(dict.fromkeys([*names, "event", "time", "distinct_id"]))
    cells = [st.just(MOST_CELLS.get(name, "x")) | CELLS | st.just("\udc80") for name in names]
    rows = [list(row) for row in draw(st.lists(st.tuples(*cells), min_size=1, max_size=12))]
    kinds = {name: draw(st.sampled_from(["string", "number", "boolean"])) for name in names if name in "ab"}
    columns = [column for column in keep(names, kinds, types={}, misfit=None) if column is not None]
    ending, quoting = draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    texts = [_written(row, ending, quoting) for row in rows]
    [block] = make_blocks(Table(tuple(names), ",", 10**6), columns, Rows(1, rows, texts))
    assert isinstance(block, Block)
    return block


@settings(max_examples=300)
@given(tables(), st.sampled_from([Shaping(), Shaping(times=TimeReader("ms")), SHAPINGS[0]]))
def test_columns_of_a_table(block: Block, shaping: Shaping) -> None:
    records = list(block.records)
    quick, slow = fed(records, shaping, plain=True), slowly(records, shaping)

    assert isinstance(block.records, Cells)
    assert [block.records[at] for at in range(len(records))] == records
    for found in (quick, fed_block(block, shaping), fed_block(block, shaping, in_c=True)):
        # by value: where a column is taken for the event's name, that stands before the properties or behind them
        assert [exact(line) for line in found[0]] == [exact(line) for line in slow[0]]
        assert found[1:] == slow[1:]


def test_a_table_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("event_type", "timestamp", "distinct_id", "$insert_id", "price")
    rows = [["a", "1714557600", "u", "i-1", "1.50"], ["b", "2024-05-01T10:00:00Z", "v", "", ""]]
    [price] = keep(["price"], {"price": "number"}, types={}, misfit=None)
    assert price is not None
    [block] = make_blocks(Table(names, ",", 10**6), [price], Rows(1, rows, ["", ""]))
    monkeypatch.setattr(Preparing, "_write", pytest.fail)
    monkeypatch.setattr(intake, "examine", pytest.fail)
    assert isinstance(block, Block)
    (first, second), rejects, mends = fed_block(block, Shaping())

    properties = b'{"distinct_id":"u","$insert_id":"i-1","price":1.50,"time":1714557600,"ip":0}'
    assert first == b'{"event":"a","properties":%b}' % properties
    assert b'"time":1714557600000,' in second
    assert not rejects
    assert mends == {
        "alias event_type event": 2,
        "alias timestamp time": 2,
        "time_read": 2,
        "insert_id_made": 1,
    }


@pytest.mark.skipif(row_writer() is None, reason="there was no C compiler to build it with")
def test_a_table_of_plain_cells_is_written_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("event_type", "timestamp", "distinct_id", "$insert_id", "price", "new")
    texts = ["a,1714557600,u,i-1,1.50,TRUE\r\n", '"say ""b""",1714557600000,u,i-2,,\r\n']
    columns = keep(["price", "new"], {"price": "number", "new": "boolean"}, types={}, misfit=None)
    rows = read_quickly(Table(names, ",", 10**6), texts)
    assert rows is not None
    [block] = make_blocks(Table(names, ",", 10**6), [c for c in columns if c is not None], Rows(1, rows, texts))
    monkeypatch.setattr(Layout, "write", pytest.fail)
    monkeypatch.setattr(Lines, "__getitem__", pytest.fail)
    monkeypatch.setattr(intake, "examine", pytest.fail)
    assert isinstance(block, Block)
    (first, second), _, mends = fed_block(block, Shaping(), in_c=True)

    rest = b'"$insert_id":"i-1","price":1.50,"new":true,"time":1714557600,"ip":0}}'
    assert first == b'{"event":"a","properties":{"distinct_id":"u",' + rest
    assert exact(second)["event"] == 'say "b"'
    assert mends == {"alias event_type event": 2, "alias timestamp time": 2, "time_read": 2}


def test_where_it_was_not_built_rows_are_read_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_in_c, "IN_C", False)

    assert row_writer() is None
    assert read_quickly(Table(("a", "b"), ",", 10**6), ["1,2\n", "3,4\n"]) == [["1", "2"], ["3", "4"]]


def test_reading_goes_on_behind_the_last_record_that_was_taken() -> None:
    event = b'{"event":"a","properties":{"time":1714557600,"distinct_id":"u","$insert_id":"i%d"}}\n'
    lines = [event % number for number in range(20)]
    block = Block(1, BytesIO(b"".join(lines)), offset=100)
    taking = Intake(max_events=7, max_bytes=10**6, geolocate=False, clock=lambda: NOW_S, shaping=SHAPINGS[0])
    batches = [*taking.feed("x", block), *taking.flush()]

    ends = [batch.spans[-1].offset for batch in batches]
    assert ends == [100 + sum(map(len, lines[:count])) for count in (7, 14, 20)]


def test_what_is_right_already_is_not_prepared() -> None:
    assert Preparing(Shaping()).of(Block(1, [b"{}"])) is None
    assert Preparing(SHAPINGS[0]).of(Block(1, [b"{}"])) is not None
