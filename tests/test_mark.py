"""The mark: in whatever order batches settle, it covers those that did; the next run does exactly the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.continued import skip
from mpimport.errors import BrokenInput
from mpimport.mark import Range, Ranges, add, covers, cut, is_whole, place
from mpimport.records import Block, Reason, Unreadable

sizes = st.lists(st.integers(1, 5), max_size=12)


def spans(lengths: list[int]) -> list[Range]:
    """Cut the records from 1 on into ranges that follow each other, each with an offset."""
    ends = list(itertools.accumulate(lengths, initial=1))
    return [Range(first, end, end * 10) for first, end in itertools.pairwise(ends)]


def settle(ranges: list[Range]) -> Ranges:
    """Settle in this order."""
    done: Ranges = ()
    for one in ranges:
        done = add(done, one)
    return done


@given(sizes, st.data())
def test_exactly_what_was_settled_is_in_it_in_any_order(lengths: list[int], data: st.DataObject) -> None:
    every = spans(lengths)
    chosen = data.draw(st.permutations(every).map(lambda order: order[: len(order) * 2 // 3]))
    done = settle(chosen)

    records = {number for one in chosen for number in range(one.first, one.next)}
    assert {number for number in range(70) if covers(done, number)} == records
    assert all(before.next < after.first for before, after in itertools.pairwise(done)), "merged, in order"
    assert all(one.offset == one.next * 10 for one in done), "each knows where it ends"
    assert is_whole(done, sum(lengths) + 1) == (len(records) == sum(lengths))


@given(sizes, st.data())
def test_it_does_not_grow_while_one_batch_stays_behind(lengths: list[int], data: st.DataObject) -> None:
    every = spans(lengths)
    stuck = data.draw(st.sampled_from(every)) if every else None

    assert len(settle([one for one in every if one != stuck])) <= 2


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_ranges_that_overlap_are_a_union(pairs: list[tuple[int, int]]) -> None:
    done = settle([Range(first, end) for first, end in pairs])

    expected = {number for first, end in pairs for number in range(first, end)}
    assert {number for number in range(25) if covers(done, number)} == expected
    assert len(done) == sum(1 for number in expected if number - 1 not in expected)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20))), st.integers(1, 22))
def test_cutting_unsettles_a_record_and_all_after_it(pairs: list[tuple[int, int]], number: int) -> None:
    done = settle([Range(first, end, 1) for first, end in pairs])
    left = cut(done, number)

    assert [covers(left, one) for one in range(25)] == [covers(done, one) and one < number for one in range(25)]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ((), None),
        ((Range(1, 5, 80),), (5, 80)),
        ((Range(1, 5, 80), Range(9, 12, 200)), (5, 80)),
        ((Range(1, 5),), None),
        ((Range(2, 5, 80),), None),
    ],
)
def test_reading_goes_on_at_the_mark_where_its_byte_is_known(ranges: Ranges, expected: tuple[int, int] | None) -> None:
    assert place(ranges) == expected


# What is settled is left out of what is read.

kinds = st.lists(st.tuples(st.sampled_from(["lines", "rows", "unreadable"]), st.integers(1, 6)), max_size=8)
ranges_of = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=4).map(
    lambda pairs: settle([Range(first, end) for first, end in pairs])
)


def blocks_of(shape: list[tuple[str, int]]) -> list[Block | Unreadable]:
    """Make blocks of records that say their own number."""
    blocks: list[Block | Unreadable] = []
    number = offset = 1
    for kind, count in shape:
        if kind == "unreadable":
            blocks.append(Unreadable(number, Reason("code", "words"), b"%d" % number))
            number += 1
            continue
        lines = [b"%03d\n" % one for one in range(number, number + count)]
        lazy = BytesIO(b"".join(lines)) if kind == "lines" else iter(lines)
        blocks.append(Block(number, lazy, offset=offset if kind == "lines" else None))
        number, offset = number + count, offset + 4 * count
    return blocks


@given(kinds, ranges_of, st.booleans())
def test_a_resume_covers_exactly_what_is_not_settled(
    shape: list[tuple[str, int]], settled: Ranges, broken: bool
) -> None:
    def source() -> Iterator[Block | Unreadable]:
        yield from blocks_of(shape)
        if broken:
            raise BrokenInput("it broke")

    found: list[int] = []
    ends = ""
    try:
        for block in skip(source(), settled):
            if isinstance(block, Unreadable):
                found.append(block.number)
                assert block.raw == b"%d" % block.number
                continue
            for number, record in enumerate(block.records, block.first):
                assert int(bytes(record)) == number  # type: ignore[arg-type]  # all are bytes
                found.append(number)
                if block.offset is not None:
                    assert isinstance(block.records, BytesIO)
    except BrokenInput as end:
        ends = str(end)

    total = sum(1 if kind == "unreadable" else count for kind, count in shape)
    assert found == [number for number in range(1, total + 1) if not covers(settled, number)]
    assert bool(ends) == broken


def test_a_block_that_is_settled_is_not_even_looked_at() -> None:
    class Never:
        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError("a record was asked for")

    blocks = [Block(1, Never()), Block(5, Never()), Block(9, [b"9"])]

    assert [block.first for block in skip(blocks, (Range(1, 9),)) if isinstance(block, Block)] == [9]


def test_the_offset_stays_true_when_a_block_is_cut() -> None:
    [block] = skip([Block(1, BytesIO(b"1\n22\n333\n"), offset=100)], (Range(1, 3),))

    assert isinstance(block, Block)
    assert isinstance(block.records, BytesIO)
    assert (block.first, (block.offset or 0) + block.records.tell()) == (3, 105)
