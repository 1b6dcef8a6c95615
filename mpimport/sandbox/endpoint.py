"""POST /import, from the head and the body of a request to its reply. Knows nothing of sockets."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from mpimport.sandbox import reply
from mpimport.sandbox.auth import is_allowed
from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.decode import Decoder, Malformed, TooLarge, inflate
from mpimport.sandbox.intake import Intake
from mpimport.sandbox.limiter import RollingLimit
from mpimport.sandbox.reply import Reply
from mpimport.sandbox.store import Store

_JSON, _NDJSON = "application/json", "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the body of a request, as far as the API looks at it."""

    content_type: str
    content_encoding: str
    strict: bool = False
    project_id: str | None = None
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Head({self.content_type!r}, {self.content_encoding!r})"  # no credentials


class ImportEndpoint:
    """Answers imports into a store, by the API's documentation. Thread-safe.

    With `strict=1` the failed events are listed and the good ones are stored all the same. Without
    it the reply is 200 and failed events are dropped silently; `num_records_imported` then says how
    many were not. Events under `$ignore` count as imported: they are dropped silently too.
    """

    def __init__(self, config: SandboxConfig, store: Store) -> None:
        self._config = config
        self._store = store
        self._lock = threading.Lock()
        self._limit = RollingLimit(
            config.max_events_per_window, config.max_bytes_per_window, config.window_s, config.monotonic
        )

    def refuse_head(self, head: Head) -> Reply | None:
        """Refuse a request for what stands before its body, or return None."""
        if not is_allowed(self._config, head.authorization, head.project_id):
            return reply.unauthorized()
        if head.content_type not in (_JSON, _NDJSON):
            return reply.error(415, f"Content-Type must be {_JSON} or {_NDJSON}")
        if head.content_encoding not in ("", "identity", "gzip"):
            return reply.error(415, "Content-Encoding must be gzip or absent")
        return None

    def max_wire_bytes(self, head: Head) -> int:
        """Return how many bytes of a body are worth reading: beyond them it surely is too large."""
        limit = self._config.max_request_bytes
        # What cannot be compressed grows a little by gzip: 5 bytes a block, and a header.
        return limit + limit // 1000 + 1024 if head.content_encoding == "gzip" else limit

    def answer(self, head: Head, wire: bytes) -> Reply:
        """Take in the events of a request whose head was not refused."""
        gzipped = head.content_encoding == "gzip"
        try:
            body = inflate(wire, max_bytes=self._config.max_request_bytes) if gzipped else wire
            self._store.read(
                content_type=head.content_type,
                encoding="gzip" if gzipped else "identity",
                wire=len(wire),
                raw=len(body),
            )
            intake = self._examine(head, body)
        except TooLarge:
            return reply.too_large(self._config.max_request_bytes)
        except Malformed as error:
            return reply.error(400, str(error))
        with self._lock:
            admitted = self._limit.admit(intake.count, len(body))
        if not admitted:
            return reply.rate_limited()
        count = self._store.commit(intake)
        if head.strict and intake.failed_records:
            return reply.some_failed(intake.failed_records, count)
        return reply.imported(count)

    def _examine(self, head: Head, body: bytes) -> Intake:
        if not body.strip():
            raise Malformed("request body is empty")
        decoder = Decoder()
        events = decoder.lines(body) if head.content_type == _NDJSON else decoder.array(body)
        intake = Intake(round(self._config.now() * 1000))
        try:
            if not intake.add_all(events, max_events=self._config.max_events):
                raise Malformed(f"request exceeds max limit of {self._config.max_events} events")
        except RecursionError as error:  # decoded, but too deep to be measured
            raise Malformed("request body is nested too deeply") from error
        intake.duplicate_keys = decoder.duplicate_keys
        return intake
