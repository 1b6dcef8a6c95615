"""NDJSON: lines come out as they went in, whatever the pieces; a line too long is passed over and told of."""

from __future__ import annotations

import gzip
import tracemalloc
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Found, collect, cut, stream_of

from mpimport.formats import FORMATS, ReadOptions, ndjson
from mpimport.records import Block, Unreadable

LIMIT = 20


def read(data: bytes, sizes: list[int] | None = None, most: int = 1 << 24) -> tuple[list[Found], str]:
    return collect(FORMATS["ndjson"].read(stream_of(cut(data, sizes or [])), ReadOptions(max_record_bytes=most)))


def by_hand(data: bytes, most: int) -> list[tuple[int, object]]:
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [(number, len(line) if len(line) > most else line) for number, line in enumerate(lines, 1)]


def plain(found: list[Found]) -> list[tuple[int, object]]:
    """Spell lines without their ends; of a line that is too long, its length from the message."""
    return [
        (number, int(item.reason.message.split(" is ")[1].split()[0]))
        if isinstance(item, Unreadable)
        else (number, item.removesuffix(b"\n"))
        for number, item in found
    ]


@settings(max_examples=200)
@given(
    data=st.lists(st.sampled_from([b"\n", b"\r\n", b"{}", b'{"event": "x"}', b" ", b"a" * 7, b"\xff"])).map(b"".join),
    sizes=st.lists(st.integers(1, 60), max_size=6),
    most=st.sampled_from([1, 3, LIMIT, 1 << 20]),
    zipped=st.booleans(),
)
def test_any_pieces_read_the_same(data: bytes, sizes: list[int], most: int, zipped: bool) -> None:
    found, problem = read(gzip.compress(data) if zipped else data, sizes, most)
    assert problem == ""
    assert plain(found) == by_hand(data, most)


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"\xef\xbb\xbf{}\n", [(1, b"{}\n")]),
        (b"{}\r\n\r\n{}", [(1, b"{}\r\n"), (2, b"\r\n"), (3, b"{}")]),
        (b"\n", [(1, b"\n")]),
    ],
)
def test_lines_are_untouched(data: bytes, records: list[Found]) -> None:
    assert read(data) == (records, "")


def test_blocks_are_bounded_and_number_their_first_line() -> None:
    data = b'{"event":"x"}\n' * 100_000
    blocks = list(ndjson.read(stream_of([data]), ReadOptions()))
    firsts = [block.first for block in blocks if isinstance(block, Block)]
    sizes = [sum(map(len, block.records)) for block in blocks if isinstance(block, Block)]
    assert sum(sizes) == len(data)
    assert max(sizes) <= ndjson._BLOCK_BYTES + 14
    assert firsts == [1 + sum(sizes[:i]) // 14 for i in range(len(sizes))]


def test_a_long_line_keeps_its_beginning_and_costs_only_itself() -> None:
    data = b"{}\n" + b"x" * 100_000 + b"\n{}\n"
    found, problem = read(data, [7], 1000)
    assert problem == ""
    assert [number for number, _ in found] == [1, 2, 3]
    long = found[1][1]
    assert isinstance(long, Unreadable)
    assert long.reason.code == "record_too_long"
    assert "line 2 is 100000 bytes long (from byte 3), and 1000 is the most" in long.reason.message
    assert long.raw == b"x" * 65536


def test_a_broken_source_does_not_hand_over_half_a_line() -> None:
    whole = gzip.compress(b'{"a":1}\n{"a":22}\n{"a":333}\n')
    found, problem = read(whole[:-11])
    assert found
    assert problem.startswith("BrokenInput: x: the gzip data ends in the middle")
    assert all(line.endswith(b"}\n") for _, line in found)
    found, problem = read(gzip.compress(b'{"a":1}\n{"a":22')[:-3])
    assert found == [(1, b'{"a":1}\n')]
    assert problem.endswith("; line 2 is cut short there and was not read")


def test_two_hundred_megabytes_without_a_line_break_take_no_memory() -> None:
    piece = b"x" * (1 << 20)
    tracemalloc.start()
    found, problem = collect(ndjson.read(stream_of(chain(repeat(piece, 200), [b"\n{}\n"])), ReadOptions(None, 1 << 20)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problem == ""
    assert [number for number, _ in found] == [1, 2]
    assert peak < 8 << 20
