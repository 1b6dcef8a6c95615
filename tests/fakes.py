"""Fakes for delivery: a clock that never sleeps, a `send` that answers from a script, literal replies, batches."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, TypeAlias

from mpimport.records import Batch, Response, Run

Step: TypeAlias = "Response | Callable[[bytes], Response]"


class FakeClock:
    """A clock that stands still but for `advance` and `wait`, which return at once; `waits` lists the waits."""

    def __init__(self, start: float = 1000.0, *, on_wait: Callable[[], object] | None = None) -> None:
        """`on_wait` is called in each wait after the time has passed, and may set the stop event."""
        self.time = start
        self.waits: list[float] = []
        self.on_wait = on_wait
        self._lock = threading.Lock()

    def now(self) -> float:
        """Give the fake seconds."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.time += seconds

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Let time pass, and say whether `stop` is set. A wait without an end is a real one, for another thread."""
        if stop.is_set() or (seconds == inf and stop.wait(10)):
            return True
        self.waits.append(seconds)
        self.advance(max(seconds, 0.0))
        if self.on_wait is not None:
            self.on_wait()
        return stop.is_set()


class ScriptedSend:
    """Answers with the steps of a script in turn, then accepts everything; `bodies` lists what was sent.

    A step is a Response, or a function of the body. `takes_s` of the clock's time pass with each request.
    Bodies are plain NDJSON (use `plain` to encode).
    """

    def __init__(self, script: Iterable[Step] = (), *, clock: FakeClock | None = None, takes_s: float = 0.0) -> None:
        self.script = iter(script)
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []
        self._clock = clock
        self._takes_s = takes_s
        self._lock = threading.Lock()

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Take the next step of the script."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(headers)
            step = next(self.script, None)
        if self._clock is not None:
            self._clock.advance(self._takes_s)
        if step is None:
            return stored(body.count(b"\n"))
        return step if isinstance(step, Response) else step(body)


def plain(lines: bytes | bytearray) -> tuple[bytes, dict[str, str]]:
    """Encode a body so that a fake can read it."""
    return bytes(lines), {"Content-Type": "application/x-ndjson"}


def reply(status: int, document: object = None, **headers: str) -> Response:
    """Give a reply; bytes are sent as they are, anything else as JSON. `retry_after` names `retry-after`."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Response(status, names, b"" if document is None else body)


def stored(count: object) -> Response:
    """Give the documented 200."""
    return reply(200, {"code": 200, "num_records_imported": count, "status": "OK"})


def failed(indexes: Sequence[Any], imported: object, **more: object) -> Response:
    """Give the documented 400 with failed records."""
    records = [
        {"index": index, "$insert_id": "x", "field": "properties.time", "message": "'properties.time' is invalid"}
        for index in indexes
    ]
    words = "some data points in the request failed validation"
    document = {"code": 400, "error": words, "failed_records": records, "num_records_imported": imported, **more}
    return reply(400, document | {"status": "Bad Request"})


def batch_of(count: int, *, seq: int = 1, pad: int = 0) -> Batch:
    """Give a batch of `count` different events; each knows its index, and is `pad` bytes longer."""
    lines = bytearray()
    for index in range(count):
        lines += b'{"event":"e%d","properties":{"p":"%b"}}\n' % (index, b"x" * pad)
    return Batch(seq=seq, lines=lines, count=count, runs=(Run("fake.ndjson", 1, count),))


def event_indexes(body: bytes) -> list[int]:
    """Give the indexes of the events of a body that `batch_of` made."""
    return [int(json.loads(line)["event"][1:]) for line in body.splitlines()]
