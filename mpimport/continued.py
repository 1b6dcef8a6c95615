"""An input that an earlier run has settled a part of: only the rest of it is handed over.

Where the file can be read from the middle, it is; else it is read again, and whole blocks are dropped unseen.
Knows neither events nor where it is written down what is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

from mpimport.errors import MpimportError
from mpimport.inputs import FileInput
from mpimport.mark import Ranges, covers, place
from mpimport.records import Block, Unreadable


class ContinuedInput:
    """A file without the records that are settled; `done`: there are no others."""

    continued = True
    resumable = True

    def __init__(self, source: FileInput, settled: Ranges, *, done: bool) -> None:
        """Open nothing yet."""
        self._source = source
        self._settled = settled
        self._done = done
        self._place = place(settled)
        self.name = source.name
        self.size = source.size
        self.skipped = source.size or 0 if done else self._place[1] if self._place else 0

    @property
    def columns(self) -> Mapping[str, str] | None:
        """The kinds of the columns of a table."""
        return self._source.columns

    @property
    def open_end(self) -> tuple[int, int] | None:
        """Where the last record may go on."""
        return self._source.open_end

    @property
    def consumed(self) -> int:
        """Bytes taken from the file so far, with those that need not be read."""
        return self.skipped if self._done else self._source.consumed

    @property
    def is_void(self) -> bool:
        """Whether nothing is in the file."""
        return not self._done and self._source.is_void

    @contextmanager
    def open(self) -> Iterator[Iterator[Block | Unreadable]]:
        """Read what is not settled."""
        if self._done:
            yield iter(())
            return
        with self._source.open(self._place) as blocks:
            yield skip(blocks, self._settled)


def skip(blocks: Iterable[Block | Unreadable], settled: Ranges) -> Iterator[Block | Unreadable]:
    """Leave out the records that are settled: of a block no record is looked at when all of them are."""
    blocks = iter(blocks)
    last = settled[-1].next if settled else 1
    waiting: Block | Unreadable | None = None  # where a block ends is known when the next one comes
    try:
        for block in blocks:
            first = _first(block)
            if waiting is not None:
                yield from _rest(waiting, first, settled)
                waiting = None
            if first >= last:
                yield block
                yield from blocks
            else:
                waiting = block
    except MpimportError:  # of the file's: what came before it is read
        if waiting is not None:
            yield from _rest(waiting, None, settled)
        raise
    if waiting is not None:
        yield from _rest(waiting, None, settled)


def _first(block: Block | Unreadable) -> int:
    return block.number if isinstance(block, Unreadable) else block.first


def _rest(block: Block | Unreadable, end: int | None, settled: Ranges) -> Iterator[Block | Unreadable]:
    """Give what is not settled of a block that ends before the record `end`."""
    if isinstance(block, Unreadable):
        if not covers(settled, block.number):
            yield block
        return
    if end is not None and any(one.first <= block.first and end <= one.next for one in settled):
        return
    number, records = block.first, iter(block.records)
    for one in settled:
        wanted = list(islice(records, max(one.first - number, 0)))
        if wanted:
            yield Block(number, wanted, block.plain)
        number += len(wanted)
        if number < one.first:
            return
        number += sum(1 for _ in islice(records, max(one.next - number, 0)))
        if number < one.next:
            return
    yield replace(block, first=number, records=records)
