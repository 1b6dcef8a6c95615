"""The sandbox's file: what is in it, that it goes on after a restart, and what happens where it cannot be used."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from manual import MANUAL
from test_sandbox import NOW_S, config, event, fetch, ndjson, numbered, post
from test_sandbox_cli import send, started
from test_sandbox_engage import engage, update
from test_sandbox_track import recent, track

from mpimport.sandbox import Sandbox, cli
from mpimport.sandbox.database import Database
from mpimport.sandbox.store import FileProblem


def rows(path: Path, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, parameters).fetchall()


def test_everything_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as sandbox:
        post(sandbox, ndjson([event("Paid", amount=1.50, insert_id="a", time=1_618_716_477), event(insert_id="b")]))
        post(sandbox, ndjson([event("Paid", insert_id="a"), event(time=5, distinct_id="null", insert_id="c")]))
        track(sandbox, [recent(1, distinct_id=None, **{"$user_id": "ann"})])
        engage(sandbox, [update("ann", set={"plan": "pro"}), update("bob", set={"a": 1})])
        engage(sandbox, [update("ann", add={"visits": 2}), update("bob", delete="")])
        post(sandbox, b"", headers={"Authorization": ""})
        assert len(sandbox.events()) == 3

    now = round(NOW_S * 1000)
    assert rows(
        file, "SELECT id, arrival, name, time, distinct_id, insert_id, json_extract(properties, '$.amount') FROM events"
    ) == [
        (1, now, "Paid", 1_618_716_477_000, "user", "a", 1.5),
        (2, now, "Signed Up", 1_618_716_477_000, "user", "b", None),
        (3, now, "Signed Up", now - 1000, "ann", "id-1", None),
    ]
    assert rows(file, "SELECT arrival, endpoint, position, insert_id, reasons FROM refused") == [
        (now, "/import", 1, "c", json.dumps([*REASONS])),
        (now, "/import", None, "", '["Invalid credentials"]'),
    ]
    assert json.loads(rows(file, "SELECT event FROM refused")[0][0]) == event(time=5, distinct_id="null", insert_id="c")
    assert rows(file, "SELECT * FROM profiles") == [("ann", now, '{"plan":"pro","visits":2}')]


REASONS = (
    "'properties.time' is invalid: must not be before 1971-01-01",
    "'properties.distinct_id' is invalid: must not be one of the disallowed values",
)


def test_a_restart_goes_on_and_stores_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as before:
        post(before, ndjson([*numbered(1200), event(time=5)]))
        engage(before, [update(set={"a": [1]}), update("bob", set={})])
    with Sandbox(config(store=file)) as sandbox:
        found = fetch(sandbox, "GET", "/latest").json
        post(sandbox, ndjson(numbered(1300)))
        engage(sandbox, [update(append={"a": 2})])
        stats = sandbox.stats()
        assert fetch(sandbox, "GET", "/events?limit=5000").json == numbered(1300)
        assert fetch(sandbox, "GET", "/events?limit=2&offset=1199").json == numbered(1201)[1199:]
        assert fetch(sandbox, "GET", "/events?offset=1300").json == []

    expected = {"stored": 1300, "kept": 1300, "restored": 1200, "duplicates": 1200, "received": 1300, "profiles": 2}
    assert {name: stats[name] for name in expected} == expected
    assert stats["events_by_name"] == {"Signed Up": 1300}
    assert found["events"][0]["$insert_id"] == "id-1199"
    assert json.loads(found["events"][0]["json"]) == numbered(1200)[-1]
    assert [one["reasons"] for one in found["refused"]] == [[REASONS[0]]]
    assert [one["$distinct_id"] for one in found["profiles"]] == ["bob", "ann"]
    assert sandbox.profiles() == {"ann": {"a": [1, 2]}, "bob": {}}
    assert sandbox.events() == numbered(1300)
    assert rows(file, "SELECT count(*), count(DISTINCT insert_id) FROM events") == [(1300, 1300)]


def test_more_names_than_are_held_are_counted_anew_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpimport.sandbox.store._MAX_NAMES", 5)
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as sandbox:
        for name in ("Paid", *(f"rare {number}" for number in range(20)), "Paid"):
            post(sandbox, ndjson([event(name, insert_id=f"id-{at}") for at in range(2)]))
            post(sandbox, ndjson([event("Signed Up", insert_id=name.replace(" ", "-"))]))
        assert sandbox.stats()["events_by_name"]["Signed Up"] == 21
        assert sandbox.stats()["events_by_name_are_lower_bounds"]
    with Sandbox(config(store=file)) as sandbox:
        names = sandbox.stats()["events_by_name"]

    assert (len(names), names["Signed Up"], names["Paid"]) == (5, 21, 2)


def test_odd_text_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "odd ?#%.db"
    odd = [
        event("\ud800", insert_id="a"),
        event("\x00\N{GRINNING FACE}", insert_id="b", distinct_id="\udfff"),
        event(insert_id="c", **{"\ud800": 1}),
    ]
    with Sandbox(config(store=file)) as sandbox:
        text = json.dumps(event(insert_id="d"))[:-2] + ', "n": 0.10, "m": 12345678901234567890123}}'
        assert post(sandbox, ndjson(odd) + text.encode()).json["num_records_imported"] == 4
        engage(sandbox, [update("\ud800", set={"\ud800": "\ud800"})])
        shown = fetch(sandbox, "GET", "/events?format=ndjson").body.splitlines()

    assert b'"n": 0.10, "m": 12345678901234567890123' in shown[3]
    assert [json.loads(line)["properties"] for line in shown[:3]] == [one["properties"] for one in odd]
    assert [json.loads(line)["event"] for line in shown[:3]] == ["\\ud800", "\x00\N{GRINNING FACE}", "Signed Up"]
    assert rows(file, "SELECT distinct_id FROM events WHERE id = 2") == [("\\udfff",)]
    with Sandbox(config(store=file)) as sandbox:
        assert sandbox.stats()["restored"] == 4


def test_the_file_is_its_owners_and_one_file_when_it_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as sandbox:
        post(sandbox, ndjson(numbered(3)))
        sandbox.events()
        if os.name == "posix":
            assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
        assert rows(file, "SELECT count(*) FROM events") == [(3,)]

    assert list(tmp_path.iterdir()) == [file]


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(config()) as sandbox:
        post(sandbox, ndjson(numbered(3)))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that a program can wait for")
def test_a_stop_by_signal_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with started("--store", str(file)) as (process, url):
        for count in (100, 500, 2000):
            assert send(url, count=count) == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 0, err
    assert err.endswith("2000 events stored, 600 duplicates, 0 refused\n")
    assert rows(file, "SELECT count(*) FROM events") == [(2000,)]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_file_whose_sandbox_was_killed_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with started("--store", str(file)) as (process, url):
        send(url, count=2000)
        while not rows(file, "SELECT count(*) FROM events")[0][0]:
            pass
        process.kill()
    with Sandbox(config(store=file)) as sandbox:
        post(sandbox, ndjson(numbered(2001)[1000:]))

    assert rows(file, "SELECT count(*) FROM events") == [(2001,)]


@contextmanager
def reader(file: Path) -> Iterator[sqlite3.Cursor]:
    """Read half of a query, as somebody does who looks at the rest later."""
    with closing(sqlite3.connect(file)) as connection:
        cursor = connection.execute("SELECT id FROM events")
        cursor.fetchone()
        yield cursor


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM that a program can wait for")
def test_who_reads_the_file_is_in_nobodys_way(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with started("--store", str(file)) as (process, url):
        send(url, count=10)
        while rows(file, "SELECT count(*) FROM events") != [(10,)]:
            pass
        with reader(file) as cursor:
            send(url, count=20)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)
            assert (process.returncode, "stopped after 2 requests: 20 events stored" in err) == (0, True), err
            assert err.endswith("arrived.db open: copy or move it with arrived.db-wal until that has ended\n")
            with started("--store", str(file)) as (again, url_again):
                send(url_again, count=30)
                again.send_signal(signal.SIGTERM)
                _, err = again.communicate(timeout=20)
            assert (again.returncode, "30 events stored, 20 duplicates" in err) == (0, True), err
            assert len(cursor.fetchall()) == 9

    assert rows(file, "SELECT count(*) FROM events") == [(30,)]
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_of_the_other_kind_that_is_read_is_refused_soon_and_plainly(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as sandbox:
        post(sandbox, ndjson(numbered(3)))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with reader(file), pytest.raises(FileProblem, match="another program has it open"), Sandbox(config(store=file)):
        pass
    with Sandbox(config(store=file)) as sandbox:
        assert sandbox.stats()["restored"] == 3


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGKILL")
def test_a_file_has_one_sandbox_also_by_another_name_until_that_is_killed(tmp_path: Path) -> None:
    file, link = tmp_path / "arrived.db", tmp_path / "link.db"
    link.symlink_to(file)
    with started("--store", str(file)) as (process, url):
        for name in (file, link):
            refused = CliRunner().invoke(cli.main, ["--port", "0", "--store", str(name)])
            assert refused.exit_code == 2
            assert "arrived.db is in use: another mpimport-sandbox keeps what arrives in it" in refused.output
        assert send(url, count=5) == 200
        process.kill()
        process.wait()
    with Sandbox(config(store=link)) as sandbox:
        with pytest.raises(FileProblem, match="is in use"), Sandbox(config(store=file)):
            pass
        post(sandbox, ndjson(numbered(7)))

    assert rows(file, "SELECT count(*) FROM events") == [(7,)]
    assert sorted(tmp_path.iterdir()) == [file, link]


def test_a_lock_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "arrived.db.lock"
    mine.write_text("mine")
    with pytest.raises(FileProblem, match="holds something else"), Sandbox(config(store=tmp_path / "arrived.db")):
        pass

    assert mine.read_text() == "mine"


def test_many_at_once_are_all_written(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"

    def work(sandbox: Sandbox, name: str) -> None:
        for start in range(0, 1000, 100):
            post(sandbox, ndjson([event(name, insert_id=f"{name}-{number}") for number in range(start, start + 150)]))
            engage(sandbox, [update("all", add={"n": 1}), update(name, add={"n": 1})])

    with Sandbox(config(store=file)) as sandbox:
        threads = [threading.Thread(target=work, args=(sandbox, f"t{number}")) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = sandbox.stats()

    assert (stats["stored"], stats["internal_errors"]) == (4 * 1050, 0)
    assert rows(file, "SELECT name, count(*) FROM events GROUP BY 1") == [(f"t{number}", 1050) for number in range(4)]
    assert rows(file, "SELECT properties FROM profiles ORDER BY distinct_id") == [('{"n":40}',), *[('{"n":10}',)] * 4]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no colons in names")
@pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory"])
def test_a_name_that_means_something_to_sqlite_is_a_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(config(store=Path(name))) as sandbox:
        post(sandbox, ndjson(numbered(3)))

    assert rows(tmp_path / name, "SELECT count(*) FROM events") == [(3,)]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "notes.txt", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("not a database, but long enough to look like none at all" * 20)
    for file, statement in ((other, "CREATE TABLE mine (a)"), (newer, "PRAGMA user_version = 99")):
        if file is newer:
            Database(file).close()
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(statement)
    before = [file.read_bytes() for file in (text, other, newer)]

    for file, words in ((text, "not a database"), (other, "not one of mpimport-sandbox"), (newer, "another version")):
        with pytest.raises(FileProblem, match=words), Sandbox(config(store=file)):
            pass
    assert [file.read_bytes() for file in (text, other, newer)] == before


@pytest.mark.parametrize(("name", "words"), [("none/a.db", "No such file"), ("notes.db", "not a database")])
def test_the_command_says_what_is_wrong_with_the_file(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("text " * 100)
    result = CliRunner().invoke(cli.main, ["--port", "0", "--store", str(tmp_path / name)])

    assert result.exit_code == 2
    assert words in result.output
    assert name in result.output


def test_a_disk_that_fails_is_said_to_every_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    file = tmp_path / "arrived.db"
    sandbox = Sandbox(config(store=file))
    sandbox.__enter__()
    monkeypatch.setattr("mpimport.sandbox.tables.write", fail)
    post(sandbox, ndjson(numbered(1)))
    sandbox.events()  # waits for the file
    answer = post(sandbox, ndjson(numbered(2)))
    with pytest.raises(FileProblem, match="disk is full"):
        sandbox.__exit__(None, None, None)

    assert answer.status == 500
    assert "arrived.db cannot be written: database or disk is full" in answer.json["error"]
    assert sandbox.stats()["internal_errors"] == 1


def test_a_python_without_sqlite_has_a_sandbox_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sqlite3", "mpimport.sandbox.database", "mpimport.sandbox.tables"):
        monkeypatch.setitem(sys.modules, name, None)
    with Sandbox(config()) as sandbox:
        assert post(sandbox, ndjson(numbered(1))).status == 200

    with pytest.raises(FileProblem, match="has no sqlite3"), Sandbox(config(store=tmp_path / "a.db")):
        pass


@pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 38), reason="the examples use ->>, which this SQLite has not")
def test_the_queries_of_the_readme_run(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    with Sandbox(config(store=file)) as sandbox:
        post(sandbox, ndjson([event("Signed Up", plan="pro"), event(time=5)]))
        engage(sandbox, [update("ann", set={"plan": "pro"})])
    blocks = re.findall(r"^```sql\n(.*?)^```$", MANUAL, flags=re.MULTILINE | re.DOTALL)
    queries = [query for block in blocks for query in block.split(";") if query.strip()]

    assert len(queries) >= 3
    assert all(rows(file, query) for query in queries)


def test_the_readme_describes_every_column(tmp_path: Path) -> None:
    file = tmp_path / "arrived.db"
    Database(file).close()
    there = {
        f"{table}.{column}"
        for table in ("events", "refused", "profiles")
        for (column,) in rows(file, "SELECT name FROM pragma_table_info(?)", (table,))
    }
    section = MANUAL.partition("<!-- tables of the store -->")[2].partition("<!-- end -->")[0]

    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", section, flags=re.MULTILINE)) == there
