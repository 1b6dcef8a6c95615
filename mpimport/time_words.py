"""What was probably meant by a format of times or a zone as other programs write them. Pure.

Must not know how times are read: it is asked only about what cannot be used.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator

_FORMS = {
    "s": "seconds second secs sec unix unixtime epoch timestamp",
    "ms": "milliseconds millisecond millis milli msec unixms epochms",
    "us": "microseconds microsecond micros usec",
    "ns": "nanoseconds nanosecond nanos nsec",
    "iso": "iso8601 rfc3339 isoformat",
}
_PIECE = re.compile(r"'(?P<quoted>[^']*)'|\[(?P<held>[^]]*)\]|(?P<letters>HH24|HH12|MI|([A-Za-z])\4*)|(?P<other>.)")
_DIRECTIVES = {
    **dict.fromkeys(("yyyy", "YYYY", "uuuu"), "%Y"),
    **dict.fromkeys(("yy", "YY"), "%y"),
    **dict.fromkeys(("MMMM", "MMM", "Mon"), "%b"),
    **dict.fromkeys(("MM", "M"), "%m"),
    **dict.fromkeys(("dd", "DD", "d", "D"), "%d"),
    **dict.fromkeys(("EEE", "ddd"), "%a"),
    **dict.fromkeys(("EEEE", "dddd"), "%A"),
    **dict.fromkeys(("HH", "H", "HH24"), "%H"),
    **dict.fromkeys(("hh", "h", "HH12"), "%I"),
    **dict.fromkeys(("mm", "m", "MI"), "%M"),
    **dict.fromkeys(("ss", "s", "SS"), "%S"),
    **dict.fromkeys(("SSS", "SSSSSS", "S", "fff", "ffffff"), "%f"),
    **dict.fromkeys(("a", "A", "tt"), "%p"),
    **dict.fromkeys((*("X" * length for length in (1, 2, 3)), "Z", "ZZ", "xxx", "zzz", "K"), "%z"),
    "MMMM": "%B",
    "T": "T",
}
"""The letters of Java's DateTimeFormatter, of Moment.js, of .NET and of SQL's TO_DATE, where they mean one thing."""

ZONES = {
    "UTC": "z|zulu|zulu time",
    "America/New_York": "edt|et|eastern|eastern time|us eastern|eastern standard time",
    "America/Chicago": "cst|cdt|ct|central|central time|us central|central standard time",
    "America/Denver": "mdt|mt|mountain|mountain time|mountain standard time",
    "America/Los_Angeles": "pst|pdt|pt|pacific|pacific time|us pacific|pacific standard time",
    "Europe/London": "bst|gmt standard time|uk",
    "Europe/Berlin": "cest|mez|mesz|central european time|w. europe standard time",
    "Europe/Paris": "romance standard time",
    "Europe/Moscow": "msk|russian standard time",
    "Asia/Kolkata": "ist|india standard time|india",
    "Asia/Tokyo": "jst|tokyo standard time",
    "Asia/Shanghai": "china standard time",
    "Australia/Sydney": "aest|aedt|aus eastern standard time",
}
"""Abbreviations, and names of Windows, by the zone that most of those who write them live in."""
_OFFSET = re.compile(r"(?:utc|gmt|z)? ?([+-])0?(\d{1,2})(?::?(\d\d))?", re.ASCII)


def meant_format(text: str) -> str:
    """Give the strptime format, or the unit, that was meant; empty: there is none that is sure."""
    plain = re.sub(r"[ _-]", "", text).lower()
    if form := next((form for form, names in _FORMS.items() if plain in names.split()), ""):
        return form
    found = "".join(_translated(text))
    return found if re.search("%[Yy]", found) and re.search("%d", found) and "\0" not in found else ""


def _translated(text: str) -> Iterator[str]:
    """Give the pieces of a format in strptime's letters; NUL for what has none."""
    letters = [match["letters"] for match in _PIECE.finditer(text) if match["letters"]]
    has_half_days = bool({"a", "A", "tt"} & set(letters))
    lower_months = not {"M", "MM", "MMM", "MMMM"} & set(letters)  # yyyy-mm-dd, as spreadsheets have it
    for match in _PIECE.finditer(text):
        piece = match["letters"]
        if piece is None:
            yield (match["quoted"] or match["held"] or match["other"] or "").replace("%", "%%")
        elif piece == "mm" and lower_months:
            lower_months = False
            yield "%m"
        elif piece in {"hh", "h"} and not has_half_days:
            yield "%H"
        else:
            yield _DIRECTIVES.get(piece, "\0")


def meant_zone(name: str, known: Collection[str]) -> str:
    """Say which zone to write for a name that is none of the known ones."""
    plain = name.strip().casefold()
    if match := _OFFSET.fullmatch(plain):
        return _by_offset(match[1], int(match[2]), match[3], known)
    if plain in {"local", "system", "localtime", "server"}:
        return "name the place, such as Europe/Berlin or UTC"
    if zone := next((zone for zone, names in ZONES.items() if plain in names.split("|")), ""):
        return f"did you mean {zone}?"
    names = {zone.rpartition("/")[2].casefold(): zone for zone in known} | {zone.casefold(): zone for zone in known}
    folded = plain.replace(" ", "_")
    near = [folded] if folded in names else difflib.get_close_matches(folded, names, n=3)
    nearest = list(dict.fromkeys(names[match] for match in near))
    return f"did you mean {' or '.join(nearest)}?" if nearest else "use a name such as Europe/Berlin or UTC"


def _by_offset(sign: str, hours: int, minutes: str | None, known: Collection[str]) -> str:
    zone = "UTC" if hours == 0 else f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    if zone not in known or (minutes or "00") != "00":
        return "name the place, such as Asia/Kolkata"
    return f"write {zone}" + (f", whose sign is turned round: it is UTC{sign}{hours}" if hours else "")
