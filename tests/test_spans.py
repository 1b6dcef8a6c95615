"""Which records a batch covers: all of them, in order, each in one batch; and the byte where reading can go on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import good_event
from test_pipeline import NOW_S as NOW

from mpimport.formats import ReadOptions
from mpimport.inputs import FileInput
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.mapping import Mapper, MapRules
from mpimport.normalise import DEFAULT, Shaping
from mpimport.records import Batch, Span
from mpimport.sources import Source, expand

LINES = {
    "good": json.dumps(good_event(1)).encode(),
    "mended": b'{"event":"a","time":1718000000,"distinct_id":5}',
    "long": json.dumps(good_event(2, text="x" * 300)).encode(),
    "bad": b"nonsense",
    "blank": b"",
}
SHAPINGS = {"as it is": DEFAULT, "mapped": Shaping(mapper=Mapper(MapRules(drop=("nothing",))))}


def source_of(path: Path) -> Source:
    [source], _ = expand([str(path)])
    return source


def read(path: Path, intake: Intake, place: tuple[int, int] | None = None, number: int = 0) -> Iterator[Batch]:
    """Read a file into batches, from a line on."""
    intake.begin(number)
    with FileInput(source_of(path), "ndjson", ReadOptions(), Interrupt()).open(place) as blocks:
        for block in blocks:
            yield from intake.feed(path.name, block)


def covered(batches: list[Batch]) -> list[Span]:
    return [span for batch in batches for span in batch.spans]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(sorted(LINES)), max_size=40),
    start=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    ending=st.sampled_from([b"\n", b"\r\n"]),
    shaping=st.sampled_from(sorted(SHAPINGS)),
    max_events=st.integers(1, 12),
    max_bytes=st.sampled_from([300, 1000, 10_000_000]),
)
def test_spans_follow_each_other_and_each_ends_where_the_next_line_begins(
    tmp_path: Path, kinds: list[str], start: bytes, ending: bytes, shaping: str, max_events: int, max_bytes: int
) -> None:
    path = tmp_path / "e.ndjson"
    path.write_bytes(start + b"".join(LINES[kind] + ending for kind in kinds))
    begins = [len(start)]
    for kind in kinds:
        begins.append(begins[-1] + len(LINES[kind] + ending))

    def intake() -> Intake:
        return Intake(
            max_events=max_events, max_bytes=max_bytes, geolocate=True, clock=lambda: NOW, shaping=SHAPINGS[shaping]
        )

    first = intake()
    batches = [*read(path, first), *first.flush()]
    at = 1
    for batch in batches:
        [span] = batch.spans
        assert (span.source, span.first) == (0, at)
        assert span.offset == begins[span.next - 1]
        numbers = [number for run in batch.runs for number in range(run.first, run.first + run.count)]
        numbers += [reject.number for reject in batch.rejects]
        assert all(span.first <= number < span.next for number in numbers)
        at = span.next
        again = intake()
        rest = [*read(path, again, (span.next, span.offset or 0)), *again.flush()]
        assert [other.lines for other in rest] == [other.lines for other in batches[batch.seq + 1 :]]
        assert [other.runs for other in rest] == [other.runs for other in batches[batch.seq + 1 :]]
    assert first.read == len(kinds) - kinds.count("blank")


def test_a_batch_may_cover_several_sources(tmp_path: Path) -> None:
    intake = Intake(max_events=7, max_bytes=10_000_000, geolocate=True, clock=lambda: NOW)
    batches: list[Batch] = []
    for number in range(4):
        path = tmp_path / f"{number}.ndjson"
        path.write_bytes((LINES["good"] + b"\n") * (3 if number != 2 else 0))
        batches += read(path, intake, number=number)
    batches += intake.flush()

    size = len(LINES["good"]) + 1
    assert [batch.spans for batch in batches] == [
        (Span(0, 1, 4, 3 * size), Span(1, 1, 4, 3 * size), Span(3, 1, 2, size)),
        (Span(3, 2, 4, 3 * size),),
    ]


@pytest.mark.parametrize("packed", [gzip.compress, lambda data: data.decode().encode("utf-16")])
def test_a_file_that_has_to_be_unpacked_has_no_place_to_go_on_from(tmp_path: Path, packed: object) -> None:
    path = tmp_path / "e.csv"
    data = b"event,time,distinct_id\n" + b"a,1718000000,u\n" * 50
    path.write_bytes(packed(data))  # type: ignore[operator]  # one of two functions
    intake = Intake(max_events=7, max_bytes=10_000_000, geolocate=True, clock=lambda: NOW)
    with FileInput(source_of(path), "csv", ReadOptions(), Interrupt()).open() as blocks:
        batches = [batch for block in blocks for batch in intake.feed("e", block)]

    assert {span.offset for span in covered(batches)} == {None}
    assert [(span.first, span.next) for span in covered(batches)][:2] == [(1, 9), (9, 16)]
