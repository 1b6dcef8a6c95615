"""A form that holds JSON in its field `data`, as the API's clients post it. Knows nothing of what the JSON means."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qsl

from mpimport.sandbox.decode import Malformed

FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Form:
    """The JSON of a form, and whether it asks for a reply in words: clients put `verbose=1` in either place."""

    data: bytes
    verbose: bool


def read_form(body: bytes) -> Form:
    """Read a form. `data` is JSON, or JSON in base64: the older documentation wanted that, and clients still do it."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="surrogateescape", max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:  # not ASCII, or too many fields
        raise Malformed("request body is not a form") from error
    data = "".join(value for name, value in pairs if name == "data").encode(errors="surrogateescape")
    return Form(_plain(data), verbose=("verbose", "1") in pairs)


def _plain(data: bytes) -> bytes:
    if data.lstrip()[:1] in (b"[", b"{"):
        return data
    try:
        # A plus sign that was not escaped has become a space.
        return base64.b64decode(data.replace(b" ", b"+"), validate=True)
    except binascii.Error:
        return data
