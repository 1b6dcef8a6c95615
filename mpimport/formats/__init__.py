"""From bytes to records: one module a format, and the table that says which is which."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from mpimport.formats import ndjson
from mpimport.formats.reading import Format, ReadOptions, delimiter_of
from mpimport.formats.sniff import HEAD_BYTES, detect
from mpimport.records import Block, Unreadable
from mpimport.sources import ByteStream


def _read_json(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    return _read_with("json_document", "read", stream, options)


def _read_csv(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    return _read_with("delimited", "read_csv", stream, options)


def _read_tsv(stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    return _read_with("delimited", "read_tsv", stream, options)


def _read_with(module: str, name: str, stream: ByteStream, options: ReadOptions) -> Iterator[Block | Unreadable]:
    """Import a format when it is read for the first time: most runs have one, and all of them have to start."""
    found: Iterator[Block | Unreadable] = getattr(import_module(f"mpimport.formats.{module}"), name)(stream, options)
    return found


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("ndjson", (".ndjson", ".jsonl"), ndjson.read),
        Format("json", (".json",), _read_json),
        Format("csv", (".csv",), _read_csv),
        Format("tsv", (".tsv",), _read_tsv),
    )
}

__all__ = ["FORMATS", "HEAD_BYTES", "Format", "ReadOptions", "delimiter_of", "detect"]
