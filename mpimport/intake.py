"""Blocks of records in, full batches out: the loop that every event passes through.

`ways` take what is right, most of it many events at a time; each other record goes to `examine`. Knows neither files
nor the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO

from mpimport.batch import Draft
from mpimport.examine import ADDED, Bad, examine
from mpimport.limits import ALL_HISTORY, FUTURE_S, History
from mpimport.normalise import DEFAULT, Shaping
from mpimport.prepare import Preparing
from mpimport.quick import ROOM, Left
from mpimport.recognise import Loader
from mpimport.records import Batch, Block, RawRecord, Reject, Span, Unreadable
from mpimport.rows_in_c import row_writer
from mpimport.validate import Limits
from mpimport.ways import Ways


class Intake:
    """Turns blocks into batches and counts what was read. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        geolocate: bool,
        clock: Callable[[], float],
        shaping: Shaping = DEFAULT,
        history: History = ALL_HISTORY,
        sent_with: Mapping[str, int] | None = None,
        recogniser: Loader | None = None,
    ) -> None:
        """Take the limits of one request, whether `ip` is left out, and what the user said about fields.

        `history` is how far back events are taken, `sent_with` as in `Limits`. Without a
        `recogniser` all is done in Python.
        """
        self.draft = Draft(max_events, max_bytes)
        self.read = 0
        self.next = 1
        self._source = 0
        self._first = 1  # of the records that are in no batch yet
        self._offset: int | None = None  # where `next` begins
        self._spans: list[Span] = []  # of sources that ended since the last batch
        self._shaping = shaping
        self._added = () if geolocate else tuple(ADDED)
        self._clock = clock
        self._history = history
        self._sent_with = sent_with or {}
        self._ways = Ways(Preparing(shaping, None if recogniser is None else row_writer()), recogniser)
        self._mends: Counter[str] = Counter()  # of one record; to make one for each takes longer than to clear it

    def begin(self, source: int) -> None:
        """Turn to the source of that number; `next` is the number of the record that is read next of it."""
        self._spans.append(self._span())
        self._source, self._first, self.next, self._offset = source, 1, 1, None

    def feed(self, source: str, block: Block | Unreadable) -> Iterator[Batch]:
        """Check the records of a block, yielding each batch that is full. Never raises for what a record holds."""
        if isinstance(block, Unreadable):
            yield from self._feed_unreadable(source, block)
            return
        limits = self._limits(self._clock())
        way = self._ways.through(block, limits)
        number = block.first
        while True:
            draft = self.draft
            if draft.full:
                self._stand(number, block)
                yield self._seal()
                continue
            room = min(draft.max_events - draft.count, (draft.max_bytes - len(draft.lines)) // ROOM)
            taken, lefts = way.take(draft, max(room, 0))
            if not (taken or lefts):
                record = way.next()
                if record is None:
                    self._stand(number, block)
                    return
                lefts = (Left(record),)
            self.read += taken
            numbers = self._add_runs(source, number, taken, lefts)
            for left, at in zip(lefts, numbers, strict=True):
                self._mends.clear()
                text = examine(left.record, limits, self._mends, self._shaping, in_question=left.in_question)
                is_last = at + 1 == number + taken + len(lefts)  # for all others there is `room`
                if is_last and isinstance(text, bytes) and not draft.fits(len(text) + 1):
                    self._stand(at, block, left.record)
                    yield self._seal()  # whoever stops here has not read this record
                if text is not None:
                    self._take_examined(source, at, text)
            number += taken + len(lefts)

    def _add_runs(self, source: str, first: int, taken: int, lefts: Sequence[Left]) -> list[int]:
        """Tell the draft which records of those from `first` on were taken; gives the numbers of the others."""
        numbers, done = [], 0
        for before, left in enumerate(lefts):
            if left.after > done:
                self.draft.add_run(source, first + done + before, left.after - done)
                done = left.after
            numbers.append(first + done + before)
        if taken > done:
            self.draft.add_run(source, first + done + len(lefts), taken - done)
        return numbers

    def _feed_unreadable(self, source: str, block: Unreadable) -> Iterator[Batch]:
        self.read += 1
        self.draft.add_reject(Reject(source, block.number, "client", (block.reason,), raw=block.raw))
        self.next, self._offset = block.number + 1, None
        if self.draft.full:
            yield self._seal()

    def _limits(self, now_s: float) -> Limits:
        return Limits(
            now_s + FUTURE_S,
            self._added,
            keeps_long_text=self._shaping.texts.long_strings == "keep",
            oldest_s=self._history.oldest_s(now_s),
            too_old=self._history.too_old,
            sent_with=self._sent_with,
        )

    def flush(self) -> Iterator[Batch]:
        """Yield what waits, at the end of the input."""
        if not self.draft.empty:
            yield self._seal()

    def _stand(self, number: int, block: Block, held: RawRecord = b"") -> None:
        """Take down which record of a block is next; `held` was taken from it already."""
        self.next, self._offset = number, None
        if block.offset is not None and isinstance(block.records, BytesIO):
            self._offset = block.offset + block.records.tell() - len(held)

    def _span(self) -> Span:
        return Span(self._source, self._first, self.next, self._offset)

    def _seal(self) -> Batch:
        spans = [span for span in (*self._spans, self._span()) if span.first < span.next]
        self._spans.clear()
        self._first = self.next
        return self.draft.seal(tuple(spans))

    def _take_examined(self, source: str, number: int, text: bytes | Bad) -> None:
        """Add one event that was mended, or a reject."""
        draft = self.draft
        self.read += 1
        if isinstance(text, Bad):
            draft.add_reject(Reject(source, number, "client", text.reasons, text.event, text.raw))
            return
        draft.lines += text
        draft.lines += b"\n"
        draft.add_run(source, number, 1)
        draft.mends.update(self._mends)
