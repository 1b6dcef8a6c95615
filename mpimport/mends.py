"""What may be done to an event on its way, or noticed about it: each code with its words for the summary. A leaf."""

from __future__ import annotations

ALIAS = "alias "
"""How the code of an alias begins; behind it stand the field that was found and the one that it was taken for."""

MENDS = {
    "insert_id_made": "got an $insert_id made from their content",
    "insert_id_hashed": "had an $insert_id that Mixpanel would refuse replaced by its hash",
    "string_cut": "had text cut to 255 characters, as Mixpanel would",
    "name_cut": "had a property name cut to 255 characters, as Mixpanel would",
    "time_read": "had their time read from text",
    "time_zone_assumed": "had a time that names no zone (--timezone says which; UTC unless given)",
    "time_rounded": "had a time with a fraction turned into whole milliseconds",
    "time_unit": "had a time in microseconds or nanoseconds turned into milliseconds",
    "id_to_text": "had a numeric distinct_id or $insert_id sent as text",
    "property_replaced": "had a value replaced by that of another field (--rename, --time-field and the like)",
    "ip_empty": "had an empty ip, which would place them where this machine is, taken for none",
    "id_lookalike": "have an id such as None, NULL or NaN: probably a missing value",
    "url_split": "had a long URL split into host, path and parameters",
    "json_parsed": "had long JSON text turned into properties",
    "string_dropped": "had long text left out",
    "deep_flattened": "had an object that is too deep flattened",
    "deep_text": "had an object that is too deep or wide turned into text",
}

NOTICES = frozenset({"id_lookalike"})
"""The ones that only notice something: the event stays as it is."""


def words_of(mend: str) -> str:
    """Give the words for a code."""
    if mend.startswith(ALIAS):
        name, _, target = mend.removeprefix(ALIAS).rpartition(" ")
        return f"had their {target} taken from {name!r}"
    return MENDS.get(mend, mend)
