"""The recogniser written in C, where it was built: many events of a block in one call, without an object for any.

Hands it the rules, whose home is `limits` and `normalise`. It takes nothing that `quick` would not take, and writes
the same bytes; `quick` is its reference, and does all of its work where it is missing. Knows neither blocks nor files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil

from mpimport.accept import LIST_NESTING, MAX_ADDED, REFUSED
from mpimport.edits import DROP, KEEP, Edits
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
from mpimport.validate import SOUND_RULES, Limits, values

try:
    from mpimport import _recognise
except ImportError:  # no C compiler was there when mpimport was installed
    IN_C = False
else:
    IN_C = True

Odd = tuple[int, bytes, int]
"""(after, line, odd): a line behind so many that were taken, whose event is sound but for what is odd. `odd` is never
0: bits, in the order of `QUESTIONS`, of those rules that it may break."""

QUESTIONS = (*SOUND_RULES, None, values)  # of an `ip` that is taken out there is a bit, but no rule

Take = Callable[[bytes, int, bytearray, int, int], "tuple[int, int, list[Odd]]"]
"""(text, start, lines, room, most_odd) -> (taken, end, odd): appends to `lines` the events of lines of the text from
`start` on, passes over at most `most_odd` lines that are odd, and gives these. `taken` and those are at most `room` in
all. What begins at `end`, where the text does not end, may be anything."""

Recogniser = Callable[[Limits], Take]
"""Serves one thread."""

Loader = Callable[[Edits], Recogniser]
"""Gives a recogniser whose events are taken with the edits."""

_SPECIAL = ("time", "distinct_id", "$insert_id", "ip")  # in the order of the kinds of names in C, from 1 on
_REFUSED = len(_SPECIAL) + 1


def load() -> Loader | None:
    """Give what makes recognisers; None where it was not built."""
    return _recogniser if IN_C else None


def _recogniser(edits: Edits) -> Recogniser:
    kinds = {name: kind for kind, name in enumerate(_SPECIAL, 1)} | dict.fromkeys(REFUSED, _REFUSED)
    unedited = {} if edits.others == DROP else {name: (KEEP, name) for name in kinds}
    names = tuple(
        (name.encode(), kinds.get(sent, 0), action, sent.encode())
        for name, (action, sent) in (unedited | dict(edits.names)).items()
    )
    ids = tuple((name.encode(), 0, KEEP, name.encode()) for name in sorted(DISALLOWED_IDS | LOOKALIKES))
    most = MAX_PROPERTIES - MAX_ADDED - edits.added_count
    limits = (MAX_TEXT, most, MAX_KEYS, MAX_ITEMS, MAX_DEPTH, LIST_NESTING, MAX_INSERT_ID, MAX_NESTED_BYTES)
    rules = _recognise.new_rules(names, ids, limits, (edits.others, edits.event_name, edits.added))

    def within(limits: Limits) -> Take:
        return partial(_recognise.take, rules, ceil(limits.oldest_s), int(limits.newest_s), bool(limits.added))

    return within
