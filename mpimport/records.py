"""The values that pass between the stages. Knows nothing else of ours.

Per event there is no object at all: a format hands over whole blocks of records, a batch is one buffer. Everything
here exists once a block, once a batch, once a request or once a reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

RawRecord: TypeAlias = "bytes | Mapping[str, Any]"
"""One record as a format hands it over: the bytes of one JSON value, or a mapping (CSV, library)."""


@runtime_checkable
class Tabular(Protocol):
    """Records that are rows of a table of text, exact numbers and booleans, and can be had as columns, too.

    An empty cell is `""`, and no part of a record.
    """

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102  of the columns, no two alike

    @property
    def kinds(self) -> tuple[str, ...]: ...  # noqa: D102  of the columns: string, number or boolean

    @property
    def separator(self) -> str: ...  # noqa: D102  of the cells in the text

    def text(self) -> str:
        """Give the rows as CSV, as they were read."""

    def columns(self) -> Sequence[Sequence[Any]]:
        """Give the cells of each column."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int, /) -> Mapping[str, Any]: ...

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Block:
    """A run of records that were read together; their numbers follow each other without a gap.

    `first` is the 1-based line (NDJSON, CSV) or record number (JSON) of the first of them. A blank NDJSON line is a
    record here and is passed over by the stage that decodes, not counted as read. `plain` promises mappings of text,
    exact numbers, booleans, lists and objects only, as a table has them. `offset` is the byte of the file that the
    first byte of `records`, a BytesIO, is: given where reading can go on at any record.
    """

    first: int
    records: Iterable[RawRecord]
    plain: bool = False
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record cannot be imported: a stable `code`, the `field` it is about, a message for people."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that is not imported, with everything that its line in the rejected-events file says.

    Of `event` and `raw` one is set: `event` is JSON text (the record as read, or as sent when the server refused it),
    `raw` the bytes of what could not be parsed, or the beginning of a record that is too long to keep; the reason says
    so.
    """

    source: str
    number: int
    by: Literal["client", "server"]
    reasons: tuple[Reason, ...]
    event: bytes | None = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that a format could not hand over as a value: a ragged CSV row, an overlong line."""

    number: int
    reason: Reason
    raw: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """`count` events of a batch whose record numbers are `first`, `first + 1`, … in `source`."""

    source: str
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """The records of source number `source` (from 0) from number `first` up to `next`, whatever became of them.

    `offset` is the byte where the record `next` begins, where that is known and of use.
    """

    source: int
    first: int
    next: int
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that go out in one request: NDJSON text, one line an event, each line ended by a newline.

    The events' offsets are not kept: an event holds no raw newline, so the lines are the index. `rejects` are the
    records that were refused while the batch was filled, and `mends` counts what was changed: both are settled together
    with it, so that nothing is told before it is true. A batch may hold rejects only (`count` 0); it is settled without
    being sent. `spans` says which records are settled with it: all that was read since the batch before.
    """

    seq: int
    lines: bytes | bytearray
    count: int
    runs: tuple[Run, ...]
    rejects: tuple[Reject, ...] = ()
    mends: Mapping[str, int] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """What one attempt brought: the status, lower-case header names, at most the first MBs of the body.

    `status` 0 means that no complete reply arrived; `error` then says why, in words for people, and
    `final` that no other attempt can bring one until somebody mends it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """One event that the server refused: its index in the request, the field, the server's words, the id it gives."""

    index: int
    field: str | None
    message: str
    insert_id: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """All events of the request are stored."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The `failed` ones are refused; the others are stored, unless `resend_rest` says to make sure."""

    failed: tuple[Failed, ...]
    resend_rest: bool = False


FailedAnswer: TypeAlias = Literal["throttled", "overloaded", "lost", "odd"]
"""How a request failed: a 429; the server cannot cope; no reply came; a reply that makes no sense."""

Answer: TypeAlias = Literal["taken"] | FailedAnswer
"""What became of a request: "taken" when the server dealt with it, whatever it made of the events."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the same again later. `after_s`: seconds the server asked for. `answer`: what kind of failure it is."""

    reason: str
    after_s: float | None = None
    answer: FailedAnswer = "odd"


@dataclass(frozen=True, slots=True)
class Split:
    """Send it again in halves. `max_bytes`: the limit that the server named, uncompressed bytes."""

    reason: str
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Miscounted:
    """The server says that it stored `stored` of the events, fewer than all, and does not say which."""

    reason: str
    stored: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The whole request was refused for good: every event of it is a reject with these words."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """No request of this run can succeed: stop. `reason` says what to mend."""

    reason: str


Verdict: TypeAlias = "Accepted | Partial | Retry | Split | Miscounted | Refused | Fatal"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sender tells that attempt number `attempt` of a batch failed, how, and when it goes on."""

    seq: int
    attempt: int
    reason: str
    delay_s: float
    answer: FailedAnswer = "odd"


HeldBy: TypeAlias = Literal["", "gate", "probe", "rate limit", "concurrency"]


@dataclass(frozen=True, slots=True)
class Pace:
    """What a rolling rate limit lets through: so much a second, and what `window_s` seconds hold at once first."""

    events_per_s: float = inf
    bytes_per_s: float = inf
    window_s: float = 0.0

    def least_s(self, events: float, nbytes: float) -> float:
        """Give the seconds that so many events and bytes of uncompressed JSON take at least, from the start on."""
        return max(0.0, max(events / self.events_per_s, nbytes / self.bytes_per_s) - self.window_s)


@dataclass(frozen=True, slots=True)
class Flow:
    """How freely requests flow. `held_by`: what the next one waits for, for `hold_s` seconds (None: for a reply).

    `share`: the part of the rate limit that is assumed to be ours. `limit`: requests that may be under way.
    `requests`: all that were sent so far. `pace`: how fast the rate limit, if all of it is ours, lets them go on.
    """

    held_by: HeldBy = ""
    hold_s: float | None = 0.0
    share: float = 1.0
    limit: int = 0
    under_way: int = 0
    requests: int = 0
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event of a batch that the server refused: its index in the batch, its text, the reason."""

    index: int
    event: bytes
    reason: Reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. imported + len(refusals) + len(undelivered) == batch.count, always.

    `undelivered` are indexes in the batch, ascending. `fatal` and `gave_up` say why, or are None; with `bug` what is
    fatal is a fault of ours, with `held` nobody may send for longer than a batch may fail. `nbytes`: uncompressed bytes
    of the imported events. `max_bytes`: a request limit that was learnt, or guessed.
    """

    batch: Batch
    imported: int
    refusals: tuple[Refusal, ...] = ()
    undelivered: tuple[int, ...] = ()
    fatal: str | None = None
    gave_up: str | None = None
    held: bool = False
    requests: int = 0
    retries: int = 0
    nbytes: int = 0
    max_bytes: int | None = None
    max_bytes_guessed: bool = False
    bug: bool = False
