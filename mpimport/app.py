"""The real parts put together from settings: shared by the command line and the library. Knows no click."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from mpimport.account import Summary
from mpimport.auth import Auth, project_token
from mpimport.destination import describe, find_destination, is_loopback
from mpimport.encodings import codec_of
from mpimport.endpoints import ENDPOINTS, REGIONS, Target, target
from mpimport.errors import CannotWrite, UsageProblem, noting
from mpimport.formats import ReadOptions, delimiter_of
from mpimport.inputs import FileInput
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.keeper import conclude
from mpimport.line_file import LineFile
from mpimport.long_text import Deep, LongStrings, TextRules
from mpimport.mapping import ALIASES, PLAIN, Mapper, MapRules
from mpimport.mapping_check import find_contradictions
from mpimport.network import check_network
from mpimport.normalise import Shaping
from mpimport.outputs import appended
from mpimport.pacing import max_batch_bytes, max_batch_events
from mpimport.pipeline import run
from mpimport.plan import Input, Plan
from mpimport.private_files import open_private
from mpimport.recognise import IN_C, load
from mpimport.report import Report
from mpimport.resume import resume
from mpimport.sending import budget_of, make_senders
from mpimport.settings import MapSettings, Settings
from mpimport.settings_check import check
from mpimport.settle import Settler, rejected_paths
from mpimport.telling import Telling
from mpimport.time_forms import TimeReader
from mpimport.writable import hold_pipes

if TYPE_CHECKING:
    from mpimport.audit import Audit

T = TypeVar("T")


def check_settings(settings: Settings) -> None:
    """Check the settings against the endpoint's limits. Raises UsageProblem with all problems."""
    if settings.send.endpoint not in ENDPOINTS:
        raise UsageProblem(f"endpoint {settings.send.endpoint!r}: there are {', '.join(ENDPOINTS)}")
    endpoint = ENDPOINTS[settings.send.endpoint]
    if settings.send.region not in REGIONS:
        raise UsageProblem(f"region {settings.send.region!r}: there are {', '.join(REGIONS)}")
    problems: list[str] = []
    for found in (
        lambda: check(settings, endpoint),
        lambda: shaping_of(settings.map),
        lambda: check_network(settings.send),
        lambda: target(endpoint, settings.send.url or REGIONS[settings.send.region], project_token("")),
    ):
        try:
            found()
        except UsageProblem as usage:
            problems.extend(usage.problems)
    if problems:
        raise UsageProblem(*problems)


def read_options(settings: Settings) -> ReadOptions:
    """Say how to read. Columns have their names from before the renaming. UsageProblem: no such encoding, delimiter."""
    read, mapping = settings.read, settings.map
    before: dict[str, str] = {}
    for old, new in mapping.rename:
        before[new] = before.pop(old, old)
    problems: list[str] = []
    delimiter = encoding = None
    with noting(problems):
        delimiter = None if read.delimiter is None else delimiter_of(read.delimiter)
    with noting(problems):
        encoding = None if read.encoding is None else codec_of(read.encoding)
    if problems:
        raise UsageProblem(*problems)
    return ReadOptions(
        json_path=read.json_path,
        event_signs=_event_signs(mapping),
        types={before.get(name, name): kind for name, kind in mapping.types},
        ids={*mapping.fields.values(), *mapping.insert_id_from},
        misfit=_MISFIT[read.misfit],
        delimiter=delimiter,
        encoding=encoding,
    )


def _event_signs(mapping: MapSettings) -> set[str]:
    """Give the names that a document has which may be one event, though arrays are in it."""
    signs = {*ALIASES["event"], mapping.fields.get("event", "event")}
    if mapping.event_name is not None:
        signs |= {*ALIASES["time"], mapping.fields.get("time", "time")}
    return signs


_MISFIT: dict[str | None, Literal["text", "reject"] | None] = {None: None, "text": "text", "reject": "reject"}
_LONG_STRINGS: dict[str, LongStrings] = {"truncate": "truncate", "reject": "reject", "drop": "drop", "keep": "keep"}
_DEEP: dict[str, Deep] = {"reject": "reject", "flatten": "flatten", "stringify": "stringify"}


def shaping_of(mapping: MapSettings, *, keeps_misfits: bool = False) -> Shaping:
    """Compile what the user said about fields. Raises UsageProblem with everything that makes no sense."""
    problems: list[str] = []

    def built(option: str, build: Callable[[], T], instead: T) -> T:
        try:
            return build()
        except ValueError as error:
            problems.append(f"{option}: {error}")
            return instead

    rules = MapRules(
        event_name=mapping.event_name,
        fields=mapping.fields or None,
        rename=mapping.rename,
        drop=mapping.drop,
        keep=mapping.keep,
        set=mapping.set,
        types=mapping.types,
    )
    texts = TextRules(
        split_urls=mapping.split_urls,
        parse_json=mapping.parse_json,
        drop_long=mapping.drop_long,
        long_strings=_LONG_STRINGS[mapping.long_strings],
        deep=_DEEP[mapping.deep],
    )
    zone = built("--timezone", lambda: TimeReader(None, mapping.timezone), TimeReader()).timezone
    shaping = Shaping(
        mapper=built("--type", lambda: Mapper(rules, keeps_misfits=keeps_misfits), PLAIN),
        times=built("--time-format", lambda: TimeReader(mapping.time_format, zone), TimeReader()),
        texts=texts,
        insert_id_from=mapping.insert_id_from,
    )
    problems.extend(find_contradictions(mapping, shaping.times))
    if problems:
        raise UsageProblem(*problems)
    return shaping


def import_inputs(
    settings: Settings,
    inputs: Sequence[Input],
    report: Report,
    interrupt: Interrupt,
    tell: Callable[[Summary], Summary] = lambda summary: summary,
) -> Summary:
    """Run an import whose settings were checked, and tell its summary before it is forgotten where it could go on.

    `tell` gives the summary back, with another exit code where it could not be told. Raises UsageProblem when the
    destination is no use.
    """
    with ExitStack() as stack:
        stack.enter_context(hold_pipes(chain(*appended(settings.run, inputs))))
        endpoint = ENDPOINTS[settings.send.endpoint]
        base_url, auth, facts = find_destination(settings, endpoint, stack)
        place = target(endpoint, base_url, auth, strict=settings.send.strict)
        _introduce(settings, place, auth, inputs, report)
        keeper, inputs = resume(settings, inputs, place.url, auth, stack)
        telling = Telling(settings.run, [source.name for source in inputs], report)
        telling.begin(stack)
        budget = budget_of(settings.send)
        senders = None if settings.run.dry_run else make_senders(settings, place, auth, budget, stack)
        audit = _audit(settings)
        summary = run(
            Plan(
                inputs=inputs,
                intake=Intake(
                    max_events=max_batch_events(
                        budget.max_events, budget.window_s, settings.batch.max_events or endpoint.max_events
                    ),
                    max_bytes=max_batch_bytes(budget.max_bytes, settings.batch.max_bytes),
                    geolocate=settings.batch.geolocate,
                    clock=time.time,
                    shaping=shaping_of(settings.map, keeps_misfits=settings.read.misfit == "text"),
                    history=endpoint.history,
                    sent_with=auth.sent_with,
                    recogniser=load(),
                ),
                settler=Settler(rejected_paths(settings.run.rejected), _keeps(inputs), audit, keeper, telling.census),
                senders=senders,
                workers=settings.send.workers,
                report=telling.report,
                interrupt=interrupt,
                destination=describe(settings, place, auth),
                max_rejected=settings.run.max_rejected,
                keeper=keeper,
            )
        )
        if keeper is not None:
            summary = conclude(keeper, summary)
        summary = replace(summary, mapped=settings.map != MapSettings(), restarted=settings.run.restart)
        if audit is not None:
            doubts = next((source.doubts for source in inputs if isinstance(source, FileInput)), ())  # of all
            summary = replace(summary, doubts=tuple(doubts))
            summary = _with_audit(settings.run.audit, replace(summary, audit=audit.report()))
        summary = tell(telling.end(facts(summary)))
        if keeper is not None and summary.exit_code == CannotWrite.exit_code:
            keeper.finish(done=False)  # all may be settled, but the same command is to be run again
        return summary


def _audit(settings: Settings) -> Audit | None:
    if not settings.run.dry_run:
        return None
    from mpimport.audit import Audit  # noqa: PLC0415  only for a dry run

    return Audit()


def _with_audit(path: str | None, summary: Summary) -> Summary:
    """Write the audit where the user wants it; when that fails, the summary says so."""
    if path is None or summary.audit is None:
        return summary
    found = {**summary.audit.as_json(), "account": summary.as_json()}
    try:
        _write_over(Path(path), f"{json.dumps(found, indent=2, ensure_ascii=False)}\n".encode(errors="replace"))
    except OSError as error:
        problem = f"--audit {path}: cannot be written: {error.strerror or error}"
        return replace(summary, stopped=problem, exit_code=CannotWrite.exit_code)
    return summary


def _write_over(path: Path, data: bytes) -> None:
    """Write to a file instead of what is in it, or into a pipe, for which nobody waits without end."""
    if path.exists() and not path.is_file():
        pipe = LineFile(path)
        pipe.append([data])
        pipe.close()
        return
    with open(open_private(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:  # noqa: PTH123  a descriptor
        file.write(data)


def _introduce(settings: Settings, place: Target, auth: Auth, inputs: Sequence[Input], report: Report) -> None:
    """Say before the first request where it goes, and warn of what a secret is told to everybody."""
    report.say(logging.DEBUG, f"into {describe(settings, place, auth)} as {auth.kind}")
    report.say(logging.DEBUG, f"from {', '.join(source.name for source in inputs)}")
    report.say(logging.DEBUG, f"events that are right are recognised in {'C' if IN_C else 'Python'}")
    if place.url.startswith("http:") and not is_loopback(place.url) and not settings.run.dry_run:
        report.say(logging.WARNING, f"{place.url} is not encrypted: use https://, or the secret can be read on its way")


def _keeps(inputs: Sequence[Input]) -> Callable[[str], bool]:
    once_only = {source.name for source in inputs if not source.resumable}
    return once_only.__contains__
