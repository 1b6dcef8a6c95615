"""Frozen settings, grouped by role, and every check across them, made in one place before any I/O.

A leaf: it knows neither files, the network nor click, and is told an endpoint's row. A value over a
limit is refused by name, never clamped; all problems are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mpimport.errors import UsageProblem

if TYPE_CHECKING:
    from mpimport.endpoints import Endpoint  # only told, so that this stays a leaf

MAX_WORKERS = 64  # the API documentation saw the best throughput with 10 to 20 clients


class Secret:
    """A secret text: it shows itself only to who calls `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything the user gave to prove who sends; `kind` tells which of it is used."""

    project_id: str | None = None
    username: str | None = None
    secret: Secret | None = None
    api_secret: Secret | None = None
    token: Secret | None = None
    secret_file: str | None = None

    @property
    def kind(self) -> str | None:
        """The way to authenticate: what names a person or a machine comes before what names a project."""
        if self.username or self.secret:
            return "service account"
        if self.api_secret:
            return "project secret"
        if self.token:
            return "project token"
        return None


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How the input is read. `format` is `auto` or a format's name."""

    format: str = "auto"
    json_path: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    misfit: str | None = None


@dataclass(frozen=True, slots=True)
class MapSettings:
    """How records become events, as the user said it; `mapping`, `event_time` and `long_text` say what each means.

    `fields`: which field is taken for `event`, `time`, `distinct_id` or `$insert_id`. `keep` None: everything.
    """

    event_name: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    insert_id_from: tuple[str, ...] = ()
    time_format: str | None = None
    timezone: str = "UTC"
    rename: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None
    set: tuple[tuple[str, object], ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    long_strings: str = "truncate"
    drop_long: frozenset[str] = frozenset()
    split_urls: bool = False
    parse_json: bool = False
    deep: str = "reject"


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What a request may hold: events, and uncompressed bytes as NDJSON. None: what the endpoint's row says."""

    max_events: int | None = None
    max_bytes: int = 10_000_000
    content_type: str | None = None
    gzip_level: int | None = None
    gzip: bool = True
    geolocate: bool = False


@dataclass(frozen=True, slots=True)
class SendSettings:
    """Where and how requests go; times in seconds (API documentation: backoff 2 to 60 s, 1 to 5 s of jitter).

    `max_events_per_s` and `max_bytes_per_minute` hold on average over any `rate_window_s`; 0 is no limit.
    `region_given`: somebody chose the region, it is not the default. `proxy` None: the environment's.
    """

    endpoint: str = "import"
    region: str = "us"
    region_given: bool = False
    url: str | None = None
    proxy: str | None = None
    ca_bundle: str | None = None
    workers: int = 16
    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    give_up_after_s: float = 900.0
    backoff_base_s: float = 2.0
    backoff_max_s: float = 60.0
    backoff_jitter_s: tuple[float, float] = (1.0, 5.0)
    strict: bool = True
    max_events_per_s: float = 30_000  # API documentation, "rate limits"
    max_bytes_per_minute: float = 2e9  # API documentation, "rate limits"; uncompressed
    rate_window_s: float = 60.0  # API documentation


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How the run as a whole behaves. `rejected` and `checkpoint` are paths, or None for the usual ones.

    `keeps_checkpoint`: an interrupted run can be gone on with. `restart` forgets it.
    """

    rejected: str | None = None
    max_rejected: MaxRejected | None = None
    dry_run: bool = False
    sandbox: bool = False
    audit: str | None = None
    checkpoint: str | None = None
    restart: bool = False
    keeps_checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class MaxRejected:
    """How many rejects are borne: `limit` events, or, with `percent`, that share of the events read."""

    limit: float
    percent: bool = False

    MIN_READ = 1000
    """A share is judged from so many events on (and at the end): one bad event among the first ten says little."""

    def exceeded(self, rejected: int, read: int, *, at_end: bool = False) -> bool:
        """Whether that many rejects among so many read are too many."""
        if not self.percent:
            return rejected > self.limit
        return (at_end or read >= self.MIN_READ) and rejected * 100 > self.limit * read

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:g}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run."""

    read: ReadSettings = ReadSettings()
    map: MapSettings = MapSettings()
    batch: BatchSettings = BatchSettings()
    send: SendSettings = SendSettings()
    run: RunSettings = RunSettings()
    credentials: Credentials = Credentials()


def parse_max_rejected(text: str) -> MaxRejected:
    """Read `N` or `P%`. Raises ValueError with words for people."""
    percent = text.strip().endswith("%")
    try:
        limit = float(text.strip().rstrip("%")) if percent else int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a number of events, like 100, nor a share, like 1%") from None
    if not (limit >= 0 and (limit <= 100 or not percent)):
        raise ValueError(f"{text!r} is out of range: a number from 0 on, or a share from 0% to 100%")
    return MaxRejected(limit, percent)


def check(settings: Settings, endpoint: Endpoint) -> None:
    """Check everything across the settings, given the endpoint's row. Raises UsageProblem with all problems."""
    credential_problems = _token_problems if endpoint.token_in_events else _credential_problems
    needs_none = settings.run.dry_run or settings.run.sandbox
    problems = [
        *_batch_problems(settings.batch, endpoint),
        *_send_problems(settings.send),
        *_strict_problems(settings.send, endpoint),
        *_run_problems(settings),
        *(() if needs_none else credential_problems(settings.credentials)),
    ]
    if problems:
        raise UsageProblem(*problems)


def _batch_problems(batch: BatchSettings, endpoint: Endpoint) -> Iterator[str]:
    takes, level = f"the {endpoint.name} endpoint takes", batch.gzip_level
    if batch.max_events is not None and not 1 <= batch.max_events <= endpoint.max_events:
        yield f"--batch-size {batch.max_events}: {takes} 1 to {endpoint.max_events:,} events a request"
    if not 1 <= batch.max_bytes <= endpoint.max_bytes:
        yield f"--batch-bytes {batch.max_bytes}: {takes} up to {endpoint.max_bytes:,} bytes a request"
    if batch.content_type is not None and batch.content_type not in endpoint.framings:
        yield f"--content-type {batch.content_type}: {takes} {' or '.join(endpoint.framings)}"
    if level is not None and batch.gzip and endpoint.gzip_level is None:
        yield f"--gzip-level {level}: {takes} no compressed requests; leave it out"
    elif level is not None and batch.gzip and not 1 <= level <= 9:
        yield f"--gzip-level {level}: 1 is the quickest, 9 the smallest; --no-gzip leaves it out"


def _send_problems(send: SendSettings) -> Iterator[str]:
    if not 1 <= send.workers <= MAX_WORKERS:
        yield f"--workers {send.workers}: 1 to {MAX_WORKERS} requests at once"
    for name, value in (
        ("--timeout", send.timeout_s),
        ("--connect-timeout", send.connect_timeout_s),
        ("--backoff-base", send.backoff_base_s),
    ):
        if not 0 < value <= 86_400:
            yield f"{name} {value:g}: more than 0 seconds, and at most a day"
    if not 0 <= send.give_up_after_s < float("inf"):
        yield f"--give-up-after {send.give_up_after_s:g}: 0 or more seconds"
    if not send.backoff_base_s <= send.backoff_max_s <= 86_400:
        yield f"--backoff-max {send.backoff_max_s:g}: at least --backoff-base ({send.backoff_base_s:g}), at most a day"
    for name, value in (
        ("--max-events-per-second", send.max_events_per_s),
        ("--max-bytes-per-minute", send.max_bytes_per_minute),
    ):
        if not 0 <= value < float("inf"):
            yield f"{name} {value:g}: 0 for no limit, or more"
    if not 0 < send.rate_window_s <= 86_400:
        yield f"--rate-window {send.rate_window_s:g}: more than 0 seconds, and at most a day"
    low, high = send.backoff_jitter_s
    if not 0 <= low <= high <= 86_400:
        yield f"--backoff-jitter {low:g} {high:g}: two numbers of seconds, the smaller one first"


def _strict_problems(send: SendSettings, endpoint: Endpoint) -> Iterator[str]:
    if not send.strict and endpoint.classify_lenient is None:
        yield f"--no-strict: the {endpoint.name} endpoint has no strict=1 to leave out; leave the option out"


def _run_problems(settings: Settings) -> Iterator[str]:
    if settings.run.sandbox and settings.send.url:
        yield "--sandbox and --url: the sandbox has an address of its own; leave one of them out"
    if settings.run.checkpoint and not settings.run.keeps_checkpoint:
        yield "--checkpoint and --no-checkpoint: one says where, the other not at all; leave one of them out"
    limit = settings.run.max_rejected
    if limit is not None and not limit.limit >= 0:
        yield f"--max-rejected {limit}: a number from 0 on, or a share from 0% to 100%"
    if settings.run.audit and not settings.run.dry_run:
        yield "--audit: it is what a dry run found; give --dry-run with it"
    if settings.run.sandbox and settings.run.dry_run:
        yield "--sandbox and --dry-run: a dry run sends nothing, not even to the sandbox; leave one of them out"


def _credential_problems(given: Credentials) -> Iterator[str]:
    if given.kind is None:
        what = "--username NAME and its secret (MP_SECRET or --secret-file PATH), with --project-id ID"
        yield f"no credentials: give {what}; or try --dry-run or --sandbox, which need none"
    elif given.kind == "service account":
        if not given.username:
            yield "the secret is a service account's: give --username NAME (or MP_USERNAME) with it"
        if not given.secret and not given.secret_file:
            yield "the service account's secret is missing: set MP_SECRET, or give --secret-file PATH"
        if not given.project_id:
            yield "the project is missing: give --project-id ID (a service account may write to several)"
    if given.project_id and not given.project_id.isdecimal():
        yield f"--project-id {given.project_id[:20]!r}: it is a number; see Project Settings, Overview"


def _token_problems(given: Credentials) -> Iterator[str]:
    """Check the credentials for an endpoint that takes a token only; whatever else is given does no harm."""
    if not given.token:
        also = f"; --endpoint import is the one for a {given.kind}" if given.kind else ""
        yield f"no token: give the project's with --token TOKEN (or MP_TOKEN), this endpoint takes nothing else{also}"
    elif not re.fullmatch(r"[!-~]+", given.token.reveal()):
        yield "--token: it holds a space or a character that no token has; is something pasted with it?"
