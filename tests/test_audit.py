"""The audit: what it finds in events, and that it stays small."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mpimport import audit
from mpimport.audit import Audit, AuditReport
from mpimport.records import Batch, Run
from mpimport.sketches import Place

DAY_MS = 86_400_000
TIME = 1_718_000_000_000


def event(n: int = 0, name: str = "Sign Up", **properties: Any) -> dict[str, Any]:
    """Make an event that differs from others by its number, with more or other properties."""
    own = {"time": TIME + n, "distinct_id": f"u{n}", "$insert_id": f"id-{n}", "ip": 0, **properties}
    return {"event": name, "properties": {name: value for name, value in own.items() if value is not ...}}


def identified(user: object, device: object) -> dict[str, Any]:
    """Give the properties of an event without a distinct_id."""
    return {"distinct_id": ..., "$user_id": user, "$device_id": device}


def batch(events: Sequence[Mapping[str, Any]], source: str = "e.ndjson", first: int = 1) -> Batch:
    """Make the batch that would be sent."""
    lines = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in events)
    return Batch(0, bytearray(lines), len(events), (Run(source, first, len(events)),))


def audited(*events: Mapping[str, Any], window: int = 1000) -> AuditReport:
    """Report on one batch."""
    told = Audit(window=window)
    told.add(batch(events))
    return told.report()


def test_nothing_has_an_empty_report() -> None:
    told = Audit()
    told.add(Batch(0, b"", 0, ()))
    report = told.report()

    assert (report.events, report.users, report.first_time, report.time_buckets) == (0, 0, None, {})
    assert report.as_json()["properties"] == []


def test_events_are_counted_by_name() -> None:
    report = audited(event(1), event(2), event(3, "Log In"))

    assert report.event_names == {"Sign Up": 2, "Log In": 1}
    assert (report.distinct_event_names, report.other_events, report.too_many_event_names) == (2, 0, False)


@pytest.mark.parametrize(("names", "too_many"), [(5000, False), (5001, True), (5600, True)])
def test_over_5000_event_names_are_too_many(names: int, too_many: bool) -> None:
    report = audited(*(event(n, f"event {n}") for n in range(names)))

    assert report.too_many_event_names is too_many
    assert len(report.event_names) == min(names, 5001)
    assert report.other_events == max(0, names - 5001)
    assert abs(report.distinct_event_names - names) <= 20


def test_properties_have_shares_and_types() -> None:
    report = audited(
        event(1, a="x", b=1, c=True, d=[1], e={"f": 1}, g=None),
        event(2, a=2, b=1.5, g="x"),
        event(3, a=None, b=12345678901234567890123),
        event(4),
    )
    uses = {use.name: use for use in report.properties}

    assert [use.name for use in report.properties][:4] == ["$insert_id", "distinct_id", "ip", "time"]
    assert (uses["a"].count, uses["a"].share) == (3, 0.75)
    assert uses["a"].types == {"null": 1, "number": 1, "string": 1}
    assert [name for name, use in uses.items() if use.mixed] == ["a"]
    assert [uses[name].types for name in "bcdeg"] == [
        {"number": 3},
        {"boolean": 1},
        {"list": 1},
        {"object": 1},
        {"null": 1, "string": 1},
    ]


def test_time_is_told_in_one_unit() -> None:
    report = audited(event(1, time=1_718_000_000), event(2, time=1_718_000_000_000 + 2 * DAY_MS), event(3, time=1.7e9))

    assert (report.first_time, report.last_time) == ("2023-11-14T22:13:20Z", "2024-06-12T06:13:20Z")
    assert report.time_unit == "month"
    assert (len(report.time_buckets), report.time_buckets["2024-06"]) == (8, 2)


def test_users_are_estimated_and_nobody_is_no_user() -> None:
    report = audited(
        *(event(n, distinct_id=f"u{n % 10}") for n in range(100)),
        *(event(n, distinct_id="") for n in range(5)),
        event(1, **identified(5, "u3")),
        event(2, **identified("other", None)),
    )

    assert (report.users, report.events_without_user) == (11, 5)


def test_there_are_never_more_users_than_events_that_have_one() -> None:
    report = audited(
        *(event(n, distinct_id=f"a{n}") for n in range(1900)), *(event(n, distinct_id="") for n in range(5))
    )

    assert report.users == 1900  # 1911 by the estimate alone


def test_duplicates_and_collisions_are_told_apart() -> None:
    report = audited(
        event(1, a=1, b={"x": 1, "y": 2}),
        event(1, b={"y": 2, "x": 1}, a=1),
        event(2, a=1),
        event(2, a=-2),
        event(3, time=1_718_000_000),
        event(3, time=1_718_000_000_000),
        event(4, a=0.10),
        event(4, a=0.1),
        event(5, "Sign Up"),
        event(5, "Log In"),
        event(6, a=1),
        event(6, a=True),
    )

    assert (report.duplicates, report.collisions) == (3, 2)
    assert report.collision_examples == (
        (Place("e.ndjson", 3), Place("e.ndjson", 4)),
        (Place("e.ndjson", 11), Place("e.ndjson", 12)),
    )
    assert report.duplicate_examples[0] == (Place("e.ndjson", 1), Place("e.ndjson", 2))


def test_examples_stand_where_they_were_read() -> None:
    told = Audit(window=1000)
    lines = b"".join(json.dumps(event(n)).encode() + b"\n" for n in (1, 2, 3))
    told.add(Batch(0, lines, 3, (Run("a", 10, 1), Run("a", 15, 1), Run("b", 1, 1))))
    told.add(batch([event(n) for n in range(9, 2, -1)], "c", 100))
    report = told.report()

    assert report.duplicate_examples == ((Place("b", 1), Place("c", 106)),)


@pytest.mark.parametrize(("between", "found"), [(9, 1), (10, 0)])
def test_the_window_is_bounded(between: int, found: int) -> None:
    report = audited(event(0), *(event(n) for n in range(1, between + 1)), event(0), window=10)

    assert report.duplicates == found


def test_hot_shards_are_one_user_on_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "HOT_SHARD", 200)
    midnight = TIME // DAY_MS * DAY_MS
    report = audited(
        *(event(n, time=midnight + n, distinct_id="hot") for n in range(201)),
        *(event(n, time=midnight + n, distinct_id="just not") for n in range(200)),
        *(event(n, time=midnight - n, distinct_id="two days") for n in range(1, 201)),
        *(event(n, time=midnight + n, distinct_id="two days") for n in range(200)),
        *(event(n, time=midnight + n, distinct_id="") for n in range(300)),
    )

    assert report.hot_shards == (audit.HotShard("hot", "2024-06-10", 201, 201),)


def test_a_hot_shard_of_the_real_size_is_found_among_many_users() -> None:
    told = Audit(window=10)
    for first in range(0, 200_001, 50_000):
        users = ["hot"] * 50_000 + [f"u{first + n}" for n in range(2000)]
        times = [TIME] * len(users)
        told._count_users(times, users)

    assert [shard.distinct_id for shard in told.report().hot_shards] == ["hot"]


def test_names_that_differ_in_case_and_space_are_alike() -> None:
    report = audited(
        event(1, "Sign Up", plan=1, Plan=1),
        event(2, "sign up", **{" plan": 1, "Plan2": 1}),
        event(3, "SignUp"),
        event(4, "Caf\u00e9"),
        event(5, "Cafe\u0301"),
    )

    assert [set(names) for names in report.alike_event_names] == [
        {"Sign Up", "sign up", "SignUp"},
        {"Caf\u00e9", "Cafe\u0301"},
    ]
    assert [set(names) for names in report.alike_properties] == [{"plan", "Plan", " plan"}]


def test_personal_data_are_found_by_values_and_by_names() -> None:
    report = audited(
        *(
            event(
                n,
                distinct_id=f"ada{n}@example.org",
                user={"Contact": [f"+49 30 12345{n:03}"]},
                paid="4111 1111 1111 1111" if n % 2 else "5555555555554444",
                homePhone=n,
                email_sent=True,
                SSN="x",
                session=f"{n:016x}",
                headphone="yes",
            )
            for n in range(120)
        )
    )

    assert {(found.property, found.kind, found.by) for found in report.personal} == {
        ("distinct_id", "e-mail", "values"),
        ("user.Contact", "phone", "values"),
        ("paid", "payment card", "values"),
        ("homePhone", "phone", "name"),
        ("SSN", "id number", "name"),
    }
    assert all(found.matching == found.sampled >= 100 for found in report.personal if found.by == "values")


def test_a_rare_property_is_looked_into() -> None:
    report = audited(*(event(n, **({"note": "ada@example.org"} if n == 777 else {})) for n in range(1000)))

    assert [(found.property, found.sampled, found.matching) for found in report.personal] == [("note", 1, 1)]


def test_long_texts_are_counted() -> None:
    report = audited(event(1, a="x" * 254), event(2, a="é" * 255), event(3, a="x" * 300))
    use = next(use for use in report.properties if use.name == "a")

    assert (use.long_texts, use.longest) == (2, 300)


def test_the_report_is_json_and_does_not_depend_on_batches() -> None:
    events = [event(n, f"e{n % 7}", a=n % 3 or "x", mail=f"m{n}@example.org") for n in range(900)] + [event(3, "e3")]
    whole, parts = Audit(), Audit()
    whole.add(batch(events))
    for first in range(0, len(events), 100):
        parts.add(batch(events[first : first + 100], first=first + 1))
    plain = whole.report().as_json()

    assert json.loads(json.dumps(plain)) == plain
    assert plain["collision_examples"] == [[{"source": "e.ndjson", "line": 4}, {"source": "e.ndjson", "line": 901}]]
    for report in (plain, other := parts.report().as_json()):
        report["personal"] = [found["property"] for found in report["personal"]]
    assert other == plain


def test_memory_is_bounded_whatever_the_names() -> None:
    told = Audit(window=1000)

    def feed(rounds: range) -> int:
        for n in rounds:
            some = range(n * 1000, (n + 1) * 1000)
            told.add(batch([event(m, f"event {m}", **{f"p{m}": {f"q{m}": m}, f"r{m}": "x"}) for m in some]))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = feed(range(9))
        grown = feed(range(9, 17)) - full
    finally:
        tracemalloc.stop()
    report = told.report()

    assert full < 30_000_000
    assert grown < 3_000_000  # pairs of user and day come and go, between 8192 and twice as many
    assert report.events == 17_000
    assert (len(report.event_names), len(report.properties)) == (5001, 2000)
    assert abs(report.distinct_properties - 34_004) < 1000
    assert report.other_properties == 34_000 - 1996
