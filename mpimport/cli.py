"""The command line: from options to a run, signals, the error boundary, the exit code. No rule about events.

What an import needs is loaded when it starts, so that `--help` is there at once.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from errno import ENOSPC
from typing import TYPE_CHECKING, Any

import click

from mpimport.command_line import ImportCommand, problems_of
from mpimport.completion import VARIABLE, complete_file, mend_shells
from mpimport.errors import CannotWrite, MpimportError, Told, UsageProblem, noting
from mpimport.options import EPILOG, HELP, with_options
from mpimport.private_files import forbid_core_files
from mpimport.standard_streams import is_missing, is_null, let_go, open_closed

if TYPE_CHECKING:
    from mpimport.account import Summary
    from mpimport.given import Given
    from mpimport.inputs import FileInput
    from mpimport.settings import Settings


@click.command(
    "mpimport",
    cls=ImportCommand,
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=complete_file)
@with_options
@click.version_option(package_name="mpimport")
def command(sources: tuple[str, ...], **_: Any) -> int:
    """Import the sources. What users see of this is HELP."""
    from mpimport.ending import told_without_summary  # noqa: PLC0415  not needed for --help
    from mpimport.given import bring_together  # noqa: PLC0415

    problems: list[str] = []
    found = bring_together(click.get_current_context(), problems)
    given = found.values
    metrics = None if given["dry_run"] else given["metrics"]
    with told_without_summary(sys.stderr, metrics=metrics, as_json=given["log_format"] == "json"):
        return _import(sources, found, problems)


def _import(sources: Sequence[str], found: Given, problems: list[str]) -> int:
    from mpimport.app import check_settings, import_inputs  # noqa: PLC0415  not needed for --help
    from mpimport.ending import tell_summary  # noqa: PLC0415
    from mpimport.interrupt import Interrupt  # noqa: PLC0415
    from mpimport.report import choose, route_logging  # noqa: PLC0415
    from mpimport.settings_given import settings_of  # noqa: PLC0415

    sources = tuple(_or_standard_input(sources))  # what is wrong beside that is of no interest yet
    interrupt, given = Interrupt(), found.values
    settings, later = settings_of(found, problems), list[str]()
    with noting(later):  # told last: whoever has named no file of theirs is not helped by what else is missing
        check_settings(settings)
    inputs, notes, left_out = _inputs(sources, settings, interrupt, problems, found.files, prints_json=given["as_json"])
    problems += later
    if problems:
        raise UsageProblem(*map(found.place, problems))
    lines_as_json = given["log_format"] == "json"
    report = choose(sys.stderr, progress=given["progress"], level=_level(given), as_json=lines_as_json)

    def tell(summary: Summary) -> Summary:
        asked = {"quiet": given["quiet"], "lines_as_json": lines_as_json, "prints_json": given["as_json"]}
        return tell_summary(summary, report, **asked)

    with route_logging(report), interrupt.installed():
        try:
            for note in (*found.notes, *notes):
                report.say(logging.WARNING, note)
            for note in left_out:
                report.say(logging.INFO, note)
            for line in found.told():
                report.say(logging.DEBUG, line)
            if "-" in sources and sys.stdin.isatty():
                end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
                report.say(logging.INFO, f"reading from the terminal: type or paste events, end with {end}")
            return import_inputs(settings, inputs, report, interrupt, tell).exit_code
        finally:
            report.close()


def _inputs(
    sources: Sequence[str],
    settings: Settings,
    interrupt: Any,
    problems: list[str],
    kept_files: Collection[str],
    *,
    prints_json: bool,
) -> tuple[list[FileInput], list[str], list[str]]:
    """Find the inputs, what to warn of, and what of ours a glob left out; look into each input.

    Nothing is sent when one of them is missing or of no known format.
    """
    from mpimport.app import read_options  # noqa: PLC0415  not needed for --help
    from mpimport.doubts import Doubts  # noqa: PLC0415
    from mpimport.formats import ReadOptions  # noqa: PLC0415
    from mpimport.inputs import FileInput, find_problems  # noqa: PLC0415
    from mpimport.left_behind import kind_of, leave_out  # noqa: PLC0415
    from mpimport.mapping_check import find_doubtful  # noqa: PLC0415
    from mpimport.missing_columns import find_undropped  # noqa: PLC0415
    from mpimport.outputs import find_output_problems  # noqa: PLC0415
    from mpimport.sources import expand  # noqa: PLC0415

    options = ReadOptions()
    with noting(problems):
        options = read_options(settings)
    inputs: list[FileInput] = []
    notes, left_out = list[str](), list[str]()
    with noting(problems):
        found, left_out = expand(sources, encoding=settings.read.encoding, is_ours=kind_of)
        found = leave_out(found, sources, problems, notes, left_out)
        notes.extend(find_doubtful(settings.map))
        doubts = Doubts(settings.map, len(found))
        inputs = [FileInput(source, settings.read.format, options, interrupt, doubts=doubts) for source in found]
        problems.extend(find_problems(inputs, deeper=bool(settings.map.drop)))
        problems.extend(find_undropped(settings.map, [source.names for source in inputs]))
        problems.extend(find_output_problems(settings.run, inputs, kept_files, prints_json=prints_json))
    return inputs, notes, left_out


def _or_standard_input(sources: Sequence[str]) -> Sequence[str]:
    if not sources and (is_missing(sys.stdin) or sys.stdin.isatty()):
        raise UsageProblem("nothing to import: name a file, or pipe events in; mpimport --help shows examples")
    if not sources and is_null(sys.stdin):  # under cron a variable that is not set would be a success for ever
        raise UsageProblem(
            f"no SOURCE is named, and standard input is {os.devnull}; name a file, or - to read that all the same"
        )
    if "-" in sources and is_missing(sys.stdin):
        raise UsageProblem("-: standard input is closed: nothing can be read from it; name a file, or pipe events in")
    return sources or ("-",)


def _level(given: Mapping[str, Any]) -> int:
    return logging.DEBUG if given["verbose"] else logging.WARNING if given["quiet"] else logging.INFO


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the process ends with its exit code, and a traceback is shown for a bug of ours only."""
    open_closed()
    forbid_core_files()
    code = 70
    with suppress(OSError):  # what is told may have nobody who reads it
        given = list(sys.argv[1:] if arguments is None else arguments)
        code = _guarded(lambda: _run(given))
    let_go(sys.stdout)
    let_go(sys.stderr)
    sys.exit(code)


def _run(arguments: list[str]) -> Any:
    """Run the command; what click itself refuses is told as the rest of the line asks: as JSON, and in the metrics."""
    if VARIABLE in os.environ:
        mend_shells()
    try:
        return command.main(arguments, prog_name="mpimport", standalone_mode=False)
    except click.ClickException as misuse:
        from mpimport.ending import told_without_summary  # noqa: PLC0415  not needed for --help

        lenient = command.make_context("mpimport", arguments, resilient_parsing=True, ignore_unknown_options=True)
        asked = lenient.params
        metrics = None if asked["dry_run"] else asked["metrics"]
        with told_without_summary(sys.stderr, metrics=metrics, as_json=asked["log_format"] == "json"):
            raise UsageProblem(*problems_of(misuse)) from misuse


def _guarded(run: Callable[[], Any]) -> int:
    try:
        return int(run() or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except Told as told:
        return told.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except UsageProblem as usage:
        for problem in usage.problems:
            _say_why(problem)
        _say("Nothing was sent.")
        return usage.exit_code
    except MpimportError as error:
        _say_why(str(error))
        return error.exit_code
    except Exception as error:  # noqa: BLE001  the last boundary: a bug is told as one
        return _bug(error)


def _bug(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno == ENOSPC:  # --help; all else is written where such an error is met
        _say("mpimport: standard output cannot be written: no space is left; send it elsewhere")
        return CannotWrite.exit_code
    _say_all(traceback.format_exc())
    _say("mpimport: this is a bug in mpimport; please report it with the lines above")
    return 70


def _say(line: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


def _say_why(problem: str) -> None:
    from mpimport.report import now_as_text  # noqa: PLC0415  not needed for --help

    moment = "" if sys.stderr.isatty() else f"{now_as_text()} "  # a log has no other
    _say(f"{moment}mpimport: {_visible(problem)}")


def _say_all(text: str) -> None:
    for line in text.splitlines():
        _say(_visible(line))


def _visible(text: str) -> str:
    from mpimport.printable import clean  # noqa: PLC0415  not needed for --help

    return clean(text)
