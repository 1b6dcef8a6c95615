"""A loopback HTTP/1.1 server in threads that answers from a script and records what it was sent."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Literal, TypeAlias, final

SO_LINGER_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Received:
    """One request as the server saw it; header names in lower case, the body decompressed."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def events(self) -> int:
        """The number of events, of NDJSON or of a JSON array."""
        if "ndjson" in self.headers.get("content-type", ""):
            return self.body.count(b"\n")
        return len(json.loads(self.body or b"[]"))


@dataclass(frozen=True)
class Answer:
    """What to do with one request.

    `body` None is the documented 200 for the events that came. `delay_s`: before answering.
    `reset`: the connection is reset "before" reading the body, or "after". `cut`: only so many bytes of
    the body are sent, of all that were announced. `endless`: the body never ends, as fast as it can be
    taken; with `drip_s` one byte each so many seconds. `drip_headers` does so with a header.
    `close`: close after the answer, without announcing it. `before` and `behind` are bytes that are sent around
    the answer in the same write; what is endless comes behind `behind`. `raw` is sent in the answer's place, and
    then the connection is closed.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: Literal["before", "after"] | None = None
    cut: int | None = None
    endless: bool = False
    drip_s: float = 0.0
    drip_headers: bool = False
    close: bool = False
    before: bytes = b""
    behind: bytes = b""
    raw: bytes | None = None


Script: TypeAlias = "Iterable[Answer | Callable[[Received], Answer]]"


@final
class ScriptedServer:
    """Use as a context manager; `url` is its base URL. When the script is over, everything is accepted."""

    def __init__(
        self, script: Script = (), *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._script = iter(script)
        self._tls = tls
        self._host = host
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        """The base URL."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def drop_connections(self) -> None:
        """Close all connections that are open, as a server does with idle ones."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> ScriptedServer:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        stream = connection
        try:
            if self._tls is not None:
                stream = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(connection)
                    self._open.add(stream)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with stream.makefile("rb") as reader:
                while not self._over.is_set():
                    head = _read_head(reader)
                    if head is None or not self._answer(stream, reader, head, number):
                        return
        except OSError:
            pass  # the client went away, or its handshake failed: what some tests want
        finally:
            with self._lock:
                self._open.discard(stream)
                self._open.discard(connection)
            stream.close()

    def _answer(
        self, stream: socket.socket, reader: BinaryIO, head: tuple[str, str, dict[str, str]], number: int
    ) -> bool:
        method, path, headers = head
        with self._lock:
            step = next(self._script, None) or Answer()
            if isinstance(step, Answer) and step.reset == "before":
                self.requests.append(Received(method, path, headers, b"", number))
                _reset(stream)
                return False
        body = reader.read(int(headers.get("content-length", "0"))) or b""
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        received = Received(method, path, headers, body, number)
        with self._lock:
            self.requests.append(received)
        answer = step if isinstance(step, Answer) else step(received)
        if answer.delay_s:
            self._over.wait(answer.delay_s)
        if answer.reset:
            _reset(stream)
            return False
        return self._write(stream, answer, received)

    def _write(self, stream: socket.socket, answer: Answer, received: Received) -> bool:
        if answer.raw is not None:
            stream.sendall(answer.raw)
            return False
        body = answer.body
        if body is None:
            body = json.dumps({"code": 200, "num_records_imported": received.events, "status": "OK"}).encode()
        length = {} if answer.endless else {"Content-Length": str(len(body))}
        names = {"Content-Type": "application/json", **length, **answer.headers}
        head = f"HTTP/1.1 {answer.status} Scripted\r\n" + "".join(f"{n}: {v}\r\n" for n, v in names.items())
        start = answer.before + head.encode("latin-1")
        if answer.drip_headers:
            stream.sendall(start)
            self._drip(stream, answer.drip_s)
            return False
        if answer.endless:
            stream.sendall(start + b"\r\n" + answer.behind)
            self._drip(stream, answer.drip_s)
            return False
        stream.sendall(start + b"\r\n" + (body if answer.cut is None else body[: answer.cut]) + answer.behind)
        return answer.cut is None and not answer.close

    def _drip(self, stream: socket.socket, pause_s: float) -> None:
        portion = b"x" if pause_s else b"x" * 65536
        while not self._over.wait(pause_s):
            stream.sendall(portion)


def _read_head(reader: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    lines = []
    while line := reader.readline():
        if line in {b"\r\n", b"\n"}:
            break
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    if not lines or lines[0].count(" ") != 2:
        return None
    method, path, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:])
    return method, path, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_RESET)
    stream.close()
