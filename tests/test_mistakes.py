"""The likeliest mistakes of somebody new: each ends with its exit code and one line that says what to do.

In the process and without a network; of every row nothing is sent, and what was read is accounted for.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from running import CREDENTIALS, assert_balanced, good_event, ndjson
from scripted_server import Answer, ScriptedServer

from mpimport import cli

EVENTS = ndjson([good_event(n) for n in range(3)])
HEADER = "event,time,distinct_id,amount\n"
ROWS = "Buy,2024-06-01T12:00:00Z,u1,9.90\nBuy,2024-06-01T12:00:01Z,u2,1.20\nBuy,2024-06-01T12:00:02Z,u3,1\n"
TABLE = HEADER + ROWS
PAGE = "<!DOCTYPE html>\n<html><title>Log in</title></html>\n"
SEGMENT = {"type": "track", "event": "Buy", "userId": "u1", "timestamp": "2024-06-01T12:00:00Z", "properties": {}}
GA4 = {"event_name": "page_view", "event_timestamp": "1718000000123456", "user_pseudo_id": "1.2"}
NOW_WRONG = {"event": "Buy", "properties": {"time": 4_000_000_000, "distinct_id": "u1"}}
NOISE = random.Random(1).randbytes(3000)
HEX = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Mistake:
    """What somebody has in the folder and types, how it ends, and words that one line on standard error holds."""

    argv: str
    code: int
    words: Sequence[str]
    files: Mapping[str, str | bytes] = field(default_factory=lambda: {"events.ndjson": EVENTS})
    env: Mapping[str, str] = field(default_factory=dict)


def dry(name: str, content: str | bytes, code: int, *words: str, options: str = "") -> Mistake:
    return Mistake(f"{name} --dry-run --json {options}", code, words, {name: content})


MISTAKES = {
    "nothing": Mistake("", 2, ["nothing to import", "mpimport --help"]),
    "no credentials": Mistake("events.ndjson", 2, ["no credentials", "--username", "--dry-run or --sandbox"]),
    "no user name": Mistake(
        "events.ndjson", 2, ["--username NAME"], env={"MP_SECRET": "secret", "MP_PROJECT_ID": "12345"}
    ),
    "a project's address": Mistake(
        "events.ndjson --project-id https://mixpanel.com/project/12345/view", 2, ["--project-id", "is it 12345?"],
        env=CREDENTIALS,
    ),
    "a secret in quotes": Mistake("events.ndjson", 2, ["MP_SECRET", "in quotes"], env={"MP_SECRET": f"'{HEX}'"}),
    "a secret with its name": Mistake(
        "events.ndjson --secret-file key", 2, ["--secret-file key", "MP_SECRET= before the secret"],
        {"events.ndjson": EVENTS, "key": "export MP_SECRET=x\n"},
    ),
    "events for a token": Mistake(
        "events.ndjson --token-file one", 2, ["--token-file one", "JSON, as a file of events does"],
        {"events.ndjson": EVENTS, "one": EVENTS.splitlines()[0]},
    ),
    "a line of data for a secret": Mistake(
        "events.ndjson --secret-file data", 2, ["--secret-file data: it is too long"],
        {"events.ndjson": EVENTS, "data": HEX * 100},
    ),
    "no project's number": Mistake("events.ndjson --sandbox --project-id 0", 2, ["--project-id 0", "from 1 on"]),
    "a key like no other": Mistake(
        "events.ndjson --dry-run", 2, ["unknown key 'version'; mpimport --help"],
        {"events.ndjson": EVENTS, "mpimport.toml": "version = true"},
    ),
    "a secret for a path": Mistake(f"events.ndjson --secret-file {HEX}", 2, ["--secret-file: takes the path"]),
    "a typo": Mistake("evnts.ndjson --dry-run", 2, ["evnts.ndjson: no such file", "did you mean events.ndjson?"]),
    "a command": Mistake("import events.ndjson --dry-run", 2, ["import: no such file", "no commands"]),
    "a project as a file": Mistake("events.ndjson 12345 --dry-run", 2, ["--project-id 12345"]),
    "a web address": Mistake("https://x.example/e.ndjson --dry-run", 2, ["curl -fsS https://x.example/e.ndjson |"]),
    "a signed address": Mistake(f"https://me:{HEX}@x.example/*.json?sig={HEX} --dry-run", 2, ["curl -fsS URL | mpimp"]),
    "a bucket": Mistake("s3://days/e.ndjson --dry-run", 2, ["aws s3 cp s3://days/e.ndjson - | mpimport -"]),
    "another bucket": Mistake("gs://days/*.ndjson --dry-run", 2, ["gsutil cat 'gs://days/*.ndjson' | mpimport -"]),
    "another store": Mistake("hdfs://days/e.ndjson --dry-run", 2, ["COMMAND | mpimport -"]),
    "a file's address": Mistake("file:///e.ndjson --dry-run", 2, ["name /e.ndjson"]),
    "a project's name": Mistake(
        "events.ndjson --dry-run --project-id staging", 2, ["--project-id 'staging'", "number; see Project Settings"]
    ),
    "a project's token": Mistake(f"events.ndjson --dry-run --project-id {HEX}", 2, ["--project-id: it is a number"]),
    "a project of a stand-in": Mistake("events.ndjson --json --sandbox --project-id staging", 0, ["into the sandbox"]),
    "a folder": Mistake("day --dry-run", 2, ["day: is a directory", "'day/*.csv'"], {"day/events.csv": HEADER}),
    "semicolons": dry("e.csv", (HEADER + ROWS).replace(",", ";"), 2, "e.csv", "--delimiter ';'"),
    "tabs": dry("e.csv", (HEADER + ROWS).replace(",", "\t"), 2, "e.csv", "--format tsv"),
    "no header": dry("e.csv", ROWS * 2, 1, "all 5 events", "is there no header row?", "has: Buy, 2024"),
    "a title": dry("e.csv", f"Report\n{HEADER}{ROWS}", 1, "all 4 records", "a title above the header"),
    "latin-1": dry("e.csv", (HEADER + ROWS.replace("Buy", "K\u00e4ufe")).encode("latin-1"), 1, "all 3", "--encoding"),
    "a workbook": dry("e.xlsx", b"PK\x03\x04" + bytes(99), 2, "e.xlsx", "save its sheet as CSV"),
    "an archive": dry("e.tar", b"e.ndjson".ljust(257, b"\0") + b"ustar\0" + bytes(250), 2, "tar -xOf 'e.tar' | mpimp"),
    "a packed archive": dry("e.tgz", gzip.compress(b"e".ljust(257, b"\0") + b"ustar\0"), 2, "tar -xOf 'e.tgz'"),
    "a picture": dry("e.png", b"\x89PNG\r\n\x1a\n" + NOISE, 2, "e.png: is a picture (PNG)"),
    "no text": dry("e.csv", NOISE, 2, "e.csv: is not text: name a file of NDJSON, JSON, CSV or TSV"),
    "no text, a line each": dry("e.ndjson", NOISE, 2, "e.ndjson: is not text"),
    "no text in a format": dry("e.bin", NOISE, 2, "e.bin: is not text", options="--format csv"),
    "a damaged line": dry("e.ndjson", NOISE[:99].replace(b"\n", b"") + b"\n" + EVENTS, 1, "1 invalid_utf8"),
    "a damaged row": dry("e.csv", (HEADER + ROWS).encode() + NOISE[:99], 1, "1 invalid_utf8"),
    "Hive's own form": dry("e.csv", (HEADER + ROWS).replace(",", "\1"), 0, "read ", options="--delimiter \1"),
    "a page to log in": dry("e.json", PAGE, 2, "e.json: is a web page", "get the events anew"),
    "a script": dry("e.js", "var events = [1, 2];", 2, "e.js: looks like a script"),
    "laid out": dry(
        "e.ndjson", json.dumps([good_event(1)], indent=2), 1, "records were rejected for one reason", "`jq -c . FILE`"
    ),
    "Python": dry("e.ndjson", f"{good_event(1)}\n{good_event(2)}\n", 1, "both", "double quotes only"),
    "commas behind lines": dry("e.ndjson", EVENTS.replace(b"\n", b",\n"), 1, "all 3", "remove the comma behind"),
    "old Mac": dry("e.ndjson", EVENTS.replace(b"\n", b"\r"), 1, "lines that end in CR"),
    "dates of a spreadsheet": dry("e.csv", "event,time,distinct_id\nBuy,45444.5,u1\n", 1, "a date of a spreadsheet"),
    "a day or a month": dry("e.csv", "event,time,distinct_id\nBuy,06/07/2024,u1\n", 1, "--time-format '%d/%m/%Y'"),
    "a date in one order only": dry(
        "e.csv", "event,time,distinct_id\nBuy,31.12.2025,u1\n", 1, "such dates take --time-format '%d.%m.%Y'"
    ),
    "a header in capitals": dry(
        "e.csv", f"Event,Time,Distinct_ID,amount\n{ROWS}", 1, "all 3 events",
        "--event-field Event --time-field Time --distinct-id-field Distinct_ID",
    ),
    "amounts of a spreadsheet": dry(
        "e.csv", f'{HEADER}{ROWS}Buy,2024-06-01T12:00:03Z,u4,"1,20"\n', 0,
        "e.csv: amounts that are sent as text", "'amount' ('1,20')", "write them like 1234.50",
    ),
    "empty rows": dry("e.csv", f"{HEADER}{ROWS}{',' * HEADER.count(',')}\n", 1, "no event is missing: what was rej"),
    "Segment": dry("e.ndjson", ndjson([SEGMENT] * 2), 1, "both", "unknown_key: --drop NAME", "has: type, event"),
    "GA4": dry(
        "e.ndjson", ndjson([GA4] * 1000), 1, "all 1,000 events",
        "--time-field event_timestamp --distinct-id-field user_pseudo_id", "has: event_name, event_timestamp",
    ),
    "a wrong clock": dry("e.ndjson", ndjson([NOW_WRONG] * 2), 1, "both", "the clock of this machine"),
    "a line of JSON as CSV": dry("e.ndjson", ndjson([SEGMENT]), 2, "--format ndjson, or json", options="--format csv"),
    "JSON as CSV": dry("e.ndjson", EVENTS, 2, "e.ndjson: the header row", "--format ndjson", options="--format csv"),
    "no column to drop": dry(
        "e.csv", TABLE, 2, "--drop amuont: no source has such", "did you mean 'amount', which", options="--drop amuont"
    ),
    "no column at all": dry("e.csv", TABLE, 0, "--keep xyz: the", "check the name", options="--keep xyz -v"),
    "columns in one": dry(
        "e.csv", TABLE, 0, "takes one name: write --drop amount --drop time", options="--drop amount,time"
    ),
    "no column for a field": dry("e.csv", TABLE, 0, "--time-field tme:", "mean 'time'?", options="--time-field tme"),
    "new for old": dry("e.csv", TABLE, 0, "is it --rename amount=price?", options="--rename price=amount"),
    "another case": dry(
        "e.csv", TABLE.replace("distinct_id", "Distinct_ID"), 1, "--distinct-id-field Distinct_ID", "has: event"
    ),
    "a kind of others": dry("e.csv", TABLE, 2, "did you mean amount=number?", options="--type amount=Decimal"),
    "a pair of one": dry("e.csv", TABLE, 2, "--rename amount: write OLD=NEW", options="--rename amount"),
    "a format of others": dry("e.csv", TABLE, 2, "did you mean '%d/%m/%Y'?", options="--time-format dd/MM/yyyy"),
    "an offset": dry("e.csv", TABLE, 2, "write Etc/GMT-2, whose sign is turned", options="--timezone UTC+2"),
    "a quoted home": Mistake("~/e.ndjson --dry-run", 2, ["~/e.ndjson: no such file; within quotes ~ is not"]),
    "a quoted variable": Mistake("$DAY/e.ndjson --dry-run", 2, ["the name of a variable stays as it is"]),
    "files in one": Mistake(
        "e.csv,events.ndjson --dry-run", 2, ["name each file by itself: e.csv events.ndjson"],
        {"events.ndjson": EVENTS, "e.csv": HEADER},
    ),
    "a region as a file": Mistake("events.ndjson eu --dry-run", 2, ["if it is the region, give --region eu"]),
    "a whole address": Mistake(
        "events.ndjson --dry-run --url https://api.mixpanel.com/import/", 2, ["--url: it must end before /import"]
    ),
    "the web site": Mistake(
        "events.ndjson --dry-run --url https://eu.mixpanel.com", 2, ["the web site for people, not the API", "--region"]
    ),
    "an option for a value": Mistake("events.ndjson --rejected --dry-run", 2, ["needs a value, but --dry-run follows"]),
    "a unit": Mistake("events.ndjson --dry-run --timeout 30s", 2, ["'30s' is no number: write digits alone"]),
    "a quoted value of a word processor": Mistake(
        "events.ndjson --dry-run", 2, ["mpimport.toml: is no TOML: ", "text takes quotes"],
        {"events.ndjson": EVENTS, "mpimport.toml": "region = \u201ceu\u201d"},
    ),
    "a path of Windows": Mistake(
        "events.ndjson --dry-run", 2, ["mpimport.toml: is no TOML: ", "'...' for a path with \\"],
        {"events.ndjson": EVENTS, "mpimport.toml": 'rejected = "C:\\data\\x"'},
    ),
    "a number in quotes": Mistake(
        "events.ndjson", 2, ["mpimport.toml: workers: must be a whole number, without quotes"],
        {"events.ndjson": EVENTS, "mpimport.toml": 'workers = "8"'},
    ),
    "a switch in quotes": Mistake(
        "events.ndjson", 2, ["mpimport.toml: dry-run: must be true or false, without quotes"],
        {"events.ndjson": EVENTS, "mpimport.toml": 'dry-run = "yes"'},
    ),
    "a name without quotes": Mistake(
        "events.ndjson", 2, ["mpimport.toml: event-name: must be a text, in quotes"],
        {"events.ndjson": EVENTS, "mpimport.toml": "event-name = 8"},
    ),
    "one number of two": Mistake(
        "events.ndjson --dry-run", 2, ["(from MPIMPORT_BACKOFF_JITTER)", "2 values", "such as '1 5'"],
        env={"MPIMPORT_BACKOFF_JITTER": "1"},
    ),
    "a path inside what is no document": dry(
        "e.csv", TABLE, 0, "e.csv: is read as csv, where --json-path does nothing", options="--json-path data.item"
    ),
    "no column of several": Mistake(
        "e.csv f.csv --dry-run --drop amonut_x --log-format json", 0,
        ['"message": "--drop amonut_x: no source has it; did you mean'], {"e.csv": TABLE, "f.csv": TABLE},
    ),
    "no such field to drop": dry(
        "e.ndjson", EVENTS, 0, "e.ndjson: --drop disctinct: none of the first 3 records has it; did you mean",
        options="--drop disctinct",
    ),
    "no such field for an id": dry(
        "e.json", json.dumps([good_event(1, order_id="a")]), 0, "e.json: --insert-id-field orderid: the record",
        "did you mean 'order_id'?", options="--insert-id-field orderid",
    ),
    "no such name inside of an object": dry(
        "e.ndjson", ndjson([good_event(n, geo={"city": "Oslo"}) for n in range(3)]), 0, "--keep geo.cty: none of the",
        "did you mean 'geo.city'?", options="--keep geo.cty",
    ),
    "no such property for a kind": dry(
        "e.ndjson", ndjson([good_event(n, price="3") for n in range(3)]), 0, "--type pricee=number: none of the first",
        "did you mean 'price'?", options="--type pricee=number",
    ),
    "no such field to rename": dry("e.ndjson", EVENTS, 0, "--rename x=y: none of the first", options="--rename x=y -v"),
    "kept under its old name": dry(
        "e.ndjson", ndjson([good_event(n, b={"d": 1}) for n in range(3)]), 0,
        "--keep b.d: --keep looks for names after --rename", "write --keep d", options="--keep b.d --rename b.d=d",
    ),
    "a date without quotes": Mistake(
        "e.csv --dry-run --mapping m.toml", 2, ["--mapping m.toml: set: d is no value", "write it as text, in quotes"],
        {"e.csv": TABLE, "m.toml": "[set]\nd = 2024-06-10\n"},
    ),
    "one record under capitals": dry(
        "e.csv", "EVENT,TIME,DISTINCT_ID\nBuy,1718000000,u1\n", 1, "the only event has no",
        "--event-field EVENT --time-field TIME --distinct-id-field DISTINCT_ID",
    ),
    "one record of a warehouse": dry(
        "e.ndjson", ndjson([{"EVENT_NAME": "Buy", "TIMESTAMP": 1718000000, "USER_ID": "u1"}]), 1, "the only event has",
        "--event-field EVENT_NAME --time-field TIMESTAMP --distinct-id-field USER_ID",
    ),
    "blanks beside commas": dry(
        "e.csv", "event, time, price\nBuy, 1718700017, 3\n", 1, "e.csv: blanks around names", "' time', ' price'",
    ),
    "blanks in cells": dry(
        "e.csv", TABLE.replace(",9.90", ", 9.90").replace(",1.20", ", 1.20"), 0,
        "e.csv: amounts that are sent as text for the blanks around them: 'amount' (' 9.90'); remove the blanks",
    ),
    "a rename the wrong way": dry(
        "e.ndjson", ndjson([good_event(n, plan="a") for n in range(3)]), 0, "is it --rename plan=tier?",
        options="--rename tier=plan",
    ),
    "a cell that is no number": dry(
        "e.csv", HEADER + ROWS * 3 + ROWS[:32].replace("9.90", "N/A") + "\n", 0,
        "e.csv: 'amount' is sent as text because of 'N/A' (1 of the first 10 cells)", "or --type amount=number",
    ),
    "prices that may be versions": dry(
        "e.csv", HEADER + ROWS + "Buy,2024-06-01T12:00:03Z,u4,12.5\n", 0,
        "e.csv: 'amount' is sent as text because of '9.90'", "--type amount=number if these are amounts",
    ),
    "a column to drop in capitals": dry(
        "e.csv", TABLE.replace("amount", "AMOUNT"), 2, "did you mean 'AMOUNT', which would be sent?",
        options="--drop amount",
    ),
    "a time that is renamed": dry(
        "e.ndjson", EVENTS, 2, "--rename time=when: no event can", options="--rename time=when"
    ),
    "a user that is dropped": dry(
        "e.ndjson", EVENTS, 1, "--drop distinct_id: events without $user_id", options="--drop distinct_id"
    ),
    "a zone without summer time": dry(
        "e.ndjson", EVENTS, 0, "--timezone EST: is UTC-5 all year; write America/New_York", options="--timezone EST"
    ),
    "no time is left": dry("e.ndjson", EVENTS, 2, "--drop time: no event can", "--time-field", options="--drop time"),
    "a time that no event has": dry("e.ndjson", EVENTS, 2, "--set time=1: that is before 1971", options="--set time=1"),
    "a time that is none": dry("e.ndjson", EVENTS, 2, "--set time='soon': 'soon' is not", options="--set time=soon"),
    "kept and dropped": dry(
        "e.csv", TABLE, 0, "--keep amount and --drop amount: it is dropped", options="--keep amount --drop amount"
    ),
    "a swap": dry(
        "e.ndjson", EVENTS, 2, "--rename a=b and then b=a", "--rename b=NAME --rename a=b --rename NAME=a",
        options="--rename a=b --rename b=a",
    ),
    "an event's name that is empty": Mistake("events.ndjson --dry-run --event-name=", 2, ["--event-name: its value"]),
    "a delimiter of no table": dry(
        "e.ndjson", EVENTS, 0, "e.ndjson: is read as ndjson, where --delimiter does nothing", options="--delimiter ;"
    ),
    "a home behind =": Mistake("events.ndjson --rejected=~/r --dry-run", 2, ["--rejected: ~ is no", "the whole path"]),
    "a secret in a home": Mistake("events.ndjson --secret-file=~/s", 2, ["--secret-file: ~ is no", "the whole path"]),
    "a home in a variable": Mistake(
        "events.ndjson --dry-run", 2, ["write the whole path (--report is from MPIMPORT_REPORT)"],
        env={"MPIMPORT_REPORT": "a.html ~/b.html"},
    ),
    "fields with spaces": Mistake(
        "events.ndjson --dry-run", 2, ["--insert-id-from a, b: a space behind", "write a,b (--insert-id-from is"],
        env={"MPIMPORT_INSERT_ID_FROM": "a, b"},
    ),
    "no column for an id": dry(
        "e.csv", TABLE, 1, "--insert-id-from amont: the", "did you mean 'amount'?", options="--insert-id-from amont"
    ),
    "a variable that is not set": Mistake("events.ndjson --dry-run --config=", 2, ["--config: its value is empty"]),
    "no profile's name": Mistake("events.ndjson --dry-run --profile=", 2, ["--profile: its value is empty"]),
    "marks of an editor": Mistake(
        "events.ndjson", 2, ["mpimport.toml: workers: must be a whole number, without quotes"],
        {"events.ndjson": EVENTS, "mpimport.toml": '\ufeff\tworkers\t=\t"many"\r\n'},
    ),
    "nothing in it": dry("e.ndjson", "\n\n", 6, "no event was found in 2 bytes", "of input: is it right?"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_with_a_line_that_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    mistake = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    for variable, value in mistake.env.items():
        monkeypatch.setenv(variable, value)
    for path, content in mistake.files.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(SystemExit) as end:
        cli.main(mistake.argv.split())

    out, err = capsys.readouterr()
    assert end.value.code == mistake.code
    assert any(all(word in line for word in mistake.words) for line in _lines(err)), err
    assert not [secret for secret in (HEX, *CREDENTIALS.values()) if len(secret) > 10 and secret in err]
    if out:
        assert_balanced(json.loads(out))


def _lines(err: str) -> list[str]:
    """Give the lines, those of the audit with what they go on in."""
    return err.replace("\n        ", " ").splitlines()


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({**CREDENTIALS, "MP_SECRET": HEX}, ("looks like a project's token or secret", "--secret-file")),
        ({"MP_TOKEN": "aB3dE6gH9kL2mN5pQ8rS1tU4vW7xY0zA"}, ("a token is 32 hexadecimal digits", "Access Keys")),
    ],
)
def test_a_secret_of_the_wrong_kind_is_told_by_its_form(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    env: Mapping[str, str],
    words: Sequence[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.ndjson").write_bytes(EVENTS)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    refusal = Answer(401, b'{"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}')
    with ScriptedServer([refusal] * 3) as server, pytest.raises(SystemExit) as end:
        cli.main(["e.ndjson", "--url", server.url])

    err = capsys.readouterr().err
    assert end.value.code == 4
    assert any(all(word in line for word in words) for line in err.splitlines())
    assert not [value for value in env.values() if len(value) > 20 and value in err]


def test_names_that_there_are_make_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.csv").write_text(TABLE.replace("amount", "plan"))
    named = ["--rename", "plan=tier", "--drop", "tier", "--set", "x=1", "--keep", "x", "--keep", "time"]
    asked = [
        "--time-field",
        "time",
        "--insert-id-from",
        "x,time",
        "--rename",
        "plan.name=name",
        "--type",
        "plan=string",
    ]
    with pytest.raises(SystemExit) as end:
        cli.main(["e.csv", "--dry-run", *named, *asked])

    err = capsys.readouterr().err
    assert end.value.code == 0, err
    assert "no such column" not in err


@pytest.mark.parametrize("name", ["e.ndjson", "e.json"])
def test_names_that_records_have_make_no_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    first = [good_event(n, geo={"city": {"part": "x"}}) for n in range(998)]
    last = [good_event(998, plan="a", mail="b", **{"a.b": 1}), {"kind": "Buy", **good_event(999)["properties"]}]
    text = ndjson([*first, *last]) if name == "e.ndjson" else json.dumps([*first, *last], indent=1).encode()
    (tmp_path / name).write_bytes(text)
    named = ["--rename", "plan=tier", "--rename", "geo=place", "--drop", "mail", "--type", "tier=string"]
    deep = ["--keep", "place.city.part", "--keep", "a.b", "--event-field", "kind", "--set", "x=1", "--keep", "x"]
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--dry-run", *named, *deep])

    err = capsys.readouterr().err
    assert end.value.code == 0, err
    assert "warning" not in err


def test_a_name_that_no_record_has_is_told_once_and_stands_in_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("e.ndjson", "f.ndjson"):
        (tmp_path / name).write_bytes(EVENTS)
    with pytest.raises(SystemExit):
        cli.main(["e.ndjson", "f.ndjson", "--dry-run", "--drop", "tmie"])

    err = capsys.readouterr().err
    assert err.count("warning: ") == 1
    assert "what to act on" in err
    assert "nothing needs a decision" not in err


def test_a_column_that_another_source_has_may_be_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.csv").write_text(TABLE)
    (tmp_path / "f.csv").write_text(TABLE.replace("amount", "amounts"))
    with pytest.raises(SystemExit) as end:
        cli.main(["e.csv", "f.csv", "--dry-run", "--drop", "amounts"])

    assert end.value.code == 0, capsys.readouterr().err
