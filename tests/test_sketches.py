"""The estimators keep their promises: errors, bounds, windows."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpimport.sketches import EPOCH, MAX_BUCKETS, Distinct, Heavy, Looks, Names, Repeats, digest, histogram, luhn


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_few_texts_are_counted_exactly(count: int) -> None:
    distinct = Distinct()
    distinct.add([str(n) for n in range(count)] * 3)

    assert distinct.estimate(10**6) == count
    assert distinct.estimate(count - 1) == count - 1


@pytest.mark.parametrize("seed", range(3))
def test_many_texts_are_estimated_within_three_percent(seed: int) -> None:
    distinct = Distinct()
    added = 0
    for count in (100, 1000, 5000, 20_000, 40_000, 60_000, 100_000):
        distinct.add(f"{seed}-{n}" for n in range(added, count))
        added = count
        assert abs(distinct.estimate(10**9) - count) <= 0.03 * count


def test_a_digest_is_the_same_everywhere() -> None:
    code = "from mpimport.sketches import digest; print(digest(b'x'))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }

    assert told == {str(digest(b"x"))}


@given(st.lists(st.integers(0, 12), max_size=300), st.integers(1, 4), st.integers(1, 40))
def test_no_heavy_key_is_missed(keys: list[int], capacity: int, step: int) -> None:
    heavy: Heavy[int] = Heavy(capacity)
    for first in range(0, len(keys), step):
        heavy.add(Counter(keys[first : first + step]))
        assert len(heavy.kept) <= 2 * capacity
    truth = Counter(keys)

    assert heavy.total == len(keys)
    assert heavy.lost * (capacity + 1) <= len(keys)
    for key, count in truth.items():
        assert heavy.kept.get(key, 0) <= count <= heavy.kept.get(key, 0) + heavy.lost
    limit = len(keys) // (capacity + 1)
    found = {key: (low, high) for key, low, high in heavy.over(limit)}
    assert {key for key, count in truth.items() if count > limit} <= found.keys()
    if len(truth) <= 2 * capacity:
        assert found == {key: (count, count) for key, count in truth.items() if count > limit}


def test_heavy_keys_come_with_the_heaviest_first() -> None:
    heavy: Heavy[str] = Heavy(8)
    heavy.add({"a": 5, "b": 9, "c": 1})

    assert heavy.over(4) == [("b", 9, 9), ("a", 5, 5)]


def test_names_beyond_the_capacity_are_counted_together() -> None:
    names = Names(100)
    for n in range(1100):
        names.add({f"n{n}": 2})
    names.add({"n5": 1})

    assert len(names.counts) == 100
    assert names.counts["n5"] == 3
    assert names.others == 2000
    assert abs(names.distinct - 1100) < 33


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), max_size=60), st.integers(1, 8))
def test_a_repeat_is_found_if_and_only_if_it_is_in_the_window(entries: list[tuple[int, int]], window: int) -> None:
    repeats = Repeats(window)
    source = repeats.source("s")
    repeats.add((key, content, (source, n)) for n, (key, content) in enumerate(entries))
    expected: list[tuple[bool, int, int]] = []
    for n, (key, content) in enumerate(entries):
        before = [m for m in range(max(0, n - window), n) if entries[m][0] == key]
        if before:
            expected.append((entries[before[-1]][1] == content, before[-1], n))

    for same in (True, False):
        places = [(first, last) for found, first, last in expected if found is same]
        assert repeats.counts[same] == len(places)
        assert [(a.line, b.line) for a, b in repeats.examples[same]] == places[: Repeats.EXAMPLES]


@pytest.mark.parametrize(
    ("first", "last", "unit", "labels"),
    [
        ("2024-06-10", "2024-06-10", "day", ["2024-06-10"]),
        ("2024-02-28", "2024-03-01", "day", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("2024-06-09", "2024-06-23", "week", ["2024-06-03", "2024-06-10", "2024-06-17"]),
        ("2023-11-30", "2024-02-29", "month", ["2023-11", "2023-12", "2024-01", "2024-02"]),
        ("2022-12-31", "2024-05-01", "quarter", ["2022-10", "2023-01", "2023-04"]),
        ("2016-01-01", "2024-12-31", "year", ["2016", "2017", "2018"]),
        ("1971-01-01", "2024-12-31", "5 years", ["1970", "1975", "1980"]),
        ("1971-01-01", "2969-12-31", "100 years", ["1900", "2000", "2100"]),
    ],
)
def test_a_histogram_has_the_unit_that_fits(first: str, last: str, unit: str, labels: list[str]) -> None:
    days = {(EPOCH.fromisoformat(day) - EPOCH).days: 3 for day in (first, last)}
    told, buckets = histogram(days)

    assert (told, list(buckets)[: len(labels)]) == (unit, labels)
    assert sum(buckets.values()) == sum(days.values())


@given(st.dictionaries(st.integers(365, 30_000), st.integers(1, 9), min_size=1, max_size=20))
def test_a_histogram_is_small_and_loses_nothing(days: dict[int, int]) -> None:
    _, buckets = histogram(days)

    assert 1 <= len(buckets) <= MAX_BUCKETS
    assert sum(buckets.values()) == sum(days.values())
    assert list(buckets) == sorted(buckets)


def test_no_days_have_no_histogram() -> None:
    assert histogram({}) == ("day", {})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ada@example.org", "e-mail"),
        ("write to Ada <ada.l+x@mail.example.co.uk>!", "e-mail"),
        ("+49 30 1234567", "phone"),
        ("(555) 555-0100", "phone"),
        ("555-555-0100", "phone"),
        ("030 1234567", "phone"),
        ("4111 1111 1111 1111", "payment card"),
        (5555555555554444, "payment card"),
        ("378282246310005", "payment card"),
        ("icon@2x.png", None),
        ("user@localhost", None),
        ("4111111111111112", None),
        (1718716477000, None),
        (1718716477000000000, None),
        ("2024-06-10", None),
        ("10-06-2024", None),
        ("01/02/2024", None),
        ("192.168.100.100", None),
        ("0012345678", None),
        ("12345678901", None),
        ("+1", None),
        (3.5, None),
        ("", None),
        ("٤١١١١١١١١١١١١١١١", None),
    ],
)
def test_a_value_looks_like_personal_data(text: str | float, kind: str | None) -> None:
    looks = Looks()
    looks.take(text)

    assert [found for found, _ in looks.kinds()] == ([kind] if kind else [])


def test_numbers_at_random_are_no_cards() -> None:
    drawn = random.Random(1)
    looks = Looks()
    for _ in range(1000):
        looks.take(drawn.randrange(4 * 10**15, 5 * 10**15))

    assert looks.found["payment card"] > 50
    assert list(looks.kinds()) == []


@given(st.text("0123456789", min_size=13, max_size=18))
def test_of_ten_check_digits_one_is_right(digits: str) -> None:
    assert sum(luhn(digits + str(last)) for last in range(10)) == 1
