"""Takes values apart into several properties: nested ones, JSON text, URLs; or writes what is nested as JSON text.

Pure. Knows the limits of depth and width, but nothing of long text or names: its results go through `long_text`.
What cannot be turned is answered with None, never with an error: the rules then name it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias
from urllib.parse import unquote_plus

import msgspec

from mpimport.limits import MAX_DEPTH, MAX_ITEMS, MAX_KEYS, MAX_NESTING, MAX_TEXT, is_finite
from mpimport.validate_values import value_problems

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

Pieces: TypeAlias = "list[tuple[str, Any]]"
"""New properties: what each has behind the name of the one that it comes from, and its value."""

MAX_PARAMETERS = 20  # ours: a URL's further parameters stay together in one property
MAX_URL = 65_536  # ours: longer ones are no addresses, and are treated as any text

_MAX_PATH = 4 * MAX_TEXT  # a name is cut to MAX_TEXT in the end; nothing real has a longer path
_URL = re.compile(r"https?://(?:[^/?#\s]*@)?([^/?#\s@]+)((?:/[^?#\s]*)?)(?:\?([^#\s]*))?(?:#(\S*))?", re.IGNORECASE)
_OPENING = re.compile(r"[ \t\r\n]*[\[{]")
_MENDED_LATER = frozenset({"string_too_long", "name_too_long"})
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, InvalidOperation)
_UNWRITABLE = (TypeError, *_UNREADABLE)


def is_legal(value: Any, depth: int = 0, nesting: int = 0) -> bool:
    """Tell whether a property's value is neither too deep nor too wide, as `validate` sees it."""
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH or nesting >= MAX_NESTING or len(value) > MAX_KEYS:
            return False
        return all(is_legal(inner, depth + 1, nesting + 1) for inner in value.values())
    if isinstance(value, (list, tuple)):
        if nesting >= MAX_NESTING or len(value) > MAX_ITEMS:
            return False
        return all(is_legal(inner, depth, nesting + 1) for inner in value)
    return True


def flatten(value: Any, room: int) -> Pieces | None:
    """Take a value apart into `.key.key` properties, no further than it takes to make each legal.

    Elements of a list are named by their index, from 0. None when there is no room for all of them (an
    object that is too wide has more keys than an event may have properties), or a key is not text.
    """
    return _spread(value, room, is_legal)


def parse(text: str, room: int) -> Pieces | None:
    """Read text that holds a JSON object into `.key.key` properties, or a JSON list into one without an end.

    Objects are flattened to the end, lists stay lists. Exact: numbers keep their value. None when the text
    holds something else, a name twice, or what the API would refuse; or when there is no room for all.
    """
    if not _OPENING.match(text):
        return None
    try:
        value = _decode(text)
        json.loads(text, object_pairs_hook=_require_different, parse_int=str, parse_float=str)
    except _UNREADABLE:
        return None
    pieces = _spread(value, room, _is_no_object)
    if pieces is None or not all(
        problem.code in _MENDED_LATER for path, inner in pieces for problem in value_problems(path, inner)
    ):
        return None
    return pieces


def split_url(text: str) -> Pieces | None:
    """Split an absolute http(s) URL into properties: host (and port), path, fragment, and each parameter.

    User and password are left out. Parameters are percent-decoded (as UTF-8, else left as they stand), and
    those of the same name joined; beyond `MAX_PARAMETERS` the rest stays as it stands, in one property.
    """
    found = _URL.fullmatch(text) if len(text) <= MAX_URL else None
    if found is None:
        return None
    host, path, query, fragment = found.groups()
    parameters: dict[str, list[str]] = {}
    rest = []
    for part in filter(None, (query or "").split("&")):
        parameter, _, value = part.partition("=")
        parameter = _percent_decoded(parameter)
        if not parameter or (parameter not in parameters and len(parameters) == MAX_PARAMETERS):
            rest.append(part)
        else:
            parameters.setdefault(parameter, []).append(_percent_decoded(value))
    pieces: Pieces = [(" host", host), (" path", path or "/")]
    pieces += [(f" {parameter}", ", ".join(values)) for parameter, values in parameters.items()]
    if rest:
        pieces.append((" query rest", "&".join(rest)))
    if fragment:
        pieces.append((" fragment", fragment))
    return pieces


def _percent_decoded(text: str) -> str:
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeError:
        return text


def stringify(value: Any) -> tuple[Any, int] | None:
    """Replace every object or list within a value that is too deep or too wide by its JSON text.

    Gives the new value and how many texts were made. None when one of them has no JSON form.
    """
    made: list[str] = []
    try:
        return _with_texts(value, 0, 0, made), len(made)
    except _UNWRITABLE:
        return None


def _with_texts(value: Any, depth: int, nesting: int, made: list[str]) -> Any:
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH or nesting >= MAX_NESTING or len(value) > MAX_KEYS:
            return _written(value, made)
        return {name: _with_texts(inner, depth + 1, nesting + 1, made) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        if nesting >= MAX_NESTING or len(value) > MAX_ITEMS:
            return _written(value, made)
        return [_with_texts(inner, depth, nesting + 1, made) for inner in value]
    return value


def _written(value: Any, made: list[str]) -> str:
    text = _encode(value).decode()
    _require_exact(value)
    made.append(text)
    return text


def _require_exact(value: Any) -> None:
    """Refuse what the encoder writes as something else (NaN as null, a number as a name) or what readers cannot hold.

    Comes behind the encoder, which has found out already that the value ends somewhere.
    """
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, Mapping):
            if not all(isinstance(name, str) for name in inner):
                raise TypeError
            pending += inner.values()
        elif isinstance(inner, (list, tuple)):
            pending += inner
        elif isinstance(inner, (int, float, Decimal)):
            if not is_finite(inner):
                raise ValueError
        elif inner is not None and not isinstance(inner, str):
            raise TypeError


def _spread(value: Any, room: int, is_leaf: Callable[[Any], bool]) -> Pieces | None:
    pieces: Pieces = []
    pending = [("", value)]
    while pending:
        path, inner = pending.pop()
        if is_leaf(inner):
            pieces.append((path, inner))
            continue
        # Each of the pending becomes one property at least, so there is no need to go on beyond the room.
        if len(pieces) + len(pending) + len(inner) > room or len(path) > _MAX_PATH:
            return None
        if not isinstance(inner, Mapping):
            inner = {str(index): element for index, element in enumerate(inner)}
        elif not all(isinstance(key, str) for key in inner):
            return None
        pending += [(f"{path}.{key}", element) for key, element in reversed(inner.items())]
    return pieces if len(pieces) <= room else None


def _is_no_object(value: Any) -> bool:
    return not isinstance(value, dict) or not value  # an empty one stays: nothing of it can be flattened


def _require_different(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError
