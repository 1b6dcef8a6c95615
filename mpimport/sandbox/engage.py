"""POST /engage, from the head and the body of a request to its reply. Knows nothing of sockets.

As with /track, a bad update keeps its whole request out, so that nobody takes the good ones for stored; with `strict=1`
the bad ones are listed, as by /import, and the good ones count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpimport.sandbox import reply
from mpimport.sandbox.auth import is_token
from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.decode import Decoder, Malformed, TooLarge
from mpimport.sandbox.endpoint import Head, unpack
from mpimport.sandbox.form import FORM, read_form
from mpimport.sandbox.intake import MAX_REFUSED_BYTES, Refused, encode
from mpimport.sandbox.limiter import RollingLimit
from mpimport.sandbox.profiles import Problem, Update, read_update
from mpimport.sandbox.reply import Reply
from mpimport.sandbox.store import Store

_JSON = "application/json"


@dataclass(slots=True)
class _Examined:
    """The updates of one request."""

    updates: list[Update] = field(default_factory=list)
    failed_records: list[dict[str, Any]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class EngageEndpoint:
    """Answers /engage into a store, by the API's documentation. Thread-safe."""

    def __init__(self, config: SandboxConfig, store: Store, limit: RollingLimit) -> None:
        self._config = config
        self._store = store
        self._limit = limit

    def refuse_head(self, head: Head) -> Reply | None:
        """Refuse a request for what stands before its body, or return None."""
        if head.content_type not in (FORM, _JSON):
            return reply.error(415, f"Content-Type must be {FORM} or {_JSON}")
        if head.content_encoding == "gzip":
            return reply.error(415, "Content-Encoding must be absent: this API does not support gzip")
        return None

    def answer(self, head: Head, wire: bytes) -> Reply:
        """Apply the updates of a request whose head was not refused."""
        verbose = head.verbose
        try:
            data = unpack(head, wire, self._config, self._store)
            if head.content_type == FORM:
                form = read_form(data)
                data, verbose = form.data, verbose or form.verbose
            found = self._examine(data)
        except TooLarge:
            return reply.too_large(self._config.max_request_bytes)
        except Malformed as error:
            return reply.not_tracked(str(error), verbose=verbose, status=400)
        if not self._limit.admit(len(found.updates) + len(found.refused), len(data)):
            return reply.rate_limited()
        problem = found.failed_records[0]["message"] if found.failed_records else None
        count = self._store.update(found.updates if head.strict or not problem else [], found.refused)
        if head.strict:
            return reply.some_failed(found.failed_records, count) if problem else reply.imported(count)
        return reply.tracked(problem, verbose=verbose)

    def _examine(self, data: bytes) -> _Examined:
        if not data.strip():
            raise Malformed("data, missing or empty")
        found = _Examined()
        most = self._config.max_track_events
        for index, (_, record) in enumerate(Decoder().array(data)):
            if index == most:
                raise Malformed(f"request exceeds max limit of {most} updates")
            token = record.pop("$token", None) if isinstance(record, dict) else None  # it is not kept
            try:
                text = encode(record) or b""
            except RecursionError as error:  # decoded, but too deep to be stored
                raise Malformed("request body is nested too deeply") from error
            one = self._read(record, token) if text else Problem("", "the update is invalid: has too large a number")
            if isinstance(one, Update):
                found.updates.append(one)
                continue
            found.failed_records.append({"index": index, "field": one.field, "message": one.message})
            found.refused.append(Refused(index, "", (one.message,), text[:MAX_REFUSED_BYTES]))
        return found

    def _read(self, record: Any, token: Any) -> Update | Problem:
        if isinstance(record, dict) and not is_token(self._config, token):
            return Problem("$token", "token, missing or empty" if not token else "token, not the one of a project")
        return read_update(record)
