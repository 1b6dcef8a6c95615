"""From bytes to records: one module a format, and the table that says which is which."""

from __future__ import annotations

from mpimport.formats import delimited, json_document, ndjson
from mpimport.formats.reading import Format, ReadOptions, delimiter_of
from mpimport.formats.sniff import HEAD_BYTES, detect

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("ndjson", (".ndjson", ".jsonl"), ndjson.read),
        Format("json", (".json",), json_document.read),
        Format("csv", (".csv",), delimited.read_csv),
        Format("tsv", (".tsv",), delimited.read_tsv),
    )
}

__all__ = ["FORMATS", "HEAD_BYTES", "Format", "ReadOptions", "delimiter_of", "detect"]
