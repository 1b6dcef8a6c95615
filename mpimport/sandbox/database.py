"""The file that keeps what arrived: one thread writes it in batches. Knows nothing of HTTP, or what rows mean."""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from mpimport.sandbox import tables
from mpimport.sandbox.claim import Claim
from mpimport.sandbox.intake import Batch
from mpimport.sandbox.store import FileProblem

_COMMIT_S = 0.2  # how much may be lost when the process is killed
_MAX_ROWS = 10_000  # written in one transaction
_MAX_WAITING = 16  # batches; beyond them requests wait for the disk


class Database:
    """One file, written in the order in which batches were put. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, for its owner only. FileProblem: it cannot be used, or another sandbox uses it."""
        self._path = path
        self._queue: queue.Queue[Batch | threading.Event | None] = queue.Queue(_MAX_WAITING)
        self._problem: str | None = None
        self._closed = False
        with self._explained():
            self._claim = Claim(path)
            try:
                os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
                self._connection = tables.open_to_write(path)
            except BaseException:
                self._claim.release()
                raise
        self._thread = threading.Thread(target=self._run, name="sandbox file", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees everything that was put before."""
        self._flush()
        with self._explained(), contextlib.closing(tables.open_to_read(self._path)) as connection:
            yield connection

    def put(self, batch: Batch) -> None:
        """Have a batch written soon; wait only when the disk is far behind. FileProblem: it cannot be written."""
        if self._problem:
            raise FileProblem(self._problem)
        if not self._closed:
            self._queue.put(batch)

    def close(self) -> None:
        """Write what waits and close the file. FileProblem: not everything is in it."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        try:
            with self._explained():
                self._connection.close()  # its log goes into the file, unless somebody else reads that: then they do it
        finally:
            self._claim.release()
        if self._problem:
            raise FileProblem(self._problem)

    def _flush(self) -> None:
        """Wait until everything that was put is in the file."""
        if self._closed:
            return
        done = threading.Event()
        self._queue.put(done)
        while not done.wait(0.1) and self._thread.is_alive():
            pass

    def _run(self) -> None:
        going_on = True
        while going_on:
            waiting: list[threading.Event] = []
            try:
                with self._connection:
                    going_on = self._write_some(waiting)
            except Exception as error:  # noqa: BLE001 - without its writer, every request would wait forever
                self._problem = f"{self._path} cannot be written: {_word(error)}"
            for done in waiting:
                done.set()

    def _write_some(self, waiting: list[threading.Event]) -> bool:
        """Write what comes within a moment, or until somebody waits for it; tell whether more will come."""
        one = self._queue.get()
        deadline, rows = time.monotonic() + _COMMIT_S, 0
        while True:
            if one is None:
                return False
            if isinstance(one, threading.Event):
                waiting.append(one)
                return True
            if not self._problem:
                rows += tables.write(self._connection, one)
            left = deadline - time.monotonic()
            if left <= 0 or rows >= _MAX_ROWS:
                return True
            try:
                one = self._queue.get(timeout=left)
            except queue.Empty:
                return True

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileProblem(f"{self._path} cannot be opened: {error.strerror}") from error
        except (sqlite3.Error, tables.WrongFile) as error:
            raise FileProblem(f"{self._path} cannot be used: {_word(error)}") from error


def _word(error: Exception) -> str:
    """Word what went wrong; SQLite does not say who is in the way."""
    who = "another program has it open, or writes to it: end that (a query, a shell), and start again"
    return f"{error}: {who}" if "locked" in str(error) else str(error)
