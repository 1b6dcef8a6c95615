"""The command on real networks in small: TLS with a CA of its own, a forwarding proxy, IPv6, servers that come late."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import trustme
from forward_proxy import ForwardProxy
from running import (
    CREDENTIALS,
    QUICK_BACKOFF,
    Ended,
    assert_balanced,
    finish,
    good_event,
    mpimport,
    start,
    write_ndjson,
)
from scripted_server import Answer, Received, ScriptedServer

from mpimport import cli, import_events
from mpimport.sandbox import Sandbox

NAME = "import.example.test"  # no resolver knows it: only the proxy leads there
PROXY_USER, PROXY_PASSWORD = "proxy-user", "pw-of-the-proxy"
ACCOUNT = "Basic aW1wb3J0ZXI6czNjcjN0LW9mLXRoZS10ZXN0"


@dataclass(frozen=True)
class Tls:
    """A CA of our own: the file with its certificate, and contexts for servers."""

    authority: trustme.CA
    bundle: Path

    def server(self, *names: str, **more: Any) -> ssl.SSLContext:
        """Make a context for a server of these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names, **more).configure_cert(context)
        return context


def new_tls(folder: Path) -> Tls:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Tls(authority, folder / "ca.pem")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return new_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return write_ndjson(tmp_path / "e.ndjson", [good_event(n) for n in range(10)])


@pytest.fixture
def run(events: Path) -> Callable[..., Ended]:
    """Import ten events with these options, and with this added to the environment."""

    def run(*options: str | Path, **env: str) -> Ended:
        ended = mpimport(
            events, *options, "--json", "-v", *QUICK_BACKOFF, cwd=events.parent, env={**CREDENTIALS, **env}
        )
        assert_balanced(ended.summary)
        for secret in (CREDENTIALS["MP_SECRET"], PROXY_PASSWORD, ACCOUNT.removeprefix("Basic ")):
            assert secret not in ended.err + ended.out
        return ended

    return run


def assert_hopeless(ended: Ended, *words: str) -> None:
    """Check that a run stopped at once, without a retry, and said why."""
    assert ended.code == 4, ended.err
    assert (ended.summary["imported"], ended.summary["retries"]) == (0, 0)
    assert 1 <= ended.summary["requests"] <= 16
    for word in words:
        assert word in ended.summary["stopped"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


# TLS.


@pytest.mark.parametrize("form", ["file", "folder", "chain"])
def test_a_server_is_trusted_by_a_ca_bundle(tls: Tls, run: Callable[..., Ended], tmp_path: Path, form: str) -> None:
    bundle = tls.bundle if form == "file" else tls.bundle.parent
    context = tls.server("127.0.0.1")
    if form == "chain":
        between = tls.authority.create_child_ca()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        between.issue_cert("127.0.0.1").configure_cert(context)
    with ScriptedServer(tls=context) as server:
        ended = run("--url", server.url, "--ca-bundle", bundle)

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == 10
    assert server.requests[0].headers["authorization"] == ACCOUNT


def test_an_unknown_ca_stops_the_run_before_anything_is_sent(
    tls: Tls, run: Callable[..., Ended], tmp_path: Path
) -> None:
    other = new_tls(tmp_path)
    with ScriptedServer(tls=tls.server("127.0.0.1")) as server:
        for options, env in (((), {}), (("--ca-bundle", other.bundle), {"REQUESTS_CA_BUNDLE": str(tls.bundle)})):
            ended = run("--url", server.url, *options, **env)
            assert_hopeless(ended, "is not trusted (unable to get local issuer", "name its CA certificate with --ca-b")
        assert server.requests == []
        assert run("--url", server.url, REQUESTS_CA_BUNDLE=str(tls.bundle)).code == 0


def test_an_expired_certificate_and_one_for_another_host(tls: Tls, run: Callable[..., Ended]) -> None:
    past = datetime.now(timezone.utc) - timedelta(days=1)
    expired = tls.server("127.0.0.1", not_before=past - timedelta(days=9), not_after=past)
    for context, words in (
        (expired, ("certificate has expired", "clock is wrong")),
        (tls.server("elsewhere.example.test"), ("127.0.0.1", "made for another host; check --url")),
    ):
        with ScriptedServer(tls=context) as server:
            assert_hopeless(run("--url", server.url, "--ca-bundle", tls.bundle), *words)
            assert server.requests == []


def test_tls_where_there_is_none(run: Callable[..., Ended]) -> None:
    with Sandbox() as server:
        ended = run("--url", server.url.replace("http", "https"))

    assert_hopeless(ended, "does not speak TLS; is its address http:// rather than https://?")


def test_plain_http_where_tls_is_wanted_rejects_no_event(run: Callable[..., Ended]) -> None:
    page = b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"  # nginx
    with ScriptedServer([Answer(400, page)] * 16) as server:
        ended = run("--url", server.url)

    assert_hopeless(ended, "is it https:// rather than http://?")
    assert (ended.summary["rejected"], ended.summary["undelivered"]) == (0, 10)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "holds no certificate in PEM form"),
        (b"-----BEGIN CERTIFICATE-----\nbroken\n", "holds no certificate in PEM form"),
        ("folder", "the folder holds no certificates"),
    ],
)
def test_a_ca_bundle_that_is_none_is_told_with_everything_else(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: Any, words: str
) -> None:
    monkeypatch.chdir(events.parent)
    if content == "folder":
        Path("bundle").mkdir()
        Path("bundle", "key.pem").write_text("no certificate")
    elif content is not None:
        Path("bundle").write_bytes(content)
    with pytest.raises(SystemExit) as end:
        cli.main([events.name, "--ca-bundle", "bundle", "--workers", "0", "--dry-run"])

    told = capsys.readouterr().err
    assert end.value.code == 2
    assert "--workers 0" in told
    assert "--ca-bundle bundle: " in told
    assert words in told


# Proxies.


@pytest.mark.parametrize("how", ["option", "environment"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(tls: Tls, run: Callable[..., Ended], how: str, scheme: str) -> None:
    context = tls.server(NAME) if scheme == "https" else None
    with ScriptedServer(tls=context) as server, ForwardProxy(server.port) as proxy:
        options, env = (("--proxy", proxy.url), {}) if how == "option" else ((), {f"{scheme.upper()}_PROXY": proxy.url})
        ended = run("--url", f"{scheme}://{NAME}", "--ca-bundle", tls.bundle, *options, **env)

    assert ended.code == 0, ended.err
    assert f"through the proxy {proxy.url.removeprefix('http://')}" in ended.err
    assert server.requests[0].headers["authorization"] == ACCOUNT
    if scheme == "https":
        assert [line.rpartition(" ")[0] for line in proxy.asked] == [f"CONNECT {NAME}:443"]
        assert b"Authorization" not in proxy.heads[0], "the proxy must not see what is meant for the server"
    else:
        assert proxy.asked == [f"POST http://{NAME}/import?strict=1&project_id=12345 HTTP/1.1"]


def test_the_library_takes_them_too(tls: Tls, tmp_path: Path) -> None:
    with ScriptedServer(tls=tls.server(NAME)) as server, ForwardProxy(server.port) as proxy:
        summary = import_events(
            [good_event(1)], token="a-token", url=f"https://{NAME}", proxy=proxy.url, ca_bundle=tls.bundle,
            rejected=tmp_path / "r.ndjson",
        )  # fmt: skip

    assert (summary.imported, len(proxy.asked)) == (1, 1)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials_gets_them_from_the_environment_only(
    tls: Tls, run: Callable[..., Ended], scheme: str
) -> None:
    context = tls.server(NAME) if scheme == "https" else None
    options = ("--url", f"{scheme}://{NAME}", "--ca-bundle", tls.bundle)

    def echo(received: Received) -> Answer:
        return Answer(503, ", ".join(received.headers.values()).encode())

    with (
        ScriptedServer([echo], tls=context) as server,
        ForwardProxy(server.port, credentials=f"{PROXY_USER}:{PROXY_PASSWORD}") as proxy,
    ):
        url = proxy.url.replace("//", f"//{PROXY_USER}:{PROXY_PASSWORD}@")
        assert_hopeless(run(*options, "--proxy", proxy.url), "proxy", "wants credentials")
        assert server.connections == 0
        ended = run(*options, **{f"{scheme}_proxy": url})

    assert ended.code == 0, ended.err
    assert "proxy-authorization" not in server.requests[0].headers
    assert len(server.requests) == 2


def test_the_password_of_a_proxy_is_refused_on_the_command_line(
    events: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([str(events), "--dry-run", "--proxy", f"http://me:{PROXY_PASSWORD}@proxy.example.test:3128"])

    told = capsys.readouterr().err
    assert end.value.code == 2
    assert "put the whole URL into HTTPS_PROXY" in told
    assert PROXY_PASSWORD not in told


def test_which_proxy_is_used(run: Callable[..., Ended]) -> None:
    with ScriptedServer() as server, ForwardProxy(server.port) as proxy, ForwardProxy(server.port) as other:
        assert run("--url", server.url, "--proxy", proxy.url, HTTP_PROXY=other.url, NO_PROXY="*").code == 0
        assert (len(proxy.asked), len(other.asked)) == (1, 0), "an option comes before the environment"
        assert run("--url", server.url, HTTP_PROXY=other.url, NO_PROXY="example.test,127.0.0.1").code == 0
        assert run("--url", server.url, "--proxy", "none", HTTP_PROXY=other.url).code == 0
        assert run("--sandbox", HTTP_PROXY=other.url).code == 0
        assert (len(proxy.asked), len(other.asked)) == (1, 0)


def test_a_proxy_that_is_spoken_to_by_tls(tls: Tls, run: Callable[..., Ended]) -> None:
    own = tls.server("127.0.0.1")
    for scheme, context in (("http", None), ("https", tls.server(NAME))):
        with ScriptedServer(tls=context) as server, ForwardProxy(server.port, tls=own) as proxy:
            ended = run("--url", f"{scheme}://{NAME}", "--ca-bundle", tls.bundle, "--proxy", proxy.url)
            assert ended.code == 0, ended.err
            untrusted = run("--url", f"{scheme}://{NAME}", "--proxy", proxy.url)
            assert_hopeless(untrusted, f"certificate of the proxy {proxy.url.removeprefix('https://')} is not trusted")


def test_a_proxy_that_is_down_may_come_up_again(run: Callable[..., Ended]) -> None:
    ended = run("--url", f"https://{NAME}", "--proxy", f"http://127.0.0.1:{free_port()}", "--give-up-after", "0.5")

    assert ended.code == 5, ended.err
    assert ended.summary["retries"] > 0
    assert "the proxy 127.0.0.1:" in ended.summary["stopped"]
    assert "refused the connection: is it the right address and port" in ended.summary["stopped"]


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (403, 4, f"answers 403 instead of leading on to {NAME}"),
        (503, 5, f"answers 503 instead of leading on to {NAME}"),
        (0, 5, f"did not lead on to {NAME} within 0.2 s"),
    ],
)
def test_a_proxy_that_does_not_lead_on(run: Callable[..., Ended], answer: int, code: int, words: str) -> None:
    with ForwardProxy(9, answer=answer) as proxy:
        ended = run(
            "--url", f"https://{NAME}", "--proxy", proxy.url, "--give-up-after", "0.05", "--connect-timeout", "0.2"
        )

    assert ended.code == code, ended.err
    assert words in ended.summary["stopped"]


def test_the_certificate_of_a_server_behind_a_proxy_is_verified(tls: Tls, run: Callable[..., Ended]) -> None:
    with ScriptedServer(tls=tls.server(NAME)) as server, ForwardProxy(server.port) as proxy:
        ended = run("--url", f"https://{NAME}", "--proxy", proxy.url)

    assert_hopeless(ended, f"certificate of {NAME}, by way of the proxy 127.0.0.1:", "is not trusted")
    assert server.requests == []


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("socks5://127.0.0.1:1080", "only http:// and https:// proxies can be used"),
        ("ftp://127.0.0.1", "only http:// and https://"),
        ("http://", "no address of a proxy"),
        ("127.0.0.1:x", "no address of a proxy"),
        ("http://127.0.0.1:3128/path", "no address of a proxy"),
        (f"http://me:{PROXY_PASSWORD}@:x:", "ALL_PROXY"),
    ],
)
def test_what_is_no_proxy_is_told(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], proxy: str, words: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    arguments = [str(events), "--token", "t", "--url", f"http://{NAME}"]
    for options in ([], ["--proxy", proxy]):
        with pytest.raises(SystemExit) as end:
            cli.main([*arguments, *options])
        told = capsys.readouterr().err
        assert end.value.code == 2
        assert "--proxy: " in told if options else words in told
        assert PROXY_PASSWORD not in told


# Names and addresses.


def resolving(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Let look-ups of NAME fail with these codes in turn, 0 being none; then, it is this machine."""
    real, todo = socket.getaddrinfo, iter(steps)

    def look_up(host: Any, *more: Any, **named: Any) -> Any:
        if host != NAME:
            return real(host, *more, **named)
        if code := next(todo, 0):
            raise socket.gaierror(code, "words of the resolver")
        return real("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def in_process(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([*map(str, arguments), "--token", "a-token", "--workers", "1", *QUICK_BACKOFF])
    return int(end.value.code or 0)


def test_a_host_that_does_not_exist_stops_the_run(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resolving(monkeypatch, *[socket.EAI_NONAME] * 9)

    assert in_process(events, "--url", f"http://{NAME}") == 4
    assert f"the host name of {NAME} does not exist; check --url" in capsys.readouterr().err


@pytest.mark.parametrize("given", [[], ["--region", "eu"], ["--url", "https://api-in.mixpanel.com"]])
def test_the_host_of_a_region_exists_whatever_a_resolver_says(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    asked = []

    def knows_nothing(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "words of the resolver")

    monkeypatch.setattr(socket, "getaddrinfo", knows_nothing)

    assert in_process(events, *given, "--proxy", "none", "--give-up-after", "0.2") == 5
    assert len(asked) > 1
    told = capsys.readouterr().err
    assert "which is known to exist: is the network, or its DNS, up?" in told
    assert "run the same command again" in told


def test_a_resolver_that_is_down_for_a_while_is_waited_for(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resolving(monkeypatch, socket.EAI_AGAIN, socket.EAI_AGAIN)
    with ScriptedServer() as server:
        assert in_process(events, "--url", f"http://{NAME}:{server.port}") == 0

    assert f"the host name of {NAME}:{server.port} cannot be looked up just now" in capsys.readouterr().err


def test_what_once_answered_is_waited_for_even_if_its_name_is_gone(
    events: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resolving(monkeypatch, 0, socket.EAI_NONAME)
    with ScriptedServer([Answer(close=True)]) as server:
        assert in_process(events, "--batch-size", "5", "--url", f"http://{NAME}:{server.port}") == 0
        assert server.connections == 2

    assert "does not exist; check --url" in capsys.readouterr().err


def test_a_name_that_no_resolver_can_be_asked_for(events: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_process(events, "--url", "http://a..b") == 4
    assert "the host name of a..b does not exist" in capsys.readouterr().err


def test_a_dead_address_does_not_hide_the_living_one(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as dead, ScriptedServer() as server:
        full = [socket.socket() for _ in range(8)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(dead.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
                 for port in (free_port(), dead.getsockname()[1], server.port)]  # fmt: skip
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert in_process(events, "--url", f"http://{NAME}", "--connect-timeout", "1.5", "--give-up-after", "0") == 0
        for one in full:
            one.close()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 address of its own, as in many containers")
@pytest.mark.parametrize("secure", [False, True])
def test_ipv6(tls: Tls, run: Callable[..., Ended], *, secure: bool) -> None:
    with ScriptedServer(host="::1", tls=tls.server("::1") if secure else None) as server:
        assert run("--url", server.url, "--ca-bundle", tls.bundle).code == 0
        ended = run("--url", f"http://[::1]:{free_port()}", "--give-up-after", "0")

    assert "[::1]:" in ended.summary["stopped"]


# Servers that come late, and those that point elsewhere.


def test_a_server_that_is_not_there_yet_is_waited_for(events: Path) -> None:
    port = free_port()
    process = start(events, "--url", f"http://127.0.0.1:{port}", "--json", *QUICK_BACKOFF, cwd=events.parent)
    assert process.stderr is not None
    assert b"refused the connection: is it the right address and port, and is it running?" in process.stderr.readline()
    with ScriptedServer(port=port):
        ended = finish(process)

    assert ended.code == 0, ended.err
    assert ended.summary["imported"] == 10
    assert ended.summary["retries"] > 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_nobody_gets_our_credentials(run: Callable[..., Ended], status: int) -> None:
    with ScriptedServer() as other:
        location = other.url.replace("//", "//user:pw@") + "/import?token=abc"
        with ScriptedServer([Answer(status, b"", {"Location": location})] * 16) as server:
            ended = run("--url", server.url)
        assert other.connections == 0

    assert_hopeless(ended, f"the server answers {status} and points to {other.url}/import;", "mend --url")


def test_netrc_is_not_consulted(run: Callable[..., Ended], tmp_path: Path) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("default login mallory password wrong\n")
        (tmp_path / name).chmod(0o600)
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    with ScriptedServer() as server, ForwardProxy(server.port) as proxy:
        assert run("--url", server.url, **home).code == 0
        assert run("--url", f"http://{NAME}", "--proxy", proxy.url, **home).code == 0

    assert [request.headers["authorization"] for request in server.requests] == [ACCOUNT, ACCOUNT]
    assert b"Proxy-Authorization" not in proxy.heads[0]
