"""The pictures of a run's report: from its object to charts. Pure; knows neither the page nor how a run went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpimport.charts import Chart, Lane, draw, label_ticks, short, time_ticks
from mpimport.markup import Element, element
from mpimport.summary_text import duration, many

WIDE = 928  # all of the page, whose style says 60rem
NARROW = 360  # a phone
FEWEST_SLOTS = 12  # one day is a bar, not a wall
_LANES = (
    ("429", "throttled", "{} answered with 429"),
    ("failed", "failed", "{} failed otherwise"),
    ("paced", "waited", "waited {} for the rate limit"),
    ("backoff", "waited", "waited {} after failures"),
)

Report = Mapping[str, Any]


def both(chart: Callable[[int], Chart]) -> Element:
    """Draw a chart for wide screens and paper, and another one for phones; the page shows one of them."""
    wide, narrow = (draw(chart(width), width) for width in (WIDE, NARROW))
    return element("div", element("div", wide, class_="wide"), element("div", narrow, class_="narrow"), class_="chart")


def over_time(report: Report) -> Callable[[int], Chart]:
    """Picture the events that arrived by time, with what held them up."""
    width_s, seconds = report["bucket_seconds"], report["seconds"]
    buckets, lengths = _lengths(report["buckets"], width_s, seconds)
    rates = [bucket["imported"] / length if length else 0.0 for bucket, length in zip(buckets, lengths, strict=True)]
    starts = [f"from {duration(bucket['start'])} on" for bucket in buckets]
    verb = "valid" if report["dry_run"] else "imported"
    average = (report["imported"] + report.get("valid", 0)) / seconds if seconds else 0.0
    slots = max((seconds / width_s) if width_s else 0.0, 1e-6)
    words = [f"{start}: {rate:,.0f} events/s" for start, rate in zip(starts, rates, strict=True)]
    lanes = _lanes(buckets, lengths, starts)

    def chart(width: int) -> Chart:
        return Chart(
            title=f"Events {verb} a second, over time",
            description=f"{duration(seconds)} in all, {average:,.0f} events/s on average, "
            f"{max(rates, default=0):,.0f} at most. {'; '.join(lane.name for lane in lanes)}",
            unit="events/s",
            values=rates,
            words=words,
            slots=slots,
            ticks=[(at_s / width_s, label) for at_s, label in time_ticks(max(seconds, 1e-3), width)],
            lanes=lanes,
        )

    return chart


def _lengths(
    buckets: Sequence[Mapping[str, float]], width_s: float, seconds: float
) -> tuple[list[Mapping[str, float]], list[float]]:
    """Give the buckets and how long each lasted; a last one too short to tell a speed is taken into the one before."""
    shown = list(buckets)
    last_s = seconds - (len(shown) - 1) * width_s
    if len(shown) > 1 and last_s < width_s / 2:
        last, before = shown.pop(), shown.pop()
        shown.append({name: value if name == "start" else value + last[name] for name, value in before.items()})
        last_s += width_s
    return shown, [width_s] * (len(shown) - 1) + [last_s] * bool(shown)


def _lanes(buckets: Sequence[Mapping[str, float]], lengths: Sequence[float], starts: Sequence[str]) -> tuple[Lane, ...]:
    """Make a lane for each thing that did happen."""
    failed = [bucket["failed"] - bucket["throttled"] for bucket in buckets]
    counts = ([bucket["throttled"] for bucket in buckets], failed)
    waits = tuple([bucket[name] for bucket in buckets] for name in ("rate_limit_s", "back_off_s"))
    lanes = []
    for (name, kind, words), values in zip(_LANES, (*counts, *waits), strict=True):
        if not any(values):
            continue
        if kind == "waited":
            strengths = [value / length if length else 0.0 for value, length in zip(values, lengths, strict=True)]
            told = [words.format(duration(value)) for value in values]
        else:
            most = max(values)
            strengths = [value / most for value in values]
            told = [words.format(many(int(value), "request")) for value in values]
        lanes.append(Lane(name, kind, strengths, [f"{start}: {it}" for start, it in zip(starts, told, strict=True)]))
    return tuple(lanes)


def by_day(report: Report) -> Callable[[int], Chart]:
    """Picture the events by their own time."""
    buckets, unit = report["day_buckets"], report["day_unit"]
    labels, values = list(buckets), list(buckets.values())
    slots = max(len(labels), FEWEST_SLOTS)
    span = f"{labels[0]} to {labels[-1]}" if len(labels) > 1 else "".join(labels)
    of = {"week": "week of ", "quarter": "quarter from "}.get(unit, "")

    def chart(width: int) -> Chart:
        return Chart(
            title=f"Events by {unit} of their own time (UTC)",
            description=f"{span}, at most {short(max(values, default=0))} events in a {unit}",
            unit=f"events a {unit}",
            values=values,
            words=[f"{of}{label}: {many(value, 'event')}" for label, value in buckets.items()],
            slots=slots,
            ticks=label_ticks(labels, slots, width),
            counts=True,
        )

    return chart


def share_bar(share: float) -> Element:
    """Draw a share of a whole as a bar."""
    return element(
        "svg",
        element("rect", class_="track", x=0, y=0, width=100, height=8),
        element("rect", class_="bar", x=0, y=0, width=max(100 * share, 0.5), height=8),
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
