"""Broken and hostile files through the real command: a defined end, everything readable imported, memory bounded."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import assert_balanced, command, environment, good_event, mpimport, ndjson

LINES = ndjson([good_event(n) for n in range(1000)]).splitlines(keepends=True)
TEXT = b"".join(LINES)
ARRAY = b"[" + b",".join(LINES) + b"]"
FLAT = b'{"event": "x", "time": 1718000000, "distinct_id": "u", "a": %b}\n'
CSV = b"event,time,distinct_id\n" + b"".join(b"x,%d,u\n" % (1_718_000_000 + n) for n in range(100))


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


CASES: dict[str, tuple[str, Callable[[], bytes], int, int | None, int, str]] = {
    # name: file name, content, exit code, imported (None: some), rejected, words
    "truncated gzip": (
        "e.ndjson.gz",
        lambda: _cut(gzip.compress(TEXT), 0.6),
        6,
        None,
        0,
        "ends in the middle, after byte",
    ),
    "gzip damaged": (
        "e.ndjson.gz",
        lambda: _flipped(gzip.compress(b"no record\n" + TEXT), -8),
        6,
        1000,
        1,
        "damaged near byte",
    ),
    "gzip of members": (
        "e.ndjson.gz",
        lambda: gzip.compress(TEXT) + gzip.compress(b"") + gzip.compress(LINES[0]),
        0,
        1001,
        0,
        "all 1,001",
    ),
    "garbage after gzip": (
        "e.ndjson.gz",
        lambda: gzip.compress(TEXT) + b"garbage",
        6,
        1000,
        0,
        "not gzip data follows at byte",
    ),
    "gzip in gzip": ("e.ndjson.gz", lambda: gzip.compress(gzip.compress(TEXT)), 2, 0, 0, "compressed twice"),
    "an array that ends in the middle": (
        "e.json",
        lambda: ARRAY[:-40],
        6,
        999,
        0,
        "middle of record 1000, which starts at byte",
    ),
    "an array without its bracket": (
        "e.json",
        lambda: ARRAY[:-1],
        6,
        1000,
        0,
        "without its closing bracket, after record 1000",
    ),
    "lines after an array": ("e.json", lambda: ARRAY + TEXT, 6, 1000, 0, "follows the end of the JSON document"),
    "a table after lines": ("e.ndjson", lambda: TEXT + CSV, 1, 1000, 101, "is this a CSV file"),
    "an array after lines": ("e.ndjson", lambda: TEXT + ARRAY[:200] + b"\n", 1, 1000, 2, "not JSON"),
    "lines after a table": ("e.csv", lambda: CSV + b"".join(LINES[:5]), 1, 100, 5, "ragged_row"),
    "NUL bytes": ("e.ndjson", lambda: TEXT + b"\0" * 5000 + b"\n" + LINES[0], 1, 1001, 1, "NUL bytes"),
    "NUL bytes in a table": ("e.csv", lambda: CSV + b"\0,\0,\0\nx,1718000000,u\n", 1, 101, 1, "nul_byte"),
    "nothing but NUL bytes": ("e.ndjson", lambda: b"\0" * 5000, 1, 0, 1, "NUL bytes"),
    "deep lists": ("e.ndjson", lambda: FLAT % (b"[" * 100_000 + b"]" * 100_000) + LINES[0], 1, 1, 1, "too_deep"),
    "deep objects": ("e.json", lambda: b'[{"a":' * 50_000 + b"1" + b"}]" * 50_000, 1, 0, 1, "too_deep"),
    "10,000 digits": ("e.ndjson", lambda: FLAT % (b"9" * 10_000) + LINES[0], 1, 1, 1, "number_out_of_range"),
    "10,000 digits of a fraction": ("e.ndjson", lambda: FLAT % (b"0." + b"9" * 10_000), 0, 1, 0, "the one"),
    "10,000 digits of an exponent": (
        "e.ndjson",
        lambda: FLAT % (b"1e" + b"9" * 10_000) + LINES[0],
        1,
        1,
        1,
        "number_out_of_range",
    ),
    "19 digits of an exponent": (
        "e.ndjson",
        lambda: FLAT % b"1e1000000000000000000" + LINES[0],
        1,
        1,
        1,
        "number_out_of_range",
    ),
    "10,000 digits in a table": ("e.csv", lambda: CSV + b"9" * 10_000 + b",1718000000,u\n", 0, 101, 0, "all 101"),
    "not UTF-8": ("e.ndjson", lambda: TEXT + FLAT % b'"\xff\xfe"', 1, 1000, 1, "invalid_utf8"),
    "half a pair": ("e.ndjson", lambda: TEXT + FLAT % b'"\\ud83d"', 1, 1000, 1, "lone_surrogate"),
    "half a pair as UTF-8": ("e.ndjson", lambda: TEXT + FLAT % b'"\xed\xa0\xbd"', 1, 1000, 1, "invalid_utf8"),
    "odd characters": (
        "e.ndjson",
        lambda: b"".join(
            FLAT % json.dumps(text, ensure_ascii=False).encode()
            for text in (
                "\u2028\u2029\x85",
                "\ufeff",
                "\ufffe\uffff",
                "\U0010ffff",
                "e" + "\u0301" * 200,
                "\u202e\u2066",
                "\x7f\x80",
            )
        ),
        0,
        7,
        0,
        "all 7",
    ),
    "half a mark": ("e.ndjson", lambda: b"\xef\xbb" + TEXT, 1, 999, 1, "invalid_utf8"),
    "only carriage returns": ("e.ndjson", lambda: TEXT.replace(b"\n", b"\r"), 1, 0, 1, "lines that end in CR"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_file_has_a_defined_end(tmp_path: Path, case: str) -> None:
    name, content, code, imported, rejected, words = CASES[case]
    (tmp_path / name).write_bytes(content())
    ended = mpimport(name, "--sandbox", "--json", cwd=tmp_path)

    assert ended.code == code, ended.err
    assert words in ended.err
    assert "Traceback" not in ended.err
    if code == 2:
        return
    assert_balanced(ended.summary)
    assert ended.summary["rejected"] == rejected
    assert ended.summary["undelivered"] == 0
    assert ended.summary["imported"] == imported or (imported is None and 100 < ended.summary["imported"] < 1000)
    if rejected:
        lines = (tmp_path / f"{name}.rejected.ndjson").read_bytes().splitlines()
        assert [json.loads(line)["by"] for line in lines] == ["client"] * rejected


def _sparse(path: Path, start: bytes, size: int) -> None:
    path.write_bytes(start)
    os.truncate(path, size)


GB = 2**30
_ZEROS = gzip.compress(bytes(2**24))
_PAIRS = b",".join(b'"%x":0' % n for n in range(600_000))
_LISTS = FLAT % (b"[" + b"[]," * 5_000_000 + b"1]")
_COMMAS = FLAT % (b'"' + b"," * 10_000_000 + b'"')
HOSTILE: dict[str, tuple[str, Callable[[Path], object], int, str]] = {
    "a line of 1 GB": ("e.ndjson", lambda path: _sparse(path, LINES[0], GB), 1, "bytes long (from byte "),
    "a cell of 1 GB": ("e.csv", lambda path: _sparse(path, b'event,time\n"', GB), 6, "is longer than"),
    "a header of 1 GB": ("e.csv", lambda path: _sparse(path, b"event", GB), 2, "does not end within 1 MiB"),
    "a bomb": ("e.ndjson.gz", lambda path: path.write_bytes(_ZEROS * 64), 1, "bytes long (from byte 0)"),
    "millions of lists": ("e.ndjson", lambda path: path.write_bytes(_LISTS), 1, "500,000 values"),
    "millions of names": ("e.json", lambda path: path.write_bytes(b'[{"a":1},{' + _PAIRS + b"}]"), 1, "500,000 values"),
    "millions of columns": ("e.csv", lambda path: path.write_bytes(_PAIRS + b"\n1\n"), 2, "does not end within 1 MiB"),
    "commas in a long text": ("e.ndjson", lambda path: path.write_bytes(_COMMAS), 0, "the one"),
}
MAX_PEAK_MIB = 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak in KiB")
@pytest.mark.parametrize("case", HOSTILE)
def test_memory_stays_bounded(tmp_path: Path, case: str) -> None:
    name, make, code, words = HOSTILE[case]
    make(tmp_path / name)
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)\n"
        "sys.exit(code)"
    )
    words_of_command = command(name, "--sandbox", "--no-progress")
    done = subprocess.run(
        [sys.executable, "-c", script, *words_of_command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert words in done.stderr.decode()
    assert int(done.stdout) < MAX_PEAK_MIB


def test_a_giant_line_keeps_only_its_beginning(tmp_path: Path) -> None:
    content: list[Any] = [FLAT % (b"[" + b"1," * 600_000 + b"1]"), *LINES[:3]]
    (tmp_path / "e.ndjson").write_bytes(b"".join(content))
    ended = mpimport("e.ndjson", "--sandbox", "--json", cwd=tmp_path)

    line = json.loads((tmp_path / "e.ndjson.rejected.ndjson").read_bytes())
    assert (ended.summary["imported"], ended.summary["rejected"]) == (3, 1)
    assert line["line"] == 1
    assert line["reasons"][0]["code"] == "record_too_long"
    assert content[0].startswith(line["raw"].encode())
    assert len(line["raw"]) == 64 * 1024
