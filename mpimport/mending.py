"""Owns the words for what is done about rejects: mended in their file, by an option, or in the source. Pure.

Must not know how records were read, or where this is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpimport.account import ReasonCount, Summary, Tally
from mpimport.common_cause import MENDED_BY, MIN_READ, MISSING_FIELDS, common_causes, field_names, find_option
from mpimport.summary_text import harmless, named

_IN_SOURCE = (
    *("ragged_row", "bad_quote", "unclosed_quote", "nul_byte", "type_mismatch"),  # rows of a table
    *("invalid_utf8", "record_too_long", "missing_element"),
)
"""Codes of records whose raw text is no event, whatever is mended in it: a row without its header, a part, a comma."""

_NO_EVENTS = {
    "missing_element": "commas too many; mend what writes the source",
    "header_again": "header rows; remove them from the source where they bother",
    "empty_record": "empty rows or records; remove them from the source where they bother",
}
"""What was no event from the first, by its code: where nothing else was rejected, nothing is to be mended."""

_OF_TABLES = ("ragged_row", "bad_quote", "unclosed_quote", "nul_byte")
"""Of these, codes of rows whose cells, once they are mended, help to decide what their columns are."""

_RUN_WITH = {
    "invalid_utf8": ("--encoding NAME", "if all of it is in another encoding (windows-1252 is usual for Excel), "),
    "type_mismatch": ("--misfit text, which leaves such cells text", ""),
}
"""By the code of rejects that are mended by reading the source in another way: the option, and when it helps."""


def mending_steps(summary: Summary, files: Sequence[str]) -> tuple[str, ...]:
    """Say what to do about the rejects, which stand in `files`."""
    tally = summary.tally
    if tally.rejected and (causes := common_causes(tally)):
        return causes
    if not files:
        return ()
    for code, what in _NO_EVENTS.items():
        if code in tally.reasons and tally.reasons[code].count == tally.rejected:
            return (f"no event is missing: what was rejected are {what}",)
    steps = []
    main = _main_reason(tally)
    advice = "" if main is None else _by_option(summary, files, *main)
    if advice and main is not None:
        steps.append(f"{_many(main[1].count, tally.rejected)} have one reason, {main[0]}: {advice}")
    in_source = sum(tally.reasons[code].raw for code in _IN_SOURCE if code in tally.reasons)
    if advice and main is not None and main[0] in _IN_SOURCE:
        in_source -= main[1].raw
    steps.extend(_by_hand(summary, files, in_source, others=not advice))
    return tuple(steps)


def _by_hand(summary: Summary, files: Sequence[str], in_source: int, *, others: bool) -> Iterator[str]:
    """Say what is mended in the source, for so many rejects, or else in their file, where no option mends `others`."""
    tally = summary.tally
    if in_source and _may_change_ids(summary):
        yield from _apart(summary, files, in_source, others=others)
    elif in_source:
        yield (
            f"mend the source at the lines told in {named(files)}, where there is only raw text of "
            f"{_many(in_source, tally.rejected)}, and no event; then remove {_those(files)}, and {_again(summary)}"
        )
    elif "not_an_event" in tally.reasons:
        yield (
            f"what was kept as raw text is no event ({_many(tally.reasons['not_an_event'].count, tally.rejected)}): "
            f"mend it in the sources that {named(files)} names, and import it from there"
        )
    elif others:
        mapped = " with the same mapping options" if summary.mapped else ""
        yield f"mend the events in {named(files)}, then import {_those(files)}{mapped}"


def _main_reason(tally: Tally) -> tuple[str, ReasonCount] | None:
    """Give the one reason of most rejects; none where they have many, or the same events have several."""
    most = [(code, reason) for code, reason in tally.reasons.items() if reason.count * 2 > tally.rejected]
    return most[0] if len(most) == 1 and tally.rejected >= MIN_READ else None


def _by_option(summary: Summary, files: Sequence[str], code: str, reason: ReasonCount) -> str:
    """Say which option mends what was rejected for a reason; nothing where none does."""
    if reason.raw * 2 > reason.count:
        option, where = _RUN_WITH.get(code, ("", ""))
        return f"{where}remove {named(files)}, and {_again(summary, option)}" if option else ""
    option = MENDED_BY.get(code, "")
    if code in MISSING_FIELDS:
        option = find_option(code, field_names(reason.event))
        if option.endswith(" NAME"):  # others have it: it is missing, rather than named otherwise
            alone = code == "distinct_id_missing" and reason.count == summary.tally.rejected
            option = "--set distinct_id=, if these have no user" if alone else ""
    mapped = "the same mapping options and " if summary.mapped else ""
    return f"import {named(files)} with {mapped}{option}" if option else ""


def _may_change_ids(summary: Summary) -> bool:
    """Tell whether rows that were sent may get other ids, where rows that could not be read are mended beside them."""
    tally = summary.tally
    made = not summary.dry_run and tally.mends["insert_id_made"]
    return bool(made) and any(code in tally.reasons for code in _OF_TABLES)


def _apart(summary: Summary, files: Sequence[str], rows: int, *, others: bool) -> Iterator[str]:
    """Say how rows are mended without the source being read anew, and what becomes of `others` in their file."""
    yield (
        f"mend the rows told in {named(files)}, where there is only raw text of "
        f"{_many(rows, summary.tally.rejected)}, in a file of their own below the header row, and import that with the "
        f"same options: the whole source with them could get other types of columns, so other $insert_ids, and arrive "
        f"a second time"
    )
    if others and rows < summary.tally.rejected:
        yield f"mend the events in {named(files)}, remove the lines of raw text there, then import {_those(files)}"


def _again(summary: Summary, option: str = "") -> str:
    restart = "" if summary.checkpoint is None else "--restart"  # a source that was mended is another one
    options = " and ".join(filter(None, (restart, option)))
    given = f" with {options}" if options else ""
    harm = harmless(summary)
    if harm and option.startswith("--encoding") and summary.tally.mends["insert_id_made"]:
        harm += ", as long as the columns of a table keep their types"  # rows that can be read now decide, too
    return f"run the same command again{given}{harm}"


def _those(files: Sequence[str]) -> str:
    return "that file" if len(files) == 1 else "those files"


def _many(count: int, rejected: int) -> str:
    if rejected == 1:
        return "the one reject"
    every = "both" if rejected == 2 else f"all {rejected:,}"
    return f"{every} rejects" if count >= rejected else f"{count:,} of {rejected:,} rejects"
