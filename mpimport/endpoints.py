"""Owns the endpoints as rows: address, limits, framings, and what a reply of theirs means. Pure.

Must not know requests, time or threads; nothing else in the program asks which endpoint it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mpimport.auth import Auth
from mpimport.errors import UsageProblem
from mpimport.records import Response, Verdict
from mpimport.replies import classify, classify_lenient

__all__ = ["ENDPOINTS", "REGIONS", "Endpoint", "Target", "classify", "target"]

REGIONS: dict[str, str] = {  # API documentation, "regions": a wrong one accepts events and drops them
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its limits in events and uncompressed bytes, and the functions that are its own.

    `max_events` and `max_bytes` are of a request.
    `framings` are the content types it takes, the default first. `query(strict)` gives its parameters;
    `classify_lenient` stands in for `classify` where strict was left out.
    """

    name: str
    path: str
    max_events: int
    max_bytes: int
    framings: tuple[str, ...]
    query: Callable[[bool], Mapping[str, str]]
    classify: Callable[[Response, int], Verdict]
    classify_lenient: Callable[[Response, int], Verdict]


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: the URL without a query, and the query's parameters (never a secret)."""

    url: str
    params: Mapping[str, str]


def _strict(strict: bool) -> Mapping[str, str]:
    # Without it the server drops bad events and does not tell (API documentation, "strict").
    return {"strict": "1"} if strict else {}


ENDPOINTS: dict[str, Endpoint] = {
    "import": Endpoint(
        name="import",
        path="/import",
        max_events=2000,  # API documentation, "Import Events"
        max_bytes=10_000_000,  # API documentation: 10 MB, uncompressed; a 413 may teach less
        framings=("ndjson", "json"),
        query=_strict,
        classify=classify,
        classify_lenient=classify_lenient,
    ),
}


def region_of(url: str) -> str | None:
    """Give the region that a URL's host is of, if it is one's."""
    host = urlsplit(url).hostname
    return next((name for name, base in REGIONS.items() if urlsplit(base).hostname == host), None)


def target(endpoint: Endpoint, base_url: str, auth: Auth, *, strict: bool = True) -> Target:
    """Give where requests go, from a region's or the user's base URL. UsageProblem: it cannot be one."""
    problem = _url_problem(base_url)
    if problem:
        raise UsageProblem(f"--url: {problem}")
    return Target(base_url.rstrip("/") + endpoint.path, {**endpoint.query(strict), **auth.params})


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "this is no URL; give one like https://api.mixpanel.com"
    if parts.username is not None or parts.password is not None:
        # requests would send them instead of our Authorization, and they would show in logs.
        return "credentials do not belong in it; use --username and --secret-file"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return f"{url!r} is no web address; give one like https://api.mixpanel.com"
    if parts.query or parts.fragment:
        return "it must end with the host or a path; the query is added by mpimport"
    return None
