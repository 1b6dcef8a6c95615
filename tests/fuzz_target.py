"""What is fuzzed: four bytes say how the others are read, and `whole_run` says what must hold."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from whole_run import SHAPINGS, check_import

from mpimport.formats import FORMATS, ReadOptions

_FORMATS = ("auto", *FORMATS)
_ENCODINGS = (None, None, None, None, "utf-16-le", "cp1252", "shift_jis", "utf-7")
_PATHS = (None, None, None, "item", "a.item", "a.b.item", "events", "..")
_SIZES = (16 * 1024 * 1024, 100)
_EXAMPLES = Path(__file__).parents[1] / "examples"


def check_fuzzed(data: bytes, folder: Path) -> None:
    """Import what a fuzzer made, in the way that its first bytes choose. Raises what it finds."""
    how, content = data[:4].ljust(4, b"\0"), data[4:]
    options = ReadOptions(
        encoding=_ENCODINGS[how[1] & 7],
        json_path=_PATHS[how[1] >> 3 & 7],
        max_record_bytes=_SIZES[how[1] >> 6 & 1],
        delimiter=(None, ";")[how[1] >> 7],
    )
    if how[0] & 128:
        content = gzip.compress(content, 1)
    check_import(
        content,
        folder,
        format_name=_FORMATS[how[0] % 64 % len(_FORMATS)],
        as_pipe=bool(how[0] & 64),
        options=options,
        shaping=SHAPINGS[how[2] % len(SHAPINGS)],
        fates=how[3:4] if how[3] else b"",
    )


def seeds() -> Iterator[bytes]:
    """Give what to begin with: the first lines of the examples, read in the right way."""
    for number, path in enumerate(sorted(_EXAMPLES.iterdir())):
        suffix = path.name.removesuffix(".gz").rpartition(".")[2]
        if suffix in FORMATS:
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for start in (0, len(content) // 2):
                lines = content[start:].splitlines(keepends=True)[:4]
                yield bytes([_FORMATS.index(suffix), 0, number, 0]) + b"".join(lines)[:2000]


def words() -> Iterator[bytes]:
    """Give what a fuzzer would take long to find by itself."""
    yield from (
        b'"event"',
        b'"properties"',
        b'"time"',
        b'"distinct_id"',
        b'"$insert_id"',
        b'"ip"',
        b'"reasons"',
        b'"by"',
    )
    yield from (b'"raw"', b'"raw_base64"', b'"source"', b'"line"', b"1718000000", b"1e400", b"1e-1000000000000000000")
    yield from (b"true", b"false", b"null", b"NaN", b"\\ud83d", b"\\u0000", b'":{"', b"},{", b"[[", b"\xef\xbb\xbf")
    yield from (b"2024-06-10T06:13:20Z", b"https://x/y?z=1&z=2#w", b'""', b"\r\n", b"event,time,distinct_id")
    yield json.dumps({"event": "x", "properties": {"time": 1_718_000_000, "distinct_id": "u"}}).encode()
