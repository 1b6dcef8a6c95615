"""Owns the endpoints as rows: address, limits, framings, credentials, and what a reply of theirs means. Pure.

Must not know requests, time or threads; nothing else in the program asks which endpoint it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mpimport.auth import Auth
from mpimport.errors import UsageProblem
from mpimport.limits import ALL_HISTORY, History
from mpimport.records import Response, Verdict
from mpimport.replies import classify, classify_lenient
from mpimport.replies_track import classify_track

__all__ = ["ENDPOINTS", "REGIONS", "Endpoint", "Target", "classify", "target"]

REGIONS: dict[str, str] = {  # API documentation, "regions": a wrong one accepts events and drops them
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}


_OF_PEOPLE = re.compile(r"(?:(?:www|eu|in)\.)?mixpanel\.com")  # "regions" of the API documentation


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint: its limits in events and uncompressed bytes, and the functions that are its own.

    `max_events` and `max_bytes` are of a request, and the defaults. `framings` are the content types it takes, the
    default first. `gzip_level` is the default one; None: it takes no compressed requests. `token_in_events`: the
    project's token goes into each event, and is all that it takes to prove who sends.
    `query(strict)` gives its parameters; `classify_lenient` stands in for `classify` where strict was left out, which
    is None where there is no strict.
    """

    name: str
    path: str
    max_events: int
    max_bytes: int
    framings: tuple[str, ...]
    gzip_level: int | None
    history: History
    token_in_events: bool
    query: Callable[[bool], Mapping[str, str]]
    classify: Callable[[Response, int], Verdict]
    classify_lenient: Callable[[Response, int], Verdict] | None

    def verdicts(self, *, strict: bool) -> Callable[[Response, int], Verdict]:
        """Give what tells the meaning of replies to requests with or without strict."""
        return self.classify if strict or self.classify_lenient is None else self.classify_lenient


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: the URL without a query, and the query's parameters (never a secret)."""

    url: str
    params: Mapping[str, str]


def _strict(strict: bool) -> Mapping[str, str]:
    # Without it the server drops bad events and does not tell (API documentation, "strict").
    return {"strict": "1"} if strict else {}


def _verbose(_strict: bool) -> Mapping[str, str]:
    # Without it a refusal is a bare 0, and no word of what is wrong.
    return {"verbose": "1"}


ENDPOINTS: dict[str, Endpoint] = {
    "import": Endpoint(
        name="import",
        path="/import",
        max_events=2000,  # API documentation, "Import Events"
        max_bytes=10_000_000,  # API documentation: 10 MB, uncompressed; a 413 may teach less
        framings=("ndjson", "json"),
        gzip_level=1,  # of one core: 650 MB/s at a ratio of 4.3, where zlib's 6 does 68 MB/s at 5.1
        history=ALL_HISTORY,
        token_in_events=False,
        query=_strict,
        classify=classify,
        classify_lenient=classify_lenient,
    ),
    "track": Endpoint(  # API documentation, "Track Events"
        name="track",
        path="/track",
        max_events=50,
        max_bytes=10_000_000,  # the same as above
        framings=("form", "json"),
        gzip_level=None,
        history=History(
            5 * 86_400, "older than 5 days, which /track does not take; --endpoint import takes older ones"
        ),
        token_in_events=True,
        query=_verbose,
        classify=classify_track,
        classify_lenient=None,
    ),
}


def region_of(url: str) -> str | None:
    """Give the region that a URL's host is of, if it is one's."""
    host = urlsplit(url).hostname
    return next((name for name, base in REGIONS.items() if urlsplit(base).hostname == host), None)


def target(endpoint: Endpoint, base_url: str, auth: Auth, *, strict: bool = True) -> Target:
    """Give where requests go, from a region's or the user's base URL. UsageProblem: it cannot be one."""
    problem = _url_problem(base_url, endpoint.path)
    if problem:
        raise UsageProblem(f"--url: {problem}")
    return Target(base_url.rstrip("/") + endpoint.path, {**endpoint.query(strict), **auth.params})


def _url_problem(url: str, path: str) -> str | None:
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
    if parts.path.rstrip("/").endswith(path):
        return f"it must end before {path}, which is added by mpimport"
    if _OF_PEOPLE.fullmatch(parts.hostname):
        return f"{parts.hostname} is the web site for people, not the API; leave it out, and give --region"
    return None
