"""Files that are packed in a way that is not read here, or hold no events at all, told by their first bytes.

Knows neither paths nor formats.
"""

from __future__ import annotations

from mpimport.encodings import find_refused

_UNPACK = "{name}: is {kind} data, which mpimport does not unpack: {tool} '{name}' | mpimport - --format FORMAT"
_WORKBOOK = "{name}: is a workbook of a spreadsheet: save its sheet as CSV UTF-8, and import that"
_PAGE = "{name}: is {kind}, perhaps a page to log in: get the events anew, as JSON or CSV"
_NO_EVENTS = "{name}: is {kind}, which mpimport does not read: export the events as NDJSON or CSV"
_PACKED = (
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"PK\x05\x06", "zip", "unzip -p"),
    (b"\xfd7zXZ\x00", "xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
)
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _WORKBOOK, ""),  # OLE, of Excel until 2003
    (b"PAR1", _NO_EVENTS, "a Parquet file"),
    (b"Obj\x01", _NO_EVENTS, "an Avro file"),
    (b"SQLite for", _NO_EVENTS, "a SQLite database"),
    (b"%PDF-", _NO_EVENTS, "a PDF file"),
)
_SHEETS = (".xlsx", ".xlsm", ".ods")


def find_foreign(name: str, head: bytes, encoding: str | None = None) -> str | None:
    """Say what to do about a file that is packed, encoded or made in a way that is not read here."""
    if head.startswith(b"PK") and name.lower().endswith(_SHEETS):
        return _WORKBOOK.format(name=name)
    for magic, kind, tool in _PACKED:
        if head.startswith(magic):
            return _UNPACK.format(name=name, kind=kind, tool=tool)
    for magic, words, kind in _OTHERS:
        if head.startswith(magic):
            return words.format(name=name, kind=kind)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html")):
        return _PAGE.format(name=name, kind="a web page (HTML)")
    if text.startswith(b"<?xml"):
        return _PAGE.format(name=name, kind="XML")
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return _UNPACK.format(name=name, kind="bzip2", tool="bzcat")
    return find_refused(name, head, encoding)
