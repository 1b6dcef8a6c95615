"""The recogniser in C, built with the sanitizers of gcc, on damaged events and tables: compared with the way in Python.

Each text is an allocation of its own (PYTHONMALLOC), so that a byte read behind its NUL is found, too. `make fuzz`
runs it where there is gcc; what is found is printed, and ends it.
"""

from __future__ import annotations

import argparse
import csv
import importlib.machinery
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
BUILT = ROOT / ".fuzz" / "_recognise.abi3.so"
FLAGS = ("-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-shared", "-fPIC")
SEEDS_DRAWN = 1500
KEY = '"k{}":1'
SHAPINGS_DRAWN = 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    given = parser.parse_args()
    if "SANITIZED" in os.environ:
        _fuzz(given.seconds, random.Random(given.seed))
        return
    if shutil.which("gcc") is None or not sys.platform.startswith("linux"):
        print("there is no gcc here, or no Linux: the recogniser in C is not run with its sanitizers")
        return
    _build()
    print(f"--seed {given.seed}", flush=True)
    libraries = [
        subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    sanitized = {"SANITIZED": "1", "LD_PRELOAD": " ".join(libraries), "PYTHONMALLOC": "malloc"}
    options = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    command = [sys.executable, __file__, f"--seconds={given.seconds}", f"--seed={given.seed}"]
    sys.exit(subprocess.run(command, check=False, env=os.environ | sanitized | options).returncode)


def _build() -> None:
    BUILT.parent.mkdir(exist_ok=True)
    include, sources = (
        sysconfig.get_paths()["include"],
        map(str, sorted((ROOT / "mpimport" / "recogniser").glob("*.c"))),
    )
    subprocess.run(["gcc", *FLAGS, f"-I{include}", "-o", str(BUILT), *sources], check=True)


def _load() -> None:
    """Put the module that was built here in the place of the one that is installed."""
    name = "mpimport._recognise"
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    import mpimport

    loader = importlib.machinery.ExtensionFileLoader(name, str(BUILT))
    spec = importlib.util.spec_from_file_location(name, BUILT, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = mpimport._recognise = module


def _draw(strategy: Any, count: int) -> list[Any]:
    from hypothesis import HealthCheck, given, settings

    drawn: list[Any] = []
    checks = list(HealthCheck)

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=checks)
    @given(strategy)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    return drawn


def _fuzz(seconds: int, chance: random.Random) -> None:
    _load()
    from hypothesis import strategies as st
    from strategies import broken_texts, event_texts
    from test_edits import properties, rules, shaping_of
    from test_recognise import LEFT, SEEDS, TAKEN, recognised

    from mpimport import recognise
    from mpimport.edits import edits_of
    from mpimport.mapping import Mapper
    from mpimport.normalise import Shaping

    assert recognise.IN_C
    drawn = _draw(st.one_of(event_texts, broken_texts(), properties()), SEEDS_DRAWN)
    right = [text for text in drawn if recognised(text + b"\n") is not False] + [*SEEDS, *TAKEN.values(), _nested("1")]
    right *= 1 + 2 * len(drawn) // len(right)
    seeds = [*right, *drawn, *LEFT.values(), _nested("1"), _nested("none")]
    asked = [Shaping(Mapper(given)) for given in _draw(rules(), SHAPINGS_DRAWN)]
    shapings = [shaping for shaping in asked if edits_of(shaping) is not None] or [shaping_of(drop=("a",))]
    checks: list[Callable[[], int]] = [
        lambda: _check_event(chance, seeds),
        lambda: _check_event(chance, seeds),
        lambda: _check_edited(chance, seeds, shapings),
        lambda: _check_edited(chance, seeds, shapings),
        lambda: _check_table(chance),
        lambda: _check_block(chance, seeds),
    ]
    counts = [[0, 0] for _ in checks]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for check, count in zip(checks, counts, strict=True):
            for _ in range(1 if check is checks[-1] else 20):
                count[0] += 1
                count[1] += check()
    print(f"texts, and how many of them were taken: {counts}; {len(shapings)} shapings, {len(seeds)} seeds")


def _nested(inner: str) -> bytes:
    """Make an event whose `ip` is looked at twice if it is odd, with as many names open as there can be."""
    from test_recognise import count, with_property

    for _ in range(3):
        inner = "{%s}" % f'{count(253, KEY)},"z":{inner}'  # noqa: UP031 - braces
    return with_property(count(247, KEY) + f',"ip":{inner}')


def _damaged(chance: random.Random, seeds: list[bytes]) -> bytes:
    from test_recognise import TOKENS

    text = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        at = chance.randrange(len(text) + 1)
        if chance.random() < 0.5:
            at = max(text.find(chance.choice(b'":,{}').to_bytes(1, "big"), at), 0)
        other = chance.choice(seeds)
        cut = chance.randrange(len(other) + 1)
        piece = chance.choice((chance.choice(TOKENS), chance.randbytes(1), other[cut : cut + chance.randrange(40)]))
        text[at : at + chance.choice((0, 0, 1, 4, len(piece)))] = piece
    if chance.random() < 0.1:
        del text[chance.randrange(len(text) + 1) :]
    return bytes(text).replace(b"\n", b"")


def _check_event(chance: random.Random, seeds: list[bytes]) -> int:
    from strategies import LIMITS
    from test_recognise import ENDINGS, NO_IP_ADDED, agrees, recognised

    text = _damaged(chance, seeds) + chance.choice(ENDINGS)
    limits = chance.choice((LIMITS, NO_IP_ADDED))
    found = bool(text) and recognised(text, limits)
    if text and not agrees(found, text, limits):
        raise AssertionError(text)
    return found is not False and found is not True


def _check_edited(chance: random.Random, seeds: list[bytes], shapings: list[Any]) -> int:
    from strategies import LIMITS, exact
    from test_edits import edited, mapped
    from test_recognise import NO_IP_ADDED

    text, shaping = _damaged(chance, seeds), chance.choice(shapings)
    limits = chance.choice((LIMITS, NO_IP_ADDED))
    quick = edited(text, shaping, limits)
    if quick is None:
        return 0
    slow, mends = mapped(text, shaping, limits)
    if not isinstance(slow, bytes) or exact(quick) != exact(slow) or mends:
        raise AssertionError((text, shaping, quick, slow, mends))
    return 1


def _check_block(chance: random.Random, seeds: list[bytes]) -> int:
    from test_recognise import GOOD, read

    lines = [_damaged(chance, seeds) if chance.random() < 0.1 else GOOD for _ in range(chance.choice((2, 20, 400)))]
    text = chance.choice((b"\n", b"\r\n")).join(lines)
    most, max_bytes = chance.choice((1, 7, 2000)), chance.choice((300, 10**6))
    with_it = read([text], quickly=True, most=most, max_bytes=max_bytes)
    if with_it != read([text], quickly=False, most=most, max_bytes=max_bytes):
        raise AssertionError(text)
    return len(lines)


CELLS = (
    *("", "1", "-5", "1.50", "-0", "-0.0", "0.000001", "0.0000001", "007", "True", "FALSE", "tru", "truex", "x", '"'),
    *(
        '""',
        '"""',
        '"a',
        '"a"',
        '"a""b"',
        '"1"',
        '"1""2"',
        '"tr""ue"',
        'a"b',
        "\\",
        "\t",
        "\0",
        "\r",
        "\n",
        "\r\n",
        "é",
    ),
    *(
        "1714557600",
        "1714557600000",
        "0714557600",
        "12345678901234567890",
        "123456789012345",
        ",",
        "-",
        "1.",
        ".5",
        " ",
    ),
    *('"\n"', '"\r"', '"-"', '"1714557600"', "-9.123456", "-9.1234567", "\x7f", "\u2028", "😀", "y" * 300),
)


def _check_table(chance: random.Random) -> int:
    from mpimport._recognise import are_rows, write_rows
    from mpimport.formats.columns import keep

    width = chance.randint(1, 6)
    separator = chance.choice(",;\t|")
    lines = [
        separator.join(
            "".join(chance.choices(CELLS, k=chance.choice((0, 1, 1, 1, 1, 2))))
            for _ in range(width + (chance.random() < 0.01))
        ).replace("," if chance.random() < 0.5 else "\1", "")
        + chance.choice(("\n", "\n", "\n", "\r\n", ""))
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    text, count = "".join(lines), len(lines) + (chance.random() < 0.02)
    found = are_rows(ord(separator), width, text.encode(), count)
    event, kinds = chance.randrange(width), [chance.choice((0, 1, 2, 3)) for _ in range(width)]
    order = [at for at in range(width) if at != event and chance.random() < 0.9]
    columns = [(at, kinds[at], b'"c%d":' % at) for at in order]
    written = write_rows(ord(separator), width, event, columns, text.encode(), count)
    if found != (written is not None):
        raise AssertionError((text, count))
    if written is None:
        return 0
    rows = [row or [""] for row in csv.reader(_kept(text), delimiter=separator, strict=True)]
    events, left = written
    if len(rows) != count or {*map(len, rows)} - {width} or events.count(b"\n") != count:
        raise AssertionError((text, count, rows, written))
    converters = keep(["n", "b"], {"n": "number", "b": "boolean"}, types={}, misfit=None)
    assert all(converters)
    convert = {0: str, 1: int, 2: converters[0].convert, 3: converters[1].convert}  # type: ignore[union-attr]
    for row, line in zip(rows, events.split(b"\n"), strict=False):
        left -= not line
        if line:
            properties = {f"c{at}": convert[kinds[at]](row[at]) for at in order if row[at]}
            got = json.loads(line, parse_float=Decimal)
            if got != {"event": row[event], "properties": properties} or str(got) != str(
                {"event": row[event], "properties": properties}
            ):
                raise AssertionError((text, line, row))
    if left:
        raise AssertionError((text, written))
    return count


def _kept(text: str) -> list[str]:
    """Split at line feeds only, as the reader of tables does."""
    *lines, last = text.split("\n")
    return [line + "\n" for line in lines] + [last] * bool(last)


if __name__ == "__main__":
    main()
