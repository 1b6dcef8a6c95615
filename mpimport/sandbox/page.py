"""The page at `/`: one file without anything from elsewhere, and headers that let nothing else run in it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

HTML = files("mpimport.sandbox").joinpath("page.html").read_bytes()


def _hash_of(tag: bytes) -> str:
    """Name what stands inside of a tag to the browser: it runs that and nothing that an event might bring."""
    found = re.search(b"<%b>(.*?)</%b>" % (tag, tag), HTML, flags=re.DOTALL)
    assert found
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}'"


HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash_of(b'script')}; style-src {_hash_of(b'style')}; connect-src 'self';"
        " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
