"""What was probably meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

SYNONYMS = {"jsonl": "ndjson", "ldjson": "ndjson", "europe": "eu", "india": "in"}


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Give the one of the known names that was probably meant: one that is as like as difflib's ratio says at least."""
    from difflib import get_close_matches  # noqa: PLC0415  needed for a mistake only

    names = list(known)
    if (synonym := SYNONYMS.get(word.lower())) in names:
        return synonym
    return next(iter(get_close_matches(word.lower(), names, 1, likeness)), None)
