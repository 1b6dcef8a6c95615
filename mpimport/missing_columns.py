"""Tells of names in the mapping that a table has no column of, or that no record of a sample has. Pure.

Must not know how sources are read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from mpimport.mapping_file import FIELDS
from mpimport.settings import MapSettings
from mpimport.spelling import nearest

_CHECK = "check the name"
_SEPARATORS = re.compile(r"[_\-\s.]")
_DIGITS = re.compile(r"\d")


class Missing(NamedTuple):
    """An option whose name is not there, where it is not, and what to do about it."""

    option: str
    lacks: str
    advice: str

    @property
    def is_likely(self) -> bool:
        """Whether it is probably a mistake: something else may have been meant."""
        return self.advice != _CHECK


def names_in(mapping: MapSettings) -> tuple[str, ...]:
    """Give all names that records are to have."""
    renamed, typed = (old for old, _ in mapping.rename), (name for name, _ in mapping.types)
    others = (*mapping.drop, *(mapping.keep or ()), *mapping.insert_id_from)
    return (*mapping.fields.values(), *renamed, *others, *typed)


def find_missing(mapping: MapSettings, names: Collection[str], *, records: int = 0) -> Iterator[Missing]:
    """Tell of each name that would do nothing what it is, given the names of the header.

    With `records`, the names are those that so many records have, with those inside of objects.
    """
    search = _Search(names, records)
    options = {target: option for option, target in FIELDS.items()}
    for target, name in mapping.fields.items():
        if not search.has(name):
            yield search.miss(f"--{options[target]} {name}", name)
    search.there |= options.keys()
    olds = tuple(name for name, _ in mapping.rename)
    for old, new in mapping.rename:
        if not search.has(old):
            swapped = f"{search.place} has {new}, but no {old}", f"is it --rename {new}={old}?"
            option = f"--rename {old}={new}"
            yield Missing(option, *swapped) if new in names else search.miss(option, old, olds)
        search.there |= {new, *(f"{new}{name.removeprefix(old)}" for name in names if name.startswith(f"{old}."))}
    made = dict(mapping.set)  # after the dropping
    given = [("--drop", mapping.drop, name, name) for name in mapping.drop]
    for option, others in (("--keep", mapping.keep or ()), ("--insert-id-from", mapping.insert_id_from)):
        given += [(option, others, name, name) for name in others if name not in made]
    types = tuple(name for name, _ in mapping.types)
    given += [("--type", types, name, f"{name}={kind}") for name, kind in mapping.types if name not in made]
    for option, others, name, text in given:
        if not search.has(name):
            missing = search.miss(f"{option} {text}", name, others)
            several = _mend_several(option, name, search)
            yield missing._replace(advice=several) if several else missing


class _Search:
    """Names that are there, at first those of a source. A name that leads into a column's JSON is there, too."""

    def __init__(self, names: Collection[str], records: int) -> None:
        self.there = set(names)
        self.place = (
            "the header row" if not records else f"the first {records:,} records" if records > 1 else "the record"
        )
        self._names = names
        self._records = records

    def has(self, name: str) -> bool:
        there = self.there
        leads_in = not self._records and any(name[:at] in there for at, letter in enumerate(name) if letter == ".")
        return name in there or leads_in

    def miss(self, option: str, name: str, others: Collection[str] = ()) -> Missing:
        """Tell of a name that is not there; `others` are those that the same option names, and that are not meant."""
        near = _nearest(name, [one for one in self._names if one not in others])
        advice = f"did you mean {near!r}?" if near else _CHECK
        lacks = "the header row has no such column"
        if self._records:
            lacks = (
                f"none of the first {self._records:,} records has it" if self._records > 1 else "the record lacks it"
            )
        return Missing(option, lacks, advice)


def _nearest(name: str, names: Collection[str]) -> str | None:
    """Give the name that was probably meant, whatever its case: warehouses have theirs in capitals."""
    folded = {one.casefold(): one for one in names}
    near = nearest(name.casefold(), folded)
    return None if near is None else folded[near]


def _mend_several(option: str, name: str, search: _Search) -> str:
    """Say how to name several columns, where a name is made of some."""
    parts = [part.strip() for part in name.split(",")]
    if len(parts) == 1 or not all(map(search.has, parts)):
        return ""
    return f"it takes one name: write {' '.join(f'{option} {part}' for part in parts)}"


def find_undropped(mapping: MapSettings, tables: Sequence[Collection[str] | None]) -> Iterator[str]:
    """Say of names to drop that no source has what was meant: it would be sent, which cannot be taken back.

    `tables` are the names of each; None for a source whose names are not known, so that nothing is.
    """
    if None in tables:
        return
    there = {name for names in tables for name in names or ()}
    spoken_for = {*names_in(mapping), *(new for _, new in mapping.rename)}
    spelt = {_letters_of(name): name for name in there - spoken_for}
    known = _Search(there | {new for _, new in mapping.rename}, 0)
    for name in mapping.drop:
        near = spelt.get(_letters_of(name))
        if near and not known.has(name):
            lacks = f"no source has such a column; did you mean {near!r}, which would be sent?"
            yield f"--drop {name}: {lacks} If not, leave it out"


def _letters_of(name: str) -> tuple[str, str]:
    """Give what names share that differ in no more than case, separators, a final s or the order of letters."""
    bare = _SEPARATORS.sub("", name.casefold()) or name
    bare = bare.removesuffix("s") or bare
    return "".join(sorted(_DIGITS.sub("", bare))), "".join(_DIGITS.findall(bare))
