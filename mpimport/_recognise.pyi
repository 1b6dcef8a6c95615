from typing import NewType

_Rules = NewType("_Rules", object)

def new_rules(
    names: list[tuple[bytes, int]], ids: list[tuple[bytes, int]], limits: tuple[int, int, int, int, int, int, int, int]
) -> _Rules: ...
def take(
    rules: _Rules, oldest_s: int, newest_s: int, adds_ip: bool, text: bytes, start: int, lines: bytearray, room: int
) -> tuple[int, int, int]: ...
