"""The lines of the rejected-events file: NDJSON, one line a reject, read again by `unwrap`.

Knows nothing of why an event was rejected, nor of files.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from mpimport.records import Reject


class _Reason(Struct, omit_defaults=True):
    code: str
    field: str | None = None
    message: str = ""


class _Envelope(Struct, forbid_unknown_fields=True):
    """One line of the file. `event`, `raw` or `raw_base64` is there, as the README describes.

    No other name is, so that a flat event which happens to hold these is still an event.
    """

    source: str
    line: int
    by: Literal["client", "server"]
    reasons: list[_Reason]
    event: Raw | UnsetType = UNSET
    raw: str | UnsetType = UNSET
    raw_base64: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Envelope).decode
_NEVER_EVENTS = frozenset(
    {"ragged_row", "bad_quote", "unclosed_quote", "nul_byte", "type_mismatch", "missing_element", "not_an_event"}
)
"""Codes of raw text that is a row of a table, or the nothing between two commas."""
_MARK = b'"reasons"'


def line_of(reject: Reject) -> bytes:
    """Write a reject as one line of the file, with its newline."""
    reasons = [_Reason(reason.code, reason.field, reason.message) for reason in reject.reasons]
    envelope = _Envelope(reject.source, reject.number, reject.by, reasons)
    if reject.event is not None:
        envelope.event = Raw(reject.event)
    elif reject.raw is not None:
        try:
            envelope.raw = reject.raw.decode()
        except UnicodeDecodeError:
            envelope.raw_base64 = base64.b64encode(reject.raw).decode()
    try:
        return _encode(envelope) + b"\n"
    except UnicodeEncodeError:  # half a character, from a name or a value: "?" takes its place
        envelope.source = _encodable(envelope.source)
        for reason in envelope.reasons:
            reason.field, reason.message = reason.field and _encodable(reason.field), _encodable(reason.message)
        return _encode(envelope) + b"\n"


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _envelope(line: bytes) -> _Envelope | None:
    try:
        return _decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def unwrap(text: bytes) -> bytes | None:
    """Take the record out of a line of a rejected-events file; None when the text is no such line.

    A record that could not be parsed comes back as it stood, or as the user has mended it.
    """
    envelope = _envelope(text) if _MARK in text else None
    if envelope is None:
        return None
    with suppress(ValueError):
        if isinstance(envelope.event, Raw):
            return bytes(envelope.event)
        if isinstance(envelope.raw, str):
            return envelope.raw.encode()
        if isinstance(envelope.raw_base64, str):
            return base64.b64decode(envelope.raw_base64, validate=True)
    return None


def stands_as_sent(line: bytes) -> bool:
    """Tell whether a line of the file holds an event as it was sent, for it was the server that refused it."""
    envelope = _envelope(line)
    return envelope is not None and envelope.by == "server" and envelope.event is not UNSET


def place_of(line: bytes) -> tuple[str, int] | None:
    """Give the source and the record number that a line of the file is about; None when it is no such line."""
    envelope = _envelope(line)
    return None if envelope is None else (envelope.source, envelope.line)


def row_of(line: bytes) -> tuple[str, int] | None:
    """Give the place that a line of the file is about, where the text in it was never to be an event."""
    envelope = _envelope(line)
    if envelope is None or envelope.event is not UNSET:
        return None
    never = any(reason.code in _NEVER_EVENTS for reason in envelope.reasons)
    return (envelope.source, envelope.line) if never else None


def digest_of(line: bytes) -> bytes:
    """Give a few bytes that stand for a line of the file, but for its messages: a server may word them anew each time.

    Of what is no such line, all counts.
    """
    envelope = _envelope(line)
    if envelope is None:
        same = line.rstrip(b"\r\n")
    else:
        for reason in envelope.reasons:
            reason.message = ""
        same = _encode(envelope)
    return blake2b(same, digest_size=16).digest()
