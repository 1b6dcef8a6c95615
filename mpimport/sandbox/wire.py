"""A request's body off a connection: Content-Length or chunked, never more of it than was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import BinaryIO

from mpimport.sandbox.decode import Malformed, TooLarge

_PIECE_BYTES = 1 << 18
_LINE_BYTES = 4096
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;.*)?\r?\n", re.DOTALL)


class Disconnected(ConnectionError):
    """The client went away in the middle of its request, which therefore does not count."""


class Body:
    """The body of one request; whatever of it is not read stands in the way of the next request.

    A request that does not say clearly where it ends raises `Malformed`, and its connection is done.
    """

    def __init__(self, stream: BinaryIO, headers: Message) -> None:
        self._stream = stream
        self._length = _content_length(headers)
        self._pieces = self._chunks() if self._length is None else self._fixed(self._length)

    @property
    def is_empty(self) -> bool:
        """Tell whether the headers promise no body at all."""
        return self._length == 0

    def read(self, max_bytes: int) -> bytes:
        """Read all of it, or raise `TooLarge` after at most `max_bytes` and a piece."""
        if self._length is not None and self._length > max_bytes:
            raise TooLarge
        parts: list[bytes] = []
        left = max_bytes
        for piece in self._pieces:
            left -= len(piece)
            if left < 0:
                raise TooLarge
            parts.append(piece)
        return b"".join(parts)

    def drain(self, max_bytes: int) -> bool:
        """Read the rest away; return whether it ended within `max_bytes`."""
        for piece in self._pieces:
            max_bytes -= len(piece)
            if max_bytes < 0:
                return False
        return True

    def _fixed(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._stream.read(min(left, _PIECE_BYTES))
            if not piece:
                raise Disconnected
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            match = _CHUNK_SIZE.fullmatch(self._line())
            if not match:
                raise Malformed("request body is not validly chunked")
            size = int(match[1], 16)
            if not size:
                break
            yield from self._fixed(size)
            if self._line() not in (b"\r\n", b"\n"):
                raise Malformed("request body is not validly chunked")
        for _ in range(100):  # trailers; as many as http.client takes headers
            if self._line() in (b"\r\n", b"\n"):
                return
        raise Malformed("request body has too many trailers")

    def _line(self) -> bytes:
        line = self._stream.readline(_LINE_BYTES)
        if not line:
            raise Disconnected
        return line


def _content_length(headers: Message) -> int | None:
    """Return the body's length, or None when it is chunked; refuse what could be read in two ways."""
    lengths = set(headers.get_all("Content-Length", []))
    coding = headers.get("Transfer-Encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked" or lengths:
            raise Malformed("Transfer-Encoding must be chunked, without a Content-Length")
        return None
    if not lengths:
        return 0
    length = lengths.pop().strip()
    if lengths or not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise Malformed("Content-Length must be one number")
    return int(length)
