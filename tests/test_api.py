"""The library: its public names, and the same account as the command's."""

from __future__ import annotations

import json
import uuid
from collections import UserDict
from collections.abc import Iterator
from datetime import date, datetime, timezone
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from running import good_event

import mpimport
from mpimport import Progress, Summary, UsageProblem, import_events
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


def test_progress_is_told() -> None:
    seen: list[Progress] = []
    import_events((good_event(n) for n in range(5000)), dry_run=True, on_progress=seen.append)

    assert seen
    assert seen[-1].read > 0
