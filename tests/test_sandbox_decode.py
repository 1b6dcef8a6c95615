"""The sandbox's two decoders against each other, and against any bytes at all."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mpimport.sandbox.decode import Decoder, Malformed, _quick
from mpimport.sandbox.rules import compact_bytes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
PAIRS = st.lists(st.tuples(st.sampled_from(["a", "b", "é", 'q"', '":']), VALUES), max_size=5)
COLON = st.sampled_from([":", ": ", " :", "\t:", "\r:"])


@given(PAIRS, COLON, st.booleans(), st.sampled_from(["", "x", "}", "\x00", " "]))
def test_the_quick_decoder_agrees_with_the_careful_one(
    pairs: list[tuple[str, Any]], colon: str, ascii_only: bool, tail: str
) -> None:
    separators = (",", colon)
    members = [
        json.dumps(key, ensure_ascii=ascii_only)
        + colon
        + json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        for key, value in pairs
    ]
    line = ('{"event":"a","properties":{' + ",".join(members) + "}}" + tail).encode("utf-8", "surrogatepass")
    decoder = Decoder()
    quick = _quick(line.strip())

    if quick is not None:
        careful = decoder._line(line.strip(), 1)
        assert json.dumps(quick) == json.dumps(careful)
        assert decoder.duplicate_keys == 0


@given(st.binary(max_size=40))
def test_no_bytes_break_the_decoder(body: bytes) -> None:
    decoder = Decoder()
    for read in (decoder.lines, decoder.array):
        with contextlib.suppress(Malformed):
            list(read(body))
    assert decoder.duplicate_keys >= 0


@given(st.lists(VALUES, max_size=3))
def test_a_property_is_never_five_times_as_long_when_it_is_compact(value: list[Any]) -> None:
    sent = json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    assert compact_bytes(value) <= 5 * len(sent.encode("utf-8", "surrogatepass"))


def test_the_longest_of_short_numbers_is_within_that() -> None:
    sent = "[" + ",".join(["1e15"] * 200) + "]"

    assert compact_bytes(json.loads(sent)) <= 5 * len(sent)
