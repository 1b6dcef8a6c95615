"""Words for bytes that cannot be read as one JSON value: what is wrong, where, and how to mend it. Pure."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from mpimport.limits import MAX_DIGITS
from mpimport.records import Reason

_BOM = "\ufeff"
_BRACKETS = {"{", "[", "[{", "}", "},", "]", "}]"}  # alone on a line: of a document that is laid out
_DIGITS = re.compile(r"\d+", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Any escape of JSON text: a whole surrogate pair, half of one (group 1), or another, stepped over."""

TOO_DEEP = Reason("too_deep", "the record is nested too deeply to be read: flatten it")


def explain_undecodable(text: bytes) -> Reason:
    """Say what keeps bytes from being read as one JSON value."""
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        byte = f"0x{text[error.start]:02x}"
        return Reason("invalid_utf8", f"byte {error.start + 1} of the record is no UTF-8 ({byte}): save it as UTF-8")
    try:
        json.loads(decoded, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except _ConstantError as error:
        return Reason("not_json", f"{error} is no JSON number: use null, or leave the property out")
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")  # some of the messages end so, to be followed by the place
        message = f"{what[:1].lower()}{what[1:]} at character {error.pos + 1}"
        return Reason("not_json", f"not JSON: {message}{_hint(decoded, error)}")
    except RecursionError:
        return TOO_DEEP
    if has_lone_surrogate(decoded):
        return Reason("lone_surrogate", "a \\ud800 to \\udfff escape stands without its other half: mend the text")
    if any(match.end() - match.start() > MAX_DIGITS for match in _DIGITS.finditer(decoded)):
        return Reason("number_out_of_range", f"a number has more than {MAX_DIGITS:,} digits: send it as text")
    return TOO_DEEP


def has_lone_surrogate(text: str) -> bool:
    """Tell whether JSON text that can be parsed spells half of a surrogate pair with an escape."""
    return any(match[1] for match in _ESCAPE.finditer(text))


class _ConstantError(ValueError):
    pass


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _hint(text: str, error: json.JSONDecodeError) -> str:
    here, before = text[error.pos :][:9], text[: error.pos].rstrip()
    for applies, hint in (
        (not text, "the record is empty"),
        ("\0" in text, "there are NUL bytes in it: save it as UTF-8 (not UTF-16), or read it anew if it is damaged"),
        (text.startswith(_BOM), "remove the byte order mark (BOM) before the record; were files put together?"),
        (text.startswith("<"), "this is HTML or XML, perhaps a page to log in: get the file anew"),
        (text.rstrip() in _BRACKETS, "does one event take several lines? --format json, or `jq -c . FILE` first"),
        (not text.startswith(("{", "[")), "a record starts with {; is this a CSV file (--format csv)?"),
        (error.msg.startswith("Extra data") and here.strip() == ",", "remove the comma behind the record"),
        (error.msg.startswith("Extra data") and "\r" in text, "lines that end in CR: tr '\\r' '\\n' < FILE mends them"),
        (
            error.msg.startswith("Extra data") and here.startswith("{"),
            "two records stand here as one: a comma is missing in an array, or a line break (--format json needs none)",
        ),
        (error.msg.startswith("Extra data"), "more text follows the record: put every record on a line of its own"),
        (here.startswith("'"), "JSON takes double quotes only"),
        (here.startswith(("True", "False", "None", "undefined")), "JSON spells it true, false or null"),
        ("trailing comma" in error.msg, "remove the comma before the bracket"),
        (here[:1] in ("}", "]") and before.endswith(","), "remove the comma before the bracket"),
        (error.msg.startswith("Invalid control"), "write line breaks in text as \\n and tabs as \\t"),
        (error.msg.startswith("Invalid \\"), "write a backslash in text twice"),
        (not here or error.msg.startswith("Unterminated"), "is the line cut off, or a quote missing?"),
    ):
        if applies:
            return f"; {hint}"
    return ": mend the record there"
