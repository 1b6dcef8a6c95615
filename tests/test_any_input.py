"""Anything at all through the whole run: no exception comes out of it, and the account balances."""

from __future__ import annotations

import gzip
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzz_target import check_fuzzed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import anything, choice, spell, values
from whole_run import SHAPINGS, check_import, import_mappings

from mpimport.formats import FORMATS, ReadOptions

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parent.parent / "examples").iterdir()
    if path.suffix in {".ndjson", ".json", ".csv", ".tsv", ".gz"}
)
HEADS = [path.read_bytes()[:3000] for path in EXAMPLES]
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
formats = st.sampled_from(["auto", *FORMATS])
fates = st.binary(max_size=3)
shapings = choice(*SHAPINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "fuzz" / "found").iterdir()), ids=lambda path: path.name
)
def test_what_was_found_by_fuzzing(folder: Path, path: Path) -> None:
    check_fuzzed(path.read_bytes(), folder)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw an example with parts cut out, flipped, doubled, or put into another one."""
    data = bytearray(draw(choice(*HEADS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at:end] = draw(st.binary(max_size=4))
        elif kind == 2:
            data[at:end] = bytes(data[at:end]) * 2
        elif kind == 3:
            data[at:end] = draw(choice(*HEADS))[at : at + 500]
        elif data:
            data[at - 1] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@quick
@given(st.one_of(st.binary(max_size=200), damaged()), formats, st.booleans(), shapings, fates, st.booleans())
def test_bytes(folder: Path, data: bytes, name: str, pipe: bool, shaping: Any, fate: bytes, zipped: bool) -> None:
    content = gzip.compress(data) if zipped else data
    check_import(content, folder, format_name=name, as_pipe=pipe, shaping=shaping, fates=fate)


@quick
@given(damaged(), st.sampled_from(["utf-16-le", "utf-8", "cp1252", "shift_jis", "utf-7"]), formats, st.integers(4, 400))
def test_encodings_and_short_records(folder: Path, data: bytes, encoding: str, name: str, most: int) -> None:
    check_import(data, folder, format_name=name, options=ReadOptions(encoding=encoding, max_record_bytes=most))


@quick
@given(st.lists(anything, max_size=8), st.sampled_from([b"\n", b"\r\n", b","]), shapings, fates)
def test_records(folder: Path, records: list[bytes], between: bytes, shaping: Any, fate: bytes) -> None:
    text = between.join(records)
    for name, content in (("ndjson", text), ("json", b"[" + text + b"]"), ("csv", b"a,b,time,event\n" + text)):
        check_import(content, folder, format_name=name, shaping=shaping, fates=fate)


@quick
@given(
    values,
    st.integers(0, 2**32),
    st.sampled_from([None, "a", "a.item", "b.a.item", "item", "a..b", "."]),
    st.booleans(),
)
def test_documents(folder: Path, value: Any, seed: int, json_path: str | None, pipe: bool) -> None:
    data = spell(value, Random(seed)).encode(errors="surrogatepass")
    check_import(data, folder, format_name="json", as_pipe=pipe, options=ReadOptions(json_path=json_path))


names = st.one_of(st.sampled_from(["a", "b", "c"]), st.integers(), st.none(), st.tuples())
plain = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.decimals(), st.datetimes(),
        st.uuids(), st.binary(max_size=5), st.complex_numbers(), st.dates(), st.timedeltas(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(names, inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip
keys = st.one_of(
    st.sampled_from(["event", "time", "distinct_id", "$insert_id", "properties", "a", "b", "ip"]), st.text()
)


@quick
@given(st.lists(st.dictionaries(keys, plain, max_size=6), max_size=5), shapings, fates)
def test_mappings(folder: Path, records: list[dict[str, Any]], shaping: Any, fate: bytes) -> None:
    summary = import_mappings(records, folder, shaping=shaping, fates=fate)
    assert summary.read == len(records)
