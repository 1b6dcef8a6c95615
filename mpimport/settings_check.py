"""Every check across the settings, made in one place before any I/O; all problems are reported together.

A value over a limit is refused by name, never clamped. Knows neither files, the network nor click, and is told an
endpoint's row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mpimport.endpoints import REGIONS
from mpimport.errors import UsageProblem
from mpimport.settings import BatchSettings, Credentials, SendSettings, Settings

if TYPE_CHECKING:
    from mpimport.endpoints import Endpoint  # only told

MAX_WORKERS = 64  # the API documentation saw the best throughput with 10 to 20 clients
MAX_RATE = 1e15  # ours: what is more is a slip of the finger


def check(settings: Settings, endpoint: Endpoint) -> None:
    """Check everything across the settings, given the endpoint's row. Raises UsageProblem with all problems."""
    credential_problems = _token_problems if endpoint.token_in_events else _credential_problems
    needs_none = settings.run.dry_run or settings.run.sandbox or settings.credentials.unread
    problems = [
        *_batch_problems(settings.batch, endpoint),
        *_send_problems(settings.send),
        *_strict_problems(settings.send, endpoint),
        *_run_problems(settings),
        *(() if needs_none else credential_problems(settings.credentials)),
        *_project_problems(settings, endpoint),
    ]
    if problems:
        raise UsageProblem(*problems)


def _batch_problems(batch: BatchSettings, endpoint: Endpoint) -> Iterator[str]:
    takes, level = f"the {endpoint.name} endpoint takes", batch.gzip_level
    if batch.max_events is not None and not 1 <= batch.max_events <= endpoint.max_events:
        yield f"--batch-size {batch.max_events}: {takes} 1 to {endpoint.max_events:,} events a request"
    if not 1 <= batch.max_bytes <= endpoint.max_bytes:
        yield f"--batch-bytes {batch.max_bytes}: {takes} up to {endpoint.max_bytes:,} bytes a request"
    if batch.content_type is not None and batch.content_type not in endpoint.framings:
        yield f"--content-type {batch.content_type}: {takes} {' or '.join(endpoint.framings)}"
    if level is not None and batch.gzip and endpoint.gzip_level is None:
        yield f"--gzip-level {level}: {takes} no compressed requests; leave it out"
    elif level is not None and batch.gzip and not 1 <= level <= 9:
        yield f"--gzip-level {level}: 1 is the quickest, 9 the smallest; --no-gzip leaves it out"


def _send_problems(send: SendSettings) -> Iterator[str]:
    if not 1 <= send.workers <= MAX_WORKERS:
        yield f"--workers {send.workers}: 1 to {MAX_WORKERS} requests at once"
    for name, value in (
        ("--timeout", send.timeout_s),
        ("--connect-timeout", send.connect_timeout_s),
        ("--backoff-base", send.backoff_base_s),
    ):
        if not 0 < value <= 86_400:
            yield f"{name} {value:g}: more than 0 seconds, and at most a day"
    if not 0 <= send.give_up_after_s < float("inf"):
        yield f"--give-up-after {send.give_up_after_s:g}: 0 or more seconds"
    if not send.backoff_base_s <= send.backoff_max_s <= 86_400:
        yield f"--backoff-max {send.backoff_max_s:g}: at least --backoff-base ({send.backoff_base_s:g}), at most a day"
    for name, value in (
        ("--max-events-per-second", send.max_events_per_s),
        ("--max-bytes-per-minute", send.max_bytes_per_minute),
    ):
        if not 0 <= value <= MAX_RATE:
            yield f"{name} {value:g}: 0 for no limit, or a number up to {MAX_RATE:g}"
    if not 0 < send.rate_window_s <= 86_400:
        yield f"--rate-window {send.rate_window_s:g}: more than 0 seconds, and at most a day"
    low, high = send.backoff_jitter_s
    if not 0 <= low <= high <= 86_400:
        yield f"--backoff-jitter {low:g} {high:g}: two numbers of seconds, at most a day, the smaller one first"


def _strict_problems(send: SendSettings, endpoint: Endpoint) -> Iterator[str]:
    if not send.strict and endpoint.classify_lenient is None:
        yield f"--no-strict: the {endpoint.name} endpoint has no strict=1 to leave out; leave the option out"


def _run_problems(settings: Settings) -> Iterator[str]:
    if settings.run.sandbox and settings.send.url:
        yield "--sandbox and --url: the sandbox has an address of its own; leave one of them out"
    if settings.run.checkpoint and not settings.run.keeps_checkpoint:
        yield "--checkpoint and --no-checkpoint: one says where, the other not at all; leave one of them out"
    limit = settings.run.max_rejected
    if limit is not None and not limit.limit >= 0:
        yield f"{limit.name} {limit}: give a number from 0 on, or a share from 0% to 100%"
    if settings.run.audit and not settings.run.dry_run:
        yield "--audit: it is what a dry run found; give --dry-run with it"
    for path in settings.run.reports:
        if not path.lower().endswith((".html", ".json")):
            yield f"--report {path}: its ending says what is written; name a file that ends in .html or .json"
    if settings.run.metrics is not None and not settings.run.metrics.endswith(".prom"):
        yield f"--metrics {settings.run.metrics}: the node exporter reads files that end in .prom; name one"
    if settings.run.metrics is not None and settings.run.dry_run:
        yield "--metrics and --dry-run: the metrics are about imports, and a dry run is none; leave one of them out"
    if settings.run.sandbox and settings.run.dry_run:
        yield "--sandbox and --dry-run: a dry run sends nothing, not even to the sandbox; leave one of them out"


def _credential_problems(given: Credentials) -> Iterator[str]:
    if given.kind is None:
        what = "--username NAME and its secret (MP_SECRET or --secret-file PATH), with --project-id ID"
        if not given.unusable:
            yield f"no credentials: give {what}; or try --dry-run or --sandbox, which need none"
    elif given.kind == "service account":
        if not given.username:
            yield "the secret is a service account's: give --username NAME (or MP_USERNAME) with it"
        if not (given.secret or given.secret_file or given.unusable):
            yield "the service account's secret is missing: set MP_SECRET, or give --secret-file PATH"
        if not given.project_id:
            yield "the project is missing: give --project-id ID (a service account may write to several)"


def _project_problems(settings: Settings, endpoint: Endpoint) -> Iterator[str]:
    """Check the project's number, also in a dry run; a stand-in of the API may take anything."""
    project_id, url = settings.credentials.project_id, settings.send.url
    if re.fullmatch("-[0-9]+|0+", project_id or ""):
        yield f"--project-id {project_id}: it is a number from 1 on; see Project Settings, Overview"
        return
    if settings.run.sandbox or endpoint.token_in_events or not project_id or re.fullmatch("[0-9]+", project_id):
        return
    if url is None or url.startswith(tuple(REGIONS.values())):
        digits = re.search(r"(?<![0-9])[0-9]{4,}(?![0-9])", project_id)
        meant = f" (is it {digits[0]}?)" if digits else ""
        shown = "" if re.fullmatch(r"[A-Za-z0-9]{32}", project_id) else f" {project_id[:60]!r}"  # that is a secret
        yield f"--project-id{shown}: it is a number{meant}; see Project Settings, Overview"


def _token_problems(given: Credentials) -> Iterator[str]:
    """Check the credentials for an endpoint that takes a token only; whatever else is given does no harm."""
    if given.unusable:
        return
    if not given.token:
        also = f"; --endpoint import is the one for a {given.kind}" if given.kind else ""
        yield f"no token: give the project's with --token TOKEN (or MP_TOKEN), this endpoint takes nothing else{also}"
    elif not re.fullmatch(r"[!-~]+", given.token.reveal()):
        yield "--token: it holds a space or a character that no token has; is something pasted with it?"
