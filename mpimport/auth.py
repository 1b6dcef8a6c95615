"""Owns the ways to prove who sends: an Authorization header and query parameters, or a token in each event.

Must not know where secrets come from, requests, or endpoints.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from mpimport.errors import UsageProblem

TOKEN = "token"  # noqa: S105  the property's name (API documentation, "authentication")
SHORTEST_SECRET = 8  # to mask less would tear up every reply, its numbers too, and hide nothing

_AS_HTML = str.maketrans({"&": "&amp;", '"': "&quot;", "'": "&#x27;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Auth:
    """How requests are authenticated; the repr shows the `kind` and never the secret.

    `authorization` is a header's value, or empty. `token` is what each event carries in its property `TOKEN`; None:
    they carry none, empty: it is not known, since nothing is sent.
    """

    kind: str
    authorization: str = field(repr=False, default="")
    params: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(repr=False, default=None)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that prove it."""
        return {"Authorization": self.authorization} if self.authorization else {}

    @property
    def sent_with(self) -> Mapping[str, int]:
        """What each event is sent with: name -> bytes that it takes."""
        return {} if self.token is None else {TOKEN: len(json.dumps({TOKEN: self.token}, separators=(",", ":"))) - 1}

    def secrets(self) -> tuple[bytes, ...]:
        """Give what must never be told: the header's value, and the secret as it is, and as others may spell it.

        Some servers echo what they get.
        """
        coded = self.authorization.partition(" ")[2]
        user, _, password = base64.b64decode(coded).partition(b":")
        found = [coded]
        for secret in ((password or user).decode(), self.token or ""):
            spelt = json.dumps(secret)[1:-1]
            twice = json.dumps(spelt)[1:-1]  # in a text that holds JSON
            packed = base64.b64encode(secret.encode()).decode()
            found += [secret, spelt, twice, secret.translate(_AS_HTML), packed]
            found += [quote(secret, safe=""), quote_plus(secret), quote_plus(spelt)]
        return tuple(text.encode() for text in dict.fromkeys(found) if len(text) >= SHORTEST_SECRET)


def service_account(username: str, secret: str, project_id: str) -> Auth:
    """Authenticate as a service account of the project. UsageProblem: a user name cannot hold a colon."""
    if ":" in username:
        # HTTP Basic ends the name at the first colon: the rest would silently become part of the secret.
        raise UsageProblem("--username: a service account's name holds no colon; is the secret pasted behind it?")
    return Auth("service account", _basic(username, secret), {"project_id": project_id})


def project_secret(secret: str) -> Auth:
    """Authenticate with the project's legacy secret."""
    return Auth("project secret", _basic(secret, ""))


def project_token(token: str) -> Auth:
    """Authenticate with the project's token."""
    return Auth("project token", _basic(token, ""))


def token_in_events(token: str) -> Auth:
    """Authenticate with the project's token in each event, and with nothing beside it."""
    return Auth("project token", token=token)


def _basic(user: str, password: str) -> str:
    # UTF-8 whatever the characters (RFC 7617): requests would encode a str as Latin-1 or fail.
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
