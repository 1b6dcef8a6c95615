"""What is wrong with the header row of a table, and what mends it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

NUL = "the header row holds NUL bytes: if the file is UTF-16, --encoding utf-16-le reads it"
_JSON = "is it JSON? --format ndjson, or json"
_KINDS = {";": "semicolons", "|": "bars", "\t": "tabs", ",": "commas"}


def find_problems(names: Sequence[str], separator: str) -> Iterator[str]:
    """Say what is wrong with a header row."""
    if (other := _find_other(names, separator)) is not None:
        yield other
        return
    last = max((column for column, name in enumerate(names, 1) if name.strip()), default=len(names))
    empty = [str(column) for column, name in enumerate(names[:last], 1) if not name.strip()]
    if empty == ["1"]:
        yield (
            "the header row names no column 1: if pandas or R wrote row numbers there, index=False or row.names=FALSE "
            "leaves them out; else name it, or remove it and any title above"
        )
    elif empty:
        yield f"the header row names no column {', '.join(empty)}: name it, or remove it and any title above"
    places: dict[str, list[str]] = {}
    for column, name in enumerate(names, 1):
        places.setdefault(name, []).append(str(column))
    for name, columns in places.items():
        if len(columns) > 1 and name.strip():
            yield f"the header row has the name {name!r} in columns {', '.join(columns)}: rename all but one"


def _find_other(names: Sequence[str], separator: str) -> str | None:
    """Say what the first line is, and what to do, where it is no header row that this way of reading finds."""
    if names[0].lstrip().startswith(('{"', "[{")):
        return f"the header row begins with {names[0].lstrip()[0]}: {_JSON}"
    if names[0].lower() == "sep=" or re.fullmatch("sep=.?", ",".join(names), re.IGNORECASE):
        return "the first line is a note to Excel, and no header row: remove it (tail -n +2 FILE)"
    for other, kind in _KINDS.items():
        if other != separator and len(names) == 1 and other in names[0]:
            has_no = _KINDS.get(separator, repr(separator))
            return f"the header row has no {has_no}, but {kind}: {_mend_separator(other, separator)}"
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        return "the header row is not UTF-8: if Excel on Windows wrote the file, --encoding windows-1252 reads it"
    if any("\0" in name for name in names):
        return NUL.replace("-le", "-be") if names[0].startswith("\0") else NUL
    return None


def word_unreadable(line: str, error: Exception) -> str:
    """Say why a header row cannot be read, and what to do."""
    mend = _JSON if line.lstrip().startswith(("{", "[")) else "check its quotes, and --delimiter"
    return f"the header row cannot be read: {error}: {mend}"


def _mend_separator(found: str, expected: str) -> str:
    """Say which options read what is separated by `found`."""
    if found == "\t":
        return "--format tsv"
    option = f"--delimiter '{found}'"
    if expected == "\t":
        return "--format csv" if found == "," else f"--format csv {option}"
    return option
