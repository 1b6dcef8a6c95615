"""POST /track, from the head and the body of a request to its reply. Knows nothing of sockets.

The documentation does not say whether the good events of a request with a bad one are stored; here they are not,
so that a client which takes them for stored is found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mpimport.sandbox import reply
from mpimport.sandbox.auth import is_token
from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.decode import Decoder, Malformed, TooLarge
from mpimport.sandbox.endpoint import Head, unpack
from mpimport.sandbox.form import FORM, read_form
from mpimport.sandbox.intake import Intake
from mpimport.sandbox.limiter import RollingLimit
from mpimport.sandbox.reply import Reply
from mpimport.sandbox.rules import DAY_MS
from mpimport.sandbox.store import Store

_JSON = "application/json"
_HISTORY_MS = 5 * DAY_MS  # "last 5 days only"


class _Refused(ValueError):
    """An event that does not say whose it is: nothing of its request is stored."""


class TrackEndpoint:
    """Answers /track into a store, by the API's documentation. Thread-safe.

    The token in each event says whose it is; it is not stored. `verbose=1` brings words, else the body is 1 or 0.
    """

    def __init__(self, config: SandboxConfig, store: Store, limit: RollingLimit) -> None:
        self._config = config
        self._store = store
        self._limit = limit

    def refuse_head(self, head: Head) -> Reply | None:
        """Refuse a request for what stands before its body, or return None."""
        if head.content_type not in (FORM, _JSON):
            return reply.error(415, f"Content-Type must be {FORM} or {_JSON}")
        return None

    def answer(self, head: Head, wire: bytes) -> Reply:
        """Take in the events of a request whose head was not refused: all of them, or none."""
        verbose = head.verbose
        try:
            data = unpack(head, wire, self._config, self._store)
            if head.content_type == FORM:
                form = read_form(data)
                data, verbose = form.data, verbose or form.verbose
            intake = self._examine(data)
        except TooLarge:
            return reply.too_large(self._config.max_request_bytes)
        except Malformed as error:
            return reply.not_tracked(str(error), verbose=verbose, status=400)
        except _Refused as error:
            return reply.not_tracked(str(error), verbose=verbose)
        if not self._limit.admit(intake.count, len(data)):
            return reply.rate_limited()
        if intake.failed_records:
            intake.items.clear()
            intake.ignored = 0
        self._store.commit(intake, "/track")
        return reply.tracked(intake.first_problem, verbose=verbose)

    def _examine(self, data: bytes) -> Intake:
        if not data.strip():
            raise Malformed("data, missing or empty")
        decoder = Decoder()
        intake = Intake(round(self._config.now() * 1000), max_age_ms=_HISTORY_MS, without="token")
        try:
            if not intake.add_all(self._owned(decoder.array(data)), max_events=self._config.max_track_events):
                raise Malformed(f"request exceeds max limit of {self._config.max_track_events} events")
        except RecursionError as error:  # decoded, but too deep to be measured
            raise Malformed("request body is nested too deeply") from error
        intake.duplicate_keys = decoder.duplicate_keys
        return intake

    def _owned(self, events: Iterator[tuple[bytes, Any]]) -> Iterator[tuple[bytes, Any]]:
        """Pass the events on, each with a token that is let in."""
        for text, event in events:
            properties = event.get("properties") if isinstance(event, dict) else None
            token = properties.get("token") if isinstance(properties, dict) else None
            if not is_token(self._config, token):
                raise _Refused("token, missing or empty" if not token else "token, not the one of a project")
            yield text, event
