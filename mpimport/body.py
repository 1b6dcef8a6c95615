"""Owns the text of a request: framing and compressing lines, and cutting a batch into parts after a failure.

Must not know the network, retries or replies.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeAlias
from urllib.parse import quote_from_bytes

import msgspec

from mpimport.records import Batch

igzip_lib: ModuleType | None
try:
    from isal import igzip_lib
except ImportError:  # no wheel for this platform: zlib does, at a higher price
    igzip_lib = None

Lines: TypeAlias = "bytes | bytearray"
ContentType: TypeAlias = Literal["ndjson", "json", "form"]

CONTENT_TYPES: dict[ContentType, str] = {
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}
MAX_ISAL_LEVEL = 3
GZIP_WBITS = 31  # zlib's way to ask for a gzip header; it writes time 0


@dataclass(frozen=True, slots=True)
class Part:
    """Events of a batch that go out in one request: their lines, and their indexes in the batch, ascending."""

    lines: Lines
    indexes: Sequence[int]


class _Pieces(msgspec.Struct):
    """An event whose values are the bytes that they were: numbers, above all, keep their spelling."""

    event: msgspec.Raw
    properties: dict[str, msgspec.Raw]


class _Properties(msgspec.Struct):
    insert_id: Any = msgspec.field(default=None, name="$insert_id")


class _Event(msgspec.Struct):
    properties: _Properties


_read_id = msgspec.json.Decoder(_Event).decode
_take_apart = msgspec.json.Decoder(_Pieces).decode_lines
_put_together = msgspec.json.Encoder().encode_lines


def encode_body(
    lines: Lines,
    content_type: ContentType,
    gzip_level: int | None,
    stamp: Callable[[Lines], Lines] | None = None,
) -> tuple[bytes, dict[str, str]]:
    """Frame and compress the lines of events; give the body and the headers that describe it.

    `stamp` puts into the events what no file may show (see `stamp_with`).
    `gzip_level`: 0-3 is isal's, 4-9 zlib's (slow links; isal has none so thorough), None leaves it plain.
    Without isal every level is zlib's (0 as 1). The work is done without the GIL.
    """
    headers = {"Content-Type": CONTENT_TYPES[content_type]}
    framed = _FRAME[content_type](lines if stamp is None else stamp(lines))
    if gzip_level is None:
        return bytes(framed), headers
    headers["Content-Encoding"] = "gzip"
    return _gzip(framed, gzip_level), headers


def stamp_with(name: str, text: str) -> Callable[[Lines], Lines]:
    """Give a function that sets a property to the text in each event, in the place of one that is there."""
    value = msgspec.Raw(msgspec.json.encode(text))

    def stamp(lines: Lines) -> Lines:
        events = _take_apart(lines)
        for event in events:
            event.properties[name] = value
        return _put_together(events)

    return stamp


def whole(batch: Batch) -> Part:
    """Give the batch as one part, without touching its bytes."""
    return Part(batch.lines, range(batch.count))


def event_lines(lines: Lines) -> list[bytes]:
    """Give the events of NDJSON text one by one, without their newlines."""
    events = bytes(lines).split(b"\n")
    if not events[-1]:
        events.pop()
    return events


def names_others(lines: Lines, named: Mapping[int, str]) -> bool:
    """Whether an `$insert_id` that is named for a position is not of the event there, but of another one."""
    events = event_lines(lines)
    odd = {insert_id for position, insert_id in named.items() if _insert_id(events[position]) != insert_id}
    return bool(odd) and any(_insert_id(event) in odd for event in events)


def select(part: Part, positions: Sequence[int]) -> Part:
    """Give the events at `positions` of the part (not of the batch) as a part of their own."""
    events = event_lines(part.lines)
    lines = b"".join(b"%b\n" % events[position] for position in positions)
    return Part(lines, [part.indexes[position] for position in positions])


def pieces(part: Part, max_bytes: int | None) -> list[Part]:
    """Cut a part of several events: into pieces of at most `max_bytes` where that cuts it, else into halves.

    An event that is larger than `max_bytes` becomes a piece of its own.
    """
    count = len(part.indexes)
    if max_bytes is None or len(part.lines) <= max_bytes:
        return [select(part, range(count // 2)), select(part, range(count // 2, count))]
    starts, size = [0], 0
    for position, event in enumerate(event_lines(part.lines)):
        size += len(event) + 1
        if size > max_bytes and position > starts[-1]:
            starts.append(position)
            size = len(event) + 1
    return [select(part, range(*pair)) for pair in zip(starts, [*starts[1:], count], strict=True)]


def _insert_id(event: bytes) -> str | None:
    insert_id = _read_id(event).properties.insert_id
    return insert_id if isinstance(insert_id, str) else None


def _array(lines: Lines) -> bytearray:
    # No event holds a raw newline, so each newline is a boundary. Two copies of a megabyte, not four.
    framed = (bytearray(b"[") + lines).replace(b"\n", b",")
    if framed.endswith(b","):
        framed.pop()
    framed += b"]"
    return framed


def _form(lines: Lines) -> bytes:
    return b"data=" + quote_from_bytes(_array(lines), safe="").encode("ascii")


_FRAME: dict[ContentType, Callable[[Lines], Lines]] = {"ndjson": lambda lines: lines, "json": _array, "form": _form}


def _gzip(data: Lines, level: int) -> bytes:
    if igzip_lib is not None and level <= MAX_ISAL_LEVEL:
        packed: bytes = igzip_lib.compress(data, level, igzip_lib.COMP_GZIP)
        return packed
    packer = zlib.compressobj(max(level, 1), zlib.DEFLATED, GZIP_WBITS)
    return packer.compress(data) + packer.flush()
