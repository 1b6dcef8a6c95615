"""From a request's body to its events: inflating up to a limit, and JSON with its oddities noticed.

Nothing is checked here but that the body is what its headers say.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

_WHITESPACE = re.compile(r"[ \t\r\n]*")
_GZIP = 16 + zlib.MAX_WBITS  # a gzip header and trailer, and nothing else


class Malformed(ValueError):
    """The body is not what its headers say: the whole request is refused with these words."""


class TooLarge(ValueError):
    """The body is larger than a request may be."""


def inflate(wire: bytes, *, max_bytes: int) -> bytes:
    """Decompress gzip, of several members too, holding never more than `max_bytes` and a byte of it."""
    parts: list[bytes] = []
    room = max_bytes + 1
    while True:
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(wire, room)
        except zlib.error as error:
            raise Malformed("request body is not valid gzip") from error
        parts.append(part)
        room -= len(part)
        if room <= 0:
            raise TooLarge
        if not member.eof:
            raise Malformed("request body is truncated gzip")
        if not member.unused_data:
            return b"".join(parts)
        wire = member.unused_data


class Decoder:
    """Decodes the events of one request as Python's json does, but refuses NaN and Infinity.

    `duplicate_keys` counts the keys that were overwritten by a later one of the same object.
    """

    def __init__(self) -> None:
        self.duplicate_keys = 0
        self._json = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=_refuse)

    def lines(self, body: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yield each event of an NDJSON body as its bytes and its value; blank lines do not count."""
        for number, padded in enumerate(body.split(b"\n"), start=1):
            line = padded.strip(b" \t\r")
            if not line:
                continue
            yield line, _quick(line) or self._line(line, number)

    def array(self, body: bytes) -> Iterator[tuple[bytes, Any]]:
        """Yield each event of a JSON body, which is an array of events or a single event."""
        text = _text(body)
        pos = _skip(text, 0)
        if text[pos : pos + 1] == "{":
            value, end = self._value(text, pos, "the object")
            _expect_end(text, end)
            yield text[pos:end].encode(), value
            return
        if text[pos : pos + 1] != "[":
            raise Malformed("request body is not a JSON array of events")
        pos = _skip(text, pos + 1)
        if text[pos : pos + 1] == "]":
            _expect_end(text, pos + 1)
            return
        index = 0
        while True:
            value, end = self._value(text, pos, f"element {index}")
            yield text[pos:end].encode(), value
            pos = _skip(text, end)
            mark = text[pos : pos + 1]
            if mark == "]":
                _expect_end(text, pos + 1)
                return
            if mark != ",":
                raise Malformed(f"request body is not valid JSON after element {index}")
            pos = _skip(text, pos + 1)
            index += 1

    def _line(self, line: bytes, number: int) -> Any:
        text = _text(line)
        value, end = self._value(text, 0, f"line {number}")
        if end != len(text):
            raise Malformed(f"request body is not valid NDJSON: more than one value on line {number}")
        return value

    def _value(self, text: str, pos: int, where: str) -> tuple[Any, int]:
        try:
            return self._json.raw_decode(text, pos)
        except RecursionError as error:
            raise Malformed(f"request body is nested too deeply in {where}") from error
        except ValueError as error:  # a JSONDecodeError, or an int of more digits than Python reads
            raise Malformed(f"request body is not valid JSON in {where}") from error

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self.duplicate_keys += len(pairs) - len(made)
        return made


def _quick(line: bytes) -> dict[str, Any] | None:
    """Decode a plain event several times as fast, or return None for the careful way.

    It must be certain that no key stands twice. Where every key's quote touches its colon, the text has
    at least as many quotes before colons as keys; an event that has as many different keys repeats none.
    """
    if b'" ' in line or b"\t" in line or b"\r" in line:
        return None
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(event) is not dict:
        return None
    keys = line.count(b'":')
    properties = event.get("properties")
    flat = type(properties) is dict and keys == len(event) + len(properties)
    return event if flat or keys == _count_keys(event) else None


def _count_keys(event: Any) -> int:
    count = 0
    stack = [event]  # no recursion: lists may lie hundreds deep in each other
    while stack:
        node = stack.pop()
        if type(node) is dict:
            count += len(node)
            node = node.values()
        stack += [child for child in node if type(child) is dict or type(child) is list]
    return count


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("request body is not valid UTF-8") from error


def _skip(text: str, pos: int) -> int:
    match = _WHITESPACE.match(text, pos)
    assert match  # it matches nothing, too
    return match.end()


def _expect_end(text: str, pos: int) -> None:
    if _skip(text, pos) != len(text):
        raise Malformed("request body is not valid JSON: something follows its end")
