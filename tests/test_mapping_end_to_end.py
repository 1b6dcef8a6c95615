"""Real files with their own field names go in by options alone, and what the sandbox holds is what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import assert_balanced, good_event, mpimport, ndjson, write_ndjson

from mpimport.sandbox import Sandbox


def imported(folder: Path, name: str, *options: str, code: int = 0) -> list[dict[str, Any]]:
    """Import a file with options and give the events that arrived, by their names and properties."""
    with Sandbox() as sandbox:
        ended = mpimport(name, "--url", sandbox.url, "--json", *options, cwd=folder)
        events = sandbox.events()
    assert ended.code == code, ended.err
    assert_balanced(ended.summary)
    assert len(events) == ended.summary["imported"]
    return events


def test_a_table_from_a_warehouse(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(
        "kind;when;customer;amount;zip;junk\n"
        "Paid;01.05.2024 12:00;c1;9.90;01234;x\n"
        "Paid;01.01.2024 12:00;c2;12.50;99999;\n"
    )
    events = imported(
        tmp_path, "w.csv", "--delimiter", ";", "--event-field", "kind", "--time-field", "when", "--time-format",
        "%d.%m.%Y %H:%M", "--timezone", "Europe/Berlin", "--distinct-id-field", "customer", "--rename",
        "amount=Amount", "--drop", "junk", "--set", "source=backfill", "--set", "version=3",
    )  # fmt: skip

    for event in events:
        del event["properties"]["$insert_id"]
    assert events == [
        {
            "event": "Paid",
            "properties": {
                "zip": "01234", "time": 1_714_557_600_000, "distinct_id": "c1", "Amount": 9.9, "source": "backfill",
                "version": 3, "ip": 0,
            },
        },
        {
            "event": "Paid",
            "properties": {
                "zip": "99999", "time": 1_704_106_800_000, "distinct_id": "c2", "Amount": 12.5, "source": "backfill",
                "version": 3, "ip": 0,
            },
        },
    ]  # fmt: skip


def test_the_same_by_a_mapping_file(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [{"kind": "Paid", "when": 1_714_557_600, "user": {"id": "u"}, "n": 1, "x": 2}])
    (tmp_path / "m.toml").write_text(
        'event-field = "kind"\ntime-field = "when"\ndistinct-id-field = "user.id"\nkeep = ["n"]\n'
        'insert-id-from = ["n"]\n[set]\nplan = "pro"\n'
    )
    [event] = imported(tmp_path, "e.ndjson", "--mapping", "m.toml", "--set", "plan=team")

    del event["properties"]["$insert_id"]
    assert event == {
        "event": "Paid",
        "properties": {"n": 1, "time": 1_714_557_600, "distinct_id": "u", "plan": "team", "ip": 0},
    }


@pytest.mark.parametrize(
    ("renamed", "types", "expected"),
    [
        ("b=NAME a=b NAME=a", "b=json a=string", {"a": "002", "b": {"n": 1}}),
        ("a=tmp tmp=final", "final=json", {"final": {"n": 1}, "b": "002"}),
        ("a=tmp b=a tmp=b", "b=json", {"a": "002", "b": {"n": 1}}),
    ],
)
@pytest.mark.parametrize("name", ["e.csv", "e.ndjson"])
def test_names_are_swapped_and_renamed_in_a_chain(
    tmp_path: Path, name: str, renamed: str, types: str, expected: dict[str, object]
) -> None:
    if name == "e.csv":
        (tmp_path / name).write_text('event,time,distinct_id,a,b\nBuy,1718000000,u1,"{""n"": 1}",002\n')
    else:
        write_ndjson(
            tmp_path / name, [{"event": "Buy", "time": 1718000000, "distinct_id": "u1", "a": '{"n": 1}', "b": "002"}]
        )
    options = [word for pair in renamed.split() for word in ("--rename", pair)]
    options += [word for pair in types.split() for word in ("--type", pair)]
    [event] = imported(tmp_path, name, *options, "--misfit", "reject")

    fixed = {"time", "distinct_id", "$insert_id", "ip"}
    assert {key: value for key, value in event["properties"].items() if key not in fixed} == expected


def test_aliases_are_found_and_told(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [{"event_name": "Paid", "timestamp": "2024-05-01T12:00:00Z", "user_id": 7}])
    ended = mpimport("e.ndjson", "--sandbox", cwd=tmp_path)

    assert ended.code == 0
    for words in (
        "the event taken from 'event_name'",
        "time taken from 'timestamp'",
        "distinct_id taken from 'user_id'",
    ):
        assert words in ended.err


def test_an_id_from_fields_is_the_same_in_every_run_and_needs_them_all(tmp_path: Path) -> None:
    rows = [{**good_event(n), "properties": {**good_event(n)["properties"], "order": n}} for n in range(3)]
    rows[2]["properties"]["order"] = None
    write_ndjson(tmp_path / "e.ndjson", rows)

    first = imported(tmp_path, "e.ndjson", "--insert-id-from", "order", code=1)
    again = imported(tmp_path, "e.ndjson", "--insert-id-from", "order", code=1)

    ids = [event["properties"]["$insert_id"] for event in first]
    assert ids == [event["properties"]["$insert_id"] for event in again]
    assert len(set(ids)) == 2
    assert "insert_id_source_missing" in (tmp_path / "e.ndjson.rejected.ndjson").read_text()


def test_an_illegal_id_is_hashed_and_counted(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(n, **{"$insert_id": f"not legal {n}!"}) for n in range(3)])
    with Sandbox() as sandbox:
        ended = mpimport("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        again = mpimport("e.ndjson", "--url", sandbox.url, "--json", cwd=tmp_path)
        stats = sandbox.stats()

    assert (ended.code, again.code) == (0, 0)
    assert ended.summary["mended"] == {"insert_id_hashed": 3}
    assert (stats["stored"], stats["duplicates"]) == (3, 3)


def test_what_does_not_fit_its_type_is_a_reject_where_the_type_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("event,time,distinct_id,amount\nPaid,1714557600,u,5\nPaid,1714557600,v,many\n")
    write_ndjson(tmp_path / "t.ndjson", [good_event(1, amount="5"), good_event(2, amount="many")])

    for name in ("t.csv", "t.ndjson"):
        [event] = imported(tmp_path, name, "--type", "amount=number", code=1)
        assert event["properties"]["amount"] == 5
        assert "type_mismatch" in (tmp_path / f"{name}.rejected.ndjson").read_text()


def test_what_does_not_fit_may_stay_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("event,time,distinct_id,amount\nPaid,1714557600,u,5\nPaid,1714557600,v,n/a\n")
    events = imported(tmp_path, "t.csv", "--type", "amount=number", "--misfit", "text")

    assert [event["properties"]["amount"] for event in events] == [5, "n/a"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"note": "x" * 255}),
        (("--long-strings", "drop"), {}),
        (("--drop-long", "note"), {}),
        (("--long-strings", "keep"), {"note": "x" * 255}),  # the server cuts it
    ],
)
def test_long_text(tmp_path: Path, options: tuple[str, ...], expected: dict[str, Any]) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1, note="x" * 300)])
    [event] = imported(tmp_path, "e.ndjson", *options)

    assert {name: value for name, value in event["properties"].items() if name == "note"} == expected


def test_long_text_may_be_a_reject(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1, note="x" * 300)])

    assert imported(tmp_path, "e.ndjson", "--long-strings", "reject", code=1) == []


def test_urls_json_and_depth(tmp_path: Path) -> None:
    url = "https://shop.example.com/a?q=red+shoes&ref=" + "r" * 250
    text = json.dumps({"plan": "pro", "seats": 5, "note": "n" * 250})
    write_ndjson(tmp_path / "e.ndjson", [good_event(1, link=url, blob=text, deep={"a": {"b": {"c": {"d": 1}}}})])
    [event] = imported(tmp_path, "e.ndjson", "--split-urls", "--parse-json", "--deep", "flatten")

    found = event["properties"]
    assert (found["link host"], found["link path"], found["link q"]) == ("shop.example.com", "/a", "red shoes")
    assert (found["blob.plan"], found["blob.seats"]) == ("pro", 5)
    assert {"link", "blob", "deep"}.isdisjoint(found)
    assert [value for name, value in found.items() if name.startswith("deep.")] == [{"b": {"c": {"d": 1}}}]


def test_a_windows_table(tmp_path: Path) -> None:
    text = "event,time,distinct_id,city\r\nPaid,1714557600,u,Köln\r\n"
    (tmp_path / "w.csv").write_bytes(text.encode("windows-1252"))
    (tmp_path / "u.csv").write_bytes(text.encode("utf-16"))

    [first] = imported(tmp_path, "w.csv", "--encoding", "windows-1252")
    [second] = imported(tmp_path, "u.csv")

    assert first == second
    assert first["properties"]["city"] == "Köln"


def test_mapping_keeps_numbers_exact_and_finds_what_is_wrong(tmp_path: Path) -> None:
    lines = [
        b'{"event":"e","properties":{"time":1714557600,"distinct_id":"u","n":0.12345678901234567890,"big":123456789012345678901}}',
        b'{"event":"e","properties":{"time":1714557600,"distinct_id":"u","n":1,"n":2}}',
        b'{"event":"e","properties":{"time":1714557600,"distinct_id":"u","n":1e400}}',
        b"nonsense",
        b"",
    ]
    (tmp_path / "e.ndjson").write_bytes(b"\n".join(lines))
    ended = mpimport("e.ndjson", "--sandbox", "--json", "--set", "a=1", cwd=tmp_path)

    assert ended.code == 1
    assert ended.summary["reasons"] == {"duplicate_key": 1, "number_out_of_range": 1, "not_json": 1}
    assert (ended.summary["read"], ended.summary["imported"]) == (4, 1)


def test_rejects_of_a_mapped_import_are_as_they_were_read_and_import_with_the_same_options(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [{"kind": "", "when": 1_714_557_600, "who": "u"}])
    options = ("--event-field", "kind", "--time-field", "when", "--distinct-id-field", "who")
    assert imported(tmp_path, "e.ndjson", *options, code=1) == []
    rejected = tmp_path / "e.ndjson.rejected.ndjson"
    envelope = json.loads(rejected.read_bytes())
    assert envelope["event"] == {"kind": "", "when": 1_714_557_600, "who": "u"}

    envelope["event"]["kind"] = "Paid"
    rejected.write_bytes(ndjson([envelope]))
    [event] = imported(tmp_path, rejected.name, *options)

    assert event["event"] == "Paid"


def test_the_audit_of_a_dry_run(tmp_path: Path) -> None:
    events = [good_event(n, email=f"u{n}@example.com") for n in range(50)]
    events.append(good_event(3, amount=1))  # the same event, time, distinct_id and $insert_id as another
    write_ndjson(tmp_path / "e.ndjson", events)
    ended = mpimport("e.ndjson", "--dry-run", "--audit", "audit.json", cwd=tmp_path, env={})

    audit = json.loads((tmp_path / "audit.json").read_text())
    assert ended.code == 0
    assert "would be LOST" in ended.err
    assert "email" in ended.err
    assert audit["events"] == audit["account"]["valid"] == 51


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--timezone", "Europe/Berlim"), "Europe/Berlin"),
        (("--time-format", "%d.%m."), "--time-format"),
        (("--type", "a=colour"), "a=colour"),
        (("--rename", "a"), "--rename a"),
        (("--event-name", "a", "--event-field", "b"), "--event-name and --event-field"),
        (("--insert-id-from", "a", "--insert-id-field", "b"), "--insert-id-from and --insert-id-field"),
        (("--mapping", "gone.toml"), "gone.toml"),
        (("--encoding", "klingon"), "klingon"),
        (("--delimiter", "ab"), "--delimiter"),
    ],
)
def test_wrong_options_are_told_before_anything_is_sent(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--dry-run", *options, cwd=tmp_path)

    assert ended.code == 2, ended.err
    assert words in ended.err


def test_an_audit_needs_a_dry_run(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1)])
    ended = mpimport("e.ndjson", "--sandbox", "--audit", "a.json", cwd=tmp_path)

    assert ended.code == 2
    assert "--dry-run" in ended.err


def test_a_first_look_at_foreign_names_tells_the_options_that_help(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("when,who,what\n2024-06-10,u,Buy\n")
    ended = mpimport("n.csv", "--dry-run", cwd=tmp_path, env={})

    assert ended.code == 1
    for option in ("--event-field", "--time-field", "--distinct-id-field"):
        assert option in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dry-run", "--audit", "e.ndjson"), "--audit e.ndjson"),
        (("--dry-run", "--audit", "r", "--rejected", "r"), "--audit r"),
        (("--sandbox", "--mapping", "m.toml", "--rejected", "m.toml"), "--rejected m.toml"),
        (("--sandbox", "--set", "event=x"), "--event-name"),
        (("--sandbox", "--drop", "properties"), "--drop properties"),
        (("--sandbox", "--time-format", "%d.%m.%Y %H:%M %p"), "%p without %I"),
        (("--sandbox", "--time-format", "%Y-%m-%d", "--timezone", "+02:00"), "--timezone"),
    ],
)
def test_what_would_do_harm_is_refused(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    before = write_ndjson(tmp_path / "e.ndjson", [good_event(1)]).read_bytes()
    (tmp_path / "m.toml").write_text('drop = ["x"]\n')
    ended = mpimport("e.ndjson", *options, cwd=tmp_path)

    assert ended.code == 2, ended.err
    assert words in ended.err
    assert (tmp_path / "e.ndjson").read_bytes() == before


def test_a_value_that_is_replaced_is_counted(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1, a=1, b=2), good_event(2, a=1)])
    ended = mpimport("e.ndjson", "--sandbox", "--json", "--rename", "a=b", cwd=tmp_path)

    assert ended.summary["mended"] == {"property_replaced": 1}


def test_dotted_names_reach_everywhere(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(1, geo={"n": "3", "m": {"x": 1, "y": 2, "z": 3}})])
    [event] = imported(
        tmp_path, "e.ndjson", "--type", "geo.n=number", "--keep", "geo.n", "--keep", "geo.m.x", "--keep", "geo.m.y",
        "--insert-id-from", "geo.n,event",
    )  # fmt: skip

    assert event["properties"]["geo"] == {"n": 3, "m": {"x": 1, "y": 2}}
