"""The ways through a block: the recogniser for as many records as it takes, then the loop in Python; or the loop alone.

Knows neither rules nor files, nor how a record that is not taken is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import chain, islice, repeat
from typing import Protocol

from mpimport.accept import count_colons, with_names
from mpimport.batch import Draft
from mpimport.edits import NO_EDITS, edits_of
from mpimport.prepare import Prepared, Preparing
from mpimport.quick import Left, Quick
from mpimport.recognise import QUESTIONS, Loader, Take
from mpimport.records import Block, RawRecord
from mpimport.validate import Limits

_MOST_PATIENCE = 1024
_IN_QUESTION = [
    [rule for bit, rule in enumerate(QUESTIONS) if rule is not None and odd >> bit & 1]
    for odd in range(1 << len(QUESTIONS))
]  # by what the recogniser finds odd


class Ways:
    """Chooses the way through each block. `load` None: everything goes through the loop."""

    def __init__(self, preparing: Preparing, load: Loader | None) -> None:
        """Make the recognisers: one for events that are sent as they stand, one that does what was asked for."""
        self._preparing = preparing
        self._quick = Quick()
        edits = None if preparing.shaping.is_default else edits_of(preparing.shaping)
        self._recogniser = None if load is None else load(NO_EDITS)
        self._editor = None if load is None or edits is None else load(edits)

    def through(self, block: Block, limits: Limits) -> Way:
        """Choose the way through the records of a block."""
        records = block.records
        recognise = None if self._recogniser is None else self._recogniser(limits)
        if self._editor is not None and isinstance(records, BytesIO):
            return ByEdit(records, self._editor(limits), partial(self._through_rest, limits, recognise))
        prepared = self._preparing.of(block)
        if prepared is not None:
            return ByPrepared(self._quick, prepared, limits, recognise)
        if not isinstance(records, BytesIO):
            return ByRecord(self._quick, with_names(records), limits)
        if recognise is None:
            return ByRecord(self._quick, with_names(records), limits, tidy=b"\r" not in records.getvalue())
        return ByLine(self._quick, records, limits, recognise)

    def _through_rest(self, limits: Limits, recognise: Take | None, records: BytesIO) -> Way:
        return ByPrepared(self._quick, self._preparing.prepare(records), limits, recognise)


class Way(Protocol):
    """A way through the records of one block."""

    def take(self, draft: Draft, room: int) -> tuple[int, Sequence[Left]]:
        """Append events that are right; give how many, and the records between them and behind them that may not be.

        Each of these may take as much room as an event, of which there is for `room`. None is taken and no record
        given only where there is no room, or at the end of the block.
        """

    def next(self) -> RawRecord | None:
        """Take one record, whatever it is; None at the end of the block."""


class ByRecord:
    """The loop alone."""

    def __init__(
        self, quick: Quick, records: Iterator[tuple[RawRecord, int]], limits: Limits, *, tidy: bool = False
    ) -> None:
        self._quick = quick
        self._records = records
        self._limits = limits
        self._tidy = tidy

    def take(self, draft: Draft, room: int) -> tuple[int, Sequence[Left]]:
        """Do as `Way` says."""
        taken, left = self._quick.swallow(self._records, draft, room, self._limits, tidy=self._tidy)
        return taken, () if left is None else (left,)

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        return next(self._records, (None,))[0]


class ByLine:
    """The recogniser for as many lines as it takes, then the loop: for one line, for more as they turn out alike."""

    def __init__(self, quick: Quick, records: BytesIO, limits: Limits, recognise: Take) -> None:
        self._quick = quick
        self._records = records
        self._text = records.getvalue()
        self._limits = limits
        self._recognise = recognise
        self._patience = 1

    def take(self, draft: Draft, room: int) -> tuple[int, Sequence[Left]]:
        """Do as `Way` says."""
        start, most_odd = self._records.tell(), draft.room_for_rejects
        taken, end, odds = self._recognise(self._text, start, draft.lines, room, most_odd)
        self._records.seek(end)
        if odds:
            self._patience = 1
            return taken, [Left(line, _IN_QUESTION[odd], after) for after, line, odd in odds]
        if taken == room or end == len(self._text):
            return taken, ()
        lines = list(islice(self._records, 1 if taken else self._patience))
        counted = zip(lines, map(count_colons, lines), strict=True)
        more, left = self._quick.swallow(counted, draft, room - taken, self._limits)
        self._patience = 1 if left is not None else min(len(lines) * 2, _MOST_PATIENCE)
        passed = more + (left is not None)
        if passed < len(lines):
            self._records.seek(end + sum(map(len, lines[:passed])))
        return taken + more, () if left is None else (left._replace(after=taken + more),)

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        return next(self._records, None)


class ByEdit:
    """The recogniser, which edits what it takes; what it leaves goes another way, for one line, or more as `ByLine`."""

    def __init__(self, records: BytesIO, recognise: Take, through_rest: Callable[[BytesIO], Way]) -> None:
        self._records = records
        self._text = records.getvalue()
        self._recognise = recognise
        self._through_rest = through_rest
        self._rest = BytesIO()  # the lines that are going another way
        self._rest_begins = 0
        self._way: Way | None = None
        self._patience = 1

    def take(self, draft: Draft, room: int) -> tuple[int, Sequence[Left]]:
        """Do as `Way` says."""
        while room:
            if self._way is not None:
                taken, left = self._way.take(draft, room)
                if taken or left:
                    self._records.seek(self._rest_begins + self._rest.tell())
                    return taken, left
                self._way = None
            taken, end, _ = self._recognise(self._text, self._records.tell(), draft.lines, room, 0)
            self._records.seek(end)
            if taken < room and end < len(self._text):
                self._patience = 1 if taken else min(self._patience * 2, _MOST_PATIENCE)
                self._set_aside(end, self._patience)
            if taken or end == len(self._text):
                return taken, ()
        return 0, ()

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        record = None if self._way is None else self._way.next()
        if record is None:
            self._way = None
            return next(self._records, None)
        self._records.seek(self._rest_begins + self._rest.tell())
        return record

    def _set_aside(self, begin: int, count: int) -> None:
        self._rest = BytesIO(b"".join(islice(self._records, count)))
        self._rest_begins = begin
        self._records.seek(begin)
        self._way = self._through_rest(self._rest)


class ByPrepared:
    """The recogniser for as many lines as it takes, then the loop, as `ByLine` has them; a record is what it was."""

    def __init__(self, quick: Quick, prepared: Prepared, limits: Limits, recognise: Take | None) -> None:
        self._quick = quick
        self._prepared = prepared
        self._lines = BytesIO(prepared.text)
        self._at = 0  # the index of the record that is next
        self._limits = limits
        self._recognise = recognise
        self._patience = 1

    def take(self, draft: Draft, room: int) -> tuple[int, Sequence[Left]]:
        """Do as `Way` says."""
        prepared, taken = self._prepared, 0
        while taken < room and self._at < len(prepared.records):
            count, stopped = self._take_lines(draft, room - taken)
            marks = prepared.marks[self._at : self._at + count]
            if any(marks):
                draft.mends.update(chain.from_iterable(marks))
            taken += count
            self._pass(count + stopped)
            if stopped:
                record = prepared.records[self._at - 1]
                if not self._take_again(record, draft):
                    return taken, (Left(record, None, taken),)
                taken += 1
        return taken, ()

    def next(self) -> RawRecord | None:
        """Do as `Way` says."""
        if self._at == len(self._prepared.records):
            return None
        self._lines.readline()
        self._pass(1)
        return self._prepared.records[self._at - 1]

    def _take_lines(self, draft: Draft, room: int) -> tuple[int, bool]:
        """Append at most `room` lines; also says whether the one behind them may not be right, and was passed over."""
        taken = 0
        if self._recognise is not None:
            text = self._prepared.text
            taken, end, _ = self._recognise(text, self._lines.tell(), draft.lines, room, 0)
            self._lines.seek(end)
            if taken == room or end == len(text):
                return taken, False
            self._patience = 1 if taken else min(self._patience * 2, _MOST_PATIENCE)
            room = min(room - taken, self._patience)
        more, left = self._quick.swallow(zip(self._lines, repeat(0)), draft, room, self._limits, tidy=True)
        return taken + more, left is not None

    def _take_again(self, record: RawRecord, draft: Draft) -> bool:
        if self._prepared.again is None:
            return False
        line, marks = self._prepared.again(record)
        taken, _ = self._quick.swallow(iter([(line, 0)]), draft, 1, self._limits, tidy=True)
        if taken:
            draft.mends.update(marks)
        return bool(taken)

    def _pass(self, count: int) -> None:
        self._at += count
        if self._prepared.source is not None and self._at:
            self._prepared.source.seek(self._prepared.ends[self._at - 1])
