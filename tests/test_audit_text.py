"""The audit for people: what matters first, what to do, small and safe for a terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from manual import MANUAL

from mpimport.account import ReasonCount, Tally
from mpimport.audit import AuditReport, HotShard, Personal, PropertyUse
from mpimport.audit_text import HINTS, WIDTH, audit_lines
from mpimport.sketches import Place

NOTHING = AuditReport(
    events=0, event_names={}, distinct_event_names=0, other_events=0, too_many_event_names=False,
    properties=(), distinct_properties=0, other_properties=0, first_time=None, last_time=None,
    time_unit="day", time_buckets={}, users=0, events_without_user=0, window=200_000,
    duplicates=0, duplicate_examples=(), collisions=0, collision_examples=(), hot_shards=(),
    alike_event_names=(), alike_properties=(), personal=(),
)  # fmt: skip
PAIR = (Place("e.ndjson", 3), Place("e.ndjson", 8))
NASTY = "\x1b[31mred\n\u202e" + "界" * 100


def use(name: str, types: dict[str, int], *, long: int = 0, events: int = 10) -> PropertyUse:
    count = sum(types.values())
    return PropertyUse(name, count, count / events, types, len(types.keys() - {"null"}) > 1, long, 300 if long else 0)


def text(report: AuditReport = NOTHING, tally: Tally | None = None, **options: Any) -> str:
    return "\n".join(audit_lines(report, tally or Tally(), **options))


def worst() -> tuple[AuditReport, Tally]:
    """Give a report with everything in it, of nasty names."""
    names = {f"{n}{NASTY}": 10_000_000 - n for n in range(40)}
    uses = tuple(use(name, {"string": 5_000_000, "number": 4_000_000, "null": 1}, long=7) for name in names)
    report = replace(
        NOTHING, events=2_000_000_000, event_names=names, distinct_event_names=6000, other_events=9,
        too_many_event_names=True, properties=uses, distinct_properties=3000, other_properties=5,
        first_time="2024-06-10T00:00:00Z", last_time="2024-06-21T00:00:00Z",
        time_buckets={f"2024-06-{n}": n * 10**8 for n in range(10, 22)}, users=5, events_without_user=7,
        duplicates=9, duplicate_examples=((Place(NASTY, 10**9), Place(NASTY, 10**9)),) * 5,
        collisions=9, collision_examples=((Place(NASTY, 10**9), Place(NASTY, 10**9)),) * 5,
        hot_shards=(HotShard(NASTY, "2024-06-10", 190_000, 210_000),) * 9,
        alike_event_names=(names,) * 5, alike_properties=(names,) * 5,
        personal=(Personal(NASTY, "e-mail", "values", 900, 800), Personal("distinct_id", "phone", "values", 9, 9)) * 9,
    )  # fmt: skip
    tally = Tally(rejected=99)
    tally.reasons = {code: ReasonCount(10**9, NASTY, 10**9, NASTY) for code in HINTS}
    return report, tally


def columns(line: str) -> int:
    return sum(2 if c == "界" else 1 for c in line)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_worst_fits_two_screens_and_is_safe(ascii_only: bool) -> None:
    lines = audit_lines(*worst(), ascii_only=ascii_only)

    assert len(lines) <= 96
    assert max(map(columns, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    assert not any(line.endswith("...") for line in lines if "->" in line)
    assert not ascii_only or all(line.isascii() for line in lines)


def test_nothing_to_act_on_is_said() -> None:
    assert text(replace(NOTHING, events=1)).splitlines()[:2] == [
        "audit of 1 event that would be sent",
        "in what would be sent, nothing needs a decision",
    ]


FINDINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"collisions": 2, "collision_examples": (PAIR,)}, "2 events would be LOST", "--insert-id-from A,B"),
    ({"collisions": 1, "collision_examples": (PAIR,)}, "e.ndjson:8 and e.ndjson:3", "--insert-id-from A,B"),
    ({"hot_shards": (HotShard("u", "2024-06-10", 300_000, 300_000),)}, "2024-06-10  300,000 of u", "--distinct-id"),
    ({"hot_shards": (HotShard("u", "2024-06-10", 190_000, 210_000),)}, "190,000 to 210,000 of u", "--distinct-id"),
    (
        {"too_many_event_names": True, "distinct_event_names": 5001},
        "5,001 different event names; Mixpanel's default limit on event names",
        "--event-name NAME",
    ),
    ({"personal": (Personal("mail", "e-mail", "values", 9, 8),)}, "mail: e-mail, 8 of 9 values", "--drop NAME"),
    ({"personal": (Personal("ssn", "id number", "name", 9, 0),)}, "ssn: id number, by its name", "--drop NAME"),
    ({"personal": (Personal("distinct_id", "e-mail", "values", 9, 8),)}, "distinct_id: e-mail", "--distinct-id-field"),
    ({"properties": (use("a", {"string": 3, "number": 1}),)}, "a: 3 string, 1 number", "--type NAME=string"),
    ({"alike_properties": ({"plan": 4, "Plan": 1},)}, "'plan' (4), 'Plan' (1)", "--rename OLD=NEW"),
    ({"alike_event_names": ({"Log In": 4, "log in": 1},)}, "'Log In' (4), 'log in' (1)", "--event-field"),
    ({"properties": (use("a", {"string": 3}, long=2),)}, "a: 2, the longest 300", "--long-strings"),
    ({"duplicates": 1, "duplicate_examples": (PAIR,)}, "1 event equal to another", "--insert-id-from"),
]


@pytest.mark.parametrize(("fields", "words", "option"), FINDINGS)
def test_a_finding_says_what_to_do(fields: dict[str, Any], words: str, option: str) -> None:
    told = text(replace(NOTHING, events=10, **fields))

    assert words in told
    assert re.search(rf"^      -> .*{re.escape(option)}", told, re.MULTILINE)


def test_what_would_be_lost_comes_before_what_is_untidy() -> None:
    told = text(*worst())
    order = ["rejected, by reason", "LOST", "hot shards", "default limit", "personal", "mixed", "differ only"]
    order += ["255 characters", "equal to another", "time (UTC)", "\nusers:", "\nevents:", "\nproperties:"]

    assert [told.index(words) for words in order] == sorted(told.index(words) for words in order)


def test_rejects_come_with_an_example_and_a_hint() -> None:
    tally = Tally(rejected=3)
    tally.reasons = {
        "time_missing": ReasonCount(2, "a/e.csv", 7, "the event has no time"),
        "brand_new": ReasonCount(1, "e.csv", 9, "who knows"),
    }
    lines = audit_lines(NOTHING, tally)

    assert lines[1:8] == [
        "3 events rejected, by reason (an event may have several):",
        "          2 time_missing, first at a/e.csv:7",
        "      the event has no time",
        "      -> --time-field NAME, where the time has another name; --rename OLD=time",
        "          1 brand_new, first at e.csv:9",
        "      who knows",
        "      -> mend the events in the rejected-events file, then import that file",
    ]


def test_every_code_of_the_readme_has_a_hint() -> None:
    rules = MANUAL.partition("| code | when |")[2].partition("\n\n")[0]
    codes = {code for row in rules.splitlines()[2:] for code in re.findall(r"`([a-z_0-9]+)`", row.split("|")[1])}

    assert len(codes) > 30
    assert codes - HINTS.keys() == set()
    assert all(len(hint) <= WIDTH - len("      -> ") for hint in HINTS.values())


@pytest.mark.parametrize(("ascii_only", "bar"), [(False, "\u2588"), (True, "#")])
def test_the_histogram_is_drawn_with_what_can_be_printed(ascii_only: bool, bar: str) -> None:
    report = replace(
        NOTHING, events=31, first_time="2024-06-10T00:00:00Z", last_time="2024-06-12T00:00:00Z",
        time_buckets={"2024-06-10": 30, "2024-06-11": 0, "2024-06-12": 1},
    )  # fmt: skip
    lines = audit_lines(report, Tally(), ascii_only=ascii_only)
    first = lines.index("time (UTC): 2024-06-10T00:00:00Z to 2024-06-12T00:00:00Z, by day")

    assert lines[first + 1 : first + 4] == [
        f"  2024-06-10            30 {bar * 30}",
        "  2024-06-11             0",
        f"  2024-06-12             1 {bar}",
    ]


def test_properties_are_told_by_share_and_type() -> None:
    uses = (use("distinct_id", {"string": 10}), use("plan", {"string": 9, "null": 1}), use("größe", {"number": 4}))
    told = text(replace(NOTHING, events=10, properties=uses, distinct_properties=3), ascii_only=True)

    assert "properties: 2 names" in told
    assert re.search(r"^  100\.0% plan +string 9, null 1$", told, re.MULTILINE)
    assert re.search(r"^   40\.0% gr\\xf6\\xdfe +number$", told, re.MULTILINE)


@pytest.mark.parametrize(("name", "shown"), [("   ", "'   '"), ("", "''"), (" Buy", "' Buy'"), ("Buy now", "Buy now")])
def test_a_name_that_cannot_be_seen_is_quoted(name: str, shown: str) -> None:
    report = replace(
        NOTHING, events=3, event_names={name: 3}, distinct_event_names=1, properties=(use(name, {"null": 3}),)
    )
    lines = text(report).splitlines()

    assert f"  {3:>13,} 100.0% {shown}" in lines
    assert any(line.split("% ")[-1].startswith(f"{shown:<28} null") for line in lines)
