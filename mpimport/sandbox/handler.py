"""HTTP of the sandbox: one connection's requests to their replies, and the faults on the way."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from mpimport.sandbox import reply
from mpimport.sandbox.decode import Malformed, TooLarge
from mpimport.sandbox.endpoint import Head
from mpimport.sandbox.reply import Reply
from mpimport.sandbox.store import FileProblem
from mpimport.sandbox.views import VIEWS, Look, Stream, View, refuse_hosts
from mpimport.sandbox.wire import Body

if TYPE_CHECKING:
    from mpimport.sandbox.server import Server

_DRAIN_BYTES = 1 << 26  # a refused body is read away up to here, so that its sender sees the reply
# struct linger {on, 0 s}: closing sends a reset. Windows has shorts in it.
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Endpoint(Protocol):
    """What answers the requests to one path of the API."""

    def refuse_head(self, head: Head) -> Reply | None: ...  # noqa: D102  for what stands before the body
    def answer(self, head: Head, wire: bytes) -> Reply: ...  # noqa: D102


class Handler(BaseHTTPRequestHandler):
    """Serves one connection, kept alive. Logs nothing: what happened is in the statistics."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a reply is one write
    disable_nagle_algorithm = True

    server: Server
    _body: Body | None = None
    _expects_100 = False

    def version_string(self) -> str:
        """Name the server, and not its version of Python."""
        return "mpimport-sandbox"

    def handle_expect_100(self) -> bool:
        """Put the `100 Continue` off until the body is wanted, so that a refusal comes before it."""
        self._expects_100 = True
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is inherited
        """Log nothing, credentials least of all."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that could not be read, in the API's form."""
        self._body_is_lost()
        self._write(reply.error(int(code), message or explain or reply.phrase(int(code))))

    def do_POST(self) -> None:
        """Serve any request: the paths know their methods."""
        self._expects_100, expected = False, self._expects_100
        try:
            self._body = Body(cast("Any", self.rfile), self.headers)
            self._expects_100 = expected and not self._body.is_empty
            self._route()
        except Malformed as error:
            self.send_error(400, str(error))
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 - inherited names

    def _route(self) -> None:
        try:
            url = urlsplit(self.path)
        except ValueError as error:  # such as half an IPv6 address
            raise Malformed("the request names no valid path") from error
        # The documentation names /engage#profile-set and the like; some clients send it all, with the query behind.
        asked = url.query or url.fragment.partition("?")[2]
        query = {name: values[-1] for name, values in parse_qs(asked, keep_blank_values=True).items()}
        path = url.path
        endpoint, view = self.server.endpoints.get(path), VIEWS.get(path)
        method = "POST" if endpoint else "GET"
        if endpoint is None and view is None:
            self._reply(reply.error(404, f"unknown path: {path[:200]}; GET / lists those that there are"))
        elif self.command != method:
            self._reply(reply.error(405, f"{path} takes {method} only", Allow=method))
        elif endpoint:
            self._take_in(path, endpoint, query)
        elif view and (refusal := refuse_hosts([*self.headers.get_all("Host", []), *filter(None, [url.netloc])])):
            self._reply(refusal)
        elif view:
            self._show(view, Look(query, self.headers.get("Accept", "")))

    def _show(self, view: View, look: Look) -> None:
        answer = view(self.server.store, look)
        if isinstance(answer, Stream):
            self._stream(answer.content_type, answer.parts)
        else:
            self._reply(answer)

    def _take_in(self, path: str, endpoint: Endpoint, query: dict[str, str]) -> None:
        fault = self.server.faults.draw()
        self.server.store.begin(fault)
        try:
            answer = self._answer(endpoint, self._head(query), fault)
            if answer and answer.refusal:
                self.server.store.refuse_request(path, answer.refusal)
            delay_s = self.server.config.latency_s + (self.server.config.slow_s if fault == "slow" else 0)
            if delay_s and self.server.stopping.wait(delay_s):
                self.close_connection = True
            elif answer is None:
                self.server.reset(self.connection)
                self.close_connection = True
            elif fault == "garbage":
                self.wfile.write(answer.body)
                self.close_connection = True
            else:
                self._reply(answer, cut=fault == "cut", counted=True)
        finally:
            self.server.store.end()

    def _answer(self, endpoint: Endpoint, head: Head, fault: str | None) -> Reply | None:
        """Process a request as far as its fault lets it; None stands for a reset."""
        before = fault is not None and (fault in ("reset", "html", "garbage") or fault.isdigit())
        refusal = None if before else endpoint.refuse_head(head) or _refuse_encoding(head)
        if refusal:
            return refusal
        try:
            wire = self._read(_max_wire_bytes(head, self.server.config.max_request_bytes))
        except TooLarge:
            return reply.too_large(self.server.config.max_request_bytes)
        except Malformed as error:
            self._body_is_lost()
            return reply.error(400, str(error))
        if fault == "reset":
            return None
        if fault is not None and before:
            return reply.injected(fault, self.server.config.max_request_bytes)
        try:
            answer = endpoint.answer(head, wire)
        except FileProblem as problem:
            self.server.store.count("internal_errors")
            return reply.failed(str(problem))
        return None if fault == "reset-after" else answer

    def _head(self, query: dict[str, str]) -> Head:
        return Head(
            content_type=self.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            content_encoding=self.headers.get("Content-Encoding", "").strip().lower(),
            strict=query.get("strict") == "1",
            verbose=query.get("verbose") == "1",
            project_id=query.get("project_id"),
            authorization=self.headers.get("Authorization"),
        )

    def _read(self, max_bytes: int) -> bytes:
        assert self._body is not None
        if self._expects_100:
            self._expects_100 = False
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        return self._body.read(max_bytes)

    def _finish_body(self) -> None:
        """Read away what is left of the body, or else make this the connection's last reply.

        Closing on unread data would reset the connection, and the client might not see the reply.
        """
        try:
            if self._expects_100 or (self._body is not None and not self._body.drain(_DRAIN_BYTES)):
                self.close_connection = True
        except Malformed:
            self._body_is_lost()

    def _body_is_lost(self) -> None:
        """End the connection after this reply: where its next request begins is unknown."""
        self._body = None
        self.close_connection = True

    def _reply(self, answer: Reply, *, cut: bool = False, counted: bool = False) -> None:
        self._finish_body()
        if counted:
            self.server.store.replied(answer.status)
        self._write(answer, cut=cut)

    def _write(self, answer: Reply, *, cut: bool = False) -> None:
        self._begin(answer.status, answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    def _stream(self, content_type: str, parts: Iterator[bytes]) -> None:
        """Reply with a body whose length is not known yet, so that a big one is never in memory whole."""
        self._finish_body()
        chunked = self.request_version != "HTTP/1.0"
        self.close_connection = self.close_connection or not chunked
        self._begin(200, content_type)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        self.wfile.write(b"0\r\n\r\n" if chunked else b"")
        self.wfile.flush()

    def _begin(self, status: int, content_type: str) -> None:
        self.send_response(status, reply.phrase(status))
        self.send_header("Content-Type", content_type)
        self.send_header("X-Content-Type-Options", "nosniff")  # events are no page, whatever is in them


def _refuse_encoding(head: Head) -> Reply | None:
    if head.content_encoding not in ("", "identity", "gzip"):
        return reply.error(415, "Content-Encoding must be gzip or absent")
    return None


def _max_wire_bytes(head: Head, limit: int) -> int:
    """Return how many bytes of a body are worth reading: beyond them it surely is too large."""
    # What cannot be compressed grows a little by gzip: 5 bytes a block, and a header.
    return limit + limit // 1000 + 1024 if head.content_encoding == "gzip" else limit


def reset_on_close(connection: socket.socket) -> None:
    """Make the closing of a connection a reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
