"""The real parts put together from settings: shared by the command line and the library. Knows no click."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from mpimport.account import Summary
from mpimport.auth import Auth, project_secret, project_token, service_account
from mpimport.body import CONTENT_TYPES, ContentType, encode_body
from mpimport.delivery import Route
from mpimport.endpoints import ENDPOINTS, REGIONS, Target, target
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.pacing import Backoff
from mpimport.pipeline import run
from mpimport.plan import Input, Plan
from mpimport.report import Report
from mpimport.senders import Senders
from mpimport.settings import Credentials, Settings, check, is_loopback
from mpimport.settle import Settler, rejected_paths
from mpimport.transport import Transport

SANDBOX_AUTH = service_account("sandbox", "sandbox", "1")  # what a sandbox of our own takes when nothing is given

SANDBOX_KEEPS = 1000  # events that a sandbox inside of the importer shows; it counts and deduplicates all


def check_settings(settings: Settings) -> None:
    """Check the settings against the endpoint's limits. Raises UsageProblem with all problems."""
    endpoint = ENDPOINTS[settings.send.endpoint]
    check(settings, max_events=endpoint.max_events, max_bytes=endpoint.max_bytes, framings=endpoint.framings)


def import_inputs(settings: Settings, inputs: Sequence[Input], report: Report, interrupt: Interrupt) -> Summary:
    """Run an import whose settings were checked. Raises UsageProblem when the destination is no use."""
    with ExitStack() as stack:
        base_url, auth, facts = _destination(settings, stack)
        place = target(ENDPOINTS[settings.send.endpoint], base_url, auth, strict=settings.send.strict)
        _introduce(settings, place, auth, inputs, report)
        senders = None if settings.run.dry_run else _senders(settings, place, auth, stack)
        summary = run(
            Plan(
                inputs=inputs,
                intake=Intake(
                    max_events=settings.batch.max_events,
                    max_bytes=settings.batch.max_bytes,
                    geolocate=settings.batch.geolocate,
                    clock=time.time,
                ),
                settler=Settler(rejected_paths(settings.run.rejected), _keeps(inputs)),
                senders=senders,
                workers=settings.send.workers,
                report=report,
                interrupt=interrupt,
                destination=describe(settings, place, auth),
                max_rejected=settings.run.max_rejected,
            )
        )
        return facts(summary)


def _introduce(settings: Settings, place: Target, auth: Auth, inputs: Sequence[Input], report: Report) -> None:
    """Say before the first request where it goes, and warn of what a secret is told to everybody."""
    report.say(logging.DEBUG, f"into {describe(settings, place, auth)} as {auth.kind}")
    report.say(logging.DEBUG, f"from {', '.join(source.name for source in inputs)}")
    if place.url.startswith("http:") and not is_loopback(place.url) and not settings.run.dry_run:
        report.say(logging.WARNING, f"{place.url} is not encrypted: secret and events can be read on their way")


def _destination(settings: Settings, stack: ExitStack) -> tuple[str, Auth, Callable[[Summary], Summary]]:
    if not settings.run.sandbox:
        url = settings.send.url or REGIONS[settings.send.region]
        return url, authenticate(settings.credentials), lambda summary: summary
    from mpimport.sandbox import Sandbox, SandboxConfig  # noqa: PLC0415  only for a sandbox run

    sandbox = stack.enter_context(Sandbox(SandboxConfig(keep_events=SANDBOX_KEEPS)))
    auth = authenticate(settings.credentials) if _complete(settings.credentials) else SANDBOX_AUTH
    return sandbox.url, auth, lambda summary: summary.with_notes(sandbox_note(sandbox.stats()))


def _complete(credentials: Credentials) -> bool:
    if credentials.kind == "service account":
        return bool(credentials.username and credentials.secret and credentials.project_id)
    return credentials.kind is not None


def sandbox_note(stats: Mapping[str, object]) -> str:
    """Tell what a sandbox holds."""
    return (
        f"the sandbox held {stats['stored']:,} different events ({stats['duplicates']:,} duplicates, "
        f"{stats['refused']:,} refused) and is gone now; mpimport-sandbox runs one that stays"
    )


def authenticate(credentials: Credentials) -> Auth:
    """Choose the way to authenticate. UsageProblem: a user name cannot be used."""
    if credentials.kind == "project secret" and credentials.api_secret:
        return project_secret(credentials.api_secret.reveal())
    if credentials.kind == "project token" and credentials.token:
        return project_token(credentials.token.reveal())
    secret = credentials.secret.reveal() if credentials.secret else ""
    return service_account(credentials.username or "", secret, credentials.project_id or "")


def describe(settings: Settings, place: Target, auth: Auth) -> str:
    """Tell where the events go: a wrong region accepts them and stores nothing, so it is always shown."""
    project = (
        f"project {settings.credentials.project_id}" if "project_id" in place.params else f"the {auth.kind}'s project"
    )
    if settings.run.sandbox:
        return f"the sandbox ({place.url})"
    if settings.send.url:
        return f"{project} at {place.url}"
    return f"{project}, region {settings.send.region.upper()} ({place.url})"


def _senders(settings: Settings, place: Target, auth: Auth, stack: ExitStack) -> Senders:
    send = settings.send
    endpoint = ENDPOINTS[send.endpoint]
    transport = Transport(place, auth, workers=send.workers, timeout_s=send.timeout_s)
    stack.callback(transport.close)
    low, high = send.backoff_jitter_s
    route = Route(
        send=transport.send,
        classify=endpoint.classify if send.strict else endpoint.classify_lenient,
        encode=partial(
            encode_body, content_type=_CONTENT_TYPES[settings.batch.content_type], gzip_level=settings.batch.gzip_level
        ),
        give_up_after_s=send.give_up_after_s,
        backoff=Backoff(send.backoff_base_s, send.backoff_max_s, low, high),
        rng=random.Random(),  # noqa: S311  jitter, no secret
    )
    return Senders(route, send.workers)


_CONTENT_TYPES: dict[str, ContentType] = {name: name for name in CONTENT_TYPES}


def _keeps(inputs: Sequence[Input]) -> Callable[[str], bool]:
    once_only = {source.name for source in inputs if not source.resumable}
    return once_only.__contains__
