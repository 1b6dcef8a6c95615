"""Finds mapping options that contradict each other, or leave no event that could be sent. Pure.

Must not know what is in the sources.
"""

from __future__ import annotations

from collections.abc import Iterator

from mpimport.limits import OLDEST_S, show
from mpimport.mapping import SPECIAL
from mpimport.settings import MapSettings
from mpimport.time_forms import TimeReader


def find_contradictions(mapping: MapSettings, times: TimeReader) -> Iterator[str]:
    """Say what cannot be meant so; `times` reads the times of events."""
    yield from _reserved_names(mapping)
    if mapping.event_name and "event" in mapping.fields:
        yield "--event-name and --event-field: one of them names the event; leave the other out"
    if mapping.insert_id_from and "$insert_id" in mapping.fields:
        yield "--insert-id-from and --insert-id-field: one of them gives the id; leave the other out"
    yield from _lost_times(mapping, times)
    yield from _lost_in_renaming(mapping)


_WINTER = {"EST": ("UTC-5", "America/New_York", "Etc/GMT+5"), "MST": ("UTC-7", "America/Denver", "Etc/GMT+7")}
"""Names of zones that somebody writes for a place with summer time, and that have none."""


def find_doubtful(mapping: MapSettings) -> Iterator[str]:
    """Say what is done, and may not be meant: one option overrules another, a zone has no summer time."""
    if mapping.timezone in _WINTER:
        fixed, place, same = _WINTER[mapping.timezone]
        yield f"--timezone {mapping.timezone}: is {fixed} all year; write {place} for summer time, too, or {same}"
    if "distinct_id" in mapping.drop and "distinct_id" not in dict(mapping.set):
        yield "--drop distinct_id: events without $user_id and $device_id are rejected; --set distinct_id= for no user"
    for name in mapping.keep or ():
        if name in mapping.drop:
            yield f"--keep {name} and --drop {name}: it is dropped; leave one of them out"
    yield from _lost_in_keeping(mapping)


def _reserved_names(mapping: MapSettings) -> Iterator[str]:
    """Tell of rules that would make a property of what is no property."""
    if any(name == "event" for name, _ in mapping.set):
        yield "--set event: the event's name is set by --event-name"
    wrong = [("--set", name) for name, _ in mapping.set] + [("--rename", new) for _, new in mapping.rename]
    wrong += [("--drop", name) for name in mapping.drop]
    for option, name in wrong:
        if name == "properties" or (option == "--drop" and name == "event"):
            yield f"{option} {name}: that is a part of every event, and no property"


def _lost_times(mapping: MapSettings, times: TimeReader) -> Iterator[str]:
    """Tell of rules by which every event has no time, or one that cannot be."""
    given = dict(mapping.set)
    if "time" in given:
        read = times.read(given["time"])
        if isinstance(read, str):
            yield f"--set time={show(given['time'])}: {read}"
        elif read[0] < OLDEST_S:
            yield f"--set time={show(given['time'])}: that is before 1971; give seconds or milliseconds since 1970"
        return
    renamed = [pair for pair in mapping.rename if "time" in pair]
    if renamed and renamed[-1][0] == "time" != renamed[-1][1]:
        yield f"--rename time={renamed[-1][1]}: no event can be sent without its time; --rename OLD=time takes another"
    elif "time" in mapping.drop:
        yield "--drop time: no event can be sent without its time; --time-field NAME takes another field for it"


def _lost_in_renaming(mapping: MapSettings) -> Iterator[str]:
    """Tell of two names that are swapped: the second would be lost when it takes the place of the first."""
    later = dict(mapping.rename)
    for old, new in mapping.rename:
        later.pop(old, None)
        if later.get(new) == old != new:
            mend = f"a third name swaps them: --rename {new}=NAME --rename {old}={new} --rename NAME={old}"
            yield f"--rename {old}={new} and then {new}={old}: they are done in this order, and {new} is lost; {mend}"


def _lost_in_keeping(mapping: MapSettings) -> Iterator[str]:
    """Tell of names to keep that are renamed by then."""
    renamed: dict[str, str] = {}
    for old, new in mapping.rename:
        first = next((name for name, now in renamed.items() if now == old), old)
        renamed[first] = new
    kept = {*(mapping.keep or ()), *SPECIAL}
    for name in mapping.keep or ():
        old = next((old for old in renamed if f"{name}.".startswith(f"{old}.")), name)
        now = renamed.get(old, old) + name.removeprefix(old)
        if now not in kept and name not in renamed.values():
            yield f"--keep {name}: --keep looks for names after --rename, where it is {now}: write --keep {now}"
