"""Paths, globs and standard input become sources; streams count, unpack, and break only at their last good byte."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import re
import select
import signal
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import cut, message_of, stream_of

from mpimport import gunzip
from mpimport.errors import MpimportError, UsageProblem
from mpimport.foreign import find_foreign
from mpimport.interrupt import Interrupt
from mpimport.sources import STDIN, ByteStream, Source, expand, open_source

NO_STDIN = io.BytesIO()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_all(stream: ByteStream, n: int = 1 << 16) -> tuple[bytes, str]:
    data = bytearray()
    problem: MpimportError | None = None
    try:
        while piece := stream.read(n):
            assert len(piece) <= n
            data += piece
    except MpimportError as raised:
        problem = raised
    if problem is None:
        assert stream.read(n) == b""
        return bytes(data), ""
    assert message_of(lambda: stream.read(n)) == str(problem), "a broken stream stays broken"
    return bytes(data), f"{type(problem).__name__}: {problem}"


def put(*names: str, data: bytes = b"{}\n") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


def names_of(*arguments: str) -> list[str]:
    return [source.name for source in expand(arguments)[0]]


# --- naming sources


def test_files_globs_and_stdin_keep_their_order_and_globs_sort(folder: Path) -> None:
    put("b.ndjson", "a.ndjson", "z.csv", "deep/er/c.ndjson")
    assert names_of("z.csv", "-", "*.ndjson") == ["z.csv", STDIN, "a.ndjson", "b.ndjson"]
    assert names_of("**/*.ndjson") == ["a.ndjson", "b.ndjson", str(Path("deep/er/c.ndjson"))]
    assert names_of(str(folder / "?.ndjson")) == [str(folder / "a.ndjson"), str(folder / "b.ndjson")]
    assert names_of() == []


def test_a_source_says_what_it_is(folder: Path) -> None:
    put("a.ndjson", data=b"12345")
    assert expand(["a.ndjson", "-"])[0] == [
        Source("a.ndjson", Path("a.ndjson"), 5, resumable=True),
        Source(STDIN, None, None, resumable=False),
    ]


def test_standard_input_that_is_a_file_has_a_size(folder: Path) -> None:
    put("a.ndjson", data=b"12345")
    kept = os.dup(0)
    try:
        with Path("a.ndjson").open("rb", buffering=0) as file:
            file.seek(2)  # somebody has read a line already
            os.dup2(file.fileno(), 0)
            assert expand(["-"])[0] == [Source(STDIN, None, 3, resumable=False)]
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_a_file_of_that_very_name_is_no_glob(folder: Path) -> None:
    put("a[1].ndjson", "a1.ndjson")
    assert names_of("a[1].ndjson") == ["a[1].ndjson"]
    assert names_of("a[!2].ndjson") == ["a1.ndjson"]


def test_a_glob_passes_over_folders_and_what_we_wrote_ourselves(folder: Path) -> None:
    put("a.ndjson", "a.ndjson.rejected.ndjson", "a.ndjson.rejected.ndjson.undelivered.ndjson", "d.ndjson/x")
    sources, notes = expand(["*.ndjson"])
    assert [source.name for source in sources] == ["a.ndjson"]
    assert len(notes) == 1
    assert "a.ndjson.rejected.ndjson" in notes[0]
    assert names_of("*.rejected.ndjson") == ["a.ndjson.rejected.ndjson"]
    assert names_of("a.ndjson.rejected.ndjson") == ["a.ndjson.rejected.ndjson"]
    assert "name that" in message_of(lambda: expand(["a.*.ndjson"]))


def test_all_problems_are_told_together(folder: Path) -> None:
    put("a.ndjson", "d/e")
    os.link("a.ndjson", "same.ndjson")
    put("x.bin", data=b"PK\x03\x04....")
    with pytest.raises(UsageProblem) as caught:
        expand(["gone.ndjson", "no*.csv", "d", "a.ndjson", "./a.ndjson", "same.ndjson", "-", "-", "x.bin"])
    problems = caught.value.problems
    expected = ("gone.ndjson: no such", "no*.csv: no file", "d: is a directory", "x.bin: is zip", "-: standard", "a.nd")
    assert [problem.startswith(start) for problem, start in zip(problems, expected, strict=True)] == [True] * 6
    assert "d/*.ndjson" in problems[2].replace(os.sep, "/")
    assert "same.ndjson" in problems[5]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything, Windows has no such mode")
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    put("a.ndjson")
    Path("a.ndjson").chmod(0)
    assert "permission denied" in message_of(lambda: expand(["a.ndjson"]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_is_not_opened_to_look_at_it(folder: Path) -> None:
    os.mkfifo("pipe")
    assert expand(["pipe"])[0] == [Source("pipe", Path("pipe"), None, resumable=False)]


def test_a_name_that_no_system_takes() -> None:
    assert "cannot be read" in message_of(lambda: expand(["a\0b"]))


# --- opening


def test_a_file_counts_and_opens_again(folder: Path) -> None:
    put("a.ndjson", data=b"abcdef")
    (source,) = expand(["a.ndjson"])[0]
    with open_source(source, NO_STDIN) as stream:
        assert stream.peek(2) == b"ab"
        assert stream.read(3) == b"abc"
        assert read_all(stream) == (b"def", "")
        assert stream.consumed == 6
        again = stream.reopen()
        assert again is not None
        with again:
            assert read_all(again) == (b"abcdef", "")


def test_stdin_is_read_once_and_left_open() -> None:
    stdin = io.BytesIO(b"abc")
    with open_source(Source(STDIN, None, None, resumable=False), stdin) as stream:
        assert stream.reopen() is None
        assert stream.consumed == 0, "nothing is read before it is asked for"
        assert read_all(stream) == (b"abc", "")
    assert not stdin.closed


def test_a_pipe_that_does_not_block_is_not_taken_for_empty() -> None:
    out, into = os.pipe()
    os.set_blocking(out, False)
    with os.fdopen(out, "rb") as stdin:
        stream = open_source(Source(STDIN, None, None, resumable=False), stdin)
        assert os.get_blocking(out)
        os.write(into, b"abcdefghij")
        assert stream.read(10) == b"abcdefghij"
        os.close(into)
        assert stream.read(10) == b""


def test_a_source_that_is_gone_or_became_a_folder(folder: Path) -> None:
    put("a.ndjson", "b.ndjson", "d/x")
    (source,) = expand(["a.ndjson"])[0]
    Path("a.ndjson").unlink()
    gone = message_of(lambda: open_source(source, NO_STDIN))
    assert "was there when the run began, and is gone; put it back" in gone
    assert "b.ndjson" not in gone
    Path("a.ndjson").mkdir()
    assert "directory" in message_of(lambda: open_source(source, NO_STDIN))


def test_what_the_system_refuses_breaks_the_stream_after_what_it_gave() -> None:
    for data in (b"abc", b"a", b"", gzip.compress(b"abc", mtime=0)[:-1]):
        got, problem = read_all(stream_of([data] if data else [], failure=OSError(5, "Input/output error")))
        assert got == (b"abc" if len(data) > 3 else data)
        assert problem == f"BrokenInput: x: reading failed after byte {len(data)}: Input/output error; check it"


# --- what the first bytes say


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lzma.compress(b"x"), "xzcat 'x' | mpimport -"),
        (bz2.compress(b"x"), "bzcat 'x'"),
        (b"\x28\xb5\x2f\xfd....", "zstdcat 'x'"),
        (b"PK\x03\x04......", "unzip -p 'x'"),
        (b"\x04\x22\x4d\x18....", "lz4cat 'x'"),
        (b"7z\xbc\xaf\x27\x1c....", "7z x -so 'x'"),
        (b"Rar!\x1a\x07\x00...", "unrar p -inul 'x'"),
        (b"PAR1......", "is a Parquet file, which mpimport does not read: export the events as NDJSON or CSV"),
        (b"ARROW1\0\0..", "is an Arrow (Feather) file"),
        (b"\x89HDF\r\n\x1a\n..", "is an HDF5 file"),
        (b"\x89PNG\r\n\x1a\n..", "is a picture (PNG)"),
        (b"\xff\xd8\xff\xe0....", "is a picture (JPEG)"),
        (b"GIF89a....", "is a picture (GIF)"),
        (b"{\\rtf1\\ansi", "is a document of a word processor (RTF)"),
        (b"\x7fELF......", "is a program"),
        ("\ufeff{}".encode("utf-16-le"), "iconv -f UTF-16 -t UTF-8 'x'"),
        ("\ufeff{}".encode("utf-16-be"), "iconv -f UTF-16"),
        ("\ufeff{}".encode("utf-32-le"), "iconv -f UTF-32"),
        ("\ufeff{}".encode("utf-32-be"), "iconv -f UTF-32"),
        (gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "compressed twice"),
        (gzip.compress("\ufeff{}".encode("utf-16-le"), mtime=0), "iconv -f UTF-16"),
    ],
)
def test_foreign_bytes_are_named_with_what_to_do(data: bytes, words: str) -> None:
    got, problem = read_all(stream_of([data]))
    assert got == b""
    assert problem.startswith("UsageProblem")
    assert words in problem


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf{}", gzip.compress(b"\xef\xbb\xbf{}", mtime=0)])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_order_mark_is_not_part_of_the_text(data: bytes, size: int) -> None:
    assert read_all(stream_of(cut(data, [size]))) == (b"{}", "")
    assert stream_of(cut(data, [size])).peek(1) == b"{"


@pytest.mark.parametrize("data", [b"", b"\x1f", b"B", b"\xef\xbb", b"\xff", b"BZh9"])
def test_short_sources_are_what_they_are(data: bytes) -> None:
    assert read_all(stream_of([data])) == (data, "")


# --- gzip


@pytest.fixture(params=["isal", "zlib"], scope="module")
def _decoder(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setattr(gunzip, "_zlib", zlib)
            patch.setattr(gunzip, "_DAMAGE", (zlib.error, ValueError))
        yield


@pytest.mark.usefixtures("_decoder")
@settings(max_examples=60)
@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 40), max_size=5),
    asked=st.integers(1, 100),
    padding=st.integers(0, 20),
    peeked=st.integers(0, 50),
)
def test_members_read_the_same_in_any_pieces(
    members: list[bytes], sizes: list[int], asked: int, padding: int, peeked: int
) -> None:
    text = b"".join(members)
    if find_foreign("x", text) or text[:1] in (b"\xef", b"\xff", b"\xfe", b"\x1f", b"\x00"):
        members, text = [b".", *members], b"." + text
    data = b"".join(map(gzip.compress, members)) + bytes(padding)
    stream = stream_of(cut(data, sizes))
    assert stream.peek(peeked) == text[:peeked]
    assert read_all(stream, asked) == (text, "")
    assert stream.consumed == len(data)


@pytest.mark.usefixtures("_decoder")
def test_a_truncated_file_gives_all_that_was_decoded_and_then_breaks() -> None:
    text = bytes(random.Random(1).choices(b"abcdef\n", k=400))
    first = gzip.compress(text, mtime=0)
    data = first + gzip.compress(text, mtime=0)
    for end in range(2, len(data)):
        got, problem = read_all(stream_of([data[:end]]))
        assert (text * 2).startswith(got)
        if end == len(first):
            assert (got, problem) == (text, "")
            continue
        assert problem.startswith(f"BrokenInput: x: the gzip data ends in the middle, after byte {end};")
        if end > len(first):
            assert len(got) >= len(text)
    assert got == text * 2, "only the trailer is missing"


@pytest.mark.usefixtures("_decoder")
def test_a_wrong_checksum_breaks_after_the_text() -> None:
    text = b"hello world\n" * 1000
    data = bytearray(gzip.compress(text, mtime=0))
    data[-6] ^= 1
    got, problem = read_all(stream_of([bytes(data)]))
    assert got == text
    assert re.match(rf"BrokenInput: x: the gzip data is damaged near byte {len(data) - 8} ", problem)


@pytest.mark.usefixtures("_decoder")
def test_damage_in_the_middle_breaks_near_it() -> None:
    text = bytes(random.Random(2).choices(b"abcdefghijklmnop", k=200_000))
    data = bytearray(gzip.compress(text, mtime=0))
    spot = len(data) // 2
    data[spot : spot + 600] = b"\xff" * 600
    got, problem = read_all(stream_of([bytes(data)]))
    assert problem.startswith("BrokenInput: x: the gzip data is damaged near byte")
    near = int(problem.split("near byte ")[1].split()[0])
    assert near >= spot - gunzip._PIECE_BYTES, "it may decode to something else for a while"
    assert len(got) > len(text) // 3
    assert got[: len(text) // 3] == text[: len(text) // 3]


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f", b"\0\0\0x", b"\x1fx"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_follows_a_member_and_is_no_member(tail: bytes, size: int) -> None:
    data = gzip.compress(b"abc", mtime=0)
    got, problem = read_all(stream_of(cut(data + tail, [size])))
    assert got == b"abc"
    at = len(data) + tail.count(b"\0")
    words = "ends in the middle" if tail == b"\x1f" else f"not gzip data follows at byte {at};"
    assert words in problem


@pytest.mark.usefixtures("_decoder")
def test_a_bomb_is_read_in_bounded_memory() -> None:
    data = gzip.compress(bytes(100_000_000), 9, mtime=0)
    tracemalloc.start()
    stream, total = stream_of([data]), 0
    while piece := stream.read(1 << 16):
        total += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 100_000_000
    assert peak < 8_000_000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_signal_that_asks_for_nothing_wakes_who_waits_once() -> None:
    interrupt, woken = Interrupt(), list[bool]()
    read_end, write_end = os.pipe()

    def look() -> None:
        if not woken:
            signal.raise_signal(signal.SIGCONT)
        elif len(woken) == 3:
            os.write(write_end, b"event")
        woken.append(bool(select.select([interrupt._wake or 0], [], [], 0)[0]))

    before = signal.signal(signal.SIGCONT, lambda *_: None)
    interrupt.on_wait = look
    try:
        with interrupt.installed():
            pull = interrupt.patient(read_end, lambda n: os.read(read_end, n))
            assert pull(10) == b"event"
    finally:
        signal.signal(signal.SIGCONT, before)
        os.close(read_end)
        os.close(write_end)

    assert woken == [True, False, False, False]


def test_who_reads_is_told_of_a_signal_before_the_input_ends_for_it() -> None:
    interrupt, looks = Interrupt(), list[int]()
    interrupt.on_wait = lambda: looks.append(interrupt.times)
    read_end, write_end = os.pipe()
    try:
        pull = interrupt.patient(read_end, lambda n: os.read(read_end, n))
        os.write(write_end, b"half")
        assert pull(10) == b"half"
        interrupt.times = 1
        assert pull(10) == b""
    finally:
        os.close(read_end)
        os.close(write_end)

    assert looks == [1]
