"""The audit for people, as lines of 80 columns: pure, from an `AuditReport` and the `Tally`.

What to act on comes first, each with what to do; then what the events are. A screen, two if there is much to act
on, at most 96 lines. Everything from outside passes through `clean`. Does not know where it is printed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from textwrap import wrap

from mpimport.account import Tally, top_reasons
from mpimport.audit import HOT_SHARD, MAX_EVENT_NAMES, AuditReport, Personal
from mpimport.common_cause import MENDED_BY
from mpimport.printable import clean
from mpimport.sketches import Place

WIDTH = 80
TOP_REASONS = 5
TOP_NAMES = 5
TOP_PROPERTIES = 10
TOP_DETAILS = 2
BAR = 30

_UTF8 = "convert the file: iconv -f LATIN1 -t UTF-8"
_NO_TIME = "--time-field NAME, where the time has another name; --rename OLD=time"
_USER = "--distinct-id-field NAME; an empty text is legal for 'no user'"
_NAME = "--event-name NAME for all, or --event-field NAME"
_CSV = "--delimiter C, or mend the row in the source"
_RETRY = "mend the events in the rejected-events file, then import that file"
_SOURCE = "mend the source at that place"

HINTS: Mapping[str, str] = {
    **MENDED_BY,
    **dict.fromkeys(("not_json", "duplicate_key", "lone_surrogate"), _RETRY),
    **dict.fromkeys(("missing_element", "record_too_long"), _SOURCE),
    **dict.fromkeys(("server_invalid", "server_refused", "event_not_text"), _RETRY),
    **dict.fromkeys(("invalid_utf8",), f"--encoding NAME, or {_UTF8}"),
    **dict.fromkeys(("empty_record", "header_again"), "no event is missing: leave such rows, or remove them"),
    "not_an_event": "mend it in its source, which is named there, and import it from there",
    "not_an_object": "--format json for an array of events; --json-path PATH for one inside",
    **dict.fromkeys(("event_missing", "event_empty"), _NAME),
    "properties_not_an_object": _RETRY,
    "time_missing": _NO_TIME,
    "time_too_old": "--time-field or --time-format if misread; old ones: --endpoint import",
    **dict.fromkeys(
        ("distinct_id_missing", "distinct_id_not_text", "distinct_id_disallowed", "distinct_id_too_long"), _USER
    ),
    **dict.fromkeys(("insert_id_missing", "insert_id_invalid"), MENDED_BY["insert_id_not_text"]),
    "insert_id_source_missing": "--insert-id-from A,B with properties that every event has",
    "type_mismatch": "--type NAME=string, or --misfit text, or mend the source",
    "event_too_large": "--drop NAME, --drop-long NAME for free text, --keep NAME",
    **dict.fromkeys(("name_too_long", "name_not_text"), "--rename OLD=NEW, or --drop NAME"),
    **dict.fromkeys(("ragged_row", "bad_quote", "unclosed_quote"), _CSV),
    "nul_byte": "--encoding utf-16, or the file is damaged",
}
"""What would mend a reject, by the code of its reason; `_RETRY` for a code that is not here."""


def audit_lines(
    report: AuditReport, tally: Tally, *, ascii_only: bool = False, doubts: Sequence[str] = ()
) -> list[str]:
    """Write the audit; `ascii_only` for a stream that can print nothing else. `doubts`: of what was read."""
    findings = [list(_doubts(doubts)), *(list(finding(report)) for finding in FINDINGS)]
    found = [finding for finding in findings if finding]
    lines = [f"audit of {_many(report.events, 'event')} that would be sent", *_rejects(tally)]
    if report.events:
        lines += [
            "what to act on, the most important first:" if found else "in what would be sent, nothing needs a decision",
            *chain.from_iterable(found),
            *_times(report, "#" if ascii_only else "\u2588"),
            *_users(report),
            *_events(report),
            *_properties(report),
        ]
    elif found:
        lines += chain.from_iterable(found)
    if ascii_only:
        lines = [line.encode("ascii", "backslashreplace").decode() for line in lines]
    return [_fit(line) for line in lines]


def _rejects(tally: Tally) -> Iterator[str]:
    reasons = top_reasons(tally)
    if reasons:
        yield f"{_many(tally.rejected, 'event')} rejected, by reason (an event may have several):"
    for rank, (code, reason) in enumerate(reasons[:TOP_REASONS]):
        yield f"{reason.count:>11,} {code}, first at {_place(Place(reason.source, reason.number), 36)}"
        yield from _message(clean(reason.message), lines=2 if rank < TOP_DETAILS else 1)
        yield _do(HINTS.get(code, _RETRY))
    if len(reasons) > TOP_REASONS:
        yield f"            and {_many(len(reasons) - TOP_REASONS, 'reason')} more; --json tells them all"


def _message(text: str, *, lines: int) -> Iterator[str]:
    """Break a message, whose end says what to do, into lines; the last is cut where it does not fit."""
    first = next(iter(wrap(text, WIDTH - 6, break_on_hyphens=False)), "") if lines > 1 else text
    yield f"      {first}"
    if rest := text.removeprefix(first).lstrip():
        yield f"        {rest}"


def _doubts(doubts: Sequence[str]) -> Iterator[str]:
    if doubts:
        yield f"  {_many(len(doubts), 'doubt')} about names or columns:"
    for doubt in doubts[: TOP_DETAILS + 2]:
        yield from _message(clean(doubt), lines=2)
    if len(doubts) > TOP_DETAILS + 2:
        yield f"      and {len(doubts) - TOP_DETAILS - 2:,} more"


def _collisions(report: AuditReport) -> Iterator[str]:
    if report.collisions:
        yield f"  {_many(report.collisions, 'event')} would be LOST: same event, time, distinct_id, $insert_id as"
        yield "  another, different otherwise; the server keeps one of them"
        yield from _pairs(report.collision_examples)
        yield _do("--insert-id-from A,B with properties that tell them apart")


def _hot_shards(report: AuditReport) -> Iterator[str]:
    if report.hot_shards:
        yield f"  hot shards: over {HOT_SHARD:,} events of one distinct_id on one day (UTC); Mixpanel"
        yield "  takes the surplus from its user and renames it $hotshard_events"
    for shard in report.hot_shards[:TOP_DETAILS]:
        many = f"{shard.at_least:,}" if shard.at_least == shard.at_most else f"{shard.at_least:,} to {shard.at_most:,}"
        yield f"      {shard.day}  {many} of {_short(shard.distinct_id, 40)}"
    yield from _more(len(report.hot_shards))
    if report.hot_shards:
        yield _do("--distinct-id-field NAME with a real id, or an empty text for no user")


def _too_many_names(report: AuditReport) -> Iterator[str]:
    if report.too_many_event_names:
        about = "about " if report.other_events else ""
        yield f"  {about}{report.distinct_event_names:,} different event names; Mixpanel's default limit on event names"
        yield f"  is {MAX_EVENT_NAMES:,}: is a number or an id part of the name?"
        yield _do("--event-name NAME or --event-field NAME, and the rest as a property")


def _personal(report: AuditReport) -> Iterator[str]:
    found = sorted(report.personal, key=lambda one: (one.by == "name", -one.matching, one.property))
    if found:
        yield "  these look like personal data:"
    for one in found[: TOP_DETAILS + 2]:
        yield f"      {_short(one.property, 30)}: {_why(one)}"
    yield from _more(len(found), TOP_DETAILS + 2)
    if any(one.property != "distinct_id" for one in found):
        yield _do("--drop NAME, unless you may send it")
    if any(one.property == "distinct_id" for one in found):
        yield _do("--distinct-id-field NAME with an id that names nobody")


def _why(one: Personal) -> str:
    if one.by == "name":
        return f"{one.kind}, by its name"
    return f"{one.kind}, {one.matching:,} of {one.sampled:,} values looked into"


def _mixed(report: AuditReport) -> Iterator[str]:
    mixed = [use for use in report.properties if use.mixed]
    if mixed:
        yield f"  {_many(len(mixed), 'property')} of mixed types, which Mixpanel filters as different ones:"
    for use in mixed[:TOP_DETAILS]:
        yield f"      {_short(use.name, 30)}: {', '.join(f'{count:,} {kind}' for kind, count in use.types.items())}"
    yield from _more(len(mixed))
    if mixed:
        yield _do("--type NAME=string (or number, boolean, ...)")


def _alike(report: AuditReport) -> Iterator[str]:
    alike = [*report.alike_event_names, *report.alike_properties]
    if alike:
        yield "  names that differ only in case or white space are different ones to Mixpanel:"
    for names in alike[:TOP_DETAILS]:
        shown = (f"'{_fit(clean(name), 24)}' ({count:,})" for name, count in islice(names.items(), 3))
        yield f"      {', '.join(shown)}"
    yield from _more(len(alike))
    if report.alike_properties:
        yield _do("--rename OLD=NEW")
    if report.alike_event_names:
        yield _do("--event-field NAME, if a field has the one name; else mend the source")


def _long_texts(report: AuditReport) -> Iterator[str]:
    long = [use for use in report.properties if use.long_texts]
    if long:
        yield "  texts of 255 characters or more; the server keeps 255 of them:"
    for use in long[:TOP_DETAILS]:
        yield f"      {_short(use.name, 30)}: {use.long_texts:,}, the longest {use.longest:,} as sent"
    yield from _more(len(long))
    if long:
        yield _do("--split-urls, --parse-json, --drop-long NAME, or --long-strings KIND")


def _duplicates(report: AuditReport) -> Iterator[str]:
    if report.duplicates:
        yield f"  {_many(report.duplicates, 'event')} equal to another in everything; the server keeps one of each"
        yield from _pairs(report.duplicate_examples)
        yield _do("nothing, if they are duplicates; else --insert-id-from A,B")


FINDINGS = (_collisions, _hot_shards, _too_many_names, _personal, _mixed, _alike, _long_texts, _duplicates)
"""The most important first; each yields nothing when there is nothing to tell."""


def _times(report: AuditReport, block: str) -> Iterator[str]:
    if report.first_time and report.last_time:
        yield f"time (UTC): {report.first_time} to {report.last_time}, by {report.time_unit}"
    most = max(report.time_buckets.values(), default=0)
    for label, count in report.time_buckets.items():
        yield f"  {label:<10} {count:>13,} {block * -(-BAR * count // most)}".rstrip()


def _users(report: AuditReport) -> Iterator[str]:
    without = f"; {_many(report.events_without_user, 'event')} without a user" if report.events_without_user else ""
    about = "about " if report.users > 1 else ""
    yield f"users: {about}{report.users:,} (by distinct_id){without}"


def _events(report: AuditReport) -> Iterator[str]:
    about = "about " if report.other_events else ""
    yield f"events: {about}{_many(report.distinct_event_names, 'name')}"
    for name, count in islice(report.event_names.items(), TOP_NAMES):
        yield f"  {count:>13,} {_percent(count, report.events)} {_short(name, 50)}"
    yield from _more(report.distinct_event_names, TOP_NAMES, "  ")


def _properties(report: AuditReport) -> Iterator[str]:
    shown = [use for use in report.properties if use.name not in ("time", "distinct_id", "$insert_id", "ip")]
    hidden = len(report.properties) - len(shown)
    total = report.distinct_properties - hidden
    about = "about " if report.other_properties else ""
    yield f"properties: {about}{_many(total, 'name')}{', by share of the events, with types' if total else ''}"
    for use in shown[:TOP_PROPERTIES]:
        types = ", ".join(kind if len(use.types) == 1 else f"{kind} {count:,}" for kind, count in use.types.items())
        yield f"  {_percent(use.count, report.events)} {_pad(_short(use.name, 28), 28)} {types}"
    yield from _more(total, TOP_PROPERTIES, "  ")


def _pairs(pairs: Iterable[tuple[Place, Place]]) -> Iterator[str]:
    for earlier, later in islice(pairs, 2):
        yield f"      {_place(later, 30)} and {_place(earlier, 30)}"


def _place(place: Place, width: int = 24) -> str:
    source = clean(place.source)
    return f"{source if len(source) <= width else f'...{source[3 - width :]}'}:{place.line}"


def _do(what: str) -> str:
    return f"      -> {what}"


def _more(total: int, shown: int = TOP_DETAILS, indent: str = "      ") -> Iterator[str]:
    if total > shown:
        yield f"{indent}and {total - shown:,} more; --audit FILE.json tells them all"


def _many(number: int, thing: str) -> str:
    plural = {"property": "properties"}.get(thing, f"{thing}s")
    return f"{number:,} {thing if number == 1 else plural}"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:>5.1f}%" if part == whole or 0.1 <= share < 99.95 else (" <0.1%" if share < 0.1 else ">99.9%")


def _columns(c: str) -> int:
    return 0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(c) in "WF")


def _short(text: str, width: int) -> str:
    """Clean a name, and cut it to a number of columns; in quotes where its beginning or end could not be seen."""
    return _fit(clean(text if text and text == text.strip() else f"'{text}'"), width)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - sum(map(_columns, text)))


def _fit(text: str, width: int = WIDTH) -> str:
    if sum(map(_columns, text)) <= width:
        return text
    kept, room = "", width - 3
    for c in text:
        room -= _columns(c)
        if room < 0:
            break
        kept += c
    return f"{kept}..."
