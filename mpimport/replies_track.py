"""Owns what a reply of the track endpoint means: `classify_track(response, count) -> Verdict`. Pure.

Must not know requests, time or threads. Such a reply speaks of the whole request and names no event; whatever
is said by the status alone means the same as from the import endpoint, and is left to `replies`.
"""

from __future__ import annotations

import re

from mpimport.records import Accepted, Fatal, Refused, Response, Retry, Split, Verdict
from mpimport.replies import classify, parsed, told

MENDING = (
    "the server refused the project's token: check --token (or MP_TOKEN), and that it belongs to a project of this "
    "region"
)
# "token, missing or empty", "invalid token"; not what an event that is quoted may hold: 'Token Refreshed'
_ABOUT_THE_TOKEN = re.compile(
    r"^\W*(the |project |project's )*token\b(?! <)|\b(bad|invalid|missing|unknown|wrong) (project |project's )?token\b",
    re.IGNORECASE,
)


def classify_track(response: Response, count: int) -> Verdict:
    """Say what a reply to a request of `count` events means; see `records` for the verdicts.

    API documentation, "validation": `{"status": 1 or 0, "error": …}` with `verbose=1`, else a bare `1` or `0`.
    Nothing but a 1 counts as stored. A 0 means that something in the request is bad: halving finds what.
    """
    if response.status in (401, 403):
        return Fatal(f"{MENDING} ({told(response)})")
    if response.status not in (200, 400):
        return classify(response, count)
    stored, error = _said(response)
    if stored == 0:
        if isinstance(error, str) and _ABOUT_THE_TOKEN.search(error):  # every event carries the same
            return Fatal(f"{MENDING} ({told(response)})")
        return Split(told(response))
    if response.status == 400:
        return Refused(told(response))
    if stored == 1 and not error:
        return Accepted()
    return Retry(f"not the documented reply to /track: {told(response)}")


def _said(response: Response) -> tuple[int | None, object]:
    """Give the 1 or 0 that a reply says, or None, and its error."""
    reply = parsed(response)
    status, error = (reply.get("status"), reply.get("error")) if isinstance(reply, dict) else (reply, None)
    # a bool is an int, too, and 1.0 is equal to 1; neither is documented
    return (status if type(status) is int and status in (0, 1) else None), error
