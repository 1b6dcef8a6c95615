from typing import NewType

_Rules = NewType("_Rules", object)

def new_rules(
    names: tuple[tuple[bytes, int, int, bytes], ...],
    ids: tuple[tuple[bytes, int, int, bytes], ...],
    limits: tuple[int, int, int, int, int, int, int, int],
    edits: tuple[int, bytes, bytes],
) -> _Rules: ...
def take(
    rules: _Rules,
    oldest_s: int,
    newest_s: int,
    adds_ip: bool,
    text: bytes,
    start: int,
    lines: bytearray,
    room: int,
    most_odd: int,
) -> tuple[int, int, list[tuple[int, bytes, int]]]: ...
def are_rows(separator: int, width: int, text: bytes, rows: int) -> bool: ...
def write_rows(
    separator: int, width: int, event: int, columns: list[tuple[int, int, bytes]], text: bytes, rows: int
) -> tuple[bytes, int] | None: ...
