"""Who may send events: the ways of authentication of the API's documentation. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac

from mpimport.sandbox.config import SandboxConfig


def is_allowed(config: SandboxConfig, authorization: str | None, project_id: str | None) -> bool:
    """Tell whether a request with this `Authorization` and `project_id=` may import."""
    user, colon, password = _basic(authorization).partition(":")
    if not colon or not user:
        return False
    if config.project_id is not None and project_id is not None and project_id != config.project_id:
        return False
    if password:
        return bool(project_id) and _is_account(config, user, password)
    return _is_key(config, user, has_project=project_id is not None)


def is_token(config: SandboxConfig, token: object) -> bool:
    """Tell whether an event that carries this token may come in."""
    if not isinstance(token, str) or not token:
        return False
    if config.token is not None:
        return hmac.compare_digest(config.token.encode(errors="surrogateescape"), token.encode(errors="replace"))
    return all(one is None for one in (config.username, config.secret, config.api_secret))


def _is_account(config: SandboxConfig, username: str, secret: str) -> bool:
    if config.username is None and config.secret is None:
        return config.api_secret is None and config.token is None
    return _same(config.username, username) and _same(config.secret, secret)


def _is_key(config: SandboxConfig, key: str, *, has_project: bool) -> bool:
    """Judge a project secret or a project token; both come alone, and only a secret with a project."""
    if config.api_secret is not None and _same(config.api_secret, key):
        return True
    if config.token is not None and _same(config.token, key):
        return not has_project
    wanted = (config.username, config.secret, config.api_secret, config.token)
    return all(one is None for one in wanted)


def _same(wanted: str | None, given: str) -> bool:
    return wanted is None or hmac.compare_digest(wanted.encode(errors="surrogateescape"), given.encode())


def _basic(authorization: str | None) -> str:
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
