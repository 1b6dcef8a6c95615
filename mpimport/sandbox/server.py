"""The sandbox as a running server: threads, connections and their end. Listens on loopback only."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import socketserver
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mpimport.sandbox.config import SandboxConfig
from mpimport.sandbox.endpoint import ImportEndpoint
from mpimport.sandbox.engage import EngageEndpoint
from mpimport.sandbox.faults import Faults
from mpimport.sandbox.handler import Endpoint, Handler, reset_on_close
from mpimport.sandbox.limiter import RollingLimit
from mpimport.sandbox.store import FileProblem, Store
from mpimport.sandbox.track import TrackEndpoint

if TYPE_CHECKING:
    from mpimport.sandbox.database import Database

_log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"
_POLL_S = 0.02  # how long the accepting thread may take to notice the stop
_STOP_S = 2.0  # how long a stop waits for requests that are being answered


class Sandbox:
    """A local stand-in of the ingestion API, running for as long as it is entered as a context.

    It serves `POST /import`, `POST /track` and `POST /engage`, and `views` to look at what arrived; what it
    holds can be asked for after its end, too. `port` 0 takes any free port. Leaving the context
    closes kept-alive connections without waiting for their clients.

    Where the configuration names a file, entering and leaving may raise `FileProblem`.
    """

    def __init__(self, config: SandboxConfig | None = None, port: int = 0) -> None:
        self._config = config or SandboxConfig()
        self._port = port
        self._database: Database | None = None
        self._store = Store(self._config.keep_events, now=self._config.now)
        self._faults = Faults(self._config.faults, self._config.seed)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Start to listen; raise OSError when the port is taken."""
        if self._config.store:
            self._database = _open(self._config.store)
        try:
            if self._database:
                self._store = Store(self._config.keep_events, database=self._database, now=self._config.now)
            self._server = Server(self._port, self._config, self._store, self._faults)
        except BaseException:
            self._close_file()
            raise
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, close all connections and free the port."""
        assert self._server is not None
        assert self._thread is not None
        self._server.stop()
        self._thread.join()
        self._close_file()

    def _close_file(self) -> None:
        if self._database:
            self._database.close()

    @property
    def url(self) -> str:
        """The base URL to import to."""
        return f"http://{_LOOPBACK}:{self._port}"

    def stats(self) -> dict[str, Any]:
        """Return all counters: what `GET /stats` shows."""
        return self._store.stats()

    def events(self, *, offset: int = 0, limit: int = sys.maxsize) -> list[dict[str, Any]]:
        """Return stored events, decoded, in the order of their arrival."""
        return [json.loads(text) for text in self._store.texts(offset, limit)]

    def profiles(self) -> dict[str, dict[str, Any]]:
        """Return the properties of each user profile."""
        return {one["$distinct_id"]: one["$properties"] for one in self._store.profiles()}

    def refused(self) -> list[dict[str, Any]]:
        """Return what was refused lately, the latest first: what `GET /refused` shows."""
        return self._store.refused()


def _open(path: Path) -> Database:
    try:
        from mpimport.sandbox.database import Database  # noqa: PLC0415  not every Python has sqlite3
    except ImportError as error:
        raise FileProblem(f"{path} cannot be used: this Python has no sqlite3") from error
    return Database(path)


class Server(socketserver.ThreadingTCPServer):
    """The listening socket and the open connections: one daemon thread each."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share the port

    def __init__(self, port: int, config: SandboxConfig, store: Store, faults: Faults) -> None:
        self.config = config
        self.store = store
        self.faults = faults
        limit = RollingLimit(
            config.max_events_per_window, config.max_bytes_per_window, config.window_s, config.monotonic
        )
        track, engage = TrackEndpoint(config, store, limit), EngageEndpoint(config, store, limit)
        self.endpoints: dict[str, Endpoint] = {
            "/import": ImportEndpoint(config, store, limit),
            "/track": track,
            "/track/": track,  # so the vendor's client for browsers writes them
            "/engage": engage,
            "/engage/": engage,
        }
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__((_LOOPBACK, port), Handler)

    def reset(self, connection: socket.socket) -> None:
        """Let a connection end with a reset as soon as its handler is done."""
        reset_on_close(connection)
        with self._changed:
            self._reset.add(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note a new connection and give it its thread."""
        self.store.count("connections")
        with self._changed:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection: in order, or by a reset, which no orderly end may come before."""
        with self._changed:
            self._open.discard(request)
            orderly = request not in self._reset
            self._reset.discard(request)
            # Under the lock: stop() must not touch a closed socket, and waits for the last of them.
            if orderly:
                super().shutdown_request(request)
            else:
                self.close_request(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - inherited
        """Report what a handler raised: a connection that broke is the client's affair, the rest a bug."""
        if not isinstance(sys.exc_info()[1], OSError):
            self.store.count("internal_errors")
            _log.exception("the sandbox failed on a request")

    def stop(self) -> None:
        """Stop accepting, let nothing wait any longer, and close every connection."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        deadline = time.monotonic() + _STOP_S
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the client was quicker
                    connection.shutdown(socket.SHUT_RDWR)
            while self._open and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
