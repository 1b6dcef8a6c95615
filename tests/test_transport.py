"""One attempt against a real server on loopback that behaves as badly as servers do."""

from __future__ import annotations

import base64
import errno
import gzip
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from scripted_server import Answer, Received, Script, ScriptedServer

from mpimport.auth import Auth, project_token, service_account, token_in_events
from mpimport.body import encode_body
from mpimport.endpoints import ENDPOINTS, target
from mpimport.errors import UsageProblem
from mpimport.failures import Failure, Way, explain
from mpimport.records import Response
from mpimport.transport import MAX_REPLY_BYTES, Transport

BODY = b'{"event":"a"}\n{"event":"b"}\n'
SECRET = "s3cr-ét"


@contextmanager
def transport_to(url: str, auth: Auth | None = None, **options: Any) -> Iterator[Transport]:
    auth = auth or service_account("bob", SECRET, "12345")
    transport = Transport(target(ENDPOINTS["import"], url, auth), auth, **{"timeout_s": 5.0} | options)
    try:
        yield transport
    finally:
        transport.close()


def send(transport: Transport, body: bytes = BODY) -> Response:
    return transport.send(*encode_body(body, "ndjson", 1))


def attempts(script: Script, count: int = 1, **options: Any) -> tuple[list[Response], ScriptedServer]:
    """Make `count` attempts against a server with this script."""
    with ScriptedServer(script) as server, transport_to(server.url, **options) as transport:
        return [send(transport) for _ in range(count)], server


def test_a_request_is_what_the_documentation_asks_for() -> None:
    (response,), server = attempts([])
    assert (response.status, response.body) == (200, b'{"code": 200, "num_records_imported": 2, "status": "OK"}')
    assert response.headers["content-type"] == "application/json"
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/import?strict=1&project_id=12345")
    assert request.body == BODY
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("mpimport/")
    assert request.headers["authorization"] == "Basic Ym9iOnMzY3Itw6l0"
    assert int(request.headers["content-length"]) == len(encode_body(BODY, "ndjson", 1)[0])
    assert "cookie" not in request.headers


def test_a_token_in_the_events_needs_no_header_and_is_masked_where_it_is_echoed() -> None:
    auth = token_in_events("abc12345")
    echo = Answer(200, b'{"status":0,"error":"token abc12345"}')
    with ScriptedServer([echo]) as server:
        transport = Transport(target(ENDPOINTS["track"], server.url, auth), auth, timeout_s=5.0)
        response = transport.send(*encode_body(BODY, "json", None))
        transport.close()
    (request,) = server.requests
    assert request.path == "/track?verbose=1"
    assert "authorization" not in request.headers
    assert response.body == b'{"status":0,"error":"token ***"}'


def test_connections_are_kept_alive() -> None:
    responses, server = attempts([], count=20)
    assert {response.status for response in responses} == {200}
    assert server.connections == 1


def test_senders_share_it_each_with_a_connection() -> None:
    with ScriptedServer() as server, transport_to(server.url, workers=8) as transport:
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(lambda _: send(transport), range(200)))
        assert {response.status for response in responses} == {200}
        assert len(server.requests) == 200
        assert server.connections <= 8


@pytest.mark.parametrize("status", [200, 400, 401, 404, 413, 429, 500, 503])
def test_any_status_is_a_response(status: int) -> None:
    (response,), _ = attempts([Answer(status, b"<html>words</html>", {"Retry-After": "7"})])
    assert (response.status, response.body, response.headers["retry-after"]) == (status, b"<html>words</html>", "7")
    assert response.headers["date"].endswith("GMT"), "or a date in retry-after would mean nothing"
    assert response.error == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with ScriptedServer() as other:
        answer = Answer(status, b"", {"Location": f"{other.url}/import"})
        (response,), server = attempts([answer])
        assert (response.status, response.headers["location"]) == (status, f"{other.url}/import")
        assert len(server.requests) == 1
        assert other.connections == 0


def test_cookies_are_not_kept() -> None:
    _, server = attempts([Answer(headers={"Set-Cookie": "a=b; Path=/"})], count=2)
    assert "cookie" not in server.requests[1].headers


def test_netrc_is_not_consulted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login mallory password wrong\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    _, server = attempts([])
    assert server.requests[0].headers["authorization"] == "Basic Ym9iOnMzY3Itw6l0"


@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_reset_connection(reset: Any) -> None:
    responses, server = attempts([Answer(reset=reset)], count=2)
    assert responses[0].status == 0
    assert "broke the connection off before its reply was complete" in responses[0].error
    assert responses[1].status == 200
    assert len(server.requests) == 2


def test_a_reply_that_is_cut() -> None:
    responses, server = attempts([Answer(cut=5)], count=2)
    assert responses[0].status == 0
    assert "was cut short" in responses[0].error
    assert responses[1].status == 200
    assert server.connections == 2


def test_a_chunked_reply_and_one_that_is_cut() -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    script = [
        Answer(body=b"3\r\n{}\n\r\n0\r\n\r\n", headers=chunked, endless=False),
        Answer(body=b"3\r\n{}\n\r\n5\r\nab", headers=chunked, close=True),
        Answer(body=b"zz\r\n", headers=chunked, close=True),
    ]
    responses, _ = attempts(script, count=4)
    assert [response.status for response in responses] == [200, 0, 0, 200]
    assert responses[0].body == b"{}\n"
    assert "was cut short" in responses[1].error
    assert responses[2].error


def test_a_closed_connection_without_a_reply() -> None:
    with silent_server(lambda connection: connection.close()) as url, transport_to(url) as transport:
        response = send(transport)
    assert response.status == 0
    assert "broke the connection off" in response.error


def test_a_reply_that_is_no_http() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)

    with silent_server(answer) as url, transport_to(url) as transport:
        response = send(transport)
    assert response.status == 0
    assert response.error.endswith("is not HTTP; is it the right port?")


@pytest.mark.parametrize("headers", [b"X: y\r\n" * 300, b"X: %b\r\n" % (b"y" * 70_000)], ids=["many", "long"])
def test_headers_without_measure_are_told_as_that(headers: bytes) -> None:
    (response,), _ = attempts([Answer(raw=b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: 0\r\n\r\n")])
    assert response.status == 0
    assert response.error.endswith(" are too many or too long to be read; is it the right one?")


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_an_interim_reply_is_passed_over(status: int) -> None:
    """Or the real one would be taken for the reply to the next request on the connection."""
    interim = b"HTTP/1.1 %d Wait\r\nLink: </style.css>\r\n\r\n" % status
    script = [Answer(200, b"first", before=interim * 3), Answer(503, b"second")]
    responses, server = attempts(script, count=2)
    assert [(response.status, response.body) for response in responses] == [(200, b"first"), (503, b"second")]
    assert server.connections == 1


def test_a_connection_that_leaves_http_is_not_used_again() -> None:
    responses, server = attempts([Answer(101, b"", behind=b"anything")], count=2)
    assert [response.status for response in responses] == [101, 200]
    assert server.connections == 2


@pytest.mark.parametrize("pad", [0, 10_000, 100_000], ids=["small", "larger than a buffer", "large"])
@pytest.mark.parametrize("status", [200, 204, 503])
def test_what_follows_a_reply_is_not_the_reply_to_the_next_request(status: int, pad: int) -> None:
    lie = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pad + 3) + b"lie" + b" " * pad
    script = [Answer(status, b"" if status == 204 else b"first", behind=lie), Answer(200, b"second")]
    responses, server = attempts(script, count=2)
    assert [response.status for response in responses] == [status, 200]
    assert responses[1].body == b"second"
    assert [request.connection for request in server.requests] == [1, 2]


@contextmanager
def silent_server(serve: Any) -> Iterator[str]:
    """Run a server that does `serve` with its connections instead of speaking HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    serve(connection)
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(2)
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(delay_s=5.0),
        Answer(endless=True, drip_s=0.01),
        Answer(endless=True, drip_s=0.01, headers={"Content-Length": "100000"}),
        Answer(drip_headers=True, drip_s=0.01),
    ],
    ids=["slow", "dripping", "dripping with a length", "dripping headers"],
)
def test_an_attempt_ends_in_time_whatever_dribbles(answer: Answer) -> None:
    before = time.monotonic()
    (response,), _ = attempts([answer], timeout_s=0.2)
    assert 0.15 < time.monotonic() - before < 2
    assert response.status == 0
    assert response.error.endswith("within 0.2 s"), response.error


@pytest.mark.parametrize(
    "answer",
    [Answer(endless=True), Answer(endless=True, headers={"Content-Length": "100000000"})],
    ids=["endless", "100 MB"],
)
def test_a_reply_without_measure_is_not_read_to_its_end(answer: Answer) -> None:
    responses, server = attempts([answer], count=2)
    assert responses[0].status == 0
    assert "larger than 4,000,000 bytes" in responses[0].error
    assert responses[0].body == b""
    assert responses[1].status == 200
    assert server.connections == 2


def test_a_long_reply_is_read_whole() -> None:
    body = b"x" * MAX_REPLY_BYTES
    (response,), _ = attempts([Answer(400, body)])
    assert response.body == body


def test_a_compressed_reply_is_unpacked_though_nobody_asked_for_it() -> None:
    packed = gzip.compress(b'{"code":200}', mtime=0)
    (response,), _ = attempts([Answer(200, packed, {"Content-Encoding": "gzip"})])

    assert response.body == b'{"code":200}'


def test_a_bomb_is_unpacked_no_further_than_a_reply_may_be_long() -> None:
    packed = gzip.compress(bytes(50_000_000), mtime=0)
    (response,), _ = attempts([Answer(200, packed, {"Content-Encoding": "gzip"})])

    assert len(response.body) == MAX_REPLY_BYTES


def test_what_is_packed_wrongly_is_no_reply() -> None:
    (response,), _ = attempts([Answer(200, b"no gzip", {"Content-Encoding": "gzip"})])

    assert response.status == 0
    assert "cannot be read" in response.error


def test_a_kept_connection_that_the_server_closed_is_replaced_at_once() -> None:
    with ScriptedServer() as server, transport_to(server.url) as transport:
        assert send(transport).status == 200
        server.drop_connections()
        assert send(transport).status == 200
        assert server.connections == 2


@pytest.mark.parametrize("size", [10, 8_000_000], ids=["small", "larger than any buffer"])
def test_a_kept_connection_that_goes_while_it_is_used_is_replaced_at_once(size: int) -> None:
    body = b"x" * size
    with ScriptedServer([Answer(), Answer(reset="before")]) as server, transport_to(server.url) as transport:
        responses = [transport.send(*encode_body(body, "ndjson", None)) for _ in range(2)]
    assert [response.status for response in responses] == [200, 200], responses
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_all_kept_connections_that_went_stale_together_are_replaced_at_once() -> None:
    together = threading.Barrier(4)
    used: set[int] = set()

    def once_a_connection(received: Received) -> Answer:
        if received.connection in used:
            return Answer(reset="after")
        used.add(received.connection)
        if received.connection <= 4:
            together.wait(5)
        return Answer()

    with ScriptedServer([once_a_connection] * 12) as server, transport_to(server.url, workers=4) as transport:
        with ThreadPoolExecutor(4) as threads:
            responses = list(threads.map(lambda _: send(transport), range(8)))
        assert [response.status for response in responses] == [200] * 8, responses
        assert 4 < server.connections <= 8


def test_a_new_connection_that_goes_is_not_tried_again_here() -> None:
    responses, server = attempts([Answer(), Answer(reset="after"), Answer(reset="after")], count=2)
    assert [response.status for response in responses] == [200, 0]
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_a_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with transport_to(f"http://127.0.0.1:{port}") as transport:
        response = send(transport)
    words = "refused the connection: is it the right address and port, and is it running?"
    assert response == Response(0, error=f"127.0.0.1:{port} {words}")


def test_a_connection_that_is_reset_while_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(*_: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    monkeypatch.setattr("mpimport.dialling.dial", reset)
    for url in ("http://127.0.0.1:9", "https://127.0.0.1:9"):
        with transport_to(url) as transport:
            assert "127.0.0.1:9 broke the connection off" in send(transport).error


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with transport_to("http://import.invalid") as transport:
        response = send(transport)
    words = "the host name of import.invalid does not exist; check --url, and the network"
    assert response == Response(0, error=words, final=True)


def test_a_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        with transport_to(f"http://127.0.0.1:{address[1]}", timeout_s=0.1) as transport:
            response = send(transport)
        for one in waiting:
            one.close()
    assert response.status == 0
    assert response.error.startswith(f"could not connect to 127.0.0.1:{address[1]} within 0.1 s; a firewall")


def test_a_proxy_from_the_environment_is_used_and_no_proxy_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as proxy, ScriptedServer() as server:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pw@"))
        with transport_to("http://import.invalid") as transport:
            assert send(transport).status == 200
        (request,) = proxy.requests
        assert request.path == "http://import.invalid/import?strict=1&project_id=12345"
        assert request.headers["proxy-authorization"] == "Basic bWU6cHc="
        assert request.headers["authorization"] == "Basic Ym9iOnMzY3Itw6l0"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with transport_to(server.url) as transport:
            assert send(transport).status == 200
        assert len(server.requests) == 1


def test_a_proxy_that_is_down_or_refuses_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://me:pw-of-proxy@127.0.0.1:{port}")
    with transport_to("https://import.invalid") as transport:
        response = send(transport)
    place, words = f"the proxy 127.0.0.1:{port}", "is it the right address and port, and is it running?"
    assert response == Response(0, error=f"{place} refused the connection: {words}")
    for status, words in [(407, "wants credentials"), (502, "answers 502 instead of leading on to import.invalid")]:
        with ScriptedServer([Answer(status, b"")]) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            with transport_to("https://import.invalid") as transport:
                response = send(transport)
            assert (response.status, response.final) == (0, status == 407)
            assert words in response.error


def test_a_proxy_that_echoes_its_password_gets_none_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(received: Received) -> Answer:
        told = received.headers["proxy-authorization"]
        return Answer(502, f"{told} {base64.b64decode(told.split()[1]).decode()}".encode(), {"X-Told": told})

    with ScriptedServer([echo]) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pw%2Fof-proxy@"))
        with transport_to("http://import.invalid") as transport:
            response = send(transport)
    assert response.body == b"Basic *** me:***"
    assert response.headers["x-told"] == "Basic ***"


def test_a_proxy_that_is_no_address_is_a_usage_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:pw-of-proxy@:x:")
    with pytest.raises(UsageProblem, match="proxy") as caught, transport_to("http://import.invalid"):
        pass
    assert "pw-of-proxy" not in str(caught.value)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 address of its own, as in many containers")
def test_ipv6() -> None:
    with ScriptedServer(host="::1") as server, transport_to(server.url) as transport:
        assert send(transport).status == 200


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Give a server's context with a certificate for 127.0.0.1, and the file with the CA that made it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, path


def test_tls_is_verified_and_the_problem_explained(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls
    with ScriptedServer(tls=context) as server:
        with transport_to(server.url) as transport:
            response = send(transport)
        assert response.status == 0
        assert "is not trusted (unable to get local issuer certificate)" in response.error
        assert "--ca-bundle" in response.error
        assert response.final
        assert server.requests == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        with transport_to(server.url) as transport:
            assert [send(transport).status for _ in range(3)] == [200, 200, 200]
        with transport_to(server.url.replace("127.0.0.1", "localhost")) as transport:
            assert "is not trusted (Hostname mismatch" in send(transport).error


def test_over_tls_replies_are_bounded_and_stale_connections_replaced_too(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, authority = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    reset = Answer(reset="before")
    script = [Answer(), Answer(endless=True, drip_s=0.01), Answer(), reset, Answer(), reset, Answer()]
    with ScriptedServer(script, tls=context) as server, transport_to(server.url, timeout_s=0.25) as transport:
        responses = [send(transport) for _ in range(4)]
        responses.append(transport.send(*encode_body(b"x" * 8_000_000, "ndjson", None)))
        assert [response.status for response in responses] == [200, 0, 200, 200, 200], responses
        assert responses[1].error.endswith("within 0.25 s")


def test_https_to_a_server_without_tls() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with silent_server(answer) as url, transport_to(url.replace("http", "https")) as transport:
        response = send(transport)
    assert (response.status, response.final) == (0, True)
    assert "does not speak TLS" in response.error


def test_http_to_a_server_that_speaks_tls_only() -> None:
    def alert(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
        connection.shutdown(socket.SHUT_WR)

    with silent_server(alert) as url, transport_to(url) as transport:
        response = send(transport)
    assert (response.status, response.final) == (0, True)
    assert response.error.endswith("is not HTTP; it speaks TLS: is its address https:// rather than http://?")


def test_a_ca_bundle_that_is_none_is_a_usage_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with pytest.raises(UsageProblem, match="REQUESTS_CA_BUNDLE"), transport_to("https://import.invalid"):
            pass
        (tmp_path / "empty.pem").write_text("")


def test_no_error_shows_a_secret() -> None:
    error = RuntimeError(f"https://bob:{SECRET}@host", ValueError(f"Basic {SECRET}"))
    assert explain(error, Way("host")) == Failure("no reply from host (ValueError)")
    with transport_to("http://127.0.0.1:1", project_token(SECRET)) as transport:
        response = transport.send(BODY, {"Content-Type": "bad\nheader"})
    assert response.status == 0
    assert SECRET not in response.error


def test_importing_the_module_does_not_import_requests() -> None:
    code = "import sys, mpimport.transport, mpimport.senders; print(sys.modules.keys() & {'requests', 'urllib3'})"
    folder = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.strip() == "set()"
