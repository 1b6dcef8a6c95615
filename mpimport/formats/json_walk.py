"""Walks through a JSON document to the arrays in it; the elements of arrays of objects are cut, not parsed.

One ijson parser follows the document. It is fed up to each opening bracket in turn, so that what it reports
began at the very byte behind which the feed stands. When the elements that follow are cut out of the feed, the
parser is told that there were none, and goes on behind them. The only module that imports ijson.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from typing import Any

import ijson
import msgspec

from mpimport.errors import BrokenInput
from mpimport.formats.json_cut import cut_array, cut_object
from mpimport.formats.json_feed import Feed
from mpimport.limits import show
from mpimport.records import Block, Unreadable

_OPENING = re.compile(rb"[\[{]")
_MAX_DEPTH = 200
_EVENT_KEYS = frozenset(("event", "properties"))
_PARSE_ERRORS = (ijson.JSONError, ValueError, ArithmeticError, SystemError)  # numbers of 5000 digits: the last two
_ITEM = "item"


def backend_note() -> str | None:
    """Say that documents are read slowly, when ijson runs without its C backend; None when it has it."""
    if str(ijson.backend).endswith("_c"):
        return None
    return f"ijson runs on its {ijson.backend} backend, which is slow: install a wheel of ijson for this platform"


if (_note := backend_note()) is not None:
    logging.getLogger(__name__).warning(_note)


def name_items(path: str) -> str:
    """Give the path of the items of the array at `path`, in ijson's prefix syntax."""
    return f"{path}.{_ITEM}" if path else _ITEM


class Walk:
    """One pass over a document. `wanted` is a path in ijson's prefix syntax, with or without its `.item`.

    Without one, arrays of objects are found and passed over, unless `take_first` says to read the first.
    Afterwards `arrays` holds the paths of the arrays of objects that were passed over, with how deep they lie, and
    `of_events` those whose first object looks like an event;
    `followed` says that something stands behind the document.
    `matched` says whether the wanted path was there. `is_event`: the document is one event, the walk stopped.
    `may_be_event`: it has one of the names `signs`.
    """

    def __init__(
        self,
        feed: Feed,
        most: int,
        *,
        wanted: str | None = None,
        take_first: bool = False,
        signs: Collection[str] = (),
    ) -> None:
        self.arrays: dict[str, int] = {}
        self.of_events: set[str] = set()
        self.wanted = wanted
        self.level = 0  # how deep the wanted array lies
        self.matched = False
        self.followed = False
        self.is_event = False
        self.may_be_event = False
        self._signs = signs
        self._has_text = False
        self._empty: set[str] = set()  # the last names of empty arrays
        self._kind = ""  # of what was reported last
        self._feed = feed
        self._most = most
        self._take_first = take_first
        self._names: list[str] = []  # of the child that comes next, one for each open bracket
        self._in_array: list[bool] = []
        self._number = 1
        self._quiet = 0  # bytes since the parser last reported something: it keeps them
        self._events: Any = ijson.sendable_list()
        self._parser: Any = ijson.basic_parse_coro(self._events)

    @property
    def has_nothing(self) -> bool:
        """Whether an array is empty that is called `events`, or that has beside it no text which could name one."""
        return not self.is_event and ("events" in self._empty or (bool(self._empty) and not self._has_text))

    def records(self) -> Iterator[Block | Unreadable]:
        """Read the document to its end. Raises `BrokenInput` where it breaks."""
        while piece := self._next_piece():
            kind = self._follow(piece)
            if self.is_event and self.wanted is None:
                return
            if kind == "start_array":
                yield from self._enter_array()
            elif kind == "start_map":
                yield from self._enter_map()
        try:
            self._parser.close()
        except _PARSE_ERRORS as error:
            raise self._broken(error) from error
        if self._feed.failure:
            raise self._feed.failure

    def _next_piece(self) -> bytes:
        """Take what comes up to and with the next bracket that may open something."""
        feed = self._feed
        if not len(feed):
            feed.grow()
        match = _OPENING.search(feed.text, feed.at)
        end = match.end() if match else len(feed.text)
        piece = feed.text[feed.at : end]
        feed.at = end
        return piece

    def _follow(self, piece: bytes) -> str:
        """Feed the parser; gives the kind of the last thing it reports, "" for nothing."""
        failure: Exception | None = None
        try:
            self._parser.send(piece)
        except _PARSE_ERRORS as error:
            failure = error  # what it reported before counts all the same
        self._quiet = 0 if self._events else self._quiet + len(piece)
        if self._quiet > self._most:
            raise self._feed.broken(f"something before byte {self._feed.offset} is longer than {self._most} bytes")
        kind = ""
        for kind, value in self._events:
            if kind == "map_key":
                self._note_name(value)
            elif kind in ("start_map", "start_array"):
                self._names.append("" if kind == "start_map" else _ITEM)
                self._in_array.append(kind == "start_array")
            elif kind in ("end_map", "end_array"):
                self._names.pop()
                self._in_array.pop()
                if kind == "end_array" and self._kind == "start_array":
                    self._empty.add(self._names[-1] if self._names else "")
            self._has_text = self._has_text or kind == "string"
            self._kind = kind
        self._events.clear()
        if failure is not None:
            raise self._broken(failure) from failure
        if len(self._names) > _MAX_DEPTH:
            raise self._feed.broken(f"more than {_MAX_DEPTH} brackets are open at byte {self._feed.offset}")
        return kind

    def _note_name(self, name: str) -> None:
        self._names[-1] = name
        if len(self._names) == 1:
            self.is_event = self.is_event or name in _EVENT_KEYS
            self.may_be_event = self.may_be_event or name in self._signs

    def _enter_array(self) -> Iterator[Block | Unreadable]:
        path = ".".join(self._names[:-1])
        if self.wanted is not None and self.wanted in (path, name_items(path)):
            yield from self._cut(closing=b"]")

    def _enter_map(self) -> Iterator[Block | Unreadable]:
        path = ".".join(self._names[:-1])
        if self.wanted is not None and path == self.wanted:
            self.matched = True
            self._feed.at -= 1
            yield cut_object(self._feed, self._number, self._most)
            self._number += 1
            self._follow(b"}")
        elif len(self._in_array) > 1 and self._in_array[-2]:
            yield from self._enter_objects(".".join(self._names[:-2]), path)

    def _enter_objects(self, array: str, items: str) -> Iterator[Block | Unreadable]:
        """Stand at the first object in an array that was not asked for by name."""
        level = len(self._names) - 2
        first = self._take_first and self.wanted is None
        if not first:
            self.arrays.setdefault(array, level)
        if self.wanted is not None and self.wanted.startswith(f"{items}."):
            return
        self._feed.at -= 1
        if first:
            self.wanted, self.level = items, level
            yield from self._cut(closing=b"}]")
            return
        elements = cut_array(self._feed, 1, self._most)
        if _begins_with_event(next(elements, None)):
            self.of_events.add(array)
        for _ in elements:
            pass
        self._follow(b"}]")

    def _cut(self, closing: bytes) -> Iterator[Block | Unreadable]:
        self.matched = True
        self._number = yield from cut_array(self._feed, self._number, self._most)
        self._follow(closing)

    def _broken(self, error: Exception) -> BrokenInput:
        reason, offset = str(error).partition("\n")[0], self._feed.offset
        if "premature" in reason or "Incomplete" in reason:
            return self._feed.broken(f"the document ends in the middle, after byte {offset}")
        if "trailing" in reason:
            self.followed = True
            return self._feed.broken(word_trailing(offset, wanted=self.wanted))
        return self._feed.broken(f"is no JSON just before byte {offset}: {reason}")


def _begins_with_event(found: Block | Unreadable | None) -> bool:
    """Tell whether the first of the elements that were cut has a key that events have."""
    text = next(iter(found.records)) if isinstance(found, Block) else b""
    try:
        first = msgspec.json.decode(text) if isinstance(text, bytes) else text
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and not _EVENT_KEYS.isdisjoint(first)


def word_trailing(offset: int, text: bytes = b"", wanted: str | None = None) -> str:
    """Word that something follows the document, `text` if that is known; it was read at the path `wanted`."""
    if wanted is None and text and not text.startswith(b"["):
        mend = (
            "put the objects between [ and ]" if text.startswith(b",") else "remove it, or import it from another file"
        )
        return f"{show(text.decode(errors='replace'))} follows the end of the JSON document, at byte {offset}: {mend}"
    path = re.sub(rf"\.{_ITEM}(?=\.|$)", "[]", f".{wanted or _ITEM}")
    return (
        f"something follows the end of the JSON document, before byte {offset}; arrays one after the other are read by "
        f"`jq -c '.{path.removeprefix('.')}' FILE | mpimport - --format ndjson`"
    )
