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
    names = [("--drop", name) for name in mapping.drop]
    made = dict(mapping.set)  # after the dropping
    for option, others in (("--keep", mapping.keep or ()), ("--insert-id-from", mapping.insert_id_from)):
        names += [(option, name) for name in others if name not in made]
    for option, name in names:
        if not _is_there(name, there):
            yield f"{option} {name}: {_mend_several(option, name, there) or _mend(name, columns)}"


def _mend_several(option: str, name: str, columns: Collection[str]) -> str:
    """Say how to name several columns, where a name is made of some."""
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 1 or not all(_is_there(part, columns) for part in parts):
        return ""
    return f"takes one name: write {' '.join(f'{option} {part}' for part in parts)}"


def _is_there(name: str, columns: Collection[str]) -> bool:
    """Whether a name is a column's, or leads into the JSON of one."""
    return name in columns or any(name[:at] in columns for at, letter in enumerate(name) if letter == ".")


def _mend(name: str, columns: Collection[str]) -> str:
    near = nearest(name, columns)
    advice = f"did you mean {near!r}?" if near else "check the name, or leave it out"
    return f"the header row has no such column; {advice}"
