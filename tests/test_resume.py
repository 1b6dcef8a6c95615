"""Going on with an import: killed anywhere, whatever the server did, the runs together do everything exactly once."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from crashes import LATE_MS, SHAPES, Import, rejects_in, write_import
from fakes import FakeClock, failed, plain, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import good_event, ndjson, write_ndjson
from test_pipeline import NOW_S, Recorded

from mpimport import checkpoint, lock
from mpimport.account import Summary
from mpimport.admission import Admission
from mpimport.app import read_options
from mpimport.auth import Auth
from mpimport.backoff import Backoff
from mpimport.delivery import deliver_safely
from mpimport.destination import authenticate
from mpimport.endpoints import ENDPOINTS, classify
from mpimport.errors import AlreadyRunning, UsageProblem
from mpimport.find_checkpoint import state_folder
from mpimport.gate import Gate
from mpimport.inputs import FileInput
from mpimport.intake import Intake
from mpimport.interrupt import Interrupt
from mpimport.keeper import conclude
from mpimport.pipeline import run
from mpimport.plan import Plan
from mpimport.records import Batch, Flow, Outcome, Response
from mpimport.resume import Resumed, resume
from mpimport.route import Route
from mpimport.settings import Credentials, MapSettings, MaxRejected, ReadSettings, RunSettings, Secret, Settings
from mpimport.settle import Settler, rejected_paths
from mpimport.sources import expand

URL = "http://127.0.0.1:1/import"
KEPT = Settings(run=RunSettings(keeps_checkpoint=True), credentials=Credentials("1", "me", Secret("s")))


class Killed(BaseException):
    """The process ends here: nobody cleans up."""


class Shuffled:
    """Senders that deliver what is under way in any order, when somebody waits for it."""

    def __init__(self, route: Route, draw: random.Random) -> None:
        self.results: Any = self
        self.route = route
        self._draw = draw
        self._batches: list[Batch] = []

    def submit(self, batch: Batch) -> None:
        """Take it."""
        self._batches.append(batch)

    def get(self, *, block: bool, timeout: float) -> Outcome:
        """Deliver one of them: one of the newer ones more often than not, so that some stay behind for long."""
        if not self._batches or not (block or self._draw.random() < 0.3):
            raise Empty
        number = max(self._draw.randrange(len(self._batches)) for _ in range(2))
        return deliver_safely(self._batches.pop(number), self.route, lambda waiting: None)

    def stop(self) -> None:
        """Let no further request begin."""
        self.route.admission.stop()

    def flow(self) -> Flow:
        """Say nothing of how freely requests flow."""
        return Flow()

    def alive(self) -> int:
        """Say that somebody lives."""
        return 1

    def close(self, timeout_s: float) -> bool:
        """Do nothing."""
        return True


class Server:
    """Stores events by id, but no late ones and never `poison`. After `dies_after` requests who asks is dead."""

    def __init__(self, draw: random.Random) -> None:
        self.stored: Counter[str] = Counter()
        self.dies_after: float = float("inf")
        self.fails = 0.0
        self.poison: bytes | None = None
        self.clock = FakeClock()
        self._draw = draw

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Store what is sent, or fail."""
        self.clock.advance(self._draw.random())
        if self.dies_after <= 0:
            raise Killed
        self.dies_after -= 1
        if self.poison is not None and self.poison in body:
            return Response(500)
        lost = self._draw.random() < self.fails
        sent = [json.loads(line)["properties"] for line in body.splitlines()]
        refused = [index for index, properties in enumerate(sent) if properties["time"] == LATE_MS]
        if not lost or self._draw.random() < 0.3:  # the reply is lost, or the request
            self.stored.update(one["$insert_id"] for one in sent if one["time"] != LATE_MS)
        if lost:
            return Response(0, error="connection reset")
        return failed(refused, len(sent) - len(refused)) if refused else stored(len(sent))


def auth_of(chosen: Settings) -> Auth:
    return authenticate(chosen.credentials, ENDPOINTS[chosen.send.endpoint])


def inputs_of(names: tuple[str, ...], chosen: Settings) -> list[FileInput]:
    sources, _ = expand(names)
    return [FileInput(source, chosen.read.format, read_options(chosen), Interrupt()) for source in sources]


def go(
    names: tuple[str, ...], server: Server, draw: random.Random, chosen: Settings = KEPT, batch: int = 10
) -> Summary:
    """Run an import once, from the checkpoint to the summary, as the application does."""
    with ExitStack() as stack:
        keeper, inputs = resume(chosen, inputs_of(names, chosen), URL, auth_of(chosen), stack, server.clock.now)
        even = Backoff(0.1, 1, 0, 0)
        route = Route(
            send=server, classify=classify, encode=plain, clock=server.clock, backoff=even,
            admission=Admission(server.clock, gate=Gate(even)), give_up_after_s=0.05, rng=draw,
        )  # fmt: skip
        plan = Plan(
            inputs=inputs,
            intake=Intake(max_events=batch, max_bytes=draw.choice([700, 5000]), geolocate=True, clock=lambda: NOW_S),
            settler=Settler(rejected_paths(chosen.run.rejected), lambda source: False, None, keeper),
            senders=Shuffled(route, draw),
            workers=4,
            report=Recorded(),
            interrupt=Interrupt(),
            destination="project 1",
            clock=server.clock.now,
            max_rejected=chosen.run.max_rejected,
            keeper=keeper,
        )
        summary = run(plan)
        if keeper is not None:
            summary = conclude(keeper, summary)
        return summary


def look(names: tuple[str, ...], chosen: Settings = KEPT, url: str = URL) -> Resumed:
    """Find out what a run would go on with."""
    with ExitStack() as stack:
        return resume(chosen, inputs_of(names, chosen), url, auth_of(chosen), stack)


def refused(names: tuple[str, ...], chosen: Settings = KEPT, url: str = URL) -> str:
    with pytest.raises(UsageProblem) as told:
        look(names, chosen, url)
    return str(told.value)


def rejects() -> Counter[tuple[str, int]]:
    return Counter((source, line) for source, line, _ in rejects_in(Path()).elements())


def kept_files() -> list[str]:
    return [path.name for path in state_folder().iterdir()] if state_folder().exists() else []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dies_saving(monkeypatch: pytest.MonkeyPatch, draw: random.Random, saves: int | None) -> None:
    """Let the process die at the save of that number: just before it, or just after."""
    left = iter(range(saves if saves is not None else 10**9, -1, -1))

    def dying(path: Path, state: checkpoint.State) -> None:
        dies = next(left) == 0
        if not dies or draw.random() < 0.5:
            save(path, state)
        if dies:
            raise Killed

    monkeypatch.setattr(checkpoint, "save", dying)


save = checkpoint.save
ROUNDS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from([0.0, 0.0, 0.2, 0.5]), st.none() | st.integers(0, 5)), max_size=6
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.sampled_from(sorted(SHAPES)), rounds=ROUNDS, seed=st.integers(0, 1000), one_file=st.booleans())
def test_killed_anywhere_the_runs_together_do_everything_once(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    shape: str,
    rounds: list[tuple[int, float, int | None]],
    seed: int,
    one_file: bool,
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    draw = random.Random(seed)
    job, server = write_import(folder, shape, 160), Server(draw)
    chosen = replace(KEPT, run=replace(KEPT.run, rejected="all.rejected.ndjson")) if one_file else KEPT

    for dies_after, fails, saves in rounds:
        server.dies_after, server.fails = dies_after, fails
        dies_saving(monkeypatch, draw, saves)
        try:
            summary = go(job.sources, server, draw, chosen, batch=draw.choice([5, 10, 20]))
        except Killed:
            continue
        assert summary.tally.balances
        if summary.exit_code == 1:
            assert_all_is_done(job, summary, server)
            return
    server.dies_after, server.fails = float("inf"), 0.0
    dies_saving(monkeypatch, draw, None)
    assert_all_is_done(job, go(job.sources, server, draw, chosen), server)


def assert_all_is_done(job: Import, summary: Summary, server: Server) -> None:
    assert summary.exit_code == 1, summary.stopped
    assert set(server.stored) == job.good
    assert rejects_in(Path()) == job.rejects
    assert summary.tally.balances
    assert summary.imported + summary.tally.already_imported == len(job.good)
    assert summary.rejected + summary.tally.already_rejected == len(job.bad)
    assert kept_files() == []


def interrupt(names: tuple[str, ...], after: int = 3, chosen: Settings = KEPT) -> Server:
    """Kill an import after so many requests."""
    server = Server(random.Random(1))
    server.dies_after = after
    with pytest.raises(Killed):
        go(names, server, random.Random(1), chosen)
    server.dies_after = float("inf")
    return server


@pytest.mark.parametrize("saves", range(4))
def test_killed_at_the_first_rejects_they_are_recorded_once(
    here: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    job, draw = write_import(here, "ndjson", 200), random.Random(1)
    server = Server(draw)
    dies_saving(monkeypatch, random.Random(saves), saves)
    with pytest.raises(Killed):
        go(job.sources, server, draw)
    dies_saving(monkeypatch, draw, None)
    summary = go(job.sources, server, draw)

    assert_all_is_done(job, summary, server)


def test_an_import_that_was_killed_at_its_first_reject_may_be_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "e.ndjson").write_bytes(b"nonsense\n" * 30)
    dies_saving(monkeypatch, random.Random(1), 0)
    with pytest.raises(Killed):
        go(("e.ndjson",), Server(random.Random(1)), random.Random(1))
    [kept] = kept_files()
    dies_saving(monkeypatch, random.Random(1), None)

    assert kept.endswith(".json")
    assert not look(("e.ndjson",), CHANGES["mapping"][0]).inputs[0].continued


def test_a_server_that_is_down_at_first_is_asked_again(here: Path) -> None:
    job, draw = write_import(here, "several", 400), random.Random(2)
    server = Server(draw)
    server.fails = 1.0
    while (summary := go(job.sources, server, draw)).exit_code == 5:
        server.fails = max(0.0, server.fails - 0.3)

    assert_all_is_done(job, summary, server)


def test_only_what_is_not_settled_is_read_of_a_plain_file(here: Path) -> None:
    write_ndjson(here / "e.ndjson", [good_event(n) for n in range(300)])
    server = interrupt(("e.ndjson",), after=20)
    [source] = look(("e.ndjson",)).inputs
    summary = go(("e.ndjson",), server, random.Random(1))

    assert source.skipped > 0
    assert (summary.exit_code, summary.read) == (0, 300 - summary.tally.already_imported)
    assert summary.read < 200


def test_other_settings_may_change_in_between(here: Path) -> None:
    job = write_import(here, "csv", 300)
    server = interrupt(job.sources, after=9)
    summary = go(job.sources, server, random.Random(3), batch=7)

    assert_all_is_done(job, summary, server)


# What is not the same any more is named and refused.

CHANGES: dict[str, tuple[Settings, str]] = {
    "mapping": (replace(KEPT, map=MapSettings(fields={"time": "at"})), '--time-field is "at", and was not given'),
    "set": (replace(KEPT, map=MapSettings(set=(("plan", "pro"),))), '--set is [["plan", "pro"]], and was not given'),
    "reading": (replace(KEPT, read=ReadSettings(delimiter=";")), '--delimiter is ";", and was not given'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_setting_is_named_and_refused(here: Path, change: str) -> None:
    chosen, words = CHANGES[change]
    job = write_import(here, "csv", 200)
    interrupt(job.sources)

    told = refused(job.sources, chosen)
    assert words in told
    assert "--restart" in told
    assert look(job.sources).inputs[0].continued


def test_a_changed_source_is_named_and_refused(here: Path) -> None:
    job = write_import(here, "several", 400)
    interrupt(job.sources, after=20)
    data = (here / "0.ndjson").read_bytes()
    (here / "0.ndjson").write_bytes(data.replace(b"Page", b"Site", 1))

    told = refused(job.sources)
    assert "0.ndjson: has changed since it was begun: it begins with other bytes" in told
    assert "1.csv" not in told
    (here / "0.ndjson").write_bytes(data[:-5])
    assert "it has" in refused(job.sources)


def test_another_destination_is_another_import(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    interrupt(job.sources)

    assert not look(job.sources, url="http://127.0.0.1:2/import").inputs[0].continued
    other = replace(KEPT, credentials=Credentials("2", "me", Secret("s")))
    assert not look(job.sources, other).inputs[0].continued
    rotated = replace(KEPT, credentials=Credentials("1", "her", Secret("t")))
    assert look(job.sources, rotated).inputs[0].continued


def test_projects_that_only_their_secret_names_are_told_apart_and_no_secret_is_written(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    one, two = (
        replace(KEPT, run=replace(KEPT.run, checkpoint="c"), credentials=Credentials(api_secret=Secret(secret)))
        for secret in ("first-secret", "second-secret")
    )
    interrupt(job.sources, chosen=one)

    assert look(job.sources, one).inputs[0].continued
    assert "the project secret or token is another one than before" in refused(job.sources, two)
    assert b"first-secret" not in Path("c").read_bytes()
    assert not look(job.sources, replace(two, run=KEPT.run)).inputs[0].continued


def test_a_named_checkpoint_of_another_destination_is_refused(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    chosen = replace(KEPT, run=replace(KEPT.run, checkpoint="c"))
    interrupt(job.sources, chosen=chosen)

    told = refused(job.sources, chosen, url="http://127.0.0.1:2/import")
    assert f"the destination is project 1 at http://127.0.0.1:2/import, and was project 1 at {URL}" in told


def test_restart_forgets_what_was_done(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    server = interrupt(job.sources, after=8)
    (here / "0.ndjson.rejected.ndjson").unlink()
    anew = replace(KEPT, run=replace(KEPT.run, restart=True))
    summary = go(job.sources, server, random.Random(1), anew)

    assert (summary.read, summary.resumed) == (200, False)
    assert_all_is_done(job, summary, server)


def test_a_source_that_is_gone_is_named_unless_it_was_done(here: Path) -> None:
    for name, count in (("a.ndjson", 10), ("b.ndjson", 300)):
        write_ndjson(here / name, [good_event(n) for n in range(count)])
    interrupt(("a.ndjson", "b.ndjson"), after=20)

    told = refused(("a.ndjson",))
    assert "a.ndjson: an import of a.ndjson, b.ndjson that is not finished has a part of it" in told
    assert look(("b.ndjson",)).inputs[0].continued
    next(state_folder().glob("*.json")).rename("c")
    named = replace(KEPT, run=replace(KEPT.run, checkpoint="c"))
    assert "b.ndjson: is not among the sources any more" in refused(("a.ndjson",), named)
    assert look(("b.ndjson",), named).inputs[0].continued


def test_a_file_that_was_renamed_begins_anew_and_it_is_said(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = write_import(here, "ndjson", 200)
    interrupt(job.sources)
    (here / "0.ndjson").rename("new.ndjson")

    assert not look(("new.ndjson",)).inputs[0].continued
    [told] = caplog.messages
    assert f"new.ndjson: begins anew, though it looks like {here / '0.ndjson'}" in told
    (here / "0.ndjson").write_bytes((here / "new.ndjson").read_bytes())
    assert not look(("new.ndjson",)).inputs[0].continued
    assert len(caplog.messages) == 1, "a copy is not told"


def test_a_part_of_an_import_that_is_not_finished_is_no_import_of_its_own(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = write_import(here, "several", 400)
    interrupt(job.sources, after=5)

    assert "--restart" in refused(("0.ndjson",))
    anew = replace(KEPT, run=replace(KEPT.run, restart=True))
    assert not look(("0.ndjson",), anew).inputs[0].continued
    assert kept_files() == []
    [told] = caplog.messages
    assert "--restart forgets an import of which 1.csv, 2.ndjson.gz, 3.json is not imported now; " in told
    assert "rejected" in told


def test_a_source_that_came_up_in_between_is_imported_too(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    server = interrupt(job.sources)
    write_ndjson(here / "z.ndjson", [good_event(n) for n in range(1000, 1050)])
    summary = go((*job.sources, "z.ndjson"), server, random.Random(1))

    more = replace(job, sources=(*job.sources, "z.ndjson"), good=job.good | {f"id-{n:08}" for n in range(1000, 1050)})
    assert_all_is_done(more, summary, server)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("data", [b'{"mpimport_checkpoint":1,"sta', b'{"mpimport_checkpoint":9,"state":{}}'])
def test_a_checkpoint_that_cannot_be_used_is_refused_until_restart(here: Path, data: bytes, *, named: bool) -> None:
    job = write_import(here, "ndjson", 200)
    run_settings = replace(KEPT.run, checkpoint="c" if named else None)
    chosen = replace(KEPT, run=run_settings)
    interrupt(job.sources, chosen=chosen)
    path = Path("c") if named else next(state_folder().glob("*.json"))
    path.write_bytes(data)

    assert "--restart" in refused(job.sources, chosen)
    assert not look(job.sources, replace(chosen, run=replace(run_settings, restart=True))).inputs[0].continued
    assert not path.exists()


def test_a_file_that_is_no_checkpoint_is_never_replaced(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    (here / "notes").write_text("do not lose me")
    for restart in (True, False):
        chosen = replace(KEPT, run=replace(KEPT.run, checkpoint="notes", restart=restart))
        assert "name another file" in refused(job.sources, chosen)

    assert (here / "notes").read_text() == "do not lose me"


# Files that grow.


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_has_only_grown_continues_into_the_new_part(here: Path, suffix: str) -> None:
    def pack(data: bytes) -> bytes:
        return gzip.compress(data) if suffix else data

    path = write_ndjson(here / f"e.ndjson{suffix}", [good_event(n) for n in range(200)])
    path.write_bytes(pack(path.read_bytes()))
    server = interrupt((path.name,), after=5)
    with path.open("ab") as file:
        file.write(pack(write_ndjson(here / "more", [good_event(n) for n in range(200, 250)]).read_bytes()))
    summary = go((path.name,), server, random.Random(1))

    assert summary.exit_code == 0
    assert summary.imported + summary.tally.already_imported == 250
    assert set(server.stored) == {f"id-{n:08}" for n in range(250)}


@pytest.mark.parametrize("dies_after", [0, 3])
def test_the_columns_of_a_table_that_grows_stay_what_they_were(
    here: Path, caplog: pytest.LogCaptureFixture, dies_after: int
) -> None:
    rows = "event,time,distinct_id,price\n" + "".join(f"P,{1718000000 + n},u,{n}\n" for n in range(50))
    (here / "e.csv").write_text(rows)
    done, kept = Server(random.Random(1)), Server(random.Random(1))
    go(("e.csv",), done, random.Random(1), replace(KEPT, run=RunSettings()))
    kept.dies_after = dies_after
    with pytest.raises(Killed):
        go(("e.csv",), kept, random.Random(1))
    kept.dies_after = float("inf")
    (here / "e.csv").write_text(rows + "P,1718000099,u,n/a\n")
    summary = go(("e.csv",), kept, random.Random(1))

    assert summary.exit_code == 0
    assert set(done.stored) < set(kept.stored)
    assert len(kept.stored) == 51
    assert "column 'price' was read as number when this import began, and looks like string now" in caplog.text
    assert kept_files() == []


def table(numbers: range) -> bytes:
    """Write rows that take three lines each, and end like this."""
    return "".join(f'P,{1718000000 + n},u,id-{n:08},"two\nlines\n"\n' for n in numbers).encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "cut", "rejected"),
    [("e.ndjson", 1, 0), ("e.ndjson", 30, 1), ("e.csv", 1, 0), ("e.csv", 2, 2), ("e.csv", 5, 2), ("e.csv", 20, 1)],
)
def test_a_last_record_that_was_still_being_written_is_read_again(
    here: Path, name: str, cut: int, rejected: int, *, packed: bool
) -> None:
    pack = gzip.compress if packed else bytes
    if name == "e.csv":
        whole, more = b"event,time,distinct_id,$insert_id,text\n" + table(range(30)), table(range(30, 31))
    else:
        whole, more = ndjson([good_event(n) for n in range(30)]), ndjson([good_event(30)])
    (here / name).write_bytes(pack(whole[:-cut]))
    server, draw = Server(random.Random(1)), random.Random(8)
    server.poison = b"id-00000010"  # that batch is given up, so the import is not done
    first = go((name,), server, draw, batch=3)
    assert (first.exit_code, first.rejected) == (5, rejected)
    with (here / name).open("ab") as file:
        file.write(pack(whole[-cut:] + more))
    server.dies_after = 0
    with pytest.raises(Killed):
        go((name,), server, draw)
    server.dies_after, server.poison = float("inf"), None
    summary = go((name,), server, draw)

    assert set(server.stored) == {f"id-{n:08}" for n in range(31)}
    tally = summary.tally
    bad = tally.already_rejected + tally.rejected
    assert bad < max(1, rejected), "what was half a record is none any more"
    assert tally.already_imported + tally.imported + bad == 31
    assert summary.exit_code == bool(bad)


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("more", [b"\n", b"", b"1"])
def test_a_bad_last_record_that_did_not_go_on_is_recorded_once(here: Path, more: bytes, *, killed: bool) -> None:
    events = ndjson([good_event(n) for n in range(30)])
    of_another = [{"source": "z.ndjson", "line": n, "by": "client", "reasons": [], "raw": "x"} for n in range(1, 200)]
    write_ndjson(here / "z.ndjson.rejected.ndjson", of_another)
    (here / "e.ndjson").write_bytes(events + b'{"event": "P"}')
    write_ndjson(here / "z.ndjson", [good_event(n) for n in range(30, 130)])
    server, draw = Server(random.Random(1)), random.Random(8)
    server.poison = b"id-00000100"
    go(("e.ndjson", "z.ndjson"), server, draw, batch=5)
    with (here / "e.ndjson").open("ab") as file:
        file.write(more + ndjson([good_event(200)]))
    if killed:
        server.dies_after = 0
        with pytest.raises(Killed):
            go(("e.ndjson", "z.ndjson"), server, draw, batch=5)
    server.dies_after, server.poison = float("inf"), None
    summary = go(("e.ndjson", "z.ndjson"), server, draw, batch=5)

    assert rejected_lines(here / "e.ndjson.rejected.ndjson") == Counter({31: 1 if more == b"\n" else 2})
    assert summary.tally.already_rejected + summary.tally.rejected == 1
    assert summary.tally.already_imported + summary.tally.imported == 130 + (more == b"\n")


def test_rejects_of_a_run_that_hardly_began_are_not_recorded_again_with_more_sources(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{n}.ndjson" for n in range(4)]
    for number, name in enumerate(names):
        events = [good_event(n) if n % 3 else {"event": "P"} for n in range(number * 30, number * 30 + 30)]
        write_ndjson(here / name, events)
    for count in range(1, 4):
        dies_saving(monkeypatch, random.Random(2), 1)
        with pytest.raises(Killed):
            go(tuple(names[:count]), Server(random.Random(1)), random.Random(1), batch=5)
        assert kept_files()
    assert rejected_lines(here / "0.ndjson.rejected.ndjson")
    dies_saving(monkeypatch, random.Random(1), None)
    summary = go(tuple(names), Server(random.Random(1)), random.Random(1), batch=5)

    for name in names:
        assert rejected_lines(here / f"{name}.rejected.ndjson") == Counter(range(1, 31, 3))
    assert (summary.read, summary.tally.rejected) == (120, 40)
    assert kept_files() == []


@pytest.mark.parametrize("dies_after", [2, 4, 6])
def test_rejects_of_the_run_before_stay_though_their_file_is_removed_meanwhile(here: Path, dies_after: int) -> None:
    bad = [{"event": "P", "properties": {"$insert_id": f"bad-{n}"}} for n in range(30)]
    events = [one for n in range(30) for one in (bad[n], good_event(n))]
    write_ndjson(here / "e.ndjson", events)
    path, server = here / "e.ndjson.rejected.ndjson", Server(random.Random(1))
    server.dies_after = dies_after
    with pytest.raises(Killed):
        go(("e.ndjson",), server, random.Random(1), batch=4)
    assert rejected_lines(path)

    class Removing(Server):
        def __call__(self, body: bytes, headers: Mapping[str, str]) -> Response:
            path.unlink(missing_ok=True)
            return super().__call__(body, headers)

    summary = go(("e.ndjson",), Removing(random.Random(1)), random.Random(1), batch=4)

    assert rejected_lines(path) == Counter(range(1, 60, 2))
    assert summary.rejected_files == ("e.ndjson.rejected.ndjson",)


def test_an_empty_checkpoint_is_refused_as_a_damaged_one_is(here: Path) -> None:
    job, server, draw = write_import(here, "ndjson", 20), Server(random.Random(1)), random.Random(1)
    (here / "c").touch()
    kept = replace(KEPT, run=replace(KEPT.run, checkpoint="c"))
    with pytest.raises(UsageProblem, match=r"the file c is empty: .*; begin anew with --restart"):
        go(job.sources, server, draw, kept)
    assert not server.stored
    summary = go(job.sources, server, draw, replace(kept, run=replace(kept.run, restart=True)))

    assert summary.read == 20
    assert not (here / "c").exists()


def test_rows_behind_a_quote_that_is_not_closed_are_not_swallowed_by_what_a_file_grows_by(here: Path) -> None:
    row = b"P,1718000000,u,id-"
    begins = b"event,time,distinct_id,$insert_id,text\n" + table(range(30))
    begins = row.join((begins, b'x,"open\n', b"a,text\n", b"b"))
    (here / "e.csv").write_bytes(begins)
    server, draw = Server(random.Random(1)), random.Random(8)
    server.poison = b"id-00000010"
    first = go(("e.csv",), server, draw, batch=3)
    assert (first.exit_code, first.rejected) == (5, 2)
    server.poison = None
    (here / "e.csv").write_bytes(begins + b',"\n')
    go(("e.csv",), server, draw)

    assert set(server.stored) == {f"id-{n:08}" for n in range(30)} | {"id-a"}


def test_a_truncated_file_goes_on_when_it_is_whole(here: Path) -> None:
    data = gzip.compress(write_ndjson(here / "e", [good_event(n) for n in range(20_000)]).read_bytes())
    (here / "e.ndjson.gz").write_bytes(data[: len(data) // 2])
    write_ndjson(here / "f.ndjson", [good_event(n) for n in range(30_000, 30_050)])
    server, names = Server(random.Random(1)), ("e.ndjson.gz", "f.ndjson")
    broken = [go(names, server, random.Random(1), batch=50) for _ in range(2)]
    assert [summary.exit_code for summary in broken] == [6, 6]
    assert broken[0].imported > 5000
    assert broken[1].tally.already_imported == broken[0].imported
    assert broken[1].read == 0
    (here / "e.ndjson.gz").write_bytes(data)
    whole = go(names, server, random.Random(1), batch=50)

    assert whole.exit_code == 0
    assert whole.read == 20_050 - broken[0].imported
    assert max(server.stored.values()) == 1


# Rejected-events files.


def test_a_shared_file_of_rejects_loses_nothing_of_others(here: Path) -> None:
    chosen = replace(KEPT, run=replace(KEPT.run, rejected="all.rejected.ndjson"))
    job = write_import(here, "ndjson", 300)
    other = '{"source":"other","line":3,"by":"client","reasons":[],"raw":"x"}\n'
    (here / "all.rejected.ndjson").write_text(other)
    server = interrupt(job.sources, after=12, chosen=chosen)
    with (here / "all.rejected.ndjson").open("a") as file:
        file.write(other)
    summary = go(job.sources, server, random.Random(1), chosen)

    found = rejects()
    assert found.pop(("other", 3)) == 2
    assert found == Counter(job.bad)
    assert summary.rejected_files == ("all.rejected.ndjson",)


def test_lines_of_another_import_with_the_same_names_are_not_taken_for_its_own(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = replace(KEPT, run=replace(KEPT.run, rejected=str(here / "all.rejected.ndjson")))
    limited = replace(chosen, run=replace(chosen.run, max_rejected=MaxRejected(3)))
    for folder in ("d1", "d2"):
        (here / folder).mkdir()
        lines = [{"event": "P", "properties": {"$insert_id": f"{folder}-{n}"}} for n in range(30)]
        write_ndjson(here / folder / "e.ndjson", [*lines, *(good_event(n) for n in range(30))])
    for folder, one in (("d1", limited), ("d2", chosen), ("d1", chosen)):
        monkeypatch.chdir(here / folder)
        go(("e.ndjson",), Server(random.Random(1)), random.Random(1), one)

    found = Counter((here / "all.rejected.ndjson").read_bytes().splitlines())
    assert (len(found), max(found.values())) == (60, 1)


def test_a_file_of_rejects_that_was_there_before_it_was_named_is_not_asked(here: Path) -> None:
    job = write_import(here, "ndjson", 300)
    server = interrupt(job.sources, after=12)
    elsewhere = Counter(job.bad)
    (here / "old.ndjson").write_text(
        "".join(
            json.dumps({"source": s, "line": n, "by": "client", "reasons": [], "raw": "x"}) + "\n" for s, n in job.bad
        )
    )
    go(job.sources, server, random.Random(1), replace(KEPT, run=replace(KEPT.run, rejected="old.ndjson")))
    lines = map(json.loads, (here / "old.ndjson").read_bytes().splitlines())

    assert rejects() + Counter((one["source"], one["line"]) for one in lines) == elsewhere + elsewhere


def test_a_last_line_that_is_whole_and_lacks_its_newline_stays(here: Path) -> None:
    job = write_import(here, "ndjson", 300)
    server = interrupt(job.sources, after=12)
    path = here / "0.ndjson.rejected.ndjson"
    path.write_bytes(path.read_bytes() + b'{"source":"0.ndjson","line":1,"by":"client","reasons":[],"raw":"mine"}')
    go(job.sources, server, random.Random(1))

    assert rejects() == Counter([*job.bad, ("0.ndjson", 1)])


def rejected_lines(path: Path) -> Counter[int]:
    return Counter(json.loads(line)["line"] for line in path.read_bytes().splitlines())


def test_old_rejects_of_a_source_that_joins_are_not_taken_for_new_ones(here: Path) -> None:
    write_ndjson(here / "a.ndjson", [good_event(n) for n in range(100)])
    write_ndjson(here / "z.ndjson", [good_event(n) if n % 3 else {"event": "P"} for n in range(60)])
    server = Server(random.Random(1))
    go(("z.ndjson",), server, random.Random(1))
    for sources, dies_after in ((("a.ndjson",), 3), (("a.ndjson", "z.ndjson"), 12)):
        server.dies_after = dies_after
        with pytest.raises(Killed):
            go(sources, server, random.Random(1))
    server.dies_after = float("inf")
    go(("a.ndjson", "z.ndjson"), server, random.Random(1))

    assert rejected_lines(here / "z.ndjson.rejected.ndjson") == Counter(list(range(1, 61, 3)) * 2)


TWINS = {
    "names that swap with the folder": ((b"d1", b"e", b"../d2/e"), (b"d2", b"../d1/e", b"e")),
    "names that are no UTF-8": ((b".", b"d1/\xfe", b"d1/\xff"),) * 2,
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has file names that are no UTF-8")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("twins", TWINS)
def test_sources_that_could_be_taken_for_each_other_are_told_apart_after_all_kills(
    here: Path, monkeypatch: pytest.MonkeyPatch, twins: str, seed: int
) -> None:
    for folder in ("d1", "d2"):
        (here / folder).mkdir()
    draw, ways = random.Random(seed), [tuple(map(os.fsdecode, way)) for way in TWINS[twins]]
    files = [here / ways[0][0] / name for name in ways[0][1:]]
    for path in files:
        write_ndjson(path, [good_event(n) if n % 3 else {"event": "P"} for n in range(60)])
    server = Server(draw)
    for again in range(10):
        folder, *names = draw.choice(ways)
        monkeypatch.chdir(here / folder)
        server.dies_after = draw.randrange(1, 6) if again < 9 else float("inf")
        dies_saving(monkeypatch, draw, draw.choice([None, 0, 1, 2]) if again < 9 else None)
        with suppress(Killed):
            summary = go(tuple(names), server, draw, batch=draw.choice([4, 8]))
            break

    assert summary.exit_code == 1
    for path in files:
        assert rejected_lines(path.with_name(f"{path.name}.rejected.ndjson")) == Counter(range(1, 61, 3))


def test_a_source_that_has_grown_since_it_was_done_is_missed_when_it_is_taken_away(here: Path) -> None:
    for name, count in (("a.ndjson", 10), ("b.ndjson", 300)):
        write_ndjson(here / name, [good_event(n) for n in range(count)])
    interrupt(("a.ndjson", "b.ndjson"), after=20)
    write_ndjson(here / "a.ndjson", [good_event(n) for n in range(60)])
    server = Server(random.Random(1))
    server.dies_after = 0
    with pytest.raises(Killed):
        go(("a.ndjson", "b.ndjson"), server, random.Random(1))

    assert "an import of a.ndjson, b.ndjson that is not finished" in refused(("b.ndjson",))


@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_a_line_that_was_cut_short_by_the_kill_is_taken_away(here: Path, kept: float) -> None:
    job = write_import(here, "ndjson", 300)
    server = interrupt(job.sources, after=12)
    path = here / "0.ndjson.rejected.ndjson"
    line = path.read_bytes().splitlines(keepends=True)[-1].replace(b'"line":', b'"line":9')
    path.write_bytes(path.read_bytes() + line[: int(len(line) * kept)])
    summary = go(job.sources, server, random.Random(1))

    assert_all_is_done(job, summary, server)


def test_a_file_of_rejects_that_is_gone_is_told_and_begun_anew(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = write_import(here, "ndjson", 300)
    server = interrupt(job.sources, after=20)
    before = rejects()
    (here / "0.ndjson.rejected.ndjson").unlink()
    summary = go(job.sources, server, random.Random(1))

    assert "is gone" in caplog.text
    assert summary.exit_code == 1
    assert set(before) | set(rejects()) == set(job.bad)


def test_rejects_of_earlier_runs_count_for_the_limit(here: Path) -> None:
    job = write_import(here, "ndjson", 400)
    limited = replace(KEPT, run=replace(KEPT.run, max_rejected=MaxRejected(5)))
    server = Server(random.Random(1))
    codes = [go(job.sources, server, random.Random(1), limited).exit_code for _ in range(2)]
    sent = sum(server.stored.values())
    assert codes == [3, 3]
    assert sent < len(job.good)
    summary = go(job.sources, server, random.Random(1), replace(limited, run=KEPT.run))

    assert_all_is_done(job, summary, server)
    assert max(server.stored.values()) == 1


# One at a time.


def test_a_second_run_of_the_same_import_is_told_of_the_first(here: Path) -> None:
    job = write_import(here, "several", 400)
    write_ndjson(here / "other.ndjson", [good_event(1)])
    with ExitStack() as stack:
        resume(KEPT, inputs_of(job.sources, KEPT), URL, auth_of(KEPT), stack)
        with pytest.raises(AlreadyRunning, match="another run of the same import"):
            look(job.sources)
        with pytest.raises(AlreadyRunning):
            look(tuple(reversed(job.sources)))
        look(("other.ndjson",))
        look(job.sources, url="http://127.0.0.1:2/import")

    look(job.sources)
    assert kept_files() == []


def test_of_imports_that_share_a_source_and_begin_at_once_one_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins when the first has looked for others, and has written nothing yet."""
    job = write_import(here, "several", 400)
    second: list[Future[Resumed]] = []

    def meanwhile(path: Path, state: checkpoint.State) -> None:
        monkeypatch.setattr(checkpoint, "save", save)
        second.append(pool.submit(look, job.sources[:1]))
        time.sleep(0.1)
        save(path, state)

    monkeypatch.setattr(checkpoint, "save", meanwhile)
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        resume(KEPT, inputs_of(job.sources, KEPT), URL, auth_of(KEPT), stack)
        with pytest.raises(AlreadyRunning, match="or of a part of it"):
            second[0].result()
    assert kept_files() == []


def test_an_import_that_cannot_begin_for_another_that_hangs_says_so(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = write_import(here, "ndjson", 200)
    monkeypatch.setattr(lock, "_BEGINNING_S", 0.1)
    place = here / "state"
    monkeypatch.setattr("mpimport.find_checkpoint.state_folder", lambda: place)
    place.mkdir()
    with lock.hold_beginning(place), pytest.raises(AlreadyRunning, match="another import has been beginning"):
        look(job.sources)


def test_a_lock_that_a_killed_run_left_does_not_block(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    chosen = replace(KEPT, run=replace(KEPT.run, checkpoint="c"))
    (here / "c.lock").touch()

    look(job.sources, chosen)
    assert not (here / "c.lock").exists()


@pytest.mark.parametrize("named", ["nowhere/c", None])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_sent(
    here: Path, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    job = write_import(here, "ndjson", 200)
    (here / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "file"))

    told = refused(job.sources, replace(KEPT, run=replace(KEPT.run, checkpoint=named)))
    assert "--checkpoint PATH" in told
    assert "--no-checkpoint" in told


@pytest.mark.parametrize(
    "chosen",
    [RunSettings(), RunSettings(keeps_checkpoint=True, dry_run=True), RunSettings(keeps_checkpoint=True, sandbox=True)],
    ids=["not wanted", "dry run", "sandbox"],
)
def test_some_runs_keep_none(here: Path, chosen: RunSettings) -> None:
    job = write_import(here, "ndjson", 200)

    assert look(job.sources, replace(KEPT, run=chosen)).keeper is None
    assert kept_files() == []


def test_a_sandbox_keeps_one_where_it_is_named(here: Path) -> None:
    job = write_import(here, "ndjson", 200)
    chosen = replace(KEPT, run=replace(KEPT.run, sandbox=True, checkpoint="c"))
    interrupt(job.sources, chosen=chosen)

    assert look(job.sources, chosen, url="http://127.0.0.1:999/import").inputs[0].continued


def test_what_can_be_read_only_once_keeps_none(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = write_import(here, "ndjson", 200)

    assert look((*job.sources, "-")).keeper is None
    assert caplog.messages == []
    assert look((*job.sources, "-"), replace(KEPT, run=replace(KEPT.run, checkpoint="c"))).keeper is None
    assert "can be read only once" in caplog.text
