"""What a column of texts is read as: asked for by name, or decided from its first rows. Pure.

A column is decided once, from its cells that are not empty, and only when nothing can be lost by it:

| kind      | when                                                                                          |
|-----------|-----------------------------------------------------------------------------------------------|
| `number`  | all cells are plain numbers (`0`, `-12`, `3.5`, `9.90`; at most 15 digits; no leading zero or |
|           | plus, no exponent, no `-0`), the name is none of an id, a code, a version or a date, the      |
|           | cells are not whole numbers of one length from 9 digits on, and no zero at the end of a       |
|           | fraction stands beside fractions of other lengths (`1.9`, `1.10`: versions), and they cannot  |
|           | be thousands (`850`, `1.200`; between semicolons `1.200` alone, too)                          |
| `boolean` | all cells are `true` or `false` in any case, and both of them occur                           |
| `string`  | everything else, JSON too                                                                     |

A later cell that is not of this spelling does not fit its column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from mpimport.value_types import KINDS, converter

SAMPLE_ROWS = 1000
"""How many of the first rows decide."""

SAMPLE_CHARACTERS = 8 * 1024 * 1024
"""After so much text in cells fewer rows decide: it all waits in memory."""

ALWAYS_TEXT = frozenset({"event", "distinct_id", "$insert_id", "$user_id", "$device_id"})
"""Columns whose values the API wants as text."""

MAX_DIGITS = 15
"""A decimal number of so many digits survives every reader that keeps numbers as doubles."""

_REMEMBERED = 4096  # ours: most columns of numbers hold few different ones
_SAME_LENGTH = 9
_MIN_CELLS, _NEARLY_ALL = 10, 10  # ours: one in ten, and of fewer than ten nothing can be told
_match_number = re.compile(r"(?!-0(?:\.0*)?$)-?(?:0|[1-9][0-9]{0,14})(?:\.([0-9]{1,15}))?").fullmatch
_match_thousands = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})?|0").fullmatch
_match_amount = re.compile(
    r"""[-+(\u2212]?\s?(?:[$€£¥]|[A-Z]{3}\ )?\s?-?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:[.,'\u2019\s]\d{3})+)(?:[.,]\d+)?"""
    r"""(?:\s?(?:[%$€£¥]|[A-Z]{3}))?\)?"""
).fullmatch
_BOOLEANS = {"true": True, "false": False}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+")

# fmt: off
_FIRST_WORDS = frozenset({"id", "zip", "postal", "postcode", "plz", "phone", "tel", "sku", "code"})
_LAST_WORDS = _FIRST_WORDS | frozenset(
    {
        "uuid", "guid", "number", "no", "nr", "num", "zipcode", "telephone", "mobile", "cell", "fax", "ean",
        "upc", "gtin", "isbn", "issn", "asin", "iban", "bic", "swift", "account", "acct", "ssn", "vat", "tin",
        "pin", "imei", "imsi", "msisdn", "card", "serial", "ref", "reference", "key", "hash", "token",
        "version", "ver", "release", "build", "date", "datetime", "timestamp", "ts", "at",
    }
)
_NO_IDS = frozenset(
    {
        "aid", "bid", "rebid", "underbid", "overbid", "paid", "unpaid", "prepaid", "overpaid", "repaid",
        "valid", "invalid", "grid", "hybrid", "android", "liquid", "solid", "void", "fluid", "humid", "mid",
        "covid", "rapid", "raid", "kid", "lid", "amid",
    }
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Column:
    """How the cells of one column are read. `strict`: a cell that does not fit makes its row a reject."""

    name: str
    kind: str
    convert: Callable[[str], Any]
    strict: bool


class Spoilt(NamedTuple):
    """The first of the cells that keep a column from being numbers, how many there are, and of how many.

    None of them is odd where all are numbers, but the zero at the end of `cell` makes them look like versions.
    """

    cell: str
    odd: int
    cells: int


def decide(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    types: Mapping[str, str],
    infer: bool,
    ids: Collection[str],
    misfit: str | None,
    separator: str = ",",
) -> list[Column | None]:
    """Give the column for each name, None for those that stay text as they are.

    `rows` are the first ones, each as long as `names`; `types` are the kinds that were asked for. With no
    `misfit` a cell stays text where the column was decided, and is refused where its kind was asked for.
    """
    decided: dict[str, str] = {}
    for index, name in enumerate(names):
        if infer and name not in types and name != "time" and name not in ALWAYS_TEXT and name not in ids:
            cells = (row[index] for row in rows if row[index])
            decided[name] = infer_kind(name, cells, commas_are_points=separator == ";")
    return keep(names, decided, types=types, misfit=misfit)


def keep(
    names: Sequence[str], decided: Mapping[str, str], *, types: Mapping[str, str], misfit: str | None
) -> list[Column | None]:
    """Give the columns that `decide` has given when it found the kinds `decided`; the others are text."""
    columns: list[Column | None] = []
    for name in names:
        kind = types.get(name, decided.get(name, "string"))
        if name in types:
            column = Column(name, kind, converter(kind), misfit != "text")
        else:
            column = Column(name, kind, _CAREFUL[kind], misfit == "reject")
        columns.append(None if kind == "string" else column)
    return columns


def find_typed(names: Sequence[str], columns: Sequence[Column | None]) -> list[Column]:
    """Give the columns that are not just text, of those without a name one for all: their cells are to be empty."""
    typed = [column for column in columns if column is not None and column.name]
    return [*typed, Column("", "empty", _refuse, strict=True)] if "" in names else typed


def infer_kind(name: str, cells: Iterable[str], *, commas_are_points: bool = False) -> str:
    """Decide what a column is from its cells that are not empty: `number`, `boolean` or `string`.

    `commas_are_points`: it comes from where a decimal point may be written as a comma, and a point parts thousands.
    """
    cells = list(cells)
    if cells and cells[0].lower() in _BOOLEANS:
        return "boolean" if {cell.lower() for cell in cells} == _BOOLEANS.keys() else "string"
    if cells and not is_id_name(name) and all(map(_is_number, cells)) and not _look_like_ids(cells):
        return "string" if _may_be_thousands(cells, alone=commas_are_points) else "number"
    return "string"


def find_amounts(
    names: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[Column | None], text: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Give the columns that stay text, though they are amounts as people write them, but for `text`; each with a cell.

    Such as `9,90`, `1.234,50`, `$5` and `12 %`: no number of JSON, and what is meant is not always plain.
    """
    for name, cells in _texts(names, rows, columns, text):
        if not all(map(_match_amount, cells)):
            continue
        unlike = [cell for cell in cells if not _is_number(cell)]
        if not unlike and _may_be_thousands(cells, alone=True):
            unlike = [cell for cell in cells if "." in cell]
        if unlike:
            yield name, unlike[0]


def find_spoilt(
    names: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[Column | None], text: Collection[str]
) -> Iterable[tuple[str, Spoilt]]:
    """Give the columns that would be numbers but for a few cells, such as `N/A`, or may be versions; none of `text`."""
    for name, cells in _texts(names, rows, columns, text):
        most = len(cells) // _NEARLY_ALL if len(cells) >= _MIN_CELLS else 0
        odd = list(islice((cell for cell in cells if not _is_number(cell)), most + 1))
        if 0 < len(odd) <= most and infer_kind(name, filter(_is_number, cells)) == "number":
            yield name, Spoilt(odd[0], len(odd), len(cells))
        elif not odd and (version := _find_version(cells)):
            yield name, Spoilt(version, 0, len(cells))


def _texts(
    names: Sequence[str], rows: Sequence[Sequence[str]], columns: Sequence[Column | None], text: Collection[str]
) -> Iterable[tuple[str, list[str]]]:
    """Give the columns but for `text` that stay text and might be numbers, with their cells that are not empty."""
    for index, (name, column) in enumerate(zip(names, columns, strict=True)):
        if column is None and name not in ALWAYS_TEXT and name not in text and name != "time" and not is_id_name(name):
            yield name, [row[index] for row in rows if row[index]]


def is_id_name(name: str) -> bool:
    """Say whether a name is that of an id, a code, a version or a date, whose digits are no quantity."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    first, last = words[0], words[-1]
    singular = last.removesuffix("s")
    if last.endswith("id") or singular.endswith("id"):
        return singular not in _NO_IDS
    return first in _FIRST_WORDS or last in _LAST_WORDS or singular in _LAST_WORDS


def find_type_problems(types: Mapping[str, str], names: Sequence[str], ids: Collection[str]) -> Iterable[str]:
    """Say what is wrong with the kinds that were asked for, given the names of the header."""
    for name, kind in types.items():
        if kind not in KINDS:
            yield f"--type {name}={kind}: there is no such type; it is one of {', '.join(KINDS)}"
        elif name in names and kind != "string" and (name in ALWAYS_TEXT or name in ids):
            yield f"--type {name}={kind}: this column is always text; leave the option out"


def _refuse(_: str) -> NoReturn:
    raise ValueError


def _is_number(cell: str) -> bool:
    return _match_number(cell) is not None and not _has_many_digits(cell)


def _has_many_digits(cell: str) -> bool:
    return len(cell) > MAX_DIGITS and sum(map(str.isdigit, cell.lstrip("-0."))) > MAX_DIGITS


def _look_like_ids(cells: Sequence[str]) -> bool:
    """Tell ids and versions that are spelt like numbers by what their column has in common."""
    lengths = set(map(len, cells))
    if len(lengths) == 1 and min(lengths) >= _SAME_LENGTH and all(map(str.isdigit, cells)):
        return True
    return bool(_find_version(cells))


def _find_version(cells: Sequence[str]) -> str:
    """Give the first cell that looks like a version: a zero ends its fraction, beside fractions of other lengths."""
    fractions = {cell: cell.partition(".")[2] for cell in cells if "." in cell}
    if len(set(map(len, fractions.values()))) < 2:
        return ""
    return next((cell for cell, part in fractions.items() if part.endswith("0") and part != "0"), "")


def _may_be_thousands(cells: Sequence[str], *, alone: bool) -> bool:
    """Tell whether a point may part thousands: 1.200 beside 850, or for want of anything else."""
    parted = sum("." in cell for cell in cells)
    return parted > 0 and (alone or parted < len(cells)) and all(map(_match_thousands, cells))


@lru_cache(_REMEMBERED)
def _read_number(cell: str) -> int | Decimal:
    match = _match_number(cell)
    if match is None or _has_many_digits(cell):
        raise ValueError("is not spelt like the numbers of the first rows: mend it")
    return int(cell) if match.lastindex is None else Decimal(cell)


@lru_cache(_REMEMBERED)
def _read_boolean(cell: str) -> bool:
    value = _BOOLEANS.get(cell.lower())
    if value is None:
        raise ValueError("is neither true nor false, unlike the first rows: mend it")
    return value


_CAREFUL: dict[str, Callable[[str], Any]] = {
    "string": str,
    "number": _read_number,
    "boolean": _read_boolean,
}
