"""What the sandbox holds and what it has counted, behind one lock. Knows nothing of HTTP or rules."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mpimport.sandbox.intake import Batch, Intake, Item, Refused
from mpimport.sandbox.profiles import Properties, Update, apply

if TYPE_CHECKING:
    from mpimport.sandbox.database import Database

_TOP_NAMES = 20  # shown in the statistics
_MAX_NAMES = 10_000  # left when there are twice as many: a bound on memory
_LATEST = 20  # events that are shown as the latest
_LATEST_REFUSED = 200
_MAX_SHOWN_BYTES = 4096  # of an event among the latest; a bigger one is shown without its properties
_BLOCK_EVENTS = 1000


class FileProblem(Exception):
    """The file cannot be opened, read or written: the words say which and why."""


class Store:
    """The stored events, each once, the profiles, and every counter of `stats`. Thread-safe.

    With a `database` all of it is in its file, too, and goes on from what is there. `now` is the wall clock.
    """

    def __init__(
        self, keep_events: int, *, database: Database | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._lock = threading.Lock()
        self._keep_events = keep_events
        self._database = database
        self._now = now
        self._digests: set[bytes] = set()
        self._kept: list[bytes] = []
        self._names: Counter[str] = Counter()
        self._names_are_lower_bounds = False
        self._profiles: dict[str, tuple[int, Properties]] = {}
        self._latest: deque[dict[str, Any]] = deque(maxlen=_LATEST)
        self._refused: deque[dict[str, Any]] = deque(maxlen=_LATEST_REFUSED)
        if database:
            self._restore(database)
        self._restored = len(self._digests)
        self._reasons: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._encodings: Counter[str] = Counter()
        self._types: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._in_flight = 0
        self._max_in_flight = 0

    def _restore(self, database: Database) -> None:
        from mpimport.sandbox import tables  # noqa: PLC0415  not every Python has sqlite3: it is for a file only

        with database.reading() as connection:
            self._digests = tables.digests(connection)
            self._names.update(tables.names(connection))
            self._forget_rare_names()
            self._profiles = tables.profiles(connection)
            self._latest.extend(_shown(*one) for one in tables.latest(connection, _LATEST))
            self._refused.extend(_shown_refused(*one) for one in tables.refused(connection, _LATEST_REFUSED))

    def commit(self, intake: Intake, endpoint: str) -> int:
        """Store the good events of a request; return how many count as imported, duplicates too."""
        when = self._now_ms()
        with self._lock:
            new = [item for item in intake.items if self._is_new(item)]
            self._latest.extend(_shown(when, item) for item in new[-_LATEST:])
            received = len(intake.items)
            self._counts["received"] += received
            self._counts["duplicates"] += received - len(new)
            self._note_refused(when, endpoint, intake.refused)
            self._reasons.update(intake.refused_reasons)
            for name in ("ignored", "geolocated", "truncated_strings", "time_overwritten", "duplicate_keys"):
                self._counts[name] += getattr(intake, name)
            self._write(Batch(when, endpoint, new, intake.refused))
            return received + intake.ignored

    def _is_new(self, item: Item) -> bool:
        """Hold an event that is no duplicate."""
        if item.digest in self._digests:
            return False
        self._digests.add(item.digest)
        self._names[item.name] += 1
        if len(self._names) >= 2 * _MAX_NAMES:
            self._forget_rare_names()
        if self._database is None and len(self._kept) < self._keep_events:
            self._kept.append(item.text)
        return True

    def _forget_rare_names(self) -> None:
        """Make room for new names, any of which may become a frequent one; what was forgotten is missing if it does."""
        if len(self._names) > _MAX_NAMES:
            self._names = Counter(dict(self._names.most_common(_MAX_NAMES)))
            self._names_are_lower_bounds = True

    def update(self, updates: Sequence[Update], refused: Sequence[Refused]) -> int:
        """Apply updates of profiles; return how many there were."""
        when = self._now_ms()
        with self._lock:
            for one in updates:
                before = self._profiles.pop(one.distinct_id, None)  # the latest comes last
                after = apply(one, before and before[1])
                if after is not None:
                    self._profiles[one.distinct_id] = (when, after)
            self._counts["updates"] += len(updates)
            self._note_refused(when, "/engage", refused)
            self._reasons.update(one.reasons[0] for one in refused)
            touched = {one.distinct_id: self._profiles.get(one.distinct_id) for one in updates}
            texts = [(who, _as_json(profile[1]) if profile else None) for who, profile in touched.items()]
            self._write(Batch(when, "/engage", refused=list(refused), profiles=texts))
            return len(updates)

    def refuse_request(self, endpoint: str, reason: str) -> None:
        """Note a request that was refused as a whole."""
        when, refused = self._now_ms(), Refused(None, "", (reason,), b"")
        with self._lock:
            self._refusals[reason if reason in self._refusals or len(self._refusals) < _TOP_NAMES else "(others)"] += 1
            self._refused.append(_shown_refused(when, endpoint, refused))
            self._write(Batch(when, endpoint, refused=[refused]))

    def _note_refused(self, when: int, endpoint: str, refused: Sequence[Refused]) -> None:
        self._counts["refused"] += len(refused)
        self._refused.extend(_shown_refused(when, endpoint, one) for one in refused[-_LATEST_REFUSED:])

    def _write(self, batch: Batch) -> None:
        if self._database and (batch.items or batch.refused or batch.profiles):
            self._database.put(batch)

    def _now_ms(self) -> int:
        return round(self._now() * 1000)

    def begin(self, fault: str | None) -> None:
        """Count a request that has begun, and the fault that it will meet."""
        with self._lock:
            if fault is not None:
                self._faults[fault] += 1
            self._counts["requests"] += 1
            self._in_flight += 1
            self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def end(self) -> None:
        """Count down a request that was begun."""
        with self._lock:
            self._in_flight -= 1

    def replied(self, status: int) -> None:
        """Count a reply."""
        with self._lock:
            self._by_status[str(status)] += 1

    def read(self, *, content_type: str, encoding: str, wire: int, raw: int) -> None:
        """Count a body that was read: its bytes as sent and as inflated."""
        with self._lock:
            self._types[content_type] += 1
            self._encodings[encoding] += 1
            self._counts["bytes_wire"] += wire
            self._counts["bytes_raw"] += raw

    def count(self, name: str) -> None:
        """Count one more of a plain counter."""
        with self._lock:
            self._counts[name] += 1

    def texts(self, offset: int, limit: int) -> Iterator[bytes]:
        """Yield the JSON of the kept events from `offset` on, in the order of their arrival."""
        if self._database:
            from mpimport.sandbox import tables  # noqa: PLC0415  as above

            with self._database.reading() as connection:
                yield from tables.texts(connection, offset, limit)
            return
        end = offset + limit
        while offset < end:
            with self._lock:
                block = self._kept[offset : min(offset + _BLOCK_EVENTS, end)]
            if not block:
                return
            yield from block
            offset += len(block)

    def profiles(self) -> list[dict[str, Any]]:
        """Return all profiles, the latest first."""
        with self._lock:
            held = list(self._profiles.items())
        return [
            {"$distinct_id": who, "$properties": properties, "updated": when}
            for who, (when, properties) in reversed(held)
        ]

    def refused(self) -> list[dict[str, Any]]:
        """Return what was refused lately, the latest first: events, updates, and requests as a whole."""
        with self._lock:
            return list(self._refused)[::-1]

    def latest(self) -> list[dict[str, Any]]:
        """Return the latest events, the latest first; big ones without their JSON."""
        with self._lock:
            return list(self._latest)[::-1]

    def stats(self) -> dict[str, Any]:
        """Return all counters, as a copy."""
        with self._lock:
            numbers = {name: self._counts[name] for name in _COUNTERS}
            return {
                **numbers,
                "stored": len(self._digests),
                "kept": len(self._digests) if self._database else len(self._kept),
                "restored": self._restored,
                "profiles": len(self._profiles),
                "max_in_flight": self._max_in_flight,
                "by_status": dict(self._by_status),
                "refused_reasons": dict(self._reasons.most_common()),
                "refused_requests": dict(self._refusals.most_common()),
                "events_by_name": dict(self._names.most_common(_TOP_NAMES)),
                "events_by_name_are_lower_bounds": self._names_are_lower_bounds,
                "content_encodings": dict(self._encodings),
                "content_types": dict(self._types),
                "faults": dict(self._faults),
            }


def _as_json(properties: Properties) -> bytes:
    return json.dumps(properties, separators=(",", ":")).encode()


def _shown(when: int, item: Item) -> dict[str, Any]:
    return {
        "arrival": when,
        "event": item.name,
        "time": item.time_ms,
        "distinct_id": item.distinct_id,
        "$insert_id": item.insert_id,
        "bytes": len(item.text),
        "json": item.text.decode() if len(item.text) <= _MAX_SHOWN_BYTES else None,
    }


def _shown_refused(when: int, endpoint: str, one: Refused) -> dict[str, Any]:
    return {
        "arrival": when,
        "endpoint": endpoint,
        "index": one.position,
        "$insert_id": one.insert_id,
        "reasons": list(one.reasons),
        "json": one.text.decode("utf-8", "replace") or None,
    }


_COUNTERS = (
    "requests",
    "received",
    "duplicates",
    "refused",
    "ignored",
    "updates",
    "geolocated",
    "truncated_strings",
    "time_overwritten",
    "duplicate_keys",
    "bytes_wire",
    "bytes_raw",
    "connections",
    "internal_errors",
)
