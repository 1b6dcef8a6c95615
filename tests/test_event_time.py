"""Times as people write them, and the milliseconds they mean."""

from __future__ import annotations

import zoneinfo
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.event_time import SECONDS_END
from mpimport.limits import OLDEST_S
from mpimport.time_forms import TimeReader
from mpimport.time_words import ZONES, meant_format

MOMENT = 1_618_716_477_000


def test_the_two_units_meet_at_the_oldest_legal_time() -> None:
    assert SECONDS_END == OLDEST_S * 1000


NOON = 1_714_564_800_000  # 2024-05-01T12:00:00Z
AUTO = TimeReader()
NEWEST_S = 4_133_980_800


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-(10**20) + 1, (-(10**20) + 1, "")),
        (-1, (-1, "")),
        (OLDEST_S - 1, (OLDEST_S - 1, "")),
        (OLDEST_S, (OLDEST_S, "")),
        (NEWEST_S, (NEWEST_S, "")),
        (SECONDS_END - 1, (SECONDS_END - 1, "")),
        (SECONDS_END, (SECONDS_END, "")),
        (NEWEST_S * 10**3, (NEWEST_S * 10**3, "")),
        (SECONDS_END * 10**3 - 1, (SECONDS_END * 10**3 - 1, "")),
        (SECONDS_END * 10**3, (SECONDS_END, "time_unit")),
        (NEWEST_S * 10**6 - 1, (NEWEST_S * 10**3 - 1, "time_unit")),
        *((number, None) for number in (NEWEST_S * 10**6, SECONDS_END * 10**6 - 1, NEWEST_S * 10**9, 10**20, 10**400)),
        *((number, None) for number in (-(10**20), -(10**4000))),
        (SECONDS_END * 10**6, (SECONDS_END, "time_unit")),
        (NEWEST_S * 10**9 - 1, (NEWEST_S * 10**3 - 1, "time_unit")),
        (1714564800.0, (1_714_564_800, "")),
        (1714564800.25, (NOON + 250, "time_rounded")),
        (1714564800.2509, (NOON + 250, "time_rounded")),
        (Decimal("1714564800." + "9" * 80), (NOON + 999, "time_rounded")),
        (Decimal("1714564800000.5"), (NOON, "time_rounded")),
        (1.7145648e15, (NOON, "time_unit")),
        (Decimal("1.7145648e18"), (NOON, "time_unit")),
        (31535999.9, (31_535_999, "time_rounded")),
        (-0.5, (-1, "time_rounded")),
        (Decimal("1e-1000000"), (0, "time_rounded")),
        ("1714564800", (1_714_564_800, "time_read")),
        (" 1714564800.5 ", (NOON + 500, "time_read")),
        ("1714564800000", (NOON, "time_read")),
        ("1714564800000000", (NOON, "time_unit")),
        ("1714564800000000000", (NOON, "time_unit")),
        (20240501, (20240501, "")),  # 1970: `validate` refuses it
        *((text, None) for text in ("20240501", "2024122", "20240501120000", "20240501120000123", "1e9", "+5")),
        *((number, None) for number in (float("nan"), float("inf"), Decimal("sNaN"), Decimal("1e1000000"), 1e300)),
        *((value, None) for value in (True, False, None, [], {}, b"2024-05-01", object(), "", "  ", "\udc80", "soon")),
    ],
)
def test_values_by_their_size(value: object, expected: tuple[int, str] | None) -> None:
    read = AUTO.read(value)

    assert read == expected or (expected is None and isinstance(read, str))


@pytest.mark.parametrize(
    ("text", "since_noon_ms"),
    [
        ("20240501T120000Z", 0),
        ("20240501T1200Z", 0),
        ("20240501T12Z", 0),
        ("20240501T140000.5+0200", 500),
        ("2024-05-01T12:00:00Z", 0),
        ("2024-05-01t12:00:00z", 0),
        ("2024-05-01 12:00:00 UTC", 0),
        ("2024-05-01 12:00:00.123 UTC", 123),
        ("2024-05-01 12:00:00 GMT", 0),
        ("2024-05-01 12:00:00.123456+00", 123),
        ("2024-05-01T12:00:00.1239999999999999999999999Z", 123),
        ("2024-05-01T12:00:00,5Z", 500),
        ("2024-05-01T12:00.5Z", 30_000),
        ("2024-05-01T12.25Z", 900_000),
        ("2024-05-01T17:30:00+05:30", 0),
        ("2024-05-01T11:00:00-01", 0),
        ("2024-05-01T12:34:60Z", 34 * 60_000 + 59_000),
        ("2024-05-01T24:00:00Z", 43_200_000),
        ("2024-05-01T24:00Z", 43_200_000),
        ("2024-W18-3T12:00:00Z", 0),
        ("2024W183T120000Z", 0),
        ("2024-122T12:00:00Z", 0),
        ("2024122T120000Z", 0),
        ("2024/05/01 12:00:00 UTC", 0),
        ("2024/5/1 12:00:00Z", 0),
        ("Wed, 01 May 2024 12:00:00 +0000", 0),
        ("Wed, 1 May 2024 12:00 GMT", 0),
        ("1 May 2024 14:00:00 +0200 (CEST)", 0),
        ("wed, 01 may 2024 08:00:00 EDT", 0),
        ("Wed, 01 May 2024 12:00:60 -0000", 59_000),
    ],
)
def test_text_with_a_zone(text: str, since_noon_ms: int) -> None:
    assert AUTO.read(text) == (NOON + since_noon_ms, "time_read")
    assert AUTO.read(f" {text}\n") == (NOON + since_noon_ms, "time_read")
    assert TimeReader(timezone="Asia/Kolkata").read(text) == (NOON + since_noon_ms, "time_read")


@pytest.mark.parametrize("text", ["2024-05-01", "2024-W18-3", "2024W183", "2024-122", "2024/05/01", date(2024, 5, 1)])
def test_a_day_begins_in_the_readers_zone(text: object) -> None:
    assert AUTO.read(text) == (NOON - 43_200_000, "time_zone_assumed")
    assert TimeReader(timezone="Asia/Kolkata").read(text) == (NOON - 43_200_000 - 19_800_000, "time_zone_assumed")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("01/05/2024", "'%d/%m/%Y' or '%m/%d/%Y'"),
        ("1.5.24", "'%d.%m.%y' or '%m.%d.%y'"),
        ("31-12-2024 10:00", "such dates take --time-format '%d-%m-%Y %H:%M'"),
        ("12/31/2024 2:30 PM", "such dates take --time-format '%m/%d/%Y %I:%M %p'"),
        ("01/05/2024 2:30:00pm", "'%d/%m/%Y %I:%M:%S%p' or '%m/%d/%Y %I:%M:%S%p'"),
        ("31.13.2024", "is not a time that can be told"),
        ("01/05/2024 10:00:00", "'%d/%m/%Y %H:%M:%S' or"),
        ("20240501", "'%Y%m%d'"),
        ("2024-02-30", "does not exist"),
        ("2023-02-29T10:00:00Z", "does not exist"),
        ("2023-366", "does not exist"),
        ("2024-W53-1", "does not exist"),
        ("2024-05-01T24:00:01Z", "does not exist"),
        ("2024-05-01T23:60:00Z", "does not exist"),
        ("2024-05-01T12:00:00+24:00", "does not exist"),
        ("0000-01-01", "does not exist"),
        ("9999-12-31T24:00:00", "does not exist"),
        ("9999-12-31", "after the year 2968"),
        ("2024-05-01T12:00:00+01:60", "--time-format"),
        ("Wed, 01 Mai 2024 12:00:00 GMT", "--time-format"),
        ("Wed, 01 May 2024 12:00:00 CET", "--time-format"),
        ("\u0662024-05-01", "--time-format"),
        ("2024-05-01T12:00:00Z\n2", "--time-format"),
    ],
)
def test_words_for_what_is_not_read(text: str, word: str) -> None:
    read = AUTO.read(text)

    assert isinstance(read, str)
    assert word in read
    assert read.isascii()


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Europe/Berlin", "2024-03-31T01:59:59", "2024-03-31T00:59:59Z"),
        ("Europe/Berlin", "2024-03-31T02:30:00", "2024-03-31T01:30:00Z"),  # the gap: 03:30 summer time
        ("Europe/Berlin", "2024-03-31 03:00:00", "2024-03-31T01:00:00Z"),
        ("Europe/Berlin", "2024-10-27T02:30:00", "2024-10-27T00:30:00Z"),  # the overlap: the first one
        ("Europe/Berlin", "2024-10-27T03:00:00", "2024-10-27T02:00:00Z"),
        ("America/New_York", "2024-03-10T02:30:00", "2024-03-10T07:30:00Z"),
        ("America/New_York", "2024-11-03T01:30:00", "2024-11-03T05:30:00Z"),
        ("Australia/Lord_Howe", "2024-10-06T02:15:00", "2024-10-05T15:45:00Z"),  # half an hour
        ("Australia/Lord_Howe", "2024-04-07T01:45:00", "2024-04-06T14:45:00Z"),
        ("Asia/Kolkata", "2024-05-01T17:30:00", "2024-05-01T12:00:00Z"),
        ("UTC", "2024-05-01T12:00:00", "2024-05-01T12:00:00Z"),
    ],
)
def test_local_times(zone: str, text: str, utc: str) -> None:
    expected = (datetime.fromisoformat(utc[:-1] + "+00:00") - datetime(1970, 1, 1, tzinfo=timezone.utc)) // MS
    reader = TimeReader(timezone=zone)

    assert reader.read(text) == (expected, "time_zone_assumed")
    assert reader.read(text + ".0") == (expected, "time_zone_assumed")  # the other way through the code
    assert reader.read(datetime.fromisoformat(text)) == (expected, "time_zone_assumed")
    assert TimeReader("%Y-%m-%d %H:%M:%S", zone).read(text.replace("T", " ")) == (expected, "time_zone_assumed")


MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("time_format", "value", "expected"),
    [
        ("s", 1714564800, (1714564800, "")),
        ("s", 5_000_000_000, (5_000_000_000, "")),
        ("s", 1714564800.5, (NOON + 500, "time_rounded")),
        ("s", "1714564800", (1714564800, "time_read")),
        ("s", NOON, None),
        ("ms", NOON, (NOON, "")),
        ("ms", NOON + 0.5, (NOON, "time_rounded")),
        ("ms", str(NOON), (NOON, "time_read")),
        ("ms", 1_714_564_800, (1_714_564, "time_unit")),
        ("us", NOON * 1000 + 999, (NOON, "time_unit")),
        ("us", "1714564800", (1714, "time_unit")),
        ("ns", NOON * 10**6, (NOON, "time_unit")),
        ("ns", "2024-05-01", None),
        ("s", float("nan"), None),
        ("s", "", None),
        ("iso", "20240501", (NOON - 43_200_000, "time_zone_assumed")),
        ("iso", "2024-05-01T12:00:00Z", (NOON, "time_read")),
        ("iso", "Wed, 01 May 2024 12:00:00 GMT", None),
        ("iso", NOON, None),
        ("iso", datetime(2024, 5, 1, 12, tzinfo=timezone.utc), (NOON, "time_read")),
        ("%d/%m/%Y", "01/05/2024", (NOON - 43_200_000, "time_zone_assumed")),
        ("%m/%d/%y %I:%M %p", "05/01/24 12:00 PM", (NOON, "time_zone_assumed")),
        ("%Y-%m-%d %H:%M:%S.%f %z", "2024-05-01 14:00:00.123456 +0200", (NOON + 123, "time_read")),
        ("%Y%m%d", 20240501, (NOON - 43_200_000, "time_zone_assumed")),
        ("%Y%m%d", 20240501.0, (NOON - 43_200_000, "time_zone_assumed")),
        ("%Y%m%d", 20240501.5, None),
        ("%d/%m/%Y", "31/02/2024", None),
        ("%d/%m/%Y", "\udc80", None),
        ("%d/%m/%Y", None, None),
    ],
)
def test_a_format_is_kept_to(time_format: str, value: object, expected: tuple[int, str] | None) -> None:
    read = TimeReader(time_format).read(value)

    assert read == expected or (expected is None and isinstance(read, str))


@pytest.mark.parametrize(
    ("time_format", "zone", "word"),
    [
        ("%d/%m", "UTC", "no year"),
        ("%%Y %d", "UTC", "no year"),
        ("%Y-%Q", "UTC", "'%Q' is unknown"),
        ("%-d/%m/%Y", "UTC", "'%-' is unknown"),
        ("%Y %", "UTC", "'%' is unknown"),
        ("%Y %Z", "UTC", "%z"),
        ("%Y %Y", "UTC", "cannot be used"),
        ("%G-%d", "UTC", "cannot be used"),
        ("seconds", "UTC", "did you mean 's'?"),
        ("epoch ms", "UTC", "did you mean 'ms'?"),
        ("ISO-8601", "UTC", "did you mean 'iso'?"),
        ("yyyy-MM-dd", "UTC", "did you mean '%Y-%m-%d'?"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "UTC", "did you mean '%Y-%m-%dT%H:%M:%S.%f%z'?"),
        ("YYYY-MM-DD HH:mm:ss", "UTC", "did you mean '%Y-%m-%d %H:%M:%S'?"),
        ("DD.MM.YY hh:mm A", "UTC", "did you mean '%d.%m.%y %I:%M %p'?"),
        ("YYYY-MM-DD HH24:MI:SS", "UTC", "did you mean '%Y-%m-%d %H:%M:%S'?"),
        ("yyyy-mm-dd hh:mm:ss", "UTC", "did you mean '%Y-%m-%d %H:%M:%S'?"),
        ("dd MMM yyyy", "UTC", "did you mean '%d %b %Y'?"),
        ("YYYY-MM-DD[T]HH:mm", "UTC", "did you mean '%Y-%m-%dT%H:%M'?"),
        ("2006-01-02", "UTC", "one of s, ms, us, ns, iso"),
        ("yyyy-QQ-dd", "UTC", "one of s, ms, us, ns, iso"),
        ("", "UTC", "one of s, ms, us, ns, iso"),
        (None, "Europe/Berln", "did you mean Europe/Berlin"),
        (None, "europe/berlin", "Europe/Berlin"),
        (None, "Berlin", "Europe/Berlin"),
        (None, "new york", "America/New_York"),
        (None, "utc", "UTC"),
        (None, "UTC+2", "write Etc/GMT-2, whose sign is turned round: it is UTC+2"),
        (None, "-05:00", "write Etc/GMT+5, whose sign is turned round: it is UTC-5"),
        (None, "GMT+1", "write Etc/GMT-1,"),
        (None, "+00:00", "write UTC"),
        (None, "+05:30", "name the place, such as Asia/Kolkata"),
        (None, "UTC+99", "name the place"),
        (None, "PST", "did you mean America/Los_Angeles?"),
        (None, "Z", "did you mean UTC?"),
        (None, "Eastern Standard Time", "did you mean America/New_York?"),
        (None, "local", "name the place, such as Europe/Berlin"),
        *((None, name, "unknown") for name in ("", "../etc/passwd", "Europe", "/", "\udc80", "\0", "qqqqqqqqqqq")),
    ],
)
def test_settings_that_cannot_be_used_are_refused(time_format: str | None, zone: str, word: str) -> None:
    with pytest.raises(ValueError, match=r"time (format|zone)") as caught:
        TimeReader(time_format, zone)

    assert word in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "written",
    [
        "epoch",
        "rfc3339",
        "dd/MM/yyyy",
        "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "MM/dd/yyyy hh:mm:ss a",
        "EEEE, MMMM d yyyy",
        "d%M yy",
    ],
)
def test_a_format_that_is_meant_can_be_used(written: str) -> None:
    meant = meant_format(written)

    assert meant
    assert TimeReader(meant).time_format == meant


def test_zones_that_are_meant_can_be_used() -> None:
    assert all(TimeReader(timezone=zone).timezone == zone for zone in ZONES)


def test_without_zone_data_utc_works_and_others_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(key: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none)
    monkeypatch.setattr(zoneinfo, "available_timezones", set)

    assert TimeReader().read("2024-05-01T12:00:00") == (NOON, "time_zone_assumed")
    with pytest.raises(ValueError, match="pip install tzdata"):
        TimeReader(timezone="Europe/Berlin")


class _Broken(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        raise RuntimeError

    dst = tzname = utcoffset  # type: ignore[assignment]


def test_numbers_that_python_cannot_write_are_refused() -> None:
    for time_format in (None, "s", "ns", "iso", "%Y"):
        for number in (10**5000, -(10**5000)):
            assert isinstance(TimeReader(time_format).read(number), str)


def test_a_broken_zone_is_told() -> None:
    assert "RuntimeError" in str(AUTO.read(datetime(2024, 5, 1, tzinfo=_Broken())))


FORMS = (
    "%Y-%m-%dT%H:%M:%S.%f{}",
    "%Y-%m-%d %H:%M:%S,%f {}",
    "%Y%m%dT%H%M%S.%f{}",
    "%G-W%V-%uT%H:%M:%S.%f{}",
    "%Y-%jt%H:%M:%S.%f{}",
    "%Y/%m/%d %H:%M:%S.%f{}",
)
MOMENTS = st.datetimes(datetime(1971, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001  the zone comes next
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS, st.sampled_from(FORMS), st.booleans())
def test_a_moment_reads_back_in_each_form(moment: datetime, zone: timezone, form: str, colon: bool) -> None:
    aware = moment.replace(tzinfo=timezone.utc)
    local = aware.astimezone(zone)
    offset = local.strftime("%z")
    text = local.strftime(form).format(f"{offset[:3]}:{offset[3:]}" if colon else offset)
    expected = ((moment - datetime(1970, 1, 1)) // MS, "time_read")  # noqa: DTZ001

    assert AUTO.read(text) == expected
    assert AUTO.read(local) == expected
    rfc = AUTO.read(local.strftime("%a, %d %b %Y %H:%M:%S %z"))
    assert rfc == (expected[0] // 1000 * 1000, "time_read")
    for power in (3, 6):
        assert AUTO.read(expected[0] * 10**power) == (expected[0], "time_unit")


ODD_TEXT = st.from_regex(
    r"\d{4}[-/]?[01]\d[-/]?[0-3]\d[T ]?([0-2]\d:?[0-6]\d(:?[0-6]\d)?([.,]\d{1,9})?)?( ?Z|[+-]\d\d:?\d\d)?",
    fullmatch=True,
)
ANYTHING = st.text() | ODD_TEXT | st.floats() | st.integers() | st.integers(0, 10**20) | st.decimals() | st.datetimes()


@given(ANYTHING | st.none() | st.booleans(), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_reading_what_was_read_changes_nothing(value: object, zone: str) -> None:
    reader = TimeReader(timezone=zone)
    read = reader.read(value)

    if isinstance(read, str):
        assert read
    else:
        assert type(read[0]) is int
        assert reader.read(read[0]) == (read[0], "")


USUAL_TEXT = st.from_regex(
    r"\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-6]\d:[0-6]\d([.](\d{3}){1,2})?(Z|[+-][0-2]\d:[0-5]\d)?", fullmatch=True
)


@given(ODD_TEXT | USUAL_TEXT)
def test_the_quick_way_reads_as_the_other_does(text: str) -> None:
    assert AUTO.read(text) == AUTO._text(text.strip())


@given(ANYTHING, st.sampled_from(["s", "ms", "us", "ns", "iso", "%Y-%m-%d", "%d/%m/%y %H:%M"]))
def test_no_format_raises(value: object, time_format: str) -> None:
    read = TimeReader(time_format).read(value)

    assert isinstance(read, str) or AUTO.read(read[0]) == (read[0], "")


@given(st.integers(-(10**12), OLDEST_S - 1), st.floats(0, 1, exclude_max=True))
def test_a_time_before_1971_never_becomes_one_that_is_legal(seconds: int, fraction: float) -> None:
    read = AUTO.read(Decimal(seconds) + Decimal(fraction))

    assert not isinstance(read, str)
    assert read[0] < OLDEST_S


@given(st.integers(0, 10**13 - 1), st.sampled_from((10, 13)))
def test_digits_are_read_the_quick_way_as_on_the_long_one(number: int, length: int) -> None:
    text = f"{number:0{length}d}"

    assert TimeReader().read(text) == TimeReader().read(f" {text} ")
