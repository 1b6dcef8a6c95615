"""The recogniser written in C, where it was built: many events of a block in one call, without an object for any.

Hands it the rules, whose home is `limits` and `normalise`. It takes nothing that `quick` would not take, and writes
the same bytes; `quick` is its reference, and does all of its work where it is missing. Knows neither blocks nor files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil

from mpimport.accept import LIST_NESTING, MAX_ADDED, REFUSED
from mpimport.limits import (
    DISALLOWED_IDS,
    MAX_DEPTH,
    MAX_INSERT_ID,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_NESTED_BYTES,
    MAX_PROPERTIES,
    MAX_TEXT,
)
from mpimport.normalise import LOOKALIKES
from mpimport.validate import Limits

try:
    from mpimport import _recognise
except ImportError:  # no C compiler was there when mpimport was installed
    IN_C = False
else:
    IN_C = True

Take = Callable[[bytes, int, bytearray, int], "tuple[int, int, int]"]
"""(text, start, lines, room) -> (taken, end, odd): appends to `lines` the events of lines of the text, at most `room`,
from `start` up to the first line that is not surely right, which begins at `end`. `odd` is not 0 where the event there
is one that the loop leaves as sound, too: bits, in the order of `validate.SOUND_RULES`, of those that it may break."""

Recogniser = Callable[[Limits], Take]
"""Serves one thread."""

_SPECIAL = ("time", "distinct_id", "$insert_id", "ip")  # in the order of the kinds of names in C, from 1 on


def load() -> Recogniser | None:
    """Give the recogniser; None where it was not built."""
    if not IN_C:
        return None
    names = [(name.encode(), kind) for kind, name in enumerate(_SPECIAL, 1)]
    names += [(name.encode(), len(_SPECIAL) + 1) for name in sorted(REFUSED)]
    ids = [(name.encode(), 1) for name in sorted(DISALLOWED_IDS | LOOKALIKES)]
    limits = (MAX_TEXT, MAX_PROPERTIES - MAX_ADDED, MAX_KEYS, MAX_ITEMS, MAX_DEPTH, LIST_NESTING, MAX_INSERT_ID)
    rules = _recognise.new_rules(names, ids, (*limits, MAX_NESTED_BYTES))

    def within(limits: Limits) -> Take:
        return partial(_recognise.take, rules, ceil(limits.oldest_s), int(limits.newest_s), bool(limits.added))

    return within
