"""The account of a run: what was read and what became of it. Pure; it must balance at the end of every run.

read == imported + rejected + undelivered        (dry run: valid takes the place of imported)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mpimport.batch import number_of
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
from mpimport.records import Batch, Outcome, Reject

if TYPE_CHECKING:
    from mpimport.audit import AuditReport  # loaded by a dry run only

MAX_EXAMPLE_BYTES = 64 * 1024  # ours: an example that is kept to the end of a run


@dataclass(slots=True)
class ReasonCount:
    """How often a reason was given, with the first record it was given for, and its text unless that is long.

    `raw`: how many of the records are kept as raw text, for they could not be read.
    """

    count: int
    source: str
    number: int
    message: str
    event: bytes | None = None
    raw: int = 0


@dataclass(slots=True)
class Tally:
    """The running totals. All counts are of events; `nbytes` is uncompressed bytes of imported events."""

    read: int = 0
    imported: int = 0
    valid: int = 0
    rejected: int = 0
    undelivered: int = 0
    already_imported: int = 0
    already_rejected: int = 0
    requests: int = 0
    retries: int = 0
    nbytes: int = 0
    reasons: dict[str, ReasonCount] = field(default_factory=dict)
    mends: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, rejects: tuple[Reject, ...]) -> None:
        """Count what became of a batch; `rejects` are all of it, the client's and the server's."""
        self.imported += outcome.imported
        self.rejected += len(rejects)
        self.undelivered += len(outcome.undelivered)
        self.requests += outcome.requests
        self.retries += outcome.retries
        self.nbytes += outcome.nbytes
        self.mends.update(outcome.batch.mends)
        for reject in rejects:
            self._add_reasons(reject)

    def add_untold(self, requests: int, batches: int) -> None:
        """Count the requests for so many batches whose outcomes are not waited for; `requests` are those of the run."""
        self.retries += max(requests - self.requests - batches, 0)
        self.requests = requests

    def add_valid(self, batch: Batch, rejects: tuple[Reject, ...]) -> None:
        """Count a batch of a dry run: its events would have been sent."""
        self.valid += batch.count
        self.rejected += len(rejects)
        self.nbytes += len(batch.lines)
        self.mends.update(batch.mends)
        for reject in rejects:
            self._add_reasons(reject)

    def _add_reasons(self, reject: Reject) -> None:
        for code in {reason.code: reason for reason in reversed(reject.reasons)}.values():
            known = self.reasons.get(code.code)
            event = reject.event if len(reject.event or b"") <= MAX_EXAMPLE_BYTES else None
            raw = reject.event is None
            if known:
                known.count += 1
                known.raw += raw
                if known.source == reject.source and reject.number < known.number:  # batches settle in any order
                    known.number, known.message, known.event = reject.number, code.message, event
            else:
                self.reasons[code.code] = ReasonCount(1, reject.source, reject.number, code.message, event, raw)

    @property
    def already(self) -> int:
        """Events that earlier runs of the same import have settled."""
        return self.already_imported + self.already_rejected

    @property
    def balances(self) -> bool:
        """Whether everything that was read is accounted for."""
        return self.read == self.imported + self.valid + self.rejected + self.undelivered

    @property
    def account(self) -> str:
        """The account as an equation, for the message when it is none."""
        return (
            f"read {self.read} != imported {self.imported} + valid {self.valid} "
            f"+ rejected {self.rejected} + undelivered {self.undelivered}"
        )


def rejects_of(outcome: Outcome) -> tuple[Reject, ...]:
    """List all rejects of a settled batch: those found before sending, then those the server refused."""
    refused = []
    for refusal in outcome.refusals:
        source, number = number_of(outcome.batch, refusal.index)
        refused.append(Reject(source, number, "server", (refusal.reason,), event=refusal.event))
    return (*outcome.batch.rejects, *refused)


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a run, for people and for `--json`.

    `seconds` is wall time. `stopped` says why the run ended early, or is empty. `rejected_files` and
    `undelivered_files` are the ones that were written. `audit`: what a dry run found in the events. `checkpoint`
    is where the next run goes on from, if it does. `resumed`: this one went on from an earlier one. `cut_short`: of
    what cannot be read again, such as standard input, a part was not read, or is saved nowhere. `mapped`: options
    said how records become events. `restarted`: the run began anew, by --restart. `unwritten`: what of its telling
    could not be written, and why. `doubts`: what was warned of in the sources.
    """

    tally: Tally
    exit_code: int
    seconds: float
    dry_run: bool
    destination: str
    stopped: str = ""
    rejected_files: tuple[str, ...] = ()
    undelivered_files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    audit: AuditReport | None = None
    checkpoint: str | None = None
    resumed: bool = False
    cut_short: bool = False
    mapped: bool = False
    restarted: bool = False
    unwritten: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        """Events read."""
        return self.tally.read

    @property
    def imported(self) -> int:
        """Events that the server has stored."""
        return self.tally.imported

    @property
    def rejected(self) -> int:
        """Events that were refused, by a check here or by the server."""
        return self.tally.rejected

    @property
    def undelivered(self) -> int:
        """Events that were read and not delivered."""
        return self.tally.undelivered

    @property
    def in_vain(self) -> bool:
        """Whether the run came to its end with rejects alone, and so did those before it of the same import."""
        tally = self.tally
        return self.exit_code == 1 and not (self.dry_run or tally.imported or tally.already_imported)

    @property
    def tells_audit(self) -> bool:
        """Whether there is an audit to tell: of a dry run that came to its end, and read something."""
        return self.audit is not None and bool(self.tally.read) and not self.stopped

    def with_unwritten(self, words: str) -> Summary:
        """Give the same summary of a run whose telling could not be written: no success, whatever became of events."""
        code = CannotWrite.exit_code if self.exit_code in (0, 1) else self.exit_code
        return replace(self, exit_code=code, unwritten=(*self.unwritten, words))

    def with_notes(self, *notes: str) -> Summary:
        """Give the same summary with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints; its keys are promised in the guide."""
        tally = self.tally
        fields: dict[str, Any] = {
            "read": tally.read,
            "imported": tally.imported,
            "rejected": tally.rejected,
            "undelivered": tally.undelivered,
            "already_imported": tally.already_imported,
            "already_rejected": tally.already_rejected,
            "requests": tally.requests,
            "retries": tally.retries,
            "bytes": tally.nbytes,
            "seconds": round(self.seconds, 3),
            "exit_code": self.exit_code,
            "rejected_file": self.rejected_files[0] if self.rejected_files else None,
            "rejected_files": list(self.rejected_files),
            "undelivered_files": list(self.undelivered_files),
            "dry_run": self.dry_run,
            "reasons": {code: reason.count for code, reason in top_reasons(tally)},
            "mended": dict(tally.mends),
            "destination": self.destination,
            "stopped": self.stopped or None,
            "checkpoint": self.checkpoint,
            "notes": [*self.notes, *self.unwritten],
        }
        if self.dry_run:
            fields["valid"] = tally.valid
        return fields


def top_reasons(tally: Tally) -> list[tuple[str, ReasonCount]]:
    """The reasons for rejects, the most frequent first."""
    return sorted(tally.reasons.items(), key=lambda item: (-item[1].count, item[0]))


def reject_examples(tally: Tally, most: int | None = None) -> list[dict[str, Any]]:
    """The first reject of each reason, for programs, of at most so many reasons."""
    return [
        {"code": code, "count": one.count, "source": one.source, "line": one.number, "message": one.message}
        for code, one in top_reasons(tally)[:most]
    ]


def exit_code(tally: Tally, worst: MpimportError | None, signal_number: int | None) -> int:
    """Decide the exit code after the table in the README: a bug, a signal, what stopped the run, rejects."""
    if worst is not None and worst.exit_code == MpimportError.exit_code:
        return worst.exit_code
    if signal_number is not None:
        return 128 + signal_number
    if worst is not None:
        return worst.exit_code
    return 1 if tally.rejected or tally.already_rejected else 0


_WORST_FIRST = (
    Unbalanced,
    MpimportError,
    UsageProblem,
    ServerRefused,
    TooManyRejected,
    CannotWrite,
    GaveUp,
    BrokenInput,
)


def worst_of(errors: Iterable[MpimportError]) -> MpimportError | None:
    """Choose, of all that went wrong, what the run is told to have ended with."""
    return min(errors, key=lambda error: _WORST_FIRST.index(type(error)), default=None)


def why_stopped(worst: MpimportError | None, *, interrupted: bool) -> str:
    """Say why a run ended early: a bug before a signal before everything else; empty when it did not."""
    if interrupted and (worst is None or worst.exit_code != MpimportError.exit_code):
        return "interrupted"
    return str(worst or "")
