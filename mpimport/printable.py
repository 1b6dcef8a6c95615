"""Owns which characters of a stranger's text are shown as they are, and how the others are made visible. Pure.

Must not know where text is shown.
"""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
_JOINED = ("So", "Sk", "Lo", "Mn", "Mc")
"""Categories of what a joiner stands between: emoji with their variants, letters without case and their marks."""


def clean(text: str) -> str:
    """Make text from outside safe for a terminal: control and escape characters become visible ones."""
    if text.isprintable():
        return text
    return "".join(c if is_shown(text, at) else c.encode("unicode_escape").decode("ascii") for at, c in enumerate(text))


def is_shown(text: str, at: int) -> bool:
    """Tell whether a character can be shown where it stands. A joiner makes one emoji of two, and is right in Hindi.

    Elsewhere it is invisible, and would hide that two names differ.
    """
    if text[at] not in _JOINERS:
        return text[at].isprintable()
    around = (text[at - 1 : at], text[at + 1 : at + 2])
    return all(c and unicodedata.category(c) in _JOINED for c in around)
