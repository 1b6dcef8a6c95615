"""Hypothesis: JSON text in every spelling, events and near-events; and what the intake makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from io import BytesIO
from random import Random
from typing import Any, TypeAlias

from hypothesis import strategies as st

from mpimport.intake import Intake
from mpimport.limits import DISALLOWED_IDS, FUTURE_S
from mpimport.records import Batch, Block, Reject
from mpimport.validate import Limits

NOW = 1_700_000_000
LIMITS = Limits(newest_s=NOW + FUTURE_S, added=("ip",))


class Spelt(str):
    """JSON text that stands as it is: a number, or something that is none."""

    __slots__ = ()


class Pairs(tuple[tuple[str, Any], ...]):
    """The members of an object, in which a name may stand twice."""

    __slots__ = ()


Value: TypeAlias = "bool | str | Spelt | list[Any] | Pairs | None"

NUMBERS = (
    *("0", "-0", "-0.0", "0.0", "1", "-1", "0.1", "1.0", "1e5", "1E-7", "1e-6", "1e15", "5e-324", "1e-400"),
    *("9223372036854775807", "9223372036854775809", "18446744073709551617", "-9223372036854775809"),
    *("123456789012345678901234567890", "0.1234567890123456789012345678901234567890", "1.50", "2.5e+3"),
    *(
        "1e400",
        "-1e400",
        "1e1000000",
        "1e-1000000",
        "1e1" + "0" * 19,
        "1e-1" + "0" * 19,
        "1" * 400,
        "0e99",
        "179769313486231580793728971405301e276",
    ),
)
ODDITIES = (
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    ".5",
    "+1",
    "True",
    "'a'",
    '"\\ud800"',
    '"\\x"',
    "[1,]",
    "{}{}",
    "",
)


def choice(*choices: Any) -> st.SearchStrategy[Any]:
    """Draw one of the choices; hypothesis prints strategies now and then, and long choices would take it long."""
    return st.integers(0, len(choices) - 1).map(lambda index: choices[index])


numbers = st.one_of(
    choice(*NUMBERS),
    st.integers().map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}([eE][+-]?[0-9]{1,3})?", fullmatch=True),
).map(Spelt)
texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(('":', 'a":b', ' " : ', "}}", "}", "{", "\\", "\n", "\u2028", "\ufeff", "\0", "😀", "reasons")),
    choice("x" * 255, "x" * 256, "😀" * 255, "é" * 256),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
names = st.one_of(st.sampled_from("abc"), texts)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.tuples(names, inner)
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(members, max_size=4, unique_by=lambda member: member[0]).map(Pairs),
        st.lists(members, min_size=2, max_size=3).map(Pairs),
    )


values: st.SearchStrategy[Any] = st.recursive(scalars, _containers, max_leaves=12)

times = st.one_of(
    choice(NOW, NOW * 1000, NOW + FUTURE_S, NOW + FUTURE_S + 1, 31_536_000, 31_535_999, 31_536_000_000).map(
        lambda n: Spelt(str(n))
    ),
    st.integers(31_536_000_000, (NOW + FUTURE_S) * 1000).map(lambda n: Spelt(str(n))),
    choice("1618716477.5", "1618716477000.25", "1.6e9", "16e8", "1" + "0" * 300, "-0.0", "1e1000000").map(Spelt),
    st.sampled_from(("2021-04-18T03:27:57Z", "1970-01-20", "2021-04-18", "1618716477", "soon", "")),
    scalars,
)
ids = st.one_of(
    st.sampled_from(("u1", "", "None", "NULL", "a" * 36, "a" * 37, "a-B-9", "a_b", "é")),
    choice(*sorted(DISALLOWED_IDS)),
    scalars,
)
_good = {
    "time": st.just(Spelt(str(NOW))),
    "distinct_id": st.just("u1"),
    "$insert_id": st.just("id-1"),
}
_odd = {"time": times, "distinct_id": ids, "$insert_id": ids}
_special = st.sampled_from(("ip", "$ignore", "bucket", "$bucket", "$user_id", "$device_id", "reasons", "token", "time"))


@st.composite
def near_events(draw: st.DrawFn, *, odd: float = 0.5) -> Value:
    """Draw an event; each of its parts is missing, odd or double now and then."""
    rare = st.integers(0, 99).map(lambda n: n < odd * 25)
    members: list[tuple[str, Any]] = []
    for name, good in _good.items():
        if draw(st.integers(0, 99)) < (60 if name == "$insert_id" else 97):
            members.append((name, draw(_odd[name] if draw(rare) else good)))
    members += draw(st.lists(st.tuples(names, values), max_size=4, unique_by=lambda pair: pair[0]))
    if draw(rare):
        members.append((draw(_special), draw(values)))
    if draw(rare) and members:
        members.append((draw(st.sampled_from(members))[0], draw(scalars)))
    properties: Any = draw(values) if draw(rare) and draw(rare) else Pairs(draw(st.permutations(members)))
    top = [("event", draw(scalars) if draw(rare) else draw(st.sampled_from(("Sign Up", "é", 'a":', "}}"))))]
    if draw(rare) and isinstance(properties, Pairs):
        return Pairs((*top, *properties))
    top.append(("properties", properties))
    if draw(rare):
        top.append(draw(st.tuples(st.sampled_from(("event", "properties", "x", "reasons")), values)))
    return Pairs(draw(st.permutations(top)))


def spell(value: Value, random: Random, *, plain: bool = False) -> str:
    """Write a value as JSON text, with white space and escapes wherever they may stand; `plain`: without."""
    gap = "" if plain or random.random() < 0.5 else None  # half of all texts are written without any space

    def space() -> str:
        if gap is not None or random.random() < 0.8:
            return ""
        return "".join(random.choices(" \t\r", k=random.randint(1, 3)))

    def text(of: str) -> str:
        if plain or random.random() < 0.9:
            return json.dumps(of, ensure_ascii=plain is False and random.random() < 0.5)
        units = of.encode("utf-16-be")
        return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)) + '"'

    def write(part: Value) -> str:
        if isinstance(part, Spelt):
            return str(part)
        if isinstance(part, str):
            return text(part)
        if isinstance(part, Pairs):
            inside = ",".join(f"{space()}{text(k)}{space()}:{space()}{write(v)}{space()}" for k, v in part)
            return f"{{{inside}}}"
        if isinstance(part, list):
            return f"[{','.join(space() + write(item) + space() for item in part)}]"
        return json.dumps(part)

    return space() + write(value) + space()


event_texts = st.builds(
    lambda value, seed: spell(value, Random(seed)).encode(), near_events(), st.integers(0, 2**32)
)  # fmt: skip


@st.composite
def broken_texts(draw: st.DrawFn) -> bytes:
    """Draw the text of a near-event with some bytes cut, replaced, doubled or added."""
    text = bytearray(draw(event_texts))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 5)))
        text[at:end] = draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([oddity.encode() for oddity in ODDITIES]),
                st.just(bytes(text[at:end]) * 2),
            )
        )
    return bytes(text).replace(b"\n", b"")


anything: st.SearchStrategy[bytes] = st.one_of(
    event_texts,
    broken_texts(),
    st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")),
    st.builds(lambda v, s: spell(v, Random(s)).encode(), values, st.integers(0, 2**32)),
    choice(b"", b" \t", b"\r", b"\x0c", b"null", b"[]", b'"a,b"', b"a,b,c", b"[" * 100_000, b'{"a":' * 2000),
)


@dataclass(frozen=True)
class Fed:
    """What an intake made of its input."""

    batches: list[Batch]
    read: int

    @property
    def lines(self) -> list[bytes]:
        """The events in the order in which they are sent."""
        return [line for batch in self.batches for line in bytes(batch.lines).split(b"\n")[:-1]]

    @property
    def rejects(self) -> list[Reject]:
        """The rejects in the order in which they were found."""
        return [reject for batch in self.batches for reject in batch.rejects]

    @property
    def codes(self) -> list[list[str]]:
        """The codes of each reject."""
        return [[reason.code for reason in reject.reasons] for reject in self.rejects]


def feed(
    records: Iterable[bytes | Mapping[str, Any]],
    *,
    max_events: int = 2000,
    max_bytes: int = 10_000_000,
    geolocate: bool = False,
    **more: Any,
) -> Fed:
    """Put records through an intake: bytes as the lines of one block, mappings as they are."""
    taken = list(records)
    intake = Intake(max_events=max_events, max_bytes=max_bytes, geolocate=geolocate, clock=lambda: NOW, **more)
    block: Iterable[Any] = taken
    if all(isinstance(record, bytes) for record in taken):
        block = BytesIO(b"".join(record + b"\n" for record in taken if isinstance(record, bytes)))
    batches = [*intake.feed("source", Block(1, block)), *intake.flush()]
    return Fed(batches, intake.read)


def exact(text: bytes) -> Any:
    """Decode JSON so that two results are equal only when every value is: numbers by their exact value."""
    return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_refuse, object_pairs_hook=_once)


def _number(text: str) -> tuple[str, Decimal]:
    try:
        return "number", Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits: what is so small is nothing to any reader of JSON
        assert "e-" in text.lower(), text
        return "number", Decimal(0)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def _refuse(name: str) -> None:
    raise AssertionError(name)


def numbers_in(value: Any) -> Iterator[Decimal]:
    """Give all numbers in what `exact` returned."""
    if isinstance(value, tuple):
        yield value[1]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from numbers_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers_in(inner)
