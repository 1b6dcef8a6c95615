"""What is wrong with the header row of a table, and what mends it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

NUL = "the header row holds NUL bytes: if the file is UTF-16, --encoding utf-16-le reads it"
_KINDS = {";": "semicolons", "|": "bars", "\t": "tabs", ",": "commas"}


def find_problems(names: Sequence[str], separator: str) -> Iterator[str]:
    """Say what is wrong with a header row."""
    if names[0].lower() == "sep=" or re.fullmatch("sep=.?", ",".join(names), re.IGNORECASE):
        yield "the first line is a note to Excel, and no header row: remove it (tail -n +2 FILE)"
        return
    only = names[0] if len(names) == 1 else ""
    for other, kind in _KINDS.items():
        if other != separator and other in only:
            has_no = _KINDS.get(separator, repr(separator))
            yield f"the header row has no {has_no}, but {kind}: {_mend_separator(other, separator)}"
            return
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        yield "the header row is not UTF-8: if Excel on Windows wrote the file, --encoding windows-1252 reads it"
        return
    if any("\0" in name for name in names):
        yield NUL.replace("-le", "-be") if names[0].startswith("\0") else NUL
        return
    empty = [str(column) for column, name in enumerate(names, 1) if not name.strip()]
    if empty:
        yield f"the header row names no column {', '.join(empty)}: name it, or remove it and any title above"
    places: dict[str, list[str]] = {}
    for column, name in enumerate(names, 1):
        places.setdefault(name, []).append(str(column))
    for name, columns in places.items():
        if len(columns) > 1 and name.strip():
            yield f"the header row has the name {name!r} in columns {', '.join(columns)}: rename all but one"


def _mend_separator(found: str, expected: str) -> str:
    """Say which options read what is separated by `found`."""
    if found == "\t":
        return "--format tsv"
    option = f"--delimiter '{found}'"
    if expected == "\t":
        return "--format csv" if found == "," else f"--format csv {option}"
    return option
