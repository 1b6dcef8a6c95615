"""Bodies as the server must read them back, and cutting a batch into parts."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from functools import partial
from urllib.parse import parse_qs, unquote_to_bytes

import pytest
from fakes import batch_of, event_indexes
from hypothesis import given
from hypothesis import strategies as st
from strategies import event_texts, exact, feed

from mpimport import body
from mpimport.body import ContentType, Part, encode_body, event_lines, names_others, pieces, select, stamp_with, whole

LINES = b'{"event":"a"}\n{"event":"b","properties":{"s":"\xc3\xa4\\n"}}\n'


@pytest.mark.parametrize("level", [None, *range(10)])
@pytest.mark.parametrize("content_type", ["ndjson", "json"])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_body_is_read_back(kind: type[bytes], content_type: ContentType, level: int | None) -> None:
    sent, headers = encode_body(kind(LINES), content_type, level)
    assert type(sent) is bytes
    if level is not None:
        assert headers.pop("Content-Encoding") == "gzip"
        assert sent[:4] == b"\x1f\x8b\x08\x00", "deflate, no flags"
        assert sent[4:8] == bytes(4), "no time, so the same events give the same bytes"
        sent = gzip.decompress(sent)
    if content_type == "ndjson":
        assert headers == {"Content-Type": "application/x-ndjson"}
        assert sent == LINES
    else:
        assert headers == {"Content-Type": "application/json"}
        assert json.loads(sent) == [json.loads(line) for line in LINES.splitlines()]


@pytest.mark.parametrize("level", range(10))
def test_without_isal_zlib_does(monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    monkeypatch.setattr(body, "igzip_lib", None)
    sent, _ = encode_body(LINES * 100, "ndjson", level)
    assert gzip.decompress(sent) == LINES * 100
    assert len(sent) < len(LINES) * 20


def test_compressing_lets_other_threads_run() -> None:
    data = bytes(range(256)) * 100_000  # some 60 ms of work at isal's slowest level
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    encode_body(data, "ndjson", 3)
    done.set()
    thread.join()
    assert len(ticks) > 3


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_form_is_read_back(kind: type[bytes]) -> None:
    lines = LINES + b'{"event":"a&b=c+d%20 ;#\xf0\x9f\x98\x80"}\n'
    sent, headers = encode_body(kind(lines), "form", None)
    assert headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert re.fullmatch(rb"data=[A-Za-z0-9_.~%-]+", sent)
    fields = parse_qs(sent.decode("ascii"), strict_parsing=True)
    assert json.loads(fields["data"][0]) == [json.loads(line) for line in lines.splitlines()]
    assert set(fields) == {"data"}


@given(st.lists(event_texts, max_size=4), st.sampled_from(["abc123", 'a"b', "\N{GRINNING FACE}"]))
def test_a_stamp_changes_nothing_else(texts: list[bytes], token: str) -> None:
    lines = feed(texts).lines
    stamped = stamp_with("token", token)(b"".join(line + b"\n" for line in lines))
    assert stamped.count(b"\n") == len(lines)
    for before, after in zip(map(exact, lines), map(exact, event_lines(stamped)), strict=True):
        assert after == {**before, "properties": {**before["properties"], "token": token}}


@pytest.mark.parametrize("content_type", ["ndjson", "json", "form"])
def test_a_stamp_keeps_the_spelling_of_numbers_and_replaces_what_is_there(content_type: ContentType) -> None:
    line = b'{"properties":{"token":{"a":[1]},"n":0.10,"m":-0.0,"l":123456789012345678901234567890},"event":"a"}\n'
    sent, _ = encode_body(line, content_type, None, stamp_with("token", "abc123"))
    assert b'"n":0.10,"m":-0.0,"l":123456789012345678901234567890' in unquote_to_bytes(sent)
    assert unquote_to_bytes(sent).count(b'"token":"abc123"') == unquote_to_bytes(sent).count(b"token") == 1


def test_a_stamp_does_not_show_in_a_repr() -> None:
    assert "abc123" not in repr(partial(encode_body, stamp=stamp_with("token", "abc123")))


def test_an_empty_body_is_an_empty_array() -> None:
    assert encode_body(b"", "json", None)[0] == b"[]"
    assert encode_body(b"", "form", None, stamp_with("token", "t"))[0] == b"data=%5B%5D"
    assert event_lines(b"") == []


def test_a_part_of_a_part_knows_the_indexes_in_the_batch() -> None:
    part = whole(batch_of(10))
    assert part.lines is not None
    odd = select(part, [1, 3, 5, 7, 9])
    last = select(odd, [3, 4])
    assert list(last.indexes) == [7, 9]
    assert event_indexes(bytes(last.lines)) == [7, 9]


def test_a_batch_as_a_whole_is_not_copied() -> None:
    batch = batch_of(3)
    assert whole(batch).lines is batch.lines


def test_halves() -> None:
    assert [list(part.indexes) for part in pieces(whole(batch_of(5)), None)] == [[0, 1], [2, 3, 4]]


def test_a_limit_that_explains_nothing_gives_halves() -> None:
    assert [list(part.indexes) for part in pieces(whole(batch_of(4)), 1_000_000)] == [[0, 1], [2, 3]]


@given(
    sizes=st.lists(st.integers(2, 60), min_size=2, max_size=40),
    max_bytes=st.none() | st.integers(0, 500),
)
def test_pieces_are_the_part_cut_and_always_more_than_one(sizes: list[int], max_bytes: int | None) -> None:
    """However it is cut: nothing lost, nothing twice, in order, and each step gets nearer to single events."""
    lines = b"".join(b"x" * size + b"\n" for size in sizes)
    part = Part(lines, [7 * position for position in range(len(sizes))])
    cut = pieces(part, max_bytes)
    assert len(cut) > 1
    assert b"".join(bytes(piece.lines) for piece in cut) == lines
    assert [index for piece in cut for index in piece.indexes] == list(part.indexes)
    assert all(len(event_lines(piece.lines)) == len(piece.indexes) > 0 for piece in cut)
    if max_bytes is not None and max_bytes < len(lines):
        assert all(len(piece.lines) <= max_bytes or len(piece.indexes) == 1 for piece in cut)


@pytest.mark.parametrize(
    ("named", "others"),
    [
        ({}, False),
        ({0: "a", 2: "c"}, False),
        ({0: "b"}, True),
        ({0: "a", 1: "c"}, True),
        ({0: "placeholder", 1: "B"}, False),  # of no event: rewritten, or made up
        ({3: "a"}, False),  # the same event twice in a request
        ({4: "a"}, True),  # of one that has none
    ],
)
def test_an_id_that_is_of_another_event_is_told_from_one_that_is_of_none(
    named: dict[int, str], *, others: bool
) -> None:
    lines = b"".join(b'{"properties":{"x":1e999,"$insert_id":"%c"}}\n' % name for name in b"abca")
    assert names_others(lines + b'{"event":"e","properties":{}}\n', named) is others
