"""A run's report: what it says of a run, its pictures, the page in a real browser, and where it is written."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, find_browser
from hypothesis import given
from hypothesis import strategies as st
from manual import section
from running import CREDENTIALS, QUICK_BACKOFF, finish, good_event, ndjson, start, write_ndjson

from mpimport.account import Summary, Tally
from mpimport.census import MAX_NAMES, Census
from mpimport.charts import LEFT, RIGHT, label_ticks, scale, short, time_ticks
from mpimport.cli import command
from mpimport.errors import Told, UsageProblem
from mpimport.history import MAX_MESSAGES, Bucket, History, Timeline
from mpimport.progress import Progress
from mpimport.records import Batch, Flow
from mpimport.report import Lines
from mpimport.report_page import page
from mpimport.run_report import Asked, report_of
from mpimport.sandbox import Sandbox, SandboxConfig
from mpimport.settings import RunSettings
from mpimport.summary_text import summary_lines
from mpimport.telling import Telling

NOTHING = Progress(0, None, 0, 0, 0, 0, 0.0)
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
TURNED = "حدث \u202e\x1b[2J"
in_a_browser = pytest.mark.skipif(
    find_browser() is None or os.name != "posix", reason="no Chromium is installed (Debian: apt-get install chromium)"
)


def at(seconds: float, imported: int = 0, **more: Any) -> Progress:
    return replace(NOTHING, seconds=seconds, imported=imported, **more)


def total(timeline: Timeline) -> Bucket:
    whole = Bucket()
    for bucket in timeline.buckets:
        whole.add(bucket)
    return whole


# Over time.


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(0, 5000), st.sampled_from(["", "rate limit", "gate"]))))
def test_no_event_and_no_second_is_lost_however_long_a_run_takes(steps: list[tuple[float, int, Any]]) -> None:
    timeline, seconds, imported = Timeline(max_buckets=8), 0.0, 0
    held = {"": 0.0, "rate limit": 0.0, "gate": 0.0}
    for step_s, count, by in steps:
        seconds, imported = seconds + step_s, imported + count
        held[by] += step_s
        timeline.sample(at(seconds, imported, rejected=imported // 3, retries=imported // 5, flow=Flow(by)))

    found = total(timeline)
    assert (found.imported, found.rejected, found.failed) == (imported, imported // 3, imported // 5)
    assert found.rate_limit_s == pytest.approx(held["rate limit"], abs=1e-6)
    assert found.back_off_s == pytest.approx(held["gate"], abs=1e-6)
    assert len(timeline.buckets) <= 8
    assert (len(timeline.buckets) - 1) * timeline.width_s <= seconds


def test_what_came_in_a_long_gap_is_spread_over_it() -> None:
    timeline = Timeline()
    timeline.sample(at(0.0))
    timeline.sample(at(0.5, 1000))

    assert [bucket.imported for bucket in timeline.buckets] == [250, 250, 250, 250, 0]


def test_a_history_passes_on_and_keeps_the_first_warnings() -> None:
    import io

    out = io.StringIO()
    history = History(Lines(out), clock=lambda: 5.0, wall=lambda: 0.0)
    for number in range(MAX_MESSAGES + 3):
        history.say(logging.WARNING, f"trouble {number}")
    history.say(logging.INFO, "no trouble")
    history.tick(lambda: at(1.0, 7))
    history.end(summary(Tally(read=9, imported=9), seconds=2.0))

    assert out.getvalue().count("trouble") == MAX_MESSAGES + 4
    assert (len(history.messages), history.messages_left_out) == (MAX_MESSAGES, 3)
    assert total(history.timeline).imported == 9


# The events.


def batch(lines: bytes) -> Batch:
    return Batch(0, lines, lines.count(b"\n"), ())


def test_events_are_counted_by_name_and_day_but_for_those_that_did_not_arrive() -> None:
    census = Census()
    lines = ndjson([good_event(1), {**good_event(2), "event": EVIL}, good_event(3, time=1_718_100_000), good_event(4)])
    census.add(batch(lines), without=[3])
    census.add(batch(lines))

    assert census.by_name == {"Page View": 5, EVIL: 2}
    assert census.by_day == {"2024-06-10": 5, "2024-06-11": 2}


def test_names_are_bounded_and_what_cannot_be_read_is_counted() -> None:
    census = Census()
    census.add(batch(ndjson([{**good_event(1), "event": f"n{number}"} for number in range(MAX_NAMES + 10)])))
    census.add(batch(b'{"event": 1}\n{}\n'))

    assert (len(census.by_name), census.names.others, census.unread) == (MAX_NAMES, 10, 2)


# Pictures.


@given(st.floats(1e-6, 1e15))
def test_an_axis_has_a_few_round_numbers_and_covers_all(highest: float) -> None:
    steps = scale(highest)

    assert steps[0] == 0
    assert highest <= steps[-1] * 1.0001
    assert 3 <= len(steps) <= 7


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.25, "0.25"), (950, "950"), (1500, "1.5k"), (2e6, "2M")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


@given(st.floats(1e-3, 1e7), st.sampled_from([360, 928]))
def test_times_on_the_axis_fit(seconds: float, width: int) -> None:
    ticks = time_ticks(seconds, width)

    assert ticks[0][0] == 0
    assert ticks[-1][0] <= seconds * 1.0001
    assert len(ticks) - 1 <= (width - LEFT - RIGHT) / 76
    assert len({label for _, label in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [(1, ["0 s", "0.1 s"]), (90, ["0 s", "10 s"]), (36_000, ["0:00 h", "1:00 h"]), (600, ["0 min", "1 min"])],
)
def test_times_have_fitting_units(seconds: float, labels: list[str]) -> None:
    assert [label for _, label in time_ticks(seconds, 928)][:2] == labels


def test_labels_of_many_days_do_not_touch() -> None:
    labels = [f"2024-{number:03}" for number in range(120)]
    places = [place for place, _ in label_ticks(labels, 120, 928)]

    assert 5 < len(places) <= 11


# The report and the page.


def summary(tally: Tally, **changes: Any) -> Summary:
    settings = {"exit_code": 0, "seconds": 1.0, "dry_run": False, "destination": "project 1"}
    return Summary(tally, **{**settings, **changes})


def report(tally: Tally | None = None, census: Census | None = None, **changes: Any) -> dict[str, Any]:
    import io

    history = History(Lines(io.StringIO()), wall=lambda: 1.7e9)
    history.say(logging.WARNING, f"careful {TURNED}")
    ended = summary(tally or Tally(), **changes)
    history.end(ended)
    return report_of(ended, Asked([EVIL], {"--set": EVIL}), history, census or Census())


def test_the_keys_are_those_that_the_readme_names() -> None:
    table = section("A run's report")
    named = [key for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)]

    assert list(report()) == [*summary(Tally()).as_json(), *named]


def days(first: int, count: int) -> Census:
    census = Census()
    census.add(batch(ndjson([good_event(1, time=1_400_000_000 + 86_400 * day) for day in range(first, count)])))
    return census


@pytest.mark.parametrize(
    ("count", "unit", "bars"),
    [(0, "day", 0), (1, "day", 1), (120, "day", 120), (700, "week", 101), (3650, "month", 121)],
)
def test_days_become_weeks_and_months(count: int, unit: str, bars: int) -> None:
    found = report(Tally(read=count, imported=count), days(0, count))

    assert found["day_unit"] == unit
    assert len(found["day_buckets"]) == pytest.approx(bars, abs=1)
    assert sum(found["day_buckets"].values()) == sum(found["events_by_day"].values()) == count
    assert page(found).count("<svg") >= 2 * bool(count)


def test_the_page_has_nothing_that_runs_or_loads_and_text_is_text() -> None:
    census = Census()
    census.add(batch(ndjson([{**good_event(1), "event": name} for name in (EVIL, TURNED)])))
    text = page(report(Tally(read=2, imported=2), census, notes=(EVIL,), destination=EVIL, stopped=EVIL))

    assert not re.search(r"<(script|img|iframe|object|form)|https?:|\sstyle=|url\(|@import", text)
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "&lt;script&gt;" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_names_that_cannot_be_seen_are_shown_and_shares_do_not_flatter() -> None:
    census = Census()
    census.names.add({"": 1, "  ": 2, "all but a few": 10**9})
    text = page(report(Tally(read=10**9 + 3, imported=10**9 + 3), census))

    assert "<i>(empty)</i>" in text
    assert '<bdi>"  "</bdi>' in text
    assert text.count("&lt;0.1%") == 2
    assert "&gt;99.9%" in text


def test_names_beyond_those_told_apart_are_about_so_many() -> None:
    census = Census()
    census.names.add({f"name {number}": 1 for number in range(6000)})
    text = page(report(Tally(read=6000, imported=6000), census))

    assert re.search(r"and 5,975 events of about [56],\d{3} other names", text)


def test_an_axis_of_counts_has_whole_numbers() -> None:
    assert scale(1, 1.0) == [0, 1]
    assert scale(3, 1.0) == [0, 1, 2, 3]


@pytest.mark.parametrize("seconds", [0.0, 0.02, 1.0, 36_000.0])
def test_a_page_can_be_made_of_a_run_of_any_length(seconds: float) -> None:
    found = report(Tally(read=100, imported=100), seconds=seconds)

    assert sum(bucket["imported"] for bucket in found["buckets"]) == 100
    assert "NaN" not in page(found)


@in_a_browser
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    census = days(0, 400)
    census.add(batch(ndjson([{**good_event(1), "event": f"{EVIL} {number}"} for number in range(6000)])))
    found = report(Tally(read=6400, imported=6400), census, exit_code=1)
    for bucket, name in zip(found["buckets"], ("throttled", "failed", "rate_limit_s", "back_off_s"), strict=False):
        bucket[name] = 1
    (tmp_path / "run.html").write_text(page(found), encoding="utf-8")
    program = find_browser()
    assert program
    with Browser(program, tmp_path / "profile") as browser:
        for width, shown in ((1280, "wide"), (400, "narrow")):
            browser.look(width=width, height=900, scheme="dark")
            browser.open((tmp_path / "run.html").as_uri())
            visible = "[...document.querySelectorAll('.chart > div')].filter(one => one.checkVisibility())"
            assert set(browser.run(f"{visible}.map(one => one.className)")) == {shown}
            assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("getComputedStyle(document.body).maxWidth") == "960px"  # the policy lets the style be
        assert browser.run("document.title") == "mpimport: imported all 6,400 events into project 1"
        assert browser.run("document.querySelectorAll('img, script').length") == 0
        assert browser.run("document.querySelectorAll('svg[role=img] > title, svg[role=img] > desc').length") == 8
        assert EVIL in browser.run("document.querySelector('bdi').closest('main').innerText")
        assert browser.problems == []
        assert {url.partition(":")[0] for url in browser.loaded} == {"file"}
        assert all(url.endswith("/run.html") for url in browser.loaded)


# Where and when it is written.


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    def started(*arguments: object) -> int:
        return int(command.main([*map(str, arguments)], standalone_mode=False))

    return started


def load(path: str = "run.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


def test_a_run_that_had_trouble_is_told_whole(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    events = [good_event(number, time=5 if number % 10 == 0 else 1_718_000_000) for number in range(400)]
    write_ndjson(Path("e.ndjson"), events)
    reports = ("--report", "run.html", "--report", "run.json")
    with Sandbox(SandboxConfig(faults=(("429", 0.3), ("503", 0.2)), seed=1)) as sandbox:
        sizes: tuple[object, ...] = ("--batch-size", 10, "--workers", 1, *QUICK_BACKOFF)
        sizes += ("--max-events-per-second", 0, "--max-bytes-per-minute", 0)  # else it would find its share of them
        code = run("e.ndjson", "--url", sandbox.url, "--token", "t0ken", "--json", *sizes, *reports)
    told = json.loads(capsys.readouterr().out)
    found = load()

    assert code == 1
    assert told.pop("notes") == ["a report of this run is in run.html, run.json"]
    assert {name: found[name] for name in told} == told
    assert sum(found["events_by_name"].values()) == sum(found["events_by_day"].values()) == found["imported"] == 360
    sums = {name: sum(bucket[name] for bucket in found["buckets"]) for name in found["buckets"][0]}
    assert (sums["imported"], sums["rejected"], sums["failed"]) == (360, 40, found["retries"])
    assert 0 < sums["throttled"] < sums["failed"]
    assert found["reject_examples"][0]["line"] == 1
    assert {message["level"] for message in found["messages"]} == {"warning"}
    assert "--token" not in found["options"]
    assert not re.search(
        f"t0ken|{CREDENTIALS['MP_SECRET']}", Path("run.json").read_text() + Path("run.html").read_text()
    )
    assert os.name != "posix" or {Path(name).stat().st_mode & 0o777 for name in reports[1::2]} == {0o600}
    assert not list(Path().glob("*.mpimport-new"))


def test_a_run_that_was_refused_and_a_dry_one_have_a_report(run: Callable[..., int]) -> None:
    write_ndjson(Path("e.ndjson"), [good_event(1), good_event(2)])
    with Sandbox(SandboxConfig(secret="another", username="x", project_id="1")) as sandbox:
        refused = run("e.ndjson", "--url", sandbox.url, "--report", "run.json", "--no-checkpoint", "-q")
    of_refused = load()
    dry = run("e.ndjson", "--dry-run", "--report", "run.json", "-q")

    assert (refused, of_refused["exit_code"], of_refused["undelivered"]) == (4, 4, 2)
    assert of_refused["messages"][0]["level"] == "error"
    assert of_refused["events_by_name"] == {}
    assert (dry, load()["valid"], load()["events_by_name"]) == (0, 2, {"Page View": 2})


def test_a_run_that_is_interrupted_has_a_report_and_metrics(tmp_path: Path) -> None:
    write_ndjson(tmp_path / "e.ndjson", [good_event(number) for number in range(5)])
    with Sandbox(SandboxConfig(faults=(("503", 1.0),))) as sandbox:
        files = ("--report", "run.html", "--report", "run.json", "--metrics", "m.prom")
        process = start("e.ndjson", "--url", sandbox.url, *files, cwd=tmp_path)
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "m.prom").exists() or not sandbox.stats()["requests"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            ended = finish(process)
        finally:
            process.kill()

    found = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert (ended.code, found["exit_code"], found["stopped"]) == (130, 130, "interrupted"), ended.err
    assert (found["read"], found["undelivered"]) == (5, 5)
    assert 'mpimport_last_exit_code{import="m"} 130.0' in (tmp_path / "m.prom").read_text()
    assert "STOPPED: interrupted" in (tmp_path / "run.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--report", "run.pdf"), "--report run.pdf: its ending says what is written"),
        (("--report", "nowhere/run.html"), "--report nowhere/run.html: cannot be written there"),
        (("--report", "e.json"), "--report e.json: is a source (e.json), too; name another file"),
        (("--report", "r.json", "--rejected", "r.json"), "--report r.json: is --rejected (r.json), too"),
        (("--report", "c.json", "--checkpoint", "c.json"), "--checkpoint c.json: is --report (c.json), too"),
        (("--metrics", "run.txt"), "--metrics run.txt: the node exporter reads files that end in .prom"),
        (("--metrics", "m.prom", "--dry-run"), "--metrics and --dry-run"),
    ],
)
def test_a_place_that_is_none_is_refused_before_anything_is_read(
    options: tuple[str, ...], words: str, run: Callable[..., int]
) -> None:
    write_ndjson(Path("e.json"), [good_event(1)])
    with pytest.raises(UsageProblem, match=re.escape(words)):
        run("e.json", *options)

    assert [path.name for path in Path().iterdir()] == ["e.json"]


@pytest.mark.parametrize(("before", "after"), [(0, 5), (1, 5), (4, 4), (130, 130)])
def test_a_report_that_cannot_be_written_changes_the_exit_code_only(before: int, after: int, tmp_path: Path) -> None:
    import io

    out, gone = io.StringIO(), tmp_path / "gone" / "run.html"
    telling = Telling(RunSettings(reports=(str(gone), str(tmp_path / "run.json"))), ["e"], Lines(out))
    with ExitStack() as stack:
        telling.begin(stack)
        logging.getLogger("mpimport.keeper").warning("the checkpoint cannot be written")
        ended = telling.end(summary(Tally(read=3, imported=3), exit_code=before))

    assert ended.exit_code == after
    assert ended.tally == Tally(read=3, imported=3)
    words = f"--report {gone}: cannot be written: No such file or directory"
    assert ended.unwritten == (words,)
    assert ended.as_json()["notes"] == [words]
    assert f"error: {words}" in summary_lines(ended)
    assert out.getvalue() == ""
    found = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["messages"]
    assert found[0]["message"] == "the checkpoint cannot be written"


def test_a_bug_in_a_report_does_not_take_the_summary_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("mpimport.run_report.histogram", lambda *_: 1 / 0)
    with ExitStack() as stack:
        telling = Telling(RunSettings(reports=(str(tmp_path / "run.json"),)), ["e"], Lines(io.StringIO()))
        telling.begin(stack)
        ended = telling.end(summary(Tally(read=3, imported=3)))

    assert (ended.exit_code, ended.tally.imported) == (70, 3)
    assert "a bug in mpimport: ZeroDivisionError" in ended.unwritten[0]


def test_every_line_is_json_where_that_was_asked_for(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    write_ndjson(Path("e.ndjson"), [good_event(1), good_event(2, time=5)])
    code = run("e.ndjson", "--sandbox", "--log-format", "json", "-v")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    with pytest.raises(Told):
        run("gone.ndjson", "--sandbox", "--log-format", "json")
    refused = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert code == 1
    assert all({"ts", "level", "message"} <= set(line) for line in lines + refused)
    assert [line["summary"]["exit_code"] for line in lines if "summary" in line] == [1]
    assert [line["exit_code"] for line in refused] == [2] * len(refused)
    assert "gone.ndjson" in refused[0]["message"]
