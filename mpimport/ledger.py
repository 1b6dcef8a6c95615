"""Owns the account of one batch under way: what is stored, what is refused, what is still to send.

Must not know requests, time, or why something is sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mpimport.body import Part, event_lines, pieces, select, whole
from mpimport.errors import Unbalanced
from mpimport.records import Batch, Failed, Outcome, Reason, Refusal

SERVER_INVALID = "server_invalid"  # the code of an event that the server named
SERVER_REFUSED = "server_refused"  # the code of an event in a request that was refused as a whole


class Ledger:
    """A batch's events, each in one place. A part stays first in `todo` until it is settled or replaced.

    Every method works out what to enter before it enters anything, so an exception leaves the ledger whole.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.todo: deque[Part] = deque([whole(batch)] if batch.count else [])
        self._imported = 0
        self._nbytes = 0
        self._refusals: list[Refusal] = []
        self._max_bytes: int | None = None
        self._guessed = False

    def store(self, part: Part) -> None:
        """Enter all events of the first part as stored."""
        self._enter(stored=len(part.indexes), nbytes=len(part.lines))

    def store_but(self, part: Part, failed: Sequence[Failed], *, resend_rest: bool) -> None:
        """Enter the failed events as refused; the others as stored, or, with `resend_rest`, to send again."""
        events = event_lines(part.lines)
        refusals = [
            Refusal(
                part.indexes[entry.index],
                events[entry.index],
                Reason(SERVER_INVALID, entry.message, entry.field),
            )
            for entry in failed
        ]
        bad = {entry.index for entry in failed}
        rest = select(part, [position for position in range(len(part.indexes)) if position not in bad])
        if resend_rest:
            self._enter(refusals=refusals, again=[rest] if rest.indexes else [])
        else:
            self._enter(stored=len(rest.indexes), nbytes=len(rest.lines), refusals=refusals)

    def refuse(self, part: Part, words: str) -> None:
        """Enter every event of the first part as refused with the same words."""
        reason = Reason(SERVER_REFUSED, words)
        pairs = zip(part.indexes, event_lines(part.lines), strict=True)
        self._enter(refusals=[Refusal(index, event, reason) for index, event in pairs])

    def cut(self, part: Part, words: str, max_bytes: int | None) -> None:
        """Replace the first part by smaller ones; an event that is alone in it is refused.

        `max_bytes`: None when it is not about size; 0 when it is, and the server named no limit. A limit
        is learnt: the named one where it explains the refusal, else half of what was sent.
        """
        size, alone = len(part.lines), len(part.indexes) == 1
        named = max_bytes if max_bytes and max_bytes < size else None
        learnt = named or (None if max_bytes is None or alone else size // 2)
        if alone:
            self.refuse(part, words)
        else:
            self._enter(again=pieces(part, named))
        if learnt and learnt <= (self._max_bytes or learnt):
            self._max_bytes, self._guessed = learnt, not named

    def outcome(self, *, fatal: str | None, gave_up: str | None, held: bool, requests: int, retries: int) -> Outcome:
        """Give the ledger as an outcome. Unbalanced: an event is missing or in two places."""
        undelivered = sorted(index for part in self.todo for index in part.indexes)
        refusals = sorted(self._refusals, key=lambda refusal: refusal.index)
        total = self._imported + len(refusals) + len(undelivered)
        different = {*undelivered, *(refusal.index for refusal in refusals)}
        if total != self.batch.count or len(different) != total - self._imported:
            raise Unbalanced(f"batch {self.batch.seq}: {self.batch.count} events went in, {total} came out")
        return Outcome(
            batch=self.batch,
            imported=self._imported,
            refusals=tuple(refusals),
            undelivered=tuple(undelivered),
            fatal=fatal,
            gave_up=gave_up,
            held=held,
            requests=requests,
            retries=retries,
            nbytes=self._nbytes,
            max_bytes=self._max_bytes,
            max_bytes_guessed=self._guessed,
        )

    def _enter(
        self,
        *,
        stored: int = 0,
        nbytes: int = 0,
        refusals: Sequence[Refusal] = (),
        again: Sequence[Part] = (),
    ) -> None:
        """Put these in the place of the first part."""
        self.todo.popleft()
        self._imported += stored
        self._nbytes += nbytes
        self._refusals.extend(refusals)
        self.todo.extendleft(reversed(again))
