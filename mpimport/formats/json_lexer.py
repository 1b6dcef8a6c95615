"""Finds the end of a JSON value, or of what stands in its place, by its strings and brackets alone."""

from __future__ import annotations

import re

_QUOTE, _BACKSLASH = b'"\\'
_OPEN, _CLOSE = b"[{", b"]}"
_ENDS = b",]"
# The repeats are bounded because the regex engine remembers each turn of a group.
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,1000}', re.DOTALL)
_IN_VALUE = re.compile(rb'(?:[^"\[\]{}]+|"[^"\\]*(?:\\.[^"\\]*){0,100}"){0,1000}', re.DOTALL)
_BETWEEN = re.compile(rb'[^"\[{,\]]*')


class Lexer:
    """Follows one value through a text that may grow. `pos` counts from the start of the value.

    Brackets are counted, not paired, and everything else is taken as it is: this finds where a value ends,
    not whether it is right.
    """

    def __init__(self, *, alone: bool = False) -> None:
        """Follow an element of an array; `alone`, an object or array that ends with its own bracket."""
        self.pos = 0
        self.whole = True  # nothing is open: the value may end here
        self._depth = 0
        self._quoted = False
        self._alone = alone

    def find_end(self, text: bytes, start: int) -> int:
        """Give the index in `text` of the first byte after the value, -1 when that is not there yet.

        For an element, that byte is the `,` or `]` that follows it. `start` is the value's index in `text`.
        """
        pos, size = start + self.pos, len(text)
        while (pos := self._pass(text, pos)) < size:
            byte = text[pos]
            if self._quoted and byte == _BACKSLASH:
                if pos == size - 1:  # the other half of the escape is yet to come
                    break
                continue
            if byte == _QUOTE:
                self._quoted = not self._quoted
            elif not self._depth and byte in _ENDS and not self._alone:
                return pos
            elif self._closes(byte):
                return pos + 1
            pos += 1
        self.pos = pos - start
        self.whole = not self._depth and not self._quoted
        return -1

    def _closes(self, byte: int) -> bool:
        """Count a bracket; True for the one that ends a value that stands alone."""
        if byte in _OPEN:
            self._depth += 1
        elif self._depth and byte in _CLOSE:
            self._depth -= 1
            return self._alone and not self._depth
        return False

    def _pass(self, text: bytes, pos: int) -> int:
        """Pass over bytes that change nothing."""
        pattern = _IN_STRING if self._quoted else _IN_VALUE if self._depth else _BETWEEN
        match = pattern.match(text, pos)
        return match.end() if match else pos
