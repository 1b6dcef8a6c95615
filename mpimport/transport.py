"""Owns one attempt: a body goes out, a `Response` comes back, whatever happens. The only user of requests.

Must not know retries or verdicts. requests is imported when the first Transport is made.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpimport.auth import Auth
from mpimport.bounded import StaleConnectionError, bounded
from mpimport.dialling import dialled
from mpimport.endpoints import Target, region_of
from mpimport.errors import UsageProblem
from mpimport.failures import Failure, Way, causes, explain, place_of
from mpimport.proxies import check_proxy, read_proxy
from mpimport.records import Response
from mpimport.trust import load_bundle

if TYPE_CHECKING:
    import ssl

    from requests import PreparedRequest
    from requests.adapters import HTTPAdapter

MAX_REPLY_BYTES = 4_000_000  # the longest documented reply, 2000 failed records, is a tenth of it


class Transport:
    """Sends bodies to one target over kept-alive connections; safe to call from many threads.

    Make it on the main thread before there are senders. A proxy (with NO_PROXY) and REQUESTS_CA_BUNDLE are
    looked up in the environment once, here, where `proxy` ("none" for none) and `ca_bundle` do not say
    otherwise. TLS is always verified, cookies are never kept, redirects never followed, ~/.netrc never
    read. UsageProblem: the URL, the proxy or the CA bundle is no use.
    """

    def __init__(
        self,
        target: Target,
        auth: Auth,
        *,
        workers: int = 16,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        proxy: str | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        from urllib3 import Timeout  # noqa: PLC0415

        connect_s = min(connect_timeout_s, timeout_s)
        # Any: the adapter takes it, its stubs know only numbers
        self._timeout: Any = Timeout(connect=connect_s, read=timeout_s, total=timeout_s)
        self._request, found = _prepared(target)
        self._request.headers.update({**auth.headers, "User-Agent": _user_agent(), "Accept-Encoding": "identity"})
        via = _proxy_for(target.url, found["proxies"], proxy)
        self._proxies = {"all": via} if via else {}
        known = region_of(target.url) is not None
        self._way = Way(place_of(target.url), place_of(via) if via else None, timeout_s, connect_s, known)
        self._adapter = _adapter(workers)
        self._secrets = (*auth.secrets(), *_connect(self._adapter, self._request, via, ca_bundle, found["verify"]))
        self._replied = False  # by whichever thread; nothing depends on the moment

    @property
    def proxy(self) -> str | None:
        """The host and port of the proxy that is used."""
        return self._way.proxy

    def send(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Make one attempt, of at most about `timeout_s`. Never raises: no reply is status 0 with the reason.

        A kept-alive connection that the server had already closed is no failure: another is used at once.
        What no later attempt can mend is `final`, but only as long as there was never a reply.
        """
        failure = Failure("")
        for _ in range(2):
            try:
                response = self._attempt(body, headers)
            except Exception as error:  # noqa: BLE001 - whatever an attempt dies of is a value, and told
                failure = explain(error, self._way)
                if not any(isinstance(cause, StaleConnectionError) for cause in causes(error)):
                    break
            else:
                self._replied = True
                return response
        return Response(0, error=failure.words, final=failure.final and not self._replied)

    def _masked(self, text: bytes) -> bytes:
        for secret in self._secrets:
            text = text.replace(secret, b"***")
        return text

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def _attempt(self, body: bytes, headers: Mapping[str, str]) -> Response:
        request = self._request.copy()
        request.headers.update(headers)
        request.headers["Content-Length"] = str(len(body))
        request.body = body
        # Not Session.send: it would read the whole body of a redirect, however long, and keep cookies.
        reply = self._adapter.send(request, stream=True, timeout=self._timeout, proxies=self._proxies)
        try:
            data = _read(reply.raw)
        finally:
            reply.raw.close()  # a connection whose reply was read to its end is back in the pool by now
        if len(data) > MAX_REPLY_BYTES:
            return Response(0, error=f"the reply from {self._way.host} is larger than {MAX_REPLY_BYTES:,} bytes")
        names = {name.lower(): self._masked(value.encode()).decode() for name, value in reply.headers.items()}
        try:
            data = self._masked(_unpacked(data, names.get("content-encoding", "")))
        except zlib.error:
            return Response(0, error=f"the reply from {self._way.host} is packed in a way that cannot be read")
        if "retry-after" in names and "date" not in names:
            from email.utils import formatdate  # noqa: PLC0415 - rare

            names["date"] = formatdate(usegmt=True)  # what a date in retry-after is counted from
        return Response(reply.status_code, names, data)


def _unpacked(data: bytes, encoding: str) -> bytes:
    """Unpack a reply that was packed though nobody asked for it, no further than a reply may be long."""
    if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        return data
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, MAX_REPLY_BYTES)


def _read(raw: Any) -> bytes:
    """Read to the end, or a little beyond what a reply may have; raises when the end comes too early."""
    data = bytearray()
    while len(data) <= MAX_REPLY_BYTES:
        # Only the read that brings nothing tells a cut reply from a whole one.
        piece = raw.read(MAX_REPLY_BYTES + 1 - len(data), decode_content=False)
        if not piece:
            break
        data += piece
    return bytes(data)


def _prepared(target: Target) -> tuple[PreparedRequest, Mapping[str, Any]]:
    """Give the request without a body or headers, and what the environment says of proxies and certificates."""
    import requests  # noqa: PLC0415 - 100 ms to import, needed only to send

    with requests.Session() as session:
        try:
            found = session.merge_environment_settings(target.url, {}, True, True, None)
            session.trust_env = False  # or ~/.netrc would put its own Authorization in the place of ours
            request = session.prepare_request(requests.Request("POST", target.url, params=dict(target.params)))
        except (requests.RequestException, ValueError) as error:
            raise UsageProblem(f"--url: this is no web address ({type(error).__name__})") from error
    request.headers.clear()
    return request, found


def _proxy_for(url: str, environment: Mapping[str, str], asked: str | None) -> str | None:
    """Choose the proxy: the one that is asked for, else the environment's for this URL."""
    from requests.utils import prepend_scheme_if_needed, select_proxy  # noqa: PLC0415

    try:
        found = select_proxy(url, dict(environment)) if asked is None else read_proxy(asked)
        if not found:
            return None
        via = str(prepend_scheme_if_needed(found, "http"))  # type: ignore[no-untyped-call]  # not in the stubs
        check_proxy(via)
    except ValueError as error:
        option = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY" if asked is None else "--proxy"
        # What the libraries say of an address may quote its password: neither the words nor the cause are told.
        words = str(error) if type(error) is ValueError else "this is no address of a proxy"
        raise UsageProblem(f"{option}: {words}") from None
    return via


def _connect(
    adapter: HTTPAdapter, request: PreparedRequest, via: str | None, ca_bundle: str | None, verify: bool | str | None
) -> tuple[bytes, ...]:
    """Make the pool of connections ready; give what must never be told of the way to the proxy.

    The adapter finds this very pool again for every request: there is one host only.
    """
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    secure = [url for url in (request.url, via) if url and url.startswith("https:")]
    context = _tls(ca_bundle, verify) if secure else None
    try:
        if via:
            adapter.proxy_manager_for(via, proxy_ssl_context=context)
            pool: Any = adapter.get_connection_with_tls_context(request, verify=True, proxies={"all": via})
            header = adapter.proxy_headers(via).get("Proxy-Authorization")
        else:
            pool = adapter.get_connection_with_tls_context(request, verify=True)
            header = None
    except (OSError, HTTPError, ValueError) as error:  # OSError: the RequestException is one
        raise UsageProblem(f"--url, or the proxy's address, cannot be used ({type(error).__name__})") from None
    pool.ConnectionCls = bounded(dialled(pool.ConnectionCls))
    if context is not None and pool.scheme == "https":  # of a proxy that plain HTTP goes to by TLS, too
        pool.conn_kw["ssl_context"] = context
    return Auth("proxy", header).secrets() if header else ()


def _adapter(workers: int) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class OneContextAdapter(HTTPAdapter):
        """Leaves TLS to the pool's own context: loading the CAs anew costs 20 ms for each connection."""

        def cert_verify(self, *args: Any, **options: Any) -> None:
            pass

    return OneContextAdapter(pool_connections=1, pool_maxsize=workers, max_retries=0)


def _tls(ca_bundle: str | None, verify: bool | str | None) -> ssl.SSLContext:
    """Give the one context for all connections; `verify` is what the environment says of certificates."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    named = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        load_bundle(context, ca_bundle or named)
    except ValueError as error:
        option = f"--ca-bundle {ca_bundle}" if ca_bundle else f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, {named}"
        raise UsageProblem(f"{option}: {error}") from error
    return context


def _user_agent() -> str:
    import platform  # noqa: PLC0415
    from importlib import metadata  # noqa: PLC0415

    try:
        version = metadata.version("mpimport")
    except metadata.PackageNotFoundError:  # run from a checkout
        version = "0"
    return f"mpimport/{version} python/{platform.python_version()}"
