"""The replies of the API, with the bodies that its documentation gives. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

# Spelt out: the names of some statuses differ between versions of Python.
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_RATE_LIMITED = "Project exceeded rate limits. Please retry the request with exponential backoff."
_GARBAGE = b"\x16\x03\x01 this is no HTTP \x00\xff\r\n\r\n" * 20
_SOME_FAILED = "some data points in the request failed validation"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply but for the headers that every reply has; `refusal` says why nothing of the request counted."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: str | None = None


def phrase(status: int) -> str:
    """Return the words that stand beside a status."""
    return _PHRASES.get(status, "Error")


def imported(count: int) -> Reply:
    """Say that all is stored."""
    return _json(200, {"code": 200, "num_records_imported": count, "status": phrase(200)})


def some_failed(failed_records: Sequence[Mapping[str, Any]], count: int) -> Reply:
    """List the failed events; `count` others are imported."""
    return _json(
        400,
        {
            "code": 400,
            "error": _SOME_FAILED,
            "failed_records": failed_records,
            "num_records_imported": count,
            "status": phrase(400),
        },
    )


def tracked(problem: str | None, *, verbose: bool, status: int = 200) -> Reply:
    """Answer a request to /track or /engage: all of it is stored, or, because of a problem in it, nothing."""
    if not verbose:
        return _json(status, int(problem is None))
    return _json(status, {"status": int(problem is None), "error": problem})


def not_tracked(problem: str, *, verbose: bool, status: int = 200) -> Reply:
    """Refuse a request to /track or /engage before its records are looked at."""
    return replace(tracked(problem, verbose=verbose, status=status), refusal=problem)


def error(status: int, message: str, **headers: str) -> Reply:
    """Refuse the whole request."""
    answer = _json(status, {"code": status, "error": message, "status": phrase(status)}, headers)
    return replace(answer, refusal=message)


def unauthorized() -> Reply:
    """Refuse the credentials."""
    return error(401, "Invalid credentials")


def too_large(max_bytes: int) -> Reply:
    """Refuse the size, naming the limit."""
    return error(413, f"request exceeds max limit of {max_bytes} bytes")


def rate_limited() -> Reply:
    """Ask for a pause."""
    return replace(error(429, _RATE_LIMITED), refusal=None)


def failed(message: str) -> Reply:
    """Say that the sandbox itself has failed."""
    return replace(error(500, message), refusal=None)


def injected(kind: str, max_bytes: int) -> Reply:
    """Build the reply of an injected fault: `html`, `garbage` or a status, documented ones with their body."""
    if kind == "garbage":
        return Reply(0, _GARBAGE)
    if kind == "html":
        page = b"<!doctype html><title>Welcome</title><p>This is not the API.</p>\n"
        return Reply(200, page, "text/html; charset=utf-8")
    documented = {"401": unauthorized(), "413": too_large(max_bytes), "429": rate_limited()}
    return replace(documented.get(kind) or error(int(kind), "injected fault"), refusal=None)


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), headers=headers or {})
