"""The whole run with a scripted server: inline and in threads, whatever the server does, the account balances."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeClock, ScriptedSend, failed, plain, reply, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import good_event, ndjson

from mpimport.account import Summary
from mpimport.admission import Admission
from mpimport.backoff import Backoff
from mpimport.endpoints import classify
from mpimport.errors import BrokenInput
from mpimport.formats import ReadOptions
from mpimport.gate import Gate
from mpimport.inputs import FileInput
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.pipeline import run
from mpimport.plan import Input, Plan
from mpimport.progress import Progress
from mpimport.records import Block, Flow, Response, Unreadable
from mpimport.route import Route
from mpimport.senders import InlineSenders, Senders
from mpimport.settings import MaxRejected
from mpimport.settle import Settler
from mpimport.sources import Source

NOW_S = 1_750_000_000.0


class Recorded:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.progress: list[Progress] = []
        self.ended = threading.Event()

    def tick(self, progress: Callable[[], Progress]) -> None:
        """Keep it."""
        self.progress.append(progress())

    def say(self, level: int, message: str, **fields: Any) -> None:
        """Keep it."""
        self.said.append(message)

    def ends(self, message: str) -> None:
        """Keep it."""
        self.said.append(message)
        self.ended.set()

    def close(self) -> None:
        """Nothing is open."""


class Given:
    """An input of NDJSON text, a block for each text; an exception among them is raised there."""

    def __init__(
        self, *texts: bytes | Exception | Callable[[], object], name: str = "e.ndjson", resumable: bool = True
    ) -> None:
        self.name = name
        self.resumable = resumable
        self.size: int | None = None
        self.columns = None
        self.open_end = None
        self.consumed = 0
        self.continued = False
        self.skipped = 0
        self._texts = texts

    @property
    def is_void(self) -> bool:
        """Whether nothing was in it."""
        return not self.consumed

    @contextmanager
    def open(self) -> Iterator[Iterator[Block | Unreadable]]:
        """Give the blocks."""
        yield self._blocks()

    def _blocks(self) -> Iterator[Block | Unreadable]:
        number = 1
        for text in self._texts:
            if isinstance(text, Exception):
                raise text
            if not isinstance(text, bytes):
                text()
                continue
            self.consumed += len(text)
            yield Block(number, BytesIO(text))
            number += text.count(b"\n")


class Running:
    """A run with everything at hand that a test may look at."""

    def __init__(self, folder: Path, send: Any = None, *, threads: int = 0, **settings: Any) -> None:
        self.folder = folder
        self.send = ScriptedSend() if send is None else send
        self.clock = FakeClock()
        self.report = Recorded()
        self.interrupt = Interrupt()
        self.threads = threads
        self.give_up_after_s = settings.pop("give_up_after_s", 900.0)
        self.intake = Intake(max_events=10, max_bytes=100_000, geolocate=True, clock=lambda: NOW_S)
        self.settings = settings

    def __call__(self, *inputs: Input, dry_run: bool = False) -> Summary:
        """Run to the end."""
        even = Backoff(2, 60, 0, 0)
        route = Route(
            admission=Admission(self.clock, gate=Gate(even)),
            send=self.send, classify=classify, encode=plain, clock=self.clock,
            backoff=even, give_up_after_s=self.give_up_after_s, rng=random.Random(1),
        )  # fmt: skip
        senders = Senders(route, self.threads) if self.threads else InlineSenders(route)
        names = {source.name for source in inputs if not source.resumable}
        return run(
            Plan(
                inputs=inputs,
                intake=self.intake,
                settler=Settler(lambda source: self.folder / f"{source}.rejected.ndjson", names.__contains__),
                senders=None if dry_run else senders,
                workers=max(self.threads, 1),
                report=self.report,
                interrupt=self.interrupt,
                destination="project 1",
                clock=self.clock.now,
                **self.settings,
            )
        )


def text(first: int, count: int) -> bytes:
    return ndjson([good_event(n) for n in range(first, first + count)])


def balance(summary: Summary) -> tuple[int, int, int, int]:
    assert summary.tally.balances
    return summary.read, summary.imported, summary.rejected, summary.undelivered


@pytest.fixture(params=[0, 4], ids=["inline", "threads"])
def threads(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


def test_everything_arrives_once(tmp_path: Path, threads: int) -> None:
    running = Running(tmp_path, threads=threads)
    summary = running(Given(text(0, 25), text(25, 30)), Given(text(100, 7), name="f.ndjson"))

    sent = [json.loads(line)["properties"]["$insert_id"] for body in running.send.bodies for line in body.splitlines()]
    assert balance(summary) == (62, 62, 0, 0)
    assert summary.exit_code == 0
    assert len(sent) == len(set(sent)) == 62
    assert list(tmp_path.iterdir()) == []


def test_rejects_are_told_with_the_batch_they_stand_in(tmp_path: Path, threads: int) -> None:
    running = Running(tmp_path, threads=threads)
    bad = b'{"event":"x"}\n'
    summary = running(Given(text(0, 5) + bad + text(5, 3) + bad * 2))

    lines = [json.loads(line)["line"] for line in (tmp_path / "e.ndjson.rejected.ndjson").read_bytes().splitlines()]
    assert balance(summary) == (11, 8, 3, 0)
    assert summary.exit_code == 1
    assert lines == [6, 10, 11]


def test_a_file_of_rejects_only_is_settled_without_a_request(tmp_path: Path) -> None:
    running = Running(tmp_path)
    summary = running(Given(b"nonsense\n" * 5000))

    assert balance(summary) == (5000, 0, 5000, 0)
    assert running.send.bodies == []


def test_a_fatal_reply_stops_reading(tmp_path: Path, threads: int) -> None:
    running = Running(tmp_path, lambda body, headers: reply(401, {"code": 401, "error": "Invalid"}), threads=threads)
    summary = running(Given(*[text(n * 50, 50) for n in range(100)]))

    assert summary.exit_code == 4
    assert summary.imported == 0
    assert summary.read < 5000
    assert summary.tally.requests <= max(threads, 1)
    assert balance(summary)[3] == summary.read


def test_a_server_that_is_down_stops_the_run_and_files_are_read_again_later(tmp_path: Path, threads: int) -> None:
    running = Running(tmp_path, lambda body, headers: Response(503), threads=threads, give_up_after_s=20)
    summary = running(Given(*[text(n * 50, 50) for n in range(100)]))

    assert summary.exit_code == 5
    assert 0 < summary.read < 5000
    assert balance(summary)[3] == summary.read
    assert summary.undelivered_files == ()


def test_what_cannot_be_read_again_is_saved_to_the_end(tmp_path: Path, threads: int) -> None:
    running = Running(tmp_path, lambda body, headers: Response(503), threads=threads, give_up_after_s=20)
    summary = running(Given(*[text(n * 50, 50) for n in range(10)], name="stdin", resumable=False))

    saved = (tmp_path / "stdin.rejected.ndjson.undelivered.ndjson").read_bytes().splitlines()
    assert summary.exit_code == 5
    assert balance(summary) == (500, 0, 0, 500)
    assert {json.loads(line)["properties"]["$insert_id"] for line in saved} == {f"id-{n:08}" for n in range(500)}


def test_one_poisoned_batch_does_not_stop_the_others(tmp_path: Path) -> None:
    others = threading.Semaphore(0)

    def send(body: bytes, headers: Any) -> Response:
        if b"id-00000015" not in body:
            others.release()
            return stored(body.count(b"\n"))
        for _ in range(50):  # more than may be under way: some of them are settled by now
            others.acquire(timeout=10)
        return Response(500)

    running = Running(tmp_path, send, threads=4, give_up_after_s=0)
    summary = running(Given(*[text(n * 50, 50) for n in range(20)]))

    assert summary.exit_code == 5
    assert balance(summary) == (1000, 990, 0, 10)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(503), "a batch kept failing for 14 s: the server answers 503"),
        (reply(429, retry_after="2099"), "a batch failed: the server answers 429; the server asks to wait for 2,099 s"),
    ],
)
def test_a_server_that_goes_away_in_mid_run_is_given_up_with_the_first_batch(
    tmp_path: Path, answer: Response, words: str
) -> None:
    submitted, in_time = threading.Event(), []

    def send(body: bytes, headers: Any) -> Response:
        assert submitted.wait(10)
        if b"id-00000000" in body:
            return stored(10)
        if b"id-00000010" not in body:
            in_time.append(running.report.ended.wait(2))
        return answer

    running = Running(tmp_path, send, threads=1, give_up_after_s=20)
    summary = running(Given(text(0, 20), submitted.set, text(20, 500)))

    assert summary.exit_code == 5
    assert summary.stopped.startswith(words)
    assert balance(summary)[1] == 10
    assert all(in_time), "the second batch alone is tried until its time is over"


def test_broken_input_is_told_and_the_next_source_is_still_read(tmp_path: Path) -> None:
    summary = Running(tmp_path)(
        Given(text(0, 5), BrokenInput("a.gz: ends in the middle"), name="a.gz"), Given(text(5, 5), name="b.ndjson")
    )

    assert balance(summary) == (10, 10, 0, 0)
    assert summary.exit_code == 6
    assert "a.gz" in summary.stopped


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_accounts_for_what_was_read(tmp_path: Path, threads: int, times: int) -> None:
    running = Running(tmp_path, threads=threads)

    def interrupt() -> None:
        running.interrupt.times, running.interrupt.signal_number = times, 2

    summary = running(Given(text(0, 25), interrupt, text(25, 25), text(50, 25)))

    assert summary.exit_code == 130
    assert balance(summary)[0] < 75
    assert summary.stopped == "interrupted"


class AskedWhileReading(Interrupt):
    """Is asked to stop when a file is read for the fifth time."""

    reads = 0

    def heed(self) -> None:
        """Count."""
        self.reads += 1
        self.times = int(self.reads >= 5)
        super().heed()


@pytest.mark.parametrize("begins", [("e.ndjson", b""), ("e.json", b""), ("e.csv", b'event,time\n"')])
def test_an_interrupt_is_noticed_in_a_record_that_does_not_end(tmp_path: Path, begins: tuple[str, bytes]) -> None:
    running, path = Running(tmp_path), tmp_path / begins[0]
    path.write_bytes(begins[1] + b"[" * 8_000_000)
    running.interrupt = AskedWhileReading()
    source = Source(path.name, path, path.stat().st_size, resumable=True)
    summary = running(FileInput(source, "auto", ReadOptions(max_record_bytes=1_000_000), running.interrupt))

    assert (summary.stopped, summary.read, summary.rejected, summary.notes) == ("interrupted", 0, 0, ())
    assert not list(tmp_path.glob("*.rejected.ndjson"))


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    running = Running(tmp_path)
    summary = running(Given(text(0, 25) + b"{}\n"), dry_run=True)

    assert (summary.read, summary.tally.valid, summary.rejected) == (26, 25, 1)
    assert summary.tally.balances
    assert running.send.bodies == []


def test_too_many_rejects(tmp_path: Path) -> None:
    running = Running(tmp_path, max_rejected=MaxRejected(5))
    summary = running(Given(*[b"nonsense\n" * 2000] * 5))

    assert summary.exit_code == 3
    assert summary.read < 10_000
    assert summary.tally.balances


def test_rejects_that_cannot_be_written_are_undelivered(tmp_path: Path) -> None:
    (tmp_path / "e.ndjson.rejected.ndjson").mkdir()
    summary = Running(tmp_path)(Given(b"nonsense\n" * 3 + text(0, 5)))

    assert summary.exit_code == 5
    assert balance(summary) == (8, 5, 0, 3)
    assert "cannot be written" in summary.stopped


def test_a_bug_in_a_sender_is_told_as_one(tmp_path: Path, threads: int) -> None:
    def send(body: bytes, headers: Any) -> Response:
        raise RuntimeError("a bug")

    summary = Running(tmp_path, send, threads=threads)(Given(text(0, 25)))

    assert summary.exit_code == 70
    assert balance(summary)[3] == summary.read > 0


def test_dead_senders_do_not_hang_the_run(tmp_path: Path) -> None:
    class Dead:
        def __init__(self, senders: InlineSenders) -> None:
            self.results = senders.results

        def submit(self, batch: Any) -> None:
            """Take it and do nothing."""

        def stop(self) -> None:
            """Do nothing."""

        def alive(self) -> int:
            return 0

        def flow(self) -> Flow:
            return Flow()

        def close(self, timeout_s: float) -> bool:
            return True

    route = Route(send=ScriptedSend(), classify=classify, encode=plain)
    plan = Plan(
        inputs=[Given(text(0, 200))],
        intake=Intake(max_events=10, max_bytes=100_000, geolocate=True, clock=lambda: NOW_S),
        settler=Settler(lambda source: tmp_path / source, lambda source: False),
        senders=Dead(InlineSenders(route)),
        workers=1,
        report=Recorded(),
        interrupt=Interrupt(),
        destination="nowhere",
    )
    summary = run(plan)

    assert summary.exit_code == 70
    assert summary.undelivered == summary.read > 0


def test_an_account_that_does_not_balance_is_told_as_a_bug(tmp_path: Path) -> None:
    running = Running(tmp_path)

    def miscount() -> None:
        running.intake.read += 1

    summary = running(Given(text(0, 5), miscount))

    assert summary.exit_code == 70
    assert "does not balance" in summary.stopped


REPLIES = st.sampled_from(
    [
        "ok",
        "ok",
        "ok",
        "429",
        "503",
        "500",
        "reset",
        "html",
        "lie",
        "lie",
        "more",
        "partial",
        "400",
        "page",
        "413",
        "junk",
    ]
)


def answer(kind: str, body: bytes) -> Response:
    count = body.count(b"\n")
    return {
        "ok": stored(count),
        "429": reply(429, {"code": 429, "error": "rate"}, retry_after="3"),
        "503": Response(503),
        "500": reply(500, b"oops"),
        "reset": Response(0, error="connection reset"),
        "html": reply(200, b"<html>"),
        "lie": stored(count - 1),
        "more": stored(count + 1),
        "page": reply(400, b"<html>"),
        "partial": failed([0], count - 1),
        "400": reply(400, {"code": 400, "error": "malformed"}),
        "413": reply(413, {"code": 413, "error": "request exceeds max limit of 2000 bytes"}),
        "junk": failed([99999, "x"], 0),
    }[kind]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(REPLIES, max_size=60),
    rows=st.lists(st.sampled_from([b"good", b"good", b"good", b"\n", b"nonsense\n", b'{"event":""}\n']), max_size=120),
    threaded=st.booleans(),
    give_up_after_s=st.sampled_from([0.0, 5.0, 900.0]),
)
def test_the_account_balances_under_any_faults(
    tmp_path_factory: pytest.TempPathFactory,
    script: list[str],
    rows: list[bytes],
    threaded: bool,
    give_up_after_s: float,
) -> None:
    folder = tmp_path_factory.mktemp("faults")
    steps = [lambda body, kind=kind: answer(kind, body) for kind in script]
    send = ScriptedSend(steps)
    running = Running(folder, send, threads=3 if threaded else 0, give_up_after_s=give_up_after_s)
    lines = b"".join(ndjson([good_event(n)]) if row == b"good" else row for n, row in enumerate(rows))

    summary = running(Given(lines, resumable=False))

    blank = rows.count(b"\n")
    rejected = folder / "e.ndjson.rejected.ndjson"
    saved = folder / "e.ndjson.rejected.ndjson.undelivered.ndjson"
    written = [json.loads(line) for line in rejected.read_bytes().splitlines()] if rejected.exists() else []
    kept = saved.read_bytes().splitlines() if saved.exists() else []
    assert summary.tally.balances
    assert summary.read == len(rows) - blank
    assert len(written) == summary.rejected
    assert len(kept) == summary.undelivered
    assert (summary.exit_code == 0) == (summary.imported == summary.read and (summary.read > 0 or not rows))


def test_rejects_that_somebody_takes_out_of_their_file_are_no_success(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson.rejected.ndjson"
    first, second = ndjson([good_event(n) for n in range(20)]), ndjson([good_event(20)])
    summary = Running(tmp_path)(Given(b"nonsense\n" * 2, first, lambda: path.write_bytes(b""), second))

    assert (summary.exit_code, summary.rejected, summary.imported) == (5, 2, 21)
    assert "somebody cut it short" in summary.stopped
