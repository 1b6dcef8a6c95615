"""Times in the forms that people write them in -> the API's numbers: `TimeReader`. Pure; knows no event and no clock.

A time without a zone is read in the reader's. In a gap (clocks put forward) the offset from before the gap
holds, so that 02:30 of a gap from 02:00 to 03:00 is 03:30; in an overlap it is the first of the two (PEP 495,
fold=0).

Numbers, and digits in text, are told apart by their size: the table is in `event_time`. Text of 7, 8, 14 or 17
digits that begins with a year (1970-2100) is refused instead: it is a date, or a number of seconds.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from mpimport.event_time import HUGE, MILLISECONDS_END, UNITS, Read, count_in_unit, told
from mpimport.time_hints import quoted, why_unreadable
from mpimport.time_words import meant_format, meant_zone

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  all sums are done on the local clock, less the offset
_EPOCH_UTC = _EPOCH.replace(tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)

_USUAL = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{3}(?:\d{3})?)?(?:(Z)|([+-]\d\d:[0-5]\d))?", re.ASCII
)  # what `datetime.fromisoformat` reads alike on every Python, once the Z is off
_CLOCK = r"(\d\d)(?::?(\d\d)(?::?(\d\d))?)?(?:[.,](\d+))? ?(Z|z|UTC|GMT|[+-]\d\d(?::?[0-5]\d)?)?"
_ISO_8601 = re.compile(
    r"(\d{4})(-?)(?:(\d\d)\2(\d\d)|W(\d\d)\2([1-7])|(\d{3}))(?:[Tt ]" + _CLOCK + ")?", re.ASCII | re.DOTALL
)
_USUAL_DIGITS = (
    10,
    13,
)  # seconds from 2001 on, milliseconds; below them no other unit begins, and no date is packed so
_DIGITS = re.compile(r"-?\d{1,20}(?:\.\d{1,30})?", re.ASCII)
_PACKED = re.compile(r"(?:19[7-9]|20\d|2100)\d*", re.ASCII)
_PACKED_FORMATS = {7: "%Y%j", 8: "%Y%m%d", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
_SLASHES = re.compile(r"(\d{4})/(\d\d?)/(\d\d?)((?: .*)?)", re.ASCII)
_RFC_2822 = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), *)?(\d\d?) +([a-z]{3}) +(\d{4}) +(\d\d:\d\d(?::\d\d)?)"
    r"(?: +([+-]\d{4}|[a-z]{1,3}))?(?: *\([^()]*\))?",
    re.ASCII | re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_RFC_ZONES = {"UT": "Z", "UTC": "Z", "GMT": "Z", "Z": "Z", "EST": "-05", "EDT": "-04", "CST": "-06", "CDT": "-05"}
_RFC_ZONES |= {"MST": "-07", "MDT": "-06", "PST": "-08", "PDT": "-07"}


def _usual(value: object) -> Read | None:
    """Read a number in a unit that the API takes, or the digits of one; None for everything else."""
    if type(value) is int and -HUGE < value < MILLISECONDS_END:
        return value, ""
    if isinstance(value, str) and len(value) in _USUAL_DIGITS and value.isascii() and value.isdigit():
        return int(value), "time_read"
    return None


class TimeReader:
    """Reads times, each in the same way: `time_format` and `timezone` are what the user asked for.

    `time_format`: None for all that can be told apart; `s`, `ms`, `us`, `ns` or `iso` for exactly that; else
    a strptime format, which needs a year. `timezone` is for times that name none. ValueError, in words for
    people, when either cannot be used.
    """

    __slots__ = ("_zone", "time_format", "timezone")

    def __init__(self, time_format: str | None = None, timezone: str = "UTC") -> None:
        if time_format is not None and time_format != "iso" and time_format not in UNITS:
            _check_format(time_format)
        self.time_format = time_format
        self.timezone = timezone
        self._zone = None if timezone == "UTC" else _find_zone(timezone)

    def of_sent(self) -> TimeReader:
        """Give the reader for times that this one has read once: they are in no form but the API's."""
        return TimeReader(None, self.timezone)

    def read(self, value: object) -> Read | str:
        """Turn a value into a number that the API takes and a notice, or into words why it is no time. Never raises.

        The notices: "" it was right (1.0 for 1 too); "time_read" from text or a datetime with a zone, or from
        digits in text; "time_zone_assumed" it named no zone; "time_rounded" a number with a fraction became
        whole; "time_unit" it was in a unit that the API does not take, as a number or in text.
        """
        if self.time_format is None:
            if (quick := _usual(value)) is not None:
                return quick
            if isinstance(value, str) and (match := _USUAL.fullmatch(value)):
                is_utc = match[1] is not None
                try:
                    moment = datetime.fromisoformat(value[:-1] if is_utc else value)
                except ValueError:  # a leap second, 24:00, or no such day
                    return self._text(value)
                return self._local(moment, 0 if is_utc else None) if match[2] is None else _read(moment - _EPOCH_UTC)
        if isinstance(value, str):
            return self._text(value.strip())
        if isinstance(value, float):
            return self._number(Decimal(float.__repr__(value)))
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return self._number(value)
        if isinstance(value, datetime):
            return self._moment(value)
        if isinstance(value, date):
            return self._moment(datetime(value.year, value.month, value.day))  # noqa: DTZ001  the zone is the reader's
        what = "null" if value is None else "true or false" if isinstance(value, bool) else f"a {type(value).__name__}"
        return f"{what} is no time: use seconds or milliseconds since 1970, or ISO 8601 text"

    def read_digits(self, cells: Sequence[Any]) -> list[int] | None:
        """Read many values at once as `read` would, where all of them are the digits of a number in a usual unit."""
        try:
            digits = "".join(cells)
        except TypeError:
            return None
        is_usual = self.time_format is None and digits.isascii() and digits.isdigit()
        return list(map(int, cells)) if is_usual and set(map(len, cells)).issubset(_USUAL_DIGITS) else None

    def _number(self, value: int | Decimal) -> Read | str:
        if isinstance(value, Decimal) and not value.is_finite():
            return "NaN or infinity is no time: use seconds or milliseconds since 1970, or ISO 8601 text"
        if not -HUGE < value < HUGE:
            return "the number is too large for a time in any unit: use seconds or milliseconds since 1970"
        if self.time_format is None or self.time_format in UNITS:
            return count_in_unit(value, self.time_format, "")
        if self.time_format != "iso" and value == int(value):
            return self._by_format(str(int(value)))
        form = "ISO 8601 text" if self.time_format == "iso" else f"of the form {quoted(self.time_format)}"
        return f"the number {value} is not {form}: mend it, or leave out --time-format"

    def _text(self, text: str) -> Read | str:
        if not text:
            return "the time is empty: use seconds or milliseconds since 1970, or ISO 8601 text"
        if self.time_format in UNITS or (self.time_format is None and _DIGITS.fullmatch(text)):
            return self._digits(text)
        if self.time_format not in (None, "iso"):
            return self._by_format(text)
        iso = text if self.time_format else _as_iso(text)
        match = _ISO_8601.fullmatch(iso)
        if not match:
            return why_unreadable(text)
        try:
            return self._local(*_parts(match))
        except (ValueError, OverflowError):
            return f"{quoted(text)} has a day, an hour or an offset that does not exist: mend it"

    def _digits(self, text: str) -> Read | str:
        if not _DIGITS.fullmatch(text):
            return f"{quoted(text)} is no number, which --time-format {self.time_format} asks for: mend it"
        packed = _PACKED_FORMATS.get(len(text)) if self.time_format is None and _PACKED.fullmatch(text) else None
        if packed:
            return (
                f"{text} could be a date or a number of seconds: use --time-format '{packed}' if it is a date, or "
                "s, ms, us or ns"
            )
        return count_in_unit(Decimal(text) if "." in text else int(text), self.time_format, "time_read")

    def _by_format(self, text: str) -> Read | str:
        try:
            return self._moment(datetime.strptime(text, self.time_format or ""))  # noqa: DTZ007  %z is the user's choice
        except (ValueError, OverflowError):
            return f"{quoted(text)} is not of the form {quoted(self.time_format)}: mend it, or --time-format"

    def _moment(self, moment: datetime) -> Read | str:
        if moment.tzinfo is None:
            return self._local(moment, None)
        try:
            offset = moment.utcoffset()
        except Exception as error:  # noqa: BLE001  a tzinfo is anybody's code
            return f"the time's zone cannot be used ({type(error).__name__}): mend it"
        local = moment.replace(tzinfo=None)
        return self._local(local, None if offset is None else offset // _MS)

    def _local(self, local: datetime, offset_ms: int | None) -> Read | str:
        if offset_ms is not None:
            return _read(local - _EPOCH, offset_ms)
        offset = self._zone.utcoffset(local.replace(tzinfo=self._zone)) if self._zone else None
        return _read(local - _EPOCH, offset // _MS if offset else 0, "time_zone_assumed")


def _read(since: timedelta, offset_ms: int = 0, notice: str = "time_read") -> Read | str:
    return told(since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000 - offset_ms, notice)


def _as_iso(text: str) -> str:
    """Write other forms that have one meaning only as ISO 8601; leave the rest as it is."""
    if match := _RFC_2822.fullmatch(text):
        day, month, year, clock, zone = match.groups()
        zone = "" if zone is None else _RFC_ZONES.get(zone.upper(), zone)
        if month.lower() in _MONTHS:
            return f"{year}-{_MONTHS.index(month.lower()) + 1:02}-{day:0>2} {clock}{zone}"
    if match := _SLASHES.fullmatch(text):
        return f"{match[1]}-{match[2]:0>2}-{match[3]:0>2}{match[4]}"
    return text


def _parts(match: re.Match[str]) -> tuple[datetime, int | None]:
    """Make of ISO 8601 text the local moment and the offset in milliseconds, None when it has none."""
    year, _, month, day, week, weekday, of_year, hour, minute, second, fraction, zone = match.groups()
    if week:
        on = date.fromisocalendar(int(year), int(week), int(weekday))
    elif of_year:
        on = date(int(year), 1, 1) + timedelta(int(of_year) - 1)
        if on.year != int(year):
            raise ValueError(of_year)
    else:
        on = date(int(year), int(month), int(day))
    second = "59" if second == "60" else second
    midnight = datetime(on.year, on.month, on.day)  # noqa: DTZ001  its offset is told apart
    size_ms = 1000 if second else 60_000 if minute else 3_600_000  # of what the fraction is a part of
    digits = (fraction or "0")[:18]
    since_ms = int(hour or 0) * 3_600_000 + int(minute or 0) * 60_000 + int(second or 0) * 1000
    since_ms += int(digits) * size_ms // 10 ** len(digits)
    if int(minute or 0) > 59 or int(second or 0) > 59 or since_ms > 86_400_000:
        raise ValueError(hour)
    return midnight + timedelta(milliseconds=since_ms), _offset_ms(zone)


def _offset_ms(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    if digits >= "2400":
        raise ValueError(zone)
    offset = int(digits[:2]) * 3_600_000 + int(digits[2:]) * 60_000
    return -offset if zone[0] == "-" else offset


def _check_format(time_format: str) -> None:
    named = f"time format {quoted(time_format)}"
    directives = re.findall(r"%(.?)", time_format, re.DOTALL)
    if not directives and (meant := meant_format(time_format)):
        raise ValueError(f"{named}: did you mean {quoted(meant)}? (strptime's letters are used, or s, ms, us, ns, iso)")
    if not directives:
        raise ValueError(f"{named}: use one of s, ms, us, ns, iso, or a strptime format such as '%d/%m/%Y %H:%M'")
    if "Z" in directives:
        raise ValueError(f"{named}: names of zones are not read: use %z for offsets, or --timezone instead of %Z")
    for directive in directives:
        if not directive or directive not in _DIRECTIVES:
            raise ValueError(
                f"{named}: '%{ascii(directive)[1:-1]}' is unknown; use %Y %m %d %H %M %S %f %z and the like"
            )
    if not {"Y", "y", "G", "c", "x"} & set(directives):
        raise ValueError(f"{named} has no year: add %Y")
    given = set(directives)
    for one, other, why in _TOGETHER:
        if one in given and not given & set(other):
            raise ValueError(f"{named}: %{one} without %{other[0]}: {why}")
    sample = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
    try:
        datetime.strptime(sample.strftime(time_format), time_format)  # noqa: DTZ007  the result is not used
    except (ValueError, re.error) as error:
        raise ValueError(f"{named} cannot be used: {ascii(str(error))[1:-1]}") from error


_TOGETHER = (
    ("p", "I", "AM and PM would be read and not used; %I is the hour of 12"),
    ("I", "p", "nothing would say whether it is AM or PM; %H is the hour of 24"),
    ("W", "wuaA", "a week without its day is no date"),
    ("U", "wuaA", "a week without its day is no date"),
)
"""What strptime silently ignores when the other is not there."""

_DIRECTIVES = "aAwdbBmyYHIpMSfzjUWcxXGuV%"


def _find_zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        known = sorted(zoneinfo.available_timezones())
        words = meant_zone(name, known) if known else "this computer has no time zone data: pip install tzdata"
        raise ValueError(f"time zone {quoted(name)} is unknown: {words}") from error
