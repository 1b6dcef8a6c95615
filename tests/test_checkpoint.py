"""The file of a checkpoint: what is written is read, whatever else is there is told, and the disk may be full."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpimport import checkpoint
from mpimport.account import Summary, Tally
from mpimport.checkpoint import RejectedFile, SourceState, State, Unusable, load, name_of, remove, save, text_of
from mpimport.fingerprint import Fingerprint
from mpimport.keeper import PERIOD_S, Keeper, conclude
from mpimport.mark import Range
from mpimport.records import Reason, Reject, Span
from mpimport.rejects import digest_of, line_of

SOURCE = SourceState("/a/b.ndjson", "b.ndjson", Fingerprint(5, "aa", "bb"), (Range(1, 3, 80), Range(7, 9)), (5, 9))
STATE = State("project 1", "", {"--format": '"csv"'}, (SOURCE,), 5, 2, {"/a/b.rejected.ndjson": RejectedFile(100, 2)})
NEW = State("project 1", "", {}, (SourceState("/a", "a", Fingerprint(5, "aa", "bb")),))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert load(path) is None
    save(path, NEW)
    save(path, STATE)

    assert load(path) == STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["c.json"]
    remove(path)
    assert load(path) is None


def test_it_is_small_however_much_is_settled(tmp_path: Path) -> None:
    save(tmp_path / "c.json", STATE)

    assert (tmp_path / "c.json").stat().st_size < 1000


@pytest.mark.parametrize(
    ("data", "words", "ours"),
    [
        (b"[]", "is no checkpoint", False),
        (b'{"event":"x"}', "is no checkpoint", False),
        (b'{"mpimport_checkpoint":1,"state":{"dest', "is damaged", True),
        (b'{"mpimport_checkpoint":1,"state":{}}', "is damaged", True),
        (b'{"mpimport_checkpoint":2,"state":{}}', "another version of mpimport (form 2, not 1)", True),
    ],
)
def test_what_is_no_checkpoint_is_told(tmp_path: Path, data: bytes, words: str, *, ours: bool) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(data)

    with pytest.raises(Unusable, match=re.escape(words)) as told:
        load(path)
    assert told.value.ours == ours


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be read"):
        load(tmp_path)


def test_a_write_that_fails_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.json"
    save(path, NEW)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(path, STATE)

    assert load(path) == NEW
    assert [one.name for one in tmp_path.iterdir()] == ["c.json"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    (tmp_path / "c.json.mpimport-new").write_bytes(b"half")
    save(path, STATE)

    assert load(path) == STATE


@given(st.text(), st.text(), st.lists(st.text(), unique=True))
def test_the_name_does_not_depend_on_the_order(destination: str, account: str, paths: list[str]) -> None:
    name = name_of(destination, account, tuple(paths))

    assert name == name_of(destination, account, tuple(reversed(paths)))
    assert name != name_of(destination + "x", account, tuple(paths))
    assert name != name_of(destination, account, (*paths, "x" * 50))


# The keeper.


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def kept(path: Path) -> State:
    state = load(path)
    assert state is not None
    return state


def test_it_is_there_from_the_beginning_and_gone_when_nothing_was_settled(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "c", NEW)
    keeper.begin()
    assert kept(tmp_path / "c") == NEW
    keeper.ended(0, 5, 3)
    keeper.tick()

    assert keeper.finish(done=False) is None
    keeper.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hangs", [True, False])
def test_a_run_that_ends_by_itself_says_whether_rejects_hang_over(tmp_path: Path, *, hangs: bool) -> None:
    keeper = Keeper(tmp_path / "c", NEW)
    keeper.settled((Span(0, 1, 2),), 1, {})
    if hangs:
        keeper.not_recorded()
    keeper.finish(done=False)
    assert kept(tmp_path / "c").orderly != hangs

    Keeper(tmp_path / "c", kept(tmp_path / "c")).begin()
    assert not kept(tmp_path / "c").orderly


def test_an_input_with_nothing_left_does_not_say_where_its_records_end(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "c", STATE)
    keeper.ended(0, 7, 1)
    keeper.begin()

    assert kept(tmp_path / "c").sources[0].ended == (7, 9)


def test_it_is_written_at_once_then_at_most_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    time = Time()
    keeper = Keeper(tmp_path / "c", NEW, clock=time)
    written = []
    for number in range(1, 40):
        time.now += 0.1
        keeper.settled((Span(0, number, number + 1, number * 10),), 1, {})
        written.append(kept(tmp_path / "c").imported)

    assert written[0] == 1
    assert 4 <= len(set(written)) <= 5
    assert keeper.finish(done=False) == tmp_path / "c"
    assert kept(tmp_path / "c").sources[0].settled == (Range(1, 40, 390),)


def test_the_kinds_of_columns_are_written_before_what_hangs_on_them_is_sent(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "c", NEW, clock=Time())
    keeper.begin()
    keeper.settled((), 0, {})
    keeper.reads(0, {"price": "number"}, None)
    assert kept(tmp_path / "c").sources[0].columns is None, "not once a table"
    keeper.sends()

    assert kept(tmp_path / "c").sources[0].columns == {"price": "number"}
    (tmp_path / "c").unlink()
    keeper.sends()
    assert not (tmp_path / "c").exists(), "not once a batch"


def test_a_pause_does_not_leave_the_last_second_unwritten(tmp_path: Path) -> None:
    time = Time()
    keeper = Keeper(tmp_path / "c", NEW, clock=time)
    keeper.settled((Span(0, 1, 2),), 1, {})
    keeper.settled((Span(0, 2, 3),), 1, {})
    assert kept(tmp_path / "c").imported == 1
    time.now += PERIOD_S
    keeper.tick()

    assert kept(tmp_path / "c").imported == 2


def test_a_slow_disk_takes_a_small_part_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    keeper = Keeper(tmp_path / "c", NEW, clock=time)
    saves = []

    def slow(path: Path, state: State) -> None:
        saves.append(time.now)
        time.now += 2.0

    monkeypatch.setattr(checkpoint, "save", slow)
    for number in range(1, 200):
        keeper.settled((Span(0, number, number + 1),), 1, {})
        time.now += 1.0

    assert 4 <= len(saves) <= 6


def test_a_full_disk_stops_nothing_and_is_told_once_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    keeper = Keeper(tmp_path / "c", NEW, clock=time)

    def full(path: Path, state: State) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(checkpoint, "save", full)
        for number in range(1, 5):
            time.now += PERIOD_S
            keeper.settled((Span(0, number, number + 1),), 1, {})
        told = conclude(keeper, Summary(Tally(), exit_code=130, seconds=1.0, dry_run=False, destination=""))
    assert len(caplog.messages) == 1
    assert "No space left" in caplog.messages[0]
    assert "could not be written (No space left on device)" in told.notes[0]
    assert told.checkpoint is None

    time.now += PERIOD_S
    keeper.settled((Span(0, 5, 6),), 1, {})
    again = conclude(keeper, Summary(Tally(), exit_code=130, seconds=1.0, dry_run=False, destination=""))
    assert (again.notes, again.checkpoint) == ((), str(tmp_path / "c"))


@pytest.mark.parametrize(
    ("code", "undelivered", "stays"),
    [(0, 0, False), (1, 0, False), (1, 1, True)] + [(code, 0, True) for code in (3, 4, 5, 6, 70, 130, 143)],
)
def test_only_an_import_that_is_done_takes_its_checkpoint_away(
    tmp_path: Path, code: int, undelivered: int, *, stays: bool
) -> None:
    keeper = Keeper(tmp_path / "c", NEW)
    keeper.settled((Span(0, 1, 2),), 1, {})
    tally = Tally(undelivered=undelivered)
    told = conclude(keeper, Summary(tally, exit_code=code, seconds=1.0, dry_run=False, destination=""))
    keeper.close()

    assert (tmp_path / "c").exists() == stays == (told.checkpoint is not None)


def reject(number: int) -> Reject:
    return Reject("a", number, "client", (Reason("code", "words"),), raw=b"x")


def test_a_reject_that_stands_in_its_file_is_not_written_again_but_once(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "c", NEW, recorded={digest_of(line_of(reject(3))): 1})

    assert [one.number for one in keeper.take_unrecorded([reject(2), reject(3), reject(4)])] == [2, 4]


def test_rejects_are_looked_for_behind_what_is_surely_settled(tmp_path: Path) -> None:
    path, name = tmp_path / "r.ndjson", text_of(tmp_path / "r.ndjson")
    time = Time()
    path.write_bytes(b"old\n" + b"new\n")
    keeper = Keeper(tmp_path / "c", NEW, recorded={digest_of(line_of(reject(3))): 1}, clock=time)
    keeper.settled((Span(0, 1, 3),), 1, {path: 1})
    assert kept(tmp_path / "c").rejects[name] == RejectedFile(0, 1), "one that hangs over may stand anywhere in it"

    keeper.take_unrecorded([reject(3)])
    time.now += PERIOD_S
    keeper.settled((Span(0, 3, 4),), 0, {path: 1})
    assert kept(tmp_path / "c").rejects[name] == RejectedFile(8, 2)

    keeper.not_recorded()
    path.write_bytes(b"12345678 and something of a batch that is not settled")
    time.now += PERIOD_S
    keeper.settled((Span(0, 4, 5),), 0, {path: 1})
    assert kept(tmp_path / "c").rejects[name] == RejectedFile(8, 3)
