"""Files that are packed in a way that is not read here, told by their first bytes. Knows neither paths nor formats."""

from __future__ import annotations

from mpimport.encodings import find_refused

_UNPACK = "{name}: is {kind} data, which mpimport does not unpack: {tool} '{name}' | mpimport - --format FORMAT"
_FOREIGN = (
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"PK\x05\x06", "zip", "unzip -p"),
    (b"\xfd7zXZ\x00", "xz", "xzcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
)


def find_foreign(name: str, head: bytes, encoding: str | None = None) -> str | None:
    """Say what to do about a file that is packed or encoded in a way that is not read here."""
    for magic, kind, tool in _FOREIGN:
        if head.startswith(magic):
            return _UNPACK.format(name=name, kind=kind, tool=tool)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return _UNPACK.format(name=name, kind="bzip2", tool="bzcat")
    return find_refused(name, head, encoding)
