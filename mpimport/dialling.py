"""Owns how a connection comes about: addresses, tunnel, TLS; each within its time, and told apart when it fails.

Must not know requests, or what is sent.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

SocketOptions: TypeAlias = "Iterable[tuple[int, int, int | bytes]]"


class ConnectTimeoutError(TimeoutError):
    """No address of the host took the connection in time."""


class HandshakeTimeoutError(TimeoutError):
    """The host took the connection, and TLS was not agreed upon in time."""


class TunnelError(OSError):
    """The proxy took the connection, and did not lead on to the host; the cause says why."""


def dialled(connection: type) -> type:
    """Give a subclass of a urllib3 connection class that connects by `dial`, and raises the errors above."""
    kind: Any = connection
    plain_connect: Callable[[Any], None] = kind.connect
    plain_tunnel: Callable[[Any], None] = kind._tunnel  # noqa: SLF001  http.client has no other way in

    def new_connection(self: Any) -> socket.socket:
        try:
            return dial(self._dns_host, self.port, self.timeout, self.socket_options or ())
        except TimeoutError as error:
            raise ConnectTimeoutError(*error.args) from error
        except ConnectionResetError as error:  # urllib3 knows it by its number, and would wait for a reply all the same
            raise ConnectionAbortedError("reset while it was made") from error

    def tunnel(self: Any) -> None:
        try:
            plain_tunnel(self)
        except Exception as error:
            raise TunnelError("no tunnel") from error

    def connect(self: Any) -> None:
        try:
            plain_connect(self)
        except ConnectTimeoutError:
            raise
        except TimeoutError as error:
            raise HandshakeTimeoutError(*error.args) from error

    return type("Connection", (connection,), {"_new_conn": new_connection, "_tunnel": tunnel, "connect": connect})


def dial(host: str, port: int, timeout_s: float | None, options: SocketOptions = ()) -> socket.socket:
    """Connect to the first address of a host that answers; OSError of the last one when none does.

    The time is that of all addresses together, in equal shares of what is left: a host with a dead IPv6
    address is reached by IPv4 all the same, and nobody waits longer than `timeout_s`.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:  # an empty label, or one that is too long: no resolver would know it
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        left_s = None if deadline is None else (deadline - time.monotonic()) / (len(found) - number)
        try:
            sock = _connected(socket.socket(family, kind, protocol), address, left_s, options)
        except OSError as error:
            failure = error
        else:
            sock.settimeout(timeout_s)
            return sock
    raise failure


def _connected(sock: socket.socket, address: Any, timeout_s: float | None, options: SocketOptions) -> socket.socket:
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(None if timeout_s is None else max(timeout_s, 0.001))  # 0 would mean: do not wait at all
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
