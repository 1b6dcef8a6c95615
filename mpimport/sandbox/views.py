"""What can be looked at while the sandbox runs: GET requests to replies. Knows nothing of sockets, or of the API."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from mpimport.sandbox import page, reply
from mpimport.sandbox.reply import Reply
from mpimport.sandbox.store import Store

_BLOCK_EVENTS = 1000
_LATEST = 20  # of each kind on the page
_GUIDE = b"""A local stand-in of the ingestion API. It shows what arrived, also as a page to a web browser.

POST /import, /track, /engage      the API itself
GET  /stats                        counters, as JSON
GET  /events?limit=100&offset=0    stored events, as a JSON array
GET  /events?format=ndjson         the same, one on each line
GET  /profiles                     user profiles, as a JSON array, the latest first
GET  /refused                      what was refused lately and why, the same way
"""


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply whose length is not known yet, so that a big one is never in memory whole."""

    content_type: str
    parts: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Look:
    """A request to look at something."""

    query: Mapping[str, str]
    accept: str


def refuse_hosts(hosts: Sequence[str]) -> Reply | None:
    """Refuse to show anything under a name that is not this machine's own.

    A web page can have its own name lead here (DNS rebinding) and read what the browser then takes for its own;
    it cannot do so with a number, or with localhost.
    """
    other = next((host for host in hosts if not _is_own(host)), None)
    if other is None:
        return None
    return reply.error(
        421,
        f"what arrived is shown under localhost or an IP address, not under {other[:200]!r}:"
        " ask for http://127.0.0.1 with the port, or send Host: localhost",
    )


def _is_own(host: str) -> bool:
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*)(:\d*)?", host.strip())
    name = match[1].lower().removesuffix(".") if match else host
    if name == "localhost" or name.endswith(".localhost"):  # these lead nowhere else: RFC 6761
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


View = Callable[[Store, Look], "Reply | Stream"]


def _front(_: Store, look: Look) -> Reply:
    """Give browsers the page, and everybody else the guide."""
    if "text/html" in look.accept.lower():
        return Reply(200, page.HTML, "text/html; charset=utf-8", {**page.HEADERS, "Vary": "Accept"})
    return Reply(200, _GUIDE, "text/plain; charset=utf-8", {"Vary": "Accept"})


def _stats(store: Store, _: Look) -> Reply:
    return _json(store.stats())


def _profiles(store: Store, _: Look) -> Reply:
    return _json(store.profiles())


def _refused(store: Store, _: Look) -> Reply:
    return _json(store.refused())


def _latest(store: Store, _: Look) -> Reply:
    """Give what the page shows under its counters."""
    # As text, too: a browser makes other numbers of large ones.
    profiles = [{**one, "json": _text(one["$properties"])} for one in store.profiles()[:_LATEST]]
    return _json({"events": store.latest(), "refused": store.refused()[:_LATEST], "profiles": profiles})


def _events(store: Store, look: Look) -> Reply | Stream:
    limit, offset = look.query.get("limit", "100"), look.query.get("offset", "0")
    layout = look.query.get("format", "json")
    numbers_ok = all(text.isascii() and text.isdigit() and len(text) < 16 for text in (limit, offset))
    if not numbers_ok or layout not in ("json", "ndjson"):
        return reply.error(400, "limit and offset must be whole numbers, format json or ndjson")
    blocks = _blocks(store.texts(int(offset), int(limit)))
    if layout == "ndjson":
        return Stream("application/x-ndjson", (b"\n".join(block) + b"\n" for block in blocks))
    return Stream("application/json", _as_array(blocks))


VIEWS: dict[str, View] = {
    "/": _front,
    "/stats": _stats,
    "/events": _events,
    "/profiles": _profiles,
    "/refused": _refused,
    "/latest": _latest,
}


def _text(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _json(content: Any) -> Reply:
    return Reply(200, json.dumps(content, indent=1).encode() + b"\n")


def _blocks(texts: Iterator[bytes]) -> Iterator[list[bytes]]:
    for first in texts:
        yield list(chain([first], islice(texts, _BLOCK_EVENTS - 1)))


def _as_array(blocks: Iterator[list[bytes]]) -> Iterator[bytes]:
    before = b"["
    for block in blocks:
        yield before + b",\n".join(block)
        before = b",\n"
    yield b"]\n" if before != b"[" else b"[]\n"
