"""Owns the words for text that is no time that can be told: which `--time-format` would read it. Pure.

Must not know how times are read, nor events.
"""

from __future__ import annotations

import re

_NO_ORDER = re.compile(
    r"(\d\d?)([/.-])(\d\d?)\2(\d{4}|\d\d)( \d\d?:\d\d(:\d\d)?( ?[ap]m\b)?)?(?!\d).*",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


def why_unreadable(text: str) -> str:
    """Say why text is no time, and what reads it."""
    forms = _formats(text)
    if len(forms) == 1:  # and not read by itself: of another one of the same column the order may not be plain
        return f"{quoted(text)}: such dates take --time-format {forms[0]}"
    if forms:
        return f"{quoted(text)}: is the day or the month first? Use --time-format {' or '.join(forms)}"
    return (
        f"{quoted(text)} is not a time that can be told: use seconds or milliseconds since 1970 or ISO 8601 text, "
        "or say its form with --time-format"
    )


def _formats(text: str) -> list[str]:
    """Give the formats that read a date whose day and month come in an order that is not the same everywhere."""
    match = _NO_ORDER.fullmatch(text)
    if match is None:
        return []
    one, mark, other, year, clock, seconds, half = match.groups()
    rest = f"{mark}%Y" if len(year) == 4 else f"{mark}%y"
    if clock:
        rest += f" {'%I' if half else '%H'}:%M{':%S' if seconds else ''}{f'{half[:-2]}%p' if half else ''}"
    orders = (("d", "m", int(one), int(other)), ("m", "d", int(other), int(one)))
    return [f"'%{a}{mark}%{b}{rest}'" for a, b, day, month in orders if day <= 31 and month <= 12]


def quoted(text: str | None) -> str:
    """Quote text for a message: short, and plain ASCII."""
    short = text or ""
    return ascii(short if len(short) <= 50 else f"{short[:47]}...")
