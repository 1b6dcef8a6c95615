"""A forwarding proxy on loopback: plain HTTP by absolute URL, anything by CONNECT; records what it was asked for.

It knows no names: whatever host is asked for, `upstream` is where it leads. So tests can use any name.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from types import TracebackType
from typing import BinaryIO, final

REFUSED = b"HTTP/1.1 %d Proxy\r\nProxy-Authenticate: Basic realm=p\r\nContent-Length: 0\r\n\r\n"


@final
class ForwardProxy:
    """Use as a context manager. `url` is its own, without credentials.

    `asked` lists the request lines, `heads` everything that came with them.
    `credentials`: "user:password" that a client must give. `answer`: a status to answer instead of
    leading on; 0 never answers. `tls`: the proxy itself is spoken to by TLS.
    """

    def __init__(
        self, upstream: int, *, credentials: str = "", answer: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self._upstream = ("127.0.0.1", upstream)
        self._wanted = b"Basic " + base64.b64encode(credentials.encode()) if credentials else b""
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> ForwardProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(2)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        stream = client
        with contextlib.suppress(OSError):
            with self._lock:
                self._open.append(client)
            if self._tls is not None:
                stream = self._tls.wrap_socket(client, server_side=True)
                with self._lock:
                    self._open.append(stream)
            with stream.makefile("rb") as reader:
                while self._serve_one(stream, reader):
                    pass
        stream.close()

    def _serve_one(self, client: socket.socket, reader: BinaryIO) -> bool:
        head = _read_head(reader)
        if not head:
            return False
        line = head.splitlines()[0].decode()
        with self._lock:
            self.asked.append(line)
            self.heads.append(head)
        if self._answer == 0:
            return not self._over.wait(30)
        if self._wanted and b"Proxy-Authorization: " + self._wanted not in head:
            client.sendall(REFUSED % 407)
            return False
        if self._answer:
            client.sendall(REFUSED % self._answer)
            return False
        with socket.create_connection(self._upstream) as server:
            with self._lock:
                self._open.append(server)
            if line.startswith("CONNECT "):
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _pump_both(client, server)
                return False
            return _forward(client, reader, server, head)


def _read_head(reader: BinaryIO) -> bytes:
    head = b""
    while line := reader.readline():
        head += line
        if line == b"\r\n":
            return head
    return b""


def _forward(client: socket.socket, reader: BinaryIO, server: socket.socket, head: bytes) -> bool:
    """Send one request on in the form that servers expect, and its reply back."""
    first, _, rest = head.partition(b"\r\n")
    method, url, version = first.split(b" ")
    path = b"/" + url.split(b"/", 3)[3]
    lines = [line for line in rest.splitlines(keepends=True) if not line.lower().startswith(b"proxy-")]
    server.sendall(b" ".join((method, path, version)) + b"\r\n" + b"".join(lines))
    server.sendall(reader.read(_length(head)))
    with server.makefile("rb") as answers:
        answer = _read_head(answers)
        client.sendall(answer + answers.read(_length(answer)))
    return True


def _length(head: bytes) -> int:
    for line in head.lower().splitlines():
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _pump_both(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(server, client), daemon=True)
    back.start()
    _pump(client, server)
    back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
