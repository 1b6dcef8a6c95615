"""The command line: options -> settings, signals, the error boundary, the exit code. No rule about events.

What an import needs is loaded when it starts, so that `--help` is there at once.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mpimport.errors import MpimportError, Told, UsageProblem
from mpimport.options import HELP, options_given, with_options
from mpimport.private_files import forbid_core_files
from mpimport.standard_streams import let_go, open_closed

if TYPE_CHECKING:
    from mpimport.account import Summary
    from mpimport.inputs import FileInput
    from mpimport.settings import MapSettings, SendSettings, Settings


@click.command(
    "mpimport", help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@with_options
@click.version_option(package_name="mpimport")
def command(sources: tuple[str, ...], **given: Any) -> int:
    """Import the sources. What users see of this is HELP."""
    from mpimport.ending import told_without_summary  # noqa: PLC0415  not needed for --help

    metrics = None if given["dry_run"] else given["metrics"]
    with told_without_summary(sys.stderr, metrics=metrics, as_json=given["log_format"] == "json"):
        return _import(sources, given)


def _import(sources: tuple[str, ...], given: Mapping[str, Any]) -> int:
    from mpimport.app import check_settings, import_inputs  # noqa: PLC0415  not needed for --help
    from mpimport.ending import tell_summary  # noqa: PLC0415
    from mpimport.interrupt import Interrupt  # noqa: PLC0415
    from mpimport.report import choose, route_logging  # noqa: PLC0415

    interrupt = Interrupt()
    problems: list[str] = []
    with _noting(problems):
        check_settings(settings := _settings(given, problems))
    inputs, notes = _inputs(sources, settings, interrupt, problems, given["mapping"])
    if problems:
        raise UsageProblem(*problems)
    lines_as_json = given["log_format"] == "json"
    report = choose(sys.stderr, progress=given["progress"], level=_level(given), as_json=lines_as_json)

    def tell(summary: Summary) -> None:
        tell_summary(summary, report, quiet=given["quiet"], lines_as_json=lines_as_json, prints_json=given["as_json"])

    with route_logging(report), interrupt.installed():
        try:
            for note in notes:
                report.say(logging.WARNING, note)
            return import_inputs(settings, inputs, report, interrupt, tell).exit_code
        finally:
            report.close()


def _settings(given: Mapping[str, Any], problems: list[str]) -> Settings:
    """Build the settings, adding to `problems` what cannot be one."""
    from mpimport.credentials import gather  # noqa: PLC0415  not needed for --help
    from mpimport.settings import (  # noqa: PLC0415
        BatchSettings,
        ReadSettings,
        RunSettings,
        Settings,
        parse_max_rejected,
    )

    max_rejected = None
    if given["max_rejected"] is not None:
        try:
            max_rejected = parse_max_rejected(given["max_rejected"])
        except ValueError as error:
            problems.append(f"--max-rejected: {error}")
    return Settings(
        read=ReadSettings(
            format=given["format_name"],
            json_path=given["json_path"],
            delimiter=given["delimiter"],
            encoding=given["encoding"],
            misfit=given["misfit"],
        ),
        map=_map_settings(given, problems),
        batch=BatchSettings(
            max_events=given["batch_size"],
            max_bytes=given["batch_bytes"],
            content_type=given["content_type"],
            gzip_level=given["gzip_level"],
            gzip=not given["no_gzip"],
            geolocate=given["geolocate"],
        ),
        send=_send_settings(given),
        run=RunSettings(
            rejected=given["rejected"],
            max_rejected=max_rejected,
            dry_run=given["dry_run"],
            sandbox=given["sandbox"],
            audit=given["audit"],
            checkpoint=given["checkpoint"],
            restart=given["restart"],
            keeps_checkpoint=not given["no_checkpoint"],
            reports=given["report"],
            metrics=given["metrics"],
            options=options_given(click.get_current_context()) if given["report"] else {},
        ),
        credentials=gather(given, problems),
    )


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def _send_settings(given: Mapping[str, Any]) -> SendSettings:
    from mpimport.settings import SendSettings  # noqa: PLC0415  not needed for --help

    return SendSettings(
        endpoint=given["endpoint"],
        region=given["region"],
        region_given=_is_given("region"),
        url=given["url"],
        proxy=given["proxy"],
        ca_bundle=given["ca_bundle"],
        workers=given["workers"],
        timeout_s=given["timeout"],
        connect_timeout_s=given["connect_timeout"],
        give_up_after_s=given["give_up_after"],
        backoff_base_s=given["backoff_base"],
        backoff_max_s=given["backoff_max"],
        backoff_jitter_s=given["backoff_jitter"],
        strict=not given["no_strict"],
        max_events_per_s=given["max_events_per_second"],
        max_bytes_per_minute=given["max_bytes_per_minute"],
        rate_window_s=given["rate_window"],
    )


def _map_settings(given: Mapping[str, Any], problems: list[str]) -> MapSettings:
    """Bring the mapping file and the mapping options together; an option comes before the file."""
    from mpimport.mapping_file import KEYS, json_or_text, map_settings, overlay, read_mapping, read_pairs  # noqa: PLC0415

    entries: dict[str, Any] = {}
    with _noting(problems):
        entries = read_mapping(given["mapping"]) if given["mapping"] else {}
    options = {name: given[name.replace("-", "_")] for name in KEYS}
    options["insert-id-from"] = [name for name in (options["insert-id-from"] or "").split(",") if name]
    options |= {name: list(options[name]) for name in ("drop", "keep", "drop-long")}
    for name in ("rename", "set", "type"):
        options[name] = read_pairs(name, options[name], problems)
    options["set"] = {name: json_or_text(value) for name, value in options["set"].items()}
    return map_settings(overlay(entries, {name: value for name, value in options.items() if value}))


def _inputs(
    sources: Sequence[str], settings: Settings, interrupt: Any, problems: list[str], mapping_file: str | None
) -> tuple[list[FileInput], list[str]]:
    """Find the inputs, and look into each; nothing is sent when one of them is missing or of no known format."""
    from mpimport.app import read_options  # noqa: PLC0415  not needed for --help
    from mpimport.checkpoint import derived  # noqa: PLC0415
    from mpimport.formats import ReadOptions  # noqa: PLC0415
    from mpimport.inputs import FileInput, find_clashes, find_overwriting, find_problems, find_unwritable  # noqa: PLC0415
    from mpimport.settle import rejected_paths, undelivered_path  # noqa: PLC0415
    from mpimport.sources import expand  # noqa: PLC0415

    options = ReadOptions()
    with _noting(problems):
        options = read_options(settings)
    path_of = rejected_paths(settings.run.rejected)
    inputs: list[FileInput] = []
    notes: list[str] = []
    with _noting(problems):
        found, notes = expand(_or_standard_input(sources), encoding=settings.read.encoding)
        inputs = [FileInput(source, settings.read.format, options, interrupt) for source in found]
        problems.extend(find_problems(inputs))
        rejected = [path_of(source.name) for source in inputs]
        kept = [undelivered_path(path_of(source.name)) for source in inputs if not source.resumable]
        kept = [] if settings.run.dry_run else kept
        problems.extend(find_clashes(inputs, [*rejected, *kept]))
        kept_at = Path(settings.run.checkpoint) if settings.run.checkpoint else None
        told = {
            "--report": [Path(path) for path in settings.run.reports],
            "--metrics": [Path(settings.run.metrics)] if settings.run.metrics else [],
        }
        problems.extend(find_unwritable(told))
        written = {
            **told,
            "--audit": [Path(settings.run.audit)] if settings.run.audit else [],
            "--checkpoint": [kept_at, *derived(kept_at)] if kept_at and kept_at.name else [],
        }
        mapping = [Path(mapping_file)] if mapping_file else []
        problems.extend(find_overwriting(written, [*mapping, *rejected, *kept, *(i.path for i in inputs if i.path)]))
        problems.extend(find_overwriting({"--rejected": rejected[:1]}, mapping))
    return inputs, notes


def _or_standard_input(sources: Sequence[str]) -> Sequence[str]:
    if sources:
        return sources
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageProblem("nothing to import: name a file, or pipe events in; mpimport --help shows examples")
    return ("-",)


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except UsageProblem as usage:
        problems.extend(usage.problems)


def _level(given: Mapping[str, Any]) -> int:
    return logging.DEBUG if given["verbose"] else logging.WARNING if given["quiet"] else logging.INFO


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; the process ends with its exit code, and a traceback is shown for a bug of ours only."""
    open_closed()
    forbid_core_files()
    code = 70
    with suppress(OSError):  # what is told may have nobody who reads it
        code = _guarded(lambda: command.main(arguments, prog_name="mpimport", standalone_mode=False))
    let_go(sys.stdout)
    let_go(sys.stderr)
    sys.exit(code)


def _guarded(run: Callable[[], Any]) -> int:
    try:
        return int(run() or 0)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as misuse:
        shown = StringIO()
        misuse.show(shown)  # a pattern of the shell may have made an option of the name of somebody's file
        _say_all(shown.getvalue())
        return UsageProblem.exit_code
    except Told as told:
        return told.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except UsageProblem as usage:
        for problem in usage.problems:
            _say(f"mpimport: {_visible(problem)}")
        _say("Nothing was sent.")
        return usage.exit_code
    except MpimportError as error:
        _say(f"mpimport: {_visible(str(error))}")
        return error.exit_code
    except Exception:  # noqa: BLE001  the last boundary: a bug is told as one
        _say_all(traceback.format_exc())
        _say("mpimport: this is a bug in mpimport; please report it with the lines above")
        return 70


def _say(line: str) -> None:
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


def _say_all(text: str) -> None:
    for line in text.splitlines():
        _say(_visible(line))


def _visible(text: str) -> str:
    from mpimport.summary_text import clean  # noqa: PLC0415  not needed for --help

    return clean(text)
