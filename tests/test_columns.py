"""What a column is read as: nothing that it means is ever lost by it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpimport.doubts import Doubts
from mpimport.formats.columns import (
    SAMPLE_ROWS,
    Column,
    decide,
    find_amounts,
    find_spoilt,
    find_type_problems,
    infer_kind,
    is_id_name,
)
from mpimport.settings import MapSettings
from mpimport.value_types import KINDS

encode = msgspec.json.Encoder(decimal_format="number").encode


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ("0", "number"),
        ("-12 7 0", "number"),
        ("3.5 -0.25 7", "number"),
        ("1.50 9.90 12.00", "number"),
        ("1.0 2.25 3", "number"),
        ("123456789012345", "string"),
        ("123456789012345 1", "number"),
        ("0.000000000000001 1", "number"),
        ("1234567.12345678 1", "number"),
        ("1234567.123456789 1", "string"),
        ("1234567890123456 1", "string"),
        ("007 12", "string"),
        ("00 1", "string"),
        ("+49 1", "string"),
        ("+4930123456", "string"),
        ("-0 1", "string"),
        ("-0.0 1.5", "string"),
        ("1e5 1", "string"),
        ("1E5", "string"),
        ("NaN 1", "string"),
        ("Infinity", "string"),
        ("1. 2", "string"),
        (".5 1", "string"),
        ("0x1F", "string"),
        ("1,000", "string"),
        ("1_000", "string"),
        ("١٢ ٣", "string"),
        ("1.9 1.10", "string"),
        ("1.5 1.50", "string"),
        ("1.2.3", "string"),
        ("850 1.200", "string"),
        ("0 12.500 -1.250", "string"),
        ("850 0.250", "number"),
        ("850 1234.500", "number"),
        ("1.200 2.345", "number"),
        ("4111111111111111", "string"),
        ("491511234567 491511234568", "string"),
        ("123456789 987654321", "string"),
        ("12345678 98765432", "number"),
        ("123456789 1234567890", "number"),
        ("123456789 12345678.5", "number"),
        ("true false TRUE", "boolean"),
        ("TRUE FALSE", "boolean"),
        ("true true", "string"),
        ("FALSE", "string"),
        ("Smith TRUE", "string"),
        ("TRUE Smith False", "string"),
        ("true 1", "string"),
        ("1 true", "string"),
        ("yes no", "string"),
        ('{"a":1}', "string"),
        ("[1]", "string"),
        ("null", "string"),
        ("", "string"),
    ],
)
def test_inference(cells: str, kind: str) -> None:
    assert infer_kind("value", cells.split()) == kind


@pytest.mark.parametrize("cell", ["1 ", " 1", "1\n", "-0\n", "1\u00a0"])
def test_space_is_no_part_of_a_number(cell: str) -> None:
    assert infer_kind("value", ["5", cell]) == "string"


IDS = (
    "id ID user_id userId orderID OrderId userid uuid order-ids zip ZIP zip_code zipcode postal_code PostalCode phone "
    "phone2 phone_number mobile code country_code codes sku SKU_1 ean isbn version app_version appVersion build "
    "order_no invoice_number card_number iban date created_at id_customer code_insee $insert_id"
)
QUANTITIES = "price total_paid paid bid grids amount qty items duration_s width idle decode year lat 1 % größe"


@pytest.mark.parametrize("name", IDS.split())
def test_names_of_ids(name: str) -> None:
    assert is_id_name(name)
    assert infer_kind(name, ["1", "2"]) == "string"


@pytest.mark.parametrize("name", QUANTITIES.split())
def test_names_of_quantities(name: str) -> None:
    assert not is_id_name(name)
    assert infer_kind(name, ["1", "2"]) == "number"


NAMES = ["event", "time", "distinct_id", "$insert_id", "$user_id", "$device_id", "who", "n", "flag"]
ROWS = [["1", "2", "3", "4", "5", "6", "7", "8", "true"], ["1", "2", "3", "4", "5", "6", "7", "", "false"]]


def kinds(columns: list[Column | None]) -> dict[str, str]:
    return {column.name: column.kind for column in columns if column}


def test_ids_and_the_time_are_always_text() -> None:
    found = decide(NAMES, ROWS, types={}, infer=True, ids=["who"], misfit=None)
    assert len(found) == len(NAMES)
    assert kinds(found) == {"n": "number", "flag": "boolean"}
    assert kinds(decide(NAMES, ROWS, types={}, infer=False, ids=[], misfit=None)) == {}


def test_what_was_asked_for_stands() -> None:
    types = {"time": "time", "n": "string", "flag": "list"}
    found = decide(NAMES, ROWS, types=types, infer=True, ids=["who"], misfit=None)
    assert kinds(found) == {"time": "time", "flag": "list"}
    for kind in KINDS:
        (column,) = decide(["a"], [["1"]], types={"a": kind}, infer=True, ids=[], misfit=None)
        assert (column is None) == (kind == "string")


@pytest.mark.parametrize(("misfit", "strict"), [(None, [False, True]), ("text", [False] * 2), ("reject", [True] * 2)])
def test_what_becomes_of_a_misfit(misfit: str | None, strict: list[bool]) -> None:
    found = decide(["a", "b"], [["1", "1"]], types={"b": "number"}, infer=True, ids=[], misfit=misfit)
    assert [column is not None and column.strict for column in found] == strict


def test_problems_with_types() -> None:
    problems = list(
        find_type_problems(
            {"pirce": "number", "b": "date", "id": "json", "event": "string"}, ["price", "b", "id", "event"], ["id"]
        )
    )
    assert problems == [
        "--type b=date: there is no such type; it is one of string, number, boolean, time, json, list",
        "--type id=json: this column is always text; leave the option out",
    ]


CELLS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.decimals(min_value=-1000, max_value=1000, places=2).map(str),
    st.floats().map(repr),
    st.from_regex(r"[-+]?[0-9]{1,20}(\.[0-9]{0,18})?(e[0-9])?", fullmatch=True),
    st.sampled_from(["true", "FALSE", "True", "false", "NaN", "007", "1e5", "+49", "-0", "", "0.10"]),
    st.text(max_size=4),
)
COLUMN = st.one_of(
    st.lists(CELLS, max_size=12),
    st.lists(st.sampled_from(["true", "FALSE", "True", "false"]), max_size=4),
    st.lists(st.decimals(min_value=-1000, max_value=1000, places=2).map(str), max_size=6),
    st.lists(st.integers(-(10**16), 10**16).map(str), max_size=6),
)


@settings(max_examples=500)
@given(first=COLUMN, later=st.lists(CELLS, max_size=6))
def test_inference_never_changes_what_a_column_means(first: list[str], later: list[str]) -> None:
    (column,) = decide(["value"], [[cell] for cell in first], types={}, infer=True, ids=[], misfit="text")
    if column is None:
        return
    for cell in filter(None, first + later):
        try:
            value = column.convert(cell)
        except ValueError:
            assert cell not in first
            continue
        if column.kind == "boolean":
            assert encode(value).decode() == cell.lower()
            continue
        written = encode(value).decode()
        assert type(value) in (int, Decimal)
        assert written == cell or ("E" in written and Decimal(written) == Decimal(cell))
        assert Decimal(repr(float(cell))) == Decimal(cell)  # a reader that keeps doubles loses nothing either


def test_the_sample_is_as_large_as_the_readme_says() -> None:
    assert SAMPLE_ROWS == 1000


def test_between_semicolons_a_point_may_part_thousands() -> None:
    rows = [["1.200", "1.25"], ["3.450", "2.5"]]
    found = {
        separator: kinds(decide(["a", "b"], rows, types={}, infer=True, ids=[], misfit=None, separator=separator))
        for separator in ",;"
    }
    assert found == {",": {"a": "number", "b": "number"}, ";": {"b": "number"}}


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["9,90", "0,5", "12"], "9,90"),
        (["12", "1.234,50"], "1.234,50"),
        (["$5", "-$1,200.50"], "$5"),
        (["5 \u20ac", "7,5 \u20ac"], "5 \u20ac"),
        (["EUR 5.00"], "EUR 5.00"),
        (["12 %", "0.5%"], "12 %"),
        (["(12)", "3"], "(12)"),
        (["1\u00a0000"], "1\u00a0000"),
        (["850", "1.200"], "1.200"),
        (["1.9", "1.10"], None),
        (["007", "8"], None),
        (["1E5"], None),
        (["9,90", "n/a"], None),
        (["01.02.2024"], None),
        (["+49 30 1234"], None),
        (["ABC"], None),
        ([], None),
    ],
)
def test_amounts_as_people_write_them_are_told(cells: list[str], told: str | None) -> None:
    rows = [[cell, cell, cell] for cell in [*cells, ""]]
    names = ["a", "zip", "asked"]
    columns = decide(names, rows, types={"asked": "string"}, infer=True, ids=[], misfit=None)

    assert list(find_amounts(names, rows, columns, ["asked"])) == ([] if told is None else [("a", told)])


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([*("9.90", "1.20", "3.00") * 3, "N/A"], ("N/A", 1, 10)),
        ([*("9.90", "1.20", "3.00") * 30, "N/A", "-"], ("N/A", 2, 92)),
        ([*("9.90", "1.20", "3.00") * 2, "N/A"], None),
        ([*("9.90", "1.20", "3.00") * 3, "N/A", "-"], None),
        ([*("9.90", "1.20", "3.00") * 3, "$5"], ("$5", 1, 10)),
        ([*("1.9", "1.10", "1.2") * 4, "N/A"], None),
        (["a"] * 20, None),
        (["9.90"] * 20, None),
        (["9.9", "9.90", "10"], ("9.90", 0, 3)),
        (["12.5", "7.50"], ("7.50", 0, 2)),
        (["123456789", "987654321"], None),
        (["1.0", "2.25"], None),
    ],
)
def test_columns_of_numbers_but_for_a_few_cells_are_told(cells: list[str], told: tuple[str, int, int] | None) -> None:
    rows = [[cell, cell, cell] for cell in [*cells, ""]]
    names = ["a", "zip", "asked"]
    columns = decide(names, rows, types={"asked": "string"}, infer=True, ids=[], misfit=None)

    assert list(find_spoilt(names, rows, columns, ["asked"])) == ([] if told is None else [("a", told)])


def test_amounts_are_told_once_however_many_files_have_them(caplog: pytest.LogCaptureFixture) -> None:
    tell = Doubts(MapSettings()).of_amounts
    for amounts in ({"a": "9,90"}, {"a": "1,5"}, dict.fromkeys("abcdef", "$5")):
        tell("e.csv", amounts)

    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "e.csv: amounts that are sent as text, which cannot be added up: 'a' ('9,90')",
        "e.csv: amounts that are sent as text, which cannot be added up: 'b' ('$5'), 'c' ('$5'), 'd' ('$5') and 2 more",
    ]
