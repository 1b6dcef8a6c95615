"""Records made ready for the quick acceptor end exactly as on the slow way: same values, mends and rejects."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import anything

from mpimport.examine import Bad, examine
from mpimport.intake import Intake
from mpimport.limits import FUTURE_S
from mpimport.long_text import TextRules
from mpimport.mapping import Mapper, MapRules
from mpimport.normalise import Shaping
from mpimport.prepare import Preparing
from mpimport.records import Batch, Block, RawRecord
from mpimport.time_forms import TimeReader
from mpimport.validate import Limits

NOW_S = 1_750_000_000.0
SHAPINGS = [
    Shaping(Mapper(MapRules(event_name="All"))),
    Shaping(Mapper(MapRules(fields={"time": "when", "distinct_id": "who.id"}, rename=(("a", "b"),), drop=("x",)))),
    Shaping(Mapper(MapRules(keep=("a",), set=(("z", [1]),), types=(("a", "number"),)))),
    Shaping(texts=TextRules(split_urls=True, parse_json=True, long_strings="drop", deep="flatten")),
    Shaping(texts=TextRules(long_strings="keep", deep="stringify")),
    Shaping(insert_id_from=("distinct_id", "time"), times=TimeReader(timezone="Europe/Berlin")),
]


Ended = tuple[list[bytes], list[Any], Counter[str]]


def fed(records: Iterable[RawRecord], shaping: Shaping, *, plain: bool = False) -> Ended:
    intake = Intake(max_events=7, max_bytes=10**6, geolocate=False, clock=lambda: NOW_S, shaping=shaping)
    batches: list[Batch] = [*intake.feed("x", Block(1, records, plain=plain)), *intake.flush()]
    lines = [line for batch in batches for line in bytes(batch.lines).split(b"\n")[:-1]]
    rejects = [(r.number, r.reasons, r.event, r.raw) for batch in batches for r in batch.rejects]
    mends: Counter[str] = sum((Counter(batch.mends) for batch in batches), Counter())
    assert intake.read == len(lines) + len(rejects)
    return lines, rejects, mends


def slowly(records: list[RawRecord], shaping: Shaping) -> Ended:
    limits = Limits(NOW_S + FUTURE_S, ("ip",), keeps_long_text=shaping.texts.long_strings == "keep")
    lines, rejects, mends = [], [], Counter[str]()
    for number, record in enumerate(records, 1):
        text = examine(record, limits, mends, shaping)
        if isinstance(text, Bad):
            rejects.append((number, text.reasons, text.event, text.raw))
        elif text is not None:
            lines.append(text)
    return lines, rejects, mends


def exact(line: bytes) -> Any:
    return json.loads(line, parse_float=Decimal)


@settings(deadline=None, max_examples=150)
@given(st.lists(anything, max_size=12), st.sampled_from(SHAPINGS))
def test_bytes(records: list[bytes], shaping: Shaping) -> None:
    quick, slow = fed(list(records), shaping), slowly(list(records), shaping)

    assert [exact(line) for line in quick[0]] == [exact(line) for line in slow[0]]
    assert quick[1:] == slow[1:]
    assert fed(BytesIO(b"".join(record + b"\n" for record in records)), shaping) == quick


@pytest.mark.parametrize(
    "text",
    [
        b'{"event":"a","properties":{"time":1714557600,"distinct_id":"u","a":1,"a" :2}}',
        b'{"event":"a","event":"a","properties":{"time":1714557600,"distinct_id":"u"}}',
        b'{"a":1,"a":1,"a":1,"a":2,"properties":"abc"}',
        b'{"event":"a","time":1714557600,"distinct_id":"u","o":[{"a":1,"\\u0061":2}]}',
        b'{"event":"a","time":1714557600,"distinct_id":"u","o":"http://a/","o":1}',
    ],
)
def test_a_name_that_stands_twice_is_found(text: bytes) -> None:
    for records in ([text], BytesIO(text), BytesIO(text + b"\n")):
        _, [(_, reasons, _, _)], _ = fed(records, SHAPINGS[0])

        assert "duplicate_key" in [reason.code for reason in reasons]


CELLS = st.sampled_from(["", "1", "-5", "1.50", "x", "u1", "1714557600", "2024-05-01T12:00:00", "null", "y" * 300])
ROWS = st.dictionaries(
    st.sampled_from(
        ["event", "time", "ts", "distinct_id", "who", "a", "x", "$insert_id", "ip", "bucket", "properties"]
    ),
    CELLS | st.decimals(-10, 10, places=2) | st.booleans() | st.lists(CELLS, max_size=2),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(ROWS, max_size=12), st.sampled_from([Shaping(), *SHAPINGS]))
def test_rows_of_a_table(rows: list[dict[str, Any]], shaping: Shaping) -> None:
    quick, slow = fed(list(rows), shaping, plain=True), slowly(list(rows), shaping)

    assert [exact(line) for line in quick[0]] == [exact(line) for line in slow[0]]
    assert quick[1:] == slow[1:]


def test_a_table_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"event": "a", "time": "1714557600", "distinct_id": "u", "$insert_id": "i", "price": Decimal("1.50")}
    monkeypatch.setattr(Preparing, "take_back", pytest.fail)
    [line] = fed([row], Shaping(), plain=True)[0]

    assert b'"price":1.50' in line


def test_what_is_right_already_is_not_prepared() -> None:
    assert Preparing(Shaping()).of(Block(1, [b"{}"])) is None
    assert Preparing(SHAPINGS[0]).of(Block(1, [b"{}"])) is not None
