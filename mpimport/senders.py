"""Owns the sender threads: batches go in, outcomes come out. `InlineSenders` does the same without a thread.

Must not know how a batch is delivered, or what an outcome means. How many batches are under way is the
pipeline's to bound: both queues are endless.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TypeAlias

from mpimport.delivery import deliver_safely
from mpimport.errors import UsageProblem
from mpimport.records import Batch, Flow, Outcome, Waiting
from mpimport.route import Route

Results: TypeAlias = "SimpleQueue[Outcome | Waiting]"


class Senders:
    """`count` daemon threads that deliver what is submitted; for each batch one Outcome comes out of `results`.

    Create the route's transport first, on the main thread: threads that import requests at the same
    time have been seen to die of it. UsageProblem: so many threads cannot be started.
    """

    def __init__(self, route: Route, count: int) -> None:
        self.results: Results = SimpleQueue()
        self._route = route
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        for number in range(1, count + 1):
            thread = threading.Thread(target=self._serve, name=f"sender-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system's refusal: no room for its stack, or too many processes
                self.close(5)
                raise UsageProblem(
                    f"--workers {count}: this machine lets start {len(self._threads)} threads only; give fewer, "
                    "or allow more memory or processes (ulimit -v, ulimit -u, the container's limits)"
                ) from None
            self._threads.append(thread)

    def submit(self, batch: Batch) -> None:
        """Hand over a batch; its outcome arrives in `results`, in any order."""
        self._batches.put(batch)

    def stop(self) -> None:
        """Let no further request begin: what is not yet sent comes back undelivered, at once."""
        self._route.admission.stop()

    def flow(self) -> Flow:
        """Look at how freely requests flow."""
        return self._route.admission.flow()

    def alive(self) -> int:
        """Count the living threads: who waits for `results` asks, because dead ones answer nothing."""
        return sum(thread.is_alive() for thread in self._threads)

    def close(self, timeout_s: float) -> bool:
        """End the threads when they have done what was submitted; False if that took longer."""
        for _ in self._threads:
            self._batches.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return self.alive() == 0

    def _serve(self) -> None:
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        # A function of its own, so that a thread that waits holds no batch.
        batch = self._batches.get()
        if batch is None:
            return False
        self.results.put(deliver_safely(batch, self._route, self.results.put))
        return True


class InlineSenders:
    """`Senders` without threads: `submit` delivers before it returns."""

    def __init__(self, route: Route) -> None:
        self.results: Results = SimpleQueue()
        self._route = route

    def submit(self, batch: Batch) -> None:
        """Deliver the batch now."""
        self.results.put(deliver_safely(batch, self._route, self.results.put))

    def stop(self) -> None:
        """Let no further request begin."""
        self._route.admission.stop()

    def flow(self) -> Flow:
        """Look at how freely requests flow."""
        return self._route.admission.flow()

    def alive(self) -> int:
        """Give 1: the caller is the sender."""
        return 1

    def close(self, timeout_s: float) -> bool:  # noqa: ARG002 - the signature is that of Senders
        """Do nothing: nothing is under way."""
        return True
