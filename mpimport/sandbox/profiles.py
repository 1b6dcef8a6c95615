"""User profiles: what an update must be, and what it does to a profile, by the API's documentation alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

Properties = dict[str, Any]
Operation = tuple[str, Any]

_LARGEST = 1e300  # 1e400 is read as infinity, and an int may have thousands of digits


class Update(NamedTuple):
    """A good update: whose profile, and its operations with their values, in the order in which they stand."""

    distinct_id: str
    operations: tuple[Operation, ...]


class Problem(NamedTuple):
    """What is wrong with an update: the field and the words."""

    field: str
    message: str


def read_update(record: Any) -> Update | Problem:
    """Check an update, but for its token."""
    if type(record) is not dict:
        return Problem("", "the update is invalid: must be an object")
    distinct_id = record.get("$distinct_id")
    if type(distinct_id) is int:  # clients send what they are given
        distinct_id = str(distinct_id)
    if type(distinct_id) is not str or not distinct_id:
        return Problem("$distinct_id", "'$distinct_id' is invalid: must be a non-empty string")
    operations = []
    for name, value in record.items():
        if name in _OPERATIONS:
            is_right, must, _ = _OPERATIONS[name]
            if not is_right(value):
                return Problem(name, f"'{name}' is invalid: must be {must}")
            operations.append((name, value))
        elif name not in _SPECIAL:
            return Problem(name[:255], f"'{name[:255]}' is invalid: is no operation; there are {_NAMES}")
    if not operations:
        return Problem("", f"the update is invalid: must have an operation: {_NAMES}")
    return Update(distinct_id, tuple(operations))


def apply(update: Update, before: Properties | None) -> Properties | None:
    """Return a profile as an update leaves it; None stands for no profile."""
    after = before
    for name, value in update.operations:
        _, _, change = _OPERATIONS[name]
        after = change(None if after is None else dict(after), value)
    return after


# What an operation does: each is given a copy of the profile or None, and its own value, already checked.


def _set(profile: Properties | None, values: Properties) -> Properties:
    return {**(profile or {}), **values}


def _set_once(profile: Properties | None, values: Properties) -> Properties:
    return {**values, **(profile or {})}


def _add(profile: Properties | None, values: Properties) -> Properties:
    made = profile or {}
    for name, value in values.items():
        before = made.get(name, 0)
        if _is_number(before) and _is_number(before + value):
            made[name] = before + value
    return made


def _append(profile: Properties | None, values: Properties) -> Properties:
    made = profile or {}
    for name, value in values.items():
        before = made.get(name, [])
        if type(before) is list:
            made[name] = [*before, value]
    return made


def _union(profile: Properties | None, values: Properties) -> Properties:
    made = profile or {}
    for name, added in values.items():
        before = made.get(name, [])
        if type(before) is list:
            # Compared as JSON: in Python, true is equal to 1.
            made[name] = list({_as_json(one): one for one in [*before, *added]}.values())
    return made


def _remove(profile: Properties | None, values: Properties) -> Properties | None:
    for name, value in values.items() if profile else ():
        assert profile
        before = profile.get(name)
        if type(before) is list:
            profile[name] = [one for one in before if _as_json(one) != _as_json(value)]
    return profile


def _unset(profile: Properties | None, names: list[str]) -> Properties | None:
    for name in names if profile else ():
        assert profile
        profile.pop(name, None)
    return profile


def _delete(profile: Properties | None, value: Any) -> None:  # noqa: ARG001 - "the $delete object value is ignored"
    return None


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_number(value: Any) -> bool:
    return (type(value) is int or type(value) is float) and -_LARGEST < value < _LARGEST


def _are_numbers(value: Any) -> bool:
    return type(value) is dict and all(_is_number(one) for one in value.values())


def _are_lists(value: Any) -> bool:
    return type(value) is dict and all(type(one) is list for one in value.values())


def _are_names(value: Any) -> bool:
    return type(value) is list and all(type(one) is str for one in value)


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


_Row = tuple[Callable[[Any], bool], str, Callable[[Properties | None, Any], Properties | None]]
_OPERATIONS: dict[str, _Row] = {
    "$set": (_is_object, "an object", _set),
    "$set_once": (_is_object, "an object", _set_once),
    "$add": (_are_numbers, "an object of numbers", _add),
    "$append": (_is_object, "an object", _append),
    "$union": (_are_lists, "an object of lists", _union),
    "$remove": (_is_object, "an object", _remove),
    "$unset": (_are_names, "a list of names", _unset),
    "$delete": (lambda _: True, "anything", _delete),
}
_NAMES = ", ".join(_OPERATIONS)
_SPECIAL = {
    *("$token", "$distinct_id", "$ip", "$time", "$ignore_time", "$ignore_alias", "$latitude", "$longitude"),
    *("$user_id", "$device_id", "$had_persisted_distinct_id"),  # sent by the vendor's client for browsers
}
