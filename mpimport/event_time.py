"""Numbers as times: which unit a number is in, and how a moment is told to the API. Pure; knows no event, no text form.

The API takes whole seconds and milliseconds (API documentation, "properties.time"). A number is told by its
size; "legal" is 1971-01-01 up to the end of the year 2100, and no legal time can be read in two ways:

    from                        to (excluded)               read as
    (below)                     31_536_000                  seconds before 1971: left as it is, `validate` refuses it
    31_536_000                  4_133_980_800               seconds, legal
    4_133_980_800               31_536_000_000              seconds of 2101-2969: left as it is, `validate` refuses it
    31_536_000_000              4_133_980_800_000           milliseconds, legal
    4_133_980_800_000           31_536_000_000_000          milliseconds of 2101-2969: left, `validate` refuses it
    31_536_000_000_000          4_133_980_800_000_000       microseconds, legal: made milliseconds
    4_133_980_800_000_000       31_536_000_000_000_000      refused: microseconds after 2100, or nanoseconds of 1970
    31_536_000_000_000_000      4_133_980_800_000_000_000   nanoseconds, legal: made milliseconds
    4_133_980_800_000_000_000   (above)                     refused, and so is what lies below -10**20
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_FLOOR, Context, Decimal

SECONDS_END = 31_536_000_000  # 1971-01-01
"""Numbers below it are seconds, from it on milliseconds: it is the oldest legal time in milliseconds.

The API documentation allows both units and does not say how it tells them apart. As seconds this is the
year 2969, so no legal time can be read both ways. An older time is told in seconds: its milliseconds
would read as seconds of a later day, 1970-01-20 as one in 2022."""


MILLISECONDS_END = SECONDS_END * 1000  # from here on a number is microseconds
_NEWEST_S = 4_133_980_800  # 2101-01-01
HUGE = 10**20  # what is larger is a time in no unit
UNITS = {"s": 3, "ms": 0, "us": -3, "ns": -6}  # milliseconds are the number times ten to this power
_WIDE = Context(prec=60, rounding=ROUND_FLOOR, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])

Read = tuple[int, str]
"""A number that the API takes and a notice: "", or one of time_read, time_zone_assumed, time_rounded, time_unit."""


def told(milliseconds: int, notice: str) -> Read | str:
    """Say milliseconds in the one way that nobody can mistake, if there is one."""
    if milliseconds < SECONDS_END:
        return milliseconds // 1000, notice
    if milliseconds < MILLISECONDS_END:
        return milliseconds, notice
    return "the time is after the year 2968: mend it, or say its unit or form with --time-format"


def count_in_unit(value: int | Decimal, unit: str | None, notice: str) -> Read | str:
    """Bring a number, a whole one or a `Decimal`, to what the API takes; `unit` None: by its size.

    The value must be finite, and nearer to 0 than `HUGE`.
    """
    unit = unit or _unit_of(value)
    if unit is None:
        return (
            f"{int(value)} could be microseconds or nanoseconds, and neither gives a year from 1971 to 2100: mend it, "
            "or say which with --time-format us or ns"
        )
    whole = int(value)
    is_whole = value == whole
    if is_whole and (whole < SECONDS_END if unit == "s" else unit == "ms" and SECONDS_END <= whole < MILLISECONDS_END):
        return whole, notice
    scaled = _WIDE.scaleb(Decimal(value), UNITS[unit])
    milliseconds = int(scaled.to_integral_value(ROUND_FLOOR))
    other_unit = unit in ("us", "ns") or (unit == "ms" and milliseconds < SECONDS_END)
    return told(milliseconds, "time_unit" if other_unit else notice or "time_rounded")


def _unit_of(value: int | Decimal) -> str | None:
    if value < MILLISECONDS_END:
        return "s" if value < SECONDS_END else "ms"
    if value < _NEWEST_S * 10**6:
        return "us"
    return "ns" if SECONDS_END * 10**6 <= value < _NEWEST_S * 10**9 else None
