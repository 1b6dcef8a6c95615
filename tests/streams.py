"""Streams for the tests of reading: bytes in pieces of any size, or more of them than memory would hold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from mpimport.errors import BrokenInput, MpimportError, UsageProblem
from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream

Found: TypeAlias = tuple[int, Any]


def cut(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut data into pieces of these sizes, over and over; 0 means what the reader asked for."""
    at = 0
    for size in itertools.cycle(sizes or (0,)):
        if at >= len(data):
            return
        piece = data[at : at + (size or len(data))]
        at += len(piece)
        yield piece


def stream_of(pieces: Iterable[bytes], *, name: str = "x", failure: OSError | None = None) -> ByteStream:
    """Make a stream that can be read once, like a pipe; `failure` is raised after the last piece."""
    waiting = iter(pieces)
    held = b""

    def pull(n: int) -> bytes:
        nonlocal held
        held = held or next(waiting, b"")
        if not held and failure is not None:
            raise failure
        piece, held = held[:n], held[n:]
        return piece

    return ByteStream(name, pull)


def file_of(data: bytes, sizes: Sequence[int] = (), *, name: str = "x") -> ByteStream:
    """Make a stream that can be opened again, like a file."""
    waiting = iter(cut(data, sizes))
    held = b""

    def pull(n: int) -> bytes:
        nonlocal held
        held = held or next(waiting, b"")
        piece, held = held[:n], held[n:]
        return piece

    return ByteStream(name, pull, reopen=lambda: file_of(data, sizes, name=name))


def collect(blocks: Iterable[Block | Unreadable]) -> tuple[list[Found], str]:
    """Number every record, as (number, record or Unreadable), and give the name of what ended the reading."""
    found: list[Found] = []
    try:
        for block in blocks:
            if isinstance(block, Unreadable):
                found.append((block.number, block))
            else:
                found.extend(enumerate(block.records, block.first))
    except MpimportError as stop:
        return found, f"{type(stop).__name__}: {stop}"
    return found, ""


def message_of(action: Callable[[], object]) -> str:
    """Give the words of the problem that this ends with."""
    try:
        action()
    except (BrokenInput, UsageProblem) as problem:
        return str(problem)
    return ""
