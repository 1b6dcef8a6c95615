"""The audit of a dry run: what the events hold that a person should know before sending them.

Collects from batches in bounded memory (each bound stands beside its constant) and reports plain values. Pure: no
clock, no randomness, no I/O. Knows neither how events were read nor how a report is shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain, repeat
from typing import Any

import msgspec

from mpimport.event_time import SECONDS_END
from mpimport.limits import IDENTITIES, MAX_TEXT
from mpimport.records import Batch
from mpimport.sketches import EPOCH, Distinct, Heavy, Looks, Names, Place, Repeats, digest, histogram

MAX_EVENT_NAMES = 5000  # Mixpanel's default limit on event names; one more is told apart, others are counted together
MAX_PROPERTIES = 2000  # names of properties that are told apart; others are counted together
MAX_SAMPLED = 4000  # names of properties, those inside of objects too (`a.b`), whose values are looked into
WINDOW = 200_000  # events among which duplicates and collisions are found, 35 MB
HOT_SHARD = 200_000  # "over 200,000 events for one distinct_id on one calendar day"
HEAVY_KEYS = 8192  # none is missed up to 1.6 billion events; at most 16,384 pairs of id and day, 1 KB each at worst
MAX_HOT = 100  # hot shards that are reported
CHUNK = 250  # events that are decoded at a time, so that no batch is in memory as objects
STRIDE = 97  # every 97th event's values are looked into for personal data ...
FIRST_VALUES = 100  # ... and the first 100 of every property, or a few more
_DAY_MS = 86_400_000
_OURS = frozenset({"time", "$insert_id", "ip"})


@dataclass(frozen=True, slots=True)
class HotShard:
    """A distinct_id that has (or may have, if `at_least` is no more) over 200,000 events on a day (UTC)."""

    distinct_id: str
    day: str
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True)
class PropertyUse:
    """How many events have a property, and its values by type. `mixed`: of several types, null aside.

    `long_texts` have 255 characters or more, of which the server keeps 255.
    """

    name: str
    count: int
    share: float
    types: dict[str, int]
    mixed: bool
    long_texts: int
    longest: int


@dataclass(frozen=True, slots=True)
class Personal:
    """A property that looks like personal data, by its name or by `matching` of `sampled` values."""

    property: str
    kind: str
    by: str
    sampled: int
    matching: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found, most frequent first. `other_*` are counts of what exceeded the names told apart.

    `time_buckets` are the events by `time_unit` (UTC), from first to last without gaps. `duplicates` have the event,
    time, distinct_id and $insert_id of one of the `window` events before them and are equal in everything; `collisions`
    differ otherwise: the server would lose one silently. Examples are the earlier and the later place. `alike_*` differ
    only in case, white space or composition.
    """

    events: int
    event_names: dict[str, int]
    distinct_event_names: int
    other_events: int
    too_many_event_names: bool
    properties: tuple[PropertyUse, ...]
    distinct_properties: int
    other_properties: int
    first_time: str | None
    last_time: str | None
    time_unit: str
    time_buckets: dict[str, int]
    users: int
    events_without_user: int
    window: int
    duplicates: int
    duplicate_examples: tuple[tuple[Place, Place], ...]
    collisions: int
    collision_examples: tuple[tuple[Place, Place], ...]
    hot_shards: tuple[HotShard, ...]
    alike_event_names: tuple[dict[str, int], ...]
    alike_properties: tuple[dict[str, int], ...]
    personal: tuple[Personal, ...]

    def as_json(self) -> dict[str, Any]:
        """The object that `--audit FILE` holds: the fields by their names."""
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])


_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(order="deterministic").encode
_TYPES: dict[type, str] = {str: "string", int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}


class Audit:
    """Looks at every event of a dry run, batch by batch. Memory is bounded, whatever the events hold."""

    def __init__(self, *, window: int = WINDOW) -> None:
        """Take how many events back duplicates and collisions are found."""
        self._events = 0
        self._without_user = 0
        self._names = Names(MAX_EVENT_NAMES + 1)
        self._properties = Names(MAX_PROPERTIES)
        self._types: dict[str, Counter[str]] = {}
        self._days: Counter[int] = Counter()  # one a day from 1971 to now: some 20,000
        self._span = (10**18, 0)
        self._users = Distinct()
        self._heavy: Heavy[tuple[int, str]] = Heavy(HEAVY_KEYS)
        self._repeats = Repeats(window)
        self._long: dict[str, tuple[int, int]] = {}
        self._looks: dict[str, Looks] = {}
        self._hungry: set[str] = set()  # names of properties of which too few values were looked into

    def add(self, batch: Batch) -> None:
        """Look at the events of a batch."""
        places = chain.from_iterable(
            zip(repeat(self._repeats.source(run.source)), range(run.first, run.first + run.count), strict=False)
            for run in batch.runs
        )
        lines = bytes(batch.lines).split(b"\n")[:-1]
        for first in range(0, len(lines), CHUNK):
            self._add(lines[first : first + CHUNK], places)

    def _add(self, lines: list[bytes], places: Iterator[tuple[int, int]]) -> None:
        events = [_decode(line) for line in lines]
        names = [event["event"] for event in events]
        properties: list[dict[str, Any]] = [event["properties"] for event in events]
        for own in properties:
            time = own["time"]
            own["time"] = int(time * 1000) if time < SECONDS_END else int(time)
        times = [own["time"] for own in properties]
        users = [user if (user := own.get("distinct_id")) is not None else _identity(own) for own in properties]
        self._count_names(names, properties)
        self._count_users(times, users)
        ids = (own.get("$insert_id") for own in properties)
        keys = map(digest, map(_encode, zip(names, times, users, ids, strict=True)))
        self._repeats.add(zip(keys, map(digest, map(_encode, properties)), places, strict=False))
        self._find_long(properties)
        self._sample(properties)
        self._events += len(events)

    def _count_names(self, names: list[str], properties: list[dict[str, Any]]) -> None:
        self._names.add(Counter(names))
        pairs = Counter(chain.from_iterable(zip(own, map(type, own.values()), strict=False) for own in properties))
        for (name, _), count in pairs.items():
            self._properties.add({name: count})
        for (name, kind), count in pairs.items():
            if name in self._types:
                self._types[name][_TYPES.get(kind, "null")] += count
            elif name in self._properties.counts:
                self._types[name] = Counter({_TYPES.get(kind, "null"): count})
                self._hungry |= {name} - _OURS

    def _count_users(self, times: list[int], users: list[str]) -> None:
        days = [time // _DAY_MS for time in times]
        self._days.update(days)
        self._span = (min(self._span[0], *times), max(self._span[1], *times))
        pairs = Counter(zip(days, users, strict=True))
        self._without_user += sum(pairs.pop((day, ""), 0) for day in set(days))
        self._heavy.add(pairs)
        self._users.add({user for _, user in pairs})

    def _find_long(self, properties: list[dict[str, Any]]) -> None:
        for own in properties:
            for name in [name for name, value in own.items() if value.__class__ is str and len(value) >= MAX_TEXT]:
                if name in self._types:
                    count, longest = self._long.get(name, (0, 0))
                    self._long[name] = (count + 1, max(longest, len(own[name])))

    def _sample(self, properties: list[dict[str, Any]]) -> None:
        hungry = self._hungry
        for number, own in enumerate(properties, self._events):
            every = number % STRIDE == 0
            if every or not hungry.isdisjoint(own):
                for name, value in own.items():
                    if name in hungry or (every and name in self._types and name not in _OURS):
                        self._look(name, value)
        self._hungry = {name for name in hungry if self._properties.counts[name] < FIRST_VALUES}

    def _look(self, name: str, value: object) -> None:
        for path, leaf in _leaves(name, value):
            if path in self._looks or len(self._looks) < MAX_SAMPLED:
                self._looks.setdefault(path, Looks()).take(leaf)

    def report(self) -> AuditReport:
        """Tell what was found so far."""
        unit, buckets = histogram(self._days)
        repeats = self._repeats
        return AuditReport(
            events=self._events,
            event_names=_sorted(self._names.counts),
            distinct_event_names=self._names.distinct,
            other_events=self._names.others,
            too_many_event_names=self._names.distinct > MAX_EVENT_NAMES,
            properties=tuple(self._use(name) for name in _sorted(self._properties.counts)),
            distinct_properties=self._properties.distinct,
            other_properties=self._properties.others,
            first_time=_moment(self._span[0]) if self._events else None,
            last_time=_moment(self._span[1]) if self._events else None,
            time_unit=unit,
            time_buckets=buckets,
            users=self._users.estimate(most=self._events - self._without_user),
            events_without_user=self._without_user,
            window=repeats.window,
            duplicates=repeats.counts[True],
            duplicate_examples=tuple(repeats.examples[True]),
            collisions=repeats.counts[False],
            collision_examples=tuple(repeats.examples[False]),
            hot_shards=tuple(
                HotShard(user, f"{EPOCH + timedelta(days=day)}", low, high)
                for (day, user), low, high in self._heavy.over(HOT_SHARD)[:MAX_HOT]
            ),
            alike_event_names=tuple(_alike(self._names.counts)),
            alike_properties=tuple(_alike(self._properties.counts)),
            personal=tuple(chain.from_iterable(_personal(name, looks) for name, looks in self._looks.items())),
        )

    def _use(self, name: str) -> PropertyUse:
        count, types = self._properties.counts[name], _sorted(self._types[name])
        mixed = len(types.keys() - {"null"}) > 1
        return PropertyUse(name, count, round(count / self._events, 4), types, mixed, *self._long.get(name, (0, 0)))


def _identity(own: Mapping[str, Any]) -> str:
    return next((user for name in IDENTITIES if isinstance(user := own.get(name), str) and user), "")


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _moment(milliseconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _leaves(path: str, value: object) -> Iterator[tuple[str, str | float]]:
    """List the texts and numbers in a value, those in an object by dotted names."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield path, value


def _alike(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault("".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
    return (_sorted({name: counts[name] for name in names}) for names in groups.values() if len(names) > 1)


def _personal(path: str, looks: Looks) -> list[Personal]:
    """Judge a property by its values, else by its name: the end of it in words (`user.homePhone`: home_phone)."""
    words = "_".join(_WORDS.findall(path)).lower()
    named = (kind for kind, names in _PERSONAL_NAMES.items() if re.search(f"(?:^|_)(?:{names})$", words))
    found = [Personal(path, kind, "values", looks.values, matching) for kind, matching in looks.kinds()]
    return found or [Personal(path, kind, "name", looks.values, 0) for kind in named]


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PERSONAL_NAMES = {
    "payment card": "(?:card|cc)_(?:number|no|num)|credit_?card|pan|cvv|cvc|iban",
    "id number": "ssn|social_security(?:_number)?|passport(?:_number|_no)?|national_id|tax_id",
    "password": "password|passwd|pwd|secret|api_?key|(?:access|auth)_token",
    "e-mail": "e?_?mail(?:_address)?",
    "phone": "(?:tele)?phone(?:_(?:number|no|nr))?|mobile(?:_(?:number|no|nr))?|msisdn|tel",
    "name": "(?:first|last|full|given|family)_?name|surname",
    "birth date": "dob|date_of_birth|birth_?da(?:y|te)",
    "address": "street(?:_address)?|(?:home|postal|mailing)_address",
}
