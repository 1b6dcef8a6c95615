"""Owns the words for what is done about rejects: mended in their file, by an option, or in the source. Pure.

Must not know how records were read, or where this is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mpimport.account import ReasonCount, Summary, Tally
from mpimport.common_cause import MENDED_BY, MIN_READ, MISSING_FIELDS, common_causes, find_option
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
        if not (tally.rejected and summary.rejected_files) or summary.dry_run:
            return ()
        return (f"what was rejected is kept nowhere: name a file with --rejected, and {_again(summary)}",)
    for code, what in _NO_EVENTS.items():
        if code in tally.reasons and tally.reasons[code].count == tally.rejected:
            return (f"no event is missing: what was rejected are {what}",)
    steps = []
    main = _main_reason(tally)
    advice = "" if main is None else _by_option(summary, files, *main)
    in_source = {code: reason.raw for code, reason in tally.reasons.items() if code in _IN_SOURCE and reason.raw}
    if advice and main is not None:
        in_source.pop(main[0], None)
        apart = sum(in_source.values()) + _strays(tally)
        first = f"mend the others in {named(files)}, then " if main[1].count + apart < tally.rejected else ""
        first = first if advice.startswith("import ") else ""
        steps.append(f"{_many(main[1].count, tally.rejected)} have one reason, {main[0]}: {first}{advice}")
    steps.extend(_by_hand(summary, files, in_source, others=not advice))
    return tuple(steps)


def _by_hand(summary: Summary, files: Sequence[str], in_source: dict[str, int], *, others: bool) -> Iterator[str]:
    """Say what is mended in the file of rejects, where no option mends `others`, and what in the source, by codes."""
    tally = summary.tally
    rows = sum(in_source.values())
    strays = _strays(tally)
    if others and (not rows + strays or rows + strays < tally.rejected):
        mapped = " with the same mapping options" if summary.mapped else ""
        whole = tally.reasons["server_refused"].count if "server_refused" in tally.reasons else 0
        if whole and whole == tally.rejected:
            yield (
                f"import {named(files)} later{mapped}; the server refused {_many(whole, tally.rejected)} in words that "
                "stand there: if they are about the events, mend these first, else it was the server's fault"
            )
        else:
            fine = (
                f"; those with server_refused ({whole:,}) may be right: then it was the server's fault" if whole else ""
            )
            yield f"mend the events in {named(files)}, then import {_those(files)}{mapped}{fine}"
    if rows and rows >= tally.rejected and summary.checkpoint is None and not _may_change_ids(summary):
        yield (
            f"mend the source at the lines told in {named(files)}, where only raw text is kept of "
            f"{_many(rows, tally.rejected)}; then remove {_those(files)}, and {_again(summary)}"
        )
    elif rows:
        yield _apart(summary, files, in_source)
    if strays:
        yield (
            f"what was kept as raw text is no event ({_many(strays, tally.rejected)}): "
            f"mend it in the sources that {named(files)} names, and import it from there"
        )


def _strays(tally: Tally) -> int:
    return tally.reasons["not_an_event"].count if "not_an_event" in tally.reasons else 0


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
        option = find_option(code, reason.event)
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


def _apart(summary: Summary, files: Sequence[str], in_source: dict[str, int]) -> str:
    """Say how what has no event in the files is mended without the source being read anew."""
    rows = sum(in_source.values())
    has, its, thing = ("has", "its", "line") if rows == 1 else ("have", "their", "lines")
    below = " below the header row" if in_source.keys() & {*_OF_TABLES, "type_mismatch"} else ""
    why = "; the whole source could get other $insert_ids, and arrive twice" if _may_change_ids(summary) else ""
    return (
        f"{_many(rows, summary.tally.rejected)} ({', '.join(in_source)}) {has} only raw text in {named(files)}, and no "
        f"event: copy {its} {thing} of the source to a new file{below}, mend it, and import that file with the same "
        f"options{why}"
    )


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
