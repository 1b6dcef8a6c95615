"""Owns one attempt: a body goes out, a `Response` comes back, whatever happens. The only user of requests.

Must not know retries or verdicts. requests is imported when the first Transport is made.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mpimport.auth import Auth
from mpimport.bounded import StaleConnectionError, bounded
from mpimport.endpoints import Target
from mpimport.errors import UsageProblem
from mpimport.failures import causes, explain
from mpimport.records import Response

if TYPE_CHECKING:
    import ssl

    from requests.adapters import HTTPAdapter

MAX_REPLY_BYTES = 4_000_000  # the longest documented reply, 2000 failed records, is a tenth of it


class Transport:
    """Sends bodies to one target over kept-alive connections; safe to call from many threads.

    Make it on the main thread before there are senders. Proxies (with NO_PROXY) and REQUESTS_CA_BUNDLE
    are looked up in the environment once, here. TLS is always verified, cookies are never kept, redirects
    never followed, ~/.netrc never read. UsageProblem: the URL, the proxy or the CA bundle is no use.
    """

    def __init__(self, target: Target, auth: Auth, *, workers: int = 16, timeout_s: float = 30.0) -> None:
        import requests  # noqa: PLC0415 - 100 ms to import, needed only to send
        from urllib3 import Timeout  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        address = urlsplit(target.url)
        self._place = address.hostname or target.url
        if address.port:
            self._place = f"{self._place}:{address.port}"
        self._timeout_s = timeout_s
        self._secrets = auth.secrets()
        # Any: the adapter takes it, its stubs know only numbers
        self._timeout: Any = Timeout(connect=timeout_s, read=timeout_s, total=timeout_s)
        self._adapter = _adapter(workers)
        with requests.Session() as session:
            try:
                found = session.merge_environment_settings(target.url, {}, True, True, None)
                session.trust_env = False  # or ~/.netrc would put its own Authorization in the place of ours
                self._request = session.prepare_request(
                    requests.Request("POST", target.url, params=dict(target.params))
                )
                self._proxies: dict[str, str] = dict(found["proxies"])
                pool: Any = self._adapter.get_connection_with_tls_context(
                    self._request, verify=True, proxies=self._proxies
                )
            except (requests.RequestException, HTTPError, ValueError) as error:
                raise UsageProblem(
                    f"--url, or a proxy in the environment, is no web address ({type(error).__name__})"
                ) from error
        self._request.headers.clear()
        self._request.headers.update({**auth.headers, "User-Agent": _user_agent(), "Accept-Encoding": "identity"})
        # The adapter finds this very pool again for every request: there is one host only.
        pool.ConnectionCls = bounded(pool.ConnectionCls)
        if address.scheme == "https":
            pool.conn_kw["ssl_context"] = _tls(found["verify"])

    def send(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """Make one attempt, of at most about `timeout_s`. Never raises: no reply is status 0 with the reason.

        A kept-alive connection that the server had already closed is no failure: another is used at once.
        """
        words = ""
        for _ in range(2):
            try:
                return self._attempt(body, headers)
            except Exception as error:  # noqa: BLE001 - whatever an attempt dies of is a value, and told
                words = explain(error, self._place, self._timeout_s)
                if not any(isinstance(cause, StaleConnectionError) for cause in causes(error)):
                    break
        return Response(0, error=words)

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
            return Response(0, error=f"the reply from {self._place} is larger than {MAX_REPLY_BYTES:,} bytes")
        names = {name.lower(): self._masked(value.encode()).decode() for name, value in reply.headers.items()}
        try:
            data = self._masked(_unpacked(data, names.get("content-encoding", "")))
        except zlib.error:
            return Response(0, error=f"the reply from {self._place} is packed in a way that cannot be read")
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


def _adapter(workers: int) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class OneContextAdapter(HTTPAdapter):
        """Leaves TLS to the pool's own context: loading the CAs anew costs 20 ms for each connection."""

        def cert_verify(self, *args: Any, **options: Any) -> None:
            pass

    return OneContextAdapter(pool_connections=1, pool_maxsize=workers, max_retries=0)


def _tls(verify: bool | str | None) -> ssl.SSLContext:
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    bundle = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        if Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
    except OSError as error:  # SSLError is one
        raise UsageProblem(
            f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: cannot read certificates from {bundle}: {error.strerror}"
        ) from error
    return context


def _user_agent() -> str:
    import platform  # noqa: PLC0415
    from importlib import metadata  # noqa: PLC0415

    try:
        version = metadata.version("mpimport")
    except metadata.PackageNotFoundError:  # run from a checkout
        version = "0"
    return f"mpimport/{version} python/{platform.python_version()}"
