"""The tables of a sandbox's file: their schema, what is written to them, and what is read. Knows nothing of threads.

The guide describes the tables, for people query them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mpimport.sandbox.intake import Batch, Item, Refused

_APPLICATION_ID = 0x6D706962  # "mpib": tells such a file from any other of SQLite's
_VERSION = 1
_LOCKED_S = 30.0  # how long another program may write to the file
_BEGIN_S = 2.0  # the same at the start, which no signal ends
_SCHEMA = f"""
BEGIN;
CREATE TABLE events (
  id INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, name TEXT NOT NULL, time INTEGER NOT NULL,
  distinct_id TEXT NOT NULL, insert_id TEXT NOT NULL, properties TEXT NOT NULL, digest BLOB NOT NULL UNIQUE);
CREATE INDEX events_by_name ON events (name, time);
CREATE TABLE refused (
  id INTEGER PRIMARY KEY, arrival INTEGER NOT NULL, endpoint TEXT NOT NULL, position INTEGER,
  insert_id TEXT NOT NULL, reasons TEXT NOT NULL, event TEXT);
CREATE TABLE profiles (distinct_id TEXT PRIMARY KEY, updated INTEGER NOT NULL, properties TEXT NOT NULL);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class WrongFile(Exception):
    """The file is a database, but not one that this version of the sandbox has made."""


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a file, and make its tables where it is empty."""
    # Absolute: SQLite takes names such as ":memory:" for something else than a file.
    connection = sqlite3.connect(path.absolute(), timeout=_BEGIN_S, check_same_thread=False)
    try:
        _expect_tables(connection)
        # People may read while it is written, started and stopped; only the change to this mode takes the whole file.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA busy_timeout = {round(_LOCKED_S * 1000)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _expect_tables(connection: sqlite3.Connection) -> None:
    kind = connection.execute("PRAGMA application_id").fetchone()[0]
    if not kind and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.executescript(_SCHEMA)
        return
    if kind != _APPLICATION_ID:
        raise WrongFile("it is a database, but not one of mpimport-sandbox")
    if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        raise WrongFile("another version of mpimport-sandbox has made it")


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that is there."""
    # Not mode=ro: the last one that closes the file takes its log away, which such a connection could not.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", timeout=_LOCKED_S, uri=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


def write(connection: sqlite3.Connection, batch: Batch) -> int:
    """Add a batch, and return its rows; what is there already stays as it is."""
    when, execute = batch.arrival_ms, connection.executemany
    execute(
        "INSERT OR IGNORE INTO events (arrival, name, time, distinct_id, insert_id, properties, digest)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (when, _text(it.name), it.time_ms, _text(it.distinct_id), it.insert_id, _properties(it.text), it.digest)
            for it in batch.items
        ),
    )
    execute(
        "INSERT INTO refused (arrival, endpoint, position, insert_id, reasons, event) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (when, batch.endpoint, it.position, _text(it.insert_id), json.dumps(it.reasons), _shown(it.text))
            for it in batch.refused
        ),
    )
    execute(
        "INSERT INTO profiles (distinct_id, updated, properties) VALUES (?, ?, ?)"
        " ON CONFLICT (distinct_id) DO UPDATE SET updated = excluded.updated, properties = excluded.properties",
        ((_text(who), when, text.decode()) for who, text in batch.profiles if text is not None),
    )
    gone = ((_text(who),) for who, text in batch.profiles if text is None)
    execute("DELETE FROM profiles WHERE distinct_id = ?", gone)
    return len(batch.items) + len(batch.refused) + len(batch.profiles)


def digests(connection: sqlite3.Connection) -> set[bytes]:
    """Return the digest of each event."""
    return {digest for (digest,) in connection.execute("SELECT digest FROM events")}


def names(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many events of each name there are."""
    return dict(connection.execute("SELECT name, count(*) FROM events GROUP BY name").fetchall())


def profiles(connection: sqlite3.Connection) -> dict[str, tuple[int, Any]]:
    """Return the profiles, the latest last: when each was updated, and its properties."""
    rows = connection.execute("SELECT distinct_id, updated, properties FROM profiles ORDER BY updated, rowid")
    return {distinct_id: (updated, json.loads(text)) for distinct_id, updated, text in rows}


def refused(connection: sqlite3.Connection, most: int) -> list[tuple[int, str, Refused]]:
    """Return what was refused, the latest last."""
    query = "SELECT arrival, endpoint, position, insert_id, reasons, event FROM refused ORDER BY id DESC LIMIT ?"
    return [
        (when, endpoint, Refused(index, insert_id, tuple(json.loads(reasons)), (text or "").encode()))
        for when, endpoint, index, insert_id, reasons, text in connection.execute(query, (most,))
    ][::-1]


def latest(connection: sqlite3.Connection, most: int) -> list[tuple[int, Item]]:
    """Return events with their arrival, the latest last."""
    query = (
        "SELECT arrival, name, time, distinct_id, insert_id, properties, digest FROM events ORDER BY id DESC LIMIT ?"
    )
    return [
        (when, Item(name, digest, _event(name, text), time, distinct_id, insert_id))
        for when, name, time, distinct_id, insert_id, text, digest in connection.execute(query, (most,))
    ][::-1]


def texts(connection: sqlite3.Connection, offset: int, limit: int) -> Iterator[bytes]:
    """Yield the JSON of events from `offset` on, in the order of their arrival."""
    first = connection.execute("SELECT id FROM events ORDER BY id LIMIT 1 OFFSET ?", (offset,)).fetchone()
    query = "SELECT name, properties FROM events WHERE id >= ? ORDER BY id LIMIT ?"
    for name, text in connection.execute(query, (*first, limit)) if first else ():
        yield _event(name, text)


class _Event(msgspec.Struct):
    """An event whose properties are the bytes that they were."""

    properties: msgspec.Raw


_decoder = msgspec.json.Decoder(_Event)


def _properties(text: bytes) -> str:
    try:
        return bytes(_decoder.decode(text).properties).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):  # half a surrogate pair is in it
        return json.dumps(json.loads(text)["properties"], separators=(",", ":"))


def _event(name: str, properties: str) -> bytes:
    return b'{"event":%b,"properties":%b}' % (json.dumps(name).encode(), properties.encode())


def _text(value: str) -> str:
    """Make text that SQLite takes: half a surrogate pair is shown by its number."""
    return value.encode("utf-8", "backslashreplace").decode()


def _shown(text: bytes) -> str | None:
    return text.decode("utf-8", "replace") or None
