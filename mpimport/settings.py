"""Frozen settings, grouped by role; secrets mask themselves.

A leaf: it knows neither files, the network nor click. What may not be is told by `settings_check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """Everything the user gave to prove who sends; `kind` tells which of it is used.

    `unusable`: something was given as a secret that is none, which has been told. `unread`: what a configuration file
    gives is not known, for it could not be used, which has been told, too.
    """

    project_id: str | None = None
    username: str | None = None
    secret: Secret | None = None
    api_secret: Secret | None = None
    token: Secret | None = None
    secret_file: str | None = None
    unusable: bool = False
    unread: bool = False

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

    `keeps_checkpoint`: an interrupted run can be gone on with. `restart` forgets it. `reports` and `metrics` are
    files that tell of the run; `options` is what a report tells of how it was asked for, without credentials.
    """

    rejected: str | None = None
    max_rejected: MaxRejected | None = None
    dry_run: bool = False
    sandbox: bool = False
    audit: str | None = None
    checkpoint: str | None = None
    restart: bool = False
    keeps_checkpoint: bool = False
    reports: tuple[str, ...] = ()
    metrics: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaxRejected:
    """How many rejects are borne: `limit` events, or, with `percent`, that share of the events read.

    `name` is what it was given as.
    """

    limit: float
    percent: bool = False
    name: str = "--max-rejected"

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
        limit = float(text.strip().removesuffix("%")) if percent else int(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a number of events, like 100, nor a share, like 1%") from None
    if not (limit >= 0 and (limit <= 100 or not percent)):
        raise ValueError(f"{text!r} is out of range: a number from 0 on, or a share from 0% to 100%")
    return MaxRejected(limit, percent)
