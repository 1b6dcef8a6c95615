"""What delivering needs beside the batch, as one value. Must not know what is done with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mpimport.admission import Admission
from mpimport.backoff import Backoff
from mpimport.body import Lines
from mpimport.brake import Brake
from mpimport.clock import Clock, SystemClock
from mpimport.records import Response, Verdict


@dataclass(frozen=True, slots=True)
class Route:
    """All that delivering needs beside the batch; shared by the senders of a run.

    `send` never raises. Whoever wants to stop stops `admission`, and no further request is sent; a delivery
    that meets a fatal reply does so before anything else, so each sender spends at most one request on
    finding out. A request that is under way is always finished.
    `give_up_after_s` bounds the time that a batch keeps failing: from a failure to the next reply that
    settles something, summed up. A closed gate counts when the batch has failed before, or nothing would ever
    end; pacing does not count, and a batch that was not yet tried waits at the gate as long as it is closed.
    """

    send: Callable[[bytes, Mapping[str, str]], Response]
    classify: Callable[[Response, int], Verdict]
    encode: Callable[[Lines], tuple[bytes, Mapping[str, str]]]
    give_up_after_s: float = 900.0
    backoff: Backoff = field(default_factory=Backoff)
    clock: Clock = field(default_factory=SystemClock)
    admission: Admission = field(default_factory=Admission)
    brake: Brake = field(default_factory=Brake)
    rng: random.Random = field(default_factory=random.Random)
