"""NDJSON: one JSON value a line. Hands over whole blocks of lines; no line is looked at one by one here."""

from __future__ import annotations

import io
from collections.abc import Iterator

from mpimport.errors import BrokenInput
from mpimport.formats.reading import KEPT_BYTES, MAX_VALUES, ReadOptions, has_too_many_values
from mpimport.records import Block, Reason, Unreadable
from mpimport.sources import ByteStream

_BLOCK_BYTES = 256 * 1024  # at 1 MiB, glibc gives each block back to the system: 0.2 us an event in page faults


def read(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Read lines. A line longer than the limit is passed over without being kept, and is `Unreadable`.

    Raises `BrokenInput` when the source breaks; the line that is cut short by it is not handed over.
    """
    most = options.max_record_bytes
    place = stream.place()
    number, offset = options.first, place or 0  # of the line that `held` begins
    held = bytearray()
    dropped = 0  # bytes of that line that are not kept
    while chunk := _take(stream, min(_BLOCK_BYTES, most), number, cut_short=bool(held)):
        newline = chunk.find(b"\n") if held else -1
        length = len(held) + dropped + (newline if newline >= 0 else len(chunk))
        if held and length > most:
            _keep(held, chunk)
            dropped = length - len(held)
            if newline < 0:
                continue
        if held and (length > most or (newline >= 0 and _is_too_much(held, chunk[:newline]))):
            yield _too_long(number, offset, length, most, held)
            number, offset, dropped = number + 1, offset + length + 1, 0
            held.clear()
            chunk = chunk[newline + 1 :]
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            held += chunk
            continue
        text = b"".join((held, memoryview(chunk)[:cut])) if held else chunk[:cut]
        yield Block(number, io.BytesIO(text), offset=None if place is None else offset)
        number, offset = number + text.count(b"\n"), offset + len(text)
        held = bytearray(chunk[cut:])
    if held and options.on_open_end is not None:
        options.on_open_end(number)
    if len(held) + dropped > most or _is_too_much(held, b""):
        yield _too_long(number, offset, len(held) + dropped, most, held)
    elif held:
        yield Block(number, io.BytesIO(bytes(held)), offset=None if place is None else offset)


def _take(stream: ByteStream, n: int, number: int, *, cut_short: bool) -> bytes:
    try:
        return stream.read(n)
    except BrokenInput as broken:
        if not cut_short:
            raise
        raise BrokenInput(f"{broken}; line {number} is cut short there and was not read") from broken


def _keep(held: bytearray, chunk: bytes) -> None:
    """Keep the beginning of a line that turned out too long."""
    held += chunk[: max(0, KEPT_BYTES - len(held))].partition(b"\n")[0]
    del held[KEPT_BYTES:]


def _is_too_much(held: bytearray, rest: bytes) -> bool:
    return len(held) + len(rest) > MAX_VALUES and has_too_many_values(held + rest)


def _too_long(number: int, offset: int, length: int, most: int, raw: bytearray) -> Unreadable:
    message = f"line {number} (from byte {offset}) holds more than {MAX_VALUES:,} values: send less"
    if length > most:
        message = (
            f"line {number} is {length} bytes long (from byte {offset}), and {most} is the most: "
            f"is a line break missing, or is this a JSON document (--format json)?"
        )
    return Unreadable(number, Reason("record_too_long", message), bytes(raw[:KEPT_BYTES]))
