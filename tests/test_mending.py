"""What is said about rejects works when it is followed to the letter: the option, the file, the source."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import good_event, mpimport, ndjson
from scripted_server import Answer, ScriptedServer

from mpimport import cli
from mpimport.account import ReasonCount, Summary, Tally
from mpimport.common_cause import find_option
from mpimport.sandbox import Sandbox, SandboxConfig
from mpimport.summary_text import next_steps

ROWS = "".join(f"Buy,171800000{n},u{n},{n}\n" for n in range(8))
TABLE = f"event,time,distinct_id,n\n{ROWS}"
EVENTS = ndjson([good_event(number) for number in range(8)]).decode()


def event(value: str, name: str = "a") -> str:
    """Give a line whose property has a value, which need not be JSON."""
    return f'{{"event":"Buy","properties":{{"time":1718000000,"distinct_id":"u","{name}":{value}}}}}\n'


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Check what is in a file, and give the exit code and what is to be done next."""
    with pytest.raises(SystemExit) as end:
        cli.main([*argv, "--dry-run"])
    steps = re.findall("^next: (.*)", capsys.readouterr().err, re.MULTILINE)
    assert isinstance(end.value.code, int)
    return end.value.code, " ".join(steps)


WIDE = json.dumps({f"k{n}": n for n in range(300)})
DEEP = '{"a":' * 5 + "1" + "}" * 5
BY_OPTION = {
    "type_mismatch": (event('"x"', "n"), "--type n=number", "the same mapping options and --type NAME=string"),
    "too_deep": (event(DEEP), "", "--deep flatten"),
    "object_too_wide": (event(WIDE), "", "--deep stringify"),
    "list_too_long": (event(json.dumps([1] * 300)), "", "--deep stringify"),
    "value_too_large": (event(json.dumps(["x" * 250] * 40)), "", "--drop NAME"),
    "number_out_of_range": (event("1e400"), "", "--drop NAME"),
    "reserved_property": (event("1", "bucket"), "", "--rename OLD=NEW"),
    "ignored_event": (event("true", "$ignore"), "", "--drop '$ignore'"),
    "insert_id_disallowed": (event('"null"', "$insert_id"), "", "--drop '$insert_id'"),
    "string_too_long": (event(f'"{"x" * 300}"'), "--long-strings reject", "--long-strings truncate"),
    "unknown_key": ('{"a":1,"event":"Buy","properties":{"time":1718000000,"distinct_id":"u"}}\n', "", "--drop NAME"),
}


@pytest.mark.parametrize("code", BY_OPTION)
def test_the_option_that_is_named_mends_what_stands_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    bad, options, advice = BY_OPTION[code]
    monkeypatch.chdir(tmp_path)
    Path("e.ndjson").write_text(EVENTS + 2 * bad)
    exit_code, step = run(capsys, "e.ndjson", *options.split())
    found = re.search("import e.ndjson.rejected.ndjson with (.*)", step)

    assert (exit_code, code in step) == (1, True)
    assert found is not None
    assert advice in found[1]
    option = advice.rpartition(" and ")[2].replace("'", "")
    for placeholder, name in (("OLD=NEW", "bucket=old"), ("NAME=string", "n=string"), ("NAME", "a")):
        option = option.replace(placeholder, name)
    given = f"{options} {option}" if "same mapping options" in found[1] else option
    assert run(capsys, "e.ndjson.rejected.ndjson", *given.split())[0] == 0


@pytest.mark.parametrize(
    ("bad", "wrong", "right"),
    [
        (event("NaN"), "NaN", "null"),
        (event(r'"\ud83d"'), r"\\ud83d", "x"),
        (event("[" * 5000 + "]" * 5000), "[" * 5000 + "]" * 5000, "[]"),
        (event("9" * 5000), "9" * 5000, "9"),
    ],
)
def test_json_that_could_not_be_read_is_mended_in_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bad: str,
    wrong: str,
    right: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.ndjson").write_text(EVENTS + 2 * bad)
    step = run(capsys, "e.ndjson")[1]
    rejected = Path("e.ndjson.rejected.ndjson")

    assert step == "mend the events in e.ndjson.rejected.ndjson, then import that file"
    assert '"raw"' in rejected.read_text()
    rejected.write_text(rejected.read_text().replace(wrong, right))
    assert run(capsys, str(rejected))[0] == 0


SOURCE = "mend the source at the lines told in source.rejected.ndjson"
IN_SOURCE = {
    "ragged_row": (TABLE + "Buy,1718000000,u\n" * 2, "", SOURCE),
    "bad_quote": (TABLE + '"Buy"x,1718000000,u,1\n' * 2, "", SOURCE),
    "unclosed_quote": (TABLE + 'Buy,1718000000,"u,1\n', "", SOURCE),
    "nul_byte": (TABLE + "B\0,1718000000,u,1\n" * 2, "", SOURCE),
    "record_too_long": (EVENTS + "[" + "0," * 600_000 + "0]\n", "", SOURCE),
    "type_mismatch": (
        TABLE + "Buy,1718000000,u,x\n" * 2,
        "--type n=number",
        "run the same command again with --misfit t",
    ),
    "invalid_utf8": (TABLE + "K\xe4ufe,1718000000,u,1\n" * 2, "", "run the same command again with --encoding NAME"),
    "header_again": (TABLE * 3, "", "no event is missing: what was rejected are header rows"),
    "empty_record": (TABLE + ",,,\n" * 3, "", "no event is missing: what was rejected are empty rows"),
    "missing_element": (f"[{EVENTS.strip()},,]".replace("\n", ","), "", "no event is missing"),
}


@pytest.mark.parametrize("code", IN_SOURCE)
def test_what_is_no_event_in_the_file_is_mended_in_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    content, options, advice = IN_SOURCE[code]
    monkeypatch.chdir(tmp_path)
    Path("source").write_bytes(content.encode("latin-1"))
    kind = "ndjson" if content.startswith("{") else "json" if content.startswith("[") else "csv"
    exit_code, step = run(capsys, "source", "--format", kind, *options.split())

    assert exit_code == 1
    assert code in Path("source.rejected.ndjson").read_text()
    assert advice in step
    assert "import source.rejected.ndjson" not in step
    if step.endswith(("--encoding NAME", "which leaves such cells text")):
        option = "--encoding=windows-1252" if "NAME" in step else "--misfit=text"
        assert run(capsys, "source", "--format", kind, option, *options.split())[0] == 0


MIXED = {"ragged_row": ReasonCount(3, "e", 1, "wrong", raw=3), "time_too_old": ReasonCount(6, "e", 1, "", b"{}")}
EVENTS_STEP = "mend the events in r, then import that file"
NOWHERE = (
    "what was rejected is kept nowhere: name a file with --rejected, and run the same command again; "
    "events that arrive twice are deduplicated by their $insert_id"
)
ROWS_STEP = (
    "3 of 9 rejects (ragged_row) have only raw text in r, and no event: copy their lines of the source to a new file "
    "below the header row, mend it, and import that file with the same options"
)


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({}, [EVENTS_STEP, ROWS_STEP]),
        ({"mapped": True}, [f"{EVENTS_STEP} with the same mapping options", ROWS_STEP]),
        ({"checkpoint": "c", "exit_code": 3}, [EVENTS_STEP, ROWS_STEP]),
        (
            {"rejected_files": ("r", "s")},
            ["mend the events in r and s, then import those files", ROWS_STEP.replace("in r,", "in r and s,")],
        ),
        ({"rejected_files": ("/dev/null",), "dry_run": True}, []),
        (
            {"rejected_files": ("/dev/null",)},
            [NOWHERE],
        ),
    ],
)
def test_rejects_with_an_event_and_without_are_two_steps(changes: dict[str, object], steps: list[str]) -> None:
    tally = Tally(read=90, imported=81, rejected=9, requests=1, reasons=MIXED)
    about = {"rejected_files": ("r",), **changes}
    summary = Summary(**{"exit_code": 1, "seconds": 1.0, "dry_run": False, "destination": "d", "tally": tally, **about})  # type: ignore[arg-type]  # a table of changes
    told = [step for step in next_steps(summary) if not step.startswith("run the same command again with another")]

    assert told == steps


@pytest.mark.parametrize(
    ("checkpoint", "words"), [(None, "mend the source at the lines told in r"), ("c", "all 3 reje")]
)
def test_a_source_is_left_alone_as_long_as_its_import_is_to_be_continued(checkpoint: str | None, words: str) -> None:
    tally = Tally(read=90, imported=87, rejected=3, reasons={"ragged_row": MIXED["ragged_row"]})
    summary = Summary(tally, 5, 1.0, dry_run=False, destination="d", rejected_files=("r",), checkpoint=checkpoint)

    assert next_steps(summary)[-1].startswith(words)


def test_an_option_for_most_and_the_source_for_the_rest() -> None:
    reasons: Sequence[tuple[str, ReasonCount]] = [
        ("too_deep", ReasonCount(6, "e", 1, "", b"{}")),
        ("nul_byte", ReasonCount(3, "e", 1, "", raw=3)),
    ]
    tally = Tally(read=90, imported=81, rejected=9, reasons=dict(reasons))
    first, second = next_steps(Summary(tally, 1, 1.0, dry_run=False, destination="d", rejected_files=("r",)))

    assert first.startswith("6 of 9 rejects have one reason, too_deep: import r with --deep flatten")
    assert second == ROWS_STEP.replace("ragged_row", "nul_byte")


def test_the_example_with_mistakes_is_mended_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(__file__).parents[1] / "examples" / "mistakes.ndjson"
    monkeypatch.chdir(tmp_path)
    Path("mistakes.ndjson").write_bytes(source.read_bytes())
    step = run(capsys, "mistakes.ndjson", "--rejected", "r.ndjson")[1]

    assert step == (
        "mend the events in r.ndjson, then import that file 1 of 24 rejects (invalid_utf8) has only raw text in "
        "r.ndjson, and no event: copy its line of the source to a new file, mend it, and import that file with the "
        "same options"
    )
    (line,) = (one["line"] for one in map(json.loads, Path("r.ndjson").read_text().splitlines()) if "raw_base64" in one)
    Path("new").write_text(Path("mistakes.ndjson").read_bytes().split(b"\n")[line - 1].decode("latin-1"))
    assert run(capsys, "new")[0] == 0


def stored_by(capsys: pytest.CaptureFixture[str], *argv: str, url: str) -> str:
    """Import into a sandbox that stays, and give what is to be done next."""
    with pytest.raises(SystemExit):
        cli.main([*argv, "--url", url, "--project-id", "1", "--username", "u", "--no-checkpoint"])
    return " ".join(re.findall("^next: (.*)", capsys.readouterr().err, re.MULTILINE))


def test_a_row_that_is_mended_makes_no_other_row_arrive_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MP_SECRET", "s")
    Path("e.csv").write_text(f"{TABLE}Buy,1718000009,u9,12,50\n")
    with Sandbox(SandboxConfig()) as server:
        step = stored_by(capsys, "e.csv", url=server.url)
        assert step.startswith(
            "the one reject (ragged_row) has only raw text in e.csv.rejected.ndjson, and no event: copy its line of "
            "the source to a new file below the header row, mend it, and import that file with the same options; the "
        )
        assert "run the same command again" not in step
        Path("mended.csv").write_text(f'{TABLE.partition(chr(10))[0]}\nBuy,1718000009,u9,"12,50"\n')
        assert stored_by(capsys, "mended.csv", url=server.url) == ""
        assert server.stats()["stored"] == 9


def test_a_dry_run_has_sent_nothing_that_may_arrive_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.csv").write_text(f"{TABLE}Buy,1718000009,u9,12,50\n")

    assert "run the same command again" in run(capsys, "e.csv")[1]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (0, "import r later; the server refused all 5 rejects in words that stand there: if they are about the events"),
        (2, "mend the events in r, then import that file; those with server_refused (5) may be right: then it was the"),
    ],
)
def test_what_the_server_refused_as_a_whole_may_be_right(named: int, words: str) -> None:
    reasons = {"server_refused": ReasonCount(5, "e", 1, "no"), "server_invalid": ReasonCount(named, "e", 9, "bad")}
    tally = Tally(read=90, imported=85 - named, rejected=5 + named, requests=9)
    tally.reasons.update({code: reason for code, reason in reasons.items() if reason.count})
    (step,) = next_steps(Summary(tally, 1, 1.0, dry_run=False, destination="d", rejected_files=("r",)))

    assert step.startswith(words)


def test_events_beside_rows_that_are_mended_apart_are_told() -> None:
    tally = Tally(read=90, imported=81, rejected=9, reasons=MIXED)
    tally.mends["insert_id_made"] = 81
    first, second = next_steps(Summary(tally, 1, 1.0, dry_run=False, destination="d", rejected_files=("r",)))

    assert first == EVENTS_STEP
    assert second == f"{ROWS_STEP}; the whole source could get other $insert_ids, and arrive twice"


@pytest.mark.parametrize("row", ["Buy,1718000000,u", "12", '"Buy"', "B\0,1718000000,u,1"])
def test_a_raw_row_that_is_imported_is_sent_back_to_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], row: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.csv").write_bytes(f"{TABLE}{row}\n".encode("latin-1"))
    run(capsys, "e.csv")
    exit_code, step = run(capsys, "e.csv.rejected.ndjson")
    rejected = json.loads(Path("e.csv.rejected.ndjson.rejected.ndjson").read_text())

    assert exit_code == 1
    assert [reason["code"] for reason in rejected["reasons"]] == ["not_an_event"]
    assert "the text kept of e.csv:10 is no event" in rejected["reasons"][0]["message"]
    assert "in the sources that e.csv.rejected.ndjson.rejected.ndjson names" in step
    Path("e.csv.rejected.ndjson").write_text(json.dumps({**rejected, "raw": EVENTS.partition("\n")[0]}))
    assert run(capsys, "e.csv.rejected.ndjson")[0] == 0


@pytest.mark.parametrize(("value", "code"), [(WIDE, "object_too_wide"), (json.dumps([1] * 300), "list_too_long")])
def test_what_is_too_wide_is_never_said_to_be_flattened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.ndjson").write_text(event(value) * 2)
    exit_code, step = run(capsys, "e.ndjson", "--deep", "flatten")

    assert exit_code == 1
    assert f"{code}: --deep stringify (255 characters of the text stay), or --drop NAME" in step


def test_rows_without_a_user_are_imported_from_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.csv").write_text(TABLE + "Buy,1718000000,,1\n" * 2)
    step = run(capsys, "e.csv")[1]

    assert step.endswith("import e.csv.rejected.ndjson with --set distinct_id=, if these have no user")
    assert run(capsys, "e.csv.rejected.ndjson", "--set", "distinct_id=")[0] == 0


def test_another_encoding_may_change_ids_that_were_made() -> None:
    reasons = {"invalid_utf8": ReasonCount(5, "e", 1, "", raw=5)}
    tally = Tally(read=90, imported=85, rejected=5, requests=1, reasons=reasons)
    about = "deduplicated by their $insert_id, as long as the columns of a table keep their types"
    for made in (0, 85):
        tally.mends["insert_id_made"] = made
        steps = next_steps(Summary(tally, 1, 1.0, dry_run=False, destination="d", rejected_files=("r",)))
        assert steps[0].endswith(about) is bool(made)


def test_what_the_server_refused_is_not_read_again_as_the_source_was(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("kind,when,who,a,c\nBuy,01.05.2025,u1,A,C\nBuy,02.05.2025,u2,A,C\n")
    options = [
        *("--event-field", "kind", "--time-field", "when", "--distinct-id-field", "who", "--time-format", "%d.%m.%Y"),
        *("--rename", "a=b", "--rename", "c=a"),
    ]
    refusal = {"code": 400, "num_records_imported": 0, "status": "Bad Request", "error": "some data points failed"}
    failed = [{"index": n, "insert_id": "", "field": "properties.a", "message": "not today"} for n in range(2)]
    answer = Answer(400, json.dumps({**refusal, "failed_records": failed}).encode())
    with ScriptedServer([answer] * 9) as server:
        ended = mpimport("e.csv", *options, "--url", server.url, cwd=tmp_path)
    assert ended.code == 1, ended.err
    assert "with the same mapping options" in ended.err

    with Sandbox(SandboxConfig()) as sandbox:
        ended = mpimport("e.csv.rejected.ndjson", *options, "--url", sandbox.url, cwd=tmp_path)
        held = [event["properties"] for event in sandbox.events()]
    assert ended.code == 0, ended.err
    assert [(own["time"], own["a"], own["b"]) for own in held] == [
        (1_746_057_600_000, "C", "A"),
        (1_746_144_000_000, "C", "A"),
    ]


def test_rejects_that_no_option_mends_are_not_forgotten_beside_those_that_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.ndjson").write_text(EVENTS + 3 * event(DEEP) + '{"event":"Buy"\n')

    _, steps = run(capsys, "e.ndjson")

    assert steps.startswith(
        "3 of 4 rejects have one reason, too_deep: mend the others in e.ndjson.rejected.ndjson, then"
    )
    assert "then import e.ndjson.rejected.ndjson with --deep flatten" in steps


@pytest.mark.parametrize(
    ("missing", "fields", "found"),
    [
        ("event", {"event_id": 17, "type": "Buy"}, "type"),
        ("event", {"event_id": "e-17", "eventId": "x", "type": "Buy"}, "type"),
        ("event", {"event_ref": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d", "event_at": "2024-06-01T12:00:00Z"}, "NAME"),
        ("event", {"user_name": "Ann", "type": "Buy"}, "type"),
        ("event", {"name": "Ann", "event_name": "Buy"}, "event_name"),
        ("event", {"event": None, "Event": "", "event_no": "0017", "kind_name": "Buy"}, "kind_name"),
        ("event", {"event_data": {"a": 1}, "events": ["x"], "action": "x" * 256}, "NAME"),
        ("time", {"time_zone": "Europe/Berlin", "timeout": 30, "created": "2024-06-01"}, "created"),
        ("time", {"time": None, "date": "", "when": True, "ts_time": 1718000000}, "ts_time"),
        ("distinct_id", {"user_id": None, "user_agent": "Mozilla/5.0 (X11)", "email": "a@b.c"}, "email"),
        ("distinct_id", {"distinct_id": None, "user_id": None}, "NAME"),
        ("distinct_id", {"distinct_id": {"a": 1}, "user": "anonymous"}, "NAME"),
        ("distinct_id", {"user_plan": "free", "user_id": 7}, "user_id"),
    ],
)
@pytest.mark.parametrize("where", ["beside", "inside"])
def test_a_field_is_only_suggested_that_can_be_what_is_missing(
    missing: str, fields: dict[str, object], found: str, where: str
) -> None:
    record = fields if where == "beside" else {"properties": fields}

    option = f"--{missing.replace('_', '-')}-field {found}"
    assert find_option(f"{missing}_missing", json.dumps(record).encode()) == option


def test_records_without_a_user_are_told_how_to_be_imported(tmp_path: Path) -> None:
    row = {"event": "Buy", "properties": {"time": 1718000000, "user_id": None}}
    (tmp_path / "e.ndjson").write_text((json.dumps(row) + "\n") * 3)

    said = mpimport("e.ndjson", "--dry-run", cwd=tmp_path).err

    assert "such as with --distinct-id-field NAME, or --set distinct_id= if these have no user" in said


def test_keys_that_an_event_does_not_have_are_named_together(tmp_path: Path) -> None:
    row = {"event": "Buy", **dict.fromkeys("abcde", 1), "properties": {"time": 1718000000, "distinct_id": "u"}}
    (tmp_path / "e.ndjson").write_text(json.dumps(row) + "\n")

    said = " ".join(mpimport("e.ndjson", "--dry-run", cwd=tmp_path).err.split())

    assert "move 'a', 'b', 'c' and 2 more into 'properties'" in said
