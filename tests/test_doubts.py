"""Names in a mapping that sources do not have: what is told of or refused, and what makes no noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import good_event, ndjson

from mpimport import cli
from mpimport.missing_columns import find_undropped
from mpimport.records import Reason, Reject
from mpimport.rejects import line_of
from mpimport.settings import MapSettings

HEADER = "event,time,distinct_id,amount\n"
TABLE = HEADER + "Buy,2024-06-01T12:00:00Z,u1,9.90\nBuy,2024-06-01T12:00:01Z,u2,1.20\n"


@dataclass(frozen=True)
class Ran:
    """How a dry run ended, and what it told."""

    code: object
    err: str

    @property
    def warnings(self) -> list[str]:
        """What was warned of, without its time."""
        return [line.partition("warning: ")[2] for line in self.err.splitlines() if "warning: " in line]


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    def dry(options: str, **contents: str | bytes) -> Ran:
        for name, content in contents.items():
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        with pytest.raises(SystemExit) as end:
            cli.main([*(name.replace("_", ".") for name in contents), "--dry-run", *options.split()])
        return Ran(end.value.code, capsys.readouterr().err)

    return dry


@pytest.mark.parametrize(
    "options",
    [
        "--type zzz=number",
        "--drop debug",
        "--keep xyz --keep amount",
        "--rename lat=tmp --rename lon=lat --rename tmp=lon",
        "--rename amount=tmp --rename tmp=final",
        "--drop amount_line1 --drop amount",
    ],
)
@pytest.mark.parametrize("name", ["e_csv", "e_ndjson"])
def test_a_mapping_that_several_sources_share_makes_no_noise(run: Run, options: str, name: str) -> None:
    content = TABLE if name == "e_csv" else ndjson([good_event(n, amount="9.90") for n in range(3)])
    ran = run(options, **{name: content})
    assert ran.code == 0, ran.err
    assert ran.warnings == []


def test_a_name_that_is_like_no_other_stands_in_the_audit(run: Run) -> None:
    told = "e.csv: --type zzz=number: the header row has no such column; check the name"
    ran = run("--type zzz=number", e_csv=TABLE)
    assert "1 doubt about names or columns:" in ran.err
    assert told in " ".join(ran.err.split())
    assert f" {told}\n" in run("--type zzz=number -v", e_csv=TABLE).err


def test_a_type_is_told_of_only_where_a_name_is_near(run: Run) -> None:
    ran = run("--type amuont=number", e_csv=TABLE)
    assert ran.code == 0
    assert ran.warnings == ["e.csv: --type amuont=number: the header row has no such column; did you mean 'amount'?"]


@pytest.mark.parametrize(
    ("drop", "column"),
    [
        *(("emial", "email"), ("user_name", "UserName"), ("email", "emails"), ("emails", "email")),
        *(("first name", "first_name"), ("a-b", "a.b"), ("AMOUNT", "amount")),
    ],
)
def test_to_drop_what_is_spelt_in_another_way_is_refused(drop: str, column: str) -> None:
    told = list(find_undropped(MapSettings(drop=(drop,)), [["event", column], ["event"]]))
    lacks = f"--drop {drop}: no source has such a column; did you mean {column!r}, which would be sent?"
    assert told == [f"{lacks} If not, leave it out"]


@pytest.mark.parametrize(
    ("drop", "column"),
    [
        *(("ip", "zip"), ("address", "ip_address"), ("address_line1", "address_line2"), ("street_1", "street_2")),
        *(("tender", "gender"), ("created_at", "created"), ("line_12", "line_21"), ("s", "_"), ("geo.city", "geo")),
    ],
)
def test_to_drop_what_is_another_name_is_not_refused(drop: str, column: str) -> None:
    assert list(find_undropped(MapSettings(drop=(drop,)), [["event", column]])) == []
    assert list(find_undropped(MapSettings(drop=(column,)), [["event", drop]])) == []


def test_a_name_is_told_of_once_and_only_if_no_source_has_it(run: Run) -> None:
    tables = {f"e{n}_csv": TABLE for n in range(20)}
    ran = run("--drop amonut_x", **tables, f_ndjson=ndjson([good_event(1)]), g_csv="", h_csv=HEADER)
    assert ran.warnings == ["--drop amonut_x: no source has it; did you mean 'amount'?"]
    has_it = TABLE.replace("amount", "amonut_x")
    assert run("--drop amonut_x", **tables, f_csv=has_it).warnings == []
    assert run("--drop amonut_x", a_csv=has_it, **tables).warnings == []
    assert run("--drop amonut_x", **tables, f_ndjson=ndjson([good_event(1, amonut_x=1)])).warnings == []


def test_rejects_are_not_looked_into_for_what_they_lack(run: Run) -> None:
    event = {"event": "Buy", "properties": {"distinct_id": "u1", "tmie": 1, "order_id": "1"}}
    reason = Reason("time_missing", "the event has no time")
    line = line_of(Reject("e.ndjson", 1, "client", (reason,), json.dumps(event).encode()))
    options = "--keep orderid --rename tmi=x"
    assert len(run(options, e_ndjson=ndjson([event])).warnings) == 2
    assert run(options, e_ndjson=line * 3).warnings == []


@pytest.mark.parametrize("name", ["e_csv", "e_ndjson"])
def test_a_third_name_swaps_two_as_the_refusal_says(
    run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "event,time,distinct_id,a,b\nBuy,1718000000,u1,007,2\n"
    event = {"event": "Buy", "properties": {"time": 1718000000, "distinct_id": "u1", "a": "007", "b": "2"}}
    content = table if name == "e_csv" else ndjson([event])
    assert "a third name swaps them" in run("--rename a=b --rename b=a", **{name: content}).err
    advice = "--rename b=NAME --rename a=b --rename NAME=a"
    ran = run(f"{advice} --type b=number --audit a.json", **{name: content})
    assert ran.code == 0
    assert ran.warnings == []
    found = json.loads((tmp_path / "a.json").read_text())["properties"]
    types = {one["name"]: list(one["types"]) for one in found}
    assert types["b"] == ["number"]
    assert "NAME" not in types


@pytest.mark.parametrize(
    "options",
    [
        "--keep d --rename b.d=d",
        "--keep b.d --keep d --rename b.d=d",
        "--keep b --rename b=distinct_id",
        "--keep b --rename b=c --rename a=b",
        "--keep final --rename amount=tmp --rename tmp=final",
    ],
)
def test_what_is_kept_under_its_new_name_makes_no_noise(run: Run, options: str) -> None:
    assert not [line for line in run(options, e_csv=TABLE).warnings if "looks for names" in line]


@pytest.mark.parametrize(("keep", "now"), [("b", "d"), ("b.x", "d.x"), ("a", "c")])
def test_what_is_kept_under_its_old_name_is_told(run: Run, keep: str, now: str) -> None:
    options = f"--keep {keep} --rename a=tmp --rename tmp=c --rename b=d"
    assert (
        f"--keep {keep}: --keep looks for names after --rename, where it is {now}: write --keep {now}"
        in run(options, e_csv=TABLE).warnings
    )
