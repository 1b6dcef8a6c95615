"""Which of two options that exclude each other gives way: the one from the place that comes later, and quietly.

Knows of an option only what it cannot stand beside. To clash within one place stays an error, which others tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from mpimport.config_file import Layer
from mpimport.endpoints import ENDPOINTS, REGIONS, Endpoint

SECRETS = {"MP_SECRET": "secret-file", "MP_API_SECRET": "api-secret-file"}
"""The variables that hold a secret, and the option that a file of it has."""
GIVES_WAY = {
    "url": ("sandbox", "region"),
    "region": ("url",),
    "sandbox": ("dry-run", "url"),
    "dry-run": ("sandbox",),
    "checkpoint": ("no-checkpoint",),
    "no-checkpoint": ("checkpoint",),
    "gzip-level": ("no-gzip",),
    "no-gzip": ("gzip-level",),
    "username": ("token", "token-file", "api-secret-file", "MP_API_SECRET"),
    "secret-file": ("MP_SECRET", "token", "token-file", "api-secret-file", "MP_API_SECRET"),
    "api-secret-file": ("MP_API_SECRET", "token", "token-file", "username"),
    "token": ("token-file",),
    "token-file": ("token",),
    "MP_SECRET": ("token", "token-file", "api-secret-file"),
    "MP_API_SECRET": ("token", "token-file", "username"),
    "quiet": ("verbose",),
    "verbose": ("quiet",),
    "event-name": ("event-field",),
    "event-field": ("event-name",),
    "insert-id-from": ("insert-id-field",),
    "insert-id-field": ("insert-id-from",),
}
"""What gives way to what was given in a place that comes before it: to have both is refused, or would mean something
else. A variable stands for a secret that no option takes."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What is left of the layers, and of the variables that hold secrets; `told` says what gave way, and to what."""

    layers: Sequence[Layer]
    ignored: frozenset[str]
    told: tuple[str, ...]


def give_way(lower: Sequence[Layer], variables: Sequence[Layer], arguments: Layer, secrets: Iterable[str]) -> Settled:
    """Leave out what gives way.

    `lower` are the layers of files, the last comes before the others; then all variables at once, then the command
    line's `arguments`. `secrets` are the variables that hold one.
    """
    held = [Layer(name, {name: "***"}) for name in secrets]
    ranks = [*([layer] for layer in lower), [*held, *variables], [arguments]]
    told: list[str] = []
    kept: list[Layer] = []
    for number, rank in enumerate(ranks):
        above = list(chain.from_iterable(ranks[number + 1 :]))
        for layer in rank:
            lost = dict(_find_lost(layer, above))
            told.extend(f"{_written(name)}{_of(name, layer)} gives way to {winner}" for name, winner in lost.items())
            kept.append(_without(layer, lost))
    left = {layer.origin for layer in kept if layer.entries.keys() & SECRETS.keys()}
    kept = [layer for layer in kept if layer.origin not in SECRETS]
    return _leave_unasked([*kept[:-1]], kept[-1], frozenset(secrets) - left, told)


def _find_lost(layer: Layer, above: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    endpoint = next((it.entries["endpoint"] for it in reversed(above) if "endpoint" in it.entries), None)
    for name, value in layer.entries.items():
        rivals = [rival for rival in GIVES_WAY.get(name, ()) if any(it.entries.get(rival) for it in above)]
        if name == "url" and layer.file is None and not value.startswith(tuple(REGIONS.values())):
            rivals = [rival for rival in rivals if rival != "region"]  # a stand-in that a script is to be tried with
        if rivals:
            yield name, _written(rivals[0])
        elif endpoint in ENDPOINTS and not _suits(name, value, ENDPOINTS[endpoint]):
            yield name, f"--endpoint {endpoint}"


def _suits(name: str, value: Any, endpoint: Endpoint) -> bool:
    """Whether an endpoint can do with what was set for another one."""
    if name == "batch-size":
        return bool(value <= endpoint.max_events)
    if name == "content-type":
        return value in endpoint.framings
    if name == "gzip-level":
        return endpoint.gzip_level is not None
    return name != "no-strict" or endpoint.classify_lenient is not None


def _leave_unasked(lower: list[Layer], arguments: Layer, ignored: frozenset[str], told: list[str]) -> Settled:
    """Leave out what stands ready for the other kind of run, dry or not, unless the command line asks for it."""
    layers = [*lower, arguments]
    is_dry = next((it.entries["dry-run"] for it in reversed(layers) if "dry-run" in it.entries), False)
    name, words = ("metrics", "gives way to --dry-run") if is_dry else ("audit", "is left out: this is no dry run")
    told.extend(f"--{name} of {layer.origin} {words}" for layer in lower if layer.entries.get(name))
    return Settled([*(_without(layer, {name: ""}) for layer in lower), arguments], ignored, tuple(told))


def _without(layer: Layer, names: Mapping[str, str]) -> Layer:
    entries = {name: value for name, value in layer.entries.items() if name not in names}
    return replace(layer, entries=entries)


def _written(name: str) -> str:
    return name if name in SECRETS else f"--{name}"


def _of(name: str, layer: Layer) -> str:
    return "" if name in SECRETS else f" of {layer.origin}"
