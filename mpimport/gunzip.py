"""Raw bytes, counted, and the gzip data in them unpacked as it comes, in bounded memory.

Knows neither paths nor what the bytes mean. Breaks only after what came before the damage was handed over.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

from mpimport.errors import BrokenInput

_zlib: Any = zlib
with suppress(ImportError):  # no wheel for Windows on ARM
    from isal import isal_zlib

    _zlib = isal_zlib

MAGIC = b"\x1f\x8b"
_DAMAGE: tuple[type[Exception], ...] = (_zlib.error, ValueError)
_RAW_BYTES = 64 * 1024
_PIECE_BYTES = 8192  # a decoder that fails keeps what it made of this piece: so much is lost before damage
_TRAILER_BYTES = 8  # checksum and length, fed alone: a wrong checksum loses nothing
_OUT_BYTES = 1 << 20


class Raw:
    """The bytes as they are on disk or in the pipe, counted from `consumed` on."""

    def __init__(self, name: str, pull: Callable[[int], bytes], consumed: int = 0) -> None:
        self.name = name
        self.consumed = consumed
        self._pull = pull
        self._held = b""
        self._ended = False
        self._failure: BrokenInput | None = None

    def take(self, n: int) -> bytes:
        """Take about `n` bytes, b"" at the end. Raises `BrokenInput` for what the system refuses to read."""
        if self._held:
            data, self._held = self._held, b""
            return data
        if self._failure is not None:
            raise self._failure
        try:
            data = b"" if self._ended else self._pull(n)
        except OSError as error:
            reason = error.strerror or error
            self._failure = BrokenInput(f"{self.name}: reading failed after byte {self.consumed}: {reason}; check it")
            raise self._failure from error
        self.consumed += len(data)
        self._ended = not data  # a terminal would be asked for a second end
        return data

    def starts_with(self, magic: bytes) -> bool:
        """Look at the first bytes; what was read for that is taken next."""
        held = b""
        with suppress(BrokenInput):  # the next take fails again, after what is held
            while len(held) < len(magic) and (data := self.take(_RAW_BYTES)):
                held += data
        self._held = held
        return held.startswith(magic)


def gunzip(raw: Raw) -> Iterator[bytes]:
    """Unpack one gzip member after the other; zeros after a member are padding."""
    data = raw.take(_RAW_BYTES)
    while data:
        while len(data) < len(MAGIC) and (more := raw.take(_RAW_BYTES)):
            data += more
        if not MAGIC.startswith(data[: len(MAGIC)]):
            offset = raw.consumed - len(data)
            raise BrokenInput(
                f"{raw.name}: something that is not gzip data follows at byte {offset}; all before it was read: "
                f"look at what was appended to the file"
            )
        data = (yield from _unpack_member(raw, data)).lstrip(b"\0")
        while not data and (more := raw.take(_RAW_BYTES)):
            data = more.lstrip(b"\0")


def _unpack_member(raw: Raw, data: bytes) -> Generator[bytes, None, bytes]:
    """Unpack one member that begins with `data`; returns the bytes that follow it."""
    decoder = _zlib.decompressobj(31)
    while data:
        cut = max(0, len(data) - _TRAILER_BYTES)
        for start, end in pairwise((*range(0, cut, _PIECE_BYTES), cut, len(data))):
            try:
                yield from _drain(decoder, data[start:end])
            except _DAMAGE as error:
                near = raw.consumed - len(data) + start
                raise BrokenInput(
                    f"{raw.name}: the gzip data is damaged near byte {near} ({error}); what came before it was read: "
                    f"get the file again, `gzip -t` checks it"
                ) from error
            if decoder.eof:
                rest: bytes = decoder.unused_data + data[end:]
                return rest
        data = raw.take(_RAW_BYTES)
    raise BrokenInput(
        f"{raw.name}: the gzip data ends in the middle, after byte {raw.consumed}; what came before it was read: "
        f"get the whole file, `gzip -t` checks it"
    )


def _drain(decoder: Any, piece: bytes) -> Iterator[bytes]:
    """Decode one piece of input; what it grows to comes in bounded parts, whatever it is."""
    while True:
        out: bytes = decoder.decompress(piece, _OUT_BYTES)
        yield out
        piece = decoder.unconsumed_tail
        if decoder.eof or (not piece and len(out) < _OUT_BYTES):
            return
