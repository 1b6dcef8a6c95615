"""What the pipeline is given: inputs, an intake, a settler, senders and a report. The parts as it sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.keeper import Keeper
from mpimport.records import Batch, Block, Flow, Outcome, Unreadable, Waiting
from mpimport.report import Report
from mpimport.settings import MaxRejected
from mpimport.settle import Settler


class Input(Protocol):
    """One input: `name` for messages; `resumable` when running again reads it again; `size` in bytes on disk.

    `columns`: the kinds of a table's columns that were decided from its first rows, None before that.
    `open_end`: once its end was read, the bytes up to there and the number of the first record that may go on behind.
    `is_void`: once it was read, that nothing was in it, or that it unpacked to nothing.
    `continued`: an earlier run has settled a part of it, and of its bytes `skipped` need not be read.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  as above
    @property
    def resumable(self) -> bool: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def columns(self) -> Mapping[str, str] | None: ...  # noqa: D102
    @property
    def open_end(self) -> tuple[int, int] | None: ...  # noqa: D102
    @property
    def consumed(self) -> int: ...  # noqa: D102  bytes taken so far
    @property
    def is_void(self) -> bool: ...  # noqa: D102
    @property
    def continued(self) -> bool: ...  # noqa: D102
    @property
    def skipped(self) -> int: ...  # noqa: D102

    def open(self) -> AbstractContextManager[Iterator[Block | Unreadable]]:
        """Begin to read it."""
        ...


class Sending(Protocol):
    """What takes batches and brings outcomes, in any order."""

    results: SimpleQueue[Outcome | Waiting]

    def submit(self, batch: Batch) -> None: ...  # noqa: D102  hand over a batch
    def stop(self) -> None: ...  # noqa: D102  begin no further request
    def alive(self) -> int: ...  # noqa: D102  living senders
    def flow(self) -> Flow: ...  # noqa: D102  how freely requests flow
    def close(self, timeout_s: float) -> bool: ...  # noqa: D102  end them


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do. `senders` None: a dry run. `keeper` None: an interrupted run begins anew."""

    inputs: Sequence[Input]
    intake: Intake
    settler: Settler
    senders: Sending | None
    workers: int
    report: Report
    interrupt: Interrupt
    destination: str
    max_rejected: MaxRejected | None = None
    keeper: Keeper | None = None
    clock: Callable[[], float] = time.monotonic
    notes: tuple[str, ...] = ()
