"""How a connection comes about, and the words for each way in which it does not."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from mpimport.dialling import ConnectTimeoutError, HandshakeTimeoutError, TunnelError, dial
from mpimport.failures import Failure, Way, explain, place_of
from mpimport.proxies import read_proxy
from mpimport.trust import load_bundle

WAY = Way("host:1", None, 30.0, 10.0)
PROXIED = Way("host:1", "proxy:2", 30.0, 10.0)
REGION = Way("api.mixpanel.com", known=True)
REGION_PROXIED = Way("api.mixpanel.com", "proxy:2", known=True)


class ProxyError(Exception):
    """As requests and urllib3 name it."""


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "words")
    error.verify_code, error.verify_message = code, "why"
    return error


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "way", "words", "final"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), WAY, "the host name of host:1 does not exist; check --url", True),
        (socket.gaierror(socket.EAI_AGAIN, "x"), WAY, "the host name of host:1 cannot be looked up just now", False),
        (
            ProxyError(socket.gaierror(socket.EAI_NONAME, "x")),
            PROXIED,
            "the host name of the proxy proxy:2 does not exist; check its address",
            True,
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "x"),
            REGION,
            "no address is found for api.mixpanel.com, which is known to exist: is the network, or its DNS, up?",
            False,
        ),
        (
            ProxyError(socket.gaierror(socket.EAI_NONAME, "x")),
            REGION_PROXIED,
            "the host name of the proxy proxy:2 does not exist; check its address",
            True,
        ),
        (ConnectionRefusedError(), WAY, "host:1 refused the connection: is it the right address and port", False),
        (ConnectTimeoutError(), WAY, "could not connect to host:1 within 10 s; a firewall", False),
        (HandshakeTimeoutError(), WAY, "host:1 took the connection but agreed on no TLS within 10 s", False),
        (TimeoutError(), WAY, "no complete reply from host:1 within 30 s", False),
        (TimeoutError(), PROXIED, "no complete reply from host:1, by way of the proxy proxy:2, within 30 s", False),
        (OSError(errno.EHOSTUNREACH, "x"), WAY, "there is no way to host:1 (", False),
        (OSError(errno.ENETUNREACH, "x"), WAY, "there is no way to host:1 (", False),
        (
            OSError(errno.EMFILE, "x"),
            WAY,
            "no connection to host:1: too many files are open; give fewer --workers",
            False,
        ),
        (OSError(errno.EIO, "x"), WAY, "no connection to host:1: ", False),
        (ConnectionResetError(), WAY, "host:1 broke the connection off", False),
        (untrusted(18), WAY, "certificate of host:1 is not trusted (why): if it is your company's or your own", True),
        (untrusted(9), WAY, "is this machine's clock right?", True),
        (untrusted(10), WAY, "whoever runs the server must renew it", True),
        (untrusted(62), WAY, "it was made for another host; check --url", True),
        (untrusted(64), WAY, "it was made for another host; check --url", True),
        (untrusted(66), WAY, "(why): see --ca-bundle", True),
        (ssl.SSLEOFError(), WAY, "host:1 broke the TLS connection off", False),
        (ssl.SSLError(1, "x"), WAY, "TLS with host:1 failed", False),
        (
            caused(TunnelError(), OSError("Tunnel connection failed: 407 Proxy")),
            PROXIED,
            "the proxy proxy:2 wants credentials: put its URL with user name and password into HTTPS_PROXY",
            True,
        ),
        (
            caused(TunnelError(), OSError("Tunnel connection failed: 502 secret")),
            PROXIED,
            "the proxy proxy:2 answers 502 instead of leading on to host:1",
            False,
        ),
        (
            caused(TunnelError(), OSError("Tunnel connection failed: 429 x")),
            PROXIED,
            "the proxy proxy:2 answers 429",
            False,
        ),
        (
            caused(TunnelError(), OSError("Tunnel connection failed: 403 x")),
            PROXIED,
            "the proxy proxy:2 answers 403",
            True,
        ),
        (
            caused(TunnelError(), TimeoutError()),
            PROXIED,
            "the proxy proxy:2 did not lead on to host:1 within 10",
            False,
        ),
        (caused(TunnelError(), ConnectionResetError()), PROXIED, "the proxy proxy:2 broke the connection off", False),
        (caused(TunnelError(), ValueError("secret")), PROXIED, "no reply from the proxy proxy:2 (ValueError)", False),
    ],
)
def test_each_failure_has_its_words(error: BaseException, way: Way, words: str, *, final: bool) -> None:
    failure = explain(error, way)

    assert words in failure.words
    assert failure.final == final
    assert "secret" not in failure.words


def test_what_is_wrapped_in_itself_is_explained() -> None:
    error = RuntimeError("secret")
    error.__cause__ = ValueError()
    error.__cause__.__context__ = error

    assert explain(error, WAY) == Failure("no reply from host:1 (ValueError)")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://me:pw@host/path?token=1", "host"),
        ("http://host:8080", "host:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]", "[::1]"),
    ],
)
def test_a_place_is_host_and_port(url: str, place: str) -> None:
    assert place_of(url) == place


def full_listener(stack: list[socket.socket]) -> int:
    """Listen, but take no connection; everything that must stay open is put on the stack."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    stack.append(listener)
    for _ in range(8):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        stack.append(one)
    port: int = listener.getsockname()[1]
    return port


def test_the_time_to_connect_is_that_of_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    stack: list[socket.socket] = []
    ports = [full_listener(stack), full_listener(stack)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found * 5)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        dial("host", 1, 0.5)
    assert time.monotonic() - began < 4, "ten addresses of 0.5 s each would be 5 s"
    for one in stack:
        one.close()


def test_a_dead_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    stack: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as living:
        ports = (full_listener(stack), living.getsockname()[1])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with dial("host", 1, 1.0, [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]) as sock:
            assert sock.getpeername() == living.getsockname()
            assert sock.gettimeout() == 1.0
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    for one in stack:
        one.close()


def test_a_name_without_an_address_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(socket.gaierror):
        dial("host", 1, None)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://proxy:3128/", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        (" HTTPS://proxy ", "HTTPS://proxy"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("none", None),
        ("NONE", None),
        ("", None),
    ],
)
def test_what_names_a_proxy(text: str, url: str | None) -> None:
    assert read_proxy(text) == url


def test_a_folder_of_certificates_with_hashed_names_or_without(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.cert_pem.write_to_path(str(tmp_path / "our.CRT"))
    authority.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    load_bundle(context, str(tmp_path))
    assert len(context.get_ca_certs()) == 1

    (tmp_path / "our.CRT").rename(tmp_path / "0123abcd.0")
    lazy: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_bundle(lazy, str(tmp_path))
    assert lazy.get_ca_certs() == [], "OpenSSL looks into it when it has to"
