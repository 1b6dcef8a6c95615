"""What people see: plain lines without control characters, a display on a terminal, a summary that fits."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from subprocess import PIPE
from typing import Any, TypeAlias

import pytest
from manual import section
from rich.console import Console

from mpimport.account import ReasonCount, Summary, Tally
from mpimport.limits import show
from mpimport.printable import clean
from mpimport.progress import Lately, Progress, progress_line
from mpimport.records import Batch, Flow, Outcome, Pace, Waiting
from mpimport.replies import clean_words
from mpimport.report import (
    DRAW_AFTER_S,
    PLAIN_PERIOD_S,
    Lines,
    Screen,
    choose,
    draw,
    print_summary,
    route_logging,
)
from mpimport.summary_text import TOP_REASONS, duration, followed_by, megabytes, next_steps, summary_lines
from mpimport.trouble import Trouble

needs_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
Child: TypeAlias = "subprocess.Popen[str]"
UP = b"\x1b[1A"  # ECMA-48, CUU
DRAWS_WHEN_TOLD = """
import itertools, os, sys
from mpimport.progress import Progress
from mpimport.report import Screen

screen = Screen(sys.stderr, clock=itertools.count().__next__)
half = Progress(50_000_000, 100_000_000, 100_000, 99_995, 5, 2, 10.0, source="events.ndjson")
for _ in sys.stdin:
    screen.tick(lambda: half)
    os.write(1, b"drawn\\n")
"""
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HALF = Progress(50_000_000, 100_000_000, 100_000, 99_995, 5, 2, 10.0, source="events.ndjson", flow=Flow(under_way=16))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_progress_knows_its_share_rate_and_time_left() -> None:
    assert (HALF.share, HALF.rate, HALF.seconds_left) == (0.5, 10_000, 10.0)


def test_the_rate_and_the_time_left_are_those_of_late_and_fit_each_other() -> None:
    lately = Lately()
    for second in range(1, 21):  # 1,000 events a second, of 1,000 bytes each
        lately.look(Progress(1000_000 * second, 100_000_000, 1000 * second, 1000 * second, 0, 0, float(second)))
    for second in range(21, 41):  # then 100
        events = 20_000 + 100 * (second - 20)
        now = lately.look(Progress(1000 * events, 100_000_000, events, events, 0, 0, float(second)))

    assert now.rate == pytest.approx(100)
    assert now.seconds_left == pytest.approx((100_000 - 22_000) / 100)


def test_the_rate_is_no_more_than_the_rate_limit_leaves_for_the_rest() -> None:
    paced = replace(HALF, flow=Flow(pace=Pace(1500, 33e6, 60.0)))

    assert paced.seconds_left is not None
    assert paced.rate * paced.seconds_left == pytest.approx(100_000)


@pytest.mark.parametrize(
    "changes", [{"stuck": True, "waiting": "waiting: refused"}, {"flow": Flow("gate", 20.0)}, {"flow": Flow("probe")}]
)
def test_where_nothing_can_arrive_there_is_no_rate_and_no_time_left(changes: dict[str, Any]) -> None:
    held, lately = replace(HALF, **changes), Lately()

    assert (held.rate, held.seconds_left) == (0.0, None)
    for shown in (progress_line(held), drawn(held)):
        assert "events/s" not in shown
        assert "left" not in shown
    for seconds in range(10, 51):
        lately.look(replace(held, seconds=float(seconds)))
    after = lately.look(replace(HALF, seconds=100.0, read=105_000, imported=104_995, bytes_read=52_500_000))
    assert after.rate == pytest.approx(100), "what was waited for long is not counted, nor what went before"
    assert after.seconds_left == pytest.approx(950)


def test_rests_after_each_burst_are_counted() -> None:
    lately, told = Lately(), []
    for tenth in range(300):  # each 5 s a burst of 1,000 in half a second, and then a rest
        second, in_burst = tenth / 10, tenth % 50 < 5
        events = 1000 * (tenth // 50) + 200 * min(tenth % 50 + 1, 5)
        flow = Flow() if in_burst else Flow("gate", 1.0)
        now = lately.look(Progress(1000 * events, 10_000_000, events, events, 0, 0, second, flow=flow))
        assert (now.seconds_left is None) == (not in_burst)
        if in_burst and second >= 10:
            told.append(now.rate)

    assert 200 <= min(told) <= max(told) <= 300


def test_a_run_is_stuck_when_what_was_tried_last_failed_and_nothing_arrives() -> None:
    trouble, report = Trouble(), Lines(io.StringIO(), period_s=None)
    arrived = Outcome(Batch(0, b"", 1, ()), 1)
    assert not trouble.stuck(0.0)
    trouble.settled(arrived, 1.0)
    trouble.note(Waiting(1, 1, "refused", 30.0, "lost"), 2.0, report)
    assert [trouble.stuck(now) for now in (2.0, 2.9, 3.0, 31.0)] == [False, False, True, True]
    trouble.settled(arrived, 32.0)
    assert not trouble.stuck(60.0)


def drawn(now: Progress) -> str:
    """Give the display as text."""
    console = Console(file=io.StringIO(), width=100)
    console.print(draw(now))
    return str(getattr(console.file, "getvalue")())  # noqa: B009  mypy knows a file only


def test_what_an_earlier_run_has_read_says_nothing_about_the_speed_of_this_one() -> None:
    resumed = replace(HALF, bytes_skipped=40_000_000)

    assert resumed.share == 0.5
    assert resumed.seconds_left == pytest.approx(50.0)
    assert replace(HALF, bytes_skipped=50_000_000).seconds_left is None


@pytest.mark.parametrize("total", [None, 0])
def test_progress_of_an_unknown_size(total: int | None) -> None:
    progress = Progress(5, total, 1, 1, 0, 0, 0.0)

    assert (progress.share, progress.rate, progress.seconds_left) == (None, 0.0, None)
    assert "read" in progress_line(progress)


def test_plain_progress_is_one_line_a_period() -> None:
    out, time = io.StringIO(), Time()
    lines = Lines(out, clock=time)
    for second in range(31):
        time.now = float(second)
        lines.tick(lambda: HALF)

    written = out.getvalue().splitlines()
    assert len(written) == 30 // PLAIN_PERIOD_S
    assert "50% of 100.0 MB, 100,000 read, 99,995 imported, 5 rejected, 2 failed requests, 16 in flight" in written[0]
    assert "10 s left" in written[0]


@pytest.mark.parametrize(
    ("level", "said", "shown"),
    [
        (logging.INFO, logging.INFO, True),
        (logging.INFO, logging.DEBUG, False),
        (logging.WARNING, logging.INFO, False),
        (logging.WARNING, logging.ERROR, True),
        (logging.DEBUG, logging.DEBUG, True),
    ],
)
@pytest.mark.parametrize("kind", [Lines, Screen])
def test_levels(kind: type[Lines | Screen], level: int, said: int, *, shown: bool) -> None:
    out = io.StringIO()
    kind(out, level=level).say(said, "hello")

    assert ("hello" in out.getvalue()) == shown


def test_json_lines_have_stable_keys_and_no_control_characters() -> None:
    out = io.StringIO()
    Lines(out, as_json=True).say(logging.WARNING, "bad \x1b[31m", seconds=3)

    assert set(json.loads(out.getvalue())) == {"ts", "level", "message", "seconds"}
    assert json.loads(out.getvalue())["level"] == "warning"
    assert "\x1b" not in out.getvalue()


def test_progress_in_json_has_the_fields_that_the_readme_names() -> None:
    out, time = io.StringIO(), Time()
    lines = Lines(out, as_json=True, clock=time)
    time.now = PLAIN_PERIOD_S
    lines.tick(lambda: HALF)
    table = section("Log lines")
    named = {key for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}

    found = json.loads(out.getvalue())
    assert set(found) == named - {"exit_code", "summary", "next_steps", "reject_examples", "problems"}
    assert (found["read"], found["share"], found["events_per_s"], found["seconds_left"]) == (100_000, 0.5, 10_000, 10.0)
    assert datetime.fromisoformat(found["ts"]).tzinfo is not None


def test_no_progress_means_none() -> None:
    out, time = io.StringIO(), Time()
    lines = Lines(out, period_s=None, clock=time)
    time.now = 100.0
    lines.tick(lambda: HALF)

    assert out.getvalue() == ""


def test_a_quick_run_shows_no_display_and_a_slow_one_takes_it_away_again() -> None:
    out, time = Terminal(), Time()
    screen = Screen(out, clock=time)
    screen.tick(lambda: HALF)
    assert out.getvalue() == ""

    time.now = DRAW_AFTER_S
    screen.tick(lambda: HALF)
    screen.say(logging.WARNING, "careful [red]")
    screen.close()

    assert "imported" in out.getvalue()
    assert "careful [red]" in out.getvalue()


def ups_after(steps: Sequence[Callable[[Child, int], None]], environ: Mapping[str, str] | None = None) -> list[int]:
    """Draw after each step that a child and its terminal take, and count the rows that each drawing goes up."""
    shown, terminal = os.openpty()
    ups = []
    with subprocess.Popen(
        [sys.executable, "-c", DRAWS_WHEN_TOLD], stdin=PIPE, stdout=PIPE, stderr=terminal, env=environ, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for step in steps:
            step(child, terminal)
            child.stdin.write("draw\n")
            child.stdin.flush()
            assert child.stdout.readline() == "drawn\n"
            ups.append(os.read(shown, 1 << 16).count(UP))
    os.close(terminal)
    os.close(shown)
    return ups


@needs_terminals
@pytest.mark.parametrize(
    ("environ", "wraps"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "screen", "STY": "1.tty", "TMUX": "/tmp/tmux,1,0"}, True),
        ({"TERM": "xterm"}, False),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(379)"}, False),
        ({"TERM": "screen.xterm-256color"}, False),
    ],
)
def test_a_display_that_is_narrowed_takes_away_its_own_rows_and_no_others(
    environ: dict[str, str], *, wraps: bool
) -> None:
    def to(columns: int) -> Callable[[Child, int], None]:
        import fcntl
        import termios

        return lambda _, terminal: fcntl.ioctl(terminal, termios.TIOCSWINSZ, array("H", (24, columns, 0, 0)))

    ups = ups_after([to(120), to(120), to(60)], environ)

    own = ups[1]  # from the last of its rows to the first
    assert ups[2] - own == (2 if wraps else 0)  # both of its rows were wider than 60 columns


@needs_terminals
def test_after_ctrl_z_and_fg_the_display_begins_below_what_the_shell_has_written() -> None:
    def nothing(child: Child, terminal: int) -> None:
        pass

    def go_on(child: Child, _: int) -> None:
        child.send_signal(signal.SIGCONT)

    first, second, after, later = ups_after([nothing, nothing, go_on, nothing])
    assert second == later > 0
    assert first == after == 0


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("waiting", ["", "waiting: the server is busy (503)"])
def test_the_display_fits_the_terminal(width: int, waiting: str) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(draw(Progress(5, 10, 1_000_000, 999_999, 123, 7, 5.0, 9, "a/very/long/name" * 5, waiting), width))

    lines = capture.get().splitlines()
    assert all(len(line) <= width for line in lines)
    assert "999,999 imported" in capture.get()
    assert (waiting.split(" ", maxsplit=1)[0] in capture.get()) or not waiting


@pytest.mark.parametrize(
    ("terminal", "progress", "as_json", "expected"),
    [(True, None, False, Screen), (True, False, False, Lines), (True, None, True, Lines), (False, None, False, Lines)],
)
def test_the_choice_of_a_report(
    terminal: bool,
    progress: bool | None,
    as_json: bool,
    expected: type[Lines | Screen],
) -> None:
    out = Terminal() if terminal else io.StringIO()

    assert isinstance(choose(out, progress=progress, level=logging.INFO, as_json=as_json), expected)


def test_what_our_modules_log_is_said() -> None:
    out = io.StringIO()
    with route_logging(Lines(out)):
        logging.getLogger("mpimport.somewhere").error("two\nlines")
        logging.getLogger("mpimport.somewhere").info("and this")
        logging.getLogger("mpimport.somewhere").debug("this only with -v")
    logging.getLogger("mpimport.somewhere").debug("not any more")

    told = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert told == ["error: two", "error: lines", "and this"]


def summary(**changes: object) -> Summary:
    settings: dict[str, object] = {
        "tally": Tally(read=10, imported=10, requests=1),
        "exit_code": 0,
        "seconds": 2.0,
        "dry_run": False,
        "destination": "project 1, region EU (https://api-eu.mixpanel.com/import)",
    }
    return Summary(**{**settings, **changes})  # type: ignore[arg-type]  # a table of changes


def test_the_summary_of_a_success_names_the_region() -> None:
    lines = summary_lines(summary())

    assert lines[0] == "imported all 10 events into project 1, region EU (https://api-eu.mixpanel.com/import)"
    assert lines[-1] == "  1 request, 0 retries, 0 B of JSON, 2.0 s, 5 events/s"


def test_the_summary_never_flatters() -> None:
    tally = Tally(read=10, imported=7, rejected=1, undelivered=2)
    lines = summary_lines(summary(tally=tally, exit_code=5, stopped="a batch kept failing"))

    assert lines[0] == "STOPPED: a batch kept failing"
    assert "undelivered              2" in "\n".join(lines)


@pytest.mark.parametrize(("requests", "ends"), [(0, "again"), (1, "are deduplicated by their $insert_id")])
def test_only_what_was_sent_can_arrive_twice(requests: int, ends: str) -> None:
    tally = Tally(read=10, undelivered=10, requests=requests)
    (step,) = next_steps(summary(tally=tally, exit_code=130, stopped="interrupted"))

    assert step.startswith("run the same command again")
    assert step.endswith(ends)


def test_a_question_is_followed_by_a_sentence() -> None:
    assert followed_by("is it running?", "attempt 1 failed") == "is it running? Attempt 1 failed"
    assert followed_by("it answers 503", "attempt 1 failed") == "it answers 503; attempt 1 failed"


def test_a_run_that_imports_nothing_has_no_speed() -> None:
    refused = Tally(read=10, rejected=4, undelivered=6, requests=1)

    assert summary_lines(summary(tally=refused, exit_code=4, stopped="refused"))[-1].endswith("0 B of JSON, 2.0 s")
    assert summary_lines(summary(tally=Tally(read=2, valid=2), dry_run=True))[-1].endswith("2.0 s, 1 events/s")


def test_the_summary_shows_the_top_reasons_with_an_example_each() -> None:
    tally = Tally(read=100, rejected=100)
    for number in range(20):
        tally.reasons[f"code_{number:02}"] = ReasonCount(20 - number, "e.ndjson", number + 1, "mend \x1b[2J this")
    text = "\n".join(summary_lines(summary(tally=tally, exit_code=1, rejected_files=("r.ndjson",))))

    assert "20 code_00: e.ndjson:1: mend \\x1b[2J this" in text
    assert f"code_{TOP_REASONS - 1:02}" in text
    assert f"code_{TOP_REASONS:02}" not in text
    assert f"and {20 - TOP_REASONS} more" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exit_code": 5, "stopped": "gave up"}, "run the same command again"),
        ({"exit_code": 130, "stopped": "interrupted"}, "run the same command again"),
        ({"exit_code": 4, "stopped": "refused"}, "mend what stopped it"),
        ({"exit_code": 5, "stopped": "gave up", "checkpoint": "c"}, "run the same command again: it continues"),
        ({"exit_code": 5, "checkpoint": "c", "restarted": True}, "run the same command again without --restart: it "),
        ({"exit_code": 1, "rejected_files": ("x.rejected.ndjson",)}, "mend the events in x.rejected.ndjson"),
        ({"exit_code": 5, "undelivered_files": ("u.ndjson",)}, "import u.ndjson"),
        ({"exit_code": 5}, "mend what kept a file from being written, and run the same command again to have it"),
    ],
)
def test_what_to_do_next(changes: dict[str, object], words: str) -> None:
    assert words in " ".join(next_steps(summary(**changes)))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["a"], "in a, then import that file"),
        (["a", "b"], "in a and b, then import those files"),
        (["x/a", "y/b", "c"], "in x/a, y/b and c, then"),
        (["x/a", "x/b", "x/c", "x/d", "x/e"], "in x/a, x/b, x/c and 2 more in x, then"),
        (["a", "b", "c", "x/d"], "in a, b, c and 1 more, then"),
    ],
)
def test_all_files_to_mend_are_named_or_counted(files: list[str], words: str) -> None:
    assert words in " ".join(next_steps(summary(exit_code=1, rejected_files=tuple(files))))


@pytest.mark.parametrize(
    ("read", "code", "count", "words"),
    [
        (3, "time_unreadable", 3, "all 3 records were rejected for one reason, time_unreadable: --time-format FORMAT"),
        (90, "time_unreadable", 30, "all 30 rejects have one reason, time_unreadable: import r with --time-format"),
        (90, "too_deep", 20, "too_deep: mend the others in r, then import r with --deep flatten"),
        (90, "too_deep", 10, "mend the events in r, then"),
        (90, "distinct_id_missing", 30, "all 30 rejects have one reason, distinct_id_missing: import r with "),
        (90, "time_missing", 30, "mend the events in r, then"),
        (90, "distinct_id_disallowed", 30, "mend the events in r, then"),
    ],
)
def test_an_option_that_mends_most_of_them_is_named_instead(read: int, code: str, count: int, words: str) -> None:
    reasons = {code: ReasonCount(count, "e", 1, "wrong", b'{"event":"x","user":"u"}')}
    tally = Tally(read=read, imported=read - min(read, 30), rejected=min(read, 30), reasons=reasons)
    (step,) = next_steps(summary(tally=tally, exit_code=1, rejected_files=("r",)))

    assert words in step


@pytest.mark.parametrize(
    ("read", "imported", "resumed", "words"),
    [
        (0, 0, False, "no event was read to import into project 1"),
        (0, 0, True, "nothing was left to import into"),
        (1, 1, False, "imported the one event into"),
        (1, 1, True, "imported the remaining 1 event into"),
        (1, 0, False, "imported NONE of 1 event into"),
        (2, 2, False, "imported both events into"),
        (3, 2, False, "imported 2 of 3 events into"),
    ],
)
def test_the_first_line_counts_in_words_that_fit(read: int, imported: int, words: str, *, resumed: bool) -> None:
    tally = Tally(read=read, imported=imported, rejected=read - imported)

    told = summary_lines(summary(tally=tally, resumed=resumed, exit_code=int(read > imported)))
    assert told[0].startswith(words)


@pytest.mark.parametrize("how", [{"exit_code": 5}, {"exit_code": 1, "dry_run": True}])
def test_a_run_is_not_in_vain_that_was_cut_short_or_was_to_import_nothing(how: dict[str, Any]) -> None:
    assert not summary(tally=Tally(read=1, rejected=1), **how).in_vain


def test_a_run_is_not_in_vain_after_one_that_imported_something() -> None:
    assert summary(tally=Tally(read=1, rejected=1), exit_code=1).in_vain
    assert not summary(tally=Tally(read=1, rejected=1, already_imported=5), exit_code=1).in_vain


def test_nothing_is_to_do_after_a_success() -> None:
    assert next_steps(summary()) == ()
    assert next_steps(summary(exit_code=1, rejected_files=(os.devnull,))) == ()


def test_the_summary_has_a_time_in_a_log_and_colour_on_a_terminal() -> None:
    plain, terminal = io.StringIO(), Terminal()
    print_summary(lambda _: ["done", "more"], plain, exit_code=0)
    print_summary(lambda _: ["done", "more"], terminal, exit_code=0)

    first, second = plain.getvalue().splitlines()
    moment, told = first.split(" ")
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert (told, second) == ("done", "more")
    assert "done" in terminal.getvalue()
    assert moment[:10] not in terminal.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[0m\n\t", "\\x1b[0m\\n\\t"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202e\u2066\u200f\u2028", "\\u202e\\u2066\\u200f\\u2028"),
        ("東京", "東京"),
        (FAMILY, FAMILY),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),  # Hindi
        ("a\u200db\u200d", "a\\u200db\\u200d"),
        (f"\u200d{FAMILY}\u200d", f"\\u200d{FAMILY}\\u200d"),
        ("\U0001f468\u202e\U0001f469", "\U0001f468\\u202e\U0001f469"),
    ],
)
def test_text_from_outside_is_made_safe(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_value_in_a_message_keeps_an_emoji_whole() -> None:
    assert clean(show(FAMILY)) == f"'{FAMILY}'"
    assert clean(show("a\u200db")) == "'a\\u200db'"
    assert show(r"\u200d") == repr(r"\u200d")
    assert clean_words(f"no {FAMILY}\u202e!") == f"no {FAMILY} !"


@pytest.mark.parametrize(
    ("nbytes", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (3e12, "3.0 TB")]
)
def test_bytes_for_people(nbytes: float, shown: str) -> None:
    assert megabytes(nbytes) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61, "1:01 min"), (3661, "1:01:01 h")]
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        (Flow(), "busy"),
        (Flow("rate limit", 42.0), "waiting for the rate limit for 42.0 s"),
        (Flow("rate limit"), "waiting for the rate limit"),
        (Flow("gate", 65.0), "waiting for 1:05 min: the server asked to hold back"),
        (Flow("probe"), "trying with one request whether the server takes more"),
        (Flow("concurrency"), "busy"),
        (Flow(share=0.62), "busy; less is sent for now, since the server answered 429"),
        (
            Flow("rate limit", 3.0, 0.4),
            "waiting for the rate limit for 3.0 s; less is sent for now, since the server answered 429",
        ),
    ],
)
def test_progress_says_what_sending_waits_for(flow: Flow, words: str) -> None:
    now = Progress(5, 10, 100, 90, 1, 0, 5.0, waiting="busy", flow=flow)

    assert now.held == words
    assert progress_line(now).endswith(words)


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, "importing"),
        ({"checks_only": True}, "checking"),
        ({"bytes_skipped": 60_000_000}, "passing over what earlier runs settled"),
        ({"bytes_read": 100_000_000}, "sending the rest"),
        ({"bytes_read": 100_000_000, "imported": 0, "rejected": 0}, "importing"),
        ({"bytes_read": 100_000_000, "checks_only": True}, "checking"),
        ({"bytes_read": 100_000_000, "stopping": True}, "stopping"),
    ],
)
def test_progress_says_in_which_phase_it_is(changes: dict[str, Any], phase: str) -> None:
    now = replace(HALF, **changes)

    assert now.phase == phase
    assert (phase in progress_line(now)) == (phase not in ("importing", "checking"))


def test_a_dry_run_imports_nothing_and_says_so() -> None:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as capture:
        console.print(draw(replace(HALF, checks_only=True)))

    for told in (capture.get(), progress_line(replace(HALF, checks_only=True))):
        assert "99,995 valid" in told
        assert "imported" not in told
        assert "in flight" not in told


def test_the_time_left_knows_the_rate_limit_after_the_burst_of_the_beginning() -> None:
    """100,000 events in 10 s, as a window of 60 s at 1,500 a second lets through; the other half is to follow."""
    paced = replace(HALF, nbytes=50_000_000, flow=Flow(pace=Pace(1500, 33e6, 60.0)))

    assert paced.seconds_left == pytest.approx(200_000 / 1500 - 60 - 10, abs=0.1)
    assert replace(paced, flow=Flow(pace=Pace(1e6, 1e5, 60.0))).seconds_left == pytest.approx(1000 - 60 - 10)
    assert replace(HALF, flow=Flow(pace=Pace())).seconds_left == 10.0


def test_what_is_unknown_is_null_in_json() -> None:
    unknown = Progress(5, None, 0, 0, 0, 0, 0.0).as_json()

    assert json.loads(json.dumps(unknown, allow_nan=False)) == unknown
    assert (unknown["share"], unknown["seconds_left"], unknown["waiting"]) == (None, None, None)


def test_a_message_on_a_terminal_is_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = Terminal()
    Screen(out).say(logging.WARNING, "the server answers 503: something went wrong")

    assert out.getvalue() == "warning: the server answers\n  503: something went wrong\n"


def test_a_summary_is_wrapped_between_words_and_shows_as_many_reasons_as_fit() -> None:
    tally = Tally(read=100, rejected=100)
    for number in range(20):
        tally.reasons[f"code_{number:02}"] = ReasonCount(20 - number, "e.ndjson", number + 1, "mend this " * 9)
    told = Terminal()
    print_summary(lambda most: summary_lines(summary(tally=tally, exit_code=1), most_reasons=most), told, exit_code=1)

    rows = told.getvalue().splitlines()
    assert len(rows) < 25
    assert all(len(row) <= 80 for row in rows)
    assert "and 13 more; --json tells them all" in rows[-1]
    assert all(row.startswith("           ") for row in rows if row.lstrip().startswith("mend"))


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")

    assert isinstance(choose(Terminal(), progress=None, level=logging.INFO, as_json=False), Lines)
