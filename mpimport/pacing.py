"""Owns the rolling-minute budget: how many events and bytes may be sent now, or when. Pure arithmetic over seconds.

Must not know requests, batches, threads, or how the waiting is done.
"""

from __future__ import annotations

from collections import deque
from math import ceil, inf
from typing import NamedTuple

from mpimport.records import Pace
from mpimport.share import Share

HEADROOM = 0.01  # ours: room that is left for whoever else begins to send, so that it is noticed and not starved
LEAST = 1e-9  # ours: nothing of a limit that is off must not become no number
PIECES = 2048  # ours: requests that end in the same piece of a window are remembered as one
PEEK = 1.5  # ours: windows after which the headroom itself is tried with one request: is somebody else in it?
BATCHES = 100  # ours: at least so many batches a window, so that one fits into the headroom and little is left over
MORE_BATCHES = 400  # ours: where that makes no more requests a second than this, so that a 429 concerns less
CALM_PER_S = 10


class Cost(NamedTuple):
    """What a request spends: events, and bytes of uncompressed JSON."""

    events: int
    nbytes: int


class _Spent(NamedTuple):
    until: float
    events: int
    nbytes: int


class Budget:
    """What may be sent in any stretch of `window_s` seconds; a limit of 0 is off. Not thread-safe.

    A request counts from when it is sent until a window after the server may have counted it last. When that
    was, is not known: at the latest when its reply came, less the quickest round trip, which the request that
    takes its place needs, too. So at a steady latency nothing is lost, and no request comes too early. One
    that is larger than all that a window allows counts for as many windows as it takes.
    """

    def __init__(self, max_events: float, max_bytes: float, window_s: float = 60.0) -> None:
        """Take the limits of a window."""
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.window_s = window_s
        self.share = Share(window_s)
        self._limits = (max_events or inf, max_bytes or inf)
        self._spent: deque[_Spent] = deque()
        self._used = Cost(0, 0)
        self._quickest_s = inf
        self._peek_at = -inf

    def wait_s(self, cost: Cost, now: float) -> float:
        """Give the seconds until it fits; infinite when that depends on requests that are under way.

        What is more than all that there is fits when nothing else is spent.
        """
        self._forget(now)
        most = 1.0 if now >= self._peek_at else 1.0 - HEADROOM
        part = max(min(self.share.at(now), most), LEAST)
        over = [used + more - limit * part for used, more, limit in zip(self._used, cost, self._limits, strict=True)]
        if max(over) <= 0 or not any(self._used):
            return 0.0
        wait_s = inf
        left = Cost(*self._used)
        for until, events, nbytes in self._spent:
            left = Cost(left.events - events, left.nbytes - nbytes)
            over = [over[0] - events, over[1] - nbytes]
            if max(over) <= 0 or not any(left):
                wait_s = until - now
                break
        # A share that is growing may make room before anything is forgotten.
        return wait_s if self.share.is_whole else min(wait_s, self.window_s / 64)

    def spend(self, cost: Cost, now: float) -> None:
        """Count a request that is sent now."""
        self._used = Cost(self._used.events + cost.events, self._used.nbytes + cost.nbytes)
        if self._part() > 1.0 - HEADROOM:
            self._peek_at = max(self._peek_at, now + PEEK * self.window_s)

    def settle(self, cost: Cost, now: float, took_s: float, *, counted: bool, quiet: bool = False) -> None:
        """Note that its reply came. `counted`: the server may have counted it; otherwise it is given back.

        `quiet`: hardly anything else was under way, so that what it took is a round trip, and no queue.
        """
        if not counted:
            self._used = Cost(self._used.events - cost.events, self._used.nbytes - cost.nbytes)
            return
        if quiet:
            self._quickest_s = min(self._quickest_s, took_s)
        piece_s = self.window_s / PIECES
        round_trip_s = 0.0 if self._quickest_s == inf else self._quickest_s
        windows = max(1.0, *(more / limit for more, limit in zip(cost, self._limits, strict=True)))
        # A hundredth of a piece more than the quotient: a float may be a little too small.
        until = ceil((now + windows * self.window_s - round_trip_s) / piece_s + 0.01) * piece_s
        if self._spent and until <= self._spent[-1].until:
            last = self._spent.pop()
            self._spent.append(_Spent(last.until, last.events + cost.events, last.nbytes + cost.nbytes))
        else:
            self._spent.append(_Spent(until, *cost))

    def used(self, now: float) -> float:
        """Give the part of the limit that is spent, of events or bytes, whichever is more."""
        self._forget(now)
        return self._part()

    def pace(self) -> Pace:
        """Give how fast it lets requests go on in the long run, if all of the limit is ours."""
        return Pace(self._limits[0] / self.window_s, self._limits[1] / self.window_s, self.window_s)

    def _part(self) -> float:
        return max(used / limit for used, limit in zip(self._used, self._limits, strict=True))

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0].until <= now:
            _, events, nbytes = self._spent.popleft()
            self._used = Cost(self._used.events - events, self._used.nbytes - nbytes)


def max_batch_events(per_window: float, window_s: float, wanted: int) -> int:
    """Give how many events a batch is worth while: a small part of what a window allows (0: everything), at least 1."""
    calm = max(per_window / MORE_BATCHES, per_window / window_s / CALM_PER_S)
    return max_batch_bytes(per_window, min(wanted, int(calm) or 1) if per_window else wanted)


def max_batch_bytes(per_window: float, wanted: int) -> int:
    """Give how many bytes it is worth while."""
    return max(1, min(wanted, int(per_window / BATCHES))) if per_window else wanted
