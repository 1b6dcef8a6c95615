"""What may be done to an event on its way, or noticed about it: each code with its words for the summary. A leaf."""

from __future__ import annotations

ALIAS = "alias "
"""How the code of an alias begins; behind it stand the field that was found and the one that it was taken for."""

MENDS = {
    "insert_id_made": ("event", "got an $insert_id made from the content"),
    "insert_id_hashed": ("event", "had an $insert_id that Mixpanel would refuse replaced by its hash"),
    "string_cut": ("text", "cut to 255 characters, as Mixpanel would"),
    "name_cut": ("property name", "cut to 255 characters, as Mixpanel would"),
    "time_read": ("event", "had the time read from text"),
    "time_zone_assumed": ("event", "had a time that names no zone (--timezone says which; UTC unless given)"),
    "time_rounded": ("event", "had a time with a fraction turned into whole milliseconds"),
    "time_unit": ("event", "had a time in microseconds or nanoseconds turned into milliseconds"),
    "id_to_text": ("number", "as distinct_id or $insert_id sent as text"),
    "property_replaced": ("value", "replaced by that of another field (--rename, --time-field and the like)"),
    "ip_empty": ("event", "had an empty ip, which would place the user where this machine is, taken for none"),
    "id_lookalike": ("id", "such as None, NULL or NaN: probably a missing value"),
    "url_split": ("long URL", "split into host, path and parameters"),
    "json_parsed": ("long JSON text", "turned into properties"),
    "string_dropped": ("long text", "left out"),
    "deep_flattened": ("object", "that went too deep flattened"),
    "deep_text": ("object", "that went too deep or wide turned into text"),
}
"""What is counted, since one event may have several of it, and what was done."""

NOTICES = frozenset({"id_lookalike"})
"""The ones that only notice something: the event stays as it is."""


def words_of(mend: str, count: int) -> str:
    """Give the words for a code, to stand behind its count: what was counted first."""
    if mend.startswith(ALIAS):
        name, _, target = mend.removeprefix(ALIAS).rpartition(" ")
        thing, done = "event", f"had the {target} taken from {name!r}"
    else:
        thing, done = MENDS.get(mend, ("", mend))
    return f"{thing}{'s' if thing and count != 1 else ''} {done}".lstrip()
