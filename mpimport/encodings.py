"""Text in other encodings -> UTF-8, exactly and as it comes. Knows neither files nor formats.

A byte order mark says more than an option does, and no file begins with one by chance. Without a mark
nothing is guessed: UTF-8 unless asked for something else.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from mpimport.errors import BrokenInput, UsageProblem

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_TABLES = (".csv", ".tsv", ".txt")  # what spreadsheets write; "Unicode Text" of Excel is UTF-16 with a mark
_NEED_MARK = ("utf-16", "utf-32")
_UTF8 = ("utf-8", "utf8", "utf_8")
_NO_FILES = ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined")
_REFUSED = (
    "{name}: is {kind} text: --encoding {option}; or iconv -f {kind} -t UTF-8 '{name}' | mpimport - --format FORMAT"
)


def codec_of(encoding: str) -> str:
    """Give the one name that Python has for an encoding. Raises `UsageProblem` when it is none of text."""
    try:
        codec = codecs.lookup(encoding)
        known = isinstance("".encode(encoding), bytes) and codec.incrementaldecoder is not None
    except (LookupError, UnicodeError, ValueError, TypeError):
        known = False
    if not known or codec.name.replace("_", "-") in _NO_FILES:
        raise UsageProblem(
            f"--encoding {encoding}: no such encoding; well-known ones are utf-8, utf-16, windows-1252, latin-1"
        )
    return codec.name.replace("_", "-")


def find_refused(name: str, head: bytes, asked: str | None) -> str | None:
    """Say what to do about text that takes an option to be read, going by its first bytes.

    Tables in UTF-16 are read without one.
    """
    if asked is not None:
        return None
    codec, _ = _mark_of(head)
    if not codec.startswith(_NEED_MARK) or (codec.startswith("utf-16") and _is_table(name)):
        return None
    kind = codec[:6]
    return _REFUSED.format(name=name, kind=kind.upper(), option=kind)


def choose(head: bytes, asked: str | None) -> tuple[str | None, int]:
    """Give the encoding to convert from, None for UTF-8, and how many bytes of `head` are its mark."""
    codec, mark = _mark_of(head)
    if mark or asked is None:
        return (None if codec == "utf-8" else codec), mark
    return (None if asked.lower() in _UTF8 else asked), 0


def rejoin(head: bytes, rest: Iterator[bytes], failure: Exception | None) -> Iterator[bytes]:
    """Put back what was looked at before the rest, or before what keeps the rest from being read."""
    yield head
    if failure is not None:
        raise failure
    yield from rest


def to_utf8(name: str, pieces: Iterator[bytes], encoding: str, *, skip: int = 0) -> Iterator[bytes]:
    """Convert text piece by piece, none of the results empty, without the first `skip` bytes: a mark.

    Raises `UsageProblem` for an encoding that does not say enough, `BrokenInput` at a byte that it does not
    define, after all that comes before it.
    """
    codec = codec_of(encoding)
    decoder = codecs.getincrementaldecoder(codec)()
    offset = 0
    for piece in filter(None, pieces):
        if codec in _NEED_MARK:
            raise UsageProblem(
                f"{name}: no byte order mark tells which {codec} it is: --encoding {codec}-le (Windows) or {codec}-be"
            )
        offset += len(piece)
        yield from _convert(name, decoder, piece[skip:], codec, offset)
        skip = 0
    yield from _convert(name, decoder, b"", codec, offset)


def _convert(name: str, decoder: codecs.IncrementalDecoder, piece: bytes, codec: str, end: int) -> Iterator[bytes]:
    """Convert a piece that ends at the offset `end`; an empty one is the last."""
    state = decoder.getstate()
    try:
        data = decoder.decode(piece, final=not piece).encode()
    except UnicodeDecodeError as error:
        good = error.start - (len(error.object) - len(piece))  # the decoder may have kept some bytes from before
        if good > 0:
            decoder.setstate(state)
            yield from filter(None, [decoder.decode(piece[:good]).encode()])
        byte = error.object[error.start : error.start + 1].hex()
        raise BrokenInput(
            f"{name}: byte {end - len(piece) + good} of the text (0x{byte}) is no {codec} ({error.reason}); what came "
            f"before it was read: name the encoding that it is with --encoding, or mend the file"
        ) from error
    except UnicodeEncodeError as error:  # UTF-7 has a spelling for halves of characters
        raise BrokenInput(
            f"{name}: the text before byte {end} holds half a character ({error.reason}): is the --encoding right?"
        ) from error
    if data:
        yield data


def _mark_of(head: bytes) -> tuple[str, int]:
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec, len(mark)
    return "utf-8", 0


def _is_table(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(_TABLES)
