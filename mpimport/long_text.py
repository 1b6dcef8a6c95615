"""What to do with text that is longer than the API keeps, and with objects that are deeper than it takes.

Pure: properties in, properties out; done twice it is the same as done once. Knows nothing of an event's
other rules. The remedies are tried in this order, the first that fits is taken:

    deep        a value that is too deep or too wide: left to the rules, flattened, or written as JSON text
    drop_long   a property whose name is listed is left out
    split_urls  a URL becomes a property for its host, its path, and each of its parameters
    parse_json  text that holds a JSON object or list becomes properties
    long_strings    whatever is left: cut, refused (by the rules), left out, or kept for the server to cut

All but the last are for properties, not for text within a list or object. `PROTECTED` properties are
never taken apart or left out. Names are cut whatever the rules are, unless two would become one.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from mpimport.flatten import Pieces, flatten, is_legal, parse, split_url, stringify
from mpimport.limits import IDENTITIES, IGNORE, MAX_NESTING, MAX_PROPERTIES, MAX_TEXT

LongStrings: TypeAlias = Literal["truncate", "reject", "drop", "keep"]
Deep: TypeAlias = Literal["reject", "flatten", "stringify"]

PROTECTED = frozenset({"time", "distinct_id", "$insert_id", *IDENTITIES, IGNORE})
"""Without these an event would be another one: only ever cut."""

_ADDED = ("$insert_id", "ip")  # what mpimport may add later: room is left for them
_PLAIN = frozenset({int, float, bool, type(None), Decimal})
_JOINER = "\u200d"
_MAX_CLUSTER = 32  # a character on the screen is made of a few; beyond this many it may be cut


@dataclass(frozen=True, slots=True)
class TextRules:
    """What to do with long text and deep objects; the module's docstring tells the order.

    `drop_long`: names of properties that are left out when their text is too long.
    """

    split_urls: bool = False
    parse_json: bool = False
    drop_long: frozenset[str] = frozenset()
    long_strings: LongStrings = "truncate"
    deep: Deep = "reject"
    is_default: bool = field(init=False, compare=False, repr=False)
    """Whether nothing but cutting is asked for."""

    def __post_init__(self) -> None:
        """Find out once what is asked of every event."""
        asked = self.split_urls or self.parse_json or self.drop_long or self.deep != "reject"
        object.__setattr__(self, "is_default", not asked and self.long_strings == "truncate")


def apply(properties: Mapping[str, Any], rules: TextRules, mends: Counter[str]) -> dict[str, Any]:
    """Bring long text and deep objects into shape, as far as the rules say so; count in `mends` what was changed.

    Never raises for values as JSON has them; others, and names that are not text, pass through.
    """
    # A remedy gives text that is shorter, or makes room for another one: until nothing changes any more.
    while not _is_fine(properties, rules):
        step = _Step(rules, set(), len(properties) + sum(name not in properties for name in _ADDED))
        names = list(_short_names(properties, step.found))
        step.taken.update(*names)
        for name, short in names:
            step.take(name, properties[name], short)
        properties = step.result
        if not +step.found:
            break
        mends.update(+step.found)
    return dict(properties)


def cut_text(text: str, limit: int = MAX_TEXT) -> str:
    """Cut text of more than `limit` characters so that it fits both readings: `limit` characters, `limit` bytes.

    The API says "255 characters" and in one place "255 bytes": what is cut here is cut no further by a
    server of either kind. Text of up to `limit` characters is left alone, whatever bytes it takes: the
    documented limit is in characters. What shows as one character (an accent and its letter, an emoji of
    several parts, a flag) is not cut in two.
    """
    if len(text) <= limit:
        return text
    if text[: limit + 1].isascii():
        return text[:limit]
    data = text[: limit + 1].encode("utf-8", "surrogatepass")
    end = limit
    while data[end] & 0xC0 == 0x80:  # amid a character: 10xxxxxx is never its first byte
        end -= 1
    fits = len(data[:end].decode("utf-8", "surrogatepass"))
    for at in range(fits, max(fits - _MAX_CLUSTER, 0), -1):
        if not _belongs_together(text, at):
            return text[:at]
    return text[:fits].rstrip(_JOINER) or text[:fits]


def _with_end(name: str, end: str) -> str:
    """Put an end to a name; what is too long loses of the name first, then of the end."""
    if len(name) + len(end) <= MAX_TEXT:
        return name + end
    end = cut_text(end, max(MAX_TEXT // 2, MAX_TEXT - len(name)))
    return cut_text(name, MAX_TEXT - len(end)) + end


def _belongs_together(text: str, at: int) -> bool:
    """Tell whether the characters before and at a place show as one (most of Unicode's rules for it)."""
    before, after = text[at - 1], text[at]
    return (
        _JOINER in (before, after)
        or unicodedata.category(after).startswith("M")  # accents, vowel signs, variation selectors
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the colours of skin
        or "\U000e0020" <= after <= "\U000e007f"  # tags: the flag of Wales
        or "\u1160" <= after <= "\u11ff"  # the second and third part of a Korean syllable
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")  # half a character each
        or (_is_flag_letter(after) and _flag_letters_before(text, at) % 2 == 1)
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int) -> int:
    start = at
    while start and _is_flag_letter(text[start - 1]):
        start -= 1
    return at - start


def _is_fine(properties: Mapping[str, Any], rules: TextRules) -> bool:
    """Tell quickly that nothing has to be done; False when it takes a closer look."""
    try:
        if len("".join(properties)) > MAX_TEXT and max(map(len, properties)) > MAX_TEXT:
            return False
    except TypeError:
        return False
    for value in properties.values():
        kind = type(value)
        if kind is str:
            if len(value) > MAX_TEXT:
                return False
        elif kind not in _PLAIN and (not _is_fine_inside(value, 0) or (rules.deep != "reject" and not is_legal(value))):
            return False
    return True


def _is_fine_inside(value: Any, nesting: int) -> bool:
    kind = type(value)
    if kind is str:
        return len(value) <= MAX_TEXT
    if kind is dict and nesting < MAX_NESTING:
        for name, inner in value.items():
            if type(name) is not str or len(name) > MAX_TEXT or not _is_fine_inside(inner, nesting + 1):
                return False
        return True
    if kind is list and nesting < MAX_NESTING:
        return all(_is_fine_inside(inner, nesting + 1) for inner in value)
    return kind in _PLAIN


@dataclass(slots=True)
class _Step:
    """One pass over the properties: `result` holds what became of them, `found` counts what was changed."""

    rules: TextRules
    taken: set[Any]
    count: int  # of the properties, as many as mpimport may add included
    result: dict[str, Any] = field(default_factory=dict)
    found: Counter[str] = field(default_factory=Counter)

    def take(self, name: Any, value: Any, short: Any) -> None:
        """Take one property of the record, its name, and its name as it may be sent."""
        long_strings = self.rules.long_strings
        if name in PROTECTED or not isinstance(name, str):
            self._put(short, value, "reject" if long_strings == "drop" else long_strings)
        elif not isinstance(value, str):
            self._take_nested(short, value)
        elif len(value) <= MAX_TEXT:
            self.result[short] = value
        elif name in self.rules.drop_long:
            self._put(short, value, "drop")
        elif not self._take_apart(short, value):
            self._put(short, value, long_strings)

    def _take_apart(self, name: str, text: str) -> bool:
        room = MAX_PROPERTIES - self.count + 1
        if self.rules.split_urls and (pieces := split_url(text)) and len(pieces) <= room:
            self._replace(name, pieces, "url")
            self.found["url_split"] += 1
        elif self.rules.parse_json and (pieces := parse(text, room)):
            self._replace(name, pieces, "json")
            self.found["json_parsed"] += 1
        else:
            return False
        return True

    def _take_nested(self, name: str, value: Any) -> None:
        if self.rules.deep != "reject" and not is_legal(value):
            room = MAX_PROPERTIES - self.count + 1
            if self.rules.deep == "flatten" and (pieces := flatten(value, room)):
                self._replace(name, pieces, "flat")
                self.found["deep_flattened"] += 1
                return
            if self.rules.deep == "stringify" and (texts := stringify(value)):
                value, made = texts
                self.found["deep_text"] += made
        if isinstance(value, str):
            self.result[name] = value  # text by now: the next step takes it as such
        else:
            self._put(name, value, self.rules.long_strings)

    def _put(self, name: Any, value: Any, long_strings: LongStrings) -> None:
        found: Counter[str] = Counter()
        try:
            short = _shorten(value, long_strings, found)
        except _TooNestedError:
            short = value  # the rules refuse it
        else:
            self.found.update(found)
        if short is _LEFT_OUT:
            self.count -= 1
        else:
            self.result[name] = short

    def _replace(self, name: str, pieces: Pieces, mark: str) -> None:
        """Put pieces in the place of a property; a name that is taken already gets a mark behind it."""
        self.count += len(pieces) - 1
        for end, value in pieces:
            short = whole = _with_end(name, end)
            self.found["name_cut"] += short != name + end
            again = 1
            while short in self.taken and end:
                short = _with_end(whole, f" ({mark})" if again == 1 else f" ({mark} {again})")
                again += 1
            self.taken.add(short)
            self.result[short] = value


class _TooNestedError(Exception):
    """Lists within each other, deeper than anything real: not worth a closer look."""


_LEFT_OUT: Any = object()


def _shorten(value: Any, long_strings: LongStrings, found: Counter[str], nesting: int = 0) -> Any:
    """Do the last remedy, inside of a list or object too."""
    if isinstance(value, str):
        if len(value) <= MAX_TEXT or long_strings in ("keep", "reject"):
            return value
        found["string_dropped" if long_strings == "drop" else "string_cut"] += 1
        return _LEFT_OUT if long_strings == "drop" else cut_text(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if nesting >= MAX_NESTING:
        raise _TooNestedError
    if isinstance(value, Mapping):
        shorts = _short_names(value, found)
        items = ((short, _shorten(value[name], long_strings, found, nesting + 1)) for name, short in shorts)
        return {short: inner for short, inner in items if inner is not _LEFT_OUT}
    elements = [_shorten(inner, long_strings, found, nesting + 1) for inner in value]
    return [inner for inner in elements if inner is not _LEFT_OUT]


def _short_names(value: Mapping[Any, Any], found: Counter[str]) -> Iterator[tuple[Any, Any]]:
    """Give each name, and what it is cut to: itself where it is short, or where two would become one."""
    taken: set[str] = set()
    for name in value:
        short = name
        if isinstance(name, str) and len(name) > MAX_TEXT:
            cut = cut_text(name)
            if cut not in value and cut not in taken:
                taken.add(cut)
                short = cut
                found["name_cut"] += 1
        yield name, short
