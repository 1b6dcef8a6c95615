"""A deterministic simulator of the API's limiter and of the network before it, on a virtual clock.

The importers in it are the real delivery, admission, budget, gate and concurrency: only the clock and `send` are
fakes, and each sender is a greenlet instead of a thread, so a run of an hour takes seconds and always ends alike.
The limiter is the sandbox's.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from greenlet import getcurrent, greenlet

from mpimport.admission import Admission
from mpimport.backoff import Backoff
from mpimport.concurrency import Concurrency
from mpimport.delivery import deliver
from mpimport.gate import Gate
from mpimport.pacing import Budget, max_batch_events
from mpimport.records import Batch, Outcome, Response, Run
from mpimport.replies import classify
from mpimport.route import Route
from mpimport.sandbox.limiter import RollingLimit

BATCH_EVENTS = 2000


class VirtualClock:
    """Time passes when everybody waits: then it is the moment that comes first. One greenlet runs at a time."""

    def __init__(self) -> None:
        self.time = 0.0
        self._order = itertools.count()
        self._waiting: dict[greenlet, tuple[float, int, threading.Event | None]] = {}
        self._main = getcurrent()

    def now(self) -> float:
        """Give the virtual seconds."""
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Let the others run until the time has come or `stop` is set."""
        if not stop.is_set():
            self._pause(seconds, stop)
        return stop.is_set()

    def sleep(self, seconds: float) -> None:
        """Let the others run until the time has come."""
        self._pause(seconds, None)

    def start(self, task: Callable[[], object]) -> None:
        """Run a task beside the others."""
        self._waiting[greenlet(task, self._main)] = (self.time, next(self._order), None)

    def run(self, until: float) -> None:
        """Let time pass until then, or until nobody waits for anything any more."""
        while self._waiting:
            woken = [(order, task) for task, (_, order, stop) in self._waiting.items() if stop and stop.is_set()]
            if woken:
                task = min(woken, key=lambda pair: pair[0])[1]
            else:
                task = min(self._waiting, key=lambda one: self._waiting[one][:2])
                moment = self._waiting[task][0]
                if moment > until:
                    self.time = until
                    return
                self.time = max(self.time, moment)
            del self._waiting[task]
            task.switch()

    def _pause(self, seconds: float, stop: threading.Event | None) -> None:
        self._waiting[getcurrent()] = (self.time + max(seconds, 0.0), next(self._order), stop)
        self._main.switch()


@dataclass
class Server:
    """The API: a rolling limit of events and bytes, outages, and as many requests at once as it can bear.

    `outages` are (from, to, status); status 0 loses the connection. `limits` are (from, events a second).
    `capacity`: with more requests at once each takes longer in proportion.
    """

    clock: VirtualClock
    window_s: float = 60.0
    events_per_s: float = 30_000.0
    bytes_per_minute: float = 2e9
    event_bytes: int = 500
    service_s: float = 0.05
    capacities: Sequence[tuple[float, float]] = ((0.0, inf),)
    outages: Sequence[tuple[float, float, int]] = ()
    limits: Sequence[tuple[float, float]] = ()
    busy: int = 0
    most_busy: int = 0
    admitted: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._limiter = RollingLimit(
            round(self.events_per_s * self.window_s),
            round(self.bytes_per_minute * self.window_s / 60),
            self.window_s,
            self.clock.now,
        )
        self._changes = list(self.limits)

    def handle(self, who: str, count: int) -> int:
        """Take a request as the API does: count it, work on it, answer it; gives the status, 0 for none."""
        for start, end, status in self.outages:
            if start <= self.clock.now() < end:
                return status
        while self._changes and self._changes[0][0] <= self.clock.now():
            self._limiter._max_events = round(self._changes.pop(0)[1] * self.window_s)
        if not self._limiter.admit(count, count * self.event_bytes):
            return 429
        self.admitted.setdefault(who, []).append((self.clock.now(), count))
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        capacity = next(most for start, most in reversed(self.capacities) if start <= self.clock.now())
        self.clock.sleep(self.service_s * max(1.0, self.busy / capacity))
        self.busy -= 1
        return 200

    def taken(self, who: str, start: float, end: float) -> int:
        """Count the events that it took from somebody in that time."""
        return sum(count for moment, count in self.admitted.get(who, ()) if start <= moment < end)


@dataclass
class Importer:
    """An importer with its senders, which has endlessly many events to send from `start` on."""

    name: str
    clock: VirtualClock
    server: Server
    rng: random.Random
    start: float = 0.0
    end: float = inf
    workers: int = 16
    events_per_s: float = 30_000.0
    rtt_s: float = 0.2
    jitter: float = 0.25
    loss: float = 0.0
    timeout_s: float = 30.0
    backoff: Sequence[float] = (2.0, 60.0, 1.0, 5.0)
    limits: list[tuple[float, int]] = field(default_factory=list)
    statuses: list[tuple[float, int]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        window_s = self.server.window_s
        backoff = Backoff(*self.backoff)
        self.admission = Admission(
            self.clock,
            gate=Gate(backoff, self.rng),
            concurrency=Concurrency(self.workers),
            budget=Budget(self.events_per_s * window_s, 2e9 * window_s / 60, window_s),
        )
        self._route = Route(
            send=self._send,
            classify=classify,
            encode=lambda lines: (bytes(lines), {}),  # one object, shared by all batches
            backoff=backoff,
            clock=self.clock,
            admission=self.admission,
            rng=self.rng,
            give_up_after_s=1e9,
        )
        self._seqs = itertools.count()
        self._count = max_batch_events(self.events_per_s * window_s, window_s, BATCH_EVENTS)
        self._lines = (b"x" * (self.server.event_bytes - 1) + b"\n") * self._count
        for _ in range(self.workers):
            self.clock.start(self._serve)

    def _serve(self) -> None:
        self.clock.sleep(self.start)
        while self.clock.now() < self.end:
            batch = Batch(next(self._seqs), self._lines, self._count, (Run(self.name, 1, self._count),))
            self.outcomes.append(deliver(batch, self._route, lambda _: None))

    def _send(self, body: bytes, headers: Mapping[str, str]) -> Response:
        count = len(body) // self.server.event_bytes
        self.clock.sleep(self._half_way())
        lost = self.rng.random() < self.loss
        if lost and self.rng.random() < 0.5:
            return self._no_reply()
        status = self.server.handle(self.name, count)
        if lost or not status:
            return self._no_reply()
        self.clock.sleep(self._half_way())
        self.statuses.append((self.clock.now(), status))
        self.limits.append((self.clock.now(), self.admission.flow().limit))
        if status == 200:
            return Response(200, body=b'{"code":200,"num_records_imported":%d,"status":"OK"}' % count)
        return Response(status, body=b"{}")

    def _half_way(self) -> float:
        return self.rtt_s / 2 * (1 + self.rng.uniform(0, self.jitter))

    def _no_reply(self) -> Response:
        self.clock.sleep(self.rtt_s)
        self.statuses.append((self.clock.now(), 0))
        return Response(0, error="the connection was reset")


@dataclass
class Stranger:
    """Somebody else who writes: one request after the other at a steady rate, whatever is answered."""

    clock: VirtualClock
    server: Server
    events_per_s: float
    start: float = 0.0
    end: float = inf

    def __post_init__(self) -> None:
        self.clock.start(self._serve)

    def _serve(self) -> None:
        self.clock.sleep(self.start)
        while self.clock.now() < self.end:
            self.clock.start(lambda: self.server.handle("stranger", 500))
            self.clock.sleep(500 / self.events_per_s)


def simulate(scenario: Mapping[str, Any]) -> dict[str, float]:
    """Run a scenario; give the figures that it may hold to a range."""
    clock = VirtualClock()
    server = Server(clock, **scenario.get("server", {}))
    importers = [
        Importer(
            name=f"importer{number}",
            clock=clock,
            server=server,
            rng=random.Random(f"{scenario['seed']}-{number}"),
            **one,
        )
        for number, one in enumerate(scenario["importers"], 1)
    ]
    for one in scenario.get("strangers", ()):
        Stranger(clock, server, **one)
    clock.run(scenario["seconds"])
    return figures(scenario, server, importers)


def figures(scenario: Mapping[str, Any], server: Server, importers: Sequence[Importer]) -> dict[str, float]:
    """Work out what a run came to, from `measured_from` on (0 unless the scenario says so)."""
    start, end = scenario.get("measured_from", 0.0), scenario["seconds"]
    found: dict[str, float] = {"most_busy": server.most_busy}
    total = sum(server.taken(one.name, start, end) for one in importers)
    for one in importers:
        statuses = [status for moment, status in one.statuses if start <= moment]
        found[f"{one.name}_throttled"] = statuses.count(429) / max(len(statuses), 1)
        found[f"{one.name}_share"] = server.taken(one.name, start, end) / max(total, 1)
    found["throttled"] = sum(status == 429 for one in importers for moment, status in one.statuses if moment >= start)
    found["throttled"] /= max(1, sum(moment >= start for one in importers for moment, _ in one.statuses))
    found["goodput"] = total / allowed(scenario, server, importers)
    limits = [limit for moment, limit in importers[0].limits if moment >= start]
    found["fewest"], found["last"] = min(limits), limits[-1]
    if server.outages:
        over = server.outages[-1][1]
        found["recovery_s"] = (
            min((moment for one in importers for moment, _ in server.admitted[one.name] if moment >= over), default=inf)
            - over
        )
    return found


def allowed(scenario: Mapping[str, Any], server: Server, importers: Sequence[Importer]) -> float:
    """Work out what a sender that knows the limiter could send: bursts at link speed, the limit a window."""
    start: float = scenario.get("measured_from", 0.0)
    end: float = scenario["seconds"]
    others = sum(one["events_per_s"] for one in scenario.get("strangers", ()))
    per_window: float = min(server.events_per_s, server.bytes_per_minute / 60 / server.event_bytes)
    per_window = (per_window - others) * server.window_s
    if start:
        return per_window * (end - start) / server.window_s
    speed = sum(one.workers * one._count / (one.rtt_s * (1 + one.jitter / 2) + server.service_s) for one in importers)
    whole, rest = divmod(end, server.window_s)
    outage_s = sum(end - start for start, end, _ in server.outages)
    return whole * per_window + min(per_window, rest * speed) - per_window * outage_s / server.window_s
