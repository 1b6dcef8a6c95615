"""Where events go and as whom: the base URL, the credentials that are used, a sandbox started for the run.

Must not know how requests are made, or what an event is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from mpimport.account import Summary
from mpimport.auth import Auth, project_secret, project_token, service_account, token_in_events
from mpimport.endpoints import REGIONS, Endpoint, Target, region_of
from mpimport.settings import Credentials, Secret, Settings
from mpimport.summary_text import many

# What a sandbox of our own takes when nothing is given.
SANDBOX_CREDENTIALS = Credentials("1", "sandbox", Secret("sandbox"), token=Secret("sandbox"))
SANDBOX_KEEPS = 1000  # events that a sandbox inside of the importer shows; it counts and deduplicates all


def find_destination(
    settings: Settings, endpoint: Endpoint, stack: ExitStack
) -> tuple[str, Auth, Callable[[Summary], Summary]]:
    """Give the base URL, who sends, and what adds to the summary; a sandbox is started and runs until `stack` ends."""
    given = settings.credentials
    if not settings.run.sandbox:
        url = settings.send.url or REGIONS[settings.send.region]
        return url, authenticate(given, endpoint), lambda summary: summary
    from mpimport.sandbox import Sandbox, SandboxConfig  # noqa: PLC0415  only for a sandbox run

    sandbox = stack.enter_context(Sandbox(SandboxConfig(keep_events=SANDBOX_KEEPS)))
    auth = authenticate(given if _complete(given, endpoint) else SANDBOX_CREDENTIALS, endpoint)

    def with_note(summary: Summary) -> Summary:
        return summary.with_notes(sandbox_note(sandbox.stats())) if summary.tally.requests else summary

    return sandbox.url, auth, with_note


def _complete(credentials: Credentials, endpoint: Endpoint) -> bool:
    if endpoint.token_in_events:
        return bool(credentials.token)
    if credentials.kind == "service account":
        return bool(credentials.username and credentials.secret and credentials.project_id)
    return credentials.kind is not None


def sandbox_note(stats: Mapping[str, Any]) -> str:
    """Tell what a sandbox holds."""
    return (
        f"the sandbox held {many(stats['stored'], 'different event')} ({many(stats['duplicates'], 'duplicate')}, "
        f"{stats['refused']:,} refused) and is gone now; mpimport-sandbox runs one that stays"
    )


def authenticate(credentials: Credentials, endpoint: Endpoint) -> Auth:
    """Choose the way to authenticate. UsageProblem: a user name cannot be used."""
    if endpoint.token_in_events:
        return token_in_events(credentials.token.reveal() if credentials.token else "")
    if credentials.kind == "project secret" and credentials.api_secret:
        return project_secret(credentials.api_secret.reveal())
    if credentials.kind == "project token" and credentials.token:
        return project_token(credentials.token.reveal())
    secret = credentials.secret.reveal() if credentials.secret else ""
    return service_account(credentials.username or "", secret, credentials.project_id or "")


def describe(settings: Settings, place: Target, auth: Auth) -> str:
    """Tell where the events go: a wrong region accepts them and stores nothing, so it is always shown."""
    project_id = settings.credentials.project_id
    project = f"project {project_id}" if project_id else "a project that is not named"
    if auth.kind in {"project secret", "project token"} and auth.token != "":  # a dry run may lack the token
        project = f"the {auth.kind}'s project"
    if settings.run.sandbox:
        return f"the sandbox ({place.url})"
    region = region_of(place.url)
    return f"{project}, region {region.upper()} ({place.url})" if region else f"{project} at {place.url}"


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this very machine, where a password need not be encrypted."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
