"""What the report of a run says, as one object with promised keys: that of `--json`, and much more.

Both forms of the report hold it: the JSON as it is, the page as pictures and tables. Must not know files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib import metadata
from typing import Any

from mpimport.account import Summary, reject_examples
from mpimport.census import Census
from mpimport.history import History
from mpimport.mends import words_of
from mpimport.sketches import histogram
from mpimport.summary_text import next_steps, summary_lines

MAX_SOURCES = 1000  # names that are listed
MAX_BARS = 130  # of the picture of days, then of weeks, months, years: ten years are months


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report tells of a run beside its summary: where from, and the options as they were given."""

    sources: Sequence[str]
    options: Mapping[str, str]


def report_of(summary: Summary, asked: Asked, history: History, census: Census) -> dict[str, Any]:
    """Put the report together; its keys are promised in the guide."""
    timeline = history.timeline
    unit, bars = histogram(census.days, MAX_BARS)
    return {
        **summary.as_json(),
        "mpimport_version": _version(),
        "started": _moment(history.started),
        "ended": _moment(history.started + summary.seconds),
        "headline": summary_lines(summary)[0],
        "next_steps": list(next_steps(summary)),
        "resumed": summary.resumed,
        "sources": list(asked.sources[:MAX_SOURCES]),
        "source_count": len(asked.sources),
        "options": dict(asked.options),
        "bucket_seconds": timeline.width_s,
        "buckets": [
            {"start": number * timeline.width_s, **_rounded(asdict(bucket))}
            for number, bucket in enumerate(timeline.buckets)
        ],
        "events_by_day": census.by_day,
        "day_unit": unit,
        "day_buckets": bars,
        "events_by_name": census.by_name,
        "distinct_event_names": census.names.distinct,
        "other_events": census.names.others + census.unread,
        "reject_examples": reject_examples(summary.tally),
        "mends": [
            {"code": code, "count": count, "meaning": words_of(code, count)}
            for code, count in summary.tally.mends.most_common()
        ],
        "messages": [asdict(message) for message in history.messages],
        "messages_left_out": history.messages_left_out,
    }


def _version() -> str:
    try:
        return metadata.version("mpimport")
    except metadata.PackageNotFoundError:  # run from a folder, without being installed
        return "0"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def _rounded(bucket: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in bucket.items()}
