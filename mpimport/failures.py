"""Owns the words for an attempt that brought no reply: an exception becomes one line for people.

Must not know retries. Never quotes a URL or an unknown exception's text: they may hold a secret.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

MAX_CAUSES = 20


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


def explain(error: BaseException, place: str, timeout_s: float) -> str:
    """Say in words for people why there was no reply; `place` is the host and port."""
    found = list(causes(error))
    names = {type(one).__name__ for one in found}
    if "ProxyError" in names:
        return _proxy_words(found, timeout_s)
    return _words(found, names, place, timeout_s)


def _words(found: list[BaseException], names: set[str], place: str, timeout_s: float) -> str:
    telling = [words for one in found if (words := _tls_words(one, place) or _socket_words(one, place))]
    if telling:
        return telling[0]
    if "ConnectTimeoutError" in names:
        return f"could not connect to {place} within {timeout_s:g} s"
    if names & {"TimeoutError", "ReadTimeoutError", "ReadTimeout"}:
        return f"no complete reply from {place} within {timeout_s:g} s"
    if names & {"IncompleteRead", "InvalidChunkLength"}:
        return f"the reply from {place} was cut short"
    if names & {"BadStatusLine", "LineTooLong", "UnknownProtocol", "HTTPException"}:
        return f"what {place} answers is not HTTP"
    for one in found:
        if isinstance(one, OSError) and one.errno is not None:
            return f"no connection to {place}: {os.strerror(one.errno)}"
    return f"no reply from {place} ({type(found[-1]).__name__})"


def _tls_words(error: BaseException, place: str) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the TLS certificate of {place} is not trusted ({error.verify_message}); if it is your "
                "company's or your own, name its CA bundle in REQUESTS_CA_BUNDLE"
            )
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return f"{place} broke the TLS connection off"
        case ssl.SSLError() if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
            return f"{place} does not speak TLS; is its address http:// rather than https://?"
        case ssl.SSLError():
            return f"TLS with {place} failed: {error.reason or type(error).__name__}"
    return None


def _socket_words(error: BaseException, place: str) -> str | None:
    match error:
        case socket.gaierror():
            return f"could not resolve the host name of {place}; check --url and the network"
        case ConnectionRefusedError():
            return f"{place} refused the connection; is it the right address?"
        case ConnectionError():
            return f"{place} broke the connection off before its reply was complete"
    return None


def _proxy_words(found: list[BaseException], timeout_s: float) -> str:
    for one in found:
        if isinstance(one, OSError) and "407" in str(one):
            return "the proxy wants credentials: put its user name and password into the proxy's URL"
        if isinstance(one, OSError) and str(one).startswith("Tunnel connection failed"):
            return "the proxy would not connect to the server"
    inner = [one for one in found if type(one).__name__ != "ProxyError"]
    return _words(inner or found, {type(one).__name__ for one in inner}, "the proxy", timeout_s)
