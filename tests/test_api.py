"""The library: its public names, and the same account as the command's."""

from __future__ import annotations

import json
import uuid
from collections import UserDict
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from running import good_event

import mpimport
from mpimport import Progress, Summary, UsageProblem, import_events
from mpimport.api import Caller
from mpimport.sandbox import Sandbox


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_public_names_are_pinned() -> None:
    assert sorted(mpimport.__all__) == ["MpimportError", "Progress", "Summary", "UsageProblem", "import_events"]
    assert all(getattr(mpimport, name) is not None for name in mpimport.__all__)
    assert set(mpimport.__all__) <= set(dir(mpimport))
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        mpimport.nothing_of_ours  # noqa: B018  the look-up is what is tested


def test_events_of_a_program_arrive() -> None:
    with Sandbox() as sandbox:
        summary = import_events(
            (good_event(n) for n in range(3000)), project_id=1, username="me", secret="hidden", url=sandbox.url
        )
        stored = sandbox.stats()["stored"]

    assert isinstance(summary, Summary)
    assert (summary.read, summary.imported, summary.exit_code, stored) == (3000, 3000, 0, 3000)


def test_python_values_are_made_json_and_what_cannot_be_is_rejected(folder: Path) -> None:
    when = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
    base = {"event": "x", "distinct_id": "u", "time": when}
    records: list[Any] = [
        {**base, "day": date(2024, 5, 1), "id": uuid.UUID(int=7), "pair": (1, 2)},
        {**base, "bad": float("nan")},
        {**base, "bad": float("inf")},
        {**base, "bad": object()},
        {**base, "bad": {1, 2}.__iter__()},
        {**base, 5: "five"},
        "no mapping",
        None,
    ]
    with Sandbox() as sandbox:
        summary = import_events(records, token="t", url=sandbox.url)
        stored = sandbox.events()

    rejected = [json.loads(line) for line in (folder / "events.rejected.ndjson").read_bytes().splitlines()]
    assert (summary.read, summary.imported, summary.rejected) == (8, 2, 6)
    assert stored[0]["properties"]["time"] == 1_714_564_800_000
    assert stored[0]["properties"]["day"] == "2024-05-01"
    assert stored[0]["properties"]["pair"] == [1, 2]
    assert [line["line"] for line in rejected] == [2, 3, 4, 5, 7, 8]


class Number(float):
    """A number as numpy's float64 is one."""


class Text(str):
    """Text that is shown as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something for people"


class Whole(int):
    """A whole number that says nothing of itself."""

    def __index__(self) -> int:
        raise AssertionError("not asked")


class Moment(datetime):
    """A moment as pandas' Timestamp is one: finer than a datetime can be."""

    nanosecond = 0

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        """Write the nanoseconds, too."""
        return f"{super().isoformat(sep, timespec)} and {self.nanosecond} ns"


class FineMoment(Moment):
    """One that a datetime cannot hold."""

    nanosecond = 7


class Kind:
    """What numpy calls a dtype."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Boxed:
    """A value as numpy has it: no subclass of what is in it."""

    shape: tuple[int, ...] = ()

    def __init__(self, inner: Any, kind: str = "i") -> None:
        self._inner, self.dtype = inner, Kind(kind)

    def item(self) -> Any:
        """Give what is in it."""
        return self._inner

    def __str__(self) -> str:
        return "2024-05-01T00:00:00.000000001" if self.dtype.kind == "M" else str(self._inner)


class Array(Boxed):
    """Several of them."""

    shape = (2,)

    def item(self) -> Any:
        """Fail, as numpy's does."""
        raise ValueError("can only convert an array of size 1")

    def __iter__(self) -> Iterator[Any]:
        return iter(self._inner)


class NaTType(datetime):
    """A datetime without a year, as pandas has it."""


class Unshowable:
    """What fails when it is shown."""

    def __repr__(self) -> str:
        raise OSError("no words for it")


def test_subclasses_and_values_of_numpy_and_pandas_are_taken_as_what_they_are() -> None:
    given: dict[str, tuple[Any, Any]] = {
        "number": (Number(1.5), 1.5),
        "text": (Text("x"), "x"),
        "whole": (Whole(3), 3),
        "named": ({type("Name", (str,), {})("k"): Whole(1)}, {"k": 1}),
        "moment": (Moment(2024, 5, 1, tzinfo=timezone.utc), "2024-05-01T00:00:00Z"),
        "fine": (FineMoment(2024, 5, 1), "2024-05-01T00:00:00 and 7 ns"),
        "decimal": (type("Cents", (Decimal,), {})("2.50"), 2.5),
        "for": (type("Span", (timedelta,), {})(days=1), "P1D"),
        "day": (type("Day", (date,), {})(2024, 5, 1), "2024-05-01"),
        "flag": (Boxed(inner=True), True),
        "nanoseconds": (Boxed(1_714_521_600_000_000_001, "M"), "2024-05-01T00:00:00.000000001"),
        "column": (Array([Boxed(1), Number(2.5)]), [1, 2.5]),
    }
    event = {"event": "x", "distinct_id": "u", "time": Moment(2024, 5, 1, tzinfo=timezone.utc)}
    with Sandbox() as sandbox:
        record = {**event, **{name: value for name, (value, _) in given.items()}}
        summary = import_events([record, {**event, "time": Boxed(1_714_521_600)}], token="t", url=sandbox.url)
        stored = sandbox.events()

    assert (summary.imported, summary.rejected) == (2, 0)
    assert {name: stored[0]["properties"][name] for name in given} == {name: to for name, (_, to) in given.items()}
    assert {event["properties"]["time"] for event in stored} == {1_714_521_600_000, 1_714_521_600}


def test_keys_that_are_one_name_in_json_are_told_and_none_is_lost(folder: Path) -> None:
    both: Any = {1: "number", "1": "text", "distinct_id": "u", "time": 1_714_521_600}
    summary = import_events([{"event": "x", "properties": both}, {"event": "x", **both}], dry_run=True)

    rejects = [json.loads(line) for line in (folder / "events.rejected.ndjson").read_text().splitlines()]
    assert summary.rejected == 2
    assert {reason["code"] for reject in rejects for reason in reject["reasons"]} == {"duplicate_key"}
    assert all("'number'" in reject["raw"] for reject in rejects)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (NaTType(2024, 5, 1), "NaT is a missing value: leave it out, or give None"),
        (Boxed("NaT"), "NaT is a missing value: leave it out, or give None"),
        (Boxed(5, "m"), "a value of type Boxed has no JSON form: give it as text, or leave it out"),
        (Boxed(1j, "c"), "a value of type complex has no JSON form"),
        (Unshowable(), "a value of type Unshowable has no JSON form"),
    ],
)
def test_what_has_no_json_form_is_told_by_its_field_and_kept_whole(value: Any, words: str, folder: Path) -> None:
    properties = {"distinct_id": "u", "time": 1_714_521_600, "long": "y" * 1000, "bad": value}
    summary = import_events([{"event": "x", "properties": properties}], dry_run=True)

    reject = json.loads((folder / "events.rejected.ndjson").read_text())
    assert summary.rejected == 1
    assert reject["reasons"][0]["field"] == "properties.bad"
    assert words in reject["reasons"][0]["message"]
    shown = "a dict that cannot be shown (OSError)" if isinstance(value, Unshowable) else "y" * 1000
    assert shown in reject["raw"]


def test_of_what_has_no_json_form_64_kb_are_kept(folder: Path) -> None:
    import_events([{"event": "x", "bad": object(), "long": "y" * 100_000}], dry_run=True)

    assert len(json.loads((folder / "events.rejected.ndjson").read_text())["raw"]) == 65_536


def test_wrong_usage_is_raised_before_anything_is_taken() -> None:
    events = iter([good_event(1)])

    with pytest.raises(UsageProblem, match="no credentials"):
        import_events(events)

    assert next(events) == good_event(1)


def test_an_error_of_the_iterable_reaches_the_caller_and_loses_nothing(folder: Path) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        for n in range(2500):
            yield good_event(n)
        raise LookupError("the database went away")

    with Sandbox() as sandbox, pytest.raises(LookupError, match="went away"):
        import_events(broken(), token="a-token", url=sandbox.url)
    saved = folder / "events.rejected.ndjson.undelivered.ndjson"
    kept = len(saved.read_bytes().splitlines()) if saved.exists() else 0

    assert sandbox.stats()["stored"] + kept == 2500


def test_every_mapping_is_taken_and_sets_have_an_order() -> None:
    record = {"event": "x", "distinct_id": "u", "time": 1_718_000_000, "tags": {"b", "a", "c"}}
    with Sandbox() as sandbox:
        summary = import_events([MappingProxyType(record), UserDict(record)], token="a-token", url=sandbox.url)
        events = sandbox.events()

    assert (summary.imported, len(events)) == (2, 1)
    assert events[0]["properties"]["tags"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "mars"},
        {"endpoint": "engage"},
        {"endpoint": ["track"]},
        {"max_rejected": -1},
        {"workers": "4"},
        {"batch_size": 0},
        {"proxy": 3128},
    ],
)
def test_wrong_options_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem):
        import_events([good_event(1)], dry_run=True, **wrong)


def test_a_run_that_stops_speaks_of_the_argument_and_of_how_far_it_came() -> None:
    with pytest.raises(UsageProblem, match=r"^max_rejected -1: give a number from 0 on"):
        import_events([], dry_run=True, max_rejected=-1)
    summary = import_events(({"event": ""} for _ in range(200_000)), dry_run=True, max_rejected=10)

    assert summary.exit_code == 3
    assert "rejected, more than max_rejected 10;" in str(summary.stopped)
    assert f"events: reading stopped after record {summary.read:,}; what follows is saved nowhere" in summary.notes


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ("events.ndjson", "read the file first, or run the command: mpimport FILE"),
        (b"{}", "events: must be dicts, and no text or file"),
        (Path("events.ndjson"), "events: must be dicts, and no text or file"),
        (StringIO("{}"), "events: must be dicts, and no text or file"),
        (good_event(1), r"put it into a list: \[event\]"),
        (MappingProxyType(good_event(1)), r"put it into a list: \[event\]"),
        (None, "events: must be a list of dicts or a generator of them; it is None"),
        (lambda: [good_event(1)], "generator of them; its type is function"),
    ],
)
def test_what_is_no_events_is_refused(events: Any, words: str, folder: Path) -> None:
    with pytest.raises(UsageProblem, match=words):
        import_events(events, sandbox=True)

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("project_id", [True, 1.5, b"1"]),
        *((name, [5, b"x", ""]) for name in ("username", "secret", "api_secret", "token", "url", "proxy")),
        *((name, [5, None, ""]) for name in ("region", "endpoint")),
        *((name, [5, b"x"]) for name in ("ca_bundle", "on_progress")),
        *((name, ["no", None, 0]) for name in ("sandbox", "dry_run", "geolocate")),
        ("workers", [None, 1.5, "16", True]),
        *((name, [1.5, "5", True]) for name in ("batch_size", "max_rejected")),
        *((name, [None, "5", True]) for name in ("timeout_s", "give_up_after_s")),
        ("rejected", [None, 5, "", ".", b"x"]),
    ],
)
def test_an_argument_of_the_wrong_type_is_told_by_its_name(name: str, wrong: list[Any]) -> None:
    events = iter([good_event(1)])
    for value in wrong:
        with pytest.raises(UsageProblem, match=rf"^{name}: must be .*; it") as told:
            import_events(events, **{"dry_run": True, name: value})
        assert len(told.value.problems) == 1

    assert next(events) == good_event(1)


def test_the_last_progress_has_the_final_numbers() -> None:
    seen: list[Progress] = []
    with Sandbox() as sandbox:
        events = (good_event(n) if n % 10 else {"event": ""} for n in range(30_000))
        summary = import_events(events, token="t", url=sandbox.url, on_progress=seen.append)

    assert (seen[-1].read, seen[-1].imported, seen[-1].rejected) == (30_000, summary.imported, summary.rejected)
    assert summary.imported == 27_000
    assert seen[-1].flow.under_way == 0


def test_progress_is_told_a_few_times_a_second() -> None:
    moments = [0.0]
    seen: list[Progress] = []
    caller = Caller(seen.append, clock=lambda: moments[-1])
    for _ in range(2000):
        moments.append(moments[-1] + 0.001)
        caller.tick(lambda: Progress(0, None, len(moments) - 1, 0, 0, 0, moments[-1]))
    caller.close()

    assert 9 <= len(seen) <= 11
    assert seen[-1].read == 2000


def test_a_table_is_refused_with_the_words_that_give_its_rows() -> None:
    class Table:
        columns = ("event",)

        def to_dict(self, _: str) -> list[object]:
            return []

    with pytest.raises(UsageProblem, match=r'to_dict\("records"\)'):
        import_events(Table(), dry_run=True)  # type: ignore[arg-type]  # the mistake
