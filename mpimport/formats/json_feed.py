"""A window on a stream's bytes that grows at its end and shrinks at its start, and knows where it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from mpimport.errors import BrokenInput

BLOCK_BYTES = 256 * 1024
SPACE = b" \t\n\r"
_SPACES = re.compile(rb"[ \t\n\r]*")


class Feed:
    """`text` from `at` on is still to be read. `failure` is what the source broke with, if it did."""

    def __init__(self, name: str, read: Callable[[int], bytes]) -> None:
        self.name = name
        self.text = b""
        self.at = 0
        self.failure: BrokenInput | None = None
        self._read = read
        self._before = 0  # bytes that are gone from the start of `text`
        self._ended = False

    def __len__(self) -> int:
        return len(self.text) - self.at

    @property
    def offset(self) -> int:
        """The position of the next byte in the stream: decompressed, after a byte order mark."""
        return self._before + self.at

    def grow(self) -> bool:
        """Read another block; False at the end of the stream, whole or broken."""
        if self._ended:
            return False
        pieces = [self.text[self.at :]]
        room = BLOCK_BYTES
        try:
            while room > 0 and not self._ended:
                piece = self._read(room)
                pieces.append(piece)
                room -= len(piece)
                self._ended = not piece
        except BrokenInput as failure:
            self.failure, self._ended = failure, True
        self._before += self.at
        self.text, self.at = b"".join(pieces), 0
        return room < BLOCK_BYTES

    def skip_space(self) -> bytes:
        """Pass over white space; gives the byte that follows, b"" at the end."""
        while True:
            match = _SPACES.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or not self.grow():
                return self.text[self.at : self.at + 1]

    def broken(self, message: str) -> BrokenInput:
        """Word damage at this place: after the source's own words, when it is the source that broke."""
        return BrokenInput(f"{self.failure}; {message}" if self.failure else f"{self.name}: {message}")
