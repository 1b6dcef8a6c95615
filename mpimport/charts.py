"""Bar charts as SVG: axes with round numbers, lanes of marks below, words for who does not see them. Pure.

Knows nothing of runs or events. Colours come from the page by classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from mpimport.markup import Element, element, put

LEFT = 56  # room for the numbers of the vertical axis
RIGHT = 36  # room for half of the last label
TOP = 28
HEIGHT = 150  # of the bars
LANE = 18
LANES_BELOW = 8  # the first lane: its name must not touch the 0 of the vertical axis
BELOW = 24  # room for the labels of the horizontal axis
_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_SECONDS_MORE = (21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000)
_LABEL_PX = 76


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of marks below the bars: for each bar how strong its mark is, 0 to 1, and the words for it."""

    name: str
    kind: str
    strengths: Sequence[float]
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from left to right, each with its words. `ticks` are places in bars, with their labels.

    `slots`: how many bars the width has room for; of the last bar only a part may lie in it. `counts`: whole values.
    """

    title: str
    description: str
    unit: str
    values: Sequence[float]
    words: Sequence[str]
    slots: float
    ticks: Sequence[tuple[float, str]]
    lanes: Sequence[Lane] = ()
    counts: bool = False


def draw(chart: Chart, width: int) -> Element:
    """Draw a chart of a width in pixels."""
    plot = width - LEFT - RIGHT
    step = plot / max(chart.slots, 1e-9)
    steps = scale(max(chart.values, default=0.0), 1.0 if chart.counts else 0.0)
    bottom = TOP + HEIGHT
    lanes = bottom + (LANES_BELOW if chart.lanes else 0)
    below = lanes + LANE * len(chart.lanes)
    height = below + BELOW
    svg = element(
        "svg",
        element("title", chart.title),
        element("desc", chart.description),
        role="img",
        aria_label=f"{chart.title}. {chart.description}",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )
    put(svg, *_vertical_axis(chart.unit, steps, width))
    for number, value in enumerate(chart.values):
        size = HEIGHT * value / steps[-1]
        wide = min(1.0, chart.slots - number) * step
        if value > 0 and wide > 0:
            place = {"x": LEFT + number * step, "y": bottom - max(size, 1), "width": _with_gap(wide)}
            bar = element("rect", element("title", chart.words[number]), class_="bar", **place)
            bar.set("height", f"{max(size, 1):.2f}")
            svg.append(bar)
    for number, lane in enumerate(chart.lanes):
        put(svg, *_lane(lane, lanes + LANE * number, step, chart.slots, width))
    put(svg, *_horizontal_axis(chart.ticks, below, step))
    return svg


def _with_gap(wide: float) -> float:
    return wide - 1 if wide > 4 else wide * 0.85


def _vertical_axis(unit: str, steps: Sequence[float], width: int) -> Iterator[Element]:
    yield element("text", unit, class_="axis", x=4, y=12)
    for value in steps:
        y = TOP + HEIGHT * (1 - value / steps[-1])
        yield element("line", class_="base" if value == 0 else "grid", x1=LEFT, x2=width - RIGHT, y1=y, y2=y)
        yield element("text", short(value), class_="axis", x=LEFT - 6, y=y + 4, text_anchor="end")


def _horizontal_axis(ticks: Sequence[tuple[float, str]], y: float, step: float) -> Iterator[Element]:
    for place, label in ticks:
        x = LEFT + place * step
        yield element("line", class_="base", x1=x, x2=x, y1=y, y2=y + 4)
        yield element("text", label, class_="axis", x=x, y=y + 18, text_anchor="middle")


def _lane(lane: Lane, y: float, step: float, slots: float, width: int) -> Iterator[Element]:
    yield element("text", lane.name, class_="axis", x=LEFT - 6, y=y + 13, text_anchor="end")
    yield element("line", class_="grid", x1=LEFT, x2=width - RIGHT, y1=y + LANE, y2=y + LANE)
    for number, strength in enumerate(lane.strengths):
        if strength > 0:
            wide = max(min(1.0, slots - number) * step, 1.5)
            size = 4 + 10 * min(strength, 1.0)
            mark = element("rect", element("title", lane.words[number]), class_=lane.kind, width=wide)
            mark.attrib.update(x=f"{LEFT + number * step:.2f}", y=f"{y + LANE - size:.2f}", height=f"{size:.2f}")
            yield mark


def scale(highest: float, least_step: float = 0.0) -> list[float]:
    """Give 3 to 7 round numbers from 0 to one that is no smaller than the highest; fewer where a step has a least."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / 4
    power = 10.0 ** floor(log10(rough))
    step = max(next(power * one for one in (1, 2, 5, 10) if power * one >= rough * 0.999), least_step)
    return [step * number for number in range(ceil(highest / step - 1e-9) + 1)]


def short(value: float) -> str:
    """Write a number in few characters."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def time_ticks(seconds: float, width: int) -> list[tuple[float, str]]:
    """Give round times from 0 to the end of a run, as many as fit: the seconds, and their label."""
    most = max((width - LEFT - RIGHT) // _LABEL_PX, 2)
    steps = (*_SECONDS, *_SECONDS_MORE)
    step = next((one for one in steps if seconds / one <= most), steps[-1] * ceil(seconds / steps[-1] / most))
    return [(number * step, _moment(number * step, step)) for number in range(int(seconds / step + 1e-9) + 1)]


def _moment(seconds: float, step: float) -> str:
    if step < 60:
        return f"{seconds:g} s" if seconds < 60 else f"{int(seconds // 60)}:{seconds % 60:02.0f} min"
    minutes = int(seconds // 60)
    if step < 3600 and minutes < 60:
        return f"{minutes} min"
    if step < 86_400:
        return f"{minutes // 60}:{minutes % 60:02} h"
    return f"{minutes // 1440} d"


def label_ticks(labels: Sequence[str], slots: float, width: int) -> list[tuple[float, str]]:
    """Choose of the bars' labels as many as fit: the middle of the bar, and its label."""
    each = (width - LEFT - RIGHT) / max(slots, 1)
    every = max(ceil(_LABEL_PX / each), 1)
    return [(number + 0.5, label) for number, label in enumerate(labels) if number % every == 0]
