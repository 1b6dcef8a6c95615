"""Tells the format of a source by its name, or by its first bytes."""

from __future__ import annotations

import re

from mpimport.errors import UsageProblem
from mpimport.formats.json_feed import SPACE
from mpimport.formats.json_lexer import Lexer

HEAD_BYTES = 64 * 1024
"""How many of the first bytes `detect` wants to see."""

_BY_NAME = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".tsv": "tsv"}
_EVENT_KEY = re.compile(rb'\{\s*"(?:event|properties)"\s*:')
_HOLDS_OBJECTS = re.compile(rb'"\s*:\s*\[\s*\{')
_SCRIPT = re.compile(rb"[\w.$ ]+[=(]\s*[\[{]")  # var events = [..., callback({...
_LINE_END = re.compile(rb"[\r\n]")


def detect(name: str, head: bytes, *, delimiter: str | None = None) -> str:
    """Name the format. `head` is the first `HEAD_BYTES` of the text; only those of a shorter source are fewer.

    A `.json` is always looked into, since it may hold one event a line. With a `delimiter` that was asked
    for, what is not JSON is CSV. Raises `UsageProblem` when neither the name nor the bytes tell.
    """
    stem = name.lower().removesuffix(".gz")
    for extension, known in _BY_NAME.items():
        if stem.endswith(extension):
            return known
    text = head.lstrip(SPACE)
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return _tell_objects(text, complete=len(head) < HEAD_BYTES)
    if not text:
        return "ndjson"
    if stem.endswith(".json"):
        return "json"
    if delimiter is not None:
        return "csv"
    return _tell_columns(name, _LINE_END.split(text, maxsplit=1)[0])


def _tell_objects(text: bytes, *, complete: bool) -> str:
    """Tell objects that stand one a line from a document; `complete` when there is no more than `text`."""
    line, _, rest = text.partition(b"\n")
    line = line.rstrip(SPACE)
    is_event = _EVENT_KEY.match(line) is not None
    if Lexer(alone=True).find_end(line, 0) == len(line):
        alone = complete and not rest.strip(SPACE)
        return "json" if alone and not is_event else "ndjson"
    if line.endswith(b"}") and rest.lstrip(SPACE).startswith(b"{"):  # the first line is broken, the next is not
        return "ndjson"
    if len(line) < len(text.rstrip(SPACE)) or complete or (not is_event and _HOLDS_OBJECTS.search(line)):
        return "json"
    return "ndjson"


def _tell_columns(name: str, line: bytes) -> str:
    if _SCRIPT.match(line):
        raise UsageProblem(f"{name}: looks like a script: keep only the JSON in it, as a .json file")
    if b"\0" not in line:
        for separator, known in ((b"\t", "tsv"), (b",", "csv"), (b";", "csv")):
            if separator in line:
                return known
    raise UsageProblem(f"{name}: cannot tell its format from its name or first bytes: --format ndjson|json|csv|tsv")
