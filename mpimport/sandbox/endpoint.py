"""POST /import, from the head and the body of a request to its reply. Knows nothing of sockets."""

from __future__ import annotations

from dataclasses import dataclass

from mpimport.sandbox import reply
from mpimport.sandbox.auth import is_allowed
from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.decode import Decoder, Malformed, TooLarge, inflate
from mpimport.sandbox.form import FORM, read_form
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
    verbose: bool = False
    project_id: str | None = None
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Head({self.content_type!r}, {self.content_encoding!r})"  # no credentials


def unpack(head: Head, wire: bytes, config: SandboxConfig, store: Store) -> bytes:
    """Give a body as it is uncompressed, and count it."""
    gzipped = head.content_encoding == "gzip"
    body = inflate(wire, max_bytes=config.max_request_bytes) if gzipped else wire
    store.read(
        content_type=head.content_type, encoding="gzip" if gzipped else "identity", wire=len(wire), raw=len(body)
    )
    return body


class ImportEndpoint:
    """Answers imports into a store, by the API's documentation. Thread-safe.

    With `strict=1` the failed events are listed and the good ones are stored all the same. Without
    it the reply is 200 and failed events are dropped silently; `num_records_imported` then says how
    many were not. Events under `$ignore` count as imported: they are dropped silently too.

    The vendor's client for Python posts a form, and expects the reply of /track to it.
    """

    def __init__(self, config: SandboxConfig, store: Store, limit: RollingLimit) -> None:
        self._config = config
        self._store = store
        self._limit = limit

    def refuse_head(self, head: Head) -> Reply | None:
        """Refuse a request for what stands before its body, or return None."""
        if not is_allowed(self._config, head.authorization, head.project_id):
            return reply.unauthorized()
        if head.content_type not in (_JSON, _NDJSON, FORM):
            return reply.error(415, f"Content-Type must be {_JSON} or {_NDJSON}")
        return None

    def answer(self, head: Head, wire: bytes) -> Reply:
        """Take in the events of a request whose head was not refused."""
        verbose = head.verbose
        try:
            body = unpack(head, wire, self._config, self._store)
            if head.content_type == FORM:
                form = read_form(body)
                body, verbose = form.data, verbose or form.verbose
            intake = self._examine(head, body)
        except TooLarge:
            return reply.too_large(self._config.max_request_bytes)
        except Malformed as error:
            return reply.error(400, str(error))
        if not self._limit.admit(intake.count, len(body)):
            return reply.rate_limited()
        count = self._store.commit(intake, "/import")
        if head.strict and intake.failed_records:
            return reply.some_failed(intake.failed_records, count)
        if head.content_type == FORM and not head.strict:  # "1: one or more objects provided are valid"
            return reply.tracked(None if count else intake.first_problem, verbose=verbose)
        return reply.imported(count)

    def _examine(self, head: Head, body: bytes) -> Intake:
        if not body.strip():
            raise Malformed("request body is empty")
        decoder = Decoder()
        events = decoder.lines(body) if head.content_type == _NDJSON else decoder.array(body)
        # A form's events say whose they are, as those of /track do.
        intake = Intake(round(self._config.now() * 1000), without="token" if head.content_type == FORM else None)
        try:
            if not intake.add_all(events, max_events=self._config.max_events):
                raise Malformed(f"request exceeds max limit of {self._config.max_events} events")
        except RecursionError as error:  # decoded, but too deep to be measured
            raise Malformed("request body is nested too deeply") from error
        intake.duplicate_keys = decoder.duplicate_keys
        return intake
