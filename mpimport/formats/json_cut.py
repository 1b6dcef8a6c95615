"""Cuts the elements of a JSON array out of a feed, each as the very bytes it was written in.

The quick way: a buffer that starts at an element is cut at its last `},{`, and a JSON parser proves that the
elements before it are whole. Nothing is guessed: a false `},{`, in a string or a nested array, leaves something
open, and the proof fails. The exact way, for what cannot be proven: an element is what stands between two
commas at the level of the array. So an element that is no valid JSON costs that element, not the file.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from io import BytesIO

import msgspec

from mpimport.errors import BrokenInput
from mpimport.formats.json_feed import BLOCK_BYTES, SPACE, Feed
from mpimport.formats.json_lexer import Lexer
from mpimport.formats.reading import KEPT_BYTES, MAX_VALUES, has_too_many_values
from mpimport.records import Block, RawRecord, Reason, Unreadable

_TRIES = 8
_STEPS = 3  # tries that go one candidate to the left; those after it halve what is left
_SPAN = 256  # white space that may stand around a comma for the quick way to see it
_BRACES = 1000
_FIRST_WINDOW = 16 * 1024  # a small array is not worth copying a whole buffer for
_MOST_PATIENCE = 1024
_decode = msgspec.json.Decoder(list[msgspec.Raw]).decode
_POSITION = re.compile(r"\(byte (\d+)\)")
_NEXT_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"(?:[^"\\]|\\.){0,64}"', re.DOTALL)


def cut_array(feed: Feed, number: int, most: int) -> Generator[Block | Unreadable, None, int]:
    """Read the elements of an array; returns the number after its last. `number` is that of its first.

    The feed stands behind the `[`, or at the first element, and is left behind the `]`. Elements longer than
    `most` bytes are passed over. Raises `BrokenInput` when the text ends before the array does.
    """
    probe = b""
    patience, window = 1, _FIRST_WINDOW
    first = True
    while True:
        if len(feed) < BLOCK_BYTES:
            feed.grow()
        proven = _prove(feed, probe, window, most)
        window = min(window * 4, 2 * BLOCK_BYTES)
        if proven:
            probe = probe or _learn(feed)
            yield Block(number, _in_lines(proven))
            number += len(proven)
            first, patience = False, 1
            continue
        for _ in range(patience):
            element, last = _take(feed, number, most, first=first)
            if element is not None:
                probe = probe or _learn(feed)
                yield element
                number += 1
            if last:
                return number
            first = False
        patience = min(patience * 2, _MOST_PATIENCE)


def cut_objects(feed: Feed, most: int) -> Iterator[Block | Unreadable]:
    """Take the object that the feed stands at, and those that follow it with nothing but white space between."""
    first, begin = 1, feed.offset
    run: list[RawRecord] = []
    try:
        while feed.skip_space() == b"{":
            found = cut_object(feed, first + len(run), most)
            if isinstance(found, Block):
                run += found.records
                if feed.offset - begin < BLOCK_BYTES:
                    continue
            if run:
                yield Block(first, run)
            first, begin, run = first + len(run), feed.offset, []
            if isinstance(found, Unreadable):
                yield found
                first += 1
    except BrokenInput:  # what came before it is handed over
        if run:
            yield Block(first, run)
        raise
    if run:
        yield Block(first, run)


def cut_object(feed: Feed, number: int, most: int) -> Block | Unreadable:
    """Take the one object that the feed stands at. Raises `BrokenInput` when the text ends before it does."""
    begin = feed.offset
    element = _measure(feed, number, most, Lexer(alone=True))
    if element is None:
        raise feed.broken(f"the object that starts at byte {begin} is cut short; it was not read")
    return element


def _prove(feed: Feed, probe: bytes, window: int, most: int) -> list[msgspec.Raw] | None:
    """Take all elements before the last boundary that can be proven to be one."""
    text, start = feed.text, feed.at
    limit = min(len(text), start + window)
    for attempt in range(_TRIES):
        comma = _find_boundary(text, start, limit, probe)
        if comma < 0:
            return None
        try:
            raws = _decode(b"".join((b"[", memoryview(text)[start:comma], b"]")))
        except RecursionError:
            return None
        except msgspec.DecodeError as error:
            limit = comma if attempt < _STEPS else start + (comma - start) // 2
            if position := _POSITION.search(str(error)):
                limit = min(comma, start + int(position[1]))
            continue
        if comma - start > most and any(len(bytes(raw)) > most for raw in raws):
            return None
        feed.at = comma + 1
        return raws
    return None


def _in_lines(elements: list[msgspec.Raw]) -> Iterable[bytes]:
    """Hand elements over as the lines of one text, which is quicker, unless one holds a line break itself."""
    text = b"\n".join(elements)
    return BytesIO(text) if text.count(b"\n") < len(elements) else map(bytes, elements)


def _find_boundary(text: bytes, start: int, limit: int, probe: bytes) -> int:
    """Give the index of the last comma before `limit` that may stand between two elements, or -1."""
    if probe and (at := text.rfind(probe, start, limit)) >= 0:
        return at + probe.index(b",")
    brace = limit
    for _ in range(_BRACES):
        brace = text.rfind(b"{", start, brace)
        if brace < 0:
            return -1
        low = max(start, brace - _SPAN)
        before = text[low:brace].rstrip(SPACE)
        if before.endswith(b",") and before[:-1].rstrip(SPACE).endswith(b"}"):
            return low + len(before) - 1
    return -1


def _learn(feed: Feed) -> bytes:
    """Spell the boundary behind which the feed stands, up to the next element's first name.

    To look for that finds boundaries that are real, where elements hold arrays of objects themselves.
    """
    text, comma = feed.text, feed.at - 1
    before = text[max(0, comma - _SPAN) : comma].rstrip(SPACE)
    after = _NEXT_KEY.match(text, comma + 1)
    if after is None or not before.endswith(b"}") or text[comma : comma + 1] != b",":
        return b""
    return text[text.rindex(b"}", 0, comma) : after.end()]


def _take(feed: Feed, number: int, most: int, *, first: bool) -> tuple[Block | Unreadable | None, bool]:
    """Take one element the exact way, and say whether the array ends after it."""
    next_byte = feed.skip_space()
    begin = feed.offset
    element: Block | Unreadable | None = None
    if next_byte in (b",", b"]"):
        if not (first and next_byte == b"]"):
            message = f"record {number} is empty: there is a comma too many before byte {begin}"
            element = Unreadable(number, Reason("missing_element", message), b",")
    elif not next_byte:
        raise feed.broken(f"the array ends without its closing bracket, after record {number - 1}")
    else:
        element = _measure(feed, number, most, Lexer())
        if element is None:
            raise feed.broken(
                f"the text ends in the middle of record {number}, which starts at byte {begin} and was not read"
            )
    last = feed.text[feed.at : feed.at + 1] == b"]"
    feed.at = min(feed.at + 1, len(feed.text))
    return element, last


def _measure(feed: Feed, number: int, most: int, lexer: Lexer) -> Block | Unreadable | None:
    """Take the bytes of one value; None when the text ends before it does."""
    begin = feed.offset
    while (end := lexer.find_end(feed.text, feed.at)) < 0:
        if lexer.pos > most and len(feed.text[feed.at : feed.at + lexer.pos].rstrip(SPACE)) > most:
            return _pass_over(feed, number, most, lexer)
        if not feed.grow():
            end = len(feed.text)
            if lexer.whole and feed.text.rstrip(SPACE).endswith(b"}"):
                break
            return None
    text, length = feed.text[feed.at : end].rstrip(SPACE), end - feed.at
    feed.at = end
    if len(text) > most:
        return _too_long(number, begin, length, most, text[:KEPT_BYTES])
    if length > MAX_VALUES and has_too_many_values(text):
        message = f"record {number} (from byte {begin}) holds more than {MAX_VALUES:,} values: send less"
        return Unreadable(number, Reason("record_too_long", message), text[:KEPT_BYTES])
    return Block(number, (text,))


def _pass_over(feed: Feed, number: int, most: int, lexer: Lexer) -> Unreadable | None:
    """Go to the end of a value that is too long, keeping only its beginning."""
    begin = feed.offset
    raw = b""
    end = -1
    while end < 0:
        raw += feed.text[feed.at : feed.at + min(lexer.pos, KEPT_BYTES - len(raw))]
        feed.at += lexer.pos
        lexer.pos = 0
        if not feed.grow():
            return None
        end = lexer.find_end(feed.text, feed.at)
    raw += feed.text[feed.at : min(end, feed.at + KEPT_BYTES - len(raw))]
    feed.at = end
    return _too_long(number, begin, feed.offset - begin, most, raw)


def _too_long(number: int, begin: int, length: int, most: int, raw: bytes) -> Unreadable:
    message = (
        f"record {number} is {length} bytes long (from byte {begin}), and {most} is the most: "
        f"is a quote or a bracket missing in it, or does it hold the array of events (--json-path)?"
    )
    return Unreadable(number, Reason("record_too_long", message), raw.rstrip(SPACE))
