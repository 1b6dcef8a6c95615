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
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x -so"),
    (b"Rar!\x1a\x07", "rar", "unrar p -inul"),
)
_OTHERS = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _WORKBOOK, ""),  # OLE, of Excel until 2003
    (b"PAR1", _NO_EVENTS, "a Parquet file"),
    (b"Obj\x01", _NO_EVENTS, "an Avro file"),
    (b"SQLite for", _NO_EVENTS, "a SQLite database"),
    (b"%PDF-", _NO_EVENTS, "a PDF file"),
    (b"ARROW1\0\0", _NO_EVENTS, "an Arrow (Feather) file"),
    (b"\x89HDF\r\n", _NO_EVENTS, "an HDF5 file"),
    (b"\x89PNG\r\n", _NO_EVENTS, "a picture (PNG)"),
    (b"\xff\xd8\xff", _NO_EVENTS, "a picture (JPEG)"),
    (b"GIF8", _NO_EVENTS, "a picture (GIF)"),
    (b"{\\rtf", _NO_EVENTS, "a document of a word processor (RTF)"),
    (b"\x7fELF", _NO_EVENTS, "a program"),
)
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_ARCHIVE = "{name}: is an archive (tar): tar -xOf '{name}' | mpimport - --format FORMAT"
_NO_TEXT = (
    "{name}: is not text: name a file of NDJSON, JSON, CSV or TSV; what is in another form, export so, and "
    "text in UTF-16 that does not say so takes --encoding utf-16-le"
)
_CONTROLS = bytes({*range(4, 9), *range(14, 27), 127})  # without NUL (UTF-16), ^A to ^C (Hive), and separators
_MANY_CONTROLS = 0.03  # ours: of random or packed bytes they are 0.07, of text in any encoding nearly none
_ENOUGH = 64  # bytes to tell by; ours
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


def find_no_text(name: str, head: bytes) -> str | None:
    """Say what to do about a file whose first bytes, unpacked, are an archive of files or no text at all."""
    if head[257:262] == b"ustar" and name.lower().endswith(_ARCHIVES):
        return _ARCHIVE.format(name=name)
    if len(head) < _ENOUGH or _controls(head) < _MANY_CONTROLS * len(head):
        return None
    lines = head.splitlines()
    if not _controls(lines[0]) or any(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None  # a header or an event among lines that are damaged: these are rejected one by one
    return _NO_TEXT.format(name=name)


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROLS))
