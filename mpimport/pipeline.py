"""The wiring of a run: read, check, batch, submit, settle. The main thread does all of it and owns all state.

Knows neither click, requests, rich nor any format: it is given inputs, an intake, senders and a report.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from queue import Empty

from mpimport.account import Summary, exit_code, why_stopped
from mpimport.causes import Causes
from mpimport.errors import (
    BrokenInput,
    CannotWrite,
    GaveUp,
    MpimportError,
    ServerRefused,
    TooManyRejected,
    Unbalanced,
    UsageProblem,
)
from mpimport.interrupt import POLL_S, Stopped
from mpimport.plan import Input, Plan
from mpimport.progress import Lately, Progress, outcome_line
from mpimport.records import Batch, Flow, Outcome, Waiting
from mpimport.summary_text import many, named
from mpimport.trouble import Trouble

QUEUED = 2  # batches that wait beside those under way: enough to keep all senders busy, and more costs memory


def run(plan: Plan) -> Summary:
    """Import everything that the plan names; the summary accounts for every event that was read."""
    return _Run(plan).run()


class _Run:
    """The state of a run: what is under way, why it stops, and whether the rest is saved instead of sent."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.intake = plan.intake
        self.tally = plan.settler.tally
        self.began = plan.clock()
        self.under_way: dict[int, tuple[Batch, int]] = {}  # by seq, with the events imported when it began to fail
        self.causes = Causes(plan.report)
        self.stopping = False
        self.saving = False  # the server is given up on: what cannot be read again is saved, not sent
        self.notes = list(plan.notes)
        self.consumed = 0
        self.current: Input | None = None
        self.empty: list[str] = []
        self.trouble, self.lately = Trouble(), Lately()
        self.cut_short = False  # of what cannot be read again, a part was not read

    def run(self) -> Summary:
        self.plan.interrupt.on_wait = self._while_waiting
        try:
            self._check_rejected()
            for number, source in enumerate(self.plan.inputs):
                if begun := self._goes_on(source):
                    self.intake.begin(number)
                    self._read(number, source)
                if not source.resumable and self.stopping and not self.saving:
                    self.cut_short = True
                    last = self.intake.next - 1 if begun else 0
                    where = f"after record {last:,}" if last else "before its first record"
                    self.notes.append(f"{source.name}: reading stopped {where}; what follows is saved nowhere")
        except Exception:
            self._halt()  # an error of the input's own: what was taken from it is accounted for all the same
            self._finish()
            self.causes.tell()
            raise
        self._finish()
        return self._summary()

    def _finish(self) -> None:
        try:
            self._submit_all(self.intake.flush())
            self._collect(0)
        finally:
            if self.plan.senders is not None:
                self.plan.senders.stop()
                self.plan.senders.close(0 if self.plan.interrupt.insisted else 5)
            if problem := self.plan.settler.close():
                self._stop(problem)

    def _goes_on(self, source: Input) -> bool:
        """Whether to go on reading: what cannot be read again is read to where it was taken from its pipe."""
        return not self.stopping or (not source.resumable and (self.saving or source is self.current))

    def _read(self, number: int, source: Input) -> None:
        self.current, read_before = source, self.intake.read
        try:
            with source.open() as blocks:
                for block in blocks:
                    if self.plan.keeper is not None:
                        self.plan.keeper.reads(number, source.columns, source.open_end)
                    self._submit_all(self.intake.feed(source.name, block))
                    self._look_around()
                    if not self._goes_on(source):
                        return
            if self.plan.keeper is not None:
                self.plan.keeper.ended(number, source.consumed, self.intake.next)
        except Stopped:
            self._look_around()
            return
        except (BrokenInput, UsageProblem) as error:
            if not (self.stopping and not source.resumable):  # else it only ends where nothing more was taken
                self._broke(error, is_last=number == len(self.plan.inputs) - 1)
        finally:
            self.consumed += source.consumed
            self.current = None
        if self.intake.read == read_before and not (self.causes.worst or self.stopping or source.continued):
            self._note_nothing(source)

    def _note_nothing(self, source: Input) -> None:
        if source.is_void:
            self.empty.append(source.name)
        elif len(self.plan.inputs) > 1:
            self.notes.append(f"{source.name}: no event was found in its {many(source.consumed, 'byte')}")

    def _broke(self, error: MpimportError, *, is_last: bool) -> None:
        nothing_sent = not (self.tally.requests or self.under_way)
        usage = isinstance(error, UsageProblem) and nothing_sent and len(self.plan.inputs) == 1
        tell = self.causes.hold if is_last else self.causes.warn
        tell(error if usage else BrokenInput(str(error)))

    def _submit_all(self, batches: Iterable[Batch]) -> None:
        for batch in batches:
            self._submit(batch)
            self._look_around()
            if self.stopping and self.current is not None and not self._goes_on(self.current):
                return

    def _submit(self, batch: Batch) -> None:
        senders = self.plan.senders
        if senders is None:
            self._settled(self.plan.settler.settle_dry(batch))
        elif self.stopping or not batch.count:
            self._settle(Outcome(batch, 0, undelivered=tuple(range(batch.count))))
        else:
            self.under_way[batch.seq] = (batch, self.tally.imported)
            if self.plan.keeper is not None:
                self.plan.keeper.sends()
            senders.submit(batch)
            self._collect(self.plan.workers + min(self.plan.workers, QUEUED))

    def _while_waiting(self) -> None:
        """Notice, while input is waited for, what has come back and what was asked."""
        self._collect(len(self.under_way))
        self._look_around()

    def _collect(self, limit: int) -> None:
        """Settle what has come back, and wait until no more than `limit` batches are under way."""
        senders = self.plan.senders
        while senders is not None and self.under_way:
            must_wait = len(self.under_way) > limit
            try:
                result = senders.results.get(block=must_wait, timeout=POLL_S)
            except Empty:
                if not must_wait:
                    return
                self._look_around()
                if self.plan.interrupt.insisted or not senders.alive():
                    self._abandon()
                continue
            if isinstance(result, Waiting):
                if result.attempt == 1 and result.seq in self.under_way:
                    self.under_way[result.seq] = (self.under_way[result.seq][0], self.tally.imported)
                self.trouble.note(result, self.plan.clock(), self.plan.report)
            elif result.batch.seq in self.under_way:
                self._settle(result)

    def _abandon(self) -> None:
        """Count what is under way as undelivered: nobody waits for it any more. It may arrive all the same."""
        if not self.plan.interrupt.insisted:
            self._stop(MpimportError("internal error: all senders have died; run the same command again"))
        for batch, _ in (abandoned := tuple(self.under_way.values())):
            self._settle(Outcome(batch, 0, undelivered=tuple(range(batch.count))))
        if self.plan.senders is not None:
            self.tally.add_untold(self.plan.senders.flow().requests, min(len(abandoned), self.plan.workers))

    def _settle(self, outcome: Outcome) -> None:
        batch = outcome.batch
        _, imported_before = self.under_way.pop(batch.seq, (None, 0))
        if batch.count:  # else it only carries what was rejected on the way
            self.plan.report.say(logging.DEBUG, outcome_line(outcome))
        self.trouble.settled(outcome, self.plan.clock())
        self._settled(self.plan.settler.settle(outcome))
        if outcome.max_bytes is not None and outcome.max_bytes < self.intake.draft.max_bytes:
            self.intake.draft.max_bytes = outcome.max_bytes
            self.trouble.too_large(outcome.max_bytes, self.plan.report, guessed=outcome.max_bytes_guessed)
        if outcome.fatal is not None:
            self._stop(MpimportError(outcome.fatal) if outcome.bug else ServerRefused(outcome.fatal))
        if outcome.gave_up is not None:
            self._gave_up(outcome.gave_up, nothing_arrives=outcome.held or self.tally.imported == imported_before)

    def _settled(self, problem: CannotWrite | None) -> None:
        if not self.under_way:
            self.trouble.over()
        if problem is not None:
            self._stop(problem)
        self._check_rejected()

    def _check_rejected(self, *, at_end: bool = False) -> None:
        """Stop when more are rejected than the user bears, with those of earlier runs of the same import."""
        limit, rejected = self.plan.max_rejected, self.tally.rejected + self.tally.already_rejected
        read = self.intake.read + self.tally.already
        if limit and not self.causes.has(TooManyRejected) and limit.exceeded(rejected, read, at_end=at_end):
            later = "" if at_end else "; what was under way is counted, too"
            self._stop(TooManyRejected(f"{many(rejected, 'event')} rejected, more than {limit.name} {limit}{later}"))

    def _gave_up(self, reason: str, *, nothing_arrives: bool) -> None:
        error = GaveUp(f"a batch {reason}")
        if nothing_arrives and not self.stopping:
            self.saving = True
            self._stop(error)
        else:
            if not self.causes.has(GaveUp) or not self.stopping:  # else the summary tells why
                self.trouble.gave_up(reason, self.plan.clock(), self.plan.report)
            self.causes.add(error)

    def _stop(self, error: MpimportError) -> None:
        self.causes.hold(error)
        self._halt()

    def _halt(self) -> None:
        self.stopping = True
        self.plan.interrupt.enough = not self.saving
        if self.plan.senders is not None:
            self.plan.senders.stop()

    def _look_around(self) -> None:
        """Notice a signal, and show how far it is."""
        if self.plan.interrupt.asked:
            if not self.stopping:
                self.plan.report.say(logging.WARNING, "stopping when what is under way is done; asked again: at once")
            self.saving = False
            self._halt()
        if self.plan.keeper is not None:
            self.plan.keeper.tick()
        self.plan.report.tick(self._progress)

    def _progress(self) -> Progress:
        sizes = [source.size for source in self.plan.inputs]
        now = self.plan.clock()
        progress = Progress(
            bytes_read=self.consumed + (self.current.consumed if self.current else 0),
            total_bytes=None if None in sizes else sum(size or 0 for size in sizes),
            read=self.intake.read,
            imported=self.tally.imported + self.tally.valid,
            rejected=self.tally.rejected,
            retries=self.trouble.failed,
            seconds=now - self.began,
            nbytes=self.tally.nbytes,
            source=self.current.name if self.current else "",
            bytes_skipped=sum(source.skipped for source in self.plan.inputs),
            waiting=self.trouble.waiting(now),
            stuck=self.trouble.stuck(now),
            flow=self.plan.senders.flow() if self.plan.senders else Flow(),
            checks_only=self.plan.senders is None,
            stopping=self.stopping,
            throttled=self.trouble.throttled,
        )
        return self.lately.look(progress)

    def _summary(self) -> Summary:
        tally, plan = self.tally, self.plan
        tally.read = self.intake.read
        if self.causes.worst is None:
            self._check_rejected(at_end=True)
        resumed = plan.keeper is not None and plan.keeper.resumed
        explained = resumed or self.causes.worst or plan.interrupt.asked or len(self.empty) == len(plan.inputs)
        if not (tally.read or explained):
            self.causes.add(BrokenInput(f"no event was found in {many(self.consumed, 'byte')} of input: is it right?"))
        if not tally.balances:
            self.causes.add(Unbalanced(f"the account does not balance, which is a bug in mpimport: {tally.account}"))
        if self.empty:
            self.notes.append(f"{named(self.empty)}: empty, no event is in there")
        if plan.settler.unsaved:
            self.notes.append(f"{many(plan.settler.unsaved, 'undelivered event')} could be saved nowhere")
        worst = self.causes.worst
        stopped = why_stopped(worst, interrupted=plan.interrupt.asked)
        return Summary(
            tally=tally,
            exit_code=exit_code(tally, worst, plan.interrupt.signal_number),
            seconds=plan.clock() - self.began,
            dry_run=plan.senders is None,
            destination=plan.destination,
            stopped=stopped,
            rejected_files=plan.settler.rejected_files,
            undelivered_files=plan.settler.undelivered_files,
            notes=(*self.causes.beside(stopped), *self.notes, *plan.settler.notes),
            resumed=resumed,
            cut_short=self.cut_short or plan.settler.unsaved > 0,
        )
