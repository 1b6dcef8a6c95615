"""What a sandbox can be told: frozen, checked once, no secret in its repr. Knows nothing of HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

FAULT_KINDS = ("reset", "reset-after", "cut", "html", "garbage", "slow")
"""The faults beside plain HTTP statuses; `faults` says what each of them does."""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The settings of a sandbox; the defaults are the API's documented limits, and any credentials pass.

    As soon as one of `username`, `secret`, `api_secret`, `token` is given, only what is given is let in;
    `project_id` must be matched wherever a request names a project. `faults` are (kind, probability): a
    status from 400 to 599 or one of `FAULT_KINDS`, at most one of them a request. A rate limit of 0 is off.
    `keep_events` bounds what `GET /events` can show; deduplication and counting go on beyond it, at some
    hundred bytes of memory for each further event. `store` is an SQLite file that keeps all of them instead.
    `now` is the wall clock (seconds since the epoch) that event times are held against, `monotonic` the clock of
    the rate limit.
    """

    username: str | None = None
    secret: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    project_id: str | None = None
    max_request_bytes: int = 10 * 1024 * 1024  # uncompressed; the API's documentation
    max_events: int = 2000  # a request; the API's documentation
    max_track_events: int = 2000  # a request to /track; the documentation says 50 in one place and 2000 in another
    max_events_per_window: int = 0
    max_bytes_per_window: int = 0
    window_s: float = 60.0  # "on a rolling one-minute basis": the API's documentation
    faults: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    slow_s: float = 1.0
    latency_s: float = 0.0
    keep_events: int = 1_000_000
    store: Path | None = None
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be from {least:,} to {most:,}{unit}"
            for name, (least, most, unit) in _RANGES.items()
            if not least <= getattr(self, name) <= most
        ]
        problems += [f"unknown fault: {kind}" for kind, _ in self.faults if not is_fault_kind(kind)]
        odds = [probability for _, probability in self.faults]
        if not all(0 <= one <= 1 for one in odds) or sum(odds) > 1 + 1e-9:  # ten times 0.1 may be above 1
            problems.append("the probabilities of the faults must be from 0 to 1, and 1 at most together")
        if problems:
            raise ValueError("; ".join(problems))


_COUNT = 10**12  # ours: far more than anybody means, far less than what machines cannot count
_SECONDS = (0, 86_400, " seconds")
_RANGES: dict[str, tuple[float, int, str]] = {
    "max_request_bytes": (1, _COUNT, " bytes"),
    "max_events": (1, _COUNT, " events"),
    "max_track_events": (1, _COUNT, " events"),
    "max_events_per_window": (0, _COUNT, " events"),
    "max_bytes_per_window": (0, _COUNT, " bytes"),
    "window_s": (0.001, 86_400, " seconds"),
    "slow_s": _SECONDS,
    "latency_s": _SECONDS,
    "keep_events": (0, _COUNT, " events"),
}


def is_fault_kind(kind: str) -> bool:
    """Tell whether `kind` is one of `FAULT_KINDS` or an HTTP status that means an error."""
    return kind in FAULT_KINDS or (kind.isascii() and kind.isdigit() and 400 <= int(kind) <= 599)
