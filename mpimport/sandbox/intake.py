"""One request's events, examined and made ready to be stored, before anything of it is stored.

Only bytes and digests are kept of an event, so a request of 2000 leaves no 2000 dictionaries behind.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from mpimport.sandbox.rules import MAX_STRING_CHARS, Failure, examine, identity, to_ms

MAX_REFUSED_BYTES = 16_384  # kept of what was refused: enough to see what it was


class Item(NamedTuple):
    """A good event: its name, the digest of what makes it a duplicate, its JSON as stored, and parts of it."""

    name: str
    digest: bytes
    text: bytes
    time_ms: int
    distinct_id: str
    insert_id: str


class Refused(NamedTuple):
    """An event or update that breaks rules, or with no `position` a whole request: why, and what it was."""

    position: int | None
    insert_id: str
    reasons: tuple[str, ...]
    text: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request adds. A profile is its id and its JSON, or None when it is deleted."""

    arrival_ms: int
    endpoint: str
    items: list[Item] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    profiles: list[tuple[str, bytes | None]] = field(default_factory=list)


class Intake:
    """What is in one request: the good events, the failed ones, and what was noticed on the way.

    `max_age_ms` as in `rules`. The property `without` is part of an event by the rules, but not of what is stored.
    """

    def __init__(self, now_ms: int, *, max_age_ms: int | None = None, without: str | None = None) -> None:
        self.count = 0
        self.items: list[Item] = []
        self.failed_records: list[dict[str, Any]] = []
        self.refused: list[Refused] = []
        self.refused_reasons: Counter[str] = Counter()
        self.ignored = 0
        self.geolocated = 0
        self.truncated_strings = 0
        self.time_overwritten = 0
        self.duplicate_keys = 0
        self._now_ms = now_ms
        self._max_age_ms = max_age_ms
        self._without = without

    def add_all(self, events: Iterable[tuple[bytes, Any]], *, max_events: int) -> bool:
        """Take events (their bytes and values) in; stop and return False when there are too many."""
        for text, event in events:
            if self.count == max_events:
                return False
            self._add(text, event)
            self.count += 1
        return True

    def _add(self, text: bytes, event: Any) -> None:
        failures, long_strings = examine(event, size=len(text), now_ms=self._now_ms, max_age_ms=self._max_age_ms)
        if failures:
            self._refuse(text, event, failures)
            return
        if self._without is not None:
            event["properties"].pop(self._without, None)
            text = without(text, self._without) or encode(event) or text
        properties = event["properties"]
        if properties.get("$ignore") is True:
            self.ignored += 1
            return
        time_ms = to_ms(properties["time"])
        if "ip" not in properties:
            self.geolocated += 1
        if long_strings:
            self.truncated_strings += long_strings
            event = truncated(event)
            properties = event["properties"]
        if time_ms > self._now_ms:
            self.time_overwritten += 1
            event = {**event, "properties": {**properties, "time": self._now_ms}}
        if long_strings or time_ms > self._now_ms:
            text = encode(event) or text
        distinct_id, insert_id = identity(properties), properties["$insert_id"]
        digest = _digest(event["event"], time_ms, distinct_id, insert_id)
        self.items.append(Item(event["event"], digest, text, min(time_ms, self._now_ms), distinct_id, insert_id))

    @property
    def first_problem(self) -> str | None:
        """What is wrong with the first event that failed."""
        return self.failed_records[0]["message"] if self.failed_records else None

    def _refuse(self, text: bytes, event: Any, failures: Sequence[Failure]) -> None:
        """List an event once, under the first rule that it breaks."""
        failure, insert_id = failures[0], _insert_id(event)
        self.refused_reasons[failure.message] += 1
        self.failed_records.append(
            {
                "index": self.count,
                "$insert_id": insert_id,
                "field": failure.field,
                "message": failure.message,
            }
        )
        properties = event.get("properties") if isinstance(event, dict) else None
        if self._without is not None and isinstance(properties, dict):
            kept = {name: value for name, value in properties.items() if name != self._without}
            text = encode({**event, "properties": kept}) or b""
        reasons = tuple(one.message for one in failures)
        self.refused.append(Refused(self.count, insert_id, reasons, text[:MAX_REFUSED_BYTES]))


def truncated(value: Any) -> Any:
    """Cut every string in a value, names of properties too, as the server does."""
    if isinstance(value, str):
        return value[:MAX_STRING_CHARS]
    if isinstance(value, list):
        return [truncated(one) for one in value]
    if isinstance(value, dict):
        return {name[:MAX_STRING_CHARS]: truncated(one) for name, one in value.items()}
    return value


class _Pieces(msgspec.Struct):
    """An event whose values are the bytes that they were."""

    event: msgspec.Raw
    properties: dict[str, msgspec.Raw]


def without(text: bytes, name: str) -> bytes | None:
    """Take a property out of the JSON text of a valid event; every other value stays as it was spelt.

    None for one that Python's json can read, and msgspec cannot: with half a surrogate pair in a name.
    """
    try:
        pieces = msgspec.json.decode(text, type=_Pieces)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    pieces.properties.pop(name, None)
    return msgspec.json.encode(pieces)


def _digest(name: str, time_ms: int, distinct_id: str, insert_id: str) -> bytes:
    """Hash (event, time, distinct_id, $insert_id): what the API's documentation calls a duplicate.

    The time is the one that was sent, even where the arrival time is stored: a retry stays a duplicate.
    """
    # With its lengths in front the text cannot mean two things, whatever the names hold.
    key = f"{len(name)} {len(distinct_id)} {time_ms} {name}{distinct_id}{insert_id}"
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _insert_id(event: Any) -> str:
    """Return the `$insert_id` that a failed event came with, for the reply, as far as it is one."""
    properties = event.get("properties") if isinstance(event, dict) else None
    insert_id = properties.get("$insert_id") if isinstance(properties, dict) else None
    return insert_id[:MAX_STRING_CHARS] if isinstance(insert_id, str) else ""


def encode(event: Any) -> bytes | None:
    """Return an event that was changed, or an update, as JSON, or None when it has a number like 1e400."""
    try:
        # Escaped: a lone surrogate has no other way into UTF-8.
        return json.dumps(event, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError:
        return None
