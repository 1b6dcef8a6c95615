"""What the arguments of `import_events` may be by their types; a program's mistake is told before anything is read.

Must not know what an argument does: ranges are checked with the settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import IOBase
from numbers import Integral, Real
from pathlib import Path
from typing import Any


def _is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and isinstance(os.fspath(value), str)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_TEXT = (lambda value: isinstance(value, str) and bool(value), "a text that is not empty")
_PATH = (_is_path, "a path")
_FLAG = (lambda value: isinstance(value, bool), "True or False")
_WHOLE = (_is_whole, "a whole number")
_NUMBER = (_is_number, "a number")
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "project_id": (lambda value: isinstance(value, str) or _is_whole(value), "a whole number, or a text"),
    "username": _TEXT,
    "secret": _TEXT,
    "api_secret": _TEXT,
    "token": _TEXT,
    "region": _TEXT,
    "url": _TEXT,
    "endpoint": _TEXT,
    "proxy": _TEXT,
    "ca_bundle": _PATH,
    "sandbox": _FLAG,
    "dry_run": _FLAG,
    "workers": _WHOLE,
    "batch_size": _WHOLE,
    "geolocate": _FLAG,
    "timeout_s": _NUMBER,
    "give_up_after_s": _NUMBER,
    "max_rejected": _WHOLE,
    "rejected": (lambda value: _is_path(value) and bool(Path(value).name), "the path of a file"),
    "on_progress": (callable, "a function"),
}
_MAY_BE_NONE = {
    *("project_id", "username", "secret", "api_secret", "token", "url", "proxy", "ca_bundle"),
    *("batch_size", "max_rejected", "on_progress"),
}


def find_wrong(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Tell which arguments are of no use as what they are; values are not quoted, for one may be a secret."""
    events = arguments["events"]
    if isinstance(events, (str, bytes, bytearray, os.PathLike, IOBase)):
        yield "events: must be dicts, and no text or file; read the file first, or run the command: mpimport FILE"
    elif hasattr(events, "to_dict") and hasattr(events, "columns"):
        yield 'events: is a table; give its rows: events.to_dict("records")'
    elif isinstance(events, Mapping):
        yield "events: is a single event; put it into a list: [event]"
    elif not isinstance(events, Iterable):
        yield f"events: must be a list of dicts or a generator of them; {_got(events)}"
    for name, (fits, words) in _KINDS.items():
        value = arguments[name]
        if not (fits(value) or (value is None and name in _MAY_BE_NONE)):
            yield f"{name}: must be {words}; {_got(value)}"


def _got(value: object) -> str:
    if value == "":
        return "it is empty"
    return "it is None" if value is None else f"its type is {type(value).__name__}"
