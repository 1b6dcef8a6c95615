"""Owns what a proxy's address may be. Pure.

Must not know requests, or the environment. Never quotes an address: it may hold a password.
"""

from __future__ import annotations

from urllib.parse import urlsplit

EXAMPLE = "give one like http://proxy.example.com:3128, or none"
SCHEMES = {"http", "https"}


def read_proxy(text: str) -> str | None:
    """Give the URL of the proxy that `--proxy` names; None is none at all. ValueError says what is wrong."""
    text = text.strip()
    if text.lower() in {"", "none"}:
        return None
    if "@" in text:
        raise ValueError(
            "others can read a command line or a configuration file that holds a password: "
            "put the whole URL into HTTPS_PROXY (for http:// URLs HTTP_PROXY) in the environment, and leave --proxy out"
        )
    url = text if "://" in text else f"http://{text}"
    check_proxy(url)
    return url.rstrip("/")


def check_proxy(url: str) -> None:
    """Raise ValueError, with words that show nothing of it, when a URL cannot be a proxy's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"this is no address of a proxy; {EXAMPLE}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"only http:// and https:// proxies can be used; {EXAMPLE}")
    if not parts.hostname or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"this is no address of a proxy; {EXAMPLE}")
