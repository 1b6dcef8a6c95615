"""Times as people write them, and the milliseconds they mean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport.event_time import SECONDS_END, milliseconds_of_text, whole_number
from mpimport.limits import OLDEST_S

MOMENT = 1_618_716_477_000


def test_the_two_units_meet_at_the_oldest_legal_time() -> None:
    assert SECONDS_END == OLDEST_S * 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-04-18T03:27:57Z", MOMENT),
        ("2021-04-18T03:27:57z", MOMENT),
        ("2021-04-18 03:27:57", MOMENT),
        ("  2021-04-18T03:27:57  ", MOMENT),
        ("2021-04-18T03:27:57+00:00", MOMENT),
        ("2021-04-18T05:27:57+02:00", MOMENT),
        ("2021-04-18T05:27:57+0200", MOMENT),
        ("2021-04-18T05:27:57+02", MOMENT),
        ("2021-04-17 22:57:57 -0430", MOMENT),
        ("20210418T032757Z", None),
        ("2021-04-18T03:27:57.1Z", MOMENT + 100),
        ("2021-04-18T03:27:57,123456789Z", MOMENT + 123),
        ("2021-04-18T03:27", MOMENT - 57_000),
        ("2021-04-18", MOMENT - 12_477_000),
        ("1618716477", 1_618_716_477),
        ("1618716477000", MOMENT),
        ("1618716477.5", MOMENT + 500),
        ("1618716477.0", 1_618_716_477),
        ("1618716477000.9", MOMENT),
        ("-5", -5),
        ("1971-01-01", 31_536_000_000),
        ("1970-12-31T23:59:59.999", 31_535_999),
        ("1970-01-20", 1_641_600),  # its milliseconds would be seconds of 2022
        ("1969-12-31T23:59:59.5", -1),
        ("0001-01-01", -62_135_596_800),
        ("31535999.9", 31_535_999),
        ("31536000.5", 31_536_000_500),
        *((bad, None) for bad in ("", " ", "soon", "2021-1", "2021-13-01", "2021-02-30", "2021-04-18T24:00:00Z")),
        *((bad, None) for bad in ("2021-04-18T03:27:60Z", "2021-04-18T03:27:57+25:00", "2021-04-18T03:27:57+01:60")),
        *((bad, None) for bad in ("18.04.2021", "1e9", "+5", "١٢٣", "2021-04-18T03:27:57Z\n2", "NaN", "1" * 21)),
        ("0001-01-01T00:00:00+01:00", -62_135_600_400),
        ("0000-01-01", None),
    ],
)
def test_text(text: str, expected: int | None) -> None:
    assert milliseconds_of_text(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1618716477", 1_618_716_477),
        ("1618716477.0", 1_618_716_477),
        ("1.618716477e9", 1_618_716_477),
        ("1.618716477e12", MOMENT),
        ("1618716477.5", MOMENT + 500),
        ("1618716477.0009", MOMENT),
        ("1618716477000.5", MOMENT),
        ("1641600.5", 1_641_600),  # 1970: not to be taken for seconds of 2022
        ("-0.0", 0),
        ("-0.5", -1),
        ("1e-400", 0),
        ("1e19", 10**19),
        *((bad, None) for bad in ("1e20", "1e300", "1e400", "1e1000000", "-1e1000000", "NaN", "sNaN", "Infinity")),
    ],
)
def test_numbers(number: str, expected: int | None) -> None:
    assert whole_number(Decimal(number)) == expected
    if number not in ("sNaN", "1e-400"):
        assert whole_number(float(number)) == expected


def test_a_number_too_small_for_any_context_is_zero() -> None:
    assert whole_number(Decimal("1e-1000000")) == 0


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9999, 12, 30)),  # noqa: DTZ001  the zone comes next
    st.integers(-1439, 1439),
)
def test_iso_text_of_python_is_read_back(moment: datetime, minutes: int) -> None:
    moment = moment.replace(tzinfo=timezone.utc)
    text = moment.astimezone(timezone(timedelta(minutes=minutes))).isoformat()

    expected = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
    assert milliseconds_of_text(text) == expected


@given(st.integers(-(10**12), SECONDS_END - 1), st.floats(0, 1, exclude_max=True))
def test_a_time_before_1971_never_becomes_one_that_is_legal(seconds: int, fraction: float) -> None:
    if seconds >= OLDEST_S:
        return
    read = whole_number(Decimal(seconds) + Decimal(fraction))

    assert read is not None
    assert read < OLDEST_S


@given(st.text() | st.from_regex(r"[0-9]{0,5}[-:. T]?[0-9]{0,5}[-:. TZ+]*[0-9]*"))
def test_any_text_is_read_or_not(text: str) -> None:
    assert milliseconds_of_text(text) is None or isinstance(milliseconds_of_text(text), int)


@given(st.decimals() | st.floats())
def test_any_number_is_read_or_not(number: float | Decimal) -> None:
    assert whole_number(number) is None or isinstance(whole_number(number), int)
