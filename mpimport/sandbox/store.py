"""What the sandbox holds and what it has counted, behind one lock. Knows nothing of HTTP or rules."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from mpimport.sandbox.intake import Intake

_TOP_NAMES = 20  # shown in the statistics
_MAX_NAMES = 10_000  # counted one by one; a bound on memory
_OTHER_NAMES = "(other names)"


class Store:
    """The stored events, each once, and every counter of `stats`. Thread-safe."""

    def __init__(self, keep_events: int) -> None:
        self._lock = threading.Lock()
        self._keep_events = keep_events
        self._digests: set[bytes] = set()
        self._kept: list[bytes] = []
        self._names: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._encodings: Counter[str] = Counter()
        self._types: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._in_flight = 0
        self._max_in_flight = 0

    def commit(self, intake: Intake) -> int:
        """Store the good events of a request; return how many count as imported, duplicates too."""
        with self._lock:
            before = len(self._digests)
            for item in intake.items:
                self._store(item.name, item.digest, item.text)
            received = len(intake.items)
            self._counts["received"] += received
            self._counts["duplicates"] += received - (len(self._digests) - before)
            self._counts["refused"] += len(intake.failed_records)
            self._reasons.update(intake.refused_reasons)
            for name in ("ignored", "geolocated", "truncated_strings", "time_overwritten", "duplicate_keys"):
                self._counts[name] += getattr(intake, name)
            return received + intake.ignored

    def _store(self, name: str, digest: bytes, text: bytes) -> None:
        if digest in self._digests:
            return
        self._digests.add(digest)
        if name not in self._names and len(self._names) >= _MAX_NAMES:
            name = _OTHER_NAMES
        self._names[name] += 1
        if len(self._kept) < self._keep_events:
            self._kept.append(text)

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

    def texts(self, offset: int, limit: int) -> list[bytes]:
        """Return the JSON of the kept events from `offset` on, in the order of their arrival."""
        with self._lock:
            return self._kept[offset : offset + limit]

    def stats(self) -> dict[str, Any]:
        """Return all counters, as a copy."""
        with self._lock:
            numbers = {name: self._counts[name] for name in _COUNTERS}
            return {
                **numbers,
                "stored": len(self._digests),
                "kept": len(self._kept),
                "max_in_flight": self._max_in_flight,
                "by_status": dict(self._by_status),
                "refused_reasons": dict(self._reasons.most_common()),
                "events_by_name": dict(self._names.most_common(_TOP_NAMES)),
                "content_encodings": dict(self._encodings),
                "content_types": dict(self._types),
                "faults": dict(self._faults),
            }


_COUNTERS = (
    "requests",
    "received",
    "duplicates",
    "refused",
    "ignored",
    "geolocated",
    "truncated_strings",
    "time_overwritten",
    "duplicate_keys",
    "bytes_wire",
    "bytes_raw",
    "connections",
    "internal_errors",
)
