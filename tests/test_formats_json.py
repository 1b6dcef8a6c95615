"""JSON documents: the elements are found as json and ijson find them, in any pieces, and one bad one costs one."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat

import ijson
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Found, collect, cut, file_of, stream_of

from mpimport.formats import FORMATS, ReadOptions, json_cut, json_feed
from mpimport.formats.json_walk import backend_note, word_trailing
from mpimport.records import Unreadable
from mpimport.sources import ByteStream

MOST = 1 << 24


def read(
    data: bytes, sizes: list[int] | None = None, *, path: str | None = None, most: int = MOST, pipe: bool = True
) -> tuple[list[Found], str]:
    stream = stream_of(cut(data, sizes or [])) if pipe else file_of(data, sizes or [])
    return read_stream(stream, path=path, most=most)


def read_stream(stream: ByteStream, *, path: str | None = None, most: int = MOST) -> tuple[list[Found], str]:
    found, problem = collect(FORMATS["json"].read(stream, ReadOptions(path, most)))
    in_lines = [(n, item.removesuffix(b"\n") if isinstance(item, bytes) else item) for n, item in found]
    return in_lines, problem


def values(found: list[Found]) -> list[object]:
    """Spell what was found: the decoded value, the code of what is unreadable, or the bytes of what is no JSON."""
    return [spell(item) for _, item in found]


def spell(item: bytes | Unreadable) -> object:
    if isinstance(item, Unreadable):
        return item.reason.code
    assert item == item.strip()
    try:
        return msgspec.json.decode(item)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return item


TEXT = st.text(st.sampled_from('},{[]":\\/ \na\u00e9\U0001f600'), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)
SPACES = st.sampled_from(["", " ", "\n", "\r\n\t ", " " * 300])


@st.composite
def documents(draw: st.DrawFn, elements: st.SearchStrategy[object]) -> tuple[list[object], bytes]:
    """Draw an array with all kinds of white space between what is in it."""
    items = draw(st.lists(elements, max_size=12))
    indent = draw(st.sampled_from([None, 0, 2]))
    texts = [json.dumps(item, indent=indent, ensure_ascii=draw(st.booleans())) for item in items]
    comma = draw(SPACES) + "," + draw(SPACES)
    return items, (draw(SPACES) + "[" + draw(SPACES) + comma.join(texts) + draw(SPACES) + "]" + draw(SPACES)).encode()


@pytest.fixture(params=[1, 20, 1 << 18], scope="module")
def _blocks(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (json_feed, json_cut):
            patch.setattr(module, "BLOCK_BYTES", request.param)
        yield


@pytest.mark.usefixtures("_blocks")
@settings(max_examples=150)
@given(document=documents(OBJECTS | VALUES), sizes=st.lists(st.integers(1, 60), max_size=4), zipped=st.booleans())
def test_an_array_reads_as_json_reads_it(document: tuple[list[object], bytes], sizes: list[int], zipped: bool) -> None:
    items, data = document
    found, problem = read(gzip.compress(data) if zipped else data, sizes)
    assert problem == ""
    assert values(found) == items
    assert [number for number, _ in found] == list(range(1, len(items) + 1))


@pytest.mark.usefixtures("_blocks")
@settings(max_examples=100)
@given(
    document=documents(OBJECTS),
    before=st.dictionaries(st.sampled_from(["a", "b", "{"]), SCALARS | st.lists(SCALARS, max_size=3), max_size=3),
    after=st.dictionaries(st.sampled_from(["y", "z"]), SCALARS | st.lists(SCALARS, max_size=3), max_size=2),
    deep=st.booleans(),
    pipe=st.booleans(),
    given_path=st.sampled_from(["", ".item", None]),
    sizes=st.lists(st.integers(1, 60), max_size=4),
)
def test_a_wrapper_reads_as_ijson_reads_it(
    document: tuple[list[object], bytes],
    before: dict[str, object],
    after: dict[str, object],
    deep: bool,
    pipe: bool,
    given_path: str | None,
    sizes: list[int],
) -> None:
    items, array = document
    body = "".join(f"{json.dumps(key)}: {json.dumps(value)}," for key, value in before.items()).encode()
    body = b"{" + body + b'"events":' + array
    body += "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in after.items()).encode() + b"}"
    data, path = (b'{"data": ' + body + b"}", "data.events") if deep else (body, "events")
    expected = [json.loads(json.dumps(item)) for item in items]
    assert json.loads(json.dumps(list(ijson.items(io.BytesIO(data), f"{path}.item")), default=float)) == expected
    found, problem = read(data, sizes, path=None if given_path is None else path + given_path, pipe=pipe)
    assert problem == ""
    assert values(found) == expected


PIECES = [
    b'{"a":1}',
    b'{"a":"},{"}',
    b",",
    b",",
    b",",
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"NaN",
    b" ",
    b'{"b":[{"c":1},{"c":2}]}',
]


@pytest.mark.usefixtures("_blocks")
@settings(max_examples=300)
@given(
    data=st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), sizes=st.lists(st.integers(1, 30), max_size=4)
)
def test_the_quick_way_finds_what_the_exact_way_finds(data: bytes, sizes: list[int]) -> None:
    quick = read(b"[" + data, sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cut, "_prove", lambda *_: None)
        assert quick == read(b"[" + data)


@pytest.mark.parametrize(
    ("data", "expected", "words"),
    [
        (b"", [], ""),
        (b" \n ", [], ""),
        (b"[]", [], ""),
        (b" [ ] \n", [], ""),
        (b"\xef\xbb\xbf[{}]", [{}], ""),
        (b'[1, null, "a", [2, {}], true]', [1, None, "a", [2, {}], True], ""),
        (b'[{"a":1},{"a":NaN},{"a":3}]', [{"a": 1}, b'{"a":NaN}', {"a": 3}], ""),
        (b'[{"a":1},{"a":"\\x"},{"a":"\xff"},{"a":4}]', [{"a": 1}, b'{"a":"\\x"}', b'{"a":"\xff"}', {"a": 4}], ""),
        (b'[{"a":1}{"b":2},{"c":3}]', [b'{"a":1}{"b":2}', {"c": 3}], ""),
        (b'[{"a":1}},{"b":2}]', [b'{"a":1}}', {"b": 2}], ""),
        (b"[{},,{}]", [{}, "missing_element", {}], ""),
        (b"[{},]", [{}, "missing_element"], ""),
        (b"[{},{}", [{}, {}], "the array ends without its closing bracket, after record 2"),
        (b"[{},", [{}], "the array ends without its closing bracket, after record 1"),
        (b'[{},{"a"', [{}], "the text ends in the middle of record 2, which starts at byte 4"),
        (b"[", [], "without its closing bracket, after record 0"),
        (b"[{}]x", [{}], "'x' follows the end of the JSON document, at byte 4: remove it"),
        (b"[{}]\n[{}]", [{}], "arrays one after the other are read by `jq -c '.[]' FILE | mpimport - --format ndjson`"),
        (b"x", [], "is no JSON array or object"),
        (b"[" + b"[" * 100_000, [], "in the middle of record 1"),
        (b'{"event":"x"', [], "the object that starts at byte 0 is cut short"),
        (b'{"event":"x"}', [{"event": "x"}], ""),
        (b'{"event":"x"}\n{"event":"y"}', [{"event": "x"}, {"event": "y"}], ""),
        (b'{"a":"x"}{"a":"}{"}\n\t {\n"a":[{}]} ', [{"a": "x"}, {"a": "}{"}, {"a": [{}]}], ""),
        (
            b'{"event":"x"}{"event":"y"},{"event":"z"}',
            [{"event": "x"}, {"event": "y"}],
            "at byte 26: put the objects between [ and ]",
        ),
        (b'{"event":"x"}{"event":"y"', [{"event": "x"}], "the object that starts at byte 13 is cut short"),
        (b'{"event":"x"}{"event":NaN}{"a":1}', [{"event": "x"}, b'{"event":NaN}', {"a": 1}], ""),
        (b'{"events":[]}', [], ""),
        (b'{"a":"b","c":{"events":[ ]},"n":1}', [], ""),
        (b'{"a":1,"b":[]}', [], ""),
        (b'{"a":"x","b":[]}', [{"a": "x", "b": []}], ""),
        (b'{"event":1,"b":[]}', [{"event": 1, "b": []}], ""),
        (b'{"events":[]', [], "is cut short"),
        (b'{"events":[]}x', [{"events": []}], "'x' follows the end"),
        (b'{"events":[]}{"event":"y"}', [{"events": []}, {"event": "y"}], ""),
        (b'{"d":[{"event":1}]}{"d":[]}', [{"event": 1}], "`jq -c '.d[]' FILE"),
        (b'{"properties":{"a":[{}]}}', [{"properties": {"a": [{}]}}], ""),
        (b'{"a":1,"b":[1,2]}', [{"a": 1, "b": [1, 2]}], ""),
        (b'{"a":NaN}', [b'{"a":NaN}'], ""),
        (b'{"e":[{"a":1},{"a":2}', [{"a": 1}, {"a": 2}], "without its closing bracket"),
        (b'{"e":[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}], "the document ends in the middle"),
        (b'{"e":[{"a":1}],"f":NaN}', [{"a": 1}], "is no JSON just before byte"),
        (b'{"e":[{"a":1}]} {}', [{"a": 1}], "something follows the end"),
        (b'{"m":{"t":[{"x":1}]},"e":[{"a":1}]}', [{"a": 1}], ""),
        (b'{"e":[{"a":[{"b":1}]}]}', [{"a": [{"b": 1}]}], ""),
        (b'{"e":[[{"a":1}],[{"a":2}]]}', [{"a": 1}, {"a": 2}], ""),
        (b'{"a":' + b"[" * 100_000, [], "is cut short"),
    ],
)
@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_documents(data: bytes, expected: list[object], words: str, pipe: bool, size: int) -> None:
    found, problem = read(data, [size], pipe=pipe)
    assert values(found) == expected
    assert (problem.startswith("BrokenInput: x: ") and words in problem) if words else problem == ""


TWO = b'{"a":[{"x":1}],"b":{"c":[{"y":1}]},"d":[{"z":1},{"z":2}],"n":[1]}'
USERS = b'[{"id":1,"last":{"t":9},"events":[{"e":1},{"e":2}]},{"id":2,"events":[]},{"last":{"t":8},"events":[{"e":3}]}]'


@pytest.mark.parametrize(
    ("data", "path", "expected"),
    [
        (TWO, "d", [{"z": 1}, {"z": 2}]),
        (TWO, "d.item", [{"z": 1}, {"z": 2}]),
        (TWO, "b.c.item", [{"y": 1}]),
        (TWO, "n.item", [1]),
        (TWO, "b", [{"c": [{"y": 1}]}]),
        (USERS, None, [{"id": 1, "last": {"t": 9}, "events": [{"e": 1}, {"e": 2}]}, {"id": 2, "events": []}, 3]),
        (USERS, "item.events.item", [{"e": 1}, {"e": 2}, {"e": 3}]),
        (USERS, "item.events", [{"e": 1}, {"e": 2}, {"e": 3}]),
        (USERS, "item.last", [{"t": 9}, {"t": 8}]),
        (b'{"u":' + USERS + b"}", "u.item.events.item", [{"e": 1}, {"e": 2}, {"e": 3}]),
        (b'{"e":[]}', "e.item", []),
        (b'{"event":"x","list":[{"a":1}]}', "list", [{"a": 1}]),
        (b'{"a.b":[{"x":1}],"item":{"item":[{"y":1}]}}', "a.b.item", [{"x": 1}]),
        (b'{"a.b":[{"x":1}],"item":{"item":[{"y":1}]}}', "item.item.item", [{"y": 1}]),
    ],
)
def test_a_path_leads_where_ijson_goes(data: bytes, path: str | None, expected: list[object]) -> None:
    for size in (1, 1000):
        found, problem = read(data, [size], path=path)
        assert problem == ""
        assert values(found)[: len(expected) - 1] == expected[:-1]
        assert [number for number, _ in found] == list(range(1, len(expected) + 1))
    if path is not None and path.endswith(".item"):
        assert values(found) == list(ijson.items(io.BytesIO(data), path))


def test_a_path_that_leads_nowhere_names_those_that_lead_somewhere() -> None:
    found, problem = read(TWO, path="events.item")
    assert found == []
    assert problem == (
        "UsageProblem: x: nothing is at --json-path events.item; the arrays of objects in it: a.item, b.c.item, d.item"
    )
    assert "there is none" in read(b"[1]", path="x")[1]


def test_two_arrays_are_refused_before_anything_is_read() -> None:
    found, problem = read(TWO, pipe=False)
    assert found == []
    assert problem.startswith("UsageProblem: x: ")
    assert "at a.item, d.item: say which with --json-path" in problem
    assert read(TWO)[1] == problem, "in the first bytes of a pipe too"


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"columns":[{"name":"a"}],"errors":[],"events":[%s]}', "events.item; passed over: columns.item"),
        (b'{"errors":[{"code":1}],"data":[%s]}', "data.item; passed over: errors.item"),
        (b'{"data":{"events":[%s]},"errors":[{"code":1}]}', "data.events.item; passed over: errors.item"),
        (b'{"errors":[{"code":1}],"more":[{"a":1}],"d":{"e":[%s]}}', "d.e.item; passed over: errors.item, more.item"),
        (b'{"d":{"e":[{"event":"a"}]}}', ""),
    ],
)
def test_the_only_array_of_events_is_taken_and_it_is_said(
    pipe: bool, data: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    found, problem = read(data.replace(b"%s", b'{"event":"a"},{"event":"b"}'), pipe=pipe)
    assert (values(found)[0], problem) == ({"event": "a"}, "")
    assert len(found) == (2 if told else 1)
    assert caplog.messages == ([f"x: the events were read from {told}"] if told else [])


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_events_that_lie_deeper_are_not_passed_over_in_silence(pipe: bool, first: bool) -> None:
    deeper, errors = b'"data":{"events":[{"event":"a"},{"event":"b"}]}', b'"errors":[{"event":"x"}]'
    pair = (deeper, errors) if first else (errors, deeper)
    found, problem = read(b"{" + b",".join(pair) + b"}", pipe=pipe)
    assert found == []
    assert problem.startswith("UsageProblem: x: there are events, or other objects, at ")
    assert "data.events.item" in problem
    assert "errors.item" in problem


def test_a_pipe_tells_of_a_second_array_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_feed, "BLOCK_BYTES", 20)
    rows = b",".join([b'{"a":1}'] * 50)
    data = b'{"m":"' + b" " * 90 + b'","e":[' + rows + b'],"f":[{"b":1}]}'
    found, problem = read(data, most=100)
    assert len(found) == 50
    assert problem.startswith("BrokenInput: x: only e.item was read, and there are events")
    assert "at f.item" in problem
    found, problem = read(b'{"m":"' + b" " * 90 + b'","f":"' + b" " * 90 + b'"}', most=100)
    assert found == []
    assert "no array of objects is in it" in problem


def test_bytes_come_out_as_they_went_in() -> None:
    texts = [
        b'{"a":1e400,"b":-0.0}',
        b'{"a":1,"a":2}',
        b'{"a":"\\ud800"}',
        b'{\n "a": 123456789012345678901234567890 }',
    ]
    for data in (b"[" + b" ,\n".join(texts) + b"]", b'{"events":[' + b",".join(texts) + b"]}"):
        assert [text for _, text in read(data)[0]] == texts


@pytest.mark.parametrize("block", [1, 20, 50, 1 << 18])
def test_objects_one_after_the_other_are_cut_where_blocks_end_and_one_is_too_long(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_feed, "BLOCK_BYTES", block)
    monkeypatch.setattr(json_cut, "BLOCK_BYTES", block)
    long = b'{"a":"' + b"}{" * 30 + b'"}'
    found, problem = read(b'{"event":1}\n{"b":2}' + long + long + b' {"c":[\n3]}{"d":4}{"e"', most=50)
    assert "the object that starts at byte 173 is cut short" in problem
    assert values(found) == [{"event": 1}, {"b": 2}, "record_too_long", "record_too_long", {"c": [3]}, {"d": 4}]
    assert [number for number, _ in found] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("block", [20, 1 << 18])
def test_an_element_that_is_too_long_costs_only_itself(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_feed, "BLOCK_BYTES", block)
    monkeypatch.setattr(json_cut, "BLOCK_BYTES", block)
    long = b'{"a":"' + b"},{" * 20 + b'"}'
    found, problem = read(b'[{"a":1},' + long + b' ,{"a":3}]', most=50)
    assert problem == ""
    assert values(found) == [{"a": 1}, "record_too_long", {"a": 3}]
    assert "record 2 is 69 bytes long (from byte 9), and 50 is the most" in found[1][1].reason.message
    assert found[1][1].raw == long


def test_a_broken_source_hands_over_what_is_whole() -> None:
    texts = [b'{"a":%d,"b":"%s"}' % (i, b"xyz" * (i % 7)) for i in range(300)]
    data = gzip.compress(b"[" + b",".join(texts) + b"]")
    for end in range(20, len(data), 7):
        found, problem = read(data[:end])
        assert [text for _, text in found] == texts[: len(found)]
        assert problem.startswith("BrokenInput: x: the gzip data ends in the middle")
    assert problem.count("x: ") == 1


def test_nested_arrays_do_not_slow_the_quick_way_down() -> None:
    item = {"order": 1, "lines": [{"sku": str(i), "n": {"a": [{"b": 1}] * 3}} for i in range(20)]}
    data = json.dumps([item] * 2000, indent=1).encode()
    proofs = 0
    decode = json_cut._decode

    def count(text: bytes) -> list[msgspec.Raw]:
        nonlocal proofs
        proofs += 1
        return decode(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_cut, "_decode", count)
        found, problem = read(data)
    assert (len(found), problem) == (2000, "")
    assert proofs < 2 * len(data) / json_feed.BLOCK_BYTES + 10


@pytest.mark.parametrize("tail", [b'"}]', b""])
def test_two_hundred_megabytes_in_one_element_take_no_memory(tail: bytes) -> None:
    endless = chain([b'[{"a":1},{"a":"'], repeat(b"x" * (1 << 20), 200), [tail] if tail else [])
    tracemalloc.start()
    found, problem = read_stream(stream_of(endless), most=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert values(found) == [{"a": 1}, "record_too_long"][: 2 if tail else 1]
    assert ("in the middle of record 2" in problem) != bool(tail)
    assert peak < 16 << 20


@pytest.mark.parametrize("where", [b'{"a":"', b'{"e":[{"a":1}],"b":"', b'{"a":['])
def test_what_is_no_record_is_bounded_too(where: bytes) -> None:
    filling = b"[" if where.endswith(b"[") else b"x"
    endless = chain([where], repeat(filling * (1 << 16), 100 if filling == b"[" else 1000))
    tracemalloc.start()
    found, problem = read_stream(stream_of(endless), most=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) <= 1
    assert problem.startswith("BrokenInput")
    assert peak < 16 << 20


def test_the_c_backend_is_there() -> None:
    assert backend_note() is None


SIGNS = ("event_name", "time")


@pytest.mark.parametrize("data", [b'{"time": 1, "rows": [{"a": 1}]}', b'{"rows": [{"a": 1}], "event_name": "x"}'])
def test_a_document_that_may_be_one_event_is_not_taken_apart_unasked(data: bytes) -> None:
    def read_as(path: str | None) -> list[object]:
        options = ReadOptions(path, event_signs=SIGNS)
        return values([(n, item.strip()) for n, item in collect(FORMATS["json"].read(file_of(data), options))[0]])

    _, problem = collect(FORMATS["json"].read(file_of(data), ReadOptions(event_signs=SIGNS)))
    assert "UsageProblem" in problem
    assert read_as("") == [msgspec.json.decode(data)]
    assert read_as("rows.item") == [{"a": 1}]


def test_beside_an_array_of_events_the_names_of_the_document_say_nothing() -> None:
    data = b'{"time": 1, "events": [{"event": "a"}]}'
    found, problem = collect(FORMATS["json"].read(file_of(data), ReadOptions(event_signs=SIGNS)))

    assert (problem, [spell(item.strip()) for _, item in found]) == ("", [{"event": "a"}])


def test_events_one_after_the_other_that_hold_events_before_their_name_are_read_whole() -> None:
    one = b'{"items": [{"event": "x"}],\n "event": "e"}\n'

    assert values(read(one * 3, pipe=False)[0]) == [msgspec.json.decode(one)] * 3


def test_the_command_for_arrays_one_after_the_other_keeps_their_names() -> None:
    assert "`jq -c '.items[].item_ids[]' FILE" in word_trailing(9, wanted="items.item.item_ids.item")
