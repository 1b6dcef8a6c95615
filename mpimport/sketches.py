"""Counting in constant memory: distinct texts, heavy hitters, repeats, names, what values look like, days.

Every class states its bound and its error. Nothing is random, and no hash depends on the process. Knows no events.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from math import inf, log
from typing import Generic, TypeAlias, TypeVar

Key = TypeVar("Key")

EPOCH = date(1970, 1, 1)
MAX_BUCKETS = 12
MAX_LOOK = 1000


def digest(text: bytes) -> int:
    """Give 64 bits that stand for the text, the same ones everywhere."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


class Distinct:
    """Estimates how many different texts there were (HyperLogLog): 16 KB, 0.8 % standard error."""

    BITS = 14
    REST = 64 - BITS

    def __init__(self) -> None:
        """Start with none."""
        self._ranks = bytearray(1 << self.BITS)

    def add(self, texts: Iterable[str]) -> None:
        """Take texts, in any order and as often as they come."""
        ranks = self._ranks
        mask, bits, top = len(ranks) - 1, self.BITS, self.REST + 1
        for text in texts:
            number = digest(text.encode("utf-8", "surrogatepass"))
            rank = top - (number >> bits).bit_length()
            ranks[number & mask] = max(rank, ranks[number & mask])

    def estimate(self, most: int) -> int:
        """Estimate how many different ones there were, of `most` texts: Ertl's, which has no bias at any size."""
        size = len(self._ranks)
        counts = [self._ranks.count(rank) for rank in range(self.REST + 2)]
        total = 0.0  # his term for full ranks is left out: there is none before 2**50 texts
        for count in counts[:0:-1]:
            total = (total + count) / 2
        total += size * _sigma(counts[0] / size)
        return min(round(size * size / (2 * log(2) * total)), most)


def _sigma(x: float) -> float:
    if x == 1:
        return inf
    weight, total, before = 1.0, x, -1.0
    while total != before:
        x *= x
        before = total
        total += x * weight
        weight *= 2
    return total


class Heavy(Generic[Key]):
    """Finds the keys that come most often (Misra-Gries), keeping at most 2 * `capacity` of them.

    A key's true count is never below what is kept and never above it by more than `lost`, and
    `lost * (capacity + 1) <= total`. So of the keys with more than L of `total` occurrences none is missed
    as long as total <= L * (capacity + 1); up to 2 * capacity different keys all is exact, with `lost` 0.
    """

    def __init__(self, capacity: int) -> None:
        """Take how many keys are kept after each pruning."""
        self.capacity = capacity
        self.total = 0
        self.lost = 0
        self.kept: dict[Key, int] = {}

    def add(self, counts: Mapping[Key, int]) -> None:
        """Take some keys, each with how often it came."""
        kept = self.kept
        for key, count in counts.items():
            kept[key] = kept.get(key, 0) + count
            self.total += count
            if len(kept) > 2 * self.capacity:
                kept = self._prune()

    def _prune(self) -> dict[Key, int]:
        """Take from every key the count of the first that has to go; what has nothing left is forgotten."""
        less = sorted(self.kept.values(), reverse=True)[self.capacity]
        self.lost += less
        self.kept = {key: count - less for key, count in self.kept.items() if count > less}
        return self.kept

    def over(self, limit: int) -> list[tuple[Key, int, int]]:
        """List the keys that may have come more than `limit` times: key, at least, at most; most frequent first."""
        found = [(key, count, count + self.lost) for key, count in self.kept.items() if count + self.lost > limit]
        return sorted(found, key=lambda entry: (-entry[1], str(entry[0])))


class Names:
    """Counts names exactly, the first `capacity` different ones; the others together, and how many they are roughly."""

    def __init__(self, capacity: int) -> None:
        """Take how many names are told apart."""
        self.capacity = capacity
        self.counts: dict[str, int] = {}
        self.others = 0
        self._more = Distinct()

    def add(self, counts: Mapping[str, int]) -> None:
        """Take names, each with how often it came."""
        known = self.counts
        for name, count in counts.items():
            if name in known:
                known[name] += count
            elif len(known) < self.capacity:
                known[name] = count
            else:
                self.others += count
                self._more.add((name,))

    @property
    def distinct(self) -> int:
        """How many different names there were: exact up to `capacity`, an estimate beyond."""
        return len(self.counts) + (max(1, self._more.estimate(self.others)) if self.others else 0)


class Repeats:
    """Finds keys that come again within the last `window` entries, and whether their content differs.

    28 bytes an entry in arrays, some 150 in a dictionary: 35 MB for 200,000. Each is held against the last one
    before it with the same key. In a billion entries, two keys of 64 bits are confused with a chance of 1:90,000.
    """

    EXAMPLES = 5

    def __init__(self, window: int) -> None:
        """Take how many entries are remembered."""
        self.window = window
        self.counts = {True: 0, False: 0}  # by whether the content was the same
        self.examples: dict[bool, list[tuple[Place, Place]]] = {True: [], False: []}
        self._slots: dict[int, int] = {}
        self._entries = tuple(array("Q", bytes(8 * window)) for _ in range(3))
        self._sources = array("L", bytes(array("L").itemsize * window))
        self._names: dict[str, int] = {}  # of the sources, which the run holds anyway
        self._next = 0

    def source(self, name: str) -> int:
        """Give the number by which `add` knows a source."""
        return self._names.setdefault(name, len(self._names))

    def add(self, entries: Iterable[tuple[int, int, tuple[int, int]]]) -> None:
        """Remember entries (key, content, place: source and number), and count those whose key is known."""
        keys, contents, numbers = self._entries
        slots, slot, sources, window = self._slots, self._next, self._sources, self.window
        for key, content, (source, number) in entries:
            known = slots.get(key)
            if known is not None:
                self._found(contents[known] == content, (sources[known], numbers[known]), (source, number))
            if slots.get(old := keys[slot]) == slot:
                del slots[old]
            keys[slot], contents[slot], sources[slot], numbers[slot] = key, content, source, number
            slots[key] = slot
            slot = slot + 1 if slot + 1 < window else 0
        self._next = slot

    def _found(self, same: bool, *places: tuple[int, int]) -> None:
        self.counts[same] += 1
        if len(self.examples[same]) < self.EXAMPLES:
            earlier, later = (Place(tuple(self._names)[source], number) for source, number in places)
            self.examples[same].append((earlier, later))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stood; `line` is a record number in JSON."""

    source: str
    line: int


class Looks:
    """Counts how many of the values of a property look like personal data: five numbers."""

    def __init__(self) -> None:
        """Start with none."""
        self.values = 0
        self.found = {"payment card": 0, "e-mail": 0, "phone": 0}
        self._like_cards = 0

    def take(self, value: str | float) -> None:
        """Look at a value: at its first `MAX_LOOK` characters."""
        self.values += 1
        text = value[:MAX_LOOK] if isinstance(value, str) else str(value)
        if "@" in text:
            self.found["e-mail"] += _EMAIL.search(text) is not None
        elif text[:1] in _FIRST and len(text) < 30:
            if _CARD.fullmatch(text):
                self._like_cards += 1
                self.found["payment card"] += luhn(text)
            elif _PHONE.fullmatch(text) and not _DATE.fullmatch(text):
                self.found["phone"] += 8 <= sum(map(str.isdigit, text)) <= 15

    def kinds(self) -> Iterator[tuple[str, int]]:
        """Tell what the values look like, and how many do. Of numbers drawn at random, a tenth pass as cards."""
        cards = self.found["payment card"]
        if cards * 2 > self._like_cards and cards * 100 >= self.values:
            yield "payment card", cards
        if self.found["e-mail"]:
            yield "e-mail", self.found["e-mail"]
        if self.found["phone"] * 20 > self.values:
            yield "phone", self.found["phone"]


_FIRST = frozenset("+(0123456789")
_EMAIL = re.compile(
    r"[^\s@<>,;:\"]@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?!(?:png|jpe?g|gif|svg|webp|js|css)\b)[A-Za-z]{2,}"
)
_CARD = re.compile(r"[2-6]\d(?:[ -]?\d){12,17}", re.ASCII)
_PHONE = re.compile(
    r"\+\d[\d ().\-/]{6,22}"  # +49 30 123456
    r"|\(?\d{3}\)?[ .\-]+\d{3}[ .\-]\d{4}"  # (555) 555-0100
    r"|0\d{1,4}[ /\-]\d[\d \-]{4,12}",  # 030 123456
    re.ASCII,
)
_DATE = re.compile(r"\d{1,2}([-/ ])\d{1,2}\1\d{2,4}.*", re.ASCII)


def luhn(text: str) -> bool:
    """Tell whether the digits in a text have the check digit of payment cards."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def _months(count: int) -> Callable[[date], date]:
    """Give the function from a day to the first day of its run of `count` months; more than 12 are whole years."""

    def first(day: date) -> date:
        start = (day.year * 12 + day.month - 1) // count * count
        return date(start // 12, start % 12 + 1, 1)

    return first


# unit, start of a day's bucket, more days than a bucket has and fewer than two have, its label
_Unit: TypeAlias = "tuple[str, Callable[[date], date], int, str]"
_UNITS: tuple[_Unit, ...] = (
    ("day", lambda day: day, 1, "%Y-%m-%d"),
    ("week", lambda day: day - timedelta(days=day.weekday()), 7, "%Y-%m-%d"),
    ("month", _months(1), 31, "%Y-%m"),
    ("quarter", _months(3), 92, "%Y-%m"),
    ("year", _months(12), 366, "%Y"),
    ("5 years", _months(60), 1827, "%Y"),
    ("100 years", _months(1200), 36525, "%Y"),
)


def histogram(days: Mapping[int, int], max_buckets: int = MAX_BUCKETS) -> tuple[str, dict[str, int]]:
    """Gather counts by day (since 1970) into at most `max_buckets` buckets without gaps: their unit, label -> count."""
    if not days:
        return "day", {}
    first, last = (EPOCH + timedelta(days=day) for day in (min(days), max(days)))
    fitting = (unit for unit in _UNITS if len(list(_starts(unit, first, last, max_buckets))) <= max_buckets)
    unit, start, _, label = chosen = next(fitting, _UNITS[-1])
    counts = dict.fromkeys(_starts(chosen, first, last, max_buckets), 0)
    for day, count in days.items():
        counts[start(EPOCH + timedelta(days=day))] += count
    return unit, {bucket.strftime(label): count for bucket, count in counts.items()}


def _starts(unit: _Unit, first: date, last: date, max_buckets: int) -> Iterator[date]:
    """List the buckets from the first to the last day; of too many, one too many."""
    _, start, length, _ = unit
    bucket = start(first)
    for _ in range(max_buckets + 1):
        if bucket > last:
            return
        yield bucket
        bucket = start(bucket + timedelta(days=length))
