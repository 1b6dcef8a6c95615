"""Settings -> the parts that send: budget, gate, transport, senders. Knows neither events nor files."""

from __future__ import annotations

import random
from contextlib import ExitStack
from functools import partial

from mpimport.admission import Admission
from mpimport.auth import TOKEN, Auth
from mpimport.backoff import Backoff
from mpimport.body import CONTENT_TYPES, ContentType, encode_body, stamp_with
from mpimport.concurrency import Concurrency
from mpimport.endpoints import ENDPOINTS, Target
from mpimport.gate import Gate
from mpimport.network import open_transport, sender_of
from mpimport.pacing import Budget
from mpimport.refusals import advised
from mpimport.route import Route
from mpimport.senders import Senders
from mpimport.settings import SendSettings, Settings


def budget_of(send: SendSettings) -> Budget:
    """Give what may be sent in a window."""
    window_s = send.rate_window_s
    return Budget(send.max_events_per_s * window_s, send.max_bytes_per_minute * window_s / 60, window_s)


def make_senders(settings: Settings, place: Target, auth: Auth, budget: Budget, stack: ExitStack) -> Senders:
    """Start the senders; their connections are closed with the stack. UsageProblem: they cannot be."""
    send, batch = settings.send, settings.batch
    endpoint = ENDPOINTS[send.endpoint]
    transport = open_transport(settings, place, auth)
    stack.callback(transport.close)
    low, high = send.backoff_jitter_s
    backoff = Backoff(send.backoff_base_s, send.backoff_max_s, low, high)
    rng = random.Random()  # noqa: S311  jitter, no secret
    route = Route(
        send=transport.send,
        classify=advised(endpoint.verdicts(strict=send.strict), sender_of(settings, place, auth)),
        encode=partial(
            encode_body,
            content_type=_CONTENT_TYPES[batch.content_type or endpoint.framings[0]],
            gzip_level=(batch.gzip_level or endpoint.gzip_level) if batch.gzip else None,
            stamp=stamp_with(TOKEN, auth.token) if auth.token else None,
        ),
        give_up_after_s=send.give_up_after_s,
        backoff=backoff,
        admission=Admission(gate=Gate(backoff, rng), concurrency=Concurrency(send.workers), budget=budget),
        rng=rng,
    )
    return Senders(route, send.workers)


_CONTENT_TYPES: dict[str, ContentType] = {name: name for name in CONTENT_TYPES}
