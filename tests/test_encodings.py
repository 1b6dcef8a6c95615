"""Other encodings: converted exactly, in any pieces, or stopped at the byte that they do not define."""

from __future__ import annotations

import codecs
import gzip
import tracemalloc
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import collect, cut, message_of

from mpimport.encodings import codec_of
from mpimport.errors import BrokenInput, UsageProblem
from mpimport.formats import FORMATS, ReadOptions, detect
from mpimport.sources import ByteStream, Source, expand, open_source

TEXT = "event,note\nx,Zürich ☃\n"


def stream(data: bytes, encoding: str | None, sizes: list[int] | None = None, name: str = "x") -> ByteStream:
    waiting = chain(cut(data, sizes or [1000]), repeat(b""))
    held = b""

    def pull(n: int) -> bytes:
        nonlocal held
        held = held or next(waiting)
        piece, held = held[:n], held[n:]
        return piece

    return ByteStream(name, pull, encoding=encoding)


def read_all(source: ByteStream) -> tuple[bytes, str]:
    pieces: list[bytes] = []
    try:
        while piece := source.read(7):
            pieces.append(piece)
    except BrokenInput as broken:
        return b"".join(pieces), str(broken)
    return b"".join(pieces), ""


@settings(max_examples=300)
@given(
    text=st.text(st.sampled_from('aé"\n,;漢字かな€ß+-~\\'), max_size=40),
    encoding=st.sampled_from(
        [
            "utf-16-le",
            "utf-16-be",
            "utf-32-le",
            "utf-7",
            "gb18030",
            "shift_jis",
            "iso2022_jp",
            "euc_jp",
            "cp1252",
            "latin-1",
        ]
    ),
    sizes=st.lists(st.integers(1, 9), max_size=4),
    zipped=st.booleans(),
    tail=st.sampled_from([b"", b"\xff", b"\x81", b"\xd8\x00\x00\x00"]),
)
def test_text_survives_in_any_pieces(text: str, encoding: str, sizes: list[int], zipped: bool, tail: bytes) -> None:
    data = text.encode(encoding, errors="ignore")
    expected = data.decode(encoding).encode()
    packed = gzip.compress(data) if zipped else data
    assert read_all(stream(packed, encoding, sizes)) == (expected, "")
    found, problem = read_all(stream(data + tail, encoding, sizes))
    if problem:
        assert found.startswith(expected)
        assert "what came before it was read" in problem
    else:
        assert found == (data + tail).decode(encoding).encode()


@pytest.mark.parametrize(
    ("mark", "codec"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF8, "utf-8"),
    ],
)
@pytest.mark.parametrize("asked", ["utf-16", "UTF-8", "windows-1252"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_mark_says_more_than_the_option(mark: bytes, codec: str, asked: str, zipped: bool) -> None:
    data = mark + TEXT.encode(codec)
    assert read_all(stream(gzip.compress(data) if zipped else data, asked, [1])) == (TEXT.encode(), "")


@pytest.mark.parametrize("name", ["a.csv", "A.TSV", "a.txt.gz", "a.csv.gz"])
def test_a_table_in_utf_16_is_read_without_an_option(name: str) -> None:
    data = codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le")
    source = stream(gzip.compress(data) if name.endswith("gz") else data, None, name=name)
    assert source.peek(5) == b"event"
    assert read_all(source) == (TEXT.encode(), "")


@pytest.mark.parametrize(("name", "codec"), [("a.ndjson", "utf-16"), ("stdin", "utf-16"), ("a.csv", "utf-32")])
def test_other_text_in_utf_16_takes_the_option(name: str, codec: str) -> None:
    data = TEXT.encode(codec)
    assert f"--encoding {codec}; or iconv -f {codec.upper()}" in message_of(
        lambda: stream(data, None, name=name).read(9)
    )
    assert read_all(stream(data, codec, name=name)) == (TEXT.encode(), "")


def test_excel_unicode_text_from_the_file_to_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "Mappe1.txt"
    path.write_bytes("event\tPreis\r\nKauf\t9.50\r\nKauf\tgrün\r\n".encode("utf-16"))
    sources, _ = expand([str(path)])
    with open_source(sources[0], None) as opened:  # type: ignore[arg-type]  # standard input is not read
        name = detect(str(path), opened.peek(100))
        found, problem = collect(FORMATS[name].read(opened, ReadOptions()))
    assert (name, problem) == ("tsv", "")
    assert found == [(2, {"event": "Kauf", "Preis": "9.50"}), (3, {"event": "Kauf", "Preis": "grün"})]


def test_a_file_is_converted_in_every_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes('{"a":"é"}'.encode("utf-16"))
    assert "--encoding utf-16" in message_of(lambda: expand([str(path)]))
    (source,), _ = expand([str(path)], encoding="utf-16")
    assert source == Source(str(path), path, 20, resumable=True)
    with open_source(source, None, encoding="utf-16") as first:  # type: ignore[arg-type]  # as above
        assert first.read(100) == '{"a":"é"}'.encode()
        again = first.reopen()
        assert again is not None
        with again:
            assert read_all(again) == ('{"a":"é"}'.encode(), "")


def test_an_undefined_byte_stops_after_what_came_before() -> None:
    found, problem = read_all(stream(b"a\xe9b\x81c", "windows-1252"))
    assert found == "aéb".encode()
    assert problem.startswith(
        "x: byte 3 of the text (0x81) is no cp1252 (character maps to <undefined>); what came before"
    )


@pytest.mark.parametrize("encoding", ["iso2022_jp", "utf-7", "shift_jis", "iso2022_kr"])
@pytest.mark.parametrize("size", [1, 4, 5, 100])
def test_a_decoder_that_remembers_is_set_back(encoding: str, size: int) -> None:
    text = "ab漢字a" * 2
    found, problem = read_all(stream(text.encode(encoding) + b"\xff\xff", encoding, [size]))
    assert found == text.encode()
    assert f"byte {len(text.encode(encoding))} of the text (0xff)" in problem


def test_half_a_character_at_the_end() -> None:
    found, problem = read_all(stream("aé".encode("utf-16-le")[:-1], "utf-16-le"))
    assert found == b"a"
    assert problem.startswith("x: byte 2 of the text (0xe9) is no utf-16-le (truncated data)")


def test_half_a_character_in_utf_7() -> None:
    assert "holds half a character" in read_all(stream(b"a+2AA-b", "utf-7"))[1]


def test_damage_in_gzip_comes_after_the_text_before_it() -> None:
    for length in (2, 20, 4000):
        data = ("é" * length).encode("utf-16-le")
        found, problem = read_all(stream(gzip.compress(data)[:-6], "utf-16-le"))
        assert found == "é".encode() * length
        assert "ends in the middle" in problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_without_a_mark_the_order_of_bytes_is_not_guessed(encoding: str) -> None:
    source = stream(TEXT.encode("utf-16-le"), encoding)
    words = f"no byte order mark tells which {encoding} it is: --encoding {encoding}-le (Windows) or {encoding}-be"
    assert words in message_of(lambda: source.peek(10))
    assert words in message_of(lambda: source.read(10))
    assert read_all(stream(b"", encoding)) == (b"", "")


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("cp1252", "cp1252"), ("windows-1252", "cp1252"), ("latin1", "iso8859-1"), ("UTF8", "utf-8")],
)
def test_encodings_by_any_of_their_names(encoding: str, codec: str) -> None:
    assert codec_of(encoding) == codec


@pytest.mark.parametrize(
    "encoding", ["", "klingon", "hex", "rot13", "zlib", "idna", "punycode", "unicode_escape", "a\0"]
)
def test_what_is_no_encoding_of_files(encoding: str) -> None:
    with pytest.raises(UsageProblem, match="no such encoding; well-known ones are utf-8, utf-16"):
        codec_of(encoding)


def test_memory_does_not_grow() -> None:
    piece = "é☃ab".encode("utf-16-le") * 8192
    source = stream_of_many(piece, 300)
    tracemalloc.start()
    total = 0
    while data := source.read(1 << 16):
        total += len(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 300 * 8192 * 7
    assert peak < 4 << 20


def stream_of_many(piece: bytes, count: int) -> ByteStream:
    waiting = chain(repeat(piece, count), repeat(b""))
    return ByteStream("x", lambda _n: next(waiting), encoding="utf-16-le")
