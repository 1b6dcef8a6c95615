"""JSON documents: an array of events, an object that holds it somewhere, or one event.

Decides where in the document the events are; how they are cut out is `json_cut`, how they are reached `json_walk`.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from types import ModuleType
from typing import TYPE_CHECKING

from mpimport.errors import BrokenInput, UsageProblem
from mpimport.formats.json_cut import cut_array, cut_objects
from mpimport.formats.json_feed import Feed
from mpimport.formats.reading import ReadOptions
from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream

if TYPE_CHECKING:  # ijson is imported when it is needed
    from mpimport.formats.json_walk import Walk

_log = logging.getLogger(__name__)


def read(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Read the records of a document; their numbers count from 1.

    Raises `UsageProblem` when it takes a `--json-path` to say where the events are, or when the one given
    leads nowhere; `BrokenInput` where the document breaks.
    """
    feed = Feed(stream.name, stream.read)
    opening = feed.skip_space()
    path, most = options.json_path, options.max_record_bytes
    if not opening:
        if feed.failure:
            raise feed.failure
    elif opening == b"[" and path in (None, "", "item"):
        feed.at += 1
        yield from cut_array(feed, 1, most)
        _check_end(feed)
    elif opening not in (b"[", b"{"):
        raise feed.broken("is no JSON array or object: give its --format, or remove what stands around the JSON")
    elif path:
        yield from _read_at(feed, path, stream, most)
    elif path is not None:  # the document itself
        yield from cut_objects(feed, most)
        _check_end(feed)
    else:
        yield from _read_found(feed, stream, options)


def _read_at(feed: Feed, path: str, stream: ByteStream, most: int) -> Iterator[Block | Unreadable]:
    """Read what is at the path that the user gave."""
    walk = _import_walk().Walk(feed, most, wanted=path)
    yield from walk.records()
    if not walk.matched:
        there = ", ".join(map(_spell, walk.arrays)) or "there is none"
        message = f"nothing is at --json-path {path}; the arrays of objects in it: {there}"
        raise UsageProblem(f"{stream.name}: {message}")


def _read_found(feed: Feed, stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Read the only array whose objects look like events, or else the only one at the outermost level that has any.

    Where there is none, the document is one event, and so are those that follow it.
    """
    most = options.max_record_bytes
    survey, whole = _survey(feed, stream, options)
    whole = whole or survey.followed
    if survey.is_event or (whole and not survey.arrays):
        nothing = whole and survey.has_nothing and not survey.followed
        for record in cut_objects(feed, most):
            if not nothing:
                yield record
        _check_end(feed)
        return
    found = _find_likely(survey)
    if survey.may_be_event and found and not survey.of_events:
        choices = " or ".join(f"--json-path {_spell(path)}" for path in found)
        raise UsageProblem(f"{stream.name}: is it one event (--json-path ''), or does it hold them: {choices}?")
    if len(found) > 1:
        raise UsageProblem(f"{stream.name}: {_word_choice(found)}")
    walks = _import_walk()
    walk = walks.Walk(feed, most, wanted=walks.name_items(found[0]) if found else None, take_first=True)
    yield from walk.records()
    if not walk.matched:
        raise feed.broken("no array of objects is in it, and it is too long for one event: see --json-path")
    chosen = bool(survey.of_events)
    level = survey.arrays[found[0]] if found else walk.level
    others = [path for path, depth in walk.arrays.items() if path in walk.of_events or (depth <= level and not chosen)]
    if others:
        raise feed.broken(f"only {walk.wanted} was read, and {_word_choice(others)}")
    if chosen and walk.arrays:
        passed = ", ".join(map(_spell, walk.arrays))
        _log.info("%s: the events were read from %s; passed over: %s", stream.name, walk.wanted, passed)


def _find_likely(survey: Walk) -> list[str]:
    """Give the arrays that may be the one with the events: those that look so, else those nearest to the outside."""
    level = min(survey.arrays.values(), default=0)
    return list(survey.of_events) or [path for path, depth in survey.arrays.items() if depth == level]


def _survey(feed: Feed, stream: ByteStream, options: ReadOptions) -> tuple[Walk, bool]:
    """Look for arrays of objects before anything is read: in all of a file, in the first bytes of a pipe.

    Also says whether that was the whole document. Damage ends the survey; the reading tells of it.
    """
    again, most = stream.reopen(), options.max_record_bytes
    ahead = Feed(stream.name, again.read) if again else _look_ahead(feed, most)
    walk = _import_walk().Walk(ahead, most, signs=options.event_signs)
    with again or nullcontext(), suppress(BrokenInput):
        for _ in walk.records():
            pass
    return walk, again is not None or len(feed) <= most


def _look_ahead(feed: Feed, most: int) -> Feed:
    """Copy what is in the feed, after it has taken in as much as one record may have."""
    while len(feed) <= most and feed.grow():
        pass
    return Feed(feed.name, io.BytesIO(feed.text[feed.at :]).read)


def _word_choice(paths: list[str]) -> str:
    there = ", ".join(map(_spell, paths))
    return f"there are events, or other objects, at {there}: say which with --json-path"


def _spell(path: str) -> str:
    return str(_import_walk().name_items(path))


def _import_walk() -> ModuleType:
    from mpimport.formats import json_walk  # noqa: PLC0415 - it imports ijson, which takes a while

    return json_walk


def _check_end(feed: Feed) -> None:
    """Make sure that nothing follows the document."""
    if feed.skip_space():
        raise feed.broken(_import_walk().word_trailing(feed.offset, feed.text[feed.at : feed.at + 20]))
    if feed.failure:
        raise feed.failure
