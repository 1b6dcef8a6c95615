"""Owns what a reply of the import endpoint means: `classify(response, count) -> Verdict`. Pure.

Must not know requests, time or threads. Replies are not trusted: what they claim is checked, what is
quoted from them is cut short and freed of control characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from mpimport.printable import is_shown
from mpimport.records import (
    Accepted,
    Failed,
    FailedAnswer,
    Fatal,
    Miscounted,
    Partial,
    Refused,
    Response,
    Retry,
    Split,
    Verdict,
)

MAX_WORDS = 300  # characters of the server's that are quoted
MAX_RETRY_AFTER_S = 3600.0
MAX_COUNT = 10**12  # what is larger counts nothing, and is not worth quoting
UNDOCUMENTED = "not the documented reply to an import"
TOO_LARGE = 0  # as Split.max_bytes: too large, but the server did not say what would fit

RETRIED = frozenset({408, 425, 429})  # of the 4xx; every 5xx is retried
LIMIT_WORDS = re.compile(rb"max limit of (\d{1,12}) bytes")  # API documentation, the 413 example
# What nginx, Apache and Go say to plain HTTP where they expect TLS; no event is at fault.
PLAIN_TO_TLS = re.compile(rb"plain HTTP (request )?(was sent )?to |HTTP request to an HTTPS server", re.IGNORECASE)

MENDING: Mapping[int, str] = {
    401: "the server refused the credentials: check the service account's user name and secret (or the "
    "project's secret or token), and that they belong to this project and region",
    402: "the project's plan does not allow this",
    403: "the credentials may not write to this project: check --project-id, and that the service account's "
    "role in it allows importing",
    404: "there is no such address: check --url",
    405: "this address takes no imports: check --url",
    407: "the proxy wants credentials: put its URL with user name and password into HTTP_PROXY",
    410: "there is no such address any more: check --url",
}


def classify(response: Response, count: int) -> Verdict:
    """Say what a reply to a request of `count` events means; see `records` for the verdicts.

    Nothing but a documented, consistent reply counts as stored. Sending again is harmless: every event
    carries its `$insert_id`.
    """
    status = response.status
    if status == 0 and response.final:
        return Fatal(response.error or "no reply")
    if status == 0:
        return Retry(response.error or "no reply", answer="lost")
    if status == 200:
        return _stored(response, count)
    if status == 400:
        return _invalid(response, count)
    if status == 413:
        return _too_large(response)
    if status in RETRIED or status >= 500 or status < 300:
        wait_s = retry_after_s(response.headers)
        return Retry(told(response), after_s=wait_s, answer=_failed_answer(status))
    if status < 400:
        return Fatal(f"{_redirect(response)}; redirects are not followed with credentials: mend --url")
    mending = MENDING.get(status, "the server will not take requests like this: check --url and the credentials")
    return Fatal(f"{mending} ({told(response)})")


def classify_lenient(response: Response, count: int) -> Verdict:
    """Say the same of a request without `strict=1`, to which the server drops bad events and does not tell which.

    Halving finds them: what is left alone and is not stored, was dropped.
    """
    verdict = classify(response, count)
    if not isinstance(verdict, Miscounted):
        return verdict
    if count > 1:
        return Split(f"the server stored {verdict.stored:,} of {count:,} and does not say which")
    return Refused("the server dropped the event and does not say why; without --no-strict it does")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Give the seconds that `retry-after` asks for: a number, or a date, counted from the reply's own `date`.

    None when it is missing, not after now, or no sensible answer; an hour at most.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", value):
        seconds = float(value)
    else:
        seconds = _seconds_of(value) - _seconds_of(headers.get("date", ""))
    return min(seconds, MAX_RETRY_AFTER_S) if seconds > 0 else None


def clean_words(text: str, limit: int = MAX_WORDS) -> str:
    """Make a stranger's text fit for a terminal and a file: one line, no control characters, cut short."""
    # Lone surrogates, bidi controls and escapes are not printable either.
    shown = "".join(char if is_shown(text, at) else " " for at, char in enumerate(text[: 4 * limit]))
    words = " ".join(shown.split())
    return words if len(words) <= limit else words[: limit - 1] + "…"


def _failed_answer(status: int) -> FailedAnswer:
    if status == 429:
        return "throttled"
    return "overloaded" if status >= 500 or status == 408 else "odd"


def _stored(response: Response, count: int) -> Verdict:
    reply = _json_of(response)
    number = _stored_number(reply)
    failed = _failed_records(reply, count)
    if number is None or failed is None or reply.get("code", 200) != 200 or reply.get("status", "OK") != "OK":
        return Retry(f"{UNDOCUMENTED}: {told(response)}")
    if failed:
        return _partial(failed, number, count)
    if number == count:
        return Accepted()
    words = f"the server says it stored {number:,} of {count:,}"
    return Miscounted(words, number) if 0 <= number < count else Retry(words)


def _invalid(response: Response, count: int) -> Verdict:
    reply = _json_of(response)
    number = _stored_number(reply)
    failed = _failed_records(reply, count)
    if failed:
        return _partial(failed, number, count)
    words = told(response)
    if failed is None:
        words = f"the server's list of failed records makes no sense: {words}"
    elif not reply and PLAIN_TO_TLS.search(response.body):
        return Fatal(f"this address speaks TLS: is it https:// rather than http://? ({words})")
    elif not reply:  # not the server's own: something on the way may mind one of the events
        words = f"{UNDOCUMENTED}: {words}"
    elif number:
        words = f"the server says it stored {number:,} of {count:,} and does not name the failed: {words}"
    else:
        return Refused(words)
    return Split(words) if count > 1 else Refused(words)


def _partial(failed: tuple[Failed, ...], number: int | None, count: int) -> Partial:
    return Partial(failed, resend_rest=number != count - len(failed) and len(failed) < count)


def _too_large(response: Response) -> Split:
    named = LIMIT_WORDS.search(response.body)
    return Split(told(response), max_bytes=int(named[1]) if named else TOO_LARGE)


def _redirect(response: Response) -> str:
    location = response.headers.get("location", "").partition("?")[0]
    place = clean_words(re.sub(r"//[^/]*@", "//", location))  # whatever stands before an @ may be a secret
    return f"the server answers {response.status} and points to {place or 'nowhere'}"


def _failed_records(reply: Mapping[str, Any], count: int) -> tuple[Failed, ...] | None:
    """Give the listed failures by index, each index once; None when the list makes no sense."""
    entries = reply.get("failed_records")
    if not entries:
        return ()
    if not isinstance(entries, list):
        return None
    found: dict[int, Failed] = {}
    for entry in entries:
        index = entry.get("index") if isinstance(entry, dict) else None
        if type(index) is not int or not 0 <= index < count:  # a bool is an int, but no index
            return None
        field, message = entry.get("field"), entry.get("message")
        words = clean_words(message) if isinstance(message, str) else ""
        name = clean_words(field) if isinstance(field, str) else None
        insert_id = entry.get("$insert_id", entry.get("insert_id"))  # the documentation has the first
        told_id = insert_id if isinstance(insert_id, str) else None
        failed = Failed(index, name or None, words or "the server gave no reason", told_id)
        if found.setdefault(index, failed).insert_id != told_id:
            return None
    return tuple(found[index] for index in sorted(found))


def _stored_number(reply: Mapping[str, Any]) -> int | None:
    number = reply.get("num_records_imported")
    return number if type(number) is int and abs(number) <= MAX_COUNT else None  # a bool is an int, but no number


def _json_of(response: Response) -> dict[str, Any]:
    reply = parsed(response)
    return reply if isinstance(reply, dict) else {}


def parsed(response: Response) -> Any:
    """Give a reply's JSON; None where it is none, or has a key twice, for nobody knows which of the values holds."""
    try:
        return json.loads(response.body, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def told(response: Response) -> str:
    """Give the status and what the server said with it, fit to be shown."""
    error = _json_of(response).get("error")
    if isinstance(error, str):
        words = clean_words(error)
    else:
        text = response.body[: 16 * MAX_WORDS].decode("utf-8", "replace")
        words = clean_words(re.sub(r"<[^<>]*>", " ", text))  # of an HTML page, what is to be read
    return f"the server answers {response.status}: {words}" if words else f"the server answers {response.status}"


def _seconds_of(date: str) -> float:
    """Give the Unix time of an HTTP date; NaN when it is none."""
    from email.utils import mktime_tz, parsedate_tz  # noqa: PLC0415 - 40 ms to import, for a rare header

    try:
        parsed = parsedate_tz(date)
        return float(mktime_tz(parsed)) if parsed else float("nan")
    except (ValueError, OverflowError):
        return float("nan")
