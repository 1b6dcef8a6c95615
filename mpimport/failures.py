"""Owns the words for an attempt that brought no reply: an exception becomes one line for people.

Must not know retries. Never quotes a URL or an unknown exception's text: they may hold a secret.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mpimport.dialling import ConnectTimeoutError, HandshakeTimeoutError, TunnelError

MAX_CAUSES = 20

NO_SUCH_HOST = {getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)}
NO_ROUTE = {
    getattr(errno, name)
    for name in ("EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "EAFNOSUPPORT")
    if hasattr(errno, name)
}
TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}
NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}
TLS_ALERT = "\x15\x03"  # how a server that speaks TLS only answers to plain HTTP (RFC 8446, 5.1)
PASSING = {408, 425, 429}  # of a proxy's 4xx, those that may be different the next time

# OpenSSL, x509_vfy.h
NOT_YET_VALID, EXPIRED, SELF_SIGNED, SELF_SIGNED_ROOT, NO_ISSUER, NO_FIRST_ISSUER = 9, 10, 18, 19, 20, 21
OTHER_HOST, OTHER_ADDRESS = 62, 64


@dataclass(frozen=True, slots=True)
class Way:
    """Where an attempt goes, and how long it may take: `host` and `proxy` as `place_of` writes them.

    `known`: the host is a region's, and exists whatever a resolver says.
    """

    host: str
    proxy: str | None = None
    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    known: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there was no reply. `final`: of a host that never answered, waiting will not bring one."""

    words: str
    final: bool = False


def place_of(url: str) -> str:
    """Write the host and the port of a URL for people, and nothing else of it: it may hold a password."""
    parts = urlsplit(url)
    host = parts.hostname or "?"
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give the error and what is wrapped in it, outermost first; requests and urllib3 nest in many ways."""
    todo, seen = [error], set[int]()
    while todo and len(seen) < MAX_CAUSES:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        nested = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        todo.extend(cause for cause in nested if isinstance(cause, BaseException))


def explain(error: BaseException, way: Way) -> Failure:
    """Say in words for people why there was no reply."""
    found = list(causes(error))
    proxy = f"the proxy {way.proxy}"
    if any(isinstance(one, TunnelError) for one in found):
        return _tunnel_failure(found, way, proxy)
    if any(type(one).__name__ == "ProxyError" for one in found):
        return _failure([one for one in found if type(one).__name__ != "ProxyError"], way, proxy)
    return _failure(found, way, f"{way.host}, by way of {proxy}," if way.proxy else way.host)


def _tunnel_failure(found: list[BaseException], way: Way, proxy: str) -> Failure:
    for one in found:
        refused = re.match(r"Tunnel connection failed: (\d{3})", str(one)) if isinstance(one, OSError) else None
        if refused is None:
            continue
        status = int(refused[1])
        if status == 407:
            return Failure(f"{proxy} wants credentials: put its URL with user name and password into HTTPS_PROXY", True)
        final = 400 <= status < 500 and status not in PASSING
        return Failure(f"{proxy} answers {status} instead of leading on to {way.host}; is it the right one?", final)
    if any(isinstance(one, TimeoutError) for one in found):
        return Failure(f"{proxy} did not lead on to {way.host} within {way.connect_timeout_s:g} s")
    inner = [one for one in found if type(one).__name__ not in {"ProxyError", "TunnelError"}]
    return _failure(inner, way, proxy)


def _failure(found: list[BaseException], way: Way, place: str) -> Failure:
    for one in found:
        failure = _tls_failure(one, place) or _socket_failure(one, way, place)
        if failure is not None:
            return failure
    names = {type(one).__name__ for one in found}
    if names & {"TimeoutError", "ReadTimeoutError", "ReadTimeout"}:
        return Failure(f"no complete reply from {place} within {way.timeout_s:g} s")
    if names & {"IncompleteRead", "InvalidChunkLength"}:
        return Failure(f"the reply from {place} was cut short")
    if any(type(one).__name__ in {"LineTooLong", "HTTPException"} and "header" in str(one) for one in found):
        return Failure(
            f"the headers of the reply from {place} are too many or too long to be read; is it the right one?"
        )
    if names & {"BadStatusLine", "LineTooLong", "UnknownProtocol", "HTTPException"}:
        secure = any(TLS_ALERT in str(one) for one in found)
        hint = "it speaks TLS: is its address https:// rather than http://?" if secure else "is it the right port?"
        return Failure(f"what {place} answers is not HTTP; {hint}", secure)
    for one in found:
        if isinstance(one, OSError) and one.errno is not None:
            return Failure(f"no connection to {place}: {os.strerror(one.errno)}")
    return Failure(f"no reply from {place} ({type(found[-1]).__name__})")


def _tls_failure(error: BaseException, place: str) -> Failure | None:
    reason = getattr(error, "reason", None)  # only what OpenSSL raised has it
    match error:
        case ssl.SSLCertVerificationError():
            why = getattr(error, "verify_message", "no reason given")
            advice = _CERTIFICATE.get(getattr(error, "verify_code", 0), "see --ca-bundle")
            return Failure(f"the TLS certificate of {place} is not trusted ({why}): {advice}", True)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Failure(f"{place} broke the TLS connection off")
        case ssl.SSLError() if reason in NOT_TLS:
            return Failure(f"{place} does not speak TLS; is its address http:// rather than https://?", True)
        case ssl.SSLError():
            return Failure(f"TLS with {place} failed: {reason or type(error).__name__}")
    return None


_UNKNOWN_CA = "if it is your company's or your own, name its CA certificate with --ca-bundle"
_CERTIFICATE = {
    **dict.fromkeys((SELF_SIGNED, SELF_SIGNED_ROOT, NO_ISSUER, NO_FIRST_ISSUER), _UNKNOWN_CA),
    EXPIRED: "whoever runs the server must renew it, or this machine's clock is wrong",
    NOT_YET_VALID: "is this machine's clock right?",
    **dict.fromkeys((OTHER_HOST, OTHER_ADDRESS), "it was made for another host; check --url"),
}


def _socket_failure(error: BaseException, way: Way, place: str) -> Failure | None:
    match error:
        case socket.gaierror() if error.errno in NO_SUCH_HOST and way.known and not way.proxy:
            # A container that has no network yet, or no DNS, says the same of every name.
            return Failure(f"no address is found for {place}, which is known to exist: is the network, or its DNS, up?")
        case socket.gaierror() if error.errno in NO_SUCH_HOST:
            where = "its address" if way.proxy else "--url"
            return Failure(f"the host name of {place} does not exist; check {where}, and the network", True)
        case socket.gaierror():
            return Failure(f"the host name of {place} cannot be looked up just now; is the network up?")
        case ConnectTimeoutError():
            return Failure(
                f"could not connect to {place} within {way.connect_timeout_s:g} s; "
                "a firewall may be in the way, or the address may be wrong"
            )
        case HandshakeTimeoutError():
            return Failure(f"{place} took the connection but agreed on no TLS within {way.connect_timeout_s:g} s")
        case ConnectionRefusedError():
            return Failure(f"{place} refused the connection: is it the right address and port, and is it running?")
        case ConnectionError():
            return Failure(f"{place} broke the connection off before its reply was complete")
        case OSError() if error.errno is not None and error.errno in NO_ROUTE:
            return Failure(f"there is no way to {place} ({os.strerror(error.errno)}); is the network up?")
        case OSError() if error.errno in TOO_MANY_FILES:
            return Failure(
                f"no connection to {place}: too many files are open; give fewer --workers, or raise ulimit -n"
            )
    return None
