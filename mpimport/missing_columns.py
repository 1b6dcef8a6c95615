"""Tells of names in the mapping that a table has no column of. Pure.

Must not know how tables are read. Of other formats nothing can be told before the last record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mpimport.mapping_file import FIELDS
from mpimport.settings import MapSettings
from mpimport.spelling import nearest


def find_missing(mapping: MapSettings, columns: Collection[str]) -> Iterator[str]:
    """Say of each name that would do nothing what it is, given the names of the header."""
    options = {target: option for option, target in FIELDS.items()}
    for target, name in mapping.fields.items():
        if not _is_there(name, columns):
            yield f"--{options[target]} {name}: {_mend(name, columns)}"
    there = {*columns, *options}
    for old, new in mapping.rename:
        if not _is_there(old, there):
            swapped = f"the header row has {new}, but no {old}; is it --rename {new}={old}?"
            yield f"--rename {old}={new}: {swapped if new in columns else _mend(old, columns)}"
        there.add(new)
    for option, names in (("--drop", mapping.drop), ("--keep", mapping.keep or ())):
        for name in names:
            parts = name.split(",")
            if _is_there(name, there):
                continue
            if len(parts) > 1 and all(_is_there(part.strip(), there) for part in parts):
                yield f"{option} {name}: takes one name: write {' '.join(f'{option} {part.strip()}' for part in parts)}"
            else:
                yield f"{option} {name}: {_mend(name, columns)}"


def _is_there(name: str, columns: Collection[str]) -> bool:
    """Whether a name is a column's, or leads into the JSON of one."""
    return name in columns or any(name[:at] in columns for at, letter in enumerate(name) if letter == ".")


def _mend(name: str, columns: Collection[str]) -> str:
    near = nearest(name, columns)
    advice = f"did you mean {near!r}?" if near else "check the name, or leave it out"
    return f"the header row has no such column; {advice}"
