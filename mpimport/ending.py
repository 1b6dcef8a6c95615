"""How the end of a run is told: its summary, or what there is where it has none: metrics, JSON log lines.

Knows neither click nor what was to be imported.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mpimport.account import Summary, reject_examples
from mpimport.errors import MpimportError, Told, UsageProblem
from mpimport.printable import clean
from mpimport.report import Lines, Report, print_summary, write
from mpimport.standard_streams import draws_blocks, is_missing
from mpimport.summary_text import next_steps, summary_lines

MAX_LOGGED_EXAMPLES = 5  # ours: collectors of logs cut long lines


@contextmanager
def told_without_summary(out: TextIO, *, metrics: str | None, as_json: bool) -> Iterator[None]:
    """Tell of what ends the block with an exception, and let it go on; said as JSON, it is said. Raises Told then."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        exit_code = error.exit_code if isinstance(error, MpimportError) else MpimportError.exit_code
        if isinstance(error, KeyboardInterrupt):
            exit_code = 130
        if metrics is not None and metrics.endswith(".prom"):
            from mpimport.metrics import fail  # noqa: PLC0415  60 ms

            refused = isinstance(error, UsageProblem) and any("--metrics" in problem for problem in error.problems)
            with suppress(OSError):  # whoever looks at them sees that they are old
                if not refused:
                    fail(Path(metrics), exit_code)
        if not as_json:
            raise
        lines = Lines(out, level=logging.ERROR, as_json=True)
        problems = _problems(error)
        sent = "nothing was sent: " if isinstance(error, UsageProblem) else ""
        lines.say(logging.ERROR, sent + "; ".join(problems), exit_code=exit_code, problems=problems)
        raise Told(exit_code) from error


def tell_summary(summary: Summary, report: Report, *, quiet: bool, lines_as_json: bool, prints_json: bool) -> Summary:
    """Tell a summary to people, or as log lines that are JSON, and on standard output to programs.

    Gives it back, with the exit code for what cannot be written where a program could not be told.
    """
    report.close()
    if lines_as_json:
        problem = _print_json(summary) if prints_json else ""
        summary = summary.with_unwritten(problem) if problem else summary
        say_summary(summary, report)
        return summary
    if summary.exit_code or not quiet:
        if summary.audit is not None and summary.tells_audit:
            from mpimport.audit_text import audit_lines  # noqa: PLC0415  only after a dry run

            told = audit_lines(
                summary.audit, summary.tally, ascii_only=not draws_blocks(sys.stderr), doubts=summary.doubts
            )
            write(sys.stderr, "\n".join([*told, ""]) + "\n")
        steps = next_steps(summary)
        print_summary(
            lambda most: summary_lines(summary, next_steps=steps, most_reasons=most),
            sys.stderr,
            exit_code=summary.exit_code,
        )
    problem = _print_json(summary) if prints_json else ""
    if problem:
        report.say(logging.ERROR, problem)
        return summary.with_unwritten(problem)
    return summary


def _print_json(summary: Summary) -> str:
    """Print a summary for programs; what it gives back says why it could not be, or is empty."""
    try:
        if is_missing(sys.stdout):
            raise OSError  # noqa: TRY301  the same as a full disk
        sys.stdout.write(json.dumps(summary.as_json()) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError):  # no room for it, closed, or whoever asked for it has gone
        return "--json: the summary cannot be written to standard output; see that it is open"
    return ""


def say_summary(summary: Summary, report: Report) -> None:
    """Say the summary as one log line, for alerts count lines: how the run ended, and as fields all there is to it."""
    failed = summary.exit_code > 1 or summary.in_vain
    level = logging.ERROR if failed else logging.WARNING if summary.exit_code else logging.INFO
    report.say(
        level,
        "; ".join([summary_lines(summary)[0], *map(clean, summary.unwritten)]),
        exit_code=summary.exit_code,
        next_steps=list(next_steps(summary)),
        reject_examples=reject_examples(summary.tally, MAX_LOGGED_EXAMPLES),
        summary=summary.as_json(),
    )


def _problems(error: BaseException) -> Sequence[str]:
    if isinstance(error, KeyboardInterrupt):
        return ("interrupted; run the same command again",)
    if isinstance(error, UsageProblem):
        return error.problems
    if isinstance(error, MpimportError):
        return (str(error),)
    return (f"this is a bug in mpimport; please report it: {''.join(traceback.format_exception(error))}",)
