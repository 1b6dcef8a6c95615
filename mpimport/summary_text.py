"""The summary for people, as lines of text: pure, from a `Summary`. Fits one screen of 80 columns."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mpimport.account import ReasonCount, Summary, top_reasons
from mpimport.errors import BrokenInput, CannotWrite
from mpimport.mends import words_of
from mpimport.printable import clean

TOP_REASONS = 8
NAMED_FILES = 3


def megabytes(nbytes: float) -> str:
    """Write a number of bytes for people, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1000
    return f"{nbytes:.1f} TB"


def speed_of(fine: int, rejected: int, seconds: float) -> str:
    """Write how many events were seen to in a second; empty where all were rejected, which says nothing of sending."""
    return f"{(fine + rejected) / seconds:,.0f} events/s" if fine and seconds > 0 else ""


def duration(seconds: float) -> str:
    """Write a duration for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def many(number: int, thing: str) -> str:
    """Write a number of things: the thing in its plural unless there is one."""
    return f"{number:,} {thing if number == 1 else _PLURALS.get(thing, f'{thing}s')}"


def followed_by(words: str, more: str) -> str:
    """Write two clauses in one line: a question before it keeps its mark and takes no other."""
    return f"{words} {more[:1].upper()}{more[1:]}" if words.endswith("?") else f"{words}; {more}"


_PLURALS = {"retry": "retries"}


def summary_lines(summary: Summary, *, next_steps: tuple[str, ...] = (), most_reasons: int = TOP_REASONS) -> list[str]:
    """Write the summary: where to, the account, the reasons with an example each, what to do next."""
    return [
        _headline(summary),
        *_account(summary),
        *(() if summary.tells_audit else _reasons(summary, most_reasons)),  # an audit tells what mends them, too
        *_mends(summary),
        *(f"error: {clean(words)}" for words in summary.unwritten),
        *(f"note: {clean(note)}" for note in summary.notes),
        *(f"next: {step}" for step in next_steps),
    ]


def _headline(summary: Summary) -> str:
    tally = summary.tally
    if summary.stopped:
        return f"STOPPED: {clean(summary.stopped)}"
    into = f"into {clean(summary.destination)}"
    if summary.dry_run and not tally.read:
        return f"dry run: no event was read to import {into}"
    if summary.dry_run:
        return f"dry run: {tally.valid:,} of {many(tally.read, 'event')} would be imported {into}"
    if not tally.read:
        return f"nothing was left to import {into}" if summary.resumed else f"no event was read to import {into}"
    remaining = "the remaining " if summary.resumed else ""
    if tally.imported == tally.read:
        every = {1: "the one event", 2: "both events"}.get(tally.read, f"all {many(tally.read, 'event')}")
        return f"imported {remaining + many(tally.read, 'event') if remaining else every} {into}"
    imported = "NONE" if summary.in_vain else f"{tally.imported:,}"
    return f"imported {imported} of {remaining}{many(tally.read, 'event')} {into}"


def _account(summary: Summary) -> Iterator[str]:
    tally = summary.tally
    if summary.stopped and not (tally.read or tally.requests or summary.resumed):
        yield "No event was read, and nothing was sent."
        return
    if summary.stopped:
        yield f"  to           {clean(summary.destination)}"
    if summary.resumed:
        yield f"  earlier runs {tally.already_imported:>13,}  imported, {tally.already_rejected:,} rejected"
    yield f"  read         {tally.read:>13,}"
    if summary.dry_run:
        yield f"  valid        {tally.valid:>13,}  (nothing was sent)"
    else:
        yield f"  imported     {tally.imported:>13,}"
    yield f"  rejected     {tally.rejected:>13,}{_into(summary.rejected_files)}"
    yield f"  undelivered  {tally.undelivered:>13,}{_into(summary.undelivered_files)}"
    speed = speed_of(tally.imported + tally.valid, tally.rejected, summary.seconds)
    sent = "" if summary.dry_run else f"{many(tally.requests, 'request')}, {many(tally.retries, 'retry')}, "
    yield f"  {sent}{megabytes(tally.nbytes)} of JSON, {duration(summary.seconds)}{speed and f', {speed}'}"


def _into(files: tuple[str, ...]) -> str:
    if not files:
        return ""
    more = f" and {many(len(files) - 1, 'file')} more" if len(files) > 1 else ""
    return f"  -> {clean(files[0])}{more}"


def _reasons(summary: Summary, most: int) -> Iterator[str]:
    reasons = top_reasons(summary.tally)
    if reasons:
        yield "why events were rejected (an event may have several reasons):"
    for code, reason in reasons[:most]:
        yield f"  {reason.count:>9,} {code}: {_example(reason)}"
    if len(reasons) > most:
        yield f"            and {len(reasons) - most} more; --json tells them all"


def _example(reason: ReasonCount) -> str:
    return f"{clean(reason.source)}:{reason.number}: {clean(reason.message)}"


def _mends(summary: Summary) -> Iterator[str]:
    mends = summary.tally.mends.most_common()
    if mends:
        yield "what was changed or noticed on the way:"
    for mend, count in mends:
        yield f"  {count:>9,} {clean(words_of(mend, count))}"


def next_steps(summary: Summary) -> tuple[str, ...]:
    """Say what to do after a run that did not import everything."""
    steps = []
    repeats = not (summary.undelivered_files or summary.cut_short)  # else another step says how to go on
    if summary.checkpoint is not None:
        steps.append(_continue(summary.exit_code, again=f"{_AGAIN} without --restart" if summary.restarted else _AGAIN))
    elif repeats and summary.exit_code in (5, 129, 130, 143) and summary.stopped:
        steps.append(f"run the same command again{harmless(summary)}")
    elif repeats and summary.exit_code == CannotWrite.exit_code and not summary.tally.undelivered:
        steps.append(f"mend what kept a file from being written, and {_AGAIN} to have it{harmless(summary)}")
    elif repeats and summary.exit_code == BrokenInput.exit_code:
        note = harmless(summary) if summary.tally.requests else ""
        steps.append(f"when the input is whole and right, run the same command again{note}")
    elif repeats and summary.exit_code == 4:
        steps.append("mend what stopped it (--project-id, the credentials, --url), and run the same command again")
    kept = [file for file in summary.rejected_files if file != os.devnull]
    if kept or summary.tally.rejected:
        from mpimport.mending import mending_steps  # noqa: PLC0415  only when something was rejected

        steps.extend(mending_steps(summary, kept))
    if summary.cut_short:
        steps.append(f"send the whole input again, for a part was not read or is saved nowhere{harmless(summary)}")
    elif summary.undelivered_files:
        held = "holds" if len(summary.undelivered_files) == 1 else "hold"
        steps.append(f"import {named(summary.undelivered_files)}, which {held} what could not be delivered")
    return tuple(steps)


def named(files: Sequence[str]) -> str:
    """Name files: 3 of them, and of more how many there are, and in which folder where that is one."""
    shown = [clean(file) for file in files[:NAMED_FILES]]
    if len(files) > NAMED_FILES:
        folders = {os.path.dirname(file) for file in files}  # noqa: PTH120  a name as the user gave it
        where = f" in {clean(*folders)}" if len(folders) == 1 and any(folders) else ""
        shown.append(f"{len(files) - NAMED_FILES:,} more{where}")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def harmless(summary: Summary) -> str:
    """Say, where a run is to be repeated that may have sent something, that nothing comes of it twice."""
    sent = summary.tally.requests or summary.resumed
    return "; events that arrive twice are deduplicated by their $insert_id" if sent else ""


_AGAIN = "run the same command again"


def _continue(exit_code: int, again: str) -> str:
    """Say how a run that has left a checkpoint is gone on with."""
    on = "it continues where this one stopped"
    if exit_code == 3:
        return f"{again} with another --max-rejected, and {on}; after other changes --restart"
    if exit_code == 4:
        return f"mend that and {again}: {on}"
    if exit_code == 6:
        return f"when the input is whole and right, {again}: {on}; a file that changed takes --restart"
    return f"{again}: {on}"
