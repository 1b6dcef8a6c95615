"""How far a source is settled: ranges of record numbers, kept merged. Pure.

Batches settle in any order, so what is settled is a set. It is one range as long as no batch stays behind; each one
that does leaves a gap, however much settles beyond it. The first gap is the mark: there the next run goes on.
Knows neither files nor what a batch holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias


class Range(NamedTuple):
    """The records from number `first` up to `next`; `offset` is the byte where `next` begins, if that is of use."""

    first: int
    next: int
    offset: int | None = None


Ranges: TypeAlias = tuple[Range, ...]
"""Ranges in order, with a gap between any two."""


def add(ranges: Ranges, new: Range) -> Ranges:
    """Give the ranges with one more; those that touch or overlap become one."""
    if new.first >= new.next:
        return ranges
    touching = [new, *(one for one in ranges if one.first <= new.next and new.first <= one.next)]
    last = max(touching, key=lambda one: (one.next, one.offset is not None))
    merged = Range(min(one.first for one in touching), last.next, last.offset)
    return (
        *(one for one in ranges if one.next < new.first),
        merged,
        *(one for one in ranges if one.first > new.next),
    )


def cut(ranges: Ranges, number: int) -> Ranges:
    """Give the ranges without that record and all after it."""
    kept = (one if one.next <= number else Range(one.first, number) for one in ranges if one.first < number)
    return tuple(kept)


def count(ranges: Ranges) -> int:
    """Count the records that are settled."""
    return sum(one.next - one.first for one in ranges)


def covers(ranges: Sequence[Range], number: int) -> bool:
    """Whether a record is settled."""
    return any(one.first <= number < one.next for one in ranges)


def is_whole(ranges: Ranges, end: int) -> bool:
    """Whether all records before number `end` are settled."""
    return end <= 1 or (bool(ranges) and ranges[0].first <= 1 and ranges[0].next >= end)


def place(ranges: Ranges) -> tuple[int, int] | None:
    """Give the number and the byte offset of the mark, where reading can go on there without what is before it."""
    if not ranges or ranges[0].first > 1 or ranges[0].offset is None:
        return None
    return ranges[0].next, ranges[0].offset
