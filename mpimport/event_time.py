"""Times as people write them -> the API's numbers. Pure; knows no event, and no rule but the oldest time.

Numbers are left to the reader: the API takes seconds and milliseconds as they are (API documentation,
"properties.time"). Here are the forms that it does not take: text, and numbers with a fraction.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

_ISO_8601 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,12}))?)?"
    r" ?(Z|z|[+-]\d\d(?::?[0-5]\d)?)?)?",
    re.ASCII,
)
_DIGITS = re.compile(r"-?\d{1,20}(?:\.\d{1,12})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

SECONDS_END = 31_536_000_000  # 1971-01-01
"""Numbers below it are seconds, from it on milliseconds: it is the oldest legal time in milliseconds.

The API documentation allows both units and does not say how it tells them apart. As seconds this is the
year 2969, so no legal time can be read both ways. An older time is told in seconds: its milliseconds
would read as seconds of a later day, 1970-01-20 as one in 2022."""


def milliseconds_of_text(text: str) -> int | None:
    """Read ISO 8601 text (UTC unless it says otherwise) as milliseconds, or digits as the number they are.

    Digits come back as the whole number they spell (seconds or milliseconds), a fraction of a second is
    cut to milliseconds; before `SECONDS_END` it is whole seconds. None when the text is neither.
    """
    text = text.strip()
    if _DIGITS.fullmatch(text):
        return whole_number(Decimal(text))
    match = _ISO_8601.fullmatch(text)
    return _milliseconds(*match.groups()) if match else None


def whole_number(value: float | Decimal) -> int | None:
    """Turn a number with a fraction into whole milliseconds (below `SECONDS_END`: it is seconds).

    A number without a fraction keeps its unit. None for NaN, the infinities and what is too large for
    any time.
    """
    exact = Decimal(str(value)) if isinstance(value, float) else value
    if not exact.is_finite() or exact.adjusted() >= 20:
        return None
    whole = int(exact)
    if exact == whole or abs(whole) >= SECONDS_END:
        return whole
    return _unmistakable(int(exact.scaleb(3)))


def _unmistakable(milliseconds: int) -> int:
    return milliseconds if milliseconds >= SECONDS_END else milliseconds // 1000


def _milliseconds(
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    zone: str | None,
) -> int | None:
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=_zone(zone),
        )
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return None
    return _unmistakable(since // timedelta(milliseconds=1) + int((fraction or "0")[:3].ljust(3, "0")))


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
