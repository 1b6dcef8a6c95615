"""The API's rules in numbers and words, each with its source.

No code but for values that Python itself stumbles on, and for a limit that moves with the clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite

# Every number below stands in the API documentation ("Import Events", limits of one event).
MAX_EVENT_BYTES = 1_048_576  # "smaller than 1 MB of uncompressed JSON"
MAX_PROPERTIES = 254  # "fewer than 255 properties"
MAX_KEYS = 254  # "nested objects: fewer than 255 keys each"
MAX_ITEMS = 254  # "arrays: fewer than 255 elements"
MAX_DEPTH = 3  # "nesting depth at most 3"; lists are no level of their own
MAX_NESTING = 64  # ours, so that no depth of lists can exhaust the stack: nothing real comes near
MAX_TEXT = 255  # "strings are truncated to 255 characters", names too
MAX_DIGITS = 4300  # Python's own limit for whole numbers: what is longer cannot be read or written
MAX_NESTED_BYTES = 8192  # "list and object properties: 8 KB each"
MAX_INSERT_ID = 36  # "at most 36 bytes, [A-Za-z0-9-] only"
OLDEST_S = 31_536_000  # 1971-01-01T00:00:00Z
FUTURE_S = 3600  # "more than 1 hour in the future: rejected"

INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}", re.ASCII)
DISALLOWED_IDS = frozenset(
    {"00000000-0000-0000-0000-000000000000", "anon", "anonymous", "nil", "none", "null", "n/a", "na"}
    | {"undefined", "unknown", "<nil>", "0", "-1", "true", "false", "[]", "{}"}
)
RESERVED = ("bucket", "$bucket")  # "must not be used"
IGNORE = "$ignore"  # "the event is dropped silently"
IDENTITIES = ("$user_id", "$device_id")  # carry identity instead of distinct_id


@dataclass(frozen=True, slots=True)
class History:
    """How far back an endpoint takes events: `max_age_s` None is from `OLDEST_S` on. `too_old` ends "time X is …"."""

    max_age_s: int | None
    too_old: str

    def oldest_s(self, now_s: float) -> float:
        """Give the oldest time that is taken, in seconds since the epoch."""
        return OLDEST_S if self.max_age_s is None else max(now_s - self.max_age_s, OLDEST_S)


ALL_HISTORY = History(None, "before 1971-01-01, the oldest time that Mixpanel takes")


_JSON_WORDS = {None: "null", True: "true", False: "false"}


_JOINER = re.compile(r"((?<!\\)(?:\\\\)*)\\u200d")
"""What an emoji is joined with, as `repr` has it; where it joins nothing, `clean` shows that."""


def show(value: object) -> str:
    """Quote a value for a message: short, on one line, plain ASCII but for what can be printed, or joins it."""
    try:
        text = _JSON_WORDS.get(value) if value is None or isinstance(value, bool) else None
        text = text or (str(value) if isinstance(value, Decimal) else _JOINER.sub("\\1\u200d", repr(value)))
    except ValueError:
        return f"a number of more than {MAX_DIGITS:,} digits"
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_finite(value: float | Decimal) -> bool:
    """Whether a number is one that JSON readers can hold: a whole one of up to `MAX_DIGITS`, others as a double."""
    if isinstance(value, int):
        return -_TOO_LARGE < value < _TOO_LARGE
    is_nan = isinstance(value, Decimal) and value.is_nan()  # of a signalling one no float can be made
    return not is_nan and isfinite(value)


_TOO_LARGE: int = 10**MAX_DIGITS
