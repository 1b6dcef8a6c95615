"""Owns reading a reply under a deadline: every byte of it, headers too, arrives within one attempt's time.

Must not know requests, verdicts, or what a reply says. A socket's own timeout starts anew with every byte,
so a server that dribbles would never be done with.
"""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from http.client import HTTPResponse

SWITCHING_PROTOCOLS = 101


class StaleConnectionError(ConnectionResetError):
    """A kept-alive connection ended before the first byte of a reply: the server had closed it already."""


def bounded(connection: type) -> type:
    """Give a subclass of an http.client connection class whose replies are read under a deadline.

    The deadline is the socket's timeout at the moment the reply begins. Reading raises TimeoutError when
    it has passed, and StaleConnectionError. Use one subclass for all connections of a transport.
    """
    reply_class = _reply_class()
    answered: WeakSet[socket.socket] = WeakSet()
    send_request: Callable[..., None] = connection.request  # type: ignore[attr-defined] # any http.client connection

    def request(self: Any, *args: Any, **options: Any) -> None:
        try:
            send_request(self, *args, **options)
        except ssl.SSLEOFError as error:
            # The name that urllib3 knows it by: it then reads what the server said before it hung up.
            raise BrokenPipeError(*error.args) from error

    def reply_on(sock: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
        reply = reply_class(sock, *args, **options)
        reply.fp.close()
        reply.fp = _Buffered(_Reader(sock, reused=sock in answered))
        answered.add(sock)
        return reply

    return type("Connection", (connection,), {"request": request, "response_class": staticmethod(reply_on)})


def _reply_class() -> type[HTTPResponse]:
    from http.client import HTTPResponse  # noqa: PLC0415 - 50 ms to import, needed only to send

    class Reply(HTTPResponse):
        """Passes over every 1xx, as RFC 9110 asks; http.client passes over 100 only, and takes others for the reply."""

        def begin(self) -> None:
            super().begin()
            while 100 <= self.status < 200 and self.status != SWITCHING_PROTOCOLS:
                self.headers = self.msg = None  # type: ignore[assignment] # as before the first line was read
                super().begin()
            if self.status == SWITCHING_PROTOCOLS:
                self.will_close = True  # what follows is no HTTP

    return Reply


class _Buffered(io.BufferedReader):
    """Ends the connection if there is more than the reply: it would be taken for the reply to the next request."""

    raw: _Reader

    def close(self) -> None:
        if not self.closed and self.raw.tell() > self.tell():
            self.raw.shut()
        super().close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, *, reused: bool) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open when the connection lets go of it
        self._reused = reused
        left_s = sock.gettimeout()
        self._deadline = float("inf") if left_s is None else time.monotonic() + left_s
        self._given = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """Give the number of bytes that were read."""
        return self._given

    def shut(self) -> None:
        """Let nobody use the connection again."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        if left_s != float("inf"):
            self._sock.settimeout(left_s)
        try:
            count = self._raw.readinto(buffer)
        except (ConnectionError, ssl.SSLEOFError) as error:
            if self._reused:
                raise StaleConnectionError("closed while it was idle") from error
            raise
        if self._reused and not count:
            raise StaleConnectionError("closed while it was idle")
        self._reused = False
        self._given += count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
